//! `POST /v1/voice/token`: the contract is [`protocol::token`].

mod error;

use std::net::IpAddr;

use axum::{
    Json,
    body::Bytes,
    extract::Request,
    http::{HeaderMap, HeaderValue, Method, StatusCode, header},
    response::{IntoResponse, Response},
};
use kernel::Secret;
use protocol::token::{VoiceTokenRequest, VoiceTokenResponse};
use service_kit::{
    Feature,
    arriving::NoBody,
    client::ClientAddress,
    limits::{RATE_LIMIT, RATE_LIMIT_POLICY},
    problem::ProblemBody,
};
use twilio::access_token::DEFAULT_REGION;
use utoipa::OpenApi;

pub use error::RouteError;

use crate::{
    app::AppState,
    bearer::bearer,
    limits::{Client, Door, LimitedBy, Standing},
    origin,
    problems::GuardError,
    service::iso_8601,
};

/// Where the Voice token is.
pub const VOICE_TOKEN_PATH: &str = "/v1/voice/token";

#[derive(OpenApi)]
#[openapi(paths(post))]
struct Document;

/// Its one route, which is asked for more than all others together.
pub fn feature(state: AppState) -> Feature {
    let answer = move |client, request| answer(state.clone(), client, request);
    Feature::direct(&[VOICE_TOKEN_PATH], answer, Document::openapi)
}

/// Exchanges the Flex token for a Voice token
///
/// The identity is the configured prefix and the identity that Twilio vouches for; nothing in the request changes it.
/// The body may be empty; a service for several accounts needs `account_sid` in it when the origin may ask for more
/// than one.
///
/// # Errors
/// [`RouteError`]; [`GuardError`].
#[utoipa::path(
    post, path = VOICE_TOKEN_PATH, operation_id = "voice_token", tag = "tokens",
    description = "The identity is the configured prefix and the identity that Twilio vouches for; nothing in the \
        request changes it. The body may be empty; a service for several accounts needs account_sid in it when the \
        origin may ask for more than one.",
    security(("flex_token" = [])),
    params(
        ("origin" = Option<String>, Header, description = "One of the configured origins, as browsers send it."),
        ("x-request-id" = Option<String>, Header,
            description = "Names the request in log and answer; 1 to 64 letters, digits, - _ and dots."),
    ),
    request_body(content = Option<VoiceTokenRequest>, content_type = "application/json"),
    responses(
        (status = 200, description = "A Voice token", body = VoiceTokenResponse, headers(
            ("ratelimit" = String, description = "How many more the identity may have: \"identity\";r=29;t=2"),
            ("ratelimit-policy" = String, description = "Of how many in how many seconds: \"identity\";q=30;w=60"),
            ("x-request-id" = String, description = "As in the log"),
        )),
        (status = 400, description = "malformed_request, wrong_prefix", body = ProblemBody,
            content_type = "application/problem+json"),
        (status = 401, description = "missing_token, invalid_flex_token, flex_token_expiring", body = ProblemBody,
            content_type = "application/problem+json"),
        (status = 403, description = "wrong_account, role_not_allowed, revoked, origin_not_allowed", body = ProblemBody,
            content_type = "application/problem+json"),
        (status = 429, description = "rate_limited", body = ProblemBody, content_type = "application/problem+json",
            headers(("retry-after" = u64, description = "Seconds"), ("ratelimit" = String, description = "What was too much"))),
        (status = 500, description = "internal", body = ProblemBody, content_type = "application/problem+json",
            headers(("retry-after" = u64, description = "Seconds"))),
        (status = 503, description = "upstream_unavailable", body = ProblemBody,
            content_type = "application/problem+json", headers(("retry-after" = u64, description = "Seconds"))),
    )
)]
async fn post(
    state: &AppState,
    ClientAddress(address): ClientAddress,
    request: Request,
) -> Result<Result<Response, RouteError>, GuardError> {
    match arrived(state, address, request).await {
        Ok(asked) => {
            let client = Client { address, door: Door::VoiceToken };
            state.guarded(exchange(state, client, asked)).await
        }
        Err(error) => Ok(Err(error)),
    }
}

/// A request that is all here.
struct Asked {
    headers: HeaderMap,
    flex_token: Secret,
    body: Bytes,
}

/// The rest of a request that brings a token; nobody else's is read.
async fn arrived(state: &AppState, address: IpAddr, request: Request) -> Result<Asked, RouteError> {
    let (head, body) = request.into_parts();
    let flex_token = bearer(&head.headers)?;
    match state.body(address, body).await {
        Ok(body) => Ok(Asked { headers: head.headers, flex_token, body }),
        Err(NoBody::GivenUp) => Err(RouteError::GivenUp),
        Err(NoBody::Unreadable | NoBody::TooSlow) => Err(RouteError::MalformedBody),
    }
}

/// What a request for this path is answered, whatever its method is.
pub async fn answer(state: AppState, client: ClientAddress, request: Request) -> Response {
    let config = &state.service.config;
    if let Err(error) =
        origin::check(config.allowed_origins(), config.allow_missing_origin, request.headers())
    {
        return error.into_response();
    }
    let origin = request.headers().get(header::ORIGIN).cloned();
    let mut response = match *request.method() {
        Method::OPTIONS => return origin::preflight("POST", origin),
        Method::POST => post(&state, client, request).await.into_response(),
        _ => (StatusCode::METHOD_NOT_ALLOWED, [(header::ALLOW, HeaderValue::from_static("POST"))])
            .into_response(),
    };
    origin::may_read(response.headers_mut(), origin);
    response
}

async fn exchange(state: &AppState, client: Client, asked: Asked) -> Result<Response, RouteError> {
    let Asked { headers, flex_token, body } = asked;
    let claimed = claimed(&headers, &body)?;

    let account = state.service.account(origin::of(&headers), claimed.account_sid.as_ref())?;
    let policy = &account.config.policy;
    if claimed.identity_prefix.is_some_and(|prefix| prefix != policy.identity_prefix) {
        return Err(RouteError::WrongPrefix);
    }
    let exchanged = state.service.exchange(account, client, &flex_token).await?;
    let minted = exchanged.minted;
    let response = VoiceTokenResponse {
        identity: minted.identity,
        account_sid: policy.account_sid.clone(),
        token: minted.token,
        expires_in: minted.expires_in,
        expires_at: iso_8601(minted.expires_at),
        edge: policy.edge.clone(),
        region: policy.region.clone().unwrap_or_else(|| DEFAULT_REGION.to_owned()),
    };
    let mut response = Json(response).into_response();
    let headers = response.headers_mut();
    // With those of [`service_kit::front`] that follow.
    headers.reserve(20);
    rate_limit(headers, exchanged.standing);
    Ok(response)
}

fn rate_limit(headers: &mut HeaderMap, standing: Standing) {
    let Standing { limit, remaining } = standing;
    let name = LimitedBy::Identity.name();
    let value = format!("\"{name}\";r={remaining};t={}", standing.reset_seconds());
    let policy = format!("\"{name}\";q={limit};w=60");
    for (name, value) in [(RATE_LIMIT, value), (RATE_LIMIT_POLICY, policy)] {
        if let Ok(value) = HeaderValue::try_from(value) {
            headers.insert(name, value);
        }
    }
}

/// What the body says: nothing, or a [`VoiceTokenRequest`] in JSON.
///
/// What serde says about a body can repeat parts of it, so it goes neither to the client nor to the log.
///
/// # Errors
/// [`RouteError::MalformedBody`].
pub fn claimed(headers: &HeaderMap, body: &[u8]) -> Result<VoiceTokenRequest, RouteError> {
    if body.is_empty() {
        return Ok(VoiceTokenRequest::default());
    }
    let content_type = headers.get(header::CONTENT_TYPE).and_then(|value| value.to_str().ok());
    let media_type = content_type.and_then(|text| text.split(';').next()).unwrap_or_default();
    // serde would also take a list for the fields in their order.
    let is_object = body.trim_ascii_start().starts_with(b"{");
    if !is_object || !media_type.trim().eq_ignore_ascii_case("application/json") {
        return Err(RouteError::MalformedBody);
    }
    serde_json::from_slice(body).map_err(|_json| RouteError::MalformedBody)
}
