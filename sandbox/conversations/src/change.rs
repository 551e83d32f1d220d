//! What can be done to a Conversations service, by whom, and what comes of it.

use kernel::Timestamp;
use serde::Serialize;

use crate::model::{Conversation, Delivery, Media, Message, Participant, Receipt, State, TimerLengths, User};

/// By which way a change comes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "UPPERCASE")]
pub enum Source {
    /// A browser or an app.
    Sdk,
    /// REST.
    Api,
    Sms,
    Whatsapp,
    /// A chat channel other than the SDK.
    Chat,
}

/// Who changes something.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Actor {
    pub source: Source,
    /// Of a client of the SDK.
    pub identity: Option<String>,
    /// Whether webhooks hear of it. What comes by REST is told to them only where the request asks for that.
    pub webhooks: bool,
}

impl Actor {
    /// The REST API, silently.
    #[must_use]
    pub const fn api() -> Self {
        Self { source: Source::Api, identity: None, webhooks: false }
    }

    /// A client of the SDK.
    #[must_use]
    pub fn sdk(identity: impl Into<String>) -> Self {
        Self { source: Source::Sdk, identity: Some(identity.into()), webhooks: true }
    }

    /// A customer's channel.
    #[must_use]
    pub const fn channel(source: Source) -> Self {
        Self { source, identity: None, webhooks: true }
    }
}

/// A conversation to be made. All that is left out has the usual value.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct NewConversation {
    pub unique_name: Option<String>,
    pub friendly_name: Option<String>,
    pub attributes: Option<String>,
    pub messaging_service_sid: Option<String>,
    pub state: Option<State>,
    pub timers: TimerLengths,
    /// Another day than today.
    pub created: Option<Timestamp>,
}

/// What is to be different about a conversation.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ConversationPatch {
    /// Empty: none any more.
    pub unique_name: Option<String>,
    /// Empty: none any more.
    pub friendly_name: Option<String>,
    pub attributes: Option<String>,
    pub messaging_service_sid: Option<String>,
    pub state: Option<State>,
    /// Zero milliseconds switch a timer off.
    pub timers: TimerLengths,
    pub updated: Option<Timestamp>,
}

/// A participant to be added: one with an identity, or with an address.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct NewParticipant {
    pub identity: Option<String>,
    pub address: Option<String>,
    pub proxy_address: Option<String>,
    pub projected_address: Option<String>,
    pub attributes: Option<String>,
    pub role_sid: Option<String>,
}

impl NewParticipant {
    /// Somebody with the SDK.
    #[must_use]
    pub fn identity(identity: impl Into<String>) -> Self {
        Self { identity: Some(identity.into()), ..Self::default() }
    }

    /// Somebody by SMS, WhatsApp or the like: `+1555…`, `whatsapp:+1555…`.
    #[must_use]
    pub fn address(address: impl Into<String>, proxy_address: impl Into<String>) -> Self {
        Self { address: Some(address.into()), proxy_address: Some(proxy_address.into()), ..Self::default() }
    }
}

/// What is to be different about a participant.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ParticipantPatch {
    pub attributes: Option<String>,
    pub role_sid: Option<String>,
    /// The inner none: nothing was read.
    pub last_read: Option<Option<u64>>,
    pub notification_level: Option<String>,
}

/// A message to be added.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct NewMessage {
    /// Absent: the client's identity, or `system`.
    pub author: Option<String>,
    pub body: Option<String>,
    pub subject: Option<String>,
    pub attributes: Option<String>,
    /// SIDs of files that were uploaded.
    pub media: Vec<String>,
    pub legacy_media: bool,
    pub content_sid: Option<String>,
    /// The author that a pre-webhook gave it, whoever may say it.
    pub renamed: Option<String>,
    /// Another time than now.
    pub created: Option<Timestamp>,
}

impl NewMessage {
    /// Words, and who says them.
    #[must_use]
    pub fn text(author: impl Into<String>, body: impl Into<String>) -> Self {
        Self { author: Some(author.into()), body: Some(body.into()), ..Self::default() }
    }
}

/// What is to be different about a message.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct MessagePatch {
    pub author: Option<String>,
    pub body: Option<String>,
    pub subject: Option<String>,
    pub attributes: Option<String>,
}

/// A file. Its content is kept elsewhere.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewFile {
    pub filename: Option<String>,
    pub content_type: String,
    pub size: usize,
    /// `media`, `body` or `history`.
    pub category: String,
    pub author: Option<String>,
}

/// What is to be different about a user.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct UserPatch {
    pub friendly_name: Option<String>,
    pub attributes: Option<String>,
    pub role_sid: Option<String>,
    pub online: Option<bool>,
}

/// A change. `conversation` is a SID or a unique name; `participant` a SID, an identity or an address.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Change {
    AddConversation(NewConversation),
    UpdateConversation {
        conversation: String,
        patch: ConversationPatch,
    },
    RemoveConversation {
        conversation: String,
    },
    AddParticipant {
        conversation: String,
        participant: NewParticipant,
    },
    UpdateParticipant {
        conversation: String,
        participant: String,
        patch: ParticipantPatch,
    },
    RemoveParticipant {
        conversation: String,
        participant: String,
    },
    AddMessage {
        conversation: String,
        message: NewMessage,
    },
    UpdateMessage {
        conversation: String,
        message: String,
        patch: MessagePatch,
    },
    RemoveMessage {
        conversation: String,
        message: String,
    },
    /// The channel says what became of a message.
    Deliver {
        conversation: String,
        message: String,
        participant: String,
        status: Delivery,
        error_code: u32,
    },
    /// A file was uploaded; a message may carry it.
    AddFile(NewFile),
    /// Makes the user, unless there is one.
    UpdateUser {
        identity: String,
        patch: UserPatch,
    },
}

/// Why a conversation's state is another.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "UPPERCASE")]
pub enum Reason {
    Api,
    Timer,
    /// A message woke it.
    Event,
}

/// What has happened.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Happened {
    ConversationAdded(Conversation),
    ConversationUpdated(Conversation),
    ConversationRemoved(Conversation),
    /// Follows an update.
    StateUpdated {
        conversation: Conversation,
        from: State,
        reason: Reason,
    },
    ParticipantAdded {
        conversation: String,
        participant: Participant,
    },
    ParticipantUpdated {
        conversation: String,
        participant: Participant,
    },
    ParticipantRemoved {
        conversation: String,
        participant: Participant,
    },
    MessageAdded {
        conversation: String,
        message: Message,
    },
    MessageUpdated {
        conversation: String,
        message: Message,
    },
    MessageRemoved {
        conversation: String,
        message: Message,
    },
    /// The receipt is among the message's.
    DeliveryUpdated {
        conversation: String,
        message: Message,
        receipt: Receipt,
    },
    FileAdded(Media),
    UserAdded(User),
    UserUpdated(User),
}

/// What has happened, and by whom: for webhooks and logs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Notice {
    pub actor: Actor,
    pub at: Timestamp,
    pub happened: Happened,
}

/// Why a change is not made. Nothing has changed then.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{message} ({code})")]
pub struct Refusal {
    /// HTTP status.
    pub status: u16,
    /// Twilio's code.
    pub code: u32,
    pub message: String,
}

impl Refusal {
    /// A refusal.
    pub fn new(status: u16, code: u32, message: impl Into<String>) -> Self {
        Self { status, code, message: message.into() }
    }

    /// There is no such thing.
    #[must_use]
    pub fn missing(what: &str) -> Self {
        Self::new(404, 20404, format!("The requested resource {what} was not found"))
    }

    /// A parameter is not as it must be.
    ///
    /// Inferred: that Conversations says 20001 of every parameter for which it has no code of its own.
    pub fn invalid(message: impl Into<String>) -> Self {
        Self::new(400, 20001, message)
    }
}
