//! The verdict on one command.
//!
//! In this order: is the sender who it says it is, is the target here, was it asked for, what do the rules say, and what of the
//! names of the process that it is for, does the message make an OTP process run code, does it carry what the policy lets no
//! message carry, is there room for what it leaves behind.
//!
//! What the guarded node sends is judged in the same way where there are rules for it; but that it is who it says, and what it
//! leaves behind in the peer, is not looked at.

use crate::command::Command;
use crate::direction::Direction;
use crate::error::Bad;
use crate::limits::Limits;
use crate::rules::calls::{self, wrappers, Call};
use crate::rules::otp_internal::{misdirected, otp_internal, Address};
use crate::rules::pattern::Pattern;
use crate::rules::table::{Decision, Policy, Scope, PROCESS};
use crate::session::events::{self, Reason};
use crate::session::track::{Asked, Track};
use crate::term::atoms::{AtomView, Names, Word};
use crate::term::reader::{Pid, Reader};
use crate::term::scan::{NodeList, Scanner, Watch};
use crate::verdict::Verdict;
use crate::wire::control::{Control, Process, Target};
use crate::wire::reply::{End, Form};
use crate::wire::shapes::{self, Asker};

mod called;
mod standing;

pub use called::{carried, names};
pub use standing::{arguments, settles};

use called::{called, carriers, decimal, key, CARRIERS, NO_CALL};
use standing::{answered, destination, origin};

/// The two ends of a channel and what they agreed on. Only the caps change.
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
    /// Whether a process is of the node that sends in that direction, in its present incarnation.
    #[must_use]
    pub fn is_of(&self, side: Direction, process: &Process<'_>) -> bool {
        process.node.word == side.word()
            && match side {
                Direction::Inbound => self.peer_creation == 0 || process.pid.creation == self.peer_creation,
                Direction::Outbound => process.pid.creation == self.guard_creation,
            }
    }

    /// The name of the node that sends in that direction.
    #[must_use]
    pub fn name(&self, side: Direction) -> &[u8] {
        match side {
            Direction::Inbound => &self.names.peer,
            Direction::Outbound => &self.names.guard,
        }
    }

    /// A process of the node that sends in that direction.
    #[must_use]
    pub fn end(&self, side: Direction, pid: Pid) -> End<'_> {
        End { node: self.name(side), pid }
    }

    /// The peer's name and incarnation.
    #[must_use]
    pub fn peer(&self) -> (&[u8], u32) {
        (&self.names.peer, self.peer_creation)
    }
}

/// A refusal, or what the candidate would do: what, by which rule (if one decided), why.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Refusal {
    /// Deny or drop.
    pub verdict: Verdict,
    /// The rule that decided, if one did.
    pub rule: Option<u32>,
    /// Why.
    pub reason: Reason,
}

impl Refusal {
    fn deny(reason: Reason) -> Self {
        Refusal { verdict: Verdict::Deny, rule: None, reason }
    }

    fn by(decision: Option<&Decision>, reason: Reason) -> Self {
        match decision {
            Some(decision) => Refusal { verdict: decision.verdict, rule: Some(decision.id), reason },
            None => Refusal::deny(if reason == Reason::Rule { Reason::Default } else { reason }),
        }
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
    /// It passes because refusals are recorded only: this one.
    pub waived: Option<Refusal>,
    /// What the candidate for the policy would do, if that is something else.
    pub differs: Option<Refusal>,
}

impl Ruling {
    /// No rule was asked.
    #[must_use]
    pub fn pass(settles: Option<Asked>) -> Self {
        Ruling { verdict: Verdict::Accept, rule: None, reason: Reason::Rule, settles, waived: None, differs: None }
    }

    /// A refusal that no rule decided.
    #[must_use]
    pub fn deny(reason: Reason) -> Self {
        Ruling::refused(Refusal::deny(reason), None)
    }

    /// A refusal.
    #[must_use]
    pub fn refused(refusal: Refusal, settles: Option<Asked>) -> Self {
        let Refusal { verdict, rule, reason } = refusal;
        Ruling { verdict, rule, reason, settles, waived: None, differs: None }
    }

    /// It as a refusal.
    #[must_use]
    pub fn refusal(&self) -> Refusal {
        Refusal { verdict: self.verdict, rule: self.rule, reason: self.reason }
    }

    /// What the rules say, whether or not that is carried out.
    #[must_use]
    pub fn meant(&self) -> Verdict {
        self.waived.map_or(self.verdict, |refusal| refusal.verdict)
    }

    /// The refusal of what would pass if it didn't carry what it does.
    #[must_use]
    pub fn unfit(&self, reason: Reason) -> Self {
        Ruling::refused(Refusal::deny(reason), self.settles)
    }
}

/// A command with what is known about its payload.
pub struct Message<'a, 'b> {
    /// Control message.
    pub control: &'b Control<'a>,
    /// At the payload's first byte.
    pub payload: Option<Reader<'a>>,
    /// Who asks, if it is a message that asks.
    pub asker: Option<Asker<'a>>,
}

impl<'a, 'b> Message<'a, 'b> {
    /// Looks at who asks.
    #[must_use]
    pub fn new(control: &'b Control<'a>, payload: Option<Reader<'a>>) -> Self {
        let asker = payload.filter(|_| is_message(control)).and_then(shapes::asker);
        Message { control, payload, asker }
    }
}

/// By what a command is judged.
#[derive(Clone, Copy)]
pub struct Court<'a> {
    /// Which way it goes.
    pub direction: Direction,
    /// From where to where.
    pub ends: &'a Ends,
    /// The rules.
    pub policy: &'a Policy,
    /// What was asked for and disclosed.
    pub track: &'a Track,
    /// Whether what rules refuse passes and is recorded.
    pub audit: bool,
    /// Whether the rules are the candidate's.
    pub shadow: bool,
    /// Whether funs that were typed in a shell are read behind the rules, call by call.
    pub reads_funs: bool,
}

impl Court<'_> {
    /// Decides on a whole message whose payload has been scanned (`scanner.found` tells what is in it).
    pub fn judge(&self, message: &Message<'_, '_>, scanner: &mut Scanner, watch: &Watch<'_>) -> Result<Ruling, Bad> {
        let Court { policy, direction, .. } = *self;
        let control = message.control;
        if let Some(reason) = self.misdirected(control)? {
            return Ok(Ruling::deny(reason));
        }
        let settles = settles(message, self.track, direction)?;
        let unasked = settles.is_none();
        let mut call = NO_CALL;
        if unasked && control.mfa.is_some() {
            call = called(message, self.track, direction);
        }
        let mut own = self.decide(message, &call, settles.is_none(), false);
        if settles.is_none() && own.is_some_and(Decision::opens_all) && self.is_unasked(control) {
            own = self.decide(message, &call, false, false);
        }
        // What a message calls is not told by whom it is sent to: it is judged as in a spawn request.
        let accepted_otherwise = own.is_some_and(|own| own.verdict == Verdict::Accept && !own.opens_all());
        let may_call = unasked && is_message(control) && (policy.names_calls() || accepted_otherwise);
        if may_call {
            call = called(message, self.track, direction);
        }
        let carried = may_call && !matches!(call.call, Call::None);
        let by_call = self.decide_call(&call).filter(|call| own.is_none_or(|own| call.layer <= own.layer));
        let inner = if carried && by_call.is_none() { self.decide_function(&call.call, true) } else { None };
        // A rule that names the carrier can refuse what it carries, but not let it pass.
        let refuses = |own: &Decision| own.verdict != Verdict::Accept && !own.star;
        let vetoed =
            carried && own.is_some_and(|own| refuses(own) && inner.is_none_or(|inner| own.layer <= inner.layer));
        let speaks = |inner: &&Decision| !vetoed && (inner.verdict == Verdict::Accept || !inner.star);
        let decision = by_call.or_else(|| self.opens_carrier(control, own)).or(inner.filter(speaks)).or(own);
        let opened_inside = !vetoed && inner.is_some_and(|inner| inner.verdict == Verdict::Accept);
        // What a shell's fun calls is not told by what carries it.
        let read = self.reads_funs && by_call.is_none() && call.is_typed() && !vetoed;
        // An accepted call opens what carries it.
        let opened = read || by_call.is_some_and(|call| call.verdict == Verdict::Accept);
        let accepted = read || decision.is_some_and(|decision| decision.verdict == Verdict::Accept);
        let mut waived = None;
        // Whether a refusal stands; else it is recorded.
        let mut stands = |refusal: Refusal, audit: bool| {
            let waive = self.audit || audit;
            if waive {
                waived.get_or_insert(refusal);
            }
            !waive
        };
        let audit = decision.is_some_and(|decision| decision.audit);
        // What was asked for passes where no rule names its command.
        if !accepted && (decision.is_some() || settles.is_none()) {
            let refusal = Refusal::by(decision, Reason::Rule);
            if stands(refusal, audit) {
                return Ok(Ruling::refused(refusal, None));
            }
        }
        if settles.is_none() && !opened {
            if let Some((refusal, audit)) = self.refused_by_name(message, decision) {
                if stands(refusal, audit) {
                    return Ok(Ruling::refused(refusal, None));
                }
            }
        }
        // An answer may carry what `accept *` would let its command carry anyway.
        let star = match settles {
            Some(_) => self.decide(message, &NO_CALL, true, false).is_some_and(Decision::opens_all),
            None => decision.is_some_and(Decision::opens_all),
        };
        let pattern = decision.filter(|_| accepted).and_then(|decision| decision.pattern.as_ref());
        let shaped = opened
            || opened_inside
            || !carried
                && pattern.is_some_and(|pattern| pattern.is_particular())
                && !message
                    .payload
                    .is_some_and(|payload| misdirected(payload, message.asker.as_ref(), direction.other().word()));
        if let (true, false, false, Some(payload)) = (is_message(control), star, shaped, message.payload) {
            let refused = if carried {
                self.refused_as_carrier()
            } else {
                self.refused_as_internal(message, payload, settles.is_some(), scanner, watch)
            };
            if let Some((refusal, own)) = refused {
                if stands(refusal, audit || own) {
                    return Ok(Ruling::refused(refusal, None));
                }
            }
        }
        if direction == Direction::Inbound {
            let found = &scanner.found;
            let third_node = if self.shadow { found.shadow_third_node } else { found.third_node };
            let carried = if third_node || self.leads_third(control) {
                Some(Reason::ThirdNode)
            } else if found.funs > call.funs && !policy.allows_funs(star) {
                Some(Reason::Funs)
            } else {
                None
            };
            if let Some(reason) = carried {
                if stands(Refusal::deny(reason), audit) {
                    return Ok(Ruling::refused(Refusal::deny(reason), settles));
                }
            }
        }
        let rule = decision.filter(|_| !read).map(|decision| decision.id);
        Ok(Ruling { verdict: Verdict::Accept, rule, reason: Reason::Rule, settles, waived, differs: None })
    }

    /// Whether `accept *` decides, whatever the payload will be: then a message needn't be held until it is whole.
    pub fn passes_unseen(&self, message: &Message<'_, '_>) -> Result<bool, Bad> {
        let control = message.control;
        if self.audit || self.misdirected(control)?.is_some() || self.leads_third(control) {
            return Ok(false);
        }
        // A rule with a pattern could match: then the payload has to be seen.
        if self.may_call(control) || settles(message, self.track, self.direction)?.is_none() && self.is_unasked(control)
        {
            return Ok(false);
        }
        let Some(decision) = self.decide(message, &NO_CALL, true, true) else { return Ok(false) };
        if !decision.opens_all() || decision.audit {
            return Ok(false);
        }
        let named = self.names(control).any(|name| {
            let rule = self.decide_name(message, name, true);
            rule.is_some_and(|rule| rule.keyed && (rule.verdict != Verdict::Accept || rule.pattern.is_some()))
        });
        let settled = self
            .decide(message, &NO_CALL, false, true)
            .is_none_or(|d| d.verdict == Verdict::Accept || !may_settle(control));
        Ok(!named && settled)
    }

    /// Whether the sender is not who it says, or the target not of the other node.
    fn misdirected(&self, control: &Control<'_>) -> Result<Option<Reason>, Bad> {
        if self.direction == Direction::Outbound {
            return Ok(None);
        }
        Ok(origin(control, self.ends)?.or(destination(control, self.ends)?))
    }

    /// Whether something of the peer's that isn't known to answer or end anything can be nothing else, so that `accept *` doesn't
    /// speak of it. Where tracking has not had room for all, it does.
    fn is_unasked(&self, control: &Control<'_>) -> bool {
        use Command::{Exit, MonitorExit, SpawnReply, UnlinkAck};
        self.direction == Direction::Inbound
            && matches!(control.command, Exit | MonitorExit | SpawnReply | UnlinkAck)
            && !answered(control, self.direction).is_some_and(|asked| self.track.may_have_known(self.direction, asked))
    }

    /// Whether a process of a third node would become a group leader here.
    fn leads_third(&self, control: &Control<'_>) -> bool {
        self.direction == Direction::Inbound
            && control.command != Command::SpawnReply
            && control.other.is_some_and(|other| {
                !matches!(other.node.word, Word::Peer | Word::Guard) && !self.policy.allows_node(other.node.text)
            })
    }

    /// Whether what the message calls has to be seen before it can be judged.
    fn may_call(&self, control: &Control<'_>) -> bool {
        match control.mfa {
            Some(mfa) => {
                self.policy.judges_calls()
                    || self.policy.has_keys(Command::SpawnRequest)
                        && wrappers::forms(mfa.module.text, mfa.function.text).is_some()
            }
            None => {
                self.policy.names_calls()
                    && is_message(control)
                    && carriers(self.track, self.direction, control).next().is_some()
            }
        }
    }

    /// The rule that decides about a call.
    fn decide_call(&self, call: &calls::Found<'_>) -> Option<&Decision> {
        if !self.policy.judges_calls() {
            return None;
        }
        let mut digits = [0; 3];
        let (key, arguments) = match &call.call {
            Call::None => return None,
            call => key(call, &mut digits),
        };
        self.policy.decide_call(key.as_ref().map(|key| &key[..]), |decision| match arguments {
            Some(arguments) => self.matches_arguments(decision, arguments),
            // What can't be told is no call that a rule could accept.
            None => decision.verdict != Verdict::Accept && decision.pattern.is_none(),
        })
    }

    /// A rule that is as good as one that accepts the monitor with which a call of `rex` comes.
    fn opens_carrier(&self, control: &Control<'_>, own: Option<&Decision>) -> Option<&Decision> {
        let Some(Target::Name(name)) = control.to else { return None };
        let monitor = control.command == Command::Monitor && CARRIERS.contains(&name.text);
        let call = self.policy.opens_calls().filter(|_| monitor)?;
        let refused = own.is_none_or(|own| !own.keyed && own.verdict != Verdict::Accept && call.layer <= own.layer);
        refused.then_some(call)
    }

    fn matches_arguments(&self, decision: &Decision, arguments: Reader<'_>) -> bool {
        let sender = self.direction.word();
        decision.pattern.as_ref().is_none_or(|pattern| pattern.matches_within(arguments, sender))
    }

    /// The rule that decides. `star`: whether rules for `*` speak; `unseen`: any pattern could match.
    fn decide(
        &self,
        message: &Message<'_, '_>,
        call: &calls::Found<'_>,
        star: bool,
        unseen: bool,
    ) -> Option<&Decision> {
        let (control, policy) = (message.control, self.policy);
        let command = control.command;
        let speaks = |decision: &Decision| {
            decision.scope.is_none_or(|scope| self.within(scope, control.to))
                && (unseen || decision.pattern.as_ref().is_none_or(|pattern| self.matches(pattern, message)))
        };
        if let Some(mfa) = control.mfa {
            let mut digits = [0; 3];
            if unseen {
                let key = [mfa.module.text, mfa.function.text, decimal(mfa.arity, &mut digits)];
                return policy.decide(command, Some(&key), star, speaks);
            }
            return self.decide_function(&call.call, star);
        }
        match control.to {
            Some(Target::Name(name)) if matches!(command, Command::RegSend | Command::Monitor) => {
                policy.decide(command, Some(&[name.text]), star, speaks)
            }
            // Keys of processes and aliases are written as they are printed.
            Some(Target::Process(_) | Target::Alias(..)) if policy.names_processes(command) => {
                let text = events::target(control, None);
                policy.decide(command, Some(&[PROCESS[0], text.as_bytes()]), star, speaks)
            }
            _ => policy.decide(command, None, star, speaks),
        }
    }

    /// The rule on spawn requests that decides about what is called. `star`: whether rules for `*` speak.
    fn decide_function(&self, call: &Call<'_>, star: bool) -> Option<&Decision> {
        let mut digits = [0; 3];
        let (key, arguments) = key(call, &mut digits);
        let key = key.as_ref().map(|key| &key[..]);
        self.policy.decide(Command::SpawnRequest, key, star, |decision| match arguments {
            Some(arguments) => decision.scope.is_none() && self.matches_arguments(decision, arguments),
            None => !(decision.verdict == Verdict::Accept && decision.keyed) && decision.pattern.is_none(),
        })
    }

    fn matches(&self, pattern: &Pattern, message: &Message<'_, '_>) -> bool {
        message.payload.is_some_and(|payload| pattern.matches(payload, self.direction.word()))
    }

    /// Whether a target became known to the sender in that way.
    fn within(&self, scope: Scope, target: Option<Target<'_>>) -> bool {
        let (track, owner) = (self.track, self.direction.other());
        match (scope, target) {
            (_, None | Some(Target::Name(_))) => false,
            (Scope::Any, _) => true,
            (Scope::Exposed, Some(Target::Process(process))) => track.is_exposed(owner, process.pid),
            (Scope::Exposed, Some(Target::Alias(_, alias))) => track.is_exposed_alias(owner, alias),
            (Scope::Spawned, Some(Target::Process(process))) => track.is_spawned(owner, process.pid),
            (Scope::Linked, Some(Target::Process(process))) => track.is_linked(owner, process.pid),
            (Scope::Spawned | Scope::Linked, Some(Target::Alias(..))) => false,
        }
    }

    /// The registered names that the process is known by at which a command aims.
    pub fn names(&self, control: &Control<'_>) -> impl Iterator<Item = &[u8]> {
        names(self.track, self.direction, control)
    }

    /// The rule that decides about the name of a process to which a message goes by its pid.
    fn decide_name(&self, message: &Message<'_, '_>, name: &[u8], unseen: bool) -> Option<&Decision> {
        let monitor = message.control.command == Command::Monitor;
        let command = if monitor { Command::Monitor } else { Command::RegSend };
        let payload = is_message(message.control);
        self.policy.decide(command, Some(&[name]), true, |decision| {
            decision.scope.is_none()
                && decision.pattern.as_ref().is_none_or(|pattern| payload && (unseen || self.matches(pattern, message)))
        })
    }

    /// A process that is known by a registered name is judged by that name too. The refusal, and whether it is only recorded.
    fn refused_by_name(&self, message: &Message<'_, '_>, own: Option<&Decision>) -> Option<(Refusal, bool)> {
        // What a rule says of all processes doesn't go for those that have a rule by name; what it says of those that the sender
        // came to know in an honest way goes, unless the name is ruled out itself.
        let known = own.is_some_and(|own| {
            own.opens_all() || matches!(own.scope, Some(Scope::Exposed | Scope::Spawned | Scope::Linked))
        });
        self.names(message.control).find_map(|name| {
            let decision = self.decide_name(message, name, false);
            match decision {
                Some(decision) if decision.verdict == Verdict::Accept => None,
                Some(decision) if !known || decision.keyed => {
                    Some((Refusal::by(Some(decision), Reason::Rule), decision.audit))
                }
                None if !known => Some((Refusal::deny(Reason::Default), false)),
                _ => None,
            }
        })
    }

    /// Whether no rule opens a message that carries a call: one that says of which messages it speaks doesn't mean all calls.
    fn refused_as_carrier(&self) -> Option<(Refusal, bool)> {
        let decision = self.policy.decide_internal(None, |decision| decision.pattern.is_none());
        let refused = decision.is_none_or(|decision| decision.verdict != Verdict::Accept);
        refused.then(|| (Refusal::by(decision, Reason::OtpInternal), decision.is_some_and(|decision| decision.audit)))
    }

    /// Whether the message makes an OTP process run code and no rule opens that. The refusal, and whether it is only recorded.
    fn refused_as_internal(
        &self,
        message: &Message<'_, '_>,
        payload: Reader<'_>,
        answer: bool,
        scanner: &mut Scanner,
        watch: &Watch<'_>,
    ) -> Option<(Refusal, bool)> {
        let (control, asker) = (message.control, message.asker.as_ref());
        let receiver = self.direction.other().word();
        let mut refused = |name: Option<AtomView<'_>>| {
            if !otp_internal(payload, Address { name, asker, answer, receiver }, scanner, watch) {
                return None;
            }
            let key = name.map(|name| [name.text]);
            let decision = self.policy.decide_internal(key.as_ref().map(|key| &key[..]), |decision| {
                decision.pattern.as_ref().is_none_or(|pattern| pattern.matches(payload, self.direction.word()))
            });
            if decision.is_some_and(|decision| decision.verdict == Verdict::Accept) {
                return None;
            }
            let audit = decision.is_some_and(|decision| decision.audit);
            Some((Refusal::by(decision, Reason::OtpInternal), audit))
        };
        if let Some(Target::Name(name)) = control.to {
            return refused(Some(name));
        }
        // An answer isn't for a server's name but for a question of its own.
        let mut learned = self.names(control).filter(|_| !answer).peekable();
        if learned.peek().is_none() {
            return refused(None);
        }
        learned.find_map(|text| refused(Some(AtomView { text, word: self.ends.names.word(text), inline: false })))
    }
}

fn is_message(control: &Control<'_>) -> bool {
    matches!(control.command, Command::Send | Command::RegSend | Command::AliasSend)
}

fn may_settle(control: &Control<'_>) -> bool {
    !matches!(control.command, Command::RegSend | Command::SpawnRequest | Command::Link | Command::Monitor)
}
