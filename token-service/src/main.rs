//! The token service's program: reads the settings, sets up the log, serves.

use std::{io::Write as _, process::ExitCode};

use clap::Parser as _;
use token_service::{
    Config,
    config::{Action, Args},
    log, serve,
};
use tracing_subscriber::EnvFilter;

/// A tenth less time for each answer than with the system's allocator, and it works as well with musl's C library, whose
/// own allocator is slow.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    match start() {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            // Also without a log; standard error may be gone too, and then nobody can be told.
            writeln!(std::io::stderr(), "token-service: {error:#}").unwrap_or_default();
            ExitCode::FAILURE
        }
    }
}

fn start() -> anyhow::Result<()> {
    let config = Config::new(Args::parse(), &|name| std::env::var_os(name))?;
    if config.action == Action::Check {
        write!(std::io::stdout(), "{config}")?;
        return Ok(());
    }
    let filter = EnvFilter::builder().parse(&config.log)?;
    tracing::subscriber::set_global_default(log::subscriber(filter, std::io::stderr))?;
    // A panic is one line like any other; its message could repeat what it stumbled over, its place cannot.
    std::panic::set_hook(Box::new(|panic| {
        tracing::error!(place = panic.location().map(tracing::field::display), "panic");
    }));
    // One thread is enough: ten thousand agents ask about six times a second, and an answer costs 70 µs.
    tokio::runtime::Builder::new_current_thread().enable_all().build()?.block_on(serve::run(config))
}
