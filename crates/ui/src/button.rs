//! Buttons.

use std::sync::Arc;

use crate::tree::{El, drawing, el, when};

/// How a button stands just now.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ButtonState {
    /// What it says.
    pub label: String,
    /// Its drawing, out of [`crate::icon`]; empty for none.
    pub icon: &'static str,
    /// For `data-tone`, which the sheet knows: `primary`, `plain`, `danger`.
    pub tone: &'static str,
    /// For `data-action`: what it does, for tests and for [`crate::focus`].
    pub action: &'static str,
    /// False: it stays where it is and can have the focus, but does nothing.
    pub enabled: bool,
    /// What it does is under way: it does not do it again.
    pub busy: bool,
}

/// A button that follows what `state` reads. One that does nothing now is `aria-disabled` and keeps the keyboard's focus: the
/// attribute `disabled` would throw it off the page's order.
#[must_use]
pub fn button(state: impl Fn() -> ButtonState + Send + Sync + 'static, press: impl Fn() + 'static) -> El {
    described(Arc::new(state), Box::new(press))
}

/// Not generic, so that there is one of it.
fn described(state: Arc<dyn Fn() -> ButtonState + Send + Sync>, press: Box<dyn Fn()>) -> El {
    let of = |read: fn(ButtonState) -> Option<String>| {
        let state = Arc::clone(&state);
        move || read(state())
    };
    let (has_icon, path, label) = (Arc::clone(&state), Arc::clone(&state), Arc::clone(&state));
    el("button", "button")
        .fixed("type", "button")
        .live("data-tone", of(|state| Some(state.tone.to_owned())))
        .live("data-action", of(|state| Some(state.action.to_owned())))
        .live("aria-disabled", of(|state| (!state.enabled).then(|| "true".to_owned())))
        .live("aria-busy", of(|state| state.busy.then(|| "true".to_owned())))
        .on("click", move |_| {
            let state = state();
            if state.enabled && !state.busy {
                press();
            }
        })
        .child(when(
            move || !has_icon().icon.is_empty(),
            move || {
                let path = Arc::clone(&path);
                drawing(move || path().icon)
            },
        ))
        .child(el("span", "label").live_text(move || label().label))
}
