//! Drawing by the page's own React, in the colours of Flex's theme.

use wasm_bindgen::prelude::*;

use crate::flex::{self, at, object};

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
