//! Frames on their way out: as they came, with a rebuilt header, or released after they were held.
//!
//! A VM hangs up on a control message that it can't decode. If the message came in fragments, even in one, the VM dies
//! (OTP 25 to 29). distwall doesn't know every term that one release can decode and another can't (pids got wider with
//! OTP 26, equal keys of a map, ...). So a message in one fragment leaves as a whole message. A message in several
//! fragments is preceded by a [`rehearsal`], unless its control message is as plain as nearly all are.

use std::sync::Arc;

use super::{Action, Aside, Parts};
use crate::session::output::Output;
use crate::term::atoms::{Atom, AtomRefs, Caches};
use crate::term::reader::Pid;
use crate::term::tag;
use crate::term::write::{put_atom, put_pid};
use crate::wire::byte_buffer::ByteBuffer;
use crate::wire::frame::FrameTag;
use crate::wire::header;
use crate::wire::op::Op;

/// Lets a frame pass, with its header rebuilt if the receiver lacks an atom of it. `aside`: where that is noted of a large
/// frame, whose body is not copied.
#[inline(always)]
pub fn pass(
    caches: &mut Caches,
    refs: &AtomRefs,
    parts: &Parts<'_>,
    made: &mut Vec<u8>,
    aside: Option<&mut Option<Aside>>,
) -> Action {
    if refs.in_step && !matches!(parts.sequence, Some((_, 1))) {
        caches.pass(refs);
        return Action::Forward;
    }
    rebuild_head(caches, refs, parts, made);
    match aside {
        None => made.extend_from_slice(parts.body),
        Some(aside) => *aside = Some(Aside::Rebuilt),
    }
    Action::Replace
}

fn rebuild_head(caches: &mut Caches, refs: &AtomRefs, parts: &Parts<'_>, made: &mut Vec<u8>) {
    write_head(made, parts.body.len(), |made| {
        match parts.sequence {
            None | Some((_, 1)) => made.extend_from_slice(&FrameTag::Header.bytes()),
            Some(numbers) => write_numbers(made, FrameTag::FirstFragment, numbers),
        }
        header::write(made, &refs.atoms, caches);
    });
}

/// Writes a whole message that carries a control message as a term, to a name that no process can have. If the receiver
/// can't decode it, it hangs up here.
pub fn rehearsal(
    made: &mut Vec<u8>,
    control: &[u8],
    (node, creation): (&[u8], u32),
    atoms: &[(u16, Arc<Atom>)],
    caches: &mut Caches,
) {
    write_frame(made, |made| {
        made.extend_from_slice(&FrameTag::Header.bytes());
        header::write(made, atoms, caches);
        made.extend_from_slice(&[tag::SMALL_TUPLE, Op::RegSend.arity(), tag::SMALL_INTEGER, Op::RegSend as u8]);
        put_pid(made, node, Pid { id: 1, serial: 0, creation });
        made.extend_from_slice(control);
        put_atom(made, b"undefined");
        made.push(tag::NIL);
    });
}

/// Forwards a held message in its original fragments.
pub fn release(
    out: &mut Output,
    id: u64,
    body: ByteBuffer,
    cuts: &[usize],
    atoms: &[(u16, Arc<Atom>)],
    caches: &mut Caches,
) {
    let fragments = cuts.len() as u64 + 1;
    let ends = cuts.iter().copied().chain([body.len()]);
    out.keep(body);
    let mut start = 0;
    let mut head = Vec::new();
    for (left, end) in (1..=fragments).rev().zip(ends) {
        head.clear();
        write_head(&mut head, end - start, |head| {
            if left == fragments {
                write_numbers(head, FrameTag::FirstFragment, (id, left));
                header::write(head, atoms, caches);
            } else {
                write_numbers(head, FrameTag::NextFragment, (id, left));
            }
        });
        out.made(&head);
        out.slice(start..end);
        start = end;
    }
}

/// Writes a message that had to wait, as a whole message.
pub fn write_whole(made: &mut Vec<u8>, body: &[u8], atoms: &[(u16, Arc<Atom>)], versioned: bool, caches: &mut Caches) {
    write_head(made, body.len(), |made| write_front(made, atoms, versioned, caches));
    made.extend_from_slice(body);
}

/// The same for a large message, whose bytes are not copied.
pub fn release_whole(
    out: &mut Output,
    body: ByteBuffer,
    atoms: &[(u16, Arc<Atom>)],
    versioned: bool,
    caches: &mut Caches,
) {
    let mut head = Vec::new();
    write_head(&mut head, body.len(), |head| write_front(head, atoms, versioned, caches));
    out.made(&head);
    out.whole(body);
}

fn write_front(made: &mut Vec<u8>, atoms: &[(u16, Arc<Atom>)], versioned: bool, caches: &mut Caches) {
    if versioned {
        made.extend_from_slice(&FrameTag::PassThrough.bytes());
    } else {
        made.extend_from_slice(&FrameTag::Header.bytes());
        header::write(made, atoms, caches);
    }
}

fn write_frame(made: &mut Vec<u8>, content: impl FnOnce(&mut Vec<u8>)) {
    write_head(made, 0, content);
}

/// Writes the beginning of a frame; `rest` bytes follow.
fn write_head(made: &mut Vec<u8>, rest: usize, content: impl FnOnce(&mut Vec<u8>)) {
    let start = made.len();
    made.extend_from_slice(&[0; 4]);
    content(made);
    let length = (made.len() - start - 4 + rest) as u32;
    made[start..start + 4].copy_from_slice(&length.to_be_bytes());
}

fn write_numbers(made: &mut Vec<u8>, form: FrameTag, (id, fragment): (u64, u64)) {
    made.extend_from_slice(&form.bytes());
    made.extend_from_slice(&id.to_be_bytes());
    made.extend_from_slice(&fragment.to_be_bytes());
}
