//! How what is in the store shows in Sync, where clients of the SDK read and follow it.
//!
//! Names of fields: what `@twilio/conversations` 2.5 and 3.0 read.

use kernel::Timestamp;
use serde_json::{Value, json};

use crate::change::Happened;
use crate::model::{Conversation, Delivery, Media, Message, Participant, User};
use crate::store::{Room, Store};
use crate::sync::{Kind, Push, Sync};
use sandbox_kit::clock::iso;

pub(crate) fn document_name(conversation: &str) -> String {
    format!("{conversation}.channel")
}

pub(crate) fn messages_name(conversation: &str) -> String {
    format!("{conversation}.messages")
}

pub(crate) fn roster_name(conversation: &str) -> String {
    format!("{conversation}.roster")
}

pub(crate) fn user_info_name(identity: &str) -> String {
    format!("{identity}{USER_INFO}")
}

pub(crate) fn my_conversations_name(identity: &str) -> String {
    format!("{identity}{MY_CONVERSATIONS}")
}

const USER_INFO: &str = ".info";
const MY_CONVERSATIONS: &str = ".conversations";

/// The objects in which a conversation shows.
pub(crate) fn objects_of(conversation: &str) -> [(Kind, String); 3] {
    [
        (Kind::Document, document_name(conversation)),
        (Kind::List, messages_name(conversation)),
        (Kind::Map, roster_name(conversation)),
    ]
}

/// Whether somebody may see the object of a name: their own conversations, and whatever is nobody's.
pub(crate) fn may_see(store: &Store, identity: &str, peek: bool, name: &str) -> bool {
    if let Some(owner) = name.strip_suffix(MY_CONVERSATIONS) {
        return owner == identity;
    }
    let conversation = name.split('.').next().and_then(|sid| store.room(sid));
    conversation.is_none_or(|room| peek || room.belongs_to(identity))
}

/// Writes what has happened into Sync, and says who hears of it.
pub(crate) fn project(sync: &mut Sync, store: &Store, happened: &Happened, now: Timestamp) -> Vec<Push> {
    match happened {
        Happened::ConversationAdded(conversation) | Happened::ConversationUpdated(conversation) => {
            write_conversation(sync, store, &conversation.sid, now)
        }
        Happened::ConversationRemoved(conversation) => {
            for (kind, name) in objects_of(&conversation.sid) {
                sync.remove(kind, &name);
            }
            Vec::new()
        }
        Happened::StateUpdated { .. } | Happened::FileAdded(_) => Vec::new(),
        Happened::ParticipantAdded { conversation, participant }
        | Happened::ParticipantUpdated { conversation, participant } => {
            let mut pushes = write_participant(sync, conversation, participant, now);
            if let (Some(identity), Some(room)) = (&participant.identity, store.room(conversation)) {
                let mine = my_conversation(sync, room, participant, now);
                pushes.extend(sync.set_item(&my_conversations_name(identity), conversation, mine, now));
            }
            pushes
        }
        Happened::ParticipantRemoved { conversation, participant } => {
            let mut pushes = sync.remove_item(&roster_name(conversation), &participant.sid, now);
            if let Some(identity) = &participant.identity {
                pushes.extend(sync.remove_item(&my_conversations_name(identity), conversation, now));
            }
            pushes
        }
        Happened::MessageAdded { conversation, message } => {
            let mut pushes = write_message(sync, conversation, message, now);
            pushes.extend(write_conversation(sync, store, conversation, now));
            pushes
        }
        Happened::MessageUpdated { conversation, message }
        | Happened::DeliveryUpdated { conversation, message, .. } => {
            write_message(sync, conversation, message, now)
        }
        Happened::MessageRemoved { conversation, message } => {
            let mut pushes = sync.remove_list_item(&messages_name(conversation), message.index, now);
            pushes.extend(write_conversation(sync, store, conversation, now));
            pushes
        }
        Happened::UserAdded(user) | Happened::UserUpdated(user) => write_user(sync, user, now),
    }
}

fn write_conversation(sync: &mut Sync, store: &Store, sid: &str, now: Timestamp) -> Vec<Push> {
    let Some(room) = store.room(sid) else { return Vec::new() };
    let Conversation { unique_name, friendly_name, attributes, created_by, .. } = room.conversation();
    let last = room.messages().last_key_value();
    let data = json!({
        "uniqueName": unique_name,
        "friendlyName": friendly_name,
        "attributes": attributes,
        "createdBy": created_by,
        "dateCreated": iso(room.conversation().created),
        "dateUpdated": iso(room.conversation().updated),
        "type": 1,
        "roster": sync.map(&roster_name(sid), now),
        "messages": sync.list(&messages_name(sid), now),
        "lastMessage": last.map(|(index, message)| {
            json!({ "index": index, "timestamp": iso(message.created) })
        }),
        "state": {
            "current": room.conversation().state.name(),
            "dateUpdated": iso(room.conversation().state_updated),
        },
    });
    sync.set_document(&document_name(sid), data, now)
}

fn write_participant(
    sync: &mut Sync,
    conversation: &str,
    participant: &Participant,
    now: Timestamp,
) -> Vec<Push> {
    let mut data = json!({
        "type": participant.binding.as_ref().map_or("chat", |binding| binding.channel.name()),
        "attributes": participant.attributes,
        "roleSid": participant.role_sid,
        "dateCreated": iso(participant.created),
        "dateUpdated": iso(participant.updated),
        "lastConsumedMessageIndex": participant.last_read,
        "lastConsumptionTimestamp": participant.last_read_at.map(iso),
    });
    if let Some(identity) = &participant.identity {
        data["identity"] = json!(identity);
        data["userInfo"] = json!(sync.map(&user_info_name(identity), now));
    }
    if let Some(binding) = &participant.binding {
        data["messagingBinding"] = json!({
            "type": binding.channel.name(),
            "address": binding.address,
            "proxyAddress": binding.proxy_address,
            "projectedAddress": binding.projected_address,
        });
    }
    sync.set_item(&roster_name(conversation), &participant.sid, data, now)
}

fn my_conversation(sync: &mut Sync, room: &Room, participant: &Participant, now: Timestamp) -> Value {
    let sid = &room.conversation().sid;
    json!({
        "status": "joined",
        "channel_sid": sid,
        "channel": sync.document(&document_name(sid), now),
        "messages": sync.list(&messages_name(sid), now),
        "roster": sync.map(&roster_name(sid), now),
        "lastConsumedMessageIndex": participant.last_read,
        "notificationLevel": participant.notification_level,
    })
}

fn write_message(sync: &mut Sync, conversation: &str, message: &Message, now: Timestamp) -> Vec<Push> {
    let medias: Vec<Value> = message.media.iter().map(media).collect();
    let mut data = json!({
        "sid": message.sid,
        "author": message.author,
        "text": message.body,
        "subject": message.subject,
        "attributes": message.attributes,
        "timestamp": iso(message.created),
        "dateUpdated": iso(message.updated),
        "lastUpdatedBy": message.last_updated_by,
        "memberSid": message.participant_sid,
        "type": if medias.is_empty() { "text" } else { "media" },
        "delivery": delivery(message),
    });
    // What has one file carries it in the old place, too, which all that read Programmable Chat's messages know.
    if let Some(first) = medias.first() {
        data["media"] = first.clone();
        if !message.legacy_media {
            data["medias"] = json!(medias);
        }
    }
    if let Some(content) = &message.content_sid {
        data["contentSid"] = json!(content);
    }
    sync.set_list_item(&messages_name(conversation), message.index, data, now)
}

fn media(media: &Media) -> Value {
    json!({
        "sid": media.sid,
        "category": media.category,
        "filename": media.filename,
        "contentType": media.content_type,
        "size": media.size,
    })
}

/// What became of a message on its ways to those without the SDK: none, some or all of them.
pub(crate) fn delivery(message: &Message) -> Value {
    let total = message.receipts.len();
    if total == 0 {
        return Value::Null;
    }
    let amount = |reached: &dyn Fn(Delivery) -> bool| match message
        .receipts
        .iter()
        .filter(|receipt| reached(receipt.status))
        .count()
    {
        0 => "none",
        all if all == total => "all",
        _ => "some",
    };
    json!({
        "total": total,
        "sent": amount(&|status| status != Delivery::Failed),
        "delivered": amount(&|status| matches!(status, Delivery::Delivered | Delivery::Read)),
        "read": amount(&|status| status == Delivery::Read),
        "failed": amount(&|status| status == Delivery::Failed),
        "undelivered": amount(&|status| status == Delivery::Undelivered),
    })
}

fn write_user(sync: &mut Sync, user: &User, now: Timestamp) -> Vec<Push> {
    let map = user_info_name(&user.identity);
    let items = [
        ("identity", json!({ "value": user.identity })),
        ("friendlyName", json!({ "value": user.friendly_name })),
        ("attributes", json!({ "value": user.attributes })),
        ("reachability", json!({ "online": user.online, "notifiable": false })),
    ];
    let mut pushes = Vec::new();
    for (key, data) in items {
        if sync.item(&map, key).as_ref() != Some(&data) {
            pushes.extend(sync.set_item(&map, key, data, now));
        }
    }
    pushes
}
