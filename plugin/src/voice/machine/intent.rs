//! What the agent is about to do in Flex.

/// What the agent is about to do that needs the voice client.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Intent {
    /// Accept a voice task (`AcceptTask`).
    AcceptCall,
    /// Call somebody (`StartOutboundCall`).
    DialOut,
    /// Listen to a colleague's call (`MonitorCall`).
    Monitor,
    /// Choose the activity that is for agents without voice (`SetActivity`).
    ChooseOffline { activity: String },
    /// Choose an activity in which tasks come (`SetActivity`).
    ChooseAvailable { activity: String },
}

/// An activity as `SetActivity` is given it: any one of these.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ActivityChoice {
    /// By SID.
    pub sid: Option<String>,
    /// By name.
    pub name: Option<String>,
    /// Any that is available, or is not.
    pub available: Option<bool>,
}

/// One of Flex's actions that act on the store's call.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Control {
    /// `HangupCall`.
    HangUp,
    /// Any other.
    Other,
}
