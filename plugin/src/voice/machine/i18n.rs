//! What the plugin says to an agent, and when. The words themselves are the catalogue's.

use messages::problems::Clause;
use protocol::page::SignOutReason;
use protocol::{CallPhase, Problem, QualityWarning};

use super::grade::Grade;
use super::intent::Intent;
use super::voice::{Voice, Why};
pub use crate::words::{Language, Text, Words};

impl Words {
    /// The header's text, and what it means.
    #[must_use]
    pub fn status(&self, voice: &Voice) -> (String, String) {
        let (text, detail) = match voice {
            Voice::Ready => (Text::Ready, Text::ReadyDetail),
            Voice::Connecting => (Text::Connecting, Text::ConnectingDetail),
            Voice::OnCall { phase: CallPhase::Connecting, .. } => {
                (Text::CallConnecting, Text::CallConnectingDetail)
            }
            Voice::OnCall { phase: CallPhase::Reconnecting, .. } => {
                (Text::CallReconnecting, Text::CallReconnectingDetail)
            }
            Voice::OnCall { phase: CallPhase::Open, muted: true } => (Text::OnCallMuted, Text::MutedDetail),
            Voice::OnCall { phase: CallPhase::Open, muted: false } => (Text::OnCall, Text::OnCallDetail),
            Voice::SignedOut(SignOutReason::Offline) => (Text::Off, Text::OfflineDetail),
            Voice::SignedOut(SignOutReason::Logout) => (Text::Off, Text::LoggedOutDetail),
            Voice::SignedOut(SignOutReason::SessionEnded) => (Text::Off, Text::SessionEndedDetail),
            Voice::InFrame => (Text::FlexsOwn, Text::InFrameDetail),
            Voice::Unclear(value) => {
                return (self.plain(Text::NotSetUp), self.say(Text::UnclearDetail, &[("value", value)]));
            }
            Voice::Unavailable(why) => return (self.plain(Text::NotAvailable), sentence(&self.todo(why))),
        };
        (self.plain(text), self.plain(detail))
    }

    /// Calls cannot be taken.
    #[must_use]
    pub fn unavailable(&self, why: &Why) -> String {
        self.say(Text::Unavailable, &[("todo", &self.todo(why))])
    }

    /// The agent was moved out of the routing.
    #[must_use]
    pub fn moved_offline(&self, activity: &str, reason: &Voice) -> String {
        self.say(Text::MovedOffline, &[("reason", &self.reason(reason)), ("activity", activity)])
    }

    /// The agent should be moved out of the routing and cannot be.
    #[must_use]
    pub fn missing_activity(&self, activity: &str, reason: &Voice) -> String {
        self.say(Text::MissingActivity, &[("reason", &self.reason(reason)), ("activity", activity)])
    }

    /// What the agent was about to do was stopped.
    #[must_use]
    pub fn refusal(&self, intent: &Intent, voice: &Voice) -> String {
        let what = match intent {
            Intent::AcceptCall => Text::NotAccepted,
            Intent::DialOut => Text::NotStarted,
            Intent::Monitor => Text::NotMonitored,
            Intent::ChooseOffline { activity } => {
                return self.say(Text::OfflineIsOurs, &[("activity", activity)]);
            }
            Intent::ChooseAvailable { activity } => {
                let todo = match voice {
                    Voice::Unavailable(why) => self.todo(why),
                    _ => self.plain(Text::NotRegistered),
                };
                return self.say(Text::NotNowAvailable, &[("activity", activity), ("todo", &todo)]);
            }
        };
        let what = self.plain(what);
        match voice {
            Voice::Unavailable(why) => {
                self.say(Text::BecauseUnavailable, &[("what", &what), ("todo", &self.todo(why))])
            }
            _ => self.say(Text::BecauseConnecting, &[("what", &what)]),
        }
    }

    fn reason(&self, reason: &Voice) -> String {
        match reason {
            Voice::Unavailable(why) => self.unavailable(why),
            _ => self.plain(Text::NotReady),
        }
    }

    /// What to do, as a clause.
    #[must_use]
    pub fn todo(&self, why: &Why) -> String {
        let text = match why {
            Why::Missing(setting) => return self.say(Text::SettingMissing, &[("setting", setting)]),
            Why::Misconfigured(setting) => return self.say(Text::SettingWrong, &[("setting", setting)]),
            Why::WrongIdentity(prefix) => {
                return self.say(Text::WrongIdentity, &[("prefix", prefix.as_str())]);
            }
            Why::Rejected(Some(problem)) | Why::Problem(problem) => return self.problem(problem),
            Why::NoExtension => Text::NoExtension,
            Why::Rejected(None) => Text::RejectedWithoutReason,
            Why::Gone => Text::Gone,
            Why::Silent => Text::Silent,
            Why::NoToken => Text::NoToken,
            Why::NotRegistered => Text::NotRegistered,
            Why::OtherAgent => Text::OtherAgent,
            Why::Error => Text::ExtensionError,
            Why::ContactUri => Text::ContactUri,
        };
        self.plain(text)
    }

    /// What to do about a problem of the extension. What this plugin has no words for is said in the extension's.
    #[must_use]
    pub fn problem(&self, problem: &Problem) -> String {
        match Clause::of(problem.code) {
            Some(clause) => self.plain(Text::Problem(clause)),
            None => clause(&problem.message),
        }
    }

    /// How a call sounds, in a word.
    #[must_use]
    pub fn grade(&self, grade: Grade) -> String {
        self.plain(match grade {
            Grade::Good => Text::QualityGood,
            Grade::Fair => Text::QualityFair,
            Grade::Poor => Text::QualityPoor,
        })
    }

    /// What a warning of the SDK means to an agent.
    #[must_use]
    pub fn warning(&self, warning: QualityWarning) -> String {
        self.plain(Text::Warning(warning))
    }
}

/// A text as a sentence.
#[must_use]
pub fn sentence(text: &str) -> String {
    let text = text.trim();
    let mut letters = text.chars();
    let upper: String =
        letters.next().map(|first| first.to_uppercase().chain(letters).collect()).unwrap_or_default();
    if upper.ends_with(['.', '!', '?']) { upper } else { upper + "." }
}

fn clause(text: &str) -> String {
    text.trim().trim_end_matches('.').to_owned()
}
