//! A call on its way from the agent to the colleague.
//!
//! ```text
//! initiated -> complete      the colleague took it, and is in the conference
//!           -> failed        the colleague declined
//!           -> canceled      the agent thought better of it
//! ```
//!
//! Inferred: who leaves the conference when. A cold transfer takes the agent's leg out at once; in a warm one the agent
//! stays until they hang up, and Flex UI has by then asked that the conference outlive them.

use jiff::Timestamp;
use serde_json::{Value, json};

use super::{
    Customer, Effect, Leg, LegState, Machine, Refusal, ReservationStatus, Task, agent_item, customer_item,
    happened, worker_item,
};
use crate::account;

/// How a call is handed over.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TransferMode {
    /// The agent stays until they hang up.
    Warm,
    /// The agent leaves at once.
    Cold,
}

impl TransferMode {
    /// From the parameter `Mode`.
    #[must_use]
    pub fn named(name: &str) -> Option<Self> {
        match name {
            "WARM" => Some(Self::Warm),
            "COLD" => Some(Self::Cold),
            _ => None,
        }
    }

    const fn name(self) -> &'static str {
        match self {
            Self::Warm => "WARM",
            Self::Cold => "COLD",
        }
    }
}

/// Where a transfer stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum TransferStatus {
    Initiated,
    Complete,
    Canceled,
    Failed,
}

impl TransferStatus {
    /// The value of `transfer_status` and the name of the event that says so.
    const fn names(self) -> (&'static str, &'static str) {
        match self {
            Self::Initiated => ("initiated", "task.transfer-initiated"),
            Self::Complete => ("complete", "task.transfer-completed"),
            Self::Canceled => ("canceled", "task.transfer-canceled"),
            Self::Failed => ("failed", "task.transfer-failed"),
        }
    }
}

/// A transfer of a task.
#[derive(Debug, Clone)]
pub(super) struct Transfer {
    pub(super) sid: String,
    mode: TransferMode,
    pub(super) status: TransferStatus,
    created: Timestamp,
    updated: Timestamp,
    /// The colleague's reservation of the task, and their leg once they took it. The telephone behind it is not real.
    colleague_reservation: String,
    colleague: Option<Leg>,
}

impl Transfer {
    fn is_open(&self) -> bool {
        self.status == TransferStatus::Initiated
    }

    /// For people and tests.
    pub(super) fn summary(&self) -> Value {
        json!({
            "sid": self.sid,
            "mode": self.mode.name(),
            "status": self.status.names().0,
            "colleague": self.colleague.as_ref().map(|leg| leg.state.participant_status()),
        })
    }
}

/// The resource as `twilio-taskrouter` demands it.
pub(super) fn resource(task: &Task) -> Option<Value> {
    let transfer = task.transfer.as_ref()?;
    Some(json!({
        "account_sid": account::ACCOUNT_SID,
        "workspace_sid": account::WORKSPACE_SID,
        "sid": transfer.sid,
        "task_sid": task.sid,
        "date_created": transfer.created.as_second(),
        "date_updated": transfer.updated.as_second(),
        "initiating_reservation_sid": task.reservation.as_ref().map(|r| &r.sid),
        "initiating_worker_sid": account::WORKER_SID,
        "initiating_queue_sid": account::TASK_QUEUE_SID,
        "initiating_workflow_sid": account::WORKFLOW_SID,
        "transfer_mode": transfer.mode.name(),
        "transfer_to": account::COLLEAGUE_WORKER_SID,
        "transfer_type": "WORKER",
        "transfer_status": transfer.status.names().0,
        "transfer_failed_reason": null,
    }))
}

/// The same while the transfer is open: what a reservation says of it.
pub(super) fn open_resource(task: &Task) -> Option<Value> {
    resource(task).filter(|_| task.transfer.as_ref().is_some_and(Transfer::is_open))
}

/// The colleague in the conference of a task that was transferred.
pub(super) fn colleague_item(task: &Task) -> Option<Effect> {
    let transfer = task.transfer.as_ref()?;
    let leg = transfer.colleague.as_ref()?;
    Some(worker_item(task, leg, &transfer.colleague_reservation, account::COLLEAGUE_WORKER_SID))
}

impl Machine {
    pub(super) fn transfer(
        &mut self,
        reservation_sid: &str,
        to: &str,
        mode: TransferMode,
        now: Timestamp,
        effects: &mut Vec<Effect>,
    ) -> Result<(), Refusal> {
        let index = self.find(reservation_sid)?;
        if to != account::COLLEAGUE_WORKER_SID {
            return Err(Refusal::conflict(format!(
                "The sandbox transfers to the colleague only, not to {to}"
            )));
        }
        let task = &self.tasks[index];
        let accepted = task.reservation.as_ref().is_some_and(|r| r.status == ReservationStatus::Accepted);
        if !accepted || task.transfer.as_ref().is_some_and(Transfer::is_open) {
            return Err(Refusal::conflict(format!("Task {} cannot be transferred now", task.sid)));
        }
        let transfer = Transfer {
            sid: self.sid("TT"),
            mode,
            status: TransferStatus::Initiated,
            created: now,
            updated: now,
            colleague_reservation: self.sid("WR"),
            colleague: None,
        };
        self.tasks[index].transfer = Some(transfer);
        self.announce_transfer(index, effects);
        if mode == TransferMode::Cold {
            self.end_leg(index, effects);
            if self.tasks[index].leg().is_some_and(|leg| leg.end_conference_on_exit) {
                self.tasks[index].customer = Customer::Left;
            }
            self.agent_left(index, now, effects);
        }
        Ok(())
    }

    fn announce_transfer(&self, index: usize, effects: &mut Vec<Effect>) {
        let task = &self.tasks[index];
        let (Some(transfer), Some(payload)) = (&task.transfer, resource(task)) else { return };
        let event = transfer.status.names().1;
        effects.push(Effect::Push { event, payload });
        let data = json!({ "task_sid": task.sid, "mode": transfer.mode.name() });
        effects.push(happened(event, task.leg().map(|leg| leg.call_sid.as_str()), data));
    }

    /// The task with an open transfer that one of these names.
    fn transferring(&self, sid: &str) -> Result<usize, Refusal> {
        let named = |task: &Task| {
            task.is_named(sid) || task.transfer.as_ref().is_some_and(|transfer| transfer.sid == sid)
        };
        let open = |task: &Task| task.transfer.as_ref().is_some_and(Transfer::is_open);
        self.tasks
            .iter()
            .position(|task| named(task) && open(task))
            .ok_or_else(|| Refusal::conflict(format!("{sid} is not being transferred")))
    }

    fn settle_transfer(
        &mut self,
        index: usize,
        status: TransferStatus,
        now: Timestamp,
        effects: &mut Vec<Effect>,
    ) {
        if let Some(transfer) = &mut self.tasks[index].transfer {
            (transfer.status, transfer.updated) = (status, now);
        }
        self.announce_transfer(index, effects);
    }

    pub(super) fn cancel_transfer(
        &mut self,
        sid: &str,
        now: Timestamp,
        effects: &mut Vec<Effect>,
    ) -> Result<(), Refusal> {
        let index = self.transferring(sid)?;
        self.settle_transfer(index, TransferStatus::Canceled, now, effects);
        Ok(())
    }

    /// The colleague takes the call, or declines it.
    pub(super) fn transfer_answered(
        &mut self,
        sid: &str,
        takes: bool,
        now: Timestamp,
        effects: &mut Vec<Effect>,
    ) -> Result<(), Refusal> {
        let index = self.transferring(sid)?;
        if !takes {
            self.settle_transfer(index, TransferStatus::Failed, now, effects);
            return Ok(());
        }
        let call_sid = self.call_sid();
        let task = &mut self.tasks[index];
        if let Some(transfer) = &mut task.transfer {
            transfer.colleague = Some(Leg {
                call_sid,
                state: LegState::Joined,
                hold: false,
                muted: false,
                end_conference_on_exit: true,
            });
        }
        effects.extend(colleague_item(task));
        self.settle_transfer(index, TransferStatus::Complete, now, effects);
        Ok(())
    }

    /// The agent takes the colleague out of the conference, or puts them on hold there.
    pub(super) fn update_colleague(
        &mut self,
        sid: &str,
        hold: Option<bool>,
        kick: bool,
        effects: &mut Vec<Effect>,
    ) -> Result<(), Refusal> {
        let index = self.find(sid)?;
        let task = &mut self.tasks[index];
        let leg = task.transfer.as_mut().and_then(|transfer| transfer.colleague.as_mut());
        let Some(leg) = leg.filter(|leg| leg.state == LegState::Joined) else {
            return Err(Refusal::conflict("The colleague is not in this conference".to_owned()));
        };
        leg.hold = hold.unwrap_or(leg.hold);
        if kick {
            leg.state = LegState::Left;
        }
        effects.extend(colleague_item(task));
        Ok(())
    }

    /// The conference is over for the colleague too.
    pub(super) fn colleague_leaves(&mut self, index: usize, effects: &mut Vec<Effect>) {
        let task = &mut self.tasks[index];
        let leg = task.transfer.as_mut().and_then(|transfer| transfer.colleague.as_mut());
        if let Some(leg) = leg.filter(|leg| leg.state != LegState::Left) {
            leg.state = LegState::Left;
            effects.extend(colleague_item(task));
        }
    }

    /// Ends the conference for everybody, as an agent of a call with several others may.
    pub(super) fn end_conference(
        &mut self,
        sid: &str,
        now: Timestamp,
        effects: &mut Vec<Effect>,
    ) -> Result<(), Refusal> {
        let index = self.find(sid)?;
        if self.tasks[index].leg().is_none_or(|leg| leg.state != LegState::Joined) {
            return Err(Refusal::conflict(format!("The agent is in no conference of task {sid}")));
        }
        self.tasks[index].customer = Customer::Left;
        effects.push(happened(
            "conference.ended_for_all",
            None,
            json!({ "task_sid": self.tasks[index].sid }),
        ));
        self.end_leg(index, effects);
        self.colleague_leaves(index, effects);
        self.agent_left(index, now, effects);
        // Flex UI waits for this event of the task, beside the reservation's.
        let payload = self.task(sid, now)?;
        effects.push(Effect::Push { event: "task.wrapup", payload });
        Ok(())
    }

    /// Everybody in a task's conference, as its Sync map has them.
    #[must_use]
    pub fn participants(&self, task_sid: &str) -> Vec<(String, Value)> {
        let Ok(index) = self.find(task_sid) else { return Vec::new() };
        let task = &self.tasks[index];
        [Some(customer_item(task)), agent_item(task), colleague_item(task)]
            .into_iter()
            .flatten()
            .filter_map(|effect| match effect {
                Effect::ConferenceItem { key, data, .. } => Some((key, data)),
                _ => None,
            })
            .collect()
    }
}
