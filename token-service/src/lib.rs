#![doc = include_str!("../README.md")]
//!
//! # How it is built
//!
//! | module | what it is |
//! |---|---|
//! | [`config`] | every setting, checked before anything starts |
//! | [`service`] | the one thing the service does: exchange a Flex token for a Voice token |
//! | [`mint`] | who may have which token, for how long: pure decisions, no I/O |
//! | [`validation`] | asks Twilio, bounded in time and number |
//! | [`remembered`] | Twilio's answers, for a short while: pure |
//! | [`upstream`] | when Twilio is left alone, and when clients should come back: pure decisions |
//! | [`limits`] | how often somebody may fail, or be served |
//! | [`shares`] | how much of what is scarce one address may have at once: pure |
//! | [`revocations`] | whom an operator has shut out: pure |
//! | [`operator`] | what an operator says to a running service |
//! | [`routes`] | one file for each route, with its own errors |
//! | [`http`] | what all routes have in common: request id, log line, headers, origin, time limits |
//! | [`serve`] | listeners, readiness, graceful stop |
//! | [`metrics`] | what is counted |
//! | [`tls`] | the certificate, when the service ends TLS itself |
//! | [`doctor`] | what an administrator still has to do |
//! | [`log`] | the shape of the log |
//! | [`outside`] | clock and randomness, as parameters |

pub mod config;
pub mod doctor;
pub mod http;
pub mod limits;
pub mod log;
pub mod metrics;
pub mod mint;
pub mod operator;
pub mod outside;
pub mod remembered;
pub mod revocations;
pub mod routes;
pub mod serve;
pub mod service;
pub mod shares;
pub mod tls;
pub mod upstream;
pub mod validation;

pub use config::Config;
pub use service::Service;
