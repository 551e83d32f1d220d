//! The calls of tasks: the agent is called, agent and customer meet in a conference, and somebody leaves it.

use kernel::{CallSid, Timestamp};
use serde_json::json;

use super::call::Customer;
use super::colleague::ColleagueCall;
use super::event::{Command, Refusal, log};
use super::leg::{self, Leg, LegState, line};
use super::task::ReservationStatus;
use super::transfer::Transfer;
use super::workspace::{Timer, Workspace};
use crate::api::{FarEnd, LegCommand, LegEnd, Line, Outcome, Unreached};

/// From the moment when the participants are in the conference until `reservation.accepted`.
///
/// The two travel on different sockets, and Flex UI 2.17 draws its participants panel with a width of infinity when
/// it mounts before it knows a participant, and redraws only when the window is resized. Inferred: that Twilio sends
/// them in this order, from the fact that Flex does not have the problem in the field.
const CONFERENCE_BEFORE_ACCEPTED_MS: u64 = 250;

/// Why an outbound reservation is canceled when the agent's leg ends before the customer has answered.
///
/// Inferred: Flex UI knows 45302, 45306 and 45307 as reasons of which the agent is told nothing; which of them Twilio
/// sends here was not seen.
const AGENT_HUNG_UP: i64 = 45306;

impl Workspace {
    // ---- the colleague's calls, and who listens to them -----------------------------------------------------------

    pub(super) fn colleague_calls(&mut self, from: String, now: Timestamp) {
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
        self.out.extend(call.begins());
        self.colleague.push(call);
    }

    pub(super) fn find_colleague_call(&self, sid: &str) -> Result<usize, Refusal> {
        let found = self.colleague.iter().position(|call| call.is_named(sid));
        found.ok_or_else(|| Refusal::not_found(&format!("/Tasks/{sid}")))
    }

    pub(super) fn supervise(&mut self, reservation_sid: &str, to: Option<String>) -> Result<(), Refusal> {
        let index = self.find_colleague_call(reservation_sid)?;
        let (to, parameters) = self.worker.contact(to)?;
        let call_sid = self.call_sid();
        let call = &mut self.colleague[index];
        let leg = Leg::new(call_sid.clone(), LegState::Dialling, false);
        call.listeners.push(Leg { muted: true, ..leg });
        let data = json!({ "task_sid": call.task_sid, "to": to });
        self.out.push(log("supervisor.called", Some(&call_sid), data));
        self.out.push(Command::Leg(LegCommand::CallWorker {
            call_sid,
            to,
            parameters,
            from: call.from.clone(),
            task_sid: call.task_sid.clone(),
            reservation_sid: call.reservation_sid.clone(),
        }));
        Ok(())
    }

    fn listened_to(&mut self, call_sid: &CallSid) -> Option<&mut ColleagueCall> {
        self.colleague.iter_mut().find(|call| call.listener(call_sid.as_str()).is_some())
    }

    // ---- a task's call begins -------------------------------------------------------------------------------------

    pub(super) fn call_worker(
        &mut self,
        index: usize,
        to: Option<String>,
        end_conference_on_exit: bool,
    ) -> Result<(), Refusal> {
        let (identity, parameters) = self.worker.contact(to)?;
        let call_sid = self.call_sid();
        let task = &mut self.tasks[index];
        if task.call().is_none() {
            return Err(Refusal::conflict(format!("Task {} is no call", task.sid)));
        }
        let outbound = task.text("direction") == "outbound";
        let from = if outbound { task.text("outbound_to") } else { task.text("from") };
        let Some(reservation) = &mut task.reservation else { return Ok(()) };
        reservation.leg = Some(Leg::new(call_sid.clone(), LegState::Dialling, end_conference_on_exit));
        self.timers.disarm(Timer::Timeout(task.sid.clone()));
        let data = json!({ "task_sid": task.sid, "to": identity });
        self.out.push(log("worker.called", Some(&call_sid), data));
        self.out.push(Command::Leg(LegCommand::CallWorker {
            call_sid,
            to: identity,
            parameters,
            from,
            task_sid: task.sid.clone(),
            reservation_sid: reservation.sid.clone(),
        }));
        Ok(())
    }

    pub(super) fn leg_answered(&mut self, call_sid: &CallSid, now: Timestamp) {
        if let Some(call) = self.listened_to(call_sid) {
            let commands = call.listener_answered(call_sid);
            return self.out.extend(commands);
        }
        let Ok(index) = self.find_task(call_sid.as_str()) else { return };
        let task = &mut self.tasks[index];
        match task.leg_mut() {
            Some(leg) if leg.state == LegState::Dialling => leg.state = LegState::Joined,
            _ => return,
        }
        if task.customer() == Some(Customer::NotCalled) {
            self.out.extend(task.write_agent());
            // TaskRouter calls the worker first, and then, from within the conference, the customer.
            let FarEnd { ring_ms, then } = self.far_end;
            task.set_customer(Customer::Ringing { then });
            if then != Outcome::Wait {
                self.timers.arm(Timer::Ring(task.sid.clone()), now.plus(u64::from(ring_ms)));
            }
            let data = json!({ "task_sid": task.sid, "to": task.text("outbound_to") });
            self.out.extend([log("customer.called", Some(call_sid), data), line(call_sid, Line::Ringing)]);
            return;
        }
        self.conference_begins(index, call_sid, now);
    }

    /// Agent and customer are in the conference.
    fn conference_begins(&mut self, index: usize, call_sid: &CallSid, now: Timestamp) {
        let task = &mut self.tasks[index];
        let Some(call) = task.call() else { return };
        let conference = json!({
            "sid": call.conference_sid,
            "participants": { "worker": call_sid, "customer": call.customer_call_sid },
        });
        task.attributes.insert("conference".to_owned(), conference);
        task.touch(now);
        self.out.extend(task.write_customer());
        self.out.extend(task.write_agent());
        self.out.push(log("conference.started", Some(call_sid), json!({ "task_sid": task.sid })));
        if task.reservation.is_some() {
            let accepted = now.plus(CONFERENCE_BEFORE_ACCEPTED_MS);
            self.timers.arm(Timer::Accept(task.sid.clone()), accepted);
        }
        self.announce_task(index, now);
    }

    // ---- the customer whom the agent calls ------------------------------------------------------------------------

    /// The task whose customer's telephone rings.
    pub(super) fn find_ringing(&self, sid: &str) -> Result<usize, Refusal> {
        let index = self.find_task(sid)?;
        match self.tasks[index].customer() {
            Some(Customer::Ringing { .. }) => Ok(index),
            _ => Err(Refusal::conflict(format!("The customer of {sid} is not being called"))),
        }
    }

    pub(super) fn customer_answers(&mut self, index: usize, now: Timestamp) {
        let task = &mut self.tasks[index];
        task.set_customer(Customer::OnLine);
        self.timers.disarm(Timer::Ring(task.sid.clone()));
        let Some(call_sid) = task.agent_call().cloned() else { return };
        let customer_call_sid = task.call().map(|call| json!(call.customer_call_sid)).unwrap_or_default();
        task.attributes.insert("call_sid".to_owned(), customer_call_sid);
        let told = log("customer.answered", Some(&call_sid), json!({ "task_sid": task.sid }));
        self.out.extend([told, line(&call_sid, Line::Talking)]);
        self.conference_begins(index, &call_sid, now);
    }

    pub(super) fn customer_refuses(&mut self, index: usize, why: Unreached, now: Timestamp) {
        self.customer_leaves(index);
        let task = &self.tasks[index];
        let data = json!({ "task_sid": task.sid, "why": why });
        self.out.push(log("customer.unreached", task.agent_call(), data));
        self.end_leg(index);
        self.cancel(index, Some(why.code()), now);
    }

    // ---- somebody leaves ------------------------------------------------------------------------------------------

    fn customer_leaves(&mut self, index: usize) {
        let task = &mut self.tasks[index];
        task.set_customer(Customer::Left);
        self.timers.disarm(Timer::Ring(task.sid.clone()));
    }

    pub(super) fn leg_ended(&mut self, call_sid: &CallSid, reason: LegEnd, now: Timestamp) {
        if let Some(call) = self.listened_to(call_sid) {
            let commands = call.listener_left(call_sid);
            return self.out.extend(commands);
        }
        let Ok(index) = self.find_task(call_sid.as_str()) else { return };
        let task = &self.tasks[index];
        let Some(leg) = task.leg() else { return };
        let (state, ends_conference) = (leg.state, leg.end_conference_on_exit);
        let alone = matches!(task.customer(), Some(Customer::NotCalled | Customer::Ringing { .. }));
        let data = json!({ "task_sid": task.sid, "reason": reason });
        self.out.push(log("worker.leg_ended", Some(call_sid), data));
        match state {
            LegState::Left => {}
            _ if alone => {
                self.customer_leaves(index);
                self.cancel(index, Some(AGENT_HUNG_UP), now);
            }
            LegState::Dialling => {
                // Inferred: an unanswered call counts as a timeout, any other failure as a rejection.
                let status = match reason {
                    LegEnd::NoAnswer => ReservationStatus::TimedOut,
                    LegEnd::Completed | LegEnd::Busy | LegEnd::Failed => ReservationStatus::Rejected,
                };
                self.decline(index, status, now);
            }
            LegState::Joined => {
                if ends_conference {
                    self.customer_leaves(index);
                    self.colleague_leaves(index);
                }
                self.agent_left(index, now);
            }
        }
    }

    pub(super) fn customer_hung_up(&mut self, index: usize, now: Timestamp) {
        if matches!(self.tasks[index].customer(), None | Some(Customer::Left)) {
            return;
        }
        self.customer_leaves(index);
        let task = &self.tasks[index];
        let begun = task.reservation_status().is_some_and(|status| status != ReservationStatus::Pending)
            || self.timers.is_armed(Timer::Accept(task.sid.clone()));
        self.out.push(log("customer.hung_up", task.agent_call(), json!({ "task_sid": task.sid })));
        self.end_leg(index);
        self.colleague_leaves(index);
        if begun {
            // Flex asks for EndConferenceOnCustomerExit on every call.
            self.agent_left(index, now);
        } else {
            self.cancel(index, None, now);
        }
    }

    /// The agent has left the conference, or is made to: after-call work begins.
    pub(super) fn agent_left(&mut self, index: usize, now: Timestamp) {
        let task = &mut self.tasks[index];
        if let Some(leg) = task.leg_mut() {
            leg.state = LegState::Left;
        }
        self.out.extend(task.write_agent());
        if task.customer() == Some(Customer::Left) {
            self.out.extend(task.write_customer());
        }
        let status = task.reservation_status();
        if status == Some(ReservationStatus::Pending) {
            self.set_reservation(index, ReservationStatus::Accepted, now);
        }
        if matches!(status, Some(ReservationStatus::Pending | ReservationStatus::Accepted)) {
            self.set_reservation(index, ReservationStatus::Wrapping, now);
        }
    }

    /// Has the agent's leg ended, if there is one.
    pub(super) fn end_leg(&mut self, index: usize) {
        let live = self.tasks[index].leg().filter(|leg| leg.state != LegState::Left);
        self.out.extend(live.map(|leg| leg::end(&leg.call_sid)));
    }

    /// The agent leaves the call to others, who go on unless the conference ends with the agent.
    pub(super) fn agent_leaves(&mut self, index: usize, now: Timestamp) {
        self.end_leg(index);
        if self.tasks[index].leg().is_some_and(|leg| leg.end_conference_on_exit) {
            self.customer_leaves(index);
        }
        self.agent_left(index, now);
    }

    /// The conference is over for the colleague too.
    fn colleague_leaves(&mut self, index: usize) {
        let task = &mut self.tasks[index];
        if let Some(leg) = task.transfer_mut().and_then(Transfer::colleague_mut) {
            leg.state = LegState::Left;
            self.out.extend(task.write_colleague());
        }
    }

    /// Ends the conference for everybody, as an agent of a call with several others may.
    pub(super) fn end_conference(&mut self, sid: &str, now: Timestamp) -> Result<(), Refusal> {
        let index = self.find_task(sid)?;
        if self.tasks[index].leg().is_none_or(|leg| leg.state != LegState::Joined) {
            return Err(Refusal::conflict(format!("The agent is in no conference of task {sid}")));
        }
        self.customer_leaves(index);
        let data = json!({ "task_sid": self.tasks[index].sid });
        self.out.push(log("conference.ended_for_all", None, data));
        self.end_leg(index);
        self.colleague_leaves(index);
        self.agent_left(index, now);
        // Flex UI waits for this event of the task, beside the reservation's.
        self.out.push(Command::Push { event: "task.wrapup", payload: self.tasks[index].resource(now) });
        Ok(())
    }

    // ---- somebody's place in the conference changes ---------------------------------------------------------------

    pub(super) fn hold_customer(&mut self, index: usize, hold: bool) {
        let task = &mut self.tasks[index];
        if let Some(call) = task.call_mut() {
            call.hold = hold;
        }
        self.out.extend(task.write_customer());
        if let Some(call_sid) = task.agent_call() {
            let told = log("customer.hold", Some(call_sid), json!({ "hold": hold }));
            self.out.extend([told, line(call_sid, if hold { Line::Held } else { Line::Talking })]);
        }
    }

    pub(super) fn update_agent(
        &mut self,
        index: usize,
        end_conference_on_exit: Option<bool>,
        mute: Option<bool>,
        hold: Option<bool>,
    ) {
        let task = &mut self.tasks[index];
        let Some(leg) = task.leg_mut() else { return };
        leg.end_conference_on_exit = end_conference_on_exit.unwrap_or(leg.end_conference_on_exit);
        leg.muted = mute.unwrap_or(leg.muted);
        leg.hold = hold.unwrap_or(leg.hold);
        self.out.extend(task.write_agent());
    }

    pub(super) fn kick_agent(&mut self, index: usize, now: Timestamp) {
        if self.tasks[index].leg().is_some_and(|leg| leg.state == LegState::Joined) {
            self.end_leg(index);
            self.agent_left(index, now);
        }
    }

    /// The agent takes the colleague out of the conference, or puts them on hold there.
    pub(super) fn update_colleague(
        &mut self,
        sid: &str,
        hold: Option<bool>,
        kick: bool,
    ) -> Result<(), Refusal> {
        let index = self.find_task(sid)?;
        let task = &mut self.tasks[index];
        let Some(leg) = task.transfer_mut().and_then(Transfer::colleague_mut) else {
            return Err(Refusal::conflict("The colleague is not in this conference".to_owned()));
        };
        leg.hold = hold.unwrap_or(leg.hold);
        if kick {
            leg.state = LegState::Left;
        }
        self.out.extend(task.write_colleague());
        Ok(())
    }
}
