//! A voice task with its reservation, and the resources that are made of it.

use kernel::{CallSid, Timestamp};
use serde_json::{Value, json};

use super::event::{Attributes, Command};
use super::leg::{Item, Leg, LegState, write};
use super::transfer::Transfer;
use crate::account;
use crate::api::{Outcome, VoiceTask};
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

/// Where the customer is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Customer {
    /// Called us and waits, or is in the conference.
    OnLine,
    /// Is to be called once the agent is there.
    NotCalled,
    /// Their telephone rings, and then this happens.
    Ringing { then: Outcome },
    /// Hung up.
    Left,
}

/// A voice task.
#[derive(Debug, Clone)]
pub(super) struct Task {
    pub(super) sid: String,
    pub(super) attributes: Attributes,
    created: Timestamp,
    updated: Timestamp,
    version: u32,
    pub(super) routing_target: Option<String>,
    pub(super) conference_sid: String,
    pub(super) customer_call_sid: CallSid,
    pub(super) customer_hold: bool,
    pub(super) customer: Customer,
    /// The agent declined or missed it: it is offered again when the agent next chooses an activity.
    pub(super) declined: bool,
    pub(super) canceled: bool,
    pub(super) reservation: Option<Reservation>,
    pub(super) transfer: Option<Transfer>,
}

impl Task {
    pub(super) fn new(
        sid: String,
        conference_sid: String,
        customer_call_sid: CallSid,
        customer: Customer,
        now: Timestamp,
    ) -> Self {
        Self {
            sid,
            attributes: Attributes::new(),
            created: now,
            updated: now,
            version: 0,
            routing_target: None,
            conference_sid,
            customer_call_sid,
            customer_hold: false,
            customer,
            declined: false,
            canceled: false,
            reservation: None,
            transfer: None,
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

    pub(super) fn is_named(&self, sid: &str) -> bool {
        self.sid == sid
            || self.customer_call_sid.as_str() == sid
            || self.is_reservation(sid)
            || self.agent_call().is_some_and(|call_sid| call_sid.as_str() == sid)
    }

    pub(super) fn is_reservation(&self, sid: &str) -> bool {
        self.reservation.as_ref().is_some_and(|reservation| reservation.sid == sid)
    }

    pub(super) fn is_transfer(&self, sid: &str) -> bool {
        self.is_named(sid) || self.transfer.as_ref().is_some_and(|transfer| transfer.is_named(sid))
    }

    pub(super) fn touch(&mut self, now: Timestamp) {
        self.updated = now;
        self.version += 1;
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

    fn customer_item(&self) -> Item {
        let data = json!({
            "participant_type": "customer",
            "status": if self.customer == Customer::Left { "left" } else { "joined" },
            "conference_sid": self.conference_sid,
            "call_sid": self.customer_call_sid,
            "hold": self.customer_hold,
            "muted": false,
            "end_conference_on_exit": true,
            "reservation_sid": null,
            "worker_sid": null,
        });
        (self.customer_call_sid.as_str().to_owned(), data)
    }

    fn agent_item(&self) -> Option<Item> {
        let reservation = self.reservation.as_ref()?;
        let leg = reservation.leg.as_ref()?;
        Some(leg.item("worker", &self.conference_sid, &reservation.sid, account::WORKER_SID))
    }

    fn colleague_item(&self) -> Option<Item> {
        self.transfer.as_ref()?.colleague_item(&self.conference_sid)
    }

    /// Everybody in the conference.
    pub(super) fn participants(&self) -> Vec<Item> {
        let all = [Some(self.customer_item()), self.agent_item(), self.colleague_item()];
        all.into_iter().flatten().collect()
    }

    pub(super) fn write_customer(&self) -> Command {
        write(self.customer_item(), &self.sid)
    }

    pub(super) fn write_agent(&self) -> Option<Command> {
        Some(write(self.agent_item()?, &self.sid))
    }

    pub(super) fn write_colleague(&self) -> Option<Command> {
        Some(write(self.colleague_item()?, &self.sid))
    }

    // ---- resources ------------------------------------------------------------------------------------------------

    fn view(&self, now: Timestamp) -> TaskResource {
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
            queue_name: "Voice",
            queue_sid: account::TASK_QUEUE_SID,
            task_queue_name: "Voice",
            task_queue_friendly_name: "Voice",
            task_queue_sid: account::TASK_QUEUE_SID,
            reason: None,
            routing_target: self.routing_target.clone(),
            task_channel_unique_name: "voice",
            task_channel_sid: format!("TC{:032x}", 0),
            timeout: 86_400,
            workflow_name: "Voice",
            workflow_friendly_name: "Voice",
            workflow_sid: account::WORKFLOW_SID,
            version: self.version.to_string(),
        }
    }

    pub(super) fn resource(&self, now: Timestamp) -> Value {
        to_json(&self.view(now))
    }

    /// The newest transfer, as its client reads it.
    pub(super) fn transfer_resource(&self) -> Option<Value> {
        let reservation = self.reservation.as_ref().map(|reservation| reservation.sid.as_str());
        Some(self.transfer.as_ref()?.resource(&self.sid, reservation))
    }

    pub(super) fn reservation_resource(&self, timeout_s: u64, now: Timestamp) -> Option<Value> {
        let reservation = self.reservation.as_ref()?;
        let transferred = self.transfer.as_ref().is_some_and(Transfer::is_open);
        Some(to_json(&ReservationResource {
            account_sid: account::ACCOUNT_SID,
            workspace_sid: account::WORKSPACE_SID,
            worker_sid: account::WORKER_SID,
            worker_name: account::AGENT_NAME,
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
        }))
    }

    pub(super) fn voice_task(&self) -> VoiceTask {
        VoiceTask {
            task_sid: self.sid.clone(),
            reservation_sid: self.reservation.as_ref().map(|reservation| reservation.sid.clone()),
            customer_call_sid: self.customer_call_sid.clone(),
            conference_sid: self.conference_sid.clone(),
        }
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
            "conference_sid": self.conference_sid,
            "customer": {
                "call_sid": self.customer_call_sid,
                "hold": self.customer_hold,
                "left": self.customer == Customer::Left,
                "ringing": matches!(self.customer, Customer::Ringing { .. }),
            },
            "transfer": self.transfer.as_ref().map(Transfer::summary),
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
