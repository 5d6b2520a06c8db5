//! Reading single terms in place: atoms, pids, references, small integers.
//!
//! Only the encodings of OTP 25 to 29 and its C library are accepted. With any other spelling of the same value two
//! readers could disagree, so it ends the channel.

use std::hash::{Hash, Hasher};
use std::sync::Arc;

use crate::error::Bad;
use crate::term::atoms::{check_text, Atom, AtomView, NodeNames, Word};
use crate::term::tag;

/// The first bytes of a pid whose node is named by position, to be compared at once.
const PID_HEAD: [u8; 2] = [tag::PID, tag::ATOM_REF];
/// The first bytes of a reference of three words, likewise.
const REFERENCE_HEAD: [u8; 4] = [tag::REFERENCE, 0, 3, tag::ATOM_REF];

/// The data ends inside a term.
pub const SHORT: Bad = Bad::ShortTerm;

/// A pid without its node.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Pid {
    /// Number.
    pub id: u32,
    /// Serial.
    pub serial: u32,
    /// Incarnation of its node.
    pub creation: u32,
}

/// A reference without its node.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Reference {
    /// Incarnation of its node.
    pub creation: u32,
    /// The number of words that count.
    pub length: u8,
    /// The words as on the wire, the rest zero.
    pub words: [u32; 5],
}

// One large number is hashed faster than many small ones.
impl Hash for Pid {
    #[inline]
    fn hash<H: Hasher>(&self, state: &mut H) {
        // No reference of the guarded node has such a first word, so none has the hash of a pid.
        let [a, b, c] = [self.id, self.serial, self.creation].map(u128::from);
        state.write_u128(u128::MAX << 96 | a << 64 | b << 32 | c);
    }
}

impl Hash for Reference {
    #[inline]
    fn hash<H: Hasher>(&self, state: &mut H) {
        let [a, b, c, d, e] = self.words.map(u128::from);
        state.write_u128(a << 96 | b << 64 | c << 32 | u128::from(self.creation));
        if self.length > 3 {
            state.write_u128(d << 32 | e);
        }
    }
}

/// The atoms of a header, each with its slot, in the order in which terms name them.
pub type Named = [(u16, Arc<Atom>)];

/// The context of the terms of one message.
#[derive(Clone, Copy)]
pub struct Terms<'a> {
    /// The atoms that terms name by position.
    pub atoms: &'a Named,
    /// The two nodes.
    pub names: &'a NodeNames,
    /// The ends of its large terms, if they are known.
    pub jumps: Option<&'a Jumps<'a>>,
}

/// The ends of large terms, so that nobody has to walk over them.
pub struct Jumps<'a> {
    /// The bytes that these terms are in.
    pub data: &'a [u8],
    /// The beginnings and ends, sorted by the beginnings.
    pub spans: &'a [(u32, u32)],
}

impl Jumps<'_> {
    /// The end of a term of these bytes, if it is a large one.
    #[must_use]
    pub fn end(&self, data: &[u8], pos: usize) -> Option<usize> {
        let same = data.as_ptr() == self.data.as_ptr() && data.len() == self.data.len();
        let at = self.spans.binary_search_by_key(&pos, |span| span.0 as usize).ok().filter(|_| same)?;
        Some(self.spans[at].1 as usize)
    }
}

impl<'a> Terms<'a> {
    /// A context for terms in which every atom is written out.
    #[must_use]
    pub fn plain(names: &'a NodeNames) -> Self {
        Terms { atoms: &[], names, jumps: None }
    }

    /// The atom at a position, as terms show it.
    #[inline(always)]
    pub fn view(&self, index: u8) -> Result<AtomView<'a>, Bad> {
        let atom = self.atom(index)?;
        Ok(AtomView { text: &atom.text, word: atom.word, inline: false })
    }

    /// The atom at a position.
    #[inline(always)]
    pub fn atom(&self, index: u8) -> Result<&'a Atom, Bad> {
        match self.atoms.get(usize::from(index)) {
            Some((_, atom)) => Ok(atom),
            None => Err(Bad::UnknownAtom),
        }
    }
}

/// The numbers of a pid.
#[inline(always)]
fn pid_of(node: Word, numbers: &[u8; 12]) -> Result<Pid, Bad> {
    let word = |i: usize| u32::from_be_bytes([numbers[i], numbers[i + 1], numbers[i + 2], numbers[i + 3]]);
    if node == Word::Guard && word(0) >= 1 << 28 {
        return Err(Bad::PidRange);
    }
    Ok(Pid { id: word(0), serial: word(4), creation: word(8) })
}

/// A cursor over the terms of one message.
#[derive(Clone, Copy)]
pub struct Reader<'a> {
    /// The bytes.
    pub data: &'a [u8],
    /// The position of the next term.
    pub pos: usize,
    /// The context of the terms.
    pub terms: &'a Terms<'a>,
}

impl<'a> Reader<'a> {
    /// A reader at the first of these bytes.
    #[must_use]
    pub fn new(data: &'a [u8], terms: &'a Terms<'a>) -> Self {
        Reader { data, pos: 0, terms }
    }

    /// The next byte, without consuming it.
    #[inline]
    pub fn peek(&self) -> Result<u8, Bad> {
        self.data.get(self.pos).copied().ok_or(SHORT)
    }

    /// The next two bytes, without consuming them.
    #[inline]
    #[must_use]
    pub fn two(&self) -> Option<[u8; 2]> {
        self.data.get(self.pos..)?.first_chunk().copied()
    }

    /// Consumes bytes.
    pub fn take(&mut self, count: usize) -> Result<&'a [u8], Bad> {
        let end = self.pos.checked_add(count).ok_or(SHORT)?;
        let bytes = self.data.get(self.pos..end).ok_or(SHORT)?;
        self.pos = end;
        Ok(bytes)
    }

    /// Consumes `N` bytes.
    #[inline]
    fn array<const N: usize>(&mut self) -> Result<&'a [u8; N], Bad> {
        let bytes = self.data.get(self.pos..).and_then(<[u8]>::first_chunk).ok_or(SHORT)?;
        self.pos += N;
        Ok(bytes)
    }

    /// Consumes one byte.
    #[inline]
    pub fn u8(&mut self) -> Result<u8, Bad> {
        let byte = self.peek()?;
        self.pos += 1;
        Ok(byte)
    }

    /// Consumes two bytes.
    #[inline]
    pub fn u16(&mut self) -> Result<u16, Bad> {
        Ok(u16::from_be_bytes(*self.array()?))
    }

    /// Consumes four bytes.
    #[inline]
    pub fn u32(&mut self) -> Result<u32, Bad> {
        Ok(u32::from_be_bytes(*self.array()?))
    }

    /// An atom.
    #[inline(always)]
    pub fn atom(&mut self) -> Result<AtomView<'a>, Bad> {
        match self.data.get(self.pos..) {
            Some(&[tag::ATOM_REF, index, ..]) => {
                // The bytes are there, so the sum is never too large.
                self.pos = self.pos.wrapping_add(2);
                self.terms.view(index)
            }
            _ => {
                let (text, word) = self.written()?;
                Ok(AtomView { text, word, inline: true })
            }
        }
    }

    /// An atom that is written out.
    #[inline(never)]
    fn written(&mut self) -> Result<(&'a [u8], Word), Bad> {
        if self.peek()? == tag::ATOM_REF {
            return Err(SHORT);
        }
        let text = self.text()?;
        Ok((text, self.terms.names.word(text)))
    }

    /// The text of an atom that is written out.
    pub fn text(&mut self) -> Result<&'a [u8], Bad> {
        let length = match self.u8()? {
            tag::SMALL_ATOM => usize::from(self.u8()?),
            tag::ATOM => match usize::from(self.u16()?) {
                0..=255 => return Err(Bad::LongAtomForm),
                length => length,
            },
            _ => return Err(Bad::AtomExpected),
        };
        let text = self.take(length)?;
        check_text(text)?;
        Ok(text)
    }

    /// A pid and its node.
    #[inline(always)]
    pub fn pid(&mut self) -> Result<(AtomView<'a>, Pid), Bad> {
        // Nearly all name their node by position: one look at the data is enough.
        let whole: Option<&[u8; 15]> = self.data.get(self.pos..).and_then(<[u8]>::first_chunk);
        if let Some([_, _, index, numbers @ ..]) = whole.filter(|whole| whole.starts_with(&PID_HEAD)) {
            let node = self.terms.view(*index)?;
            // The bytes are there, so the sum is never too large.
            self.pos = self.pos.wrapping_add(15);
            return Ok((node, pid_of(node.word, numbers)?));
        }
        let (AtomView { text, word, inline }, Pid { id, serial, creation }) = self.unusual_pid()?;
        Ok((AtomView { text, word, inline }, Pid { id, serial, creation }))
    }

    /// A pid whose node is written out.
    #[inline(never)]
    fn unusual_pid(&mut self) -> Result<(AtomView<'a>, Pid), Bad> {
        if self.u8()? != tag::PID {
            return Err(Bad::PidExpected);
        }
        let node = self.atom()?;
        let numbers = self.array::<12>()?;
        Ok((node, pid_of(node.word, numbers)?))
    }

    /// A reference and its node.
    #[inline(always)]
    pub fn reference(&mut self) -> Result<(AtomView<'a>, Reference), Bad> {
        // Nearly all have three words and name their node by position.
        let whole: Option<&[u8; 21]> = self.data.get(self.pos..).and_then(<[u8]>::first_chunk);
        if let Some([_, _, _, _, index, b @ ..]) = whole.filter(|whole| whole.starts_with(&REFERENCE_HEAD)) {
            let node = self.terms.view(*index)?;
            self.pos = self.pos.wrapping_add(21);
            let word = |i: usize| u32::from_be_bytes([b[i], b[i + 1], b[i + 2], b[i + 3]]);
            let words = [word(4), word(8), word(12), 0, 0];
            if node.word == Word::Guard && words[0] >= 1 << 18 {
                return Err(Bad::ReferenceRange);
            }
            return Ok((node, Reference { creation: word(0), length: 3, words }));
        }
        let (AtomView { text, word, inline }, Reference { creation, length, words }) = self.unusual_reference()?;
        Ok((AtomView { text, word, inline }, Reference { creation, length, words }))
    }

    /// A reference of another length, or whose node is written out.
    #[inline(never)]
    fn unusual_reference(&mut self) -> Result<(AtomView<'a>, Reference), Bad> {
        if self.u8()? != tag::REFERENCE {
            return Err(Bad::ReferenceExpected);
        }
        let length = self.u16()?;
        if !(1..=5).contains(&length) {
            return Err(Bad::ReferenceLength);
        }
        let node = self.atom()?;
        let creation = self.u32()?;
        let mut words = [0; 5];
        for word in words.iter_mut().take(usize::from(length)) {
            *word = self.u32()?;
        }
        // Nodes make them of three words, and of five where a process is in them.
        if node.word == Word::Guard && (words[0] >= 1 << 18 || !matches!(length, 3 | 5)) {
            return Err(Bad::ReferenceRange);
        }
        Ok((node, Reference { creation, length: length as u8, words }))
    }

    /// An integer that fits into 64 bits and is not negative.
    pub fn unsigned(&mut self) -> Result<u64, Bad> {
        const NOT: Bad = Bad::UnsignedExpected;
        match self.u8()? {
            tag::SMALL_INTEGER => Ok(u64::from(self.u8()?)),
            tag::INTEGER => u64::try_from(self.u32()?.cast_signed()).map_err(|_| NOT),
            tag::SMALL_BIG => {
                let length = usize::from(self.u8()?);
                let sign = self.u8()?;
                if sign != 0 || !(1..=8).contains(&length) {
                    return Err(NOT);
                }
                let mut bytes = [0; 8];
                bytes[..length].copy_from_slice(self.take(length)?);
                Ok(u64::from_le_bytes(bytes))
            }
            _ => Err(NOT),
        }
    }

    /// The arity of a tuple whose elements come next.
    pub fn tuple(&mut self) -> Result<u32, Bad> {
        match self.u8()? {
            tag::SMALL_TUPLE => Ok(u32::from(self.u8()?)),
            tag::LARGE_TUPLE => self.u32(),
            _ => Err(Bad::TupleExpected),
        }
    }
}
