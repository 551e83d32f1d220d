//! The worker's `Device`: one per identity, registered, watched, and rebuilt when it does not come back by
//! itself.

use kernel::{Identity, Secret, Timestamp};
use messages::english;
use protocol::{Problem, ProblemCode};
use sansio::{Backoff, Timers};

use super::{
    command::Command,
    context::Context,
    event::{DeviceEvent, DeviceId},
    persisted::{Persisted, renew},
    token::VoiceToken,
};

/// After a restart the pages hear of a lost registration only if it does not come back within this time: less
/// than the five seconds after which a plugin misses heartbeats.
const RESTORE_GRACE_MS: u64 = 3_000;
/// How long the gateway's confirmation may take before the `Device` is rebuilt; doubled for each rebuild in a
/// row.
const REGISTRATION_MS: u64 = 15_000;
/// The longest that it is waited for.
const MAX_REGISTRATION_MS: u64 = 60_000;

/// From the gateway's last word to the question whether the registration still stands. The SDK itself asks every 30 s,
/// too seldom to find a dead registration within that time.
const PROBE_MS: u64 = 10_000;
/// How long the answer may take. Inferred: that Twilio answers each repeated `register`, as the SDK's code expects.
const ANSWER_MS: u64 = 8_000;
/// A deadline that is seen so late was slept through (a closed laptop), or the clock was set: no reason to distrust.
const SLEPT_MS: u64 = 3_000;
/// A lost registration is rebuilt after a random part of this, so that a thousand agents do not come in one moment.
const SPREAD_MS: u64 = 2_000;
/// A registration that stood this long was a good one: the gateway that closes it after that is well.
const GOOD_MS: u64 = 60_000;
/// Before connecting again to a gateway that closes every registration.
const CLOSED: Backoff = Backoff::new(1_000, 60_000);

/// Codes by which gateway and SDK say that the token is not good (any more). The SDK turns 31201, 31204 and
/// 31205 into 20151, 20101 and 20104.
const TOKEN_CODES: [u32; 6] = [20_101, 20_104, 20_151, 31_201, 31_204, 31_205];

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Timer {
    /// The gateway's confirmation is overdue.
    Overdue,
    /// The gateway is to be asked for another confirmation.
    Probe,
    /// The gateway's confirmation did not come.
    Silence,
    /// Until then a `Device` that does not come back is not rebuilt.
    Rebuild,
    /// After a restart, time to register again before the pages are told that calls do not arrive.
    RestoreGrace,
}

/// The `Device` there is.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Device {
    id: DeviceId,
    identity: Identity,
    /// The token that it was given last.
    token: Secret,
    registered: bool,
    edge: Option<String>,
    /// It will not come back by itself.
    must_rebuild: bool,
}

/// What a `Device` said of the Voice token.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum TokenNews {
    /// The gateway took it.
    Accepted,
    /// The gateway refused it.
    Refused,
    /// It is about to expire.
    Expiring,
}

/// What the calls are doing with the `Device`: destroying it rejects the call that it is offering.
#[derive(Clone, Copy, Debug)]
pub(super) struct Offering {
    /// A call waits, or is live and was not handed over yet.
    pub(super) any: bool,
    /// That is so of the live one: the offscreen document is about to take it.
    pub(super) live: bool,
}
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Registration {
    device: Option<Device>,
    /// How many were built: the number of the newest one.
    built: u32,
    rebuilds: u32,
    /// How often in a row the gateway closed a `Device` before its registration had stood for long.
    closes: u32,
    /// Since when the registration stands.
    stands_since: Option<Timestamp>,
    problem: Option<Problem>,
    /// The identity that the gateway has confirmed at least once: whom heartbeats speak of.
    confirmed: Option<Identity>,
    timers: Timers<Timer, Timestamp>,
}

impl Registration {
    /// Goes on from what was saved.
    pub(super) fn restore(&mut self, persisted: &Persisted, now: Timestamp) {
        self.confirmed.clone_from(&persisted.confirmed);
        if self.confirmed.is_some() {
            self.timers.arm(Timer::RestoreGrace, now.plus(RESTORE_GRACE_MS));
        }
    }

    pub(super) fn save(&self, saved: &mut Persisted) -> bool {
        renew(&mut saved.confirmed, &self.confirmed)
    }

    pub(super) fn is_current(&self, id: DeviceId) -> bool {
        self.device.as_ref().is_some_and(|device| device.id == id)
    }

    /// True while the gateway confirms the registration of this agent.
    pub(super) fn is_registered(&self, whose: Option<&Identity>) -> bool {
        self.device.as_ref().is_some_and(|device| device.registered && whose == Some(&device.identity))
    }

    /// The edge that calls have to be accepted on, once the gateway has named it.
    pub(super) fn edge(&self) -> Option<&str> {
        self.device.as_ref()?.edge.as_deref()
    }

    /// The identity that the gateway has confirmed at least once.
    pub(super) const fn confirmed(&self) -> Option<&Identity> {
        self.confirmed.as_ref()
    }

    pub(super) const fn problem(&self) -> Option<&Problem> {
        self.problem.as_ref()
    }

    /// True while a restarted worker has not yet registered again, and nobody need be told of it.
    pub(super) fn is_restoring(&self) -> bool {
        self.timers.is_armed(Timer::RestoreGrace)
    }

    /// Something happened to a `Device`; offers are the calls' affair. `whose` is whom the Voice token is for.
    pub(super) fn on_device_event(
        &mut self,
        id: DeviceId,
        event: DeviceEvent,
        whose: Option<&Identity>,
        cx: &mut Context,
    ) -> Option<TokenNews> {
        if !self.is_current(id) {
            return None;
        }
        match event {
            DeviceEvent::Registered { edge } => return Some(self.confirm(edge, whose, cx)),
            DeviceEvent::Confirmed { edge } => {
                self.timers.arm(Timer::Probe, cx.now.plus(PROBE_MS));
                self.timers.disarm(Timer::Silence);
                return Some(self.confirm(edge, whose, cx));
            }
            DeviceEvent::Unregistered => self.lost(cx),
            DeviceEvent::Closed => self.closed(cx),
            DeviceEvent::Error { code } => return self.failed(code, cx),
            DeviceEvent::TokenWillExpire => return Some(TokenNews::Expiring),
            DeviceEvent::Incoming { .. } | DeviceEvent::OfferGone { .. } => {}
        }
        None
    }

    fn confirm(&mut self, edge: Option<String>, whose: Option<&Identity>, cx: &mut Context) -> TokenNews {
        if let Some(device) = &mut self.device {
            let is_news = !device.registered;
            device.registered = true;
            device.must_rebuild = false;
            device.edge = edge.or(device.edge.take());
            if whose == Some(&device.identity) {
                self.confirmed = Some(device.identity.clone());
            }
            if is_news {
                self.stands_since = Some(cx.now);
                cx.count("registrations_confirmed");
                cx.info("The gateway has confirmed the registration.");
            }
        }
        self.rebuilds = 0;
        self.problem = None;
        for timer in [Timer::Overdue, Timer::RestoreGrace, Timer::Rebuild] {
            self.timers.disarm(timer);
        }
        TokenNews::Accepted
    }

    /// The gateway has said nothing for a while: is the registration still there? An open socket is no proof of it.
    fn probe(&mut self, cx: &mut Context) {
        let Some(device) = self.device.as_ref().filter(|device| device.registered) else { return };
        cx.push(Command::ProbeDevice { device: device.id });
        self.timers.arm(Timer::Silence, cx.now.plus(ANSWER_MS));
    }

    /// The gateway did not answer.
    fn silence(&mut self, due: Timestamp, cx: &mut Context) {
        if cx.now.since(due) > SLEPT_MS {
            return self.probe(cx);
        }
        let Some(device) = self.device.as_mut().filter(|device| device.registered) else { return };
        device.must_rebuild = true;
        cx.count("registrations_silent");
        cx.warn("The gateway does not confirm the registration any more. Starting over.");
        self.lost(cx);
        let spread = cx.draw() % SPREAD_MS;
        self.timers.arm(Timer::Rebuild, cx.now.plus(spread + 1));
    }

    fn lost(&mut self, cx: &mut Context) {
        let Some(device) = self.device.as_mut().filter(|device| device.registered) else { return };
        device.registered = false;
        self.timers.disarm(Timer::Probe);
        self.timers.disarm(Timer::Silence);
        cx.count("registrations_lost");
        cx.warn("The registration is lost. Registering again.");
        self.problem.get_or_insert_with(gateway_unavailable);
        self.watch(cx.now);
    }

    /// The gateway has closed the `Device` for good, as it does after an error of its own. The SDK does not come back from
    /// that, so nothing is to be waited for; but a gateway that closes every time is asked at growing intervals.
    fn closed(&mut self, cx: &mut Context) {
        self.lost(cx);
        let stood = self.stands_since.take();
        if stood.is_some_and(|since| cx.now.since(since) >= GOOD_MS) {
            self.closes = 0;
        }
        let Some(device) = &mut self.device else { return };
        device.must_rebuild = true;
        self.problem.get_or_insert_with(gateway_unavailable);
        let random = cx.draw();
        let delay = match self.closes {
            0 => random % SPREAD_MS + 1,
            closes => CLOSED.jittered_ms(closes.saturating_add(1), random),
        };
        self.closes = self.closes.saturating_add(1);
        cx.count("registrations_closed");
        cx.warn("The gateway has closed the connection. Connecting anew.");
        self.timers.arm(Timer::Rebuild, cx.now.plus(delay));
    }

    fn failed(&mut self, code: Option<u32>, cx: &mut Context) -> Option<TokenNews> {
        let shown = code.map_or_else(|| "without a code".into(), |code| code.to_string());
        cx.warn(format!("The Voice SDK reports error {shown}."));
        if code.is_some_and(|code| TOKEN_CODES.contains(&code)) {
            // The gateway does not confirm the registration any more, also while the SDK still says
            // "registered".
            self.lost(cx);
            self.problem = Some(english::VOICE_TOKEN_REFUSED.problem(true));
            return Some(TokenNews::Refused);
        }
        if self.device.as_ref().is_none_or(|device| !device.registered) {
            self.problem.get_or_insert_with(gateway_unavailable);
        }
        None
    }

    fn watch(&mut self, now: Timestamp) {
        let wait = (REGISTRATION_MS << self.rebuilds.min(8)).min(MAX_REGISTRATION_MS);
        self.timers.arm(Timer::Overdue, now.plus(wait));
    }

    /// The gateway's confirmation did not come.
    fn overdue(&mut self, cx: &mut Context) {
        let Some(device) = self.device.as_mut().filter(|device| !device.registered) else { return };
        device.must_rebuild = true;
        self.rebuilds = self.rebuilds.saturating_add(1);
        self.problem.get_or_insert_with(gateway_unavailable);
        cx.warn("The gateway has not confirmed the registration in time. Starting over.");
    }

    /// Brings the `Device` in line with the Voice token, which is none when nobody may be called. True when the `Device`
    /// that there was is gone, and with it its offers.
    pub(super) fn settle(
        &mut self,
        voice: Option<&VoiceToken>,
        offering: Offering,
        cx: &mut Context,
    ) -> bool {
        let Some(voice) = voice else {
            // Only a call that the offscreen document is about to take is waited for.
            return !offering.live && self.destroy(cx);
        };
        if !voice.is_good(cx.now) {
            return false;
        }
        let Some(device) = &mut self.device else {
            self.build(voice, cx);
            return false;
        };
        let has_news = device.token != voice.token;
        // A fresh token after a refusal starts over: the SDK may have stopped registering.
        let was_refused = has_news
            && self.problem.as_ref().is_some_and(|problem| problem.code == ProblemCode::VoiceTokenRefused);
        if device.must_rebuild || was_refused || device.identity != voice.identity {
            if !offering.any && self.timers.is_armed(Timer::Rebuild) {
                return false;
            }
            if !offering.any {
                self.destroy(cx);
                self.build(voice, cx);
                return true;
            }
            device.must_rebuild = true;
        }
        if has_news && device.identity == voice.identity {
            device.token = voice.token.clone();
            cx.push(Command::UpdateToken { device: device.id, token: voice.token.clone() });
        }
        false
    }

    fn build(&mut self, voice: &VoiceToken, cx: &mut Context) {
        self.built = self.built.wrapping_add(1);
        let id = DeviceId(self.built);
        self.device = Some(Device {
            id,
            identity: voice.identity.clone(),
            token: voice.token.clone(),
            registered: false,
            edge: None,
            must_rebuild: false,
        });
        let edges = cx.policy.edges.clone();
        cx.push(Command::CreateDevice { device: id, token: voice.token.clone(), edges });
        self.watch(cx.now);
    }

    /// The `Device` is to connect elsewhere. A call that is handed over goes on where it is.
    pub(super) const fn edges_changed(&mut self) {
        if let Some(device) = &mut self.device {
            device.must_rebuild = true;
        }
    }

    fn destroy(&mut self, cx: &mut Context) -> bool {
        for timer in [Timer::Overdue, Timer::Probe, Timer::Silence, Timer::Rebuild] {
            self.timers.disarm(timer);
        }
        let Some(device) = self.device.take() else { return false };
        cx.push(Command::DestroyDevice { device: device.id });
        true
    }

    /// Nobody is registered any more. The `Device` goes as soon as it may.
    pub(super) fn take_down(&mut self) {
        self.confirmed = None;
        self.problem = None;
    }

    /// Destroys the `Device` at once and forgets all of it.
    pub(super) fn reset(&mut self, cx: &mut Context) {
        self.destroy(cx);
        *self = Self { built: self.built, ..Self::default() };
    }

    /// Time has gone on.
    pub(super) fn time_passes(&mut self, cx: &mut Context) {
        while let Some((timer, due)) = self.timers.take_due(cx.now) {
            match timer {
                Timer::Overdue => self.overdue(cx),
                Timer::Probe => self.probe(cx),
                Timer::Silence => self.silence(due, cx),
                // These only held something back; settling goes on from here.
                Timer::Rebuild | Timer::RestoreGrace => {}
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
}

fn gateway_unavailable() -> Problem {
    english::GATEWAY_UNREACHABLE.problem(true)
}
