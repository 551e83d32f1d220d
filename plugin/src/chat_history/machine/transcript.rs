//! The time line as plain text, to be copied or printed.

use protocol::history::{AuthorRole, HistoryAuthor, HistoryChannel, HistoryMedia, HistoryMessage};

use super::timeline::{Stretch, Timeline};
use crate::words::{Text, Words};

/// Everything that was read. `when`: a moment in ISO 8601, as the agent reads it.
#[must_use]
pub fn transcript(timeline: &Timeline, words: &Words, when: &dyn Fn(&str) -> String) -> String {
    let mut text = String::new();
    if !timeline.is_whole() {
        line(&mut text, &words.plain(Text::HistoryPart));
        text.push('\n');
    }
    for stretch in timeline.stretches() {
        line(&mut text, &heading(stretch, words, &when(&stretch.summary.started_at)));
        for message in &stretch.messages {
            let said = said(message, words);
            line(&mut text, &format!("[{}] {}: {said}", when(&message.at), author(&message.author, words)));
        }
        text.push('\n');
    }
    text
}

fn line(text: &mut String, line: &str) {
    text.push_str(line);
    text.push('\n');
}

/// What the line above a conversation says.
#[must_use]
pub fn heading(stretch: &Stretch, words: &Words, when: &str) -> String {
    let summary = &stretch.summary;
    let mut parts = vec![when.to_owned(), channel(summary.channel, words)];
    parts.extend(summary.name.clone().filter(|name| !name.trim().is_empty()));
    // Who has left is known by what they wrote.
    let mut agents = summary.agents.clone();
    for message in &stretch.messages {
        let author = &message.author;
        if author.role == AuthorRole::Agent && !author.name.is_empty() && !agents.contains(&author.name) {
            agents.push(author.name.clone());
        }
    }
    if !agents.is_empty() {
        parts.push(agents.join(", "));
    }
    if stretch.gone {
        parts.push(words.plain(Text::HistoryGone));
    } else if stretch.messages.is_empty() && stretch.is_whole() {
        parts.push(words.plain(Text::HistoryNoMessages));
    }
    parts.join(" · ")
}

/// By what the customer wrote. Names of products are the same everywhere.
fn channel(channel: HistoryChannel, words: &Words) -> String {
    match channel {
        HistoryChannel::Web => words.plain(Text::HistoryWeb),
        HistoryChannel::Sms => "SMS".to_owned(),
        HistoryChannel::Whatsapp => "WhatsApp".to_owned(),
        HistoryChannel::Messenger => "Messenger".to_owned(),
        HistoryChannel::Email => words.plain(Text::HistoryEmail),
        HistoryChannel::Other => words.plain(Text::HistoryChat),
    }
}

/// Who wrote, for people.
#[must_use]
pub fn author(author: &HistoryAuthor, words: &Words) -> String {
    let role = words.plain(match author.role {
        AuthorRole::Customer => Text::HistoryCustomer,
        AuthorRole::Agent => Text::HistoryAgent,
        AuthorRole::Bot => Text::HistoryBot,
    });
    let name = author.name.trim();
    if name.is_empty() || name.eq_ignore_ascii_case(&role) { role } else { format!("{name} ({role})") }
}

/// A file's name, or that it is one.
#[must_use]
pub fn file_name(media: &HistoryMedia, words: &Words) -> String {
    if !media.filename.trim().is_empty() {
        return media.filename.clone();
    }
    let kind = words.plain(Text::HistoryFile);
    if media.content_type.is_empty() { kind } else { format!("{kind} ({})", media.content_type) }
}

/// A message as one text. One that says nothing at all is said to do so.
fn said(message: &HistoryMessage, words: &Words) -> String {
    let mut parts = Vec::new();
    if !message.body.trim().is_empty() {
        parts.push(message.body.clone());
    }
    parts.extend(message.media.iter().map(|media| format!("[{}]", file_name(media, words))));
    if let Some(place) = &message.place {
        let label =
            if place.label.is_empty() { words.plain(Text::HistoryPosition) } else { place.label.clone() };
        parts.push(format!("[{label}: {}, {}]", place.latitude, place.longitude));
    }
    if parts.is_empty() { words.plain(Text::HistoryNothing) } else { parts.join(" ") }
}
