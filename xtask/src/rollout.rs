//! `cargo xtask key | pack | policy`: the work is done by the program in `tools/rollout`, which is compiled only when
//! it is wanted.

use std::{
    ffi::OsString,
    fs,
    process::{Command, ExitCode},
};

use anyhow::{Context, Result};
use clap::Args;
use serde_json::json;

use crate::{
    advisories, build,
    process::{exit_code, output_of, run_openly},
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
    /// True when the package is to be handed out.
    pub fn want_a_release(&self) -> bool {
        self.arguments.iter().any(|one| one == "--release")
    }

    /// True when our own build is not what is packed, or nothing is.
    pub fn is_about_another_build(&self) -> bool {
        self.arguments.iter().any(|one| {
            one.to_str()
                .is_some_and(|text| text.starts_with("--extension") || text == "--help" || text == "-h")
        })
    }
}

/// `pack --release`: what is known of the dependencies' faults is looked up first, and judged by the program.
pub fn release(project: &Project, arguments: &Arguments) -> Result<ExitCode> {
    compile(project)?;
    let looked = json!({
        "cargo": advisories::of_crates(project)?,
        "npm": advisories::of_npm_packages(project)?,
    });
    let file = project.run_dir().join("release.json");
    fs::write(&file, looked.to_string()).with_context(|| file.display().to_string())?;
    let mut pack = program(project);
    pack.arg("pack").args(&arguments.arguments).arg("--looked").arg(file);
    Ok(exit_code(run_openly(&mut pack)?))
}

/// Compiles and runs it in the directory that the person is in, so that paths mean what they say.
pub fn run(project: &Project, what: &str, arguments: &Arguments) -> Result<ExitCode> {
    compile(project)?;
    let status = run_openly(program(project).arg(what).args(&arguments.arguments))?;
    Ok(exit_code(status))
}

/// Compiles it.
pub fn compile(project: &Project) -> Result<()> {
    build::programs(project, &["rollout"])
}

fn program(project: &Project) -> Command {
    Command::new(project.target.join("debug/rollout"))
}

/// A signing key for one run of the tests; it is gone when this value is dropped.
pub struct PassingKey {
    directory: std::path::PathBuf,
    /// The extension id that follows from it.
    pub id: String,
}

impl PassingKey {
    /// Makes one, outside of the repository as every key.
    pub fn make(project: &Project) -> Result<Self> {
        let directory = std::env::temp_dir().join(format!("holdfast-key-{}", std::process::id()));
        fs::create_dir_all(&directory).with_context(|| directory.display().to_string())?;
        let mut key = Self { directory, id: String::new() };
        key.id = output_of(program(project).args(["key", "--plain"]).arg(key.file()))
            .context("no key was made")?;
        Ok(key)
    }

    /// The key's file.
    pub fn file(&self) -> std::path::PathBuf {
        self.directory.join("key.pem")
    }
}

impl Drop for PassingKey {
    fn drop(&mut self) {
        // Nothing can be done about a file that does not go.
        let _removed = fs::remove_dir_all(&self.directory);
    }
}
