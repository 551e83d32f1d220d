//! What went wrong, and what becomes of it.

use protocol::history::HistoryErrorCode;

use crate::service::{self, Told};
use crate::words::{Text, Words};

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
pub type Verdict = service::Verdict<Trouble>;

impl Told for Trouble {
    type Code = HistoryErrorCode;
    const OFF: Self = Self::Off;
    const UNAVAILABLE: Self = Self::Unavailable;

    fn broken(code: &'static str) -> Self {
        Self::Broken(code)
    }

    fn verdict(code: HistoryErrorCode, pause_ms: Option<u64>) -> Verdict {
        use HistoryErrorCode as Code;
        match code {
            Code::MissingToken | Code::InvalidFlexToken => Verdict::WaitForToken,
            Code::NotFound => Verdict::Stop(Self::NotFound),
            Code::RateLimited => Verdict::busy(pause_ms, |seconds| Self::Busy { seconds }),
            Code::UpstreamUnavailable => Verdict::TryAgain(Self::Unavailable, pause_ms),
            code @ (Code::WrongAccount | Code::NotAllowed | Code::OriginNotAllowed) => {
                Verdict::Stop(Self::NotAllowed(code.as_str()))
            }
            code @ (Code::MalformedRequest | Code::Internal | Code::Unknown) => {
                Verdict::Stop(Self::Broken(code.as_str()))
            }
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
