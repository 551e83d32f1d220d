//! The program among many who keep it waiting: slow bodies, readers who never read, a log that nobody reads. In a file of its
//! own, since what others measure must not be measured meanwhile.

#![cfg(unix)]
#![expect(clippy::unwrap_used, reason = "a helper of a test may panic, as the test itself may")]

#[path = "support/program.rs"]
mod program;
mod support;

use std::{net::SocketAddr, time::Duration};

use program::{Process, command, now, ready, start, twilio};
use serde_json::{Value, json};
use support::{ACCOUNT, FLEX_TOKEN, ORIGIN, until};
use tokio::{
    io::{AsyncBufReadExt as _, AsyncReadExt as _, AsyncWriteExt as _, BufReader},
    net::{TcpSocket, TcpStream},
    sync::{Mutex, oneshot::error::TryRecvError},
    time::timeout,
};

/// For tests that make the machine busy, so that they do so one after the other.
static BUSY: Mutex<()> = Mutex::const_new(());

/// Asks for a token from this address of this machine; the status and how long it took. By hand: what a whole HTTP client
/// needs to begin with would be measured too.
async fn honest(port: u16, from: &str, agent: u32) -> (String, Duration) {
    let body = json!({"account_sid": ACCOUNT, "identity_prefix": "ext_"}).to_string();
    let question = format!(
        "POST /v1/voice/token HTTP/1.1\r\nhost: x\r\nconnection: close\r\norigin: {ORIGIN}\r\n\
         authorization: Bearer {FLEX_TOKEN}-{agent}\r\ncontent-type: application/json\r\ncontent-length: {}\r\n\r\n{body}",
        body.len()
    );
    let started = now();
    let mut answer = String::new();
    let asked = timeout(Duration::from_secs(30), async {
        let socket = TcpSocket::new_v4()?;
        socket.bind(SocketAddr::new(from.parse().unwrap(), 0))?;
        let mut stream = socket.connect(([127, 0, 0, 1], port).into()).await?;
        stream.write_all(question.as_bytes()).await?;
        stream.read_to_string(&mut answer).await
    });
    let asked = asked.await.map(|asked| asked.map_err(|error| error.kind()));
    let status = answer.split(' ').nth(1).map_or_else(|| format!("{asked:?}"), ToOwned::to_owned);
    (status, started.elapsed())
}

/// A client that sends a whole head and then a byte of its body now and then, until it is shown the door.
async fn trickle(port: u16, from: &str) {
    let socket = TcpSocket::new_v4().unwrap();
    socket.bind(SocketAddr::new(from.parse().unwrap(), 0)).unwrap();
    let Ok(mut stream) = socket.connect(([127, 0, 0, 1], port).into()).await else { return };
    let head = format!(
        "POST /v1/voice/token HTTP/1.1\r\nhost: x\r\norigin: {ORIGIN}\r\nauthorization: Bearer x\r\n\
         content-type: application/json\r\ncontent-length: 9999\r\n\r\n{{"
    );
    let mut sent = stream.write_all(head.as_bytes()).await;
    while sent.is_ok() {
        let mut answer = [0; 512];
        match timeout(Duration::from_millis(500), stream.read(&mut answer)).await {
            Ok(_shown_the_door) => return,
            Err(_elapsed) => sent = stream.write_all(b" ").await,
        }
    }
}

/// The bar is a p99 of one second on a machine with nothing else to do.
const MOST_P99: Duration = Duration::from_secs(3);

#[tokio::test]
async fn while_one_address_trickles_bodies_every_honest_request_is_served_also_behind_that_address() {
    let _alone = BUSY.lock().await;
    let twilio = twilio(Duration::ZERO).await;
    // The log is not read either, and says little.
    let mut command = command(&twilio.uri());
    command.env("TOKEN_SERVICE_LOG", "warn").args(["--mints-per-minute", "1000"]);
    let process = ready(command).await;
    // On a thread of its own, so that it does not keep those waiting whose time is measured.
    let (port, (stop, mut stopped)) = (process.port, tokio::sync::oneshot::channel::<()>());
    let attack = std::thread::spawn(move || {
        tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap().block_on(async {
            // A hundred and six new ones a second.
            let mut every = tokio::time::interval(Duration::from_micros(9_434));
            let mut clients = tokio::task::JoinSet::new();
            while stopped.try_recv() == Err(TryRecvError::Empty) {
                every.tick().await;
                clients.spawn(trickle(port, "127.0.0.1"));
                while clients.try_join_next().is_some() {}
            }
        });
    });
    // Until more bodies are arriving than are its share.
    let limited = r#"token_service_limited_total{by="arriving"} "#;
    until("the address has more bodies in progress than its share", async || {
        process.admin("/metrics").await.1.contains(limited)
    })
    .await;
    let mut took: Vec<Duration> = Vec::new();
    for agent in 0..60 {
        let from = if agent % 2 == 0 { "127.0.0.1" } else { "127.0.0.2" };
        let (status, time) = honest(process.port, from, agent).await;
        assert_eq!(status, "200", "after {time:?}");
        took.push(time);
    }
    took.sort_unstable();
    assert_eq!(took.len(), 60);
    assert!(took[59] < MOST_P99, "{took:?}");
    assert_eq!(process.admin("/live").await.0, 200);
    drop(stop);
    attack.join().unwrap();
    process.signal("-TERM");
    process.ended().await;
}

#[tokio::test]
async fn an_address_with_its_share_of_connections_loses_the_longest_waiting_and_others_none() {
    let twilio = twilio(Duration::ZERO).await;
    // A quarter of these is ten.
    let process = start(&twilio.uri(), &["--max-connections", "40"]).await;
    let mut open = Vec::new();
    for _ in 0..10 {
        let mut stream = TcpStream::connect(("127.0.0.1", process.port)).await.unwrap();
        stream.write_all(b"GET / HTTP/1.1\r\nhost: x\r\n\r\n").await.unwrap();
        let mut answer = vec![0; 1024];
        assert!(timeout(Duration::from_secs(10), stream.read(&mut answer)).await.unwrap().unwrap() > 0);
        open.push(stream);
    }
    assert_eq!(honest(process.port, "127.0.0.2", 1).await.0, "200");
    assert_eq!(honest(process.port, "127.0.0.1", 2).await.0, "200", "the same address");
    let read = timeout(Duration::from_secs(10), open[0].read(&mut [0; 16])).await.unwrap();
    assert_eq!(read.unwrap_or(0), 0, "the one that had kept waiting for the longest had to go");
    let (_, metrics) = process.admin("/metrics").await;
    assert!(metrics.contains(r#"token_service_connections_closed_total{why="over_share"} 1"#), "{metrics}");
    process.signal("-TERM");
    process.ended().await;
}

/// Asks for what is not there, this many times on one connection: each time is a line of log.
async fn chatter(process: &Process, times: usize) {
    let mut stream = TcpStream::connect(("127.0.0.1", process.port)).await.unwrap();
    let ask = "GET /nothing HTTP/1.1\r\nhost: x\r\n\r\n".repeat(times - 1);
    let last = "GET /nothing HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n";
    let (mut reader, mut writer) = stream.split();
    let mut answers = String::new();
    let (sent, read) = timeout(Duration::from_secs(60), async {
        let asked = format!("{ask}{last}");
        tokio::join!(writer.write_all(asked.as_bytes()), reader.read_to_string(&mut answers))
    })
    .await
    .unwrap();
    sent.unwrap();
    read.unwrap();
    assert_eq!(answers.matches("HTTP/1.1 404 ").count(), times);
}

#[tokio::test]
async fn a_log_that_nobody_reads_stops_nothing_and_says_what_is_missing_when_it_is_read_again() {
    let _alone = BUSY.lock().await;
    let twilio = twilio(Duration::ZERO).await;
    let mut process = start(&twilio.uri(), &[]).await;
    // A megabyte of room, and what a pipe holds.
    let mut lost = false;
    for _ in 0..20 {
        chatter(&process, 1_000).await;
        let (_, metrics) = process.admin("/metrics").await;
        lost = !metrics.contains("token_service_log_lines_lost_total 0\n");
        if lost {
            break;
        }
    }
    assert!(lost, "the log was never full");
    assert_eq!(process.admin("/live").await, (200, "live\n".into()));
    assert_eq!(process.ask().await.unwrap().0, 200);

    // It is read again.
    let mut log = BufReader::new(process.child.stderr.take().unwrap());
    let mut text = String::new();
    let missing = loop {
        let before = text.len();
        timeout(Duration::from_secs(10), log.read_line(&mut text)).await.unwrap().unwrap();
        let line: Value = serde_json::from_str(&text[before..]).unwrap();
        if let Some(missing) = line["lost"].as_u64() {
            assert_eq!(line["message"], format!("{missing} lines were lost, since nobody read the log"));
            break missing;
        }
    };
    let gap = text.lines().count() - 1;
    assert!(missing > 0 && gap > 100, "{missing} after {gap}");
    let rest = tokio::spawn(async move {
        timeout(Duration::from_secs(60), log.read_to_string(&mut text)).await.unwrap().unwrap();
        text
    });
    assert_eq!(process.ask().await.unwrap().0, 200);
    process.signal("-TERM");
    let code = timeout(Duration::from_secs(20), process.child.wait()).await.unwrap().unwrap().code();
    assert_eq!(code, Some(0));
    let text = rest.await.unwrap();
    support::assert_no_secret(&text);
    let lines: Vec<Value> = text.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let time = |line: &Value| line["timestamp"].as_str().unwrap().parse::<jiff::Timestamp>().unwrap();
    let (before, after) = (&lines[..gap], &lines[gap + 1..]);
    for part in [before, after] {
        assert!(part.is_sorted_by_key(time), "in order");
    }
    assert!(after.iter().any(|line| line["message"] == "token minted"));
    assert_eq!(after.last().unwrap()["message"], "stopped");
}

#[tokio::test]
async fn a_log_that_nobody_reads_does_not_keep_it_from_stopping() {
    let _alone = BUSY.lock().await;
    let twilio = twilio(Duration::ZERO).await;
    let mut process = start(&twilio.uri(), &[]).await;
    // More than a pipe holds.
    chatter(&process, 1_000).await;
    process.signal("-TERM");
    let code = timeout(Duration::from_secs(20), process.child.wait()).await.unwrap().unwrap().code();
    assert_eq!(code, Some(0));
}
