//! The page `https://flex.twilio.com/agent-desktop`, the files that it loads, and the cosmetics of Flex UI.
//!
//! The page loads the real Flex UI and logs the agent in the way a returning agent is: by a token that the browser
//! keeps in `localStorage`.

use axum::Json;
use axum::Router;
use axum::body::Bytes;
use axum::extract::{Path, State};
use axum::http::{StatusCode, Uri, header};
use axum::response::{Html, IntoResponse as _, Response};
use axum::routing::{get, post};
use serde::Deserialize;
use serde_json::json;

use crate::account;
use crate::iam::tokens::Login;
use crate::state::FlexCloud;
use sandbox_kit::answer::error;

const PAGE: &str = include_str!("page.html");

const JAVASCRIPT: &str = "text/javascript; charset=utf-8";

pub(crate) fn router(cloud: FlexCloud) -> Router {
    Router::new()
        .route("/sandbox/flex-ui/{version}/flex-ui.js", get(flex_ui))
        .route("/sandbox/login", post(login))
        .route("/plugins/{name}/{version}/bundle.js", get(plugin))
        .route("/favicon.ico", get(async || StatusCode::NO_CONTENT))
        .fallback(page)
        .with_state(cloud)
}

/// Flex UI is one page with many addresses (`/agent-desktop/`, `/agent-desktop/WR...`, `/teams`): whatever is not data
/// is the page.
async fn page(State(cloud): State<FlexCloud>, uri: Uri) -> Response {
    let is_data = ["/api/", "/plugins/", "/sandbox/"].iter().any(|prefix| uri.path().starts_with(prefix));
    if is_data {
        return error(StatusCode::NOT_FOUND, 20404, "The sandbox does not serve this");
    }
    let page = PAGE
        .replace("{{ACCOUNT_SID}}", account::ACCOUNT_SID)
        .replace("{{FLEX_UI_VERSION}}", &cloud.flex_ui_version());
    ([(header::CACHE_CONTROL, "no-store")], Html(page)).into_response()
}

#[derive(Deserialize)]
struct Known {
    #[serde(default)]
    token: Option<String>,
}

/// Logs the agent in, unless the browser's token is still good.
async fn login(State(cloud): State<FlexCloud>, Json(Known { token }): Json<Known>) -> Json<Login> {
    if let Some(token) = token
        && let Ok(user) = cloud.check_token(&token)
    {
        return Json(Login::new(token, user, cloud.roles()));
    }
    cloud.log_iam("login", json!({ "identity": account::AGENT_IDENTITY }));
    Json(cloud.issue_token())
}

async fn flex_ui(State(cloud): State<FlexCloud>, Path(version): Path<String>) -> Response {
    match cloud.settings().flex_bundles.iter().find(|bundle| bundle.version == version) {
        Some(bundle) => script(&bundle.path, "private, max-age=3600").await,
        None => missing("The sandbox was started without a bundle of this version of Flex UI."),
    }
}

async fn plugin(State(cloud): State<FlexCloud>, Path((name, version)): Path<(String, String)>) -> Response {
    let plugin = cloud.settings().plugins.iter().find(|p| p.name == name && p.version == version);
    match plugin {
        Some(plugin) => script(&plugin.path, "no-cache").await,
        None => missing("The sandbox was started without this plugin."),
    }
}

/// Flex UI itself may be cached, as the versioned file of real Flex is; a plugin may have been rebuilt.
async fn script(path: &std::path::Path, cache_control: &'static str) -> Response {
    match tokio::fs::read(path).await {
        Ok(bytes) => ([(header::CONTENT_TYPE, JAVASCRIPT), (header::CACHE_CONTROL, cache_control)], bytes)
            .into_response(),
        Err(problem) => {
            tracing::warn!(path = %path.display(), %problem, "a script cannot be read");
            missing("The sandbox cannot read this script.")
        }
    }
}

/// A script that says what is missing, where a person will see it.
fn missing(message: &str) -> Response {
    let script = format!("document.body.textContent = {};", json!(message));
    (StatusCode::NOT_FOUND, [(header::CONTENT_TYPE, JAVASCRIPT)], script).into_response()
}

const COSMETIC_HOSTS: [&str; 5] = [
    "status.twilio.com",
    "assets.twilio.com",
    "assets.flex.twilio.com",
    "media.twiliocdn.com",
    "sdk.twilio.com",
];

/// Whether [`cosmetics`] answers for this host.
pub(crate) fn is_cosmetic(host: &str) -> bool {
    COSMETIC_HOSTS.contains(&host)
}

/// What Flex UI fetches for looks and sounds.
pub(crate) fn cosmetics(host: &str, path: &str) -> Option<Response> {
    let json_answer = |value: serde_json::Value| Some(Json(value).into_response());
    match host {
        "status.twilio.com" => json_answer(json!({
            "page": {},
            "components": [{ "name": "FLEX", "status": "operational" }],
            "incidents": [],
            "scheduled_maintenances": [],
            "status": { "indicator": "none", "description": "All Systems Operational" },
        })),
        "assets.twilio.com" => Some(([(header::CONTENT_TYPE, "text/css")], "").into_response()),
        "assets.flex.twilio.com" if path.ends_with("countries.json") => json_answer(json!([])),
        "assets.flex.twilio.com" if path.ends_with(".json") => json_answer(json!({})),
        "media.twiliocdn.com" | "sdk.twilio.com" => {
            Some(([(header::CONTENT_TYPE, "audio/wav")], Bytes::from(silence())).into_response())
        }
        _ => None,
    }
}

/// A tenth of a second of silence: Flex's ring tones and the Voice SDK's sounds, 8 kHz mono 8-bit WAV.
fn silence() -> Vec<u8> {
    const RATE: u32 = 8_000;
    const SAMPLES: u32 = RATE / 10;
    let mut wav = Vec::new();
    wav.extend_from_slice(b"RIFF");
    wav.extend_from_slice(&(36 + SAMPLES).to_le_bytes());
    wav.extend_from_slice(b"WAVEfmt ");
    wav.extend_from_slice(&16_u32.to_le_bytes());
    wav.extend_from_slice(&1_u16.to_le_bytes()); // PCM
    wav.extend_from_slice(&1_u16.to_le_bytes()); // one channel
    wav.extend_from_slice(&RATE.to_le_bytes());
    wav.extend_from_slice(&RATE.to_le_bytes()); // bytes a second
    wav.extend_from_slice(&1_u16.to_le_bytes()); // bytes a frame
    wav.extend_from_slice(&8_u16.to_le_bytes()); // bits a sample
    wav.extend_from_slice(b"data");
    wav.extend_from_slice(&SAMPLES.to_le_bytes());
    wav.resize(wav.len() + SAMPLES as usize, 0x80);
    wav
}
