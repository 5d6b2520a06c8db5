//! The rules and hooks of one channel.

use std::sync::Arc;

use crate::direction::Direction;
use crate::rules::peer_rules::PeerRules;
use crate::session::hooks::Hooks;

/// The rules and hooks of one channel.
#[derive(Clone)]
pub struct ChannelRules {
    /// Rules for commands of the peer.
    pub inbound: Arc<PeerRules>,
    /// Rules for commands of the guarded node; None: these pass.
    pub outbound: Option<Arc<PeerRules>>,
    /// A shadow policy: its differences on commands of the peer are reported, without effect.
    pub shadow: Option<Arc<PeerRules>>,
    /// True if commands that rules refuse pass and are recorded.
    pub audit: bool,
    /// The handlers and filters to ask about accepted commands of the peer; None: no hooks.
    pub hooks: Option<Arc<Hooks>>,
}

impl ChannelRules {
    /// The rules for commands in that direction.
    #[must_use]
    pub fn of(&self, direction: Direction) -> Option<&PeerRules> {
        match direction {
            Direction::Inbound => Some(&self.inbound),
            Direction::Outbound => self.outbound.as_deref(),
        }
    }
}
