//! Messages that `rex` passes on to a registered name: they are judged as if they went to that name.

use super::Message;
use crate::rules::calls::rex::Relayed;
use crate::term::atoms::AtomView;
use crate::term::reader::Reader;
use crate::term::{tag, walk};
use crate::wire::control::Control;

/// Shows `judge` the message as its receiver gets it from `rex`.
#[cold]
pub(super) fn passed_on<T>(
    message: &Message<'_, '_>,
    relayed: &Relayed<'_>,
    judge: impl FnOnce(&Message<'_, '_>) -> T,
) -> T {
    let Some(from) = message.control.from() else { return judge(message) };
    // The atom stands in the payload, whose atoms have been counted.
    let to = AtomView { inline: false, ..relayed.name };
    let control = Control::RegSend { from, to, unused: None };
    let bytes = term(relayed.message);
    let Some(by) = relayed.by else {
        return judge(&Message::new(&control, Some(Reader { data: bytes, pos: 0, ..relayed.message }), &mut None));
    };
    let pair = [&[tag::SMALL_TUPLE, 2], term(by), bytes].concat();
    judge(&Message::new(&control, Some(Reader { data: &pair, pos: 0, ..relayed.message }), &mut None))
}

/// The bytes of a term that has been scanned.
fn term(reader: Reader<'_>) -> &[u8] {
    let mut end = reader;
    match walk::skip(&mut end, 1) {
        Ok(()) => &reader.data[reader.pos..end.pos],
        Err(_) => &[],
    }
}
