//! How what is shown stands.

/// How something stands. Drawn as colour and as an icon, and always said in words too.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Tone {
    /// Nothing to say yet.
    Quiet,
    /// All is well.
    Ready,
    /// A call is live.
    Call,
    /// A call is live and the caller does not hear the agent.
    Muted,
    /// A call is live, and Flex holds the customer.
    Hold,
    /// Not yet; working on it by itself.
    Busy,
    /// Somebody must do something that is not a fault.
    Waiting,
    /// A fault.
    Problem,
}

impl Tone {
    /// The value of `data-tone`.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Quiet => "quiet",
            Self::Ready => "ready",
            Self::Call => "call",
            Self::Muted => "muted",
            Self::Hold => "hold",
            Self::Busy => "busy",
            Self::Waiting => "waiting",
            Self::Problem => "problem",
        }
    }
}
