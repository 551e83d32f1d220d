//! What the REST API answers: each resource as Twilio writes it.

use kernel::Timestamp;
use sandbox_kit::clock::iso_seconds;
use serde_json::{Value, json};

use crate::model::{Binding, Conversation, Delivery, Media, Message, Participant, Receipt, User};
use crate::rest::admin::{Address, Role, ServiceConfiguration};
use crate::store::Room;
use crate::webhooks::{ScopedWebhook, ServiceWebhooks};

/// What every resource says of where it belongs.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Place<'a> {
    pub account_sid: &'a str,
    pub service_sid: &'a str,
    /// Where its URLs begin: `https://…/v1`, or that of the service where it was asked for.
    pub base: &'a str,
}

fn timers(conversation: &Conversation) -> Value {
    let due = |length: Option<u64>| length.map(|length| iso_seconds(conversation.last_activity.plus(length)));
    let mut timers = serde_json::Map::new();
    for (name, at) in [
        ("date_inactive", due(conversation.timers.inactive_ms)),
        ("date_closed", due(conversation.timers.closed_ms)),
    ] {
        timers.extend(at.map(|at| (name.to_owned(), Value::from(at))));
    }
    timers.into()
}

pub(crate) fn conversation(place: Place<'_>, of: &Conversation) -> Value {
    let url = format!("{}/Conversations/{}", place.base, of.sid);
    json!({
        "sid": of.sid,
        "account_sid": place.account_sid,
        "chat_service_sid": place.service_sid,
        "messaging_service_sid": of.messaging_service_sid,
        "friendly_name": of.friendly_name,
        "unique_name": of.unique_name,
        "attributes": of.attributes,
        "state": of.state.name(),
        "date_created": iso_seconds(of.created),
        "date_updated": iso_seconds(of.updated),
        "timers": timers(of),
        "bindings": {},
        "links": {
            "participants": format!("{url}/Participants"),
            "messages": format!("{url}/Messages"),
            "webhooks": format!("{url}/Webhooks"),
        },
        "url": url,
    })
}

fn binding(of: &Binding) -> Value {
    json!({
        "type": of.channel.name(),
        "address": of.address,
        "proxy_address": of.proxy_address,
        "projected_address": of.projected_address,
    })
}

pub(crate) fn participant(place: Place<'_>, conversation: &str, of: &Participant) -> Value {
    json!({
        "sid": of.sid,
        "account_sid": place.account_sid,
        "chat_service_sid": place.service_sid,
        "conversation_sid": conversation,
        "identity": of.identity,
        "messaging_binding": of.binding.as_ref().map(binding),
        "attributes": of.attributes,
        "role_sid": of.role_sid,
        "last_read_message_index": of.last_read,
        "last_read_timestamp": of.last_read_at.map(iso_seconds),
        "date_created": iso_seconds(of.created),
        "date_updated": iso_seconds(of.updated),
        "url": format!("{}/Conversations/{conversation}/Participants/{}", place.base, of.sid),
    })
}

fn media(of: &Media) -> Value {
    json!({
        "sid": of.sid,
        "category": of.category,
        "filename": of.filename,
        "content_type": of.content_type,
        "size": of.size,
    })
}

/// How far a message has come: `all`, `some` or `none` of those to whom it is delivered.
fn delivery(receipts: &[Receipt]) -> Value {
    if receipts.is_empty() {
        return Value::Null;
    }
    let share = |counts: fn(Delivery) -> bool| match receipts.iter().filter(|one| counts(one.status)).count()
    {
        0 => "none",
        count if count == receipts.len() => "all",
        _ => "some",
    };
    json!({
        "total": receipts.len(),
        // What was read was delivered, and what was delivered was sent.
        "sent": share(|one| matches!(one, Delivery::Sent | Delivery::Delivered | Delivery::Read)),
        "delivered": share(|one| matches!(one, Delivery::Delivered | Delivery::Read)),
        "read": share(|one| one == Delivery::Read),
        "failed": share(|one| one == Delivery::Failed),
        "undelivered": share(|one| one == Delivery::Undelivered),
    })
}

pub(crate) fn message(place: Place<'_>, conversation: &str, of: &Message) -> Value {
    let url = format!("{}/Conversations/{conversation}/Messages/{}", place.base, of.sid);
    let files: Vec<Value> = of.media.iter().map(media).collect();
    json!({
        "sid": of.sid,
        "account_sid": place.account_sid,
        "chat_service_sid": place.service_sid,
        "conversation_sid": conversation,
        "index": of.index,
        "author": of.author,
        "participant_sid": of.participant_sid,
        "body": of.body,
        "subject": of.subject,
        "media": if files.is_empty() { Value::Null } else { files.into() },
        "attributes": of.attributes,
        "content_sid": of.content_sid,
        "delivery": delivery(&of.receipts),
        "date_created": iso_seconds(of.created),
        "date_updated": iso_seconds(of.updated),
        "links": {
            "delivery_receipts": format!("{url}/Receipts"),
            "channel_metadata": format!("{url}/ChannelMetadata"),
        },
        "url": url,
    })
}

pub(crate) fn receipt(place: Place<'_>, conversation: &str, message: &str, of: &Receipt) -> Value {
    json!({
        "sid": of.sid,
        "account_sid": place.account_sid,
        "chat_service_sid": place.service_sid,
        "conversation_sid": conversation,
        "message_sid": message,
        "channel_message_sid": of.channel_message_sid,
        "participant_sid": of.participant_sid,
        "status": of.status.name(),
        "error_code": of.error_code,
        "date_created": iso_seconds(of.created),
        "date_updated": iso_seconds(of.updated),
        "url": format!("{}/Conversations/{conversation}/Messages/{message}/Receipts/{}", place.base, of.sid),
    })
}

pub(crate) fn participant_conversation(
    place: Place<'_>,
    room: &Room,
    of: &Participant,
    user: Option<&User>,
) -> Value {
    let conversation = room.conversation();
    json!({
        "account_sid": place.account_sid,
        "chat_service_sid": place.service_sid,
        "participant_sid": of.sid,
        "participant_user_sid": user.map(|user| &user.sid),
        "participant_identity": of.identity,
        "participant_messaging_binding": of.binding.as_ref().map(binding),
        "conversation_sid": conversation.sid,
        "conversation_unique_name": conversation.unique_name,
        "conversation_friendly_name": conversation.friendly_name,
        "conversation_attributes": conversation.attributes,
        "conversation_date_created": iso_seconds(conversation.created),
        "conversation_date_updated": iso_seconds(conversation.updated),
        "conversation_created_by": conversation.created_by,
        "conversation_state": conversation.state.name(),
        "conversation_timers": timers(conversation),
        "links": {
            "participant": format!("{}/Conversations/{}/Participants/{}", place.base, conversation.sid, of.sid),
            "conversation": format!("{}/Conversations/{}", place.base, conversation.sid),
        },
    })
}

pub(crate) fn user(place: Place<'_>, of: &User) -> Value {
    let url = format!("{}/Users/{}", place.base, of.sid);
    json!({
        "sid": of.sid,
        "account_sid": place.account_sid,
        "chat_service_sid": place.service_sid,
        "role_sid": of.role_sid,
        "identity": of.identity,
        "friendly_name": of.friendly_name,
        "attributes": of.attributes,
        "is_online": of.online,
        "is_notifiable": null,
        "date_created": iso_seconds(of.created),
        "date_updated": iso_seconds(of.updated),
        "links": { "user_conversations": format!("{url}/Conversations") },
        "url": url,
    })
}

pub(crate) fn user_conversation(place: Place<'_>, room: &Room, of: &Participant, user: &User) -> Value {
    let conversation = room.conversation();
    json!({
        "account_sid": place.account_sid,
        "chat_service_sid": place.service_sid,
        "conversation_sid": conversation.sid,
        "unread_messages_count": room.unread(of),
        "last_read_message_index": of.last_read,
        "participant_sid": of.sid,
        "user_sid": user.sid,
        "friendly_name": conversation.friendly_name,
        "conversation_state": conversation.state.name(),
        "timers": timers(conversation),
        "attributes": conversation.attributes,
        "date_created": iso_seconds(conversation.created),
        "date_updated": iso_seconds(conversation.updated),
        "created_by": conversation.created_by,
        "notification_level": of.notification_level,
        "unique_name": conversation.unique_name,
        "url": format!("{}/Users/{}/Conversations/{}", place.base, user.sid, conversation.sid),
        "links": {
            "participant": format!("{}/Conversations/{}/Participants/{}", place.base, conversation.sid, of.sid),
            "conversation": format!("{}/Conversations/{}", place.base, conversation.sid),
        },
    })
}

pub(crate) fn service(place: Place<'_>, friendly_name: &str, made: Timestamp) -> Value {
    json!({
        "account_sid": place.account_sid,
        "sid": place.service_sid,
        "friendly_name": friendly_name,
        "date_created": iso_seconds(made),
        "date_updated": iso_seconds(made),
        "links": {
            "conversations": format!("{}/Conversations", place.base),
            "users": format!("{}/Users", place.base),
            "roles": format!("{}/Roles", place.base),
        },
        "url": place.base,
    })
}

pub(crate) fn service_configuration(place: Place<'_>, of: &ServiceConfiguration) -> Value {
    let url = format!("{}/Configuration", place.base);
    json!({
        "chat_service_sid": place.service_sid,
        "default_conversation_creator_role_sid": of.creator_role_sid,
        "default_conversation_role_sid": of.conversation_role_sid,
        "default_chat_service_role_sid": of.service_role_sid,
        "reachability_enabled": of.reachability_enabled,
        "links": { "webhooks": format!("{url}/Webhooks") },
        "url": url,
    })
}

pub(crate) fn account_configuration(place: Place<'_>) -> Value {
    let url = format!("{}/Configuration", place.base);
    json!({
        "account_sid": place.account_sid,
        "default_chat_service_sid": place.service_sid,
        "default_messaging_service_sid": null,
        "default_inactive_timer": null,
        "default_closed_timer": null,
        "links": { "webhooks": format!("{url}/Webhooks"), "addresses": format!("{url}/Addresses") },
        "url": url,
    })
}

pub(crate) fn service_webhooks(place: Place<'_>, of: &ServiceWebhooks) -> Value {
    json!({
        "account_sid": place.account_sid,
        "chat_service_sid": place.service_sid,
        "pre_webhook_url": of.pre_url,
        "post_webhook_url": of.post_url,
        "method": of.method,
        "filters": of.filters,
        "target": "webhook",
        "url": format!("{}/Configuration/Webhooks", place.base),
    })
}

pub(crate) fn scoped_webhook(place: Place<'_>, conversation: &str, of: &ScopedWebhook) -> Value {
    json!({
        "sid": of.sid,
        "account_sid": place.account_sid,
        "chat_service_sid": place.service_sid,
        "conversation_sid": conversation,
        "target": of.target.name(),
        "configuration": {
            "url": of.url,
            "method": of.method,
            "filters": of.filters,
            "triggers": of.triggers,
            "flow_sid": of.flow_sid,
            "replay_after": of.replay_after,
        },
        "date_created": iso_seconds(of.created),
        "date_updated": iso_seconds(of.updated),
        "url": format!("{}/Conversations/{conversation}/Webhooks/{}", place.base, of.sid),
    })
}

pub(crate) fn role(place: Place<'_>, of: &Role) -> Value {
    json!({
        "sid": of.sid,
        "account_sid": place.account_sid,
        "chat_service_sid": place.service_sid,
        "friendly_name": of.friendly_name,
        "type": of.kind,
        "permissions": of.permissions,
        "date_created": iso_seconds(of.created),
        "date_updated": iso_seconds(of.updated),
        "url": format!("{}/Roles/{}", place.base, of.sid),
    })
}

pub(crate) fn address(place: Place<'_>, of: &Address) -> Value {
    json!({
        "sid": of.sid,
        "account_sid": place.account_sid,
        "type": of.kind,
        "address": of.address,
        "friendly_name": of.friendly_name,
        "address_country": null,
        "auto_creation": {
            "enabled": of.enabled,
            "type": of.creation,
            "conversation_service_sid": of.service_sid,
            "webhook_url": of.webhook_url,
            "webhook_method": of.webhook_method,
            "webhook_filters": of.webhook_filters,
            "studio_flow_sid": of.studio_flow_sid,
            "studio_retry_count": of.studio_retry_count,
        },
        "date_created": iso_seconds(of.created),
        "date_updated": iso_seconds(of.updated),
        "url": format!("{}/Configuration/Addresses/{}", place.base, of.sid),
    })
}
