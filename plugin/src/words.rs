//! The words that the plugin speaks to an agent in, for all its subjects. The texts themselves are the catalogue's.

pub use messages::{Language, flex::Text};

use crate::by_key::ByKey;

/// Who speaks: a language, and the administrator's own words.
#[derive(Clone, Debug, Default)]
pub struct Words {
    language: Language,
    own: ByKey<String, String>,
}

impl Words {
    /// A speaker. `own`: texts that replace the built-in ones, by [`Text::key`].
    #[must_use]
    pub fn new(language: Language, own: impl IntoIterator<Item = (String, String)>) -> Self {
        let mut texts = ByKey::default();
        for (key, text) in own {
            texts.insert(key, text);
        }
        Self { language, own: texts }
    }

    /// The same language, and the built-in words alone.
    #[must_use]
    pub fn without_own(&self) -> Self {
        Self { language: self.language, own: ByKey::default() }
    }

    /// The agent reads English.
    #[must_use]
    pub const fn are_english(&self) -> bool {
        matches!(self.language, Language::English)
    }

    /// A text with its `{places}` filled.
    #[must_use]
    pub fn say(&self, text: Text, places: &[(&str, &str)]) -> String {
        let pattern = self.own.get(text.key()).map_or(text.built_in(self.language), String::as_str);
        let mut said = String::with_capacity(pattern.len());
        let mut rest = pattern;
        // In one pass, so that what fills one place is never taken for another.
        while let Some((before, after)) = rest.split_once('{') {
            said.push_str(before);
            match after.split_once('}') {
                Some((name, tail)) if places.iter().any(|(place, _)| *place == name) => {
                    said.extend(places.iter().find(|(place, _)| *place == name).map(|(_, value)| *value));
                    rest = tail;
                }
                _ => {
                    said.push('{');
                    rest = after;
                }
            }
        }
        said.push_str(rest);
        said
    }

    /// A text that has no places.
    #[must_use]
    pub fn plain(&self, text: Text) -> String {
        self.say(text, &[])
    }
}
