//! The sender and the target of a command, and the request that it answers or ends.

use super::{Case, Ends, Message, Next};
use crate::command::Command;
use crate::direction::Direction;
use crate::error::Bad;
use crate::session::events::Reason;
use crate::session::hooks::is_clerk;
use crate::session::track::{Asked, Pair, Track};
use crate::term::atoms::Word;
use crate::term::reader::Reader;
use crate::term::tag;
use crate::wire::control::{Control, Exit2Form, Process, SpawnRequest, Spawned, Target};
use crate::wire::shapes::{self, Answer};

/// Refuses what is not sent by a process of the peer, or speaks in the name of another node.
#[inline(always)]
pub(super) fn sender(case: &mut Case<'_, '_, '_>) -> Result<Next, Bad> {
    if case.court.direction == Direction::Outbound {
        return Ok(Next::On);
    }
    let Some(reason) = origin(case.control(), case.court.ends)? else { return Ok(Next::On) };
    // A target that ends the channel ends it for any sender.
    destination(case.control(), case.court.ends)?;
    Ok(case.always(reason))
}

/// Refuses what aims at another node than the guarded one, or at an incarnation of it that is gone.
#[inline(always)]
pub(super) fn target(case: &mut Case<'_, '_, '_>) -> Result<Next, Bad> {
    if case.court.direction == Direction::Outbound {
        return Ok(Next::On);
    }
    let reason = destination(case.control(), case.court.ends)?;
    Ok(reason.map_or(Next::On, |reason| case.always(reason)))
}

/// Finds what the command answers or ends. Nothing is refused here: an answer needs no rule, but a rule may refuse it.
#[inline(always)]
pub(super) fn answer(case: &mut Case<'_, '_, '_>) -> Result<Next, Bad> {
    use Command::{Exit, MonitorExit, SpawnReply, UnlinkAck};
    let (control, track, direction) = (case.control(), case.court.track, case.court.direction);
    // A registered name waits for no answer.
    if control.command() == Command::RegSend {
        return Ok(Next::On);
    }
    case.ruling.settles = settles(case.message, track, direction)?;
    // Where tracking has had no room for all, it may be the answer to what was forgotten.
    case.stray = case.ruling.settles.is_none()
        && direction == Direction::Inbound
        && matches!(control.command(), Exit | MonitorExit | SpawnReply | UnlinkAck)
        && !answered(control, direction).is_some_and(|asked| track.may_have_known(direction, asked));
    Ok(case.unseen(!case.whole && case.stray))
}

/// Checks that sender, references and processes in a command belong to the peer. The VM closes the connection over some
/// others.
#[inline]
fn origin(control: &Control<'_>, ends: &Ends) -> Result<Option<Reason>, Bad> {
    if let Some(from) = control.from() {
        if is_clerk(from.pid) {
            // In whose name distwall itself asks the guarded node.
            return Ok(Some(Reason::Spoofed));
        }
        if !ends.is_of(Direction::Inbound, &from) {
            if from.node.word != Word::Peer && vm_checks_sender(control) {
                return Err(Bad::ForeignSender);
            }
            return Ok(Some(Reason::Spoofed));
        }
    }
    let own = match control {
        Control::Monitor { reference: (node, _), .. }
        | Control::Demonitor { reference: (node, _), .. }
        | Control::SpawnRequest(SpawnRequest { reference: (node, _), .. }) => node.word == Word::Peer,
        Control::MonitorExit { reference: (node, _), .. } => node.word == Word::Guard,
        Control::SpawnReply { reference: (node, _), .. } if node.word != Word::Guard => {
            return Err(Bad::SpawnReplyForeign);
        }
        Control::SpawnReply { result: Spawned::Process(spawned), .. } => ends.is_of(Direction::Inbound, spawned),
        _ => true,
    };
    Ok((!own).then_some(Reason::Spoofed))
}

/// True if a VM closes the connection over a sender that is not a process of the connected node.
fn vm_checks_sender(control: &Control<'_>) -> bool {
    match control {
        Control::Exit2 { form, .. } => *form != Exit2Form::Altact,
        Control::Link { .. }
        | Control::Monitor { .. }
        | Control::Demonitor { .. }
        | Control::Exit { .. }
        | Control::Unlink { .. }
        | Control::UnlinkAck { .. } => true,
        _ => false,
    }
}

/// Checks that the target belongs to the guarded node, in its present incarnation.
#[inline]
fn destination(control: &Control<'_>, ends: &Ends) -> Result<Option<Reason>, Bad> {
    use Command::{Exit, Unlink, UnlinkAck};
    match control.target() {
        Some(Target::Process(process)) if !ends.is_of(Direction::Outbound, &process) => {
            if matches!(control.command(), Exit | Unlink | UnlinkAck) {
                return Err(Bad::ForeignTarget);
            }
            Ok(Some(Reason::StaleTarget))
        }
        Some(Target::Alias(node, alias)) if node.word != Word::Guard || alias.creation != ends.guard_creation => {
            Ok(Some(Reason::StaleTarget))
        }
        _ => Ok(None),
    }
}

/// The request that a command, which is not a message, would answer or end.
fn answered(control: &Control<'_>, direction: Direction) -> Option<Asked> {
    let pair = |from: Process<'_>, to: Process<'_>| Pair::new(direction, from.pid, to.pid);
    match *control {
        Control::MonitorExit { reference: (_, reference), .. } => Some(Asked::Monitor(reference)),
        Control::SpawnReply { to, reference: (_, reference), .. } => Some(Asked::Spawn(reference, to.pid)),
        Control::UnlinkAck { from, to, id } => Some(Asked::Unlink(id, pair(from, to))),
        Control::Unlink { from, to, .. } | Control::Exit { from, to, .. } => Some(Asked::Link(pair(from, to))),
        Control::Demonitor { from, reference: (_, reference), .. } => Some(Asked::OwnMonitor(reference, from.pid)),
        _ => None,
    }
}

/// The request that a command answers or ends, if tracking knows it.
pub fn settles(message: &Message<'_, '_>, track: &Track, direction: Direction) -> Result<Option<Asked>, Bad> {
    let inbound = direction == Direction::Inbound;
    let asked = match *message.control {
        Control::MonitorExit { from, to, reference: (_, reference), .. } => {
            if inbound && track.spawning(reference) {
                return Err(Bad::EndBeforeSpawnReply);
            }
            let ends = track.ends(direction, reference, to.pid, &from.watched());
            ends.then_some(Asked::Monitor(reference))
        }
        Control::SpawnReply { to, reference: (_, reference), linked, monitored, .. } => {
            // The VM would link its process to whatever the reply says.
            if inbound && track.brings_more(reference, linked, monitored) {
                return Err(Bad::SpawnReplyBringsMore);
            }
            Some(Asked::Spawn(reference, to.pid))
        }
        Control::Send { .. } | Control::AliasSend { .. } if !track.awaits_messages(direction) => None,
        Control::Send { to, .. } => match message.payload.and_then(shapes::answer) {
            Some(Answer::Tag(node, reference)) if node == direction.other().word() => {
                Some(Asked::Call(reference, to.pid))
            }
            Some(Answer::Rex) => Some(Asked::Rex(to.pid)),
            Some(Answer::Features) => Some(Asked::Features(to.pid)),
            _ => None,
        },
        Control::AliasSend { to: (_, alias), .. } => match message.payload.and_then(shapes::answer) {
            Some(Answer::Tag(_, reference)) if reference == alias => Some(Asked::Alias(alias)),
            _ => None,
        },
        _ => answered(message.control, direction),
    };
    Ok(asked.filter(|asked| track.knows(direction, *asked)))
}

/// The number of arguments in the list of a spawn request; None if its first bytes are not all there.
pub fn arguments(payload: Reader<'_>) -> Result<Option<u64>, Bad> {
    let rest = &payload.data[payload.pos.min(payload.data.len())..];
    Ok(match rest {
        [] => None,
        [tag::NIL, ..] => Some(0),
        [tag::STRING, a, b, ..] => Some(u64::from(u16::from_be_bytes([*a, *b]))),
        [tag::LIST, a, b, c, d, ..] => Some(u64::from(u32::from_be_bytes([*a, *b, *c, *d]))),
        [tag::STRING | tag::LIST, ..] => None,
        _ => return Err(Bad::SpawnArgumentsNotList),
    })
}
