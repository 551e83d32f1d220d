//! Which files lead back to themselves. A file that leads nowhere back can be read before those that use it.

use std::{
    collections::{BTreeMap, BTreeSet},
    env, fs,
    path::Path,
};

use super::{rooms, root, sources};

/// The crates in which files still lead back to themselves, and why.
const CIRCLES: [(&str, &str); 3] = [
    ("crates/webext", "its top has what all bindings need, and hands on the ports"),
    ("crates/wire", "its top has the tree and its two traits, and hands on what writes one"),
    (
        "xtask",
        "its macro that speaks to a person stands at the top, and the WASM compiler is part of the machine's set-up",
    ),
];

/// For each file, the files that it leads to.
type Leads = BTreeMap<String, BTreeSet<String>>;

/// A Rust source without comments, texts and its own tests.
fn code_of(file: &Path) -> String {
    let text = fs::read_to_string(file).unwrap();
    let tests = text.match_indices("#[cfg(test)]").find(|(at, _)| {
        text[*at..].lines().nth(1).is_some_and(|line| line.contains("mod ") && line.ends_with('{'))
    });
    let lines = text[..tests.map_or(text.len(), |(at, _)| at)]
        .lines()
        .map(|line| line.split("//").next().unwrap_or_default());
    // Every other piece lies between quotes; an escaped quote is none. `$crate` is meant where the macro is used.
    let text =
        lines.collect::<Vec<_>>().join("\n").replace("\\\"", "").replace("'\"'", "").replace("$crate::", "");
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

/// Where each file of a crate's sources leads: by the paths that it names, and by the methods that it calls on `self` where just
/// one other file has a method of that name. Tests are left out, and a program beside its library.
fn leads(directory: &str) -> Leads {
    let top = root().join(directory);
    let top_file = if top.join("lib.rs").exists() { "lib" } else { "main" };
    let mut files: BTreeMap<String, String> = BTreeMap::new();
    for file in sources(&[directory], "rs") {
        let inside = file.strip_prefix(&top).unwrap().with_extension("");
        let module = inside.to_str().unwrap().replace('/', "::").trim_end_matches("::mod").to_owned();
        if module == top_file {
            files.insert(String::new(), code_of(&file));
        } else if !module.split("::").any(|part| part == "tests" || part == "main") {
            files.insert(module, code_of(&file));
        }
    }
    let mut methods: BTreeMap<&str, BTreeSet<&str>> = BTreeMap::new();
    for (module, code) in &files {
        for piece in code.split("fn ").skip(1) {
            let name = piece.split(|c: char| !(c.is_alphanumeric() || c == '_')).next().unwrap();
            methods.entry(name).or_default().insert(module);
        }
    }
    let mut leads = Leads::new();
    for (module, code) in &files {
        let to = leads.entry(module.clone()).or_default();
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
            to.extend(files.get_key_value(&place.join("::")).map(|(name, _)| name.clone()));
        }
        for call in code.split("self.").skip(1) {
            let name = call.split(|c: char| !(c.is_alphanumeric() || c == '_')).next().unwrap();
            let owners =
                methods.get(name).filter(|owners| call[name.len()..].starts_with('(') && owners.len() == 1);
            to.extend(owners.into_iter().flatten().map(|&owner| owner.to_owned()));
        }
        to.remove(module);
    }
    leads
}

/// Which files lead back to themselves, each circle as the files in it.
fn circles_of(leads: &Leads) -> Vec<BTreeSet<String>> {
    let reached: BTreeMap<&str, BTreeSet<&str>> = leads
        .keys()
        .map(|from| {
            let (mut seen, mut open) = (BTreeSet::new(), vec![from.as_str()]);
            while let Some(one) = open.pop() {
                open.extend(leads[one].iter().map(String::as_str).filter(|next| seen.insert(*next)));
            }
            (from.as_str(), seen)
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

fn circles(directory: &str) -> Vec<BTreeSet<String>> {
    circles_of(&leads(directory))
}

#[test]
fn the_files_of_services_and_sandbox_form_no_circle() {
    let rooms: Vec<String> = rooms().into_iter().map(|room| room.directory).collect();
    for room in [
        "crates/service-kit",
        "token-service",
        "sandbox",
        "sandbox/kit",
        "sandbox/voice",
        "sandbox/flex",
        "sandbox/callbacks",
        "sandbox/conversations",
        "sandbox/video",
    ] {
        assert!(rooms.iter().any(|one| one == room), "{room} is no room");
        assert!(CIRCLES.iter().all(|(listed, _)| *listed != room), "{room} is not to be on the list");
        assert_eq!(circles(&format!("{room}/src")), Vec::<BTreeSet<String>>::new(), "{room}");
    }
}

#[test]
fn the_files_of_a_machine_know_one_another_in_no_circle() {
    let found: BTreeMap<String, Vec<BTreeSet<String>>> = rooms()
        .into_iter()
        .map(|room| (room.directory.clone(), circles(&format!("{}/src", room.directory))))
        .filter(|(_, circles)| !circles.is_empty())
        .collect();
    let worker = leads("worker-wasm/src");
    let arrows = worker.values().map(BTreeSet::len).sum::<usize>();
    assert!(worker.len() > 20 && arrows > 60, "{worker:?}");
    for (room, circles) in &found {
        assert!(CIRCLES.iter().any(|(known, _)| known == room), "{room}: {circles:?}");
    }
    for (room, why) in CIRCLES {
        assert!(found.contains_key(room), "{room} has no circle any more ({why}): take it off the list");
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
fn a_circle_of_files_is_found() {
    let source = "use super::{\n    Machine,\n    call::{CallCommand, live as l},\n};\n// use super::no;\nfn f() {\n    super::token::g()\n}\n";
    let file = root().join("target/tmp/circles/one.rs");
    fs::create_dir_all(file.parent().unwrap()).unwrap();
    fs::write(&file, source).unwrap();
    let seen = paths_of(&code_of(&file));
    for path in ["super::Machine", "super::call::CallCommand", "super::call::live", "super::token::g"] {
        assert!(seen.iter().any(|one| one == path), "{path}: {seen:?}");
    }
    assert!(!seen.iter().any(|one| one.contains("no")), "{seen:?}");
    let names = |names: &[&str]| -> BTreeSet<String> { names.iter().map(|&name| name.to_owned()).collect() };
    let leads = |pairs: &[(&str, &[&str])]| -> Leads {
        pairs.iter().map(|(name, to)| ((*name).to_owned(), names(to))).collect()
    };
    let none = leads(&[("a", &["b"]), ("b", &["c"]), ("c", &[])]);
    assert_eq!(circles_of(&none), Vec::<BTreeSet<String>>::new());
    // Whoever merely leads to a circle is not in it.
    let one = leads(&[("a", &["b"]), ("b", &["c"]), ("c", &["b"]), ("d", &[])]);
    assert_eq!(circles_of(&one), [names(&["b", "c"])]);
}
