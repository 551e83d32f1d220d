//! Identifiers, each checked once, when it enters.

/// Why a string is not the identifier that it was read as. The string itself is not kept: it may be hostile or secret.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("not a valid {expected}")]
pub struct InvalidId {
    /// What was expected, in words for a person: "account SID (AC and 32 hexadecimal digits)".
    pub expected: &'static str,
}

/// Defines an identifier: a checked string that serialises as itself. For this crate and for those that know further
/// ones; the user needs `serde` as a dependency.
///
/// ```
/// kernel::identifier! {
///     /// A TaskRouter worker.
///     WorkerSid, "worker SID (WK and 32 hexadecimal digits)", |v| kernel::id::is_sid(v, "WK")
/// }
/// assert!(WorkerSid::new("WK12").is_err());
/// ```
#[macro_export]
macro_rules! identifier {
    ($(#[$doc:meta])* $name:ident, $expected:literal, $check:expr) => {
        $(#[$doc])*
        #[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord, ::serde::Serialize, ::serde::Deserialize)]
        #[serde(try_from = "String", into = "String")]
        pub struct $name(String);

        impl $name {
            /// Checks and takes the string.
            ///
            /// # Errors
            /// `InvalidId` when the string does not have the form that the type documents.
            pub fn new(value: impl Into<String>) -> Result<Self, $crate::InvalidId> {
                let value = value.into();
                let check: fn(&str) -> bool = $check;
                if check(&value) { Ok(Self(value)) } else { Err($crate::InvalidId { expected: $expected }) }
            }

            /// The identifier as it is written on the wire.
            #[must_use]
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl TryFrom<String> for $name {
            type Error = $crate::InvalidId;
            fn try_from(value: String) -> Result<Self, $crate::InvalidId> {
                Self::new(value)
            }
        }

        impl ::std::str::FromStr for $name {
            type Err = $crate::InvalidId;
            fn from_str(value: &str) -> Result<Self, $crate::InvalidId> {
                Self::new(value)
            }
        }

        impl From<$name> for String {
            fn from(value: $name) -> String {
                value.0
            }
        }

        impl $crate::wire::ToTree for $name {
            fn to_tree(&self) -> $crate::wire::Tree {
                $crate::wire::ToTree::to_tree(&self.0)
            }
        }

        impl $crate::wire::FromTree for $name {
            fn from_tree(tree: &mut $crate::wire::Tree) -> Option<Self> {
                <String as $crate::wire::FromTree>::from_tree(tree).and_then(|value| Self::new(value).ok())
            }
        }

        impl ::std::fmt::Display for $name {
            fn fmt(&self, f: &mut ::std::fmt::Formatter<'_>) -> ::std::fmt::Result {
                f.write_str(&self.0)
            }
        }

        impl ::std::fmt::Debug for $name {
            fn fmt(&self, f: &mut ::std::fmt::Formatter<'_>) -> ::std::fmt::Result {
                f.write_str(&self.0)
            }
        }
    };
}

/// True for a Twilio SID: the two-letter prefix and 32 hexadecimal digits.
#[must_use]
pub fn is_sid(value: &str, prefix: &str) -> bool {
    value
        .strip_prefix(prefix)
        .is_some_and(|hex| hex.len() == 32 && hex.bytes().all(|b| b.is_ascii_hexdigit()))
}

identifier! {
    /// A Twilio account: `AC` and 32 hexadecimal digits.
    #[cfg_attr(feature = "typescript", derive(ts_rs::TS))]
    AccountSid, "account SID (AC and 32 hexadecimal digits)", |v| is_sid(v, "AC")
}

identifier! {
    /// One leg of a call: `CA` and 32 hexadecimal digits.
    #[cfg_attr(feature = "typescript", derive(ts_rs::TS))]
    CallSid, "call SID (CA and 32 hexadecimal digits)", |v| is_sid(v, "CA")
}

identifier! {
    /// A Voice client identity: letters, digits and underscores, 1 to 121 of them.
    ///
    /// Source: Twilio's Client documentation, "alphanumeric and underscore characters only"; the length limit of 121
    /// is Twilio's documented maximum for client names.
    #[cfg_attr(feature = "typescript", derive(ts_rs::TS))]
    Identity, "client identity (letters, digits and underscores)", |v| {
        (1..=121).contains(&v.len()) && v.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_')
    }
}

impl Identity {
    /// The worker attribute that sends a reservation's call to this client: `client:` and the identity.
    #[must_use]
    pub fn contact_uri(&self) -> String {
        format!("client:{self}")
    }
}

identifier! {
    /// What sets an extension's identity apart from the agent's own Flex client: `ext_` by default.
    ///
    /// 1 to 16 lower-case letters and digits, ended by an underscore. That a name begins with it proves nothing: Flex encodes
    /// `ext.jones` as `ext_2Ejones`. Whose identity it is, is known by the whole of it: the prefix and the agent's own. The prefix is the token service's decision; one
    /// that a page sends is compared, never used (it is how the replaced extension allowed impersonation).
    #[cfg_attr(feature = "typescript", derive(ts_rs::TS))]
    IdentityPrefix, "identity prefix (lower-case letters and digits, then _)", |v| {
        v.strip_suffix('_').is_some_and(|p| {
            (1..=16).contains(&p.len()) && p.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit())
        })
    }
}

identifier! {
    /// DTMF digits as the Voice SDK takes them: `0-9`, `*`, `#` and `w` (a pause of 500 ms), 1 to 256 of them. The one bound
    /// on what is sent in one go: longer than any account number with its PIN and pauses, and said before the first digit.
    #[cfg_attr(feature = "typescript", derive(ts_rs::TS))]
    DtmfDigits, "DTMF digits (0-9, *, #, w; at most 256)", |v| {
        (1..=DtmfDigits::MAX).contains(&v.len())
            && v.bytes().all(|b| b.is_ascii_digit() || matches!(b, b'*' | b'#' | b'w'))
    }
}

impl DtmfDigits {
    /// How many characters there are at most, pauses included.
    pub const MAX: usize = 256;

    /// How many of them are pauses.
    #[must_use]
    pub fn pauses(&self) -> usize {
        self.0.bytes().filter(|b| *b == b'w').count()
    }
}

identifier! {
    /// What a call is expected for: a reservation's or a task's SID, or any other name of 1 to 64 letters, digits, `_`, `-`
    /// and `:` that is not used for anything else.
    #[cfg_attr(feature = "typescript", derive(ts_rs::TS))]
    ExpectationId, "name of an expectation (letters, digits, _, - and :)", |v| {
        (1..=64).contains(&v.len())
            && v.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'_' | b'-' | b':'))
    }
}

identifier! {
    /// Where Flex tokens are exchanged for Voice tokens: an `https` URL without user, query or fragment.
    ///
    /// `https` only, because a Flex token travels to it.
    #[cfg_attr(feature = "typescript", derive(ts_rs::TS))]
    TokenUrl, "token service URL (https://host/path, without query)", |v| {
        v.strip_prefix("https://").is_some_and(|rest| {
            let host = rest.split('/').next().unwrap_or("");
            v.len() <= 2048
                && !host.is_empty()
                && host.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'.' | b'-' | b':'))
                && rest.bytes().all(|b| b.is_ascii_graphic() && !matches!(b, b'?' | b'#' | b'@' | b'\\' | b'"' | b'<' | b'>'))
        })
    }
}

impl TokenUrl {
    /// Scheme, host and port: what may appear in a log.
    #[must_use]
    pub fn origin(&self) -> &str {
        self.0.get(.."https://".len() + self.host().len()).unwrap_or("")
    }

    /// The host, with its port where one is named.
    #[must_use]
    pub fn host(&self) -> &str {
        let rest = self.0.get("https://".len()..).unwrap_or("");
        rest.split('/').next().unwrap_or("")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_account_sid_is_ac_and_32_hex_digits() {
        assert!(AccountSid::new(format!("AC{}", "f".repeat(32))).is_ok());
        for bad in ["", "AC", "AC12", &format!("CA{}", "f".repeat(32)), &format!("AC{}", "g".repeat(32))] {
            assert!(AccountSid::new(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn an_identity_has_no_client_prefix_and_no_markup() {
        assert_eq!(
            Identity::new("ext_agent_40example_2Ecom").unwrap().contact_uri(),
            "client:ext_agent_40example_2Ecom"
        );
        for bad in ["", "client:ext_a", "a b", "<b>", "ä", &"a".repeat(122)] {
            assert!(Identity::new(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn a_prefix_is_short_lower_case_and_ends_in_its_only_underscore() {
        assert!(IdentityPrefix::new("ext_").is_ok());
        for bad in ["", "_", "ja", "Ext_", "ext__x", "ext_ext_"] {
            assert!(IdentityPrefix::new(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn a_token_url_is_https_and_carries_nothing_but_a_path() {
        let url = TokenUrl::new("https://tokens.acme.test:8443/v1/voice/token").unwrap();
        assert_eq!(url.origin(), "https://tokens.acme.test:8443");
        assert_eq!(url.host(), "tokens.acme.test:8443");
        for bad in [
            "http://tokens.acme.test/",
            "https://",
            "https:///x",
            "https://user@host/",
            "https://host/?Token=1",
            "https://host/#x",
            "javascript:alert(1)",
            "https://ho st/",
            "https://t\u{f6}kens.acme.test/",
            "https://tokens.acme.test/\u{202e}nekot",
            "https://tokens.acme.test/%E2%80%AE\u{200b}",
            "https://host\\@evil/",
        ] {
            assert!(TokenUrl::new(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn digits_are_what_a_keypad_has() {
        assert_eq!(DtmfDigits::new("12*#0w").unwrap().pauses(), 1);
        assert!(DtmfDigits::new("1".repeat(256)).is_ok());
        for bad in ["", "a", "1 2", &"1".repeat(257)] {
            assert!(DtmfDigits::new(bad).is_err(), "{bad}");
        }
    }
}
