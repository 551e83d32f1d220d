//! After a reload.

use super::harness::*;
use crate::machine::{
    command::{Ask, Command},
    event::{Action, Event, Fault},
    phase::{End, Phase},
    track::DeviceKind,
};
use protocol::video::{SeatRole, VideoErrorCode};

#[test]
fn a_reloaded_page_goes_back_by_itself_with_what_was_chosen() {
    let mut world = World::joined();
    world.act(Action::ToggleCamera);
    world.act(Action::Choose(DeviceKind::Microphone, Some("m2".into())));
    world.act(Action::Choose(DeviceKind::Speaker, Some("s2".into())));
    world.event(Event::PageHidden);
    let mut world = world.reloaded();
    assert!(
        world.is_asked(
            |ask| matches!(ask, Ask::Join(join) if join.seat.as_deref() == Some(SEAT) && join.code == CODE)
        ),
        "without a look and without a tap"
    );
    assert!(world.running(DeviceKind::Microphone).is_some(), "and without waiting for the answer");
    world.admit();
    world.up(vec![person(1, "agent_x")]);
    assert!(
        world.is_up()
            && world.is_published(DeviceKind::Microphone)
            && world.running(DeviceKind::Camera).is_none()
    );
    assert_eq!(world.room().people[1].name, "Ada");
    let wish = world.seen.iter().any(
        |it| matches!(it, Command::Capture { microphone: Some(wish), .. } if wish.device.as_deref() == Some("m2")),
    );
    assert!(wish && world.seen.iter().any(|it| matches!(it, Command::Speaker(Some(id)) if id == "s2")));
}

#[test]
fn who_was_muted_comes_back_without_an_open_microphone() {
    let mut world = World::joined();
    world.act(Action::ToggleMicrophone);
    let mut world = world.reloaded();
    world.admit();
    world.up(vec![]);
    assert!(world.running(DeviceKind::Microphone).is_none());
    world.act(Action::ToggleMicrophone);
    assert!(world.is_published(DeviceKind::Microphone));
}

#[test]
fn who_left_by_hand_is_not_drawn_back_by_a_reload() {
    let mut world = World::joined();
    world.act(Action::Leave);
    let mut world = world.reloaded();
    assert!(world.is_asked(|ask| matches!(ask, Ask::Look(look) if look.seat.as_deref() == Some(SEAT))));
    world.looked(SeatRole::Customer);
    world.act(Action::Join);
    assert!(world.is_asked(|ask| matches!(ask, Ask::Join(join) if join.seat.as_deref() == Some(SEAT))));
}

#[test]
fn a_service_that_is_away_during_a_reload_is_waited_for() {
    let mut world = World::joined().reloaded();
    for _ in 0..10 {
        world.refuse(Fault::Unreachable);
        world.pass(15_000);
    }
    assert_eq!(world.view().screen.name(), "busy");
    world.admit();
    world.up(vec![]);
    assert!(world.is_up());
}

#[test]
fn a_seat_that_is_no_good_any_more_leads_to_the_link() {
    let mut world = World::joined().reloaded();
    world.refuse(refused(VideoErrorCode::UnknownCode));
    assert!(
        world.is_asked(|ask| matches!(ask, Ask::Look(look) if look.seat.is_none())) && world.kept.is_none()
    );
    world.looked(SeatRole::Customer);
    assert_eq!(world.rig.machine.phase(), &Phase::Check);
    world.act(Action::Join);
    world.refuse(refused(VideoErrorCode::UnknownCode));
    assert_eq!(world.end(), &End::UnknownLink);
}

#[test]
fn who_had_agreed_to_being_recorded_is_not_asked_again() {
    let mut world = World::customer();
    world.recording = protocol::video::Recording::Asking;
    world.looked(SeatRole::Customer);
    world.act(Action::Consent(true));
    world.act(Action::Join);
    world.admit();
    let world = world.reloaded();
    assert!(world.is_asked(|ask| matches!(ask, Ask::Join(join) if join.consent == Some(true))));
}

#[test]
fn a_storage_that_keeps_nothing_costs_the_way_back_and_nothing_else() {
    let mut world = World::joined();
    world.kept = None;
    let mut world = world.reloaded();
    world.looked(SeatRole::Customer);
    assert!(world.check().join.enabled);
}
