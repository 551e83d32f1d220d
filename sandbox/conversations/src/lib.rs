//! Twilio Conversations on a laptop: one store, and the ways in which clients and servers reach it.
//!
//! | module | hosts | what |
//! |---|---|---|
//! | [`store`] | – | conversations, participants, messages, users: a pure machine, in terms of [`model`] and [`change`] |
//! | [`sync`] | `cds.us1.twilio.com`, inside Twilsock | maps, documents, lists, subscriptions, replay |
//! | `backend` | `aim.us1.twilio.com`, inside Twilsock | what the Conversations SDK asks |
//! | `twilsock`, `sessions` | `tsock.us1.twilio.com` | the socket that carries both, and whose it is |
//! | `rest` | `conversations.twilio.com` | what servers ask |
//! | `webhooks`, `gate` | – | what servers are asked and told |
//! | `mcs` | `mcs.us1.twilio.com`, `media.us1.twilio.com` | files |
//!
//! ```text
//! SDK ---- backend --\
//! REST --------------- Conversations::submit -- Gate (pre-webhooks) -- Store -- projection -- Sync -- SDK
//! customers ---------/                                                     \-- Notice (post-webhooks, log)
//! ```
//!
//! Every change goes through [`Conversations::apply`], or [`Conversations::submit`], which first asks the [`Gate`].
//!
//! A sandbox proves our software against Twilio's *clients*, not against Twilio's servers. Where a server's behaviour was
//! not seen but concluded, the comment says "Inferred:".

mod backend;
pub mod change;
mod clock;
mod fault;
mod files;
mod gate;
mod handle;
mod mcs;
pub mod model;
mod projection;
mod rest;
mod router;
mod sessions;
pub mod store;
pub mod sync;
pub mod token;
mod twilsock;
mod webhooks;

pub use fault::Fault;
pub use handle::{Config, Conversations, Gate, Gated, WeakConversations};
pub use rest::{REST_HOST, Rest};
pub use sandbox_kit::fault::{FaultId, Interference};
