//! What the offscreen document decides.
//!
//! One `Device` is kept built and warm, its signalling socket open, and never registered: registering is the worker's,
//! and a `Device` that is not registered is offered no calls. It carries one call, is destroyed after it, and the next
//! one is built at once. That keeps the two things apart that must not meet: a call, and a change of token. A token given
//! to a `Device` whose socket is open makes the gateway answer `connected`, upon which the SDK claims its call again with
//! a claim that may be spent already; so a `Device` is never given a token, a new one is built for it.
//! (Read in the SDK 2.18.5: `pstream.setToken`, `call._onConnected`.)
//!
//! A socket that was opened long before the call may be dead by then. One that the SDK knows to be closed is not dialled
//! on; one that does not answer is given up for a new one, once ([`Timer::Answer`]).
//!
//! A call that ended is reported once, with what the SDK said about it. The SDK says it before or after `disconnect`,
//! but in the same turn, so the report waits for the turn's end ([`Timer::Settle`]).

mod audio;
mod command;
mod link;
mod problems;
mod quality;
#[cfg(test)]
mod tests;

use kernel::{CallSid, DtmfDigits, Monotonic, Secret, Timestamp};
use protocol::{
    AudioDevice, AudioState, CallPhase, Problem,
    offscreen::{FromOffscreen, OffscreenCall, ToOffscreen},
};
use sansio::Timers;
use voice_sdk::{Sample, SdkError};

use crate::tone::Tone;
use audio::{Audio, Changes};
pub use audio::{Opened, SYSTEM, level};
use command::Timer;
pub use command::{Command, DeviceId, PortId};
use link::WorkerPort;
use quality::Warnings;

/// How long the microphone may take to open, in milliseconds. A Bluetooth headset changes its profile first, and an
/// antivirus may ask.
const MICROPHONE_MS: u64 = 20_000;

/// How long a call may take from its open microphone until it is open itself, in milliseconds: nothing is sent before.
const CONNECT_MS: u64 = 15_000;

/// How long a socket that was opened before the call may take to answer, in milliseconds.
const ANSWER_MS: u64 = 4_000;

/// How long the SDK may take to end a call, in milliseconds: then the `Device` is destroyed, which ends it too.
const HANG_UP_MS: u64 = 2_000;

/// How long a hang-up waits for a call that the SDK has not made yet, in milliseconds.
const EARLY_HANG_UP_MS: u64 = 5_000;

/// How long one digit sounds, with the gap after it, in milliseconds (SDK 2.18.5, `call.ts`: 160 and 70).
const DIGIT_MS: u64 = 230;

/// How long `w` pauses, in milliseconds: Twilio's meaning of it.
const PAUSE_MS: u64 = 500;

/// How many digits are given to the browser in one go. Its tone sender keeps its own time, and a long run would still sound
/// when ours says that it is over.
const RUN: usize = 4;

/// What is allowed for that, in milliseconds, between two runs: in a hidden document on a busy computer a digit and its gap
/// took up to 300 ms.
const RUN_SLACK_MS: u64 = 380;

/// How many digits and pauses may wait: more than the worker admits, even one that was restarted and has forgotten.
const DIGITS_WAITING: usize = 4 * DtmfDigits::MAX;

/// The least volume of the tone that tells of an answer, in percent: it is to be heard also by who has turned the customer
/// down.
const ANSWER_TONE_VOLUME: u8 = 30;

/// How long an answered call may be without a packet in either direction, in milliseconds, before its media is repaired.
const SILENCE_MS: u64 = 2_500;

/// How long the repair may take, in milliseconds, before the agent is told.
const REPAIR_MS: u64 = 5_000;

/// How long a call may be without its connection, in milliseconds, before it is given up. The gateway keeps it for 30 s
/// after its socket was lost; the SDK gives up its media after 39 s, and its signalling never.
const GIVE_UP_MS: u64 = 34_000;

/// A call that hears the other side is not given up; it is looked at again after this many milliseconds.
const HEARING_MS: u64 = 3_000;

/// How often a lost media path is renegotiated, in milliseconds. The SDK does it after some 6 and 23 seconds only, and
/// what it sends while the signalling is lost too is lost with it.
const REPAIR_EVERY_MS: u64 = 4_000;

/// How long a microphone test lasts that nobody ends, in milliseconds.
const TEST_MS: u64 = 60_000;

/// How often a call's microphone is reopened after it ended by itself; a broken one would end again and again.
const MICROPHONE_LOSSES: u8 = 5;

/// The SDK's warning whose words fit a call that is silent from its start.
const SILENT: &str = "low-bytes-received";

/// Whether the extension may use the microphone, as the Permissions API says it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Permission {
    /// It may.
    Granted,
    /// Nobody was asked. An offscreen document cannot ask: opening the microphone fails, unless a flag of Chrome's
    /// grants it unasked.
    Prompt,
    /// It may not.
    Denied,
}

/// What happened to a call.
#[derive(Clone, Debug, PartialEq)]
pub enum CallEvent {
    /// The gateway let the call in: signalling is done, media flows or is about to.
    Accepted,
    /// Signalling or media is lost and being repaired.
    Reconnecting,
    /// Signalling and media are back.
    Reconnected,
    /// The microphone was muted or unmuted.
    Muted(bool),
    /// The SDK's quality monitor warns (`high-rtt`, `low-mos`, …), or takes it back (false).
    Warning(String, bool),
    /// How it sounds, once a second, and when that was by the wall clock, because others read it.
    Sample(Sample, Timestamp),
    /// An error, which may or may not end the call.
    Error(SdkError),
    /// The call is over (`disconnect`, `cancel` or `reject`).
    Over,
}

/// What happened.
#[derive(Clone, Debug, PartialEq)]
pub enum Event {
    /// The document is loaded.
    Start,
    /// The worker sent a message over this connection.
    Message(PortId, ToOffscreen),
    /// The connection could not be made, or is gone.
    Closed {
        port: PortId,
        /// False when the extension itself is gone.
        alive: bool,
    },
    /// A `Device` could not be built: there is none of that number.
    DeviceFailed(DeviceId, SdkError),
    /// A `Device` reports an error. Its state is as it was.
    DeviceError(DeviceId, SdkError),
    /// The `Device` that was to dial has lost its signalling socket.
    SocketLost(DeviceId),
    /// This computer is in a network again, or in another one.
    NetworkChanged,
    /// The SDK's `Call` object exists, and may be listened and spoken to.
    CallMade(DeviceId),
    /// The SDK will make no `Call`.
    CallRefused(DeviceId, SdkError),
    /// Something happened to the call.
    Call(DeviceId, CallEvent),
    /// What [`Command::OpenMicrophone`] wanted did not work, because the permission is missing (true) or for another
    /// reason.
    NoMicrophone(DeviceId, bool),
    /// The microphone is open for the call, or has taken the place of the one before.
    MicrophoneOpen(DeviceId, Opened),
    /// The call's microphone has ended by itself: unplugged, or taken away.
    MicrophoneLost(DeviceId),
    /// The computer or the headset mutes the call's microphone (true), or lets it be heard again.
    MicrophoneMuted(DeviceId, bool),
    /// What [`Command::SwitchMicrophone`] wanted did not work. The one before is still in use.
    NotSwitched {
        device: DeviceId,
        /// The microphone that was tried first.
        tried: String,
        words: String,
    },
    /// A speaker was tried for a call or a tone.
    Played {
        /// The one that was tried.
        tried: String,
        /// The one that plays.
        used: String,
    },
    /// What devices there are.
    Devices { microphones: Vec<AudioDevice>, speakers: Vec<AudioDevice> },
    /// A device was plugged in or out.
    DevicesChanged,
    /// The tested microphone is open.
    TestOpen(Opened),
    /// The computer or the headset mutes the tested microphone (true), or lets it be heard again.
    TestMuted(bool),
    /// How loud the tested microphone is, 0 to 100.
    Level(u8),
    /// The tested microphone could not be opened.
    TestFailed,
    /// The microphone permission, when asked for and after every change.
    Permission(Permission),
}

#[derive(Debug)]
struct Device {
    id: DeviceId,
    token: Secret,
    edge: Option<String>,
}

/// What the next `Device` is built from.
#[derive(Debug)]
struct Ready {
    token: Secret,
    edge: Option<String>,
}

#[derive(Debug)]
struct Live {
    sid: CallSid,
    device: DeviceId,
    /// What the call is claimed with.
    connect_token: Secret,
    /// The second `Device` has been tried.
    redialled: bool,
    phase: CallPhase,
    muted: bool,
    /// The SDK's `Call` object exists.
    made: bool,
    /// It reported its end.
    over: bool,
    /// Its microphone was opened.
    has_microphone: bool,
    /// The agent is to be told by a tone that it is answered.
    tone: bool,
    /// The worker asked to end it.
    hang_up: bool,
    /// What the SDK said went wrong in this turn.
    fault: Option<SdkError>,
    warnings: Warnings,
    /// Packets came and went.
    heard: bool,
    /// What was received so far, and when that grew.
    received: (u64, Monotonic),
    /// Its media path was repaired, because nothing was heard.
    repaired: bool,
    /// Another microphone is to be used as soon as the call is open: the SDK can change it only then.
    switch: bool,
    /// How often its microphone ended by itself.
    microphone_losses: u8,
    /// Digits that wait until those before them have sounded: the browser's tone sender drops what it has not yet
    /// played when it is given more, so that fast typing would lose keys.
    digits: String,
    /// Digits are sounding.
    sounding: bool,
}
#[derive(Debug, Default)]
pub struct Machine {
    link: WorkerPort,
    ready: Option<Ready>,
    /// Built and waiting; none while a call lives.
    warm: Option<Device>,
    live: Option<Live>,
    devices: DeviceId,
    permission: Option<Permission>,
    /// What the newest `Device` reported already: it repeats itself while the network is away.
    noted: Vec<SdkError>,
    audio: Audio,
    /// What was said of it last, over this connection.
    audio_told: Option<AudioState>,
    testing: bool,
    timers: Timers<Timer, Monotonic>,
}

impl Machine {
    fn handle_event(&mut self, event: Event, now: Monotonic, out: &mut Vec<Command>) {
        match event {
            Event::Start => {
                out.extend([Command::CheckPermission, Command::ListDevices]);
                self.connect(now, out);
            }
            Event::Message(port, message) => {
                if self.link.note_message(port) {
                    self.on_message(message, now, out);
                }
            }
            Event::Closed { port, alive } => self.link.closed(port, alive, now, &mut self.timers),
            Event::DeviceFailed(device, error) => self.device_failed(device, &error, out),
            Event::DeviceError(device, error) => self.device_error(device, error, out),
            Event::SocketLost(device) => {
                if self.live.as_ref().is_some_and(|live| live.device == device) {
                    self.redial(out);
                }
            }
            Event::NetworkChanged => self.warm_up_again(out),
            Event::CallMade(device) => self.call_made(device, now, out),
            Event::CallRefused(device, error) => {
                if self.live.as_ref().is_some_and(|live| live.device == device) {
                    self.end(Some(problems::fault(&error)), out);
                }
            }
            Event::Call(device, event) => self.call_event(device, event, now, out),
            Event::NoMicrophone(device, denied) => {
                // Once there is a `Call`, the SDK finds out by itself.
                if self.live.as_ref().is_some_and(|live| live.device == device && !live.made) {
                    self.end(Some(problems::no_microphone(denied)), out);
                }
            }
            Event::MicrophoneOpen(device, opened) => self.microphone_open(device, opened, now, out),
            Event::MicrophoneLost(device) => self.microphone_lost(device, out),
            Event::MicrophoneMuted(device, muted) => {
                if self.live.as_ref().is_some_and(|live| live.device == device) {
                    self.audio.muted_in_call(muted);
                    self.send_audio(out);
                }
            }
            Event::NotSwitched { device, tried, words } => {
                if self.live.as_ref().is_some_and(|live| live.device == device) {
                    self.audio.not_switched(tried);
                    self.send_audio(out);
                    self.note(format!("The microphone could not be changed: {words}."), out);
                }
            }
            Event::Played { tried, used } => {
                if self.audio.played_on(tried, used) {
                    self.note("The speaker could not be used; another one plays.", out);
                }
                self.send_audio(out);
            }
            Event::Devices { microphones, speakers } => {
                let changes = self.audio.found(microphones, speakers);
                self.apply(&changes, out);
                self.try_again(&changes, out);
            }
            Event::DevicesChanged => {
                self.audio.try_again();
                out.push(Command::ListDevices);
            }
            Event::TestOpen(opened) => {
                if self.testing {
                    self.audio.opened_for_test(opened);
                    self.send_audio(out);
                }
            }
            Event::TestMuted(muted) => {
                if self.testing {
                    self.audio.muted_in_test(muted);
                    self.send_audio(out);
                }
            }
            Event::Level(percent) => {
                if self.testing {
                    self.link.send(FromOffscreen::Level { percent: percent.min(100) }, out);
                }
            }
            Event::TestFailed => {
                if self.testing {
                    self.note("The microphone could not be opened for a test.", out);
                    self.stop_test(out);
                }
            }
            Event::Permission(permission) => {
                if self.permission != Some(permission) {
                    out.push(Command::ListDevices);
                }
                if self.permission.replace(permission) != Some(permission)
                    && permission != Permission::Granted
                {
                    self.note("The extension may not use the microphone: calls cannot be answered.", out);
                }
            }
        }
    }

    fn hello(&self) -> FromOffscreen {
        FromOffscreen::Hello { call: self.live.as_ref().map(Live::report) }
    }

    fn note(&mut self, message: impl Into<String>, out: &mut Vec<Command>) {
        self.link.send(FromOffscreen::Note { message: message.into() }, out);
    }

    fn on_message(&mut self, message: ToOffscreen, now: Monotonic, out: &mut Vec<Command>) {
        match message {
            ToOffscreen::Pong => {}
            ToOffscreen::ListDevices => {
                self.audio.try_again();
                out.push(Command::ListDevices);
            }
            ToOffscreen::SetAudio { settings } => {
                let changes = self.audio.want(settings);
                self.apply(&changes, out);
            }
            ToOffscreen::TestMicrophone { on: true } => {
                self.testing = true;
                self.audio.test_begins();
                out.push(Command::StartTest(self.audio.microphones_to_try()));
                self.timers.arm(Timer::Test, now.plus(TEST_MS));
                self.send_audio(out);
            }
            ToOffscreen::TestMicrophone { on: false } => self.stop_test(out),
            ToOffscreen::TestSpeaker => {
                let (speaker, volume) = self.audio.speaker();
                out.push(Command::PlayTone(Tone::Test, speaker, volume));
            }
            ToOffscreen::Prepare { token, edge } => {
                out.push(Command::CheckPermission);
                self.ready = Some(Ready { token, edge });
                self.warm_up(out);
            }
            ToOffscreen::Connect { call_sid, connect_token, token, edge, tone } => {
                self.accept(call_sid, connect_token, Ready { token, edge }, tone, now, out);
            }
            ToOffscreen::HangUp { call_sid } => {
                let Some(live) = self.named(&call_sid, "hang-up", out) else { return };
                live.hang_up = true;
                live.digits.clear();
                let patience = if live.made {
                    out.push(Command::Disconnect(live.device));
                    HANG_UP_MS
                } else {
                    // Ended before the SDK has a call to end, the caller would go on ringing.
                    EARLY_HANG_UP_MS
                };
                self.timers.arm(Timer::HangUp, now.plus(patience));
            }
            ToOffscreen::SetMute { call_sid, muted } => {
                let Some(live) = self.named(&call_sid, "mute", out) else { return };
                live.muted = muted;
                if live.made {
                    out.push(Command::Mute(live.device, muted));
                }
                self.report(out);
            }
            ToOffscreen::SendDigits { call_sid, digits } => {
                let Some(live) = self.named(&call_sid, "digits", out) else { return };
                if live.hang_up {
                    return;
                }
                if live.phase == CallPhase::Connecting {
                    self.note("Digits came before the call was open and were not sent.", out);
                } else if live.digits.len() + digits.as_str().len() > DIGITS_WAITING {
                    self.note("Too many digits are waiting; the newest were not sent.", out);
                } else {
                    live.digits.push_str(digits.as_str());
                    if !live.sounding {
                        self.sound_digits(now, out);
                    }
                }
            }
        }
    }

    /// Sends the digits up to the next pause, or pauses; [`Timer::Digits`] goes on from there.
    fn sound_digits(&mut self, now: Monotonic, out: &mut Vec<Command>) {
        let Some(live) = &mut self.live else { return };
        let run = live.digits.find('w').unwrap_or(live.digits.len()).min(RUN);
        live.sounding = !live.digits.is_empty();
        if run > 0 {
            let chunk: String = live.digits.drain(..run).collect();
            let slack = if run == RUN { RUN_SLACK_MS } else { 0 };
            let millis = DIGIT_MS * run as u64 + slack;
            // A piece of valid digits is valid: it is neither empty nor longer than they were, and holds no other key.
            let Ok(digits) = DtmfDigits::new(chunk) else { return };
            out.push(Command::SendDigits(live.device, digits));
            self.timers.arm(Timer::Digits, now.plus(millis));
        } else if live.sounding {
            live.digits.remove(0);
            self.timers.arm(Timer::Digits, now.plus(PAUSE_MS));
        }
    }

    /// The live call, if it is the one that the command names.
    fn named(&mut self, sid: &CallSid, command: &str, out: &mut Vec<Command>) -> Option<&mut Live> {
        if self.live.as_ref().is_none_or(|live| live.sid != *sid) {
            self.note(format!("A command ({command}) for {sid} was ignored: that call is not here."), out);
        }
        self.live.as_mut().filter(|live| live.sid == *sid)
    }

    /// Makes the waiting `Device` right for the newest token, when no call lives.
    fn warm_up(&mut self, out: &mut Vec<Command>) {
        let Some(ready) = self.ready.as_ref().filter(|_| self.live.is_none()) else { return };
        if self.warm.as_ref().is_some_and(|warm| warm.edge == ready.edge && warm.token == ready.token) {
            return;
        }
        if let Some(old) = self.warm.take() {
            out.push(Command::Destroy(old.id));
        }
        self.devices += 1;
        let (id, token, edge) = (self.devices, ready.token.clone(), ready.edge.clone());
        out.push(Command::Build { device: id, token: token.clone(), edge: edge.clone() });
        self.warm = Some(Device { id, token, edge });
        self.noted.clear();
    }

    /// Rebuilds the waiting `Device`.
    fn warm_up_again(&mut self, out: &mut Vec<Command>) {
        if let Some(old) = self.warm.take() {
            out.push(Command::Destroy(old.id));
        }
        self.warm_up(out);
    }

    /// Claims the call on a new `Device`, because the one that was warm is dead.
    fn redial(&mut self, out: &mut Vec<Command>) {
        let (Some(live), Some(ready)) = (&mut self.live, &self.ready) else { return };
        if live.redialled || live.hang_up || live.phase != CallPhase::Connecting {
            return;
        }
        let old = live.device;
        self.devices += 1;
        live.redialled = true;
        live.made = false;
        live.device = self.devices;
        self.timers.disarm(Timer::Answer);
        out.extend([
            // Before the old one is destroyed, which lets go of what it was given.
            Command::KeepMicrophone(live.device),
            Command::Destroy(old),
            Command::Build { device: live.device, token: ready.token.clone(), edge: ready.edge.clone() },
            Command::Dial(live.device, live.connect_token.clone()),
        ]);
        self.note(
            "The signalling connection that was kept open is dead: the call is taken on a new one.",
            out,
        );
    }

    fn accept(
        &mut self,
        sid: CallSid,
        connect_token: Secret,
        ready: Ready,
        tone: bool,
        now: Monotonic,
        out: &mut Vec<Command>,
    ) {
        let was_warm = self.warm.as_ref().map(|warm| warm.id);
        self.ready = Some(ready);
        if self.live.as_ref().is_some_and(|live| live.over) {
            self.settle(out);
        }
        if self.live.as_ref().is_some_and(|live| live.sid == sid) {
            return self.report(out);
        }
        let refusal = if self.live.is_some() {
            Some(problems::busy())
        } else {
            // Refused here, nothing is said to the gateway, so the caller goes on ringing.
            (self.permission == Some(Permission::Denied)).then(|| problems::no_microphone(true))
        };
        if let Some(problem) = refusal {
            return self.link.send(FromOffscreen::Ended { call_sid: sid, problem: Some(problem) }, out);
        }
        self.warm_up(out);
        let Some(device) = self.warm.take() else { return };
        out.extend([
            Command::OpenMicrophone(device.id, self.audio.microphones_to_try()),
            Command::Dial(device.id, connect_token.clone()),
        ]);
        self.timers.arm(Timer::Microphone, now.plus(MICROPHONE_MS));
        // One that was built just now is as good as another.
        let redialled = was_warm != Some(device.id);
        self.live = Some(Live {
            sid,
            device: device.id,
            connect_token,
            redialled,
            phase: CallPhase::Connecting,
            muted: false,
            made: false,
            over: false,
            has_microphone: false,
            tone,
            hang_up: false,
            fault: None,
            warnings: Warnings::default(),
            heard: false,
            received: (0, Monotonic::default()),
            repaired: false,
            switch: false,
            microphone_losses: 0,
            digits: String::new(),
            sounding: false,
        });
        self.report(out);
    }

    fn report(&mut self, out: &mut Vec<Command>) {
        if let Some(live) = &self.live {
            self.link.send(FromOffscreen::Call { call: live.report() }, out);
        }
    }

    fn call_made(&mut self, device: DeviceId, now: Monotonic, out: &mut Vec<Command>) {
        let Some(live) = self.live.as_mut().filter(|live| live.device == device) else {
            // Given up while it was being made. Its `Device` is destroyed already.
            return out.push(Command::Disconnect(device));
        };
        live.made = true;
        if live.hang_up {
            out.push(Command::Disconnect(device));
            self.timers.arm(Timer::HangUp, now.plus(HANG_UP_MS));
        } else if live.muted {
            out.push(Command::Mute(device, true));
        }
    }

    fn call_event(&mut self, device: DeviceId, event: CallEvent, now: Monotonic, out: &mut Vec<Command>) {
        let Some(live) = self.live.as_mut().filter(|live| live.device == device) else { return };
        let before = live.report();
        match event {
            CallEvent::Accepted => {
                live.phase = CallPhase::Open;
                self.timers.disarm(Timer::Connect);
                self.timers.disarm(Timer::Answer);
                self.timers.arm(Timer::Silence, now.plus(SILENCE_MS));
                if std::mem::take(&mut live.tone) {
                    let (speaker, volume) = self.audio.speaker();
                    out.push(Command::PlayTone(Tone::Answered, speaker, volume.max(ANSWER_TONE_VOLUME)));
                }
                if std::mem::take(&mut live.switch) {
                    let order = self.audio.microphones_to_try();
                    out.push(Command::SwitchMicrophone(live.device, order));
                }
            }
            CallEvent::Reconnecting if live.phase == CallPhase::Open => {
                live.phase = CallPhase::Reconnecting;
                self.timers.arm(Timer::GiveUp, now.plus(GIVE_UP_MS));
                self.timers.arm(Timer::Repair, now.plus(REPAIR_EVERY_MS));
            }
            CallEvent::Reconnected if live.phase == CallPhase::Reconnecting => {
                live.phase = CallPhase::Open;
                self.timers.disarm(Timer::GiveUp);
                self.timers.disarm(Timer::Repair);
            }
            // Before the call is open, its repair is part of connecting.
            CallEvent::Reconnecting | CallEvent::Reconnected => {}
            CallEvent::Muted(muted) => live.muted = muted,
            CallEvent::Warning(name, raised) => return self.warn(&name, raised, out),
            CallEvent::Sample(sample, at) => {
                if sample.bytes_received > live.received.0 {
                    live.received = (sample.bytes_received, now);
                }
                if !live.heard && sample.bytes_received > 0 && sample.bytes_sent > 0 {
                    live.heard = true;
                    self.timers.disarm(Timer::Silence);
                    if live.repaired && live.phase == CallPhase::Reconnecting {
                        live.phase = CallPhase::Open;
                    }
                }
                let heard_again = live.heard && live.repaired;
                let quality = quality::sample(&sample, at);
                let call_sid = live.sid.clone();
                self.link.send(FromOffscreen::Quality { call_sid, sample: quality }, out);
                if heard_again {
                    self.warn(SILENT, false, out);
                }
            }
            CallEvent::Error(error) => {
                live.fault = Some(error);
                self.timers.arm(Timer::Settle, now);
            }
            CallEvent::Over => {
                live.over = true;
                self.timers.arm(Timer::Settle, now);
            }
        }
        if self.live.as_ref().is_some_and(|live| live.report() != before) {
            self.report(out);
        }
    }

    fn warn(&mut self, name: &str, raised: bool, out: &mut Vec<Command>) {
        let Some(live) = &mut self.live else { return };
        if let Some((warning, raised)) = live.warnings.take(name, raised) {
            let call_sid = live.sid.clone();
            self.link.send(FromOffscreen::Warning { call_sid, warning, raised }, out);
        } else if raised && quality::warning(name).is_none() {
            self.note(format!("The SDK warns of something unknown: {name}."), out);
        }
    }

    /// An answered call in which no packet came or went: the media path is renegotiated, once; then the agent is
    /// told. The call itself is never ended for it: only the agent knows whether the other side hears something.
    fn silence(&mut self, now: Monotonic, out: &mut Vec<Command>) {
        let Some(live) = self.live.as_mut().filter(|live| !live.heard) else { return };
        if live.repaired {
            self.warn(SILENT, true, out);
            return self.note("The call is still silent after its media path was renewed.", out);
        }
        live.repaired = true;
        live.phase = CallPhase::Reconnecting;
        out.push(Command::RestartMedia(live.device));
        self.timers.arm(Timer::Silence, now.plus(REPAIR_MS));
        self.note("The call was answered, but no audio flows: its media path is renewed.", out);
        self.report(out);
    }

    /// The connection is lost: its media path is renegotiated, unless the other side is still heard.
    fn repair(&mut self, now: Monotonic, out: &mut Vec<Command>) {
        let Some(live) = self.live.as_ref().filter(|live| live.phase == CallPhase::Reconnecting) else {
            return;
        };
        if now.since(live.received.1) > HEARING_MS {
            out.push(Command::RestartMedia(live.device));
        }
        self.timers.arm(Timer::Repair, now.plus(REPAIR_EVERY_MS));
    }

    /// A call whose connection is lost for so long is lost, unless the other side is still heard.
    fn give_up(&mut self, now: Monotonic, out: &mut Vec<Command>) {
        let Some(live) = self.live.as_ref().filter(|live| live.phase == CallPhase::Reconnecting) else {
            return;
        };
        if now.since(live.received.1) <= HEARING_MS {
            return self.timers.arm(Timer::GiveUp, now.plus(HEARING_MS));
        }
        self.end(Some(problems::lost()), out);
    }

    /// The call's microphone is open. Only now something is sent, so that only now the gateway can be late.
    fn microphone_open(&mut self, device: DeviceId, opened: Opened, now: Monotonic, out: &mut Vec<Command>) {
        let Some(live) = self.live.as_mut().filter(|live| live.device == device) else { return };
        if !std::mem::replace(&mut live.has_microphone, true) {
            self.timers.disarm(Timer::Microphone);
            self.timers.arm(Timer::Connect, now.plus(CONNECT_MS));
            if !live.redialled {
                self.timers.arm(Timer::Answer, now.plus(ANSWER_MS));
            }
        }
        self.audio.opened_for_call(opened);
        self.send_audio(out);
        // Labels are hidden until a microphone was open, unless the permission is permanent.
        out.push(Command::ListDevices);
    }

    /// Tries the wanted devices once more that could not be opened.
    fn try_again(&mut self, changes: &Changes, out: &mut Vec<Command>) {
        let (microphone, is_speaker) = self.audio.take_again();
        let open = self.live.as_ref().filter(|live| live.phase != CallPhase::Connecting);
        if let (Some(microphone), Some(live)) = (microphone.filter(|_| !changes.microphone), open) {
            // Without another to fall back on: one is in use.
            out.push(Command::SwitchMicrophone(live.device, vec![microphone]));
        }
        if is_speaker {
            let (speaker, volume) = self.audio.speaker();
            out.push(Command::UseSpeaker(speaker, volume));
            self.send_audio(out);
        }
    }

    fn microphone_lost(&mut self, device: DeviceId, out: &mut Vec<Command>) {
        let Some(live) = self.live.as_mut().filter(|live| live.device == device) else { return };
        live.microphone_losses += 1;
        if live.microphone_losses > MICROPHONE_LOSSES {
            return;
        }
        self.audio.microphone_lost();
        self.note("The microphone in use is gone; another takes its place.", out);
        out.push(Command::ListDevices);
    }

    /// Carries out what a change of devices or wishes means.
    fn apply(&mut self, changes: &Changes, out: &mut Vec<Command>) {
        if changes.microphone {
            let order = self.audio.microphones_to_try();
            match &mut self.live {
                Some(live) if live.phase == CallPhase::Connecting => live.switch = true,
                Some(live) => out.push(Command::SwitchMicrophone(live.device, order.clone())),
                None => {}
            }
            if self.testing {
                out.push(Command::StartTest(order));
            }
        }
        if changes.speaker {
            let (speaker, volume) = self.audio.speaker();
            out.push(Command::UseSpeaker(speaker, volume));
        }
        self.send_audio(out);
    }

    fn stop_test(&mut self, out: &mut Vec<Command>) {
        if std::mem::take(&mut self.testing) {
            self.audio.test_over();
            self.timers.disarm(Timer::Test);
            out.push(Command::StopTest);
            self.send_audio(out);
        }
    }

    fn send_audio(&mut self, out: &mut Vec<Command>) {
        let Some(state) = self.audio.state() else { return };
        if self.audio_told.as_ref() != Some(&state) {
            self.audio_told = Some(state.clone());
            self.link.send(FromOffscreen::Audio { state: Box::new(state) }, out);
        }
    }

    /// Connects, and says what a worker that may just have been restarted does not know.
    fn connect(&mut self, now: Monotonic, out: &mut Vec<Command>) {
        if !self.link.connect(self.hello(), now, &mut self.timers, out) {
            return;
        }
        if self.audio_told.take().is_some() {
            self.send_audio(out);
        }
        if let Some(live) = &self.live {
            for warning in live.warnings.all() {
                let call_sid = live.sid.clone();
                self.link.send(FromOffscreen::Warning { call_sid, warning, raised: true }, out);
            }
        }
    }

    /// The SDK has said all that it has to say in this turn.
    fn settle(&mut self, out: &mut Vec<Command>) {
        let Some(live) = &mut self.live else { return };
        let connecting = live.phase == CallPhase::Connecting;
        match live.fault.take() {
            // An error before the call is open is one that it does not get over.
            Some(error) if connecting && problems::is_call_gone(&error) => self.caller_gone(out),
            Some(error) if live.over || connecting => self.end(Some(problems::fault(&error)), out),
            Some(error) => self.note(format!("An error of the call: {}.", problems::describe(&error)), out),
            None if live.over && connecting => self.caller_gone(out),
            None if live.over => self.end(None, out),
            None => {}
        }
    }

    /// The caller gave up before the answer: nothing is wrong, and nothing can be done.
    fn caller_gone(&mut self, out: &mut Vec<Command>) {
        self.note("The caller hung up before the call was answered.", out);
        self.end(None, out);
    }

    fn device_failed(&mut self, device: DeviceId, error: &SdkError, out: &mut Vec<Command>) {
        if self.live.as_ref().is_some_and(|live| live.device == device) {
            self.end(Some(problems::fault(error)), out);
        } else {
            self.warm.take_if(|warm| warm.id == device);
            self.note(format!("The voice device could not be prepared: {}.", problems::describe(error)), out);
        }
    }

    fn device_error(&mut self, device: DeviceId, error: SdkError, out: &mut Vec<Command>) {
        let refused = error.code.is_some_and(problems::is_token_refusal);
        match &self.live {
            // With a refused token, the SDK waits for a better one without end.
            Some(live) if live.device == device && live.phase == CallPhase::Connecting && refused => {
                self.end(Some(problems::fault(&error)), out);
            }
            Some(live) if live.device == device => {
                self.note_once("An error of the voice device", error, out);
            }
            _ if self.warm.as_ref().is_some_and(|warm| warm.id == device) => {
                self.note_once("An error of the waiting voice device", error, out);
                if refused {
                    // It would wait for a better token without end, and a call with it.
                    out.extend(self.warm.take().map(|warm| Command::Destroy(warm.id)));
                }
            }
            _ => {}
        }
    }

    fn note_once(&mut self, what: &str, error: SdkError, out: &mut Vec<Command>) {
        if !self.noted.contains(&error) {
            self.note(format!("{what}: {}.", problems::describe(&error)), out);
            self.noted.push(error);
        }
    }

    fn on_timer(&mut self, timer: Timer, now: Monotonic, out: &mut Vec<Command>) {
        match timer {
            Timer::Reconnect => {
                self.connect(now, out);
            }
            Timer::Ping => self.link.ping(now, &mut self.timers, out),
            Timer::Settle => self.settle(out),
            Timer::Digits => self.sound_digits(now, out),
            Timer::Answer => self.redial(out),
            Timer::GiveUp => self.give_up(now, out),
            Timer::Repair => self.repair(now, out),
            Timer::Silence => self.silence(now, out),
            Timer::Test => self.stop_test(out),
            Timer::Microphone => {
                if self.live.as_ref().is_some_and(|live| !live.has_microphone) {
                    self.end(Some(problems::slow_microphone()), out);
                }
            }
            Timer::Connect => {
                if self.live.as_ref().is_some_and(|live| live.phase == CallPhase::Connecting) {
                    self.end(Some(problems::timed_out()), out);
                }
            }
            Timer::HangUp => {
                if self.live.as_ref().is_some_and(|live| live.hang_up) {
                    self.end(None, out);
                }
            }
        }
    }

    /// The call is over, here if not in the SDK. Reports it, and makes ready for the next one.
    fn end(&mut self, problem: Option<Problem>, out: &mut Vec<Command>) {
        let Some(live) = self.live.take() else { return };
        let timers = [
            Timer::Microphone,
            Timer::Connect,
            Timer::Answer,
            Timer::Settle,
            Timer::HangUp,
            Timer::Digits,
            Timer::Silence,
            Timer::GiveUp,
            Timer::Repair,
        ];
        timers.into_iter().for_each(|timer| self.timers.disarm(timer));
        if live.made && !live.over {
            out.push(Command::Disconnect(live.device));
        }
        out.extend([Command::Destroy(live.device), Command::CloseMicrophone]);
        // What was wished for is no problem, whatever the SDK thinks of it.
        let problem = problem.filter(|_| !live.hang_up);
        self.link.send(FromOffscreen::Ended { call_sid: live.sid, problem }, out);
        self.audio.call_over();
        self.send_audio(out);
        self.warm_up(out);
    }
}

impl sansio::Machine for Machine {
    type Time = Monotonic;
    type Event = Event;
    type Command = Command;

    fn handle(&mut self, event: Event, now: Monotonic) -> Vec<Command> {
        let mut out = Vec::new();
        self.handle_event(event, now, &mut out);
        out
    }

    fn handle_timeout(&mut self, now: Monotonic) -> Vec<Command> {
        let mut out = Vec::new();
        while let Some((timer, _)) = self.timers.take_due(now) {
            self.on_timer(timer, now, &mut out);
        }
        out
    }

    fn poll_timeout(&self) -> Option<Monotonic> {
        self.timers.next()
    }
}

impl Live {
    fn report(&self) -> OffscreenCall {
        OffscreenCall { sid: self.sid.clone(), state: self.phase, muted: self.muted }
    }
}
