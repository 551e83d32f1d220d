//! The Flex token that a request brings.

use axum::http::{HeaderMap, header};
use kernel::Secret;
use protocol::token::MAX_FLEX_TOKEN;

/// Why a request brings no token.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NoBearer {
    /// No `Authorization: Bearer`.
    #[error("the request brings no Flex token (Authorization: Bearer)")]
    Missing,
    /// Several `Authorization`, or one that no Flex token can be.
    #[error("the Authorization header is not one Flex token")]
    Malformed,
}

/// Whether a Flex token can look like that.
#[must_use]
pub fn is_plausible(token: &str) -> bool {
    // All bytes are looked at, whatever the first ones are: the compiler then takes many at once.
    let graphic = token.bytes().fold(true, |all, byte| all & byte.is_ascii_graphic());
    graphic && (1..=MAX_FLEX_TOKEN).contains(&token.len())
}

/// The Flex token of the `Authorization` header.
///
/// # Errors
/// [`NoBearer`].
pub fn bearer(headers: &HeaderMap) -> Result<Secret, NoBearer> {
    let mut values = headers.get_all(header::AUTHORIZATION).iter();
    let (value, more) = (values.next().ok_or(NoBearer::Missing)?, values.next());
    let value = value.as_bytes();
    let (scheme, token) = value.split_at(value.iter().position(|byte| *byte == b' ').unwrap_or(value.len()));
    let token = token.trim_ascii();
    if !scheme.eq_ignore_ascii_case(b"bearer") || token.is_empty() {
        return Err(NoBearer::Missing);
    }
    match std::str::from_utf8(token) {
        Ok(token) if more.is_none() && is_plausible(token) => Ok(Secret::new(token)),
        _ => Err(NoBearer::Malformed),
    }
}
