//! `otp_internal`: messages that make an OTP process run code or change its state, sent to any target.
//!
//! # Theory of operation
//!
//! There are two ways to recognise such a message.
//!
//! * Its *name* ([`names`]): names that OTP registers for itself belong to no application, so any message to them
//!   counts; only `net_kernel` may be pinged.
//! * Its *shape* ([`requests`]): a message can reach a process by its pid as well, and behaviours (supervisors, event
//!   managers, agents, ...) have any name that their user gives them.
//!
//! OTP's own processes match only on the part of a message that they need, so the shapes here are as wide: `gen_event`
//! and `rex` take any term in the place of a caller's pid. Ordinary traffic must pass, though. So requests that only a
//! server with a name of its own obeys are looked for only in messages to pids and aliases.
//!
//! A server's *answer* is a message too: `{Tag, Reply}` to the `{To, Tag}` of the question. A question whose answer
//! would go to a process of the receiving node makes the server send a message that its asker chose: `{stop, _}` to
//! init, or `{'$gen_cast', _}` to anyone. So it is one of these shapes as well, and no pattern opens it.
//!
//! One message can be a request in several places: `{io_reply, Ref, {add_handler, Module, []}}` is the answer of an io
//! server, and a request to an event manager. So a pattern opens only the requests whose labels it names in their places.
//!
//! No filter of messages can find a message by pid to a server that ends at unknown messages.

use std::sync::LazyLock;

use crate::term::atoms::{AtomView, Word, Words};
use crate::term::reader::{Reader, Terms};
use crate::term::{tag, walk};
use crate::wire::shapes::{call_tag, Asker};

use super::pattern::{Pattern, Place};
use requests::{has_form, labelled, Kind, Reach, Request, RequestForm};

mod names;
mod requests;

/// The target of a message, and facts about it.
#[derive(Clone, Copy)]
pub struct Address<'a> {
    /// The meaning of the registered name that it is sent to, if any.
    pub name: Option<Word>,
    /// The asker, if the message has the form of a question.
    pub asker: Option<&'a Asker<'a>>,
    /// True if it answers a question of its receiver, which then doesn't take it for a request.
    pub answer: bool,
    /// The node that receives it.
    pub receiver: Word,
    /// The pattern of the rule that accepts it. It opens a request that it names in the place where the request is.
    pub pattern: Option<&'a Pattern>,
}

/// The atoms with a meaning here: [`Word::OtpName`] and [`Word::Request`].
pub static WORDS: LazyLock<Words> = LazyLock::new(|| {
    let names = names::all().map(|name| (name, Word::OtpName));
    let labels = requests::labels().map(|(label, number)| (label, Word::Request(number)));
    Words::new(names.chain(labels), &names::PREFIXES, Word::OtpName)
});

/// The names of OTP's and Elixir's own processes, and the prefixes of names that are made at run time.
#[must_use]
pub fn own_names() -> (Vec<&'static str>, &'static [&'static str]) {
    (names::all().chain(["net_kernel", "rex"]).collect(), &names::PREFIXES)
}

/// True for a name that OTP or Elixir registers for a process of its own.
#[must_use]
pub fn is_otp_name(name: &[u8]) -> bool {
    matches!(name, b"rex" | b"net_kernel") || WORDS.meaning(name) == Word::OtpName
}

/// True if a message has such a shape, or goes to such a name, and the pattern doesn't describe that.
#[inline(always)]
pub fn otp_internal(reader: &Reader<'_>, to: &Address<'_>) -> bool {
    let own = match to.name {
        Some(Word::OtpName | Word::Rex) => true,
        Some(Word::NetKernel) => !AtAddress { to }.asks_who(*reader),
        _ => false,
    };
    if own && !to.pattern.is_some_and(Pattern::is_particular) {
        return true;
    }
    !is_ordinary(reader, to) && has_shape(*reader, to)
}

/// True for most messages without such a shape, by a look at a few bytes. These are calls and casts of other requests, and
/// messages with three properties. The label in front means nothing there. No label follows it. The last element is neither a
/// label nor a tuple.
#[inline(always)]
fn is_ordinary(reader: &Reader<'_>, to: &Address<'_>) -> bool {
    let Some(&[tag::SMALL_TUPLE, arity @ 2..=3, tag::ATOM_REF, label, ref rest @ ..]) = reader.data.get(reader.pos..)
    else {
        return false;
    };
    let Ok(label) = reader.terms.atom(label) else { return false };
    match (label.word, arity, to.asker) {
        (Word::GenCall, 3, Some(Asker { pair: Some((end, _)), .. })) => {
            let request = reader.data.get(*end..).unwrap_or_default();
            !misleads(*reader, to.asker, to.receiver).0
                && means_nothing(request, RequestForm::Call.bit() | RequestForm::Event.bit(), reader.terms)
        }
        (Word::GenCast, 2, _) => means_nothing(rest, RequestForm::Cast.bit(), reader.terms),
        (Word::Request(number), ..) if has_form(number, RequestForm::Plain.bit(), false) => false,
        (Word::Other | Word::Request(_), ..) if label.text.len() < EVENT_LABELS[0].len() => {
            let last = match *rest {
                _ if arity == 2 => rest.first(),
                [tag::SMALL_INTEGER, _, ref rest @ ..] | [tag::INTEGER, _, _, _, _, ref rest @ ..] => rest.first(),
                [tag::NIL, ref rest @ ..] => rest.first(),
                _ => None,
            };
            last.is_some_and(|last| {
                !matches!(*last, tag::SMALL_TUPLE | tag::LARGE_TUPLE | tag::ATOM_REF | tag::ATOM | tag::SMALL_ATOM)
            })
        }
        _ => false,
    }
}

/// True if no request of these forms (a bit for each) begins like the term at these bytes.
#[inline(always)]
fn means_nothing(request: &[u8], forms: u8, terms: &Terms<'_>) -> bool {
    let (label, bare) = match *request {
        [tag::ATOM_REF, label, ..] => (label, true),
        [tag::SMALL_TUPLE, 1..=255, tag::ATOM_REF, label, ..] => (label, false),
        [tag::SMALL_INTEGER | tag::INTEGER | tag::NIL | tag::LIST | tag::STRING | tag::BINARY | tag::MAP, ..] => {
            return true;
        }
        _ => return false,
    };
    match terms.atom(label).map(|label| label.word) {
        Ok(Word::Request(number)) => !has_form(number, forms, bare),
        label => label.is_ok(),
    }
}

/// True if a message has such a shape.
#[inline(never)]
fn has_shape(mut reader: Reader<'_>, to: &Address<'_>) -> bool {
    let look = AtAddress { to };
    let Ok(arity @ 2..=9) = reader.tuple() else {
        return false;
    };
    let start = reader;
    let first = if is_atom(&reader) { reader.atom().ok() } else { None };
    if let Some(label) = first {
        if look.obeyed(RequestForm::Plain, &Head { label, rest: Some((reader, arity - 1)) }) {
            return true;
        }
    } else if !skip(&mut reader) {
        return false;
    }
    let word = first.map_or(Word::Other, |label| label.word);
    match arity {
        2 if word == Word::GenCast => look.head(reader).is_some_and(|head| look.obeyed(RequestForm::Cast, &head)),
        2 => look.head(reader).is_some_and(|head| {
            !to.answer && look.obeyed(RequestForm::Ask, &head)
                || look.obeyed(RequestForm::AskOwn, &head) && look.fits(Kind::Own, start)
        }),
        3 if word == Word::System && misleads(reader, to.asker, to.receiver).0 => true,
        3 if word == Word::System && !look.opened(Place::Front) && !look.opened(Place::Last) => true,
        3 if word == Word::Exit && !look.opened(Place::Front) => true,
        3 => look.triple(reader, first),
        4 if matches!(word, Word::IoRequest | Word::FileRequest) && !look.opened(Place::Front) => true,
        4 => look.second(reader, 2) || look.all(start, 4, TASK_BEFORE_1_14) && !look.opened(Place::Last),
        5 => look.all(start, 5, TASK) && !look.opened(Place::Last),
        _ => false,
    }
}

/// The request to a task of Elixir: its owner, and the function to run.
const TASK: &[Kind] = &[Kind::Pid, Kind::Any, Kind::Any, Kind::List, Kind::Mfa];
const TASK_BEFORE_1_14: &[Kind] = &[Kind::Pid, Kind::Any, Kind::List, Kind::Mfa];

/// Calls of `gen_fsm`.
const EVENT_LABELS: [&[u8]; 2] = [b"$gen_sync_event", b"$gen_sync_all_state_event"];

/// True for the labels of `gen_fsm`'s calls. They are long, and most labels are not.
#[inline]
fn is_event_label(label: &AtomView<'_>) -> bool {
    label.text.len() >= EVENT_LABELS[0].len() && EVENT_LABELS.contains(&label.text)
}

/// Calls that an event manager answers without running any code.
const EVENT_CALLS: [(&[u8], u32); 2] = [(b"sync_notify", 1), (b"call", 2)];
const EVENT_QUESTIONS: [&[u8]; 3] = [b"which_handlers", b"get_modules", b"stop"];

/// A tuple's first element and the number of further ones; or a single atom.
struct Head<'a> {
    label: AtomView<'a>,
    rest: Option<(Reader<'a>, u32)>,
}

struct AtAddress<'l> {
    to: &'l Address<'l>,
}

impl AtAddress<'_> {
    /// True for `{'$gen_call', From, {is_auth, _}}`, the only harmless question to net_kernel.
    fn asks_who(&self, mut reader: Reader<'_>) -> bool {
        if reader.tuple() != Ok(3) || reader.atom().map(|atom| atom.word) != Ok(Word::GenCall) {
            return false;
        }
        let (misled, _) = misleads(reader, self.to.asker, self.to.receiver);
        let request = skip(&mut reader).then(|| self.head(reader)).flatten();
        !misled && request.is_some_and(|head| head.label.word == Word::IsAuth && head.rest.is_some_and(|(_, n)| n == 1))
    }

    /// True if a message of three elements, read up to its second one, has such a shape.
    #[inline(always)]
    fn triple(&self, mut reader: Reader<'_>, first: Option<AtomView<'_>>) -> bool {
        if self.second(reader, 1) {
            return true;
        }
        let gen_call = first.is_some_and(|label| label.word == Word::GenCall);
        let call = gen_call || first.is_some_and(|label| is_event_label(&label));
        let from = reader;
        let mut end = None;
        if call {
            let misled;
            (misled, end) = misleads(from, self.to.asker, self.to.receiver);
            if misled {
                return true;
            }
        }
        match end {
            Some(end) => reader.pos = end,
            None if skip(&mut reader) => {}
            None => return false,
        }
        let Some(head) = self.head(reader) else { return false };
        self.obeyed(RequestForm::Event, &head)
            || gen_call && self.obeyed(RequestForm::Call, &head)
            || !call && is_stop(&head) && !self.opened(Place::Last)
            || !call && asks_event_manager(&head) && misleads(from, self.to.asker, self.to.receiver).0
    }

    /// True if the second element of a message is a label, and the request is obeyed; `left` more elements follow it.
    #[inline(always)]
    fn second(&self, mut reader: Reader<'_>, left: u32) -> bool {
        if !is_atom(&reader) {
            return false;
        }
        let Ok(label) = reader.atom() else { return false };
        self.obeyed(RequestForm::Second, &Head { label, rest: Some((reader, left)) })
    }

    #[inline(always)]
    fn head<'a>(&self, mut reader: Reader<'a>) -> Option<Head<'a>> {
        match reader.peek().ok()? {
            tag::SMALL_TUPLE => {
                let left = reader.tuple().ok()?.checked_sub(1)?;
                let label = is_atom(&reader).then(|| reader.atom().ok())??;
                Some(Head { label, rest: Some((reader, left)) })
            }
            tag::ATOM_REF | tag::ATOM | tag::SMALL_ATOM => Some(Head { label: reader.atom().ok()?, rest: None }),
            _ => None,
        }
    }

    /// True if the rule's pattern describes a request in that place.
    fn opened(&self, place: Place) -> bool {
        self.to.pattern.is_some_and(|pattern| pattern.names(place))
    }

    /// True if some process obeys a request of this form that begins with this label, and the pattern doesn't name it.
    #[inline(always)]
    fn obeyed(&self, form: RequestForm, head: &Head<'_>) -> bool {
        match head.label.word {
            Word::Request(label) => {
                let requests = labelled(label, form, head.rest.is_none());
                !requests.is_empty() && self.looked_up(form, requests, head) && !self.opened(form.place())
            }
            _ => false,
        }
    }

    fn looked_up(&self, form: RequestForm, requests: &[Request], head: &Head<'_>) -> bool {
        let named = self.to.name.is_some();
        requests.iter().any(|request| {
            request.form == form
                && !(named && request.reach == Reach::Unnamed)
                && match (request.rest, head.rest) {
                    (None, None) => true,
                    (Some(kinds), Some((reader, left))) => self.all(reader, left, kinds),
                    _ => false,
                }
        })
    }

    /// True if the next `left` terms are of these kinds.
    fn all(&self, mut reader: Reader<'_>, left: u32, kinds: &[Kind]) -> bool {
        let open = kinds.last() == Some(&Kind::More);
        let count = kinds.len() as u32 - u32::from(open);
        if left < count || left > count && !open {
            return false;
        }
        kinds[..count as usize].iter().enumerate().all(|(i, kind)| {
            let last = i as u32 + 1 == count;
            self.fits(*kind, reader) && (last || skip(&mut reader))
        })
    }

    fn fits(&self, kind: Kind, mut reader: Reader<'_>) -> bool {
        let Ok(tag) = reader.peek() else { return false };
        let atom = matches!(tag, tag::ATOM_REF | tag::ATOM | tag::SMALL_ATOM);
        let list = matches!(tag, tag::LIST | tag::STRING);
        match kind {
            Kind::Any | Kind::More => true,
            Kind::Atom => atom,
            Kind::Node => atom && reader.atom().is_ok_and(|atom| atom.text.contains(&b'@')),
            Kind::OneOf(words) => is_one_of(reader, words),
            Kind::Tagged(words) => reader.tuple().is_ok() && is_one_of(reader, words),
            Kind::Pid => tag == tag::PID,
            Kind::Own => {
                let node = match tag {
                    tag::PID => reader.pid().map(|(node, _)| node),
                    tag::PORT | tag::V4_PORT => {
                        reader.pos += 1;
                        reader.atom()
                    }
                    _ => return false,
                };
                node.is_ok_and(|node| node.word == self.to.receiver)
            }
            Kind::Fun => matches!(tag, tag::FUN | tag::EXPORT),
            Kind::Mfa => is_mfa(reader),
            Kind::Run => matches!(tag, tag::FUN | tag::EXPORT) || is_mfa(reader),
            Kind::List => list || tag == tag::NIL,
            Kind::Text => list || tag == tag::BINARY,
            Kind::Binary => tag == tag::BINARY,
            Kind::Map => tag == tag::MAP,
            Kind::Int => matches!(tag, tag::SMALL_INTEGER | tag::INTEGER | tag::SMALL_BIG | tag::LARGE_BIG),
            Kind::Tuple => matches!(tag, tag::SMALL_TUPLE | tag::LARGE_TUPLE),
        }
    }
}

/// Passes over a term that has been scanned before; false if it can't be read.
#[inline]
fn skip(reader: &mut Reader<'_>) -> bool {
    walk::skip_one(reader).is_ok()
}

/// True if the answer to this From would go to a process of the receiving node, or to a name. Also the end of the From,
/// if it was read to its end.
#[inline]
fn misleads(reader: Reader<'_>, asker: Option<&Asker<'_>>, receiver: Word) -> (bool, Option<usize>) {
    match asker {
        Some(Asker { from, first, pair: Some((end, listed)), .. }) => {
            (from.node.word == receiver || *listed && first.0 == receiver, Some(*end))
        }
        _ => read_misleads(reader, receiver),
    }
}

/// The same without a known asker: this may not be a From at all.
fn read_misleads(mut reader: Reader<'_>, receiver: Word) -> (bool, Option<usize>) {
    let mut asker = || {
        if reader.tuple().ok()? != 2 || reader.pid().ok()?.0.word == receiver {
            return None;
        }
        // Only a tag of this form sends the answer elsewhere than to the pid.
        let list = reader.peek().ok()? == tag::LIST;
        let tag = call_tag(&mut reader);
        if list && tag?.0 .0 == receiver {
            return None;
        }
        Some(tag.is_some())
    };
    match asker() {
        Some(true) => (false, Some(reader.pos)),
        Some(false) => (false, None),
        None => (true, None),
    }
}

/// True for the request that ends an event manager. As a call it is ordinary: servers of users have it, too.
fn is_stop(head: &Head<'_>) -> bool {
    head.rest.is_none() && head.label.text == b"stop"
}

fn asks_event_manager(head: &Head<'_>) -> bool {
    match head.rest {
        Some((_, left)) => EVENT_CALLS.contains(&(head.label.text, left)),
        None => EVENT_QUESTIONS.contains(&head.label.text),
    }
}

#[inline]
fn is_atom(reader: &Reader<'_>) -> bool {
    matches!(reader.peek(), Ok(tag::ATOM_REF | tag::ATOM | tag::SMALL_ATOM))
}

fn is_one_of(mut reader: Reader<'_>, words: &[&str]) -> bool {
    reader.atom().is_ok_and(|atom| words.iter().any(|word| word.as_bytes() == atom.text))
}

/// True for `{Module, Function, Arguments}`.
fn is_mfa(mut reader: Reader<'_>) -> bool {
    reader.tuple() == Ok(3)
        && reader.atom().is_ok()
        && reader.atom().is_ok()
        && matches!(reader.peek(), Ok(tag::NIL | tag::LIST | tag::STRING))
}
