//! The customer: a WebRTC peer with one UDP socket and one thread per call, and what it measures.
//!
//! [`audio`], [`dtmf`] and [`stats`] are pure; [`session`] is the thread.

pub mod audio;
pub mod dtmf;
pub mod recording;
pub mod session;
mod socket;
pub mod stats;
