//! Puts a [`View`] on the page. Text only ever becomes `textContent`, and an element is touched only when it changes:
//! so the keyboard's focus stays where it is, and a screen reader says each change once.

use kernel::Timestamp;
use wasm_bindgen::{JsCast, JsValue};
use web_sys::{Document, Element, HtmlElement, HtmlInputElement, HtmlSelectElement};

use crate::{
    machine::Action,
    parts,
    quality::QualityCard,
    text::{Key, Text},
    view::{Button, CallLine, Card, LogLine, Question, Row, Select, Sound, View, level_name},
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
pub struct Dom {
    document: Document,
}

impl Dom {
    /// Takes the page and fills in the words that never change.
    pub fn new(document: Document) -> Self {
        parts::build(&document);
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
        self.quality(view.quality.as_ref());
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

        self.card("permission", &view.microphone);
        self.card("flex", &view.flex);
        self.sound(view.sound.as_ref());
        self.calls(&view.calls);
        self.show("shortcuts-block", !view.shortcuts.is_empty());
        self.rows("shortcuts", &view.shortcuts);
        self.show("counters-block", !view.counters.is_empty());
        self.rows("counters", &view.counters);
        self.lines("complaints", &view.complaints);
        self.rows("policy", &view.policy);
        self.text("policy-note", &view.policy_note.map(|key| words(&key.into())).unwrap_or_default());
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
        self.attribute(&format!("{id}-glyph"), "d", parts::icon(card.tone));
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

    fn quality(&self, quality: Option<&QualityCard>) {
        self.show("quality", quality.is_some());
        let warning = quality.and_then(|quality| quality.warning);
        self.text("quality-warning", &warning.map(|key| words(&key.into())).unwrap_or_default());
        self.show("quality-figures", warning.is_none());
        let Some(quality) = quality else { return };
        self.attribute("quality", "data-tone", quality.tone.name());
        self.attribute("quality-glyph", "d", parts::icon(quality.tone));
        let verdict = words(&quality.verdict.into());
        self.attribute(
            "quality-graph",
            "aria-label",
            &words(&Text::With(Key::QualityGraph, vec![verdict.clone()])),
        );
        self.text("quality-verdict", &verdict);
        self.text("quality-figures", &words(&quality.figures));
        self.attribute("quality-line", "d", &quality.line);
    }

    fn sound(&self, sound: Option<&Sound>) {
        self.show("sound", sound.is_some());
        self.show("sound-unknown", sound.is_none());
        let Some(sound) = sound else { return };
        self.show("sound-managed", !sound.enabled);
        self.lines("sound-missing", &sound.missing);
        for (id, select) in [("microphone", &sound.microphone), ("speaker", &sound.speaker)] {
            self.select(id, select, sound.refusals);
        }
        for id in ["microphone", "speaker", "volume"] {
            if let Some(element) = self.find(id) {
                drop(element.toggle_attribute_with_force("disabled", !sound.enabled));
            }
        }
        let volume = sound.volume.to_string();
        if let Some(slider) = self.find("volume").and_then(|it| it.dyn_into::<HtmlInputElement>().ok())
            && slider.value() != volume
        {
            slider.set_value(&volume);
        }
        self.text("volume-value", &format!("{volume} %"));
        self.button("test-microphone", &sound.test);
        self.attribute("test-microphone", "aria-pressed", if sound.testing { "true" } else { "false" });
        self.attribute("level", "value", &sound.level.to_string());
    }

    fn select(&self, id: &str, select: &Select, refusals: u32) {
        let Some(list) = self.find(id) else { return };
        if !self.is_new(&list, &format!("{refusals} {select:?}")) {
            return;
        }
        for (id, name) in &select.options {
            if let Some(option) = self.append(&list, "option", &words(name)) {
                set_attribute(&option, "value", id.as_deref().unwrap_or_default());
            }
        }
        if let (Some(list), Ok(chosen)) = (list.dyn_ref::<HtmlSelectElement>(), i32::try_from(select.chosen))
        {
            list.set_selected_index(chosen);
        }
    }

    fn calls(&self, calls: &[CallLine]) {
        self.show("calls-block", !calls.is_empty());
        let Some(list) = self.find("calls") else { return };
        if !self.is_new(&list, &format!("{calls:?}")) {
            return;
        }
        for call in calls {
            let Some(item) = self.append(&list, "li", "") else { return };
            set_attribute(&item, "data-tone", call.tone.name());
            if let Some(icon) = parts::svg(&self.document, parts::icon(call.tone), None) {
                drop(item.append_child(&icon));
            }
            for (class, text) in [
                ("who", words(&call.caller)),
                ("when", self.time(call.at, "short")),
                ("outcome", words(&call.outcome.into())),
                ("length", words(&call.length)),
            ] {
                if let Some(part) = self.append(&item, "span", &text) {
                    set_attribute(&part, "class", class);
                }
            }
        }
    }

    /// A list of sentences; not there while there are none.
    fn lines(&self, id: &str, lines: &[Text]) {
        self.show(id, !lines.is_empty());
        let Some(list) = self.find(id) else { return };
        if self.is_new(&list, &format!("{lines:?}")) {
            for line in lines {
                self.append(&list, "li", &words(line));
            }
        }
    }

    fn time(&self, at: Timestamp, style: &str) -> String {
        let options = js_sys::Object::new();
        // Setting a property of a fresh object does not fail.
        drop(js_sys::Reflect::set(&options, &"timeStyle".into(), &style.into()));
        let locale = webext::message(Key::Locale.name());
        date(at).to_locale_time_string_with_options(&locale, &options).into()
    }

    /// Opens the part that has the devices, and goes there.
    pub fn show_sound(&self) {
        let Some(element) = self.find("sound") else { return };
        drop(element.set_attribute("open", ""));
        if let Some(list) = self.find("microphone") {
            focus(&list);
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
            rows.iter().map(|row| (words(&row.label), words(&row.value), row.code)).collect();
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
            self.append(&item, "time", &self.time(line.at, "medium"));
            self.append(&item, "span", &line.message);
        }
        if lines.is_empty() {
            self.append(&list, "li", &words(&Key::NotYet.into()));
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
