//! A call that waits for the agent's word. A second one while one is live is refused at once so that its caller is routed on,
//! or, where policy says so, offered to the agent; one that nobody expects rings here too. The first call is never ended
//! without a click.

use kernel::{CallSid, Secret, Timestamp};
use protocol::WaitingCall;
use serde::{Deserialize, Serialize};

use super::{
    Command, Machine, Refused,
    call::{CallCommand, LiveCall},
    config::SecondCall,
    event::OfferId,
    notices::NoticeId,
    timers::Timer,
};

/// How long a call waits for the agent's word. Then it is refused, so that its caller is routed on.
const WAIT_MS: u64 = 60_000;
/// After the worker's restart the gateway's own word on the call is waited for that long: offered again, or not.
const RESTORED_MS: u64 = 10_000;

/// A call that waits.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, wire::ToTree, wire::FromTree)]
pub struct Waiting {
    /// What popup and page see.
    pub view: WaitingCall,
    /// What the offscreen document needs to accept it.
    pub connect_token: Secret,
    /// True once the agent has said yes: it is answered as soon as the live call has ended.
    pub answered: bool,
}

const GONE: Refused = Refused::WaitingGone;

impl Machine {
    /// True while a call is live, or another waits.
    pub(super) const fn is_busy(&self) -> bool {
        self.durable.call.is_some() || self.durable.waiting.is_some()
    }

    /// An expected call is offered while another is live or waits. False when it is refused.
    pub(super) fn second_call(
        &mut self,
        offer: OfferId,
        sid: CallSid,
        connect_token: Secret,
        from: Option<String>,
        now: Timestamp,
    ) -> bool {
        // One that nobody expects makes room, unless the agent has just answered it.
        let is_taken =
            self.durable.waiting.as_ref().is_some_and(|waiting| !waiting.view.unexpected || waiting.answered);
        if self.policy.second_call == SecondCall::Refuse || is_taken {
            self.count("second_calls_refused");
            self.warn(now, "Rejected a second call: one is live.");
            self.out.push(Command::RejectOffer { offer });
            return false;
        }
        if self.durable.waiting.is_some() {
            self.count("calls_unexpected_refused");
            self.info(now, "A call that nobody expects makes room for one that is expected.");
            self.drop_waiting();
            self.notice_is_over(NoticeId::Waiting);
        }
        self.count("second_calls_offered");
        self.info(now, "A second call is offered to the agent.");
        let view = WaitingCall { sid, from, since: now, unexpected: false };
        self.begin_waiting(offer, view, connect_token, now);
        true
    }

    /// A call begins to wait.
    pub(super) fn begin_waiting(
        &mut self,
        offer: OfferId,
        view: WaitingCall,
        connect_token: Secret,
        now: Timestamp,
    ) {
        self.waiting_offer = Some(offer);
        self.durable.waiting = Some(Waiting { view, connect_token, answered: false });
        self.timers.arm(Timer::Waiting, now.plus(WAIT_MS));
    }

    /// The call that waits is offered once more, after the gateway lost its socket to us.
    pub(super) fn waiting_again(&mut self, offer: OfferId) {
        if let Some(waiting) = &self.durable.waiting {
            self.timers.arm(Timer::Waiting, waiting.view.since.plus(WAIT_MS));
        }
        if let Some(old) = self.waiting_offer.replace(offer) {
            self.out.push(Command::IgnoreOffer { offer: old });
        }
    }

    /// The agent answers the call that waits. The live one is hung up first, which is what the button says.
    ///
    /// # Errors
    /// When that call does not wait.
    pub(super) fn answer_waiting(&mut self, sid: Option<&CallSid>, now: Timestamp) -> Result<(), Refused> {
        let waiting =
            self.durable.waiting.as_mut().filter(|waiting| sid.is_none_or(|sid| *sid == waiting.view.sid));
        let Some(waiting) = waiting else { return Err(GONE) };
        if !std::mem::replace(&mut waiting.answered, true) {
            if waiting.view.unexpected {
                self.count("calls_unexpected_answered");
            }
            self.info(now, "The agent answers the call that waits; one that is live is hung up.");
        }
        if self.durable.call.is_some() {
            self.command_call(None, CallCommand::HangUp, now)?;
        }
        Ok(())
    }

    /// The agent refuses the call that waits.
    ///
    /// # Errors
    /// When that call does not wait.
    pub(super) fn decline_waiting(&mut self, sid: Option<&CallSid>, now: Timestamp) -> Result<(), Refused> {
        let waits = self
            .durable
            .waiting
            .as_ref()
            .is_some_and(|waiting| sid.is_none_or(|sid| *sid == waiting.view.sid));
        if !waits {
            return Err(GONE);
        }
        if self.durable.waiting.as_ref().is_some_and(|waiting| waiting.view.unexpected) {
            self.count("calls_unexpected_declined");
        }
        self.info(now, "The agent declined the call that waits.");
        self.drop_waiting();
        Ok(())
    }

    /// Refuses the call that waits, if one does, so that its caller is routed on.
    pub(super) fn drop_waiting(&mut self) {
        self.timers.disarm(Timer::Waiting);
        if let Some(waiting) = self.durable.waiting.take() {
            self.release_expectation(&waiting.view.sid);
        }
        if let Some(offer) = self.waiting_offer.take() {
            self.out.push(Command::RejectOffer { offer });
        }
    }

    /// The call that waits, if it is this one: it waits no longer. Its offer stays, for whoever takes the call.
    pub(super) fn take_waiting(&mut self, sid: &CallSid) -> Option<Waiting> {
        let waiting = self.durable.waiting.take_if(|waiting| waiting.view.sid == *sid)?;
        self.timers.disarm(Timer::Waiting);
        Some(waiting)
    }

    /// The caller who waits has given up. True when that is whose offer it was.
    pub(super) fn waiting_gave_up(&mut self, offer: OfferId, now: Timestamp) -> bool {
        if self.waiting_offer != Some(offer) {
            return false;
        }
        self.waiting_offer = None;
        self.drop_waiting();
        self.info(now, "The caller who waits gave up.");
        true
    }

    /// The agent has said nothing for too long, or the gateway does not know the call any more.
    pub(super) fn waiting_overdue(&mut self, now: Timestamp) {
        if self.durable.waiting.is_some() {
            self.info(now, "Nobody answered the call that waits, so its caller is routed on.");
            self.drop_waiting();
        }
    }

    /// The saved state has a call that waits. Whether it still does is the gateway's word.
    pub(super) fn restore_waiting(&mut self, now: Timestamp) {
        if self.durable.waiting.is_some() {
            self.timers.arm(Timer::Waiting, now.plus(RESTORED_MS));
        }
    }

    /// Once the live call has ended, the answered one takes its place.
    pub(super) fn settle_waiting(&mut self, now: Timestamp) {
        if self.durable.call.is_some() {
            return;
        }
        if let Some(waiting) = self.durable.waiting.take_if(|waiting| waiting.answered) {
            self.timers.disarm(Timer::Waiting);
            self.promote(waiting, false, now);
        }
    }

    /// The call that waited becomes the live one.
    pub(super) fn promote(&mut self, waiting: Waiting, by_itself: bool, now: Timestamp) {
        let WaitingCall { sid, from, .. } = waiting.view;
        self.begin_call(LiveCall::offered(sid, waiting.connect_token, from, by_itself, now), now);
        self.offer = self.waiting_offer.take();
        self.hand_over(now);
    }
}
