//! The service worker of Holdfast: registers with Twilio, and decides who may do what with a call.
//!
//! [`machine`] decides, `shell` carries out. `extension/worker.js` calls [`start`] in the first turn of the worker.

pub mod machine;
