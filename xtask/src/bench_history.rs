//! `cargo xtask bench history`: from a click on the history tab to its first page, with the token service as it ships before a
//! stand-in for Twilio whose conversations are long and which takes its time for each answer.

use std::{
    process::{ExitCode, Stdio},
    time::Instant,
};

use anyhow::{Context, Result};
use clap::Args;
use serde_json::Value;

use crate::{
    bench_token::{ACCOUNT_SID, API_KEY_SID, build},
    process::{command, output_of, seconds},
    project::Project,
    say,
    stack::start_server,
};

#[derive(Args)]
pub struct Options {
    /// How many messages each conversation has
    #[arg(long, default_value_t = 10_000, value_name = "N", value_parser = clap::value_parser!(u32).range(100..=1_000_000))]
    messages: u32,
    /// How long Twilio takes for each answer, in milliseconds
    #[arg(long, default_value_t = 30, value_name = "MS", value_parser = clap::value_parser!(u32).range(0..=1_000))]
    twilio_ms: u32,
    /// Only the JSON line on standard output
    #[arg(long)]
    json: bool,
}

const FLEX: &str = "https://flex.twilio.com";
const HISTORY_KEY_SID: &str = "SK00000000000000000000000000000001";
const WORKSPACE_SID: &str = "WS00000000000000000000000000000000";

/// From the click to the first page, for nineteen of twenty.
const FIRST_PAGE_BAR_MS: f64 = 300.0;

/// Measures, says so, and prints the JSON line last. Fails when the bar is not kept, or somebody joined.
pub fn run(project: &Project, options: &Options) -> Result<ExitCode> {
    let start = Instant::now();
    build(project)?;
    let built = |name: &str| project.target.join("service").join(name);
    let program = |name: &str| command(built(name), &project.root);

    let messages = options.messages.to_string();
    let mut twilio = program("token-bench");
    twilio.args(["history-twilio", "--messages", &messages, "--takes-ms", &options.twilio_ms.to_string()]);
    twilio.stdin(Stdio::piped());
    let (_twilio, ready) = start_server(project, "bench-history-twilio", twilio)?;
    let twilio = format!("127.0.0.1:{}", ready["port"].as_u64().context("the stand-in says no port")?);

    let mut service = program("token-service");
    service.args(["--port", "0", "--admin-port", "0", "--exit-with-stdin", "--history"]);
    service.args(["--history-api-key-sid", HISTORY_KEY_SID, "--workspace-sid", WORKSPACE_SID]);
    service.args(["--allowed-origin", FLEX, "--validation-cache-seconds", "30"]);
    for setting in [
        "--iam-base-url",
        "--taskrouter-base-url",
        "--history-conversations-base-url",
        "--history-media-base-url",
    ] {
        service.args([setting, &format!("http://{twilio}")]);
    }
    service
        .env("TWILIO_ACCOUNT_SID", ACCOUNT_SID)
        .env("TWILIO_API_KEY_SID", API_KEY_SID)
        .env("TWILIO_API_KEY_SECRET", "s".repeat(32))
        .env("TWILIO_HISTORY_API_KEY_SECRET", "h".repeat(32))
        .stdin(Stdio::piped());
    let (_service, ready) = start_server(project, "bench-history-service", service)?;
    let address = format!("127.0.0.1:{}", ready["port"].as_u64().context("the service says no port")?);

    let mut agents = program("token-bench");
    agents.args([
        "history",
        "--address",
        &address,
        "--twilio",
        &twilio,
        "--messages",
        &messages,
        "--origin",
        FLEX,
    ]);
    let output = output_of(&mut agents).context("agents cannot read history")?;
    let line = output.lines().last().unwrap_or_default();
    let seen: Value = serde_json::from_str(line)?;
    let first = seen["first_page_p95_ms"].as_f64().context("no time")?;
    let kept = first < FIRST_PAGE_BAR_MS && seen["agent_joined"] == 0;
    if !options.json {
        println!(
            "{messages} messages, {} ms for each answer of Twilio's: the first page after {first} ms (p95, bar {FIRST_PAGE_BAR_MS}), \
             each further page after {} ms (p95)",
            options.twilio_ms, seen["page_p95_ms"]
        );
    }
    say!("bench: {}", seconds(start));
    println!("{seen}");
    Ok(if kept { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}
