//! `GET /extension/updates.xml` and the packages beside it: where managed browsers find new versions.
//!
//! A directory of the operator's is served, but of it only the update manifest and packages, by exactly their names.

use axum::{
    Router,
    extract::{Path, Request, State},
    http::{HeaderValue, StatusCode, header},
    response::{IntoResponse as _, Response},
    routing::get,
};
use service_kit::Feature;
use tower_http::services::ServeFile;
use utoipa::OpenApi;

use crate::app::AppState;

/// Where the extension's update manifest and packages are.
pub const EXTENSION_PATH: &str = "/extension/{file}";

/// The update manifest that the browser's policy points to.
pub const MANIFEST: &str = "updates.xml";

/// The media type of packages; Chrome installs nothing else.
const PACKAGE_TYPE: HeaderValue = HeaderValue::from_static("application/x-chrome-extension");

#[derive(OpenApi)]
#[openapi(paths(file))]
struct Document;

/// The route, where there is such a directory.
#[must_use]
pub fn feature(state: &AppState) -> Option<Feature> {
    state.service.config.extension_dir.as_ref()?;
    let routes = Router::new().route(EXTENSION_PATH, get(file)).with_state(state.clone());
    Some(Feature::new(&[EXTENSION_PATH], routes, Document::openapi))
}

/// The extension's update manifest (updates.xml) or a package (.crx)
#[utoipa::path(
    get, path = EXTENSION_PATH, operation_id = "extension", tag = "extension",
    params(("file" = String, Path, description = "updates.xml, or the name of a package")),
    responses(
        (status = 200, description = "The file", body = Vec<u8>, content_type = "application/octet-stream"),
        (status = 206, description = "The part that a Range header asked for"),
        (status = 304, description = "Not changed"),
        (status = 404, description = "No such file"),
        (status = 416, description = "No such range"),
    )
)]
async fn file(State(state): State<AppState>, Path(name): Path<String>, request: Request) -> Response {
    let Some(directory) = &state.service.config.extension_dir else {
        return StatusCode::NOT_FOUND.into_response();
    };
    let (is_manifest, is_package) = (name == MANIFEST, is_package(&name));
    if !is_manifest && !is_package {
        return StatusCode::NOT_FOUND.into_response();
    }
    let mut response = ServeFile::new(directory.join(name)).try_call(request).await.map_or_else(
        |_io| StatusCode::NOT_FOUND.into_response(),
        axum::response::IntoResponse::into_response,
    );
    if response.status().is_success() || response.status() == StatusCode::NOT_MODIFIED {
        // Browsers ask every few hours, with the version that they have: they must not be told an old one.
        response.headers_mut().insert(header::CACHE_CONTROL, HeaderValue::from_static("no-cache"));
        if is_package {
            response.headers_mut().insert(header::CONTENT_TYPE, PACKAGE_TYPE);
        }
    }
    response
}

/// One name, no path: letters, digits, dots, hyphens and underscores, `.crx` at the end, no dot at the start.
fn is_package(name: &str) -> bool {
    name.len() <= 128
        && !name.starts_with('.')
        && name.strip_suffix(".crx").is_some_and(|stem| !stem.is_empty())
        && name.bytes().all(|b| b.is_ascii_alphanumeric() || b"._-".contains(&b))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_package_is_a_plain_name_that_ends_in_crx() {
        for good in ["holdfast.crx", "holdfast-1.2.3.crx", "a_b.crx"] {
            assert!(is_package(good), "{good}");
        }
        for bad in [
            "",
            ".crx",
            "..crx",
            "a.crx.pem",
            "../a.crx",
            "a/b.crx",
            "key.pem",
            "a\\b.crx",
            "ä.crx",
            "a b.crx",
        ] {
            assert!(!is_package(bad), "{bad}");
        }
    }
}
