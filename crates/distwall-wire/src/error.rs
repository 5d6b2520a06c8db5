//! What ends a channel.

/// Bytes that end a channel: what was wrong with them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Bad(pub &'static str);
