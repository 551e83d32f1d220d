//! What a request to our own service may come to, for every subject that asks it.

use kernel::TokenUrl;

/// How a request failed, as the shell saw it. `Code`: the closed set of codes of what was asked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Fault<Code> {
    /// Nothing came back: no network, or no such host.
    Network,
    /// The service is there, and does not let this page read its answer: it allows other origins, or has no such path.
    Closed,
    /// Flex's store holds no token.
    NoToken,
    /// What came back is not the contract.
    Malformed,
    /// The service answered with an error.
    Refused {
        /// The HTTP status.
        status: u16,
        /// Its code; `None` where the body is not the contract's.
        code: Option<Code>,
        /// `Retry-After`, in seconds.
        retry_after_s: Option<u32>,
    },
}

/// Where a subject's service is: at an address of its own, else at the token service's origin. A Flex token travels to it, so
/// it is judged as the token service's is.
///
/// # Errors
/// Which setting is missing or wrong: `own_name`, or the token service's.
pub fn origin(
    own: Option<&str>,
    own_name: &'static str,
    token_service_url: Option<&str>,
) -> Result<String, &'static str> {
    let given = |text: Option<&str>| text.map(str::trim).unwrap_or_default().to_owned();
    let (own, shared) = (given(own), given(token_service_url));
    let (name, url) = if own.is_empty() { ("token_service_url", shared) } else { (own_name, own) };
    TokenUrl::new(url).map(|url| url.origin().to_owned()).map_err(|_not_a_url| name)
}

/// Whether a text is a SID of this kind, and so may stand in a path.
#[must_use]
pub fn is_sid(kind: &str, text: &str) -> bool {
    text.strip_prefix(kind).is_some_and(|id| id.len() == 32 && id.bytes().all(|b| b.is_ascii_hexdigit()))
}
