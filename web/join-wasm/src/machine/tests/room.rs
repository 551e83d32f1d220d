//! In the room: the connection, and what goes on beside it.

use super::harness::*;
use crate::machine::{
    command::{Ask, Command},
    event::{Action, Event, Fault, RoomEvent},
    phase::{End, Phase},
    track::{CaptureFault, DeviceKind},
};
use protocol::video::{EndReason, Pulsed, Recording, SeatRole, VideoErrorCode, Waiting, WaitingWhy};

#[test]
fn a_lost_socket_is_said_in_words_and_so_is_its_return() {
    let mut world = World::joined();
    world.room_event(RoomEvent::Reconnecting(Some(53_001)));
    assert!(world.room().banners[0].sentence.contains("lost") && world.room().banners[0].urgent);
    world.room_event(RoomEvent::Reconnected);
    assert!(world.room().banners.is_empty() && world.said().contains("again"));
}

#[test]
fn the_sdks_reconnected_right_after_joining_says_nothing() {
    let mut world = World::joined();
    let notes = world.view().notes.len();
    world.room_event(RoomEvent::Reconnected);
    assert_eq!(world.view().notes.len(), notes);
}

#[test]
fn after_an_expired_token_or_a_long_loss_the_page_goes_back_by_itself_with_a_new_token() {
    for code in [20_104, 53_001, 53_405, 53_204] {
        let mut world = World::joined();
        world.room_event(RoomEvent::Disconnected(Some(code)));
        world.pass(0);
        assert!(
            world.is_asked(|ask| matches!(ask, Ask::Join(join) if join.seat.as_deref() == Some(SEAT))),
            "{code}"
        );
        world.admit();
        world.up(vec![]);
        assert!(
            world.is_up()
                && world.is_published(DeviceKind::Camera)
                && world.is_published(DeviceKind::Microphone)
        );
    }
}

#[test]
fn a_room_that_cannot_be_reached_is_tried_for_as_long_as_it_takes_and_by_a_button_at_once() {
    let mut world = World::joined();
    world.room_event(RoomEvent::Disconnected(Some(53_001)));
    for _ in 0..10 {
        world.pass(16_000);
        world.refuse(Fault::Unreachable);
    }
    let banner = world.room().banners.remove(0);
    assert!(banner.sentence.contains("chat is still there"), "{banner:?}");
    assert_eq!(banner.button.unwrap().action, Action::Retry);
    world.act(Action::Retry);
    world.admit();
    world.up(vec![]);
    assert!(world.is_up());
}

#[test]
fn the_same_identity_elsewhere_is_never_fought_over() {
    let mut world = World::joined();
    world.room_event(RoomEvent::Disconnected(Some(53_205)));
    assert_eq!(world.end(), &End::OtherBrowser);
    world.ordered();
    world.open.clear();
    world.pass(600_000);
    assert!(world.is_dark() && world.open.is_empty() && world.ordered().is_empty());
    world.act(Action::UseHere);
    assert!(world.seen.iter().any(|command| matches!(command, Command::Lock { steal: true })));
    world.event(Event::Locked(world.kept.clone()));
    world.admit();
    world.up(vec![]);
    assert!(world.is_up());
}

#[test]
fn a_completed_room_is_over_if_the_service_says_so_and_else_it_is_made_anew() {
    let mut world = World::joined();
    world.pulsed(Pulsed { next: 5, ..Pulsed::default() });
    world.room_event(RoomEvent::Disconnected(Some(53_118)));
    world.pulsed(Pulsed { ended: Some(EndReason::TaskOver), ..Pulsed::default() });
    assert_eq!(world.end(), &End::Ended(EndReason::TaskOver));
    assert!(world.is_dark() && world.kept.is_none(), "there is nothing to come back to");

    let mut world = World::joined();
    world.room_event(RoomEvent::Disconnected(Some(53_118)));
    world.pulsed(Pulsed::default());
    world.pass(0);
    world.admit();
    world.up(vec![]);
    assert!(world.is_up());
}

#[test]
fn who_is_taken_out_stays_out_until_they_say_otherwise() {
    let mut world = World::joined();
    world.room_event(RoomEvent::Disconnected(None));
    world.pulsed(Pulsed::default());
    assert_eq!(world.end(), &End::Removed);
    world.open.clear();
    world.pass(60_000);
    assert!(world.open.is_empty() && world.is_dark());
    world.act(Action::Retry);
    world.event(Event::Locked(world.kept.clone()));
    world.admit();
    world.up(vec![]);
    assert!(world.is_up());
}

#[test]
fn the_longest_session_is_said_as_such() {
    let mut world = World::joined();
    world.room_event(RoomEvent::Disconnected(Some(53_216)));
    assert_eq!(world.end(), &End::Ended(EndReason::Duration));
}

#[test]
fn the_room_goes_on_without_the_service() {
    let mut world = World::joined();
    for _ in 0..20 {
        world.pulse_fails(Fault::Unreachable);
        world.pass(31_000);
    }
    world.pulse_fails(refused(VideoErrorCode::UnknownCode));
    assert!(world.is_up() && world.is_published(DeviceKind::Camera));
}

#[test]
fn pulses_are_five_seconds_apart_say_how_the_connection_is_and_stop_nothing() {
    let mut world = World::joined();
    world.pulsed(Pulsed { next: 5, ..Pulsed::default() });
    world.room_event(RoomEvent::Quality(None, 3));
    world.pass(4_900);
    assert!(world.open.is_empty());
    world.pass(100);
    assert!(
        world.is_asked(|ask| matches!(ask, Ask::Pulse(pulse) if pulse.in_room && pulse.quality == Some(3)))
    );
    world.pass(60_000);
    assert_eq!(world.open.len(), 1, "one at a time");
    assert_eq!(world.room().people[0].quality_words, Some("Fair connection"));
}

#[test]
fn the_time_met_is_the_services_and_goes_on_between_its_answers() {
    let mut world = World::joined();
    assert_eq!(world.room().seconds, None);
    world.pulsed(Pulsed { seconds: Some(100), next: 60, ..Pulsed::default() });
    for second in 1..5 {
        world.pass(1_000);
        assert_eq!(world.room().seconds, Some(100 + second));
    }
}

#[test]
fn the_screen_is_shared_and_ends_by_the_browsers_own_bar_with_the_camera_as_before() {
    for camera_on in [true, false] {
        let mut world = World::joined();
        if !camera_on {
            world.act(Action::ToggleCamera);
        }
        for _ in 0..2 {
            world.act(Action::ToggleShare);
            let screen = world.running(DeviceKind::Speaker).unwrap();
            assert!(world.is_published(DeviceKind::Speaker) && world.room().share.unwrap().on);
            world.captures.remove(&screen);
            world.event(Event::TrackEnded(screen));
            assert!(!world.published.contains(&screen) && !world.room().share.unwrap().on);
            assert_eq!(world.is_published(DeviceKind::Camera), camera_on);
        }
        world.act(Action::ToggleShare);
        world.act(Action::ToggleShare);
        assert!(world.running(DeviceKind::Speaker).is_none());
    }
}

#[test]
fn a_closed_picker_is_no_error_and_a_broken_one_is() {
    let mut world = World::joined();
    let before = world.view().notes.len();
    world.gives.insert("screen", Gives::No(CaptureFault::Refused));
    world.act(Action::ToggleShare);
    assert_eq!(world.view().notes.len(), before);
    world.gives.insert("screen", Gives::No(CaptureFault::Busy));
    world.act(Action::ToggleShare);
    assert!(world.said().contains("could not be shared"));
    world.gives.clear();
    world.act(Action::ToggleShare);
    assert!(world.is_published(DeviceKind::Speaker));
}

#[test]
fn a_page_that_is_seen_again_asks_for_the_wake_lock_and_wakes_what_slept() {
    let mut world = World::joined();
    world.ordered();
    world.event(Event::Visible(false));
    assert!(world.ordered().is_empty());
    world.event(Event::Visible(true));
    let ordered = world.ordered();
    assert!(ordered.iter().any(|command| matches!(command, Command::RefreshMedia)));
    assert!(ordered.iter().any(|command| matches!(command, Command::WakeLock(true))));
    world.act(Action::Leave);
    assert!(world.ordered().iter().any(|command| matches!(command, Command::WakeLock(false))));
}

#[test]
fn sound_that_the_browser_holds_back_is_one_tap_away() {
    let mut world = World::joined();
    world.event(Event::SoundBlocked);
    assert_eq!(world.room().banners[0].button.as_ref().unwrap().action, Action::Hear);
    world.act(Action::Hear);
    assert!(world.room().banners.is_empty());
    assert!(world.seen.iter().any(|command| matches!(command, Command::PlaySound)));
}

#[test]
fn what_is_recorded_is_always_in_sight() {
    let mut world = World::joined();
    assert_eq!(world.room().recording, None);
    world.pulsed(Pulsed { recording: Recording::Asking, ..Pulsed::default() });
    assert!(!world.room().recording.unwrap().on);
    world.room_event(RoomEvent::Recording(true));
    assert!(world.room().recording.unwrap().on && world.said().contains("now recorded"));
}

#[test]
fn the_agent_lets_in_who_waits_and_is_told_once_of_each() {
    let mut world = World::agent();
    let waiting = |id: &str| Waiting { id: id.into(), why: WaitingWhy::OtherBrowser };
    world.pulsed(Pulsed { others_waiting: vec![waiting("w1")], next: 1, ..Pulsed::default() });
    let said = world.view().notes.len();
    world.pass(1_000);
    world.pulsed(Pulsed { others_waiting: vec![waiting("w1")], next: 1, ..Pulsed::default() });
    assert_eq!(world.view().notes.len(), said);
    let knock = world.room().waiting.remove(0);
    assert!(knock.sentence.contains("another browser") && knock.admit.enabled);
    world.act(knock.admit.action.clone());
    world.act(knock.admit.action);
    assert_eq!(
        world.open.iter().filter(|(.., ask)| matches!(ask, Ask::Admit(admit) if admit.admit)).count(),
        1
    );
    assert!(world.room().waiting[0].admit.busy);
    world.act(Action::Refuse("nobody".into()));
    assert_eq!(world.open.iter().filter(|(.., ask)| matches!(ask, Ask::Admit(_))).count(), 1);
}

#[test]
fn a_yes_that_comes_too_late_for_one_lets_nobody_else_in_and_shows_who_waits_now() {
    let mut world = World::agent();
    let waiting = |id: &str| Waiting { id: id.into(), why: WaitingWhy::SecondBrowser };
    world.pulsed(Pulsed { others_waiting: vec![waiting("w1")], next: 5, ..Pulsed::default() });
    // Meanwhile somebody refused them in Flex, and another one came.
    world.act(world.room().waiting[0].admit.action.clone());
    world.admit_answered(Pulsed { others_waiting: vec![waiting("w2")], next: 5, ..Pulsed::default() });
    assert!(!world.is_asked(|ask| matches!(ask, Ask::Admit(_))));
    let knocks = world.room().waiting;
    assert!(knocks.len() == 1 && knocks[0].admit.enabled && !knocks[0].admit.busy);
    world.act(knocks[0].admit.action.clone());
    assert!(world.is_asked(|ask| matches!(ask, Ask::Admit(admit) if admit.waiting == "w2" && admit.admit)));
}

#[test]
fn ending_for_all_is_asked_once_done_once_and_only_the_agents() {
    let mut world = World::joined();
    world.act(Action::AskEnd);
    world.act(Action::End);
    assert!(world.room().end.is_none() && !world.is_asked(|ask| matches!(ask, Ask::End(_))));

    let mut world = World::agent();
    world.act(Action::End);
    assert!(!world.is_asked(|ask| matches!(ask, Ask::End(_))), "not without the question");
    world.act(Action::AskEnd);
    assert!(world.room().question.is_some());
    world.act(Action::Cancel);
    assert!(world.room().question.is_none());
    world.act(Action::AskEnd);
    world.act(Action::End);
    world.act(Action::End);
    assert_eq!(world.open.iter().filter(|(.., ask)| matches!(ask, Ask::End(_))).count(), 1);
    // The room's end may come before the service's answer.
    world.room_event(RoomEvent::Disconnected(Some(53_118)));
    assert_eq!(world.end(), &End::Ended(EndReason::Agent));
    assert!(world.is_dark());
}

#[test]
fn a_join_that_the_sdk_never_finishes_is_given_up_and_tried_again() {
    let mut world = World::checking();
    world.act(Action::Join);
    world.admit();
    let first = *world.rooms.last().unwrap();
    world.pass(31_000);
    assert!(!world.rooms.contains(&first));
    world.admit();
    world.event(Event::Connected { attempt: first, people: vec![], recording: false });
    assert!(matches!(world.rig.machine.phase(), Phase::Room(_)) && !world.is_up(), "that one comes too late");
    world.up(vec![person(1, "agent_x")]);
    assert!(world.is_up());
}

#[test]
fn a_seat_that_went_to_another_browser_is_over_here() {
    let mut world = World::joined();
    world.pulsed(Pulsed { turned_away: true, ..Pulsed::default() });
    assert_eq!(world.end(), &End::TurnedAway);
    assert!(world.is_dark() && world.rooms.is_empty() && world.kept.is_none());
}

#[test]
fn a_guest_sees_the_same_room() {
    let mut world = World::checking();
    world.act(Action::Join);
    world.seat(SeatRole::Guest, Some(admission()), None, false);
    world.up(vec![person(1, "agent_x"), person(2, "customer_y"), person(3, "guest_z"), person(4, "guest_w")]);
    let names: Vec<String> = world.room().people.into_iter().map(|one| one.name).collect();
    assert_eq!(names, ["You", "Ada", "Customer", "Guest", "Guest 2"]);
}
