//! A UDP socket that says when a packet really arrived: the kernel notes the time, so that a thread that was scheduled
//! late does not look like a gap in somebody's audio.

use std::io::{self, IoSliceMut};
use std::net::{Ipv4Addr, SocketAddr, SocketAddrV4, UdpSocket};
use std::os::fd::{AsFd as _, AsRawFd as _};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use nix::poll::{PollFd, PollFlags};
use nix::sys::socket::{
    ControlMessageOwned, MsgFlags, SockaddrIn, recvmsg, setsockopt, sockopt::ReceiveTimestamp,
};
use nix::sys::time::{TimeVal, TimeValLike as _};

/// A datagram older than this when it is read has a clock that was set in between; then the time of reading is used.
const OLDEST: Duration = Duration::from_secs(2);
#[derive(Debug)]
pub(super) struct TimedSocket {
    socket: UdpSocket,
    address: SocketAddr,
}

/// A datagram that came.
#[derive(Clone, Copy, Debug)]
pub(super) struct Datagram {
    pub length: usize,
    pub source: SocketAddr,
    pub at: Instant,
}

impl TimedSocket {
    /// Binds a free port of 127.0.0.1.
    pub fn bind() -> io::Result<Self> {
        let socket = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0))?;
        setsockopt(&socket, ReceiveTimestamp, &true)?;
        let address = socket.local_addr()?;
        Ok(Self { socket, address })
    }

    pub fn address(&self) -> SocketAddr {
        self.address
    }

    pub fn try_clone(&self) -> io::Result<UdpSocket> {
        self.socket.try_clone()
    }

    pub fn send_to(&self, datagram: &[u8], to: SocketAddr) -> io::Result<usize> {
        self.socket.send_to(datagram, to)
    }

    /// Waits for one datagram, at most so long.
    pub fn receive(&self, buffer: &mut [u8], wait: Duration) -> io::Result<Option<Datagram>> {
        let mut readable = [PollFd::new(self.socket.as_fd(), PollFlags::POLLIN)];
        if !poll(&mut readable, wait)? {
            return Ok(None);
        }
        let mut control = nix::cmsg_space!(TimeVal);
        let mut parts = [IoSliceMut::new(buffer)];
        let fd = self.socket.as_raw_fd();
        let message = match recvmsg::<SockaddrIn>(fd, &mut parts, Some(&mut control), MsgFlags::MSG_DONTWAIT)
        {
            Ok(message) => message,
            Err(nix::Error::EAGAIN | nix::Error::EINTR) => return Ok(None),
            Err(error) => return Err(error.into()),
        };
        let source = message.address.map(|a| SocketAddr::V4(SocketAddrV4::new(a.ip(), a.port())));
        let source = source.ok_or(io::ErrorKind::AddrNotAvailable)?;
        let stamp = message.cmsgs()?.find_map(|control| match control {
            ControlMessageOwned::ScmTimestamp(stamp) => Some(stamp),
            _ => None,
        });
        Ok(Some(Datagram { length: message.bytes, source, at: arrived(stamp) }))
    }
}

/// The instant of a kernel's timestamp, which is wall time.
#[expect(
    clippy::disallowed_methods,
    reason = "both clocks are read together, to turn one's time into the other's"
)]
fn arrived(stamp: Option<TimeVal>) -> Instant {
    let (now, wall) = (Instant::now(), SystemTime::now());
    let age = stamp
        .and_then(|stamp| u64::try_from(stamp.num_microseconds()).ok())
        .and_then(|micros| wall.duration_since(UNIX_EPOCH + Duration::from_micros(micros)).ok())
        .filter(|age| *age < OLDEST);
    now.checked_sub(age.unwrap_or_default()).unwrap_or(now)
}

/// True if there is something to read.
#[cfg(target_os = "linux")]
fn poll(readable: &mut [PollFd<'_>], wait: Duration) -> io::Result<bool> {
    // Finer than milliseconds, which a pace of 20 ms deserves.
    match nix::poll::ppoll(readable, Some(wait.into()), None) {
        Ok(ready) => Ok(ready > 0),
        Err(nix::Error::EINTR) => Ok(false),
        Err(error) => Err(error.into()),
    }
}

/// True if there is something to read.
#[cfg(not(target_os = "linux"))]
fn poll(readable: &mut [PollFd<'_>], wait: Duration) -> io::Result<bool> {
    let wait = nix::poll::PollTimeout::try_from(wait).unwrap_or(nix::poll::PollTimeout::MAX);
    match nix::poll::poll(readable, wait) {
        Ok(ready) => Ok(ready > 0),
        Err(nix::Error::EINTR) => Ok(false),
        Err(error) => Err(error.into()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    #[expect(clippy::disallowed_methods, reason = "the test compares with the clock that the socket reads")]
    fn a_packet_that_is_read_late_has_the_time_at_which_it_came() {
        let socket = TimedSocket::bind().unwrap();
        let sender = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
        let slack = Duration::from_millis(5); // the clocks are read one by one
        let mut buffer = [0; 100];
        // A time that was read between sending and reading is later than the packet's, unless nobody noted when it came. The
        // kernel begins to note times a moment after the first socket asked for them, and has microseconds: so it is tried
        // until it shows.
        let mut shown = false;
        for _ in 0..100_000 {
            let before = Instant::now();
            sender.send_to(b"hello", socket.address()).unwrap();
            let sent = Instant::now();
            let datagram = socket.receive(&mut buffer, Duration::from_secs(1)).unwrap().unwrap();
            let read = Instant::now();
            assert_eq!(
                (&buffer[..datagram.length], datagram.source),
                (&b"hello"[..], sender.local_addr().unwrap())
            );
            assert!(datagram.at + slack >= before && datagram.at <= read + slack, "{:?}", read - datagram.at);
            shown |= datagram.at < sent;
            if shown {
                break;
            }
        }
        assert!(shown, "packets have the time at which they are read");
    }

    #[test]
    fn waiting_ends() {
        let socket = TimedSocket::bind().unwrap();
        assert!(socket.receive(&mut [0; 10], Duration::from_millis(10)).unwrap().is_none());
    }
}
