//! The service, in process: the real router, a clock that tests turn, a Twilio that says what tests want.

#![expect(clippy::unwrap_used, reason = "a helper of a test may panic, as the test itself may")]
#![allow(dead_code, clippy::allow_attributes, reason = "each test file uses a part of this")]

pub mod iam;
pub mod redis;

use std::{
    cell::{Cell, RefCell},
    ffi::OsString,
    io::Write,
    net::SocketAddr,
    sync::{
        Arc, Once,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use axum::{
    body::{Body, to_bytes},
    extract::ConnectInfo,
    http::{HeaderMap, Request, StatusCode, request},
};
use clap::Parser as _;
use kernel::{AccountSid, Secret, Timestamp};
use protocol::token::TokenErrorBody;
use serde_json::{Value, json};
use service_kit::{
    Front,
    env::{Clock, NoRandomness, Random},
};
use token_service::{
    Config, Service,
    app::AppState,
    config::{
        API_KEY_SECRET, AUTH_TOKEN, Args, HISTORY_API_KEY_SECRET, OPERATOR_TOKEN, VIDEO_API_KEY_SECRET,
    },
    features::front,
};
use twilio::{ApiKey, ApiKeySid, access_token, flex_token};
use wiremock::{Mock, MockServer, ResponseTemplate, matchers::any};

pub const ACCOUNT: &str = "AC11111111111111111111111111111111";
pub const KEY: &str = "SK22222222222222222222222222222222";
pub const HISTORY_KEY: &str = "SK99999999999999999999999999999999";
pub const VIDEO_KEY: &str = "SK88888888888888888888888888888888";
pub const WORKSPACE: &str = "WS44444444444444444444444444444444";
pub const VIDEO_ORIGIN: &str = "https://video.example";
pub const WORKER: &str = "WK33333333333333333333333333333333";
pub const ORIGIN: &str = "chrome-extension://aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa";

/// Secrets that must turn up nowhere. Whatever contains "canary" is one.
pub const FLEX_TOKEN: &str = "canary-flex-token";
pub const KEY_SECRET: &str = "canary-key-secret";
pub const AUTH: &str = "canary-auth-token";
pub const HISTORY_SECRET: &str = "canary-history-secret";
pub const VIDEO_SECRET: &str = "canary-video-secret";
pub const OPERATOR: &str = "canary-operator-token-0123456789";

/// 2023-11-14T22:13:20Z.
pub const START: u64 = 1_700_000_000_000;

pub struct MockClock(AtomicU64);

impl MockClock {
    pub fn advance(&self, duration: Duration) {
        self.0.fetch_add(u64::try_from(duration.as_millis()).unwrap(), Ordering::SeqCst);
    }
}

impl Clock for MockClock {
    fn now(&self) -> Timestamp {
        Timestamp::from_millis(START + self.0.load(Ordering::SeqCst))
    }
    fn elapsed(&self) -> Duration {
        Duration::from_millis(self.0.load(Ordering::SeqCst))
    }
}

/// Counts, so that a whole answer can be foreseen. Real randomness is tested where uniqueness is.
#[derive(Default)]
pub struct Counter(AtomicU64);

impl Random for Counter {
    fn fill(&self, bytes: &mut [u8]) -> Result<(), NoRandomness> {
        bytes.fill(0);
        // Fewer bytes are no name, and need not count.
        if let Some(start) = bytes.len().checked_sub(8) {
            bytes[start..].copy_from_slice(&self.0.fetch_add(1, Ordering::SeqCst).to_be_bytes());
        }
        Ok(())
    }
}

pub struct Broken;

impl Random for Broken {
    fn fill(&self, _bytes: &mut [u8]) -> Result<(), NoRandomness> {
        Err(NoRandomness)
    }
}

pub struct Panics;

impl Random for Panics {
    fn fill(&self, _bytes: &mut [u8]) -> Result<(), NoRandomness> {
        panic!("canary")
    }
}

/// What Twilio says about a good token of `identity` that ends `left` after [`START`].
pub fn valid(identity: &str, left: Duration) -> Value {
    let end = Timestamp::from_millis(START).plus(u64::try_from(left.as_millis()).unwrap());
    json!({
        "valid": true, "code": 0, "message": null, "expiration": iso(end), "realm_user_id": "user@example.com",
        "identity": identity, "roles": ["agent"], "worker_sid": WORKER,
    })
}

pub fn invalid() -> Value {
    json!({
        "valid": false, "code": 20101, "message": "Invalid Access Token", "expiration": null,
        "identity": null, "realm_user_id": null, "roles": null, "worker_sid": null,
    })
}

fn iso(time: Timestamp) -> String {
    jiff::Timestamp::from_millisecond(i64::try_from(time.as_millis()).unwrap()).unwrap().to_string()
}

/// Waits until it is so, by looking again and again, and for much longer than it takes anywhere.
pub async fn until(what: &str, is_so: impl AsyncFn() -> bool) {
    let mut looks = tokio::time::interval(Duration::from_millis(10));
    let until = tokio::time::timeout(Duration::from_secs(60), async {
        while !is_so().await {
            looks.tick().await;
        }
    });
    assert!(until.await.is_ok(), "{what}");
}

pub fn hours(hours: u64) -> Duration {
    Duration::from_secs(hours * 3600)
}

/// Everything that this thread logs, all crates, down to TRACE; the service's tests run on one thread each.
///
/// The subscriber is the process's, not the thread's: tracing caches per call site whether anybody listens, and that
/// is a race while other threads have no subscriber. So every test of a file that captures must begin with this.
#[must_use]
pub fn capture_log() -> Log {
    static INSTALL: Once = Once::new();
    INSTALL.call_once(|| {
        let subscriber = service_kit::log::subscriber("trace".parse().unwrap(), || Log);
        tracing::subscriber::set_global_default(subscriber).unwrap();
        let usual = std::panic::take_hook();
        std::panic::set_hook(Box::new(move |panic| {
            // As the program does; a message of a test's own panic is for the developer.
            tracing::error!(place = panic.location().map(tracing::field::display), "panic");
            usual(panic);
        }));
    });
    WANTED.set(true);
    Log.text();
    Log
}

thread_local! {
    static LINES: RefCell<Vec<u8>> = const { RefCell::new(Vec::new()) };
    static CHECKED: RefCell<Vec<u8>> = const { RefCell::new(Vec::new()) };
    static WANTED: Cell<bool> = const { Cell::new(false) };
    static VOICE_TOKENS: RefCell<Vec<String>> = const { RefCell::new(Vec::new()) };
}

/// Looks for every secret that tests use, in whatever they produce: "canary", also in base64 at each of its three
/// offsets (Basic authentication), and the payloads and signatures of the Voice tokens that were minted on this thread.
pub fn assert_no_secret(text: &str) {
    for secret in ["canary", "Y2FuYXJ5", "NhbmFyeS", "jYW5hcn"] {
        let line = text.lines().find(|line| line.contains(secret));
        assert_eq!(line, None, "a secret is shown");
    }
    VOICE_TOKENS.with_borrow(|tokens| {
        for part in tokens.iter().flat_map(|token| token.split('.').skip(1)) {
            assert!(!text.contains(part), "a Voice token is shown");
        }
    });
}

/// Greps what has been logged since this was last called; keeps it for whoever captures.
fn check_log() {
    let lines = LINES.take();
    assert_no_secret(&String::from_utf8_lossy(&lines));
    if WANTED.get() {
        CHECKED.with_borrow_mut(|checked| checked.extend_from_slice(&lines));
    }
}

pub struct Log;

impl Log {
    /// What has been logged since this was last asked.
    pub fn text(&self) -> String {
        check_log();
        String::from_utf8(CHECKED.take()).unwrap()
    }
}

impl Write for Log {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        LINES.with_borrow_mut(|lines| lines.extend_from_slice(bytes));
        Ok(bytes.len())
    }
    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

pub struct TestService {
    pub iam: MockServer,
    pub clock: Arc<MockClock>,
    pub state: AppState,
    pub front: Front,
}

impl TestService {
    /// With an agent `agent_40example_2Ecom` whose Flex token lives for eight hours.
    pub async fn start(flags: &[&str]) -> Self {
        Self::with(flags, Arc::new(Counter::default())).await
    }

    pub async fn with(flags: &[&str], random: Arc<dyn Random>) -> Self {
        let iam = MockServer::start().await;
        let url = iam.uri();
        let service = Self::at(&url, iam, flags, random);
        service.twilio_says(200, valid("agent_40example_2Ecom", hours(8))).await;
        service
    }

    /// One of several replicas, which share a Redis; with real randomness, since nothing of theirs may be the same.
    pub async fn replica(flags: &[&str], redis: &Secret) -> Self {
        let iam = MockServer::start().await;
        let mut config = Self::config(&iam.uri(), flags);
        config.redis_url = Some(redis.clone());
        // What is tested is not how fast this machine is.
        config.redis_patience = Duration::from_secs(4);
        let random = service_kit::env::SystemRandomness::checked().unwrap();
        let service = Self::configured(config, iam, Arc::new(random));
        service.twilio_says(200, valid("agent_40example_2Ecom", hours(8))).await;
        service
    }

    /// With Twilio at any address.
    pub fn at(iam_url: &str, iam: MockServer, flags: &[&str], random: Arc<dyn Random>) -> Self {
        Self::configured(Self::config(iam_url, flags), iam, random)
    }

    fn config(iam_url: &str, flags: &[&str]) -> Config {
        let mut all = vec![
            "token-service",
            "--account-sid",
            ACCOUNT,
            "--api-key-sid",
            KEY,
            "--allowed-origin",
            ORIGIN,
            "--iam-base-url",
            iam_url,
        ];
        all.extend(flags);
        // Most tests change their mind about what Twilio says of the one token.
        if !flags.contains(&"--validation-cache-seconds") {
            all.extend(["--validation-cache-seconds", "0"]);
        }
        let variable = |name: &str| match name {
            API_KEY_SECRET => Some(OsString::from(KEY_SECRET)),
            AUTH_TOKEN => Some(OsString::from(AUTH)),
            HISTORY_API_KEY_SECRET => Some(OsString::from(HISTORY_SECRET)),
            VIDEO_API_KEY_SECRET => Some(OsString::from(VIDEO_SECRET)),
            OPERATOR_TOKEN => Some(OsString::from(OPERATOR)),
            _ => None,
        };
        Config::new(Args::parse_from(all), &variable).unwrap()
    }

    /// With the accounts of a file; `{iam}` in it becomes Twilio's address, `{secret}` a file with a secret.
    pub async fn with_file(name: &str, text: &str) -> Self {
        let iam = MockServer::start().await;
        let directory = std::env::temp_dir().join(format!("token-service-{name}-{}", std::process::id()));
        std::fs::create_dir_all(&directory).unwrap();
        let (secret, file) = (directory.join("secret"), directory.join("settings.toml"));
        std::fs::write(&secret, KEY_SECRET).unwrap();
        let text = text.replace("{iam}", &iam.uri()).replace("{secret}", secret.to_str().unwrap());
        std::fs::write(&file, text).unwrap();
        let args = Args::parse_from(["token-service", "serve", "--config", file.to_str().unwrap()]);
        let config = Config::new(args, &|_name| None).unwrap();
        std::fs::remove_dir_all(&directory).unwrap();
        Self::configured(config, iam, Arc::new(Counter::default()))
    }

    fn configured(config: Config, iam: MockServer, random: Arc<dyn Random>) -> Self {
        // Every test of every file greps what it logs.
        let wanted = WANTED.get();
        let _log = capture_log();
        WANTED.set(wanted);
        let clock = Arc::new(MockClock(AtomicU64::new(0)));
        let mut http = |base_url: &str| flex_token::http_client(base_url);
        let service = Service::new(config, &mut http, Arc::clone(&clock) as _, random).unwrap();
        let state = AppState::new(service);
        Self { iam, clock, front: front(state.clone()), state }
    }

    /// From now on, Twilio answers everything so.
    pub async fn twilio_says(&self, status: u16, body: Value) {
        self.twilio_answers(ResponseTemplate::new(status).set_body_json(body)).await;
    }

    pub async fn twilio_answers(&self, template: ResponseTemplate) {
        self.iam.reset().await;
        Mock::given(any()).respond_with(template).mount(&self.iam).await;
    }

    /// How often Twilio was asked since it was last told what to say.
    pub async fn asked(&self) -> usize {
        self.iam.received_requests().await.unwrap().len()
    }

    /// Sends a request from 192.0.2.1 and checks what must be so for every answer.
    pub async fn send(&self, request: Request<Body>) -> Answer {
        self.send_from([192, 0, 2, 1], request).await
    }

    pub async fn send_from(&self, peer: [u8; 4], mut request: Request<Body>) -> Answer {
        request.extensions_mut().insert(ConnectInfo(SocketAddr::from((peer, 4711))));
        let response = self.front.answer(request).await;
        let (head, body) = response.into_parts();
        let body = String::from_utf8(to_bytes(body, usize::MAX).await.unwrap().to_vec()).unwrap();
        let answer = Answer { status: head.status, headers: head.headers, body };
        answer.check(self.state.service.config.server.hsts_include_subdomains);
        if let Ok(Value::Object(body)) = serde_json::from_str(&answer.body)
            && let Some(Value::String(token)) = body.get("token")
        {
            VOICE_TOKENS.with_borrow_mut(|tokens| {
                // The last few are enough: each is looked for at once.
                if tokens.len() >= 3 {
                    tokens.remove(0);
                }
                tokens.push(token.clone());
            });
        }
        check_log();
        answer
    }

    /// The ordinary question.
    pub async fn ask(&self) -> Answer {
        self.send(question()).await
    }
}

impl Drop for TestService {
    fn drop(&mut self) {
        if !std::thread::panicking() {
            check_log();
            assert_no_secret(&self.state.service.metrics.render());
            assert_no_secret(&format!("{:?} {}", self.state.service.config, self.state.service.config));
        }
    }
}

/// Headers that an answer may have. Whatever else turned up would be a leak, or an oversight.
const ALLOWED_HEADERS: [&str; 31] = [
    "content-range",
    "accept-ranges",
    "access-control-allow-headers",
    "access-control-allow-methods",
    "access-control-allow-origin",
    "access-control-expose-headers",
    "access-control-max-age",
    "allow",
    "cache-control",
    "content-encoding",
    "content-length",
    "content-security-policy",
    "content-type",
    "cross-origin-resource-policy",
    "date",
    "deprecation",
    "etag",
    "last-modified",
    "link",
    "location",
    "permissions-policy",
    "ratelimit",
    "ratelimit-policy",
    "referrer-policy",
    "retry-after",
    "strict-transport-security",
    "vary",
    "www-authenticate",
    "x-content-type-options",
    "x-request-id",
    "x-robots-tag",
];

pub struct Answer {
    pub status: StatusCode,
    pub headers: HeaderMap,
    pub body: String,
}

impl Answer {
    fn check(&self, hsts_includes_subdomains: bool) {
        for name in self.headers.keys() {
            assert!(ALLOWED_HEADERS.contains(&name.as_str()), "unexpected header {name}");
        }
        for (name, value) in [
            ("cross-origin-resource-policy", "same-origin"),
            ("referrer-policy", "no-referrer"),
            (
                "strict-transport-security",
                if hsts_includes_subdomains {
                    "max-age=63072000; includeSubDomains"
                } else {
                    "max-age=63072000"
                },
            ),
            ("x-content-type-options", "nosniff"),
        ] {
            assert_eq!(self.header(name), Some(value), "{name} of {} {}", self.status, self.body);
        }
        let policy = self.header("content-security-policy").unwrap();
        assert!(policy.starts_with("default-src 'none'; frame-ancestors 'none'"), "{policy}");
        let caching = self.header("cache-control").unwrap();
        let is_error = !self.status.is_success() && self.status != StatusCode::NOT_MODIFIED;
        let is_token = self.body.contains("eyJ") || is_error;
        assert!(
            caching == "no-store" || (!is_token && ["no-cache", "public, max-age=300"].contains(&caching)),
            "{caching}"
        );
        assert!(self.header("x-request-id").is_some_and(|id| !id.is_empty()));
        assert!(!self.body.contains("canary"), "{}", self.body);
        assert!(!format!("{:?}", self.headers).contains("canary"), "{:?}", self.headers);
    }

    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name).map(|value| value.to_str().unwrap())
    }

    pub fn json(&self) -> Value {
        serde_json::from_str(&self.body).unwrap()
    }

    /// `401 invalid_flex_token`, after checking that the body is an error body and nothing else.
    pub fn error(&self) -> String {
        let content_type = self.header("content-type");
        assert_eq!(content_type, Some("application/problem+json"), "{} {}", self.status, self.body);
        let body: TokenErrorBody = serde_json::from_str(&self.body).unwrap();
        assert_eq!(Some(body.request_id.as_str()), self.header("x-request-id"));
        assert!(!body.message.is_empty());
        let retry_after: Option<u64> = self.header("retry-after").map(|seconds| seconds.parse().unwrap());
        let json = self.json();
        assert_eq!(json["type"], format!("/docs#{}", json["code"].as_str().unwrap()));
        assert_eq!((&json["detail"], &json["status"]), (&json["message"], &json!(self.status.as_u16())));
        assert_eq!(json["retry_after"].as_u64(), retry_after);
        assert_eq!(json.as_object().unwrap().len(), 7 + usize::from(retry_after.is_some()));
        let code = self.json()["code"].as_str().unwrap().to_owned();
        assert_eq!(body.code.is_retryable(), self.header("retry-after").is_some(), "{code}");
        format!("{} {code}", self.status.as_u16())
    }

    /// The claims of the token in the answer, which must be good at `now`.
    pub fn claims(&self, now: Timestamp) -> access_token::Claims {
        assert_eq!(self.status, 200, "{}", self.body);
        let key = ApiKey::new(ApiKeySid::new(KEY).unwrap(), Secret::new(KEY_SECRET));
        let jwt = self.json()["token"].as_str().unwrap().to_owned();
        access_token::verify(&jwt, &key, &AccountSid::new(ACCOUNT).unwrap(), now).unwrap().claims
    }
}

/// What switches video on.
pub const VIDEO: [&str; 7] = [
    "--video",
    "--video-api-key-sid",
    VIDEO_KEY,
    "--workspace-sid",
    WORKSPACE,
    "--video-public-origin",
    VIDEO_ORIGIN,
];

/// The ordinary question, to be changed.
pub fn builder() -> request::Builder {
    Request::post("/v1/voice/token")
        .header("origin", ORIGIN)
        .header("authorization", format!("Bearer {FLEX_TOKEN}"))
        .header("content-type", "application/json")
}

pub fn body() -> String {
    json!({"account_sid": ACCOUNT, "identity_prefix": "ext_"}).to_string()
}

pub fn question() -> Request<Body> {
    builder().body(body().into()).unwrap()
}

/// The ordinary question with a header set to another value, or without it.
pub fn with_header(name: &str, value: Option<&str>) -> Request<Body> {
    let mut request = question();
    let name: axum::http::HeaderName = name.parse().unwrap();
    request.headers_mut().remove(&name);
    if let Some(value) = value {
        request.headers_mut().insert(name, value.parse().unwrap());
    }
    request
}
