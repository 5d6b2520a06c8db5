//! Atoms on the wire, and the two caches of one direction.
//!
//! The sender's cache is the cache as the sender believes the receiver has it. When a message is refused, the
//! receiver's real cache falls behind: it never gets the new atoms of that message. Terms name atoms by their position
//! in the frame's header. So only headers have to be rebuilt when a later message uses such an atom: the old reference
//! becomes a new entry.

use std::sync::Arc;

use rustc_hash::{FxBuildHasher, FxHashMap};

use crate::direction::Direction;
use arrayvec::ArrayVec;

use crate::error::Bad;

/// Slots of a cache (8 segments of 256).
pub const SLOTS: usize = 2048;

/// Atoms with a meaning for distwall.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Word {
    /// Any other atom.
    Other,
    /// The name of the peer.
    Peer,
    /// The name of the guarded node.
    Guard,
    /// `''`
    Empty,
    /// `alias`, the head of a gen call's tag.
    Alias,
    /// `'$gen_call'`
    GenCall,
    /// `'$gen_cast'`
    GenCast,
    /// `system`
    System,
    /// `'EXIT'`
    Exit,
    /// `io_request`
    IoRequest,
    /// `io_reply`
    IoReply,
    /// `file_request`
    FileRequest,
    /// `file_reply`
    FileReply,
    /// `rex`
    Rex,
    /// `features_request`
    FeaturesRequest,
    /// `features_reply`
    FeaturesReply,
    /// `is_auth`
    IsAuth,
    /// `link`
    Link,
    /// `monitor`
    Monitor,
    /// `net_kernel`
    NetKernel,
    /// A name that OTP or Elixir registers for one of its own processes.
    OtpName,
    /// The first word of a request that an OTP process obeys, by its number.
    Request(u16),
}

impl Direction {
    /// The meaning of the sender's name.
    #[must_use]
    pub fn word(self) -> Word {
        match self {
            Direction::Inbound => Word::Peer,
            Direction::Outbound => Word::Guard,
        }
    }
}

/// The atoms that matter to the rules, with their meanings.
#[derive(Debug)]
pub struct Words {
    whole: FxHashMap<&'static [u8], Word>,
    /// Prefixes, each with the meaning of all atoms that begin with it.
    prefixes: &'static [&'static str],
    prefixed: Word,
    /// By the first byte of an atom: true if a prefix can fit.
    begins: [bool; 256],
}

impl Words {
    /// A table without atoms.
    pub const NONE: &'static Words = &Words {
        whole: FxHashMap::with_hasher(FxBuildHasher),
        prefixes: &[],
        prefixed: Word::Other,
        begins: [false; 256],
    };

    /// A table of whole atoms, and of prefixes that share one meaning.
    pub fn new(
        whole: impl Iterator<Item = (&'static str, Word)>,
        prefixes: &'static [&'static str],
        prefixed: Word,
    ) -> Self {
        let mut begins = [false; 256];
        for first in prefixes.iter().filter_map(|prefix| prefix.bytes().next()) {
            begins[usize::from(first)] = true;
        }
        Words { whole: whole.map(|(text, word)| (text.as_bytes(), word)).collect(), prefixes, prefixed, begins }
    }

    /// The meaning of an atom.
    #[must_use]
    pub fn meaning(&self, text: &[u8]) -> Word {
        match self.whole.get(text) {
            Some(word) => *word,
            None if self.has_prefix(text) => self.prefixed,
            None => Word::Other,
        }
    }

    fn has_prefix(&self, text: &[u8]) -> bool {
        text.first().is_some_and(|first| self.begins[usize::from(*first)])
            && self.prefixes.iter().any(|prefix| text.starts_with(prefix.as_bytes()))
    }
}

/// The names of the two nodes, and the words that matter to the rules.
#[derive(Clone, Debug)]
pub struct NodeNames {
    /// The peer.
    pub peer: Box<[u8]>,
    /// The guarded node.
    pub guard: Box<[u8]>,
    /// The words that matter to the rules.
    pub words: &'static Words,
}

impl NodeNames {
    /// The meaning of an atom.
    #[must_use]
    pub fn word(&self, text: &[u8]) -> Word {
        match text {
            b"" => Word::Empty,
            b"alias" => Word::Alias,
            b"$gen_call" => Word::GenCall,
            b"$gen_cast" => Word::GenCast,
            b"system" => Word::System,
            b"EXIT" => Word::Exit,
            b"io_request" => Word::IoRequest,
            b"io_reply" => Word::IoReply,
            b"file_request" => Word::FileRequest,
            b"file_reply" => Word::FileReply,
            b"rex" => Word::Rex,
            b"features_request" => Word::FeaturesRequest,
            b"features_reply" => Word::FeaturesReply,
            b"is_auth" => Word::IsAuth,
            b"link" => Word::Link,
            b"monitor" => Word::Monitor,
            b"net_kernel" => Word::NetKernel,
            text if text == &*self.peer => Word::Peer,
            text if text == &*self.guard => Word::Guard,
            text => self.words.meaning(text),
        }
    }
}

/// One atom of a cache.
#[derive(Debug)]
pub struct Atom {
    /// UTF-8.
    pub text: Box<[u8]>,
    /// The atom's meaning for distwall.
    pub word: Word,
}

impl Atom {
    /// Bytes of memory, with the counts of an `Arc` and what the allocator adds.
    fn size(&self) -> usize {
        self.text.len() + size_of::<Atom>() + 32
    }
}

/// An atom in a message, written out or named by position.
#[derive(Clone, Copy, Debug)]
pub struct AtomView<'a> {
    /// UTF-8.
    pub text: &'a [u8],
    /// The atom's meaning for distwall.
    pub word: Word,
    /// True if it is written out in the message, and not named by position.
    pub inline: bool,
}

/// True for the full name of a node, as far as distwall takes names of nodes at all.
#[must_use]
pub fn is_node_name(name: &str) -> bool {
    name.contains('@') && name.chars().count() <= 255 && !name.chars().any(char::is_control)
}

/// Checks an atom's text: UTF-8 of at most 255 characters.
pub fn check_text(text: &[u8]) -> Result<(), Bad> {
    let fine = if text.is_ascii() {
        text.len() <= 255
    } else {
        std::str::from_utf8(text).is_ok_and(|text| text.chars().count() <= 255)
    };
    if fine {
        Ok(())
    } else {
        Err(Bad::AtomText)
    }
}

/// Bytes of memory for the atoms that a message names by position. An atom that other messages name as well counts for each.
#[must_use]
pub fn size_of_atoms(atoms: &[(u16, Arc<Atom>)]) -> usize {
    atoms.iter().map(|(_, atom)| size_of::<(u16, Arc<Atom>)>() + atom.size()).sum()
}

/// One atom reference of a header.
#[derive(Clone, Copy, Debug)]
pub struct AtomRef {
    /// `segment * 256 + index`.
    pub slot: u16,
    /// True if the header carries the atom's text.
    pub fresh: bool,
}

/// The references of the header that was read last.
#[derive(Default)]
pub struct AtomRefs {
    /// The header's bytes, if it brought no atoms: the next header is often the same.
    pub bytes: ArrayVec<u8, 384>,
    /// The first 16 of these bytes, to be compared at once.
    front: u128,
    /// The bits of `front` that count; 0 if these are not all bytes of the header.
    counts: u128,
    /// The number of changes of the caches when it was read.
    pub seen: u64,
    /// In the order in which terms name them.
    pub list: ArrayVec<AtomRef, 255>,
    /// The sender's atoms for these references.
    pub atoms: Vec<(u16, Arc<Atom>)>,
    /// True if the header can go on to the receiver as it is.
    pub in_step: bool,
    /// True if the header carries any atom's text.
    pub fresh: bool,
}

impl AtomRefs {
    /// Clears the references: no header was read.
    pub fn none(&mut self) {
        self.bytes.clear();
        self.counts = 0;
        self.list.clear();
        self.atoms.clear();
        self.in_step = true;
        self.fresh = false;
    }
}

impl AtomRefs {
    /// Keeps the bytes of the header, which brought no atoms.
    pub fn keep(&mut self, bytes: &[u8], seen: u64) {
        self.bytes = bytes.iter().copied().collect();
        self.front = bytes.iter().take(16).rev().fold(0, |front, byte| front << 8 | u128::from(*byte));
        self.counts = if bytes.len() < 16 { (1 << (8 * bytes.len())) - 1 } else { 0 };
        self.seen = seen;
    }

    /// True if bytes begin with the header.
    #[inline(always)]
    pub fn are_said_by(&self, bytes: &[u8]) -> bool {
        match bytes.first_chunk() {
            Some(front) if self.counts != 0 => (u128::from_le_bytes(*front) ^ self.front) & self.counts == 0,
            _ => !self.bytes.is_empty() && bytes.starts_with(&self.bytes),
        }
    }
}

/// One slot of the two caches.
#[derive(Clone, Default)]
struct Slot {
    sender: Option<Arc<Atom>>,
    receiver: Option<Arc<Atom>>,
    /// The number of the last header that named the slot: real nodes name none twice in one header.
    stamp: u64,
    /// True if both caches have the same atom here.
    synced: bool,
}

impl Slot {
    /// Bytes of memory for its atoms.
    fn size(&self) -> usize {
        let sender = self.sender.as_ref().map_or(0, |atom| atom.size());
        match (&self.sender, &self.receiver) {
            (Some(one), Some(other)) if Arc::ptr_eq(one, other) => sender,
            (_, other) => sender + other.as_ref().map_or(0, |atom| atom.size()),
        }
    }

    fn receiver_has(&self, text: &[u8]) -> bool {
        self.receiver.as_ref().is_some_and(|atom| *atom.text == *text)
    }
}

/// Both caches of one direction.
#[derive(Clone)]
pub struct Caches {
    slots: Box<[Slot; SLOTS]>,
    headers: u64,
    /// Number of changes of slots so far.
    changes: u64,
    /// Bytes of memory for the atoms.
    size: usize,
}

impl Default for Caches {
    fn default() -> Self {
        let slots = vec![Slot::default(); SLOTS].into_boxed_slice();
        // A slice of SLOTS elements is an array of SLOTS elements.
        let slots = slots.try_into().unwrap_or_else(|_| unreachable!());
        Self { slots, headers: 0, changes: 0, size: 0 }
    }
}

impl Caches {
    fn slot(&mut self, slot: u16) -> &mut Slot {
        &mut self.slots[usize::from(slot) % SLOTS]
    }

    fn at(&self, slot: u16) -> &Slot {
        &self.slots[usize::from(slot) % SLOTS]
    }

    /// Changes the atoms of a slot.
    fn change(&mut self, slot: u16, change: impl FnOnce(&mut Slot)) {
        let slot = &mut self.slots[usize::from(slot) % SLOTS];
        let before = slot.size();
        change(slot);
        self.size = self.size - before + slot.size();
    }

    /// Bytes of memory for the atoms of both caches.
    #[must_use]
    pub fn size(&self) -> usize {
        self.size
    }

    /// The number of changes of slots so far.
    #[inline]
    #[must_use]
    pub fn changes(&self) -> u64 {
        self.changes
    }

    /// Begins a new header.
    pub fn begin(&mut self) {
        self.headers += 1;
    }

    /// Takes a slot that the sender filled before; true if the receiver has the same atom there.
    pub fn old(&mut self, slot: u16) -> Result<bool, Bad> {
        let header = self.headers;
        let slot = self.slot(slot);
        if slot.stamp == header {
            return Err(Bad::SlotTwice);
        }
        slot.stamp = header;
        if slot.sender.is_none() {
            return Err(Bad::SlotNeverFilled);
        }
        Ok(slot.synced)
    }

    /// Takes a slot that the sender fills.
    pub fn fill(&mut self, number: u16, text: &[u8], names: &NodeNames) -> Result<(), Bad> {
        check_text(text)?;
        self.changes += 1;
        let header = self.headers;
        let slot = self.slot(number);
        if slot.stamp == header {
            return Err(Bad::SlotTwice);
        }
        slot.stamp = header;
        if slot.sender.as_ref().is_none_or(|atom| *atom.text != *text) {
            self.change(number, |slot| {
                slot.synced = slot.receiver_has(text);
                slot.sender = Some(Arc::new(Atom { text: text.into(), word: names.word(text) }));
            });
        }
        Ok(())
    }

    /// Looks up the atoms that a header names, once for all its terms.
    pub fn name(&self, refs: &mut AtomRefs) {
        let atom = |entry: &AtomRef| self.at(entry.slot).sender.as_ref().map(|atom| (entry.slot, Arc::clone(atom)));
        refs.atoms.extend(refs.list.iter().filter_map(atom));
    }

    /// The atoms of a header that the receiver lacks at the sender's place.
    pub fn untold<'a>(&'a self, refs: &'a AtomRefs) -> impl Iterator<Item = &'a Atom> {
        let told = refs.in_step && !refs.fresh;
        let list = if told { &[] } else { &*refs.list };
        list.iter()
            .map(|entry| self.at(entry.slot))
            .filter(|slot| !slot.synced)
            .filter_map(|slot| slot.sender.as_deref())
    }

    /// Passes a header on as it is: the receiver learns its new entries.
    #[inline(always)]
    pub fn pass(&mut self, refs: &AtomRefs) {
        if refs.fresh {
            self.learn(refs);
        }
    }

    fn learn(&mut self, refs: &AtomRefs) {
        self.changes += 1;
        for entry in refs.list.iter().filter(|entry| entry.fresh) {
            if !self.at(entry.slot).synced {
                self.change(entry.slot, |slot| {
                    slot.receiver.clone_from(&slot.sender);
                    slot.synced = true;
                });
            }
        }
    }

    /// Rebuilds a header; true if the receiver has to be told this atom (from now on it knows it).
    pub fn tell(&mut self, slot: u16, atom: &Arc<Atom>) -> bool {
        self.changes += 1;
        if self.at(slot).receiver_has(&atom.text) {
            return false;
        }
        self.change(slot, |slot| {
            slot.receiver = Some(Arc::clone(atom));
            slot.synced = slot.sender.as_ref().is_some_and(|held| held.text == atom.text);
        });
        true
    }
}
