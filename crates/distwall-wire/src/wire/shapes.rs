//! Shapes of messages with a meaning for distwall, recognised by the first bytes of the payload.
//!
//! Each function takes a reader at the payload. It returns None (or false) if the message doesn't have that shape, also
//! if it is cut short. Source: the calling conventions of `gen`, `sys`, `supervisor`, `gen_event`, `io`, `rpc`.

use crate::term::atoms::Word;
use crate::term::reader::{Pid, Reader, Reference};
use crate::term::tag;
use crate::wire::control::Process;

/// A reference, and a word that says which of the two nodes made it.
pub type Tagged = (Word, Reference);

/// The asking process, and the references in the tag that an answer has to carry.
#[derive(Clone, Copy, Debug)]
pub struct Asker<'a> {
    /// The process that waits for the answer.
    pub from: Process<'a>,
    /// The first reference of the tag: the alias, if one is used.
    pub first: Tagged,
    /// The last reference of the tag, if it is another one: the monitor of the call.
    monitor: Option<Tagged>,
    /// For `{Pid, Tag}`: its end, and true if the tag is a list.
    pub pair: Option<(usize, bool)>,
}

impl Asker<'_> {
    /// The last reference of the tag: the monitor of the call.
    #[inline]
    #[must_use]
    pub fn last(&self) -> Tagged {
        self.monitor.unwrap_or(self.first)
    }
}

/// True if a message may ask something. A quick look at its first bytes, as most messages don't.
#[inline(always)]
#[must_use]
pub fn may_ask(reader: &Reader<'_>) -> bool {
    match reader.data.get(reader.pos..) {
        // Right behind a label.
        Some([tag::SMALL_TUPLE, 3..=5, tag::ATOM_REF, _, next, ..]) => matches!(*next, tag::SMALL_TUPLE | tag::PID),
        Some([tag::SMALL_TUPLE, 3..=5, ..]) => true,
        Some([tag::LARGE_TUPLE, ..]) => true,
        _ => false,
    }
}

/// The asker of `{Label, {Pid, Tag}, ...}` (gen calls, system messages, calls of gen_event) and of `{Label, Pid, Ref, ...}`
/// (io and file requests).
#[inline(never)]
pub fn asker<'a>(reader: Reader<'a>) -> Option<Asker<'a>> {
    let mut room = None;
    match usual_question(reader, &mut room) {
        Some(_) => room,
        None => any_asker(reader),
    }
}

/// A question as nearly all are: `{Label, {Pid, [alias | Ref]}, ...}` or `{Label, {Pid, Ref}, ...}`.
pub struct UsualQuestion {
    /// The position of its label in the header.
    pub label: u8,
    /// The position of its third element.
    pub end: usize,
    /// The number of elements from there on.
    pub left: usize,
    /// True if no atom before its end is written out.
    pub by_position: bool,
}

/// Reads the beginning of a message, if it is such a question. Who asks is written straight to its final place.
#[inline(always)]
#[must_use]
pub fn usual_question<'r, 'a>(
    mut reader: Reader<'a>,
    room: &'r mut Option<Asker<'a>>,
) -> Option<(&'r Asker<'a>, UsualQuestion)> {
    let Some([tag::SMALL_TUPLE, arity @ 3..=5, tag::ATOM_REF, label, tag::SMALL_TUPLE, 2, ..]) =
        reader.data.get(reader.pos..)
    else {
        return None;
    };
    reader.pos = reader.pos.wrapping_add(6);
    let (node, pid) = reader.pid().ok()?;
    let listed = match reader.data.get(reader.pos..)? {
        [tag::REFERENCE, ..] => false,
        list if list.starts_with(&[tag::LIST, 0, 0, 0, 1, tag::ATOM_REF]) => {
            let alias = reader.terms.atom(*list.get(6)?).ok()?;
            reader.pos = reader.pos.wrapping_add(7);
            if alias.word != Word::Alias {
                return None;
            }
            true
        }
        _ => return None,
    };
    let (tag_node, reference) = reader.reference().ok()?;
    let (first, by_position) = ((tag_node.word, reference), !node.inline && !tag_node.inline && reference.length == 3);
    let (end, left) = (reader.pos, usize::from(*arity) - 2);
    let asker = room.insert(Asker { from: Process { node, pid }, first, monitor: None, pair: Some((end, listed)) });
    Some((asker, UsualQuestion { label: *label, end, left, by_position }))
}

fn any_asker<'a>(mut reader: Reader<'a>) -> Option<Asker<'a>> {
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
            let listed = reader.peek().ok()? == tag::LIST;
            let (first, last) = call_tag(&mut reader)?;
            Some(Asker { from: Process { node, pid }, first, monitor: Some(last), pair: Some((reader.pos, listed)) })
        }
        tag::PID if matches!(label, Some(Word::IoRequest | Word::FileRequest)) => {
            let (node, pid) = reader.pid().ok()?;
            let reference = tagged(&mut reader)?;
            Some(Asker { from: Process { node, pid }, first: reference, monitor: None, pair: None })
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
#[inline]
pub fn call_tag(reader: &mut Reader<'_>) -> Option<(Tagged, Tagged)> {
    match reader.peek().ok()? {
        tag::REFERENCE => {
            let reference = tagged(reader)?;
            Some((reference, reference))
        }
        tag::LIST => alias_tail(reader),
        tag::SMALL_TUPLE => {
            if reader.tuple().ok()? != 2 {
                return None;
            }
            let reference = tagged(reader)?;
            reader.atom().ok()?;
            Some((reference, reference))
        }
        _ => None,
    }
}

/// `[alias | Ref]`, or around it once more `[[alias | A] | Ref]`.
#[inline]
fn alias_tail(reader: &mut Reader<'_>) -> Option<(Tagged, Tagged)> {
    let alias = |reader: &mut Reader<'_>| {
        let is_alias = reader.atom().ok()?.word == Word::Alias;
        if is_alias {
            tagged(reader)
        } else {
            None
        }
    };
    cons(reader)?;
    if reader.peek().ok()? == tag::LIST {
        cons(reader)?;
        Some((alias(reader)?, tagged(reader)?))
    } else {
        let reference = alias(reader)?;
        Some((reference, reference))
    }
}

/// The head of a list of one element.
#[inline]
fn cons(reader: &mut Reader<'_>) -> Option<()> {
    (reader.u8().ok()? == tag::LIST && reader.u32().ok()? == 1).then_some(())
}

#[inline]
fn tagged(reader: &mut Reader<'_>) -> Option<Tagged> {
    let (node, reference) = reader.reference().ok()?;
    Some((node.word, reference))
}

/// The reference of an answer to a question.
#[derive(Clone, Copy, Debug)]
pub enum Answer {
    /// `{Tag, Reply}`, `{io_reply, Ref, Reply}`, `{file_reply, Ref, Reply}`: this reference.
    Tag(Word, Reference),
    /// `{rex, Reply}` or `{rex, Node, Reply}`.
    Rex,
    /// `{features_reply, Node, Features}`.
    Features,
}

/// The reference of an answer; None if the message is not an answer.
#[inline(always)]
#[must_use]
pub fn answer(reader: Reader<'_>) -> Option<Answer> {
    if may_answer(&reader) {
        read_answer(reader)
    } else {
        None
    }
}

/// True if a message may be an answer. A quick look at its label: the labels of most messages mean nothing.
#[inline(always)]
fn may_answer(reader: &Reader<'_>) -> bool {
    match reader.data.get(reader.pos..) {
        Some([tag::SMALL_TUPLE, 2..=3, tag::ATOM_REF, label, ..]) => reader
            .terms
            .atom(*label)
            .is_ok_and(|label| matches!(label.word, Word::Rex | Word::FeaturesReply | Word::IoReply | Word::FileReply)),
        Some([tag::SMALL_TUPLE | tag::LARGE_TUPLE, ..]) => true,
        _ => false,
    }
}

#[inline(never)]
fn read_answer(mut reader: Reader<'_>) -> Option<Answer> {
    let arity = reader.tuple().ok()?;
    if !(2..=3).contains(&arity) {
        return None;
    }
    if matches!(reader.peek().ok()?, tag::ATOM_REF | tag::ATOM | tag::SMALL_ATOM) {
        return match (reader.atom().ok()?.word, arity) {
            (Word::Rex, _) => Some(Answer::Rex),
            (Word::FeaturesReply, 3) => Some(Answer::Features),
            (Word::IoReply | Word::FileReply, 3) => {
                let (node, reference) = tagged(&mut reader)?;
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

/// The processes and references of its sender's node that a command shows to the other.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Shows {
    /// Nothing.
    Nothing,
    /// The processes and references in its payload; with its sender, if it names one.
    Payload(Option<Pid>),
}

/// The value of `{Ref, return, Value}` with that reference: how the process of a call of `erpc` ends.
#[must_use]
pub fn result(mut reader: Reader<'_>, result: Reference) -> Option<Reader<'_>> {
    let returned = reader.tuple() == Ok(3)
        && reader.reference().is_ok_and(|(_, reference)| reference == result)
        && reader.atom().is_ok_and(|atom| atom.text == b"return");
    returned.then_some(reader)
}

/// The reference of `[Ref, Module, Function, Arguments]`, the arguments of `erpc:execute_call/4`.
#[must_use]
#[inline]
pub fn result_of(mut arguments: Reader<'_>) -> Option<Tagged> {
    if !arguments.data.get(arguments.pos..)?.starts_with(&[tag::LIST, 0, 0, 0, 4]) {
        return None;
    }
    arguments.pos += 5;
    tagged(&mut arguments)
}

/// The question of the guarded node to `rex`: `{Pid, features_request}` or `{Pid, {...}}`.
pub fn rex_request<'a>(mut reader: Reader<'a>) -> Option<(Process<'a>, Word)> {
    if reader.tuple().ok()? != 2 {
        return None;
    }
    let (node, pid) = reader.pid().ok()?;
    let word = if reader.peek().ok()? == tag::SMALL_TUPLE { Word::Rex } else { reader.atom().ok()?.word };
    matches!(word, Word::Rex | Word::FeaturesRequest).then_some((Process { node, pid }, word))
}
