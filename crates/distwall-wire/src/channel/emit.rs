//! Frames on their way out: as they came, with a rebuilt header, or released after they were held.

use std::sync::Arc;

use super::{Action, Parts};
use crate::atoms::{Atom, Caches};
use crate::header::{self, Refs};

/// Lets a frame pass, with its header rebuilt if the receiver lacks an atom of it.
pub fn pass(caches: &mut Caches, refs: &Refs, parts: &Parts<'_>, made: &mut Vec<u8>) -> Action {
    if refs.in_step {
        caches.pass(&refs.list);
        return Action::Forward;
    }
    let atoms = kept(caches, refs);
    write_frame(made, |made| {
        match parts.sequence {
            None => made.extend_from_slice(&[131, 68]),
            Some(numbers) => write_numbers(made, 69, numbers),
        }
        header::write(made, &atoms, caches);
        made.extend_from_slice(parts.body);
    });
    Action::Replace
}

/// The atoms of a header, to outlive what the next header does to the cache.
pub fn kept(caches: &Caches, refs: &Refs) -> Vec<(u16, Arc<Atom>)> {
    refs.list.iter().filter_map(|entry| caches.sent(entry.slot).map(|atom| (entry.slot, Arc::clone(atom)))).collect()
}

/// Writes a held message as the fragments in which it came.
pub fn release(
    made: &mut Vec<u8>,
    id: u64,
    body: &[u8],
    cuts: &[usize],
    atoms: &[(u16, Arc<Atom>)],
    caches: &mut Caches,
) {
    let fragments = cuts.len() as u64 + 1;
    let first = cuts.first().copied().unwrap_or(body.len());
    write_frame(made, |made| {
        write_numbers(made, 69, (id, fragments));
        header::write(made, atoms, caches);
        made.extend_from_slice(&body[..first]);
    });
    for (i, start) in cuts.iter().enumerate() {
        let end = cuts.get(i + 1).copied().unwrap_or(body.len());
        write_frame(made, |made| {
            write_numbers(made, 70, (id, fragments - 1 - i as u64));
            made.extend_from_slice(&body[*start..end]);
        });
    }
}

fn write_frame(made: &mut Vec<u8>, content: impl FnOnce(&mut Vec<u8>)) {
    let start = made.len();
    made.extend_from_slice(&[0; 4]);
    content(made);
    let length = (made.len() - start - 4) as u32;
    made[start..start + 4].copy_from_slice(&length.to_be_bytes());
}

fn write_numbers(made: &mut Vec<u8>, kind: u8, (id, fragment): (u64, u64)) {
    made.extend_from_slice(&[131, kind]);
    made.extend_from_slice(&id.to_be_bytes());
    made.extend_from_slice(&fragment.to_be_bytes());
}
