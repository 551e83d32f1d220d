//! What goes wrong, what the agent is told, and how it goes on.

use protocol::video::{Admit, VideoErrorCode as Code, Waiting, WaitingWhy};

use super::harness::*;
use crate::video::machine::event::{Act, Event};
use crate::video::machine::trouble::Fault;

#[test]
fn every_failure_is_a_sentence_that_says_what_to_do() {
    let plain = |status| Fault::Refused { status, code: None, retry_after_s: None };
    for (fault, said) in [
        (refused(404, Code::NotFound), "The service does not find this task among yours. Reload Flex;"),
        (
            plain(404),
            "Video is not switched on at the service, or not for this Flex. Tell your administrator.",
        ),
        (Fault::Closed, "Video is not switched on at the service, or not for this Flex."),
        (refused(403, Code::NotAllowed), "The service does not let you make video calls (not_allowed)."),
        (refused(403, Code::WrongAccount), "The service does not let you make video calls (wrong_account)."),
        (
            refused(403, Code::OriginNotAllowed),
            "The service does not let you make video calls (origin_not_allowed).",
        ),
        (refused(400, Code::MalformedRequest), "The service gave an unexpected answer (malformed_request)."),
        (refused(500, Code::Internal), "The service gave an unexpected answer (internal)."),
        (refused(418, Code::Unknown), "The service gave an unexpected answer (unknown)."),
        (refused(409, Code::LinkUsed), "The service gave an unexpected answer (link_used)."),
        (refused(409, Code::ConsentNeeded), "The service gave an unexpected answer (consent_needed)."),
        (Fault::Malformed, "The service gave an unexpected answer (malformed)."),
        (plain(302), "The service gave an unexpected answer (unexpected answer)."),
        (refused(503, Code::UpstreamUnavailable), "The video service cannot be reached at the moment."),
        (plain(502), "The video service cannot be reached at the moment."),
        (Fault::Network, "The video service cannot be reached at the moment."),
        (refused(429, Code::RateLimited), "Too many requests just now. Try again in 10 s."),
        (refused(409, Code::RoomFull), "The call is full. Somebody has to leave first."),
        (refused(409, Code::NoText), "No text message could be sent to this customer."),
    ] {
        let mut rig = Rig::at_chat();
        rig.click(true);
        rig.fail(fault.clone());
        assert!(rig.trouble().starts_with(said), "{fault:?}: {}", rig.trouble());
        let help = rig.card().unwrap().trouble.unwrap().1.unwrap();
        assert_eq!(help.label, "Try again", "{fault:?}");
        rig.act(Act::Retry { extension: true });
        assert_eq!((rig.open.len(), rig.trouble()), (1, String::new()), "{fault:?}");
        rig.serve();
        assert_eq!(rig.messages.len(), 1, "{fault:?}");
    }
}

#[test]
fn an_expired_flex_token_waits_for_flexs_new_one_once_and_then_says_to_log_in() {
    for fault in [Fault::NoToken, refused(401, Code::InvalidFlexToken), refused(401, Code::MissingToken)] {
        let mut rig = Rig::at_chat();
        rig.click(true);
        rig.fail(fault.clone());
        assert!(rig.line().starts_with("Your Flex session is being renewed;"), "{}", rig.line());
        assert!(rig.button().unwrap().busy);
        rig.pass(600_000);
        assert!(rig.open.is_empty());
        rig.event(Event::TokenUpdated);
        assert_eq!(rig.open.len(), 1);
        rig.fail(fault);
        assert!(
            rig.trouble().starts_with("Your Flex session is not accepted any more. Log in to Flex again")
        );
        rig.event(Event::TokenUpdated);
        assert!(rig.open.is_empty());
        rig.act(Act::Retry { extension: true });
        rig.serve();
        assert_eq!(rig.messages.len(), 1);
    }
}

#[test]
fn what_is_asked_by_itself_waits_for_a_new_token_as_well() {
    let mut rig = Rig::met();
    rig.pass(5_000);
    rig.fail(refused(401, Code::InvalidFlexToken));
    rig.pass(600_000);
    assert!(rig.open.is_empty());
    rig.event(Event::TokenUpdated);
    rig.serve();
    assert_eq!(rig.trouble(), "");
    rig.pass(5_000);
    assert_eq!(rig.open.len(), 1);
}

#[test]
fn who_waits_no_more_is_said_for_a_moment() {
    let mut rig = Rig::met();
    rig.service.waiting = vec![Waiting { id: "w1".to_owned(), why: WaitingWhy::Knock }];
    rig.pass(5_000);
    rig.serve();
    rig.service.waiting.clear();
    rig.act(Act::Admit(Admit { waiting: "w1".to_owned(), admit: true }));
    rig.fail(refused(404, Code::UnknownCode));
    assert_eq!(rig.card().unwrap().trouble.unwrap(), ("They are not waiting any more.".to_owned(), None));
    rig.serve();
    assert!(rig.card().unwrap().waiting.is_empty());
    rig.pass(15_000);
    assert_eq!(rig.trouble(), "");
}

#[test]
fn an_admission_that_failed_can_be_tried_again() {
    let mut rig = Rig::met();
    rig.service.waiting = vec![Waiting { id: "w1".to_owned(), why: WaitingWhy::SecondBrowser }];
    rig.pass(5_000);
    rig.serve();
    rig.act(Act::Admit(Admit { waiting: "w1".to_owned(), admit: true }));
    rig.fail(refused(409, Code::RoomFull));
    assert!(rig.trouble().starts_with("The call is full."));
    rig.act(Act::Retry { extension: true });
    rig.serve();
    assert!(rig.card().unwrap().waiting.is_empty());
    assert_eq!(rig.windows().len(), 2, "no window is opened for that");
}

#[test]
fn an_answer_of_another_kind_is_no_answer() {
    let mut rig = Rig::at_chat();
    rig.click(true);
    let (request, _) = rig.open.remove(0);
    let answer = crate::video::machine::event::Answer::Status(rig.service.clone());
    rig.event(Event::Answered(request, answer.clone()));
    assert!(rig.trouble().starts_with("The service gave an unexpected answer"));
    // A late one is nobody's.
    rig.event(Event::Answered(request, answer));
    rig.event(Event::Failed(request, Fault::Network));
    assert!(rig.trouble().starts_with("The service gave an unexpected answer"));
}
