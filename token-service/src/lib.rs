#![doc = include_str!("../README.md")]
//!
//! # How it is built
//!
//! On [`service_kit`], which has what every service has: listeners, TLS, log, problem answers, settings, metrics, OpenAPI.
//!
//! | module | what it is |
//! |---|---|
//! | [`config`] | every setting, checked before anything starts |
//! | [`service`] | what the service is for: it exchanges a Flex token for a Voice token, and says whose a Flex token is |
//! | [`mint`] | who may have which token, for how long: pure decisions, no I/O |
//! | [`validation`] | asks Twilio, bounded in time and number |
//! | [`upstream`] | when Twilio is left alone, and when clients should come back: pure decisions |
//! | [`twilio_api`] | one of Twilio's APIs, asked within bounds: for chat history and video |
//! | [`history`] | reads the conversations that came before a task |
//! | [`video`] | sessions of video: links, seats, rooms |
//! | [`page_files`] | the page of video, in memory |
//! | [`limits`] | how often somebody may fail, or be served |
//! | [`revocations`] | whom an operator has shut out: pure |
//! | [`operator`] | what an operator says to a running service |
//! | [`features`] | what is answered: each feature's paths, routes, errors and documents in one place |
//! | [`app`] | what all routes share |
//! | [`bearer`], [`origin`] | what every request brings: a Flex token, an origin |
//! | [`problems`] | the codes: their status, their words, their causes |
//! | [`metrics`] | what is counted |
//! | [`serve`] | the service, put together and run |
//! | [`doctor`] | what an administrator still has to do |

pub mod app;
pub mod bearer;
pub mod config;
pub mod doctor;
pub mod features;
pub mod history;
pub mod limits;
pub mod metrics;
pub mod mint;
pub mod operator;
pub mod origin;
pub mod page_files;
pub mod problems;
pub mod revocations;
pub mod serve;
pub mod service;
pub mod twilio_api;
pub mod upstream;
pub mod validation;
pub mod video;

pub use config::Config;
pub use service::Service;
