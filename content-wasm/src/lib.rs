//! The content script: the proxy between a Flex page and the worker.
//!
//! It runs in every `https://flex.twilio.com/*` page, as one classic script: a page's Content-Security-Policy forbids
//! WebAssembly on many pages, also in the isolated world, so this crate's WASM is turned into JavaScript by
//! `wasm2js`. It is therefore kept small, and nothing that crosses its JavaScript boundary is a 64-bit integer.
//!
//! * [`machine`] decides: what of the page's messages to believe, when to connect, what to say again to a worker that
//!   was restarted, and when it is all over.
//! * [`shell`] carries out.

pub mod machine;
#[cfg(target_arch = "wasm32")]
pub mod shell;

#[cfg(target_arch = "wasm32")]
mod entry {
    use wasm_bindgen::prelude::*;

    /// Starts the proxy. A second injection into the same page does nothing while the first one lives.
    #[wasm_bindgen]
    pub fn start() {
        crate::shell::start();
    }
}
