//! Precedents: the ruling on commands about which only one rule has anything to say.
//!
//! # Theory of operation
//!
//! Most commands are of two kinds. A process of the peer sends to a name or a process, in a form that means nothing to OTP.
//! Or it spawns a process for a function, and itself is the group leader. If such a command brings nothing new, all stages
//! but `rule` let it go on. If the strongest rule about its target or its function is without a pattern, `rule` comes to the
//! same decision for each of them. That decision is found once, and kept until the rules change.
//!
//! A process is another matter: the guarded node has to have told that it is a user's and has no name. `accept *` alone needs
//! no such answer.
//!
//! A precedent only ever accepts. Every other command passes the stages. Where debug assertions are on, the stages are
//! asked after each precedent, too, and have to agree.

use crate::command::Command;
use crate::direction::Direction;
use crate::rules::calls::{self, Call};
use crate::rules::otp_internal::{otp_internal, Address};
use crate::rules::peer_rules::{PeerRules, RankedRule, Scope};
use crate::session::hooks::is_clerk;
use crate::session::track::observed;
use crate::term::atoms::{AtomView, Word};
use crate::term::reader::Pid;
use crate::term::scan::ScanFindings;
use crate::verdict::Verdict;
use crate::wire::control::{Control, Process, SpawnRequest};

use super::called::decimal;
use super::deciding::is_within;
use super::standing::settles;
use super::{Arrival, Court, Message, Ruling};

/// Number of decisions that are kept.
const PLACES: usize = 64;

/// The decisions that were made already.
pub struct Precedents {
    /// About commands with a name or a function.
    kept: [Option<Precedent>; PLACES],
    /// About all commands of a kind: messages to processes and aliases. None: not asked yet.
    whole: [Option<Option<Decided>>; Command::ALL.len()],
}

/// The decision about a command and its key.
struct Precedent {
    command: Command,
    name: Box<[u8]>,
    function: Box<[u8]>,
    arity: u8,
    /// None: the stages have to be asked.
    decided: Option<Decided>,
}

/// The key of a command.
#[derive(Clone, Copy)]
struct PrecedentKey<'k> {
    command: Command,
    /// The name that a message goes to, or the module of a function.
    name: &'k [u8],
    /// Empty for a message.
    function: &'k [u8],
    arity: u8,
}

impl PrecedentKey<'_> {
    /// The place of a decision. Others may have the same place: then the last one stays.
    #[inline(always)]
    fn place(&self) -> usize {
        let ends = match self.name {
            [first, .., last] => usize::from(*first) + 5 * usize::from(*last),
            _ => 0,
        };
        // No atom is so long that a sum could be too large.
        let lengths = self.name.len().wrapping_mul(3).wrapping_add(self.function.len().wrapping_mul(7));
        ends.wrapping_add(lengths).wrapping_add(self.command as usize) % PLACES
    }

    #[inline(always)]
    fn is_of(&self, known: &Precedent) -> bool {
        known.command == self.command
            && known.arity == self.arity
            && is_same(&known.name, self.name)
            && is_same(&known.function, self.function)
    }

    /// The rule that decides about all such commands.
    fn decide(&self, policy: &PeerRules) -> Option<Decided> {
        if self.command == Command::SpawnRequest {
            if self.name == observed::MODULE {
                // These are counted.
                return None;
            }
            let mut digits = [0; 3];
            let function = [self.name, self.function, decimal(self.arity, &mut digits)];
            return Decided::by(policy.foremost_call(&function));
        }
        Decided::by(policy.foremost(self.command, Some(self.name)))
    }
}

/// True if two names are the same. Nearly all are short: to call `memcmp` costs more than to compare them.
#[inline(always)]
fn is_same(one: &[u8], other: &[u8]) -> bool {
    /// True if the first and the last bytes are the same, which are all of them together.
    #[inline(always)]
    fn ends<const N: usize>(one: &[u8], other: &[u8]) -> bool {
        one.first_chunk::<N>() == other.first_chunk() && one.last_chunk::<N>() == other.last_chunk()
    }
    one.len() == other.len()
        && match one.len() {
            0 => true,
            4..=8 => ends::<4>(one, other),
            9..=16 => ends::<8>(one, other),
            _ => one == other,
        }
}

/// A rule that accepts all messages, or all of a scope.
#[derive(Clone, Copy)]
struct Decided {
    rule: u32,
    scope: Option<Scope>,
    /// True if it is `accept *`, for which the identity of the target does not matter.
    star: bool,
}

impl Decided {
    /// The decision by a rule, if it accepts all messages, or all of a scope.
    fn by(rule: Option<&RankedRule>) -> Option<Self> {
        let rule = rule.filter(|rule| rule.accepts() && rule.pattern.is_none() && rule.of.is_none())?;
        Some(Decided { rule: rule.id, scope: rule.scope, star: rule.opens_all() })
    }
}

impl Default for Precedents {
    fn default() -> Self {
        Precedents { kept: [const { None }; PLACES], whole: [None; Command::ALL.len()] }
    }
}

impl Precedents {
    /// The one decision about all commands with that key, if there is one.
    #[inline(always)]
    fn about(&mut self, policy: &PeerRules, key: PrecedentKey<'_>) -> Option<Decided> {
        match &self.kept[key.place()] {
            Some(known) if key.is_of(known) => known.decided,
            _ => self.decide(policy, key),
        }
    }

    /// The one decision about all commands of a kind, if there is one.
    #[inline(always)]
    fn about_all(&mut self, policy: &PeerRules, command: Command) -> Option<Decided> {
        let place = &mut self.whole[command as usize];
        if place.is_none() {
            *place = Some(Decided::by(policy.foremost(command, None)));
        }
        place.flatten()
    }

    #[inline(never)]
    fn decide(&mut self, policy: &PeerRules, key: PrecedentKey<'_>) -> Option<Decided> {
        let PrecedentKey { command, name, function, arity } = key;
        let decided = key.decide(policy);
        self.kept[key.place()] =
            Some(Precedent { command, name: name.into(), function: function.into(), arity, decided });
        decided
    }
}

impl Court<'_> {
    /// The rule by which a command of the peer passes, if the other stages have nothing to say about the command.
    #[inline(always)]
    pub fn precedent(
        &self,
        message: &Message<'_, '_>,
        found: &ScanFindings,
        arrival: &Arrival<'_>,
        precedents: &mut Precedents,
    ) -> Option<u32> {
        // Where the peer's incarnation is not known, each command may bring a new one.
        let unknown = self.ends.peer_creation == 0;
        if unknown || found.is_notable() || arrival.over.is_some() || arrival.atoms.may_be_new() {
            return None;
        }
        match message.control {
            Control::SpawnRequest(request) => self.spawn_precedent(request, message, precedents),
            _ => self.message_precedent(message, precedents),
        }
    }

    #[inline(always)]
    fn spawn_precedent(
        &self,
        request: &SpawnRequest<'_>,
        message: &Message<'_, '_>,
        precedents: &mut Precedents,
    ) -> Option<u32> {
        let SpawnRequest { from, reference: (node, reference), leader, mfa, plain, .. } = request;
        let own = |node: &AtomView<'_>, creation: u32| {
            node.word == Word::Peer && creation == self.ends.peer_creation && !node.inline
        };
        let names = !mfa.module.inline && !mfa.function.inline;
        let fits = own(node, reference.creation) && own(&leader.node, leader.pid.creation) && names;
        if !fits || !plain || from.node.inline || !self.is_sender(from) {
            return None;
        }
        let (name, function, arity) = match message.erpc {
            Some(call) => (call.module, call.function, call.arity),
            None => match calls::of_spawn(mfa, message.payload?, Word::Peer).call {
                Call::Function { module, function, arity, .. } => (module, function, arity),
                _ => return None,
            },
        };
        let key = PrecedentKey { command: Command::SpawnRequest, name, function, arity };
        precedents.about(self.policy, key).map(|decided| decided.rule)
    }

    #[inline(always)]
    fn message_precedent(&self, message: &Message<'_, '_>, precedents: &mut Precedents) -> Option<u32> {
        let control = message.control;
        let (command, name) = match control {
            Control::RegSend { from, to, unused } => {
                let inline = from.node.inline || to.inline || unused.is_some();
                if inline || !self.is_sender(from) || matches!(to.word, Word::Rex | Word::NetKernel) {
                    return None;
                }
                (Command::RegSend, Some(to))
            }
            Control::Send { from, to, unused } => {
                let inline = to.node.inline || unused.is_some();
                let sends = from.as_ref().is_none_or(|from| !from.node.inline && self.is_sender(from));
                if inline || !sends || !self.ends.is_of(Direction::Outbound, to) {
                    return None;
                }
                (Command::Send, None)
            }
            Control::AliasSend { from, to: (node, alias) } => {
                let inline = from.node.inline || node.inline;
                let aims = node.word == Word::Guard && alias.creation == self.ends.guard_creation;
                if inline || !self.is_sender(from) || !aims {
                    return None;
                }
                (Command::AliasSend, None)
            }
            _ => return None,
        };
        let payload = message.payload.as_ref()?;
        let decided = match name {
            Some(name) => {
                precedents.about(self.policy, PrecedentKey { command, name: name.text, function: &[], arity: 0 })?
            }
            None => precedents.about_all(self.policy, command)?,
        };
        if name.is_none() && !(self.answers_nothing(message) && self.is_for_users(control, decided.star)) {
            return None;
        }
        let address = Address {
            name: name.map(|name| name.word),
            asker: message.asker,
            answer: false,
            receiver: self.direction.other().word(),
            pattern: None,
        };
        if otp_internal(payload, &address) {
            return None;
        }
        let fits = decided.scope.is_none_or(|scope| is_within(self, scope, control.target()));
        fits.then_some(decided.rule)
    }

    /// True if a message to a process or an alias answers nothing.
    #[inline(always)]
    fn answers_nothing(&self, message: &Message<'_, '_>) -> bool {
        let (track, direction) = (self.track, self.direction);
        !track.awaits_messages(direction) || matches!(settles(message, track, direction), Ok(None))
    }

    /// True if the guarded node has told a moment ago that the target is a process of a user, without a name. `star`: it is
    /// enough that it has no known name.
    #[inline(always)]
    fn is_for_users(&self, control: &Control<'_>, star: bool) -> bool {
        let people = &self.track.people;
        match control {
            // The first process of every node has a name.
            Control::Send { to: Process { pid: Pid { id: 0, serial: 0, .. }, .. }, .. } => false,
            Control::Send { to, .. } if star => people.last_name(to.pid).is_none(),
            Control::Send { to, .. } => people.is_nameless_user(to.pid),
            Control::AliasSend { to: (_, alias), .. } => {
                star || self.track.owner(*alias).is_some_and(|owner| people.is_nameless_user(owner.pid))
            }
            _ => false,
        }
    }

    /// True if the stages come to the same ruling as a precedent.
    pub fn agrees(&self, message: &Message<'_, '_>, found: &mut ScanFindings, arrival: Arrival<'_>, rule: u32) -> bool {
        let mut ruling = Ruling::pass(None);
        let judged = self.judge(message, found, Some(arrival), &mut ruling);
        let passes = judged.is_ok() && ruling.verdict == Verdict::Accept && ruling.rule == Some(rule);
        passes && ruling.settles.is_none() && ruling.waived.is_none() && ruling.asks.is_none()
    }

    /// True for a process of the peer, except the process in whose name distwall asks the guarded node.
    #[inline(always)]
    fn is_sender(&self, process: &Process<'_>) -> bool {
        self.ends.is_of(Direction::Inbound, process) && !is_clerk(process.pid)
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::rules::pattern::Pattern;
    use crate::rules::peer_rules::{Part, Rule, Subject};

    fn rule(subject: Subject, key: &[&str], verdict: Verdict, id: u32) -> Rule {
        let key = key.iter().map(|part| Part::Exact(part.as_bytes().into())).collect();
        Rule { subject, key, scope: None, of: None, pattern: None, verdict, layer: 1, audit: false, id }
    }

    fn message(command: Command, name: &str) -> PrecedentKey<'_> {
        PrecedentKey { command, name: name.as_bytes(), function: &[], arity: 0 }
    }

    fn function<'k>(module: &'k str, function: &'k str, arity: u8) -> PrecedentKey<'k> {
        let [name, function] = [module, function].map(str::as_bytes);
        PrecedentKey { command: Command::SpawnRequest, name, function, arity }
    }

    fn policy() -> PeerRules {
        let (reg_send, spawn) = (Subject::Command(Command::RegSend), Subject::Command(Command::SpawnRequest));
        let any = Pattern::parse(b"\x02\0").map(Arc::new).ok();
        assert!(any.is_some());
        PeerRules::new(
            &[
                rule(reg_send, &["open"], Verdict::Accept, 1),
                rule(reg_send, &["shut"], Verdict::Deny, 2),
                Rule { pattern: any.clone(), ..rule(reg_send, &["some"], Verdict::Accept, 3) },
                rule(reg_send, &["some"], Verdict::Accept, 4),
                Rule { scope: Some(Scope::Exposed), ..rule(Subject::Command(Command::Send), &[], Verdict::Accept, 5) },
                rule(spawn, &["m", "f", "1"], Verdict::Accept, 6),
                rule(Subject::Call, &["m", "g", "1"], Verdict::Accept, 7),
                rule(Subject::Call, &["m", "h", "1"], Verdict::Deny, 8),
                Rule { pattern: any, ..rule(Subject::Call, &["m", "p", "1"], Verdict::Accept, 9) },
                rule(spawn, &["m", "h", "1"], Verdict::Accept, 10),
                rule(spawn, &["m", "p", "1"], Verdict::Accept, 11),
            ],
            &[],
            None,
        )
    }

    #[test]
    fn only_a_rule_without_a_pattern_that_accepts_is_a_precedent() {
        let (policy, mut precedents) = (policy(), Precedents::default());
        let mut rule = |key| precedents.about(&policy, key).map(|decided| decided.rule);
        // What was decided first is decided again.
        for _ in 0..2 {
            assert_eq!(rule(message(Command::RegSend, "open")), Some(1));
            assert_eq!(rule(message(Command::RegSend, "shut")), None);
            assert_eq!(rule(message(Command::RegSend, "some")), None, "by a pattern");
            assert_eq!(rule(message(Command::RegSend, "none")), None);
            assert_eq!(rule(function("m", "f", 1)), Some(6));
            assert_eq!(rule(function("m", "f", 2)), None);
            assert_eq!(rule(function("m", "g", 1)), Some(7));
            assert_eq!(rule(function("m", "h", 1)), None, "by a rule on calls");
            assert_eq!(rule(function("m", "p", 1)), None, "by a pattern for calls");
        }
        for _ in 0..2 {
            let all = precedents.about_all(&policy, Command::Send);
            assert_eq!(all.map(|decided| (decided.rule, decided.scope)), Some((5, Some(Scope::Exposed))));
            assert!(precedents.about_all(&policy, Command::AliasSend).is_none());
        }
    }

    #[test]
    fn names_that_differ_in_one_byte_are_told_apart() {
        for length in 0..40 {
            let name = vec![b'a'; length];
            assert!(is_same(&name, &name.clone()));
            assert!(!is_same(&name, &vec![b'a'; length + 1]) && !is_same(&vec![b'a'; length + 1], &name));
            for at in 0..length {
                let mut other = name.clone();
                other[at] = b'b';
                assert!(!is_same(&name, &other), "{at} of {length}");
            }
        }
    }

    #[test]
    fn keys_of_one_place_are_told_apart() {
        let (policy, mut precedents) = (policy(), Precedents::default());
        let open = message(Command::RegSend, "open");
        // The place is by the first byte, the last one and the length.
        let other = message(Command::RegSend, "oxen");
        assert_eq!(open.place(), other.place());
        for _ in 0..2 {
            assert!(precedents.about(&policy, open).is_some());
            assert!(precedents.about(&policy, other).is_none());
        }
        let moved = PrecedentKey { name: b"mf", function: b"", ..function("m", "f", 1) };
        assert!(precedents.about(&policy, function("m", "f", 1)).is_some());
        assert!(precedents.about(&policy, moved).is_none());
    }
}
