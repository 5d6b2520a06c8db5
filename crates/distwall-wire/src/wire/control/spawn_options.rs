//! The options of a spawn request.
//!
//! Nodes send `link` and `monitor` without the options of these, and tuples `{Option, Value}`. *Plain* options are a
//! closed list: they change how the new process is watched, and how its messages queue. All others reserve memory, or
//! change garbage collection and priorities. A VM reads the list in any spelling, and so it is read here to its end.

use crate::error::Bad;
use crate::limits::Limits;
use crate::term::atoms::Word;
use crate::term::reader::Reader;
use crate::term::tag;
use crate::term::walk::{self, Integer, Shape, Value};

/// The options of a spawn request, as far as they matter.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct SpawnOptions {
    /// True if the new process is to be linked.
    pub linked: bool,
    /// True if the new process is to be monitored.
    pub monitored: bool,
    /// True if they are a proper list of plain options, written as one list.
    pub plain: bool,
    /// Most words that one of them reserves. A VM without that memory aborts.
    pub heap: u64,
}

impl SpawnOptions {
    /// Reads `link` and `monitor` by position, as nearly all options are, and passes over them. None, with nothing read,
    /// if the options are another term.
    #[inline(always)]
    pub fn usual(reader: &mut Reader<'_>, limits: &Limits) -> Option<Self> {
        let mut found = SpawnOptions { linked: false, monitored: false, plain: true, heap: 0 };
        let (count, mut rest) = match reader.data.get(reader.pos..)? {
            [tag::LIST, 0, 0, 0, count @ 1..=2, rest @ ..] if limits.term_depth() > 0 => (*count, rest),
            rest => (0, rest),
        };
        for _ in 0..count {
            let [tag::ATOM_REF, option, next @ ..] = rest else { return None };
            match reader.terms.atom(*option).ok()?.word {
                Word::Link => found.linked = true,
                Word::Monitor => found.monitored = true,
                _ => return None,
            }
            rest = next;
        }
        let [tag::NIL, rest @ ..] = rest else { return None };
        reader.pos = reader.data.len() - rest.len();
        Some(found)
    }

    /// Reads a term that has been scanned.
    pub fn read(options: Reader<'_>) -> Result<Self, Bad> {
        let mut found = SpawnOptions { linked: false, monitored: false, plain: true, heap: 0 };
        let mut list = Value::new(options);
        let mut head = options;
        let announced = if head.u8()? == tag::LIST { head.u32()? } else { 0 };
        let mut count = 0;
        loop {
            match list.open()? {
                Shape::Cons => list.element(|option| found.take(option))?,
                Shape::Nil => break,
                Shape::Other => {
                    found.plain = false;
                    break;
                }
            }
            count += 1;
        }
        // More stand in lists in its tail.
        found.plain &= count == announced;
        Ok(found)
    }

    fn take(&mut self, option: &mut Value<'_>) -> Result<(), Bad> {
        let mut reader = option.reader;
        option.skip()?;
        if walk::is_atom(&reader) {
            match reader.atom()?.word {
                Word::Link => self.linked = true,
                Word::Monitor => self.monitored = true,
                _ => self.plain = false,
            }
            return Ok(());
        }
        if reader.peek()? != tag::SMALL_TUPLE || reader.tuple()? != 2 || !walk::is_atom(&reader) {
            self.plain = false;
            return Ok(());
        }
        let name = walk::atom(&mut reader)?;
        if matches!(name, b"min_heap_size" | b"min_bin_vheap_size") {
            self.heap = self.heap.max(words(&mut reader)?);
        }
        self.plain &= walk::is_atom(&reader) && is_plain(name, walk::atom(&mut reader)?);
        Ok(())
    }
}

/// True for an option that a rule on calls opens together with the function.
fn is_plain(name: &[u8], value: &[u8]) -> bool {
    match name {
        b"priority" => matches!(value, b"low" | b"normal"),
        b"message_queue_data" => matches!(value, b"on_heap" | b"off_heap"),
        b"async_dist" => matches!(value, b"true" | b"false"),
        _ => false,
    }
}

/// A number of words; 0 for what a VM does not take.
fn words(reader: &mut Reader<'_>) -> Result<u64, Bad> {
    Ok(match walk::integer(reader)? {
        Some(Integer::Small(words)) => u64::try_from(words).unwrap_or(0),
        Some(Integer::Big(..)) => u64::MAX,
        None => 0,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::term::atoms::{NodeNames, Words};
    use crate::term::reader::Terms;

    fn atom(text: &str) -> Vec<u8> {
        [&[tag::SMALL_ATOM, text.len() as u8], text.as_bytes()].concat()
    }

    fn option(name: &str, value: &[u8]) -> Vec<u8> {
        [&[tag::SMALL_TUPLE, 2], &*atom(name), value].concat()
    }

    fn list(items: &[Vec<u8>], tail: &[u8]) -> Vec<u8> {
        [&[tag::LIST], &(items.len() as u32).to_be_bytes()[..], &items.concat(), tail].concat()
    }

    fn read(options: &[u8]) -> SpawnOptions {
        let names = NodeNames { peer: b"p@h"[..].into(), guard: b"g@h"[..].into(), words: Words::NONE };
        let terms = Terms::plain(&names);
        SpawnOptions::read(Reader::new(options, &terms)).unwrap_or_else(|_| unreachable!())
    }

    const NONE: &[u8] = &[tag::NIL];

    #[test]
    fn a_closed_list_of_options_is_plain() {
        for options in [
            NONE.to_vec(),
            list(&[atom("link"), atom("monitor"), atom("monitor")], NONE),
            list(&[option("priority", &atom("low")), option("priority", &atom("normal"))], NONE),
            list(&[option("message_queue_data", &atom("off_heap")), option("async_dist", &atom("true"))], NONE),
        ] {
            assert!(read(&options).plain, "{options:?}");
        }
        let link = || vec![atom("link")];
        for options in [
            list(&[option("priority", &atom("high"))], NONE),
            list(&[option("priority", &atom("max"))], NONE),
            list(&[option("message_queue_data", &atom("mixed"))], NONE),
            list(&[option("async_dist", &[tag::SMALL_INTEGER, 1])], NONE),
            list(&[option("max_heap_size", &[tag::SMALL_INTEGER, 0])], NONE),
            list(&[option("min_heap_size", &[tag::SMALL_INTEGER, 1])], NONE),
            list(&[option("link", NONE)], NONE),
            list(&[option("monitor", &list(&link(), NONE))], NONE),
            list(&[atom("hidden")], NONE),
            list(&[vec![tag::SMALL_INTEGER, 7]], NONE),
            list(&[[&[tag::SMALL_TUPLE, 3], &*atom("priority"), &atom("low"), &atom("low")].concat()], NONE),
            list(&link(), &atom("monitor")),
            list(&link(), &list(&link(), NONE)),
            vec![tag::STRING, 0, 1, 7],
            atom("link"),
        ] {
            assert!(!read(&options).plain, "{options:?}");
        }
    }

    #[test]
    fn options_in_tails_are_seen() {
        let heap = list(&[atom("link"), option("min_heap_size", &[tag::INTEGER, 0, 1, 0, 0])], NONE);
        for options in [
            heap.clone(),
            list(&[atom("monitor")], &heap),
            list(&[atom("monitor")], &list(&[atom("monitor")], &heap)),
            list(&[atom("link"), option("min_bin_vheap_size", &[tag::INTEGER, 0, 1, 0, 0])], &atom("improper")),
        ] {
            let SpawnOptions { linked, plain, heap, .. } = read(&options);
            assert_eq!((linked, plain, heap), (true, false, 0x1_0000));
        }
        let big = [&[tag::SMALL_BIG, 9, 0][..], &[1; 9]].concat();
        assert_eq!(read(&list(&[option("min_heap_size", &big)], NONE)).heap, u64::MAX);
    }
}
