//! A conversation goes on face to face: sessions of video, their links, seats and rooms. The contract is [`protocol::video`].
//!
//! | module | what it is |
//! |---|---|
//! | [`session`] | one session: who may be in it, by which link, and how far it is; pure |
//! | [`store`] | where sessions are kept, and how two replicas change one |
//! | [`sessions`] | what is decided, carried out at the store and at Twilio |
//! | [`names`] | codes, seats, and what is kept of them |
//! | [`settings`] | what the operator says |

pub mod names;
pub mod session;
pub mod sessions;
pub mod settings;
pub mod store;

pub use settings::{RecordingPolicy, VideoConfig};
