//! Agents who open the history tab: from nothing known to the first page, and then through all pages of a long conversation.

pub mod twilio;

use std::{net::SocketAddr, time::Instant};

use anyhow::{Context as _, Result, ensure};
use clap::Args;
use serde_json::{Value, json};
use tokio::{io::AsyncWriteExt as _, net::TcpStream, task::JoinSet};

use crate::http::Inbox;
use twilio::{WRITES_PATH, sid};

#[derive(Args)]
pub struct Options {
    /// Where the service listens
    #[arg(long)]
    address: SocketAddr,
    /// Where its Twilio is
    #[arg(long)]
    twilio: SocketAddr,
    /// How many messages a conversation has
    #[arg(long)]
    messages: usize,
    /// How many agents open the tab at once
    #[arg(long, default_value_t = 4)]
    agents: u64,
    /// How often each of them does
    #[arg(long, default_value_t = 25)]
    opens: u64,
    /// The origin that the service allows
    #[arg(long)]
    origin: String,
}

/// Milliseconds of each.
#[derive(Default)]
struct Times {
    first_pages: Vec<f64>,
    pages: Vec<f64>,
}

/// Opens and scrolls.
pub async fn run(options: Options) -> Result<Value> {
    let mut tasks = JoinSet::new();
    for agent in 0..options.agents {
        let (address, origin, opens) = (options.address, options.origin.clone(), options.opens);
        let messages = options.messages;
        tasks.spawn(async move {
            let mut agent_page = Page::open(address, &origin).await?;
            let mut times = Times::default();
            for number in 0..opens {
                // Nothing of this agent, their task and its conversation is known yet.
                let asked = Instant::now();
                let own = 1 + agent * opens + number;
                let overview = agent_page.get(own, &format!("/v1/history/tasks/{}", sid("WT", own))).await?;
                ensure!(overview["conversations"][0]["sid"] == sid("CH", own), "{overview}");
                let first = agent_page.messages(own, None).await?;
                times.first_pages.push(asked.elapsed().as_secs_f64() * 1000.0);
                ensure!(
                    first["messages"].as_array().is_some_and(|messages| messages.len() == 100),
                    "{first}"
                );
                if number == 0 {
                    agent_page.scroll(own, &first, messages, &mut times.pages).await?;
                }
            }
            Ok::<_, anyhow::Error>(times)
        });
    }
    let mut all = Times::default();
    while let Some(done) = tasks.join_next().await {
        let times = done??;
        all.first_pages.extend(times.first_pages);
        all.pages.extend(times.pages);
    }
    let mut twilio = Page::open(options.twilio, "").await?;
    let writes = twilio.get(0, WRITES_PATH).await?;
    Ok(json!({
        "messages": options.messages,
        "first_page_p95_ms": percentile(all.first_pages, 95)?,
        "page_p95_ms": percentile(all.pages, 95)?,
        "agent_joined": writes["writes"].as_u64().context("the stand-in does not say what was written")?,
    }))
}

fn percentile(mut times: Vec<f64>, percent: usize) -> Result<f64> {
    times.sort_by(f64::total_cmp);
    let at = (times.len() * percent / 100).min(times.len().saturating_sub(1));
    let time = times.get(at).context("nothing was measured")?;
    Ok((time * 10.0).round() / 10.0)
}

/// A page of Flex: one connection that is kept.
struct Page {
    stream: TcpStream,
    inbox: Inbox,
    origin: String,
}

impl Page {
    async fn open(address: SocketAddr, origin: &str) -> Result<Self> {
        let stream = TcpStream::connect(address).await?;
        stream.set_nodelay(true)?;
        Ok(Self { stream, inbox: Inbox::default(), origin: origin.to_owned() })
    }

    async fn get(&mut self, agent: u64, path: &str) -> Result<Value> {
        let question = format!(
            "GET {path} HTTP/1.1\r\nHost: localhost\r\nOrigin: {}\r\nAuthorization: Bearer {agent}\r\n\r\n",
            self.origin
        );
        self.stream.write_all(question.as_bytes()).await?;
        let answer = self.inbox.next(&mut self.stream).await?.context("the server closed the connection")?;
        let body = String::from_utf8_lossy(answer.body);
        ensure!(answer.status == 200, "{path}: {} {body}", answer.status);
        serde_json::from_str(&body).context("the answer is no JSON")
    }

    async fn messages(&mut self, own: u64, cursor: Option<&str>) -> Result<Value> {
        let cursor = cursor.map(|cursor| format!("?cursor={cursor}")).unwrap_or_default();
        let (task, conversation) = (sid("WT", own), sid("CH", own));
        self.get(own, &format!("/v1/history/tasks/{task}/conversations/{conversation}/messages{cursor}"))
            .await
    }

    /// Through all earlier pages to the conversation's begin.
    async fn scroll(&mut self, own: u64, first: &Value, messages: usize, times: &mut Vec<f64>) -> Result<()> {
        let count = |page: &Value| page["messages"].as_array().map_or(0, Vec::len);
        let (mut seen, mut cursor) = (count(first), first["cursor"].as_str().map(ToOwned::to_owned));
        while let Some(at) = cursor {
            let asked = Instant::now();
            let page = self.messages(own, Some(&at)).await?;
            times.push(asked.elapsed().as_secs_f64() * 1000.0);
            seen += count(&page);
            cursor = page["cursor"].as_str().map(ToOwned::to_owned);
        }
        ensure!(seen == messages, "{seen} messages were seen of {messages}");
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn of_a_hundred_times_the_ninety_fifth_is_passed_by_five() {
        let times: Vec<f64> = (0..100).rev().map(f64::from).collect();
        assert_eq!(percentile(times, 95).unwrap(), 95.0);
        assert_eq!(percentile(vec![7.04], 95).unwrap(), 7.0);
        assert!(percentile(Vec::new(), 95).is_err());
    }
}
