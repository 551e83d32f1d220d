//! The `sandbox` binary: prints one line of JSON when it is ready, logs to standard error, and runs until it is told
//! to stop.

use std::io::Write as _;

use anyhow::Context as _;
use clap::Parser as _;
use sandbox::{Cli, Sandbox};
use tracing_subscriber::EnvFilter;

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    let filter = EnvFilter::try_from_default_env()
        .unwrap_or_else(|_| EnvFilter::new("info,str0m=warn,is=warn,dimpl=warn"));
    tracing_subscriber::fmt().with_env_filter(filter).with_writer(std::io::stderr).init();
    let cli = Cli::parse();
    let exit_with_stdin = cli.exit_with_stdin;
    let sandbox = Sandbox::start(cli).await?;
    let mut stdout = std::io::stdout();
    writeln!(stdout, "{}", sandbox.ready_line())
        .and_then(|()| stdout.flush())
        .context("telling that it is ready")?;
    let why = told_to_stop(exit_with_stdin).await?;
    tracing::info!(why, "stopping");
    sandbox.stop().await;
    Ok(())
}

/// Waits for a signal, or for the end of standard input if that counts.
async fn told_to_stop(exit_with_stdin: bool) -> anyhow::Result<&'static str> {
    let mut terminate = tokio::signal::unix::signal(tokio::signal::unix::SignalKind::terminate())
        .context("listening for SIGTERM")?;
    let (ended, stdin) = tokio::sync::oneshot::channel::<()>();
    let stdin_ended = async {
        if !exit_with_stdin {
            return std::future::pending().await;
        }
        // A thread that nobody waits for: reading from a terminal cannot be interrupted.
        std::thread::spawn(move || {
            drop(std::io::copy(&mut std::io::stdin(), &mut std::io::sink()));
            drop(ended);
        });
        drop(stdin.await);
    };
    Ok(tokio::select! {
        _ = terminate.recv() => "SIGTERM",
        interrupted = tokio::signal::ctrl_c() => { interrupted.context("listening for ctrl-c")?; "ctrl-c" }
        () = stdin_ended => "standard input ended",
    })
}
