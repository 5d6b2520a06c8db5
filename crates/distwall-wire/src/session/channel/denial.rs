//! The answer to a refused sender, and to a receiver that waits for the refused message.

use crate::direction::Direction;
use crate::session::judge::{Ends, Message, Ruling};
use crate::session::track::{Asked, Track};
use crate::verdict::Verdict;
use crate::wire::control::{Control, Monitored, SpawnRequest};
use crate::wire::reply::{self, End};

/// Answers for a refused message: to its sender (`back`), and to its receiver (`forward`).
pub fn answer(
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

/// Ends a call at once, whose message is refused though its monitor passed: a DOWN for the asker, and the other node
/// drops the monitor.
fn refuse_call(
    message: &Message<'_, '_>,
    direction: Direction,
    ends: &Ends,
    track: &mut Track,
    back: &mut Vec<u8>,
    forward: &mut Vec<u8>,
) {
    let Some(question) = message.asker else {
        return;
    };
    if !ends.is_of(direction, &question.from) || question.last().0 != direction.word() {
        return;
    }
    let (asker, reference) = (question.from.pid, question.last().1);
    let Some(watched) = track.watched(direction, reference, asker) else {
        return;
    };
    let (asker_end, other) = (ends.end(direction, asker), ends.name(direction.other()));
    reply::down(back, ends.form, other, watched, asker_end, reference, &ends.deny_reason);
    reply::demonitor(forward, ends.form, asker_end, other, watched, reference);
    track.settle(direction, Asked::OwnMonitor(reference, asker));
}
