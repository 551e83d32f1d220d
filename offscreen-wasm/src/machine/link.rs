//! The connection to the worker: made again whenever it closes, which is also what wakes a killed worker.

use kernel::Timestamp;
use protocol::offscreen::FromOffscreen;

use super::{Command, PortId, Timer};

/// How often the worker hears a ping, in milliseconds. Chrome stops a worker that heard nothing for 30 s.
const PING_MS: u32 = 20_000;

/// Pauses before connecting again, in milliseconds; the last one repeats.
const BACKOFF_MS: [u32; 5] = [0, 250, 1_000, 2_000, 5_000];

/// A connection that stood this long, in milliseconds, was a good one: the next one is tried without a pause.
const GOOD_MS: u64 = 5_000;

/// How many messages are kept for the worker while it is away.
const MAX_KEPT: usize = 32;

#[derive(Debug)]
struct Open {
    id: PortId,
    since: Timestamp,
    heard: bool,
}

/// The connection and what waits for it.
#[derive(Debug, Default)]
pub(super) struct Link {
    open: Option<Open>,
    ports: PortId,
    failures: usize,
    given_up: bool,
    kept: Vec<FromOffscreen>,
}

impl Link {
    /// Connects, if there is reason to. `hello` goes first: it says what really is to a worker that may just have been
    /// restarted.
    pub(super) fn connect(&mut self, hello: FromOffscreen, now: Timestamp, out: &mut Vec<Command>) -> bool {
        if self.given_up || self.open.is_some() {
            return false;
        }
        self.ports += 1;
        let id = self.ports;
        self.open = Some(Open { id, since: now, heard: false });
        out.extend([Command::Connect(id), Command::Send(id, hello)]);
        out.extend(self.kept.drain(..).map(|message| Command::Send(id, message)));
        out.push(Command::Start(Timer::Ping, PING_MS));
        true
    }

    /// Notes that a message came. False when it came over an old connection.
    pub(super) fn hear(&mut self, id: PortId) -> bool {
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
    pub(super) fn closed(&mut self, id: PortId, alive: bool, now: Timestamp, out: &mut Vec<Command>) {
        self.given_up |= !alive;
        let Some(open) = self.open.take_if(|open| open.id == id) else { return };
        out.push(Command::Stop(Timer::Ping));
        if self.given_up {
            return;
        }
        if open.heard || now.since(open.since) >= GOOD_MS {
            self.failures = 0;
        }
        let pause = BACKOFF_MS[self.failures.min(BACKOFF_MS.len() - 1)];
        self.failures += 1;
        out.push(Command::Start(Timer::Reconnect, pause));
    }

    /// True while there is no connection.
    #[cfg(test)]
    pub(super) fn is_away(&self) -> bool {
        self.open.is_none()
    }

    /// Time for a ping.
    pub(super) fn ping(&mut self, out: &mut Vec<Command>) {
        if let Some(open) = &self.open {
            out.extend([Command::Send(open.id, FromOffscreen::Ping), Command::Start(Timer::Ping, PING_MS)]);
        }
    }
}
