//! Who is offered what, and what Flex makes of it.

use kernel::Timestamp;
use serde_json::{Value, json};

use super::chat::Chat;
use super::event::{Attributes, Command, Refusal, ReservationChange, TransferMode, log};
use super::task::{Reservation, ReservationStatus, Task};
use super::transfer::{Transfer, TransferStatus};
use super::workspace::{Timer, Workspace};
use crate::account;
use crate::api::{FarEnd, Holder};

impl Workspace {
    pub(super) fn customer_calls(&mut self, from: &str, now: Timestamp) {
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
        self.create_task(attributes, None, now);
    }

    /// Offers waiting tasks to the worker, as far as the worker is available and has capacity.
    pub(super) fn offer(&mut self, now: Timestamp) {
        for index in 0..self.tasks.len() {
            let task = &self.tasks[index];
            let waits = task.reservation.is_none() && !task.declined && !task.canceled;
            // A task that Flex makes for its own worker needs no available activity, only one that is not Offline.
            let may = if task.routing_target.is_some() {
                !self.worker.is_offline()
            } else {
                self.worker.is_available() && self.open_tasks(task.channel) < self.capacity(task.channel)
            };
            if !waits || !may {
                continue;
            }
            let reservation = Reservation::new(self.sid("WR"), now);
            let timeout = u64::try_from(self.options.reservation_timeout.as_millis()).unwrap_or(u64::MAX);
            let task = &mut self.tasks[index];
            task.reservation = Some(reservation);
            task.touch(now);
            self.timers.arm(Timer::Timeout(task.sid.clone()), now.plus(timeout));
            self.announce_reservation(index, now);
        }
    }

    pub(super) fn change_reservation(
        &mut self,
        sid: &str,
        change: ReservationChange,
        now: Timestamp,
    ) -> Result<(), Refusal> {
        let index = self.find_reservation(sid)?;
        let Some(reservation) = &self.tasks[index].reservation else {
            return Err(Refusal::not_found(&format!("/Reservations/{sid}")));
        };
        let (status, free) = (reservation.status, reservation.is_free());
        match change {
            ReservationChange::Call { to, end_conference_on_exit } if free => {
                self.call_worker(index, to, end_conference_on_exit)?;
            }
            ReservationChange::Accept if free => {
                let task = &self.tasks[index];
                // The agent is in the conversation when Flex hears that the reservation is accepted, and opens it.
                let join = task.chat().map(|chat| Command::Chat(chat.join()));
                self.out.extend(join);
                self.set_reservation(index, ReservationStatus::Accepted, now);
            }
            ReservationChange::Reject if free => self.decline(index, ReservationStatus::Rejected, now),
            ReservationChange::Wrap if status == ReservationStatus::Accepted => {
                // Inferred: the call goes on; only hanging up ends it.
                self.set_reservation(index, ReservationStatus::Wrapping, now);
            }
            ReservationChange::Complete
                if matches!(status, ReservationStatus::Accepted | ReservationStatus::Wrapping) =>
            {
                self.complete(index, now);
            }
            _ => {
                let is = status.names().0;
                return Err(Refusal::conflict(format!("Reservation {sid} is {is} and cannot be changed so")));
            }
        }
        Ok(())
    }

    fn complete(&mut self, index: usize, now: Timestamp) {
        let leaves = self.tasks[index].chat().map(Chat::completed).unwrap_or_default();
        self.out.extend(leaves.into_iter().map(Command::Chat));
        self.set_reservation(index, ReservationStatus::Completed, now);
        self.remove_task(index, now);
    }

    /// The customer of a chat leaves: nobody is offered what is over, and who has begun finishes it.
    pub(super) fn customer_leaves_chat(&mut self, sid: &str, now: Timestamp) -> Result<(), Refusal> {
        let names =
            |task: &Task| task.is_named(sid) || task.chat().is_some_and(|chat| chat.conversation_sid == sid);
        let found = self.tasks.iter().position(|task| task.chat().is_some() && names(task));
        let index = found.ok_or_else(|| Refusal::not_found(&format!("/Tasks/{sid}")))?;
        let task = &mut self.tasks[index];
        if let Some(chat) = task.chat_mut() {
            chat.customer_leaves();
        }
        self.out.push(log("customer.left", None, json!({ "task_sid": task.sid })));
        if matches!(task.reservation_status(), None | Some(ReservationStatus::Pending)) {
            self.cancel(index, None, now);
        }
        Ok(())
    }

    /// A chat goes to another worker: a task of their own about the same conversation, and the first is wrapped up.
    ///
    /// Inferred: Flex's own transfer makes an invite to the interaction's channel, which becomes a task when it is
    /// routed, and closes the first agent's part of the channel; what TaskRouter shows of it is the same.
    pub(super) fn hand_over(&mut self, sid: &str, to: Holder, now: Timestamp) -> Result<(), Refusal> {
        let names = |task: &Task| {
            task.holder != to
                && task.reservation_status() == Some(ReservationStatus::Accepted)
                && task.chat().is_some_and(|chat| task.is_named(sid) || chat.conversation_sid == sid)
        };
        let index = self.tasks.iter().position(names).ok_or_else(|| {
            Refusal::conflict(format!("No accepted task about {sid} is anybody's who could hand it over"))
        })?;
        let task = &mut self.tasks[index];
        let attributes = task.attributes.clone();
        let channel = task.channel;
        let long_lived = task.chat_mut().is_some_and(|chat| {
            chat.hand_over();
            chat.is_long_lived()
        });
        self.out.push(log("chat.handed_over", None, json!({ "task_sid": self.tasks[index].sid })));
        self.set_reservation(index, ReservationStatus::Wrapping, now);
        self.task_arrives(attributes, channel, to, long_lived, now);
        Ok(())
    }

    pub(super) fn update_task(
        &mut self,
        sid: &str,
        attributes: Option<Attributes>,
        status: Option<&str>,
        reason: Option<String>,
        now: Timestamp,
    ) -> Result<(), Refusal> {
        let index = self.find_task(sid)?;
        let becomes = match (status, self.tasks[index].reservation_status()) {
            (None, _) => None,
            (Some("canceled"), None | Some(ReservationStatus::Pending)) => Some(ReservationStatus::Canceled),
            (Some("wrapping"), Some(ReservationStatus::Accepted)) => Some(ReservationStatus::Wrapping),
            (Some("completed"), Some(ReservationStatus::Accepted | ReservationStatus::Wrapping)) => {
                Some(ReservationStatus::Completed)
            }
            (Some(status), _) => {
                let is = self.tasks[index].status();
                return Err(Refusal::conflict(format!("Task {sid} is {is} and cannot become {status}")));
            }
        };
        self.tasks[index].set_reason(reason);
        if let Some(attributes) = attributes {
            let task = &mut self.tasks[index];
            task.attributes = attributes;
            task.touch(now);
            self.announce_task(index, now);
        }
        match becomes {
            Some(ReservationStatus::Canceled) => {
                self.end_leg(index);
                self.cancel(index, None, now);
            }
            Some(ReservationStatus::Completed) => self.complete(index, now),
            Some(status) => self.set_reservation(index, status, now),
            None => {}
        }
        Ok(())
    }

    pub(super) fn update_worker(
        &mut self,
        activity_sid: Option<&str>,
        attributes: Option<Attributes>,
        reject_pending_reservations: bool,
        now: Timestamp,
    ) -> Result<(), Refusal> {
        if let Some(sid) = activity_sid {
            let activity = self.worker.position(sid)?;
            let free =
                |index: &usize| self.tasks[*index].reservation.as_ref().is_some_and(Reservation::is_free);
            let pending: Vec<usize> = (0..self.tasks.len()).filter(free).collect();
            if !pending.is_empty() && !reject_pending_reservations {
                return Err(Refusal::conflict(format!(
                    "Worker {} cannot have its activity updated while it has {} pending reservations.",
                    account::WORKER_SID,
                    pending.len()
                )));
            }
            for index in pending {
                self.decline(index, ReservationStatus::Rejected, now);
            }
            for task in &mut self.tasks {
                task.declined = false;
            }
            self.out.extend(self.worker.set_activity(activity, now));
        }
        if let Some(attributes) = attributes {
            self.out.extend(self.worker.set_attributes(attributes, now));
        }
        Ok(())
    }

    /// Ends everything; the worker returns to how it was at start.
    pub(super) fn reset(&mut self, now: Timestamp) {
        while let Some(index) = self.tasks.len().checked_sub(1) {
            self.end_leg(index);
            let status = self.tasks[index].reservation_status();
            if matches!(status, Some(ReservationStatus::Accepted | ReservationStatus::Wrapping)) {
                self.complete(index, now);
            } else {
                self.cancel(index, None, now);
            }
        }
        for task in std::mem::take(&mut self.finished) {
            self.timers.disarm(Timer::Forget(task.sid));
        }
        for mut call in std::mem::take(&mut self.colleague) {
            self.out.extend(call.ends());
        }
        self.far_end = FarEnd::default();
        let (attributes, activity) = (self.options.worker_attributes.clone(), &self.options.initial_activity);
        self.out.extend(self.worker.reset(attributes, activity, now));
        self.out.push(log("reset", None, json!({})));
    }

    // ---- transfers ------------------------------------------------------------------------------------------------

    /// Inferred: who leaves the conference when. A cold transfer takes the agent's leg out at once; in a warm one the agent
    /// stays until they hang up, and Flex UI has by then asked that the conference outlive them.
    pub(super) fn transfer(
        &mut self,
        reservation_sid: &str,
        to: &str,
        mode: TransferMode,
        now: Timestamp,
    ) -> Result<(), Refusal> {
        let index = self.find_task(reservation_sid)?;
        if to != account::COLLEAGUE_WORKER_SID {
            return Err(Refusal::conflict(format!(
                "The sandbox transfers to the colleague only, not to {to}"
            )));
        }
        let transfer = Transfer::new(self.sid("TT"), self.sid("WR"), mode, now);
        let task = &mut self.tasks[index];
        let accepted = task.reservation_status() == Some(ReservationStatus::Accepted);
        match task.call_mut() {
            Some(call) if accepted && !call.transfer.as_ref().is_some_and(Transfer::is_open) => {
                call.transfer = Some(transfer);
            }
            _ => return Err(Refusal::conflict(format!("Task {} cannot be transferred now", task.sid))),
        }
        self.announce_transfer(index);
        if mode == TransferMode::Cold {
            self.agent_leaves(index, now);
        }
        Ok(())
    }

    fn announce_transfer(&mut self, index: usize) {
        let task = &self.tasks[index];
        let Some((transfer, payload)) = task.transfer().zip(task.transfer_resource()) else { return };
        let event = transfer.event();
        let data = json!({ "task_sid": task.sid, "mode": transfer.mode() });
        let told = log(event, task.agent_call(), data);
        self.out.extend([Command::Push { event, payload }, told]);
    }

    /// The task with an open transfer that one of these names.
    fn find_transfer(&self, sid: &str) -> Result<usize, Refusal> {
        let found = self
            .tasks
            .iter()
            .position(|task| task.is_transfer(sid) && task.transfer().is_some_and(Transfer::is_open));
        found.ok_or_else(|| Refusal::conflict(format!("{sid} is not being transferred")))
    }

    fn settle_transfer(&mut self, index: usize, status: TransferStatus, now: Timestamp) {
        if let Some(transfer) = self.tasks[index].transfer_mut() {
            transfer.settle(status, now);
        }
        self.announce_transfer(index);
    }

    pub(super) fn cancel_transfer(&mut self, sid: &str, now: Timestamp) -> Result<(), Refusal> {
        let index = self.find_transfer(sid)?;
        self.settle_transfer(index, TransferStatus::Canceled, now);
        Ok(())
    }

    /// The colleague takes the call, or declines it.
    pub(super) fn transfer_answered(
        &mut self,
        sid: &str,
        takes: bool,
        now: Timestamp,
    ) -> Result<(), Refusal> {
        let index = self.find_transfer(sid)?;
        if !takes {
            self.settle_transfer(index, TransferStatus::Failed, now);
            return Ok(());
        }
        let call_sid = self.call_sid();
        let task = &mut self.tasks[index];
        if let Some(transfer) = task.transfer_mut() {
            transfer.joined(call_sid);
        }
        self.out.extend(task.write_colleague());
        self.settle_transfer(index, TransferStatus::Complete, now);
        Ok(())
    }
}
