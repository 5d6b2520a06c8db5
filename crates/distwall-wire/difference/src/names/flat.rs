//! Names of the version whose modules were not in layers yet.

pub use super::wire::hooks::{Answer, Ask, Handler, Hooks};
pub use super::wire::pattern::Pattern;
pub use super::wire::policy::{Part, Policies, Rule, Scope, Subject, PROCESS};
