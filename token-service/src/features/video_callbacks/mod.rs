//! `POST /v1/video/callbacks/…`: what Twilio tells of rooms and tasks, so that what is over is over at once.
//!
//! Nothing depends on them: they may be lost, late, doubled or out of order, and pages that pulse find out the same within half a minute.
//! So each is checked, taken and answered at once; what it leads to happens afterwards. Without the account's auth token nobody could tell
//! who signed them, and they are refused.

mod said;

use std::sync::Arc;

use axum::{
    body::Body,
    extract::Request,
    http::{HeaderValue, Method, Response, StatusCode, header},
};
use kernel::AccountSid;
use service_kit::{Feature, arriving::Arriving, client::ClientAddress};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use twilio::signature::{SIGNATURE_HEADER, SignatureError};
use utoipa::OpenApi;

use self::said::{Fields, Said};
use crate::{app::AppState, video::sessions::ROOM_CALLBACK_PATH};

/// Where TaskRouter's events can be sent to.
pub const TASK_CALLBACK_PATH: &str = "/v1/video/callbacks/task";

/// The longest body. An event of TaskRouter's has the attributes of task, worker and workflow in it, each up to some kilobytes, encoded.
const MAX_BYTES: usize = 64 * 1024;

/// So many callbacks may lead to something at once. More are refused: what they say is found out all the same.
const MAX_AT_ONCE: usize = 64;

#[derive(OpenApi)]
#[openapi(paths(room, task))]
struct Document;

/// Why a callback is not taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
enum Refused {
    #[error("it is of an account that has no video here")]
    Account,
    #[error("callbacks are refused without the account's auth token (TWILIO_AUTH_TOKEN)")]
    NoAuthToken,
    #[error("it is not signed")]
    NotSigned,
    #[error(transparent)]
    Signature(#[from] SignatureError),
}

/// The routes, where some account has video.
#[must_use]
pub fn feature(state: &AppState) -> Option<Feature> {
    let service = &state.service;
    service.config.accounts.iter().find(|account| account.video.is_some())?;
    let metrics = Arc::clone(&service.metrics.kit);
    let arriving = Arc::new(Arriving::new(&service.config.server, MAX_BYTES, metrics));
    let places = Arc::new(Semaphore::new(MAX_AT_ONCE));
    let state = state.clone();
    let answer = move |client, request| {
        let (state, arriving, places) = (state.clone(), Arc::clone(&arriving), Arc::clone(&places));
        async move { answer(&state, &arriving, &places, client, request).await }
    };
    Some(Feature::direct(&[ROOM_CALLBACK_PATH, TASK_CALLBACK_PATH], answer, Document::openapi))
}

/// What happened in a room of Video
#[utoipa::path(
    post, path = ROOM_CALLBACK_PATH, operation_id = "video_room_callback", tag = "video",
    description = "For Twilio alone, which signs it. Rooms are made with this address.",
    params(("x-twilio-signature" = String, Header, description = "By the account's auth token")),
    request_body(content = String, content_type = "application/x-www-form-urlencoded"),
    responses(
        (status = 204, description = "Taken"),
        (status = 403, description = "Not signed by Twilio, or there is no auth token to tell by"),
        (status = 413, description = "Too large, or it did not arrive"),
        (status = 503, description = "Too many at once"),
    )
)]
fn room(fields: &Fields) -> Said {
    fields.of_room()
}

/// What happened to a task
#[utoipa::path(
    post, path = TASK_CALLBACK_PATH, operation_id = "video_task_callback", tag = "video",
    description = "For Twilio alone, which signs it: an event callback URL of the TaskRouter workspace.",
    params(("x-twilio-signature" = String, Header, description = "By the account's auth token")),
    request_body(content = String, content_type = "application/x-www-form-urlencoded"),
    responses(
        (status = 204, description = "Taken"),
        (status = 403, description = "Not signed by Twilio, or there is no auth token to tell by"),
        (status = 413, description = "Too large, or it did not arrive"),
        (status = 503, description = "Too many at once"),
    )
)]
fn task(fields: &Fields) -> Said {
    fields.of_task()
}

async fn answer(
    state: &AppState,
    arriving: &Arriving,
    places: &Arc<Semaphore>,
    ClientAddress(client): ClientAddress,
    request: Request,
) -> Response<Body> {
    if *request.method() != Method::POST {
        let mut response = empty(StatusCode::METHOD_NOT_ALLOWED);
        response.headers_mut().insert(header::ALLOW, HeaderValue::from_static("POST"));
        return response;
    }
    let (head, body) = request.into_parts();
    let Ok(body) = arriving.body(client, body).await else { return empty(StatusCode::PAYLOAD_TOO_LARGE) };
    let fields = Fields::of(&body);
    let signature = head.headers.get(SIGNATURE_HEADER).and_then(|value| value.to_str().ok());
    let address = head.uri.path_and_query().map_or("", |address| address.as_str());
    let account = match verified(state, &fields, address, signature) {
        Ok(account) => account,
        Err(why) => {
            tracing::warn!(cause = %why, "a callback of video is refused");
            return empty(StatusCode::FORBIDDEN);
        }
    };
    let said = if head.uri.path() == TASK_CALLBACK_PATH { task(&fields) } else { room(&fields) };
    if said != Said::Other {
        let Ok(place) = Arc::clone(places).try_acquire_owned() else {
            return empty(StatusCode::SERVICE_UNAVAILABLE);
        };
        // Twilio waits for no more than the answer.
        tokio::spawn(take(state.clone(), account, said, place));
    }
    empty(StatusCode::NO_CONTENT)
}

/// The account that it is of, if Twilio signed it.
fn verified(
    state: &AppState,
    fields: &Fields,
    address: &str,
    signature: Option<&str>,
) -> Result<AccountSid, Refused> {
    let sid = fields.account().ok_or(Refused::Account)?;
    let mut accounts = state.service.config.accounts.iter();
    let account = accounts.find(|account| account.policy.account_sid == sid);
    let video = account.and_then(|account| account.video.as_ref()).ok_or(Refused::Account)?;
    let auth_token = video.auth_token.as_ref().ok_or(Refused::NoAuthToken)?;
    fields.verify(auth_token, &video.public_origin, address, signature.ok_or(Refused::NotSigned)?)?;
    Ok(sid)
}

/// Does what a callback leads to. Whatever goes wrong, pulses find out later.
async fn take(state: AppState, account: AccountSid, said: Said, _place: OwnedSemaphorePermit) {
    let Some(sessions) = state.service.sessions_of(&account) else { return };
    let taken = match said {
        Said::RoomEnded { room_name, room_sid } => sessions.room_event(&room_name, &room_sid, true).await,
        Said::Came { room_name, room_sid, identity } => {
            sessions.participant_event(&room_name, &room_sid, &identity).await
        }
        Said::Task(task) => sessions.task_event(&task).await,
        Said::Other => Ok(()),
    };
    if let Err(error) = taken {
        tracing::warn!(%account, cause = %error, "what a callback of video says is not done");
    }
}

fn empty(status: StatusCode) -> Response<Body> {
    let mut response = Response::new(Body::empty());
    *response.status_mut() = status;
    response
}
