//! Writing single terms, atoms written out.

use crate::term::reader::{Pid, Reference};
use crate::term::tag;

/// Writes an atom out.
pub fn put_atom(out: &mut Vec<u8>, text: &[u8]) {
    if text.len() > 255 {
        out.push(tag::ATOM);
        out.extend_from_slice(&(text.len() as u16).to_be_bytes());
    } else {
        out.extend_from_slice(&[tag::SMALL_ATOM, text.len() as u8]);
    }
    out.extend_from_slice(text);
}

/// Writes a pid with its node's name.
pub fn put_pid(out: &mut Vec<u8>, node: &[u8], pid: Pid) {
    out.push(tag::PID);
    put_atom(out, node);
    let words = [pid.id, pid.serial, pid.creation].map(u32::to_be_bytes);
    out.extend_from_slice(words.as_flattened());
}

/// Writes a reference with its node's name.
pub fn put_reference(out: &mut Vec<u8>, node: &[u8], reference: Reference) {
    out.extend_from_slice(&[tag::REFERENCE, 0, reference.length]);
    put_atom(out, node);
    out.extend_from_slice(&reference.creation.to_be_bytes());
    let words = reference.words.map(u32::to_be_bytes);
    out.extend_from_slice(words[..usize::from(reference.length)].as_flattened());
}
