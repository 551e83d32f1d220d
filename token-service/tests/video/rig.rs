//! The service, its Twilio, and whoever comes.

use std::{cell::RefCell, time::Duration};

use axum::{body::Body, http::Request};
use kernel::Secret;
use protocol::video::{Joined, Looked, Pulsed, VideoErrorBody, VideoOpened, VideoStatus};
use serde::de::DeserializeOwned;
use serde_json::{Value, json};

use crate::{
    cloud::{Cloud, World, sid},
    support::{Answer, FLEX_TOKEN, TestService, VIDEO, VIDEO_ORIGIN, WORKER, capture_log, hours, valid},
};

pub const FLEX: &str = "https://flex.twilio.com";
pub const OTHER_WORKER: &str = "WK55555555555555555555555555555555";
pub const THIRD_WORKER: &str = "WK66666666666666666666666666666666";

/// The service and its Twilio. Whatever is secret of what it gave out must not stand in its log or metrics.
pub struct Rig {
    pub service: TestService,
    pub cloud: Cloud,
    secrets: RefCell<Vec<String>>,
}

impl Rig {
    pub async fn start(flags: &[&str]) -> Self {
        Self::beside(Cloud::start().await, flags).await
    }

    async fn beside(cloud: Cloud, flags: &[&str]) -> Self {
        capture_log().text();
        let service = TestService::start(&all_flags(&cloud, flags)).await;
        Self { service, cloud, secrets: RefCell::default() }
    }

    /// One of several replicas of the same Twilio.
    pub async fn replica(cloud: &Cloud, redis: &Secret) -> Self {
        capture_log().text();
        let service = TestService::replica(&all_flags(cloud, &[]), redis).await;
        Self { service, cloud: cloud.clone(), secrets: RefCell::default() }
    }

    /// With the task 1 of the conversation 1, which the usual agent has accepted.
    pub async fn with_task(flags: &[&str]) -> Self {
        let rig = Self::start(flags).await;
        rig.world().task(1, WORKER, json!({"conversationSid": sid("CH", 1)}));
        rig
    }

    pub fn world(&self) -> std::sync::MutexGuard<'_, World> {
        self.cloud.world()
    }

    pub fn later(&self, seconds: u64) {
        self.service.clock.advance(Duration::from_secs(seconds));
    }

    /// From now on the Flex token is this worker's.
    pub async fn agent_is(&self, worker: &str) {
        let mut user = valid("agent_40example_2Ecom", hours(8));
        user["worker_sid"] = worker.into();
        self.service.twilio_says(200, user).await;
    }

    pub async fn agent(&self, method: &str, path: &str, body: Value) -> Answer {
        let request = Request::builder().method(method).uri(path).header("origin", FLEX);
        let request = request.header("authorization", format!("Bearer {FLEX_TOKEN}"));
        let body = if method == "GET" { Body::empty() } else { Body::from(body.to_string()) };
        self.noted(self.service.send(request.body(body).unwrap()).await)
    }

    pub async fn page_from(&self, peer: [u8; 4], what: &str, body: Value) -> Answer {
        let request = Request::post(format!("/v1/video/{what}")).header("origin", VIDEO_ORIGIN);
        let request = request.header("content-type", "application/json").body(Body::from(body.to_string()));
        self.noted(self.service.send_from(peer, request.unwrap()).await)
    }

    pub async fn page(&self, what: &str, body: Value) -> Answer {
        self.page_from([198, 51, 100, 1], what, body).await
    }

    pub async fn open(&self, task: u64) -> VideoOpened {
        read(&self.agent("POST", &path(task, ""), json!({})).await)
    }

    pub async fn status(&self, task: u64) -> VideoStatus {
        read(&self.agent("GET", &path(task, ""), Value::Null).await)
    }

    pub async fn end(&self, task: u64, reason: &str) -> VideoStatus {
        read(&self.agent("POST", &path(task, "/end"), json!({"reason": reason})).await)
    }

    pub async fn look(&self, code: &str) -> Looked {
        read(&self.page("look", json!({"code": code})).await)
    }

    pub async fn join(&self, code: &str) -> Joined {
        read(&self.page("join", json!({"code": code})).await)
    }

    pub async fn come_back(&self, code: &str, seat: &str) -> Joined {
        read(&self.page("join", json!({"code": code, "seat": seat})).await)
    }

    pub async fn pulse(&self, seat: &str, in_room: bool) -> Pulsed {
        read(&self.page("pulse", json!({"seat": seat, "in_room": in_room, "quality": 4})).await)
    }

    /// The agent of the task 1 and the customer are in the room: both seats, and the customer's code.
    pub async fn met(&self) -> Met {
        let opened = self.open(1).await;
        let code = code(&opened);
        let agent = self.join(&opened.agent_link).await.seat;
        self.pulse(&agent, true).await;
        let customer = self.join(&code).await.seat;
        self.pulse(&customer, true).await;
        Met { agent, customer, code, agent_link: opened.agent_link }
    }

    /// What must not stand in the log.
    fn noted(&self, answer: Answer) -> Answer {
        if let Ok(body) = serde_json::from_str::<Value>(&answer.body) {
            let mut secrets = self.secrets.borrow_mut();
            for place in ["/seat", "/agent_link", "/admission/token"] {
                secrets.extend(body.pointer(place).and_then(Value::as_str).map(ToOwned::to_owned));
            }
            for place in ["/invitation/url", "/url"] {
                let url = body.pointer(place).and_then(Value::as_str);
                secrets.extend(url.and_then(|url| url.rsplit('/').next()).map(ToOwned::to_owned));
            }
        }
        answer
    }
}

fn all_flags<'f>(cloud: &'f Cloud, flags: &[&'f str]) -> Vec<&'f str> {
    let mut all = VIDEO.to_vec();
    all.extend(["--taskrouter-base-url", &cloud.url, "--video-base-url", &cloud.url]);
    all.extend(["--messages-base-url", &cloud.url]);
    all.extend(flags);
    all
}

impl Drop for Rig {
    fn drop(&mut self) {
        if !std::thread::panicking() {
            let log = capture_log().text();
            let metrics = self.service.state.service.metrics.render();
            for secret in self.secrets.borrow().iter() {
                assert!(
                    !log.contains(secret) && !metrics.contains(secret),
                    "a code, a seat or a token is shown"
                );
            }
        }
    }
}

pub struct Met {
    pub agent: String,
    pub customer: String,
    pub code: String,
    pub agent_link: String,
}

pub fn path(task: u64, what: &str) -> String {
    format!("/v1/video/tasks/{}{what}", sid("WT", task))
}

pub fn code(opened: &VideoOpened) -> String {
    let invitation = opened.invitation.as_ref().unwrap();
    invitation.url.strip_prefix("https://video.example/v/").unwrap().to_owned()
}

pub fn read<T: DeserializeOwned>(answer: &Answer) -> T {
    assert_eq!(answer.status, 200, "{}", answer.body);
    assert_eq!(answer.header("cache-control"), Some("no-store"));
    serde_json::from_str(&answer.body).unwrap()
}

/// `404 not_found`, after checking that the body is an error body.
pub fn error(answer: &Answer) -> String {
    assert_eq!(answer.header("content-type"), Some("application/problem+json"), "{}", answer.body);
    let body: VideoErrorBody = serde_json::from_str(&answer.body).unwrap();
    assert_eq!(Some(body.request_id.as_str()), answer.header("x-request-id"));
    let comes_again = ["rate_limited", "upstream_unavailable", "internal"].contains(&body.code.as_str());
    assert_eq!(answer.header("retry-after").is_some(), comes_again, "{}", answer.body);
    format!("{} {}", answer.status.as_u16(), body.code.as_str())
}
