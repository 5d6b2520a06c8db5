//! Shapes of messages that mean something to distwall, read off the first bytes of the payload.
//!
//! Each function takes a reader at the payload and answers None (or false) where the message isn't of that shape; a message cut
//! short is simply not of that shape. Source: the calling conventions of `gen`, `sys`, `supervisor`, `gen_event`, `io`, `rpc`.

use crate::atoms::{AtomView, Word};
use crate::control::Process;
use crate::scan::{Scanner, Watch};
use crate::term::{tag, Reader, Reference};
use crate::Bad;

/// Who asks, and the references in the tag that an answer has to carry.
#[derive(Clone, Copy, Debug)]
pub struct Asker<'a> {
    /// The process that waits for the answer.
    pub from: Process<'a>,
    /// The first reference of the tag: where an alias is used, the alias.
    pub first: (AtomView<'a>, Reference),
    /// The last one: the monitor that came with the call.
    pub last: (AtomView<'a>, Reference),
}

/// The asker of `{Label, {Pid, Tag}, ...}` (gen calls, system messages, calls of gen_event) and of `{Label, Pid, Ref, ...}`
/// (io and file requests).
pub fn asker<'a>(mut reader: Reader<'a>) -> Option<Asker<'a>> {
    let arity = reader.tuple().ok()?;
    if !(3..=5).contains(&arity) {
        return None;
    }
    let label = label(&mut reader)?;
    match reader.peek().ok()? {
        tag::SMALL_TUPLE => {
            if reader.tuple().ok()? != 2 {
                return None;
            }
            let (node, pid) = reader.pid().ok()?;
            let (first, last) = call_tag(&mut reader)?;
            Some(Asker { from: Process { node, pid }, first, last })
        }
        tag::PID if matches!(label, Some(Word::IoRequest | Word::FileRequest)) => {
            let (node, pid) = reader.pid().ok()?;
            let reference = reader.reference().ok()?;
            Some(Asker { from: Process { node, pid }, first: reference, last: reference })
        }
        _ => None,
    }
}

/// A message's label: an atom (its meaning), or a pid (None).
fn label(reader: &mut Reader<'_>) -> Option<Option<Word>> {
    if reader.peek().ok()? == tag::PID {
        reader.pid().ok()?;
        Some(None)
    } else {
        Some(Some(reader.atom().ok()?.word))
    }
}

/// First and last reference of a call's tag: `Ref`, `[alias | Ref]`, `[[alias | A] | Ref]`, `{Ref, Node}`.
#[allow(clippy::type_complexity)]
fn call_tag<'a>(reader: &mut Reader<'a>) -> Option<((AtomView<'a>, Reference), (AtomView<'a>, Reference))> {
    match reader.peek().ok()? {
        tag::REFERENCE => {
            let reference = reader.reference().ok()?;
            Some((reference, reference))
        }
        tag::LIST => {
            let alias = alias_tail(reader, true)?;
            Some(alias)
        }
        tag::SMALL_TUPLE => {
            if reader.tuple().ok()? != 2 {
                return None;
            }
            let reference = reader.reference().ok()?;
            reader.atom().ok()?;
            Some((reference, reference))
        }
        _ => None,
    }
}

/// `[alias | Ref]`, or around it once more `[[alias | A] | Ref]`.
#[allow(clippy::type_complexity)]
fn alias_tail<'a>(
    reader: &mut Reader<'a>,
    nested: bool,
) -> Option<((AtomView<'a>, Reference), (AtomView<'a>, Reference))> {
    if reader.u8().ok()? != tag::LIST || reader.u32().ok()? != 1 {
        return None;
    }
    if reader.peek().ok()? == tag::LIST && nested {
        let (first, _) = alias_tail(reader, false)?;
        Some((first, reader.reference().ok()?))
    } else {
        if reader.atom().ok()?.word != Word::Alias {
            return None;
        }
        let reference = reader.reference().ok()?;
        Some((reference, reference))
    }
}

/// What an answer refers to.
#[derive(Clone, Copy, Debug)]
pub enum Answer<'a> {
    /// `{Tag, Reply}`, `{io_reply, Ref, Reply}`, `{file_reply, Ref, Reply}`: this reference.
    Tag(AtomView<'a>, Reference),
    /// `{rex, Reply}` or `{rex, Node, Reply}`.
    Rex,
    /// `{features_reply, Node, Features}`.
    Features,
}

/// Whether a message has the form of an answer to something.
pub fn answer<'a>(mut reader: Reader<'a>) -> Option<Answer<'a>> {
    let arity = reader.tuple().ok()?;
    if !(2..=3).contains(&arity) {
        return None;
    }
    if matches!(reader.peek().ok()?, tag::ATOM_REF | tag::ATOM | tag::SMALL_ATOM) {
        return match (reader.atom().ok()?.word, arity) {
            (Word::Rex, _) => Some(Answer::Rex),
            (Word::FeaturesReply, 3) => Some(Answer::Features),
            (Word::IoReply | Word::FileReply, 3) => {
                let (node, reference) = reader.reference().ok()?;
                Some(Answer::Tag(node, reference))
            }
            _ => None,
        };
    }
    if arity != 2 {
        return None;
    }
    let ((node, reference), _) = call_tag(&mut reader)?;
    Some(Answer::Tag(node, reference))
}

/// What the guarded node asked of `rex`: `{Pid, features_request}` or `{Pid, {...}}`.
pub fn rex_request<'a>(mut reader: Reader<'a>) -> Option<(Process<'a>, Word)> {
    if reader.tuple().ok()? != 2 {
        return None;
    }
    let (node, pid) = reader.pid().ok()?;
    let word = if reader.peek().ok()? == tag::SMALL_TUPLE { Word::Rex } else { reader.atom().ok()?.word };
    matches!(word, Word::Rex | Word::FeaturesRequest).then_some((Process { node, pid }, word))
}

/// `{'$gen_call', {Pid, Tag}, {is_auth, Peer}}`, asked by a process of the peer, and nothing behind it.
#[must_use]
pub fn is_auth(mut reader: Reader<'_>) -> bool {
    let Some(asker) = asker(reader) else {
        return false;
    };
    let mut rest = || -> Result<bool, Bad> {
        if reader.tuple()? != 3 || reader.atom()?.word != Word::GenCall || reader.tuple()? != 2 {
            return Ok(false);
        }
        reader.pid()?;
        if call_tag(&mut reader).is_none() || reader.tuple()? != 2 || reader.atom()?.word != Word::IsAuth {
            return Ok(false);
        }
        Ok(reader.atom()?.word == Word::Peer && reader.pos == reader.data.len())
    };
    asker.from.node.word == Word::Peer && rest() == Ok(true)
}

/// Whether a message would make an OTP process run code or change its state, whoever gets it. `name`: the registered name it is
/// sent to, if it is.
pub fn otp_internal(mut reader: Reader<'_>, name: Option<&[u8]>, scanner: &mut Scanner, watch: &Watch<'_>) -> bool {
    let Ok(arity) = reader.tuple() else {
        return false;
    };
    if reader.peek() == Ok(tag::PID) {
        // {Pid, {Pid, Tag}, Request} of gen_event; {Pid, {call, M, F, A, GL}} of rex.
        return reader.pid().is_ok()
            && match arity {
                3 => skip(&mut reader, scanner, watch) && tuple_of(reader, GEN_EVENT),
                2 => tuple_of(reader, REX),
                _ => false,
            };
    }
    let Ok(label) = reader.atom() else {
        return false;
    };
    match (label.word, arity) {
        (Word::System | Word::Exit, 3) | (Word::IoRequest | Word::FileRequest, 4) => true,
        (Word::GenCall, 3) => {
            skip(&mut reader, scanner, watch)
                && (tuple_of(reader, SERVERS) || tuple_of(reader, REX) || name == Some(b"auth"))
        }
        (Word::GenCast, 2) => tuple_of(reader, SUPERVISOR_CASTS) || tuple_of(reader, REX),
        _ => match (label.text, arity) {
            (b"code_call", 3) => true,
            (b"remote", 3) => reader.atom().is_ok_and(|atom| atom.text == b"load_compiled"),
            (b"command", 3) => reader.pid().is_ok() && tuple_of(reader, EUNIT),
            (b"stop", 2) => name == Some(b"init"),
            _ => false,
        },
    }
}

type Requests = &'static [(&'static [u8], std::ops::RangeInclusive<u32>)];

/// Requests that start, stop or replace children, run a function later, or install one.
const SERVERS: Requests = &[
    (b"start_child", 2..=2),
    (b"terminate_child", 2..=2),
    (b"restart_child", 2..=2),
    (b"delete_child", 2..=2),
    (b"apply_once", 2..=2),
    (b"apply_after", 2..=2),
    (b"apply_interval", 2..=2),
    (b"apply_repeatedly", 2..=2),
    (b"spawn", 5..=5),
    (b"spawn_link", 5..=5),
    (b"spawn_opt", 7..=7),
    (b"registrar", 2..=2),
    (b"dict_insert", 3..=3),
];
const SUPERVISOR_CASTS: Requests = &[(b"try_again_restart", 2..=3)];
const GEN_EVENT: Requests = &[
    (b"add_handler", 3..=3),
    (b"add_sup_handler", 3..=4),
    (b"delete_handler", 3..=3),
    (b"swap_handler", 5..=5),
    (b"swap_sup_handler", 5..=6),
];
const REX: Requests =
    &[(b"call", 5..=5), (b"block_call", 5..=5), (b"cast", 5..=5), (b"sbcast", 3..=3), (b"send", 3..=3)];

const EUNIT: Requests = &[(b"start", 2..=2)];

/// Whether the term at the reader is a tuple that begins with one of these atoms and has as many elements as goes with it.
fn tuple_of(mut reader: Reader<'_>, requests: Requests) -> bool {
    let Ok(arity) = reader.tuple() else {
        return false;
    };
    let Ok(first) = reader.atom() else {
        return false;
    };
    requests.iter().any(|(name, arities)| first.text == *name && arities.contains(&arity))
}

/// Passes over a term that has been scanned before.
fn skip(reader: &mut Reader<'_>, scanner: &mut Scanner, watch: &Watch<'_>) -> bool {
    let quiet = Watch { guarded: None, ..*watch };
    match scanner.whole(reader.data, reader.pos, &quiet) {
        Ok(end) => {
            reader.pos = end;
            true
        }
        Err(_) => false,
    }
}
