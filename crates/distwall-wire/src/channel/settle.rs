//! What a verdict leaves behind: tracking, and what the refused sender is told.

use crate::atoms::Word;
use crate::control::{Command, Control, Target};
use crate::judge::{Ends, Message, Ruling};
use crate::policy::Verdict;
use crate::reply::{self, End};
use crate::scan::{Scanner, Watch};
use crate::shapes;
use crate::term::Pid;
use crate::track::{Asked, Pair, Track, Watched};

/// Notes the atoms of a control message that don't stand in the frame's header.
pub fn atoms_of_control(control: &Control<'_>, scanner: &mut Scanner, watch: &Watch<'_>) {
    if !control.inline {
        return;
    }
    let processes = [control.from, control.other].into_iter().flatten().map(|process| process.node);
    let target = control.to.map(|to| match to {
        Target::Name(name) => name,
        Target::Process(process) => process.node,
        Target::Alias(node, _) => node,
    });
    let called = control.mfa.into_iter().flat_map(|mfa| [mfa.module, mfa.function]);
    let others = [control.reference.map(|(node, _)| node), control.name, control.loose].into_iter().flatten();
    for atom in processes.chain(target).chain(called).chain(others) {
        scanner.found.inline(atom, watch);
    }
}

/// Whether tracking can take what the message sets up.
pub fn room(control: &Control<'_>, track: &Track) -> bool {
    match control.command {
        Command::Link | Command::Monitor => track.room(control.command == Command::Link),
        _ => true,
    }
}

/// An inbound message was accepted.
pub fn inbound(control: &Control<'_>, track: &mut Track, ruling: &Ruling) {
    if let Some(asked) = ruling.settles {
        track.settle(asked);
    }
    match control.command {
        Command::Link => {
            if let Some(pair) = pair(control, true) {
                track.link(pair);
            }
        }
        Command::Unlink | Command::Exit => {
            if let Some(pair) = pair(control, true) {
                track.settle(Asked::Link(pair));
            }
        }
        Command::Monitor => {
            if let (Some((_, reference)), Some(from), Some(watched)) =
                (control.reference, control.from, watched(control))
            {
                track.peer_monitor(reference, from.pid, watched);
            }
        }
        Command::SpawnReply => {
            if let (Some((_, reference)), Some(Target::Process(by)), Some(spawned)) =
                (control.reference, control.to, control.other)
            {
                if control.linked {
                    track.link(Pair { peer: spawned.pid, guard: by.pid });
                }
                if control.monitored {
                    track.monitor(reference);
                }
            }
        }
        _ => {}
    }
}

/// An outbound message passes.
pub fn outbound(message: &Message<'_, '_>, ends: &Ends, track: &mut Track) {
    let control = message.control;
    let reference = control.reference.map(|(_, reference)| reference);
    match control.command {
        Command::Monitor => {
            if let Some(reference) = reference {
                track.monitor(reference);
            }
        }
        Command::Demonitor => {
            if let Some(reference) = reference {
                track.settle(Asked::Monitor(reference));
            }
        }
        Command::MonitorExit => {
            if let (Some(reference), Some(Target::Process(to))) = (reference, control.to) {
                track.settle(Asked::PeerMonitor(reference, to.pid));
            }
        }
        Command::Link => {
            if let Some(pair) = pair(control, false) {
                track.link(pair);
            }
        }
        Command::Unlink => {
            if let Some(pair) = pair(control, false) {
                track.unlink(control.id, pair);
            }
        }
        Command::Exit => {
            if let Some(pair) = pair(control, false) {
                track.settle(Asked::Link(pair));
            }
        }
        Command::SpawnRequest => {
            if let (Some(reference), Some(from)) = (reference, control.from) {
                track.spawn(reference, from.pid, control.linked, control.monitored);
            }
        }
        Command::SpawnReply => {
            if let (Some(reference), Some(Target::Process(by)), Some(spawned)) = (reference, control.to, control.other)
            {
                if control.linked {
                    track.link(Pair { peer: by.pid, guard: spawned.pid });
                }
                if control.monitored {
                    track.peer_monitor(reference, by.pid, Watched::Process(spawned.pid));
                }
            }
        }
        Command::Send | Command::RegSend | Command::AliasSend => asked(message, ends, track),
        Command::Exit2 | Command::GroupLeader | Command::UnlinkAck => {}
    }
}

/// The guarded node sends a message: does it ask for an answer?
fn asked(message: &Message<'_, '_>, ends: &Ends, track: &mut Track) {
    let Some(payload) = message.payload else {
        return;
    };
    if let Some(asker) = shapes::asker(payload) {
        if ends.is_guards(&asker.from) && asker.first.0.word == Word::Guard {
            track.call(asker.first.1, asker.from.pid);
        }
    } else if matches!(message.control.to, Some(Target::Name(name)) if name.word == Word::Rex) {
        if let Some((from, word)) = shapes::rex_request(payload) {
            if ends.is_guards(&from) {
                track.rex(from.pid, word);
            }
        }
    }
}

/// An inbound message was refused: what its sender is told (`back`), and what the guarded node is (`forward`).
pub fn refuse(
    message: &Message<'_, '_>,
    ends: &Ends,
    track: &mut Track,
    ruling: &Ruling,
    back: &mut Vec<u8>,
    forward: &mut Vec<u8>,
) {
    let control = message.control;
    let Some(from) = control.from.filter(|from| ends.is_peers(from)) else {
        return;
    };
    if ruling.verdict != Verdict::Deny {
        return;
    }
    if let Some(asked) = ruling.settles {
        return fail_asker(control, asked, ends, track, forward);
    }
    let form = ends.form;
    let peer = |pid: Pid| End { node: &ends.names.peer, pid };
    let reference = control.reference.map(|(_, reference)| reference);
    match (control.command, control.to) {
        (Command::SpawnRequest, _) => {
            if let Some(reference) = reference {
                reply::spawn_error(back, form, peer(from.pid), reference, &ends.deny_reason);
            }
        }
        (Command::Monitor, _) => {
            if let (Some(reference), Some(watched)) = (reference, watched(control)) {
                let node = target_node(control).unwrap_or(&ends.names.guard);
                reply::down(back, form, node, &watched, peer(from.pid), reference, b"noproc");
            }
        }
        (Command::Link, Some(Target::Process(to))) => {
            reply::exit(back, form, End { node: to.node.text, pid: to.pid }, peer(from.pid), b"noproc");
        }
        (Command::Unlink, Some(Target::Process(to))) if control.op == 35 => {
            let to = End { node: to.node.text, pid: to.pid };
            reply::unlink_ack(back, form, control.id, to, peer(from.pid));
        }
        (Command::Send | Command::RegSend | Command::AliasSend, _) => refuse_call(message, ends, track, back, forward),
        _ => {}
    }
}

/// The answer or ending that the guarded node waits for may not reach it for what it carries. A linked process gets its exit without
/// that; an asker whose question came with a monitor sees that one end, so that it fails at once rather than waits for ever.
fn fail_asker(control: &Control<'_>, asked: Asked, ends: &Ends, track: &mut Track, forward: &mut Vec<u8>) {
    let (reference, asker) = match (asked, control.to) {
        (Asked::Monitor(reference), Some(Target::Process(to))) => (reference, Some(to.pid)),
        (Asked::Call(reference, asker), _) => (reference, Some(asker)),
        (Asked::Alias(reference), _) => (reference, track.caller(reference)),
        (Asked::Link(pair), _) if control.command == Command::Exit => {
            let (from, to) =
                (End { node: &ends.names.peer, pid: pair.peer }, End { node: &ends.names.guard, pid: pair.guard });
            reply::exit(forward, ends.form, from, to, &ends.deny_reason);
            return track.settle(asked);
        }
        _ => return,
    };
    let watched = control.name.map(|name| Watched::Name(name.text.into()));
    let Some(watched) = watched.or(control.from.map(|from| Watched::Process(from.pid))) else { return };
    let (Some(asker), true) = (asker, track.knows(Asked::Monitor(reference))) else { return };
    let asker = End { node: &ends.names.guard, pid: asker };
    reply::down(forward, ends.form, &ends.names.peer, &watched, asker, reference, &ends.deny_reason);
    track.settle(Asked::Monitor(reference));
    track.settle(Asked::Alias(reference));
}

/// A call whose message is refused, though its monitor went through, fails at once: a DOWN for the caller, and the guarded node
/// forgets the monitor.
fn refuse_call(message: &Message<'_, '_>, ends: &Ends, track: &mut Track, back: &mut Vec<u8>, forward: &mut Vec<u8>) {
    let Some(asker) = message.payload.and_then(shapes::asker) else {
        return;
    };
    if !ends.is_peers(&asker.from) || asker.last.0.word != Word::Peer {
        return;
    }
    let (caller, reference) = (asker.from.pid, asker.last.1);
    let Some(watched) = track.watched(reference, caller) else {
        return;
    };
    let caller_end = End { node: &ends.names.peer, pid: caller };
    reply::down(back, ends.form, &ends.names.guard, watched, caller_end, reference, &ends.deny_reason);
    reply::demonitor(forward, ends.form, caller_end, &ends.names.guard, watched, reference);
    track.settle(Asked::PeerMonitor(reference, caller));
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
fn pair(control: &Control<'_>, inbound: bool) -> Option<Pair> {
    let (Some(from), Some(Target::Process(to))) = (control.from, control.to) else {
        return None;
    };
    let (from, to) = (from.pid, to.pid);
    Some(if inbound { Pair { peer: from, guard: to } } else { Pair { peer: to, guard: from } })
}
