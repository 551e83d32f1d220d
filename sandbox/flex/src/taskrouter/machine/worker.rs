//! A worker: the activity, and the attributes.

use std::collections::BTreeMap;

use kernel::{Identity, Timestamp};
use serde_json::{Value, json};

use super::event::{Attributes, Command, Refusal, log};
use crate::account;
use crate::taskrouter::resource::{ActivityResource, LONG_AGO, WorkerResource, seconds, to_json};

/// What a worker may do.
#[derive(Debug, Clone)]
struct Activity {
    sid: String,
    name: &'static str,
    available: bool,
}

/// The agent's worker.
#[derive(Debug)]
pub(super) struct Worker {
    activities: Vec<Activity>,
    activity: usize,
    activity_changed: Timestamp,
    attributes: Attributes,
    updated: Timestamp,
    version: u32,
}

impl Worker {
    pub(super) fn new(attributes: Attributes, activity: &str, now: Timestamp) -> Self {
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
        let activity = activities.iter().position(|a| a.name == activity).unwrap_or(0);
        Self { activities, activity, activity_changed: now, attributes, updated: now, version: 1 }
    }

    fn current(&self) -> &Activity {
        &self.activities[self.activity]
    }

    /// Takes any call.
    pub(super) fn is_available(&self) -> bool {
        self.current().available
    }

    /// Takes not even the calls that the agent makes.
    pub(super) fn is_offline(&self) -> bool {
        self.current().name == account::ACTIVITY_OFFLINE
    }

    pub(super) fn version(&self) -> u32 {
        self.version
    }

    pub(super) fn activity_sid(&self, name: &str) -> Option<String> {
        self.activities.iter().find(|a| a.name == name).map(|a| a.sid.clone())
    }

    /// Which of the activities a SID names.
    pub(super) fn position(&self, sid: &str) -> Result<usize, Refusal> {
        let found = self.activities.iter().position(|a| a.sid == sid);
        found.ok_or_else(|| Refusal::conflict(format!("Activity {sid} does not exist")))
    }

    /// Whom to call, and with which custom parameters: `to`, or where the worker is reached.
    pub(super) fn contact(
        &self,
        to: Option<String>,
    ) -> Result<(Identity, BTreeMap<String, String>), Refusal> {
        let contact = self.attributes.get("contact_uri").and_then(Value::as_str).unwrap_or_default();
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

    pub(super) fn set_activity(&mut self, activity: usize, now: Timestamp) -> [Command; 2] {
        self.activity = activity;
        self.activity_changed = now;
        self.touch(now);
        [
            Command::Push { event: "worker.activity.update", payload: self.resource() },
            log("worker.activity.update", None, json!({ "activity": self.current().name })),
        ]
    }

    /// The workspace's timeout activity, which is Offline unless configured otherwise.
    pub(super) fn time_out(&mut self, now: Timestamp) -> [Command; 2] {
        self.set_activity(0, now)
    }

    pub(super) fn set_attributes(&mut self, attributes: Attributes, now: Timestamp) -> [Command; 2] {
        self.attributes = attributes;
        self.touch(now);
        let contact_uri = self.attributes.get("contact_uri").cloned().unwrap_or_default();
        [
            Command::Push { event: "worker.attributes.update", payload: self.resource() },
            log("worker.attributes.update", None, json!({ "contact_uri": contact_uri })),
        ]
    }

    /// Changes some of the attributes; null removes one.
    pub(super) fn merge(&mut self, patch: Attributes, now: Timestamp) -> [Command; 2] {
        let mut attributes = self.attributes.clone();
        for (name, value) in patch {
            if value.is_null() {
                attributes.remove(&name);
            } else {
                attributes.insert(name, value);
            }
        }
        self.set_attributes(attributes, now)
    }

    /// As at start.
    pub(super) fn reset(&mut self, attributes: Attributes, activity: &str, now: Timestamp) -> Vec<Command> {
        self.attributes = attributes;
        self.touch(now);
        let mut commands =
            vec![Command::Push { event: "worker.attributes.update", payload: self.resource() }];
        let initial = self.activities.iter().position(|a| a.name == activity).unwrap_or(0);
        if initial != self.activity {
            commands.extend(self.set_activity(initial, now));
        }
        commands
    }

    fn touch(&mut self, now: Timestamp) {
        self.version += 1;
        self.updated = now;
    }

    pub(super) fn resource(&self) -> Value {
        let activity = self.current();
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
            attributes: Value::Object(self.attributes.clone()).to_string(),
            date_created: LONG_AGO,
            date_updated: seconds(self.updated),
            date_status_changed: seconds(self.activity_changed),
            date_activity_changed: seconds(self.activity_changed),
            version: self.version.to_string(),
        })
    }

    /// The colleague, as the transfer directory reads them: the same workspace's worker, always available.
    pub(super) fn colleague(&self) -> Value {
        let mut colleague = self.resource();
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
        colleague
    }

    pub(super) fn activities(&self) -> Vec<Value> {
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

    pub(super) fn activity_names(&self) -> Vec<&'static str> {
        self.activities.iter().map(|a| a.name).collect()
    }

    /// For people and tests.
    pub(super) fn summary(&self) -> Value {
        json!({
            "sid": account::WORKER_SID,
            "name": account::AGENT_NAME,
            "identity": account::AGENT_IDENTITY,
            "activity": self.current().name,
            "available": self.is_available(),
            "attributes": self.attributes,
        })
    }
}
