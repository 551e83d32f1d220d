//! Listeners, readiness, and a stop that loses nobody's answer.

use std::{
    collections::{BTreeMap, btree_map::Entry},
    convert::Infallible,
    io::Write as _,
    net::SocketAddr,
    num::NonZeroU32,
    pin::pin,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    task::{Context, Poll},
    time::Duration,
};

use anyhow::Context as _;
use axum::{
    body::Body,
    extract::ConnectInfo,
    http::{HeaderValue, Request, Response, header::CONNECTION},
};
use hyper::{body::Incoming, server::conn::http1, service::service_fn};
use hyper_util::{
    rt::{TokioIo, TokioTimer},
    server::graceful::{GracefulShutdown, Watcher},
};
use tokio::{
    io::{AsyncRead, AsyncWrite, ReadBuf},
    net::{TcpListener, TcpSocket, TcpStream},
    sync::{Semaphore, mpsc, oneshot, watch},
    time::{Instant, MissedTickBehavior, interval, sleep, timeout},
};
use tokio_rustls::TlsAcceptor;
use tower::ServiceExt as _;
use twilio::flex_token::{HttpClient, http_client, is_on_this_machine};

use crate::{
    Config, Service,
    http::{self, AppState},
    outside::{Clock, SystemClock, SystemRandomness, prewarm_tls},
    routes::{admin, revocations},
    tls::Certificate,
};

/// How long a client may take to send the head of a request, from its first byte.
pub const HEAD_TIMEOUT: Duration = Duration::from_secs(5);

/// How long a connection may wait for its next request. Longer than the 60 s for which load balancers commonly keep
/// theirs, since the side that closes first must be theirs, or a request can meet the closing.
pub const IDLE_TIMEOUT: Duration = Duration::from_secs(75);

/// How long requests in progress may take after the service has been told to stop; more than any of them may take.
pub const DRAIN_TIMEOUT: Duration = Duration::from_secs(12);

/// The largest head of a request, in bytes: a Flex token and what browsers and proxies add.
const MAX_HEAD_BYTES: usize = 32 * 1024;

/// How long a client may take for the TLS handshake.
const HANDSHAKE_TIMEOUT: Duration = Duration::from_secs(5);

/// How often limits forget whom they need not remember, and the certificate's files are looked at.
const HOUSEKEEPING_EVERY: Duration = Duration::from_secs(60);

/// Runs the service until a signal (SIGTERM, ctrl-c) or, if so configured, the end of standard input; then finishes
/// what is in progress. A second signal stops at once.
///
/// # Errors
/// When the service cannot start: no randomness, no certificates, an address that cannot be listened on.
pub async fn run(config: Config) -> anyhow::Result<()> {
    let clock: Arc<dyn Clock> = Arc::new(SystemClock::start());
    let random = Arc::new(SystemRandomness::checked()?);
    let mut clients = BTreeMap::new();
    let mut client = |base_url: &str| match clients.entry(is_on_this_machine(base_url)) {
        Entry::Occupied(made) => Ok(HttpClient::clone(made.get())),
        Entry::Vacant(place) => Ok(place.insert(http_client(base_url)?).clone()),
    };
    let service = Service::new(config, &mut client, clock, random)?;
    let config = &service.config;
    let certificate = config.tls.as_ref().map(Certificate::load).transpose()?;
    let tls = certificate.as_ref().map(Certificate::server_config).transpose()?;
    let tls = tls.map(|config| TlsAcceptor::from(Arc::new(config)));

    let public = bind(config.address).with_context(|| config.address.to_string())?;
    let private = bind(config.admin_address).with_context(|| config.admin_address.to_string())?;
    let (port, admin_port) = (public.local_addr()?.port(), private.local_addr()?.port());

    let state = AppState::new(Arc::clone(&service));
    let (ready, is_ready) = watch::channel(true);
    let front = http::front(state);
    let public_answer = move |request| {
        let front = front.clone();
        async move { front.answer(request).await }
    };
    let admin = admin::router(is_ready.clone(), Arc::clone(&service.metrics))
        .merge(revocations::router(Arc::clone(&service)));
    let admin_answer = move |request| {
        let admin = admin.clone();
        async move { admin.oneshot(request).await.unwrap_or_else(|never| match never {}) }
    };
    let stopped = stop_signal(config.exit_with_stdin)?;
    let mut public = tokio::spawn(listen(
        public,
        tls,
        public_answer,
        config.max_connections,
        is_ready,
        Arc::clone(&service),
    ));
    // The operator's port answers for as long as the process lives.
    let (_never_stops, always) = watch::channel(true);
    let private =
        tokio::spawn(listen(private, None, admin_answer, ADMIN_CONNECTIONS, always, Arc::clone(&service)));
    let housekeeping = tokio::spawn(keep_house(Arc::clone(&service), certificate, hangups()?));

    announce(&serde_json::json!({ "event": "ready", "port": port, "admin_port": admin_port }))?;
    tracing::info!(port, admin_port, "ready");
    prewarm_tls();

    let why = stopped.await.unwrap_or("lost its signals");
    tracing::info!(why, "stopping");
    ready.send_replace(false);
    let again = stop_signal(false)?;
    tokio::select! {
        joined = &mut public => joined.context("the listener failed")?,
        _ = again => tracing::warn!("told to stop twice: stopping at once"),
    }
    private.abort();
    housekeeping.abort();
    tracing::info!("stopped");
    Ok(())
}

const ADMIN_CONNECTIONS: NonZeroU32 = NonZeroU32::MIN.saturating_add(31);

/// The one line on standard output, by which whoever started the service learns the ports.
fn announce(line: &serde_json::Value) -> anyhow::Result<()> {
    let mut stdout = std::io::stdout().lock();
    writeln!(stdout, "{line}").and_then(|()| stdout.flush()).context("cannot write to standard output")
}

/// Resolves to the reason, once there is one to stop.
fn stop_signal(exit_with_stdin: bool) -> anyhow::Result<oneshot::Receiver<&'static str>> {
    let (stop, stopped) = oneshot::channel();
    let stdin_ended = if exit_with_stdin { Some(stdin_end()?) } else { None };
    #[cfg(unix)]
    let mut sigterm = tokio::signal::unix::signal(tokio::signal::unix::SignalKind::terminate())?;
    tokio::spawn(async move {
        let terminated = async {
            #[cfg(unix)]
            sigterm.recv().await;
            #[cfg(not(unix))]
            std::future::pending::<()>().await;
        };
        let stdin_ended = async {
            match stdin_ended {
                // An error means that the reading thread is gone, which is as good as the end.
                Some(ended) => ended.await.unwrap_or_default(),
                None => std::future::pending().await,
            }
        };
        let why = tokio::select! {
            () = terminated => "SIGTERM",
            _ = tokio::signal::ctrl_c() => "ctrl-c",
            () = stdin_ended => "standard input closed",
        };
        // Nobody listens any more only when the service has already stopped.
        stop.send(why).unwrap_or_default();
    });
    Ok(stopped)
}

/// Resolves at the end of standard input. A thread of its own, because a blocking read of the runtime's would keep
/// the process alive after a signal.
fn stdin_end() -> anyhow::Result<oneshot::Receiver<()>> {
    let (end, ended) = oneshot::channel();
    std::thread::Builder::new()
        .name("stdin".into())
        .spawn(move || {
            // An error ends it as the end does.
            std::io::copy(&mut std::io::stdin().lock(), &mut std::io::sink()).unwrap_or_default();
            end.send(()).unwrap_or_default();
        })
        .context("cannot watch standard input")?;
    Ok(ended)
}

/// Resolves at each SIGHUP.
fn hangups() -> anyhow::Result<mpsc::Receiver<()>> {
    let (hung_up, hangups) = mpsc::channel(1);
    #[cfg(unix)]
    {
        let mut sighup = tokio::signal::unix::signal(tokio::signal::unix::SignalKind::hangup())?;
        tokio::spawn(async move { while sighup.recv().await.is_some() && hung_up.send(()).await.is_ok() {} });
    }
    #[cfg(not(unix))]
    drop(hung_up);
    Ok(hangups)
}

/// What is due every minute, and at SIGHUP: limits forget, and a changed certificate is read.
async fn keep_house(
    service: Arc<Service>,
    certificate: Option<Arc<Certificate>>,
    mut hangups: mpsc::Receiver<()>,
) {
    let mut ticks = interval(HOUSEKEEPING_EVERY);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        tokio::select! {
            _ = ticks.tick() => {}
            Some(()) = hangups.recv() => {}
        }
        service.forget_old();
        match certificate.as_ref().map(|certificate| certificate.reload()) {
            None | Some(Ok(false)) => {}
            Some(Ok(true)) => {
                service.metrics.certificate_reloaded(true);
                tracing::info!("the certificate has changed");
            }
            Some(Err(error)) => {
                service.metrics.certificate_reloaded(false);
                tracing::error!(%error, "the certificate cannot be read again: going on with the one that was read");
            }
        }
    }
}

/// How many connections may wait to be accepted, if the system allows so many. The kernel turns others away, and does so
/// without a word that a client understands.
const BACKLOG: u32 = 4096;

fn bind(address: SocketAddr) -> std::io::Result<TcpListener> {
    let socket = if address.is_ipv4() { TcpSocket::new_v4() } else { TcpSocket::new_v6() }?;
    socket.set_reuseaddr(true)?;
    socket.bind(address)?;
    socket.listen(BACKLOG)
}

/// Accepts connections while `ready`; then lets those in progress finish, for at most [`DRAIN_TIMEOUT`].
async fn listen<A, F>(
    listener: TcpListener,
    tls: Option<TlsAcceptor>,
    answer: A,
    max_connections: NonZeroU32,
    mut ready: watch::Receiver<bool>,
    shared: Arc<Service>,
) where
    A: Fn(Request<Body>) -> F + Clone + Send + Sync + 'static,
    F: Future<Output = Response<Body>> + Send + 'static,
{
    let all = usize::try_from(max_connections.get()).unwrap_or(usize::MAX).min(Semaphore::MAX_PERMITS);
    let permits = Arc::new(Semaphore::new(all));
    let graceful = GracefulShutdown::new();
    loop {
        let accepted = tokio::select! {
            biased;
            _ = ready.wait_for(|ready| !ready) => break,
            accepted = accept(&listener, &permits) => accepted,
        };
        let (stream, peer, permit) = match accepted {
            Ok(accepted) => accepted,
            Err(error) => {
                // Out of file descriptors, as a rule: some will be free again soon.
                tracing::error!(%error, "cannot accept a connection");
                sleep(Duration::from_millis(50)).await;
                continue;
            }
        };
        if let Err(error) = stream.set_nodelay(true) {
            tracing::debug!(%error, "cannot set TCP_NODELAY");
        }
        let progress = Arc::new(Progress::new());
        let service = {
            let (answer, progress, permits) = (answer.clone(), Arc::clone(&progress), Arc::clone(&permits));
            service_fn(move |mut request: Request<Incoming>| {
                progress.head_complete();
                request.extensions_mut().insert(ConnectInfo(peer));
                let (answering, progress) = (answer(request.map(Body::new)), Arc::clone(&progress));
                let permits = Arc::clone(&permits);
                async move {
                    let mut response = answering.await;
                    progress.answered();
                    // When connections are scarce, one that waits for its next request keeps somebody out who has one now.
                    if permits.available_permits() <= all / 4 {
                        response.headers_mut().insert(CONNECTION, HeaderValue::from_static("close"));
                    }
                    Ok::<_, Infallible>(response)
                }
            })
        };
        let (tls, watcher, connected) = (tls.clone(), graceful.watcher(), shared.metrics.connected());
        tokio::spawn(async move {
            let _until_closed = (permit, connected);
            let Some(tls) = tls else {
                return converse(stream, progress, service, watcher).await;
            };
            match timeout(HANDSHAKE_TIMEOUT, tls.accept(stream)).await {
                Ok(Ok(stream)) => converse(stream, progress, service, watcher).await,
                Ok(Err(error)) => tracing::debug!(%error, "connection closed: no TLS"),
                Err(_elapsed) => tracing::debug!("connection closed: TLS handshake too slow"),
            }
        });
    }
    drop(listener);
    if timeout(DRAIN_TIMEOUT, graceful.shutdown()).await.is_err() {
        tracing::warn!("requests were still in progress");
    }
}

/// Serves one connection, until it is closed or a head takes too long.
async fn converse<S, H>(stream: S, progress: Arc<Progress>, service: H, watcher: Watcher)
where
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
    H: hyper::service::HttpService<Incoming, ResBody = Body, Error = Infallible> + Send,
    H::Future: Send,
{
    progress.begin();
    let io = TokioIo::new(Watched { stream, progress: Arc::clone(&progress) });
    let connection = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(IDLE_TIMEOUT)
        .max_buf_size(MAX_HEAD_BYTES)
        .serve_connection(io, service);
    tokio::select! {
        ended = watcher.watch(connection) => if let Err(error) = ended {
            tracing::debug!(%error, "connection ended");
        },
        () = progress.head_too_slow() => tracing::debug!("connection closed: request head too slow"),
    }
}

/// Waits for room, then for a connection.
async fn accept(
    listener: &TcpListener,
    permits: &Arc<Semaphore>,
) -> std::io::Result<(TcpStream, SocketAddr, tokio::sync::OwnedSemaphorePermit)> {
    let permit = Arc::clone(permits).acquire_owned().await.map_err(std::io::Error::other)?;
    let (stream, peer) = listener.accept().await?;
    Ok((stream, peer, permit))
}

/// How far a connection is with its request: whether, and since when, the head of one is arriving.
///
/// hyper's own timeout for heads also counts the time between requests, which must be long ([`IDLE_TIMEOUT`]).
struct Progress {
    start: Instant,
    /// Milliseconds after `start` plus one at which the head began to arrive; 0 when none does.
    head_since: AtomicU64,
    /// Bytes that arrive now belong to a body, not to a head.
    answering: std::sync::atomic::AtomicBool,
}

impl Progress {
    /// A new connection owes us a request at once.
    fn new() -> Self {
        Self { start: Instant::now(), head_since: AtomicU64::new(1), answering: false.into() }
    }

    /// From now on a head may be expected: TLS, if any, is agreed.
    fn begin(&self) {
        self.head_since.store(self.elapsed().saturating_add(1), Ordering::Relaxed);
    }

    fn elapsed(&self) -> u64 {
        u64::try_from(self.start.elapsed().as_millis()).unwrap_or(u64::MAX)
    }

    fn bytes_arrived(&self) {
        if !self.answering.load(Ordering::Relaxed) {
            let now = self.elapsed().saturating_add(1);
            // Only the first bytes count. It is no error if there were some before.
            self.head_since.compare_exchange(0, now, Ordering::Relaxed, Ordering::Relaxed).ok();
        }
    }

    fn head_complete(&self) {
        self.answering.store(true, Ordering::Relaxed);
        self.head_since.store(0, Ordering::Relaxed);
    }

    fn answered(&self) {
        self.answering.store(false, Ordering::Relaxed);
    }

    /// Resolves once a head has been arriving for longer than [`HEAD_TIMEOUT`].
    async fn head_too_slow(&self) {
        let limit = u64::try_from(HEAD_TIMEOUT.as_millis()).unwrap_or(u64::MAX);
        loop {
            let since = self.head_since.load(Ordering::Relaxed);
            if since != 0 && self.elapsed().saturating_sub(since) >= limit {
                return;
            }
            sleep(Duration::from_secs(1)).await;
        }
    }
}

/// A stream that says when bytes arrive.
struct Watched<S> {
    stream: S,
    progress: Arc<Progress>,
}

impl<S: AsyncRead + Unpin> AsyncRead for Watched<S> {
    fn poll_read(
        mut self: std::pin::Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<std::io::Result<()>> {
        let before = buffer.filled().len();
        let result = pin!(&mut self.stream).poll_read(context, buffer);
        if buffer.filled().len() > before {
            self.progress.bytes_arrived();
        }
        result
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for Watched<S> {
    fn poll_write(
        mut self: std::pin::Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<std::io::Result<usize>> {
        pin!(&mut self.stream).poll_write(context, bytes)
    }

    fn poll_flush(
        mut self: std::pin::Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<std::io::Result<()>> {
        pin!(&mut self.stream).poll_flush(context)
    }

    fn poll_shutdown(
        mut self: std::pin::Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<std::io::Result<()>> {
        pin!(&mut self.stream).poll_shutdown(context)
    }

    fn poll_write_vectored(
        mut self: std::pin::Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[std::io::IoSlice<'_>],
    ) -> Poll<std::io::Result<usize>> {
        pin!(&mut self.stream).poll_write_vectored(context, bytes)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }
}
