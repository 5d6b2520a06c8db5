//! The clerk: who asks the guarded node in distwall's name.
//!
//! # Theory of operation
//!
//! The clerk is a made-up process of the peer ([`hooks::clerk`](super::hooks::clerk)). It asks who a process of the
//! guarded node is, and takes the answers of modules there. It sets a monitor on each process, and then has stock
//! functions called for up to [`BATCH`] processes at once: by spawn requests, as `erpc` makes them. Where the guarded
//! node can't spawn, or the peer has not negotiated that, `rex` itself calls them, as for `rpc:block_call`.
//!
//! One batch is under way at a time, so nobody can make the guarded node do much of this at once. What waits for an
//! answer is parked ([`hooks::Lot`](super::hooks::Lot)), and counts as held.
//!
//! Each question has a reference that nobody can guess: it comes from a hash with a key of the operating system's random
//! numbers. An answer with any other reference means nothing. The peer can't send as the guarded node, and has no way to
//! learn the reference.

use std::collections::HashMap;
use std::hash::{BuildHasher, RandomState};

use crate::error::Bad;
use crate::session::track::{Facts, Person};
use crate::term::reader::{Pid, Reader, Reference};
use crate::term::tag;
use crate::term::walk;
use crate::term::write::{put_atom, put_pid, put_reference};
use crate::wire::op::Op;
use crate::wire::reply::{self, End, Form};

/// Most processes in one batch.
const BATCH: usize = 64;

/// Bytes for a process in a question, so that it is written in one go; with long names of nodes it takes more.
const ROOM: usize = 128;

/// The functions whose results tell who processes are, in the order of the questions.
const QUESTIONS: [Fact; 3] = [Fact::Info, Fact::Application, Fact::Call];

/// A fact about processes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fact {
    /// Name, group leader and first call: `erlang:process_info/2`.
    Info,
    /// The application: `application:get_application/1`.
    Application,
    /// The first call of a process that `proc_lib` started: `proc_lib:translate_initial_call/1`.
    Call,
}

/// The meaning of a reference in an answer to the clerk.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Purpose {
    /// The answer of a module of the guarded node about the command with that ticket.
    Ticket(u64),
    /// A fact about the processes of the present batch.
    Fact(Fact),
    /// The end of a process.
    Monitor(Pid),
}

/// The addresses and the form of the clerk's frames.
pub struct Desk<'a> {
    /// The form of frames.
    pub form: Form,
    /// The clerk itself.
    pub clerk: End<'a>,
    /// The first process of the guarded node.
    pub receiver: End<'a>,
    /// True if the guarded node takes spawn requests.
    pub spawns: bool,
}

/// The processes about which the guarded node was asked together.
struct Batch {
    ticket: u64,
    people: Vec<Enquiry>,
    open: usize,
}

/// The question about one process.
struct Enquiry {
    pid: Pid,
    facts: Facts,
    monitor: Reference,
    /// True if its first call is known already. That never changes, and to ask for it costs a copy of the process's
    /// whole dictionary.
    known: bool,
}

impl Enquiry {
    /// True if that fact was asked for.
    fn is_about(&self, fact: Fact) -> bool {
        fact != Fact::Call || !self.known
    }
}

impl Batch {
    /// The processes of which that fact is asked for.
    fn about(&self, fact: Fact) -> Vec<Pid> {
        self.people.iter().filter(|one| one.is_about(fact)).map(|one| one.pid).collect()
    }
}

/// The clerk's open questions.
#[derive(Default)]
pub struct Clerk {
    secret: RandomState,
    asked: u64,
    purposes: HashMap<Reference, Purpose, foldhash::quality::RandomState>,
    batch: Option<Batch>,
    /// Processes for the next batch.
    next: Vec<Pid>,
    /// The processes to be asked about, each with the tickets of the commands that can't go on before.
    waiting: HashMap<Pid, Vec<u64>, foldhash::quality::RandomState>,
}

impl Clerk {
    /// A reference for a new question, which stands for that purpose until it is [taken](Clerk::take).
    pub fn reference(&mut self, creation: u32, purpose: Purpose) -> Reference {
        self.asked += 1;
        let [one, two] = [0, 1].map(|half: u64| self.secret.hash_one((self.asked, half)));
        let words = [one as u32 & 0x3_ffff, (two >> 32) as u32, two as u32, 0, 0];
        let reference = Reference { creation, length: 3, words };
        self.purposes.insert(reference, purpose);
        reference
    }

    /// The meaning of a reference.
    #[must_use]
    pub fn purpose(&self, reference: Reference) -> Option<Purpose> {
        self.purposes.get(&reference).copied()
    }

    /// Forgets a reference: its answer has come, or nobody waits for it any more.
    pub fn take(&mut self, reference: Reference) {
        self.purposes.remove(&reference);
    }

    /// True if that is the ticket of a batch under way.
    #[must_use]
    pub fn waits(&self, ticket: u64) -> bool {
        self.batch.as_ref().is_some_and(|batch| batch.ticket == ticket)
    }

    /// Notes a process that is to be asked about.
    pub fn look_up(&mut self, pid: Pid) -> &mut Vec<u64> {
        self.waiting.entry(pid).or_insert_with(|| {
            self.next.push(pid);
            Vec::new()
        })
    }

    /// Notes a command, by its ticket, which waits for the identity of a process.
    pub fn wait(&mut self, pid: Pid, ticket: u64) {
        self.look_up(pid).push(ticket);
    }

    /// True if a new batch is to be asked about.
    #[must_use]
    pub fn is_due(&self) -> bool {
        self.batch.is_none() && !self.next.is_empty()
    }

    /// Asks about the next batch. `watched` tells the monitor and the module of the first call of a process that is watched
    /// already.
    pub fn ask<'p>(
        &mut self,
        ticket: u64,
        desk: &Desk<'_>,
        watched: impl Fn(Pid) -> Option<(Reference, &'p [u8])>,
        out: &mut Vec<u8>,
    ) {
        let rest = self.next.split_off(self.next.len().min(BATCH));
        let pids = std::mem::replace(&mut self.next, rest);
        let mut people = Vec::with_capacity(pids.len());
        for pid in pids {
            let (monitor, module) = watched(pid).unwrap_or_else(|| {
                let monitor = self.reference(desk.clerk.pid.creation, Purpose::Monitor(pid));
                reply::monitor(out, desk.form, desk.clerk, desk.receiver.node, pid, monitor);
                (monitor, &[])
            });
            let facts = Facts { module: module.into(), ..Facts::default() };
            // A process of proc_lib that has just begun may not have said it yet.
            people.push(Enquiry { pid, facts, monitor, known: !matches!(module, b"" | b"proc_lib") });
        }
        let mut batch = Batch { ticket, people, open: 0 };
        for fact in QUESTIONS {
            let pids = batch.about(fact);
            if !pids.is_empty() {
                batch.open += 1;
                let reference = self.reference(desk.clerk.pid.creation, Purpose::Fact(fact));
                desk.ask(fact, &pids, reference, desk.spawns, out);
            }
        }
        self.batch = Some(batch);
    }

    /// Asks once more, without a spawn: the guarded node had no room for one.
    pub fn ask_again(&mut self, fact: Fact, desk: &Desk<'_>, out: &mut Vec<u8>) {
        let Some(batch) = &self.batch else { return };
        let pids = batch.about(fact);
        let reference = self.reference(desk.clerk.pid.creation, Purpose::Fact(fact));
        desk.ask(fact, &pids, reference, false, out);
    }

    /// Notes that a process has ended. Returns true if it is asked about just now.
    pub fn ended(&mut self, pid: Pid) -> bool {
        let batch = self.batch.iter_mut().flat_map(|batch| &mut batch.people);
        let asked = batch.filter(|one| one.pid == pid).map(|one| one.facts.dead = true);
        asked.count() > 0
    }

    /// Takes the facts that one question has brought.
    pub fn learn(&mut self, fact: Fact, mut list: Reader<'_>) -> Result<(), Bad> {
        let Some(batch) = &mut self.batch else { return Ok(()) };
        if list.u8()? != tag::LIST || list.u32()? as usize != batch.about(fact).len() {
            return Err(Bad::StrangeIdentity);
        }
        for Enquiry { facts, .. } in batch.people.iter_mut().filter(|one| one.is_about(fact)) {
            match fact {
                Fact::Info => info(&mut list, facts)?,
                Fact::Application => application(&mut list, facts)?,
                Fact::Call => call(&mut list, facts)?,
            }
        }
        if list.u8()? != tag::NIL {
            return Err(Bad::StrangeIdentity);
        }
        batch.open = batch.open.saturating_sub(1);
        Ok(())
    }

    /// The identities of a batch that is answered, each with its monitor and the tickets that wait for it.
    pub fn done(&mut self) -> Vec<(Pid, Person, Option<Reference>, Vec<u64>)> {
        let Some(batch) = self.batch.take_if(|batch| batch.open == 0) else { return Vec::new() };
        let mut told = Vec::with_capacity(batch.people.len());
        for Enquiry { pid, facts, monitor, .. } in batch.people {
            let watched = self.purposes.contains_key(&monitor).then_some(monitor);
            told.push((pid, facts.person(), watched, self.waiting.remove(&pid).unwrap_or_default()));
        }
        told
    }
}

impl Desk<'_> {
    /// Asks for a fact about processes.
    fn ask(&self, fact: Fact, pids: &[Pid], reference: Reference, spawns: bool, out: &mut Vec<u8>) {
        let (module, function, asked, arity): (_, _, (&[u8], &[u8]), u8) = match fact {
            Fact::Info => (&b"lists"[..], &b"zipwith"[..], (b"erlang", b"process_info"), 2),
            Fact::Application => (b"lists", b"map", (b"application", b"get_application"), 1),
            Fact::Call => (b"lists", b"map", (b"proc_lib", b"translate_initial_call"), 1),
        };
        let mut arguments = Vec::with_capacity(pids.len() * ROOM);
        arguments.extend_from_slice(&[tag::LIST, 0, 0, 0, if fact == Fact::Info { 3 } else { 2 }, tag::EXPORT]);
        put_atom(&mut arguments, asked.0);
        put_atom(&mut arguments, asked.1);
        arguments.extend_from_slice(&[tag::SMALL_INTEGER, arity]);
        put_list(&mut arguments, pids.len(), |out, at| put_pid(out, self.receiver.node, pids[at]));
        if fact == Fact::Info {
            put_list(&mut arguments, pids.len(), |out, _| {
                const ITEMS: [&[u8]; 3] = [b"registered_name", b"group_leader", b"initial_call"];
                put_list(out, ITEMS.len(), |out, item| put_atom(out, ITEMS[item]));
            });
        }
        arguments.push(tag::NIL);
        if spawns {
            let mut call = Vec::with_capacity(arguments.len() + ROOM);
            put_reference(&mut call, self.clerk.node, reference);
            put_atom(&mut call, module);
            put_atom(&mut call, function);
            call.extend_from_slice(&arguments);
            let erpc = (&b"erpc"[..], &b"execute_call"[..], 4);
            return reply::spawn(out, self.form, self.clerk, reference, self.receiver, erpc, true, &call);
        }
        let mut control = vec![tag::SMALL_TUPLE, Op::RegSend.arity(), tag::SMALL_INTEGER, Op::RegSend as u8];
        put_pid(&mut control, self.clerk.node, self.clerk.pid);
        put_atom(&mut control, b"");
        put_atom(&mut control, b"rex");
        let mut payload = vec![tag::SMALL_TUPLE, 3];
        put_atom(&mut payload, b"$gen_call");
        payload.extend_from_slice(&[tag::SMALL_TUPLE, 2]);
        put_pid(&mut payload, self.clerk.node, self.clerk.pid);
        put_reference(&mut payload, self.clerk.node, reference);
        payload.extend_from_slice(&[tag::SMALL_TUPLE, 5]);
        put_atom(&mut payload, b"block_call");
        put_atom(&mut payload, module);
        put_atom(&mut payload, function);
        payload.extend_from_slice(&arguments);
        put_atom(&mut payload, b"user");
        reply::frame(out, self.form, &control, Some(&payload));
    }
}

fn put_list(out: &mut Vec<u8>, length: usize, mut put: impl FnMut(&mut Vec<u8>, usize)) {
    out.push(tag::LIST);
    out.extend_from_slice(&(length as u32).to_be_bytes());
    (0..length).for_each(|at| put(out, at));
    out.push(tag::NIL);
}

/// `undefined`, or `[{registered_name, Name}, {group_leader, Pid}, {initial_call, {Module, _, _}}]`.
fn info(list: &mut Reader<'_>, facts: &mut Facts) -> Result<(), Bad> {
    if walk::is_atom(list) {
        facts.dead = true;
        return undefined(list);
    }
    if list.u8()? != tag::LIST || list.u32()? != 3 {
        return Err(Bad::StrangeIdentity);
    }
    item(list)?;
    // A process without a name has the name [].
    if list.peek()? == tag::NIL {
        list.u8()?;
    } else {
        facts.name = Some(list.atom()?.text.into());
    }
    item(list)?;
    let (node, leader) = list.pid()?;
    facts.led_by_init = node.word == crate::term::atoms::Word::Guard && (leader.id, leader.serial) == (0, 0);
    item(list)?;
    let module = first_of_call(list)?;
    if facts.module.is_empty() {
        facts.module = module.into();
    }
    if list.u8()? != tag::NIL {
        return Err(Bad::StrangeIdentity);
    }
    Ok(())
}

fn undefined(list: &mut Reader<'_>) -> Result<(), Bad> {
    if list.atom()?.text == b"undefined" {
        Ok(())
    } else {
        Err(Bad::StrangeIdentity)
    }
}

fn item(list: &mut Reader<'_>) -> Result<(), Bad> {
    if list.tuple()? != 2 {
        return Err(Bad::StrangeIdentity);
    }
    list.atom().map(|_| ())
}

/// `undefined` or `{ok, Application}`.
fn application(list: &mut Reader<'_>, facts: &mut Facts) -> Result<(), Bad> {
    if walk::is_atom(list) {
        return undefined(list);
    }
    item(list)?;
    facts.application = Some(list.atom()?.text.into());
    Ok(())
}

/// The first call of a process that `proc_lib` has started; `{proc_lib, init_p, 5}` for any other. A process may have
/// anything else in that place of its dictionary, which tells nothing.
fn call(list: &mut Reader<'_>, facts: &mut Facts) -> Result<(), Bad> {
    let module = first_of_call(list)?;
    if !matches!(module, b"" | b"proc_lib") {
        facts.module = module.into();
    }
    Ok(())
}

/// The module of `{Module, Function, Arity}`; of a supervisor, its callback module stands for the function. Empty if these
/// are not atoms.
fn first_of_call<'a>(list: &mut Reader<'a>) -> Result<&'a [u8], Bad> {
    if list.tuple()? != 3 {
        return Err(Bad::StrangeIdentity);
    }
    let (module, function) = (part(list)?, part(list)?);
    walk::skip(list, 1)?;
    Ok(if matches!(module, b"supervisor" | b"supervisor_bridge") { function } else { module })
}

/// The text of an atom; empty for any other term.
fn part<'a>(list: &mut Reader<'a>) -> Result<&'a [u8], Bad> {
    if walk::is_atom(list) {
        return Ok(list.atom()?.text);
    }
    walk::skip(list, 1)?;
    Ok(b"")
}
