//! Finds the function that a command calls.
//!
//! # Theory of operation
//!
//! A call travels in one *carrier*, and no carrier travels in another one. The carriers are:
//!
//! | carrier | arguments, or the message |
//! | --- | --- |
//! | a spawn request of the function itself | its arguments |
//! | a spawn request of `proc_lib:init_p/5` | parent, ancestors, `M, F, Args` |
//! | a spawn request of `proc_lib:init_p/3` | parent, ancestors, a fun |
//! | a spawn request of `erpc:execute_call/4` | a reference of the sender, `M, F, Args` |
//! | a spawn request of `erpc:execute_cast/3` | `M, F, Args` |
//! | a message to `rex` | see [`rex`] |
//!
//! Inside of each, `M, F, Args` may be `erlang, apply, [Fun, []]`: so a fun travels. It may not be a carrier.
//!
//! A carrier is read whole: every field has its type, and every list its end. What does not fit is [`Call::Opaque`], a
//! call that can't be told, which only `accept *` lets pass. So are the requests by which nodes before OTP 23 had
//! `net_kernel` spawn for them.
//!
//! All other functions that run a function given to them (`erlang:apply/3`, `timer:tc/3`) are functions like any other.

use crate::term::atoms::Word;
use crate::term::reader::Reader;
use crate::term::tag;
use crate::term::walk::{self, Fun};
use crate::wire::control::{Control, Mfa, Process};

pub use erpc::ErpcCall;
use fields::{ancestors, begin, end, named, parent, reference};

mod erpc;
mod fields;
pub mod rex;

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
    /// A fun without arguments of this module: any code of that module, or code that its sender claims to be.
    Fun {
        /// Module.
        module: &'a [u8],
        /// A reader at an empty list.
        arguments: Reader<'a>,
    },
    /// A call of a function that can't be told.
    Opaque,
}

/// A call, and the funs that make it.
#[derive(Clone, Copy)]
pub struct FoundCall<'a> {
    /// The call.
    pub call: Call<'a>,
    /// 1 if an external fun in the message is the call itself.
    pub exports: u32,
    /// The process that a message to `rex` names as the group leader of the call.
    pub leader: Option<Process<'a>>,
}

impl<'a> FoundCall<'a> {
    /// No call.
    pub const NONE: Self = FoundCall::of(Call::None);

    /// A call that can't be told.
    pub const OPAQUE: Self = FoundCall::of(Call::Opaque);

    const fn of(call: Call<'a>) -> Self {
        FoundCall { call, exports: 0, leader: None }
    }

    /// True if it is the call of a fun typed in a shell, which carries all its code.
    #[must_use]
    pub fn is_typed(&self) -> bool {
        matches!(self.call, Call::Fun { module: b"erl_eval", .. })
    }

    /// True if it is the call of a function of OTP's shell, or of its completion of names, which makes atoms of text.
    #[must_use]
    pub fn is_shell(&self) -> bool {
        matches!(self.call, Call::Function { module: b"shell" | b"edlin_expand", .. })
    }
}

/// The functions that carry a call in their arguments.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Carrier {
    /// `erlang:apply/2`, with a fun.
    Apply,
    /// `proc_lib:init_p/5`
    Process,
    /// `proc_lib:init_p/3`
    FunProcess,
    /// `erpc:execute_call/4`
    ErpcCall,
    /// `erpc:execute_cast/3`
    ErpcCast,
}

impl Carrier {
    #[inline(always)]
    fn of(module: &[u8], function: &[u8], arity: u8) -> Option<Self> {
        // Most functions are of other modules.
        match module {
            b"erpc" | b"erlang" | b"proc_lib" => {}
            _ => return None,
        }
        match (module, function, arity) {
            (b"erpc", b"execute_call", 4) => Some(Carrier::ErpcCall),
            (b"erpc", b"execute_cast", 3) => Some(Carrier::ErpcCast),
            (b"erlang", b"apply", 2) => Some(Carrier::Apply),
            (b"proc_lib", b"init_p", 5) => Some(Carrier::Process),
            (b"proc_lib", b"init_p", 3) => Some(Carrier::FunProcess),
            _ => None,
        }
    }

    /// Number of arguments.
    fn arity(self) -> u8 {
        match self {
            Carrier::Apply => 2,
            Carrier::FunProcess | Carrier::ErpcCast => 3,
            Carrier::ErpcCall => 4,
            Carrier::Process => 5,
        }
    }
}

/// True if a spawn request of that function carries a call in its arguments.
#[must_use]
pub fn carries(mfa: &Mfa<'_>) -> bool {
    Carrier::of(mfa.module.text, mfa.function.text, mfa.arity).is_some()
}

/// True if a spawn request carries `M, F, Args` as its last three arguments.
#[must_use]
pub fn carries_named(control: &Control<'_>) -> bool {
    let carrier = control.mfa().and_then(|mfa| Carrier::of(mfa.module.text, mfa.function.text, mfa.arity));
    matches!(carrier, Some(Carrier::Process | Carrier::ErpcCall | Carrier::ErpcCast))
}

/// True if an error of the called function ends the process that calls it. The arguments are then printed on the node of
/// the group leader. `message` is at the payload.
#[must_use]
pub fn prints_errors(control: &Control<'_>, message: Reader<'_>) -> bool {
    match control.mfa() {
        Some(mfa) => Carrier::of(mfa.module.text, mfa.function.text, mfa.arity) != Some(Carrier::ErpcCall),
        None => rex::is_cast(message),
    }
}

/// The function that a spawn request calls. `arguments` is at its payload; `sender` is the node that sent it.
#[must_use]
pub fn of_spawn<'a>(mfa: &Mfa<'a>, arguments: Reader<'a>, sender: Word) -> FoundCall<'a> {
    let (module, function, arity) = (mfa.module.text, mfa.function.text, mfa.arity);
    match Carrier::of(module, function, arity) {
        None => FoundCall::of(Call::Function { module, function, arity, arguments }),
        Some(carrier) => carried(carrier, arguments, sender).unwrap_or(FoundCall::OPAQUE),
    }
}

/// The function that a message to a registered name calls, sent by that process.
#[must_use]
pub fn of_message<'a>(message: Reader<'a>, name: Word, from: &Process<'_>) -> FoundCall<'a> {
    match name {
        Word::Rex => rex::call(message, from),
        Word::NetKernel if rex::is_old_spawn(message) => FoundCall::OPAQUE,
        _ => FoundCall::NONE,
    }
}

/// The call in a carrier's arguments, if they fit.
fn carried<'a>(carrier: Carrier, mut arguments: Reader<'a>, sender: Word) -> Option<FoundCall<'a>> {
    let fields = &mut arguments;
    begin(fields, carrier.arity())?;
    let found = match carrier {
        Carrier::Apply => applied(fields)?,
        Carrier::Process => {
            parent(fields, sender)?;
            ancestors(fields)?;
            named(fields)?
        }
        Carrier::FunProcess => {
            parent(fields, sender)?;
            ancestors(fields)?;
            fun(fields)?
        }
        Carrier::ErpcCall => {
            reference(fields, sender)?;
            named(fields)?
        }
        Carrier::ErpcCast => named(fields)?,
    };
    end(fields)?;
    Some(found)
}

/// The call of `Fun, []`, the arguments of `erlang:apply/2`.
fn applied<'a>(fields: &mut Reader<'a>) -> Option<FoundCall<'a>> {
    let found = fun(fields)?;
    end(fields)?;
    Some(found)
}

/// The call of a fun without arguments.
fn fun<'a>(fields: &mut Reader<'a>) -> Option<FoundCall<'a>> {
    let mut reader = *fields;
    walk::skip_one(fields).ok()?;
    let arguments = Reader { data: &[tag::NIL], pos: 0, ..reader };
    match reader.u8().ok()? {
        tag::EXPORT => {
            let (module, function) = (walk::atom(&mut reader).ok()?, walk::atom(&mut reader).ok()?);
            let takes_none = reader.take(2).ok()? == [tag::SMALL_INTEGER, 0];
            let call = Call::Function { module, function, arity: 0, arguments };
            takes_none.then_some(FoundCall { exports: 1, ..FoundCall::of(call) })
        }
        tag::FUN => {
            let Fun { module, arity, .. } = Fun::read(&mut reader).ok()?;
            (arity == 0).then_some(FoundCall::of(Call::Fun { module, arguments }))
        }
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::term::atoms::{NodeNames, Words};
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

    fn told(found: FoundCall<'_>) -> String {
        let name = |text: &[u8]| String::from_utf8_lossy(text).into_owned();
        match found.call {
            Call::None => "none".into(),
            Call::Opaque => "opaque".into(),
            Call::Function { module, function, arity, .. } if found.exports == 1 => {
                format!("export {}:{}/{arity}", name(module), name(function))
            }
            Call::Function { module, function, arity, .. } => format!("{}:{}/{arity}", name(module), name(function)),
            Call::Fun { module, .. } => format!("fun {}", name(module)),
        }
    }

    fn names() -> NodeNames {
        NodeNames { peer: PEER.as_bytes().into(), guard: GUARD.as_bytes().into(), words: Words::NONE }
    }

    fn spawned_by(sender: Word, module: &str, function: &str, arity: u8, arguments: &[u8]) -> String {
        let names = names();
        let (module, function) = (atom(module), atom(function));
        let terms = Terms::plain(&names);
        let view = |data| Reader::new(data, &terms).atom().unwrap_or_else(|_| unreachable!());
        let mfa = Mfa { module: view(&module), function: view(&function), arity };
        told(of_spawn(&mfa, Reader::new(arguments, &terms), sender))
    }

    fn spawned(module: &str, function: &str, arguments: &[Vec<u8>]) -> String {
        spawned_by(Word::Peer, module, function, arguments.len() as u8, &list(arguments))
    }

    /// Module, function and a list of one argument.
    fn mfa() -> [Vec<u8>; 3] {
        [atom("m"), atom("f"), vec![tag::STRING, 0, 1, 7]]
    }

    fn before(first: &[Vec<u8>], rest: &[Vec<u8>]) -> Vec<Vec<u8>> {
        [first, rest].concat()
    }

    fn applied(code: Vec<u8>) -> [Vec<u8>; 3] {
        [atom("erlang"), atom("apply"), list(&[code, list(&[])])]
    }

    /// The carriers of `M, F, Args`, with their other fields.
    fn carriers() -> [(&'static str, &'static str, Vec<Vec<u8>>); 4] {
        [
            ("proc_lib", "init_p", vec![pid(PEER), list(&[pid(PEER), atom("sup"), pid("third@h")])]),
            ("proc_lib", "init_p", vec![atom("parent"), list(&[])]),
            ("erpc", "execute_call", vec![reference(PEER)]),
            ("erpc", "execute_cast", vec![]),
        ]
    }

    #[test]
    fn a_carrier_is_opened_once() {
        for (module, function, fields) in carriers() {
            let carries = |inner: &[Vec<u8>; 3]| spawned(module, function, &before(&fields, inner));
            assert_eq!(carries(&mfa()), "m:f/1");
            assert_eq!(carries(&[atom("m"), atom("f"), list(&[])]), "m:f/0");
            assert_eq!(carries(&applied(export("m", "f", 0))), "export m:f/0");
            assert_eq!(carries(&applied(fun("m", 0))), "fun m");
            // Functions that run others are functions.
            assert_eq!(carries(&[atom("erlang"), atom("apply"), list(&mfa())]), "erlang:apply/3");
            assert_eq!(carries(&[atom("timer"), atom("tc"), list(&mfa())]), "timer:tc/3");
            for (module, function, fields) in carriers() {
                let inner = [atom(module), atom(function), list(&before(&fields, &mfa()))];
                assert_eq!(carries(&inner), "opaque");
            }
            assert_eq!(carries(&applied(export("m", "f", 1))), "opaque");
            assert_eq!(carries(&applied(fun("m", 1))), "opaque");
            assert_eq!(carries(&applied(atom("m"))), "opaque");
            let twice = list(&[export("erlang", "apply", 2), list(&[export("m", "f", 0), list(&[])])]);
            assert_eq!(carries(&[atom("erlang"), atom("apply"), twice]), "opaque");
        }
        let nothing = list(&[]);
        for (code, expected) in [(fun("m", 0), "fun m"), (export("m", "f", 0), "export m:f/0"), (fun("m", 1), "opaque")]
        {
            assert_eq!(spawned("erlang", "apply", &[code.clone(), nothing.clone()]), expected);
            assert_eq!(spawned("proc_lib", "init_p", &[pid(PEER), nothing.clone(), code]), expected);
        }
        assert_eq!(spawned("erlang", "apply", &[export("m", "f", 0), list(&[atom("x")])]), "opaque");
        assert_eq!(spawned("lists", "map", &[fun("m", 1), nothing]), "lists:map/2");
    }

    #[test]
    fn a_field_of_another_type_makes_it_opaque() {
        let improper = [&[tag::LIST, 0, 0, 0, 1][..], &atom("x"), &atom("x")].concat();
        let many = [&[tag::STRING, 1, 0][..], &[0; 256]].concat();
        for (module, function, fields) in carriers() {
            let [m, f, _] = mfa();
            for arguments in [improper.clone(), many.clone(), atom("x"), tails(&[m.clone(), f.clone()])] {
                let sent = before(&fields, &[m.clone(), f.clone(), arguments]);
                assert_eq!(spawned(module, function, &sent), "opaque");
            }
            for name in [list(&[]), vec![tag::SMALL_INTEGER, 1], tuple(std::slice::from_ref(&m))] {
                assert_eq!(
                    spawned(module, function, &before(&fields, &[name.clone(), f.clone(), list(&[])])),
                    "opaque"
                );
                assert_eq!(spawned(module, function, &before(&fields, &[m.clone(), name, list(&[])])), "opaque");
            }
            let sent = before(&fields, &mfa());
            assert_eq!(spawned_by(Word::Peer, module, function, sent.len() as u8, &tails(&sent)), "opaque");
            // The announced number of arguments is not what the list has.
            assert_eq!(spawned_by(Word::Peer, module, function, sent.len() as u8, &list(&sent[1..])), "opaque");
        }
        for (module, function, fields) in [
            ("erpc", "execute_call", vec![reference(GUARD)]),
            ("erpc", "execute_call", vec![reference("third@h")]),
            ("erpc", "execute_call", vec![pid(PEER)]),
            ("proc_lib", "init_p", vec![pid(GUARD), list(&[])]),
            ("proc_lib", "init_p", vec![list(&[]), list(&[])]),
            ("proc_lib", "init_p", vec![pid(PEER), atom("sup")]),
            ("proc_lib", "init_p", vec![pid(PEER), list(&[list(&[])])]),
            ("proc_lib", "init_p", vec![pid(PEER), improper]),
        ] {
            assert_eq!(spawned(module, function, &before(&fields, &mfa())), "opaque");
        }
    }

    #[test]
    fn the_guarded_node_calls_the_peer() {
        let call = |node| list(&before(&[reference(node)], &mfa()));
        assert_eq!(spawned_by(Word::Guard, "erpc", "execute_call", 4, &call(GUARD)), "m:f/1");
        assert_eq!(spawned_by(Word::Guard, "erpc", "execute_call", 4, &call(PEER)), "opaque");
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
        let other = [&[tag::PID], &*atom(PEER), &[1; 12]].concat();
        let to_caller = || atom("send_stdout_to_caller");
        let relays = |label: &str, name: Vec<u8>| tuple(&[atom(label), name, atom("x")]);
        for (message, to_rex, to_kernel) in [
            (tuple(&[pid(PEER), call.clone()]), "m:f/1", "none"),
            (tuple(&[pid(PEER), asks("block_call", atom("user"))]), "m:f/1", "none"),
            (tuple(&[pid(PEER), asks("call", to_caller())]), "m:f/1", "none"),
            (tuple(&[pid(PEER), asks("block_call", to_caller())]), "opaque", "none"),
            (tuple(&[pid(PEER), asks("call", atom("other"))]), "opaque", "none"),
            (tuple(&[pid(GUARD), call.clone()]), "opaque", "none"),
            (tuple(&[other.clone(), call.clone()]), "opaque", "none"),
            (tuple(&[atom("rex"), call.clone()]), "opaque", "none"),
            (tuple(&[pid(PEER), tuple(&[atom("call"), m.clone()])]), "opaque", "none"),
            (tuple(&[pid(PEER), atom("features_request")]), "none", "none"),
            (tuple(&[pid(PEER), relays("send", atom("name"))]), "none", "none"),
            (tuple(&[pid(PEER), relays("sbcast", atom("name"))]), "none", "none"),
            (tuple(&[pid(PEER), relays("sbcast", atom("rex"))]), "opaque", "none"),
            (tuple(&[pid(PEER), relays("sbcast", pid(GUARD))]), "opaque", "none"),
            (tuple(&[pid(GUARD), relays("sbcast", atom("name"))]), "opaque", "none"),
            (tuple(&[atom("$gen_cast"), asks("cast", pid(PEER))]), "m:f/1", "none"),
            (tuple(&[atom("$gen_cast"), asks("cast", to_caller())]), "opaque", "none"),
            (tuple(&[atom("$gen_cast"), tuple(&[atom("cast"), m.clone()])]), "opaque", "none"),
            (tuple(&[atom("$gen_cast"), call.clone()]), "none", "none"),
            (gen(own(), &call), "m:f/1", "none"),
            (gen(own(), &asks("call", to_caller())), "opaque", "none"),
            (gen(from(pid(PEER), reference(PEER)), &call), "m:f/1", "none"),
            (gen(from(pid(PEER), alias(GUARD)), &call), "opaque", "none"),
            (gen(from(pid(GUARD), alias(PEER)), &call), "opaque", "none"),
            (gen(from(other, alias(PEER)), &call), "opaque", "none"),
            (gen(atom("nobody"), &call), "opaque", "none"),
            (gen(own(), &asks("spawn", pid(PEER))), "none", "opaque"),
            (gen(own(), &tuple(&[atom("spawn_opt")])), "none", "opaque"),
            (gen(from(pid(GUARD), alias(GUARD)), &asks("spawn_link", pid(PEER))), "none", "opaque"),
            (gen(own(), &tuple(&atoms(&["is_auth", PEER]))), "none", "none"),
            (tuple(&atoms(&["a", "b"])), "none", "none"),
            (list(&atoms(&["a", "b"])), "none", "none"),
        ] {
            let names = names();
            let terms = Terms::plain(&names);
            let mine = pid(PEER);
            let (node, pid) = Reader::new(&mine, &terms).pid().unwrap_or_else(|_| unreachable!());
            let from = Process { node, pid };
            let to = |word| told(of_message(Reader::new(&message, &terms), word, &from));
            assert_eq!(to(Word::Rex), to_rex, "{message:?}");
            assert_eq!(to(Word::NetKernel), to_kernel, "{message:?}");
            assert_eq!(to(Word::Other), "none");
        }
    }
}
