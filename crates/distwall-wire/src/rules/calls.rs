//! Finds the function that a command really calls, however the call arrives.
//!
//! # Theory of operation
//!
//! A spawn request names a function, which often calls another: `rpc:call` arrives as `erpc:execute_call/4`, a fun as
//! `erlang:apply/2`. `rex` and `net_kernel` take calls as messages. This module unwraps such calls one by one, until a
//! function is left that is not a wrapper. [`wrappers`] has the functions, and the place of the call among their
//! arguments.
//!
//! A call that can't be told for sure is [`Call::Opaque`]: wrappers nested too deep, improper lists of arguments, and
//! funs of another arity. A call that the guarded node would pass on counts as well.
//!
//! A function with a fun as argument is not a wrapper if it does more than call it (`lists:map/2`, `global:trans/2`):
//! the rule on funs judges such funs. Neither is a function that gives a function to a process
//! (`supervisor:start_child/2`).

use crate::error::Bad;
use crate::term::atoms::Word;
use crate::term::reader::Reader;
use crate::term::tag;
use crate::term::walk::{self, Fun, Shape, Value};
use crate::wire::control::Mfa;
use crate::wire::shapes::call_tag;

pub mod wrappers;

use wrappers::{forms, How};

/// The function that a command calls.
#[derive(Clone, Copy)]
pub enum Call<'a> {
    /// No call: an ordinary message.
    None,
    /// A function.
    Function {
        /// Module.
        module: &'a [u8],
        /// Function.
        function: &'a [u8],
        /// Number of arguments.
        arity: u8,
        /// A reader at the list of arguments.
        arguments: Reader<'a>,
    },
    /// A fun of this module: any code of that module, or code that its sender claims to be.
    Fun {
        /// Module.
        module: &'a [u8],
        /// Number of arguments.
        arity: u8,
        /// A reader at the list of arguments.
        arguments: Reader<'a>,
    },
    /// A call of a function that can't be told.
    Opaque,
}

/// A call, and the funs that make it.
#[derive(Clone, Copy)]
pub struct Found<'a> {
    /// The innermost call.
    pub call: Call<'a>,
    /// Number of funs in the message that are the call itself.
    pub funs: u32,
}

impl Found<'_> {
    /// No call.
    pub const NONE: Self = Found { call: Call::None, funs: 0 };

    /// True if it is the call of a fun typed in a shell, which carries all its code.
    #[must_use]
    pub fn is_typed(&self) -> bool {
        matches!(self.call, Call::Fun { module: b"erl_eval", .. })
    }

    /// True if it is the call of a function of OTP's shell.
    #[must_use]
    pub fn is_shell(&self) -> bool {
        matches!(self.call, Call::Function { module: b"shell", .. })
    }
}

/// Wrappers in wrappers; beyond that a call is opaque.
const MAX_DEPTH: u32 = 8;

/// The function that a spawn request runs. `arguments` is at its payload; `sender` is the node that sent it.
#[must_use]
pub fn of_spawn<'a>(mfa: &Mfa<'a>, arguments: Reader<'a>, sender: Word) -> Found<'a> {
    let (module, function) = (mfa.module.text, mfa.function.text);
    unwrap(Call::Function { module, function, arity: mfa.arity, arguments }, sender)
}

/// The function that a message makes `rex` or `net_kernel` call. `name` is the registered name; None: a process with an
/// unknown name.
#[must_use]
pub fn of_message<'a>(message: Reader<'a>, name: Option<&[u8]>, sender: Word) -> Found<'a> {
    let to = match name {
        None => Ok((true, true)),
        Some(b"rex") => Ok((true, false)),
        Some(b"net_kernel") => Ok((false, true)),
        Some(_) => Err(()),
    };
    let call = to.ok().and_then(|(rex, kernel)| asked(message, rex, kernel, sender).ok().flatten());
    unwrap(call.unwrap_or(Call::None), sender)
}

type Requests = &'static [(&'static [u8], u32)];
const CALLS: Requests = &[(b"call", 5), (b"block_call", 5)];
const CASTS: Requests = &[(b"cast", 5)];
const SPAWNS: Requests = &[(b"spawn", 5), (b"spawn_link", 5), (b"spawn_opt", 7)];

fn asked<'a>(mut message: Reader<'a>, rex: bool, kernel: bool, sender: Word) -> Result<Option<Call<'a>>, Bad> {
    let arity = message.tuple()?;
    let mut from = message;
    let label = if walk::is_atom(&message) { message.atom()?.word } else { Word::Other };
    let (call, own) = match (arity, label) {
        (2, Word::GenCast) if rex => (request(message, CASTS)?, true),
        // {Pid, Request}
        (2, _) if rex => {
            message = from;
            walk::skip(&mut message, 1)?;
            let own = from.peek()? == tag::PID && from.pid()?.0.word == sender;
            (request(message, CALLS)?, own)
        }
        (3, Word::GenCall) => {
            from = message;
            walk::skip(&mut message, 1)?;
            let call = if rex { request(message, CALLS)? } else { None };
            let call = if kernel && call.is_none() { request(message, SPAWNS)? } else { call };
            (call, asks(from, sender).unwrap_or(false))
        }
        _ => (None, true),
    };
    // With an answer to someone else, the caller makes the guarded node send a message.
    Ok(call.map(|call| if own { call } else { Call::Opaque }))
}

/// True if a gen call's From is a process of the sender, and its tag is made of the sender's references.
fn asks(mut from: Reader<'_>, sender: Word) -> Result<bool, Bad> {
    if from.tuple()? != 2 || from.pid()?.0.word != sender {
        return Ok(false);
    }
    Ok(call_tag(&mut from).is_some_and(|((first, _), (last, _))| first == sender && last == sender))
}

/// `{Request, Module, Function, Arguments, ..., GroupLeader}`
fn request<'a>(mut reader: Reader<'a>, requests: Requests) -> Result<Option<Call<'a>>, Bad> {
    if reader.peek()? != tag::SMALL_TUPLE {
        return Ok(None);
    }
    let arity = reader.tuple()?;
    if !walk::is_atom(&reader) || !requests.contains(&(walk::atom(&mut reader)?, arity)) {
        return Ok(None);
    }
    let mut parts = [reader; 3];
    for part in &mut parts {
        *part = reader;
        walk::skip(&mut reader, 1)?;
    }
    walk::skip(&mut reader, u64::from(arity) - 5)?;
    let leads = match reader.peek()? {
        tag::PID => true,
        _ if walk::is_atom(&reader) => matches!(walk::atom(&mut reader)?, b"user" | b"send_stdout_to_caller"),
        _ => false,
    };
    let [module, name, arguments] = parts;
    Ok(Some(function(module, name, arguments).filter(|_| leads).unwrap_or(Call::Opaque)))
}

/// Unwraps a call.
fn unwrap<'a>(mut call: Call<'a>, sender: Word) -> Found<'a> {
    let mut funs = 0;
    let mut depth = 0;
    while let Call::Function { module, function, arity, arguments } = call {
        let Some(forms) = forms(module, function) else {
            break;
        };
        depth += 1;
        let within = elements(arguments).filter(|items| items.count == arity && depth <= MAX_DEPTH);
        let fits = |items: Items<'a>| {
            forms.iter().filter(|(count, _)| *count == arity).find_map(|(_, how)| inner(*how, &items, sender))
        };
        let (found, fun) = within.and_then(fits).unwrap_or((Call::Opaque, false));
        call = found;
        funs += u32::from(fun);
    }
    Found { call, funs }
}

/// The call inside a wrapper with these arguments, if they fit, and true if it calls a fun.
fn inner<'a>(how: How, items: &Items<'a>, sender: Word) -> Option<(Call<'a>, bool)> {
    let item = |at| items.get(at);
    let named = |at: usize| Some((function(item(at)?, item(at + 1)?, item(at + 2)?)?, false));
    let applied = |at: usize, arguments| Some((fun(item(at)?, arguments)?, true));
    let none = item(0).map(|reader| Reader { data: &[tag::NIL], pos: 0, ..reader })?;
    match how {
        How::Function(at) => named(at),
        How::Fun(at) => applied(at, none),
        How::Applied(at) => applied(at, item(at + 1)?),
        How::FunctionAt => named(1).filter(|_| is_here(items, sender)),
        How::FunAt => applied(1, none).filter(|_| is_here(items, sender)),
    }
}

/// True if the first argument is the node that receives the call, or a list of only that node.
fn is_here(items: &Items<'_>, sender: Word) -> bool {
    let here = if sender == Word::Peer { Word::Guard } else { Word::Peer };
    let is_here = |value: &mut Value<'_>| Ok(value.reader.atom()?.word == here);
    let all = |mut nodes: Value<'_>| loop {
        match nodes.open()? {
            Shape::Cons if nodes.element(is_here)? => {}
            Shape::Nil => return Ok(true),
            Shape::Other if nodes.is_term() => return is_here(&mut nodes),
            _ => return Ok(false),
        }
    };
    items.get(0).is_some_and(|nodes| all(Value::new(nodes)) == Ok::<_, Bad>(true))
}

/// A function by name.
fn function<'a>(mut module: Reader<'a>, mut name: Reader<'a>, arguments: Reader<'a>) -> Option<Call<'a>> {
    let (module, function) = (walk::atom(&mut module).ok()?, walk::atom(&mut name).ok()?);
    if !walk::is_list(&arguments) {
        return None;
    }
    // A list that is too long or improper fits, but the call can't be told.
    Some(match count(arguments) {
        Some(arity) => Call::Function { module, function, arity, arguments },
        None => Call::Opaque,
    })
}

/// A fun, or an export.
fn fun<'a>(mut reader: Reader<'a>, arguments: Reader<'a>) -> Option<Call<'a>> {
    let kind = reader.u8().ok()?;
    let (takes, call) = match kind {
        tag::EXPORT => {
            let (module, function) = (walk::atom(&mut reader).ok()?, walk::atom(&mut reader).ok()?);
            let arity = reader.take(2).ok()?[1];
            (arity, Call::Function { module, function, arity, arguments })
        }
        tag::FUN => {
            let Fun { module, arity, .. } = Fun::read(&mut reader).ok()?;
            (arity, Call::Fun { module, arity, arguments })
        }
        _ => return None,
    };
    if !walk::is_list(&arguments) {
        return None;
    }
    Some(if count(arguments) == Some(takes) { call } else { Call::Opaque })
}

/// The first elements of a list.
struct Items<'a> {
    list: Reader<'a>,
    /// Data, and the offset of each element: the elements of a string are elsewhere in the data.
    places: [(&'a [u8], usize); 6],
    count: u8,
}

impl<'a> Items<'a> {
    fn get(&self, at: usize) -> Option<Reader<'a>> {
        let (data, pos) = *self.places.get(at)?;
        (at < usize::from(self.count)).then_some(Reader { data, pos, ..self.list })
    }
}

/// The elements of a proper list, if there are no more than a function can take.
fn elements<'a>(list: Reader<'a>) -> Option<Items<'a>> {
    let mut items = Items { list, places: [(&[], 0); 6], count: 0 };
    items.count = walk_over(list, |number, data, pos| {
        if let Some(place) = items.places.get_mut(usize::from(number)) {
            *place = (data, pos);
        }
    })?;
    Some(items)
}

/// Number of elements of a proper list.
fn count(list: Reader<'_>) -> Option<u8> {
    walk_over(list, |_, _, _| {})
}

#[inline]
fn walk_over<'a>(list: Reader<'a>, mut visit: impl FnMut(u8, &'a [u8], usize)) -> Option<u8> {
    let mut count = 0_u8;
    let mut list = Value::new(list);
    loop {
        match list.open().ok()? {
            Shape::Nil => return Some(count),
            Shape::Other => return None,
            Shape::Cons => {}
        }
        let show = |value: &mut Value<'a>| {
            visit(count, value.reader.data, value.reader.pos);
            value.skip()
        };
        list.element(show).ok()?;
        count = count.checked_add(1)?;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::term::atoms::{AtomView, Names, Words};
    use crate::term::reader::Terms;

    fn atom(text: &str) -> Vec<u8> {
        [&[tag::SMALL_ATOM, text.len() as u8], text.as_bytes()].concat()
    }

    fn atoms(texts: &[&str]) -> Vec<Vec<u8>> {
        texts.iter().map(|text| atom(text)).collect()
    }

    fn tuple(items: &[Vec<u8>]) -> Vec<u8> {
        [&[tag::SMALL_TUPLE, items.len() as u8], &*items.concat()].concat()
    }

    fn list(items: &[Vec<u8>]) -> Vec<u8> {
        if items.is_empty() {
            return vec![tag::NIL];
        }
        [&[tag::LIST], &(items.len() as u32).to_be_bytes()[..], &items.concat(), &[tag::NIL]].concat()
    }

    /// The same list, each element in a list of its own.
    fn tails(items: &[Vec<u8>]) -> Vec<u8> {
        let one = |item: &Vec<u8>| [&[tag::LIST, 0, 0, 0, 1], &**item].concat();
        [items.iter().flat_map(one).collect(), vec![tag::NIL]].concat()
    }

    fn pid(node: &str) -> Vec<u8> {
        [&[tag::PID], &*atom(node), &[0; 12]].concat()
    }

    fn reference(node: &str) -> Vec<u8> {
        [&[tag::REFERENCE, 0, 3], &*atom(node), &[0; 16]].concat()
    }

    fn export(module: &str, function: &str, arity: u8) -> Vec<u8> {
        [&[tag::EXPORT], &*atom(module), &atom(function), &[tag::SMALL_INTEGER, arity]].concat()
    }

    fn fun(module: &str, arity: u8) -> Vec<u8> {
        let head = [&[tag::FUN, 0, 0, 0, 0, arity], &[0; 23][..], &[1]].concat();
        [&head, &*atom(module), &[97, 0, 97, 0], &pid(PEER), &atom("free")].concat()
    }

    const PEER: &str = "p@h";
    const GUARD: &str = "g@h";

    fn told(found: Found<'_>) -> String {
        let name = |text: &[u8]| String::from_utf8_lossy(text).into_owned();
        let call = match found.call {
            Call::None => "none".into(),
            Call::Opaque => "opaque".into(),
            Call::Function { module, function, arity, arguments } => {
                assert_eq!(count(arguments), Some(arity));
                format!("{}:{}/{arity}", name(module), name(function))
            }
            Call::Fun { module, arity, arguments } => {
                assert_eq!(count(arguments), Some(arity));
                format!("fun {}/{arity}", name(module))
            }
        };
        if found.funs == 0 {
            call
        } else {
            format!("{call} + {}", found.funs)
        }
    }

    fn names() -> Names {
        Names { peer: PEER.as_bytes().into(), guard: GUARD.as_bytes().into(), words: Words::NONE }
    }

    fn spawned_by(sender: Word, module: &str, function: &str, arguments: &[Vec<u8>]) -> String {
        let names = names();
        let (module, function) = (atom(module), atom(function));
        let terms = Terms::plain(&names);
        let view = |data| Reader::new(data, &terms).atom().unwrap_or_else(|_| unreachable!());
        let mfa = Mfa { module: view(&module), function: view(&function), arity: arguments.len() as u8 };
        let spelled = [list(arguments), tails(arguments)];
        let [one, other] = spelled.map(|data| told(of_spawn(&mfa, Reader::new(&data, &Terms::plain(&names)), sender)));
        assert_eq!(one, other);
        one
    }

    fn spawned(module: &str, function: &str, arguments: &[Vec<u8>]) -> String {
        spawned_by(Word::Peer, module, function, arguments)
    }

    /// Module, function and a list of one argument.
    fn mfa() -> [Vec<u8>; 3] {
        [atom("m"), atom("f"), vec![tag::STRING, 0, 1, 7]]
    }

    fn before(first: &[Vec<u8>], rest: &[Vec<u8>]) -> Vec<Vec<u8>> {
        [first, rest].concat()
    }

    #[test]
    fn wrappers_come_off() {
        let here = [atom(GUARD)];
        let after = |first: &[Vec<u8>], last: &[Vec<u8>]| [first, &mfa(), last].concat();
        let any = [atom("x")];
        let options = [list(&[])];
        for (module, function, arguments) in [
            ("erlang", "apply", after(&[], &[])),
            ("erlang", "apply", before(&[export("m", "f", 1)], &[list(&any)])),
            ("erpc", "execute_call", after(&[], &[])),
            ("erpc", "execute_call", after(&[reference(PEER)], &[])),
            ("erpc", "execute_cast", after(&[], &[])),
            ("erpc", "call", after(&here, &[])),
            ("erpc", "call", after(&here, &any)),
            ("erpc", "multicall", after(&[list(&here)], &[])),
            ("erpc", "send_request", after(&here, &[atom("label"), list(&[])])),
            ("rpc", "call", after(&here, &[])),
            ("rpc", "block_call", after(&here, &any)),
            ("rpc", "multicall", after(&[tails(&[atom(GUARD), atom(GUARD)])], &[])),
            ("erlang", "spawn", after(&[], &[])),
            ("erlang", "spawn_link", after(&here, &[])),
            ("erlang", "spawn_opt", after(&[], &options)),
            ("erlang", "spawn_opt", after(&here, &options)),
            ("erlang", "spawn_request", after(&[], &[])),
            ("erlang", "spawn_request", after(&[], &options)),
            ("erlang", "spawn_request", after(&here, &[])),
            ("erlang", "spawn_request", after(&here, &options)),
            ("proc_lib", "init_p", after(&[pid(PEER), list(&[])], &[])),
            ("proc_lib", "start_link", after(&[], &any)),
            ("proc_lib", "spawn_opt", after(&here, &options)),
            ("timer", "apply_after", after(&any, &[])),
            ("timer", "apply_repeatedly", before(&any, &[export("m", "f", 1), list(&any)])),
            ("timer", "tc", after(&[], &[])),
            ("timer", "tc", after(&[], &any)),
            ("timer", "tc", before(&[export("m", "f", 1)], &[list(&any), atom("second")])),
            ("Elixir.Kernel", "apply", after(&[], &[])),
            ("Elixir.Node", "spawn", after(&here, &[])),
            ("Elixir.Node", "spawn", after(&here, &options)),
            ("Elixir.Task", "start", after(&[], &[])),
            ("Elixir.Task.Supervisor", "start_child", after(&[atom("sup")], &options)),
        ] {
            let found = spawned(module, function, &arguments);
            assert_eq!(found.trim_end_matches(" + 1"), "m:f/1", "{module}:{function}");
        }
    }

    #[test]
    fn funs_are_told_by_their_module() {
        let nothing = [list(&[])];
        for (module, function, arguments, expected) in [
            ("erlang", "apply", before(&[fun("m", 0)], &nothing), "fun m/0 + 1"),
            ("erlang", "apply", before(&[fun("m", 2)], &[list(&atoms(&["a", "b"]))]), "fun m/2 + 1"),
            ("erlang", "apply", before(&[fun("m", 2)], &nothing), "opaque + 1"),
            ("erlang", "apply", before(&[export("m", "f", 1)], &nothing), "opaque + 1"),
            ("erlang", "apply", before(&[atom("m")], &nothing), "opaque"),
            ("erlang", "spawn", vec![fun("m", 0)], "fun m/0 + 1"),
            ("erlang", "spawn", vec![fun("m", 1)], "opaque + 1"),
            ("erlang", "spawn", vec![atom(GUARD), fun("m", 0)], "fun m/0 + 1"),
            ("erlang", "spawn_opt", vec![fun("m", 0), list(&atoms(&["link"]))], "fun m/0 + 1"),
            ("erlang", "spawn_request", vec![fun("m", 0), list(&[])], "fun m/0 + 1"),
            ("proc_lib", "init_p", vec![pid(PEER), list(&[]), fun("m", 0)], "fun m/0 + 1"),
            ("erpc", "call", vec![atom(GUARD), fun("m", 0)], "fun m/0 + 1"),
            ("timer", "tc", vec![fun("m", 0), atom("second")], "fun m/0 + 1"),
            // A fun that is not the call is an argument like any other.
            ("lists", "map", vec![fun("m", 1), list(&[])], "lists:map/2"),
        ] {
            assert_eq!(spawned(module, function, &arguments), expected, "{module}:{function}");
        }
        // fun erlang:apply/2, applied to a fun and its arguments
        let inner = list(&[export("m", "f", 0), list(&[])]);
        assert_eq!(spawned("erlang", "apply", &[export("erlang", "apply", 2), inner]), "m:f/0 + 2");
    }

    #[test]
    fn what_cannot_be_told_is_opaque() {
        let improper = [&[tag::LIST, 0, 0, 0, 1, tag::NIL][..], &atom("x")].concat();
        let many = [&[tag::STRING, 1, 0][..], &[0; 256]].concat();
        let with = |arguments: &[u8]| vec![atom("m"), atom("f"), arguments.to_vec()];
        for (module, function, arguments) in [
            ("erlang", "apply", with(&improper)),
            ("erlang", "apply", with(&many)),
            ("erlang", "apply", with(&atom("x"))),
            ("erlang", "apply", vec![list(&[]), atom("f"), list(&[])]),
            ("erpc", "call", before(&[atom("third@h")], &mfa())),
            ("erpc", "multicall", before(&[list(&atoms(&[GUARD, "third@h"]))], &mfa())),
            ("erlang", "spawn", vec![atom("third@h"), fun("m", 0)]),
            ("rpc", "multicall", mfa().to_vec()),
            ("rpc", "multicall", before(&mfa(), &[atom("infinity")])),
            ("rpc", "pmap", vec![tuple(&atoms(&["m", "f"])), list(&[]), list(&[])]),
            ("erpc", "execute_call", vec![]),
        ] {
            let found = spawned(module, function, &arguments);
            assert_eq!(found.trim_end_matches(" + 1"), "opaque", "{module}:{function}");
        }
        // The announced number of arguments is not what the list has.
        let names = names();
        let view = |text: &'static str| AtomView { text: text.as_bytes(), word: Word::Other, inline: true };
        let announced = Mfa { module: view("erlang"), function: view("apply"), arity: 2 };
        let data = list(&mfa());
        assert_eq!(told(of_spawn(&announced, Reader::new(&data, &Terms::plain(&names)), Word::Peer)), "opaque");
    }

    #[test]
    fn wrappers_nest_so_deep_and_no_deeper() {
        let mut call = mfa().to_vec();
        for _ in 1..MAX_DEPTH {
            call = vec![atom("erlang"), atom("apply"), list(&call)];
        }
        assert_eq!(spawned("erlang", "apply", &call), "m:f/1");
        let deeper = [atom("erlang"), atom("apply"), list(&call)];
        assert_eq!(spawned("erlang", "apply", &deeper), "opaque");
    }

    #[test]
    fn the_guarded_node_calls_the_peer() {
        let there = before(&[atom(PEER)], &mfa());
        assert_eq!(spawned_by(Word::Guard, "erpc", "call", &there), "m:f/1");
        assert_eq!(spawned_by(Word::Peer, "erpc", "call", &there), "opaque");
    }

    #[test]
    fn messages_that_are_calls() {
        let [m, f, a] = mfa();
        let asks = |name: &str, leader: Vec<u8>| tuple(&[atom(name), m.clone(), f.clone(), a.clone(), leader]);
        let call = asks("call", pid(PEER));
        let from = |pid: Vec<u8>, tag: Vec<u8>| tuple(&[pid, tag]);
        let alias = |node| [&[tag::LIST, 0, 0, 0, 1], &*atom("alias"), &reference(node)].concat();
        let gen = |from: Vec<u8>, asked: &Vec<u8>| tuple(&[atom("$gen_call"), from, asked.clone()]);
        let own = || from(pid(PEER), alias(PEER));
        let options = [atom("spawn_opt"), m.clone(), f.clone(), a.clone(), list(&[]), atom("nolink"), pid(PEER)];
        let os = [atom("call"), atom("erlang"), atom("apply"), list(&mfa()), atom("user")];
        for (message, to_rex, to_kernel, to_pid) in [
            (tuple(&[pid(PEER), call.clone()]), "m:f/1", "none", "m:f/1"),
            (tuple(&[pid(PEER), asks("block_call", atom("user"))]), "m:f/1", "none", "m:f/1"),
            (tuple(&[pid(PEER), asks("call", atom("send_stdout_to_caller"))]), "m:f/1", "none", "m:f/1"),
            (tuple(&[pid(PEER), asks("call", atom("other"))]), "opaque", "none", "opaque"),
            (tuple(&[pid(GUARD), call.clone()]), "opaque", "none", "opaque"),
            (tuple(&[atom("rex"), call.clone()]), "opaque", "none", "opaque"),
            (tuple(&[pid(PEER), tuple(&os)]), "m:f/1", "none", "m:f/1"),
            (tuple(&[pid(PEER), tuple(&[atom("send"), atom("name"), atom("x")])]), "none", "none", "none"),
            (tuple(&[atom("$gen_cast"), asks("cast", pid(PEER))]), "m:f/1", "none", "m:f/1"),
            (tuple(&[atom("$gen_cast"), call.clone()]), "none", "none", "none"),
            (gen(own(), &call), "m:f/1", "none", "m:f/1"),
            (gen(from(pid(PEER), reference(PEER)), &call), "m:f/1", "none", "m:f/1"),
            (gen(from(pid(PEER), alias(GUARD)), &call), "opaque", "none", "opaque"),
            (gen(from(pid(GUARD), alias(PEER)), &call), "opaque", "none", "opaque"),
            (gen(atom("nobody"), &call), "opaque", "none", "opaque"),
            (gen(own(), &asks("spawn", pid(PEER))), "none", "m:f/1", "m:f/1"),
            (gen(own(), &tuple(&options)), "none", "m:f/1", "m:f/1"),
            (gen(from(pid(GUARD), alias(GUARD)), &asks("spawn_link", pid(PEER))), "none", "opaque", "opaque"),
            (gen(own(), &tuple(&atoms(&["is_auth", PEER]))), "none", "none", "none"),
            (tuple(&atoms(&["a", "b"])), "none", "none", "none"),
            (list(&atoms(&["a", "b"])), "none", "none", "none"),
        ] {
            let names = names();
            let terms = Terms::plain(&names);
            let reader = Reader::new(&message, &terms);
            let to = |name| told(of_message(reader, name, Word::Peer));
            assert_eq!(to(Some(b"rex")), to_rex, "{message:?}");
            assert_eq!(to(Some(b"net_kernel")), to_kernel, "{message:?}");
            assert_eq!(to(None), to_pid, "{message:?}");
            assert_eq!(to(Some(b"server")), "none");
        }
    }
}
