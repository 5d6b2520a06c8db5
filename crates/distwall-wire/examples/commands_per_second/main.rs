//! The core alone: how many small commands one CPU core judges in a second, by command.
//!
//! Every frame is what OTP sends once its atom cache is warm. The peer's policy has 1,000 filters and ends with `deny *`. Prints a JSON
//! object: for each case the median, over rounds that alternate between the cases, of commands per second of CPU time.
//!
//! Given a case's name and a number, it judges this number of chunks of 64 KiB and prints the number of commands: for
//! `make bench-core`, which counts instructions. `--names` lists the cases.

use std::sync::Arc;
use std::time::{Duration, Instant};

use distwall_wire::{
    Budget, Channel, ChannelRules, Command, Counters, Direction, Limits, Output, Part, Pattern, PeerRules, Rule, Scope,
    Segment, Setup, Subject, Verdict,
};

mod office;

const PEER: &str = "peer@127.0.0.1";
const GUARD: &str = "guard@127.0.0.2";
const FLAGS: u64 = 0x6d_07df_7fbd;
const ROUND: Duration = Duration::from_millis(150);
const ROUNDS: usize = 7;
/// Names that a short memory for names takes for one another.
const ROOMS: [&str; 8] = ["room_a", "roam_a", "rook_a", "roof_a", "rood_a", "root_a", "roar_a", "rosa_a"];
/// A process of the guarded node that it disclosed.
const EXPOSED: u8 = 90;

/// One frame in the making: terms name atoms by position, and the header has just the named atoms, as OTP does it.
#[derive(Default)]
struct Frame {
    atoms: Vec<&'static str>,
}

impl Frame {
    fn atom(&mut self, text: &'static str) -> Vec<u8> {
        let known = self.atoms.iter().position(|atom| *atom == text);
        let index = known.unwrap_or_else(|| {
            self.atoms.push(text);
            self.atoms.len() - 1
        });
        vec![82, index as u8]
    }

    fn pid(&mut self, node: &'static str) -> Vec<u8> {
        self.pid_of(node, 80)
    }

    fn pid_of(&mut self, node: &'static str, id: u8) -> Vec<u8> {
        [&[88], &*self.atom(node), &[0, 0, 0, id, 0, 0, 0, 0, 0, 0, 0, 7]].concat()
    }

    fn reference(&mut self, node: &'static str) -> Vec<u8> {
        [&[90, 0, 3], &*self.atom(node), &[0, 0, 0, 7], &[0, 0, 0, 9, 1, 2, 3, 4, 5, 6, 7, 8]].concat()
    }

    /// Length, header and terms; each atom has its own slot.
    fn end(&self, fresh: bool, terms: &[Vec<u8>]) -> Vec<u8> {
        let count = self.atoms.len();
        let mut out = vec![131, 68, count as u8];
        out.resize(3 + count / 2 + 1, 0);
        for (i, atom) in self.atoms.iter().enumerate() {
            out[3 + i / 2] |= u8::from(fresh) << 3 << (4 * (i & 1));
            out.push(atom.as_bytes().iter().fold(7, |slot: u8, byte| slot.wrapping_mul(31) ^ byte));
            if fresh {
                out.push(atom.len() as u8);
                out.extend_from_slice(atom.as_bytes());
            }
        }
        terms.iter().for_each(|term| out.extend_from_slice(term));
        [&(out.len() as u32).to_be_bytes(), &*out].concat()
    }
}

fn tuple(elements: &[Vec<u8>]) -> Vec<u8> {
    [&[104, elements.len() as u8], &*elements.concat()].concat()
}

fn op(number: u8) -> Vec<u8> {
    vec![97, number]
}

/// A case's name, its frame with new atoms, the same with atoms that are in the cache, and the number of commands in it.
type Case = (&'static str, Vec<u8>, Vec<u8>, usize);

fn case(name: &'static str, terms: impl Fn(&mut Frame) -> Vec<Vec<u8>>) -> Case {
    let mut frame = Frame::default();
    let terms = terms(&mut frame);
    (name, frame.end(true, &terms), frame.end(false, &terms), 1)
}

/// A case with a frame for each room.
fn in_turn(name: &'static str, terms: impl Fn(&mut Frame, &'static str) -> Vec<Vec<u8>>) -> Case {
    let frames = ROOMS.map(|room| case(name, |frame| terms(frame, room)));
    let warm = frames.iter().flat_map(|(_, warm, ..)| warm.clone()).collect();
    let frame = frames.iter().flat_map(|(_, _, frame, _)| frame.clone()).collect();
    (name, warm, frame, ROOMS.len())
}

/// `{tick, 65536, 5}`
fn short(f: &mut Frame) -> Vec<u8> {
    tuple(&[f.atom("tick"), vec![98, 0, 1, 0, 0], vec![97, 5]])
}

fn gen_call(f: &mut Frame) -> Vec<u8> {
    let tag = [&[108, 0, 0, 0, 1], &*f.atom("alias"), &f.reference(PEER)].concat();
    tuple(&[f.atom("$gen_call"), tuple(&[f.pid(PEER), tag]), f.atom("get")])
}

fn reg_send(f: &mut Frame, name: &'static str) -> Vec<u8> {
    tuple(&[op(6), f.pid(PEER), f.atom(""), f.atom(name)])
}

fn monitor(f: &mut Frame, number: u8) -> Vec<u8> {
    tuple(&[op(number), f.pid(PEER), f.atom("gateway"), f.reference(PEER)])
}

fn spawn(f: &mut Frame) -> Vec<u8> {
    let mfa = tuple(&[f.atom("my_mod"), f.atom("run"), op(1)]);
    let options = [&[108, 0, 0, 0, 1], &*f.atom("monitor"), &[106]].concat();
    tuple(&[op(29), f.reference(PEER), f.pid(PEER), f.pid(PEER), mfa, options])
}

fn erpc(f: &mut Frame) -> Vec<u8> {
    let mfa = tuple(&[f.atom("erpc"), f.atom("execute_call"), op(4)]);
    let options = [&[108, 0, 0, 0, 1], &*f.atom("monitor"), &[106]].concat();
    tuple(&[op(29), f.reference(PEER), f.pid(PEER), f.pid(PEER), mfa, options])
}

/// `[Ref, inventory, lookup, [1]]`
fn erpc_arguments(f: &mut Frame) -> Vec<u8> {
    let (reference, module, function) = (f.reference(PEER), f.atom("inventory"), f.atom("lookup"));
    [&[108, 0, 0, 0, 4], &*reference, &module, &function, &[107, 0, 1, 1, 106]].concat()
}

/// A process of the guarded node sends an alias of its own, and the pid that it discloses.
fn disclosure() -> Vec<u8> {
    let mut f = Frame::default();
    let shown = tuple(&[f.pid_of(GUARD, EXPOSED), f.reference(GUARD)]);
    let terms = [tuple(&[op(22), f.pid(GUARD), f.pid(PEER)]), shown];
    f.end(true, &terms)
}

fn cases() -> Vec<Case> {
    vec![
        case("send", |f| vec![tuple(&[op(22), f.pid(PEER), f.pid(GUARD)]), short(f)]),
        case("reg_send", |f| vec![reg_send(f, "gateway"), short(f)]),
        in_turn("reg_send, names in turn", |f, room| vec![reg_send(f, room), short(f)]),
        case("reg_send, gen_call", |f| vec![reg_send(f, "gateway"), gen_call(f)]),
        case("reg_send, refused", |f| vec![reg_send(f, "secret"), short(f)]),
        case("alias_send", |f| vec![tuple(&[op(33), f.pid(PEER), f.reference(GUARD)]), short(f)]),
        case("monitor", |f| vec![monitor(f, 19)]),
        case("demonitor of nothing, refused", |f| vec![monitor(f, 20)]),
        case("link", |f| vec![tuple(&[op(1), f.pid(PEER), f.pid(GUARD)])]),
        case("exit2, refused", |f| vec![tuple(&[op(26), f.pid(PEER), f.pid(GUARD)]), f.atom("kill")]),
        case("reg_send, pattern", |f| vec![reg_send(f, "counter"), short(f)]),
        case("reg_send, gen_call, pattern", |f| vec![reg_send(f, "asked"), gen_call(f)]),
        case("group_leader to linked, refused", |f| vec![tuple(&[op(7), f.pid(PEER), f.pid(GUARD)])]),
        case("exit2 to exposed", |f| vec![tuple(&[op(26), f.pid(PEER), f.pid_of(GUARD, EXPOSED)]), f.atom("kill")]),
        case("spawn_request, erpc", |f| vec![erpc(f), erpc_arguments(f)]),
        case("spawn_request", |f| vec![spawn(f), vec![108, 0, 0, 0, 1, 97, 1, 106]]),
    ]
}

fn policy() -> PeerRules {
    let command = |command, key: &str, verdict| Rule {
        subject: Subject::Command(command),
        key: if key.is_empty() { vec![] } else { vec![Part::Exact(key.as_bytes().into())] },
        scope: None,
        of: None,
        pattern: None,
        verdict,
        layer: 1,
        audit: false,
        id: 1,
    };
    let mut rules: Vec<Rule> =
        (0..982).map(|i| command(Command::RegSend, &format!("server_{i}"), Verdict::Deny)).collect();
    for open in [Command::Send, Command::AliasSend, Command::Monitor, Command::Link, Command::SpawnRequest] {
        rules.push(command(open, "", Verdict::Accept));
    }
    for name in [&["gateway"][..], &ROOMS].concat() {
        rules.push(command(Command::RegSend, name, Verdict::Accept));
    }
    // {tick, integer(), _}, and {'$gen_call', _, get}
    for (name, code) in [
        ("counter", &b"\x03\0\0\0\x03\x06\0\0\0\x06w\x04tick\x02\0\0"[..]),
        ("asked", b"\x03\0\0\0\x03\x06\0\0\0\x0bw\x09$gen_call\0\x06\0\0\0\x05w\x03get"),
    ] {
        let pattern = Pattern::parse(code).map(Arc::new).ok();
        assert!(pattern.is_some());
        rules.push(Rule { pattern, ..command(Command::RegSend, name, Verdict::Accept) });
    }
    for (aimed, scope) in [(Command::GroupLeader, Scope::Linked), (Command::Exit2, Scope::Exposed)] {
        rules.push(Rule { scope: Some(scope), ..command(aimed, "", Verdict::Accept) });
    }
    let parts = ["inventory", "lookup", "1"].map(|part| Part::Exact(part.as_bytes().into()));
    rules.push(Rule { subject: Subject::Call, key: parts.into(), ..command(Command::Send, "", Verdict::Accept) });
    rules.push(Rule { subject: Subject::All, ..command(Command::Send, "", Verdict::Drop) });
    PeerRules::new(&rules, &[], None)
}

fn channel() -> Channel {
    let mut limits = Limits::default();
    for name in Limits::NAMES.into_iter().filter(|name| name.ends_with("_per_second")) {
        limits.set(name, u64::MAX);
    }
    Channel::new(Setup {
        peer: PEER.into(),
        peer_creation: 7,
        guard: GUARD.into(),
        guard_creation: 7,
        flags: FLAGS,
        policies: ChannelRules { inbound: Arc::new(policy()), outbound: None, shadow: None, audit: false, hooks: None },
        counters: Arc::new(Counters::default()),
        budget: Arc::new(Budget::default()),
        limits,
        close_on_limit: false,
        deny_reason: "not_allowed".into(),
    })
    .without_outbound_rules()
}

/// Seconds of CPU time of this thread: other load on the machine matters less.
fn cpu() -> f64 {
    let text = std::fs::read_to_string("/proc/thread-self/schedstat").unwrap_or_default();
    text.split(' ').next().and_then(|nanoseconds| nanoseconds.parse::<f64>().ok()).unwrap_or_default() / 1e9
}

fn length(segment: &Segment) -> usize {
    match segment {
        Segment::Input(range) | Segment::Made(range) | Segment::Kept(_, range) => range.len(),
    }
}

/// A channel, and one command many times.
struct Stream {
    channel: Channel,
    out: Output,
    chunk: Vec<u8>,
    /// Commands in a chunk.
    commands: usize,
    refused: bool,
}

impl Stream {
    fn new((name, warm, frame, commands): &Case) -> Self {
        let (mut channel, mut out, times) = (channel(), Output::default(), (64 << 10) / frame.len());
        channel.receive(Direction::Outbound, &disclosure(), 0.0, &mut out);
        channel.receive(Direction::Inbound, warm, 0.0, &mut out);
        office::answer(&mut channel, &mut out, GUARD);
        let refused = name.ends_with("refused");
        Stream { channel, out, chunk: frame.repeat(times), commands: times * commands, refused }
    }

    /// Judges a chunk; returns its number of commands. Panics if commands are refused that the case should accept.
    fn judge(&mut self, now: f64) -> usize {
        self.channel.receive(Direction::Inbound, &self.chunk, now, &mut self.out);
        assert_eq!(self.out.closed, None);
        let forwarded: usize = self.out.forward.iter().map(length).sum();
        // A tick may be forwarded without any other frame.
        assert_eq!(forwarded < self.chunk.len() / 2, self.refused);
        self.commands
    }
}

/// Commands per second of CPU time over one round.
fn rate(case: &Case) -> f64 {
    let mut stream = Stream::new(case);
    let (start, began) = (Instant::now(), cpu());
    let mut judged = 0;
    while start.elapsed() < ROUND {
        judged += stream.judge(start.elapsed().as_secs_f64());
    }
    judged as f64 / (cpu() - began)
}

fn main() {
    let arguments: Vec<String> = std::env::args().collect();
    if arguments.get(1).is_some_and(|argument| argument == "--names") {
        cases().iter().for_each(|(name, ..)| println!("{name}"));
        return;
    }
    if let [_, only, chunks] = &*arguments {
        let chunks: u64 = chunks.parse().unwrap_or_default();
        for case in cases().iter().filter(|(name, ..)| name == only) {
            let mut stream = Stream::new(case);
            println!("{}", (0..chunks).map(|_| stream.judge(0.0)).sum::<usize>());
        }
        return;
    }
    let mut cases: Vec<_> = cases().into_iter().map(|case| (case, Vec::new())).collect();
    for _ in 0..ROUNDS {
        for (case, rates) in &mut cases {
            rates.push(rate(case));
        }
    }
    let lines: Vec<String> = cases
        .iter_mut()
        .map(|((name, ..), rates)| {
            rates.sort_by(f64::total_cmp);
            format!("  \"{name}\": {:.0}", rates[ROUNDS / 2])
        })
        .collect();
    println!("{{\n{}\n}}", lines.join(",\n"));
}
