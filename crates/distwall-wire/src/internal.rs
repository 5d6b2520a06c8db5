//! `otp_internal`: messages that make an OTP process run code or change its state, whoever they are sent to.
//!
//! OTP's own processes match on the part of a message that they need and on no more, so the shapes here are as wide as
//! theirs: `gen_event` and `rex` take any term where a caller's pid belongs. And a server's *answer* is a message too:
//! `{Tag, Reply}` to whatever the question's `{To, Tag}` names. A question whose answer would go to a process of the
//! guarded node makes the server send what its asker chose (`{stop, _}` to init, `{'$gen_cast', _}` to anyone), so it is
//! one of these shapes as well. Source: `gen`, `sys`, `gen_event`, `supervisor`, `rpc`, `net_kernel`, `init` of OTP 25 to 29.

use std::ops::RangeInclusive;

use crate::atoms::Word;
use crate::scan::{Scanner, Watch};
use crate::shapes::call_tag;
use crate::term::{tag, Reader};

/// Whom a message is for, and what is known about it.
#[derive(Clone, Copy)]
pub struct Address<'a> {
    /// The registered name it is sent to, if it is.
    pub name: Option<&'a [u8]>,
    /// It answers what its receiver asked, so its receiver doesn't take it for a request.
    pub answer: bool,
}

/// Whether a message is of such a shape.
pub fn otp_internal(mut reader: Reader<'_>, to: Address<'_>, scanner: &mut Scanner, watch: &Watch<'_>) -> bool {
    if to.name.is_some_and(|name| OWN.contains(&name)) {
        return true;
    }
    // What it can be asked for but a ping.
    let net_kernel = to.name == Some(b"net_kernel");
    let Ok(arity) = reader.tuple() else {
        return net_kernel;
    };
    if net_kernel && arity != 3 {
        return true;
    }
    if !(2..=4).contains(&arity) {
        return false;
    }
    let atom = matches!(reader.peek(), Ok(tag::ATOM_REF | tag::ATOM | tag::SMALL_ATOM));
    let label = if atom {
        reader.atom().ok()
    } else {
        skip(&mut reader, scanner, watch);
        None
    };
    let (word, text) = label.map_or((Word::Other, &b""[..]), |label| (label.word, label.text));
    match arity {
        2 => match word {
            Word::GenCast => tuple_of(reader, SUPERVISOR_CASTS) || tuple_of(reader, REX) || runs(reader, AGENT_CASTS),
            // {From, {call, M, F, A, GroupLeader}} of rex.
            _ => !to.answer && tuple_of(reader, REX),
        },
        3 => match word {
            Word::System | Word::Exit => true,
            _ if net_kernel && word != Word::GenCall => true,
            _ if text == b"code_call" => true,
            _ if text == b"remote" && loads_compiled(reader) => true,
            _ if text == b"command" && starts_job(reader) => true,
            _ => {
                let call = word == Word::GenCall || matches!(text, b"$gen_sync_event" | b"$gen_sync_all_state_event");
                let (misled, end) = misleads(reader);
                if call && misled {
                    return true;
                }
                match end {
                    Some(end) => reader.pos = end,
                    None if skip(&mut reader, scanner, watch) => {}
                    None => return false,
                }
                if net_kernel {
                    return !tuple_of(reader, PING);
                }
                // Every request below is a tuple or an atom.
                let request = matches!(
                    reader.peek(),
                    Ok(tag::SMALL_TUPLE | tag::LARGE_TUPLE | tag::ATOM_REF | tag::ATOM | tag::SMALL_ATOM)
                );
                request
                    && (tuple_of(reader, GEN_EVENT)
                        || misled && asks_event_manager(reader)
                        || word == Word::GenCall && serves(reader))
            }
        },
        _ => {
            matches!(word, Word::IoRequest | Word::FileRequest)
                // {From, registered_send, To, Message}: net_kernel sends it on. auth crashes over the other, and the VM with it.
                || reader.atom().is_ok_and(|atom| matches!(atom.text, b"registered_send" | b"badcookie"))
        }
    }
}

/// `load_compiled` of cover.
fn loads_compiled(mut reader: Reader<'_>) -> bool {
    reader.atom().is_ok_and(|atom| atom.text == b"load_compiled")
}

/// `Pid, {start, _}` of eunit.
fn starts_job(mut reader: Reader<'_>) -> bool {
    reader.pid().is_ok() && tuple_of(reader, EUNIT)
}

/// Whether the answer to this From would go to a process of the guarded node, or to a name; and where it ends, if it was read
/// to its end.
fn misleads(mut reader: Reader<'_>) -> (bool, Option<usize>) {
    let mut asker = || {
        if reader.tuple().ok()? != 2 || reader.pid().ok()?.0.word == Word::Guard {
            return None;
        }
        // Only a tag of this form sends the answer elsewhere than to the pid.
        let list = reader.peek().ok()? == tag::LIST;
        let tag = call_tag(&mut reader);
        if list && tag?.0 .0.word == Word::Guard {
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

/// Processes that have the node itself in hand: its cookie, its code, its files, its applications, its log. Their requests look
/// like those of any server, and nothing that a peer could want of them is harmless.
const OWN: &[&[u8]] =
    &[b"application_controller", b"auth", b"code_server", b"erl_prim_loader", b"file_server_2", b"init", b"logger"];

type Requests = &'static [(&'static [u8], RangeInclusive<u32>)];

const PING: Requests = &[(b"is_auth", 2..=2)];

/// Requests that start, stop or replace children, run a function later, install one, or give away the cookie.
const SERVERS: Requests = &[
    (b"start_child", 2..=2),
    (b"terminate_child", 2..=2),
    (b"restart_child", 2..=2),
    (b"delete_child", 2..=2),
    (b"start_task", 4..=4),
    (b"apply_once", 2..=2),
    (b"apply_after", 2..=2),
    (b"apply_interval", 2..=2),
    (b"apply_repeatedly", 2..=2),
    (b"spawn", 5..=5),
    (b"spawn_link", 5..=5),
    (b"spawn_opt", 7..=7),
    (b"registrar", 2..=2),
    (b"dict_insert", 3..=3),
    (b"load_application", 2..=2),
    (b"start_application", 3..=3),
    (b"set_our_cookie", 2..=2),
    (b"add_handler", 4..=4),
    (b"add_filter", 3..=3),
    (b"change_config", 4..=5),
];
const SUPERVISOR_CASTS: Requests = &[(b"try_again_restart", 2..=3)];
const GEN_EVENT: Requests = &[
    (b"add_handler", 3..=3),
    (b"add_sup_handler", 3..=4),
    (b"delete_handler", 3..=3),
    (b"swap_handler", 5..=5),
    (b"swap_sup_handler", 5..=6),
];
/// What an event manager answers without running anything.
const GEN_EVENT_CALLS: Requests = &[(b"sync_notify", 2..=2), (b"call", 3..=3)];
const GEN_EVENT_QUESTIONS: [&[u8]; 3] = [b"which_handlers", b"get_modules", b"stop"];
const REX: Requests =
    &[(b"call", 5..=5), (b"block_call", 5..=5), (b"cast", 5..=5), (b"sbcast", 3..=3), (b"send", 3..=3)];
const EUNIT: Requests = &[(b"start", 2..=2)];
/// Requests of an Elixir agent; it runs their `{Module, Function, Arguments}`.
const AGENT: &[&[u8]] = &[b"get", b"get_and_update", b"update"];
const AGENT_CASTS: &[&[u8]] = &[b"cast"];

/// Whether a gen call's request is one that no name opens by itself.
fn serves(mut reader: Reader<'_>) -> bool {
    tuple_of(reader, SERVERS)
        || tuple_of(reader, REX)
        || runs(reader, AGENT)
        || reader.atom().is_ok_and(|atom| atom.text == b"get_our_cookie")
}

fn asks_event_manager(mut reader: Reader<'_>) -> bool {
    tuple_of(reader, GEN_EVENT_CALLS) || reader.atom().is_ok_and(|atom| GEN_EVENT_QUESTIONS.contains(&atom.text))
}

/// Whether the term at the reader is a tuple that begins with one of these atoms and has as many elements as goes with it.
fn tuple_of(mut reader: Reader<'_>, requests: Requests) -> bool {
    let Ok(arity) = reader.tuple() else {
        return false;
    };
    let Ok(first) = reader.atom() else {
        return false;
    };
    requests.iter().any(|(name, arities)| first.text == *name && arities.contains(&arity))
}

/// Whether the term at the reader is `{Name, {Module, Function, Arguments}}` with one of these names.
fn runs(mut reader: Reader<'_>, names: &[&[u8]]) -> bool {
    let mut shape = || {
        let named = reader.tuple().ok()? == 2 && names.contains(&reader.atom().ok()?.text);
        let called = named && reader.tuple().ok()? == 3 && reader.atom().is_ok() && reader.atom().is_ok();
        (called && matches!(reader.peek().ok()?, tag::NIL | tag::LIST | tag::STRING)).then_some(())
    };
    shape().is_some()
}

/// Passes over a term that has been scanned before.
fn skip(reader: &mut Reader<'_>, scanner: &mut Scanner, watch: &Watch<'_>) -> bool {
    // What stands there mostly.
    match reader.peek() {
        Ok(tag::ATOM_REF | tag::SMALL_INTEGER) => return reader.take(2).is_ok(),
        Ok(tag::INTEGER) => return reader.take(5).is_ok(),
        Ok(tag::NIL) => return reader.take(1).is_ok(),
        Ok(tag::BINARY) => {
            let length = reader.take(5).map(|head| u32::from_be_bytes([head[1], head[2], head[3], head[4]]));
            return length.is_ok_and(|length| reader.take(length as usize).is_ok());
        }
        Ok(tag::PID) => return reader.pid().is_ok(),
        Ok(tag::REFERENCE) => return reader.reference().is_ok(),
        _ => {}
    }
    let quiet = Watch { guarded: None, ..*watch };
    match scanner.whole(reader.data, reader.pos, &quiet) {
        Ok(end) => {
            reader.pos = end;
            true
        }
        Err(_) => false,
    }
}
