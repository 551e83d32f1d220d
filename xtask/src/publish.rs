//! `cargo xtask plugin`: the work is done by the program in `tools/publish`, which is compiled only when it is wanted.

use std::{
    ffi::OsString,
    path::PathBuf,
    process::{Command, ExitCode},
};

use anyhow::Result;
use clap::Args;

use crate::{
    build,
    process::{exit_code, run_openly},
    project::Project,
};

/// Handed on as they are.
#[derive(Args)]
#[command(disable_help_flag = true)]
pub struct Arguments {
    #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
    arguments: Vec<OsString>,
}

impl Arguments {
    /// True when our own script is published, so that it must be the newest.
    pub fn need_a_build(&self) -> bool {
        let named = |name: &str| self.arguments.iter().any(|argument| argument == name);
        (named("pack") || named("deploy")) && !named("--script") && !named("--help") && !named("-h")
    }
}

/// Compiles and runs it in the repository's directory.
pub fn run(project: &Project, arguments: &Arguments) -> Result<ExitCode> {
    let program = compile(project)?;
    let status = run_openly(Command::new(program).current_dir(&project.root).args(&arguments.arguments))?;
    Ok(exit_code(status))
}

/// Compiles it; says where it is.
pub fn compile(project: &Project) -> Result<PathBuf> {
    build::programs(project, &["publish"])?;
    Ok(project.target.join("debug/publish"))
}
