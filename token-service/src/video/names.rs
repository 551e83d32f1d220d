//! Codes, seats and what names a session: random, and how they are digested.

use aws_lc_rs::digest::{SHA256, digest};
use protocol::video::CODE_LENGTH;
use service_kit::env::{NoRandomness, Random};

use super::session::Fresh;

/// Crockford's base 32 in lower case: nothing in it can be misread.
const ALPHABET: &[u8; 32] = b"0123456789abcdefghjkmnpqrstvwxyz";

/// What names a session: 60 bits, so that no two of a conversation ever have the same room.
pub const SESSION_LENGTH: usize = 12;

/// Of a seat, after its session: 160 bits.
const SEAT_LENGTH: usize = 32;

/// What follows the role in an identity: 80 bits.
const SUFFIX_LENGTH: usize = 16;

/// What stands in a link, and its digest.
pub struct Link {
    /// The secret.
    pub code: String,
    /// What is kept of it.
    pub digest: String,
}

/// A secret of a browser that may get it, and what is kept of it.
pub struct NewSeat {
    /// The secret.
    pub secret: String,
    /// What is kept.
    pub fresh: Fresh,
}

/// So many random characters.
///
/// # Errors
/// [`NoRandomness`].
pub fn random(length: usize, random: &dyn Random) -> Result<String, NoRandomness> {
    let mut bytes = vec![0; length];
    random.fill(&mut bytes)?;
    let characters = bytes.iter().map(|byte| ALPHABET.get(usize::from(byte & 31)).copied().unwrap_or(b'0'));
    Ok(characters.map(char::from).collect())
}

/// A new code.
///
/// # Errors
/// [`NoRandomness`].
pub fn link(source: &dyn Random) -> Result<Link, NoRandomness> {
    let code = random(CODE_LENGTH, source)?;
    Ok(Link { digest: digest_of(&code), code })
}

/// A new seat of this session.
///
/// # Errors
/// [`NoRandomness`].
pub fn seat(session: &str, source: &dyn Random) -> Result<NewSeat, NoRandomness> {
    let secret = format!("{session}.{}", random(SEAT_LENGTH, source)?);
    let (id, suffix) = (random(SUFFIX_LENGTH, source)?, random(SUFFIX_LENGTH, source)?);
    Ok(NewSeat { fresh: Fresh { digest: digest_of(&secret), id, suffix }, secret })
}

/// The session of a seat, if it is none that nobody was ever given.
#[must_use]
pub fn session_of_seat(seat: &str) -> Option<&str> {
    let (session, secret) = seat.split_once('.')?;
    let is_of =
        |text: &str, length| text.len() == length && text.bytes().all(|byte| ALPHABET.contains(&byte));
    (is_of(session, SESSION_LENGTH) && is_of(secret, SEAT_LENGTH)).then_some(session)
}

/// The session of a room's name.
#[must_use]
pub fn session_of_room(name: &str) -> Option<&str> {
    let (_, session) = name.rsplit_once('-')?;
    (session.len() == SESSION_LENGTH).then_some(session)
}

/// What is kept of a secret.
#[must_use]
pub fn digest_of(secret: &str) -> String {
    twilio::hex(digest(&SHA256, secret.as_bytes()).as_ref())
}
