//! The one call: offered to the worker, carried by the offscreen document. With it the one that waits for the agent's word,
//! and which calls are answered by themselves.

use messages::english::{self, Cause};
use std::collections::VecDeque;

use kernel::{CallSid, DtmfDigits, Secret, Timestamp};
use protocol::{
    CallPhase, CallSummary, CallView, Problem, ProblemCode, QualitySample, QualityWarning, WaitingCall,
    caller,
    offscreen::{OffscreenCall, ToOffscreen},
    page::CallContext,
    popup::Refused,
};
use sansio::Timers;

use super::{
    command::Command,
    config::{SecondCall, UnexpectedCalls},
    context::Context,
    event::{OfferId, PortId},
    expected::{Desk, Expected, LATE_MS, Pass, Relisted},
    keypad::Keypad,
    live::{LiveCall, Stage, Waiting},
    persisted::{Persisted, renew},
    quality::Sound,
    waiting::Place,
};

/// How long a live call waits for the offscreen document to appear (again).
const DOCUMENT_MS: u64 = 10_000;
/// How long accepting may take, from the hand-over to the open call: longer than the offscreen document waits for a slow
/// microphone (20 s) and then for the gateway (15 s), because it names the cause.
const ACCEPT_MS: u64 = 40_000;
/// How long the offscreen document may take to end a call.
const HANG_UP_MS: u64 = 8_000;
/// A document that lost its port says how the call ended right after its Hello.
const CALL_LOST_MS: u64 = 500;
/// How long a failed call is shown after it.
const PROBLEM_SHOWN_MS: u64 = 60_000;
/// After a restart the pages that were open count as open for so long: their content scripts connect again at once.
const PAGES_BACK_MS: u64 = 3_000;
/// How many commands wait for an offscreen document that is gone for a moment.
const MAX_OWED: usize = 16;
/// How many calls are kept in figures.
const CALLS: usize = 20;

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Timer {
    /// The call waits for the offscreen document.
    Document,
    /// A call that is being accepted is not open yet.
    Accept,
    /// The offscreen document came back without the call; how it ended may follow at once.
    Lost,
    /// The offscreen document has not ended a call that it was told to end.
    HangUp,
    /// The last call's problem has been shown long enough.
    ProblemFade,
    /// After a restart, time for the pages that were open to connect again.
    PagesBack,
}

/// What a page or popup wants of the call.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum CallCommand {
    HangUp,
    SetMute(bool),
    SendDigits(DtmfDigits),
}

/// What the call needs to know of the rest.
#[derive(Clone, Debug, Default)]
pub(super) struct Around {
    /// Where to speak to the offscreen document, when it is there.
    pub(super) document: Option<PortId>,
    /// The Voice token to accept a call with,
    pub(super) voice: Option<Secret>,
    /// and the edge to do it on.
    pub(super) edge: Option<String>,
    /// The registered agent and their pages.
    pub(super) desk: Desk,
}

/// What the call needs of others.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Needs {
    /// The offscreen document has carried this many more calls.
    pub(super) carried: u32,
    /// The offscreen document is to be closed: it does not do what it was told.
    pub(super) no_document: bool,
    /// Another call waits than the one that the agent may have put away: it is news.
    pub(super) new_notice: bool,
}
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Call {
    live: Option<LiveCall>,
    /// The worker's own object of the live call, while it is on offer.
    offer: Option<OfferId>,
    waiting: Place,
    expected: Expected,
    /// The call that ended last, so that a late word about it does not bring it back.
    last_ended: Option<CallSid>,
    /// The last calls, oldest first.
    ended: VecDeque<CallSummary>,
    /// How the live call sounds. The saved state has it up to some seconds ago.
    sound: Sound,
    /// The call comes from the saved state, and the offscreen document has not yet confirmed it.
    is_restored: bool,
    /// What waits for the offscreen document to carry the call.
    owed: Vec<ToOffscreen>,
    /// What was wrong with the last call.
    problem: Option<Problem>,
    keypad: Keypad,
    needs: Needs,
    timers: Timers<Timer, Timestamp>,
}

impl Default for Call {
    fn default() -> Self {
        Self {
            live: None,
            offer: None,
            waiting: Place::default(),
            expected: Expected::default(),
            last_ended: None,
            ended: VecDeque::new(),
            sound: Sound::default(),
            is_restored: false,
            owed: Vec::new(),
            problem: None,
            keypad: Keypad::FULL,
            needs: Needs::default(),
            timers: Timers::default(),
        }
    }
}

fn broken_off() -> Problem {
    english::CALL_BROKE_OFF.problem(false)
}

/// What the agent, the gateway and the offscreen document know of the calls.
impl Call {
    /// Goes on from what was saved. A live call's deadlines start over.
    pub(super) fn restore(&mut self, persisted: &Persisted, now: Timestamp) {
        self.live.clone_from(&persisted.call);
        self.last_ended.clone_from(&persisted.last_ended);
        self.ended.clone_from(&persisted.calls);
        self.expected.clone_from(&persisted.expected);
        self.waiting.restore(persisted, now);
        if self.expected.had_pages() {
            self.timers.arm(Timer::PagesBack, now.plus(PAGES_BACK_MS));
        }
        let Some(call) = &self.live else { return };
        self.is_restored = true;
        self.sound.clone_from(&call.sound);
        if call.hang_up {
            self.timers.arm(Timer::HangUp, now.plus(HANG_UP_MS));
        }
        if call.view.answered_at.is_none() && !call.is_offered() {
            self.timers.arm(Timer::Accept, now.plus(ACCEPT_MS));
        }
    }

    pub(super) fn save(&self, saved: &mut Persisted) -> bool {
        renew(&mut saved.call, &self.live)
            | self.waiting.save(saved)
            | renew(&mut saved.expected, &self.expected)
            | renew(&mut saved.last_ended, &self.last_ended)
            | renew(&mut saved.calls, &self.ended)
    }

    /// The live call, without how it sounds.
    pub(super) const fn live(&self) -> Option<&LiveCall> {
        self.live.as_ref()
    }

    pub(super) fn sid(&self) -> Option<&CallSid> {
        self.live.as_ref().map(|call| &call.view.sid)
    }

    pub(super) const fn waiting(&self) -> Option<&Waiting> {
        self.waiting.call()
    }

    /// True while a call is live, or another waits.
    pub(super) const fn is_busy(&self) -> bool {
        self.live.is_some() || self.waiting.call().is_some()
    }

    /// True while the live call is on offer.
    pub(super) const fn has_offer(&self) -> bool {
        self.offer.is_some()
    }

    /// True while the live call is to be handed over yet: destroying its `Device` would reject it.
    pub(super) fn is_offering(&self) -> bool {
        self.live.as_ref().is_some_and(|call| !call.handed_over)
    }

    /// The last calls, oldest first.
    pub(super) const fn ended(&self) -> &VecDeque<CallSummary> {
        &self.ended
    }

    pub(super) const fn problem(&self) -> Option<&Problem> {
        self.problem.as_ref()
    }

    /// How the live call sounds, oldest first.
    pub(super) const fn samples(&self) -> &VecDeque<QualitySample> {
        self.sound.samples()
    }

    /// The live call as popup and page see it.
    pub(super) fn view(&self, is_microphone_muted: bool) -> Option<CallView> {
        let mut view = self.live.as_ref()?.view.clone();
        view.quality = self.sound.samples().back().copied();
        let mut warnings = self.sound.warnings().clone();
        if is_microphone_muted {
            // What it comes to, also for a plugin that knows nothing of `AudioState::microphone_muted`.
            warnings.insert(QualityWarning::ConstantAudioInput);
        }
        view.warnings = warnings.into_iter().collect();
        Some(view)
    }

    /// What others have to do, since the last time.
    pub(super) const fn take_needs(&mut self) -> Needs {
        std::mem::replace(&mut self.needs, Needs { carried: 0, no_document: false, new_notice: false })
    }

    /// Somebody has looked at what was wrong.
    pub(super) fn forget_problem(&mut self) {
        self.problem = None;
    }

    /// Whom an agent spoke with, and how it went, is not the next one's business.
    pub(super) fn forget_agent(&mut self) {
        self.ended.clear();
        self.problem = None;
        self.timers.disarm(Timer::ProblemFade);
    }

    /// The agent is not signed in any more: nothing is expected, nothing rings on. Only a live call goes on.
    pub(super) fn agent_leaves(&mut self, cx: &mut Context) {
        self.expected = Expected::default();
        self.timers.disarm(Timer::PagesBack);
        self.drop_waiting(cx);
        if self.live.as_ref().is_some_and(LiveCall::is_offered) {
            // Nobody has it yet: its caller is routed on.
            self.end(None, cx);
        }
        if let Some(call) = &mut self.live {
            call.view.from = None;
        }
        self.forget_agent();
    }

    /// Started over while no call is live.
    pub(super) fn reset(&mut self, cx: &mut Context) {
        self.drop_waiting(cx);
        self.live = None;
        self.offers_gone();
        self.expected = Expected::default();
        self.problem = None;
        self.timers.clear();
    }

    /// The `Device` is gone, and with it the offers.
    pub(super) const fn offers_gone(&mut self) {
        self.offer = None;
        self.waiting.offers_gone();
    }

    /// All of a message, or nothing of it and said so before its first digit; whoever sends it.
    ///
    /// # Errors
    /// When it is too much at once.
    pub(super) fn admit(&mut self, digits: &DtmfDigits, cx: &mut Context) -> Result<(), Refused> {
        if self.keypad.admit(digits, cx.now) {
            return Ok(());
        }
        cx.count("digits_refused");
        Err(Refused::DigitsTooFast)
    }

    /// Carries out what a page or popup wants of the call.
    ///
    /// # Errors
    /// When there is no such call.
    pub(super) fn command(
        &mut self,
        sid: Option<&CallSid>,
        command: CallCommand,
        around: &Around,
        cx: &mut Context,
    ) -> Result<(), Refused> {
        let Some(call) = &mut self.live else { return Err(Refused::NoCall) };
        if sid.is_some_and(|sid| *sid != call.view.sid) {
            return Err(Refused::CallOver);
        }
        let call_sid = call.view.sid.clone();
        match command {
            CallCommand::HangUp if call.is_offered() => self.end(None, cx),
            CallCommand::HangUp => {
                call.hang_up = true;
                self.timers.arm_once(Timer::HangUp, cx.now.plus(HANG_UP_MS));
                cx.send_to_offscreen(around.document, ToOffscreen::HangUp { call_sid });
            }
            CallCommand::SetMute(muted) => self.send(ToOffscreen::SetMute { call_sid, muted }, around, cx),
            CallCommand::SendDigits(digits) => {
                self.send(ToOffscreen::SendDigits { call_sid, digits }, around, cx);
            }
        }
        Ok(())
    }

    /// Mutes the call, or takes that back.
    ///
    /// # Errors
    /// When there is no call.
    pub(super) fn toggle_mute(&mut self, around: &Around, cx: &mut Context) -> Result<(), Refused> {
        let is_muted = self.live.as_ref().is_some_and(|call| call.view.muted);
        self.command(None, CallCommand::SetMute(!is_muted), around, cx)
    }

    /// Sends to the call, or as soon as the offscreen document carries it.
    fn send(&mut self, message: ToOffscreen, around: &Around, cx: &mut Context) {
        if !self.waits_for_document(around) {
            cx.send_to_offscreen(around.document, message);
        } else if self.owed.len() < MAX_OWED {
            self.owed.push(message);
        }
    }

    fn pay_owed(&mut self, around: &Around, cx: &mut Context) {
        for message in self.owed.drain(..) {
            cx.send_to_offscreen(around.document, message);
        }
    }

    /// Flex says whether it holds the customer. Of a call that is over, that is no news.
    pub(super) fn context(&mut self, context: &CallContext) {
        if let Some(call) = self.live.as_mut().filter(|call| call.view.sid == context.call_sid) {
            call.view.on_hold = Some(context.on_hold);
        }
    }

    /// A page has said anew which calls its agent expects.
    pub(super) fn expect(&mut self, page: &Relisted, around: &Around, now: Timestamp) {
        self.expected.relist(page);
        self.follow_pages(around, now);
    }

    fn follow_pages(&mut self, around: &Around, now: Timestamp) {
        let are_coming = self.timers.is_armed(Timer::PagesBack);
        self.expected.follow(&around.desk, are_coming, now);
    }

    /// A sample of how a call sounds.
    pub(super) fn sampled(&mut self, sid: &CallSid, sample: QualitySample) {
        if self.sid() != Some(sid) {
            return;
        }
        self.sound.add(sample);
        if self.sound.is_to_be_saved() {
            self.save_sound();
        }
    }

    /// The SDK warns, or takes a warning back.
    pub(super) fn warned(&mut self, sid: &CallSid, warning: QualityWarning, raised: bool, cx: &mut Context) {
        if self.sid() == Some(sid) && self.sound.warn(warning, raised) {
            let word = if raised { "begins" } else { "ends" };
            cx.info(format!("Call quality: {warning:?} {word}."));
            self.save_sound();
        }
    }

    fn save_sound(&mut self) {
        if let Some(call) = &mut self.live {
            call.sound.clone_from(&self.sound);
        }
    }
}

/// A call comes, and one goes.
impl Call {
    /// The gateway offers a call.
    pub(super) fn incoming(
        &mut self,
        offer: OfferId,
        call_sid: String,
        connect_token: Option<Secret>,
        from: Option<&str>,
        around: &Around,
        cx: &mut Context,
    ) {
        let (Ok(sid), Some(connect_token)) = (CallSid::new(call_sid), connect_token) else {
            cx.warn("Rejected a call that the gateway did not describe well enough to accept it.");
            return cx.push(Command::RejectOffer { offer });
        };
        let from = from.and_then(caller::shown);
        if let Some(call) = self.live.as_mut().filter(|call| call.view.sid == sid) {
            // The same call once more, after the gateway lost its socket to us. Rejecting would end the call.
            let unneeded = if let Stage::Waiting { connect_token: held } = &mut call.stage {
                *held = connect_token;
                self.offer.replace(offer)
            } else {
                Some(offer)
            };
            return unneeded.into_iter().for_each(|offer| cx.push(Command::IgnoreOffer { offer }));
        }
        if self.last_ended.as_ref() == Some(&sid) {
            cx.warn("Rejected a call that has ended already.");
            return cx.push(Command::RejectOffer { offer });
        }
        if let Some(older) = self.waiting.again(&sid, &connect_token, offer) {
            return older.into_iter().for_each(|offer| cx.push(Command::IgnoreOffer { offer }));
        }
        self.new_call(offer, sid, connect_token, from, around, cx);
    }

    /// A call that is new: it becomes the live one, waits, or is refused.
    fn new_call(
        &mut self,
        offer: OfferId,
        sid: CallSid,
        connect_token: Secret,
        from: Option<String>,
        around: &Around,
        cx: &mut Context,
    ) {
        // One that rings and that nobody expects takes no place, and goes on ringing.
        let is_free = self.live.is_none() && self.waiting.has_no_expected();
        match self.pass(true, around, cx) {
            Some(pass) if is_free => {
                self.let_through(pass, &sid, cx);
                cx.info("A call is offered.");
                self.begin(LiveCall::offered(sid, connect_token, from, true, cx.now), cx);
                self.offer = Some(offer);
                self.hand_over(around, cx);
            }
            Some(pass @ (Pass::Expectation(_) | Pass::OlderPage)) => {
                if self.second_call(offer, sid.clone(), connect_token, from, cx) {
                    self.let_through(pass, &sid, cx);
                }
            }
            Some(Pass::Policy) | None => self.unexpected_call(offer, sid, connect_token, from, cx),
        }
    }

    fn pass(&self, may_use_expectation: bool, around: &Around, cx: &Context) -> Option<Pass> {
        let are_coming = self.timers.is_armed(Timer::PagesBack);
        let policy = cx.policy.unexpected_calls;
        self.expected.pass(&around.desk, are_coming, may_use_expectation, policy, cx.now)
    }

    fn let_through(&mut self, pass: Pass, call: &CallSid, cx: &mut Context) {
        match pass {
            Pass::Expectation(id) => self.expected.use_up(id, call.clone()),
            Pass::OlderPage => {}
            Pass::Policy => {
                cx.count("calls_unexpected_answered_by_policy");
                cx.info("Nobody expects this call. Policy lets it be answered.");
            }
        }
    }

    /// An expected call is offered while another is live or waits. False when it is refused.
    fn second_call(
        &mut self,
        offer: OfferId,
        sid: CallSid,
        connect_token: Secret,
        from: Option<String>,
        cx: &mut Context,
    ) -> bool {
        // One that nobody expects makes room, unless the agent has just answered it.
        if cx.policy.second_call == SecondCall::Refuse || !self.waiting.has_room() {
            cx.count("second_calls_refused");
            cx.warn("Rejected a second call: one is live.");
            cx.push(Command::RejectOffer { offer });
            return false;
        }
        if self.waiting.call().is_some() {
            cx.count("calls_unexpected_refused");
            cx.info("A call that nobody expects makes room for one that is expected.");
            self.drop_waiting(cx);
            self.needs.new_notice = true;
        }
        cx.count("second_calls_offered");
        cx.info("A second call is offered to the agent.");
        let view = WaitingCall { sid, from, since: cx.now, unexpected: false };
        self.waiting.begin(offer, view, connect_token, cx.now);
        true
    }

    /// A call that nobody expects: it rings, or is refused. It takes nobody's place.
    fn unexpected_call(
        &mut self,
        offer: OfferId,
        sid: CallSid,
        connect_token: Secret,
        from: Option<String>,
        cx: &mut Context,
    ) {
        let is_second = self.live.is_some() && cx.policy.second_call == SecondCall::Refuse;
        // The newest one rings: it may be a customer's whose expectation is still on its way, and a stranger who rings on and
        // on must not keep that out.
        if cx.policy.unexpected_calls == UnexpectedCalls::Refuse || is_second || !self.waiting.has_room() {
            cx.count("calls_unexpected_refused");
            cx.warn("Rejected a call that nobody expects.");
            return cx.push(Command::RejectOffer { offer });
        }
        if self.waiting.call().is_some() {
            cx.count("calls_unexpected_refused");
            cx.warn("Another call that nobody expects is ringing. The one before is routed on.");
            self.drop_waiting(cx);
        }
        cx.count("calls_unexpected_rung");
        cx.warn("A call that nobody expects is ringing: Flex does not know of it.");
        let view = WaitingCall { sid, from, since: cx.now, unexpected: true };
        self.waiting.begin(offer, view, connect_token, cx.now);
    }

    /// A call becomes the live one.
    fn begin(&mut self, call: LiveCall, cx: &mut Context) {
        cx.count("calls_begun");
        self.problem = None;
        self.timers.disarm(Timer::ProblemFade);
        self.sound = Sound::default();
        self.live = Some(call);
    }

    /// The call that waited becomes the live one.
    fn promote(
        &mut self,
        (waiting, offer): (Waiting, Option<OfferId>),
        by_itself: bool,
        around: &Around,
        cx: &mut Context,
    ) {
        let WaitingCall { sid, from, .. } = waiting.view;
        self.begin(LiveCall::offered(sid, waiting.connect_token, from, by_itself, cx.now), cx);
        self.offer = offer;
        self.hand_over(around, cx);
    }

    /// The agent answers the call that waits. The live one is hung up first, which is what the button says.
    ///
    /// # Errors
    /// When that call does not wait.
    pub(super) fn answer_waiting(
        &mut self,
        sid: Option<&CallSid>,
        around: &Around,
        cx: &mut Context,
    ) -> Result<(), Refused> {
        let Some((waiting, is_news)) = self.waiting.answer(sid) else { return Err(Refused::WaitingGone) };
        if is_news {
            if waiting.view.unexpected {
                cx.count("calls_unexpected_answered");
            }
            cx.info("The agent answers the call that waits; one that is live is hung up.");
        }
        if self.live.is_some() {
            self.command(None, CallCommand::HangUp, around, cx)?;
        }
        Ok(())
    }

    /// The agent refuses the call that waits.
    ///
    /// # Errors
    /// When that call does not wait.
    pub(super) fn decline_waiting(&mut self, sid: Option<&CallSid>, cx: &mut Context) -> Result<(), Refused> {
        let waits = self.waiting.call().filter(|waiting| sid.is_none_or(|sid| *sid == waiting.view.sid));
        let Some(waiting) = waits else { return Err(Refused::WaitingGone) };
        if waiting.view.unexpected {
            cx.count("calls_unexpected_declined");
        }
        cx.info("The agent declined the call that waits.");
        self.drop_waiting(cx);
        Ok(())
    }

    /// Refuses the call that waits, if one does, so that its caller is routed on.
    fn drop_waiting(&mut self, cx: &mut Context) {
        let (waiting, offer) = self.waiting.clear();
        if let Some(waiting) = waiting {
            self.expected.release(&waiting.view.sid);
        }
        if let Some(offer) = offer {
            cx.push(Command::RejectOffer { offer });
        }
    }

    /// An offered call is no longer on offer: its caller gave up, or it was handed over.
    pub(super) fn offer_gone(&mut self, offer: OfferId, cx: &mut Context) {
        if self.waiting.offer_gone(offer) {
            self.drop_waiting(cx);
            return cx.info("The caller who waits gave up.");
        }
        if self.offer.take_if(|held| *held == offer).is_none() {
            return;
        }
        let Some(call) = &mut self.live else { return };
        call.handed_over = true;
        if call.is_offered() {
            cx.info("The caller gave up before the call was accepted.");
            self.end(None, cx);
        }
        // Otherwise the gateway means the hand-over, or the offscreen document is about to learn that nobody
        // is there.
    }

    /// The call is over for everybody. What is still on offer is refused, so that the caller is routed on.
    fn end(&mut self, problem: Option<Problem>, cx: &mut Context) {
        let Some(call) = self.live.take() else { return };
        if call.view.answered_at.is_none() {
            self.expected.release(&call.view.sid);
        }
        if let Some(offer) = self.offer.take() {
            cx.push(if call.handed_over {
                Command::IgnoreOffer { offer }
            } else {
                Command::RejectOffer { offer }
            });
        }
        if self.ended.len() >= CALLS {
            self.ended.pop_front();
        }
        self.ended.push_back(CallSummary {
            sid: call.view.sid.clone(),
            from: call.view.from,
            since: call.view.since,
            answered_at: call.view.answered_at,
            ended_at: cx.now,
            problem: problem.clone(),
            quality: std::mem::take(&mut self.sound).summary(),
        });
        self.last_ended = Some(call.view.sid);
        self.needs.carried = self.needs.carried.saturating_add(1);
        for timer in [Timer::Accept, Timer::HangUp, Timer::Lost, Timer::Document] {
            self.timers.disarm(timer);
        }
        self.owed.clear();
        self.is_restored = false;
        if let Some(problem) = problem {
            cx.warn(format!("The call ended badly: {}", problem.message));
            // A missing microphone would fail the next call too, so it stays until somebody has looked at it.
            if problem.code != ProblemCode::MicrophoneUnavailable {
                self.timers.arm(Timer::ProblemFade, cx.now.plus(PROBLEM_SHOWN_MS));
            }
            self.problem = Some(problem);
        } else {
            cx.info("The call has ended.");
        }
    }

    /// Answers a call that rings as soon as somebody expects it; while another is live it goes on waiting. Once the live call
    /// has ended, the answered one takes its place.
    pub(super) fn settle(&mut self, around: &Around, cx: &mut Context) {
        self.follow_pages(around, cx.now);
        if self.live.is_none()
            && let Some((sid, since)) = self.waiting.ringing()
            && let Some(pass) = self.pass(cx.now.since(since) <= LATE_MS, around, cx)
        {
            if !matches!(pass, Pass::Policy) {
                cx.count("calls_expected_late");
                cx.info("The call that rings is expected now.");
            }
            self.let_through(pass, &sid, cx);
            if let Some(waiting) = self.waiting.take(&sid) {
                self.promote(waiting, true, around, cx);
            }
        }
        if self.live.is_none()
            && let Some(waiting) = self.waiting.take_answered()
        {
            self.promote(waiting, false, around, cx);
        }
    }
}

/// The offscreen document carries it.
impl Call {
    /// Tells the offscreen document to accept the call, if both are there.
    fn hand_over(&mut self, around: &Around, cx: &mut Context) {
        let (Some(call), Some(voice)) = (&mut self.live, &around.voice) else { return };
        if around.document.is_none() {
            return;
        }
        let Stage::Waiting { connect_token } = &call.stage else { return };
        let connect = ToOffscreen::Connect {
            call_sid: call.view.sid.clone(),
            connect_token: connect_token.clone(),
            token: voice.clone(),
            edge: around.edge.clone(),
            tone: call.by_itself && cx.policy.answer_tone,
        };
        call.stage = Stage::Accepting;
        self.timers.arm(Timer::Accept, cx.now.plus(ACCEPT_MS));
        cx.info("Handed the call to the offscreen document.");
        cx.send_to_offscreen(around.document, connect);
        self.pay_owed(around, cx);
    }

    /// The offscreen document has connected and says what it holds. It knows better than anything that was
    /// saved.
    pub(super) fn document_is_new(&mut self, held: Option<OffscreenCall>, around: &Around, cx: &mut Context) {
        if let Some(held) = held {
            self.document_holds(held, around, cx);
            // Said to a port that may not have carried it.
            if let Some(call) = self.live.as_ref().filter(|call| call.hang_up) {
                let call_sid = call.view.sid.clone();
                cx.send_to_offscreen(around.document, ToOffscreen::HangUp { call_sid });
            }
        } else if self.live.as_ref().is_some_and(LiveCall::is_offered) {
            self.hand_over(around, cx);
        } else if self.live.is_some() {
            self.timers.arm(Timer::Lost, cx.now.plus(CALL_LOST_MS));
        }
    }

    /// The offscreen document holds a call, in this state.
    pub(super) fn document_holds(&mut self, held: OffscreenCall, around: &Around, cx: &mut Context) {
        if self.sid() == Some(&held.sid) {
            return self.update(&held, around, cx);
        }
        if self.last_ended.as_ref() == Some(&held.sid) {
            // Ended as far as anybody knows: it must not go on in secret.
            return cx.send_to_offscreen(around.document, ToOffscreen::HangUp { call_sid: held.sid });
        }
        match self.live.as_ref().map(|call| &call.stage) {
            Some(Stage::Waiting { .. } | Stage::Accepting) => {
                cx.warn("The offscreen document still held another call, which was ended.");
                return cx.send_to_offscreen(around.document, ToOffscreen::HangUp { call_sid: held.sid });
            }
            Some(Stage::Carried) => self.end(Some(broken_off()), cx),
            None => {}
        }
        cx.info("Took up the call that the offscreen document holds.");
        let mut call = LiveCall::new(held.sid.clone(), Stage::Carried, cx.now);
        // Answered while another was live, by a worker that was killed before it could save that.
        if let Some((waiting, offer)) = self.waiting.take(&held.sid) {
            call.view.from = waiting.view.from;
            self.offer = offer;
        }
        self.begin(call, cx);
        self.update(&held, around, cx);
    }

    fn update(&mut self, held: &OffscreenCall, around: &Around, cx: &mut Context) {
        let Some(call) = &mut self.live else { return };
        self.is_restored = false;
        self.timers.disarm(Timer::Lost);
        call.stage = Stage::Carried;
        call.view.state = held.state;
        call.view.muted = held.muted;
        if held.state == CallPhase::Connecting {
            self.timers.arm_once(Timer::Accept, cx.now.plus(ACCEPT_MS));
        } else {
            call.handed_over = true;
            self.timers.disarm(Timer::Accept);
            self.problem = None;
            if call.view.answered_at.is_none() {
                call.view.answered_at = Some(cx.now);
                cx.info("The call is open.");
            }
        }
        self.pay_owed(around, cx);
    }

    /// The offscreen document has ended a call, or it was ended there.
    pub(super) fn document_ended(
        &mut self,
        sid: &CallSid,
        problem: Option<Problem>,
        around: &Around,
        cx: &mut Context,
    ) {
        if self.sid() == Some(sid) {
            self.end(problem, cx);
        } else {
            // It was busy with an older call; now it is free for this one.
            self.hand_over(around, cx);
        }
    }

    fn waits_for_document(&self, around: &Around) -> bool {
        self.live.as_ref().is_some_and(|call| call.is_offered() || around.document.is_none())
    }

    /// Sees to it that a call does not wait for the offscreen document for ever. After the document was settled.
    pub(super) fn settle_document(&mut self, around: &Around, now: Timestamp) {
        if self.waits_for_document(around) {
            self.timers.arm_once(Timer::Document, now.plus(DOCUMENT_MS));
        } else {
            self.timers.disarm(Timer::Document);
        }
    }

    /// Time has gone on.
    pub(super) fn time_passes(&mut self, around: &Around, cx: &mut Context) {
        while let Some((timer, _)) = self.timers.take_due(cx.now) {
            match timer {
                Timer::Document if self.waits_for_document(around) => {
                    self.fail(english::CALL_NOT_STARTED, cx);
                }
                Timer::Accept if self.live.as_ref().is_some_and(|call| call.view.answered_at.is_none()) => {
                    self.fail(english::CALL_NOT_CONNECTED, cx);
                }
                // Closing the document ends the call for sure.
                Timer::HangUp if self.live.as_ref().is_some_and(|call| call.hang_up) => {
                    cx.warn("The offscreen document did not hang up in time and is closed.");
                    self.end(None, cx);
                    self.needs.no_document = true;
                }
                // The offscreen document came back without the call, and did not say how it ended.
                Timer::Lost if self.is_restored => {
                    cx.info("The call ended while the worker was not running.");
                    self.end(None, cx);
                }
                Timer::Lost => self.end(Some(broken_off()), cx),
                Timer::ProblemFade => self.problem = None,
                Timer::Document | Timer::Accept | Timer::HangUp | Timer::PagesBack => {}
            }
        }
        if self.waiting.is_overdue(cx.now) && self.waiting.call().is_some() {
            cx.info("Nobody answered the call that waits, so its caller is routed on.");
            self.drop_waiting(cx);
        }
    }

    fn fail(&mut self, cause: Cause, cx: &mut Context) {
        self.end(Some(cause.problem(false)), cx);
        self.needs.no_document = true;
    }

    pub(super) fn next(&self) -> Option<Timestamp> {
        sansio::earliest([self.timers.next(), self.waiting.next()])
    }

    /// The clock was set back.
    pub(super) fn shift_back(&mut self, millis: u64) {
        self.timers.shift_back(millis);
        self.waiting.shift_back(millis);
    }
}
