//! What the customer wrote before: the *History* tab beside the task's own chat, and what stands above both.

pub mod machine;

#[cfg(target_arch = "wasm32")]
mod shell;

#[cfg(target_arch = "wasm32")]
pub use shell::serve;
