//! Refusals, told to the outside: what was refused, printed as Erlang would, and why.

use std::fmt::Write;

use crate::command::Command;
use crate::direction::Direction;
use crate::limits::Limit;
use crate::term::print::atom;
use crate::verdict::Verdict;
use crate::wire::control::{Control, Target};

/// The reason of a refusal.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reason {
    /// A rule decided.
    Rule,
    /// No rule speaks.
    Default,
    /// The call comes with spawn options or a group leader that no rule on calls opens.
    Options,
    /// Nobody can tell whose alias it is that the command aims at.
    Unknown,
    /// Not a refusal: the process has ended.
    Gone,
    /// The message would make an OTP process run code.
    OtpInternal,
    /// The message carries pids of a node that the policy doesn't name.
    ThirdNode,
    /// The message carries funs.
    Funs,
    /// The sender is not a process of the peer.
    Spoofed,
    /// The target is a process of an earlier start of the guarded node, or of another node.
    StaleTarget,
    /// A limit was exceeded.
    Limit(Limit),
    /// A module filter or a handler decided, or gave no answer.
    Handler,
    /// Not a refusal: the shadow policy would decide so.
    Shadow(Verdict),
}

impl Reason {
    /// The name in events.
    #[must_use]
    pub fn name(self) -> String {
        match self {
            Reason::Rule => "rule".into(),
            Reason::Default => "default".into(),
            Reason::Options => "options".into(),
            Reason::Unknown => "unknown".into(),
            Reason::Gone => "gone".into(),
            Reason::OtpInternal => "otp_internal".into(),
            Reason::ThirdNode => "third_node".into(),
            Reason::Funs => "funs".into(),
            Reason::Spoofed => "spoofed".into(),
            Reason::StaleTarget => "stale_target".into(),
            Reason::Limit(limit) => format!("limit:{}", limit.name()),
            Reason::Handler => "handler".into(),
            Reason::Shadow(verdict) => format!("shadow:{}", verdict.name()),
        }
    }
}

/// One refusal, or what would have been one.
#[derive(Clone, Debug)]
pub struct Event {
    /// The direction of the command.
    pub direction: Direction,
    /// The kind of command.
    pub command: Command,
    /// At what, printed.
    pub target: String,
    /// Deny or drop.
    pub verdict: Verdict,
    /// The rule that decided, if one did.
    pub rule: Option<u32>,
    /// The reason.
    pub reason: Reason,
    /// True if the command passed all the same.
    pub audit: bool,
    /// Refusals since the last event that were not told.
    pub folded: u64,
}

impl Event {
    /// The reason as events tell it: behind `audit:` if the command passed all the same.
    #[must_use]
    pub fn told(&self) -> String {
        let reason = self.reason.name();
        if self.audit {
            format!("audit:{reason}")
        } else {
            reason
        }
    }
}

/// The target of a command: a name, a pid (behind its known name), a reference, or `M:F/A`.
#[must_use]
pub fn target(control: &Control<'_>, name: Option<&[u8]>) -> String {
    let mut text = String::new();
    if let Some(name) = name {
        atom(&mut text, name);
        text.push(' ');
    }
    if let Some(mfa) = control.mfa() {
        return function(mfa.module.text, mfa.function.text, mfa.arity);
    }
    match control.target() {
        Some(Target::Name(name)) => atom(&mut text, name.text),
        Some(Target::Process(process)) => {
            let _ = write!(text, "<0.{}.{}>", process.pid.id, process.pid.serial);
        }
        Some(Target::Alias(_, reference)) => {
            text.push_str("#Ref<0");
            for word in reference.words[..usize::from(reference.length)].iter().rev() {
                let _ = write!(text, ".{word}");
            }
            text.push('>');
        }
        None => {}
    }
    text
}

/// `M:F/A`
#[must_use]
pub fn function(module: &[u8], name: &[u8], arity: u8) -> String {
    let mut text = String::new();
    atom(&mut text, module);
    text.push(':');
    atom(&mut text, name);
    let _ = write!(text, "/{arity}");
    text
}
