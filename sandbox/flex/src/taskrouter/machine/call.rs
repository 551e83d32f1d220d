//! The call of a voice task: the customer's leg, and the conference in which customer and agent meet.

use kernel::CallSid;
use serde_json::{Value, json};

use super::leg::Item;
use super::transfer::Transfer;
use crate::api::Outcome;

/// Where the customer is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Customer {
    /// Called us and waits, or is in the conference.
    OnLine,
    /// Is to be called once the agent is there.
    NotCalled,
    /// Their telephone rings, and then this happens.
    Ringing { then: Outcome },
    /// Hung up.
    Left,
}

/// What only a voice task has.
#[derive(Debug, Clone)]
pub(super) struct Call {
    pub(super) conference_sid: String,
    pub(super) customer_call_sid: CallSid,
    pub(super) hold: bool,
    pub(super) customer: Customer,
    pub(super) transfer: Option<Transfer>,
}

impl Call {
    pub(super) fn new(conference_sid: String, customer_call_sid: CallSid, customer: Customer) -> Self {
        Self { conference_sid, customer_call_sid, hold: false, customer, transfer: None }
    }

    /// The customer in the conference's Sync map.
    pub(super) fn customer_item(&self) -> Item {
        let data = json!({
            "participant_type": "customer",
            "status": if self.customer == Customer::Left { "left" } else { "joined" },
            "conference_sid": self.conference_sid,
            "call_sid": self.customer_call_sid,
            "hold": self.hold,
            "muted": false,
            "end_conference_on_exit": true,
            "reservation_sid": null,
            "worker_sid": null,
        });
        (self.customer_call_sid.as_str().to_owned(), data)
    }

    /// The colleague in the conference's Sync map, once they took the call over.
    pub(super) fn colleague_item(&self) -> Option<Item> {
        self.transfer.as_ref()?.colleague_item(&self.conference_sid)
    }

    /// The customer, for people and tests.
    pub(super) fn summary(&self) -> Value {
        json!({
            "call_sid": self.customer_call_sid,
            "hold": self.hold,
            "left": self.customer == Customer::Left,
            "ringing": matches!(self.customer, Customer::Ringing { .. }),
        })
    }
}
