//! Steps that both versions are led through, and what each step leaves: types of neither version.
//!
//! A list of steps is kept as lines of JSON. `tests/support/recorder.py` writes the same form.

use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// Bytes, in hexadecimal digits where they are written down.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct Bytes(pub Vec<u8>);

/// Seconds, written as Python and Rust print them, infinity and NaN included.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Time(pub f64);

/// One rule, as the bindings for Python take it.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Rule {
    pub subject: String,
    pub key: Vec<(String, String)>,
    pub scope: Option<String>,
    pub pattern: Option<Bytes>,
    pub verdict: String,
    pub layer: u8,
    pub audit: bool,
    pub id: u32,
}

/// The rules of one peer.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Policy {
    pub rules: Vec<Rule>,
    pub third_nodes: Vec<String>,
    pub funs: Option<bool>,
}

/// Handlers and module filter; an empty name means the program around the core.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Hooks {
    pub handlers: Vec<(String, String)>,
    pub filter: Option<String>,
    pub checked_funs: bool,
    pub own_name: bool,
}

/// All policies of one channel, by number, in the order in which they were made.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Policies {
    pub inbound: usize,
    pub outbound: Option<usize>,
    pub shadow: Option<usize>,
    pub audit: bool,
    pub hooks: Option<Hooks>,
}

/// A channel in the making.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Setup {
    pub peer: String,
    pub peer_creation: u32,
    pub guard: String,
    pub guard_creation: u32,
    pub flags: u64,
    pub policies: Policies,
    pub counters: usize,
    pub budget: usize,
    pub limits: Vec<(String, u64)>,
    pub close_on_limit: bool,
    pub deny_reason: String,
}

/// One step. Channels, policies, counters and budgets have numbers, each kind its own.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Step {
    Policy(Policy),
    Counters,
    Budget {
        beside: Option<usize>,
    },
    Name {
        budget: usize,
        name: String,
        limits: Vec<(String, u64)>,
    },
    Channel(Setup),
    Receive {
        channel: usize,
        inbound: bool,
        data: Bytes,
        now: Time,
    },
    Answer {
        channel: usize,
        ticket: u64,
        verdict: String,
        payload: Option<Bytes>,
        now: Time,
    },
    SetPolicies {
        channel: usize,
        policies: Policies,
    },
    SetLimits {
        channel: usize,
        limits: Vec<(String, u64)>,
        close_on_limit: bool,
    },
    MadeUp {
        channel: usize,
        control: Bytes,
        payload: Option<Bytes>,
    },
    Folded {
        channel: usize,
    },
    Waits {
        channel: usize,
        ticket: u64,
    },
    /// The last step of a session.
    End,
}

/// A refusal that was told.
#[derive(Debug, PartialEq)]
pub struct Event {
    pub inbound: bool,
    pub command: String,
    pub target: String,
    pub verdict: String,
    pub rule: Option<u32>,
    pub reason: String,
    pub audit: bool,
    pub folded: u64,
}

/// A question.
#[derive(Debug, PartialEq)]
pub struct Ask {
    pub ticket: u64,
    pub kind: String,
    pub command: String,
    pub target: String,
    pub control: Bytes,
    pub payload: Option<Bytes>,
}

/// Commands counted by direction, command and verdict.
pub type Counts = [[[u64; 3]; 14]; 2];

/// The whole outcome of a step on a channel.
#[derive(Debug, PartialEq)]
pub struct Done {
    pub forward: Bytes,
    pub back: Bytes,
    pub events: Vec<Event>,
    pub asks: Vec<Ask>,
    pub closed: Option<String>,
    pub pending: u64,
    pub shadow_differences: u64,
    pub counts: Counts,
    pub used: (usize, usize, usize),
    pub guard_atoms: usize,
}

/// The outcome of a step.
#[derive(Debug, PartialEq)]
pub enum Outcome {
    Nothing,
    Done(Box<Done>),
    Number(u64),
    Truth(bool),
    Bytes(Bytes),
    /// The step names a limit, pattern or number that this version doesn't have, or refuses.
    Refused(String),
    Panicked(String),
}

impl std::fmt::Debug for Bytes {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.digits())
    }
}

impl Bytes {
    fn digits(&self) -> String {
        self.0
            .iter()
            .flat_map(|byte| [byte >> 4, byte & 15])
            .map(|half| char::from(b"0123456789abcdef"[half as usize]))
            .collect()
    }
}

impl Serialize for Bytes {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&self.digits())
    }
}

impl<'de> Deserialize<'de> for Bytes {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let digits = String::deserialize(deserializer)?;
        let byte = |at| digits.get(at..at + 2).and_then(|two| u8::from_str_radix(two, 16).ok());
        let bytes: Option<Vec<u8>> = (0..digits.len()).step_by(2).map(byte).collect();
        bytes.map(Bytes).ok_or_else(|| serde::de::Error::custom("not an even number of hexadecimal digits"))
    }
}

impl Serialize for Time {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&format!("{:?}", self.0))
    }
}

impl<'de> Deserialize<'de> for Time {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer)?.parse().map(Time).map_err(serde::de::Error::custom)
    }
}
