//! Atoms to choose from: names of the session's own, words of the core's sources, and others.

use std::collections::BTreeSet;
use std::sync::LazyLock;

use crate::rng::Rng;

/// Words that the sources of either version name: processes and requests of OTP, carriers, labels.
static WORDS: LazyLock<Vec<&'static str>> =
    LazyLock::new(|| include_str!(concat!(env!("OUT_DIR"), "/words.txt")).lines().collect());
/// Requests that OTP's processes obey, each as its form, its label, and the kinds of what follows.
pub static REQUESTS: LazyLock<Vec<Vec<&'static str>>> = LazyLock::new(|| {
    include_str!(concat!(env!("OUT_DIR"), "/requests.txt")).lines().map(|line| line.split(' ').collect()).collect()
});
static FRESH: LazyLock<Vec<&'static str>> =
    LazyLock::new(|| (0..4000).map(|number| &*Box::leak(format!("atom_{number}").into_boxed_str())).collect());
static ODD: LazyLock<Vec<&'static str>> = LazyLock::new(|| {
    let mut odd = vec!["", "Ünï", "with space", "it's", "Upper", "\u{7f}", "a@b", "third@127.0.0.9", "x*y"];
    for count in [63, 64, 85, 127, 200, 255] {
        odd.push(Box::leak("ж".repeat(count).into_boxed_str()));
    }
    odd
});

const NAMES: [&str; 24] = [
    "server",
    "gateway",
    "gate",
    "counter",
    "asked",
    "worker_1",
    "worker_2",
    "work",
    "queue",
    "logger",
    "m",
    "f",
    "run",
    "lookup",
    "inventory",
    "my_mod",
    "start",
    "stop",
    "get",
    "tick",
    "ok",
    "error",
    "undefined",
    "add",
];
const SPECIAL: [&str; 30] = [
    "",
    "rex",
    "net_kernel",
    "$gen_call",
    "$gen_cast",
    "alias",
    "system",
    "EXIT",
    "io_request",
    "io_reply",
    "file_request",
    "file_reply",
    "features_request",
    "features_reply",
    "is_auth",
    "link",
    "monitor",
    "distwall",
    "init",
    "user",
    "erlang",
    "apply",
    "erpc",
    "proc_lib",
    "global_name_server",
    "kernel_sup",
    "code_server",
    "normal",
    "noproc",
    "true",
];

/// The names that a session uses most, in commands and in rules.
pub struct Pool {
    names: Vec<&'static str>,
}

impl Pool {
    pub fn new(rng: &mut Rng) -> Self {
        let mut names: Vec<&str> = (0..8).map(|_| rng.pick(&NAMES)).collect();
        names.extend((0..3).map(|_| rng.pick(&SPECIAL)));
        names.extend((0..3).map(|_| rng.pick(&WORDS)));
        Pool { names }
    }

    /// The names that stand in recorded bytes.
    pub fn of(data: &[u8]) -> Self {
        let runs = data.split(|byte| !(byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'$' | b'.')));
        let texts = runs.filter(|run| (2..40).contains(&run.len())).filter_map(|run| std::str::from_utf8(run).ok());
        let texts: BTreeSet<&str> = texts.take(3000).collect();
        let mut names: Vec<&str> =
            texts.into_iter().map(|text| &*Box::leak(text.to_owned().into_boxed_str())).collect();
        names.extend(["rex", "m", "f", "net_kernel"]);
        Pool { names }
    }

    /// A name that rules and commands are likely to share.
    pub fn name(&self, rng: &mut Rng) -> &'static str {
        rng.pick(&self.names)
    }

    /// Any atom.
    pub fn atom(&self, rng: &mut Rng) -> &'static str {
        match rng.below(100) {
            0..55 => self.name(rng),
            55..72 => rng.pick(&WORDS),
            72..88 => rng.pick(&SPECIAL),
            88..97 => rng.pick(&FRESH),
            _ => rng.pick(&ODD),
        }
    }
}
