//! Walking over terms without building them.
//!
//! # Theory of operation
//!
//! A term is a tree written in prefix order, so it is enough to count the terms `left` in the innermost open container.
//! A leaf takes one away. A container takes one away, and its own terms are counted first. A stack remembers the counts
//! of the containers around: its height is the depth.
//!
//! There is no recursion. A VM reads two parts by recursion: an export's arity, and the integers and the pid of a fun.
//! They are read here as part of their container's fixed head.
//!
//! A [`Scanner`] can stop between two tokens and go on with the next fragment's bytes ([`Scanner::feed`]); a token cut
//! in two waits in `carry`.

use crate::error::Bad;
use crate::limits::Limit;
use crate::term::reader::{Reader, SHORT};
use crate::term::tag;

mod ahead;
mod findings;
mod plain;
mod watch;

pub use ahead::Ahead;
pub use findings::{Counts, Mentions, ScanFindings};
pub use watch::{Allowance, Guarded, Watch};

/// One open container.
#[derive(Clone, Copy, Default)]
struct Level {
    /// Number of its terms still to come.
    left: u64,
    /// For a map whose keys are compared: the index of its first span, plus one. [`PROPER`] for a list with a tail that
    /// has to be NIL. Otherwise 0.
    spans: u32,
    /// Position of its first byte.
    start: u32,
}

const PROPER: u32 = u32::MAX;

/// The state of a walk.
#[derive(Default)]
pub struct Scanner {
    /// The innermost container that is open; at first, the whole term.
    level: Level,
    /// The containers around it.
    outer: Vec<Level>,
    /// Number of terms of the containers around that are still to come.
    below: u64,
    /// Bytes of a binary, string or big integer still to pass over.
    skip: u64,
    carry: Vec<u8>,
    /// Length of `carry` at which another look is useful.
    again: usize,
    /// The spans of all keys of the open maps.
    spans: Vec<(u32, u32)>,
    /// In a message in one piece: position of the token that was noted last, as a key, a value or a tail. A token of which
    /// only the beginning was there is looked at again.
    noted: usize,
    /// Beginnings and ends of large terms of a message in one piece, for [`Jumps`](crate::term::reader::Jumps).
    large: Vec<(u32, u32)>,
    /// True if the term has to be a proper list (if it is a list at all).
    proper: bool,
    /// True if maps are searched for equal keys: then all parts of the term have to be there, in one piece.
    searches: bool,
    /// Findings so far.
    pub found: ScanFindings,
}

/// Bytes of a pid that names its node by position.
const PID_SIZE: usize = 15;
/// Bytes of a reference of three words that names its node by position.
const REFERENCE_SIZE: usize = 21;
/// A number of subterms larger than any message could hold.
const MAX_NEED: u64 = u32::MAX as u64;
/// Maps with more keys than this are not searched for equal keys (the VM does that as well).
const MAX_KEYS: u64 = 1 << 16;

/// Bytes of a term from which on its end is kept.
const LARGE: usize = 1 << 16;
/// Depth up to which ends of large terms are kept. So there are few of them, and no reader enters deeper ones one by one.
const LARGE_DEPTH: usize = 64;

/// The error for a second spelling of a term: readers could take two spellings for two terms, such as equal keys of a
/// map.
const NOT_SHORTEST: Bad = Bad::LongNumberForm;

enum Stop {
    /// The token at the cursor is not complete.
    Short,
    Bad(Bad),
}

impl From<Bad> for Stop {
    fn from(bad: Bad) -> Self {
        Stop::Bad(bad)
    }
}

impl Scanner {
    /// Walks over one whole term at `pos`; returns the position of its end.
    #[inline(always)]
    pub fn whole(&mut self, data: &[u8], pos: usize, watch: &Watch<'_>) -> Result<usize, Bad> {
        match self.plain::<false>(data, pos, watch) {
            Some(end) => Ok(end),
            None => self.thorough(data, pos, watch, false),
        }
    }

    /// The same for a list that has to be proper: the arguments of a spawn request.
    #[inline]
    pub fn whole_proper(&mut self, data: &[u8], pos: usize, watch: &Watch<'_>) -> Result<usize, Bad> {
        match self.plain::<true>(data, pos, watch) {
            Some(end) => Ok(end),
            None => self.thorough(data, pos, watch, true),
        }
    }

    #[inline(never)]
    fn thorough(&mut self, data: &[u8], pos: usize, watch: &Watch<'_>, proper: bool) -> Result<usize, Bad> {
        self.begin(proper);
        self.searches = true;
        match self.run(data, pos, watch, true) {
            Ok(end) if self.finished() => Ok(end),
            Ok(_) => Err(SHORT),
            Err(bad) => Err(bad),
        }
    }

    /// Begins a term that comes in parts.
    pub fn begin(&mut self, proper: bool) {
        self.level = Level { left: 1, spans: 0, start: 0 };
        self.outer.clear();
        self.large.clear();
        self.noted = usize::MAX;
        self.below = 0;
        self.skip = 0;
        self.carry.clear();
        self.again = 0;
        self.spans.clear();
        self.proper = proper;
        self.searches = false;
    }

    /// Goes on at `pos` in a term that grows in one piece. Returns the position of the first incomplete token. Maps are
    /// searched for equal keys.
    pub fn resume(&mut self, data: &[u8], pos: usize, watch: &Watch<'_>) -> Result<usize, Bad> {
        self.searches = true;
        self.run(data, pos, watch, false)
    }

    /// The ends of the large terms of a complete term, sorted by their beginnings.
    pub fn take_large(&mut self) -> Vec<(u32, u32)> {
        let mut large = std::mem::take(&mut self.large);
        large.sort_unstable();
        large
    }

    /// Walks over the next part; `last` is true for the last one. Bytes behind the end of the term are an error.
    pub fn feed(&mut self, part: &[u8], last: bool, watch: &Watch<'_>) -> Result<(), Bad> {
        if self.carry.is_empty() {
            let end = self.run(part, 0, watch, false)?;
            return self.rest(&part[end..]);
        }
        self.carry.extend_from_slice(part);
        // A long token is read again only when twice as much of it is there, or many small parts would cost their square.
        if self.carry.len() < self.again && !last {
            return Ok(());
        }
        let joined = std::mem::take(&mut self.carry);
        let end = self.run(&joined, 0, watch, false)?;
        self.rest(&joined[end..])
    }

    fn rest(&mut self, tail: &[u8]) -> Result<(), Bad> {
        const LONG: usize = 4096;
        if self.finished() && !tail.is_empty() {
            return Err(Bad::TrailingBytes);
        }
        self.again = if tail.len() > LONG { 2 * tail.len() } else { 0 };
        self.carry.extend_from_slice(tail);
        Ok(())
    }

    /// True if the term is complete.
    #[must_use]
    pub fn finished(&self) -> bool {
        self.level.left == 0 && self.outer.is_empty() && self.skip == 0
    }

    /// Bytes kept between parts.
    #[must_use]
    pub fn kept(&self) -> usize {
        let spans = (self.spans.capacity() + self.large.capacity()) * size_of::<(u32, u32)>();
        self.carry.len() + self.outer.capacity() * size_of::<Level>() + spans
    }

    /// Goes on until the term is complete or the data ends; returns that position.
    fn run(&mut self, data: &[u8], mut pos: usize, watch: &Watch<'_>, whole: bool) -> Result<usize, Bad> {
        let atoms = watch.terms.atoms.len();
        if self.skip > 0 && !self.passed_over(data, &mut pos) {
            return Ok(pos);
        }
        // Terms of the innermost container: most tokens only count them down.
        let mut left = self.level.left;
        loop {
            if left == 0 {
                self.level.left = 0;
                if !self.close(data, pos)? {
                    return Ok(pos);
                }
                left = self.level.left;
                continue;
            }
            let Some(rest @ [kind, ..]) = data.get(pos..) else {
                self.level.left = left;
                return Ok(pos);
            };
            // Positions in separate parts say nothing.
            if self.level.spans != 0 && !(self.searches && self.noted == pos) {
                self.level.left = left;
                self.noted = pos;
                self.span(data, *kind, pos)?;
            }
            // Most tokens are small.
            let size = match rest {
                [tag::ATOM_REF, index, ..] if usize::from(*index) < atoms => 2,
                [tag::SMALL_INTEGER, _, ..] => 2,
                [tag::INTEGER, a, b, c, _, ..] if a | b | c != 0 => 5,
                [tag::NIL, ..] => 1,
                [tag::SMALL_TUPLE, arity, ..] => {
                    self.level.left = left;
                    self.open(u64::from(*arity), 0, pos, watch)?;
                    left = self.level.left;
                    pos += 2;
                    continue;
                }
                [tag::PID, tag::ATOM_REF, ..] if rest.len() >= PID_SIZE => {
                    let (node, pid) = Reader::new(rest, watch.terms).pid()?;
                    self.found.process(node, pid, watch);
                    PID_SIZE
                }
                [tag::REFERENCE, 0, 3, tag::ATOM_REF, ..] if rest.len() >= REFERENCE_SIZE => {
                    let (node, reference) = Reader::new(rest, watch.terms).reference()?;
                    self.found.reference(node, reference, watch);
                    REFERENCE_SIZE
                }
                _ => {
                    self.level.left = left;
                    match self.token(data, &mut pos, watch) {
                        Ok(()) => {}
                        Err(Stop::Short) if whole => return Err(Bad::ShortTerm),
                        Err(Stop::Short) => return Ok(pos),
                        Err(Stop::Bad(bad)) => return Err(bad),
                    }
                    if self.skip > 0 {
                        while self.level.left == 0 && self.close(data, pos + self.skip as usize)? {}
                        if !self.passed_over(data, &mut pos) {
                            return Ok(pos);
                        }
                    }
                    left = self.level.left;
                    continue;
                }
            };
            pos += size;
            left -= 1;
        }
    }

    /// Goes back to the container around a complete one. False if the whole term is complete.
    #[inline(always)]
    fn close(&mut self, data: &[u8], end: usize) -> Result<bool, Bad> {
        let Some(outer) = self.outer.pop() else { return Ok(false) };
        if self.searches && end - self.level.start as usize >= LARGE && self.outer.len() < LARGE_DEPTH {
            self.large.push((self.level.start, end as u32));
        }
        if !matches!(self.level.spans, 0 | PROPER) {
            distinct_keys(data, &mut self.spans, self.level.spans as usize - 1)?;
        }
        self.level = outer;
        self.below -= outer.left;
        Ok(true)
    }

    /// Passes over the bytes of a long token; false if more bytes of it are to come.
    fn passed_over(&mut self, data: &[u8], pos: &mut usize) -> bool {
        let step = self.skip.min((data.len() - *pos) as u64);
        *pos += step as usize;
        self.skip -= step;
        self.skip == 0
    }

    /// Notes the positions of keys and values of a map, and checks the tail of a list that has to be proper.
    fn span(&mut self, data: &[u8], kind: u8, pos: usize) -> Result<(), Bad> {
        let Level { left, spans, .. } = self.level;
        if spans == PROPER {
            if left == 1 && kind != tag::NIL {
                return Err(Bad::SpawnArgumentsImproper);
            }
            return Ok(());
        }
        let at = pos as u32;
        if left.is_multiple_of(2) {
            self.spans.push((at, at));
        } else if let Some(span) = self.spans.last_mut() {
            span.1 = at;
            presort(data, &mut self.spans[spans as usize - 1..]);
        }
        Ok(())
    }

    #[inline]
    fn open(&mut self, children: u64, spans: u32, start: usize, watch: &Watch<'_>) -> Result<(), Bad> {
        self.level.left -= 1;
        if children == 0 {
            return Ok(());
        }
        if self.outer.len() as u64 >= watch.limits.term_depth() {
            return Err(Bad::TooDeep);
        }
        self.below += self.level.left;
        if self.below + children > MAX_NEED {
            return Err(Bad::TooManySubterms);
        }
        self.outer.push(std::mem::replace(&mut self.level, Level { left: children, spans, start: start as u32 }));
        Ok(())
    }

    /// Consumes one token: a leaf, or the head of a container.
    #[inline(never)]
    fn token(&mut self, data: &[u8], pos: &mut usize, watch: &Watch<'_>) -> Result<(), Stop> {
        let start = *pos;
        let left = data.len() - start;
        let be32 = |at: usize| u32::from_be_bytes([data[at], data[at + 1], data[at + 2], data[at + 3]]);
        macro_rules! fixed {
            ($size:expr) => {
                if left < $size {
                    return Err(Stop::Short);
                }
                *pos = start + $size;
            };
        }
        match data[start] {
            tag::SMALL_INTEGER => {
                fixed!(2);
            }
            tag::ATOM_REF => {
                fixed!(2);
                if usize::from(data[start + 1]) >= watch.terms.atoms.len() {
                    return Err(Bad::UnknownAtom.into());
                }
            }
            tag::INTEGER => {
                fixed!(5);
                if be32(start + 1) < 256 {
                    return Err(NOT_SHORTEST.into());
                }
            }
            tag::NIL => {
                fixed!(1);
            }
            // Its arity is still to come.
            tag::SMALL_TUPLE => return Err(Stop::Short),
            tag::LARGE_TUPLE => {
                fixed!(5);
                let arity = be32(start + 1);
                if !(256..1 << 24).contains(&arity) {
                    return Err(Bad::TupleArity.into());
                }
                return Ok(self.open(u64::from(arity), 0, start, watch)?);
            }
            tag::LIST => {
                fixed!(5);
                let length = be32(start + 1);
                if length == 0 {
                    return Err(Bad::LongListForm.into());
                }
                let spans = if self.proper && self.outer.is_empty() { PROPER } else { 0 };
                return Ok(self.open(u64::from(length) + 1, spans, start, watch)?);
            }
            tag::MAP => {
                fixed!(5);
                let pairs = u64::from(be32(start + 1));
                let searched = self.searches && (2..=MAX_KEYS).contains(&pairs);
                let spans = if searched { self.spans.len() as u32 + 1 } else { 0 };
                return Ok(self.open(pairs * 2, spans, start, watch)?);
            }
            tag::BINARY => {
                fixed!(5);
                self.skip = u64::from(be32(start + 1));
            }
            tag::STRING => {
                fixed!(3);
                self.skip = u64::from(u16::from_be_bytes([data[start + 1], data[start + 2]]));
            }
            tag::FLOAT => {
                fixed!(9);
                if data[start + 1] & 0x7f == 0x7f && data[start + 2] & 0xf0 == 0xf0 {
                    return Err(Bad::NotANumber.into());
                }
            }
            tag::BIT_BINARY => {
                fixed!(6);
                let length = be32(start + 1);
                if length == 0 || !(1..=8).contains(&data[start + 5]) {
                    return Err(Bad::BitCount.into());
                }
                self.skip = u64::from(length);
            }
            tag::SMALL_BIG => {
                let length = data.get(start + 1).map_or(1, |length| usize::from(*length));
                fixed!(3 + length);
                // The C library writes integers of four bytes so where a VM would not.
                if length < 4 || data[start + 2 + length] == 0 {
                    return Err(NOT_SHORTEST.into());
                }
                self.big(length as u64, data[start + 2], watch)?;
            }
            tag::LARGE_BIG => {
                fixed!(6);
                let length = be32(start + 1);
                if length < 256 {
                    return Err(NOT_SHORTEST.into());
                }
                self.big(u64::from(length), data[start + 5], watch)?;
                self.skip = u64::from(length);
            }
            _ => return self.composed(data, pos, watch),
        }
        self.level.left -= 1;
        Ok(())
    }

    fn big(&mut self, length: u64, sign: u8, watch: &Watch<'_>) -> Result<(), Bad> {
        if sign > 1 {
            return Err(Bad::BigSign);
        }
        if length > watch.limits.bigint_bytes() {
            self.found.over.get_or_insert(Limit::BigintBytes);
        }
        Ok(())
    }

    /// Reads tokens with atoms by a cursor, which reports data that ends too early.
    fn composed(&mut self, data: &[u8], pos: &mut usize, watch: &Watch<'_>) -> Result<(), Stop> {
        let mut reader = Reader { pos: *pos, ..Reader::new(data, watch.terms) };
        let tag = data[*pos];
        let children = match self.read(tag, &mut reader, watch) {
            Ok(children) => children,
            Err(SHORT) => return Err(Stop::Short),
            Err(bad) => return Err(Stop::Bad(bad)),
        };
        let start = std::mem::replace(pos, reader.pos);
        Ok(self.open(children, 0, start, watch)?)
    }

    fn read(&mut self, tag: u8, reader: &mut Reader<'_>, watch: &Watch<'_>) -> Result<u64, Bad> {
        match tag {
            tag::ATOM | tag::SMALL_ATOM => {
                let text = reader.text()?;
                self.found.written(text, watch);
                Ok(0)
            }
            tag::PID => {
                let (node, pid) = reader.pid()?;
                self.found.process(node, pid, watch);
                Ok(0)
            }
            tag::REFERENCE => {
                let (node, reference) = reader.reference()?;
                self.found.reference(node, reference, watch);
                Ok(0)
            }
            tag::PORT | tag::V4_PORT => {
                reader.pos += 1;
                let node = reader.atom()?;
                reader.take(if tag == tag::PORT { 4 } else { 8 })?;
                let creation = reader.u32()?;
                self.found.node(node, creation, watch);
                Ok(0)
            }
            tag::EXPORT => {
                reader.pos += 1;
                let module = reader.atom()?;
                let function = reader.atom()?;
                if reader.u8()? != tag::SMALL_INTEGER {
                    return Err(Bad::ExportArity);
                }
                let arity = reader.u8()?;
                self.found.fun(&[module.text, function.text, &[arity]], watch);
                self.found.inline(module, watch);
                self.found.inline(function, watch);
                Ok(0)
            }
            tag::FUN => {
                reader.pos += 1;
                let head = reader.take(29)?;
                let free = u32::from_be_bytes([head[25], head[26], head[27], head[28]]);
                if free > 255 {
                    return Err(Bad::FunFreeVariables);
                }
                let module = reader.atom()?;
                let numbers = reader.pos;
                for _ in 0..2 {
                    match reader.u8()? {
                        tag::SMALL_INTEGER => reader.take(1)?,
                        tag::INTEGER => reader.take(4)?,
                        _ => return Err(Bad::FunIndex),
                    };
                }
                // All of these: which ones make a fun another one differs between releases.
                let numbers = &reader.data[numbers..reader.pos];
                let (node, pid) = reader.pid()?;
                self.found.fun(&[module.text, &head[4..25], numbers], watch);
                self.found.inline(module, watch);
                self.found.node(node, pid.creation, watch);
                self.found.mention(node.word, pid, watch);
                Ok(u64::from(free))
            }
            tag::RECORD if watch.records => {
                reader.pos += 1;
                let fields = reader.u32()?;
                if fields > 4096 || reader.u8()? > 1 {
                    return Err(Bad::RecordHead);
                }
                let atoms = reader.pos;
                for _ in 0..fields + 2 {
                    reader.atom()?;
                }
                // Noted only when all of them are there: a token cut in two is read again.
                reader.pos = atoms;
                let mut names = Vec::with_capacity(fields as usize);
                for i in 0..fields + 2 {
                    let atom = reader.atom()?;
                    self.found.inline(atom, watch);
                    if i >= 2 {
                        names.push(atom.text);
                    }
                }
                names.sort_unstable();
                if names.windows(2).any(|pair| pair[0] == pair[1]) {
                    return Err(Bad::DuplicateField);
                }
                Ok(u64::from(fields))
            }
            _ => Err(Bad::UnknownTag),
        }
    }
}

/// The bytes of a key.
fn key<'d>(data: &'d [u8], span: &(u32, u32)) -> Option<&'d [u8]> {
    data.get(span.0 as usize..span.1 as usize)
}

/// Sorts keys while they come in: every 256 keys, and then twice as many of these, again and again. So the end of a large
/// map finds its keys nearly sorted, and no moment has to sort them all.
#[inline]
fn presort(data: &[u8], keys: &mut [(u32, u32)]) {
    const RUN: usize = 256;
    let count = keys.len();
    if count.is_multiple_of(RUN) {
        // A stable sort merges what is sorted already.
        keys[count - (1 << count.trailing_zeros())..].sort_by(|a, b| key(data, a).cmp(&key(data, b)));
    }
}

/// Refuses equal keys in a map, which end a VM's connection. Equal keys are equal bytes here, as each term has one
/// spelling.
fn distinct_keys(data: &[u8], spans: &mut Vec<(u32, u32)>, from: usize) -> Result<(), Bad> {
    let equal = if spans.len() - from <= 8 {
        spans[from..]
            .iter()
            .enumerate()
            .any(|(i, a)| spans[from + i + 1..].iter().any(|b| key(data, a) == key(data, b)))
    } else {
        spans[from..].sort_by(|a, b| key(data, a).cmp(&key(data, b)));
        spans[from..].windows(2).any(|pair| key(data, &pair[0]) == key(data, &pair[1]))
    };
    spans.truncate(from);
    if equal {
        return Err(Bad::DuplicateKey);
    }
    Ok(())
}
