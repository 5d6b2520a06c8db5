//! Compiled rules: finds the rule that decides for a command and its key.
//!
//! # Theory of operation
//!
//! Rules come ranked, the strongest first, so the question is always the same: the matching rule with the lowest rank.
//! For each command the keyed rules are grouped by shape ("exact name", "prefix of 4 bytes", "module, any function, any
//! arity", ...). Within a shape one hash lookup finds the candidates. So the work for a command is bounded by the
//! number of shapes, which doesn't grow with the number of rules. A shape is skipped if its best rule is weaker than a
//! rule already found.

use std::hash::Hasher;
use std::ops::Range;
use std::sync::Arc;

use hashbrown::HashTable;
use rustc_hash::FxHasher;

use crate::command::Command;
use crate::limits::Limits;
use crate::rules::globs::Globs;
use crate::rules::pattern::{Discriminator, Pattern, Work};
use crate::term::reader::Reader;
use crate::verdict::Verdict;

pub use look::{Each, Look, Strongest};

mod look;

/// One part of a key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Part {
    /// Exactly this text.
    Exact(Box<[u8]>),
    /// Any text with this prefix.
    Prefix(Box<[u8]>),
    /// Any text.
    Any,
}

/// The way in which the sender of a command came to know its target.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Scope {
    /// The pid or alias of the target went to the sender inside a message, or as the result of a spawn.
    Exposed,
    /// The sender's node spawned it.
    Spawned,
    /// The target is linked with a process of the sender's node.
    Linked,
    /// Any way.
    Any,
}

impl Scope {
    /// The scope of that name.
    #[must_use]
    pub fn named(name: &str) -> Option<Scope> {
        Scope::ALL.into_iter().find(|scope| scope.name() == name)
    }

    /// All scopes.
    pub const ALL: [Scope; 4] = [Scope::Exposed, Scope::Spawned, Scope::Linked, Scope::Any];

    /// The name that users write.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Scope::Exposed => "exposed",
            Scope::Spawned => "spawned",
            Scope::Linked => "linked",
            Scope::Any => "any",
        }
    }
}

/// The subject of a rule.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Subject {
    /// All commands.
    All,
    /// One command.
    Command(Command),
    /// Messages that make OTP processes run code, sent to any target.
    OtpInternal,
    /// Functions that a peer has called, however the call arrives.
    Call,
}

impl Subject {
    /// The subject of that name: a command, `*`, `otp_internal` or `call`.
    #[must_use]
    pub fn named(name: &str) -> Option<Subject> {
        match name {
            "*" => Some(Subject::All),
            "otp_internal" => Some(Subject::OtpInternal),
            "call" => Some(Subject::Call),
            name => Command::named(name).map(Subject::Command),
        }
    }
}

/// One rule.
#[derive(Clone, Debug)]
pub struct Rule {
    /// The subject.
    pub subject: Subject,
    /// The key; empty: any target.
    pub key: Vec<Part>,
    /// The processes and aliases that it is for; None: all targets.
    pub scope: Option<Scope>,
    /// The application of OTP's or Elixir's whose processes it is for; None: processes of users.
    pub of: Option<Box<[u8]>>,
    /// The required form of the payload.
    pub pattern: Option<Arc<Pattern>>,
    /// Verdict.
    pub verdict: Verdict,
    /// 0: granted for a while; 1: attached to the peer; 2: a default.
    pub layer: u8,
    /// True if commands that it refuses pass and are recorded.
    pub audit: bool,
    /// The user's number for it.
    pub id: u32,
}

/// A rule as compiled: its rank, and what it decides if it matches.
#[derive(Clone, Debug)]
pub struct RankedRule {
    /// Lower is stronger.
    pub rank: u32,
    /// Verdict.
    pub verdict: Verdict,
    /// The user's number for it.
    pub id: u32,
    /// The scope of targets that it is limited to.
    pub scope: Option<Scope>,
    /// The application of OTP's or Elixir's whose processes it is for.
    pub of: Option<Box<[u8]>>,
    /// True if it names a process or an alias.
    pub process: bool,
    /// The form of payloads that it is limited to.
    pub pattern: Option<Arc<Pattern>>,
    /// The way to the first part in which this differs from the form that the rule before it asks for.
    discriminator: Option<Arc<Discriminator>>,
    /// True if it is a rule for `*`.
    pub star: bool,
    /// True if it names targets.
    pub keyed: bool,
    /// The layer, as in [`Rule`].
    pub layer: u8,
    /// True if refused commands pass, as in [`Rule`].
    pub audit: bool,
}

impl RankedRule {
    /// True if its verdict is accept.
    #[must_use]
    pub fn accepts(&self) -> bool {
        self.verdict == Verdict::Accept
    }

    /// True if a payload is known not to have the form that the rule asks for, by a look at one part of it.
    #[inline]
    #[must_use]
    pub fn rules_out(&self, payload: Reader<'_>, work: &Work, limits: &Limits) -> bool {
        let (Some(discriminator), Some(pattern)) = (&self.discriminator, &self.pattern) else { return false };
        work.is_compared_with_many() && discriminator.rules_out(pattern, payload, work, limits)
    }

    /// True if it is `accept *`.
    #[must_use]
    pub fn opens_all(&self) -> bool {
        self.star && self.verdict == Verdict::Accept
    }
}

/// The texts that rules' keys are compared with: one text for a name; three for module, function and arity; [`PROCESS`]
/// and one text for a process or an alias.
pub type Key<'a> = &'a [&'a [u8]];

/// The first part of a process or an alias in a key, which tells it from a name.
pub const PROCESS: [&[u8]; 1] = [b"process"];

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
enum PartKind {
    Exact,
    Prefix(usize),
    Any,
}

struct KeyShape {
    kinds: Vec<PartKind>,
    best: u32,
    rules: HashTable<RulesOfKey>,
}

/// The rules with one key of a shape, strongest first.
struct RulesOfKey {
    /// The literal pieces of the key's parts.
    literals: Box<[Box<[u8]>]>,
    rules: Vec<RankedRule>,
}

/// All rules of one subject, `*` included.
#[derive(Default)]
pub struct Index {
    /// Sorted by their best rank.
    shapes: Vec<KeyShape>,
    /// Rules without a key, strongest first.
    coarse: Vec<RankedRule>,
}

/// The rules of one peer.
#[derive(Default)]
pub struct PeerRules {
    commands: [Index; Command::ALL.len()],
    otp_internal: Index,
    calls: Index,
    /// The strongest rule that accepts a call.
    opens_calls: Option<RankedRule>,
    /// True if rules name calls or spawn requests.
    names_calls: bool,
    /// True for each command with an accepting rule that is not a rule for `*`.
    accepts: [bool; Command::ALL.len()],
    third_nodes: Globs,
    funs: Option<bool>,
}

impl PeerRules {
    /// Compiles rules, the strongest first. `funs`: true if messages may carry funs; None: only where `accept *`
    /// decides.
    #[must_use]
    pub fn new(rules: &[Rule], third_nodes: &[String], funs: Option<bool>) -> Self {
        let mut policy = PeerRules { third_nodes: Globs::new(third_nodes), funs, ..PeerRules::default() };
        for (rank, rule) in rules.iter().enumerate() {
            policy.names_calls |= matches!(rule.subject, Subject::Call | Subject::Command(Command::SpawnRequest));
            let decision = RankedRule {
                rank: rank as u32,
                verdict: rule.verdict,
                id: rule.id,
                scope: rule.scope,
                of: rule.of.clone(),
                process: rule.key.len() == PROCESS.len() + 1,
                pattern: rule.pattern.clone(),
                discriminator: None,
                star: rule.subject == Subject::All,
                keyed: !rule.key.is_empty(),
                layer: rule.layer,
                audit: rule.audit,
            };
            match rule.subject {
                Subject::All => policy.commands.iter_mut().for_each(|index| index.add(&rule.key, decision.clone())),
                Subject::Command(command) => {
                    policy.accepts[command as usize] |= decision.accepts();
                    policy.commands[command as usize].add(&rule.key, decision);
                }
                Subject::OtpInternal => policy.otp_internal.add(&rule.key, decision),
                Subject::Call => {
                    if rule.verdict == Verdict::Accept {
                        policy.opens_calls.get_or_insert_with(|| decision.clone());
                    }
                    policy.calls.add(&rule.key, decision);
                }
            }
        }
        policy.commands.iter_mut().for_each(Index::finish);
        policy.otp_internal.finish();
        policy.calls.finish();
        policy
    }

    /// The rules about a command, to be looked through.
    #[inline]
    #[must_use]
    pub fn about(&self, command: Command) -> &Index {
        &self.commands[command as usize]
    }

    /// The rules about calls; of a call that can't be told, those without a key speak.
    #[inline]
    #[must_use]
    pub fn about_calls(&self) -> &Index {
        &self.calls
    }

    /// The rules about messages that make an OTP process run code: only rules that name `otp_internal`.
    #[inline]
    #[must_use]
    pub fn about_internal(&self) -> &Index {
        &self.otp_internal
    }

    /// True if there are rules on calls.
    #[must_use]
    pub fn judges_calls(&self) -> bool {
        !self.calls.shapes.is_empty() || !self.calls.coarse.is_empty()
    }

    /// True if there are rules that decide about calls, however they arrive; otherwise `*` does.
    #[must_use]
    pub fn names_calls(&self) -> bool {
        self.names_calls
    }

    /// True if the call that such a message may carry matters: to a rule on calls, or because a rule other than `accept *`
    /// accepts the message.
    #[must_use]
    pub fn minds_calls(&self, command: Command) -> bool {
        self.names_calls || self.accepts[command as usize]
    }

    /// The strongest rule that accepts a call.
    #[must_use]
    pub fn opens_calls(&self) -> Option<&RankedRule> {
        self.opens_calls.as_ref()
    }

    /// True if rules for a command have keys.
    #[must_use]
    pub fn has_keys(&self, command: Command) -> bool {
        !self.commands[command as usize].shapes.is_empty()
    }

    /// True if rules for a command name processes or aliases.
    #[must_use]
    pub fn names_processes(&self, command: Command) -> bool {
        self.commands[command as usize].shapes.iter().any(|shape| shape.kinds.len() == PROCESS.len() + 1)
    }

    /// The strongest rule about messages to a name; None: to a process or an alias. It may have a pattern, or a scope.
    #[must_use]
    pub fn foremost(&self, command: Command, name: Option<&[u8]>) -> Option<&RankedRule> {
        let index = self.about(command);
        match name {
            Some(name) => Strongest.look(index, Some(&[name]), true, |rule| rule.scope.is_none()),
            // Keys that name one of them are not looked up here.
            None if self.names_processes(command) => None,
            None => Strongest.look(index, None, true, |_| true),
        }
    }

    /// The deciding rule of all spawn requests for a function. None if there is no rule, or if it depends on the arguments.
    #[must_use]
    pub fn foremost_call(&self, function: Key<'_>) -> Option<&RankedRule> {
        let own = Strongest.look(self.about(Command::SpawnRequest), Some(function), true, |rule| rule.scope.is_none());
        let call = Strongest.look(self.about_calls(), Some(function), false, |_| true);
        if own.into_iter().chain(call).any(|rule| rule.pattern.is_some()) {
            return None;
        }
        call.filter(|call| own.is_none_or(|own| call.layer <= own.layer)).or(own)
    }

    /// All rules that could decide, strongest first, up to the first without a scope and a pattern.
    #[must_use]
    pub fn candidates(&self, subject: Subject, key: Option<Key<'_>>) -> Vec<&RankedRule> {
        let index = match subject {
            Subject::Command(command) => &self.commands[command as usize],
            Subject::OtpInternal => &self.otp_internal,
            Subject::Call => &self.calls,
            Subject::All => return Vec::new(),
        };
        let mut found = Vec::new();
        let mut passed = 0;
        while let Some(decision) = index.decide_from(passed, key, true, |_| true) {
            found.push(decision);
            if decision.pattern.is_none() && matches!(decision.scope, None | Some(Scope::Any)) {
                break;
            }
            passed = decision.rank + 1;
        }
        found
    }

    /// True if messages accepted by such a rule may carry funs.
    #[must_use]
    pub fn allows_funs(&self, star: bool) -> bool {
        self.funs.unwrap_or(star)
    }

    /// True if payloads may contain pids of this third node.
    #[must_use]
    pub fn allows_node(&self, node: &[u8]) -> bool {
        self.third_nodes.match_name(node)
    }
}

impl Index {
    fn add(&mut self, key: &[Part], decision: RankedRule) {
        if key.is_empty() {
            self.coarse.push(decision);
            return;
        }
        let part = |part: &Part| match part {
            Part::Exact(literal) => (PartKind::Exact, literal.clone()),
            Part::Prefix(literal) => (PartKind::Prefix(literal.len()), literal.clone()),
            Part::Any => (PartKind::Any, Box::default()),
        };
        let (kinds, literals): (Vec<PartKind>, Vec<Box<[u8]>>) = key.iter().map(part).unzip();
        let position = self.shapes.iter().position(|shape| shape.kinds == kinds).unwrap_or_else(|| {
            self.shapes.push(KeyShape { kinds, best: decision.rank, rules: HashTable::new() });
            self.shapes.len() - 1
        });
        let rules = &mut self.shapes[position].rules;
        let hash = hash(literals.iter().map(|literal| &**literal));
        match rules.find_mut(hash, |entry| *entry.literals == *literals) {
            Some(entry) => entry.rules.push(decision),
            None => {
                let rehash = |entry: &RulesOfKey| self::hash(entry.literals.iter().map(|literal| &**literal));
                rules.insert_unique(hash, RulesOfKey { literals: literals.into(), rules: vec![decision] }, rehash);
            }
        }
    }

    fn finish(&mut self) {
        self.shapes.sort_by_key(|shape| shape.best);
        let keyed = self.shapes.iter_mut().flat_map(|shape| shape.rules.iter_mut());
        keyed.for_each(|entry| tell_apart(&mut entry.rules));
        tell_apart(&mut self.coarse);
    }

    /// The strongest rule that matches, of those ranked `from` and weaker.
    #[inline]
    fn decide_from(
        &self,
        from: u32,
        key: Option<Key<'_>>,
        star: bool,
        mut fits: impl FnMut(&RankedRule) -> bool,
    ) -> Option<&RankedRule> {
        let (mut best, mut rank) = (None, u32::MAX);
        if let Some(key) = key {
            for shape in &self.shapes {
                if shape.best > rank {
                    break;
                }
                if let Some(rule) = strongest(shape.rules(key), from..rank, star, &mut fits) {
                    (best, rank) = (Some(rule), rule.rank);
                }
            }
        }
        strongest(&self.coarse, from..rank, star, &mut fits).or(best)
    }
}

/// Gives each pattern of a list the way to its difference from the previous pattern. Equal ways in a row are one.
fn tell_apart(rules: &mut [RankedRule]) {
    let mut before: Option<(Arc<Pattern>, Option<Arc<Discriminator>>)> = None;
    for rule in rules {
        let Some(pattern) = &rule.pattern else { continue };
        if let Some((other, known)) = &before {
            let new = Discriminator::between(other, pattern).filter(|new| known.as_deref() != Some(new));
            rule.discriminator = new.map(Arc::new).or_else(|| known.clone());
        }
        before = Some((pattern.clone(), rule.discriminator.clone()));
    }
}

/// The first rule that fits, among rules with these ranks.
#[inline(always)]
fn strongest<'r>(
    rules: &'r [RankedRule],
    ranks: Range<u32>,
    star: bool,
    fits: &mut impl FnMut(&RankedRule) -> bool,
) -> Option<&'r RankedRule> {
    for rule in rules {
        if rule.rank >= ranks.end {
            break;
        }
        if rule.rank >= ranks.start && (star || !rule.star) && fits(rule) {
            return Some(rule);
        }
    }
    None
}

impl KeyShape {
    /// The rules whose key fits, strongest first.
    #[inline]
    fn rules(&self, key: Key<'_>) -> &[RankedRule] {
        if key.len() != self.kinds.len() {
            return &[];
        }
        if let (&[PartKind::Exact], &[name]) = (&*self.kinds, key) {
            let mut hasher = FxHasher::default();
            hasher.write(name);
            let entry = self.rules.find(hasher.finish(), |entry| *entry.literals[0] == *name);
            return entry.map_or(&[], |entry| &entry.rules);
        }
        self.composed(key)
    }

    /// The rules whose key fits, for keys of several parts and for prefixes.
    fn composed(&self, key: Key<'_>) -> &[RankedRule] {
        let mut hasher = FxHasher::default();
        for (kind, part) in self.kinds.iter().zip(key) {
            let Some(literal) = kind.literal(part) else { return &[] };
            hasher.write(literal);
        }
        let same = |entry: &RulesOfKey| {
            let mut parts = self.kinds.iter().zip(key).zip(&entry.literals);
            parts.all(|((kind, part), literal)| kind.literal(part) == Some(literal))
        };
        self.rules.find(hasher.finish(), same).map_or(&[], |entry| &entry.rules)
    }
}

fn hash<'a>(literals: impl Iterator<Item = &'a [u8]>) -> u64 {
    let mut hasher = FxHasher::default();
    literals.for_each(|literal| hasher.write(literal));
    hasher.finish()
}

impl PartKind {
    /// The literal piece of a key's part, which finds a rule of this kind.
    fn literal(self, part: &[u8]) -> Option<&[u8]> {
        match self {
            PartKind::Exact => Some(part),
            PartKind::Prefix(length) => part.get(..length),
            PartKind::Any => Some(&[]),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn name(text: &str) -> Part {
        text.strip_suffix('*')
            .map_or_else(|| Part::Exact(text.as_bytes().into()), |p| Part::Prefix(p.as_bytes().into()))
    }

    fn rule(subject: Subject, key: Vec<Part>, verdict: Verdict, id: u32) -> Rule {
        Rule { subject, key, scope: None, of: None, pattern: None, verdict, layer: 1, audit: false, id }
    }

    #[test]
    fn the_strongest_rule_that_matches_decides() {
        let reg_send = Subject::Command(Command::RegSend);
        let policy = PeerRules::new(
            &[
                rule(reg_send, vec![name("gateway")], Verdict::Accept, 1),
                rule(reg_send, vec![name("gate*")], Verdict::Drop, 2),
                rule(Subject::All, vec![], Verdict::Deny, 3),
                rule(reg_send, vec![name("other")], Verdict::Accept, 4),
            ],
            &[],
            None,
        );
        let strongest = |command, key: Option<Key<'_>>, star| {
            Strongest.look(policy.about(command), key, star, |_| true).map(|d| d.id)
        };
        let decide = |key: &str| strongest(Command::RegSend, Some(&[key.as_bytes()]), true);
        assert_eq!(decide("gateway"), Some(1));
        assert_eq!(decide("gate"), Some(2));
        assert_eq!(decide("gat"), Some(3));
        assert_eq!(decide("other"), Some(3));
        assert_eq!(strongest(Command::Send, None, true), Some(3));
        assert_eq!(strongest(Command::Send, None, false), None);
    }
}
