//! Every message on every hop of Holdfast, as types.
//!
//! ```text
//! Flex page (plugin)  --window.postMessage-->  content script  --Port "flexUI"-->   worker
//! popup, options      --Port "popup"------------------------------------------->   worker
//! offscreen document  --Port "offscreen"--------------------------------------->   worker
//! video window        --Port "video"------------------------------------------->   worker
//! worker              --HTTPS--------------------------------------------------->  token service
//! ```
//!
//! The page hop is the wire contract of the JavaScript extension that Holdfast replaces, extended only by new types
//! and extra fields, so that each side works with the other's counterpart ([`page`]). The other hops are ours.
//!
//! This crate has no I/O, no clock and no WASM. It parses; deciding is the machines' business.

#![warn(missing_docs)]

pub mod audio;
pub mod caller;
pub mod history;
pub mod offscreen;
pub mod page;
pub mod popup;
pub mod quality;
pub mod state;
pub mod token;
pub mod video;
pub mod video_window;

#[cfg(test)]
mod typescript;

pub use audio::{AudioDevice, AudioKind, AudioSettings, AudioState};
pub use quality::{QualitySample, QualitySummary, QualityWarning};
pub use state::{CallPhase, CallSummary, CallView, Problem, ProblemCode, Status, WaitingCall};

/// The version of the page contract that this build speaks, as `protocolVersion` in messages.
///
/// 1 is the contract of the extension that Holdfast replaces (which sends no version). 2 adds the fields and types
/// that [`page`] marks as extensions. 3 is that a page says who its agent is, that they sign out, and which calls they
/// expect. 4 adds the agent's window of a video session.
pub const PROTOCOL_VERSION: u32 = 4;

/// The identity prefix used when neither policy nor the page names one. The token service owns the real one.
pub const DEFAULT_IDENTITY_PREFIX: &str = "ext_";

/// Names of the long-lived `chrome.runtime` ports, by which the worker tells who connected.
pub mod port {
    /// Content script of a Flex page. The name is part of the contract of the replaced extension.
    pub const PAGE: &str = "flexUI";
    /// Popup, options and welcome pages.
    pub const POPUP: &str = "popup";
    /// The offscreen document.
    pub const OFFSCREEN: &str = "offscreen";
    /// A window with an agent's video.
    pub const VIDEO: &str = "video";
}
