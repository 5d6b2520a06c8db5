//! The effects of a verdict: tracking, and the answer to a refused sender.

use crate::direction::Direction;
use crate::session::judge::{called, Ends, Message, Ruling};
use crate::session::track::{Asked, Pair, Track};
use crate::term::atoms::Word;
use crate::term::reader::Pid;
use crate::verdict::Verdict;
use crate::wire::control::{Control, Monitored, Process, SpawnRequest, Spawned, Watched};
use crate::wire::reply::{self, End};
use crate::wire::shapes::{self, Answer, Shows};

/// Finds which processes of its sender's node a passing command shows. Asked before the command settles anything.
pub fn shows(message: &Message<'_, '_>, direction: Direction, track: &Track) -> Shows {
    let (control, asker) = (message.control, direction.other());
    let content = Shows::Payload(control.from().map(|from| from.pid));
    match *control {
        Control::Send { .. } | Control::RegSend { .. } | Control::AliasSend { .. } => {
            match message.payload.and_then(shapes::answer) {
                // What OTP's own servers answer is theirs.
                Some(Answer::Rex | Answer::Features) => Shows::Nothing,
                Some(Answer::Tag(_, tag)) if track.has_asked_service(asker, tag) => Shows::Nothing,
                _ => content,
            }
        }
        Control::SpawnRequest(_) => content,
        Control::MonitorExit { reference: (_, monitor), .. } => {
            let result = track.erpc(asker, monitor).zip(message.payload);
            let returned = result.is_some_and(|(result, reason)| shapes::result(reason, result).is_some());
            if returned {
                content
            } else {
                Shows::Nothing
            }
        }
        _ => Shows::Nothing,
    }
}

/// Notes that a message passes. `settles`: the request that it answers or ends.
#[inline(always)]
pub fn passed(message: &Message<'_, '_>, direction: Direction, ends: &Ends, track: &mut Track, settles: Option<Asked>) {
    let control = message.control;
    // Most commands are messages, and most of those ask nothing.
    if control.is_message() && settles.is_none() {
        if message.asker.is_some() || control.name().is_some_and(|name| name.word == Word::Rex) {
            asked(message, direction, ends, track);
        }
        return;
    }
    let from = control.from().filter(|from| ends.is_of(direction, from)).map(|from| from.pid);
    // An unlink ends its link when it is acknowledged.
    if let Some(asked) = settles.filter(|_| !matches!(control, Control::Unlink { .. })) {
        track.settle(direction, asked);
    }
    set_up(message, from, direction, ends, track, settles);
}

/// Notes monitors, links and spawns of a command that passes, or removes them; the command is not a message.
fn set_up(
    message: &Message<'_, '_>,
    from: Option<Pid>,
    direction: Direction,
    ends: &Ends,
    track: &mut Track,
    settles: Option<Asked>,
) {
    match *message.control {
        Control::Monitor { from, to, reference: (_, reference) } => {
            track.monitor(direction, reference, from.pid, to.watched());
        }
        Control::MonitorExit { from: Monitored::Name(_), .. } => {}
        Control::MonitorExit { .. } => from.into_iter().for_each(|pid| track.ended(direction, pid)),
        Control::GroupLeader { leader, .. } => leads(&leader, direction, ends, track),
        Control::Link { from, to } => track.link(Pair::new(direction, from.pid, to.pid)),
        Control::Unlink { from, to, id } => {
            track.unlink(direction, id, Pair::new(direction, from.pid, to.pid));
        }
        Control::Exit { from: ended, to, .. } => {
            // By a rule: nothing is known of the link, or its unlink is under way.
            if settles.is_none() {
                track.settle(direction, Asked::Link(Pair::new(direction, ended.pid, to.pid)));
            }
            from.into_iter().for_each(|pid| track.ended(direction, pid));
        }
        Control::SpawnRequest(SpawnRequest {
            from, reference: (_, reference), leader, mfa, linked, monitored, ..
        }) => {
            track.spawn(direction, reference, from.pid, linked, monitored);
            let erpc = mfa.module.text == b"erpc" && mfa.function.text == b"execute_call";
            let result = message.payload.filter(|_| erpc && monitored).and_then(shapes::result_of);
            if let Some((_, result)) = result.filter(|(node, _)| *node == direction.word()) {
                track.spawn_calls(direction, reference, result);
            }
            leads(&leader, direction, ends, track);
            // What is spawned is to write to its group leader.
            if ends.is_of(direction, &leader) {
                track.expose(direction, &[leader.pid], &[], None);
            }
        }
        Control::SpawnReply {
            to: by,
            reference: (_, reference),
            result: Spawned::Process(spawned),
            linked,
            monitored,
        } => {
            if matches!(settles, Some(Asked::Spawn(..))) && ends.is_of(direction, &spawned) {
                track.spawned(direction, spawned.pid);
            }
            if linked {
                track.link(Pair::new(direction, spawned.pid, by.pid));
            }
            if monitored {
                track.monitor(direction.other(), reference, by.pid, Watched::Process(spawned.pid));
            }
        }
        _ => {}
    }
}

/// Notes a process that the other node is to take for a group leader.
fn leads(leader: &Process<'_>, direction: Direction, ends: &Ends, track: &mut Track) {
    if ends.is_of(direction, leader) {
        track.lead(direction, leader.pid);
    }
}

/// Notes the question in a message that answers nothing, if it asks for an answer.
fn asked(message: &Message<'_, '_>, direction: Direction, ends: &Ends, track: &mut Track) {
    let Some(payload) = message.payload else {
        return;
    };
    let name = message.control.name();
    if name.is_some_and(|name| name.word == Word::Rex) {
        if let Some(leader) = called(message, direction).leader {
            leads(&leader, direction, ends, track);
        }
    }
    if let Some(asker) = &message.asker {
        let to = message.control.receiver().filter(|_| direction == Direction::Inbound);
        let named = name.is_some_and(|name| matches!(name.word, Word::OtpName | Word::NetKernel | Word::Rex));
        if named || to.is_some_and(|to| track.people.of(to.pid).is_some_and(|person| person.otp)) {
            track.asks_service(direction, asker.first.1);
        }
        if ends.is_of(direction, &asker.from) && asker.first.0 == direction.word() {
            track.call(direction, asker.first.1, asker.from.pid);
        }
    } else if name.is_some_and(|name| name.word == Word::Rex) {
        if let Some((asker, word)) = shapes::rex_request(payload) {
            if ends.is_of(direction, &asker) {
                track.rex(direction, asker.pid, word);
            }
        }
    }
}

/// Answers for a refused message: to its sender (`back`), and to its receiver (`forward`).
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
    if ruling.verdict != Verdict::Deny {
        return;
    }
    if let Some(asked) = ruling.settles {
        return fail_asker(control, asked, direction, ends, track, forward);
    }
    let Some(from) = control.from().filter(|from| ends.is_of(direction, from)) else {
        return;
    };
    let form = ends.form;
    let sender = ends.end(direction, from.pid);
    match *control {
        Control::SpawnRequest(SpawnRequest { reference: (_, reference), .. }) => {
            reply::spawn_error(back, form, sender, reference, &ends.deny_reason);
        }
        Control::Monitor { to, reference: (_, reference), .. } => {
            let node = match to {
                Monitored::Name(_) => ends.name(direction.other()),
                Monitored::Process(process) => process.node.text,
            };
            reply::down(back, form, node, &to.watched(), sender, reference, b"noproc");
        }
        Control::Link { to, .. } => {
            reply::exit(back, form, End { node: to.node.text, pid: to.pid }, sender, b"noproc");
        }
        Control::Unlink { to, id: Some(id), .. } => {
            reply::unlink_ack(back, form, id, End { node: to.node.text, pid: to.pid }, sender);
        }
        Control::Send { .. } | Control::RegSend { .. } | Control::AliasSend { .. } => {
            refuse_call(message, direction, ends, track, back, forward);
        }
        _ => {}
    }
}

/// Ends the wait of a node whose answer or ending is refused for its contents. A linked process gets its exit without
/// them. An asker whose question came with a monitor sees that end: it fails at once, and doesn't wait for ever.
fn fail_asker(
    control: &Control<'_>,
    asked: Asked,
    direction: Direction,
    ends: &Ends,
    track: &mut Track,
    forward: &mut Vec<u8>,
) {
    let reference = match asked {
        Asked::Monitor(reference) | Asked::Call(reference, _) | Asked::Alias(reference) => reference,
        Asked::Link(pair) if matches!(control, Control::Exit { .. }) => {
            let from = ends.end(direction, pair.of(direction));
            let to = ends.end(direction.other(), pair.of(direction.other()));
            reply::exit(forward, ends.form, from, to, &ends.deny_reason);
            return track.settle(direction, asked);
        }
        _ => return,
    };
    let Some((owner, watched)) = track.ending(direction, reference) else { return };
    let owner = ends.end(direction.other(), *owner);
    reply::down(forward, ends.form, ends.name(direction), watched, owner, reference, &ends.deny_reason);
    track.settle(direction, Asked::Monitor(reference));
    track.settle(direction, Asked::Alias(reference));
}

/// Ends a call at once, whose message is refused though its monitor passed: a DOWN for the caller, and the other node
/// drops the monitor.
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
    if !ends.is_of(direction, &asker.from) || asker.last().0 != direction.word() {
        return;
    }
    let (caller, reference) = (asker.from.pid, asker.last().1);
    let Some(watched) = track.watched(direction, reference, caller) else {
        return;
    };
    let (caller_end, other) = (ends.end(direction, caller), ends.name(direction.other()));
    reply::down(back, ends.form, other, watched, caller_end, reference, &ends.deny_reason);
    reply::demonitor(forward, ends.form, caller_end, other, watched, reference);
    track.settle(direction, Asked::OwnMonitor(reference, caller));
}
