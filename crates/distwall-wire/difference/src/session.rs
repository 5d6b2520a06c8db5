//! One random session: a policy, and two nodes that talk to each other through it.

use crate::coverage::Coverage;
use crate::messages::{Asked, Form, Message};
use crate::model::{Bytes, Outcome, Policies, Setup, Step, Time};
use crate::pair::{Difference, Pair};
use crate::policies::{hooks, limits, policy, VERDICTS};
use crate::pool::Pool;
use crate::rng::Rng;
use crate::writer::{header, Cache, Node, Writer};

const OTP_29: u64 = 0x6d_07df_7fbd;
const HEADER_CACHE: u64 = 0x2000;
const BIG_SEQTRACE_LABELS: u64 = 0x10_0000;
const EXIT_PAYLOAD: u64 = 0x40_0000;
const FRAGMENTS: u64 = 0x80_0000;
const UNLINK_ID: u64 = 0x200_0000;
const SPAWN: u64 = 1 << 32;
const ALTACT: u64 = 1 << 37;
const NATIVE_RECORDS: u64 = 1 << 38;

/// Flags of two nodes that mostly have what OTP 29 has.
pub fn flags(rng: &mut Rng) -> u64 {
    let rare = [(HEADER_CACHE, 150), (FRAGMENTS, 150), (EXIT_PAYLOAD, 100), (UNLINK_ID, 60), (SPAWN, 30)];
    let newer = [(ALTACT, 300), (NATIVE_RECORDS, 300), (BIG_SEQTRACE_LABELS, 200)];
    rare.into_iter()
        .chain(newer)
        .fold(OTP_29, |flags, (flag, chance)| if rng.chance(chance) { flags & !flag } else { flags })
}

/// The steps up to a channel under random policies; returns how many policies there are.
pub fn begin(
    pair: &mut Pair,
    rng: &mut Rng,
    pool: &Pool,
    (peer, guard): ((&str, u32), (&str, u32)),
    flags: u64,
) -> Result<usize, Box<Difference>> {
    let count = 1 + rng.below(4);
    for _ in 0..count {
        pair.step(Step::Policy(policy(rng, pool)))?;
    }
    pair.step(Step::Counters)?;
    pair.step(Step::Budget { beside: None })?;
    if rng.chance(200) {
        let limits = limits(rng);
        pair.step(Step::Name { budget: 0, name: peer.0.into(), limits })?;
    }
    let setup = Setup {
        peer: peer.0.into(),
        peer_creation: peer.1,
        guard: guard.0.into(),
        guard_creation: guard.1,
        flags,
        policies: policies(rng, pool, count),
        counters: 0,
        budget: 0,
        limits: limits(rng),
        close_on_limit: rng.chance(60),
        deny_reason: if rng.chance(900) { "not_allowed".into() } else { "nö".into() },
    };
    pair.step(Step::Channel(setup))?;
    Ok(count)
}

/// Policies for a channel, chosen from those made before.
fn policies(rng: &mut Rng, pool: &Pool, count: usize) -> Policies {
    Policies {
        inbound: rng.below(count),
        outbound: rng.chance(300).then(|| rng.below(count)),
        shadow: rng.chance(250).then(|| rng.below(count)),
        audit: rng.chance(80),
        hooks: rng.chance(250).then(|| hooks(rng, pool)),
    }
}

struct Session {
    rng: Rng,
    pool: Pool,
    pair: Pair,
    flags: u64,
    form: Form,
    nodes: [Node; 2],
    caches: [Cache; 2],
    slots: u16,
    inline: usize,
    asked: [Vec<Asked>; 2],
    /// Fragments that come later.
    waiting: Vec<(usize, Vec<u8>)>,
    /// The number of the fragmented message before.
    sequence: u64,
    tickets: Vec<u64>,
    policies: usize,
    now: f64,
    /// Frames of a thousand that are damaged, and other places that hold what no node sends.
    damaged: usize,
    closed: bool,
}

/// Plays the session of this seed.
pub fn play(seed: u64, coverage: &mut Coverage) -> Result<(), Box<Difference>> {
    let mut rng = Rng(seed);
    let pool = Pool::new(&mut rng);
    let flags = flags(&mut rng);
    let peer = ("foo@127.0.0.3", if rng.chance(50) { 0 } else { 0x6A00_0003 });
    let guard = ("bar@127.0.0.2", 0x6A00_0002);
    let mut pair = Pair::default();
    let policies = begin(&mut pair, &mut rng, &pool, (peer, guard), flags)?;
    let mut session = Session {
        slots: if flags & HEADER_CACHE == 0 { 0 } else { rng.pick(&[40, 300, 2048]) },
        inline: rng.pick(&[10, 100, 500]),
        damaged: if rng.chance(100) { 60 } else { 1 },
        rng,
        pool,
        pair,
        flags,
        form: Form {
            headers: flags & (HEADER_CACHE | FRAGMENTS) != 0,
            fragments: flags & FRAGMENTS != 0,
            exit_payload: flags & EXIT_PAYLOAD != 0,
            unlink_id: flags & UNLINK_ID != 0,
            spawn: flags & SPAWN != 0,
            altact: flags & ALTACT != 0,
            labels: flags & BIG_SEQTRACE_LABELS != 0,
        },
        nodes: [(peer.0, 0x6A00_0003), guard],
        caches: [Cache::new(), Cache::new()],
        asked: [vec![], vec![]],
        waiting: vec![],
        sequence: 0,
        tickets: vec![],
        policies,
        now: 1000.0,
        closed: false,
    };
    let length = 20 + session.rng.below(100);
    for _ in 0..length {
        session.turn(coverage)?;
        // A closed channel is to stay so.
        if session.closed && session.rng.chance(500) {
            break;
        }
    }
    session.take(Step::Folded { channel: 0 }, coverage)?;
    session.pair.finish(coverage);
    Ok(())
}

impl Session {
    fn turn(&mut self, coverage: &mut Coverage) -> Result<(), Box<Difference>> {
        self.now += self.rng.pick(&[0.0, 0.0, 0.001, 0.01, 0.1, 0.5, 1.1]);
        if self.rng.chance(10) {
            self.now += self.rng.pick(&[-5.0, 3.0, 20.0, 4000.0]);
        }
        if !self.tickets.is_empty() && self.rng.chance(300) {
            let ticket = self.tickets.swap_remove(self.rng.below(self.tickets.len()));
            let payload = self.rng.chance(200).then(|| Bytes(self.term()));
            let verdict = if self.rng.chance(600) { "accept" } else { self.rng.pick(&VERDICTS) }.into();
            return self.take(Step::Answer { channel: 0, ticket, verdict, payload, now: Time(self.now) }, coverage);
        }
        match self.rng.below(1000) {
            0..8 => {
                let policies = policies(&mut self.rng, &self.pool, self.policies);
                self.take(Step::SetPolicies { channel: 0, policies }, coverage)
            }
            8..12 => {
                let (limits, close_on_limit) = (limits(&mut self.rng), self.rng.chance(50));
                self.take(Step::SetLimits { channel: 0, limits, close_on_limit }, coverage)
            }
            12..20 => self.take(Step::Folded { channel: 0 }, coverage),
            20..30 => {
                let ticket = self.rng.below(20) as u64;
                self.take(Step::Waits { channel: 0, ticket }, coverage)
            }
            30..33 => {
                let control = Bytes(self.term());
                let payload = self.rng.chance(500).then(|| Bytes(self.term()));
                self.take(Step::MadeUp { channel: 0, control, payload }, coverage)
            }
            _ => self.speak(coverage),
        }
    }

    /// One of the nodes sends some frames.
    fn speak(&mut self, coverage: &mut Coverage) -> Result<(), Box<Difference>> {
        let side = usize::from(self.rng.chance(350));
        let mut data = Vec::new();
        for _ in 0..1 + self.rng.below(6) {
            if self.rng.chance(30) {
                data.extend_from_slice(&[0; 4]);
                coverage.frames += 1;
                continue;
            }
            let mut frames = self.frames(side);
            coverage.frames += frames.len() as u64;
            if self.rng.chance(self.damaged) {
                let index = self.rng.below(frames.len());
                self.damage(&mut frames[index]);
            }
            let mut frames = frames.into_iter();
            data.extend(frames.next().into_iter().flatten());
            self.waiting.extend(frames.map(|frame| (side, frame)));
        }
        // Fragments of one message keep their order; fragments of other messages may come in between.
        let due = if self.rng.chance(500) { self.waiting.len() } else { self.waiting.len() / 2 };
        let mut kept = Vec::new();
        for (at, (of, frame)) in std::mem::take(&mut self.waiting).into_iter().enumerate() {
            if of == side && at < due {
                data.extend(frame);
            } else {
                kept.push((of, frame));
            }
        }
        self.waiting = kept;
        if !self.rng.chance(150) {
            return self.receive(side, data, coverage);
        }
        while !data.is_empty() {
            let rest = data.split_off(data.len().min(1 + self.rng.below(100)));
            self.receive(side, std::mem::replace(&mut data, rest), coverage)?;
        }
        Ok(())
    }

    fn receive(&mut self, side: usize, data: Vec<u8>, coverage: &mut Coverage) -> Result<(), Box<Difference>> {
        self.take(Step::Receive { channel: 0, inbound: side == 0, data: Bytes(data), now: Time(self.now) }, coverage)
    }

    fn take(&mut self, step: Step, coverage: &mut Coverage) -> Result<(), Box<Difference>> {
        if let Outcome::Done(done) = self.pair.step(step)? {
            coverage.note(&done);
            self.closed |= done.closed.is_some();
            for ask in done.asks.iter().filter(|ask| ask.ticket > 0) {
                self.tickets.push(ask.ticket);
                if ask.kind == "guard" {
                    self.asked[0].push(Asked::Clerk(ask.ticket));
                }
            }
        }
        Ok(())
    }

    fn writer(&mut self, side: usize) -> Writer<'_> {
        Writer {
            rng: &mut self.rng,
            pool: &self.pool,
            own: self.nodes[side],
            their: self.nodes[1 - side],
            slots: self.slots,
            inline: self.inline,
            wild: self.damaged,
            records: self.flags & NATIVE_RECORDS != 0,
            refs: vec![],
            out: vec![],
        }
    }

    /// A term with its atoms written out.
    fn term(&mut self) -> Vec<u8> {
        let mut writer = self.writer(0);
        writer.slots = 0;
        writer.term(3);
        writer.out
    }

    /// One message, whole or in fragments.
    fn frames(&mut self, side: usize) -> Vec<Vec<u8>> {
        let form = self.form;
        let (answers, follows) = (self.rng.chance(300), self.rng.chance(40));
        let theirs = self.drawn(1 - side, answers);
        let own = self.drawn(side, follows);
        let mut writer = self.writer(side);
        let known = match (theirs, own) {
            (Some(asked), _) if side == 1 || !matches!(asked, Asked::Clerk(_)) => Some(writer.answer(form, asked)),
            (_, Some(asked)) => writer.follow(form, asked),
            _ => None,
        };
        let Message { payload, asked } = known.unwrap_or_else(|| writer.any_message(form));
        let (refs, mut control) = (writer.refs, writer.out);
        let payload = payload.map(|at| control.split_off(at));
        if let Some(asked) = asked {
            let all = &mut self.asked[side];
            all.push(asked);
            if all.len() > 16 {
                all.remove(0);
            }
        }
        if !form.headers {
            let marked = payload.map(|payload| [&[131], &payload[..]].concat()).unwrap_or_default();
            return vec![frame(&[&[112, 131], &control, &marked])];
        }
        let header = header(&refs, &mut self.caches[side]);
        let chance = if payload.is_some() { 120 } else { self.damaged };
        let payload = payload.unwrap_or_default();
        if !form.fragments || !self.rng.chance(chance) {
            return vec![frame(&[&[131, 68], &header, &control, &payload])];
        }
        let count = 1 + self.rng.below(4);
        // A number is used again when nothing of it can be open any more; or earlier.
        self.sequence = if self.rng.chance(self.damaged) { self.rng.below(8) as u64 } else { self.sequence % 99 + 1 };
        let sequence = self.sequence.to_be_bytes();
        let size = payload.len().div_ceil(count).max(1);
        let mut pieces: Vec<&[u8]> = payload.chunks(size).collect();
        pieces.resize(count, &[]);
        let part = |index: usize| {
            let left = ((count - index) as u64).to_be_bytes();
            match index {
                0 => frame(&[&[131, 69], &sequence, &left, &header, &control, pieces[0]]),
                _ => frame(&[&[131, 70], &sequence, &left, pieces[index]]),
            }
        };
        (0..count).map(part).collect()
    }

    /// Draws a request of one of the nodes, mostly for the last time.
    fn drawn(&mut self, side: usize, wanted: bool) -> Option<Asked> {
        if !wanted || self.asked[side].is_empty() {
            return None;
        }
        let at = self.rng.below(self.asked[side].len());
        Some(if self.rng.chance(800) { self.asked[side].swap_remove(at) } else { self.asked[side][at] })
    }

    fn damage(&mut self, frame: &mut Vec<u8>) {
        damage(&mut self.rng, frame);
        // The frame is whole again, or all behind it would be lost at once.
        if self.rng.chance(900) && frame.len() >= 4 {
            let length = (frame.len() - 4) as u32;
            frame[..4].copy_from_slice(&length.to_be_bytes());
        }
    }
}

/// Changes a byte or two, cuts, or repeats.
pub fn damage(rng: &mut Rng, data: &mut Vec<u8>) {
    for _ in 0..1 + rng.below(2) {
        if data.is_empty() {
            return;
        }
        let at = rng.below(data.len());
        match rng.below(6) {
            0 => data.truncate(at),
            1 => data.insert(at, rng.next() as u8),
            2 => _ = data.remove(at),
            3 => data[at] ^= 1 << rng.below(8),
            _ => data[at] = rng.pick(&[0, 1, 2, 3, 82, 88, 90, 97, 98, 104, 106, 108, 109, 112, 119, 131, 255]),
        }
    }
}

fn frame(parts: &[&[u8]]) -> Vec<u8> {
    let body = parts.concat();
    [&(body.len() as u32).to_be_bytes()[..], &body].concat()
}
