//! A list to choose one of.

use std::sync::Arc;

use leptos::prelude::Effect;
use wasm_bindgen::JsCast as _;
use web_sys::HtmlSelectElement;

use crate::tree::{El, el, list};

/// What can be chosen, and what is.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Choices {
    /// What they are called.
    pub names: Vec<String>,
    /// Which of them is chosen.
    pub chosen: usize,
}

/// The browser's own list, which every keyboard, phone and screen reader knows, with its label. `choose` is told the place of
/// what a person chose; what is shown as chosen is what `choices` says, once it says so.
#[must_use]
pub fn choice(
    label: impl FnMut() -> String + Send + 'static,
    choices: impl Fn() -> Choices + Send + Sync + 'static,
    choose: impl Fn(usize) + 'static,
) -> El {
    let choices: Arc<dyn Fn() -> Choices + Send + Sync> = Arc::new(choices);
    let (how_many, name, chosen) = (Arc::clone(&choices), Arc::clone(&choices), choices);
    let keys = move || (0..how_many().names.len() as u64).collect();
    let option = move |key: u64| {
        let name = Arc::clone(&name);
        let at = usize::try_from(key).unwrap_or_default();
        el("option", "").live_text(move || name().names.get(at).cloned().unwrap_or_default()).done()
    };
    let select = el("select", "")
        .on("change", move |event| {
            let list = event.target().and_then(|target| target.dyn_into::<HtmlSelectElement>().ok());
            if let Some(at) = list.and_then(|list| usize::try_from(list.selected_index()).ok()) {
                choose(at);
            }
        })
        .made(move |element| {
            let Ok(element) = element.dyn_into::<HtmlSelectElement>() else { return };
            let chosen = Arc::clone(&chosen);
            // After the options, which subscribe earlier. The attribute `selected` is only where a list begins.
            Effect::new(move |_: Option<()>| {
                if let Ok(at) = i32::try_from(chosen().chosen)
                    && element.selected_index() != at
                {
                    element.set_selected_index(at);
                }
            });
        })
        .child(list(keys, option));
    el("label", "choice").child(el("span", "name").live_text(label)).child(select)
}
