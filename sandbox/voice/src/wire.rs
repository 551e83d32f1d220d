//! The messages on the signalling socket, as `@twilio/voice-sdk` 2.18 sends and reads them (`pstream.ts`).
//!
//! Both directions use the envelope `{"type": T, "version": "1.6", "payload": {…}}`, one JSON text per frame; a frame
//! that is a single line feed is a heartbeat, sent by the gateway and echoed by the client.

use std::collections::BTreeMap;

use kernel::{CallSid, Identity, Secret};
use serde::{Deserialize, Serialize};

/// The heartbeat frame.
pub const HEARTBEAT: &str = "\n";

/// The envelope's version.
pub const VERSION: &str = "1.6";

/// Everything that the SDK sends.
#[derive(Clone, Debug, Deserialize)]
#[serde(tag = "type", content = "payload", rename_all = "lowercase")]
pub enum ClientMessage {
    /// First message on every socket, and again with every new token.
    Listen {
        token: Secret,
        /// Seconds (0 to 30) for which the gateway shall keep a call whose socket is gone.
        #[serde(default, rename = "reconnectTimeout")]
        reconnect_timeout: u64,
    },
    /// Take calls, or no longer.
    Register {
        /// What is wanted.
        media: RegisteredMedia,
    },
    /// A new outgoing call, or with `reconnect` taking (or taking up again) an incoming one.
    Invite {
        /// `CA…` with `reconnect`, else a temporary name that begins with `TJS`.
        callsid: String,
        /// The browser's offer.
        sdp: String,
        /// What proves the right to the call.
        #[serde(default)]
        reconnect: Option<Secret>,
        /// Parameters of an outgoing call.
        #[serde(default)]
        twilio: OutgoingParameters,
    },
    /// Accepting an incoming call on the socket that rang.
    Answer {
        callsid: String,
        /// The browser's answer to the offer in `invite`.
        sdp: String,
    },
    /// Hanging up.
    Hangup {
        /// The call; its temporary name if the client never learnt its SID.
        callsid: String,
        /// Why, when something went wrong.
        #[serde(default)]
        message: Option<String>,
    },
    /// Refusing an incoming call.
    Reject { callsid: String },
    /// ICE restart.
    Reinvite {
        callsid: String,
        /// The browser's new offer.
        sdp: String,
    },
    /// Keys, when RTP cannot carry them.
    Dtmf {
        callsid: String,
        /// The keys, verbatim.
        dtmf: String,
    },
    /// A message on the call.
    Message {
        callsid: String,
        /// Anything; the content type says what.
        content: serde_json::Value,
        /// MIME type.
        #[serde(default)]
        contenttype: String,
        /// `user-defined-message`.
        #[serde(default)]
        messagetype: String,
        /// `KX…`, to be repeated in the acknowledgement.
        voiceeventsid: String,
    },
}

/// Payload of `register`.
#[derive(Clone, Copy, Debug, Deserialize)]
pub struct RegisteredMedia {
    /// True to take calls.
    pub audio: bool,
}

/// Parameters of an outgoing call.
#[derive(Clone, Debug, Default, Deserialize)]
pub struct OutgoingParameters {
    /// URL-encoded pairs.
    #[serde(default)]
    pub params: Option<String>,
}

/// Everything that the SDK listens to.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(tag = "type", content = "payload", rename_all = "lowercase")]
pub enum ServerMessage {
    /// The token was accepted.
    Connected {
        /// Where this is; the SDK makes the preferred signalling address of it.
        edge: &'static str,
        /// Twilio's name of the region.
        region: &'static str,
        /// The home region; decides the host for insights.
        home: &'static str,
        /// The gateway's name.
        gateway: &'static str,
        /// What the token says.
        token: TokenInfo,
    },
    /// Registered.
    Ready {},
    /// No longer registered.
    Offline {},
    /// An incoming call.
    Invite {
        callsid: CallSid,
        /// An offer, used only if the call is accepted on this socket.
        sdp: String,
        /// What another socket needs to take the call.
        reconnect: Secret,
        /// `call.parameters`.
        parameters: BTreeMap<String, String>,
    },
    /// The call no longer rings here.
    Cancel { callsid: CallSid },
    /// An outgoing call rings; tells its SID.
    Ringing { callsid: CallSid },
    /// Answer to an offer.
    Answer {
        callsid: CallSid,
        /// The gateway's SDP.
        sdp: String,
        /// Replaces the token of the call.
        reconnect: Secret,
    },
    /// The call is over.
    Hangup {
        /// The call, as the client calls it.
        callsid: String,
        /// Why, if something went wrong.
        #[serde(skip_serializing_if = "Option::is_none")]
        error: Option<WireError>,
    },
    /// Something went wrong.
    Error {
        error: WireError,
        /// With which call, if with one.
        #[serde(skip_serializing_if = "Option::is_none")]
        callsid: Option<String>,
        /// With which message, if with one.
        #[serde(skip_serializing_if = "Option::is_none")]
        voiceeventsid: Option<String>,
    },
    /// A message was taken.
    Ack {
        /// `message`.
        acktype: &'static str,
        callsid: String,
        /// The message's `KX…`.
        voiceeventsid: String,
    },
    /// Close, and do not reconnect.
    Close {},
}

/// What `connected` says of the token.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct TokenInfo {
    /// Whose it is.
    pub identity: Identity,
    /// Seconds left; drives the SDK's `tokenWillExpire`.
    pub ttl: u64,
}

/// An error as the gateway words it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct WireError {
    /// Twilio's error code.
    pub code: u32,
    pub message: String,
}

impl WireError {
    /// No such call, or no right to it.
    #[must_use]
    pub fn call_not_found() -> Self {
        Self { code: 31404, message: "Not Found".into() }
    }
}

impl ServerMessage {
    /// The frame's text.
    #[must_use]
    pub fn to_text(&self) -> String {
        let mut envelope = serde_json::to_value(self).unwrap_or_default();
        if let Some(envelope) = envelope.as_object_mut() {
            envelope.insert("version".into(), VERSION.into());
        }
        envelope.to_string()
    }
}

/// Writes `application/x-www-form-urlencoded` pairs; the SDK reads `+` as a space.
#[must_use]
pub fn form_encode(pairs: &BTreeMap<String, String>) -> String {
    let encode = |text: &str| {
        text.bytes().fold(String::new(), |mut out, byte| {
            match byte {
                b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'-' | b'.' | b'_' | b'*' => {
                    out.push(char::from(byte))
                }
                b' ' => out.push('+'),
                _ => out.push_str(&format!("%{byte:02X}")),
            }
            out
        })
    };
    pairs.iter().map(|(k, v)| format!("{}={}", encode(k), encode(v))).collect::<Vec<_>>().join("&")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_sdks_listen_is_read_and_its_token_is_never_shown() {
        let text = r#"{"type":"listen","version":"1.6","payload":{"browserinfo":{"p":"browser"},"reconnectTimeout":30,"token":"eyJ.secret"}}"#;
        let message: ClientMessage = serde_json::from_str(text).unwrap();
        assert!(
            matches!(&message, ClientMessage::Listen { token, reconnect_timeout: 30 } if token.expose() == "eyJ.secret")
        );
        assert!(!format!("{message:?}").contains("secret\""), "{message:?}");
    }

    #[test]
    fn both_kinds_of_invite_are_read() {
        let take: ClientMessage = serde_json::from_str(
            r#"{"type":"invite","version":"1.6","payload":{"callsid":"CA1","reconnect":"rt","sdp":"v=0","twilio":{}}}"#,
        )
        .unwrap();
        assert!(matches!(take, ClientMessage::Invite { reconnect: Some(_), .. }));
        let new: ClientMessage = serde_json::from_str(
            r#"{"type":"invite","version":"1.6","payload":{"callsid":"TJS1","sdp":"v=0","twilio":{"params":"To=x"}}}"#,
        )
        .unwrap();
        assert!(matches!(
            new,
            ClientMessage::Invite { reconnect: None, twilio: OutgoingParameters { params: Some(_) }, .. }
        ));
    }

    #[test]
    fn what_the_gateway_says_has_the_sdks_envelope() {
        let text = ServerMessage::Ready {}.to_text();
        assert_eq!(
            serde_json::from_str::<serde_json::Value>(&text).unwrap(),
            serde_json::json!({"type":"ready","version":"1.6","payload":{}})
        );
    }

    #[test]
    fn parameters_are_encoded_as_the_sdk_decodes_them() {
        let pairs = BTreeMap::from([
            ("note".to_owned(), "hello world & more".to_owned()),
            ("a".to_owned(), "ü=1".to_owned()),
        ]);
        assert_eq!(form_encode(&pairs), "a=%C3%BC%3D1&note=hello+world+%26+more");
    }
}
