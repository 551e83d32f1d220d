//! `cargo xtask fuzz`: the machines are given events in many orders, and libFuzzer looks for bytes that break a promise.

use std::{fs, process::ExitCode, time::Instant};

use anyhow::{Context, Result, bail};
use clap::Args;

use crate::{
    process::{command, run_openly, run_quietly, seconds},
    project::Project,
    say, setup,
    test::SEED,
};

#[derive(Args)]
pub struct Options {
    /// Only this target of libFuzzer; without it, the machines' own tests from new seeds, and then each target in turn
    target: Option<String>,
    /// How long each target is searched, in seconds
    #[arg(long, default_value_t = 30, value_name = "N", value_parser = clap::value_parser!(u32).range(1..=86_400))]
    seconds: u32,
}

/// The longest input: what parses longer ones is bounded itself.
const MAX_BYTES: u32 = 4096;

/// The machines, whose tests make any order of events up.
const MACHINES: [&str; 5] = ["worker-wasm", "offscreen-wasm", "content-wasm", "lifeline", "plugin"];

/// For each such test; `cargo xtask test` is content with 256.
const CASES: &str = "2000";

/// Searches; what breaks a promise is left below `target/fuzz/` and named in the output.
pub fn run(project: &Project, options: &Options) -> Result<ExitCode> {
    let start = Instant::now();
    let all = targets(project)?;
    let chosen: Vec<&String> =
        all.iter().filter(|name| options.target.as_ref().is_none_or(|only| only == *name)).collect();
    if chosen.is_empty() {
        bail!("there is no such target; there are: {}", all.join(", "));
    }
    if options.target.is_none() && !orders(project)? {
        return Ok(ExitCode::FAILURE);
    }
    let path = setup::with_cargo_tool(project, "cargo-fuzz")?;
    // Without sanitizers, and so without a nightly compiler: no unsafe code of ours is searched, only broken promises.
    let cargo_fuzz = |words: &[&str]| {
        let mut cargo = command("cargo", &project.root);
        cargo
            .arg("fuzz")
            .args(words)
            .args(["--fuzz-dir", "tools/fuzz/libfuzzer", "--sanitizer", "none"])
            .env("PATH", &path);
        // One place for all worktrees' settings of cargo, and none for what other profiles have built.
        cargo.env("CARGO_TARGET_DIR", project.root.join("target/fuzz/build"));
        cargo
    };
    say!("fuzz: compiling ...");
    run_quietly(&mut cargo_fuzz(&["build", "--dev"]), &project.log("build-fuzz"))?;
    say!("fuzz: compiled: {}", seconds(start));
    for name in chosen {
        let found = project.root.join("target/fuzz/corpus").join(name);
        let broken = project.root.join("target/fuzz/broken").join(name);
        fs::create_dir_all(&found).with_context(|| found.display().to_string())?;
        fs::create_dir_all(&broken).with_context(|| broken.display().to_string())?;
        let start = Instant::now();
        let mut search = cargo_fuzz(&["run", "--dev"]);
        // What is found goes to the first directory; the seeds are only read.
        search.arg(name).arg(&found).arg(project.root.join("tools/fuzz/corpus").join(name)).arg("--");
        search.arg(format!("-max_total_time={}", options.seconds)).arg(format!("-max_len={MAX_BYTES}"));
        search.arg(format!("-artifact_prefix={}/", broken.display()));
        search.args(["-timeout=10", "-rss_limit_mb=2048", "-verbosity=0", "-print_final_stats=1"]);
        if !run_openly(&mut search)?.success() {
            println!("fuzz: {name}: FAILED; the input is in {}", broken.display());
            return Ok(ExitCode::FAILURE);
        }
        println!("fuzz: {name}: nothing found in {}", seconds(start));
    }
    Ok(ExitCode::SUCCESS)
}

/// Whether every promise was kept in any order of events. What breaks one is shown, with the shortest such order.
fn orders(project: &Project) -> Result<bool> {
    let start = Instant::now();
    let log = project.log("fuzz-orders");
    let mut cargo = command("cargo", &project.root);
    cargo.args(["test", "--locked", "--no-fail-fast", "--lib", "--tests"]);
    cargo.args(MACHINES.iter().flat_map(|name| ["--package", name]));
    cargo.env("PROPTEST_CASES", CASES).env_remove(SEED).env("RUST_BACKTRACE", "0");
    say!("fuzz: {CASES} orders of events for each machine's tests ...");
    let broken = run_quietly(&mut cargo, &log);
    match &broken {
        Ok(()) => println!("fuzz: orders of events: nothing found in {}", seconds(start)),
        Err(error) => println!("fuzz: orders of events: FAILED\n{error:#}"),
    }
    Ok(broken.is_ok())
}

/// A target's name is its seeds' directory's.
fn targets(project: &Project) -> Result<Vec<String>> {
    let mut names: Vec<String> = fs::read_dir(project.root.join("tools/fuzz/corpus"))?
        .map(|entry| Ok(entry?.file_name().to_string_lossy().into_owned()))
        .collect::<Result<_>>()?;
    names.sort();
    Ok(names)
}
