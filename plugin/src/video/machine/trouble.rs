//! What went wrong, and what becomes of it.

use protocol::video::VideoErrorCode;

use crate::service::{self, Told};
use crate::words::{Text, Words};

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
pub type Verdict = service::Verdict<Trouble>;

impl Told for Trouble {
    type Code = VideoErrorCode;
    const OFF: Self = Self::Off;
    const UNAVAILABLE: Self = Self::Unavailable;

    fn broken(code: &'static str) -> Self {
        Self::Broken(code)
    }

    fn verdict(code: VideoErrorCode, pause_ms: Option<u64>) -> Verdict {
        use VideoErrorCode as Code;
        match code {
            Code::MissingToken | Code::InvalidFlexToken => Verdict::WaitForToken,
            Code::NotFound => Verdict::Stop(Self::NotFound),
            Code::UnknownCode => Verdict::Stop(Self::Gone),
            Code::Ended => Verdict::Stop(Self::Over),
            Code::RoomFull => Verdict::Stop(Self::Full),
            Code::NoText => Verdict::Stop(Self::NoText),
            Code::RateLimited => Verdict::busy(pause_ms, |seconds| Self::Busy { seconds }),
            Code::UpstreamUnavailable => Verdict::TryAgain(Self::Unavailable, pause_ms),
            code @ (Code::WrongAccount | Code::NotAllowed | Code::OriginNotAllowed) => {
                Verdict::Stop(Self::NotAllowed(code.as_str()))
            }
            code @ (Code::MalformedRequest
            | Code::LinkUsed
            | Code::ConsentNeeded
            | Code::Internal
            | Code::Unknown) => Verdict::Stop(Self::Broken(code.as_str())),
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
