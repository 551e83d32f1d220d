//! Which web origins may ask.
//!
//! This keeps other pages and other extensions in an agent's browser away. It does not keep out anybody outside a
//! browser, who can write any header: what protects the tokens is that a valid Flex token must be brought.

use axum::{
    http::{HeaderMap, HeaderValue, header},
    response::{IntoResponse, Response},
};
use protocol::token::TokenErrorCode;

use crate::problems::problem;

/// Why the origin is not served.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum OriginError {
    /// It is not one of the configured origins, compared byte by byte.
    #[error("this origin may not ask for tokens")]
    NotAllowed,
    /// There is none, and only requests with one are served.
    #[error("the request names no origin")]
    Missing,
    /// There are several.
    #[error("the request names more than one origin")]
    Several,
    /// There is none, but the browser says that another site asks.
    #[error("the request comes from another site")]
    CrossSite,
}

impl IntoResponse for OriginError {
    fn into_response(self) -> Response {
        let mut response = problem(TokenErrorCode::OriginNotAllowed, self).into_response();
        response.headers_mut().insert(header::VARY, HeaderValue::from_static("origin"));
        response
    }
}

/// The one origin of a request that [`check`] has let through.
#[must_use]
pub fn of(headers: &HeaderMap) -> Option<&str> {
    headers.get(header::ORIGIN)?.to_str().ok()
}

/// False when a browser says that another site asks in a way that gives it no answer to read: a form, a link, a picture. Who
/// asks so wants no token; the extension that `/generateToken` is for asks by `fetch`.
#[must_use]
pub fn may_read_the_answer(headers: &HeaderMap) -> bool {
    let says = |name| headers.get(name).map(HeaderValue::as_bytes);
    matches!(says("sec-fetch-site"), None | Some(b"none" | b"same-origin"))
        || says("sec-fetch-mode") == Some(b"cors")
}

/// How long a browser may remember that it may ask, in seconds. Chrome caps it at two hours.
const PREFLIGHT_MAX_AGE: HeaderValue = HeaderValue::from_static("7200");

/// What scripts of an allowed origin may read of an answer, beside its body.
const EXPOSED: HeaderValue = HeaderValue::from_static("retry-after,x-request-id,ratelimit,ratelimit-policy");

/// Answers a browser that asks whether scripts of `origin`, which [`check`] has let through, may ask by this method.
#[must_use]
pub fn preflight(method: &'static str, origin: Option<HeaderValue>) -> Response {
    let allowed = [
        (header::ACCESS_CONTROL_ALLOW_METHODS, HeaderValue::from_static(method)),
        (
            header::ACCESS_CONTROL_ALLOW_HEADERS,
            HeaderValue::from_static("authorization,content-type,x-request-id"),
        ),
        (header::ACCESS_CONTROL_MAX_AGE, PREFLIGHT_MAX_AGE),
    ];
    let mut response = allowed.into_response();
    name(response.headers_mut(), origin);
    response
}

/// Lets scripts of `origin`, which [`check`] has let through, read the answer.
pub fn may_read(headers: &mut HeaderMap, origin: Option<HeaderValue>) {
    headers.insert(header::ACCESS_CONTROL_EXPOSE_HEADERS, EXPOSED);
    name(headers, origin);
}

fn name(headers: &mut HeaderMap, origin: Option<HeaderValue>) {
    headers.insert(header::VARY, HeaderValue::from_static("origin"));
    if let Some(origin) = origin {
        headers.insert(header::ACCESS_CONTROL_ALLOW_ORIGIN, origin);
    }
}

/// Lets only these origins ask, also when they only ask whether they may (preflight); and those who name none, if they may.
///
/// # Errors
/// [`OriginError`].
pub fn check<'o>(
    mut allowed: impl Iterator<Item = &'o str>,
    allow_missing: bool,
    headers: &HeaderMap,
) -> Result<(), OriginError> {
    let mut origins = headers.get_all(header::ORIGIN).iter();
    match (origins.next(), origins.next()) {
        (Some(_), Some(_)) => Err(OriginError::Several),
        (Some(origin), None) => {
            let is_allowed = allowed.any(|known| known.as_bytes() == origin.as_bytes());
            if is_allowed { Ok(()) } else { Err(OriginError::NotAllowed) }
        }
        (None, _) if !allow_missing => Err(OriginError::Missing),
        (None, _) => match headers.get("sec-fetch-site").map(HeaderValue::as_bytes) {
            None | Some(b"none" | b"same-origin") => Ok(()),
            Some(_) => Err(OriginError::CrossSite),
        },
    }
}
