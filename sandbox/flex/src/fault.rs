//! Faults on purpose: what a test or a person at the switchboard breaks in the Flex cloud.

use std::time::Duration;

use sandbox_kit::fault::{Faults, Interference};
use serde::{Deserialize, Serialize};

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

/// What happens to the next answer of `target`. Counts a limited fault down.
pub(crate) fn interfere(faults: &mut Faults<Fault>, target: HttpTarget) -> Interference {
    let mut result = Interference::default();
    faults.retain(|fault| match fault {
        Fault::Http { target: hit, status, delay_ms, times } if *hit == target => {
            !result.add(*status, *delay_ms, times)
        }
        _ => true,
    });
    result
}

/// The life of new Flex tokens, if a fault names one. The newest wins.
pub(crate) fn flex_token_ttl(faults: &Faults<Fault>) -> Option<Duration> {
    faults.active().rev().find_map(|(_, fault)| match fault {
        Fault::FlexTokenTtl { seconds } => Some(Duration::from_secs(*seconds)),
        _ => None,
    })
}

pub(crate) fn flex_tokens_invalid(faults: &Faults<Fault>) -> bool {
    faults.active().any(|(_, fault)| matches!(fault, Fault::FlexTokenInvalid {}))
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
        assert_eq!(interfere(&mut faults, HttpTarget::Taskrouter).status, None);
        assert_eq!(interfere(&mut faults, HttpTarget::Iam).status, Some(429));
        assert_eq!(interfere(&mut faults, HttpTarget::Iam).status, Some(429));
        assert_eq!(interfere(&mut faults, HttpTarget::Iam).status, None);
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
