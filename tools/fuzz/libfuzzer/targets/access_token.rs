//! See [`fuzz::tokens::access_token`].
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| fuzz::tokens::access_token(bytes));
