//! The worker's `Device`: one per identity, registered, watched, and rebuilt when it does not come back by
//! itself.

use kernel::{Identity, Secret, Timestamp};
use protocol::{Problem, ProblemCode};
use sansio::Backoff;

use super::{
    Command, Machine,
    event::{DeviceEvent, DeviceId},
    timers::Timer,
};

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

/// The `Device` there is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Device {
    id: DeviceId,
    identity: Identity,
    /// The token that it was given last.
    token: Secret,
    registered: bool,
    edge: Option<String>,
    /// It will not come back by itself.
    must_rebuild: bool,
}

/// The volatile half of the registration.
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
    pub(super) problem: Option<Problem>,
}

impl Registration {
    pub(super) fn is_registered(&self) -> bool {
        self.device.as_ref().is_some_and(|device| device.registered)
    }

    pub(super) fn is_current(&self, id: DeviceId) -> bool {
        self.device.as_ref().is_some_and(|device| device.id == id)
    }

    /// The edge that calls have to be accepted on, once the gateway has named it.
    pub(super) fn edge(&self) -> Option<&str> {
        self.device.as_ref()?.edge.as_deref()
    }
}

impl Machine {
    /// Something happened to a `Device`.
    pub(super) fn device_event(&mut self, id: DeviceId, event: DeviceEvent, now: Timestamp) {
        // A call is told apart by its offer, also when its Device was replaced meanwhile.
        let event = match event {
            DeviceEvent::OfferGone { offer } => return self.offer_gone(offer, now),
            DeviceEvent::Incoming { offer, .. } if !self.registration.is_current(id) => {
                return self.out.push(Command::IgnoreOffer { offer });
            }
            // For somebody who has gone: its caller is routed on.
            DeviceEvent::Incoming { offer, ref call_sid, .. }
                if (self.durable.voice.is_none() || self.has_leftover())
                    && self.durable.call.as_ref().is_none_or(|call| call.view.sid.as_str() != call_sid) =>
            {
                return self.out.push(Command::RejectOffer { offer });
            }
            event => event,
        };
        if !self.registration.is_current(id) {
            return;
        }
        match event {
            DeviceEvent::Registered { edge } => self.confirmed(edge, now),
            DeviceEvent::Confirmed { edge } => {
                self.timers.arm(Timer::Probe, now.plus(PROBE_MS));
                self.timers.disarm(Timer::Silence);
                self.confirmed(edge, now);
            }
            DeviceEvent::Unregistered => self.registration_lost(now),
            DeviceEvent::Closed => self.device_closed(now),
            DeviceEvent::Error { code } => self.device_error(code, now),
            DeviceEvent::TokenWillExpire => self.voice_token_expiring(now),
            DeviceEvent::Incoming { offer, call_sid, connect_token, from } => {
                self.incoming(offer, call_sid, connect_token, from, now);
            }
            DeviceEvent::OfferGone { .. } => {}
        }
    }

    fn confirmed(&mut self, edge: Option<String>, now: Timestamp) {
        let Some(device) = &mut self.registration.device else { return };
        let is_news = !device.registered;
        device.registered = true;
        device.must_rebuild = false;
        device.edge = edge.or(device.edge.take());
        if self.durable.voice.as_ref().is_some_and(|voice| voice.identity == device.identity) {
            self.durable.confirmed = Some(device.identity.clone());
        }
        self.registration.rebuilds = 0;
        self.registration.problem = None;
        self.tokens.registered();
        for timer in [Timer::Registration, Timer::RestoreGrace, Timer::Rebuild] {
            self.timers.disarm(timer);
        }
        if is_news {
            self.registration.stands_since = Some(now);
            self.count("registrations_confirmed");
            self.info(now, "The gateway has confirmed the registration.");
        }
    }

    /// The gateway has said nothing for a while: is the registration still there? An open socket is no proof of it.
    pub(super) fn probe(&mut self, now: Timestamp) {
        let Some(device) = self.registration.device.as_ref().filter(|device| device.registered) else {
            return;
        };
        self.out.push(Command::ProbeDevice { device: device.id });
        self.timers.arm(Timer::Silence, now.plus(ANSWER_MS));
    }

    /// The gateway did not answer.
    pub(super) fn silence(&mut self, due: Timestamp, now: Timestamp) {
        if now.since(due) > SLEPT_MS {
            return self.probe(now);
        }
        let Some(device) = self.registration.device.as_mut().filter(|device| device.registered) else {
            return;
        };
        device.must_rebuild = true;
        self.count("registrations_silent");
        self.warn(now, "The gateway does not confirm the registration any more. Starting over.");
        self.registration_lost(now);
        let spread = self.jitter.draw() % SPREAD_MS;
        self.timers.arm(Timer::Rebuild, now.plus(spread + 1));
    }

    fn registration_lost(&mut self, now: Timestamp) {
        let Some(device) = self.registration.device.as_mut().filter(|device| device.registered) else {
            return;
        };
        device.registered = false;
        self.timers.disarm(Timer::Probe);
        self.timers.disarm(Timer::Silence);
        self.count("registrations_lost");
        self.warn(now, "The registration is lost. Registering again.");
        self.registration.problem.get_or_insert_with(gateway_unavailable);
        self.watch_registration(now);
    }

    /// The gateway has closed the `Device` for good, as it does after an error of its own. The SDK does not come back from
    /// that, so nothing is to be waited for; but a gateway that closes every time is asked at growing intervals.
    fn device_closed(&mut self, now: Timestamp) {
        self.registration_lost(now);
        let stood = self.registration.stands_since.take();
        if stood.is_some_and(|since| now.since(since) >= GOOD_MS) {
            self.registration.closes = 0;
        }
        let Some(device) = &mut self.registration.device else { return };
        device.must_rebuild = true;
        self.registration.problem.get_or_insert_with(gateway_unavailable);
        let random = self.jitter.draw();
        let delay = match self.registration.closes {
            0 => random % SPREAD_MS + 1,
            closes => CLOSED.jittered_ms(closes.saturating_add(1), random),
        };
        self.registration.closes = self.registration.closes.saturating_add(1);
        self.count("registrations_closed");
        self.warn(now, "The gateway has closed the connection. Connecting anew.");
        self.timers.arm(Timer::Rebuild, now.plus(delay));
    }

    fn device_error(&mut self, code: Option<u32>, now: Timestamp) {
        let shown = code.map_or_else(|| "without a code".into(), |code| code.to_string());
        self.warn(now, format!("The Voice SDK reports error {shown}."));
        if code.is_some_and(|code| TOKEN_CODES.contains(&code)) {
            // The gateway does not confirm the registration any more, also while the SDK still says
            // "registered".
            self.registration_lost(now);
            self.registration.problem = Some(Problem {
                code: ProblemCode::VoiceTokenRefused,
                message:
                    "Twilio did not accept the Voice token. Fetching another; if it stays so, check the \
                          token service's API key."
                        .into(),
                retrying: true,
            });
            self.voice_token_refused(now);
        } else if !self.registration.is_registered() {
            self.registration.problem.get_or_insert_with(gateway_unavailable);
        }
    }

    fn watch_registration(&mut self, now: Timestamp) {
        let wait = (REGISTRATION_MS << self.registration.rebuilds.min(8)).min(MAX_REGISTRATION_MS);
        self.timers.arm(Timer::Registration, now.plus(wait));
    }

    /// The gateway's confirmation did not come.
    pub(super) fn registration_overdue(&mut self, now: Timestamp) {
        let Some(device) = self.registration.device.as_mut().filter(|device| !device.registered) else {
            return;
        };
        device.must_rebuild = true;
        self.registration.rebuilds = self.registration.rebuilds.saturating_add(1);
        self.registration.problem.get_or_insert_with(gateway_unavailable);
        self.warn(now, "The gateway has not confirmed the registration in time. Starting over.");
    }

    /// Brings the `Device` in line with the Voice token.
    pub(super) fn settle_device(&mut self, now: Timestamp) {
        if self.durable.voice.is_none() || self.has_leftover() {
            return self.let_go_of_device();
        }
        let Some(voice) = self.durable.voice.as_ref().filter(|voice| voice.is_good(now)) else { return };
        let Some(device) = &mut self.registration.device else { return self.build_device(now) };

        let has_news = device.token != voice.token;
        // A fresh token after a refusal starts over: the SDK may have stopped registering.
        let was_refused = has_news
            && self
                .registration
                .problem
                .as_ref()
                .is_some_and(|problem| problem.code == ProblemCode::VoiceTokenRefused);
        if device.must_rebuild || was_refused || device.identity != voice.identity {
            // Destroying a Device rejects the call that it is offering.
            let is_offering = self.durable.call.as_ref().is_some_and(|call| !call.handed_over)
                || self.durable.waiting.is_some();
            if !is_offering && self.timers.is_armed(Timer::Rebuild) {
                return;
            }
            if !is_offering {
                self.destroy_device();
                self.build_device(now);
                return;
            }
            device.must_rebuild = true;
        }
        if has_news && device.identity == voice.identity {
            device.token = voice.token.clone();
            self.out.push(Command::UpdateToken { device: device.id, token: voice.token.clone() });
        }
    }

    /// Nobody is signed in, or a call of somebody who has gone is live: nothing more may arrive. Only a call that the
    /// offscreen document is about to take is waited for, because destroying its `Device` would reject it.
    fn let_go_of_device(&mut self) {
        if self.durable.call.as_ref().is_none_or(|call| call.handed_over) {
            self.destroy_device();
        }
    }

    /// True while the gateway confirms the registration of the agent who is signed in.
    pub(super) fn is_registered(&self) -> bool {
        let whose = self.durable.voice.as_ref().map(|voice| &voice.identity);
        let device = self.registration.device.as_ref();
        !self.has_leftover()
            && device.is_some_and(|device| device.registered && whose == Some(&device.identity))
    }

    fn build_device(&mut self, now: Timestamp) {
        let Some(voice) = &self.durable.voice else { return };
        self.registration.built = self.registration.built.wrapping_add(1);
        let id = DeviceId(self.registration.built);
        self.registration.device = Some(Device {
            id,
            identity: voice.identity.clone(),
            token: voice.token.clone(),
            registered: false,
            edge: None,
            must_rebuild: false,
        });
        let edges = self.policy.edges.clone();
        self.out.push(Command::CreateDevice { device: id, token: voice.token.clone(), edges });
        self.watch_registration(now);
    }

    /// The `Device` is to connect elsewhere. A call that is handed over goes on where it is.
    pub(super) fn edges_changed(&mut self) {
        if let Some(device) = &mut self.registration.device {
            device.must_rebuild = true;
        }
    }

    pub(super) fn destroy_device(&mut self) {
        if let Some(device) = self.registration.device.take() {
            self.offer = None;
            self.waiting_offer = None;
            self.out.push(Command::DestroyDevice { device: device.id });
        }
        for timer in [Timer::Registration, Timer::Probe, Timer::Silence, Timer::Rebuild] {
            self.timers.disarm(timer);
        }
    }

    pub(super) fn forget_registration(&mut self) {
        self.destroy_device();
        self.registration = Registration { built: self.registration.built, ..Registration::default() };
    }
}

fn gateway_unavailable() -> Problem {
    Problem {
        code: ProblemCode::GatewayUnavailable,
        message: "Twilio cannot be reached, so no calls arrive. Check the network; trying again.".into(),
        retrying: true,
    }
}
