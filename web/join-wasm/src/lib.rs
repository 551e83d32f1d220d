//! The page of a video call: the customer's, and the agent's tab and window.
//!
//! [`machine`] decides and [`view`] says what is shown; both are pure and are tested natively. The shell carries out what the machine wants,
//! and the drawing makes elements of the view.

#![warn(missing_docs)]

#[cfg(target_arch = "wasm32")]
pub mod draw;
pub mod machine;
#[cfg(target_arch = "wasm32")]
pub mod shell;
pub mod view;
mod words;

/// Starts the page. `page` is what the page calls itself, and only says in an error which page failed.
///
/// Called once by `static/join.js`, as soon as this module and the SDK are loaded.
#[cfg(target_arch = "wasm32")]
#[wasm_bindgen::prelude::wasm_bindgen]
pub fn start(_page: &str) {
    console_error_panic_hook::set_once();
    shell::start(draw::mount);
}
