//! Names of the version whose modules are in layers.

pub use super::wire::rules::table::PROCESS;
pub use super::wire::session::hooks::{Answer, Ask, Handler, Hooks};
pub use super::wire::{Part, Pattern, Policies, Rule, Scope, Subject};
