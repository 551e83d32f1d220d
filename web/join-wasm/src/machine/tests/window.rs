//! The agent's window in the extension, and their phone call.

use super::harness::*;
use crate::{
    machine::{
        command::{Ask, Command},
        event::{Action, Event, Place, RoomEvent},
        phase::{End, Phase},
        track::DeviceKind,
    },
    view::NoticeKind,
};
use protocol::{
    video::{Pulsed, SeatRole, VideoErrorCode},
    video_window::{FromVideoWindow, ToVideoWindow},
};

fn link(code: &str) -> Event {
    Event::Worker(ToVideoWindow::Link { service: "https://tokens.acme.test".into(), link: code.into() })
}

#[test]
fn the_window_says_hello_shows_the_agent_and_goes_in_once_the_link_is_there() {
    let mut world = World::new(setup(Place::Window(KEY.into())));
    world.start();
    assert!(world.running(DeviceKind::Camera).is_some(), "their own picture does not wait for the service");
    world.event(Event::PortOpened);
    assert!(world.told() == [FromVideoWindow::Hello { key: KEY.into() }]);
    world.event(link(CODE));
    let (_, service, ask) = world.open.last().unwrap();
    assert_eq!(service, "https://tokens.acme.test");
    assert!(matches!(ask, Ask::Join(join) if join.code == CODE && join.seat.is_none()));
    world.event(Event::Worker(ToVideoWindow::Call { live: false }));
    world.seat(SeatRole::Agent, Some(admission()), None, false);
    world.up(vec![]);
    assert!(world.told().contains(&FromVideoWindow::InRoom { on: true }));
    assert!(world.is_published(DeviceKind::Camera) && world.is_published(DeviceKind::Microphone));
}

#[test]
fn a_link_may_be_a_whole_address() {
    let mut world = World::new(setup(Place::Window(KEY.into())));
    world.start();
    world.event(link(&format!("https://tokens.acme.test/v/{CODE}")));
    assert!(world.is_asked(|ask| matches!(ask, Ask::Join(join) if join.code == CODE)));
}

#[test]
fn while_a_call_is_live_no_microphone_is_captured_and_it_says_so() {
    let mut world = World::window();
    world.event(Event::Worker(ToVideoWindow::Call { live: true }));
    world.seat(SeatRole::Agent, Some(admission()), None, true);
    world.up(vec![]);
    assert!(world.running(DeviceKind::Microphone).is_none() && world.is_published(DeviceKind::Camera));
    let room = world.room();
    assert!(!room.microphone.enabled && room.banners[0].sentence.contains("phone call has the microphone"));
    world.act(Action::ToggleMicrophone);
    assert!(world.running(DeviceKind::Microphone).is_none(), "not even by a click");

    world.event(Event::Worker(ToVideoWindow::Call { live: false }));
    assert!(world.said().contains("Turn the microphone on"));
    world.pass(60_000);
    assert!(world.running(DeviceKind::Microphone).is_none(), "and not by itself");
    world.act(Action::ToggleMicrophone);
    assert!(world.is_published(DeviceKind::Microphone));
}

#[test]
fn a_call_that_begins_takes_the_microphone_away_at_once() {
    let mut world = World::agent();
    assert!(world.is_published(DeviceKind::Microphone));
    world.event(Event::Worker(ToVideoWindow::Call { live: true }));
    assert!(world.running(DeviceKind::Microphone).is_none() && world.is_up());
    assert!(world.said().contains("phone call has the microphone"));
}

#[test]
fn before_it_is_known_whether_a_call_is_live_there_is_no_microphone() {
    let mut world = World::window();
    world.seat(SeatRole::Agent, Some(admission()), None, false);
    world.up(vec![]);
    assert!(world.running(DeviceKind::Microphone).is_none());
    world.pass(3_000);
    assert!(
        world.is_published(DeviceKind::Microphone),
        "a worker that says nothing leaves what the service knew"
    );
}

#[test]
fn in_a_tab_only_the_agent_knows_when_their_call_is_over() {
    let mut world = World::customer();
    world.looked(SeatRole::Agent);
    world.seat(SeatRole::Agent, Some(admission()), None, true);
    world.up(vec![]);
    let button = world.room().banners[0].button.clone().unwrap();
    assert_eq!(button.action, Action::CallIsOver);
    world.act(button.action);
    assert!(world.is_published(DeviceKind::Microphone));
    // Not a way around the worker, who knows.
    let mut world = World::window();
    world.event(Event::Worker(ToVideoWindow::Call { live: true }));
    world.seat(SeatRole::Agent, Some(admission()), None, true);
    world.up(vec![]);
    world.act(Action::CallIsOver);
    assert!(world.running(DeviceKind::Microphone).is_none());
}

#[test]
fn a_reloaded_window_goes_back_without_the_worker() {
    let mut world = World::agent().reloaded();
    let (_, service, ask) = world.open.last().unwrap();
    assert_eq!(service, "https://tokens.acme.test");
    assert!(matches!(ask, Ask::Join(join) if join.seat.as_deref() == Some(SEAT)));
    world.seat(SeatRole::Agent, Some(admission()), None, false);
    world.up(vec![]);
    assert!(world.is_up());
}

#[test]
fn a_seat_of_a_session_that_is_over_gives_way_to_the_new_link() {
    for first in [true, false] {
        let mut world = World::agent().reloaded();
        if first {
            world.event(link(NEW_CODE));
        }
        world.refuse(refused(VideoErrorCode::Ended));
        if !first {
            world.event(link(NEW_CODE));
        }
        assert!(
            world.is_asked(
                |ask| matches!(ask, Ask::Join(join) if join.code == NEW_CODE && join.seat.is_none())
            )
        );
    }
}

#[test]
fn a_click_in_flex_after_the_end_begins_anew_in_the_same_window() {
    let mut world = World::agent();
    world.pulsed(Pulsed { ended: Some(protocol::video::EndReason::Agent), ..Pulsed::default() });
    assert!(world.told().contains(&FromVideoWindow::Over));
    assert!(world.notice().buttons.iter().any(|button| button.action == Action::CloseWindow));
    world.event(link(NEW_CODE));
    world.event(Event::Locked(world.kept.clone()));
    assert!(world.is_asked(|ask| matches!(ask, Ask::Join(join) if join.code == NEW_CODE)));
}

#[test]
fn a_second_click_while_it_runs_changes_nothing() {
    let mut world = World::agent();
    world.ordered();
    world.event(link(NEW_CODE));
    assert!(world.ordered().is_empty() && world.is_up());
}

#[test]
fn what_flex_could_not_open_is_said_in_its_words_and_a_silent_worker_too() {
    let mut world = World::new(setup(Place::Window(KEY.into())));
    world.start();
    world.event(Event::Worker(ToVideoWindow::Failed { message: "Video is off.".into() }));
    assert_eq!(world.notice().sentences, ["Video is off."]);
    assert!(world.is_dark());
    let failed = || Event::Worker(ToVideoWindow::Failed { message: "Video is off.".into() });
    let mut world = World::agent().reloaded();
    world.event(failed());
    assert!(matches!(world.rig.machine.phase(), Phase::Joining), "the seat may still be good");
    world.refuse(refused(VideoErrorCode::Ended));
    assert_eq!(world.notice().sentences, ["Video is off."]);
    let mut world = World::agent();
    world.event(failed());
    assert!(world.is_up(), "what runs goes on");
    let mut world = World::new(setup(Place::Window(KEY.into())));
    world.start();
    world.pass(20_000);
    assert_eq!((world.end(), world.notice().kind), (&End::NoLink, NoticeKind::Trouble));
}

#[test]
fn a_worker_that_was_stopped_is_called_again_and_told_how_it_stands() {
    let mut world = World::agent();
    world.ordered();
    world.event(Event::PortClosed);
    world.pass(1_000);
    assert!(world.ordered().iter().any(|command| matches!(command, Command::OpenPort)));
    world.event(Event::PortOpened);
    assert!(
        world.told() == [FromVideoWindow::Hello { key: KEY.into() }, FromVideoWindow::InRoom { on: true }]
    );
    assert!(world.is_up());
}

#[test]
fn an_update_of_the_extension_waits_while_the_way_back_is_tried() {
    let mut world = World::agent();
    world.ordered();
    world.room_event(RoomEvent::Disconnected(Some(53_001)));
    world.pass(0);
    assert!(matches!(world.rig.machine.phase(), Phase::Room(_)) && world.told().is_empty());
    world.seat(SeatRole::Agent, Some(admission()), None, false);
    world.up(vec![]);
    world.act(Action::Leave);
    assert!(world.told() == [FromVideoWindow::Over, FromVideoWindow::InRoom { on: false }]);
}
