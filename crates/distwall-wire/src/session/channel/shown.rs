//! A command as handlers and module filters see it: by the function that it calls, or the name that it goes to in the
//! end, whatever carries it.

use crate::command::Command;
use crate::direction::Direction;
use crate::error::Bad;
use crate::rules::calls::rex::Relayed;
use crate::rules::calls::{self, Call};
use crate::session::events;
use crate::session::hooks::Ask;
use crate::session::judge::{called, relayed, Message};
use crate::term::atoms::Word;
use crate::term::print::printed;
use crate::term::reader::Reader;
use crate::term::write::{put_atom, put_pid, put_reference};
use crate::term::{tag, walk};
use crate::wire::control::{Control, SpawnRequest};
use crate::wire::op::Op;

/// The end of a command's way.
pub enum Shown<'a> {
    /// A function.
    Function(&'a [u8], &'a [u8], u8, Reader<'a>),
    /// A message that `rex` passes on to a registered name.
    Relayed(Relayed<'a>),
    /// A call in a message that names no function, or whose function can't be told.
    Untold,
    /// The target of the command itself.
    Itself,
}

/// True for a message that may carry a call.
pub fn may_carry(control: &Control<'_>) -> bool {
    matches!(control, Control::RegSend { to, .. } if matches!(to.word, Word::Rex | Word::NetKernel))
}

impl<'a> Shown<'a> {
    /// Finds it.
    pub fn of(message: &Message<'a, '_>) -> Self {
        if let Some(relayed) = relayed(message) {
            return Shown::Relayed(relayed);
        }
        match called(message, Direction::Inbound).call {
            Call::Function { module, function, arity, arguments } => {
                Shown::Function(module, function, arity, arguments)
            }
            Call::Opaque | Call::Fun { .. } if message.control.is_message() => Shown::Untold,
            _ => Shown::Itself,
        }
    }

    /// True for a call in a message that names no function, or whose function can't be told.
    pub fn is_untold(&self, control: &Control<'_>) -> bool {
        match (self, control.from()) {
            (Shown::Untold, _) => true,
            (Shown::Relayed(Relayed { name, message, .. }), Some(from)) => {
                !matches!(calls::of_message(*message, name.word, &from).call, Call::None)
            }
            _ => false,
        }
    }

    /// True for a function in a carrier.
    pub fn is_carried(&self, control: &Control<'_>) -> bool {
        match (self, control.mfa()) {
            (Shown::Function(module, function, arity, _), Some(mfa)) => {
                (*module, *function, *arity) != (mfa.module.text, mfa.function.text, mfa.arity)
            }
            (Shown::Function(..), None) => true,
            _ => false,
        }
    }

    /// Number of arguments; None without a function.
    pub fn arity(&self) -> Option<u8> {
        match self {
            Shown::Function(_, _, arity, _) => Some(*arity),
            _ => None,
        }
    }

    /// Start and end of the arguments in the body of the command, unless an external fun has none. Of a message that
    /// `rex` passes on: where it stands, unless `rex` adds the sender to it.
    pub fn content(&self, body: &[u8]) -> Option<(usize, usize)> {
        let start = match self {
            Shown::Function(.., arguments) => arguments,
            Shown::Relayed(Relayed { message, by: None, .. }) => message,
            _ => return None,
        };
        let mut end = *start;
        walk::skip(&mut end, 1).ok()?;
        (start.data.len() == body.len()).then_some((start.pos, end.pos))
    }

    /// The key under which a module filter's answer is kept.
    pub fn opinion(&self, control: &Control<'_>) -> (u8, Box<[u8]>) {
        let (command, key) = match *self {
            Shown::Function(module, function, arity, _) => {
                (Command::SpawnRequest, events::function(module, function, arity))
            }
            Shown::Relayed(Relayed { name, .. }) => (Command::RegSend, printed(name.text)),
            Shown::Itself | Shown::Untold if control.mfa().is_some() || control.name().is_some() => {
                (control.command(), events::target(control, None))
            }
            Shown::Itself | Shown::Untold => (control.command(), String::new()),
        };
        (command as u8, key.into_bytes().into())
    }

    /// Writes it as module filters see it: `link`, `{reg_send, Name}`, `{spawn_request, {M, F, A}}`.
    pub fn put_command(&self, control: &Control<'_>, out: &mut Vec<u8>) {
        let function = match *self {
            Shown::Function(module, function, arity, _) => Some((module, function, arity)),
            _ => control.mfa().map(|mfa| (mfa.module.text, mfa.function.text, mfa.arity)),
        };
        let name = match *self {
            Shown::Relayed(Relayed { name, .. }) => Some(name.text),
            _ => control.name().map(|name| name.text),
        };
        if let Some((module, function, arity)) = function {
            out.extend_from_slice(&[tag::SMALL_TUPLE, 2]);
            put_atom(out, Command::SpawnRequest.name().as_bytes());
            out.extend_from_slice(&[tag::SMALL_TUPLE, 3]);
            put_atom(out, module);
            put_atom(out, function);
            out.extend_from_slice(&[tag::SMALL_INTEGER, arity]);
        } else if let Some(name) = name {
            out.extend_from_slice(&[tag::SMALL_TUPLE, 2]);
            put_atom(out, control.command().name().as_bytes());
            put_atom(out, name);
        } else {
            put_atom(out, control.command().name().as_bytes());
        }
    }

    /// Puts it into a question to the outside, in place of the command itself; None: it would be too long. A question without
    /// a message stays so.
    pub fn put(&self, control: &Control<'_>, ask: &mut Ask, limit: u64) -> Option<()> {
        match (self, control.from()) {
            (&Shown::Function(module, function, arity, mut arguments), Some(from)) if self.is_carried(control) => {
                let leader = match control {
                    Control::SpawnRequest(SpawnRequest { leader, .. }) => leader,
                    _ => &from,
                };
                let made = &mut ask.control;
                made.clear();
                made.extend_from_slice(&[tag::SMALL_TUPLE, Op::SpawnRequest.arity()]);
                made.extend_from_slice(&[tag::SMALL_INTEGER, Op::SpawnRequest as u8]);
                match control.reference() {
                    Some((node, reference)) => put_reference(made, node.text, reference),
                    None => put_atom(made, b""),
                }
                put_pid(made, from.node.text, from.pid);
                put_pid(made, leader.node.text, leader.pid);
                made.extend_from_slice(&[tag::SMALL_TUPLE, 3]);
                put_atom(made, module);
                put_atom(made, function);
                made.extend_from_slice(&[tag::SMALL_INTEGER, arity, tag::NIL]);
                ask.command = Command::SpawnRequest;
                ask.target = events::function(module, function, arity);
                if let Some(payload) = &mut ask.payload {
                    payload.clear();
                    walk::expand(&mut arguments, 1, payload, limit).ok()?;
                }
            }
            (&Shown::Relayed(Relayed { name, mut message, by }), Some(from)) => {
                ask.control.clear();
                ask.control.extend_from_slice(&[tag::SMALL_TUPLE, Op::RegSend.arity()]);
                ask.control.extend_from_slice(&[tag::SMALL_INTEGER, Op::RegSend as u8]);
                put_pid(&mut ask.control, from.node.text, from.pid);
                put_atom(&mut ask.control, b"");
                put_atom(&mut ask.control, name.text);
                ask.target = printed(name.text);
                if let Some(payload) = &mut ask.payload {
                    payload.clear();
                    if let Some(mut by) = by {
                        payload.extend_from_slice(&[tag::SMALL_TUPLE, 2]);
                        walk::expand(&mut by, 1, payload, limit).ok()?;
                    }
                    walk::expand(&mut message, 1, payload, limit).ok()?;
                }
            }
            _ => {}
        }
        Some(())
    }
}

/// A spawn request whose carrier calls `dist_spawn_init/4` of a module, with the peer's name, and the carried module,
/// function and arguments.
pub fn rewritten_within(message: &Message<'_, '_>, body: &[u8], module: &[u8], peer: &[u8]) -> Result<Vec<u8>, Bad> {
    let (Some(arguments), Some(mfa)) = (message.payload, message.control.mfa()) else {
        return Err(Bad::SpawnArgumentsNotList);
    };
    let mut reader = arguments;
    // The head of the list, and the fields before.
    reader.pos += 5;
    walk::skip(&mut reader, u64::from(mfa.arity.saturating_sub(3)))?;
    let start = reader.pos;
    walk::skip(&mut reader, 3)?;
    let mut out = body[..start].to_vec();
    put_atom(&mut out, module);
    put_atom(&mut out, b"dist_spawn_init");
    out.extend_from_slice(&[tag::LIST, 0, 0, 0, 4]);
    put_atom(&mut out, peer);
    out.extend_from_slice(&body[start..reader.pos]);
    out.push(tag::NIL);
    out.extend_from_slice(&body[reader.pos..]);
    Ok(out)
}
