//! Distribution headers: `131 68` (whole message), `131 69` (first fragment), `131 70` (next fragment).
//!
//! A header lists atoms, which the terms of its message name by position. `N` references come with `N/2 + 1` bytes of
//! nibbles: bit 3 says "new entry", bits 0 to 2 give the segment; the last nibble's bit 0 says that lengths take two
//! bytes.

use std::sync::Arc;

use crate::error::Bad;
use crate::term::atoms::{Atom, AtomRef, AtomRefs, Caches, NodeNames};

/// Reads `N`, the nibbles and the references at `pos` into `refs`, which is cleared first. Returns the position of the
/// terms.
#[inline]
pub fn read(
    frame: &[u8],
    pos: usize,
    cached: bool,
    caches: &mut Caches,
    names: &NodeNames,
    refs: &mut AtomRefs,
) -> Result<usize, Bad> {
    // The same header as the last one, by the same caches, says the same.
    if refs.seen == caches.changes() && frame.get(pos..).is_some_and(|rest| refs.are_said_by(rest)) {
        return Ok(pos + refs.bytes.len());
    }
    read_anew(frame, pos, cached, caches, names, refs)
}

#[inline(never)]
fn read_anew(
    frame: &[u8],
    mut pos: usize,
    cached: bool,
    caches: &mut Caches,
    names: &NodeNames,
    refs: &mut AtomRefs,
) -> Result<usize, Bad> {
    refs.none();
    let start = pos;
    let count = usize::from(*frame.get(pos).ok_or(Bad::ShortHeader)?);
    pos += 1;
    if count == 0 {
        return Ok(pos);
    }
    if !cached {
        return Err(Bad::HeaderWithoutCache);
    }
    let nibbles = frame.get(pos..pos + count / 2 + 1).ok_or(Bad::ShortHeader)?;
    pos += nibbles.len();
    let nibble = |i: usize| nibbles[i / 2] >> (4 * (i & 1)) & 0xf;
    let last = nibble(count);
    let padding = if count % 2 == 0 { nibbles[count / 2] >> 4 } else { 0 };
    if last & !1 != 0 || padding != 0 {
        return Err(Bad::HeaderPadding);
    }
    let long = last & 1 == 1;
    caches.begin();
    // Nearly every header names only atoms that the sender has sent before.
    if nibbles.iter().all(|two| two & 0x88 == 0) {
        let slots = &frame[pos..frame.len().min(pos + count)];
        for (pair, two) in slots.chunks(2).zip(nibbles) {
            for (index, segment) in pair.iter().zip([two & 7, two >> 4]) {
                let slot = u16::from(segment) << 8 | u16::from(*index);
                refs.in_step &= caches.old(slot)?;
                refs.list.push(AtomRef { slot, fresh: false });
            }
        }
        if slots.len() < count {
            return Err(Bad::ShortHeader);
        }
        pos += count;
        caches.name(refs);
        refs.keep(&frame[start..pos], caches.changes());
        return Ok(pos);
    }
    for i in 0..count {
        let flags = nibble(i);
        let slot = u16::from(flags & 7) << 8 | u16::from(*frame.get(pos).ok_or(Bad::ShortHeader)?);
        pos += 1;
        let fresh = flags & 8 != 0;
        if fresh {
            refs.fresh = true;
            let length = if long {
                let bytes = frame.get(pos..pos + 2).ok_or(Bad::ShortHeader)?;
                pos += 2;
                usize::from(u16::from_be_bytes([bytes[0], bytes[1]]))
            } else {
                let byte = *frame.get(pos).ok_or(Bad::ShortHeader)?;
                pos += 1;
                usize::from(byte)
            };
            caches.fill(slot, frame.get(pos..pos + length).ok_or(Bad::ShortHeader)?, names)?;
            pos += length;
        } else {
            refs.in_step &= caches.old(slot)?;
        }
        refs.list.push(AtomRef { slot, fresh });
    }
    caches.name(refs);
    Ok(pos)
}

/// Writes `N`, nibbles and references for these slots and atoms. Only atoms that the receiver lacks are new entries.
pub fn write(out: &mut Vec<u8>, entries: &[(u16, Arc<Atom>)], caches: &mut Caches) {
    let fresh: Vec<bool> = entries.iter().map(|(slot, atom)| caches.tell(*slot, atom)).collect();
    let long = entries.iter().zip(&fresh).any(|((_, atom), fresh)| *fresh && atom.text.len() > 255);
    // A header that was read had at most 255 references.
    out.push(entries.len() as u8);
    if entries.is_empty() {
        return;
    }
    let start = out.len();
    out.resize(start + entries.len() / 2 + 1, 0);
    let mut put = |i: usize, nibble: u8| out[start + i / 2] |= nibble << (4 * (i & 1));
    for (i, (slot, _)) in entries.iter().enumerate() {
        put(i, u8::from(fresh[i]) << 3 | (slot >> 8) as u8);
    }
    put(entries.len(), u8::from(long));
    for ((slot, atom), fresh) in entries.iter().zip(fresh) {
        out.push(*slot as u8);
        if fresh {
            if long {
                out.extend_from_slice(&(atom.text.len() as u16).to_be_bytes());
            } else {
                out.push(atom.text.len() as u8);
            }
            out.extend_from_slice(&atom.text);
        }
    }
}
