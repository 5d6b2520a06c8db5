//! Who sends a command, at whom it aims, and what it answers or ends.

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
use crate::wire::control::{Control, Target, Watched};
use crate::wire::shapes::{self, Answer};

/// Refuses what is not sent by a process of the peer, or speaks in the name of another node.
#[inline]
pub(super) fn sender(case: &mut Case<'_, '_, '_>) -> Result<Next, Bad> {
    if case.court.direction == Direction::Outbound {
        return Ok(Next::On);
    }
    let reason = origin(case.control(), case.court.ends)?;
    Ok(reason.map_or(Next::On, |reason| case.always(reason)))
}

/// Refuses what aims at another node than the guarded one, or at an incarnation of it that is gone.
#[inline]
pub(super) fn target(case: &mut Case<'_, '_, '_>) -> Result<Next, Bad> {
    if case.court.direction == Direction::Outbound {
        return Ok(Next::On);
    }
    let reason = destination(case.control(), case.court.ends)?;
    Ok(reason.map_or(Next::On, |reason| case.always(reason)))
}

/// Finds what the command answers or ends. Nothing is refused here: an answer needs no rule, but a rule may refuse it.
#[inline]
pub(super) fn answer(case: &mut Case<'_, '_, '_>) -> Result<Next, Bad> {
    use Command::{Exit, MonitorExit, SpawnReply, UnlinkAck};
    let (control, track, direction) = (case.control(), case.court.track, case.court.direction);
    // A registered name waits for no answer.
    if control.command == Command::RegSend {
        return Ok(Next::On);
    }
    case.answers = settles(case.message, track, direction)?;
    // Where tracking has had no room for all, it may be the answer to what was forgotten.
    case.stray = case.answers.is_none()
        && direction == Direction::Inbound
        && matches!(control.command, Exit | MonitorExit | SpawnReply | UnlinkAck)
        && !answered(control, direction).is_some_and(|asked| track.may_have_known(direction, asked));
    Ok(case.unseen(!case.whole && case.stray))
}

/// Whether sender, references and processes named are the peer's own. The VM closes the connection over some of these.
#[inline]
fn origin(control: &Control<'_>, ends: &Ends) -> Result<Option<Reason>, Bad> {
    use Command::{Demonitor, Exit, Exit2, Link, Monitor, MonitorExit, SpawnReply, SpawnRequest, Unlink, UnlinkAck};
    if let Some(from) = &control.from {
        if is_clerk(from.pid) {
            // In whose name distwall itself asks the guarded node.
            return Ok(Some(Reason::Spoofed));
        }
        if !ends.is_of(Direction::Inbound, from) {
            let checked = matches!(control.command, Link | Monitor | Demonitor | Exit | Exit2 | Unlink | UnlinkAck);
            if checked && control.op != 37 && from.node.word != Word::Peer {
                return Err(Bad::ForeignSender);
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
            return Err(Bad::SpawnReplyForeign);
        }
        if !own {
            return Ok(Some(Reason::Spoofed));
        }
    }
    if let Some(other) = &control.other {
        if control.command == SpawnReply && !ends.is_of(Direction::Inbound, other) {
            return Ok(Some(Reason::Spoofed));
        }
    }
    Ok(None)
}

/// Whether the target is the guarded node's own, in its present incarnation.
#[inline]
fn destination(control: &Control<'_>, ends: &Ends) -> Result<Option<Reason>, Bad> {
    use Command::{Exit, Unlink, UnlinkAck};
    match &control.to {
        Some(Target::Process(process)) if !ends.is_of(Direction::Outbound, process) => {
            if matches!(control.command, Exit | Unlink | UnlinkAck) {
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

/// What a command that is no message would answer or end.
fn answered(control: &Control<'_>, direction: Direction) -> Option<Asked> {
    let to = match control.to {
        Some(Target::Process(process)) => Some(process.pid),
        _ => None,
    };
    let from = control.from.map(|from| from.pid);
    let reference = control.reference.map(|(_, reference)| reference);
    let pair = || from.zip(to).map(|(from, to)| Pair::new(direction, from, to));
    match control.command {
        Command::MonitorExit => reference.map(Asked::Monitor),
        Command::SpawnReply => reference.zip(to).map(|(reference, to)| Asked::Spawn(reference, to)),
        Command::UnlinkAck => pair().map(|pair| Asked::Unlink(control.id, pair)),
        Command::Unlink | Command::Exit => pair().map(Asked::Link),
        Command::Demonitor => reference.zip(from).map(|(reference, from)| Asked::OwnMonitor(reference, from)),
        _ => None,
    }
}

/// What a command answers or ends, if tracking knows of it.
pub fn settles(message: &Message<'_, '_>, track: &Track, direction: Direction) -> Result<Option<Asked>, Bad> {
    let control = message.control;
    let to = match control.to {
        Some(Target::Process(process)) => Some(process.pid),
        _ => None,
    };
    let reference = control.reference.map(|(_, reference)| reference);
    let inbound = direction == Direction::Inbound;
    let asked = match control.command {
        Command::MonitorExit => {
            if inbound && reference.is_some_and(|reference| track.spawning(reference)) {
                return Err(Bad::EndBeforeSpawnReply);
            }
            let name = control.name.map(|name| Watched::Name(name.text.into()));
            let watched = name.or(control.from.map(|from| Watched::Process(from.pid)));
            let ends = |watched| Some(track.ends(direction, reference?, to?, &watched));
            answered(control, direction).filter(|_| watched.and_then(ends) == Some(true))
        }
        Command::SpawnReply => {
            // The VM would link its process to whatever the reply says.
            let more = |reference| track.brings_more(reference, control.linked, control.monitored);
            if inbound && reference.is_some_and(more) {
                return Err(Bad::SpawnReplyBringsMore);
            }
            answered(control, direction)
        }
        Command::Send | Command::AliasSend if !track.awaits_messages(direction) => None,
        Command::Send => match (message.payload.and_then(shapes::answer), to) {
            (Some(Answer::Tag(node, reference)), Some(to)) if node == direction.other().word() => {
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
        _ => answered(control, direction),
    };
    Ok(asked.filter(|asked| track.knows(direction, *asked)))
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
        _ => return Err(Bad::SpawnArgumentsNotList),
    })
}
