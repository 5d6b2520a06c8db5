//! What stays in a VM for good.
//!
//! Atoms, and the table entries of funs and exports, are never collected; exhausting either table ends the VM. A budget
//! counts the distinct ones that a peer has brought in, over all its channels to one incarnation of the guarded node. It
//! keeps a keyed 64-bit hash of each (a peer can't compute collisions to hide behind), so it is bounded by the limit.

use std::collections::HashSet;
use std::hash::{BuildHasher, RandomState};
use std::sync::{Mutex, MutexGuard, PoisonError};

use rustc_hash::FxHashSet;

/// Shared by the channels of one peer entry to one incarnation of the guarded node.
#[derive(Default)]
pub struct Budget {
    hasher: RandomState,
    spent: Mutex<Spent>,
}

/// The distinct atoms and funs so far.
#[derive(Default)]
pub struct Spent {
    pub(crate) atoms: HashSet<u64>,
    pub(crate) funs: HashSet<u64>,
}

impl Budget {
    /// A hash that the peer can't predict.
    #[must_use]
    pub fn hash(&self, parts: &[&[u8]]) -> u64 {
        self.hasher.hash_one(parts)
    }

    /// Distinct atoms and funs so far.
    #[must_use]
    pub fn used(&self) -> (usize, usize) {
        let spent = self.spent();
        (spent.atoms.len(), spent.funs.len())
    }

    /// Spends one atom that no message brings: a peer's name. False if that goes over the limit.
    pub fn name(&self, text: &[u8], limit: u64) -> bool {
        let mut claim = Claim::default();
        let fits = claim.atom(self, text, limit);
        claim.commit(self);
        fits
    }

    pub(crate) fn spent(&self) -> MutexGuard<'_, Spent> {
        // Nothing that holds this lock can panic half-way through a change.
        self.spent.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// What one message would add to a [`Budget`]; committed only if the message is accepted.
#[derive(Default)]
pub struct Claim {
    atoms: FxHashSet<u64>,
    funs: FxHashSet<u64>,
}

impl Claim {
    /// Notes an atom; false if that goes over the limit.
    pub fn atom(&mut self, budget: &Budget, text: &[u8], limit: u64) -> bool {
        let hash = budget.hash(&[text]);
        claim(&mut self.atoms, &budget.spent().atoms, hash, limit)
    }

    /// Notes a fun or an export by what makes it distinct; false if that goes over the limit.
    pub fn fun(&mut self, budget: &Budget, parts: &[&[u8]], limit: u64) -> bool {
        let hash = budget.hash(parts);
        claim(&mut self.funs, &budget.spent().funs, hash, limit)
    }

    /// Spends what was noted.
    pub fn commit(&mut self, budget: &Budget) {
        if self.atoms.is_empty() && self.funs.is_empty() {
            return;
        }
        let mut spent = budget.spent();
        spent.atoms.extend(self.atoms.drain());
        spent.funs.extend(self.funs.drain());
    }

    /// Forgets what was noted.
    pub fn clear(&mut self) {
        if !self.atoms.is_empty() || !self.funs.is_empty() {
            self.atoms.clear();
            self.funs.clear();
        }
    }
}

fn claim(claimed: &mut FxHashSet<u64>, spent: &HashSet<u64>, hash: u64, limit: u64) -> bool {
    if spent.contains(&hash) || claimed.contains(&hash) {
        return true;
    }
    if (spent.len() + claimed.len()) as u64 >= limit {
        return false;
    }
    claimed.insert(hash)
}
