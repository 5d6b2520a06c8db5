//! Equality of two values, in one walk over each.
//!
//! # Theory of operation
//!
//! A value's digest is the same for all its spellings: atoms inline or by position, lists as strings or in tails,
//! integers in either of two forms, maps in any order. Every token goes into a keyed hash. A list is its elements and
//! an end. A map is the sum of its pairs' digests. So its order doesn't count, and nothing has to be sorted or copied,
//! even for maps in maps. Equal values have equal digests. Each pattern draws a new key, which is never shown. Without
//! the key, an attacker finds two different values with one digest only by chance: one try in 2^64.

use std::hash::{BuildHasher, DefaultHasher, Hasher, RandomState};

use crate::error::Bad;
use crate::limits::Limit;
use crate::term::reader::Reader;
use crate::term::tag;
use crate::term::walk::{self, Fun, Integer, Rest, Value};

/// Ends a list: it is in the place of an element, and no term begins with it.
const END: u8 = 0;
/// Ends a list before a tail that is not a list.
const TAIL: u8 = 1;

/// A container that is not complete.
enum Open {
    /// Number of terms to come.
    Terms(u32),
    /// Number of elements to come, before a tail.
    List(u32),
    Map {
        pairs: u32,
        /// Keys and values to come.
        left: u64,
        sum: u64,
        /// Hasher of the container around the map.
        outer: DefaultHasher,
    },
}

/// Steps for a token: hashing one takes longer than passing over it. Long tokens are hashed byte by byte.
const TOKEN: u64 = 4;
/// Bytes of a token for one step more.
const BYTES: u64 = 4;

/// The digest of a value, made with at most `steps`, which are taken from it. Memory: one entry for each level that it is
/// nested.
pub fn digest(key: &RandomState, value: Value<'_>, steps: &mut u64) -> Result<u64, Bad> {
    let mut walk = Walk { reader: value.reader, key, hasher: key.build_hasher(), open: Vec::new(), steps: *steps };
    match value.rest {
        // A tail is a term of its own.
        Rest::Term | Rest::List(0) => walk.charged()?,
        Rest::List(left) => walk.list(left),
        Rest::Text(length) => walk.text(length)?,
    }
    while walk.next()? {
        walk.charged()?;
    }
    *steps = walk.steps;
    Ok(walk.hasher.finish())
}

struct Walk<'a, 'k> {
    reader: Reader<'a>,
    key: &'k RandomState,
    hasher: DefaultHasher,
    open: Vec<Open>,
    /// Steps that are left.
    steps: u64,
}

impl Walk<'_, '_> {
    fn take(&mut self, steps: u64) -> Result<(), Bad> {
        self.steps = self.steps.checked_sub(steps).ok_or(Bad::Exceeded(Limit::PatternSteps))?;
        Ok(())
    }

    /// Hashes a token, and takes steps for it.
    fn charged(&mut self) -> Result<(), Bad> {
        let start = self.reader.pos;
        self.token()?;
        self.take(TOKEN + (self.reader.pos - start) as u64 / BYTES)
    }

    /// Closes complete containers; true if a term is to come.
    fn next(&mut self) -> Result<bool, Bad> {
        while let Some(open) = self.open.last_mut() {
            match open {
                Open::Terms(0) => {
                    self.open.pop();
                }
                Open::Terms(left) => {
                    *left -= 1;
                    return Ok(true);
                }
                Open::List(left @ 0) => match self.reader.peek()? {
                    tag::LIST => {
                        self.reader.u8()?;
                        *left = self.reader.u32()?;
                    }
                    tag::NIL | tag::STRING => {
                        self.open.pop();
                        let length = if self.reader.u8()? == tag::STRING { self.reader.u16()? } else { 0 };
                        self.elements(length)?;
                    }
                    _ => {
                        *open = Open::Terms(1);
                        self.hasher.write_u8(TAIL);
                    }
                },
                Open::List(left) => {
                    *left -= 1;
                    return Ok(true);
                }
                Open::Map { pairs, left, sum, outer } => {
                    if left.is_multiple_of(2) {
                        let begun = *left < 2 * u64::from(*pairs);
                        let pair = std::mem::replace(&mut self.hasher, self.key.build_hasher());
                        *sum = sum.wrapping_add(if begun { pair.finish() } else { 0 });
                    }
                    if *left > 0 {
                        *left -= 1;
                        return Ok(true);
                    }
                    std::mem::swap(&mut self.hasher, outer);
                    self.hasher.write_u64(*sum);
                    self.open.pop();
                }
            }
        }
        Ok(false)
    }

    fn list(&mut self, left: u32) {
        self.hasher.write_u8(tag::LIST);
        self.open.push(Open::List(left));
    }

    fn text(&mut self, length: u16) -> Result<(), Bad> {
        self.hasher.write_u8(tag::LIST);
        self.elements(length)
    }

    /// The last elements of a list, which are bytes, and its end.
    fn elements(&mut self, length: u16) -> Result<(), Bad> {
        self.take(TOKEN * u64::from(length))?;
        for byte in self.reader.take(usize::from(length))? {
            self.small(i64::from(*byte));
        }
        self.hasher.write_u8(END);
        Ok(())
    }

    fn small(&mut self, value: i64) {
        self.hasher.write_u8(tag::INTEGER);
        self.hasher.write_i64(value);
    }

    fn bytes(&mut self, bytes: &[u8]) {
        self.hasher.write_usize(bytes.len());
        self.hasher.write(bytes);
    }

    fn container(&mut self, kind: u8, children: u32) {
        self.hasher.write_u8(kind);
        self.hasher.write_u32(children);
        self.open.push(Open::Terms(children));
    }

    fn atom(&mut self) -> Result<(), Bad> {
        let text = walk::atom(&mut self.reader)?;
        self.bytes(text);
        Ok(())
    }

    /// Reads a leaf or the head of a container.
    fn token(&mut self) -> Result<(), Bad> {
        if let Some(integer) = walk::integer(&mut self.reader)? {
            match integer {
                Integer::Small(value) => self.small(value),
                Integer::Big(negative, digits) => {
                    self.hasher.write_u8(tag::LARGE_BIG);
                    self.hasher.write_u8(negative.into());
                    self.bytes(digits);
                }
            }
            return Ok(());
        }
        if walk::is_atom(&self.reader) {
            self.hasher.write_u8(tag::ATOM);
            return self.atom();
        }
        match self.reader.u8()? {
            tag::NIL => self.text(0)?,
            tag::STRING => {
                let length = self.reader.u16()?;
                self.text(length)?;
            }
            tag::LIST => {
                let left = self.reader.u32()?;
                self.list(left);
            }
            tag::SMALL_TUPLE => {
                let arity = u32::from(self.reader.u8()?);
                self.container(tag::LARGE_TUPLE, arity);
            }
            tag::LARGE_TUPLE => {
                let arity = self.reader.u32()?;
                self.container(tag::LARGE_TUPLE, arity);
            }
            tag::MAP => {
                let pairs = self.reader.u32()?;
                self.hasher.write_u8(tag::MAP);
                self.hasher.write_u32(pairs);
                let outer = self.hasher.clone();
                self.open.push(Open::Map { pairs, left: 2 * u64::from(pairs), sum: 0, outer });
            }
            tag::FLOAT => {
                self.hasher.write_u8(tag::FLOAT);
                let bytes = self.reader.take(8)?;
                self.hasher.write(bytes);
            }
            tag::BINARY => {
                let length = self.reader.u32()? as usize;
                let bytes = self.reader.take(length)?;
                self.bits(bytes, 8);
            }
            tag::BIT_BINARY => {
                let length = self.reader.u32()? as usize;
                let bits = self.reader.u8()?;
                let bytes = self.reader.take(length)?;
                self.bits(bytes, bits);
            }
            kind @ tag::PID => {
                self.hasher.write_u8(kind);
                self.atom()?;
                let numbers = self.reader.take(12)?;
                self.hasher.write(numbers);
            }
            kind @ (tag::PORT | tag::V4_PORT) => {
                self.hasher.write_u8(tag::PORT);
                self.atom()?;
                // The number may be written in four bytes or in eight.
                if kind == tag::PORT {
                    self.hasher.write_u32(0);
                }
                let numbers = self.reader.take(if kind == tag::PORT { 8 } else { 12 })?;
                self.hasher.write(numbers);
            }
            kind @ tag::REFERENCE => {
                self.hasher.write_u8(kind);
                self.reader.pos -= 1;
                let (node, reference) = self.reader.reference()?;
                self.bytes(node.text);
                // Words that are not there count as zeros.
                for word in [reference.creation].into_iter().chain(reference.words) {
                    self.hasher.write_u32(word);
                }
            }
            kind @ tag::EXPORT => {
                self.hasher.write_u8(kind);
                self.atom()?;
                self.atom()?;
                let arity = self.reader.take(2)?;
                self.hasher.write(arity);
            }
            tag::FUN => {
                let fun = Fun::read(&mut self.reader)?;
                self.container(tag::FUN, fun.free);
                self.hasher.write_u8(fun.arity);
                self.bytes(fun.identity);
                self.bytes(fun.module);
                fun.numbers.iter().for_each(|number| self.hasher.write_i32(*number));
            }
            kind @ tag::RECORD => {
                let fields = self.reader.u32()?;
                self.container(kind, fields);
                let exported = self.reader.u8()?;
                self.hasher.write_u8(exported);
                for _ in 0..u64::from(fields) + 2 {
                    self.atom()?;
                }
            }
            _ => return Err(Bad::UnknownTag),
        }
        Ok(())
    }

    /// Hashes bytes, of which the first bits of the last byte count; all 8: a binary.
    fn bits(&mut self, bytes: &[u8], count: u8) {
        self.hasher.write_u8(tag::BIT_BINARY);
        self.hasher.write_u8(count);
        self.hasher.write_usize(bytes.len());
        if let Some((last, bytes)) = bytes.split_last() {
            self.hasher.write(bytes);
            self.hasher.write_u8(last & used(count));
        }
    }
}

/// The mask of the bits that count in the last byte.
#[must_use]
pub fn used(count: u8) -> u8 {
    (0xff00_u16 >> count.min(8)) as u8
}
