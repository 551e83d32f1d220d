//! The settings of video, for one account.

use std::collections::BTreeSet;

use kernel::Secret;
use service_kit::settings::{ConfigError, Section, Source};
use twilio::{ApiKey, WorkspaceSid, flex_token};

use super::forms::{FLEX_ORIGIN, KEY, ORIGIN, is_origin, plain_url};
use crate::video::{RecordingPolicy, VideoConfig};

/// The name of the variable with the secret of video's API key; with `_FILE` appended, of the one that names a file.
pub const VIDEO_API_KEY_SECRET: &str = "TWILIO_VIDEO_API_KEY_SECRET";

/// Opening, the card every few seconds, letting in, ending: more than any agent needs.
const REQUESTS_PER_MINUTE: u64 = 300;

/// Two are in every room. Source: <https://www.twilio.com/docs/video/programmable-video-limits>, 50 participants.
const MAX_GUESTS: u64 = 48;

/// Four hours.
const DEFAULT_MINUTES: u64 = 240;

/// A token must outlive the longest session, and none lives for longer than a day.
const MAX_MINUTES: u64 = 23 * 60;

/// The longest name of an organisation, in characters.
const MAX_ORGANISATION: usize = 64;

/// Where signalling is. Source: <https://www.twilio.com/docs/video/ip-addresses>, and the SDK's own list.
const REGIONS: [&str; 10] = ["gll", "au1", "br1", "de1", "ie1", "in1", "jp1", "sg1", "us1", "us2"];

/// What of video's secrets there is, and whom its key must not be.
pub(super) struct Secrets<'k> {
    /// Of the API key.
    pub api_key: Option<Secret>,
    /// What callbacks are signed with.
    pub auth_token: Option<Secret>,
    /// The keys of other features, and what each does.
    pub others: Vec<(&'k ApiKey, &'static str)>,
}

/// The settings, where it is switched on; `None` with an error told when they are not usable.
pub(super) fn read(source: &Source<'_>, section: &Section<'_>, secrets: Secrets<'_>) -> Option<VideoConfig> {
    // All are looked at also when it is off: they are no misspelt ones.
    let is_on = section.switch("video");
    let sid = section.own_text("video_api_key_sid", KEY, |text| text.parse().ok());
    let workspace_sid =
        section.text("workspace_sid", "workspace SID (WS and 32 hexadecimal digits)", |text| {
            WorkspaceSid::new(text).ok()
        });
    let public_origin = section.text(
        "video_public_origin",
        "origin (https://host[:port]; http only on this machine)",
        |text| is_public_origin(text).then(|| text.to_owned()),
    );
    let origin = |text: &str| is_origin(text).then(|| text.to_owned());
    let origins = section.list("video_allowed_origins", ORIGIN, origin);
    const EXTENSION: &str = "origin of an extension (chrome-extension://<32 letters a to p>)";
    let is_extension = |text: &str| text.starts_with("chrome-extension://") && is_origin(text);
    let extension = |text: &str| is_extension(text).then(|| text.to_owned());
    let extensions = section.list("video_extension_origins", EXTENSION, extension);
    let organisation = section.text("video_organisation", "name (1 to 64 characters)", |text| {
        is_name(text).then(|| text.trim().to_owned())
    });
    let guests = section.number("video_max_guests", 0..=MAX_GUESTS, "number of guests (0 to 48)", 0);
    let minutes = section.number(
        "video_max_minutes",
        10..=MAX_MINUTES,
        "number of minutes (10 to 1380)",
        DEFAULT_MINUTES,
    );
    let recording = section.text("video_recording", "way to record (off or ask)", |text| match text {
        "off" => Some(RecordingPolicy::Off),
        "ask" => Some(RecordingPolicy::Ask),
        _ => None,
    });
    let knock = section.switch("video_knock");
    let region = section.text(
        "video_region",
        "region of Video (gll, au1, br1, de1, ie1, in1, jp1, sg1, us1 or us2)",
        |text| REGIONS.contains(&text).then(|| text.to_owned()),
    );
    let text_from = section.text("video_text_from", "telephone number (as +15550100)", |text| {
        is_number(text).then(|| text.to_owned())
    });
    let requests_per_minute = section.count("video_requests_per_minute", REQUESTS_PER_MINUTE);
    if !is_on {
        return None;
    }

    let told = |name: &str, why: &str| source.error(ConfigError::Contradiction(format!("{name} {why}")));
    let name = section.name("video_api_key_sid");
    let api_key = match (sid, secrets.api_key) {
        (Some(sid), Some(secret)) => Some(ApiKey::new(sid, secret)),
        (None, _) if !section.is_set_here("video_api_key_sid") => {
            told(
                &name,
                // Source: <https://www.twilio.com/docs/iam/api-keys/restricted-api-keys>.
                "is not set: video has an API key of its own. Create one in the Twilio Console (Account, API keys; in region US1, \
                 a standard one, since a restricted one cannot sign access tokens)",
            );
            None
        }
        (Some(_), None) => {
            told(
                &name,
                &format!(
                    "has no secret: set {VIDEO_API_KEY_SECRET} or {VIDEO_API_KEY_SECRET}_FILE (in a file with accounts, \
                     video_api_key_secret_file or video_api_key_secret_env)"
                ),
            );
            None
        }
        // It is malformed, which was told.
        (None, _) => None,
    };
    if let Some(key) = &api_key
        && let Some((_, what)) = secrets.others.iter().find(|(other, _)| other.sid() == key.sid())
    {
        told(
            &name,
            &format!(
                "is the key that {what}: whoever got hold of one should not have the other. Create another"
            ),
        );
        return None;
    }
    if workspace_sid.is_none() && !section.is_set("workspace_sid") {
        told(&section.name("workspace_sid"), "is not set: video asks TaskRouter there who has a task");
    }
    if public_origin.is_none() && !section.is_set("video_public_origin") {
        told(
            &section.name("video_public_origin"),
            "is not set: the links that customers get begin with it, as https://video.example.com",
        );
    }
    let all = |list: Vec<String>| list.into_iter().collect::<BTreeSet<String>>();
    Some(VideoConfig {
        api_key: api_key?,
        auth_token: secrets.auth_token,
        workspace_sid: workspace_sid?,
        public_origin: public_origin?,
        allowed_origins: origins.map_or_else(|| BTreeSet::from([FLEX_ORIGIN.to_owned()]), all),
        // Whichever extension may ask for Voice tokens.
        extension_origins: extensions.map_or_else(
            || {
                let asks = section.list("allowed_origins", ORIGIN, origin).unwrap_or_default();
                asks.into_iter().filter(|origin| is_extension(origin)).collect()
            },
            all,
        ),
        organisation: organisation.unwrap_or_default(),
        max_guests: u8::try_from(guests).unwrap_or_default(),
        max_minutes: u32::try_from(minutes).unwrap_or_default(),
        recording: recording.unwrap_or_default(),
        knock,
        region: region.unwrap_or_else(|| "gll".to_owned()),
        text_from,
        requests_per_minute,
    })
}

/// What links can begin with. On this machine also without TLS, since browsers give pages from there a camera, too.
fn is_public_origin(text: &str) -> bool {
    plain_url(text).is_some_and(|url| flex_token::is_safe_base_url(&url))
        && reqwest::Url::parse(text).is_ok_and(|url| url.origin().ascii_serialization() == text)
}

/// Something to be shown to people.
fn is_name(text: &str) -> bool {
    let text = text.trim();
    !text.is_empty() && text.chars().count() <= MAX_ORGANISATION && !text.contains(char::is_control)
}

/// As E.164 has it.
fn is_number(text: &str) -> bool {
    text.strip_prefix('+')
        .is_some_and(|digits| (7..=15).contains(&digits.len()) && digits.bytes().all(|b| b.is_ascii_digit()))
}
