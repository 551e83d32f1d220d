//! The workspace: its worker, its tasks, and what every change of a task says.

use kernel::{CallSid, Timestamp};
use rand::rngs::StdRng;
use rand::{RngExt as _, SeedableRng as _};
use sansio::Timers;
use serde_json::json;

use super::colleague::ColleagueCall;
use super::event::{Attributes, Command, Options, Refusal, log};
use super::leg;
use super::task::{Customer, ReservationStatus, Task};
use super::worker::Worker;
use crate::api::FarEnd;

/// What is waited for, each with the task's SID.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Timer {
    /// The customer's telephone has rung for long enough.
    Ring(String),
    /// An answered reservation is announced as accepted.
    Accept(String),
    /// Nobody has taken the reservation in time.
    Timeout(String),
}

/// Everything that TaskRouter knows of this account.
#[derive(Debug)]
pub struct Workspace {
    pub(super) options: Options,
    rng: StdRng,
    pub(super) worker: Worker,
    pub(super) far_end: FarEnd,
    pub(super) tasks: Vec<Task>,
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

    /// Tasks that use the worker's capacity.
    pub(super) fn open_tasks(&self) -> u32 {
        let open = self.tasks.iter().filter(|task| task.reservation.is_some()).count();
        u32::try_from(open).unwrap_or(u32::MAX)
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
        let mut task = Task::new(sid, conference_sid, customer_call_sid, customer, now);
        (task.attributes, task.routing_target) = (attributes, routing_target);
        self.tasks.push(task);
    }

    /// A task is over, and with it all that it waits for.
    pub(super) fn remove_task(&mut self, index: usize) {
        let sid = self.tasks.remove(index).sid;
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
        self.out.extend([Command::Push { event, payload }, told]);
    }

    pub(super) fn announce_task(&mut self, index: usize, now: Timestamp) {
        let payload = self.tasks[index].resource(now);
        self.out.push(Command::Push { event: "task.updated", payload });
    }

    /// The reservation is over without an agent; the task waits for another.
    pub(super) fn decline(&mut self, index: usize, status: ReservationStatus, now: Timestamp) {
        self.set_reservation(index, status, now);
        let task = &mut self.tasks[index];
        task.reservation = None;
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
        self.remove_task(index);
    }
}
