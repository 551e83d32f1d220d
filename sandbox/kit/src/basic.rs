//! Basic authentication, as the account's servers use it.

use axum::http::{HeaderMap, header};
use base64::{Engine as _, engine::general_purpose::STANDARD};

/// The encoded part of the header, if a request has it.
#[must_use]
pub fn encoded(headers: &HeaderMap) -> Option<&str> {
    headers.get(header::AUTHORIZATION)?.to_str().ok()?.strip_prefix("Basic ").map(str::trim)
}

/// User and password of the encoded part.
#[must_use]
pub fn decoded(encoded: &str) -> Option<(String, String)> {
    let text = String::from_utf8(STANDARD.decode(encoded).ok()?).ok()?;
    let (user, password) = text.split_once(':')?;
    Some((user.to_owned(), password.to_owned()))
}

/// User and password that a request brings.
#[must_use]
pub fn credentials(headers: &HeaderMap) -> Option<(String, String)> {
    decoded(encoded(headers)?)
}
