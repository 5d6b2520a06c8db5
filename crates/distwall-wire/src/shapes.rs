//! Shapes of messages that mean something to distwall, read off the first bytes of the payload.
//!
//! Each function takes a reader at the payload and answers None (or false) where the message isn't of that shape; a message cut
//! short is simply not of that shape. Source: the calling conventions of `gen`, `sys`, `supervisor`, `gen_event`, `io`, `rpc`.

use crate::atoms::{AtomView, Word};
use crate::control::Process;
use crate::term::{tag, Reader, Reference};

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
pub fn call_tag<'a>(reader: &mut Reader<'a>) -> Option<((AtomView<'a>, Reference), (AtomView<'a>, Reference))> {
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
