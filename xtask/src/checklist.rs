//! What Holdfast promises, line by line, and the named tests that show it: printed at the end of `cargo xtask test`.
//!
//! `docs/checklist.toml` holds the lines. A test that it names and that did not run fails the run: a promise whose test
//! was renamed or deleted would otherwise go on looking kept.

use std::{collections::BTreeMap, fs, path::Path};

use anyhow::{Context, Result};
use serde::Deserialize;
use serde_json::Value;

use crate::{
    nextest::{self, Outcome},
    playwright,
};

/// The promises, in the order in which they are printed.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Checklist {
    promise: Vec<Promise>,
}

/// One line.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Promise {
    /// The heading it stands under.
    area: String,
    /// The promise, as a sentence.
    says: String,
    /// Native tests, by the name of their function.
    #[serde(default)]
    native: Vec<String>,
    /// End-to-end tests, by their title.
    #[serde(default)]
    e2e: Vec<String>,
}

/// How each test ended, by its name. A name that several tests share counts as passed only when all of them did.
#[derive(Debug, Default)]
pub struct Outcomes {
    native: Option<BTreeMap<String, Outcome>>,
    e2e: Option<BTreeMap<String, Outcome>>,
}

impl Outcomes {
    /// Takes the tests that nextest ran.
    pub fn read_native(&mut self, tests: &[nextest::Test]) {
        let outcomes = self.native.get_or_insert_default();
        tests.iter().for_each(|test| note(outcomes, test.function(), test.outcome));
    }

    /// Takes the titles out of Playwright's JSON report.
    pub fn read_e2e(&mut self, report: &Value) {
        let mut outcomes = BTreeMap::new();
        for spec in playwright::specs(report) {
            let outcome = playwright::list(&spec["tests"])
                .map(|test| match test["status"].as_str() {
                    Some("expected" | "flaky") => Outcome::Passed,
                    Some("skipped") => Outcome::Skipped,
                    _ => Outcome::Failed,
                })
                .min();
            if let (Some(title), Some(outcome)) = (spec["title"].as_str(), outcome) {
                note(&mut outcomes, title, outcome);
            }
        }
        self.e2e = Some(outcomes);
    }
}

fn note(outcomes: &mut BTreeMap<String, Outcome>, name: &str, outcome: Outcome) {
    let all = outcomes.entry(name.to_owned()).or_insert(outcome);
    *all = (*all).min(outcome);
}

/// The printed list, and how many of the tests that it names did not run: these are counted nowhere else.
#[derive(Debug, PartialEq, Eq)]
pub struct Verdict {
    pub text: String,
    pub missing: u64,
}

impl Checklist {
    /// Reads `docs/checklist.toml`.
    ///
    /// # Errors
    /// When the file is missing or is not what [`Checklist`] says.
    pub fn read(root: &Path) -> Result<Self> {
        let file = root.join("docs/checklist.toml");
        let text = fs::read_to_string(&file).with_context(|| file.display().to_string())?;
        toml::from_str(&text).with_context(|| file.display().to_string())
    }

    /// Judges each promise by the tests that ran. A half that did not run at all is left out, not failed.
    pub fn judge(&self, outcomes: &Outcomes) -> Verdict {
        let (mut text, mut missing, mut area) = (String::new(), 0_u64, "");
        // By area, in the order in which the areas are first named.
        let first = |area: &str| self.promise.iter().position(|promise| promise.area == area);
        let mut promises: Vec<&Promise> = self.promise.iter().collect();
        promises.sort_by_key(|promise| first(&promise.area));
        for promise in promises {
            let of = |names: &[String],
                      ran: &Option<BTreeMap<String, Outcome>>|
             -> Vec<(String, Option<Outcome>)> {
                let Some(ran) = ran else { return Vec::new() };
                names.iter().map(|name| (name.clone(), ran.get(name).copied())).collect()
            };
            let mut tests = of(&promise.native, &outcomes.native);
            tests.extend(of(&promise.e2e, &outcomes.e2e));
            if tests.is_empty() {
                continue;
            }
            if area != promise.area {
                area = &promise.area;
                text.push_str(&format!("\n{area}\n"));
            }
            let bad: Vec<&(String, Option<Outcome>)> = tests
                .iter()
                .filter(|(_, outcome)| !matches!(outcome, Some(Outcome::Passed | Outcome::Skipped)))
                .collect();
            let skipped = tests.iter().filter(|(_, outcome)| *outcome == Some(Outcome::Skipped)).count();
            let mark = match (bad.is_empty(), skipped) {
                (false, _) => '✗',
                (true, 0) => '✓',
                (true, _) => '-',
            };
            let count = tests.len();
            text.push_str(&format!(
                "  {mark} {} ({count} {})\n",
                promise.says,
                if count == 1 { "test" } else { "tests" }
            ));
            if skipped > 0 {
                text.push_str(&format!("      skipped on this machine: {skipped}\n"));
            }
            for (name, outcome) in &bad {
                let why = if outcome.is_some() { "failed" } else { "did not run" };
                text.push_str(&format!("      {why}: {name}\n"));
            }
            missing += bad.iter().filter(|(_, outcome)| outcome.is_none()).count() as u64;
        }
        Verdict { text, missing }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    const LIST: &str = r#"
        [[promise]]
        area = "Calls"
        says = "A second call never disturbs the first"
        native = ["a_second_call_is_refused"]
        e2e = ["a second caller never disturbs the first"]

        [[promise]]
        area = "Calls"
        says = "Digits arrive"
        e2e = ["digits are heard"]
    "#;

    fn test(name: &str, outcome: Outcome) -> nextest::Test {
        nextest::Test { name: name.to_owned(), outcome, tries: 1, seconds: 0.0, said: String::new() }
    }

    fn outcomes(second: &str) -> Outcomes {
        let mut outcomes = Outcomes::default();
        outcomes.read_native(&[test("machine::tests::a_second_call_is_refused", Outcome::Passed)]);
        outcomes.read_e2e(&json!({"suites": [{"specs": [], "suites": [{"specs": [
            {"title": "a second caller never disturbs the first", "tests": [{"status": "expected"}]},
            {"title": second, "tests": [{"status": "unexpected"}]},
        ]}]}]}));
        outcomes
    }

    #[test]
    fn a_promise_is_kept_when_all_its_tests_passed() {
        let list: Checklist = toml::from_str(LIST).unwrap();
        let verdict = list.judge(&outcomes("digits are heard"));
        assert_eq!(
            verdict.text,
            "\nCalls\n  ✓ A second call never disturbs the first (2 tests)\n  ✗ Digits arrive (1 test)\n      \
             failed: digits are heard\n"
        );
        assert_eq!(verdict.missing, 0);
    }

    #[test]
    fn a_test_that_is_named_and_did_not_run_breaks_its_promise() {
        let list: Checklist = toml::from_str(LIST).unwrap();
        let verdict = list.judge(&outcomes("another name"));
        assert!(verdict.text.contains("did not run: digits are heard"), "{}", verdict.text);
        assert_eq!(verdict.missing, 1);
    }

    #[test]
    fn a_half_that_was_not_asked_for_is_left_out() {
        let list: Checklist = toml::from_str(LIST).unwrap();
        let mut outcomes = Outcomes::default();
        outcomes.read_native(&[test("x::a_second_call_is_refused", Outcome::Passed)]);
        let verdict = list.judge(&outcomes);
        assert_eq!((verdict.text.lines().count(), verdict.missing), (3, 0));
    }

    #[test]
    fn one_failure_among_tests_of_the_same_name_is_a_failure() {
        let mut outcomes = Outcomes::default();
        outcomes.read_native(&[
            test("a::x", Outcome::Passed),
            test("b::x", Outcome::Failed),
            test("c::y", Outcome::Skipped),
        ]);
        let native = outcomes.native.unwrap();
        assert_eq!((native["x"], native["y"]), (Outcome::Failed, Outcome::Skipped));
    }
}
