//! Faults on purpose: the list of those that are active, and what most of them do to an answer.

use std::collections::BTreeMap;
use std::time::Duration;

/// Handle of an active fault.
pub type FaultId = u64;

/// What faults do to one answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Interference {
    /// How long the answer waits.
    pub delay: Duration,
    /// An error's status in place of the answer.
    pub status: Option<u16>,
}

impl Interference {
    /// Adds what one fault does that delays, or answers with an error, `times` times; true if it is spent with this.
    pub fn add(&mut self, status: Option<u16>, delay_ms: Option<u64>, times: &mut Option<u32>) -> bool {
        self.delay = self.delay.max(Duration::from_millis(delay_ms.unwrap_or(0)));
        self.status = self.status.or(status);
        *times = times.map(|times| times.saturating_sub(1));
        *times == Some(0)
    }
}

/// The active faults, oldest first.
#[derive(Debug)]
pub struct Faults<F> {
    next: FaultId,
    active: BTreeMap<FaultId, F>,
}

impl<F> Default for Faults<F> {
    fn default() -> Self {
        Self { next: 0, active: BTreeMap::new() }
    }
}

impl<F> Faults<F> {
    /// Begins a fault.
    pub fn add(&mut self, fault: F) -> FaultId {
        self.next += 1;
        self.active.insert(self.next, fault);
        self.next
    }

    /// Ends one; false if there is no such.
    pub fn remove(&mut self, id: FaultId) -> bool {
        self.active.remove(&id).is_some()
    }

    /// Ends all.
    pub fn clear(&mut self) {
        self.active.clear();
    }

    /// Each with its handle.
    pub fn active(&self) -> impl DoubleEndedIterator<Item = (FaultId, &F)> {
        self.active.iter().map(|(id, fault)| (*id, fault))
    }

    /// Goes through them, and ends those of which `goes_on` says no.
    pub fn retain(&mut self, mut goes_on: impl FnMut(&mut F) -> bool) {
        self.active.retain(|_, fault| goes_on(fault));
    }
}
