//! What no crate offers of Twilio's formats: access tokens, the validation of Flex tokens, request signatures.
//!
//! Nothing here reads a clock, makes up randomness or builds an HTTP client on its own: those are parameters.
//!
//! | module | what for | who uses it |
//! |---|---|---|
//! | [`access_token`] | mint and verify the JWT that a Voice client presents | token service mints, a gateway verifies |
//! | [`flex_token`] | ask Twilio whose a Flex token is | token service |
//! | [`signature`] | prove that a webhook comes from Twilio | whoever receives webhooks |

pub mod access_token;
pub mod flex_token;
mod sid;
pub mod signature;

pub use sid::{ApiKey, ApiKeySid, ApplicationSid, WorkerSid};
