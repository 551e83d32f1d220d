//! What every service of ours has in common, so that the next one begins with what it is for.
//!
//! A service says its settings, its kinds of problems and its features, each of which has its paths, answers and documents in
//! one place; the kit does the rest: listeners with limits for those who keep others waiting, TLS, one log line for each
//! request, problem answers of RFC 9457, metrics, an OpenAPI document and a page made of it, readiness, and a stop that loses
//! nobody's answer. `tests/one_route/greeter.rs` is a whole service of one route.
//!
//! | module | what it is |
//! |---|---|
//! | [`program`] | what `main` does: log, runtime, exit code |
//! | [`settings`] | flags, variables and a file, checked as a whole: every mistake is told at once, and no value is repeated |
//! | [`server`] | ports, readiness, housekeeping, graceful stop |
//! | [`front`] | around every request: request id, log line, counters, headers, the shape of errors |
//! | [`feature`] | paths, answers and documents of one feature |
//! | [`problem`] | an answer from 400 up |
//! | [`docs`] | the OpenAPI document, and a page made of it |
//! | [`arriving`], [`concurrency_limit`] | what a request may cost: while its body arrives, and once it is here |
//! | [`client`] | who asks, also through trusted proxies |
//! | [`limits`] | how often somebody may do something |
//! | [`shares`] | how much of what is scarce one address may have at once: pure |
//! | [`cache`] | what is known for a short while, in bounded memory: pure |
//! | [`metrics`] | what is counted |
//! | [`log`] | the shape of the log, and its way to a reader who may stand still |
//! | [`tls`] | the certificate, when the service ends TLS itself |
//! | [`env`] | clock and randomness, as parameters |

#![warn(missing_docs)]

mod admin;
pub mod arriving;
pub mod cache;
pub mod client;
pub mod concurrency_limit;
pub mod docs;
pub mod env;
pub mod feature;
pub mod front;
pub mod limits;
mod listener;
pub mod log;
pub mod metrics;
mod openapi;
pub mod problem;
pub mod program;
pub mod server;
pub mod server_settings;
pub mod settings;
pub mod shares;
pub mod tls;

pub use feature::Feature;
pub use front::Front;
pub use problem::{Kind, Problem};
