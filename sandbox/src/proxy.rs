//! The token service behind a load balancer, as the browser sees it: `https://<token host>/…` is passed on to the
//! real service, unless a fault answers in its place.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use anyhow::Context as _;
use axum::body::{Body, Bytes};
use axum::extract::{Request, State};
use axum::http::{HeaderMap, HeaderName, StatusCode, header};
use axum::response::{IntoResponse as _, Response};
use axum::{Json, Router};
use serde::{Deserialize, Serialize};
use serde_json::json;

/// Largest body passed on.
const LIMIT: usize = 1024 * 1024;

/// How answers of the token service are disturbed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct TokenFault {
    /// Answered instead of asking the service; none: the service answers, only late.
    #[serde(default)]
    pub status: Option<u16>,
    /// Milliseconds before the answer.
    #[serde(default)]
    pub delay_ms: u64,
    /// How many requests it concerns; all, until it is removed, if absent. Preflights do not count.
    #[serde(default)]
    pub times: Option<u32>,
}

/// The proxy. Clones are handles to the same one.
#[derive(Clone)]
pub(crate) struct Proxy {
    client: reqwest::Client,
    base: String,
    faults: Arc<Mutex<BTreeMap<u64, TokenFault>>>,
}

impl Proxy {
    pub(crate) fn new(base: &str) -> anyhow::Result<Self> {
        let client = reqwest::Client::builder()
            .timeout(Duration::from_secs(60))
            .redirect(reqwest::redirect::Policy::none())
            .no_proxy()
            .build()
            .context("making an HTTP client")?;
        Ok(Self { client, base: base.trim_end_matches('/').to_owned(), faults: Arc::default() })
    }

    pub(crate) fn router(&self) -> Router {
        Router::new().fallback(pass_on).with_state(self.clone())
    }

    pub(crate) fn add_fault(&self, id: u64, fault: TokenFault) {
        self.faults.lock().unwrap_or_else(PoisonError::into_inner).insert(id, fault);
    }

    pub(crate) fn remove_fault(&self, id: u64) -> bool {
        self.faults.lock().unwrap_or_else(PoisonError::into_inner).remove(&id).is_some()
    }

    pub(crate) fn faults(&self) -> BTreeMap<u64, TokenFault> {
        self.faults.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    pub(crate) fn clear_faults(&self) {
        self.faults.lock().unwrap_or_else(PoisonError::into_inner).clear();
    }

    /// The oldest fault, counted down.
    fn next_fault(&self) -> Option<TokenFault> {
        let mut faults = self.faults.lock().unwrap_or_else(PoisonError::into_inner);
        let mut oldest = faults.first_entry()?;
        let fault = oldest.get_mut();
        let taken = *fault;
        if let Some(times) = &mut fault.times {
            *times = times.saturating_sub(1);
            if *times == 0 {
                oldest.remove();
            }
        }
        Some(taken)
    }
}

async fn pass_on(State(proxy): State<Proxy>, request: Request) -> Response {
    let (parts, body) = request.into_parts();
    if parts.method != axum::http::Method::OPTIONS
        && let Some(fault) = proxy.next_fault()
    {
        tokio::time::sleep(Duration::from_millis(fault.delay_ms)).await;
        if let Some(status) = fault.status.and_then(|status| StatusCode::from_u16(status).ok()) {
            return refused(status, &parts.headers);
        }
    }
    let Ok(body) = axum::body::to_bytes(body, LIMIT).await else {
        return refused(StatusCode::PAYLOAD_TOO_LARGE, &parts.headers);
    };
    let path = parts.uri.path_and_query().map_or("/", |path| path.as_str());
    let headers = end_to_end(&parts.headers);
    let asked =
        proxy.client.request(parts.method, format!("{}{path}", proxy.base)).headers(headers).body(body);
    match asked.send().await {
        Ok(answer) => answered(answer).await,
        Err(error) => {
            // Without the URL, as a matter of habit: there is never a secret in it.
            tracing::warn!(error = %error.without_url(), "the token service does not answer");
            refused(StatusCode::BAD_GATEWAY, &parts.headers)
        }
    }
}

async fn answered(answer: reqwest::Response) -> Response {
    let (status, headers) = (answer.status(), end_to_end(answer.headers()));
    let body: Bytes = answer.bytes().await.unwrap_or_default();
    let mut response = Response::new(Body::from(body));
    *response.status_mut() = status;
    *response.headers_mut() = headers;
    response
}

/// An answer of the load balancer's own. It carries CORS headers, so that a page can see the status.
fn refused(status: StatusCode, request: &HeaderMap) -> Response {
    let reason = status.canonical_reason().unwrap_or("fault");
    let mut response = (status, Json(json!({ "error": reason }))).into_response();
    if let Some(origin) = request.get(header::ORIGIN) {
        response.headers_mut().insert(header::ACCESS_CONTROL_ALLOW_ORIGIN, origin.clone());
        response.headers_mut().insert(header::VARY, header::HeaderValue::from_static("origin"));
    }
    if status == StatusCode::TOO_MANY_REQUESTS {
        response.headers_mut().insert(header::RETRY_AFTER, header::HeaderValue::from_static("1"));
    }
    response
}

/// Headers that are for the far end, not for one connection (RFC 9110, 7.6.1).
fn end_to_end(headers: &HeaderMap) -> HeaderMap {
    const HOP_BY_HOP: [HeaderName; 7] = [
        header::CONNECTION,
        header::HOST,
        header::CONTENT_LENGTH,
        header::TRANSFER_ENCODING,
        header::UPGRADE,
        header::TE,
        header::TRAILER,
    ];
    headers
        .iter()
        .filter(|(name, _)| !HOP_BY_HOP.contains(name))
        .map(|(n, v)| (n.clone(), v.clone()))
        .collect()
}

#[cfg(test)]
mod tests {
    use axum::http::Method;
    use axum::routing::any;
    use tower::ServiceExt as _;

    use super::*;

    async fn asked(proxy: &Proxy, method: Method) -> (StatusCode, String, HeaderMap) {
        let request = Request::builder()
            .method(method)
            .uri("/v1/voice/token?x=1")
            .header("origin", "https://flex.twilio.com")
            .body(Body::from("hello"))
            .unwrap();
        let response = proxy.router().oneshot(request).await.unwrap();
        let (status, headers) = (response.status(), response.headers().clone());
        let body = axum::body::to_bytes(response.into_body(), LIMIT).await.unwrap();
        (status, String::from_utf8(body.to_vec()).unwrap(), headers)
    }

    async fn service() -> String {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let echo = |request: Request| async move {
            let path = request.uri().to_string();
            let body = axum::body::to_bytes(request.into_body(), LIMIT).await.unwrap();
            format!("{path} {}", String::from_utf8(body.to_vec()).unwrap())
        };
        let app = Router::new().fallback(any(echo));
        tokio::spawn(async move { axum::serve(listener, app).await.unwrap() });
        format!("http://{address}/")
    }

    #[tokio::test]
    async fn requests_reach_the_service_and_its_answers_come_back() {
        let proxy = Proxy::new(&service().await).unwrap();
        let (status, body, _) = asked(&proxy, Method::POST).await;
        assert_eq!((status, body.as_str()), (StatusCode::OK, "/v1/voice/token?x=1 hello"));
    }

    #[tokio::test]
    async fn a_fault_answers_so_often_and_leaves_preflights_alone() {
        let proxy = Proxy::new(&service().await).unwrap();
        proxy.add_fault(1, TokenFault { status: Some(429), delay_ms: 0, times: Some(2) });
        assert_eq!(asked(&proxy, Method::OPTIONS).await.0, StatusCode::OK);
        let (status, _, headers) = asked(&proxy, Method::POST).await;
        assert_eq!(status, StatusCode::TOO_MANY_REQUESTS);
        assert_eq!(headers["access-control-allow-origin"], "https://flex.twilio.com");
        assert_eq!(asked(&proxy, Method::POST).await.0, StatusCode::TOO_MANY_REQUESTS);
        assert_eq!(asked(&proxy, Method::POST).await.0, StatusCode::OK);
        assert!(proxy.faults().is_empty());
    }

    #[tokio::test]
    async fn a_service_that_is_not_there_is_a_bad_gateway() {
        let closed = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
        let proxy = Proxy::new(&format!("http://{closed}")).unwrap();
        assert_eq!(asked(&proxy, Method::POST).await.0, StatusCode::BAD_GATEWAY);
    }
}
