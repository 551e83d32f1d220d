//! `GET /openapi.json` and `GET /docs`: what this service takes and answers, for programs and for people.
//!
//! The page is made of the document, here: it loads no script, no font and no style from anywhere.

use axum::{
    extract::State,
    http::{HeaderValue, header},
    response::{Html, IntoResponse},
};

use crate::http::{AppState, DOCS_PATH, OPENAPI_PATH, openapi};

/// This document
#[utoipa::path(
    get, path = OPENAPI_PATH, operation_id = "openapi", tag = "about",
    responses((status = 200, description = "OpenAPI 3.1", body = serde_json::Value, content_type = "application/json"))
)]
pub async fn openapi(State(state): State<AppState>) -> impl IntoResponse {
    ([(header::CONTENT_TYPE, "application/json")], openapi::document(&state.service))
}

/// This document as a page
#[utoipa::path(
    get, path = DOCS_PATH, operation_id = "docs", tag = "about",
    responses((status = 200, description = "A page without scripts", body = String, content_type = "text/html"))
)]
pub async fn page(State(state): State<AppState>) -> impl IntoResponse {
    let headers = [(header::CONTENT_SECURITY_POLICY, HeaderValue::from_static(openapi::PAGE_POLICY))];
    (headers, Html(openapi::page(&state.service)))
}
