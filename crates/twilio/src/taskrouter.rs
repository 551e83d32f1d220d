//! A task of TaskRouter's, who holds it, and whether a conversation still has one.
//!
//! Source: Twilio's OpenAPI description of TaskRouter v1. `GET /v1/Workspaces/{WS}/Tasks[/{WT}[/Reservations]]`.

use serde_json::Value;

use crate::{
    ConversationSid, TaskSid, WorkerSid, WorkspaceSid,
    rest::{Rest, RestError, Unavailable, json_text},
};

/// Where TaskRouter is.
pub const DEFAULT_BASE_URL: &str = "https://taskrouter.twilio.com";

/// Reads one workspace.
#[derive(Clone, Debug)]
pub struct TaskRouter {
    rest: Rest,
    workspace: WorkspaceSid,
}

/// A task.
#[derive(Clone, Debug, PartialEq)]
pub struct Task {
    /// Its name.
    pub sid: TaskSid,
    /// How far it is.
    pub status: TaskStatus,
    /// What is known of it; `Null` when that is no JSON.
    pub attributes: Value,
}

/// How far a task is: its `assignment_status`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TaskStatus {
    /// Nobody has it.
    Pending,
    /// It is offered to somebody.
    Reserved,
    /// Somebody has it.
    Assigned,
    /// What there was to say is said; the agent is finishing it.
    Wrapping,
    /// Done.
    Completed,
    /// Given up, by whomever.
    Canceled,
    /// A status that is not known. It ends nothing.
    Other,
}

impl TaskStatus {
    /// Whether there is still somebody to talk to, or will be.
    #[must_use]
    pub const fn is_open(self) -> bool {
        matches!(self, Self::Pending | Self::Reserved | Self::Assigned | Self::Other)
    }
}

/// A task's hold on a worker.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Reservation {
    /// Whose it is.
    pub worker_sid: WorkerSid,
    /// What became of it.
    pub status: ReservationStatus,
}

/// Whether a reservation holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ReservationStatus {
    /// The worker has not said anything yet.
    Pending,
    /// They have taken it.
    Accepted,
    /// They are finishing it.
    Wrapping,
    /// It is over, however it went, or of a status that is not known.
    Over,
}

impl ReservationStatus {
    /// Whether the worker has the task.
    #[must_use]
    pub const fn is_live(self) -> bool {
        matches!(self, Self::Pending | Self::Accepted | Self::Wrapping)
    }
}

impl TaskRouter {
    /// For one workspace.
    #[must_use]
    pub const fn new(rest: Rest, workspace: WorkspaceSid) -> Self {
        Self { rest, workspace }
    }

    /// A task's attributes; `Null` when they are no JSON.
    ///
    /// # Errors
    /// [`RestError`].
    pub async fn task_attributes(&self, task: &TaskSid) -> Result<Value, RestError> {
        let path = ["v1", "Workspaces", self.workspace.as_str(), "Tasks", task.as_str()];
        let task = self.rest.get(&path, &[]).await?;
        Ok(json_text(&task["attributes"]))
    }

    /// A task. TaskRouter forgets it some minutes after its end: then there is none.
    ///
    /// # Errors
    /// [`RestError`].
    pub async fn task(&self, sid: &TaskSid) -> Result<Task, RestError> {
        let path = ["v1", "Workspaces", self.workspace.as_str(), "Tasks", sid.as_str()];
        let answer = self.rest.get(&path, &[]).await?;
        task(&answer).ok_or(RestError::Unavailable(Unavailable::NotUnderstood))
    }

    /// A worker's attributes; `Null` when they are no JSON.
    ///
    /// # Errors
    /// [`RestError`].
    pub async fn worker_attributes(&self, worker: &WorkerSid) -> Result<Value, RestError> {
        let path = ["v1", "Workspaces", self.workspace.as_str(), "Workers", worker.as_str()];
        let worker = self.rest.get(&path, &[]).await?;
        Ok(json_text(&worker["attributes"]))
    }

    /// The tasks of a conversation that are not over: a transfer and a conversation that comes back each make a new one.
    ///
    /// By their attribute `conversationSid`. Inferred: that Flex's own tasks of conversations all have it; they do where their
    /// attributes were seen. What is over is sorted out here and not by `AssignmentStatus`, of which it is not documented how
    /// several are written.
    ///
    /// # Errors
    /// [`RestError`].
    pub async fn open_tasks_of_conversation(
        &self,
        conversation: &ConversationSid,
    ) -> Result<Vec<Task>, RestError> {
        let path = ["v1", "Workspaces", self.workspace.as_str(), "Tasks"];
        // A SID has no character that would have to be escaped.
        let which = format!("conversationSid == \"{conversation}\"");
        let query = [("EvaluateTaskAttributes", which.as_str()), ("PageSize", "100")];
        let mut tasks = self.rest.page(&path, &query, "tasks", task).await?.items;
        tasks.retain(|task| task.status.is_open());
        Ok(tasks)
    }

    /// The reservations that this worker has, or had, of the task.
    ///
    /// # Errors
    /// [`RestError`].
    pub async fn reservations(
        &self,
        task: &TaskSid,
        worker: &WorkerSid,
    ) -> Result<Vec<Reservation>, RestError> {
        let path = ["v1", "Workspaces", self.workspace.as_str(), "Tasks", task.as_str(), "Reservations"];
        let query = [("WorkerSid", worker.as_str()), ("PageSize", "1000")];
        Ok(self.rest.page(&path, &query, "reservations", reservation).await?.items)
    }
}

fn task(value: &Value) -> Option<Task> {
    let status = match value["assignment_status"].as_str()? {
        "pending" => TaskStatus::Pending,
        "reserved" => TaskStatus::Reserved,
        "assigned" => TaskStatus::Assigned,
        "wrapping" => TaskStatus::Wrapping,
        "completed" => TaskStatus::Completed,
        "canceled" => TaskStatus::Canceled,
        _ => TaskStatus::Other,
    };
    Some(Task {
        sid: value["sid"].as_str()?.parse().ok()?,
        status,
        attributes: json_text(&value["attributes"]),
    })
}

fn reservation(value: &Value) -> Option<Reservation> {
    let status = match value["reservation_status"].as_str()? {
        "pending" => ReservationStatus::Pending,
        "accepted" => ReservationStatus::Accepted,
        "wrapping" => ReservationStatus::Wrapping,
        _ => ReservationStatus::Over,
    };
    Some(Reservation { worker_sid: value["worker_sid"].as_str()?.parse().ok()?, status })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_status_that_says_so_ends_a_task() {
        for (status, open) in [
            ("pending", true),
            ("reserved", true),
            ("assigned", true),
            ("new", true),
            ("wrapping", false),
            ("completed", false),
            ("canceled", false),
        ] {
            let sid = format!("WT{}", "1".repeat(32));
            let read = task(
                &serde_json::json!({"sid": sid, "assignment_status": status, "attributes": "{\"a\": 1}"}),
            )
            .unwrap();
            assert_eq!((read.status.is_open(), &read.attributes["a"]), (open, &1.into()), "{status}");
        }
        assert_eq!(task(&serde_json::json!({"assignment_status": "pending"})), None);
    }

    #[test]
    fn a_status_that_is_not_known_gives_no_rights() {
        for (status, live) in [
            ("pending", true),
            ("accepted", true),
            ("wrapping", true),
            ("completed", false),
            ("rescinded", false),
            ("new", false),
        ] {
            let worker = format!("WK{}", "1".repeat(32));
            let read = reservation(&serde_json::json!({"worker_sid": worker, "reservation_status": status}))
                .unwrap();
            assert_eq!(read.status.is_live(), live, "{status}");
        }
        assert_eq!(reservation(&serde_json::json!({"reservation_status": "accepted"})), None);
    }
}
