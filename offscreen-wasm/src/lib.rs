//! offscreen-wasm
