//! What went wrong, in words that say what to do.

use messages::english;
use protocol::Problem;
use voice_sdk::SdkError;

/// How much of the SDK's words is passed on, in characters.
const MAX_WORDS: usize = 200;

/// Another call is live: this one is not touched.
pub(super) fn busy() -> Problem {
    english::CALL_WHILE_BUSY.problem(false)
}

/// The gateway did not let the call in in time.
pub(super) fn timed_out() -> Problem {
    english::CALL_TIMED_OUT.problem(false)
}

/// The connection of an open call did not come back.
pub(super) fn lost() -> Problem {
    english::CALL_LOST.problem(false)
}

/// True for the SDK's word that the gateway knows the call no longer.
pub(super) fn is_call_gone(error: &SdkError) -> bool {
    error.code == Some(31404)
}

/// The microphone cannot be opened.
pub(super) fn no_microphone(denied: bool) -> Problem {
    let cause = if denied { english::MICROPHONE_DENIED_IN_CALL } else { english::MICROPHONE_NOT_OPENED };
    cause.problem(false)
}

/// The microphone does not open.
pub(super) fn slow_microphone() -> Problem {
    english::MICROPHONE_SLOW.problem(false)
}

/// An error of the SDK that ended a call.
pub(super) fn fault(error: &SdkError) -> Problem {
    match error.code {
        // getUserMedia: refused, and anything else.
        Some(31401) => no_microphone(true),
        Some(31402) => no_microphone(false),
        // While it was open: the gateway gave the call up before its signalling was back.
        Some(31404 | 53001) => lost(),
        Some(53405) => english::CALL_AUDIO_LOST.problem(false),
        Some(code) if is_token_refusal(code) => english::VOICE_TOKEN_REFUSED_IN_CALL.with(&code.to_string()),
        _ => english::CALL_BROKE.with(&describe(error)),
    }
}

/// True when a `Device` that is told this never gets in with the token it has: 20101 and 20104 are what the SDK makes
/// of the gateway's 31204 and 31205, 20151 of 31201.
pub(super) fn is_token_refusal(code: u32) -> bool {
    matches!(code, 20101 | 20104 | 20151 | 31201 | 31202 | 31204 | 31205 | 31206 | 31207)
}

/// The SDK's code and words, for the log. They name no token.
pub(super) fn describe(error: &SdkError) -> String {
    let message: String = error.message.chars().take(MAX_WORDS).collect();
    let message = message.trim_end_matches('.');
    match error.code {
        // The SDK writes most messages as "Name (code): words".
        Some(code) if !message.contains(&code.to_string()) => format!("{message} ({code})"),
        _ => message.to_owned(),
    }
}
