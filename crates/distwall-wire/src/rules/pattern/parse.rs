//! Reads compiled patterns.

use super::matching::bits;
use super::{Node, TypeGuard, GUARDS, MAX_DEPTH, MAX_KEYS, MAX_VARIABLES};
use crate::term::reader::{Reader, Terms};
use crate::term::tag;
use crate::term::walk::{self, Integer};

const SHORT: &str = "a pattern is cut short";

/// A pattern as it was read.
pub(super) struct Parsed {
    pub root: Node,
    /// A bit for each recurring variable.
    pub recurring: u64,
}

/// Reads a whole pattern.
pub(super) fn parse(code: &[u8], terms: &Terms<'_>) -> Result<Parsed, &'static str> {
    let mut parser = Parser { code: Reader::new(code, terms), seen: 0, recurring: 0, repeated: false };
    let root = parser.node(0)?;
    if parser.code.pos != code.len() {
        return Err("bytes follow the end of a pattern");
    }
    Ok(Parsed { root, recurring: parser.recurring })
}

struct Parser<'a> {
    code: Reader<'a>,
    /// Number of variables so far.
    seen: u64,
    recurring: u64,
    /// True if the part is matched several times: a variable in it would have no single value.
    repeated: bool,
}

impl<'a> Parser<'a> {
    fn node(&mut self, depth: u32) -> Result<Node, &'static str> {
        deep(depth)?;
        Ok(match self.u8()? {
            0 => Node::Any,
            1 => {
                let number = self.u8()?;
                if self.repeated {
                    return Err("a pattern has a variable inside list(), map() or one_of()");
                }
                if number >= MAX_VARIABLES {
                    return Err("a pattern has more than 64 variables");
                }
                self.recurring |= self.seen & 1 << number;
                self.seen |= 1 << number;
                Node::Variable(number)
            }
            2 => Node::Type(self.guard()?),
            3 => Node::Tuple(self.nodes(depth)?),
            4 => {
                let elements = self.nodes(depth)?;
                Node::List(elements, Box::new(self.node(depth + 1)?))
            }
            5 => {
                let count = self.u32()?;
                let pairs = (0..count).map(|_| {
                    let key = self.node(depth + 1)?;
                    if !key.ground() {
                        return Err("a key of a map in a pattern is not one value");
                    }
                    Ok((key, self.node(depth + 1)?))
                });
                map(pairs.collect::<Result<_, _>>()?, false)?
            }
            6 => {
                let bytes = self.counted()?;
                let mut etf = Reader::new(bytes, self.code.terms);
                let node = literal(&mut etf, depth)?;
                if etf.pos != bytes.len() {
                    return Err("bytes follow the end of a literal in a pattern");
                }
                node
            }
            7 => Node::Prefix(self.counted()?.into()),
            8 => Node::Pid([self.u32()?, self.u32()?]),
            9 => {
                let count = self.u8()?;
                let mut words = [0; 5];
                let places =
                    words.get_mut(..usize::from(count)).ok_or("a reference in a pattern has too many words")?;
                for word in places {
                    *word = self.u32()?;
                }
                Node::Reference(words)
            }
            10 => self.each(depth, u32::MAX)?,
            11 => Node::OneOf(self.repeatedly(|parser| parser.nodes(depth))?),
            12 => Node::Pairs(self.repeatedly(|parser| {
                let count = parser.u32()?;
                (0..count).map(|_| Ok((parser.node(depth + 1)?, parser.node(depth + 1)?))).collect()
            })?),
            13 => {
                let mut bound =
                    || self.code.take(8).map_err(|_| SHORT).map(|bytes| bytes.try_into().map_or(0, i64::from_be_bytes));
                Node::Range(bound()?, bound()?)
            }
            14 => {
                let most = self.u32()?;
                self.each(depth, most)?
            }
            _ => return Err("a pattern has a code that doesn't exist"),
        })
    }

    fn each(&mut self, depth: u32, most: u32) -> Result<Node, &'static str> {
        Ok(Node::Each(Box::new(self.repeatedly(|parser| parser.node(depth + 1))?), most))
    }

    /// Reads a part in which variables are not possible.
    fn repeatedly<T>(&mut self, read: impl FnOnce(&mut Self) -> Result<T, &'static str>) -> Result<T, &'static str> {
        let before = std::mem::replace(&mut self.repeated, true);
        let made = read(self);
        self.repeated = before;
        made
    }

    fn guard(&mut self) -> Result<TypeGuard, &'static str> {
        GUARDS.get(usize::from(self.u8()?)).copied().ok_or("a pattern has a guard that doesn't exist")
    }

    fn nodes(&mut self, depth: u32) -> Result<Box<[Node]>, &'static str> {
        let count = self.u32()?;
        (0..count).map(|_| self.node(depth + 1)).collect()
    }

    fn u8(&mut self) -> Result<u8, &'static str> {
        self.code.u8().map_err(|_| SHORT)
    }

    fn u32(&mut self) -> Result<u32, &'static str> {
        self.code.u32().map_err(|_| SHORT)
    }

    fn counted(&mut self) -> Result<&'a [u8], &'static str> {
        let length = self.u32()? as usize;
        self.code.take(length).map_err(|_| SHORT)
    }
}

fn deep(depth: u32) -> Result<(), &'static str> {
    if depth > MAX_DEPTH {
        return Err("a pattern is nested deeper than 64");
    }
    Ok(())
}

fn map(pairs: Box<[(Node, Node)]>, exact: bool) -> Result<Node, &'static str> {
    if pairs.len() > MAX_KEYS as usize {
        return Err("a map in a pattern has more than 64 keys");
    }
    Ok(Node::Map(pairs, exact))
}

/// A term that matches only itself.
fn literal(etf: &mut Reader<'_>, depth: u32) -> Result<Node, &'static str> {
    const UNKNOWN: &str = "a pattern has a literal that it can't have";
    deep(depth)?;
    let short = |_| SHORT;
    if let Some(integer) = walk::integer(etf).map_err(short)? {
        return Ok(match integer {
            Integer::Small(value) => Node::Small(value),
            Integer::Big(negative, digits) => Node::Big(negative, digits.into()),
        });
    }
    let text = |etf: &mut Reader<'_>| {
        etf.atom().map(|atom| atom.text.into()).map_err(|_| "an atom in a pattern is not written as it should be")
    };
    if walk::is_atom(etf) {
        return Ok(Node::Atom(text(etf)?));
    }
    if let Some((bytes, count)) = bits(etf).map_err(short)? {
        if !(1..=8).contains(&count) {
            return Err(UNKNOWN);
        }
        return Ok(Node::Bits(bytes.into(), count));
    }
    Ok(match etf.u8().map_err(short)? {
        tag::FLOAT => Node::Float(etf.take(8).map_err(short)?.try_into().map_err(|_| SHORT)?),
        tag::NIL => Node::Nil,
        tag::EXPORT => {
            let (module, name) = (text(etf)?, text(etf)?);
            match walk::integer(etf).map_err(short)? {
                Some(Integer::Small(arity)) => Node::Export(module, name, arity.try_into().map_err(|_| UNKNOWN)?),
                _ => return Err(UNKNOWN),
            }
        }
        tag::SMALL_TUPLE => {
            let arity = u32::from(etf.u8().map_err(short)?);
            Node::Tuple((0..arity).map(|_| literal(etf, depth + 1)).collect::<Result<_, _>>()?)
        }
        tag::LARGE_TUPLE => {
            let arity = etf.u32().map_err(short)?;
            Node::Tuple((0..arity).map(|_| literal(etf, depth + 1)).collect::<Result<_, _>>()?)
        }
        tag::LIST => {
            let count = etf.u32().map_err(short)?;
            let elements = (0..count).map(|_| literal(etf, depth + 1)).collect::<Result<_, _>>()?;
            Node::List(elements, Box::new(literal(etf, depth + 1)?))
        }
        tag::MAP => {
            let pairs =
                (0..etf.u32().map_err(short)?).map(|_| Ok((literal(etf, depth + 1)?, literal(etf, depth + 1)?)));
            map(pairs.collect::<Result<_, &'static str>>()?, true)?
        }
        _ => return Err(UNKNOWN),
    })
}
