//! The two directions of messages.

/// The direction of a message, from its sender to its receiver.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Direction {
    /// Peer to guarded node.
    Inbound = 0,
    /// Guarded node to peer.
    Outbound = 1,
}

impl Direction {
    /// Both.
    pub const ALL: [Direction; 2] = [Direction::Inbound, Direction::Outbound];

    /// The name in events.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Direction::Inbound => "inbound",
            Direction::Outbound => "outbound",
        }
    }

    /// The opposite direction.
    #[must_use]
    pub fn other(self) -> Self {
        match self {
            Direction::Inbound => Direction::Outbound,
            Direction::Outbound => Direction::Inbound,
        }
    }
}
