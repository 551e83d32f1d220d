//! A second agent, whom nobody plays: there to have calls that a supervisor listens to.
//!
//! His telephone and his customers are not real. A supervisor's leg is: Flex asks TaskRouter to supervise a
//! reservation, TaskRouter calls the supervisor, who hears the conference and is not heard.

use kernel::{CallSid, Timestamp};
use serde_json::{Value, json};

use super::event::{Command, Index, log};
use super::leg::{self, Leg, LegState, line};
use crate::account;
use crate::api::Line;
use crate::clock::iso;

/// A live call of the colleague.
#[derive(Debug, Clone)]
pub(super) struct ColleagueCall {
    pub(super) task_sid: String,
    pub(super) reservation_sid: String,
    pub(super) conference_sid: String,
    pub(super) customer_call_sid: CallSid,
    pub(super) agent_call_sid: CallSid,
    pub(super) from: String,
    pub(super) created: Timestamp,
    /// Supervisors who listen, or did.
    pub(super) listeners: Vec<Leg>,
}

impl ColleagueCall {
    pub(super) fn is_named(&self, sid: &str) -> bool {
        [&self.task_sid, &self.reservation_sid, &self.conference_sid].iter().any(|own| *own == sid)
            || self.customer_call_sid.as_str() == sid
            || self.agent_call_sid.as_str() == sid
            || self.listener(sid).is_some()
    }

    pub(super) fn listener(&self, sid: &str) -> Option<&Leg> {
        self.listeners.iter().find(|leg| leg.call_sid.as_str() == sid)
    }

    /// The call appears: in Sync as a conference, in Insights as a reservation.
    pub(super) fn begins(&self) -> Vec<Command> {
        let mut commands = leg::open(&self.task_sid, &self.conference_sid).to_vec();
        commands.extend(self.participants("joined"));
        commands.push(self.record(Some(self.insight())));
        let data = json!({ "task_sid": self.task_sid, "from": self.from });
        commands.push(log("colleague.call", None, data));
        commands
    }

    /// Somebody hung up: the conference is over for everybody.
    pub(super) fn ends(&mut self) -> Vec<Command> {
        let mut commands = Vec::new();
        for index in 0..self.listeners.len() {
            if self.listeners[index].state != LegState::Left {
                self.listeners[index].state = LegState::Left;
                commands.push(leg::end(&self.listeners[index].call_sid));
                commands.push(self.write_listener(&self.listeners[index]));
            }
        }
        commands.extend(self.participants("left"));
        commands.push(self.record(None));
        commands.push(log("colleague.call_ended", None, json!({ "task_sid": self.task_sid })));
        commands
    }

    fn record(&self, data: Option<Value>) -> Command {
        Command::Insight { index: Index::Reservations, key: self.reservation_sid.clone(), data }
    }

    pub(super) fn listener_answered(&mut self, call_sid: &CallSid) -> Vec<Command> {
        let mut commands = self.change(call_sid, LegState::Joined);
        commands.push(line(call_sid, Line::Listening));
        commands.push(log("supervisor.joined", Some(call_sid), json!({ "task_sid": self.task_sid })));
        commands
    }

    pub(super) fn listener_left(&mut self, call_sid: &CallSid) -> Vec<Command> {
        let mut commands = self.change(call_sid, LegState::Left);
        commands.push(log("supervisor.left", Some(call_sid), json!({ "task_sid": self.task_sid })));
        commands
    }

    /// Who listens is heard by the colleague alone, or by nobody again.
    ///
    /// Flex UI has no button for this: what supervisors use is a plugin, whose backend updates the participant of the
    /// conference (`Coaching`, `CallSidToCoach`, `Muted`). The leg itself is untouched.
    pub(super) fn coach(&self, coach: bool) -> Vec<Command> {
        let joined = self.listeners.iter().filter(|leg| leg.state == LegState::Joined);
        joined
            .flat_map(|leg| {
                let heard = if coach { Line::Coaching } else { Line::Listening };
                let data = json!({ "task_sid": self.task_sid, "coach": coach });
                [line(&leg.call_sid, heard), log("supervisor.coaches", Some(&leg.call_sid), data)]
            })
            .collect()
    }

    fn change(&mut self, call_sid: &CallSid, state: LegState) -> Vec<Command> {
        if let Some(leg) = self.listeners.iter_mut().find(|leg| leg.call_sid == *call_sid) {
            leg.state = state;
        }
        self.listener(call_sid.as_str()).map(|leg| self.write_listener(leg)).into_iter().collect()
    }

    fn participants(&self, status: &str) -> [Command; 2] {
        let item =
            |call_sid: &CallSid, kind: &str, reservation: Value, worker: Value| Command::ConferenceItem {
                task_sid: self.task_sid.clone(),
                key: call_sid.as_str().to_owned(),
                data: json!({
                    "participant_type": kind,
                    "status": status,
                    "conference_sid": self.conference_sid,
                    "call_sid": call_sid,
                    "hold": false,
                    "muted": false,
                    "end_conference_on_exit": true,
                    "reservation_sid": reservation,
                    "worker_sid": worker,
                }),
            };
        [
            item(&self.customer_call_sid, "customer", Value::Null, Value::Null),
            item(
                &self.agent_call_sid,
                "worker",
                json!(self.reservation_sid),
                json!(account::COLLEAGUE_WORKER_SID),
            ),
        ]
    }

    fn write_listener(&self, leg: &Leg) -> Command {
        let worker = account::WORKER_SID;
        leg::write(
            leg.item("supervisor", &self.conference_sid, &self.reservation_sid, worker),
            &self.task_sid,
        )
    }

    /// The reservation as the Teams view's live query knows it.
    fn insight(&self) -> Value {
        json!({
            "reservation_sid": self.reservation_sid,
            "worker_sid": account::COLLEAGUE_WORKER_SID,
            "status": "accepted",
            "task_sid": self.task_sid,
            "task_status": "assigned",
            "task_age": 0,
            "task_priority": 0,
            "task_routing_target": null,
            "task_channel_unique_name": "voice",
            "queue_name": "Voice",
            "date_created": iso(self.created),
            "date_updated": iso(self.created),
            "attributes": {
                "from": self.from,
                "name": self.from,
                "direction": "inbound",
                "call_sid": self.customer_call_sid,
                "conference": {
                    "sid": self.conference_sid,
                    "participants": { "worker": self.agent_call_sid, "customer": self.customer_call_sid },
                },
            },
        })
    }

    /// For people and tests.
    pub(super) fn summary(&self) -> Value {
        json!({
            "task_sid": self.task_sid,
            "reservation_sid": self.reservation_sid,
            "from": self.from,
            "customer_call_sid": self.customer_call_sid,
            "supervisors": self.listeners.iter().map(|leg| json!({
                "call_sid": leg.call_sid,
                "state": leg.state.participant_status(),
            })).collect::<Vec<_>>(),
        })
    }
}

/// The colleague as the Teams view's live query knows him.
pub(crate) fn worker_insight(now: Timestamp) -> Value {
    json!({
        "worker_sid": account::COLLEAGUE_WORKER_SID,
        "friendly_name": account::COLLEAGUE_NAME,
        "activity_name": account::ACTIVITY_AVAILABLE,
        "attributes": { "full_name": account::COLLEAGUE_NAME, "roles": ["agent"] },
        "date_activity_changed": iso(now),
        "date_updated": iso(now),
        "queue_sids": [account::TASK_QUEUE_SID],
        "team_sid": null,
    })
}
