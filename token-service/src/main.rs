//! The token service's program: reads the settings and serves, or checks them, or asks whether all is well.

use std::{
    io::{self, Write as _},
    process::ExitCode,
};

use anyhow::Context as _;
use clap::Parser as _;
use service_kit::{
    env::SystemClock,
    program::{self, runtime},
    tls::Certificate,
};
use token_service::{
    Config,
    config::{Action, Args},
    doctor::{self, Verdict},
    limits::shared,
    operator::Call,
    page_files::PageFiles,
    serve,
};
use zeroizing_alloc::ZeroAlloc;

/// What a request allocates, it frees again within a tenth of a millisecond: with mimalloc that costs half as much as with
/// glibc's allocator, and a fraction of musl's. What is freed is wiped, since tokens have been in it.
#[global_allocator]
static ALLOCATOR: ZeroAlloc<mimalloc::MiMalloc> = ZeroAlloc(mimalloc::MiMalloc);

/// How the program is called, also where it says why it ends.
const NAME: &str = "token-service";

fn main() -> ExitCode {
    program::main(NAME, run)
}

fn run() -> anyhow::Result<ExitCode> {
    let (args, variable) = (Args::parse(), |name: &str| std::env::var_os(name));
    match args.action() {
        Action::Serve => {
            let config = Config::new(args, &variable)?;
            program::serve(NAME, &config.log.clone(), serve::run(config))
        }
        Action::Check => check(&Config::new(args, &variable)?),
        Action::Doctor => ask_doctor(&Config::new(args, &variable)?),
        Action::Revoke | Action::Restore | Action::Revocations => {
            say(&Config::operator_call(args, &variable)?)
        }
    }
}

/// The settings are good, since they were read; what remains is what they name.
fn check(config: &Config) -> anyhow::Result<ExitCode> {
    config.server.tls.as_ref().map(Certificate::load).transpose()?;
    config.redis_url.as_ref().map(shared::client).transpose()?;
    if let Some(directory) = &config.extension_dir {
        std::fs::read_dir(directory).with_context(|| directory.display().to_string())?;
    }
    if let Some(directory) = &config.video_page_dir {
        PageFiles::read(directory)?;
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

/// What the operator says goes to the service that runs; its answer is shown.
fn say(call: &Call) -> anyhow::Result<ExitCode> {
    let answer = runtime()?.block_on(call.make())?;
    writeln!(io::stdout(), "{}", answer.trim())?;
    Ok(ExitCode::SUCCESS)
}
