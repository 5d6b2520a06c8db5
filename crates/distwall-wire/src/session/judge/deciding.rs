//! Stages `rule` and `who`: which rule decides about the command, about the call that it carries, and about who the process
//! is that it aims at.

use std::sync::LazyLock;

use crate::command::Command;
use crate::direction::Direction;
use crate::error::Bad;
use crate::rules::calls::{self, Call};
use crate::rules::peer_rules::{Look, RankedRule, Scope, Strongest, PROCESS};
use crate::session::events::{self, Reason};
use crate::session::track::{Person, Telling};
use crate::term::atoms::Word;
use crate::term::reader::{Pid, Reader};
use crate::wire::control::{Control, Process, Target};

use super::called::{aimed, decimal, key, Aimed};
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
    if case.message.work.is_spent() {
        return Ok(case.overworked());
    }
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

/// Refuses what aims at a process that the rules close because of who it is. Asks for that, where a rule could accept it.
#[inline(always)]
pub(super) fn name(case: &mut Case<'_, '_, '_>) -> Result<Next, Bad> {
    if case.minds_name() {
        return Ok(by_name(case));
    }
    let first = |to: Process<'_>| (to.pid.id, to.pid.serial) == (0, 0) && aimed(case.control()).is_some();
    if case.star && case.ruling.settles.is_none() && case.control().receiver().is_some_and(first) {
        return Ok(by_name_of_init(case));
    }
    Ok(Next::On)
}

/// The first process of a node is known without a question, so rules on its name also hold under `accept *`.
#[cold]
fn by_name_of_init(case: &mut Case<'_, '_, '_>) -> Next {
    match case.name_rule(b"init") {
        Some(rule) if rule.keyed && !case.whole => case.unseen(!rule.accepts() || rule.pattern.is_some()),
        Some(rule) if rule.keyed && !rule.accepts() => case.by(Some(rule), Reason::Rule),
        _ => Next::On,
    }
}

fn by_name(case: &mut Case<'_, '_, '_>) -> Next {
    match case.identity() {
        Identity::Told(person) if person.dead => case.always(Reason::Gone),
        Identity::Told(Person { otp: true, name, .. }) => by_name_of_otp(case, name.as_deref()),
        Identity::Told(person) => match person.name.as_deref().and_then(|name| case.name_rule(name)) {
            Some(rule) if rule.keyed && !rule.accepts() => case.by(Some(rule), Reason::Rule),
            _ => Next::On,
        },
        Identity::Unknown(pid) => {
            case.always(Reason::Unknown);
            case.ruling.asks = Some(pid);
            Next::Stop
        }
        Identity::Nobody => case.by(None, Reason::Unknown),
    }
}

/// A process of OTP's is reached by rules that name it, or its application. A message to a process with a registered name
/// needs a rule that names it: processes of one application obey different messages, and some end at all others.
fn by_name_of_otp(case: &mut Case<'_, '_, '_>, name: Option<&[u8]>) -> Next {
    if case.is_by_alias() {
        return case.by(None, Reason::Unknown);
    }
    let rule = name.and_then(|name| case.name_rule(name)).filter(|rule| rule.keyed);
    if rule.is_some_and(|rule| !rule.accepts()) {
        return case.by(rule, Reason::Rule);
    }
    let of = case.own_rules_of_otp(Strongest);
    let unnamed = name.is_some() && rule.is_none() && case.control().is_message();
    if !unnamed && of.is_some_and(RankedRule::accepts) {
        case.decision = of;
        return Next::On;
    }
    if rule.is_none() {
        return case.by(of.filter(|of| !of.accepts()), Reason::Rule);
    }
    case.opener = rule;
    Next::On
}

/// The identity of the process that a command aims at.
#[derive(Clone, Copy)]
enum Identity<'t> {
    /// The guarded node has told it a moment ago.
    Told(&'t Person),
    /// The guarded node has to be asked about that process.
    Unknown(Pid),
    /// Nobody knows whose alias it is.
    Nobody,
}

/// The identity of the process that a command aims at.
fn identity<'t>(court: &Court<'t>, control: &Control<'_>) -> Identity<'t> {
    static INIT: LazyLock<Person> = LazyLock::new(|| Person {
        name: Some(b"init"[..].into()),
        otp: true,
        applications: vec![b"erts"[..].into()],
        module: b"init"[..].into(),
        dead: false,
    });
    let track = court.track;
    let pid = match aimed(control) {
        Some(Aimed::Process(pid)) => Some(pid),
        Some(Aimed::Alias(alias)) => track.owner(alias).map(|owner| owner.pid),
        None => None,
    };
    match pid {
        None => Identity::Nobody,
        Some(pid) if (pid.id, pid.serial) == (0, 0) => Identity::Told(&INIT),
        Some(pid) => track.people.of(pid).map_or(Identity::Unknown(pid), Identity::Told),
    }
}

impl<'c> Case<'c, '_, '_> {
    /// True if it counts who the process is that it aims at.
    #[inline]
    pub(super) fn minds_name(&self) -> bool {
        let inbound = self.court.direction == Direction::Inbound && !self.court.shadow;
        // A rule on trial lets pass what it refuses, and this stage is on trial by its own rules only.
        let passes = self.accepted || self.ruling.waived.is_some() && !self.court.audit;
        let decides = self.decision.is_some_and(|rule| rule.opens_all() || rule.process);
        let answers = self.ruling.settles.is_some();
        inbound && self.whole && passes && !decides && !answers && aimed(self.control()).is_some()
    }

    /// The identity of the process that it aims at.
    fn identity(&self) -> Identity<'c> {
        identity(self.court, self.control())
    }

    /// True if it goes to an alias that was shown without the process to which it belongs.
    fn is_by_alias(&self) -> bool {
        match aimed(self.control()) {
            Some(Aimed::Alias(alias)) => !self.court.track.owner(alias).is_some_and(|owner| owner.beside),
            _ => false,
        }
    }

    /// True if a rule about the processes of an application applies to the target. Before the guarded node has told who the
    /// target is, accepting rules do.
    fn fits_application(&self, rule: &RankedRule) -> bool {
        let Some(application) = &rule.of else { return true };
        match self.identity() {
            // Whatever it was, the answer is that it has ended.
            Identity::Told(person) if person.dead => rule.accepts(),
            Identity::Told(person) => person.applications.contains(application),
            Identity::Unknown(_) => rule.accepts(),
            Identity::Nobody => false,
        }
    }

    /// The rules about the processes of OTP's applications that apply to the target.
    pub(super) fn own_rules_of_otp<L: Look<'c>>(&self, how: L) -> L::Rules {
        let control = self.control();
        how.look(self.court.policy.about(control.command()), None, false, |rule| {
            rule.of.is_some()
                && rule.scope.is_some_and(|scope| self.is_within(scope, control.target()))
                && self.fits_application(rule)
                && self.fits_rule(rule)
        })
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
            rule.scope.is_none_or(|scope| self.is_within(scope, control.target()))
                && (rule.of.is_none() || self.fits_application(rule))
                && self.fits_rule(rule)
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
        let (sender, work, limits) = (self.court.direction.word(), &self.message.work, &self.court.ends.limits);
        let fits = |payload| {
            !rule.rules_out(payload, work, limits)
                && pattern.matches(payload, sender, work, limits)
                && (!pattern.tells_scope() || self.scope_takes(payload))
        };
        !self.whole || self.message.payload.is_some_and(fits)
    }

    /// True if a message of the peer does not end the scope of `pg` to which it goes.
    fn scope_takes(&self, payload: Reader<'_>) -> bool {
        let Court { direction, track, ends, shadow, .. } = *self.court;
        if direction == Direction::Outbound || shadow {
            return true;
        }
        let work = &self.message.work;
        let left = work.left(payload.data.len() - payload.pos, &ends.limits);
        let mut steps = left;
        let telling = Telling { control: self.control(), payload, records: ends.records };
        match track.scope_takes(telling, &mut steps) {
            Ok(takes) => {
                work.spend(left - steps);
                if takes {
                    work.tell_scope();
                }
                takes
            }
            Err(Bad::Exceeded(_)) => {
                work.spend(u64::MAX);
                false
            }
            Err(_) => false,
        }
    }

    pub(super) fn fits_arguments(&self, rule: &RankedRule, arguments: Reader<'_>) -> bool {
        let (sender, work, limits) = (self.court.direction.word(), &self.message.work, &self.court.ends.limits);
        rule.pattern.as_ref().is_none_or(|pattern| {
            !pattern.tells_scope()
                && !rule.rules_out(arguments, work, limits)
                && pattern.matches_within(arguments, sender, work, limits)
        })
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
