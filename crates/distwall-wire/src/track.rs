//! Connection tracking: what was asked for, so that answers and endings need no rule.
//!
//! # Theory of operation
//!
//! Two kinds of entries. What the *guarded node* asked for (its monitors, spawn requests, unlinks, calls) opens the peer's answers:
//! one each. What the *peer* was allowed to set up (its monitors; links of either side) opens the peer's endings of it.
//! Every table is bounded. One of the guarded node's that is full forgets its oldest entry (whose answer will then need a rule); one
//! of the peer's that is full takes no more (so a peer can't make distwall forget).

use std::collections::{HashMap, VecDeque};
use std::hash::Hash;

use crate::atoms::Word;
use crate::term::{Pid, Reference};

/// A table that forgets its oldest entry when it is full.
struct Bounded<K, V> {
    entries: HashMap<K, (u64, V)>,
    /// Insertion order; entries that are gone, or were set anew, are passed over.
    order: VecDeque<(u64, K)>,
    next: u64,
}

impl<K, V> Default for Bounded<K, V> {
    fn default() -> Self {
        Self { entries: HashMap::new(), order: VecDeque::new(), next: 0 }
    }
}

impl<K: Hash + Eq + Copy, V> Bounded<K, V> {
    fn insert(&mut self, key: K, value: V, limit: u64) {
        self.next += 1;
        self.entries.insert(key, (self.next, value));
        self.order.push_back((self.next, key));
        while self.entries.len() as u64 > limit {
            let Some((number, key)) = self.order.pop_front() else {
                break;
            };
            if self.entries.get(&key).is_some_and(|(current, _)| *current == number) {
                self.entries.remove(&key);
            }
        }
        if self.order.len() > 2 * self.entries.len() + 64 {
            let entries = &self.entries;
            self.order.retain(|(number, key)| entries.get(key).is_some_and(|(current, _)| current == number));
        }
    }

    fn get(&self, key: &K) -> Option<&V> {
        self.entries.get(key).map(|(_, value)| value)
    }

    fn remove(&mut self, key: &K) {
        self.entries.remove(key);
    }
}

/// A pair of linked processes.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub struct Pair {
    /// Of the peer.
    pub peer: Pid,
    /// Of the guarded node.
    pub guard: Pid,
}

/// What a monitor of the peer watches, as its exit has to name it.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Watched {
    /// A registered name.
    Name(Box<[u8]>),
    /// A process of the guarded node.
    Process(Pid),
}

/// A spawn request of the guarded node.
#[derive(Clone, Copy)]
struct Spawn {
    by: Pid,
    linked: bool,
    monitored: bool,
}

/// All that is known about one channel.
#[derive(Default)]
pub struct Track {
    limit: u64,
    monitors: Bounded<Reference, ()>,
    spawns: Bounded<Reference, Spawn>,
    unlinks: Bounded<(u64, Pair), ()>,
    calls: Bounded<Reference, Pid>,
    rex: Bounded<(Pid, u8), u32>,
    /// Links, each with the id of the guarded node's unlink that is under way.
    links: HashMap<Pair, Option<u64>>,
    peer_monitors: HashMap<Reference, (Pid, Watched)>,
}

/// A question about an inbound answer or ending: does something open it?
#[derive(Clone, Copy, Debug)]
pub enum Asked {
    /// The end of a process that the guarded node monitors.
    Monitor(Reference),
    /// The reply to a spawn request of this process.
    Spawn(Reference, Pid),
    /// The acknowledgement of an unlink.
    Unlink(u64, Pair),
    /// The answer to a call of this process.
    Call(Reference, Pid),
    /// The answer to a call through this alias.
    Alias(Reference),
    /// An answer of rex to this process.
    Rex(Pid),
    /// The answer to this process's question for features.
    Features(Pid),
    /// Something between linked processes.
    Link(Pair),
    /// The end of a monitor that the peer set.
    PeerMonitor(Reference, Pid),
}

impl Track {
    /// An empty one; each table keeps at most `limit` entries.
    #[must_use]
    pub fn new(limit: u64) -> Self {
        Self { limit, ..Self::default() }
    }

    /// Whether something opens this.
    #[must_use]
    pub fn knows(&self, asked: Asked) -> bool {
        match asked {
            Asked::Monitor(reference) => self.monitors.get(&reference).is_some(),
            Asked::Spawn(reference, pid) => self.spawns.get(&reference).is_some_and(|spawn| spawn.by == pid),
            Asked::Unlink(id, pair) => self.unlinks.get(&(id, pair)).is_some(),
            Asked::Call(reference, pid) => self.calls.get(&reference) == Some(&pid),
            Asked::Alias(reference) => self.calls.get(&reference).is_some(),
            Asked::Rex(pid) => self.rex.get(&(pid, Word::Rex as u8)).is_some(),
            Asked::Features(pid) => self.rex.get(&(pid, Word::FeaturesRequest as u8)).is_some(),
            Asked::Link(pair) => self.links.contains_key(&pair),
            Asked::PeerMonitor(reference, pid) => self.peer_monitors.get(&reference).is_some_and(|(by, _)| *by == pid),
        }
    }

    /// Whether any answer that comes as a message is waited for.
    #[must_use]
    pub fn awaits_messages(&self) -> bool {
        !self.calls.entries.is_empty() || !self.rex.entries.is_empty()
    }

    /// What was asked for has been given: it opens nothing more.
    pub fn settle(&mut self, asked: Asked) {
        match asked {
            Asked::Monitor(reference) => self.monitors.remove(&reference),
            Asked::Spawn(reference, _) => self.spawns.remove(&reference),
            Asked::Unlink(id, pair) => {
                self.unlinks.remove(&(id, pair));
                // A link that was made again since then stays.
                if self.links.get(&pair) == Some(&Some(id)) {
                    self.links.remove(&pair);
                }
            }
            Asked::Call(reference, _) | Asked::Alias(reference) => self.calls.remove(&reference),
            Asked::Rex(pid) => self.answered(pid, Word::Rex),
            Asked::Features(pid) => self.answered(pid, Word::FeaturesRequest),
            Asked::Link(pair) => {
                self.links.remove(&pair);
            }
            Asked::PeerMonitor(reference, _) => {
                self.peer_monitors.remove(&reference);
            }
        }
    }

    fn answered(&mut self, pid: Pid, word: Word) {
        let key = (pid, word as u8);
        match self.rex.get(&key).copied() {
            Some(left) if left > 1 => self.rex.insert(key, left - 1, self.limit),
            _ => self.rex.remove(&key),
        }
    }

    /// The guarded node monitors something, or asked for a spawn with a monitor that was done.
    pub fn monitor(&mut self, reference: Reference) {
        self.monitors.insert(reference, (), self.limit);
    }

    /// The guarded node asks for a spawn, with a link or a monitor or neither.
    pub fn spawn(&mut self, reference: Reference, by: Pid, linked: bool, monitored: bool) {
        self.spawns.insert(reference, Spawn { by, linked, monitored }, self.limit);
    }

    /// Whether a reply to that spawn request brings a link or a monitor for which it didn't ask.
    #[must_use]
    pub fn brings_more(&self, reference: Reference, linked: bool, monitored: bool) -> bool {
        self.spawns.get(&reference).is_some_and(|asked| linked && !asked.linked || monitored && !asked.monitored)
    }

    /// Whether a spawn request of the guarded node is not answered yet.
    #[must_use]
    pub fn spawning(&self, reference: Reference) -> bool {
        self.spawns.get(&reference).is_some()
    }

    /// The guarded node unlinks.
    pub fn unlink(&mut self, id: u64, pair: Pair) {
        self.unlinks.insert((id, pair), (), self.limit);
        if let Some(link) = self.links.get_mut(&pair) {
            *link = Some(id);
        }
    }

    /// The guarded node asks something whose answer carries this reference.
    pub fn call(&mut self, reference: Reference, by: Pid) {
        self.calls.insert(reference, by, self.limit);
    }

    /// The process that waits for an answer with this reference.
    #[must_use]
    pub fn caller(&self, reference: Reference) -> Option<Pid> {
        self.calls.get(&reference).copied()
    }

    /// The guarded node asks rex something.
    pub fn rex(&mut self, by: Pid, word: Word) {
        let key = (by, word as u8);
        let open = self.rex.get(&key).copied().unwrap_or(0);
        self.rex.insert(key, open.saturating_add(1), self.limit);
    }

    /// Whether the peer may set up one more link, or else one more monitor.
    #[must_use]
    pub fn room(&self, link: bool) -> bool {
        (if link { self.links.len() } else { self.peer_monitors.len() } as u64) < self.limit
    }

    /// Processes are linked. What doesn't fit is not known, so its ending will need a rule.
    pub fn link(&mut self, pair: Pair) {
        if self.room(true) || self.links.contains_key(&pair) {
            self.links.insert(pair, None);
        }
    }

    /// The peer monitors something.
    pub fn peer_monitor(&mut self, reference: Reference, by: Pid, watched: Watched) {
        if self.room(false) {
            self.peer_monitors.insert(reference, (by, watched));
        }
    }

    /// What that monitor of the peer's process watches.
    #[must_use]
    pub fn watched(&self, reference: Reference, by: Pid) -> Option<&Watched> {
        self.peer_monitors.get(&reference).filter(|(owner, _)| *owner == by).map(|(_, watched)| watched)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pid(id: u32) -> Pid {
        Pid { id, serial: 0, creation: 1 }
    }

    fn reference(word: u32) -> Reference {
        Reference { creation: 1, length: 1, words: [word, 0, 0, 0, 0] }
    }

    #[test]
    fn a_full_table_of_the_guarded_node_forgets_its_oldest_entry() {
        let mut track = Track::new(3);
        (0..5).for_each(|i| track.call(reference(i), pid(i)));
        let known: Vec<bool> = (0..5).map(|i| track.knows(Asked::Call(reference(i), pid(i)))).collect();
        assert_eq!(known, [false, false, true, true, true]);
    }

    #[test]
    fn an_answer_opens_once() {
        let mut track = Track::new(10);
        track.call(reference(1), pid(1));
        assert!(!track.knows(Asked::Call(reference(1), pid(2))));
        track.settle(Asked::Call(reference(1), pid(1)));
        assert!(!track.knows(Asked::Call(reference(1), pid(1))));
        track.rex(pid(1), Word::Rex);
        track.rex(pid(1), Word::Rex);
        track.settle(Asked::Rex(pid(1)));
        assert!(track.knows(Asked::Rex(pid(1))));
        track.settle(Asked::Rex(pid(1)));
        assert!(!track.knows(Asked::Rex(pid(1))));
    }

    #[test]
    fn order_does_not_grow_with_what_comes_and_goes() {
        let mut track = Track::new(1000);
        for i in 0..100_000 {
            track.call(reference(i), pid(1));
            track.settle(Asked::Call(reference(i), pid(1)));
        }
        assert!(track.calls.order.len() < 200);
    }

    #[test]
    fn a_full_table_of_the_peer_takes_no_more() {
        let mut track = Track::new(1);
        track.peer_monitor(reference(1), pid(1), Watched::Process(pid(9)));
        assert!(!track.room(false) && track.room(true));
        track.peer_monitor(reference(2), pid(1), Watched::Process(pid(9)));
        assert!(track.watched(reference(1), pid(1)).is_some() && track.watched(reference(2), pid(1)).is_none());
    }
}
