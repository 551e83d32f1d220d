//! The program as it is started: ports, signals, time limits on the wire, settings that it refuses.

#![cfg(unix)]
#![expect(clippy::unwrap_used, reason = "a helper of a test may panic, as the test itself may")]

#[path = "support/program.rs"]
mod program;
mod support;

use std::{
    net::SocketAddr,
    sync::{Arc, Mutex},
    time::Duration,
};

use program::{command, now, ready, start, twilio};
use rustls::{
    ServerConfig,
    pki_types::{CertificateDer, PrivateKeyDer, pem::PemObject as _},
};
use support::{FLEX_TOKEN, KEY_SECRET, ORIGIN, iam::Gate, until};
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::{TcpListener, TcpStream},
    process::Command,
    time::timeout,
};
use tokio_rustls::TlsAcceptor;

#[tokio::test]
async fn a_proxy_of_the_environment_is_not_used_on_this_machine() {
    let twilio = twilio(Duration::ZERO).await;
    let mut command = command(&twilio.uri());
    command.env("HTTP_PROXY", "http://127.0.0.1:1").env("http_proxy", "http://127.0.0.1:1");
    let process = ready(command).await;
    assert_eq!(process.ask().await.unwrap().0, 200);
    process.signal("-TERM");
    assert_eq!(process.ended().await.0, Some(0));
}

#[tokio::test]
async fn it_says_its_ports_serves_counts_and_logs_no_secret() {
    let twilio = twilio(Duration::ZERO).await;
    let process = start(&twilio.uri(), &[]).await;
    assert_eq!(process.admin("/live").await, (200, "live\n".into()));
    assert_eq!(process.admin("/ready").await, (200, "ready\n".into()));
    let (status, body) = process.ask().await.unwrap();
    assert_eq!((status, body["identity"].as_str()), (200, Some("ext_ann")));
    let (_, metrics) = process.admin("/metrics").await;
    let line = r#"token_service_requests_total{route="/v1/voice/token",outcome="200"} 1"#;
    assert!(metrics.contains(line), "{metrics}");
    process.signal("-TERM");
    let (code, log) = process.ended().await;
    assert_eq!(code, Some(0));
    assert!(log.contains("token minted") && !log.contains("canary"));
    assert!(!log.contains(body["token"].as_str().unwrap().rsplit('.').next().unwrap()));
}

#[tokio::test]
async fn told_to_stop_it_answers_what_it_has_begun_and_takes_nothing_new() {
    let twilio = Gate::start().await;
    let process = start(&twilio.url, &[]).await;
    let begun = process.ask();
    twilio.asked().await;
    process.signal("-TERM");
    until("not ready", async || process.admin("/ready").await == (503, "stopping\n".into())).await;
    until("nothing new", async || TcpStream::connect(("127.0.0.1", process.port)).await.is_err()).await;
    twilio.answer(1, Duration::ZERO);
    assert_eq!(begun.await.unwrap().0, 200);
    let started = now();
    assert_eq!(process.ended().await.0, Some(0));
    // Half of what it may take at most; a busy machine needs some of it.
    assert!(started.elapsed() < Duration::from_secs(6), "{:?}", started.elapsed());
}

#[tokio::test]
async fn told_to_stop_twice_it_stops_at_once() {
    let twilio = Gate::start().await;
    let process = start(&twilio.url, &[]).await;
    let begun = process.ask();
    twilio.asked().await;
    process.signal("-INT");
    until("it stops", async || process.admin("/ready").await.0 == 503).await;
    process.signal("-TERM");
    let (_, log) = process.ended().await;
    assert!(log.contains("told to stop twice: stopping at once"), "{log}");
    assert!(begun.await.is_err(), "Twilio has not answered, and would have been waited for");
}

#[tokio::test]
async fn it_never_outlives_the_one_who_holds_its_standard_input() {
    let twilio = twilio(Duration::ZERO).await;
    let mut process = start(&twilio.uri(), &["--exit-with-stdin"]).await;
    assert_eq!(process.admin("/ready").await.0, 200);
    drop(process.child.stdin.take());
    assert_eq!(process.ended().await.0, Some(0));

    // And it still heeds a signal while standard input is open.
    let process = start(&twilio.uri(), &["--exit-with-stdin"]).await;
    process.signal("-TERM");
    assert_eq!(process.ended().await.0, Some(0));
}

#[tokio::test]
async fn a_header_of_a_megabyte_is_refused_before_it_is_all_there_and_harms_nobody() {
    let twilio = twilio(Duration::ZERO).await;
    let process = start(&twilio.uri(), &[]).await;
    for head in [
        format!(
            "POST /v1/voice/token HTTP/1.1\r\nhost: x\r\nauthorization: Bearer {}\r\n\r\n",
            "x".repeat(1 << 20)
        ),
        format!("GET /{} HTTP/1.1\r\nhost: x\r\n\r\n", "x".repeat(1 << 20)),
        format!("GET / HTTP/1.1\r\n{}\r\n", "x-a: b\r\n".repeat(130_000)),
    ] {
        let mut stream = TcpStream::connect(("127.0.0.1", process.port)).await.unwrap();
        // The service answers and hangs up before all of it is sent, which the sender may notice first.
        let (mut reader, mut writer) = stream.split();
        let mut answer = Vec::new();
        let (_sent, _read) = timeout(Duration::from_secs(10), async {
            tokio::join!(writer.write_all(head.as_bytes()), reader.read_to_end(&mut answer))
        })
        .await
        .unwrap();
        let answer = String::from_utf8_lossy(&answer);
        let status = answer.split(' ').nth(1).unwrap_or("hung up");
        assert!(matches!(status, "400" | "414" | "431" | "hung up"), "{answer:.200}");
    }
    assert_eq!(process.ask().await.unwrap().0, 200);
    process.signal("-TERM");
    assert_eq!(process.ended().await.0, Some(0));
}

#[tokio::test]
async fn a_head_of_a_hundred_lines_is_read_and_one_more_is_too_many() {
    let twilio = twilio(Duration::ZERO).await;
    let process = start(&twilio.uri(), &[]).await;
    for (lines, status) in [(100, "404 Not Found"), (101, "431 Request Header Fields Too Large")] {
        let head = format!("GET / HTTP/1.1\r\n{}\r\n", "x-a: b\r\n".repeat(lines));
        let mut stream = TcpStream::connect(("127.0.0.1", process.port)).await.unwrap();
        stream.write_all(head.as_bytes()).await.unwrap();
        let mut answer = vec![0; 4096];
        let read = timeout(Duration::from_secs(10), stream.read(&mut answer)).await.unwrap().unwrap();
        let answer = String::from_utf8_lossy(&answer[..read]);
        assert!(answer.starts_with(&format!("HTTP/1.1 {status}\r\n")), "{lines} lines: {answer}");
        assert!(answer.contains("content-length: 0\r\n"), "{answer}");
    }
    process.signal("-TERM");
    assert_eq!(process.ended().await.0, Some(0));
}

/// A certificate for localhost and Twilio's IAM, and its key in PEM, in a directory of its own.
struct Pem {
    directory: std::path::PathBuf,
    trusted: reqwest::Certificate,
}

impl Pem {
    fn new(name: &str) -> Self {
        let directory = std::env::temp_dir().join(format!("token-service-tls-{name}-{}", std::process::id()));
        std::fs::create_dir_all(&directory).unwrap();
        let trusted = Self::write(&directory);
        Self { directory, trusted }
    }

    fn write(directory: &std::path::Path) -> reqwest::Certificate {
        let made =
            rcgen::generate_simple_self_signed(["localhost", "iam.twilio.com"].map(String::from)).unwrap();
        std::fs::write(directory.join("chain.pem"), made.cert.pem()).unwrap();
        std::fs::write(directory.join("key.pem"), made.signing_key.serialize_pem()).unwrap();
        reqwest::Certificate::from_pem(made.cert.pem().as_bytes()).unwrap()
    }

    fn flags(&self) -> [String; 4] {
        let file = |name: &str| self.directory.join(name).to_str().unwrap().to_owned();
        ["--tls-certificate".into(), file("chain.pem"), "--tls-key".into(), file("key.pem")]
    }
}

impl Drop for Pem {
    fn drop(&mut self) {
        std::fs::remove_dir_all(&self.directory).ok();
    }
}

/// Speaks TLS before `plain`: the first `refused` connections are closed before TLS is agreed. A client that sends CONNECT
/// first, as to a proxy, gets its way, and what it sent is kept.
async fn tls_before(plain: SocketAddr, pem: &Pem, refused: usize) -> (u16, Arc<Mutex<Vec<String>>>) {
    let chain = CertificateDer::pem_file_iter(pem.directory.join("chain.pem")).unwrap();
    let chain: Vec<_> = chain.map(Result::unwrap).collect();
    let key = PrivateKeyDer::from_pem_file(pem.directory.join("key.pem")).unwrap();
    let config = ServerConfig::builder().with_no_client_auth().with_single_cert(chain, key).unwrap();
    let tls = TlsAcceptor::from(Arc::new(config));
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    let seen = Arc::new(Mutex::new(Vec::new()));
    let (heads, tls) = (Arc::clone(&seen), tls);
    tokio::spawn(async move {
        for number in 0.. {
            let (mut stream, _) = listener.accept().await.unwrap();
            let (heads, tls) = (Arc::clone(&heads), tls.clone());
            tokio::spawn(async move {
                let mut first = [0];
                stream.peek(&mut first).await.unwrap();
                let mut head = String::new();
                while first == *b"C" && !head.ends_with("\r\n\r\n") {
                    head.push(stream.read_u8().await.unwrap().into());
                }
                if !head.is_empty() {
                    stream.write_all(b"HTTP/1.1 200 OK\r\n\r\n").await.unwrap();
                }
                heads.lock().unwrap().push(head);
                if number < refused {
                    return;
                }
                let (mut stream, mut plain) =
                    (tls.accept(stream).await.unwrap(), TcpStream::connect(plain).await.unwrap());
                // However it ends.
                tokio::io::copy_bidirectional(&mut stream, &mut plain).await.ok();
            });
        }
    });
    (port, seen)
}

#[tokio::test]
async fn a_connection_to_twilio_that_did_not_come_about_is_tried_once_more() {
    let (twilio, pem) = (twilio(Duration::ZERO).await, Pem::new("refusing"));
    for (refused, status) in [(0, 200), (1, 200), (2, 503)] {
        let (port, seen) = tls_before(*twilio.address(), &pem, refused).await;
        let mut command = command(&format!("https://localhost:{port}"));
        command.env("SSL_CERT_FILE", pem.directory.join("chain.pem"));
        let process = ready(command).await;
        assert_eq!(process.ask().await.unwrap().0, status, "{refused}");
        assert_eq!(seen.lock().unwrap().len(), (refused + 1).min(2), "{refused}");
        process.signal("-TERM");
        assert_eq!(process.ended().await.0, Some(0));
    }
}

#[tokio::test]
async fn twilio_is_asked_through_the_proxy_that_the_environment_names() {
    let (twilio, pem) = (twilio(Duration::ZERO).await, Pem::new("proxy"));
    let (port, seen) = tls_before(*twilio.address(), &pem, 0).await;
    let mut command = command("https://iam.twilio.com");
    command
        .env("SSL_CERT_FILE", pem.directory.join("chain.pem"))
        .env("HTTPS_PROXY", format!("http://someone:canary-password@127.0.0.1:{port}"));
    let process = ready(command).await;
    assert_eq!(process.ask().await.unwrap().0, 200);
    let head = seen.lock().unwrap().concat();
    assert!(head.starts_with("CONNECT iam.twilio.com:443 HTTP/1.1\r\n"), "{head}");
    assert!(head.to_lowercase().contains("\r\nproxy-authorization: basic "), "{head}");
    process.signal("-TERM");
    assert_eq!(process.ended().await.0, Some(0));
}

async fn over_tls(port: u16, trusted: &reqwest::Certificate) -> Option<u16> {
    let client = reqwest::Client::builder().no_proxy().tls_certs_only([trusted.clone()]).build().unwrap();
    let request = client
        .post(format!("https://localhost:{port}/v1/voice/token"))
        .bearer_auth(FLEX_TOKEN)
        .header("origin", ORIGIN);
    Some(request.send().await.ok()?.status().as_u16())
}

#[tokio::test]
async fn it_speaks_tls_itself_if_told_to_and_takes_a_renewed_certificate_without_a_restart() {
    let twilio = twilio(Duration::ZERO).await;
    let mut pem = Pem::new("renewed");
    let mut command = command(&twilio.uri());
    command.args(pem.flags());
    let process = ready(command).await;
    assert_eq!(over_tls(process.port, &pem.trusted).await, Some(200));
    let plain = reqwest::Client::builder().no_proxy().build().unwrap();
    assert!(plain.get(format!("http://127.0.0.1:{}/", process.port)).send().await.is_err());

    let old = std::mem::replace(&mut pem.trusted, Pem::write(&pem.directory));
    process.signal("-HUP");
    until("renewed", async || over_tls(process.port, &pem.trusted).await == Some(200)).await;
    assert_eq!(over_tls(process.port, &old).await, None);

    // What cannot be used is told, and changes nothing.
    std::fs::write(pem.directory.join("key.pem"), "canary").unwrap();
    process.signal("-HUP");
    let refused = r#"reloads_total{outcome="refused"} 1"#;
    until("told", async || process.admin("/metrics").await.1.contains(refused)).await;
    assert_eq!(over_tls(process.port, &pem.trusted).await, Some(200));
    process.signal("-TERM");
    let (code, log) = process.ended().await;
    assert_eq!(code, Some(0));
    assert!(log.contains("holds no private key in PEM"));
}

#[tokio::test]
async fn check_says_what_is_wrong_with_the_files_and_doctor_what_is_to_do() {
    let pem = Pem::new("check");
    let mut good = command("https://iam.twilio.com");
    good.arg("check").args(pem.flags());
    assert!(good.output().await.unwrap().status.success());
    Pem::write(&pem.directory);
    std::fs::write(pem.directory.join("chain.pem"), "canary").unwrap();
    let mut bad = command("https://iam.twilio.com");
    bad.arg("check").args(pem.flags());
    let output = bad.output().await.unwrap();
    assert!(!output.status.success());
    let text = String::from_utf8(output.stderr).unwrap();
    assert!(text.contains("chain.pem holds no certificate in PEM") && !text.contains("canary"), "{text}");

    let twilio = twilio(Duration::ZERO).await;
    let mut doctor = command(&twilio.uri());
    let url = twilio.uri();
    doctor.args(["doctor", "--taskrouter-base-url", &url, "--flex-api-base-url", &url]);
    let output = timeout(Duration::from_secs(30), doctor.output()).await.unwrap().unwrap();
    let text = String::from_utf8(output.stdout).unwrap();
    support::assert_no_secret(&text);
    assert_eq!(output.status.code(), Some(1));
    assert!(text.contains("TO DO") && text.ends_with(" to do.\n"), "{text}");
}

#[tokio::test]
async fn where_connections_are_scarce_none_is_kept_for_its_next_request() {
    let twilio = twilio(Duration::ZERO).await;
    let process = start(&twilio.uri(), &["--max-connections", "4"]).await;
    let mut open = Vec::new();
    let mut closed = 0;
    for client in 0..12 {
        let mut stream = TcpStream::connect(("127.0.0.1", process.port)).await.unwrap();
        stream.write_all(b"GET / HTTP/1.1\r\nhost: x\r\n\r\n").await.unwrap();
        let mut answer = vec![0; 1024];
        let length = timeout(Duration::from_secs(5), stream.read(&mut answer)).await.unwrap().unwrap();
        let answer = String::from_utf8_lossy(&answer[..length]).to_lowercase();
        assert!(answer.starts_with("http/1.1 404"), "client {client}: {answer}");
        closed += usize::from(answer.contains("\r\nconnection: close\r\n"));
        assert_eq!(closed == 0, client == 0, "client {client}: {answer}");
        open.push(stream);
    }
    process.signal("-TERM");
    assert_eq!(process.ended().await.0, Some(0));
}

#[tokio::test]
async fn switches_can_be_set_by_variables() {
    let printed = |value: &'static str| async move {
        let mut command = command("https://iam.twilio.com");
        command.env("TOKEN_SERVICE_LEGACY_GENERATE_TOKEN", value).arg("check");
        String::from_utf8(command.output().await.unwrap().stdout).unwrap()
    };
    for (value, on) in [("true", true), ("false", false)] {
        let text = printed(value).await;
        assert!(text.contains(&format!("legacy_generate_token = {on}\n")), "{value}: {text}");
    }
}

#[tokio::test]
async fn settings_that_are_not_usable_are_refused_with_a_message_that_shows_no_secret() {
    let refused = |iam: &'static str, change: fn(&mut Command) -> &mut Command| async move {
        let mut command = command(iam);
        let output = timeout(Duration::from_secs(10), change(&mut command).output()).await.unwrap().unwrap();
        assert!(!output.status.success());
        assert!(output.stdout.is_empty());
        String::from_utf8(output.stderr).unwrap()
    };
    let iam = "https://iam.twilio.com";
    let messages = [
        refused(iam, |command| command.env("TWILIO_API_KEY_SID", KEY_SECRET)).await,
        refused(iam, |command| command.env("TWILIO_API_KEY_SECRET_FILE", "/dev/null")).await,
        refused(iam, |command| command.env_remove("TWILIO_API_KEY_SECRET")).await,
        refused("http://iam.twilio.com", |command| command.args(["--log", "error"])).await,
    ];
    assert!(!messages.concat().contains("canary"));
    insta::assert_snapshot!(messages.concat(), @r"
    token-service: --api-key-sid is not a valid API key SID (SK and 32 hexadecimal digits)
    token-service: TWILIO_API_KEY_SECRET and TWILIO_API_KEY_SECRET_FILE are both set; set one of them
    token-service: TWILIO_API_KEY_SECRET or TWILIO_API_KEY_SECRET_FILE must be set
    token-service: --iam-base-url is not a valid base URL (https://host[/path]; http only to a loopback address)
    ");
}

#[tokio::test]
async fn the_settings_can_be_printed_without_secrets() {
    let output = command("https://iam.twilio.com").arg("check").output().await.unwrap();
    let text = String::from_utf8(output.stdout).unwrap();
    assert!(output.status.success());
    assert!(text.contains(", secret set\n  auth = token\n"), "{text}");
    assert!(!text.contains("canary"));
}
