//! The connection to the worker: made again whenever it closes, which is also what wakes a killed worker.

use kernel::Monotonic;
use protocol::offscreen::FromOffscreen;
use sansio::{Backoff, Timers};

use super::command::{Command, PortId, Timer};

/// How often the worker hears a ping, in milliseconds. Chrome stops a worker that heard nothing for 30 s.
const PING_MS: u64 = 20_000;

/// Pauses before connecting again: 0, 250, 500, 1000, 2000, 4000, 5000 ms.
const RECONNECT: Backoff = Backoff::new(250, 5_000).first_at_once();

/// A connection that stood this long, in milliseconds, was a good one: the next one is tried without a pause.
const GOOD_MS: u64 = 5_000;

/// How many messages are kept for the worker while it is away.
const MAX_KEPT: usize = 32;

#[derive(Debug)]
struct Open {
    id: PortId,
    since: Monotonic,
    heard: bool,
}

/// The connection and what waits for it.
#[derive(Debug, Default)]
pub(super) struct WorkerPort {
    open: Option<Open>,
    ports: PortId,
    failures: u32,
    given_up: bool,
    kept: Vec<FromOffscreen>,
}

impl WorkerPort {
    /// Connects, if there is reason to. `hello` goes first: it says what really is to a worker that may just have been
    /// restarted.
    pub(super) fn connect(
        &mut self,
        hello: FromOffscreen,
        now: Monotonic,
        timers: &mut Timers<Timer, Monotonic>,
        out: &mut Vec<Command>,
    ) -> bool {
        if self.given_up || self.open.is_some() {
            return false;
        }
        self.ports += 1;
        let id = self.ports;
        self.open = Some(Open { id, since: now, heard: false });
        out.extend([Command::Connect(id), Command::Send(id, hello)]);
        out.extend(self.kept.drain(..).map(|message| Command::Send(id, message)));
        timers.arm(Timer::Ping, now.plus(PING_MS));
        true
    }

    /// Notes that a message came. False when it came over an old connection.
    pub(super) fn note_message(&mut self, id: PortId) -> bool {
        let open = self.open.as_mut().filter(|open| open.id == id);
        open.map(|open| open.heard = true).is_some()
    }

    /// Sends, or keeps what a [`FromOffscreen::Hello`] would not say.
    pub(super) fn send(&mut self, message: FromOffscreen, out: &mut Vec<Command>) {
        if let Some(open) = &self.open {
            out.push(Command::Send(open.id, message));
        } else if matches!(message, FromOffscreen::Ended { .. } | FromOffscreen::Note { .. }) {
            if self.kept.len() == MAX_KEPT {
                self.kept.remove(0);
            }
            self.kept.push(message);
        }
    }

    /// The connection is gone. `alive` is false when the extension is, and then there is nobody to connect to.
    pub(super) fn closed(
        &mut self,
        id: PortId,
        alive: bool,
        now: Monotonic,
        timers: &mut Timers<Timer, Monotonic>,
    ) {
        self.given_up |= !alive;
        let Some(open) = self.open.take_if(|open| open.id == id) else { return };
        timers.disarm(Timer::Ping);
        if self.given_up {
            return;
        }
        if open.heard || now.since(open.since) >= GOOD_MS {
            self.failures = 0;
        }
        self.failures = self.failures.saturating_add(1);
        timers.arm(Timer::Reconnect, now.plus(RECONNECT.pause_ms(self.failures)));
    }

    /// True while there is no connection.
    #[cfg(test)]
    pub(super) fn is_away(&self) -> bool {
        self.open.is_none()
    }

    /// Time for a ping.
    pub(super) fn ping(
        &mut self,
        now: Monotonic,
        timers: &mut Timers<Timer, Monotonic>,
        out: &mut Vec<Command>,
    ) {
        if let Some(open) = &self.open {
            out.push(Command::Send(open.id, FromOffscreen::Ping));
            timers.arm(Timer::Ping, now.plus(PING_MS));
        }
    }
}
