//! What outlives a reload of the page, in the tab's own storage: which tasks have a session, and for which session the customer
//! has had a link from this agent. No link.

/// The tasks of which something is kept. More than an agent ever has at once.
const MOST: usize = 50;

/// What is kept of a task.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Kept {
    /// A session was there.
    pub live: bool,
    /// The session for which a link was sent.
    pub invited: Option<String>,
}

/// One line for each task: its SID, a letter, and perhaps a session.
#[must_use]
pub fn write<'a>(tasks: impl Iterator<Item = (&'a str, &'a Kept)>) -> String {
    let mut text = String::new();
    for (task, kept) in tasks.filter(|(_, kept)| **kept != Kept::default()).take(MOST) {
        text.push_str(task);
        text.push_str(if kept.live { " l" } else { " o" });
        if let Some(session) = kept.invited.as_ref().filter(|session| !session.contains(char::is_whitespace))
        {
            text.push(' ');
            text.push_str(session);
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
    let (task, letter) = (parts.next()?, parts.next()?);
    Some((task.to_owned(), Kept { live: letter == "l", invited: parts.next().map(str::to_owned) }))
}
