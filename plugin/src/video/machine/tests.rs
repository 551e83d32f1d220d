//! Video in Flex, against a service that plays sessions.

mod card;
mod click;
mod ends;
mod harness;
mod invitation;
mod properties;
mod settings;
mod status;
mod trouble;
