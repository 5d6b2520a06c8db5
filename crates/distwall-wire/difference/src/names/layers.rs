//! Names of the version whose modules are in layers, and whose compiled rules are policies.

pub use super::wire::rules::table::PROCESS;
pub use super::wire::session::hooks::{Answer as HandlerAnswer, Ask, Handler, Hooks};
pub use super::wire::{Part, Pattern, Policies as ChannelRules, Policy as PeerRules, Rule, Scope, Subject};
