//! The function that a command calls, and the known names of its receiver.

use super::{Case, Message, Next};
use crate::command::Command;
use crate::direction::Direction;
use crate::error::Bad;
use crate::rules::calls::rex::{self, Relayed};
use crate::rules::calls::{self, Call};
use crate::session::events;
use crate::session::track::Track;
use crate::term::atoms::Word;
use crate::term::print::printed;
use crate::term::reader::{Pid, Reader, Reference};
use crate::wire::control::{Control, Monitored, Victim};

/// The registered name of the process that the command is aimed at, as it was told last.
#[inline(always)]
pub fn names<'a>(track: &'a Track, direction: Direction, control: &Control<'_>) -> impl Iterator<Item = &'a [u8]> {
    let name = aimed(control).and_then(|aimed| match aimed {
        // The first process of every node.
        Aimed::Process(Pid { id: 0, serial: 0, .. }) => Some(&b"init"[..]),
        Aimed::Process(pid) if direction == Direction::Inbound => track.people.last_name(pid),
        _ => None,
    });
    name.into_iter()
}

/// The process or alias that a command aims at.
#[derive(Clone, Copy)]
pub enum Aimed {
    /// A process.
    Process(Pid),
    /// An alias.
    Alias(Reference),
}

/// The process or alias that a command aims at, if it is one of the commands that do so.
#[inline]
pub fn aimed(control: &Control<'_>) -> Option<Aimed> {
    match control {
        Control::Send { to, .. } | Control::Link { to, .. } | Control::GroupLeader { to, .. } => {
            Some(Aimed::Process(to.pid))
        }
        Control::Exit2 { to: Victim::Process(to), .. } | Control::Monitor { to: Monitored::Process(to), .. } => {
            Some(Aimed::Process(to.pid))
        }
        Control::AliasSend { to: (_, alias), .. } | Control::Exit2 { to: Victim::Alias(_, alias), .. } => {
            Some(Aimed::Alias(*alias))
        }
        _ => None,
    }
}

/// Finds the function that a command calls. Nothing is refused here.
#[inline(always)]
pub(super) fn call(case: &mut Case<'_, '_, '_>) -> Result<Next, Bad> {
    let (control, policy) = (case.control(), case.court.policy);
    if !case.whole {
        return Ok(case.unseen(may_call(case)));
    }
    // Most messages go to a name that carries no calls.
    let asked = control.mfa().is_some() || server(control).is_some() && policy.minds_calls(Command::RegSend);
    if asked {
        case.call = called(case.message, case.court.direction);
    }
    Ok(Next::On)
}

/// True if the rest of a message decides: it may call a function, or go on to another name through `rex`.
fn may_call(case: &Case<'_, '_, '_>) -> bool {
    let (control, policy) = (case.control(), case.court.policy);
    match control.mfa() {
        Some(mfa) => policy.judges_calls() || policy.has_keys(Command::SpawnRequest) && calls::carries(&mfa),
        None => server(control).is_some() && (policy.names_calls() || policy.has_keys(Command::RegSend)),
    }
}

/// The function that a command calls.
pub fn called<'a>(message: &Message<'a, '_>, direction: Direction) -> calls::FoundCall<'a> {
    match (message.control, message.payload) {
        (Control::SpawnRequest(request), Some(arguments)) => calls::of_spawn(&request.mfa, arguments, direction.word()),
        (Control::RegSend { from, to, .. }, Some(payload)) => calls::of_message(payload, to.word, from),
        _ => calls::FoundCall::NONE,
    }
}

/// The meaning of the name that a message goes to, if the server of that name does what messages ask for.
fn server(control: &Control<'_>) -> Option<Word> {
    match control {
        Control::RegSend { to, .. } => Some(to.word).filter(|word| matches!(word, Word::Rex | Word::NetKernel)),
        _ => None,
    }
}

/// The called function or the final name, shown before the carrier as an event's target.
pub fn carried(message: &Message<'_, '_>, direction: Direction) -> Option<String> {
    if let Some(relayed) = relayed(message) {
        return Some(printed(relayed.name.text));
    }
    match called(message, direction).call {
        Call::Function { module, function, arity, .. } => {
            let direct = message.control.mfa().is_some_and(|mfa| !calls::carries(&mfa));
            (!direct).then(|| events::function(module, function, arity))
        }
        _ => None,
    }
}

/// The message that `rex` would pass on to a registered name.
pub fn relayed<'a>(message: &Message<'a, '_>) -> Option<Relayed<'a>> {
    match (message.control, message.payload) {
        (Control::RegSend { from, to, .. }, Some(payload)) if to.word == Word::Rex => rex::relayed(payload, from),
        _ => None,
    }
}

/// A call as a key, and its arguments, if it can be told. A fun is of a module, but no function of it.
pub(super) fn key<'a>(call: &Call<'a>, digits: &'a mut [u8; 3]) -> (Option<[&'a [u8]; 3]>, Option<Reader<'a>>) {
    /// No atom.
    const NO_FUNCTION: &[u8] = b"\xff";
    match *call {
        Call::Function { module, function, arity, arguments } => {
            (Some([module, function, decimal(arity, digits)]), Some(arguments))
        }
        Call::Fun { module, arguments } => (Some([module, NO_FUNCTION, b"0"]), Some(arguments)),
        Call::Opaque | Call::None => (None, None),
    }
}

pub(super) fn decimal(value: u8, digits: &mut [u8; 3]) -> &[u8] {
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
