//! Interactions: how Flex UI accepts, wraps up and completes a chat, and the conference of a voice task as a channel
//! with participants.
//!
//! Flex UI finds a task's interaction by the task's SID with another prefix, or by the task's attributes, which say the
//! same. A channel's participants are followed by events.

mod chat;
pub(crate) mod participant;
mod voice;

use serde_json::{Map, Value};

use super::machine::event::Refusal;
use super::resource::renamed;
use crate::state::FlexCloud;

/// Answers `v1/Interactions/...`.
pub(super) fn answer(
    cloud: &FlexCloud,
    segments: &[&str],
    post: bool,
    params: &Map<String, Value>,
) -> Result<Value, Refusal> {
    let ["v1", "Interactions", interaction, "Channels", rest @ ..] = segments else {
        return Err(Refusal::not_found(&format!("/{}", segments.join("/"))));
    };
    let task_sid = renamed("WT", interaction);
    match cloud.workspace(|space| space.chat(&task_sid)) {
        Some(chat) => chat::answer(cloud, &chat, &task_sid, rest, post, params),
        None => voice::answer(cloud, &task_sid, rest, post, params),
    }
}
