//! Any call: see [`distwall_wire_fuzz::terms::calls`].
#![no_main]

libfuzzer_sys::fuzz_target!(|input: &[u8]| distwall_wire_fuzz::terms::calls(input));
