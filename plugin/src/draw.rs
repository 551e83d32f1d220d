//! Drawing by the page's own React, in the colours of Flex's theme.

use std::cell::RefCell;
use std::rc::Rc;

use js_sys::{Array, Function};
use wasm_bindgen::prelude::*;

use crate::flex::{self, Flex, at, object};
use crate::outcome::warn_on_error;

/// React's ways to draw what is mounted again.
#[derive(Clone, Default)]
pub struct Redraws(Rc<RefCell<Vec<Function>>>);

impl Redraws {
    /// Has everything that is mounted drawn again.
    pub fn draw(&self) {
        let mounted = self.0.borrow().clone();
        for redraw in mounted {
            // React draws again only for a state that differs; a new object always does.
            warn_on_error(redraw.call1(&JsValue::UNDEFINED, &object(&[])));
        }
    }

    /// A React function component with the task and the theme in its props. `after`, where there is one, is called when React has
    /// drawn and the browser has not painted yet.
    pub fn component(
        &self,
        flex: &Flex,
        after: Option<Function>,
        draw: impl Fn(&JsValue) -> Result<JsValue, JsValue> + 'static,
    ) -> JsValue {
        let redraws = self.clone();
        let mount = Closure::<dyn Fn(Function) -> JsValue>::new(move |redraw: Function| {
            redraws.0.borrow_mut().push(redraw.clone());
            let redraws = redraws.clone();
            Closure::once_into_js(move || redraws.0.borrow_mut().retain(|known| *known != redraw))
        })
        .into_js_value();
        let component = Closure::<dyn Fn(JsValue) -> JsValue>::new(move |props: JsValue| {
            let drawn = flex::use_state(&JsValue::NULL).and_then(|state| {
                let effect = mount.unchecked_ref::<Function>().bind1(&JsValue::UNDEFINED, &state.get(1));
                flex::use_effect(effect.unchecked_ref(), &Array::new())?;
                if let Some(after) = &after {
                    flex::use_layout_effect(after)?;
                }
                draw(&props)
            });
            drawn.unwrap_or_else(|error| {
                web_sys::console::warn_2(&JsValue::from_str("Holdfast:"), &error);
                JsValue::NULL
            })
        })
        .into_js_value();
        let with_task = flex.with_task_context(&component).unwrap_or(component);
        flex.with_theme(&with_task).unwrap_or(with_task)
    }
}

/// The colours of Flex's theme.
pub struct Theme {
    pub background: String,
    pub text: String,
    pub weak: String,
    pub border: String,
    pub field: String,
    pub dark: bool,
}

impl Theme {
    pub fn of(props: &JsValue) -> Self {
        let theme = at(props, &["theme"]);
        let dark = at(&theme, &["isLight"]).as_bool() == Some(false);
        let token = |group: &str, name: &str, light: &str, night: &str| {
            flex::text(&theme, &["tokens", group, name])
                .unwrap_or_else(|| if dark { night } else { light }.to_owned())
        };
        Self {
            background: token("backgroundColors", "colorBackgroundBody", "#ffffff", "#121c2d"),
            text: token("textColors", "colorText", "#121c2d", "#ffffff"),
            weak: token("textColors", "colorTextWeak", "#606b85", "#aeb2c1"),
            border: token("borderColors", "colorBorderWeak", "#cacdd8", "#4b5671"),
            field: token("backgroundColors", "colorBackground", "#f4f4f6", "#1f304c"),
            dark,
        }
    }
}

/// Text for screen readers alone.
pub fn unseen() -> JsValue {
    style(&[
        ("position", "absolute"),
        ("width", "1px"),
        ("height", "1px"),
        ("overflow", "hidden"),
        ("clipPath", "inset(50%)"),
        ("whiteSpace", "nowrap"),
    ])
}

pub fn element(kind: &str, props: &[(&str, JsValue)], children: &[JsValue]) -> Result<JsValue, JsValue> {
    flex::create_element_of(&JsValue::from_str(kind), &object(props), &children.iter().collect())
}

pub fn style(rules: &[(&str, &str)]) -> JsValue {
    let rules: Vec<(&str, JsValue)> =
        rules.iter().map(|(name, value)| (*name, JsValue::from_str(value))).collect();
    object(&rules).into()
}
