//! A second agent, whom nobody plays: there to have calls that a supervisor listens to.
//!
//! His telephone and his customers are not real. A supervisor's leg is: Flex asks TaskRouter to supervise a
//! reservation, TaskRouter calls the supervisor, who hears the conference and is not heard.

use jiff::Timestamp;
use kernel::CallSid;
use serde_json::{Value, json};

use super::{Effect, Index, Leg, LegState, happened, line};
use crate::account;
use crate::api::{Command, Line};

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
    pub(super) fn begins(&self, effects: &mut Vec<Effect>) {
        effects.push(Effect::ConferenceOpened { task_sid: self.task_sid.clone() });
        effects.push(Effect::ConferenceItem {
            task_sid: self.task_sid.clone(),
            key: "conf_status".to_owned(),
            data: json!({ "status": "active", "conference_sid": self.conference_sid }),
        });
        effects.extend(self.participants("joined"));
        effects.push(Effect::Insight {
            index: Index::Reservations,
            key: self.reservation_sid.clone(),
            data: Some(self.insight()),
        });
        let data = json!({ "task_sid": self.task_sid, "from": self.from });
        effects.push(happened("colleague.call", None, data));
    }

    /// Somebody hung up: the conference is over for everybody.
    pub(super) fn ends(&mut self, effects: &mut Vec<Effect>) {
        for index in 0..self.listeners.len() {
            if self.listeners[index].state != LegState::Left {
                self.listeners[index].state = LegState::Left;
                let call_sid = self.listeners[index].call_sid.clone();
                effects.push(Effect::Command(Command::EndLeg { call_sid }));
                effects.push(self.listener_item(&self.listeners[index]));
            }
        }
        effects.extend(self.participants("left"));
        effects.push(Effect::Insight {
            index: Index::Reservations,
            key: self.reservation_sid.clone(),
            data: None,
        });
        effects.push(happened("colleague.call_ended", None, json!({ "task_sid": self.task_sid })));
    }

    pub(super) fn listener_answered(&mut self, call_sid: &CallSid, effects: &mut Vec<Effect>) {
        self.change(call_sid, LegState::Joined, effects);
        effects.push(line(call_sid, Line::Listening));
        let data = json!({ "task_sid": self.task_sid });
        effects.push(happened("supervisor.joined", Some(call_sid.as_str()), data));
    }

    pub(super) fn listener_left(&mut self, call_sid: &CallSid, effects: &mut Vec<Effect>) {
        self.change(call_sid, LegState::Left, effects);
        let data = json!({ "task_sid": self.task_sid });
        effects.push(happened("supervisor.left", Some(call_sid.as_str()), data));
    }

    /// Who listens is heard by the colleague alone, or by nobody again.
    ///
    /// Flex UI has no button for this: what supervisors use is a plugin, whose backend updates the participant of the
    /// conference (`Coaching`, `CallSidToCoach`, `Muted`). The leg itself is untouched.
    pub(super) fn coach(&self, coach: bool, effects: &mut Vec<Effect>) {
        for leg in self.listeners.iter().filter(|leg| leg.state == LegState::Joined) {
            effects.push(line(&leg.call_sid, if coach { Line::Coaching } else { Line::Listening }));
            let data = json!({ "task_sid": self.task_sid, "coach": coach });
            effects.push(happened("supervisor.coaches", Some(leg.call_sid.as_str()), data));
        }
    }

    fn change(&mut self, call_sid: &CallSid, state: LegState, effects: &mut Vec<Effect>) {
        if let Some(leg) = self.listeners.iter_mut().find(|leg| leg.call_sid == *call_sid) {
            leg.state = state;
        }
        effects.extend(self.listener(call_sid.as_str()).map(|leg| self.listener_item(leg)));
    }

    fn participants(&self, status: &str) -> [Effect; 2] {
        let item =
            |call_sid: &CallSid, kind: &str, reservation: Value, worker: Value| Effect::ConferenceItem {
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

    fn listener_item(&self, leg: &Leg) -> Effect {
        Effect::ConferenceItem {
            task_sid: self.task_sid.clone(),
            key: leg.call_sid.as_str().to_owned(),
            data: json!({
                "participant_type": "supervisor",
                "status": leg.state.participant_status(),
                "conference_sid": self.conference_sid,
                "call_sid": leg.call_sid,
                "hold": false,
                "muted": true,
                "end_conference_on_exit": false,
                "reservation_sid": self.reservation_sid,
                "worker_sid": account::WORKER_SID,
            }),
        }
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
            "date_created": self.created.to_string(),
            "date_updated": self.created.to_string(),
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
        "date_activity_changed": now.to_string(),
        "date_updated": now.to_string(),
        "queue_sids": [account::TASK_QUEUE_SID],
        "team_sid": null,
    })
}
