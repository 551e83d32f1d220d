//! The offscreen document: it accepts the call, and owns the microphone and the speaker.
//!
//! It stays open while the extension is registered, so that a call finds everything built, and it outlives the worker,
//! which Chrome may kill at any time. Nothing that happens to the Flex page or to the worker touches its call.
//!
//! * [`machine`] decides: when a `Device` is built and which token it gets, what becomes of a call, when to reach for
//!   the worker again.
//! * [`shell`] carries out, with the Voice SDK that `offscreen.html` has loaded.

pub mod machine;
#[cfg(target_arch = "wasm32")]
pub mod shell;
pub mod tone;

#[cfg(target_arch = "wasm32")]
mod entry {
    use wasm_bindgen::prelude::*;

    /// Starts the document's work: called once, by `offscreen.js`.
    #[wasm_bindgen]
    pub fn start() {
        console_error_panic_hook::set_once();
        crate::shell::start();
    }
}
