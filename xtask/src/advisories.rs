//! Known faults of the dependencies, cargo's and npm's, where their data can be had.

use std::{env, path::Path, process::Command, time::SystemTime};

use anyhow::{Context, Result};
use serde::Serialize;
use serde_json::Value;

use crate::{
    process::{command, output_of, run_quietly, tail},
    project::Project,
    setup,
};

/// What was found, or why nobody could look. `xtask/rollout` judges it for a release.
#[derive(Debug, Serialize, PartialEq, Eq)]
#[serde(untagged)]
pub enum Answer {
    /// The data is of that time (Unix), and has these faults of ours.
    Had {
        /// When it was last changed, or asked for where it is always the newest.
        data_of: i64,
        /// One each.
        found: Vec<String>,
    },
    /// There was none.
    None {
        /// Why not.
        none: String,
    },
}

/// Of the crates. Their database is not on crates.io, but on GitHub; `HOLDFAST_ADVISORY_DB` names the directory of a copy (a
/// clone).
pub fn of_crates(project: &Project) -> Result<Answer> {
    const DATABASE: &str = "https://github.com/RustSec/advisory-db";
    let path = setup::with_cargo_tool(project, "cargo-deny")?;
    let copy = env::var_os("HOLDFAST_ADVISORY_DB");
    let deny = |words: &[&str]| {
        let mut deny = command("timeout", &project.root);
        deny.args(["120s", "cargo", "deny", "--locked"]).args(words).env("PATH", &path);
        if let Some(copy) = &copy {
            // cargo-deny lets git fetch it, and takes no other kind of address.
            let here = format!("url.file://{}.insteadOf", copy.display());
            deny.env("GIT_CONFIG_COUNT", "1").env("GIT_CONFIG_KEY_0", here);
            deny.env("GIT_CONFIG_VALUE_0", DATABASE);
        }
        deny
    };
    let log = project.log("advisories");
    if run_quietly(&mut deny(&["fetch", "db"]), &log).is_err() {
        return Ok(Answer::None { none: format!("{DATABASE} cannot be had") });
    }
    let data_of = match &copy {
        // A copy is as old as the last thing that came into it.
        Some(copy) => newest_commit(Path::new(copy))?,
        None => now()?,
    };
    let found = match run_quietly(&mut deny(&["--offline", "check", "advisories"]), &log) {
        Ok(()) => Vec::new(),
        Err(_) => vec![tail(&log, 40)],
    };
    Ok(Answer::Had { data_of, found })
}

/// Of what ships of npm's: the tools of build and tests are left out.
pub fn of_npm_packages(project: &Project) -> Result<Answer> {
    let output = command("timeout", &project.root)
        .args(["120s", "npm", "audit", "--omit=dev", "--json"])
        .output()
        .context("npm audit")?;
    Ok(npm_says(&String::from_utf8_lossy(&output.stdout), now()?))
}

/// What `npm audit --json` printed: faults by package, or what went wrong.
fn npm_says(text: &str, now: i64) -> Answer {
    let Ok(report) = serde_json::from_str::<Value>(text) else {
        return Answer::None { none: "npm audit does not answer".into() };
    };
    let Some(faults) = report["vulnerabilities"].as_object() else {
        // The address of the registry is the machine's own affair.
        let code = report["statusCode"].as_i64().map(|code| format!(" ({code})")).unwrap_or_default();
        return Answer::None { none: format!("npm's registry gives none{code}") };
    };
    let severity = |fault: &Value| fault["severity"].as_str().unwrap_or("unknown").to_owned();
    let found = faults.iter().map(|(name, fault)| format!("{name}: {}", severity(fault))).collect();
    Answer::Had { data_of: now, found }
}

fn newest_commit(copy: &Path) -> Result<i64> {
    let time = output_of(Command::new("git").arg("-C").arg(copy).args(["log", "-1", "--format=%ct"]));
    time.and_then(|time| time.parse().ok()).with_context(|| format!("{} is no clone", copy.display()))
}

fn now() -> Result<i64> {
    let since = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).context("the clock")?;
    i64::try_from(since.as_secs()).context("the clock")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn npms_answer_is_its_faults_or_the_word_that_there_is_none() {
        let clean = r#"{"auditReportVersion": 2, "vulnerabilities": {}, "metadata": {}}"#;
        assert_eq!(npm_says(clean, 7), Answer::Had { data_of: 7, found: Vec::new() });
        let bad = r#"{"vulnerabilities": {"events": {"name": "events", "severity": "high"}}}"#;
        assert_eq!(npm_says(bad, 7), Answer::Had { data_of: 7, found: vec!["events: high".into()] });
        let refused = r#"{"message": "405 Method Not Allowed - POST https://npm.acme.test/-/npm/v1/security", "statusCode": 405}"#;
        assert_eq!(npm_says(refused, 7), Answer::None { none: "npm's registry gives none (405)".into() });
        for nothing in ["", "npm error network"] {
            assert!(matches!(npm_says(nothing, 7), Answer::None { .. }), "{nothing}");
        }
    }
}
