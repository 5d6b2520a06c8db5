//! A first walk over a term, for the messages that are most: small, and of plain tokens.
//!
//! Such a term needs no stack. It is enough to count how many terms are still to come, in all containers together. The
//! walk gives up at the first token of another kind, and at whatever is wrong. Then nothing is noted, and the scanner walks
//! over the term from its beginning. So this walk only ever says yes.

use super::{ScanFindings, Scanner, Watch, PID_SIZE, REFERENCE_SIZE};
use crate::term::atoms::Word;
use crate::term::reader::{Pid, Reader, Reference};
use crate::term::tag;

/// Most tokens of a plain term. So a walk in vain costs little.
const TOKENS: usize = 64;

impl Scanner {
    /// Walks over one whole term at `pos`; returns the position of its end. None, with nothing noted, if it is not plain.
    /// `PROPER`: a list has to be proper.
    #[inline(always)]
    pub(super) fn plain<const PROPER: bool>(&mut self, data: &[u8], pos: usize, watch: &Watch<'_>) -> Option<usize> {
        // No term of so few tokens is nested deeper.
        if watch.limits.term_depth() < TOKENS as u64 {
            return None;
        }
        let noted = self.found.noted();
        let end = self.count_down::<PROPER>(data, pos, 1, watch);
        if end.is_none() {
            self.found.keep(noted);
        }
        end
    }

    /// The same for a question: a message whose beginning has been read up to `pos`, but not been noted. `left`: number of
    /// its further elements. `from` and `tag`: the process and the reference in its beginning.
    #[inline(always)]
    pub fn question(
        &mut self,
        data: &[u8],
        (pos, left): (usize, usize),
        from: (Word, &Pid),
        tag: (Word, &Reference),
        watch: &Watch<'_>,
    ) -> Option<usize> {
        let ends = watch.is_end(from.0, from.1.creation) && watch.is_end(tag.0, tag.1.creation);
        if !ends || watch.limits.term_depth() < TOKENS as u64 {
            return None;
        }
        let noted = self.found.noted();
        self.found.disclosed_process(from.0, *from.1, watch);
        self.found.disclosed_reference(tag.0, *tag.1, watch);
        let end = self.count_down::<false>(data, pos, left, watch);
        if end.is_none() {
            self.found.keep(noted);
        }
        end
    }

    /// The same for the last of a spawn request's arguments, a list that has to be proper, and for the end of their list: with
    /// it, the data has to end. `before`: a reference in the arguments before, which has not been noted.
    #[inline(always)]
    pub fn last_argument(
        &mut self,
        data: &[u8],
        pos: usize,
        before: (Word, &Reference),
        watch: &Watch<'_>,
    ) -> Option<()> {
        let [.., tag::NIL] = data else { return None };
        if !watch.is_end(before.0, before.1.creation) || watch.limits.term_depth() < TOKENS as u64 {
            return None;
        }
        let noted = self.found.noted();
        self.found.disclosed_reference(before.0, *before.1, watch);
        let end = self.count_down::<true>(data, pos, 1, watch);
        if end != Some(data.len() - 1) {
            self.found.keep(noted);
            return None;
        }
        Some(())
    }

    /// Walks over `need` terms.
    #[inline(always)]
    fn count_down<const PROPER: bool>(
        &mut self,
        data: &[u8],
        pos: usize,
        mut need: usize,
        watch: &Watch<'_>,
    ) -> Option<usize> {
        let atoms = watch.terms.atoms.len();
        let mut rest = data.get(pos..)?;
        for tokens in 0..TOKENS {
            // The last term of a list is its tail.
            if PROPER && tokens > 0 && need == 1 && rest.first() != Some(&tag::NIL) {
                return None;
            }
            let (kind, behind) = rest.split_first()?;
            rest = match (*kind, behind) {
                (tag::ATOM_REF, [index, next @ ..]) if usize::from(*index) < atoms => next,
                (tag::SMALL_INTEGER, [_, next @ ..]) => next,
                (tag::INTEGER, [a, b, c, _, next @ ..]) if a | b | c != 0 => next,
                (tag::NIL, next) => next,
                (tag::SMALL_TUPLE, [arity, next @ ..]) => {
                    need += usize::from(*arity);
                    next
                }
                (tag::LIST, [0, 0, 0, length, next @ ..]) if *length != 0 => {
                    need += usize::from(*length) + 1;
                    next
                }
                (tag::PID, [tag::ATOM_REF, ..]) => {
                    let next = rest.get(PID_SIZE..)?;
                    let (node, pid) = Reader::new(rest, watch.terms).pid().ok()?;
                    if !watch.is_end(node.word, pid.creation) {
                        return None;
                    }
                    self.found.disclosed_process(node.word, pid, watch);
                    next
                }
                (tag::REFERENCE, [0, 3, tag::ATOM_REF, ..]) => {
                    let next = rest.get(REFERENCE_SIZE..)?;
                    let (node, reference) = Reader::new(rest, watch.terms).reference().ok()?;
                    if !watch.is_end(node.word, reference.creation) {
                        return None;
                    }
                    self.found.disclosed_reference(node.word, reference, watch);
                    next
                }
                (tag::STRING, [a, b, next @ ..]) => next.get(usize::from(u16::from_be_bytes([*a, *b]))..)?,
                (tag::BINARY, [a, b, c, d, next @ ..]) => next.get(u32::from_be_bytes([*a, *b, *c, *d]) as usize..)?,
                _ => return None,
            };
            need -= 1;
            if need == 0 {
                return Some(data.len() - rest.len());
            }
        }
        None
    }
}

/// The number of notes of each kind.
struct Noted {
    shown: [usize; 2],
    mentioned: [usize; 2],
    cut: bool,
}

impl ScanFindings {
    /// The number of notes of the kinds that a plain term can have.
    #[inline(always)]
    fn noted(&self) -> Noted {
        Noted {
            shown: [self.pids.len(), self.references.len()],
            mentioned: [self.mentions.pids.len(), self.mentions.references.len()],
            cut: self.mentions.cut,
        }
    }

    /// Forgets what was noted since then.
    #[cold]
    fn keep(&mut self, noted: Noted) {
        self.pids.truncate(noted.shown[0]);
        self.references.truncate(noted.shown[1]);
        self.mentions.pids.truncate(noted.mentioned[0]);
        self.mentions.references.truncate(noted.mentioned[1]);
        self.mentions.cut = noted.cut;
    }
}

impl Watch<'_> {
    /// True if nothing has to be checked of a node: it is one of the two ends as they are now, or the guarded node has sent
    /// its name.
    #[inline(always)]
    fn is_end(&self, node: Word, creation: u32) -> bool {
        self.guarded.is_none_or(|guarded| guarded.is_end(node, creation))
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::limits::budget::Budget;
    use crate::limits::Limits;
    use crate::term::atoms::{Atom, NodeNames, Words};
    use crate::term::reader::{Named, Terms};
    use crate::term::scan::{Allowance, Guarded};

    /// No third nodes.
    #[derive(Default)]
    struct NoThird(Budget);

    impl Allowance for NoThird {
        fn allows_node(&self, _: &[u8]) -> bool {
            false
        }

        fn shadow_allows_node(&self, _: &[u8]) -> bool {
            false
        }

        fn budget(&self) -> &Budget {
            &self.0
        }
    }

    const PEER: u8 = 0;
    const GUARD: u8 = 1;
    const THIRD: u8 = 2;
    const OTHER: u8 = 3;
    const NOW: u32 = 7;

    fn names() -> NodeNames {
        NodeNames { peer: (*b"p@h").into(), guard: (*b"g@h").into(), words: Words::NONE }
    }

    fn table(names: &NodeNames) -> Vec<(u16, Arc<Atom>)> {
        let atom = |text: &[u8]| (0, Arc::new(Atom { text: text.into(), word: names.word(text) }));
        [&b"p@h"[..], b"g@h", b"t@h", b"x"].into_iter().map(atom).collect()
    }

    fn pid(node: u8, id: u8, creation: u32) -> Vec<u8> {
        [&[tag::PID, tag::ATOM_REF, node, 0, 0, 0, id, 0, 0, 0, 0], &creation.to_be_bytes()[..]].concat()
    }

    fn reference(node: u8, word: u8, creation: u32) -> Vec<u8> {
        let words = [0, 0, 0, word, 0, 0, 0, 1, 0, 0, 0, 2];
        [&[tag::REFERENCE, 0, 3, tag::ATOM_REF, node], &creation.to_be_bytes()[..], &words].concat()
    }

    fn tuple(items: &[&[u8]]) -> Vec<u8> {
        [&[tag::SMALL_TUPLE, items.len() as u8], &*items.concat()].concat()
    }

    fn list(items: &[&[u8]], tail: &[u8]) -> Vec<u8> {
        [&[tag::LIST, 0, 0, 0, items.len() as u8], &*items.concat(), tail].concat()
    }

    /// Tokens that are plain.
    fn plain() -> Vec<Vec<u8>> {
        vec![
            vec![tag::ATOM_REF, OTHER],
            vec![tag::SMALL_INTEGER, 9],
            vec![tag::INTEGER, 0, 1, 0, 0],
            vec![tag::INTEGER, 255, 255, 255, 255],
            vec![tag::NIL],
            vec![tag::STRING, 0, 3, 1, 2, 3],
            vec![tag::STRING, 0, 0],
            vec![tag::BINARY, 0, 0, 0, 2, 104, 1],
            pid(PEER, 1, NOW),
            pid(GUARD, 2, NOW),
            reference(PEER, 3, NOW),
            reference(GUARD, 4, NOW),
            tuple(&[]),
        ]
    }

    /// One of each kind of token that is not, or not for the peer: the full scanner notes something, or refuses it.
    fn other() -> Vec<Vec<u8>> {
        let head = [&[tag::FUN, 0, 0, 0, 0, 0], &[0; 23][..], &[0, tag::ATOM_REF, OTHER, 97, 0, 97, 0]].concat();
        vec![
            pid(THIRD, 1, NOW),
            pid(OTHER, 1, NOW),
            pid(PEER, 1, NOW + 1),
            pid(GUARD, 1, 0),
            pid(GUARD, 1, NOW + 1),
            [&[tag::PID, tag::SMALL_ATOM, 3][..], b"g@h", &pid(GUARD, 5, NOW)[3..]].concat(),
            [&[tag::PID, tag::ATOM_REF, GUARD, 255][..], &pid(GUARD, 5, NOW)[4..]].concat(),
            reference(THIRD, 1, NOW),
            reference(PEER, 1, NOW + 1),
            reference(GUARD, 1, 0),
            [&[tag::REFERENCE, 0, 1, tag::ATOM_REF, GUARD, 0, 0, 0, 7], &[0; 4][..]].concat(),
            vec![tag::SMALL_ATOM, 1, b'y'],
            vec![tag::ATOM_REF, 4],
            vec![tag::INTEGER, 0, 0, 0, 9],
            vec![tag::INTEGER, 0, 0, 0, 255],
            vec![tag::LIST, 0, 0, 0, 0, tag::NIL],
            vec![tag::MAP, 0, 0, 0, 1, 97, 1, 97, 2],
            [&[tag::EXPORT, tag::ATOM_REF, OTHER, tag::ATOM_REF, OTHER][..], &[97, 0]].concat(),
            [head, pid(PEER, 1, NOW)].concat(),
            vec![1],
        ]
    }

    /// The findings of a scan.
    type Findings = ([Vec<Pid>; 2], [Vec<Reference>; 2], [bool; 3], u32, bool);

    fn findings(found: &ScanFindings) -> Findings {
        let ScanFindings { pids, references, mentions, third_node, shadow_third_node, funs, over, .. } = found;
        (
            [pids.clone(), mentions.pids.clone()],
            [references.clone(), mentions.references.clone()],
            [*third_node, *shadow_third_node, mentions.cut],
            *funs,
            over.is_some(),
        )
    }

    /// True if a term is plain. Both walks have to agree on it.
    fn agree(data: &[u8], watch: &Watch<'_>) -> bool {
        let both = |proper: bool| {
            let (mut quick, mut full) = (Scanner::default(), Scanner::default());
            // Something is noted already.
            for scanner in [&mut quick, &mut full] {
                let noted = tuple(&[&pid(PEER, 50, NOW), &pid(GUARD, 51, NOW), &reference(GUARD, 52, NOW)]);
                assert_eq!(scanner.thorough(&noted, 0, watch, false), Ok(noted.len()));
            }
            let before = findings(&quick.found);
            let end = if proper { quick.plain::<true>(data, 0, watch) } else { quick.plain::<false>(data, 0, watch) };
            let Some(end) = end else {
                assert_eq!(findings(&quick.found), before, "{data:?}");
                return false;
            };
            assert_eq!(full.thorough(data, 0, watch, proper), Ok(end), "{data:?}");
            assert_eq!(findings(&quick.found), findings(&full.found), "{data:?}");
            assert!(full.found.inline == 0 && full.found.claim.is_empty(), "{data:?}");
            true
        };
        both(true);
        both(false)
    }

    /// True if a term of the peer is plain. Both walks have to agree, with small limits and in both directions.
    fn tried(data: &[u8]) -> bool {
        let (names, none) = (names(), NoThird::default());
        let table = table(&names);
        let table: &Named = &table;
        let terms = Terms { atoms: table, ..Terms::plain(&names) };
        let mut plain = true;
        for (tracked, claims) in [(100, 100), (1, 100), (2, 3), (100, 0), (0, 2)] {
            let mut limits = Limits::default();
            limits.set("tracked", tracked);
            limits.set("claims", claims);
            let guarded = Guarded { allowance: &none, creations: [NOW, NOW] };
            let inbound =
                Watch { terms: &terms, records: true, limits: &limits, guarded: Some(guarded), discloses: true };
            let outbound = Watch { guarded: None, ..inbound };
            plain &= agree(data, &inbound);
            agree(data, &outbound);
            agree(data, &inbound.aside());
            agree(data, &inbound.quiet());
        }
        plain
    }

    /// A token alone, and in containers.
    fn forms(token: &[u8]) -> [Vec<u8>; 7] {
        let (mine, yours) = (pid(PEER, 8, NOW), pid(GUARD, 9, NOW));
        [
            token.to_vec(),
            tuple(&[&mine, token, &yours]),
            tuple(&[&yours, &reference(GUARD, 6, NOW), &tuple(&[&[tag::NIL], token])]),
            list(&[token, &yours], &[tag::NIL]),
            list(&[&yours, &tuple(&[token])], &[tag::NIL]),
            list(&[&mine], token),
            list(&[&list(&[token], &[tag::NIL]), &yours], &list(&[token], &[tag::NIL])),
        ]
    }

    #[test]
    fn plain_terms_are_found_out_in_one_walk() {
        for token in plain() {
            for term in forms(&token) {
                assert!(tried(&term), "{term:?}");
            }
        }
    }

    #[test]
    fn whatever_is_notable_is_left_to_the_full_walk() {
        for token in other() {
            for term in forms(&token) {
                assert!(!tried(&term), "{term:?}");
            }
        }
    }

    /// True if the walk over `{x, {From, [x | Tag]}, Request}` from its last element on says yes. Then both walks have to
    /// agree.
    fn asked(from: &[u8], tag: &[u8], request: &[u8]) -> bool {
        let (names, none, limits) = (names(), NoThird::default(), Limits::default());
        let table = table(&names);
        let terms = Terms { atoms: &table, ..Terms::plain(&names) };
        let guarded = Some(Guarded { allowance: &none, creations: [NOW, NOW] });
        let watch = Watch { terms: &terms, records: true, limits: &limits, guarded, discloses: true };
        let head = tuple(&[from, &list(&[&[tag::ATOM_REF, OTHER]], tag)]);
        let message = tuple(&[&[tag::ATOM_REF, OTHER], &head, request]);
        let (mut quick, mut full) = (Scanner::default(), Scanner::default());
        let pid = Reader::new(from, &terms).pid().map(|(node, pid)| (node.word, pid));
        let reference = Reader::new(tag, &terms).reference().map(|(node, reference)| (node.word, reference));
        let (Ok(pid), Ok(reference)) = (pid, reference) else { unreachable!() };
        let place = (message.len() - request.len(), 1);
        let end = quick.question(&message, place, (pid.0, &pid.1), (reference.0, &reference.1), &watch);
        if let Some(end) = end {
            assert_eq!(full.thorough(&message, 0, &watch, false), Ok(end), "{message:?}");
        }
        assert_eq!(findings(&quick.found), findings(&full.found), "{message:?}");
        end.is_some()
    }

    /// True if the walk over `[Reference, Arguments]` from its last element on says yes. Then both walks have to agree.
    fn closes(before: &[u8], arguments: &[u8], tail: &[u8]) -> bool {
        let (names, none, limits) = (names(), NoThird::default(), Limits::default());
        let table = table(&names);
        let terms = Terms { atoms: &table, ..Terms::plain(&names) };
        let guarded = Some(Guarded { allowance: &none, creations: [NOW, NOW] });
        let watch = Watch { terms: &terms, records: true, limits: &limits, guarded, discloses: true };
        let message = list(&[before, arguments], tail);
        let (mut quick, mut full) = (Scanner::default(), Scanner::default());
        let Ok((node, reference)) = Reader::new(before, &terms).reference() else { unreachable!() };
        let closes = quick.last_argument(&message, 5 + before.len(), (node.word, &reference), &watch).is_some();
        if closes {
            assert_eq!(full.thorough(&message, 0, &watch, true), Ok(message.len()), "{message:?}");
        }
        assert_eq!(findings(&quick.found), findings(&full.found), "{message:?}");
        closes
    }

    #[test]
    fn the_last_argument_is_a_proper_list_and_the_end_of_the_data() {
        let (mine, none) = (reference(PEER, 2, NOW), [tag::NIL]);
        for element in plain() {
            assert!(closes(&mine, &list(&[&element], &none), &none), "{element:?}");
            assert!(!closes(&reference(PEER, 2, NOW + 1), &list(&[&element], &none), &none), "{element:?}");
            assert!(!closes(&reference(THIRD, 2, NOW), &list(&[&element], &none), &none), "{element:?}");
            assert!(!closes(&mine, &list(&[&none], &element), &none) || element == none, "{element:?}");
            assert!(!closes(&mine, &list(&[&element], &none), &list(&[&none], &none)), "{element:?}");
        }
        for element in other() {
            assert!(!closes(&mine, &list(&[&element], &none), &none), "{element:?}");
        }
        assert!(closes(&mine, &none, &none) && !closes(&mine, &none, &[tag::NIL, tag::NIL]));
    }

    #[test]
    fn a_question_is_walked_over_from_its_request_on() {
        let (mine, yours) = (pid(PEER, 1, NOW), reference(PEER, 2, NOW));
        for request in plain() {
            assert!(asked(&mine, &yours, &request), "{request:?}");
            assert!(asked(&pid(GUARD, 1, NOW), &reference(GUARD, 2, NOW), &request), "{request:?}");
            assert!(!asked(&pid(THIRD, 1, NOW), &yours, &request), "{request:?}");
            assert!(!asked(&pid(PEER, 1, NOW + 1), &yours, &request), "{request:?}");
            assert!(!asked(&mine, &reference(THIRD, 2, NOW), &request), "{request:?}");
            assert!(!asked(&mine, &reference(GUARD, 2, 0), &request), "{request:?}");
        }
        for request in other() {
            assert!(!asked(&mine, &yours, &request), "{request:?}");
        }
    }

    #[test]
    fn both_walks_agree_on_damaged_terms() {
        for token in [plain(), other()].concat() {
            let [.., term] = forms(&token);
            for cut in 0..term.len() {
                assert!(!tried(&term[..cut]), "{term:?} up to {cut}");
            }
            for place in 0..term.len() {
                for byte in [0, 1, 97, 106, 255] {
                    let mut damaged = term.clone();
                    damaged[place] = byte;
                    tried(&damaged);
                }
            }
        }
    }

    #[test]
    fn long_terms_and_small_limits_of_depth_are_left_to_the_full_walk() {
        let item: &[u8] = &[tag::SMALL_INTEGER, 1];
        assert!(tried(&tuple(&[item; TOKENS - 1])));
        assert!(!tried(&tuple(&[item; TOKENS])));
        assert!(!tried(&[tag::SMALL_TUPLE, 1].repeat(TOKENS)));
        let (names, mut limits) = (names(), Limits::default());
        limits.set("term_depth", TOKENS as u64 - 1);
        let terms = Terms::plain(&names);
        let watch = Watch { terms: &terms, records: true, limits: &limits, guarded: None, discloses: false };
        assert_eq!(Scanner::default().plain::<false>(item, 0, &watch), None);
    }
}
