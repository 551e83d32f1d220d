//! The token service's program: reads the settings and serves, or checks them, or asks whether all is well.

use std::{
    io::{self, Write as _},
    process::ExitCode,
};

use anyhow::Context as _;
use clap::Parser as _;
use token_service::{
    Config,
    config::{Action, Args},
    doctor::{self, Verdict},
    limits::shared,
    log,
    outside::SystemClock,
    serve,
    tls::Certificate,
};
use tracing_subscriber::EnvFilter;

fn main() -> ExitCode {
    match run() {
        Ok(code) => code,
        Err(error) => {
            // Also without a log; standard error may be gone too, and then nobody can be told.
            for line in format!("{error:#}").lines() {
                writeln!(io::stderr(), "token-service: {line}").unwrap_or_default();
            }
            ExitCode::FAILURE
        }
    }
}

fn run() -> anyhow::Result<ExitCode> {
    let config = Config::new(Args::parse(), &|name| std::env::var_os(name))?;
    // A panic is one line like any other; its message could repeat what it stumbled over, its place cannot.
    std::panic::set_hook(Box::new(|panic| {
        tracing::error!(place = panic.location().map(tracing::field::display), "panic");
    }));
    match config.action {
        Action::Serve => serve(config),
        Action::Check => check(&config),
        Action::Doctor => ask_doctor(&config),
    }
}

/// One thread is enough: ten thousand agents ask about six times a second, and an answer costs 70 µs.
fn runtime() -> io::Result<tokio::runtime::Runtime> {
    tokio::runtime::Builder::new_current_thread().enable_all().build()
}

fn serve(config: Config) -> anyhow::Result<ExitCode> {
    let filter = EnvFilter::builder().parse(&config.log)?;
    tracing::subscriber::set_global_default(log::subscriber(filter, io::stderr))?;
    runtime()?.block_on(serve::run(config))?;
    Ok(ExitCode::SUCCESS)
}

/// The settings are good, since they were read; what remains is what they name.
fn check(config: &Config) -> anyhow::Result<ExitCode> {
    config.tls.as_ref().map(Certificate::load).transpose()?;
    config.redis_url.as_ref().map(shared::client).transpose()?;
    if let Some(directory) = &config.extension_dir {
        std::fs::read_dir(directory).with_context(|| directory.display().to_string())?;
    }
    write!(io::stdout(), "{config}")?;
    Ok(ExitCode::SUCCESS)
}

fn ask_doctor(config: &Config) -> anyhow::Result<ExitCode> {
    let findings = runtime()?.block_on(doctor::examine(config, &SystemClock::start()));
    for finding in &findings {
        writeln!(io::stdout(), "{finding}")?;
    }
    let left = findings.iter().filter(|finding| finding.verdict == Verdict::ToDo).count();
    writeln!(io::stdout(), "{}", if left == 0 { "All is well.".into() } else { format!("{left} to do.") })?;
    Ok(if left == 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}
