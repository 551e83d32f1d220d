//! `GET /openapi.json` and `GET /docs`: what this service takes and answers, for programs and for people.
//!
//! The page is made of the document, here: it loads no script, no font and no style from anywhere. Both are made once, and
//! have a limit of their own: nobody needs them often, and they are the longest answers that anybody gets unasked-for.

use std::sync::{Arc, OnceLock};

use aws_lc_rs::digest::{SHA256, digest};
use axum::{
    body::Bytes,
    extract::State,
    http::{HeaderMap, HeaderName, HeaderValue, StatusCode, header},
    response::{IntoResponse as _, Response},
};
use governor::{
    Quota, RateLimiter,
    clock::Clock as _,
    middleware::NoOpMiddleware,
    nanos::Nanos,
    state::{InMemoryState, NotKeyed},
};
use protocol::token::TokenErrorCode;

use crate::{
    Service,
    http::{
        AppState, DOCS_PATH, OPENAPI_PATH, openapi,
        problem::{Problem, ProblemBody},
    },
    limits::{LimiterClock, Wait},
    outside::Clock,
};

/// So many a second, for everybody together; five times as many at once.
const A_SECOND: std::num::NonZeroU32 = std::num::NonZeroU32::MIN.saturating_add(9);

/// It changes only with the version and the settings.
const CACHING: HeaderValue = HeaderValue::from_static("public, max-age=300");

/// What is made once, when it is first asked for.
pub struct Pages {
    document: OnceLock<Made>,
    page: OnceLock<Made>,
    limit: RateLimiter<NotKeyed, InMemoryState, LimiterClock, NoOpMiddleware<Nanos>>,
    clock: LimiterClock,
}

struct Made {
    body: Bytes,
    tag: HeaderValue,
}

impl Made {
    fn new(text: String) -> Self {
        let hash = twilio::hex(digest(&SHA256, text.as_bytes()).as_ref());
        let tag = format!("\"{}\"", hash.get(..32).unwrap_or_default());
        Self { body: text.into(), tag: HeaderValue::try_from(tag).unwrap_or(HeaderValue::from_static("*")) }
    }
}

impl Pages {
    /// Nothing is made yet.
    #[must_use]
    pub fn new(clock: Arc<dyn Clock>) -> Self {
        let quota = Quota::per_second(A_SECOND).allow_burst(A_SECOND.saturating_mul(FIVE));
        let clock = LimiterClock(clock);
        Self {
            document: OnceLock::new(),
            page: OnceLock::new(),
            limit: RateLimiter::direct_with_clock(quota, clock.clone()),
            clock,
        }
    }

    fn answer(
        &self,
        service: &Service,
        asked: &HeaderMap,
        made: &Made,
        own: (HeaderName, HeaderValue),
    ) -> Response {
        if let Err(not_until) = self.limit.check() {
            service.metrics.limited("docs");
            let wait = Wait(not_until.wait_time_from(self.clock.now()));
            return Problem::new(TokenErrorCode::RateLimited, "too many requests for the document")
                .retry_after(wait.seconds())
                .into_response();
        }
        let known = asked
            .get_all(header::IF_NONE_MATCH)
            .iter()
            .flat_map(|tags| tags.as_bytes().split(|b| *b == b','));
        let caching = [(header::CACHE_CONTROL, CACHING), (header::ETAG, made.tag.clone())];
        if known.map(<[u8]>::trim_ascii).any(|tag| tag == made.tag.as_bytes()) {
            return (StatusCode::NOT_MODIFIED, caching).into_response();
        }
        (caching, [own], made.body.clone()).into_response()
    }
}

const FIVE: std::num::NonZeroU32 = std::num::NonZeroU32::MIN.saturating_add(4);

/// This document
#[utoipa::path(
    get, path = OPENAPI_PATH, operation_id = "openapi", tag = "about",
    responses(
        (status = 200, description = "OpenAPI 3.1", body = serde_json::Value, content_type = "application/json"),
        (status = 304, description = "Not changed"),
        (status = 429, description = "rate_limited", body = ProblemBody, content_type = "application/problem+json",
            headers(("retry-after" = u64, description = "Seconds"))),
    )
)]
pub async fn openapi(State(state): State<AppState>, asked: HeaderMap) -> Response {
    let (pages, service) = (state.pages(), &state.service);
    let made = pages.document.get_or_init(|| Made::new(openapi::document(service)));
    let json = HeaderValue::from_static("application/json");
    pages.answer(service, &asked, made, (header::CONTENT_TYPE, json))
}

/// This document as a page
#[utoipa::path(
    get, path = DOCS_PATH, operation_id = "docs", tag = "about",
    responses(
        (status = 200, description = "A page without scripts", body = String, content_type = "text/html"),
        (status = 304, description = "Not changed"),
        (status = 429, description = "rate_limited", body = ProblemBody, content_type = "application/problem+json",
            headers(("retry-after" = u64, description = "Seconds"))),
    )
)]
pub async fn page(State(state): State<AppState>, asked: HeaderMap) -> Response {
    let (pages, service) = (state.pages(), &state.service);
    let made = pages.page.get_or_init(|| Made::new(openapi::page(service)));
    let html = HeaderValue::from_static("text/html; charset=utf-8");
    let mut response = pages.answer(service, &asked, made, (header::CONTENT_TYPE, html));
    if response.status().is_success() {
        let policy = HeaderValue::from_static(openapi::PAGE_POLICY);
        response.headers_mut().insert(header::CONTENT_SECURITY_POLICY, policy);
    }
    response
}
