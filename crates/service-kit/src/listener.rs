//! Connections: how many, from whom, and how long each may keep us waiting.

use std::{
    convert::Infallible,
    net::{IpAddr, SocketAddr},
    num::NonZeroU32,
    pin::{Pin, pin},
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    task::{Context, Poll},
    time::Duration,
};

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
use ipnet::IpNet;
use tokio::{
    io::{AsyncRead, AsyncWrite, ReadBuf},
    net::{TcpListener, TcpSocket, TcpStream},
    sync::{Notify, Semaphore, watch},
    task::yield_now,
    time::{Instant, sleep, timeout},
};
use tokio_rustls::TlsAcceptor;

use crate::{
    client::is_trusted,
    metrics::Metrics,
    server_settings::ServerSettings,
    shares::{Shares, Ticket},
};

/// How long a client may take to send the head of a request, from its first byte.
pub const HEAD_TIMEOUT: Duration = Duration::from_secs(5);

/// How long a client may take nothing of what is written to it.
pub const UNREAD_TIMEOUT: Duration = Duration::from_secs(10);

/// How long a connection may wait for its next request. Longer than the 60 s for which load balancers commonly keep
/// theirs, since the side that closes first must be theirs, or a request can meet the closing.
pub const IDLE_TIMEOUT: Duration = Duration::from_secs(75);

/// How long requests in progress may take after the service has been told to stop; more than any of them may take with its
/// body.
pub const DRAIN_TIMEOUT: Duration = Duration::from_secs(12);

/// The largest head of a request, in bytes: a token and what browsers and proxies add.
const MAX_HEAD_BYTES: usize = 32 * 1024;

/// How long a client may take for the TLS handshake.
const HANDSHAKE_TIMEOUT: Duration = Duration::from_secs(5);

/// How much of an answer the system may hold for a client that does not take it, in bytes; it takes twice as much for
/// itself. Whoever asks again and again and never reads would otherwise be lent megabytes.
const UNREAD_BYTES: u32 = 64 * 1024;

/// How many connections may wait to be accepted, if the system allows that many. The kernel turns others away, and does so
/// without a word that a client understands.
const BACKLOG: u32 = 4096;

pub(crate) fn bind(address: SocketAddr) -> std::io::Result<TcpListener> {
    let socket = if address.is_ipv4() { TcpSocket::new_v4() } else { TcpSocket::new_v6() }?;
    socket.set_reuseaddr(true)?;
    // What is accepted has it too.
    socket.set_send_buffer_size(UNREAD_BYTES)?;
    socket.bind(address)?;
    socket.listen(BACKLOG)
}

/// Bounds of a listener.
pub(crate) struct Bounds {
    /// So many connections at once.
    pub(crate) connections: NonZeroU32,
    /// How many of them one address may have; `None` for as many as there are.
    pub(crate) by_address: Option<ByAddress>,
}

/// What each address has of a listener's connections.
#[derive(Clone)]
pub(crate) struct ByAddress {
    shares: Arc<Mutex<Shares<Arc<Progress>>>>,
    trusted: Arc<[IpNet]>,
}

impl ByAddress {
    pub(crate) fn new(settings: &ServerSettings) -> Self {
        let shares = Shares::new(settings.max_connections.get(), settings.address_share);
        Self { shares: Arc::new(Mutex::new(shares)), trusted: settings.trusted_proxies.as_slice().into() }
    }

    /// A place for a connection, for which the one of its address that has kept waiting for the longest is closed if need
    /// be. Behind a trusted proxy is everybody: it needs no place.
    fn enter(&self, peer: IpAddr, progress: &Arc<Progress>) -> Option<Place> {
        if is_trusted(peer, &self.trusted) {
            return None;
        }
        let mut shares = self.shares.lock().unwrap_or_else(PoisonError::into_inner);
        let (ticket, oldest) = shares.take(peer, Arc::clone(progress), |held| held.patience());
        if let Some(oldest) = oldest {
            oldest.over_share.notify_one();
        }
        Some(Place { shares: Arc::clone(&self.shares), ticket })
    }
}

/// A connection's part of its address' share, given back when it is dropped.
struct Place {
    shares: Arc<Mutex<Shares<Arc<Progress>>>>,
    ticket: Ticket,
}

impl Drop for Place {
    fn drop(&mut self) {
        self.shares.lock().unwrap_or_else(PoisonError::into_inner).give_back(self.ticket);
    }
}

/// Accepts connections while `ready`; then lets those in progress finish, for at most [`DRAIN_TIMEOUT`].
pub(crate) async fn listen<A, F>(
    listener: TcpListener,
    tls: Option<TlsAcceptor>,
    answer: A,
    bounds: Bounds,
    mut ready: watch::Receiver<bool>,
    metrics: Arc<Metrics>,
) where
    A: Fn(Request<Body>) -> F + Clone + Send + Sync + 'static,
    F: Future<Output = Response<Body>> + Send + 'static,
{
    let all = usize::try_from(bounds.connections.get()).unwrap_or(usize::MAX).min(Semaphore::MAX_PERMITS);
    let permits = Arc::new(Semaphore::new(all));
    let graceful = GracefulShutdown::new();
    let start = Instant::now();
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
        let progress = Arc::new(Progress::new(start));
        let place = bounds.by_address.as_ref().and_then(|shares| shares.enter(peer.ip(), &progress));
        if let Err(error) = stream.set_nodelay(true) {
            tracing::debug!(%error, "cannot set TCP_NODELAY");
        }
        let service = {
            let (answer, progress, permits) = (answer.clone(), Arc::clone(&progress), Arc::clone(&permits));
            service_fn(move |mut request: Request<Incoming>| {
                request.extensions_mut().insert(ConnectInfo(peer));
                let (answering, progress) = (answer(request.map(Body::new)), Arc::clone(&progress));
                let permits = Arc::clone(&permits);
                async move {
                    if progress.is_pipelined() {
                        // Who asks again before the answer is there is served in turn with the others.
                        yield_now().await;
                    }
                    progress.head_complete();
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
        let (tls, watcher, connected) = (tls.clone(), graceful.watcher(), metrics.connected());
        let metrics = Arc::clone(&metrics);
        tokio::spawn(async move {
            let _until_closed = (permit, place, connected);
            // Below TLS, where it shows what the peer sends and takes.
            let stream = Watched { stream, progress: Arc::clone(&progress) };
            let conversation = async {
                let Some(tls) = tls else {
                    return converse(stream, &progress, service, watcher).await;
                };
                match timeout(HANDSHAKE_TIMEOUT, tls.accept(stream)).await {
                    Ok(Ok(stream)) => converse(stream, &progress, service, watcher).await,
                    Ok(Err(error)) => tracing::debug!(%error, "connection closed: no TLS"),
                    Err(_elapsed) => tracing::debug!("connection closed: TLS handshake too slow"),
                }
            };
            tokio::select! {
                () = conversation => {},
                why = progress.given_up() => {
                    metrics.connection_closed(why);
                    tracing::debug!(why, client = %peer.ip(), "connection closed");
                }
            }
        });
    }
    drop(listener);
    if timeout(DRAIN_TIMEOUT, graceful.shutdown()).await.is_err() {
        tracing::warn!("requests were still in progress");
    }
}

/// Serves one connection, until it is closed.
async fn converse<S, H>(stream: S, progress: &Progress, service: H, watcher: Watcher)
where
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
    H: hyper::service::HttpService<Incoming, ResBody = Body, Error = Infallible> + Send,
    H::Future: Send,
{
    progress.begin();
    let connection = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(IDLE_TIMEOUT)
        .max_buf_size(MAX_HEAD_BYTES)
        .serve_connection(TokioIo::new(stream), service);
    if let Err(error) = watcher.watch(connection).await {
        tracing::debug!(%error, "connection ended");
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

/// How far a connection is: what it owes us, and since when. Times are milliseconds after `start` plus one; 0 is never.
///
/// hyper's own timeout for heads also counts the time between requests, which must be long ([`IDLE_TIMEOUT`]).
struct Progress {
    /// The same for all connections, so that it can be told who has kept waiting for the longest.
    start: Instant,
    /// Since when the head of a request is arriving.
    head_since: AtomicU64,
    /// Since when we have waited for a request or the rest of its head, or since it last took something of its answer. While a
    /// request is being answered, it is us who keep it waiting.
    waiting_since: AtomicU64,
    /// Since when nothing of what we write is taken.
    unread_since: AtomicU64,
    /// Bytes that arrive now belong to a body, not to a head.
    answering: AtomicBool,
    /// Its address has more than its share, and this connection has kept waiting for the longest.
    over_share: Notify,
}

impl Progress {
    /// A new connection owes us a request at once.
    fn new(start: Instant) -> Self {
        let progress = Self {
            start,
            head_since: AtomicU64::new(0),
            waiting_since: AtomicU64::new(0),
            unread_since: AtomicU64::new(0),
            answering: AtomicBool::new(false),
            over_share: Notify::new(),
        };
        progress.begin();
        progress
    }

    /// From now on a head may be expected: TLS, if any, is agreed.
    fn begin(&self) {
        let now = self.now();
        self.head_since.store(now, Ordering::Relaxed);
        self.waiting_since.store(now, Ordering::Relaxed);
    }

    fn now(&self) -> u64 {
        u64::try_from(self.start.elapsed().as_millis()).unwrap_or(u64::MAX).saturating_add(1)
    }

    fn bytes_arrived(&self) {
        if self.answering.load(Ordering::Relaxed) || self.head_since.load(Ordering::Relaxed) != 0 {
            return;
        }
        // The first bytes of the next request.
        self.begin();
    }

    /// Whether the request whose head is complete came together with one before it: nothing has arrived since that.
    fn is_pipelined(&self) -> bool {
        self.head_since.load(Ordering::Relaxed) == 0
    }

    fn head_complete(&self) {
        self.answering.store(true, Ordering::Relaxed);
        self.head_since.store(0, Ordering::Relaxed);
        self.waiting_since.store(0, Ordering::Relaxed);
    }

    fn answered(&self) {
        self.answering.store(false, Ordering::Relaxed);
        self.waiting_since.store(self.now(), Ordering::Relaxed);
    }

    /// What we write is taken, or is not.
    fn written(&self, taken: bool) {
        let since = self.unread_since.load(Ordering::Relaxed);
        if taken && self.waiting_since().is_some() {
            self.waiting_since.store(self.now(), Ordering::Relaxed);
        }
        if taken && since != 0 {
            self.unread_since.store(0, Ordering::Relaxed);
        } else if !taken && since == 0 {
            self.unread_since.store(self.now(), Ordering::Relaxed);
        }
    }

    /// Since when it keeps us waiting, if it does.
    fn waiting_since(&self) -> Option<u64> {
        Some(self.waiting_since.load(Ordering::Relaxed)).filter(|since| *since != 0)
    }

    /// Which of those that keep us waiting is to go first, if it is one: those that ask for nothing, then those whose request
    /// is arriving; of each, the one that has done so for the longest.
    fn patience(&self) -> Option<(bool, u64)> {
        let is_arriving = self.head_since.load(Ordering::Relaxed) != 0;
        self.waiting_since().map(|since| (is_arriving, since))
    }

    /// Resolves, with the reason, once there is one to give the connection up.
    async fn given_up(&self) -> &'static str {
        let longer = |since: &AtomicU64, limit: Duration| {
            let since = since.load(Ordering::Relaxed);
            since != 0 && u128::from(self.now().saturating_sub(since)) >= limit.as_millis()
        };
        let too_slow = async {
            loop {
                if longer(&self.head_since, HEAD_TIMEOUT) {
                    return "slow_head";
                }
                if longer(&self.unread_since, UNREAD_TIMEOUT) {
                    return "unread";
                }
                sleep(Duration::from_secs(1)).await;
            }
        };
        tokio::select! {
            why = too_slow => why,
            () = self.over_share.notified() => "over_share",
        }
    }
}

/// A stream that says when bytes arrive, and whether what is written is taken.
struct Watched<S> {
    stream: S,
    progress: Arc<Progress>,
}

impl<S> Watched<S> {
    fn written<R>(&self, result: Poll<R>) -> Poll<R> {
        self.progress.written(result.is_ready());
        result
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for Watched<S> {
    fn poll_read(
        mut self: Pin<&mut Self>,
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
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<std::io::Result<usize>> {
        let result = pin!(&mut self.stream).poll_write(context, bytes);
        self.written(result)
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<std::io::Result<()>> {
        pin!(&mut self.stream).poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<std::io::Result<()>> {
        pin!(&mut self.stream).poll_shutdown(context)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[std::io::IoSlice<'_>],
    ) -> Poll<std::io::Result<usize>> {
        let result = pin!(&mut self.stream).poll_write_vectored(context, bytes);
        self.written(result)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }
}

#[cfg(test)]
mod tests {
    use std::task::Waker;

    use tokio::time::advance;

    use super::*;

    fn after(seconds: u64) -> impl Future<Output = ()> {
        advance(Duration::from_secs(seconds))
    }

    /// Whether it is given up within this many seconds, and why.
    async fn within(progress: &Progress, seconds: u64) -> Option<&'static str> {
        timeout(Duration::from_secs(seconds), progress.given_up()).await.ok()
    }

    #[tokio::test(start_paused = true)]
    async fn a_head_has_five_seconds_from_its_first_byte_however_long_the_connection_was_idle() {
        let progress = Progress::new(Instant::now());
        assert_eq!(within(&progress, 4).await, None);
        assert_eq!(within(&progress, 2).await, Some("slow_head"), "the first head is due at once");
        progress.head_complete();
        assert_eq!(within(&progress, 100).await, None, "answering may take long");
        progress.answered();
        assert_eq!(within(&progress, 100).await, None, "idle");
        progress.bytes_arrived();
        assert_eq!(within(&progress, 4).await, None);
        progress.bytes_arrived();
        assert_eq!(within(&progress, 2).await, Some("slow_head"), "a byte now and then changes nothing");
    }

    #[tokio::test(start_paused = true)]
    async fn a_request_that_came_together_with_the_one_before_it_is_known() {
        let progress = Progress::new(Instant::now());
        assert!(!progress.is_pipelined(), "the first");
        progress.head_complete();
        progress.bytes_arrived();
        progress.answered();
        assert!(progress.is_pipelined(), "what arrived while the first was being answered");
        progress.head_complete();
        progress.answered();
        progress.bytes_arrived();
        assert!(!progress.is_pipelined(), "it came after the answer");
    }

    #[tokio::test(start_paused = true)]
    async fn a_peer_that_takes_nothing_for_ten_seconds_is_given_up_and_a_slow_one_is_not() {
        let progress = Progress::new(Instant::now());
        progress.head_complete();
        for _ in 0..100 {
            progress.written(false);
            progress.written(false);
            assert_eq!(within(&progress, 9).await, None);
            progress.written(true);
        }
        progress.answered();
        progress.written(false);
        assert_eq!(within(&progress, 9).await, None);
        progress.written(false);
        assert_eq!(within(&progress, 2).await, Some("unread"));
    }

    #[tokio::test(start_paused = true)]
    async fn it_keeps_us_waiting_except_while_it_is_being_answered() {
        let progress = Progress::new(Instant::now());
        assert_eq!(progress.waiting_since(), Some(1));
        progress.head_complete();
        assert_eq!(progress.waiting_since(), None);
        after(3).await;
        progress.answered();
        after(3).await;
        assert_eq!(progress.waiting_since(), Some(3001), "since its answer");
        progress.written(false);
        assert_eq!(progress.waiting_since(), Some(3001));
        progress.written(true);
        assert_eq!(progress.waiting_since(), Some(6001), "since it took more of its answer");
        after(3).await;
        progress.bytes_arrived();
        after(3).await;
        progress.bytes_arrived();
        assert_eq!(progress.waiting_since(), Some(9001), "since the first byte of the next request");
    }

    #[tokio::test(start_paused = true)]
    async fn over_its_share_an_addresses_longest_waiting_connection_is_closed() {
        let shares = ByAddress {
            shares: Arc::new(Mutex::new(Shares::new(8, 100))),
            trusted: ["10.0.0.0/8".parse().unwrap()].into(),
        };
        let (start, peer) = (Instant::now(), IpAddr::from([192, 0, 2, 1]));
        let mut open = Vec::new();
        for _ in 0..8 {
            advance(Duration::from_millis(1)).await;
            let progress = Arc::new(Progress::new(start));
            open.push((shares.enter(peer, &progress), progress));
        }
        // The first is being answered, and counts for nothing; the last has been, and asks for nothing; the requests of the
        // others are arriving, the second's for the longest.
        open[0].1.head_complete();
        open[7].1.head_complete();
        open[7].1.answered();
        let more: Vec<_> = (0..3).map(|_| Arc::new(Progress::new(start))).collect();
        let places: Vec<_> = more.iter().map(|progress| shares.enter(peer, progress)).collect();
        for first in [7, 1] {
            assert_eq!(within(&open[first].1, 0).await, Some("over_share"), "{first}");
        }
        for other in [0, 2, 3, 4, 5, 6] {
            assert_eq!(within(&open[other].1, 0).await, None, "{other}");
        }
        drop(places);
        let last = Arc::new(Progress::new(start));
        assert!(shares.enter(peer, &last).is_some());
        assert_eq!(within(&open[2].1, 0).await, None, "three have gone");
        for _ in 0..100 {
            assert!(shares.enter([10, 0, 0, 1].into(), &last).is_none(), "a trusted proxy");
        }
    }

    #[test]
    fn a_write_that_must_wait_is_one_that_is_not_taken() {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap();
        let _within = runtime.enter();
        let (ours, _theirs) = tokio::io::duplex(4);
        let progress = Arc::new(Progress::new(Instant::now()));
        let mut stream = Watched { stream: ours, progress: Arc::clone(&progress) };
        let mut context = Context::from_waker(Waker::noop());
        let unread = || progress.unread_since.load(Ordering::Relaxed) != 0;
        assert!(Pin::new(&mut stream).poll_write(&mut context, b"1234").is_ready() && !unread());
        assert!(Pin::new(&mut stream).poll_write(&mut context, b"5").is_pending() && unread());
    }
}
