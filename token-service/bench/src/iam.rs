//! Twilio's IAM, as far as token services ask it: `POST /v1/Accounts/{AC}/Tokens/validate`, over TLS 1.3, HTTP/1.1 with
//! connections kept. A token with an agent's name between its first two dots is valid, and that agent's.

use std::{cell::Cell, net::Ipv4Addr, path::PathBuf, rc::Rc, sync::Arc, time::Instant};

use anyhow::{Context as _, Result};
use clap::Args;
use serde_json::{Value, json};
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::{TcpListener, TcpStream},
    task::{LocalSet, spawn_local},
};
use tokio_rustls::{
    TlsAcceptor,
    rustls::{ServerConfig, pki_types::PrivateKeyDer},
};

use crate::http::Inbox;

#[derive(Args)]
pub struct Options {
    /// Where to write the certificate that clients must trust
    #[arg(long)]
    ca: PathBuf,
    /// How many questions in a second are answered; the others are told that they come too often
    #[arg(long, default_value_t = u64::MAX, hide_default_value = true)]
    per_second: u64,
}

/// Twilio's patience.
struct Pace {
    per_second: u64,
    start: Instant,
    /// The second, and how many questions came in it.
    seen: Cell<(u64, u64)>,
}

impl Pace {
    fn admits(&self) -> bool {
        let now = self.start.elapsed().as_secs();
        let (second, before) = self.seen.get();
        let count = if second == now { before + 1 } else { 1 };
        self.seen.set((now, count));
        count <= self.per_second
    }
}

/// Serves until standard input ends.
pub async fn run(options: Options) -> Result<()> {
    let names = ["iam.twilio.com", "localhost", "127.0.0.1"].map(String::from);
    let made = rcgen::generate_simple_self_signed(names)?;
    std::fs::write(&options.ca, made.cert.pem()).with_context(|| options.ca.display().to_string())?;
    let key = PrivateKeyDer::try_from(made.signing_key.serialize_der()).map_err(anyhow::Error::msg)?;
    let tls =
        ServerConfig::builder().with_no_client_auth().with_single_cert(vec![made.cert.der().clone()], key)?;
    let tls = TlsAcceptor::from(Arc::new(tls));
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await?;
    println!("{}", json!({"event": "ready", "port": listener.local_addr()?.port()}));
    let pace = Rc::new(Pace { per_second: options.per_second, start: Instant::now(), seen: Cell::default() });
    LocalSet::new().run_until(accept(listener, tls, pace)).await
}

async fn accept(listener: TcpListener, tls: TlsAcceptor, pace: Rc<Pace>) -> Result<()> {
    let mut stdin = tokio::io::stdin();
    let (mut ignored, mut open) = ([0; 64], true);
    while open {
        tokio::select! {
            accepted = listener.accept() => {
                let (stream, _) = accepted?;
                let (tls, pace) = (tls.clone(), Rc::clone(&pace));
                // A client that goes away halfway is its own business.
                spawn_local(async move { serve(stream, tls, &pace).await.unwrap_or_default() });
            }
            read = stdin.read(&mut ignored) => open = read? > 0,
        }
    }
    Ok(())
}

async fn serve(stream: TcpStream, tls: TlsAcceptor, pace: &Pace) -> Result<()> {
    stream.set_nodelay(true)?;
    let mut stream = tls.accept(stream).await?;
    let mut inbox = Inbox::default();
    while let Some(request) = inbox.next(&mut stream).await? {
        let (status, answer) = if pace.admits() {
            ("200 OK", answer(request.body)?)
        } else {
            ("429 Too Many Requests\r\nRetry-After: 1", "{}".to_owned())
        };
        let head = format!(
            "HTTP/1.1 {status}\r\nContent-Type: application/json\r\nContent-Length: {}\r\n\r\n{answer}",
            answer.len()
        );
        stream.write_all(head.as_bytes()).await?;
        stream.flush().await?;
    }
    Ok(())
}

fn answer(body: &[u8]) -> Result<String> {
    let asked: Value = serde_json::from_slice(body)?;
    let token = asked["token"].as_str().context("no token")?;
    let Some(agent) = token.split('.').nth(1) else {
        return Ok(json!({"valid": false, "code": 20101, "message": "Invalid Access Token"}).to_string());
    };
    Ok(json!({
        "valid": true,
        "code": 0,
        "message": null,
        "expiration": "2099-01-01T00:00:00.000Z",
        "realm_user_id": "user@example.com",
        "identity": agent,
        "roles": ["agent"],
        "worker_sid": "WK00000000000000000000000000000000",
    })
    .to_string())
}
