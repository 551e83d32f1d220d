//! The rules of the house, kept by reading the sources. The design page says why each is there.
#![expect(clippy::unwrap_used, reason = "a test's helpers may panic too")]

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
    ("twilio", &["kernel"]),
    (
        "worker-wasm",
        &["kernel", "messages", "policy", "protocol", "sansio", "shell", "voice-sdk", "webext", "wire"],
    ),
    ("offscreen-wasm", &["kernel", "messages", "protocol", "sansio", "shell", "voice-sdk", "webext"]),
    ("content-wasm", &["kernel", "protocol", "sansio", "shell", "webext", "wire"]),
    ("popup-wasm", &["kernel", "messages", "protocol", "sansio", "shell", "webext", "wire"]),
    ("plugin", &["kernel", "lifeline", "messages", "protocol", "sansio", "shell"]),
    ("service-kit", &["kernel"]),
    ("token-service", &["kernel", "protocol", "service-kit", "twilio"]),
    ("token-bench", &["kernel", "protocol", "twilio"]),
    ("sandbox-voice", &["kernel", "sansio", "twilio"]),
    ("sandbox-flex", &["kernel", "sansio"]),
    ("sandbox", &["kernel", "sandbox-flex", "sandbox-voice", "twilio"]),
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

/// Sources in which no module leads back to itself by way of others, so that each can be read before those that use it.
const WITHOUT_CIRCLES: [&str; 5] =
    ["crates/service-kit/src", "token-service/src", "sandbox/src", "sandbox/voice/src", "sandbox/flex/src"];

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

/// A Rust source without comments, texts and its own tests.
fn code_of(file: &Path) -> String {
    let text = fs::read_to_string(file).unwrap();
    let tests = text.match_indices("#[cfg(test)]").find(|(at, _)| {
        text[*at..].lines().nth(1).is_some_and(|line| line.contains("mod ") && line.ends_with('{'))
    });
    let lines = text[..tests.map_or(text.len(), |(at, _)| at)]
        .lines()
        .map(|line| line.split("//").next().unwrap_or_default());
    // Every other piece lies between quotes; an escaped quote is none.
    let text = lines.collect::<Vec<_>>().join("\n").replace("\\\"", "").replace("'\"'", "");
    text.split('"').step_by(2).collect::<Vec<_>>().join("\"\"")
}

/// The paths that a `use` tree names, each in full.
fn branches(tree: &str) -> Vec<String> {
    let tree = tree.trim();
    let Some((stem, rest)) = tree.split_once('{') else {
        return vec![tree.split(" as ").next().unwrap_or_default().trim().to_owned()];
    };
    let inner = rest.trim_end().strip_suffix('}').unwrap_or(rest);
    let (mut depth, mut parts) = (0, vec![String::new()]);
    for letter in inner.chars() {
        match letter {
            '{' => depth += 1,
            '}' => depth -= 1,
            _ => {}
        }
        if letter == ',' && depth == 0 {
            parts.push(String::new());
        } else {
            parts.last_mut().unwrap().push(letter);
        }
    }
    let parts = parts.iter().filter(|part| !part.trim().is_empty());
    parts.flat_map(|part| branches(part)).map(|path| format!("{stem}{path}")).collect()
}

/// All paths that a source names, in `use` and elsewhere.
fn paths_of(code: &str) -> Vec<String> {
    let mut paths = Vec::new();
    for statement in code.split(';') {
        let start = statement.rsplit('\n').find(|line| line.trim_start().contains("use "));
        if let Some(at) = start.and_then(|line| statement.find(line)) {
            let tree = &statement[at..];
            paths.extend(branches(tree.split_once("use ").unwrap().1));
        }
    }
    let words = code.split(|c: char| !(c.is_alphanumeric() || c == '_' || c == ':'));
    paths.extend(words.filter(|word| word.contains("::") && !word.ends_with("::")).map(str::to_owned));
    paths
}

/// Which files of a crate's sources lead back to themselves: by the paths that they name, and by the methods that they call on
/// `self` where just one other file has a method of that name. Tests are left out.
fn circles(directory: &str) -> Vec<BTreeSet<String>> {
    let top = root().join(directory);
    let mut files: BTreeMap<String, String> = BTreeMap::new();
    for file in sources(&[directory], "rs") {
        let inside = file.strip_prefix(&top).unwrap().with_extension("");
        let module = inside.to_str().unwrap().replace('/', "::").trim_end_matches("::mod").to_owned();
        if !module.split("::").any(|part| part == "tests" || part == "main") {
            files.insert(if module == "lib" { String::new() } else { module }, code_of(&file));
        }
    }
    let mut methods: BTreeMap<&str, BTreeSet<&str>> = BTreeMap::new();
    for (module, code) in &files {
        for piece in code.split("fn ").skip(1) {
            let name = piece.split(|c: char| !(c.is_alphanumeric() || c == '_')).next().unwrap();
            methods.entry(name).or_default().insert(module);
        }
    }
    let mut leads: BTreeMap<&str, BTreeSet<&str>> = BTreeMap::new();
    for (module, code) in &files {
        let to = leads.entry(module).or_default();
        for path in paths_of(code) {
            let mut parts: Vec<&str> = path.split("::").map(str::trim).collect();
            let mut place: Vec<&str> = module.split("::").filter(|part| !part.is_empty()).collect();
            let below = place.iter().copied().chain([parts[0]]).collect::<Vec<_>>().join("::");
            match parts[0] {
                "crate" => place.clear(),
                "self" => {}
                "super" => {
                    place.pop();
                }
                _ if files.contains_key(&below) => parts.insert(0, "self"),
                _ => continue,
            }
            for part in &parts[1..] {
                if *part == "super" {
                    place.pop();
                } else {
                    place.push(part);
                }
            }
            // The longest beginning that is a file; the top itself only where nothing below it is meant.
            while !place.is_empty() && !files.contains_key(&place.join("::")) {
                place.pop();
            }
            to.extend(files.get_key_value(&place.join("::")).map(|(name, _)| name.as_str()));
        }
        for call in code.split("self.").skip(1) {
            let name = call.split(|c: char| !(c.is_alphanumeric() || c == '_')).next().unwrap();
            let owners =
                methods.get(name).filter(|owners| call[name.len()..].starts_with('(') && owners.len() == 1);
            to.extend(owners.into_iter().flatten().copied());
        }
        to.remove(module.as_str());
    }
    let reached: BTreeMap<&str, BTreeSet<&str>> = leads
        .keys()
        .map(|&from| {
            let (mut seen, mut open) = (BTreeSet::new(), vec![from]);
            while let Some(one) = open.pop() {
                open.extend(leads[one].iter().copied().filter(|next| seen.insert(*next)));
            }
            (from, seen)
        })
        .collect();
    let mut found: Vec<BTreeSet<String>> = Vec::new();
    for (one, others) in reached.iter().filter(|(one, others)| others.contains(**one)) {
        let circle = others.iter().filter(|other| reached[**other].contains(one));
        let circle = circle.map(|other| (*other).to_owned()).collect();
        if !found.contains(&circle) {
            found.push(circle);
        }
    }
    found
}

#[test]
fn the_files_of_services_and_sandbox_form_no_circle() {
    for directory in WITHOUT_CIRCLES {
        assert_eq!(circles(directory), Vec::<BTreeSet<String>>::new(), "{directory}");
    }
}

#[test]
fn a_circle_of_files_is_seen_by_their_paths_and_by_their_methods() {
    let scratch = Path::new(&env::var("CARGO_MANIFEST_DIR").unwrap()).join("../target/tmp/circles/src");
    fs::create_dir_all(scratch.join("a")).unwrap();
    for (file, text) in [
        ("lib.rs", "mod a;\nmod b;\nmod c;\npub use a::A;"),
        ("a.rs", "mod inner;\nuse std::{fmt, io};\nuse crate::{c, b::{self, B}};\nuse inner::Part;"),
        (
            "a/inner.rs",
            "// crate::a::A would lead back\npub struct Part(&'static str);\nimpl Part { fn hears(&self) {} }",
        ),
        ("b.rs", "use crate::c::C;\npub struct B;\nimpl B { fn asks(&self) { self.answers(); } }"),
        ("c.rs", "pub struct C;\nimpl C { fn answers(&self) { let told = \"crate::a::A\"; } }"),
    ] {
        fs::write(scratch.join(file), text).unwrap();
    }
    let directory = "target/tmp/circles/src";
    assert_eq!(circles(directory), Vec::<BTreeSet<String>>::new());
    let circle = |names: &[&str]| BTreeSet::from_iter(names.iter().map(|&name| name.to_owned()));
    fs::write(scratch.join("c.rs"), "impl C { fn answers(&self) { self.asks(); } }").unwrap();
    assert_eq!(circles(directory), [circle(&["b", "c"])]);
    fs::write(scratch.join("c.rs"), "impl C { fn answers(&self) { super::b::told(); } }").unwrap();
    assert_eq!(circles(directory), [circle(&["b", "c"])]);
    fs::write(scratch.join("c.rs"), "").unwrap();
    fs::write(scratch.join("a/inner.rs"), "use super::A;").unwrap();
    assert_eq!(circles(directory), [circle(&["a", "a::inner"])]);
}

#[test]
fn nothing_unsafe_is_written_by_hand() {
    for file in rust_sources(false) {
        let text = fs::read_to_string(&file).unwrap();
        for (number, line) in text.lines().enumerate() {
            let code = line.split("//").next().unwrap_or_default();
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
fn hand_written_javascript_stays_short() {
    for file in sources(&["extension", "plugin"], "js") {
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
    for page in sources(&["extension"], "html") {
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

/// The rooms whose machines' files still know one another in a circle, and why.
const CIRCLES: [(&str, &str); 1] = [("offscreen-wasm", "its machine is one impl in several files")];

/// The paths in a source that lead to other modules: those of `use`, and those that begin with `super` or `crate` elsewhere.
/// Tests, comments and braces are taken care of.
fn paths_in(source: &str) -> Vec<Vec<String>> {
    let code: String = source
        .split("#[cfg(test)]\nmod tests {")
        .next()
        .unwrap()
        .lines()
        .map(|line| line.split("//").next().unwrap().to_owned() + "\n")
        .collect();
    let mut paths = Vec::new();
    for (at, _) in code.match_indices("use ") {
        if code[..at].chars().next_back().is_none_or(char::is_whitespace) {
            let tree = code[at + 4..].split(';').next().unwrap();
            expand(&tree.split_whitespace().collect::<Vec<_>>().join(" "), &[], &mut paths);
        }
    }
    for start in ["super::", "crate::"] {
        for (at, _) in code.match_indices(start) {
            let path = code[at..].split(|c: char| !(c.is_alphanumeric() || matches!(c, '_' | ':')));
            paths.push(path.take(1).flat_map(|path| path.split("::")).map(str::to_owned).collect());
        }
    }
    // What `super::{` begins is in the tree of its `use`.
    paths.retain(|path| path.last().is_some_and(|name| !name.is_empty()));
    paths
}

/// `a::{b, c::d}` is `a::b` and `a::c::d`.
fn expand(tree: &str, before: &[String], paths: &mut Vec<Vec<String>>) {
    let (head, group) = tree.split_once('{').map_or((tree, None), |(head, rest)| (head, Some(rest)));
    let names = head.split("::").map(|name| name.split(" as ").next().unwrap().trim());
    let path: Vec<String> =
        before.iter().cloned().chain(names.filter(|name| !name.is_empty()).map(str::to_owned)).collect();
    let Some(group) = group else { return paths.push(path) };
    let (mut depth, mut start) = (0, 0);
    for (at, letter) in group.char_indices() {
        match letter {
            '{' => depth += 1,
            '}' if depth > 0 => depth -= 1,
            ',' | '}' if depth == 0 => {
                // After the last comma there is nothing more.
                let branch = Some(group[start..at].trim()).filter(|branch| !branch.is_empty());
                branch.into_iter().for_each(|branch| expand(branch, &path, paths));
                start = at + 1;
            }
            _ => {}
        }
    }
}

/// The modules of the machine in a room's directory `src`, or in that of one subject below it, as paths of names, each with
/// those whose files it uses.
fn machine_modules(place: &str) -> BTreeMap<Vec<String>, BTreeSet<Vec<String>>> {
    let top = root().join(place);
    let mut files = vec![top.join("machine.rs")];
    if top.join("machine").is_dir() {
        files.extend(sources(&[&format!("{place}/machine")], "rs"));
        files.retain(|file| !file.iter().any(|name| name == "tests" || name == "tests.rs"));
    }
    let module_of = |file: &PathBuf| -> Vec<String> {
        let path = file.strip_prefix(&top).unwrap().with_extension("");
        path.iter().map(|name| name.to_str().unwrap().to_owned()).collect()
    };
    let modules: BTreeSet<Vec<String>> = files.iter().map(module_of).collect();
    let uses = |file: &PathBuf| {
        let module = module_of(file);
        let mut used = BTreeSet::new();
        for path in paths_in(&fs::read_to_string(file).unwrap()) {
            let mut names = path.iter().map(String::as_str).peekable();
            let mut found = if names.peek() == Some(&"crate") { Vec::new() } else { module.clone() };
            while let Some(word) = names.next_if(|word| ["crate", "super", "self"].contains(word)) {
                if word == "super" {
                    found.pop();
                }
            }
            found.extend(names.map(str::to_owned));
            // What is left of the path when it leads into a module, or to something that a module has.
            while !found.is_empty() && !modules.contains(&found) {
                found.pop();
            }
            if !found.is_empty() && found != module {
                used.insert(found);
            }
        }
        (module, used)
    };
    files.iter().map(uses).collect()
}

/// The modules of a circle, if there is one.
fn circle(uses: &BTreeMap<Vec<String>, BTreeSet<Vec<String>>>) -> Option<Vec<String>> {
    let mut left = uses.clone();
    loop {
        // What uses nothing that is left is in no circle.
        let done: Vec<Vec<String>> = left
            .iter()
            .filter(|(_, used)| used.iter().all(|one| !left.contains_key(one)))
            .map(|(module, _)| module.clone())
            .collect();
        if done.is_empty() {
            break;
        }
        left.retain(|module, _| !done.contains(module));
    }
    (!left.is_empty()).then(|| left.keys().map(|module| module.join("::")).collect())
}

#[test]
fn the_files_of_a_machine_know_one_another_in_no_circle() {
    let rooms: Vec<String> = rooms().into_iter().map(|room| room.directory).collect();
    let mut found: BTreeMap<&str, Vec<String>> = BTreeMap::new();
    let mut machines = 0;
    for room in &rooms {
        let files = sources(&[&format!("{room}/src")], "rs");
        for file in files.iter().filter(|file| file.ends_with("machine.rs")) {
            let place = file.parent().unwrap().strip_prefix(root()).unwrap();
            machines += 1;
            if let Some(modules) = circle(&machine_modules(place.to_str().unwrap())) {
                found.insert(room, modules);
            }
        }
    }
    assert!(machines > 6, "{machines}");
    let worker = machine_modules("worker-wasm/src");
    assert!(worker.len() > 20 && worker.values().map(BTreeSet::len).sum::<usize>() > 60, "{worker:?}");
    for (room, modules) in &found {
        let is_known = CIRCLES.iter().any(|(known, _)| known == room);
        assert!(is_known, "{room}: a circle is in or beside {modules:?}");
    }
    for (room, why) in CIRCLES {
        assert!(found.contains_key(room), "{room} has no circle any more ({why}): take it off the list");
    }
}

#[test]
fn a_circle_of_files_is_found() {
    let source = "use super::{\n    Machine,\n    call::{CallCommand, live as l},\n};\n// use super::no;\nfn f() {\n    super::token::g()\n}\n";
    let paths = paths_in(source);
    let seen: Vec<String> = paths.iter().map(|path| path.join("::")).collect();
    for path in ["super::Machine", "super::call::CallCommand", "super::call::live", "super::token::g"] {
        assert!(seen.iter().any(|one| one == path), "{path}: {seen:?}");
    }
    assert!(!seen.iter().any(|one| one.contains("no")), "{seen:?}");
    let module = |name: &str| vec![name.to_owned()];
    let uses = |pairs: &[(&str, &[&str])]| -> BTreeMap<Vec<String>, BTreeSet<Vec<String>>> {
        pairs
            .iter()
            .map(|(name, used)| (module(name), used.iter().map(|used| module(used)).collect()))
            .collect()
    };
    assert_eq!(circle(&uses(&[("a", &["b"]), ("b", &["c"]), ("c", &[])])), None);
    let found = circle(&uses(&[("a", &["b"]), ("b", &["c"]), ("c", &["b"]), ("d", &[])]));
    assert_eq!(found, Some(vec!["a".into(), "b".into(), "c".into()]));
}
