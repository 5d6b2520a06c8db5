//! Stages `options`, `otp_internal`, `third_node` and `funs`: does the content of a command do more than the rule that accepts it means?

use crate::direction::Direction;
use crate::error::Bad;
use crate::rules::calls::{self, Call};
use crate::rules::otp_internal::{self as internal, Address};
use crate::rules::pattern::is_brief;
use crate::rules::peer_rules::{Look, RankedRule, Strongest};
use crate::session::events::Reason;
use crate::session::track::{observed, Pair};
use crate::term::atoms::{AtomView, Word};
use crate::term::reader::Reader;
use crate::wire::control::{Control, Process};

use super::called::names;
use super::{Case, Court, Force, Next, Objection, Refusal};

/// Refuses a call with spawn options that are not opened by the rule which accepts the function. Refuses a process of the
/// guarded node as a group leader, unless the guarded node has made it one. What the guarded node itself would print about an
/// error has to be cheap to print. A process that goes on answering `observer` has to be linked, and to stay so.
#[inline(always)]
pub(super) fn options(case: &mut Case<'_, '_, '_>) -> Result<Next, Bad> {
    if case.star || case.court.direction == Direction::Outbound {
        return Ok(Next::On);
    }
    let fits = match case.control() {
        Control::SpawnRequest(request) => {
            let alone = case.starts_stream() && !(request.linked && request.mfa.module.text == observed::MODULE);
            request.plain && !alone && case.may_lead(&request.leader)
        }
        Control::Unlink { from, to, .. } if case.is_stream(from, to) => return Ok(case.by(None, Reason::Options)),
        // The process gets another reason instead, which it can't ignore.
        Control::Exit { from, to, .. } if case.is_stream(from, to) => !case.may_be_ignored(),
        // What it writes would be requests of the guarded node's own to a process that no rule opens.
        Control::GroupLeader { leader, .. } => leader.node.word != Word::Guard || case.may_lead(leader),
        _ => !case.starts_stream() && case.call.leader.is_none_or(|leader| case.may_lead(&leader)),
    };
    Ok(if fits && !case.prints_much() { Next::On } else { case.unfit(Reason::Options) })
}

/// Refuses a message for which an OTP process would run code, unless a rule opens that. `accept *` does, and so does a pattern
/// that describes such a message. A call in it has been judged by the rules on calls.
#[inline]
pub(super) fn otp_internal(case: &mut Case<'_, '_, '_>) -> Result<Next, Bad> {
    if case.court.restricts_shells && case.control().is_message() && case.call.is_shell() {
        // Only a spawn request can be made to start a restricted shell.
        return Ok(case.unfit(Reason::OtpInternal));
    }
    if case.star || case.carries || !case.control().is_message() {
        return Ok(Next::On);
    }
    let Some(payload) = case.message.payload else { return Ok(Next::On) };
    if let Some(name) = case.control().name() {
        return Ok(case.unless_opened(payload, Some(name)).unwrap_or(Next::On));
    }
    let mut named = false;
    // An answer is for its question, and not for a server with a name. A rule for the processes of an application has a
    // pattern for what they may get.
    let of = case.decision.is_some_and(|rule| rule.of.is_some());
    if case.ruling.settles.is_none() && !of {
        for text in names(case.court.track, case.court.direction, case.control()) {
            named = true;
            let name = AtomView { text, word: case.court.ends.names.word(text), inline: false };
            if let Some(next) = case.unless_opened(payload, Some(name)) {
                return Ok(next);
            }
        }
    }
    Ok(if named { Next::On } else { case.unless_opened(payload, None).unwrap_or(Next::On) })
}

/// Refuses what carries a pid, port or reference of a node that the policy does not name, or makes one a group leader.
#[inline(always)]
pub(super) fn third_node(case: &mut Case<'_, '_, '_>) -> Result<Next, Bad> {
    if case.court.direction == Direction::Outbound {
        return Ok(Next::On);
    }
    let control = case.control();
    let leader = control.leader().is_some_and(|leader| {
        !matches!(leader.node.word, Word::Peer | Word::Guard) && !case.court.policy.allows_node(leader.node.text)
    });
    if !case.whole {
        return Ok(case.unseen(leader));
    }
    let carried = if case.court.shadow { case.found.shadow_third_node } else { case.found.third_node };
    Ok(if carried || leader { case.unfit(Reason::ThirdNode) } else { Next::On })
}

/// Refuses a message with funs, unless the policy lets them in. An external fun that is the call itself is judged as a call.
#[inline(always)]
pub(super) fn funs(case: &mut Case<'_, '_, '_>) -> Result<Next, Bad> {
    if case.court.direction == Direction::Outbound || !case.whole {
        return Ok(Next::On);
    }
    if case.court.reads_funs && case.call.is_typed() {
        // The guarded node evaluates such a fun, and the funs in it. Of a message, OTP would run it.
        return Ok(if case.control().mfa().is_some() { Next::On } else { case.unfit(Reason::Funs) });
    }
    // The VM trusts what a fun of compiled code holds: no rule on calls lets it in, only one on funs.
    if case.found.funs <= case.call.exports {
        return Ok(Next::On);
    }
    Ok(if case.court.policy.allows_funs(case.star) { Next::On } else { case.unfit(Reason::Funs) })
}

impl Case<'_, '_, '_> {
    /// True if an error of the called function would make the guarded node print much. It prints nothing about processes that
    /// a process of the peer leads.
    fn prints_much(&self) -> bool {
        let Some(payload) = self.message.payload.filter(|_| !matches!(self.call.call, Call::None)) else {
            return false;
        };
        let leader = match self.control() {
            Control::SpawnRequest(request) => Some(request.leader),
            _ => self.call.leader,
        };
        let elsewhere = leader.is_some_and(|leader| self.court.ends.is_of(Direction::Inbound, &leader));
        !elsewhere && calls::prints_errors(self.control(), payload) && !is_brief(payload)
    }

    /// True if the called function starts a process that goes on answering `observer`.
    fn starts_stream(&self) -> bool {
        matches!(self.call.call, Call::Function { module, function, .. } if observed::is_stream(module, function))
    }

    /// True if the two processes have the link of a stream.
    fn is_stream(&self, from: &Process<'_>, to: &Process<'_>) -> bool {
        self.court.track.observed.is_running(Pair { peer: from.pid, guard: to.pid })
    }

    /// True if a process may go on after this exit: it does not trap exits yet, and the reason may be `normal`.
    fn may_be_ignored(&self) -> bool {
        let Some(mut reason) = self.message.payload else { return true };
        reason.atom().is_ok_and(|atom| atom.text == b"normal")
    }

    /// True if a process may lead what the peer calls: it is the peer's, or the guarded node has made it lead processes
    /// of the peer.
    fn may_lead(&self, leader: &Process<'_>) -> bool {
        let Court { ends, track, .. } = self.court;
        ends.is_of(Direction::Inbound, leader) || ends.is_of(Direction::Outbound, leader) && track.leads(leader.pid)
    }

    /// Objects to a message that a process of OTP's obeys; None: nothing is against it. `name`: the registered name of who gets it, if it is known.
    #[inline]
    fn unless_opened(&mut self, payload: Reader<'_>, name: Option<AtomView<'_>>) -> Option<Next> {
        let direction = self.court.direction;
        let (asker, answer) = (self.message.asker, self.ruling.settles.is_some());
        let word = name.map(|name| name.word);
        let accepts = self.opener.or(self.decision.filter(|_| self.accepted));
        let pattern = accepts.and_then(|rule| rule.pattern.as_deref());
        let to = Address { name: word, asker, answer, receiver: direction.other().word(), pattern };
        if !internal::otp_internal(&payload, &to) {
            return None;
        }
        self.opened(payload, name)
    }

    /// Objects to a message that a process of OTP's obeys, unless a rule opens it.
    fn opened(&mut self, payload: Reader<'_>, name: Option<AtomView<'_>>) -> Option<Next> {
        self.internal(self.opening_rules(payload, name.map(|name| name.text), Strongest))
    }

    fn internal(&mut self, rule: Option<&RankedRule>) -> Option<Next> {
        self.obeyed = true;
        if rule.is_some_and(RankedRule::accepts) {
            return None;
        }
        let in_audit = self.in_audit() || rule.is_some_and(|rule| rule.audit);
        let refusal = Refusal::by(rule, Reason::OtpInternal);
        Some(self.object(Objection { refusal, force: Force::Enforced { in_audit }, answers: false }))
    }

    /// Objects to the contents of a command. A process that waits for it as an answer is told.
    fn unfit(&mut self, reason: Reason) -> Next {
        let force = Force::Enforced { in_audit: self.in_audit() };
        self.object(Objection { refusal: Refusal::deny(reason), force, answers: true })
    }
}

impl<'c> Case<'c, '_, '_> {
    /// The rules that can open a message which makes an OTP process run code: a process of that name, or any other.
    pub(super) fn opening_rules<L: Look<'c>>(&self, payload: Reader<'_>, name: Option<&[u8]>, how: L) -> L::Rules {
        let Court { direction, policy, ends, .. } = *self.court;
        let key = name.map(|name| [name]);
        let fits = |rule: &RankedRule| {
            let sender = direction.word();
            rule.pattern.as_ref().is_none_or(|p| p.matches(payload, sender, &self.message.work, &ends.limits))
        };
        how.look(policy.about_internal(), key.as_ref().map(|key| &key[..]), false, fits)
    }
}
