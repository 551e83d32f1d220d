//! What others read of the workspace.

use kernel::Timestamp;
use serde_json::{Value, json};

use super::colleague::ColleagueCall;
use super::event::Refusal;
use super::task::Task;
use super::workspace::Workspace;
use crate::account;
use crate::api::VoiceTask;
use crate::taskrouter::resource::{LONG_AGO, WorkerChannelResource, to_json};

impl Workspace {
    #[must_use]
    pub fn worker(&self) -> Value {
        self.worker.resource()
    }

    /// All workers of the workspace, as the transfer directory reads them: the agent, and the colleague.
    #[must_use]
    pub fn workers(&self) -> Vec<Value> {
        vec![self.worker.resource(), self.worker.colleague()]
    }
    #[must_use]
    pub fn activities(&self) -> Vec<Value> {
        self.worker.activities()
    }

    /// SID of the activity with this name.
    #[must_use]
    pub fn activity_sid(&self, name: &str) -> Option<String> {
        self.worker.activity_sid(name)
    }

    /// The worker's channels.
    #[must_use]
    pub fn channels(&self) -> Vec<Value> {
        ["voice", "chat", "sms", "email", "default"]
            .into_iter()
            .enumerate()
            .map(|(n, name)| {
                let is_voice = name == "voice";
                let capacity = if is_voice { self.options.voice_capacity } else { 3 };
                let assigned = if is_voice { self.open_tasks() } else { 0 };
                to_json(&WorkerChannelResource {
                    account_sid: account::ACCOUNT_SID,
                    workspace_sid: account::WORKSPACE_SID,
                    worker_sid: account::WORKER_SID,
                    sid: format!("WC{n:032x}"),
                    task_channel_sid: format!("TC{n:032x}"),
                    task_channel_unique_name: name,
                    configured_capacity: capacity,
                    available_capacity_percentage: 100 * capacity.saturating_sub(assigned) / capacity.max(1),
                    assigned_tasks: assigned,
                    available: true,
                    last_reserved_time: 0,
                    date_created: LONG_AGO,
                    date_updated: LONG_AGO,
                })
            })
            .collect()
    }

    /// The worker's reservations that are not over.
    #[must_use]
    pub fn reservations(&self, now: Timestamp) -> Vec<Value> {
        let timeout = self.options.reservation_timeout.as_secs();
        self.tasks.iter().filter_map(|task| task.reservation_resource(timeout, now)).collect()
    }

    /// One reservation.
    ///
    /// # Errors
    /// [`Refusal`] 404 if there is none.
    pub fn reservation(&self, sid: &str, now: Timestamp) -> Result<Value, Refusal> {
        let task = &self.tasks[self.find_reservation(sid)?];
        let timeout = self.options.reservation_timeout.as_secs();
        task.reservation_resource(timeout, now)
            .ok_or_else(|| Refusal::not_found(&format!("/Reservations/{sid}")))
    }

    /// One task, by its SID or that of one of its legs or its reservation.
    ///
    /// # Errors
    /// [`Refusal`] 404 if there is none.
    pub fn task(&self, sid: &str, now: Timestamp) -> Result<Value, Refusal> {
        Ok(self.tasks[self.find_task(sid)?].resource(now))
    }

    /// The newest transfer of a task, as its client reads it.
    ///
    /// # Errors
    /// [`Refusal`] 404 if there is none.
    pub fn transfer_of(&self, sid: &str) -> Result<Value, Refusal> {
        let task = self.tasks.iter().find(|task| task.is_transfer(sid));
        task.and_then(Task::transfer_resource).ok_or_else(|| Refusal::not_found(&format!("/Transfers/{sid}")))
    }

    /// The voice task that was created last.
    #[must_use]
    pub fn newest_task(&self) -> Option<VoiceTask> {
        self.tasks.last().map(Task::voice_task)
    }

    /// Everybody in a task's conference, as its Sync map has them.
    #[must_use]
    pub fn participants(&self, task_sid: &str) -> Vec<(String, Value)> {
        self.find_task(task_sid).map(|index| self.tasks[index].participants()).unwrap_or_default()
    }

    /// Everything, for people and tests.
    #[must_use]
    pub fn summary(&self) -> Value {
        json!({
            "worker": self.worker.summary(),
            "activities": self.worker.activity_names(),
            "tasks": self.tasks.iter().map(Task::summary).collect::<Vec<_>>(),
            "colleague": self.colleague.iter().map(ColleagueCall::summary).collect::<Vec<_>>(),
        })
    }
}
