//! `cargo xtask test`: format, lints, native tests, and the end-to-end tests in Chromium.

use std::{
    env, fmt, fs,
    ops::AddAssign,
    path::Path,
    process::{ExitCode, ExitStatus},
    time::Instant,
};

use anyhow::{Context, Result, bail};
use clap::{Args, ValueEnum};
use serde_json::Value;

use crate::{
    advisories::{self, Answer},
    api_test, bars, build,
    checklist::{Checklist, Outcomes},
    flex_ui::FlexUi,
    playwright,
    process::{command, interrupted, run_into, run_openly, run_quietly, seconds, tail, text},
    project::Project,
    publish,
    rollout::{self, PassingKey},
    say,
    setup::{self, Tools},
    stack::{self, Stack},
    wasm_target::{TARGET, WasmCompiler},
};

#[derive(Args)]
pub struct Options {
    /// Only one half
    #[arg(long, value_enum)]
    only: Option<Half>,
    /// Only the end-to-end tests whose file or name matches this pattern
    #[arg(long)]
    grep: Option<String>,
    /// How many end-to-end tests run side by side, each with a sandbox and a token service of its own
    #[arg(long, default_value_t = 2, value_name = "N", value_parser = clap::value_parser!(u8).range(1..=8))]
    jobs: u8,
}

#[derive(Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Half {
    /// Format, lints and tests that need no browser
    Native,
    /// The end-to-end tests in Chromium
    E2e,
}

/// Where proptest begins to make up its input.
pub const SEED: &str = "PROPTEST_RNG_SEED";

/// The crates that are compiled for the browser, and so linted for it.
const BROWSER_CRATES: [&str; 10] = [
    "wire",
    "kernel",
    "protocol",
    "webext",
    "voice-sdk",
    "worker-wasm",
    "offscreen-wasm",
    "content-wasm",
    "popup-wasm",
    "plugin",
];

/// How many tests ended how.
#[derive(Default, Debug, PartialEq, Eq)]
struct Counts {
    passed: u64,
    failed: u64,
    skipped: u64,
    /// What is to be said of them at the end: each that failed, and each that passed at the second try only.
    remarks: Vec<String>,
}

impl AddAssign for Counts {
    fn add_assign(&mut self, other: Self) {
        self.passed += other.passed;
        self.failed += other.failed;
        self.skipped += other.skipped;
        self.remarks.extend(other.remarks);
    }
}

impl fmt::Display for Counts {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} passed, {} failed", self.passed, self.failed)?;
        if self.skipped > 0 { write!(f, ", {} skipped", self.skipped) } else { Ok(()) }
    }
}

/// Runs the tests; every step is tried, so that one run shows everything that is wrong.
pub fn run(project: &Project, options: &Options) -> Result<ExitCode> {
    let start = Instant::now();
    let tools = setup::run(project)?;
    let run = Run { project, tools: &tools, grep: options.grep.as_deref(), jobs: options.jobs };
    let mut total = Counts::default();
    // Before the lints and the native tests, some of which look at what was built.
    total += step("build", || build::run(project, &tools).map(|()| Counts::default()))?;
    if options.only != Some(Half::E2e) && options.grep.is_none() {
        total += step("format", || run.cargo("format", &["fmt", "--all", "--check"]))?;
        total +=
            step("lints, native", || run.cargo("clippy", &with_denials(&["--workspace", "--all-targets"])))?;
        total += step("lints, wasm32", || run.lint_for_browser())?;
        total += step("dependencies", || run.dependencies())?;
        total += step("advisories", || run.advisories())?;
        total += step("native tests", || run.native_tests())?;
        total += step("token service's API document", || run.api_document())?;
    }
    if options.only != Some(Half::Native) {
        total += step("end-to-end tests", || run.end_to_end())?;
    }
    if options.grep.is_none() {
        total += step("checklist", || run.checklist(options.only))?;
    }
    say!("test: {}", seconds(start));
    total.remarks.iter().for_each(|remark| println!("{remark}"));
    println!("{total}");
    Ok(if total.failed == 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

/// One step; when it fails without a count of its own, it counts as one failure.
fn step(name: &str, work: impl FnOnce() -> Result<Counts>) -> Result<Counts> {
    let start = Instant::now();
    let counts = work().unwrap_or_else(|error| {
        let error = format!("{error:#}");
        say!("{error}");
        let why = error.lines().next().unwrap_or_default();
        Counts { failed: 1, remarks: vec![format!("FAILED: {name}: {why}")], ..Counts::default() }
    });
    if interrupted() {
        bail!("interrupted");
    }
    let verdict = if counts.failed == 0 { "ok" } else { "FAILED" };
    let detail = if counts.passed + counts.failed == 0 { String::new() } else { format!(", {counts}") };
    say!("test: {name}: {verdict}{detail} ({})", seconds(start));
    Ok(counts)
}

fn with_denials<'a>(what: &[&'a str]) -> Vec<&'a str> {
    [&["clippy", "--locked"], what, &["--", "-D", "warnings"]].concat()
}

struct Run<'a> {
    project: &'a Project,
    tools: &'a Tools,
    grep: Option<&'a str>,
    jobs: u8,
}

impl Run<'_> {
    fn cargo(&self, log: &str, args: &[&str]) -> Result<Counts> {
        run_quietly(command("cargo", &self.project.root).args(args), &self.project.log(log))?;
        Ok(Counts::default())
    }

    fn lint_for_browser(&self) -> Result<Counts> {
        if self.tools.wasm == WasmCompiler::Debian {
            say!(
                "test: only Debian's compiler builds for {TARGET} here, and it is not the one that our lints are for"
            );
            return Ok(Counts { skipped: 1, ..Counts::default() });
        }
        let packages = BROWSER_CRATES.iter().flat_map(|name| ["--package", name]);
        let what: Vec<&str> = packages.chain(["--target", TARGET]).collect();
        self.cargo("clippy-wasm32", &with_denials(&what))
    }

    /// What the dependencies are, by `deny.toml`.
    fn dependencies(&self) -> Result<Counts> {
        let path = setup::with_cargo_deny(self.project)?;
        let mut deny = command("cargo", &self.project.root);
        deny.args(["deny", "--locked", "check", "bans", "licenses", "sources"]).env("PATH", path);
        run_quietly(&mut deny, &self.project.log("cargo-deny"))?;
        Ok(Counts::default())
    }

    /// Known faults of the dependencies. Where there is no data it says so, and counts as skipped.
    fn advisories(&self) -> Result<Counts> {
        let mut counts = Counts::default();
        for (whose, answer) in [
            ("crates", advisories::of_crates(self.project)?),
            ("npm packages that ship", advisories::of_npm_packages(self.project)?),
        ] {
            match answer {
                Answer::None { none } => {
                    say!("test: known faults of the {whose} were not looked for: {none}");
                    counts.skipped += 1;
                }
                Answer::Had { found, .. } if found.is_empty() => counts.passed += 1,
                Answer::Had { found, .. } => bail!("known faults of the {whose}:\n{}", found.join("\n")),
            }
        }
        Ok(counts)
    }

    fn api_document(&self) -> Result<Counts> {
        let ran = u64::from(api_test::run(self.project)?);
        Ok(Counts { passed: ran, skipped: 1 - ran, ..Counts::default() })
    }

    /// All tests that need no browser. In CI what failed is tried once more, as end-to-end tests are: see
    /// `e2e/playwright.config.mjs`.
    fn native_tests(&self) -> Result<Counts> {
        let (log, again) = (self.project.log("native-tests"), self.project.log("native-tests-again"));
        fs::write(&again, "")?;
        setup::redis(self.project);
        let status = self.cargo_test(&["--workspace"], &log)?;
        let said = text(&log)?;
        let mut counts = cargo_counts(&said);
        if status.success() {
            return Ok(counts);
        }
        say!("{}\nwhole log: {}", complaints(&said).unwrap_or_else(|| tail(&log, 60)), log.display());
        if counts.failed == 0 {
            bail!("the native tests did not run to their end ({status})");
        }
        let failed = cargo_failed(&said);
        let programs = cargo_failed_programs(&said);
        if env::var_os("CI").is_some() && !programs.is_empty() && self.passes(&programs, &again)? {
            (counts.passed, counts.failed) = (counts.passed + counts.failed, 0);
            counts.remarks = failed.iter().map(|name| unsteady(name)).collect();
        } else {
            counts.remarks = failed.iter().map(|name| format!("FAILED: {name}")).collect();
        }
        Ok(counts)
    }

    /// Whether each of these test programs passes, with all that they say in `log`.
    fn passes(&self, programs: &[&str], log: &Path) -> Result<bool> {
        let once = self.project.log("native-tests-once");
        let (mut all, mut everything) = (true, String::new());
        for program in programs {
            let words: Vec<&str> = program.split(' ').collect();
            let passes = self.cargo_test(&words, &once)?.success();
            let said = text(&once)?;
            if !passes {
                say!("once more: {}", complaints(&said).unwrap_or_else(|| tail(&once, 60)));
            }
            everything.push_str(&said);
            all &= passes;
        }
        fs::write(log, everything)?;
        Ok(all)
    }

    /// Tests that make their input up begin at the same place each time, so that a failure is found again; `cargo xtask fuzz`
    /// begins elsewhere each time.
    fn cargo_test(&self, args: &[&str], log: &Path) -> Result<ExitStatus> {
        let mut cargo = command("cargo", &self.project.root);
        cargo.args(["test", "--locked", "--no-fail-fast"]).args(args);
        if env::var_os(SEED).is_none() {
            cargo.env(SEED, "2026");
        }
        run_into(&mut cargo, log)
    }

    /// Prints the promises, and whether the tests that ran show them to be kept.
    fn checklist(&self, only: Option<Half>) -> Result<Counts> {
        let list = Checklist::read(&self.project.root)?;
        let mut outcomes = Outcomes::default();
        if only != Some(Half::E2e) {
            outcomes.read_native(&text(&self.project.log("native-tests"))?);
            outcomes.read_native(&text(&self.project.log("native-tests-again"))?);
        }
        if only != Some(Half::Native) {
            let report = fs::read_to_string(self.project.run_dir().join("e2e.json"))
                .context("Playwright left no results")?;
            let report = serde_json::from_str(&report).context("Playwright's results")?;
            outcomes.read_e2e(&report);
            let bars = bars::read(&report);
            println!("\nMeasured in this run, beside what is promised\n{}", bars::table(&bars));
            fs::write(self.project.run_dir().join("bars.json"), serde_json::to_string_pretty(&bars)?)?;
        }
        let verdict = list.judge(&outcomes);
        println!("{}", verdict.text);
        // The broken ones are counted where their tests failed, but for those that did not run at all.
        Ok(Counts { failed: verdict.missing, ..Counts::default() })
    }

    fn end_to_end(&self) -> Result<Counts> {
        stack::compile_servers(self.project)?;
        rollout::compile(self.project)?;
        setup::desk(self.project);
        let publish = publish::compile(self.project)?;
        let key = PassingKey::make(self.project)?;
        let options = stack::Options {
            headless: true,
            signed_id: Some(key.id.clone()),
            flex: vec![FlexUi::Newest, FlexUi::Oldest],
            ..Default::default()
        };
        let stacks = (0..self.jobs)
            .map(|at| {
                let options = stack::Options { label: format!("{at}-"), ..options.clone() };
                Stack::start(self.project, self.tools, &options)
            })
            .collect::<Result<Vec<Stack>>>()?;
        let results = self.project.run_dir().join("e2e.json");
        if results.exists() {
            fs::remove_file(&results)?;
        }
        let mut playwright = self.tools.node(self.project);
        playwright.args([
            "node_modules/@playwright/test/cli.js",
            "test",
            "--config",
            "e2e/playwright.config.mjs",
        ]);
        if let Some(pattern) = self.grep {
            playwright.args(["--grep", pattern]);
        }
        playwright.arg("--reporter=list,json").env("PLAYWRIGHT_JSON_OUTPUT_FILE", &results);
        playwright.env("HOLDFAST_STACK", env::join_paths(stacks.iter().map(|stack| &stack.file))?);
        // For the test that releases the plugin, and those that pack and install the extension themselves.
        playwright.env("HOLDFAST_PUBLISH", publish);
        playwright.env("HOLDFAST_ROLLOUT", self.project.target.join("debug/rollout"));
        playwright.env("HOLDFAST_KEY", key.file()).env("HOLDFAST_SIGNED_ID", &key.id);
        let status = run_openly(&mut playwright)?;
        let counts = playwright_counts(&results)?;
        say!("test: the slowest:\n{}", slowest(&results)?);
        if !status.success() && counts.failed == 0 {
            bail!("Playwright did not run to its end ({status})");
        }
        Ok(counts)
    }
}

/// Adds up the lines `test result: ok. 3 passed; 0 failed; 1 ignored; …`, one for each test program.
fn cargo_counts(log: &str) -> Counts {
    let mut total = Counts::default();
    for line in log.lines().filter_map(|line| line.strip_prefix("test result: ")) {
        let mut words = line.split_whitespace().peekable();
        while let Some(word) = words.next() {
            let (Ok(n), Some(&kind)) = (word.parse::<u64>(), words.peek()) else { continue };
            match kind {
                "passed;" => total.passed += n,
                "failed;" => total.failed += n,
                "ignored;" => total.skipped += n,
                _ => {}
            }
        }
    }
    total
}

/// The names of the tests that failed.
fn cargo_failed(log: &str) -> Vec<String> {
    let names = log.lines().filter_map(|line| line.strip_prefix("test ")?.strip_suffix(" ... FAILED"));
    names.map(str::to_owned).collect()
}

/// The test programs that had a failure, each in the words with which cargo runs it alone.
fn cargo_failed_programs(log: &str) -> Vec<&str> {
    let listed = log.lines().skip_while(|line| !(line.starts_with("error: ") && line.contains(" failed:")));
    listed.filter_map(|line| line.trim().strip_prefix('`')?.strip_suffix('`')).collect()
}

/// What the failed tests said last, without their stacks; none when no test says that it failed.
fn complaints(log: &str) -> Option<String> {
    let lines: Vec<&str> = log.lines().collect();
    let of = |name: &String| {
        let start = format!("thread '{name}'");
        let at = lines.iter().rposition(|line| line.starts_with(&start))?;
        let ends = |line: &str| line.starts_with("stack backtrace:") || line.starts_with("note: run with");
        let said = lines[at..].iter().take_while(|line| !ends(line)).take(60);
        Some(said.copied().collect::<Vec<_>>().join("\n"))
    };
    let failed = cargo_failed(log);
    (!failed.is_empty()).then(|| failed.iter().filter_map(of).collect::<Vec<_>>().join("\n"))
}

fn unsteady(name: &str) -> String {
    format!("UNSTEADY, passed only at the second try: {name}")
}

/// Reads the JSON reporter's statistics. A test that passed only at a second try, which only CI gives it, is named.
fn playwright_counts(results: &Path) -> Result<Counts> {
    let text = fs::read_to_string(results).context("Playwright left no results")?;
    let report: Value = serde_json::from_str(&text).context("Playwright's results")?;
    let of = |name: &str| report["stats"][name].as_u64().unwrap_or_default();
    let errors = report["errors"].as_array().map_or(0, Vec::len) as u64;
    let mut remarks = Vec::new();
    for spec in playwright::specs(&report) {
        let title = spec["title"].as_str().unwrap_or_default();
        let any = |status: &str| playwright::list(&spec["tests"]).any(|test| test["status"] == status);
        if any("flaky") {
            remarks.push(unsteady(title));
        }
        if any("unexpected") {
            remarks.push(format!("FAILED: {title}"));
        }
    }
    Ok(Counts {
        passed: of("expected") + of("flaky"),
        failed: of("unexpected") + errors,
        skipped: of("skipped"),
        remarks,
    })
}

/// The ten end-to-end tests that took longest, a line each.
fn slowest(results: &Path) -> Result<String> {
    let text = fs::read_to_string(results).context("Playwright left no results")?;
    let report: Value = serde_json::from_str(&text).context("Playwright's results")?;
    let mut times: Vec<(u64, &str)> = playwright::specs(&report)
        .into_iter()
        .map(|spec| {
            let results =
                playwright::list(&spec["tests"]).flat_map(|test| playwright::list(&test["results"]));
            let millis = results.filter_map(|result| result["duration"].as_u64()).sum();
            (millis, spec["title"].as_str().unwrap_or_default())
        })
        .collect();
    times.sort_by_key(|(millis, _)| std::cmp::Reverse(*millis));
    let lines = times.iter().take(10).map(|(millis, title)| format!("  {:>4} s  {title}", millis / 1_000));
    Ok(lines.collect::<Vec<_>>().join("\n"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cargos_results_are_added_up_over_all_test_programs() {
        let log = "running 3 tests\n\
                   test result: ok. 3 passed; 0 failed; 1 ignored; 0 measured; 0 filtered out; finished in 0.01s\n\
                   test result: FAILED. 4 passed; 2 failed; 0 ignored; 0 measured; 9 filtered out; finished in 1.20s\n";
        assert_eq!(cargo_counts(log), counts(7, 2, 1));
    }

    #[test]
    fn what_failed_is_named_and_can_be_run_alone() {
        let log = "test a::is_well ... ok\n\
                   test a::is_ill ... FAILED\n\
                   thread 'a::is_ill' (7) panicked at src/a.rs:1:1:\n\
                   it broke at first\n\
                   thread 'a::is_ill' (7) panicked at src/a.rs:2:2:\n\
                   it broke\n\
                   stack backtrace:\n   0: rust\n\
                   error: 2 targets failed:\n    `-p a --lib`\n    `-p b --test c`\n";
        assert_eq!(cargo_failed(log), ["a::is_ill"]);
        assert_eq!(cargo_failed_programs(log), ["-p a --lib", "-p b --test c"]);
        let said = complaints(log).unwrap();
        assert_eq!(said, "thread 'a::is_ill' (7) panicked at src/a.rs:2:2:\nit broke");
    }

    fn counts(passed: u64, failed: u64, skipped: u64) -> Counts {
        Counts { passed, failed, skipped, remarks: Vec::new() }
    }

    #[test]
    fn the_closing_line_is_plain_and_names_skipped_tests_only_when_there_are_some() {
        assert_eq!(counts(7, 0, 0).to_string(), "7 passed, 0 failed");
        assert_eq!(counts(7, 2, 1).to_string(), "7 passed, 2 failed, 1 skipped");
    }

    #[test]
    fn a_step_that_breaks_counts_as_one_failure() {
        let outcome = step("a step", || bail!("it broke\nin many words")).unwrap();
        assert_eq!((outcome.passed, outcome.failed), (0, 1));
        assert_eq!(outcome.remarks, ["FAILED: a step: it broke"]);
    }
}
