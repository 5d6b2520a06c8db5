//! Names of the version whose modules were not in layers yet.

pub use super::wire::hooks::{Answer as HandlerAnswer, Ask, Handler, Hooks};
pub use super::wire::pattern::Pattern;
pub use super::wire::Policy as PeerRules;
pub use super::wire::policy::{Part, Policies as ChannelRules, Rule, Scope, Subject, PROCESS};
