//! Random policies: rules of every kind, patterns, hooks, small limits.

use std::sync::OnceLock;

use crate::model::{Bytes, Hooks, Policy, Rule};
use crate::pool::Pool;
use crate::rng::Rng;

pub const COMMANDS: [&str; 14] = [
    "alias_send",
    "demonitor",
    "exit",
    "exit2",
    "group_leader",
    "link",
    "monitor",
    "monitor_exit",
    "reg_send",
    "send",
    "spawn_reply",
    "spawn_request",
    "unlink",
    "unlink_ack",
];
pub const VERDICTS: [&str; 3] = ["accept", "deny", "drop"];
const SCOPES: [&str; 4] = ["exposed", "spawned", "linked", "any"];

/// Small values, so that a session reaches the limits.
const LIMITS: [(&str, &[u64]); 34] = [
    ("new_atoms", &[3, 20, 100]),
    ("guard_atoms", &[5, 30]),
    ("new_funs", &[0, 2]),
    ("new_nodes", &[0, 1, 3]),
    ("inline_atoms", &[2, 8, 64]),
    ("frame_size", &[1000, 4096]),
    ("message_size", &[300, 4096]),
    ("held_bytes", &[50, 500, 5000]),
    ("open_sequences", &[1, 3]),
    ("open_fragments", &[4, 30]),
    ("sequence_age", &[1, 5]),
    ("bytes_per_second", &[500, 5000]),
    ("commands_per_second", &[5, 50]),
    ("alias_send_per_second", &[0, 2]),
    ("demonitor_per_second", &[0, 2]),
    ("exit_per_second", &[0, 2]),
    ("exit2_per_second", &[0, 2]),
    ("group_leader_per_second", &[0, 1]),
    ("link_per_second", &[0, 2]),
    ("monitor_per_second", &[0, 2]),
    ("monitor_exit_per_second", &[0, 2]),
    ("reg_send_per_second", &[2, 5]),
    ("send_per_second", &[2, 5]),
    ("spawn_reply_per_second", &[0, 2]),
    ("spawn_request_per_second", &[1, 3]),
    ("unlink_per_second", &[0, 2]),
    ("unlink_ack_per_second", &[0, 2]),
    ("term_depth", &[2, 8, 30]),
    ("bigint_bytes", &[4, 8, 100]),
    ("spawn_heap", &[5, 1000]),
    ("tracked", &[1, 4, 16]),
    ("tracked_age", &[0, 1, 10]),
    ("tracked", &[0, 64]),
    ("held_bytes", &[0, 100_000]),
];

/// Limits that keep their defaults: the versions are known to differ there.
pub static KEPT: OnceLock<Vec<String>> = OnceLock::new();

/// A few limits, or none.
pub fn limits(rng: &mut Rng) -> Vec<(String, u64)> {
    let count = if rng.chance(500) { 0 } else { 1 + rng.below(5) };
    let limit = |rng: &mut Rng| {
        let (name, values) = rng.pick(&LIMITS);
        (name.to_owned(), rng.pick(values))
    };
    let mut limits: Vec<(String, u64)> = (0..count).map(|_| limit(rng)).collect();
    limits.retain(|(name, _)| !KEPT.get().is_some_and(|kept| kept.contains(name)));
    limits
}

/// The rules of a peer. Some policies end in `accept *`, some in `deny *`.
pub fn policy(rng: &mut Rng, pool: &Pool) -> Policy {
    let count = if rng.chance(20) { 200 } else { rng.below(14) };
    let mut rules: Vec<Rule> = (0..count).map(|_| rule(rng, pool)).collect();
    rules.sort_by_key(|rule| rule.layer);
    let last = match rng.below(10) {
        0..4 => Some("accept"),
        4..7 => Some("deny"),
        7 => Some("drop"),
        _ => None,
    };
    rules.extend(last.map(|verdict| Rule {
        subject: "*".into(),
        key: vec![],
        scope: None,
        pattern: None,
        verdict: verdict.into(),
        layer: 2,
        audit: rng.chance(30),
        id: 0,
    }));
    rules.iter_mut().enumerate().for_each(|(id, rule)| rule.id = id as u32);
    let third_nodes: &[&str] = match rng.below(10) {
        0..3 => &["*"],
        3 => &["third@*"],
        4 => &["*@h", "f*th@h"],
        _ => &[],
    };
    Policy {
        rules,
        third_nodes: third_nodes.iter().map(|glob| (*glob).to_owned()).collect(),
        funs: rng.pick(&[None, None, Some(true), Some(false)]),
    }
}

fn rule(rng: &mut Rng, pool: &Pool) -> Rule {
    let subject = match rng.below(100) {
        0..6 => "*",
        6..16 => "otp_internal",
        16..34 => "call",
        34..50 => "reg_send",
        50..58 => "spawn_request",
        _ => rng.pick(&COMMANDS),
    };
    Rule {
        subject: subject.into(),
        key: if rng.chance(450) { key(rng, pool, subject) } else { vec![] },
        scope: rng.chance(200).then(|| rng.pick(&SCOPES).to_owned()),
        pattern: rng.chance(200).then(|| Bytes(pattern(rng, pool))),
        verdict: if rng.chance(600) { "accept".into() } else { rng.pick(&VERDICTS).into() },
        layer: rng.below(3) as u8,
        audit: rng.chance(60),
        id: 0,
    }
}

fn key(rng: &mut Rng, pool: &Pool, subject: &str) -> Vec<(String, String)> {
    let part = |rng: &mut Rng, text: &str| match rng.below(10) {
        0..7 => ("exact".to_owned(), text.to_owned()),
        7 => ("any".to_owned(), String::new()),
        _ => {
            let end = text.char_indices().map(|(at, _)| at).nth(rng.below(4)).unwrap_or(0);
            ("prefix".to_owned(), text[..end].to_owned())
        }
    };
    let called = matches!(subject, "call" | "spawn_request");
    let named = matches!(subject, "reg_send" | "monitor" | "otp_internal");
    match rng.below(20) {
        0 => vec![part(rng, "x"), part(rng, "y")],
        1..17 if called => {
            let (module, function) = (pool.name(rng), pool.name(rng));
            let arity = rng.below(4).to_string();
            vec![part(rng, module), part(rng, function), part(rng, &arity)]
        }
        1..14 if named => {
            let name = pool.name(rng);
            vec![part(rng, name)]
        }
        _ if subject == "alias_send" => vec![("ref".to_owned(), format!("#Ref<0.0.0.{}>", rng.below(9)))],
        _ => vec![("pid".to_owned(), format!("<0.{}.0>", rng.below(9)))],
    }
}

/// Handlers, and a module filter.
pub fn hooks(rng: &mut Rng, pool: &Pool) -> Hooks {
    let who = |rng: &mut Rng| if rng.chance(500) { String::new() } else { pool.name(rng).to_owned() };
    let count = rng.below(4);
    let command = |rng: &mut Rng| {
        let command = if rng.chance(300) { "spawn_request" } else { rng.pick(&COMMANDS) };
        (command.to_owned(), who(rng))
    };
    Hooks {
        handlers: (0..count).map(|_| command(rng)).collect(),
        filter: rng.chance(400).then(|| who(rng)),
        checked_funs: rng.chance(400),
        own_name: rng.chance(500),
    }
}

/// A compiled pattern.
pub fn pattern(rng: &mut Rng, pool: &Pool) -> Vec<u8> {
    let mut out = Vec::new();
    match rng.below(10) {
        // {Label, from(), Request}
        0..3 => {
            out.extend_from_slice(&[3, 0, 0, 0, 3]);
            literal(&mut out, if rng.chance(700) { "$gen_call" } else { pool.name(rng) });
            node(rng, pool, 1, &mut out);
            node(rng, pool, 2, &mut out);
        }
        3 => {
            out.extend_from_slice(&[3, 0, 0, 0, 2]);
            node(rng, pool, 1, &mut out);
            node(rng, pool, 2, &mut out);
        }
        // A list: the arguments of a call.
        4 => {
            out.extend_from_slice(&[4, 0, 0, 0, 1]);
            node(rng, pool, 1, &mut out);
            out.extend_from_slice(&[6, 0, 0, 0, 1, 106]);
        }
        _ => node(rng, pool, 3, &mut out),
    }
    out
}

fn literal(out: &mut Vec<u8>, text: &str) {
    out.push(6);
    let mut atom = if text.len() < 256 {
        vec![119, text.len() as u8]
    } else {
        [&[118][..], &(text.len() as u16).to_be_bytes()].concat()
    };
    atom.extend_from_slice(text.as_bytes());
    counted(out, &atom);
}

fn counted(out: &mut Vec<u8>, bytes: &[u8]) {
    out.extend_from_slice(&(bytes.len() as u32).to_be_bytes());
    out.extend_from_slice(bytes);
}

fn node(rng: &mut Rng, pool: &Pool, depth: usize, out: &mut Vec<u8>) {
    let kind = rng.below(if depth == 0 { 14 } else { 22 });
    match kind {
        0..3 => out.push(0),
        3..5 => out.extend_from_slice(&[1, rng.below(3) as u8]),
        5..9 => out.extend_from_slice(&[2, rng.below(19) as u8]),
        9..11 => literal(out, pool.name(rng)),
        11 => {
            let number = rng.below(256) as u8;
            out.extend_from_slice(&[6, 0, 0, 0, 2, 97, number]);
        }
        12 => match rng.below(4) {
            0 => out.extend_from_slice(&[8, 0, 0, 0, rng.below(9) as u8, 0, 0, 0, 0]),
            1 => out.extend_from_slice(&[9, 3, 0, 0, 0, rng.below(9) as u8, 0, 0, 0, 0, 0, 0, 0, 0]),
            2 => {
                out.push(7);
                counted(out, &[b'/'][..rng.below(2)]);
            }
            _ => out.extend_from_slice(&[6, 0, 0, 0, 9, 70, 0x3f, 0xf0, 0, 0, 0, 0, 0, 0]),
        },
        13 => out.extend_from_slice(&[6, 0, 0, 0, 1, 106]),
        14..18 => {
            let arity = rng.below(5);
            out.extend_from_slice(&[3, 0, 0, 0, arity as u8]);
            (0..arity).for_each(|_| node(rng, pool, depth - 1, out));
        }
        18..20 => {
            let length = rng.below(4);
            out.extend_from_slice(&[4, 0, 0, 0, length as u8]);
            (0..=length).for_each(|_| node(rng, pool, depth - 1, out));
        }
        _ => {
            let pairs = rng.below(3);
            out.extend_from_slice(&[5, 0, 0, 0, pairs as u8]);
            for _ in 0..pairs {
                literal(out, pool.name(rng));
                node(rng, pool, depth - 1, out);
            }
        }
    }
}
