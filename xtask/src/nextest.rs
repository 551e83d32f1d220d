//! What cargo-nextest says of the tests that need no browser: a line of JSON for each, as libtest writes them.
//!
//! The form is libtest's and not yet fixed; nextest is of one version, by digest, and the tests below have its very lines.

use std::collections::BTreeSet;

use anyhow::{Context, Result};
use serde::Deserialize;

/// How a test ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Outcome {
    /// At each try.
    Failed,
    /// It did not run.
    Skipped,
    /// At the last try.
    Passed,
}

/// One test, as it ended.
#[derive(Debug, PartialEq)]
pub struct Test {
    /// Its crate and test program, and its path in there.
    pub name: String,
    /// How it ended.
    pub outcome: Outcome,
    /// At which try.
    pub tries: u32,
    /// How long that took.
    pub seconds: f64,
    /// What it said, if it failed.
    pub said: String,
}

impl Test {
    /// The name of its function.
    pub fn function(&self) -> &str {
        self.name.rsplit("::").next().unwrap_or(&self.name)
    }
}

#[derive(Deserialize)]
struct Line {
    #[serde(rename = "type")]
    kind: String,
    event: String,
    #[serde(default)]
    name: String,
    #[serde(default)]
    exec_time: f64,
    #[serde(default)]
    stdout: String,
    #[serde(default)]
    ignored: usize,
}

/// All tests of a run.
///
/// # Errors
/// When a line is not what it should be, or a test that began never ended.
pub fn read(lines: &str) -> Result<Vec<Test>> {
    let (mut tests, mut open, mut told) = (Vec::new(), BTreeSet::new(), 0);
    let plain = |name: &str| name.replacen('$', "::", 1);
    for line in lines.lines() {
        let line: Line = serde_json::from_str(line).with_context(|| format!("nextest said: {line}"))?;
        if line.kind != "test" {
            // nextest does not always say of an ignored test that it is one; it counts it at its program's end.
            if line.event != "started" && !open.is_empty() && told + open.len() == line.ignored {
                let ignored = std::mem::take(&mut open).into_iter();
                tests.extend(ignored.map(|name: String| Test {
                    name: plain(&name),
                    outcome: Outcome::Skipped,
                    tries: 1,
                    seconds: 0.0,
                    said: String::new(),
                }));
            }
            told = 0;
            continue;
        }
        let (name, tries) = match line.name.rsplit_once('#') {
            Some((name, tries)) => (name, tries.parse().with_context(|| line.name.clone())?),
            None => (line.name.as_str(), 1),
        };
        let outcome = match line.event.as_str() {
            "started" => {
                open.insert(name.to_owned());
                continue;
            }
            "ok" => Outcome::Passed,
            "ignored" => {
                told += 1;
                Outcome::Skipped
            }
            _ => Outcome::Failed,
        };
        open.remove(name);
        tests.push(Test { name: plain(name), outcome, tries, seconds: line.exec_time, said: line.stdout });
    }
    anyhow::ensure!(open.is_empty(), "tests that never ended: {open:?}");
    Ok(tests)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// As nextest 0.9.148 wrote it with `--retries 1`.
    const RUN: &str = r##"{"type":"suite","event":"started","test_count":4,"nextest":{"crate":"a","test_binary":"a","kind":"lib"}}
{"type":"test","event":"started","name":"a::a$tests::unsteady"}
{"type":"test","event":"started","name":"a::a$tests::bad"}
{"type":"test","event":"ok","name":"a::a$tests::unsteady#2","exec_time":0.25}
{"type":"test","event":"failed","name":"a::a$tests::bad#2","exec_time":0.5,"stdout":"left: 1\n"}
{"type":"test","event":"started","name":"a::a$tests::long"}
{"type":"test","event":"ignored","name":"a::a$tests::long"}
{"type":"test","event":"started","name":"a::a$tests::good"}
{"type":"test","event":"ok","name":"a::a$tests::good","exec_time":0.125}
{"type":"suite","event":"failed","passed":2,"failed":1,"ignored":1,"measured":0,"filtered_out":0,"exec_time":1.0}
"##;

    #[test]
    fn each_test_is_read_with_its_end_its_tries_and_what_it_said() {
        let tests = read(RUN).unwrap();
        let seen: Vec<_> = tests
            .iter()
            .map(|test| (test.function(), test.outcome, test.tries, test.said.as_str()))
            .collect();
        assert_eq!(
            seen,
            [
                ("unsteady", Outcome::Passed, 2, ""),
                ("bad", Outcome::Failed, 2, "left: 1\n"),
                ("long", Outcome::Skipped, 1, ""),
                ("good", Outcome::Passed, 1, ""),
            ]
        );
        assert_eq!((tests[3].name.as_str(), tests[3].seconds), ("a::a::tests::good", 0.125));
    }

    #[test]
    fn an_ignored_test_of_which_only_its_programs_end_tells_is_skipped() {
        let run: Vec<&str> = RUN.lines().filter(|line| !line.contains(r#""event":"ignored""#)).collect();
        let tests = read(&run.join("\n")).unwrap();
        let long = tests.iter().find(|test| test.function() == "long").unwrap();
        assert_eq!((long.outcome, tests.len()), (Outcome::Skipped, 4));
    }

    #[test]
    fn a_test_that_never_ended_and_a_line_that_is_no_json_are_errors() {
        let cut: Vec<&str> = RUN.lines().take(4).collect();
        let error = read(&cut.join("\n")).unwrap_err().to_string();
        assert!(error.contains("tests::bad") && !error.contains("unsteady"), "{error}");
        assert!(read("test a ... ok").is_err());
        // Nor is it taken for an ignored one of which was told.
        let lost: Vec<&str> =
            RUN.lines().filter(|line| !(line.contains("ok") && line.contains("good"))).collect();
        assert!(read(&lost.join("\n")).unwrap_err().to_string().contains("tests::good"));
    }
}
