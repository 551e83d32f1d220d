//! What the pages for people name is there.

use std::{collections::BTreeSet, fs, path::PathBuf};

use super::{rooms, root, rust_sources, sources};

/// The pages for people.
fn pages() -> Vec<PathBuf> {
    let mut pages: Vec<PathBuf> = ["README.md", "CONTRIBUTING.md", "SECURITY.md", "token-service/README.md"]
        .into_iter()
        .map(|page| root().join(page))
        .collect();
    pages.extend(sources(&["docs"], "md"));
    pages
}

/// What git would have in a fresh clone: the names at the checkout's top.
fn top_level() -> BTreeSet<String> {
    let entries = fs::read_dir(root()).unwrap();
    let names = entries.map(|entry| entry.unwrap().file_name().into_string().unwrap());
    names.filter(|name| !MADE.contains(&name.as_str())).collect()
}

/// What stands between backticks outside of a fence.
fn quoted(page: &str) -> Vec<String> {
    let prose: Vec<&str> = page.split("\n```").step_by(2).collect();
    prose.iter().flat_map(|text| text.split('`').skip(1).step_by(2)).map(str::to_owned).collect()
}

/// Directories that a command makes, which are in no clone.
const MADE: [&str; 4] = ["dist", "node_modules", "sbom", "target"];

/// True when the words look like a path of this repository: they begin with something at its top, or are one directory's name
/// with a slash behind it. What is left open (`<room>`, `$DIR`) is none.
fn is_path(words: &str, top: &BTreeSet<String>) -> bool {
    let is_plain = words.chars().all(|letter| letter.is_ascii_alphanumeric() || "./_-*".contains(letter));
    let Some((first, rest)) = words.split_once('/').filter(|(first, _)| is_plain && !first.is_empty()) else {
        return false;
    };
    top.contains(first) || rest.is_empty() && !MADE.contains(&first)
}

/// True when the words are the name of a source file.
fn is_source(words: &str) -> bool {
    words
        .strip_suffix(".rs")
        .is_some_and(|stem| stem.chars().all(|letter| letter.is_ascii_lowercase() || letter == '_'))
}

/// True when something has this path; a star stands for any part of one name.
fn is_there(path: &str) -> bool {
    let mut places = vec![root()];
    for part in path.split('/').filter(|part| !part.is_empty()) {
        places = places.into_iter().flat_map(|place| inside(&place, part)).collect();
    }
    !places.is_empty()
}

/// What in a directory has this name.
fn inside(place: &PathBuf, name: &str) -> Vec<PathBuf> {
    let Some((before, after)) = name.split_once('*') else {
        return Some(place.join(name)).filter(|path| path.exists()).into_iter().collect();
    };
    let entries = fs::read_dir(place).into_iter().flatten().map(|entry| entry.unwrap());
    let fits = |found: &str| {
        found.len() >= before.len() + after.len() && found.starts_with(before) && found.ends_with(after)
    };
    entries.filter(|entry| fits(entry.file_name().to_str().unwrap())).map(|entry| entry.path()).collect()
}

#[test]
fn every_path_of_the_repository_that_a_page_names_is_there() {
    let top = top_level();
    let files: BTreeSet<String> = rust_sources(true)
        .iter()
        .map(|file| file.file_name().unwrap().to_str().unwrap().to_owned())
        .collect();
    let crates: Vec<String> = rooms().into_iter().map(|room| room.directory).collect();
    let (mut named, mut missing) = (0, Vec::new());
    // A decision says how things were when it was made.
    for page in pages().into_iter().filter(|page| !page.starts_with(root().join("docs/adr"))) {
        let text = fs::read_to_string(&page).unwrap();
        let page = page.strip_prefix(root()).unwrap();
        for words in quoted(&text) {
            let found = if is_path(&words, &top) {
                // `tests/` alone is that of any crate.
                is_there(&words) || crates.iter().any(|room| is_there(&format!("{room}/{words}")))
            } else if is_source(&words) {
                files.contains(&words)
            } else {
                continue;
            };
            named += 1;
            if !found {
                missing.push(format!("{}: {words}", page.display()));
            }
        }
    }
    assert!(named > 80, "{named}");
    assert_eq!(missing, Vec::<String>::new());
}

#[test]
fn every_link_of_a_page_to_a_file_leads_somewhere() {
    let (mut links, mut missing) = (0, Vec::new());
    for page in pages().into_iter().chain([root().join("CHANGELOG.md")]) {
        let text = fs::read_to_string(&page).unwrap();
        for link in text.split("](").skip(1).map(|rest| rest.split([')', '#']).next().unwrap()) {
            if link.is_empty() || link.contains("://") || link.starts_with("mailto:") {
                continue;
            }
            links += 1;
            if !page.parent().unwrap().join(link).exists() {
                missing.push(format!("{}: {link}", page.strip_prefix(root()).unwrap().display()));
            }
        }
    }
    assert!(links > 40, "{links}");
    assert_eq!(missing, Vec::<String>::new());
}

#[test]
fn what_a_page_names_is_told_from_other_words() {
    let top = top_level();
    for path in ["crates/kernel", "docs/gone.md", "extension/", "gone/", "e2e/tests/flex*.spec.ts"] {
        assert!(is_path(path, &top), "{path}");
    }
    for other in ["/metrics", "dist/", "acme/thing", "docs/<page>", "holdfast-<version>/", "a.rs"] {
        assert!(!is_path(other, &top), "{other}");
    }
    assert!(is_source("machine.rs") && !is_source("docs.rs/x") && !is_source("Cargo.toml"));
    assert!(is_there("docs/adr/00*.md") && is_there("crates/") && !is_there("docs/gone*.md"));
    let page = "`one` and\n```sh\n`two`\n```\nand `three`";
    assert_eq!(quoted(page), ["one", "three"]);
}
