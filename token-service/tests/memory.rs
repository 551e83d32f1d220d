//! When an agent has gone, no token of theirs is left in the service's process. Its memory is read as a debugger would.

#![cfg(target_os = "linux")]
#![expect(clippy::unwrap_used, reason = "a helper of a test may panic, as the test itself may")]
#![expect(clippy::print_stderr, reason = "a test that is left out says so")]

#[path = "support/program.rs"]
mod program;
mod support;

use std::{
    fs::File,
    io::{BufRead as _, Cursor, ErrorKind, Read as _, Seek as _, SeekFrom},
    process::Stdio,
    time::Duration,
};

use program::{command, ready};
use serde_json::Value;
use support::{ORIGIN, iam::Gate, until};
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::TcpStream,
    time::timeout,
};

/// No piece of them is like another: the account stands also in what is no secret, and must not be taken for a part of a token.
const ACCOUNT: &str = "AC0f1e2d3c4b5a69788796a5b4c3d2e1f0";
const KEY: &str = "SK1029384756afbecd0192837465fedcba";

/// All that the process can write to; `None` where the system does not let this test read it.
fn memory(process: u32) -> Option<Vec<Vec<u8>>> {
    let mut memory = match File::open(format!("/proc/{process}/mem")) {
        Err(error) if error.kind() == ErrorKind::PermissionDenied => return None,
        opened => opened.unwrap(),
    };
    let maps = std::fs::read_to_string(format!("/proc/{process}/maps")).unwrap();
    let (mut regions, zeros) = (Vec::new(), vec![0; 1 << 24]);
    for line in maps.lines().filter(|line| line.contains(" rw")) {
        let (from, to) = line.split_once(' ').unwrap().0.split_once('-').unwrap();
        let (from, to) = (u64::from_str_radix(from, 16).unwrap(), u64::from_str_radix(to, 16).unwrap());
        // Large parts of what an allocator reserves were never touched, and cost nothing to read as zeros; but all of it need
        // not be held at once.
        let mut at = from;
        while at < to {
            let mut bytes = vec![0; usize::try_from((to - at).min(1 << 24)).unwrap()];
            memory.seek(SeekFrom::Start(at)).unwrap();
            match memory.read(&mut bytes) {
                Ok(0) | Err(_) => break,
                Ok(read) => {
                    bytes.truncate(read);
                    at += u64::try_from(read).unwrap();
                    if bytes != zeros[..read] {
                        regions.push(bytes);
                    }
                }
            }
        }
    }
    assert!(!regions.is_empty());
    Some(regions)
}

/// How often a piece of the secret is there, at least 24 bytes long. Pieces begin every 24 bytes.
fn found(memory: &[Vec<u8>], secret: &str) -> usize {
    let pieces: Vec<&[u8]> = secret.as_bytes().chunks_exact(24).collect();
    assert!(!pieces.is_empty());
    let mut found = 0;
    for piece in pieces {
        for region in memory {
            let mut cursor = Cursor::new(region.as_slice());
            // The standard library's search for one byte is fast also in a test.
            while cursor.skip_until(piece[0]).unwrap() > 0 {
                let at = usize::try_from(cursor.position()).unwrap() - 1;
                found += usize::from(region[at..].starts_with(piece));
            }
        }
    }
    found
}

/// The text of the answer to a request for a token, on a connection of its own.
async fn ask(port: u16, flex_token: String) -> String {
    let mut stream = TcpStream::connect(("127.0.0.1", port)).await.unwrap();
    let request = format!(
        "POST /v1/voice/token HTTP/1.1\r\nhost: x\r\norigin: {ORIGIN}\r\nauthorization: Bearer {flex_token}\r\n\
         content-length: 0\r\nconnection: close\r\n\r\n"
    );
    stream.write_all(request.as_bytes()).await.unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await.unwrap();
    answer
}

#[tokio::test]
async fn when_the_connection_is_closed_no_flex_token_and_no_voice_token_is_left_in_the_process() {
    let twilio = Gate::start().await;
    let mut command = command(&twilio.url);
    // Nobody reads the log here, so there is to be as little of it as usual.
    command
        .env("TWILIO_ACCOUNT_SID", ACCOUNT)
        .env("TWILIO_API_KEY_SID", KEY)
        .env("TOKEN_SERVICE_LOG", "info")
        .stderr(Stdio::null());
    let service = ready(command).await;
    let (public, process) = (service.port, service.child.id().unwrap());

    // About as long as a real one; no piece of it is like another.
    let flex_token: String = (0..40_u64).map(|n| format!("~{:023}", (n + 1) * 0x9E37_79B9_7F4A)).collect();
    let asking = tokio::spawn(ask(public, flex_token.clone()));
    twilio.asked().await;
    let Some(held) = memory(process) else {
        eprintln!("skipped: this system does not let one process read another's memory");
        return;
    };
    assert!(found(&held, &flex_token) > 0, "the search works: while Twilio is asked, the token is there");
    drop(held);
    twilio.answer(1, Duration::ZERO);

    let answer = timeout(Duration::from_secs(20), asking).await.unwrap().unwrap();
    assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");
    let body: Value = serde_json::from_str(answer.rsplit("\r\n\r\n").next().unwrap()).unwrap();
    let voice_token = body["token"].as_str().unwrap().to_owned();
    // Of the claims, the end is left out: the account, which is no secret, and is in the last block that was signed, of which
    // the cryptography library keeps no account.
    let (claims, signature) = voice_token.split_once('.').unwrap().1.split_once('.').unwrap();
    let claims = &claims[..claims.len() - 64];
    // The connection may not be closed yet.
    until("no piece of the Flex token, and none of the Voice token, is left", async || {
        let memory = memory(process).unwrap();
        (found(&memory, &flex_token), found(&memory, claims) + found(&memory, signature)) == (0, 0)
    })
    .await;
}
