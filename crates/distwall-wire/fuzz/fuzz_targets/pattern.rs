//! Any pattern and any term: see [`distwall_wire_fuzz::terms::pattern`].
#![no_main]

libfuzzer_sys::fuzz_target!(|input: &[u8]| distwall_wire_fuzz::terms::pattern(input));
