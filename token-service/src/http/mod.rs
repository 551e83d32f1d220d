//! What all routes have in common.
//!
//! From the outside in: [`scope`] (request id, log line, counters, security headers, the shape of errors), [`origin`]
//! and CORS (only `/v1`), [`guard`] (requests at once, total time, panics), the route.

pub mod client;
pub mod guard;
pub mod metrics;
pub mod origin;
pub mod problem;
pub mod scope;

use std::{convert::Infallible, sync::Arc};

use axum::{
    Router,
    extract::DefaultBodyLimit,
    http::{HeaderName, Method, StatusCode, header},
    middleware::from_fn_with_state,
    routing::{get, post},
};
use tower_http::cors::{AllowOrigin, Any, CorsLayer};

use crate::{Service, routes};
use metrics::Metrics;

/// Where the Voice token is.
pub const VOICE_TOKEN_PATH: &str = "/v1/voice/token";

/// Where the older extension looks for it.
pub const LEGACY_PATH: &str = "/generateToken";

/// The largest request body, in bytes. A real one has about 100.
pub const MAX_BODY_BYTES: usize = 16 * 1024;

/// The longest Flex token, in bytes. A real one has about 1000.
pub const MAX_TOKEN_BYTES: usize = 8 * 1024;

/// How long a browser may remember that it may ask. Chrome caps it at two hours.
const PREFLIGHT_MAX_AGE: std::time::Duration = std::time::Duration::from_secs(7200);

/// What handlers and middleware share.
#[derive(Clone)]
pub struct AppState {
    /// The configured service.
    pub service: Arc<Service>,
    /// What is counted.
    pub metrics: Arc<Metrics>,
    guard: Arc<guard::Guard>,
}

impl AppState {
    /// For one configured service.
    #[must_use]
    pub fn new(service: Arc<Service>) -> Self {
        let guard = Arc::new(guard::Guard::new(service.config.max_in_flight));
        Self { service, metrics: Arc::default(), guard }
    }
}

/// The public routes. Requests must carry [`axum::extract::ConnectInfo`] with the peer's address.
pub fn router(state: AppState) -> Router {
    let config = &state.service.config;
    let [retry_after, request_id] = [header::RETRY_AFTER, scope::X_REQUEST_ID];
    let origins = config.allowed_origins.iter().filter_map(|origin| origin.parse().ok());
    let cors = CorsLayer::new()
        .allow_origin(AllowOrigin::list(origins))
        .allow_methods([Method::POST])
        .allow_headers([header::AUTHORIZATION, header::CONTENT_TYPE, request_id.clone()])
        .expose_headers([retry_after, request_id])
        .vary([header::ORIGIN])
        .max_age(PREFLIGHT_MAX_AGE);
    let guard = from_fn_with_state(state.clone(), guard::guard);
    let mut router = Router::new().route(
        VOICE_TOKEN_PATH,
        // From the outside in.
        post(routes::voice_token::post).layer::<_, Infallible>((
            from_fn_with_state(state.clone(), origin::check),
            cors,
            guard.clone(),
        )),
    );
    if config.legacy_generate_token {
        // The older extension asks from whatever id it has been installed under. No cookie is involved: whoever asks
        // must bring a Flex token.
        let cors = CorsLayer::new()
            .allow_origin(Any)
            .allow_methods([Method::GET, Method::POST])
            .allow_headers([header::CONTENT_TYPE])
            .vary(Vec::<HeaderName>::new());
        let legacy = get(routes::generate_token::any).post(routes::generate_token::any);
        router = router.route(LEGACY_PATH, legacy.layer::<_, Infallible>((cors, guard)));
    }
    router
        .fallback(|| async { StatusCode::NOT_FOUND })
        .layer(DefaultBodyLimit::max(MAX_BODY_BYTES))
        .layer(from_fn_with_state(state.clone(), scope::scope))
        .with_state(state)
}
