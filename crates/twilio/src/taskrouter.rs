//! A task of TaskRouter's, and who holds it.
//!
//! Source: Twilio's OpenAPI description of TaskRouter v1. `GET /v1/Workspaces/{WS}/Tasks/{WT}[/Reservations]`.

use serde_json::Value;

use crate::{
    TaskSid, WorkerSid, WorkspaceSid,
    rest::{Rest, RestError, json_text},
};

/// Where TaskRouter is.
pub const DEFAULT_BASE_URL: &str = "https://taskrouter.twilio.com";

/// Reads one workspace.
#[derive(Clone, Debug)]
pub struct TaskRouter {
    rest: Rest,
    workspace: WorkspaceSid,
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
