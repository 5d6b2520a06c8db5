//! Atoms, funs and nodes that stay in a VM for good.
//!
//! A VM never frees atoms, nor the table entries of funs and exports; it exits when either table is full. It frees the
//! entry of a node some time after its last pid, if ever. A budget counts the distinct atoms, funs and nodes from a
//! peer, over all its channels to one incarnation of the guarded node. Atoms are counted once more for all peers
//! together. It keeps a keyed 64-bit hash of each, so its size is bounded by the limits, and a peer can't compute
//! collisions.

use std::hash::{BuildHasher, Hash, RandomState};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use rustc_hash::FxHashSet;

use crate::limits::{Limit, Limits};

/// A set of hashes made with a secret key. Peers can't predict them, so the set itself needs no hash safe from attack.
type Hashes = FxHashSet<u64>;

/// The budget of one peer entry for one incarnation of the guarded node, shared by its channels.
#[derive(Default)]
pub struct Budget {
    hasher: RandomState,
    spent: Mutex<Spent>,
    /// The atoms of all budgets of that guarded node.
    guard: Arc<Mutex<Hashes>>,
}

/// Most room of a table that is kept for the next message. To empty a table takes as long as it has room: so what one
/// message needed must not be paid for by all later ones.
const ROOM: usize = 1024;

/// The distinct atoms, funs and nodes so far.
#[derive(Default)]
struct Spent {
    atoms: Hashes,
    funs: Hashes,
    nodes: Hashes,
}

impl Budget {
    /// A fresh budget for another entry, to the same incarnation of the guarded node.
    #[must_use]
    pub fn beside(&self) -> Self {
        Budget { hasher: self.hasher.clone(), spent: Mutex::default(), guard: Arc::clone(&self.guard) }
    }

    /// The numbers of distinct atoms, funs and nodes so far.
    #[must_use]
    pub fn used(&self) -> (usize, usize, usize) {
        let spent = lock(&self.spent);
        (spent.atoms.len(), spent.funs.len(), spent.nodes.len())
    }

    /// The number of distinct atoms of all entries.
    #[must_use]
    pub fn guard_atoms(&self) -> usize {
        lock(&self.guard).len()
    }

    /// Spends one atom on a peer's name. False if that exceeds a limit.
    pub fn name(&self, text: &[u8], limits: &Limits) -> bool {
        let mut claim = Claim::default();
        let fits = claim.atom(self, text, limits).is_ok();
        claim.commit(self);
        fits
    }

    fn hash(&self, key: impl Hash) -> u64 {
        self.hasher.hash_one(key)
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    // A holder of one of these locks can't panic half-way through a change.
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// The additions of one message to a [`Budget`]; committed only if the message is accepted.
#[derive(Default)]
pub struct Claim {
    atoms: Hashes,
    funs: Hashes,
    nodes: Hashes,
    /// True if one of them is not empty: for most messages, that is all there is to look at.
    noted: bool,
}

impl Claim {
    /// Notes an atom, or returns the exceeded limit.
    pub fn atom(&mut self, budget: &Budget, text: &[u8], limits: &Limits) -> Result<(), Limit> {
        let hash = budget.hash(text);
        let spent = lock(&budget.spent);
        if spent.atoms.contains(&hash) || self.atoms.contains(&hash) {
            return Ok(());
        }
        let claimed = self.atoms.len();
        if (spent.atoms.len() + claimed) as u64 >= limits.new_atoms() {
            return Err(Limit::NewAtoms);
        }
        let guard = lock(&budget.guard);
        if !guard.contains(&hash) && (guard.len() + claimed) as u64 >= limits.guard_atoms() {
            return Err(Limit::GuardAtoms);
        }
        self.atoms.insert(hash);
        self.noted = true;
        Ok(())
    }

    /// Notes a fun or an export by its distinct parts, or returns the exceeded limit.
    pub fn fun(&mut self, budget: &Budget, parts: &[&[u8]], limits: &Limits) -> Result<(), Limit> {
        let fits = claim(&mut self.funs, &lock(&budget.spent).funs, budget.hash(parts), limits.new_funs());
        self.noted |= !self.funs.is_empty();
        fits.then_some(()).ok_or(Limit::NewFuns)
    }

    /// Notes a node in one incarnation, or returns the exceeded limit.
    pub fn node(&mut self, budget: &Budget, node: (&[u8], u32), limits: &Limits) -> Result<(), Limit> {
        let fits = claim(&mut self.nodes, &lock(&budget.spent).nodes, budget.hash(node), limits.new_nodes());
        self.noted |= !self.nodes.is_empty();
        fits.then_some(()).ok_or(Limit::NewNodes)
    }

    /// Compares what was noted some time ago with what was spent since, or returns the exceeded limit.
    pub fn renew(&mut self, budget: &Budget, limits: &Limits) -> Result<(), Limit> {
        if self.is_empty() {
            return Ok(());
        }
        let spent = lock(&budget.spent);
        let fits = |claimed: &mut Hashes, spent: &Hashes, limit: u64| {
            claimed.retain(|hash| !spent.contains(hash));
            claimed.is_empty() || (spent.len() + claimed.len()) as u64 <= limit
        };
        if !fits(&mut self.atoms, &spent.atoms, limits.new_atoms()) {
            return Err(Limit::NewAtoms);
        }
        let guard = lock(&budget.guard);
        let new = self.atoms.iter().filter(|hash| !guard.contains(hash)).count();
        if new > 0 && (guard.len() + new) as u64 > limits.guard_atoms() {
            return Err(Limit::GuardAtoms);
        }
        drop(guard);
        if !fits(&mut self.funs, &spent.funs, limits.new_funs()) {
            return Err(Limit::NewFuns);
        }
        fits(&mut self.nodes, &spent.nodes, limits.new_nodes()).then_some(()).ok_or(Limit::NewNodes)
    }

    /// Bytes of memory.
    #[must_use]
    pub fn kept(&self) -> usize {
        // Each hash has a byte of control beside it.
        (self.atoms.capacity() + self.funs.capacity() + self.nodes.capacity()) * (size_of::<u64>() + 1)
    }

    /// Adds the noted atoms, funs and nodes to the budget.
    #[inline(always)]
    pub fn commit(&mut self, budget: &Budget) {
        if !self.is_empty() {
            self.spend(budget);
        }
    }

    fn spend(&mut self, budget: &Budget) {
        let mut spent = lock(&budget.spent);
        lock(&budget.guard).extend(&self.atoms);
        spent.atoms.extend(&self.atoms);
        spent.funs.extend(&self.funs);
        spent.nodes.extend(&self.nodes);
        drop(spent);
        self.forget();
    }

    /// Forgets the noted atoms, funs and nodes.
    #[inline(always)]
    pub fn clear(&mut self) {
        if !self.is_empty() {
            self.forget();
        }
    }

    #[cold]
    fn forget(&mut self) {
        for table in [&mut self.atoms, &mut self.funs, &mut self.nodes] {
            if table.capacity() > ROOM {
                *table = Hashes::default();
            } else {
                table.clear();
            }
        }
        self.noted = false;
    }

    /// True if nothing is noted.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        !self.noted
    }
}

fn claim(claimed: &mut Hashes, spent: &Hashes, hash: u64, limit: u64) -> bool {
    if spent.contains(&hash) || claimed.contains(&hash) {
        return true;
    }
    if (spent.len() + claimed.len()) as u64 >= limit {
        return false;
    }
    claimed.insert(hash)
}
