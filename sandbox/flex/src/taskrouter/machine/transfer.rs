//! A call on its way from the agent to the colleague.
//!
//! ```text
//! initiated -> complete      the colleague took it, and is in the conference
//!           -> failed        the colleague declined
//!           -> canceled      the agent thought better of it
//! ```

use kernel::{CallSid, Timestamp};
use serde_json::{Value, json};

use super::event::TransferMode;
use super::leg::{Item, Leg, LegState};
use crate::account;
use crate::taskrouter::resource::seconds;

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
    sid: String,
    mode: TransferMode,
    status: TransferStatus,
    created: Timestamp,
    updated: Timestamp,
    /// The colleague's reservation of the task, and their leg once they took it. The telephone behind it is not real.
    colleague_reservation: String,
    colleague: Option<Leg>,
}

impl Transfer {
    pub(super) fn new(
        sid: String,
        colleague_reservation: String,
        mode: TransferMode,
        now: Timestamp,
    ) -> Self {
        let status = TransferStatus::Initiated;
        Self { sid, mode, status, created: now, updated: now, colleague_reservation, colleague: None }
    }

    pub(super) fn is_named(&self, sid: &str) -> bool {
        self.sid == sid
    }

    pub(super) fn is_open(&self) -> bool {
        self.status == TransferStatus::Initiated
    }

    pub(super) fn mode(&self) -> &'static str {
        self.mode.name()
    }

    /// The name of the event that says where it stands.
    pub(super) fn event(&self) -> &'static str {
        self.status.names().1
    }

    pub(super) fn settle(&mut self, status: TransferStatus, now: Timestamp) {
        (self.status, self.updated) = (status, now);
    }

    /// The colleague is in the conference, with this leg.
    pub(super) fn joined(&mut self, call_sid: CallSid) {
        self.colleague = Some(Leg::new(call_sid, LegState::Joined, true));
    }

    /// The colleague's leg, while it is in the conference.
    pub(super) fn colleague_mut(&mut self) -> Option<&mut Leg> {
        self.colleague.as_mut().filter(|leg| leg.state != LegState::Left)
    }

    /// The colleague in the conference, or when they have left it.
    pub(super) fn colleague_item(&self, conference_sid: &str) -> Option<Item> {
        let leg = self.colleague.as_ref()?;
        let worker = account::COLLEAGUE_WORKER_SID;
        Some(leg.item("worker", conference_sid, &self.colleague_reservation, worker))
    }

    /// The resource as `twilio-taskrouter` demands it.
    pub(super) fn resource(&self, task_sid: &str, reservation_sid: Option<&str>) -> Value {
        json!({
            "account_sid": account::ACCOUNT_SID,
            "workspace_sid": account::WORKSPACE_SID,
            "sid": self.sid,
            "task_sid": task_sid,
            "date_created": seconds(self.created),
            "date_updated": seconds(self.updated),
            "initiating_reservation_sid": reservation_sid,
            "initiating_worker_sid": account::WORKER_SID,
            "initiating_queue_sid": account::TASK_QUEUE_SID,
            "initiating_workflow_sid": account::WORKFLOW_SID,
            "transfer_mode": self.mode.name(),
            "transfer_to": account::COLLEAGUE_WORKER_SID,
            "transfer_type": "WORKER",
            "transfer_status": self.status.names().0,
            "transfer_failed_reason": null,
        })
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
