//! `cargo xtask demo`: the whole product on this machine, in a window or played by itself.

use std::{
    env,
    path::{Path, PathBuf},
    process::ExitCode,
    time::Instant,
};

use anyhow::{Context, Result, bail};
use clap::Args;

use crate::{
    flex_ui::FlexUi,
    process::{Running, Scratch, command, exit_code, interrupted, pause, run_openly, seconds},
    project::Project,
    say,
    setup::Tools,
    stack::{self, FLEX_URL, Stack},
};

#[derive(Args)]
pub struct Options {
    /// Plays the script by itself, without a window, and fails when a promise broke
    #[arg(long)]
    headless: bool,
    /// How often the agent presses F5 during the call
    #[arg(long, default_value_t = 5, requires = "headless", value_name = "N")]
    reloads: u32,
    /// Writes what was measured as JSON
    #[arg(long, requires = "headless", value_name = "FILE")]
    report: Option<PathBuf>,
    /// Takes a picture of the live call after the last reload
    #[arg(long, requires = "headless", value_name = "FILE")]
    picture: Option<PathBuf>,
    /// The Flex UI to load: the newest, or the oldest that is supported
    #[arg(long, default_value = "newest", value_name = "newest|2.7.2", hide_possible_values = true)]
    flex: FlexUi,
    /// Another unpacked extension that speaks the same wire contract
    #[arg(long, value_name = "DIR")]
    extension: Option<PathBuf>,
    /// Another plugin bundle that speaks the same wire contract
    #[arg(long, value_name = "FILE")]
    plugin: Option<PathBuf>,
}

/// Sets up, builds, starts everything, and ends everything.
pub fn run(project: &Project, options: &Options) -> Result<ExitCode> {
    if !options.headless && !has_display() {
        bail!(
            "no display to open a window on: try `cargo xtask demo --headless`, or `xvfb-run cargo xtask demo`"
        );
    }
    let start = Instant::now();
    if !project.extension().exists() {
        say!(
            "demo: the first time, what is missing is installed and everything compiled: some five minutes on two idle cores. \
             Afterwards it starts within seconds."
        );
    }
    let tools = stack::prepare(project)?;
    let stack = Stack::start(
        project,
        &tools,
        &stack::Options {
            extension: options.extension.clone(),
            plugin: options.plugin.clone(),
            headless: options.headless,
            flex: vec![options.flex],
            ..Default::default()
        },
    )?;
    say!("demo: ready ({})", seconds(start));
    if options.headless { play(project, &tools, &stack, options) } else { show(project, &tools, &stack) }
}

fn play(project: &Project, tools: &Tools, stack: &Stack, options: &Options) -> Result<ExitCode> {
    let mut script = tools.script(project, "demo");
    script.arg("--stack").arg(&stack.file).args(["--reloads", &options.reloads.to_string()]);
    for (name, file) in [("--report", &options.report), ("--picture", &options.picture)] {
        if let Some(file) = file {
            // The script runs in the repository's directory, the person may be elsewhere.
            script.arg(name).arg(std::path::absolute(file)?);
        }
    }
    Ok(exit_code(run_openly(&mut script)?))
}

/// Opens Chromium the way a person would: no debugger is attached, so everything lives and dies as it does for real.
fn show(project: &Project, tools: &Tools, stack: &Stack) -> Result<ExitCode> {
    let profile = Scratch::new("demo")?;
    let extension = stack.text("extension_dir");
    let mut chromium = command(&tools.chromium, &project.root);
    chromium.args(stack.chromium_args()).arg(format!("--user-data-dir={}", profile.path().display()));
    chromium
        .arg(format!("--disable-extensions-except={extension}"))
        .arg(format!("--load-extension={extension}"));
    if cfg!(target_os = "linux") && !Path::new("/dev/snd").exists() {
        say!("demo: this machine has no sound card, so microphones are a beep and cameras a test picture");
        chromium.arg("--use-fake-device-for-media-stream");
    }
    chromium.args(["--window-size=1440,900", FLEX_URL, stack.text("switchboard")]);
    let log = std::fs::File::create(project.log("chromium"))?;
    chromium.stdout(log.try_clone()?).stderr(log);
    let child = chromium.spawn().with_context(|| format!("cannot start {}", tools.chromium.display()))?;
    let mut chromium = Running::of(child);
    say!(
        "\nThe agent Ada is logged in to Flex in one tab; the other tab is the switchboard, where you are everybody else.\n\
         \n  1. Allow the microphone on the extension's welcome page.\n\
         \n  2. In Flex, choose the activity Available. On the switchboard, let a customer call in; accept it in Flex.\
         \n  3. Press F5 in Flex while you talk, or close the tab and open it again: the customer hears no gap.\
         \n  4. Mute, press keys and hang up, in Flex or in the extension's popup: both show the same call.\
         \n  5. On the switchboard, break something: drop the signalling, expire the token, lose media.\
         \n  6. There, let a customer chat with the bot and then ask for a person: accept, and read in History what was said before.\
         \n  7. Press the camera at the top of a chat: a window opens for the agent, and the chat has a link for the customer.\
         \n     Open it in another tab and join: there you are the customer. Press F5 on either side; end the chat, and the call ends.\n\
         \nSwitchboard: {}\nClose the window or press ctrl-c here to end everything.",
        stack.text("switchboard")
    );
    while chromium.ended()?.is_none() && !interrupted() {
        if pause().is_err() {
            break;
        }
    }
    drop(chromium);
    drop(profile);
    say!("demo: everything is stopped");
    Ok(ExitCode::SUCCESS)
}

fn has_display() -> bool {
    !cfg!(target_os = "linux")
        || ["DISPLAY", "WAYLAND_DISPLAY"]
            .iter()
            .any(|name| env::var_os(name).is_some_and(|value| !value.is_empty()))
}
