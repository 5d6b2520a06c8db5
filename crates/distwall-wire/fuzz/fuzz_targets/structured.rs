//! Messages that are nearly right: well-formed control messages and terms, headers and fragments, damaged here and there.
#![no_main]

use distwall_wire_fuzz::frames::{frames, Cache, Plan};
use distwall_wire_fuzz::{flags, Trial};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|plan: Plan| {
    let flags = flags(plan.config);
    let mut trial = Trial::new(plan.config);
    let mut caches = [Cache::new(), Cache::new()];
    let mut waiting: Vec<(bool, Vec<u8>)> = Vec::new();
    for message in plan.messages.iter().take(64) {
        trial.wait();
        let mut frames = frames(message, flags, &mut caches[usize::from(message.inbound)]);
        if let Some((at, change)) = message.damage {
            let index = frames.len() - 1;
            let at = usize::from(at) % frames[index].len();
            frames[index][at] ^= change;
        }
        let mut frames = frames.into_iter();
        if !frames.next().is_none_or(|first| trial.feed(message.inbound, &first)) {
            return;
        }
        let rest = waiting.len();
        waiting.extend(frames.map(|frame| (message.inbound, frame)));
        // Some fragments wait until after the next messages.
        let now = if message.keep_open % 2 == 0 { waiting.len() } else { rest };
        for (inbound, frame) in waiting.drain(..now) {
            if !trial.feed(inbound, &frame) {
                return;
            }
        }
    }
    for (inbound, frame) in waiting {
        if !trial.feed(inbound, &frame) {
            return;
        }
    }
});
