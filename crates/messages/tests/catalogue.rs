//! The catalogue is whole: every language says everything with the same places, `_locales` is what it says, and each text
//! is used by somebody.
#![expect(clippy::unwrap_used, reason = "a test's helpers may panic too")]

use std::{
    collections::{BTreeMap, BTreeSet},
    env, fs,
    path::{Path, PathBuf},
};

use messages::{
    Language, english,
    extension::{Entry, Key, NAMED_ELSEWHERE, entries},
    flex::Text,
    problems::{CODES, REFUSALS, WARNINGS},
    video,
};
use serde_json::Value;

const LANGUAGES: [(Language, &str); 2] = [(Language::English, "en"), (Language::Spanish, "es")];

fn root() -> PathBuf {
    Path::new(&env::var("CARGO_MANIFEST_DIR").unwrap()).join("../..")
}

/// All that is written in Rust in this room outside of tests, as one text.
fn source(room: &str) -> String {
    let mut text = String::new();
    let mut open = vec![root().join(room).join("src")];
    while let Some(path) = open.pop() {
        if path.is_dir() {
            open.extend(fs::read_dir(path).unwrap().map(|entry| entry.unwrap().path()));
        } else if path.extension().is_some_and(|it| it == "rs") && !path.to_string_lossy().contains("tests") {
            let file = fs::read_to_string(path).unwrap();
            text.push_str(file.split("#[cfg(test)]\nmod tests {").next().unwrap());
        }
    }
    text
}

/// Whether this name is in the text as a whole word.
fn names(text: &str, name: &str) -> bool {
    let is_part = |c: char| c.is_alphanumeric() || c == '_';
    text.match_indices(name)
        .any(|(at, _)| !text[..at].ends_with(is_part) && !text[at + name.len()..].starts_with(is_part))
}

/// What stands between `before` and the next `after`, at every place in the text.
fn between<'a>(text: &'a str, before: &str, after: &str) -> Vec<&'a str> {
    text.split(before).skip(1).filter_map(|rest| rest.split(after).next()).collect()
}

/// The messages that the HTML and the manifest name.
fn named_outside_the_code() -> BTreeSet<String> {
    let mut found = BTreeSet::new();
    for file in fs::read_dir(root().join("extension")).unwrap() {
        let path = file.unwrap().path();
        if path.extension().is_some_and(|it| it == "html") {
            let html = fs::read_to_string(path).unwrap();
            for attribute in ["data-i18n=\"", "data-i18n-label=\""] {
                found.extend(between(&html, attribute, "\"").into_iter().map(str::to_owned));
            }
        }
    }
    let manifest = fs::read_to_string(root().join("manifest.json")).unwrap();
    found.extend(between(&manifest, "__MSG_", "__").into_iter().map(str::to_owned));
    found
}

/// A file of `_locales`, as the catalogue has it.
fn locale(language: Language) -> String {
    let lines = entries().into_iter().map(|Entry { name, words, note }| {
        let quoted = |text: &str| serde_json::to_string(text).unwrap();
        let message = quoted(words.in_language(language));
        let note = match (note.trim(), language) {
            ("", _) | (_, Language::Spanish) => String::new(),
            (note, Language::English) => format!(", \"description\": {}", quoted(note)),
        };
        format!("  {}: {{\"message\": {message}{note}}}", quoted(name))
    });
    format!("{{\n{}\n}}\n", lines.collect::<Vec<_>>().join(",\n"))
}

#[test]
fn the_extensions_locales_are_what_the_catalogue_says() {
    for (language, name) in LANGUAGES {
        let path = root().join(format!("extension/_locales/{name}/messages.json"));
        let wanted = locale(language);
        if env::var_os("UPDATE_LOCALES").is_some() {
            fs::write(&path, &wanted).unwrap();
        }
        let there = fs::read_to_string(&path).unwrap();
        assert!(there == wanted, "{name}: write it anew by UPDATE_LOCALES=1 cargo test -p messages");
        let read: BTreeMap<String, Value> = serde_json::from_str(&there).unwrap();
        assert_eq!(read.len(), entries().len(), "{name}: two messages of one name");
    }
    let languages = fs::read_dir(root().join("extension/_locales")).unwrap().count();
    assert_eq!(languages, LANGUAGES.len(), "a language of which the catalogue does not know");
}

#[test]
fn every_key_that_is_used_has_words_in_every_locale_and_every_word_is_used() {
    let outside = named_outside_the_code();
    let known: BTreeSet<String> = entries().iter().map(|entry| entry.name.to_owned()).collect();
    let missing: Vec<_> = outside.difference(&known).collect();
    assert!(missing.is_empty(), "the HTML or the manifest names what nobody says: {missing:?}");
    for entry in NAMED_ELSEWHERE {
        assert!(outside.contains(entry.name), "neither HTML nor manifest name {}", entry.name);
    }
    let pages = source("popup-wasm");
    let worker = source("worker-wasm");
    for (variant, entry) in Key::SINGLE {
        let used = names(&pages, &format!("Key::{variant}"))
            || worker.contains(&format!("say!({variant})"))
            || outside.contains(entry.name);
        assert!(used, "nobody says Key::{variant}");
    }
    for kind in ["Problem", "ProblemHelp", "Refused", "Warning"] {
        assert!(names(&pages, &format!("Key::{kind}")), "nobody says Key::{kind}");
    }
    let machines = worker + &source("offscreen-wasm");
    for (name, _) in english::ALL {
        assert!(names(&machines, &format!("english::{name}")), "nobody says english::{name}");
    }
    let plugin = source("plugin");
    for text in
        Text::SINGLE.iter().map(|text| format!("{text:?}")).chain(["Problem".into(), "Warning".into()])
    {
        assert!(names(&plugin, &format!("Text::{text}")), "nobody says Text::{text}");
    }
    let page = source("web/join-wasm");
    for text in video::Text::ALL {
        assert!(names(&page, &format!("Text::{text:?}")), "nobody says video::Text::{text:?}");
    }
}

#[test]
fn every_problem_that_the_machines_can_have_is_said_in_english_in_words_that_end() {
    for (name, cause) in english::ALL {
        assert!(cause.text.ends_with('.') && cause.text.trim() == cause.text, "{name}: {}", cause.text);
        assert!(cause.text.matches("{}").count() <= 1, "{name}: {}", cause.text);
    }
    let filled = english::CALL_BROKE.with("{} (31005)");
    assert_eq!(filled.message, "The call broke: {} (31005).");
    assert!(!filled.retrying && english::GATEWAY_UNREACHABLE.problem(true).retrying);
}

/// The places of a text, sorted.
fn places(text: &str) -> Vec<String> {
    let mut found: Vec<String> = between(text, "{", "}").into_iter().map(str::to_owned).collect();
    found.extend(text.split('$').skip(1).filter_map(|rest| rest.get(..1)).map(|digit| format!("${digit}")));
    found.sort();
    found
}

#[test]
fn both_locales_say_something_everywhere_and_take_the_same_substitutions() {
    let pages = entries().into_iter().map(|entry| (entry.name, entry.words));
    let plugin = Text::all().map(|text| {
        let [english, spanish] =
            [Language::English, Language::Spanish].map(|language| text.built_in(language));
        (text.key(), messages::Words { english, spanish })
    });
    let video = video::Text::ALL.iter().map(|text| ("a video call's", text.words()));
    for (name, words) in pages.chain(plugin).chain(video) {
        for text in [words.english, words.spanish] {
            assert!(!text.is_empty() && text.trim() == text, "{name}: {text:?}");
        }
        assert_eq!(places(words.english), places(words.spanish), "{name}");
    }
}

/// The names in `_locales` are what they were when the worker put them together from the wire's names, so that a translator
/// and whoever reads the log speak of one code.
#[test]
fn problems_refusals_and_warnings_are_named_as_on_the_wire() {
    let on_the_wire = |value: serde_json::Result<Value>| value.unwrap().as_str().unwrap().to_owned();
    for &code in CODES {
        let name = on_the_wire(serde_json::to_value(code));
        assert_eq!(Key::Problem(code).name(), format!("problem_{name}"));
        assert_eq!(Key::ProblemHelp(code).name(), format!("problem_{name}_help"));
    }
    for &reason in REFUSALS {
        let name = on_the_wire(serde_json::to_value(reason));
        assert_eq!(Key::Refused(reason).name(), format!("refused_{name}"));
    }
    let names: BTreeSet<&str> = WARNINGS.iter().map(|&warning| Key::Warning(warning).name()).collect();
    assert_eq!(names.len(), WARNINGS.len());
}

#[test]
fn an_administrator_can_replace_each_text_of_the_plugin_by_a_key_of_its_own() {
    let keys: BTreeSet<&str> = Text::all().map(Text::key).collect();
    assert_eq!(keys.len(), Text::all().count(), "two texts under one key");
    assert!(keys.iter().all(|key| key.starts_with("Holdfast")), "{keys:?}");
}

/// The characters of GSM-7's default alphabet that take one place each (3GPP TS 23.038, 6.2.1), but for line breaks.
const GSM_7: &str = "@£$¥èéùìòÇØøÅåΔ_ΦΓΛΩΠΨΣΘΞÆæßÉ !\"#¤%&'()*+,-./0123456789:;<=>?¡ABCDEFGHIJKLMNOPQRSTUVWXYZÄÖÑÜ§¿abcdefghijklmnopqrstuvwxyzäöñüà";

#[test]
fn the_invitation_to_video_is_one_segment_of_a_text_message_in_each_language_and_nothing_stands_behind_its_link()
 {
    let origin = format!("https://{}.example", "v".repeat(45 - "https://.example".len()));
    assert_eq!(origin.len(), 45);
    let url = format!("{origin}/v/{}", "0".repeat(20));
    for (language, name) in LANGUAGES {
        let pattern = Text::VideoInvitation.built_in(language);
        assert!(
            pattern.ends_with(" {url}"),
            "{name}: a chat takes what stands behind a link for a part of it"
        );
        let text = pattern.replace("{url}", &url);
        let strange: String = text.chars().filter(|letter| !GSM_7.contains(*letter)).collect();
        assert_eq!(strange, "", "{name}: not in GSM-7, so the segment has 70 characters");
        assert!(text.chars().count() <= 160, "{name}: {} characters", text.chars().count());
    }
}
