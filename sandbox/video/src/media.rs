//! A room's media: who sends what goes to who wants it, frame by frame, without being decoded.

pub(crate) mod facts;
pub mod order;
pub(crate) mod sdp;
pub(crate) mod sfu;
pub(crate) mod signalling;
pub(crate) mod thread;
