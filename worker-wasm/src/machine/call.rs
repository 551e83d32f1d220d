//! The one call: offered to the worker, carried by the offscreen document.

use kernel::{CallSid, Secret, Timestamp};
use protocol::{
    CallPhase, CallSummary, CallView, Problem, ProblemCode, QualityWarning, caller,
    offscreen::{OffscreenCall, ToOffscreen},
};
use serde::{Deserialize, Serialize};

use super::{Command, Machine, Refused, event::OfferId, persisted, quality::Sound, timers::Timer};

/// How long a live call waits for the offscreen document to appear (again).
const OFFSCREEN_MS: u64 = 10_000;
/// How long accepting may take, from the hand-over to the open call: longer than the offscreen document waits for a slow
/// microphone (20 s) and then for the gateway (15 s), because it names the cause.
const ACCEPT_MS: u64 = 40_000;
/// How long the offscreen document may take to end a call.
const HANG_UP_MS: u64 = 8_000;
/// A document that lost its port says how the call ended right after its Hello.
const CALL_LOST_MS: u64 = 500;
/// How long a failed call is shown after it.
const PROBLEM_SHOWN_MS: u64 = 60_000;
/// How many commands wait for an offscreen document that is gone for a moment.
const MAX_WAITING_COMMANDS: usize = 16;

/// The live call.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, wire::ToTree, wire::FromTree)]
pub struct LiveCall {
    /// What popup and page see, without how it sounds.
    pub view: CallView,
    /// How far the hand-over is.
    pub stage: Stage,
    /// True once the gateway has let go of the worker's offer: before, destroying the `Device` would reject
    /// the call.
    pub handed_over: bool,
    /// True once somebody asked to end it.
    pub hang_up: bool,
    /// True when no click has answered it: the agent is told by a tone.
    #[serde(default)]
    pub by_itself: bool,
    /// How it has sounded, up to some seconds ago.
    #[serde(default)]
    pub sound: Sound,
}

impl LiveCall {
    fn new(sid: CallSid, stage: Stage, now: Timestamp) -> Self {
        Self {
            view: CallView {
                sid,
                state: CallPhase::Connecting,
                since: now,
                answered_at: None,
                muted: false,
                from: None,
                on_hold: None,
                quality: None,
                warnings: Vec::new(),
            },
            stage,
            handed_over: false,
            hang_up: false,
            by_itself: false,
            sound: Sound::default(),
        }
    }

    /// A call that the gateway offers; `by_itself` when it is answered without a click.
    pub(super) fn offered(
        sid: CallSid,
        connect_token: Secret,
        from: Option<String>,
        by_itself: bool,
        now: Timestamp,
    ) -> Self {
        let mut call = Self::new(sid, Stage::Waiting { connect_token }, now);
        call.view.from = from;
        call.by_itself = by_itself;
        call
    }
}

/// How far the hand-over of a call is.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, wire::ToTree, wire::FromTree)]
pub enum Stage {
    /// Offered; the offscreen document is not there yet.
    Waiting {
        /// What it needs to accept the call.
        connect_token: Secret,
    },
    /// The offscreen document was told to accept it. It is told once: the connect token is good for one use.
    Accepting,
    /// The offscreen document has said that it holds the call.
    Carried,
}

/// What a page or popup wants of the call.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum CallCommand {
    HangUp,
    SetMute(bool),
    SendDigits(kernel::DtmfDigits),
}

fn call_failed(message: &str) -> Problem {
    Problem { code: ProblemCode::CallFailed, message: message.into(), retrying: false }
}

impl Machine {
    /// The gateway offers a call.
    pub(super) fn incoming(
        &mut self,
        offer: OfferId,
        call_sid: String,
        connect_token: Option<Secret>,
        from: Option<String>,
        now: Timestamp,
    ) {
        let (Ok(sid), Some(connect_token)) = (CallSid::new(call_sid), connect_token) else {
            self.warn(now, "Rejected a call that the gateway did not describe well enough to accept it.");
            return self.out.push(Command::RejectOffer { offer });
        };
        let from = from.as_deref().and_then(caller::shown);
        if let Some(call) = self.durable.call.as_mut().filter(|call| call.view.sid == sid) {
            // The same call once more, after the gateway lost its socket to us. Rejecting would end the call.
            let unneeded = if let Stage::Waiting { connect_token: held } = &mut call.stage {
                *held = connect_token;
                self.offer.replace(offer)
            } else {
                Some(offer)
            };
            self.out.extend(unneeded.map(|offer| Command::IgnoreOffer { offer }));
            return;
        }
        if self.durable.last_ended.as_ref() == Some(&sid) {
            self.warn(now, "Rejected a call that has ended already.");
            return self.out.push(Command::RejectOffer { offer });
        }
        if let Some(waiting) = self.durable.waiting.as_mut().filter(|waiting| waiting.view.sid == sid) {
            waiting.connect_token = connect_token;
            return self.waiting_again(offer);
        }
        self.new_call(offer, sid, connect_token, from, now);
    }

    /// A call becomes the live one.
    pub(super) fn begin_call(&mut self, call: LiveCall, _now: Timestamp) {
        self.count("calls_begun");
        self.call_problem = None;
        self.timers.disarm(Timer::ProblemFade);
        self.sound = Sound::default();
        self.durable.call = Some(call);
    }

    /// Tells the offscreen document to accept the waiting call, if both are there.
    pub(super) fn hand_over(&mut self, now: Timestamp) {
        let (Some(call), Some(voice)) = (&mut self.durable.call, &self.durable.voice) else { return };
        if !self.offscreen.is_ready() {
            return;
        }
        let Stage::Waiting { connect_token } = &call.stage else { return };
        let connect = ToOffscreen::Connect {
            call_sid: call.view.sid.clone(),
            connect_token: connect_token.clone(),
            token: voice.token.clone(),
            edge: self.registration.edge().map(str::to_owned),
            tone: call.by_itself && self.policy.answer_tone,
        };
        call.stage = Stage::Accepting;
        self.timers.arm(Timer::Accept, now.plus(ACCEPT_MS));
        self.info(now, "Handed the call to the offscreen document.");
        self.tell_offscreen(connect);
        self.flush_call_commands();
    }

    /// An offered call is no longer on offer: its caller gave up, or it was handed over.
    pub(super) fn offer_gone(&mut self, offer: OfferId, now: Timestamp) {
        if self.waiting_gave_up(offer, now) || self.offer != Some(offer) {
            return;
        }
        self.offer = None;
        let Some(call) = &mut self.durable.call else { return };
        call.handed_over = true;
        if matches!(call.stage, Stage::Waiting { .. }) {
            self.info(now, "The caller gave up before the call was accepted.");
            self.end_call(None, now);
        }
        // Otherwise the gateway means the hand-over, or the offscreen document is about to learn that nobody
        // is there.
    }

    /// The offscreen document has connected and says what it holds. It knows better than anything that was
    /// saved.
    pub(super) fn offscreen_says_hello(&mut self, held: Option<OffscreenCall>, now: Timestamp) {
        match (&self.durable.call, held) {
            (None, None) => {}
            (_, Some(held)) => {
                self.offscreen_holds(held, now);
                // Said to a port that may not have carried it.
                if let Some(call) = self.durable.call.as_ref().filter(|call| call.hang_up) {
                    self.tell_offscreen(ToOffscreen::HangUp { call_sid: call.view.sid.clone() });
                }
            }
            (Some(call), None) => match call.stage {
                Stage::Waiting { .. } => self.hand_over(now),
                Stage::Accepting | Stage::Carried => {
                    self.timers.arm(Timer::CallLost, now.plus(CALL_LOST_MS));
                }
            },
        }
    }

    /// The offscreen document came back without the call, and did not say how it ended.
    pub(super) fn call_lost(&mut self, now: Timestamp) {
        if self.restored_call {
            self.info(now, "The call ended while the worker was not running.");
            self.end_call(None, now);
        } else {
            self.end_call(Some(call_failed("The call broke off. Ask the caller to call again.")), now);
        }
    }

    /// The offscreen document holds a call, in this state.
    pub(super) fn offscreen_holds(&mut self, held: OffscreenCall, now: Timestamp) {
        let mine = self.durable.call.as_ref().map(|call| &call.view.sid);
        if mine == Some(&held.sid) {
            return self.update_call(&held, now);
        }
        if self.durable.last_ended.as_ref() == Some(&held.sid) {
            // Ended as far as anybody knows: it must not go on in secret.
            return self.tell_offscreen(ToOffscreen::HangUp { call_sid: held.sid });
        }
        match self.durable.call.as_ref().map(|call| &call.stage) {
            Some(Stage::Waiting { .. } | Stage::Accepting) => {
                self.warn(now, "The offscreen document still held another call, which was ended.");
                return self.tell_offscreen(ToOffscreen::HangUp { call_sid: held.sid });
            }
            Some(Stage::Carried) => {
                self.end_call(Some(call_failed("The call broke off. Ask the caller to call again.")), now);
            }
            None => {}
        }
        self.info(now, "Took up the call that the offscreen document holds.");
        let mut call = LiveCall::new(held.sid.clone(), Stage::Carried, now);
        // Answered while another was live, by a worker that was killed before it could save that.
        if let Some(waiting) = self.take_waiting(&held.sid) {
            call.view.from = waiting.view.from;
            self.offer = self.waiting_offer.take();
        }
        self.begin_call(call, now);
        self.update_call(&held, now);
    }

    fn update_call(&mut self, held: &OffscreenCall, now: Timestamp) {
        let Some(call) = &mut self.durable.call else { return };
        self.restored_call = false;
        self.timers.disarm(Timer::CallLost);
        call.stage = Stage::Carried;
        call.view.state = held.state;
        call.view.muted = held.muted;
        if held.state == CallPhase::Connecting {
            self.timers.arm_once(Timer::Accept, now.plus(ACCEPT_MS));
        } else {
            call.handed_over = true;
            self.timers.disarm(Timer::Accept);
            self.durable.microphone_proven = true;
            self.call_problem = None;
            if call.view.answered_at.is_none() {
                call.view.answered_at = Some(now);
                self.info(now, "The call is open.");
            }
        }
        self.flush_call_commands();
    }

    /// The offscreen document has ended a call, or it was ended there.
    pub(super) fn offscreen_ended(&mut self, sid: &CallSid, problem: Option<Problem>, now: Timestamp) {
        match &self.durable.call {
            Some(call) if call.view.sid == *sid => self.end_call(problem, now),
            // It was busy with an older call; now it is free for this one.
            Some(_) => self.hand_over(now),
            None => {}
        }
    }

    /// The call is over for everybody. What is still on offer is refused, so that the caller is routed on.
    fn end_call(&mut self, problem: Option<Problem>, now: Timestamp) {
        let Some(call) = self.durable.call.take() else { return };
        if call.view.answered_at.is_none() {
            self.release_expectation(&call.view.sid);
        }
        if let Some(offer) = self.offer.take() {
            self.out.push(if call.handed_over {
                Command::IgnoreOffer { offer }
            } else {
                Command::RejectOffer { offer }
            });
        }
        let calls = &mut self.durable.calls;
        if calls.len() >= persisted::CALLS {
            calls.pop_front();
        }
        calls.push_back(CallSummary {
            sid: call.view.sid.clone(),
            from: call.view.from,
            since: call.view.since,
            answered_at: call.view.answered_at,
            ended_at: now,
            problem: problem.clone(),
            quality: std::mem::take(&mut self.sound).summary(),
        });
        self.durable.last_ended = Some(call.view.sid);
        self.call_carried(now);
        for timer in [Timer::Accept, Timer::HangUp, Timer::CallLost, Timer::CallOffscreen] {
            self.timers.disarm(timer);
        }
        self.call_commands.clear();
        self.restored_call = false;
        if let Some(problem) = problem {
            self.warn(now, format!("The call ended badly: {}", problem.message));
            // A missing microphone would fail the next call too, so it stays until somebody has looked at it.
            if problem.code != ProblemCode::MicrophoneUnavailable {
                self.timers.arm(Timer::ProblemFade, now.plus(PROBLEM_SHOWN_MS));
            }
            self.call_problem = Some(problem);
        } else {
            self.info(now, "The call has ended.");
        }
    }

    /// Carries out what a page or popup wants of the call.
    ///
    /// # Errors
    /// When there is no such call.
    pub(super) fn command_call(
        &mut self,
        sid: Option<&CallSid>,
        command: CallCommand,
        now: Timestamp,
    ) -> Result<(), Refused> {
        let Some(call) = &mut self.durable.call else { return Err(Refused::NoCall) };
        if sid.is_some_and(|sid| *sid != call.view.sid) {
            return Err(Refused::CallOver);
        }
        let call_sid = call.view.sid.clone();
        match command {
            CallCommand::HangUp => {
                if matches!(call.stage, Stage::Waiting { .. }) {
                    self.end_call(None, now);
                } else {
                    call.hang_up = true;
                    self.timers.arm_once(Timer::HangUp, now.plus(HANG_UP_MS));
                    self.tell_offscreen(ToOffscreen::HangUp { call_sid });
                }
            }
            CallCommand::SetMute(muted) => self.tell_call(ToOffscreen::SetMute { call_sid, muted }),
            CallCommand::SendDigits(digits) => self.tell_call(ToOffscreen::SendDigits { call_sid, digits }),
        }
        Ok(())
    }

    /// Flex says whether it holds the customer. Of a call that is over, that is no news.
    pub(super) fn call_context(&mut self, context: &protocol::page::CallContext) {
        if let Some(call) = self.durable.call.as_mut().filter(|call| call.view.sid == context.call_sid) {
            call.view.on_hold = Some(context.on_hold);
        }
    }

    /// The live call as popup and page see it.
    pub(super) fn call_view(&self) -> Option<CallView> {
        let mut view = self.durable.call.as_ref()?.view.clone();
        view.quality = self.sound.samples.back().copied();
        let mut warnings = self.sound.warnings.clone();
        if self.is_microphone_muted() {
            // What it comes to, also for a plugin that knows nothing of `AudioState::microphone_muted`.
            warnings.insert(QualityWarning::ConstantAudioInput);
        }
        view.warnings = warnings.into_iter().collect();
        Some(view)
    }

    /// Sends to the call, or as soon as the offscreen document carries it.
    fn tell_call(&mut self, message: ToOffscreen) {
        let waits =
            self.durable.call.as_ref().is_some_and(|call| matches!(call.stage, Stage::Waiting { .. }));
        if self.offscreen.is_ready() && !waits {
            self.tell_offscreen(message);
        } else if self.call_commands.len() < MAX_WAITING_COMMANDS {
            self.call_commands.push(message);
        }
    }

    fn flush_call_commands(&mut self) {
        for message in std::mem::take(&mut self.call_commands) {
            self.tell_offscreen(message);
        }
    }

    fn waits_for_offscreen(&self) -> bool {
        let is_waiting =
            |call: &LiveCall| matches!(call.stage, Stage::Waiting { .. }) || !self.offscreen.is_ready();
        self.durable.call.as_ref().is_some_and(is_waiting)
    }

    /// Sees to it that a call does not wait for the offscreen document for ever.
    pub(super) fn settle_call(&mut self, now: Timestamp) {
        if self.waits_for_offscreen() {
            self.timers.arm_once(Timer::CallOffscreen, now.plus(OFFSCREEN_MS));
        } else {
            self.timers.disarm(Timer::CallOffscreen);
        }
    }

    /// The saved state has a live call: its deadlines start over.
    pub(super) fn restore_call(&mut self, now: Timestamp) {
        let Some(call) = &self.durable.call else { return };
        self.restored_call = true;
        self.sound.clone_from(&call.sound);
        if call.hang_up {
            self.timers.arm(Timer::HangUp, now.plus(HANG_UP_MS));
        }
        if call.view.answered_at.is_none() && !matches!(call.stage, Stage::Waiting { .. }) {
            self.timers.arm(Timer::Accept, now.plus(ACCEPT_MS));
        }
    }

    /// The offscreen document did not appear for a call that needs it.
    pub(super) fn call_without_offscreen(&mut self, now: Timestamp) {
        if !self.waits_for_offscreen() {
            return;
        }
        self.end_call(
            Some(call_failed("The call could not be carried: Chrome did not start the audio page.")),
            now,
        );
        self.reset_offscreen(now);
    }

    /// The offscreen document accepts the call for ever.
    pub(super) fn accept_overdue(&mut self, now: Timestamp) {
        if self.durable.call.as_ref().is_none_or(|call| call.view.answered_at.is_some()) {
            return;
        }
        self.end_call(Some(call_failed("The call could not be connected in time. Check the network.")), now);
        self.reset_offscreen(now);
    }

    /// The offscreen document does not end the call. Closing the document ends it for sure.
    pub(super) fn hang_up_overdue(&mut self, now: Timestamp) {
        if self.durable.call.as_ref().is_none_or(|call| !call.hang_up) {
            return;
        }
        self.warn(now, "The offscreen document did not hang up in time and is closed.");
        self.end_call(None, now);
        self.reset_offscreen(now);
    }
}
