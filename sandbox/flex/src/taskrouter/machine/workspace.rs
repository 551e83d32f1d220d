//! The workspace: its worker, its tasks, and what every change of a task says.

use kernel::{CallSid, Timestamp};
use rand::rngs::StdRng;
use rand::{RngExt as _, SeedableRng as _};
use sansio::Timers;
use serde_json::json;

use super::call::{Call, Customer};
use super::channel::TaskChannel;
use super::chat::Chat;
use super::colleague::ColleagueCall;
use super::event::{Attributes, Command, Options, Refusal, log};
use super::leg;
use super::task::{Reservation, ReservationStatus, Task, Work};
use super::worker::Worker;
use crate::api::{FarEnd, Holder};
use crate::taskrouter::resource::renamed;

/// What is waited for, each with the task's SID.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Timer {
    /// The customer's telephone has rung for long enough.
    Ring(String),
    /// An answered reservation is announced as accepted.
    Accept(String),
    /// Nobody has taken the reservation in time.
    Timeout(String),
    /// A task that is over is forgotten.
    Forget(String),
}

/// How long a task that is over can still be asked for. Source: TaskRouter's documentation on the life of a task.
const KEPT_MS: u64 = 5 * 60 * 1_000;

/// Everything that TaskRouter knows of this account.
#[derive(Debug)]
pub struct Workspace {
    pub(super) options: Options,
    rng: StdRng,
    pub(super) worker: Worker,
    pub(super) far_end: FarEnd,
    pub(super) tasks: Vec<Task>,
    /// Tasks that are over, for a while.
    pub(super) finished: Vec<Task>,
    pub(super) colleague: Vec<ColleagueCall>,
    pub(super) timers: Timers<Timer, Timestamp>,
    /// What is to be done.
    pub(super) out: Vec<Command>,
}

impl Workspace {
    pub(super) fn new(options: Options, now: Timestamp) -> Self {
        Self {
            rng: StdRng::from_seed(options.seed),
            worker: Worker::new(options.worker_attributes.clone(), &options.initial_activity, now),
            far_end: FarEnd::default(),
            tasks: Vec::new(),
            finished: Vec::new(),
            colleague: Vec::new(),
            timers: Timers::default(),
            out: Vec::new(),
            options,
        }
    }

    pub(super) fn sid(&mut self, prefix: &str) -> String {
        format!("{prefix}{:032x}", self.rng.random::<u128>())
    }

    pub(super) fn call_sid(&mut self) -> CallSid {
        CallSid::new(self.sid("CA")).expect("CA and 32 hexadecimal digits are a call SID")
    }

    pub(super) fn find_task(&self, sid: &str) -> Result<usize, Refusal> {
        let found = self.tasks.iter().position(|task| task.is_named(sid));
        found.ok_or_else(|| Refusal::not_found(&format!("/Tasks/{sid}")))
    }

    pub(super) fn find_reservation(&self, sid: &str) -> Result<usize, Refusal> {
        let found = self.tasks.iter().position(|task| task.is_reservation(sid));
        found.ok_or_else(|| Refusal::not_found(&format!("/Reservations/{sid}")))
    }

    /// The agent's tasks that use the capacity of a channel.
    pub(super) fn open_tasks(&self, channel: TaskChannel) -> u32 {
        let uses = |task: &&Task| {
            task.reservation.is_some() && task.holder == Holder::Agent && task.channel == channel
        };
        u32::try_from(self.tasks.iter().filter(uses).count()).unwrap_or(u32::MAX)
    }

    /// How many tasks of a channel the agent may hold.
    pub(super) fn capacity(&self, channel: TaskChannel) -> u32 {
        match channel {
            TaskChannel::Voice => self.options.voice_capacity,
            TaskChannel::Chat => self.options.chat_capacity,
            TaskChannel::Sms | TaskChannel::Email | TaskChannel::Default => 3,
        }
    }

    pub(super) fn create_task(
        &mut self,
        mut attributes: Attributes,
        routing_target: Option<String>,
        now: Timestamp,
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
        self.out.extend(leg::open(&sid, &conference_sid));
        let from = attributes.get("from").cloned().unwrap_or_default();
        self.out.push(log("task.created", None, json!({ "task_sid": sid, "from": from })));
        let work = Work::Call(Call::new(conference_sid, customer_call_sid, customer));
        let mut task = Task::new(sid, TaskChannel::Voice, Holder::Agent, work, attributes, now);
        task.routing_target = routing_target;
        self.tasks.push(task);
    }

    /// A task that is no call.
    pub(super) fn task_arrives(
        &mut self,
        mut attributes: Attributes,
        channel: TaskChannel,
        holder: Holder,
        long_lived: bool,
        now: Timestamp,
    ) {
        let sid = self.sid("WT");
        let chat = Chat::of(&attributes, long_lived);
        let data =
            json!({ "task_sid": sid, "channel": channel.unique_name(), "from": attributes.get("from") });
        self.out.push(log("task.created", None, data));
        if chat.is_some() {
            // Flex accepts, wraps up and completes a chat by its interaction, which it finds by these.
            for (name, prefix) in [
                ("flexInteractionSid", "KD"),
                ("flexInteractionChannelSid", "UO"),
                ("flexChannelInviteSid", "KG"),
            ] {
                attributes.insert(name.to_owned(), json!(renamed(prefix, &sid)));
            }
        }
        let work = chat.map_or(Work::Other, Work::Chat);
        let mut task = Task::new(sid, channel, holder, work, attributes, now);
        if holder == Holder::Colleague {
            let mut reservation = Reservation::new(self.sid("WR"), now);
            reservation.status = ReservationStatus::Accepted;
            task.reservation = Some(reservation);
        }
        self.tasks.push(task);
    }

    /// A task is over, and with it all that it waits for.
    pub(super) fn remove_task(&mut self, index: usize, now: Timestamp) {
        let task = self.tasks.remove(index);
        let sid = task.sid.clone();
        self.finished.push(task);
        self.timers.arm(Timer::Forget(sid.clone()), now.plus(KEPT_MS));
        self.timers.disarm(Timer::Ring(sid.clone()));
        self.timers.disarm(Timer::Accept(sid.clone()));
        self.timers.disarm(Timer::Timeout(sid));
    }

    pub(super) fn set_reservation(&mut self, index: usize, status: ReservationStatus, now: Timestamp) {
        let task = &mut self.tasks[index];
        task.set_reservation(status, now);
        self.timers.disarm(Timer::Accept(task.sid.clone()));
        self.timers.disarm(Timer::Timeout(task.sid.clone()));
        self.announce_reservation(index, now);
    }

    /// Tells Flex and the log what a reservation is now.
    pub(super) fn announce_reservation(&mut self, index: usize, now: Timestamp) {
        let task = &self.tasks[index];
        let timeout = self.options.reservation_timeout.as_secs();
        let Some((reservation, payload)) =
            task.reservation.as_ref().zip(task.reservation_resource(timeout, now))
        else {
            return;
        };
        let event = reservation.status.names().1;
        let data = json!({ "task_sid": task.sid, "reservation_sid": reservation.sid });
        let told = log(event, task.agent_call(), data);
        let push = (task.holder == Holder::Agent).then_some(Command::Push { event, payload });
        self.out.extend(push.into_iter().chain([told]));
    }

    pub(super) fn announce_task(&mut self, index: usize, now: Timestamp) {
        let task = &self.tasks[index];
        if task.holder == Holder::Agent {
            self.out.push(Command::Push { event: "task.updated", payload: task.resource(now) });
        }
    }

    /// The reservation is over without an agent; the task waits for another.
    pub(super) fn decline(&mut self, index: usize, status: ReservationStatus, now: Timestamp) {
        self.set_reservation(index, status, now);
        let task = &mut self.tasks[index];
        task.former.extend(task.reservation.take());
        // Inferred: Twilio might offer it to the same worker again at once; with one worker that would ring forever.
        task.declined = true;
        if status == ReservationStatus::TimedOut {
            self.out.extend(self.worker.time_out(now));
        }
    }

    pub(super) fn cancel(&mut self, index: usize, reason: Option<i64>, now: Timestamp) {
        self.tasks[index].canceled = true;
        if let Some(reservation) = &mut self.tasks[index].reservation {
            reservation.canceled_reason = reason;
            self.set_reservation(index, ReservationStatus::Canceled, now);
        }
        self.out.push(log("task.canceled", None, json!({ "task_sid": self.tasks[index].sid })));
        self.remove_task(index, now);
    }

    /// A task that has been over for long enough.
    pub(super) fn forget(&mut self, sid: &str) {
        self.finished.retain(|task| task.sid != sid);
    }
}
