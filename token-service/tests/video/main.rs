//! A conversation goes on face to face: who gets in, who waits, what ends, and what goes wrong.

#![expect(clippy::unwrap_used, reason = "a helper of a test may panic, as the test itself may")]

mod cloud;
mod ends;
mod guessing;
mod recording;
mod replicas;
mod rig;
mod routes;
mod session;
#[path = "../support/mod.rs"]
mod support;
