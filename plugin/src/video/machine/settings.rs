//! What an administrator switches on, as they write it, and checked.

use kernel::{AccountSid, Secret};
use protocol::video::{PAGE_PATH, TASKS_PATH, code_of};

use crate::service;

/// `ui_attributes.holdfast.video` of the Flex configuration, as it was found there.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Settings {
    /// It is `true`, or an object.
    pub on: bool,
    /// `video.url`: where the service is; the token service's own origin when absent.
    pub url: Option<String>,
    /// `video.text`: whether calls have the button too, where the service can send the customer a text message.
    pub text: bool,
    /// `token_service_url`, beside it.
    pub token_service_url: Option<String>,
    /// The account, as Flex names it.
    pub account_sid: String,
}

/// The settings, checked.
#[derive(Clone, Debug)]
pub struct Config {
    origin: Result<String, &'static str>,
    /// The service is where the token service is: the extension's window speaks to no other, because the agent has agreed to none.
    is_the_extensions: bool,
    account_sid: Option<AccountSid>,
    pub(super) text: bool,
}

impl Config {
    /// `None` where video is switched off.
    #[must_use]
    pub fn new(settings: &Settings) -> Option<Self> {
        let (own, shared) = (settings.url.as_deref(), settings.token_service_url.as_deref());
        let origin = service::origin(own, "video.url", shared);
        settings.on.then(|| Self {
            is_the_extensions: origin.is_ok() && origin == service::origin(None, "", shared),
            origin,
            // What is no account's SID does not go into a URL; the service answers for its only account then.
            account_sid: AccountSid::new(&*settings.account_sid).ok(),
            text: settings.text,
        })
    }

    /// The setting that is missing or wrong.
    #[must_use]
    pub fn wrong(&self) -> Option<&'static str> {
        self.origin.as_ref().err().copied()
    }

    /// Whether a window of the extension may speak to the service.
    pub(super) const fn is_the_extensions(&self) -> bool {
        self.is_the_extensions
    }

    /// The whole URL of a resource of a task. `rest` is what follows the task's SID.
    pub(super) fn url(&self, task: &str, rest: &str) -> Option<String> {
        let origin = self.origin.as_ref().ok().filter(|_| service::is_sid("WT", task))?;
        let account = self.account_sid.as_ref().map(|sid| format!("?account_sid={sid}")).unwrap_or_default();
        Some(format!("{origin}{TASKS_PATH}/{task}{rest}{account}"))
    }

    /// The page of the call behind a link of the agent's; `None` where the service gave none. It begins by itself: the agent has
    /// clicked already.
    pub(super) fn page(&self, link: &str) -> Option<Secret> {
        let origin = self.origin.as_ref().ok()?;
        code_of(link).map(|code| Secret::new(format!("{origin}{PAGE_PATH}{code}#start")))
    }
}
