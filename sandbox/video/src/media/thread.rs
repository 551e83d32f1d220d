//! A room's thread: its media server's socket and clock.

use std::io;
use std::net::{Ipv4Addr, SocketAddr, UdpSocket};
use std::sync::mpsc;
use std::thread;
use std::time::Duration;

use tokio::sync::oneshot;

use super::facts::TrackView;
use super::order::{MediaNews, Order};
use super::sfu::Sfu;
use sandbox_kit::clock::Clock;

/// The longest wait, should nothing happen.
const LONGEST: Duration = Duration::from_secs(1);

enum Request {
    Order(Order),
    Look(oneshot::Sender<Vec<TrackView>>),
    Stop,
}

/// The handle of a room's thread. Dropping it ends the thread.
pub(crate) struct MediaServer {
    requests: mpsc::Sender<Request>,
    waker: UdpSocket,
    address: SocketAddr,
}

impl MediaServer {
    /// Binds a socket of 127.0.0.1 and starts the thread. `news` is called on that thread.
    pub fn start(clock: Clock, news: impl Fn(MediaNews) + Send + 'static) -> io::Result<Self> {
        let socket = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0))?;
        let address = socket.local_addr()?;
        let waker = socket.try_clone()?;
        let (requests, inbox) = mpsc::channel();
        thread::Builder::new()
            .name(format!("video-{}", address.port()))
            .spawn(move || run(clock, &socket, address, &inbox, &news))?;
        Ok(Self { requests, waker, address })
    }

    pub fn order(&self, order: Order) {
        self.request(Request::Order(order));
    }

    /// What went through so far.
    pub fn look(&self) -> oneshot::Receiver<Vec<TrackView>> {
        let (reply, answer) = oneshot::channel();
        self.request(Request::Look(reply));
        answer
    }

    fn request(&self, request: Request) {
        if self.requests.send(request).is_ok() {
            // The thread waits for packets: an empty datagram from its own address says that something is there.
            if let Err(error) = self.waker.send_to(&[], self.address) {
                tracing::debug!(%error, "the media thread was not woken");
            }
        }
    }
}

impl Drop for MediaServer {
    fn drop(&mut self) {
        self.request(Request::Stop);
    }
}

fn run(
    clock: Clock,
    socket: &UdpSocket,
    address: SocketAddr,
    inbox: &mpsc::Receiver<Request>,
    news: &dyn Fn(MediaNews),
) {
    let mut sfu = Sfu::new(address);
    let mut buffer = vec![0; 2048];
    loop {
        loop {
            match inbox.try_recv() {
                Ok(Request::Order(order)) => sfu.order(order, clock.now()),
                // Who asked may have gone.
                Ok(Request::Look(reply)) => drop(reply.send(sfu.tracks(clock.now()))),
                Ok(Request::Stop) | Err(mpsc::TryRecvError::Disconnected) => return,
                Err(mpsc::TryRecvError::Empty) => break,
            }
        }
        for datagram in sfu.take_datagrams() {
            if let Err(error) = socket.send_to(&datagram.contents, datagram.to) {
                tracing::debug!(%error, "a datagram was not sent");
            }
        }
        sfu.take_news().into_iter().for_each(news);
        let now = clock.now();
        let wait = sfu.poll_timeout().map_or(LONGEST, |at| at.saturating_duration_since(now));
        let wait = wait.clamp(Duration::from_millis(1), LONGEST);
        if let Err(error) = socket.set_read_timeout(Some(wait)) {
            tracing::error!(%error, "the media thread cannot wait");
            return;
        }
        match socket.recv_from(&mut buffer) {
            Ok((_, source)) if source == address => {} // woken
            Ok((length, source)) => {
                let datagram = buffer.get(..length).unwrap_or_default();
                sfu.receive(source, datagram, clock.now());
            }
            // Time is up; or a peer is gone, which shows as "connection refused" of an earlier datagram.
            Err(_) => sfu.handle_timeout(clock.now()),
        }
        // Under load there is always something to read: nobody's timers wait for a pause.
        if sfu.poll_timeout().is_some_and(|at| at <= clock.now()) {
            sfu.handle_timeout(clock.now());
        }
    }
}
