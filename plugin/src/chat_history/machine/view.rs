//! What is shown, as plain texts.

use super::chat::{Chat, Notice};
use super::flex_view::Source;
use crate::words::{Text, Words};

/// What stands above a task.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Banner {
    /// That there was a conversation before, with the words of its link and of its cross.
    pub earlier: Option<[String; 3]>,
    /// What the agent should know before they accept or complete.
    pub warning: Option<String>,
}

/// How a task stands to another on the same conversation.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Sharing {
    /// The other is open, and this one waits.
    StillOpen,
    /// The other is being wrapped up, and this one waits.
    StillWrapping,
    /// The agent was about to complete this one.
    CompleteHurts,
}

pub(super) fn banner(earlier: bool, sharing: Option<Sharing>, words: &Words) -> Option<Banner> {
    let text = |sharing| match sharing {
        Sharing::StillOpen => Text::HistoryStillOpen,
        Sharing::StillWrapping => Text::HistoryStillWrapping,
        Sharing::CompleteHurts => Text::HistoryCompleteHurts,
    };
    let banner = Banner {
        earlier: earlier.then(|| {
            [Text::HistoryBanner, Text::HistoryOpen, Text::HistoryClose].map(|text| words.plain(text))
        }),
        warning: sharing.map(|sharing| words.plain(text(sharing))),
    };
    (banner.earlier.is_some() || banner.warning.is_some()).then_some(banner)
}

/// What the tab says beside the messages.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TabView {
    /// What went wrong, and what to do. With it goes *Try again*, unless it goes on by itself alone.
    pub trouble: Option<String>,
    /// *Try again*, where that helps.
    pub retry: Option<String>,
    /// What is going on, or was done last; read out.
    pub status: String,
    /// Eyes see it anyway.
    pub status_is_for_ears: bool,
    /// What is above the first message: that it is the first, or why it is not.
    pub begin: Option<String>,
    /// There is nothing to show.
    pub empty: Option<String>,
    /// Where the search stands.
    pub hits: Option<String>,
    /// *Stop*, while everything is being read.
    pub stop: Option<String>,
    /// *Load all*, where there is more.
    pub load_all: Option<String>,
    /// Whether there is something to copy, print and search.
    pub has_messages: bool,
}

/// Puts the tab's texts together.
#[must_use]
pub fn tab(chat: &Chat, words: &Words) -> TabView {
    let timeline = chat.timeline();
    let malformed = match chat.view().source {
        // With all conversations of the customer there may be something to read all the same.
        Source::Malformed(attribute) if !timeline.has_conversations() => {
            Some(words.say(Text::HistoryMalformed, &[("attribute", attribute)]))
        }
        _ => None,
    };
    // The service lists what the task names first, or it does not give it.
    let is_missing = chat.view().source == Source::Named && timeline.is_known() && !timeline.has_source();
    let missing = is_missing.then(|| words.plain(Text::HistoryNotFound));
    let trouble = chat.trouble().map(|trouble| trouble.say(words));
    let waits = chat.waits_for_token().then(|| words.plain(Text::HistoryWaitsForToken));
    let retry = (trouble.is_some() || waits.is_some()).then(|| words.plain(Text::HistoryRetry));
    let is_whole = timeline.is_whole();
    let has_messages = timeline.messages() > 0;
    let hidden = timeline.stretches().any(|stretch| stretch.hidden);
    let retention = if hidden || timeline.retention_days().is_some() && is_whole {
        Some(timeline.retention_days().map_or_else(
            || words.plain(Text::HistoryHidden),
            |days| words.say(Text::HistoryRetention, &[("days", &days.to_string())]),
        ))
    } else {
        None
    };
    let empty = retention.clone().unwrap_or_else(|| words.plain(Text::HistoryEmpty));
    let begin = is_whole.then(|| retention.unwrap_or_else(|| words.plain(Text::HistoryBegin)));
    let gone = timeline.stretches().any(|stretch| stretch.gone);
    let (status, status_is_for_ears) = status(chat, words);
    TabView {
        empty: Some(empty)
            .filter(|_| is_whole && !has_messages && !gone && malformed.is_none() && !is_missing),
        begin: begin.filter(|_| has_messages),
        status,
        status_is_for_ears,
        hits: chat.search().is_on().then(|| hits(chat, words)),
        stop: (chat.reads_everything() || chat.is_finding_the_place())
            .then(|| words.plain(Text::HistoryStop)),
        load_all: (has_messages && !is_whole && !chat.reads_everything() && !chat.is_at_the_bound())
            .then(|| words.plain(Text::HistoryLoadAll)),
        trouble: malformed.or(trouble).or(missing).or(waits),
        retry,
        has_messages,
    }
}

/// What is going on or was done last, and whether that is for screen readers alone.
fn status(chat: &Chat, words: &Words) -> (String, bool) {
    let count = |text, count: usize| words.say(text, &[("count", &count.to_string())]);
    let messages = chat.timeline().messages();
    let said = match (chat.reads(), chat.notice()) {
        (Some(true), _) => words.plain(Text::HistorySlow),
        (Some(false), _) if chat.is_finding_the_place() => words.plain(Text::HistoryPlace),
        (Some(false), _) if chat.reads_everything() => count(Text::HistoryReading, messages),
        (Some(false), _) if messages == 0 => words.plain(Text::HistoryLoading),
        (_, Some(Notice::NotCopied)) => words.plain(Text::HistoryNotCopied),
        (_, Some(Notice::NoFile)) => words.plain(Text::HistoryNoFile),
        (_, Some(Notice::Copied(copied))) if chat.timeline().is_whole() => count(Text::HistoryCopied, copied),
        (_, Some(Notice::Copied(copied))) => count(Text::HistoryCopiedPart, copied),
        _ if chat.is_at_the_bound() => count(Text::HistoryBound, messages),
        (_, Some(Notice::Loaded(loaded))) => return (count(Text::HistoryLoaded, loaded), true),
        (_, None) => return (String::new(), true),
    };
    (said, false)
}

fn hits(chat: &Chat, words: &Words) -> String {
    match chat.search().current() {
        Some((current, _)) => words.say(
            Text::HistoryHits,
            &[("current", &current.to_string()), ("count", &chat.search().count().to_string())],
        ),
        None if chat.reads_everything() => words.plain(Text::HistoryLoading),
        None => words.plain(Text::HistoryNoHits),
    }
}
