//! The extension's update manifest and packages: served from the operator's directory, and nothing else of it.

#![expect(clippy::unwrap_used, reason = "a helper of a test may panic, as the test itself may")]

mod support;

use std::path::PathBuf;

use axum::{body::Body, http::Request};
use support::{Answer, TestService};

/// A directory as the packer leaves it, with things in it that are nobody's business.
struct Directory(PathBuf);

impl Directory {
    fn new(name: &str) -> Self {
        let path = std::env::temp_dir().join(format!("token-service-ext-{name}-{}", std::process::id()));
        std::fs::create_dir_all(path.join("private")).unwrap();
        for (file, text) in [
            ("updates.xml", "<gupdate/>"),
            ("holdfast-1.0.0.crx", "Cr24 package"),
            ("holdfast.pem", "canary"),
            ("private/other.crx", "canary"),
        ] {
            std::fs::write(path.join(file), text).unwrap();
        }
        Self(path)
    }

    async fn service(&self) -> TestService {
        TestService::start(&["--extension-dir", self.0.to_str().unwrap()]).await
    }
}

impl Drop for Directory {
    fn drop(&mut self) {
        std::fs::remove_dir_all(&self.0).ok();
    }
}

async fn get(service: &TestService, path: &str, range: Option<&str>) -> Answer {
    let mut request = Request::get(path);
    if let Some(range) = range {
        request = request.header("range", range);
    }
    service.send(request.body(Body::empty()).unwrap()).await
}

#[tokio::test]
async fn a_managed_browser_finds_manifest_and_package() {
    let directory = Directory::new("found");
    let service = directory.service().await;
    // As Chrome asks, with what it has in the query.
    let manifest = get(&service, "/extension/updates.xml?os=linux&x=id%3Dabc%26v%3D0.1%26uc", None).await;
    assert_eq!((manifest.status.as_u16(), manifest.body.as_str()), (200, "<gupdate/>"));
    assert_eq!(manifest.header("content-type"), Some("text/xml"));
    let package = get(&service, "/extension/holdfast-1.0.0.crx", None).await;
    assert_eq!((package.status.as_u16(), package.body.as_str()), (200, "Cr24 package"));
    assert_eq!(package.header("content-type"), Some("application/x-chrome-extension"));
    for answer in [manifest, package] {
        assert_eq!(answer.header("cache-control"), Some("no-cache"));
        assert!(answer.header("last-modified").is_some());
    }
    let part = get(&service, "/extension/holdfast-1.0.0.crx", Some("bytes=5-11")).await;
    assert_eq!((part.status.as_u16(), part.body.as_str()), (206, "package"));
}

#[tokio::test]
async fn nothing_else_of_the_directory_is_served() {
    let directory = Directory::new("else");
    let service = directory.service().await;
    for path in [
        "/extension",
        "/extension/",
        "/extension/holdfast.pem",
        "/extension/other.crx",
        "/extension/private/other.crx",
        "/extension/private%2Fother.crx",
        "/extension/../holdfast.pem",
        "/extension/..%2F..%2Fetc%2Fpasswd",
        "/extension/%2e%2e/x.crx",
        "/extension/%00.crx",
        "/extension/.crx",
    ] {
        let status = get(&service, path, None).await.status.as_u16();
        assert!(matches!(status, 400 | 404), "{path} {status}");
    }
    let mut post = Request::post("/extension/updates.xml").body(Body::empty()).unwrap();
    post.headers_mut().insert("origin", support::ORIGIN.parse().unwrap());
    assert_eq!(service.send(post).await.status, 405);
}

#[tokio::test]
async fn without_a_directory_there_is_no_such_route() {
    let service = TestService::start(&[]).await;
    assert_eq!(get(&service, "/extension/updates.xml", None).await.status, 404);
}
