//! What all routes have in common.
//!
//! From the outside in: [`scope`] (request id, log line, counters, security headers, the shape of errors), [`origin`]
//! and CORS (only `/v1`), the route, the body ([`arriving`]), and around what there is to do [`guard`] (requests at once,
//! total time, panics).
//! [`openapi`] describes it all.

pub mod arriving;
pub mod client;
pub mod guard;
pub mod openapi;
pub mod origin;
pub mod problem;
pub mod scope;

use std::{convert::Infallible, net::IpAddr, sync::Arc};

use arriving::NoBody;
use axum::{
    Router,
    body::{Body, Bytes},
    extract::DefaultBodyLimit,
    http::{HeaderName, HeaderValue, Method, StatusCode, header},
    routing::get,
};
use tower_http::{
    cors::{Any, CorsLayer},
    set_header::SetResponseHeaderLayer,
};

pub use scope::Front;

use crate::{Service, routes};

/// Where the Voice token is.
pub const VOICE_TOKEN_PATH: &str = "/v1/voice/token";

/// Where the older extension looks for it.
pub const LEGACY_PATH: &str = "/generateToken";

/// The OpenAPI document, and the same as a page.
pub const OPENAPI_PATH: &str = "/openapi.json";
/// See [`OPENAPI_PATH`].
pub const DOCS_PATH: &str = "/docs";

/// Where the extension's update manifest and packages are.
pub const EXTENSION_PATH: &str = "/extension/{file}";

/// `RateLimit` and `RateLimit-Policy` of the IETF's draft "RateLimit header fields for HTTP", version 10.
pub const RATE_LIMIT: HeaderName = HeaderName::from_static("ratelimit");
/// See [`RATE_LIMIT`].
pub const RATE_LIMIT_POLICY: HeaderName = HeaderName::from_static("ratelimit-policy");

/// The largest request body, in bytes. A real one has about 100.
pub const MAX_BODY_BYTES: usize = 16 * 1024;

/// The longest Flex token, in bytes. A real one has about 1000.
pub const MAX_TOKEN_BYTES: usize = protocol::token::MAX_FLEX_TOKEN;

/// RFC 9745: the older extension's route is deprecated, since 1 November 2026.
const DEPRECATION: HeaderName = HeaderName::from_static("deprecation");
const DEPRECATED_SINCE: &str = "@1793491200";
/// RFC 5829: what to use instead.
const SUCCESSOR: &str = "</v1/voice/token>; rel=\"successor-version\"";

/// What handlers and middleware share.
#[derive(Clone)]
pub struct AppState {
    /// The configured service.
    pub service: Arc<Service>,
    guard: Arc<guard::Guard>,
    arriving: Arc<arriving::Arriving>,
    pages: Arc<routes::docs::Pages>,
}

impl AppState {
    /// For one configured service.
    #[must_use]
    pub fn new(service: Arc<Service>) -> Self {
        Self {
            guard: Arc::new(guard::Guard::new(service.config.max_in_flight)),
            arriving: Arc::new(arriving::Arriving::new(&service.config)),
            pages: Arc::new(routes::docs::Pages::new(Arc::clone(&service.clock))),
            service,
        }
    }

    /// All of a body that `client` sends.
    ///
    /// # Errors
    /// [`NoBody`].
    pub async fn body(&self, client: IpAddr, body: Body) -> Result<Bytes, NoBody> {
        let arrived = self.arriving.body(client, body).await;
        if arrived == Err(NoBody::GivenUp) {
            self.service.metrics.limited("arriving");
        }
        arrived
    }

    /// The document and its page.
    #[must_use]
    pub fn pages(&self) -> &routes::docs::Pages {
        &self.pages
    }
}

/// What the public port answers.
#[must_use]
pub fn front(state: AppState) -> Front {
    let mut router = Router::new();
    if state.service.legacy_account().is_some() {
        // The older extension asks from whatever id it has been installed under. No cookie is involved: whoever asks
        // must bring a Flex token.
        let cors = CorsLayer::new()
            .allow_origin(Any)
            .allow_methods([Method::GET, Method::POST])
            .allow_headers([header::CONTENT_TYPE])
            .vary(Vec::<HeaderName>::new());
        let legacy = get(routes::generate_token::get).post(routes::generate_token::post);
        let headers = (
            SetResponseHeaderLayer::overriding(DEPRECATION, HeaderValue::from_static(DEPRECATED_SINCE)),
            SetResponseHeaderLayer::overriding(header::LINK, HeaderValue::from_static(SUCCESSOR)),
        );
        let limit = DefaultBodyLimit::max(MAX_BODY_BYTES);
        router = router.route(LEGACY_PATH, legacy.layer::<_, Infallible>((headers, cors, limit)));
    }
    if state.service.config.extension_dir.is_some() {
        router = router.route(EXTENSION_PATH, get(routes::extension::file));
    }
    let router = router
        .route(OPENAPI_PATH, get(routes::docs::openapi))
        .route(DOCS_PATH, get(routes::docs::page))
        .fallback(|| async { StatusCode::NOT_FOUND })
        .with_state(state.clone());
    Front::new(state, router)
}
