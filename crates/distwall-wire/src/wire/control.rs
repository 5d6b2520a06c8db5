//! Control messages: which of the 14 commands, from whom, at what.
//!
//! Every control message is a tuple whose first element is its opcode. Arities are exact; the forms with a trace token and
//! those with the reason as payload count as their plain form. Source: the protocol's list of control messages, OTP 25 to 29.

use crate::command::Command;
use crate::error::Bad;
use crate::limits::Limit;
use crate::term::atoms::{AtomView, Word};
use crate::term::reader::{Pid, Reader, Reference};
use crate::term::scan::{Scanner, Watch};
use crate::term::tag;
use crate::wire::flags;

/// A pid and the node it belongs to.
#[derive(Clone, Copy, Debug)]
pub struct Process<'a> {
    /// Node.
    pub node: AtomView<'a>,
    /// The rest.
    pub pid: Pid,
}

/// What a command aims at, or (in `monitor_exit`) speaks of.
#[derive(Clone, Copy, Debug)]
pub enum Target<'a> {
    /// A registered name.
    Name(AtomView<'a>),
    /// A process.
    Process(Process<'a>),
    /// An alias.
    Alias(AtomView<'a>, Reference),
}

/// What a monitor watches, as its exit has to name it.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Watched {
    /// A registered name.
    Name(Box<[u8]>),
    /// A process.
    Process(Pid),
}

/// What a spawn request asks to be run.
#[derive(Clone, Copy, Debug)]
pub struct Mfa<'a> {
    /// Module.
    pub module: AtomView<'a>,
    /// Function.
    pub function: AtomView<'a>,
    /// As announced; the arguments' number is checked against it.
    pub arity: u8,
}

/// A decoded control message. Fields that an opcode doesn't have are None or 0.
#[derive(Debug)]
pub struct Control<'a> {
    /// Category.
    pub command: Command,
    /// Opcode.
    pub op: u8,
    /// Who sends it (`monitor_exit`: the process that ended, if it is named by pid).
    pub from: Option<Process<'a>>,
    /// At whom.
    pub to: Option<Target<'a>>,
    /// Monitor, spawn request.
    pub reference: Option<(AtomView<'a>, Reference)>,
    /// Unlink.
    pub id: u64,
    /// Spawn request.
    pub mfa: Option<Mfa<'a>>,
    /// `group_leader`: the leader; spawn request: the group leader; `spawn_reply`: the spawned process.
    pub other: Option<Process<'a>>,
    /// `monitor_exit` of a process that was monitored by name.
    pub name: Option<AtomView<'a>>,
    /// An atom that means nothing here: an unused element, or why a spawn failed.
    pub loose: Option<AtomView<'a>>,
    /// Spawn request, spawn reply: with a link.
    pub linked: bool,
    /// Spawn request, spawn reply: with a monitor.
    pub monitored: bool,
    /// Whether a payload term follows.
    pub payload: bool,
    /// Whether any of its atoms is written out.
    pub inline: bool,
}

impl Control<'_> {
    /// One to be decoded into.
    #[must_use]
    pub fn blank() -> Self {
        Control {
            command: Command::Send,
            op: 0,
            from: None,
            to: None,
            reference: None,
            id: 0,
            mfa: None,
            other: None,
            name: None,
            loose: None,
            linked: false,
            monitored: false,
            payload: false,
            inline: false,
        }
    }
}

/// Capabilities that decide which control messages may come at all.
#[derive(Clone, Copy)]
pub struct Dialect {
    /// The negotiated flags.
    pub flags: u64,
}

/// Decodes the control message at the reader into a blank one, and consumes it. Terms of any shape in it (reasons, labels, spawn options) go
/// through the scanner.
pub fn decode<'a>(
    reader: &mut Reader<'a>,
    c: &mut Control<'a>,
    dialect: Dialect,
    scanner: &mut Scanner,
    watch: &Watch<'_>,
) -> Result<(), Bad> {
    if reader.u8()? != tag::SMALL_TUPLE {
        return Err(Bad::ControlNotTuple);
    }
    let arity = reader.u8()?;
    if reader.u8()? != tag::SMALL_INTEGER {
        return Err(Bad::OpNotSmallInteger);
    }
    let op = reader.u8()?;
    let expected = match op {
        1 | 2 | 4 | 7 | 22 | 24 | 26 | 33 => 3,
        3 | 6 | 8 | 12 | 19 | 20 | 23 | 25 | 27 | 28 | 34 | 35 | 36 => 4,
        13 | 16 | 18 | 21 | 31 => 5,
        29 | 32 => 6,
        30 => 7,
        37 => arity,
        _ => return Err(Bad::UnknownOp),
    };
    if arity != expected {
        return Err(Bad::ControlArity);
    }
    c.op = op;
    match op {
        1 => {
            c.command = Command::Link;
            c.from = Some(process(reader)?);
            c.to = Some(Target::Process(process(reader)?));
        }
        2 | 12 => {
            c.command = Command::Send;
            c.loose = Some(reader.atom()?);
            c.to = Some(Target::Process(process(reader)?));
            c.payload = true;
        }
        3 | 8 | 13 | 18 | 24..=27 => {
            c.command = if matches!(op, 3 | 13 | 24 | 25) { Command::Exit } else { Command::Exit2 };
            c.from = Some(process(reader)?);
            c.to = Some(Target::Process(process(reader)?));
            c.payload = op >= 24;
        }
        4 | 35 | 36 => {
            c.command = if op == 36 { Command::UnlinkAck } else { Command::Unlink };
            if (op == 4) == (dialect.flags & flags::UNLINK_ID != 0) {
                return Err(Bad::UnlinkForm);
            }
            if op != 4 {
                c.id = reader.unsigned()?;
                if c.id == 0 {
                    return Err(Bad::UnlinkIdZero);
                }
            }
            c.from = Some(process(reader)?);
            c.to = Some(Target::Process(process(reader)?));
        }
        6 | 16 => {
            c.command = Command::RegSend;
            c.from = Some(process(reader)?);
            c.loose = Some(reader.atom()?);
            c.to = Some(Target::Name(reader.atom()?));
            c.payload = true;
        }
        7 => {
            c.command = Command::GroupLeader;
            c.other = Some(process(reader)?);
            c.to = Some(Target::Process(process(reader)?));
        }
        19 | 20 => {
            c.command = if op == 19 { Command::Monitor } else { Command::Demonitor };
            c.from = Some(process(reader)?);
            c.to = Some(process_or_name(reader)?);
            c.reference = Some(reader.reference()?);
        }
        21 | 28 => {
            c.command = Command::MonitorExit;
            match process_or_name(reader)? {
                Target::Name(name) => c.name = Some(name),
                Target::Process(process) => c.from = Some(process),
                Target::Alias(..) => {}
            }
            c.to = Some(Target::Process(process(reader)?));
            c.reference = Some(reader.reference()?);
            c.payload = op == 28;
        }
        22 | 23 => {
            c.command = Command::Send;
            c.from = Some(process(reader)?);
            c.to = Some(Target::Process(process(reader)?));
            c.payload = true;
        }
        29 | 30 => {
            if dialect.flags & flags::SPAWN == 0 {
                return Err(Bad::SpawnNotNegotiated);
            }
            c.command = Command::SpawnRequest;
            c.reference = Some(reader.reference()?);
            c.from = Some(process(reader)?);
            c.other = Some(process(reader)?);
            if reader.tuple()? != 3 {
                return Err(Bad::SpawnWithoutMfa);
            }
            let module = reader.atom()?;
            let function = reader.atom()?;
            let arity = u8::try_from(reader.unsigned()?).map_err(|_| Bad::SpawnArity)?;
            c.mfa = Some(Mfa { module, function, arity });
            let options = reader.pos;
            reader.pos = scanner.whole(reader.data, reader.pos, &watch.aside())?;
            (c.linked, c.monitored) = spawn_options(&mut Reader { pos: options, ..*reader }, scanner, watch)?;
            c.payload = true;
        }
        31 | 32 => {
            c.command = Command::SpawnReply;
            c.reference = Some(reader.reference()?);
            c.to = Some(Target::Process(process(reader)?));
            let flags = reader.unsigned()?;
            if flags > 3 {
                return Err(Bad::SpawnReplyFlags);
            }
            (c.linked, c.monitored) = (flags & 1 != 0, flags & 2 != 0);
            if reader.peek()? == tag::PID {
                c.other = Some(process(reader)?);
            } else {
                c.loose = Some(reader.atom()?);
            }
        }
        33 | 34 => {
            c.command = Command::AliasSend;
            c.from = Some(process(reader)?);
            let (node, alias) = reader.reference()?;
            c.to = Some(Target::Alias(node, alias));
            c.payload = true;
        }
        _ => altact(reader, dialect, arity, c)?,
    }
    if matches!(op, 12 | 13 | 16 | 18 | 23 | 25 | 27 | 30 | 32 | 34) || (op == 37 && arity == 5) {
        trace_token(reader, dialect, scanner, watch)?;
    }
    if matches!(op, 3 | 8 | 13 | 18 | 21) {
        reader.pos = scanner.whole(reader.data, reader.pos, watch)?;
    }
    c.inline = reader.inline;
    Ok(())
}

/// Whether a control message that was decoded here holds nothing that some VM might not be able to decode.
#[must_use]
pub fn is_plain(mut reader: Reader<'_>, end: usize) -> bool {
    let mut plain = || -> Result<bool, Bad> {
        while reader.pos < end {
            match reader.peek()? {
                tag::SMALL_INTEGER | tag::SMALL_TUPLE => reader.take(2).map(|_| ())?,
                tag::INTEGER | tag::LIST => reader.take(5).map(|_| ())?,
                tag::NIL => reader.pos += 1,
                tag::ATOM_REF | tag::ATOM | tag::SMALL_ATOM => reader.atom().map(|_| ())?,
                tag::PID => {
                    let (node, pid) = reader.pid()?;
                    // What OTP 25 has; later releases have more.
                    if node.word == Word::Guard && (pid.id >> 15 != 0 || pid.serial >> 13 != 0) {
                        return Ok(false);
                    }
                }
                tag::REFERENCE => {
                    let (node, reference) = reader.reference()?;
                    if node.word == Word::Guard && reference.length != 3 {
                        return Ok(false);
                    }
                }
                _ => return Ok(false),
            }
        }
        Ok(true)
    };
    plain() == Ok(true)
}

#[inline]
fn process<'a>(reader: &mut Reader<'a>) -> Result<Process<'a>, Bad> {
    let (node, pid) = reader.pid()?;
    Ok(Process { node, pid })
}

fn process_or_name<'a>(reader: &mut Reader<'a>) -> Result<Target<'a>, Bad> {
    if reader.peek()? == tag::PID {
        Ok(Target::Process(process(reader)?))
    } else {
        Ok(Target::Name(reader.atom()?))
    }
}

/// `{37, Flags, From, To [, Token]}`: flags say what `To` is and which signal this is. Nodes use it for what is urgent or aims at
/// an alias only; OTP 29 dies of other messages of this kind where they come in fragments and can't be decoded.
fn altact<'a>(reader: &mut Reader<'a>, dialect: Dialect, arity: u8, c: &mut Control<'a>) -> Result<(), Bad> {
    const PRIO: u64 = 1;
    const TOKEN: u64 = 2;
    const ALIAS: u64 = 4;
    const NAME: u64 = 8;
    const EXIT: u64 = 16;
    if dialect.flags & flags::ALTACT_SIG == 0 {
        return Err(Bad::AltactNotNegotiated);
    }
    if reader.peek()? != tag::SMALL_INTEGER {
        return Err(Bad::AltactUnknownFlags);
    }
    let flags = reader.unsigned()?;
    let to_name = flags & NAME != 0;
    if flags > 31 || flags & (PRIO | ALIAS) == 0 || to_name && flags & (ALIAS | EXIT) != 0 {
        return Err(Bad::AltactFlags);
    }
    if arity != if flags & TOKEN == 0 { 4 } else { 5 } {
        return Err(Bad::ControlArity);
    }
    c.from = Some(process(reader)?);
    c.payload = true;
    c.to = Some(if flags & ALIAS != 0 {
        let (node, alias) = reader.reference()?;
        Target::Alias(node, alias)
    } else if flags & NAME != 0 {
        Target::Name(reader.atom()?)
    } else {
        Target::Process(process(reader)?)
    });
    c.command = match c.to {
        _ if flags & EXIT != 0 => Command::Exit2,
        Some(Target::Alias(..)) => Command::AliasSend,
        Some(Target::Name(_)) => Command::RegSend,
        _ => Command::Send,
    };
    Ok(())
}

/// A sequential trace token. The VM reads its numbers without looking at their types, so their types are checked here. Its pid may
/// be of any node: a trace goes where the message goes.
fn trace_token(reader: &mut Reader<'_>, dialect: Dialect, scanner: &mut Scanner, watch: &Watch<'_>) -> Result<(), Bad> {
    const BIG_SEQTRACE_LABELS: u64 = 0x10_0000;
    let start = reader.pos;
    let watch = &watch.aside();
    let third_nodes = (scanner.found.third_node, scanner.found.shadow_third_node);
    let end = scanner.whole(reader.data, start, watch)?;
    if reader.tuple()? != 5 {
        return Err(Bad::TokenNotTuple);
    }
    let number = |reader: &mut Reader<'_>| match reader.u8()? {
        tag::SMALL_INTEGER => reader.take(1).map(|_| ()),
        tag::INTEGER => reader.take(4).map(|_| ()),
        _ => Err(Bad::TokenNumber),
    };
    number(reader)?;
    if dialect.flags & BIG_SEQTRACE_LABELS == 0 {
        number(reader)?;
    } else {
        reader.pos = scanner.whole(reader.data, reader.pos, watch)?;
    }
    (scanner.found.third_node, scanner.found.shadow_third_node) = third_nodes;
    number(reader)?;
    reader.pid()?;
    number(reader)?;
    debug_assert_eq!(reader.pos, end);
    Ok(())
}

/// Whether a list of spawn options has `link`, and `monitor`. One that makes the VM allocate more than the limit `spawn_heap` is
/// noted.
fn spawn_options(reader: &mut Reader<'_>, scanner: &mut Scanner, watch: &Watch<'_>) -> Result<(bool, bool), Bad> {
    let (mut linked, mut monitored) = (false, false);
    if reader.peek()? == tag::LIST {
        reader.pos += 1;
        let length = reader.u32()?;
        for _ in 0..length {
            let option = *reader;
            if matches!(reader.peek()?, tag::ATOM_REF | tag::ATOM | tag::SMALL_ATOM) {
                match reader.atom()?.word {
                    Word::Link => linked = true,
                    Word::Monitor => monitored = true,
                    _ => {}
                }
            } else {
                // An option that takes a value; its bytes were scanned before, so walk over it without noting anything again.
                reader.pos = scanner.whole(reader.data, reader.pos, &watch.quiet())?;
            }
            if watch.guarded.is_some() && heap(option).is_some_and(|words| words > watch.limits.spawn_heap()) {
                scanner.found.over.get_or_insert(Limit::SpawnHeap);
            }
        }
    }
    Ok((linked, monitored))
}

/// The words that `{min_heap_size, Words}` or `{min_bin_vheap_size, Words}` asks for. More than there are end the VM.
fn heap(mut option: Reader<'_>) -> Option<u64> {
    let sized =
        option.tuple().ok()? == 2 && matches!(option.atom().ok()?.text, b"min_heap_size" | b"min_bin_vheap_size");
    if sized {
        option.unsigned().ok()
    } else {
        None
    }
}
