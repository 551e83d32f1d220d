//! The plugin's settings, as an administrator writes them, and checked.

use kernel::{AccountSid, IdentityPrefix, TokenUrl};
use lifeline::Hello;
use protocol::DEFAULT_IDENTITY_PREFIX;

use super::flex_view::FlexView;
use super::i18n::Words;
use super::voice::Why;

/// The activity for an agent whose voice client cannot take calls, when the Flex configuration names no
/// other.
pub const DEFAULT_OFFLINE_ACTIVITY: &str = "Voice Client Offline";

/// `ui_attributes.holdfast` of the Flex configuration, as it was found there, completed by the build's defaults.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Settings {
    /// `token_service_url`: where the extension exchanges Flex tokens for Voice tokens. Required.
    pub token_service_url: Option<String>,
    /// `identity_prefix`: what the extension's identities start with; [`DEFAULT_IDENTITY_PREFIX`] when absent.
    pub identity_prefix: Option<String>,
    /// `offline_activity`: the activity's name; [`DEFAULT_OFFLINE_ACTIVITY`] when absent.
    pub offline_activity: Option<String>,
    /// `call_controls`: `store` (the default) to put the extension's call into Flex's store, `actions` to replace Flex's
    /// documented actions instead, for a Flex in which the former does not work.
    pub call_controls: Option<String>,
    /// The settings that are there and are no text.
    pub not_text: Vec<&'static str>,
}

impl Settings {
    /// The names of all settings.
    pub const NAMES: [&'static str; 4] =
        ["token_service_url", "identity_prefix", "offline_activity", "call_controls"];

    /// A setting by its name.
    pub fn field(&mut self, name: &str) -> Option<&mut Option<String>> {
        match name {
            "token_service_url" => Some(&mut self.token_service_url),
            "identity_prefix" => Some(&mut self.identity_prefix),
            "offline_activity" => Some(&mut self.offline_activity),
            "call_controls" => Some(&mut self.call_controls),
            _ => None,
        }
    }
}

/// What is known when the plugin starts, and does not change until the page is reloaded.
#[derive(Clone, Debug, Default)]
pub struct Boot {
    /// The account's SID, as Flex names it.
    pub account_sid: String,
    /// The plugin's settings.
    pub settings: Settings,
    /// How to speak to the agent.
    pub words: Words,
    /// What Flex's store holds now.
    pub flex: FlexView,
}

/// The plugin's settings, checked.
#[derive(Clone, Debug)]
pub(super) struct Config {
    pub(super) hello: Hello,
    pub(super) offline_activity: String,
    pub(super) actions_only: bool,
}

impl Config {
    /// # Errors
    /// Which setting is missing or wrong.
    pub(super) fn new(boot: &Boot) -> Result<Self, Why> {
        let settings = &boot.settings;
        if let Some(setting) = settings.not_text.first() {
            return Err(Why::Misconfigured(setting));
        }
        let token_url =
            filled(settings.token_service_url.as_ref()).ok_or(Why::Missing("token_service_url"))?;
        // Whether this service may have Flex tokens is for the extension to say; that it cannot be one, for us.
        TokenUrl::new(&*token_url).ok().ok_or(Why::Misconfigured("token_service_url"))?;
        Ok(Self {
            hello: Hello {
                account: AccountSid::new(&*boot.account_sid).ok().ok_or(Why::Missing("account_sid"))?,
                token_url,
                prefix: prefix(settings).ok_or(Why::Misconfigured("identity_prefix"))?,
            },
            offline_activity: filled(settings.offline_activity.as_ref())
                .unwrap_or_else(|| DEFAULT_OFFLINE_ACTIVITY.to_owned()),
            actions_only: match filled(settings.call_controls.as_ref()).as_deref() {
                None | Some("store") => false,
                Some("actions") => true,
                Some(_) => return Err(Why::Misconfigured("call_controls")),
            },
        })
    }
}

/// A setting that says something.
fn filled(text: Option<&String>) -> Option<String> {
    text.map(|text| text.trim()).filter(|text| !text.is_empty()).map(str::to_owned)
}

/// The prefix of the extension's identities, `None` when the configured one is not a prefix.
pub(super) fn prefix(settings: &Settings) -> Option<IdentityPrefix> {
    let text = filled(settings.identity_prefix.as_ref());
    IdentityPrefix::new(text.as_deref().unwrap_or(DEFAULT_IDENTITY_PREFIX)).ok()
}
