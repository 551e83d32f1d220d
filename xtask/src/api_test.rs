//! Schemathesis asks the real token service whatever its OpenAPI document allows, and much that it does not allow: no answer
//! may be one that the document does not have, and none a 5xx.

use std::{fs, process::Stdio};

use anyhow::{Context, Result};

use crate::{
    build,
    process::{command, run_quietly},
    project::Project,
    pypi, say,
    stack::start_server,
};

/// Schemathesis and all that it needs, in the versions that it was last run with, each file known by its digest
/// (`pip-compile --generate-hashes`).
const REQUIREMENTS: &str = "xtask/schemathesis.txt";

const ACCOUNT_SID: &str = "AC00000000000000000000000000000000";
const ORIGIN: &str = "chrome-extension://aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa";
/// In the form in which the stand-in for Twilio takes a token for an agent's.
const FLEX_TOKEN: &str = "0.agent_00001.";

/// What of Schemathesis' own judgement does not hold here: the prefix must be the configured one, which no schema can say,
/// and where both the origin and the token are missing the origin is what is told.
const NOT_OURS: &str = "positive_data_acceptance,missing_required_header";

/// At most so many questions for each route and way of making them up, from the same seed each time.
const EXAMPLES: &str = "100";

/// After which it is stopped, and has failed. It takes an eighth of that.
const LIMIT: &str = "180s";

/// Whether it ran; there must be a Python. An answer that the document does not have is an error.
pub fn run(project: &Project) -> Result<bool> {
    if !pypi::has_python() {
        say!("test: no Python with venv here (python3, python3-venv): Schemathesis is left out");
        return Ok(false);
    }
    let environment = project.tools().join("schemathesis");
    pypi::install(project, REQUIREMENTS, &environment)?;
    build::programs(project, &["token-service", "token-bench"])?;

    let directory = project.run_dir().join("api");
    fs::create_dir_all(directory.join("extension")).context("a directory for Schemathesis")?;
    fs::write(directory.join("extension/updates.xml"), "<gupdate/>\n")?;
    let built = |name: &str| command(project.target.join("debug").join(name), &directory);
    let ca = directory.join("iam-ca.pem");
    let mut iam = built("token-bench");
    iam.arg("iam").arg("--ca").arg(&ca).stdin(Stdio::piped());
    let (_iam, ready) = start_server(project, "api-iam", iam)?;
    let iam_port = ready["port"].as_u64().context("the stand-in says no port")?;
    let mut service = built("token-service");
    // Everything is switched on, and nothing limited: all questions come from one address, for one identity.
    service
        .args(["--port", "0", "--admin-port", "0", "--exit-with-stdin", "--allowed-origin", ORIGIN])
        .args(["--allow-missing-origin", "--legacy-generate-token", "--extension-dir", "extension"])
        .args(["--mints-per-minute", "1000000", "--failures-per-minute", "1000000"])
        .args(["--iam-base-url", &format!("https://127.0.0.1:{iam_port}")])
        .env("TWILIO_ACCOUNT_SID", ACCOUNT_SID)
        .env("TWILIO_API_KEY_SID", ACCOUNT_SID.replace("AC", "SK"))
        .env("TWILIO_API_KEY_SECRET", "s".repeat(32))
        .env("TWILIO_AUTH_TOKEN", "t".repeat(32))
        .env("SSL_CERT_FILE", &ca)
        .stdin(Stdio::piped());
    let (_service, ready) = start_server(project, "api-token-service", service)?;
    let port = ready["port"].as_u64().context("the service says no port")?;

    let mut asking = command("timeout", &directory);
    asking
        .arg(LIMIT)
        .arg(environment.join("bin/schemathesis"))
        .args(["run", &format!("http://127.0.0.1:{port}/openapi.json"), "--seed", "1", "--no-color"])
        .args(["--phases", "examples,coverage,fuzzing", "--max-examples", EXAMPLES, "--continue-on-failure"])
        .args(["--request-timeout", "10", "--exclude-checks", NOT_OURS, "--warnings", "off"])
        .args(["--header", &format!("Authorization: Bearer {FLEX_TOKEN}")]);
    run_quietly(&mut asking, &project.log("schemathesis"))?;
    Ok(true)
}
