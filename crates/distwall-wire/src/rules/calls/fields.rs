//! The fields of a carrier: a list of a known length, and the type of each field. They are read one behind the other.

use crate::term::atoms::Word;
use crate::term::reader::Reader;
use crate::term::{tag, walk};

use super::{applied, Call, Carrier, FoundCall};

/// Begins a list of that many elements, in its one canonical spelling.
pub(super) fn begin(reader: &mut Reader<'_>, count: u8) -> Option<()> {
    let rest = reader.data.get(reader.pos..)?;
    if !rest.starts_with(&[tag::LIST, 0, 0, 0, count]) {
        return None;
    }
    reader.pos += 5;
    Some(())
}

/// Reads the end of a proper list; also the empty list.
pub(super) fn end(reader: &mut Reader<'_>) -> Option<()> {
    (reader.u8().ok()? == tag::NIL).then_some(())
}

/// The elements of a tuple behind its head.
pub(super) fn elements<const N: usize>(mut reader: Reader<'_>) -> Option<[Reader<'_>; N]> {
    let mut items = [reader; N];
    for item in &mut items {
        *item = reader;
        walk::skip_one(&mut reader).ok()?;
    }
    Some(items)
}

/// `M, F, Args`: a function that carries no further call, or `erlang, apply, [Fun, []]`.
pub(super) fn named<'a>(fields: &mut Reader<'a>) -> Option<FoundCall<'a>> {
    let (module, function) = (walk::atom(fields).ok()?, walk::atom(fields).ok()?);
    let arguments = *fields;
    let arity = length(fields)?;
    match Carrier::of(module, function, arity) {
        None => Some(FoundCall::of(Call::Function { module, function, arity, arguments })),
        Some(Carrier::Apply) => {
            let mut inner = arguments;
            begin(&mut inner, 2)?;
            applied(&mut inner)
        }
        Some(_) => None,
    }
}

/// Passes over a proper list of at most 255 elements: a function takes no more arguments. Returns its length.
fn length(list: &mut Reader<'_>) -> Option<u8> {
    let count = match list.u8().ok()? {
        tag::NIL => 0,
        tag::STRING => {
            let count = list.u16().ok()?;
            list.take(usize::from(count)).ok()?;
            u32::from(count)
        }
        tag::LIST => {
            let count = list.u32().ok().filter(|count| *count <= u32::from(u8::MAX))?;
            walk::skip(list, u64::from(count)).ok()?;
            end(list)?;
            count
        }
        _ => return None,
    };
    u8::try_from(count).ok()
}

/// The parent of a process of `proc_lib`: a process of the sending node, or its registered name.
pub(super) fn parent(fields: &mut Reader<'_>, sender: Word) -> Option<()> {
    if walk::is_atom(fields) {
        walk::atom(fields).ok()?;
        return Some(());
    }
    let (node, _) = fields.pid().ok()?;
    (node.word == sender).then_some(())
}

/// The ancestors of a process of `proc_lib`: a proper list of processes and registered names.
pub(super) fn ancestors(fields: &mut Reader<'_>) -> Option<()> {
    match fields.u8().ok()? {
        tag::NIL => Some(()),
        tag::LIST => {
            for _ in 0..fields.u32().ok()? {
                if walk::is_atom(fields) {
                    walk::atom(fields).ok()?;
                } else {
                    fields.pid().ok()?;
                }
            }
            end(fields)
        }
        _ => None,
    }
}

/// A reference of the sending node.
pub(super) fn reference(fields: &mut Reader<'_>, sender: Word) -> Option<()> {
    let (node, _) = fields.reference().ok()?;
    (node.word == sender).then_some(())
}
