//! Commands that need an answer first: see [`hooks`](crate::session::hooks) for the questions and their order.

use super::emit::{release_whole, write_whole};
use super::frames::{read, FRAME, READ, SLICE};
use super::greeting::shortened;
use super::question::{longest_question, Gate, OWN_QUESTION, QUESTION, WRITTEN};
use super::shown::{self, Shown};
use super::waited::Rescanned;
use super::who::turned;
use super::{Action, Channel, Parts};
use crate::command::Command;
use crate::direction::Direction;
use crate::error::Bad;
use crate::rules::calls;
use crate::session::clerk::Purpose;
use crate::session::events::Reason;
use crate::session::hooks::{clerk, HandlerAnswer, ParkProgress, Parked, Queue, Waiting, GATE};
use crate::session::judge::{Arrival, Message, Newcomers, Refusal, Room, Ruling};
use crate::session::output::Output;
use crate::term::reader::{Pid, Reader, Terms};
use crate::term::write::{put_atom, put_pid};
use crate::term::{tag, walk};
use crate::verdict::Verdict;
use crate::wire::control::Control;
use crate::wire::op::Op;
use crate::wire::reply::{self, End};

impl Channel {
    /// Answers a question, or gives up on it. The results are in `out` afterwards, as if the peer had sent the command.
    pub fn answer(&mut self, ticket: u64, answer: HandlerAnswer, now: f64, out: &mut Output) {
        out.clear();
        if self.closed {
            return;
        }
        (self.state.steps, self.state.most) = (0, SLICE);
        if self.state.clerk.waits(ticket) {
            return self.close(Bad::SilentGuard, out);
        }
        if let Some((queue, parked)) = self.state.lot.answered(ticket) {
            let keep = parked.waits_for == Waiting::Filter && ticket > self.state.asked_before;
            if let Err(bad) = self.decided(queue, parked, answer, keep, None, now, out) {
                self.close(bad, out);
            }
        }
    }

    /// True if a command waits for the answer to that question.
    #[must_use]
    pub fn waits(&self, ticket: u64) -> bool {
        self.state.clerk.waits(ticket)
            || self.state.lot.waits_for(ticket).is_some_and(|waiting| waiting != Waiting::Who)
    }

    /// True if commands of the peer wait in line, or for the next slice. So they will not wait long.
    #[must_use]
    pub fn parks(&self) -> bool {
        self.state.lot.holds(Queue::Line) || self.is_due()
    }

    /// True if commands of the peer that have waited go on in the next slice for the peer's side, which may be empty.
    #[must_use]
    pub fn is_due(&self) -> bool {
        self.state.lot.is_due()
    }

    /// Lets commands go on that were put off, until the slice is over. Returns false if some are left.
    #[cold]
    pub(super) fn catch_up(&mut self, now: f64, out: &mut Output) -> Result<bool, Bad> {
        while let Some((queue, parked)) = self.state.lot.due() {
            let step = parked.progress;
            self.run_on(queue, parked, step, now, out)?;
            if self.state.is_over() {
                break;
            }
        }
        Ok(!self.is_due())
    }

    /// Handles a whole message of the peer that may have to wait, and puts the results into `out`.
    pub(super) fn detour(&mut self, mut parked: Parked, now: f64, out: &mut Output) -> Result<Action, Bad> {
        parked.ticket = self.state.lot.ticket();
        let full = self.state.lot.full(parked.size(), &self.fixed.ends.limits);
        match self.state.lot.queue(parked.sender) {
            Some(queue) if full.is_none() => {
                if queue == Queue::Line {
                    self.ask_ahead(&mut parked);
                }
                self.state.lot.push(queue, parked);
            }
            Some(queue) => {
                let step = ParkProgress { full, ..ParkProgress::FIRST };
                self.go_on(queue, parked, step, now, out)?;
            }
            None => {
                self.go_on(Queue::Line, parked, ParkProgress::FIRST, now, out)?;
            }
        }
        self.made.clear();
        Ok(Action::Replace)
    }

    /// Has the guarded node asked about the target of a command in line, so that few questions tell about many. It is judged
    /// when its turn comes; what is wrong with it now may be right then.
    fn ask_ahead(&mut self, parked: &mut Parked) {
        let Channel { fixed, state, scanner, .. } = self;
        parked.recall(fixed, scanner);
        let jumps = parked.jumps();
        let terms = Terms { jumps: jumps.as_ref(), ..fixed.terms(parked.named()) };
        let watch = fixed.watch(Direction::Inbound, &terms);
        let parts = Parts { body: &parked.body, sequence: None, versioned: parked.versioned };
        let mut room = Room::default();
        let Ok(message) = read(&parts, fixed, &mut room, scanner, jumps.is_some(), &watch) else { return };
        let arrival = Arrival { over: None, atoms: Newcomers::Kept(&parked.atoms), watch: &watch };
        let mut ruling = Ruling::pass(None);
        let ruled = fixed.rule(Direction::Inbound, &message, &state.track, &mut scanner.found, arrival, &mut ruling);
        state.steps += if jumps.is_some() { 0 } else { parked.body.len() as u64 };
        state.steps += message.work.steps(&fixed.ends.limits);
        if let (Ok(()), Some(pid)) = (ruled, ruling.asks) {
            state.clerk.look_up(pid);
        }
        parked.keep(scanner);
    }

    /// Handles a message of the guarded node to the clerk: the answer to a question of distwall.
    pub(super) fn clerk_got(&mut self, message: &Message<'_, '_>, now: f64, out: &mut Output) -> Result<(), Bad> {
        let control = message.control;
        if self.told_who(message, now, out)? {
            return Ok(());
        }
        let Some((_, reference)) = control.reference() else { return Ok(()) };
        let Some(Purpose::Ticket(ticket)) = self.state.clerk.purpose(reference) else {
            return Ok(());
        };
        let spawned = match control {
            Control::SpawnReply { .. } => control.spawned().map(|process| process.pid),
            Control::MonitorExit { .. } => None,
            _ => return Ok(()),
        };
        if spawned.is_some() && self.state.lot.waits_for(ticket) == Some(Waiting::Filter) {
            // Its answer is how it ends.
            return Ok(());
        }
        self.state.clerk.take(reference);
        let Some((queue, parked)) = self.state.lot.answered(ticket) else {
            if let Some(pid) = spawned {
                // Given up. It would wait for its message for good.
                let ends = &self.fixed.ends;
                let from = End { node: &ends.names.peer, pid: clerk(ends.peer_creation) };
                reply::kill(&mut out.back, ends.form, from, End { node: &ends.names.guard, pid });
            }
            return Ok(());
        };
        let filter = parked.waits_for == Waiting::Filter;
        let verdict = if filter { message.payload.and_then(opinion_in) } else { spawned.map(|_| Verdict::Accept) };
        let answer = HandlerAnswer { verdict: verdict.unwrap_or(Verdict::Deny), payload: None };
        // Why a filter gave no answer may be over next time.
        let keep = filter && verdict.is_some() && ticket > self.state.asked_before;
        let mut inner = Output::default();
        let result = self.decided(queue, parked, answer, keep, spawned, now, &mut inner);
        turned(inner, out);
        result
    }

    /// Takes the answer for a parked command; then the commands behind it have their turn.
    #[allow(clippy::too_many_arguments)]
    fn decided(
        &mut self,
        queue: Queue,
        mut parked: Parked,
        answer: HandlerAnswer,
        keep: bool,
        deliver: Option<Pid>,
        now: f64,
        out: &mut Output,
    ) -> Result<(), Bad> {
        let mut verdict = answer.verdict;
        if let (Verdict::Accept, Some(payload)) = (verdict, answer.payload) {
            if !self.exchange(&mut parked, &payload)? {
                verdict = Verdict::Deny;
            }
        }
        let step = ParkProgress { passed: parked.waits_for, verdict: Some(verdict), keep, deliver, full: None };
        self.run_on(queue, parked, step, now, out)
    }

    /// Lets a command go on from its stage; then the commands behind it in its queue have their turn.
    pub(super) fn run_on(
        &mut self,
        queue: Queue,
        parked: Parked,
        step: ParkProgress,
        now: f64,
        out: &mut Output,
    ) -> Result<(), Bad> {
        let mut next = Some((parked, step));
        while let Some((parked, step)) = next.take() {
            let own = Queue::Sender(parked.sender);
            if queue == Queue::Line && self.state.lot.holds(own) {
                self.state.lot.push(own, parked);
            } else {
                match self.rescan(parked)? {
                    Rescanned::Whole(parked) => {
                        if !self.go_on(queue, parked, step, now, out)? {
                            break;
                        }
                    }
                    Rescanned::Later(parked, first) => {
                        self.state.lot.put_off_first(queue, parked, step, first);
                        return Ok(());
                    }
                }
            }
            if self.state.is_over() {
                self.state.lot.put_off(queue);
                return Ok(());
            }
            next = self.state.lot.pop(queue).map(|parked| {
                let step = parked.progress;
                (parked, step)
            });
        }
        Ok(())
    }

    /// Replaces the message of a parked command; false if the new message could not pass, or is too long.
    fn exchange(&mut self, parked: &mut Parked, payload: &[u8]) -> Result<bool, Bad> {
        let Channel { fixed, state, scanner, .. } = self;
        state.steps += payload.len() as u64;
        if payload.len() as u64 > fixed.ends.limits.handled_size() {
            return Ok(false);
        }
        let terms = fixed.terms(parked.named());
        let mut reader = Reader::new(&parked.body, &terms);
        walk::skip(&mut reader, 1)?;
        let end = reader.pos;
        if end == parked.body.len() {
            return Ok(false);
        }
        let watch = fixed.watch(Direction::Inbound, &terms);
        let whole = |body| Parts { body, sequence: None, versioned: parked.versioned };
        let mut room = Room::default();
        // It was scanned before it waited.
        let old = read(&whole(&parked.body), fixed, &mut room, scanner, true, &watch)?;
        let control = old.control;
        let shown = Shown::of(&old);
        let relayed = matches!(shown, Shown::Relayed(_));
        let asked_of_handler = parked.waits_for == Waiting::Call || control.mfa().is_some();
        let takes_arguments = asked_of_handler && !relayed;
        // An atom by position would name one of the header.
        let plain = Terms::plain(&fixed.ends.names);
        let watch_new = fixed.watch(Direction::Inbound, &plain);
        scanner.found.clear();
        let scanned = if takes_arguments {
            scanner.whole_proper(payload, 0, &watch_new)
        } else {
            scanner.whole(payload, 0, &watch_new)
        };
        if scanned != Ok(payload.len()) {
            return Ok(false);
        }
        let content = if asked_of_handler || relayed { shown.content(&parked.body) } else { None };
        let body = match content {
            Some((start, end)) => [&parked.body[..start], payload, &parked.body[end..]].concat(),
            // An external fun has no arguments; and `rex` puts the sender before some messages.
            None if relayed || asked_of_handler && shown.is_carried(control) => return Ok(false),
            None => {
                let version: &[u8] = if parked.versioned { &[tag::VERSION] } else { &[] };
                [&parked.body[..end], version, payload].concat()
            }
        };
        // Of a call it has to be as many arguments as there were. Both parts of the new body were scanned.
        let mut room = Room::default();
        let fits = match read(&whole(&body), fixed, &mut room, scanner, true, &watch) {
            Ok(new) => Shown::of(&new).arity() == shown.arity() || !asked_of_handler,
            Err(_) => false,
        };
        if fits {
            (parked.body, parked.scan) = (body.into(), None);
        }
        Ok(fits)
    }

    /// Judges a command, again if it has waited, and lets it go on from what it waited for. False if it waits, and with it
    /// its queue.
    fn go_on(
        &mut self,
        queue: Queue,
        mut parked: Parked,
        step: ParkProgress,
        now: f64,
        out: &mut Output,
    ) -> Result<bool, Bad> {
        let Channel { fixed, state, lanes, scanner, made, .. } = self;
        let caches = &mut lanes[Direction::Inbound as usize].caches;
        made.clear();
        (parked.asked, parked.progress) = (0, ParkProgress::FIRST);
        parked.recall(fixed, scanner);
        let body = &parked.body[..];
        let jumps = parked.jumps();
        state.steps += if jumps.is_some() { FRAME } else { FRAME + body.len() as u64 };
        let terms = Terms { jumps: jumps.as_ref(), ..fixed.terms(parked.named()) };
        let watch = fixed.watch(Direction::Inbound, &terms);
        let parts = Parts { body, sequence: None, versioned: parked.versioned };
        let mut room = Room::default();
        let message = read(&parts, fixed, &mut room, scanner, jumps.is_some(), &watch)?;
        let control = message.control;
        let arrival = Arrival { over: None, atoms: Newcomers::Kept(&parked.atoms), watch: &watch };
        let mut ruling = Ruling::pass(None);
        // What was told before the other questions is good for the answers, too.
        state.track.people.settled = step.passed > Waiting::Who;
        let ruled = fixed.rule(Direction::Inbound, &message, &state.track, &mut scanner.found, arrival, &mut ruling);
        state.track.people.settled = false;
        ruled?;
        if let Some(pid) = ruling.asks {
            let full = step.full.or_else(|| state.lot.full(parked.size(), &fixed.ends.limits));
            let Some(limit) = full else {
                state.steps += message.work.steps(&fixed.ends.limits);
                parked.waits_for = Waiting::Who;
                parked.keep(scanner);
                state.clerk.wait(pid, parked.ticket);
                state.lot.push_front(queue, parked);
                fixed.ask_who(state, out);
                return Ok(false);
            };
            ruling = Ruling::refused(Refusal::deny(Reason::Limit(limit)), None);
        }
        if let (true, Some(verdict)) = (step.keep, step.verdict) {
            state.opinions.keep(&Shown::of(&message).opinion(control), verdict, fixed.ends.limits.tracked());
        }
        let evaluated = (ruling.verdict == Verdict::Accept && fixed.evaluated(&message)).then_some(GATE);
        let gate = match (step.full, step.verdict) {
            _ if ruling.verdict != Verdict::Accept => Gate::Pass,
            (Some(limit), _) => Gate::Refused(Verdict::Deny, Reason::Limit(limit)),
            (None, Some(verdict @ (Verdict::Deny | Verdict::Drop))) => Gate::Refused(verdict, Reason::Handler),
            (None, _) => fixed.gate(&message, step.passed, &state.opinions, evaluated.is_some()),
        };
        match gate {
            Gate::Wait(waiting) => match fixed.ask(&message, &parked, waiting, (&state.lot, &mut state.clerk), out) {
                Ok(asked) => {
                    state.steps += message.work.steps(&fixed.ends.limits) + QUESTION + asked as u64 / WRITTEN;
                    (parked.waits_for, parked.asked) = (waiting, asked);
                    parked.keep(scanner);
                    state.lot.push_front(Queue::Sender(parked.sender), parked);
                    return Ok(queue == Queue::Line);
                }
                Err(limit) => {
                    state.steps += longest_question(&parked, &fixed.ends.limits) / WRITTEN;
                    let reason = Reason::Limit(limit);
                    let refusal = Refusal { verdict: Verdict::Deny, rule: ruling.rule, reason };
                    ruling = Ruling::refused(refusal, None);
                }
            },
            Gate::Refused(verdict, reason) => {
                ruling = Ruling::refused(Refusal { verdict, rule: ruling.rule, reason }, None);
            }
            _ => {}
        }
        if !fixed.conclude(state, Direction::Inbound, &message, &ruling, scanner, now, out, made)? {
            out.made(made);
            if parked.body.len() > READ {
                out.keep(parked.body);
            }
            return Ok(true);
        }
        let end = message.payload.map_or(body.len(), |payload| payload.pos);
        let short = shortened(&message, &ruling, &fixed.ends, body);
        match gate {
            Gate::Own => {
                state.steps += OWN_QUESTION;
                out.asks.extend(fixed.own_question(&message, &parked));
            }
            Gate::Rewrite(module) if evaluated.is_none() && calls::carries_named(control) => {
                let body = shown::rewritten_within(&message, body, &module, &fixed.ends.names.peer)?;
                write_whole(made, &body, &parked.atoms, parked.versioned, caches);
            }
            Gate::Rewrite(module) => {
                let (mut body, end) = rewritten(body, end, &module, &fixed.ends.names.peer, &watch)?;
                if let Some(gate) = evaluated {
                    // The handler decides about what the evaluator would start.
                    (body, _) = rewritten(&body, end, gate, &fixed.ends.names.peer, &watch)?;
                }
                write_whole(made, &body, &parked.atoms, parked.versioned, caches);
            }
            _ if evaluated.is_some() => {
                let (body, _) = rewritten(body, end, GATE, &fixed.ends.names.peer, &watch)?;
                write_whole(made, &body, &parked.atoms, parked.versioned, caches);
            }
            _ => match step.deliver {
                None if body.len() > READ && short.is_none() => {
                    let body = std::mem::take(&mut parked.body);
                    release_whole(out, body, &parked.atoms, parked.versioned, caches);
                    state.end_slice();
                }
                None => {
                    let body = short.as_deref().unwrap_or(body);
                    write_whole(made, body, &parked.atoms, parked.versioned, caches);
                }
                // Nothing but its arguments goes to this one.
                Some(_) if control.command() == Command::GroupLeader => {}
                Some(to) => {
                    let from = control.from().map(|from| End { node: from.node.text, pid: from.pid });
                    let mut delivered = Vec::new();
                    put_send(&mut delivered, from, End { node: &fixed.ends.names.guard, pid: to });
                    let rest = if parked.versioned { end - 1 } else { end };
                    delivered.extend_from_slice(&body[rest..]);
                    write_whole(made, &delivered, &parked.atoms, parked.versioned, caches);
                }
            },
        }
        out.made(made);
        Ok(true)
    }
}

/// SEND_SENDER, or SEND for a message that doesn't name its sender.
fn put_send(out: &mut Vec<u8>, from: Option<End<'_>>, to: End<'_>) {
    let op = if from.is_some() { Op::SendSender } else { Op::Send };
    out.extend_from_slice(&[tag::SMALL_TUPLE, op.arity(), tag::SMALL_INTEGER, op as u8]);
    match from {
        Some(from) => put_pid(out, from.node, from.pid),
        None => put_atom(out, b""),
    }
    put_pid(out, to.node, to.pid);
}

/// A spawn request whose function is `dist_spawn_init/4` of a module, with the peer's name, and the requested module,
/// function and arguments. `end`: the end of its control message; also returned for the new one.
fn rewritten(
    body: &[u8],
    end: usize,
    module: &[u8],
    peer: &[u8],
    watch: &crate::term::scan::Watch<'_>,
) -> Result<(Vec<u8>, usize), Bad> {
    let mut reader = Reader { pos: 2, ..Reader::new(body, watch.terms) };
    // The opcode, reference, sender and group leader.
    walk::skip(&mut reader, 4)?;
    let start = reader.pos;
    reader.pos += 2;
    let module_start = reader.pos;
    walk::skip(&mut reader, 1)?;
    let function_start = reader.pos;
    walk::skip(&mut reader, 1)?;
    let function_end = reader.pos;
    walk::skip(&mut reader, 1)?;
    let mut out = body[..start].to_vec();
    out.extend_from_slice(&[tag::SMALL_TUPLE, 3]);
    put_atom(&mut out, module);
    put_atom(&mut out, b"dist_spawn_init");
    out.extend_from_slice(&[tag::SMALL_INTEGER, 4]);
    out.extend_from_slice(&body[reader.pos..end]);
    let new_end = out.len();
    out.extend_from_slice(&[tag::LIST, 0, 0, 0, 4]);
    put_atom(&mut out, peer);
    out.extend_from_slice(&body[module_start..function_start]);
    out.extend_from_slice(&body[function_start..function_end]);
    out.extend_from_slice(&body[end..]);
    out.push(tag::NIL);
    Ok((out, new_end))
}

/// The answer in the exit reason of a module filter's process: `{Reference, return, Answer}`.
fn opinion_in(mut reader: Reader<'_>) -> Option<Verdict> {
    if reader.tuple().ok()? != 3 {
        return None;
    }
    reader.reference().ok()?;
    if reader.atom().ok()?.text != b"return" {
        return None;
    }
    match reader.atom().ok()?.text {
        b"accept" | b"true" => Some(Verdict::Accept),
        b"deny" | b"reject" | b"false" => Some(Verdict::Deny),
        b"drop" => Some(Verdict::Drop),
        _ => None,
    }
}
