//! The token service's program: reads the settings and serves, or checks them, or asks whether all is well.

use std::{
    io::{self, Write as _},
    process::ExitCode,
    time::Duration,
};

use anyhow::Context as _;
use clap::Parser as _;
use token_service::{
    Config,
    config::{Action, Args},
    doctor::{self, Verdict},
    limits::shared,
    log::{self, Lines},
    operator::Call,
    outside::SystemClock,
    serve,
    tls::Certificate,
};
use tracing_subscriber::EnvFilter;
use zeroizing_alloc::ZeroAlloc;

/// What a request allocates, it frees again within a tenth of a millisecond: with mimalloc that costs half as much as with
/// glibc's allocator, and a fraction of musl's. What is freed is wiped, since tokens have been in it.
#[global_allocator]
static ALLOCATOR: ZeroAlloc<mimalloc::MiMalloc> = ZeroAlloc(mimalloc::MiMalloc);

fn main() -> ExitCode {
    match run() {
        Ok(code) => code,
        Err(error) => {
            tell(&mut io::stderr(), &error);
            ExitCode::FAILURE
        }
    }
}

/// Says why the program ends, also without a log. Standard error may be gone too, and then nobody can be told.
fn tell(to: &mut impl io::Write, error: &anyhow::Error) {
    for line in format!("{error:#}").lines() {
        to.write_all(format!("token-service: {line}\n").as_bytes()).unwrap_or_default();
    }
}

fn run() -> anyhow::Result<ExitCode> {
    let (args, variable) = (Args::parse(), |name: &str| std::env::var_os(name));
    // A panic is one line like any other; its message could repeat what it stumbled over, its place cannot.
    std::panic::set_hook(Box::new(|panic| {
        tracing::error!(place = panic.location().map(tracing::field::display), "panic");
    }));
    match args.action() {
        Action::Serve => serve(Config::new(args, &variable)?),
        Action::Check => check(&Config::new(args, &variable)?),
        Action::Doctor => ask_doctor(&Config::new(args, &variable)?),
        Action::Revoke | Action::Restore | Action::Revocations => {
            say(&Config::operator_call(args, &variable)?)
        }
    }
}

/// One thread is enough: ten thousand agents ask about six times a second, and an answer costs less than 0.1 ms.
fn runtime() -> tokio::runtime::Builder {
    let mut runtime = tokio::runtime::Builder::new_current_thread();
    runtime.enable_all();
    runtime
}

/// How long the last lines of the log may take to be read when the service stops.
const LAST_LINES: Duration = Duration::from_secs(2);

fn serve(config: Config) -> anyhow::Result<ExitCode> {
    let filter = EnvFilter::builder().parse(&config.log)?;
    let mut lines = Lines::to_stderr().context("cannot log")?;
    let writer = lines.clone();
    tracing::subscriber::set_global_default(log::subscriber(filter, move || writer.clone()))?;
    let served = runtime().build()?.block_on(serve::run(config));
    if let Err(error) = &served {
        // The same way as the log: whoever does not read it must not keep the service from stopping.
        tell(&mut lines, error);
    }
    lines.finish(LAST_LINES);
    Ok(if served.is_ok() { ExitCode::SUCCESS } else { ExitCode::FAILURE })
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
    let findings = runtime().build()?.block_on(doctor::examine(config, &SystemClock::start()));
    for finding in &findings {
        writeln!(io::stdout(), "{finding}")?;
    }
    let left = findings.iter().filter(|finding| finding.verdict == Verdict::ToDo).count();
    writeln!(io::stdout(), "{}", if left == 0 { "All is well.".into() } else { format!("{left} to do.") })?;
    Ok(if left == 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

/// What the operator says goes to the service that runs; its answer is shown.
fn say(call: &Call) -> anyhow::Result<ExitCode> {
    let answer = runtime().build()?.block_on(call.make())?;
    writeln!(io::stdout(), "{}", answer.trim())?;
    Ok(ExitCode::SUCCESS)
}
