//! What support reads: the flight recorder and the counters.

use std::collections::{BTreeMap, VecDeque};

use kernel::{Identity, Timestamp};
use protocol::state::{LogEntry, LogLevel};

use super::persisted::{Persisted, renew};

/// How many lines the flight recorder keeps.
const LOG_LINES: usize = 200;

/// The flight recorder and the counters.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct Journal {
    log: VecDeque<LogEntry>,
    counters: BTreeMap<String, u32>,
}

impl Journal {
    pub(super) fn restore(&mut self, persisted: &Persisted) {
        self.log.clone_from(&persisted.log);
        self.counters.clone_from(&persisted.counters);
    }

    pub(super) fn save(&self, saved: &mut Persisted) -> bool {
        renew(&mut saved.log, &self.log) | renew(&mut saved.counters, &self.counters)
    }

    /// The lines, oldest first.
    pub(super) const fn log(&self) -> &VecDeque<LogEntry> {
        &self.log
    }

    pub(super) const fn counters(&self) -> &BTreeMap<String, u32> {
        &self.counters
    }

    pub(super) fn count(&mut self, what: &'static str, times: u32) {
        let count = self.counters.entry(what.into()).or_default();
        *count = count.saturating_add(times);
    }

    /// Writes a line. It is not repeated at once: a worker without a registration is started every half minute.
    pub(super) fn write(&mut self, at: Timestamp, level: LogLevel, message: String) {
        if self.log.back().is_some_and(|entry| entry.level == level && entry.message == message) {
            return;
        }
        if self.log.len() >= LOG_LINES {
            self.log.pop_front();
        }
        self.log.push_back(LogEntry { at, level, message });
    }

    pub(super) fn shows(&self, message: &str) -> bool {
        self.log.iter().any(|entry| entry.message == message)
    }

    /// Leaves out what names an agent who has gone.
    pub(super) fn forget(&mut self, identity: &Identity) {
        self.log.retain(|line| !line.message.contains(identity.as_str()));
    }
}
