//! Both versions side by side: each step is taken by both, and has to give the same.

use std::cell::Cell;
use std::panic::{catch_unwind, AssertUnwindSafe};

use crate::coverage::Coverage;
use crate::model::{Ask, Bytes, Counts, Done, Event, Outcome, Policies, Step};
use crate::{before, now};

/// A step that the two versions don't take alike: the last one.
pub struct Difference {
    pub steps: Vec<Step>,
    pub before: Outcome,
    pub now: Outcome,
}

/// The two versions, and the steps that they have taken.
#[derive(Default)]
pub struct Pair {
    before: before::Side,
    now: now::Side,
    steps: Vec<Step>,
    /// Numbers of the channels' counters.
    counters: Vec<usize>,
    counts: Vec<Counts>,
    differences: Vec<u64>,
}

thread_local! {
    static QUIET: Cell<bool> = const { Cell::new(false) };
}

/// Keeps panics of the two versions, which are results here, off the terminal.
pub fn silence_panics() {
    let told = std::panic::take_hook();
    std::panic::set_hook(Box::new(move |info| {
        if !QUIET.get() {
            told(info);
        }
    }));
}

fn guarded(take: impl FnOnce() -> Outcome) -> Outcome {
    QUIET.set(true);
    let outcome = catch_unwind(AssertUnwindSafe(take)).unwrap_or_else(|panic| {
        let text = panic.downcast_ref::<String>().cloned();
        let text = text.or_else(|| panic.downcast_ref::<&str>().map(|text| (*text).to_owned()));
        Outcome::Panicked(text.unwrap_or_default())
    });
    QUIET.set(false);
    outcome
}

impl Pair {
    /// Takes a step; the outcome, if it is the same.
    pub fn step(&mut self, step: Step) -> Result<Outcome, Box<Difference>> {
        let before = guarded(|| self.before.step(&step));
        let now = guarded(|| self.now.step(&step));
        match &step {
            Step::Counters => self.counts.push(Counts::default()),
            Step::Channel(setup) => {
                self.counters.push(setup.counters);
                self.differences.push(0);
            }
            Step::Receive { channel, .. } | Step::Answer { channel, .. } => {
                if let (Outcome::Done(done), Some(counters)) = (&before, self.counters.get(*channel)) {
                    self.counts[*counters] = done.counts;
                    self.differences[*channel] = done.shadow_differences;
                }
            }
            _ => {}
        }
        self.steps.push(step);
        if before == now {
            return Ok(now);
        }
        Err(Box::new(Difference { steps: std::mem::take(&mut self.steps), before, now }))
    }

    /// Counts what was met.
    pub fn finish(self, coverage: &mut Coverage) {
        coverage.sessions += 1;
        coverage.steps += self.steps.len() as u64;
        coverage.shadow_differences += self.differences.iter().sum::<u64>();
        self.counts.iter().for_each(|counts| coverage.add(counts));
    }
}

impl Difference {
    /// The fields and events that differ: differences of one kind are told together.
    pub fn kind(&self) -> String {
        match (&self.before, &self.now) {
            (Outcome::Done(before), Outcome::Done(now)) => differing(before, now),
            (before, now) => format!("{before:?} / {now:?}").chars().take(200).collect(),
        }
    }

    /// Both outcomes, but of those fields alone that differ.
    pub fn told(&self) -> String {
        let (Outcome::Done(before), Outcome::Done(now)) = (&self.before, &self.now) else {
            return format!("  before: {:?}\n  now:    {:?}\n", self.before, self.now);
        };
        let (before, now) = (format!("{before:#?}"), format!("{now:#?}"));
        let mut text = String::new();
        for (name, own, other) in [("before", &before, &now), ("now", &now, &before)] {
            let others: Vec<&str> = other.lines().collect();
            text += &format!("  {name}:\n");
            own.lines().filter(|line| !others.contains(line)).for_each(|line| text += &format!("  {line}\n"));
        }
        text
    }

    /// The shortest list of steps that was found to make a difference.
    pub fn shortest(self) -> Self {
        let mut best = replay(&recut(&self.steps)).unwrap_or(self);
        let mut tries = 3000;
        loop {
            let before = size(&best.steps);
            best = fewer_steps(best, &mut tries);
            best = smaller_steps(best, &mut tries);
            if size(&best.steps) == before || tries == 0 {
                return best;
            }
        }
    }
}

fn size(steps: &[Step]) -> usize {
    serde_json::to_string(steps).map_or(0, |text| text.len())
}

fn differing(before: &Done, now: &Done) -> String {
    let mut kinds = Vec::new();
    let mut note = |differs: bool, name: &str| kinds.extend(differs.then(|| name.to_owned()));
    note(before.forward != now.forward, "forward");
    note(before.back != now.back, "back");
    let untargeted = |done: &Done| {
        let ask =
            |ask: &Ask| (ask.ticket, ask.kind.clone(), ask.command.clone(), ask.control.clone(), ask.payload.clone());
        done.asks.iter().map(ask).collect::<Vec<_>>()
    };
    let targets_only = before.asks != now.asks && untargeted(before) == untargeted(now);
    note(before.asks != now.asks, if targets_only { "asks: another target" } else { "asks" });
    note(before.pending != now.pending, "pending");
    note(before.shadow_differences != now.shadow_differences, "shadow_differences");
    note(before.counts != now.counts, "counts");
    note(before.used != now.used || before.guard_atoms != now.guard_atoms, "budget");
    if before.closed != now.closed {
        kinds.push(format!("closed: {:?} / {:?}", before.closed, now.closed));
    }
    let count = before.events.len().max(now.events.len());
    let first = (0..count).find(|at| before.events.get(*at) != now.events.get(*at));
    if let Some(at) = first {
        let (own, other) = (before.events.get(at), now.events.get(at));
        let named = |event: Option<&Event>| {
            event.map_or("nothing".to_owned(), |event| format!("{} {} {}", event.verdict, event.command, event.reason))
        };
        let only_target = own.zip(other).is_some_and(|(own, other)| {
            (&own.verdict, &own.command, &own.reason, own.rule)
                == (&other.verdict, &other.command, &other.reason, other.rule)
                && own.target != other.target
        });
        kinds.push(if only_target {
            "event: another target".to_owned()
        } else {
            format!("event: {} / {}", named(own), named(other))
        });
    }
    kinds.join(", ")
}

/// The difference that these steps make, if they make one.
pub fn replay(steps: &[Step]) -> Option<Difference> {
    let mut pair = Pair::default();
    steps.iter().find_map(|step| pair.step(step.clone()).err()).map(|difference| *difference)
}

/// The same bytes with each frame in a step of its own, so that frames can be left out.
fn recut(steps: &[Step]) -> Vec<Step> {
    let mut all = Vec::new();
    let mut rest = steps.iter().peekable();
    while let Some(step) = rest.next() {
        let Step::Receive { channel, inbound, data, now } = step else {
            all.push(step.clone());
            continue;
        };
        let mut data = data.0.clone();
        while let Some(Step::Receive { channel: next, inbound: way, data: more, .. }) = rest.peek() {
            if (next, way) != (channel, inbound) {
                break;
            }
            data.extend_from_slice(&more.0);
            rest.next();
        }
        all.extend(frames(&data).into_iter().map(|frame| Step::Receive {
            channel: *channel,
            inbound: *inbound,
            data: Bytes(frame.to_vec()),
            now: *now,
        }));
    }
    all
}

fn fewer_steps(mut best: Difference, tries: &mut usize) -> Difference {
    let mut length = best.steps.len().div_ceil(2);
    while length > 0 {
        let mut at = 0;
        while at < best.steps.len() && *tries > 0 {
            // Steps that others name by number stay.
            let end = (at + length).min(best.steps.len());
            let kept =
                best.steps.iter().enumerate().filter(|(index, step)| !(at..end).contains(index) || defines(step));
            let steps: Vec<Step> = kept.map(|(_, step)| step.clone()).collect();
            if steps.len() < best.steps.len() {
                *tries -= 1;
                if let Some(found) = replay(&steps) {
                    best = found;
                    continue;
                }
            }
            at = end;
        }
        length /= 2;
    }
    best
}

fn defines(step: &Step) -> bool {
    matches!(step, Step::Policy(_) | Step::Counters | Step::Budget { .. } | Step::Channel(_))
}

fn smaller_steps(mut best: Difference, tries: &mut usize) -> Difference {
    let mut at = 0;
    while at < best.steps.len() {
        let mut smaller = variants(&best.steps[at]);
        smaller.reverse();
        while let Some(step) = smaller.pop().filter(|_| *tries > 0) {
            let mut steps = best.steps.clone();
            steps[at] = step;
            *tries -= 1;
            if let Some(found) = replay(&steps) {
                best = found;
                smaller = best.steps.get(at).map(variants).unwrap_or_default();
                smaller.reverse();
            }
        }
        at += 1;
    }
    best
}

/// A step with one thing less.
fn variants(step: &Step) -> Vec<Step> {
    match step {
        Step::Policy(policy) => (0..policy.rules.len())
            .map(|at| {
                let mut policy = policy.clone();
                policy.rules.remove(at);
                Step::Policy(policy)
            })
            .collect(),
        Step::Channel(setup) => {
            let mut all = vec![];
            for at in 0..setup.limits.len() {
                let mut setup = setup.clone();
                setup.limits.remove(at);
                all.push(Step::Channel(setup));
            }
            let policies = &setup.policies;
            let mut without = |change: fn(&mut Policies)| {
                let mut setup = setup.clone();
                change(&mut setup.policies);
                all.push(Step::Channel(setup));
            };
            if policies.outbound.is_some() {
                without(|policies| policies.outbound = None);
            }
            if policies.shadow.is_some() {
                without(|policies| policies.shadow = None);
            }
            if policies.hooks.is_some() {
                without(|policies| policies.hooks = None);
            }
            all
        }
        _ => vec![],
    }
}

/// Whole frames, and what is left behind them.
pub fn frames(data: &[u8]) -> Vec<&[u8]> {
    let mut all = Vec::new();
    let mut rest = data;
    while let [a, b, c, d, ..] = rest {
        let length = u32::from_be_bytes([*a, *b, *c, *d]) as usize;
        if rest.len() < length.saturating_add(4) {
            break;
        }
        let (frame, behind) = rest.split_at(length + 4);
        all.push(frame);
        rest = behind;
    }
    all.extend((!rest.is_empty()).then_some(rest));
    all
}
