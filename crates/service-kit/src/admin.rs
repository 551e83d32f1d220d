//! `/live`, `/ready` and `/metrics`: for the operator, on a port of their own.
//!
//! Ready means: new requests are welcome. Whether others can be asked is not part of it: taking every instance out of
//! the load balancer would not bring them back, and clients would get no `Retry-After`.

use std::sync::Arc;

use axum::{
    Router,
    http::{StatusCode, header},
    response::IntoResponse as _,
    routing::get,
};
use tokio::sync::watch;

use crate::metrics::{self, Metrics};

/// The operator's routes. `ready` is false from the moment when the service is told to stop.
pub fn router(ready: watch::Receiver<bool>, metrics: Arc<Metrics>) -> Router {
    Router::new()
        .route("/live", get(|| async { "live\n" }))
        .route(
            "/ready",
            get(|| async move {
                if *ready.borrow() {
                    "ready\n".into_response()
                } else {
                    (StatusCode::SERVICE_UNAVAILABLE, "stopping\n").into_response()
                }
            }),
        )
        .route(
            "/metrics",
            get(|| async move { ([(header::CONTENT_TYPE, metrics::CONTENT_TYPE)], metrics.render()) }),
        )
}
