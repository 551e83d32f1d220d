//! Faults on purpose: what a test or a person at the switchboard breaks in the Flex cloud.

use std::collections::BTreeMap;
use std::time::Duration;

use serde::{Deserialize, Serialize};

/// Handle of an active fault.
pub type FaultId = u64;

/// Which product an HTTP fault hits.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum HttpTarget {
    /// Validation and refresh of Flex tokens.
    Iam,
    /// The event bridge's commands, and new event sockets.
    Taskrouter,
    /// TaskRouter's public REST API.
    TaskrouterRest,
    /// Configuration, session, token info, plugins list.
    Flex,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum Fault {
    /// Answers of a product are late, or are errors.
    Http {
        target: HttpTarget,
        /// The status to answer with; none: only late.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        status: Option<u16>,
        /// Milliseconds to wait before answering.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        delay_ms: Option<u64>,
        /// How many answers it hits; none: all, until removed.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        times: Option<u32>,
    },
    /// Flex tokens issued from now on live this long.
    FlexTokenTtl {
        /// Life.
        seconds: u64,
    },
    /// No Flex token is valid, as after a revocation.
    FlexTokenInvalid {},
}

/// What a fault does to one HTTP answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) struct Interference {
    pub(crate) delay: Duration,
    pub(crate) status: Option<u16>,
}

/// The active faults.
#[derive(Debug, Default)]
pub(crate) struct Faults {
    next: FaultId,
    active: BTreeMap<FaultId, Fault>,
}

impl Faults {
    pub(crate) fn add(&mut self, fault: Fault) -> FaultId {
        self.next += 1;
        self.active.insert(self.next, fault);
        self.next
    }

    pub(crate) fn remove(&mut self, id: FaultId) -> bool {
        self.active.remove(&id).is_some()
    }

    pub(crate) fn clear(&mut self) {
        self.active.clear();
    }

    pub(crate) fn active(&self) -> impl Iterator<Item = (FaultId, &Fault)> {
        self.active.iter().map(|(id, fault)| (*id, fault))
    }

    /// What happens to the next answer of `target`. Counts a limited fault down.
    pub(crate) fn interfere(&mut self, target: HttpTarget) -> Interference {
        let mut result = Interference::default();
        let mut spent = Vec::new();
        for (id, fault) in &mut self.active {
            let Fault::Http { target: hit, status, delay_ms, times } = fault else { continue };
            if *hit != target {
                continue;
            }
            result.delay = result.delay.max(Duration::from_millis(delay_ms.unwrap_or(0)));
            result.status = result.status.or(*status);
            if let Some(left) = times {
                *left = left.saturating_sub(1);
                if *left == 0 {
                    spent.push(*id);
                }
            }
        }
        for id in spent {
            self.active.remove(&id);
        }
        result
    }

    /// The life of new Flex tokens, if a fault names one. The newest wins.
    pub(crate) fn flex_token_ttl(&self) -> Option<Duration> {
        self.active.values().rev().find_map(|fault| match fault {
            Fault::FlexTokenTtl { seconds } => Some(Duration::from_secs(*seconds)),
            _ => None,
        })
    }

    pub(crate) fn flex_tokens_invalid(&self) -> bool {
        self.active.values().any(|fault| matches!(fault, Fault::FlexTokenInvalid {}))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn http(target: HttpTarget, status: u16, times: Option<u32>) -> Fault {
        Fault::Http { target, status: Some(status), delay_ms: None, times }
    }

    #[test]
    fn a_fault_with_a_count_goes_away_after_that_many_answers() {
        let mut faults = Faults::default();
        faults.add(http(HttpTarget::Iam, 429, Some(2)));
        assert_eq!(faults.interfere(HttpTarget::Taskrouter).status, None);
        assert_eq!(faults.interfere(HttpTarget::Iam).status, Some(429));
        assert_eq!(faults.interfere(HttpTarget::Iam).status, Some(429));
        assert_eq!(faults.interfere(HttpTarget::Iam).status, None);
        assert_eq!(faults.active().count(), 0);
    }

    #[test]
    fn the_switchboards_json_is_understood() {
        let fault: Fault =
            serde_json::from_str(r#"{"kind":"http","target":"iam","status":503,"delay_ms":20}"#).unwrap();
        assert_eq!(
            fault,
            Fault::Http { target: HttpTarget::Iam, status: Some(503), delay_ms: Some(20), times: None }
        );
        let fault: Fault = serde_json::from_str(r#"{"kind":"flex_token_invalid"}"#).unwrap();
        assert_eq!(fault, Fault::FlexTokenInvalid {});
        let fault: Fault = serde_json::from_str(r#"{"kind":"flex_token_ttl","seconds":30}"#).unwrap();
        assert_eq!(fault, Fault::FlexTokenTtl { seconds: 30 });
    }
}
