//! content-wasm
