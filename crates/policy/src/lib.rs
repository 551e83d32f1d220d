//! What an administrator decides for everybody's browser: the settings of `extension/managed_schema.json`, which says what
//! each means, read and judged in this one place for the worker that obeys them, the pages that show them and the
//! program that writes them.
//!
//! Chrome itself drops a value of another type than the schema's; everything else is judged here, value by value: what is
//! wrong is named in [`Policy::complaints`] and counts as not set, and the rest holds.

#![warn(missing_docs)]

use std::{collections::BTreeMap, fmt, mem};

use kernel::{AccountSid, IdentityPrefix, TokenUrl};
use protocol::{
    AudioKind,
    state::{LogLevel, PolicyComplaint, PolicyForm, PolicyItem},
};
use serde::Deserialize;
use serde_json::Value;

kernel::identifier! {
    /// Where a Flex page lives: `https://host` with or without a port, and nothing after it. For a plugin developer's own
    /// machine also `http://localhost`; no other origin goes without TLS, because a Flex token lives in it.
    PageOrigin, "page origin (https://host, without a path)", |v| {
        let host = v.strip_prefix("https://").or_else(|| {
            v.strip_prefix("http://").filter(|host| *host == "localhost" || host.starts_with("localhost:"))
        });
        host.is_some_and(|host| {
            let (name, port) = host.split_once(':').unwrap_or((host, "443"));
            v.len() <= 300
                && !name.is_empty()
                && name.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || matches!(b, b'.' | b'-'))
                && port.parse::<u16>().is_ok_and(|number| number.to_string() == port)
        })
    }
}

kernel::identifier! {
    /// A Twilio edge location, for example `dublin`. Which ones there are is Twilio's affair.
    Edge, "edge location (lower-case letters, digits and hyphens)", |v| {
        (1..=32).contains(&v.len())
            && v.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-')
    }
}

/// `signOutAfterMinutesWithoutPage` where policy does not say: long enough for a tab that was closed by mistake.
const DEFAULT_SIGN_OUT_MINUTES: u64 = 5;

/// The administrator's policy as Chrome hands it over (`chrome.storage.managed`), unchecked.
#[derive(Clone, Debug, Default, PartialEq, Deserialize, wire::FromTree)]
#[serde(transparent)]
pub struct PolicyValues(BTreeMap<String, Value>);

impl From<Value> for PolicyValues {
    /// The object's members; of anything else, nothing.
    fn from(value: Value) -> Self {
        match value {
            Value::Object(members) => Self(members.into_iter().collect()),
            _ => Self::default(),
        }
    }
}

/// What becomes of a call that is offered while one is live (`secondCall`).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum SecondCall {
    /// It is refused at once, so that its caller is routed on. The default.
    #[default]
    Refuse,
    /// The agent is asked.
    Offer,
}

/// What becomes of a call that nobody expects (`unexpectedCalls`).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum UnexpectedCalls {
    /// It rings until the agent says something. The default.
    #[default]
    Ring,
    /// It is refused at once, so that its caller is routed on.
    Refuse,
    /// It is answered by itself while a page of the agent is open, and rings otherwise.
    Answer,
}

/// When an update that Chrome has downloaded is applied (`applyUpdates`).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum ApplyUpdates {
    /// As soon as no call is live. The default.
    #[default]
    BetweenCalls,
    /// As soon as no call is live and no Flex page is connected.
    WhenFlexIsClosed,
    /// Never by ourselves: Chrome does it at its next start.
    AtBrowserStart,
}

/// The administrator's policy, checked. [`Policy::default`] is what holds without one: safe, and nothing forbidden that
/// an agent needs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Policy {
    /// `accountSids`: the only accounts. Empty: the first page's.
    pub accounts: Vec<AccountSid>,
    /// `tokenServiceUrls`: the only token services that a Flex token may be sent to. Empty: the first page's, as far as
    /// the agent agrees.
    pub token_urls: Vec<TokenUrl>,
    /// `pageOrigins`: the only origins whose pages may use the voice client. Empty: all that the package was made for.
    pub page_origins: Vec<PageOrigin>,
    /// `identityPrefix`: what the agents' Voice identities start with.
    pub prefix: Option<IdentityPrefix>,
    /// `edges`: where to connect to Twilio, in order of preference. Empty: the SDK's own choice.
    pub edges: Vec<Edge>,
    /// `secondCall`.
    pub second_call: SecondCall,
    /// `unexpectedCalls`.
    pub unexpected_calls: UnexpectedCalls,
    /// `answerTone`: false leaves out the tone that tells the agent of a call that was answered by itself.
    pub answer_tone: bool,
    /// `refreshTokenAt`: after which share of its life a Voice token is replaced.
    pub refresh_at: Share,
    /// `preferredMicrophone`: see [`Policy::prefers`].
    pub microphone: Option<String>,
    /// `preferredSpeaker`: see [`Policy::prefers`].
    pub speaker: Option<String>,
    /// `logLevel`: the least that the flight recorder keeps; see [`Policy::records`].
    pub log_level: LogLevel,
    /// `applyUpdates`.
    pub apply_updates: ApplyUpdates,
    /// `signOutAfterMinutesWithoutPage`: how long the voice client outlives the last page of its agent, in milliseconds.
    pub sign_out_after_ms: u64,
    /// `agentMayRestart`: false takes the popup's *Restart* away.
    pub may_restart: bool,
    /// `agentMayChangeSettings`: false fixes devices and volume as they are, for popup and page alike.
    pub may_change_settings: bool,
    /// What is set and valid, for the options page.
    pub items: Vec<PolicyItem>,
    /// What is set and wrong, for the administrator. Never repeats a value.
    pub complaints: Vec<PolicyComplaint>,
}

impl Default for Policy {
    fn default() -> Self {
        Self::read(&PolicyValues::default())
    }
}

impl Policy {
    /// Takes each value that is valid, and notes what to tell the administrator about the others.
    #[must_use]
    pub fn read(values: &PolicyValues) -> Self {
        Self::take(&mut Reader::of(values))
    }

    fn take(reader: &mut Reader<'_>) -> Self {
        Self {
            accounts: reader.list("accountSids", Some("accountSid"), &PolicyForm::AccountSid, |sid| {
                AccountSid::new(sid).ok()
            }),
            token_urls: reader.list(
                "tokenServiceUrls",
                Some("tokenServiceUrl"),
                &PolicyForm::TokenServiceUrl,
                |url| TokenUrl::new(url).ok(),
            ),
            page_origins: reader.list("pageOrigins", None, &PolicyForm::PageOrigin, |origin| {
                PageOrigin::new(origin.trim_end_matches('/')).ok()
            }),
            prefix: reader.text("identityPrefix", PolicyForm::IdentityPrefix, |prefix| {
                IdentityPrefix::new(prefix).ok()
            }),
            edges: reader.list("edges", None, &PolicyForm::Edge, |edge| Edge::new(edge).ok()),
            second_call: reader
                .word("secondCall", &[("refuse", SecondCall::Refuse), ("offer", SecondCall::Offer)])
                .unwrap_or_default(),
            unexpected_calls: reader
                .word(
                    "unexpectedCalls",
                    &[
                        ("ring", UnexpectedCalls::Ring),
                        ("refuse", UnexpectedCalls::Refuse),
                        ("answer", UnexpectedCalls::Answer),
                    ],
                )
                .unwrap_or_default(),
            answer_tone: reader.flag("answerTone").unwrap_or(true),
            refresh_at: reader.text("refreshTokenAt", PolicyForm::Percentage, Share::new).unwrap_or_default(),
            microphone: reader.text("preferredMicrophone", PolicyForm::DeviceName, device_label),
            speaker: reader.text("preferredSpeaker", PolicyForm::DeviceName, device_label),
            log_level: reader
                .word(
                    "logLevel",
                    &[("info", LogLevel::Info), ("warning", LogLevel::Warning), ("error", LogLevel::Error)],
                )
                .unwrap_or(LogLevel::Info),
            apply_updates: reader
                .word(
                    "applyUpdates",
                    &[
                        ("betweenCalls", ApplyUpdates::BetweenCalls),
                        ("whenFlexIsClosed", ApplyUpdates::WhenFlexIsClosed),
                        ("atBrowserStart", ApplyUpdates::AtBrowserStart),
                    ],
                )
                .unwrap_or_default(),
            sign_out_after_ms: 60_000
                * reader.minutes("signOutAfterMinutesWithoutPage").unwrap_or(DEFAULT_SIGN_OUT_MINUTES),
            may_restart: reader.flag("agentMayRestart").unwrap_or(true),
            may_change_settings: reader.flag("agentMayChangeSettings").unwrap_or(true),
            items: mem::take(&mut reader.items),
            complaints: mem::take(&mut reader.complaints),
        }
    }

    /// True when policy decides the account or the token service.
    #[must_use]
    pub const fn is_managed(&self) -> bool {
        !self.accounts.is_empty() || !self.token_urls.is_empty()
    }

    /// True when a page of this origin may use the voice client.
    #[must_use]
    pub fn allows_page(&self, origin: &str) -> bool {
        self.page_origins.is_empty() || self.page_origins.iter().any(|allowed| allowed.as_str() == origin)
    }

    /// True when policy itself names this token service, so that nobody need ask the agent about it.
    #[must_use]
    pub fn vouches_for(&self, token_url: &TokenUrl) -> bool {
        self.token_urls.iter().any(|allowed| same_url(allowed, token_url))
    }

    /// True when this account with this token service and prefix is one that this policy would let in.
    #[must_use]
    pub fn allows(&self, account: &AccountSid, token_url: &TokenUrl, prefix: &IdentityPrefix) -> bool {
        (self.accounts.is_empty() || self.accounts.contains(account))
            && (self.token_urls.is_empty() || self.vouches_for(token_url))
            && self.prefix.as_ref().is_none_or(|only| only == prefix)
    }

    /// True when policy prefers the device of this name: the preference is part of a label, in upper or lower case,
    /// because the same headset is called a little differently on each system.
    #[must_use]
    pub fn prefers(&self, kind: AudioKind, label: &str) -> bool {
        let wanted = match kind {
            AudioKind::Microphone => self.microphone.as_ref(),
            AudioKind::Speaker => self.speaker.as_ref(),
        };
        wanted.is_some_and(|wanted| label.to_lowercase().contains(&wanted.to_lowercase()))
    }

    /// True when the flight recorder keeps lines of this level.
    #[must_use]
    pub const fn records(&self, level: LogLevel) -> bool {
        match self.log_level {
            LogLevel::Info => true,
            LogLevel::Warning => matches!(level, LogLevel::Warning | LogLevel::Error),
            LogLevel::Error => matches!(level, LogLevel::Error),
        }
    }
}

/// A share of a token's life, in percent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Share(u8);

/// Late enough to spare the token service, early enough for many tries.
impl Default for Share {
    fn default() -> Self {
        Self(80)
    }
}

impl fmt::Display for Share {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}%", self.0)
    }
}

impl Share {
    /// From 10% to 95%, as an administrator writes it; none when it is something else.
    #[must_use]
    pub fn new(text: String) -> Option<Self> {
        let percent = text.strip_suffix('%').and_then(|number| number.trim_end().parse().ok());
        percent.filter(|percent| (10..=95).contains(percent)).map(Self)
    }

    /// This share of a span of time.
    #[must_use]
    pub const fn of_millis(self, millis: u64) -> u64 {
        (millis / 100).saturating_mul(self.0 as u64)
    }
}

/// A part of a device's name.
fn device_label(label: String) -> Option<String> {
    let is_fine = label.chars().count() <= 200 && !label.chars().any(char::is_control);
    is_fine.then_some(label)
}

/// Takes the values out one by one.
struct Reader<'a> {
    values: &'a PolicyValues,
    items: Vec<PolicyItem>,
    complaints: Vec<PolicyComplaint>,
    #[cfg(test)]
    asked: Vec<String>,
}

impl<'a> Reader<'a> {
    const fn of(values: &'a PolicyValues) -> Self {
        Self {
            values,
            items: Vec::new(),
            complaints: Vec::new(),
            #[cfg(test)]
            asked: Vec::new(),
        }
    }

    /// What is set under this key.
    fn value(&mut self, key: &str) -> Option<&'a Value> {
        #[cfg(test)]
        self.asked.push(key.into());
        self.values.0.get(key)
    }

    fn complain(&mut self, key: &str, wants: PolicyForm) {
        self.complaints.push(PolicyComplaint { key: key.into(), wants });
    }

    fn note(&mut self, key: &str, value: String) {
        self.items.push(PolicyItem { key: key.into(), value });
    }

    /// A string that is not blank.
    fn string(&mut self, key: &str) -> Option<String> {
        match self.value(key)? {
            Value::String(text) => Some(text.trim().to_owned()).filter(|text| !text.is_empty()),
            _ => {
                self.complain(key, PolicyForm::Text);
                None
            }
        }
    }

    fn text<T: ToString>(
        &mut self,
        key: &str,
        wants: PolicyForm,
        parse: impl Fn(String) -> Option<T>,
    ) -> Option<T> {
        let value = parse(self.string(key)?);
        match &value {
            Some(value) => self.note(key, value.to_string()),
            None => self.complain(key, wants),
        }
        value
    }

    /// A list; also the one value of an older key, from before there were lists.
    fn list<T: ToString + PartialEq>(
        &mut self,
        key: &str,
        older: Option<&str>,
        wants: &PolicyForm,
        parse: impl Fn(String) -> Option<T>,
    ) -> Vec<T> {
        let given = match self.value(key) {
            None => &[],
            Some(Value::Array(entries)) => entries.as_slice(),
            Some(_) => {
                self.complain(key, PolicyForm::List);
                &[]
            }
        };
        let mut valid = Vec::new();
        for entry in given {
            match parse(entry.as_str().unwrap_or_default().trim().to_owned()) {
                Some(value) if !valid.contains(&value) => valid.push(value),
                Some(_) => {}
                None => self.complain(key, wants.clone()),
            }
        }
        if let Some(older) = older
            && let Some(one) = self.string(older)
        {
            match parse(one) {
                Some(value) if !valid.contains(&value) => valid.push(value),
                Some(_) => {}
                None => self.complain(older, wants.clone()),
            }
        }
        if !valid.is_empty() {
            self.note(key, valid.iter().map(ToString::to_string).collect::<Vec<_>>().join(", "));
        }
        valid
    }

    /// One of a few words.
    fn word<T: Copy>(&mut self, key: &str, words: &[(&str, T)]) -> Option<T> {
        let given = self.string(key)?;
        let Some((word, value)) = words.iter().find(|(word, _)| *word == given) else {
            let known = words.iter().map(|(word, _)| (*word).to_owned()).collect();
            self.complain(key, PolicyForm::OneOf(known));
            return None;
        };
        self.note(key, (*word).into());
        Some(*value)
    }

    /// A whole number of minutes, up to a day.
    fn minutes(&mut self, key: &str) -> Option<u64> {
        let minutes = self.value(key)?.as_u64().filter(|minutes| (1..=1_440).contains(minutes));
        match minutes {
            Some(minutes) => self.note(key, minutes.to_string()),
            None => self.complain(key, PolicyForm::Minutes),
        }
        minutes
    }

    fn flag(&mut self, key: &str) -> Option<bool> {
        match self.value(key)? {
            Value::Bool(flag) => {
                self.note(key, flag.to_string());
                Some(*flag)
            }
            _ => {
                self.complain(key, PolicyForm::TrueOrFalse);
                None
            }
        }
    }
}

/// True for two spellings of one URL: host names do not know upper case, and no path is the root.
#[must_use]
pub fn same_url(a: &TokenUrl, b: &TokenUrl) -> bool {
    fn path(url: &TokenUrl) -> &str {
        let path = url.as_str().get(url.origin().len()..).unwrap_or("");
        if path.is_empty() { "/" } else { path }
    }
    a.origin().eq_ignore_ascii_case(b.origin()) && path(a) == path(b)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn policy(values: Value) -> Policy {
        Policy::read(&values.into())
    }

    const A: &str = "AC11111111111111111111111111111111";
    const B: &str = "AC22222222222222222222222222222222";
    const URL: &str = "https://tokens.acme.test/v1/voice/token";

    #[test]
    fn an_origin_is_scheme_host_and_port_and_has_tls_unless_it_is_this_machine() {
        for good in [
            "https://flex.acme.test",
            "https://flex.acme.test:8443",
            "http://localhost",
            "http://localhost:3000",
        ] {
            assert!(PageOrigin::new(good).is_ok(), "{good}");
        }
        for bad in [
            "",
            "https://",
            "flex.acme.test",
            "http://flex.acme.test",
            "http://localhost.evil.test",
            "https://*.acme.test",
            "https://flex.acme.test/desktop",
            "https://Flex.acme.test",
            "https://flex.acme.test:",
            "https://flex.acme.test:port",
            "https://flex.acme.test:0443",
            "https://user@flex.acme.test",
            "*://*/*",
            "<all_urls>",
        ] {
            assert!(PageOrigin::new(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn policy_may_decide_the_account_or_the_token_service_alone() {
        let (account, token_url_alone, prefix) = (
            policy(json!({"accountSids": [A]})),
            policy(json!({"tokenServiceUrls": [URL]})),
            policy(json!({"identityPrefix": "ext_"})),
        );
        assert!(account.is_managed() && token_url_alone.is_managed() && !prefix.is_managed());

        let token_url = |url| TokenUrl::new(url).unwrap();
        let prefix_of = |prefix| IdentityPrefix::new(prefix).unwrap();
        for policy in [account, token_url_alone, prefix] {
            let allows = |account, url, prefix| {
                policy.allows(&AccountSid::new(account).unwrap(), &token_url(url), &prefix_of(prefix))
            };
            assert!(allows(A, URL, "ext_"));
            assert!(!allows(B, "https://else.test/", "ja_"));
        }
    }

    #[test]
    fn the_older_keys_for_one_account_and_one_token_service_still_count() {
        let old = policy(json!({"accountSid": A, "tokenServiceUrl": URL}));
        let new = policy(json!({"accountSids": [A], "tokenServiceUrls": [URL]}));
        assert_eq!(old, new);
        assert_eq!(policy(json!({"accountSid": B, "accountSids": [A, B]})).accounts.len(), 2);
    }

    #[test]
    fn without_a_policy_nothing_is_forbidden_and_nothing_is_offered_that_was_not_before() {
        let free = Policy::default();
        assert!(free.may_restart && free.may_change_settings);
        assert_eq!(
            (free.second_call, free.unexpected_calls, free.apply_updates, free.log_level),
            (SecondCall::Refuse, UnexpectedCalls::Ring, ApplyUpdates::BetweenCalls, LogLevel::Info)
        );
        assert!(free.answer_tone);
        assert_eq!(free.sign_out_after_ms, 5 * 60_000);
        assert!(free.items.is_empty() && free.complaints.is_empty() && free.edges.is_empty());
        assert!(!free.prefers(AudioKind::Microphone, "Headset"));
    }

    #[test]
    fn every_setting_is_read_and_shown_under_its_key() {
        let policy = policy(json!({
            "accountSids": [A], "tokenServiceUrls": [URL], "pageOrigins": ["https://flex.acme.test"],
            "identityPrefix": "ext_", "edges": ["dublin", "roaming"], "secondCall": "offer",
            "preferredMicrophone": "Jabra", "preferredSpeaker": "Jabra", "logLevel": "warning",
            "applyUpdates": "whenFlexIsClosed", "agentMayRestart": false, "agentMayChangeSettings": false,
            "refreshTokenAt": "50 %", "unexpectedCalls": "refuse", "answerTone": false,
            "signOutAfterMinutesWithoutPage": 15,
        }));
        assert_eq!(policy.unexpected_calls, UnexpectedCalls::Refuse);
        assert!(!policy.answer_tone);
        assert_eq!(policy.sign_out_after_ms, 15 * 60_000);
        assert_eq!(policy.refresh_at.of_millis(3_600_000), 1_800_000);
        assert_eq!(policy.second_call, SecondCall::Offer);
        assert_eq!(policy.apply_updates, ApplyUpdates::WhenFlexIsClosed);
        assert_eq!(policy.edges.iter().map(Edge::as_str).collect::<Vec<_>>(), ["dublin", "roaming"]);
        assert!(!policy.may_restart && !policy.may_change_settings);
        assert!(!policy.records(LogLevel::Info) && policy.records(LogLevel::Error));
        assert!(policy.prefers(AudioKind::Speaker, "Headset (JABRA Evolve2 65)"));
        assert!(!policy.prefers(AudioKind::Microphone, "Built-in microphone"));
        let shown: Vec<String> =
            policy.items.iter().map(|item| format!("{}={}", item.key, item.value)).collect();
        assert_eq!(shown.len(), 16);
        assert!(shown.contains(&"edges=dublin, roaming".into()), "{shown:?}");
        assert!(shown.contains(&"agentMayRestart=false".into()), "{shown:?}");
    }

    #[test]
    fn a_wrong_value_is_named_and_ignored_without_being_repeated_and_the_rest_holds() {
        let wrong = policy(json!({
            "accountSids": ["<b>AC</b>", A, 7], "tokenServiceUrl": "http://tokens.acme.test/",
            "pageOrigins": "https://acme.test", "identityPrefix": " ", "edges": ["DUBLIN"], "secondCall": "acme",
            "preferredSpeaker": "x".repeat(201), "logLevel": 3, "applyUpdates": ["acme"],
            "agentMayRestart": "no", "agentMayChangeSettings": false, "refreshTokenAt": "5%",
            "unexpectedCalls": "acme", "answerTone": "yes",
            "signOutAfterMinutesWithoutPage": 1441,
        }));
        assert_eq!(wrong.accounts, [AccountSid::new(A).unwrap()]);
        assert!(!wrong.may_change_settings);
        let holds = policy(json!({"accountSids": [A], "agentMayChangeSettings": false}));
        assert_eq!(Policy { complaints: Vec::new(), ..wrong.clone() }, holds);
        assert_eq!(wrong.complaints.len(), 14, "{:#?}", wrong.complaints);
        for line in wrong.complaints.iter().map(ToString::to_string) {
            assert!(!line.contains("<b>") && !line.contains("acme"), "{line}");
        }
        assert_eq!(policy(json!("not even an object")), Policy::default());
    }

    /// Chrome drops what the schema does not name, so each key must be in both.
    #[test]
    fn the_schema_has_exactly_the_keys_that_are_read() {
        let schema: Value =
            serde_json::from_str(include_str!("../../../extension/managed_schema.json")).unwrap();
        let properties = schema["properties"].as_object().unwrap();
        for (key, property) in properties {
            let value = match property["type"].as_str().unwrap() {
                "array" => json!(7),
                "string" => json!(["x"]),
                "boolean" | "integer" => json!("x"),
                other => panic!("{key}: {other}"),
            };
            let read = policy(json!({ key: value }));
            assert_eq!(read.complaints.len(), 1, "nobody reads {key}");
            assert!(property["title"].is_string() && property["description"].is_string(), "{key}");
        }
        let values = PolicyValues::default();
        let mut reader = Reader::of(&values);
        Policy::take(&mut reader);
        reader.asked.sort();
        let named: Vec<&String> = properties.keys().collect();
        assert_eq!(reader.asked.iter().collect::<Vec<_>>(), named, "the schema does not name what is read");
    }
}
