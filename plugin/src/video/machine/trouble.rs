//! What went wrong, and what becomes of it.

use protocol::video::VideoErrorCode;
use sansio::Backoff;

use crate::service;
use crate::words::{Text, Words};

/// How long is waited between two tries of what is tried again by itself.
pub const RETRY: Backoff = Backoff::new(2_000, 60_000);

/// A service that is closed to us is asked this much later.
const CLOSED_PAUSE_MS: u64 = 30_000;

/// How a request failed.
pub type Fault = service::Fault<VideoErrorCode>;

/// What the agent is told.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Trouble {
    /// No such task, or none that this agent has.
    NotFound,
    /// The service does not have video, or not for this Flex.
    Off,
    /// The Flex token is not valid, and no new one came.
    Token,
    /// The service says no for a reason that an administrator can change.
    NotAllowed(&'static str),
    /// Too many requests.
    Busy {
        /// It may be tried again in this many seconds.
        seconds: u64,
    },
    /// Twilio or the service is down.
    Unavailable,
    /// The session is over.
    Over,
    /// Who waited does no longer.
    Gone,
    /// As many are in the call as may be.
    Full,
    /// No text message can be sent to this customer.
    NoText,
    /// Something that should not happen.
    Broken(&'static str),
    /// A setting is missing or wrong.
    Setting(&'static str),
    /// The browser did not open a tab.
    Blocked,
    /// The extension did not open a window.
    NoWindow,
}

/// What follows from a fault.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// Flex will have a new token in a moment.
    WaitForToken,
    /// It may work after a pause: of the rule where none is said.
    TryAgain(Trouble, Option<u64>),
    /// It will not by itself.
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
            Some(VideoErrorCode::MissingToken | VideoErrorCode::InvalidFlexToken) => Verdict::WaitForToken,
            Some(VideoErrorCode::NotFound) => Verdict::Stop(Trouble::NotFound),
            Some(VideoErrorCode::UnknownCode) => Verdict::Stop(Trouble::Gone),
            Some(VideoErrorCode::Ended) => Verdict::Stop(Trouble::Over),
            Some(VideoErrorCode::RoomFull) => Verdict::Stop(Trouble::Full),
            Some(VideoErrorCode::NoText) => Verdict::Stop(Trouble::NoText),
            Some(VideoErrorCode::RateLimited) => {
                let pause_ms = pause_ms.unwrap_or(10_000);
                Verdict::TryAgain(Trouble::Busy { seconds: pause_ms / 1_000 }, Some(pause_ms))
            }
            Some(VideoErrorCode::UpstreamUnavailable) => Verdict::TryAgain(Trouble::Unavailable, pause_ms),
            Some(
                code @ (VideoErrorCode::WrongAccount
                | VideoErrorCode::NotAllowed
                | VideoErrorCode::OriginNotAllowed),
            ) => Verdict::Stop(Trouble::NotAllowed(code.as_str())),
            Some(
                code @ (VideoErrorCode::MalformedRequest
                | VideoErrorCode::LinkUsed
                | VideoErrorCode::ConsentNeeded
                | VideoErrorCode::Internal
                | VideoErrorCode::Unknown),
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
            Self::NotFound => words.plain(Text::VideoNotFound),
            Self::Off => words.plain(Text::VideoOff),
            Self::Token => words.plain(Text::VideoToken),
            Self::NotAllowed(code) => words.say(Text::VideoNotAllowed, &[("code", code)]),
            Self::Busy { seconds } => words.say(Text::VideoBusy, &[("seconds", &seconds.to_string())]),
            Self::Unavailable => words.plain(Text::VideoUnavailable),
            Self::Over => words.plain(Text::VideoOver),
            Self::Gone => words.plain(Text::VideoGone),
            Self::Full => words.plain(Text::VideoFull),
            Self::NoText => words.plain(Text::VideoNoText),
            Self::Broken(code) => words.say(Text::VideoBroken, &[("code", code)]),
            Self::Setting(setting) => words.say(Text::VideoSetting, &[("setting", setting)]),
            Self::Blocked => words.plain(Text::VideoBlocked),
            Self::NoWindow => words.plain(Text::VideoNoWindow),
        }
    }
}
