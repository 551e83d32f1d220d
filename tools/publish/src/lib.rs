//! Publishes the Flex plugin: as a directory for Twilio's own command line, or directly through Twilio's APIs.
//!
//! Inferred: the parameters are those of Twilio's documentation and of its open-source plugin builder; nothing here has
//! been run against a live account.

mod api;
mod deploy;
mod pack;

pub use api::{Api, Bases, Credentials};
pub use deploy::{Deployed, Plugin, deploy, release};
pub use pack::pack;
