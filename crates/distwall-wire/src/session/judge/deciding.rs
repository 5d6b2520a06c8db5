//! Stages `rule` and `name`: which rule decides about the command, about the call that it carries, and about the registered
//! name of the process that it aims at.

use crate::command::Command;
use crate::error::Bad;
use crate::rules::calls::{self, Call};
use crate::rules::peer_rules::{Look, RankedRule, Scope, Strongest, PROCESS};
use crate::session::events::{self, Reason};
use crate::term::atoms::Word;
use crate::term::reader::Reader;
use crate::wire::control::Target;

use super::called::{decimal, key, names};
use super::{may_answer, Case, Court, Next};

/// Finds the rule that decides, and refuses what no rule accepts. An answer passes unless a rule names its command.
#[inline]
pub(super) fn rule(case: &mut Case<'_, '_, '_>) -> Result<Next, Bad> {
    if !case.whole {
        return Ok(unseen(case));
    }
    let own = match case.own_rule(case.ruling.settles.is_none()) {
        Some(own) if case.stray && own.opens_all() => case.own_rule(false),
        own => own,
    };
    if case.control().is_message() {
        let narrowly = own.is_some_and(|own| own.accepts() && !own.star);
        if !narrowly && !case.court.policy.names_calls() {
            case.call = calls::FoundCall::NONE;
        }
        case.carries = !matches!(case.call.call, Call::None);
    }
    let call = case.call_rule().filter(|call| own.is_none_or(|own| call.layer <= own.layer));
    let function = if case.carries && call.is_none() { case.function_rule(true) } else { None };
    // A rule that names the carrier can refuse what it carries, but not let it pass.
    let veto =
        own.filter(|own| !own.accepts() && !own.star && function.is_none_or(|function| own.layer <= function.layer));
    case.decision =
        call.or_else(|| case.carrier_monitor_rule(own)).or(if case.carries { veto.or(function) } else { own });
    // Of a fun typed in a shell, the calls that it makes are judged one by one when it runs.
    case.read = case.court.reads_funs && case.control().mfa().is_some() && case.call.is_typed() && call.is_none();
    case.accepted = case.read || case.decision.is_some_and(RankedRule::accepts);
    case.star = match case.ruling.settles {
        // An answer may carry what `accept *` would let its command carry anyway.
        Some(_) => case.own_rule(true).is_some_and(RankedRule::opens_all),
        None => case.decision.is_some_and(RankedRule::opens_all),
    };
    if case.accepted || case.decision.is_none() && case.ruling.settles.is_some() {
        return Ok(Next::On);
    }
    Ok(case.by(case.decision, Reason::Rule))
}

/// Decides about the beginning of a message, if `accept *` covers any rest of it. A rule with a pattern could match.
fn unseen(case: &mut Case<'_, '_, '_>) -> Next {
    let own = case.own_rule(true).filter(|own| own.opens_all() && !own.audit);
    // Rules for `*` would not count if it turned out to be an answer.
    let as_answer = || case.own_rule(false).is_none_or(RankedRule::accepts);
    if own.is_none() || may_answer(case.control()) && !as_answer() {
        return Next::Stop;
    }
    (case.decision, case.accepted, case.star) = (own, true, true);
    Next::On
}

/// Refuses what aims at a process whose registered name the rules close.
#[inline(always)]
pub(super) fn name(case: &mut Case<'_, '_, '_>) -> Result<Next, Bad> {
    if case.minds_name() {
        return by_name(case);
    }
    Ok(Next::On)
}

fn by_name(case: &mut Case<'_, '_, '_>) -> Result<Next, Bad> {
    // A rule about all processes does not count for a process whose name has a rule. A rule about processes that the sender
    // came to know in an honest way counts, unless a rule refuses the name itself.
    let known = case.decision.is_some_and(|decision| {
        decision.opens_all() || matches!(decision.scope, Some(Scope::Exposed | Scope::Spawned | Scope::Linked))
    });
    for name in names(case.court.track, case.court.direction, case.control()) {
        let rule = case.name_rule(name);
        let speaks = rule.is_some_and(|rule| rule.keyed);
        if !case.whole {
            if rule.is_some_and(|rule| rule.keyed && (!rule.accepts() || rule.pattern.is_some())) {
                return Ok(Next::Stop);
            }
        } else if !rule.is_some_and(RankedRule::accepts) && (!known || speaks) {
            return Ok(case.by(rule, Reason::Rule));
        }
    }
    Ok(Next::On)
}

impl<'c> Case<'c, '_, '_> {
    /// True if the name of the process that it aims at counts.
    #[inline]
    pub(super) fn minds_name(&self) -> bool {
        // What begins like an answer may turn out to be none.
        let answers = self.whole && self.ruling.settles.is_some();
        self.control().receiver().is_some() && !answers
    }

    /// The rule about the command and its target. `star`: rules for `*` speak, too.
    #[inline]
    fn own_rule(&self, star: bool) -> Option<&'c RankedRule> {
        self.own_rules(star, Strongest)
    }

    /// The rule on spawn requests about the function that is called. `star`: rules for `*` speak, too.
    #[inline]
    fn function_rule(&self, star: bool) -> Option<&'c RankedRule> {
        self.function_rules(star, Strongest)
    }

    /// The rule on calls about the function that is called.
    #[inline]
    fn call_rule(&self) -> Option<&'c RankedRule> {
        if matches!(self.call.call, Call::None) || !self.court.policy.judges_calls() {
            return None;
        }
        self.call_rules(Strongest)
    }

    /// The rules about the command and its target.
    #[inline]
    pub(super) fn own_rules<L: Look<'c>>(&self, star: bool, how: L) -> L::Rules {
        let (control, policy) = (self.control(), self.court.policy);
        let command = control.command();
        let speaks = |rule: &RankedRule| {
            rule.scope.is_none_or(|scope| self.is_within(scope, control.target())) && self.fits_rule(rule)
        };
        if let Some(mfa) = control.mfa() {
            if self.whole {
                return self.function_rules(star, how);
            }
            let mut digits = [0; 3];
            let key = [mfa.module.text, mfa.function.text, decimal(mfa.arity, &mut digits)];
            return how.look(policy.about(command), Some(&key), star, speaks);
        }
        match control.target() {
            Some(Target::Name(name)) if matches!(command, Command::RegSend | Command::Monitor) => {
                how.look(policy.about(command), Some(&[name.text]), star, speaks)
            }
            // Keys of processes and aliases are written as they are printed.
            Some(Target::Process(_) | Target::Alias(..)) if policy.names_processes(command) => {
                let text = events::target(control, None);
                // A scope that fits keeps its process young, also where a rule with a key decides.
                Strongest.look(policy.about(command), None, star, speaks);
                how.look(policy.about(command), Some(&[PROCESS[0], text.as_bytes()]), star, speaks)
            }
            _ => how.look(policy.about(command), None, star, speaks),
        }
    }

    /// The rules on spawn requests about the function that is called.
    #[inline]
    pub(super) fn function_rules<L: Look<'c>>(&self, star: bool, how: L) -> L::Rules {
        let mut digits = [0; 3];
        let (key, arguments) = key(&self.call.call, &mut digits);
        let key = key.as_ref().map(|key| &key[..]);
        how.look(self.court.policy.about(Command::SpawnRequest), key, star, |rule| match arguments {
            Some(arguments) => rule.scope.is_none() && self.fits_arguments(rule, arguments),
            // Only `accept *` accepts a call that can't be told.
            None => (!rule.accepts() || rule.star) && rule.pattern.is_none(),
        })
    }

    /// The rules on calls about the function that is called.
    #[inline]
    pub(super) fn call_rules<L: Look<'c>>(&self, how: L) -> L::Rules {
        let mut digits = [0; 3];
        let (key, arguments) = key(&self.call.call, &mut digits);
        let key = key.as_ref().map(|key| &key[..]);
        how.look(self.court.policy.about_calls(), key, false, |rule| match arguments {
            Some(arguments) => self.fits_arguments(rule, arguments),
            // No rule can accept a call that can't be told.
            None => !rule.accepts() && rule.pattern.is_none(),
        })
    }

    /// The rule that accepts some call, and with it the monitor with which a call through `rex` comes.
    fn carrier_monitor_rule(&self, own: Option<&RankedRule>) -> Option<&'c RankedRule> {
        let control = self.control();
        if control.command() != Command::Monitor || control.name()?.word != Word::Rex {
            return None;
        }
        let call = self.court.policy.opens_calls()?;
        own.is_none_or(|own| !own.keyed && !own.accepts() && call.layer <= own.layer).then_some(call)
    }

    /// The rule about the registered name of the process to which something goes by its pid.
    #[inline]
    fn name_rule(&self, name: &[u8]) -> Option<&'c RankedRule> {
        self.name_rules(name, Strongest)
    }

    /// The rules about that name.
    #[inline]
    pub(super) fn name_rules<L: Look<'c>>(&self, name: &[u8], how: L) -> L::Rules {
        let monitor = self.control().command() == Command::Monitor;
        let command = if monitor { Command::Monitor } else { Command::RegSend };
        let message = self.control().is_message();
        how.look(self.court.policy.about(command), Some(&[name]), true, |rule| {
            rule.scope.is_none() && (rule.pattern.is_none() || message && self.fits_rule(rule))
        })
    }

    /// True if the payload has the form that a rule asks for; of a payload that has not come yet: if it could.
    fn fits_rule(&self, rule: &RankedRule) -> bool {
        let Some(pattern) = &rule.pattern else { return true };
        let sender = self.court.direction.word();
        !self.whole || self.message.payload.is_some_and(|payload| pattern.matches(payload, sender))
    }

    pub(super) fn fits_arguments(&self, rule: &RankedRule, arguments: Reader<'_>) -> bool {
        let sender = self.court.direction.word();
        rule.pattern.as_ref().is_none_or(|pattern| pattern.matches_within(arguments, sender))
    }

    /// True if the target became known to the sender in that way.
    pub(super) fn is_within(&self, scope: Scope, target: Option<Target<'_>>) -> bool {
        is_within(self.court, scope, target)
    }
}

/// True if the target became known to the sender in that way.
pub(super) fn is_within(court: &Court<'_>, scope: Scope, target: Option<Target<'_>>) -> bool {
    let (track, owner) = (court.track, court.direction.other());
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
