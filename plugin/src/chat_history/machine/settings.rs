//! What an administrator switches on, as they write it, and checked.

use kernel::AccountSid;
use protocol::history::HISTORY_PATH;

use crate::service;

/// `ui_attributes.holdfast.history` of the Flex configuration, as it was found there.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Settings {
    /// It is `true`, or an object.
    pub on: bool,
    /// `history.url`: where the service is; the token service's own origin when absent.
    pub url: Option<String>,
    /// `history.customer`: whether all earlier conversations of the customer are shown, where the service gives them.
    pub customer: bool,
    /// `token_service_url`, beside it.
    pub token_service_url: Option<String>,
    /// The account, as Flex names it.
    pub account_sid: String,
}

/// The settings, checked.
#[derive(Clone, Debug)]
pub struct Config {
    origin: Result<String, &'static str>,
    account_sid: String,
    pub(super) customer: bool,
}

impl Config {
    /// `None` where chat history is switched off.
    #[must_use]
    pub fn new(settings: &Settings) -> Option<Self> {
        settings.on.then(|| Self {
            origin: service::origin(
                settings.url.as_deref(),
                "history.url",
                settings.token_service_url.as_deref(),
            ),
            // What is no account's SID does not go into a URL; the service answers for its only account then.
            account_sid: AccountSid::new(&*settings.account_sid)
                .map(|account| account.as_str().to_owned())
                .unwrap_or_default(),
            customer: settings.customer,
        })
    }

    /// The setting that is missing or wrong.
    #[must_use]
    pub fn wrong(&self) -> Option<&'static str> {
        self.origin.as_ref().err().copied()
    }

    /// The whole URL of a resource of a task. `rest` is what follows the task's SID.
    pub(super) fn url(&self, task: &str, rest: &str, cursor: Option<&str>) -> Option<String> {
        let origin = self.origin.as_ref().ok()?;
        let mut url = format!("{origin}{HISTORY_PATH}/{task}{rest}");
        let mut separator = '?';
        for (name, value) in [("account_sid", Some(&*self.account_sid)), ("cursor", cursor)] {
            if let Some(value) = value.filter(|value| !value.is_empty()) {
                url.push(separator);
                url.push_str(name);
                url.push('=');
                encode(value, &mut url);
                separator = '&';
            }
        }
        Some(url)
    }
}

/// Percent-encodes a value of a query.
fn encode(value: &str, url: &mut String) {
    for byte in value.bytes() {
        if byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.' | b'_' | b'~') {
            url.push(char::from(byte));
        } else {
            const HEX: &[u8; 16] = b"0123456789ABCDEF";
            url.push('%');
            for digit in [byte >> 4, byte & 15] {
                url.push(char::from(HEX.get(usize::from(digit)).copied().unwrap_or_default()));
            }
        }
    }
}
