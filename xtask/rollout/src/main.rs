//! What an administrator hands out: the signed package, the update manifest, and policies for every platform.
//!
//! A program of its own beside `xtask`, because its cryptography and archives take a minute to compile, and a newcomer
//! who only wants the demo must not wait for them. `cargo xtask key | pack | policy` build and run it.
#![expect(clippy::print_stdout, clippy::print_stderr, reason = "a command-line tool talks to a person")]

#[path = "../../src/checkout.rs"]
mod checkout;
mod key;
mod licences;
mod package;
mod policy;
mod xml;

use std::{path::PathBuf, process::ExitCode};

use anyhow::Result;
use clap::{Parser, Subcommand};

#[derive(Parser)]
#[command(name = "cargo xtask", bin_name = "cargo xtask", arg_required_else_help = true)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Make the key that signs the extension and decides its id; keep it outside of every repository
    Key {
        /// Where to; must not exist yet
        #[arg(value_name = "FILE")]
        file: PathBuf,
    },
    /// Pack the built extension: unpacked folder and Web Store archive; with a key also the signed CRX3
    Pack(package::Options),
    /// Write the policies that install the extension and set it up, for every platform
    Policy(policy::Options),
}

fn run(cli: Cli) -> Result<()> {
    match cli.command {
        Command::Key { file } => {
            let key = key::SigningKey::make(&file)?;
            println!("{}", key.id());
            eprintln!(
                "The key is in {}. Who has it can publish updates to every browser that has the extension: keep it \
                 where only the packer reads it, and keep a copy, because without it no update can be published.",
                file.display()
            );
        }
        Command::Pack(options) => package::run(&checkout::root()?, &options)?,
        Command::Policy(options) => policy::run(&checkout::root()?, &options)?,
    }
    Ok(())
}

fn main() -> ExitCode {
    match run(Cli::parse()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("\nerror: {error:#}");
            ExitCode::FAILURE
        }
    }
}
