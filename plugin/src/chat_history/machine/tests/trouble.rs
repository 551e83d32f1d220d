//! What goes wrong, what the agent is told, and how it goes on.

use protocol::history::HistoryErrorCode as Code;

use super::harness::*;
use crate::chat_history::machine::event::{Act, Command, Event};
use crate::chat_history::machine::flex_view::{Attribute, Source};
use crate::chat_history::machine::trouble::Fault;
use crate::chat_history::machine::{Settings, chat};

#[test]
fn every_failure_is_a_sentence_that_says_what_to_do_and_a_button() {
    let plain = |status| Fault::Refused { status, code: None, retry_after_s: None };
    for (fault, said) in [
        (
            refused(404, Code::NotFound),
            "This conversation was deleted, or this task does not give it to you.",
        ),
        (
            plain(404),
            "Chat history is not switched on at the service, or not for this Flex. Tell your administrator.",
        ),
        (refused(403, Code::NotAllowed), "The service does not let you read chat history (not_allowed)."),
        (refused(403, Code::WrongAccount), "The service does not let you read chat history (wrong_account)."),
        (
            refused(403, Code::OriginNotAllowed),
            "The service does not let you read chat history (origin_not_allowed).",
        ),
        (refused(400, Code::MalformedRequest), "The service gave an unexpected answer (malformed_request)."),
        (refused(500, Code::Internal), "The service gave an unexpected answer (internal)."),
        (refused(418, Code::Unknown), "The service gave an unexpected answer (unknown)."),
        (Fault::Malformed, "The service gave an unexpected answer (malformed)."),
        (plain(302), "The service gave an unexpected answer (unexpected answer)."),
        (
            refused(503, Code::UpstreamUnavailable),
            "Earlier messages cannot be read at the moment; it is tried again by itself.",
        ),
        (plain(502), "Earlier messages cannot be read at the moment;"),
        (Fault::Closed, "Chat history is not switched on at the service, or not for this Flex."),
        (Fault::Network, "Earlier messages cannot be read at the moment;"),
        (refused(429, Code::RateLimited), "Too many requests just now. This goes on by itself in 10 s."),
        (Fault::NoToken, "Your Flex session is being renewed; this goes on by itself."),
        (refused(401, Code::InvalidFlexToken), "Your Flex session is being renewed;"),
        (refused(401, Code::MissingToken), "Your Flex session is being renewed;"),
    ] {
        let mut rig = Rig::opened();
        rig.fail(fault.clone());
        assert!(rig.trouble().starts_with(said), "{fault:?}: {}", rig.trouble());
        assert_eq!(rig.tab().retry.as_deref(), Some("Try again"), "{fault:?}");
        assert!(rig.open.is_empty());
        rig.act(Act::Retry);
        assert_eq!((rig.open.len(), rig.trouble()), (1, String::new()), "{fault:?}");
        rig.serve();
        assert_eq!(rig.messages(), PAGE, "{fault:?}");
    }
}

#[test]
fn what_may_pass_by_itself_is_tried_again_by_itself_with_growing_pauses_and_what_may_not_is_not() {
    let mut rig = Rig::opened();
    let mut pauses = Vec::new();
    for _ in 0..8 {
        rig.fail(Fault::Network);
        let from = rig.rig.now;
        while rig.open.is_empty() {
            rig.pass(250);
        }
        pauses.push(rig.rig.now.since(from));
    }
    assert!(pauses[0] <= 2_250 && pauses.iter().all(|pause| *pause <= 60_250), "{pauses:?}");
    assert!(pauses[7] >= 30_000, "{pauses:?}");
    rig.serve();
    assert_eq!((rig.messages(), rig.trouble()), (PAGE, String::new()));

    let mut rig = Rig::opened();
    rig.fail(refused(404, Code::NotFound));
    rig.pass(3_600_000);
    assert!(rig.open.is_empty());
}

#[test]
fn a_service_that_says_when_to_come_back_is_asked_then() {
    let mut rig = Rig::opened();
    rig.fail(Fault::Refused { status: 429, code: Some(Code::RateLimited), retry_after_s: Some(30) });
    assert_eq!(rig.trouble(), "Too many requests just now. This goes on by itself in 30 s.");
    rig.pass(29_999);
    assert!(rig.open.is_empty());
    rig.pass(1);
    assert_eq!(rig.open.len(), 1);
}

#[test]
fn an_expired_flex_token_waits_for_flexs_new_one_once_and_then_says_to_log_in() {
    let mut rig = Rig::opened();
    rig.fail(refused(401, Code::InvalidFlexToken));
    rig.pass(600_000);
    assert!(rig.open.is_empty());
    rig.event(Event::TokenUpdated);
    assert_eq!(rig.open.len(), 1);
    rig.fail(refused(401, Code::InvalidFlexToken));
    assert!(rig.trouble().starts_with("Your Flex session is not accepted any more. Log in to Flex again"));
    rig.event(Event::TokenUpdated);
    assert!(rig.open.is_empty());
    rig.act(Act::Retry);
    rig.serve();
    // After a success the next expiry is again one to wait for.
    rig.act(Act::NearBegin);
    rig.fail(refused(401, Code::InvalidFlexToken));
    assert!(rig.chat().waits_for_token());
}

#[test]
fn a_slow_service_is_said_to_be_slow_after_two_seconds_and_is_given_up_after_twenty() {
    let mut rig = Rig::opened();
    assert_eq!(rig.tab().status, "Loading…");
    rig.pass(chat::SLOW_MS - 1);
    assert_eq!(rig.tab().status, "Loading…");
    rig.pass(1);
    assert_eq!(rig.tab().status, "Still loading. The chat beside it works meanwhile.");
    let (request, ..) = rig.open.remove(0);
    rig.pass(chat::TIMEOUT_MS - chat::SLOW_MS);
    assert!(rig.seen.contains(&Command::Forget(request)));
    assert!(rig.trouble().starts_with("Earlier messages cannot be read"));
    // Its late answer is nobody's.
    rig.event(Event::Failed(request, Fault::Malformed));
    assert!(rig.trouble().starts_with("Earlier messages cannot be read"));
}

#[test]
fn an_attribute_that_is_no_sid_is_named_and_nothing_is_asked() {
    let mut rig = Rig::new(settings(), "");
    let mut view = task(1);
    view.source = Source::of(&[Attribute::Other, Attribute::Absent]);
    rig.have(vec![view]);
    rig.look(true);
    assert!(rig.asked.is_empty());
    assert!(
        rig.trouble().starts_with("The task's attribute “sourceConversationSid” is no conversation's SID")
    );
}

#[test]
fn a_source_that_the_service_does_not_list_or_that_is_no_sid_is_not_taken_for_an_empty_history() {
    let mut rig = Rig::opened();
    rig.conversations = Vec::new();
    rig.serve();
    assert!(
        rig.trouble().starts_with("This conversation was deleted, or this task does not give it to you.")
    );
    assert_eq!(rig.tab().empty, None);

    let mut rig = Rig::new(Settings { customer: true, ..settings() }, "");
    let mut view = task(1);
    view.source = Source::Malformed("sourceConversationSid");
    rig.have(vec![view]);
    rig.look(true);
    rig.conversations = Vec::new();
    rig.serve();
    assert!(rig.trouble().starts_with("The task's attribute “sourceConversationSid”"), "{}", rig.trouble());
    assert_eq!(rig.tab().empty, None);
}

#[test]
fn either_attribute_names_a_source_and_what_is_malformed_does_not() {
    let text = |text: &str| Attribute::Text(text.to_owned());
    let good = sid("CH", 7);
    for (attributes, source) in [
        ([Attribute::Absent, Attribute::Absent], Source::None),
        ([text(""), text(" ")], Source::None),
        ([text(&good), Attribute::Absent], Source::Named),
        ([Attribute::Absent, text(&good)], Source::Named),
        ([Attribute::Other, text(&good)], Source::Named),
        ([text("CH1"), Attribute::Absent], Source::Malformed("sourceConversationSid")),
        ([Attribute::Absent, Attribute::Other], Source::Malformed("sourceChatChannelSid")),
        ([text(&sid("IM", 7)), Attribute::Absent], Source::Malformed("sourceConversationSid")),
    ] {
        assert_eq!(Source::of(&attributes), source, "{attributes:?}");
    }
}

#[test]
fn one_of_several_conversations_that_was_deleted_meanwhile_does_not_end_the_others() {
    let mut rig = Rig::opened();
    rig.conversations = vec![20, 20, 20];
    rig.serve();
    rig.act(Act::NearBegin);
    rig.fail(refused(404, Code::NotFound));
    assert_eq!(rig.trouble(), "");
    rig.act(Act::NearBegin);
    rig.serve();
    assert_eq!((rig.messages(), rig.chat().timeline().stretches().count()), (40, 3));
    assert!(rig.chat().timeline().stretches().any(|stretch| stretch.gone));
}

#[test]
fn a_setting_that_is_missing_or_wrong_is_named() {
    let wrong = |settings: Settings| {
        let mut rig = Rig::new(settings, "");
        rig.have(vec![task(1)]);
        rig.look(true);
        assert!(rig.asked.is_empty());
        rig.trouble()
    };
    let none = Settings { token_service_url: None, ..settings() };
    assert!(wrong(none).contains("“token_service_url”"));
    let bad = Settings { url: Some("http://plain.acme.test/".to_owned()), ..settings() };
    assert!(wrong(bad).contains("“history.url”"));
}
