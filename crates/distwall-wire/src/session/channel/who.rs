//! Commands that wait for the identity of their target: see [`clerk`](crate::session::clerk).

use super::{Channel, Fixed, State};
use crate::command::Command;
use crate::error::Bad;
use crate::session::clerk::{Desk, Fact, Purpose};
use crate::session::hooks::{clerk, Ask, ParkProgress};
use crate::session::judge::Message;
use crate::session::output::{Output, Segment};
use crate::session::track::Person;
use crate::term::reader::{Pid, Reader, Reference};
use crate::term::tag;
use crate::wire::control::{Control, Watched};
use crate::wire::flags;
use crate::wire::reply::{self, End};
use crate::wire::shapes;

impl Fixed {
    /// The addresses of the clerk.
    pub(super) fn desk(&self) -> Desk<'_> {
        let ends = &self.ends;
        let init = Pid { id: 0, serial: 0, creation: ends.guard_creation };
        Desk {
            form: ends.form,
            clerk: End { node: &ends.names.peer, pid: clerk(ends.peer_creation) },
            receiver: End { node: &ends.names.guard, pid: init },
            // How a process ends that it spawned is told by a monitor.
            spawns: [flags::SPAWN, flags::DIST_MONITOR, flags::DIST_MONITOR_NAME]
                .iter()
                .all(|flag| ends.flags & flag != 0),
        }
    }

    /// Asks the guarded node about the next processes, unless a batch is under way. The outside keeps the time.
    pub(super) fn ask_who(&self, state: &mut State, out: &mut Output) {
        let State { clerk, lot, track, .. } = state;
        if !clerk.is_due() {
            return;
        }
        let ticket = lot.ticket();
        let mut made = Vec::new();
        clerk.ask(ticket, &self.desk(), |pid| track.people.watched(pid), &mut made);
        out.made(&made);
        out.asks.push(Ask {
            ticket,
            kind: "who",
            command: Command::Send,
            target: String::new(),
            control: Vec::new(),
            payload: None,
        });
    }
}

impl Channel {
    /// Takes a message of the guarded node to the clerk about who processes are. Returns false if it is about something else.
    pub(super) fn told_who(&mut self, message: &Message<'_, '_>, now: f64, out: &mut Output) -> Result<bool, Bad> {
        let control = message.control;
        let reference = match (control, message.payload) {
            (Control::Send { .. }, Some(payload)) => answered_by_rex(payload).map(|(reference, _)| reference),
            _ => control.reference().map(|(_, reference)| reference),
        };
        let Some(reference) = reference else { return Ok(false) };
        let Channel { fixed, state, .. } = self;
        match state.clerk.purpose(reference) {
            Some(Purpose::Monitor(pid)) if matches!(control, Control::MonitorExit { .. }) => {
                state.clerk.take(reference);
                if !state.clerk.ended(pid) {
                    let forgotten = state.track.people.learn(pid, Person { dead: true, ..Person::default() }, None);
                    forget(fixed, state, &forgotten, &mut out.back);
                }
                Ok(true)
            }
            Some(Purpose::Fact(fact)) => {
                self.told_fact(fact, reference, message, now, out)?;
                Ok(true)
            }
            Some(Purpose::Monitor(_)) => Ok(true),
            Some(Purpose::Ticket(_)) | None => Ok(false),
        }
    }

    fn told_fact(
        &mut self,
        fact: Fact,
        reference: Reference,
        message: &Message<'_, '_>,
        now: f64,
        out: &mut Output,
    ) -> Result<(), Bad> {
        let Channel { fixed, state, .. } = self;
        let spawned = matches!(message.control, Control::SpawnReply { .. });
        if spawned && message.control.spawned().is_some() {
            // Its answer is how it ends.
            return Ok(());
        }
        state.clerk.take(reference);
        let list = match (message.control, message.payload) {
            (Control::MonitorExit { .. }, Some(payload)) => shapes::result(payload, reference),
            (Control::Send { .. }, Some(payload)) => Some(answered_by_rex(payload).ok_or(Bad::StrangeIdentity)?.1),
            _ => None,
        };
        let Some(list) = list else {
            // It could not spawn, or the process was ended.
            state.clerk.ask_again(fact, &fixed.desk(), &mut out.back);
            return Ok(());
        };
        state.clerk.learn(fact, list)?;
        let mut tickets = Vec::new();
        for (pid, person, monitor, waiting) in state.clerk.done() {
            let forgotten = state.track.people.learn(pid, person, monitor);
            forget(fixed, state, &forgotten, &mut out.back);
            tickets.extend(waiting);
        }
        let mut inner = Output::default();
        let result = self.go_on_with(&tickets, now, &mut inner);
        turned(inner, out);
        result
    }

    /// Lets commands go on whose targets are known now; then asks about the next ones.
    fn go_on_with(&mut self, tickets: &[u64], now: f64, out: &mut Output) -> Result<(), Bad> {
        for ticket in tickets {
            if self.state.is_over() {
                self.state.lot.put_off_answered(*ticket);
            } else if let Some((queue, parked)) = self.state.lot.answered(*ticket) {
                self.run_on(queue, parked, ParkProgress::FIRST, now, out)?;
            }
        }
        self.fixed.ask_who(&mut self.state, out);
        Ok(())
    }
}

/// Ends the monitors of processes that are forgotten.
fn forget(fixed: &Fixed, state: &mut State, forgotten: &[(Pid, Reference)], out: &mut Vec<u8>) {
    let desk = fixed.desk();
    for (pid, monitor) in forgotten {
        state.clerk.take(*monitor);
        reply::demonitor(out, desk.form, desk.clerk, desk.receiver.node, &Watched::Process(*pid), *monitor);
    }
}

/// Adds the results of the peer's commands to the results of the guarded node's bytes.
pub(super) fn turned(mut inner: Output, out: &mut Output) {
    for segment in &inner.forward {
        let bytes = match segment {
            Segment::Made(range) => inner.made.get(range.clone()),
            Segment::Kept(index, range) => inner.kept.get(*index).and_then(|kept| kept.get(range.clone())),
            Segment::Input(_) => None,
        };
        out.back.extend_from_slice(bytes.unwrap_or_default());
    }
    out.made(&inner.back);
    out.events.append(&mut inner.events);
    out.asks.append(&mut inner.asks);
}

/// The reference and the result in `{Reference, Result}`.
fn answered_by_rex(mut payload: Reader<'_>) -> Option<(Reference, Reader<'_>)> {
    if payload.tuple().ok()? != 2 || payload.peek().ok()? != tag::REFERENCE {
        return None;
    }
    let (_, reference) = payload.reference().ok()?;
    Some((reference, payload))
}
