//! An answer from 400 up, before it has its final shape: a problem of RFC 9457.
//!
//! A route's error says code, words and cause; [`crate::front`], which knows the request id, writes body and log line.
//! The words go to the client; the cause goes to the log. Neither ever holds a secret.

use axum::{
    http::{HeaderValue, StatusCode, header},
    response::{IntoResponse, Response},
};
use serde::Serialize;

use crate::limits::{RATE_LIMIT, Wait};

/// The media type of [`ProblemBody`].
pub const CONTENT_TYPE: &str = "application/problem+json";

/// One of the closed, stable set of things that can go wrong in a service, in words that do not depend on the request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Kind {
    /// For code.
    pub code: &'static str,
    /// The status of the answer.
    pub status: StatusCode,
    /// What it means, for people.
    pub title: &'static str,
    /// Whether asking again can help.
    pub is_retryable: bool,
}

/// The body of an answer from 400 up: a problem of RFC 9457, with `code`, `message` and `request_id` in it.
#[derive(Clone, Debug, Serialize, utoipa::ToSchema)]
pub struct ProblemBody {
    /// Where the kind of problem is described, relative to this service.
    #[serde(rename = "type")]
    #[schema(example = "/docs#rate_limited")]
    kind: String,
    /// What the code means, always in the same words.
    title: &'static str,
    /// The status of the answer.
    #[schema(minimum = 400, maximum = 599)]
    status: u16,
    /// What went wrong this time, for people; never holds a token.
    detail: String,
    /// For code: the closed, stable set.
    code: &'static str,
    /// The same as `detail`.
    message: String,
    /// Also in the service's log and in the `x-request-id` header.
    request_id: String,
    /// Seconds after which asking again can help, as in `Retry-After`.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(minimum = 1)]
    retry_after: Option<u64>,
}

/// What went wrong, for the client and for the operator.
#[derive(Clone, Debug)]
pub struct Problem {
    /// Which of the service's kinds it is.
    pub kind: Kind,
    /// For the person at the client.
    pub message: String,
    /// For the operator.
    pub cause: String,
    /// Seconds after which asking again can help.
    pub retry_after: Option<u64>,
    /// What was too much.
    pub limited: Option<&'static str>,
}

impl Problem {
    /// With the cause as the words; see [`Problem::hiding`] for causes that are nobody else's business.
    #[must_use]
    pub fn new(kind: Kind, cause: impl ToString) -> Self {
        let cause = cause.to_string();
        Self { kind, message: cause.clone(), cause, retry_after: None, limited: None }
    }

    /// Says this to the client instead of the cause.
    #[must_use]
    pub fn hiding(mut self, message: &str) -> Self {
        message.clone_into(&mut self.message);
        self
    }

    /// Says what was too much, and until when.
    #[must_use]
    pub fn limited(mut self, by: &'static str, wait: Wait) -> Self {
        self.limited = Some(by);
        self.retry_after(wait.seconds())
    }

    /// The body for the request with this id.
    #[must_use]
    pub fn body(self, status: StatusCode, request_id: &str) -> ProblemBody {
        ProblemBody {
            kind: format!("/docs#{}", self.kind.code),
            title: self.kind.title,
            status: status.as_u16(),
            detail: self.message.clone(),
            code: self.kind.code,
            message: self.message,
            request_id: request_id.to_owned(),
            retry_after: self.retry_after,
        }
    }

    /// Says when asking again can help.
    #[must_use]
    pub const fn retry_after(mut self, seconds: u64) -> Self {
        self.retry_after = Some(seconds);
        self
    }
}

impl IntoResponse for Problem {
    fn into_response(self) -> Response {
        let mut response = self.kind.status.into_response();
        if let Some(seconds) = self.retry_after {
            response.headers_mut().insert(header::RETRY_AFTER, seconds.into());
        }
        if let (Some(by), Some(seconds)) = (self.limited, self.retry_after) {
            let value = format!("\"{by}\";r=0;t={seconds}");
            if let Ok(value) = HeaderValue::from_str(&value) {
                response.headers_mut().insert(RATE_LIMIT, value);
            }
        }
        if response.status() == StatusCode::UNAUTHORIZED {
            // RFC 9110 wants it with every 401.
            response.headers_mut().insert(header::WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"));
        }
        response.extensions_mut().insert(self);
        response
    }
}
