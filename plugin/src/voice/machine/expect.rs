//! The calls that this agent expects, for the extension, which answers no others by itself.
//!
//! Flex knows of a call before it comes: the agent accepted its reservation, dials out, or wants to listen to a colleague.
//! The list says *all* of them each time.

use kernel::{ExpectationId, Monotonic};
use protocol::page::{ExpectReason, ExpectedCall, MAX_EXPECTED_CALLS};

use super::flex_view::VoiceReservation;

use crate::by_key::ByKey;

/// How long a call may take to come for which Flex shows no reservation of this agent yet, in milliseconds.
pub const COMES_WITHIN_MS: u64 = 60_000;

/// What the agent does from which a call follows.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Coming {
    /// Accepts a reservation, named by its SID.
    Reservation(Option<String>),
    /// Calls somebody.
    Outbound,
    /// Listens to the call of a task, named by its SID.
    Monitoring(Option<String>),
}

/// A call that is on its way, and which Flex's store does not show (yet).
#[derive(Clone, Debug)]
struct Announced {
    coming: Coming,
    id: ExpectationId,
    until: Monotonic,
    /// It has come, and waits for its reservation to be shown.
    came: bool,
}

/// What is known of a reservation beside what Flex shows.
#[derive(Clone, Debug)]
struct Known {
    id: ExpectationId,
    reason: ExpectReason,
    /// The agent accepted it in this page.
    accepted_here: bool,
    /// Its call has come, or may have: another one needs a name of its own.
    had_its_call: bool,
}

/// Keeps the list.
#[derive(Clone, Debug)]
pub struct ExpectController {
    announced: Vec<Announced>,
    known: ByKey<String, Known>,
    /// Makes names that no page has used before.
    number: u64,
    /// The number of the next call of a task that has had one.
    attempt: u64,
    first_look: bool,
    live: bool,
}

impl ExpectController {
    /// A controller. `number`: one that no earlier page of this agent had, such as the time of day.
    #[must_use]
    pub const fn new(number: u64) -> Self {
        Self {
            announced: Vec::new(),
            known: ByKey::new(),
            number,
            attempt: number,
            first_look: true,
            live: false,
        }
    }

    /// The agent does something from which a call follows.
    pub fn announce(&mut self, coming: Coming, now: Monotonic) {
        if let Coming::Reservation(Some(sid)) = &coming
            && let Some(known) = self.known.get_mut(sid)
        {
            known.accepted_here = true;
            return;
        }
        // Accepted twice it is still one call.
        if matches!(coming, Coming::Reservation(Some(_)))
            && let Some(announced) = self.announced.iter_mut().find(|one| one.coming == coming)
        {
            announced.until = now.plus(COMES_WITHIN_MS);
            return;
        }
        self.number += 1;
        let name = match &coming {
            Coming::Reservation(Some(sid)) => sid.clone(),
            Coming::Reservation(None) => format!("accept:{}", self.number),
            Coming::Outbound => format!("outbound:{}", self.number),
            Coming::Monitoring(task) => {
                format!("{}:{}", task.as_deref().unwrap_or("monitor"), self.number)
            }
        };
        if let Ok(id) = ExpectationId::new(name) {
            self.announced.push(Announced { coming, id, until: now.plus(COMES_WITHIN_MS), came: false });
        }
    }

    /// When a call that was to come has not come.
    #[must_use]
    pub fn deadline(&self) -> Option<Monotonic> {
        self.announced.iter().map(|one| one.until).min()
    }

    /// Looks at Flex's voice reservations, and whether a call is live in the extension.
    pub fn look(&mut self, reservations: &[VoiceReservation], live: bool, now: Monotonic) {
        self.announced.retain(|one| now < one.until);
        self.known.retain(|sid, _| reservations.iter().any(|one| one.sid == *sid));
        for one in reservations {
            if !self.known.contains_key(&one.sid)
                && let Some(known) = self.meet(one)
            {
                self.known.insert(one.sid.clone(), known);
            }
        }
        self.first_look = false;
        if live && !self.live {
            self.announced.iter_mut().for_each(|one| one.came = true);
        }
        if live {
            for one in reservations.iter().filter(|one| one.accepted) {
                if let Some(known) = self.known.get_mut(&one.sid) {
                    known.had_its_call = true;
                }
            }
        } else if self.live {
            self.attempt += 1;
        }
        self.live = live;
    }

    /// A reservation that was not seen before.
    fn meet(&mut self, one: &VoiceReservation) -> Option<Known> {
        // The call that was announced for it keeps its name, so that it is not let through under two.
        let announced = self.announced.iter().position(|announced| match &announced.coming {
            Coming::Reservation(sid) => sid.as_deref() == Some(&one.sid),
            Coming::Outbound => one.reason == ExpectReason::Outbound,
            Coming::Monitoring(_) => false,
        });
        let announced = announced.map(|place| self.announced.remove(place));
        Some(Known {
            accepted_here: announced.is_some(),
            id: announced.map(|one| one.id).or_else(|| ExpectationId::new(&*one.sid).ok())?,
            reason: one.reason,
            // A page that is loaded meanwhile does not know whether its call has come.
            had_its_call: self.first_look && one.accepted,
        })
    }

    /// The list as it is now.
    #[must_use]
    pub fn list(&self, reservations: &[VoiceReservation]) -> Vec<ExpectedCall> {
        let mut calls = Vec::new();
        for one in reservations {
            let Some(known) = self.known.get(&one.sid) else { continue };
            // An outbound call's own leg comes first, while its reservation is still pending.
            if one.accepted || known.accepted_here || known.reason == ExpectReason::Outbound {
                calls.push(ExpectedCall { id: known.id.clone(), reason: known.reason });
            }
            if one.accepted
                && known.had_its_call
                && !self.live
                && let Ok(id) = ExpectationId::new(format!("{}:{}", one.task_sid, self.attempt))
            {
                calls.push(ExpectedCall { id, reason: ExpectReason::Task });
            }
        }
        calls.extend(self.announced.iter().filter(|one| !one.came).map(|one| ExpectedCall {
            id: one.id.clone(),
            reason: match one.coming {
                Coming::Reservation(_) => ExpectReason::Reservation,
                Coming::Outbound => ExpectReason::Outbound,
                Coming::Monitoring(_) => ExpectReason::Monitoring,
            },
        }));
        calls.truncate(MAX_EXPECTED_CALLS);
        calls
    }
}
