//! See [`fuzz::requests::voice_token`].
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| fuzz::requests::voice_token(bytes));
