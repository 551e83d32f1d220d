//! What happened, for the switchboard's log and for tests.

use serde::Serialize;
use serde_json::Value;

/// One thing that happened. Whoever collects events gives them a number and a time.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct LogEvent {
    /// `flex` or `iam`.
    pub source: &'static str,
    /// What happened, for example `reservation.created`.
    #[serde(rename = "type")]
    pub kind: String,
    /// The agent's call, if it is about one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub call_sid: Option<String>,
    /// Details. Never a token.
    pub data: Value,
}

impl LogEvent {
    /// An event of Flex, TaskRouter or Sync.
    #[must_use]
    pub fn flex(kind: impl Into<String>, call_sid: Option<&str>, data: Value) -> Self {
        Self { source: "flex", kind: kind.into(), call_sid: call_sid.map(str::to_owned), data }
    }

    /// An event of IAM.
    #[must_use]
    pub fn iam(kind: impl Into<String>, data: Value) -> Self {
        Self { source: "iam", kind: kind.into(), call_sid: None, data }
    }
}
