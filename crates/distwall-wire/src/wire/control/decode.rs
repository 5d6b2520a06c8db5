//! Decoding control messages.

use std::num::NonZeroU64;

use crate::error::Bad;
use crate::limits::Limit;
use crate::term::atoms::Word;
use crate::term::reader::{Reader, SHORT};
use crate::term::scan::{Scanner, Watch};
use crate::term::tag;
use crate::wire::control::spawn_options::SpawnOptions;
use crate::wire::control::{Control, Exit2Form, Mfa, Monitored, Process, SpawnRequest, Spawned, Victim};
use crate::wire::flags;
use crate::wire::op::Op;

/// Capabilities that limit the possible control messages.
#[derive(Clone, Copy)]
pub struct Dialect {
    /// The negotiated flags.
    pub flags: u64,
}

/// Decodes the control message at the reader into `room`, and consumes it. Terms of any shape in it (reasons, labels,
/// spawn options) go through the scanner.
#[inline(always)]
pub fn decode<'r, 'a>(
    reader: &mut Reader<'a>,
    room: &'r mut Option<Control<'a>>,
    dialect: Dialect,
    scanner: &mut Scanner,
    watch: &Watch<'_>,
) -> Result<&'r Control<'a>, Bad> {
    let (arity, op) = match reader.data.get(reader.pos..) {
        Some([tag::SMALL_TUPLE, arity, tag::SMALL_INTEGER, op, ..]) => (*arity, *op),
        rest => return Err(no_head(rest.unwrap_or_default())),
    };
    reader.pos = reader.pos.wrapping_add(4);
    let Some(op) = Op::of(op) else { return Err(Bad::UnknownOp) };
    if arity != op.arity() && op != Op::AltactSigSend {
        return Err(Bad::ControlArity);
    }
    let control = elements(op, arity, reader, room, dialect, scanner, watch)?;
    if op.has_more() || arity > op.arity() {
        more(op, arity, reader, dialect, scanner, watch)?;
        // Behind a trace token, whose processes come first.
        if let Some(leader) = control.leader() {
            scanner.found.mention(leader.node.word, leader.pid, watch);
        }
    }
    Ok(control)
}

/// The error for a control message without a whole head.
#[cold]
fn no_head(bytes: &[u8]) -> Bad {
    match bytes {
        [tag::SMALL_TUPLE] | [tag::SMALL_TUPLE, _] | [tag::SMALL_TUPLE, _, tag::SMALL_INTEGER] | [] => SHORT,
        [tag::SMALL_TUPLE, ..] => Bad::OpNotSmallInteger,
        _ => Bad::ControlNotTuple,
    }
}

/// Passes over a trace token or a reason.
#[inline(never)]
fn more(
    op: Op,
    arity: u8,
    reader: &mut Reader<'_>,
    dialect: Dialect,
    scanner: &mut Scanner,
    watch: &Watch<'_>,
) -> Result<(), Bad> {
    if op.is_traced() || arity > op.arity() {
        trace_token(reader, dialect, scanner, watch)?;
    }
    if op.has_reason() {
        reader.pos = scanner.whole(reader.data, reader.pos, watch)?;
    }
    Ok(())
}

/// The text of an atom without a meaning, if it is written out.
#[inline(always)]
fn unused<'a>(reader: &mut Reader<'a>) -> Result<Option<&'a [u8]>, Bad> {
    let atom = reader.atom()?;
    Ok(if atom.inline { Some(atom.text) } else { None })
}

/// Decodes the elements behind the opcode, up to a reason or trace token. Each kind is written straight to its final
/// place: a copy would cost as much as the reading.
#[inline(always)]
fn elements<'r, 'a>(
    op: Op,
    arity: u8,
    reader: &mut Reader<'a>,
    room: &'r mut Option<Control<'a>>,
    dialect: Dialect,
    scanner: &mut Scanner,
    watch: &Watch<'_>,
) -> Result<&'r Control<'a>, Bad> {
    Ok(match op {
        Op::Link => room.insert(Control::Link { from: process(reader)?, to: process(reader)? }),
        Op::Send | Op::SendTt => {
            let unused = unused(reader)?;
            room.insert(Control::Send { from: None, to: process(reader)?, unused })
        }
        Op::SendSender | Op::SendSenderTt => {
            let from = Some(process(reader)?);
            room.insert(Control::Send { from, to: process(reader)?, unused: None })
        }
        Op::Exit | Op::ExitTt | Op::PayloadExit | Op::PayloadExitTt => {
            room.insert(Control::Exit { from: process(reader)?, to: process(reader)?, payload: !op.has_reason() })
        }
        Op::Exit2 | Op::Exit2Tt | Op::PayloadExit2 | Op::PayloadExit2Tt => room.insert(Control::Exit2 {
            from: process(reader)?,
            to: Victim::Process(process(reader)?),
            form: if op.has_reason() { Exit2Form::Reason } else { Exit2Form::Payload },
        }),
        Op::Unlink | Op::UnlinkId | Op::UnlinkIdAck => room.insert(unlink(op, reader, dialect)?),
        Op::RegSend | Op::RegSendTt => {
            let from = process(reader)?;
            let unused = unused(reader)?;
            room.insert(Control::RegSend { from, to: reader.atom()?, unused })
        }
        Op::GroupLeader => {
            let leader = process(reader)?;
            scanner.found.mention(leader.node.word, leader.pid, watch);
            room.insert(Control::GroupLeader { leader, to: process(reader)? })
        }
        Op::MonitorP => room.insert(Control::Monitor {
            from: process(reader)?,
            to: monitored(reader)?,
            reference: reader.reference()?,
        }),
        Op::DemonitorP => room.insert(Control::Demonitor {
            from: process(reader)?,
            to: monitored(reader)?,
            reference: reader.reference()?,
        }),
        Op::MonitorPExit | Op::PayloadMonitorPExit => room.insert(Control::MonitorExit {
            from: monitored(reader)?,
            to: process(reader)?,
            reference: reader.reference()?,
            payload: !op.has_reason(),
        }),
        Op::SpawnRequest | Op::SpawnRequestTt => {
            if dialect.flags & flags::SPAWN == 0 {
                return Err(Bad::SpawnNotNegotiated);
            }
            let control = room.insert(Control::SpawnRequest(SpawnRequest::unread()));
            if let Control::SpawnRequest(request) = control {
                spawn_request(reader, request, scanner, watch)?;
                if op == Op::SpawnRequest {
                    scanner.found.mention(request.leader.node.word, request.leader.pid, watch);
                }
            }
            control
        }
        Op::SpawnReply | Op::SpawnReplyTt => room.insert(spawn_reply(reader)?),
        Op::AliasSend | Op::AliasSendTt => {
            room.insert(Control::AliasSend { from: process(reader)?, to: reader.reference()? })
        }
        Op::AltactSigSend => room.insert(altact(reader, dialect, arity)?),
    })
}

/// True if a control message, decoded before, contains only terms that every VM can decode.
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

#[inline(always)]
fn process<'a>(reader: &mut Reader<'a>) -> Result<Process<'a>, Bad> {
    let (node, pid) = reader.pid()?;
    Ok(Process { node, pid })
}

fn monitored<'a>(reader: &mut Reader<'a>) -> Result<Monitored<'a>, Bad> {
    if reader.peek()? == tag::PID {
        Ok(Monitored::Process(process(reader)?))
    } else {
        Ok(Monitored::Name(reader.atom()?))
    }
}

/// The end of a link, or its acknowledgement.
fn unlink<'a>(op: Op, reader: &mut Reader<'a>, dialect: Dialect) -> Result<Control<'a>, Bad> {
    if (op == Op::Unlink) == (dialect.flags & flags::UNLINK_ID != 0) {
        return Err(Bad::UnlinkForm);
    }
    if op == Op::Unlink {
        return Ok(Control::Unlink { from: process(reader)?, to: process(reader)?, id: None });
    }
    let id = NonZeroU64::new(reader.unsigned()?).ok_or(Bad::UnlinkIdZero)?;
    let (from, to) = (process(reader)?, process(reader)?);
    Ok(match op {
        Op::UnlinkIdAck => Control::UnlinkAck { from, to, id },
        _ => Control::Unlink { from, to, id: Some(id) },
    })
}

#[inline(always)]
fn mfa<'a>(reader: &mut Reader<'a>) -> Result<Mfa<'a>, Bad> {
    // Nearly all are named by position: one look at the data is enough.
    if let Some(&[tag::SMALL_TUPLE, 3, tag::ATOM_REF, module, tag::ATOM_REF, function, tag::SMALL_INTEGER, arity, ..]) =
        reader.data.get(reader.pos..)
    {
        let mfa = Mfa { module: reader.terms.view(module)?, function: reader.terms.view(function)?, arity };
        reader.pos = reader.pos.wrapping_add(8);
        return Ok(mfa);
    }
    let Mfa { module, function, arity } = unusual_mfa(reader)?;
    Ok(Mfa { module, function, arity })
}

#[inline(never)]
fn unusual_mfa<'a>(reader: &mut Reader<'a>) -> Result<Mfa<'a>, Bad> {
    if reader.tuple()? != 3 {
        return Err(Bad::SpawnWithoutMfa);
    }
    let module = reader.atom()?;
    let function = reader.atom()?;
    let arity = u8::try_from(reader.unsigned()?).map_err(|_| Bad::SpawnArity)?;
    Ok(Mfa { module, function, arity })
}

/// Reads a spawn request part by part: it is the largest of all commands.
#[inline(always)]
fn spawn_request<'a>(
    reader: &mut Reader<'a>,
    request: &mut SpawnRequest<'a>,
    scanner: &mut Scanner,
    watch: &Watch<'_>,
) -> Result<(), Bad> {
    request.reference = reader.reference()?;
    request.from = process(reader)?;
    request.leader = process(reader)?;
    request.mfa = mfa(reader)?;
    let SpawnOptions { linked, monitored, plain, heap } = match SpawnOptions::usual(reader, watch.limits) {
        Some(usual) => usual,
        None => spawn_options(reader, scanner, watch)?,
    };
    if watch.guarded.is_some() && heap > watch.limits.spawn_heap() {
        scanner.found.over.get_or_insert(Limit::SpawnHeap);
    }
    (request.linked, request.monitored, request.plain) = (linked, monitored, plain);
    Ok(())
}

fn spawn_reply<'a>(reader: &mut Reader<'a>) -> Result<Control<'a>, Bad> {
    const LINKED: u64 = 1;
    const MONITORED: u64 = 2;
    let reference = reader.reference()?;
    let to = process(reader)?;
    let flags = reader.unsigned()?;
    if flags & !(LINKED | MONITORED) != 0 {
        return Err(Bad::SpawnReplyFlags);
    }
    let result =
        if reader.peek()? == tag::PID { Spawned::Process(process(reader)?) } else { Spawned::Failed(reader.atom()?) };
    Ok(Control::SpawnReply { to, reference, result, linked: flags & LINKED != 0, monitored: flags & MONITORED != 0 })
}

/// `{37, Flags, From, To [, Token]}`: flags give the kind of `To` and the kind of signal. Nodes use it for urgent
/// signals or for signals to an alias only. OTP 29 dies of other messages of this kind if they come in fragments and
/// can't be decoded.
fn altact<'a>(reader: &mut Reader<'a>, dialect: Dialect, arity: u8) -> Result<Control<'a>, Bad> {
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
    let has = |flag: u64| flags & flag != 0;
    let known = flags & !(PRIO | TOKEN | ALIAS | NAME | EXIT) == 0;
    if !known || !has(PRIO | ALIAS) || has(NAME) && has(ALIAS | EXIT) {
        return Err(Bad::AltactFlags);
    }
    if arity != Op::AltactSigSend.arity() + u8::from(has(TOKEN)) {
        return Err(Bad::ControlArity);
    }
    let from = process(reader)?;
    let form = Exit2Form::Altact;
    Ok(match (has(EXIT), has(ALIAS), has(NAME)) {
        (true, true, _) => {
            let (node, alias) = reader.reference()?;
            Control::Exit2 { from, to: Victim::Alias(node, alias), form }
        }
        (true, false, _) => Control::Exit2 { from, to: Victim::Process(process(reader)?), form },
        (false, true, _) => Control::AliasSend { from, to: reader.reference()? },
        (false, false, true) => Control::RegSend { from, to: reader.atom()?, unused: None },
        (false, false, false) => Control::Send { from: Some(from), to: process(reader)?, unused: None },
    })
}

/// A sequential trace token. The VM reads its numbers without looking at their types, so their types are checked here.
/// Its pid may belong to any node: a trace goes where the message goes.
fn trace_token(reader: &mut Reader<'_>, dialect: Dialect, scanner: &mut Scanner, watch: &Watch<'_>) -> Result<(), Bad> {
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
    if dialect.flags & flags::BIG_SEQTRACE_LABELS == 0 {
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

/// The options of a spawn request, in any form.
#[inline(never)]
fn spawn_options(reader: &mut Reader<'_>, scanner: &mut Scanner, watch: &Watch<'_>) -> Result<SpawnOptions, Bad> {
    let start = reader.pos;
    reader.pos = scanner.whole(reader.data, start, &watch.aside())?;
    SpawnOptions::read(Reader { pos: start, ..*reader })
}
