//! Twilio Voice on your laptop: the signalling gateway that the Voice SDK talks to, and the customer at the far end.
//!
//! ```text
//! Voice SDK in a browser --- wss://…/signal ---> gateway (machine.rs decides, shell.rs carries)
//!                        --- UDP, SRTP --------> customer (media/: str0m, one thread and one socket per call)
//! tests, switchboard, sandbox-flex -----------> Voice (api/): start, end and measure calls, inject faults
//! ```
//!
//! The protocol is what `@twilio/voice-sdk` 2.18 speaks, read from its sources and tried against the real SDK. What
//! Twilio's own servers do beyond that cannot be seen from the client; such choices are marked "Inferred:".
//!
//! [`machine`] is a pure state machine (events in, commands out, no clock, no I/O); everything that measures or
//! changes audio is pure too ([`media::stats`], [`media::audio`]), so only the two shells touch the outside world.

mod api;
pub mod machine;
pub mod media;
mod shell;
pub mod token;
mod view;
pub mod wire;

pub use api::handle::Voice;
pub use api::types::{
    ActiveFault, AgentToCustomer, CallState, CallView, Config, CustomerToAgent, EndReason, EndedBy, Line,
    LossDirection, NewCall, SocketView, VoiceError, VoiceEvent, VoiceEventKind, VoiceFault, VoiceView,
    WindowFigures, WindowView, WindowsView,
};
pub use sandbox_kit::clock::Clock;
