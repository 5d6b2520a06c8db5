//! The questions about a command: which one is next, and how it is put to a handler, a filter, or the guarded node.

use std::collections::HashMap;
use std::hash::{BuildHasher, RandomState};

use super::shown::{self, Shown};
use super::Fixed;
use crate::command::Command;
use crate::limits::{Limit, Limits};
use crate::rules::calls;
use crate::session::clerk::{Clerk, Purpose};
use crate::session::events::{self, Reason};
use crate::session::hooks::{clerk, Ask, Handler, Lot, Parked, Waiting, OWN_NAME, OWN_SIZE};
use crate::session::judge::Message;
use crate::session::output::Output;
use crate::term::atoms::Word;
use crate::term::reader::{Pid, Reader, Reference};
use crate::term::write::{put_atom, put_pid, put_reference};
use crate::term::{tag, walk};
use crate::verdict::Verdict;
use crate::wire::control::{Control, Target};
use crate::wire::reply::{self, End};
/// Steps for a question to a handler or filter: the outside needs about a tenth of a millisecond to put it.
pub(super) const QUESTION: u64 = 20_000;
/// Steps for a message to distwall's own name. Most of these the outside only counts.
pub(super) const OWN_QUESTION: u64 = 3_000;
/// Bytes of a question that take as long to write as a step of other work.
pub(super) const WRITTEN: u64 = 8;
/// Times by which a question may be longer than the message that it is about, with all atoms written out.
const GROWTH: u64 = 32;
/// Bytes that any question may have.
const SHORT_QUESTION: u64 = 1 << 13;

/// The fate of an accepted command.
pub(super) enum Gate {
    /// No question is left.
    Pass,
    /// The message was for distwall itself.
    Own,
    /// A filter or handler has refused it, or there is no room for it to wait.
    Refused(Verdict, Reason),
    /// A module of the guarded node is spawned in place of the function.
    Rewrite(Box<[u8]>),
    /// The command waits for an answer.
    Wait(Waiting),
}

/// The kept answers of a module filter: by a keyed hash of command and key. Keys may be long, and nobody can make up two that
/// collide.
#[derive(Default)]
pub struct Opinions {
    hasher: RandomState,
    known: HashMap<u64, Verdict>,
}

impl Opinions {
    fn of(&self, what: &(u8, Box<[u8]>)) -> Option<Verdict> {
        self.known.get(&self.hasher.hash_one(what)).copied()
    }

    /// Keeps an answer; `most`: the number of answers from which on all others are forgotten for it.
    pub(super) fn keep(&mut self, what: &(u8, Box<[u8]>), verdict: Verdict, most: u64) {
        if self.known.len() as u64 >= most {
            self.known.clear();
        }
        self.known.insert(self.hasher.hash_one(what), verdict);
    }

    /// Forgets all answers.
    pub fn clear(&mut self) {
        self.known.clear();
    }
}

impl Fixed {
    /// True if there may be a question about such a command of the peer.
    #[inline(always)]
    pub(super) fn hooked(&self, control: &Control<'_>) -> bool {
        self.policies.hooks.as_deref().is_some_and(|hooks| {
            hooks.filter.is_some()
                || (hooks.checked_funs || hooks.restricted_shell) && control.mfa().is_some()
                || hooks.handlers[control.command() as usize].is_some()
                || hooks.handlers[Command::SpawnRequest as usize].is_some() && shown::may_carry(control)
                || hooks.own_name && is_own(control)
        })
    }

    /// The next question about an accepted command, or its refusal: its message may be too long for code to see it.
    /// `evaluated`: distwall's own module on the guarded node evaluates the code of the command.
    pub(super) fn gate(
        &self,
        message: &Message<'_, '_>,
        passed: Waiting,
        opinions: &Opinions,
        evaluated: bool,
    ) -> Gate {
        let gate = self.next(message, passed, opinions);
        let seen = match gate {
            // A filter sees no message.
            Gate::Wait(Waiting::Call | Waiting::Handler) | Gate::Rewrite(_) => true,
            Gate::Pass => evaluated,
            _ => false,
        };
        if seen && message.payload_size() > self.ends.limits.handled_size() {
            return Gate::Refused(Verdict::Deny, Reason::Limit(Limit::HandledSize));
        }
        gate
    }

    fn next(&self, message: &Message<'_, '_>, passed: Waiting, opinions: &Opinions) -> Gate {
        let control = message.control;
        let Some(hooks) = self.policies.hooks.as_deref() else {
            return Gate::Pass;
        };
        if passed < Waiting::Filter {
            if hooks.own_name && is_own(control) {
                return Gate::Own;
            }
            if hooks.filter.is_some() {
                if shown::may_carry(control) && Shown::of(message).is_untold(control) {
                    return Gate::Refused(Verdict::Deny, Reason::Handler);
                }
                match opinions.of(&Shown::of(message).opinion(control)) {
                    None => return Gate::Wait(Waiting::Filter),
                    Some(Verdict::Accept) => {}
                    Some(verdict) => return Gate::Refused(verdict, Reason::Handler),
                }
            }
        }
        if passed < Waiting::Call && shown::may_carry(control) {
            match (Shown::of(message), &hooks.handlers[Command::SpawnRequest as usize]) {
                // There is no spawn request to rewrite, or no function to ask about.
                (Shown::Function(..), Some(Handler::Guard(_))) => {
                    return Gate::Refused(Verdict::Deny, Reason::Handler);
                }
                (shown, Some(_)) if shown.is_untold(control) => return Gate::Refused(Verdict::Deny, Reason::Handler),
                (Shown::Function(..), Some(Handler::Outside)) => return Gate::Wait(Waiting::Call),
                _ => {}
            }
        }
        match &hooks.handlers[control.command() as usize] {
            Some(Handler::Guard(module)) if passed < Waiting::Handler && control.command() == Command::SpawnRequest => {
                Gate::Rewrite(module.clone())
            }
            // The module would send it on without the answer of `rex`, for which its sender waits.
            Some(Handler::Guard(_)) if passed < Waiting::Handler && matches!(Shown::of(message), Shown::Relayed(_)) => {
                Gate::Refused(Verdict::Deny, Reason::Handler)
            }
            Some(_) if passed < Waiting::Handler => Gate::Wait(Waiting::Handler),
            _ => Gate::Pass,
        }
    }

    /// True if the code that a spawn request starts is evaluated by distwall's own module on the guarded node.
    pub(super) fn evaluated(&self, message: &Message<'_, '_>) -> bool {
        let (Some(hooks), Some(mfa), Some(arguments)) =
            (self.policies.hooks.as_deref(), message.control.mfa(), message.payload)
        else {
            return false;
        };
        if !hooks.checked_funs && !hooks.restricted_shell {
            return false;
        }
        let found = calls::of_spawn(&mfa, arguments, Word::Peer);
        hooks.checked_funs && found.is_typed() || hooks.restricted_shell && found.is_shell()
    }

    /// Puts the question about a command, and returns its size in bytes; an error is the limit without room for it.
    pub(super) fn ask(
        &self,
        message: &Message<'_, '_>,
        parked: &Parked,
        waiting: Waiting,
        (lot, clerk): (&Lot, &mut Clerk),
        out: &mut Output,
    ) -> Result<usize, Limit> {
        let ticket = parked.ticket;
        let control = message.control;
        let hooks = self.policies.hooks.as_deref();
        let who = match waiting {
            Waiting::Filter => hooks.and_then(|hooks| hooks.filter.as_ref()),
            Waiting::Handler => hooks.and_then(|hooks| hooks.handlers[control.command() as usize].as_ref()),
            Waiting::Call | Waiting::Who | Waiting::Turn => None,
        };
        let guard = matches!(who, Some(Handler::Guard(_)));
        let payload = message.payload.filter(|_| waiting != Waiting::Filter && !guard);
        let kind = if guard { "guard" } else { waiting.name() };
        let mut ask = self.question(message, payload, parked, ticket, kind).ok_or(Limit::HandledSize)?;
        let shown = Shown::of(message);
        if waiting != Waiting::Handler || control.mfa().is_some() || matches!(shown, Shown::Relayed(_)) {
            shown.put(control, &mut ask, longest_question(parked, &self.ends.limits)).ok_or(Limit::HandledSize)?;
        }
        let size = ask.control.len() + ask.payload.as_ref().map_or(0, Vec::len);
        if let Some(limit) = lot.full(parked.size() + size, &self.ends.limits) {
            return Err(limit);
        }
        if let Some(Handler::Guard(module)) = who {
            let mut made = Vec::new();
            let reference = clerk.reference(self.ends.peer_creation, Purpose::Ticket(ticket));
            self.ask_guard(message, module, reference, waiting, &mut made);
            out.made(&made);
        }
        out.asks.push(ask);
        Ok(size)
    }

    /// A question to the outside, with that message; None: it would be too long.
    fn question(
        &self,
        message: &Message<'_, '_>,
        payload: Option<Reader<'_>>,
        parked: &Parked,
        ticket: u64,
        kind: &'static str,
    ) -> Option<Ask> {
        let most = if kind == "own" { OWN_SIZE } else { longest_question(parked, &self.ends.limits) };
        // All of it was scanned before, so it is whole.
        let written = |mut reader: Reader<'_>| {
            let mut out = Vec::new();
            walk::expand(&mut reader, 1, &mut out, most).ok().map(|()| out)
        };
        let named = parked.named();
        let terms = self.terms(named);
        let control = Reader::new(&parked.body, &terms);
        Some(Ask {
            ticket,
            kind,
            command: message.control.command(),
            target: events::target(message.control, None),
            control: written(control)?,
            payload: match payload {
                Some(payload) => Some(written(payload)?),
                None => None,
            },
        })
    }

    /// A message to distwall's own name. A message that is too long goes without its text, so that it is counted.
    pub(super) fn own_question(&self, message: &Message<'_, '_>, parked: &Parked) -> Option<Ask> {
        let long = message.payload_size() > OWN_SIZE;
        let asked = if long { None } else { self.question(message, message.payload, parked, 0, "own") };
        let fits = |ask: &Ask| ask.payload.as_ref().is_none_or(|payload| payload.len() as u64 <= OWN_SIZE);
        asked.filter(fits).or_else(|| {
            Some(Ask {
                ticket: 0,
                kind: "own",
                command: message.control.command(),
                target: events::target(message.control, None),
                control: Vec::new(),
                payload: Some(Vec::new()),
            })
        })
    }

    /// Asks a module of the guarded node: a spawn request for its function, in the clerk's name.
    fn ask_guard(
        &self,
        message: &Message<'_, '_>,
        module: &[u8],
        reference: Reference,
        waiting: Waiting,
        made: &mut Vec<u8>,
    ) {
        let control = message.control;
        let ends = &self.ends;
        let from = End { node: &ends.names.peer, pid: clerk(ends.peer_creation) };
        let init = Pid { id: 0, serial: 0, creation: ends.guard_creation };
        let receiver = End { node: &ends.names.guard, pid: init };
        let mut arguments = Vec::new();
        let out = &mut arguments;
        if waiting == Waiting::Filter {
            put_reference(out, from.node, reference);
            put_atom(out, module);
            put_atom(out, b"filter");
            out.extend_from_slice(&[tag::LIST, 0, 0, 0, 2]);
            put_atom(out, from.node);
            Shown::of(message).put_command(control, out);
            out.push(tag::NIL);
            let call = (&b"erpc"[..], &b"execute_call"[..], 4);
            return reply::spawn(made, ends.form, from, reference, receiver, call, true, &arguments);
        }
        put_atom(out, from.node);
        match (control, control.from()) {
            (Control::GroupLeader { leader, .. }, _) => put_pid(out, leader.node.text, leader.pid),
            (_, Some(sender)) => put_pid(out, sender.node.text, sender.pid),
            _ => put_atom(out, b""),
        }
        match control.target() {
            Some(Target::Name(name)) => put_atom(out, name.text),
            Some(Target::Process(to)) => put_pid(out, to.node.text, to.pid),
            Some(Target::Alias(node, alias)) => put_reference(out, node.text, alias),
            None => put_atom(out, b""),
        }
        let call = (module, control.command().name().as_bytes(), 3);
        reply::spawn(made, ends.form, from, reference, receiver, call, false, &arguments);
    }
}

/// Most bytes of a question about a command. A message can name an atom of a thousand bytes with two.
pub(super) fn longest_question(parked: &Parked, limits: &Limits) -> u64 {
    (GROWTH * parked.body.len() as u64 + SHORT_QUESTION).min(limits.handled_size())
}

fn is_own(control: &Control<'_>) -> bool {
    control.name().is_some_and(|name| name.text == OWN_NAME.as_bytes())
}
