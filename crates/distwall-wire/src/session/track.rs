//! Connection tracking: requests, so that answers and endings need no rule, and the processes that each node disclosed.
//!
//! # Theory of operation
//!
//! Both nodes are followed in the same way, each on a [`Side`] of its own. What only rules for outbound commands ask for is
//! not noted where there will be none: the peer's calls, and what it disclosed
//! ([`Ends::follows`](super::judge::Ends::follows)).
//!
//! * The *requests* of a node (its monitors, spawn requests, unlinks, calls) open the other's answers: one each.
//! * It may end its own *monitors*, and links that either node made, without a rule.
//! * Processes that it *disclosed* (pids and aliases in its messages, processes spawned for the other) are the targets
//!   of rules `to exposed` and `to spawned`. What the guarded node disclosed outlasts the channel: see
//!   [`exposures`](Exposures).
//! * The *people* are processes of the guarded node, with the identities that it told ([`People`]).
//! * What the peer *observes* is counted ([`Observed`]).
//! * The *scopes* of `pg` on the guarded node are followed, so that the peer ends none ([`Scopes`]).
//!
//! Every table is bounded. A full table forgets its oldest entry, whose answer will then need a rule. The tables of the
//! peer's own links and monitors are the exception, and so are the scopes: when full, they take no new entry. A peer
//! fills no table of the guarded node's side, so it can't make distwall forget requests or disclosed processes of the
//! guarded node. A request without an answer is forgotten after an age, and so is a disclosed process that is not used;
//! monitors and links stay.
//!
//! The tables of all channels of an entry have bounds, too. Beyond them, tables that a peer fills forget more
//! ([`Track::crowd`]). The other tables are *lasting*: their entries are not forgotten for want of memory, so a channel ends
//! ([`Track::lasting_size`]).
//!
//! Both nodes can end the same link or monitor at the same time, and each says so. So an ended link or monitor stays
//! known for a minute, for the other node's ending that crosses on the way. An ended process still gets
//! messages from processes that haven't heard of it.

use std::collections::HashMap;
use std::num::NonZeroU64;
use std::sync::Arc;

use foldhash::quality::RandomState;

use crate::direction::Direction;
use crate::term::atoms::Word;
use crate::term::reader::{Pid, Reference};
use crate::wire::control::Watched;

use bounded::{Bounded, Bounds, Measured, Seen, FEW};
use exposures::ExposedSet;
use pg::Scopes;

pub use exposures::{Claims, Exposures, Owner};
pub use observed::Observed;
pub use people::{Facts, People, Person};
pub use pg::Telling;

mod bounded;
mod exposures;
pub mod observed;
mod people;
mod pg;
mod shown;

/// Seconds until a node has surely heard of an ending.
const CROSSING: u64 = 60;

/// A pair of linked processes.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub struct Pair {
    /// The peer's process.
    pub peer: Pid,
    /// The guarded node's process.
    pub guard: Pid,
}

impl Pair {
    /// The pair of a sender and a receiver in a direction.
    #[must_use]
    pub fn new(direction: Direction, from: Pid, to: Pid) -> Self {
        match direction {
            Direction::Inbound => Pair { peer: from, guard: to },
            Direction::Outbound => Pair { peer: to, guard: from },
        }
    }

    /// The process of the sending node in that direction.
    #[must_use]
    pub fn of(&self, side: Direction) -> Pid {
        match side {
            Direction::Inbound => self.peer,
            Direction::Outbound => self.guard,
        }
    }
}

/// The process that monitors, and the process or name that it monitors.
type Monitor = (Pid, Watched);

/// A spawn request.
#[derive(Clone, Copy)]
pub struct Spawn {
    /// The process that asks.
    pub by: Pid,
    /// True if the new process is to be linked.
    pub linked: bool,
    /// True if the new process is to be monitored.
    pub monitored: bool,
    /// The reference behind which its monitor's end tells the result, if it is a call of `erpc`.
    pub erpc: Option<Reference>,
}

struct OpenCall {
    by: Pid,
}

impl Measured for Monitor {
    fn kept(&self) -> usize {
        match &self.1 {
            Watched::Name(name) => name.len(),
            Watched::Process(_) => 0,
        }
    }
}

impl Measured for (Monitor, Direction) {
    fn kept(&self) -> usize {
        self.0.kept()
    }
}

impl Measured for Direction {}
impl Measured for Reference {}
impl Measured for Spawn {}
impl Measured for OpenCall {}

/// The requests of one node, and the processes that it disclosed.
#[derive(Default)]
struct Side {
    monitors: Bounded<Reference, Monitor>,
    /// Monitors of its processes that have ended, and the side that said so.
    parted: Bounded<Reference, (Monitor, Direction)>,
    spawns: Bounded<Reference, Spawn>,
    unlinks: Bounded<(NonZeroU64, Pair), ()>,
    calls: Bounded<Reference, OpenCall>,
    rex: Bounded<(Pid, Word), u32>,
    /// Monitors of its `erpc` calls, with the reference of the result.
    erpc: Bounded<Reference, Reference>,
    /// References with which it has asked OTP's own servers: their answers show nothing.
    services: Seen,
    /// Processes made by the other node's spawn requests.
    spawned: Seen,
    /// Ended processes that the other node had spawned.
    gone_spawned: Seen,
    /// Processes, with the number of links that the other node hasn't ended.
    linked: HashMap<Pid, u32, RandomState>,
}

impl Side {
    /// Bytes of memory for the tables, without the services.
    fn size(&self) -> usize {
        let requests = self.monitors.size() + self.parted.size() + self.spawns.size() + self.unlinks.size();
        let calls = self.calls.size() + self.rex.size() + self.erpc.size();
        let linked = self.linked.capacity() * (size_of::<(Pid, u32)>() + 1);
        requests + calls + linked + self.spawned.size() + self.gone_spawned.size()
    }
}

/// The tracking tables of one channel.
#[derive(Default)]
pub struct Track {
    bounds: Bounds,
    /// True if the tables that the peer fills get no more memory.
    crowded: bool,
    sides: [Side; 2],
    /// The peer's processes and aliases that the guarded node was shown.
    by_peer: ExposedSet,
    /// The guarded node's that the peer was shown, over all its channels.
    by_guard: Arc<Exposures>,
    /// Processes of the guarded node that the peer was sent as group leaders.
    leaders: Seen,
    /// Processes of the guarded node that the peer has aimed at.
    pub people: People,
    /// The peer's questions to `observer_backend`.
    pub observed: Observed,
    /// Scopes of `pg` on the guarded node, and what they know of the peer's.
    scopes: Scopes,
    /// Links, each with the id of each side's unlink that is under way.
    links: HashMap<Pair, [Option<NonZeroU64>; 2], RandomState>,
    /// True if there was a link for which there was no room.
    missed_links: bool,
    /// Links that have ended, and who said so.
    parted: Bounded<Pair, Direction>,
}

/// A question about an answer or an ending: is it expected?
#[derive(Clone, Copy, Debug)]
pub enum Asked {
    /// The end of a process that the receiver monitors.
    Monitor(Reference),
    /// The reply to a spawn request of this process.
    Spawn(Reference, Pid),
    /// The acknowledgement of an unlink.
    Unlink(NonZeroU64, Pair),
    /// The answer to a call of this process.
    Call(Reference, Pid),
    /// The answer to a call through this alias.
    Alias(Reference),
    /// An answer of rex to this process.
    Rex(Pid),
    /// The answer to this process's question for features.
    Features(Pid),
    /// A signal between linked processes.
    Link(Pair),
    /// The end of a monitor that the sender's process set.
    OwnMonitor(Reference, Pid),
}

impl Track {
    /// Empty tables; each keeps at most `limit` entries, and requests for `age` seconds at most (0: for ever).
    #[must_use]
    pub fn new(limit: u64, age: u64) -> Self {
        Self { bounds: Bounds { limit, age, now: 0, crowded: false }, ..Self::default() }
    }

    /// Takes over what the peer was shown on earlier channels, and notes there what it will be shown.
    pub fn share(&mut self, exposures: Arc<Exposures>) {
        self.by_guard = exposures;
    }

    /// Changes the bounds; entries beyond them go when an entry is added.
    pub fn set_bounds(&mut self, limit: u64, age: u64) {
        self.bounds = Bounds { limit, age, ..self.bounds };
    }

    /// Sets the time, in seconds from any start.
    pub fn tick(&mut self, now: f64) {
        self.bounds.now = now as u64;
        self.people.tick(now);
        self.observed.tick(now);
    }

    /// Changes whether the tables that the peer fills may get more memory.
    pub fn crowd(&mut self, crowded: bool) {
        self.crowded = crowded;
    }

    /// Bytes of memory for the tables that the peer fills, without names.
    #[must_use]
    pub fn size(&self) -> usize {
        let links = self.links.capacity() * (size_of::<(Pair, [Option<NonZeroU64>; 2])>() + 1) + self.parted.size();
        links + self.by_peer.size() + self.side(Direction::Inbound).size() + self.scopes.size()
    }

    /// Bytes of memory for all other tables: what the guarded node asks and shows, and what the peer has asked OTP's own
    /// servers. A peer that has the guarded node ask and show can fill them, too.
    #[must_use]
    pub fn lasting_size(&self) -> usize {
        let services: usize = self.sides.iter().map(|side| side.services.size()).sum();
        self.side(Direction::Outbound).size() + services + self.leaders.size() + self.by_guard.lock().shown.size()
    }

    /// Bytes of the names in the tables, which are as long as a node likes.
    #[must_use]
    pub fn names(&self) -> usize {
        self.sides.iter().map(|side| side.monitors.kept() + side.parted.kept()).sum()
    }

    /// The bounds of tables of that side. What the guarded node has asked and shown is not forgotten for want of memory that
    /// peers have taken.
    fn bounds_of(&self, side: Direction) -> Bounds {
        Bounds { crowded: self.crowded && side == Direction::Inbound, ..self.bounds }
    }

    fn side(&self, side: Direction) -> &Side {
        &self.sides[side as usize]
    }

    fn side_mut(&mut self, side: Direction) -> &mut Side {
        &mut self.sides[side as usize]
    }

    /// True if this answer or ending, sent in that direction, is expected.
    #[must_use]
    pub fn knows(&self, direction: Direction, asked: Asked) -> bool {
        let (own, other, bounds) = (self.side(direction), self.side(direction.other()), self.bounds);
        match asked {
            Asked::Monitor(reference) => self.ending(direction, reference).is_some(),
            Asked::Spawn(reference, pid) => other.spawns.get(&reference, bounds).is_some_and(|spawn| spawn.by == pid),
            Asked::Unlink(id, pair) => other.unlinks.get(&(id, pair), bounds).is_some(),
            Asked::Call(reference, pid) => other.calls.get(&reference, bounds).is_some_and(|call| call.by == pid),
            Asked::Alias(reference) => other.calls.get(&reference, bounds).is_some(),
            Asked::Rex(pid) => other.rex.get(&(pid, Word::Rex), bounds).is_some(),
            Asked::Features(pid) => other.rex.get(&(pid, Word::FeaturesRequest), bounds).is_some(),
            // Who has ended a link can't end it again.
            Asked::Link(pair) => match self.links.get(&pair) {
                Some(ending) => ending[direction as usize].is_none(),
                None => self.parted.get(&pair, bounds.for_seconds(CROSSING)).is_some_and(|by| *by != direction),
            },
            Asked::OwnMonitor(reference, pid) => match own.monitors.get(&reference, bounds.ageless()) {
                Some((by, _)) => *by == pid,
                None => {
                    let parted = own.parted.get(&reference, bounds.for_seconds(CROSSING));
                    parted.is_some_and(|((owner, _), by)| *owner == pid && *by != direction)
                }
            },
        }
    }

    /// The monitor whose exit, sent in that direction, is expected: its owner, and the process or name that it watches.
    #[must_use]
    pub fn ending(&self, direction: Direction, reference: Reference) -> Option<&Monitor> {
        let (other, bounds) = (self.side(direction.other()), self.bounds);
        other.monitors.get(&reference, bounds.ageless()).or_else(|| {
            let parted = other.parted.get(&reference, bounds.for_seconds(CROSSING));
            parted.filter(|(_, by)| *by != direction).map(|(monitor, _)| monitor)
        })
    }

    /// True if this monitor of the owner watches that process or name.
    #[must_use]
    pub fn ends(&self, direction: Direction, reference: Reference, owner: Pid, watched: &Watched) -> bool {
        self.ending(direction, reference).is_some_and(|(by, what)| *by == owner && what == watched)
    }

    /// True if this may have been expected, but was not noted because there was no room.
    #[must_use]
    pub fn may_have_known(&self, direction: Direction, asked: Asked) -> bool {
        let other = self.side(direction.other());
        match asked {
            Asked::Monitor(reference) => other.monitors.may_have_had(&reference),
            Asked::Spawn(reference, _) => other.spawns.may_have_had(&reference),
            Asked::Unlink(id, pair) => other.unlinks.may_have_had(&(id, pair)),
            Asked::Link(pair) => self.missed_links && !self.links.contains_key(&pair),
            _ => false,
        }
    }

    /// True if answers by message are expected in that direction.
    #[must_use]
    #[inline]
    pub fn awaits_messages(&self, direction: Direction) -> bool {
        let asker = self.side(direction.other());
        !asker.calls.is_empty() || !asker.rex.is_empty()
    }

    /// Settles a request: it was answered in that direction, and opens nothing more.
    pub fn settle(&mut self, direction: Direction, asked: Asked) {
        let (asker, bounds) = (direction.other(), self.bounds);
        match asked {
            Asked::Monitor(reference) => self.part(asker, reference, direction),
            Asked::Spawn(reference, _) => {
                let bounds = self.bounds_of(asker).ageless();
                let side = self.side_mut(asker);
                if let Some(result) = side.spawns.remove(&reference).and_then(|spawn| spawn.erpc) {
                    side.erpc.insert(reference, result, bounds);
                }
            }
            Asked::Unlink(id, pair) => {
                self.side_mut(asker).unlinks.remove(&(id, pair));
                // A link that was made again since then stays.
                if self.links.get(&pair).is_some_and(|ending| ending[asker as usize] == Some(id)) {
                    self.unlinked(pair);
                }
            }
            Asked::Call(reference, _) | Asked::Alias(reference) => {
                // The alias of a call is good for its answer.
                self.shown(asker, |shown| shown.end_alias(reference));
                self.side_mut(asker).calls.remove(&reference);
            }
            Asked::Rex(pid) | Asked::Features(pid) => {
                let word = if matches!(asked, Asked::Rex(_)) { Word::Rex } else { Word::FeaturesRequest };
                let (key, rex) = ((pid, word), &mut self.side_mut(asker).rex);
                match rex.get_mut(&key, bounds) {
                    Some(left) if *left > 1 => *left -= 1,
                    _ => {
                        rex.remove(&key);
                    }
                }
            }
            Asked::Link(pair) if self.links.contains_key(&pair) => {
                self.unlinked(pair);
                self.parted.insert(pair, direction, bounds.for_seconds(CROSSING));
            }
            Asked::Link(pair) => {
                self.parted.remove(&pair);
            }
            Asked::OwnMonitor(reference, _) => self.part(direction, reference, direction),
        }
    }

    /// Notes the end of a monitor of `side`, as told in direction `by`; or an ending that crosses the other's.
    fn part(&mut self, side: Direction, reference: Reference, by: Direction) {
        let bounds = self.bounds_of(side).for_seconds(CROSSING);
        let side = self.side_mut(side);
        side.erpc.remove(&reference);
        match side.monitors.remove(&reference) {
            Some(monitor) => {
                side.parted.insert(reference, (monitor, by), bounds);
            }
            None => {
                side.parted.remove(&reference);
            }
        }
    }

    /// Notes a monitor of a process of `side`, made by itself or by a spawn request with a monitor.
    pub fn monitor(&mut self, side: Direction, reference: Reference, by: Pid, watched: Watched) {
        if side == Direction::Outbound || self.room(false) {
            let bounds = self.bounds.ageless();
            self.side_mut(side).monitors.insert(reference, (by, watched), bounds);
        }
    }

    /// The process or name that this monitor of a process of `side` watches.
    #[must_use]
    pub fn watched(&self, side: Direction, reference: Reference, by: Pid) -> Option<&Watched> {
        let monitor = self.side(side).monitors.get(&reference, self.bounds.ageless());
        monitor.filter(|(owner, _)| *owner == by).map(|(_, watched)| watched)
    }

    /// Notes a spawn request of a process of `side`.
    #[inline]
    pub fn spawn(&mut self, side: Direction, reference: Reference, spawn: Spawn) {
        let bounds = self.bounds_of(side);
        self.side_mut(side).spawns.insert(reference, spawn, bounds);
    }

    /// The reference of the result with which this monitor of `side` ends, if it came with a call of `erpc`.
    #[must_use]
    pub fn erpc(&self, side: Direction, monitor: Reference) -> Option<Reference> {
        self.side(side).erpc.get(&monitor, self.bounds.ageless()).copied()
    }

    /// Notes that `side` has asked one of OTP's own servers, whose answer comes behind that reference.
    pub fn asks_service(&mut self, side: Direction, reference: Reference) {
        // Not forgotten for want of memory: then the answer would show processes of OTP's.
        let bounds = self.bounds;
        self.side_mut(side).services.insert(reference, bounds);
    }

    /// True if that reference stands for an answer of one of OTP's own servers to `side`.
    #[must_use]
    pub fn has_asked_service(&self, side: Direction, reference: Reference) -> bool {
        self.side(side).services.has(reference, self.bounds)
    }

    /// True if a reply to that spawn request of the guarded node brings a link or a monitor without being asked.
    #[must_use]
    pub fn brings_more(&self, reference: Reference, linked: bool, monitored: bool) -> bool {
        let spawn = self.side(Direction::Outbound).spawns.get(&reference, self.bounds);
        spawn.is_some_and(|asked| linked && !asked.linked || monitored && !asked.monitored)
    }

    /// True if a spawn request of the guarded node is not answered yet.
    #[must_use]
    pub fn spawning(&self, reference: Reference) -> bool {
        self.side(Direction::Outbound).spawns.get(&reference, self.bounds).is_some()
    }

    /// Notes a process of `side` that a spawn request of the other node made.
    pub fn spawned(&mut self, side: Direction, pid: Pid) {
        let bounds = self.bounds_of(side);
        self.side_mut(side).spawned.insert(pid, bounds);
        self.expose(side, &[pid], &[], Some(pid));
    }

    /// True if the other node made a process of `side`; the question counts as a use.
    #[must_use]
    pub fn is_spawned(&self, side: Direction, pid: Pid) -> bool {
        let side = self.side(side);
        side.spawned.is_used(pid, self.bounds) || side.gone_spawned.has(pid, self.bounds.for_seconds(CROSSING))
    }

    /// True if a process of `side` is linked, in the other node's view.
    #[must_use]
    pub fn is_linked(&self, side: Direction, pid: Pid) -> bool {
        self.side(side).linked.contains_key(&pid)
    }

    /// Notes the end of a process of `side`.
    pub fn ended(&mut self, side: Direction, pid: Pid) {
        let bounds = self.bounds;
        self.shown(side, |shown| shown.ended(pid, bounds));
        let (own, bounds) = (&mut self.sides[side as usize], bounds.for_seconds(CROSSING));
        if own.spawned.remove(pid) {
            own.gone_spawned.insert(pid, bounds);
        }
        if side == Direction::Outbound {
            self.observed.ended(pid);
        }
    }

    /// Notes an unlink of a process of `side`; None: in the old form, which nobody acknowledges.
    pub fn unlink(&mut self, side: Direction, id: Option<NonZeroU64>, pair: Pair) {
        let Some(id) = id else {
            return self.unlinked(pair);
        };
        let bounds = self.bounds_of(side);
        self.side_mut(side).unlinks.insert((id, pair), (), bounds);
        if let Some(ending) = self.links.get_mut(&pair) {
            if ending[side as usize].replace(id).is_none() {
                self.count_link(pair, side, false);
            }
        }
    }

    /// Notes a link. Without room it is not known, so its ending will need a rule.
    pub fn link(&mut self, pair: Pair) {
        match self.links.get(&pair) {
            Some([None, None]) => return,
            Some(_) => self.unlinked(pair),
            None => {}
        }
        if self.room(true) {
            self.links.insert(pair, [None; 2]);
            self.count_link(pair, Direction::Inbound, true);
            self.count_link(pair, Direction::Outbound, true);
        } else {
            self.missed_links = true;
        }
    }

    fn unlinked(&mut self, pair: Pair) {
        self.observed.unlinked(pair);
        let Some(ending) = self.links.remove(&pair) else { return };
        for side in [Direction::Inbound, Direction::Outbound] {
            if ending[side as usize].is_none() {
                self.count_link(pair, side, false);
            }
        }
    }

    /// Counts a link of `side` with a process of the other node, or its end.
    fn count_link(&mut self, pair: Pair, side: Direction, more: bool) {
        let other = side.other();
        let linked = &mut self.side_mut(other).linked;
        let count = linked.entry(pair.of(other)).or_default();
        *count = if more { *count + 1 } else { count.saturating_sub(1) };
        if *count == 0 {
            linked.remove(&pair.of(other));
        }
    }

    /// True if the peer may make one more link, or else one more monitor.
    #[must_use]
    pub fn room(&self, link: bool) -> bool {
        let monitors = &self.side(Direction::Inbound).monitors;
        let (used, capacity) = match link {
            true => (self.links.len(), self.links.capacity().max(FEW)),
            false => (monitors.len(), monitors.capacity()),
        };
        (used as u64) < self.bounds.limit && !(self.crowded && used >= capacity)
    }

    /// Notes a question of a process of `side`, whose answer carries this reference.
    pub fn call(&mut self, side: Direction, reference: Reference, by: Pid) {
        let bounds = self.bounds_of(side);
        self.side_mut(side).calls.insert(reference, OpenCall { by }, bounds);
    }

    /// Notes a question of a process of `side` to rex.
    pub fn rex(&mut self, side: Direction, by: Pid, word: Word) {
        let (key, bounds) = ((by, word), self.bounds_of(side));
        let rex = &mut self.side_mut(side).rex;
        let open = rex.get(&key, bounds).copied().unwrap_or(0);
        rex.insert(key, open.saturating_add(1), bounds);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use Direction::{Inbound, Outbound};

    const ID: NonZeroU64 = NonZeroU64::MIN;

    fn pid(id: u32) -> Pid {
        Pid { id, serial: 0, creation: 1 }
    }

    fn reference(word: u32) -> Reference {
        Reference { creation: 1, length: 1, words: [word, 0, 0, 0, 0] }
    }

    #[test]
    fn an_answer_opens_once() {
        let mut track = Track::new(10, 0);
        track.call(Outbound, reference(1), pid(1));
        assert!(!track.knows(Inbound, Asked::Call(reference(1), pid(2))));
        assert!(!track.knows(Outbound, Asked::Call(reference(1), pid(1))));
        track.settle(Inbound, Asked::Call(reference(1), pid(1)));
        assert!(!track.knows(Inbound, Asked::Call(reference(1), pid(1))));
        track.rex(Outbound, pid(1), Word::Rex);
        track.rex(Outbound, pid(1), Word::Rex);
        track.settle(Inbound, Asked::Rex(pid(1)));
        assert!(track.knows(Inbound, Asked::Rex(pid(1))));
        track.settle(Inbound, Asked::Rex(pid(1)));
        assert!(!track.knows(Inbound, Asked::Rex(pid(1))));
    }

    #[test]
    fn only_what_the_peer_asks_is_forgotten_for_want_of_memory() {
        let mut track = Track::new(10_000, 0);
        track.crowd(true);
        for side in [Inbound, Outbound] {
            (0..1000).for_each(|word| track.call(side, reference(word), pid(1)));
            (0..1000).for_each(|id| track.expose(side, &[pid(id)], &[], None));
            (0..1000).for_each(|word| track.asks_service(side, reference(word)));
            let is_of_peer = side == Inbound;
            assert_eq!(track.knows(side.other(), Asked::Call(reference(0), pid(1))), !is_of_peer);
            assert_eq!(track.is_exposed(side, pid(0)), !is_of_peer);
            assert!(track.knows(side.other(), Asked::Call(reference(999), pid(1))) && track.is_exposed(side, pid(999)));
            assert!(track.has_asked_service(side, reference(0)));
        }
    }

    #[test]
    fn a_full_table_of_the_peer_takes_no_more() {
        let mut track = Track::new(1, 0);
        track.monitor(Inbound, reference(1), pid(1), Watched::Process(pid(9)));
        assert!(!track.room(false) && track.room(true));
        track.monitor(Inbound, reference(2), pid(1), Watched::Process(pid(9)));
        assert!(track.watched(Inbound, reference(1), pid(1)).is_some());
        assert!(track.watched(Inbound, reference(2), pid(1)).is_none());
        track.monitor(Outbound, reference(3), pid(1), Watched::Process(pid(9)));
        track.monitor(Outbound, reference(4), pid(1), Watched::Process(pid(9)));
        assert!(!track.knows(Inbound, Asked::Monitor(reference(3))));
        assert!(track.may_have_known(Inbound, Asked::Monitor(reference(3))));
        assert!(!track.may_have_known(Inbound, Asked::Monitor(reference(4))));
        assert!(track.knows(Inbound, Asked::Monitor(reference(4))));
    }

    #[test]
    fn a_monitor_ends_with_what_it_watches() {
        let mut track = Track::new(10, 0);
        track.monitor(Outbound, reference(1), pid(1), Watched::Process(pid(9)));
        let ends = |track: &Track, owner, watched| track.ends(Inbound, reference(1), owner, &watched);
        for crossing in [false, true] {
            assert!(ends(&track, pid(1), Watched::Process(pid(9))), "{crossing}");
            assert!(!ends(&track, pid(2), Watched::Process(pid(9))), "{crossing}");
            assert!(!ends(&track, pid(1), Watched::Process(pid(8))), "{crossing}");
            assert!(!ends(&track, pid(1), Watched::Name(b"server"[..].into())), "{crossing}");
            track.settle(Outbound, Asked::OwnMonitor(reference(1), pid(1)));
        }
        track.settle(Inbound, Asked::Monitor(reference(1)));
        assert!(!ends(&track, pid(1), Watched::Process(pid(9))));
    }

    #[test]
    fn a_link_counts_until_it_is_ended() {
        let mut track = Track::new(10, 0);
        let pair = Pair { peer: pid(1), guard: pid(2) };
        track.link(pair);
        track.link(pair);
        track.link(Pair { peer: pid(3), guard: pid(2) });
        assert!(track.is_linked(Outbound, pid(2)) && track.is_linked(Inbound, pid(1)));
        track.unlink(Inbound, Some(ID), pair);
        track.unlink(Inbound, Some(ID), Pair { peer: pid(3), guard: pid(2) });
        // The guarded node has not heard of it.
        assert!(!track.is_linked(Outbound, pid(2)) && track.is_linked(Inbound, pid(1)));
        assert!(!track.knows(Inbound, Asked::Link(pair)) && track.knows(Outbound, Asked::Link(pair)));
        track.settle(Outbound, Asked::Unlink(ID, pair));
        assert!(!track.is_linked(Inbound, pid(1)) && !track.knows(Outbound, Asked::Link(pair)));
        assert!(track.is_linked(Inbound, pid(3)));
    }
}
