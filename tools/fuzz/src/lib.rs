//! What strangers can send, byte for byte, into the code that reads it. Each target takes any bytes and panics when a
//! promise is broken.
//!
//! `cargo xtask fuzz` lets libFuzzer search for such bytes (`libfuzzer/`, a package of its own, because it needs a C++
//! compiler and a build of its own); `tests/smoke.rs` runs the same functions on the kept seeds and on random changes
//! of them, with every test run. Whatever broke a promise once is kept among the seeds.

pub mod extension;
pub mod messages;
pub mod requests;
pub mod tokens;

/// A function that takes any bytes.
pub type Target = fn(&[u8]);

/// All of them, by the names of their seeds' directories below `corpus/`.
pub const TARGETS: [(&str, Target); 8] = [
    ("content_machine", extension::content_machine),
    ("worker_machine", extension::worker_machine),
    ("protocol_messages", messages::protocol_messages),
    ("voice_token", requests::voice_token),
    ("generate_token", requests::generate_token),
    ("access_token", tokens::access_token),
    ("request_signature", tokens::request_signature),
    ("iam_answer", tokens::iam_answer),
];
