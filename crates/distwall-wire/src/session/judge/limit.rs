//! Stage `limit`: is there room for a command of the peer's, and for what it leaves behind in the guarded node?

use crate::error::Bad;
use crate::limits::Limit;
use crate::rules::calls::Call;
use crate::session::events::Reason;
use crate::session::track::{observed, Track};
use crate::term::scan::{Mentions, ScanFindings, Watch};
use crate::wire::control::Control;

use super::{Arrival, Case, Force, Newcomers, Next, Objection, Refusal};

/// Refuses what exceeds a limit. Atoms and nodes that the command would bring are noted; they are spent when it passes.
#[inline(always)]
pub(super) fn limit(case: &mut Case<'_, '_, '_>) -> Result<Next, Bad> {
    if case.message.work.is_spent() {
        return Ok(case.overworked());
    }
    let Some(arrival) = &case.arrival else { return Ok(Next::On) };
    let control = case.control();
    let names = control.leader().is_some()
        || control.reference().is_some()
        || control.has_inline_atoms()
        || case.court.ends.peer_creation == 0;
    if let Some(limit) = case.over_observer() {
        let refusal = Refusal::deny(Reason::Limit(limit));
        return Ok(case.object(Objection { refusal, force: Force::Always, answers: true }));
    }
    let brings = names || arrival.atoms.may_be_new();
    let holds = matches!(control, Control::Link { .. } | Control::Monitor { .. });
    // `accept *` is for peers that are trusted whatever they write.
    let claims = !case.star && !case.found.mentions.is_empty();
    if brings || holds || claims || arrival.over.is_some() || case.found.over.is_some() {
        return count(case);
    }
    Ok(Next::On)
}

fn count(case: &mut Case<'_, '_, '_>) -> Result<Next, Bad> {
    let Some(Arrival { over, atoms, watch }) = case.arrival.take() else { return Ok(Next::On) };
    let (control, found) = (case.control(), &mut *case.found);
    atoms_of_control(control, found, watch);
    nodes_of_control(control, found, watch);
    match atoms {
        Newcomers::Header(caches, refs) => caches.untold(refs).for_each(|atom| found.atom(&atom.text, watch)),
        Newcomers::Kept(atoms) => atoms.iter().for_each(|(_, atom)| found.atom(&atom.text, watch)),
    }
    let (track, limits, star) = (case.court.track, &case.court.ends.limits, case.star);
    let full = || (!room(control, track)).then_some(Limit::Tracked);
    let claims = || (!star && !room_for_claims(&found.mentions, track, limits.claims())).then_some(Limit::Claims);
    let Some(limit) = over.or(found.over).or_else(full).or_else(claims) else { return Ok(Next::On) };
    let refusal = Refusal::deny(Reason::Limit(limit));
    Ok(case.object(Objection { refusal, force: Force::Always, answers: true }))
}

impl Case<'_, '_, '_> {
    /// The limit on questions to `observer_backend` that a call exceeds, if any.
    fn over_observer(&self) -> Option<Limit> {
        let (Call::Function { module: observed::MODULE, function, .. }, false) = (&self.call.call, self.star) else {
            return None;
        };
        let (asked, limits) = (&self.court.track.observed, &self.court.ends.limits);
        if !asked.may_ask(limits.observer_per_second()) {
            return Some(Limit::ObserverPerSecond);
        }
        let full = observed::is_stream(observed::MODULE, function) && !asked.has_room(limits.observer_streams());
        full.then_some(Limit::ObserverStreams)
    }
}

/// True if tracking has room for what the peer claims by writing it.
fn room_for_claims(mentions: &Mentions, track: &Track, limit: u64) -> bool {
    !mentions.cut && (mentions.is_empty() || track.has_room_for_claims(&mentions.pids, &mentions.references, limit))
}

/// Notes the atoms of a control message that don't stand in the frame's header.
pub fn atoms_of_control(control: &Control<'_>, found: &mut ScanFindings, watch: &Watch<'_>) {
    control.each_atom(|atom| found.inline(atom, watch));
}

/// Notes the nodes that a control message may name without being one of the two ends as they are now.
pub fn nodes_of_control(control: &Control<'_>, found: &mut ScanFindings, watch: &Watch<'_>) {
    if let Some(other) = control.leader().or(control.spawned()) {
        found.incarnation(other.node, other.pid.creation, watch);
    }
    // The sender's incarnation was compared with the peer's, if that is known.
    if let Some(from) = control.from().filter(|_| watch.guarded.is_some_and(|guarded| guarded.creations[0] == 0)) {
        found.incarnation(from.node, from.pid.creation, watch);
    }
    if let Some((node, reference)) = control.reference() {
        found.incarnation(node, reference.creation, watch);
    }
}

/// True if tracking has room for the links and monitors of the message.
pub fn room(control: &Control<'_>, track: &Track) -> bool {
    match control {
        Control::Link { .. } => track.room(true),
        Control::Monitor { .. } => track.room(false),
        _ => true,
    }
}
