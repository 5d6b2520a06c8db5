//! Invariants of patterns and calls, for any bytes.

use distwall_wire::rules::calls::rex::relayed;
use distwall_wire::rules::calls::{of_message, of_spawn, Call, FoundCall};
use distwall_wire::rules::otp_internal::WORDS;
use distwall_wire::rules::pattern::Work;
use distwall_wire::term::atoms::{AtomView, NodeNames, Word};
use distwall_wire::term::reader::{Pid, Reader, Terms};
use distwall_wire::term::scan::{Scanner, Watch};
use distwall_wire::term::walk::is_list;
use distwall_wire::wire::control::{Mfa, Process};
use distwall_wire::{Limits, Pattern};

use crate::{GUARD, PEER};

fn names() -> NodeNames {
    NodeNames { peer: PEER.0.as_bytes().into(), guard: GUARD.0.as_bytes().into(), words: &WORDS }
}

/// The bytes at the beginning that the core takes for one term.
fn whole_term<'a>(data: &'a [u8], names: &NodeNames) -> Option<&'a [u8]> {
    let limits = Limits::default();
    let terms = Terms::plain(names);
    let watch = Watch { terms: &terms, records: true, limits: &limits, guarded: None, discloses: false };
    Scanner::default().whole(data, 0, &watch).ok().map(|end| &data[..end])
}

/// Input: `Length:16, Pattern, Term`. No panic; `_` matches every term, `{X, X}` every term next to itself, and a literal that a
/// pattern can have matches itself.
pub fn pattern(input: &[u8]) {
    let [high, low, rest @ ..] = input else { return };
    let (code, term) = rest.split_at(usize::from(u16::from_be_bytes([*high, *low])).min(rest.len()));
    let names = names();
    let terms = Terms::plain(&names);
    let matches = |code: &[u8], term: &[u8]| {
        let pattern = Pattern::parse(code).ok()?;
        let reader = Reader::new(term, &terms);
        let limits = Limits::default();
        let inbound = pattern.matches(reader, Word::Peer, &Work::default(), &limits);
        assert!(!inbound || pattern.matches_within(reader, Word::Peer, &Work::default(), &limits));
        let _ = pattern.matches(reader, Word::Guard, &Work::default(), &limits);
        Some(inbound)
    };
    matches(code, term);
    if let Some(term) = whole_term(term, &names) {
        assert_eq!(matches(&[0], term), Some(true));
        assert_eq!(matches(&[3, 0, 0, 0, 2, 1, 0, 1, 0], &[&[104, 2], term, term].concat()), Some(true));
        let literal = [&[6], &(term.len() as u32).to_be_bytes()[..], term].concat();
        assert_ne!(matches(&literal, term), Some(false));
    }
}

const CARRIERS: [(&[u8], &[u8]); 8] = [
    (b"erlang", b"apply"),
    (b"erlang", b"spawn_request"),
    (b"erpc", b"execute_call"),
    (b"erpc", b"execute_cast"),
    (b"rpc", b"call"),
    (b"proc_lib", b"init_p"),
    (b"timer", b"tc"),
    (b"m", b"f"),
];

/// Input: `Carrier:8, Arity:8, Term`. No panic, and what is called has a list of arguments.
pub fn calls(input: &[u8]) {
    let [carrier, arity, term @ ..] = input else { return };
    let names = names();
    let terms = Terms::plain(&names);
    let reader = Reader::new(term, &terms);
    let (module, function) = CARRIERS[usize::from(*carrier) % CARRIERS.len()];
    let atom = |text| AtomView { text, word: Word::Other, inline: true };
    let mfa = Mfa { module: atom(module), function: atom(function), arity: *arity };
    let plain = module == b"m";
    let node = AtomView { text: PEER.0.as_bytes(), word: Word::Peer, inline: true };
    let from = Process { node, pid: Pid { id: 1, serial: 0, creation: PEER.1 } };
    for name in [Word::Rex, Word::NetKernel] {
        check(of_message(reader, name, &from));
    }
    let _ = relayed(reader, &from);
    for sender in [Word::Peer, Word::Guard] {
        let found = of_spawn(&mfa, reader, sender);
        if !plain {
            check(found);
        }
    }
}

fn check(found: FoundCall<'_>) {
    if let Call::Function { arguments, .. } | Call::Fun { arguments, .. } = found.call {
        assert!(is_list(&arguments), "arguments that are no list");
    }
}

#[cfg(test)]
mod tests {
    /// Random bytes that mostly look like the beginning of something.
    fn bytes(state: &mut u64) -> Vec<u8> {
        const LIKELY: &[u8] = &[
            0, 0, 0, 1, 1, 2, 3, 4, 5, 6, 7, 8, 9, 67, 70, 77, 88, 89, 90, 97, 98, 104, 104, 106, 107, 108, 108, 109,
            110, 112, 113, 116, 119, 119,
        ];
        let mut next = || {
            *state ^= *state << 13;
            *state ^= *state >> 7;
            *state ^= *state << 17;
            *state
        };
        let length = next() % 60;
        (0..length)
            .map(|_| {
                let dice = next();
                if dice % 8 == 0 {
                    (dice >> 8) as u8
                } else {
                    LIKELY[(dice >> 8) as usize % LIKELY.len()]
                }
            })
            .collect()
    }

    #[test]
    fn random_bytes() {
        let mut state = 0x9E37_79B9_7F4A_7C15;
        for _ in 0..2_000_000 {
            let data = bytes(&mut state);
            super::pattern(&data);
            super::calls(&data);
            super::pattern(&[&[0, 0], &*data].concat());
        }
    }
}
