//! What a notification says, and which are shown.

use std::collections::BTreeMap;

use protocol::ProblemCode;
use serde::{Deserialize, Serialize};

#[derive(
    Clone,
    Copy,
    Debug,
    PartialEq,
    Eq,
    PartialOrd,
    Ord,
    Hash,
    Serialize,
    Deserialize,
    wire::ToTree,
    wire::FromTree,
)]
#[serde(rename_all = "camelCase")]
pub enum NoticeId {
    Call,
    /// The call that waits.
    Waiting,
    /// Something that the agent has to do something about.
    Trouble,
}

/// What a notification says.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, wire::ToTree, wire::FromTree)]
#[serde(rename_all = "camelCase")]
pub enum Notice {
    /// A call, with buttons to mute and to hang up.
    Call {
        /// The caller, as the gateway names it.
        from: Option<String>,
        /// True while the microphone is muted.
        muted: bool,
    },
    /// A call that waits, with buttons to answer and to decline.
    Waiting {
        from: Option<String>,
        /// True while another is live, which answering hangs up.
        hangs_up: bool,
        /// True when Flex does not know of it.
        unexpected: bool,
    },
    Trouble {
        /// Of which kind: there are words for each.
        code: ProblemCode,
    },
}

/// The notifications that Chrome shows, as far as this machine knows; also over a restart, so that none comes twice.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, wire::ToTree, wire::FromTree)]
#[serde(default)]
pub struct Notices {
    shown: BTreeMap<NoticeId, Notice>,
    /// What the agent has put away; forgotten when its reason is over.
    dismissed: BTreeMap<NoticeId, Notice>,
}

impl Notices {
    pub(super) fn shown(&self, id: NoticeId) -> Option<&Notice> {
        self.shown.get(&id)
    }

    /// There is this to say. `None` when it is shown, or was put away; else whether one of that id is to be changed in place.
    pub(super) fn show(&mut self, id: NoticeId, notice: &Notice) -> Option<bool> {
        // A call stays the same call when it is muted; other trouble is other trouble.
        let is_put_away = match self.dismissed.get(&id) {
            None => false,
            Some(dismissed) => id != NoticeId::Trouble || dismissed == notice,
        };
        if is_put_away || self.shown.get(&id) == Some(notice) {
            return None;
        }
        self.dismissed.remove(&id);
        Some(self.shown.insert(id, notice.clone()).is_some())
    }

    /// There is nothing to say any more. True when something is shown.
    pub(super) fn withdraw(&mut self, id: NoticeId) -> bool {
        self.dismissed.remove(&id);
        self.shown.remove(&id).is_some()
    }

    /// The agent has put one away.
    pub(super) fn dismiss(&mut self, id: NoticeId) {
        if let Some(notice) = self.shown.remove(&id) {
            self.dismissed.insert(id, notice);
        }
    }

    /// What one spoke of is over, and the next of that kind is news.
    pub(super) fn is_over(&mut self, id: NoticeId) {
        self.dismissed.remove(&id);
    }
}

/// The keys that a person presses anywhere in Chrome (`chrome.commands`).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Shortcut {
    /// Mute, or unmute.
    Mute,
    /// Hang up.
    HangUp,
    /// Answer the call that waits.
    AnswerWaiting,
}

impl Shortcut {
    /// By its name in the manifest.
    #[must_use]
    pub fn named(name: &str) -> Option<Self> {
        match name {
            "mute" => Some(Self::Mute),
            "hang-up" => Some(Self::HangUp),
            "answer-waiting" => Some(Self::AnswerWaiting),
            _ => None,
        }
    }
}
