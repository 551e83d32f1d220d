//! What every concern of the machine is given besides the facts that it needs: the time, the policy, chance, and where its
//! commands, its log lines and its counts go.

use kernel::Timestamp;
use protocol::{offscreen::ToOffscreen, state::LogLevel};
use sansio::Jitter;

use super::{command::Command, config::Policy, event::PortId, journal::Journal};

/// The surroundings of the concerns.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Context {
    /// The time of what is happening.
    pub(super) now: Timestamp,
    /// What the administrator has decided.
    pub(super) policy: Policy,
    /// What support reads.
    pub(super) journal: Journal,
    jitter: Jitter,
    commands: Vec<Command>,
}

impl Context {
    pub(super) fn new(now: Timestamp, seed: u64) -> Self {
        Self {
            now,
            policy: Policy::default(),
            journal: Journal::default(),
            jitter: Jitter::new(seed),
            commands: Vec::new(),
        }
    }

    /// Has something done.
    pub(super) fn push(&mut self, command: Command) {
        self.commands.push(command);
    }

    /// What there is to be done since the last time.
    pub(super) fn take_commands(&mut self) -> Vec<Command> {
        std::mem::take(&mut self.commands)
    }

    /// Sends to the offscreen document, if it is there.
    pub(super) fn send_to_offscreen(&mut self, port: Option<PortId>, message: ToOffscreen) {
        if let Some(port) = port {
            self.push(Command::ToOffscreen { port, message: Box::new(message) });
        }
    }

    /// A random number, for delays.
    pub(super) fn draw(&mut self) -> u64 {
        self.jitter.draw()
    }

    /// Counts something for support.
    pub(super) fn count(&mut self, what: &'static str) {
        self.journal.count(what, 1);
    }

    pub(super) fn info(&mut self, message: impl Into<String>) {
        self.log(LogLevel::Info, message.into());
    }

    pub(super) fn warn(&mut self, message: impl Into<String>) {
        self.log(LogLevel::Warning, message.into());
    }

    /// A warning that somebody else can cause as often as they like: written once, as long as the record shows it.
    pub(super) fn complain(&mut self, message: impl Into<String>) {
        let message = message.into();
        if !self.journal.shows(&message) {
            self.warn(message);
        }
    }

    fn log(&mut self, level: LogLevel, message: String) {
        if self.policy.records(level) {
            self.journal.write(self.now, level, message);
        }
    }
}
