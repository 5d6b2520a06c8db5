//! The function that a command calls, and the known names of its receiver.

use super::{Case, Message, Next};
use crate::command::Command;
use crate::direction::Direction;
use crate::error::Bad;
use crate::rules::calls::{self, wrappers, Call};
use crate::session::events;
use crate::session::track::Track;
use crate::term::atoms::Word;
use crate::term::reader::Reader;
use crate::wire::control::{Control, Monitored, Victim};

/// The registered names of the process that the command is aimed at.
#[inline]
pub fn names<'a>(track: &'a Track, direction: Direction, control: &Control<'_>) -> impl Iterator<Item = &'a [u8]> {
    let pid = match control {
        Control::Send { to, .. } | Control::Link { to, .. } | Control::GroupLeader { to, .. } => Some(to.pid),
        Control::Exit2 { to: Victim::Process(to), .. } | Control::Monitor { to: Monitored::Process(to), .. } => {
            Some(to.pid)
        }
        _ => None,
    };
    // The first process of every node.
    let init = pid.filter(|pid| pid.id == 0 && pid.serial == 0).map(|_| &b"init"[..]);
    let learned = pid.map_or(&[][..], |pid| track.names(direction.other(), pid));
    init.into_iter().chain(learned.iter().map(|name| &**name))
}

/// Names of processes that call what messages say.
pub(super) const CARRIERS: [&[u8]; 2] = [b"rex", b"net_kernel"];

/// Finds the function that a command calls. Nothing is refused here.
#[inline(always)]
pub(super) fn call(case: &mut Case<'_, '_, '_>) -> Result<Next, Bad> {
    let (control, policy) = (case.control(), case.court.policy);
    if !case.whole {
        return Ok(case.unseen(may_call(case)));
    }
    // Most messages go to a name that carries no calls.
    let carries = control.name().is_none_or(|name| matches!(name.word, Word::Rex | Word::NetKernel));
    let asked = control.mfa().is_some() || carries && control.is_message() && policy.minds_calls(control.command());
    if asked && case.ruling.settles.is_none() {
        case.call = called(case.message, case.court.track, case.court.direction);
    }
    Ok(Next::On)
}

/// True if the function that a message calls has to be seen before the message can be judged.
fn may_call(case: &Case<'_, '_, '_>) -> bool {
    let (control, policy) = (case.control(), case.court.policy);
    match control.mfa() {
        Some(mfa) => {
            let wraps = || wrappers::forms(mfa.module.text, mfa.function.text).is_some();
            policy.judges_calls() || policy.has_keys(Command::SpawnRequest) && wraps()
        }
        None => {
            policy.names_calls()
                && control.is_message()
                && carriers(case.court.track, case.court.direction, control).next().is_some()
        }
    }
}

/// The function that a command calls.
fn called<'a>(message: &Message<'a, '_>, track: &Track, direction: Direction) -> calls::Found<'a> {
    let (control, sender) = (message.control, direction.word());
    match (control.mfa(), message.payload) {
        (Some(mfa), Some(arguments)) => calls::of_spawn(&mfa, arguments, sender),
        (None, Some(payload)) => {
            let of_message = |name| calls::of_message(payload, name, sender);
            let found = carriers(track, direction, control).map(of_message);
            found.into_iter().find(|found| !matches!(found.call, Call::None)).unwrap_or(calls::Found::NONE)
        }
        _ => calls::Found::NONE,
    }
}

/// The called function, shown before the carrier as an event's target.
pub fn carried(message: &Message<'_, '_>, track: &Track, direction: Direction) -> Option<String> {
    let (control, payload, sender) = (message.control, message.payload?, direction.word());
    let found = match control.mfa() {
        Some(mfa) => calls::of_spawn(&mfa, payload, sender),
        None if control.is_message() => {
            let name = carriers(track, direction, control).flatten().next()?;
            calls::of_message(payload, Some(name), sender)
        }
        None => return None,
    };
    match found.call {
        Call::Function { module, function, arity, arguments } => {
            // These are the arguments of the function itself, and of no other.
            let direct =
                control.mfa().is_some() && arguments.pos == payload.pos && arguments.data.len() == payload.data.len();
            (!direct).then(|| events::function(module, function, arity))
        }
        _ => None,
    }
}

/// The names by which a message could make its receiver call something; None: its name is not known.
fn carriers<'a>(
    track: &'a Track,
    direction: Direction,
    control: &Control<'a>,
) -> impl Iterator<Item = Option<&'a [u8]>> {
    let own = control.name().map(|name| name.text);
    let mut names = own.into_iter().chain(names(track, direction, control)).peekable();
    let unnamed = names.peek().is_none().then_some(None);
    names.filter(|name| CARRIERS.contains(name)).map(Some).chain(unnamed)
}

/// A call as a key, and its arguments, if it can be told. A fun is of a module, but no function of it.
pub(super) fn key<'a>(call: &Call<'a>, digits: &'a mut [u8; 3]) -> (Option<[&'a [u8]; 3]>, Option<Reader<'a>>) {
    /// No atom.
    const NO_FUNCTION: &[u8] = b"\xff";
    match *call {
        Call::Function { module, function, arity, arguments } => {
            (Some([module, function, decimal(arity, digits)]), Some(arguments))
        }
        Call::Fun { module, arity, arguments } => {
            (Some([module, NO_FUNCTION, decimal(arity, digits)]), Some(arguments))
        }
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
