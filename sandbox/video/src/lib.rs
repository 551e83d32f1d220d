//! Twilio Video on your laptop: group rooms by REST, the signalling that `twilio-video` speaks, and a media server.
//!
//! ```text
//! twilio-video in a browser --- wss://…vss.twilio.com/signaling --> rooms (machine.rs decides, shell.rs carries)
//!                           --- UDP, SRTP ----------------------> media server (media/: str0m, one thread a room)
//! your service ---------------- https://video.twilio.com/v1 ----> REST (rest.rs reads, the machine answers)
//! tests, switchboard ------------------------------------------> Video (api.rs): what goes to whom, faults
//! ```
//!
//! The protocol is what `twilio-video` 2.36.0 speaks, read in its shipped sources and tried with the unmodified SDK. What
//! Twilio's own servers do beyond that cannot be seen from the client; such choices are marked "Inferred:".
//!
//! [`machine`] is a pure state machine; so is the media server itself, to which a thread lends a socket and a clock. It
//! forwards whole frames without decoding them, and counts them: "the customer sees the agent" is a number here.

mod api;
mod config;
pub mod ids;
pub mod machine;
pub mod media;
pub mod problem;
mod rest;
mod shell;
pub mod token;
pub mod wire;

pub use api::Video;
pub use config::{Config, LogEvent};
pub use machine::delivery::{Callback, Method};
pub use machine::event::VideoEvent;
pub use machine::fault::{VideoFault, Whom};
