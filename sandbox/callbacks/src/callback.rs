//! What is told to a developer's server, and what became of it.

use serde::{Deserialize, Serialize};

/// Whose callback it is: that decides how long it waits and whether it is tried again.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Product {
    /// A request for TwiML, whose answer steers a call.
    Twiml,
    /// The progress of a call, conference, recording or room.
    StatusCallback,
    /// TaskRouter asks what to do with a reservation.
    Assignment,
    /// TaskRouter tells what happened.
    TaskrouterEvent,
    /// Conversations asks before, or tells after.
    Conversations,
    /// The HTTP request of a Studio flow.
    Studio,
}

/// How it is sent.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "UPPERCASE")]
pub enum Method {
    /// The parameters in the query.
    Get,
    /// The parameters as a form.
    #[default]
    Post,
}

/// One thing to tell.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Callback {
    /// Whose it is.
    pub product: Product,
    /// What it tells, in the product's words: `onMessageAdded`, `reservation.created`, `participant-join`.
    pub kind: String,
    /// Where to, as it was configured; a fragment may hold connection overrides.
    pub url: String,
    /// Where to when that fails, if the product knows such.
    pub fallback_url: Option<String>,
    /// How.
    pub method: Method,
    /// Names and values, in the order in which they are written.
    pub params: Vec<(String, String)>,
}

/// An answer of the developer's server, whatever its status.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Reply {
    /// The HTTP status.
    pub status: u16,
    /// The content type, if any.
    pub content_type: Option<String>,
    /// The body.
    pub body: Vec<u8>,
}

impl Reply {
    /// Whether the status is of the 2xx.
    #[must_use]
    pub fn is_success(&self) -> bool {
        (200..300).contains(&self.status)
    }
}

/// Why there is no answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, thiserror::Error)]
#[serde(rename_all = "snake_case")]
pub enum Failure {
    /// Nobody listens, or not within the connect timeout.
    #[error("no connection")]
    Connect,
    /// No whole answer within the read timeout.
    #[error("no answer in time")]
    Timeout,
    /// The connection broke, or what came is no HTTP.
    #[error("the connection broke")]
    Broken,
}

/// What became of a callback in the end.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// The last try was answered, perhaps with an error.
    Answered(Reply),
    /// The last try was not answered.
    Failed(Failure),
    /// A fault lost it on the way, and nobody waits for an answer.
    Lost,
    /// The URL does not lead to this machine, or is none: it was not sent.
    Refused,
}

/// A line of the callback log: what was told to whom, and what came back.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Record {
    /// Its number, counted from 1.
    pub id: u64,
    /// Whose it was.
    pub product: Product,
    /// What it told.
    pub kind: String,
    /// Where to, without a password.
    pub url: String,
    /// How often it was sent.
    pub attempts: u32,
    /// `answered`, `failed`, `lost` or `refused`.
    pub outcome: &'static str,
    /// The status of the last answer.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub status: Option<u16>,
    /// Why the last try has no answer.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub failure: Option<Failure>,
    /// Milliseconds from the moment when the product told it until its end.
    pub took_ms: u64,
}
