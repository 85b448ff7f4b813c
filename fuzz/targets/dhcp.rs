//! See `openvpc_fuzz`.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| openvpc_fuzz::dhcp(data));
