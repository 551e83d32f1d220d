//! The worker, tasks, reservations and conferences as one pure state machine.
//!
//! ```text
//! task:         pending -> reserved -> assigned -> wrapping -> completed        (canceled while pending or reserved)
//! reservation:             pending  -> accepted -> wrapping -> completed
//!                          pending  -> rejected | timeout | canceled
//! agent's leg:             dialling -> joined   -> left
//! ```
//!
//! A voice reservation is not accepted when Flex says so, but when the agent's telephone is answered: Flex sends the
//! instruction `conference`, TaskRouter calls the worker, and both meet in a conference.

pub(crate) mod colleague;
mod transfer;

use colleague::ColleagueCall;
use jiff::{SignedDuration, Timestamp};
use kernel::{CallSid, Identity};
use rand::rngs::StdRng;
use rand::{RngExt as _, SeedableRng as _};
use serde_json::{Map, Value, json};
use std::collections::BTreeMap;
use std::time::Duration;
use transfer::Transfer;
pub use transfer::TransferMode;

use super::resource::{
    ActivityResource, ReservationResource, TaskResource, WorkerChannelResource, WorkerResource,
};
use crate::account;
use crate::api::{Command, FarEnd, LegEnd, Line, Outcome, Unreached, VoiceTask};
use crate::event::Event;

/// From the moment when the participants are in the conference until `reservation.accepted`.
///
/// The two travel on different sockets, and Flex UI 2.17 draws its participants panel with a width of infinity when
/// it mounts before it knows a participant, and redraws only when the window is resized. Inferred: that Twilio sends
/// them in this order, from the fact that Flex does not have the problem in the field.
const CONFERENCE_BEFORE_ACCEPTED: SignedDuration = SignedDuration::from_millis(250);

/// Why an outbound reservation is canceled when the agent's leg ends before the customer has answered.
///
/// Inferred: Flex UI knows 45302, 45306 and 45307 as reasons of which the agent is told nothing; which of them Twilio
/// sends here was not seen.
const AGENT_HUNG_UP: i64 = 45306;

/// Dates of what existed before the sandbox was started.
pub(super) const LONG_AGO: i64 = 1_600_000_000;

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
    /// Activity of the agent at start.
    pub initial_activity: String,
    /// Attributes of the worker at start.
    pub worker_attributes: Attributes,
}

/// What can happen.
#[derive(Debug, Clone, PartialEq)]
pub enum Input {
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
    /// Flex changes a reservation.
    Reservation {
        /// Which.
        sid: String,
        /// How.
        change: ReservationChange,
    },
    /// The agent's telephone was answered.
    LegAnswered {
        /// The agent's leg.
        call_sid: CallSid,
    },
    /// The agent's leg is over, or never came to be.
    LegEnded {
        /// The agent's leg.
        call_sid: CallSid,
        /// Why.
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
        /// Whether.
        coach: bool,
    },
    /// The agent hands a call over.
    Transfer {
        /// The agent's reservation.
        reservation_sid: String,
        /// To whom: a worker.
        to: String,
        /// How.
        mode: TransferMode,
    },
    /// The agent takes that back.
    CancelTransfer {
        /// The transfer.
        sid: String,
    },
    /// The colleague takes a call that is handed over to him, or declines it.
    TransferAnswered {
        /// The transfer, or any SID of the call.
        sid: String,
        /// Whether.
        takes: bool,
    },
    /// The agent changes the place in the conference of the colleague who took a call over.
    UpdateColleague {
        /// The task.
        task_sid: String,
        /// Hold, or take back.
        hold: Option<bool>,
        /// Removed from the conference.
        kick: bool,
    },
    /// The agent ends the conference for everybody.
    EndConference {
        /// The task.
        task_sid: String,
    },
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
        /// Why.
        why: Unreached,
    },
    /// Flex changes the customer's place in the conference.
    UpdateCustomer {
        /// The task.
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
        /// Which.
        sid: String,
        /// New attributes, all of them.
        attributes: Option<Attributes>,
        /// `wrapping`, `completed` or `canceled`.
        status: Option<String>,
    },
    /// The [`Machine::deadline`] has passed.
    Tick,
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
pub enum Effect {
    /// Send an event to every event-bridge socket.
    Push {
        /// For example `reservation.created`.
        event: &'static str,
        /// The resource.
        payload: Value,
    },
    /// Make the Sync map of a task's conference.
    ConferenceOpened {
        /// The task.
        task_sid: String,
    },
    /// Write an item of the Sync map of a task's conference.
    ConferenceItem {
        /// The task.
        task_sid: String,
        /// `conf_status`, or the call SID of a participant.
        key: String,
        /// The item.
        data: Value,
    },
    /// Write a record of Flex Insights' live queries, or with no data remove it.
    Insight {
        /// Of what.
        index: Index,
        /// Its key.
        key: String,
        /// The record.
        data: Option<Value>,
    },
    /// Ask the composing binary for something.
    Command(Command),
    /// Tell the log.
    Happened(Event),
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
    /// HTTP status.
    pub status: u16,
    /// Twilio's code.
    pub code: u32,
    /// Text.
    pub message: String,
}

impl Refusal {
    pub(super) fn not_found(what: &str) -> Self {
        Self { status: 404, code: 20404, message: format!("The requested resource {what} was not found") }
    }

    fn conflict(message: String) -> Self {
        Self { status: 400, code: 20001, message }
    }

    /// Somebody else was quicker.
    fn stale(expected: &str, is: u32) -> Self {
        let message = format!("Precondition failed: the version is {is}, not {expected}");
        Self { status: 412, code: 20412, message }
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum ReservationStatus {
    Pending,
    Accepted,
    Wrapping,
    Completed,
    Rejected,
    TimedOut,
    Canceled,
}

impl ReservationStatus {
    /// The value of `reservation_status` and the name of the event that says so.
    const fn names(self) -> (&'static str, &'static str) {
        match self {
            Self::Pending => ("pending", "reservation.created"),
            Self::Accepted => ("accepted", "reservation.accepted"),
            Self::Wrapping => ("wrapping", "reservation.wrapup"),
            Self::Completed => ("completed", "reservation.completed"),
            Self::Rejected => ("rejected", "reservation.rejected"),
            Self::TimedOut => ("timeout", "reservation.timeout"),
            Self::Canceled => ("canceled", "reservation.canceled"),
        }
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum LegState {
    Dialling,
    Joined,
    Left,
}

impl LegState {
    /// As the Sync map of a conference says it.
    const fn participant_status(self) -> &'static str {
        match self {
            Self::Dialling => "connecting",
            Self::Joined => "joined",
            Self::Left => "left",
        }
    }
}

/// Where the customer is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Customer {
    /// Called us and waits, or is in the conference.
    OnLine,
    /// Is to be called once the agent is there.
    NotCalled,
    /// Their telephone rings, until then.
    Ringing { until: Option<Timestamp>, then: Outcome },
    /// Hung up.
    Left,
}

#[derive(Debug, Clone)]
struct Leg {
    call_sid: CallSid,
    state: LegState,
    hold: bool,
    muted: bool,
    end_conference_on_exit: bool,
}

#[derive(Debug, Clone)]
struct Reservation {
    sid: String,
    status: ReservationStatus,
    created: Timestamp,
    updated: Timestamp,
    version: u32,
    leg: Option<Leg>,
    /// When an answered reservation is announced as accepted.
    accept_at: Option<Timestamp>,
    /// Twilio's code for why it was canceled.
    canceled_reason: Option<i64>,
}

#[derive(Debug, Clone)]
struct Task {
    sid: String,
    attributes: Attributes,
    created: Timestamp,
    updated: Timestamp,
    version: u32,
    routing_target: Option<String>,
    conference_sid: String,
    customer_call_sid: CallSid,
    customer_hold: bool,
    customer: Customer,
    /// The agent declined or missed it: it is offered again when the agent next chooses an activity.
    declined: bool,
    canceled: bool,
    reservation: Option<Reservation>,
    transfer: Option<Transfer>,
}

impl Task {
    const fn status(&self) -> &'static str {
        if self.canceled {
            return "canceled";
        }
        match &self.reservation {
            None => "pending",
            Some(reservation) => match reservation.status {
                ReservationStatus::Pending => "reserved",
                ReservationStatus::Accepted => "assigned",
                ReservationStatus::Wrapping => "wrapping",
                ReservationStatus::Completed => "completed",
                ReservationStatus::Rejected | ReservationStatus::TimedOut => "pending",
                ReservationStatus::Canceled => "canceled",
            },
        }
    }

    fn text(&self, name: &str) -> String {
        self.attributes.get(name).and_then(Value::as_str).unwrap_or_default().to_owned()
    }

    fn leg_mut(&mut self) -> Option<&mut Leg> {
        self.reservation.as_mut()?.leg.as_mut()
    }

    fn leg(&self) -> Option<&Leg> {
        self.reservation.as_ref()?.leg.as_ref()
    }

    fn is_named(&self, sid: &str) -> bool {
        self.sid == sid
            || self.customer_call_sid.as_str() == sid
            || self.reservation.as_ref().is_some_and(|r| r.sid == sid)
            || self.leg().is_some_and(|leg| leg.call_sid.as_str() == sid)
    }

    fn touch(&mut self, now: Timestamp) {
        self.updated = now;
        self.version += 1;
    }
}

#[derive(Debug, Clone)]
struct Activity {
    sid: String,
    name: &'static str,
    available: bool,
}

/// See the module's description.
#[derive(Debug)]
pub struct Machine {
    options: Options,
    rng: StdRng,
    activities: Vec<Activity>,
    activity: usize,
    activity_changed: Timestamp,
    worker_attributes: Attributes,
    worker_updated: Timestamp,
    worker_version: u32,
    far_end: FarEnd,
    tasks: Vec<Task>,
    colleague: Vec<ColleagueCall>,
}

impl Machine {
    /// A workspace with one worker, as it is before anybody logs in.
    #[must_use]
    pub fn new(options: Options, now: Timestamp) -> Self {
        let names = [
            (account::ACTIVITY_OFFLINE, false),
            (account::ACTIVITY_AVAILABLE, true),
            ("Break", false),
            (account::ACTIVITY_VOICE_CLIENT_OFFLINE, false),
        ];
        let activities: Vec<Activity> = names
            .into_iter()
            .enumerate()
            .map(|(n, (name, available))| Activity { sid: format!("WA{n:032x}"), name, available })
            .collect();
        let activity = activities.iter().position(|a| a.name == options.initial_activity).unwrap_or(0);
        Self {
            rng: StdRng::from_seed(options.seed),
            activities,
            activity,
            activity_changed: now,
            worker_attributes: options.worker_attributes.clone(),
            worker_updated: now,
            worker_version: 1,
            far_end: FarEnd::default(),
            tasks: Vec::new(),
            colleague: Vec::new(),
            options,
        }
    }

    /// Takes an input in and says what is to be done.
    ///
    /// # Errors
    /// A [`Refusal`] when Twilio would refuse the request; nothing has changed then.
    pub fn handle(&mut self, input: Input, now: Timestamp) -> Result<Vec<Effect>, Refusal> {
        let mut effects = Vec::new();
        match input {
            Input::CustomerCalls { from } => {
                self.customer_calls(&from, now, &mut effects);
            }
            Input::CreateTask { attributes } => {
                self.create_task(attributes, Some(account::WORKER_SID.to_owned()), now, &mut effects);
            }
            Input::Reservation { sid, change } => self.change_reservation(&sid, change, now, &mut effects)?,
            Input::LegAnswered { call_sid } => self.leg_answered(&call_sid, now, &mut effects),
            Input::LegEnded { call_sid, reason } => self.leg_ended(&call_sid, reason, now, &mut effects),
            Input::CustomerHungUp { sid } => {
                let index = self.find(&sid)?;
                self.customer_hung_up(index, now, &mut effects);
            }
            Input::UpdateCustomer { task_sid, hold } => {
                let index = self.find(&task_sid)?;
                if let Some(hold) = hold {
                    self.hold_customer(index, hold, &mut effects);
                }
            }
            Input::UpdateAgent { sid, end_conference_on_exit, mute, hold, kick } => {
                let index = self.find(&sid)?;
                self.update_agent(index, end_conference_on_exit, mute, hold, &mut effects);
                if kick {
                    self.kick(index, now, &mut effects);
                }
            }
            Input::ColleagueCall { from } => {
                let call = ColleagueCall {
                    task_sid: self.sid("WT"),
                    reservation_sid: self.sid("WR"),
                    conference_sid: self.sid("CF"),
                    customer_call_sid: self.call_sid(),
                    agent_call_sid: self.call_sid(),
                    from,
                    created: now,
                    listeners: Vec::new(),
                };
                call.begins(&mut effects);
                self.colleague.push(call);
            }
            Input::ColleagueHangsUp { sid } => {
                let index = self.colleagues_call(&sid)?;
                self.colleague.remove(index).ends(&mut effects);
            }
            Input::Supervise { reservation_sid, to } => {
                self.supervise(&reservation_sid, to, &mut effects)?;
            }
            Input::Coach { sid, coach } => {
                let index = self.colleagues_call(&sid)?;
                self.colleague[index].coach(coach, &mut effects);
            }
            Input::Transfer { reservation_sid, to, mode } => {
                self.transfer(&reservation_sid, &to, mode, now, &mut effects)?;
            }
            Input::CancelTransfer { sid } => self.cancel_transfer(&sid, now, &mut effects)?,
            Input::TransferAnswered { sid, takes } => {
                self.transfer_answered(&sid, takes, now, &mut effects)?;
            }
            Input::UpdateColleague { task_sid, hold, kick } => {
                self.update_colleague(&task_sid, hold, kick, &mut effects)?;
            }
            Input::EndConference { task_sid } => self.end_conference(&task_sid, now, &mut effects)?,
            Input::FarEnd(far_end) => self.far_end = far_end,
            Input::CustomerAnswers { sid } => {
                let index = self.ringing(&sid)?;
                self.customer_answers(index, now, &mut effects);
            }
            Input::CustomerRefuses { sid, why } => {
                let index = self.ringing(&sid)?;
                self.customer_refuses(index, why, now, &mut effects);
            }
            Input::UpdateWorker { activity_sid, attributes, reject_pending_reservations, version } => {
                if let Some(version) = version.filter(|version| *version != self.worker_version.to_string()) {
                    return Err(Refusal::stale(&version, self.worker_version));
                }
                self.update_worker(activity_sid, attributes, reject_pending_reservations, now, &mut effects)?;
            }
            Input::MergeAttributes(patch) => self.merge_attributes(patch, now, &mut effects),
            Input::UpdateTask { sid, attributes, status } => {
                self.update_task(&sid, attributes, status.as_deref(), now, &mut effects)?;
            }
            Input::Tick => self.tick(now, &mut effects),
            Input::Reset => self.reset(now, &mut effects),
        }
        self.offer(now, &mut effects);
        Ok(effects)
    }

    /// When [`Input::Tick`] is due.
    #[must_use]
    pub fn deadline(&self) -> Option<Timestamp> {
        let reservations = self
            .tasks
            .iter()
            .filter_map(|task| task.reservation.as_ref())
            .filter_map(|reservation| reservation.accept_at.or_else(|| self.timeout_of(reservation)));
        let rings = self.tasks.iter().filter_map(|task| match task.customer {
            Customer::Ringing { until, .. } => until,
            _ => None,
        });
        reservations.chain(rings).min()
    }

    fn timeout_of(&self, reservation: &Reservation) -> Option<Timestamp> {
        let waits = reservation.status == ReservationStatus::Pending && reservation.leg.is_none();
        let timeout =
            SignedDuration::try_from(self.options.reservation_timeout).unwrap_or(SignedDuration::MAX);
        waits.then(|| reservation.created.checked_add(timeout).ok()).flatten()
    }

    // ---- What Flex reads ----

    /// The worker.
    #[must_use]
    pub fn worker(&self) -> Value {
        let activity = &self.activities[self.activity];
        to_json(&WorkerResource {
            account_sid: account::ACCOUNT_SID,
            workspace_sid: account::WORKSPACE_SID,
            sid: account::WORKER_SID,
            worker_sid: account::WORKER_SID,
            friendly_name: account::AGENT_NAME,
            activity_sid: activity.sid.clone(),
            worker_activity_sid: activity.sid.clone(),
            activity_name: activity.name.to_owned(),
            available: activity.available,
            attributes: Value::Object(self.worker_attributes.clone()).to_string(),
            date_created: LONG_AGO,
            date_updated: self.worker_updated.as_second(),
            date_status_changed: self.activity_changed.as_second(),
            date_activity_changed: self.activity_changed.as_second(),
            version: self.worker_version.to_string(),
        })
    }

    /// All workers of the workspace, as the transfer directory reads them: the agent, and the colleague.
    #[must_use]
    pub fn workers(&self) -> Vec<Value> {
        let mut colleague = self.worker();
        let available = self.activities.iter().find(|activity| activity.available);
        let activity_sid = available.map(|activity| activity.sid.clone());
        let attributes = json!({ "full_name": account::COLLEAGUE_NAME, "roles": ["agent"] });
        for (name, value) in [
            ("sid", json!(account::COLLEAGUE_WORKER_SID)),
            ("worker_sid", json!(account::COLLEAGUE_WORKER_SID)),
            ("friendly_name", json!(account::COLLEAGUE_NAME)),
            ("activity_name", json!(available.map(|activity| activity.name))),
            ("activity_sid", json!(activity_sid)),
            ("worker_activity_sid", json!(activity_sid)),
            ("available", json!(true)),
            ("attributes", json!(attributes.to_string())),
        ] {
            colleague[name] = value;
        }
        vec![self.worker(), colleague]
    }

    /// The activities.
    #[must_use]
    pub fn activities(&self) -> Vec<Value> {
        self.activities
            .iter()
            .map(|activity| {
                to_json(&ActivityResource {
                    account_sid: account::ACCOUNT_SID,
                    workspace_sid: account::WORKSPACE_SID,
                    sid: activity.sid.clone(),
                    friendly_name: activity.name.to_owned(),
                    available: activity.available,
                    date_created: LONG_AGO,
                    date_updated: LONG_AGO,
                })
            })
            .collect()
    }

    /// The worker's channels.
    #[must_use]
    pub fn channels(&self) -> Vec<Value> {
        let voice = u32::try_from(self.open_tasks()).unwrap_or(u32::MAX);
        ["voice", "chat", "sms", "email", "default"]
            .into_iter()
            .enumerate()
            .map(|(n, name)| {
                let is_voice = name == "voice";
                let capacity = if is_voice { self.options.voice_capacity } else { 3 };
                let assigned = if is_voice { voice } else { 0 };
                to_json(&WorkerChannelResource {
                    account_sid: account::ACCOUNT_SID,
                    workspace_sid: account::WORKSPACE_SID,
                    worker_sid: account::WORKER_SID,
                    sid: format!("WC{n:032x}"),
                    task_channel_sid: format!("TC{n:032x}"),
                    task_channel_unique_name: name,
                    configured_capacity: capacity,
                    available_capacity_percentage: 100 * capacity.saturating_sub(assigned) / capacity.max(1),
                    assigned_tasks: assigned,
                    available: true,
                    last_reserved_time: 0,
                    date_created: LONG_AGO,
                    date_updated: LONG_AGO,
                })
            })
            .collect()
    }

    /// The worker's reservations that are not over.
    #[must_use]
    pub fn reservations(&self, now: Timestamp) -> Vec<Value> {
        self.tasks.iter().filter_map(|task| self.reservation_json(task, now)).collect()
    }

    /// One reservation.
    ///
    /// # Errors
    /// [`Refusal`] 404 if there is none.
    pub fn reservation(&self, sid: &str, now: Timestamp) -> Result<Value, Refusal> {
        self.tasks
            .iter()
            .find(|task| task.reservation.as_ref().is_some_and(|r| r.sid == sid))
            .and_then(|task| self.reservation_json(task, now))
            .ok_or_else(|| Refusal::not_found(&format!("/Reservations/{sid}")))
    }

    /// One task, by its SID or that of one of its legs or its reservation.
    ///
    /// # Errors
    /// [`Refusal`] 404 if there is none.
    pub fn task(&self, sid: &str, now: Timestamp) -> Result<Value, Refusal> {
        Ok(to_json(&task_resource(&self.tasks[self.find(sid)?], now)))
    }

    /// The newest transfer of a task, as its client reads it.
    ///
    /// # Errors
    /// [`Refusal`] 404 if there is none.
    pub fn transfer_of(&self, sid: &str) -> Result<Value, Refusal> {
        let named = |task: &&Task| {
            task.is_named(sid) || task.transfer.as_ref().is_some_and(|transfer| transfer.sid == sid)
        };
        let task = self.tasks.iter().find(named);
        task.and_then(transfer::resource).ok_or_else(|| Refusal::not_found(&format!("/Transfers/{sid}")))
    }

    /// The voice task that was created last.
    #[must_use]
    pub fn newest_task(&self) -> Option<VoiceTask> {
        self.tasks.last().map(|task| VoiceTask {
            task_sid: task.sid.clone(),
            reservation_sid: task.reservation.as_ref().map(|r| r.sid.clone()),
            customer_call_sid: task.customer_call_sid.clone(),
            conference_sid: task.conference_sid.clone(),
        })
    }

    /// SID of the activity with this name.
    #[must_use]
    pub fn activity_sid(&self, name: &str) -> Option<String> {
        self.activities.iter().find(|a| a.name == name).map(|a| a.sid.clone())
    }

    /// Everything, for people and tests.
    #[must_use]
    pub fn summary(&self) -> Value {
        let activity = &self.activities[self.activity];
        let tasks: Vec<Value> = self
            .tasks
            .iter()
            .map(|task| {
                json!({
                    "task_sid": task.sid,
                    "status": task.status(),
                    "from": task.text("from"),
                    "direction": task.text("direction"),
                    "reservation_sid": task.reservation.as_ref().map(|r| &r.sid),
                    "reservation_status": task.reservation.as_ref().map(|r| r.status.names().0),
                    "conference_sid": task.conference_sid,
                    "customer": {
                        "call_sid": task.customer_call_sid,
                        "hold": task.customer_hold,
                        "left": task.customer == Customer::Left,
                        "ringing": matches!(task.customer, Customer::Ringing { .. }),
                    },
                    "transfer": task.transfer.as_ref().map(Transfer::summary),
                    "agent": task.leg().map(|leg| json!({
                        "call_sid": leg.call_sid,
                        "state": match leg.state {
                            LegState::Dialling => "dialling",
                            LegState::Joined => "joined",
                            LegState::Left => "left",
                        },
                        "hold": leg.hold,
                        "muted": leg.muted,
                        "end_conference_on_exit": leg.end_conference_on_exit,
                    })),
                })
            })
            .collect();
        json!({
            "worker": {
                "sid": account::WORKER_SID,
                "name": account::AGENT_NAME,
                "identity": account::AGENT_IDENTITY,
                "activity": activity.name,
                "available": activity.available,
                "attributes": self.worker_attributes,
            },
            "activities": self.activities.iter().map(|a| a.name).collect::<Vec<_>>(),
            "tasks": tasks,
            "colleague": self.colleague.iter().map(ColleagueCall::summary).collect::<Vec<_>>(),
        })
    }

    // ---- Tasks and reservations ----

    fn customer_calls(&mut self, from: &str, now: Timestamp, effects: &mut Vec<Effect>) {
        let attributes = json!({
            "from": from,
            "to": account::CALL_CENTRE_NUMBER,
            "caller": from,
            "called": account::CALL_CENTRE_NUMBER,
            "name": from,
            "direction": "inbound",
            "type": "inbound",
        });
        let Value::Object(attributes) = attributes else { return };
        self.create_task(attributes, None, now, effects);
    }

    fn create_task(
        &mut self,
        mut attributes: Attributes,
        routing_target: Option<String>,
        now: Timestamp,
        effects: &mut Vec<Effect>,
    ) {
        let sid = self.sid("WT");
        let customer_call_sid = self.call_sid();
        let conference_sid = self.sid("CF");
        let outbound = attributes.get("direction").is_some_and(|direction| direction == "outbound");
        let customer = if outbound { Customer::NotCalled } else { Customer::OnLine };
        if outbound {
            // Whom the agent calls: Flex says `outbound_to`, and reads it again.
            let called = attributes.get("outbound_to").cloned();
            if let Some(called) = called {
                attributes.entry("to").or_insert(called);
            }
        } else {
            attributes.insert("call_sid".to_owned(), json!(customer_call_sid));
        }
        // Flex opens the map when it hears of the reservation and reads `conf_status` only then; a status that came
        // later would be taken for a participant. Inferred: Twilio has made both by that time.
        effects.push(Effect::ConferenceOpened { task_sid: sid.clone() });
        effects.push(Effect::ConferenceItem {
            task_sid: sid.clone(),
            key: "conf_status".to_owned(),
            data: json!({ "status": "active", "conference_sid": conference_sid }),
        });
        let from = attributes.get("from").cloned().unwrap_or_default();
        effects.push(happened("task.created", None, json!({ "task_sid": sid, "from": from })));
        self.tasks.push(Task {
            sid,
            attributes,
            created: now,
            updated: now,
            version: 0,
            routing_target,
            conference_sid,
            customer_call_sid,
            customer_hold: false,
            customer,
            declined: false,
            canceled: false,
            reservation: None,
            transfer: None,
        });
    }

    /// Offers waiting tasks to the worker, as far as the worker is available and has capacity.
    fn offer(&mut self, now: Timestamp, effects: &mut Vec<Effect>) {
        let available = self.activities[self.activity].available;
        // A task that Flex makes for its own worker needs no available activity, only one that is not Offline.
        let offline = self.activities[self.activity].name == account::ACTIVITY_OFFLINE;
        for index in 0..self.tasks.len() {
            let open = self.open_tasks();
            let task = &self.tasks[index];
            let waits = task.reservation.is_none() && !task.declined && !task.canceled;
            let outbound = task.routing_target.is_some();
            let has_capacity = u32::try_from(open).unwrap_or(u32::MAX) < self.options.voice_capacity;
            let may = if outbound { !offline } else { available && has_capacity };
            if !waits || !may {
                continue;
            }
            let sid = self.sid("WR");
            self.tasks[index].reservation = Some(Reservation {
                sid,
                status: ReservationStatus::Pending,
                created: now,
                updated: now,
                version: 0,
                leg: None,
                accept_at: None,
                canceled_reason: None,
            });
            self.tasks[index].touch(now);
            self.announce(index, now, effects);
        }
    }

    fn change_reservation(
        &mut self,
        sid: &str,
        change: ReservationChange,
        now: Timestamp,
        effects: &mut Vec<Effect>,
    ) -> Result<(), Refusal> {
        let index = self
            .tasks
            .iter()
            .position(|task| task.reservation.as_ref().is_some_and(|r| r.sid == sid))
            .ok_or_else(|| Refusal::not_found(&format!("/Reservations/{sid}")))?;
        let Some(reservation) = &self.tasks[index].reservation else {
            return Err(Refusal::not_found(&format!("/Reservations/{sid}")));
        };
        let status = reservation.status;
        let free = status == ReservationStatus::Pending && reservation.leg.is_none();
        let refuse = || {
            Err(Refusal::conflict(format!(
                "Reservation {sid} is {} and cannot be changed so",
                status.names().0
            )))
        };
        match change {
            ReservationChange::Call { to, end_conference_on_exit } => {
                if !free {
                    return refuse();
                }
                self.call_worker(index, to, end_conference_on_exit, effects)?;
            }
            ReservationChange::Accept if free => self.set(index, ReservationStatus::Accepted, now, effects),
            ReservationChange::Reject if free => {
                self.decline(index, ReservationStatus::Rejected, now, effects);
            }
            ReservationChange::Wrap if status == ReservationStatus::Accepted => {
                // Inferred: the call goes on; only hanging up ends it.
                self.set(index, ReservationStatus::Wrapping, now, effects);
            }
            ReservationChange::Complete
                if matches!(status, ReservationStatus::Accepted | ReservationStatus::Wrapping) =>
            {
                self.set(index, ReservationStatus::Completed, now, effects);
                self.tasks.remove(index);
            }
            _ => return refuse(),
        }
        Ok(())
    }

    fn set(&mut self, index: usize, status: ReservationStatus, now: Timestamp, effects: &mut Vec<Effect>) {
        let task = &mut self.tasks[index];
        task.touch(now);
        if let Some(reservation) = &mut task.reservation {
            reservation.status = status;
            reservation.updated = now;
            reservation.version += 1;
            reservation.accept_at = None;
        }
        self.announce(index, now, effects);
    }

    /// Tells Flex and the log what a reservation is now.
    fn announce(&self, index: usize, now: Timestamp, effects: &mut Vec<Effect>) {
        let task = &self.tasks[index];
        let (Some(reservation), Some(payload)) = (&task.reservation, self.reservation_json(task, now)) else {
            return;
        };
        let event = reservation.status.names().1;
        effects.push(Effect::Push { event, payload });
        let leg = reservation.leg.as_ref().map(|leg| leg.call_sid.as_str());
        let data = json!({ "task_sid": task.sid, "reservation_sid": reservation.sid });
        effects.push(happened(event, leg, data));
    }

    /// The reservation is over without an agent; the task waits for another.
    fn decline(
        &mut self,
        index: usize,
        status: ReservationStatus,
        now: Timestamp,
        effects: &mut Vec<Effect>,
    ) {
        self.set(index, status, now, effects);
        let task = &mut self.tasks[index];
        task.reservation = None;
        // Inferred: Twilio might offer it to the same worker again at once; with one worker that would ring forever.
        task.declined = true;
        if status == ReservationStatus::TimedOut {
            // The workspace's timeout activity, which is Offline unless configured otherwise.
            self.set_activity(0, now, effects);
        }
    }

    fn cancel(&mut self, index: usize, reason: Option<i64>, now: Timestamp, effects: &mut Vec<Effect>) {
        self.tasks[index].canceled = true;
        if let Some(reservation) = &mut self.tasks[index].reservation {
            reservation.canceled_reason = reason;
            self.set(index, ReservationStatus::Canceled, now, effects);
        }
        effects.push(happened("task.canceled", None, json!({ "task_sid": self.tasks[index].sid })));
        self.tasks.remove(index);
    }

    fn update_task(
        &mut self,
        sid: &str,
        attributes: Option<Attributes>,
        status: Option<&str>,
        now: Timestamp,
        effects: &mut Vec<Effect>,
    ) -> Result<(), Refusal> {
        let index = self.find(sid)?;
        if let Some(attributes) = attributes {
            let task = &mut self.tasks[index];
            task.attributes = attributes;
            task.touch(now);
            effects.push(self.task_updated(index, now));
        }
        let current = self.tasks[index].reservation.as_ref().map(|r| r.status);
        match (status, current) {
            (None, _) => {}
            (Some("canceled"), None | Some(ReservationStatus::Pending)) => {
                self.end_leg(index, effects);
                self.cancel(index, None, now, effects);
            }
            (Some("wrapping"), Some(ReservationStatus::Accepted)) => {
                self.set(index, ReservationStatus::Wrapping, now, effects);
            }
            (Some("completed"), Some(ReservationStatus::Accepted | ReservationStatus::Wrapping)) => {
                self.set(index, ReservationStatus::Completed, now, effects);
                self.tasks.remove(index);
            }
            (Some(status), _) => {
                let now = self.tasks[index].status();
                return Err(Refusal::conflict(format!("Task {sid} is {now} and cannot become {status}")));
            }
        }
        Ok(())
    }

    fn task_updated(&self, index: usize, now: Timestamp) -> Effect {
        Effect::Push { event: "task.updated", payload: to_json(&task_resource(&self.tasks[index], now)) }
    }

    fn tick(&mut self, now: Timestamp, effects: &mut Vec<Effect>) {
        for index in (0..self.tasks.len()).rev() {
            if let Customer::Ringing { until: Some(until), then } = self.tasks[index].customer
                && until <= now
            {
                match then.refusal() {
                    None => self.customer_answers(index, now, effects),
                    Some(why) => self.customer_refuses(index, why, now, effects),
                }
            }
        }
        let mut index = 0;
        while index < self.tasks.len() {
            let due = self.tasks[index].reservation.as_ref().map(|reservation| {
                (
                    reservation.accept_at.is_some_and(|at| at <= now),
                    self.timeout_of(reservation).is_some_and(|at| at <= now),
                )
            });
            match due {
                Some((true, _)) => self.set(index, ReservationStatus::Accepted, now, effects),
                Some((_, true)) => self.decline(index, ReservationStatus::TimedOut, now, effects),
                _ => {}
            }
            index += 1;
        }
    }

    fn reset(&mut self, now: Timestamp, effects: &mut Vec<Effect>) {
        while let Some(index) = self.tasks.len().checked_sub(1) {
            self.end_leg(index, effects);
            let begun = self.tasks[index].reservation.as_ref().is_some_and(|r| {
                matches!(r.status, ReservationStatus::Accepted | ReservationStatus::Wrapping)
            });
            if begun {
                self.set(index, ReservationStatus::Completed, now, effects);
                self.tasks.remove(index);
            } else {
                self.cancel(index, None, now, effects);
            }
        }
        for mut call in std::mem::take(&mut self.colleague) {
            call.ends(effects);
        }
        self.far_end = FarEnd::default();
        self.worker_attributes = self.options.worker_attributes.clone();
        self.worker_changed(now);
        effects.push(Effect::Push { event: "worker.attributes.update", payload: self.worker() });
        let initial =
            self.activities.iter().position(|a| a.name == self.options.initial_activity).unwrap_or(0);
        if initial != self.activity {
            self.set_activity(initial, now, effects);
        }
        effects.push(happened("reset", None, json!({})));
    }

    // ---- The call ----

    fn colleagues_call(&self, sid: &str) -> Result<usize, Refusal> {
        let index = self.colleague.iter().position(|call| call.is_named(sid));
        index.ok_or_else(|| Refusal::not_found(&format!("/Tasks/{sid}")))
    }

    fn supervise(
        &mut self,
        reservation_sid: &str,
        to: Option<String>,
        effects: &mut Vec<Effect>,
    ) -> Result<(), Refusal> {
        let index = self.colleagues_call(reservation_sid)?;
        let (to, parameters) = self.contact(to)?;
        let call_sid = self.call_sid();
        let call = &mut self.colleague[index];
        call.listeners.push(Leg {
            call_sid: call_sid.clone(),
            state: LegState::Dialling,
            hold: false,
            muted: true,
            end_conference_on_exit: false,
        });
        let data = json!({ "task_sid": call.task_sid, "to": to });
        effects.push(happened("supervisor.called", Some(call_sid.as_str()), data));
        effects.push(Effect::Command(Command::CallWorker {
            call_sid,
            to,
            parameters,
            from: call.from.clone(),
            task_sid: call.task_sid.clone(),
            reservation_sid: call.reservation_sid.clone(),
        }));
        Ok(())
    }

    /// Whom to call, and with which custom parameters.
    fn contact(&self, to: Option<String>) -> Result<(Identity, BTreeMap<String, String>), Refusal> {
        let contact = self.worker_attributes.get("contact_uri").and_then(Value::as_str).unwrap_or_default();
        let to = to.unwrap_or_else(|| contact.to_owned());
        let (address, query) = to.split_once('?').unwrap_or((to.as_str(), ""));
        let identity = address.strip_prefix("client:").and_then(|name| Identity::new(name).ok());
        let Some(identity) = identity else {
            return Err(Refusal::conflict(format!("The sandbox can call clients only, not '{address}'")));
        };
        let parameters = query
            .split('&')
            .filter_map(|pair| pair.split_once('='))
            .map(|(name, value)| (name.to_owned(), value.to_owned()))
            .collect();
        Ok((identity, parameters))
    }

    fn call_worker(
        &mut self,
        index: usize,
        to: Option<String>,
        end_conference_on_exit: bool,
        effects: &mut Vec<Effect>,
    ) -> Result<(), Refusal> {
        let (identity, parameters) = self.contact(to)?;
        let call_sid = self.call_sid();
        let task = &mut self.tasks[index];
        let outbound = task.text("direction") == "outbound";
        let from = if outbound { task.text("outbound_to") } else { task.text("from") };
        let Some(reservation) = &mut task.reservation else { return Ok(()) };
        reservation.leg = Some(Leg {
            call_sid: call_sid.clone(),
            state: LegState::Dialling,
            hold: false,
            muted: false,
            end_conference_on_exit,
        });
        let data = json!({ "task_sid": task.sid, "to": identity });
        effects.push(happened("worker.called", Some(call_sid.as_str()), data));
        effects.push(Effect::Command(Command::CallWorker {
            call_sid,
            to: identity,
            parameters,
            from,
            task_sid: task.sid.clone(),
            reservation_sid: reservation.sid.clone(),
        }));
        Ok(())
    }

    fn leg_answered(&mut self, call_sid: &CallSid, now: Timestamp, effects: &mut Vec<Effect>) {
        if let Some(call) = self.colleague.iter_mut().find(|call| call.listener(call_sid.as_str()).is_some())
        {
            return call.listener_answered(call_sid, effects);
        }
        let Ok(index) = self.find(call_sid.as_str()) else { return };
        let task = &mut self.tasks[index];
        match task.leg_mut() {
            Some(leg) if leg.state == LegState::Dialling => leg.state = LegState::Joined,
            _ => return,
        }
        if task.customer == Customer::NotCalled {
            effects.extend(agent_item(task));
            // TaskRouter calls the worker first, and then, from within the conference, the customer.
            let FarEnd { ring_ms, then } = self.far_end;
            let until = now.checked_add(SignedDuration::from_millis(i64::from(ring_ms))).ok();
            task.customer = Customer::Ringing { until: until.filter(|_| then != Outcome::Wait), then };
            let data = json!({ "task_sid": task.sid, "to": task.text("outbound_to") });
            effects.push(happened("customer.called", Some(call_sid.as_str()), data));
            effects.push(line(call_sid, Line::Ringing));
            return;
        }
        self.conference_begins(index, call_sid, now, effects);
    }

    /// Agent and customer are in the conference.
    fn conference_begins(
        &mut self,
        index: usize,
        call_sid: &CallSid,
        now: Timestamp,
        effects: &mut Vec<Effect>,
    ) {
        let task = &mut self.tasks[index];
        let conference = json!({
            "sid": task.conference_sid,
            "participants": { "worker": call_sid, "customer": task.customer_call_sid },
        });
        task.attributes.insert("conference".to_owned(), conference);
        task.touch(now);
        effects.push(customer_item(task));
        effects.extend(agent_item(task));
        effects.push(happened(
            "conference.started",
            Some(call_sid.as_str()),
            json!({ "task_sid": task.sid }),
        ));
        effects.push(self.task_updated(index, now));
        if let Some(reservation) = &mut self.tasks[index].reservation {
            reservation.accept_at = now.checked_add(CONFERENCE_BEFORE_ACCEPTED).ok();
        }
    }

    /// The task whose customer's telephone rings.
    fn ringing(&self, sid: &str) -> Result<usize, Refusal> {
        let index = self.find(sid)?;
        match self.tasks[index].customer {
            Customer::Ringing { .. } => Ok(index),
            _ => Err(Refusal::conflict(format!("The customer of {sid} is not being called"))),
        }
    }

    fn customer_answers(&mut self, index: usize, now: Timestamp, effects: &mut Vec<Effect>) {
        let task = &mut self.tasks[index];
        task.customer = Customer::OnLine;
        let Some(call_sid) = task.leg().map(|leg| leg.call_sid.clone()) else { return };
        task.attributes.insert("call_sid".to_owned(), json!(task.customer_call_sid));
        effects.push(happened("customer.answered", Some(call_sid.as_str()), json!({ "task_sid": task.sid })));
        effects.push(line(&call_sid, Line::Talking));
        self.conference_begins(index, &call_sid, now, effects);
    }

    fn customer_refuses(&mut self, index: usize, why: Unreached, now: Timestamp, effects: &mut Vec<Effect>) {
        let task = &mut self.tasks[index];
        task.customer = Customer::Left;
        let call_sid = task.leg().map(|leg| leg.call_sid.as_str().to_owned());
        let data = json!({ "task_sid": task.sid, "why": why });
        effects.push(happened("customer.unreached", call_sid.as_deref(), data));
        self.end_leg(index, effects);
        self.cancel(index, Some(why.code()), now, effects);
    }

    fn leg_ended(&mut self, call_sid: &CallSid, reason: LegEnd, now: Timestamp, effects: &mut Vec<Effect>) {
        if let Some(call) = self.colleague.iter_mut().find(|call| call.listener(call_sid.as_str()).is_some())
        {
            return call.listener_left(call_sid, effects);
        }
        let Ok(index) = self.find(call_sid.as_str()) else { return };
        let Some(leg) = self.tasks[index].leg() else { return };
        let (state, ends_conference) = (leg.state, leg.end_conference_on_exit);
        let data = json!({ "task_sid": self.tasks[index].sid, "reason": reason });
        effects.push(happened("worker.leg_ended", Some(call_sid.as_str()), data));
        if state != LegState::Left
            && matches!(self.tasks[index].customer, Customer::NotCalled | Customer::Ringing { .. })
        {
            self.tasks[index].customer = Customer::Left;
            return self.cancel(index, Some(AGENT_HUNG_UP), now, effects);
        }
        match state {
            LegState::Left => {}
            LegState::Dialling => {
                // Inferred: an unanswered call counts as a timeout, any other failure as a rejection.
                let status = match reason {
                    LegEnd::NoAnswer => ReservationStatus::TimedOut,
                    LegEnd::Completed | LegEnd::Busy | LegEnd::Failed => ReservationStatus::Rejected,
                };
                self.decline(index, status, now, effects);
            }
            LegState::Joined => {
                if ends_conference {
                    self.tasks[index].customer = Customer::Left;
                    self.colleague_leaves(index, effects);
                }
                self.agent_left(index, now, effects);
            }
        }
    }

    fn customer_hung_up(&mut self, index: usize, now: Timestamp, effects: &mut Vec<Effect>) {
        let task = &mut self.tasks[index];
        if task.customer == Customer::Left {
            return;
        }
        task.customer = Customer::Left;
        let leg = task.leg().map(|leg| (leg.call_sid.clone(), leg.state));
        let sid = leg.as_ref().map(|(call_sid, _)| call_sid.as_str().to_owned());
        effects.push(happened("customer.hung_up", sid.as_deref(), json!({ "task_sid": task.sid })));
        self.end_leg(index, effects);
        self.colleague_leaves(index, effects);
        let begun = self.tasks[index]
            .reservation
            .as_ref()
            .is_some_and(|r| r.status != ReservationStatus::Pending || r.accept_at.is_some());
        if begun {
            // Flex asks for EndConferenceOnCustomerExit on every call.
            self.agent_left(index, now, effects);
        } else {
            self.cancel(index, None, now, effects);
        }
    }

    /// The agent has left the conference, or is made to: after-call work begins.
    fn agent_left(&mut self, index: usize, now: Timestamp, effects: &mut Vec<Effect>) {
        let task = &mut self.tasks[index];
        if let Some(leg) = task.leg_mut() {
            leg.state = LegState::Left;
        }
        effects.extend(agent_item(task));
        if task.customer == Customer::Left {
            effects.push(customer_item(task));
        }
        let status = task.reservation.as_ref().map(|r| r.status);
        if status == Some(ReservationStatus::Pending) {
            self.set(index, ReservationStatus::Accepted, now, effects);
        }
        if matches!(status, Some(ReservationStatus::Pending | ReservationStatus::Accepted)) {
            self.set(index, ReservationStatus::Wrapping, now, effects);
        }
    }

    /// Has the agent's leg ended, if there is one.
    fn end_leg(&self, index: usize, effects: &mut Vec<Effect>) {
        if let Some(leg) = self.tasks[index].leg()
            && leg.state != LegState::Left
        {
            effects.push(Effect::Command(Command::EndLeg { call_sid: leg.call_sid.clone() }));
        }
    }

    fn hold_customer(&mut self, index: usize, hold: bool, effects: &mut Vec<Effect>) {
        let task = &mut self.tasks[index];
        task.customer_hold = hold;
        effects.push(customer_item(task));
        if let Some(leg) = task.leg() {
            let call_sid = leg.call_sid.clone();
            effects.push(happened("customer.hold", Some(call_sid.as_str()), json!({ "hold": hold })));
            effects.push(line(&call_sid, if hold { Line::Held } else { Line::Talking }));
        }
    }

    fn update_agent(
        &mut self,
        index: usize,
        end_conference_on_exit: Option<bool>,
        mute: Option<bool>,
        hold: Option<bool>,
        effects: &mut Vec<Effect>,
    ) {
        let task = &mut self.tasks[index];
        let Some(leg) = task.leg_mut() else { return };
        leg.end_conference_on_exit = end_conference_on_exit.unwrap_or(leg.end_conference_on_exit);
        leg.muted = mute.unwrap_or(leg.muted);
        leg.hold = hold.unwrap_or(leg.hold);
        effects.extend(agent_item(task));
    }

    fn kick(&mut self, index: usize, now: Timestamp, effects: &mut Vec<Effect>) {
        if self.tasks[index].leg().is_some_and(|leg| leg.state == LegState::Joined) {
            self.end_leg(index, effects);
            self.agent_left(index, now, effects);
        }
    }

    // ---- The worker ----

    fn update_worker(
        &mut self,
        activity_sid: Option<String>,
        attributes: Option<Attributes>,
        reject_pending_reservations: bool,
        now: Timestamp,
        effects: &mut Vec<Effect>,
    ) -> Result<(), Refusal> {
        let activity = match activity_sid {
            None => None,
            Some(sid) => Some(
                self.activities
                    .iter()
                    .position(|a| a.sid == sid)
                    .ok_or_else(|| Refusal::conflict(format!("Activity {sid} does not exist")))?,
            ),
        };
        if let Some(activity) = activity {
            let pending: Vec<usize> = (0..self.tasks.len())
                .filter(|&index| {
                    self.tasks[index]
                        .reservation
                        .as_ref()
                        .is_some_and(|r| r.status == ReservationStatus::Pending && r.leg.is_none())
                })
                .collect();
            if !pending.is_empty() && !reject_pending_reservations {
                return Err(Refusal::conflict(format!(
                    "Worker {} cannot have its activity updated while it has {} pending reservations.",
                    account::WORKER_SID,
                    pending.len()
                )));
            }
            for index in pending {
                self.decline(index, ReservationStatus::Rejected, now, effects);
            }
            for task in &mut self.tasks {
                task.declined = false;
            }
            self.set_activity(activity, now, effects);
        }
        if let Some(attributes) = attributes {
            self.set_attributes(attributes, now, effects);
        }
        Ok(())
    }

    fn merge_attributes(&mut self, patch: Attributes, now: Timestamp, effects: &mut Vec<Effect>) {
        let mut attributes = self.worker_attributes.clone();
        for (name, value) in patch {
            if value.is_null() {
                attributes.remove(&name);
            } else {
                attributes.insert(name, value);
            }
        }
        self.set_attributes(attributes, now, effects);
    }

    fn set_attributes(&mut self, attributes: Attributes, now: Timestamp, effects: &mut Vec<Effect>) {
        self.worker_attributes = attributes;
        self.worker_changed(now);
        effects.push(Effect::Push { event: "worker.attributes.update", payload: self.worker() });
        let contact_uri = self.worker_attributes.get("contact_uri").cloned().unwrap_or_default();
        effects.push(happened("worker.attributes.update", None, json!({ "contact_uri": contact_uri })));
    }

    fn set_activity(&mut self, activity: usize, now: Timestamp, effects: &mut Vec<Effect>) {
        self.activity = activity;
        self.activity_changed = now;
        self.worker_changed(now);
        effects.push(Effect::Push { event: "worker.activity.update", payload: self.worker() });
        let name = self.activities[activity].name;
        effects.push(happened("worker.activity.update", None, json!({ "activity": name })));
    }

    fn worker_changed(&mut self, now: Timestamp) {
        self.worker_version += 1;
        self.worker_updated = now;
    }

    // ---- Small things ----

    /// Tasks that use the worker's capacity.
    fn open_tasks(&self) -> usize {
        self.tasks.iter().filter(|task| task.reservation.is_some()).count()
    }

    fn find(&self, sid: &str) -> Result<usize, Refusal> {
        self.tasks
            .iter()
            .position(|task| task.is_named(sid))
            .ok_or_else(|| Refusal::not_found(&format!("/Tasks/{sid}")))
    }

    fn sid(&mut self, prefix: &str) -> String {
        format!("{prefix}{:032x}", self.rng.random::<u128>())
    }

    fn call_sid(&mut self) -> CallSid {
        CallSid::new(self.sid("CA")).expect("CA and 32 hexadecimal digits are a call SID")
    }

    fn reservation_json(&self, task: &Task, now: Timestamp) -> Option<Value> {
        let reservation = task.reservation.as_ref()?;
        Some(to_json(&ReservationResource {
            account_sid: account::ACCOUNT_SID,
            workspace_sid: account::WORKSPACE_SID,
            worker_sid: account::WORKER_SID,
            worker_name: account::AGENT_NAME,
            sid: reservation.sid.clone(),
            reservation_status: reservation.status.names().0,
            reservation_timeout: i64::try_from(self.options.reservation_timeout.as_secs())
                .unwrap_or(i64::MAX),
            date_created: reservation.created.as_second(),
            date_updated: reservation.updated.as_second(),
            version: reservation.version.to_string(),
            task_sid: task.sid.clone(),
            task: task_resource(task, now),
            canceled_reason_code: reservation.canceled_reason,
            active_outgoing_task_transfer: transfer::open_resource(task),
        }))
    }
}

fn task_resource(task: &Task, now: Timestamp) -> TaskResource {
    TaskResource {
        account_sid: account::ACCOUNT_SID,
        workspace_sid: account::WORKSPACE_SID,
        sid: task.sid.clone(),
        attributes: Value::Object(task.attributes.clone()).to_string(),
        assignment_status: task.status(),
        addons: "{}",
        age: now.as_second() - task.created.as_second(),
        date_created: task.created.as_second(),
        date_updated: task.updated.as_second(),
        virtual_start_time: task.created.as_second(),
        priority: 0,
        queue_name: "Voice",
        queue_sid: account::TASK_QUEUE_SID,
        task_queue_name: "Voice",
        task_queue_friendly_name: "Voice",
        task_queue_sid: account::TASK_QUEUE_SID,
        reason: None,
        routing_target: task.routing_target.clone(),
        task_channel_unique_name: "voice",
        task_channel_sid: format!("TC{:032x}", 0),
        timeout: 86_400,
        workflow_name: "Voice",
        workflow_friendly_name: "Voice",
        workflow_sid: account::WORKFLOW_SID,
        version: task.version.to_string(),
    }
}

fn customer_item(task: &Task) -> Effect {
    Effect::ConferenceItem {
        task_sid: task.sid.clone(),
        key: task.customer_call_sid.as_str().to_owned(),
        data: json!({
            "participant_type": "customer",
            "status": if task.customer == Customer::Left { "left" } else { "joined" },
            "conference_sid": task.conference_sid,
            "call_sid": task.customer_call_sid,
            "hold": task.customer_hold,
            "muted": false,
            "end_conference_on_exit": true,
            "reservation_sid": null,
            "worker_sid": null,
        }),
    }
}

fn agent_item(task: &Task) -> Option<Effect> {
    let reservation = task.reservation.as_ref()?;
    Some(worker_item(task, reservation.leg.as_ref()?, &reservation.sid, account::WORKER_SID))
}

fn worker_item(task: &Task, leg: &Leg, reservation_sid: &str, worker_sid: &str) -> Effect {
    Effect::ConferenceItem {
        task_sid: task.sid.clone(),
        key: leg.call_sid.as_str().to_owned(),
        data: json!({
            "participant_type": "worker",
            "status": leg.state.participant_status(),
            "conference_sid": task.conference_sid,
            "call_sid": leg.call_sid,
            "hold": leg.hold,
            "muted": leg.muted,
            "end_conference_on_exit": leg.end_conference_on_exit,
            "reservation_sid": reservation_sid,
            "worker_sid": worker_sid,
        }),
    }
}

fn line(call_sid: &CallSid, line: Line) -> Effect {
    Effect::Command(Command::SetLine { call_sid: call_sid.clone(), line })
}

fn happened(kind: &str, call_sid: Option<&str>, data: Value) -> Effect {
    Effect::Happened(Event::flex(kind, call_sid, data))
}

fn to_json(resource: &impl serde::Serialize) -> Value {
    serde_json::to_value(resource).unwrap_or_default()
}

#[cfg(test)]
mod tests;
