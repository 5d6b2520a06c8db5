//! Writes the terms of one message as one of the two nodes does: atoms by their position in the header, or in full.

use std::collections::HashMap;

use crate::pool::Pool;
use crate::rng::Rng;

/// A node: its name and its incarnation.
pub type Node = (&'static str, u32);

/// The header cache of one node.
pub type Cache = HashMap<u16, &'static str>;

/// One message in the making.
pub struct Writer<'a> {
    pub rng: &'a mut Rng,
    pub pool: &'a Pool,
    pub own: Node,
    pub their: Node,
    /// Slots in use; 0 means that there is no cache.
    pub slots: u16,
    /// Atoms of a thousand that are written out although there is a cache.
    pub inline: usize,
    /// Places of a thousand that hold what no node sends, and what closes the channel.
    pub wild: usize,
    /// True if native records were negotiated.
    pub records: bool,
    pub refs: Vec<(u16, &'static str)>,
    pub out: Vec<u8>,
}

fn slot(text: &str, slots: u16) -> u16 {
    text.bytes().fold(5381u16, |hash, byte| hash.wrapping_mul(33) ^ u16::from(byte)) % slots
}

impl Writer<'_> {
    pub fn text(&mut self, text: &'static str) {
        if let Some(index) = self.placed(text) {
            self.out.extend_from_slice(&[82, index as u8]);
        } else if text.len() < 256 {
            self.out.extend_from_slice(&[119, text.len() as u8]);
            self.out.extend_from_slice(text.as_bytes());
        } else {
            self.out.push(118);
            self.out.extend_from_slice(&(text.len() as u16).to_be_bytes());
            self.out.extend_from_slice(text.as_bytes());
        }
    }

    /// The position of an atom in the header; None: it is to be written out.
    fn placed(&mut self, text: &'static str) -> Option<usize> {
        if let Some(known) = self.refs.iter().position(|(_, known)| *known == text) {
            return Some(known);
        }
        if self.slots == 0 || self.refs.len() >= 255 || self.rng.chance(self.inline) {
            return None;
        }
        let slot = slot(text, self.slots);
        if self.refs.iter().any(|(taken, _)| *taken == slot) {
            return None;
        }
        self.refs.push((slot, text));
        Some(self.refs.len() - 1)
    }

    pub fn atom(&mut self) {
        let text = self.pool.atom(self.rng);
        self.text(text);
    }

    /// True where bytes that no node sends are to be written.
    pub fn wild(&mut self) -> bool {
        self.rng.chance(self.wild)
    }

    pub fn word(&mut self, value: u32) {
        self.out.extend_from_slice(&value.to_be_bytes());
    }

    pub fn tuple(&mut self, arity: usize) {
        self.out.extend_from_slice(&[104, arity as u8]);
    }

    /// The head of a list, without its elements and its tail.
    pub fn list(&mut self, length: usize) {
        if length > 0 {
            self.out.push(108);
            self.word(length as u32);
        }
    }

    pub fn nil(&mut self) {
        self.out.push(106);
    }

    pub fn int(&mut self, value: u8) {
        self.out.extend_from_slice(&[97, value]);
    }

    /// An id of an unlink.
    pub fn id(&mut self, value: u64) {
        if let Ok(small) = u8::try_from(value) {
            return self.int(small);
        }
        if value < 1 << 27 {
            self.out.push(98);
            return self.word(value as u32);
        }
        let length = 8 - value.leading_zeros() as usize / 8;
        self.out.extend_from_slice(&[110, length as u8, 0]);
        self.out.extend_from_slice(&value.to_le_bytes()[..length]);
    }

    pub fn pid(&mut self, (name, creation): Node, id: u32, serial: u32) {
        self.out.push(88);
        self.text(name);
        [id, serial, creation].into_iter().for_each(|word| self.word(word));
    }

    pub fn own(&mut self, number: u8) {
        self.pid(self.own, u32::from(number), 0);
    }

    pub fn their(&mut self, number: u8) {
        self.pid(self.their, u32::from(number), 0);
    }

    pub fn reference(&mut self, (name, creation): Node, words: &[u32]) {
        self.out.extend_from_slice(&[90, 0, words.len() as u8]);
        self.text(name);
        self.word(creation);
        words.iter().for_each(|word| self.word(*word));
    }

    pub fn own_ref(&mut self, number: u8) {
        self.reference(self.own, &[u32::from(number), 0, 0]);
    }

    pub fn their_ref(&mut self, number: u8) {
        self.reference(self.their, &[u32::from(number), 0, 0]);
    }

    /// A node that is neither, or one of the two in another incarnation.
    pub fn stranger(&mut self) -> Node {
        match self.rng.below(5) {
            0 => (self.own.0, self.own.1 ^ 1),
            1 => (self.their.0, self.their.1 ^ 1),
            2 => ("third@127.0.0.9", 7),
            3 => ("fourth@h", self.rng.below(20) as u32),
            _ => (self.pool.atom(self.rng), 1),
        }
    }

    pub fn any_pid(&mut self) {
        let number = self.rng.below(9) as u8;
        match self.rng.below(20) {
            0..9 => self.own(number),
            9..15 => self.their(number),
            15 => self.pid(self.their, 0, 0),
            16 => self.pid(self.own, 1 << 20, 1 << 14),
            17 => self.pid(self.own, 0x0fff_ffff, 0x0fff_ffff),
            _ => {
                let node = self.stranger();
                self.pid(node, u32::from(number), 0);
            }
        }
    }

    pub fn any_ref(&mut self) {
        let number = self.rng.below(9) as u8;
        match self.rng.below(12) {
            0..6 => self.own_ref(number),
            6..10 => self.their_ref(number),
            10 => self.reference(self.their, &[1, 2, 3, 4, 5]),
            _ => {
                let node = self.stranger();
                self.reference(node, &[u32::from(number), 0, 0]);
            }
        }
    }

    /// Any term, nested no deeper than that.
    pub fn term(&mut self, depth: usize) {
        let kind = if depth == 0 { self.rng.below(18) } else { self.rng.below(30) };
        match kind {
            0..3 => {
                let value = self.rng.next() as u8;
                self.int(value);
            }
            3 => {
                self.out.push(98);
                let value = self.rng.next() as u32 | 1 << 20;
                self.word(value);
            }
            4..9 => self.atom(),
            9 => self.nil(),
            10 => {
                self.out.push(107);
                let count = self.rng.below(12);
                self.out.extend_from_slice(&(count as u16).to_be_bytes());
                let text = self.rng.bytes(count);
                self.out.extend_from_slice(&text);
            }
            11 | 12 => {
                let count = if self.rng.chance(30) { self.rng.below(3000) } else { self.rng.below(20) };
                self.out.push(109);
                self.word(count as u32);
                let data = self.rng.bytes(count);
                self.out.extend_from_slice(&data);
            }
            13 | 14 => self.any_pid(),
            15 => self.any_ref(),
            16 => self.rare(),
            17 => {
                self.out.push(70);
                let value = self.rng.below(100) as f64 / 4.0;
                self.out.extend_from_slice(&value.to_be_bytes());
            }
            18..23 => {
                let arity = self.rng.below(6);
                self.tuple(arity);
                self.terms(arity, depth - 1);
            }
            23..26 => {
                let length = self.rng.below(4);
                self.list(length);
                self.terms(length, depth - 1);
                if length > 0 && self.rng.chance(100) {
                    self.term(depth - 1);
                } else {
                    self.nil();
                }
            }
            26 => {
                let pairs = self.rng.below(4);
                self.out.push(116);
                self.word(pairs as u32);
                for _ in 0..pairs {
                    let simple = self.rng.chance(900);
                    self.term(if simple { 0 } else { depth - 1 });
                    self.term(depth - 1);
                }
            }
            27 => self.fun(),
            28 if self.records || self.wild() => self.record(depth),
            _ => self.nest(),
        }
    }

    pub fn terms(&mut self, count: usize, depth: usize) {
        (0..count).for_each(|_| self.term(depth));
    }

    fn rare(&mut self) {
        match self.rng.below(8) {
            0 => {
                let count = self.rng.pick(&[4, 8, 9, 20, 200]);
                self.big(&[110, count as u8], count);
            }
            1 => {
                let count = self.rng.pick(&[256, 300, 5000]);
                self.big(&[111, 0, 0, (count >> 8) as u8, count as u8], count);
            }
            2 => {
                let bits = if self.wild() { self.rng.below(10) } else { 1 + self.rng.below(7) };
                let last = if self.wild() { 255 } else { 0 };
                self.out.extend_from_slice(&[77, 0, 0, 0, 2, bits as u8, 7, last]);
            }
            3 => {
                self.out.push(89);
                let node = if self.rng.chance(500) { self.own } else { self.their };
                self.text(node.0);
                self.word(3);
                self.word(node.1);
            }
            4 => {
                self.out.push(120);
                self.text(self.their.0);
                [0, 3, self.their.1].into_iter().for_each(|word| self.word(word));
            }
            5 if self.wild() => {
                let tag = self.rng.next() as u8;
                let bytes = self.rng.bytes(4);
                self.out.push(tag);
                self.out.extend_from_slice(&bytes);
            }
            5 | 6 => self.export(),
            _ => self.fun(),
        }
    }

    /// A big integer behind its tag and length: sign and digits.
    fn big(&mut self, head: &[u8], count: usize) {
        self.out.extend_from_slice(head);
        let sign = if self.wild() { 2 } else { self.rng.below(2) };
        self.out.push(sign as u8);
        let mut digits = self.rng.bytes(count);
        if let Some(last) = digits.last_mut().filter(|_| !self.rng.chance(self.wild)) {
            *last |= 128;
        }
        self.out.extend_from_slice(&digits);
    }

    pub fn export(&mut self) {
        self.out.push(113);
        self.atom();
        self.atom();
        let arity = self.rng.below(3) as u8;
        self.int(arity);
    }

    pub fn fun(&mut self) {
        let start = self.out.len();
        let arity = self.rng.below(3) as u8;
        self.out.extend_from_slice(&[112, 0, 0, 0, 0, arity]);
        let unique = self.rng.below(6) as u8;
        self.out.extend_from_slice(&[unique; 16]);
        self.word(1);
        let free = self.rng.below(3);
        self.word(free as u32);
        let module = if self.rng.chance(200) { "erl_eval" } else { self.pool.name(self.rng) };
        self.text(module);
        self.int(0);
        self.int(unique);
        if self.rng.chance(900) {
            self.own(1);
        } else {
            self.any_pid();
        }
        self.terms(free, 1);
        let size = (self.out.len() - start - 1) as u32;
        self.out[start + 1..start + 5].copy_from_slice(&size.to_be_bytes());
    }

    fn record(&mut self, depth: usize) {
        let fields = self.rng.below(3);
        self.out.push(67);
        self.word(fields as u32);
        let flags = if self.wild() { 2 } else { self.rng.below(2) };
        self.out.push(flags as u8);
        self.atom();
        self.atom();
        for name in ["a", "b", "c"].into_iter().take(fields) {
            let twice = self.wild();
            self.text(if twice { "a" } else { name });
        }
        self.terms(fields, depth - 1);
    }

    /// Lists in lists, deeper than a small limit.
    fn nest(&mut self) {
        let depth = self.rng.below(40);
        (0..depth).for_each(|_| self.out.extend_from_slice(&[108, 0, 0, 0, 1]));
        self.nil();
        (0..depth).for_each(|_| self.nil());
    }
}

/// The distribution header for these atoms, which enters new ones into the cache.
pub fn header(refs: &[(u16, &'static str)], cache: &mut Cache) -> Vec<u8> {
    let mut out = vec![refs.len() as u8];
    if refs.is_empty() {
        return out;
    }
    let fresh: Vec<bool> = refs.iter().map(|(slot, text)| cache.get(slot) != Some(text)).collect();
    let long = refs.iter().zip(&fresh).any(|((_, text), fresh)| *fresh && text.len() > 255);
    out.resize(1 + refs.len() / 2 + 1, 0);
    let flag = |index: usize, nibble: u8, out: &mut Vec<u8>| out[1 + index / 2] |= nibble << (4 * (index % 2));
    flag(refs.len(), u8::from(long), &mut out);
    for (index, ((slot, text), fresh)) in refs.iter().zip(fresh).enumerate() {
        flag(index, (slot >> 8) as u8 | u8::from(fresh) << 3, &mut out);
        out.push(*slot as u8);
        if fresh {
            if long {
                out.extend_from_slice(&(text.len() as u16).to_be_bytes());
            } else {
                out.push(text.len() as u8);
            }
            out.extend_from_slice(text.as_bytes());
            cache.insert(*slot, text);
        }
    }
    out
}
