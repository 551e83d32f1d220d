//! `GET /openapi.json` and `GET /docs`: what this service takes and answers, for programs and for people.
//!
//! The page is made of the document, here: it loads no script, no font and no style from anywhere. Both are made once, and
//! have a limit of their own: nobody needs them often, and they are the longest answers that anybody gets unasked-for.

use std::{
    num::NonZeroU32,
    sync::{Arc, OnceLock},
};

use aws_lc_rs::digest::{SHA256, digest};
use axum::{
    Router,
    body::Bytes,
    extract::State,
    http::{HeaderMap, HeaderName, HeaderValue, StatusCode, header},
    response::{IntoResponse as _, Response},
    routing::get,
};
use utoipa::OpenApi;

use crate::{
    env::{Clock, hex},
    feature::Feature,
    limits::{Limiter, Rate},
    metrics::Metrics,
    openapi::{PAGE_POLICY, Source, document, page as page_of},
    problem::{Kind, Problem, ProblemBody},
};

/// The OpenAPI document, and the same as a page.
pub const OPENAPI_PATH: &str = "/openapi.json";
/// See [`OPENAPI_PATH`].
pub const DOCS_PATH: &str = "/docs";

/// What a service says of itself as a whole.
pub struct About {
    /// Title, licence, security schemes: all but the paths.
    pub document: fn() -> utoipa::openapi::OpenApi,
    /// All kinds of problems that it has.
    pub problems: Vec<Kind>,
    /// The one for whoever asks for the document too often.
    pub too_often: Kind,
}

/// Ten a second, for everybody together; five times as many at once.
const RATE: Rate =
    Rate { per_minute: NonZeroU32::MIN.saturating_add(599), burst: NonZeroU32::MIN.saturating_add(49) };

/// It changes only with the version and the settings.
const CACHING: HeaderValue = HeaderValue::from_static("public, max-age=300");

/// What is made once, when it is first asked for.
struct Pages {
    source: Source,
    document: OnceLock<Made>,
    page: OnceLock<Made>,
    limit: Limiter<()>,
    too_often: Kind,
    metrics: Arc<Metrics>,
}

struct Made {
    body: Bytes,
    tag: HeaderValue,
}

impl Made {
    fn new(text: String) -> Self {
        let hash = hex(digest(&SHA256, text.as_bytes()).as_ref());
        let tag = format!("\"{}\"", hash.get(..32).unwrap_or_default());
        Self { body: text.into(), tag: HeaderValue::try_from(tag).unwrap_or(HeaderValue::from_static("*")) }
    }
}

impl Pages {
    fn answer(&self, asked: &HeaderMap, made: &Made, own: (HeaderName, HeaderValue)) -> Response {
        if let Err(wait) = self.limit.check(&()) {
            self.metrics.limited("docs");
            return Problem::new(self.too_often, "too many requests for the document")
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

#[derive(OpenApi)]
#[openapi(paths(openapi, page))]
struct Document;

/// The two documents about these features and themselves.
pub(crate) fn feature(
    about: About,
    features: &[Feature],
    clock: Arc<dyn Clock>,
    metrics: Arc<Metrics>,
) -> Feature {
    let own: fn() -> utoipa::openapi::OpenApi = Document::openapi;
    let source = Source {
        whole: about.document,
        parts: features.iter().map(|feature| feature.document).chain([own]).collect(),
        problems: about.problems,
        first: features.first().and_then(|feature| feature.paths.first()).copied(),
    };
    let pages = Arc::new(Pages {
        source,
        document: OnceLock::new(),
        page: OnceLock::new(),
        limit: Limiter::new(RATE, clock),
        too_often: about.too_often,
        metrics,
    });
    let routes =
        Router::new().route(OPENAPI_PATH, get(openapi)).route(DOCS_PATH, get(page)).with_state(pages);
    Feature::new(&[OPENAPI_PATH, DOCS_PATH], routes, own)
}

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
async fn openapi(State(pages): State<Arc<Pages>>, asked: HeaderMap) -> Response {
    let made = pages.document.get_or_init(|| Made::new(document(&pages.source)));
    let json = HeaderValue::from_static("application/json");
    pages.answer(&asked, made, (header::CONTENT_TYPE, json))
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
async fn page(State(pages): State<Arc<Pages>>, asked: HeaderMap) -> Response {
    let made = pages.page.get_or_init(|| Made::new(page_of(&pages.source)));
    let html = HeaderValue::from_static("text/html; charset=utf-8");
    let mut response = pages.answer(&asked, made, (header::CONTENT_TYPE, html));
    if response.status().is_success() {
        let policy = HeaderValue::from_static(PAGE_POLICY);
        response.headers_mut().insert(header::CONTENT_SECURITY_POLICY, policy);
    }
    response
}
