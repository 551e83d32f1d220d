//! The service worker of Holdfast: registers with Twilio, and decides who may do what with a call.
//!
//! [`machine`] decides, `shell` carries out. `extension/worker.js` calls [`start`] in the worker's first
//! turn.

pub mod machine;
pub mod reading;
mod shell;

use wasm_bindgen::prelude::*;

/// Registers every listener before it returns, then reads the saved state: Chrome forgets what a service
/// worker registers after its first turn.
#[wasm_bindgen]
pub fn start() {
    console_error_panic_hook::set_once();
    shell::start();
}
