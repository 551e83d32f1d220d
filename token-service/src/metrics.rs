//! What is counted, in the text format of OpenMetrics, which Prometheus reads. No label comes from a client.

use std::time::Duration;

use prometheus_client::{
    encoding::{EncodeLabelSet, text::encode},
    metrics::{
        counter::Counter,
        family::Family,
        gauge::Gauge,
        histogram::{Histogram, exponential_buckets},
        info::Info,
    },
    registry::{Registry, Unit},
};
use twilio::flex_token::{FlexTokenError, FlexUser, Unavailable};

use crate::log;

/// The content type of [`Metrics::render`].
pub const CONTENT_TYPE: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Request {
    route: &'static str,
    outcome: String,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Route {
    route: &'static str,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Outcome {
    outcome: &'static str,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Why {
    why: &'static str,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct By {
    by: &'static str,
}

/// The counters.
pub struct Metrics {
    registry: Registry,
    requests: Family<Request, Counter>,
    durations: Family<Route, Histogram>,
    in_flight: Gauge,
    connections: Gauge,
    connections_closed: Family<Why, Counter>,
    minted: Counter,
    iam: Family<Outcome, Counter>,
    iam_duration: Histogram,
    remembered: Counter,
    breaker: Gauge,
    limited: Family<By, Counter>,
    shared_limits_failed: Counter,
    certificate_reloads: Family<Outcome, Counter>,
}

impl Default for Metrics {
    fn default() -> Self {
        // 0.1 ms to 6.5 s, doubling.
        let histogram = || Histogram::new(exponential_buckets(0.000_1, 2.0, 17));
        let mut registry = Registry::with_prefix("token_service");
        let metrics = Self {
            requests: Family::default(),
            durations: Family::new_with_constructor(histogram),
            in_flight: Gauge::default(),
            connections: Gauge::default(),
            connections_closed: Family::default(),
            minted: Counter::default(),
            iam: Family::default(),
            iam_duration: histogram(),
            remembered: Counter::default(),
            breaker: Gauge::default(),
            limited: Family::default(),
            shared_limits_failed: Counter::default(),
            certificate_reloads: Family::default(),
            registry: Registry::default(),
        };
        let Self { requests, durations, in_flight, connections, minted, iam, iam_duration, .. } = &metrics;
        registry.register(
            "build",
            "The running version",
            Info::new(vec![("version", env!("CARGO_PKG_VERSION"))]),
        );
        registry.register(
            "requests",
            "Answers by route and outcome (error code, or status)",
            requests.clone(),
        );
        let text = "Time from the head of a request to the head of its answer";
        registry.register_with_unit("request_duration", text, Unit::Seconds, durations.clone());
        registry.register("requests_in_flight", "Requests in progress", in_flight.clone());
        registry.register("connections", "Open client connections", connections.clone());
        registry.register(
            "connections_closed",
            "Client connections that were given up, by reason",
            metrics.connections_closed.clone(),
        );
        registry.register("tokens_minted", "Voice tokens", minted.clone());
        registry.register(
            "iam_requests",
            "Questions to Twilio by outcome, and those that were not asked (not_asked)",
            iam.clone(),
        );
        let text = "Time that Twilio takes to answer";
        registry.register_with_unit("iam_request_duration", text, Unit::Seconds, iam_duration.clone());
        registry.register("remembered_answers", "Answers of Twilio used again", metrics.remembered.clone());
        registry.register(
            "iam_breaker_open",
            "1 while Twilio is not asked because it does not answer",
            metrics.breaker.clone(),
        );
        registry.register("limited", "Requests refused for being too many", metrics.limited.clone());
        registry.register(
            "shared_limits_failures",
            "Times that Redis could not be asked, so that limits were this instance's own",
            metrics.shared_limits_failed.clone(),
        );
        registry.register(
            "certificate_reloads",
            "Times that a changed certificate was read, by outcome",
            metrics.certificate_reloads.clone(),
        );
        registry.register("log_lines_lost", "Lines of the log that nobody took", log::lost());
        Self { registry, ..metrics }
    }
}

impl Metrics {
    /// Counts one answer. All are of closed sets: routes; error codes and statuses.
    pub fn answered(&self, route: &'static str, outcome: &str, took: Duration) {
        self.requests.get_or_create(&Request { route, outcome: outcome.to_owned() }).inc();
        self.durations.get_or_create(&Route { route }).observe(took.as_secs_f64());
    }

    /// A request has begun, until the guard is dropped.
    #[must_use]
    pub fn begin(&self) -> Running {
        Running::new(&self.in_flight)
    }

    /// A connection is open, until the guard is dropped.
    #[must_use]
    pub fn connected(&self) -> Running {
        Running::new(&self.connections)
    }

    /// A connection was given up: `slow_head`, `unread`, `over_share`.
    pub fn connection_closed(&self, why: &'static str) {
        self.connections_closed.get_or_create(&Why { why }).inc();
    }

    /// A token was minted.
    pub fn minted(&self) {
        self.minted.inc();
    }

    /// Twilio was asked.
    pub fn asked(&self, answer: &Result<FlexUser, FlexTokenError>, took: Duration) {
        let outcome = match answer {
            Ok(_) => "valid",
            Err(FlexTokenError::Invalid { .. }) => "invalid",
            Err(FlexTokenError::WrongAccount) => "wrong_account",
            Err(FlexTokenError::CredentialsRefused { .. }) => "credentials_refused",
            Err(FlexTokenError::Unavailable(why)) => unavailable(*why),
        };
        self.iam.get_or_create(&Outcome { outcome }).inc();
        self.iam_duration.observe(took.as_secs_f64());
    }

    /// Twilio was not asked.
    pub fn not_asked(&self) {
        self.iam.get_or_create(&Outcome { outcome: "not_asked" }).inc();
    }

    /// An answer was used again.
    pub fn remembered(&self) {
        self.remembered.inc();
    }

    /// The breaker is open or closed.
    pub fn breaker(&self, open: bool) {
        self.breaker.set(i64::from(open));
    }

    /// Somebody is limited, by `address` or `identity`; or the document is asked for too often (`docs`), or too many requests
    /// of an address are still arriving (`arriving`).
    pub fn limited(&self, by: &'static str) {
        self.limited.get_or_create(&By { by }).inc();
    }

    /// Redis could not be asked.
    pub fn shared_limits_failed(&self) {
        self.shared_limits_failed.inc();
    }

    /// A changed certificate was read, or could not be.
    pub fn certificate_reloaded(&self, well: bool) {
        let outcome = if well { "taken" } else { "refused" };
        self.certificate_reloads.get_or_create(&Outcome { outcome }).inc();
    }

    /// All counters.
    #[must_use]
    pub fn render(&self) -> String {
        let mut text = String::new();
        // Writing to a String cannot fail.
        encode(&mut text, &self.registry).unwrap_or_default();
        text
    }
}

const fn unavailable(why: Unavailable) -> &'static str {
    match why {
        Unavailable::Connect => "connect",
        Unavailable::Transport => "transport",
        Unavailable::Timeout => "timeout",
        Unavailable::TooManyRequests { .. } => "too_many_requests",
        Unavailable::Status(_) => "status",
        Unavailable::TooLarge | Unavailable::NotUnderstood => "not_understood",
    }
}

/// Something that is going on.
pub struct Running(Gauge);

impl Running {
    fn new(gauge: &Gauge) -> Self {
        gauge.inc();
        Self(gauge.clone())
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        self.0.dec();
    }
}
