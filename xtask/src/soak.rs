//! `cargo xtask soak`: call after call, with killed workers and reloaded pages at random moments.

use std::process::ExitCode;

use anyhow::Result;
use clap::Args;

use crate::{
    process::{exit_code, run_openly},
    project::Project,
    stack::{self, Stack},
};

#[derive(Args)]
pub struct Options {
    /// How many calls, one after the other
    #[arg(long, default_value_t = 200, value_name = "N")]
    calls: u32,
    /// Kill the extension's worker at random moments
    #[arg(long)]
    kill_worker: bool,
    /// Reload the Flex page at random moments
    #[arg(long)]
    reload: bool,
    /// Play the same moments again as the run that printed this number
    #[arg(long, value_name = "S")]
    seed: Option<u32>,
    /// Only the JSON line on standard output
    #[arg(long)]
    json: bool,
}

/// Runs the calls. The last line on standard output is one JSON object; fails when a call was lost or a state is stuck.
pub fn run(project: &Project, options: &Options) -> Result<ExitCode> {
    let tools = stack::prepare(project)?;
    let stack = Stack::start(project, &tools, &stack::Options { headless: true, ..Default::default() })?;
    let mut script = tools.script(project, "soak");
    script.arg("--stack").arg(&stack.file);
    script.args(["--calls", &options.calls.to_string()]);
    for (flag, on) in [("--kill-worker", options.kill_worker), ("--reload", options.reload)] {
        if on {
            script.arg(flag);
        }
    }
    if options.json {
        script.arg("--json");
    }
    if let Some(seed) = options.seed {
        script.args(["--seed", &seed.to_string()]);
    }
    Ok(exit_code(run_openly(&mut script)?))
}
