//! Interactions: the conference of a voice task as a channel with participants.
//!
//! Flex UI finds a task's interaction by the task's SID with another prefix, asks for its voice channel, and then follows
//! the participants by events. Where there is no such channel it falls back to the task's Sync map.
//!
//! Inferred: that a voice task which TaskRouter puts into a conference has such a channel, and the names within a
//! participant's media properties, from how Flex UI reads them.

pub(crate) mod participant;

use serde_json::{Map, Value, json};

use self::participant::{participant, renamed};
use super::machine::event::{Event, Refusal};
use crate::account;
use crate::state::FlexCloud;

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
    let people = cloud.workspace(|space| space.participants(&task_sid));
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
            cloud.apply(Event::EndConference { task_sid })?;
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
            cloud.apply(Event::UpdateAgent {
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
