//! One POST to the token service, with every door shut that a Flex token could leave by.

use js_sys::{Promise, Reflect, Uint8Array};
use kernel::Secret;
use wasm_bindgen::prelude::*;
use wasm_bindgen_futures::JsFuture;
use web_sys::{
    AbortSignal, Headers, ReadableStreamDefaultReader, ReferrerPolicy, RequestCache, RequestCredentials,
    RequestInit, RequestRedirect, Response,
};

use crate::machine::{FetchOutcome, TokenRequest};

/// From the request to the last byte of the answer.
const TIMEOUT_MS: u32 = 10_000;
/// No token service's answer is longer.
const MAX_BODY_BYTES: usize = 64 * 1024;

#[wasm_bindgen]
extern "C" {
    #[wasm_bindgen(js_name = fetch)]
    fn js_fetch(url: &str, init: &RequestInit) -> Promise;
}

/// Sends the request and reads the answer. Errors are told apart as far as the browser tells; none is logged,
/// for the browser's words name the URL.
pub(super) async fn post(request: &TokenRequest) -> FetchOutcome {
    match attempt(request).await {
        Ok(outcome) => outcome,
        Err(error) => {
            let name = Reflect::get(&error, &"name".into()).ok().and_then(|name| name.as_string());
            if name.as_deref() == Some("TimeoutError") {
                FetchOutcome::TimedOut
            } else {
                FetchOutcome::Unreachable
            }
        }
    }
}

async fn attempt(request: &TokenRequest) -> Result<FetchOutcome, JsValue> {
    let headers = Headers::new()?;
    headers.set("Content-Type", "application/json")?;
    headers.set("Accept", "application/json")?;
    if let Some(bearer) = &request.bearer {
        headers.set("Authorization", &format!("Bearer {}", bearer.expose()))?;
    }
    let init = RequestInit::new();
    init.set_method("POST");
    init.set_headers(&headers);
    init.set_body(&request.body.expose().into());
    init.set_cache(RequestCache::NoStore);
    init.set_credentials(RequestCredentials::Omit);
    init.set_redirect(RequestRedirect::Error);
    init.set_referrer_policy(ReferrerPolicy::NoReferrer);
    init.set_signal(Some(&AbortSignal::timeout_with_u32(TIMEOUT_MS)));

    let response: Response = JsFuture::from(js_fetch(request.url.as_str(), &init)).await?.dyn_into()?;
    let retry_after = response.headers().get("Retry-After")?.and_then(|value| value.trim().parse().ok());
    let Some(body) = read_body(&response).await? else { return Ok(FetchOutcome::TooLong) };
    Ok(FetchOutcome::Answer { status: response.status(), body, retry_after })
}

/// The body as text; `None` when it is too long, and then the rest is not even read.
async fn read_body(response: &Response) -> Result<Option<Secret>, JsValue> {
    let Some(stream) = response.body() else { return Ok(Some(Secret::new(""))) };
    let reader: ReadableStreamDefaultReader = stream.get_reader().dyn_into()?;
    let mut bytes = Vec::new();
    loop {
        let chunk = JsFuture::from(reader.read()).await?;
        if Reflect::get(&chunk, &"done".into())?.is_truthy() {
            return Ok(Some(Secret::new(String::from_utf8_lossy(&bytes))));
        }
        let chunk: Uint8Array = Reflect::get(&chunk, &"value".into())?.dyn_into()?;
        bytes.extend(chunk.to_vec());
        if bytes.len() > MAX_BODY_BYTES {
            JsFuture::from(reader.cancel()).await?;
            return Ok(None);
        }
    }
}
