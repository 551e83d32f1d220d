//! Camera, microphone and speaker.

use super::harness::*;
use crate::machine::{
    command::Command,
    event::{Action, Event, Place, RoomEvent},
    track::{CaptureFault, Captured, DeviceKind, Facing},
};
use protocol::video::SeatRole;

#[test]
fn a_camera_that_is_off_is_off_and_a_muted_microphone_stays_ready() {
    let mut world = World::joined();
    let camera = world.running(DeviceKind::Camera).unwrap();
    let microphone = world.running(DeviceKind::Microphone).unwrap();
    world.act(Action::ToggleCamera);
    assert!(
        world.running(DeviceKind::Camera).is_none() && !world.published.contains(&camera),
        "its light is off"
    );
    world.act(Action::ToggleMicrophone);
    assert!(world.muted.contains(&microphone) && world.is_published(DeviceKind::Microphone));
    assert_eq!(world.room().microphone.label, "Unmute");
    world.act(Action::ToggleCamera);
    world.act(Action::ToggleMicrophone);
    assert!(world.is_published(DeviceKind::Camera) && world.muted.is_empty());
    assert_ne!(world.running(DeviceKind::Camera), Some(camera), "a new capture has a new element");
}

#[test]
fn a_camera_that_is_switched_off_in_the_check_goes_dark_there() {
    let mut world = World::checking();
    world.act(Action::ToggleCamera);
    assert!(world.running(DeviceKind::Camera).is_none() && world.check().own.is_none());
    world.act(Action::Join);
    world.admit();
    world.up(vec![]);
    assert!(world.running(DeviceKind::Camera).is_none(), "and stays dark in the room");
}

#[test]
fn what_is_switched_off_while_it_starts_never_comes_on() {
    let mut world = World::customer();
    world.gives.insert("camera", Gives::Later);
    world.looked(SeatRole::Customer);
    let tracks: Vec<_> = world.captures.keys().copied().collect();
    assert!(world.check().camera.busy);
    world.act(Action::ToggleCamera);
    world.ordered();
    let came = |track| Some(Captured { track, device: "d1".into() });
    world.event(Event::Captured { camera: came(tracks[0]), microphone: came(tracks[1]) });
    assert!(
        world.ordered().iter().any(|command| matches!(command, Command::Stop(track) if *track == tracks[0]))
    );
    assert!(world.check().own.is_none() && world.check().microphone.on);
}

#[test]
fn another_device_goes_on_under_the_same_name() {
    let mut world = World::joined();
    world.event(Event::Devices(vec![
        device(DeviceKind::Camera, "c1"),
        device(DeviceKind::Camera, "c2"),
        device(DeviceKind::Microphone, "default"),
        device(DeviceKind::Microphone, "m1"),
        device(DeviceKind::Speaker, "s1"),
        device(DeviceKind::Speaker, "s2"),
    ]));
    let kinds: Vec<DeviceKind> = world.room().menus.iter().map(|menu| menu.kind).collect();
    assert_eq!(kinds, [DeviceKind::Camera, DeviceKind::Speaker], "only where there is a choice");
    let camera = world.running(DeviceKind::Camera);
    world.ordered();
    world.act(Action::Choose(DeviceKind::Camera, Some("c2".into())));
    world.act(Action::Choose(DeviceKind::Speaker, Some("s2".into())));
    let ordered = world.ordered();
    assert!(
        ordered.iter().any(|it| matches!(it, Command::Restart(wish) if wish.device.as_deref() == Some("c2")))
    );
    assert!(ordered.iter().any(|it| matches!(it, Command::Speaker(Some(id)) if id == "s2")));
    assert_eq!((world.running(DeviceKind::Camera), world.room().menus[0].chosen), (camera, 2));
    assert!(world.is_published(DeviceKind::Camera), "for the others nothing happens");
}

#[test]
fn a_choice_made_while_another_device_starts_is_made_after_it() {
    let mut world = World::joined();
    world.gives.insert("restart", Gives::Later);
    let track = world.running(DeviceKind::Camera).unwrap();
    world.act(Action::Choose(DeviceKind::Camera, Some("c2".into())));
    world.act(Action::Choose(DeviceKind::Camera, Some("c3".into())));
    world.ordered();
    world.event(Event::Restarted(Captured { track, device: "c2".into() }));
    assert!(
        world
            .ordered()
            .iter()
            .any(|it| matches!(it, Command::Restart(wish) if wish.device.as_deref() == Some("c3")))
    );
}

#[test]
fn a_device_that_cannot_be_opened_gives_way_to_the_systems_choice() {
    let mut world = World::joined();
    world.gives.insert("restart", Gives::No(CaptureFault::Busy));
    world.act(Action::Choose(DeviceKind::Camera, Some("c2".into())));
    assert!(world.is_published(DeviceKind::Camera) && world.room().banners.is_empty());
}

#[test]
fn a_phone_flips_its_camera_and_is_not_mirrored_then() {
    let mut setup = setup(Place::Link(CODE.into()));
    setup.features.touch = true;
    let mut world = World::new(setup);
    world.start();
    world.event(Event::Devices(vec![device(DeviceKind::Camera, "c1"), device(DeviceKind::Camera, "c2")]));
    world.looked(SeatRole::Customer);
    world.act(Action::Join);
    world.admit();
    world.up(vec![]);
    assert!(world.room().flip.is_some() && world.room().own.video.unwrap().mirrored);
    world.act(Action::Flip);
    let flipped = world.seen.iter().any(
        |it| matches!(it, Command::Restart(wish) if wish.facing == Some(Facing::Environment) && wish.device.is_none()),
    );
    assert!(flipped && !world.room().own.video.unwrap().mirrored);
}

#[test]
fn a_camera_that_is_unplugged_is_replaced_once_and_then_said() {
    let mut world = World::joined();
    world.pass(6_000);
    let track = world.running(DeviceKind::Camera).unwrap();
    world.captures.remove(&track);
    world.event(Event::TrackEnded(track));
    assert!(world.said().contains("has stopped") && world.is_published(DeviceKind::Camera));
    let track = world.running(DeviceKind::Camera).unwrap();
    world.captures.remove(&track);
    world.event(Event::TrackEnded(track));
    assert!(world.running(DeviceKind::Camera).is_none(), "one that dies at once is not tried for ever");
    assert!(world.room().banners[0].sentence.contains("cannot be opened"));
    world.act(Action::AskAgain);
    assert!(world.is_published(DeviceKind::Camera));
}

#[test]
fn a_camera_that_is_plugged_in_later_is_used() {
    let mut world = World::customer();
    world.event(Event::Devices(vec![device(DeviceKind::Microphone, "m1")]));
    world.looked(SeatRole::Customer);
    assert_eq!(world.check().no_picture, Some("No camera"));
    let asked = world.seen.iter().any(|it| matches!(it, Command::Capture { camera: Some(_), .. }));
    assert!(!asked, "a camera that is not there is not asked for");
    world.event(Event::Devices(vec![device(DeviceKind::Microphone, "m1"), device(DeviceKind::Camera, "c1")]));
    assert!(world.check().own.is_some() && world.check().trouble.is_none());
}

#[test]
fn the_level_is_measured_in_the_check_alone() {
    let mut world = World::checking();
    world.event(Event::Level(40));
    assert_eq!(world.check().level, Some(40));
    world.act(Action::ToggleMicrophone);
    assert_eq!(world.check().level, None);
    world.act(Action::ToggleMicrophone);
    world.act(Action::Join);
    let last = world.seen.iter().rfind(|command| matches!(command, Command::Meter(_)));
    assert!(matches!(last, Some(Command::Meter(None))));
}

#[test]
fn a_track_that_the_room_does_not_take_is_stopped() {
    let mut world = World::joined();
    let track = world.running(DeviceKind::Camera).unwrap();
    world.room_event(RoomEvent::NotPublished(track));
    assert!(world.running(DeviceKind::Camera).is_none() && world.is_up());
}
