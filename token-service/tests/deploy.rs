//! The image and the manifest name settings, ports and paths: each is one that the program has.

#![cfg(unix)]
#![expect(clippy::unwrap_used, reason = "a helper of a test may panic, as the test itself may")]

use std::{
    collections::BTreeMap,
    env, fs,
    io::{BufRead as _, BufReader, Read as _, Write as _},
    net::TcpStream,
    path::PathBuf,
    process::{Command, Stdio},
};

use clap::CommandFactory as _;
use serde_json::Value;
use token_service::config::{
    API_KEY_SECRET, API_KEY_SECRET_2, AUTH_TOKEN, Args, HISTORY_API_KEY_SECRET, REDIS_URL,
    VIDEO_API_KEY_SECRET,
};

fn room() -> PathBuf {
    env::var_os("CARGO_MANIFEST_DIR").unwrap().into()
}

fn text(name: &str) -> String {
    let path = room().join(name);
    fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

/// The variables that a text names.
fn variables(text: &str) -> Vec<&str> {
    text.split(|c: char| !(c.is_ascii_uppercase() || c.is_ascii_digit() || c == '_'))
        .filter(|word| word.starts_with("TOKEN_SERVICE_") || word.starts_with("TWILIO_"))
        .collect()
}

/// `- { name: X, value: Y }` of the manifest.
fn environment(manifest: &str) -> BTreeMap<&str, &str> {
    let entries = manifest.lines().filter_map(|line| {
        let inner = line.trim().strip_prefix("- { name: ")?.strip_suffix(" }")?;
        let (name, value) = inner.split_once(", value: ")?;
        Some((name, value.trim_matches('"')))
    });
    entries.collect()
}

/// What follows `name: ` in the manifest, up to the next comma or bracket.
fn all_of<'m>(manifest: &'m str, name: &str) -> Vec<&'m str> {
    let mark = format!("{name}: ");
    manifest.split(&mark).skip(1).map(|rest| rest.split([',', ' ', '\n', '}']).next().unwrap()).collect()
}

#[test]
fn each_setting_that_is_named_is_one_of_the_programs() {
    let command = Args::command();
    let mut known: Vec<String> = command
        .get_arguments()
        .filter_map(|argument| argument.get_env().map(|name| name.to_str().unwrap().to_owned()))
        .collect();
    for secret in [
        API_KEY_SECRET,
        API_KEY_SECRET_2,
        HISTORY_API_KEY_SECRET,
        VIDEO_API_KEY_SECRET,
        AUTH_TOKEN,
        REDIS_URL,
    ] {
        known.extend([secret.to_owned(), format!("{secret}_FILE")]);
    }
    for file in ["deploy/Dockerfile", "deploy/kubernetes.yaml", "../docs/operate.md"] {
        let text = text(file);
        for name in variables(&text) {
            assert!(known.iter().any(|known| known == name), "{file} names {name}");
        }
    }
    assert!(environment(&text("deploy/kubernetes.yaml")).len() >= 8);
}

#[test]
fn image_and_manifest_agree_about_ports() {
    let (image, manifest) = (text("deploy/Dockerfile"), text("deploy/kubernetes.yaml"));
    let environment = environment(&manifest);
    let (public, admin) = (environment["TOKEN_SERVICE_PORT"], environment["TOKEN_SERVICE_ADMIN_PORT"]);
    assert_eq!(all_of(&manifest, "containerPort"), [public, admin]);
    assert!(manifest.contains(&format!("prometheus.io/port: \"{admin}\"")));
    assert!(image.contains(&format!("EXPOSE {public} {admin}\n")));
    for name in ["HOST", "PORT", "ADMIN_HOST", "ADMIN_PORT"].map(|name| format!("TOKEN_SERVICE_{name}")) {
        let value = environment[name.as_str()];
        assert!(image.contains(&format!("{name}={value}")), "{name} is not {value} in the image");
    }
}

#[test]
fn with_the_manifests_settings_the_program_starts_and_answers_each_probe() {
    let manifest = text("deploy/kubernetes.yaml");
    let secret = std::env::temp_dir().join(format!("token-service-deploy-{}", std::process::id()));
    fs::write(&secret, "s".repeat(32)).unwrap();
    let mut command = Command::new(env::var_os("CARGO_BIN_EXE_token-service").unwrap());
    command.env_clear().stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::null());
    for (name, value) in environment(&manifest) {
        let filled = value
            .replace("<AC…>", &format!("AC{}", "1".repeat(32)))
            .replace("<SK…>", &format!("SK{}", "2".repeat(32)))
            .replace("<id of the extension>", &"a".repeat(32));
        command.env(name, filled);
    }
    // What this machine must not share, or does not have: its ports, its network, the cluster's secrets.
    command.env("TWILIO_API_KEY_SECRET_FILE", &secret).arg("--exit-with-stdin");
    command.args(["--port", "0", "--admin-port", "0", "--host", "127.0.0.1", "--admin-host", "127.0.0.1"]);
    let mut child = command.spawn().unwrap();
    let mut line = String::new();
    BufReader::new(child.stdout.take().unwrap()).read_line(&mut line).unwrap();
    let ready: Value = serde_json::from_str(&line).unwrap_or_else(|_| panic!("it did not start: {line:?}"));
    let port = u16::try_from(ready["admin_port"].as_u64().unwrap()).unwrap();
    let mut paths = all_of(&manifest, "httpGet: { path");
    paths.extend(all_of(&manifest, "prometheus.io/path"));
    assert_eq!(paths, ["/live", "/live", "/ready", "/metrics"]);
    for path in paths {
        let mut stream = TcpStream::connect(("127.0.0.1", port)).unwrap();
        write!(stream, "GET {path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n").unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).unwrap();
        assert!(answer.starts_with("HTTP/1.1 200 "), "{path}: {answer}");
    }
    drop(child.stdin.take());
    assert!(child.wait().unwrap().success());
    fs::remove_file(&secret).unwrap();
}

#[test]
fn every_image_is_named_by_its_digest() {
    let image = text("deploy/Dockerfile");
    let bases: Vec<&str> = image.lines().filter_map(|line| line.strip_prefix("FROM ")).collect();
    assert!(bases.len() > 1, "{bases:?}");
    for base in bases.iter().filter(|base| **base != "scratch") {
        // `name:tag@` without a digest is no reference to an image, so nothing can be built of the tag alone.
        let (_, digest) = base.split_once("@${").unwrap_or_else(|| panic!("{base} has no digest"));
        let argument = digest.split('}').next().unwrap();
        assert!(image.contains(&format!("\nARG {argument}\n")), "{argument} is required, without a default");
    }
    let manifest = text("deploy/kubernetes.yaml");
    let used: Vec<&str> = manifest.lines().filter_map(|line| line.trim().strip_prefix("image: ")).collect();
    assert!(!used.is_empty() && used.iter().all(|image| image.contains("@sha256:")), "{used:?}");
}

#[test]
fn the_image_has_only_what_it_needs() {
    let image = text("deploy/Dockerfile");
    let last = image.rsplit("\nFROM ").next().unwrap();
    assert!(last.starts_with("scratch\n"), "the last stage starts from nothing");
    assert!(last.contains("\nUSER 65532:65532\n"), "not as root");
    assert!(!last.contains("SECRET") && !last.contains("AUTH_TOKEN"), "no secret in an image");
    let ignored = text("deploy/Dockerfile.dockerignore");
    assert!(ignored.contains("\n*\n"), "all that is not named stays outside");
    let rooms: Vec<PathBuf> = fs::read_dir(room().join(".."))
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .filter(|path| path.join("Cargo.toml").exists())
        .collect();
    assert!(rooms.len() > 5 && ignored.contains("\n!*/Cargo.toml\n") && ignored.contains("\n!*/src\n"));
    // Cargo reads the manifest of each member of the workspace, and wants to find its sources.
    let workspace: toml::Table = text("../Cargo.toml").parse().unwrap();
    let members = workspace["workspace"]["members"].as_array().unwrap();
    for member in members.iter().map(|member| member.as_str().unwrap()) {
        for part in ["Cargo.toml", "src"] {
            let path = format!("{member}/{part}");
            let is_let_in = ignored.lines().filter_map(|line| line.strip_prefix('!')).any(|pattern| {
                let mut steps = path.split('/');
                pattern
                    .split('/')
                    .all(|wanted| steps.next().is_some_and(|step| wanted == "*" || wanted == step))
            });
            assert!(is_let_in, "{path}");
        }
    }
}
