//! The requests of `rex`, and the spawn requests of old nodes to `net_kernel`.
//!
//! | message | effect |
//! | --- | --- |
//! | `{Pid, {call, M, F, Args, Leader}}`, and the same with `block_call` | a call |
//! | `{'$gen_call', {Pid, Tag}, {call, M, F, Args, Leader}}`, and the same with `block_call` | a call |
//! | `{'$gen_cast', {cast, M, F, Args, Leader}}` | a call without an answer |
//! | `{Pid, {sbcast, Name, Message}}` | a message to that name |
//! | `{Pid, {send, Name, Message}}` | the message `{Pid, Message}` to that name |
//!
//! The answer goes to the process that sent the request, by a reference of its own. A `Leader` is a process, or `user`.
//! C nodes write `send_stdout_to_caller`, which `rex` takes in the first form only, and would fail over elsewhere.

use crate::term::atoms::{AtomView, Word};
use crate::term::reader::Reader;
use crate::term::{tag, walk};
use crate::wire::control::Process;
use crate::wire::shapes::call_tag;

use super::fields::{elements, named};
use super::FoundCall;

/// The kind of a message to `rex`.
#[derive(Clone, Copy, PartialEq, Eq)]
enum RexForm {
    /// `{Pid, Request}`
    Plain,
    /// `{'$gen_call', {Pid, Tag}, Request}`
    Call,
    /// `{'$gen_cast', Request}`
    Cast,
}

/// A message that `rex` passes on to a registered name.
pub struct Relayed<'a> {
    /// The name.
    pub name: AtomView<'a>,
    /// The message.
    pub message: Reader<'a>,
    /// The sender, if `{Pid, Message}` is passed on.
    pub by: Option<Reader<'a>>,
}

/// The call that a message makes `rex` do.
pub(super) fn call<'a>(message: Reader<'a>, from: &Process<'_>) -> FoundCall<'a> {
    let Some((form, asker, request)) = parts(message) else { return FoundCall::NONE };
    let Some((label, fields)) = labelled(request) else { return FoundCall::NONE };
    let found = match (form, label) {
        (RexForm::Plain | RexForm::Call, b"call" | b"block_call") | (RexForm::Cast, b"cast") => {
            requested(fields, form == RexForm::Plain && label == b"call").filter(|_| answers(form, asker, from))
        }
        (RexForm::Plain, b"send" | b"sbcast") => relay(asker, label, fields, from).map(|_| FoundCall::NONE),
        _ => return FoundCall::NONE,
    };
    found.unwrap_or(FoundCall::OPAQUE)
}

/// The message that `rex` would pass on, if it is a request for that and fits.
#[must_use]
pub fn relayed<'a>(message: Reader<'a>, from: &Process<'_>) -> Option<Relayed<'a>> {
    let (RexForm::Plain, asker, request) = parts(message)? else { return None };
    let (label, fields) = labelled(request)?;
    if matches!(label, b"send" | b"sbcast") {
        relay(asker, label, fields, from)
    } else {
        None
    }
}

/// The process that asks `rex` for something.
#[must_use]
pub fn asker<'a>(message: Reader<'a>) -> Option<Process<'a>> {
    let (form, mut asker, _) = parts(message)?;
    if form == RexForm::Call && asker.tuple() != Ok(2) {
        return None;
    }
    let (node, pid) = asker.pid().ok()?;
    Some(Process { node, pid })
}

/// True for a request that is not answered.
pub(super) fn is_cast(message: Reader<'_>) -> bool {
    matches!(parts(message), Some((RexForm::Cast, ..)))
}

/// True for a gen call by which a node before OTP 23 spawns a process: `{spawn, ...}` and the like, of any size.
pub(super) fn is_old_spawn(message: Reader<'_>) -> bool {
    let request = parts(message).and_then(|(_, _, request)| labelled(request));
    request.is_some_and(|(label, _)| matches!(label, b"spawn" | b"spawn_link" | b"spawn_opt"))
}

/// The form of a message, who asks, and what for.
fn parts<'a>(message: Reader<'a>) -> Option<(RexForm, Reader<'a>, Reader<'a>)> {
    let mut reader = message;
    let arity = reader.tuple().ok()?;
    let label = if walk::is_atom(&reader) { { reader }.atom().ok()?.word } else { Word::Other };
    match (arity, label) {
        (2, word) => {
            let [asker, request] = elements(reader)?;
            Some((if word == Word::GenCast { RexForm::Cast } else { RexForm::Plain }, asker, request))
        }
        (3, Word::GenCall) => {
            let [_, asker, request] = elements(reader)?;
            Some((RexForm::Call, asker, request))
        }
        _ => None,
    }
}

/// The label of a tuple, with a reader at the head of the tuple.
fn labelled<'a>(request: Reader<'a>) -> Option<(&'a [u8], Reader<'a>)> {
    let mut reader = request;
    reader.tuple().ok()?;
    let label = walk::atom(&mut reader).ok()?;
    Some((label, request))
}

/// `{_, M, F, Args, Leader}`
fn requested<'a>(mut request: Reader<'a>, to_caller: bool) -> Option<FoundCall<'a>> {
    if request.tuple() != Ok(5) {
        return None;
    }
    walk::skip_one(&mut request).ok()?;
    let found = named(&mut request)?;
    let mut leader = request;
    if leader.peek() == Ok(tag::PID) {
        let (node, pid) = leader.pid().ok()?;
        return Some(FoundCall { leader: Some(Process { node, pid }), ..found });
    }
    match walk::atom(&mut leader).ok()? {
        b"user" => Some(found),
        b"send_stdout_to_caller" if to_caller => Some(found),
        _ => None,
    }
}

/// `{_, Name, Message}`. A name of `rex` itself would carry further requests.
fn relay<'a>(asker: Reader<'a>, label: &[u8], mut request: Reader<'a>, from: &Process<'_>) -> Option<Relayed<'a>> {
    if request.tuple() != Ok(3) || !is_sender(&mut { asker }, from) {
        return None;
    }
    let [_, mut name, message] = elements(request)?;
    let name = name.atom().ok().filter(|name| name.word != Word::Rex)?;
    Some(Relayed { name, message, by: (label == b"send").then_some(asker) })
}

/// True if the answer goes to the sender: to its pid, by a tag made of references of its node.
fn answers(form: RexForm, mut asker: Reader<'_>, from: &Process<'_>) -> bool {
    match form {
        RexForm::Cast => true,
        RexForm::Plain => is_sender(&mut asker, from),
        RexForm::Call => {
            asker.tuple() == Ok(2)
                && is_sender(&mut asker, from)
                && call_tag(&mut asker)
                    .is_some_and(|((first, _), (last, _))| first == from.node.word && last == from.node.word)
        }
    }
}

fn is_sender(asker: &mut Reader<'_>, from: &Process<'_>) -> bool {
    asker.pid().is_ok_and(|(node, pid)| node.text == from.node.text && pid == from.pid)
}
