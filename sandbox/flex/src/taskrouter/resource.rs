//! TaskRouter's resources as the event bridge sends them to `twilio-taskrouter` 2.1.
//!
//! Differences from the public REST API: times are epoch seconds, and several names differ (`queue_name` for
//! `task_queue_friendly_name`, and so on). The client refuses a resource that lacks a field.

use kernel::Timestamp;
use serde::Serialize;
use serde_json::Value;

/// Dates of what existed before the sandbox was started.
pub(crate) const LONG_AGO: i64 = 1_600_000_000;

/// A time as these resources have it.
pub(crate) fn seconds(at: Timestamp) -> i64 {
    i64::try_from(at.as_millis() / 1000).unwrap_or(i64::MAX)
}

/// A time as the public REST API has it.
pub(crate) fn iso_seconds(seconds: i64) -> String {
    jiff::Timestamp::from_second(seconds).unwrap_or_default().to_string()
}

/// The same SID with another prefix.
pub(crate) fn renamed(prefix: &str, sid: &str) -> String {
    format!("{prefix}{}", sid.get(2..).unwrap_or_default())
}

pub(crate) fn to_json(resource: &impl Serialize) -> Value {
    serde_json::to_value(resource).unwrap_or_default()
}

#[derive(Debug, Clone, Serialize)]
pub(crate) struct ActivityResource {
    pub(crate) account_sid: &'static str,
    pub(crate) workspace_sid: &'static str,
    pub(crate) sid: String,
    pub(crate) friendly_name: String,
    pub(crate) available: bool,
    pub(crate) date_created: i64,
    pub(crate) date_updated: i64,
}
#[derive(Debug, Clone, Serialize)]
pub(crate) struct WorkerResource {
    pub(crate) account_sid: &'static str,
    pub(crate) workspace_sid: &'static str,
    pub(crate) sid: &'static str,
    /// Events name it so.
    pub(crate) worker_sid: &'static str,
    pub(crate) friendly_name: &'static str,
    pub(crate) activity_sid: String,
    /// Events name it so.
    pub(crate) worker_activity_sid: String,
    pub(crate) activity_name: String,
    pub(crate) available: bool,
    /// JSON.
    pub(crate) attributes: String,
    pub(crate) date_created: i64,
    pub(crate) date_updated: i64,
    pub(crate) date_status_changed: i64,
    pub(crate) date_activity_changed: i64,
    pub(crate) version: String,
}

/// One of the worker's channels.
#[derive(Debug, Clone, Serialize)]
pub(crate) struct WorkerChannelResource {
    pub(crate) account_sid: &'static str,
    pub(crate) workspace_sid: &'static str,
    pub(crate) worker_sid: &'static str,
    pub(crate) sid: String,
    pub(crate) task_channel_sid: String,
    pub(crate) task_channel_unique_name: &'static str,
    pub(crate) configured_capacity: u32,
    pub(crate) available_capacity_percentage: u32,
    pub(crate) assigned_tasks: u32,
    pub(crate) available: bool,
    pub(crate) last_reserved_time: i64,
    pub(crate) date_created: i64,
    pub(crate) date_updated: i64,
}

#[derive(Debug, Clone, Serialize)]
pub(crate) struct TaskResource {
    pub(crate) account_sid: &'static str,
    pub(crate) workspace_sid: &'static str,
    pub(crate) sid: String,
    /// JSON.
    pub(crate) attributes: String,
    pub(crate) assignment_status: &'static str,
    pub(crate) addons: &'static str,
    pub(crate) age: i64,
    pub(crate) date_created: i64,
    pub(crate) date_updated: i64,
    pub(crate) virtual_start_time: i64,
    pub(crate) priority: i64,
    pub(crate) queue_name: &'static str,
    pub(crate) queue_sid: &'static str,
    pub(crate) task_queue_name: &'static str,
    pub(crate) task_queue_friendly_name: &'static str,
    pub(crate) task_queue_sid: &'static str,
    pub(crate) reason: Option<String>,
    /// Whom the task was made for: set on outbound calls, and how Flex knows them.
    pub(crate) routing_target: Option<String>,
    pub(crate) task_channel_unique_name: &'static str,
    pub(crate) task_channel_sid: String,
    pub(crate) timeout: i64,
    pub(crate) workflow_name: &'static str,
    pub(crate) workflow_friendly_name: &'static str,
    pub(crate) workflow_sid: &'static str,
    pub(crate) version: String,
}

/// A reservation, with its task inside.
#[derive(Debug, Clone, Serialize)]
pub(crate) struct ReservationResource {
    pub(crate) account_sid: &'static str,
    pub(crate) workspace_sid: &'static str,
    pub(crate) worker_sid: &'static str,
    pub(crate) worker_name: &'static str,
    pub(crate) sid: String,
    pub(crate) reservation_status: &'static str,
    pub(crate) reservation_timeout: i64,
    pub(crate) date_created: i64,
    pub(crate) date_updated: i64,
    pub(crate) version: String,
    pub(crate) task_sid: String,
    pub(crate) task: TaskResource,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) canceled_reason_code: Option<i64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) active_outgoing_task_transfer: Option<Value>,
}
