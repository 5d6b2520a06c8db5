//! Traffic that others made: recorded connections, what fuzzing found, structured frames, and recorded steps.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};

use arbitrary::{Arbitrary, Unstructured};
use serde::Deserialize;

use crate::coverage::Coverage;
use crate::frames::{frames, Cache, Plan};
use crate::model::{Bytes, Outcome, Step, Time};
use crate::pair::{self, Difference, Pair};
use crate::pool::Pool;
use crate::rng::Rng;
use crate::session::{begin, damage, flags};
use crate::{GUARD, PEER};

/// Policies that each recorded connection is judged by, each time in three forms.
const POLICIES: u64 = 12;

#[derive(Deserialize)]
struct Speaker {
    name: String,
    creation: u32,
}

#[derive(Deserialize)]
struct Head {
    dialler: Speaker,
    acceptor: Speaker,
    flags: u64,
}

/// A recorded connection: who spoke, and what, in order (0: the dialler).
pub struct Case {
    head: Head,
    chunks: Vec<(usize, Vec<u8>)>,
    pool: Pool,
}

/// Loads what `tests/wire/record.py` wrote.
pub fn cases(folder: &Path) -> Result<Vec<Case>, String> {
    let mut all = Vec::new();
    for path in entries(folder) {
        let Ok(head) = std::fs::read_to_string(path.join("case.json")) else { continue };
        let head = serde_json::from_str(&head).map_err(|error| format!("{}: {error}", path.display()))?;
        let packed = std::fs::read(path.join("stream.xz")).map_err(|error| format!("{}: {error}", path.display()))?;
        let mut stream = Vec::new();
        lzma_rs::xz_decompress(&mut &packed[..], &mut stream)
            .map_err(|error| format!("{}: {error}", path.display()))?;
        let mut chunks = Vec::new();
        let mut rest = &stream[..];
        while let [speaker, a, b, c, d, tail @ ..] = rest {
            let (data, behind) = tail.split_at(u32::from_be_bytes([*a, *b, *c, *d]) as usize);
            chunks.push((usize::from(*speaker), data.to_vec()));
            rest = behind;
        }
        all.push(Case { head, chunks, pool: Pool::of(&stream) });
    }
    Ok(all)
}

pub fn entries(folder: &Path) -> Vec<PathBuf> {
    let mut all: Vec<PathBuf> =
        std::fs::read_dir(folder).into_iter().flatten().flatten().map(|entry| entry.path()).collect();
    all.sort();
    all
}

impl Case {
    /// All sessions of this connection: each node guarded once, under several policies, whole, cut and damaged.
    pub fn sessions() -> u64 {
        2 * 3 * POLICIES
    }

    /// Plays one of them.
    pub fn play(&self, number: u64, coverage: &mut Coverage) -> Result<(), Box<Difference>> {
        let mut rng = Rng(number);
        let guard = (number % 2) as usize;
        let speakers = [&self.head.dialler, &self.head.acceptor].map(|speaker| (&*speaker.name, speaker.creation));
        let mut pair = Pair::default();
        begin(&mut pair, &mut rng, &self.pool, (speakers[1 - guard], speakers[guard]), self.head.flags)?;
        let mut now = 1000.0;
        for (speaker, chunk) in &self.chunks {
            now += 0.01;
            coverage.frames += pair::frames(chunk).len() as u64;
            let mut data = chunk.clone();
            if number / 2 % 3 == 2 && rng.chance(100) {
                damage(&mut rng, &mut data);
            }
            let cut = number / 2 % 3 == 1;
            if feed(&mut pair, &mut rng, (*speaker != guard, data), now, cut, coverage)? {
                break;
            }
        }
        pair.finish(coverage);
        Ok(())
    }
}

/// Feeds bytes, in pieces or at once; true if the channel is closed.
fn feed(
    pair: &mut Pair,
    rng: &mut Rng,
    (inbound, mut data): (bool, Vec<u8>),
    now: f64,
    cut: bool,
    coverage: &mut Coverage,
) -> Result<bool, Box<Difference>> {
    let longest = 1 + data.len() / 4;
    loop {
        let size = if cut { 1 + rng.below(longest) } else { data.len() };
        let rest = data.split_off(size.min(data.len()));
        let step = Step::Receive { channel: 0, inbound, data: Bytes(data), now: Time(now) };
        if let Outcome::Done(done) = pair.step(step)? {
            coverage.note(&done);
            for ask in done.asks.iter().filter(|ask| ask.ticket > 0) {
                let verdict = rng.pick(&["accept", "accept", "deny"]).into();
                pair.step(Step::Answer { channel: 0, ticket: ask.ticket, verdict, payload: None, now: Time(now) })?;
            }
            if done.closed.is_some() {
                return Ok(true);
            }
        }
        if rest.is_empty() {
            return Ok(false);
        }
        data = rest;
    }
}

/// Plays what the fuzz target `structured` would be given.
pub fn structured(seed: u64, coverage: &mut Coverage) -> Result<(), Box<Difference>> {
    let mut rng = Rng(seed);
    let count = 200 + rng.below(3000);
    let bytes = rng.bytes(count);
    let Ok(plan) = Plan::arbitrary(&mut Unstructured::new(&bytes)) else { return Ok(()) };
    let pool = Pool::new(&mut rng);
    let flags = flags(&mut rng);
    let mut pair = Pair::default();
    begin(&mut pair, &mut rng, &pool, (PEER, GUARD), flags)?;
    let mut caches = [Cache::new(), Cache::new()];
    let mut now = 1000.0;
    let mut waiting: Vec<(bool, Vec<u8>)> = vec![];
    for message in plan.messages.iter().take(64) {
        now += 0.1;
        let mut frames = frames(message, flags, &mut caches[usize::from(message.inbound)]);
        coverage.frames += frames.len() as u64;
        if let Some((at, change)) = message.damage {
            let last = frames.len() - 1;
            let at = usize::from(at) % frames[last].len();
            frames[last][at] ^= change;
        }
        let rest = frames.split_off(1);
        waiting.insert(0, (message.inbound, frames.concat()));
        let due = if message.keep_open % 2 == 0 { waiting.len() + rest.len() } else { waiting.len() };
        waiting.extend(rest.into_iter().map(|frame| (message.inbound, frame)));
        for (inbound, frame) in waiting.drain(..due) {
            if feed(&mut pair, &mut rng, (inbound, frame), now, plan.config % 8 == 0, coverage)? {
                pair.finish(coverage);
                return Ok(());
            }
        }
    }
    pair.finish(coverage);
    Ok(())
}

/// Plays a file of the fuzz target `raw`: configuration, seed, then records `Sender:8, Length:16, Bytes`.
pub fn raw(input: &[u8], seed: u64, coverage: &mut Coverage) -> Result<(), Box<Difference>> {
    let mut rng = Rng(seed);
    let pool = Pool::of(input);
    let flags = flags(&mut rng);
    let mut pair = Pair::default();
    begin(&mut pair, &mut rng, &pool, (PEER, GUARD), flags)?;
    let mut rest = input.get(2..).unwrap_or_default();
    let mut now = 1000.0;
    while let [sender, high, low, tail @ ..] = rest {
        let length = usize::from(u16::from_be_bytes([*high, *low])).min(tail.len());
        let (data, behind) = tail.split_at(length);
        rest = behind;
        now += 0.1;
        coverage.frames += pair::frames(data).len() as u64;
        let cut = rng.chance(300);
        if feed(&mut pair, &mut rng, (sender % 2 == 0, data.to_vec()), now, cut, coverage)? {
            break;
        }
    }
    pair.finish(coverage);
    Ok(())
}

/// Reads steps that were written down, by `tests/support/recorder.py` or for a difference, and plays each session. A line has
/// the number of its session before the step.
pub fn written(file: &Path, mut play: impl FnMut(Vec<Step>)) -> Result<(), String> {
    let told = |error: &dyn std::fmt::Display| format!("{}: {error}", file.display());
    let mut input = BufReader::new(File::open(file).map_err(|error| told(&error))?);
    let mut sessions: BTreeMap<u64, Vec<Step>> = BTreeMap::new();
    let mut line = String::new();
    while input.read_line(&mut line).map_err(|error| told(&error))? > 0 {
        // A program that is killed leaves its last line unfinished.
        if line.ends_with('\n') {
            let (number, step) = serde_json::from_str(&line).map_err(|error| told(&error))?;
            if let Step::End = step {
                play(sessions.remove(&number).unwrap_or_default());
            } else {
                sessions.entry(number).or_default().push(step);
            }
        }
        line.clear();
    }
    sessions.into_values().for_each(play);
    Ok(())
}

/// Plays one of these sessions.
pub fn recorded(steps: Vec<Step>, coverage: &mut Coverage) -> Result<(), Box<Difference>> {
    let mut pair = Pair::default();
    for step in steps {
        if let Step::Receive { data, .. } = &step {
            coverage.frames += pair::frames(&data.0).len() as u64;
        }
        if let Outcome::Done(done) = pair.step(step)? {
            coverage.note(&done);
        }
    }
    pair.finish(coverage);
    Ok(())
}
