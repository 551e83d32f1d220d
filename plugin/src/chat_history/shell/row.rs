//! Draws one row of the time line.

use protocol::history::{AuthorRole, HistoryMedia, HistoryMessage, HistoryPlace};
use wasm_bindgen::prelude::*;

use super::formats::Formats;
use super::service::is_web;
use crate::chat_history::machine::pictures::Picture;
use crate::chat_history::machine::pieces::{is_picture, map_of, pieces};
use crate::chat_history::machine::timeline::{Row, Stretch};
use crate::chat_history::machine::{Chat, MediaRef, transcript};
use crate::draw::{Theme, element, style};
use crate::flex::object;
use crate::words::{Text, Words};

/// What all rows are drawn with.
pub struct Brush<'a> {
    pub chat: &'a Chat,
    pub words: &'a Words,
    pub formats: &'a Formats,
    pub theme: &'a Theme,
    pub begin: Option<&'a str>,
    /// What a file's button does, and what becomes of a picture.
    pub download: &'a JsValue,
    pub loaded: &'a JsValue,
    pub broken: &'a JsValue,
}

impl Brush<'_> {
    /// A row with the one before it.
    pub fn row(&self, at: usize, row: Row<'_>, before: Option<Row<'_>>) -> Result<JsValue, JsValue> {
        let mut parts = Vec::new();
        match row {
            Row::Line(stretch) => {
                if let Some(begin) = self.begin.filter(|_| at == 0) {
                    parts.push(self.note("holdfast-history-begin", begin)?);
                }
                parts.push(self.line(stretch)?);
            }
            Row::Message(message) => {
                let day = self.formats.day(&message.at);
                let day_before = match before {
                    Some(Row::Message(before)) => self.formats.day(&before.at),
                    Some(Row::Line(stretch)) => self.formats.day(&stretch.summary.started_at),
                    None => String::new(),
                };
                if day != day_before {
                    parts.push(self.note("holdfast-history-day", &day)?);
                }
                parts.push(self.message(message)?);
            }
        }
        let place = object(&[
            ("position", "absolute".into()),
            ("top", self.chat.timeline().list().top(at).into()),
            ("left", 0.into()),
            ("right", 0.into()),
        ]);
        let props = [("key", row.key().into()), ("data-row", at.into()), ("style", place.into())];
        element("div", &props, &parts)
    }

    fn note(&self, test_id: &str, text: &str) -> Result<JsValue, JsValue> {
        let centred = style(&[
            ("padding", "8px 16px 4px"),
            ("textAlign", "center"),
            ("fontSize", "12px"),
            ("color", &self.theme.weak),
        ]);
        element("div", &[("data-testid", test_id.into()), ("style", centred)], &[text.into()])
    }

    fn line(&self, stretch: &Stretch) -> Result<JsValue, JsValue> {
        let heading =
            transcript::heading(stretch, self.words, &self.formats.both(&stretch.summary.started_at));
        let rule = style(&[
            ("margin", "12px 12px 4px"),
            ("padding", "6px 0 0"),
            ("borderTop", &format!("2px solid {}", self.theme.border)),
            ("fontSize", "13px"),
            ("lineHeight", "18px"),
            ("fontWeight", "600"),
            ("overflowWrap", "anywhere"),
            ("color", &self.theme.text),
        ]);
        element(
            "h3",
            &[
                ("data-testid", "holdfast-history-conversation".into()),
                ("data-conversation", stretch.summary.sid.as_str().into()),
                ("style", rule),
            ],
            &[heading.into()],
        )
    }

    fn message(&self, message: &HistoryMessage) -> Result<JsValue, JsValue> {
        let theme = self.theme;
        let customer = message.author.role == AuthorRole::Customer;
        let row = style(&[
            ("display", "flex"),
            ("flexDirection", "column"),
            ("alignItems", if customer { "flex-start" } else { "flex-end" }),
            ("padding", "4px 12px"),
        ]);
        let head = style(&[("fontSize", "12px"), ("lineHeight", "18px"), ("color", &theme.weak)]);
        let ground = match (message.author.role, theme.dark) {
            (AuthorRole::Customer, _) => &*theme.field,
            (AuthorRole::Agent, false) => "#e1ecfb",
            (AuthorRole::Agent, true) => "#0b2f57",
            (AuthorRole::Bot, false) => "#efeaf7",
            (AuthorRole::Bot, true) => "#33264a",
        };
        let current = self.chat.search().current().is_some_and(|(_, hit)| hit == message.sid);
        let outline = if current { format!("2px solid {}", theme.text) } else { "0".to_owned() };
        let bubble = style(&[
            ("maxWidth", "85%"),
            ("padding", "6px 10px"),
            ("borderRadius", "8px"),
            ("fontSize", "14px"),
            ("lineHeight", "20px"),
            ("whiteSpace", "pre-wrap"),
            ("overflowWrap", "anywhere"),
            ("unicodeBidi", "isolate"),
            ("outline", &outline),
            ("color", &theme.text),
            ("backgroundColor", ground),
        ]);
        let mut parts = Vec::new();
        if !message.body.is_empty() {
            parts.push(self.body(&message.body)?);
        }
        for media in &message.media {
            parts.push(self.media(message, media)?);
        }
        if let Some(place) = &message.place {
            parts.push(self.place(place)?);
        }
        if parts.is_empty() {
            let weak = style(&[("color", &theme.weak), ("fontStyle", "italic")]);
            parts.push(element(
                "span",
                &[("style", weak)],
                &[self.words.plain(Text::HistoryNothing).into()],
            )?);
        }
        let said = format!(
            "{} · {}",
            transcript::author(&message.author, self.words),
            self.formats.time(&message.at)
        );
        element(
            "div",
            &[
                ("data-testid", "holdfast-history-message".into()),
                ("data-sid", message.sid.as_str().into()),
                ("data-role", message.author.role.name().into()),
                ("style", row),
            ],
            &[
                element("div", &[("dir", "auto".into()), ("style", head)], &[said.into()])?,
                element("div", &[("dir", "auto".into()), ("style", bubble)], &parts)?,
            ],
        )
    }

    fn body(&self, body: &str) -> Result<JsValue, JsValue> {
        let mut parts = Vec::new();
        for piece in pieces(body, self.chat.search()) {
            let text = if piece.found { self.mark(piece.text)? } else { piece.text.into() };
            parts.push(match piece.link.filter(|link| is_web(link)) {
                Some(link) => self.link(link, text)?,
                None => text,
            });
        }
        element("span", &[("data-testid", "holdfast-history-body".into())], &parts)
    }

    fn mark(&self, text: &str) -> Result<JsValue, JsValue> {
        let marked = style(&[("color", "#121c2d"), ("backgroundColor", "#ffdd57")]);
        element("mark", &[("style", marked)], &[text.into()])
    }

    fn link(&self, to: &str, text: JsValue) -> Result<JsValue, JsValue> {
        let underlined = style(&[("color", "inherit"), ("textDecoration", "underline")]);
        element(
            "a",
            &[
                ("href", to.into()),
                ("target", "_blank".into()),
                ("rel", "noopener noreferrer".into()),
                ("style", underlined),
            ],
            &[text],
        )
    }

    fn place(&self, place: &HistoryPlace) -> Result<JsValue, JsValue> {
        let label = if place.label.trim().is_empty() {
            self.words.plain(Text::HistoryPosition)
        } else {
            place.label.clone()
        };
        let text = format!("📍 {label} ({}, {})", place.latitude, place.longitude);
        let Some(map) = map_of(place) else { return element("span", &[], &[text.into()]) };
        element("div", &[("data-testid", "holdfast-history-place".into())], &[self.link(&map, text.into())?])
    }

    fn media(&self, message: &HistoryMessage, media: &HistoryMedia) -> Result<JsValue, JsValue> {
        let which = MediaRef { message: message.sid.clone(), media: media.sid.clone() };
        let name = transcript::file_name(media, self.words);
        let picture = self.chat.pictures().of(&which).filter(|_| is_picture(&media.content_type));
        let mut parts = Vec::new();
        if let Some(Picture::Link { url, .. }) = picture.filter(|it| is_link(it)) {
            let fitting = style(&[
                ("display", "block"),
                ("maxWidth", "100%"),
                ("maxHeight", "240px"),
                ("minHeight", "24px"),
                ("borderRadius", "4px"),
                ("margin", "2px 0"),
            ]);
            parts.push(element(
                "img",
                &[
                    ("key", url.as_str().into()),
                    ("src", url.as_str().into()),
                    ("alt", name.as_str().into()),
                    ("referrerPolicy", "no-referrer".into()),
                    ("data-message", which.message.as_str().into()),
                    ("data-media", which.media.as_str().into()),
                    ("data-testid", "holdfast-history-picture".into()),
                    ("onLoad", self.loaded.clone()),
                    ("onError", self.broken.clone()),
                    ("style", fitting),
                ],
                &[],
            )?);
        }
        let waits = self.chat.pictures().is_wanted(&which);
        let text = if waits {
            Text::HistoryOpening
        } else if matches!(picture, Some(Picture::Failed)) {
            Text::HistoryNoPicture
        } else {
            Text::HistoryDownload
        };
        let label = self.words.say(text, &[("name", &name)]);
        let button = style(&[
            ("display", "block"),
            ("margin", "2px 0"),
            ("padding", "4px 8px"),
            ("font", "inherit"),
            ("fontSize", "13px"),
            ("textAlign", "start"),
            ("overflowWrap", "anywhere"),
            ("borderRadius", "4px"),
            ("border", &format!("1px solid {}", self.theme.weak)),
            ("color", &self.theme.text),
            ("backgroundColor", &self.theme.background),
            ("cursor", "pointer"),
        ]);
        parts.push(element(
            "button",
            &[
                ("key", "button".into()),
                ("type", "button".into()),
                ("disabled", waits.into()),
                ("data-message", which.message.as_str().into()),
                ("data-media", which.media.as_str().into()),
                ("data-testid", "holdfast-history-file".into()),
                ("onClick", self.download.clone()),
                ("style", button),
            ],
            &[label.into()],
        )?);
        element("div", &[], &parts)
    }
}

fn is_link(picture: &Picture) -> bool {
    matches!(picture, Picture::Link { url, .. } if is_web(url))
}
