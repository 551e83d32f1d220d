//! What is counted, in the text format of Prometheus. No label comes from a client.

use std::{
    collections::BTreeMap,
    fmt::Write as _,
    sync::{Mutex, PoisonError},
};

/// Counts answers by route and outcome.
#[derive(Debug, Default)]
pub struct Metrics {
    requests: Mutex<BTreeMap<(String, String), u64>>,
}

impl Metrics {
    /// Counts one answer. Both are of closed sets: configured routes; error codes and statuses.
    pub fn count(&self, route: &str, outcome: &str) {
        let mut requests = self.requests.lock().unwrap_or_else(PoisonError::into_inner);
        *requests.entry((route.to_owned(), outcome.to_owned())).or_default() += 1;
    }

    /// All counters.
    #[must_use]
    pub fn render(&self) -> String {
        let mut text = String::from(
            "# HELP token_service_requests_total Answers by route and outcome (error code, or status).\n\
             # TYPE token_service_requests_total counter\n",
        );
        for ((route, outcome), count) in self.requests.lock().unwrap_or_else(PoisonError::into_inner).iter() {
            // Writing to a String cannot fail.
            writeln!(text, r#"token_service_requests_total{{route="{route}",outcome="{outcome}"}} {count}"#)
                .unwrap_or_default();
        }
        text
    }
}
