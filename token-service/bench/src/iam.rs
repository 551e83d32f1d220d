//! Twilio's IAM, as far as token services ask it: `POST /v1/Accounts/{AC}/Tokens/validate`, over TLS 1.3, HTTP/1.1 with
//! connections kept. A token with an agent's name between its first two dots is valid, and that agent's.

use std::{net::Ipv4Addr, path::PathBuf, sync::Arc};

use anyhow::{Context as _, Result};
use clap::Args;
use serde_json::{Value, json};
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::{TcpListener, TcpStream},
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
    let mut stdin = tokio::io::stdin();
    let (mut ignored, mut open) = ([0; 64], true);
    while open {
        tokio::select! {
            accepted = listener.accept() => {
                let (stream, _) = accepted?;
                let tls = tls.clone();
                // A client that goes away in the middle is its own business.
                tokio::spawn(async move { serve(stream, tls).await.unwrap_or_default() });
            }
            read = stdin.read(&mut ignored) => open = read? > 0,
        }
    }
    Ok(())
}

async fn serve(stream: TcpStream, tls: TlsAcceptor) -> Result<()> {
    stream.set_nodelay(true)?;
    let mut stream = tls.accept(stream).await?;
    let mut inbox = Inbox::default();
    while let Some(request) = inbox.next(&mut stream).await? {
        let answer = answer(request.body)?;
        let head = format!(
            "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: {}\r\n\r\n{answer}",
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
