//! The processes that each node was shown of the other, the claims of the peer, and the owners of aliases.

use super::exposures::ExposedSet;
use super::{Owner, Track};
use crate::direction::Direction;
use crate::term::reader::{Pid, Reference};

impl Track {
    /// Notes that a message of `side`, sent by that process, carries these of its own processes and references.
    #[inline]
    pub fn expose(&mut self, side: Direction, pids: &[Pid], references: &[Reference], by: Option<Pid>) {
        if pids.is_empty() && references.is_empty() {
            return;
        }
        let bounds = self.bounds_of(side);
        match side {
            Direction::Outbound => self.by_guard.lock().show(pids, references, by, bounds),
            Direction::Inbound => {
                pids.iter().for_each(|pid| self.by_peer.process(*pid, bounds));
                references.iter().for_each(|reference| self.by_peer.alias(*reference, by, bounds));
            }
        }
    }

    /// Notes that a process of `side` was sent to the other node by itself, and in no message.
    pub fn expose_process(&mut self, side: Direction, pid: Pid) {
        let bounds = self.bounds_of(side);
        match side {
            Direction::Outbound => self.by_guard.lock().show(&[pid], &[], None, bounds),
            Direction::Inbound => self.by_peer.process(pid, bounds),
        }
    }

    /// Changes what the other node was shown of `side`.
    pub(super) fn shown<R>(&mut self, side: Direction, change: impl FnOnce(&mut ExposedSet) -> R) -> R {
        match side {
            Direction::Inbound => change(&mut self.by_peer),
            Direction::Outbound => change(&mut self.by_guard.lock().shown),
        }
    }

    /// Notes that a process of the guarded node was sent to the peer as a group leader.
    pub fn lead(&mut self, pid: Pid) {
        self.leaders.insert(pid, self.bounds.ageless());
    }

    /// True if a process of the guarded node was sent to the peer as a group leader.
    #[must_use]
    pub fn leads(&self, pid: Pid) -> bool {
        self.leaders.has(pid, self.bounds.ageless())
    }

    /// True if a process of `side` was sent to the other node. The question counts as a use: the entry gets young
    /// again.
    #[must_use]
    pub fn is_exposed(&self, side: Direction, pid: Pid) -> bool {
        match side {
            Direction::Inbound => self.by_peer.has_process(pid, self.bounds),
            Direction::Outbound => self.by_guard.lock().shown.has_process(pid, self.bounds),
        }
    }

    /// True if a reference of `side` was sent to the other node; the question counts as a use.
    #[must_use]
    pub fn is_exposed_alias(&self, side: Direction, alias: Reference) -> bool {
        match side {
            Direction::Inbound => self.by_peer.has_alias(alias, self.bounds),
            Direction::Outbound => self.by_guard.lock().shown.has_alias(alias, self.bounds),
        }
    }

    /// True if the peer has written that process of the guarded node, and was never shown it.
    #[must_use]
    pub fn is_made_up(&self, pid: Pid) -> bool {
        let known = self.by_guard.lock();
        known.claims(pid) && !known.shown.has_process(pid, self.bounds)
    }

    /// True if a question of the guarded node is the asker's own, and not the echo of what the peer has written. The peer
    /// can write references that it was shown, and claims all others. So a reference is the asker's if the peer sees it
    /// for the first time, or if the asker was the first to show it. `sender`: None if the command names none, as commands
    /// to peers without SEND_SENDER do.
    #[must_use]
    pub fn is_own_question(&self, reference: Reference, asker: Pid, sender: Option<Pid>) -> bool {
        let known = self.by_guard.lock();
        if known.claims(reference) {
            return false;
        }
        match known.shown.first_to_show(reference, self.bounds) {
            None => sender.is_none_or(|sender| sender == asker),
            Some(owner) => sender == Some(asker) && owner.is_some_and(|owner| owner.pid == asker),
        }
    }

    /// Notes whose alias that is: the process stands beside it in a message of its own.
    pub fn own_alias(&mut self, alias: Reference, owner: Pid) {
        self.by_guard.lock().own_alias(alias, owner, self.bounds);
    }

    /// The process of the guarded node by which an alias that the peer was shown is judged.
    #[must_use]
    pub fn owner(&self, alias: Reference) -> Option<Owner> {
        self.by_guard.lock().shown.owner(alias, self.bounds)
    }

    /// Notes processes and aliases of the guarded node that the peer has written; `limit`: most claims.
    #[inline(never)]
    pub fn claim(&mut self, pids: &[Pid], aliases: &[Reference], limit: u64) {
        if !pids.is_empty() || !aliases.is_empty() {
            self.by_guard.lock().claim(pids, aliases, limit, self.bounds);
        }
    }

    /// True if there is room for what the peer would claim by writing these.
    #[must_use]
    pub fn has_room_for_claims(&self, pids: &[Pid], aliases: &[Reference], limit: u64) -> bool {
        self.by_guard.lock().has_room(pids, aliases, limit, self.bounds)
    }
}
