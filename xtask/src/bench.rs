//! `cargo xtask bench`: measurements, each of which ends with one line of JSON on standard output.

use std::{path::PathBuf, process::ExitCode};

use anyhow::Result;
use clap::{Args, Subcommand};

use crate::{
    bench_history, bench_token,
    process::{command, exit_code, run_openly},
    project::Project,
    stack::{self, Stack},
};

#[derive(Subcommand)]
pub enum Bench {
    /// From the gateway's invite to the first packet of the agent's voice
    Answer(Answer),
    /// What an agent's click costs: hang-up and mute, until the customer's side sees them
    Call(Call),
    /// The token service beside the function that it replaces
    Token(bench_token::Options),
    /// From a click on the history tab to its first page, at ten thousand messages
    History(bench_history::Options),
    /// Twenty thousand extensions that all want a token after an outage
    Storm,
    /// The worker's cold start and recovery, the content script's cost, and sizes
    Extension(Extension),
}

#[derive(Args)]
pub struct Answer {
    /// How many calls
    #[arg(long, default_value_t = 20, value_name = "N")]
    runs: u32,
    /// Simulated round trip to the voice gateway, in milliseconds
    #[arg(long, default_value_t = 0, value_name = "M")]
    rtt_ms: u32,
    /// Another unpacked extension to measure in turn with ours
    #[arg(long, value_name = "DIR")]
    vs: Option<PathBuf>,
    /// Only the JSON line on standard output
    #[arg(long)]
    json: bool,
}

#[derive(Args)]
pub struct Call {
    /// How many calls
    #[arg(long, default_value_t = 20, value_name = "N")]
    runs: u32,
    /// Only the JSON line on standard output
    #[arg(long)]
    json: bool,
}

#[derive(Args)]
pub struct Extension {
    /// How often each thing is measured
    #[arg(long, default_value_t = 30, value_name = "N")]
    runs: u32,
    /// Only the JSON line on standard output
    #[arg(long)]
    json: bool,
}

/// Runs a measurement.
pub fn run(project: &Project, bench: &Bench) -> Result<ExitCode> {
    match bench {
        Bench::Answer(options) => answer(project, options),
        Bench::Token(options) => bench_token::run(project, options),
        Bench::History(options) => bench_history::run(project, options),
        Bench::Storm => storm(project),
        Bench::Call(options) => alone(project, "bench-call", options.runs, options.json),
        Bench::Extension(options) => alone(project, "bench-extension", options.runs, options.json),
    }
}

/// The test that is too long to be run with the others; it prints what it saw.
fn storm(project: &Project) -> Result<ExitCode> {
    let mut cargo = command("cargo", &project.root);
    cargo.args(["test", "--quiet", "--locked", "--package", "token-bench", "--test", "storm"]);
    cargo.args(["--", "--ignored", "--nocapture"]);
    let played = run_openly(&mut cargo)?;
    if played.success() {
        bench_token::storm(project)?;
    }
    Ok(exit_code(played))
}

/// A measurement of our extension alone, against a stack of its own.
fn alone(project: &Project, name: &str, runs: u32, json: bool) -> Result<ExitCode> {
    let tools = stack::prepare(project)?;
    let stack = Stack::start(project, &tools, &stack::Options { headless: true, ..Default::default() })?;
    let mut script = tools.script(project, name);
    script.arg("--stack").arg(&stack.file).args(["--runs", &runs.to_string()]);
    if json {
        script.arg("--json");
    }
    Ok(exit_code(run_openly(&mut script)?))
}

fn answer(project: &Project, answer: &Answer) -> Result<ExitCode> {
    let tools = stack::prepare(project)?;
    let usual = stack::Options { rtt_ms: answer.rtt_ms, headless: true, ..Default::default() };
    // Another extension gets a stack of its own, whose token URL has the older shape.
    let other = answer.vs.as_ref().map(|directory| {
        let options =
            stack::Options { extension: Some(directory.clone()), label: "vs-".into(), ..usual.clone() };
        Stack::start(project, &tools, &options)
    });
    let other = other.transpose()?;
    let stack = Stack::start(project, &tools, &usual)?;
    let mut script = tools.script(project, "bench-answer");
    script.arg("--stack").arg(&stack.file).args(["--runs", &answer.runs.to_string()]);
    if let Some(other) = &other {
        script.arg("--vs-stack").arg(&other.file);
    }
    if answer.json {
        script.arg("--json");
    }
    Ok(exit_code(run_openly(&mut script)?))
}
