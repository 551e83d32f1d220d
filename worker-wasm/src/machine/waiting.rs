//! The place of a call that waits for the agent's word. A second one while one is live is refused at once so that its caller is
//! routed on, or, where policy says so, offered to the agent; one that nobody expects rings here too. The first call is never
//! ended without a click.

use kernel::{CallSid, Secret, Timestamp};
use protocol::WaitingCall;
use sansio::Moment as _;

use super::{
    event::OfferId,
    live::Waiting,
    persisted::{Persisted, renew},
};

/// How long a call waits for the agent's word. Then it is refused, so that its caller is routed on.
const WAIT_MS: u64 = 60_000;
/// After the worker's restart the gateway's own word on the call is waited for that long: offered again, or not.
const RESTORED_MS: u64 = 10_000;

/// A call that waits, and the worker's own object of it while it is on offer.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Place {
    call: Option<Waiting>,
    offer: Option<OfferId>,
    /// When it has waited long enough.
    due: Option<Timestamp>,
}

impl Place {
    /// Goes on from what was saved. Whether the call still waits is the gateway's word.
    pub(super) fn restore(&mut self, persisted: &Persisted, now: Timestamp) {
        self.call.clone_from(&persisted.waiting);
        self.due = self.call.as_ref().map(|_| now.plus(RESTORED_MS));
    }

    pub(super) fn save(&self, saved: &mut Persisted) -> bool {
        renew(&mut saved.waiting, &self.call)
    }

    pub(super) const fn call(&self) -> Option<&Waiting> {
        self.call.as_ref()
    }

    /// True when it is empty, or taken by a call that nobody expects.
    pub(super) fn has_no_expected(&self) -> bool {
        self.call.as_ref().is_none_or(|waiting| waiting.view.unexpected)
    }

    /// True when a call that nobody expects waits, which the agent has not just answered: it may make room.
    pub(super) fn has_room(&self) -> bool {
        self.call.as_ref().is_none_or(|waiting| waiting.view.unexpected && !waiting.answered)
    }

    /// A call that rings, which nobody expects, and which the agent has not answered: which, and since when. Without an
    /// offer it is a call of the saved state, on which the gateway has not yet given its word.
    pub(super) fn ringing(&self) -> Option<(CallSid, Timestamp)> {
        self.offer?;
        let rings = self.call.as_ref().filter(|waiting| waiting.view.unexpected && !waiting.answered)?;
        Some((rings.view.sid.clone(), rings.view.since))
    }

    /// A call begins to wait.
    pub(super) fn begin(&mut self, offer: OfferId, view: WaitingCall, connect_token: Secret, now: Timestamp) {
        self.call = Some(Waiting { view, connect_token, answered: false });
        self.offer = Some(offer);
        self.due = Some(now.plus(WAIT_MS));
    }

    /// A call is offered once more, after the gateway lost its socket to us. `None` when it is not the one that waits; else
    /// the older offer, if there was one.
    pub(super) fn again(&mut self, sid: &CallSid, token: &Secret, offer: OfferId) -> Option<Option<OfferId>> {
        let waiting = self.call.as_mut().filter(|waiting| waiting.view.sid == *sid)?;
        waiting.connect_token = token.clone();
        self.due = Some(waiting.view.since.plus(WAIT_MS));
        Some(self.offer.replace(offer))
    }

    /// The agent answers the call, or any: which it is, and true when that was not said before.
    pub(super) fn answer(&mut self, sid: Option<&CallSid>) -> Option<(&Waiting, bool)> {
        let waiting = self.call.as_mut().filter(|waiting| sid.is_none_or(|sid| *sid == waiting.view.sid))?;
        let is_news = !std::mem::replace(&mut waiting.answered, true);
        Some((waiting, is_news))
    }

    /// Nothing waits any more: what did, and its offer.
    pub(super) fn clear(&mut self) -> (Option<Waiting>, Option<OfferId>) {
        let Self { call, offer, .. } = std::mem::take(self);
        (call, offer)
    }

    /// The call, if it is this one: it waits no longer.
    pub(super) fn take(&mut self, sid: &CallSid) -> Option<(Waiting, Option<OfferId>)> {
        self.call.as_ref().filter(|waiting| waiting.view.sid == *sid)?;
        let (call, offer) = self.clear();
        call.map(|call| (call, offer))
    }

    /// The call that the agent has answered: it waits no longer.
    pub(super) fn take_answered(&mut self) -> Option<(Waiting, Option<OfferId>)> {
        self.call.as_ref().filter(|waiting| waiting.answered)?;
        let (call, offer) = self.clear();
        call.map(|call| (call, offer))
    }

    /// An offer is gone. True when it was this call's.
    pub(super) fn offer_gone(&mut self, offer: OfferId) -> bool {
        self.offer.take_if(|held| *held == offer).is_some()
    }

    /// The `Device` is gone, and with it its offers.
    pub(super) const fn offers_gone(&mut self) {
        self.offer = None;
    }

    /// True once when the call has waited long enough.
    pub(super) fn is_overdue(&mut self, now: Timestamp) -> bool {
        self.due.take_if(|due| *due <= now).is_some()
    }

    pub(super) const fn next(&self) -> Option<Timestamp> {
        self.due
    }

    /// The clock was set back.
    pub(super) fn shift_back(&mut self, millis: u64) {
        self.due = self.due.map(|due| due.minus(millis));
    }
}
