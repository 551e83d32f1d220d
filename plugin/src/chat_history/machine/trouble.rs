//! What went wrong, and what becomes of it.

use protocol::history::HistoryErrorCode;
use sansio::Backoff;

use crate::service;
use crate::words::{Text, Words};

/// How long is waited between two tries.
pub const RETRY: Backoff = Backoff::new(2_000, 60_000);

/// A service that is closed to us is asked this much later.
const CLOSED_PAUSE_MS: u64 = 30_000;

/// How a request for chat history failed.
pub type Fault = service::Fault<HistoryErrorCode>;

/// What the agent is told.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Trouble {
    /// No such conversation, or none that this task gives.
    NotFound,
    /// The service does not have chat history, or not for this Flex.
    Off,
    /// The Flex token is not valid, and no new one came.
    Token,
    /// The service says no for a reason that an administrator can change.
    NotAllowed(&'static str),
    /// Too many requests.
    Busy {
        /// It goes on in this many seconds.
        seconds: u64,
    },
    /// Twilio or the service is down.
    Unavailable,
    /// Something that should not happen.
    Broken(&'static str),
    /// A setting is missing or wrong.
    Setting(&'static str),
}

/// What follows from a fault.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// Flex will have a new token in a moment.
    WaitForToken,
    /// It is tried again by itself after a pause: of the rule where none is said.
    TryAgain(Trouble, Option<u64>),
    /// It is tried again when the agent says so.
    Stop(Trouble),
}

impl Fault {
    /// What follows from it.
    #[must_use]
    pub fn verdict(&self) -> Verdict {
        let Self::Refused { status, code, retry_after_s } = self else {
            return match self {
                Self::NoToken => Verdict::WaitForToken,
                // It may have been a passing fault of the network, after all.
                Self::Closed => Verdict::TryAgain(Trouble::Off, Some(CLOSED_PAUSE_MS)),
                Self::Malformed => Verdict::Stop(Trouble::Broken("malformed")),
                Self::Network | Self::Refused { .. } => Verdict::TryAgain(Trouble::Unavailable, None),
            };
        };
        let pause_ms = retry_after_s.map(|seconds| u64::from(seconds.clamp(1, 600)) * 1_000);
        match code {
            Some(HistoryErrorCode::MissingToken | HistoryErrorCode::InvalidFlexToken) => {
                Verdict::WaitForToken
            }
            Some(HistoryErrorCode::NotFound) => Verdict::Stop(Trouble::NotFound),
            Some(HistoryErrorCode::RateLimited) => {
                let pause_ms = pause_ms.unwrap_or(10_000);
                Verdict::TryAgain(Trouble::Busy { seconds: pause_ms / 1_000 }, Some(pause_ms))
            }
            Some(HistoryErrorCode::UpstreamUnavailable) => Verdict::TryAgain(Trouble::Unavailable, pause_ms),
            Some(
                code @ (HistoryErrorCode::WrongAccount
                | HistoryErrorCode::NotAllowed
                | HistoryErrorCode::OriginNotAllowed),
            ) => Verdict::Stop(Trouble::NotAllowed(code.as_str())),
            Some(
                code @ (HistoryErrorCode::MalformedRequest
                | HistoryErrorCode::Internal
                | HistoryErrorCode::Unknown),
            ) => Verdict::Stop(Trouble::Broken(code.as_str())),
            // Not the contract's words: another server, or what stands before ours.
            None => match status {
                401 => Verdict::WaitForToken,
                404 | 405 => Verdict::Stop(Trouble::Off),
                429 | 502..=504 => Verdict::TryAgain(Trouble::Unavailable, pause_ms),
                _ => Verdict::Stop(Trouble::Broken("unexpected answer")),
            },
        }
    }
}

impl Trouble {
    /// What happened, and what to do.
    #[must_use]
    pub fn say(&self, words: &Words) -> String {
        match self {
            Self::NotFound => words.plain(Text::HistoryNotFound),
            Self::Off => words.plain(Text::HistoryOff),
            Self::Token => words.plain(Text::HistoryToken),
            Self::NotAllowed(code) => words.say(Text::HistoryNotAllowed, &[("code", code)]),
            Self::Busy { seconds } => words.say(Text::HistoryBusy, &[("seconds", &seconds.to_string())]),
            Self::Unavailable => words.plain(Text::HistoryUnavailable),
            Self::Broken(code) => words.say(Text::HistoryBroken, &[("code", code)]),
            Self::Setting(setting) => words.say(Text::HistorySetting, &[("setting", setting)]),
        }
    }
}
