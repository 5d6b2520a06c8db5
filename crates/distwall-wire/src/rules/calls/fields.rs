//! The fields of a carrier: a list of a known length, and the type of each field.

use crate::term::atoms::Word;
use crate::term::reader::Reader;
use crate::term::{tag, walk};

use super::{applied, Call, Carrier, FoundCall};

/// The elements of a proper list of `N` elements, in its one canonical spelling.
pub(super) fn list<const N: usize>(mut reader: Reader<'_>) -> Option<[Reader<'_>; N]> {
    if reader.u8().ok()? != tag::LIST || usize::try_from(reader.u32().ok()?) != Ok(N) {
        return None;
    }
    let mut items = [reader; N];
    for item in &mut items {
        *item = reader;
        walk::skip_one(&mut reader).ok()?;
    }
    (reader.u8().ok()? == tag::NIL).then_some(items)
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
pub(super) fn named<'a>(
    mut module: Reader<'a>,
    mut function: Reader<'a>,
    arguments: Reader<'a>,
) -> Option<FoundCall<'a>> {
    let (module, function) = (walk::atom(&mut module).ok()?, walk::atom(&mut function).ok()?);
    let arity = length(arguments)?;
    match Carrier::of(module, function, arity) {
        None => Some(FoundCall::of(Call::Function { module, function, arity, arguments })),
        Some(Carrier::Apply) => applied(arguments),
        Some(_) => None,
    }
}

/// The length of a proper list of at most 255 elements: a function takes no more arguments.
fn length(mut list: Reader<'_>) -> Option<u8> {
    let count = match list.u8().ok()? {
        tag::NIL => 0,
        tag::STRING => u32::from(list.u16().ok()?),
        tag::LIST => {
            let count = list.u32().ok().filter(|count| *count <= u32::from(u8::MAX))?;
            walk::skip(&mut list, u64::from(count)).ok()?;
            if list.u8().ok()? != tag::NIL {
                return None;
            }
            count
        }
        _ => return None,
    };
    u8::try_from(count).ok()
}

/// The parent of a process of `proc_lib`: a process of the sending node, or its registered name.
pub(super) fn parent(mut reader: Reader<'_>, sender: Word) -> Option<()> {
    if walk::is_atom(&reader) {
        return Some(());
    }
    let (node, _) = reader.pid().ok()?;
    (node.word == sender).then_some(())
}

/// The ancestors of a process of `proc_lib`: a proper list of processes and registered names.
pub(super) fn ancestors(mut reader: Reader<'_>) -> Option<()> {
    match reader.u8().ok()? {
        tag::NIL => Some(()),
        tag::LIST => {
            for _ in 0..reader.u32().ok()? {
                if walk::is_atom(&reader) {
                    walk::atom(&mut reader).ok()?;
                } else {
                    reader.pid().ok()?;
                }
            }
            (reader.u8().ok()? == tag::NIL).then_some(())
        }
        _ => None,
    }
}

/// A reference of the sending node.
pub(super) fn reference(mut reader: Reader<'_>, sender: Word) -> Option<()> {
    let (node, _) = reader.reference().ok()?;
    (node.word == sender).then_some(())
}
