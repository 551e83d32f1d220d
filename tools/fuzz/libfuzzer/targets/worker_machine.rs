//! See [`fuzz::extension::worker_machine`].
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| fuzz::extension::worker_machine(bytes));
