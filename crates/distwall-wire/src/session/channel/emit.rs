//! Frames on their way out: as they came, with a rebuilt header, or released after they were held.
//!
//! A VM hangs up on a control message that it can't decode. If the message came in fragments, even in one, the VM dies
//! (OTP 25 to 29). distwall doesn't know every term that one release can decode and another can't (pids got wider with
//! OTP 26, equal keys of a map, ...). So a message in one fragment leaves as a whole message. A message in several
//! fragments is preceded by a [`rehearsal`], unless its control message is as plain as nearly all are.

use std::sync::Arc;

use super::{Action, Parts};
use crate::session::output::Output;
use crate::term::atoms::{Atom, AtomRefs, Caches};
use crate::term::reader::Pid;
use crate::term::tag;
use crate::term::write::{put_atom, put_pid};
use crate::wire::frame::FrameTag;
use crate::wire::header;
use crate::wire::op::Op;

/// Lets a frame pass, with its header rebuilt if the receiver lacks an atom of it.
#[inline(always)]
pub fn pass(caches: &mut Caches, refs: &AtomRefs, parts: &Parts<'_>, made: &mut Vec<u8>) -> Action {
    if refs.in_step && !matches!(parts.sequence, Some((_, 1))) {
        caches.pass(refs);
        return Action::Forward;
    }
    rebuild(caches, refs, parts, made)
}

fn rebuild(caches: &mut Caches, refs: &AtomRefs, parts: &Parts<'_>, made: &mut Vec<u8>) -> Action {
    write_frame(made, |made| {
        match parts.sequence {
            None | Some((_, 1)) => made.extend_from_slice(&FrameTag::Header.bytes()),
            Some(numbers) => write_numbers(made, FrameTag::FirstFragment, numbers),
        }
        header::write(made, &refs.atoms, caches);
        made.extend_from_slice(parts.body);
    });
    Action::Replace
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
    body: Vec<u8>,
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
        head.extend_from_slice(&[0; 4]);
        if left == fragments {
            write_numbers(&mut head, FrameTag::FirstFragment, (id, left));
            header::write(&mut head, atoms, caches);
        } else {
            write_numbers(&mut head, FrameTag::NextFragment, (id, left));
        }
        let length = (head.len() - 4 + end - start) as u32;
        head[..4].copy_from_slice(&length.to_be_bytes());
        out.made(&head);
        out.slice(start..end);
        start = end;
    }
}

/// Writes a message that had to wait, as a whole message.
pub fn write_whole(made: &mut Vec<u8>, body: &[u8], atoms: &[(u16, Arc<Atom>)], versioned: bool, caches: &mut Caches) {
    write_frame(made, |made| {
        write_front(made, atoms, versioned, caches);
        made.extend_from_slice(body);
    });
}

/// The same for a large message, whose bytes are not copied.
pub fn release_whole(
    out: &mut Output,
    body: Vec<u8>,
    atoms: &[(u16, Arc<Atom>)],
    versioned: bool,
    caches: &mut Caches,
) {
    let mut head = vec![0; 4];
    write_front(&mut head, atoms, versioned, caches);
    let length = (head.len() - 4 + body.len()) as u32;
    head[..4].copy_from_slice(&length.to_be_bytes());
    out.made(&head);
    let end = body.len();
    out.keep(body);
    out.slice(0..end);
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
    let start = made.len();
    made.extend_from_slice(&[0; 4]);
    content(made);
    let length = (made.len() - start - 4) as u32;
    made[start..start + 4].copy_from_slice(&length.to_be_bytes());
}

fn write_numbers(made: &mut Vec<u8>, form: FrameTag, (id, fragment): (u64, u64)) {
    made.extend_from_slice(&form.bytes());
    made.extend_from_slice(&id.to_be_bytes());
    made.extend_from_slice(&fragment.to_be_bytes());
}
