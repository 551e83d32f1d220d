//! An agent's chat goes on face to face: the button in a task's header, and the card above the task while a call is there.

pub mod machine;

#[cfg(target_arch = "wasm32")]
mod shell;

#[cfg(target_arch = "wasm32")]
pub use shell::serve;
