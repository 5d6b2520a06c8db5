//! Tables that forget: their oldest entry when they are full, and entries older than an age.

use std::hash::{BuildHasher, Hash};
use std::sync::atomic::{AtomicU64, Ordering};

use foldhash::quality::RandomState;
use hashbrown::HashTable;
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
    /// True if the table gets no more memory: then a new entry takes the place of the oldest one.
    pub crowded: bool,
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

/// A value of a table.
pub trait Measured {
    /// Bytes of memory besides the value itself.
    fn kept(&self) -> usize {
        0
    }
}

impl Measured for () {}
impl Measured for u32 {}

struct Entry<K, V> {
    key: K,
    /// None: the entry is gone, and its room is free.
    value: Option<V>,
    /// Time when it came to its place in the order.
    placed: u64,
    /// Time when it was set or last used; may change while a table is read.
    since: AtomicU64,
    /// The entry before it in the order, which is older.
    older: usize,
    /// The entry behind it in the order; of free room: other free room.
    newer: usize,
}

impl<K, V> Entry<K, V> {
    fn since(&self) -> u64 {
        self.since.load(Ordering::Relaxed)
    }
}

/// Entries for which a table has memory in any case.
pub const FEW: usize = 256;

/// Entries for which a table gets memory at first.
const FIRST: usize = 4;

/// No entry: no table is so long.
const NONE: usize = usize::MAX;

/// A table that forgets its oldest entry when it is full. The memory that it has it keeps, for other entries.
///
/// The entries are linked in the order in which they were set. An entry that was used since it came to its place takes a
/// place at the end, once it is the oldest.
pub struct Bounded<K, V, S = RandomState> {
    hasher: S,
    /// The entries that are known, by the hashes of their keys.
    known: HashTable<usize>,
    entries: Vec<Entry<K, V>>,
    oldest: usize,
    newest: usize,
    free: usize,
    overflowed: bool,
    /// Bytes that the values keep besides themselves.
    kept: usize,
}

impl<K, V, S: Default> Default for Bounded<K, V, S> {
    fn default() -> Self {
        Self {
            hasher: S::default(),
            known: HashTable::new(),
            entries: Vec::new(),
            oldest: NONE,
            newest: NONE,
            free: NONE,
            overflowed: false,
            kept: 0,
        }
    }
}

impl<K: Hash + Eq + Copy, V: Measured, S: BuildHasher> Bounded<K, V, S> {
    #[inline]
    pub fn insert(&mut self, key: K, value: V, bounds: Bounds) {
        self.insert_with(key, |_| value, bounds);
    }

    /// Sets an entry to a value made from the previous one, however old.
    #[inline]
    pub fn insert_with(&mut self, key: K, value: impl FnOnce(Option<&V>) -> V, bounds: Bounds) {
        let hash = self.hasher.hash_one(key);
        match self.find(hash, &key) {
            Some(at) => {
                let entry = &mut self.entries[at];
                let new = value(entry.value.as_ref());
                self.kept += new.kept();
                self.kept -= entry.value.replace(new).map_or(0, |old| old.kept());
                entry.placed = bounds.now;
                *entry.since.get_mut() = bounds.now;
                if at != self.newest {
                    self.unlink(at);
                    self.link(at);
                }
            }
            None => self.add(hash, key, value(None), bounds),
        }
        self.forget(bounds);
    }

    #[inline]
    fn find(&self, hash: u64, key: &K) -> Option<usize> {
        self.known.find(hash, |at| self.entries[*at].key == *key).copied()
    }

    /// Adds an entry that is not known.
    fn add(&mut self, hash: u64, key: K, value: V, bounds: Bounds) {
        self.kept += value.kept();
        let now = bounds.now;
        let entry = Entry { key, value: Some(value), placed: now, since: now.into(), older: NONE, newer: NONE };
        let at = match self.entries.get_mut(self.free) {
            Some(room) => {
                let at = std::mem::replace(&mut self.free, room.newer);
                *room = entry;
                at
            }
            None => {
                let count = self.entries.len();
                if count == self.entries.capacity() {
                    // Twice as much, but no more than the limit needs: a new entry comes before the oldest one goes.
                    let most = usize::try_from(bounds.limit).map_or(usize::MAX, |limit| limit.saturating_add(1));
                    self.entries.reserve_exact(most.saturating_sub(count).clamp(1, count.max(FIRST)));
                }
                self.entries.push(entry);
                count
            }
        };
        self.known.insert_unique(hash, at, |at| self.hasher.hash_one(self.entries[*at].key));
        self.link(at);
    }

    /// Puts an entry at the end of the order.
    #[inline]
    fn link(&mut self, at: usize) {
        let older = std::mem::replace(&mut self.newest, at);
        (self.entries[at].older, self.entries[at].newer) = (older, NONE);
        match self.entries.get_mut(older) {
            Some(entry) => entry.newer = at,
            None => self.oldest = at,
        }
    }

    /// Takes an entry out of the order.
    #[inline]
    fn unlink(&mut self, at: usize) {
        let Entry { older, newer, .. } = self.entries[at];
        match self.entries.get_mut(older) {
            Some(entry) => entry.newer = newer,
            None => self.oldest = newer,
        }
        match self.entries.get_mut(newer) {
            Some(entry) => entry.older = older,
            None => self.newest = older,
        }
    }

    /// Forgets what is too old, and the oldest entries of a table that is too full.
    #[inline]
    fn forget(&mut self, bounds: Bounds) {
        loop {
            let full = self.known.len() as u64 > bounds.limit || (bounds.crowded && self.has_grown());
            let Some(entry) = self.entries.get_mut(self.oldest) else { break };
            if !full && bounds.fresh(entry.placed) {
                break;
            }
            let (at, since) = (self.oldest, entry.since());
            if since > entry.placed && bounds.fresh(since) {
                entry.placed = since;
                self.unlink(at);
                self.link(at);
            } else {
                self.overflowed |= full;
                let key = entry.key;
                self.remove(&key);
            }
        }
    }

    /// True if all memory of the entries is in use, and is more than each table has in any case.
    fn has_grown(&self) -> bool {
        self.free == NONE && self.entries.len() > FEW
    }

    /// Entries for which there is memory.
    pub fn capacity(&self) -> usize {
        self.entries.len().max(FEW)
    }

    pub fn get(&self, key: &K, bounds: Bounds) -> Option<&V> {
        self.entry(key, bounds).and_then(|entry| entry.value.as_ref())
    }

    #[inline]
    fn entry(&self, key: &K, bounds: Bounds) -> Option<&Entry<K, V>> {
        if self.known.is_empty() {
            return None;
        }
        let entry = &self.entries[self.find(self.hasher.hash_one(key), key)?];
        Some(entry).filter(|entry| bounds.fresh(entry.since()))
    }

    /// True if the key is known; the entry then gets as young as a new one.
    pub fn is_used(&self, key: &K, bounds: Bounds) -> bool {
        self.entry(key, bounds).inspect(|entry| entry.since.store(bounds.now, Ordering::Relaxed)).is_some()
    }

    /// The value, to be changed; its age stays.
    pub fn get_mut(&mut self, key: &K, bounds: Bounds) -> Option<&mut V> {
        let at = self.find(self.hasher.hash_one(key), key)?;
        Some(&mut self.entries[at]).filter(|entry| bounds.fresh(entry.since())).and_then(|entry| entry.value.as_mut())
    }

    pub fn remove(&mut self, key: &K) -> Option<V> {
        if self.known.is_empty() {
            return None;
        }
        let found = self.known.find_entry(self.hasher.hash_one(key), |at| self.entries[*at].key == *key);
        let (at, _) = found.ok()?.remove();
        self.unlink(at);
        self.entries[at].newer = std::mem::replace(&mut self.free, at);
        let value = self.entries[at].value.take();
        self.kept -= value.as_ref().map_or(0, Measured::kept);
        value
    }

    /// True if a key that is not known here may have been forgotten for lack of room.
    pub fn may_have_had(&self, key: &K) -> bool {
        self.overflowed && self.find(self.hasher.hash_one(key), key).is_none()
    }

    pub fn len(&self) -> usize {
        self.known.len()
    }

    /// Bytes of memory for the entries.
    pub fn size(&self) -> usize {
        self.entries.capacity() * size_of::<Entry<K, V>>() + self.known.allocation_size()
    }

    /// Bytes that the values keep besides themselves.
    pub fn kept(&self) -> usize {
        self.kept
    }

    pub fn is_empty(&self) -> bool {
        self.known.is_empty()
    }

    /// True if an entry was set in this very second.
    fn is_new(&self, key: &K, bounds: Bounds) -> bool {
        let entry = match self.entries.get(self.newest) {
            Some(newest) if newest.key == *key => Some(newest),
            _ => self.find(self.hasher.hash_one(key), key).map(|at| &self.entries[at]),
        };
        entry.is_some_and(|entry| entry.since() == bounds.now)
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
    pub fn size(&self) -> usize {
        self.table.size()
    }

    pub fn len(&self) -> usize {
        self.table.len()
    }

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

    pub fn len(&self) -> usize {
        self.hashes.len()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const BOUNDS: Bounds = Bounds { limit: 3, age: 0, now: 0, crowded: false };

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
        let at = |now| Bounds { limit: 10, age: 5, now, crowded: false };
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
        let at = |now| Bounds { limit: 3, age: 10, now, crowded: false };
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
    fn a_table_does_not_grow_with_what_comes_and_goes() {
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
        assert!(table.entries.len() < 3 && seen.table.entries.len() < 3);
    }

    #[test]
    fn a_crowded_table_gets_no_more_memory() {
        let mut table: Bounded<u32, ()> = Bounded::default();
        let room = Bounds { limit: 100_000, ..BOUNDS };
        let crowded = Bounds { crowded: true, ..room };
        (0..1000).for_each(|i| table.insert(i, (), room));
        let before = table.size();
        (1000..5000).for_each(|i| table.insert(i, (), crowded));
        assert_eq!((table.len(), table.size()), (1000, before));
        assert!(table.get(&3999, crowded).is_none() && table.get(&4000, crowded).is_some());
        // What is gone leaves room.
        table.remove(&4500);
        table.insert(5000, (), crowded);
        assert!(table.len() == 1000 && table.get(&4000, crowded).is_some());
        // Some memory is for each table.
        let mut few: Bounded<u32, ()> = Bounded::default();
        (0..5000).for_each(|i| few.insert(i, (), crowded));
        assert_eq!(few.len(), FEW);
    }

    #[test]
    fn what_is_seen_again_is_young_again() {
        let mut seen = Seen::default();
        let at = |now| Bounds { limit: 2, age: 0, now, crowded: false };
        for (what, now) in [(1, 1), (2, 1), (1, 2), (3, 3)] {
            seen.insert(what, at(now));
        }
        assert_eq!([1, 2, 3].map(|what| seen.has(what, at(3))), [true, false, true]);
    }
}
