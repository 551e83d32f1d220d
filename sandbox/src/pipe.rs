//! A byte pipe with a simulated round trip: what a gateway on another continent feels like.
//!
//! Every byte is half a round trip under way. A TCP handshake costs the client a whole one before its first byte can
//! leave; loopback has none to speak of, so the first bytes are held back by that much more.

use std::io;
use std::net::{Ipv4Addr, SocketAddr};
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::mpsc;
use tokio::time::Instant;

/// Passes every connection on to a port of this machine, with a round trip.
pub(crate) async fn serve(listener: TcpListener, port: u16, rtt: Duration) {
    loop {
        match listener.accept().await {
            Ok((client, _)) => {
                tokio::spawn(async move {
                    if let Err(error) = connection(client, port, rtt).await {
                        tracing::debug!(%error, "pipe");
                    }
                });
            }
            Err(error) => {
                tracing::warn!(%error, "accepting");
                tokio::time::sleep(Duration::from_millis(50)).await;
            }
        }
    }
}

async fn connection(client: TcpStream, port: u16, rtt: Duration) -> io::Result<()> {
    let server = TcpStream::connect(SocketAddr::from((Ipv4Addr::LOCALHOST, port))).await?;
    client.set_nodelay(true)?;
    server.set_nodelay(true)?;
    let (from_client, to_client) = client.into_split();
    let (from_server, to_server) = server.into_split();
    let open = now() + rtt;
    let up = tokio::spawn(late(from_client, to_server, rtt / 2, open));
    let down = late(from_server, to_client, rtt / 2, open).await;
    // Nothing more can reach the client; what it still sends has no reader.
    up.abort();
    down
}

/// Copies bytes, each `delay` after it was read, and none as if read before `open`.
async fn late(
    mut from: impl AsyncRead + Unpin + Send + 'static,
    mut to: impl AsyncWrite + Unpin,
    delay: Duration,
    open: Instant,
) -> io::Result<()> {
    let (sender, mut chunks) = mpsc::channel::<(Instant, Vec<u8>)>(256);
    let reading = tokio::spawn(async move {
        let mut buffer = vec![0; 16 * 1024];
        loop {
            let read = from.read(&mut buffer).await.unwrap_or(0);
            let due = now().max(open) + delay;
            if sender.send((due, buffer[..read].to_vec())).await.is_err() || read == 0 {
                return;
            }
        }
    });
    let result = async {
        while let Some((due, chunk)) = chunks.recv().await {
            tokio::time::sleep_until(due).await;
            if chunk.is_empty() {
                return to.shutdown().await;
            }
            to.write_all(&chunk).await?;
        }
        Ok(())
    }
    .await;
    reading.abort();
    result
}

fn now() -> Instant {
    Instant::now()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_byte_and_its_echo_take_a_round_trip_and_the_first_ones_a_handshake_more() {
        let echo = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = echo.local_addr().unwrap().port();
        tokio::spawn(async move {
            let (mut stream, _) = echo.accept().await.unwrap();
            let (mut read, mut write) = stream.split();
            tokio::io::copy(&mut read, &mut write).await.unwrap();
        });
        let pipe = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = pipe.local_addr().unwrap();
        tokio::spawn(serve(pipe, port, Duration::from_millis(80)));
        let mut client = TcpStream::connect(address).await.unwrap();
        let mut took = Vec::new();
        for _ in 0..2 {
            let began = now();
            client.write_all(b"x").await.unwrap();
            client.read_exact(&mut [0]).await.unwrap();
            took.push(began.elapsed());
        }
        assert!(took[0] >= Duration::from_millis(155), "{took:?}");
        assert!(took[1] >= Duration::from_millis(78) && took[1] < Duration::from_millis(150), "{took:?}");
        client.shutdown().await.unwrap();
        assert_eq!(client.read(&mut [0]).await.unwrap(), 0, "the end of the stream comes through as well");
    }
}
