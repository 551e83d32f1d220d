//! `GET /v/{code}`: the page of video, and the files that it is made of.
//!
//! The page is the same for every code, and nobody looks at the code: a chat's preview of a link, a mail program's scanner or a search
//! engine use nothing up and learn nothing. Only the page's own `POST`, after a tap, says the code. Log and metrics name every such path
//! `/v/{page}`, since a code lets whoever has it take the customer's place until the customer has come.

use std::{collections::BTreeSet, sync::Arc};

use axum::{
    body::Body,
    extract::Request,
    http::{HeaderMap, HeaderName, HeaderValue, Method, Response, StatusCode, header},
};
use protocol::video::{PAGE_PATH, code_of};
use service_kit::Feature;
use utoipa::OpenApi;

use crate::{
    app::AppState,
    page_files::{PAGE, PageFiles, media_type},
};

/// Where the page and its files are.
pub const VIDEO_PAGE_PATH: &str = "/v/{page}";

/// For the page alone: nothing of it is stored, listed by a search engine, or has a right that it does not need.
///
/// There is no `Cross-Origin-Opener-Policy`, on purpose: an agent without the extension has the page in a tab that Flex opened by name,
/// and with it Flex could not find the tab again to bring it to the front. The page itself opens nothing and looks at no opener.
const PAGE_HEADERS: [(HeaderName, HeaderValue); 3] = [
    (header::CACHE_CONTROL, HeaderValue::from_static("no-store")),
    (HeaderName::from_static("x-robots-tag"), HeaderValue::from_static("noindex, nofollow")),
    (
        HeaderName::from_static("permissions-policy"),
        HeaderValue::from_static(
            "camera=(self), microphone=(self), display-capture=(self), screen-wake-lock=(self), geolocation=(), payment=(), usb=()",
        ),
    ),
];

#[derive(OpenApi)]
#[openapi(paths(page))]
struct Document;

/// The routes, where some account has video and there are files.
#[must_use]
pub fn feature(state: &AppState) -> Option<Feature> {
    let service = &state.service;
    let files = Arc::clone(service.page.as_ref()?);
    let regions: BTreeSet<&str> = service
        .config
        .accounts
        .iter()
        .filter_map(|account| Some(account.video.as_ref()?.region.as_str()))
        .collect();
    let policy = Arc::new(policy(&regions)?);
    let answer = move |_client, request: Request| {
        let (files, policy) = (Arc::clone(&files), Arc::clone(&policy));
        async move { page(&files, &policy, &request) }
    };
    Some(Feature::direct(&[VIDEO_PAGE_PATH], answer, Document::openapi))
}

/// What the page may do; `None` where there is no video.
///
/// `'wasm-unsafe-eval'` lets it compile WebAssembly, which it is written in, and nothing else: no `eval`. Pictures and sound of a call come
/// by WebRTC, which no policy governs; only the socket of Twilio's signalling has to be named.
fn policy(regions: &BTreeSet<&str>) -> Option<HeaderValue> {
    let hosts: Vec<String> = regions
        .iter()
        .map(|region| match *region {
            "gll" => " wss://global.vss.twilio.com".to_owned(),
            region => format!(" wss://{region}.vss.twilio.com"),
        })
        .collect();
    if hosts.is_empty() {
        return None;
    }
    HeaderValue::from_str(&format!(
        "default-src 'none'; frame-ancestors 'none'; script-src 'self' 'wasm-unsafe-eval'; style-src 'self'; \
         img-src 'self' data:; connect-src 'self'{}; base-uri 'none'; form-action 'none'",
        hosts.concat()
    ))
    .ok()
}

/// The page of video, or a file of it
#[utoipa::path(
    get, path = VIDEO_PAGE_PATH, operation_id = "video_page", tag = "video",
    description = "The same page whatever the code is. Asking for it uses nothing up.",
    params(("page" = String, Path, description = "A code, or the name of a file of the page, as pkg/join.js")),
    responses(
        (status = 200, description = "The page, or the file", body = Vec<u8>, content_type = "text/html"),
        (status = 304, description = "The file has not changed"),
        (status = 308, description = "To the code, without what somebody put behind it"),
        (status = 404, description = "No such file"),
        (status = 405, description = "Neither GET nor HEAD"),
    )
)]
fn page(files: &PageFiles, policy: &HeaderValue, request: &Request) -> Response<Body> {
    if !matches!(*request.method(), Method::GET | Method::HEAD) {
        let mut response = empty(StatusCode::METHOD_NOT_ALLOWED);
        response.headers_mut().insert(header::ALLOW, HeaderValue::from_static("GET, HEAD"));
        return response;
    }
    let name = request.uri().path().strip_prefix(PAGE_PATH).unwrap_or_default();
    if let Some(file) = files.get(name).filter(|_| name != PAGE) {
        let form = file.form(request.headers());
        let mut response = if form.is_known(request.headers()) {
            empty(StatusCode::NOT_MODIFIED)
        } else {
            sent(form, request)
        };
        let headers = response.headers_mut();
        headers.insert(header::ETAG, form.etag.clone());
        // Asked for at each visit, answered 304 as a rule: a page must not run with the script of another version.
        headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-cache"));
        headers.insert(header::CONTENT_TYPE, file.media_type.clone());
        vary(headers);
        return response;
    }
    match name.split_once('/') {
        // A code that a chat program made a directory of: the page's own addresses are relative.
        Some((first, "")) => {
            match code_of(first).map(|code| HeaderValue::from_str(&format!("{PAGE_PATH}{code}"))) {
                Some(Ok(code)) => {
                    let mut response = empty(StatusCode::PERMANENT_REDIRECT);
                    response.headers_mut().insert(header::LOCATION, code);
                    response
                }
                _ => empty(StatusCode::NOT_FOUND),
            }
        }
        Some(_) => empty(StatusCode::NOT_FOUND),
        // A script that is not there must not be answered with the page.
        None if media_type(name).is_some() => empty(StatusCode::NOT_FOUND),
        None => {
            let Some(file) = files.get(PAGE) else { return empty(StatusCode::NOT_FOUND) };
            let mut response = sent(file.form(request.headers()), request);
            let headers = response.headers_mut();
            headers.insert(header::CONTENT_TYPE, file.media_type.clone());
            headers.insert(header::CONTENT_SECURITY_POLICY, policy.clone());
            headers.extend(PAGE_HEADERS);
            vary(headers);
            response
        }
    }
}

fn sent(form: &crate::page_files::Form, request: &Request) -> Response<Body> {
    let is_head = *request.method() == Method::HEAD;
    let body = if is_head { Body::empty() } else { Body::from(form.bytes.clone()) };
    let mut response = Response::new(body);
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_LENGTH, form.bytes.len().into());
    if let Some(encoding) = &form.encoding {
        headers.insert(header::CONTENT_ENCODING, encoding.clone());
    }
    response
}

fn empty(status: StatusCode) -> Response<Body> {
    let mut response = Response::new(Body::empty());
    *response.status_mut() = status;
    response
}

fn vary(headers: &mut HeaderMap) {
    headers.insert(header::VARY, HeaderValue::from_static("accept-encoding"));
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_page_may_reach_its_own_service_and_the_signalling_of_its_regions_and_nothing_else() {
        let connect = |regions: &[&str]| {
            let policy = policy(&regions.iter().copied().collect())?;
            let policy = policy.to_str().unwrap().to_owned();
            Some(policy.split("connect-src ").nth(1)?.split(';').next()?.to_owned())
        };
        assert_eq!(connect(&["gll"]).as_deref(), Some("'self' wss://global.vss.twilio.com"));
        let two = "'self' wss://de1.vss.twilio.com wss://ie1.vss.twilio.com";
        assert_eq!(connect(&["ie1", "de1"]).as_deref(), Some(two));
        assert_eq!(connect(&[]), None);
    }
}
