//! The wire core of distwall.
//!
//! # Theory of operation
//!
//! A [`Channel`] is one Erlang distribution connection after its handshake, seen from the middle. Bytes of either side
//! go in; bytes for the other side come out. There is no I/O, no clock and no thread in here.
//!
//! The modules below are layers, the lowest first: none names a later one (`scripts/check-layers` looks). One chunk of
//! bytes takes this road through them:
//!
//! 1. [`session::channel`] cuts it into frames (`Length:32, Body`) and keeps an incomplete tail.
//! 2. [`wire::header`] reads the distribution header, which names atoms of the sender's cache. Each direction has *two*
//!    caches ([`term::atoms`]): the cache as the sender believes it to be, and the cache that the receiver really has.
//! 3. [`wire::control`] decodes the control message into one of the 14 commands.
//! 4. [`term::scan`] walks over the terms without building them. A term that would crash a VM ends here.
//! 5. [`session::judge`] gives a verdict. It asks the rules ([`rules::peer_rules`]), the tracked requests
//!    ([`session::track`]), and the shapes that no name opens by itself ([`rules::otp_internal`]). [`rules::calls`]
//!    finds the function that a command really calls; [`rules::pattern`] compares payloads with patterns.
//! 6. An accepted frame leaves as it came, as a slice of the input, unless its header names an atom that the receiver
//!    lacks. A refused frame leaves nothing behind. [`session::channel`] chooses the answer to its sender (in
//!    `denial.rs`), and [`wire::reply`] writes it.
//!
//! Messages in fragments go through [`wire::fragments`]. Any bytes of a peer end in a verdict, an event, or a closed
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
pub use rules::peer_rules::{Part, PeerRules, Rule, Scope, Subject};
pub use session::channel::{Channel, Setup};
pub use session::channel_rules::ChannelRules;
pub use session::counters::Counters;
pub use session::events::{Event, Reason};
pub use session::output::{Output, Segment};
pub use session::track::{Claims, Exposures};
pub use verdict::Verdict;
