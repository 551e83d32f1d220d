//! The others.

use protocol::video::{Looked, Recording, SeatRole};

use super::harness::*;
use crate::{
    machine::{
        command::Ask,
        event::{Answer, Event, RemoteKind, RemoteTrack, RoomEvent},
    },
    view::{Presence, TileKey},
};

#[test]
fn left_by_hand_closed_and_lost_are_told_apart_at_once() {
    let mut world = World::joined();
    world.room_event(RoomEvent::Came(person(1, "agent_x")));
    assert_eq!(world.said(), "Ada has joined.");
    world.room_event(RoomEvent::Lost("PA1".into()));
    assert_eq!(
        (world.room().people[1].presence, world.said()),
        (Presence::Lost, "The connection to Ada is lost. Trying again.".into())
    );
    assert!(
        world.room().tiles[0].video.is_some() && world.room().tiles[0].caption.is_some(),
        "a still picture with words on it"
    );
    world.room_event(RoomEvent::Back("PA1".into()));
    assert_eq!(world.room().people[1].presence, Presence::Here);

    world.room_event(RoomEvent::Went("PA1".into()));
    assert_eq!(world.room().people[1].presence, Presence::Gone);
    assert!(world.said().contains("may be back in a moment"));
    world.room_event(RoomEvent::Came(person(2, "agent_x")));
    assert_eq!((world.room().people[1].presence, world.said()), (Presence::Here, "Ada is back.".into()));

    world.room_event(RoomEvent::Bye("PA2".into()));
    world.room_event(RoomEvent::Went("PA2".into()));
    assert_eq!((world.room().people.len(), world.said()), (1, "Ada has left.".into()));
    assert_eq!(world.room().alone, Some("The other side has left the call."));
}

#[test]
fn who_does_not_come_back_has_left_after_twenty_seconds() {
    let mut world = World::joined();
    world.room_event(RoomEvent::Came(person(1, "agent_x")));
    world.room_event(RoomEvent::Went("PA1".into()));
    world.pass(19_900);
    assert_eq!(world.room().people.len(), 2);
    world.pass(100);
    assert_eq!((world.room().people.len(), world.said()), (1, "Ada has left and did not come back.".into()));
}

#[test]
fn a_reloaded_page_that_is_back_before_its_ghost_has_gone_stays() {
    let mut world = World::joined();
    world.room_event(RoomEvent::Came(person(1, "agent_x")));
    let key = world.room().people[1].key;
    world.room_event(RoomEvent::Came(person(2, "agent_x")));
    world.room_event(RoomEvent::Went("PA1".into()));
    let room = world.room();
    assert_eq!((room.people.len(), room.people[1].presence, room.people[1].key), (2, Presence::Here, key));
}

#[test]
fn a_shared_screen_is_large_and_who_speaks_comes_first() {
    let mut world = World::joined();
    world.room_event(RoomEvent::Came(person(1, "agent_x")));
    world.room_event(RoomEvent::Came(person(2, "guest_y")));
    let first = |world: &World| world.room().tiles[0].clone();
    assert_eq!(first(&world).label, "Ada");
    world.room_event(RoomEvent::Speaks(Some("PA2".into())));
    assert_eq!((first(&world).label.as_str(), world.room().people[2].speaking), ("Guest", true));
    let screen = RemoteTrack { sid: "MTscreen".into(), kind: RemoteKind::Screen, enabled: true };
    world.room_event(RoomEvent::Received("PA1".into(), screen));
    assert_eq!(world.said(), "Ada shares a screen.");
    let tile = first(&world);
    assert!(
        tile.screen && tile.large && matches!(tile.key, TileKey::Screen(_)) && tile.label == "Ada: screen"
    );
    assert_eq!(world.room().tiles.iter().filter(|tile| tile.large).count(), 1);
    world.room_event(RoomEvent::Dropped("MTscreen".into()));
    assert!(!first(&world).screen);
}

#[test]
fn a_person_is_described_in_one_sentence() {
    let mut world = World::joined();
    world.room_event(RoomEvent::Came(person(1, "agent_x")));
    world.room_event(RoomEvent::Quality(Some("PA1".into()), 5));
    world.room_event(RoomEvent::Enabled("MTsound1".into(), false));
    assert_eq!(world.room().people[1].described, "Ada: camera on, microphone off, Good connection");
    world.room_event(RoomEvent::Dropped("MTcamera1".into()));
    assert_eq!(world.room().tiles[0].caption, Some("Camera is off"));
}

#[test]
fn a_picture_keeps_its_element_for_as_long_as_it_is_the_same_picture() {
    let mut world = World::joined();
    world.room_event(RoomEvent::Came(person(1, "agent_x")));
    let video = world.room().tiles[0].video.clone();
    world.room_event(RoomEvent::Speaks(Some("PA1".into())));
    world.room_event(RoomEvent::Lost("PA1".into()));
    world.room_event(RoomEvent::Back("PA1".into()));
    assert!(video.is_some() && world.room().tiles[0].video == video);
}

#[test]
fn while_we_are_away_the_others_are_shown_as_lost_and_who_is_gone_by_then_is_gone() {
    let mut world = World::joined();
    world.room_event(RoomEvent::Came(person(1, "agent_x")));
    world.room_event(RoomEvent::Came(person(2, "guest_y")));
    world.room_event(RoomEvent::Disconnected(Some(53_001)));
    assert!(world.room().people.iter().all(|one| one.presence == Presence::Lost));
    world.pass(0);
    world.admit();
    world.up(vec![person(1, "agent_x")]);
    let room = world.room();
    assert_eq!((room.people.len(), room.people[1].presence), (2, Presence::Here));
}

#[test]
fn after_a_transfer_the_next_agent_has_their_own_name() {
    let looked = |world: &mut World, agent: &str| {
        let request =
            world.take_open(|ask| matches!(ask, Ask::Look(look) if look.seat.as_deref() == Some(SEAT)));
        let looked = Looked {
            role: SeatRole::Customer,
            organisation: "Acme".into(),
            agent: agent.into(),
            recording: Recording::Off,
            seated: true,
            ended: None,
        };
        world.event(Event::Answered(request, Answer::Looked(looked)));
    };
    let mut world = World::joined();
    world.room_event(RoomEvent::Came(person(1, "agent_x")));
    looked(&mut world, "Ada");
    world.room_event(RoomEvent::Bye("PA1".into()));
    world.room_event(RoomEvent::Went("PA1".into()));
    world.room_event(RoomEvent::Came(person(2, "agent_y")));
    assert_eq!(world.room().people[1].name, "Agent", "not the name of who has left");
    looked(&mut world, "Grace");
    assert_eq!((world.room().people[1].name.as_str(), world.said()), ("Grace", "Grace has joined.".into()));
    world.room_event(RoomEvent::Came(person(3, "agent_y")));
    assert!(!world.is_asked(|ask| matches!(ask, Ask::Look(_))), "once for each");

    let mut world = World::agent();
    world.room_event(RoomEvent::Came(person(1, "agent_x")));
    assert_eq!(world.room().people[1].name, "Agent");
}
