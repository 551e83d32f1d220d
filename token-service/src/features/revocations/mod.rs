//! `/v1/revocations` on the operator's port: shuts one identity or one worker out at once, lists who is, and lets them in
//! again. Only there when the settings name an operator's token, and only for whoever brings it.

use std::sync::Arc;

use aws_lc_rs::{
    constant_time::verify_slices_are_equal,
    digest::{SHA256, digest},
};
use axum::{
    Json, Router,
    body::Bytes,
    extract::{DefaultBodyLimit, Request, State},
    http::{HeaderValue, StatusCode, header},
    middleware::{self, Next},
    response::{IntoResponse as _, Response},
    routing::get,
};
use kernel::Timestamp;
use serde::Serialize;

use crate::{
    bearer::bearer,
    revocations::{DEFAULT_MINUTES, MAX_MINUTES, Name, Order, REVOCATIONS_PATH, Reach},
    service::{Service, iso_8601},
};

/// A real body has about 100 bytes.
const MAX_BODY_BYTES: usize = 1024;

/// Somebody who is shut out.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Revocation {
    #[serde(flatten)]
    pub name: Name,
    /// Until when, in ISO 8601.
    pub until: String,
}

impl Revocation {
    fn new(name: Name, until: Timestamp) -> Self {
        Self { name, until: iso_8601(until.as_millis() / 1000) }
    }
}

/// Who is shut out.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
struct List {
    revocations: Vec<Revocation>,
    known_to: Reach,
}

/// An order was carried out.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
struct Done {
    #[serde(flatten)]
    revocation: Revocation,
    /// Remembered answers of Twilio about them that are forgotten now.
    answers_forgotten: usize,
    known_to: Reach,
}

/// Somebody is let in again, or was not shut out.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
struct Restored {
    #[serde(flatten)]
    name: Name,
    was_revoked: bool,
    known_to: Reach,
}

/// The routes; nothing where the settings name no operator's token.
pub fn router(service: Arc<Service>) -> Router {
    if service.config.operator_token.is_none() {
        return Router::new();
    }
    Router::new()
        .route(REVOCATIONS_PATH, get(list).post(revoke).delete(restore))
        .layer(DefaultBodyLimit::max(MAX_BODY_BYTES))
        .layer(middleware::from_fn_with_state(Arc::clone(&service), only_the_operator))
        .with_state(service)
}

async fn only_the_operator(State(service): State<Arc<Service>>, request: Request, next: Next) -> Response {
    let hash = |text: &str| digest(&SHA256, text.as_bytes());
    let brought = bearer(request.headers()).ok();
    let is_operator = service.config.operator_token.as_ref().zip(brought).is_some_and(|(token, brought)| {
        // Of hashes, so that neither length nor beginning shows in how long it takes.
        verify_slices_are_equal(hash(token.expose()).as_ref(), hash(brought.expose()).as_ref()).is_ok()
    });
    let mut response = if is_operator {
        next.run(request).await
    } else {
        tracing::warn!(method = %request.method(), "somebody without the operator's token asked for revocations");
        let challenge = [(header::WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"))];
        (StatusCode::UNAUTHORIZED, challenge, "the operator's token is needed (Authorization: Bearer)\n")
            .into_response()
    };
    response.headers_mut().insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    response
}

async fn list(State(service): State<Arc<Service>>) -> Response {
    let (revocations, known_to) = service.limits.revocations().await;
    let revocations = revocations.into_iter().map(|(name, until)| Revocation::new(name, until)).collect();
    Json(List { revocations, known_to }).into_response()
}

async fn revoke(State(service): State<Arc<Service>>, body: Bytes) -> Response {
    let Some(order) = understood(&body) else { return not_understood() };
    let minutes = order.minutes.unwrap_or(DEFAULT_MINUTES);
    match service.revoke(&order.name, minutes).await {
        Ok((until, answers_forgotten, known_to)) => {
            let revocation = Revocation::new(order.name, until);
            Json(Done { revocation, answers_forgotten, known_to }).into_response()
        }
        Err(too_many) => (StatusCode::CONFLICT, format!("{too_many}\n")).into_response(),
    }
}

async fn restore(State(service): State<Arc<Service>>, body: Bytes) -> Response {
    let Some(order) = understood(&body).filter(|order| order.minutes.is_none()) else {
        return not_understood();
    };
    let (was_revoked, known_to) = service.restore(&order.name).await;
    Json(Restored { name: order.name, was_revoked, known_to }).into_response()
}

/// What a body orders: one name, minutes within bounds, nothing else.
fn understood(body: &[u8]) -> Option<Order> {
    let order: serde_json::Map<String, serde_json::Value> = serde_json::from_slice(body).ok()?;
    // With what is flattened, serde itself cannot say that there is too much.
    if order.len() != 1 + usize::from(order.contains_key("minutes")) {
        return None;
    }
    let order: Order = serde_json::from_value(order.into()).ok()?;
    order.minutes.is_none_or(|minutes| (1..=MAX_MINUTES).contains(&minutes)).then_some(order)
}

fn not_understood() -> Response {
    let text = format!(
        "the body must be {{\"identity\": \"ext_…\"}} or {{\"worker_sid\": \"WK…\"}}, to revoke also with \"minutes\": 1 to {MAX_MINUTES}\n"
    );
    (StatusCode::BAD_REQUEST, text).into_response()
}
