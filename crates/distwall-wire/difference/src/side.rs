//! One version of the core behind the types of `model`. Compiled twice, once for each version.

use std::sync::Arc;

use super::fields;
use super::names::{
    Ask, ChannelRules, Handler, HandlerAnswer, Hooks, Part, Pattern, PeerRules, Rule, Scope, Subject, PROCESS,
};
use super::wire::{
    self, Budget, Channel, Command, Counters, Direction, Event, Limits, Output, Segment, Verdict,
};
use crate::model::{self, Bytes, Done, Outcome, Step};

const DIRECTIONS: [Direction; 2] = [Direction::Inbound, Direction::Outbound];
const VERDICTS: [Verdict; 3] = [Verdict::Accept, Verdict::Deny, Verdict::Drop];

/// Policies, counters, budgets and channels that steps have made so far.
#[derive(Default)]
pub struct Side {
    /// None: a policy that was refused.
    policies: Vec<Option<Arc<PeerRules>>>,
    counters: Vec<Arc<Counters>>,
    budgets: Vec<Arc<Budget>>,
    channels: Vec<Option<Connection>>,
    output: Output,
}

struct Connection {
    channel: Channel,
    counters: Arc<Counters>,
    budget: Arc<Budget>,
}

type Tried<T> = Result<T, String>;

impl Side {
    /// Takes one step.
    pub fn step(&mut self, step: &Step) -> Outcome {
        self.tried(step).unwrap_or_else(Outcome::Refused)
    }

    fn tried(&mut self, step: &Step) -> Tried<Outcome> {
        match step {
            Step::Policy(rules) => {
                let made = policy(rules);
                let told = made.as_ref().map(|_| Outcome::Nothing).map_err(Clone::clone);
                self.policies.push(made.ok().map(Arc::new));
                return told;
            }
            Step::Counters => self.counters.push(Arc::default()),
            Step::Budget { beside: None } => self.budgets.push(Arc::default()),
            Step::Budget { beside: Some(other) } => {
                let budget = Arc::new(at(&self.budgets, *other)?.beside());
                self.budgets.push(budget);
            }
            Step::Name { budget, name, limits: caps } => {
                return Ok(Outcome::Truth(at(&self.budgets, *budget)?.name(name.as_bytes(), &limits(caps)?)));
            }
            Step::Channel(setup) => {
                let made = self.connection(setup);
                let told = made.as_ref().map(|_| Outcome::Nothing).map_err(Clone::clone);
                self.channels.push(made.ok());
                return told;
            }
            Step::Receive { channel, inbound, data, now } => {
                let direction = DIRECTIONS[usize::from(!inbound)];
                let mut output = std::mem::take(&mut self.output);
                let connection = self.channel(*channel)?;
                connection.channel.receive(direction, &data.0, now.0, &mut output);
                let done = connection.done(&mut output, &data.0);
                self.output = output;
                return Ok(done);
            }
            Step::Answer { channel, ticket, verdict, payload, now } => {
                let answer = HandlerAnswer {
                    verdict: named(VERDICTS, Verdict::name, verdict)?,
                    payload: payload.as_ref().map(|payload| payload.0.clone()),
                };
                let mut output = std::mem::take(&mut self.output);
                let connection = self.channel(*channel)?;
                connection.channel.answer(*ticket, answer, now.0, &mut output);
                let done = connection.done(&mut output, &[]);
                self.output = output;
                return Ok(done);
            }
            Step::SetPolicies { channel, policies } => {
                let policies = self.policies(policies)?;
                self.channel(*channel)?.channel.set_policies(policies);
            }
            Step::SetLimits { channel, limits: caps, close_on_limit } => {
                self.channel(*channel)?.channel.set_limits(limits(caps)?, *close_on_limit);
            }
            Step::MadeUp { channel, control, payload } => {
                let payload = payload.as_ref().map(|payload| &payload.0[..]);
                return Ok(Outcome::Bytes(Bytes(self.channel(*channel)?.channel.made_up(&control.0, payload))));
            }
            Step::Folded { channel } => return Ok(Outcome::Number(self.channel(*channel)?.channel.folded())),
            Step::Waits { channel, ticket } => {
                return Ok(Outcome::Truth(self.channel(*channel)?.channel.waits(*ticket)));
            }
            Step::End => {}
        }
        Ok(Outcome::Nothing)
    }

    fn channel(&mut self, number: usize) -> Tried<&mut Connection> {
        self.channels.get_mut(number).and_then(Option::as_mut).ok_or_else(|| format!("there is no channel {number}"))
    }

    fn connection(&self, setup: &model::Setup) -> Tried<Connection> {
        let counters = Arc::clone(at(&self.counters, setup.counters)?);
        let budget = Arc::clone(at(&self.budgets, setup.budget)?);
        let channel = Channel::new(wire::Setup {
            peer: setup.peer.clone(),
            peer_creation: setup.peer_creation,
            guard: setup.guard.clone(),
            guard_creation: setup.guard_creation,
            flags: setup.flags,
            policies: self.policies(&setup.policies)?,
            counters: Arc::clone(&counters),
            budget: Arc::clone(&budget),
            limits: limits(&setup.limits)?,
            close_on_limit: setup.close_on_limit,
            deny_reason: setup.deny_reason.clone(),
        });
        Ok(Connection { channel, counters, budget })
    }

    fn policies(&self, policies: &model::Policies) -> Tried<ChannelRules> {
        let shared = |number: usize| {
            let policy = at(&self.policies, number)?.as_ref();
            policy.map(Arc::clone).ok_or_else(|| format!("the policy {number} was refused"))
        };
        Ok(ChannelRules {
            inbound: shared(policies.inbound)?,
            outbound: policies.outbound.map(shared).transpose()?,
            shadow: policies.shadow.map(shared).transpose()?,
            audit: policies.audit,
            hooks: policies.hooks.as_ref().map(hooks).transpose()?,
        })
    }
}

impl Connection {
    fn done(&mut self, output: &mut Output, input: &[u8]) -> Outcome {
        let mut forward = Vec::new();
        for segment in &output.forward {
            forward.extend_from_slice(match segment {
                Segment::Input(range) => &input[range.clone()],
                Segment::Made(range) => &output.made[range.clone()],
                Segment::Kept(index, range) => &output.kept[*index][range.clone()],
            });
        }
        let counts = DIRECTIONS.map(|direction| {
            Command::ALL.map(|command| VERDICTS.map(|verdict| self.counters.get(direction, command, verdict)))
        });
        Outcome::Done(Box::new(Done {
            forward: Bytes(forward),
            back: Bytes(output.back.clone()),
            events: output.events.drain(..).map(event).collect(),
            asks: output.asks.drain(..).map(ask).collect(),
            closed: output.closed.take().map(|text| text.to_string()),
            pending: self.channel.pending(),
            shadow_differences: self.channel.shadow_differences(),
            counts,
            used: self.budget.used(),
            guard_atoms: self.budget.guard_atoms(),
        }))
    }
}

fn event(event: Event) -> model::Event {
    model::Event {
        inbound: event.direction == Direction::Inbound,
        command: event.command.name().to_string(),
        target: event.target,
        verdict: event.verdict.name().to_string(),
        rule: event.rule,
        reason: event.reason.name().to_string(),
        audit: event.audit,
        folded: event.folded,
    }
}

fn ask(ask: Ask) -> model::Ask {
    model::Ask {
        ticket: ask.ticket,
        kind: ask.kind.to_string(),
        command: ask.command.name().to_string(),
        target: ask.target,
        control: Bytes(ask.control),
        payload: ask.payload.map(Bytes),
    }
}

fn at<T>(all: &[T], number: usize) -> Tried<&T> {
    all.get(number).ok_or_else(|| format!("nothing has the number {number}"))
}

fn named<T: Copy, const N: usize>(all: [T; N], name: impl Fn(T) -> &'static str, text: &str) -> Tried<T> {
    all.into_iter().find(|one| name(*one) == text).ok_or_else(|| format!("nothing is named {text}"))
}

fn limits(settings: &[(String, u64)]) -> Tried<Limits> {
    let mut limits = Limits::default();
    for (name, value) in settings {
        if !limits.set(name, *value) {
            return Err(format!("there is no limit {name}"));
        }
    }
    Ok(limits)
}

fn policy(policy: &model::Policy) -> Tried<PeerRules> {
    let rules = policy.rules.iter().map(rule).collect::<Tried<Vec<_>>>()?;
    Ok(PeerRules::new(&rules, &policy.third_nodes, policy.funs))
}

fn rule(rule: &model::Rule) -> Tried<Rule> {
    let pattern = rule.pattern.as_ref().map(|code| Pattern::parse(&code.0).map(Arc::new));
    Ok(fields::rule! {
        subject: match &*rule.subject {
            "*" => Subject::All,
            "otp_internal" => Subject::OtpInternal,
            "call" => Subject::Call,
            command => Subject::Command(named(Command::ALL, Command::name, command)?),
        },
        key: key(&rule.key)?,
        scope: rule.scope.as_deref().map(|scope| named(Scope::ALL, Scope::name, scope)).transpose()?,
        pattern: pattern.transpose().map_err(|error| error.to_string())?,
        verdict: named(VERDICTS, Verdict::name, &rule.verdict)?,
        layer: rule.layer,
        audit: rule.audit,
        id: rule.id,
    })
}

fn key(parts: &[(String, String)]) -> Tried<Vec<Part>> {
    let process = parts.iter().any(|(kind, _)| matches!(&**kind, "pid" | "ref"));
    let front = process.then(|| Part::Exact(PROCESS[0].into()));
    let parts = parts.iter().map(|(kind, text)| match &**kind {
        "exact" | "pid" | "ref" => Ok(Part::Exact(text.as_bytes().into())),
        "prefix" => Ok(Part::Prefix(text.as_bytes().into())),
        "any" => Ok(Part::Any),
        kind => Err(format!("unknown kind of key: {kind}")),
    });
    front.into_iter().map(Ok).chain(parts).collect()
}

fn hooks(hooks: &model::Hooks) -> Tried<Arc<Hooks>> {
    let handler =
        |name: &String| if name.is_empty() { Handler::Outside } else { Handler::Guard(name.as_bytes().into()) };
    let mut made = Hooks {
        filter: hooks.filter.as_ref().map(handler),
        checked_funs: hooks.checked_funs,
        own_name: hooks.own_name,
        ..Hooks::default()
    };
    for (command, name) in &hooks.handlers {
        made.handlers[named(Command::ALL, Command::name, command)? as usize] = Some(handler(name));
    }
    Ok(Arc::new(made))
}
