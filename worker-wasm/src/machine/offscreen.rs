//! The offscreen document: open and warm while there is something to be ready for.

use std::collections::BTreeSet;

use kernel::{Secret, Timestamp};
use protocol::offscreen::ToOffscreen;
use sansio::{Backoff, Timers};

use super::{
    command::Command,
    context::Context,
    event::PortId,
    persisted::{Persisted, renew},
    token::VoiceToken,
};

/// From opening the document to its Hello.
const HELLO_MS: u64 = 10_000;
/// Between two tries to open it.
const BACKOFF: Backoff = Backoff::new(1_000, 30_000);
/// The SDK lets go of no call whole: each leaves audio nodes and some MB of the process's memory with the document. After
/// so many the document is replaced, which frees all of it.
const CALLS_CARRIED: u32 = 20;
/// So long after a call nothing is replaced: the document still says goodbye to the gateway.
const RENEW_IDLE_MS: u64 = 1_000;

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Timer {
    /// The document's Hello is overdue, or Chrome's word that it is closed.
    Hello,
    /// Until then the document is not opened again.
    Retry,
    /// The document has carried enough calls and has been idle: time for a fresh one.
    Renew,
}

/// Where the document stands.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
enum State {
    /// Not open, as far as this process knows.
    #[default]
    Closed,
    /// Chrome was asked to open it, or it has lost its port; its Hello is to come.
    Opening,
    /// It has said Hello.
    Ready {
        port: PortId,
        /// Token and edge of the last Prepare.
        prepared: Option<(Secret, Option<String>)>,
    },
    /// Chrome was asked to close it.
    Closing,
}

/// What the document is wanted for.
#[derive(Clone, Copy, Debug)]
pub(super) struct Wanted<'a> {
    /// A call is live.
    pub(super) has_call: bool,
    /// Somebody tests the microphone or the speaker, or looks at the devices.
    pub(super) for_devices: bool,
    /// The Voice token of whoever is signed in.
    pub(super) voice: Option<&'a VoiceToken>,
    /// The gateway confirms their registration,
    pub(super) is_registered: bool,
    /// on this edge.
    pub(super) edge: Option<&'a str>,
}

/// The document and how often it failed to come.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Offscreen {
    state: State,
    failures: u32,
    /// How many calls the open document has carried.
    carried: u32,
    /// Its connections, of which the newest that said Hello counts.
    ports: BTreeSet<PortId>,
    timers: Timers<Timer, Timestamp>,
}

impl Offscreen {
    /// Goes on from what was saved.
    pub(super) fn restore(&mut self, persisted: &Persisted, now: Timestamp) {
        self.carried = persisted.calls_carried;
        self.plan_renewal(now);
    }

    pub(super) fn save(&self, saved: &mut Persisted) -> bool {
        renew(&mut saved.calls_carried, &self.carried)
    }

    /// Where to speak to it, once it has said Hello.
    pub(super) const fn port(&self) -> Option<PortId> {
        match &self.state {
            State::Ready { port, .. } => Some(*port),
            State::Closed | State::Opening | State::Closing => None,
        }
    }

    /// It has connected.
    pub(super) fn port_opened(&mut self, port: PortId) {
        self.ports.insert(port);
    }

    pub(super) fn has_port(&self, port: PortId) -> bool {
        self.ports.contains(&port)
    }

    /// A port of it closed: the document may be gone, or about to connect again.
    pub(super) fn port_closed(&mut self, port: PortId) {
        self.ports.remove(&port);
        if self.port() == Some(port) {
            self.state = State::Closed;
        }
    }

    /// It says Hello. False when it is about to be closed.
    pub(super) fn hello(&mut self, port: PortId) -> bool {
        if self.state == State::Closing {
            return false;
        }
        self.state = State::Ready { port, prepared: None };
        self.failures = 0;
        self.timers.disarm(Timer::Hello);
        self.timers.disarm(Timer::Retry);
        true
    }

    /// Chrome has opened it, or not.
    pub(super) fn opened(&mut self, ok: bool, cx: &mut Context) {
        if self.state != State::Opening || ok {
            return;
        }
        cx.warn("Chrome did not open the offscreen document.");
        self.failed(cx);
        self.state = State::Closed;
    }

    /// Chrome has closed it.
    pub(super) fn closed(&mut self) {
        if self.state == State::Closing {
            self.state = State::Closed;
            self.timers.disarm(Timer::Hello);
        }
    }

    /// No Hello came, or Chrome never said that it closed the document.
    fn overdue(&mut self, cx: &mut Context) {
        match self.state {
            State::Opening => {
                cx.warn("The offscreen document did not answer and is opened anew.");
                self.failed(cx);
                self.close(cx);
            }
            State::Closing => self.state = State::Closed,
            State::Closed | State::Ready { .. } => {}
        }
    }

    fn failed(&mut self, cx: &mut Context) {
        self.failures = self.failures.saturating_add(1);
        let delay = BACKOFF.jittered_ms(self.failures, cx.draw());
        self.timers.arm(Timer::Retry, cx.now.plus(delay));
    }

    /// Closes the document, and with it whatever goes on in it. It is opened again when it is wanted.
    pub(super) fn close(&mut self, cx: &mut Context) {
        if self.state != State::Closing {
            self.state = State::Closing;
            self.carried = 0;
            self.timers.disarm(Timer::Hello);
            self.timers.disarm(Timer::Renew);
            cx.push(Command::CloseOffscreen);
        }
        self.timers.arm_once(Timer::Hello, cx.now.plus(HELLO_MS));
    }

    /// Closes it and waits for nothing else.
    pub(super) fn reset(&mut self, cx: &mut Context) {
        self.timers.clear();
        self.carried = 0;
        self.close(cx);
    }

    /// The document has carried one more call.
    pub(super) fn call_carried(&mut self, now: Timestamp) {
        self.carried = self.carried.saturating_add(1);
        self.plan_renewal(now);
    }

    /// Arms the replacement of a document that has carried enough.
    fn plan_renewal(&mut self, now: Timestamp) {
        if self.carried >= CALLS_CARRIED {
            self.timers.arm(Timer::Renew, now.plus(RENEW_IDLE_MS));
        }
    }

    /// Time has gone on. A document that is due is not replaced while it is in use: the end of the next call plans it anew.
    pub(super) fn time_passes(&mut self, is_in_use: bool, cx: &mut Context) {
        while let Some((timer, _)) = self.timers.take_due(cx.now) {
            match timer {
                Timer::Hello => self.overdue(cx),
                Timer::Renew if !is_in_use => {
                    cx.info("The offscreen document has carried many calls and is replaced by a fresh one.");
                    cx.count("offscreen_renewed");
                    self.close(cx);
                }
                Timer::Renew | Timer::Retry => {}
            }
        }
    }

    pub(super) fn next(&self) -> Option<Timestamp> {
        self.timers.next()
    }

    /// The clock was set back.
    pub(super) fn shift_back(&mut self, millis: u64) {
        self.timers.shift_back(millis);
    }

    /// Opens the document when it is wanted, keeps it ready, and closes it when nothing needs it.
    pub(super) fn settle(&mut self, wanted: Wanted<'_>, cx: &mut Context) {
        let Wanted { has_call, for_devices, voice, is_registered, edge } = wanted;
        let is_wanted = has_call || voice.is_some() || for_devices;
        match &mut self.state {
            State::Closed if is_wanted && !self.timers.is_armed(Timer::Retry) => {
                self.state = State::Opening;
                self.timers.arm(Timer::Hello, cx.now.plus(HELLO_MS));
                cx.push(Command::EnsureOffscreen);
            }
            State::Ready { .. } if !is_wanted => self.close(cx),
            // It still has the token of somebody who has gone.
            State::Ready { prepared: Some(_), .. } if !has_call && voice.is_none() => self.close(cx),
            // Not before the gateway has named the edge, nor with a token that it would refuse; and the
            // Device that carries a call is left alone.
            State::Ready { port, prepared } if !has_call && is_registered => {
                let Some(voice) = voice.filter(|voice| voice.is_good(cx.now)) else { return };
                let edge = edge.map(str::to_owned);
                let wish = Some((voice.token.clone(), edge.clone()));
                if *prepared != wish {
                    *prepared = wish;
                    let message = Box::new(ToOffscreen::Prepare { token: voice.token.clone(), edge });
                    cx.push(Command::ToOffscreen { port: *port, message });
                }
            }
            _ => {}
        }
    }
}
