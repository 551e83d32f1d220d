//! Texts that strangers chose, fit to be shown: file names, names of people. Pure.

/// The longest file name that is shown, in characters.
const MAX_FILENAME: usize = 120;

/// The longest end of a file name that is kept whole when it is cut, with its dot.
const MAX_EXTENSION: usize = 12;

/// Without what moves text about or cannot be seen: control characters, and those that turn the direction of writing.
fn is_shown(character: char) -> bool {
    !character.is_control()
        && !matches!(
            character,
            '\u{061C}' | '\u{200B}' | '\u{200E}' | '\u{200F}' | '\u{2028}'..='\u{202E}' | '\u{2060}'..='\u{2069}' | '\u{FEFF}'
        )
}

/// A line of text of at most this many characters.
#[must_use]
pub fn cleaned(text: &str, longest: usize) -> String {
    let shown: String = text.chars().filter(|character| is_shown(*character)).collect();
    shown.trim().chars().take(longest).collect()
}

/// A file's name without its path, without characters that mislead or that a file system does not take, of bounded length with its
/// end kept.
#[must_use]
pub fn filename(name: &str) -> String {
    let name = name.rsplit(['/', '\\']).next().unwrap_or_default();
    let shown = name.chars().filter(|character| is_shown(*character));
    let taken = |character| if "<>:\"|?*".contains(character) { '_' } else { character };
    let name: String = shown.map(taken).collect();
    let name = name.trim_matches(|character: char| character == '.' || character.is_whitespace());
    let length = name.chars().count();
    if length <= MAX_FILENAME {
        return name.to_owned();
    }
    let extension = name.rfind('.').map(|at| &name[at..]).filter(|end| end.chars().count() <= MAX_EXTENSION);
    let extension = extension.unwrap_or_default();
    let kept = MAX_FILENAME - extension.chars().count() - 1;
    name.chars().take(kept).chain(['…']).chain(extension.chars()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_name_misleads_nobody() {
        for (name, shown) in [
            ("photo.png", "photo.png"),
            ("../../etc/passwd", "passwd"),
            ("C:\\temp\\a.txt", "a.txt"),
            ("gpj.\u{202E}exe", "gpj.exe"),
            ("a\"b\r\nX: y.pdf", "a_bX_ y.pdf"),
            ("\"><img src=x>.png", "___img src=x_.png"),
            ("🦀.txt", "🦀.txt"),
            ("..", ""),
            ("a/", ""),
            ("", ""),
        ] {
            assert_eq!(filename(name), shown, "{name:?}");
        }
        let long = filename(&format!("{}.pdf", "é".repeat(300)));
        assert_eq!((long.chars().count(), long.ends_with("….pdf")), (MAX_FILENAME, true));
        assert_eq!(filename(&"x".repeat(300)).chars().count(), MAX_FILENAME);
        assert_eq!(filename(&format!("a.{}", "x".repeat(300))).chars().count(), MAX_FILENAME);
    }

    #[test]
    fn a_name_is_one_line() {
        assert_eq!(cleaned(" Jane\u{202E}\n Doe ", 100), "Jane Doe");
        assert_eq!(cleaned(&"x".repeat(300), 100).len(), 100);
    }
}
