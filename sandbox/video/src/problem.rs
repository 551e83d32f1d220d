//! Twilio's errors: one number for signalling and REST.
//!
//! Source of numbers and texts: `lib/util/twilio-video-errors.js` of `twilio-video` 2.36.0, and
//! <https://www.twilio.com/docs/api/errors>. Inferred: the HTTP status of each, where it is not 404 or 401.

use serde_json::{Value, json};

/// An error as the client sees it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{code} {message}")]
pub struct Problem {
    /// Twilio's number.
    pub code: u32,
    /// The HTTP status by REST.
    pub status: u16,
    /// Twilio's words.
    pub message: &'static str,
}

const fn problem(code: u32, status: u16, message: &'static str) -> Problem {
    Problem { code, status, message }
}

impl Problem {
    /// No or wrong credentials at REST.
    pub const AUTHENTICATE: Self = problem(20003, 401, "Authenticate");
    /// A parameter has a value that it cannot have.
    pub const INVALID_PARAMETER: Self = problem(20001, 400, "Invalid parameter");
    /// There is no such resource.
    pub const NOT_FOUND: Self = problem(20404, 404, "The requested resource was not found");
    /// Not an access token.
    pub const TOKEN_INVALID: Self = problem(20101, 401, "Invalid Access Token");
    /// Its header is not that of an access token.
    pub const TOKEN_HEADER: Self = problem(20102, 401, "Invalid Access Token header");
    /// Of another key or account.
    pub const TOKEN_ISSUER: Self = problem(20103, 401, "Invalid Access Token issuer/subject");
    /// Its time is over, or would be too long.
    pub const TOKEN_EXPIRED: Self = problem(20104, 401, "Access Token expired or expiration date invalid");
    /// Its time has not come.
    pub const TOKEN_NOT_YET_VALID: Self = problem(20105, 401, "Access Token not yet valid");
    /// It grants no video, or names nobody.
    pub const TOKEN_GRANTS: Self = problem(20106, 401, "Invalid Access Token grants");
    /// Signed with another secret.
    pub const TOKEN_SIGNATURE: Self = problem(20107, 401, "Invalid Access Token signature");
    /// A message that is not one.
    pub const MESSAGE_INVALID: Self = problem(53004, 400, "Client sent an invalid signaling message");
    /// No name is empty.
    pub const ROOM_NAME_INVALID: Self = problem(53100, 400, "Room name is invalid");
    /// More than 128 characters.
    pub const ROOM_NAME_TOO_LONG: Self = problem(53101, 400, "Room name is too long");
    /// Only REST makes rooms.
    pub const CANNOT_CREATE: Self = problem(53103, 400, "Unable to create Room");
    /// The token is of another room.
    pub const CANNOT_CONNECT: Self = problem(53104, 400, "Unable to connect to Room");
    /// Full.
    pub const TOO_MANY_PARTICIPANTS: Self = problem(53105, 400, "Room contains too many Participants");
    /// There is none, or it is completed.
    pub const ROOM_NOT_FOUND: Self = problem(53106, 404, "Room not found");
    /// 1 to 50.
    pub const MAX_PARTICIPANTS: Self = problem(53107, 400, "MaxParticipants is out of range");
    /// Not a type that an account of today can have.
    pub const ROOM_TYPE: Self = problem(53108, 400, "RoomType is not valid");
    /// Minutes or seconds that no timeout can have.
    pub const TIMEOUT: Self = problem(53109, 400, "Timeout is out of range");
    /// GET or POST.
    pub const CALLBACK_METHOD: Self = problem(53110, 400, "StatusCallbackMethod is invalid");
    /// Not an address.
    pub const CALLBACK: Self = problem(53111, 400, "StatusCallback is invalid");
    /// A status that one cannot ask for.
    pub const STATUS: Self = problem(53112, 400, "Status is invalid");
    /// A room in progress has the name.
    pub const ROOM_EXISTS: Self = problem(53113, 400, "Room exists");
    /// The room is over.
    pub const ROOM_COMPLETED: Self = problem(53118, 400, "Room completed");
    /// The types before group rooms, closed to accounts that began with Video after 2024-10-21.
    pub const LEGACY_TYPE: Self = problem(53126, 400, "The Room type is not available for this account");
    /// No identity, or one that is too long.
    pub const IDENTITY_INVALID: Self = problem(53200, 400, "Participant identity is invalid");
    /// Too many tracks.
    pub const TOO_MANY_TRACKS: Self = problem(
        53203,
        400,
        "The maximum number of published tracks allowed in the Room at the same time has been reached",
    );
    /// Whose session it is, is not here any more.
    pub const PARTICIPANT_NOT_FOUND: Self = problem(53204, 404, "Participant not found");
    /// The same identity joined again.
    pub const DUPLICATE_IDENTITY: Self =
        problem(53205, 400, "Participant disconnected because of duplicate identity");
    /// A status that a participant cannot be given.
    pub const PARTICIPANT_STATUS: Self = problem(53209, 400, "Participant status is invalid");
    /// The longest stay is over.
    pub const SESSION_TOO_LONG: Self = problem(53216, 400, "Participant session length exceeded");
    /// Rules that are none.
    pub const RULES: Self = problem(53120, 400, "Recording rule(s) invalid");
    /// The server could not take the client's description.
    pub const REMOTE_DESCRIPTION: Self =
        problem(53403, 400, "Server is unable to apply a remote media description");

    /// As REST answers it.
    #[must_use]
    pub fn to_json(self) -> Value {
        json!({
            "code": self.code,
            "message": self.message,
            "more_info": format!("https://www.twilio.com/docs/errors/{}", self.code),
            "status": self.status,
        })
    }
}
