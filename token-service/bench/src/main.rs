//! The parts of `cargo xtask bench token` and `bench history` that must be fast themselves: stand-ins for Twilio, generators of
//! load, and the rate at which tokens can be signed at all.
//!
//! Each is a program of its own, so that it can be given a core of its own. The last line on standard output is JSON.
#![expect(clippy::print_stdout, reason = "a command-line tool talks to whoever started it")]
#![expect(clippy::disallowed_methods, reason = "measures time; ships to nobody")]

mod history;
mod http;
mod iam;
mod load;
mod sign;
mod storm;

use clap::{Parser, Subcommand};

#[derive(Parser)]
#[command(name = "token-bench")]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Stand in for Twilio's IAM, over TLS, until standard input ends
    Iam(iam::Options),
    /// Ask a server for tokens, as fast as it answers
    Load(load::Options),
    /// Be many agents who all want a token within the same minute, and who wait as long as they are told to
    Storm(storm::Options),
    /// Stand in for all of Twilio that chat history asks, until standard input ends
    HistoryTwilio(history::twilio::Options),
    /// Open the history tab again and again, and scroll through a long conversation
    History(history::Options),
    /// Sign tokens, as fast as one core can
    Sign,
}

fn main() -> anyhow::Result<()> {
    let cli = Cli::parse();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let last_line = match cli.command {
        Command::Iam(options) => return runtime.block_on(iam::run(options)),
        Command::HistoryTwilio(options) => return runtime.block_on(history::twilio::run(options)),
        Command::History(options) => runtime.block_on(history::run(options))?,
        Command::Load(options) => runtime.block_on(load::run(options))?,
        Command::Storm(options) => runtime.block_on(storm::run(options))?,
        Command::Sign => sign::run()?,
    };
    println!("{last_line}");
    Ok(())
}
