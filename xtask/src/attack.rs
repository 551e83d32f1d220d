//! `cargo xtask attack`: what attackers have tried, against what ships, on this machine alone.

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
    /// Only the attacks whose name matches this pattern
    #[arg(long, value_name = "PATTERN")]
    only: Option<String>,
    /// Only the JSON line on standard output
    #[arg(long)]
    json: bool,
}

/// Plays each attack. Prints a table of what each got beside its bar; the last line on standard output is one JSON object.
/// Fails when an attack got something.
pub fn run(project: &Project, options: &Options) -> Result<ExitCode> {
    let tools = stack::prepare(project)?;
    let usual = stack::Options { headless: true, ..Default::default() };
    let stack = Stack::start(project, &tools, &usual)?;
    // Where the driver itself says who is whom, as a token service would.
    let token_port = stack::free_port()?;
    let desk = stack::Options { label: "desk-".into(), token_port: Some(token_port), ..usual };
    let desk = Stack::start(project, &tools, &desk)?;
    let mut script = tools.script(project, "attack");
    script.arg("--stack").arg(&stack.file);
    script.arg("--desk-stack").arg(&desk.file).args(["--token-port", &token_port.to_string()]);
    script.arg("--token-service").arg(project.target.join("debug/token-service"));
    if let Some(only) = &options.only {
        script.args(["--only", only]);
    }
    if options.json {
        script.arg("--json");
    }
    Ok(exit_code(run_openly(&mut script)?))
}
