//! Commands counted per direction, command and verdict.

use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

use crate::command::Command;
use crate::direction::Direction;
use crate::verdict::Verdict;

/// Counters of one peer, shared by its channels; reading them takes no lock.
#[derive(Default)]
pub struct Counters {
    cells: [[[AtomicU64; 3]; Command::ALL.len()]; 2],
}

impl Counters {
    /// Counts one command.
    pub fn count(&self, direction: Direction, command: Command, verdict: Verdict) {
        self.cells[direction as usize][command as usize][verdict as usize].fetch_add(1, Relaxed);
    }

    /// Adds the counts of others, as they are now.
    pub fn add(&self, other: &Counters) {
        for (cell, more) in
            self.cells.as_flattened().as_flattened().iter().zip(other.cells.as_flattened().as_flattened())
        {
            cell.fetch_add(more.load(Relaxed), Relaxed);
        }
    }

    /// The number of commands counted so far.
    #[must_use]
    pub fn get(&self, direction: Direction, command: Command, verdict: Verdict) -> u64 {
        self.cells[direction as usize][command as usize][verdict as usize].load(Relaxed)
    }
}
