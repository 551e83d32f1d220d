//! What a request to our own service may come to, for every subject that asks it.

use kernel::TokenUrl;
use sansio::Backoff;

/// How long is waited between two tries of what is tried again by itself.
pub const RETRY: Backoff = Backoff::new(2_000, 60_000);

/// A service that is closed to us is asked this much later.
const CLOSED_PAUSE_MS: u64 = 30_000;

/// How long is waited after too many requests, where the service does not say.
const BUSY_PAUSE_MS: u64 = 10_000;

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

/// What follows from a fault.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Verdict<Trouble> {
    /// Flex will have a new token in a moment.
    WaitForToken,
    /// It may work after a pause: of the rule where none is said.
    TryAgain(Trouble, Option<u64>),
    /// It will not by itself.
    Stop(Trouble),
}

impl<Trouble> Verdict<Trouble> {
    /// Too many requests; `told` makes of the seconds until the next what the agent is told.
    pub fn busy(pause_ms: Option<u64>, told: impl FnOnce(u64) -> Trouble) -> Self {
        let pause_ms = pause_ms.unwrap_or(BUSY_PAUSE_MS);
        Self::TryAgain(told(pause_ms / 1_000), Some(pause_ms))
    }
}

/// What a subject tells its agent, as far as every subject has it to tell.
pub trait Told: Sized {
    /// The closed set of codes of what it asks.
    type Code: Copy;
    /// The service does not have the subject, or not for this Flex.
    const OFF: Self;
    /// Twilio or the service is down.
    const UNAVAILABLE: Self;

    /// Something that should not happen.
    fn broken(code: &'static str) -> Self;

    /// What follows from a word of the service; `pause_ms` is when it may be asked again, where it says so.
    fn verdict(code: Self::Code, pause_ms: Option<u64>) -> Verdict<Self>;
}

impl<Code: Copy> Fault<Code> {
    /// What follows from it.
    #[must_use]
    pub fn verdict<T: Told<Code = Code>>(&self) -> Verdict<T> {
        let Self::Refused { status, code, retry_after_s } = self else {
            return match self {
                Self::NoToken => Verdict::WaitForToken,
                // It may have been a passing fault of the network, after all.
                Self::Closed => Verdict::TryAgain(T::OFF, Some(CLOSED_PAUSE_MS)),
                Self::Malformed => Verdict::Stop(T::broken("malformed")),
                Self::Network | Self::Refused { .. } => Verdict::TryAgain(T::UNAVAILABLE, None),
            };
        };
        let pause_ms = retry_after_s.map(|seconds| u64::from(seconds.clamp(1, 600)) * 1_000);
        match (code, status) {
            (Some(code), _) => T::verdict(*code, pause_ms),
            // Not the contract's words: another server, or what stands before ours.
            (None, 401) => Verdict::WaitForToken,
            (None, 404 | 405) => Verdict::Stop(T::OFF),
            (None, 429 | 502..=504) => Verdict::TryAgain(T::UNAVAILABLE, pause_ms),
            (None, _) => Verdict::Stop(T::broken("unexpected answer")),
        }
    }
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
