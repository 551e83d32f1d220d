//! Twilio on your laptop, composed: the voice side and the Flex side of the sandbox behind one set of ports.
//!
//! ```text
//! Chromium --TLS, chosen by Host--> [hosts]  flex hosts -> sandbox-flex     voice-js*.twilio.com -> sandbox-voice
//!                                            token host -> the real token service (a load balancer with faults)
//! Chromium --TLS, slowly---------> [pipe]    the same, behind a simulated round trip
//! a person, tests --plain HTTP---> [switchboard]  the page, its REST, the event log; IAM for the token service
//! ```
//!
//! [`glue`] is where Flex and voice meet: Flex says whom to call, voice says how that went.

mod chats;
mod cli;
mod glue;
mod hosts;
mod log;
mod pipe;
mod proxy;
mod refusal;
mod server;
mod switchboard;
mod texts;
mod tls;

pub use cli::Cli;
pub use server::{Ports, Sandbox};
