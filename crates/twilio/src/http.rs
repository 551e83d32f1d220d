//! The HTTP client that Twilio's IAM is asked with: hyper's own, with connections that are kept, TLS by the system's trusted
//! certificates, and the usual proxy variables of the environment.
//!
//! Not reqwest: for each request it parses the address again, twice, and looks through a stack of layers that nothing here
//! needs (redirects, retries, cookies). Asking Twilio cost twice as much.

use std::{
    pin::Pin,
    sync::Arc,
    task::{Context, Poll},
    time::Duration,
};

use bytes::Bytes;
use http::{Request, Uri};
use http_body_util::Full;
use hyper_rustls::{HttpsConnector, HttpsConnectorBuilder, MaybeHttpsStream};
use hyper_util::{
    client::{
        legacy::{
            self, Client,
            connect::{HttpConnector, proxy::Tunnel},
        },
        proxy::matcher::Matcher,
    },
    rt::{TokioExecutor, TokioIo, TokioTimer},
};
use rustls::{ClientConfig, crypto::aws_lc_rs::default_provider};
use rustls_platform_verifier::BuilderVerifierExt as _;
use tokio::net::TcpStream;
use tower_service::Service;

/// How long a connection may take to come about, TLS included.
pub const CONNECT_TIMEOUT: Duration = Duration::from_secs(1);

/// For how long a connection is kept that nobody uses.
const IDLE_TIMEOUT: Duration = Duration::from_secs(90);

/// The system's trusted certificates cannot be read.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
#[error("the system's trusted certificates cannot be read: {0}")]
pub struct NoCertificates(#[from] rustls::Error);

/// An HTTP/1.1 client that keeps its connections. A clone shares them.
#[derive(Clone, Debug)]
pub struct HttpClient(Client<Connector, Full<Bytes>>);

impl HttpClient {
    /// The usual proxy variables of the environment apply if `proxies`. Redirects are never followed.
    ///
    /// # Errors
    /// [`NoCertificates`].
    pub fn new(proxies: bool) -> Result<Self, NoCertificates> {
        let tls = ClientConfig::builder_with_provider(Arc::new(default_provider()))
            .with_safe_default_protocol_versions()?
            .with_platform_verifier()?
            .with_no_client_auth();
        let mut tcp = HttpConnector::new();
        tcp.enforce_http(false);
        tcp.set_nodelay(true);
        let to_proxy = HttpsConnectorBuilder::new()
            .with_tls_config(tls.clone())
            .https_or_http()
            .enable_http1()
            .wrap_connector(tcp.clone());
        let proxies = proxies.then(|| Arc::new(Matcher::from_env()));
        let connector = HttpsConnectorBuilder::new()
            .with_tls_config(tls)
            .https_or_http()
            .enable_http1()
            .wrap_connector(ProxyConnector { tcp, to_proxy, proxies });
        let client = Client::builder(TokioExecutor::new())
            .pool_timer(TokioTimer::new())
            .pool_idle_timeout(IDLE_TIMEOUT)
            .build(Connector(connector));
        Ok(Self(client))
    }

    /// Asks.
    pub(crate) fn request(&self, request: Request<Full<Bytes>>) -> legacy::ResponseFuture {
        self.0.request(request)
    }
}

type BoxError = Box<dyn std::error::Error + Send + Sync>;
type BoxConnecting<T> = Pin<Box<dyn Future<Output = Result<T, BoxError>> + Send>>;
type Tcp = TokioIo<TcpStream>;

/// Connects within [`CONNECT_TIMEOUT`].
#[derive(Clone, Debug)]
struct Connector(HttpsConnector<ProxyConnector>);

impl Service<Uri> for Connector {
    type Response = MaybeHttpsStream<MaybeHttpsStream<Tcp>>;
    type Error = BoxError;
    type Future = BoxConnecting<Self::Response>;

    fn poll_ready(&mut self, context: &mut Context<'_>) -> Poll<Result<(), Self::Error>> {
        self.0.poll_ready(context)
    }

    fn call(&mut self, uri: Uri) -> Self::Future {
        let connecting = self.0.call(uri);
        Box::pin(async move { tokio::time::timeout(CONNECT_TIMEOUT, connecting).await? })
    }
}

/// Straight, or through the proxy that the environment names for the address.
#[derive(Clone, Debug)]
struct ProxyConnector {
    tcp: HttpConnector,
    to_proxy: HttpsConnector<HttpConnector>,
    proxies: Option<Arc<Matcher>>,
}

impl Service<Uri> for ProxyConnector {
    type Response = MaybeHttpsStream<Tcp>;
    type Error = BoxError;
    type Future = BoxConnecting<Self::Response>;

    fn poll_ready(&mut self, context: &mut Context<'_>) -> Poll<Result<(), Self::Error>> {
        self.tcp.poll_ready(context).map_err(Into::into)
    }

    fn call(&mut self, uri: Uri) -> Self::Future {
        match self.proxies.as_ref().and_then(|proxies| proxies.intercept(&uri)) {
            None => {
                let connecting = self.tcp.call(uri);
                Box::pin(async move { Ok(MaybeHttpsStream::Http(connecting.await?)) })
            }
            Some(proxy) => {
                let mut tunnel = Tunnel::new(proxy.uri().clone(), self.to_proxy.clone());
                if let Some(credentials) = proxy.basic_auth() {
                    tunnel = tunnel.with_auth(credentials.clone());
                }
                let connecting = tunnel.call(uri);
                Box::pin(async move { Ok(connecting.await?) })
            }
        }
    }
}
