//! Every word that the pages say, by its key in the catalogue.

pub use messages::extension::Key;

/// Text to show. What comes from outside is [`Text::Plain`] and only ever becomes a text node.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Text {
    /// A message of the locale.
    Key(Key),
    /// A message of the locale with `$1`, `$2`, … replaced.
    With(Key, Vec<String>),
    /// Shown as it is: identifiers, caller numbers, the worker's own words.
    Plain(String),
}

impl From<Key> for Text {
    fn from(key: Key) -> Self {
        Self::Key(key)
    }
}

/// Text from outside, made fit to be seen: nothing that looks like a token, one line, no invisible characters (a
/// right-to-left override can make a number look like another one), and no more than 400 characters.
pub fn plain(text: &str) -> String {
    let mut shown = String::new();
    let mut rest = text;
    while let Some(start) = rest.find("eyJ") {
        let (before, candidate) = rest.split_at(start);
        let end = candidate
            .find(|c: char| !(c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.' | '=' | '+' | '/')))
            .unwrap_or(candidate.len());
        let (token, after) = candidate.split_at(end);
        shown.push_str(before);
        shown.push_str(if token.len() > 16 { "[removed]" } else { token });
        rest = after;
    }
    shown.push_str(rest);
    let one_line = shown.chars().map(|c| if c.is_control() { ' ' } else { c });
    one_line.filter(|&c| !is_invisible_format(c)).take(400).collect::<String>().trim().to_owned()
}

/// Text for the report: as [`plain`], and nothing in it that could be a secret. A run of 32 or more letters and digits
/// could be one, and so could what stands behind a word like "token"; identifiers that are known not to be stay.
pub fn redacted(text: &str) -> String {
    let text = plain(text);
    let mut clean = String::new();
    let mut rest = text.as_str();
    let mut before = "";
    while !rest.is_empty() {
        let is_inside = |c: char| c.is_ascii_alphanumeric() || matches!(c, '_' | '-' | '+');
        let start = rest.find(is_inside).unwrap_or(rest.len());
        let (between, tail) = rest.split_at(start);
        let (run, tail) = tail.split_at(tail.find(|c| !is_inside(c)).unwrap_or(tail.len()));
        clean.push_str(between);
        clean.push_str(if is_secret(before, run) { "[removed]" } else { run });
        (rest, before) = (tail, run);
    }
    clean
}

/// True when this run of letters and digits could be a secret; `before` is the run before it.
fn is_secret(before: &str, run: &str) -> bool {
    const NAMES: [&str; 7] = ["token", "bearer", "secret", "password", "authorization", "key", "credential"];
    let before = before.to_ascii_lowercase();
    let has_digit = run.bytes().any(|b| b.is_ascii_digit());
    if run.len() >= 8 && has_digit && NAMES.iter().any(|name| before.ends_with(name)) {
        return true;
    }
    let is_name = run.bytes().all(|b| b.is_ascii_lowercase() || matches!(b, b'_' | b'-'));
    run.len() >= 32 && !is_name && !is_sid(run) && !is_uuid(run)
}

/// Two letters and 32 hexadecimal digits: what Twilio calls its things by.
fn is_sid(run: &str) -> bool {
    let (kind, digits) = run.split_at_checked(2).unwrap_or_default();
    digits.len() == 32
        && kind.bytes().all(|b| b.is_ascii_uppercase())
        && digits.bytes().all(|b| b.is_ascii_hexdigit())
}

fn is_uuid(run: &str) -> bool {
    let lengths = run.split('-').map(str::len);
    lengths.eq([8, 4, 4, 4, 12]) && run.bytes().all(|b| b.is_ascii_hexdigit() || b == b'-')
}

/// Zero-width and bidirectional controls of Unicode.
const fn is_invisible_format(c: char) -> bool {
    matches!(c, '\u{200B}'..='\u{200F}' | '\u{2028}'..='\u{202E}' | '\u{2060}'..='\u{2069}' | '\u{FEFF}')
}

#[cfg(test)]
mod tests {
    use std::{
        env, fs,
        path::{Path, PathBuf},
    };

    use proptest::prelude::*;

    use super::*;
    use crate::machine::Action;

    const PAGES: [&str; 3] = ["popup.html", "welcome.html", "options.html"];

    fn root() -> PathBuf {
        Path::new(&env::var("CARGO_MANIFEST_DIR").unwrap()).parent().unwrap().to_path_buf()
    }

    fn extension(path: &str) -> String {
        fs::read_to_string(root().join("extension").join(path)).unwrap()
    }

    /// What stands between `before` and the next `after`, at every place in the text.
    fn between<'a>(text: &'a str, before: &str, after: &str) -> Vec<&'a str> {
        text.split(before).skip(1).filter_map(|rest| rest.split(after).next()).collect()
    }

    #[test]
    fn every_button_in_the_html_does_something() {
        for page in PAGES {
            let html = extension(page);
            for name in between(&html, "data-action=\"", "\"") {
                assert!(Action::of_button(name).is_some(), "{page}: {name}");
            }
            assert!(!html.contains(" onclick") && !html.contains("<script>"), "{page} has inline script");
        }
    }

    #[test]
    fn markup_stays_text_and_a_right_to_left_override_is_dropped() {
        assert_eq!(plain("<img src=x onerror=alert(1)>"), "<img src=x onerror=alert(1)>");
        assert_eq!(plain("+1555\u{202E}9999\n"), "+15559999");
        assert_eq!(plain("eyJ is how a token starts"), "eyJ is how a token starts");
        assert_eq!(plain(&"a".repeat(1000)).len(), 400);
    }

    proptest! {
        #[test]
        fn whatever_surrounds_a_token_it_is_not_shown(
            before in ".{0,20}",
            token in "eyJ[A-Za-z0-9_-]{14,80}\\.[A-Za-z0-9_-]{10,80}\\.[A-Za-z0-9_-]{10,80}",
            after in "([ \"',;)].{0,20})?",
        ) {
            let shown = plain(&format!("{before}{token}{after}"));
            prop_assert!(!shown.contains(&token[3..]), "{}", shown);
        }
    }
}
