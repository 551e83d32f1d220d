//! `https://video.twilio.com/v1`: what is asked, read from method, path and form.
//!
//! Source: <https://www.twilio.com/docs/video/api>. What is not here (recordings' files, compositions, transcriptions) is
//! answered as a resource that does not exist.

use axum::http::{HeaderMap, Method};
use kernel::{AccountSid, Secret};
use sandbox_kit::basic;
use twilio::ApiKey;

use crate::machine::delivery;
use crate::machine::request::{OfParticipant, OfRoom, Page, Request};
use crate::machine::rules::Rules;
use crate::machine::settings::Settings;
use crate::problem::Problem;

/// The fields of a form or a query, in their order; a name may come more than once.
#[derive(Debug, Default)]
pub(crate) struct Form(Vec<(String, String)>);

impl Form {
    pub fn parse(text: &[u8]) -> Self {
        let fields = url::form_urlencoded::parse(text);
        Self(fields.map(|(name, value)| (name.into_owned(), value.into_owned())).collect())
    }

    fn all<'a>(&'a self, name: &'a str) -> impl Iterator<Item = &'a str> {
        self.0.iter().filter(move |(known, _)| known == name).map(|(_, value)| value.as_str())
    }

    /// The value, unless it is empty: Twilio takes an empty one for none.
    fn get(&self, name: &str) -> Option<&str> {
        self.0
            .iter()
            .find(|(known, value)| known == name && !value.is_empty())
            .map(|(_, value)| value.as_str())
    }

    fn owned(&self, name: &str) -> Option<String> {
        self.get(name).map(str::to_owned)
    }

    fn flag(&self, name: &str) -> Result<bool, Problem> {
        match self.get(name) {
            None => Ok(false),
            Some(text) => text.to_ascii_lowercase().parse().map_err(|_no_bool| Problem::INVALID_PARAMETER),
        }
    }

    fn number(&self, name: &str, default: u64, from: u64, to: u64, problem: Problem) -> Result<u64, Problem> {
        let Some(text) = self.get(name) else { return Ok(default) };
        text.parse().ok().filter(|number| (from..=to).contains(number)).ok_or(problem)
    }

    fn page(&self) -> Result<Page, Problem> {
        let default = Page::default();
        let size = self.number("PageSize", default.size as u64, 1, u64::MAX, Problem::INVALID_PARAMETER)?;
        let number = self.number("Page", 0, 0, u64::from(u32::MAX), Problem::INVALID_PARAMETER)?;
        // Source: the pages of every list; more are cut to 100.
        let whole = |value: u64| usize::try_from(value).map_err(|_too_large| Problem::INVALID_PARAMETER);
        Ok(Page { number: whole(number)?, size: whole(size.min(100))? })
    }
}

/// Whether the credentials are the account's: its auth token, or an API key with its secret.
pub(crate) fn is_allowed(
    headers: &HeaderMap,
    account: &AccountSid,
    auth_token: &Secret,
    keys: &[ApiKey],
) -> bool {
    basic::credentials(headers).is_some_and(|(user, password)| {
        (user == account.as_str() && password == auth_token.expose())
            || keys.iter().any(|key| user == key.sid().as_str() && password == key.secret().expose())
    })
}

/// Reads a request. `path` begins after the version.
pub(crate) fn parse(method: &Method, path: &str, query: &Form, body: &Form) -> Result<Request, Problem> {
    let segments: Vec<String> = path.split('/').filter(|part| !part.is_empty()).map(decoded).collect();
    let segments: Vec<&str> = segments.iter().map(String::as_str).collect();
    let (reads, writes) = (*method == Method::GET, *method == Method::POST);
    match segments.as_slice() {
        ["Rooms"] if writes => create(body),
        ["Rooms"] if reads => Ok(Request::Rooms {
            status: one_of(query, "Status", &["in-progress", "completed", "failed"])?,
            unique_name: query.owned("UniqueName"),
            page: query.page()?,
        }),
        ["Rooms", room, rest @ ..] => {
            let what = of_room(rest, reads, writes, query, body)?;
            Ok(Request::Room((*room).to_owned(), what))
        }
        _ => Err(Problem::NOT_FOUND),
    }
}

fn of_room(rest: &[&str], reads: bool, writes: bool, query: &Form, body: &Form) -> Result<OfRoom, Problem> {
    Ok(match rest {
        [] if reads => OfRoom::Fetch,
        [] if writes => match body.get("Status") {
            Some("completed") => OfRoom::Complete,
            _ => return Err(Problem::STATUS),
        },
        ["RecordingRules"] if reads => OfRoom::RecordingRules,
        ["RecordingRules"] if writes => OfRoom::SetRecordingRules(rules(body)?),
        ["Participants"] if reads => OfRoom::Participants {
            status: one_of(query, "Status", &["connected", "reconnecting", "disconnected"])?,
            identity: query.owned("Identity"),
            page: query.page()?,
        },
        ["Participants", participant, rest @ ..] => {
            OfRoom::Participant((*participant).to_owned(), of_participant(rest, reads, writes, body)?)
        }
        _ => return Err(Problem::NOT_FOUND),
    })
}

fn of_participant(rest: &[&str], reads: bool, writes: bool, body: &Form) -> Result<OfParticipant, Problem> {
    Ok(match rest {
        [] if reads => OfParticipant::Fetch,
        [] if writes => match body.get("Status") {
            Some("disconnected") => OfParticipant::Disconnect,
            _ => return Err(Problem::PARTICIPANT_STATUS),
        },
        ["Anonymize"] if writes => OfParticipant::Anonymize,
        ["PublishedTracks"] if reads => OfParticipant::PublishedTracks(None),
        ["PublishedTracks", track] if reads => OfParticipant::PublishedTracks(Some((*track).to_owned())),
        ["SubscribedTracks"] if reads => OfParticipant::SubscribedTracks(None),
        ["SubscribedTracks", track] if reads => OfParticipant::SubscribedTracks(Some((*track).to_owned())),
        ["SubscribeRules"] if reads => OfParticipant::SubscribeRules,
        ["SubscribeRules"] if writes => OfParticipant::SetSubscribeRules(rules(body)?),
        _ => return Err(Problem::NOT_FOUND),
    })
}

fn create(body: &Form) -> Result<Request, Problem> {
    let default = Settings::default();
    let unique_name = body.owned("UniqueName");
    if unique_name.as_ref().is_some_and(|name| name.chars().count() > 128) {
        return Err(Problem::ROOM_NAME_TOO_LONG);
    }
    // Inferred: a name that looks like a SID could not be told from one.
    if unique_name.as_ref().is_some_and(|name| crate::ids::RoomSid::new(name.as_str()).is_ok()) {
        return Err(Problem::ROOM_NAME_INVALID);
    }
    match body.get("Type") {
        None | Some("group") => {}
        Some("go" | "peer-to-peer" | "group-small") => return Err(Problem::LEGACY_TYPE),
        Some(_) => return Err(Problem::ROOM_TYPE),
    }
    let method = match body.get("StatusCallbackMethod").unwrap_or("POST") {
        "GET" => delivery::Method::Get,
        "POST" => delivery::Method::Post,
        _ => return Err(Problem::CALLBACK_METHOD),
    };
    let callback = body.owned("StatusCallback");
    if callback.as_ref().is_some_and(|address| !is_web_address(address)) {
        return Err(Problem::CALLBACK);
    }
    let codecs: Vec<String> = body.all("VideoCodecs").map(str::to_owned).collect();
    if codecs.iter().any(|codec| !matches!(codec.as_str(), "VP8" | "H264")) {
        return Err(Problem::INVALID_PARAMETER);
    }
    let most = body.number("MaxParticipants", 50, 1, 50, Problem::MAX_PARTICIPANTS)?;
    let settings = Settings {
        max_participants: u32::try_from(most).map_err(|_too_large| Problem::MAX_PARTICIPANTS)?,
        max_participant_duration_s: body.number(
            "MaxParticipantDuration",
            default.max_participant_duration_s,
            600,
            86_400,
            Problem::TIMEOUT,
        )?,
        empty_room_timeout_min: body.number("EmptyRoomTimeout", 5, 1, 60, Problem::TIMEOUT)?,
        unused_room_timeout_min: body.number("UnusedRoomTimeout", 5, 1, 60, Problem::TIMEOUT)?,
        record_participants_on_connect: body.flag("RecordParticipantsOnConnect")?,
        callback: callback.map(|address| (address, method)),
        media_region: body
            .owned("MediaRegion")
            .filter(|region| region != "gll")
            .unwrap_or(default.media_region),
        video_codecs: if codecs.is_empty() { default.video_codecs } else { codecs },
        audio_only: body.flag("AudioOnly")?,
    };
    let recording_rules = body.get("RecordingRules").map(Rules::parse).transpose()?;
    Ok(Request::Create { unique_name, settings, recording_rules })
}

fn is_web_address(text: &str) -> bool {
    url::Url::parse(text).is_ok_and(|url| matches!(url.scheme(), "http" | "https") && url.has_host())
}

fn rules(body: &Form) -> Result<Rules, Problem> {
    Rules::parse(body.get("Rules").ok_or(Problem::RULES)?)
}

fn one_of(query: &Form, name: &str, known: &[&str]) -> Result<Option<String>, Problem> {
    match query.owned(name) {
        Some(value) if !known.contains(&value.as_str()) => Err(Problem::INVALID_PARAMETER),
        value => Ok(value),
    }
}

/// A part of a path, without its percent signs. A plus sign is itself there.
fn decoded(part: &str) -> String {
    let escaped = format!("part={}", part.replace('+', "%2B"));
    let first = url::form_urlencoded::parse(escaped.as_bytes()).next();
    first.map(|(_, value)| value.into_owned()).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use axum::http::header;
    use base64::{Engine as _, engine::general_purpose::STANDARD};
    use twilio::ApiKeySid;

    use super::*;

    fn asked(method: &Method, path: &str, body: &str) -> Result<Request, Problem> {
        let (path, query) = path.split_once('?').unwrap_or((path, ""));
        parse(method, path, &Form::parse(query.as_bytes()), &Form::parse(body.as_bytes()))
    }

    fn created(body: &str) -> Result<Settings, Problem> {
        match asked(&Method::POST, "/Rooms", body)? {
            Request::Create { settings, .. } => Ok(settings),
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn a_room_is_as_it_was_asked_for() {
        let settings = created(
            "UniqueName=CH1&Type=group&MaxParticipants=3&EmptyRoomTimeout=7&UnusedRoomTimeout=8\
             &MaxParticipantDuration=900&RecordParticipantsOnConnect=true&StatusCallback=http%3A%2F%2F127.0.0.1%3A9%2Fv\
             &StatusCallbackMethod=GET&VideoCodecs=VP8&MediaRegion=de1",
        )
        .unwrap();
        assert_eq!(
            settings,
            Settings {
                max_participants: 3,
                max_participant_duration_s: 900,
                empty_room_timeout_min: 7,
                unused_room_timeout_min: 8,
                record_participants_on_connect: true,
                callback: Some(("http://127.0.0.1:9/v".into(), delivery::Method::Get)),
                media_region: "de1".into(),
                video_codecs: vec!["VP8".into()],
                audio_only: false,
            }
        );
        assert_eq!(created("").unwrap(), Settings::default());
    }

    #[test]
    fn what_twilio_refuses_is_refused_with_its_code() {
        for (body, code) in [
            (format!("UniqueName={}", "x".repeat(129)).as_str(), 53101),
            ("Type=peer-to-peer", 53126),
            ("Type=square", 53108),
            ("MaxParticipants=0", 53107),
            ("MaxParticipants=51", 53107),
            ("MaxParticipants=many", 53107),
            ("EmptyRoomTimeout=61", 53109),
            ("UnusedRoomTimeout=0", 53109),
            ("MaxParticipantDuration=599", 53109),
            ("StatusCallback=nowhere", 53111),
            ("StatusCallbackMethod=PUT", 53110),
            ("RecordingRules=all", 53120),
        ] {
            assert_eq!(created(body).map_err(|problem| problem.code), Err(code), "{body}");
        }
        let code = |method: &Method, path: &str, body: &str| asked(method, path, body).unwrap_err().code;
        assert_eq!(code(&Method::POST, "/Rooms/RM1", "Status=paused"), 53112);
        assert_eq!(code(&Method::POST, "/Rooms/RM1/Participants/PA1", "Status=connected"), 53209);
        assert_eq!(code(&Method::GET, "/Rooms?Status=open", ""), 20001);
        assert_eq!(code(&Method::GET, "/Rooms/RM1/Doors", ""), 20404);
        assert_eq!(code(&Method::DELETE, "/Rooms/RM1", ""), 20404);
    }

    #[test]
    fn each_path_is_what_it_says() {
        let room = |what| Ok(Request::Room("a room+1".into(), what));
        let path = "/Rooms/a%20room+1";
        let (get, post) = (Method::GET, Method::POST);
        assert_eq!(asked(&get, path, ""), room(OfRoom::Fetch));
        assert_eq!(asked(&post, path, "Status=completed"), room(OfRoom::Complete));
        assert_eq!(asked(&get, &format!("{path}/RecordingRules"), ""), room(OfRoom::RecordingRules));
        let of = |what| room(OfRoom::Participant("PA1".into(), what));
        let path = format!("{path}/Participants/PA1");
        assert_eq!(asked(&get, &path, ""), of(OfParticipant::Fetch));
        assert_eq!(asked(&post, &path, "Status=disconnected"), of(OfParticipant::Disconnect));
        assert_eq!(asked(&post, &format!("{path}/Anonymize"), ""), of(OfParticipant::Anonymize));
        assert_eq!(
            asked(&get, &format!("{path}/PublishedTracks/MT1"), ""),
            of(OfParticipant::PublishedTracks(Some("MT1".into())))
        );
        assert_eq!(asked(&get, &format!("{path}/SubscribeRules"), ""), of(OfParticipant::SubscribeRules));
    }

    #[test]
    fn only_the_account_and_its_key_may_ask() {
        let account = AccountSid::new(format!("AC{}", "1".repeat(32))).unwrap();
        let key =
            ApiKey::new(ApiKeySid::new(format!("SK{}", "2".repeat(32))).unwrap(), Secret::new("key-secret"));
        let token = Secret::new("auth-token");
        let brought = |authorization: Option<&str>| {
            let header = authorization.map(|text| (header::AUTHORIZATION, text.parse().unwrap()));
            header.into_iter().collect::<HeaderMap>()
        };
        let allowed = |user: &str, password: &str| {
            let header = format!("Basic {}", STANDARD.encode(format!("{user}:{password}")));
            is_allowed(&brought(Some(&header)), &account, &token, std::slice::from_ref(&key))
        };
        assert!(allowed(account.as_str(), "auth-token"));
        assert!(allowed(key.sid().as_str(), "key-secret"));
        assert!(!allowed(account.as_str(), "key-secret"));
        assert!(!allowed(key.sid().as_str(), ""));
        assert!(!is_allowed(&brought(None), &account, &token, std::slice::from_ref(&key)));
        assert!(!is_allowed(&brought(Some("Bearer x")), &account, &token, std::slice::from_ref(&key)));
    }
}
