//! A participant of a conference as a participant of its interaction's channel.

use serde_json::{Value, json};

use crate::account;
use crate::taskrouter::resource::renamed;

/// What the event bridge says when an item of a conference's Sync map is written: the event's name and payload, if any.
/// `before`: the item as it was.
pub(crate) fn event(
    task_sid: &str,
    key: &str,
    data: &Value,
    before: Option<&Value>,
) -> Option<(&'static str, Value)> {
    let was_in = before.is_some_and(|before| before["status"] == "joined");
    let event = match (was_in, data["status"].as_str()?) {
        (false, "joined") => "participant.added",
        (true, "joined") => "participant.modified",
        (true, "left") => "participant.removed",
        _ => return None,
    };
    (data["participant_type"] != "supervisor").then(|| (event, participant(task_sid, key, data)))
}

pub(super) fn participant(task_sid: &str, key: &str, data: &Value) -> Value {
    let text = |value: &Value| match value {
        Value::String(text) => json!([text]),
        value => json!([value.to_string()]),
    };
    let kind = if data["participant_type"] == "worker" { "agent" } else { "customer" };
    json!({
        "sid": renamed("UT", key),
        "participant_sid": renamed("UT", key),
        "channel_sid": renamed("UO", task_sid),
        "channel_type": "voice",
        "interaction_sid": renamed("KD", task_sid),
        "type": kind,
        "routing_properties": {
            "task_sid": task_sid,
            "reservation_sid": data["reservation_sid"],
            "worker_sid": data["worker_sid"],
        },
        "media_properties": {
            "AccountSid": [account::ACCOUNT_SID],
            "CallSid": [key],
            "Coaching": ["false"],
            "ConferenceSid": text(&data["conference_sid"]),
            "EndConferenceOnExit": text(&data["end_conference_on_exit"]),
            "FriendlyName": [task_sid],
            "Hold": text(&data["hold"]),
            "Muted": text(&data["muted"]),
            "SequenceNumber": ["0"],
            "StartConferenceOnEnter": ["true"],
            "StatusCallbackEvent": ["participant-join"],
            "Timestamp": [""],
        },
    })
}
