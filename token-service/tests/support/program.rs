//! The program as it is started, and what is asked of it.

#![allow(dead_code, clippy::allow_attributes, reason = "each test file uses a part of this")]

use std::{
    process::Stdio,
    time::{Duration, Instant},
};

use serde_json::{Value, json};
use tokio::{
    io::{AsyncBufReadExt as _, AsyncReadExt as _, BufReader},
    process::{Child, Command},
    time::timeout,
};
use wiremock::{Mock, MockServer, ResponseTemplate, matchers::any};

use crate::support::{ACCOUNT, AUTH, FLEX_TOKEN, KEY, KEY_SECRET, ORIGIN, WORKER, assert_no_secret};

pub fn command(iam: &str) -> Command {
    let mut command = Command::new(std::env::var_os("CARGO_BIN_EXE_token-service").unwrap());
    command
        .env_clear()
        .env("TWILIO_ACCOUNT_SID", ACCOUNT)
        .env("TWILIO_API_KEY_SID", KEY)
        .env("TWILIO_API_KEY_SECRET", KEY_SECRET)
        .env("TWILIO_AUTH_TOKEN", AUTH)
        .args(["--port", "0", "--admin-port", "0", "--allowed-origin", ORIGIN, "--iam-base-url", iam])
        .env("TOKEN_SERVICE_LOG", "trace")
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .kill_on_drop(true);
    command
}

pub struct Process {
    pub child: Child,
    pub port: u16,
    pub admin_port: u16,
}

#[expect(clippy::disallowed_methods, reason = "the time that really passes is what is measured")]
pub fn now() -> Instant {
    Instant::now()
}

pub async fn start(iam: &str, flags: &[&str]) -> Process {
    let mut command = command(iam);
    command.args(flags);
    ready(command).await
}

pub async fn ready(mut command: Command) -> Process {
    let mut child = command.spawn().unwrap();
    let mut line = String::new();
    let mut stdout = BufReader::new(child.stdout.take().unwrap());
    // A debug build of 80 MB may have to come from a disk that others use.
    timeout(Duration::from_secs(60), stdout.read_line(&mut line)).await.unwrap().unwrap();
    let ready: Value = serde_json::from_str(&line).unwrap();
    assert_eq!(ready["event"], "ready");
    let port = |name: &str| u16::try_from(ready[name].as_u64().unwrap()).unwrap();
    Process { port: port("port"), admin_port: port("admin_port"), child }
}

impl Process {
    pub fn signal(&self, name: &str) {
        let id = self.child.id().unwrap().to_string();
        assert!(std::process::Command::new("kill").args([name, &id]).status().unwrap().success());
    }

    /// Waits for the end; returns the exit code and all that was logged.
    pub async fn ended(mut self) -> (Option<i32>, String) {
        let mut log = String::new();
        let mut stderr = self.child.stderr.take().unwrap();
        timeout(Duration::from_secs(10), stderr.read_to_string(&mut log)).await.unwrap().unwrap();
        assert_no_secret(&log);
        (timeout(Duration::from_secs(5), self.child.wait()).await.unwrap().unwrap().code(), log)
    }

    pub fn ask(&self) -> tokio::task::JoinHandle<(u16, Value)> {
        let request = reqwest::Client::builder()
            .no_proxy()
            .build()
            .unwrap()
            .post(format!("http://127.0.0.1:{}/v1/voice/token", self.port))
            .bearer_auth(FLEX_TOKEN)
            .header("origin", ORIGIN)
            .json(&json!({"account_sid": ACCOUNT, "identity_prefix": "ext_"}));
        tokio::spawn(async move {
            let response = request.send().await.unwrap();
            (response.status().as_u16(), response.json().await.unwrap())
        })
    }

    pub async fn admin(&self, path: &str) -> (u16, String) {
        let client = reqwest::Client::builder().no_proxy().build().unwrap();
        let response =
            client.get(format!("http://127.0.0.1:{}{path}", self.admin_port)).send().await.unwrap();
        (response.status().as_u16(), response.text().await.unwrap())
    }
}

pub async fn twilio(delay: Duration) -> MockServer {
    let server = MockServer::start().await;
    let body = json!({
        "valid": true, "expiration": "2999-01-01T00:00:00Z", "identity": "ann", "roles": ["agent"], "worker_sid": WORKER,
    });
    let answer = ResponseTemplate::new(200).set_body_json(body).set_delay(delay);
    Mock::given(any()).respond_with(answer).mount(&server).await;
    server
}
