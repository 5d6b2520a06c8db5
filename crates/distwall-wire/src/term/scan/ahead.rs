//! A walk over a message of which more and more bytes come.
//!
//! # Theory of operation
//!
//! The bytes are in one piece, which grows, so nothing is copied, and positions in it stay good. The walk stops at the first
//! token that is not all there ([`Scanner::resume`]), and goes on from there. A long token is looked at again only when twice
//! as much of it has come: many small parts would cost their square.
//!
//! Other channels of the entry spend from the same budget meanwhile. So what is new is compared with the budget once more when
//! the message is whole.

use super::{ScanFindings, Scanner, Watch};
use crate::error::Bad;
use crate::term::reader::{Jumps, SHORT};

/// Bytes of a token from which on it waits until twice as much of it is there.
const LONG: usize = 4096;

/// A message that is scanned while it comes in.
pub struct Ahead {
    scanner: Scanner,
    /// The position in the message of the first token that was not there.
    pos: usize,
    /// Length of the message at which another look is useful.
    again: usize,
    /// Bytes of the message that were scanned, or are part of a long token that is not whole.
    seen: usize,
    /// Beginnings and ends of large terms, sorted by the beginnings, once the message is whole.
    large: Vec<(u32, u32)>,
}

impl Ahead {
    /// Begins with the payload at `pos`. The scanner has the findings in the control message. `proper`: as in
    /// [`Scanner::begin`].
    #[must_use]
    pub fn new(mut scanner: Scanner, pos: usize, proper: bool) -> Self {
        scanner.begin(proper);
        Ahead { scanner, pos, again: 0, seen: 0, large: Vec::new() }
    }

    /// Scans what has come, up to `most` bytes more than before. A token that is longer is looked at as a whole.
    pub fn look_on(&mut self, message: &[u8], most: usize, watch: &Watch<'_>) -> Result<(), Bad> {
        self.seen = self.seen.saturating_add(most).max(self.again).min(message.len());
        self.look(&message[..self.seen], watch)
    }

    /// True if bytes of a message of that length were not scanned so far.
    #[must_use]
    pub fn lags(&self, length: usize) -> bool {
        self.seen < length
    }

    fn look(&mut self, message: &[u8], watch: &Watch<'_>) -> Result<(), Bad> {
        if message.len() < self.again {
            return Ok(());
        }
        self.pos = self.scanner.resume(message, self.pos, watch)?;
        let rest = message.len() - self.pos;
        if self.scanner.finished() && rest > 0 {
            return Err(Bad::TrailingBytes);
        }
        self.again = if rest > LONG { message.len() + rest } else { 0 };
        Ok(())
    }

    /// Scans the end of a message that is whole, and moves all findings to `found`.
    pub fn finish(&mut self, message: &[u8], found: &mut ScanFindings, watch: &Watch<'_>) -> Result<(), Bad> {
        self.again = 0;
        self.look(message, watch)?;
        if !self.scanner.finished() {
            return Err(SHORT);
        }
        self.large = self.scanner.take_large();
        std::mem::swap(found, &mut self.scanner.found);
        if let Some(guarded) = &watch.guarded {
            found.renew(guarded.allowance.budget(), watch.limits);
        }
        Ok(())
    }

    /// The ends of the large terms of a message that is whole.
    #[must_use]
    pub fn jumps<'a>(&'a self, message: &'a [u8]) -> Jumps<'a> {
        Jumps { data: message, spans: &self.large }
    }

    /// The beginnings and ends of the large terms of a message that is whole.
    #[must_use]
    pub fn into_large(self) -> Vec<(u32, u32)> {
        self.large
    }

    /// Bytes of memory besides the message.
    #[must_use]
    pub fn kept(&self) -> usize {
        self.scanner.kept() + self.scanner.found.kept()
    }
}
