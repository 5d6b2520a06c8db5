//! Feeds two versions of distwall's wire core with the same, and tells where they differ: see `scripts/compare-cores`.
//!
//! Recorded traffic comes first, under random policies, then what fuzzing has kept, then files of steps, then random sessions
//! and structured frames. Every step has to give the same bytes, events, questions and counts.

// `side` is compiled once for each version.
#![allow(clippy::duplicate_mod)]

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::{Duration, Instant};

use coverage::Coverage;
use pair::Difference;

mod before;
mod coverage;
#[path = "../../fuzz/src/frames.rs"]
mod frames;
mod messages;
mod model;
mod now;
mod pair;
mod payloads;
mod policies;
mod pool;
mod rng;
mod session;
mod traffic;
mod writer;

/// Name and incarnation of the peer in structured frames.
const PEER: (&str, u32) = ("foo@127.0.0.3", 0x6A00_0003);
/// The same of the guarded node.
const GUARD: (&str, u32) = ("bar@127.0.0.2", 0x6A00_0002);

const FRAMES: u64 = 10_000_000;
/// Generated frames from which on a run has to have met everything.
const ENOUGH: u64 = 1_000_000;
/// Kinds of differences after which it is enough.
const KINDS: usize = 12;

/// The command line.
struct Options {
    seconds: Option<u64>,
    sessions: Option<u64>,
    frames: u64,
    seed: u64,
    /// The project's folder.
    top: PathBuf,
    /// Parts of the names of kinds of differences that are meant to be.
    except: Vec<String>,
    /// Limits that random sessions leave alone.
    without: Vec<String>,
    /// Files of steps, and folders of such.
    files: Vec<PathBuf>,
}

fn options() -> Result<Options, String> {
    let mut options = Options {
        seconds: None,
        sessions: None,
        frames: FRAMES,
        seed: 1,
        top: "../../..".into(),
        except: vec![],
        without: vec![],
        files: vec![],
    };
    let mut arguments = std::env::args().skip(1);
    while let Some(argument) = arguments.next() {
        let mut number = || {
            let text = arguments.next().unwrap_or_default();
            text.parse::<u64>().map_err(|_| format!("{argument} needs a number, not {text:?}"))
        };
        match &*argument {
            "--seconds" => options.seconds = Some(number()?),
            "--sessions" => options.sessions = Some(number()?),
            "--frames" => options.frames = number()?,
            "--seed" => options.seed = number()?,
            "--except" => options.except.push(arguments.next().unwrap_or_default()),
            "--without" => options.without.push(arguments.next().unwrap_or_default()),
            "--top" => options.top = arguments.next().unwrap_or_default().into(),
            option if option.starts_with('-') => return Err(format!("unknown option: {option}")),
            file => options.files.push(file.into()),
        }
    }
    Ok(options)
}

/// Findings so far.
struct Found {
    coverage: Coverage,
    /// Differences by kind.
    kinds: BTreeMap<String, u64>,
    except: Vec<String>,
    excepted: u64,
    folder: PathBuf,
}

impl Found {
    /// Notes how a session went; the first difference of each kind is made short, told and kept.
    fn note(&mut self, what: &str, went: Result<(), Box<Difference>>) {
        let Err(difference) = went else { return };
        if self.except.iter().any(|part| difference.kind().contains(part)) {
            self.excepted += 1;
            return;
        }
        let count = self.kinds.entry(difference.kind()).or_default();
        *count += 1;
        if *count > 1 {
            return;
        }
        println!("DIFFERENCE in {what}: {}", difference.kind());
        let shortest = difference.shortest();
        let file = self.folder.join(format!("{}.jsonl", self.kinds.len()));
        let lines: Vec<String> =
            shortest.steps.iter().filter_map(|step| serde_json::to_string(&(0, step)).ok()).collect();
        let saved = std::fs::create_dir_all(&self.folder).and_then(|()| std::fs::write(&file, lines.join("\n") + "\n"));
        println!("  {} steps make it; kept: {} {saved:?}", lines.len(), file.display());
        lines.iter().for_each(|line| println!("    {}", line.chars().take(2000).collect::<String>()));
        println!("{}", shortest.told());
    }

    fn enough(&self) -> bool {
        self.kinds.len() >= KINDS
    }
}

fn main() -> ExitCode {
    pair::silence_panics();
    match options().and_then(|options| run(&options)) {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(error) => {
            eprintln!("compare-cores: {error}");
            ExitCode::from(2)
        }
    }
}

/// True if nothing differs, and everything was met.
fn run(options: &Options) -> Result<bool, String> {
    let folder = options.top.join(".cache/compare-cores/differences");
    policies::KEPT.get_or_init(|| options.without.clone());
    let mut found = Found {
        coverage: Coverage::default(),
        kinds: BTreeMap::new(),
        except: options.except.clone(),
        excepted: 0,
        folder,
    };
    let started = Instant::now();
    given(options, &mut found)?;
    let recorded = found.coverage.frames;
    println!("{recorded} frames of recorded traffic, {:.0} s", started.elapsed().as_secs_f64());
    generated(options, &mut found);
    let coverage = &found.coverage;
    coverage.print();
    let (commands, seconds) = (coverage.commands(), started.elapsed().as_secs_f64());
    println!(
        "{} frames ({recorded} recorded), {commands} commands, {} steps, {} sessions in {seconds:.0} s",
        coverage.frames, coverage.steps, coverage.sessions
    );
    let missing = if coverage.frames - recorded < ENOUGH { vec![] } else { coverage.missing() };
    missing.iter().for_each(|what| println!("NOT MET: {what}"));
    for (kind, count) in &found.kinds {
        println!("DIFFERENT {count} times: {kind}");
    }
    if found.excepted > 0 {
        println!("{} differences of the kinds that are excepted", found.excepted);
    }
    if found.kinds.is_empty() {
        println!("no difference{}", if found.excepted > 0 { " but these" } else { "" });
    }
    Ok(found.kinds.is_empty() && missing.is_empty())
}

/// Plays recorded traffic, the corpus of the fuzzer, and files of steps.
fn given(options: &Options, found: &mut Found) -> Result<(), String> {
    let cases = traffic::cases(&options.top.join("tests/recordings"))?;
    if cases.is_empty() {
        return Err(format!("no recorded traffic in {}", options.top.join("tests/recordings").display()));
    }
    for (index, case) in cases.iter().enumerate() {
        for number in 0..traffic::Case::sessions() {
            let went = case.play(number, &mut found.coverage);
            found.note(&format!("recorded connection {index}, session {number}"), went);
        }
    }
    for file in traffic::entries(&options.top.join("crates/distwall-wire/fuzz/corpus/raw")) {
        let input = std::fs::read(&file).map_err(|error| format!("{}: {error}", file.display()))?;
        for seed in 0..3 {
            let went = traffic::raw(&input, seed, &mut found.coverage);
            found.note(&file.display().to_string(), went);
        }
    }
    for path in &options.files {
        for file in files(path) {
            traffic::written(&file, |steps| {
                let went = traffic::recorded(steps, &mut found.coverage);
                found.note(&file.display().to_string(), went);
            })?;
        }
    }
    Ok(())
}

fn files(path: &Path) -> Vec<PathBuf> {
    if path.is_dir() {
        traffic::entries(path)
    } else {
        vec![path.to_owned()]
    }
}

/// Plays random sessions until there are enough.
fn generated(options: &Options, found: &mut Found) {
    let started = Instant::now();
    let first = found.coverage.frames;
    let mut told = Instant::now();
    let mut sessions = 0;
    let done = |sessions: u64, frames: u64| match (options.seconds, options.sessions) {
        (Some(seconds), _) => started.elapsed() >= Duration::from_secs(seconds),
        (_, Some(most)) => sessions >= most,
        _ => frames >= options.frames,
    };
    while !done(sessions, found.coverage.frames - first) && !found.enough() {
        let seed = options.seed.wrapping_mul(1 << 40).wrapping_add(sessions);
        let (what, went) = if sessions % 8 == 7 {
            ("structured frames", traffic::structured(seed, &mut found.coverage))
        } else {
            ("session", session::play(seed, &mut found.coverage))
        };
        found.note(&format!("{what} {seed}"), went);
        sessions += 1;
        if told.elapsed() > Duration::from_secs(30) {
            told = Instant::now();
            println!("{} frames generated, {sessions} sessions", found.coverage.frames - first);
        }
    }
}
