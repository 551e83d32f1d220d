//! The item in Flex's main header that says how voice stands.

use std::cell::RefCell;
use std::rc::Rc;

use js_sys::{Array, Function, Object};
use wasm_bindgen::prelude::*;

use crate::flex::{self, Flex, object};
use crate::machine::{StatusLine, Tone};

#[derive(Default)]
struct Shared {
    line: RefCell<Option<StatusLine>>,
    /// React's way to draw the mounted item again.
    redraw: RefCell<Option<Function>>,
}

/// The header item.
pub struct Header(Rc<Shared>);

impl Header {
    /// An item that is not shown yet.
    pub fn new() -> Self {
        Self(Rc::default())
    }

    /// Adds the item to Flex's main header.
    pub fn add_to(&self, flex: &Flex) {
        let component = self.component();
        let props = object(&[("key", JsValue::from_str("holdfast-voice-status"))]);
        let Ok(element) = flex::create_element(&component, &props, &JsValue::UNDEFINED) else { return };
        let place = object(&[("sortOrder", JsValue::from_f64(-1.0)), ("align", JsValue::from_str("end"))]);
        super::warn_on_error(flex.main_header().content().add(&element, &place));
    }

    /// Shows a line.
    pub fn show(&self, line: StatusLine) {
        self.0.line.replace(Some(line));
        let redraw = self.0.redraw.borrow().clone();
        if let Some(redraw) = redraw {
            // React draws again only for a state that differs; a new object always does.
            super::warn_on_error(redraw.call1(&JsValue::UNDEFINED, &Object::new()));
        }
    }

    /// A React function component. Its effect keeps React's state setter while the item is mounted.
    fn component(&self) -> JsValue {
        let shared = Rc::clone(&self.0);
        let unmount = Closure::<dyn Fn()>::new(move || drop(shared.redraw.take())).into_js_value();
        let shared = Rc::clone(&self.0);
        let mount = Closure::<dyn Fn(Function) -> JsValue>::new(move |redraw: Function| {
            shared.redraw.replace(Some(redraw));
            unmount.clone()
        })
        .into_js_value();
        let shared = Rc::clone(&self.0);
        Closure::<dyn Fn() -> JsValue>::new(move || {
            let drawn = flex::use_state(&JsValue::NULL).and_then(|state| {
                let setter = state.get(1);
                let effect = mount.unchecked_ref::<Function>().bind1(&JsValue::UNDEFINED, &setter);
                flex::use_effect(effect.unchecked_ref(), &Array::new())?;
                shared.line.borrow().as_ref().map_or(Ok(JsValue::NULL), draw)
            });
            drawn.unwrap_or(JsValue::NULL)
        })
        .into_js_value()
    }
}

fn draw(line: &StatusLine) -> Result<JsValue, JsValue> {
    // White on each of these has a contrast of at least 4.5:1, and they do not depend on Flex's theme.
    let (colour, symbol) = match line.tone {
        Tone::Ready => ("#0e7c3a", "✓"),
        Tone::Call => ("#0263e0", "☎"),
        Tone::Connecting => ("#606b85", "…"),
        Tone::Problem => ("#b3261e", "!"),
    };
    let pill = style(&[
        ("display", "flex"),
        ("alignItems", "center"),
        ("gap", "6px"),
        ("maxWidth", "min(46vw, 640px)"),
        ("margin", "0 12px"),
        ("padding", "3px 10px"),
        ("borderRadius", "12px"),
        ("fontSize", "13px"),
        ("lineHeight", "18px"),
        ("color", "#ffffff"),
        ("backgroundColor", colour),
    ]);
    let clipped = style(&[("overflow", "hidden"), ("textOverflow", "ellipsis"), ("whiteSpace", "nowrap")]);
    let icon = flex::create_element(
        &JsValue::from_str("span"),
        &object(&[("aria-hidden", JsValue::TRUE)]),
        &JsValue::from_str(symbol),
    )?;
    let text = flex::create_element(
        &JsValue::from_str("span"),
        &object(&[("style", clipped)]),
        &JsValue::from_str(&line.text),
    )?;
    flex::create_element2(
        &JsValue::from_str("div"),
        &object(&[
            ("role", JsValue::from_str("status")),
            ("aria-live", JsValue::from_str("polite")),
            ("className", JsValue::from_str("Holdfast-VoiceStatus")),
            ("data-testid", JsValue::from_str("holdfast-voice-status")),
            ("title", JsValue::from_str(&line.title)),
            ("style", pill),
        ]),
        &icon,
        &text,
    )
}

fn style(rules: &[(&str, &str)]) -> JsValue {
    let rules: Vec<(&str, JsValue)> =
        rules.iter().map(|(name, value)| (*name, JsValue::from_str(value))).collect();
    object(&rules).into()
}
