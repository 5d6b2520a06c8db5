//! Atoms on the wire, and the two caches of one direction.
//!
//! The sender's cache is what the sender believes the receiver knows. As soon as a message is refused, the receiver's real
//! cache falls behind: an atom that came with the refused message never reached it. Terms name atoms by their position in the
//! frame's header, so only headers have to be rebuilt when a later message uses such an atom: the old reference becomes a new entry.

use std::sync::Arc;

use rustc_hash::{FxBuildHasher, FxHashMap};

use crate::direction::Direction;
use arrayvec::ArrayVec;

use crate::error::Bad;
use crate::term::reader::Atoms;

/// Slots of a cache (8 segments of 256).
pub const SLOTS: usize = 2048;

/// Atoms that distwall itself gives a meaning to.
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
    /// A name that OTP or Elixir registers for a process of its own.
    OtpName,
    /// The first word of a request that some process of OTP obeys: which one, by number.
    Request(u16),
}

impl Direction {
    /// The meaning of the name of who sends.
    #[must_use]
    pub fn word(self) -> Word {
        match self {
            Direction::Inbound => Word::Peer,
            Direction::Outbound => Word::Guard,
        }
    }
}

/// The atoms that the rules look out for, with their meanings.
#[derive(Debug)]
pub struct Words {
    whole: FxHashMap<&'static [u8], Word>,
    /// Beginnings, and the meaning of every atom that begins so.
    prefixes: &'static [&'static str],
    prefixed: Word,
    /// By the first byte of an atom: can one of the prefixes fit?
    begins: [bool; 256],
}

impl Words {
    /// No atom has a meaning of this kind.
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

    fn meaning(&self, text: &[u8]) -> Word {
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

/// The names of the two nodes, by which atoms are told apart, and the words that the rules look out for.
#[derive(Clone, Debug)]
pub struct Names {
    /// The peer.
    pub peer: Box<[u8]>,
    /// The guarded node.
    pub guard: Box<[u8]>,
    /// Everything else that has a meaning.
    pub words: &'static Words,
}

impl Names {
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
    /// What it means to distwall.
    pub word: Word,
}

/// An atom in a message, wherever its text stands.
#[derive(Clone, Copy, Debug)]
pub struct AtomView<'a> {
    /// UTF-8.
    pub text: &'a [u8],
    /// What it means to distwall.
    pub word: Word,
    /// Whether it is written out in the message, not named by position.
    pub inline: bool,
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

/// One atom reference of a header.
#[derive(Clone, Copy, Debug)]
pub struct Ref {
    /// `segment * 256 + index`.
    pub slot: u16,
    /// Whether the header carries the atom's text.
    pub fresh: bool,
}

/// The references of the header that was read last.
#[derive(Default)]
pub struct Refs {
    /// Its bytes, if it brought no atoms: the next header is often the same.
    pub bytes: ArrayVec<u8, 384>,
    /// The state of the caches that it was read by.
    pub seen: u64,
    /// In the order in which terms name them.
    pub list: ArrayVec<Ref, 255>,
    /// Whether the header can go on to the receiver as it is.
    pub in_step: bool,
    /// Whether the header carries any atom's text.
    pub fresh: bool,
}

impl Refs {
    /// No header was read.
    pub fn none(&mut self) {
        self.bytes.clear();
        self.list.clear();
        self.in_step = true;
        self.fresh = false;
    }
}

/// What is known about one slot of the two caches.
#[derive(Clone, Default)]
struct Slot {
    sender: Option<Arc<Atom>>,
    receiver: Option<Arc<Atom>>,
    /// The number of the last header that named the slot: real nodes name none twice in one header.
    stamp: u64,
    /// Whether both hold the same atom.
    synced: bool,
}

impl Slot {
    fn receiver_has(&self, text: &[u8]) -> bool {
        self.receiver.as_ref().is_some_and(|atom| *atom.text == *text)
    }
}

/// Both caches of one direction.
pub struct Caches {
    slots: Box<[Slot; SLOTS]>,
    headers: u64,
    /// How often something in the slots was changed.
    changes: u64,
}

impl Default for Caches {
    fn default() -> Self {
        let slots = vec![Slot::default(); SLOTS].into_boxed_slice();
        // A slice of SLOTS elements is an array of SLOTS elements.
        let slots = slots.try_into().unwrap_or_else(|_| unreachable!());
        Self { slots, headers: 0, changes: 0 }
    }
}

impl Caches {
    fn slot(&mut self, slot: u16) -> &mut Slot {
        &mut self.slots[usize::from(slot) % SLOTS]
    }

    fn at(&self, slot: u16) -> &Slot {
        &self.slots[usize::from(slot) % SLOTS]
    }

    /// How often something in the slots was changed.
    #[inline]
    #[must_use]
    pub fn changes(&self) -> u64 {
        self.changes
    }

    /// A new header begins.
    pub fn begin(&mut self) {
        self.headers += 1;
    }

    /// The sender names a slot that it filled before. Says whether the receiver has the same atom there.
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

    /// The sender fills a slot.
    pub fn fill(&mut self, slot: u16, text: &[u8], names: &Names) -> Result<(), Bad> {
        check_text(text)?;
        self.changes += 1;
        let header = self.headers;
        let slot = self.slot(slot);
        if slot.stamp == header {
            return Err(Bad::SlotTwice);
        }
        slot.stamp = header;
        if slot.sender.as_ref().is_none_or(|atom| *atom.text != *text) {
            slot.synced = slot.receiver_has(text);
            slot.sender = Some(Arc::new(Atom { text: text.into(), word: names.word(text) }));
        }
        Ok(())
    }

    /// What the sender has in a slot.
    #[must_use]
    pub fn sent(&self, slot: u16) -> Option<&Arc<Atom>> {
        self.at(slot).sender.as_ref()
    }

    /// The atoms that a header names, looked up once for all that is read under it.
    #[must_use]
    pub fn named<'a>(&'a self, refs: &Refs) -> Atoms<'a> {
        Atoms::new(refs.list.len(), refs.list.iter().map(|entry| self.at(entry.slot).sender.as_deref()))
    }

    /// Those atoms of a header that the receiver doesn't have where the sender has them.
    pub fn untold<'a>(&'a self, refs: &'a Refs) -> impl Iterator<Item = &'a Atom> {
        let told = refs.in_step && !refs.fresh;
        let list = if told { &[] } else { &*refs.list };
        list.iter()
            .map(|entry| self.at(entry.slot))
            .filter(|slot| !slot.synced)
            .filter_map(|slot| slot.sender.as_deref())
    }

    /// A header goes on as it is: the receiver learns its new entries.
    pub fn pass(&mut self, refs: &Refs) {
        if !refs.fresh {
            return;
        }
        self.changes += 1;
        for entry in refs.list.iter().filter(|entry| entry.fresh) {
            let slot = self.slot(entry.slot);
            if !slot.synced {
                slot.receiver.clone_from(&slot.sender);
                slot.synced = true;
            }
        }
    }

    /// A header is rebuilt: true if the receiver has to be told this atom anew (from now on it knows it).
    pub fn tell(&mut self, slot: u16, atom: &Arc<Atom>) -> bool {
        self.changes += 1;
        let slot = self.slot(slot);
        if slot.receiver_has(&atom.text) {
            return false;
        }
        slot.receiver = Some(Arc::clone(atom));
        slot.synced = slot.sender.as_ref().is_some_and(|held| held.text == atom.text);
        true
    }
}
