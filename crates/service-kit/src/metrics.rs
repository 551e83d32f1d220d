//! What every service counts, in the text format of OpenMetrics, which Prometheus reads. No label comes from a client.

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

/// What the kit itself counts, in the registry of all that the service counts.
pub struct Metrics {
    registry: Registry,
    requests: Family<Request, Counter>,
    durations: Family<Route, Histogram>,
    in_flight: Gauge,
    connections: Gauge,
    connections_closed: Family<Why, Counter>,
    limited: Family<By, Counter>,
    certificate_reloads: Family<Outcome, Counter>,
}

/// Times from 0.1 ms to 6.5 s, doubling.
#[must_use]
pub fn durations() -> Histogram {
    Histogram::new(exponential_buckets(0.000_1, 2.0, 17))
}

impl Metrics {
    /// All names begin with `service`; `own` registers what this service counts beside what all do.
    #[must_use]
    pub fn new(service: &str, version: &'static str, own: impl FnOnce(&mut Registry)) -> Self {
        let mut metrics = Self {
            requests: Family::default(),
            durations: Family::new_with_constructor(durations as fn() -> Histogram),
            in_flight: Gauge::default(),
            connections: Gauge::default(),
            connections_closed: Family::default(),
            limited: Family::default(),
            certificate_reloads: Family::default(),
            registry: Registry::with_prefix(service),
        };
        let registry = &mut metrics.registry;
        registry.register("build", "The running version", Info::new(vec![("version", version)]));
        registry.register(
            "requests",
            "Answers by route and outcome (error code, or status)",
            metrics.requests.clone(),
        );
        let text = "Time from the head of a request to the head of its answer";
        registry.register_with_unit("request_duration", text, Unit::Seconds, metrics.durations.clone());
        registry.register("requests_in_flight", "Requests in progress", metrics.in_flight.clone());
        registry.register("connections", "Open client connections", metrics.connections.clone());
        registry.register(
            "connections_closed",
            "Client connections that were given up, by reason",
            metrics.connections_closed.clone(),
        );
        own(registry);
        registry.register("limited", "Requests refused for being too many", metrics.limited.clone());
        registry.register(
            "certificate_reloads",
            "Times that a changed certificate was read, by outcome",
            metrics.certificate_reloads.clone(),
        );
        registry.register("log_lines_lost", "Lines of the log that nobody took", log::lost());
        metrics
    }

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

    /// Somebody is limited: the document is asked for too often (`docs`), or too many requests of an address are still
    /// arriving (`arriving`), or by what the service itself limits.
    pub fn limited(&self, by: &'static str) {
        self.limited.get_or_create(&By { by }).inc();
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
