//! The work that patterns may cause.
//!
//! # Theory of operation
//!
//! A message is compared with one pattern after the other until one matches, and a pattern of alternatives reads parts of
//! it again and again. So what a message costs would be its size times what the policy has of patterns, and a peer chooses
//! the size. Here all comparisons of one message are counted in *steps*: parts of a pattern that are looked at, and tokens
//! of the message that are passed over. A step takes some nanoseconds.
//!
//! A message may cause [`FOR_ANY`] steps, and [`FOR_BYTE`] more for each of its bytes, but no more than the limit
//! `pattern_steps`. Then its work is spent. A pattern has no answer then, and nobody knows which rule would have
//! decided. So the message is refused, whatever the rules say (stages `rule` and `limit`).

use std::cell::Cell;

use super::discriminator::FoundPart;
use super::first_look::Outline;
use crate::limits::Limits;
use crate::term::reader::Reader;
use crate::term::scan::ScanFindings;

/// Steps for any message, however small.
const FOR_ANY: u64 = 10_000;
/// Steps for each of its bytes.
const FOR_BYTE: u64 = 10;

/// Number of patterns that are compared with a message without a first look.
const MANY: u8 = 4;

/// Steps for noting one process or reference that a message shows or claims.
pub const NOTED: u64 = 20;

/// The work that patterns have caused for one message.
#[derive(Debug, Default)]
pub struct Work {
    done: Cell<u64>,
    outline: Cell<Outline>,
    /// Not there for most messages: it is larger than all else.
    part: Cell<Option<FoundPart>>,
    tells_scope: Cell<bool>,
}

impl Work {
    /// The steps left for a message of that size.
    #[must_use]
    pub fn left(&self, bytes: usize, limits: &Limits) -> u64 {
        // A message is much shorter than what could overflow.
        let most = FOR_ANY.wrapping_add(FOR_BYTE.wrapping_mul(bytes as u64)).min(limits.pattern_steps());
        most.saturating_sub(self.done.get())
    }

    /// Takes the work of noting what a large message shows and claims, so that there is one bound for both.
    pub fn charge(&self, found: &ScanFindings) {
        self.spend(NOTED / 2 * found.listed() as u64);
    }

    /// Counts a pattern. From some patterns on, the beginnings of the message's parts are worth knowing.
    #[inline]
    pub(super) fn outline(&self, term: Reader<'_>) -> Option<Outline> {
        let mut outline = self.outline.get();
        let known = outline.compared == MANY;
        if !known {
            outline.compared += 1;
            if outline.compared == MANY {
                outline.find(term);
            }
            self.outline.set(outline);
        }
        known.then_some(outline)
    }

    /// True if the message was compared with [`MANY`] patterns, so that a look is worth its cost.
    #[inline]
    #[must_use]
    pub fn is_compared_with_many(&self) -> bool {
        self.outline.get().compared == MANY
    }

    /// The part that a discriminator found last, if any.
    pub(super) fn part(&self) -> Option<FoundPart> {
        self.part.get()
    }

    /// Keeps the part that a discriminator has found.
    pub(super) fn keep_part(&self, part: FoundPart) {
        self.part.set(Some(part));
    }

    /// Counts steps; `u64::MAX`: the work is spent.
    pub fn spend(&self, steps: u64) {
        self.done.set(self.done.get().saturating_add(steps));
    }

    /// Notes that the message is one to a scope of `pg`, and does not end it.
    pub fn tell_scope(&self) {
        self.tells_scope.set(true);
    }

    /// True if that was noted.
    #[inline]
    #[must_use]
    pub fn tells_scope(&self) -> bool {
        self.tells_scope.get()
    }

    /// Steps so far.
    #[must_use]
    pub fn steps(&self, limits: &Limits) -> u64 {
        self.done.get().min(limits.pattern_steps())
    }

    /// True if a pattern had no answer, because too few steps were left.
    #[inline]
    #[must_use]
    pub fn is_spent(&self) -> bool {
        self.done.get() == u64::MAX
    }
}
