//! What the machine needs to see of Flex's store.

use kernel::Identity;
use protocol::page::ExpectReason;

/// Flex's session, as its store shows it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum FlexSession {
    /// The agent is logged in.
    #[default]
    Live,
    /// Flex has logged the agent out.
    LoggedOut,
    /// The session ended without a logout: its token expired, or the agent went on in another place.
    Ended,
}

/// One of the workspace's activities.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Activity {
    /// The activity's SID (`WA…`).
    pub sid: String,
    /// Its name, as agents see it.
    pub name: String,
    /// True when a worker in it is given tasks.
    pub available: bool,
}

/// An accepted voice task in Flex.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct VoiceTask {
    /// The agent leg's call SID, where Flex already knows it.
    pub worker_call_sid: Option<String>,
    /// The customer, as the task names it.
    pub from: Option<String>,
    /// Flex holds the customer; `None` while it does not know.
    pub on_hold: Option<bool>,
}

/// A call that TaskRouter has reserved for this agent, or that they have.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct VoiceReservation {
    /// The reservation's SID (`WR…`).
    pub sid: String,
    /// Its task's SID (`WT…`).
    pub task_sid: String,
    /// It is accepted, whoever did it. Otherwise it is pending.
    pub accepted: bool,
    /// What its call is expected for.
    pub reason: ExpectReason,
}

/// Whose call is `flex.phone.activeCall` in Flex's store.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum ActiveCall {
    /// There is none.
    #[default]
    None,
    /// The proxy that this plugin put there.
    Ours,
    /// Somebody else's: Flex's own softphone, or another plugin.
    Foreign,
}

/// What the machine needs to see of Flex's store.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct FlexView {
    /// The worker attribute `extensionVoiceClientEnabled` says that the voice client is for this worker.
    pub enabled: bool,
    /// What that attribute says instead, where it is neither true nor false.
    pub unclear: Option<String>,
    /// The agent, as Flex's session names them.
    pub agent: Option<Identity>,
    /// Flex's session.
    pub session: FlexSession,
    /// The agent's activity.
    pub activity: Option<Activity>,
    /// All the workspace's activities.
    pub activities: Vec<Activity>,
    /// The worker attribute `contact_uri`.
    pub contact_uri: Option<String>,
    /// The worker attribute [`super::contact::PREVIOUS`].
    pub previous_contact: Option<String>,
    /// All other worker attributes, as JSON. Compared and given back, never read.
    pub other_attributes: String,
    /// The activity to go back to, as this browser remembers it for this worker.
    pub remembered_activity: Option<String>,
    /// The live voice task, if any.
    pub voice_task: Option<VoiceTask>,
    /// All voice reservations, pending and accepted.
    pub voice_reservations: Vec<VoiceReservation>,
    /// A reservation waits to be accepted. TaskRouter refuses to make a worker unavailable meanwhile.
    pub reservation_pending: bool,
    /// Whose call is in the store.
    pub active_call: ActiveCall,
    /// Flex's own softphone is degraded or has no microphone: Flex would not start an outbound call, without a word.
    pub own_voice_impaired: bool,
    /// The agent is in the workspace's own *Offline*, in which Flex starts no calls.
    pub offline: bool,
    /// Flex is shown in a frame of another page, where the extension does not come.
    pub in_frame: bool,
    /// When the page was opened, in milliseconds since 1970: a number that no earlier page of this agent had.
    pub opened_at: u64,
}
