//! The agents of a contact centre, who all want a token within the same minute: each asks on a connection of its own and
//! waits as long as it is told to. What the service itself needs for them is measured meanwhile by whoever started this.

use std::{
    net::SocketAddr,
    time::{Duration, Instant},
};

use anyhow::{Context as _, Result, bail};
use clap::Args;
use serde_json::{Value, json};
use tokio::{io::AsyncWriteExt as _, net::TcpStream, task::JoinSet, time};

use crate::{
    http::Inbox,
    load::{Dialect, Question, begin_serials, contains},
};

/// Nobody asks more often.
const MOST_QUESTIONS: u32 = 200;

#[derive(Args)]
pub struct Options {
    /// Where the service listens
    #[arg(long)]
    address: SocketAddr,
    /// How many agents there are
    #[arg(long, default_value_t = 20_000)]
    agents: u32,
    /// Within how many seconds all of them come
    #[arg(long, default_value_t = 60)]
    within: u32,
    /// After so many seconds it is given up
    #[arg(long, default_value_t = 1_200)]
    at_most: u64,
    /// The account that the service is set up for, and the origin that it allows
    #[arg(long)]
    account_sid: String,
    #[arg(long)]
    origin: String,
}

/// Lets everybody come, and says how they fared.
pub async fn run(options: Options) -> Result<Value> {
    begin_serials()?;
    let start = Instant::now();
    let mut agents = JoinSet::new();
    for agent in 0..options.agents {
        let question = Question::new(Dialect::Holdfast, &options.account_sid, &options.origin);
        let at = Duration::from_secs(options.within.into()) * agent / options.agents;
        agents.spawn(ask_until_served(options.address, question, agent, at));
    }
    let mut asked = Vec::new();
    let all = async {
        while let Some(done) = agents.join_next().await {
            asked.push(done??);
        }
        anyhow::Ok(())
    };
    let served = time::timeout(Duration::from_secs(options.at_most), all).await;
    served.with_context(|| format!("not everybody has a token after {} s", options.at_most))??;
    let times: u32 = asked.iter().sum();
    Ok(json!({
        "served": asked.len(),
        "seconds": start.elapsed().as_secs(),
        "asked_mean": (f64::from(times) / f64::from(options.agents) * 10.0).round() / 10.0,
        "asked_most": asked.iter().max(),
    }))
}

/// How often the agent asked until it had its token.
async fn ask_until_served(
    address: SocketAddr,
    mut question: Question,
    agent: u32,
    at: Duration,
) -> Result<u32> {
    time::sleep(at).await;
    let expected = question.of(agent.into());
    for asked in 1..=MOST_QUESTIONS {
        // Kept open while it waits, as browsers do, unless the service closes it.
        let mut stream = TcpStream::connect(address).await?;
        stream.write_all(&question.bytes).await?;
        let mut inbox = Inbox::default();
        let answer = inbox.next(&mut stream).await?.context("the service closed the connection")?;
        match (answer.status, answer.retry_after) {
            (200, _) if contains(answer.body, expected.as_bytes()) => return Ok(asked),
            // Not all who were told the same come back in the same instant.
            (503, Some(seconds)) => time::sleep(spread(seconds, agent + asked)).await,
            (status, _) => bail!("{status} {}", String::from_utf8_lossy(answer.body)),
        }
    }
    bail!("an agent asked {MOST_QUESTIONS} times in vain")
}

/// As long as was told, and up to half as long again.
fn spread(seconds: u64, which: u32) -> Duration {
    Duration::from_millis(seconds * (1000 + u64::from(which.wrapping_mul(2_654_435_761) >> 16) % 500))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nobody_comes_back_too_early_or_much_too_late() {
        let waits: std::collections::BTreeSet<Duration> = (0..100).map(|which| spread(10, which)).collect();
        assert!(waits.len() > 50, "they are spread");
        assert!(waits.iter().all(|wait| (10..=15).contains(&wait.as_secs())), "{waits:?}");
    }
}
