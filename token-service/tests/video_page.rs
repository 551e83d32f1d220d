//! The page of video: the same for every code, with no right too many, and its files.

#![expect(clippy::unwrap_used, reason = "a helper of a test may panic, as the test itself may")]

mod support;

use std::{fs, io::Read as _, net::SocketAddr, path::PathBuf};

use axum::{
    body::{Body, to_bytes},
    extract::ConnectInfo,
    http::{Method, Request},
};
use flate2::read::GzDecoder;
use support::{Answer, TestService, VIDEO, capture_log};

const CODE: &str = "0123456789abcdefghjk";

const HTML: &str = "<!doctype html><title>Video</title><script src=\"join.js\" type=\"module\"></script>";

/// A directory as the build leaves it, with things in it that are nobody's business.
struct Directory(PathBuf);

impl Directory {
    fn new(name: &str) -> Self {
        let path = std::env::temp_dir().join(format!("token-service-page-{name}-{}", std::process::id()));
        for (file, text) in [
            ("index.html", HTML.to_owned()),
            ("join.js", "import './pkg/join.js';".repeat(50)),
            ("join.css", "body{}".to_owned()),
            ("pkg/join.js", "export {}".to_owned()),
            ("pkg/join_bg.wasm", "\0asm".to_owned()),
            ("vendor/twilio-video.min.js", "//".to_owned()),
            ("vendor/LICENSE.txt", "BSD".to_owned()),
            ("join.pem", "canary".to_owned()),
            ("join.js.map", "canary".to_owned()),
        ] {
            let file = path.join(file);
            fs::create_dir_all(file.parent().unwrap()).unwrap();
            fs::write(file, text).unwrap();
        }
        Self(path)
    }

    async fn service(&self) -> TestService {
        let directory = self.0.to_str().unwrap();
        let flags: Vec<&str> = VIDEO.into_iter().chain(["--video-page-dir", directory]).collect();
        TestService::start(&flags).await
    }
}

impl Drop for Directory {
    fn drop(&mut self) {
        fs::remove_dir_all(&self.0).ok();
    }
}

async fn get(service: &TestService, path: &str) -> Answer {
    service.send(Request::get(path).body(Body::empty()).unwrap()).await
}

#[tokio::test]
async fn whatever_the_code_is_the_page_is_the_same() {
    let directory = Directory::new("same");
    let service = directory.service().await;
    let mut pages = Vec::new();
    for code in [
        CODE,
        &CODE.to_uppercase(),
        "zzzzzzzzzzzzzzzzzzzz",
        "0123456789abcdefghjk.",
        "0123456789abcdefghjk)",
        "0123456789abcdefghjk,",
        "0123456789abcdefghjk%20",
        "0123456789abcdefghjk%C2%BB",
        "0123456789abcdefghjk%E2%80%8B",
        "0123456789abcdefghjk?utm_source=sms",
        "x",
        "index",
        "",
    ] {
        let mut page = get(&service, &format!("/v/{code}")).await;
        assert_eq!((page.status.as_u16(), page.body.as_str()), (200, HTML), "{code}");
        page.headers.remove("x-request-id");
        pages.push(page.headers);
    }
    assert!(pages.windows(2).all(|two| two[0] == two[1]), "{pages:?}");
    assert_eq!(service.asked().await, 0, "nothing asks Twilio");
}

#[tokio::test]
async fn the_page_has_no_right_too_many_and_is_neither_kept_nor_listed_nor_framed() {
    let directory = Directory::new("headers");
    let service = directory.service().await;
    let page = get(&service, &format!("/v/{CODE}")).await;
    let mut headers: Vec<String> = page
        .headers
        .iter()
        .filter(|(name, _)| name.as_str() != "x-request-id")
        .map(|(name, value)| format!("{name}: {}", value.to_str().unwrap()))
        .collect();
    headers.sort();
    insta::assert_snapshot!(headers.join("\n"));
}

#[tokio::test]
async fn head_says_what_get_would_and_nothing_else_is_answered() {
    let directory = Directory::new("head");
    let service = directory.service().await;
    for path in [format!("/v/{CODE}"), "/v/join.js".into(), "/v/nothing.js".into()] {
        let (mut full, mut head) = (
            get(&service, &path).await,
            service.send(Request::head(&path).body(Body::empty()).unwrap()).await,
        );
        assert_eq!((head.status, head.body.as_str()), (full.status, ""), "{path}");
        full.headers.remove("x-request-id");
        head.headers.remove("x-request-id");
        assert_eq!(head.headers, full.headers, "{path}");
    }
    for method in [Method::POST, Method::PUT, Method::DELETE, Method::OPTIONS] {
        let request = Request::builder().method(method).uri(format!("/v/{CODE}"));
        let answer = service.send(request.body(Body::empty()).unwrap()).await;
        assert_eq!((answer.status.as_u16(), answer.header("allow")), (405, Some("GET, HEAD")));
    }
}

#[tokio::test]
async fn a_link_with_a_slash_behind_it_leads_to_the_page_all_the_same() {
    let directory = Directory::new("slash");
    let service = directory.service().await;
    for written in [CODE.to_owned(), CODE.to_uppercase()] {
        let answer = get(&service, &format!("/v/{written}/")).await;
        let to = format!("/v/{CODE}");
        assert_eq!((answer.status.as_u16(), answer.header("location")), (308, Some(to.as_str())));
    }
    for none in ["/v/x/", "/v//", "/v//evil.example/", "/v/0123456789abcdefghjk/x"] {
        assert_eq!(get(&service, none).await.status, 404, "{none}");
    }
}

#[tokio::test]
async fn its_files_are_what_they_are_and_are_asked_for_again_at_each_visit() {
    let directory = Directory::new("files");
    let service = directory.service().await;
    for (file, media_type) in [
        ("join.js", "text/javascript; charset=utf-8"),
        ("join.css", "text/css; charset=utf-8"),
        ("pkg/join.js", "text/javascript; charset=utf-8"),
        ("pkg/join_bg.wasm", "application/wasm"),
        ("vendor/twilio-video.min.js", "text/javascript; charset=utf-8"),
        ("vendor/LICENSE.txt", "text/plain; charset=utf-8"),
    ] {
        let path = format!("/v/{file}");
        let answer = get(&service, &path).await;
        let text = fs::read_to_string(directory.0.join(file)).unwrap();
        assert_eq!((answer.status.as_u16(), answer.body), (200, text), "{file}");
        let header = |name| answer.headers.get(name).map(|value| value.to_str().unwrap());
        assert_eq!(header("content-type"), Some(media_type), "{file}");
        assert_eq!(header("cache-control"), Some("no-cache"), "{file}");
        assert_eq!(header("vary"), Some("accept-encoding"), "{file}");
        let tag = header("etag").unwrap();
        let again = Request::get(&path).header("if-none-match", tag).body(Body::empty()).unwrap();
        let again = service.send(again).await;
        assert_eq!((again.status.as_u16(), again.body.as_str()), (304, ""), "{file}");
        assert_eq!(again.header("etag"), Some(tag), "{file}");
        let other = Request::get(&path).header("if-none-match", "\"0\"").body(Body::empty()).unwrap();
        assert_eq!(service.send(other).await.status, 200, "{file}");
    }
}

#[tokio::test]
async fn a_browser_gets_the_files_compressed() {
    let directory = Directory::new("gzip");
    let service = directory.service().await;
    let mut request =
        Request::get("/v/join.js").header("accept-encoding", "gzip, br").body(Body::empty()).unwrap();
    request.extensions_mut().insert(ConnectInfo(SocketAddr::from(([192, 0, 2, 1], 4711))));
    let answer = service.front.answer(request).await;
    assert_eq!(answer.headers()["content-encoding"], "gzip");
    let length: usize = answer.headers()["content-length"].to_str().unwrap().parse().unwrap();
    let bytes = to_bytes(answer.into_body(), usize::MAX).await.unwrap();
    assert_eq!(bytes.len(), length);
    let mut text = String::new();
    GzDecoder::new(&*bytes).read_to_string(&mut text).unwrap();
    assert_eq!(text, fs::read_to_string(directory.0.join("join.js")).unwrap());
    assert!(length * 5 < text.len(), "{length}");
}

#[tokio::test]
async fn nothing_else_of_the_directory_is_served() {
    let directory = Directory::new("else");
    let service = directory.service().await;
    fs::write(directory.0.join("later.js"), "canary").unwrap();
    for path in [
        "/v/pkg",
        "/v/pkg/",
        "/v/join.pem",
        "/v/later.js",
        "/v/index.html",
        "/v/pkg/../join.pem",
        "/v/../join.pem",
        "/v/%2e%2e/join.pem",
        "/v/pkg%2Fjoin.js",
        "/v/join.js.map",
        "/v/vendor/none.js",
        "/v/JOIN.JS",
        "/vx",
        "/v",
    ] {
        let answer = get(&service, path).await;
        // One part of a path that is no file's name may be a code: then it is the page.
        let is_page = answer.status == 200 && answer.body == HTML;
        assert!(is_page || answer.status == 404, "{path} {} {}", answer.status, answer.body);
    }
}

#[tokio::test]
async fn the_log_never_has_the_code() {
    let log = capture_log();
    let directory = Directory::new("log");
    let service = directory.service().await;
    log.text();
    for path in [format!("/v/{CODE}"), format!("/v/{CODE}/"), format!("/v/{CODE}/x?{CODE}")] {
        let request = Request::get(&path).header("referer", &path).body(Body::empty()).unwrap();
        service.send(request).await;
    }
    let text = log.text();
    assert!(!text.contains(CODE), "{text}");
    assert_eq!(text.matches("\"route\":\"/v/{page}\"").count(), 3, "{text}");
    assert!(!service.state.service.metrics.render().contains(CODE));
}

#[tokio::test]
async fn without_video_or_without_files_there_is_no_page() {
    let directory = Directory::new("off");
    let off = TestService::start(&["--video-page-dir", directory.0.to_str().unwrap()]).await;
    assert_eq!(get(&off, &format!("/v/{CODE}")).await.status, 404);
    let without = TestService::start(&VIDEO).await;
    assert_eq!(get(&without, &format!("/v/{CODE}")).await.status, 404);
}
