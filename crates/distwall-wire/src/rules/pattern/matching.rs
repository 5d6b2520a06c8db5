//! One match in progress: a pattern's tree beside the bytes of a term, from left to right.

use std::hash::RandomState;

use super::{format, take, Node, Pattern, TypeGuard, MAX_KEYS, MAX_LEVELS};
use crate::error::Bad;
use crate::rules::otp_internal::{otp_internal, Address};
use crate::term::atoms::Word;
use crate::term::digest::{digest, used};
use crate::term::reader::Reader;
use crate::term::tag;
use crate::term::walk::{self, Integer, Shape, Value};
use crate::wire::shapes::{asker, call_tag, may_ask};

/// The value of a variable.
pub(super) struct Bound<'a> {
    value: Value<'a>,
    /// The position of its end.
    end: usize,
    digest: Option<u64>,
}

impl<'a> Bound<'a> {
    fn bytes(&self) -> Option<&'a [u8]> {
        self.value.is_term().then(|| self.value.reader.data.get(self.value.reader.pos..self.end)).flatten()
    }

    fn digest(&mut self, key: &RandomState, steps: &mut u64) -> Result<u64, Bad> {
        if let Some(known) = self.digest {
            return Ok(known);
        }
        let made = digest(key, self.value, steps)?;
        self.digest = Some(made);
        Ok(made)
    }
}

/// One match in progress.
pub(super) struct Match<'a, 'p> {
    pub(super) pattern: &'p Pattern,
    pub(super) sender: Word,
    pub(super) bound: &'p mut [Option<Bound<'a>>],
    /// Steps that are left.
    pub(super) steps: u64,
    /// Bytes that are left for what is cheap to print.
    pub(super) brief: usize,
}

impl<'a> Match<'a, '_> {
    /// True if a value matches; then it is consumed.
    pub(super) fn node(&mut self, node: &Node, value: &mut Value<'a>) -> Result<bool, Bad> {
        take(&mut self.steps, 1)?;
        match node {
            Node::Any => {
                value.skip_within(&mut self.steps)?;
                return Ok(true);
            }
            Node::Variable(number) => return self.variable(*number, value),
            Node::List(elements, tail) => {
                for element in elements {
                    if value.open()? != Shape::Cons || !value.element(|value| self.part(element, value))? {
                        return Ok(false);
                    }
                }
                return self.node(tail, value);
            }
            Node::Nil => return Ok(value.open()? == Shape::Nil && value.text()?.is_some()),
            Node::Type(TypeGuard::List) => return list(value, &mut self.steps),
            Node::Type(TypeGuard::Text) => return text(value, &mut self.steps),
            Node::Type(TypeGuard::Format) => {
                let start = value.reader.pos;
                return Ok(format::is_format(value, &mut self.steps)? && self.is_brief(start, value));
            }
            Node::Type(TypeGuard::Chars) => {
                let start = value.reader.pos;
                let chars = if value.is_term() && value.reader.peek()? == tag::BINARY {
                    walk::skip_one_within(&mut value.reader, &mut self.steps)?;
                    true
                } else {
                    text(value, &mut self.steps)?
                };
                return Ok(chars && self.is_brief(start, value));
            }
            Node::Each(element, most) => return self.each(element, *most, value),
            Node::OneOf(nodes) => {
                let (start, brief) = (*value, self.brief);
                for node in nodes {
                    (*value, self.brief) = (start, brief);
                    if self.node(node, value)? {
                        return Ok(true);
                    }
                }
                return Ok(false);
            }
            _ => {}
        }
        // All others are not lists. In a tail, it may not be visible yet that a term of its own begins.
        if !value.is_term() && value.open()? != Shape::Other {
            return Ok(false);
        }
        let reader = &mut value.reader;
        match node {
            Node::Tuple(elements) => {
                let arity = match reader.u8()? {
                    tag::SMALL_TUPLE => usize::from(reader.u8()?),
                    tag::LARGE_TUPLE => reader.u32()? as usize,
                    _ => return Ok(false),
                };
                if arity != elements.len() {
                    return Ok(false);
                }
                for element in elements {
                    if !self.part(element, value)? {
                        return Ok(false);
                    }
                }
                Ok(true)
            }
            Node::Atom(text) => Ok(walk::is_atom(reader) && walk::atom(reader)? == &**text),
            Node::Small(number) => Ok(walk::integer(reader)? == Some(Integer::Small(*number))),
            Node::Big(negative, digits) => Ok(walk::integer(reader)? == Some(Integer::Big(*negative, digits))),
            Node::Float(bytes) => Ok(reader.u8()? == tag::FLOAT && reader.take(8)? == bytes),
            Node::Bits(bytes, count) => Ok(bits(reader)?.is_some_and(|(found, bits)| {
                bits == *count
                    && found.len() == bytes.len()
                    && match (found.split_last(), bytes.split_last()) {
                        (Some((a, found)), Some((b, bytes))) => found == bytes && (a ^ b) & used(bits) == 0,
                        _ => true,
                    }
            })),
            Node::Prefix(prefix) => {
                Ok(bits(reader)?.is_some_and(|(found, bits)| bits == 8 && found.starts_with(prefix)))
            }
            Node::Export(module, name, arity) => Ok(reader.u8()? == tag::EXPORT
                && walk::atom(reader)? == &**module
                && walk::atom(reader)? == &**name
                && walk::integer(reader)? == Some(Integer::Small(i64::from(*arity)))),
            Node::Pid(numbers) => {
                if reader.peek()? != tag::PID {
                    return Ok(false);
                }
                let (node, pid) = reader.pid()?;
                Ok(node.word == Word::Guard && [pid.id, pid.serial] == *numbers)
            }
            Node::Reference(words) => {
                if reader.peek()? != tag::REFERENCE {
                    return Ok(false);
                }
                let (node, reference) = reader.reference()?;
                Ok(node.word == Word::Guard && reference.words == *words)
            }
            Node::Map(pairs, exact) => self.map(pairs, *exact, value),
            Node::Pairs(pairs) => self.pairs(pairs, value),
            Node::Range(low, high) => Ok(match walk::integer(reader)? {
                Some(Integer::Small(number)) => (*low..=*high).contains(&number),
                // An integer of eight bytes can be within the range, too.
                Some(Integer::Big(negative, digits)) => digits.try_into().is_ok_and(|digits| {
                    let number = i128::from(u64::from_le_bytes(digits));
                    (i128::from(*low)..=i128::from(*high)).contains(&if negative { -number } else { number })
                }),
                None => false,
            }),
            Node::Type(guard) => self.guard(*guard, reader),
            Node::Any | Node::Variable(_) | Node::List(..) | Node::Nil | Node::Each(..) | Node::OneOf(_) => Ok(false),
        }
    }

    /// The same for a part of a term. Atoms and small numbers, which are most common, are compared in line.
    #[inline(always)]
    fn part(&mut self, node: &Node, value: &mut Value<'a>) -> Result<bool, Bad> {
        let number = |value: &Value<'a>| match value.reader.two() {
            Some([tag::SMALL_INTEGER, byte]) if value.is_term() => Some(i64::from(byte)),
            _ => None,
        };
        match node {
            Node::Atom(text) if value.is_term() => {
                take(&mut self.steps, 1)?;
                Ok(walk::is_atom(&value.reader) && walk::atom(&mut value.reader)? == &**text)
            }
            Node::Any if number(value).is_some() => {
                take(&mut self.steps, 2)?;
                value.reader.pos += 2;
                Ok(true)
            }
            Node::Small(wanted) => match number(value) {
                Some(found) => {
                    take(&mut self.steps, 1)?;
                    value.reader.pos += 2;
                    Ok(found == *wanted)
                }
                None => self.node(node, value),
            },
            Node::Range(low, high) => match number(value) {
                Some(found) => {
                    take(&mut self.steps, 1)?;
                    value.reader.pos += 2;
                    Ok((*low..=*high).contains(&found))
                }
                None => self.node(node, value),
            },
            _ => self.node(node, value),
        }
    }

    fn variable(&mut self, number: u8, value: &mut Value<'a>) -> Result<bool, Bad> {
        let start = *value;
        value.skip_within(&mut self.steps)?;
        if self.pattern.recurring >> number & 1 == 0 {
            return Ok(true);
        }
        let Some(place) = self.bound.get_mut(usize::from(number)) else {
            return Ok(false);
        };
        let mut found = Bound { value: start, end: value.reader.pos, digest: None };
        let Some(before) = place else {
            *place = Some(found);
            return Ok(true);
        };
        let key = &self.pattern.key;
        take(&mut self.steps, (found.end - start.reader.pos) as u64 / 64)?;
        let same_bytes = found.bytes().is_some() && found.bytes() == before.bytes();
        Ok(same_bytes || before.digest(key, &mut self.steps)? == found.digest(key, &mut self.steps)?)
    }

    fn map(&mut self, pairs: &[(Node, Node)], exact: bool, value: &mut Value<'a>) -> Result<bool, Bad> {
        if value.reader.u8()? != tag::MAP {
            return Ok(false);
        }
        let count = value.reader.u32()?;
        if exact && count as usize != pairs.len() {
            return Ok(false);
        }
        // A bit for each pair that has not been found.
        let mut missing = u64::MAX.checked_shr(MAX_KEYS - pairs.len() as u32).unwrap_or(0);
        let mut left = u64::from(count) * 2;
        while missing != 0 && left > 0 {
            left -= 2;
            let start = *value;
            for (i, (key, wanted)) in pairs.iter().enumerate() {
                let mut pair = start;
                if missing >> i & 1 == 1 && self.node(key, &mut pair)? {
                    if !self.node(wanted, &mut pair)? {
                        return Ok(false);
                    }
                    missing &= !(1 << i);
                    *value = pair;
                }
            }
            if value.reader.pos == start.reader.pos {
                walk::skip_within(&mut value.reader, 2, &mut self.steps)?;
            }
        }
        walk::skip_within(&mut value.reader, left, &mut self.steps)?;
        Ok(missing == 0)
    }

    fn each(&mut self, node: &Node, most: u32, value: &mut Value<'a>) -> Result<bool, Bad> {
        let mut left = most;
        loop {
            match value.open()? {
                Shape::Nil => return Ok(value.text()?.is_some()),
                Shape::Other => return Ok(false),
                Shape::Cons if left == 0 => return Ok(false),
                Shape::Cons => {
                    left -= 1;
                    if !value.element(|value| self.node(node, value))? {
                        return Ok(false);
                    }
                }
            }
        }
    }

    fn pairs(&mut self, pairs: &[(Node, Node)], value: &mut Value<'a>) -> Result<bool, Bad> {
        if value.reader.u8()? != tag::MAP {
            return Ok(false);
        }
        for _ in 0..value.reader.u32()? {
            let (start, brief) = (*value, self.brief);
            let mut known = None;
            for (key, wanted) in pairs {
                (*value, self.brief) = (start, brief);
                if self.node(key, value)? {
                    known = Some(wanted);
                    break;
                }
            }
            let Some(wanted) = known else { return Ok(false) };
            if !self.node(wanted, value)? {
                return Ok(false);
            }
        }
        Ok(true)
    }

    fn guard(&mut self, guard: TypeGuard, reader: &mut Reader<'a>) -> Result<bool, Bad> {
        let kind = reader.peek()?;
        let holds = match guard {
            TypeGuard::Integer => is_integer(kind),
            TypeGuard::Float => kind == tag::FLOAT,
            TypeGuard::Number => is_integer(kind) || kind == tag::FLOAT,
            TypeGuard::Atom => walk::is_atom(reader),
            TypeGuard::Boolean => {
                return Ok(walk::is_atom(reader) && matches!(walk::atom(reader)?, b"true" | b"false"));
            }
            TypeGuard::Pid => kind == tag::PID,
            TypeGuard::Reference => kind == tag::REFERENCE,
            TypeGuard::Port => matches!(kind, tag::PORT | tag::V4_PORT),
            TypeGuard::Binary => return Ok(bits(reader)?.is_some_and(|(_, bits)| bits == 8)),
            TypeGuard::Bitstring => return Ok(bits(reader)?.is_some()),
            TypeGuard::Tuple => matches!(kind, tag::SMALL_TUPLE | tag::LARGE_TUPLE),
            TypeGuard::Map => kind == tag::MAP,
            TypeGuard::Function => matches!(kind, tag::FUN | tag::EXPORT),
            TypeGuard::From => return self.from(reader),
            TypeGuard::Node => return Ok(walk::is_atom(reader) && reader.atom()?.word == self.sender),
            TypeGuard::PeerPid | TypeGuard::PgScope => {
                return Ok(kind == tag::PID && reader.pid()?.0.word == self.sender)
            }
            TypeGuard::Record => kind == tag::RECORD,
            TypeGuard::Brief => {
                let start = reader.pos;
                let within = walk::is_within(reader, self.brief, MAX_LEVELS, &mut self.steps)?;
                self.brief = self.brief.saturating_sub(reader.pos - start);
                return Ok(within);
            }
            TypeGuard::Message => return self.message(reader),
            TypeGuard::List | TypeGuard::Text | TypeGuard::Chars | TypeGuard::Format => false,
        };
        if holds {
            walk::skip_one_within(reader, &mut self.steps)?;
        }
        Ok(holds)
    }

    /// True if there was room for what was read since `start` among the parts that are cheap to print.
    fn is_brief(&mut self, start: usize, value: &Value<'a>) -> bool {
        let left = self.brief.checked_sub(value.reader.pos - start);
        self.brief = left.unwrap_or(0);
        left.is_some()
    }

    /// A term without the shape of a request to OTP's own code, for any process of the receiving node.
    fn message(&mut self, reader: &mut Reader<'a>) -> Result<bool, Bad> {
        let start = reader.pos;
        walk::skip_within(reader, 1, &mut self.steps)?;
        let message = Reader { pos: start, data: reader.data.get(..reader.pos).unwrap_or_default(), ..*reader };
        let asker = if may_ask(&message) { asker(message) } else { None };
        let receiver = if self.sender == Word::Guard { Word::Peer } else { Word::Guard };
        let address = Address { name: None, asker: asker.as_ref(), answer: false, receiver, pattern: None };
        Ok(!otp_internal(&message, &address))
    }

    /// `{Pid, Tag}`: an answer goes to the pid, or to the alias in the tag.
    fn from(&self, reader: &mut Reader<'a>) -> Result<bool, Bad> {
        if reader.tuple()? != 2 || reader.pid()?.0.word != self.sender {
            return Ok(false);
        }
        let tag = call_tag(reader);
        Ok(tag.is_some_and(|((first, _), (last, _))| first == self.sender && last == self.sender))
    }
}

impl Node {
    /// True if the pattern matches exactly one value.
    pub(super) fn ground(&self) -> bool {
        match self {
            Node::Any | Node::Variable(_) | Node::Type(_) | Node::Prefix(_) | Node::Map(_, false) => false,
            Node::Each(..) | Node::OneOf(_) | Node::Pairs(_) | Node::Range(..) => false,
            Node::Tuple(elements) => elements.iter().all(Node::ground),
            Node::List(elements, tail) => elements.iter().all(Node::ground) && tail.ground(),
            _ => true,
        }
    }
}

fn is_integer(kind: u8) -> bool {
    matches!(kind, tag::SMALL_INTEGER | tag::INTEGER | tag::SMALL_BIG | tag::LARGE_BIG)
}

/// True for a list, proper or not.
fn list(value: &mut Value<'_>, steps: &mut u64) -> Result<bool, Bad> {
    if value.is_term() && walk::is_list(&value.reader) {
        value.skip_within(steps)?;
        return Ok(true);
    }
    let found = value.open()? != Shape::Other;
    value.skip_within(steps)?;
    Ok(found)
}

fn text(value: &mut Value<'_>, steps: &mut u64) -> Result<bool, Bad> {
    loop {
        take(steps, 1)?;
        let shape = value.open()?;
        if value.text()?.is_some() {
            return Ok(true);
        }
        let before = *steps;
        value.skip_bytes(steps);
        if *steps < before {
            continue;
        }
        let character = |value: &mut Value<'_>| {
            Ok(matches!(walk::integer(&mut value.reader)?, Some(Integer::Small(0..=0x10_ffff))))
        };
        if shape != Shape::Cons || !value.element(character)? {
            return Ok(false);
        }
    }
}

/// The bytes of a binary or bit string, and the number of bits of the last byte that count.
pub(super) fn bits<'a>(reader: &mut Reader<'a>) -> Result<Option<(&'a [u8], u8)>, Bad> {
    let kind = reader.peek()?;
    if !matches!(kind, tag::BINARY | tag::BIT_BINARY) {
        return Ok(None);
    }
    reader.u8()?;
    let length = reader.u32()? as usize;
    let count = if kind == tag::BINARY { 8 } else { reader.u8()? };
    Ok(Some((reader.take(length)?, count)))
}
