//! The backend of the Conversations SDK, `aim.us1.twilio.com`: what a client asks inside Twilsock.
//!
//! A request is read into an [`Ask`]; what it changes goes through the store as everybody's changes do, and the answer shows
//! what came of it. Requests and fields: what `@twilio/conversations` 2.5 and 3.0 send and read.

use kernel::Timestamp;
use percent_encoding::percent_decode_str;
use serde_json::{Value, json};

use crate::change::{
    Change, ConversationPatch, Happened, MessagePatch, NewConversation, NewMessage, NewParticipant,
    ParticipantPatch, Refusal, UserPatch,
};
use crate::model::{Message, Participant, State, User};
use crate::projection;
use crate::store::{Room, Store};
use crate::sync::{Answer, Request, Sync};
use sandbox_kit::clock::iso;

const AIM: &str = "https://aim.us1.twilio.com/Client";
const MCS: &str = "https://mcs.us1.twilio.com/v1/Services";

/// Conversations on a page.
const PAGE: usize = 50;

/// Who asks, and where.
#[derive(Clone, Copy)]
pub(crate) struct Client<'a> {
    pub(crate) account_sid: &'a str,
    pub(crate) service_sid: &'a str,
    pub(crate) identity: &'a str,
    /// Whether they may read conversations that they take no part in.
    pub(crate) peek: bool,
}

/// What a request wants.
#[derive(Debug, PartialEq)]
pub(crate) enum Ask {
    /// To read; [`read`] answers.
    Read,
    Change(Change),
    /// The client's user types in a conversation.
    Typing(String),
}

/// A refusal as an answer.
pub(crate) fn refused(refusal: &Refusal) -> Answer {
    Answer::error(refusal.status, refusal.code, &refusal.message)
}

/// The parts of a path, decoded.
fn segments(path: &str) -> Vec<String> {
    let decoded = |part| percent_decode_str(part).decode_utf8_lossy().into_owned();
    path.trim_matches('/').split('/').map(decoded).collect()
}

/// The conversation that a request is about, if it is about one.
pub(crate) fn about(path: &str) -> Option<String> {
    let parts = segments(path);
    let at = parts.iter().position(|part| part == "Conversations")?;
    parts.get(at + 1).cloned()
}

/// What a request wants of a client whose identity is `me`.
pub(crate) fn parse(request: &Request, me: &str) -> Option<Ask> {
    let parts = segments(&request.path);
    let parts: Vec<&str> = parts.iter().map(String::as_str).collect();
    let body = &request.body;
    let text = |name: &str| body[name].as_str().map(str::to_owned);
    // JSON text; the SDK sends it so, and a value is as good.
    let attributes = || match &body["attributes"] {
        Value::Null => None,
        Value::String(text) => Some(text.clone()),
        value => Some(value.to_string()),
    };
    let change = match (request.method.as_str(), parts.as_slice()) {
        ("GET", _) => return Some(Ask::Read),
        ("POST", ["Client", "v1", "typing"]) => {
            let form = body.as_str().unwrap_or_default();
            let named = form.split('&').find_map(|pair| pair.strip_prefix("ChannelSid="));
            return Some(Ask::Typing(named.unwrap_or_default().to_owned()));
        }
        ("POST", ["Client", "v1", "Conversations"]) => Change::AddConversation(NewConversation {
            unique_name: text("unique_name"),
            friendly_name: text("friendly_name"),
            attributes: attributes(),
            ..NewConversation::default()
        }),
        ("POST", ["Client", "v2", "Services", _, "Users", "me", "Conversations", name]) => {
            let last_read = body.get("last_read_message_index").map(Value::as_u64);
            let patch = ParticipantPatch {
                last_read,
                notification_level: text("notification_level"),
                ..ParticipantPatch::default()
            };
            Change::UpdateParticipant { conversation: (*name).to_owned(), participant: me.to_owned(), patch }
        }
        ("POST", ["Client", "v1", "Users", identity]) => Change::UpdateUser {
            identity: (*identity).to_owned(),
            patch: UserPatch {
                friendly_name: text("friendly_name"),
                attributes: attributes(),
                ..UserPatch::default()
            },
        },
        (method, ["Client", "v1", "Conversations", name, rest @ ..]) => {
            let conversation = (*name).to_owned();
            match (method, rest) {
                ("POST", []) => Change::UpdateConversation {
                    conversation,
                    patch: ConversationPatch {
                        unique_name: text("unique_name"),
                        friendly_name: text("friendly_name"),
                        attributes: attributes(),
                        state: match body["state"].as_str() {
                            Some("active") => Some(State::Active),
                            Some("inactive") => Some(State::Inactive),
                            Some("closed") => Some(State::Closed),
                            _ => None,
                        },
                        ..ConversationPatch::default()
                    },
                },
                ("DELETE", []) => Change::RemoveConversation { conversation },
                ("POST", ["Participants"]) => {
                    let binding = &body["messaging_binding"];
                    let bound = |name: &str| binding[name].as_str().map(str::to_owned);
                    let participant = NewParticipant {
                        identity: text("identity").or_else(|| binding.is_null().then(|| me.to_owned())),
                        address: bound("address"),
                        proxy_address: bound("proxy_address"),
                        projected_address: bound("projected_address"),
                        attributes: attributes(),
                        role_sid: None,
                    };
                    Change::AddParticipant { conversation, participant }
                }
                ("POST", ["Participants", participant]) => Change::UpdateParticipant {
                    conversation,
                    participant: (*participant).to_owned(),
                    patch: ParticipantPatch { attributes: attributes(), ..ParticipantPatch::default() },
                },
                ("DELETE", ["Participants", participant]) => {
                    Change::RemoveParticipant { conversation, participant: (*participant).to_owned() }
                }
                ("POST", ["Messages"]) => {
                    let media = body["media_sids"].as_array().into_iter().flatten();
                    let message = NewMessage {
                        author: Some(me.to_owned()),
                        body: text("body"),
                        subject: text("subject"),
                        attributes: attributes(),
                        media: media.filter_map(|sid| sid.as_str().map(str::to_owned)).collect(),
                        content_sid: text("content_sid"),
                        ..NewMessage::default()
                    };
                    Change::AddMessage { conversation, message }
                }
                ("POST", ["Messages", message]) => Change::UpdateMessage {
                    conversation,
                    message: (*message).to_owned(),
                    patch: MessagePatch {
                        body: text("body"),
                        attributes: attributes(),
                        ..MessagePatch::default()
                    },
                },
                ("DELETE", ["Messages", message]) => {
                    Change::RemoveMessage { conversation, message: (*message).to_owned() }
                }
                _ => return None,
            }
        }
        _ => return None,
    };
    Some(Ask::Change(change))
}

/// The answer to what was changed.
pub(crate) fn changed(
    client: Client<'_>,
    store: &Store,
    sync: &mut Sync,
    happened: &[Happened],
    now: Timestamp,
) -> Answer {
    let conversation = |sync: &mut Sync, sid: &str| {
        store.room(sid).map_or(Value::Null, |room| show_conversation(client, room, sync, now))
    };
    let gone = Answer { status: 204, body: Value::Null };
    // A state, or a user who was not there before, comes along with what was asked for.
    let main = happened.iter().find(|happened| match happened {
        Happened::StateUpdated { .. } => false,
        Happened::UserAdded(_) => happened_alone(happened, client),
        _ => true,
    });
    match main.or(happened.first()) {
        Some(Happened::ConversationAdded(added)) => {
            Answer { status: 201, body: conversation(sync, &added.sid) }
        }
        Some(Happened::ConversationUpdated(updated)) => Answer::ok(conversation(sync, &updated.sid)),
        Some(Happened::ParticipantAdded { participant, .. }) => {
            Answer { status: 201, body: show_participant(participant) }
        }
        Some(Happened::ParticipantUpdated { conversation: sid, participant }) => {
            let mut body = show_participant(participant);
            // The same change is the client's own horizon, whose answer counts what is unread.
            if let (Value::Object(body), Value::Object(mine)) = (&mut body, conversation(sync, sid)) {
                body.extend(mine);
            }
            Answer::ok(body)
        }
        Some(Happened::MessageAdded { conversation, message }) => {
            Answer { status: 201, body: show_message(conversation, message) }
        }
        Some(
            Happened::MessageUpdated { conversation, message }
            | Happened::DeliveryUpdated { conversation, message, .. },
        ) => Answer::ok(show_message(conversation, message)),
        Some(Happened::UserAdded(user) | Happened::UserUpdated(user)) => {
            Answer::ok(show_user(client, user, sync, now))
        }
        Some(
            Happened::ConversationRemoved(_)
            | Happened::ParticipantRemoved { .. }
            | Happened::MessageRemoved { .. }
            | Happened::StateUpdated { .. }
            | Happened::FileAdded(_),
        )
        | None => gone,
    }
}

/// Whether a user that was made is what the client asked for: itself.
fn happened_alone(happened: &Happened, client: Client<'_>) -> bool {
    matches!(happened, Happened::UserAdded(user) if user.identity == client.identity)
}

/// Answers what is read.
pub(crate) fn read(
    client: Client<'_>,
    store: &Store,
    sync: &mut Sync,
    request: &Request,
    now: Timestamp,
) -> Answer {
    let parts = segments(&request.path);
    let parts: Vec<&str> = parts.iter().map(String::as_str).collect();
    let missing = || refused(&Refusal::missing(&request.path));
    match parts.as_slice() {
        ["Client", "v2", "Configuration"] => Answer::ok(configuration(client, sync, now)),
        ["Client", "v2", "Services", _, "Users", "me", "Conversations"] => {
            my_conversations(client, store, sync, request, now)
        }
        ["Client", "v2", "Services", _, "Users", "me", "Conversations", name] => match store.room(name) {
            Some(room) if room.participant(client.identity).is_some() => {
                Answer::ok(show_conversation(client, room, sync, now))
            }
            _ => missing(),
        },
        ["Client", "v1", "Users", identity] => match store.user(identity) {
            Some(user) => Answer::ok(show_user(client, user, sync, now)),
            None => missing(),
        },
        ["Client", "v1", "Conversations", name, rest @ ..] => {
            let Some(room) = store.room(name) else { return missing() };
            if !client.peek && !room.belongs_to(client.identity) {
                // Inferred: the code. That the default role decides is documented.
                return refused(&Refusal::new(403, 50107, "User unauthorized for command"));
            }
            match rest {
                [] => Answer::ok(show_conversation(client, room, sync, now)),
                ["Messages", message, "Receipts"] => match room.message(message) {
                    Some(message) => Answer::ok(receipts(room, message)),
                    None => missing(),
                },
                ["Messages", message] => match room.message(message) {
                    Some(message) => Answer::ok(show_message(&room.conversation().sid, message)),
                    None => missing(),
                },
                ["Participants", name] => match room.participant(name) {
                    Some(participant) => Answer::ok(show_participant(participant)),
                    None => missing(),
                },
                // Of e-mails alone.
                ["MessageRecipients"] => Answer::ok(json!({
                    "message_recipients": [],
                    "meta": { "previous_token": null, "next_token": null },
                })),
                _ => missing(),
            }
        }
        _ => missing(),
    }
}

/// The client's conversations, a page beginning after the last of the page before.
fn my_conversations(
    client: Client<'_>,
    store: &Store,
    sync: &mut Sync,
    request: &Request,
    now: Timestamp,
) -> Answer {
    let after = request.params.get("PageToken").and_then(Value::as_str).unwrap_or_default();
    let mut rooms: Vec<&Room> = store
        .rooms_of(client.identity)
        .map(|(room, _)| room)
        .filter(|room| room.conversation().sid.as_str() > after)
        .take(PAGE + 1)
        .collect();
    let more = rooms.len() > PAGE;
    rooms.truncate(PAGE);
    let next = rooms.last().filter(|_| more).map(|last| last.conversation().sid.clone());
    let conversations: Vec<Value> =
        rooms.into_iter().map(|room| show_conversation(client, room, sync, now)).collect();
    Answer::ok(json!({
        "conversations": conversations,
        "meta": { "page": 0, "page_size": PAGE, "next_token": next, "previous_token": null },
    }))
}

fn configuration(client: Client<'_>, sync: &mut Sync, now: Timestamp) -> Value {
    let Client { service_sid, identity, .. } = client;
    let media = format!("{MCS}/{service_sid}");
    json!({
        "identity": identity,
        "sync_objects": {
            "my_user_info": sync.map(&projection::user_info_name(identity), now),
            "my_conversations": sync.map(&projection::my_conversations_name(identity), now),
        },
        "links": {
            "my_conversations": format!("{AIM}/v2/Services/{service_sid}/Users/me/Conversations"),
            "conversations": format!("{AIM}/v1/Conversations"),
            "users": format!("{AIM}/v1/Users"),
            "current_user": format!("{AIM}/v1/Users/{identity}"),
            "typing": format!("{AIM}/v1/typing"),
            "media_service": format!("{media}/Media"),
            "media_set_service": format!("{media}/MediaSet"),
            "messages_receipts": format!("{AIM}/v1/Conversations/%s/Messages/%s/Receipts"),
        },
        "options": {
            "media_attachments_count_limit": 10,
            "media_attachment_size_limit_in_mb": 150,
            "media_attachments_total_size_limit_in_mb": 150,
            "email_histories_allowed_mime_types": [],
            "email_bodies_allowed_mime_types": [],
            "reachability_enabled": true,
            "user_infos_to_subscribe": 100,
            "http_cache_interval": "PT1S",
            "consumption_report_interval": "PT5S",
        },
    })
}

fn show_conversation(client: Client<'_>, room: &Room, sync: &mut Sync, now: Timestamp) -> Value {
    let conversation = room.conversation();
    let sid = &conversation.sid;
    let url = format!("{AIM}/v1/Conversations/{sid}");
    let mut shown = json!({
        "sid": sid,
        "conversation_sid": sid,
        "channel_sid": sid,
        "account_sid": client.account_sid,
        "service_sid": client.service_sid,
        "unique_name": conversation.unique_name,
        "friendly_name": conversation.friendly_name,
        "attributes": conversation.attributes,
        "created_by": conversation.created_by,
        "state": conversation.state.name(),
        "date_created": iso(conversation.created),
        "date_updated": iso(conversation.updated),
        "messages_count": room.messages().len(),
        "participants_count": room.participants().count(),
        "status": "notParticipating",
        "url": url,
        "sync_objects": {
            "conversation": sync.document(&projection::document_name(sid), now),
            "messages": sync.list(&projection::messages_name(sid), now),
            "participants": sync.map(&projection::roster_name(sid), now),
        },
        "links": { "messages": format!("{url}/Messages"), "participants": format!("{url}/Participants") },
    });
    if let Some(me) = room.participant(client.identity) {
        shown["status"] = json!("joined");
        shown["last_read_message_index"] = json!(me.last_read);
        shown["notification_level"] = json!(me.notification_level);
        shown["unread_messages_count"] = json!(room.unread(me));
    }
    shown
}

fn show_participant(participant: &Participant) -> Value {
    let binding = participant.binding.as_ref().map(|binding| {
        json!({
            "type": binding.channel.name(),
            "address": binding.address,
            "proxy_address": binding.proxy_address,
            "projected_address": binding.projected_address,
        })
    });
    json!({
        "sid": participant.sid,
        "identity": participant.identity,
        "attributes": participant.attributes,
        "role_sid": participant.role_sid,
        "messaging_binding": binding,
        "date_created": iso(participant.created),
        "date_updated": iso(participant.updated),
    })
}

fn show_message(conversation: &str, message: &Message) -> Value {
    let media = message.media.iter().map(|media| {
        json!({
            "sid": media.sid,
            "category": media.category,
            "filename": media.filename,
            "content_type": media.content_type,
            "size": media.size,
        })
    });
    json!({
        "sid": message.sid,
        "index": message.index,
        "conversation_sid": conversation,
        "author": message.author,
        "participant_sid": message.participant_sid,
        "body": message.body,
        "subject": message.subject,
        "attributes": message.attributes,
        "media": media.collect::<Vec<_>>(),
        "content_sid": message.content_sid,
        "delivery": projection::delivery(message),
        "date_created": iso(message.created),
        "date_updated": iso(message.updated),
        "url": format!("{AIM}/v1/Conversations/{conversation}/Messages/{}", message.sid),
        "links": {},
    })
}

fn receipts(room: &Room, message: &Message) -> Value {
    let receipts = message.receipts.iter().map(|receipt| {
        json!({
            "sid": receipt.sid,
            "message_sid": message.sid,
            "conversation_sid": room.conversation().sid,
            "channel_message_sid": receipt.channel_message_sid,
            "participant_sid": receipt.participant_sid,
            "status": receipt.status.name(),
            "error_code": receipt.error_code,
            "date_created": iso(receipt.created),
            "date_updated": iso(receipt.updated),
        })
    });
    json!({
        "delivery_receipts": receipts.collect::<Vec<_>>(),
        "meta": { "page": 0, "page_size": PAGE, "previous_token": null, "next_token": null },
    })
}

fn show_user(client: Client<'_>, user: &User, sync: &mut Sync, now: Timestamp) -> Value {
    json!({
        "sid": user.sid,
        "account_sid": client.account_sid,
        "service_sid": client.service_sid,
        "identity": user.identity,
        "friendly_name": user.friendly_name,
        "attributes": user.attributes,
        "role_sid": user.role_sid,
        "is_online": user.online,
        "is_notifiable": null,
        "sync_objects": { "user_info_map": sync.map(&projection::user_info_name(&user.identity), now) },
        "url": format!("{AIM}/v1/Users/{}", user.identity),
        "links": {},
    })
}
