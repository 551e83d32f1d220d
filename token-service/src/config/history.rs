//! The settings of chat history, for one account.

use std::collections::BTreeSet;

use kernel::Secret;
use service_kit::settings::{ConfigError, Section, Source};
use twilio::{ApiKey, ChatServiceSid, WorkspaceSid};

use super::forms::{FLEX_ORIGIN, KEY, ORIGIN, is_origin};
use crate::history::HistoryConfig;

/// The name of the variable with the secret of the API key that chat history is read with; with `_FILE` appended, of the one that names
/// a file.
pub const HISTORY_API_KEY_SECRET: &str = "TWILIO_HISTORY_API_KEY_SECRET";

/// What an agent who scrolls and searches needs, and more: a page a tenth of a second.
const REQUESTS_PER_MINUTE: u64 = 600;

/// A century.
const MAX_DAYS: u64 = 36_500;

/// The settings, where it is switched on; `None` with an error told when they are not usable. `signing` are the keys that sign
/// tokens, which must not be read with.
pub(super) fn read(
    source: &Source<'_>,
    section: &Section<'_>,
    secret: Option<Secret>,
    signing: &[ApiKey],
) -> Option<HistoryConfig> {
    // All are looked at also when it is off: they are no misspelt ones.
    let is_on = section.switch("history");
    let sid = section.own_text("history_api_key_sid", KEY, |text| text.parse().ok());
    let workspace_sid =
        section.text("workspace_sid", "workspace SID (WS and 32 hexadecimal digits)", |text| {
            WorkspaceSid::new(text).ok()
        });
    let chat_service_sid =
        section.text("history_chat_service_sid", "chat service SID (IS and 32 hexadecimal digits)", |text| {
            ChatServiceSid::new(text).ok()
        });
    let origins =
        section.list("history_allowed_origins", ORIGIN, |text| is_origin(text).then(|| text.to_owned()));
    let customer_conversations = section.switch("history_customer_conversations");
    let same_customer_only = section.switch("history_same_customer_only");
    let days = section.number(
        "history_retention_days",
        1..=MAX_DAYS,
        "number of days (1 to 36500; without it, nothing is hidden)",
        0,
    );
    let requests_per_minute = section.count("history_requests_per_minute", REQUESTS_PER_MINUTE);
    if !is_on {
        return None;
    }

    let told = |name: &str, why: &str| source.error(ConfigError::Contradiction(format!("{name} {why}")));
    let name = section.name("history_api_key_sid");
    let api_key = match (sid, secret) {
        (Some(sid), Some(secret)) => Some(ApiKey::new(sid, secret)),
        (None, _) if !section.is_set_here("history_api_key_sid") => {
            told(
                &name,
                "is not set: chat history reads with an API key of its own. Create one in the Twilio Console (Account, API keys; a \
                 restricted one that may read TaskRouter and Conversations is enough)",
            );
            None
        }
        (Some(_), None) => {
            told(
                &name,
                &format!(
                    "has no secret: set {HISTORY_API_KEY_SECRET} or {HISTORY_API_KEY_SECRET}_FILE (in a file \
                with accounts, history_api_key_secret_file or history_api_key_secret_env)"
                ),
            );
            None
        }
        // It is malformed, which was told.
        (None, _) => None,
    };
    if api_key.as_ref().is_some_and(|key| signing.iter().any(|signs| signs.sid() == key.sid())) {
        told(
            &name,
            "is the key that signs Voice tokens: whoever got hold of one should not have the other. Create another",
        );
        return None;
    }
    if workspace_sid.is_none() && !section.is_set("workspace_sid") {
        told(&section.name("workspace_sid"), "is not set: chat history asks TaskRouter there who has a task");
    }
    Some(HistoryConfig {
        api_key: api_key?,
        workspace_sid: workspace_sid?,
        chat_service_sid,
        allowed_origins: origins.map_or_else(
            || BTreeSet::from([FLEX_ORIGIN.to_owned()]),
            |origins| origins.into_iter().collect(),
        ),
        customer_conversations,
        same_customer_only,
        retention_days: u32::try_from(days).ok().filter(|days| *days > 0),
        requests_per_minute,
    })
}
