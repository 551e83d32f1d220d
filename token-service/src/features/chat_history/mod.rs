//! `GET /v1/history/…`: the contract is [`protocol::history`].

mod asked;
mod error;

use axum::{
    Json,
    extract::Request,
    http::{HeaderValue, Method, StatusCode, header, request::Parts},
    response::{IntoResponse as _, Response},
};
use protocol::history::{HistoryErrorCode, HistoryOverview, HistoryPage, MediaLink};
use service_kit::{Feature, client::ClientAddress, problem::ProblemBody};
use twilio::WorkerSid;
use utoipa::OpenApi;

pub use asked::{Asked, Query};
pub use error::{RouteError, kind};

use crate::{
    app::AppState,
    bearer::bearer,
    history::{ReadError, Reader, Reading},
    limits::{Client, Door, LimitedBy},
    origin,
    service::Account,
};

/// A file of a message.
pub const MEDIA_PATH: &str =
    "/v1/history/tasks/{task}/conversations/{conversation}/messages/{message}/media/{media}";
/// Messages of a conversation.
pub const MESSAGES_PATH: &str = "/v1/history/tasks/{task}/conversations/{conversation}/messages";
/// Which conversations a task gives.
pub const OVERVIEW_PATH: &str = "/v1/history/tasks/{task}";

/// The codes that no other feature has.
pub const OWN_CODES: [HistoryErrorCode; 2] = [HistoryErrorCode::NotAllowed, HistoryErrorCode::NotFound];

/// What log and metrics call what was read.
const TARGET: &str = "token_service::history";

#[derive(OpenApi)]
#[openapi(paths(overview, messages, media))]
struct Document;

/// The three routes, where history is read for some account.
#[must_use]
pub fn feature(state: &AppState) -> Option<Feature> {
    state.service.readers().next()?;
    let state = state.clone();
    let answer = move |client, request| answer(state.clone(), client, request);
    Some(Feature::direct(&[MEDIA_PATH, MESSAGES_PATH, OVERVIEW_PATH], answer, Document::openapi))
}

/// What a request for these paths is answered, whatever its method is.
async fn answer(state: AppState, client: ClientAddress, request: Request) -> Response {
    let service = &state.service;
    let allowed = service.readers().flat_map(|reader| &reader.config.allowed_origins).map(String::as_str);
    if let Err(error) = origin::check(allowed, service.config.allow_missing_origin, request.headers()) {
        return error.into_response();
    }
    let origin = request.headers().get(header::ORIGIN).cloned();
    let mut response = match *request.method() {
        Method::OPTIONS => return origin::preflight("GET", origin),
        Method::GET => state.guarded(read(&state, client, request.into_parts().0)).await.into_response(),
        _ => (StatusCode::METHOD_NOT_ALLOWED, [(header::ALLOW, HeaderValue::from_static("GET"))])
            .into_response(),
    };
    origin::may_read(response.headers_mut(), origin);
    response
}

async fn read(
    state: &AppState,
    ClientAddress(address): ClientAddress,
    request: Parts,
) -> Result<Response, RouteError> {
    let (service, headers) = (&state.service, &request.headers);
    let flex_token = bearer(headers)?;
    let query = Query::of(&request.uri)?;
    let (account, reader) = service.history(origin::of(headers), query.account_sid.as_ref())?;
    let client = Client { address, door: Door::History };
    let user = service.user(account, client, &flex_token).await?;
    let worker = user.worker_sid.as_ref().ok_or(RouteError::NotAWorker)?;
    reader.check(worker).map_err(|wait| {
        service.metrics.limited(LimitedBy::Worker.name());
        RouteError::TooOften(wait)
    })?;
    let asked = Asked::of(request.uri.path())?;
    let identity = user.identity.as_ref().map(|identity| identity.as_str());
    let who = Reading { worker, identity, task: asked.task() };
    let cursor = query.cursor.as_deref();
    let response = match &asked {
        Asked::Overview { .. } => overview(reader, who, cursor).await.map(|read| Json(read).into_response()),
        Asked::Messages { conversation, .. } => {
            messages(reader, who, conversation, cursor).await.map(|read| Json(read).into_response())
        }
        Asked::Media { conversation, message, media: file, .. } => {
            media(reader, who, conversation, message, file).await.map(|read| Json(read).into_response())
        }
    };
    let response = response.map_err(|why| {
        let retry_after = match &why {
            ReadError::NoAnswer(no) => service.retry_after(no.wait()),
            _ => 0,
        };
        RouteError::NotRead { why, retry_after }
    })?;
    record(state, account, worker, &asked);
    Ok(response)
}

/// Who has read what: for whoever must account for it. Never what stands in it.
fn record(state: &AppState, account: &Account, worker: &WorkerSid, asked: &Asked) {
    let (what, conversation) = match asked {
        Asked::Overview { .. } => ("overview", None),
        Asked::Messages { conversation, .. } => ("messages", Some(conversation)),
        Asked::Media { conversation, .. } => ("media", Some(conversation)),
    };
    state.service.metrics.history_read(what);
    let (account, task) = (&account.config.policy.account_sid, asked.task());
    let conversation = conversation.map(tracing::field::display);
    tracing::info!(target: TARGET, %account, %worker, %task, conversation, what, "history read");
}

/// Which conversations the agent of a task may read
///
/// # Errors
/// [`ReadError`].
#[utoipa::path(
    get, path = OVERVIEW_PATH, operation_id = "history_overview", tag = "history",
    description = "The conversation that the task names as its source comes first, then, where that is switched on, the customer's \
        others, the newest first by when they began. Twenty of these on a page.",
    security(("flex_token" = [])),
    params(
        ("task" = String, Path, description = "A task of which the agent holds a live reservation: WT and 32 hexadecimal digits."),
        ("cursor" = Option<String>, Query, description = "Of the page before."),
        ("account_sid" = Option<String>, Query, description = "Where the service is for several accounts."),
        ("origin" = Option<String>, Header, description = "One of the configured origins, as browsers send it."),
    ),
    responses(
        (status = 200, description = "The conversations", body = HistoryOverview),
        (status = 400, description = "malformed_request", body = ProblemBody, content_type = "application/problem+json"),
        (status = 401, description = "missing_token, invalid_flex_token", body = ProblemBody,
            content_type = "application/problem+json"),
        (status = 403, description = "wrong_account, not_allowed, origin_not_allowed", body = ProblemBody,
            content_type = "application/problem+json"),
        (status = 404, description = "not_found: also what exists and is not this agent's", body = ProblemBody,
            content_type = "application/problem+json"),
        (status = 429, description = "rate_limited", body = ProblemBody, content_type = "application/problem+json",
            headers(("retry-after" = u64, description = "Seconds"))),
        (status = 503, description = "upstream_unavailable", body = ProblemBody,
            content_type = "application/problem+json", headers(("retry-after" = u64, description = "Seconds"))),
    )
)]
async fn overview(
    reader: &Reader,
    who: Reading<'_>,
    cursor: Option<&str>,
) -> Result<HistoryOverview, ReadError> {
    reader.overview(who, cursor).await
}

/// Messages of an earlier conversation
///
/// # Errors
/// [`ReadError`].
#[utoipa::path(
    get, path = MESSAGES_PATH, operation_id = "history_messages", tag = "history",
    description = "At most a hundred, in the order in which they were written; the first page has the newest. Errors as above.",
    security(("flex_token" = [])),
    params(
        ("task" = String, Path, description = "As above."),
        ("conversation" = String, Path, description = "One of the task's overview: CH and 32 hexadecimal digits."),
        ("cursor" = Option<String>, Query, description = "Of the page with the messages after these."),
        ("account_sid" = Option<String>, Query, description = "Where the service is for several accounts."),
    ),
    responses(
        (status = 200, description = "Messages", body = HistoryPage),
        (status = 404, description = "not_found", body = ProblemBody, content_type = "application/problem+json"),
    )
)]
async fn messages(
    reader: &Reader,
    who: Reading<'_>,
    conversation: &twilio::ConversationSid,
    cursor: Option<&str>,
) -> Result<HistoryPage, ReadError> {
    reader.page(who, conversation, cursor).await
}

/// A link to a file of a message
///
/// # Errors
/// [`ReadError`].
#[utoipa::path(
    get, path = MEDIA_PATH, operation_id = "history_media", tag = "history",
    description = "A link of Twilio's that needs no token and is good for minutes. Errors as above.",
    security(("flex_token" = [])),
    params(
        ("task" = String, Path, description = "As above."),
        ("conversation" = String, Path, description = "As above."),
        ("message" = String, Path, description = "IM and 32 hexadecimal digits."),
        ("media" = String, Path, description = "ME and 32 hexadecimal digits."),
        ("account_sid" = Option<String>, Query, description = "Where the service is for several accounts."),
    ),
    responses(
        (status = 200, description = "The link", body = MediaLink),
        (status = 404, description = "not_found", body = ProblemBody, content_type = "application/problem+json"),
    )
)]
async fn media(
    reader: &Reader,
    who: Reading<'_>,
    conversation: &twilio::ConversationSid,
    message: &twilio::MessageSid,
    media: &twilio::MediaSid,
) -> Result<MediaLink, ReadError> {
    reader.link(who, conversation, message, media).await
}
