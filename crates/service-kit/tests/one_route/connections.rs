//! Who keeps a service waiting, in a time that passes only when nothing else is to do.

use std::path::PathBuf;

use tokio::{
    net::TcpSocket,
    time::{Instant, sleep},
};

use super::*;

const GET: &[u8] = b"GET / HTTP/1.1\r\nhost: x\r\n\r\n";

async fn connect(port: u16) -> TcpStream {
    TcpStream::connect(("127.0.0.1", port)).await.unwrap()
}

#[tokio::test(start_paused = true)]
async fn a_head_that_drips_is_cut_off_after_five_seconds_and_an_idle_connection_is_kept() {
    let service = Running::start("").await;
    let (mut silent, mut dripping, mut idle) =
        (connect(service.port).await, connect(service.port).await, connect(service.port).await);
    idle.write_all(GET).await.unwrap();
    let mut buffer = vec![0; 4096];
    let read = idle.read(&mut buffer).await.unwrap();
    assert!(buffer[..read].starts_with(b"HTTP/1.1 404"));

    let started = Instant::now();
    let cut = async {
        dripping.write_all(b"GET / HTTP/1.1\r\n").await.unwrap();
        while dripping.write_all(b"x-a: b\r\n").await.is_ok() {
            sleep(Duration::from_millis(200)).await;
        }
        started.elapsed()
    };
    let closed = async {
        let mut buffer = [0; 16];
        assert_eq!(silent.read(&mut buffer).await.unwrap_or(0), 0);
        started.elapsed()
    };
    let (cut, closed) = timeout(Duration::from_secs(9), async { tokio::join!(cut, closed) }).await.unwrap();
    for took in [cut, closed] {
        assert!((Duration::from_secs(4)..Duration::from_secs(8)).contains(&took), "{took:?}");
    }
    idle.write_all(GET).await.unwrap();
    let read = timeout(Duration::from_secs(1), idle.read(&mut buffer)).await.unwrap().unwrap();
    assert!(buffer[..read].starts_with(b"HTTP/1.1 404"));
    let (_, metrics) = (idle, service.metrics().await);
    assert!(metrics.contains(r#"greeter_connections_closed_total{why="slow_head"} 2"#), "{metrics}");
    service.stop().await;
}

#[tokio::test(start_paused = true)]
async fn a_client_that_asks_and_asks_and_never_reads_is_cut_off() {
    let service = Running::start("").await;
    let socket = TcpSocket::new_v4().unwrap();
    socket.set_recv_buffer_size(2048).unwrap();
    socket.set_send_buffer_size(16 * 1024).unwrap();
    let mut stream = socket.connect(([127, 0, 0, 1], service.port).into()).await.unwrap();
    // More than the two systems between us keep of the answers.
    let questions = "GET /nothing HTTP/1.1\r\nhost: x\r\n\r\n".repeat(20_000);
    let started = Instant::now();
    let sent = timeout(Duration::from_secs(60), stream.write_all(questions.as_bytes())).await.unwrap();
    assert!(sent.is_err(), "nobody reads so many questions whose answers are not read");
    assert!(started.elapsed() >= Duration::from_secs(9), "{:?}", started.elapsed());
    let metrics = service.metrics().await;
    assert!(metrics.contains(r#"connections_closed_total{why="unread"} 1"#), "{metrics}");
    service.stop().await;
}

#[tokio::test(start_paused = true)]
async fn more_connections_than_allowed_wait_until_one_is_closed() {
    let service = Running::start("max_connections = 1").await;
    let mut first = connect(service.port).await;
    first.write_all(b"GET / HTTP/1.1\r\nhost: ").await.unwrap();
    let mut second = tokio::spawn(exchange(service.port, "/nothing"));
    assert!(timeout(Duration::from_millis(300), &mut second).await.is_err());
    drop(first);
    let second = timeout(Duration::from_secs(5), second).await.unwrap().unwrap().unwrap();
    assert!(second.starts_with("HTTP/1.1 404 "), "{second}");
    service.stop().await;
}

/// A directory with a certificate and its key, of this test alone.
struct Pem(PathBuf);

impl Pem {
    fn new() -> Self {
        let directory = std::env::temp_dir().join(format!("service-kit-tls-{}", std::process::id()));
        std::fs::create_dir_all(&directory).unwrap();
        let made = rcgen::generate_simple_self_signed(["localhost".to_owned()]).unwrap();
        std::fs::write(directory.join("chain.pem"), made.cert.pem()).unwrap();
        std::fs::write(directory.join("key.pem"), made.signing_key.serialize_pem()).unwrap();
        Self(directory)
    }
}

impl Drop for Pem {
    fn drop(&mut self) {
        std::fs::remove_dir_all(&self.0).ok();
    }
}

#[tokio::test(start_paused = true)]
async fn a_client_that_dawdles_over_the_handshake_is_cut_off() {
    let pem = Pem::new();
    let directory = pem.0.to_str().unwrap();
    let settings =
        format!("tls_certificate = \"{directory}/chain.pem\"\ntls_key = \"{directory}/key.pem\"\n");
    let service = Running::start(&settings).await;
    let mut silent = connect(service.port).await;
    let read = timeout(Duration::from_secs(9), silent.read(&mut [0; 16])).await.unwrap();
    assert_eq!(read.unwrap_or(0), 0);
    service.stop().await;
}
