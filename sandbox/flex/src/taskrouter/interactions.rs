//! Interactions: the conference of a voice task as a channel with participants.
//!
//! Flex UI finds a task's interaction by the task's SID with another prefix, asks for its voice channel, and then follows
//! the participants by events. Where there is no such channel it falls back to the task's Sync map.
//!
//! Inferred: that a voice task which TaskRouter puts into a conference has such a channel, and the names within a
//! participant's media properties, from how Flex UI reads them.

use serde_json::{Map, Value, json};

use super::machine::{Input, Refusal};
use crate::account;
use crate::cloud::FlexCloud;

/// The same SID with another prefix.
fn renamed(prefix: &str, sid: &str) -> String {
    format!("{prefix}{}", sid.get(2..).unwrap_or_default())
}

/// Answers `v1/Interactions/...`.
pub(super) fn answer(
    cloud: &FlexCloud,
    segments: &[&str],
    post: bool,
    params: &Map<String, Value>,
) -> Result<Value, Refusal> {
    let missing = || Refusal::not_found(&format!("/{}", segments.join("/")));
    let ["v1", "Interactions", interaction, "Channels", rest @ ..] = segments else { return Err(missing()) };
    let task_sid = renamed("WT", interaction);
    let people = cloud.machine(|machine| machine.participants(&task_sid));
    let conference = people.first().map(|(_, data)| data["conference_sid"].clone());
    let channel = json!({
        "sid": renamed("UO", interaction),
        "type": "voice",
        "status": "active",
        "interaction_sid": interaction,
        "media_sid": conference,
    });
    match rest {
        [] => Ok(json!({ "channels": if people.is_empty() { vec![] } else { vec![channel] } })),
        [_] if post && params.get("status").is_some_and(|status| status == "closed") => {
            cloud.apply(Input::EndConference { task_sid })?;
            Ok(channel)
        }
        [_, "Participants"] if !post => {
            let joined = people.iter().filter(|(_, data)| data["status"] == "joined");
            let participants: Vec<Value> =
                joined.map(|(key, data)| participant(&task_sid, key, data)).collect();
            Ok(json!({ "participants": participants, "channel_type": "voice" }))
        }
        [_, "Participants", sid] if post => {
            let stays = params.get("media_properties").map(|media| media["end_conference_on_exit"].clone());
            let agent = people
                .iter()
                .find(|(key, data)| renamed("UT", key) == *sid && data["worker_sid"] == account::WORKER_SID);
            let (Some((key, data)), Some(stays)) = (agent, stays) else { return Err(missing()) };
            cloud.apply(Input::UpdateAgent {
                sid: key.clone(),
                end_conference_on_exit: stays.as_bool(),
                mute: None,
                hold: None,
                kick: false,
            })?;
            Ok(participant(&task_sid, key, data))
        }
        _ => Err(missing()),
    }
}

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

fn participant(task_sid: &str, key: &str, data: &Value) -> Value {
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
