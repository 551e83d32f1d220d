//! The token service's HTTP contract of chat history: what a customer wrote before the task that an agent has now.
//!
//! ```text
//! GET /v1/history/tasks/{task}?cursor=                                               HistoryOverview
//! GET /v1/history/tasks/{task}/conversations/{conversation}/messages?cursor=         HistoryPage
//! GET /v1/history/tasks/{task}/conversations/{conversation}/messages/{message}/media/{media}    MediaLink
//! ```
//!
//! Each with `Authorization: Bearer <Flex token>`, and `account_sid` in the query where the service is for several accounts.
//! `{task}` is the SID of a task of which the agent holds a live reservation: all that they may read follows from it. What
//! they may not read, and what does not exist, are answered alike (404), so that nothing can be found out by asking.
//! From 400 up the body is a [`HistoryErrorBody`].
//!
//! The agent never becomes a participant: the service reads with a key of its own.

use serde::{Deserialize, Serialize};

/// What all paths begin with.
pub const HISTORY_PATH: &str = "/v1/history/tasks";

/// The most messages on one page.
pub const MAX_PAGE: u16 = 100;

/// Which conversations the agent of a task may read, newest first.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, wire::ToTree, wire::FromTree)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct HistoryOverview {
    /// What the task names as its source comes first, whatever its age; then the customer's others.
    pub conversations: Vec<ConversationSummary>,
    /// For the conversations that follow; absent at the end.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cursor: Option<String>,
    /// Messages older than this many days are hidden; absent where nothing is.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub retention_days: Option<u32>,
}

/// One conversation.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, wire::ToTree, wire::FromTree)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct ConversationSummary {
    /// `CH…`; so are those of Programmable Chat's channels.
    pub sid: String,
    /// Whether the task names it, rather than that it is another of this customer's.
    pub source: bool,
    /// By what the customer writes.
    pub channel: HistoryChannel,
    /// Its name, if it has one.
    #[serde(default)]
    pub name: Option<String>,
    /// When it began, in ISO 8601.
    pub started_at: String,
    /// When it last changed, in ISO 8601.
    pub updated_at: String,
    /// Whether nobody can write in it any more.
    pub closed: bool,
    /// Names of the agents who are in it now.
    #[serde(default)]
    pub agents: Vec<String>,
}

/// By what a customer writes.
#[derive(
    Clone,
    Copy,
    Debug,
    Default,
    PartialEq,
    Eq,
    Serialize,
    Deserialize,
    wire::ToTree,
    wire::FromTree,
    wire::Named,
)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "snake_case")]
pub enum HistoryChannel {
    /// A chat on a web page.
    Web,
    /// Text messages.
    Sms,
    /// WhatsApp.
    Whatsapp,
    /// Facebook Messenger.
    Messenger,
    /// Electronic mail.
    Email,
    /// Anything else, or not known.
    #[default]
    #[serde(other)]
    Other,
}

/// Some messages of one conversation, in the order in which they were written. The first page has the newest.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, wire::ToTree, wire::FromTree)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct HistoryPage {
    /// At most a hundred.
    pub messages: Vec<HistoryMessage>,
    /// For the messages before these; absent at the conversation's begin, or at what retention hides.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cursor: Option<String>,
    /// Whether there are older messages that the retention rule hides.
    #[serde(default)]
    pub hidden: bool,
}

/// One message.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, wire::ToTree, wire::FromTree)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct HistoryMessage {
    /// `IM…`.
    pub sid: String,
    /// Its place in the conversation. There may be gaps, where messages were removed.
    pub index: u64,
    /// When it was written, in ISO 8601.
    pub at: String,
    /// By whom.
    pub author: HistoryAuthor,
    /// Plain text, perhaps empty: a message may be media, or a place, alone.
    #[serde(default)]
    pub body: String,
    /// Files that came with it.
    #[serde(default)]
    pub media: Vec<HistoryMedia>,
    /// A place that came with it.
    #[serde(default)]
    pub place: Option<HistoryPlace>,
}

/// Who wrote a message.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, wire::ToTree, wire::FromTree)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct HistoryAuthor {
    /// What they are.
    pub role: AuthorRole,
    /// A name for people: an agent's own, a customer's name, number or address; empty where there is none.
    #[serde(default)]
    pub name: String,
}

/// What the author of a message is.
#[derive(
    Clone,
    Copy,
    Debug,
    Default,
    PartialEq,
    Eq,
    Serialize,
    Deserialize,
    wire::ToTree,
    wire::FromTree,
    wire::Named,
)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "snake_case")]
pub enum AuthorRole {
    /// Whom the conversation is with.
    Customer,
    /// A person of the contact center.
    Agent,
    /// A bot, a Studio flow, the system.
    #[default]
    #[serde(other)]
    Bot,
}

/// A file.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, wire::ToTree, wire::FromTree)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct HistoryMedia {
    /// `ME…`.
    pub sid: String,
    /// As `image/png`; empty when it is not known.
    #[serde(default)]
    pub content_type: String,
    /// Cleaned: no path, no control or direction characters, of a bounded length; empty when there is none.
    #[serde(default)]
    pub filename: String,
    /// In bytes.
    #[serde(default)]
    pub size: u64,
}

/// A place on the earth, as WhatsApp's users send it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, wire::ToTree, wire::FromTree)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct HistoryPlace {
    /// Degrees north, as it was sent.
    pub latitude: String,
    /// Degrees east, as it was sent.
    pub longitude: String,
    /// Its name or address; empty where there is none.
    #[serde(default)]
    pub label: String,
}

/// Where a file can be fetched for a short while, without a token.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, wire::ToTree, wire::FromTree)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct MediaLink {
    /// On a host of Twilio's. To be used now and not kept: it may expire within minutes.
    pub url: String,
}

/// Body of an answer from 400 up, an `application/problem+json` (RFC 9457) with more in it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, wire::ToTree, wire::FromTree)]
pub struct HistoryErrorBody {
    /// For code.
    pub code: HistoryErrorCode,
    /// For people; never holds a token.
    pub message: String,
    /// Also in the service's log and in the `x-request-id` header.
    pub request_id: String,
}

/// The closed, stable set of error codes of chat history.
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, wire::ToTree, wire::FromTree, wire::Named,
)]
#[serde(rename_all = "snake_case")]
pub enum HistoryErrorCode {
    /// 401: no `Authorization: Bearer`.
    MissingToken,
    /// 400: a cursor or a query that is none.
    MalformedRequest,
    /// 401: the Flex token is not valid (any more).
    InvalidFlexToken,
    /// 403: the Flex token is for another account, or the request names another than the service's.
    WrongAccount,
    /// 403: an operator has shut this agent out, or the Flex user is no worker.
    NotAllowed,
    /// 403: the request comes from a web origin that is not configured.
    OriginNotAllowed,
    /// 404: there is no such thing, or this agent's task does not give it to them, or history is switched off.
    NotFound,
    /// 429: too many requests; `Retry-After` says when.
    RateLimited,
    /// 503: Twilio could not be asked; `Retry-After` says when.
    UpstreamUnavailable,
    /// 500: the service's own fault.
    Internal,
    /// A code that this build does not know.
    #[serde(other)]
    Unknown,
}

impl HistoryErrorCode {
    /// The code as it is written on the wire.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        self.name()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_newer_services_names_are_still_understood() {
        let message = serde_json::json!({
            "sid": "IM1", "index": 3, "at": "2026-01-01T00:00:00Z", "author": { "role": "oracle" }, "mood": "good",
        });
        let message: HistoryMessage = serde_json::from_value(message).unwrap();
        assert_eq!(
            (message.author.role, message.body.as_str(), message.media.len()),
            (AuthorRole::Bot, "", 0)
        );
        assert_eq!(serde_json::from_str::<HistoryChannel>("\"pigeon\"").unwrap(), HistoryChannel::Other);
        assert_eq!(serde_json::from_str::<HistoryErrorCode>("\"moved\"").unwrap(), HistoryErrorCode::Unknown);
    }
}
