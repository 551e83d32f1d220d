//! The page hop: Flex plugin and content script, by `postMessage`.
//!
//! Compatible in both directions with the JavaScript extension and plugin that Holdfast replaces. That contract knows
//! CONFIGURE, FLEX_TOKEN, HANGUP_CALL, SEND_DTMF_DIGITS; CONFIGURED, CONFIG_REJECTED, HEARTBEAT, DISCONNECTED. All
//! else here is an extension: new types, which the old side ignores, and extra payload fields, likewise.
//!
//! So is the port: each CONFIGURE, which is posted in the window, may bring a `MessagePort`. An extension that answers
//! over it hears and speaks to that page nowhere else from then on, and takes no other port until the plugin has left that one
//! ([`line`]). The old side neither brings nor looks at one, and both sides use the window.
//!
//! The same two enums travel over the [`crate::port::PAGE`] port between content script and worker: the content
//! script never forwards a page's object, it parses it and sends what it understood.

use serde::{Deserialize, Serialize};

use crate::{AudioKind, Problem, ProblemCode, state::ClientState, video_window::VideoKey};
use kernel::{AccountSid, CallSid, DtmfDigits, ExpectationId, Identity, IdentityPrefix, Secret, Timestamp};

/// Every type in the contract starts with this.
pub const TYPE_PREFIX: &str = "VOICE_CLIENT_EXTENSION_";

/// From the page (plugin) to the extension.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, wire::ToTree, wire::FromTree, wire::Named)]
#[cfg_attr(test, derive(ts_rs::TS))]
#[serde(tag = "type")]
pub enum ToExtension {
    /// Hello: this page belongs to that account and wants the voice client. Sent once per page load, and again
    /// whenever no answer came.
    #[serde(rename = "VOICE_CLIENT_EXTENSION_CONFIGURE")]
    Configure {
        /// What the page asks for.
        payload: Configure,
    },
    /// A Flex token: after every CONFIGURED and after each refresh.
    #[serde(rename = "VOICE_CLIENT_EXTENSION_FLEX_TOKEN")]
    FlexToken {
        /// The token and the agent's account.
        payload: FlexToken,
    },
    /// End the live call.
    #[serde(rename = "VOICE_CLIENT_EXTENSION_HANGUP_CALL")]
    HangUp {
        /// Extension of the contract: which call; without it, the live one.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        payload: Option<CallRef>,
    },
    /// Send DTMF into the live call.
    #[serde(rename = "VOICE_CLIENT_EXTENSION_SEND_DTMF_DIGITS")]
    SendDigits {
        /// Sent one after the other.
        payload: SendDigits,
    },
    /// Extension of the contract: mute or unmute the microphone.
    #[serde(rename = "VOICE_CLIENT_EXTENSION_SET_MUTE")]
    SetMute {
        /// On or off.
        payload: SetMute,
    },
    /// Extension of the contract: use another microphone or speaker, from now on and in the live call.
    #[serde(rename = "VOICE_CLIENT_EXTENSION_SELECT_AUDIO_DEVICE")]
    SelectAudioDevice {
        /// The kind of device, and which one.
        payload: SelectAudioDevice,
    },
    /// Extension of the contract: how loud the customer is.
    #[serde(rename = "VOICE_CLIENT_EXTENSION_SET_VOLUME")]
    SetVolume {
        /// How loud.
        payload: SetVolume,
    },
    /// Extension of the contract: what only Flex knows of the live call, so that the popup can show it.
    #[serde(rename = "VOICE_CLIENT_EXTENSION_CALL_CONTEXT")]
    CallContext {
        /// What Flex knows.
        payload: CallContext,
    },
    /// Extension of the contract, since version 3: the agent of this page has signed out. The voice client is taken down.
    #[serde(rename = "VOICE_CLIENT_EXTENSION_SIGN_OUT")]
    SignOut {
        /// Why the agent has signed out.
        payload: SignOut,
    },
    /// Extension of the contract, since version 3: the calls that this page's agent expects, all of them each time. Only
    /// these are answered by themselves; what a page of an older version expects is any call while it is open.
    #[serde(rename = "VOICE_CLIENT_EXTENSION_EXPECT_CALLS")]
    ExpectCalls {
        /// All of them, each time.
        payload: ExpectCalls,
    },
    /// Extension of the contract, since version 4: the agent's window of a video session. Without more, from the agent's
    /// click: it is opened, or the one that is there comes to the front. Then, once the service has answered, its link, or
    /// that there is none. Heard over the plugin's port alone, because a link is a secret.
    #[serde(rename = "VOICE_CLIENT_EXTENSION_SHOW_VIDEO")]
    ShowVideo {
        /// Which window, and what it is told.
        payload: ShowVideo,
    },
}

/// Payload of CONFIGURE.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, wire::ToTree, wire::FromTree)]
#[cfg_attr(test, derive(ts_rs::TS))]
#[serde(rename_all = "camelCase")]
pub struct Configure {
    /// Where to exchange Flex tokens. Kept as text here: whether it is acceptable is the worker's decision, and the
    /// answer says so.
    pub voice_client_token_generator_url: String,
    /// The page's account.
    pub account_sid: AccountSid,
    /// The prefix that the page expects of the identity.
    pub extension_voice_client_prefix: IdentityPrefix,
    /// Extension of the contract: the page contract's version that the plugin speaks; absent in the replaced plugin.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub protocol_version: Option<u32>,
    /// Extension of the contract, since version 3: the agent whose page this is, as Flex's session names them (without the
    /// voice client's prefix). What the token service says of this page's Flex token has to agree with it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub agent_identity: Option<Identity>,
}

/// Payload of FLEX_TOKEN.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, wire::ToTree, wire::FromTree)]
#[cfg_attr(test, derive(ts_rs::TS))]
#[serde(rename_all = "camelCase")]
pub struct FlexToken {
    /// The Flex token, opaque.
    pub token: Secret,
    /// The page's account.
    pub account_sid: AccountSid,
    /// When the token expires, ISO-8601 (`2026-01-01T00:00:00.000Z`).
    pub expiration: String,
    /// Extension of the contract, since version 3: whose token it is, as Flex's session names the agent (without the voice
    /// client's prefix).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub agent_identity: Option<Identity>,
}

/// Names one call.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, wire::ToTree, wire::FromTree)]
#[cfg_attr(test, derive(ts_rs::TS))]
#[serde(rename_all = "camelCase")]
pub struct CallRef {
    /// The agent leg's call SID.
    pub call_sid: CallSid,
}

/// Payload of SEND_DTMF_DIGITS.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, wire::ToTree, wire::FromTree)]
#[cfg_attr(test, derive(ts_rs::TS))]
pub struct SendDigits {
    /// Sent one after the other.
    pub digits: DtmfDigits,
}

/// Payload of SET_MUTE.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, wire::ToTree, wire::FromTree)]
#[cfg_attr(test, derive(ts_rs::TS))]
pub struct SetMute {
    /// True to mute.
    pub muted: bool,
}

/// Payload of SELECT_AUDIO_DEVICE, and the same in the popup's message.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, wire::ToTree, wire::FromTree)]
#[cfg_attr(test, derive(ts_rs::TS))]
#[serde(rename_all = "camelCase")]
pub struct SelectAudioDevice {
    /// Microphone or speaker.
    pub kind: AudioKind,
    /// A device's id from [`ClientState::audio`]; `None` for the system's choice.
    #[serde(default)]
    pub device_id: Option<String>,
}

/// Payload of SET_VOLUME.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, wire::ToTree, wire::FromTree)]
#[cfg_attr(test, derive(ts_rs::TS))]
pub struct SetVolume {
    /// In percent; more than 100 is taken as 100.
    pub percent: u8,
}

/// Payload of CALL_CONTEXT.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, wire::ToTree, wire::FromTree)]
#[cfg_attr(test, derive(ts_rs::TS))]
#[serde(rename_all = "camelCase")]
pub struct CallContext {
    /// The agent leg's call SID.
    pub call_sid: CallSid,
    /// True while Flex holds the customer.
    pub on_hold: bool,
}

/// Payload of SIGN_OUT.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, wire::ToTree, wire::FromTree)]
#[cfg_attr(test, derive(ts_rs::TS))]
pub struct SignOut {
    /// How the agent signed out.
    pub reason: SignOutReason,
}

/// How an agent signs out.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize, wire::ToTree, wire::FromTree)]
#[cfg_attr(test, derive(ts_rs::TS))]
#[serde(rename_all = "snake_case")]
pub enum SignOutReason {
    /// Flex's own logout.
    Logout,
    /// The Flex session ended: its token expired or was taken back.
    SessionEnded,
    /// The agent went to the workspace's *Offline*, with no live call.
    Offline,
}

/// Payload of EXPECT_CALLS.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, wire::ToTree, wire::FromTree)]
#[cfg_attr(test, derive(ts_rs::TS))]
pub struct ExpectCalls {
    /// At most [`MAX_EXPECTED_CALLS`]; what is more is not read.
    pub calls: Vec<ExpectedCall>,
}

/// How many calls a page can expect at once.
pub const MAX_EXPECTED_CALLS: usize = 16;

/// One call that an agent expects.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, wire::ToTree, wire::FromTree)]
#[cfg_attr(test, derive(ts_rs::TS))]
pub struct ExpectedCall {
    /// What it is expected for: the same for as long as it is the same call. It lets one call through.
    pub id: ExpectationId,
    /// What the agent did that makes a call come.
    pub reason: ExpectReason,
}

/// Why a call is expected.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize, wire::ToTree, wire::FromTree)]
#[cfg_attr(test, derive(ts_rs::TS))]
#[serde(rename_all = "snake_case")]
pub enum ExpectReason {
    /// A reservation that this agent accepted, or that Flex shows as accepted, whoever accepted it.
    Reservation,
    /// A voice task that the page shows and whose call is not live.
    Task,
    /// The agent listens to a colleague's call.
    Monitoring,
    /// A transfer to this agent.
    Transfer,
    /// The agent calls out.
    Outbound,
}

/// Payload of SHOW_VIDEO.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, wire::ToTree, wire::FromTree)]
#[cfg_attr(test, derive(ts_rs::TS))]
pub struct ShowVideo {
    /// The same for the same session: its conversation's SID, or its task's where there is none.
    pub key: VideoKey,
    /// What to join, as in [`crate::video::VideoOpened::agent_link`].
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub link: Option<Secret>,
    /// The session could not be opened, in the plugin's words for the agent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub failed: Option<String>,
}

/// From the extension to the page.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, wire::ToTree, wire::FromTree, wire::Named)]
#[cfg_attr(test, derive(ts_rs::TS))]
#[serde(tag = "type")]
pub enum ToPage {
    /// The page is accepted. A plugin answers every one with a FLEX_TOKEN, so it also means "send me the token".
    #[serde(rename = "VOICE_CLIENT_EXTENSION_CONFIGURED")]
    Configured {
        /// Extension of the contract: the state at once, so that a reloaded page shows a live call without waiting.
        #[serde(default)]
        payload: Option<ClientState>,
    },
    /// The page is refused.
    #[serde(rename = "VOICE_CLIENT_EXTENSION_CONFIG_REJECTED")]
    ConfigRejected {
        /// Extension of the contract: why.
        #[serde(default)]
        payload: Option<Problem>,
    },
    /// Once a second, from the moment the gateway first confirmed the registration, to pages of the agent whose it is: those
    /// whose Flex token the token service has named that agent for.
    #[serde(rename = "VOICE_CLIENT_EXTENSION_HEARTBEAT")]
    Heartbeat {
        /// Who, and how it goes.
        payload: Heartbeat,
    },
    /// The extension is gone from this page and will not come back (uninstalled or replaced): terminal for the replaced plugin.
    #[serde(rename = "VOICE_CLIENT_EXTENSION_DISCONNECTED")]
    Disconnected,
    /// Extension of the contract: the state changed. Sent at once, also before the first heartbeat.
    #[serde(rename = "VOICE_CLIENT_EXTENSION_STATE")]
    State {
        /// The whole state, not only what changed.
        payload: ClientState,
    },
    /// Extension of the contract: the answer to a message that could not be carried out.
    #[serde(rename = "VOICE_CLIENT_EXTENSION_ERROR")]
    Error {
        /// What was asked for, and why it could not be done.
        payload: ErrorReply,
    },
}

/// Payload of HEARTBEAT.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, wire::ToTree, wire::FromTree)]
#[cfg_attr(test, derive(ts_rs::TS))]
#[serde(rename_all = "camelCase")]
pub struct Heartbeat {
    /// The Voice client identity: `contact_uri` is `client:` and this.
    pub voice_client_identity: String,
    /// `null` until the first error, then whether the voice client is in error now.
    pub error: Option<bool>,
    /// Extension of the contract. A replaced extension's heartbeat has none of these fields.
    #[serde(flatten)]
    pub state: ClientState,
}

/// Payload of ERROR.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, wire::ToTree, wire::FromTree)]
#[cfg_attr(test, derive(ts_rs::TS))]
#[serde(rename_all = "camelCase")]
pub struct ErrorReply {
    /// The type of the message that is answered, when it is one of the contract's.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub in_reply_to: Option<String>,
    /// What is wrong.
    #[serde(flatten)]
    pub problem: Problem,
}

impl ErrorReply {
    /// An answer to a message of the given type.
    #[must_use]
    pub fn new(in_reply_to: Option<&str>, code: ProblemCode, message: impl Into<String>) -> Self {
        Self {
            in_reply_to: in_reply_to.map(str::to_owned),
            problem: Problem { code, message: message.into(), retrying: false },
        }
    }
}

/// What the two ends of a plugin's port say of the port itself: messages of a type and nothing else, since version 3. Not in
/// the contract's namespace, because they mean nothing elsewhere.
pub mod line {
    /// From the extension: another script offers a port; is the plugin still at the other end of this one?
    pub const ASK: &str = "HOLDFAST_LINE_ASK";
    /// From the plugin: it is.
    pub const HERE: &str = "HOLDFAST_LINE_HERE";
    /// From the plugin: it leaves this port for the one that it has just offered.
    pub const LEFT: &str = "HOLDFAST_LINE_LEFT";
    /// The version of the page contract from which on a plugin answers.
    pub const SINCE: u32 = 3;
}

/// From the content script to the worker, beside [`ToExtension`]: what was not passed on. So that the popup can say that
/// this page's plugin does not fit; nothing of the messages goes along.
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, wire::ToTree, wire::FromTree, wire::Named,
)]
#[cfg_attr(test, derive(ts_rs::TS))]
#[serde(tag = "type")]
pub enum Refusal {
    /// A message of the page was answered with an ERROR. Not in the contract's namespace: no page can send it past the content script.
    #[serde(rename = "HOLDFAST_REFUSED")]
    Refused {
        /// [`ProblemCode::MalformedMessage`] or [`ProblemCode::UnknownType`].
        code: ProblemCode,
    },
    /// Messages that were dropped without an answer since this was last said, for the counters.
    #[serde(rename = "HOLDFAST_DROPPED")]
    Dropped {
        /// In the contract's namespace, and not the plugin's: from another window or origin, or past the plugin's port.
        foreign: u32,
        /// More than is taken in a second.
        flooded: u32,
        /// Ports that another script offered while the plugin's was open.
        contested: u32,
    },
}

/// What a page message is to the extension, judged by its `type` alone.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// Not ours: another script's message. Pass it over in silence.
    Foreign,
    /// One of the extension's own messages, heard back. Pass it over.
    Echo,
    /// One of [`ToExtension::NAMES`]: parse it.
    Known(&'static str),
    /// In our namespace, and unknown: answer [`ProblemCode::UnknownType`].
    Unknown,
}

/// Judges a message by its `type`, `None` when it has none or it is not a string.
#[must_use]
pub fn kind_of(message_type: Option<&str>) -> Kind {
    let Some(name) = message_type.filter(|name| name.starts_with(TYPE_PREFIX)) else { return Kind::Foreign };
    if ToPage::NAMES.contains(&name) {
        return Kind::Echo;
    }
    ToExtension::NAMES.into_iter().find(|known| *known == name).map_or(Kind::Unknown, Kind::Known)
}

/// The expiry of a Flex token, or `None` when the text is no ISO-8601 instant. `parse` is `Date.parse`: in a browser
/// that is the judge that the replaced extension used.
#[must_use]
pub fn expiration(token: &FlexToken, parse: impl Fn(&str) -> f64) -> Option<Timestamp> {
    Timestamp::from_js(parse(&token.expiration))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::{CallPhase, CallView, Status};

    const AC: &str = "AC11111111111111111111111111111111";

    #[test]
    fn the_replaced_plugins_messages_are_understood() {
        let configure = json!({"type": "VOICE_CLIENT_EXTENSION_CONFIGURE", "payload": {
            "voiceClientTokenGeneratorUrl": "https://x.twil.io/generateToken", "accountSid": AC,
            "extensionVoiceClientPrefix": "ext_", "somethingNew": 1}});
        let ToExtension::Configure { payload } = serde_json::from_value(configure).unwrap() else { panic!() };
        assert_eq!(payload.account_sid.as_str(), AC);

        let hang_up = json!({"type": "VOICE_CLIENT_EXTENSION_HANGUP_CALL"});
        assert_eq!(
            serde_json::from_value::<ToExtension>(hang_up).unwrap(),
            ToExtension::HangUp { payload: None }
        );

        let digits = json!({"type": "VOICE_CLIENT_EXTENSION_SEND_DTMF_DIGITS", "payload": {"digits": "1*#"}});
        assert!(matches!(serde_json::from_value(digits).unwrap(), ToExtension::SendDigits { .. }));
    }

    #[test]
    fn the_replaced_extensions_messages_are_understood() {
        let heartbeat = json!({"type": "VOICE_CLIENT_EXTENSION_HEARTBEAT",
            "payload": {"voiceClientIdentity": "ext_agent", "error": null}});
        let ToPage::Heartbeat { payload } = serde_json::from_value(heartbeat).unwrap() else { panic!() };
        assert_eq!((payload.voice_client_identity.as_str(), payload.error), ("ext_agent", None));
        assert_eq!(payload.state.protocol_version, 0);
        for bare in ["CONFIGURED", "CONFIG_REJECTED", "DISCONNECTED"] {
            let message = json!({"type": format!("{TYPE_PREFIX}{bare}")});
            assert!(serde_json::from_value::<ToPage>(message).is_ok(), "{bare}");
        }
    }

    #[test]
    fn a_heartbeat_carries_the_live_call_flat_beside_the_old_fields() {
        let heartbeat = ToPage::Heartbeat {
            payload: Heartbeat {
                voice_client_identity: "ext_agent".into(),
                error: Some(false),
                state: ClientState {
                    protocol_version: 2,
                    status: Status::Registered,
                    registered: true,
                    call: Some(CallView {
                        sid: CallSid::new("CA22222222222222222222222222222222").unwrap(),
                        state: CallPhase::Open,
                        since: Timestamp::from_millis(5),
                        answered_at: None,
                        muted: true,
                        from: None,
                        on_hold: None,
                        quality: None,
                        warnings: Vec::new(),
                    }),
                    ..ClientState::default()
                },
            },
        };
        let wire = serde_json::to_value(&heartbeat).unwrap();
        assert_eq!(wire["payload"]["voiceClientIdentity"], "ext_agent");
        assert_eq!(wire["payload"]["error"], false);
        assert_eq!(wire["payload"]["call"]["state"], "open");
        assert_eq!(wire["payload"]["call"]["muted"], true);
        assert_eq!(wire["payload"]["status"], "registered");
        assert_eq!(serde_json::from_value::<ToPage>(wire).unwrap(), heartbeat);
    }

    #[test]
    fn messages_are_judged_by_type_before_they_are_parsed() {
        assert_eq!(kind_of(None), Kind::Foreign);
        assert_eq!(kind_of(Some("webpackHotUpdate")), Kind::Foreign);
        assert_eq!(kind_of(Some("VOICE_CLIENT_EXTENSION_HEARTBEAT")), Kind::Echo);
        assert_eq!(kind_of(Some("VOICE_CLIENT_EXTENSION_EXPLODE")), Kind::Unknown);
    }

    #[test]
    fn a_link_does_not_show_in_debug_output() {
        let payload = ShowVideo {
            key: VideoKey::new("CH11111111111111111111111111111111").unwrap(),
            link: Some(Secret::new("canary-link")),
            failed: None,
        };
        assert!(!format!("{:?}", ToExtension::ShowVideo { payload }).contains("canary"));
    }

    #[test]
    fn a_token_does_not_show_in_debug_output() {
        let token = FlexToken {
            token: Secret::new("canary-token"),
            account_sid: AccountSid::new(AC).unwrap(),
            expiration: "2026-01-01T00:00:00Z".into(),
            agent_identity: None,
        };
        assert!(!format!("{:?}", ToExtension::FlexToken { payload: token }).contains("canary"));
    }
}
