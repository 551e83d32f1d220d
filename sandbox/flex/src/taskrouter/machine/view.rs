//! What others read of the workspace.

use kernel::Timestamp;
use serde_json::{Value, json};

use super::channel::TaskChannel;
use super::colleague::ColleagueCall;
use super::event::Refusal;
use super::task::{ReservationStatus, Task};
use super::workspace::Workspace;
use crate::account;
use crate::api::{ChannelType, ChatTask, Holder, VoiceTask};
use crate::taskrouter::resource::{
    LONG_AGO, ReservationResource, TaskResource, WorkerChannelResource, to_json,
};

/// A chat task, as its interaction is made of it.
#[derive(Debug, Clone)]
pub(crate) struct ChatView {
    pub(crate) conversation_sid: String,
    pub(crate) channel_type: ChannelType,
    pub(crate) customer_address: Value,
    pub(crate) reservation_sid: Option<String>,
    /// The agent is in the conversation.
    pub(crate) joined: bool,
    /// The agent has not ended it.
    pub(crate) open: bool,
}

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
        TaskChannel::ALL
            .into_iter()
            .map(|channel| {
                let (capacity, assigned) = (self.capacity(channel), self.open_tasks(channel));
                to_json(&WorkerChannelResource {
                    account_sid: account::ACCOUNT_SID,
                    workspace_sid: account::WORKSPACE_SID,
                    worker_sid: account::WORKER_SID,
                    sid: channel.worker_channel_sid(),
                    task_channel_sid: channel.sid(),
                    task_channel_unique_name: channel.unique_name(),
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
        let own = self.tasks.iter().filter(|task| task.holder == Holder::Agent);
        own.filter_map(|task| task.reservation_resource(timeout, now)).collect()
    }

    /// One task, also one that has just ended, for who asks by REST.
    ///
    /// # Errors
    /// [`Refusal`] 404 if there is none.
    pub(crate) fn task_view(&self, sid: &str, now: Timestamp) -> Result<TaskResource, Refusal> {
        Ok(self.known(sid)?.view(now))
    }

    /// Every reservation of a task, also of one that has just ended.
    ///
    /// # Errors
    /// [`Refusal`] 404 if there is no such task.
    pub(crate) fn reservation_views(
        &self,
        task_sid: &str,
        now: Timestamp,
    ) -> Result<Vec<ReservationResource>, Refusal> {
        let timeout = self.options.reservation_timeout.as_secs();
        Ok(self.known(task_sid)?.reservation_views(timeout, now))
    }

    /// Every reservation of a worker.
    pub(crate) fn worker_reservation_views(
        &self,
        worker_sid: &str,
        now: Timestamp,
    ) -> Vec<ReservationResource> {
        let timeout = self.options.reservation_timeout.as_secs();
        let tasks = self.finished.iter().chain(&self.tasks);
        let all = tasks.flat_map(|task| task.reservation_views(timeout, now));
        all.filter(|reservation| reservation.worker_sid == worker_sid).collect()
    }

    /// All tasks, also those that have just ended.
    pub(crate) fn task_views(&self, now: Timestamp) -> Vec<TaskResource> {
        self.finished.iter().chain(&self.tasks).map(|task| task.view(now)).collect()
    }

    fn known(&self, sid: &str) -> Result<&Task, Refusal> {
        let found = self.tasks.iter().chain(&self.finished).find(|task| task.sid == sid);
        found.ok_or_else(|| Refusal::not_found(&format!("/Tasks/{sid}")))
    }

    /// A chat task that is not over, by its SID.
    #[must_use]
    pub(crate) fn chat(&self, task_sid: &str) -> Option<ChatView> {
        let task = self.tasks.iter().find(|task| task.sid == task_sid)?;
        let (chat, status) = (task.chat()?, task.reservation_status());
        Some(ChatView {
            conversation_sid: chat.conversation_sid.clone(),
            channel_type: chat.channel_type(),
            customer_address: chat.customer_address().clone(),
            reservation_sid: task.reservation.as_ref().map(|reservation| reservation.sid.clone()),
            joined: matches!(status, Some(ReservationStatus::Accepted | ReservationStatus::Wrapping)),
            open: status != Some(ReservationStatus::Wrapping),
        })
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
        self.tasks.iter().rev().find_map(Task::voice_task)
    }

    /// The task that was created last, as whoever makes a chat is told of it.
    pub(crate) fn newest_chat(&self) -> Option<ChatTask> {
        let task = self.tasks.last()?;
        let reservation_sid = task.reservation.as_ref().map(|reservation| reservation.sid.clone());
        Some(ChatTask { task_sid: task.sid.clone(), reservation_sid })
    }

    /// SID of the task that was created last.
    #[must_use]
    pub fn newest_task_sid(&self) -> Option<String> {
        self.tasks.last().map(|task| task.sid.clone())
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
