//! What the sandbox's other parts say to the Flex cloud and hear from it.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::time::Duration;

use kernel::{CallSid, Identity};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use crate::account;

/// How a [`crate::FlexCloud`] is set up.
#[derive(Debug, Clone)]
pub struct Settings {
    /// Flex UI, in the versions that there are; the first is served unless the switchboard chooses another. Without any
    /// the host page says what is missing.
    pub flex_bundles: Vec<FlexBundle>,
    /// Plugins that the real `/plugins` loader is told of.
    pub plugins: Vec<PluginFile>,
    /// `ui_attributes.holdfast.token_service_url` of the Flex Configuration.
    pub token_service_url: String,
    /// `ui_attributes.holdfast.identity_prefix`, if it is to be named.
    pub identity_prefix: Option<String>,
    /// `ui_attributes.holdfast.offline_activity`, if it is to be named.
    pub offline_activity: Option<String>,
    /// Whether `ui_attributes.holdfast.video` switches video on, by text message too.
    pub video: bool,
    /// Flex feature flags that are on, for example `flex-multi-tab-support`.
    pub features: Vec<String>,
    /// Life of a Flex token, unless a fault says otherwise.
    pub flex_token_ttl: Duration,
    /// How long a reservation waits for the agent.
    pub reservation_timeout: Duration,
    /// How many voice tasks the agent may hold at a time.
    pub voice_capacity: u32,
    /// How many chat tasks the agent may hold at a time, beside the voice tasks.
    pub chat_capacity: u32,
    /// Activity of the agent at start.
    pub initial_activity: String,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            flex_bundles: Vec::new(),
            plugins: Vec::new(),
            token_service_url: account::TOKEN_SERVICE_URL.to_owned(),
            identity_prefix: None,
            offline_activity: None,
            video: false,
            features: Vec::new(),
            flex_token_ttl: Duration::from_hours(1),
            reservation_timeout: Duration::from_mins(2),
            voice_capacity: 1,
            chat_capacity: 2,
            initial_activity: account::ACTIVITY_AVAILABLE.to_owned(),
        }
    }
}

/// One version of Flex UI as one classic script.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FlexBundle {
    /// For example `2.17.1`.
    pub version: String,
    /// What `bundle-flex.mjs` makes, or what Twilio's older packages carry ready-made.
    pub path: PathBuf,
}

/// `VERSION=PATH`, or a path alone, whose version is not known.
impl std::str::FromStr for FlexBundle {
    type Err = std::convert::Infallible;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let (version, path) = text.split_once('=').unwrap_or(("unknown", text));
        Ok(Self { version: version.to_owned(), path: path.into() })
    }
}

/// A Flex plugin: one classic script, served as `https://flex.twilio.com/plugins/<name>/<version>/bundle.js`.
#[derive(Debug, Clone)]
pub struct PluginFile {
    /// Name, one path segment.
    pub name: String,
    /// Version, one path segment.
    pub version: String,
    /// The script. Read anew for each request, so that a rebuilt plugin needs only a reload of the page.
    pub path: PathBuf,
}

impl PluginFile {
    /// Our own plugin, in its released name and version.
    #[must_use]
    pub fn holdfast(path: impl Into<PathBuf>) -> Self {
        Self { name: "holdfast".to_owned(), version: "0.1.0".to_owned(), path: path.into() }
    }
}

/// What the Flex cloud wants done with telephones. Whoever composes the sandbox carries it out.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(tag = "type", rename_all = "snake_case")]
pub enum LegCommand {
    /// Call the agent, and report [`crate::FlexCloud::agent_leg_answered`] or
    /// [`crate::FlexCloud::agent_leg_ended`] with this call SID.
    CallWorker {
        /// New and unique. It is both the SID of the agent's leg and the key of the agent in the conference.
        call_sid: CallSid,
        /// Who is to ring: the agent's `contact_uri` as Flex sent it, without `client:` and without a query.
        to: Identity,
        /// What followed `?` in the contact URI: Twilio's custom parameters of a client call.
        parameters: BTreeMap<String, String>,
        /// Caller ID: the customer's number.
        from: String,
        task_sid: String,
        /// The agent's reservation of the task.
        reservation_sid: String,
    },
    /// End the agent's leg: the customer hung up, the conference was ended, or the sandbox was reset.
    EndLeg {
        /// The agent's leg.
        call_sid: CallSid,
    },
    /// Who hears whom has changed on a leg.
    SetLine {
        call_sid: CallSid,
        /// How it is now.
        line: Line,
    },
}

/// Who hears whom on the leg of an agent.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Line {
    /// Agent and customer hear each other.
    Talking,
    /// The customer is on hold: hears music, does not hear the agent, and is not heard.
    Held,
    /// The customer's telephone rings.
    Ringing,
    /// The agent is a supervisor who listens to somebody else's call.
    Listening,
    /// The same, and their colleague hears them, but the customer does not.
    Coaching,
}

/// What a customer does whom the agent calls.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct FarEnd {
    /// How long their telephone rings, in milliseconds.
    pub ring_ms: u32,
    /// And then.
    pub then: Outcome,
}

impl Default for FarEnd {
    fn default() -> Self {
        Self { ring_ms: 1500, then: Outcome::Answer }
    }
}

/// What becomes of a call to a customer.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Outcome {
    /// They pick up.
    #[default]
    Answer,
    /// It rings until somebody says what happens.
    Wait,
    /// The line is busy.
    Busy,
    /// Nobody picks up.
    NoAnswer,
    /// There is no such number.
    InvalidNumber,
}

impl Outcome {
    /// Why they cannot be reached, if so.
    #[must_use]
    pub const fn refusal(self) -> Option<Unreached> {
        match self {
            Self::Answer | Self::Wait => None,
            Self::Busy => Some(Unreached::Busy),
            Self::NoAnswer => Some(Unreached::NoAnswer),
            Self::InvalidNumber => Some(Unreached::InvalidNumber),
        }
    }
}

/// Why a customer cannot be reached.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Unreached {
    /// The line is busy.
    #[default]
    Busy,
    /// Nobody picks up.
    NoAnswer,
    /// There is no such number.
    InvalidNumber,
}

impl Unreached {
    /// The code with which TaskRouter cancels the reservation, as Flex UI understands it.
    #[must_use]
    pub const fn code(self) -> i64 {
        match self {
            Self::Busy => 45303,
            Self::NoAnswer => 45305,
            Self::InvalidNumber => 13223,
        }
    }
}

/// Why the agent's leg ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum LegEnd {
    /// It was answered, and somebody hung up.
    Completed,
    /// The agent's client declined it.
    Busy,
    /// Nobody answered in time.
    NoAnswer,
    /// It could not be placed: no such client is registered, or media failed.
    Failed,
}

/// A voice task that was just created.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct VoiceTask {
    pub task_sid: String,
    /// The agent's reservation, if the agent is available and has capacity; otherwise it follows later.
    pub reservation_sid: Option<String>,
    /// The customer's leg.
    pub customer_call_sid: CallSid,
    /// The conference that customer and agent will meet in.
    pub conference_sid: String,
}

/// A chat task to be made.
#[derive(Debug, Clone)]
pub struct NewChatTask {
    /// `conversationSid` names the conversation, `channelType` says how the customer writes. Flex's own, by which it
    /// finds the task's interaction, are added.
    pub attributes: Map<String, Value>,
    /// Who gets it.
    pub holder: Holder,
    /// The conversation goes on when the task is completed.
    pub long_lived: bool,
}

/// A chat task that was just created.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct ChatTask {
    pub task_sid: String,
    /// The reservation, if its worker is available and has a place for it; otherwise it follows later.
    pub reservation_sid: Option<String>,
}

/// Which worker a task is for.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Holder {
    /// The agent whom somebody plays.
    #[default]
    Agent,
    /// The colleague whom nobody plays: takes the task at once.
    Colleague,
}

impl Holder {
    /// SID and name of the worker.
    pub(crate) const fn worker(self) -> (&'static str, &'static str) {
        match self {
            Self::Agent => (account::WORKER_SID, account::AGENT_NAME),
            Self::Colleague => (account::COLLEAGUE_WORKER_SID, account::COLLEAGUE_NAME),
        }
    }
}

/// How a customer writes, as a task's attribute `channelType` says it.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum ChannelType {
    #[default]
    Web,
    Sms,
    Whatsapp,
}

impl ChannelType {
    /// As the attribute has it.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Web => "web",
            Self::Sms => "sms",
            Self::Whatsapp => "whatsapp",
        }
    }

    /// Whatever is not known is a chat on a web page.
    pub(crate) fn named(name: &str) -> Self {
        match name {
            "sms" => Self::Sms,
            "whatsapp" => Self::Whatsapp,
            _ => Self::Web,
        }
    }
}
