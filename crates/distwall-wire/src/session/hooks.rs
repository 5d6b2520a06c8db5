//! Who is asked about an accepted command before it goes on.
//!
//! # Theory of operation
//!
//! Rules decide first; only what they accept comes here, in this order: a message to distwall's own name is taken out and told to
//! the outside; a *module filter* is asked about the command and its key (its answers are kept); funs may have to be read by the
//! outside; then comes the command's *handler*. Whoever is asked is outside (what runs this crate), or a module of the guarded
//! node: that one is asked by spawn requests that distwall makes up ([`crate::wire::reply::spawn`]), whose answers go no further.
//!
//! A command that waits for an answer is *parked*, and so is all that its sender sends behind it: the order between two
//! processes stays what it was. Parked commands are judged again when their turn comes, by the rules of that moment. What is
//! parked counts as held; what finds no room, and what gets no answer, is refused. This crate has no clock: whoever runs it
//! gives up on a ticket by answering it.

use std::collections::{HashMap, VecDeque};
use std::sync::Arc;

use crate::command::Command;
use crate::limits::Limits;
use crate::term::atoms::Atom;
use crate::term::reader::{Atoms, Pid, Reference};
use crate::verdict::Verdict;

/// Who is asked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Handler {
    /// Whoever runs this crate.
    Outside,
    /// A module of the guarded node.
    Guard(Box<[u8]>),
}

/// All that are asked on one channel.
#[derive(Clone, Debug, Default)]
pub struct Hooks {
    /// By command.
    pub handlers: [Option<Handler>; Command::ALL.len()],
    /// About every command.
    pub filter: Option<Handler>,
    /// Whether messages with funs are shown to the outside.
    pub checked_funs: bool,
    /// Whether the name `distwall` at the guarded node is the outside's.
    pub own_name: bool,
}

/// distwall's own name at a guarded node.
pub const OWN_NAME: &[u8] = b"distwall";

/// What a ticket waits for, in the order in which these are asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Stage {
    /// Its turn.
    Turn,
    /// The module filter.
    Filter,
    /// Somebody who reads funs.
    Funs,
    /// Its handler.
    Handler,
}

/// A question to the outside.
#[derive(Clone, Debug)]
pub struct Ask {
    /// To be answered by this; 0: nothing waits for an answer (a message to distwall's own name).
    pub ticket: u64,
    /// `own`, `filter`, `funs`, `handler`; `guard` where a module of the guarded node is asked, and only time is to be kept.
    pub kind: &'static str,
    /// What.
    pub command: Command,
    /// At what, printed.
    pub target: String,
    /// The control message, atoms written out.
    pub control: Vec<u8>,
    /// The message, likewise; None where there is none, and for `guard` and `filter`.
    pub payload: Option<Vec<u8>>,
}

/// An answer to a question.
#[derive(Clone, Debug)]
pub struct Answer {
    /// What becomes of the command.
    pub verdict: Verdict,
    /// What takes the place of its message.
    pub payload: Option<Vec<u8>>,
}

/// A command that waits.
pub struct Parked {
    /// Its number.
    pub ticket: u64,
    /// What it waits for.
    pub stage: Stage,
    /// Control message and payload.
    pub body: Vec<u8>,
    /// The atoms of its header.
    pub atoms: Vec<(u16, Arc<Atom>)>,
    /// Whether terms begin with 131.
    pub versioned: bool,
    /// Bytes of the question about it, which somebody keeps until it is answered.
    pub asked: usize,
}

impl Parked {
    /// The atoms that it names by position.
    #[must_use]
    pub fn named(&self) -> Atoms<'_> {
        Atoms::kept(if self.versioned { &[] } else { &self.atoms })
    }

    /// Bytes that it takes.
    #[must_use]
    pub fn size(&self) -> usize {
        self.body.len() + self.atoms.len() * size_of::<(u16, Arc<Atom>)>() + self.asked
    }
}

/// What is parked on one channel, by sender (None: those that don't say who sends).
#[derive(Default)]
pub struct Lot {
    queues: HashMap<Option<Pid>, VecDeque<Parked>>,
    senders: HashMap<u64, Option<Pid>>,
    bytes: u64,
    count: u64,
    next: u64,
}

impl Stage {
    /// As questions say it.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Stage::Turn => "turn",
            Stage::Filter => "filter",
            Stage::Funs => "funs",
            Stage::Handler => "handler",
        }
    }
}

impl Lot {
    /// Whether nothing is parked.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.queues.is_empty()
    }

    /// What the command of that ticket waits for.
    #[must_use]
    pub fn stage(&self, ticket: u64) -> Option<Stage> {
        self.queues.get(self.senders.get(&ticket)?)?.front().filter(|first| first.ticket == ticket).map(|p| p.stage)
    }

    /// Whether a sender has something parked, so that all else of it waits.
    #[must_use]
    pub fn holds(&self, sender: Option<Pid>) -> bool {
        !self.queues.is_empty() && self.queues.contains_key(&sender)
    }

    /// Bytes that wait.
    #[must_use]
    pub fn bytes(&self) -> u64 {
        self.bytes
    }

    /// Whether one more of that size may wait.
    #[must_use]
    pub fn room(&self, size: usize, limits: &Limits) -> bool {
        self.bytes + size as u64 <= limits.held_bytes() && self.count < limits.tracked()
    }

    /// The number given last.
    #[must_use]
    pub fn last_ticket(&self) -> u64 {
        self.next
    }

    /// A number for a command that is to be parked.
    pub fn ticket(&mut self) -> u64 {
        self.next += 1;
        self.next
    }

    /// Parks behind all else of the sender.
    pub fn push(&mut self, sender: Option<Pid>, parked: Parked) {
        self.count_in(sender, &parked);
        self.queues.entry(sender).or_default().push_back(parked);
    }

    /// Parks again what was taken out to go on.
    pub fn push_front(&mut self, sender: Option<Pid>, parked: Parked) {
        self.count_in(sender, &parked);
        self.queues.entry(sender).or_default().push_front(parked);
    }

    fn count_in(&mut self, sender: Option<Pid>, parked: &Parked) {
        self.bytes += parked.size() as u64;
        self.count += 1;
        self.senders.insert(parked.ticket, sender);
    }

    /// Takes out the first of a sender's.
    pub fn pop(&mut self, sender: Option<Pid>) -> Option<Parked> {
        let queue = self.queues.get_mut(&sender)?;
        let parked = queue.pop_front();
        if queue.is_empty() {
            self.queues.remove(&sender);
        }
        if let Some(parked) = &parked {
            self.bytes -= parked.size() as u64;
            self.count -= 1;
            self.senders.remove(&parked.ticket);
        }
        parked
    }

    /// Takes out the command of that ticket, if it is its turn and waits for an answer; and says whose it is.
    pub fn answered(&mut self, ticket: u64) -> Option<(Option<Pid>, Parked)> {
        let sender = *self.senders.get(&ticket)?;
        let first = self.queues.get(&sender)?.front()?;
        if first.ticket != ticket || first.stage == Stage::Turn {
            return None;
        }
        self.pop(sender).map(|parked| (sender, parked))
    }
}

/// The process of the peer in whose name distwall asks the guarded node: no process of a real node has that number.
#[must_use]
pub fn clerk(creation: u32) -> Pid {
    Pid { id: CLERK, serial: CLERK, creation }
}

const CLERK: u32 = 0x0fff_ffff;

/// Whether a pid is that process; the peer may not send as it.
#[must_use]
pub fn is_clerk(pid: Pid) -> bool {
    pid.id == CLERK && pid.serial == CLERK
}

const MARK: u32 = 0xd157_a11d;

/// The reference of a question to the guarded node.
#[must_use]
pub fn question(ticket: u64, creation: u32) -> Reference {
    Reference { creation, length: 3, words: [ticket as u32 & 0x3_ffff, MARK, (ticket >> 18) as u32, 0, 0] }
}

/// The ticket of a question by its reference.
#[must_use]
pub fn ticket_of(reference: Reference) -> Option<u64> {
    let [low, mark, high, ..] = reference.words;
    (reference.length == 3 && mark == MARK).then_some(u64::from(high) << 18 | u64::from(low))
}
