//! What the page of a call decides: a customer's page, an agent's tab and the agent's window in the extension alike.
//!
//! A page goes through [`phase::Phase`]s: lock, look, check, join, wait, room, end. After each event what runs is compared with what
//! should run in that phase ([`media::Media::settle`]), so that no order of events leaves a camera on or publishes a microphone while
//! a call of the agent is live.

pub mod command;
pub mod event;
pub mod kept;
pub mod media;
pub mod notes;
pub mod people;
pub mod phase;
pub mod track;

#[cfg(test)]
mod tests;

use kernel::{Monotonic, Secret};
use protocol::{
    video::{
        Admission, AdmitBySeat, EndBySeat, EndReason, Join, Joined, Leave, Look, Looked, Pulse, Pulsed,
        Recording, SeatRole, VideoErrorCode, Waiting, WaitingWhy, code_of,
    },
    video_window::{FromVideoWindow, ToVideoWindow},
};
use sansio::{Backoff, Jitter, Timers};

use self::{
    command::{Ask, Command},
    event::{Action, Answer, Event, Fault, Place, RoomEvent, Setup},
    kept::Kept,
    media::{Ids, May, Media},
    notes::{Notes, Said},
    people::People,
    phase::{Cause, End, Link, Phase},
    track::{DeviceKind, TrackId},
};

/// How long another page of this browser may take to give the lock back, in milliseconds: one that is being reloaded does so at once.
const LOCK_MS: u64 = 1_500;
/// How long the worker may take to say what to join, in milliseconds: Flex asks the service meanwhile.
const LINK_MS: u64 = 20_000;
/// The same after the seat that was kept turned out to be no good.
const LINK_AGAIN_MS: u64 = 5_000;
/// How long the worker may take to say whether a call is live, in milliseconds; then what the service knew counts.
const CALL_MS: u64 = 3_000;
/// Between pulses where the service does not say.
const PULSE_MS: u64 = 5_000;
/// Between pulses while waiting.
const WAITING_PULSE_MS: u64 = 1_000;
/// How long the SDK may take to join, in milliseconds. It gives up by itself after 15 seconds without a socket.
const CONNECT_MS: u64 = 30_000;
/// How long *bye* may take to the others before the room is left, in milliseconds.
const BYE_MS: u64 = 150;
/// How often something may fail at the start before the person is told that it does not work.
pub const PATIENCE: u32 = 4;
/// Pauses before the service or the room is tried again.
const RETRY: Backoff = Backoff::new(1_000, 15_000).first_at_once();
/// Pauses between pulses that nobody answers.
const PULSE_RETRY: Backoff = Backoff::new(2_000, 30_000);

/// Twilio's codes. Source: <https://www.twilio.com/docs/api/errors>.
mod code {
    pub const ROOM_FULL: u32 = 53_105;
    pub const ROOM_COMPLETED: u32 = 53_118;
    pub const DUPLICATE_IDENTITY: u32 = 53_205;
    pub const SESSION_TOO_LONG: u32 = 53_216;
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Timer {
    Lock,
    Link,
    Call,
    Retry,
    Connect,
    Pulse,
    Bye,
    Port,
}

/// What a request in flight is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Purpose {
    /// Look or join: what the phase waits for.
    Main,
    /// How the agent is called who is there now.
    Host,
    Pulse,
    Admit,
    End,
}

/// What is joined.
#[derive(Clone, Debug)]
struct Invitation {
    service: String,
    code: Secret,
}

/// The page of a call.
#[derive(Debug)]
pub struct Machine {
    setup: Setup,
    phase: Phase,
    invitation: Option<Invitation>,
    /// What the worker said and nobody has used yet.
    fresh: Option<Invitation>,
    /// That there is nothing to join, in Flex's words; for when the seat that was kept is no good.
    not_opened: Option<String>,
    role: Option<SeatRole>,
    organisation: String,
    agent: String,
    /// The identity of the agent whose name was asked for last.
    host: Option<String>,
    asks_consent: bool,
    consent: Option<bool>,
    seat: Option<Secret>,
    /// This page goes back to a room, rather than there for the first time.
    returning: bool,
    /// It was in it since the page began.
    was_in: bool,
    /// The person said that they come back: no tap more is wanted.
    comes_back: bool,
    /// The person wants in although this browser has no camera for us.
    watches_only: bool,
    media: Media,
    ids: Ids,
    people: People,
    notes: Notes,
    attempts: u32,
    /// A room that is left as soon as the others know.
    closing: Option<u32>,
    requests: u32,
    flights: Vec<(u32, Purpose)>,
    failures: u32,
    pulse_failures: u32,
    /// Whether a call of the agent is live; not known at first.
    call_live: Option<bool>,
    /// What the service knew of it.
    call_was_live: bool,
    quality: Option<u8>,
    others_waiting: Vec<Waiting>,
    answered: Vec<String>,
    recording: Recording,
    met: Option<(u64, Monotonic)>,
    asks_end: bool,
    sound_blocked: bool,
    tone_plays: bool,
    hidden: bool,
    port_open: bool,
    port_failures: u32,
    told_in_room: bool,
    awake: bool,
    metered: Option<TrackId>,
    kept: Option<Secret>,
    timers: Timers<Timer, Monotonic>,
    jitter: Jitter,
    /// When it was last told something.
    now: Monotonic,
}

/// Where a picture comes from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Source<'a> {
    /// One of our own captures.
    Own,
    /// A track of somebody else, by its SID.
    Remote(&'a str),
}

/// Why the microphone cannot be switched on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Held {
    /// A call of the agent is live, and the worker says when it is over.
    Call,
    /// A call of the agent was live, and only they know when it is over.
    CallOfOld,
    /// It is not known yet whether one is.
    Unknown,
}

impl Machine {
    /// The page before [`Event::Started`].
    #[must_use]
    pub fn new(setup: Setup) -> Self {
        let role = match setup.place {
            Place::Link(_) => None,
            Place::Window(_) => Some(SeatRole::Agent),
        };
        let jitter = Jitter::new(setup.seed);
        Self {
            setup,
            phase: Phase::Idle,
            invitation: None,
            fresh: None,
            not_opened: None,
            role,
            organisation: String::new(),
            agent: String::new(),
            host: None,
            asks_consent: false,
            consent: None,
            seat: None,
            returning: false,
            was_in: false,
            comes_back: false,
            watches_only: false,
            media: Media::default(),
            ids: Ids::default(),
            people: People::default(),
            notes: Notes::default(),
            attempts: 0,
            closing: None,
            requests: 0,
            flights: Vec::new(),
            failures: 0,
            pulse_failures: 0,
            call_live: None,
            call_was_live: false,
            quality: None,
            others_waiting: Vec::new(),
            answered: Vec::new(),
            recording: Recording::Off,
            met: None,
            asks_end: false,
            sound_blocked: false,
            tone_plays: false,
            hidden: false,
            port_open: false,
            port_failures: 0,
            told_in_room: false,
            awake: false,
            metered: None,
            kept: None,
            timers: Timers::default(),
            jitter,
            now: Monotonic::default(),
        }
    }

    // What the view asks.

    /// Where a picture of the view comes from; `None` when it is no more.
    #[must_use]
    pub fn source(&self, track: TrackId) -> Option<Source<'_>> {
        if self.media.owns(track) {
            return Some(Source::Own);
        }
        self.people.sid_of(track).map(Source::Remote)
    }

    /// What the page found at its start.
    #[must_use]
    pub const fn setup(&self) -> &Setup {
        &self.setup
    }

    /// How far the page is.
    #[must_use]
    pub const fn phase(&self) -> &Phase {
        &self.phase
    }

    /// What we are; not known before the service was asked.
    #[must_use]
    pub const fn role(&self) -> Option<SeatRole> {
        self.role
    }

    /// What the organisation calls itself, and the agent's public name; either may be empty.
    #[must_use]
    pub fn host(&self) -> (&str, &str) {
        (&self.organisation, &self.agent)
    }

    /// What was answered about recording, where it is asked.
    #[must_use]
    pub const fn consent(&self) -> Option<Option<bool>> {
        if self.asks_consent { Some(self.consent) } else { None }
    }

    /// Our own camera, microphone and screen.
    #[must_use]
    pub const fn media(&self) -> &Media {
        &self.media
    }

    /// Everybody else.
    #[must_use]
    pub const fn people(&self) -> &People {
        &self.people
    }

    /// What is said once.
    #[must_use]
    pub const fn notes(&self) -> &Notes {
        &self.notes
    }

    /// Who waits, and whether they were answered already.
    pub fn others_waiting(&self) -> impl Iterator<Item = (&Waiting, bool)> {
        self.others_waiting.iter().map(|one| (one, self.answered.contains(&one.id)))
    }

    /// What is recorded.
    #[must_use]
    pub const fn recording(&self) -> Recording {
        self.recording
    }

    /// For how many seconds they have met, by the service's clock and ours, which goes on.
    #[must_use]
    pub fn seconds(&self, now: Monotonic) -> Option<u64> {
        self.met.map(|(seconds, at)| seconds + now.since(at) / 1_000)
    }

    /// Our own network quality level.
    #[must_use]
    pub const fn quality(&self) -> Option<u8> {
        self.quality
    }

    /// Why the microphone cannot be switched on.
    #[must_use]
    pub fn held(&self) -> Option<Held> {
        if self.role != Some(SeatRole::Agent) {
            return None;
        }
        match (self.call_live, &self.setup.place) {
            (Some(false), _) => None,
            (Some(true), Place::Window(_)) => Some(Held::Call),
            (Some(true), Place::Link(_)) => Some(Held::CallOfOld),
            (None, _) => Some(Held::Unknown),
        }
    }

    /// How often in a row the service or the room could not be reached.
    #[must_use]
    pub const fn failures(&self) -> u32 {
        self.failures
    }

    /// Whether the service does not answer pulses.
    #[must_use]
    pub const fn is_out_of_touch(&self) -> bool {
        self.pulse_failures >= 2
    }

    /// Whether this page goes back to a room in which it was.
    #[must_use]
    pub const fn is_returning(&self) -> bool {
        self.returning
    }

    /// Whether it was in that room since the page began: then there is something to show of it.
    #[must_use]
    pub const fn was_in(&self) -> bool {
        self.was_in
    }

    /// Whether the browser holds sound back.
    #[must_use]
    pub const fn is_sound_blocked(&self) -> bool {
        self.sound_blocked
    }

    /// Whether the test tone plays.
    #[must_use]
    pub const fn plays_tone(&self) -> bool {
        self.tone_plays
    }

    /// Whether the agent is asked if they want to end it for all.
    #[must_use]
    pub const fn asks_end(&self) -> bool {
        self.asks_end
    }

    /// Whether it is being ended for all.
    #[must_use]
    pub fn is_ending(&self) -> bool {
        self.has_flight(Purpose::End)
    }

    // The service.

    fn has_flight(&self, purpose: Purpose) -> bool {
        self.flights.iter().any(|(_, of)| *of == purpose)
    }

    fn ask(&mut self, purpose: Purpose, ask: Ask, out: &mut Vec<Command>) {
        self.requests += 1;
        self.flights.push((self.requests, purpose));
        let service = self.service();
        out.push(Command::Ask { request: self.requests, service, ask });
    }

    fn service(&self) -> String {
        self.invitation.as_ref().map(|one| one.service.clone()).unwrap_or_default()
    }

    fn code(&self) -> String {
        self.invitation.as_ref().map(|one| one.code.expose().to_owned()).unwrap_or_default()
    }

    fn seat(&self) -> Option<String> {
        self.seat.as_ref().map(|seat| seat.expose().to_owned())
    }

    fn look(&mut self, out: &mut Vec<Command>) {
        self.phase = Phase::Looking;
        self.timers.disarm(Timer::Retry);
        let look = Look { code: self.code(), seat: self.seat() };
        self.ask(Purpose::Main, Ask::Look(look), out);
    }

    /// Asks for a place, or for the own one again.
    fn join(&mut self, out: &mut Vec<Command>) {
        self.timers.disarm(Timer::Retry);
        self.timers.disarm(Timer::Link);
        if self.has_flight(Purpose::Main) {
            return;
        }
        self.phase = match self.phase {
            Phase::Room(_) => Phase::Room(Link::Asking),
            _ => Phase::Joining,
        };
        let join = Join { code: self.code(), seat: self.seat(), consent: self.consent };
        self.ask(Purpose::Main, Ask::Join(join), out);
    }

    fn pulse(&mut self, out: &mut Vec<Command>) {
        self.timers.disarm(Timer::Pulse);
        let Some(seat) = self.seat() else { return };
        if self.has_flight(Purpose::Pulse) {
            return;
        }
        let in_room = matches!(self.phase, Phase::Room(link) if link.is_in());
        let pulse = Pulse { seat, in_room, quality: self.quality.filter(|_| in_room) };
        self.ask(Purpose::Pulse, Ask::Pulse(pulse), out);
    }

    fn beacon(&self, by_hand: bool, out: &mut Vec<Command>) {
        if let Some(seat) = self.seat() {
            out.push(Command::Beacon { service: self.service(), leave: Leave { seat, by_hand } });
        }
    }

    fn keep(&mut self, left: bool, out: &mut Vec<Command>) {
        if self.seat.is_none() {
            return;
        }
        let kept = Kept {
            left,
            service: self.service(),
            code: self.invitation.as_ref().map(|one| one.code.clone()),
            seat: self.seat.clone(),
            role: self.role.unwrap_or_default(),
            consent: self.consent,
            camera_off: !self.media.camera.on,
            microphone_off: !self.media.microphone.on,
            camera: self.media.camera.device.clone(),
            microphone: self.media.microphone.device.clone(),
            speaker: self.media.speaker.clone(),
            organisation: self.organisation.clone(),
            agent: self.agent.clone(),
        };
        let text = kept.write();
        if self.kept.as_ref() != Some(&text) {
            self.kept = Some(text.clone());
            out.push(Command::Keep(text));
        }
    }

    fn forget(&mut self, out: &mut Vec<Command>) {
        (self.seat, self.kept) = (None, None);
        out.push(Command::Forget);
    }

    // The way in.

    fn begin(&mut self, steal: bool, now: Monotonic, out: &mut Vec<Command>) {
        let features = self.setup.features;
        self.failures = 0;
        if !features.secure {
            return self.finish(End::Insecure, now, out);
        }
        if !features.peer_connection {
            return self.finish(End::TooOld, now, out);
        }
        if !features.capture && !self.watches_only {
            return self.finish(End::InApp, now, out);
        }
        self.phase = Phase::Locking;
        if !steal {
            self.timers.arm(Timer::Lock, now.plus(LOCK_MS));
        }
        out.push(Command::Lock { steal });
    }

    fn locked(&mut self, kept: Option<&Secret>, now: Monotonic, out: &mut Vec<Command>) {
        if self.phase != Phase::Locking {
            // It came too late: whoever uses this link elsewhere may go on.
            if matches!(self.phase, Phase::End(_)) {
                out.push(Command::Unlock);
            }
            return;
        }
        self.timers.disarm(Timer::Lock);
        let kept = kept.map(|text| Kept::read(text.expose())).unwrap_or_default();
        let back = kept.seat.is_some() && (!kept.left || self.comes_back);
        self.take_choices(&kept, out);
        match &self.setup.place {
            Place::Link(address) => {
                let Some(code) = code_of(address) else { return self.finish(End::UnknownLink, now, out) };
                self.invitation = Some(Invitation { service: String::new(), code: Secret::new(code) });
                if back {
                    self.role = Some(kept.role);
                    (self.returning, self.phase) = (true, Phase::Joining);
                    self.join(out);
                } else {
                    self.look(out);
                }
            }
            Place::Window(_) => match (kept.code, back) {
                (Some(code), true) => {
                    self.invitation = Some(Invitation { service: kept.service, code });
                    (self.returning, self.phase) = (true, Phase::Joining);
                    self.join(out);
                }
                _ => {
                    self.seat = None;
                    self.await_link(LINK_MS, now, out);
                }
            },
        }
    }

    fn take_choices(&mut self, kept: &Kept, out: &mut Vec<Command>) {
        self.seat = kept.seat.clone();
        if kept.seat.is_none() {
            return;
        }
        self.consent = kept.consent.or(self.consent);
        (self.media.camera.on, self.media.microphone.on) = (!kept.camera_off, !kept.microphone_off);
        self.media.camera.device.clone_from(&kept.camera);
        self.media.microphone.device.clone_from(&kept.microphone);
        self.media.speaker.clone_from(&kept.speaker);
        (self.organisation, self.agent) = (kept.organisation.clone(), kept.agent.clone());
        if let Some(speaker) = &kept.speaker {
            out.push(Command::Speaker(Some(speaker.clone())));
        }
    }

    fn await_link(&mut self, patience: u64, now: Monotonic, out: &mut Vec<Command>) {
        if let Some(fresh) = self.fresh.take() {
            self.invitation = Some(fresh);
            self.phase = Phase::Joining;
            return self.join(out);
        }
        if let Some(message) = self.not_opened.take() {
            return self.finish(End::NotOpened(message), now, out);
        }
        self.phase = Phase::AwaitingLink;
        self.timers.arm(Timer::Link, now.plus(patience));
    }

    fn looked(&mut self, looked: Looked, now: Monotonic, out: &mut Vec<Command>) {
        self.failures = 0;
        self.role = Some(looked.role);
        (self.organisation, self.agent) = (looked.organisation, looked.agent);
        self.asks_consent = looked.recording != Recording::Off;
        if let Some(reason) = looked.ended {
            return self.finish(End::Ended(reason), now, out);
        }
        if looked.role == SeatRole::Agent {
            return self.join(out);
        }
        if !self.setup.features.capture {
            (self.media.camera.on, self.media.microphone.on) = (false, false);
        }
        self.phase = Phase::Check;
    }

    fn joined(&mut self, joined: Joined, now: Monotonic, out: &mut Vec<Command>) {
        let Joined { seat, role, admission, waiting, call_live } = joined;
        self.seat = Some(Secret::new(seat));
        self.role = Some(role);
        self.call_was_live = call_live;
        match self.setup.place {
            Place::Link(_) => self.call_live = self.call_live.or(Some(call_live)),
            Place::Window(_) if self.call_live.is_none() => {
                if call_live {
                    self.call(true, now);
                } else {
                    self.timers.arm(Timer::Call, now.plus(CALL_MS));
                }
            }
            Place::Window(_) => {}
        }
        if self.held().is_some_and(|held| held != Held::Unknown) {
            self.media.microphone.on = false;
        }
        match admission {
            Some(admission) => self.connect(admission, now, out),
            None => {
                self.phase = Phase::Waiting(waiting.unwrap_or(WaitingWhy::Other));
                self.timers.arm(Timer::Pulse, now.plus(WAITING_PULSE_MS));
            }
        }
    }

    fn connect(&mut self, admission: Admission, now: Monotonic, out: &mut Vec<Command>) {
        self.timers.disarm(Timer::Retry);
        self.attempts += 1;
        self.phase = Phase::Room(Link::Connecting(self.attempts));
        let tracks = self.media.to_join_with(self.may());
        out.push(Command::Connect {
            attempt: self.attempts,
            token: Secret::new(admission.token),
            room: admission.room,
            region: admission.region,
            tracks,
        });
        self.timers.arm(Timer::Connect, now.plus(CONNECT_MS));
        self.timers.arm_once(Timer::Pulse, now.plus(PULSE_MS));
    }

    /// The service or the room could not be reached: once more, after a pause.
    fn retry(&mut self, why: End, least: Option<u32>, now: Monotonic, out: &mut Vec<Command>) {
        self.failures += 1;
        if !self.returning && self.failures >= PATIENCE {
            return self.finish(why, now, out);
        }
        if let Phase::Room(link) = &mut self.phase {
            *link = Link::Down;
        }
        let pause = RETRY.jittered_ms(self.failures, self.jitter.draw());
        let least = least.map_or(0, |seconds| u64::from(seconds.min(60)) * 1_000);
        self.timers.arm(Timer::Retry, now.plus(pause.max(least)));
    }

    fn retry_now(&mut self, out: &mut Vec<Command>) {
        match self.phase {
            Phase::Looking if !self.has_flight(Purpose::Main) => self.look(out),
            Phase::Joining | Phase::Room(Link::Down) => self.join(out),
            _ => {}
        }
    }

    // The way out.

    /// Nothing goes on by itself from here on. Cameras and microphones are stopped where all that is settled.
    fn finish(&mut self, end: End, now: Monotonic, out: &mut Vec<Command>) {
        let attempt = match self.phase {
            Phase::Room(link) => link.attempt().map(|attempt| (attempt, link.is_in())),
            _ => None,
        };
        match (attempt, &end) {
            // Whoever is left behind is told that this was by hand, before it looks like a lost connection.
            (Some((attempt, true)), End::Left) => {
                out.push(Command::SayBye);
                self.closing = Some(attempt);
                self.timers.clear();
                self.timers.arm(Timer::Bye, now.plus(BYE_MS));
            }
            (attempt, _) => {
                let bye = self.timers.at(Timer::Bye);
                self.timers.clear();
                if let Some(bye) = bye {
                    self.timers.arm(Timer::Bye, bye);
                }
                if let Some((attempt, _)) = attempt {
                    out.push(Command::Disconnect(attempt));
                }
            }
        }
        if self.setup.place_is_window() && !self.port_open {
            self.timers.arm(Timer::Port, now);
        }
        match &end {
            End::Left => {
                self.beacon(true, out);
                self.keep(true, out);
            }
            end if end.loses_seat() => self.forget(out),
            _ => {}
        }
        out.push(Command::Unlock);
        self.flights.clear();
        self.media.room_gone();
        self.people.clear();
        self.others_waiting.clear();
        self.answered.clear();
        (self.met, self.quality, self.recording) = (None, None, Recording::Off);
        (self.asks_end, self.sound_blocked, self.tone_plays) = (false, false, false);
        (self.returning, self.was_in, self.comes_back) = (false, false, false);
        (self.failures, self.pulse_failures) = (0, 0);
        if end.is_over() && self.setup.place_is_window() && self.port_open {
            out.push(Command::Tell(FromVideoWindow::Over));
        }
        self.phase = Phase::End(end);
    }

    /// The page goes away. It says so to everybody whom that concerns.
    fn page_hidden(&mut self, out: &mut Vec<Command>) {
        self.hidden = true;
        // What was asked is asked anew, should the page come back.
        self.flights.clear();
        if let Some(attempt) = self.closing.take() {
            self.timers.disarm(Timer::Bye);
            out.push(Command::Disconnect(attempt));
        }
        match &mut self.phase {
            Phase::Room(link) => {
                if let Some(attempt) = link.attempt() {
                    out.push(Command::Disconnect(attempt));
                }
                *link = Link::Down;
                self.timers.disarm(Timer::Connect);
                self.timers.disarm(Timer::Retry);
                self.media.room_gone();
                self.people.lose_all();
                self.beacon(false, out);
            }
            Phase::Waiting(_) => self.beacon(false, out),
            _ => {}
        }
    }

    // While it goes on.

    fn pulsed(&mut self, pulsed: Pulsed, now: Monotonic, out: &mut Vec<Command>) {
        self.pulse_failures = 0;
        if let Some(reason) = pulsed.ended {
            return self.finish(End::Ended(reason), now, out);
        }
        if pulsed.turned_away {
            return self.finish(End::TurnedAway, now, out);
        }
        let is_new = |one: &Waiting| !self.others_waiting.iter().any(|known| known.id == one.id);
        if pulsed.others_waiting.iter().any(is_new) {
            self.notes.say(Said::Knock, now);
        }
        self.answered.retain(|id| pulsed.others_waiting.iter().any(|one| one.id == *id));
        self.others_waiting = pulsed.others_waiting;
        self.recorded(pulsed.recording, now);
        self.met = pulsed.seconds.map(|seconds| (seconds, now));
        let mut pause = pulsed.next.clamp(1, 60) * 1_000;
        if pulsed.next == 0 {
            pause = PULSE_MS;
        }
        match &mut self.phase {
            Phase::Waiting(why) => {
                pause = WAITING_PULSE_MS;
                *why = pulsed.waiting.unwrap_or(*why);
                if let Some(admission) = pulsed.admission {
                    self.connect(admission, now, out);
                }
            }
            Phase::Room(Link::Down) if !self.hidden => {
                if let Some(admission) = pulsed.admission {
                    self.connect(admission, now, out);
                }
            }
            Phase::Room(Link::Why(cause)) => match (pulsed.admission, *cause) {
                // The room is made anew while the conversation lives.
                (Some(admission), Cause::Completed) => self.connect(admission, now, out),
                (None, Cause::Completed) => {
                    self.phase = Phase::Room(Link::Down);
                    self.retry(End::Network, None, now, out);
                }
                (_, Cause::Removed) => return self.finish(End::Removed, now, out),
            },
            _ => {}
        }
        self.timers.arm(Timer::Pulse, now.plus(pause));
    }

    fn recorded(&mut self, recording: Recording, now: Monotonic) {
        let (was, is) = (self.recording == Recording::On, recording == Recording::On);
        if was != is {
            self.notes.say(if is { Said::Recording } else { Said::NotRecording }, now);
        }
        self.recording = recording;
    }

    fn answered(&mut self, request: u32, answer: Answer, now: Monotonic, out: &mut Vec<Command>) {
        let Some(purpose) = self.landed(request) else { return };
        match (answer, purpose) {
            (Answer::Looked(looked), Purpose::Main) => self.looked(looked, now, out),
            (Answer::Joined(joined), Purpose::Main) => self.joined(joined, now, out),
            (Answer::Looked(looked), Purpose::Host) => {
                (self.organisation, self.agent) = (looked.organisation, looked.agent);
            }
            (Answer::Pulsed(mut pulsed), Purpose::End) => {
                pulsed.ended.get_or_insert(EndReason::Agent);
                self.pulsed(pulsed, now, out);
            }
            (Answer::Pulsed(pulsed), Purpose::Pulse | Purpose::Admit) => self.pulsed(pulsed, now, out),
            _ => {}
        }
    }

    fn landed(&mut self, request: u32) -> Option<Purpose> {
        let at = self.flights.iter().position(|(number, _)| *number == request)?;
        Some(self.flights.remove(at).1)
    }

    fn failed(&mut self, request: u32, fault: Fault, now: Monotonic, out: &mut Vec<Command>) {
        let Some(purpose) = self.landed(request) else { return };
        match purpose {
            Purpose::Main => self.main_failed(fault, now, out),
            // "Agent" is a name, too.
            Purpose::Host => {}
            Purpose::Pulse => self.pulse_failed(fault, now, out),
            Purpose::Admit | Purpose::End => {
                self.answered.clear();
                self.notes.say(Said::NotDone, now);
            }
        }
    }

    fn main_failed(&mut self, fault: Fault, now: Monotonic, out: &mut Vec<Command>) {
        let Fault::Refused { code, retry_after } = fault else {
            return self.retry(End::Silent, None, now, out);
        };
        match code {
            VideoErrorCode::UnknownCode | VideoErrorCode::NotFound if self.seat.is_some() => {
                self.seat_lost(End::UnknownLink, now, out)
            }
            VideoErrorCode::Ended if self.seat.is_some() => {
                self.seat_lost(End::Ended(EndReason::Other), now, out)
            }
            VideoErrorCode::UnknownCode | VideoErrorCode::NotFound => self.finish(End::UnknownLink, now, out),
            VideoErrorCode::Ended => self.finish(End::Ended(EndReason::Other), now, out),
            VideoErrorCode::LinkUsed => self.finish(End::LinkUsed, now, out),
            VideoErrorCode::RoomFull => self.finish(End::Full, now, out),
            VideoErrorCode::ConsentNeeded => {
                self.asks_consent = true;
                self.phase = Phase::Consent;
            }
            VideoErrorCode::OriginNotAllowed
            | VideoErrorCode::NotAllowed
            | VideoErrorCode::WrongAccount
            | VideoErrorCode::MissingToken
            | VideoErrorCode::InvalidFlexToken
            | VideoErrorCode::MalformedRequest
            | VideoErrorCode::NoText => self.finish(End::NotAllowed, now, out),
            VideoErrorCode::RateLimited
            | VideoErrorCode::UpstreamUnavailable
            | VideoErrorCode::Internal
            | VideoErrorCode::Unknown => self.retry(End::Silent, retry_after, now, out),
        }
    }

    /// The seat that was kept is no good. The link may be, and in a window the worker may have a newer one.
    fn seat_lost(&mut self, end: End, now: Monotonic, out: &mut Vec<Command>) {
        let was_in = matches!(self.phase, Phase::Room(_));
        self.forget(out);
        self.returning = false;
        match self.setup.place {
            _ if was_in => self.finish(end, now, out),
            Place::Window(_) => self.await_link(LINK_AGAIN_MS, now, out),
            Place::Link(_) => self.look(out),
        }
    }

    fn pulse_failed(&mut self, fault: Fault, now: Monotonic, out: &mut Vec<Command>) {
        self.pulse_failures += 1;
        let code = match fault {
            Fault::Refused { code, .. } => Some(code),
            Fault::Unreachable => None,
        };
        let cause = match self.phase {
            Phase::Room(Link::Why(cause)) => Some(cause),
            _ => None,
        };
        match (code, cause) {
            (Some(VideoErrorCode::Ended), _) => return self.finish(End::Ended(EndReason::Other), now, out),
            (Some(VideoErrorCode::UnknownCode), _) if matches!(self.phase, Phase::Waiting(_)) => {
                return self.finish(End::TurnedAway, now, out);
            }
            // Whether it is over cannot be learnt. A button leads back, where there is something to go back to.
            (_, Some(Cause::Removed)) => return self.finish(End::Removed, now, out),
            (_, Some(Cause::Completed)) => {
                self.phase = Phase::Room(Link::Down);
                self.retry(End::Silent, None, now, out);
            }
            (_, None) => {}
        }
        let pause = PULSE_RETRY.jittered_ms(self.pulse_failures, self.jitter.draw());
        self.timers.arm(Timer::Pulse, now.plus(pause));
    }

    // The room.

    fn connected(
        &mut self,
        attempt: u32,
        people: Vec<event::RemotePerson>,
        recording: bool,
        now: Monotonic,
        out: &mut Vec<Command>,
    ) {
        if self.phase != Phase::Room(Link::Connecting(attempt)) {
            // We have gone another way meanwhile.
            if self.attempt() != Some(attempt) {
                out.push(Command::Disconnect(attempt));
            }
            return;
        }
        self.timers.disarm(Timer::Connect);
        self.phase = Phase::Room(Link::Up(attempt));
        let was_in = self.returning;
        (self.failures, self.returning, self.was_in) = (0, true, true);
        for (role, news) in self.people.set(people, &mut self.ids) {
            if was_in {
                self.notes.say(Said::News(role, news), now);
            }
        }
        self.notes.say(if was_in { Said::Reconnected } else { Said::Joined }, now);
        if recording {
            self.recorded(Recording::On, now);
        }
        self.pulse(out);
    }

    /// Another agent may be there than the one who was named: after a transfer, or since the page was loaded.
    fn ask_host(&mut self, out: &mut Vec<Command>) {
        if self.role == Some(SeatRole::Agent) || !matches!(self.phase, Phase::Room(link) if link.is_in()) {
            return;
        }
        let Some(host) = self.people.agent().filter(|host| self.host.as_deref() != Some(host)) else {
            return;
        };
        if self.host.replace(host.to_owned()).is_some() {
            self.agent.clear();
        }
        let look = Look { code: self.code(), seat: self.seat() };
        self.ask(Purpose::Host, Ask::Look(look), out);
    }

    fn attempt(&self) -> Option<u32> {
        match self.phase {
            Phase::Room(link) => link.attempt(),
            _ => None,
        }
    }

    fn not_connected(&mut self, attempt: u32, code: Option<u32>, now: Monotonic, out: &mut Vec<Command>) {
        if self.phase != Phase::Room(Link::Connecting(attempt)) {
            return;
        }
        self.timers.disarm(Timer::Connect);
        self.media.room_gone();
        if code == Some(code::ROOM_FULL) {
            self.phase = Phase::Room(Link::Down);
            return self.finish(End::Full, now, out);
        }
        self.retry(End::Network, None, now, out);
    }

    fn in_room(&mut self, event: RoomEvent, now: Monotonic, out: &mut Vec<Command>) {
        let news = match event {
            RoomEvent::Came(person) => self.people.came(person, &mut self.ids),
            RoomEvent::Went(sid) => self.people.went(&sid, now),
            RoomEvent::Lost(sid) => self.people.reach(&sid, true),
            RoomEvent::Back(sid) => self.people.reach(&sid, false),
            RoomEvent::Bye(sid) => {
                self.people.bye(&sid);
                None
            }
            RoomEvent::Received(sid, track) => {
                let shares = self.people.received(&sid, track, &mut self.ids);
                if let Some(role) = shares {
                    self.notes.say(Said::Shares(role), now);
                }
                None
            }
            RoomEvent::Dropped(track) => {
                if let Some(role) = self.people.dropped(&track) {
                    self.notes.say(Said::SharesNoMore(role), now);
                }
                None
            }
            RoomEvent::Enabled(track, on) => {
                self.people.enabled(&track, on);
                None
            }
            RoomEvent::Speaks(sid) => {
                self.people.speaks(sid.as_deref());
                None
            }
            RoomEvent::Quality(Some(sid), level) => {
                self.people.quality(&sid, level);
                None
            }
            RoomEvent::Quality(None, level) => {
                self.quality = Some(level);
                None
            }
            RoomEvent::NotPublished(track) => {
                self.media.not_published(track, out);
                self.notes.say(Said::DeviceLost, now);
                None
            }
            RoomEvent::Reconnecting(_) => {
                if let Some(attempt) = self.attempt() {
                    self.phase = Phase::Room(Link::Reconnecting(attempt));
                    self.notes.say(Said::Reconnecting, now);
                }
                None
            }
            RoomEvent::Reconnected => {
                // The SDK says this right after joining, too.
                if let Phase::Room(Link::Reconnecting(attempt)) = self.phase {
                    self.phase = Phase::Room(Link::Up(attempt));
                    self.notes.say(Said::Reconnected, now);
                }
                None
            }
            RoomEvent::Recording(on) => {
                let otherwise = if self.recording == Recording::On { Recording::Off } else { self.recording };
                self.recorded(if on { Recording::On } else { otherwise }, now);
                None
            }
            RoomEvent::Disconnected(code) => {
                self.disconnected(code, now, out);
                None
            }
        };
        if let Some((role, news)) = news {
            self.notes.say(Said::News(role, news), now);
        }
    }

    fn disconnected(&mut self, code: Option<u32>, now: Monotonic, out: &mut Vec<Command>) {
        self.media.room_gone();
        self.people.lose_all();
        self.timers.disarm(Timer::Connect);
        self.phase = Phase::Room(Link::Down);
        match code {
            Some(code::DUPLICATE_IDENTITY) => self.finish(End::OtherBrowser, now, out),
            Some(code::SESSION_TOO_LONG) => self.finish(End::Ended(EndReason::Duration), now, out),
            Some(code::ROOM_COMPLETED) if self.is_ending() => {
                self.finish(End::Ended(EndReason::Agent), now, out)
            }
            Some(code::ROOM_COMPLETED) => self.ask_why(Cause::Completed, out),
            None => self.ask_why(Cause::Removed, out),
            // The token has expired (20104), the connection is lost for good (53001, 53405), or anything else: by a new token, at once.
            Some(_) => {
                self.notes.say(Said::Reconnecting, now);
                self.retry(End::Network, None, now, out);
            }
        }
    }

    fn ask_why(&mut self, cause: Cause, out: &mut Vec<Command>) {
        self.phase = Phase::Room(Link::Why(cause));
        // What is in flight was asked before.
        self.flights.retain(|(_, purpose)| *purpose != Purpose::Pulse);
        self.pulse(out);
    }

    // The agent's call, and their window.

    fn call(&mut self, live: bool, now: Monotonic) {
        let was = self.call_live.replace(live);
        self.timers.disarm(Timer::Call);
        if live {
            // It stays off after the call, until a click.
            let heard = self.media.microphone.on;
            self.media.microphone.on = false;
            if heard && matches!(self.phase, Phase::Room(_)) {
                self.notes.say(Said::CallHasMicrophone, now);
            }
        } else if was == Some(true) && matches!(self.phase, Phase::Room(_)) {
            self.notes.say(Said::CallOver, now);
        }
    }

    fn worker(&mut self, said: ToVideoWindow, now: Monotonic, out: &mut Vec<Command>) {
        match said {
            ToVideoWindow::Call { live } => self.call(live, now),
            ToVideoWindow::Link { service, link } => {
                // A code, or a link with a code at its end.
                let code = link.rsplit('/').next().and_then(code_of);
                let Some(code) = code else { return };
                self.fresh = Some(Invitation { service, code: Secret::new(code) });
                self.not_opened = None;
                match &self.phase {
                    Phase::AwaitingLink => self.await_link(LINK_MS, now, out),
                    Phase::End(_) => {
                        // Another click in Flex: it begins anew, and not with a seat of before.
                        self.forget(out);
                        self.begin(false, now, out);
                    }
                    _ => {}
                }
            }
            ToVideoWindow::Failed { message } => match self.phase {
                Phase::Idle | Phase::Locking | Phase::Joining => self.not_opened = Some(message),
                Phase::AwaitingLink | Phase::End(_) => self.finish(End::NotOpened(message), now, out),
                // What runs goes on.
                Phase::Looking | Phase::Check | Phase::Consent | Phase::Waiting(_) | Phase::Room(_) => {}
            },
        }
    }

    fn port_opened(&mut self, out: &mut Vec<Command>) {
        (self.port_open, self.port_failures, self.told_in_room) = (true, 0, false);
        self.timers.disarm(Timer::Port);
        if let Place::Window(key) = &self.setup.place {
            out.push(Command::Tell(FromVideoWindow::Hello { key: key.clone() }));
        }
    }

    // A person.

    fn act(&mut self, action: Action, now: Monotonic, out: &mut Vec<Command>) {
        match action {
            Action::Join => {
                if self.phase == Phase::Check && (!self.asks_consent || self.consent.is_some()) {
                    self.join(out);
                }
            }
            Action::Retry => match self.phase {
                Phase::End(_) => {
                    self.comes_back = true;
                    self.begin(false, now, out);
                }
                _ => self.retry_now(out),
            },
            Action::UseHere => {
                if matches!(self.phase, Phase::End(End::OtherTab | End::OtherBrowser)) {
                    self.comes_back = true;
                    self.begin(true, now, out);
                }
            }
            Action::AskAgain => self.media.ask_again(),
            Action::SoundOnly => {
                self.media.ask_again();
                (self.media.camera.on, self.media.microphone.on) = (false, true);
            }
            Action::WatchOnly => {
                self.media.ask_again();
                (self.media.camera.on, self.media.microphone.on) = (false, false);
                match self.phase {
                    Phase::End(End::InApp) => {
                        self.watches_only = true;
                        self.begin(false, now, out);
                    }
                    Phase::Check => self.act(Action::Join, now, out),
                    _ => {}
                }
            }
            Action::Consent(agreed) => {
                self.consent = Some(agreed);
                if self.phase == Phase::Consent {
                    self.phase = Phase::Joining;
                    self.join(out);
                }
            }
            Action::ToggleCamera => self.media.toggle(DeviceKind::Camera),
            Action::ToggleMicrophone => {
                if self.held().is_none() {
                    self.media.toggle(DeviceKind::Microphone);
                }
            }
            Action::CallIsOver => {
                if self.held() == Some(Held::CallOfOld) {
                    self.call_live = Some(false);
                    self.media.microphone.on = true;
                }
            }
            Action::Choose(kind, device) => {
                if kind == DeviceKind::Speaker {
                    out.push(Command::Speaker(device.clone()));
                }
                self.media.choose(kind, device);
            }
            Action::Flip => self.media.flip(),
            Action::ToggleShare => {
                if matches!(self.phase, Phase::Room(link) if link.is_in()) {
                    let was_on = matches!(self.media.share, media::Share::On { .. });
                    self.media.toggle_share(&mut self.ids, out);
                    if was_on {
                        self.notes.say(Said::NotSharing, now);
                    }
                }
            }
            Action::TestSpeaker => {
                self.tone_plays = true;
                out.push(Command::Tone);
            }
            Action::Leave => match self.phase {
                Phase::End(_) | Phase::Idle => {}
                _ => self.finish(End::Left, now, out),
            },
            Action::AskEnd => {
                self.asks_end = self.role == Some(SeatRole::Agent) && matches!(self.phase, Phase::Room(_))
            }
            Action::Cancel => self.asks_end = false,
            Action::End => {
                let asked = std::mem::take(&mut self.asks_end);
                if let Some(seat) = self.seat().filter(|_| asked && !self.is_ending()) {
                    self.ask(Purpose::End, Ask::End(EndBySeat { seat }), out);
                }
            }
            Action::Admit(id) => self.admit(id, true, out),
            Action::Refuse(id) => self.admit(id, false, out),
            Action::CopyLink => out.push(Command::CopyLink),
            Action::Hear => {
                self.sound_blocked = false;
                out.push(Command::PlaySound);
            }
            Action::Dismiss(number) => self.notes.dismiss(number),
            Action::CloseWindow => {
                if matches!(self.phase, Phase::End(_)) {
                    out.push(Command::CloseWindow);
                }
            }
        }
    }

    fn admit(&mut self, waiting: String, admit: bool, out: &mut Vec<Command>) {
        let is_there = self.others_waiting.iter().any(|one| one.id == waiting);
        if !is_there || self.answered.contains(&waiting) {
            return;
        }
        if let Some(seat) = self.seat() {
            self.answered.push(waiting.clone());
            self.ask(Purpose::Admit, Ask::Admit(AdmitBySeat { seat, waiting, admit }), out);
        }
    }

    // All the same after each event.

    fn may(&self) -> May {
        let is_agent = self.role == Some(SeatRole::Agent);
        let capture = match self.phase {
            Phase::Check | Phase::Consent | Phase::Joining | Phase::Waiting(_) | Phase::Room(_) => true,
            // An agent's own picture need not wait for the service.
            Phase::Looking | Phase::AwaitingLink => is_agent,
            Phase::Idle | Phase::Locking | Phase::End(_) => false,
        };
        May {
            capture: capture && !self.hidden && self.setup.features.capture,
            microphone: self.held().is_none(),
            publish: matches!(self.phase, Phase::Room(link) if link.is_in()),
        }
    }

    fn settle(&mut self, now: Monotonic, out: &mut Vec<Command>) {
        self.notes.settle(now);
        for (role, news) in self.people.forget_gone(now) {
            self.notes.say(Said::News(role, news), now);
        }
        self.ask_host(out);
        let may = self.may();
        self.media.settle(may, &mut self.ids, now, out);
        let metered = match self.phase {
            Phase::Check if self.media.microphone.on => self.media.microphone.live(),
            _ => None,
        };
        if self.metered != metered {
            self.metered = metered;
            self.media.level = 0;
            out.push(Command::Meter(metered));
        }
        let in_room = may.publish;
        if self.awake != in_room {
            self.awake = in_room;
            out.push(Command::WakeLock(in_room));
        }
        // While it is on the way back, an update of the extension would still end it.
        let busy = matches!(self.phase, Phase::Room(_));
        if self.port_open && self.told_in_room != busy {
            self.told_in_room = busy;
            out.push(Command::Tell(FromVideoWindow::InRoom { on: busy }));
        }
        if matches!(self.phase, Phase::Waiting(_) | Phase::Room(_)) {
            self.keep(false, out);
        }
    }

    fn due(&mut self, timer: Timer, now: Monotonic, out: &mut Vec<Command>) {
        match timer {
            Timer::Lock => {
                if self.phase == Phase::Locking {
                    self.finish(End::OtherTab, now, out);
                }
            }
            Timer::Link => {
                if self.phase == Phase::AwaitingLink {
                    self.finish(End::NoLink, now, out);
                }
            }
            Timer::Call => {
                if self.call_live.is_none() {
                    self.call(self.call_was_live, now);
                }
            }
            Timer::Retry => self.retry_now(out),
            Timer::Connect => {
                if let Phase::Room(Link::Connecting(attempt)) = self.phase {
                    out.push(Command::Disconnect(attempt));
                    self.media.room_gone();
                    self.retry(End::Network, None, now, out);
                }
            }
            Timer::Pulse => {
                if matches!(self.phase, Phase::Waiting(_) | Phase::Room(_)) && !self.hidden {
                    self.pulse(out);
                }
            }
            Timer::Bye => {
                if let Some(attempt) = self.closing.take() {
                    out.push(Command::Disconnect(attempt));
                }
            }
            Timer::Port => out.push(Command::OpenPort),
        }
    }

    fn take_in(&mut self, event: Event, now: Monotonic, out: &mut Vec<Command>) {
        match event {
            Event::Started => {
                if self.phase == Phase::Idle {
                    if self.setup.place_is_window() {
                        out.push(Command::OpenPort);
                    }
                    self.begin(false, now, out);
                }
            }
            Event::Act(action) => self.act(action, now, out),
            Event::Locked(kept) => self.locked(kept.as_ref(), now, out),
            Event::LockLost => {
                if !matches!(self.phase, Phase::End(_) | Phase::Idle) {
                    self.finish(End::OtherTab, now, out);
                }
            }
            Event::Answered(request, answer) => self.answered(request, answer, now, out),
            Event::Failed(request, fault) => self.failed(request, fault, now, out),
            Event::Captured { camera, microphone } => {
                self.media.captured(camera.into_iter().chain(microphone), now, out);
            }
            Event::NotCaptured { camera, microphone, fault } => {
                self.media.not_captured([camera, microphone], fault, now);
            }
            Event::ScreenCaptured(track) => {
                self.media.screen(track, None, out);
                if matches!(self.media.share, media::Share::On { .. }) {
                    self.notes.say(Said::Sharing, now);
                }
            }
            Event::ScreenNotCaptured(track, fault) => {
                if self.media.screen(track, Some(fault), out) {
                    self.notes.say(Said::ShareFailed, now);
                }
            }
            Event::Restarted(captured) => self.media.restarted(captured, now, out),
            Event::NotRestarted(track, fault) => self.media.not_restarted(track, fault, out),
            Event::TrackEnded(track) => {
                if self.media.owns(track) {
                    let was_screen = self.media.ended(track, now, out);
                    self.notes.say(if was_screen { Said::NotSharing } else { Said::DeviceLost }, now);
                }
            }
            Event::Devices(devices) => self.media.found(devices),
            Event::Permission(kind, permission) => self.media.permitted(kind, permission),
            Event::Level(level) => self.media.level = level.min(100),
            Event::TonePlayed => self.tone_plays = false,
            Event::SoundBlocked => self.sound_blocked = matches!(self.phase, Phase::Room(_)),
            Event::Copied { ok } => self.notes.say(if ok { Said::Copied } else { Said::NotCopied }, now),
            Event::Connected { attempt, people, recording } => {
                self.connected(attempt, people, recording, now, out)
            }
            Event::NotConnected { attempt, code } => self.not_connected(attempt, code, now, out),
            Event::Room { attempt, event } => {
                if matches!(self.phase, Phase::Room(link) if link.is_in() && link.attempt() == Some(attempt))
                {
                    self.in_room(event, now, out);
                }
            }
            Event::Visible(visible) => self.visible(visible, out),
            Event::PageHidden => self.page_hidden(out),
            Event::PageShown => {
                if std::mem::take(&mut self.hidden) {
                    match self.phase {
                        Phase::Looking => self.look(out),
                        Phase::Joining | Phase::Room(_) => self.join(out),
                        Phase::Waiting(_) => self.pulse(out),
                        _ => {}
                    }
                }
            }
            Event::PortOpened => self.port_opened(out),
            Event::PortClosed => {
                self.port_open = false;
                self.port_failures += 1;
                self.timers.arm(Timer::Port, now.plus(RETRY.pause_ms(self.port_failures)));
            }
            Event::Worker(said) => self.worker(said, now, out),
        }
    }

    fn visible(&mut self, visible: bool, out: &mut Vec<Command>) {
        if !visible {
            return;
        }
        match self.phase {
            Phase::Room(link) if link.is_in() => {
                // A phone that was in a pocket has let the screen's lock go, and may have stopped what it captured and played.
                out.push(Command::RefreshMedia);
                out.push(Command::WakeLock(true));
                self.pulse(out);
            }
            _ => self.retry_now(out),
        }
    }
}

impl Setup {
    const fn place_is_window(&self) -> bool {
        matches!(self.place, Place::Window(_))
    }
}

impl sansio::Machine for Machine {
    type Time = Monotonic;
    type Event = Event;
    type Command = Command;

    fn handle(&mut self, event: Event, now: Monotonic) -> Vec<Command> {
        let mut out = Vec::new();
        self.now = now;
        self.take_in(event, now, &mut out);
        self.settle(now, &mut out);
        out
    }

    fn handle_timeout(&mut self, now: Monotonic) -> Vec<Command> {
        let mut out = Vec::new();
        self.now = now;
        while let Some((timer, _)) = self.timers.take_due(now) {
            self.due(timer, now, &mut out);
        }
        self.settle(now, &mut out);
        out
    }

    fn poll_timeout(&self) -> Option<Monotonic> {
        // The clock of the call moves each second, counted from what the service said.
        let tick = self.met.map(|(_, at)| self.now.plus(1_000 - self.now.since(at) % 1_000));
        sansio::earliest([self.timers.next(), self.people.due(), self.notes.due(), tick])
    }
}
