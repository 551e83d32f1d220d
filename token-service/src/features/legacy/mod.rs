//! `GET` or `POST /generateToken`: what the extension that Holdfast replaces asks for, for the time of a migration.
//!
//! Its shapes are fixed by that extension: `Token` and `VoiceClientPrefix` as query, form or JSON; 200 with
//! `{"identity", "token"}`; 403 with the validator's words as text; 500 with text. It expects every failure that is
//! not about the Flex token as 500. What has changed is what it could not be trusted with: the prefix is compared and
//! never used, roles and worker are checked, and the token does not outlive the Flex token. It does not say which account
//! it is for: the settings do.

use std::{convert::Infallible, net::IpAddr};

use axum::{
    Extension, Form, Json, Router,
    extract::{DefaultBodyLimit, FromRequest as _, Request, State},
    http::{HeaderName, HeaderValue, Method, StatusCode, header},
    response::{IntoResponse, Response},
    routing,
};
use kernel::{Identity, Secret};
use protocol::token::TokenErrorCode;
use serde::{Deserialize, Serialize};
use service_kit::{
    Feature,
    arriving::{AFTER_CROWD_SECONDS, NoBody},
    client::ClientAddress,
};
use tower_http::{
    cors::{Any, CorsLayer},
    set_header::SetResponseHeaderLayer,
};
use twilio::flex_token::FlexTokenError;
use utoipa::OpenApi;

use crate::{
    app::{AppState, MAX_BODY_BYTES},
    bearer::is_plausible,
    limits::{Client, Door},
    origin,
    problems::{GuardError, code, problem, with_retry_after},
    service::ExchangeError,
};

/// Where the older extension looks for its token.
pub const LEGACY_PATH: &str = "/generateToken";

/// RFC 9745: the older extension's route is deprecated, since 1 November 2026.
const DEPRECATION: HeaderName = HeaderName::from_static("deprecation");
const DEPRECATED_SINCE: &str = "@1793491200";
/// RFC 5829: what to use instead.
const SUCCESSOR: &str = "</v1/voice/token>; rel=\"successor-version\"";

#[derive(OpenApi)]
#[openapi(paths(get, post), components(schemas(LegacyResponse)))]
struct Document;

/// The route, where an account is served here.
#[must_use]
pub fn feature(state: &AppState) -> Option<Feature> {
    state.service.legacy_account()?;
    // The older extension asks from whatever id it has been installed under. No cookie is involved: whoever asks
    // must bring a Flex token.
    let cors = CorsLayer::new()
        .allow_origin(Any)
        .allow_methods([Method::GET, Method::POST])
        .allow_headers([header::CONTENT_TYPE])
        .vary(Vec::<HeaderName>::new());
    let headers = (
        SetResponseHeaderLayer::overriding(DEPRECATION, HeaderValue::from_static(DEPRECATED_SINCE)),
        SetResponseHeaderLayer::overriding(header::LINK, HeaderValue::from_static(SUCCESSOR)),
    );
    let limit = DefaultBodyLimit::max(MAX_BODY_BYTES);
    let route = routing::get(get).post(post).layer::<_, Infallible>((headers, cors, limit));
    let routes = Router::new().route(LEGACY_PATH, route).with_state(state.clone());
    Some(Feature::new(&[LEGACY_PATH], routes, Document::openapi).with_problems_as_text())
}

/// What the older extension sends.
#[derive(Debug, Default, Deserialize, utoipa::ToSchema)]
pub struct LegacyRequest {
    /// The Flex token.
    #[serde(rename = "Token")]
    #[schema(value_type = Option<String>)]
    pub token: Option<Secret>,
    /// Compared, never used.
    #[serde(rename = "VoiceClientPrefix")]
    pub voice_client_prefix: Option<String>,
}

impl LegacyRequest {
    /// The Flex token, if it can be one.
    #[must_use]
    pub fn flex_token(&self) -> Option<&Secret> {
        self.token.as_ref().filter(|token| is_plausible(token.expose()))
    }
}

/// What the older extension expects.
#[derive(Debug, Serialize, utoipa::ToSchema)]
pub struct LegacyResponse {
    #[schema(value_type = String)]
    identity: Identity,
    #[schema(value_type = String)]
    token: Secret,
}

/// What either of the two routes answers, for the OpenAPI document.
#[derive(utoipa::IntoResponses)]
#[expect(dead_code, reason = "the document is made of it")]
enum Answers {
    /// A Voice token
    #[response(status = 200)]
    Token(LegacyResponse),
    /// The Flex token is not accepted
    #[response(status = 403, content_type = "text/plain")]
    NotAccepted(String),
    /// Too many requests
    #[response(status = 429, content_type = "text/plain")]
    TooMany(String),
    /// Everything else
    #[response(status = 500, content_type = "text/plain")]
    Failed(String),
    /// Too much to do
    #[response(status = 503, content_type = "text/plain")]
    Busy(String),
}

/// What can go wrong here. The first three are answered as the Flex-token validator of the older service did.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum RouteError {
    /// No `Token`, or none that can be read.
    #[error("Unauthorized: Token was not provided")]
    MissingToken,
    /// `VoiceClientPrefix` is not the configured one.
    #[error("Unauthorized: VoiceClientPrefix is not the one of this service")]
    WrongPrefix,
    /// A form or a link of another site asks, which could not even read the answer.
    #[error("Unauthorized: another site cannot ask in this way")]
    CrossSite,
    /// Twilio refuses the Flex token.
    #[error("{0}")]
    InvalidFlexToken(String),
    /// Its address is sending too much at once.
    #[error("{}", NoBody::GivenUp)]
    GivenUp,
    /// The exchange failed in another way.
    #[error(transparent)]
    Exchange(ExchangeError),
}

impl From<ExchangeError> for RouteError {
    fn from(error: ExchangeError) -> Self {
        match error {
            ExchangeError::FlexToken { error: FlexTokenError::Invalid { message, .. }, .. } => {
                Self::InvalidFlexToken(message)
            }
            other => Self::Exchange(other),
        }
    }
}

impl IntoResponse for RouteError {
    fn into_response(self) -> Response {
        let code = match &self {
            Self::MissingToken => TokenErrorCode::MissingToken,
            Self::WrongPrefix => TokenErrorCode::WrongPrefix,
            Self::CrossSite => TokenErrorCode::OriginNotAllowed,
            Self::InvalidFlexToken(_) => TokenErrorCode::InvalidFlexToken,
            Self::GivenUp => TokenErrorCode::RateLimited,
            Self::Exchange(error) => code(error),
        };
        let mut problem = problem(code, &self);
        let status = match code {
            TokenErrorCode::RateLimited => StatusCode::TOO_MANY_REQUESTS,
            TokenErrorCode::UpstreamUnavailable | TokenErrorCode::Internal => {
                problem = problem.hiding("the Flex token cannot be validated now");
                StatusCode::INTERNAL_SERVER_ERROR
            }
            _ => StatusCode::FORBIDDEN,
        };
        problem = match &self {
            Self::Exchange(error) => with_retry_after(problem, error),
            Self::GivenUp => problem.retry_after(AFTER_CROWD_SECONDS),
            _ => problem,
        };
        let mut response = problem.into_response();
        response.headers_mut().remove(header::WWW_AUTHENTICATE);
        *response.status_mut() = status;
        response
    }
}

/// What the older extension asked for, by query
///
/// # Errors
/// [`RouteError`]; [`GuardError`].
#[utoipa::path(
    get, path = LEGACY_PATH, operation_id = "generate_token_get", tag = "deprecated",
    description = "For the time of a migration only: the Flex token stands in the URL.",
    params(
        ("Token" = Option<String>, Query, description = "The Flex token"),
        ("VoiceClientPrefix" = Option<String>, Query, description = "The configured prefix"),
    ),
    responses(Answers)
)]
async fn get(
    State(state): State<AppState>,
    client: Extension<ClientAddress>,
    request: Request,
) -> Result<Result<Json<LegacyResponse>, RouteError>, GuardError> {
    answer(&state, client, request).await
}

/// What the older extension asked for, by form or JSON
///
/// # Errors
/// [`RouteError`]; [`GuardError`].
#[utoipa::path(
    post, path = LEGACY_PATH, operation_id = "generate_token_post", tag = "deprecated",
    description = "For the time of a migration only.",
    request_body(content(
        (LegacyRequest = "application/json"), (LegacyRequest = "application/x-www-form-urlencoded")
    )),
    responses(Answers)
)]
async fn post(
    State(state): State<AppState>,
    client: Extension<ClientAddress>,
    request: Request,
) -> Result<Result<Json<LegacyResponse>, RouteError>, GuardError> {
    answer(&state, client, request).await
}

async fn answer(
    state: &AppState,
    Extension(ClientAddress(client)): Extension<ClientAddress>,
    request: Request,
) -> Result<Result<Json<LegacyResponse>, RouteError>, GuardError> {
    if !origin::may_read_the_answer(request.headers()) {
        return Ok(Err(RouteError::CrossSite));
    }
    let (head, body) = request.into_parts();
    let body = match state.body(client, body).await {
        Ok(body) => body,
        Err(NoBody::GivenUp) => return Ok(Err(RouteError::GivenUp)),
        Err(NoBody::Unreadable | NoBody::TooSlow) => return Ok(Err(RouteError::MissingToken)),
    };
    // All of it is here.
    let asked = read(Request::from_parts(head, body.into())).await;
    state.guarded(exchange(state, client, asked)).await
}

async fn exchange(
    state: &AppState,
    address: IpAddr,
    asked: LegacyRequest,
) -> Result<Json<LegacyResponse>, RouteError> {
    let token = asked.flex_token().ok_or(RouteError::MissingToken)?;
    // The route is only there when there is such an account.
    let account = state.service.legacy_account().ok_or(RouteError::WrongPrefix)?;
    if asked.voice_client_prefix.as_deref() != Some(account.config.policy.identity_prefix.as_str()) {
        return Err(RouteError::WrongPrefix);
    }
    let client = Client { address, door: Door::GenerateToken };
    let minted = state.service.exchange(account, client, token).await?.minted;
    Ok(Json(LegacyResponse { identity: minted.identity, token: minted.token }))
}

/// Query of a GET, JSON or form of a POST. What cannot be read counts as not said.
pub async fn read(request: Request) -> LegacyRequest {
    let is_json = request.method() == Method::POST
        && request.headers().get(header::CONTENT_TYPE).and_then(|value| value.to_str().ok()).is_some_and(
            |text| text.split(';').next().is_some_and(|t| t.trim().eq_ignore_ascii_case("application/json")),
        );
    if is_json {
        Json::from_request(request, &()).await.map(|Json(asked)| asked).unwrap_or_default()
    } else {
        Form::from_request(request, &()).await.map(|Form(asked)| asked).unwrap_or_default()
    }
}
