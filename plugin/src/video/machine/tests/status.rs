//! How often the service is asked how it stands.

use protocol::video::{VideoPhase, Waiting, WaitingWhy};

use super::harness::*;
use crate::video::machine::event::{Act, Event};
use crate::video::machine::trouble::Fault;
use crate::video::machine::{HIDDEN_MS, call};

#[test]
fn a_chat_without_a_session_is_asked_for_once_when_the_agent_looks_at_it() {
    let mut rig = Rig::at_chat();
    assert_eq!(rig.polls(), 1);
    rig.pass(600_000);
    assert_eq!(rig.polls(), 1);
    // Another task, and back: somebody else may have begun one meanwhile.
    for selected in [None, Some(sid("WT", 1))] {
        rig.flex.selected = selected;
        rig.event(Event::Flex(rig.flex.clone()));
    }
    rig.serve();
    assert_eq!(rig.polls(), 2);
    for selected in [None, Some(sid("WT", 1))] {
        rig.flex.selected = selected;
        rig.event(Event::Flex(rig.flex.clone()));
    }
    assert_eq!(rig.polls(), 2, "not at each look");
}

#[test]
fn tasks_that_nobody_looks_at_and_have_no_session_cost_nothing() {
    let mut rig = Rig::new(settings(), "");
    rig.have(vec![chat(1), chat(2), chat(3)]);
    rig.serve();
    assert_eq!(rig.polls(), 1);
}

fn polls_in(rig: &mut Rig, millis: u64) -> usize {
    let before = rig.polls();
    for _ in 0..millis / 100 {
        rig.pass(100);
        rig.serve();
    }
    rig.polls() - before
}

#[test]
fn a_session_is_asked_for_every_five_seconds_and_every_second_while_it_begins_or_somebody_waits() {
    let mut rig = Rig::begun();
    let asked = polls_in(&mut rig, 10_000);
    assert!((9..=10).contains(&asked), "{asked}");
    polls_in(&mut rig, call::BEGINS_MS);
    let asked = polls_in(&mut rig, 60_000);
    assert!((11..=12).contains(&asked), "{asked}");
    rig.service.phase = VideoPhase::Met;
    rig.service.waiting = vec![Waiting { id: "w1".to_owned(), why: WaitingWhy::Knock }];
    polls_in(&mut rig, 5_000);
    let asked = polls_in(&mut rig, 10_000);
    assert!((9..=10).contains(&asked), "{asked}");
}

#[test]
fn a_page_that_nobody_has_seen_for_long_asks_no_more_until_it_is_seen_again() {
    let mut rig = Rig::met();
    rig.event(Event::Visible(false));
    assert!(polls_in(&mut rig, 60_000) > 0);
    polls_in(&mut rig, HIDDEN_MS);
    assert_eq!(polls_in(&mut rig, 3_600_000), 0);
    rig.event(Event::Visible(true));
    assert_eq!(rig.open.len(), 1);
}

#[test]
fn what_the_agent_does_makes_an_older_answer_nobodys() {
    let mut rig = Rig::met();
    rig.pass(call::POLL_MS);
    assert_eq!(rig.open.len(), 1);
    rig.act(Act::End);
    assert_eq!(rig.wanted().len(), 2);
    assert_eq!(rig.open.len(), 1, "the question before it is forgotten");
    rig.serve();
    assert_eq!(rig.card().unwrap().show, None);
}

#[test]
fn a_service_that_does_not_answer_is_said_to_be_stale_asked_again_and_the_card_stays() {
    let mut rig = Rig::met();
    let stale = "The service does not answer; what is shown may be old. It is asked again by itself.";
    rig.fail_next(&Fault::Network);
    assert!(rig.card().unwrap().notes.is_empty());
    rig.fail_next(&Fault::Network);
    assert_eq!(rig.card().unwrap().notes, [stale]);
    rig.pass(10_000);
    rig.serve();
    assert!(rig.card().unwrap().notes.is_empty());
    for _ in 0..40 {
        rig.fail_next(&Fault::Network);
    }
    assert_eq!(rig.card().unwrap().notes, [stale]);
}

#[test]
fn a_first_question_that_fails_says_nothing_and_is_not_asked_for_ever() {
    let mut rig = Rig::new(settings(), "");
    rig.have(vec![chat(1)]);
    for _ in 0..5 {
        rig.fail_next(&Fault::Network);
        assert_eq!(rig.card(), None);
    }
    rig.pass(3_600_000);
    assert!(rig.open.is_empty());
    assert!(rig.button().is_some());
}
