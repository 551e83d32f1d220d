//! Faults on purpose: what a test or a person at the switchboard breaks in Conversations.

use sandbox_kit::fault::{Faults, Interference};
use serde::{Deserialize, Serialize};

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum Fault {
    /// Answers are late, or are errors: to clients of the SDK, by REST, and of files.
    ConversationsDown {
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
    /// What is asked of one conversation fails.
    ConversationFails {
        /// Its SID.
        conversation: String,
        status: u16,
    },
}

/// What happens to the next answer, which is about a conversation or about none. Counts a limited fault down.
pub(crate) fn interfere(faults: &mut Faults<Fault>, about: Option<&str>) -> Interference {
    let mut result = Interference::default();
    faults.retain(|fault| match fault {
        Fault::ConversationsDown { status, delay_ms, times } => !result.add(*status, *delay_ms, times),
        Fault::ConversationFails { conversation, status } => {
            if about == Some(conversation) {
                result.status = result.status.or(Some(*status));
            }
            true
        }
    });
    result
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn a_fault_hits_what_it_names_for_as_often_as_it_says() {
        let mut faults = Faults::default();
        let fault = r#"{"kind":"conversations_down","status":503,"delay_ms":20,"times":2}"#;
        faults.add(serde_json::from_str(fault).unwrap());
        let hit = Interference { delay: Duration::from_millis(20), status: Some(503) };
        assert_eq!([interfere(&mut faults, None), interfere(&mut faults, Some("CH1"))], [hit, hit]);
        assert_eq!(interfere(&mut faults, None), Interference::default());

        let fault = r#"{"kind":"conversation_fails","conversation":"CH1","status":500}"#;
        let id = faults.add(serde_json::from_str(fault).unwrap());
        assert_eq!(interfere(&mut faults, Some("CH2")), Interference::default());
        assert_eq!(interfere(&mut faults, Some("CH1")).status, Some(500));
        assert_eq!(faults.active().count(), 1);
        assert!(faults.remove(id) && !faults.remove(id));
    }
}
