//! The token service's HTTP contract of video: an agent's chat or call goes on face to face.
//!
//! ```text
//! the agent's Flex page, with `Authorization: Bearer <Flex token>` (and `?account_sid=` where the service is for several accounts):
//! POST /v1/video/tasks/{task}              OpenVideo      VideoOpened   opens the session, or finds the one that is there
//! GET  /v1/video/tasks/{task}                             VideoStatus   the card
//! POST /v1/video/tasks/{task}/invitations  Invite         Invitation    one more link, or all former ones revoked
//! POST /v1/video/tasks/{task}/admit        Admit          VideoStatus   somebody waits
//! POST /v1/video/tasks/{task}/end          End            VideoStatus
//!
//! the page of the call, customer's and agent's alike, without any header of its own; from the service's origin or the extension's:
//! POST /v1/video/look                      Look           Looked        what the code is for; uses nothing up
//! POST /v1/video/join                      Join           Joined        the tap: takes or takes back a place
//! POST /v1/video/pulse                     Pulse          Pulsed        every few seconds, while waiting and while in the room
//! POST /v1/video/leave                     Leave          204           also by `navigator.sendBeacon`, as text/plain
//! POST /v1/video/admit                     AdmitBySeat    Pulsed        the agent's window: somebody waits
//! POST /v1/video/end                       EndBySeat      Pulsed        the agent's window: for all
//!
//! Twilio, signed:
//! POST /v1/video/callbacks/room            status callbacks of rooms
//! POST /v1/video/callbacks/task            TaskRouter's events, where an administrator sends them here
//!
//! anybody: GET /v/{code} and /v/{file}     the page; never looks at the code
//! ```
//!
//! A **session** is of one conversation (of one task, where a task has none) and outlives tasks: the next agent of the same
//! conversation finds it. Its room is made by REST under the conversation's name, and made anew under the same link while
//! the task lives. A **code** stands in a link and is no token: random, kept by its digest, revocable. A tap on the page
//! exchanges it for a **seat**: a secret of that browser, an identity that the service chose, and a token for that room
//! alone. The first browser has the customer's seat; every other one waits until the agent has said yes.
//!
//! From 400 up the body is a [`VideoErrorBody`].

use serde::{Deserialize, Serialize};

/// What the paths of an agent's requests begin with; `/{task}` follows.
pub const TASKS_PATH: &str = "/v1/video/tasks";
/// What a code is for.
pub const LOOK_PATH: &str = "/v1/video/look";
/// The tap.
pub const JOIN_PATH: &str = "/v1/video/join";
/// While waiting, and while in the room.
pub const PULSE_PATH: &str = "/v1/video/pulse";
/// Somebody leaves.
pub const LEAVE_PATH: &str = "/v1/video/leave";
/// The agent's answer to somebody who waits, from the window of the call.
pub const ADMIT_PATH: &str = "/v1/video/admit";
/// The end, from the agent's window.
pub const END_PATH: &str = "/v1/video/end";
/// What a link's path begins with; the code follows.
pub const PAGE_PATH: &str = "/v/";

/// How many characters a code has: 20 of Crockford's base 32, in lower case, 100 bits.
pub const CODE_LENGTH: usize = 20;

/// Body of `POST …/tasks/{task}`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, wire::ToTree, wire::FromTree)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct OpenVideo {
    /// Whether a call of the agent is live: their window then begins without a microphone.
    #[serde(default)]
    pub call_live: bool,
}

/// Answer to `OpenVideo`.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize, wire::ToTree, wire::FromTree)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct VideoOpened {
    /// How it stands.
    pub status: VideoStatus,
    /// For the agent's own window, good once and for a minute: a code as the customer's, with the agent's seat behind it.
    pub agent_link: String,
    /// To be sent to the customer; absent where the session was there already and somebody has used its link.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub invitation: Option<Invitation>,
}

/// A link for the customer.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize, wire::ToTree, wire::FromTree)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct Invitation {
    /// `https://<the service's public origin>/v/<code>`.
    pub url: String,
    /// True where the service itself has sent it, as a text message: then there is nothing to send.
    #[serde(default)]
    pub sent: bool,
}

/// Body of `POST …/invitations`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, wire::ToTree, wire::FromTree)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct Invite {
    /// All former links stop working first, and who came by one and is not in the room loses their seat.
    #[serde(default)]
    pub revoke: bool,
    /// For a voice task: the service sends this as a text message to the number that the task's customer calls from, with `{link}` in it
    /// replaced. At most 320 characters.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub text: Option<String>,
}

/// Body of `POST …/tasks/{task}/admit`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, wire::ToTree, wire::FromTree)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct Admit {
    /// Whose waiting is meant, as in `waiting[].id`.
    pub waiting: String,
    /// Yes or no.
    pub admit: bool,
}

/// Body of `POST …/end`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, wire::ToTree, wire::FromTree)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct End {
    /// Why.
    pub reason: EndReason,
}

/// Why a session ends.
#[derive(
    Clone,
    Copy,
    Debug,
    Default,
    PartialEq,
    Eq,
    Serialize,
    Deserialize,
    wire::ToTree,
    wire::FromTree,
    wire::Named,
)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "snake_case")]
pub enum EndReason {
    /// The agent ended it for all.
    Agent,
    /// The task is over. Where another task has the same conversation, only this agent's seat ends.
    TaskOver,
    /// The longest time that a session may take is over.
    Duration,
    /// The room was completed by somebody else, at Twilio.
    Completed,
    /// A newer service's reason.
    #[default]
    #[serde(other)]
    Other,
}

/// How a session stands, for the agent.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, wire::ToTree, wire::FromTree)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct VideoStatus {
    /// Whether there is one for this task's conversation, and how far it is.
    pub phase: VideoPhase,
    /// What names it to windows of the extension: opaque, the same for as long as the session lives; empty without one.
    #[serde(default)]
    pub session: String,
    /// Who is in the room now, by what their pages last said.
    #[serde(default)]
    pub people: Vec<Person>,
    /// Who waits for a yes.
    #[serde(default)]
    pub waiting: Vec<Waiting>,
    /// For how many seconds the customer and the agent have met; by the service's clock.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub seconds: Option<u64>,
    /// What is recorded, and whether they agreed.
    #[serde(default)]
    pub recording: Recording,
    /// Why it ended, where it has.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ended: Option<EndReason>,
    /// Whether a text message can be sent to this task's customer: the task has no conversation, but a number, and the service one
    /// to send from.
    #[serde(default)]
    pub by_text: bool,
}

/// How far a session is.
#[derive(
    Clone,
    Copy,
    Debug,
    Default,
    PartialEq,
    Eq,
    Serialize,
    Deserialize,
    wire::ToTree,
    wire::FromTree,
    wire::Named,
)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "snake_case")]
pub enum VideoPhase {
    /// There is no session.
    #[default]
    None,
    /// The customer was never in it.
    Invited,
    /// The customer's page was opened and the tap not yet made, or the customer waits.
    Opened,
    /// Customer and agent are in the room.
    Met,
    /// The customer was in it and is not now.
    Away,
    /// It is over.
    Ended,
}

/// Somebody who is in the room.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, wire::ToTree, wire::FromTree)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct Person {
    /// What they are.
    pub role: SeatRole,
    /// An agent's public name; empty for customers.
    #[serde(default)]
    pub name: String,
    /// Whether it is the agent who asks.
    #[serde(default)]
    pub you: bool,
    /// Twilio's network quality level, 0 (broken) to 5; absent while not known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub quality: Option<u8>,
    /// Whether their page has not been heard of for longer than it should.
    #[serde(default)]
    pub lost: bool,
}

/// Somebody who waits.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, wire::ToTree, wire::FromTree)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct Waiting {
    /// Says which, and nothing else.
    pub id: String,
    /// Why they have to wait.
    pub why: WaitingWhy,
}

/// Why somebody has to wait.
#[derive(
    Clone,
    Copy,
    Debug,
    Default,
    PartialEq,
    Eq,
    Serialize,
    Deserialize,
    wire::ToTree,
    wire::FromTree,
    wire::Named,
)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "snake_case")]
pub enum WaitingWhy {
    /// The organisation wants every customer admitted by the agent.
    Knock,
    /// The link was used in another browser, which is not in the room now. A yes moves the seat here.
    OtherBrowser,
    /// The link was used in another browser, which is in the room. A yes lets one more in, or moves the seat where no more are allowed.
    SecondBrowser,
    /// A newer service's reason.
    #[default]
    #[serde(other)]
    Other,
}

/// What somebody is in a session.
#[derive(
    Clone,
    Copy,
    Debug,
    Default,
    PartialEq,
    Eq,
    Serialize,
    Deserialize,
    wire::ToTree,
    wire::FromTree,
    wire::Named,
)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "snake_case")]
pub enum SeatRole {
    /// Whoever came by the link that was sent.
    #[default]
    Customer,
    /// The agent of the task.
    Agent,
    /// Admitted beside the customer.
    Guest,
}

/// Whether what is said is recorded.
#[derive(
    Clone,
    Copy,
    Debug,
    Default,
    PartialEq,
    Eq,
    Serialize,
    Deserialize,
    wire::ToTree,
    wire::FromTree,
    wire::Named,
)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "snake_case")]
pub enum Recording {
    /// Never.
    #[default]
    Off,
    /// Everybody is asked; so far somebody has not answered, or they have not met, and nothing is recorded. An agent who says nothing
    /// has agreed.
    Asking,
    /// Everybody agreed, and it is recorded.
    On,
    /// Somebody said no: nothing is recorded.
    Refused,
}

/// Body of `POST /v1/video/look`.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize, wire::ToTree, wire::FromTree)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct Look {
    /// As it stands in the link: what is not of the alphabet at its end is passed over, capitals are as small letters.
    pub code: String,
    /// The browser's own seat, where it has one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub seat: Option<String>,
}

/// Answer to `Look`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, wire::ToTree, wire::FromTree)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct Looked {
    /// Whose link it is.
    pub role: SeatRole,
    /// What the organisation calls itself; may be empty.
    #[serde(default)]
    pub organisation: String,
    /// The agent's public name; may be empty.
    #[serde(default)]
    pub agent: String,
    /// `off`, or whether consent is asked for before joining.
    #[serde(default)]
    pub recording: Recording,
    /// Whether the seat that was named is this browser's and its token would be given again without waiting.
    #[serde(default)]
    pub seated: bool,
    /// The session is over, and why.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ended: Option<EndReason>,
}

/// Body of `POST /v1/video/join`.
#[derive(Clone, Default, PartialEq, Eq, Serialize, Deserialize, wire::ToTree, wire::FromTree)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct Join {
    /// As in `Look`.
    pub code: String,
    /// The browser's own seat, where it has one: then this is a coming back.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub seat: Option<String>,
    /// What was answered to the question whether it may be recorded; absent where it was not asked.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub consent: Option<bool>,
}

/// Answer to `Join`.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize, wire::ToTree, wire::FromTree)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct Joined {
    /// The browser's secret for this session: kept by the page until it is over, sent in bodies only.
    pub seat: String,
    /// Whose it is.
    pub role: SeatRole,
    /// How to get in; absent while they have to wait: then pulses say when.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub admission: Option<Admission>,
    /// Why they have to wait.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub waiting: Option<WaitingWhy>,
    /// As in `OpenVideo`, for the agent.
    #[serde(default)]
    pub call_live: bool,
}

/// What the Video SDK needs.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize, wire::ToTree, wire::FromTree)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct Admission {
    /// An access token for this room and this identity alone, which outlives the longest session.
    pub token: String,
    /// The room's name: the conversation's or the task's SID, and what names the session.
    pub room: String,
    /// The identity in the token. It begins with the role: `agent_`, `customer_` or `guest_`; what follows is random.
    pub identity: String,
    /// Where signalling goes: a Twilio region, `gll` for the nearest.
    #[serde(default)]
    pub region: String,
}

/// Body of `POST /v1/video/pulse`.
#[derive(Clone, Default, PartialEq, Eq, Serialize, Deserialize, wire::ToTree, wire::FromTree)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct Pulse {
    /// The browser's seat.
    pub seat: String,
    /// Whether it is in the room now.
    #[serde(default)]
    pub in_room: bool,
    /// Its own network quality level, 0 to 5.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub quality: Option<u8>,
}

/// Answer to `Pulse`.
#[derive(Clone, Default, PartialEq, Eq, Serialize, Deserialize, wire::ToTree, wire::FromTree)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct Pulsed {
    /// They were let in since: only in answers to who is not in the room.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub admission: Option<Admission>,
    /// Why they still have to wait.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub waiting: Option<WaitingWhy>,
    /// The agent said no, or their seat went to another browser of the same customer: it is over for this one.
    #[serde(default)]
    pub turned_away: bool,
    /// Who waits; for the agent only.
    #[serde(default)]
    pub others_waiting: Vec<Waiting>,
    /// What is recorded.
    #[serde(default)]
    pub recording: Recording,
    /// For how many seconds they have met.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub seconds: Option<u64>,
    /// The session is over, and why.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ended: Option<EndReason>,
    /// In how many seconds the next pulse is expected.
    #[serde(default)]
    pub next: u64,
}

/// Body of `POST /v1/video/leave`.
#[derive(Clone, Default, PartialEq, Eq, Serialize, Deserialize, wire::ToTree, wire::FromTree)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct Leave {
    /// The browser's seat.
    pub seat: String,
    /// Whether the person said so, rather than that the page went (closed or reloaded).
    #[serde(default)]
    pub by_hand: bool,
}

/// Body of `POST /v1/video/admit`.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize, wire::ToTree, wire::FromTree)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct AdmitBySeat {
    /// The agent's seat.
    pub seat: String,
    /// As in `Admit`.
    pub waiting: String,
    /// Yes or no.
    pub admit: bool,
}

/// Body of `POST /v1/video/end`.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize, wire::ToTree, wire::FromTree)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct EndBySeat {
    /// The agent's seat.
    pub seat: String,
}

/// Body of an answer from 400 up, an `application/problem+json` (RFC 9457) with more in it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, wire::ToTree, wire::FromTree)]
pub struct VideoErrorBody {
    /// For code.
    pub code: VideoErrorCode,
    /// For people; never holds a token or a code.
    pub message: String,
    /// Also in the service's log and in the `x-request-id` header.
    pub request_id: String,
}

/// The closed, stable set of error codes of video.
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, wire::ToTree, wire::FromTree, wire::Named,
)]
#[serde(rename_all = "snake_case")]
pub enum VideoErrorCode {
    /// 401: no `Authorization: Bearer`.
    MissingToken,
    /// 400: a body or a query that is none.
    MalformedRequest,
    /// 401: the Flex token is not valid (any more).
    InvalidFlexToken,
    /// 403: the Flex token is for another account, or the request names another than the service's.
    WrongAccount,
    /// 403: an operator has shut this agent out, or the Flex user is no worker.
    NotAllowed,
    /// 403: the request comes from a web origin that is not configured.
    OriginNotAllowed,
    /// 404: there is no such task, or the agent has no live reservation of it, or video is switched off.
    NotFound,
    /// 404: no such code or seat, or no longer.
    UnknownCode,
    /// 409: the session is over.
    Ended,
    /// 409: the agent's link was used already.
    LinkUsed,
    /// 409: as many are in the room as may be.
    RoomFull,
    /// 409: consent to recording was not answered.
    ConsentNeeded,
    /// 409: a text message cannot be sent to this task's customer.
    NoText,
    /// 429: too many requests; `Retry-After` says when. After too many wrong codes from its address, the same code is looked at when it
    /// comes again.
    RateLimited,
    /// 503: Twilio, or what replicas share, could not be asked; `Retry-After` says when.
    UpstreamUnavailable,
    /// 500: the service's own fault.
    Internal,
    /// A code that this build does not know.
    #[serde(other)]
    Unknown,
}

impl VideoErrorCode {
    /// The code as it is written on the wire.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        self.name()
    }
}

/// What a person meant by a code that they followed or typed: small letters, digits that look like letters made what they are
/// in Crockford's alphabet, and what a mail program or a chat put behind it cut off. `None` where none can be meant.
#[must_use]
pub fn code_of(text: &str) -> Option<String> {
    let mut code = String::with_capacity(CODE_LENGTH);
    for character in text.chars() {
        let character = match character.to_ascii_lowercase() {
            'i' | 'l' => '1',
            'o' => '0',
            other => other,
        };
        match character {
            'u' => return None,
            '0'..='9' | 'a'..='z' if code.len() < CODE_LENGTH => code.push(character),
            '0'..='9' | 'a'..='z' => return None,
            _ => break,
        }
    }
    (code.len() == CODE_LENGTH).then_some(code)
}

/// Writes structs that hold secrets: their names only.
macro_rules! secretive {
    ($($name:ident),*) => {$(
        impl std::fmt::Debug for $name {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.debug_struct(stringify!($name)).finish_non_exhaustive()
            }
        }
    )*};
}
secretive!(
    VideoOpened,
    Invitation,
    Look,
    Join,
    Joined,
    Admission,
    Pulse,
    Pulsed,
    Leave,
    AdmitBySeat,
    EndBySeat
);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_code_survives_what_is_put_around_a_link() {
        let code = "0123456789abcdefghjk";
        for written in ["", ".", ")", ",", "%20", "\u{bb}", "\u{200b}", "?utm_source=sms", "/"] {
            assert_eq!(code_of(&format!("{code}{written}")).as_deref(), Some(code), "{written:?}");
        }
        assert_eq!(code_of(&code.to_uppercase()).as_deref(), Some(code));
        assert_eq!(code_of("oi23456789abcdefghjk").as_deref(), Some("0123456789abcdefghjk"));
        for none in ["", ".", "0123456789abcdefghj", "0123456789abcdefghjkm", "u123456789abcdefghjk"] {
            assert_eq!(code_of(none), None, "{none:?}");
        }
    }

    #[test]
    fn secrets_are_not_shown() {
        let joined = Joined {
            seat: "top-secret".into(),
            role: SeatRole::Agent,
            admission: None,
            waiting: None,
            call_live: false,
        };
        assert!(!format!("{joined:?}").contains("top-secret"));
    }
}
