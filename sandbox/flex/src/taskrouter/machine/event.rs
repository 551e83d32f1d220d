//! What can happen to the workspace, and what is to be done then.

use std::time::Duration;

use kernel::CallSid;
use serde_json::{Map, Value};

use super::channel::TaskChannel;
use crate::api::{FarEnd, Holder, LegCommand, LegEnd, Unreached};
use crate::event::LogEvent;

/// Attributes as JSON.
pub type Attributes = Map<String, Value>;

/// How the machine is set up.
#[derive(Debug, Clone)]
pub struct Options {
    /// Source of every identifier that the machine makes.
    pub seed: [u8; 32],
    /// How long a reservation waits for the agent.
    pub reservation_timeout: Duration,
    /// How many voice tasks the agent may hold at a time.
    pub voice_capacity: u32,
    /// How many chat tasks the agent may hold at a time, beside the voice tasks.
    pub chat_capacity: u32,
    /// Activity of the agent at start.
    pub initial_activity: String,
    /// Attributes of the worker at start.
    pub worker_attributes: Attributes,
}

/// What can happen.
#[derive(Debug, Clone, PartialEq)]
pub enum Event {
    /// A customer calls in.
    CustomerCalls {
        /// The customer's number.
        from: String,
    },
    /// Flex creates a task for its own worker: an outbound call.
    CreateTask {
        /// Attributes of the task.
        attributes: Attributes,
    },
    /// A task is made that is no call: a chat if its attributes name a conversation.
    TaskArrives {
        attributes: Attributes,
        channel: TaskChannel,
        holder: Holder,
        /// The conversation goes on when the task is completed.
        long_lived: bool,
    },
    /// The customer of a chat leaves it.
    CustomerLeaves {
        /// The task, its reservation, or the conversation.
        sid: String,
    },
    /// A chat that somebody has accepted goes to another worker; the colleague takes it at once.
    HandOver {
        /// The task, its reservation, or the conversation.
        sid: String,
        to: Holder,
    },
    /// Flex changes a reservation.
    Reservation { sid: String, change: ReservationChange },
    /// The agent's telephone was answered.
    LegAnswered {
        /// The agent's leg.
        call_sid: CallSid,
    },
    /// The agent's leg is over, or never came to be.
    LegEnded {
        /// The agent's leg.
        call_sid: CallSid,
        reason: LegEnd,
    },
    /// The customer hung up.
    CustomerHungUp {
        /// The customer's leg, the agent's leg, or the task.
        sid: String,
    },
    /// The colleague takes a call.
    ColleagueCall {
        /// The customer's number.
        from: String,
    },
    /// The colleague's call ends.
    ColleagueHangsUp {
        /// Any SID of the call.
        sid: String,
    },
    /// The supervisor wants to listen to a call of the colleague.
    Supervise {
        /// The colleague's reservation.
        reservation_sid: String,
        /// Where to call the supervisor; absent: the worker's `contact_uri`.
        to: Option<String>,
    },
    /// The supervisor who listens is heard by the colleague, and by nobody else; or no longer.
    Coach {
        /// Any SID of the colleague's call.
        sid: String,
        coach: bool,
    },
    /// The agent hands a call over.
    Transfer {
        /// The agent's reservation.
        reservation_sid: String,
        /// To whom: a worker.
        to: String,
        mode: TransferMode,
    },
    /// The agent takes that back.
    CancelTransfer { sid: String },
    /// The colleague takes a call that is handed over to him, or declines it.
    TransferAnswered {
        /// The transfer, or any SID of the call.
        sid: String,
        takes: bool,
    },
    /// The agent changes the place in the conference of the colleague who took a call over.
    UpdateColleague {
        task_sid: String,
        /// Hold, or take back.
        hold: Option<bool>,
        /// Removed from the conference.
        kick: bool,
    },
    /// The agent ends the conference for everybody.
    EndConference { task_sid: String },
    /// Says what customers do whom the agent calls from now on.
    FarEnd(FarEnd),
    /// The customer whom the agent calls picks up.
    CustomerAnswers {
        /// The customer's leg, the agent's leg, or the task.
        sid: String,
    },
    /// The customer whom the agent calls cannot be reached.
    CustomerRefuses {
        /// The customer's leg, the agent's leg, or the task.
        sid: String,
        why: Unreached,
    },
    /// Flex changes the customer's place in the conference.
    UpdateCustomer {
        task_sid: String,
        /// Hold, or take back.
        hold: Option<bool>,
    },
    /// Flex changes the agent's place in the conference.
    UpdateAgent {
        /// The agent's reservation or the task.
        sid: String,
        /// Whether the conference ends with the agent.
        end_conference_on_exit: Option<bool>,
        /// Muted by the conference.
        mute: Option<bool>,
        /// Held by the conference.
        hold: Option<bool>,
        /// Removed from the conference.
        kick: bool,
    },
    /// Flex, or the switchboard, changes the worker.
    UpdateWorker {
        /// New activity.
        activity_sid: Option<String>,
        /// New attributes, all of them.
        attributes: Option<Attributes>,
        /// Whether pending reservations are in the way of a new activity, or rejected for it.
        reject_pending_reservations: bool,
        /// The version that the sender believes the worker to have (`If-Match`).
        version: Option<String>,
    },
    /// Somebody else changes some of the worker's attributes; null removes one.
    MergeAttributes(Attributes),
    /// Flex changes a task.
    UpdateTask {
        sid: String,
        /// New attributes, all of them.
        attributes: Option<Attributes>,
        /// `wrapping`, `completed` or `canceled`.
        status: Option<String>,
        /// Why, in words that are kept with the task.
        reason: Option<String>,
    },
    /// Ends everything; the worker returns to how it was at start.
    Reset,
}

/// What Flex does to a reservation.
#[derive(Debug, Clone, PartialEq)]
pub enum ReservationChange {
    /// Call the worker and accept once the call is answered.
    Call {
        /// `client:<identity>`, possibly with `?name=value&...`; absent: the worker's `contact_uri`.
        to: Option<String>,
        /// Whether the conference ends when the agent leaves.
        end_conference_on_exit: bool,
    },
    /// Accept without a call.
    Accept,
    /// Decline.
    Reject,
    /// End the conversation and begin the after-call work.
    Wrap,
    /// All done.
    Complete,
}

/// What is to be done.
#[derive(Debug, Clone, PartialEq)]
pub enum Command {
    /// Send an event to every event-bridge socket.
    Push {
        /// For example `reservation.created`.
        event: &'static str,
        payload: Value,
    },
    /// Make the Sync map of a task's conference.
    ConferenceOpened { task_sid: String },
    /// Write an item of the Sync map of a task's conference.
    ConferenceItem {
        task_sid: String,
        /// `conf_status`, or the call SID of a participant.
        key: String,
        data: Value,
    },
    /// Write a record of Flex Insights' live queries, or with no data remove it.
    Insight {
        /// Of what.
        index: Index,
        key: String,
        data: Option<Value>,
    },
    /// Ask the composing binary for something.
    Leg(LegCommand),
    /// Change who is in a conversation.
    Chat(ChatCommand),
    /// Tell the log.
    Log(LogEvent),
    /// What was asked for is refused, and nothing has changed.
    Refuse(Refusal),
}

/// What a chat task wants of its conversation.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ChatCommand {
    /// The agent becomes a participant.
    Join { conversation_sid: String },
    /// The agent is a participant no longer.
    Leave { conversation_sid: String },
    /// Nobody writes there any more.
    Close { conversation_sid: String },
}

/// What live queries ask for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Index {
    /// `tr-worker`.
    Workers,
    /// `tr-reservation`.
    Reservations,
}

impl Index {
    /// Its name in a URL.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Workers => "tr-worker",
            Self::Reservations => "tr-reservation",
        }
    }
}

/// Why a request is refused, as Twilio's REST API says it.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
pub struct Refusal {
    pub status: u16,
    /// Twilio's code.
    pub code: u32,
    pub message: String,
}

impl Refusal {
    pub(crate) fn not_found(what: &str) -> Self {
        Self { status: 404, code: 20404, message: format!("The requested resource {what} was not found") }
    }

    pub(crate) fn conflict(message: String) -> Self {
        Self { status: 400, code: 20001, message }
    }

    /// Somebody else was quicker.
    pub(super) fn stale(expected: &str, is: u32) -> Self {
        let message = format!("Precondition failed: the version is {is}, not {expected}");
        Self { status: 412, code: 20412, message }
    }
}

/// How a call is handed over.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TransferMode {
    /// The agent stays until they hang up.
    Warm,
    /// The agent leaves at once.
    Cold,
}

impl TransferMode {
    /// From the parameter `Mode`.
    #[must_use]
    pub fn named(name: &str) -> Option<Self> {
        match name {
            "WARM" => Some(Self::Warm),
            "COLD" => Some(Self::Cold),
            _ => None,
        }
    }

    pub(super) const fn name(self) -> &'static str {
        match self {
            Self::Warm => "WARM",
            Self::Cold => "COLD",
        }
    }
}

/// Tells the log.
pub(super) fn log(kind: &str, call_sid: Option<&CallSid>, data: Value) -> Command {
    Command::Log(LogEvent::flex(kind, call_sid.map(CallSid::as_str), data))
}
