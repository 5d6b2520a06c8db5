//! Any bytes: no panic, no endless memory, what is forwarded decodes, and it doesn't matter how the stream is cut.
//!
//! Input: configuration, seed of the cuts, then records `Sender:8, Length:16, Bytes` (the last one may be short).
#![no_main]

use distwall_wire_fuzz::Trial;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|input: &[u8]| {
    let [config, seed, records @ ..] = input else { return };
    let mut whole = Trial::new(*config);
    let mut cut = Trial::new(*config);
    let mut rest = records;
    let mut step = usize::from(*seed) + 1;
    while let [sender, high, low, tail @ ..] = rest {
        let length = usize::from(u16::from_be_bytes([*high, *low])).min(tail.len());
        let (data, behind) = tail.split_at(length);
        rest = behind;
        let inbound = sender % 2 == 0;
        whole.wait();
        cut.wait();
        let open = whole.feed(inbound, data);
        let mut pieces = data;
        let mut still_open = true;
        while still_open && !pieces.is_empty() {
            step = step * 5 % 257;
            let (piece, others) = pieces.split_at(step.min(pieces.len()));
            pieces = others;
            still_open = cut.feed(inbound, piece);
        }
        if !open || !still_open {
            break;
        }
    }
    assert_eq!(whole.finish(), cut.finish(), "the cuts matter");
});
