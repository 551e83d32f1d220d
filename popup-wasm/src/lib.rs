//! Popup, welcome and options pages: pure views of the worker's state.
//!
//! All three are one program. [`machine`] holds what the pages know and decides what a click does, [`view`] turns
//! that into words and buttons, and [`shell`] with [`dom`] puts these on the page. Each page's HTML has the elements
//! that the page shows; what a page has no element for is not drawn.

mod dom;
mod machine;
mod parts;
mod quality;
mod report;
mod shell;
mod text;
mod tone;
mod view;

use wasm_bindgen::prelude::wasm_bindgen;

/// Starts the page. `page` is the body's `data-page`, and only says in an error which page failed.
///
/// Called once by `extension/page.js`, as soon as the module is loaded.
#[wasm_bindgen]
pub fn start(page: &str) {
    console_error_panic_hook::set_once();
    shell::start(page);
}
