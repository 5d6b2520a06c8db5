//! Control messages: the kind of command, its sender, and its target.
//!
//! Every control message is a tuple whose first element is its opcode. Arities are exact. A form with a trace token, or
//! with the reason as payload, counts as its plain form. Source: the protocol's list of control messages, OTP 25 to 29.

use std::num::NonZeroU64;

use crate::command::Command;
use crate::term::atoms::{AtomView, Word};
use crate::term::reader::{Pid, Reference};

pub use decode::{decode, is_plain, Dialect};

mod decode;
mod spawn_options;

/// A pid and its node.
#[derive(Clone, Copy, Debug)]
pub struct Process<'a> {
    /// The node.
    pub node: AtomView<'a>,
    /// The pid without its node.
    pub pid: Pid,
}

/// A reference and its node.
pub type NodeReference<'a> = (AtomView<'a>, Reference);

/// The target of a command.
#[derive(Clone, Copy, Debug)]
pub enum Target<'a> {
    /// A registered name.
    Name(AtomView<'a>),
    /// A process.
    Process(Process<'a>),
    /// An alias.
    Alias(AtomView<'a>, Reference),
}

/// The target of a monitor.
#[derive(Clone, Copy, Debug)]
pub enum Monitored<'a> {
    /// A registered name.
    Name(AtomView<'a>),
    /// A process.
    Process(Process<'a>),
}

/// The target of a monitor, as its exit has to name it.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Watched {
    /// A registered name.
    Name(Box<[u8]>),
    /// A process.
    Process(Pid),
}

impl<'a> Monitored<'a> {
    /// The name, or the name of the process's node.
    fn atom(self) -> AtomView<'a> {
        match self {
            Monitored::Name(name) => name,
            Monitored::Process(process) => process.node,
        }
    }

    /// The same target, owned.
    #[must_use]
    pub fn watched(&self) -> Watched {
        match self {
            Monitored::Name(name) => Watched::Name(name.text.into()),
            Monitored::Process(process) => Watched::Process(process.pid),
        }
    }
}

/// The target of `exit/2`.
#[derive(Clone, Copy, Debug)]
pub enum Victim<'a> {
    /// A process.
    Process(Process<'a>),
    /// An alias.
    Alias(AtomView<'a>, Reference),
}

/// The form of `exit/2`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Exit2Form {
    /// The reason is part of the control message.
    Reason,
    /// The reason is the payload.
    Payload,
    /// An `ALTACT_SIG_SEND`; the reason is the payload.
    Altact,
}

/// The function that a spawn request asks to be run.
#[derive(Clone, Copy, Debug)]
pub struct Mfa<'a> {
    /// Module.
    pub module: AtomView<'a>,
    /// Function.
    pub function: AtomView<'a>,
    /// The announced arity; the number of arguments is checked against it.
    pub arity: u8,
}

/// A spawn request.
#[derive(Clone, Copy, Debug)]
pub struct SpawnRequest<'a> {
    /// The process that asks.
    pub from: Process<'a>,
    /// The asking process's name for the request.
    pub reference: NodeReference<'a>,
    /// The group leader of the new process.
    pub leader: Process<'a>,
    /// The function.
    pub mfa: Mfa<'a>,
    /// True if the new process is to be linked.
    pub linked: bool,
    /// True if the new process is to be monitored.
    pub monitored: bool,
    /// True if its options are a proper list of such as change nothing but the new process's queue and its order.
    pub plain: bool,
}

impl<'a> SpawnRequest<'a> {
    /// An empty request, to be read part by part. A constant would be copied to its place as a whole.
    #[inline(always)]
    fn unread() -> Self {
        let node = AtomView { text: b"", word: Word::Other, inline: false };
        let process = Process { node, pid: Pid { id: 0, serial: 0, creation: 0 } };
        SpawnRequest {
            from: process,
            reference: (node, Reference { creation: 0, length: 0, words: [0; 5] }),
            leader: process,
            mfa: Mfa { module: node, function: node, arity: 0 },
            linked: false,
            monitored: false,
            plain: false,
        }
    }
}

/// The outcome of a spawn request.
#[derive(Clone, Copy, Debug)]
pub enum Spawned<'a> {
    /// The new process.
    Process(Process<'a>),
    /// The reason of a failure, an atom.
    Failed(AtomView<'a>),
}

/// A decoded control message, in the order of [`Command`].
///
/// The sender is the first field of each variant that has a sender. So it is at the same place in all of them:
/// [`Control::from`] is one load, and [`Control::command`] another.
#[derive(Clone, Copy, Debug)]
#[repr(u8)]
#[allow(missing_docs)] // `from`, `to` and `reference` mean the same everywhere
pub enum Control<'a> {
    /// A message to an alias.
    AliasSend { from: Process<'a>, to: NodeReference<'a> },
    /// The end of a monitor, by the process that set it.
    Demonitor { from: Process<'a>, to: Monitored<'a>, reference: NodeReference<'a> },
    /// A linked process ended.
    Exit {
        from: Process<'a>,
        to: Process<'a>,
        /// True if the reason is the payload.
        payload: bool,
    },
    /// `exit/2`.
    Exit2 { from: Process<'a>, to: Victim<'a>, form: Exit2Form },
    /// `group_leader/2`; its sender is not named.
    GroupLeader { leader: Process<'a>, to: Process<'a> },
    /// A link.
    Link { from: Process<'a>, to: Process<'a> },
    /// A monitor.
    Monitor { from: Process<'a>, to: Monitored<'a>, reference: NodeReference<'a> },
    /// A monitored process ended.
    MonitorExit {
        /// The process, or the name by which it was monitored.
        from: Monitored<'a>,
        to: Process<'a>,
        reference: NodeReference<'a>,
        /// True if the reason is the payload.
        payload: bool,
    },
    /// A message to a registered name.
    RegSend {
        from: Process<'a>,
        to: AtomView<'a>,
        /// The text of an atom without a meaning, if it is written out.
        unused: Option<&'a [u8]>,
    },
    /// A message to a pid.
    Send {
        /// None if the message doesn't name it.
        from: Option<Process<'a>>,
        to: Process<'a>,
        /// The text of an atom without a meaning, if it is written out.
        unused: Option<&'a [u8]>,
    },
    /// The answer to a spawn request.
    SpawnReply {
        to: Process<'a>,
        reference: NodeReference<'a>,
        result: Spawned<'a>,
        /// True if the new process is linked.
        linked: bool,
        /// True if the new process is monitored.
        monitored: bool,
    },
    /// A spawn request.
    SpawnRequest(SpawnRequest<'a>),
    /// The end of a link.
    Unlink {
        from: Process<'a>,
        to: Process<'a>,
        /// None in the old form, which nothing acknowledges.
        id: Option<NonZeroU64>,
    },
    /// The acknowledgement of the end of a link.
    UnlinkAck { from: Process<'a>, to: Process<'a>, id: NonZeroU64 },
}

impl<'a> Control<'a> {
    /// The kind of command.
    #[must_use]
    #[inline]
    pub fn command(&self) -> Command {
        match self {
            Control::AliasSend { .. } => Command::AliasSend,
            Control::Demonitor { .. } => Command::Demonitor,
            Control::Exit { .. } => Command::Exit,
            Control::Exit2 { .. } => Command::Exit2,
            Control::GroupLeader { .. } => Command::GroupLeader,
            Control::Link { .. } => Command::Link,
            Control::Monitor { .. } => Command::Monitor,
            Control::MonitorExit { .. } => Command::MonitorExit,
            Control::RegSend { .. } => Command::RegSend,
            Control::Send { .. } => Command::Send,
            Control::SpawnReply { .. } => Command::SpawnReply,
            Control::SpawnRequest(_) => Command::SpawnRequest,
            Control::Unlink { .. } => Command::Unlink,
            Control::UnlinkAck { .. } => Command::UnlinkAck,
        }
    }

    /// The sender; of `monitor_exit` the process that ended. None if the message doesn't name it.
    #[must_use]
    #[inline]
    pub fn from(&self) -> Option<Process<'a>> {
        match *self {
            Control::AliasSend { from, .. }
            | Control::Demonitor { from, .. }
            | Control::Exit { from, .. }
            | Control::Exit2 { from, .. }
            | Control::Link { from, .. }
            | Control::Monitor { from, .. }
            | Control::RegSend { from, .. }
            | Control::SpawnRequest(SpawnRequest { from, .. })
            | Control::Unlink { from, .. }
            | Control::UnlinkAck { from, .. } => Some(from),
            Control::MonitorExit { from: Monitored::Process(from), .. } => Some(from),
            Control::Send { from, .. } => from,
            Control::MonitorExit { .. } | Control::GroupLeader { .. } | Control::SpawnReply { .. } => None,
        }
    }

    /// The target; None for a spawn request, which has a function instead.
    #[must_use]
    #[inline]
    pub fn target(&self) -> Option<Target<'a>> {
        match *self {
            Control::RegSend { to, .. }
            | Control::Demonitor { to: Monitored::Name(to), .. }
            | Control::Monitor { to: Monitored::Name(to), .. } => Some(Target::Name(to)),
            Control::AliasSend { to: (node, alias), .. } | Control::Exit2 { to: Victim::Alias(node, alias), .. } => {
                Some(Target::Alias(node, alias))
            }
            Control::SpawnRequest(_) => None,
            _ => self.receiver().map(Target::Process),
        }
    }

    /// The process that it is for; None for a name, an alias or a function.
    #[must_use]
    #[inline]
    pub fn receiver(&self) -> Option<Process<'a>> {
        match *self {
            Control::Exit { to, .. }
            | Control::GroupLeader { to, .. }
            | Control::Link { to, .. }
            | Control::MonitorExit { to, .. }
            | Control::Send { to, .. }
            | Control::SpawnReply { to, .. }
            | Control::Unlink { to, .. }
            | Control::UnlinkAck { to, .. } => Some(to),
            Control::Demonitor { to: Monitored::Process(to), .. }
            | Control::Monitor { to: Monitored::Process(to), .. } => Some(to),
            Control::Exit2 { to: Victim::Process(to), .. } => Some(to),
            Control::AliasSend { .. }
            | Control::Demonitor { .. }
            | Control::Exit2 { .. }
            | Control::Monitor { .. }
            | Control::RegSend { .. }
            | Control::SpawnRequest(_) => None,
        }
    }

    /// The registered name that it is for.
    #[must_use]
    #[inline]
    pub fn name(&self) -> Option<AtomView<'a>> {
        match *self {
            Control::RegSend { to, .. }
            | Control::Demonitor { to: Monitored::Name(to), .. }
            | Control::Monitor { to: Monitored::Name(to), .. } => Some(to),
            _ => None,
        }
    }

    /// The alias that it is for.
    #[must_use]
    #[inline]
    pub fn alias(&self) -> Option<NodeReference<'a>> {
        match *self {
            Control::AliasSend { to: (node, alias), .. } | Control::Exit2 { to: Victim::Alias(node, alias), .. } => {
                Some((node, alias))
            }
            _ => None,
        }
    }

    /// The reference of a monitor or a spawn request.
    #[must_use]
    #[inline]
    pub fn reference(&self) -> Option<NodeReference<'a>> {
        match *self {
            Control::Demonitor { reference, .. }
            | Control::Monitor { reference, .. }
            | Control::MonitorExit { reference, .. }
            | Control::SpawnReply { reference, .. }
            | Control::SpawnRequest(SpawnRequest { reference, .. }) => Some(reference),
            _ => None,
        }
    }

    /// The function that a spawn request names.
    #[must_use]
    #[inline]
    pub fn mfa(&self) -> Option<Mfa<'a>> {
        match *self {
            Control::SpawnRequest(SpawnRequest { mfa, .. }) => Some(mfa),
            _ => None,
        }
    }

    /// The group leader that it sets.
    #[must_use]
    #[inline]
    pub fn leader(&self) -> Option<Process<'a>> {
        match *self {
            Control::GroupLeader { leader, .. } | Control::SpawnRequest(SpawnRequest { leader, .. }) => Some(leader),
            _ => None,
        }
    }

    /// The process that was spawned.
    #[must_use]
    #[inline]
    pub fn spawned(&self) -> Option<Process<'a>> {
        match *self {
            Control::SpawnReply { result: Spawned::Process(process), .. } => Some(process),
            _ => None,
        }
    }

    /// True if a payload term follows.
    #[must_use]
    #[inline(always)]
    pub fn payload(&self) -> bool {
        match *self {
            Control::AliasSend { .. } | Control::RegSend { .. } | Control::Send { .. } | Control::SpawnRequest(_) => {
                true
            }
            Control::Exit { payload, .. } | Control::MonitorExit { payload, .. } => payload,
            Control::Exit2 { form, .. } => form != Exit2Form::Reason,
            _ => false,
        }
    }

    /// True for messages: to a process, a registered name, or an alias.
    #[must_use]
    #[inline]
    pub fn is_message(&self) -> bool {
        matches!(self, Control::Send { .. } | Control::RegSend { .. } | Control::AliasSend { .. })
    }

    /// True if one of its atoms is written out.
    #[must_use]
    #[inline]
    pub fn has_inline_atoms(&self) -> bool {
        let mut inline = false;
        self.each_atom(|atom| inline |= atom.inline);
        inline
    }

    /// Calls `show` with each atom, except atoms in reasons, tokens and spawn options: first of the acting processes,
    /// then of the target, then the rest.
    #[inline]
    pub fn each_atom(&self, mut show: impl FnMut(AtomView<'a>)) {
        let mut monitored = |from: Process<'a>, to: Monitored<'a>, node: AtomView<'a>| {
            show(from.node);
            show(to.atom());
            show(node);
        };
        match *self {
            Control::Monitor { from, to, reference: (node, _) } => monitored(from, to, node),
            Control::Demonitor { from, to, reference: (node, _) } => monitored(from, to, node),
            Control::Exit { from, to, .. }
            | Control::Link { from, to }
            | Control::Unlink { from, to, .. }
            | Control::UnlinkAck { from, to, .. } => {
                show(from.node);
                show(to.node);
            }
            Control::Exit2 { from, to: Victim::Process(to), .. } => {
                show(from.node);
                show(to.node);
            }
            Control::AliasSend { from, to: (node, _) } | Control::Exit2 { from, to: Victim::Alias(node, _), .. } => {
                show(from.node);
                show(node);
            }
            Control::GroupLeader { leader, to } => {
                show(leader.node);
                show(to.node);
            }
            Control::MonitorExit { from: Monitored::Process(from), to, reference: (node, _), .. } => {
                show(from.node);
                show(to.node);
                show(node);
            }
            Control::MonitorExit { from: Monitored::Name(name), to, reference: (node, _), .. } => {
                show(to.node);
                show(node);
                show(name);
            }
            Control::RegSend { from, to, unused } => {
                show(from.node);
                show(to);
                unused.into_iter().for_each(|text| show(meaningless(text)));
            }
            Control::Send { from, to, unused } => {
                from.into_iter().for_each(|from| show(from.node));
                show(to.node);
                unused.into_iter().for_each(|text| show(meaningless(text)));
            }
            Control::SpawnReply { to, reference: (node, _), result, .. } => match result {
                Spawned::Process(process) => {
                    show(process.node);
                    show(to.node);
                    show(node);
                }
                Spawned::Failed(atom) => {
                    show(to.node);
                    show(node);
                    show(atom);
                }
            },
            Control::SpawnRequest(SpawnRequest { from, reference: (node, _), leader, mfa, .. }) => {
                [from.node, leader.node, mfa.module, mfa.function, node].into_iter().for_each(show);
            }
        }
    }
}

/// An atom without a meaning that is written out.
fn meaningless(text: &[u8]) -> AtomView<'_> {
    AtomView { text, word: Word::Other, inline: true }
}
