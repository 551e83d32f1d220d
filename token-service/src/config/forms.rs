//! What settings look like, for those of several kinds.

/// What an origin is, for a person.
pub(super) const ORIGIN: &str = "origin (chrome-extension://<32 letters a to p>, or https://host[:port])";

/// What an API key's SID is, for a person.
pub(super) const KEY: &str = "API key SID (SK and 32 hexadecimal digits)";

/// Where Flex is when nothing else is said.
pub(super) const FLEX_ORIGIN: &str = "https://flex.twilio.com";

/// As browsers write it: lower case, no path, no default port.
pub(super) fn is_origin(text: &str) -> bool {
    if let Some(id) = text.strip_prefix("chrome-extension://") {
        return id.len() == 32 && id.bytes().all(|b| (b'a'..=b'p').contains(&b));
    }
    text.starts_with("https://")
        && reqwest::Url::parse(text).is_ok_and(|url| url.origin().ascii_serialization() == text)
}

/// An absolute URL without credentials, query and fragment, which could hold secrets.
pub(super) fn plain_url(text: &str) -> Option<String> {
    let url = reqwest::Url::parse(text).ok()?;
    let plain = matches!(url.scheme(), "https" | "http") && !text.contains(['@', '?', '#']);
    plain.then(|| text.to_owned())
}
