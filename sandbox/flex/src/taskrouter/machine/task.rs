//! A task with its reservation, and the resources that are made of it.

use kernel::{CallSid, Timestamp};
use serde_json::{Value, json};

use super::call::{Call, Customer};
use super::channel::TaskChannel;
use super::chat::Chat;
use super::event::{Attributes, Command};
use super::leg::{Item, Leg, LegState, write};
use super::transfer::Transfer;
use crate::account;
use crate::api::{Holder, VoiceTask};
use crate::taskrouter::resource::{ReservationResource, TaskResource, seconds, to_json};

/// How far a reservation is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum ReservationStatus {
    Pending,
    Accepted,
    Wrapping,
    Completed,
    Rejected,
    TimedOut,
    Canceled,
}

impl ReservationStatus {
    /// The value of `reservation_status` and the name of the event that says so.
    pub(super) const fn names(self) -> (&'static str, &'static str) {
        match self {
            Self::Pending => ("pending", "reservation.created"),
            Self::Accepted => ("accepted", "reservation.accepted"),
            Self::Wrapping => ("wrapping", "reservation.wrapup"),
            Self::Completed => ("completed", "reservation.completed"),
            Self::Rejected => ("rejected", "reservation.rejected"),
            Self::TimedOut => ("timeout", "reservation.timeout"),
            Self::Canceled => ("canceled", "reservation.canceled"),
        }
    }
}

/// The offer of a task to the agent's worker.
#[derive(Debug, Clone)]
pub(super) struct Reservation {
    pub(super) sid: String,
    pub(super) status: ReservationStatus,
    created: Timestamp,
    updated: Timestamp,
    version: u32,
    pub(super) leg: Option<Leg>,
    /// Twilio's code for why it was canceled.
    pub(super) canceled_reason: Option<i64>,
}

impl Reservation {
    pub(super) fn new(sid: String, now: Timestamp) -> Self {
        Self {
            sid,
            status: ReservationStatus::Pending,
            created: now,
            updated: now,
            version: 0,
            leg: None,
            canceled_reason: None,
        }
    }

    /// Nobody has taken it, and nobody is being called for it.
    pub(super) fn is_free(&self) -> bool {
        self.status == ReservationStatus::Pending && self.leg.is_none()
    }
}

/// What a task is about.
#[derive(Debug, Clone)]
pub(super) enum Work {
    Call(Call),
    Chat(Chat),
    /// Whatever its attributes say: made by REST for a reason of its own.
    Other,
}

/// A task.
#[derive(Debug, Clone)]
pub(super) struct Task {
    pub(super) sid: String,
    pub(super) attributes: Attributes,
    created: Timestamp,
    updated: Timestamp,
    version: u32,
    pub(super) routing_target: Option<String>,
    pub(super) channel: TaskChannel,
    /// Who gets it.
    pub(super) holder: Holder,
    work: Work,
    /// The agent declined or missed it: it is offered again when the agent next chooses an activity.
    pub(super) declined: bool,
    pub(super) canceled: bool,
    pub(super) reservation: Option<Reservation>,
    /// Reservations that ended without an agent.
    pub(super) former: Vec<Reservation>,
    reason: Option<String>,
}

impl Task {
    pub(super) fn new(
        sid: String,
        channel: TaskChannel,
        holder: Holder,
        work: Work,
        attributes: Attributes,
        now: Timestamp,
    ) -> Self {
        Self {
            sid,
            attributes,
            created: now,
            updated: now,
            version: 0,
            routing_target: None,
            channel,
            holder,
            work,
            declined: false,
            canceled: false,
            reservation: None,
            former: Vec::new(),
            reason: None,
        }
    }

    pub(super) const fn status(&self) -> &'static str {
        if self.canceled {
            return "canceled";
        }
        match &self.reservation {
            None => "pending",
            Some(reservation) => match reservation.status {
                ReservationStatus::Pending => "reserved",
                ReservationStatus::Accepted => "assigned",
                ReservationStatus::Wrapping => "wrapping",
                ReservationStatus::Completed => "completed",
                ReservationStatus::Rejected | ReservationStatus::TimedOut => "pending",
                ReservationStatus::Canceled => "canceled",
            },
        }
    }

    pub(super) fn reservation_status(&self) -> Option<ReservationStatus> {
        self.reservation.as_ref().map(|reservation| reservation.status)
    }

    pub(super) fn text(&self, name: &str) -> String {
        self.attributes.get(name).and_then(Value::as_str).unwrap_or_default().to_owned()
    }

    pub(super) fn leg_mut(&mut self) -> Option<&mut Leg> {
        self.reservation.as_mut()?.leg.as_mut()
    }

    pub(super) fn leg(&self) -> Option<&Leg> {
        self.reservation.as_ref()?.leg.as_ref()
    }

    pub(super) fn agent_call(&self) -> Option<&CallSid> {
        self.leg().map(|leg| &leg.call_sid)
    }

    pub(super) fn call(&self) -> Option<&Call> {
        if let Work::Call(call) = &self.work { Some(call) } else { None }
    }

    pub(super) fn call_mut(&mut self) -> Option<&mut Call> {
        if let Work::Call(call) = &mut self.work { Some(call) } else { None }
    }

    pub(super) fn chat(&self) -> Option<&Chat> {
        if let Work::Chat(chat) = &self.work { Some(chat) } else { None }
    }

    pub(super) fn chat_mut(&mut self) -> Option<&mut Chat> {
        if let Work::Chat(chat) = &mut self.work { Some(chat) } else { None }
    }

    /// Where the customer of a call is.
    pub(super) fn customer(&self) -> Option<Customer> {
        Some(self.call()?.customer)
    }

    pub(super) fn set_customer(&mut self, customer: Customer) {
        if let Some(call) = self.call_mut() {
            call.customer = customer;
        }
    }

    pub(super) fn transfer(&self) -> Option<&Transfer> {
        self.call()?.transfer.as_ref()
    }

    pub(super) fn transfer_mut(&mut self) -> Option<&mut Transfer> {
        self.call_mut()?.transfer.as_mut()
    }

    pub(super) fn is_named(&self, sid: &str) -> bool {
        self.sid == sid
            || self.call().is_some_and(|call| call.customer_call_sid.as_str() == sid)
            || self.is_reservation(sid)
            || self.agent_call().is_some_and(|call_sid| call_sid.as_str() == sid)
    }

    pub(super) fn is_reservation(&self, sid: &str) -> bool {
        self.reservation.as_ref().is_some_and(|reservation| reservation.sid == sid)
    }

    pub(super) fn is_transfer(&self, sid: &str) -> bool {
        self.is_named(sid) || self.transfer().is_some_and(|transfer| transfer.is_named(sid))
    }

    pub(super) fn touch(&mut self, now: Timestamp) {
        self.updated = now;
        self.version += 1;
    }

    /// Why it ended, as whoever ended it says.
    pub(super) fn set_reason(&mut self, reason: Option<String>) {
        self.reason = reason.or_else(|| self.reason.take());
    }

    /// The reservation, and the task with it, has changed.
    pub(super) fn set_reservation(&mut self, status: ReservationStatus, now: Timestamp) {
        self.touch(now);
        if let Some(reservation) = &mut self.reservation {
            reservation.status = status;
            reservation.updated = now;
            reservation.version += 1;
        }
    }

    // ---- the conference's Sync map --------------------------------------------------------------------------------

    fn agent_item(&self) -> Option<Item> {
        let reservation = self.reservation.as_ref()?;
        let leg = reservation.leg.as_ref()?;
        Some(leg.item("worker", &self.call()?.conference_sid, &reservation.sid, account::WORKER_SID))
    }

    /// Everybody in the conference.
    pub(super) fn participants(&self) -> Vec<Item> {
        let Some(call) = self.call() else { return Vec::new() };
        let all = [Some(call.customer_item()), self.agent_item(), call.colleague_item()];
        all.into_iter().flatten().collect()
    }

    pub(super) fn write_customer(&self) -> Option<Command> {
        Some(write(self.call()?.customer_item(), &self.sid))
    }

    pub(super) fn write_agent(&self) -> Option<Command> {
        Some(write(self.agent_item()?, &self.sid))
    }

    pub(super) fn write_colleague(&self) -> Option<Command> {
        Some(write(self.call()?.colleague_item()?, &self.sid))
    }

    // ---- resources ------------------------------------------------------------------------------------------------

    pub(super) fn view(&self, now: Timestamp) -> TaskResource {
        let (queue, queue_sid, workflow_sid) = self.channel.route();
        TaskResource {
            account_sid: account::ACCOUNT_SID,
            workspace_sid: account::WORKSPACE_SID,
            sid: self.sid.clone(),
            attributes: Value::Object(self.attributes.clone()).to_string(),
            assignment_status: self.status(),
            addons: "{}",
            age: seconds(now) - seconds(self.created),
            date_created: seconds(self.created),
            date_updated: seconds(self.updated),
            virtual_start_time: seconds(self.created),
            priority: 0,
            queue_name: queue,
            queue_sid,
            task_queue_name: queue,
            task_queue_friendly_name: queue,
            task_queue_sid: queue_sid,
            reason: self.reason.clone(),
            routing_target: self.routing_target.clone(),
            task_channel_unique_name: self.channel.unique_name(),
            task_channel_sid: self.channel.sid(),
            timeout: 86_400,
            workflow_name: queue,
            workflow_friendly_name: queue,
            workflow_sid,
            version: self.version.to_string(),
        }
    }

    pub(super) fn resource(&self, now: Timestamp) -> Value {
        to_json(&self.view(now))
    }

    /// The newest transfer, as its client reads it.
    pub(super) fn transfer_resource(&self) -> Option<Value> {
        let reservation = self.reservation.as_ref().map(|reservation| reservation.sid.as_str());
        Some(self.transfer()?.resource(&self.sid, reservation))
    }

    /// The reservation as the event bridge has it.
    pub(super) fn reservation_resource(&self, timeout_s: u64, now: Timestamp) -> Option<Value> {
        Some(to_json(&self.reservation_view(self.reservation.as_ref()?, timeout_s, now)))
    }

    /// Every reservation that there was of it, the newest last.
    pub(super) fn reservation_views(&self, timeout_s: u64, now: Timestamp) -> Vec<ReservationResource> {
        let all = self.former.iter().chain(&self.reservation);
        all.map(|reservation| self.reservation_view(reservation, timeout_s, now)).collect()
    }

    fn reservation_view(
        &self,
        reservation: &Reservation,
        timeout_s: u64,
        now: Timestamp,
    ) -> ReservationResource {
        let transferred = self.transfer().is_some_and(Transfer::is_open);
        let (worker_sid, worker_name) = self.holder.worker();
        ReservationResource {
            account_sid: account::ACCOUNT_SID,
            workspace_sid: account::WORKSPACE_SID,
            worker_sid,
            worker_name,
            sid: reservation.sid.clone(),
            reservation_status: reservation.status.names().0,
            reservation_timeout: i64::try_from(timeout_s).unwrap_or(i64::MAX),
            date_created: seconds(reservation.created),
            date_updated: seconds(reservation.updated),
            version: reservation.version.to_string(),
            task_sid: self.sid.clone(),
            task: self.view(now),
            canceled_reason_code: reservation.canceled_reason,
            active_outgoing_task_transfer: transferred.then(|| self.transfer_resource()).flatten(),
        }
    }

    pub(super) fn voice_task(&self) -> Option<VoiceTask> {
        let call = self.call()?;
        Some(VoiceTask {
            task_sid: self.sid.clone(),
            reservation_sid: self.reservation.as_ref().map(|reservation| reservation.sid.clone()),
            customer_call_sid: call.customer_call_sid.clone(),
            conference_sid: call.conference_sid.clone(),
        })
    }

    /// For people and tests.
    pub(super) fn summary(&self) -> Value {
        json!({
            "task_sid": self.sid,
            "status": self.status(),
            "from": self.text("from"),
            "direction": self.text("direction"),
            "reservation_sid": self.reservation.as_ref().map(|reservation| &reservation.sid),
            "reservation_status": self.reservation_status().map(|status| status.names().0),
            "task_channel": self.channel.unique_name(),
            "worker": self.holder.worker().1,
            "conference_sid": self.call().map(|call| &call.conference_sid),
            "customer": self.call().map(Call::summary),
            "transfer": self.transfer().map(Transfer::summary),
            "chat": self.chat().map(Chat::summary),
            "agent": self.leg().map(|leg| json!({
                "call_sid": leg.call_sid,
                "state": match leg.state {
                    LegState::Dialling => "dialling",
                    LegState::Joined => "joined",
                    LegState::Left => "left",
                },
                "hold": leg.hold,
                "muted": leg.muted,
                "end_conference_on_exit": leg.end_conference_on_exit,
            })),
        })
    }
}
