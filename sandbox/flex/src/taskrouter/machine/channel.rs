//! The channels on which tasks reach a worker. Each has a capacity of its own.

use crate::account;

/// A task channel.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TaskChannel {
    Voice,
    /// Conversations of every kind: which it is stands in the attribute `channelType`.
    Chat,
    Sms,
    Email,
    Default,
}

impl TaskChannel {
    pub(crate) const ALL: [Self; 5] = [Self::Voice, Self::Chat, Self::Sms, Self::Email, Self::Default];

    /// The channel that a unique name or a SID names.
    #[must_use]
    pub fn named(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|channel| channel.unique_name() == name || channel.sid() == name)
    }

    /// Its unique name.
    #[must_use]
    pub const fn unique_name(self) -> &'static str {
        match self {
            Self::Voice => "voice",
            Self::Chat => "chat",
            Self::Sms => "sms",
            Self::Email => "email",
            Self::Default => "default",
        }
    }

    fn number(self) -> usize {
        Self::ALL.into_iter().position(|channel| channel == self).unwrap_or_default()
    }

    pub(crate) fn sid(self) -> String {
        format!("TC{:032x}", self.number())
    }

    /// The worker's share of it.
    pub(super) fn worker_channel_sid(self) -> String {
        format!("WC{:032x}", self.number())
    }

    /// The name of its queue and of its workflow, and their SIDs.
    pub(super) const fn route(self) -> (&'static str, &'static str, &'static str) {
        match self {
            Self::Voice => ("Voice", account::TASK_QUEUE_SID, account::WORKFLOW_SID),
            Self::Chat | Self::Sms | Self::Email | Self::Default => {
                ("Chat", account::CHAT_TASK_QUEUE_SID, account::CHAT_WORKFLOW_SID)
            }
        }
    }
}
