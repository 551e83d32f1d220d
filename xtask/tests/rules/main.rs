//! The rules of the house, kept by reading the sources. The design page says why each is there.
#![expect(clippy::unwrap_used, reason = "a test's helpers may panic too")]

mod circles;
mod pages;

use std::{
    collections::{BTreeMap, BTreeSet},
    env, fs,
    path::{Path, PathBuf},
    process::Command,
};

use serde_json::Value;

/// What each crate of ours depends on among ours: no more than this, and all of this. Everything that ships to a browser
/// knows the libraries under `crates/` and no other room; nothing that ships knows the sandbox.
const DEPENDS_ON: &[(&str, &[&str])] = &[
    ("wire-derive", &[]),
    ("wire", &["wire-derive"]),
    ("kernel", &["wire"]),
    ("sansio", &["kernel"]),
    ("shell", &["kernel", "sansio"]),
    ("protocol", &["kernel", "wire"]),
    ("policy", &["kernel", "protocol", "wire"]),
    ("messages", &["protocol"]),
    ("lifeline", &["kernel", "protocol", "sansio"]),
    ("webext", &["wire"]),
    ("voice-sdk", &[]),
    ("video-sdk", &[]),
    ("ui", &[]),
    (
        "join-wasm",
        &["kernel", "messages", "protocol", "sansio", "shell", "ui", "video-sdk", "webext", "wire"],
    ),
    ("gallery-wasm", &["join-wasm", "messages"]),
    ("twilio", &["kernel"]),
    (
        "worker-wasm",
        &["kernel", "messages", "policy", "protocol", "sansio", "shell", "voice-sdk", "webext", "wire"],
    ),
    ("offscreen-wasm", &["kernel", "messages", "protocol", "sansio", "shell", "voice-sdk", "webext"]),
    ("content-wasm", &["kernel", "protocol", "sansio", "shell", "webext", "wire"]),
    ("popup-wasm", &["kernel", "messages", "protocol", "sansio", "shell", "webext", "wire"]),
    ("plugin", &["kernel", "lifeline", "messages", "protocol", "sansio", "shell", "webext"]),
    ("service-kit", &["kernel"]),
    ("token-service", &["kernel", "protocol", "service-kit", "twilio"]),
    ("token-bench", &["kernel", "protocol", "twilio"]),
    ("sandbox-voice", &["kernel", "sandbox-kit", "sansio", "twilio"]),
    ("sandbox-kit", &["kernel"]),
    ("sandbox-callbacks", &["kernel", "sansio", "twilio"]),
    ("sandbox-conversations", &["kernel", "sandbox-callbacks", "sandbox-kit", "sansio", "twilio"]),
    ("sandbox-flex", &["kernel", "sandbox-conversations", "sandbox-kit", "sansio", "twilio"]),
    ("sandbox-video", &["kernel", "sandbox-kit", "sansio", "twilio"]),
    (
        "sandbox",
        &[
            "kernel",
            "sandbox-callbacks",
            "sandbox-conversations",
            "sandbox-flex",
            "sandbox-kit",
            "sandbox-video",
            "sandbox-voice",
            "twilio",
        ],
    ),
    (
        "fuzz",
        &[
            "content-wasm",
            "kernel",
            "protocol",
            "sansio",
            "service-kit",
            "token-service",
            "twilio",
            "wire",
            "worker-wasm",
        ],
    ),
    ("xtask", &[]),
    ("bindgen", &[]),
    ("publish", &[]),
    // The program that writes policies judges their settings as the extension will.
    ("rollout", &["policy"]),
];

/// Since which Chrome there is what the extension cannot do without.
/// Source: the `Availability` of each page below <https://developer.chrome.com/docs/extensions/reference/api>; for the
/// service worker, <https://developer.chrome.com/docs/extensions/develop/concepts/service-workers/lifecycle>.
const CHROME_HAS: [(&str, u32); 15] = [
    ("action", 88),
    ("alarms", 120), // since then as often as every 30 seconds, which is how a killed worker comes back
    ("commands", 88),
    ("i18n", 88),
    ("notifications", 88),
    ("offscreen", 109),
    ("permissions", 88),
    ("runtime", 88),
    ("scripting", 88),
    ("storage.local", 88),
    ("storage.managed", 88),
    ("storage.session", 102),
    ("tabs", 88),
    ("windows", 88),
    ("a WebSocket keeps the worker alive", 116),
];

/// Hand-written JavaScript is what Chrome and Flex demand, and no more.
const MOST_LINES_OF_JAVASCRIPT: usize = 59;

fn root() -> PathBuf {
    Path::new(&env::var("CARGO_MANIFEST_DIR").unwrap()).parent().unwrap().to_path_buf()
}

/// One crate of ours.
struct Room {
    name: String,
    /// Its directory, from the checkout's top.
    directory: String,
    /// What it depends on among ours outside of its tests.
    depends_on: BTreeSet<String>,
}

/// Our crates, as cargo knows them.
fn rooms() -> Vec<Room> {
    let output = Command::new(env::var("CARGO").unwrap_or_else(|_| "cargo".into()))
        .args(["metadata", "--no-deps", "--format-version", "1", "--offline"])
        .current_dir(root())
        .output()
        .unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let metadata: Value = serde_json::from_slice(&output.stdout).unwrap();
    let text = |value: &Value| value.as_str().unwrap().to_owned();
    let packages = metadata["packages"].as_array().unwrap().iter();
    packages
        .map(|package| {
            let ours = package["dependencies"].as_array().unwrap().iter();
            let ours = ours.filter(|one| !one["path"].is_null() && one["kind"] != "dev");
            let manifest = Path::new(package["manifest_path"].as_str().unwrap());
            let directory = manifest.parent().unwrap().strip_prefix(root()).unwrap();
            Room {
                name: text(&package["name"]),
                directory: directory.to_str().unwrap().to_owned(),
                depends_on: ours.map(|one| text(&one["name"])).collect(),
            }
        })
        .collect()
}

/// The Rust sources of all our crates; with `tests` also those of their tests.
fn rust_sources(tests: bool) -> Vec<PathBuf> {
    let kinds: &[&str] = if tests { &["src", "tests", "benches"] } else { &["src"] };
    let rooms = rooms();
    let directories: Vec<String> = rooms
        .iter()
        .flat_map(|room| kinds.iter().map(|kind| format!("{}/{kind}", room.directory)))
        .filter(|directory| root().join(directory).is_dir())
        .collect();
    assert!(directories.len() >= rooms.len(), "{directories:?}");
    sources(&directories.iter().map(String::as_str).collect::<Vec<_>>(), "rs")
}

/// Files of our own sources with this extension, below these directories.
fn sources(directories: &[&str], extension: &str) -> Vec<PathBuf> {
    let mut found = Vec::new();
    let mut open: Vec<PathBuf> = directories.iter().map(|name| root().join(name)).collect();
    while let Some(directory) = open.pop() {
        for entry in
            fs::read_dir(&directory).unwrap_or_else(|error| panic!("{}: {error}", directory.display()))
        {
            let path = entry.unwrap().path();
            if path.is_dir() {
                open.push(path);
            } else if path.extension().is_some_and(|it| it == extension) {
                found.push(path);
            }
        }
    }
    assert!(!found.is_empty(), "no .{extension} file below {directories:?}");
    found.sort();
    found
}

#[test]
fn each_crate_depends_on_what_the_design_says_and_on_no_more() {
    let design: BTreeMap<String, BTreeSet<String>> = DEPENDS_ON
        .iter()
        .map(|&(name, others)| (name.to_owned(), others.iter().map(|&other| other.to_owned()).collect()))
        .collect();
    let used: BTreeMap<String, BTreeSet<String>> =
        rooms().into_iter().map(|room| (room.name, room.depends_on)).collect();
    assert_eq!(used, design);
}

#[test]
fn nothing_unsafe_is_written_by_hand() {
    for file in rust_sources(false) {
        let text = fs::read_to_string(&file).unwrap();
        for (number, line) in text.lines().enumerate() {
            let code = line.split("//").next().unwrap_or_default();
            // What a page's policy calls its right to compile WebAssembly.
            let code = code.replace("'wasm-unsafe-eval'", "");
            let mut words = code.split(|c: char| !(c.is_alphanumeric() || c == '_'));
            // The probe of xtask is Rust source inside a string.
            let probe = code.contains("#[unsafe(no_mangle)]");
            assert!(probe || words.all(|word| word != "unsafe"), "{}:{}: {line}", file.display(), number + 1);
        }
    }
}

#[test]
fn examples_in_the_documentation_stand_where_they_are_run() {
    // rustdoc runs what stands in a fence without another language; `cargo xtask test` asks it for the libraries alone, because
    // it takes seconds for each crate that has none.
    let mut examples = 0;
    for file in rust_sources(false) {
        let text = fs::read_to_string(&file).unwrap();
        let comments = text.lines().filter_map(|line| {
            let line = line.trim_start();
            line.strip_prefix("///").or_else(|| line.strip_prefix("//!"))
        });
        let fences = comments.filter_map(|comment| comment.trim().strip_prefix("```"));
        for language in
            fences.step_by(2).filter(|language| !matches!(*language, "text" | "json" | "sh" | "ignore"))
        {
            examples += 1;
            let is_library = file.strip_prefix(root()).unwrap().starts_with("crates");
            assert!(is_library, "{}: an example that is never run ({language:?})", file.display());
        }
    }
    assert!(examples > 0);
}

#[test]
fn no_program_remembers_the_checkout_where_it_was_compiled() {
    // What cargo sets for the compiler is an absolute path; the same variables are there when a program or test runs.
    let remembered = ["MANIFEST_DIR", "BIN_EXE_"].map(|name| format!("env!(\"CARGO_{name}"));
    for file in rust_sources(true) {
        let text = fs::read_to_string(&file).unwrap();
        let found = remembered.iter().find(|name| text.contains(name.as_str()));
        assert!(found.is_none(), "{}: {}", file.display(), found.unwrap());
    }
}

#[test]
fn every_test_that_the_security_page_names_is_there() {
    let page = fs::read_to_string(root().join("docs/security.md")).unwrap();
    let rows = page.lines().filter(|line| line.starts_with("| S"));
    let columns = rows.map(|row| row.trim_end_matches('|').rsplit_once('|').unwrap().1);
    let named: Vec<&str> = columns.flat_map(|column| column.split('`').skip(1).step_by(2)).collect();
    assert!(named.len() > 40, "{named:?}");
    let mut tests = String::new();
    for file in rust_sources(true).into_iter().chain(sources(&["e2e/tests"], "ts")) {
        tests.push_str(&fs::read_to_string(&file).unwrap().replace("\\'", "'"));
    }
    for name in named {
        let is_there = tests.contains(&format!("fn {name}(")) || tests.contains(&format!("'{name}'"));
        assert!(is_there, "docs/security.md names a test that is not there: {name}");
    }
}

/// The unit variants of an enum in a source file, as serde writes them in `snake_case`.
fn codes_of(file: &str, name: &str) -> Vec<String> {
    let source = fs::read_to_string(root().join(file)).unwrap();
    let body = source.split_once(&format!("pub enum {name} {{")).unwrap().1.split_once("\n}").unwrap().0;
    let variants = body.lines().filter_map(|line| line.trim().strip_suffix(','));
    variants
        .filter(|variant| variant.chars().all(char::is_alphanumeric))
        .map(|variant| {
            let words = variant.chars().enumerate().map(|(at, letter)| {
                let underscore = if at > 0 && letter.is_uppercase() { "_" } else { "" };
                format!("{underscore}{}", letter.to_lowercase())
            });
            words.collect()
        })
        .collect()
}

#[test]
fn the_errors_page_names_every_code_and_no_other() {
    let page = fs::read_to_string(root().join("docs/errors.md")).unwrap();
    for (heading, file, name) in [
        ("## The extension's codes", "crates/protocol/src/state.rs", "ProblemCode"),
        ("## The token service's codes", "crates/protocol/src/token.rs", "TokenErrorCode"),
        ("## Chat history's codes", "crates/protocol/src/history.rs", "HistoryErrorCode"),
        ("## Video's codes", "crates/protocol/src/video.rs", "VideoErrorCode"),
    ] {
        let section = page.split_once(heading).unwrap().1;
        let section = section.split("\n## ").next().unwrap();
        let named: BTreeSet<&str> =
            section.lines().filter_map(|line| line.strip_prefix("| `")?.split('`').next()).collect();
        let codes = codes_of(file, name);
        // What an answer of a newer service is read as is no code that anybody sends.
        let codes: BTreeSet<&str> =
            codes.iter().map(String::as_str).filter(|code| *code != "unknown").collect();
        assert!(codes.len() > 5, "{codes:?}");
        assert_eq!(named, codes, "docs/errors.md and {file}");
    }
}

#[test]
fn only_the_kit_names_the_library_that_draws() {
    for room in rooms().iter().filter(|room| room.name != "ui") {
        let manifest = root().join(&room.directory).join("Cargo.toml");
        let manifest: toml::Table = fs::read_to_string(&manifest).unwrap().parse().unwrap();
        for kind in ["dependencies", "dev-dependencies"] {
            let names = manifest.get(kind).and_then(toml::Value::as_table).into_iter().flatten();
            let drawing: Vec<&String> = names.map(|(name, _)| name).filter(|name| is_drawing(name)).collect();
            assert!(drawing.is_empty(), "{} names {drawing:?}: that is crates/ui's alone", room.name);
        }
    }
}

/// What draws, and what that is made of.
fn is_drawing(name: &str) -> bool {
    ["leptos", "tachys", "reactive_graph", "any_spawner"].iter().any(|part| name.starts_with(part))
}

#[test]
fn hand_written_javascript_stays_short() {
    for file in sources(&["extension", "plugin", "web"], "js") {
        let lines = fs::read_to_string(&file).unwrap().lines().count();
        assert!(lines <= MOST_LINES_OF_JAVASCRIPT, "{} has {lines} lines", file.display());
    }
}

#[test]
fn the_manifest_opens_no_door_to_pages_and_asks_for_nothing_unneeded() {
    let manifest: Value =
        serde_json::from_str(&fs::read_to_string(root().join("manifest.json")).unwrap()).unwrap();
    for door in ["web_accessible_resources", "externally_connectable", "optional_permissions"] {
        assert!(manifest.get(door).is_none(), "manifest.json has {door}");
    }
    assert_eq!(
        manifest["permissions"],
        serde_json::json!(["alarms", "notifications", "offscreen", "scripting", "storage"])
    );
    assert_eq!(manifest["host_permissions"], serde_json::json!(["https://flex.twilio.com/*"]));
    assert_eq!(manifest["incognito"], "not_allowed", "the agent of one window is not that of the other");
    let scripts = manifest["content_scripts"].as_array().unwrap();
    assert_eq!(scripts.len(), 1);
    assert_eq!(scripts[0]["matches"], serde_json::json!(["https://flex.twilio.com/*"]));
    assert!(scripts[0].get("all_frames").is_none(), "only the top frame is Flex");
}

#[test]
fn the_extensions_own_pages_may_load_and_reach_what_they_need_and_nothing_else() {
    let manifest: Value =
        serde_json::from_str(&fs::read_to_string(root().join("manifest.json")).unwrap()).unwrap();
    let policy = manifest["content_security_policy"].as_object().unwrap();
    assert_eq!(policy.keys().collect::<Vec<_>>(), ["extension_pages"]);
    let directives: Vec<&str> = policy["extension_pages"].as_str().unwrap().split("; ").collect();
    assert_eq!(
        directives,
        [
            "default-src 'none'",
            // Our WebAssembly, and no text that becomes code.
            "script-src 'self' 'wasm-unsafe-eval'",
            "style-src 'self'",
            "img-src 'self'",
            // The speaker's test tone, which the offscreen document makes itself.
            "media-src blob:",
            // The WASM files; the token service, which an administrator may put on any host, and Twilio's insights and sounds;
            // the gateway's edges.
            "connect-src 'self' https: wss://*.twilio.com",
            "base-uri 'none'",
            "form-action 'none'",
            "frame-ancestors 'none'",
        ]
    );
    // What the policy forbids is not in the pages either, where it would fail without a word.
    for page in sources(&["extension", "web"], "html") {
        let html = fs::read_to_string(&page).unwrap();
        for inline in
            ["<style", " style=", " onclick=", "<script>", "<form", "<iframe", "src=\"http", "href=\"http"]
        {
            assert!(!html.contains(inline), "{} has {inline}", page.display());
        }
    }
}

#[test]
fn the_minimum_chrome_version_is_the_newest_that_something_in_use_needs() {
    let bindings = fs::read_to_string(root().join("crates/webext/src/ffi.rs")).unwrap();
    let namespaces = bindings.split("js_namespace = [\"chrome\", ").skip(1);
    let mut used: BTreeSet<String> = namespaces
        .map(|rest| {
            let names: Vec<&str> = rest.split(']').next().unwrap().split(", ").collect();
            let names: Vec<&str> = names.iter().map(|name| name.trim_matches('"')).collect();
            // An event of an API, such as `alarms.onAlarm`, is as old as the API.
            let is_area = names[0] == "storage";
            names[..if is_area { 2 } else { 1 }].join(".")
        })
        .collect();
    used.insert("a WebSocket keeps the worker alive".into());
    let since: BTreeMap<&str, u32> = CHROME_HAS.into_iter().collect();
    let newest = used.iter().map(|name| {
        *since.get(name.as_str()).unwrap_or_else(|| panic!("since which Chrome is there {name}?"))
    });
    let manifest: Value =
        serde_json::from_str(&fs::read_to_string(root().join("manifest.json")).unwrap()).unwrap();
    assert!(used.contains("alarms") && used.contains("storage.session"), "{used:?}");
    assert_eq!(manifest["minimum_chrome_version"], newest.max().unwrap().to_string());
}
