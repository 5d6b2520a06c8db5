//! Questions about an accepted command before it goes on.
//!
//! # Theory of operation
//!
//! Rules decide first; they may need to know who the target is, and the guarded node is asked
//! ([`clerk`](super::clerk)). Only accepted commands come further, in this order:
//!
//! 1. A message to distwall's own name is taken out and given to the outside.
//! 2. A *module filter* is asked about the command and its key; its answers are kept.
//! 3. The command's *handler* is asked; about a call in a message to `rex`, the handler of spawn requests is asked first.
//! 4. A spawn request may start a shell, or run a fun of a shell. Then it may have to start distwall's own evaluator
//!    on the guarded node instead ([`GATE`]). The request is rewritten; nobody is asked.
//!
//! The answer comes from the outside (the program that runs this crate), or from a module of the guarded node. Such a
//! module is asked by spawn requests made by distwall ([`crate::wire::reply::spawn`]), whose answers go no further.
//!
//! A command that waits for an answer is *parked*. While the guarded node is asked about its target, all later commands
//! of the peer wait in *line*: programs count on more than the order between two processes (`mnesia` does), and the
//! answer comes soon. A handler may take its time, so while a command waits for that, only later commands of its sender
//! wait. Parked commands are judged again when their turn comes, by the rules of that moment. They count as held. A
//! command without room, or without an answer, is refused. This crate has no clock: the outside gives up on a ticket by
//! answering it.

use std::collections::{HashMap, VecDeque};
use std::sync::Arc;

use foldhash::quality::RandomState;

use crate::command::Command;
use crate::limits::{Limit, Limits};
use crate::term::atoms::{size_of_atoms, Atom};
use crate::term::reader::{Named, Pid};
use crate::term::scan::{Counts, ScanFindings};
use crate::verdict::Verdict;
use crate::wire::byte_buffer::ByteBuffer;

/// The party to ask.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Handler {
    /// The program that runs this crate.
    Outside,
    /// A module of the guarded node.
    Guard(Box<[u8]>),
}

/// The handlers and filters of one channel.
#[derive(Clone, Debug, Default)]
pub struct Hooks {
    /// Handlers by command.
    pub handlers: [Option<Handler>; Command::ALL.len()],
    /// The module filter for all commands.
    pub filter: Option<Handler>,
    /// True if funs of shells are evaluated by distwall's module on the guarded node.
    pub checked_funs: bool,
    /// True if distwall's module on the guarded node runs the shells of the peer.
    pub restricted_shell: bool,
    /// True if the outside answers for the name `distwall` at the guarded node.
    pub own_name: bool,
}

/// distwall's own name at a guarded node.
pub const OWN_NAME: &str = "distwall";

/// Most bytes of a message to that name, atoms written out: a function's name and a process, with the longest atoms.
pub const OWN_SIZE: u64 = 8192;

/// The module of the guarded node through which code of a peer starts: its `dist_spawn_init/4` is called as a handler's.
pub const GATE: &[u8] = b"distwall_gate";

/// Bytes for the place of a command in its queue and in the table of tickets.
const PLACE: usize = 64;

/// The questions that a ticket waits for, in their order.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Waiting {
    /// The turn of the command, behind others.
    Turn,
    /// The identity of its target.
    Who,
    /// The module filter.
    Filter,
    /// The handler of spawn requests, about a call in a message to `rex`.
    Call,
    /// The handler.
    Handler,
}

/// A question to the outside.
#[derive(Clone, Debug)]
pub struct Ask {
    /// The number for the answer; 0: no answer is needed (a message to distwall's own name).
    pub ticket: u64,
    /// `own`, `filter`, `handler`; `guard` if a module of the guarded node is asked, and the outside only keeps
    /// the time.
    pub kind: &'static str,
    /// The kind of command.
    pub command: Command,
    /// The target, printed.
    pub target: String,
    /// The control message, atoms written out.
    pub control: Vec<u8>,
    /// The message, atoms written out; None without a message, and for `guard` and `filter`. For `own` it is empty if it
    /// is longer than [`OWN_SIZE`].
    pub payload: Option<Vec<u8>>,
}

/// An answer to a question.
#[derive(Clone, Debug)]
pub struct HandlerAnswer {
    /// The verdict on the command.
    pub verdict: Verdict,
    /// The message that replaces its message; None: it stays.
    pub payload: Option<Vec<u8>>,
}

/// A command that waits.
pub struct Parked {
    /// The sender; None: the command does not name it.
    pub sender: Option<Pid>,
    /// The command's number.
    pub ticket: u64,
    /// The answer that it waits for.
    pub waits_for: Waiting,
    /// Control message and payload.
    pub body: ByteBuffer,
    /// The atoms of its header. The peer fills its cache with others meanwhile, so they
    /// are in memory for this command alone.
    pub atoms: Vec<(u16, Arc<Atom>)>,
    /// Bytes of memory for these atoms.
    atoms_size: usize,
    /// True if terms begin with 131.
    pub versioned: bool,
    /// Bytes of the question about it, which the outside keeps until it is answered.
    pub asked: usize,
    /// The progress that it had made when it was put off to the next slice.
    pub progress: ParkProgress,
    /// The scan of a large message, which is not repeated when its turn comes.
    pub scan: Option<Box<Scanned>>,
}

/// The progress of a command.
#[derive(Clone, Copy)]
pub struct ParkProgress {
    /// The last question that was put.
    pub passed: Waiting,
    /// The answer to it; None: no answer yet.
    pub verdict: Option<Verdict>,
    /// True if a module filter answered, for all such commands.
    pub keep: bool,
    /// The process of the guarded node's handler.
    pub deliver: Option<Pid>,
    /// The limit that leaves no room for it to wait; None: it may wait.
    pub full: Option<Limit>,
}

impl ParkProgress {
    /// No question was put.
    pub const FIRST: ParkProgress =
        ParkProgress { passed: Waiting::Turn, verdict: None, keep: false, deliver: None, full: None };
}

/// The scan of a whole message.
pub struct Scanned {
    /// The findings.
    pub found: ScanFindings,
    /// The beginnings and ends of its large terms ([`Jumps`](crate::term::reader::Jumps)).
    pub large: Vec<(u32, u32)>,
    /// Bytes of memory.
    pub size: usize,
    /// The counts among the findings, before the message was judged.
    pub counts: Counts,
    /// The number of the rules, limits and budgets that held then.
    pub under: u64,
}

impl Parked {
    /// A command that has not waited for anything yet.
    #[must_use]
    pub fn new(sender: Option<Pid>, body: ByteBuffer, atoms: Vec<(u16, Arc<Atom>)>, versioned: bool) -> Self {
        let (waits_for, progress) = (Waiting::Turn, ParkProgress::FIRST);
        let atoms_size = size_of_atoms(&atoms);
        Parked { sender, ticket: 0, waits_for, body, atoms, atoms_size, versioned, asked: 0, progress, scan: None }
    }

    /// The atoms that it names by position.
    #[must_use]
    pub fn named(&self) -> &Named {
        if self.versioned {
            &[]
        } else {
            &self.atoms
        }
    }

    /// Bytes of memory that it takes.
    #[must_use]
    pub fn size(&self) -> usize {
        let scan = self.scan.as_ref().map_or(0, |scan| scan.size);
        size_of::<Parked>() + PLACE + self.body.len() + self.atoms_size + self.asked + scan
    }
}

/// A queue of parked commands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Queue {
    /// All commands of the peer behind a command that waits for the identity of its target.
    Line,
    /// The commands of a sender behind a command that waits for a handler or filter.
    Sender(Option<Pid>),
}

/// The parked commands of one channel.
#[derive(Default)]
pub struct Lot {
    queues: HashMap<Queue, VecDeque<Parked>, RandomState>,
    places: HashMap<u64, Queue, RandomState>,
    bytes: u64,
    count: u64,
    next: u64,
    /// Queues whose first command waits for nothing but time: its slice was over.
    ready: VecDeque<Queue>,
}

impl Waiting {
    /// The name in questions.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Waiting::Turn => "turn",
            Waiting::Who => "who",
            Waiting::Filter => "filter",
            Waiting::Call | Waiting::Handler => "handler",
        }
    }
}

impl Lot {
    /// True if no command is parked.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.queues.is_empty()
    }

    /// The wait of the command with that ticket.
    #[must_use]
    pub fn waits_for(&self, ticket: u64) -> Option<Waiting> {
        self.queues.get(self.places.get(&ticket)?)?.front().filter(|first| first.ticket == ticket).map(|p| p.waits_for)
    }

    /// True if a command is parked in that queue.
    #[must_use]
    pub fn holds(&self, queue: Queue) -> bool {
        !self.queues.is_empty() && self.queues.contains_key(&queue)
    }

    /// The queue in which a new command of that sender has to wait.
    #[must_use]
    pub fn queue(&self, sender: Option<Pid>) -> Option<Queue> {
        [Queue::Line, Queue::Sender(sender)].into_iter().find(|queue| self.holds(*queue))
    }

    /// Number of bytes that wait.
    #[must_use]
    pub fn bytes(&self) -> u64 {
        self.bytes
    }

    /// The limit without room for one more command of that size; None: it may wait.
    #[must_use]
    pub fn full(&self, size: usize, limits: &Limits) -> Option<Limit> {
        if self.count >= limits.tracked() {
            Some(Limit::Tracked)
        } else {
            (self.bytes + size as u64 > limits.held_bytes()).then_some(Limit::HeldBytes)
        }
    }

    /// The last number given.
    #[must_use]
    pub fn last_ticket(&self) -> u64 {
        self.next
    }

    /// A new number for a command to be parked.
    pub fn ticket(&mut self) -> u64 {
        self.next += 1;
        self.next
    }

    /// Parks a command behind all others of the queue.
    pub fn push(&mut self, queue: Queue, parked: Parked) {
        self.count_in(queue, &parked);
        self.queues.entry(queue).or_default().push_back(parked);
    }

    /// Parks a command before all others of the queue.
    pub fn push_front(&mut self, queue: Queue, parked: Parked) {
        self.count_in(queue, &parked);
        self.queues.entry(queue).or_default().push_front(parked);
    }

    fn count_in(&mut self, queue: Queue, parked: &Parked) {
        self.bytes += parked.size() as u64;
        self.count += 1;
        self.places.insert(parked.ticket, queue);
    }

    /// Takes out the first command of a queue.
    pub fn pop(&mut self, queue: Queue) -> Option<Parked> {
        let waiting = self.queues.get_mut(&queue)?;
        let parked = waiting.pop_front();
        if waiting.is_empty() {
            self.queues.remove(&queue);
        }
        if let Some(parked) = &parked {
            self.bytes -= parked.size() as u64;
            self.count -= 1;
            self.places.remove(&parked.ticket);
        }
        parked
    }

    /// The bytes of all parked commands.
    pub fn into_bodies(self) -> impl Iterator<Item = ByteBuffer> {
        self.queues.into_values().flatten().map(|parked| parked.body)
    }

    /// Lets a queue go on in the next slice, if a command is left in it.
    pub fn put_off(&mut self, queue: Queue) {
        if self.holds(queue) {
            self.ready.push_back(queue);
        }
    }

    /// Lets a command go on in a later slice, before all others of its queue. `first`: before other queues, too.
    pub fn put_off_first(&mut self, queue: Queue, mut parked: Parked, progress: ParkProgress, first: bool) {
        (parked.waits_for, parked.progress) = (Waiting::Turn, progress);
        self.push_front(queue, parked);
        if first {
            self.ready.push_front(queue);
        } else {
            self.ready.push_back(queue);
        }
    }

    /// The same for the queue of a command whose answer has come.
    pub fn put_off_answered(&mut self, ticket: u64) {
        if let Some((queue, mut parked)) = self.answered(ticket) {
            parked.waits_for = Waiting::Turn;
            self.push_front(queue, parked);
            self.ready.push_back(queue);
        }
    }

    /// True if a queue goes on in the next slice.
    #[must_use]
    pub fn is_due(&self) -> bool {
        !self.ready.is_empty()
    }

    /// Takes out the first command of a queue that was put off.
    pub fn due(&mut self) -> Option<(Queue, Parked)> {
        let queue = self.ready.pop_front()?;
        self.pop(queue).map(|parked| (queue, parked))
    }

    /// Takes out the command of that ticket, if it is its turn and it waits for an answer. Also returns its queue.
    pub fn answered(&mut self, ticket: u64) -> Option<(Queue, Parked)> {
        let queue = *self.places.get(&ticket)?;
        let first = self.queues.get(&queue)?.front()?;
        if first.ticket != ticket || first.waits_for == Waiting::Turn {
            return None;
        }
        self.pop(queue).map(|parked| (queue, parked))
    }
}

/// The process of the peer in whose name distwall asks the guarded node: no process of a real node has that number.
#[must_use]
pub fn clerk(creation: u32) -> Pid {
    Pid { id: CLERK, serial: CLERK, creation }
}

/// Id and serial of that process.
pub const CLERK: u32 = 0x0fff_ffff;

/// True if a pid is that process; the peer may not send as it.
#[must_use]
pub fn is_clerk(pid: Pid) -> bool {
    pid.id == CLERK && pid.serial == CLERK
}
