//! The verdict on one inbound command.
//!
//! In this order: is the sender who it says it is, is the target here, was it asked for, what do the rules say, does the message
//! make an OTP process run code, does it carry what the policy lets no message carry, is there room for what it leaves behind.

use crate::atoms::{AtomView, Names, Word};
use crate::control::{Command, Control, Process, Target};
use crate::event::Reason;
use crate::internal::{otp_internal, Address};
use crate::limits::Limits;
use crate::policy::{Decision, Key, Pattern, Policy, Verdict};
use crate::reply::Form;
use crate::scan::{Scanner, Watch};
use crate::shapes::{self, Answer};
use crate::term::{tag, Pid, Reader};
use crate::track::{Asked, Pair, Track};
use crate::Bad;

/// The two ends of a channel and what they agreed on. Doesn't change.
pub struct Ends {
    /// Node names.
    pub names: Names,
    /// The peer's incarnation; 0: not known.
    pub peer_creation: u32,
    /// The guarded node's incarnation.
    pub guard_creation: u32,
    /// Negotiated flags.
    pub flags: u64,
    /// How made-up frames look.
    pub form: Form,
    /// Caps.
    pub limits: Limits,
    /// The atom that refused spawn requests and calls get.
    pub deny_reason: Box<[u8]>,
}

impl Ends {
    /// Whether a process is the peer's own, in its present incarnation.
    #[must_use]
    pub fn is_peers(&self, process: &Process<'_>) -> bool {
        process.node.word == Word::Peer && (self.peer_creation == 0 || process.pid.creation == self.peer_creation)
    }

    /// The peer's name and incarnation.
    #[must_use]
    pub fn peer(&self) -> (&[u8], u32) {
        (&self.names.peer, self.peer_creation)
    }

    /// Whether a process is the guarded node's own, in its present incarnation.
    #[must_use]
    pub fn is_guards(&self, process: &Process<'_>) -> bool {
        process.node.word == Word::Guard && process.pid.creation == self.guard_creation
    }
}

/// What to do with a command.
#[derive(Clone, Copy, Debug)]
pub struct Ruling {
    /// Verdict.
    pub verdict: Verdict,
    /// The rule that decided, if one did.
    pub rule: Option<u32>,
    /// Why, if it is refused.
    pub reason: Reason,
    /// What it answers or ends, if that was known; for a refusal: only where its contents are the reason.
    pub settles: Option<Asked>,
}

impl Ruling {
    /// No rule was asked.
    pub const PASS: Ruling = Ruling { verdict: Verdict::Accept, rule: None, reason: Reason::Rule, settles: None };

    /// A refusal that no rule decided.
    #[must_use]
    pub fn deny(reason: Reason) -> Self {
        Ruling { verdict: Verdict::Deny, rule: None, reason, settles: None }
    }

    /// The refusal of what would pass if it didn't carry what it does.
    #[must_use]
    pub fn unfit(&self, reason: Reason) -> Self {
        Ruling { verdict: Verdict::Deny, rule: None, reason, settles: self.settles }
    }
}

/// A command with what is known about its payload.
pub struct Message<'a, 'b> {
    /// Control message.
    pub control: &'b Control<'a>,
    /// At the payload's first byte.
    pub payload: Option<Reader<'a>>,
}

/// Decides on a whole message whose payload has been scanned (`scanner.found` tells what is in it).
pub fn judge(
    message: &Message<'_, '_>,
    ends: &Ends,
    policy: &Policy,
    track: &Track,
    scanner: &mut Scanner,
    watch: &Watch<'_>,
) -> Result<Ruling, Bad> {
    let control = message.control;
    if let Some(reason) = origin(control, ends, policy)?.or(destination(control, ends)?) {
        return Ok(Ruling::deny(reason));
    }
    let settles = settles(message, track)?;
    let name: Option<AtomView<'_>> = match control.to {
        Some(Target::Name(name)) => Some(name),
        // The first process of every node.
        Some(Target::Process(Process { pid: Pid { id: 0, serial: 0, .. }, .. })) => {
            Some(AtomView { text: b"init", word: Word::OtpName, inline: false })
        }
        _ => None,
    };
    let matches = |pattern| match (pattern, message.payload) {
        (Pattern::IsAuth, Some(payload)) => shapes::is_auth(payload),
        (Pattern::IsAuth, None) => false,
    };
    let decision = decide(control, policy, settles.is_none(), matches);
    let accepted = decision.is_some_and(|decision| decision.verdict == Verdict::Accept);
    // What was asked for passes where no rule names its command.
    if !accepted && (decision.is_some() || settles.is_none()) {
        return Ok(match decision {
            Some(Decision { verdict, id, .. }) => {
                Ruling { verdict, rule: Some(id), reason: Reason::Rule, settles: None }
            }
            None => Ruling::deny(Reason::Default),
        });
    }
    // An answer may carry what `accept *` would let its command carry anyway.
    let star = match settles {
        Some(_) => decide(control, policy, true, matches).is_some_and(|d| d.star && d.verdict == Verdict::Accept),
        None => decision.is_some_and(|decision| decision.star),
    };
    let rule = decision.map(|decision| decision.id);
    let shaped = decision.is_some_and(|decision| decision.pattern.is_some());
    let message_to_process = matches!(control.command, Command::Send | Command::RegSend | Command::AliasSend);
    if let (true, false, false, Some(payload)) = (message_to_process, star, shaped, message.payload) {
        let to = Address { name, answer: settles.is_some(), receiver: Word::Guard };
        if otp_internal(payload, to, scanner, watch) {
            let key = name.map(|name| [name.text]);
            match policy.decide_internal(key.as_ref().map(<[_; 1]>::as_slice)) {
                Some(decision) if decision.verdict == Verdict::Accept => {}
                Some(Decision { verdict, id, .. }) => {
                    return Ok(Ruling { verdict, rule: Some(id), reason: Reason::OtpInternal, settles: None });
                }
                None => return Ok(Ruling::deny(Reason::OtpInternal)),
            }
        }
    }
    let found = &scanner.found;
    let accepted = Ruling { verdict: Verdict::Accept, rule, reason: Reason::Rule, settles };
    Ok(if found.third_node {
        accepted.unfit(Reason::ThirdNode)
    } else if found.funs && !policy.allows_funs(star) {
        accepted.unfit(Reason::Funs)
    } else {
        accepted
    })
}

/// Whether `accept *` decides, whatever the payload will be: then a message needn't be held until it is whole.
pub fn passes_unseen(message: &Message<'_, '_>, ends: &Ends, policy: &Policy) -> Result<bool, Bad> {
    let control = message.control;
    if origin(control, ends, policy)?.or(destination(control, ends)?).is_some() {
        return Ok(false);
    }
    // A rule with a pattern could match: then the payload has to be seen.
    Ok(decide(control, policy, true, |_| true).is_some_and(|d| d.star && d.verdict == Verdict::Accept)
        && decide(control, policy, false, |_| true)
            .is_none_or(|d| d.verdict == Verdict::Accept || !may_settle(control)))
}

fn may_settle(control: &Control<'_>) -> bool {
    !matches!(control.command, Command::RegSend | Command::SpawnRequest | Command::Link | Command::Monitor)
}

fn decide(
    control: &Control<'_>,
    policy: &Policy,
    star: bool,
    matches: impl FnMut(Pattern) -> bool,
) -> Option<Decision> {
    let command = control.command;
    if let Some(mfa) = control.mfa {
        let mut digits = [0; 3];
        let key: Key<'_> = &[mfa.module.text, mfa.function.text, decimal(mfa.arity, &mut digits)];
        return policy.decide(command, Some(key), star, matches);
    }
    match control.to {
        Some(Target::Name(name)) if matches!(command, Command::RegSend | Command::Monitor) => {
            policy.decide(command, Some(&[name.text]), star, matches)
        }
        _ => policy.decide(command, None, star, matches),
    }
}

fn decimal(value: u8, digits: &mut [u8; 3]) -> &[u8] {
    let first = if value >= 100 {
        0
    } else if value >= 10 {
        1
    } else {
        2
    };
    *digits = [b'0' + value / 100, b'0' + value / 10 % 10, b'0' + value % 10];
    &digits[first..]
}

/// Whether sender, references and processes named are the peer's own. The VM closes the connection over some of these.
fn origin(control: &Control<'_>, ends: &Ends, policy: &Policy) -> Result<Option<Reason>, Bad> {
    use Command::{Demonitor, Exit, Exit2, Link, Monitor, MonitorExit, SpawnReply, SpawnRequest, Unlink, UnlinkAck};
    if let Some(from) = &control.from {
        if !ends.is_peers(from) {
            let checked = matches!(control.command, Link | Monitor | Demonitor | Exit | Exit2 | Unlink | UnlinkAck);
            if checked && control.op != 37 && from.node.word != Word::Peer {
                return Err(Bad("the sender of a command is not a process of the connected node"));
            }
            return Ok(Some(Reason::Spoofed));
        }
    }
    if let Some((node, _)) = &control.reference {
        let own = match control.command {
            Monitor | Demonitor | SpawnRequest => node.word == Word::Peer,
            MonitorExit => node.word == Word::Guard,
            _ => true,
        };
        if control.command == SpawnReply && node.word != Word::Guard {
            return Err(Bad("a spawn reply to a request of another node"));
        }
        if !own {
            return Ok(Some(Reason::Spoofed));
        }
    }
    if let Some(other) = &control.other {
        if control.command == SpawnReply {
            if !ends.is_peers(other) {
                return Ok(Some(Reason::Spoofed));
            }
        } else if !matches!(other.node.word, Word::Peer | Word::Guard) && !policy.allows_node(other.node.text) {
            return Ok(Some(Reason::ThirdNode));
        }
    }
    Ok(None)
}

/// Whether the target is the guarded node's own, in its present incarnation.
fn destination(control: &Control<'_>, ends: &Ends) -> Result<Option<Reason>, Bad> {
    use Command::{Exit, Unlink, UnlinkAck};
    match &control.to {
        Some(Target::Process(process)) if !ends.is_guards(process) => {
            if matches!(control.command, Exit | Unlink | UnlinkAck) {
                return Err(Bad("an exit or unlink aims at a process of another incarnation or node"));
            }
            Ok(Some(Reason::StaleTarget))
        }
        Some(Target::Alias(node, alias)) if node.word != Word::Guard || alias.creation != ends.guard_creation => {
            Ok(Some(Reason::StaleTarget))
        }
        _ => Ok(None),
    }
}

/// What a command answers or ends, if tracking knows of it.
fn settles(message: &Message<'_, '_>, track: &Track) -> Result<Option<Asked>, Bad> {
    let control = message.control;
    let to = match control.to {
        Some(Target::Process(process)) => Some(process.pid),
        _ => None,
    };
    let from = control.from.map(|from| from.pid);
    let reference = control.reference.map(|(_, reference)| reference);
    let pair = from.zip(to).map(|(peer, guard)| Pair { peer, guard });
    let asked = match control.command {
        Command::MonitorExit => {
            if reference.is_some_and(|reference| track.spawning(reference)) {
                return Err(Bad("a spawned process ends before the reply to its spawn request"));
            }
            reference.map(Asked::Monitor)
        }
        Command::SpawnReply => {
            // The VM would link its process to whatever the reply says.
            if reference.is_some_and(|reference| track.brings_more(reference, control.linked, control.monitored)) {
                return Err(Bad("a spawn reply brings a link or a monitor that was not asked for"));
            }
            reference.zip(to).map(|(reference, to)| Asked::Spawn(reference, to))
        }
        Command::UnlinkAck => pair.map(|pair| Asked::Unlink(control.id, pair)),
        Command::Unlink | Command::Exit => pair.map(Asked::Link),
        Command::Demonitor => reference.zip(from).map(|(reference, from)| Asked::PeerMonitor(reference, from)),
        Command::Send | Command::AliasSend if !track.awaits_messages() => None,
        Command::Send => match (message.payload.and_then(shapes::answer), to) {
            (Some(Answer::Tag(node, reference)), Some(to)) if node.word == Word::Guard => {
                Some(Asked::Call(reference, to))
            }
            (Some(Answer::Rex), Some(to)) => Some(Asked::Rex(to)),
            (Some(Answer::Features), Some(to)) => Some(Asked::Features(to)),
            _ => None,
        },
        Command::AliasSend => match (message.payload.and_then(shapes::answer), control.to) {
            (Some(Answer::Tag(_, reference)), Some(Target::Alias(_, alias))) if reference == alias => {
                Some(Asked::Alias(alias))
            }
            _ => None,
        },
        _ => None,
    };
    Ok(asked.filter(|asked| track.knows(*asked)))
}

/// How many arguments the list of a spawn request has; None if its first bytes are not all there.
pub fn arguments(payload: Reader<'_>) -> Result<Option<u64>, Bad> {
    let rest = &payload.data[payload.pos.min(payload.data.len())..];
    Ok(match rest {
        [] => None,
        [tag::NIL, ..] => Some(0),
        [tag::STRING, a, b, ..] => Some(u64::from(u16::from_be_bytes([*a, *b]))),
        [tag::LIST, a, b, c, d, ..] => Some(u64::from(u32::from_be_bytes([*a, *b, *c, *d]))),
        [tag::STRING | tag::LIST, ..] => None,
        _ => return Err(Bad("the arguments of a spawn request are not a list")),
    })
}
