//! IAM, TaskRouter and Conversations, as far as chat history asks them, in plain HTTP on this machine. Each task `WT…n` is of the
//! worker `WK…n`, whose Flex token is `n`, and names the conversation `CH…n`; each conversation has as many messages.

use std::{cell::Cell, net::Ipv4Addr, rc::Rc, time::Duration};

use anyhow::{Context as _, Result};
use clap::Args;
use serde_json::{Value, json};
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::{TcpListener, TcpStream},
    task::{LocalSet, spawn_local},
};

use crate::http::Inbox;

#[derive(Args)]
pub struct Options {
    /// How many messages a conversation has
    #[arg(long)]
    messages: u64,
    /// How long each answer takes, in milliseconds
    #[arg(long)]
    takes_ms: u64,
}

struct Twilio {
    messages: u64,
    takes: Duration,
    /// Requests that would have changed something: nobody joins a conversation by reading.
    writes: Cell<u64>,
}

/// Where it says how often something was written.
pub const WRITES_PATH: &str = "/writes";

/// `WT` and the like, and a number.
pub fn sid(kind: &str, number: u64) -> String {
    format!("{kind}{number:032}")
}

/// Serves until standard input ends.
pub async fn run(options: Options) -> Result<()> {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await?;
    println!("{}", json!({"event": "ready", "port": listener.local_addr()?.port()}));
    let takes = Duration::from_millis(options.takes_ms);
    let twilio = Rc::new(Twilio { messages: options.messages, takes, writes: Cell::default() });
    LocalSet::new().run_until(accept(listener, twilio)).await
}

async fn accept(listener: TcpListener, twilio: Rc<Twilio>) -> Result<()> {
    let mut stdin = tokio::io::stdin();
    let (mut ignored, mut open) = ([0; 64], true);
    while open {
        tokio::select! {
            accepted = listener.accept() => {
                let (stream, _) = accepted?;
                let twilio = Rc::clone(&twilio);
                // A client that goes away halfway is its own business.
                spawn_local(async move { serve(stream, &twilio).await.unwrap_or_default() });
            }
            read = stdin.read(&mut ignored) => open = read? > 0,
        }
    }
    Ok(())
}

async fn serve(mut stream: TcpStream, twilio: &Twilio) -> Result<()> {
    stream.set_nodelay(true)?;
    let mut inbox = Inbox::default();
    while let Some(request) = inbox.next(&mut stream).await? {
        let answer = match twilio.answer(&request.method, &request.target, request.body) {
            Ok(answer) => ("200 OK", answer.to_string()),
            Err(_unknown) => ("404 Not Found", "{}".to_owned()),
        };
        tokio::time::sleep(twilio.takes).await;
        let (status, body) = answer;
        let head = format!(
            "HTTP/1.1 {status}\r\nContent-Type: application/json\r\nContent-Length: {}\r\n\r\n{body}",
            body.len()
        );
        stream.write_all(head.as_bytes()).await?;
    }
    Ok(())
}

impl Twilio {
    fn answer(&self, method: &str, target: &str, body: &[u8]) -> Result<Value> {
        let (path, query) = target.split_once('?').unwrap_or((target, ""));
        let parameter = |name: &str| {
            query
                .split('&')
                .filter_map(|pair| pair.split_once('='))
                .find(|(key, _)| *key == name)
                .map(|(_, v)| v)
        };
        if path.ends_with("/Tokens/validate") {
            let asked: Value = serde_json::from_slice(body)?;
            let number: u64 = asked["token"].as_str().context("no token")?.parse()?;
            return Ok(json!({
                "valid": true, "expiration": "2099-01-01T00:00:00.000Z", "identity": format!("agent_{number}"),
                "roles": ["agent"], "worker_sid": sid("WK", number),
            }));
        }
        if path == WRITES_PATH {
            return Ok(json!({"writes": self.writes.get()}));
        }
        if method != "GET" {
            self.writes.set(self.writes.get() + 1);
        }
        let parts: Vec<&str> = path.split('/').skip(1).collect();
        match parts[..] {
            ["v1", "Workspaces", _, "Tasks", task] => {
                let attributes = json!({"sourceConversationSid": task.replace("WT", "CH"), "customerAddress": "+15550100"});
                Ok(json!({"sid": task, "attributes": attributes.to_string()}))
            }
            ["v1", "Workspaces", _, "Tasks", task, "Reservations"] => {
                let reservation =
                    json!({"worker_sid": task.replace("WT", "WK"), "reservation_status": "accepted"});
                Ok(json!({"reservations": [reservation], "meta": {}}))
            }
            ["v1", "Conversations", conversation] => Ok(json!({
                "sid": conversation, "chat_service_sid": sid("IS", 0), "friendly_name": "Support", "state": "active",
                "date_created": "2026-01-01T00:00:00Z", "date_updated": "2026-01-02T00:00:00Z",
            })),
            ["v1", "Conversations", _, "Participants"] => Ok(json!({"participants": [
                {"messaging_binding": {"type": "sms", "address": "+15550100"}, "attributes": "{}"},
                {"identity": "agent_40example_2Ecom", "attributes": "{\"member_type\":\"agent\"}"},
            ], "meta": {}})),
            ["v1", "Conversations", _, "Messages"] => {
                let end = parameter("PageToken").map_or(Ok(self.messages), str::parse)?;
                let begin = end.saturating_sub(100);
                let messages: Vec<Value> = (begin..end).rev().map(message).collect();
                let next = (begin > 0).then(|| format!("http://x/?PageSize=100&Page=1&PageToken={begin}"));
                Ok(json!({"messages": messages, "meta": {"next_page_url": next}}))
            }
            ["v1", "Users", _] => Ok(json!({"friendly_name": "Ann Lee", "attributes": "{}"})),
            _ => anyhow::bail!("no such resource"),
        }
    }
}

/// As Twilio's own, with the fields that nobody reads.
fn message(index: u64) -> Value {
    let author = ["+15550100", "agent_40example_2Ecom", "system"]
        [usize::from(index % 3 == 1) + 2 * usize::from(index % 3 == 2)];
    json!({
        "sid": sid("IM", index), "account_sid": sid("AC", 0), "conversation_sid": sid("CH", 0), "index": index,
        "author": author, "participant_sid": sid("MB", index % 3), "attributes": "{}", "media": null, "delivery": null,
        "body": format!("Message {index}: where is my parcel, and when will somebody bring it to the address that I gave?"),
        "date_created": "2026-01-01T10:00:00Z", "date_updated": "2026-01-01T10:00:00Z",
        "url": format!("https://conversations.twilio.com/v1/Conversations/CH/Messages/{index}"),
        "links": {"delivery_receipts": "https://conversations.twilio.com/", "channel_metadata": "https://conversations.twilio.com/"},
    })
}
