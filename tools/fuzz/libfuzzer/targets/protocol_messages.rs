//! See [`fuzz::messages::protocol_messages`].
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| fuzz::messages::protocol_messages(bytes));
