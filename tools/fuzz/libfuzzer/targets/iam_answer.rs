//! See [`fuzz::tokens::iam_answer`].
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| fuzz::tokens::iam_answer(bytes));
