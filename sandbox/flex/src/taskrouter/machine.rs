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

mod call;
pub mod channel;
pub mod chat;
pub(crate) mod colleague;
mod conference;
pub mod event;
mod leg;
mod routing;
mod task;
#[cfg(test)]
mod tests;
mod transfer;
pub(crate) mod view;
mod worker;
pub mod workspace;

use kernel::Timestamp;

use self::call::Customer;
use self::event::{Command, Event, Options, Refusal};
use self::task::{Reservation, ReservationStatus};
use self::workspace::{Timer, Workspace};
use crate::account;

/// See the module's description.
#[derive(Debug)]
pub struct Machine(Workspace);

impl Machine {
    /// A workspace with one worker, as it is before anybody logs in.
    #[must_use]
    pub fn new(options: Options, now: Timestamp) -> Self {
        Self(Workspace::new(options, now))
    }

    /// What there is.
    #[must_use]
    pub fn workspace(&self) -> &Workspace {
        &self.0
    }

    fn request(&mut self, event: Event, now: Timestamp) -> Result<(), Refusal> {
        let space = &mut self.0;
        match event {
            Event::CustomerCalls { from } => space.customer_calls(&from, now),
            Event::CreateTask { attributes } => {
                space.create_task(attributes, Some(account::WORKER_SID.to_owned()), now);
            }
            Event::TaskArrives { attributes, channel, holder, long_lived } => {
                space.task_arrives(attributes, channel, holder, long_lived, now);
            }
            Event::CustomerLeaves { sid } => space.customer_leaves_chat(&sid, now)?,
            Event::HandOver { sid, to } => space.hand_over(&sid, to, now)?,
            Event::Reservation { sid, change } => space.change_reservation(&sid, change, now)?,
            Event::LegAnswered { call_sid } => space.leg_answered(&call_sid, now),
            Event::LegEnded { call_sid, reason } => space.leg_ended(&call_sid, reason, now),
            Event::CustomerHungUp { sid } => {
                let index = space.find_task(&sid)?;
                space.customer_hung_up(index, now);
            }
            Event::UpdateCustomer { task_sid, hold } => {
                let index = space.find_task(&task_sid)?;
                if let Some(hold) = hold {
                    space.hold_customer(index, hold);
                }
            }
            Event::UpdateAgent { sid, end_conference_on_exit, mute, hold, kick } => {
                let index = space.find_task(&sid)?;
                space.update_agent(index, end_conference_on_exit, mute, hold);
                if kick {
                    space.kick_agent(index, now);
                }
            }
            Event::ColleagueCall { from } => space.colleague_calls(from, now),
            Event::ColleagueHangsUp { sid } => {
                let index = space.find_colleague_call(&sid)?;
                let commands = space.colleague.remove(index).ends();
                space.out.extend(commands);
            }
            Event::Supervise { reservation_sid, to } => space.supervise(&reservation_sid, to)?,
            Event::Coach { sid, coach } => {
                let index = space.find_colleague_call(&sid)?;
                space.out.extend(space.colleague[index].coach(coach));
            }
            Event::Transfer { reservation_sid, to, mode } => {
                space.transfer(&reservation_sid, &to, mode, now)?;
            }
            Event::CancelTransfer { sid } => space.cancel_transfer(&sid, now)?,
            Event::TransferAnswered { sid, takes } => space.transfer_answered(&sid, takes, now)?,
            Event::UpdateColleague { task_sid, hold, kick } => {
                space.update_colleague(&task_sid, hold, kick)?;
            }
            Event::EndConference { task_sid } => space.end_conference(&task_sid, now)?,
            Event::FarEnd(far_end) => space.far_end = far_end,
            Event::CustomerAnswers { sid } => {
                let index = space.find_ringing(&sid)?;
                space.customer_answers(index, now);
            }
            Event::CustomerRefuses { sid, why } => {
                let index = space.find_ringing(&sid)?;
                space.customer_refuses(index, why, now);
            }
            Event::UpdateWorker { activity_sid, attributes, reject_pending_reservations, version } => {
                let is = space.worker.version();
                if let Some(version) = version.filter(|version| *version != is.to_string()) {
                    return Err(Refusal::stale(&version, is));
                }
                let reject = reject_pending_reservations;
                space.update_worker(activity_sid.as_deref(), attributes, reject, now)?;
            }
            Event::MergeAttributes(patch) => {
                let commands = space.worker.merge(patch, now);
                space.out.extend(commands);
            }
            Event::UpdateTask { sid, attributes, status, reason } => {
                space.update_task(&sid, attributes, status.as_deref(), reason, now)?;
            }
            Event::Reset => space.reset(now),
        }
        space.offer(now);
        Ok(())
    }

    fn due(&mut self, timer: Timer, now: Timestamp) {
        let space = &mut self.0;
        match timer {
            Timer::Ring(sid) => {
                if let Ok(index) = space.find_task(&sid)
                    && let Some(Customer::Ringing { then }) = space.tasks[index].customer()
                {
                    match then.refusal() {
                        None => space.customer_answers(index, now),
                        Some(why) => space.customer_refuses(index, why, now),
                    }
                }
            }
            Timer::Accept(sid) => {
                if let Ok(index) = space.find_task(&sid) {
                    space.set_reservation(index, ReservationStatus::Accepted, now);
                }
            }
            Timer::Timeout(sid) => {
                if let Ok(index) = space.find_task(&sid)
                    && space.tasks[index].reservation.as_ref().is_some_and(Reservation::is_free)
                {
                    space.decline(index, ReservationStatus::TimedOut, now);
                }
            }
            Timer::Forget(sid) => space.forget(&sid),
        }
    }
}

impl sansio::Machine for Machine {
    type Time = Timestamp;
    type Event = Event;
    type Command = Command;

    fn handle(&mut self, event: Event, now: Timestamp) -> Vec<Command> {
        match self.request(event, now) {
            Ok(()) => std::mem::take(&mut self.0.out),
            Err(refusal) => {
                self.0.out.clear();
                vec![Command::Refuse(refusal)]
            }
        }
    }

    fn handle_timeout(&mut self, now: Timestamp) -> Vec<Command> {
        while let Some((timer, _)) = self.0.timers.take_due(now) {
            self.due(timer, now);
        }
        self.0.offer(now);
        std::mem::take(&mut self.0.out)
    }

    fn poll_timeout(&self) -> Option<Timestamp> {
        self.0.timers.next()
    }
}
