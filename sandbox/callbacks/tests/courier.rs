//! The courier against a developer's server.
#![expect(clippy::unwrap_used, reason = "a test's helpers may panic too")]

use std::sync::{Arc, Mutex};
use std::time::Duration;

use axum::Router;
use axum::body::Bytes;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode, Uri};
use axum::routing::any;
use kernel::Secret;
use sandbox_callbacks::{
    Callback, Config, Courier, Failure, Fault, FaultKind, Method, Outcome, Product, Signer, Targets,
};
use tokio::net::TcpListener;
use twilio::signature::{SIGNATURE_HEADER, verify_form};

const AUTH_TOKEN: &str = "12345";

#[derive(Clone, Default)]
struct Server {
    heard: Arc<Mutex<Vec<(String, HeaderMap, String)>>>,
}

impl Server {
    /// Answers with the status that the path names, `/never` not at all.
    async fn start() -> (Self, String) {
        let server = Self::default();
        let app = Router::new().fallback(any(hear)).with_state(server.clone());
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let base = format!("http://{}", listener.local_addr().unwrap());
        tokio::spawn(async move { axum::serve(listener, app).await.unwrap() });
        (server, base)
    }

    fn bodies(&self) -> Vec<String> {
        self.heard.lock().unwrap().iter().map(|(_, _, body)| body.clone()).collect()
    }
}

async fn hear(
    State(server): State<Server>,
    uri: Uri,
    headers: HeaderMap,
    body: Bytes,
) -> (StatusCode, String) {
    let body = String::from_utf8(body.to_vec()).unwrap();
    server.heard.lock().unwrap().push((uri.to_string(), headers, body.clone()));
    if uri.path() == "/never" {
        std::future::pending::<()>().await;
    }
    let status = uri.path().trim_start_matches('/').parse().ok();
    (status.and_then(|code| StatusCode::from_u16(code).ok()).unwrap_or(StatusCode::OK), body)
}

fn courier(targets: Targets) -> Courier {
    Courier::start(Config { signer: Signer::AuthToken(Secret::new(AUTH_TOKEN)), targets })
}

fn callback(product: Product, url: String, body: &str) -> Callback {
    Callback {
        product,
        kind: "onMessageAdd".into(),
        url,
        fallback_url: None,
        method: Method::Post,
        params: vec![
            ("Body".into(), body.into()),
            ("MessagingBinding.Address".into(), "+15550100123".into()),
        ],
    }
}

/// Waits until so many are over.
async fn over(courier: &Courier, count: usize) {
    let mut records = courier.subscribe();
    while courier.records().len() < count {
        tokio::time::timeout(Duration::from_secs(30), records.recv()).await.unwrap().unwrap();
    }
}

#[tokio::test]
async fn a_form_arrives_signed_and_its_answer_comes_back() {
    let (server, base) = Server::start().await;
    let courier = courier(Targets::default());
    let url = format!("{base}/hook?a=b");
    let asked = callback(Product::Conversations, format!("{url}#rc=2"), "à & b");
    let params = asked.params.clone();
    let Outcome::Answered(reply) = courier.ask(asked).await else { panic!("no answer") };
    assert_eq!(reply.status, 200);
    assert_eq!(reply.body, b"Body=%C3%A0+%26+b&MessagingBinding.Address=%2B15550100123");
    let heard = server.heard.lock().unwrap().clone();
    let (path, headers, _) = &heard[0];
    assert_eq!(path, "/hook?a=b");
    assert_eq!(headers["content-type"], "application/x-www-form-urlencoded; charset=UTF-8");
    let signature = headers[SIGNATURE_HEADER].to_str().unwrap();
    assert_eq!(verify_form(&Secret::new(AUTH_TOKEN), &url, &params, signature), Ok(()));
    let record = &courier.records()[0];
    assert_eq!((record.outcome, record.status, record.attempts), ("answered", Some(200), 1));
}

#[tokio::test]
async fn what_is_queued_arrives_in_its_order_and_nobody_waits() {
    let (server, base) = Server::start().await;
    let courier = courier(Targets::default());
    courier.add_fault(
        1,
        Fault { kind: FaultKind::Delay { ms: 50 }, product: None, event: None, times: Some(1) },
    );
    for number in 1..=5 {
        courier.post("q", callback(Product::Conversations, format!("{base}/hook"), &number.to_string()));
    }
    over(&courier, 5).await;
    assert!(courier.faults().await.is_empty());
    let numbers: Vec<String> =
        server.bodies().iter().map(|body| body.trim_start_matches("Body=")[..1].to_owned()).collect();
    assert_eq!(numbers, ["1", "2", "3", "4", "5"]);
}

#[tokio::test]
async fn a_server_that_is_not_there_does_not_answer_or_errs_is_told_apart() {
    let (server, base) = Server::start().await;
    let courier = courier(Targets::default());
    let closed = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let nobody = callback(Product::Twiml, format!("http://{closed}/"), "x");
    assert_eq!(courier.ask(nobody).await, Outcome::Failed(Failure::Connect));
    assert_eq!(courier.records()[0].attempts, 2);
    let silent = callback(Product::Twiml, format!("{base}/never#rt=100&ct=100"), "x");
    assert_eq!(courier.ask(silent).await, Outcome::Failed(Failure::Timeout));
    let error = callback(Product::Twiml, format!("{base}/503#rp=5xx&rc=2"), "x");
    let Outcome::Answered(reply) = courier.ask(error).await else { panic!("no answer") };
    assert_eq!(reply.status, 503);
    let heard = server.heard.lock().unwrap().clone();
    let tokens: Vec<_> = heard
        .iter()
        .filter(|(path, _, _)| path == "/503")
        .map(|(_, headers, _)| headers["i-twilio-idempotency-token"].clone())
        .collect();
    assert_eq!(tokens.len(), 3);
    assert!(tokens.iter().all(|token| *token == tokens[0]), "{tokens:?}");
}

#[tokio::test]
async fn a_redirect_leads_nowhere_and_an_impersonated_host_to_what_stands_behind_it() {
    let (server, base) = Server::start().await;
    let mut targets = Targets::default();
    targets.alias("service.example.com", &base);
    let courier = courier(targets);
    let Outcome::Answered(reply) = courier.ask(callback(Product::Twiml, format!("{base}/302"), "x")).await
    else {
        panic!("no answer")
    };
    assert_eq!(reply.status, 302);
    let aliased = "https://service.example.com/hook".to_owned();
    let asked = callback(Product::Conversations, aliased.clone(), "x");
    let params = asked.params.clone();
    assert!(matches!(courier.ask(asked).await, Outcome::Answered(_)));
    let heard = server.heard.lock().unwrap().clone();
    let (path, headers, _) = heard.last().unwrap();
    assert_eq!((path.as_str(), headers["host"].to_str().unwrap()), ("/hook", "service.example.com"));
    let signature = headers[SIGNATURE_HEADER].to_str().unwrap();
    assert_eq!(verify_form(&Secret::new(AUTH_TOKEN), &aliased, &params, signature), Ok(()));
    assert_eq!(
        courier.ask(callback(Product::Conversations, "https://example.com/".into(), "x")).await,
        Outcome::Refused
    );
}

#[tokio::test]
async fn names_below_localhost_lead_to_this_machine_whatever_a_resolver_says() {
    let (_, base) = Server::start().await;
    let courier = courier(Targets::default());
    for name in ["localhost", "no-resolver-knows-me.localhost"] {
        let url = base.replace("127.0.0.1", name);
        let outcome = courier.ask(callback(Product::Conversations, url, "x")).await;
        assert!(matches!(outcome, Outcome::Answered(_)), "{name}: {outcome:?}");
    }
}

#[tokio::test]
async fn a_fault_lasts_until_it_is_removed() {
    let (server, base) = Server::start().await;
    let courier = courier(Targets::default());
    courier.add_fault(7, Fault { kind: FaultKind::Lose, product: None, event: None, times: None });
    let told = || callback(Product::Conversations, format!("{base}/hook"), "x");
    courier.post("q", told());
    over(&courier, 1).await;
    assert_eq!(courier.faults().await.len(), 1);
    assert!(courier.remove_fault(7).await && !courier.remove_fault(7).await);
    courier.post("q", told());
    over(&courier, 2).await;
    assert_eq!((courier.records()[0].outcome, courier.records()[1].outcome), ("lost", "answered"));
    assert_eq!(server.bodies().len(), 1);
}
