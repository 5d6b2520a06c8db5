//! Greetings of `pg` that every release takes.
//!
//! A scope of OTP 29 greets with `{discover, Pid, 1}`. On that, a scope of OTP 25 ends, and OTP 26 to 28 take it for
//! `{discover, Pid}`. Flags don't tell OTP 25 from 26. So between nodes that are not both of OTP 29, the short form is passed on.

use crate::session::judge::{Ends, Message, Ruling};
use crate::term::tag;
use crate::verdict::Verdict;

/// True for such a message, if it passes.
#[inline(always)]
pub fn is_long(message: &Message<'_, '_>, ruling: &Ruling, ends: &Ends) -> bool {
    message.work.tells_scope() && places(message, ruling, ends).is_some()
}

/// The body of such a message with the short form; None for all other messages.
#[cold]
pub fn shortened(message: &Message<'_, '_>, ruling: &Ruling, ends: &Ends, body: &[u8]) -> Option<Vec<u8>> {
    let (start, elements, end) = places(message, ruling, ends)?;
    Some([&body[..start], &[tag::SMALL_TUPLE, 2], &body[elements..end]].concat())
}

/// The beginning of such a message, of its elements, and the end of the second one.
#[cold]
fn places(message: &Message<'_, '_>, ruling: &Ruling, ends: &Ends) -> Option<(usize, usize, usize)> {
    if ends.records || !message.work.tells_scope() || ruling.verdict != Verdict::Accept {
        return None;
    }
    let mut reader = message.payload?;
    let start = reader.pos;
    if reader.tuple().ok()? != 3 {
        return None;
    }
    let elements = reader.pos;
    if reader.atom().ok()?.text != b"discover" {
        return None;
    }
    reader.pid().ok()?;
    Some((start, elements, reader.pos))
}
