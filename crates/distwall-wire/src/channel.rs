//! One distribution connection after its handshake: bytes in, bytes and verdicts out.

use std::sync::Arc;

use crate::atoms::{Caches, Names};
use crate::budget::Budget;
use crate::control::{self, Command, Dialect};
use crate::counters::Counters;
use crate::event::{self, Event, Reason};
use crate::flags;
use crate::header::{self, Ref};
use crate::judge::{self, Ends, Message, Ruling};
use crate::limits::Limits;
use crate::output::Output;
use crate::policy::{Policy, Verdict};
use crate::reply::{Form, TICK};
use crate::scan::{Scanner, Watch};
use crate::sequence::{Mode, Sequence, Sequences};
use crate::term::{Reader, Table};
use crate::track::Track;
use crate::{Bad, Direction};

mod settle;

/// What a channel is made of.
pub struct Setup {
    /// The peer's name.
    pub peer: String,
    /// The peer's incarnation; 0: not known.
    pub peer_creation: u32,
    /// The guarded node's name.
    pub guard: String,
    /// The guarded node's incarnation.
    pub guard_creation: u32,
    /// The negotiated flags.
    pub flags: u64,
    /// The peer's rules.
    pub policy: Arc<Policy>,
    /// Where commands are counted.
    pub counters: Arc<Counters>,
    /// Where new atoms and funs are counted.
    pub budget: Arc<Budget>,
    /// Caps.
    pub limits: Limits,
    /// The atom that refused spawn requests and calls get.
    pub deny_reason: String,
}

/// One direction.
#[derive(Default)]
struct Lane {
    /// The beginning of a frame whose rest hasn't come.
    carry: Vec<u8>,
    caches: Caches,
    sequences: Sequences,
    /// When something was last forwarded.
    forwarded: f64,
}

/// One distribution connection.
pub struct Channel {
    ends: Ends,
    policy: Arc<Policy>,
    counters: Arc<Counters>,
    budget: Arc<Budget>,
    track: Track,
    lanes: [Lane; 2],
    reporter: Reporter,
    closed: bool,
    // Kept between frames for their memory only.
    scanner: Scanner,
    refs: Vec<Ref>,
    made: Vec<u8>,
}

/// What becomes of a frame.
enum Action {
    /// It goes on as it came.
    Forward,
    /// What stands in `Channel::made` (if anything) takes its place.
    Replace,
}

/// Where the parts of a frame are.
struct Parts<'a> {
    /// From the control message on.
    body: &'a [u8],
    /// For a first fragment: sequence and fragment number.
    sequence: Option<(u64, u64)>,
    /// Whether terms begin with 131.
    versioned: bool,
}

impl Channel {
    /// A new one, right behind the handshake.
    #[must_use]
    pub fn new(setup: Setup) -> Self {
        let limits = setup.limits;
        Channel {
            track: Track::new(limits.tracked()),
            ends: Ends {
                names: Names {
                    peer: setup.peer.into_bytes().into(),
                    guard: setup.guard.into_bytes().into(),
                },
                peer_creation: setup.peer_creation,
                guard_creation: setup.guard_creation,
                flags: setup.flags,
                form: Form::of(setup.flags),
                limits,
                deny_reason: setup.deny_reason.into_bytes().into(),
            },
            policy: setup.policy,
            counters: setup.counters,
            budget: setup.budget,
            lanes: Default::default(),
            reporter: Reporter::default(),
            closed: false,
            scanner: Scanner::default(),
            refs: Vec::new(),
            made: Vec::new(),
        }
    }

    /// Judges by these rules from the next command on.
    pub fn set_policy(&mut self, policy: Arc<Policy>) {
        self.policy = policy;
    }

    /// Bytes held now, in both directions.
    #[must_use]
    pub fn pending(&self) -> u64 {
        self.lanes
            .iter()
            .map(|lane| lane.carry.len() as u64 + lane.sequences.held())
            .sum()
    }

    /// Refusals that no event has told of yet; starts again from 0.
    pub fn folded(&mut self) -> u64 {
        std::mem::take(&mut self.reporter.folded)
    }

    /// Feeds bytes that one side sent; `now` is in seconds, from any start. What is to be done stands in `out` afterwards.
    pub fn receive(&mut self, direction: Direction, data: &[u8], now: f64, out: &mut Output) {
        out.clear();
        if self.closed {
            return;
        }
        let mut frames = 0;
        if let Err(bad) = self.frames(direction, data, now, out, &mut frames) {
            self.closed = true;
            self.lanes = Default::default();
            out.closed = Some(bad.0.to_owned());
            return;
        }
        let lane = &mut self.lanes[direction as usize];
        if !out.forward.is_empty() {
            lane.forwarded = now;
        } else if frames > 0 && now - lane.forwarded >= 1.0 {
            // A sender that is busy doesn't tick; a receiver that hears nothing hangs up.
            lane.forwarded = now;
            out.made(&TICK);
        }
    }

    fn frames(
        &mut self,
        direction: Direction,
        data: &[u8],
        now: f64,
        out: &mut Output,
        frames: &mut usize,
    ) -> Result<(), Bad> {
        let mut pos = 0;
        let lane = &mut self.lanes[direction as usize];
        if !lane.carry.is_empty() {
            let mut carry = std::mem::take(&mut lane.carry);
            let complete = fill(&mut carry, data, &mut pos, &self.ends.limits)?;
            if !complete {
                self.lanes[direction as usize].carry = carry;
                return Ok(());
            }
            *frames += 1;
            match self.frame(direction, &carry[4..], now, out)? {
                Action::Forward => out.made(&carry),
                Action::Replace => out.made(&self.made),
            }
            carry.clear();
            if carry.capacity() <= 1 << 17 {
                self.lanes[direction as usize].carry = carry;
            }
        }
        while let Some(head) = data.get(pos..pos + 4) {
            let length = length(head, &self.ends.limits)?;
            let Some(frame) = data.get(pos + 4..pos + 4 + length) else {
                break;
            };
            *frames += 1;
            let end = pos + 4 + length;
            match self.frame(direction, frame, now, out)? {
                Action::Forward => out.input(pos..end),
                Action::Replace => out.made(&self.made),
            }
            pos = end;
        }
        self.lanes[direction as usize]
            .carry
            .extend_from_slice(&data[pos..]);
        Ok(())
    }

    /// One whole frame. Where it isn't forwarded as it is, `self.made` is what takes its place.
    fn frame(
        &mut self,
        direction: Direction,
        frame: &[u8],
        now: f64,
        out: &mut Output,
    ) -> Result<Action, Bad> {
        if frame.is_empty() {
            return Ok(Action::Forward);
        }
        self.made.clear();
        self.scanner.found.clear();
        let cached = self.ends.flags & flags::DIST_HDR_ATOM_CACHE != 0;
        let fragments = self.ends.flags & flags::FRAGMENTS != 0;
        let lane = &mut self.lanes[direction as usize];
        let mut header = |pos| {
            header::read(
                frame,
                pos,
                cached,
                &mut lane.caches,
                &self.ends.names,
                &mut self.refs,
            )
        };
        let parts = match frame {
            [112, 131, ..] if !self.ends.form.headers => {
                self.refs.clear();
                Parts {
                    body: &frame[2..],
                    sequence: None,
                    versioned: true,
                }
            }
            [131, 68, ..] if self.ends.form.headers => Parts {
                body: &frame[header(2)?..],
                sequence: None,
                versioned: false,
            },
            [131, 69, ..] if fragments => {
                let numbers = numbers(frame)?;
                lane.sequences
                    .check(numbers.0, numbers.1, &self.ends.limits)?;
                // The numbers come before the count of atoms.
                let body = header::read(
                    frame,
                    18,
                    cached,
                    &mut lane.caches,
                    &self.ends.names,
                    &mut self.refs,
                )?;
                Parts {
                    body: &frame[body..],
                    sequence: Some(numbers),
                    versioned: false,
                }
            }
            [131, 70, ..] if fragments => return self.fragment(direction, frame, now, out),
            _ => return Err(Bad("a frame has a form that was not negotiated")),
        };
        if let Some((id, left)) = parts.sequence.filter(|(_, fragments)| *fragments > 1) {
            return self.first_fragment(direction, frame, parts.body, (id, left), now, out);
        }
        self.message(direction, frame, &parts, now, out)
    }

    /// A whole message in one frame.
    fn message(
        &mut self,
        direction: Direction,
        frame: &[u8],
        parts: &Parts<'_>,
        now: f64,
        out: &mut Output,
    ) -> Result<Action, Bad> {
        let Channel {
            ends,
            policy,
            budget,
            track,
            lanes,
            scanner,
            refs,
            made,
            counters,
            reporter,
            ..
        } = self;
        let caches = &mut lanes[direction as usize].caches;
        let table = if parts.versioned {
            Table::Empty
        } else {
            Table::Header(refs, caches)
        };
        let watch = watch(ends, policy, budget, direction, table);
        let (control, payload) = read(parts.body, parts.versioned, ends, scanner, &watch)?;
        let message = Message {
            control: &control,
            payload,
        };
        let in_step = caches.in_step(refs);
        let Some(ruling) = rule(
            direction,
            &message,
            ends,
            policy,
            track,
            scanner,
            &watch,
            |scanner| {
                for entry in refs.iter().filter(|entry| entry.fresh || !in_step) {
                    if let Some(atom) = caches.sent(entry.slot) {
                        scanner.found.atom(&atom.text, &watch);
                    }
                }
            },
        )?
        else {
            settle::outbound(&message, ends, track);
            counters.count(direction, control.command, Verdict::Accept);
            return Ok(pass(caches, refs, frame, parts, made));
        };
        counters.count(direction, control.command, ruling.verdict);
        if ruling.verdict == Verdict::Accept {
            scanner.found.claim.commit(budget);
            settle::inbound(&message, track, &ruling);
            if in_step {
                caches.pass(refs);
                return Ok(Action::Forward);
            }
            return Ok(pass(caches, refs, frame, parts, made));
        }
        settle::refuse(&message, ends, track, &ruling, &mut out.back, made);
        reporter.report(direction, &message, &ruling, now, out);
        Ok(Action::Replace)
    }

    /// The first fragment of several.
    fn first_fragment(
        &mut self,
        direction: Direction,
        frame: &[u8],
        body: &[u8],
        (id, fragments): (u64, u64),
        now: f64,
        out: &mut Output,
    ) -> Result<Action, Bad> {
        let Channel {
            ends,
            policy,
            budget,
            track,
            lanes,
            scanner,
            refs,
            made,
            counters,
            reporter,
            ..
        } = self;
        let lane = &mut lanes[direction as usize];
        let atoms: Vec<_> = refs
            .iter()
            .filter_map(|entry| {
                lane.caches
                    .sent(entry.slot)
                    .map(|atom| (entry.slot, Arc::clone(atom)))
            })
            .collect();
        let watch = watch(ends, policy, budget, direction, Table::Kept(&atoms));
        let mut reader = Reader {
            data: body,
            pos: 0,
            table: watch.table,
            names: &ends.names,
        };
        let control = control::decode(&mut reader, Dialect { flags: ends.flags }, scanner, &watch)?;
        if !control.payload {
            return Err(Bad("a message without a payload comes in fragments"));
        }
        let message = Message {
            control: &control,
            payload: Some(reader),
        };
        let spawn = control.command == Command::SpawnRequest;
        let arguments = if spawn {
            judge::arguments(reader)?
        } else {
            None
        };
        let streamed = (!spawn || arguments.is_some())
            && (direction == Direction::Outbound || judge::passes_unseen(&control, ends, policy)?);
        let bytes = body.len() as u64;
        let sequence = |mode| Sequence {
            next: fragments - 1,
            bytes,
            atoms: atoms.clone(),
            mode,
        };
        if !streamed {
            if !lane.sequences.room(body.len(), &ends.limits) {
                let ruling = Ruling::deny(Reason::Limit("held_bytes"));
                counters.count(direction, control.command, ruling.verdict);
                settle::refuse(&message, ends, track, &ruling, &mut out.back, made);
                reporter.report(direction, &message, &ruling, now, out);
                lane.sequences.open(id, sequence(Mode::Refused));
                return Ok(Action::Replace);
            }
            lane.sequences.open(
                id,
                sequence(Mode::Held {
                    body: body.to_vec(),
                    cuts: Vec::new(),
                }),
            );
            return Ok(Action::Replace);
        }
        if let (Some(mfa), Some(given)) = (&control.mfa, arguments) {
            same_arity(mfa.arity, given)?;
        }
        let mut streaming = Box::<Scanner>::default();
        streaming.found = std::mem::take(&mut scanner.found);
        for (_, atom) in &atoms {
            streaming.found.atom(&atom.text, &watch);
        }
        settle::atoms_of_control(&control, &mut streaming, &watch);
        streaming.begin(spawn);
        streaming.feed(&body[reader.pos..], &watch)?;
        streamed_so_far(&mut streaming, policy, budget, direction)?;
        counters.count(direction, control.command, Verdict::Accept);
        if direction == Direction::Outbound {
            settle::outbound(&message, ends, track);
        } else {
            let ruling = Ruling {
                verdict: Verdict::Accept,
                rule: None,
                reason: Reason::Rule,
                settles: None,
            };
            settle::inbound(&message, track, &ruling);
        }
        let parts = Parts {
            body,
            sequence: Some((id, fragments)),
            versioned: false,
        };
        let action = pass(&mut lane.caches, refs, frame, &parts, made);
        lane.sequences.open(id, sequence(Mode::Streamed(streaming)));
        Ok(action)
    }

    /// A fragment that isn't the first.
    fn fragment(
        &mut self,
        direction: Direction,
        frame: &[u8],
        now: f64,
        out: &mut Output,
    ) -> Result<Action, Bad> {
        let (id, number) = numbers(frame)?;
        let part = &frame[18..];
        let Channel {
            ends,
            policy,
            budget,
            track,
            lanes,
            scanner,
            made,
            counters,
            reporter,
            ..
        } = self;
        let lane = &mut lanes[direction as usize];
        let mut sequence = lane
            .sequences
            .advance(id, number, part.len(), &ends.limits)?;
        let watch = watch(
            ends,
            policy,
            budget,
            direction,
            Table::Kept(&sequence.atoms),
        );
        let last = sequence.next == 0;
        match &mut sequence.mode {
            Mode::Refused => {
                if !last {
                    lane.sequences.open(id, sequence);
                }
                return Ok(Action::Replace);
            }
            Mode::Streamed(streaming) => {
                streaming.feed(part, &watch)?;
                streamed_so_far(streaming, policy, budget, direction)?;
                if !last {
                    lane.sequences.open(id, sequence);
                } else if !streaming.finished() {
                    return Err(Bad("a message in fragments ends too early"));
                }
                return Ok(Action::Forward);
            }
            Mode::Held { body, cuts } => {
                cuts.push(body.len());
                body.extend_from_slice(part);
            }
        }
        let Mode::Held { body, cuts } = &sequence.mode else {
            return Ok(Action::Replace);
        };
        let room = lane.sequences.room(body.len(), &ends.limits);
        if !last && room {
            lane.sequences.open(id, sequence);
            return Ok(Action::Replace);
        }
        let (control, payload, ruling);
        if last {
            (control, payload) = read(body, false, ends, scanner, &watch)?;
            let message = Message {
                control: &control,
                payload,
            };
            let judged = rule(
                direction,
                &message,
                ends,
                policy,
                track,
                scanner,
                &watch,
                |scanner| {
                    for (_, atom) in &sequence.atoms {
                        scanner.found.atom(&atom.text, &watch);
                    }
                },
            )?;
            let accepted = Ruling {
                verdict: Verdict::Accept,
                rule: None,
                reason: Reason::Rule,
                settles: None,
            };
            ruling = judged.unwrap_or(accepted);
        } else {
            let mut reader = Reader {
                data: body,
                pos: 0,
                table: watch.table,
                names: &ends.names,
            };
            control = control::decode(&mut reader, Dialect { flags: ends.flags }, scanner, &watch)?;
            payload = Some(reader);
            ruling = Ruling::deny(Reason::Limit("held_bytes"));
        }
        let message = Message {
            control: &control,
            payload,
        };
        counters.count(direction, control.command, ruling.verdict);
        if ruling.verdict == Verdict::Accept {
            scanner.found.claim.commit(budget);
            settle::inbound(&message, track, &ruling);
            release(made, id, body, cuts, &sequence.atoms, &mut lane.caches);
            return Ok(Action::Replace);
        }
        settle::refuse(&message, ends, track, &ruling, &mut out.back, made);
        reporter.report(direction, &message, &ruling, now, out);
        if !last {
            sequence.mode = Mode::Refused;
            lane.sequences.open(id, sequence);
        }
        Ok(Action::Replace)
    }
}

/// Adds to the beginning of a frame until it is whole; false if the data doesn't reach.
fn fill(carry: &mut Vec<u8>, data: &[u8], pos: &mut usize, limits: &Limits) -> Result<bool, Bad> {
    let mut take = |carry: &mut Vec<u8>, until: usize| {
        let count = until.saturating_sub(carry.len()).min(data.len() - *pos);
        carry.extend_from_slice(&data[*pos..*pos + count]);
        *pos += count;
        carry.len() >= until
    };
    if !take(carry, 4) {
        return Ok(false);
    }
    let length = length(carry, limits)?;
    Ok(take(carry, 4 + length))
}

fn length(head: &[u8], limits: &Limits) -> Result<usize, Bad> {
    let length = u32::from_be_bytes([head[0], head[1], head[2], head[3]]);
    if u64::from(length) > limits.frame_size() {
        return Err(Bad("a frame is longer than the limit frame_size"));
    }
    Ok(length as usize)
}

/// Sequence and fragment number behind `131 69` or `131 70`.
fn numbers(frame: &[u8]) -> Result<(u64, u64), Bad> {
    let number = |at: usize| {
        let bytes = frame
            .get(at..at + 8)
            .and_then(|bytes| bytes.try_into().ok());
        bytes
            .map(u64::from_be_bytes)
            .ok_or(Bad("a fragment is cut short"))
    };
    Ok((number(2)?, number(10)?))
}

fn watch<'a>(
    ends: &'a Ends,
    policy: &'a Policy,
    budget: &'a Budget,
    direction: Direction,
    table: Table<'a>,
) -> Watch<'a> {
    Watch {
        table,
        names: &ends.names,
        records: ends.flags & flags::NATIVE_RECORDS != 0,
        limits: &ends.limits,
        guarded: (direction == Direction::Inbound).then_some((policy, budget)),
    }
}

/// Decodes the control message and scans the payload of a whole message; nothing may follow.
fn read<'a>(
    body: &'a [u8],
    versioned: bool,
    ends: &'a Ends,
    scanner: &mut Scanner,
    watch: &Watch<'a>,
) -> Result<(control::Control<'a>, Option<Reader<'a>>), Bad> {
    let mut reader = Reader {
        data: body,
        pos: 0,
        table: watch.table,
        names: &ends.names,
    };
    let control = control::decode(&mut reader, Dialect { flags: ends.flags }, scanner, watch)?;
    let mut end = reader.pos;
    let payload = if control.payload {
        if versioned && reader.u8()? != 131 {
            return Err(Bad("a payload doesn't begin with its version"));
        }
        if let Some(mfa) = &control.mfa {
            same_arity(mfa.arity, judge::arguments(reader)?.unwrap_or(u64::MAX))?;
            end = scanner.whole_proper(body, reader.pos, watch)?;
        } else {
            end = scanner.whole(body, reader.pos, watch)?;
        }
        Some(reader)
    } else {
        None
    };
    if end != body.len() {
        return Err(Bad("bytes follow the end of a message"));
    }
    Ok((control, payload))
}

fn same_arity(announced: u8, given: u64) -> Result<(), Bad> {
    if u64::from(announced) == given {
        Ok(())
    } else {
        Err(Bad(
            "a spawn request announces another number of arguments than it brings",
        ))
    }
}

/// The verdict on an inbound message; None for outbound ones, which pass. `atoms` notes those of the header.
#[allow(clippy::too_many_arguments)]
fn rule(
    direction: Direction,
    message: &Message<'_, '_>,
    ends: &Ends,
    policy: &Policy,
    track: &Track,
    scanner: &mut Scanner,
    watch: &Watch<'_>,
    atoms: impl FnOnce(&mut Scanner),
) -> Result<Option<Ruling>, Bad> {
    if direction == Direction::Outbound {
        return Ok(None);
    }
    settle::atoms_of_control(message.control, scanner, watch);
    atoms(scanner);
    let ruling = judge::judge(message, ends, policy, track, scanner, watch)?;
    if ruling.verdict == Verdict::Accept && !settle::room(message, track) {
        return Ok(Some(Ruling::deny(Reason::Limit("tracked"))));
    }
    Ok(Some(ruling))
}

/// Lets a frame pass, with its header rebuilt if the receiver lacks an atom of it.
fn pass(
    caches: &mut Caches,
    refs: &[Ref],
    frame: &[u8],
    parts: &Parts<'_>,
    made: &mut Vec<u8>,
) -> Action {
    if caches.in_step(refs) {
        caches.pass(refs);
        return Action::Forward;
    }
    let entries: Vec<_> = refs
        .iter()
        .filter_map(|entry| {
            caches
                .sent(entry.slot)
                .map(|atom| (entry.slot, Arc::clone(atom)))
        })
        .collect();
    debug_assert!(frame.len() > parts.body.len());
    write_frame(made, |made| {
        match parts.sequence {
            None => made.extend_from_slice(&[131, 68]),
            Some(numbers) => write_numbers(made, 69, numbers),
        }
        header::write(made, &entries, caches);
        made.extend_from_slice(parts.body);
    });
    Action::Replace
}

/// Writes a held message as the fragments in which it came.
fn release(
    made: &mut Vec<u8>,
    id: u64,
    body: &[u8],
    cuts: &[usize],
    atoms: &[(u16, Arc<crate::atoms::Atom>)],
    caches: &mut Caches,
) {
    let fragments = cuts.len() as u64 + 1;
    write_frame(made, |made| {
        write_numbers(made, 69, (id, fragments));
        header::write(made, atoms, caches);
        made.extend_from_slice(&body[..cuts[0]]);
    });
    for (i, start) in cuts.iter().enumerate() {
        let end = cuts.get(i + 1).copied().unwrap_or(body.len());
        write_frame(made, |made| {
            write_numbers(made, 70, (id, fragments - 1 - i as u64));
            made.extend_from_slice(&body[*start..end]);
        });
    }
}

fn write_frame(made: &mut Vec<u8>, content: impl FnOnce(&mut Vec<u8>)) {
    let start = made.len();
    made.extend_from_slice(&[0; 4]);
    content(made);
    let length = (made.len() - start - 4) as u32;
    made[start..start + 4].copy_from_slice(&length.to_be_bytes());
}

fn write_numbers(made: &mut Vec<u8>, kind: u8, (id, fragment): (u64, u64)) {
    made.extend_from_slice(&[131, kind]);
    made.extend_from_slice(&id.to_be_bytes());
    made.extend_from_slice(&fragment.to_be_bytes());
}

/// What a streamed message has shown so far: it can't be refused any more, so the channel ends where it would have been.
fn streamed_so_far(
    scanner: &mut Scanner,
    policy: &Policy,
    budget: &Budget,
    direction: Direction,
) -> Result<(), Bad> {
    if direction == Direction::Outbound {
        return Ok(());
    }
    let found = &mut scanner.found;
    if found.third_node {
        return Err(Bad(
            "a message that has begun carries a pid of a node that third_nodes doesn't name",
        ));
    }
    if found.funs && !policy.allows_funs(true) {
        return Err(Bad("a message that has begun carries a fun"));
    }
    if found.over.is_some() {
        return Err(Bad(
            "a message that has begun exceeds the limit new_atoms, new_funs or bigint_bytes",
        ));
    }
    found.claim.commit(budget);
    Ok(())
}

/// Tells of refusals, at most 50 a second.
#[derive(Default)]
struct Reporter {
    /// In the second that began then.
    since: f64,
    told: u32,
    folded: u64,
}

impl Reporter {
    fn report(
        &mut self,
        direction: Direction,
        message: &Message<'_, '_>,
        ruling: &Ruling,
        now: f64,
        out: &mut Output,
    ) {
        const PER_SECOND: u32 = 50;
        if now - self.since >= 1.0 || now < self.since {
            (self.since, self.told) = (now, 0);
        }
        if self.told >= PER_SECOND {
            self.folded += 1;
            return;
        }
        self.told += 1;
        out.events.push(Event {
            direction,
            command: message.control.command,
            target: event::target(message.control),
            verdict: ruling.verdict,
            rule: ruling.rule,
            reason: ruling.reason,
            folded: std::mem::take(&mut self.folded),
        });
    }
}
