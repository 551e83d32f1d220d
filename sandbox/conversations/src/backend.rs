//! Twilio Conversations (`aim.*.twilio.com`), as far as the client reads it at boot: its configuration, its user, and
//! an empty list of conversations.

use jiff::Timestamp;
use serde_json::{Value, json};

use crate::account;
use crate::sync::{Answer, Request, Sync};

const USER_INFO: &str = "my_user_info";
const CONVERSATIONS: &str = "my_conversations";

/// Makes the Sync objects that the client opens at boot.
pub(crate) fn prepare(sync: &mut Sync, now: Timestamp) {
    let user = json!({
        "identity": account::AGENT_IDENTITY,
        "friendlyName": account::AGENT_NAME,
        "attributes": "{}",
        "reachable_online": true,
    });
    for (key, value) in user.as_object().into_iter().flatten() {
        sync.set_item(USER_INFO, key, json!({ "value": value }), now);
    }
    sync.document(USER_INFO, user, now);
    sync.map(CONVERSATIONS, now);
}

/// Answers a request to `aim.*.twilio.com`.
pub(crate) fn request(sync: &mut Sync, request: &Request, now: Timestamp) -> Answer {
    let segments: Vec<&str> = request.path.trim_matches('/').split('/').collect();
    match segments.as_slice() {
        ["Client", "v2", "Configuration"] => Answer::ok(configuration(sync, now)),
        [.., "Users", "me", "Conversations"] => Answer::ok(json!({
            "conversations": [],
            "meta": { "page": 0, "page_size": 50, "next_token": null, "previous_token": null },
        })),
        [.., "Users", identity] if *identity == account::AGENT_IDENTITY => Answer::ok(json!({
            "sid": format!("US{}", &account::FLEX_USER_SID[2..]),
            "identity": account::AGENT_IDENTITY,
            "friendly_name": account::AGENT_NAME,
            "attributes": "{}",
            "is_online": true,
            "sync_objects": { "user_info_map": USER_INFO },
            "links": {},
        })),
        _ => Answer::not_found(50404, "The sandbox has no conversations"),
    }
}

fn configuration(sync: &mut Sync, now: Timestamp) -> Value {
    let aim = "https://aim.us1.twilio.com/Client";
    let media = format!("https://mcs.us1.twilio.com/v1/Services/{}", account::CHAT_SERVICE_SID);
    json!({
        "identity": account::AGENT_IDENTITY,
        "sync_objects": {
            "my_user_info": sync.map(USER_INFO, now),
            "my_conversations": sync.map(CONVERSATIONS, now),
        },
        "links": {
            "my_conversations":
                format!("{aim}/v2/Services/{}/Users/me/Conversations", account::CHAT_SERVICE_SID),
            "conversations": format!("{aim}/v1/Conversations"),
            "users": format!("{aim}/v1/Users"),
            "current_user": format!("{aim}/v1/Users/{}", account::AGENT_IDENTITY),
            "typing": format!("{aim}/v1/typing"),
            "media_service": format!("{media}/Media"),
            "media_set_service": format!("{media}/MediaSet"),
            "messages_receipts": format!("{aim}/v1/Conversations/{{cid}}/Messages/{{mid}}/Receipts"),
        },
        "options": {
            "media_attachments_count_limit": 10,
            "media_attachment_size_limit_in_mb": 150,
            "media_attachments_total_size_limit_in_mb": 150,
            "email_histories_allowed_mime_types": [],
            "email_bodies_allowed_mime_types": [],
            "reachability_enabled": false,
            "user_infos_to_subscribe": 100,
            "http_cache_interval": "PT60S",
            "consumption_report_interval": "PT5S",
        },
    })
}
