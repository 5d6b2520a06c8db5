//! The scopes of `pg` on the guarded node, and what each of them knows of the peer's.
//!
//! # Theory of operation
//!
//! A scope is a process. It keeps a map for each *scope of the peer* that it knows: the peer's processes in each group. In
//! OTP 25 to 28 it ends on a message that does not fit the map: `leave` of a group that is not there, for one. So the map is
//! followed here, and only what fits it passes. Rules ask for that by the guard `pg_scope()`.
//!
//! What is noted is never more than the scope knows:
//!
//! * A scope comes to know another by its `discover` or `sync`. If that goes to the scope's pid, it is noted when it passes. A
//!   `discover` may go to the name, and the process of that name may be a new one. So it is noted when the scope answers: its
//!   answer tells which process it is.
//! * All other messages go to the pid, as `pg` sends them. A scope that has been started again has another pid, and nothing is
//!   noted of it.
//! * The scope monitors the other one, and forgets it when the monitor ends.
//!
//! A group is any term: its [`digest`] is kept. Terms that a VM takes for the same though they are written in two ways, or may
//! do so, are refused ([`has_one_spelling`]).
//!
//! The scope has one list of members for all. The peer could name several scopes of its own, and a process that left one of
//! them twice would be taken from another. So a process that isn't there can't leave while it is in the group of another.

use std::collections::HashMap;
use std::hash;

use foldhash::quality::RandomState;

use super::{Bounds, Direction, Track, FEW};
use crate::error::Bad;
use crate::limits::Limit;
use crate::term::atoms::Word;
use crate::term::digest::digest;
use crate::term::reader::{Pid, Reader};
use crate::term::tag;
use crate::term::walk::{self, Shape, Value};
use crate::wire::control::{Control, Process};

/// Most scopes of the peer that have asked for a name, and are not answered yet.
const MOST_GREETED: usize = 16;

type Multiset<K> = HashMap<K, u32, RandomState>;

/// The knowledge of a scope of the guarded node about one of the peer's.
#[derive(Default)]
struct Remote {
    /// The number of times that a process is in a group.
    members: Multiset<(u64, Pid)>,
    /// The number of members of each group.
    groups: Multiset<u64>,
}

impl Remote {
    fn len(&self) -> u64 {
        1 + (self.members.len() + self.groups.len()) as u64
    }

    fn size(&self) -> usize {
        let members = self.members.capacity() * (size_of::<((u64, Pid), u32)>() + 1);
        members + self.groups.capacity() * (size_of::<(u64, u32)>() + 1) + 2 * size_of::<(Pid, Remote)>()
    }

    fn join(&mut self, group: u64, pids: &[Pid]) {
        pids.iter().for_each(|pid| *self.members.entry((group, *pid)).or_default() += 1);
        *self.groups.entry(group).or_default() += pids.len() as u32;
    }

    fn set(&mut self, left: Left) {
        for (key, count) in left.members {
            set(&mut self.members, key, count);
        }
        for (key, count) in left.groups {
            set(&mut self.groups, key, count);
        }
    }
}

/// Sets a count; 0 removes it. Gives back the room of many that have gone.
fn set<K: Eq + hash::Hash>(counts: &mut Multiset<K>, key: K, count: u32) {
    if count > 0 {
        counts.insert(key, count);
        return;
    }
    counts.remove(&key);
    if counts.capacity() > 4 * counts.len().max(FEW) {
        counts.shrink_to(2 * counts.len());
    }
}

/// A scope of the guarded node.
#[derive(Default)]
struct LocalScope {
    /// True if it is not known any more what it knows.
    lost: bool,
    remotes: HashMap<Pid, Remote, RandomState>,
}

/// The counts that a `leave` changes.
#[derive(Default)]
struct Left {
    members: Multiset<(u64, Pid)>,
    groups: Multiset<u64>,
}

/// The effect of a message on what a scope knows.
enum Change {
    /// The peer's scope asks the process of that name.
    Greet,
    /// The scope knows the peer's.
    Know,
    /// The message tells the members of all groups.
    Replace(Remote),
    Join(u64, Vec<Pid>),
    Leave(Left),
    /// Nothing is noted: a message of OTP 29, which does not end on such messages.
    None,
}

/// The scopes of the guarded node.
#[derive(Default)]
pub(super) struct Scopes {
    key: hash::RandomState,
    scopes: HashMap<Pid, LocalScope, RandomState>,
    /// Scopes of the peer that have asked for a name, the latest last.
    greeted: Vec<Pid>,
    /// Number of entries in all tables.
    kept: u64,
    /// Bytes of memory for all tables.
    size: usize,
    /// True if every message that could fit is taken, as in a question about a channel that isn't there.
    assumed: bool,
}

/// A message to a scope.
#[derive(Clone, Copy)]
pub struct Telling<'a, 'b> {
    /// Control message.
    pub control: &'b Control<'a>,
    /// At the payload's first byte.
    pub payload: Reader<'a>,
    /// True if both nodes have native records: they are of OTP 29 or later.
    pub records: bool,
}

impl Scopes {
    /// True if the message is one of `pg` that does not end the scope. Takes the steps for finding out.
    fn takes(&self, telling: Telling<'_, '_>, bounds: Bounds, steps: &mut u64) -> Result<bool, Bad> {
        Ok(self.change(telling, bounds, steps)?.is_some())
    }

    /// Notes the effect of a message that passes.
    fn told(&mut self, telling: Telling<'_, '_>, bounds: Bounds) {
        let Ok(Some((peer, change))) = self.change(telling, bounds, &mut { u64::MAX }) else { return };
        let scope = match telling.control {
            Control::Send { to, .. } => to.pid,
            _ if matches!(change, Change::Greet) => return self.greet(peer),
            _ => return,
        };
        match change {
            Change::Greet | Change::None => {}
            Change::Know => self.edit(scope, peer, |_| {}),
            Change::Replace(new) => self.edit(scope, peer, |remote| *remote = new),
            Change::Join(group, pids) => self.edit(scope, peer, |remote| remote.join(group, &pids)),
            Change::Leave(left) => self.edit(scope, peer, |remote| remote.set(left)),
        }
    }

    fn greet(&mut self, peer: Pid) {
        self.greeted.retain(|known| *known != peer);
        if self.greeted.len() == MOST_GREETED {
            self.greeted.remove(0);
        }
        self.greeted.push(peer);
    }

    /// True if a scope of the peer waits for an answer.
    #[inline]
    fn are_greeted(&self) -> bool {
        !self.greeted.is_empty()
    }

    /// Notes a message of the guarded node: it may be the answer of a scope to one of the peer's.
    fn said(&mut self, from: Option<Process<'_>>, to: Pid, payload: Reader<'_>, bounds: Bounds) {
        let Some(place) = self.greeted.iter().position(|peer| *peer == to) else { return };
        let answers = from.is_some_and(|from| matches!(syncs(payload), Ok(Some(scope)) if scope == from.pid));
        if let Some(scope) = from.map(|from| from.pid).filter(|_| answers) {
            self.greeted.remove(place);
            if self.room(1, bounds) {
                self.edit(scope, to, |_| {});
            }
        }
    }

    /// Notes the end of a monitor: the scope forgets the process of the peer that it watched. `sure`: that process is known to
    /// be the one; otherwise nothing is known of the scope any more.
    fn ended(&mut self, scope: Pid, peer: Pid, sure: bool) {
        let Some(known) = self.scopes.get_mut(&scope) else { return };
        let gone: Vec<Remote> = if sure {
            known.remotes.remove(&peer).into_iter().collect()
        } else {
            known.lost = true;
            known.remotes.drain().map(|(_, remote)| remote).collect()
        };
        for remote in gone {
            self.kept -= remote.len();
            self.size -= remote.size();
        }
        if known.remotes.is_empty() && !known.lost {
            self.scopes.remove(&scope);
        }
    }

    /// Bytes of memory for all tables.
    pub(super) fn size(&self) -> usize {
        self.size + self.scopes.capacity() * size_of::<(Pid, LocalScope)>()
    }

    fn edit(&mut self, scope: Pid, peer: Pid, edit: impl FnOnce(&mut Remote)) {
        let known = self.scopes.entry(scope).or_default();
        if known.lost {
            return;
        }
        let (before, was) = known.remotes.get(&peer).map_or((0, 0), |remote| (remote.len(), remote.size()));
        let remote = known.remotes.entry(peer).or_default();
        edit(remote);
        self.kept = self.kept - before + remote.len();
        self.size = self.size - was + remote.size();
    }

    /// True if there is room for that many entries more.
    fn room(&self, more: u64, bounds: Bounds) -> bool {
        let most = if bounds.crowded { bounds.limit.min(FEW as u64) } else { bounds.limit };
        self.kept + more <= most
    }

    /// The effect of a message, with the scope of the peer that it is about. None: the scope would end, or may do so; or there
    /// is no room.
    fn change(&self, telling: Telling<'_, '_>, bounds: Bounds, steps: &mut u64) -> Result<Option<(Pid, Change)>, Bad> {
        let Telling { control, mut payload, records } = telling;
        let (mut arity, mut label) = (payload.tuple()?, payload.atom()?.text);
        let cast = (arity, label) == (2, b"$gen_cast");
        if cast {
            (arity, label) = (payload.tuple()?, payload.atom()?.text);
        }
        let peer = payload.pid()?.1;
        let scope = match control {
            Control::Send { to, .. } => Some(self.scopes.get(&to.pid)),
            Control::RegSend { .. } => None,
            _ => return Ok(None),
        };
        let remote = scope.flatten().and_then(|scope| scope.remotes.get(&peer));
        if scope.flatten().is_some_and(|scope| scope.lost) {
            return Ok(None);
        }
        let mut reading = Reading { scopes: self, steps };
        let change = match (cast, label, arity) {
            (false, b"discover", 2 | 3) if scope.is_none() => Some(Change::Greet),
            (false, b"discover", 2 | 3) => (remote.is_some() || self.room(1, bounds)).then_some(Change::Know),
            (true, b"local_data", 4) | (false, b"update", 3) => records.then_some(Change::None),
            _ if scope.is_none() && !self.assumed => None,
            (true, b"sync", 3) => {
                let new = reading.all(&mut Value::new(payload))?;
                let more = |new: &Remote| new.len().saturating_sub(remote.map_or(0, Remote::len));
                new.filter(|new| self.room(more(new), bounds)).map(Change::Replace)
            }
            (false, b"join", 4) if remote.is_some() || self.assumed => {
                let mut rest = Value::new(payload);
                let group = reading.group(&mut rest)?;
                let pids = reading.pids(&mut rest)?;
                let room = !pids.is_empty() && self.room(1 + pids.len() as u64, bounds);
                group.filter(|_| room).map(|group| Change::Join(group, pids))
            }
            (false, b"leave", 4) if self.assumed => Some(Change::None),
            (false, b"leave", 4) => match (scope.flatten(), remote) {
                (Some(scope), Some(remote)) => {
                    let mut rest = Value::new(payload);
                    let pids = reading.pids(&mut rest)?;
                    reading.left(scope, remote, &pids, &mut rest)?.map(Change::Leave)
                }
                _ => None,
            },
            _ => None,
        };
        Ok(change.map(|change| (peer, change)))
    }
}

impl Track {
    /// True if the message is one of `pg` that does not end the scope to which it goes. Takes the steps for finding out.
    pub fn scope_takes(&self, telling: Telling<'_, '_>, steps: &mut u64) -> Result<bool, Bad> {
        self.scopes.takes(telling, self.bounds_of(Direction::Inbound), steps)
    }

    /// Notes such a message of the peer that passes.
    pub fn scope_told(&mut self, telling: Telling<'_, '_>) {
        let bounds = self.bounds_of(Direction::Inbound);
        self.scopes.told(telling, bounds);
    }

    /// True if a scope of the peer waits for an answer of a scope of the guarded node.
    #[inline]
    #[must_use]
    pub fn awaits_scope(&self) -> bool {
        self.scopes.are_greeted()
    }

    /// Notes a message of the guarded node, which may be that answer.
    pub fn scope_said(&mut self, from: Option<Process<'_>>, to: Pid, payload: Reader<'_>) {
        let bounds = self.bounds_of(Direction::Inbound);
        self.scopes.said(from, to, payload, bounds);
    }

    /// Notes that a process of the guarded node is told of the end of a process of the peer. `sure`: it watched that process.
    pub fn scope_ended(&mut self, scope: Pid, peer: Pid, sure: bool) {
        self.scopes.ended(scope, peer, sure);
    }

    /// Takes every message that could fit: for a question about a channel that isn't there.
    pub fn assume_scopes(&mut self) {
        self.scopes.assumed = true;
    }
}

/// The reading of one message, with the steps that are left.
struct Reading<'s> {
    scopes: &'s Scopes,
    steps: &'s mut u64,
}

impl Reading<'_> {
    fn take(&mut self, count: usize) -> Result<(), Bad> {
        *self.steps = self.steps.checked_sub(count as u64).ok_or(Bad::Exceeded(Limit::PatternSteps))?;
        Ok(())
    }

    /// The digest of the next term, which is a group; None if it could be written in another way.
    fn group(&mut self, value: &mut Value<'_>) -> Result<Option<u64>, Bad> {
        let start = *value;
        let plain = has_one_spelling(&mut value.reader, self.steps)?;
        Ok(if plain { Some(digest(&self.scopes.key, start, self.steps)?) } else { None })
    }

    /// A process, or a list of processes.
    fn pids(&mut self, value: &mut Value<'_>) -> Result<Vec<Pid>, Bad> {
        if value.reader.peek()? == tag::PID {
            return Ok(vec![value.reader.pid()?.1]);
        }
        let mut pids = Vec::new();
        each(value, |value| {
            self.take(1)?;
            pids.push(value.reader.pid()?.1);
            Ok(())
        })?;
        Ok(pids)
    }

    /// All groups with their members: each once, and none without a member.
    fn all(&mut self, value: &mut Value<'_>) -> Result<Option<Remote>, Bad> {
        let (mut new, mut good) = (Remote::default(), true);
        each(value, |value| {
            value.reader.tuple()?;
            let group = self.group(value)?;
            let pids = self.pids(value)?;
            match group.filter(|group| !new.groups.contains_key(group) && !pids.is_empty()) {
                Some(group) => new.join(group, &pids),
                None => good = false,
            }
            Ok(())
        })?;
        Ok(good.then_some(new))
    }

    /// The counts after these processes have left a list of groups, as `pg` computes them. None if a group is not there when its
    /// turn comes, or if a process is there by another scope of the peer only.
    fn left(
        &mut self,
        scope: &LocalScope,
        remote: &Remote,
        pids: &[Pid],
        groups: &mut Value<'_>,
    ) -> Result<Option<Left>, Bad> {
        let (mut left, mut good) = (Left::default(), true);
        each(groups, |value| {
            let Some(group) = self.group(value)? else {
                good = false;
                return Ok(());
            };
            self.take(pids.len())?;
            let mut size = count(&left.groups, &remote.groups, group);
            good &= size > 0;
            for pid in pids {
                let key = (group, *pid);
                match count(&left.members, &remote.members, key) {
                    0 => {
                        self.take(scope.remotes.len())?;
                        let others = scope.remotes.values().filter(|other| !std::ptr::eq(*other, remote));
                        good &= !others.into_iter().any(|other| other.members.contains_key(&key));
                    }
                    there => {
                        left.members.insert(key, there - 1);
                        size = size.saturating_sub(1);
                    }
                }
            }
            left.groups.insert(group, size);
            Ok(())
        })?;
        Ok(good.then_some(left))
    }
}

fn count<K: Eq + hash::Hash>(now: &Multiset<K>, before: &Multiset<K>, key: K) -> u32 {
    now.get(&key).or_else(|| before.get(&key)).copied().unwrap_or(0)
}

/// Visits the elements of a proper list.
fn each<'a>(value: &mut Value<'a>, mut visit: impl FnMut(&mut Value<'a>) -> Result<(), Bad>) -> Result<(), Bad> {
    loop {
        match value.open()? {
            Shape::Cons => value.element(&mut visit)?,
            Shape::Nil => return value.text().map(|_| ()),
            Shape::Other => return Err(Bad::ListExpected),
        }
    }
}

/// The scope that says in this message which members it has.
fn syncs(mut payload: Reader<'_>) -> Result<Option<Pid>, Bad> {
    let cast = payload.tuple()? == 2 && payload.atom()?.text == b"$gen_cast";
    if !cast || payload.tuple()? != 3 || payload.atom()?.text != b"sync" {
        return Ok(None);
    }
    payload.pid().map(|(_, scope)| Some(scope))
}

/// Passes over a term. False if a VM may take it for the same as another one. Before OTP 27, 0.0 is -0.0. An identifier of
/// its own may have the creation 0. Two funs are the same by parts of them only.
fn has_one_spelling(reader: &mut Reader<'_>, steps: &mut u64) -> Result<bool, Bad> {
    let (mut need, mut good) = (1_u64, true);
    while need > 0 {
        *steps = steps.checked_sub(1).ok_or(Bad::Exceeded(Limit::PatternSteps))?;
        let mut term = *reader;
        good &= match reader.peek()? {
            tag::FLOAT => reader.data.get(reader.pos + 1..reader.pos + 9) != Some(&(-0.0_f64).to_be_bytes()),
            tag::PID => term.pid().map(|(node, pid)| node.word != Word::Guard || pid.creation != 0)?,
            tag::REFERENCE => term.reference().map(|(node, made)| node.word != Word::Guard || made.creation != 0)?,
            tag::PORT | tag::V4_PORT => {
                term.u8()?;
                term.atom()?.word != Word::Guard
            }
            tag::FUN => false,
            _ => true,
        };
        need = (need - 1).saturating_add(walk::children(reader)?);
    }
    Ok(good)
}
