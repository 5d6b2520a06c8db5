//! Large messages that wait: what their scan has found is kept, so that their turn costs only judging.
//!
//! # Theory of operation
//!
//! A parked message is judged when its turn comes, by the rules, limits and budgets of that moment. To scan it for that would
//! take too long for one slice if it has many megabytes. So the findings of its first scan wait with it, and count as held
//! ([`Scanned`]). New atoms, funs and nodes are compared with the budget once more.
//!
//! If other rules, limits or budgets hold by then, the findings are of no use, and it is scanned again, in slices. It stays at
//! the head of its queue meanwhile, and each slice goes on with it ([`Ahead`]). Only one message of a channel is scanned again
//! at a time, so there is memory for one such scan. Others have their turn behind it.
//!
//! A large message is judged in a slice of its own, and of the peer's side. So its bytes go on as they are: what an answer of
//! the guarded node lets go on would have to be copied to its results.

use super::ahead::begin;
use super::frames::READ;
use super::{Channel, Fixed, State};
use crate::direction::Direction;
use crate::error::Bad;
use crate::session::hooks::{Parked, Scanned, Waiting};
use crate::term::reader::Jumps;
use crate::term::scan::{Ahead, Scanner};

/// The scan of a large message that has waited.
pub(super) struct Rescan {
    /// The message's ticket.
    ticket: u64,
    message: Ahead,
}

/// The progress of such a scan.
pub(super) enum Rescanned {
    /// The message can be judged. If it takes more than a slice to scan its payload, its findings are with it.
    Whole(Parked),
    /// The slice is over. True: the message is the next to go on.
    Later(Parked, bool),
}

impl Rescan {
    /// Bytes of memory besides the message.
    pub(super) fn kept(&self) -> usize {
        self.message.kept()
    }
}

impl Parked {
    /// The ends of the large terms of a message that was scanned.
    pub(super) fn jumps(&self) -> Option<Jumps<'_>> {
        self.scan.as_ref().map(|scan| Jumps { data: &self.body, spans: &scan.large })
    }

    /// Moves its findings into the scanner. Without any, the scanner is made ready for a scan.
    pub(super) fn recall(&mut self, fixed: &Fixed, scanner: &mut Scanner) {
        scanner.found.clear();
        if let Some(scan) = &mut self.scan {
            std::mem::swap(&mut scan.found, &mut scanner.found);
            scanner.found.renew(&fixed.budget, &fixed.ends.limits);
        }
    }

    /// Takes the findings back from the scanner: it is judged again later.
    pub(super) fn keep(&mut self, scanner: &mut Scanner) {
        if let Some(scan) = &mut self.scan {
            std::mem::swap(&mut scan.found, &mut scanner.found);
            scan.found.reset(scan.counts);
        }
    }
}

impl State {
    /// Takes the findings of a large message from the scanner, to keep them while the message waits. `large`: the beginnings
    /// and ends of its large terms.
    pub(super) fn keep(&self, large: Vec<(u32, u32)>, scanner: &mut Scanner) -> Box<Scanned> {
        let found = std::mem::take(&mut scanner.found);
        let size = size_of::<Scanned>() + found.kept() + large.capacity() * size_of::<(u32, u32)>();
        Box::new(Scanned { counts: found.counts(), found, large, size, under: self.scanned_under })
    }

    /// Makes all scans so far useless: other rules, limits or budgets hold now.
    pub(super) fn forget_scans(&mut self) {
        self.scanned_under += 1;
        self.rescan = None;
    }
}

impl Channel {
    /// Forgets findings that are no longer good, and scans a large message whose turn has come, or the next part of it.
    /// Without slices it scans all of it. What a slice suffices for is scanned when it is judged.
    #[inline]
    pub(super) fn rescan(&mut self, mut parked: Parked) -> Result<Rescanned, Bad> {
        if parked.scan.as_ref().is_some_and(|scan| scan.under != self.state.scanned_under) {
            parked.scan = None;
        }
        if parked.body.len() <= READ {
            return Ok(Rescanned::Whole(parked));
        }
        self.rescan_large(parked)
    }

    #[cold]
    fn rescan_large(&mut self, mut parked: Parked) -> Result<Rescanned, Bad> {
        let Channel { fixed, state, scanner, .. } = self;
        if state.most < u64::MAX && state.steps > 0 {
            state.end_slice();
            return Ok(Rescanned::Later(parked, true));
        }
        if parked.scan.is_some() {
            return Ok(Rescanned::Whole(parked));
        }
        let (length, sliced) = (parked.body.len(), state.most < u64::MAX);
        let terms = fixed.terms(parked.named());
        let watch = fixed.watch(Direction::Inbound, &terms);
        let mut message = match state.rescan.take() {
            Some(Rescan { ticket, message }) if ticket == parked.ticket => message,
            Some(other) if sliced && state.lot.waits_for(other.ticket) == Some(Waiting::Turn) => {
                state.rescan = Some(other);
                return Ok(Rescanned::Later(parked, false));
            }
            _ => match begin(fixed, &parked.body, parked.versioned, &watch)? {
                Some(message) => message,
                None => return Ok(Rescanned::Whole(parked)),
            },
        };
        if sliced && message.lags(length) {
            message.look_on(&parked.body, READ, &watch)?;
            state.rescan = Some(Rescan { ticket: parked.ticket, message });
            state.end_slice();
            return Ok(Rescanned::Later(parked, true));
        }
        message.finish(&parked.body, &mut scanner.found, &watch)?;
        parked.scan = Some(state.keep(message.into_large(), scanner));
        Ok(Rescanned::Whole(parked))
    }
}
