//! The conference of a voice task as a channel with participants.
//!
//! Where there is no such channel Flex UI falls back to the task's Sync map.
//!
//! Inferred: that a voice task which TaskRouter puts into a conference has such a channel, and the names within a
//! participant's media properties, from how Flex UI reads them.

use serde_json::{Map, Value, json};

use super::participant::participant;
use crate::account;
use crate::state::FlexCloud;
use crate::taskrouter::machine::event::{Event, Refusal};
use crate::taskrouter::resource::renamed;

/// Answers what follows `Channels` in the path.
pub(super) fn answer(
    cloud: &FlexCloud,
    task_sid: &str,
    rest: &[&str],
    post: bool,
    params: &Map<String, Value>,
) -> Result<Value, Refusal> {
    let interaction = renamed("KD", task_sid);
    let missing =
        || Refusal::not_found(&format!("/v1/Interactions/{interaction}/Channels/{}", rest.join("/")));
    let people = cloud.workspace(|space| space.participants(task_sid));
    let conference = people.first().map(|(_, data)| data["conference_sid"].clone());
    let channel = json!({
        "sid": renamed("UO", task_sid),
        "type": "voice",
        "status": "active",
        "interaction_sid": interaction,
        "media_sid": conference,
    });
    match rest {
        [] => Ok(json!({ "channels": if people.is_empty() { vec![] } else { vec![channel] } })),
        [_] if post && params.get("status").is_some_and(|status| status == "closed") => {
            cloud.apply(Event::EndConference { task_sid: task_sid.to_owned() })?;
            Ok(channel)
        }
        [_, "Participants"] if !post => {
            let joined = people.iter().filter(|(_, data)| data["status"] == "joined");
            let participants: Vec<Value> =
                joined.map(|(key, data)| participant(task_sid, key, data)).collect();
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
            Ok(participant(task_sid, key, data))
        }
        _ => Err(missing()),
    }
}
