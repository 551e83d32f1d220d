//! How a content script's message is judged: by its type first, and never shown when it does not parse, because it is the
//! page's text.

use protocol::page::{self, Refusal, ToExtension};

use crate::machine::PageMessage;

/// The content script's own report where it is one, else the page's message. `name` is the message's `type`; `message` parses
/// it; `date` is `Date.parse`, in a browser the judge of what a date is.
pub fn page_message(
    name: Option<&str>,
    report: Option<Refusal>,
    message: impl FnOnce() -> Option<ToExtension>,
    date: impl Fn(&str) -> f64,
) -> PageMessage {
    match report {
        Some(Refusal::Refused { code }) => return PageMessage::Refused(code),
        Some(Refusal::Dropped { foreign, flooded, contested }) => {
            return PageMessage::Dropped { foreign, flooded, contested };
        }
        None => {}
    }
    let Some(message) = message() else { return PageMessage::Malformed(page::kind_of(name)) };
    let flex_token_expires_at = match &message {
        ToExtension::FlexToken { payload } => page::expiration(payload, date),
        _ => None,
    };
    PageMessage::Parsed { message: Box::new(message), flex_token_expires_at }
}

#[cfg(test)]
mod tests {
    use kernel::Timestamp;
    use protocol::{ProblemCode, page::Kind};
    use serde_json::{Value, from_value, json};

    use super::*;

    /// Read as the shell does it, with any date taken for that number.
    fn read(message: &Value, date: f64) -> PageMessage {
        let parse = || from_value(message.clone()).ok();
        page_message(message["type"].as_str(), from_value(message.clone()).ok(), parse, |_| date)
    }

    #[test]
    fn a_content_scripts_own_report_is_no_message_of_the_page() {
        let refused = Refusal::Refused { code: ProblemCode::UnknownType };
        let dropped = Refusal::Dropped { foreign: 1, flooded: 2, contested: 3 };
        for (report, read_as) in [
            (refused, PageMessage::Refused(ProblemCode::UnknownType)),
            (dropped, PageMessage::Dropped { foreign: 1, flooded: 2, contested: 3 }),
        ] {
            assert_eq!(page_message(None, Some(report), || panic!("not even parsed"), |_| 0.0), read_as);
        }
    }

    #[test]
    fn what_does_not_parse_is_known_by_its_type_alone() {
        let name = "VOICE_CLIENT_EXTENSION_SET_MUTE";
        for (message, kind) in [
            (json!({ "type": name, "payload": "canary" }), Kind::Known(name)),
            (json!({ "type": "VOICE_CLIENT_EXTENSION_CANARY" }), Kind::Unknown),
            (json!({ "type": 7 }), Kind::Foreign),
            (json!("canary"), Kind::Foreign),
        ] {
            assert_eq!(read(&message, 0.0), PageMessage::Malformed(kind));
        }
    }

    #[test]
    fn a_flex_token_comes_with_the_time_of_its_end_unless_that_is_no_time() {
        let token = json!({ "type": "VOICE_CLIENT_EXTENSION_FLEX_TOKEN", "payload": {
            "token": "canary", "accountSid": "AC11111111111111111111111111111111", "expiration": "2030-01-01T00:00:00Z" } });
        let end = |date| match read(&token, date) {
            PageMessage::Parsed { flex_token_expires_at, .. } => flex_token_expires_at,
            other => panic!("{other:?}"),
        };
        assert_eq!((end(5_000.0), end(f64::NAN)), (Some(Timestamp::from_millis(5_000)), None));
        let hang_up = json!({ "type": "VOICE_CLIENT_EXTENSION_HANGUP_CALL" });
        assert!(matches!(read(&hang_up, 5_000.0), PageMessage::Parsed { flex_token_expires_at: None, .. }));
    }
}
