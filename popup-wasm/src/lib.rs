//! popup-wasm
