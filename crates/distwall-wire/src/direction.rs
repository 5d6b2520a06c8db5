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
    /// The opposite direction.
    #[must_use]
    pub fn other(self) -> Self {
        match self {
            Direction::Inbound => Direction::Outbound,
            Direction::Outbound => Direction::Inbound,
        }
    }
}
