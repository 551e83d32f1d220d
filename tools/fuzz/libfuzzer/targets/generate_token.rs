//! See [`fuzz::requests::generate_token`].
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| fuzz::requests::generate_token(bytes));
