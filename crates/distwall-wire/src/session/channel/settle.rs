//! What a verdict leaves behind: tracking, and what the refused sender is told.

use crate::command::Command;
use crate::direction::Direction;
use crate::session::judge::{Ends, Message, Ruling};
use crate::session::track::{Asked, Pair, Track};
use crate::term::atoms::Word;
use crate::verdict::Verdict;
use crate::wire::control::{Control, Target, Watched};
use crate::wire::reply::{self, End};
use crate::wire::shapes;

/// A message passes.
pub fn passed(message: &Message<'_, '_>, direction: Direction, ends: &Ends, track: &mut Track, ruling: &Ruling) {
    let control = message.control;
    let from = control.from.filter(|from| ends.is_of(direction, from)).map(|from| from.pid);
    // An unlink ends its link when it is acknowledged.
    if let Some(asked) = ruling.settles.filter(|_| control.command != Command::Unlink) {
        track.settle(direction, asked, from);
    }
    let reference = control.reference.map(|(_, reference)| reference);
    let pair = pair(control, direction);
    match control.command {
        Command::Monitor => {
            if let (Some(reference), Some(from), Some(watched)) = (reference, control.from, watched(control)) {
                track.monitor(direction, reference, from.pid, watched);
            }
        }
        Command::MonitorExit => match control.name {
            Some(name) => track.free(direction, name.text),
            None => from.into_iter().for_each(|pid| track.ended(direction, pid)),
        },
        Command::Link => {
            if let Some(pair) = pair {
                track.link(pair);
            }
        }
        Command::Unlink => {
            if let Some(pair) = pair {
                track.unlink(direction, control.id, pair);
            }
        }
        Command::Exit => {
            // By a rule: nothing is known of the link, or its unlink is under way.
            if let Some(pair) = pair.filter(|_| ruling.settles.is_none()) {
                track.settle(direction, Asked::Link(pair), None);
            }
            from.into_iter().for_each(|pid| track.ended(direction, pid));
        }
        Command::SpawnRequest => {
            if let (Some(reference), Some(from)) = (reference, control.from) {
                track.spawn(direction, reference, from.pid, control.linked, control.monitored);
            }
            // What is spawned is to write to its group leader.
            if let Some(leader) = control.other.filter(|leader| ends.is_of(direction, leader)) {
                track.expose(direction, &[leader.pid], &[]);
            }
        }
        Command::SpawnReply => {
            if let (Some(reference), Some(Target::Process(by)), Some(spawned)) = (reference, control.to, control.other)
            {
                if matches!(ruling.settles, Some(Asked::Spawn(..))) && ends.is_of(direction, &spawned) {
                    track.spawned(direction, spawned.pid);
                }
                if control.linked {
                    track.link(Pair::new(direction, spawned.pid, by.pid));
                }
                if control.monitored {
                    track.monitor(direction.other(), reference, by.pid, Watched::Process(spawned.pid));
                }
            }
        }
        Command::Send | Command::RegSend | Command::AliasSend if ruling.settles.is_none() => {
            asked(message, direction, ends, track);
        }
        _ => {}
    }
}

/// A message that answers nothing: does it ask for an answer?
fn asked(message: &Message<'_, '_>, direction: Direction, ends: &Ends, track: &mut Track) {
    let Some(payload) = message.payload else {
        return;
    };
    let name = match message.control.to {
        Some(Target::Name(name)) => Some(name),
        _ => None,
    };
    if let Some(asker) = &message.asker {
        if ends.is_of(direction, &asker.from) && asker.first.0 == direction.word() {
            track.call(direction, asker.first.1, asker.from.pid, name.map(|name| name.text));
        }
    } else if name.is_some_and(|name| name.word == Word::Rex) {
        if let Some((asker, word)) = shapes::rex_request(payload) {
            if ends.is_of(direction, &asker) {
                track.rex(direction, asker.pid, word);
                // Only rex itself asks that.
                let itself = message.control.from.is_some_and(|from| from.pid == asker.pid);
                if word == Word::FeaturesRequest && itself {
                    track.learn(direction, asker.pid, b"rex");
                }
            }
        }
    }
}

/// A message was refused: what its sender is told (`back`), and what its receiver is (`forward`).
pub fn refuse(
    message: &Message<'_, '_>,
    direction: Direction,
    ends: &Ends,
    track: &mut Track,
    ruling: &Ruling,
    back: &mut Vec<u8>,
    forward: &mut Vec<u8>,
) {
    let control = message.control;
    let Some(from) = control.from.filter(|from| ends.is_of(direction, from)) else {
        return;
    };
    if ruling.verdict != Verdict::Deny {
        return;
    }
    if let Some(asked) = ruling.settles {
        return fail_asker(control, asked, direction, ends, track, forward);
    }
    let form = ends.form;
    let sender = ends.end(direction, from.pid);
    let reference = control.reference.map(|(_, reference)| reference);
    match (control.command, control.to) {
        (Command::SpawnRequest, _) => {
            if let Some(reference) = reference {
                reply::spawn_error(back, form, sender, reference, &ends.deny_reason);
            }
        }
        (Command::Monitor, _) => {
            if let (Some(reference), Some(watched)) = (reference, watched(control)) {
                let node = target_node(control).unwrap_or(ends.name(direction.other()));
                reply::down(back, form, node, &watched, sender, reference, b"noproc");
            }
        }
        (Command::Link, Some(Target::Process(to))) => {
            reply::exit(back, form, End { node: to.node.text, pid: to.pid }, sender, b"noproc");
        }
        (Command::Unlink, Some(Target::Process(to))) if control.op == 35 => {
            let to = End { node: to.node.text, pid: to.pid };
            reply::unlink_ack(back, form, control.id, to, sender);
        }
        (Command::Send | Command::RegSend | Command::AliasSend, _) => {
            refuse_call(message, direction, ends, track, back, forward)
        }
        _ => {}
    }
}

/// The answer or ending that a node waits for may not reach it for what it carries. A linked process gets its exit without
/// that; an asker whose question came with a monitor sees that one end, so that it fails at once rather than waits for ever.
fn fail_asker(
    control: &Control<'_>,
    asked: Asked,
    direction: Direction,
    ends: &Ends,
    track: &mut Track,
    forward: &mut Vec<u8>,
) {
    let (reference, asker) = match (asked, control.to) {
        (Asked::Monitor(reference), Some(Target::Process(to))) => (reference, Some(to.pid)),
        (Asked::Call(reference, asker), _) => (reference, Some(asker)),
        (Asked::Alias(reference), _) => (reference, track.caller(direction.other(), reference)),
        (Asked::Link(pair), _) if control.command == Command::Exit => {
            let from = ends.end(direction, pair.of(direction));
            let to = ends.end(direction.other(), pair.of(direction.other()));
            reply::exit(forward, ends.form, from, to, &ends.deny_reason);
            return track.settle(direction, asked, None);
        }
        _ => return,
    };
    let watched = control.name.map(|name| Watched::Name(name.text.into()));
    let Some(watched) = watched.or(control.from.map(|from| Watched::Process(from.pid))) else { return };
    let (Some(asker), true) = (asker, track.knows(direction, Asked::Monitor(reference))) else { return };
    let asker = ends.end(direction.other(), asker);
    reply::down(forward, ends.form, ends.name(direction), &watched, asker, reference, &ends.deny_reason);
    track.settle(direction, Asked::Monitor(reference), None);
    track.settle(direction, Asked::Alias(reference), None);
}

/// A call whose message is refused, though its monitor went through, fails at once: a DOWN for the caller, and the other node
/// forgets the monitor.
fn refuse_call(
    message: &Message<'_, '_>,
    direction: Direction,
    ends: &Ends,
    track: &mut Track,
    back: &mut Vec<u8>,
    forward: &mut Vec<u8>,
) {
    let Some(asker) = &message.asker else {
        return;
    };
    if !ends.is_of(direction, &asker.from) || asker.last.0 != direction.word() {
        return;
    }
    let (caller, reference) = (asker.from.pid, asker.last.1);
    let Some(watched) = track.watched(direction, reference, caller) else {
        return;
    };
    let (caller_end, other) = (ends.end(direction, caller), ends.name(direction.other()));
    reply::down(back, ends.form, other, watched, caller_end, reference, &ends.deny_reason);
    reply::demonitor(forward, ends.form, caller_end, other, watched, reference);
    track.settle(direction, Asked::OwnMonitor(reference, caller), None);
}

fn target_node<'a>(control: &Control<'a>) -> Option<&'a [u8]> {
    match control.to {
        Some(Target::Process(process)) => Some(process.node.text),
        _ => None,
    }
}

fn watched(control: &Control<'_>) -> Option<Watched> {
    match control.to? {
        Target::Name(name) => Some(Watched::Name(name.text.into())),
        Target::Process(process) => Some(Watched::Process(process.pid)),
        Target::Alias(..) => None,
    }
}

/// Sender and target as a pair of linked processes.
fn pair(control: &Control<'_>, direction: Direction) -> Option<Pair> {
    match (control.from, control.to) {
        (Some(from), Some(Target::Process(to))) => Some(Pair::new(direction, from.pid, to.pid)),
        _ => None,
    }
}
