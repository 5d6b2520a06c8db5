//! The rules that a stage considered, and the outcome for each: for `explain`.
//!
//! # Theory of operation
//!
//! After a stage has finished, its look-ups run again, with [`Each`] in place of [`Strongest`]: this time they list all
//! rules, not only the strongest. They go through the same functions, with the same key and the same conditions. So
//! nothing is decided here.
//!
//! [`Strongest`]: crate::rules::peer_rules::Strongest

use std::ptr;

use crate::rules::calls::Call;
use crate::rules::peer_rules::{Each, RankedRule};
use crate::term::reader::Reader;

use super::called::names;
use super::{Case, Stage};

/// A rule about a command and its target.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Considered {
    /// The rank among all rules: lower is stronger.
    pub rank: u32,
    /// The user's number for it.
    pub id: u32,
    /// The outcome for this rule.
    pub outcome: Outcome,
}

/// The outcome for a rule about a command and its target.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// The rule decides.
    Decides,
    /// The rule matches too, but a stronger rule decides.
    Weaker,
    /// The payload is not of its form.
    Pattern,
    /// The rule has a scope, and the sender did not learn of the target in that way.
    Scope,
    /// The rule has a pattern, and the payload is not known.
    Unknown,
    /// Rules like this don't count here: `accept *` for endings that belong to nothing, or a rule accepting functions
    /// for an unknown call. A rule with a scope does not count for a process known by its name.
    NotMeant,
}

impl Outcome {
    /// The word in `explain`.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Outcome::Decides => "decides",
            Outcome::Weaker => "weaker",
            Outcome::Pattern => "pattern",
            Outcome::Scope => "scope",
            Outcome::Unknown => "unknown",
            Outcome::NotMeant => "not_meant",
        }
    }
}

/// The kinds of rules that stage `rule` asks, in the order in which they come within a layer.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum AskedSubject {
    Call,
    Function,
    Own,
}

impl<'c> Case<'c, '_, '_> {
    /// The rules that a stage has looked through.
    pub(super) fn considered(&self, stage: Stage) -> Vec<Considered> {
        match stage {
            Stage::Rule => self.considered_by_rule(),
            Stage::Name => self.considered_by_name(),
            Stage::OtpInternal if self.obeyed => self.considered_by_internal(),
            _ => Vec::new(),
        }
    }

    fn considered_by_rule(&self) -> Vec<Considered> {
        let mut found = Vec::new();
        let mut add = |kind: AskedSubject, rules: Vec<(&'c RankedRule, bool)>, payload| {
            for (rule, fits) in rules {
                let outcome = match self.decision {
                    Some(decision) if ptr::eq(rule, decision) => Outcome::Decides,
                    _ if fits && self.stray && rule.opens_all() => Outcome::NotMeant,
                    _ if fits => Outcome::Weaker,
                    _ => self.misfit(rule, payload),
                };
                found.push((rule.layer, kind, Considered { rank: rule.rank, id: rule.id, outcome }));
            }
        };
        let arguments = match self.call.call {
            Call::Function { arguments, .. } | Call::Fun { arguments, .. } => Some(arguments),
            Call::Opaque | Call::None => self.message.payload,
        };
        let spawns = self.control().mfa().is_some();
        if !matches!(self.call.call, Call::None) {
            add(AskedSubject::Call, self.call_rules(Each), arguments);
        }
        // The rule that opens a call opens the monitor which comes with it.
        if let Some(opens) = self.court.policy.opens_calls().filter(|rule| self.decides(rule)) {
            add(AskedSubject::Call, vec![(opens, true)], None);
        }
        if self.carries {
            add(AskedSubject::Function, self.function_rules(true, Each), arguments);
        }
        let payload = if spawns { arguments } else { self.message.payload };
        add(AskedSubject::Own, self.own_rules(self.ruling.settles.is_none(), Each), payload);
        found.sort_by_key(|(layer, kind, rule)| (*layer, *kind, rule.rank));
        let mut rules: Vec<Considered> = Vec::new();
        for (.., rule) in found {
            // `*` applies to the carrier of a call, and to the function as well.
            match rules.iter_mut().find(|known| known.rank == rule.rank) {
                Some(known) if rule.outcome == Outcome::Decides => *known = rule,
                Some(_) => {}
                None => rules.push(rule),
            }
        }
        rules
    }

    fn considered_by_name(&self) -> Vec<Considered> {
        if !self.minds_name() {
            return Vec::new();
        }
        let names = names(self.court.track, self.court.direction, self.control());
        let by_name = names.flat_map(|name| self.ranked(&self.name_rules(name, Each), self.message.payload));
        by_name.collect()
    }

    fn considered_by_internal(&self) -> Vec<Considered> {
        let Some(payload) = self.message.payload else { return Vec::new() };
        let own = self.control().name().map(|name| name.text);
        let name = own.or_else(|| names(self.court.track, self.court.direction, self.control()).next());
        self.ranked(&self.opening_rules(payload, name, Each), Some(payload))
    }

    /// The outcomes of rules of which the first that fits decides.
    fn ranked(&self, rules: &[(&'c RankedRule, bool)], payload: Option<Reader<'_>>) -> Vec<Considered> {
        let first = rules.iter().position(|(_, fits)| *fits);
        let outcome = |place: usize, rule: &RankedRule, fits: bool| match fits {
            true if Some(place) == first => Outcome::Decides,
            true => Outcome::Weaker,
            false => self.misfit(rule, payload),
        };
        let considered = |(place, (rule, fits)): (usize, &(&'c RankedRule, bool))| Considered {
            rank: rule.rank,
            id: rule.id,
            outcome: outcome(place, rule, *fits),
        };
        rules.iter().enumerate().map(considered).collect()
    }

    fn decides(&self, rule: &RankedRule) -> bool {
        self.decision.is_some_and(|decision| ptr::eq(decision, rule))
    }

    /// The reason why a rule does not fit. `payload`: the payload for its pattern; None or empty if it is not known.
    fn misfit(&self, rule: &RankedRule, payload: Option<Reader<'_>>) -> Outcome {
        let known = payload.is_some_and(|payload| !payload.data.is_empty());
        let fits = payload.is_some_and(|payload| self.fits_arguments(rule, payload));
        if rule.pattern.is_some() && known && !fits {
            return Outcome::Pattern;
        }
        match rule.scope {
            Some(scope) if !self.is_within(scope, self.control().target()) => Outcome::Scope,
            _ if rule.pattern.is_some() && !known => Outcome::Unknown,
            _ => Outcome::NotMeant,
        }
    }
}
