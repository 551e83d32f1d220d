//! `POST /v1/voice/token`: the contract is [`protocol::token`].

use axum::{
    Extension, Json,
    extract::{FromRequest as _, Request, State},
    http::{HeaderMap, header},
    response::{IntoResponse, Response},
};
use protocol::{
    Secret,
    token::{TokenErrorCode, VoiceTokenRequest, VoiceTokenResponse},
};
use twilio::flex_token::FlexTokenError;

use super::RETRY_AFTER_SECONDS;
use crate::{
    http::{AppState, MAX_TOKEN_BYTES, client::ClientAddress, guard::BODY_TIMEOUT, problem::Problem},
    service::ExchangeError,
};

/// What can go wrong here.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum RouteError {
    /// No `Authorization: Bearer`.
    #[error("the request brings no Flex token (Authorization: Bearer)")]
    MissingToken,
    /// Several `Authorization`, or one that no Flex token can be.
    #[error("the Authorization header is not one Flex token")]
    MalformedToken,
    /// The body is not the JSON of a [`VoiceTokenRequest`], is too large, or did not arrive in time.
    #[error("the body is not a request for a Voice token")]
    MalformedBody,
    /// The page thinks of another account.
    #[error("this service is for another account")]
    WrongAccount,
    /// The page thinks of another prefix.
    #[error("this service uses another identity prefix")]
    WrongPrefix,
    /// The exchange failed.
    #[error(transparent)]
    Exchange(#[from] ExchangeError),
}

impl IntoResponse for RouteError {
    fn into_response(self) -> Response {
        let code = match &self {
            Self::MissingToken => TokenErrorCode::MissingToken,
            Self::MalformedToken | Self::MalformedBody => TokenErrorCode::MalformedRequest,
            Self::WrongAccount => TokenErrorCode::WrongAccount,
            Self::WrongPrefix => TokenErrorCode::WrongPrefix,
            Self::Exchange(error) => super::code(error),
        };
        let problem = Problem::new(code, &self);
        match self {
            Self::Exchange(ExchangeError::TooOften(wait)) => problem.retry_after(wait.seconds()),
            Self::Exchange(ExchangeError::FlexToken(FlexTokenError::Invalid { .. })) => {
                problem.hiding("the Flex token is not valid")
            }
            Self::Exchange(ExchangeError::FlexToken(FlexTokenError::Unavailable(_))) => {
                problem.hiding("Twilio cannot be asked now").retry_after(RETRY_AFTER_SECONDS)
            }
            _ if code == TokenErrorCode::Internal => {
                problem.hiding("the service failed").retry_after(RETRY_AFTER_SECONDS)
            }
            _ => problem,
        }
        .into_response()
    }
}

/// Exchanges the Flex token for a Voice token.
///
/// # Errors
/// [`RouteError`].
pub async fn post(
    State(state): State<AppState>,
    Extension(ClientAddress(client)): Extension<ClientAddress>,
    request: Request,
) -> Result<Json<VoiceTokenResponse>, RouteError> {
    let flex_token = bearer(request.headers())?;
    let body =
        tokio::time::timeout(BODY_TIMEOUT, Json::<VoiceTokenRequest>::from_request(request, &())).await;
    // What serde says about a body can repeat parts of it, so it goes neither to the client nor to the log.
    let Ok(Ok(Json(claimed))) = body else { return Err(RouteError::MalformedBody) };

    let policy = &state.service.config.policy;
    if claimed.account_sid != policy.account_sid {
        return Err(RouteError::WrongAccount);
    }
    if claimed.identity_prefix != policy.identity_prefix {
        return Err(RouteError::WrongPrefix);
    }
    let minted = state.service.exchange(client, &flex_token).await?;
    Ok(Json(VoiceTokenResponse {
        identity: minted.identity,
        account_sid: policy.account_sid.clone(),
        token: minted.token,
        expires_in: minted.expires_in,
    }))
}

fn bearer(headers: &HeaderMap) -> Result<Secret, RouteError> {
    let mut values = headers.get_all(header::AUTHORIZATION).iter();
    let (value, more) = (values.next().ok_or(RouteError::MissingToken)?, values.next());
    let text = value.to_str().map_err(|_not_ascii| RouteError::MalformedToken)?;
    let (scheme, token) = text.split_once(' ').unwrap_or((text, ""));
    if !scheme.eq_ignore_ascii_case("bearer") || token.trim().is_empty() {
        return Err(RouteError::MissingToken);
    }
    let token = token.trim();
    let plausible = token.len() <= MAX_TOKEN_BYTES && token.bytes().all(|b| b.is_ascii_graphic());
    if more.is_none() && plausible { Ok(Secret::new(token)) } else { Err(RouteError::MalformedToken) }
}
