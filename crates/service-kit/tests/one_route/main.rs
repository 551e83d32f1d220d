//! What a service of one route has from the kit: its listener, settings, log, problems, metrics, documents and stop.

#![expect(clippy::unwrap_used, reason = "a helper of a test may panic, as the test itself may")]

mod connections;
mod greeter;

use std::{
    io::Write,
    sync::{Arc, Mutex, Once},
    time::Duration,
};

use greeter::{Config, serving};
use kernel::Timestamp;
use serde_json::Value;
use service_kit::{
    env::{Clock, NoRandomness, Random},
    server::Server,
};
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::TcpStream,
    sync::{Semaphore, mpsc},
    task::JoinHandle,
    time::timeout,
};

/// Time stands still, and everything is called alike.
struct Still;

impl Clock for Still {
    fn now(&self) -> Timestamp {
        Timestamp::default()
    }
    fn elapsed(&self) -> Duration {
        Duration::ZERO
    }
}

impl Random for Still {
    fn fill(&self, bytes: &mut [u8]) -> Result<(), NoRandomness> {
        bytes.fill(7);
        Ok(())
    }
}

/// All that is logged in this process.
static LOG: Mutex<Vec<u8>> = Mutex::new(Vec::new());

struct Log;

impl Write for Log {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        Write::write(&mut *LOG.lock().unwrap(), bytes)
    }
    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

fn logged() -> Vec<Value> {
    let text = String::from_utf8(LOG.lock().unwrap().clone()).unwrap();
    text.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

struct Running {
    port: u16,
    admin_port: u16,
    stop: mpsc::Sender<&'static str>,
    ended: JoinHandle<anyhow::Result<()>>,
    /// One greeting is given for each.
    may: Arc<Semaphore>,
}

const LIMIT: Duration = Duration::from_secs(60);

impl Running {
    async fn start(settings: &str) -> Self {
        static INSTALL: Once = Once::new();
        INSTALL.call_once(|| {
            let filter = service_kit::log::filter("warn,one_route=info", "one-route").unwrap();
            tracing::subscriber::set_global_default(service_kit::log::subscriber(filter, || Log)).unwrap();
        });
        let config = Config::new(&format!("port = 0\nadmin_port = 0\n{settings}"), &[]).unwrap();
        let may = Arc::new(Semaphore::new(0));
        let serving = serving(&config, Arc::new(Still), Arc::new(Still), Arc::clone(&may));
        let server = Server::bind(&config.server, serving).unwrap();
        let (stop, told_to_stop) = mpsc::channel(1);
        let (port, admin_port) = (server.port, server.admin_port);
        Self { port, admin_port, stop, ended: tokio::spawn(server.serve(told_to_stop)), may }
    }

    async fn get(&self, path: &str) -> String {
        exchange(self.port, path).await.unwrap()
    }

    async fn metrics(&self) -> String {
        exchange(self.admin_port, "/metrics").await.unwrap()
    }

    async fn until_metrics_say(&self, line: &str) {
        timeout(LIMIT, async { while !self.metrics().await.contains(line) {} }).await.unwrap();
    }

    async fn stop(self) {
        self.stop.send("the test is over").await.unwrap();
        timeout(LIMIT, self.ended).await.unwrap().unwrap().unwrap();
    }
}

/// The whole answer, as text.
async fn exchange(port: u16, path: &str) -> std::io::Result<String> {
    let mut stream = TcpStream::connect(("127.0.0.1", port)).await?;
    let request = format!("GET {path} HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n");
    stream.write_all(request.as_bytes()).await?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await?;
    Ok(answer)
}

fn body(answer: &str) -> Value {
    serde_json::from_str(answer.split_once("\r\n\r\n").unwrap().1).unwrap()
}

#[tokio::test]
async fn a_service_of_one_route_answers_counts_and_logs_each_request_in_one_line_without_its_path() {
    let service = Running::start("greeting = \"ahoy\"").await;
    service.may.add_permits(1);
    let answer = service.get("/v1/greetings/canary-ann?and=canary").await;
    assert!(answer.starts_with("HTTP/1.1 200 OK\r\n"), "{answer}");
    assert_eq!(body(&answer)["greeting"], "ahoy, canary-ann");
    for header in [
        "x-request-id: 070707070707070707070707",
        "cache-control: no-store",
        "x-content-type-options: nosniff",
    ] {
        assert!(answer.contains(&format!("\r\n{header}\r\n")), "{header}: {answer}");
    }
    let counted = r#"greeter_requests_total{route="/v1/greetings/{name}",outcome="200"} 1"#;
    assert!(service.metrics().await.contains(counted));
    assert!(service.get("/nothing").await.starts_with("HTTP/1.1 404 "));
    assert!(exchange(service.admin_port, "/live").await.unwrap().ends_with("live\n"));
    service.stop().await;
    let lines = logged();
    let line =
        lines.iter().find(|line| line["route"] == "/v1/greetings/{name}" && line["status"] == 200).unwrap();
    assert_eq!((&line["message"], &line["client"]), (&"request".into(), &"127.0.0.1".into()));
    assert!(!format!("{lines:?}").contains("canary"));
}

#[tokio::test]
async fn what_goes_wrong_is_a_problem_whose_cause_only_the_log_knows() {
    let service = Running::start("").await;
    let answer = service.get("/v1/greetings/1").await;
    assert!(answer.starts_with("HTTP/1.1 400 "), "{answer}");
    assert!(answer.contains("\r\ncontent-type: application/problem+json\r\n"), "{answer}");
    let problem = body(&answer);
    assert_eq!((&problem["code"], &problem["type"]), (&"bad_name".into(), &"/docs#bad_name".into()));
    assert_eq!(
        (&problem["detail"], &problem["title"]),
        (&"that is no name".into(), &"Nobody is called so".into())
    );
    assert!(!answer.contains("no letter in it"));
    // A panic costs one request.
    let answer = service.get("/v1/greetings/nemo").await;
    assert!(answer.starts_with("HTTP/1.1 500 ") && !answer.contains("canary"), "{answer}");
    service.may.add_permits(100);
    let mut answers = Vec::new();
    for _ in 0..5 {
        answers.push(service.get("/v1/greetings/ann").await);
    }
    let limited = answers.last().unwrap();
    assert!(limited.contains("\r\nretry-after: 1\r\nratelimit: \"address\";r=0;t=1\r\n"), "{limited}");
    assert_eq!(body(limited)["code"], "rate_limited");
    service.stop().await;
    let causes: Vec<Value> = logged().into_iter().filter(|line| line["cause"] == "no letter in it").collect();
    assert_eq!(causes.len(), 1);
}

#[tokio::test]
async fn the_documents_are_made_of_the_features_and_of_the_kinds_of_problems() {
    let service = Running::start("").await;
    let document = body(&service.get("/openapi.json").await);
    let paths: Vec<&String> = document["paths"].as_object().unwrap().keys().collect();
    assert_eq!(paths, ["/docs", "/openapi.json", "/v1/greetings/{name}"]);
    assert_eq!(document["info"]["title"], "Greeter");
    let codes = &document["components"]["schemas"]["ProblemBody"]["properties"]["code"]["enum"];
    assert_eq!(*codes, serde_json::json!(["bad_name", "rate_limited", "unavailable", "internal"]));
    let page = service.get("/docs").await;
    let (greets, about) = (page.find("GET /v1/greetings/{name}").unwrap(), page.find("GET /docs").unwrap());
    assert!(greets < about, "what the service is for comes first");
    assert!(page.contains("<tr id=\"bad_name\">"));
    service.stop().await;
}

#[tokio::test]
async fn told_to_stop_it_finishes_what_it_has_begun_and_told_twice_it_does_not() {
    let service = Running::start("").await;
    let asked = tokio::spawn(exchange(service.port, "/v1/greetings/ann"));
    service.until_metrics_say("greeter_requests_in_flight 1\n").await;
    service.stop.send("the test wants it").await.unwrap();
    let not_ready = async {
        while !exchange(service.admin_port, "/ready").await.unwrap().starts_with("HTTP/1.1 503 ") {}
    };
    timeout(LIMIT, not_ready).await.unwrap();
    // Whoever comes now finds nobody, as soon as the listener is closed.
    timeout(LIMIT, async { while exchange(service.port, "/nothing").await.is_ok() {} }).await.unwrap();
    assert!(!asked.is_finished());
    service.may.add_permits(1);
    assert!(timeout(LIMIT, asked).await.unwrap().unwrap().unwrap().starts_with("HTTP/1.1 200 "));
    timeout(LIMIT, service.ended).await.unwrap().unwrap().unwrap();

    let service = Running::start("").await;
    let asked = tokio::spawn(exchange(service.port, "/v1/greetings/ann"));
    service.until_metrics_say("greeter_requests_in_flight 1\n").await;
    service.stop.send("once").await.unwrap();
    service.stop.send("twice").await.unwrap();
    timeout(LIMIT, service.ended).await.unwrap().unwrap().unwrap();
    asked.abort();
}

#[test]
fn every_mistake_in_the_settings_is_told_at_once_and_no_value_is_repeated() {
    let file = "port = 70000\nhost = \"canary\"\ngreeting = \"canary 1\"\ngreting = \"canary\"\ntls_key = \"canary.pem\"\nmax_in_flight = 0\n";
    let errors = Config::new(file, &[("GREETER_PASSWORD", "password")]).unwrap_err().to_string();
    assert!(!errors.contains("canary"), "{errors}");
    let lines: Vec<&str> = errors.lines().collect();
    assert_eq!(
        lines,
        [
            "--tls-certificate must be set: the certificate of --tls-key",
            "host is not a valid address",
            "port is not a valid port (0 to 65535)",
            "max_in_flight is not a valid number (1 or more)",
            "greeting is not a valid greeting (a word)",
            "GREETER_PASSWORD is not a valid secret (1 to 256 visible characters, not that one)",
            "greting is no setting; is it misspelt?",
        ]
    );
    let config = Config::new("", &[("GREETER_PASSWORD", "canary-secret")]).unwrap();
    assert!(config.password.is_some() && !format!("{config:?}").contains("canary"));
    assert_eq!((config.greeting.as_str(), config.server.address.port()), ("hello", 8000));
}
