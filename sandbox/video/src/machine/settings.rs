//! How a room is.

use super::delivery::Method;

/// What REST says of a room when it makes it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Settings {
    /// 1 to 50.
    pub max_participants: u32,
    /// Seconds that one may stay.
    pub max_participant_duration_s: u64,
    /// Minutes until a room that everybody left ends.
    pub empty_room_timeout_min: u64,
    /// Minutes until a room that nobody came to ends.
    pub unused_room_timeout_min: u64,
    /// Whether recording begins with the first participant.
    pub record_participants_on_connect: bool,
    /// Where callbacks go.
    pub callback: Option<(String, Method)>,
    /// Where the media server is said to be.
    pub media_region: String,
    /// Names of codecs.
    pub video_codecs: Vec<String>,
    /// No pictures.
    pub audio_only: bool,
}

impl Default for Settings {
    /// Source: <https://www.twilio.com/docs/video/api/rooms-resource>, defaults of the parameters.
    fn default() -> Self {
        Self {
            max_participants: 50,
            max_participant_duration_s: 14_400,
            empty_room_timeout_min: 5,
            unused_room_timeout_min: 5,
            record_participants_on_connect: false,
            callback: None,
            media_region: "us1".into(),
            video_codecs: vec!["H264".into(), "VP8".into()],
            audio_only: false,
        }
    }
}
