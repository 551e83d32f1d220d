//! Puts a [`View`] on the page. Text only ever becomes `textContent`, and an element is touched only when it changes:
//! so the keyboard's focus stays where it is, and a screen reader says each change once.

use protocol::Timestamp;
use wasm_bindgen::{JsCast, JsValue};
use web_sys::{Document, Element, HtmlElement};

use crate::{
    machine::Action,
    text::{Key, Text},
    view::{Button, Card, LogLine, Question, Row, View, level_name},
};

/// The words of a text in the person's language.
pub fn words(text: &Text) -> String {
    match text {
        Text::Key(key) => webext::message(key.name()),
        Text::With(key, values) => {
            let values: Vec<&str> = values.iter().map(String::as_str).collect();
            webext::message_with(key.name(), &values)
        }
        Text::Plain(text) => text.clone(),
    }
}

/// A time as support reads it: ISO 8601, UTC.
pub fn iso(at: Timestamp) -> String {
    date(at).to_iso_string().into()
}

/// The page.
pub struct Dom {
    document: Document,
}

impl Dom {
    /// Takes the page and fills in the words that never change.
    pub fn new(document: Document) -> Self {
        let dom = Self { document };
        for element in dom.all("[data-i18n]") {
            let key = element.get_attribute("data-i18n").unwrap_or_default();
            element.set_text_content(Some(&webext::message(&key)));
        }
        for element in dom.all("[data-i18n-label]") {
            let label = webext::message(&element.get_attribute("data-i18n-label").unwrap_or_default());
            set_attribute(&element, "aria-label", &label);
            set_attribute(&element, "title", &label);
        }
        if let Some(html) = dom.document.document_element() {
            set_attribute(&html, "lang", &webext::message(Key::Locale.name()));
        }
        dom
    }

    /// Draws the view.
    pub fn render(&self, view: &View) {
        let focused = self.document.active_element();

        self.card("status", &view.status);
        self.show("call", view.call.is_some());
        self.text("timer", view.call.as_ref().and_then(|call| call.timer.as_deref()).unwrap_or_default());
        if let Some(call) = &view.call {
            self.button("mute", &call.mute);
            self.attribute("mute", "aria-pressed", if call.muted { "true" } else { "false" });
            self.enabled("keypad-toggle", call.keypad_enabled);
            self.attribute("keypad-toggle", "aria-expanded", if call.keypad_open { "true" } else { "false" });
            self.button("hang-up", &call.hang_up);
            self.show("keypad", call.keypad_open);
            self.text("digits", &call.digits);
        }
        self.question("waiting", view.waiting.as_ref());
        self.question("consent", view.consent.as_ref());
        self.show("problem", view.problem.is_some());
        // Emptied when it goes, so that the same problem is announced again when it comes back.
        let nothing = Card { tone: view.status.tone, title: None, help: None, button: None };
        self.card("problem", view.problem.as_ref().map_or(&nothing, |problem| &problem.card));
        let retrying = view.problem.as_ref().and_then(|problem| problem.retrying);
        self.show("problem-retrying", retrying.is_some());
        self.text("problem-retrying", &retrying.map(|key| words(&key.into())).unwrap_or_default());
        self.show("notice", view.notice.is_some());
        self.text("notice", &view.notice.as_ref().map(words).unwrap_or_default());

        self.card("microphone", &view.microphone);
        self.card("flex", &view.flex);
        self.rows("policy", &view.policy);
        self.text("policy-note", &words(&view.policy_note.into()));
        self.rows("details", &view.details);
        self.log(&view.log);
        self.enabled("restart", view.restart_enabled);
        self.show("restart", !view.confirming);
        self.show("restart-question", view.confirming);
        let hint = words(&view.restart_hint.into());
        self.text("restart-hint", &hint);
        self.attribute("restart", "title", &hint);
        self.show("managed", view.managed);
        self.text("version", &view.version);

        // What had the focus may be hidden now; without this the next Tab would start at the top of nothing.
        if let (Some(element), Some(title)) = (focused, self.find("status-title"))
            && !is_drawn(&element)
        {
            focus(&title);
        }
    }

    /// Moves the focus to the button with this action.
    pub fn focus(&self, action: Action) {
        if let Some(element) =
            self.all(&format!("[data-action={}]", action.name())).into_iter().find(is_drawn)
        {
            focus(&element);
        }
    }

    fn card(&self, id: &str, card: &Card) {
        self.attribute(id, "data-tone", card.tone.name());
        self.text(&format!("{id}-title"), &card.title.as_ref().map(words).unwrap_or_default());
        self.text(&format!("{id}-help"), &card.help.as_ref().map(words).unwrap_or_default());
        self.show(&format!("{id}-help"), card.help.is_some());
        let button = format!("{id}-button");
        self.show(&button, card.button.is_some());
        if let Some(shown) = &card.button {
            self.attribute(&button, "data-action", shown.action.name());
            self.button(&button, shown);
        }
    }

    fn question(&self, id: &str, question: Option<&Question>) {
        self.show(id, question.is_some());
        let part = |part: &str| format!("{id}-{part}");
        let words_of = |text: Option<Text>| text.as_ref().map(words).unwrap_or_default();
        self.text(&part("title"), &words_of(question.map(|question| question.title.into())));
        self.text(&part("about"), &words_of(question.map(|question| question.about.clone())));
        self.text(&part("help"), &words_of(question.map(|question| question.help.into())));
        let Some(question) = question else { return };
        self.rows(&part("rows"), &question.rows);
        for element in self.all(&format!("#{id} button")) {
            set_attribute(&element, "aria-disabled", if question.enabled { "false" } else { "true" });
        }
        self.text(&part("yes"), &words(&question.yes.into()));
    }

    fn button(&self, id: &str, button: &Button) {
        let label = words(&button.label.into());
        match self.find(&format!("{id}-label")) {
            Some(element) => set_text(&element, &label),
            None => self.text(id, &label),
        }
        self.enabled(id, button.enabled);
    }

    /// `aria-disabled` and not `disabled`, which would throw the focus away.
    fn enabled(&self, id: &str, enabled: bool) {
        self.attribute(id, "aria-disabled", if enabled { "false" } else { "true" });
    }

    fn rows(&self, id: &str, rows: &[Row]) {
        let Some(list) = self.find(id) else { return };
        let shown: Vec<(String, String, bool)> =
            rows.iter().map(|row| (words(&row.label.into()), words(&row.value), row.code)).collect();
        if !self.is_new(&list, &format!("{shown:?}")) {
            return;
        }
        for (label, value, code) in shown {
            self.append(&list, "dt", &label);
            if let Some(element) = self.append(&list, "dd", &value) {
                set_attribute(&element, "class", if code { "code" } else { "" });
            }
        }
    }

    fn log(&self, lines: &[LogLine]) {
        let Some(list) = self.find("log") else { return };
        if !self.is_new(&list, &format!("{lines:?}")) {
            return;
        }
        for line in lines {
            let Some(item) = self.append(&list, "li", "") else { return };
            set_attribute(&item, "data-level", level_name(line.level));
            let time = date(line.at).to_locale_time_string(&webext::message(Key::Locale.name()));
            self.append(&item, "time", &String::from(time));
            self.append(&item, "span", &line.message);
        }
        if lines.is_empty() {
            self.append(&list, "li", &words(&Key::NotKnownYet.into()));
        }
    }

    /// Empties the list when what it shall show is not what it shows.
    fn is_new(&self, list: &Element, content: &str) -> bool {
        let known = js_sys::Reflect::get(list, &"shown".into()).ok().and_then(|shown| shown.as_string());
        if known.as_deref() == Some(content) {
            return false;
        }
        list.set_text_content(None);
        // An expando on an element cannot fail; if it did, the list would only be drawn again.
        js_sys::Reflect::set(list, &"shown".into(), &content.into()).is_ok()
    }

    fn append(&self, parent: &Element, tag: &str, text: &str) -> Option<Element> {
        let element = self.document.create_element(tag).ok()?;
        element.set_text_content(Some(text));
        parent.append_child(&element).ok()?;
        Some(element)
    }

    fn find(&self, id: &str) -> Option<Element> {
        self.document.get_element_by_id(id)
    }

    fn all(&self, selector: &str) -> Vec<Element> {
        let Ok(list) = self.document.query_selector_all(selector) else { return Vec::new() };
        (0..list.length()).filter_map(|index| list.get(index)?.dyn_into().ok()).collect()
    }

    fn text(&self, id: &str, text: &str) {
        if let Some(element) = self.find(id) {
            set_text(&element, text);
        }
    }

    fn show(&self, id: &str, shown: bool) {
        if let Some(element) = self.find(id).and_then(|element| element.dyn_into::<HtmlElement>().ok())
            && element.hidden() == shown
        {
            element.set_hidden(!shown);
        }
    }

    fn attribute(&self, id: &str, name: &str, value: &str) {
        if let Some(element) = self.find(id) {
            set_attribute(&element, name, value);
        }
    }
}

fn set_text(element: &Element, text: &str) {
    if element.text_content().as_deref() != Some(text) {
        element.set_text_content(Some(text));
    }
}

fn set_attribute(element: &Element, name: &str, value: &str) {
    if element.get_attribute(name).as_deref() != Some(value) {
        // Fails only for a name that is no attribute name, and ours are constants.
        drop(element.set_attribute(name, value));
    }
}

fn is_drawn(element: &Element) -> bool {
    element.get_client_rects().length() > 0
}

fn focus(element: &Element) {
    if let Some(element) = element.dyn_ref::<HtmlElement>() {
        drop(element.focus());
    }
}

fn date(at: Timestamp) -> js_sys::Date {
    #[expect(clippy::cast_precision_loss, reason = "milliseconds since 1970 fit a double for 280 000 years")]
    js_sys::Date::new(&JsValue::from_f64(at.as_millis() as f64))
}
