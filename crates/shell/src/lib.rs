//! The browser's event loop for every machine that runs in one: the other half of [`sansio`].
//!
//! A room implements [`Shell`]: it says where its [`EventLoop`] is and carries out commands. Its listeners call
//! [`Shell::report`], and the rest is here: one event after the other, the clock read once for each, commands carried out in
//! their order, and one timer that is set to what [`sansio::Machine::poll_timeout`] asks for.

#![warn(missing_docs)]

mod alarm;
mod clock;
mod event_loop;
mod inbox;
mod seed;

pub use self::{
    clock::Clock,
    event_loop::{EventLoop, Shell},
    seed::seed,
};
