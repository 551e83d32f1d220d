//! Rooms of Video.
//!
//! Source: <https://www.twilio.com/docs/video/api>, and the classes below `rest/video/v1` of the npm package `twilio` 5.13.

use serde_json::Value;

use crate::{
    RoomSid,
    rest::{RestError, Unavailable, WritableRest},
};

/// Where Video's REST API is.
pub const DEFAULT_BASE_URL: &str = "https://video.twilio.com";

/// The longest timeout of an empty or unused room, in minutes.
pub const MAX_ROOM_TIMEOUT_MINUTES: u8 = 60;

/// What a participant's time may be set to, in seconds.
pub const PARTICIPANT_DURATION: std::ops::RangeInclusive<u32> = 600..=86_400;

/// Room not found: there is none of that name or SID that this could be done to. HTTP 404 as a rule.
const ROOM_NOT_FOUND: u32 = 53106;
/// A room in progress has this name.
const ROOM_EXISTS: u32 = 53113;
/// The room is completed.
const ROOM_COMPLETED: u32 = 53118;

/// Makes rooms and ends them.
#[derive(Clone, Debug)]
pub struct Rooms(WritableRest);

/// A room to be made: of type `group`, the only one that accounts of today have.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NewRoom<'a> {
    /// Unique among those in progress.
    pub name: &'a str,
    /// 1 to 50.
    pub max_participants: u8,
    /// The longest that one may stay, in [`PARTICIPANT_DURATION`].
    pub max_participant_seconds: u32,
    /// After so many minutes without anybody the room ends, both before somebody came and after.
    pub timeout_minutes: u8,
    /// Where Twilio tells of what happens in it.
    pub status_callback: Option<&'a str>,
}

/// What became of a room that was to be made.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Created {
    /// It is there.
    New(Room),
    /// A room in progress has the name already.
    Exists,
}

/// A room.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Room {
    /// Twilio's name for it; each room of the same name has another.
    pub sid: RoomSid,
    /// Its own name.
    pub name: String,
    /// Whether it can be joined.
    pub status: RoomStatus,
}

/// How far a room is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RoomStatus {
    /// It can be joined.
    InProgress,
    /// It is over.
    Completed,
    /// It never was.
    Failed,
}

/// Somebody in a room.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RoomParticipant {
    /// As in their token.
    pub identity: String,
    /// False while their connection is lost and may come back.
    pub connected: bool,
}

impl Rooms {
    /// By this.
    #[must_use]
    pub const fn new(rest: WritableRest) -> Self {
        Self(rest)
    }

    /// Makes a room.
    ///
    /// # Errors
    /// [`RestError`].
    pub async fn create(&self, new: &NewRoom<'_>) -> Result<Created, RestError> {
        let (participants, seconds, minutes) = (
            new.max_participants.to_string(),
            new.max_participant_seconds.to_string(),
            new.timeout_minutes.to_string(),
        );
        let mut form = vec![
            ("UniqueName", new.name),
            ("Type", "group"),
            ("MaxParticipants", &participants),
            ("MaxParticipantDuration", &seconds),
            ("EmptyRoomTimeout", &minutes),
            ("UnusedRoomTimeout", &minutes),
        ];
        if let Some(url) = new.status_callback {
            form.extend([("StatusCallback", url), ("StatusCallbackMethod", "POST")]);
        }
        match self.0.post(&["v1", "Rooms"], &form).await {
            Ok(answer) => room(&answer).map(Created::New),
            Err(RestError::Refused { code: ROOM_EXISTS }) => Ok(Created::Exists),
            Err(error) => Err(error),
        }
    }

    /// The room of this name that is in progress, or of this SID, which may be over; `None` where there is none.
    ///
    /// # Errors
    /// [`RestError`].
    pub async fn fetch(&self, name_or_sid: &str) -> Result<Option<Room>, RestError> {
        match self.0.reads().get(&["v1", "Rooms", name_or_sid], &[]).await {
            Ok(answer) => room(&answer).map(Some),
            Err(RestError::NotFound) => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// Ends a room for everybody in it. False where it was over already.
    ///
    /// # Errors
    /// [`RestError`].
    pub async fn complete(&self, sid: &RoomSid) -> Result<bool, RestError> {
        let answer = self.0.post(&["v1", "Rooms", sid.as_str()], &[("Status", "completed")]).await;
        done(answer)
    }

    /// Who is in a room.
    ///
    /// # Errors
    /// [`RestError`]; `NotFound` where there is no such room.
    pub async fn participants(&self, sid: &RoomSid) -> Result<Vec<RoomParticipant>, RestError> {
        let path = ["v1", "Rooms", sid.as_str(), "Participants"];
        // At most 50 are in a room; those who have left are listed, too, and are sorted out here.
        let mut next = None;
        let mut all = Vec::new();
        loop {
            let mut query = vec![("PageSize", "100")];
            query.extend(next.iter().flat_map(crate::rest::PageToken::query));
            let page = self.0.reads().page(&path, &query, "participants", participant).await?;
            all.extend(page.items);
            match page.next {
                Some(token) if Some(&token) != next.as_ref() => next = Some(token),
                _ => return Ok(all),
            }
        }
    }

    /// Removes somebody from a room, by their identity. Their token can bring them back, unless the room ends. False where they
    /// are not in it, or it is over.
    ///
    /// # Errors
    /// [`RestError`].
    pub async fn disconnect(&self, sid: &RoomSid, identity: &str) -> Result<bool, RestError> {
        let path = ["v1", "Rooms", sid.as_str(), "Participants", identity];
        done(self.0.post(&path, &[("Status", "disconnected")]).await)
    }

    /// Has everything that is said and shown in a room recorded from now on, or nothing. False where the room is over.
    ///
    /// # Errors
    /// [`RestError`].
    pub async fn record(&self, sid: &RoomSid, on: bool) -> Result<bool, RestError> {
        let rules =
            if on { r#"[{"type":"include","all":true}]"# } else { r#"[{"type":"exclude","all":true}]"# };
        let path = ["v1", "Rooms", sid.as_str(), "RecordingRules"];
        done(self.0.post(&path, &[("Rules", rules)]).await)
    }
}

/// Whether something was done; not where there was nothing any more that it could be done to.
///
/// Inferred: which of these Twilio says of a room that is over; all of them mean it.
fn done(answer: Result<Value, RestError>) -> Result<bool, RestError> {
    match answer {
        Ok(_) => Ok(true),
        Err(RestError::NotFound | RestError::Refused { code: ROOM_NOT_FOUND | ROOM_COMPLETED }) => Ok(false),
        Err(error) => Err(error),
    }
}

fn room(value: &Value) -> Result<Room, RestError> {
    let read = || {
        Some(Room {
            sid: value["sid"].as_str()?.parse().ok()?,
            name: value["unique_name"].as_str()?.to_owned(),
            status: match value["status"].as_str()? {
                "in-progress" => RoomStatus::InProgress,
                "completed" => RoomStatus::Completed,
                "failed" => RoomStatus::Failed,
                _ => return None,
            },
        })
    };
    read().ok_or(RestError::Unavailable(Unavailable::NotUnderstood))
}

fn participant(value: &Value) -> Option<RoomParticipant> {
    let connected = match value["status"].as_str()? {
        "connected" => true,
        "reconnecting" => false,
        _ => return None,
    };
    Some(RoomParticipant { identity: value["identity"].as_str()?.to_owned(), connected })
}
