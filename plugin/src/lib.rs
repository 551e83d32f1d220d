//! Holdfast's Flex UI 2.x plugin.
//!
//! An agent's call lives in the Chrome extension; this plugin is the page's half. It introduces the page to
//! the extension and hands it Flex tokens, points the worker's `contact_uri` at the extension's client, keeps
//! the agent's activity honest while the voice client cannot take calls, and puts a stand-in for the
//! extension's call into Flex's store, so that Flex's own mute, hang-up and keypad work, also after a reload.
//!
//! [`machine`] decides, without a browser and natively tested. The shell (WASM only) turns what happens in
//! Flex into events and carries out commands.

pub mod voice;

pub use voice::machine;

#[cfg(target_arch = "wasm32")]
mod flex;
