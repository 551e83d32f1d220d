//! Twilio's Flex cloud, in memory: enough of it that the real Flex UI 2.x boots in a browser, shows an agent, takes a
//! voice reservation to a live call or a chat, survives a reload, wraps up and completes.
//!
//! One module per Twilio product; each answers for the hosts it names:
//!
//! | module | hosts | what |
//! |---|---|---|
//! | [`iam`] | `iam.twilio.com` | Flex tokens: issue, validate, refresh |
//! | `flex_api` | `flex-api.twilio.com`, part of `flex.twilio.com` | configuration, session, plugins list |
//! | [`taskrouter`] | `event-bridge.twilio.com`, `taskrouter.twilio.com` | worker, activities, tasks, reservations, and their events; the REST API |
//! | `host` | `flex.twilio.com` | the page that loads Flex UI and logs the agent in; cosmetics |
//!
//! Sync and Conversations are the crate `sandbox-conversations`, which this one starts and serves; see
//! [`FlexCloud::conversations`].
//!
//! Voice is not here: the voice gateway is another crate. The two meet at [`FlexCloud`]: this crate asks for an agent
//! to be called ([`LegCommand`]), and is told how the agent's leg went.
//!
//! A sandbox proves our software against Twilio's *clients*, not against Twilio's servers. Where a server's behaviour
//! was not seen but concluded, the comment says "Inferred:".

#![recursion_limit = "256"] // the Flex Configuration is one large json!

pub mod account;
mod api;
mod clock;
mod event;
mod fault;
mod flex_api;
mod host;
pub mod iam;
mod interference;
mod plugins_api;
mod router;
mod state;
pub mod taskrouter;

pub use api::{
    ChannelType, ChatTask, FarEnd, FlexBundle, Holder, LegCommand, LegEnd, Line, NewChatTask, Outcome,
    PluginFile, Settings, Unreached, VoiceTask,
};
pub use event::LogEvent;
pub use fault::{Fault, HttpTarget};
pub use sandbox_kit::fault::FaultId;
pub use state::{EventCallback, FlexCloud, UnknownActivity};
