//! What the machine needs to see of Flex's store.

/// What Flex shows of the agent's tasks.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct FlexView {
    /// The tasks that are accepted, or were until just now.
    pub tasks: Vec<TaskView>,
    /// The SID of the task (`WT…`) that the agent looks at.
    pub selected: Option<String>,
    /// A voice call of the agent is live.
    pub call_live: bool,
}

/// One task of the agent.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TaskView {
    /// `WT…`.
    pub task: String,
    /// Whether the agent has it still.
    pub status: TaskStatus,
    /// What it is about.
    pub kind: TaskKind,
    /// The conversation that it is about (`CH…`).
    pub conversation: Option<String>,
    /// What its attributes say of consent to recording.
    pub consent: Option<String>,
}

/// Whether the agent has a task still.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TaskStatus {
    /// The agent has it.
    Accepted,
    /// It is being wrapped up, completed, canceled, or handed to somebody else.
    Over,
}

/// What a task is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TaskKind {
    /// A chat, by whatever channel.
    Chat,
    /// A voice call.
    Call,
    /// Anything else, as e-mail: no link is sent there.
    Other,
}
