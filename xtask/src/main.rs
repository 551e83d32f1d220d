//! Holdfast's own commands; `cargo xtask --help` names them all.
//!
//! Each command first makes sure that the machine has what it needs (`setup`), says what it does and how long it
//! takes, and leaves no process behind.
#![expect(clippy::print_stdout, clippy::print_stderr, reason = "a command-line tool talks to a person")]
#![expect(clippy::disallowed_methods, reason = "times its steps and waits for processes; ships to nobody")]

mod advisories;
mod api_test;
mod attack;
mod bars;
mod bench;
mod bench_history;
mod bench_token;
mod build;
mod checklist;
mod checkout;
mod demo;
mod flex_ui;
mod fuzz;
mod identity;
mod nextest;
mod playwright;
mod process;
mod project;
mod publish;
mod pypi;
mod rollout;
mod setup;
mod soak;
mod stack;
mod stamp;
mod test;
mod wasm_target;

use std::{path::PathBuf, process::ExitCode};

use anyhow::Result;
use clap::{Parser, Subcommand};

use crate::project::Project;

#[derive(Parser)]
#[command(name = "cargo xtask", about = "Holdfast: build it, try it, test it", arg_required_else_help = true)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Install or build whatever this machine lacks; every other command does so by itself
    Setup,
    /// Build the extension and the plugin into dist/
    Build,
    /// Try the whole product on this machine, in a window or played by itself
    Demo(demo::Options),
    /// Format, lints, native tests, and the end-to-end tests in Chromium
    Test(test::Options),
    /// Measurements
    #[command(subcommand)]
    Bench(bench::Bench),
    /// Call after call, with killed workers and reloaded pages at random moments
    Soak(soak::Options),
    /// Attacks on what ships, each with what it got and what it may get
    Attack(attack::Options),
    /// Make the key that signs the extension: cargo xtask key FILE
    Key(rollout::Arguments),
    /// Pack the extension: CRX3, unpacked folder, Web Store archive, update manifest (--help says how)
    Pack(rollout::Arguments),
    /// Write the policies that install the extension and set it up (--help says how)
    Policy(rollout::Arguments),
    /// List what is in extension, plugin, token service and image, as CycloneDX, into dist/sbom
    Sbom(rollout::Arguments),
    /// Publish the Flex plugin: pack, deploy, release (--help says how)
    Plugin(publish::Arguments),
    /// Search for bytes that break a promise of what reads strangers' messages
    Fuzz(fuzz::Options),
    /// Print the id that Chrome gives an unpacked extension
    ExtensionId {
        /// Directory of the unpacked extension; without it, what was built in this checkout
        directory: Option<PathBuf>,
    },
}

fn main() -> ExitCode {
    match run(Cli::parse()) {
        Ok(code) => code,
        Err(error) => {
            eprintln!("\nerror: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn run(cli: Cli) -> Result<ExitCode> {
    process::watch_for_interrupts()?;
    let project = Project::here()?;
    match cli.command {
        Command::Setup => {
            setup::run(&project)?;
        }
        Command::Build => {
            let tools = setup::run(&project)?;
            build::run(&project, &tools)?;
            build::report_sizes(&project)?;
        }
        Command::Demo(options) => return demo::run(&project, &options),
        Command::Test(options) => return test::run(&project, &options),
        Command::Bench(bench) => return bench::run(&project, &bench),
        Command::Soak(options) => return soak::run(&project, &options),
        Command::Attack(options) => return attack::run(&project, &options),
        Command::Key(arguments) => return rollout::run(&project, "key", &arguments),
        Command::Policy(arguments) => return rollout::run(&project, "policy", &arguments),
        Command::Sbom(arguments) => return rollout::run(&project, "sbom", &arguments),
        Command::Pack(arguments) => {
            if !arguments.is_about_another_build() {
                let tools = setup::run(&project)?;
                build::run(&project, &tools)?;
            }
            if arguments.want_a_release() {
                return rollout::release(&project, &arguments);
            }
            return rollout::run(&project, "pack", &arguments);
        }
        Command::Plugin(arguments) => {
            if arguments.need_a_build() {
                let tools = setup::run(&project)?;
                build::run(&project, &tools)?;
            }
            return publish::run(&project, &arguments);
        }
        Command::Fuzz(options) => return fuzz::run(&project, &options),
        Command::ExtensionId { directory } => {
            println!("{}", identity::of_directory(&directory.unwrap_or_else(|| project.extension()))?);
        }
    }
    Ok(ExitCode::SUCCESS)
}
