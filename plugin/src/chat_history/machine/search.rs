//! Finding words in what was read.

use std::ops::Range;

use protocol::history::HistoryMessage;

/// What the agent looks for, and where it was found.
#[derive(Clone, Debug, Default)]
pub struct Search {
    text: String,
    needle: Vec<char>,
    /// The messages in which it was found, the newest first.
    hits: Vec<String>,
    current: usize,
}

impl Search {
    /// Looks for this from now on.
    #[must_use]
    pub fn new(text: String) -> Self {
        let needle = text.trim().chars().map(fold).collect();
        Self { text, needle, ..Self::default() }
    }

    /// What the agent has written.
    #[must_use]
    pub fn text(&self) -> &str {
        &self.text
    }

    /// Whether there is something to look for.
    #[must_use]
    pub const fn is_on(&self) -> bool {
        !self.needle.is_empty()
    }

    /// Whether the word is long enough that older messages are read for it.
    #[must_use]
    pub const fn is_worth_reading_for(&self) -> bool {
        self.needle.len() >= 2
    }

    /// Looks at older messages, the newest of them first. True when this found the first hit.
    pub fn look_at<'a>(&mut self, messages: impl Iterator<Item = &'a HistoryMessage>) -> bool {
        let was_empty = self.hits.is_empty();
        for message in messages {
            if self.is_in(message) {
                self.hits.push(message.sid.clone());
            }
        }
        was_empty && !self.hits.is_empty()
    }

    /// How many messages were found.
    #[must_use]
    pub const fn count(&self) -> usize {
        self.hits.len()
    }

    /// The message that is shown, and its place among all, from one on; the newest is the first.
    #[must_use]
    pub fn current(&self) -> Option<(usize, &str)> {
        self.hits.get(self.current).map(|hit| (self.current + 1, &**hit))
    }

    /// Goes to the next older hit, or the next newer one; round and round.
    pub fn step(&mut self, older: bool) {
        if let Some(last) = self.hits.len().checked_sub(1) {
            self.current = match (older, self.current) {
                (true, current) if current >= last => 0,
                (true, current) => current + 1,
                (false, 0) => last,
                (false, current) => current - 1,
            };
        }
    }

    fn is_in(&self, message: &HistoryMessage) -> bool {
        let texts = std::iter::once(&message.body)
            .chain(message.media.iter().map(|media| &media.filename))
            .chain(message.place.iter().map(|place| &place.label));
        self.is_on() && texts.into_iter().any(|text| !self.places(text).is_empty())
    }

    /// Where in a text it is, in bytes.
    #[must_use]
    pub fn places(&self, text: &str) -> Vec<Range<usize>> {
        let mut found = Vec::new();
        if !self.is_on() {
            return found;
        }
        // One folded letter for each letter, so that places in the one are places in the other.
        let letters: Vec<(usize, char)> =
            text.char_indices().map(|(at, letter)| (at, fold(letter))).collect();
        let mut from = 0;
        while let Some(window) = letters.get(from..from + self.needle.len()) {
            if window.iter().map(|(_, letter)| letter).eq(&self.needle) {
                let begin = window.first().map_or(0, |(at, _)| *at);
                from += self.needle.len();
                found.push(begin..letters.get(from).map_or(text.len(), |(at, _)| *at));
            } else {
                from += 1;
            }
        }
        found
    }
}

/// A letter as it is compared: small, and without the accents of our languages, which nobody types when in a hurry.
fn fold(letter: char) -> char {
    let small = letter.to_lowercase().next().unwrap_or(letter);
    match small {
        'à'..='å' => 'a',
        'ç' => 'c',
        'è'..='ë' => 'e',
        'ì'..='ï' => 'i',
        'ñ' => 'n',
        'ò'..='ö' => 'o',
        'ù'..='ü' => 'u',
        'ý' | 'ÿ' => 'y',
        other => other,
    }
}
