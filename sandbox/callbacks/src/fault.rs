//! Faults: what happens to callbacks on their way, on purpose.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::callback::{Callback, Product};

/// What happens on the way.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "kind")]
pub enum FaultKind {
    /// It never arrives. Whoever waits for its answer waits in vain.
    #[serde(rename = "callback_lose")]
    Lose,
    /// It arrives twice.
    #[serde(rename = "callback_double")]
    Double,
    /// It leaves late, and what is behind it in its queue waits.
    #[serde(rename = "callback_delay")]
    Delay {
        /// By how much.
        ms: u64,
    },
    /// The next one of its queue overtakes it.
    #[serde(rename = "callback_reorder")]
    Reorder,
}

/// A fault, and what it concerns.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Fault {
    /// What happens.
    #[serde(flatten)]
    pub kind: FaultKind,
    /// Only to callbacks of this product.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub product: Option<Product>,
    /// Only to callbacks that tell this.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub event: Option<String>,
    /// To so many of them; to all, until it is removed, if absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub times: Option<u32>,
}

/// What the faults together do to one callback.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Way {
    pub lost: bool,
    pub doubled: bool,
    pub delay_ms: u64,
    pub overtaken: bool,
}

#[derive(Debug, Default)]
pub(crate) struct Faults(BTreeMap<u64, Fault>);

impl Faults {
    pub fn add(&mut self, id: u64, fault: Fault) {
        self.0.insert(id, fault);
    }

    pub fn remove(&mut self, id: u64) -> bool {
        self.0.remove(&id).is_some()
    }

    pub fn active(&self) -> &BTreeMap<u64, Fault> {
        &self.0
    }

    pub fn clear(&mut self) {
        self.0.clear();
    }

    /// What happens to this one. Counts limited faults down.
    pub fn way_of(&mut self, callback: &Callback) -> Way {
        let mut way = Way::default();
        self.0.retain(|_, fault| {
            if fault.product.is_some_and(|product| product != callback.product)
                || fault.event.as_ref().is_some_and(|event| *event != callback.kind)
            {
                return true;
            }
            match fault.kind {
                FaultKind::Lose => way.lost = true,
                FaultKind::Double => way.doubled = true,
                FaultKind::Delay { ms } => way.delay_ms = way.delay_ms.max(ms),
                FaultKind::Reorder => way.overtaken = true,
            }
            fault.times = fault.times.map(|times| times.saturating_sub(1));
            fault.times != Some(0)
        });
        way
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_switchboards_json_is_understood() {
        let fault: Fault = serde_json::from_str(
            r#"{"kind":"callback_delay","ms":20,"product":"conversations","event":"onMessageAdded","times":1}"#,
        )
        .unwrap();
        let expected = Fault {
            kind: FaultKind::Delay { ms: 20 },
            product: Some(Product::Conversations),
            event: Some("onMessageAdded".into()),
            times: Some(1),
        };
        assert_eq!(fault, expected);
        let said: Fault = serde_json::from_value(serde_json::to_value(&expected).unwrap()).unwrap();
        assert_eq!(said, expected);
    }
}
