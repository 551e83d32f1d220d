//! Callbacks as Twilio sends them: a form by POST (or GET), signed, with each product's own patience and second tries.
//!
//! Every product of the sandbox that tells a developer's server something does it through one [`Courier`]. A product says
//! what happened ([`Callback`]) and either posts it into a queue, whose callbacks arrive in their order, or asks and waits
//! for the answer. What is signed, where it may go, when it is tried again and what a fault does to it is decided in
//! [`machine`], without a clock and without a socket; [`Courier`] only carries it out.
//!
//! Callbacks leave for this machine alone: a developer's own server on the loopback interface, or a host that the sandbox
//! impersonates. Any other URL is refused, and the log says so.

#![warn(missing_docs)]

mod callback;
mod fault;
pub mod machine;
mod request;
mod shell;
mod target;
mod terms;

pub use callback::{Callback, Failure, Method, Outcome, Product, Record, Reply};
pub use fault::{Fault, FaultKind};
pub use request::{SharedKey, Signer};
pub use shell::{Config, Courier};
pub use target::Targets;
