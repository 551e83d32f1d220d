//! Which account and token service this browser belongs to: the administrator's policy first, else first use.

use kernel::{AccountSid, IdentityPrefix, TokenUrl};
use messages::english::{self, Cause};
use policy::same_url;
pub use policy::{ApplyUpdates, Edge, Policy, PolicyValues, SecondCall, Share, UnexpectedCalls};
use protocol::{Problem, page::Configure};
use serde::{Deserialize, Serialize};

/// What this browser is pinned to, until it is restarted or the agent says so.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, wire::ToTree, wire::FromTree)]
pub struct Config {
    pub account: AccountSid,
    /// Where Flex tokens go.
    pub token_url: TokenUrl,
    /// What the identity has to start with.
    pub prefix: IdentityPrefix,
}

/// Judges a page's CONFIGURE by where the page lives, by what is pinned and by policy.
///
/// # Errors
/// The [`Problem`] to answer with.
pub fn judge(
    configure: &Configure,
    page_origin: &str,
    policy: &Policy,
    pinned: Option<&Config>,
) -> Result<Config, Problem> {
    let refuse = |cause: Cause| Err(cause.problem(false));

    if !policy.allows_page(page_origin) {
        return refuse(english::PAGE_NOT_IN_POLICY);
    }

    let account = &configure.account_sid;
    if !policy.accounts.is_empty() && !policy.accounts.contains(account) {
        return refuse(english::ACCOUNT_NOT_IN_POLICY);
    }
    if pinned.is_some_and(|config| config.account != *account) {
        return refuse(english::ACCOUNT_NOT_THE_FIRST);
    }

    let Ok(token_url) = TokenUrl::new(configure.voice_client_token_generator_url.as_str()) else {
        return refuse(english::TOKEN_URL_NOT_HTTPS);
    };
    if !policy.token_urls.is_empty() && !policy.vouches_for(&token_url) {
        return refuse(english::TOKEN_URL_NOT_IN_POLICY);
    }
    if pinned.is_some_and(|config| !same_url(&config.token_url, &token_url)) {
        return refuse(english::TOKEN_URL_NOT_THE_FIRST);
    }

    let prefix = &configure.extension_voice_client_prefix;
    if policy.prefix.as_ref().or(pinned.map(|config| &config.prefix)).is_some_and(|only| only != prefix) {
        return refuse(english::OTHER_PREFIX);
    }

    Ok(pinned.cloned().unwrap_or_else(|| Config {
        account: account.clone(),
        token_url,
        prefix: prefix.clone(),
    }))
}

#[cfg(test)]
mod tests {
    use protocol::ProblemCode;
    use serde_json::{Value, json};

    use super::*;

    fn configure(account: &str, url: &str, prefix: &str) -> Configure {
        Configure {
            voice_client_token_generator_url: url.into(),
            account_sid: AccountSid::new(account).unwrap(),
            extension_voice_client_prefix: IdentityPrefix::new(prefix).unwrap(),
            protocol_version: None,
            agent_identity: None,
        }
    }

    fn policy(values: Value) -> Policy {
        Policy::read(&values.into())
    }

    const A: &str = "AC11111111111111111111111111111111";
    const B: &str = "AC22222222222222222222222222222222";
    const C: &str = "AC33333333333333333333333333333333";
    const URL: &str = "https://tokens.acme.test/v1/voice/token";
    const FLEX_ORIGIN: &str = "https://flex.twilio.com";
    const OTHER_URL: &str = "https://tokens.second.test/v1/voice/token";

    #[test]
    fn the_first_page_pins_and_the_next_must_agree() {
        let free = Policy::default();
        let pinned = judge(&configure(A, URL, "ext_"), FLEX_ORIGIN, &free, None).unwrap();
        let again =
            |account, url, prefix| judge(&configure(account, url, prefix), FLEX_ORIGIN, &free, Some(&pinned));
        assert_eq!(again(A, URL, "ext_").unwrap(), pinned);
        assert_eq!(again(A, "https://TOKENS.acme.test/v1/voice/token", "ext_").unwrap(), pinned);
        assert_eq!(again(B, URL, "ext_").unwrap_err().code, ProblemCode::WrongAccount);
        assert_eq!(again(A, "https://evil.test/", "ext_").unwrap_err().code, ProblemCode::WrongTokenUrl);
        assert_eq!(again(A, URL, "ja_").unwrap_err().code, ProblemCode::WrongPrefix);
    }

    #[test]
    fn a_token_url_without_tls_is_refused_also_as_the_first() {
        let insecure = configure(A, "http://tokens.acme.test/", "ext_");
        let refused = judge(&insecure, FLEX_ORIGIN, &Policy::default(), None).unwrap_err();
        assert_eq!(refused.code, ProblemCode::WrongTokenUrl);
    }

    #[test]
    fn policy_decides_before_first_use_does() {
        let policy = policy(json!({
            "accountSids": [A, B], "tokenServiceUrls": [URL, OTHER_URL], "identityPrefix": "ext_",
        }));
        assert!(policy.complaints.is_empty() && policy.is_managed());
        let ask = |account, url, prefix| judge(&configure(account, url, prefix), FLEX_ORIGIN, &policy, None);
        assert!(ask(A, URL, "ext_").is_ok());
        assert!(ask(B, OTHER_URL, "ext_").is_ok());
        assert_eq!(ask(C, URL, "ext_").unwrap_err().code, ProblemCode::WrongAccount);
        assert_eq!(ask(A, "https://evil.test/", "ext_").unwrap_err().code, ProblemCode::WrongTokenUrl);
        assert_eq!(ask(A, URL, "ja_").unwrap_err().code, ProblemCode::WrongPrefix);
    }

    #[test]
    fn pages_live_where_the_package_was_made_for_unless_policy_says_where() {
        let ask = |origin, policy: &Policy| {
            judge(&configure(A, URL, "ext_"), origin, policy, None).map_err(|problem| problem.code)
        };
        let elsewhere = Err(ProblemCode::WrongPageOrigin);
        let free = Policy::default();
        assert!(ask(FLEX_ORIGIN, &free).is_ok() && ask("https://flex.acme.test", &free).is_ok());

        let own = policy(json!({"pageOrigins": ["https://flex.acme.test/", "http://localhost:3000"]}));
        assert!(own.complaints.is_empty(), "{:?}", own.complaints);
        assert!(ask("https://flex.acme.test", &own).is_ok());
        assert!(ask("http://localhost:3000", &own).is_ok());
        assert_eq!(ask(FLEX_ORIGIN, &own), elsewhere);
        assert_eq!(ask("https://flex.acme.test:8443", &own), elsewhere);
    }
}
