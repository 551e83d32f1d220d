//! The offscreen document: open and warm while there is something to be ready for.

use kernel::{Secret, Timestamp};
use protocol::{
    AudioSettings,
    offscreen::{FromOffscreen, ToOffscreen},
};
use sansio::Backoff;

use super::{Command, Machine, event::PortId, timers::Timer};

/// From opening the document to its Hello.
const HELLO_MS: u64 = 10_000;
/// Between two tries to open it.
const BACKOFF: Backoff = Backoff::new(1_000, 30_000);
/// The SDK lets go of no call whole: each leaves audio nodes and some MB of the process's memory with the document. After
/// so many the document is replaced, which frees all of it.
const CALLS_CARRIED: u32 = 20;
/// So long after a call nothing is replaced: the document still says goodbye to the gateway.
const RENEW_IDLE_MS: u64 = 1_000;
/// The longest note that goes to the log.
const MAX_NOTE_CHARS: usize = 200;

/// Where the document stands.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) enum State {
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
        told: Told,
    },
    /// Chrome was asked to close it.
    Closing,
}

/// What the document was told of microphone and speaker.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Told {
    pub(super) settings: Option<AudioSettings>,
    /// `None` when it may still be testing for a worker that was killed.
    pub(super) is_testing: Option<bool>,
}

/// The document and how often it failed to come.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Offscreen {
    pub(super) state: State,
    failures: u32,
}

impl Offscreen {
    pub(super) const fn is_ready(&self) -> bool {
        matches!(self.state, State::Ready { .. })
    }

    pub(super) const fn told(&mut self) -> Option<&mut Told> {
        match &mut self.state {
            State::Ready { told, .. } => Some(told),
            _ => None,
        }
    }

    fn is_on(&self, port: PortId) -> bool {
        matches!(&self.state, State::Ready { port: current, .. } if *current == port)
    }
}

impl Machine {
    /// A message of the offscreen document.
    pub(super) fn offscreen_says(&mut self, port: PortId, message: Option<FromOffscreen>, now: Timestamp) {
        let Some(message) = message else {
            return self.warn(now, "A message of the offscreen document was not understood.");
        };
        if let FromOffscreen::Hello { call } = message {
            if self.offscreen.state == State::Closing {
                return;
            }
            let is_microphone_open = self.durable.audio.as_ref().is_some_and(|audio| audio.microphone_open);
            let told = Told { settings: None, is_testing: (!is_microphone_open).then_some(false) };
            self.offscreen = Offscreen { state: State::Ready { port, prepared: None, told }, failures: 0 };
            self.timers.disarm(Timer::OffscreenHello);
            self.timers.disarm(Timer::OffscreenRetry);
            // Before a call is handed over, so that it begins on the right devices.
            self.settle_audio();
            return self.offscreen_says_hello(call, now);
        }
        if !self.offscreen.is_on(port) {
            // The word of a port that was replaced: the new one's Hello says what is.
            return;
        }
        match message {
            FromOffscreen::Hello { .. } => {}
            FromOffscreen::Call { call } => self.offscreen_holds(call, now),
            FromOffscreen::Ended { call_sid, problem } => self.offscreen_ended(&call_sid, problem, now),
            FromOffscreen::Audio { state } => self.audio_changed(*state, now),
            FromOffscreen::Quality { call_sid, sample } => self.quality_sampled(&call_sid, sample),
            FromOffscreen::Warning { call_sid, warning, raised } => {
                self.quality_warned(&call_sid, warning, raised, now);
            }
            FromOffscreen::Level { percent } => self.microphone_level(percent),
            FromOffscreen::Ping => self.tell_offscreen(ToOffscreen::Pong),
            FromOffscreen::Note { message } => {
                let note: String = message.chars().take(MAX_NOTE_CHARS).collect();
                self.info(now, format!("Offscreen document: {note}"));
            }
        }
    }

    /// Sends to the offscreen document, if it is there.
    pub(super) fn tell_offscreen(&mut self, message: ToOffscreen) {
        if let State::Ready { port, .. } = self.offscreen.state {
            self.out.push(Command::ToOffscreen { port, message: Box::new(message) });
        }
    }

    /// A port of the offscreen document closed: the document may be gone, or about to connect again.
    pub(super) fn offscreen_port_closed(&mut self, port: PortId) {
        if self.offscreen.is_on(port) {
            self.offscreen.state = State::Closed;
        }
    }

    pub(super) fn offscreen_opened(&mut self, ok: bool, now: Timestamp) {
        if self.offscreen.state != State::Opening || ok {
            return;
        }
        self.warn(now, "Chrome did not open the offscreen document.");
        self.offscreen_failed(now);
        self.offscreen.state = State::Closed;
    }

    pub(super) fn offscreen_closed(&mut self) {
        if self.offscreen.state == State::Closing {
            self.offscreen.state = State::Closed;
            self.timers.disarm(Timer::OffscreenHello);
        }
    }

    /// No Hello came, or Chrome never said that it closed the document.
    pub(super) fn offscreen_overdue(&mut self, now: Timestamp) {
        match self.offscreen.state {
            State::Opening => {
                self.warn(now, "The offscreen document did not answer and is opened anew.");
                self.offscreen_failed(now);
                self.reset_offscreen(now);
            }
            State::Closing => self.offscreen.state = State::Closed,
            State::Closed | State::Ready { .. } => {}
        }
    }

    fn offscreen_failed(&mut self, now: Timestamp) {
        self.offscreen.failures = self.offscreen.failures.saturating_add(1);
        let random = self.jitter.draw();
        let delay = BACKOFF.jittered_ms(self.offscreen.failures, random);
        self.timers.arm(Timer::OffscreenRetry, now.plus(delay));
    }

    /// Closes the document, and with it whatever goes on in it. It is opened again when it is wanted.
    pub(super) fn reset_offscreen(&mut self, now: Timestamp) {
        if self.offscreen.state != State::Closing {
            self.offscreen.state = State::Closing;
            self.durable.calls_carried = 0;
            self.timers.disarm(Timer::OffscreenHello);
            self.timers.disarm(Timer::RenewOffscreen);
            self.out.push(Command::CloseOffscreen);
        }
        self.timers.arm_once(Timer::OffscreenHello, now.plus(HELLO_MS));
    }

    /// The document has carried one more call.
    pub(super) fn call_carried(&mut self, now: Timestamp) {
        self.durable.calls_carried = self.durable.calls_carried.saturating_add(1);
        self.plan_renewal(now);
    }

    /// Arms the replacement of a document that has carried enough.
    pub(super) fn plan_renewal(&mut self, now: Timestamp) {
        if self.durable.calls_carried >= CALLS_CARRIED {
            self.timers.arm(Timer::RenewOffscreen, now.plus(RENEW_IDLE_MS));
        }
    }

    /// Replaces the document, unless it is in use: then the end of the next call plans it anew.
    pub(super) fn renew_offscreen(&mut self, now: Timestamp) {
        if self.is_busy() || self.audio_tests.are_wanted() {
            return;
        }
        self.info(now, "The offscreen document has carried many calls and is replaced by a fresh one.");
        self.count("offscreen_renewed");
        self.reset_offscreen(now);
    }

    /// Opens the document when it is wanted, keeps it ready, and closes it when nothing needs it.
    pub(super) fn settle_offscreen(&mut self, now: Timestamp) {
        let has_call = self.durable.call.is_some();
        let is_registered = self.is_registered();
        let wanted = has_call
            || self.durable.voice.is_some()
            || self.audio_tests.are_wanted()
            || self.is_options_page_open();
        match &mut self.offscreen.state {
            State::Closed if wanted && !self.timers.is_armed(Timer::OffscreenRetry) => {
                self.offscreen.state = State::Opening;
                self.timers.arm(Timer::OffscreenHello, now.plus(HELLO_MS));
                self.out.push(Command::EnsureOffscreen);
            }
            State::Ready { .. } if !wanted => self.reset_offscreen(now),
            // It still has the token of somebody who has gone.
            State::Ready { prepared: Some(_), .. } if !has_call && self.durable.voice.is_none() => {
                self.reset_offscreen(now);
            }
            // Not before the gateway has named the edge, nor with a token that it would refuse; and the
            // Device that carries a call is left alone.
            State::Ready { port, prepared, .. } if !has_call && is_registered => {
                let Some(voice) = self.durable.voice.as_ref().filter(|voice| voice.is_good(now)) else {
                    return;
                };
                let edge = self.registration.edge().map(str::to_owned);
                let wish = Some((voice.token.clone(), edge.clone()));
                if *prepared != wish {
                    *prepared = wish;
                    let message = Box::new(ToOffscreen::Prepare { token: voice.token.clone(), edge });
                    self.out.push(Command::ToOffscreen { port: *port, message });
                }
            }
            _ => {}
        }
    }
}
