//! A closed loop: each connection asks, waits for the answer, asks again. What counts is an answer with a token for
//! exactly the agent who asked.

use std::{
    net::SocketAddr,
    ops::AddAssign,
    sync::atomic::{AtomicU64, Ordering},
    time::{Duration, Instant, SystemTime, UNIX_EPOCH},
};

use anyhow::{Result, bail};
use clap::{Args, ValueEnum};
use serde_json::{Value, json};
use tokio::{io::AsyncWriteExt as _, net::TcpStream, task::JoinSet};

use crate::http::Inbox;

/// How many agents there are.
const AGENTS: u64 = 1_000;
/// As long as a Flex token is.
const TOKEN_BYTES: usize = 900;
/// The digits of a token that tell it from the others.
const SERIAL_DIGITS: usize = 16;

#[derive(Args)]
pub struct Options {
    /// Where the server listens
    #[arg(long)]
    address: SocketAddr,
    /// What it understands
    #[arg(long, value_enum)]
    speaks: Dialect,
    /// How long to ask
    #[arg(long, default_value_t = 5.0)]
    seconds: f64,
    /// How many ask at once
    #[arg(long, default_value_t = 32)]
    connections: u32,
    /// Ask with a thousand tokens over and over, rather than with a new one each time
    #[arg(long)]
    again: bool,
    /// The account and prefix that the service is set up for, and the origin that it allows
    #[arg(long, default_value = "")]
    account_sid: String,
    #[arg(long, default_value = "")]
    origin: String,
}

#[derive(Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Dialect {
    /// `POST /v1/voice/token`
    Holdfast,
    /// `GET /generateToken`, of the function that Holdfast replaces
    GenerateToken,
}

/// Tokens that have been made up, in all connections, and before them as many as this machine has seen microseconds: each
/// run of this program asks with tokens that no run before it asked with, and so nobody remembers.
static SERIAL: AtomicU64 = AtomicU64::new(0);

/// Begins the count of tokens where no run before this one has been.
pub fn begin_serials() -> Result<()> {
    let since_epoch = SystemTime::now().duration_since(UNIX_EPOCH)?;
    SERIAL.store(u64::try_from(since_epoch.as_micros())?, Ordering::Relaxed);
    Ok(())
}

/// A request with a place in it for the token's digits and the agent's.
pub struct Question {
    pub bytes: Vec<u8>,
    at: usize,
}

impl Question {
    pub fn new(speaks: Dialect, account_sid: &str, origin: &str) -> Self {
        let mut token = format!("{}.agent_00000.", "0".repeat(SERIAL_DIGITS));
        token.push_str(&"A".repeat(TOKEN_BYTES - token.len()));
        let text = match speaks {
            Dialect::Holdfast => {
                let body = json!({"account_sid": account_sid, "identity_prefix": "ext_"}).to_string();
                format!(
                    "POST /v1/voice/token HTTP/1.1\r\nHost: localhost\r\nOrigin: {}\r\nAuthorization: Bearer {token}\r\n\
                     Content-Type: application/json\r\nContent-Length: {}\r\n\r\n{body}",
                    origin,
                    body.len()
                )
            }
            Dialect::GenerateToken => format!(
                "GET /generateToken?Token={token}&VoiceClientPrefix=ext_ HTTP/1.1\r\nHost: localhost\r\n\r\n"
            ),
        };
        let at = text.find(&token).unwrap_or_default();
        Self { bytes: text.into_bytes(), at }
    }

    /// Makes it the question of the next agent, and returns what the answer must contain.
    fn next(&mut self, again: bool) -> String {
        let serial = SERIAL.fetch_add(1, Ordering::Relaxed);
        let agent = serial % AGENTS;
        self.ask(agent, if again { agent } else { serial + AGENTS })
    }

    /// Makes it the question of an agent whose login nobody has asked about.
    pub fn of(&mut self, agent: u64) -> String {
        self.ask(agent, SERIAL.fetch_add(1, Ordering::Relaxed) + AGENTS)
    }

    fn ask(&mut self, agent: u64, serial: u64) -> String {
        let digits = format!("{serial:0width$}.agent_{agent:05}.", width = SERIAL_DIGITS);
        self.bytes[self.at..self.at + digits.len()].copy_from_slice(digits.as_bytes());
        format!("\"identity\":\"ext_agent_{agent:05}\"")
    }
}

#[derive(Default)]
struct Counts {
    /// In microseconds.
    latencies: Vec<u32>,
    failed: u64,
    /// An answer that was not as it should be, for the person who looks for the reason.
    example: Option<String>,
}

impl AddAssign for Counts {
    fn add_assign(&mut self, other: Self) {
        self.latencies.extend(other.latencies);
        self.failed += other.failed;
        self.example = self.example.take().or(other.example);
    }
}

fn question(options: &Options) -> Question {
    Question::new(options.speaks, &options.account_sid, &options.origin)
}

/// Asks for as long as it was told to.
pub async fn run(options: Options) -> Result<Value> {
    begin_serials()?;
    let mut tasks = JoinSet::new();
    let start = Instant::now();
    let end = start + Duration::from_secs_f64(options.seconds);
    for _ in 0..options.connections {
        tasks.spawn(connection(options.address, question(&options), options.again, end));
    }
    let mut total = Counts::default();
    while let Some(done) = tasks.join_next().await {
        total += done??;
    }
    let seconds = start.elapsed().as_secs_f64();
    let Counts { mut latencies, failed, example } = total;
    if latencies.is_empty() {
        bail!("no answer was right; one of the others: {}", example.unwrap_or_default());
    }
    latencies.sort_unstable();
    let percentile = |percent: usize| {
        let index = (latencies.len() * percent / 100).min(latencies.len() - 1);
        f64::from(latencies[index]) / 1000.0
    };
    Ok(json!({
        "requests": latencies.len(),
        "failed": failed,
        "example": example,
        "rps": latencies.len() as f64 / seconds,
        "p50_ms": percentile(50),
        "p99_ms": percentile(99),
    }))
}

async fn connection(
    address: SocketAddr,
    mut question: Question,
    again: bool,
    end: Instant,
) -> Result<Counts> {
    let mut counts = Counts::default();
    let mut stream = TcpStream::connect(address).await?;
    stream.set_nodelay(true)?;
    let mut inbox = Inbox::default();
    loop {
        let asked = Instant::now();
        if asked >= end {
            return Ok(counts);
        }
        let expected = question.next(again);
        stream.write_all(&question.bytes).await?;
        let Some(answer) = inbox.next(&mut stream).await? else { bail!("the server closed the connection") };
        if answer.status == 200 && contains(answer.body, expected.as_bytes()) {
            counts.latencies.push(u32::try_from(asked.elapsed().as_micros()).unwrap_or(u32::MAX));
        } else {
            counts.failed += 1;
            counts
                .example
                .get_or_insert_with(|| format!("{} {}", answer.status, String::from_utf8_lossy(answer.body)));
        }
        if !answer.keeps {
            bail!("the server does not keep connections");
        }
    }
}

/// True when the part is in the text.
pub fn contains(text: &[u8], part: &[u8]) -> bool {
    text.windows(part.len()).any(|window| window == part)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_question_is_of_the_next_agent_with_a_token_of_its_own_unless_tokens_come_again() {
        let mut question = Question::new(Dialect::GenerateToken, "", "");
        let length = question.bytes.len();
        let mut seen = std::collections::BTreeSet::new();
        for _ in 0..3 * AGENTS {
            let expected = question.next(false);
            let agent = expected.trim_end_matches('"').rsplit('_').next().unwrap().to_owned();
            let text = String::from_utf8(question.bytes.clone()).unwrap();
            assert!(text.contains(&format!(".agent_{agent}.AAAA")), "{text}");
            assert!(seen.insert(text));
            assert_eq!(question.bytes.len(), length);
        }
        seen.clear();
        for _ in 0..3 * AGENTS {
            question.next(true);
            seen.insert(String::from_utf8(question.bytes.clone()).unwrap());
        }
        assert_eq!(seen.len() as u64, AGENTS);
    }
}
