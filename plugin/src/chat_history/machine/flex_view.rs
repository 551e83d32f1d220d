//! What the machine needs to see of Flex's store.

use crate::service::is_sid;

/// What Flex shows of the agent's tasks.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct FlexView {
    /// All reservations that are pending, accepted or wrapping.
    pub tasks: Vec<TaskView>,
    /// The SID of the task (`WT…`) that the agent looks at.
    pub selected: Option<String>,
    /// The *History* tab is the one that is chosen.
    pub tab_is_ours: bool,
}

/// One task of the agent.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TaskView {
    /// `WT…`.
    pub task: String,
    /// `WR…`.
    pub reservation: String,
    /// How far it is.
    pub status: TaskStatus,
    /// The earlier conversation that its attributes name.
    pub source: Source,
    /// The conversation that it is itself about.
    pub conversation: Option<String>,
}

/// How far a task is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TaskStatus {
    /// It waits for the agent's word.
    Pending,
    /// The agent has it.
    Accepted,
    /// The agent writes up what was.
    Wrapping,
}

/// A task attribute, as it was found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Attribute {
    /// It is not there, or null, or empty.
    Absent,
    /// A text.
    Text(String),
    /// Anything else.
    Other,
}

/// The attributes that may name an earlier conversation, the first one that does so first.
pub const SOURCE_ATTRIBUTES: [&str; 2] = ["sourceConversationSid", "sourceChatChannelSid"];

/// What a task's attributes say of an earlier conversation.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Source {
    /// Nothing.
    #[default]
    None,
    /// They name one. Which one is the service's business, which reads them itself.
    Named,
    /// This attribute is there, and is no conversation's SID.
    Malformed(&'static str),
}

impl Source {
    /// Judges the attributes, in the order of [`SOURCE_ATTRIBUTES`].
    #[must_use]
    pub fn of(attributes: &[Attribute; 2]) -> Self {
        let mut source = Self::None;
        for (name, attribute) in SOURCE_ATTRIBUTES.into_iter().zip(attributes) {
            match attribute {
                Attribute::Text(text) if is_sid("CH", text.trim()) => return Self::Named,
                Attribute::Text(text) if text.trim().is_empty() => {}
                Attribute::Absent => {}
                Attribute::Text(_) | Attribute::Other => {
                    if source == Self::None {
                        source = Self::Malformed(name);
                    }
                }
            }
        }
        source
    }
}
