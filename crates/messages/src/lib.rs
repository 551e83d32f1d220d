//! The catalogue: every text that a person reads, once and in every language.
//!
//! * [`problems`]: what is said of each [`protocol::ProblemCode`], refusal and warning, whoever says it.
//! * [`extension`]: what the extension's pages, notifications and toolbar button say. Chrome looks these up in
//!   `extension/_locales`, which is made from here: a test compares the two, and writes the files when it is run as
//!   `UPDATE_LOCALES=1 cargo test -p messages`.
//! * [`flex`]: what the plugin says in Flex. It carries its texts along.
//! * [`video`]: what the page of a video call says. It carries its texts along, too.
//! * [`english`]: what the machines say of a problem, for logs and for pages that have no words of their own.
//!
//! A text is named by a variant or constant, so that one that is missing does not compile, and each row wants all
//! languages. What places a text has is compared by a test, and so is that each is used.

#![warn(missing_docs)]

pub mod english;
pub mod extension;
pub mod flex;
pub mod problems;
pub mod video;

/// A language that everything is said in.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Language {
    /// English, and whoever speaks none of the others.
    #[default]
    English,
    /// Spanish.
    Spanish,
}

impl Language {
    /// From a language tag such as `es-MX`.
    #[must_use]
    pub fn from_tag(tag: &str) -> Self {
        let primary = tag.split(['-', '_']).next().unwrap_or_default();
        if primary.eq_ignore_ascii_case("es") { Self::Spanish } else { Self::English }
    }
}

/// One text in each language.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Words {
    /// In English.
    pub english: &'static str,
    /// In Spanish.
    pub spanish: &'static str,
}

impl Words {
    const fn new(english: &'static str, spanish: &'static str) -> Self {
        Self { english, spanish }
    }

    /// In this language.
    #[must_use]
    pub const fn in_language(self, language: Language) -> &'static str {
        match language {
            Language::English => self.english,
            Language::Spanish => self.spanish,
        }
    }
}
