//! The parts of frames: their lengths and numbers, the control message, the payload.

use super::{Fixed, Parts};
use crate::error::Bad;
use crate::limits::Limits;
use crate::session::judge;
use crate::term::reader::Reader;
use crate::term::scan::{Scanner, Watch};
use crate::term::tag;
use crate::wire::control::{self, Control, Dialect};

/// Adds to the beginning of a frame until it is whole; false if the data doesn't suffice.
pub(super) fn fill(carry: &mut Vec<u8>, data: &[u8], pos: &mut usize, limits: &Limits) -> Result<bool, Bad> {
    let mut take = |carry: &mut Vec<u8>, until: usize| {
        let count = until.saturating_sub(carry.len()).min(data.len() - *pos);
        carry.extend_from_slice(&data[*pos..*pos + count]);
        *pos += count;
        carry.len() >= until
    };
    if !take(carry, 4) {
        return Ok(false);
    }
    let length = length(carry, limits)?;
    Ok(take(carry, 4 + length))
}

/// The length that the head of a frame announces.
pub(super) fn length(head: &[u8], limits: &Limits) -> Result<usize, Bad> {
    let length = u32::from_be_bytes([head[0], head[1], head[2], head[3]]);
    if u64::from(length) > limits.frame_size() {
        return Err(Bad::FrameSize);
    }
    Ok(length as usize)
}

/// Sequence and fragment number behind the tag of a fragment.
pub(super) fn numbers(frame: &[u8]) -> Result<(u64, u64), Bad> {
    let number = |at: usize| {
        let bytes = frame.get(at..at + 8).and_then(|bytes| bytes.try_into().ok());
        bytes.map(u64::from_be_bytes).ok_or(Bad::ShortFragment)
    };
    Ok((number(2)?, number(10)?))
}

/// Decodes the control message and scans the payload of a whole message; no byte may follow. `scanned`: the message was
/// scanned already ([`Ahead::finish`](crate::term::scan::Ahead::finish)), and what was found in it is known.
#[inline(always)]
pub(super) fn read<'r, 'a>(
    parts: &Parts<'a>,
    fixed: &'a Fixed,
    room: &'r mut Option<Control<'a>>,
    scanner: &mut Scanner,
    scanned: bool,
    watch: &Watch<'a>,
) -> Result<(&'r Control<'a>, Option<Reader<'a>>), Bad> {
    let mut reader = Reader::new(parts.body, watch.terms);
    let quiet;
    let watching = if scanned {
        quiet = watch.quiet();
        &quiet
    } else {
        watch
    };
    let control = control::decode(&mut reader, room, Dialect { flags: fixed.ends.flags }, scanner, watching)?;
    let mut end = reader.pos;
    let payload = control.payload();
    if payload {
        if parts.versioned && reader.u8()? != tag::VERSION {
            return Err(Bad::PayloadVersion);
        }
        if let Some(mfa) = control.mfa() {
            same_arity(mfa.arity, judge::arguments(reader)?.unwrap_or(u64::MAX))?;
        }
        if scanned {
            end = parts.body.len();
        } else if control.mfa().is_some() {
            end = scanner.whole_proper(parts.body, reader.pos, watch)?;
        } else {
            end = scanner.whole(parts.body, reader.pos, watch)?;
        }
    }
    if end != parts.body.len() {
        return Err(Bad::TrailingBytes);
    }
    Ok((control, payload.then_some(reader)))
}

/// Fails if a spawn request announces another number of arguments than it has.
pub(super) fn same_arity(announced: u8, given: u64) -> Result<(), Bad> {
    if u64::from(announced) == given {
        Ok(())
    } else {
        Err(Bad::SpawnArityMismatch)
    }
}
