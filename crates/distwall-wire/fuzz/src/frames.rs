//! Messages that are nearly right, made from arbitrary bytes: well-formed control messages and terms, headers, fragments.

use arbitrary::Arbitrary;

use crate::{GUARD, PEER};

/// A session.
#[derive(Arbitrary, Debug)]
pub struct Plan {
    pub config: u8,
    pub messages: Vec<Message>,
}

/// One message, and what is wrong with it.
#[derive(Arbitrary, Debug)]
pub struct Message {
    pub inbound: bool,
    pub op: Op,
    pub payload: Option<Term>,
    pub style: u8,
    pub fragments: u8,
    pub sequence: u8,
    pub keep_open: u8,
    pub damage: Option<(u16, u8)>,
}

#[derive(Arbitrary, Debug)]
pub enum Op {
    Link(u8, u8),
    Send(u8),
    SendSender(u8, u8),
    RegSend(u8, Name),
    GroupLeader(u8, u8),
    Exit(u8, u8),
    Exit2(u8, u8),
    Monitor(u8, Name, u8),
    Demonitor(u8, Name, u8),
    MonitorExit(Name, u8, u8),
    Spawn(u8, u8, Name, Name, u8, Vec<Name>),
    SpawnReply(u8, u8, u8, u8),
    AliasSend(u8, u8),
    Unlink(u64, u8, u8),
    UnlinkAck(u64, u8, u8),
    Alt(u8, u8, Box<Term>),
    Traced(u8, Name, Box<Term>),
    Any(u8, Vec<Term>),
}

#[derive(Arbitrary, Debug, Clone, Copy)]
pub enum Name {
    Server,
    Empty,
    NetKernel,
    Rex,
    Call,
    Alias,
    Other(u8),
    Long(u8),
}

#[derive(Arbitrary, Debug)]
pub enum Term {
    Int(u8),
    Long(i32),
    Big(u8, [u8; 9]),
    Float(f64),
    Atom(Name),
    Nil,
    Text(Vec<u8>),
    Binary(Vec<u8>),
    Bits(Vec<u8>, u8),
    Tuple(Vec<Term>),
    List(Vec<Term>, Box<Term>),
    Map(Vec<(Term, Term)>),
    OwnPid(u8),
    TheirPid(u8),
    OwnRef(u8),
    TheirRef(u8),
    Third(Name),
    Port(u8),
    Export(Name, Name, Box<Term>),
    Fun(u8, Box<Term>, Vec<Term>),
    Record(u8, Vec<(Name, Term)>),
    GenCall(u8, u8, Box<Term>),
    Answer(u8, Box<Term>),
    Raw(Vec<u8>),
}

/// Writes terms of one message; atoms go inline or into the header, by `style`.
struct Writer {
    own: (&'static str, u32),
    their: (&'static str, u32),
    cached: bool,
    style: u8,
    refs: Vec<(u16, String)>,
    out: Vec<u8>,
}

fn slot(text: &str) -> u16 {
    text.bytes().fold(5381u16, |hash, byte| hash.wrapping_mul(33) ^ u16::from(byte)) % 40
}

impl Writer {
    fn text(&mut self, text: &str) {
        let known = self.refs.iter().position(|(_, known)| known == text);
        let place = known.or_else(|| {
            self.style = self.style.rotate_left(1);
            let slot = slot(text);
            let free = self.cached && self.style & 1 == 0 && self.refs.len() < 255;
            if !free || self.refs.iter().any(|(taken, _)| *taken == slot) {
                return None;
            }
            self.refs.push((slot, text.to_owned()));
            Some(self.refs.len() - 1)
        });
        match place {
            Some(index) => self.out.extend_from_slice(&[82, index as u8]),
            None if text.len() < 256 => {
                self.out.extend_from_slice(&[119, text.len() as u8]);
                self.out.extend_from_slice(text.as_bytes());
            }
            None => {
                self.out.push(118);
                self.out.extend_from_slice(&(text.len() as u16).to_be_bytes());
                self.out.extend_from_slice(text.as_bytes());
            }
        }
    }

    fn name(&mut self, name: Name) {
        match name {
            Name::Server => self.text("server"),
            Name::Empty => self.text(""),
            Name::NetKernel => self.text("net_kernel"),
            Name::Rex => self.text("rex"),
            Name::Call => self.text("$gen_call"),
            Name::Alias => self.text("alias"),
            Name::Other(number) => self.text(&format!("atom_{number}")),
            Name::Long(number) => self.text(&"ж".repeat(usize::from(number))),
        }
    }

    fn word(&mut self, value: u32) {
        self.out.extend_from_slice(&value.to_be_bytes());
    }

    fn tuple(&mut self, arity: usize) {
        self.out.extend_from_slice(&[104, arity as u8]);
    }

    fn int(&mut self, value: u8) {
        self.out.extend_from_slice(&[97, value]);
    }

    fn id(&mut self, value: u64) {
        if let Ok(small) = u8::try_from(value) {
            return self.int(small);
        }
        let length = 8 - value.leading_zeros() as usize / 8;
        self.out.extend_from_slice(&[110, length as u8, 0]);
        self.out.extend_from_slice(&value.to_le_bytes()[..length]);
    }

    fn pid(&mut self, (node, creation): (&str, u32), number: u8) {
        self.out.push(88);
        self.text(node);
        self.word(u32::from(number % 8));
        self.word(0);
        self.word(creation);
    }

    fn reference(&mut self, (node, creation): (&str, u32), number: u8) {
        self.out.extend_from_slice(&[90, 0, 3]);
        self.text(node);
        self.word(creation);
        self.word(u32::from(number % 8));
        self.word(0);
        self.word(0);
    }

    fn own(&mut self, number: u8) {
        self.pid(self.own, number);
    }

    fn their(&mut self, number: u8) {
        self.pid(self.their, number);
    }

    fn terms<'a>(&mut self, terms: impl Iterator<Item = &'a Term>, depth: u8) {
        terms.for_each(|term| self.term(term, depth));
    }

    fn term(&mut self, term: &Term, depth: u8) {
        if depth > 20 {
            return self.out.push(106);
        }
        match term {
            Term::Int(value) => self.int(*value),
            Term::Long(value) => {
                self.out.push(98);
                self.out.extend_from_slice(&value.to_be_bytes());
            }
            Term::Big(sign, digits) => {
                self.out.extend_from_slice(&[110, 9, sign % 2]);
                self.out.extend_from_slice(digits);
            }
            Term::Float(value) => {
                self.out.push(70);
                self.out.extend_from_slice(&value.to_be_bytes());
            }
            Term::Atom(name) => self.name(*name),
            Term::Nil => self.out.push(106),
            Term::Text(text) => {
                self.out.push(107);
                self.out.extend_from_slice(&(text.len() as u16).to_be_bytes());
                self.out.extend_from_slice(text);
            }
            Term::Binary(data) => {
                self.out.push(109);
                self.word(data.len() as u32);
                self.out.extend_from_slice(data);
            }
            Term::Bits(data, bits) => {
                self.out.push(77);
                self.word(data.len() as u32);
                self.out.push(bits % 10);
                self.out.extend_from_slice(data);
            }
            Term::Tuple(items) => {
                self.tuple(items.len());
                self.terms(items.iter(), depth + 1);
            }
            Term::List(items, tail) => {
                self.out.push(108);
                self.word(items.len() as u32);
                self.terms(items.iter(), depth + 1);
                self.term(tail, depth + 1);
            }
            Term::Map(pairs) => {
                self.out.push(116);
                self.word(pairs.len() as u32);
                for (key, value) in pairs {
                    self.term(key, depth + 1);
                    self.term(value, depth + 1);
                }
            }
            Term::OwnPid(number) => self.own(*number),
            Term::TheirPid(number) => self.their(*number),
            Term::OwnRef(number) => self.reference(self.own, *number),
            Term::TheirRef(number) => self.reference(self.their, *number),
            Term::Third(name) => {
                self.out.push(88);
                self.name(*name);
                (0..3).for_each(|_| self.word(1));
            }
            Term::Port(number) => {
                self.out.push(89);
                self.text(self.own.0);
                self.word(u32::from(*number));
                self.word(self.own.1);
            }
            Term::Export(module, function, arity) => {
                self.out.push(113);
                self.name(*module);
                self.name(*function);
                self.term(arity, depth + 1);
            }
            Term::Fun(number, index, free) => {
                let start = self.out.len();
                self.out.extend_from_slice(&[112, 0, 0, 0, 0, 1]);
                self.out.extend_from_slice(&[*number; 16]);
                self.word(1);
                self.word(free.len() as u32);
                self.text("m");
                self.term(index, depth + 1);
                self.int(1);
                self.own(1);
                self.terms(free.iter(), depth + 1);
                let size = (self.out.len() - start - 1) as u32;
                self.out[start + 1..start + 5].copy_from_slice(&size.to_be_bytes());
            }
            Term::Record(exported, fields) => {
                self.out.push(67);
                self.word(fields.len() as u32);
                self.out.push(exported % 3);
                self.text("m");
                self.text("record");
                fields.iter().for_each(|(name, _)| self.name(*name));
                self.terms(fields.iter().map(|(_, value)| value), depth + 1);
            }
            Term::GenCall(who, reference, request) => {
                self.tuple(3);
                self.text("$gen_call");
                self.tuple(2);
                self.own(*who);
                self.out.extend_from_slice(&[108, 0, 0, 0, 1]);
                self.text("alias");
                self.reference(self.own, *reference);
                self.term(request, depth + 1);
            }
            Term::Answer(reference, value) => {
                self.tuple(2);
                self.out.extend_from_slice(&[108, 0, 0, 0, 1]);
                self.text("alias");
                self.reference(self.their, *reference);
                self.term(value, depth + 1);
            }
            Term::Raw(data) => self.out.extend_from_slice(data),
        }
    }

    fn head(&mut self, arity: usize, op: u8) {
        self.tuple(arity);
        self.int(op);
    }

    fn control(&mut self, op: &Op) {
        match op {
            Op::Link(from, to) => {
                self.head(3, 1);
                self.own(*from);
                self.their(*to);
            }
            Op::Send(to) => {
                self.head(3, 2);
                self.text("");
                self.their(*to);
            }
            Op::SendSender(from, to) => {
                self.head(3, 22);
                self.own(*from);
                self.their(*to);
            }
            Op::RegSend(from, name) => {
                self.head(4, 6);
                self.own(*from);
                self.text("");
                self.name(*name);
            }
            Op::GroupLeader(leader, to) => {
                self.head(3, 7);
                self.own(*leader);
                self.their(*to);
            }
            Op::Exit(from, to) | Op::Exit2(from, to) => {
                self.head(3, if matches!(op, Op::Exit(..)) { 24 } else { 26 });
                self.own(*from);
                self.their(*to);
            }
            Op::Monitor(from, name, reference) | Op::Demonitor(from, name, reference) => {
                self.head(4, if matches!(op, Op::Monitor(..)) { 19 } else { 20 });
                self.own(*from);
                self.name(*name);
                self.reference(self.own, *reference);
            }
            Op::MonitorExit(name, to, reference) => {
                self.head(4, 28);
                self.name(*name);
                self.their(*to);
                self.reference(self.their, *reference);
            }
            Op::Spawn(from, reference, module, function, arity, options) => {
                self.head(6, 29);
                self.reference(self.own, *reference);
                self.own(*from);
                self.own(*from);
                self.tuple(3);
                self.name(*module);
                self.name(*function);
                self.int(*arity % 3);
                for option in options {
                    self.out.extend_from_slice(&[108, 0, 0, 0, 1]);
                    self.name(*option);
                }
                self.out.push(106);
            }
            Op::SpawnReply(reference, to, flags, pid) => {
                self.head(5, 31);
                self.reference(self.their, *reference);
                self.their(*to);
                self.int(*flags % 5);
                self.own(*pid);
            }
            Op::AliasSend(from, alias) => {
                self.head(3, 33);
                self.own(*from);
                self.reference(self.their, *alias);
            }
            Op::Unlink(id, from, to) | Op::UnlinkAck(id, from, to) => {
                self.head(4, if matches!(op, Op::Unlink(..)) { 35 } else { 36 });
                self.id(*id);
                self.own(*from);
                self.their(*to);
            }
            Op::Alt(flags, from, to) => {
                self.head(4, 37);
                self.int(*flags);
                self.own(*from);
                self.term(to, 0);
            }
            Op::Traced(from, name, label) => {
                self.head(5, 16);
                self.own(*from);
                self.text("");
                self.name(*name);
                self.tuple(5);
                self.int(1);
                self.term(label, 0);
                self.int(1);
                self.own(*from);
                self.int(1);
            }
            Op::Any(op, items) => {
                self.head(items.len() + 1, *op % 40);
                self.terms(items.iter(), 0);
            }
        }
    }
}

/// The header cache of one node.
pub type Cache = std::collections::HashMap<u16, String>;

fn header(refs: &[(u16, String)], cache: &mut Cache) -> Vec<u8> {
    let mut out = vec![refs.len() as u8];
    if refs.is_empty() {
        return out;
    }
    let long = refs.iter().any(|(_, text)| text.len() > 255);
    out.resize(1 + refs.len() / 2 + 1, 0);
    let flag = |index: usize, nibble: u8, out: &mut Vec<u8>| out[1 + index / 2] |= nibble << (4 * (index % 2));
    flag(refs.len(), u8::from(long), &mut out);
    for (index, (slot, text)) in refs.iter().enumerate() {
        let new = cache.get(slot) != Some(text);
        flag(index, (slot >> 8) as u8 | u8::from(new) << 3, &mut out);
        out.push(*slot as u8);
        if new {
            if long {
                out.extend_from_slice(&(text.len() as u16).to_be_bytes());
            } else {
                out.push(text.len() as u8);
            }
            out.extend_from_slice(text.as_bytes());
            cache.insert(*slot, text.clone());
        }
    }
    out
}

fn frame(parts: &[&[u8]]) -> Vec<u8> {
    let body = parts.concat();
    [&(body.len() as u32).to_be_bytes()[..], &body].concat()
}

/// The frames of a message.
pub fn frames(message: &Message, flags: u64, cache: &mut Cache) -> Vec<Vec<u8>> {
    let (own, their) = if message.inbound { (PEER, GUARD) } else { (GUARD, PEER) };
    let headers = flags & 0x80_2000 != 0;
    let cached = flags & 0x2000 != 0;
    let mut writer = Writer { own, their, cached, style: message.style, refs: Vec::new(), out: Vec::new() };
    writer.control(&message.op);
    let control = std::mem::take(&mut writer.out);
    if let Some(payload) = &message.payload {
        writer.term(payload, 0);
    }
    let payload = std::mem::take(&mut writer.out);
    if !headers {
        let marked = if message.payload.is_some() { [&[131], &payload[..]].concat() } else { Vec::new() };
        return vec![frame(&[&[112, 131], &control, &marked])];
    }
    let header = header(&writer.refs, cache);
    let count = usize::from(message.fragments % 6);
    if count == 0 {
        return vec![frame(&[&[131, 68], &header, &control, &payload])];
    }
    let sequence = u64::from(message.sequence % 4).to_be_bytes();
    let size = payload.len().div_ceil(count).max(1);
    let mut pieces = payload.chunks(size).collect::<Vec<_>>();
    pieces.resize(count, &[]);
    (0..count)
        .map(|index| {
            let left = ((count - index) as u64).to_be_bytes();
            match index {
                0 => frame(&[&[131, 69], &sequence, &left, &header, &control, pieces[0]]),
                _ => frame(&[&[131, 70], &sequence, &left, pieces[index]]),
            }
        })
        .collect()
}
