//! The processes and aliases of a guarded node that a peer was shown, or has claimed.
//!
//! # Theory of operation
//!
//! A peer may write any pid of the guarded node: they are easy to guess. A server that sends back what it was sent, or
//! keeps it and shows it later, must not turn a guess into knowledge. So a peer *claims* what it writes without having
//! been shown it. Messages of others no longer expose a claimed process; only its own do.
//!
//! One [`Exposures`] belongs to one peer's name and one incarnation of a guarded node. Its channels share it, one after
//! the other, so a reconnect changes nothing.
//!
//! Who has a cookie for many names could write under one name, and get the echo under another. So all names of an entry
//! share their [`Claims`]. No claim is ever evicted: room for claims that a peer could win back by claiming more would be
//! room for an echo. Where there is no more room, commands that would claim are refused.

use std::hash::Hash;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use crate::term::reader::{Pid, Reference};

use super::bounded::{Bounded, Bounds, Measured, Seen, Unforgotten};
use super::CROSSING;

/// The process by which an alias is judged.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Owner {
    /// The process.
    pub pid: Pid,
    /// True if the process stood beside the alias; false if it only sent the alias.
    pub beside: bool,
}

impl Measured for Option<Owner> {}

/// The processes and aliases of one node that the other was shown.
#[derive(Default)]
pub(super) struct ExposedSet {
    pids: Seen,
    aliases: Bounded<Reference, Option<Owner>>,
    /// Processes that were shown and have ended.
    gone: Seen,
}

impl ExposedSet {
    fn len(&self) -> usize {
        self.pids.len() + self.aliases.len() + self.gone.len()
    }

    /// Bytes of memory.
    pub(super) fn size(&self) -> usize {
        self.pids.size() + self.aliases.size() + self.gone.size()
    }

    pub(super) fn process(&mut self, pid: Pid, bounds: Bounds) {
        self.pids.insert(pid, bounds);
    }

    pub(super) fn alias(&mut self, alias: Reference, by: Option<Pid>, bounds: Bounds) {
        let sent = by.map(|pid| Owner { pid, beside: false });
        // The first one to show it, also if nobody knows who that was: what comes later may be an echo.
        let owner = |before: Option<&Option<Owner>>| before.copied().unwrap_or(sent);
        self.aliases.insert_with(alias, owner, bounds);
    }

    /// The first process to show that alias or reference, if it is known; None: it was not shown.
    pub(super) fn first_to_show(&self, alias: Reference, bounds: Bounds) -> Option<Option<Owner>> {
        self.aliases.get(&alias, bounds).copied()
    }

    pub(super) fn owner(&self, alias: Reference, bounds: Bounds) -> Option<Owner> {
        self.first_to_show(alias, bounds).flatten()
    }

    /// True if that process was shown. The question counts as a use: the entry gets young again.
    pub(super) fn has_process(&self, pid: Pid, bounds: Bounds) -> bool {
        self.pids.is_used(pid, bounds) || self.gone.has(pid, bounds.for_seconds(CROSSING))
    }

    /// True if that alias was shown; the question counts as a use.
    pub(super) fn has_alias(&self, alias: Reference, bounds: Bounds) -> bool {
        self.aliases.is_used(&alias, bounds)
    }

    pub(super) fn ended(&mut self, pid: Pid, bounds: Bounds) {
        if self.pids.remove(pid) {
            self.gone.insert(pid, bounds.for_seconds(CROSSING));
        }
    }

    pub(super) fn end_alias(&mut self, alias: Reference) {
        self.aliases.remove(&alias);
    }
}

/// The claims of the peers of one entry on one incarnation of a guarded node.
#[derive(Default)]
pub struct Claims(Mutex<Unforgotten>);

impl Claims {
    fn lock(&self) -> MutexGuard<'_, Unforgotten> {
        // A holder of the lock can't panic half-way through a change.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn count(&self) -> usize {
        self.lock().len()
    }
}

/// Exposed and claimed processes and aliases, for one peer's name and one incarnation of a guarded node.
#[derive(Default)]
pub struct Exposures {
    shown: Mutex<ExposedSet>,
    claims: Arc<Claims>,
}

/// The same while they are locked. Claims are locked after what was shown.
pub(super) struct Known<'e> {
    pub(super) shown: MutexGuard<'e, ExposedSet>,
    claims: &'e Claims,
}

impl Exposures {
    /// Nothing is exposed yet; the claims are shared with other names.
    #[must_use]
    pub fn sharing(claims: Arc<Claims>) -> Self {
        Exposures { claims, ..Exposures::default() }
    }

    /// The number of claimed processes and aliases.
    #[must_use]
    pub fn claims(&self) -> usize {
        self.claims.count()
    }

    /// The number of processes and aliases that the peer was shown, as far as they are kept.
    #[must_use]
    pub fn shown(&self) -> usize {
        self.lock().shown.len()
    }

    pub(super) fn lock(&self) -> Known<'_> {
        Known { shown: self.shown.lock().unwrap_or_else(PoisonError::into_inner), claims: &self.claims }
    }
}

impl Known<'_> {
    /// Notes what a message of `by` shows. What the peer has claimed is shown by itself alone. The claim stays: it is also
    /// that of other names of the entry, to which the process has shown nothing.
    pub(super) fn show(&mut self, pids: &[Pid], aliases: &[Reference], by: Option<Pid>, bounds: Bounds) {
        let claimed = self.claims.lock();
        for pid in pids {
            if by == Some(*pid) || !claimed.has(*pid) {
                self.shown.process(*pid, bounds);
            }
        }
        // Nobody can tell whose alias it is.
        for alias in aliases.iter().filter(|alias| !claimed.has(**alias)) {
            self.shown.alias(*alias, by, bounds);
        }
    }

    /// Notes that a process has shown an alias beside itself, if it was the first one to show it.
    pub(super) fn own_alias(&mut self, alias: Reference, pid: Pid, bounds: Bounds) {
        if let Some(Some(owner)) = self.shown.aliases.get_mut(&alias, bounds) {
            owner.beside |= owner.pid == pid;
        }
    }

    /// Claims what the peer has written without having been shown it, as far as there is room.
    pub(super) fn claim(&self, pids: &[Pid], aliases: &[Reference], limit: u64, bounds: Bounds) {
        let mut claimed = self.claims.lock();
        for pid in pids {
            if !self.shown.has_process(*pid, bounds) {
                claimed.insert(*pid, limit);
            }
        }
        for alias in aliases {
            if !self.shown.has_alias(*alias, bounds) {
                claimed.insert(*alias, limit);
            }
        }
    }

    /// True if the peer has claimed that process or alias.
    pub(super) fn claims(&self, what: impl Hash) -> bool {
        self.claims.lock().has(what)
    }

    /// True if there is room for what the peer would claim by writing these.
    pub(super) fn has_room(&self, pids: &[Pid], aliases: &[Reference], limit: u64, bounds: Bounds) -> bool {
        let claimed = self.claims.lock();
        let count = claimed.len() as u64;
        // Nothing is counted twice that would fit in any case.
        if count + (pids.len() + aliases.len()) as u64 <= limit {
            return true;
        }
        let mut more = Unforgotten::default();
        let pids = pids.iter().filter(|pid| !claimed.has(**pid) && !self.shown.has_process(**pid, bounds));
        pids.for_each(|pid| more.insert(*pid, u64::MAX));
        let aliases = aliases.iter().filter(|one| !claimed.has(**one) && !self.shown.has_alias(**one, bounds));
        aliases.for_each(|alias| more.insert(*alias, u64::MAX));
        count + more.len() as u64 <= limit
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const BOUNDS: Bounds = Bounds { limit: 10, age: 0, now: 0, crowded: false };

    fn pid(id: u32) -> Pid {
        Pid { id, serial: 0, creation: 1 }
    }

    #[test]
    fn what_is_claimed_is_shown_by_itself_alone() {
        let exposures = Exposures::default();
        let mut known = exposures.lock();
        known.claim(&[pid(1)], &[], 10, BOUNDS);
        known.show(&[pid(1), pid(2)], &[], Some(pid(2)), BOUNDS);
        assert!(!known.shown.has_process(pid(1), BOUNDS) && known.shown.has_process(pid(2), BOUNDS));
        known.claim(&[pid(2)], &[], 10, BOUNDS);
        assert_eq!(known.claims.count(), 1);
        known.show(&[pid(1)], &[], Some(pid(1)), BOUNDS);
        assert!(known.shown.has_process(pid(1), BOUNDS));
        // Another name of the entry may have claimed it, too.
        assert_eq!(known.claims.count(), 1);
    }

    #[test]
    fn claims_have_room_for_what_is_known_or_claimed_already() {
        let exposures = Exposures::default();
        let mut known = exposures.lock();
        known.show(&[pid(9)], &[], None, BOUNDS);
        known.claim(&[pid(1), pid(2)], &[], 3, BOUNDS);
        assert!(known.has_room(&[pid(1), pid(2), pid(9), pid(3), pid(3)], &[], 3, BOUNDS));
        assert!(!known.has_room(&[pid(3), pid(4)], &[], 3, BOUNDS));
        known.claim(&[pid(3), pid(4)], &[], 3, BOUNDS);
        assert_eq!(known.claims.count(), 3);
    }
}
