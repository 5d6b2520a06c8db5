//! A first look at a message and a pattern, which discards most patterns that do not match.
//!
//! # Theory of operation
//!
//! A policy may have very many patterns for one name, and most of them differ in a label: the first element of a tuple, or
//! of a tuple in it. To compare a message with one pattern after the other would read the parts before the label again
//! and again. So from some patterns on, the beginnings of the message's elements are found once ([`Outline`]), and each
//! pattern is compared with the beginnings first. A pattern that passes this look is compared as ever, so the look changes
//! nothing but the cost.

use super::matching::bits;
use super::Node;
use crate::error::Bad;
use crate::term::reader::Reader;
use crate::term::tag;
use crate::term::walk::{self, Integer};

/// The beginnings of the first elements of a tuple. It is small, because every message has one.
#[derive(Clone, Copy, Debug, Default)]
pub struct Outline {
    /// Number of patterns that the message was compared with, up to the first look.
    pub compared: u8,
    /// The number of elements; 0: nothing is known.
    arity: u8,
    /// The position of the tuple. Another term of the same message has another one.
    tuple: u16,
    /// Bytes from its beginning to the second and third element; 0: not known.
    elements: [u16; 2],
}

/// Bytes before the first element of a tuple.
const HEAD: usize = 2;

impl Outline {
    /// Finds the beginnings in a term.
    #[cold]
    pub fn find(&mut self, mut term: Reader<'_>) {
        let (start, head) = (term.pos, term.two());
        let (Ok(tuple), Some([tag::SMALL_TUPLE, arity])) = (u16::try_from(start), head) else { return };
        (self.tuple, self.arity, term.pos) = (tuple, arity, start + HEAD);
        for place in self.elements.iter_mut().take(usize::from(arity).saturating_sub(1)) {
            let Ok(()) = walk::skip_one(&mut term) else { return };
            let Ok(behind) = u16::try_from(term.pos - start) else { return };
            *place = behind;
        }
    }
}

/// Enters a tuple; returns the number of its elements.
pub(super) fn arity(term: &mut Reader<'_>) -> Result<Option<u32>, Bad> {
    Ok(match term.u8()? {
        tag::SMALL_TUPLE => Some(u32::from(term.u8()?)),
        tag::LARGE_TUPLE => Some(term.u32()?),
        _ => None,
    })
}

impl Node {
    /// False if the message does not match, by what its parts begin with.
    #[cold]
    pub(super) fn may_fit(&self, term: Reader<'_>, outline: Outline) -> bool {
        let Node::Tuple(nodes) = self else { return true };
        if usize::from(outline.tuple) != term.pos || outline.arity == 0 {
            return true;
        }
        let behind = [HEAD as u16, outline.elements[0], outline.elements[1]].map(usize::from);
        let begins =
            |(node, behind): (&Node, usize)| behind == 0 || node.may_begin(Reader { pos: term.pos + behind, ..term });
        nodes.len() == usize::from(outline.arity) && nodes.iter().zip(behind).all(begins)
    }

    /// False if no term with the same beginning as the reader's matches.
    pub(super) fn may_begin(&self, term: Reader<'_>) -> bool {
        // What can't be read is left to the comparison.
        self.begins(term).unwrap_or(true)
    }

    /// False if no list with elements matches, nor the rest of one.
    pub(super) fn may_be_list(&self) -> bool {
        use Node::{Any, Each, List, Nil, OneOf, Type, Variable};
        matches!(self, Any | Variable(_) | Type(_) | List(..) | Each(..) | OneOf(_) | Nil)
    }

    fn begins(&self, mut term: Reader<'_>) -> Result<bool, Bad> {
        let kind = term.peek()?;
        Ok(match self {
            Node::Atom(text) => walk::is_atom(&term) && walk::atom(&mut term)? == &**text,
            Node::Small(number) => walk::integer(&mut term)? == Some(Integer::Small(*number)),
            Node::Bits(bytes, count) => {
                bits(&mut term)?.is_some_and(|(found, bits)| bits == *count && (bits < 8 || *found == **bytes))
            }
            Node::Prefix(prefix) => bits(&mut term)?.is_some_and(|(found, _)| found.starts_with(prefix)),
            Node::Tuple(nodes) => {
                let first = nodes.first();
                arity(&mut term)?.is_some_and(|arity| arity as usize == nodes.len())
                    && first.is_none_or(|first| first.may_begin(term))
            }
            Node::List(nodes, _) if nodes.is_empty() => true,
            Node::List(..) | Node::Each(..) | Node::Nil => walk::is_list(&term),
            Node::Map(..) | Node::Pairs(_) => kind == tag::MAP,
            _ => true,
        })
    }
}
