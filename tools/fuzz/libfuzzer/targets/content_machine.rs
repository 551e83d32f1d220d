//! See [`fuzz::extension::content_machine`].
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| fuzz::extension::content_machine(bytes));
