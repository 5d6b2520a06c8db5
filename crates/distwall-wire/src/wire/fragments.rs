//! Messages in fragments.
//!
//! The first fragment has the header and the whole control message; all others only continue the payload, counting down
//! to 1. A sequence is in one of three modes.
//!
//! * *Streamed*: the verdict doesn't depend on the payload, so fragments pass as they come, scanned on the way. Once
//!   the receiver has the first fragment, the sequence finishes or the channel closes. If the rules change meanwhile, the new
//!   ones decide again.
//! * *Held*: the message is kept, within limits, until it is whole, and then judged like any other.
//! * *Refused*: the rest of the message is swallowed.

use std::collections::HashMap;
use std::sync::Arc;

use crate::error::Bad;
use crate::limits::Limits;
use crate::term::atoms::Atom;
use crate::term::scan::{Ahead, Scanner};
use crate::wire::byte_buffer::ByteBuffer;
use crate::wire::shapes::Shows;

/// A message with more fragments to come.
pub struct Sequence {
    /// The number that the next fragment must have.
    pub next: u64,
    /// Bytes of control message and payload so far.
    pub bytes: u64,
    /// Time of its first fragment.
    pub begun: f64,
    /// The atoms of its header.
    pub atoms: Vec<(u16, Arc<Atom>)>,
    /// Bytes of memory for these atoms, so that they are not looked at again for each fragment.
    pub atoms_size: usize,
    /// The mode of its fragments.
    pub mode: Mode,
}

/// The mode of a sequence's fragments.
pub enum Mode {
    /// Fragments pass, scanned on the way.
    Streamed {
        /// The scanner.
        scanner: Box<Scanner>,
        /// The processes and references that they show.
        shows: Shows,
        /// The control message, to be judged again by new rules.
        control: Box<[u8]>,
        /// The rules by which it passes.
        rules: u64,
    },
    /// Fragments wait: control message and payload so far, and the start of each fragment.
    Held {
        /// The bytes so far.
        body: ByteBuffer,
        /// Offsets of the fragments in these bytes.
        cuts: Vec<usize>,
        /// The scan of the bytes so far; None: it has not begun.
        ahead: Option<Box<Ahead>>,
    },
    /// Fragments are swallowed.
    Refused,
}

/// The open sequences of one direction.
#[derive(Default)]
pub struct Sequences {
    open: HashMap<u64, Sequence>,
    /// A time before which no open sequence began.
    oldest: f64,
    /// Fragments announced and not seen yet.
    fragments: u64,
    /// Bytes that wait to be judged.
    held: u64,
    /// Bytes spent on open sequences: their atoms, and the depths of their scanners.
    kept: u64,
}

impl Sequence {
    fn held(&self) -> u64 {
        if let Mode::Held { body, .. } = &self.mode {
            body.len() as u64
        } else {
            0
        }
    }

    fn kept(&self) -> u64 {
        let kept = match &self.mode {
            Mode::Streamed { scanner, control, .. } => scanner.kept() + control.len(),
            Mode::Held { ahead: Some(ahead), .. } => ahead.kept(),
            Mode::Held { .. } | Mode::Refused => 0,
        };
        (self.atoms_size + kept) as u64
    }
}

impl Sequences {
    /// Checks that a first fragment may open a sequence: its numbers are sane and there is room.
    pub fn check(&self, id: u64, fragments: u64, limits: &Limits) -> Result<(), Bad> {
        if id == 0 || fragments == 0 {
            return Err(Bad::FragmentNumberZero);
        }
        if self.open.contains_key(&id) {
            return Err(Bad::SequenceInUse);
        }
        if fragments > 1 && self.open.len() as u64 >= limits.open_sequences() {
            return Err(Bad::OpenSequences);
        }
        if self.fragments.saturating_add(fragments) > limits.open_fragments() {
            return Err(Bad::OpenFragments);
        }
        Ok(())
    }

    /// Opens a sequence. Fails if the cost of all open sequences, besides held messages, exceeds the limit.
    pub fn open(&mut self, id: u64, sequence: Sequence, limits: &Limits) -> Result<(), Bad> {
        self.fragments += sequence.next;
        self.held += sequence.held();
        self.kept += sequence.kept();
        self.oldest = if self.open.is_empty() { sequence.begun } else { self.oldest.min(sequence.begun) };
        self.open.insert(id, sequence);
        if self.kept > limits.held_bytes() {
            return Err(Bad::HeldSequences);
        }
        Ok(())
    }

    /// Takes a sequence out for its next fragment.
    pub fn advance(&mut self, id: u64, fragment: u64, bytes: usize, limits: &Limits) -> Result<Sequence, Bad> {
        let Some(mut sequence) = self.open.remove(&id) else {
            return Err(Bad::SequenceUnknown);
        };
        if sequence.next != fragment {
            return Err(Bad::FragmentOrder);
        }
        sequence.bytes += bytes as u64;
        if sequence.bytes > limits.message_size() {
            return Err(Bad::MessageSize);
        }
        // Before its bytes change.
        self.held -= sequence.held();
        self.kept -= sequence.kept();
        self.fragments -= sequence.next;
        sequence.next -= 1;
        Ok(sequence)
    }

    /// Goes on with an open sequence between its fragments. None: there is no such sequence.
    pub fn revisit<T>(&mut self, id: u64, go_on: impl FnOnce(&mut Sequence) -> T) -> Option<T> {
        let sequence = self.open.get_mut(&id)?;
        self.kept -= sequence.kept();
        let done = go_on(sequence);
        self.kept += sequence.kept();
        Some(done)
    }

    /// Forgets what was scanned of messages that wait.
    pub fn forget_ahead(&mut self) {
        for sequence in self.open.values_mut() {
            self.kept -= sequence.kept();
            if let Mode::Held { ahead, .. } = &mut sequence.mode {
                *ahead = None;
            }
            self.kept += sequence.kept();
        }
    }

    /// The bytes of messages that wait.
    pub fn into_bodies(self) -> impl Iterator<Item = ByteBuffer> {
        self.open.into_values().filter_map(|sequence| match sequence.mode {
            Mode::Held { body, .. } => Some(body),
            Mode::Streamed { .. } | Mode::Refused => None,
        })
    }

    /// Fails if a sequence has been open for too long.
    pub fn age(&mut self, now: f64, limits: &Limits) -> Result<(), Bad> {
        let first = now - limits.sequence_age() as f64;
        if self.open.is_empty() || self.oldest >= first {
            return Ok(());
        }
        self.oldest = self.open.values().map(|sequence| sequence.begun).fold(f64::INFINITY, f64::min);
        if self.oldest < first {
            return Err(Bad::SequenceAge);
        }
        Ok(())
    }

    /// True if there is room for more bytes to hold.
    #[must_use]
    pub fn room(&self, bytes: usize, limits: &Limits) -> bool {
        self.held + bytes as u64 <= limits.held_bytes()
    }

    /// Number of bytes held now.
    #[must_use]
    pub fn held(&self) -> u64 {
        self.held + self.kept
    }
}
