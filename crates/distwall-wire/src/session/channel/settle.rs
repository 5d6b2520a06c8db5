//! The effects of an accepted command on tracking.

use crate::direction::Direction;
use crate::rules::calls::Call;
use crate::session::judge::{called, Ends, Message};
use crate::session::track::{observed, Asked, Pair, Spawn, Telling, Track};
use crate::term::atoms::Word;
use crate::term::reader::Reference;
use crate::wire::control::{Control, Mfa, Monitored, Process, SpawnRequest, Spawned, Watched};
use crate::wire::shapes::{self, Answer, Shows};

/// Finds which processes of its sender's node a passing command shows. Asked before the command settles anything.
#[inline(always)]
pub fn shows(message: &Message<'_, '_>, direction: Direction, track: &Track) -> Shows {
    let (control, asker) = (message.control, direction.other());
    let content = || Shows::Payload(control.from().map(|from| from.pid));
    match control {
        Control::Send { .. } | Control::RegSend { .. } | Control::AliasSend { .. } => {
            match message.payload.and_then(shapes::answer) {
                // What OTP's own servers answer is theirs.
                Some(Answer::Rex | Answer::Features) => Shows::Nothing,
                Some(Answer::Tag(_, tag)) if track.has_asked_service(asker, tag) => Shows::Nothing,
                _ => content(),
            }
        }
        Control::SpawnRequest(request) => Shows::Payload(Some(request.from.pid)),
        Control::MonitorExit { reference: (_, monitor), .. } => {
            let result = track.erpc(asker, *monitor).zip(message.payload);
            let returned = result.is_some_and(|(result, reason)| shapes::result(reason, result).is_some());
            if returned {
                content()
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
        if let Control::Send { from, to, .. } = control {
            match direction {
                Direction::Inbound if track.observed.is_any_running() => track.observed.ended(to.pid),
                Direction::Outbound if track.awaits_scope() => {
                    message.payload.into_iter().for_each(|payload| track.scope_said(*from, to.pid, payload));
                }
                _ => {}
            }
        }
        if message.asker.is_some() || control.name().is_some_and(|name| name.word == Word::Rex) {
            asked(message, direction, ends, track);
        }
        return;
    }
    // An unlink ends its link when it is acknowledged.
    if let Some(asked) = settles.filter(|_| !matches!(control, Control::Unlink { .. })) {
        track.settle(direction, asked);
    }
    set_up(message, direction, ends, track, settles);
}

/// Notes monitors, links and spawns of a command that passes, or removes them; the command is not a message.
fn set_up(message: &Message<'_, '_>, direction: Direction, ends: &Ends, track: &mut Track, settles: Option<Asked>) {
    let ended = |process: Process<'_>, track: &mut Track| {
        if ends.is_of(direction, &process) {
            track.ended(direction, process.pid);
        }
    };
    match *message.control {
        Control::Monitor { from, to, reference: (_, reference) } => {
            track.monitor(direction, reference, from.pid, to.watched());
        }
        Control::MonitorExit { from: Monitored::Name(_), .. } => {}
        Control::MonitorExit { from: Monitored::Process(from), to, .. } => {
            ended(from, track);
            if direction == Direction::Inbound {
                track.scope_ended(to.pid, from.pid, settles.is_some());
            }
        }
        Control::GroupLeader { leader, .. } => leads(&leader, direction, ends, track),
        Control::Link { from, to } => track.link(Pair::new(direction, from.pid, to.pid)),
        Control::Unlink { from, to, id } => {
            track.unlink(direction, id, Pair::new(direction, from.pid, to.pid));
        }
        Control::Exit { from, to, .. } => {
            // By a rule: nothing is known of the link, or its unlink is under way.
            if settles.is_none() {
                track.settle(direction, Asked::Link(Pair::new(direction, from.pid, to.pid)));
            }
            ended(from, track);
        }
        Control::SpawnRequest(SpawnRequest {
            from, reference: (_, reference), leader, mfa, linked, monitored, ..
        }) => {
            let erpc = if monitored { result_of(message, &mfa, direction) } else { None };
            track.spawn(direction, reference, Spawn { by: from.pid, linked, monitored, erpc });
            if direction == Direction::Inbound && may_observe(message, &mfa) {
                observe(message, &mfa, ends, track);
            }
            leads(&leader, direction, ends, track);
            // What is spawned is to write to its group leader.
            if ends.follows(direction) && ends.is_of(direction, &leader) {
                track.expose_process(direction, leader.pid);
            }
        }
        Control::SpawnReply { to: by, reference: (_, reference), result: Spawned::Failed(_), .. } => {
            track.observed.begun(reference, by.pid, None);
        }
        Control::SpawnReply {
            to: by,
            reference: (_, reference),
            result: Spawned::Process(spawned),
            linked,
            monitored,
        } => {
            if direction == Direction::Outbound {
                track.observed.begun(reference, by.pid, Some(spawned.pid));
            }
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

/// Notes a message of the peer to a scope of `pg`.
#[cold]
pub fn tell_scope(message: &Message<'_, '_>, direction: Direction, ends: &Ends, track: &mut Track) {
    if let (Direction::Inbound, Some(payload)) = (direction, message.payload) {
        track.scope_told(Telling { control: message.control, payload, records: ends.records });
    }
}

/// False if a spawn request surely calls something else than `observer_backend`. The length of the module's name and the
/// number of arguments tell nearly all. What is left: that module, and `erpc`, `erlang:apply/2` and `proc_lib`, which carry
/// calls.
#[inline(always)]
fn may_observe(message: &Message<'_, '_>, mfa: &Mfa<'_>) -> bool {
    const DIRECT: usize = observed::MODULE.len();
    match message.erpc {
        Some(call) => call.module.len() == DIRECT,
        None => matches!((mfa.module.text.len(), mfa.arity), (DIRECT, _) | (4, 3 | 4) | (6, 2) | (8, 3 | 5)),
    }
}

/// Notes a spawn request of the peer, if it calls `observer_backend`.
#[cold]
fn observe(message: &Message<'_, '_>, mfa: &Mfa<'_>, ends: &Ends, track: &mut Track) {
    if !calls_observer(message) {
        return;
    }
    track.observed.ask(ends.limits.observer_per_second());
    let Control::SpawnRequest(request) = message.control else { return };
    if observed::is_stream(mfa.module.text, mfa.function.text) {
        track.observed.begin(request.reference.1, request.from.pid, ends.limits.observer_streams());
    }
}

/// True if a command of the peer calls `observer_backend`.
fn calls_observer(message: &Message<'_, '_>) -> bool {
    matches!(called(message, Direction::Inbound).call, Call::Function { module: observed::MODULE, .. })
}

/// The reference behind which the result of a spawn request comes, if it is a call of `erpc`.
#[inline(always)]
fn result_of(message: &Message<'_, '_>, mfa: &Mfa<'_>, direction: Direction) -> Option<Reference> {
    if let Some(call) = message.erpc {
        return Some(call.result);
    }
    if mfa.module.text != b"erpc" || mfa.function.text != b"execute_call" {
        return None;
    }
    let (node, result) = shapes::result_of(message.payload?)?;
    (node == direction.word()).then_some(result)
}

/// Notes a process of the guarded node that the peer is to take for a group leader.
#[inline(always)]
fn leads(leader: &Process<'_>, direction: Direction, ends: &Ends, track: &mut Track) {
    if direction == Direction::Outbound && ends.is_of(direction, leader) {
        track.lead(leader.pid);
    }
}

/// Notes the question in a message that answers nothing, if it asks for an answer.
///
/// A server may send on what a peer has written, also a question in the name of another process, or with its alias.
/// Which questions are a process's own tells [`Track::is_own_question`].
fn asked(message: &Message<'_, '_>, direction: Direction, ends: &Ends, track: &mut Track) {
    let Some(payload) = message.payload else {
        return;
    };
    let sends = |asker: &Process<'_>| message.control.from().is_some_and(|from| from.pid == asker.pid);
    let asks = |asker: &Process<'_>| ends.is_of(direction, asker) && (direction == Direction::Inbound || sends(asker));
    let name = message.control.name();
    let to_rex = name.is_some_and(|name| name.word == Word::Rex);
    if direction == Direction::Inbound && to_rex && calls_observer(message) {
        track.observed.ask(ends.limits.observer_per_second());
    }
    if direction == Direction::Outbound && to_rex {
        let leader = called(message, direction).leader;
        if let Some(leader) = leader.filter(|leader| !track.is_made_up(leader.pid)) {
            leads(&leader, direction, ends, track);
        }
    }
    if let Some(asker) = message.asker {
        let is_service = match name {
            Some(name) => matches!(name.word, Word::OtpName | Word::NetKernel | Word::Rex),
            None if direction == Direction::Inbound => {
                let to = message.control.receiver().and_then(|to| track.people.of(to.pid));
                to.is_some_and(|person| person.otp)
            }
            None => false,
        };
        if is_service {
            track.asks_service(direction, asker.first.1);
        }
        if !ends.follows(direction) {
            return;
        }
        let ((node, reference), from) = (asker.first, asker.from);
        let sender = || message.control.from().map(|from| from.pid);
        let own = || direction == Direction::Inbound || track.is_own_question(reference, from.pid, sender());
        if node == direction.word() && ends.is_of(direction, &from) && own() {
            track.call(direction, reference, from.pid);
        }
    } else if ends.follows(direction) && to_rex {
        if let Some((asker, word)) = shapes::rex_request(payload).filter(|(asker, _)| asks(asker)) {
            track.rex(direction, asker.pid, word);
        }
    }
}
