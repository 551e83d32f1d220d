//! `/v1/video/…`: the contract is [`protocol::video`].

mod asked;
mod error;

use axum::{
    Json,
    body::{Body, Bytes},
    extract::Request,
    http::{HeaderValue, Method, StatusCode, header, request::Parts},
    response::{IntoResponse, Response},
};
use kernel::Secret;
use protocol::video::{
    ADMIT_PATH, Admit, AdmitBySeat, END_PATH, End, EndBySeat, Invitation, Invite, JOIN_PATH, Join, Joined,
    LEAVE_PATH, LOOK_PATH, Leave, Look, Looked, OpenVideo, PULSE_PATH, Pulse, Pulsed, VideoErrorCode,
    VideoOpened, VideoStatus, code_of,
};
use serde::de::DeserializeOwned;
use service_kit::{Feature, Kind, arriving::NoBody, cache::key, client::ClientAddress, problem::ProblemBody};
use utoipa::OpenApi;

use crate::{
    app::AppState,
    bearer::bearer,
    limits::{Client, Door, LimitedBy, Outcome},
    origin,
    service::Service,
    video::{
        session::{NotSeated, Session},
        sessions::{Sessions, VideoError, Worker},
        store::StoreError,
    },
};
use asked::OfTask;
pub use error::{RouteError, kind};

/// One more link.
pub const INVITATIONS_PATH: &str = "/v1/video/tasks/{task}/invitations";
/// Somebody waits.
pub const ADMIT_TASK_PATH: &str = "/v1/video/tasks/{task}/admit";
/// The end.
pub const END_TASK_PATH: &str = "/v1/video/tasks/{task}/end";
/// A task's session.
pub const TASK_PATH: &str = "/v1/video/tasks/{task}";

/// The codes that no other feature has.
const OWN_CODES: [VideoErrorCode; 6] = [
    VideoErrorCode::UnknownCode,
    VideoErrorCode::Ended,
    VideoErrorCode::LinkUsed,
    VideoErrorCode::RoomFull,
    VideoErrorCode::ConsentNeeded,
    VideoErrorCode::NoText,
];

#[derive(OpenApi)]
#[openapi(paths(open, status, invite, admit, end, look, join, pulse, leave, admit_by_seat, end_by_seat))]
struct Document;

/// The kinds of problems that are video's, beside those that chat history has where it is switched on.
pub fn own_codes(beside_history: bool) -> impl Iterator<Item = Kind> {
    let shared = [VideoErrorCode::NotAllowed, VideoErrorCode::NotFound];
    let shared = shared.into_iter().filter(move |_| !beside_history);
    shared.chain(OWN_CODES).map(kind)
}

/// The routes, where some account has video.
#[must_use]
pub fn feature(state: &AppState) -> Option<Feature> {
    state.service.sessions().next()?;
    let state = state.clone();
    let answer = move |client, request| answer(state.clone(), client, request);
    let paths = &[
        INVITATIONS_PATH,
        ADMIT_TASK_PATH,
        END_TASK_PATH,
        TASK_PATH,
        LOOK_PATH,
        JOIN_PATH,
        PULSE_PATH,
        LEAVE_PATH,
        ADMIT_PATH,
        END_PATH,
    ];
    Some(Feature::direct(paths, answer, Document::openapi))
}

/// What a request for these paths is answered, whatever its method is.
async fn answer(state: AppState, client: ClientAddress, request: Request) -> Response {
    let service = &state.service;
    let is_agents = request.uri().path().starts_with(protocol::video::TASKS_PATH);
    let checked = if is_agents {
        let allowed = service.sessions().flat_map(|sessions| &sessions.config.allowed_origins);
        origin::check(allowed.map(String::as_str), service.config.allow_missing_origin, request.headers())
    } else {
        let allowed = service.sessions().flat_map(|sessions| {
            std::iter::once(&sessions.config.public_origin).chain(&sessions.config.extension_origins)
        });
        // Browsers name the origin with every POST.
        origin::check(allowed.map(String::as_str), service.config.allow_missing_origin, request.headers())
    };
    if let Err(error) = checked {
        return error.into_response();
    }
    let origin = request.headers().get(header::ORIGIN).cloned();
    let methods = if is_agents { "GET, POST" } else { "POST" };
    if *request.method() == Method::OPTIONS {
        return origin::preflight(methods, origin);
    }
    let done = if is_agents {
        of_agent(&state, client, request).await
    } else if *request.method() == Method::POST {
        of_page(&state, client, request).await
    } else {
        Err(RouteError::Method)
    };
    let mut response = match done {
        Ok(response) => response,
        Err(RouteError::Method) => {
            let allow = HeaderValue::from_static(methods);
            (StatusCode::METHOD_NOT_ALLOWED, [(header::ALLOW, allow)]).into_response()
        }
        Err(error) => {
            service.metrics.video_refused(error.code().as_str());
            error.into_response()
        }
    };
    origin::may_read(response.headers_mut(), origin);
    response
}

async fn of_agent(
    state: &AppState,
    ClientAddress(address): ClientAddress,
    request: Request,
) -> Result<Response, RouteError> {
    let (head, body) = request.into_parts();
    // Nobody's body is read who brings no token.
    let flex_token = bearer(&head.headers)?;
    let body = arrived(state, ClientAddress(address), body).await?;
    let client = Client { address, door: Door::Video };
    let done = state.guarded(by_agent(&state.service, client, &flex_token, &head, &body)).await;
    done.unwrap_or_else(|busy| Ok(busy.into_response()))
}

async fn by_agent(
    service: &Service,
    client: Client,
    flex_token: &Secret,
    head: &Parts,
    body: &[u8],
) -> Result<Response, RouteError> {
    let named = asked::account(&head.uri)?;
    let (account, sessions) = service.video(origin::of(&head.headers), named.as_ref())?;
    let user = service.user(account, client, flex_token).await?;
    let worker = user.worker_sid.as_ref().ok_or(RouteError::NotAWorker)?;
    sessions.check(worker).map_err(|wait| {
        service.metrics.limited(LimitedBy::Worker.name());
        RouteError::TooOften { by: LimitedBy::Worker, wait }
    })?;
    let (task, what) = asked::of(&head.method, head.uri.path())?;
    let who = Worker { sid: worker, task: &task };
    let done = match what.ok_or(RouteError::Method)? {
        OfTask::Open => open(sessions, who, body).await.map(as_json),
        OfTask::Status => status(sessions, who).await.map(as_json),
        OfTask::Invite => invite(sessions, who, body).await.map(as_json),
        OfTask::Admit => admit(sessions, who, body).await.map(as_json),
        OfTask::End => end(sessions, who, body).await.map(as_json),
    };
    done.map_err(|error| with_retry_after(service, error))
}

async fn of_page(
    state: &AppState,
    ClientAddress(address): ClientAddress,
    request: Request,
) -> Result<Response, RouteError> {
    let (head, body) = request.into_parts();
    let body = arrived(state, ClientAddress(address), body).await?;
    let by_page = by_page(&state.service, Client { address, door: Door::VideoPage }, head.uri.path(), &body);
    // In a box: it is large, and most requests are others.
    state.guarded(Box::pin(by_page)).await.unwrap_or_else(|busy| Ok(busy.into_response()))
}

async fn by_page(service: &Service, client: Client, path: &str, body: &[u8]) -> Result<Response, RouteError> {
    let page = Page { service, client };
    let done = match path {
        LOOK_PATH => look(page, body).await.map(as_json),
        JOIN_PATH => join(page, body).await.map(as_json),
        PULSE_PATH => pulse(page, body).await.map(as_json),
        LEAVE_PATH => leave(page, body).await.map(|()| StatusCode::NO_CONTENT.into_response()),
        ADMIT_PATH => admit_by_seat(page, body).await.map(as_json),
        END_PATH => end_by_seat(page, body).await.map(as_json),
        _ => Err(RouteError::NoSuchPath),
    };
    done.map_err(|error| with_retry_after(service, error))
}

fn as_json<T: serde::Serialize>(answer: T) -> Response {
    Json(answer).into_response()
}

fn with_retry_after(service: &Service, error: RouteError) -> RouteError {
    let is_retryable = error::is_retryable(error.code());
    match error {
        RouteError::NotDone { why, .. } if is_retryable => {
            RouteError::NotDone { retry_after: service.retry_after(error::wait(&why)), why }
        }
        other => other,
    }
}

async fn arrived(
    state: &AppState,
    ClientAddress(client): ClientAddress,
    body: Body,
) -> Result<Bytes, RouteError> {
    state.body(client, body).await.map_err(|none| match none {
        NoBody::GivenUp => RouteError::GivenUp,
        NoBody::Unreadable | NoBody::TooSlow => RouteError::MalformedBody,
    })
}

/// What a body says. What was read is never repeated: it may be a seat.
fn read<T: DeserializeOwned>(body: &[u8]) -> Result<T, RouteError> {
    serde_json::from_slice(body).map_err(|_json| RouteError::MalformedBody)
}

fn not_done(why: VideoError) -> RouteError {
    RouteError::NotDone { why, retry_after: 0 }
}

/// A request of a page.
#[derive(Clone, Copy)]
struct Page<'s> {
    service: &'s Service,
    client: Client,
}

impl<'s> Page<'s> {
    /// The session of a code. Codes that are none are counted by address; after too many, a code is looked at only when it comes
    /// again, which a customer's does and one that was made up does not ([`crate::limits::site`]).
    async fn of_code(self, code: &str) -> Result<(&'s Sessions, Session), RouteError> {
        let limits = &self.service.limits;
        let turn = limits.turn(self.client, &key(&[code]), false).await.map_err(|wait| {
            self.service.metrics.limited(LimitedBy::Address.name());
            RouteError::TooOften { by: LimitedBy::Address, wait }
        })?;
        let found = self.service.session_of_code(code).await;
        let outcome = match &found {
            Ok(Some(_)) => Outcome::Served,
            Ok(None) => Outcome::Refused,
            Err(_no_store) => Outcome::Neither,
        };
        limits.settle(self.client, turn, outcome).await;
        found.map_err(of_store)?.ok_or_else(|| not_done(NotSeated::UnknownCode.into()))
    }

    /// The session of a seat. Those that are none are counted, too; one that is good is never kept waiting.
    async fn of_seat(self, seat: &str) -> Result<(&'s Sessions, Session), RouteError> {
        if let Some(found) = self.service.session_of_seat(seat).await.map_err(of_store)? {
            return Ok(found);
        }
        let limits = &self.service.limits;
        let turn = limits.turn(self.client, &key(&[seat]), true).await.map_err(|wait| {
            self.service.metrics.limited(LimitedBy::Address.name());
            RouteError::TooOften { by: LimitedBy::Address, wait }
        })?;
        limits.settle(self.client, turn, Outcome::Refused).await;
        Err(not_done(VideoError::UnknownSeat))
    }
}

fn of_store(why: StoreError) -> RouteError {
    not_done(why.into())
}

/// Opens the session of a task's conversation, or finds the one that is there
///
/// # Errors
/// [`RouteError`].
#[utoipa::path(
    post, path = TASK_PATH, operation_id = "video_open", tag = "video",
    description = "For the agent who has accepted the task. The body may be empty. The agent's link is a code that is good once and for \
        a minute; the invitation is for the customer, and absent where somebody has used the link already.",
    security(("flex_token" = [])),
    params(
        ("task" = String, Path, description = "A task of which the agent holds an accepted reservation: WT and 32 hexadecimal digits."),
        ("account_sid" = Option<String>, Query, description = "Where the service is for several accounts."),
        ("origin" = Option<String>, Header, description = "One of the configured origins, as browsers send it."),
    ),
    request_body(content = Option<OpenVideo>, content_type = "application/json"),
    responses(
        (status = 200, description = "The session", body = VideoOpened),
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
async fn open(sessions: &Sessions, who: Worker<'_>, body: &[u8]) -> Result<VideoOpened, RouteError> {
    let asked: OpenVideo = if body.trim_ascii().is_empty() { OpenVideo::default() } else { read(body)? };
    sessions.open(who, asked.call_live).await.map_err(not_done)
}

/// How the session of a task stands
///
/// # Errors
/// [`RouteError`].
#[utoipa::path(
    get, path = TASK_PATH, operation_id = "video_status", tag = "video",
    description = "Also while the agent is finishing the task. Errors as above.",
    security(("flex_token" = [])),
    params(
        ("task" = String, Path, description = "As above."),
        ("account_sid" = Option<String>, Query, description = "Where the service is for several accounts."),
    ),
    responses(
        (status = 200, description = "How it stands", body = VideoStatus),
        (status = 404, description = "not_found", body = ProblemBody, content_type = "application/problem+json"),
    )
)]
async fn status(sessions: &Sessions, who: Worker<'_>) -> Result<VideoStatus, RouteError> {
    sessions.status(who).await.map_err(not_done)
}

/// One more link for the customer
///
/// # Errors
/// [`RouteError`].
#[utoipa::path(
    post, path = INVITATIONS_PATH, operation_id = "video_invite", tag = "video",
    description = "Errors as above, and no_text where the task has a conversation, or no number, or the service none to send from.",
    security(("flex_token" = [])),
    params(
        ("task" = String, Path, description = "As above."),
        ("account_sid" = Option<String>, Query, description = "Where the service is for several accounts."),
    ),
    request_body(content = Invite, content_type = "application/json"),
    responses(
        (status = 200, description = "The link", body = Invitation),
        (status = 409, description = "ended, no_text", body = ProblemBody, content_type = "application/problem+json"),
    )
)]
async fn invite(sessions: &Sessions, who: Worker<'_>, body: &[u8]) -> Result<Invitation, RouteError> {
    let Invite { revoke, text } = read(body)?;
    sessions.invite(who, revoke, text.as_deref()).await.map_err(not_done)
}

/// Yes or no to somebody who waits
///
/// # Errors
/// [`RouteError`].
#[utoipa::path(
    post, path = ADMIT_TASK_PATH, operation_id = "video_admit", tag = "video",
    description = "Whoever waits no more needs no answer. Errors as above.",
    security(("flex_token" = [])),
    params(
        ("task" = String, Path, description = "As above."),
        ("account_sid" = Option<String>, Query, description = "Where the service is for several accounts."),
    ),
    request_body(content = Admit, content_type = "application/json"),
    responses(
        (status = 200, description = "How it stands then", body = VideoStatus),
        (status = 409, description = "ended", body = ProblemBody, content_type = "application/problem+json"),
    )
)]
async fn admit(sessions: &Sessions, who: Worker<'_>, body: &[u8]) -> Result<VideoStatus, RouteError> {
    let Admit { waiting, admit } = read(body)?;
    sessions.admit(who, &waiting, admit).await.map_err(not_done)
}

/// It is over
///
/// # Errors
/// [`RouteError`].
#[utoipa::path(
    post, path = END_TASK_PATH, operation_id = "video_end", tag = "video",
    description = "By the agent, for all; or because the task is over: where the conversation has another, only this agent's place ends. \
        Errors as above.",
    security(("flex_token" = [])),
    params(
        ("task" = String, Path, description = "As above; for task_over also one that Twilio does not know any more."),
        ("account_sid" = Option<String>, Query, description = "Where the service is for several accounts."),
    ),
    request_body(content = End, content_type = "application/json"),
    responses(
        (status = 200, description = "How it stands then", body = VideoStatus),
        (status = 404, description = "not_found", body = ProblemBody, content_type = "application/problem+json"),
    )
)]
async fn end(sessions: &Sessions, who: Worker<'_>, body: &[u8]) -> Result<VideoStatus, RouteError> {
    let End { reason } = read(body)?;
    sessions.end(who, reason).await.map_err(not_done)
}

/// What a link is for
///
/// # Errors
/// [`RouteError`].
#[utoipa::path(
    post, path = LOOK_PATH, operation_id = "video_look", tag = "video",
    description = "Uses nothing up. For the page alone, from the service's own origin or the extension's.",
    request_body(content = Look, content_type = "application/json"),
    responses(
        (status = 200, description = "What it is for", body = Looked),
        (status = 400, description = "malformed_request", body = ProblemBody, content_type = "application/problem+json"),
        (status = 403, description = "origin_not_allowed", body = ProblemBody, content_type = "application/problem+json"),
        (status = 404, description = "unknown_code", body = ProblemBody, content_type = "application/problem+json"),
        (status = 429, description = "rate_limited: the same code may be sent again then", body = ProblemBody,
            content_type = "application/problem+json", headers(("retry-after" = u64, description = "Seconds"))),
        (status = 503, description = "upstream_unavailable", body = ProblemBody,
            content_type = "application/problem+json", headers(("retry-after" = u64, description = "Seconds"))),
    )
)]
async fn look(page: Page<'_>, body: &[u8]) -> Result<Looked, RouteError> {
    let Look { code, seat } = read(body)?;
    let code = code_of(&code).ok_or(RouteError::NoSuchCode)?;
    let (sessions, session) = page.of_code(&code).await?;
    sessions.look(&session, &code, seat.as_deref()).await.map_err(not_done)
}

/// The tap: takes or takes back a place
///
/// # Errors
/// [`RouteError`].
#[utoipa::path(
    post, path = JOIN_PATH, operation_id = "video_join", tag = "video",
    description = "The first browser has the customer's place; every other one waits for the agent's yes. Errors as above.",
    request_body(content = Join, content_type = "application/json"),
    responses(
        (status = 200, description = "The place, and the way into the room unless they have to wait", body = Joined),
        (status = 404, description = "unknown_code", body = ProblemBody, content_type = "application/problem+json"),
        (status = 409, description = "ended, link_used, room_full, consent_needed", body = ProblemBody,
            content_type = "application/problem+json"),
    )
)]
async fn join(page: Page<'_>, body: &[u8]) -> Result<Joined, RouteError> {
    let Join { code, seat, consent } = read(body)?;
    let code = code_of(&code).ok_or(RouteError::NoSuchCode)?;
    let (sessions, session) = page.of_code(&code).await?;
    sessions.join(session, &code, seat.as_deref(), consent).await.map_err(not_done)
}

/// A page says how it is
///
/// # Errors
/// [`RouteError`].
#[utoipa::path(
    post, path = PULSE_PATH, operation_id = "video_pulse", tag = "video",
    description = "Every few seconds, as the answer says. Errors as above.",
    request_body(content = Pulse, content_type = "application/json"),
    responses(
        (status = 200, description = "How it stands", body = Pulsed),
        (status = 404, description = "unknown_code", body = ProblemBody, content_type = "application/problem+json"),
    )
)]
async fn pulse(page: Page<'_>, body: &[u8]) -> Result<Pulsed, RouteError> {
    let Pulse { seat, in_room, quality } = read(body)?;
    let (sessions, session) = page.of_seat(&seat).await?;
    sessions.pulse(session, &seat, in_room, quality).await.map_err(not_done)
}

/// A page goes
///
/// # Errors
/// [`RouteError`].
#[utoipa::path(
    post, path = LEAVE_PATH, operation_id = "video_leave", tag = "video",
    description = "Also as text/plain, by a beacon. Errors as above.",
    request_body(content = Leave, content_type = "application/json"),
    responses(
        (status = 204, description = "Heard"),
        (status = 404, description = "unknown_code", body = ProblemBody, content_type = "application/problem+json"),
    )
)]
async fn leave(page: Page<'_>, body: &[u8]) -> Result<(), RouteError> {
    let Leave { seat, by_hand } = read(body)?;
    let (sessions, session) = page.of_seat(&seat).await?;
    sessions.leave(&session, &seat, by_hand).await.map_err(not_done)
}

/// Yes or no to somebody who waits, from the agent's window
///
/// # Errors
/// [`RouteError`].
#[utoipa::path(
    post, path = ADMIT_PATH, operation_id = "video_admit_by_seat", tag = "video",
    description = "Only an agent's place may. Errors as above.",
    request_body(content = AdmitBySeat, content_type = "application/json"),
    responses(
        (status = 200, description = "How it stands then", body = Pulsed),
        (status = 404, description = "unknown_code", body = ProblemBody, content_type = "application/problem+json"),
    )
)]
async fn admit_by_seat(page: Page<'_>, body: &[u8]) -> Result<Pulsed, RouteError> {
    let AdmitBySeat { seat, waiting, admit } = read(body)?;
    let (sessions, session) = page.of_seat(&seat).await?;
    sessions.admit_by_seat(&session, &seat, &waiting, admit).await.map_err(not_done)
}

/// The end, from the agent's window
///
/// # Errors
/// [`RouteError`].
#[utoipa::path(
    post, path = END_PATH, operation_id = "video_end_by_seat", tag = "video",
    description = "For all. Only an agent's place may. Errors as above.",
    request_body(content = EndBySeat, content_type = "application/json"),
    responses(
        (status = 200, description = "How it stands then", body = Pulsed),
        (status = 404, description = "unknown_code", body = ProblemBody, content_type = "application/problem+json"),
    )
)]
async fn end_by_seat(page: Page<'_>, body: &[u8]) -> Result<Pulsed, RouteError> {
    let EndBySeat { seat } = read(body)?;
    let (sessions, session) = page.of_seat(&seat).await?;
    sessions.end_by_seat(session, &seat).await.map_err(not_done)
}
