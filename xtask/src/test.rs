//! `cargo xtask test`: format, lints, native tests, and the end-to-end tests in Chromium.

use std::{
    env, fmt, fs,
    ops::AddAssign,
    panic::resume_unwind,
    path::PathBuf,
    process::{Command, ExitCode},
    thread,
    time::{Duration, Instant},
};

use anyhow::{Context, Result, bail};
use clap::{Args, ValueEnum};
use serde_json::Value;

use crate::{
    advisories::{self, Answer},
    api_test, bars, build,
    checklist::{Checklist, Outcomes},
    flex_ui::FlexUi,
    nextest, playwright,
    process::{command, interrupted, run_apart, run_openly, run_quietly, seconds, tail},
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
    /// How many end-to-end tests run side by side, each with a sandbox and a token service of its own; what is measured runs alone
    #[arg(long, default_value_t = 4, value_name = "N", value_parser = clap::value_parser!(u8).range(1..=8))]
    jobs: u8,
}

#[derive(Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Half {
    /// Format, lints and tests that need no browser
    Native,
    /// The end-to-end tests in Chromium
    E2e,
}

/// How Playwright runs the tests.
const PLAYWRIGHT: &str = "e2e/playwright.config.ts";

/// Where proptest begins to make up its input.
pub const SEED: &str = "PROPTEST_RNG_SEED";

/// The crates that are compiled for the browser, and so linted for it.
const BROWSER_CRATES: &[&str] = &[
    "wire",
    "kernel",
    "messages",
    "policy",
    "sansio",
    "shell",
    "protocol",
    "lifeline",
    "webext",
    "voice-sdk",
    "video-sdk",
    "ui",
    "join-wasm",
    "gallery-wasm",
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
    /// How long each took.
    times: Vec<(Duration, String)>,
    /// How long each step took.
    steps: Vec<(Duration, String)>,
}

impl AddAssign for Counts {
    fn add_assign(&mut self, other: Self) {
        self.passed += other.passed;
        self.failed += other.failed;
        self.skipped += other.skipped;
        self.remarks.extend(other.remarks);
        self.times.extend(other.times);
        self.steps.extend(other.steps);
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
    let native = options.only != Some(Half::E2e) && options.grep.is_none();
    let mut total = Counts::default();
    // Installing waits for the network and linking for one core, so that the lints cost little beside them.
    let tools = thread::scope(|scope| {
        let lints = scope.spawn(|| if native { lint(project) } else { Ok(Counts::default()) });
        let tools = setup::run(project)?;
        total += step("build", || build::run(project, &tools).map(|()| Counts::default()))?;
        total += lints.join().unwrap_or_else(|panic| resume_unwind(panic))?;
        anyhow::Ok(tools)
    })?;
    let run = Run { project, tools: &tools, grep: options.grep.as_deref(), jobs: options.jobs };
    if native {
        total += step("lints, wasm32", || run.lint_for_browser())?;
        total += step("types of the end-to-end tests", || run.types())?;
        total += step("dependencies", || run.dependencies())?;
        total += step("advisories", || run.advisories())?;
        total += step("compiling all tests", || build::everything(project).map(|()| Counts::default()))?;
        total += step("native tests", || run.native_tests())?;
        total += step("examples in the documentation", || run.examples())?;
        total += step("a room by wasm-pack", || {
            build::as_wasm_pack_does(project, &tools)?;
            Ok(Counts { passed: 1, ..Counts::default() })
        })?;
        total += step("token service's API document", || run.api_document())?;
    }
    if options.only != Some(Half::Native) {
        total += step("end-to-end tests", || run.end_to_end())?;
    }
    if options.grep.is_none() {
        total += step("checklist", || run.checklist(options.only))?;
    }
    say!(
        "test: {}; each step that took a second:\n{}",
        seconds(start),
        longest(&mut total.steps, usize::MAX)
    );
    say!("test: the slowest tests:\n{}", longest(&mut total.times, 10));
    total.remarks.iter().for_each(|remark| println!("{remark}"));
    println!("{total}");
    Ok(if total.failed == 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

/// What needs no tools but Rust's own.
fn lint(project: &Project) -> Result<Counts> {
    // The build waits for it.
    let mut counts = step("the glue's maker", || build::bindgen(project).map(|_| Counts::default()))?;
    counts += step("format", || cargo(project, "format", &["fmt", "--all", "--check"]))?;
    counts +=
        step("lints, native", || cargo(project, "clippy", &with_denials(&["--workspace", "--all-targets"])))?;
    Ok(counts)
}

fn cargo(project: &Project, log: &str, args: &[&str]) -> Result<Counts> {
    run_quietly(command("cargo", &project.root).args(args), &project.log(log))?;
    Ok(Counts::default())
}

/// The longest first, a line each; nothing that took less than a second.
fn longest(times: &mut [(Duration, String)], most: usize) -> String {
    times.sort_by_key(|(time, _)| std::cmp::Reverse(*time));
    let lines = times.iter().filter(|(time, _)| *time >= Duration::from_secs(1)).take(most);
    lines.map(|(time, what)| format!("  {:>4} s  {what}", time.as_secs())).collect::<Vec<_>>().join("\n")
}

/// One step; when it fails without a count of its own, it counts as one failure.
fn step(name: &str, work: impl FnOnce() -> Result<Counts>) -> Result<Counts> {
    let start = Instant::now();
    let mut counts = work().unwrap_or_else(|error| {
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
    counts.steps.push((start.elapsed(), name.to_owned()));
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
    fn lint_for_browser(&self) -> Result<Counts> {
        if self.tools.wasm == WasmCompiler::Debian {
            say!(
                "test: only Debian's compiler builds for {TARGET} here, and it is not the one that our lints are for"
            );
            return Ok(Counts { skipped: 1, ..Counts::default() });
        }
        let packages = BROWSER_CRATES.iter().flat_map(|name| ["--package", name]);
        let what: Vec<&str> = packages.chain(["--target", TARGET]).collect();
        cargo(self.project, "clippy-wasm32", &with_denials(&what))
    }

    /// TypeScript's own check; Playwright and Node only leave the types out.
    fn types(&self) -> Result<Counts> {
        let mut tsc = self.tools.npm_program(self.project, "tsc");
        run_quietly(tsc.args(["--noEmit", "--project", "e2e"]), &self.project.log("tsc"))?;
        Ok(Counts::default())
    }

    /// What the dependencies are, by `deny.toml`.
    fn dependencies(&self) -> Result<Counts> {
        let path = setup::with_cargo_tool(self.project, "cargo-deny")?;
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
    /// `e2e/playwright.config.ts`.
    fn native_tests(&self) -> Result<Counts> {
        let (log, results) = (self.project.log("native-tests"), self.native_results());
        setup::redis(self.project);
        let path = setup::with_cargo_tool(self.project, "cargo-nextest")?;
        let mut nextest = command("cargo", &self.project.root);
        nextest.args(["nextest", "run", "--locked", "--workspace", "--no-fail-fast", "--no-tests", "fail"]);
        nextest.args(["--message-format", "libtest-json", "--status-level", "fail"]);
        nextest.args(["--retries", if env::var_os("CI").is_some() { "1" } else { "0" }]);
        // nextest asks whether its user knows that the form of these lines may change.
        nextest.env("PATH", path).env("NEXTEST_EXPERIMENTAL_LIBTEST_JSON", "1");
        // Tests that make their input up begin at the same place each time, so that a failure is found again;
        // `cargo xtask fuzz` begins elsewhere each time.
        if env::var_os(SEED).is_none() {
            nextest.env(SEED, "2026");
        }
        let status = run_apart(&mut nextest, &results, &log)?;
        let tests = nextest::read(&fs::read_to_string(&results)?)
            .with_context(|| format!("the native tests did not run to their end:\n{}", tail(&log, 60)))?;
        for test in tests.iter().filter(|test| test.outcome == nextest::Outcome::Failed) {
            say!("{}:\n{}", test.name, without_stack(&test.said));
        }
        let counts = native_counts(&tests);
        if !status.success() && counts.failed == 0 {
            bail!("the native tests did not run to their end ({status}):\n{}", tail(&log, 60));
        }
        Ok(counts)
    }

    /// Where nextest writes how each test ended.
    fn native_results(&self) -> PathBuf {
        self.project.run_dir().join("native-tests.json")
    }

    /// The examples in the documentation, which stand in the libraries under `crates/` alone (a test of the rules sees to it).
    fn examples(&self) -> Result<Counts> {
        let mut libraries = fs::read_dir(self.project.root.join("crates"))?
            .map(|entry| Ok(entry?.file_name().to_string_lossy().into_owned()))
            .collect::<Result<Vec<String>>>()?;
        libraries.sort();
        let libraries = libraries.iter().flat_map(|name| ["--package", name]);
        let what: Vec<&str> = ["test", "--locked", "--doc"].into_iter().chain(libraries).collect();
        cargo(self.project, "examples", &what)
    }

    /// Prints the promises, and whether the tests that ran show them to be kept.
    fn checklist(&self, only: Option<Half>) -> Result<Counts> {
        let list = Checklist::read(&self.project.root)?;
        let mut outcomes = Outcomes::default();
        if only != Some(Half::E2e) {
            outcomes.read_native(&nextest::read(&fs::read_to_string(self.native_results())?)?);
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
        let environment = [
            ("HOLDFAST_STACK", env::join_paths(stacks.iter().map(|stack| &stack.file))?),
            // For the test that releases the plugin, and those that pack and install the extension themselves.
            ("HOLDFAST_PUBLISH", publish.into()),
            ("HOLDFAST_ROLLOUT", self.project.target.join("debug/rollout").into()),
            ("HOLDFAST_KEY", key.file().into()),
            ("HOLDFAST_SIGNED_ID", key.id.clone().into()),
        ];
        let playwright = |projects: &[&str], jobs: u8| {
            let mut playwright = self.tools.node(self.project);
            playwright.args(["node_modules/@playwright/test/cli.js", "test", "--config", PLAYWRIGHT]);
            playwright.args(["--pass-with-no-tests", "--workers", &jobs.to_string()]);
            playwright.args(projects.iter().flat_map(|name| ["--project", name]));
            playwright.args(self.grep.iter().flat_map(|pattern| ["--grep", pattern]));
            playwright.envs(environment.iter().map(|(name, value)| (name, value)));
            playwright
        };
        // What is measured in milliseconds runs alone; of the rest most waits for what takes its time by design.
        let alone = self.played(playwright(&["alone"], 1), "alone")?;
        let others = self.played(playwright(&["long", "others"], self.jobs), "others")?;
        let report = playwright::together(alone, &others);
        fs::write(self.project.run_dir().join("e2e.json"), serde_json::to_string(&report)?)?;
        let counts = playwright_counts(&report);
        if counts.passed + counts.failed + counts.skipped == 0 {
            bail!("no end-to-end test matches");
        }
        Ok(counts)
    }

    /// Runs Playwright, and gives its report.
    fn played(&self, mut playwright: Command, name: &str) -> Result<Value> {
        let results = self.project.run_dir().join(format!("e2e-{name}.json"));
        if results.exists() {
            fs::remove_file(&results)?;
        }
        playwright.arg("--reporter=list,json").env("PLAYWRIGHT_JSON_OUTPUT_FILE", &results);
        let status = run_openly(&mut playwright)?;
        let text = fs::read_to_string(&results).context("Playwright left no results")?;
        let report: Value = serde_json::from_str(&text).context("Playwright's results")?;
        if !status.success() && playwright_counts(&report).failed == 0 {
            bail!("Playwright did not run to its end ({status})");
        }
        Ok(report)
    }
}

fn native_counts(tests: &[nextest::Test]) -> Counts {
    let of = |outcome| tests.iter().filter(|test| test.outcome == outcome).count() as u64;
    let remark = |test: &nextest::Test| match (test.outcome, test.tries) {
        (nextest::Outcome::Failed, _) => Some(format!("FAILED: {}", test.name)),
        (nextest::Outcome::Passed, 2..) => Some(unsteady(&test.name)),
        _ => None,
    };
    Counts {
        passed: of(nextest::Outcome::Passed),
        failed: of(nextest::Outcome::Failed),
        skipped: of(nextest::Outcome::Skipped),
        remarks: tests.iter().filter_map(remark).collect(),
        times: tests
            .iter()
            .map(|test| (Duration::from_secs_f64(test.seconds.max(0.0)), test.name.clone()))
            .collect(),
        ..Counts::default()
    }
}

/// What a failed test said, without its stack.
fn without_stack(said: &str) -> String {
    let ends = |line: &str| line.starts_with("stack backtrace:") || line.starts_with("note: run with");
    said.lines().take_while(|line| !ends(line)).take(60).collect::<Vec<_>>().join("\n")
}

fn unsteady(name: &str) -> String {
    format!("UNSTEADY, passed only at the second try: {name}")
}

/// Reads the JSON reporter's statistics. A test that passed only at a second try, which only CI gives it, is named.
fn playwright_counts(report: &Value) -> Counts {
    let of = |name: &str| report["stats"][name].as_u64().unwrap_or_default();
    let errors = report["errors"].as_array().map_or(0, Vec::len) as u64;
    let (mut remarks, mut times) = (Vec::new(), Vec::new());
    for spec in playwright::specs(report) {
        let title = spec["title"].as_str().unwrap_or_default();
        let any = |status: &str| playwright::list(&spec["tests"]).any(|test| test["status"] == status);
        if any("flaky") {
            remarks.push(unsteady(title));
        }
        if any("unexpected") {
            remarks.push(format!("FAILED: {title}"));
        }
        let results = playwright::list(&spec["tests"]).flat_map(|test| playwright::list(&test["results"]));
        let millis = results.filter_map(|result| result["duration"].as_u64()).sum();
        times.push((Duration::from_millis(millis), title.to_owned()));
    }
    Counts {
        passed: of("expected") + of("flaky"),
        failed: of("unexpected") + errors,
        skipped: of("skipped"),
        remarks,
        times,
        ..Counts::default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn native(name: &str, outcome: nextest::Outcome, tries: u32, seconds: f64) -> nextest::Test {
        nextest::Test { name: name.to_owned(), outcome, tries, seconds, said: String::new() }
    }

    #[test]
    fn native_tests_are_counted_and_what_failed_or_passed_at_the_second_try_is_named() {
        use nextest::Outcome::{Failed, Passed, Skipped};
        let counts = native_counts(&[
            native("a::x", Passed, 1, 0.1),
            native("a::y", Passed, 2, 2.5),
            native("a::z", Failed, 2, 0.1),
            native("a::w", Skipped, 1, 0.0),
        ]);
        assert_eq!(counts.to_string(), "2 passed, 1 failed, 1 skipped");
        assert_eq!(counts.remarks, [unsteady("a::y"), "FAILED: a::z".to_owned()]);
    }

    #[test]
    fn what_took_longest_is_shown_first_and_what_took_no_second_is_left_out() {
        let time = |millis, name: &str| (Duration::from_millis(millis), name.to_owned());
        let mut times = vec![time(1_500, "b"), time(72_000, "a"), time(999, "c"), time(1_100, "d")];
        assert_eq!(longest(&mut times, 2), "    72 s  a\n     1 s  b");
    }

    #[test]
    fn of_a_failed_test_its_own_words_are_shown() {
        assert_eq!(without_stack("it broke\nleft: 1\nstack backtrace:\n  0: rust"), "it broke\nleft: 1");
    }

    fn counts(passed: u64, failed: u64, skipped: u64) -> Counts {
        Counts { passed, failed, skipped, ..Counts::default() }
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
