//! The keyboard's focus does not fall off the page.
//!
//! When the control that has the focus goes, browsers give it to nothing, and the next Tab begins at the top; a screen
//! reader falls silent. [`Rescue`] remembers what had it and says where it should go.

use wasm_bindgen::JsCast as _;
use web_sys::{Document, Element, HtmlElement};

/// What had the focus before something changed.
pub struct Rescue {
    before: Option<Before>,
}

struct Before {
    element: Element,
    action: Option<String>,
}

impl Rescue {
    /// Remembers what has the focus now.
    #[must_use]
    pub fn remember(document: &Document) -> Self {
        let element = document.active_element().filter(|element| element.tag_name() != "BODY");
        let returns =
            |element: &Element| element.closest("dialog").ok().flatten()?.get_attribute("data-returns");
        let action = element
            .as_ref()
            .and_then(|element| returns(element).or_else(|| element.get_attribute("data-action")));
        Self { before: element.map(|element| Before { element, action }) }
    }

    /// Gives the focus to where it should be now, if it fell off the page.
    pub fn settle(self, document: &Document) {
        let Some(before) = self.before else { return };
        let fell = document.active_element().is_none_or(|element| element.tag_name() == "BODY");
        if before.element.is_connected() || !fell {
            return;
        }
        let same =
            before.action.and_then(|action| find(document, &["[data-action=\"", &action, "\"]"].concat()));
        if let Some(element) = same.or_else(|| find(document, "[data-rescue]")) {
            drop(element.focus());
        }
    }
}

fn find(document: &Document, selector: &str) -> Option<HtmlElement> {
    document.query_selector(selector).ok().flatten()?.dyn_into().ok()
}
