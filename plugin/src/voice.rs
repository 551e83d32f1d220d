//! The agent's calls: the page's half of the voice client.

pub mod machine;

#[cfg(target_arch = "wasm32")]
mod shell;

#[cfg(target_arch = "wasm32")]
pub use shell::serve;
