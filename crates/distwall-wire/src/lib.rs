//! The wire core of distwall.
//!
//! # Theory of operation
//!
//! A [`Channel`] is one Erlang distribution connection after its handshake, seen from the middle. Bytes of either side go
//! in; what the other side may have comes out. There is no I/O, no clock and no thread in here.
//!
//! One chunk of bytes takes this road:
//!
//! 1. [`channel`] cuts it into frames (`Length:32, Body`) and keeps an incomplete tail.
//! 2. [`header`] reads the distribution header: which atoms the sender's cache names. Each direction has *two* caches
//!    ([`atoms`]): what the sender believes the receiver knows, and what the receiver really has.
//! 3. [`control`] decodes the control message into one of the 14 commands.
//! 4. [`scan`] walks over the terms without building them: what a VM would choke on ends here.
//! 5. [`judge`] asks the [`policy`], the [`track`]ing of what was asked for, and the [`shapes`][internal] of messages that no
//!    name opens by itself, for a verdict.
//!    [`calls`] says which function a command really calls, [`pattern`] whether its contents are as a rule asks for.
//! 6. An accepted frame leaves as it came, as a slice of the input, unless its header names an atom that the receiver
//!    doesn't have; a refused one leaves nothing behind, and [`reply`] makes up what its sender is told.
//!
//! Messages in fragments go through [`sequence`]. Whatever a peer writes, the answer is a verdict, an event, or a closed
//! channel: nothing in this crate panics or recurses on input, and every buffer has a limit ([`limits`]).
#![forbid(unsafe_code)]

pub mod atoms;
pub mod budget;
pub mod calls;
pub mod channel;
pub mod control;
pub mod counters;
pub mod digest;
pub mod event;
pub mod flags;
pub mod header;
pub mod hooks;
pub mod internal;
pub mod judge;
pub mod limits;
pub mod output;
pub mod pattern;
pub mod policy;
pub mod rates;
pub mod reply;
pub mod scan;
pub mod sequence;
pub mod shapes;
pub mod term;
pub mod track;
pub mod walk;

pub use budget::Budget;
pub use channel::{Channel, Setup};
pub use control::Command;
pub use counters::Counters;
pub use event::{Event, Reason};
pub use limits::Limits;
pub use output::{Output, Segment};
pub use policy::{Policy, Verdict};

/// Bytes that end a channel: what was wrong with them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Bad(pub &'static str);

/// Who sent the bytes: the peer (`Inbound`, towards the guarded node) or the guarded node.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Direction {
    /// Peer to guarded node.
    Inbound = 0,
    /// Guarded node to peer.
    Outbound = 1,
}

impl Direction {
    /// The way back.
    #[must_use]
    pub fn other(self) -> Self {
        match self {
            Direction::Inbound => Direction::Outbound,
            Direction::Outbound => Direction::Inbound,
        }
    }

    /// The meaning of the name of who sends.
    #[must_use]
    pub fn word(self) -> atoms::Word {
        match self {
            Direction::Inbound => atoms::Word::Peer,
            Direction::Outbound => atoms::Word::Guard,
        }
    }
}
