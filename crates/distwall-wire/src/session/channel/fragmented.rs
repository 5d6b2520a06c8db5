//! Fragmented messages: see [`fragments`](crate::wire::fragments) for their three modes.

use super::ahead::{begin, LARGE, MAX_FRAGMENT};
use super::emit::{pass, rehearsal, release};
use super::frames::{numbers, read, same_arity, READ};
use super::greeting::is_long;
use super::{is_for_clerk, sender, settle, Action, Channel, Fixed, Parts, State};
use crate::command::Command;
use crate::direction::Direction;
use crate::error::Bad;
use crate::limits::Limit;
use crate::session::events::Reason;
use crate::session::hooks::Parked;
use crate::session::judge::{self, Arrival, Message, Newcomers, Refusal, Room, Ruling};
use crate::session::output::Output;
use crate::term::atoms::size_of_atoms;
use crate::term::reader::{Reader, Terms};
use crate::term::scan::Scanner;
use crate::wire::control::{self, Dialect};
use crate::wire::fragments::{Mode, Sequence};
use crate::wire::frame::FRAGMENT_AT;

/// The refusal of a message without room to hold it until it can be judged.
const NO_ROOM: Reason = Reason::Limit(Limit::HeldBytes);

impl Channel {
    /// Handles the first fragment of several.
    pub(super) fn first_fragment(
        &mut self,
        direction: Direction,
        parts: &Parts<'_>,
        (id, fragments): (u64, u64),
        now: f64,
        out: &mut Output,
    ) -> Result<Action, Bad> {
        let Channel { fixed, state, lanes, scanner, made, .. } = self;
        let lane = &mut lanes[direction as usize];
        let body = parts.body;
        let atoms = lane.refs.atoms.clone();
        let terms = fixed.terms(&atoms);
        let watch = fixed.watch(direction, &terms);
        let mut reader = Reader::new(body, watch.terms);
        let (mut room, mut asker) = (None, None);
        let control = control::decode(&mut reader, &mut room, Dialect { flags: fixed.ends.flags }, scanner, &watch)?;
        if !control.payload() {
            return Err(Bad::FragmentedWithoutPayload);
        }
        let message = Message::new(control, Some(reader), &mut asker);
        let arguments = match control.mfa() {
            Some(mfa) => match judge::arguments(reader)? {
                Some(given) => same_arity(mfa.arity, given).map(|()| true)?,
                None => false,
            },
            None => true,
        };
        let (action, mode);
        let over = state.takes(direction, control);
        let court = fixed.court(direction, &state.track);
        let asked =
            direction == Direction::Inbound && (fixed.hooked(control) || state.lot.queue(sender(control)).is_some());
        let own = direction == Direction::Outbound && is_for_clerk(control);
        if let Some(limit) = over {
            let settles = judge::settles(&message, &state.track, direction)?;
            let ruling = Ruling::refused(Refusal::deny(Reason::Limit(limit)), settles);
            fixed.conclude(state, direction, &message, &ruling, scanner, now, out, made)?;
            action = Action::Replace;
            mode = Mode::Refused;
        } else if !asked
            && !own
            && arguments
            && court.map_or(Ok(true), |court| court.passes_unseen(&message, &mut scanner.found))?
        {
            let mut streaming = Box::<Scanner>::default();
            streaming.found = std::mem::take(&mut scanner.found);
            lane.caches.untold(&lane.refs).for_each(|atom| streaming.found.atom(&atom.text, &watch));
            judge::atoms_of_control(control, &mut streaming.found, &watch);
            judge::nodes_of_control(control, &mut streaming.found, &watch);
            streaming.begin(control.command() == Command::SpawnRequest);
            streaming.feed(&body[reader.pos..], false, &watch)?;
            let mut ruling = Ruling::pass(judge::settles(&message, &state.track, direction)?);
            if let Some(court) = court {
                // The shadow policy sees the beginning of it: on its account nothing is held.
                ruling.differs = fixed.differs(&court, &message, &ruling, &mut streaming.found)?;
            }
            fixed.streamed_so_far(&mut streaming, direction)?;
            let shows = settle::shows(&message, direction, &state.track);
            fixed.conclude(state, direction, &message, &ruling, &mut streaming, now, out, made)?;
            if direction == Direction::Inbound && !control::is_plain(Reader { pos: 0, ..reader }, reader.pos) {
                let mut first = Vec::new();
                rehearsal(&mut first, &body[..reader.pos], fixed.ends.peer(), &atoms, &mut lane.caches);
                out.made(&first);
            }
            action = pass(&mut lane.caches, &lane.refs, parts, made, None);
            mode = Mode::Streamed { scanner: streaming, shows, control: body[..reader.pos].into(), rules: state.rules };
        } else if lane.sequences.room(body.len(), &fixed.ends.limits) {
            action = Action::Replace;
            // Room for as much as has come once more: most fragmented messages have few fragments.
            let mut held = Vec::with_capacity(2 * body.len());
            held.extend_from_slice(body);
            // Now, so that nothing of it is left for the slice in which the last fragment comes.
            let ahead = if body.len() >= LARGE { begin(fixed, body, false, &watch)? } else { None };
            let mut ahead = ahead.map(Box::new);
            if let Some(ahead) = &mut ahead {
                ahead.look_on(body, body.len(), &watch)?;
            }
            mode = Mode::Held { body: held.into(), cuts: Vec::new(), ahead };
        } else {
            fixed.conclude(state, direction, &message, &Ruling::deny(NO_ROOM), scanner, now, out, made)?;
            action = Action::Replace;
            mode = Mode::Refused;
        }
        let bytes = body.len() as u64;
        let atoms = if matches!(mode, Mode::Refused) { Vec::new() } else { atoms };
        let atoms_size = size_of_atoms(&atoms);
        lane.sequences.open(
            id,
            Sequence { next: fragments - 1, bytes, begun: now, atoms, atoms_size, mode },
            &fixed.ends.limits,
        )?;
        Ok(action)
    }

    /// Handles a fragment that isn't the first.
    pub(super) fn fragment(
        &mut self,
        direction: Direction,
        frame: &[u8],
        now: f64,
        out: &mut Output,
    ) -> Result<Action, Bad> {
        let (id, number) = numbers(frame)?;
        if number == 1 && self.scans_held(direction, id)? {
            return Ok(Action::Again);
        }
        let part = &frame[FRAGMENT_AT..];
        let Channel { fixed, state, lanes, scanner, made, .. } = self;
        let lane = &mut lanes[direction as usize];
        let Sequence { next, bytes, begun, atoms, atoms_size, mut mode } =
            lane.sequences.advance(id, number, part.len(), &fixed.ends.limits)?;
        let terms = fixed.terms(&atoms);
        let watch = fixed.watch(direction, &terms);
        let last = next == 0;
        let mut action = Action::Replace;
        match &mut mode {
            Mode::Refused => {}
            Mode::Streamed { scanner: streaming, shows, control, rules } => {
                if *rules != state.rules && !fixed.goes_on(control, &terms, state, scanner, direction)? {
                    return Err(Bad::BegunByOldRules);
                }
                *rules = state.rules;
                if let Some(limit) = state.rates.flooded().filter(|_| direction == Direction::Inbound) {
                    return Err(Bad::Exceeded(limit));
                }
                streaming.feed(part, last, &watch)?;
                fixed.streamed_so_far(streaming, direction)?;
                state.claim(streaming, &fixed.ends.limits);
                state.disclose(direction, streaming, *shows);
                if last && !streaming.finished() {
                    return Err(Bad::FragmentsEndEarly);
                }
                action = Action::Forward;
            }
            Mode::Held { body, cuts, ahead } => {
                let before = body.len();
                cuts.push(before);
                let most = (before as u64).saturating_add(next.saturating_add(1).saturating_mul(MAX_FRAGMENT as u64));
                body.extend(
                    part,
                    most.min(fixed.ends.limits.held_bytes().saturating_add(MAX_FRAGMENT as u64)) as usize,
                );
                if ahead.is_none() && body.len() >= LARGE {
                    *ahead = begin(fixed, body, false, &watch)?.map(Box::new);
                }
                if let Some(ahead) = ahead {
                    if last {
                        ahead.finish(body, &mut scanner.found, &watch)?;
                    } else {
                        let mut most = part.len();
                        if ahead.lags(before) {
                            // After a change of rules this catches up.
                            most = most.max(READ.min(2 * most));
                            state.steps += (most - part.len()) as u64;
                        }
                        ahead.look_on(body, most, &watch)?;
                    }
                }
                if last {
                    let parts = Parts { body, sequence: None, versioned: false };
                    let mut room = Room::default();
                    let jumps = ahead.as_deref().map(|ahead| ahead.jumps(parts.body));
                    let terms = Terms { jumps: jumps.as_ref(), ..fixed.terms(&atoms) };
                    let watch = fixed.watch(direction, &terms);
                    let message = read(&parts, fixed, &mut room, scanner, ahead.is_some(), &watch)?;
                    let control = message.control;
                    let sender = sender(control);
                    if direction == Direction::Outbound && is_for_clerk(control) {
                        let body = std::mem::take(body);
                        return self.for_clerk(&body, &atoms, false, now, out);
                    }
                    if direction == Direction::Inbound && (fixed.hooked(control) || state.lot.queue(sender).is_some()) {
                        let mut parked = Parked::new(sender, std::mem::take(body), atoms, false);
                        parked.scan = ahead.take().map(|ahead| state.keep(ahead.into_large(), scanner));
                        return self.detour(parked, now, out);
                    }
                    let arrival = Arrival { over: None, atoms: Newcomers::Kept(&atoms), watch: &watch };
                    let mut ruling = Ruling::pass(None);
                    fixed.rule(direction, &message, &state.track, &mut scanner.found, arrival, &mut ruling)?;
                    if ruling.asks.is_some() || is_long(&message, &ruling, &fixed.ends) {
                        state.steps += message.work.steps(&fixed.ends.limits);
                        let mut parked = Parked::new(sender, std::mem::take(body), atoms, false);
                        parked.scan = ahead.take().map(|ahead| state.keep(ahead.into_large(), scanner));
                        return self.detour(parked, now, out);
                    }
                    if body.len() > READ {
                        state.end_slice();
                    }
                    if fixed.conclude(state, direction, &message, &ruling, scanner, now, out, made)? {
                        let end = message.payload.map_or(0, |payload| payload.pos);
                        let start = Reader::new(body, watch.terms);
                        if direction == Direction::Inbound && !control::is_plain(start, end) {
                            rehearsal(made, &body[..end], fixed.ends.peer(), &atoms, &mut lane.caches);
                            out.made(made);
                            made.clear();
                        }
                        release(out, id, std::mem::take(body), cuts, &atoms, &mut lane.caches);
                    } else {
                        out.keep(std::mem::take(body));
                    }
                } else if !lane.sequences.room(body.len(), &fixed.ends.limits) {
                    let mut reader = Reader::new(body, watch.terms);
                    let (mut room, mut asker) = (None, None);
                    let control =
                        control::decode(&mut reader, &mut room, Dialect { flags: fixed.ends.flags }, scanner, &watch)?;
                    let message = Message::new(control, Some(reader), &mut asker);
                    fixed.conclude(state, direction, &message, &Ruling::deny(NO_ROOM), scanner, now, out, made)?;
                    out.keep(std::mem::take(body));
                    mode = Mode::Refused;
                }
            }
        }
        if !last {
            let sequence = Sequence { next, bytes, begun, atoms, atoms_size, mode };
            lane.sequences.open(id, sequence, &fixed.ends.limits)?;
        }
        Ok(action)
    }
}

impl Channel {
    /// Scans some of a message in fragments before its last fragment is taken. False if all of it was scanned: only after
    /// a change of rules it was not.
    fn scans_held(&mut self, direction: Direction, id: u64) -> Result<bool, Bad> {
        let Channel { fixed, state, lanes, .. } = self;
        if state.most == u64::MAX {
            return Ok(false);
        }
        let scanned = lanes[direction as usize].sequences.revisit(id, |Sequence { atoms, mode, .. }| {
            let Mode::Held { body, ahead, .. } = mode else { return Ok(false) };
            if body.len() < LARGE {
                return Ok(false);
            }
            let terms = fixed.terms(atoms);
            let watch = fixed.watch(direction, &terms);
            if ahead.is_none() {
                *ahead = begin(fixed, body, false, &watch)?.map(Box::new);
            }
            match ahead {
                Some(ahead) if ahead.lags(body.len()) => ahead.look_on(body, READ, &watch).map(|()| true),
                _ => Ok(false),
            }
        });
        let scanned = scanned.unwrap_or(Ok(false))?;
        if scanned {
            state.end_slice();
        }
        Ok(scanned)
    }
}

impl Fixed {
    /// True if the present rules, too, let a message pass whose control message this is, whatever comes in it.
    fn goes_on(
        &self,
        control: &[u8],
        terms: &Terms<'_>,
        state: &State,
        scanner: &mut Scanner,
        direction: Direction,
    ) -> Result<bool, Bad> {
        let Some(court) = self.court(direction, &state.track).filter(|court| !court.audit) else { return Ok(true) };
        let watch = self.watch(direction, terms);
        let mut reader = Reader::new(control, terms);
        let (mut room, mut asker) = (None, None);
        let control = control::decode(&mut reader, &mut room, Dialect { flags: self.ends.flags }, scanner, &watch)?;
        court.passes_unseen(&Message::new(control, Some(reader), &mut asker), &mut scanner.found)
    }

    /// Ends the channel if a streamed message should have been refused: it is too late for a refusal.
    fn streamed_so_far(&self, scanner: &mut Scanner, direction: Direction) -> Result<(), Bad> {
        if direction == Direction::Outbound {
            return Ok(());
        }
        let found = &mut scanner.found;
        // Where refusals are recorded only, this message came before they were.
        let audit = self.policies.audit;
        if found.third_node && !audit {
            return Err(Bad::BegunThirdNode);
        }
        if found.funs > 0 && !audit && !self.policies.inbound.allows_funs(true) {
            return Err(Bad::BegunFun);
        }
        if let Some(limit) = found.over {
            return Err(Bad::Exceeded(limit));
        }
        found.claim.commit(&self.budget);
        Ok(())
    }
}
