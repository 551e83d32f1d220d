//! What is asked of a package that is handed out: that somebody looked for known faults of what is in it, not long ago, and
//! that the tools which built it are the ones of their lock files. What is not known is a reason to stop, unless somebody says
//! why it is not; then that is written down beside the package.

use std::{collections::BTreeMap, fs, path::Path, process::Command};

use anyhow::{Context, Result, bail};
use clap::Args;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use crate::key::{hex, sha256};

const SECONDS_OF_A_DAY: i64 = 24 * 60 * 60;

#[derive(Args)]
pub struct Terms {
    /// For handing out: refuses without fresh data about known faults, writes bills of materials and a report
    #[arg(long)]
    release: bool,
    /// How many days old the data about known faults may be
    #[arg(long, value_name = "DAYS", default_value_t = 7, requires = "release")]
    advisories_max_age: u32,
    /// Go on though something is not known, for this reason; it stands in the report
    #[arg(long, value_name = "REASON", requires = "release")]
    despite: Option<String>,
    /// What was looked at, as `cargo xtask pack --release` writes it down
    #[arg(long, value_name = "FILE", hide = true)]
    looked: Option<std::path::PathBuf>,
}

#[cfg(test)]
impl Terms {
    /// No release.
    pub fn none() -> Self {
        Self { release: false, advisories_max_age: 7, despite: None, looked: None }
    }
}

/// What is known of the faults of dependencies.
#[derive(Deserialize, Serialize)]
struct Looked {
    cargo: Answer,
    npm: Answer,
}

#[derive(Deserialize, Serialize)]
#[serde(untagged)]
enum Answer {
    /// The data is of that time (Unix), and has these faults of ours.
    Had { data_of: i64, found: Vec<String> },
    /// There was none, and why.
    None { none: String },
}

/// What stands against a release.
#[derive(Debug, Default, PartialEq, Eq)]
struct Verdict {
    /// Known faults: nothing speaks for handing these out.
    found: Vec<String>,
    /// What nobody knows.
    unknown: Vec<String>,
}

fn judge(looked: &Looked, now: i64, max_age: u32) -> Verdict {
    let mut verdict = Verdict::default();
    for (whose, answer) in [("cargo", &looked.cargo), ("npm", &looked.npm)] {
        match answer {
            Answer::None { none } => {
                verdict.unknown.push(format!("{whose}: no data about known faults: {none}"));
            }
            Answer::Had { data_of, found } => {
                verdict.found.extend(found.iter().map(|fault| format!("{whose}: {fault}")));
                let age = now.saturating_sub(*data_of);
                if age > i64::from(max_age) * SECONDS_OF_A_DAY {
                    let days = age / SECONDS_OF_A_DAY;
                    verdict.unknown.push(format!(
                        "{whose}: the data about known faults is {days} days old, not {max_age}"
                    ));
                }
            }
        }
    }
    verdict
}

/// A release that may go on.
pub struct Release {
    looked: Looked,
    max_age: u32,
    accepted: Option<Value>,
}

impl Release {
    /// None when no release is wanted; an error when it is, and something stands against it.
    pub fn wanted(options: &Terms, now: i64) -> Result<Option<Self>> {
        if !options.release {
            return Ok(None);
        }
        let file =
            options.looked.as_ref().context("nobody looked for known faults: cargo xtask pack --release")?;
        let text = fs::read_to_string(file).with_context(|| file.display().to_string())?;
        let looked: Looked = serde_json::from_str(&text).with_context(|| file.display().to_string())?;
        let verdict = judge(&looked, now, options.advisories_max_age);
        if !verdict.found.is_empty() {
            bail!("known faults in what would be handed out:\n{}", verdict.found.join("\n"));
        }
        let reason = options.despite.as_deref().map(str::trim).filter(|reason| !reason.is_empty());
        let accepted = match (verdict.unknown.is_empty(), reason) {
            (true, _) => None,
            (false, Some(reason)) => Some(json!({"what": verdict.unknown, "why": reason})),
            (false, None) => bail!(
                "not handed out, because this is not known:\n{}\n--despite REASON goes on, and writes both into the report",
                verdict.unknown.join("\n")
            ),
        };
        Ok(Some(Self { looked, max_age: options.advisories_max_age, accepted }))
    }

    /// What was handed out, of which source, and what was known then.
    pub fn report(
        &self,
        root: &Path,
        version: &str,
        key: Value,
        files: &BTreeMap<String, Vec<u8>>,
        bills: &BTreeMap<String, Vec<u8>>,
    ) -> Value {
        let digests = |files: &BTreeMap<String, Vec<u8>>| -> Value {
            files.iter().map(|(name, bytes)| (name.clone(), json!(hex(&sha256(bytes))))).collect()
        };
        json!({
            "version": version,
            "source": source(root),
            "key": key,
            "sha256": digests(files),
            "sbom_sha256": digests(bills),
            "known_faults": {"cargo": self.looked.cargo, "npm": self.looked.npm, "max_age_days": self.max_age},
            "accepted": self.accepted,
        })
    }
}

/// The commit, and whether the files are that commit's.
fn source(root: &Path) -> Value {
    let git = |args: &[&str]| {
        let output = Command::new("git").arg("-C").arg(root).args(args).output().ok()?;
        output.status.success().then(|| String::from_utf8_lossy(&output.stdout).trim().to_owned())
    };
    json!({
        "commit": git(&["rev-parse", "HEAD"]),
        "changed": git(&["status", "--porcelain"]).map(|changes| !changes.is_empty()),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: i64 = 1_800_000_000;

    fn had(days_ago: i64, found: &[&str]) -> Answer {
        let found = found.iter().map(|fault| (*fault).to_owned()).collect();
        Answer::Had { data_of: NOW - days_ago * SECONDS_OF_A_DAY, found }
    }

    fn options(looked: &Looked, despite: Option<&str>) -> (tempfile::TempDir, Terms) {
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("looked.json");
        fs::write(&file, serde_json::to_string(looked).unwrap()).unwrap();
        let despite = despite.map(str::to_owned);
        (dir, Terms { release: true, despite, looked: Some(file), ..Terms::none() })
    }

    #[test]
    fn a_release_wants_data_about_known_faults_that_is_not_older_than_it_may_be() {
        let looked = |cargo, npm| Looked { cargo, npm };
        assert_eq!(judge(&looked(had(7, &[]), had(0, &[])), NOW, 7), Verdict::default());
        let old = judge(&looked(had(8, &[]), had(0, &[])), NOW, 7);
        assert_eq!(old.unknown, ["cargo: the data about known faults is 8 days old, not 7"]);
        assert_eq!(judge(&looked(had(8, &[]), had(0, &[])), NOW, 30), Verdict::default());
        let none = judge(&looked(had(0, &[]), Answer::None { none: "405".into() }), NOW, 7);
        assert_eq!(none.unknown, ["npm: no data about known faults: 405"]);
        // A clock that is behind makes data no older.
        assert_eq!(judge(&looked(had(-1, &[]), had(0, &[])), NOW, 7), Verdict::default());

        let (_dir, options) = options(&looked(had(8, &[]), had(0, &[])), None);
        let refused = Release::wanted(&options, NOW).err().unwrap().to_string();
        assert!(refused.contains("8 days old") && refused.contains("--despite"), "{refused}");
        let nobody_looked = Terms { release: true, ..Terms::none() };
        assert!(Release::wanted(&nobody_looked, NOW).is_err());
        assert!(Release::wanted(&Terms::none(), NOW).unwrap().is_none(), "no release is wanted");
    }

    #[test]
    fn what_is_not_known_can_be_accepted_with_a_reason_that_stands_in_the_report_and_a_known_fault_cannot() {
        let looked = Looked { cargo: had(8, &[]), npm: Answer::None { none: "405".into() } };
        let (_dir, no_reason) = options(&looked, Some("  "));
        assert!(Release::wanted(&no_reason, NOW).is_err(), "a blank is no reason");
        let (_dir, with_reason) = options(&looked, Some("looked by hand"));
        let release = Release::wanted(&with_reason, NOW).unwrap().unwrap();
        let root = crate::checkout::root().unwrap();
        let files = BTreeMap::from([("a.crx".to_owned(), b"abc".to_vec())]);
        let report = release.report(&root, "1.2.3", json!({"id": "x"}), &files, &BTreeMap::new());
        assert_eq!(report["accepted"]["why"], "looked by hand");
        assert_eq!(report["accepted"]["what"].as_array().unwrap().len(), 2);
        // FIPS 180-2.
        let abc = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad";
        assert_eq!(report["sha256"]["a.crx"], abc);
        assert!(report["source"]["commit"].is_string(), "{report}");

        let looked = Looked { cargo: had(0, &["RUSTSEC-2026-0001"]), npm: had(0, &[]) };
        let (_dir, with_reason) = options(&looked, Some("never mind"));
        let refused = Release::wanted(&with_reason, NOW).err().unwrap().to_string();
        assert!(refused.contains("RUSTSEC-2026-0001"), "{refused}");
    }
}
