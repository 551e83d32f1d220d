//! The log of everything that happened, for the switchboard and for tests.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use kernel::{CallSid, Timestamp};
use sandbox_voice::Clock;
use serde::Serialize;
use serde_json::Value;
use tokio::sync::broadcast;

/// How many entries are kept.
const KEPT: usize = 10_000;

/// One thing that happened.
#[derive(Clone, Debug, Serialize)]
pub struct Entry {
    /// Its number, counted from 1.
    pub seq: u64,
    /// Milliseconds since the start.
    pub at_ms: u64,
    /// Wall time, ISO 8601.
    pub wall: String,
    /// `voice`, `media`, `flex`, `iam`, `chat`, `callbacks` or `switchboard`.
    pub source: &'static str,
    #[serde(rename = "type")]
    pub kind: String,
    /// The call it is about.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub call_sid: Option<String>,
    /// Details; never a token.
    pub data: Value,
}

/// The log. Clones are handles to the same one.
#[derive(Clone)]
pub(crate) struct Log {
    clock: Clock,
    inner: Arc<Mutex<Kept>>,
    live: broadcast::Sender<Entry>,
}

struct Kept {
    next: u64,
    entries: VecDeque<Entry>,
}

impl Log {
    pub(crate) fn new(clock: Clock) -> Self {
        let inner = Kept { next: 1, entries: VecDeque::new() };
        Self { clock, inner: Arc::new(Mutex::new(inner)), live: broadcast::channel(4096).0 }
    }

    /// Milliseconds since the start.
    pub(crate) fn now_ms(&self) -> u64 {
        self.clock.since_start(self.clock.wall(self.clock.now()))
    }

    /// The wall clock.
    pub(crate) fn wall(&self) -> Timestamp {
        self.clock.wall(self.clock.now())
    }

    /// Adds what happened just now.
    pub(crate) fn add(&self, source: &'static str, kind: &str, call_sid: Option<&CallSid>, data: Value) {
        self.add_at(self.clock.wall(self.clock.now()), source, kind, call_sid.map(CallSid::as_str), data);
    }

    /// Adds what happened at a given time.
    pub(crate) fn add_at(
        &self,
        at: Timestamp,
        source: &'static str,
        kind: &str,
        call_sid: Option<&str>,
        data: Value,
    ) {
        let wall =
            i64::try_from(at.as_millis()).ok().and_then(|ms| jiff::Timestamp::from_millisecond(ms).ok());
        let mut kept = self.kept();
        let entry = Entry {
            seq: kept.next,
            at_ms: self.clock.since_start(at),
            wall: wall.map(|wall| format!("{wall:.3}")).unwrap_or_default(),
            source,
            kind: kind.to_owned(),
            call_sid: call_sid.map(str::to_owned),
            data,
        };
        kept.next += 1;
        if kept.entries.len() == KEPT {
            kept.entries.pop_front();
        }
        kept.entries.push_back(entry.clone());
        // Inside the lock, so that whoever subscribes sees each entry either here or there, never twice.
        drop(self.live.send(entry));
    }

    /// Entries from a number on, and the number that the next one will have.
    pub(crate) fn since(&self, seq: u64) -> (Vec<Entry>, u64) {
        let kept = self.kept();
        (kept.entries.iter().filter(|e| e.seq >= seq).cloned().collect(), kept.next)
    }

    /// Entries from a number on, then whatever follows.
    pub(crate) fn follow(&self, seq: u64) -> (Vec<Entry>, broadcast::Receiver<Entry>) {
        let kept = self.kept();
        (kept.entries.iter().filter(|e| e.seq >= seq).cloned().collect(), self.live.subscribe())
    }

    fn kept(&self) -> MutexGuard<'_, Kept> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
