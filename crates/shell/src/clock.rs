//! The one place where a room reads a clock.

use kernel::{Monotonic, Timestamp};
use sansio::Moment;
use wasm_bindgen::prelude::*;

#[wasm_bindgen]
extern "C" {
    /// `performance.now()`, which pages and workers have.
    #[wasm_bindgen(js_namespace = performance, js_name = now)]
    fn performance_now() -> f64;
}

/// A clock that the browser has.
pub trait Clock: Moment {
    /// What it shows. A machine is told; only shells ask.
    fn now() -> Self;
}

impl Clock for Timestamp {
    #[expect(clippy::disallowed_methods, reason = "the one place in the browser that reads the wall clock")]
    fn now() -> Self {
        Self::from_js(js_sys::Date::now()).unwrap_or_default()
    }
}

impl Clock for Monotonic {
    fn now() -> Self {
        Self::from_js(performance_now())
    }
}
