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
        if node.inline || result.length != 3 || watch.discloses != Some(node.word) {
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
