//! The throw-away certificate, and a listener that `axum::serve` takes.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context as _;
use aws_lc_rs::digest;
use axum::serve::Listener;
use base64::Engine as _;
use rcgen::{CertifiedKey, PublicKeyData as _, generate_simple_self_signed};
use rustls::ServerConfig;
use rustls::pki_types::{PrivateKeyDer, PrivatePkcs8KeyDer};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::mpsc;
use tokio_rustls::TlsAcceptor;
use tokio_rustls::server::TlsStream;

/// A certificate for the impersonated hosts, made at every start, and what makes a browser trust it.
pub(crate) struct Certificate {
    pub(crate) acceptor: TlsAcceptor,
    /// SHA-256 of its public key (SPKI), base64: Chromium's `--ignore-certificate-errors-spki-list` takes it. Unlike
    /// `--ignore-certificate-errors` that trusts this one key and nothing else, and leaves Chromium's cache at work:
    /// what came with a certificate error is never cached, so that every reload would load 17 MB of Flex UI again.
    pub(crate) spki_sha256: String,
}

/// Makes the certificate.
///
/// # Errors
/// If the certificate cannot be made.
pub(crate) fn certificate(token_host: &str) -> anyhow::Result<Certificate> {
    let names = [
        "*.twilio.com",
        "*.us1.twilio.com",
        "*.vss.twilio.com",
        "*.twiliocdn.com",
        "*.twil.io",
        token_host,
        "localhost",
    ];
    let CertifiedKey { cert, signing_key } =
        generate_simple_self_signed(names.map(str::to_owned)).context("making a certificate")?;
    let spki = digest::digest(&digest::SHA256, &signing_key.subject_public_key_info());
    let spki_sha256 = base64::engine::general_purpose::STANDARD.encode(spki);
    let key = PrivateKeyDer::Pkcs8(PrivatePkcs8KeyDer::from(signing_key.serialize_der()));
    let mut config =
        ServerConfig::builder_with_provider(Arc::new(rustls::crypto::aws_lc_rs::default_provider()))
            .with_safe_default_protocol_versions()
            .context("choosing TLS versions")?
            .with_no_client_auth()
            .with_single_cert(vec![cert.der().clone()], key)
            .context("using the certificate")?;
    config.alpn_protocols = vec![b"http/1.1".to_vec()];
    Ok(Certificate { acceptor: TlsAcceptor::from(Arc::new(config)), spki_sha256 })
}

/// Connections whose TLS handshake is done. Handshakes run side by side, so a slow client delays nobody.
pub(crate) struct TlsListener {
    ready: mpsc::Receiver<(TlsStream<TcpStream>, SocketAddr)>,
    address: SocketAddr,
}

impl TlsListener {
    pub(crate) fn new(listener: TcpListener, acceptor: TlsAcceptor) -> io::Result<Self> {
        let address = listener.local_addr()?;
        let (sender, ready) = mpsc::channel(64);
        tokio::spawn(async move {
            // Ends when the receiver, that is the server, is gone.
            while !sender.is_closed() {
                let accepted = tokio::select! {
                    accepted = listener.accept() => accepted,
                    () = sender.closed() => return,
                };
                match accepted {
                    Ok((stream, peer)) => {
                        tokio::spawn(handshake(stream, peer, acceptor.clone(), sender.clone()));
                    }
                    Err(error) => {
                        tracing::warn!(%error, "accepting");
                        tokio::time::sleep(Duration::from_millis(50)).await;
                    }
                }
            }
        });
        Ok(Self { ready, address })
    }
}

async fn handshake(
    stream: TcpStream,
    peer: SocketAddr,
    acceptor: TlsAcceptor,
    ready: mpsc::Sender<(TlsStream<TcpStream>, SocketAddr)>,
) {
    if let Err(error) = stream.set_nodelay(true) {
        tracing::debug!(%error, "nodelay");
    }
    match tokio::time::timeout(Duration::from_secs(10), acceptor.accept(stream)).await {
        Ok(Ok(stream)) => drop(ready.send((stream, peer)).await),
        Ok(Err(error)) => tracing::debug!(%error, "TLS handshake"),
        Err(_elapsed) => tracing::debug!("TLS handshake took too long"),
    }
}

impl Listener for TlsListener {
    type Io = TlsStream<TcpStream>;
    type Addr = SocketAddr;

    async fn accept(&mut self) -> (Self::Io, Self::Addr) {
        match self.ready.recv().await {
            Some(connection) => connection,
            None => std::future::pending().await,
        }
    }

    fn local_addr(&self) -> io::Result<Self::Addr> {
        Ok(self.address)
    }
}
