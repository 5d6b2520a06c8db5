//! A look at the part of a message in which patterns differ that begin alike.
//!
//! # Theory of operation
//!
//! Many patterns for one name may begin alike, and differ only in a tail, or in an element of an element. The [first
//! look](super::first_look) does not see that. To compare a message with one pattern after the other would read the same
//! beginning again and again. So each pattern of a list of rules has a [`Discriminator`]: the way through tuples and lists to
//! the first part in which it differs from the pattern before it. In a message, the way is gone once for all patterns in a
//! row that have the same ([`Work`]). A pattern that the part rules out is not compared. All others are compared as ever, so
//! this look, too, changes nothing but the cost.

use super::first_look::arity;
use super::{Node, Pattern, Work};
use crate::error::Bad;
use crate::limits::Limits;
use crate::term::reader::Reader;
use crate::term::walk::{self, Rest, Shape, Value};

/// Most steps to a part; behind them, patterns are compared.
const MOST: u64 = 256;

/// One level of the way to a part.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Descent {
    /// Into a tuple of that size, behind that many elements.
    Tuple(usize, usize),
    /// To the element of a list behind that many others.
    Element(usize),
    /// To the rest of a list behind that many elements.
    Tail(usize),
}

/// The way to the first part in which a pattern differs from another one.
#[derive(Debug, PartialEq, Eq)]
pub struct Discriminator(Box<[Descent]>);

/// The part of a message to which a discriminator leads.
#[derive(Clone, Copy, Debug, Default)]
enum MessagePart {
    /// Not found: the part is too far away, or a character of a string.
    #[default]
    Unknown,
    /// The message has no such part, so it matches no pattern that has this way.
    Missing,
    /// The position of the part; it may be the rest of a list.
    At(usize, Rest),
}

/// The part that was found last in a message.
#[derive(Clone, Copy, Debug)]
pub(super) struct FoundPart {
    /// The addresses of the discriminator and of the term: another term of the same message has another one.
    by: [usize; 2],
    part: MessagePart,
}

impl Discriminator {
    /// The way to the first difference of two patterns; None if they are the same.
    #[must_use]
    pub fn between(one: &Pattern, other: &Pattern) -> Option<Self> {
        let mut way = Vec::new();
        differ(&one.root, &other.root, &mut way).then(|| Self(way.into()))
    }

    /// True if a message can't match the pattern, which has this way, because of the part at its end.
    #[cold]
    pub fn rules_out(&self, pattern: &Pattern, term: Reader<'_>, work: &Work, limits: &Limits) -> bool {
        let Some(node) = self.node(&pattern.root) else { return false };
        let by = [std::ptr::from_ref(self).addr(), term.data.as_ptr().addr() + term.pos];
        let part = work.part().filter(|found| found.by == by).map(|found| found.part).unwrap_or_else(|| {
            let left = work.left(term.data.len() - term.pos, limits).min(MOST);
            let mut steps = left;
            let part = self.find(term, &mut steps).unwrap_or_default();
            work.spend(left - steps);
            work.keep_part(FoundPart { by, part });
            part
        });
        let fits = match part {
            MessagePart::Unknown => true,
            MessagePart::Missing => false,
            MessagePart::At(pos, Rest::Term) => node.may_begin(Reader { pos, ..term }),
            MessagePart::At(..) => node.may_be_list(),
        };
        if !fits {
            work.spend(1);
        }
        !fits
    }

    /// The part of a pattern.
    fn node<'n>(&self, root: &'n Node) -> Option<&'n Node> {
        self.0.iter().try_fold(root, |node, descent| match (descent, node) {
            (Descent::Tuple(_, at), Node::Tuple(nodes)) | (Descent::Element(at), Node::List(nodes, _)) => {
                nodes.get(*at)
            }
            (Descent::Tail(_), Node::List(_, tail)) => Some(&**tail),
            _ => None,
        })
    }

    /// The part of a message.
    fn find(&self, term: Reader<'_>, steps: &mut u64) -> Result<MessagePart, Bad> {
        let mut value = Value::new(term);
        for descent in &self.0 {
            let passed = match *descent {
                Descent::Tuple(size, at) => enter(&mut value, size, at, steps)?,
                Descent::Element(at) => pass(&mut value, at, steps)? && value.open()? == Shape::Cons,
                Descent::Tail(at) => pass(&mut value, at, steps)?,
            };
            if !passed {
                return Ok(MessagePart::Missing);
            }
            if matches!((descent, value.rest), (Descent::Element(_), Rest::Text(_))) {
                return Ok(MessagePart::Unknown);
            }
            if matches!(descent, Descent::Element(_)) || value.rest == Rest::List(0) {
                value.rest = Rest::Term;
            }
        }
        Ok(MessagePart::At(value.reader.pos, value.rest))
    }
}

/// Passes over elements of a tuple of that size; false if it is something else.
fn enter(value: &mut Value<'_>, size: usize, at: usize, steps: &mut u64) -> Result<bool, Bad> {
    if !value.is_term() || arity(&mut value.reader)?.is_none_or(|arity| arity as usize != size) {
        return Ok(false);
    }
    walk::skip_within(&mut value.reader, at as u64, steps)?;
    Ok(true)
}

/// Passes over elements of a list; false if it has fewer.
fn pass(value: &mut Value<'_>, count: usize, steps: &mut u64) -> Result<bool, Bad> {
    for _ in 0..count {
        if value.open()? != Shape::Cons {
            return Ok(false);
        }
        value.element(|element| element.skip_within(steps))?;
    }
    Ok(true)
}

/// True if two patterns differ. Then `way` leads to the first difference.
fn differ(one: &Node, other: &Node, way: &mut Vec<Descent>) -> bool {
    let mut inside = |descent, one: &Node, other: &Node| {
        way.push(descent);
        let differs = differ(one, other, way);
        if !differs {
            way.pop();
        }
        differs
    };
    match (one, other) {
        (Node::Tuple(ones), Node::Tuple(others)) if ones.len() == others.len() => {
            let mut pairs = ones.iter().zip(others).enumerate();
            pairs.any(|(at, (one, other))| inside(Descent::Tuple(ones.len(), at), one, other))
        }
        (Node::List(ones, rest), Node::List(others, other_rest)) if ones.len() == others.len() => {
            let mut pairs = ones.iter().zip(others).enumerate();
            pairs.any(|(at, (one, other))| inside(Descent::Element(at), one, other))
                || inside(Descent::Tail(ones.len()), rest, other_rest)
        }
        _ => one != other,
    }
}
