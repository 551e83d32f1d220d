//! What went wrong, in words that say what to do.

use protocol::{Problem, ProblemCode};
use voice_sdk::SdkError;

/// How much of the SDK's words is passed on, in characters.
const MAX_WORDS: usize = 200;

fn problem(code: ProblemCode, message: impl Into<String>) -> Problem {
    Problem { code, message: message.into(), retrying: false }
}

/// Another call is live: this one is not touched.
pub(super) fn busy() -> Problem {
    problem(ProblemCode::CallFailed, "The call was not answered, because another call is active.")
}

/// The gateway did not let the call in in time.
pub(super) fn timed_out() -> Problem {
    let words = "The call could not be connected in time. Check the network; a firewall must let this computer \
                 reach Twilio's signalling and media addresses.";
    problem(ProblemCode::CallFailed, words)
}

/// The connection of an open call did not come back.
pub(super) fn lost() -> Problem {
    let words =
        "The connection to Twilio was lost and did not come back, and the call ended. Check the network.";
    problem(ProblemCode::CallFailed, words)
}

/// True for the SDK's word that the gateway knows the call no longer.
pub(super) fn is_call_gone(error: &SdkError) -> bool {
    error.code == Some(31404)
}

/// The microphone cannot be opened.
pub(super) fn no_microphone(denied: bool) -> Problem {
    let words = if denied {
        "The call could not be answered, because the extension may not use the microphone. Open the extension's \
         options and allow it, or ask your administrator to."
    } else {
        "The call could not be answered, because no microphone could be opened. Connect one, close other programs \
         that use it alone, and check that the system lets the browser use it."
    };
    problem(ProblemCode::MicrophoneUnavailable, words)
}

/// The microphone does not open.
pub(super) fn slow_microphone() -> Problem {
    let words = "The call could not be answered, because the microphone did not open in time. Close other programs that use \
                 it, connect the headset anew or choose another one, and see whether a security program asks about it.";
    problem(ProblemCode::MicrophoneUnavailable, words)
}

/// An error of the SDK that ended a call.
pub(super) fn fault(error: &SdkError) -> Problem {
    match error.code {
        // getUserMedia: refused, and anything else.
        Some(31401) => no_microphone(true),
        Some(31402) => no_microphone(false),
        // While it was open: the gateway gave the call up before its signalling was back.
        Some(31404 | 53001) => lost(),
        Some(53405) => problem(
            ProblemCode::CallFailed,
            "The call's audio connection was lost and did not come back, and the call ended. Check the network.",
        ),
        Some(code) if is_token_refusal(code) => problem(
            ProblemCode::VoiceTokenRefused,
            format!("The call could not be answered, because Twilio refused the voice token ({code})."),
        ),
        _ => problem(ProblemCode::CallFailed, format!("The call broke: {}.", words(error))),
    }
}

/// True when a `Device` that is told this never gets in with the token it has: 20101 and 20104 are what the SDK makes
/// of the gateway's 31204 and 31205, 20151 of 31201.
pub(super) fn is_token_refusal(code: u32) -> bool {
    matches!(code, 20101 | 20104 | 20151 | 31201 | 31202 | 31204 | 31205 | 31206 | 31207)
}

/// The SDK's code and words, for the log. They name no token.
pub(super) fn words(error: &SdkError) -> String {
    let message: String = error.message.chars().take(MAX_WORDS).collect();
    let message = message.trim_end_matches('.');
    match error.code {
        // The SDK writes most messages as "Name (code): words".
        Some(code) if !message.contains(&code.to_string()) => format!("{message} ({code})"),
        _ => message.to_owned(),
    }
}
