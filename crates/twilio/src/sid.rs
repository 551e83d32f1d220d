//! Identifiers that only the server side knows, each checked once, when it enters.

use std::fmt;

use aws_lc_rs::hmac;
use kernel::{Secret, id::is_sid, identifier};

identifier! {
    /// An API key: `SK` and 32 hexadecimal digits. Not secret; the key's secret is.
    ApiKeySid, "API key SID (SK and 32 hexadecimal digits)", |v| is_sid(v, "SK")
}

identifier! {
    /// A TwiML application, which outgoing calls are sent to: `AP` and 32 hexadecimal digits.
    ApplicationSid, "application SID (AP and 32 hexadecimal digits)", |v| is_sid(v, "AP")
}

identifier! {
    /// A TaskRouter worker: `WK` and 32 hexadecimal digits.
    WorkerSid, "worker SID (WK and 32 hexadecimal digits)", |v| is_sid(v, "WK")
}

identifier! {
    /// A TaskRouter workspace: `WS` and 32 hexadecimal digits.
    WorkspaceSid, "workspace SID (WS and 32 hexadecimal digits)", |v| is_sid(v, "WS")
}

identifier! {
    /// A TaskRouter task: `WT` and 32 hexadecimal digits.
    TaskSid, "task SID (WT and 32 hexadecimal digits)", |v| is_sid(v, "WT")
}

identifier! {
    /// A conversation, or a channel of Programmable Chat, of which Conversations has made one: `CH` and 32 hexadecimal digits.
    ConversationSid, "conversation SID (CH and 32 hexadecimal digits)", |v| is_sid(v, "CH")
}

identifier! {
    /// A service of Conversations: `IS` and 32 hexadecimal digits.
    ChatServiceSid, "chat service SID (IS and 32 hexadecimal digits)", |v| is_sid(v, "IS")
}

identifier! {
    /// A message: `IM` and 32 hexadecimal digits.
    MessageSid, "message SID (IM and 32 hexadecimal digits)", |v| is_sid(v, "IM")
}

identifier! {
    /// A file of a message: `ME` and 32 hexadecimal digits.
    MediaSid, "media SID (ME and 32 hexadecimal digits)", |v| is_sid(v, "ME")
}

identifier! {
    /// A room of Video: `RM` and 32 hexadecimal digits.
    RoomSid, "room SID (RM and 32 hexadecimal digits)", |v| is_sid(v, "RM")
}

/// An API key with its secret: what signs access tokens, and what may stand in for the account's auth token.
#[derive(Clone)]
pub struct ApiKey {
    sid: ApiKeySid,
    secret: Secret,
    signer: hmac::Key,
}

impl ApiKey {
    /// Puts the two together.
    #[must_use]
    pub fn new(sid: ApiKeySid, secret: Secret) -> Self {
        let signer = hmac::Key::new(hmac::HMAC_SHA256, secret.expose().as_bytes());
        Self { sid, secret, signer }
    }

    /// The key's public half.
    #[must_use]
    pub const fn sid(&self) -> &ApiKeySid {
        &self.sid
    }

    /// What signs with the secret half.
    pub(crate) const fn signer(&self) -> &hmac::Key {
        &self.signer
    }

    /// The key's secret half.
    #[must_use]
    pub const fn secret(&self) -> &Secret {
        &self.secret
    }
}

impl fmt::Debug for ApiKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ApiKey").field("sid", &self.sid).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_sid_is_its_two_letters_and_32_hex_digits() {
        assert!(WorkerSid::new(format!("WK{}", "a".repeat(32))).is_ok());
        for bad in ["", "WK", &format!("AC{}", "a".repeat(32)), &format!("WK{}", "g".repeat(32))] {
            assert!(WorkerSid::new(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn an_api_key_never_shows_its_secret() {
        let key =
            ApiKey::new(ApiKeySid::new(format!("SK{}", "2".repeat(32))).unwrap(), Secret::new("canary"));
        assert_eq!(format!("{key:?}"), format!("ApiKey {{ sid: SK{}, .. }}", "2".repeat(32)));
    }
}
