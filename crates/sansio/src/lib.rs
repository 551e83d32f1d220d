//! The one contract of all our machines.
//!
//! A machine decides; a shell does. The field calls this *sans-IO*, or *functional core, imperative shell*: a machine reads
//! no clock, draws no random numbers and does no I/O. It is given one [`Event`](Machine::Event) at a time with the time at
//! which it happened, and returns the [`Command`](Machine::Command)s that its shell has to carry out. When something is to
//! happen by itself, [`Machine::poll_timeout`] says when; the shell keeps one timer for it and calls
//! [`Machine::handle_timeout`] then.
//!
//! A machine may be made of parts that keep the same contract: it asks each for its timeout and answers the earliest
//! ([`earliest`]).
//!
//! Each machine has one clock: [`Timestamp`](kernel::Timestamp) where its state outlives the process or is compared with what
//! others wrote (token expiry), else [`Monotonic`](kernel::Monotonic). Both are a [`Moment`].
//!
//! [`rig`] moves the time of a machine in tests.

#![warn(missing_docs)]

mod backoff;
mod jitter;
pub mod rig;
mod timers;

pub use kernel::Moment;

pub use self::{backoff::Backoff, jitter::Jitter, timers::Timers};

/// A state machine without I/O.
pub trait Machine {
    /// Its clock.
    type Time: Moment;
    /// What may happen to it.
    type Event;
    /// What it may have done.
    type Command;

    /// Something happened at `now`. The commands are carried out in their order, and before the next event.
    fn handle(&mut self, event: Self::Event, now: Self::Time) -> Vec<Self::Command>;

    /// The time that [`Self::poll_timeout`] named has come. Called too early or twice it does nothing.
    fn handle_timeout(&mut self, now: Self::Time) -> Vec<Self::Command>;

    /// When [`Self::handle_timeout`] wants to be called. Asked after every call of the other two; `None`: not at all.
    fn poll_timeout(&self) -> Option<Self::Time>;
}

/// The earliest of some instants after `now`. For a machine that compares all that is with all that should be at every event:
/// whatever was due until then, it has seen.
pub fn next_after<T: Ord>(now: T, instants: impl IntoIterator<Item = Option<T>>) -> Option<T> {
    instants.into_iter().flatten().filter(|at| *at > now).min()
}

/// The earliest of some timeouts, of which any may be absent.
pub fn earliest<T: Ord>(timeouts: impl IntoIterator<Item = Option<T>>) -> Option<T> {
    timeouts.into_iter().flatten().min()
}
