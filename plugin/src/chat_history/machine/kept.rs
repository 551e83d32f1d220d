//! What outlives a reload of the page, in the tab's own storage: which banner is closed, whether the tab is open, and where the
//! reader was. No message and no link.

use super::timeline::Anchor;

/// The tasks of which something is kept. More than an agent ever has at once.
const MOST: usize = 50;

/// What is kept of a task.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Kept {
    /// The banner is closed.
    pub banner_closed: bool,
    /// The tab is open.
    pub tab_open: bool,
    /// Where the reader is; at the foot when absent.
    pub anchor: Option<Anchor>,
}

/// One line for each task: its SID, two letters, and perhaps a row with a distance.
#[must_use]
pub fn write<'a>(tasks: impl Iterator<Item = (&'a str, &'a Kept)>) -> String {
    let mut text = String::new();
    for (task, kept) in tasks.filter(|(_, kept)| **kept != Kept::default()).take(MOST) {
        text.push_str(task);
        text.push_str(if kept.banner_closed { " c" } else { " b" });
        text.push_str(if kept.tab_open { "o" } else { "s" });
        if let Some(anchor) = &kept.anchor {
            text.push_str(&format!(" {} {}", anchor.key, anchor.offset));
        }
        text.push('\n');
    }
    text
}

/// Reads what [`write`] wrote; whatever else stands there is nothing.
#[must_use]
pub fn read(text: &str) -> Vec<(String, Kept)> {
    text.lines().take(MOST).filter_map(read_line).collect()
}

fn read_line(line: &str) -> Option<(String, Kept)> {
    let mut parts = line.split(' ');
    let (task, letters) = (parts.next()?, parts.next()?);
    let anchor = parts
        .next()
        .zip(parts.next().and_then(|offset| offset.parse().ok()))
        .map(|(key, offset)| Anchor { key: key.to_owned(), offset });
    let kept = Kept { banner_closed: letters.starts_with('c'), tab_open: letters.ends_with('o'), anchor };
    Some((task.to_owned(), kept))
}
