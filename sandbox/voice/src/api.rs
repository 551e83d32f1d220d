//! What the rest of the sandbox sees of the voice side: one cheap handle, and what is said over it.

pub mod handle;
pub mod types;
