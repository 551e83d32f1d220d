//! Running other programs: quietly into a log, or beside us until we are done; never beyond our own end.

use std::{
    fs::{self, File},
    path::{Path, PathBuf},
    process::{Child, Command, ExitCode, ExitStatus, Stdio},
    sync::atomic::{AtomicBool, Ordering},
    thread,
    time::{Duration, Instant},
};

use anyhow::{Context, Result, bail};

static INTERRUPTED: AtomicBool = AtomicBool::new(false);

/// From now on ctrl-c, SIGTERM and SIGHUP make every wait fail, so that guards clean up on the way out.
pub fn watch_for_interrupts() -> Result<()> {
    Ok(ctrlc::set_handler(|| INTERRUPTED.store(true, Ordering::SeqCst))?)
}

/// Whether somebody asked us to stop.
pub fn interrupted() -> bool {
    INTERRUPTED.load(Ordering::SeqCst)
}

/// Sleeps a little between two looks at something; fails when we were asked to stop.
pub fn pause() -> Result<()> {
    if interrupted() {
        bail!("interrupted");
    }
    thread::sleep(Duration::from_millis(20));
    Ok(())
}

/// Says what is going on, on standard error: standard output is for results.
#[macro_export]
macro_rules! say {
    ($($text:tt)*) => { eprintln!($($text)*) };
}

/// `12.3 s` since `start`.
pub fn seconds(start: Instant) -> String {
    format!("{:.1} s", start.elapsed().as_secs_f64())
}

/// A command in `directory` that reads nothing from our terminal.
pub fn command(program: impl AsRef<std::ffi::OsStr>, directory: &Path) -> Command {
    let mut command = Command::new(program);
    command.current_dir(directory).stdin(Stdio::null());
    command
}

/// Whether a command starts and succeeds; what it prints is dropped.
pub fn succeeds(command: &mut Command) -> bool {
    command
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .status()
        .is_ok_and(|s| s.success())
}

/// What a command prints, trimmed, or `None` when it fails or is not there.
pub fn output_of(command: &mut Command) -> Option<String> {
    let output = command.stdin(Stdio::null()).stderr(Stdio::null()).output().ok()?;
    output.status.success().then(|| String::from_utf8_lossy(&output.stdout).trim().to_owned())
}

/// Runs a command with all its output in `log`; on failure the error shows the log's end.
pub fn run_quietly(command: &mut Command, log: &Path) -> Result<()> {
    let status = run_into(command, log)?;
    if status.success() {
        return Ok(());
    }
    bail!("{} failed ({status}):\n{}\nwhole log: {}", name(command), tail(log, 40), log.display())
}

/// Runs a command with all its output in `log`, to its end, whichever it is.
pub fn run_into(command: &mut Command, log: &Path) -> Result<ExitStatus> {
    let out = File::create(log).with_context(|| log.display().to_string())?;
    let child = command.stdout(out.try_clone()?).stderr(out).spawn();
    Running::of(child.with_context(|| format!("cannot start {}", name(command)))?).wait()
}

/// Runs a command whose results go to one file and what it says beside them to another, to its end.
pub fn run_apart(command: &mut Command, results: &Path, log: &Path) -> Result<ExitStatus> {
    let file = |path: &Path| File::create(path).with_context(|| path.display().to_string());
    let child = command.stdout(file(results)?).stderr(file(log)?).spawn();
    Running::of(child.with_context(|| format!("cannot start {}", name(command)))?).wait()
}

/// Runs a command that talks to the person directly, to its end. Its temporary files end with it.
pub fn run_openly(command: &mut Command) -> Result<ExitStatus> {
    let scratch = Scratch::new("run")?;
    command.env("TMPDIR", scratch.path());
    let child = command.spawn().with_context(|| format!("cannot start {}", name(command)))?;
    Running::of(child).wait()
}

/// A child's verdict as our own.
pub fn exit_code(status: ExitStatus) -> ExitCode {
    status.code().and_then(|code| u8::try_from(code).ok()).map_or(ExitCode::FAILURE, ExitCode::from)
}

/// Whether we have the rights of root.
pub fn is_root() -> bool {
    output_of(Command::new("id").arg("-u")).as_deref() == Some("0")
}

fn name(command: &Command) -> String {
    let mut words = vec![command.get_program().to_string_lossy().into_owned()];
    words.extend(command.get_args().take(3).map(|arg| arg.to_string_lossy().into_owned()));
    words.join(" ")
}

/// A log. What ran may have printed what is no text.
pub fn text(log: &Path) -> Result<String> {
    let bytes = fs::read(log).with_context(|| log.display().to_string())?;
    Ok(String::from_utf8_lossy(&bytes).into_owned())
}

/// The last lines of a log.
pub fn tail(log: &Path, lines: usize) -> String {
    let text = text(log).unwrap_or_default();
    let all: Vec<&str> = text.lines().collect();
    all[all.len().saturating_sub(lines)..].join("\n")
}

/// A child process that ends when this value does.
pub struct Running {
    child: Child,
}

impl Running {
    /// Takes charge of a started process.
    pub fn of(child: Child) -> Self {
        Self { child }
    }

    /// The process itself, for its pipes.
    pub fn child(&mut self) -> &mut Child {
        &mut self.child
    }

    /// The process's number.
    pub fn id(&self) -> u32 {
        self.child.id()
    }

    /// Whether the process has ended, and how.
    pub fn ended(&mut self) -> Result<Option<ExitStatus>> {
        Ok(self.child.try_wait()?)
    }

    /// Waits until the process ends; fails, and ends it, when we are asked to stop.
    pub fn wait(mut self) -> Result<ExitStatus> {
        loop {
            if let Some(status) = self.ended()? {
                return Ok(status);
            }
            pause()?;
        }
    }

    fn gone_within(&mut self, limit: Duration) -> bool {
        let start = Instant::now();
        while start.elapsed() < limit {
            if !matches!(self.child.try_wait(), Ok(None)) {
                return true;
            }
            thread::sleep(Duration::from_millis(20));
        }
        false
    }
}

impl Drop for Running {
    /// Closed standard input, then SIGINT (at which Playwright closes its browsers), then SIGKILL.
    fn drop(&mut self) {
        drop(self.child.stdin.take());
        if self.gone_within(Duration::from_millis(300)) {
            return;
        }
        succeeds(Command::new("kill").arg("-INT").arg(self.child.id().to_string()));
        if !self.gone_within(Duration::from_secs(5)) && self.child.kill().is_ok() {
            self.gone_within(Duration::from_secs(1));
        }
    }
}

/// A directory for one run, removed at its end.
pub struct Scratch(PathBuf);

impl Scratch {
    /// Makes an empty directory of this process among the system's temporary files.
    pub fn new(purpose: &str) -> Result<Self> {
        let path = std::env::temp_dir().join(format!("holdfast-{purpose}-{}", std::process::id()));
        fs::create_dir_all(&path).with_context(|| path.display().to_string())?;
        Ok(Self(path))
    }

    /// Where it is.
    pub fn path(&self) -> &Path {
        &self.0
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        if fs::remove_dir_all(&self.0).is_err() {
            // A browser may still be writing its last files.
            thread::sleep(Duration::from_millis(300));
            fs::remove_dir_all(&self.0)
                .unwrap_or_else(|error| say!("left behind {}: {error}", self.0.display()));
        }
    }
}
