//! Which way a message goes.

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
}
