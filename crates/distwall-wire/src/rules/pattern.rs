//! Compares messages with the patterns of rules.
//!
//! # Theory of operation
//!
//! A pattern comes compiled, in prefix order ([`Pattern::parse`]), and becomes a tree of bounded depth. It is matched
//! against the bytes of a term that the scanner has accepted, from left to right. Nothing is built, and the first
//! difference ends the match. Parts that the pattern doesn't look at are passed over. A term is passed over once for
//! each level of the pattern around it. The keys of a map are compared with each key that the pattern names (64 at
//! most). So the cost is linear in the message.
//!
//! Terms are compared by value, in any spelling ([`Value`]). Recurring variables are compared by the [`digest`]s of
//! their values. Numbers match exactly: 1 is not 1.0, and 0.0 is not -0.0 (as since OTP 27).
//!
//! A message may be compared with many patterns, one after the other. All of that together is bounded ([`Work`]).

use std::hash::RandomState;

use crate::error::Bad;
use crate::limits::{Limit, Limits};
use crate::term::atoms::{NodeNames, Word, Words};
use crate::term::reader::{Reader, Terms};
use crate::term::walk::{self, Value};

pub use discriminator::Discriminator;
use matching::Match;
use parse::Parsed;
pub use work::{Work, NOTED};

mod discriminator;
mod first_look;
mod format;
mod matching;
mod parse;
mod work;

/// Most levels of nesting.
pub const MAX_DEPTH: u32 = 64;
/// Most bytes of a compiled pattern.
pub const MAX_SIZE: usize = 64 << 10;
/// Most variables.
pub const MAX_VARIABLES: u8 = 64;
/// Keys that a pattern may name in one map.
pub const MAX_KEYS: u32 = 64;
/// Most bytes of all parts of a message together that are to be cheap to print.
const MAX_BRIEF: usize = 64 << 10;
/// Most levels of a `brief()` term. Printed, it takes some bytes more for each level, and they add up.
const MAX_LEVELS: usize = 32;

/// True for a term that is cheap to print, as `brief()` describes it.
#[must_use]
pub fn is_brief(mut reader: Reader<'_>) -> bool {
    // It is read to its most bytes only.
    matches!(walk::is_within(&mut reader, MAX_BRIEF, MAX_LEVELS, &mut { u64::MAX }), Ok(true))
}

/// A compiled pattern.
#[derive(Debug)]
pub struct Pattern {
    root: Node,
    /// Number of variables with a place to be kept in: up to the last recurring variable.
    kept: usize,
    /// A bit for each recurring variable.
    recurring: u64,
    /// True if it is for messages to a scope of `pg`.
    tells_scope: bool,
    /// The key of digests, by which recurring variables are compared.
    key: RandomState,
}

#[derive(Debug, PartialEq)]
enum Node {
    Any,
    Variable(u8),
    Type(TypeGuard),
    Tuple(Box<[Node]>),
    /// Elements and tail.
    List(Box<[Node]>, Box<Node>),
    /// Keys with the patterns of their values; true if the map may have no other keys.
    Map(Box<[(Node, Node)]>, bool),
    /// A proper list whose elements all match, and the largest number of them.
    Each(Box<Node>, u32),
    /// Any of these.
    OneOf(Box<[Node]>),
    /// A map of which each association matches: the first key that matches says what its value has to match.
    Pairs(Box<[(Node, Node)]>),
    /// An integer from the first to the second, both included.
    Range(i64, i64),
    Atom(Box<[u8]>),
    Small(i64),
    Big(bool, Box<[u8]>),
    Float([u8; 8]),
    Nil,
    /// Bytes, and the number of bits of the last byte that count.
    Bits(Box<[u8]>, u8),
    /// A binary with this prefix.
    Prefix(Box<[u8]>),
    /// An exported function: module, name, arity.
    Export(Box<[u8]>, Box<[u8]>, u8),
    /// Id and serial of a process of the guarded node.
    Pid([u32; 2]),
    /// A reference of the guarded node.
    Reference([u32; 5]),
}

impl Node {
    /// True if a part of it is a scope of `pg`, wherever it stands.
    fn has_scope(&self) -> bool {
        let in_pairs = |pairs: &[(Node, Node)]| pairs.iter().any(|(key, value)| key.has_scope() || value.has_scope());
        match self {
            Node::Type(guard) => *guard == TypeGuard::PgScope,
            Node::Tuple(nodes) | Node::OneOf(nodes) => nodes.iter().any(Node::has_scope),
            Node::List(nodes, tail) => nodes.iter().any(Node::has_scope) || tail.has_scope(),
            Node::Map(pairs, _) | Node::Pairs(pairs) => in_pairs(pairs),
            Node::Each(node, _) => node.has_scope(),
            _ => false,
        }
    }

    fn is_label(&self) -> bool {
        match self {
            Node::Atom(_) => true,
            Node::OneOf(nodes) => nodes.iter().all(Node::is_label),
            _ => false,
        }
    }
}

/// The place of a request in a message.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Place {
    /// The message is the request: its first element is the label.
    Front,
    /// The second element is the label.
    Second,
    /// The last element is the request.
    Last,
}

macro_rules! guards {
    ($($(#[$doc:meta])* $name:ident $written:literal,)*) => {
        #[derive(Clone, Copy, Debug, PartialEq)]
        enum TypeGuard { $($(#[$doc])* $name,)* }
        /// The guards by their numbers in compiled patterns.
        const GUARDS: [TypeGuard; [$(TypeGuard::$name),*].len()] = [$(TypeGuard::$name),*];
        /// The names of the guards, as users write them.
        pub const GUARD_NAMES: [&str; GUARDS.len()] = [$($written),*];
    };
}

guards! {
    Integer "integer",
    Float "float",
    Number "number",
    Atom "atom",
    Boolean "boolean",
    Pid "pid",
    Reference "reference",
    Port "port",
    Binary "binary",
    Bitstring "bitstring",
    List "list",
    Tuple "tuple",
    Map "map",
    Function "function",
    /// A proper list of code points.
    Text "string",
    /// The asker in a gen call: pid and tag are the sender's own.
    From "from",
    /// The name of the sending node.
    Node "node",
    /// A process of the sending node.
    PeerPid "peer_pid",
    /// A native record.
    Record "record",
    /// A format of `io:format/2` with bounded widths ([`format`]).
    Format "format",
    /// A term of at most [`MAX_LEVELS`] levels: with all others of its kind in the message, of at most [`MAX_BRIEF`] bytes.
    Brief "brief",
    /// A term that any process of a user's may get: not a request to OTP's own code.
    Message "message",
    /// A string or a binary that is as short as a [`TypeGuard::Brief`] term.
    Chars "text",
    /// A process of the sending node that is a scope of `pg`; the message must not end the scope to which it goes.
    PgScope "pg_scope",
}

/// Recurring variables that have a place on the stack.
const FEW: usize = 2;

/// Takes steps, or fails if too few are left.
#[inline]
fn take(steps: &mut u64, count: u64) -> Result<(), Bad> {
    *steps = steps.checked_sub(count).ok_or(Bad::Exceeded(Limit::PatternSteps))?;
    Ok(())
}

/// Labels of `gen` before a request in the last element.
const CALLS: [&[u8]; 4] = [b"$gen_call", b"$gen_cast", b"$gen_sync_event", b"$gen_sync_all_state_event"];

/// True for the elements of a call or a cast.
fn calls(elements: &[Node]) -> bool {
    matches!(elements.first(), Some(Node::Atom(label)) if CALLS.contains(&&**label))
}

impl Pattern {
    /// True if the pattern names the messages that it means, and so may open messages to a process of OTP's own: by a
    /// label in front, or in the last element. A pattern for any request (`_`, a variable, a guard) names none.
    #[must_use]
    pub fn is_particular(&self) -> bool {
        let Node::Tuple(elements) = &self.root else { return self.root.is_label() };
        !calls(elements) && self.names(Place::Front) || self.names(Place::Last)
    }

    /// True if the pattern names the request in that place of a message: by its label; or, in the last element, by the
    /// kinds of all its parts (`{_, _, {atom(), atom(), list()}}`), but not behind the labels of `gen`.
    #[must_use]
    pub fn names(&self, place: Place) -> bool {
        let Node::Tuple(elements) = &self.root else { return false };
        match place {
            Place::Front => elements.first().is_some_and(Node::is_label),
            Place::Second => elements.get(1).is_some_and(Node::is_label),
            Place::Last => match elements.last() {
                Some(Node::Tuple(parts)) => {
                    parts.first().is_some_and(Node::is_label)
                        || !calls(elements) && !parts.iter().any(|part| matches!(part, Node::Any | Node::Variable(_)))
                }
                last => last.is_some_and(Node::is_label),
            },
        }
    }

    /// True if the pattern is for messages to a scope of `pg`, and for those only that do not end it.
    #[inline]
    #[must_use]
    pub fn tells_scope(&self) -> bool {
        self.tells_scope
    }

    /// Reads a compiled pattern.
    pub fn parse(code: &[u8]) -> Result<Self, &'static str> {
        if code.len() > MAX_SIZE {
            return Err("a pattern is larger than 64 KiB");
        }
        let names = NodeNames { peer: Box::default(), guard: Box::default(), words: Words::NONE };
        let terms = Terms::plain(&names);
        let Parsed { root, recurring } = parse::parse(code, &terms)?;
        let (kept, tells_scope) = ((u64::BITS - recurring.leading_zeros()) as usize, root.has_scope());
        Ok(Pattern { root, kept, recurring, tells_scope, key: RandomState::new() })
    }

    /// True if the term at the reader, at the end of its data, matches. `sender` is the node that sent it
    /// ([`Word::Peer`] or [`Word::Guard`]). If the work is spent, it may match in truth.
    #[must_use]
    pub fn matches(&self, term: Reader<'_>, sender: Word, work: &Work, limits: &Limits) -> bool {
        self.end(term, sender, work, limits).is_ok_and(|end| end == Some(term.data.len()))
    }

    /// True if the term at the reader matches, with any data behind it (the arguments of a call).
    #[must_use]
    pub fn matches_within(&self, term: Reader<'_>, sender: Word, work: &Work, limits: &Limits) -> bool {
        self.end(term, sender, work, limits).is_ok_and(|end| end.is_some())
    }

    /// The end of a term that matches.
    fn end(&self, term: Reader<'_>, sender: Word, work: &Work, limits: &Limits) -> Result<Option<usize>, Bad> {
        if work.outline(term).is_some_and(|outline| !self.root.may_fit(term, outline)) {
            work.spend(1);
            return Ok(None);
        }
        // Most patterns have few variables.
        let mut few = [const { None }; FEW];
        let mut many = Vec::new();
        let bound = if let Some(few) = few.get_mut(..self.kept) {
            few
        } else {
            many.resize_with(self.kept, || None);
            &mut many[..]
        };
        let mut value = Value::new(term);
        let left = work.left(term.data.len() - term.pos, limits);
        let mut compared = Match { pattern: self, sender, bound, steps: left, brief: MAX_BRIEF };
        let matches = compared.node(&self.root, &mut value);
        let steps = left.wrapping_sub(compared.steps);
        match matches {
            Ok(matches) => {
                work.spend(steps);
                Ok(matches.then_some(value.reader.pos))
            }
            Err(bad) => {
                work.spend(if bad == Bad::Exceeded(Limit::PatternSteps) { u64::MAX } else { steps });
                Err(bad)
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::term::atoms::Atom;

    #[test]
    fn atoms_by_position_are_the_same_as_atoms_written_out() {
        let names = NodeNames { peer: (*b"p@h").into(), guard: (*b"g@h").into(), words: Words::NONE };
        let atom = |text: &[u8]| (0, Arc::new(Atom { text: text.into(), word: names.word(text) }));
        let table = [atom(b"p@h"), atom(b"add")];
        // {add, X, node(), X}
        let code = [&[3, 0, 0, 0, 4, 6, 0, 0, 0, 5, 119, 3], &b"add"[..], &[1, 0, 2, 16, 1, 0]].concat();
        let pattern = Pattern::parse(&code).ok();
        let matches = |etf: &[u8], sender| {
            let terms = Terms { atoms: &table, ..Terms::plain(&names) };
            let term = Reader::new(etf, &terms);
            pattern.as_ref().map(|pattern| pattern.matches(term, sender, &Work::default(), &Limits::default()))
        };
        let written = |text: &[u8]| [&[119, text.len() as u8], text].concat();
        let etf = [&[104, 4, 82, 1, 82, 0][..], &written(b"p@h"), &written(b"p@h")].concat();
        assert_eq!(matches(&etf, Word::Peer), Some(true));
        assert_eq!(matches(&etf, Word::Guard), Some(false));
        let etf = [&[104, 4][..], &written(b"add"), &written(b"add"), &[82, 0, 82, 1]].concat();
        assert_eq!(matches(&etf, Word::Peer), Some(true));
        let etf = [&etf[..], &[106]].concat();
        assert_eq!(matches(&etf, Word::Peer), Some(false), "something follows");
        assert_eq!(matches(&[104, 4, 82, 1, 82, 0, 82, 0, 82, 1], Word::Peer), Some(false), "another atom");
    }
}
