//! Identifiers that only the server side knows, each checked once, when it enters.

use std::{fmt, str::FromStr};

use protocol::{InvalidId, Secret, id::is_sid};
use serde::{Deserialize, Serialize};

macro_rules! sid {
    ($(#[$doc:meta])* $name:ident, $prefix:literal, $expected:literal) => {
        $(#[$doc])*
        #[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
        #[serde(try_from = "String", into = "String")]
        pub struct $name(String);

        impl $name {
            /// Checks and takes the string.
            ///
            /// # Errors
            /// [`InvalidId`] when the string does not have the form that the type documents.
            pub fn new(value: impl Into<String>) -> Result<Self, InvalidId> {
                let value = value.into();
                if is_sid(&value, $prefix) { Ok(Self(value)) } else { Err(InvalidId { expected: $expected }) }
            }

            /// The identifier as it is written on the wire.
            #[must_use]
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl TryFrom<String> for $name {
            type Error = InvalidId;
            fn try_from(value: String) -> Result<Self, InvalidId> {
                Self::new(value)
            }
        }

        impl FromStr for $name {
            type Err = InvalidId;
            fn from_str(value: &str) -> Result<Self, InvalidId> {
                Self::new(value)
            }
        }

        impl From<$name> for String {
            fn from(value: $name) -> String {
                value.0
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }
    };
}

sid! {
    /// An API key: `SK` and 32 hexadecimal digits. Not secret; the key's secret is.
    ApiKeySid, "SK", "API key SID (SK and 32 hexadecimal digits)"
}

sid! {
    /// A TwiML application, which outgoing calls are sent to: `AP` and 32 hexadecimal digits.
    ApplicationSid, "AP", "application SID (AP and 32 hexadecimal digits)"
}

sid! {
    /// A TaskRouter worker: `WK` and 32 hexadecimal digits.
    WorkerSid, "WK", "worker SID (WK and 32 hexadecimal digits)"
}

/// An API key with its secret: what signs access tokens, and what may stand in for the account's auth token.
#[derive(Clone)]
pub struct ApiKey {
    sid: ApiKeySid,
    secret: Secret,
}

impl ApiKey {
    /// Puts the two together.
    #[must_use]
    pub const fn new(sid: ApiKeySid, secret: Secret) -> Self {
        Self { sid, secret }
    }

    /// The key's public half.
    #[must_use]
    pub const fn sid(&self) -> &ApiKeySid {
        &self.sid
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
