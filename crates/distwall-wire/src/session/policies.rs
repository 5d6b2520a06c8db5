//! The rules and hooks of one channel.

use std::sync::Arc;

use crate::direction::Direction;
use crate::rules::table::Policy;
use crate::session::hooks::Hooks;

/// All that one channel is judged by.
#[derive(Clone)]
pub struct Policies {
    /// What the peer sends.
    pub inbound: Arc<Policy>,
    /// What the guarded node sends; None: it passes.
    pub outbound: Option<Arc<Policy>>,
    /// A candidate: where it would decide otherwise about what the peer sends is told, and no more.
    pub shadow: Option<Arc<Policy>>,
    /// Whether what rules refuse passes and is recorded.
    pub audit: bool,
    /// Who is asked about what the rules accept of the peer's; None: nobody.
    pub hooks: Option<Arc<Hooks>>,
}

impl Policies {
    /// The rules for what goes that way.
    #[must_use]
    pub fn of(&self, direction: Direction) -> Option<&Policy> {
        match direction {
            Direction::Inbound => Some(&self.inbound),
            Direction::Outbound => self.outbound.as_deref(),
        }
    }
}
