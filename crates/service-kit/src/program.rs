//! What the `main` of a service does.

use std::{io, process::ExitCode, time::Duration};

use anyhow::Context as _;

use crate::log::{self, Lines};

/// How long the last lines of the log may take to be read when the service stops.
const LAST_LINES: Duration = Duration::from_secs(2);

/// The program called `name`: what `run` comes to, or why it ends on standard error.
pub fn main(name: &str, run: impl FnOnce() -> anyhow::Result<ExitCode>) -> ExitCode {
    // A panic is one line like any other; its message could repeat what it stumbled over, its place cannot.
    std::panic::set_hook(Box::new(|panic| {
        tracing::error!(place = panic.location().map(tracing::field::display), "panic");
    }));
    run().unwrap_or_else(|error| {
        tell(&mut io::stderr(), name, &error);
        ExitCode::FAILURE
    })
}

/// Says why the program ends, also without a log. Standard error may be gone too, and then nobody can be told.
fn tell(to: &mut impl io::Write, name: &str, error: &anyhow::Error) {
    for line in format!("{error:#}").lines() {
        to.write_all(format!("{name}: {line}\n").as_bytes()).unwrap_or_default();
    }
}

/// One thread is enough: ten thousand clients ask a few times a second, and an answer costs less than 0.1 ms.
///
/// # Errors
/// When the system gives none.
pub fn runtime() -> io::Result<tokio::runtime::Runtime> {
    tokio::runtime::Builder::new_current_thread().enable_all().build()
}

/// Runs the service called `name` until it ends, and logs to standard error what passes `filter`.
///
/// # Errors
/// When there can be no log.
pub fn serve(
    name: &str,
    filter: &str,
    service: impl Future<Output = anyhow::Result<()>>,
) -> anyhow::Result<ExitCode> {
    let filter = log::filter(filter, name)?;
    let mut lines = Lines::to_stderr().context("cannot log")?;
    let writer = lines.clone();
    tracing::subscriber::set_global_default(log::subscriber(filter, move || writer.clone()))?;
    let served = runtime()?.block_on(service);
    if let Err(error) = &served {
        // The same way as the log: whoever does not read it must not keep the service from stopping.
        tell(&mut lines, name, error);
    }
    lines.finish(LAST_LINES);
    Ok(if served.is_ok() { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}
