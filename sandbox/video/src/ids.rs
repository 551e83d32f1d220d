//! What is named by SIDs.

use kernel::id::is_sid;

kernel::identifier! {
    /// A room: `RM` and 32 hexadecimal digits.
    RoomSid, "room SID (RM and 32 hexadecimal digits)", |v| is_sid(v, "RM")
}

kernel::identifier! {
    /// Somebody's stay in a room: `PA` and 32 hexadecimal digits. Who comes back has another.
    ParticipantSid, "participant SID (PA and 32 hexadecimal digits)", |v| is_sid(v, "PA")
}

kernel::identifier! {
    /// A published track: `MT` and 32 hexadecimal digits.
    TrackSid, "track SID (MT and 32 hexadecimal digits)", |v| is_sid(v, "MT")
}
