//! Walking over terms that the scanner has accepted: passing over them, and lists in all their spellings.
//!
//! One list may be written as a string, as a list, or as lists in the tails of other lists. Behind some elements, the
//! rest of it may then not be a term on the wire. A [`Value`] is a term or such a rest: it is read element by element,
//! and all spellings look alike.

use crate::error::Bad;
use crate::limits::Limit;
use crate::term::reader::{Reader, SHORT};
use crate::term::tag;
use crate::term::write::put_atom;

/// The text of an atom that was checked before.
#[inline]
pub fn atom<'a>(reader: &mut Reader<'a>) -> Result<&'a [u8], Bad> {
    match reader.u8()? {
        tag::ATOM_REF => {
            let index = reader.u8()?;
            reader.terms.atom(index).map(|atom| &*atom.text)
        }
        tag::SMALL_ATOM => {
            let length = usize::from(reader.u8()?);
            reader.take(length)
        }
        tag::ATOM => {
            let length = usize::from(reader.u16()?);
            reader.take(length)
        }
        _ => Err(Bad::AtomExpected),
    }
}

/// True if an atom is next.
#[must_use]
pub fn is_atom(reader: &Reader<'_>) -> bool {
    matches!(reader.peek(), Ok(tag::ATOM_REF | tag::SMALL_ATOM | tag::ATOM))
}

/// True if a list is next, proper or not.
#[must_use]
pub fn is_list(reader: &Reader<'_>) -> bool {
    matches!(reader.peek(), Ok(tag::NIL | tag::STRING | tag::LIST))
}

/// Passes over one term.
#[inline(always)]
pub fn skip_one(reader: &mut Reader<'_>) -> Result<(), Bad> {
    let rest = reader.data.get(reader.pos..).unwrap_or_default();
    let small = match rest {
        [tag::ATOM_REF | tag::SMALL_INTEGER, _, ..] => 2,
        [tag::INTEGER, ..] => 5,
        [tag::NIL, ..] => 1,
        [tag::PID, tag::ATOM_REF, ..] => 15,
        [tag::REFERENCE, 0, 3, tag::ATOM_REF, ..] => 21,
        [tag::STRING, high, low, ..] => 3 + usize::from(u16::from_be_bytes([*high, *low])),
        _ => return skip(reader, 1),
    };
    if rest.len() < small {
        return Err(SHORT);
    }
    reader.pos += small;
    Ok(())
}

/// Passes over that many terms.
pub fn skip(reader: &mut Reader<'_>, count: u64) -> Result<(), Bad> {
    if reader.terms.jumps.is_some() {
        return skip_within(reader, count, &mut u64::MAX.clone());
    }
    let mut need = count;
    while need > 0 {
        need = (need - 1).checked_add(children(reader)?).ok_or(SHORT)?;
    }
    Ok(())
}

/// Passes over one term with at most `steps` tokens, which are taken from it.
#[inline(always)]
pub fn skip_one_within(reader: &mut Reader<'_>, steps: &mut u64) -> Result<(), Bad> {
    let small = match reader.data.get(reader.pos..).unwrap_or_default() {
        [tag::ATOM_REF | tag::SMALL_INTEGER, _, ..] => 2,
        [tag::INTEGER, _, _, _, _, ..] => 5,
        [tag::NIL, ..] => 1,
        _ => return skip_within(reader, 1, steps),
    };
    *steps = steps.checked_sub(1).ok_or(Bad::Exceeded(Limit::PatternSteps))?;
    reader.pos += small;
    Ok(())
}

/// The same for that many terms.
pub fn skip_within(reader: &mut Reader<'_>, count: u64, steps: &mut u64) -> Result<(), Bad> {
    let (mut need, mut left) = (count, *steps);
    while need > 0 {
        left = left.checked_sub(1).ok_or(Bad::Exceeded(Limit::PatternSteps))?;
        if let Some(end) = reader.terms.jumps.and_then(|jumps| jumps.end(reader.data, reader.pos)) {
            reader.pos = end;
            need -= 1;
            continue;
        }
        need = (need - 1).checked_add(children(reader)?).ok_or(SHORT)?;
    }
    *steps = left;
    Ok(())
}

/// Passes over one term, if it has at most that number of `bytes` and `levels` (a tuple in a list is on the second one).
/// Takes a step for each token.
pub fn is_within(reader: &mut Reader<'_>, bytes: usize, levels: usize, steps: &mut u64) -> Result<bool, Bad> {
    let start = reader.pos;
    // Of each level: the number of parts that are missing, and true for a list, whose last part is its tail.
    let mut open: Vec<(u64, bool)> = Vec::new();
    loop {
        *steps = steps.checked_sub(1).ok_or(Bad::Exceeded(Limit::PatternSteps))?;
        let list = reader.peek()? == tag::LIST;
        let parts = children(reader)?;
        if reader.pos - start > bytes {
            return Ok(false);
        }
        if parts > 0 {
            // A list in the tail of a list is the rest of that.
            if list && open.last() == Some(&(1, true)) {
                open.pop();
            }
            if open.len() == levels {
                return Ok(false);
            }
            open.push((parts, list));
            continue;
        }
        loop {
            let Some((missing, _)) = open.last_mut() else { return Ok(true) };
            *missing -= 1;
            if *missing > 0 {
                break;
            }
            open.pop();
        }
    }
}

/// Copies that many terms, with positional atoms written out (the sizes in funs stay as they are). Two bytes can name
/// an atom of a thousand bytes, so it fails if `out` would get much longer than `limit`.
pub fn expand(reader: &mut Reader<'_>, count: u64, out: &mut Vec<u8>, limit: u64) -> Result<(), Bad> {
    let mut need = count;
    while need > 0 {
        if out.len() as u64 > limit {
            return Err(Bad::TooLongExpanded);
        }
        let start = reader.pos;
        let more = children(reader)?;
        let token = &reader.data[start..reader.pos];
        // Behind each kind's fixed head, how many atoms stand first.
        let (head, atoms) = match token.first() {
            Some(&tag::ATOM_REF) => (0, 1),
            Some(&(tag::PID | tag::PORT | tag::V4_PORT)) => (1, 1),
            Some(&tag::REFERENCE) => (3, 1),
            Some(&tag::EXPORT) => (1, 2),
            Some(&tag::FUN) => (30, 1),
            Some(&tag::RECORD) => {
                let fields = u32::try_from(more).map_err(|_| SHORT)?;
                (6, fields as usize + 2)
            }
            _ => (token.len(), 0),
        };
        out.extend_from_slice(token.get(..head).ok_or(SHORT)?);
        let mut part = Reader { pos: start + head, ..*reader };
        for _ in 0..atoms {
            let text = atom(&mut part)?;
            put_atom(out, text);
        }
        if let Some(&tag::FUN) = token.first() {
            // Two numbers, then a pid.
            let numbers = part.pos;
            skip(&mut part, 2)?;
            out.extend_from_slice(&reader.data[numbers..part.pos]);
            out.push(part.u8()?);
            let node = atom(&mut part)?;
            put_atom(out, node);
        }
        out.extend_from_slice(&reader.data[part.pos..reader.pos]);
        need = (need - 1).checked_add(more).ok_or(SHORT)?;
    }
    Ok(())
}

/// Passes over a leaf or the head of a container; returns the number of terms that belong to it.
#[inline]
pub fn children(reader: &mut Reader<'_>) -> Result<u64, Bad> {
    match reader.u8()? {
        tag::SMALL_INTEGER | tag::ATOM_REF => reader.take(1)?,
        tag::INTEGER => reader.take(4)?,
        tag::NIL => reader.take(0)?,
        tag::SMALL_TUPLE => return Ok(u64::from(reader.u8()?)),
        tag::LARGE_TUPLE => return Ok(u64::from(reader.u32()?)),
        tag::LIST => return Ok(u64::from(reader.u32()?) + 1),
        tag::MAP => return Ok(u64::from(reader.u32()?) * 2),
        tag::FLOAT => reader.take(8)?,
        tag::SMALL_ATOM => {
            let length = usize::from(reader.u8()?);
            reader.take(length)?
        }
        tag::ATOM | tag::STRING => {
            let length = usize::from(reader.u16()?);
            reader.take(length)?
        }
        tag::BINARY => {
            let length = reader.u32()? as usize;
            reader.take(length)?
        }
        tag::BIT_BINARY | tag::LARGE_BIG => {
            let length = reader.u32()? as usize;
            reader.take(1)?;
            reader.take(length)?
        }
        tag::SMALL_BIG => {
            let length = usize::from(reader.u8()?);
            reader.take(1 + length)?
        }
        tag::PID => {
            atom(reader)?;
            reader.take(12)?
        }
        tag::PORT => {
            atom(reader)?;
            reader.take(8)?
        }
        tag::V4_PORT => {
            atom(reader)?;
            reader.take(12)?
        }
        tag::REFERENCE => {
            let words = usize::from(reader.u16()?);
            atom(reader)?;
            reader.take(4 + 4 * words)?
        }
        tag::EXPORT => {
            atom(reader)?;
            atom(reader)?;
            reader.take(2)?
        }
        tag::FUN => {
            let fun = Fun::read(reader)?;
            return Ok(u64::from(fun.free));
        }
        tag::RECORD => {
            let fields = reader.u32()?;
            reader.take(1)?;
            for _ in 0..u64::from(fields) + 2 {
                atom(reader)?;
            }
            return Ok(u64::from(fields));
        }
        _ => return Err(Bad::UnknownTag),
    };
    Ok(0)
}

/// The fixed part of a fun; its free variables follow as terms.
pub struct Fun<'a> {
    /// Number of arguments.
    pub arity: u8,
    /// Digest of its module's code, and its number in that module.
    pub identity: &'a [u8],
    /// Number of free variables that follow.
    pub free: u32,
    /// Module.
    pub module: &'a [u8],
    /// Two numbers by which older releases identified funs.
    pub numbers: [i32; 2],
}

impl<'a> Fun<'a> {
    /// Reads the bytes behind the tag.
    pub fn read(reader: &mut Reader<'a>) -> Result<Self, Bad> {
        reader.take(4)?;
        let arity = reader.u8()?;
        let identity = reader.take(20)?;
        let free = reader.u32()?;
        let module = atom(reader)?;
        let mut numbers = [0; 2];
        for number in &mut numbers {
            *number = match reader.u8()? {
                tag::SMALL_INTEGER => i32::from(reader.u8()?),
                tag::INTEGER => reader.u32()?.cast_signed(),
                _ => return Err(Bad::FunIndex),
            };
        }
        if reader.u8()? != tag::PID {
            return Err(Bad::PidExpected);
        }
        atom(reader)?;
        reader.take(12)?;
        Ok(Fun { arity, identity, free, module, numbers })
    }
}

/// An integer in any spelling.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Integer<'a> {
    /// An integer of less than 64 bits.
    Small(i64),
    /// Any other integer: true if it is negative, and its bytes, the lowest first, without zeros at the end.
    Big(bool, &'a [u8]),
}

/// Reads an integer; None, with nothing consumed, if another term is next.
#[inline]
pub fn integer<'a>(reader: &mut Reader<'a>) -> Result<Option<Integer<'a>>, Bad> {
    let length = match reader.peek()? {
        tag::SMALL_INTEGER => return Ok(Some(Integer::Small(i64::from(reader.take(2)?[1])))),
        tag::INTEGER => {
            reader.u8()?;
            return Ok(Some(Integer::Small(i64::from(reader.u32()?.cast_signed()))));
        }
        tag::SMALL_BIG => usize::from(reader.take(2)?[1]),
        tag::LARGE_BIG => {
            reader.u8()?;
            reader.u32()? as usize
        }
        _ => return Ok(None),
    };
    let negative = reader.u8()? != 0;
    let bytes = reader.take(length)?;
    let digits = &bytes[..bytes.iter().rposition(|byte| *byte != 0).map_or(0, |last| last + 1)];
    if digits.len() > 7 {
        return Ok(Some(Integer::Big(negative, digits)));
    }
    let value = digits.iter().rev().fold(0, |value, byte| value << 8 | i64::from(*byte));
    Ok(Some(Integer::Small(if negative { -value } else { value })))
}

/// The kind of a value, as a list.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Shape {
    /// A list with a first element.
    Cons,
    /// The empty list.
    Nil,
    /// No list.
    Other,
}

/// The rest of a list.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Rest {
    /// A term begins at the reader.
    Term,
    /// Number of elements, before a tail.
    List(u32),
    /// Number of bytes, each an element; no tail.
    Text(u16),
}

/// A term, or the rest of a list.
#[derive(Clone, Copy)]
pub struct Value<'a> {
    /// The position of its first byte.
    pub reader: Reader<'a>,
    /// A term, or part of a list.
    pub rest: Rest,
}

/// Every small integer as a term: the elements of a string.
static BYTES: [[u8; 2]; 256] = {
    let mut bytes = [[tag::SMALL_INTEGER, 0]; 256];
    let mut value = 0;
    while value < 256 {
        bytes[value][1] = value as u8;
        value += 1;
    }
    bytes
};

impl<'a> Value<'a> {
    /// The term at the reader.
    #[must_use]
    pub fn new(reader: Reader<'a>) -> Self {
        Value { reader, rest: Rest::Term }
    }

    /// True if it is a whole term, with its type in its first byte.
    #[must_use]
    pub fn is_term(&self) -> bool {
        self.rest == Rest::Term
    }

    /// Finds the kind of the value; enters it if it is a list.
    #[inline]
    pub fn open(&mut self) -> Result<Shape, Bad> {
        loop {
            match self.rest {
                Rest::List(0) => self.rest = Rest::Term,
                Rest::Text(0) => return Ok(Shape::Nil),
                Rest::List(_) | Rest::Text(_) => return Ok(Shape::Cons),
                Rest::Term => match self.reader.peek()? {
                    tag::LIST => {
                        self.reader.u8()?;
                        self.rest = Rest::List(self.reader.u32()?);
                    }
                    tag::STRING => {
                        self.reader.u8()?;
                        self.rest = Rest::Text(self.reader.u16()?);
                    }
                    tag::NIL => {
                        self.reader.u8()?;
                        self.rest = Rest::Text(0);
                    }
                    _ => return Ok(Shape::Other),
                },
            }
        }
    }

    /// Passes the first element of an opened list to `visit`, which has to consume it.
    #[inline]
    pub fn element<T>(&mut self, visit: impl FnOnce(&mut Value<'a>) -> Result<T, Bad>) -> Result<T, Bad> {
        match self.rest {
            Rest::List(count) if count > 0 => {
                self.rest = Rest::Term;
                let seen = visit(self)?;
                self.rest = Rest::List(count - 1);
                Ok(seen)
            }
            Rest::Text(count) if count > 0 => {
                let data = &BYTES[usize::from(self.reader.u8()?)];
                self.rest = Rest::Text(count - 1);
                visit(&mut Value::new(Reader { data, pos: 0, ..self.reader }))
            }
            _ => Err(Bad::ListExpected),
        }
    }

    /// The bytes of the elements left, if they are a string; consumes it.
    pub fn text(&mut self) -> Result<Option<&'a [u8]>, Bad> {
        let Rest::Text(count) = self.rest else {
            return Ok(None);
        };
        self.rest = Rest::Term;
        Ok(Some(self.reader.take(usize::from(count))?))
    }

    /// Passes over elements of an opened list that are integers of one byte, one step for each.
    pub fn skip_bytes(&mut self, steps: &mut u64) {
        let Rest::List(count) = &mut self.rest else { return };
        let reader = &mut self.reader;
        let most = u64::from(*count).min(*steps) as usize;
        let pairs = reader.data.get(reader.pos..).unwrap_or_default().chunks_exact(2);
        let passed = pairs.take(most).take_while(|pair| pair[0] == tag::SMALL_INTEGER).count();
        reader.pos += 2 * passed;
        *count -= passed as u32;
        *steps -= passed as u64;
    }

    /// Passes over the value.
    #[inline]
    pub fn skip(&mut self) -> Result<(), Bad> {
        self.skip_within(&mut u64::MAX.clone())
    }

    /// Passes over the value with at most `steps` tokens, which are taken from it.
    #[inline(always)]
    pub fn skip_within(&mut self, steps: &mut u64) -> Result<(), Bad> {
        match std::mem::replace(&mut self.rest, Rest::Term) {
            Rest::Term => skip_one_within(&mut self.reader, steps),
            Rest::List(count) => skip_within(&mut self.reader, u64::from(count) + 1, steps),
            Rest::Text(count) => self.reader.take(usize::from(count)).map(|_| ()),
        }
    }
}
