//! Atoms on the wire, and the two caches of one direction.
//!
//! The sender's cache is what the sender believes the receiver knows. As soon as a message is refused, the receiver's real
//! cache falls behind: an atom that came with the refused message never reached it. Terms name atoms by their position in the
//! frame's header, so only headers have to be rebuilt when a later message uses such an atom: the old reference becomes a new entry.

use std::sync::Arc;

use crate::header::Ref;
use crate::Bad;

/// Slots of a cache (8 segments of 256).
pub const SLOTS: usize = 2048;

/// Atoms that distwall itself gives a meaning to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
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
}

/// The names of the two nodes, by which atoms are told apart.
#[derive(Clone, Debug)]
pub struct Names {
    /// The peer.
    pub peer: Box<[u8]>,
    /// The guarded node.
    pub guard: Box<[u8]>,
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
            text if text == &*self.peer => Word::Peer,
            text if text == &*self.guard => Word::Guard,
            _ => Word::Other,
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
        Err(Bad("an atom is not UTF-8 of at most 255 characters"))
    }
}

/// Both caches of one direction.
pub struct Caches {
    sender: Vec<Option<Arc<Atom>>>,
    receiver: Vec<Option<Arc<Atom>>>,
    /// Where both hold the same atom.
    synced: Vec<bool>,
    /// The number of the last header that named a slot: real nodes name none twice in one header.
    stamps: Vec<u64>,
    headers: u64,
}

impl Default for Caches {
    fn default() -> Self {
        Self {
            sender: vec![None; SLOTS],
            receiver: vec![None; SLOTS],
            synced: vec![false; SLOTS],
            stamps: vec![0; SLOTS],
            headers: 0,
        }
    }
}

impl Caches {
    /// A new header begins.
    pub fn begin(&mut self) {
        self.headers += 1;
    }

    /// The sender names a slot that it filled before.
    pub fn old(&mut self, slot: u16) -> Result<(), Bad> {
        self.stamp(slot)?;
        if self.sender[usize::from(slot)].is_none() {
            return Err(Bad(
                "a header names an atom cache slot that was never filled",
            ));
        }
        Ok(())
    }

    /// The sender fills a slot.
    pub fn fill(&mut self, slot: u16, text: &[u8], names: &Names) -> Result<(), Bad> {
        check_text(text)?;
        self.stamp(slot)?;
        let index = usize::from(slot);
        let same = |held: &Option<Arc<Atom>>| held.as_ref().is_some_and(|atom| *atom.text == *text);
        if same(&self.sender[index]) {
            return Ok(());
        }
        let word = names.word(text);
        self.sender[index] = Some(Arc::new(Atom {
            text: text.into(),
            word,
        }));
        self.synced[index] = same(&self.receiver[index]);
        Ok(())
    }

    fn stamp(&mut self, slot: u16) -> Result<(), Bad> {
        let stamp = &mut self.stamps[usize::from(slot)];
        if *stamp == self.headers {
            return Err(Bad("a header names one atom cache slot twice"));
        }
        *stamp = self.headers;
        Ok(())
    }

    /// What the sender has in a slot.
    #[must_use]
    pub fn sent(&self, slot: u16) -> Option<&Arc<Atom>> {
        self.sender[usize::from(slot)].as_ref()
    }

    /// Whether a header can go on to the receiver as it is.
    #[must_use]
    pub fn in_step(&self, refs: &[Ref]) -> bool {
        refs.iter()
            .all(|entry| entry.fresh || self.synced[usize::from(entry.slot)])
    }

    /// A header goes on as it is: the receiver learns its new entries.
    pub fn pass(&mut self, refs: &[Ref]) {
        for entry in refs.iter().filter(|entry| entry.fresh) {
            let index = usize::from(entry.slot);
            if !self.synced[index] {
                self.receiver[index].clone_from(&self.sender[index]);
                self.synced[index] = true;
            }
        }
    }

    /// A header is rebuilt: true if the receiver has to be told this atom anew (from now on it knows it).
    pub fn tell(&mut self, slot: u16, atom: &Arc<Atom>) -> bool {
        let index = usize::from(slot);
        if self.receiver[index]
            .as_ref()
            .is_some_and(|held| held.text == atom.text)
        {
            return false;
        }
        self.receiver[index] = Some(Arc::clone(atom));
        self.synced[index] = self.sender[index]
            .as_ref()
            .is_some_and(|held| held.text == atom.text);
        true
    }
}
