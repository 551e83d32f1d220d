//! `doctor`: what it asks and what it says, against stand-ins for Twilio's endpoints.

#![expect(clippy::unwrap_used, reason = "a helper of a test may panic, as the test itself may")]

mod support;

use std::{ffi::OsString, time::Duration};

use clap::Parser as _;
use kernel::Timestamp;
use serde_json::{Value, json};
use service_kit::env::Clock;
use support::{
    ACCOUNT, AUTH, HISTORY_KEY, HISTORY_SECRET, KEY, KEY_SECRET, ORIGIN, VIDEO_KEY, VIDEO_SECRET, WORKSPACE,
    invalid,
};
use token_service::{
    Config,
    config::{API_KEY_SECRET, AUTH_TOKEN, Args, HISTORY_API_KEY_SECRET, VIDEO_API_KEY_SECRET},
    doctor::examine,
};
use wiremock::{
    Mock, MockServer, ResponseTemplate,
    matchers::{basic_auth, method, path},
};

/// 2026-11-21T12:00:00Z, which is also what the stand-in says.
const NOW: u64 = 1_795_262_400_000;

struct At(u64);

impl Clock for At {
    fn now(&self) -> Timestamp {
        Timestamp::from_millis(self.0)
    }
    fn elapsed(&self) -> Duration {
        Duration::ZERO
    }
}

fn activities(name: &str, available: bool) -> Value {
    json!({"activities": [
        {"friendly_name": "Available", "available": true},
        {"friendly_name": name, "available": available},
    ]})
}

/// Everything of Twilio's that the doctor asks, on one address.
async fn twilio(validation: ResponseTemplate, activities: ResponseTemplate) -> MockServer {
    let server = MockServer::start().await;
    let validate = format!("/v1/Accounts/{ACCOUNT}/Tokens/validate");
    Mock::given(method("POST")).and(path(validate)).respond_with(validation).mount(&server).await;
    let configuration = json!({"taskrouter_workspace_sid": WORKSPACE});
    Mock::given(path("/v1/Configuration"))
        .and(basic_auth(ACCOUNT, AUTH))
        .respond_with(ResponseTemplate::new(200).set_body_json(configuration))
        .mount(&server)
        .await;
    Mock::given(path(format!("/v1/Workspaces/{WORKSPACE}/Activities")))
        .and(basic_auth(ACCOUNT, AUTH))
        .respond_with(activities)
        .mount(&server)
        .await;
    let document = ResponseTemplate::new(200).set_body_string(r#"{"paths": {"/v1/voice/token": {}}}"#);
    Mock::given(path("/openapi.json")).respond_with(document).mount(&server).await;
    let dated = ResponseTemplate::new(404).insert_header("date", "Sat, 21 Nov 2026 12:00:00 GMT");
    Mock::given(path("/")).respond_with(dated).mount(&server).await;
    server
}

async fn says(server: &MockServer, flags: &[&str], now: u64) -> String {
    let url = server.uri();
    let mut all = vec!["token-service", "doctor", "--account-sid", ACCOUNT, "--api-key-sid", KEY];
    for flag in [
        "--iam-base-url",
        "--taskrouter-base-url",
        "--flex-api-base-url",
        "--history-conversations-base-url",
        "--video-base-url",
    ] {
        all.extend([flag, &url]);
    }
    all.extend(flags);
    let variable = |name: &str| match name {
        API_KEY_SECRET => Some(OsString::from(KEY_SECRET)),
        AUTH_TOKEN => Some(OsString::from(AUTH)),
        HISTORY_API_KEY_SECRET => Some(OsString::from(HISTORY_SECRET)),
        VIDEO_API_KEY_SECRET => Some(OsString::from(VIDEO_SECRET)),
        _ => None,
    };
    let config = Config::new(Args::parse_from(all), &variable).unwrap();
    let lines: Vec<String> = examine(&config, &At(now)).await.iter().map(ToString::to_string).collect();
    let text = lines.join("\n").replace(&url, "URL");
    support::assert_no_secret(&text);
    text
}

fn good() -> (ResponseTemplate, ResponseTemplate) {
    let validation = ResponseTemplate::new(200).set_body_json(invalid());
    (validation, ResponseTemplate::new(200).set_body_json(activities("Voice Client Offline", false)))
}

#[tokio::test]
async fn where_all_is_well_every_line_says_so() {
    let (validation, activities) = good();
    let server = twilio(validation, activities).await;
    let url = server.uri();
    let text = says(&server, &["--allowed-origin", ORIGIN, "--public-url", &url], NOW + 2000).await;
    insta::assert_snapshot!(text, @r#"
    ok    AC11111111111111111111111111111111: Twilio takes the auth token
    ok    AC11111111111111111111111111111111: Twilio takes API key SK22222222222222222222222222222222
    ok    AC11111111111111111111111111111111: this machine's clock agrees with Twilio's
    ok    AC11111111111111111111111111111111: TaskRouter has the unavailable activity "Voice Client Offline"
    ok    AC11111111111111111111111111111111: 1 extension(s) may ask
    ok    TLS: 127.0.0.1:8787 is plain HTTP on this machine: TLS ends at a proxy
    ok    public URL: URL leads to a token service
    "#);
}

#[tokio::test]
async fn whatever_is_missing_is_said_with_what_to_do() {
    let no_login = ResponseTemplate::new(401).set_body_json(json!({"code": 20003}));
    let server = twilio(no_login, ResponseTemplate::new(200).set_body_json(activities("Break", false))).await;
    let flags = [
        "--allowed-origin",
        "https://desk.example",
        "--allow-missing-origin",
        "--legacy-generate-token",
        "--host",
        "0.0.0.0",
        "--extension-dir",
        "/nonexistent",
    ];
    let text = says(&server, &flags, NOW + 90_000).await;
    insta::assert_snapshot!(text, @r#"
    TO DO AC11111111111111111111111111111111: Twilio refuses the auth token (HTTP 401): create a new one in the Twilio Console, in the account's region, and set its secret
    TO DO AC11111111111111111111111111111111: Twilio refuses API key SK22222222222222222222222222222222 (HTTP 401): create a new one in the Twilio Console, in the account's region, and set its secret
    TO DO AC11111111111111111111111111111111: this machine's clock is 90 s off Twilio's: synchronise it (NTP)
    TO DO AC11111111111111111111111111111111: create the unavailable activity "Voice Client Offline" (Twilio Console, TaskRouter, workspace WS44444444444444444444444444444444, Activities)
    TO DO AC11111111111111111111111111111111: no extension may ask: add chrome-extension://<id of the extension> to allowed_origins
    note  AC11111111111111111111111111111111: requests without an origin are served (allow_missing_origin)
    note  AC11111111111111111111111111111111: /generateToken is served: it carries Flex tokens in URLs; switch it off after the migration
    note  TLS: 0.0.0.0:8787 is plain HTTP for other machines: TLS must end at a proxy before it
    note  public URL: not set (public_url): what the extension reaches is not checked
    TO DO extension: /nonexistent/updates.xml is missing: put the packed extension there
    "#);
}

#[tokio::test]
async fn an_activity_that_is_available_and_a_twilio_that_answers_nothing_sensible_are_told() {
    let wrong = ResponseTemplate::new(200).set_body_json(activities("Voice Client Offline", true));
    let server = twilio(ResponseTemplate::new(500), wrong).await;
    let text = says(&server, &["--allowed-origin", ORIGIN], NOW).await;
    assert!(
        text.contains("URL cannot be asked with the auth token (Flex tokens cannot")
            || text.contains("(HTTP 500)"),
        "{text}"
    );
    assert!(text.contains("is available, so calls would reach agents without a voice client"), "{text}");

    let (validation, _) = good();
    let server = twilio(validation, ResponseTemplate::new(403)).await;
    let text = says(&server, &["--allowed-origin", ORIGIN, "--public-url", "http://127.0.0.1:1"], NOW).await;
    assert!(
        text.contains("TO DO AC11111111111111111111111111111111: TaskRouter's activities cannot be read"),
        "{text}"
    );
    assert!(text.contains("TO DO public URL: http://127.0.0.1:1 cannot be reached from here"), "{text}");
}

#[tokio::test]
async fn what_the_key_for_chat_history_may_read_is_looked_at_where_history_is_on() {
    let (validation, activities) = good();
    let server = twilio(validation, activities).await;
    let tasks = format!("/v1/Workspaces/{WORKSPACE}/Tasks");
    let list = ResponseTemplate::new(200).set_body_json(json!({"tasks": []}));
    Mock::given(path(tasks))
        .and(basic_auth(HISTORY_KEY, HISTORY_SECRET))
        .respond_with(list)
        .mount(&server)
        .await;
    let refused = ResponseTemplate::new(403).set_body_json(json!({"code": 70051}));
    Mock::given(path("/v1/Conversations")).respond_with(refused).mount(&server).await;
    let flags = [
        "--allowed-origin",
        ORIGIN,
        "--workspace-sid",
        WORKSPACE,
        "--history",
        "--history-api-key-sid",
        HISTORY_KEY,
    ];
    let text = says(&server, &flags, NOW).await;
    let lines: Vec<&str> = text.lines().filter(|line| line.contains("chat history")).collect();
    assert_eq!(
        lines,
        [
            "ok    AC11111111111111111111111111111111: chat history can read tasks with API key SK99999999999999999999999999999999",
            "TO DO AC11111111111111111111111111111111: chat history cannot read conversations with API key \
         SK99999999999999999999999999999999 (HTTP 403): let it read Conversations, and check history_chat_service_sid",
            "note  AC11111111111111111111111111111111: chat history hides no message for its age (history_retention_days)",
        ]
    );
}

#[tokio::test]
async fn what_video_needs_is_looked_at_where_it_is_on() {
    let (validation, activities) = good();
    let server = twilio(validation, activities).await;
    let url = server.uri();
    let list = ResponseTemplate::new(200).set_body_json(json!({"rooms": []}));
    Mock::given(path("/v1/Rooms"))
        .and(basic_auth(VIDEO_KEY, VIDEO_SECRET))
        .respond_with(list)
        .mount(&server)
        .await;
    let page = ResponseTemplate::new(200).insert_header("permissions-policy", "camera=(self)");
    Mock::given(path("/v/doctor")).respond_with(page).mount(&server).await;
    let directory = std::env::temp_dir().join(format!("token-service-doctor-{}", std::process::id()));
    let parts = ["index.html", "join.js", "pkg/join.js", "pkg/join_bg.wasm", "vendor/twilio-video.min.js"];
    for part in parts {
        let file = directory.join(part);
        std::fs::create_dir_all(file.parent().unwrap()).unwrap();
        std::fs::write(file, "x").unwrap();
    }
    let (page_dir, public) =
        (format!("--video-page-dir={}", directory.display()), format!("--video-public-origin={url}"));
    let flags = ["--allowed-origin", ORIGIN, "--workspace-sid", WORKSPACE, "--video", &public];
    let flags: Vec<&str> = flags.into_iter().chain(["--video-api-key-sid", VIDEO_KEY]).collect();
    let with: Vec<&str> = flags.iter().copied().chain([page_dir.as_str()]).collect();
    let about_video = |text: &str| {
        let lines = text.lines().filter(|line| line.contains("video") || line.contains("rooms"));
        lines.collect::<Vec<_>>().join("\n")
    };
    let text = says(&server, &with, NOW).await;
    insta::assert_snapshot!(about_video(&text), @r"
    ok    AC11111111111111111111111111111111: video can read rooms with API key SK88888888888888888888888888888888
    TO DO AC11111111111111111111111111111111: video cannot read tasks with API key SK88888888888888888888888888888888 (HTTP 404): let it read TaskRouter, and check workspace_sid
    note  AC11111111111111111111111111111111: no question tells whether clients may create rooms by joining: switch it off (Twilio Console, Video, Room settings, client-side room creation)
    ok    AC11111111111111111111111111111111: links lead to the page of video (URL)
    ok    video: the page is there (5 files)
    note  video: sessions are kept by this instance alone: several replicas need a Redis (TOKEN_SERVICE_REDIS_URL), or links are known to one of them only
    ");
    std::fs::remove_file(directory.join("pkg/join_bg.wasm")).unwrap();
    let text = says(&server, &with, NOW).await;
    assert!(text.contains("is without pkg/join_bg.wasm: build it again"), "{text}");
    std::fs::remove_dir_all(&directory).unwrap();

    let somewhere = "--video-public-origin=http://127.0.0.1:1";
    let flags: Vec<&str> =
        flags.iter().map(|flag| if flag.starts_with("--video-public") { somewhere } else { flag }).collect();
    let text = says(&server, &flags, NOW).await;
    assert!(text.contains("TO DO video: no page is served: set video_page_dir"), "{text}");
    assert!(text.contains("http://127.0.0.1:1 (video_public_origin) cannot be reached from here"), "{text}");
}
