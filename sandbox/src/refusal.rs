//! How the switchboard says no.

use axum::Json;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use sandbox_voice::VoiceError;
use serde_json::json;

/// An answer that is not a success.
#[derive(Debug)]
pub(crate) struct Refusal(pub(crate) StatusCode, pub(crate) String);

impl IntoResponse for Refusal {
    fn into_response(self) -> Response {
        (self.0, Json(json!({ "error": self.1 }))).into_response()
    }
}

impl From<VoiceError> for Refusal {
    fn from(error: VoiceError) -> Self {
        let status = match error {
            VoiceError::NoSuchCall | VoiceError::NoRecording => StatusCode::NOT_FOUND,
            VoiceError::CallOver
            | VoiceError::NotAnswered
            | VoiceError::DuplicateSid
            | VoiceError::Window => StatusCode::CONFLICT,
            VoiceError::Stopped => StatusCode::SERVICE_UNAVAILABLE,
        };
        Self(status, error.to_string())
    }
}

pub(crate) fn bad(problem: impl ToString) -> Refusal {
    Refusal(StatusCode::BAD_REQUEST, problem.to_string())
}

/// Done, and nothing to say of it.
pub(crate) const DONE: Result<StatusCode, Refusal> = Ok(StatusCode::NO_CONTENT);

pub(crate) fn done<E: ToString>(outcome: Result<(), E>) -> Result<StatusCode, Refusal> {
    outcome.map(|()| StatusCode::NO_CONTENT).map_err(bad)
}
