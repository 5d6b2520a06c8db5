//! Names of the version whose compiled rules are of a peer and of a channel.

pub use super::wire::rules::peer_rules::PROCESS;
pub use super::wire::session::hooks::{Ask, Handler, HandlerAnswer, Hooks};
pub use super::wire::{ChannelRules, Part, Pattern, PeerRules, Rule, Scope, Subject};
