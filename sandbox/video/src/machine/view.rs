//! Rooms and participants as REST answers them.
//!
//! Source: <https://www.twilio.com/docs/video/api>, and the classes below `rest/video/v1` of the npm package `twilio`.

use kernel::Timestamp;
use serde_json::{Value, json};

use super::participant::{Participant, Stage, Track};
use super::request::Page;
use super::room::Room;
use super::rules::Rules;
use sandbox_kit::clock::iso_seconds;

const BASE: &str = "https://video.twilio.com/v1";

pub(crate) fn room(account: &str, room: &Room) -> Value {
    let url = format!("{BASE}/Rooms/{}", room.sid);
    let settings = &room.settings;
    json!({
        "sid": room.sid,
        "account_sid": account,
        "status": room.status(),
        "type": "group",
        "unique_name": room.name,
        "date_created": iso_seconds(room.created),
        "date_updated": iso_seconds(room.updated),
        "end_time": room.ended.map(iso_seconds),
        "duration": room.ended.map(|ended| ended.since(room.created) / 1000),
        "enable_turn": true,
        "max_participants": settings.max_participants,
        "max_participant_duration": settings.max_participant_duration_s,
        "max_concurrent_published_tracks": 170,
        "record_participants_on_connect": settings.record_participants_on_connect,
        "video_codecs": settings.video_codecs,
        "media_region": settings.media_region,
        "audio_only": settings.audio_only,
        "empty_room_timeout": settings.empty_room_timeout_min,
        "unused_room_timeout": settings.unused_room_timeout_min,
        "large_room": false,
        "status_callback": settings.callback.as_ref().map(|(url, _)| url),
        "status_callback_method": settings.callback.as_ref().map(|(_, method)| method.as_str()),
        "url": url,
        "links": {
            "participants": format!("{url}/Participants"),
            "recordings": format!("{url}/Recordings"),
            "recording_rules": format!("{url}/RecordingRules"),
        },
    })
}

pub(crate) fn participant(account: &str, room: &Room, participant: &Participant) -> Value {
    let url = format!("{BASE}/Rooms/{}/Participants/{}", room.sid, participant.sid);
    let ended = match participant.stage {
        Stage::Disconnected { at } => Some(at),
        Stage::Joining | Stage::Connected | Stage::Reconnecting => None,
    };
    json!({
        "sid": participant.sid,
        "room_sid": room.sid,
        "account_sid": account,
        "status": participant.status(),
        "identity": participant.identity,
        "date_created": iso_seconds(participant.started),
        "date_updated": iso_seconds(participant.updated),
        "start_time": iso_seconds(participant.started),
        "end_time": ended.map(iso_seconds),
        "duration": ended.map(|ended| ended.since(participant.started) / 1000),
        "url": url,
        "links": {
            "published_tracks": format!("{url}/PublishedTracks"),
            "subscribed_tracks": format!("{url}/SubscribedTracks"),
            "subscribe_rules": format!("{url}/SubscribeRules"),
            "anonymize": format!("{url}/Anonymize"),
        },
    })
}

pub(crate) fn published(room: &Room, participant: &Participant, track: &Track) -> Value {
    json!({
        "sid": track.sid,
        "room_sid": room.sid,
        "participant_sid": participant.sid,
        "name": track.name,
        "kind": track.kind,
        "enabled": track.enabled,
        "date_created": iso_seconds(track.since),
        "date_updated": iso_seconds(track.since),
        "url": format!("{BASE}/Rooms/{}/Participants/{}/PublishedTracks/{}", room.sid, participant.sid, track.sid),
    })
}

pub(crate) fn subscribed(
    room: &Room,
    participant: &Participant,
    publisher: &Participant,
    track: &Track,
) -> Value {
    json!({
        "sid": track.sid,
        "room_sid": room.sid,
        "participant_sid": participant.sid,
        "publisher_sid": publisher.sid,
        "name": track.name,
        "kind": track.kind,
        "enabled": track.enabled,
        "date_created": iso_seconds(track.since),
        "date_updated": iso_seconds(track.since),
        "url": format!("{BASE}/Rooms/{}/Participants/{}/SubscribedTracks/{}", room.sid, participant.sid, track.sid),
    })
}

pub(crate) fn recording_rules(room: &Room) -> Value {
    json!({
        "room_sid": room.sid,
        "rules": room.recording_rules.to_json(),
        "date_created": iso_seconds(room.created),
        "date_updated": iso_seconds(room.recording_rules_updated),
    })
}

pub(crate) fn subscribe_rules(
    room: &Room,
    participant: &Participant,
    rules: &Rules,
    now: Timestamp,
) -> Value {
    json!({
        "participant_sid": participant.sid,
        "room_sid": room.sid,
        "rules": rules.to_json(),
        "date_created": iso_seconds(participant.started),
        "date_updated": iso_seconds(now),
    })
}

/// One page of a list, with the addresses of those beside it. `path` begins after the version.
pub(crate) fn list(key: &str, path: &str, all: Vec<Value>, page: Page) -> Value {
    let address = |number: usize| format!("{BASE}{path}?PageSize={}&Page={number}", page.size);
    let more = all.len() > (page.number + 1) * page.size;
    let part: Vec<Value> = all.into_iter().skip(page.number * page.size).take(page.size).collect();
    json!({
        key: part,
        "meta": {
            "key": key,
            "page": page.number,
            "page_size": page.size,
            "url": address(page.number),
            "first_page_url": address(0),
            "previous_page_url": page.number.checked_sub(1).map(address),
            "next_page_url": more.then(|| address(page.number + 1)),
        },
    })
}
