//! Which account and which token service this browser belongs to: policy first, else first use.

use protocol::{AccountSid, IdentityPrefix, Problem, ProblemCode, TokenUrl, page::Configure};
use serde::{Deserialize, Serialize};

/// The administrator's policy as Chrome hands it over (`chrome.storage.managed`), unchecked.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct PolicyValues {
    /// The only account that this browser may serve.
    pub account_sid: Option<String>,
    /// The only token service that a Flex token may be sent to.
    pub token_service_url: Option<String>,
    /// What the agents' Voice identities start with.
    pub identity_prefix: Option<String>,
}

/// The administrator's policy, checked. What is absent is decided by first use.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Policy {
    /// The only account.
    pub account: Option<AccountSid>,
    /// The only token service.
    pub token_url: Option<TokenUrl>,
    /// The only prefix.
    pub prefix: Option<IdentityPrefix>,
}

impl Policy {
    /// Takes each value that is valid; also returns what to tell the administrator about the others.
    #[must_use]
    pub fn read(values: &PolicyValues) -> (Self, Vec<String>) {
        let mut complaints = Vec::new();
        let mut complain = |key: &str, expected: &str| {
            complaints.push(format!("The policy value {key} is ignored: it is not a valid {expected}."));
        };
        let given = |value: &Option<String>| {
            value.as_deref().map(str::trim).filter(|v| !v.is_empty()).map(str::to_owned)
        };
        let account = given(&values.account_sid).and_then(|value| {
            AccountSid::new(value).map_err(|error| complain("accountSid", error.expected)).ok()
        });
        let token_url = given(&values.token_service_url).and_then(|value| {
            TokenUrl::new(value).map_err(|error| complain("tokenServiceUrl", error.expected)).ok()
        });
        let prefix = given(&values.identity_prefix).and_then(|value| {
            IdentityPrefix::new(value).map_err(|error| complain("identityPrefix", error.expected)).ok()
        });
        (Self { account, token_url, prefix }, complaints)
    }

    /// True when policy decides the account or the token service.
    #[must_use]
    pub const fn is_managed(&self) -> bool {
        self.account.is_some() || self.token_url.is_some()
    }

    /// True when a configuration is one that this policy would let in.
    #[must_use]
    pub fn allows(&self, config: &Config) -> bool {
        self.account.as_ref().is_none_or(|account| *account == config.account)
            && self.token_url.as_ref().is_none_or(|url| same_url(url, &config.token_url))
            && self.prefix.as_ref().is_none_or(|prefix| *prefix == config.prefix)
    }
}

/// What this browser is pinned to, until it is restarted or the agent says so.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Config {
    /// The account.
    pub account: AccountSid,
    /// Where Flex tokens go.
    pub token_url: TokenUrl,
    /// What the identity has to start with.
    pub prefix: IdentityPrefix,
}

/// Judges a page's CONFIGURE by what is pinned and by policy.
///
/// # Errors
/// The [`Problem`] to answer with.
pub fn judge(configure: &Configure, policy: &Policy, pinned: Option<&Config>) -> Result<Config, Problem> {
    let refuse = |code, message: &str| Err(Problem { code, message: message.into(), retrying: false });

    let account = &configure.account_sid;
    if policy.account.as_ref().is_some_and(|only| only != account) {
        return refuse(
            ProblemCode::WrongAccount,
            "Your administrator has set up this browser for another Twilio account. Sign in to that \
             account's Flex.",
        );
    }
    if pinned.is_some_and(|config| config.account != *account) {
        return refuse(
            ProblemCode::WrongAccount,
            "The voice client already serves another Twilio account. Press Restart in the extension to \
             change over.",
        );
    }

    let Ok(token_url) = TokenUrl::new(configure.voice_client_token_generator_url.as_str()) else {
        return refuse(
            ProblemCode::WrongTokenUrl,
            "The token service URL of the Flex plugin is not a plain https URL. Correct the plugin's \
             configuration.",
        );
    };
    if policy.token_url.as_ref().is_some_and(|only| !same_url(only, &token_url)) {
        return refuse(
            ProblemCode::WrongTokenUrl,
            "The Flex plugin names another token service than your administrator's policy. Make the two \
             agree.",
        );
    }
    if pinned.is_some_and(|config| !same_url(&config.token_url, &token_url)) {
        return refuse(
            ProblemCode::WrongTokenUrl,
            "The voice client already uses another token service. Press Restart in the extension to \
             change over.",
        );
    }

    let prefix = &configure.extension_voice_client_prefix;
    if policy.prefix.as_ref().or(pinned.map(|config| &config.prefix)).is_some_and(|only| only != prefix) {
        return refuse(
            ProblemCode::WrongPrefix,
            "The Flex plugin names another identity prefix than the voice client uses. Make the two agree.",
        );
    }

    Ok(pinned.cloned().unwrap_or_else(|| Config {
        account: account.clone(),
        token_url,
        prefix: prefix.clone(),
    }))
}

/// True for two spellings of one URL: host names do not know upper case, and no path is the root.
fn same_url(a: &TokenUrl, b: &TokenUrl) -> bool {
    fn path(url: &TokenUrl) -> &str {
        let path = url.as_str().get(url.origin().len()..).unwrap_or("");
        if path.is_empty() { "/" } else { path }
    }
    a.origin().eq_ignore_ascii_case(b.origin()) && path(a) == path(b)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn configure(account: &str, url: &str, prefix: &str) -> Configure {
        Configure {
            voice_client_token_generator_url: url.into(),
            account_sid: AccountSid::new(account).unwrap(),
            extension_voice_client_prefix: IdentityPrefix::new(prefix).unwrap(),
            protocol_version: None,
        }
    }

    const A: &str = "AC11111111111111111111111111111111";
    const B: &str = "AC22222222222222222222222222222222";
    const URL: &str = "https://tokens.acme.test/v1/voice/token";

    #[test]
    fn the_first_page_pins_and_the_next_must_agree() {
        let pinned = judge(&configure(A, URL, "ext_"), &Policy::default(), None).unwrap();
        let again =
            |account, url, prefix| judge(&configure(account, url, prefix), &Policy::default(), Some(&pinned));
        assert_eq!(again(A, URL, "ext_").unwrap(), pinned);
        assert_eq!(again(A, "https://TOKENS.acme.test/v1/voice/token", "ext_").unwrap(), pinned);
        assert_eq!(again(B, URL, "ext_").unwrap_err().code, ProblemCode::WrongAccount);
        assert_eq!(again(A, "https://evil.test/", "ext_").unwrap_err().code, ProblemCode::WrongTokenUrl);
        assert_eq!(again(A, URL, "ja_").unwrap_err().code, ProblemCode::WrongPrefix);
    }

    #[test]
    fn a_token_url_without_tls_is_refused_also_as_the_first() {
        let refused =
            judge(&configure(A, "http://tokens.acme.test/", "ext_"), &Policy::default(), None).unwrap_err();
        assert_eq!(refused.code, ProblemCode::WrongTokenUrl);
    }

    #[test]
    fn policy_decides_before_first_use_does() {
        let (policy, complaints) = Policy::read(&PolicyValues {
            account_sid: Some(A.into()),
            token_service_url: Some(URL.into()),
            identity_prefix: Some("ext_".into()),
        });
        assert!(complaints.is_empty() && policy.is_managed());
        let ask = |account, url, prefix| judge(&configure(account, url, prefix), &policy, None);
        assert!(ask(A, URL, "ext_").is_ok());
        assert_eq!(ask(B, URL, "ext_").unwrap_err().code, ProblemCode::WrongAccount);
        assert_eq!(ask(A, "https://evil.test/", "ext_").unwrap_err().code, ProblemCode::WrongTokenUrl);
        assert_eq!(ask(A, URL, "ja_").unwrap_err().code, ProblemCode::WrongPrefix);
    }

    #[test]
    fn policy_may_decide_the_account_or_the_token_service_alone() {
        let account = PolicyValues { account_sid: Some(A.into()), ..PolicyValues::default() };
        let token_url = PolicyValues { token_service_url: Some(URL.into()), ..PolicyValues::default() };
        let prefix = PolicyValues { identity_prefix: Some("ext_".into()), ..PolicyValues::default() };
        assert!(Policy::read(&account).0.is_managed() && Policy::read(&token_url).0.is_managed());
        assert!(!Policy::read(&prefix).0.is_managed());

        let config = judge(&configure(A, URL, "ext_"), &Policy::default(), None).unwrap();
        for values in [&account, &token_url, &prefix] {
            assert!(Policy::read(values).0.allows(&config));
        }
        let other = judge(&configure(B, "https://else.test/", "ja_"), &Policy::default(), None).unwrap();
        for values in [&account, &token_url, &prefix] {
            assert!(!Policy::read(values).0.allows(&other));
        }
    }

    #[test]
    fn an_invalid_policy_value_is_named_and_ignored_without_being_repeated() {
        let (policy, complaints) = Policy::read(&PolicyValues {
            account_sid: Some("<b>AC</b>".into()),
            token_service_url: Some("http://tokens.acme.test/".into()),
            identity_prefix: Some(String::new()),
        });
        assert_eq!(policy, Policy::default());
        assert_eq!(complaints.len(), 2);
        assert!(
            complaints.iter().all(|line| !line.contains("<b>") && !line.contains("acme")),
            "{complaints:?}"
        );
    }
}
