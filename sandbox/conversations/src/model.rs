//! What a Conversations service consists of: conversations, their participants and messages, users, media.

use kernel::Timestamp;
use serde::{Deserialize, Serialize};

/// Role of who takes part in a conversation.
pub const CONVERSATION_ROLE_SID: &str = "RL5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a";
/// Role of a user of the service.
pub const USER_ROLE_SID: &str = "RL6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b";
/// What has no attributes has these.
pub const NO_ATTRIBUTES: &str = "{}";
/// Author and creator of what nobody in particular made.
pub const SYSTEM: &str = "system";

/// Whether a conversation goes on.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum State {
    /// Being made with its participants.
    Initializing,
    /// In use.
    #[default]
    Active,
    /// Asleep; the next message wakes it.
    Inactive,
    /// Over for good.
    Closed,
}

impl State {
    /// As on the wire.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Initializing => "initializing",
            Self::Active => "active",
            Self::Inactive => "inactive",
            Self::Closed => "closed",
        }
    }
}

/// After how long without a message a conversation falls asleep, and is closed. None: never.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct TimerLengths {
    /// Until it is inactive, in milliseconds.
    pub inactive_ms: Option<u64>,
    /// Until it is closed, in milliseconds.
    pub closed_ms: Option<u64>,
}

/// A conversation without its participants and messages.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Conversation {
    pub sid: String,
    pub unique_name: Option<String>,
    pub friendly_name: Option<String>,
    /// JSON text.
    pub attributes: String,
    pub messaging_service_sid: Option<String>,
    pub state: State,
    pub state_updated: Timestamp,
    pub timers: TimerLengths,
    /// An identity, or `system`.
    pub created_by: String,
    pub created: Timestamp,
    pub updated: Timestamp,
    /// From when its timers run.
    pub last_activity: Timestamp,
}

/// By which network a participant without an identity is reached.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Channel {
    /// A browser or an app, by the SDK.
    Chat,
    Sms,
    Whatsapp,
    Messenger,
    Email,
}

impl Channel {
    /// As on the wire.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Chat => "chat",
            Self::Sms => "sms",
            Self::Whatsapp => "whatsapp",
            Self::Messenger => "messenger",
            Self::Email => "email",
        }
    }

    /// By an address's prefix, as Twilio tells them apart.
    #[must_use]
    pub fn of_address(address: &str) -> Self {
        match address.split_once(':') {
            Some(("whatsapp", _)) => Self::Whatsapp,
            Some(("messenger", _)) => Self::Messenger,
            _ if address.contains('@') => Self::Email,
            _ => Self::Sms,
        }
    }
}

/// How a participant without the SDK is reached.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Binding {
    pub channel: Channel,
    /// The customer's.
    pub address: String,
    /// The call centre's.
    pub proxy_address: Option<String>,
    /// By which address a participant with an identity appears to the others.
    pub projected_address: Option<String>,
}

/// Who takes part in a conversation.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Participant {
    pub sid: String,
    /// Of a participant with the SDK.
    pub identity: Option<String>,
    /// Of a participant without.
    pub binding: Option<Binding>,
    /// JSON text.
    pub attributes: String,
    pub role_sid: String,
    /// Index of the last message that was read.
    pub last_read: Option<u64>,
    pub last_read_at: Option<Timestamp>,
    /// `default` or `muted`.
    pub notification_level: String,
    pub created: Timestamp,
    pub updated: Timestamp,
}

impl Participant {
    /// Who a message of this participant is from, if it does not say so itself.
    #[must_use]
    pub fn author(&self) -> Option<&str> {
        self.identity.as_deref().or_else(|| self.binding.as_ref().map(|binding| binding.address.as_str()))
    }

    /// Whether this is the participant's SID, identity or address.
    #[must_use]
    pub fn is_called(&self, name: &str) -> bool {
        self.sid == name || self.author() == Some(name)
    }
}

/// What became of a message on its way to one participant.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Delivery {
    Sent,
    Delivered,
    Read,
    Failed,
    Undelivered,
}

impl Delivery {
    /// As on the wire.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Sent => "sent",
            Self::Delivered => "delivered",
            Self::Read => "read",
            Self::Failed => "failed",
            Self::Undelivered => "undelivered",
        }
    }
}

/// A message's delivery to one participant outside of the SDK.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Receipt {
    pub sid: String,
    pub participant_sid: String,
    pub channel_message_sid: String,
    pub status: Delivery,
    pub error_code: u32,
    pub created: Timestamp,
    pub updated: Timestamp,
}

/// A file, without its content.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Media {
    pub sid: String,
    pub filename: Option<String>,
    pub content_type: String,
    pub size: usize,
    /// `media`, `body` or `history`.
    pub category: String,
    pub author: Option<String>,
    pub created: Timestamp,
}

/// A message.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Message {
    pub sid: String,
    /// Its place. Removed messages leave gaps.
    pub index: u64,
    pub author: String,
    pub participant_sid: Option<String>,
    /// May be absent: a picture, a location, a contact card.
    pub body: Option<String>,
    pub subject: Option<String>,
    /// JSON text.
    pub attributes: String,
    pub media: Vec<Media>,
    /// From the time of Programmable Chat: its one file stands in `media` alone, and it has no `medias`.
    pub legacy_media: bool,
    pub content_sid: Option<String>,
    pub receipts: Vec<Receipt>,
    pub last_updated_by: Option<String>,
    pub created: Timestamp,
    pub updated: Timestamp,
}

/// Somebody who has an identity.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct User {
    pub sid: String,
    pub identity: String,
    pub friendly_name: String,
    /// JSON text.
    pub attributes: String,
    pub role_sid: String,
    /// Whether one of their clients is connected.
    pub online: bool,
    pub created: Timestamp,
    pub updated: Timestamp,
}
