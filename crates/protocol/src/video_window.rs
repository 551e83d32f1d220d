//! The hop of the agent's video window: an extension page of its own, over the [`crate::port::VIDEO`] port.
//!
//! The page's address is `video.html#<key>`. The key is the worker's: the [`VideoKey`] by which the Flex page names the
//! session, a dot, and a word that is another for each agent, so that two agents at one desk never share a window or what it
//! has stored. Links never stand in an address.

use serde::{Deserialize, Serialize};

kernel::identifier! {
    /// What a Flex page names a video session by: a conversation's or a task's SID, or any other name of 1 to 64 letters and digits.
    #[cfg_attr(test, derive(ts_rs::TS))]
    VideoKey, "name of a video session (letters and digits)", |v| {
        (1..=64).contains(&v.len()) && v.bytes().all(|b| b.is_ascii_alphanumeric())
    }
}

/// From the window to the worker.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, wire::ToTree, wire::FromTree, wire::Named)]
#[cfg_attr(test, derive(ts_rs::TS))]
#[serde(tag = "type", rename_all = "camelCase")]
pub enum FromVideoWindow {
    /// The page is there; said once for each port.
    Hello {
        /// Out of its address.
        key: String,
    },
    /// It is in the room, or not: while it is, the extension is not updated.
    InRoom {
        /// Whether.
        on: bool,
    },
    /// It is over; the key is free.
    Over,
}

/// From the worker to the window.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize, wire::ToTree, wire::FromTree, wire::Named)]
#[cfg_attr(test, derive(ts_rs::TS))]
#[serde(tag = "type", rename_all = "camelCase")]
pub enum ToVideoWindow {
    /// What to join, as soon as it is known.
    Link {
        /// Where the service is: the origin that the agent has agreed to.
        service: String,
        /// As in [`crate::video::VideoOpened::agent_link`].
        link: String,
    },
    /// The session could not be opened.
    Failed {
        /// What the page said of it, for the agent.
        message: String,
    },
    /// Whether a call of the agent is live: then no microphone is published. Said after the hello and at each change.
    Call {
        /// Whether.
        live: bool,
    },
}

impl std::fmt::Debug for ToVideoWindow {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        // A link lets its holder in.
        f.write_str(self.name())
    }
}
