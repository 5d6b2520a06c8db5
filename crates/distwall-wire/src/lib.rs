//! The wire core of distwall.
//!
//! # Theory of operation
//!
//! A [`Channel`] is one Erlang distribution connection after its handshake, seen from the middle. Bytes of either side go
//! in; what the other side may have comes out. There is no I/O, no clock and no thread in here.
//!
//! The modules below are layers, the lowest first: none names one that comes after it (`scripts/check-layers` looks).
//! One chunk of bytes takes this road through them:
//!
//! 1. [`session::channel`] cuts it into frames (`Length:32, Body`) and keeps an incomplete tail.
//! 2. [`wire::header`] reads the distribution header: which atoms the sender's cache names. Each direction has *two* caches
//!    ([`term::atoms`]): what the sender believes the receiver knows, and what the receiver really has.
//! 3. [`wire::control`] decodes the control message into one of the 14 commands.
//! 4. [`term::scan`] walks over the terms without building them: what a VM would choke on ends here.
//! 5. [`session::judge`] asks the rules ([`rules::table`]), the [`session::track`]ing of what was asked for, and the shapes of
//!    messages that no name opens by itself ([`rules::otp_internal`]), for a verdict. [`rules::calls`] says which function a
//!    command really calls, [`rules::pattern`] whether its contents are as a rule asks for.
//! 6. An accepted frame leaves as it came, as a slice of the input, unless its header names an atom that the receiver
//!    doesn't have; a refused one leaves nothing behind, and [`wire::reply`] makes up what its sender is told.
//!
//! Messages in fragments go through [`wire::fragments`]. Whatever a peer writes, the answer is a verdict, an event, or a closed
//! channel: nothing in this crate panics or recurses on input, and every buffer has a limit ([`limits`]).
#![forbid(unsafe_code)]

pub mod command;

pub mod direction;

pub mod verdict;

pub mod limits;

pub mod error;

pub mod term;

pub mod wire;

pub mod rules;

pub mod session;

pub use command::Command;
pub use direction::Direction;
pub use error::Bad;
pub use limits::budget::Budget;
pub use limits::{Limit, Limits};
pub use rules::pattern::Pattern;
pub use rules::table::{Part, Policy, Rule, Scope, Subject};
pub use session::channel::{Channel, Setup};
pub use session::counters::Counters;
pub use session::events::{Event, Reason};
pub use session::output::{Output, Segment};
pub use session::policies::Policies;
pub use verdict::Verdict;
