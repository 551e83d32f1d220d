//! The Flex cloud alone, over TLS, with a telephone that answers by itself: for working on this crate with a browser.
//!
//! ```text
//! cargo run -p sandbox-flex --example flex_only -- 18543 FLEX_BUNDLE.js [PLUGIN.js]
//! chromium --host-resolver-rules="MAP * 127.0.0.1:18543" --ignore-certificate-errors https://flex.twilio.com/
//! ```
//!
//! `POST https://sandbox.test/<word>` drives it: `task`, `hangup`, `agent-hangup`, `reset`, `ttl/<seconds>`, and
//! `GET https://sandbox.test/state` shows it.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use anyhow::Context as _;
use axum::extract::ws::{Message, WebSocket, WebSocketUpgrade};
use axum::extract::{Path, Request, State};
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse as _, Response};
use axum::routing::{get, post};
use axum::{Json, Router};
use hyper_util::rt::{TokioExecutor, TokioIo};
use hyper_util::server::conn::auto::Builder;
use hyper_util::service::TowerToHyperService;
use rustls::pki_types::PrivatePkcs8KeyDer;
use sandbox_flex::{Fault, FlexCloud, LegCommand, LegEnd, PluginFile, Settings};
use serde_json::{Value, json};
use tokio::net::TcpListener;
use tokio_rustls::TlsAcceptor;
use tower::ServiceExt as _;

#[derive(Clone)]
struct App {
    cloud: FlexCloud,
    leg: Arc<Mutex<Option<kernel::CallSid>>>,
}

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    tracing_subscriber::fmt()
        .with_writer(std::io::stderr)
        .with_env_filter(tracing_subscriber::EnvFilter::from_default_env())
        .init();
    let mut arguments = std::env::args().skip(1);
    let port: u16 = arguments.next().context("port")?.parse()?;
    let settings = Settings {
        flex_bundles: arguments.next().and_then(|text| text.parse().ok()).into_iter().collect(),
        plugins: arguments.next().map(PluginFile::holdfast).into_iter().collect(),
        features: std::env::var("FEATURES")
            .unwrap_or_default()
            .split(',')
            .filter(|f| !f.is_empty())
            .map(Into::into)
            .collect(),
        ..Settings::default()
    };
    let (cloud, mut commands) = FlexCloud::start(settings);
    let app = App { cloud: cloud.clone(), leg: Arc::default() };

    let telephone = app.clone();
    tokio::spawn(async move {
        while let Some(command) = commands.recv().await {
            tracing::info!(?command, "telephone");
            match command {
                LegCommand::CallWorker { call_sid, .. } => {
                    *telephone.leg.lock().unwrap_or_else(PoisonError::into_inner) = Some(call_sid.clone());
                    tokio::time::sleep(Duration::from_millis(300)).await;
                    telephone.cloud.agent_leg_answered(&call_sid);
                }
                LegCommand::EndLeg { call_sid } => {
                    telephone.cloud.agent_leg_ended(&call_sid, LegEnd::Completed)
                }
                LegCommand::SetLine { .. } => {}
            }
        }
    });

    let own = Router::new()
        .route("/state", get(async |State(app): State<App>| Json(app.cloud.state())))
        .route("/ttl/{seconds}", post(ttl))
        .route("/{word}", post(control))
        .with_state(app);
    let voice = Router::new().fallback(async |upgrade: WebSocketUpgrade| upgrade.on_upgrade(signalling));
    let twilio = cloud.router();
    let router = Router::new().fallback(move |request: Request| {
        let (own, voice, twilio) = (own.clone(), voice.clone(), twilio.clone());
        async move {
            let host = request
                .headers()
                .get(header::HOST)
                .and_then(|h| h.to_str().ok())
                .unwrap_or_default()
                .to_owned();
            let router = match host.as_str() {
                h if h.starts_with("sandbox.test") => own,
                h if h.starts_with("voice-js.") => voice,
                _ => twilio,
            };
            router.oneshot(request).await
        }
    });

    let certified = rcgen::generate_simple_self_signed(["*.twilio.com".to_owned()])?;
    let key = PrivatePkcs8KeyDer::from(certified.signing_key.serialize_der());
    let config = rustls::ServerConfig::builder()
        .with_no_client_auth()
        .with_single_cert(vec![certified.cert.der().clone()], key.into())?;
    let acceptor = TlsAcceptor::from(Arc::new(config));
    let listener = TcpListener::bind(("127.0.0.1", port)).await?;
    tracing::info!(port, "listening");
    loop {
        let (tcp, _) = listener.accept().await?;
        let (acceptor, router) = (acceptor.clone(), router.clone());
        tokio::spawn(async move {
            let Ok(tls) = acceptor.accept(tcp).await else { return };
            let service = TowerToHyperService::new(router);
            let served = Builder::new(TokioExecutor::new())
                .serve_connection_with_upgrades(TokioIo::new(tls), service)
                .await;
            if let Err(problem) = served {
                tracing::debug!(%problem, "connection");
            }
        });
    }
}

async fn ttl(State(app): State<App>, Path(seconds): Path<u64>) -> Json<Value> {
    app.cloud.add_fault(Fault::FlexTokenTtl { seconds });
    Json(json!({}))
}

async fn control(State(app): State<App>, Path(word): Path<String>) -> Response {
    let leg = app.leg.lock().unwrap_or_else(PoisonError::into_inner).clone();
    match (word.as_str(), leg) {
        ("task", _) => return Json(app.cloud.create_voice_task("+15550100123")).into_response(),
        ("hangup", Some(leg)) => app.cloud.customer_hung_up(leg.as_str()),
        ("agent-hangup", Some(leg)) => app.cloud.agent_leg_ended(&leg, LegEnd::Completed),
        ("reset", _) => app.cloud.reset(),
        _ => return StatusCode::NOT_FOUND.into_response(),
    }
    Json(json!({})).into_response()
}

/// Enough of the Voice gateway that Flex's own device registers.
async fn signalling(mut socket: WebSocket) {
    while let Some(Ok(Message::Text(text))) = socket.recv().await {
        let message: Value = serde_json::from_str(&text).unwrap_or_default();
        let answer = match message["type"].as_str() {
            Some("listen") => {
                let token = message["payload"]["token"].as_str().unwrap_or_default();
                tracing::info!(parts = token.split('.').count(), "a device listens");
                json!({ "type": "connected", "payload": { "region": "us1", "edge": "ashburn", "home": "us1" } })
            }
            Some("register") => json!({ "type": "ready", "payload": {} }),
            _ if text.trim().is_empty() => {
                if socket.send(Message::Text("\n".into())).await.is_err() {
                    return;
                }
                continue;
            }
            _ => continue,
        };
        let mut answer = answer;
        answer["version"] = json!("1.6");
        if socket.send(Message::Text(answer.to_string().into())).await.is_err() {
            return;
        }
    }
}
