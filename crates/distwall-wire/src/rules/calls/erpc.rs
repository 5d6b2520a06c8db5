//! Calls of `erpc` as nearly all are, read and scanned in one walk.

use crate::term::reader::{Reader, Reference};
use crate::term::scan::{Scanner, Watch};
use crate::term::tag;
use crate::wire::control::Mfa;

use super::Carrier;

/// The call in a spawn request of `erpc:execute_call/4` as nearly all are. `[Ref, Module, Function, Arguments]` have a
/// reference of the sending node, atoms by position, and a function that carries no further call.
pub struct ErpcCall<'a> {
    /// The reference behind which the result comes.
    pub result: Reference,
    /// Module.
    pub module: &'a [u8],
    /// Function.
    pub function: &'a [u8],
    /// Number of arguments.
    pub arity: u8,
}

impl<'a> ErpcCall<'a> {
    /// Reads and scans the arguments of a spawn request of that function, which are the rest of the data. None, with
    /// nothing noted, if it is not such a call: then they have to be scanned by themselves.
    #[inline(always)]
    #[must_use]
    pub fn scanned(mfa: &Mfa<'_>, payload: Reader<'a>, scanner: &mut Scanner, watch: &Watch<'_>) -> Option<Self> {
        if !is_call(mfa) {
            return None;
        }
        Self::read(payload, scanner, watch)
    }

    fn read(payload: Reader<'a>, scanner: &mut Scanner, watch: &Watch<'_>) -> Option<Self> {
        let data = payload.data;
        if !data.get(payload.pos..)?.starts_with(&[tag::LIST, 0, 0, 0, 4]) {
            return None;
        }
        let mut fields = Reader { pos: payload.pos.wrapping_add(5), ..payload };
        let (node, result) = fields.reference().ok()?;
        if node.inline || result.length != 3 || watch.sender() != node.word {
            return None;
        }
        let [tag::ATOM_REF, module, tag::ATOM_REF, function, arguments @ ..] = data.get(fields.pos..)? else {
            return None;
        };
        let arity = match arguments {
            [tag::NIL, ..] => 0,
            [tag::STRING, 0, count, ..] | [tag::LIST, 0, 0, 0, count, ..] => *count,
            _ => return None,
        };
        let (module, function) = (&*fields.terms.atom(*module).ok()?.text, &*fields.terms.atom(*function).ok()?.text);
        if Carrier::of(module, function, arity).is_some() {
            return None;
        }
        scanner.last_argument(data, fields.pos.wrapping_add(4), (node.word, &result), watch)?;
        Some(ErpcCall { result, module, function, arity })
    }
}

/// True for `erpc:execute_call/4`.
#[inline(always)]
fn is_call(mfa: &Mfa<'_>) -> bool {
    mfa.arity == 4 && mfa.module.text == b"erpc" && mfa.function.text == b"execute_call"
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::limits::Limits;
    use crate::rules::calls::{of_spawn, Call};
    use crate::term::atoms::{Atom, NodeNames, Word, Words};
    use crate::term::reader::Terms;

    const ATOMS: [&str; 7] = ["p@h", "g@h", "erpc", "execute_call", "erlang", "apply", "m"];
    const NONE: &[u8] = &[tag::NIL];

    fn atom(text: &str) -> Vec<u8> {
        let at = ATOMS.iter().position(|atom| *atom == text);
        vec![tag::ATOM_REF, at.unwrap_or_else(|| unreachable!()) as u8]
    }

    fn reference(node: &[u8]) -> Vec<u8> {
        [&[tag::REFERENCE, 0, 3], node, &[0, 0, 0, 7].repeat(4)].concat()
    }

    fn list(items: &[&[u8]], tail: &[u8]) -> Vec<u8> {
        [&[tag::LIST], &(items.len() as u32).to_be_bytes()[..], &items.concat(), tail].concat()
    }

    /// The function that is found in one walk. `of_spawn` has to find the same function.
    fn found(function: [&str; 2], payload: &[u8]) -> Option<String> {
        let names = NodeNames { peer: (*b"p@h").into(), guard: (*b"g@h").into(), words: Words::NONE };
        let table =
            ATOMS.map(|text| (0, Arc::new(Atom { text: text.as_bytes().into(), word: names.word(text.as_bytes()) })));
        let terms = Terms { atoms: &table, ..Terms::plain(&names) };
        let limits = Limits::default();
        let watch = Watch { terms: &terms, records: true, limits: &limits, guarded: None, discloses: true };
        let bytes = function.map(atom);
        let [module, function] = [0, 1].map(|at| Reader::new(&bytes[at], &terms).atom());
        let (Ok(module), Ok(function)) = (module, function) else { unreachable!() };
        let mfa = Mfa { module, function, arity: 4 };
        let (mut scanner, payload) = (Scanner::default(), Reader::new(payload, &terms));
        let Some(call) = ErpcCall::scanned(&mfa, payload, &mut scanner, &watch) else {
            assert!(scanner.found.references.is_empty());
            return None;
        };
        assert_eq!(scanner.found.references, [call.result]);
        let Call::Function { module, function, arity, .. } = of_spawn(&mfa, payload, Word::Guard).call else {
            unreachable!()
        };
        assert_eq!((call.module, call.function, call.arity), (module, function, arity));
        Some(format!("{}:{}/{arity}", String::from_utf8_lossy(module), String::from_utf8_lossy(function)))
    }

    #[test]
    fn a_usual_call_is_the_one_that_its_carrier_has() {
        let (result, m) = (reference(&atom("g@h")), atom("m"));
        let call = |arguments: &[u8]| found(["erpc", "execute_call"], &list(&[&result, &m, &m, arguments], NONE));
        assert_eq!(call(NONE).as_deref(), Some("m:m/0"));
        assert_eq!(call(&[tag::STRING, 0, 2, 1, 2]).as_deref(), Some("m:m/2"));
        assert_eq!(call(&list(&[&m, NONE, &result[..0]], NONE)), None, "shorter than announced");
        assert_eq!(call(&list(&[&m, &list(&[&m], &m)], NONE)).as_deref(), Some("m:m/2"));
        assert_eq!(call(&list(&[&m[..]; 255], NONE)), None, "too long for the walk");
        assert_eq!(call(&list(&[NONE; 60], NONE)).as_deref(), Some("m:m/60"));
    }

    #[test]
    fn all_other_calls_are_read_otherwise() {
        let (result, m) = (reference(&atom("g@h")), atom("m"));
        let call = |fields: &[&[u8]]| found(["erpc", "execute_call"], &list(fields, NONE));
        assert!(call(&[&result, &m, &m, NONE]).is_some());
        assert_eq!(found(["erpc", "m"], &list(&[&result, &m, &m, NONE], NONE)), None);
        assert_eq!(found(["m", "execute_call"], &list(&[&result, &m, &m, NONE], NONE)), None);
        let written = [&[tag::SMALL_ATOM, 1], &b"m"[..]].concat();
        let own = [&[tag::SMALL_ATOM, 3], &b"g@h"[..]].concat();
        for arguments in [&m[..], &list(&[&m], &m), &[tag::STRING, 1, 0], &[tag::NIL, tag::NIL], &[]] {
            assert_eq!(call(&[&result, &m, &m, arguments]), None, "{arguments:?}");
        }
        for result in [reference(&atom("p@h")), reference(&atom("m")), reference(&own), m.clone()] {
            assert_eq!(call(&[&result, &m, &m, NONE]), None, "{result:?}");
        }
        assert_eq!(call(&[&result, &written, &m, NONE]), None);
        assert_eq!(call(&[&result, &m, &written, NONE]), None);
        assert_eq!(call(&[&result, &m, &m, &list(&[&written], NONE)]), None);
        assert_eq!(call(&[&result, &m, NONE]), None);
        // It carries a further call, or none of that arity.
        let two = list(&[&m, NONE], NONE);
        assert_eq!(call(&[&result, &atom("erlang"), &atom("apply"), &two]), None);
        let four = list(&[&result, &m, &m, NONE], NONE);
        assert_eq!(call(&[&result, &atom("erpc"), &atom("execute_call"), &four]), None);
        assert!(call(&[&result, &atom("erpc"), &atom("execute_call"), &two]).is_some());
    }
}
