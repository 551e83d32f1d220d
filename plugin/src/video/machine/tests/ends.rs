//! The session ends with the task.

use protocol::video::{End, EndReason, VideoErrorCode, VideoPhase};

use super::harness::*;
use crate::video::machine::event::{Act, Ask};
use crate::video::machine::flex_view::TaskStatus;
use crate::video::machine::trouble::Fault;

const OVER: Ask = Ask::End(End { reason: EndReason::TaskOver });

fn wrap_up(rig: &mut Rig) {
    rig.flex.tasks[0].status = TaskStatus::Over;
    rig.event(crate::video::machine::Event::Flex(rig.flex.clone()));
}

fn ends(rig: &Rig) -> usize {
    rig.wanted().iter().filter(|ask| **ask == OVER).count()
}

#[test]
fn wrap_up_ends_the_session_once_and_the_card_says_so() {
    let mut rig = Rig::met();
    wrap_up(&mut rig);
    assert_eq!(ends(&rig), 1);
    rig.serve();
    assert_eq!(rig.line(), "The video call ended with the task.");
    rig.pass(60_000);
    rig.serve();
    wrap_up(&mut rig);
    assert_eq!((ends(&rig), rig.card(), rig.button()), (1, None, None));
    assert!(!rig.kept.contains(" l"), "{}", rig.kept);
}

#[test]
fn a_task_that_is_gone_from_flex_ends_its_session_and_one_that_was_away_for_a_moment_does_not() {
    let mut rig = Rig::met();
    let tasks = rig.flex.tasks.clone();
    rig.have(Vec::new());
    rig.pass(2_000);
    rig.serve();
    rig.have(tasks);
    rig.pass(60_000);
    rig.serve();
    assert_eq!(ends(&rig), 0);
    rig.have(Vec::new());
    rig.pass(3_000);
    assert_eq!(ends(&rig), 1);
    rig.serve();
    assert_eq!(rig.card(), None);
    assert_eq!(rig.kept, "");
}

#[test]
fn the_end_is_told_until_the_service_has_heard_it_and_a_service_that_has_seen_it_itself_is_right() {
    let mut rig = Rig::met();
    wrap_up(&mut rig);
    rig.fail(Fault::Network);
    rig.pass(3_000);
    assert_eq!(ends(&rig), 2);
    rig.fail(refused(503, VideoErrorCode::UpstreamUnavailable));
    rig.pass(10_000);
    assert_eq!(ends(&rig), 3);
    rig.fail(refused(404, VideoErrorCode::NotFound));
    rig.pass(3_600_000);
    assert_eq!((ends(&rig), rig.card()), (3, None));

    // Not for ever: the service looks after its sessions.
    let mut rig = Rig::met();
    wrap_up(&mut rig);
    for _ in 0..5 {
        rig.fail_next(&Fault::Network);
    }
    rig.pass(3_600_000);
    assert!(rig.open.is_empty());
}

#[test]
fn a_session_that_goes_on_with_the_next_agent_is_theirs() {
    let mut rig = Rig::met();
    wrap_up(&mut rig);
    let (request, _) = rig.open.remove(0);
    let goes_on = crate::video::machine::event::Answer::Status(rig.service.clone());
    rig.event(crate::video::machine::Event::Answered(request, goes_on));
    assert_eq!(rig.card(), None);
    rig.pass(60_000);
    assert!(rig.open.is_empty());
}

#[test]
fn a_reload_while_the_task_is_wrapped_up_still_ends_its_session() {
    let before = Rig::met();
    let mut rig = Rig::new(settings(), &before.kept);
    rig.service = before.service;
    let mut view = chat(1);
    view.status = TaskStatus::Over;
    rig.have(vec![view]);
    assert_eq!(ends(&rig), 1);
}

#[test]
fn a_task_without_a_session_ends_without_a_word() {
    let mut rig = Rig::at_chat();
    wrap_up(&mut rig);
    rig.have(Vec::new());
    rig.pass(60_000);
    assert!(rig.wanted().is_empty());

    let mut rig = Rig::met();
    rig.act(Act::End);
    rig.serve();
    wrap_up(&mut rig);
    assert_eq!(ends(&rig), 0);
}

#[test]
fn a_click_that_is_answered_after_the_task_is_over_invites_nobody_and_is_ended() {
    let mut rig = Rig::at_chat();
    rig.click(true);
    wrap_up(&mut rig);
    assert_eq!(ends(&rig), 0, "there may be none yet");
    rig.serve();
    assert_eq!((ends(&rig), rig.messages.len()), (1, 0));
    assert!(matches!(rig.windows().pop().unwrap().1, crate::video::machine::WayIn::Failed(_)));
    assert_eq!(rig.service.phase, VideoPhase::Ended);
}

#[test]
fn a_button_of_a_task_that_is_over_does_nothing() {
    let mut rig = Rig::met();
    wrap_up(&mut rig);
    let windows = rig.windows().len();
    rig.click(true);
    assert_eq!(rig.windows().len(), windows);
}
