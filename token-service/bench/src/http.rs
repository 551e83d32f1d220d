//! Just enough HTTP/1.1 over a kept-alive connection to cost next to nothing beside what is measured.

use anyhow::{Context as _, Result, bail};
use tokio::io::{AsyncRead, AsyncReadExt as _};

/// The largest message that is read.
const MAX_MESSAGE_BYTES: usize = 64 * 1024;

/// A connection's unread bytes.
#[derive(Default)]
pub struct Inbox {
    bytes: Vec<u8>,
    /// Where the message that was last returned ends.
    read: usize,
}

pub struct Message<'b> {
    /// The status of an answer; 0 for a request.
    pub status: u16,
    /// Path and query of a request; empty for an answer.
    pub target: String,
    /// Its method; empty for an answer.
    pub method: String,
    pub body: &'b [u8],
    /// Whether the other side keeps the connection.
    pub keeps: bool,
    /// `Retry-After`, in seconds.
    pub retry_after: Option<u64>,
}

struct Head {
    status: u16,
    target: String,
    method: String,
    length: usize,
    body: usize,
    keeps: bool,
    retry_after: Option<u64>,
}

impl Inbox {
    /// The next message; `None` when the other side has closed the connection between two.
    ///
    /// # Errors
    /// When the connection breaks, or what comes is not HTTP.
    pub async fn next(&mut self, stream: &mut (impl AsyncRead + Unpin)) -> Result<Option<Message<'_>>> {
        self.bytes.drain(..self.read);
        self.read = 0;
        let head = loop {
            if let Some(head) = parse(&self.bytes)? {
                break head;
            }
            if stream.read_buf(&mut self.bytes).await? == 0 {
                if self.bytes.is_empty() {
                    return Ok(None);
                }
                bail!("the connection ended within a message");
            }
            if self.bytes.len() > MAX_MESSAGE_BYTES {
                bail!("a message is too long");
            }
        };
        let end = head.body + head.length;
        while self.bytes.len() < end {
            if stream.read_buf(&mut self.bytes).await? == 0 {
                bail!("the connection ended within a body");
            }
        }
        self.read = end;
        let Head { status, target, method, body, keeps, retry_after, .. } = head;
        Ok(Some(Message { status, target, method, body: &self.bytes[body..end], keeps, retry_after }))
    }
}

/// The head, once all of it is there.
fn parse(bytes: &[u8]) -> Result<Option<Head>> {
    let mut headers = [httparse::EMPTY_HEADER; 48];
    let (mut target, mut method) = (String::new(), String::new());
    let (status, parsed, headers) = if bytes.starts_with(b"HTTP/") {
        let mut answer = httparse::Response::new(&mut headers);
        let parsed = answer.parse(bytes)?;
        (answer.code.unwrap_or(0), parsed, &*answer.headers)
    } else {
        let mut request = httparse::Request::new(&mut headers);
        let parsed = request.parse(bytes)?;
        request.path.unwrap_or_default().clone_into(&mut target);
        request.method.unwrap_or_default().clone_into(&mut method);
        (0, parsed, &*request.headers)
    };
    let httparse::Status::Complete(body) = parsed else { return Ok(None) };
    let value = |name: &str| {
        headers.iter().find(|header| header.name.eq_ignore_ascii_case(name)).map(|header| header.value)
    };
    if value("transfer-encoding").is_some() {
        bail!("a body of unknown length");
    }
    let length = match value("content-length") {
        Some(text) => std::str::from_utf8(text)?.parse().context("Content-Length")?,
        None => 0,
    };
    if length > MAX_MESSAGE_BYTES {
        bail!("a body is too long");
    }
    let keeps = !value("connection").is_some_and(|value| value.eq_ignore_ascii_case(b"close"));
    let retry_after = value("retry-after").and_then(|text| std::str::from_utf8(text).ok()?.parse().ok());
    Ok(Some(Head { status, target, method, length, body, keeps, retry_after }))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn messages_are_told_apart_however_they_arrive() {
        let wire =
            b"HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\nabcHTTP/1.1 503 No\r\nconnection: close\r\n\r\n";
        for cut in 0..wire.len() {
            let mut stream = tokio_test_stream(&wire[..cut], &wire[cut..]);
            let mut inbox = Inbox::default();
            let first = inbox.next(&mut stream).await.unwrap().unwrap();
            assert_eq!((first.status, first.body, first.keeps), (200, &b"abc"[..], true), "cut at {cut}");
            let second = inbox.next(&mut stream).await.unwrap().unwrap();
            assert_eq!((second.status, second.body, second.keeps), (503, &b""[..], false), "cut at {cut}");
            assert!(inbox.next(&mut stream).await.unwrap().is_none());
        }
    }

    #[tokio::test]
    async fn what_is_not_http_or_too_long_is_an_error() {
        for wire in
            ["\0\0\0\0", "HTTP/1.1 200 OK\r\nContent-Length: 99999999\r\n\r\n", "HTTP/1.1 200 OK\r\nA"]
        {
            let mut stream = tokio_test_stream(wire.as_bytes(), b"");
            assert!(Inbox::default().next(&mut stream).await.is_err(), "{wire:?}");
        }
    }

    fn tokio_test_stream<'a>(first: &'a [u8], second: &'a [u8]) -> impl AsyncRead + Unpin + 'a {
        first.chain(second)
    }
}
