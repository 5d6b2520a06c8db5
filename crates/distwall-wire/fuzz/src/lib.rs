//! The common parts of all targets: channels to fuzz, and invariants for any input.
//!
//! A [`Trial`] is a channel under some policy, with the two nodes' views of it. A second channel that accepts
//! everything (`after`) gets the accepted output of the first. It must neither close, nor refuse, nor change anything:
//! the stream to a node always decodes. Memory stays within the limits.
#![forbid(unsafe_code)]

pub mod frames;
pub mod terms;

use std::sync::Arc;

use distwall_wire::{
    Budget, Channel, Command, Counters, Direction, Limits, Output, Part, ChannelRules, PeerRules, Rule, Segment, Setup,
    Subject, Verdict,
};

/// The peer's name and incarnation.
pub const PEER: (&str, u32) = ("foo@127.0.0.3", 0x6A00_0003);
/// The guarded node's.
pub const GUARD: (&str, u32) = ("bar@127.0.0.2", 0x6A00_0002);

const OTP_29: u64 = 0x6d_07df_7fbd;
const HEADER_CACHE: u64 = 0x2000;
const FRAGMENTS: u64 = 0x80_0000;
const EXIT_PAYLOAD: u64 = 0x40_0000;

/// Flags by number.
#[must_use]
pub fn flags(choice: u8) -> u64 {
    match choice % 4 {
        0 => OTP_29,
        1 => OTP_29 & !HEADER_CACHE,
        2 => OTP_29 & !(HEADER_CACHE | FRAGMENTS),
        _ => OTP_29 & !(HEADER_CACHE | FRAGMENTS | EXIT_PAYLOAD),
    }
}

fn rule(subject: Subject, key: &[&str], verdict: Verdict) -> Rule {
    let key = key.iter().map(|text| Part::Exact(text.as_bytes().into())).collect();
    Rule { subject, key, scope: None, of: None, pattern: None, verdict, layer: 1, audit: false, id: 0 }
}

/// Policies by number.
#[must_use]
pub fn policy(choice: u8) -> PeerRules {
    let accept = |command| rule(Subject::Command(command), &[], Verdict::Accept);
    let all = |verdict| rule(Subject::All, &[], verdict);
    let everything = ["*".to_owned()];
    match choice % 4 {
        0 => PeerRules::new(&[all(Verdict::Accept)], &everything, Some(true)),
        1 => PeerRules::new(&[all(Verdict::Deny)], &[], None),
        2 => PeerRules::new(
            &[
                rule(Subject::Command(Command::RegSend), &["server"], Verdict::Accept),
                accept(Command::Monitor),
                accept(Command::Send),
                accept(Command::Link),
                all(Verdict::Deny),
            ],
            &[],
            None,
        ),
        _ => PeerRules::new(
            &[
                rule(Subject::Command(Command::RegSend), &["server"], Verdict::Deny),
                rule(Subject::Command(Command::SpawnRequest), &["m", "f", "1"], Verdict::Deny),
                all(Verdict::Accept),
            ],
            &everything,
            None,
        ),
    }
}

fn channel(flags: u64, policy: PeerRules, limits: Limits) -> Channel {
    Channel::new(Setup {
        peer: PEER.0.into(),
        peer_creation: PEER.1,
        guard: GUARD.0.into(),
        guard_creation: GUARD.1,
        flags,
        policies: ChannelRules { inbound: Arc::new(policy), outbound: None, shadow: None, audit: false, hooks: None },
        counters: Arc::new(Counters::default()),
        budget: Arc::new(Budget::default()),
        limits,
        close_on_limit: false,
        deny_reason: "not_allowed".into(),
    })
}

/// Everything one channel did.
#[derive(Default, PartialEq, Eq, Debug)]
pub struct Done {
    /// Towards the peer (1) and the guarded node (0), as [`Direction`] numbers what goes there.
    pub out: [Vec<u8>; 2],
    /// Refusals.
    pub events: usize,
    /// The reason why it ended.
    pub closed: Option<String>,
}

/// A channel and what it did.
pub struct Trial {
    channel: Channel,
    after: Channel,
    now: f64,
    seen: Output,
    output: Output,
    /// The results so far.
    pub done: Done,
}

impl Trial {
    /// A new one; `limits` small enough that a fuzzer can reach them.
    #[must_use]
    pub fn new(config: u8) -> Self {
        let mut limits = Limits::default();
        for (name, value) in [
            ("frame_size", 1 << 20),
            ("message_size", 1 << 20),
            ("held_bytes", 1 << 18),
            ("open_sequences", 8),
            ("open_fragments", 1000),
            ("tracked", 16),
            ("new_nodes", 16),
            ("inline_atoms", 64),
            ("link_per_second", 8),
            ("commands_per_second", 50),
            ("sequence_age", 20),
        ] {
            assert!(limits.set(name, value), "no such limit: {name}");
        }
        let flags = flags(config);
        Trial {
            channel: channel(flags, policy(config / 4), limits),
            after: channel(flags, policy(0), Limits::default()),
            now: 0.0,
            seen: Output::default(),
            output: Output::default(),
            done: Done::default(),
        }
    }

    /// Time passes.
    pub fn wait(&mut self) {
        self.now += 0.1;
    }

    /// Feeds a piece; false when the channel is closed.
    pub fn feed(&mut self, inbound: bool, data: &[u8]) -> bool {
        let direction = if inbound { Direction::Inbound } else { Direction::Outbound };
        self.channel.receive(direction, data, self.now, &mut self.output);
        let mut forward = Vec::new();
        for segment in &self.output.forward {
            forward.extend_from_slice(match segment {
                Segment::Input(range) => &data[range.clone()],
                Segment::Made(range) => &self.output.made[range.clone()],
                Segment::Kept(index, range) => &self.output.kept[*index][range.clone()],
            });
        }
        let back = std::mem::take(&mut self.output.back);
        self.check(direction, &forward);
        self.check(if inbound { Direction::Outbound } else { Direction::Inbound }, &back);
        self.done.out[direction as usize].extend_from_slice(&forward);
        self.done.out[1 - direction as usize].extend_from_slice(&back);
        self.done.events += self.output.events.iter().map(|event| 1 + event.folded as usize).sum::<usize>();
        if self.output.closed.is_some() {
            self.done.closed = self.output.closed.take();
            assert_eq!(self.channel.pending(), 0, "a closed channel holds bytes");
            return false;
        }
        assert!(self.channel.pending() <= 2 * ((1 << 18) + (1 << 20) + 4), "holds too much");
        true
    }

    fn check(&mut self, direction: Direction, data: &[u8]) {
        let mut rest = data;
        while let [a, b, c, d, tail @ ..] = rest {
            let (body, behind) = tail.split_at(u32::from_be_bytes([*a, *b, *c, *d]) as usize);
            rest = behind;
            let made = without_rehearsal(body);
            let body = made.as_deref().unwrap_or(body);
            let frame = [&(body.len() as u32).to_be_bytes(), body].concat();
            self.after.receive(direction, &frame, self.now, &mut self.seen);
            assert_eq!(self.seen.closed, None, "a node would close the connection");
        }
        assert!(rest.is_empty(), "a part of a frame was forwarded");
    }

    /// Ends the trial: what was not reported must be counted as folded.
    #[must_use]
    pub fn finish(mut self) -> Done {
        self.done.events += self.channel.folded() as usize;
        self.done
    }
}

/// In front of some fragments the channel sends `{6, Pid, Control, undefined}`, for a node to decode the control message where
/// that only costs the connection. No node sends such a thing: here it is made an ordinary message, with the same header.
fn without_rehearsal(body: &[u8]) -> Option<Vec<u8>> {
    let [131, 68, count, refs @ ..] = body else { return None };
    let count = usize::from(*count);
    let mut pos = 0;
    if count > 0 {
        pos = count / 2 + 1;
        let nibble = |index: usize| refs[index / 2] >> (4 * (index % 2)) & 15;
        let long = nibble(count) & 1 == 1;
        for index in 0..count {
            pos += 1;
            if nibble(index) & 8 != 0 {
                let length = usize::from(refs[pos]);
                pos += if long { 2 + (length << 8 | usize::from(refs[pos + 1])) } else { 1 + length };
            }
        }
    }
    let [104, 4, 97, 6, 88, node @ ..] = &refs[pos..] else { return None };
    let node = match node {
        [82, ..] => 2,
        [119, length, ..] => 2 + usize::from(*length),
        _ => return None,
    };
    pos += 5 + node + 12;
    (refs[pos] == 104).then(|| [&body[..3 + pos], &[119, 0, 119, 9], b"undefined", &[106]].concat())
}
