//! Parts that more than one page has, built once when a page starts: an element with `data-part="card"` or
//! `data-part="sound"` gets its content from here.

use wasm_bindgen::JsCast;
use web_sys::{Document, Element, HtmlElement};

use crate::{
    text::{Key, Text},
    tone::Tone,
};

const SVG: &str = "http://www.w3.org/2000/svg";

/// The icon of a tone, as the `d` of an SVG path. Each has a shape of its own: colour alone says nothing to some.
pub const fn icon(tone: Tone) -> &'static str {
    match tone {
        Tone::Quiet => "M5.5 12h.1M12 12h.1M18.5 12h.1",
        Tone::Ready => "M5 12.5l4.5 4.5L19 7.5",
        Tone::Call => {
            "M6.5 3.5h3l1.5 4-2 1.5a12 12 0 0 0 6 6l1.5-2 4 1.5v3a2 2 0 0 1-2 2A16 16 0 0 1 4.5 5.5a2 2 0 0 1 2-2z"
        }
        Tone::Muted => {
            "M9 9.5V11a3 3 0 0 0 4.8 2.4M15 11V6a3 3 0 0 0-5.7-1.3M5.5 11.5a6.5 6.5 0 0 0 10.3 5.3M18.5 11.5c0 \
             1-.2 1.9-.6 2.7M12 18v3M4 4l16 16"
        }
        Tone::Hold => "M9 5.5v13M15 5.5v13",
        Tone::Busy => "M12 3.5a8.5 8.5 0 1 1-8.2 6.3",
        Tone::Waiting => "M12 3.5a8.5 8.5 0 1 0 0 17a8.5 8.5 0 1 0 0-17M12 7v5.5l3.5 2",
        Tone::Problem => "M12 4L2.8 19.5h18.4zM12 10v4.5M12 17v.1",
    }
}

/// Fills every part of the page.
pub fn build(document: &Document) {
    let Ok(places) = document.query_selector_all("[data-part]") else { return };
    let builder = Builder { document };
    for place in (0..places.length()).filter_map(|index| places.get(index)?.dyn_into::<Element>().ok()) {
        // Creating elements with constant names does not fail.
        let built = match place.get_attribute("data-part").as_deref() {
            Some("card") => builder.card(&place),
            Some("sound") => builder.sound(&place),
            _ => None,
        };
        if built.is_none() {
            webext::console_warn("a part of this page is unknown");
        }
    }
}

/// An `<svg>` with one path.
pub fn svg(document: &Document, path: &str, id: Option<&str>) -> Option<Element> {
    let svg = document.create_element_ns(Some(SVG), "svg").ok()?;
    for (name, value) in [("class", "icon"), ("viewBox", "0 0 24 24"), ("aria-hidden", "true")] {
        svg.set_attribute(name, value).ok()?;
    }
    let line = document.create_element_ns(Some(SVG), "path").ok()?;
    line.set_attribute("d", path).ok()?;
    if let Some(id) = id {
        line.set_attribute("id", id).ok()?;
    }
    svg.append_child(&line).ok()?;
    Some(svg)
}

struct Builder<'a> {
    document: &'a Document,
}

impl Builder<'_> {
    fn element(&self, parent: &Element, tag: &str, attributes: &[(&str, &str)]) -> Option<Element> {
        let element = self.document.create_element(tag).ok()?;
        for (name, value) in attributes {
            element.set_attribute(name, value).ok()?;
        }
        parent.append_child(&element).ok()?;
        Some(element)
    }

    fn hidden(element: &Element) -> Option<()> {
        element.dyn_ref::<HtmlElement>()?.set_hidden(true);
        Some(())
    }

    /// An icon in a disc, a heading, a sentence, and a button, around what the element has already.
    fn card(&self, place: &Element) -> Option<()> {
        let id = place.id();
        let glyph = self.element(place, "span", &[("class", "glyph")])?;
        let icon = svg(self.document, "", Some(&format!("{id}-glyph")))?;
        glyph.append_child(&icon).ok()?;
        let words = self.element(place, "div", &[("class", "words")])?;
        // An alert announces its content itself.
        if place.closest("[role=alert]").ok()?.is_none() {
            words.set_attribute("role", "status").ok()?;
        }
        self.element(&words, "h2", &[("id", &format!("{id}-title")), ("tabindex", "-1")])?;
        for (part, class) in [("help", ""), ("retrying", "retrying")] {
            let line = self.element(&words, "p", &[("id", &format!("{id}-{part}")), ("class", class)])?;
            Self::hidden(&line)?;
        }
        let first = place.first_child();
        place.insert_before(&words, first.as_ref()).ok()?;
        place.insert_before(&glyph, Some(&words)).ok()?;
        let button = [
            ("id", format!("{id}-button")),
            ("class", "button primary wide".into()),
            ("type", "button".into()),
        ];
        let button =
            self.element(place, "button", &button.each_ref().map(|(name, value)| (*name, value.as_str())))?;
        Self::hidden(&button)
    }

    /// Microphone, speaker and volume, with their tests.
    fn sound(&self, place: &Element) -> Option<()> {
        // The popup has it where it is seen also while the devices are folded away.
        if self.document.get_element_by_id("sound-missing").is_none() {
            let notes = self.element(place, "div", &[("role", "status")])?;
            let missing = self.element(&notes, "ul", &[("id", "sound-missing"), ("class", "notice warn")])?;
            Self::hidden(&missing)?;
        }
        let managed = self.element(place, "p", &[("id", "sound-managed"), ("class", "soft")])?;
        managed.set_text_content(Some(&words(Key::SoundManaged)));
        Self::hidden(&managed)?;

        let fields = self.element(place, "div", &[("class", "fields")])?;
        self.label(&fields, "microphone", Key::Microphone)?;
        self.element(&fields, "select", &[("id", "microphone"), ("data-device", "microphone")])?;
        let test = self.element(&fields, "div", &[("class", "test")])?;
        self.button(&test, "test-microphone", Key::TestMicrophone)?
            .set_attribute("aria-pressed", "false")
            .ok()?;
        let label = words(Key::MicrophoneLevel);
        let meter = [
            ("id", "level"),
            ("min", "0"),
            ("max", "100"),
            ("low", "5"),
            ("high", "90"),
            ("optimum", "50"),
            ("value", "0"),
            ("aria-label", &label),
        ];
        self.element(&test, "meter", &meter)?;

        self.label(&fields, "speaker", Key::Speaker)?;
        self.element(&fields, "select", &[("id", "speaker"), ("data-device", "speaker")])?;
        let test = self.element(&fields, "div", &[("class", "test")])?;
        self.button(&test, "test-speaker", Key::TestSpeaker)?;

        self.label(&fields, "volume", Key::Volume)?;
        let row = self.element(&fields, "div", &[("class", "slider")])?;
        let slider = [("id", "volume"), ("type", "range"), ("min", "0"), ("max", "100"), ("step", "5")];
        self.element(&row, "input", &slider)?;
        self.element(&row, "output", &[("id", "volume-value"), ("for", "volume"), ("aria-live", "off")])?;
        Some(())
    }

    fn label(&self, parent: &Element, id: &str, key: Key) -> Option<()> {
        let label = self.element(parent, "label", &[("for", id)])?;
        label.set_text_content(Some(&words(key)));
        Some(())
    }

    fn button(&self, parent: &Element, name: &str, key: Key) -> Option<Element> {
        let attributes = [("id", name), ("class", "button small"), ("type", "button"), ("data-action", name)];
        let button = self.element(parent, "button", &attributes)?;
        button.set_text_content(Some(&words(key)));
        Some(button)
    }
}

fn words(key: Key) -> String {
    crate::dom::words(&Text::Key(key))
}
