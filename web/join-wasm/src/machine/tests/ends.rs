//! The ways out.

use super::harness::*;
use crate::{
    machine::{
        command::Command,
        event::{Action, Event, RoomEvent},
        phase::End,
        track::DeviceKind,
    },
    view::NoticeKind,
};
use protocol::video::{EndReason, Pulsed};

#[test]
fn leaving_by_hand_says_bye_first_and_stops_everything_at_once() {
    let mut world = World::joined();
    world.act(Action::ToggleShare);
    world.ordered();
    world.act(Action::Leave);
    assert!(world.is_dark(), "every light is off at once");
    assert!(!world.rooms.is_empty(), "the bye is on its way");
    assert!(world.ordered().iter().any(|command| matches!(command, Command::SayBye)));
    world.pass(150);
    assert!(world.rooms.is_empty());
    assert_eq!((world.end(), world.notice().kind), (&End::Left, NoticeKind::Over));
    assert_eq!(world.notice().buttons[0].action, Action::Retry);
    assert_eq!(world.view().title, "Video call: over");
}

#[test]
fn a_page_that_is_closed_while_it_says_bye_is_out_at_once() {
    let mut world = World::joined();
    world.act(Action::Leave);
    world.event(Event::PageHidden);
    assert!(world.rooms.is_empty());
}

#[test]
fn who_left_comes_back_by_a_click_into_the_same_seat() {
    let mut world = World::joined();
    world.act(Action::Leave);
    world.pass(1_000);
    world.act(Action::Retry);
    world.event(Event::Locked(world.kept.clone()));
    world.admit();
    world.up(vec![]);
    assert!(world.is_up() && world.is_published(DeviceKind::Camera));
}

#[test]
fn every_end_of_the_session_leaves_nothing_running_and_nothing_kept() {
    for reason in
        [EndReason::Agent, EndReason::TaskOver, EndReason::Duration, EndReason::Completed, EndReason::Other]
    {
        let mut world = World::joined();
        world.act(Action::ToggleShare);
        world.pulsed(Pulsed { ended: Some(reason), ..Pulsed::default() });
        assert_eq!(world.end(), &End::Ended(reason));
        assert!(world.is_dark() && world.rooms.is_empty() && world.kept.is_none());
        let notice = world.notice();
        assert!(notice.heading == "The call has ended" && notice.buttons.is_empty());
        world.pass(600_000);
        assert!(world.open.is_empty(), "and nothing is asked any more");
    }
}

#[test]
fn a_page_that_is_closed_or_reloaded_is_out_before_it_is_gone() {
    let mut world = World::joined();
    world.ordered();
    world.event(Event::PageHidden);
    let ordered = world.ordered();
    assert!(ordered.iter().any(|command| matches!(command, Command::Disconnect(_))));
    assert!(ordered.iter().any(|command| matches!(command, Command::Beacon { leave, .. } if !leave.by_hand)));
    assert!(!ordered.iter().any(|command| matches!(command, Command::SayBye)), "that would be by hand");
    assert!(world.is_dark() && world.kept.as_ref().unwrap().expose().starts_with("in\n"));
}

#[test]
fn a_page_that_comes_out_of_the_browsers_cache_goes_back_in() {
    let mut world = World::joined();
    world.event(Event::PageHidden);
    world.open.clear();
    world.pass(60_000);
    assert!(world.open.is_empty(), "a page that is not there says nothing");
    world.event(Event::PageShown);
    world.admit();
    world.up(vec![]);
    assert!(world.is_up() && world.is_published(DeviceKind::Camera));
}

#[test]
fn another_tab_of_this_browser_takes_over_and_this_one_stops() {
    let mut world = World::joined();
    world.ordered();
    world.event(Event::LockLost);
    assert_eq!((world.end(), world.notice().kind), (&End::OtherTab, NoticeKind::Elsewhere));
    assert!(
        world.is_dark() && world.rooms.is_empty() && world.kept.is_some(),
        "the seat is the other tab's now"
    );
    let ordered = world.ordered();
    assert!(!ordered.iter().any(|command| matches!(command, Command::Beacon { .. } | Command::SayBye)));
}

#[test]
fn a_second_tab_waits_for_the_first_and_says_so_with_a_way_to_use_it() {
    let mut world = World::new(setup(crate::machine::event::Place::Link(CODE.into())));
    world.event(Event::Started);
    world.pass(1_500);
    assert_eq!(world.notice().buttons[0].action, Action::UseHere);
    assert!(world.open.is_empty(), "nothing was asked of anybody");
    world.ordered();
    // The lock may come after all, when the other tab is closed: then it is given back.
    world.event(Event::Locked(None));
    assert!(world.ordered().iter().any(|command| matches!(command, Command::Unlock)));
    world.act(Action::UseHere);
    world.event(Event::Locked(None));
    assert!(world.open.len() == 1);
}

#[test]
fn what_happens_late_in_a_room_that_was_left_changes_nothing() {
    let mut world = World::joined();
    let attempt = *world.rooms.last().unwrap();
    world.act(Action::Leave);
    let before = world.view();
    for event in [
        RoomEvent::Came(person(1, "agent_x")),
        RoomEvent::Disconnected(Some(53_205)),
        RoomEvent::Reconnecting(None),
    ] {
        world.event(Event::Room { attempt, event });
    }
    assert_eq!(world.view().screen, before.screen);
}
