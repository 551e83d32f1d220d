//! Holdfast's Flex UI 2.x plugin.
//!
//! An agent's call lives in the Chrome extension; this plugin is the page's half. It introduces the page to
//! the extension and hands it Flex tokens, points the worker's `contact_uri` at the extension's client, keeps
//! the agent's activity honest while the voice client cannot take calls, and puts a proxy of the
//! extension's call into Flex's store, so that Flex's own mute, hang-up and keypad work, also after a reload. Beside that it shows what the
//! customer wrote before a task began, and takes a chat to a video call, where that is switched on.
//!
//! Each subject has a directory of its own with a machine, which decides without a browser and is natively tested, and a shell
//! (WASM only), which turns what happens in Flex into events and carries out commands: [`voice`], [`chat_history`], [`video`]. What more than one page needs
//! to keep hold of the extension is the crate `lifeline`. `flex` binds Flex, `shell` starts it all.

pub mod by_key;
pub mod chat_history;
pub mod service;
pub mod video;
pub mod voice;
pub mod words;

pub use voice::machine;

#[cfg(target_arch = "wasm32")]
mod ask;
#[cfg(target_arch = "wasm32")]
mod draw;
#[cfg(target_arch = "wasm32")]
mod flex;
#[cfg(target_arch = "wasm32")]
mod outcome;
#[cfg(target_arch = "wasm32")]
mod shell;
#[cfg(target_arch = "wasm32")]
mod tab_storage;
#[cfg(target_arch = "wasm32")]
mod windows;
