//! What the worker knows and everybody else shows: status, the live call, and what is wrong.

use std::{collections::BTreeMap, fmt};

use serde::{Deserialize, Serialize};

use crate::{
    audio::AudioState,
    quality::{QualitySample, QualitySummary, QualityWarning},
};
use kernel::{AccountSid, CallSid, Identity, Timestamp, TokenUrl};

/// Where the voice client stands. One word for a state, used by popup, page, log and tests alike.
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize, wire::ToTree, wire::FromTree,
)]
#[cfg_attr(test, derive(ts_rs::TS))]
#[serde(rename_all = "camelCase")]
pub enum Status {
    /// Nothing is configured: no Flex page has said hello since the browser started. Also said to a page that has signed out,
    /// or whose agent another has followed: its Flex token is not wanted.
    #[default]
    WaitingForFlex,
    /// Configured; the page has not yet sent a Flex token, or the last one has expired.
    WaitingForToken,
    /// The token service has been asked for a Voice token.
    FetchingToken,
    /// The Voice SDK is registering with the gateway.
    Registering,
    /// The gateway has confirmed the registration: calls arrive.
    Registered,
    /// Was registered, is not now, and is trying again.
    Reconnecting,
    /// Something is wrong; [`Problem`] says what. The machine goes on trying where trying can help.
    Failed,
}

impl Status {
    /// True when the gateway would deliver a call now.
    #[must_use]
    pub const fn is_available(self) -> bool {
        matches!(self, Self::Registered)
    }
}

/// The phases of the one call that the extension carries.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize, wire::ToTree, wire::FromTree)]
#[cfg_attr(test, derive(ts_rs::TS))]
#[serde(rename_all = "camelCase")]
pub enum CallPhase {
    /// The gateway offered it; the offscreen document is accepting it.
    Connecting,
    /// Accepted: audio flows.
    Open,
    /// The signalling or the media is being repaired; the audio may still flow.
    Reconnecting,
}

/// The live call, as popup and page see it. Holds nothing secret.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, wire::ToTree, wire::FromTree)]
#[cfg_attr(test, derive(ts_rs::TS))]
#[serde(rename_all = "camelCase")]
pub struct CallView {
    /// The agent leg's call SID, the same before and after a page reload.
    pub sid: CallSid,
    /// How far the call has come.
    pub state: CallPhase,
    /// When the extension was offered the call.
    pub since: Timestamp,
    /// When the call was first open: what a timer counts from.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub answered_at: Option<Timestamp>,
    /// True while the microphone is muted.
    pub muted: bool,
    /// The caller, as the gateway names it (`+15550100`, `client:…`). For display only.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub from: Option<String>,
    /// True while Flex holds the customer; `None` when no page has said.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub on_hold: Option<bool>,
    /// How it sounds now.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub quality: Option<QualitySample>,
    /// What the SDK warns of now.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub warnings: Vec<QualityWarning>,
}

/// A call that rings until the agent says something: a second one while another is live (policy `secondCall: offer`), or
/// one that nobody expects (policy `unexpectedCalls: ring`).
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, wire::ToTree, wire::FromTree)]
#[cfg_attr(test, derive(ts_rs::TS))]
#[serde(rename_all = "camelCase")]
pub struct WaitingCall {
    /// Which call.
    pub sid: CallSid,
    /// The caller, as the gateway names it. For display only.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub from: Option<String>,
    /// When it was offered.
    pub since: Timestamp,
    /// True when no page of the agent knows of it: no reservation, task, transfer or monitoring that it would be for.
    #[serde(default)]
    pub unexpected: bool,
}

/// A call that is over.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, wire::ToTree, wire::FromTree)]
#[cfg_attr(test, derive(ts_rs::TS))]
#[serde(rename_all = "camelCase")]
pub struct CallSummary {
    /// Which call.
    pub sid: CallSid,
    /// The caller, as the gateway named it. For display only.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub from: Option<String>,
    /// When it was offered.
    pub since: Timestamp,
    /// When it was first open; `None` when it never was.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub answered_at: Option<Timestamp>,
    /// When it was over.
    pub ended_at: Timestamp,
    /// Why, when it did not end in good order.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub problem: Option<Problem>,
    /// How it sounded.
    #[serde(default)]
    pub quality: QualitySummary,
}

/// What is wrong: a closed set, for code that reacts. [`Problem::message`] is for people.
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize, wire::ToTree, wire::FromTree, wire::Named,
)]
#[cfg_attr(test, derive(ts_rs::TS))]
#[serde(rename_all = "snake_case")]
pub enum ProblemCode {
    /// The page's message had a known type and a payload that is not what the contract says.
    MalformedMessage,
    /// The page's message had a type in our namespace that this build does not know.
    UnknownType,
    /// The page belongs to another Twilio account than the one that this browser is pinned to.
    WrongAccount,
    /// The page names another token service than the one that this browser is pinned to.
    WrongTokenUrl,
    /// The page names another identity prefix than the one that policy pins.
    WrongPrefix,
    /// A command came from a page that has not been accepted by CONFIGURE.
    NotConfigured,
    /// The page's origin is not one that policy allows.
    WrongPageOrigin,
    /// The agent has not yet said in the popup that this token service may have a Flex token.
    ConsentNeeded,
    /// The agent said no to this token service.
    ConsentDeclined,
    /// Policy does not let the agent or the page do this.
    DisabledByPolicy,
    /// The page sends more messages than any plugin does; some were dropped.
    TooManyMessages,
    /// Another script of the page wanted to speak in the plugin's place.
    LineContested,
    /// A command that needs a call came while there is none.
    NoCall,
    /// The Flex token was refused by the token service, or has expired.
    InvalidFlexToken,
    /// The token service could not be reached, timed out, or is overloaded; it is asked again.
    TokenServiceUnavailable,
    /// The token service answered something that is not its contract: check its URL and version.
    TokenServiceMisconfigured,
    /// The token service names another agent than the page does: nobody is registered for it.
    WrongIdentity,
    /// The gateway refused the Voice token.
    VoiceTokenRefused,
    /// The gateway cannot be reached or dropped the registration; it is being tried again.
    GatewayUnavailable,
    /// The microphone is not available to the extension.
    MicrophoneUnavailable,
    /// The chosen microphone or speaker is not there; another is in use.
    AudioDeviceMissing,
    /// The call could not be connected, or broke.
    CallFailed,
    /// Something that should not happen; the log says more.
    Internal,
}

/// Something wrong, in words that say what to do.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, wire::ToTree, wire::FromTree)]
#[cfg_attr(test, derive(ts_rs::TS))]
#[serde(rename_all = "camelCase")]
pub struct Problem {
    /// For code.
    pub code: ProblemCode,
    /// For people: what happened and what to do. Never holds a token or page-supplied text.
    pub message: String,
    /// True while the extension goes on trying by itself.
    pub retrying: bool,
}

/// The page's view of the voice client, in every HEARTBEAT and STATE message (extension of the contract).
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, wire::ToTree, wire::FromTree)]
#[cfg_attr(test, derive(ts_rs::TS))]
#[serde(rename_all = "camelCase")]
pub struct ClientState {
    /// [`crate::PROTOCOL_VERSION`] of the extension.
    #[serde(default)]
    pub protocol_version: u32,
    /// Where the voice client stands.
    #[serde(default)]
    pub status: Status,
    /// True while the gateway confirms the registration.
    #[serde(default)]
    pub registered: bool,
    /// The live call, if any.
    #[serde(default)]
    pub call: Option<CallView>,
    /// What is wrong, if anything.
    #[serde(default)]
    pub problem: Option<Problem>,
    /// When the Flex token that the extension holds expires: the page may send a newer one.
    #[serde(default)]
    pub flex_token_expires_at: Option<Timestamp>,
    /// The version of the extension; empty from one that does not say.
    #[serde(default)]
    pub extension_version: String,
    /// A second call that waits for the agent's word.
    #[serde(default)]
    pub waiting: Option<WaitingCall>,
    /// Microphone and speaker; `None` until the offscreen document has said.
    #[serde(default)]
    pub audio: Option<AudioState>,
}

/// A token service that no policy names and that the agent has not yet agreed to.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, wire::ToTree, wire::FromTree)]
#[cfg_attr(test, derive(ts_rs::TS))]
#[serde(rename_all = "camelCase")]
pub struct ConsentRequest {
    /// The account that the page belongs to.
    pub account_sid: AccountSid,
    /// Where Flex tokens would go.
    pub token_url: TokenUrl,
    /// The Flex page's origin, for example `https://flex.twilio.com`.
    pub page_origin: String,
}

/// One setting that the administrator's policy fixes, for the options page.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, wire::ToTree, wire::FromTree)]
#[cfg_attr(test, derive(ts_rs::TS))]
#[serde(rename_all = "camelCase")]
pub struct PolicyItem {
    /// The key in `managed_schema.json`.
    pub key: String,
    /// Its value, as text.
    pub value: String,
}

/// A value of the administrator's policy that is not used, because it is not what it must be. Never repeats the value.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, wire::ToTree, wire::FromTree)]
#[cfg_attr(test, derive(ts_rs::TS))]
#[serde(rename_all = "camelCase")]
pub struct PolicyComplaint {
    /// The key in `managed_schema.json`.
    pub key: String,
    /// What its value must be, or each entry of it.
    pub wants: PolicyForm,
}

/// In English, for log and report; the pages have words of their own in each language.
impl fmt::Display for PolicyComplaint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Policy {}: a value that is no {} is not used.", self.key, self.wants)
    }
}

/// What a value of the administrator's policy must be.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, wire::ToTree, wire::FromTree)]
#[cfg_attr(test, derive(ts_rs::TS))]
#[serde(rename_all = "camelCase")]
pub enum PolicyForm {
    /// A Twilio account.
    AccountSid,
    /// Where Flex tokens go.
    TokenServiceUrl,
    /// Where a Flex page lives.
    PageOrigin,
    /// What identities start with.
    IdentityPrefix,
    /// A Twilio edge location.
    Edge,
    /// A share of a token's life.
    Percentage,
    /// A number of minutes.
    Minutes,
    /// Part of the name of a microphone or speaker.
    DeviceName,
    /// A JSON string.
    Text,
    /// A JSON array.
    List,
    /// A JSON boolean.
    TrueOrFalse,
    /// One of these words.
    OneOf(Vec<String>),
}

impl fmt::Display for PolicyForm {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::AccountSid => "account SID (AC and 32 hexadecimal digits)",
            Self::TokenServiceUrl => "token service URL (https://host/path, without query)",
            Self::PageOrigin => "page origin (https://host, without a path)",
            Self::IdentityPrefix => "identity prefix (lower-case letters and digits, then _)",
            Self::Edge => "edge location (lower-case letters, digits and hyphens)",
            Self::Percentage => "percentage from 10% to 95%",
            Self::Minutes => "whole number of minutes from 1 to 1440",
            Self::DeviceName => "part of a device's name (at most 200 characters)",
            Self::Text => "text",
            Self::List => "list",
            Self::TrueOrFalse => "true or false",
            Self::OneOf(words) => return write!(f, "word of these ({})", words.join(", ")),
        })
    }
}

/// Everything that popup, options and welcome pages show. Holds nothing secret.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, wire::ToTree, wire::FromTree)]
#[cfg_attr(test, derive(ts_rs::TS))]
#[serde(rename_all = "camelCase")]
pub struct UiState {
    /// The same view as the page's.
    #[serde(flatten)]
    pub client: ClientState,
    /// The account this browser is pinned to.
    pub account_sid: Option<AccountSid>,
    /// The identity that the token service decided.
    pub identity: Option<Identity>,
    /// Scheme and host of the token service.
    pub token_service: Option<String>,
    /// True when account or token service come from the administrator's policy.
    pub managed: bool,
    /// Open pages that match the content script.
    pub pages_open: u32,
    /// Of these, the ones whose plugin was accepted.
    pub pages_connected: u32,
    /// When the Voice token expires.
    pub voice_token_expires_at: Option<Timestamp>,
    /// When this worker process started: changes when Chrome restarts the worker.
    pub worker_started_at: Timestamp,
    /// The version of the extension.
    pub version: String,
    /// What happened lately, oldest first, for support. Holds nothing secret.
    pub log: Vec<LogEntry>,
    /// What the agent is asked to agree to.
    #[serde(default)]
    pub consent: Option<ConsentRequest>,
    /// What policy fixes.
    #[serde(default)]
    pub policy: Vec<PolicyItem>,
    /// What is wrong with the policy, for the administrator.
    #[serde(default)]
    pub policy_complaints: Vec<PolicyComplaint>,
    /// False when policy forbids the agent to restart.
    #[serde(default = "yes")]
    pub may_restart: bool,
    /// False when policy forbids the agent to change devices and volume.
    #[serde(default = "yes")]
    pub may_change_settings: bool,
    /// Samples of the live call's last minutes, oldest first: the popup's graph.
    #[serde(default)]
    pub quality: Vec<QualitySample>,
    /// The last calls, oldest first.
    #[serde(default)]
    pub calls: Vec<CallSummary>,
    /// How often something happened since the worker's state began: messages dropped, workers started, tokens
    /// fetched. Names are stable: they are what support greps for.
    #[serde(default)]
    pub counters: BTreeMap<String, u32>,
}

const fn yes() -> bool {
    true
}

/// How much a log line matters.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, wire::ToTree, wire::FromTree)]
#[cfg_attr(test, derive(ts_rs::TS))]
#[serde(rename_all = "camelCase")]
pub enum LogLevel {
    /// Part of normal work.
    Info,
    /// Noticed and handled.
    Warning,
    /// Something did not work.
    Error,
}

/// One line of the flight recorder.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, wire::ToTree, wire::FromTree)]
#[cfg_attr(test, derive(ts_rs::TS))]
#[serde(rename_all = "camelCase")]
pub struct LogEntry {
    /// When it was written, by the worker's clock.
    pub at: Timestamp,
    /// How much it matters.
    pub level: LogLevel,
    /// What happened. Never holds a token or page-supplied text.
    pub message: String,
}
