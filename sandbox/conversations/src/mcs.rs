//! Files: `mcs.us1.twilio.com`, where clients with a token, and servers with the account's password, upload and ask for
//! files, and `media.us1.twilio.com`, where anybody with a link reads one while the link is good.
//!
//! Source: what `@twilio/mcs-client` sends and reads. Inferred: the second host's name and the form of its links.

use axum::body::Bytes;
use axum::extract::{DefaultBodyLimit, FromRequest as _, Multipart, Path, Query, Request, State};
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse as _, Response};
use axum::routing::{get, post};
use axum::{Json, Router};
use kernel::Secret;
use serde::Deserialize;
use serde_json::{Value, json};

use crate::change::NewFile;
use crate::handle::Conversations;
use crate::model::Media;
use sandbox_kit::answer::error;
use sandbox_kit::clock::iso;

/// Source: the SDK's configuration, which the backend sends, has the same limit.
const FILE_BYTES: usize = 150 * 1024 * 1024;

pub(crate) fn router(conversations: Conversations) -> Router {
    Router::new()
        .route("/v1/Services/{service}/Media", post(upload))
        .route("/v1/Services/{service}/Media/{sid}", get(show))
        .route("/v1/Services/{service}/Media/{sid}/Content", get(content))
        .route("/v1/Services/{service}/MediaSet", post(set))
        .layer(DefaultBodyLimit::max(FILE_BYTES))
        .with_state(conversations)
}

pub(crate) fn content_router(conversations: Conversations) -> Router {
    Router::new().route("/{sid}", get(linked)).with_state(conversations)
}

/// Who asks: a client's identity, or none for a server; and whether a fault lets them.
async fn admitted(
    conversations: &Conversations,
    service: &str,
    headers: &HeaderMap,
) -> Result<Option<String>, Response> {
    let interference = conversations.interference(None);
    tokio::time::sleep(interference.delay).await;
    if let Some(status) = interference.status.and_then(|status| StatusCode::from_u16(status).ok()) {
        return Err(error(status, 20500, "A fault of the sandbox"));
    }
    if service != conversations.config().service_sid {
        return Err(error(StatusCode::NOT_FOUND, 20404, "The requested resource was not found"));
    }
    if conversations.knows_password(headers) {
        return Ok(None);
    }
    let token = headers.get("x-twilio-token").and_then(|token| token.to_str().ok()).unwrap_or_default();
    match conversations.bearer(&Secret::new(token)) {
        Ok(bearer) => Ok(Some(bearer.identity)),
        Err(why) => Err(error(StatusCode::UNAUTHORIZED, 20003, &why.to_string())),
    }
}

fn shown(conversations: &Conversations, media: &Media) -> Value {
    let config = conversations.config();
    let path = format!("/v1/Services/{}/Media/{}", config.service_sid, media.sid);
    json!({
        "sid": media.sid,
        "service_sid": config.service_sid,
        "account_sid": config.account.as_str(),
        "channel_sid": null,
        "message_sid": null,
        "date_created": iso(media.created),
        "date_upload_updated": iso(media.created),
        "date_updated": iso(media.created),
        "size": media.size,
        "content_type": media.content_type,
        "filename": media.filename,
        "category": media.category,
        "author": media.author,
        "is_multipart_upstream": false,
        "url": path,
        "links": {
            "content": format!("{path}/Content"),
            "content_direct_temporary": conversations.media_link(&media.sid),
        },
    })
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct UploadQuery {
    category: Option<String>,
    filename: Option<String>,
}

async fn upload(
    State(conversations): State<Conversations>,
    Path(service): Path<String>,
    Query(query): Query<UploadQuery>,
    request: Request,
) -> Response {
    let headers = request.headers().clone();
    let author = match admitted(&conversations, &service, &headers).await {
        Ok(author) => author,
        Err(refusal) => return refusal,
    };
    let content_type = headers.get(header::CONTENT_TYPE).and_then(|value| value.to_str().ok());
    let content_type = content_type.unwrap_or("application/octet-stream").to_owned();
    let read = if content_type.starts_with("multipart/form-data") {
        from_form(request).await
    } else {
        Bytes::from_request(request, &()).await.ok().map(|content| (content, content_type, None))
    };
    let Some((content, content_type, filename)) = read else {
        return error(StatusCode::BAD_REQUEST, 20001, "The file cannot be read");
    };
    let new = NewFile {
        filename: query.filename.or(filename),
        content_type,
        size: content.len(),
        category: query.category.unwrap_or_else(|| "media".to_owned()),
        author,
    };
    match conversations.upload(new, content) {
        Ok(media) => (StatusCode::CREATED, Json(shown(&conversations, &media))).into_response(),
        Err(refusal) => error(StatusCode::BAD_REQUEST, refusal.code, &refusal.message),
    }
}

/// The one file of a form: content, type, name.
async fn from_form(request: Request) -> Option<(Bytes, String, Option<String>)> {
    let mut form = Multipart::from_request(request, &()).await.ok()?;
    while let Some(field) = form.next_field().await.ok()? {
        let filename = field.file_name().map(str::to_owned);
        if let Some(content_type) = field.content_type().map(str::to_owned) {
            return Some((field.bytes().await.ok()?, content_type, filename));
        }
    }
    None
}

async fn show(
    State(conversations): State<Conversations>,
    Path((service, sid)): Path<(String, String)>,
    headers: HeaderMap,
) -> Response {
    if let Err(refusal) = admitted(&conversations, &service, &headers).await {
        return refusal;
    }
    match conversations.file(&sid) {
        Some((media, _)) => Json(shown(&conversations, &media)).into_response(),
        None => error(StatusCode::NOT_FOUND, 20404, "The requested resource was not found"),
    }
}

async fn content(
    State(conversations): State<Conversations>,
    Path((service, sid)): Path<(String, String)>,
    headers: HeaderMap,
) -> Response {
    if let Err(refusal) = admitted(&conversations, &service, &headers).await {
        return refusal;
    }
    match conversations.file(&sid) {
        Some((media, content)) => file(&media, content),
        None => error(StatusCode::NOT_FOUND, 20404, "The requested resource was not found"),
    }
}

#[derive(Deserialize)]
struct Wanted {
    media_sid: String,
}

#[derive(Deserialize)]
struct WantedSet {
    list: Vec<Wanted>,
}

async fn set(
    State(conversations): State<Conversations>,
    Path(service): Path<String>,
    headers: HeaderMap,
    Json(wanted): Json<WantedSet>,
) -> Response {
    if let Err(refusal) = admitted(&conversations, &service, &headers).await {
        return refusal;
    }
    let records = wanted.list.iter().map(|wanted| match conversations.file(&wanted.media_sid) {
        Some((media, _)) => json!({ "code": 200, "media_record": shown(&conversations, &media) }),
        None => json!({ "code": 404, "media_record": null }),
    });
    Json(records.collect::<Vec<_>>()).into_response()
}

#[derive(Deserialize)]
struct Signed {
    #[serde(rename = "Signature", default)]
    signature: String,
}

async fn linked(
    State(conversations): State<Conversations>,
    Path(sid): Path<String>,
    Query(Signed { signature }): Query<Signed>,
) -> Response {
    match conversations.follow_media_link(&sid, &signature) {
        Some((media, content)) => file(&media, content),
        None => (StatusCode::FORBIDDEN, "Access denied\n").into_response(),
    }
}

fn file(media: &Media, content: Bytes) -> Response {
    let headers =
        [(header::CONTENT_TYPE, media.content_type.clone()), (header::CACHE_CONTROL, "no-store".to_owned())];
    (headers, content).into_response()
}
