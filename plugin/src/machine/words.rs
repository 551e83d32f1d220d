//! Everything that the plugin says to an agent, in one place.

use protocol::{CallPhase, ProblemCode};

use super::voice::{Voice, Why};
use super::{Intent, StatusLine, Tone};

/// The mute button was used with an extension that cannot be muted from here.
pub const CANNOT_MUTE: &str = "The installed extension cannot mute from Flex. Mute in the extension's popup, or ask \
                               for the Holdfast extension.";

/// Voice came back, and where the agent was before is not known.
pub const CHOOSE_ACTIVITY: &str = "Voice is ready. Choose your activity.";

/// The header item.
#[must_use]
pub fn status_line(voice: &Voice) -> StatusLine {
    let (tone, text, title) = match voice {
        Voice::Ready => {
            (Tone::Ready, "Voice: ready".to_owned(), "Calls reach you through the extension.".to_owned())
        }
        Voice::Connecting => (
            Tone::Connecting,
            "Voice: connecting".to_owned(),
            "The extension is connecting to Twilio.".to_owned(),
        ),
        Voice::OnCall { phase, muted } => {
            let title = match (phase, muted) {
                (CallPhase::Connecting, _) => "The call is being connected.",
                (CallPhase::Reconnecting, _) => "The call's connection is being repaired.",
                (CallPhase::Open, true) => "The call is in the extension; your microphone is muted.",
                (CallPhase::Open, false) => {
                    "The call is in the extension; reloading this page does not end it."
                }
            };
            (Tone::Call, "Voice: on a call".to_owned(), title.to_owned())
        }
        Voice::Unavailable(why) => {
            let todo = todo(why);
            (Tone::Problem, format!("Voice: not available – {todo}"), sentence(&todo))
        }
    };
    StatusLine { tone, text, title }
}

/// Calls cannot be taken.
#[must_use]
pub fn unavailable(why: &Why) -> String {
    format!("Voice is not available: {}.", todo(why))
}

/// The agent was moved out of the routing.
#[must_use]
pub fn moved_offline(activity: &str, reason: &Voice) -> String {
    format!("{} Your activity is “{activity}” until it is back.", reason_sentence(reason))
}

/// The agent should be moved out of the routing and cannot be.
#[must_use]
pub fn missing_activity(activity: &str, reason: &Voice) -> String {
    format!(
        "{} Calls would fail: choose an unavailable activity yourself. Your administrator should add an \
         unavailable activity “{activity}”.",
        reason_sentence(reason)
    )
}

/// A call was refused.
#[must_use]
pub fn refusal(intent: Intent, voice: &Voice) -> String {
    let what = match intent {
        Intent::AcceptCall => "The call was not accepted",
        Intent::DialOut => "The call was not started",
    };
    match voice {
        Voice::Unavailable(why) => format!("{what}, because voice is not available: {}.", todo(why)),
        Voice::Connecting | Voice::Ready | Voice::OnCall { .. } => {
            format!("{what}, because voice is still connecting. Try again in a moment.")
        }
    }
}

/// A text from the extension, as a sentence.
#[must_use]
pub fn sentence(text: &str) -> String {
    let text = text.trim();
    let mut letters = text.chars();
    let upper: String =
        letters.next().map(|first| first.to_uppercase().chain(letters).collect()).unwrap_or_default();
    if upper.ends_with(['.', '!', '?']) { upper } else { upper + "." }
}

fn reason_sentence(reason: &Voice) -> String {
    match reason {
        Voice::Unavailable(why) => unavailable(why),
        Voice::Connecting | Voice::Ready | Voice::OnCall { .. } => "Voice is not ready.".to_owned(),
    }
}

/// What to do, without a capital and without a full stop.
fn todo(why: &Why) -> String {
    match why {
        Why::Misconfigured(setting) => format!(
            "ask your administrator to set “{setting}” in the Flex configuration (ui_attributes.holdfast)"
        ),
        Why::NoExtension => "install or enable the Holdfast extension, then reload".to_owned(),
        Why::Rejected(None) => {
            "the extension belongs to another account; choose Restart in its popup, then reload Flex"
                .to_owned()
        }
        Why::Rejected(Some(problem)) => match problem.code {
            ProblemCode::WrongAccount => {
                "this browser's voice client belongs to another Twilio account; ask your administrator"
                    .to_owned()
            }
            ProblemCode::WrongTokenUrl => {
                "Flex and this browser name different token services; ask your administrator".to_owned()
            }
            ProblemCode::WrongPrefix => {
                "Flex and this browser name different identity prefixes; ask your administrator".to_owned()
            }
            _ => clause(&problem.message),
        },
        Why::Gone => "the extension was updated or stopped. Reload Flex to reconnect".to_owned(),
        Why::Silent => "the extension does not answer; if this stays, reload Flex".to_owned(),
        Why::NoToken => "the extension waits for your Flex login; if this stays, reload Flex".to_owned(),
        Why::NotRegistered => "the extension is not connected to Twilio; it keeps trying".to_owned(),
        Why::Problem(problem) => clause(&problem.message),
        Why::Error => "the extension reports an error; open its popup to see it".to_owned(),
        Why::WrongIdentity(prefix) => {
            format!("the extension's identity does not start with “{prefix}”; ask your administrator")
        }
        Why::ContactUri => "your contact address could not be set; reload Flex".to_owned(),
    }
}

fn clause(text: &str) -> String {
    text.trim().trim_end_matches('.').to_owned()
}
