//! Around every request: its id, its one log line, the counters, the security headers, the shape of its errors.
//!
//! What is logged is a list of what is known to be harmless: method, route (never the path or query, where a client may
//! have put a secret), status, code, cause, time, client address. Headers and bodies are never logged.

use std::{collections::BTreeSet, sync::Arc};

use axum::{
    Router,
    extract::Request,
    http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode, header, header::Entry},
    response::{IntoResponse as _, Response},
};
use ipnet::IpNet;
use tower::ServiceExt as _;

use crate::{
    client::{ClientAddress, Forwarded},
    docs::{self, About},
    env::{Env, hex},
    feature::{Answer, Feature, Problems},
    log,
    metrics::Metrics,
    problem::{self, Problem},
    server_settings::ServerSettings,
};

/// Names the request, in the answer, the error body and the log.
pub const X_REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");

/// On every answer, unless its route says otherwise. What is secret must not be stored, sniffed, framed or referred.
const SECURITY_HEADERS: [(HeaderName, HeaderValue); 5] = [
    (header::CACHE_CONTROL, HeaderValue::from_static("no-store")),
    (header::CONTENT_SECURITY_POLICY, HeaderValue::from_static("default-src 'none'; frame-ancestors 'none'")),
    (HeaderName::from_static("cross-origin-resource-policy"), HeaderValue::from_static("same-origin")),
    (header::REFERRER_POLICY, HeaderValue::from_static("no-referrer")),
    (header::X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff")),
];

/// For two years, a browser that has been here once comes by TLS only.
const HSTS: HeaderValue = HeaderValue::from_static("max-age=63072000");
/// Also to every host below this one, which may be somebody else's.
const HSTS_WITH_SUBDOMAINS: HeaderValue = HeaderValue::from_static("max-age=63072000; includeSubDomains");

/// What the public port answers. A function around the router rather than layers of it: each layer costs every request
/// several allocations.
#[derive(Clone)]
pub struct Front(Arc<Shared>);

struct Shared {
    env: Env,
    metrics: Arc<Metrics>,
    trusted_proxies: Vec<IpNet>,
    hsts: HeaderValue,
    features: Vec<Feature>,
    /// The routes of all features.
    routes: Router,
}

impl Front {
    /// Around these features, the first of which is what the service is for, and the documents about them.
    #[must_use]
    pub fn new(
        env: Env,
        metrics: Arc<Metrics>,
        settings: &ServerSettings,
        about: About,
        mut features: Vec<Feature>,
    ) -> Self {
        features.push(docs::feature(about, &features, Arc::clone(&env.clock), Arc::clone(&metrics)));
        let routes = features.iter().filter_map(|feature| match &feature.answer {
            Answer::Routes(routes) => Some(routes.clone()),
            Answer::Direct(_) => None,
        });
        let routes = routes.fold(Router::new(), Router::merge);
        Self(Arc::new(Shared {
            env,
            metrics,
            trusted_proxies: settings.trusted_proxies.clone(),
            hsts: if settings.hsts_include_subdomains { HSTS_WITH_SUBDOMAINS } else { HSTS },
            features,
            routes: routes.fallback(|| async { StatusCode::NOT_FOUND }),
        }))
    }

    /// How log and metrics may name a route.
    #[must_use]
    pub fn routes(&self) -> BTreeSet<&'static str> {
        self.0.features.iter().flat_map(|feature| feature.paths).copied().collect()
    }

    /// Answers; see the module's documentation. The request must carry [`axum::extract::ConnectInfo`] with the peer's address.
    pub async fn answer(&self, mut request: Request) -> Response {
        let Shared { env, metrics, .. } = &*self.0;
        let id = request_id(env, request.headers());
        let forwarded = Forwarded::of(&request, &self.0.trusted_proxies);
        let client = ClientAddress(forwarded.client);
        let (feature, route) = self.route(request.uri().path());
        let method = known(request.method());
        if let Entry::Occupied(mut values) = request.headers_mut().entry(header::AUTHORIZATION) {
            // So that no Debug of the headers, ours or a library's, ever shows it.
            values.iter_mut().for_each(|value| value.set_sensitive(true));
        }

        let _running = metrics.begin();
        let started = env.clock.elapsed();
        let mut response = log::of_request(Arc::clone(&id), async {
            if let Some(Answer::Direct(answer)) = feature.map(|feature| &feature.answer) {
                return answer(client, request).await;
            }
            request.extensions_mut().insert(client);
            self.0.routes.clone().oneshot(request).await.unwrap_or_else(|never| match never {})
        })
        .await;
        let took = env.clock.elapsed().saturating_sub(started);

        let problem = response.extensions_mut().remove::<Problem>();
        let status = response.status();
        let outcome = problem.as_ref().map_or(status.as_str(), |problem| problem.kind.code);
        metrics.answered(route, outcome, took);
        log::of_request_now(&id, || {
            let (status, took_ms) = (status.as_u16(), took.as_micros() as f64 / 1000.0);
            let (client, cause) =
                (tracing::field::display(client.0), problem.as_ref().map(|p| p.cause.as_str()));
            // Then the client is the proxy that wrote what cannot be read.
            let forwarded = forwarded.unreadable.then_some("unreadable");
            if status >= 500 {
                tracing::error!(
                    method,
                    route,
                    status,
                    outcome,
                    cause,
                    client,
                    forwarded,
                    took_ms,
                    "request failed"
                );
            } else {
                tracing::info!(method, route, status, outcome, cause, client, forwarded, took_ms, "request");
            }
        });

        if let Some(problem) = problem {
            let shape = feature.map_or(Problems::Json, |feature| feature.problems);
            response = shaped(problem, shape, &id, response);
        }
        let headers = response.headers_mut();
        for (name, value) in SECURITY_HEADERS {
            headers.entry(name).or_insert(value);
        }
        headers.insert(header::STRICT_TRANSPORT_SECURITY, self.0.hsts.clone());
        if let Ok(value) = HeaderValue::from_str(&id) {
            headers.insert(X_REQUEST_ID, value);
        }
        response
    }

    /// Whose a path is, and how log and metrics name its route.
    fn route(&self, path: &str) -> (Option<&Feature>, &'static str) {
        let mut features = self.0.features.iter();
        let found = features.find_map(|feature| Some((Some(feature), feature.route(path)?)));
        found.unwrap_or((None, "none"))
    }
}

/// The body that the feature's clients understand.
fn shaped(problem: Problem, shape: Problems, id: &str, response: Response) -> Response {
    let body = if shape == Problems::Text {
        problem.message.into_response()
    } else {
        // Numbers and strings: JSON cannot fail.
        let body = serde_json::to_vec(&problem.body(response.status(), id)).unwrap_or_default();
        ([(header::CONTENT_TYPE, HeaderValue::from_static(problem::CONTENT_TYPE))], body).into_response()
    };
    let (mut head, _empty) = response.into_parts();
    let (body_head, body) = body.into_parts();
    head.headers.remove(header::CONTENT_LENGTH);
    head.headers.extend(body_head.headers);
    Response::from_parts(head, body)
}

/// The client's or the proxy's own id, if it is fit to be one, so that logs can be joined; else a new one.
fn request_id(env: &Env, headers: &HeaderMap) -> Arc<str> {
    let given = headers.get(X_REQUEST_ID).and_then(|value| value.to_str().ok());
    if let Some(given) = given
        && (1..=64).contains(&given.len())
        && given.bytes().all(|b| b.is_ascii_alphanumeric() || b"-_.".contains(&b))
    {
        return given.into();
    }
    let mut random = [0; 12];
    // An id that is not unique is better than no answer.
    env.random.fill(&mut random).unwrap_or_default();
    hex(&random).into()
}

/// The method's name, if it is one; anybody can make up others.
fn known(method: &Method) -> &'static str {
    match *method {
        Method::GET => "GET",
        Method::HEAD => "HEAD",
        Method::POST => "POST",
        Method::OPTIONS => "OPTIONS",
        Method::PUT => "PUT",
        Method::PATCH => "PATCH",
        Method::DELETE => "DELETE",
        _ => "other",
    }
}
