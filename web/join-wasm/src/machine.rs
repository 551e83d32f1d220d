//! What the page of a call decides: a customer's page, an agent's tab and the agent's window in the extension alike.

pub mod command;
pub mod event;
pub mod track;

use kernel::Monotonic;

use self::{
    command::Command,
    event::{Event, Setup},
    track::TrackId,
};

/// The page of a call.
#[derive(Debug)]
pub struct Machine {
    setup: Setup,
}

/// Where a picture comes from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Source<'a> {
    /// One of our own captures.
    Own,
    /// A track of somebody else, by its SID.
    Remote(&'a str),
}

impl Machine {
    /// The page before [`Event::Started`].
    #[must_use]
    pub const fn new(setup: Setup) -> Self {
        Self { setup }
    }

    /// Where a picture of the view comes from; `None` when it is no more.
    #[must_use]
    pub fn source(&self, _track: TrackId) -> Option<Source<'_>> {
        Some(Source::Own)
    }

    /// What the page speaks.
    #[must_use]
    pub const fn language(&self) -> messages::Language {
        self.setup.language
    }
}

impl sansio::Machine for Machine {
    type Time = Monotonic;
    type Event = Event;
    type Command = Command;

    fn handle(&mut self, _event: Event, _now: Monotonic) -> Vec<Command> {
        vec![]
    }

    fn handle_timeout(&mut self, _now: Monotonic) -> Vec<Command> {
        vec![]
    }

    fn poll_timeout(&self) -> Option<Monotonic> {
        None
    }
}
