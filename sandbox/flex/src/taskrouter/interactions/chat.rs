//! A chat as Flex UI handles it: invite, channel, participants.
//!
//! The requests are Flex UI's own (2.7.2 and 2.17.1 send the same): `Invites/KG…` with `action` accept or decline,
//! `Channels/UO…` with `status` closed and `routing.status` wrapup or closed, `Participants[/UT…]`. Each then waits for
//! TaskRouter's event of the reservation. Inferred: the names in the answers, of which Flex UI reads few.

use sandbox_conversations::model::State;
use serde_json::{Map, Value, json};

use crate::account;
use crate::state::FlexCloud;
use crate::taskrouter::machine::event::{Event, Refusal, ReservationChange};
use crate::taskrouter::machine::view::ChatView;
use crate::taskrouter::resource::renamed;

/// Answers what follows `Channels` in the path.
pub(super) fn answer(
    cloud: &FlexCloud,
    chat: &ChatView,
    task_sid: &str,
    rest: &[&str],
    post: bool,
    params: &Map<String, Value>,
) -> Result<Value, Refusal> {
    let interaction = renamed("KD", task_sid);
    let missing =
        || Refusal::not_found(&format!("/v1/Interactions/{interaction}/Channels/{}", rest.join("/")));
    let change = |change| {
        let sid = chat.reservation_sid.clone().ok_or_else(missing)?;
        cloud.apply(Event::Reservation { sid, change })
    };
    let routed = || params.get("routing").map(|routing| routing["status"].clone()).unwrap_or_default();
    match rest {
        [] if !post => Ok(json!({ "channels": [channel(chat, task_sid, chat.open)] })),
        [sid] if *sid == renamed("UO", task_sid) => {
            if !post {
                return Ok(channel(chat, task_sid, chat.open));
            }
            change(match routed().as_str() {
                Some("wrapup") => ReservationChange::Wrap,
                _ => ReservationChange::Complete,
            })?;
            Ok(channel(chat, task_sid, false))
        }
        [_, "Invites", sid] if post && *sid == renamed("KG", task_sid) => {
            let accepts = match params.get("action").and_then(Value::as_str) {
                Some("accept") => true,
                Some("decline") => false,
                _ => {
                    return Err(Refusal::conflict("The action of an invite is accept or decline".to_owned()));
                }
            };
            let conversation = cloud.conversations().conversation(&chat.conversation_sid);
            if accepts && conversation.is_none_or(|conversation| conversation.state == State::Closed) {
                // Inferred: an invite into a conversation that is gone cannot be accepted; the reservation stays.
                return Err(Refusal::not_found(&format!("/Conversations/{}", chat.conversation_sid)));
            }
            change(if accepts { ReservationChange::Accept } else { ReservationChange::Reject })?;
            Ok(json!({ "sid": sid, "interaction_sid": interaction, "channel_sid": renamed("UO", task_sid) }))
        }
        [_, "Participants"] if !post => {
            let agent = chat.joined.then(|| participant(chat, task_sid, Side::Agent));
            let all: Vec<Value> =
                [participant(chat, task_sid, Side::Customer)].into_iter().chain(agent).collect();
            Ok(json!({ "participants": all, "channel_type": chat.channel_type.name() }))
        }
        // With the feature `remove-participant-on-task-completion` Flex UI completes a task so.
        [_, "Participants", sid] if post && *sid == renamed("UT", task_sid) => {
            change(ReservationChange::Complete)?;
            Ok(participant(chat, task_sid, Side::Agent))
        }
        _ => Err(missing()),
    }
}

fn channel(chat: &ChatView, task_sid: &str, open: bool) -> Value {
    json!({
        "sid": renamed("UO", task_sid),
        "interaction_sid": renamed("KD", task_sid),
        "type": chat.channel_type.name(),
        "status": if open { "active" } else { "closed" },
        "media_sid": chat.conversation_sid,
        "media_channel_sid": chat.conversation_sid,
        "routing": {},
    })
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Side {
    Agent,
    Customer,
}

fn participant(chat: &ChatView, task_sid: &str, side: Side) -> Value {
    let (sid, kind) = match side {
        Side::Agent => (renamed("UT", task_sid), "agent"),
        Side::Customer => (renamed("UT", &chat.conversation_sid), "customer"),
    };
    let mut media = json!({ "type": chat.channel_type.name(), "conversation_sid": chat.conversation_sid });
    match side {
        Side::Agent => media["identity"] = json!(account::AGENT_IDENTITY),
        Side::Customer => media["address"] = chat.customer_address.clone(),
    }
    json!({
        "sid": sid,
        "participant_sid": sid,
        "channel_sid": renamed("UO", task_sid),
        "channel_type": chat.channel_type.name(),
        "interaction_sid": renamed("KD", task_sid),
        "type": kind,
        "routing_properties": (side == Side::Agent).then(|| json!({
            "task_sid": task_sid,
            "reservation_sid": chat.reservation_sid,
            "worker_sid": account::WORKER_SID,
        })),
        "media_properties": media,
    })
}
