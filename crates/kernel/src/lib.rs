//! What every part of Holdfast may be made of: identifiers, secrets, times, buckets. No I/O, no clock, no messages.

#![warn(missing_docs)]

pub mod bucket;
pub mod id;
pub mod secret;
pub mod time;

pub use bucket::Bucket;
pub use id::{AccountSid, CallSid, DtmfDigits, ExpectationId, Identity, IdentityPrefix, InvalidId, TokenUrl};
pub use secret::Secret;
pub use time::{Moment, Monotonic, Timestamp};
#[doc(hidden)] // for `identifier!`, which others use without knowing of it
pub use wire;
