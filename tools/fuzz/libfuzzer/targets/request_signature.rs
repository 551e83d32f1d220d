//! See [`fuzz::tokens::request_signature`].
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| fuzz::tokens::request_signature(bytes));
