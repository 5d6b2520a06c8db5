//! Tables that forget: their oldest entry when they are full, and entries older than an age.

use std::collections::hash_map::Entry::{Occupied, Vacant};
use std::collections::{HashMap, VecDeque};
use std::hash::{BuildHasher, Hash};
use std::sync::atomic::{AtomicU64, Ordering};

use foldhash::quality::RandomState;
use rustc_hash::{FxBuildHasher, FxHashSet};

/// The bounds of a table.
#[derive(Clone, Copy, Default)]
pub struct Bounds {
    /// Most entries.
    pub limit: u64,
    /// Most seconds that an entry is kept; 0: for ever.
    pub age: u64,
    /// The time, in seconds from any start.
    pub now: u64,
}

impl Bounds {
    /// The same bounds for entries that never get too old.
    pub fn ageless(self) -> Self {
        Bounds { age: 0, ..self }
    }

    /// The same bounds for entries that are known for a moment only.
    pub fn for_seconds(self, age: u64) -> Self {
        Bounds { age, ..self }
    }

    fn fresh(&self, since: u64) -> bool {
        self.age == 0 || self.now.saturating_sub(since) < self.age
    }
}

struct Entry<V> {
    /// The entry's place in the order of insertion.
    number: u64,
    /// Time when it was set or last used; may change while a table is read.
    since: AtomicU64,
    value: V,
}

impl<V> Entry<V> {
    fn since(&self) -> u64 {
        self.since.load(Ordering::Relaxed)
    }
}

/// A table that forgets its oldest entry when it is full.
pub struct Bounded<K, V, S = RandomState> {
    entries: HashMap<K, Entry<V>, S>,
    /// Time and key of each entry in the order of insertion; None if it is gone or was set again. An entry used since
    /// that time takes its place at the end.
    order: VecDeque<Option<(u64, K)>>,
    /// The number of the first of these; all others follow.
    first: u64,
    overflowed: bool,
}

impl<K, V, S: Default> Default for Bounded<K, V, S> {
    fn default() -> Self {
        Self { entries: HashMap::default(), order: VecDeque::new(), first: 0, overflowed: false }
    }
}

impl<K: Hash + Eq + Copy, V, S: BuildHasher> Bounded<K, V, S> {
    pub fn insert(&mut self, key: K, value: V, bounds: Bounds) {
        self.insert_with(key, |_| value, bounds);
    }

    /// Sets an entry to a value made from the previous one, however old.
    pub fn insert_with(&mut self, key: K, value: impl FnOnce(Option<&V>) -> V, bounds: Bounds) {
        let (number, since) = (self.first + self.order.len() as u64, bounds.now);
        match self.entries.entry(key) {
            Occupied(mut known) => {
                let value = value(Some(&known.get().value));
                let before = known.insert(Entry { number, since: since.into(), value });
                self.pass_over(before.number);
            }
            Vacant(new) => {
                new.insert(Entry { number, since: since.into(), value: value(None) });
            }
        }
        self.order.push_back(Some((since, key)));
        while let Some(first) = self.order.front().copied() {
            if let Some((since, key)) = first {
                let full = self.entries.len() as u64 > bounds.limit;
                if !full && bounds.fresh(since) {
                    break;
                }
                let used =
                    self.entries.get_mut(&key).filter(|entry| entry.since() > since && bounds.fresh(entry.since()));
                if let Some(entry) = used {
                    entry.number = self.first + self.order.len() as u64;
                    self.order.push_back(Some((entry.since(), key)));
                } else {
                    self.overflowed |= full;
                    self.entries.remove(&key);
                }
            }
            self.order.pop_front();
            self.first += 1;
        }
        if self.order.len() > 2 * self.entries.len() + 64 {
            self.order.retain(Option::is_some);
            for (number, (_, key)) in (self.first..).zip(self.order.iter().flatten()) {
                if let Some(entry) = self.entries.get_mut(key) {
                    entry.number = number;
                }
            }
        }
    }

    /// Removes the entry with that number.
    fn pass_over(&mut self, number: u64) {
        if let Some(place) = self.order.get_mut((number - self.first) as usize) {
            *place = None;
        }
    }

    pub fn get(&self, key: &K, bounds: Bounds) -> Option<&V> {
        if self.entries.is_empty() {
            return None;
        }
        self.entries.get(key).filter(|entry| bounds.fresh(entry.since())).map(|entry| &entry.value)
    }

    /// True if the key is known; the entry then gets as young as a new one.
    pub fn is_used(&self, key: &K, bounds: Bounds) -> bool {
        let entry = self.entries.get(key).filter(|entry| bounds.fresh(entry.since()));
        entry.inspect(|entry| entry.since.store(bounds.now, Ordering::Relaxed)).is_some()
    }

    /// The value, to be changed; its age stays.
    pub fn get_mut(&mut self, key: &K, bounds: Bounds) -> Option<&mut V> {
        self.entries.get_mut(key).filter(|entry| bounds.fresh(entry.since())).map(|entry| &mut entry.value)
    }

    pub fn remove(&mut self, key: &K) -> Option<V> {
        if self.entries.is_empty() {
            return None;
        }
        let entry = self.entries.remove(key)?;
        self.pass_over(entry.number);
        Some(entry.value)
    }

    /// True if a key that is not known here may have been forgotten for lack of room.
    pub fn may_have_had(&self, key: &K) -> bool {
        self.overflowed && !self.entries.contains_key(key)
    }

    pub fn len(&self) -> usize {
        self.entries.len()
    }

    pub fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    /// True if an entry was set in this very second.
    fn is_new(&self, key: &K, bounds: Bounds) -> bool {
        self.entries.get(key).is_some_and(|entry| entry.since() == bounds.now)
    }
}

/// Processes or references that were seen. Keeps a keyed 64-bit hash of each: there can be many. Without the key,
/// nobody can make up a process that collides with another.
#[derive(Default)]
pub struct Seen {
    hasher: RandomState,
    table: Bounded<u64, (), FxBuildHasher>,
}

impl Seen {
    pub fn insert(&mut self, what: impl Hash, bounds: Bounds) {
        let hash = self.hasher.hash_one(what);
        if !self.table.is_new(&hash, bounds) {
            self.table.insert(hash, (), bounds);
        }
    }

    /// True if it is known; it then gets as young as if it were seen now.
    pub fn is_used(&self, what: impl Hash, bounds: Bounds) -> bool {
        !self.table.is_empty() && self.table.is_used(&self.hasher.hash_one(what), bounds)
    }

    pub fn has(&self, what: impl Hash, bounds: Bounds) -> bool {
        !self.table.is_empty() && self.table.get(&self.hasher.hash_one(what), bounds).is_some()
    }

    /// True if it was known, however old; it is removed.
    pub fn remove(&mut self, what: impl Hash) -> bool {
        !self.table.is_empty() && self.table.remove(&self.hasher.hash_one(what)).is_some()
    }
}

/// Processes or references that are never forgotten, up to a limit. Keeps a hash of each, as [`Seen`] does.
#[derive(Default)]
pub struct Unforgotten {
    hasher: RandomState,
    hashes: FxHashSet<u64>,
}

impl Unforgotten {
    /// Adds one, unless there are `limit` of them.
    pub fn insert(&mut self, what: impl Hash, limit: u64) {
        if (self.hashes.len() as u64) < limit {
            self.hashes.insert(self.hasher.hash_one(what));
        }
    }

    pub fn has(&self, what: impl Hash) -> bool {
        !self.hashes.is_empty() && self.hashes.contains(&self.hasher.hash_one(what))
    }

    pub fn remove(&mut self, what: impl Hash) {
        if !self.hashes.is_empty() {
            self.hashes.remove(&self.hasher.hash_one(what));
        }
    }

    pub fn len(&self) -> usize {
        self.hashes.len()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const BOUNDS: Bounds = Bounds { limit: 3, age: 0, now: 0 };

    #[test]
    fn a_full_table_forgets_its_oldest_entry() {
        let mut table: Bounded<u32, u32> = Bounded::default();
        (0..5).for_each(|i| {
            table.insert(i, i, BOUNDS);
        });
        let known: Vec<bool> = (0..5).map(|i| table.get(&i, BOUNDS).is_some()).collect();
        assert_eq!(known, [false, false, true, true, true]);
        assert!(table.may_have_had(&0) && !table.may_have_had(&4));
    }

    #[test]
    fn what_is_too_old_is_gone() {
        let at = |now| Bounds { limit: 10, age: 5, now };
        let mut table: Bounded<u32, ()> = Bounded::default();
        table.insert(1, (), at(100));
        table.insert(2, (), at(103));
        assert!(table.get(&1, at(104)).is_some() && table.get(&1, at(105)).is_none());
        table.insert(3, (), at(105));
        assert_eq!(table.len(), 2);
        assert!(!table.may_have_had(&1));
        assert!(table.get(&1, at(105).ageless()).is_none());
    }

    #[test]
    fn what_is_used_is_young_again() {
        let mut seen = Seen::default();
        let at = |now| Bounds { limit: 3, age: 10, now };
        seen.insert(1, at(0));
        seen.insert(2, at(0));
        assert!(seen.is_used(1, at(9)) && !seen.is_used(3, at(9)));
        seen.insert(4, at(12));
        assert_eq!([1, 2, 4].map(|what| seen.has(what, at(12))), [true, false, true]);
        assert_eq!(seen.table.len(), 2);
        // Where there is no room, what was used stays for longer, too.
        assert!(seen.is_used(1, at(13)));
        (5..7).for_each(|what| seen.insert(what, at(14)));
        assert_eq!([1, 4, 5, 6].map(|what| seen.has(what, at(14))), [true, false, true, true]);
        assert!(!seen.is_used(1, at(23)));
    }

    #[test]
    fn order_does_not_grow_with_what_comes_and_goes() {
        let mut table: Bounded<u32, ()> = Bounded::default();
        let mut seen = Seen::default();
        let bounds = Bounds { limit: 1000, ..BOUNDS };
        for i in 0..100_000 {
            table.insert(i, (), bounds);
            table.remove(&i);
            seen.insert(7, bounds);
            seen.remove(7);
            seen.insert(8, Bounds { now: u64::from(i), ..bounds });
            seen.is_used(8, Bounds { now: u64::from(i), ..bounds });
        }
        assert!(table.order.len() < 200 && seen.table.order.len() < 200);
    }

    #[test]
    fn what_is_seen_again_is_young_again() {
        let mut seen = Seen::default();
        let at = |now| Bounds { limit: 2, age: 0, now };
        for (what, now) in [(1, 1), (2, 1), (1, 2), (3, 3)] {
            seen.insert(what, at(now));
        }
        assert_eq!([1, 2, 3].map(|what| seen.has(what, at(3))), [true, false, true]);
    }
}
