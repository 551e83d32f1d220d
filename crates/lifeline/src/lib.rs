//! How a page keeps hold of the extension that carries its agent's calls.
//!
//! Any page may: Flex, whose plugin uses this, or a desk of our own. Nothing here knows what such a page is. It says who its
//! agent is and whether they are there ([`Page`]), which calls they expect, and whether the customer is on hold; it is told what
//! the extension says ([`Report`]), whether the extension is there at all ([`Trouble`]), and has its buttons carried to the
//! call, or is told why not ([`Refusal`]).
//!
//! * [`link`]: hello, accepted or refused, alive or silent;
//! * [`channel`]: in the page's window, where every script listens, or over a port of our own;
//! * [`report`]: what the extension said last, and whether it is this agent's;
//! * [`mute`]: the agent's own mute against reports that are older than it;
//! * [`hold`], [`repeat`]: what is said again until it has been heard.
//!
//! [`Lifeline`] is the machine that they make together.

#![warn(missing_docs)]

pub mod channel;
pub mod hold;
pub mod link;
pub mod machine;
pub mod mute;
pub mod repeat;
pub mod report;

#[cfg(test)]
mod tests;

pub use hold::Held;
pub use link::Trouble;
pub use machine::{Command, Event, Hello, Lifeline, MAX_DIGITS, Page, Presence, Refusal};
pub use report::{Report, WrongIdentity};
