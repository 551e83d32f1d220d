//! What is read of Conversations: conversations, their participants, pages of their messages, users.
//!
//! Source: Twilio's OpenAPI description of Conversations v1. Old conversations, made by Programmable Chat, have old shapes: a
//! message of type `media` with one object in `media`, no body.

use std::iter;

use kernel::Timestamp;
use serde_json::Value;

use crate::{
    ChatServiceSid, ConversationSid, MediaSid, MessageSid,
    rest::{Page, PageToken, Rest, RestError, Unavailable, instant, json_text, text},
};

/// Where Conversations is.
pub const DEFAULT_BASE_URL: &str = "https://conversations.twilio.com";

/// As many as a page of a list can have.
const PAGE_SIZE: (&str, &str) = ("PageSize", "100");

/// Reads one service, or the account's default one.
#[derive(Clone, Debug)]
pub struct Conversations {
    rest: Rest,
    service: Option<ChatServiceSid>,
}

/// A conversation.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Conversation {
    /// Which.
    pub sid: ConversationSid,
    /// Of which service; where its files are.
    pub service: Option<ChatServiceSid>,
    /// Its name, if it has one.
    pub name: Option<String>,
    /// Whether nobody can write in it any more.
    pub closed: bool,
    /// When it began.
    pub created: Option<Timestamp>,
    /// When it last changed.
    pub updated: Option<Timestamp>,
}

/// Somebody in a conversation.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Participant {
    /// Of whoever writes by the SDK: agents, customers of a web chat.
    pub identity: Option<String>,
    /// Of whoever writes from elsewhere: their number, as `+1555…` or `whatsapp:+1555…`.
    pub address: Option<String>,
    /// `sms`, `whatsapp`, `messenger`, …, in lower case; of the binding.
    pub kind: Option<String>,
    /// What the application says of them.
    pub attributes: Value,
}

/// One message.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Message {
    /// Which.
    pub sid: MessageSid,
    /// Its place in the conversation.
    pub index: Option<u64>,
    /// Who wrote it: an identity, an address, or what a program called itself.
    pub author: String,
    /// Plain text.
    pub body: String,
    /// When it was written.
    pub created: Option<Timestamp>,
    /// What the application says of it.
    pub attributes: Value,
    /// Its files.
    pub media: Vec<MediaInfo>,
}

/// A file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MediaInfo {
    /// Which.
    pub sid: MediaSid,
    /// As `image/png`.
    pub content_type: String,
    /// As the sender called it.
    pub filename: String,
    /// In bytes.
    pub size: u64,
}

/// In which conversation somebody is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ParticipantConversation {
    /// The conversation, without its service.
    pub conversation: Conversation,
    /// By what they write in it, as [`Participant::kind`].
    pub kind: Option<String>,
}

/// By what somebody is known.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Contact {
    /// Of whoever writes by the SDK.
    Identity(String),
    /// As `+1555…` or `whatsapp:+1555…`.
    Address(String),
}

/// A user of a service.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct User {
    /// For people.
    pub name: Option<String>,
    /// What the application says of them.
    pub attributes: Value,
}

impl Conversations {
    /// Of this service; of the account's default one when none is named.
    #[must_use]
    pub const fn new(rest: Rest, service: Option<ChatServiceSid>) -> Self {
        Self { rest, service }
    }

    fn path<'p>(&'p self, parts: &[&'p str]) -> Vec<&'p str> {
        let service = self.service.iter().flat_map(|service| ["Services", service.as_str()]);
        iter::once("v1").chain(service).chain(parts.iter().copied()).collect()
    }

    /// One conversation.
    ///
    /// # Errors
    /// [`RestError`].
    pub async fn conversation(&self, sid: &ConversationSid) -> Result<Conversation, RestError> {
        let value = self.rest.get(&self.path(&["Conversations", sid.as_str()]), &[]).await?;
        Ok(Conversation { sid: sid.clone(), ..conversation(&value, "", sid.clone()) })
    }

    /// Who is in a conversation now; a hundred at most.
    ///
    /// # Errors
    /// [`RestError`].
    pub async fn participants(&self, sid: &ConversationSid) -> Result<Vec<Participant>, RestError> {
        let path = self.path(&["Conversations", sid.as_str(), "Participants"]);
        Ok(self.rest.page(&path, &[PAGE_SIZE], "participants", participant).await?.items)
    }

    /// A page of a conversation's messages, the newest first.
    ///
    /// # Errors
    /// [`RestError`].
    pub async fn messages(
        &self,
        sid: &ConversationSid,
        at: Option<&PageToken>,
    ) -> Result<Page<Message>, RestError> {
        let path = self.path(&["Conversations", sid.as_str(), "Messages"]);
        let mut query = vec![("Order", "desc"), PAGE_SIZE];
        query.extend(at.iter().flat_map(|at| at.query()));
        self.rest.page(&path, &query, "messages", message).await
    }

    /// One message.
    ///
    /// # Errors
    /// [`RestError`].
    pub async fn message(
        &self,
        sid: &ConversationSid,
        message_sid: &MessageSid,
    ) -> Result<Message, RestError> {
        let path = self.path(&["Conversations", sid.as_str(), "Messages", message_sid.as_str()]);
        let read = message(&self.rest.get(&path, &[]).await?);
        read.ok_or(RestError::Unavailable(Unavailable::NotUnderstood))
    }

    /// A page of the conversations that somebody is in.
    ///
    /// # Errors
    /// [`RestError`].
    pub async fn of_participant(
        &self,
        contact: &Contact,
        at: Option<&PageToken>,
    ) -> Result<Page<ParticipantConversation>, RestError> {
        let mut query = vec![
            match contact {
                Contact::Identity(identity) => ("Identity", identity.as_str()),
                Contact::Address(address) => ("Address", address.as_str()),
            },
            PAGE_SIZE,
        ];
        query.extend(at.iter().flat_map(|at| at.query()));
        let path = self.path(&["ParticipantConversations"]);
        self.rest.page(&path, &query, "conversations", of_participant).await
    }

    /// A user, by their identity.
    ///
    /// # Errors
    /// [`RestError`].
    pub async fn user(&self, identity: &str) -> Result<User, RestError> {
        let user = self.rest.get(&self.path(&["Users", identity]), &[]).await?;
        Ok(User { name: text(&user["friendly_name"]), attributes: json_text(&user["attributes"]) })
    }
}

/// Each field's name begins with `prefix`.
fn conversation(value: &Value, prefix: &str, sid: ConversationSid) -> Conversation {
    let field = |name: &str| &value[format!("{prefix}{name}")];
    Conversation {
        sid,
        service: value["chat_service_sid"].as_str().and_then(|sid| sid.parse().ok()),
        name: text(field("friendly_name")),
        closed: field("state").as_str() == Some("closed"),
        created: instant(field("date_created")),
        updated: instant(field("date_updated")),
    }
}

fn of_participant(value: &Value) -> Option<ParticipantConversation> {
    let sid = value["conversation_sid"].as_str()?.parse().ok()?;
    let kind = text(&value["participant_messaging_binding"]["type"]).map(|kind| kind.to_ascii_lowercase());
    Some(ParticipantConversation { conversation: conversation(value, "conversation_", sid), kind })
}

fn participant(value: &Value) -> Option<Participant> {
    let binding = &value["messaging_binding"];
    let address = text(&binding["address"]);
    let kind = text(&binding["type"]).map(|kind| kind.to_ascii_lowercase()).filter(|_| address.is_some());
    value.is_object().then(|| Participant {
        identity: text(&value["identity"]),
        address,
        kind,
        attributes: json_text(&value["attributes"]),
    })
}

fn message(value: &Value) -> Option<Message> {
    let media = match &value["media"] {
        Value::Array(items) => items.iter().collect(),
        one @ Value::Object(_) => vec![one],
        _ => Vec::new(),
    };
    Some(Message {
        sid: value["sid"].as_str()?.parse().ok()?,
        index: value["index"].as_u64().or_else(|| value["index"].as_str()?.parse().ok()),
        author: text(&value["author"]).or_else(|| text(&value["from"])).unwrap_or_default(),
        body: text(&value["body"]).unwrap_or_default(),
        created: instant(&value["date_created"]),
        attributes: json_text(&value["attributes"]),
        media: media.into_iter().filter_map(media_info).collect(),
    })
}

fn media_info(value: &Value) -> Option<MediaInfo> {
    Some(MediaInfo {
        sid: value["sid"].as_str()?.parse().ok()?,
        content_type: text(&value["content_type"]).unwrap_or_default(),
        filename: text(&value["filename"]).unwrap_or_default(),
        size: value["size"].as_u64().or_else(|| value["size"].as_str()?.parse().ok()).unwrap_or_default(),
    })
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn sid(kind: &str) -> String {
        format!("{kind}{}", "1".repeat(32))
    }

    #[test]
    fn one_odd_field_hides_nothing_of_the_others() {
        let odd = json!({
            "sid": sid("IM"), "index": null, "author": 7, "body": null, "date_created": "yesterday",
            "attributes": "{", "media": [null, {"sid": "?"}, {"sid": sid("ME"), "size": "12", "filename": null}],
        });
        let read = message(&odd).unwrap();
        assert_eq!(
            (read.author.as_str(), read.body.as_str(), read.created, read.index),
            ("", "", None, None)
        );
        assert_eq!(read.media.iter().map(|media| media.size).collect::<Vec<_>>(), [12]);
        assert_eq!(message(&json!({"body": "no sid"})), None);
    }

    #[test]
    fn a_message_of_programmable_chats_time_has_its_one_file() {
        let media = json!({"sid": sid("ME"), "content_type": "image/png", "filename": "a.png", "size": 3});
        for media in [media.clone(), json!([media])] {
            let old = json!({"sid": sid("IM"), "index": 4, "type": "media", "from": "ann", "media": media});
            let read = message(&old).unwrap();
            assert_eq!((read.author.as_str(), read.media.len(), read.index), ("ann", 1, Some(4)));
        }
    }

    #[test]
    fn who_writes_from_elsewhere_is_known_by_their_binding() {
        let value =
            json!({"identity": null, "messaging_binding": {"type": "WHATSAPP", "address": "whatsapp:+1555"}});
        let read = participant(&value).unwrap();
        assert_eq!(
            (read.kind.as_deref(), read.address.as_deref()),
            (Some("whatsapp"), Some("whatsapp:+1555"))
        );
        let chat = json!({"identity": "ann", "messaging_binding": null, "attributes": "{\"member_type\":\"agent\"}"});
        assert_eq!(participant(&chat).unwrap().attributes["member_type"], "agent");
    }
}
