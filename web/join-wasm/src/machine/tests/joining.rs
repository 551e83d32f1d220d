//! From the link into the room.

use super::harness::*;
use crate::{
    machine::{
        command::{Ask, Command},
        event::{Action, Answer, Event, Fault, Features, Permission, Place},
        phase::{End, Phase},
        track::{CaptureFault, DeviceKind},
    },
    view::{NoticeKind, Screen},
};
use protocol::video::{Looked, Pulsed, Recording, SeatRole, VideoErrorCode, WaitingWhy};

#[test]
fn a_customer_looks_checks_taps_and_is_in() {
    let mut world = World::customer();
    assert_eq!(world.view().screen.name(), "busy");
    assert!(world.is_dark(), "nothing is captured before the check");
    world.looked(SeatRole::Customer);
    let check = world.check();
    assert_eq!(check.heading, "Ada (Acme) invites you to a video call");
    assert!(check.own.is_some() && check.camera.on && check.microphone.on && check.join.enabled);
    assert!(!world.is_asked(|ask| matches!(ask, Ask::Join(_))), "only a tap joins");
    world.act(Action::Join);
    world.admit();
    assert!(world.is_published(DeviceKind::Camera) && world.is_published(DeviceKind::Microphone));
    world.up(vec![person(1, "agent_x")]);
    assert_eq!(world.room().people.iter().map(|one| one.name.as_str()).collect::<Vec<_>>(), ["You", "Ada"]);
    assert!(world.seen.iter().any(|command| matches!(command, Command::WakeLock(true))));
}

#[test]
fn camera_and_microphone_are_asked_for_in_one_question() {
    let world = World::checking();
    let questions = world.seen.iter().filter(|command| matches!(command, Command::Capture { .. })).count();
    assert_eq!(questions, 1);
}

#[test]
fn refused_once_one_joins_with_sound_only_or_to_watch() {
    let mut world = World::customer();
    world.gives.insert("camera", Gives::No(CaptureFault::Refused));
    world.looked(SeatRole::Customer);
    let trouble = world.check().trouble.unwrap();
    assert!(
        trouble.sentence.contains("does not let this page use your camera and microphone"),
        "{trouble:?}"
    );
    let actions: Vec<Action> = trouble.buttons.into_iter().map(|button| button.action).collect();
    assert!(actions.contains(&Action::SoundOnly) && actions.contains(&Action::WatchOnly));
    let asked = world.seen.iter().filter(|command| matches!(command, Command::Capture { .. })).count();
    assert_eq!(asked, 1, "a person who said no is not asked again by itself");
    world.act(Action::SoundOnly);
    assert!(world.running(DeviceKind::Microphone).is_some() && world.check().trouble.is_none());
    world.act(Action::Join);
    world.admit();
    assert!(world.is_published(DeviceKind::Microphone));

    let mut world = World::customer();
    world.gives.insert("camera", Gives::No(CaptureFault::Refused));
    world.looked(SeatRole::Customer);
    world.act(Action::WatchOnly);
    world.admit();
    world.up(vec![]);
    assert!(world.is_up() && world.is_dark());
}

#[test]
fn where_the_browser_says_which_of_the_two_is_refused_the_other_is_used() {
    let mut world = World::customer();
    world.event(Event::Permission(DeviceKind::Camera, Permission::Denied));
    world.gives.insert("camera", Gives::No(CaptureFault::Refused));
    world.looked(SeatRole::Customer);
    assert!(world.running(DeviceKind::Microphone).is_some());
    let trouble = world.check().trouble.unwrap();
    assert_eq!(trouble.sentence, "The browser does not let this page use your camera.");
    assert!(trouble.help.unwrap().contains("site settings"));
    world.gives.clear();
    world.event(Event::Permission(DeviceKind::Camera, Permission::Granted));
    assert!(world.check().own.is_some(), "once it is allowed, nothing needs to be pressed");
}

#[test]
fn without_a_camera_one_is_heard_and_with_a_broken_one_too() {
    for fault in [CaptureFault::Missing, CaptureFault::Busy, CaptureFault::Other] {
        let mut world = World::customer();
        world.gives.insert("camera", Gives::No(fault));
        world.looked(SeatRole::Customer);
        assert!(world.running(DeviceKind::Microphone).is_some(), "{fault:?}");
        let check = world.check();
        assert!(check.join.enabled && check.trouble.is_some() && !check.camera.on);
        world.gives.clear();
        world.act(Action::AskAgain);
        assert!(world.check().own.is_some() && world.check().trouble.is_none());
    }
}

#[test]
fn a_refusal_that_no_person_can_have_made_points_out_of_the_app() {
    let mut world = World::customer();
    world.gives.insert("camera", Gives::No(CaptureFault::Refused));
    world.looked(SeatRole::Customer);
    let trouble = world.check().trouble.unwrap();
    assert!(trouble.help.unwrap().contains("Safari or Chrome"));
    assert!(trouble.buttons.iter().any(|button| button.action == Action::CopyLink));

    // A person needs longer.
    let mut world = World::customer();
    world.gives.insert("camera", Gives::Later);
    world.looked(SeatRole::Customer);
    world.pass(1_500);
    let tracks: Vec<_> = world.captures.keys().copied().collect();
    world.deny(Some(tracks[0]), Some(tracks[1]), CaptureFault::Refused);
    assert!(world.check().trouble.unwrap().help.unwrap().contains("site settings"));

    // And one who has said no before is told where to say yes.
    let mut world = World::customer();
    for kind in [DeviceKind::Camera, DeviceKind::Microphone] {
        world.event(Event::Permission(kind, Permission::Denied));
    }
    world.gives.insert("camera", Gives::No(CaptureFault::Refused));
    world.looked(SeatRole::Customer);
    assert!(world.check().trouble.unwrap().help.unwrap().contains("site settings"));
}

#[test]
fn what_a_browser_lacks_is_said_with_the_way_out() {
    let lacking = |change: fn(&mut Features)| {
        let mut setup = setup(Place::Link(CODE.into()));
        change(&mut setup.features);
        let mut world = World::new(setup);
        world.event(Event::Started);
        world
    };
    let world = lacking(|features| features.secure = false);
    assert_eq!((world.end(), world.notice().kind), (&End::Insecure, NoticeKind::Trouble));
    let world = lacking(|features| (features.peer_connection, features.capture) = (false, false));
    assert_eq!(world.end(), &End::TooOld);
    assert!(world.notice().buttons.iter().any(|button| button.action == Action::CopyLink));
    let mut world = lacking(|features| features.capture = false);
    assert_eq!((world.end(), world.notice().kind), (&End::InApp, NoticeKind::InApp));
    world.act(Action::WatchOnly);
    world.event(Event::Locked(None));
    world.looked(SeatRole::Customer);
    assert!(!world.check().camera.enabled);
    world.act(Action::Join);
    world.admit();
    world.up(vec![]);
    assert!(world.is_up() && world.is_dark());
}

#[test]
fn each_refusal_of_the_service_is_a_sentence_that_says_what_to_do() {
    for (code, end) in [
        (VideoErrorCode::UnknownCode, End::UnknownLink),
        (VideoErrorCode::Ended, End::Ended(protocol::video::EndReason::Other)),
        (VideoErrorCode::RoomFull, End::Full),
        (VideoErrorCode::LinkUsed, End::LinkUsed),
        (VideoErrorCode::OriginNotAllowed, End::NotAllowed),
    ] {
        let mut world = World::checking();
        world.act(Action::Join);
        world.refuse(refused(code));
        assert_eq!(world.end(), &end);
        let notice = world.notice();
        assert!(
            !notice.sentences.is_empty() && notice.sentences.iter().all(|one| one.ends_with('.')),
            "{notice:?}"
        );
        assert!(world.is_dark(), "{code:?}");
    }
}

#[test]
fn a_link_that_is_none_is_not_even_asked_about() {
    let mut world = World::new(setup(Place::Link("nonsense".into())));
    world.start();
    assert_eq!((world.end(), world.open.len()), (&End::UnknownLink, 0));
    let mut world = World::new(setup(Place::Link(format!("{}.", CODE.to_uppercase()))));
    world.start();
    assert!(world.is_asked(|ask| matches!(ask, Ask::Look(look) if look.code == CODE)));
}

#[test]
fn a_call_that_is_over_is_said_to_be_over_before_any_camera() {
    let mut world = World::customer();
    let request = world.open.remove(0).0;
    let ended = Some(protocol::video::EndReason::TaskOver);
    let looked = Looked {
        role: SeatRole::Customer,
        organisation: String::new(),
        agent: String::new(),
        recording: Recording::Off,
        seated: false,
        ended,
    };
    world.event(Event::Answered(request, Answer::Looked(looked)));
    assert_eq!(world.notice().kind, NoticeKind::Over);
    assert!(!world.seen.iter().any(|command| matches!(command, Command::Capture { .. })));
}

#[test]
fn a_silent_service_is_tried_again_and_then_said() {
    let mut world = World::customer();
    for tries in 0..4 {
        assert_eq!(world.view().screen.name(), "busy", "{tries}");
        world.refuse(Fault::Unreachable);
        world.pass(8_000);
    }
    assert_eq!(world.end(), &End::Silent);
    world.act(Action::Retry);
    world.event(Event::Locked(None));
    world.looked(SeatRole::Customer);
    assert_eq!(world.rig.machine.phase(), &Phase::Check);
}

#[test]
fn a_service_that_wants_a_pause_gets_it_and_is_asked_the_same_again() {
    let mut world = World::customer();
    world.refuse(Fault::Refused { code: VideoErrorCode::RateLimited, retry_after: Some(20) });
    world.pass(19_000);
    assert!(world.open.is_empty());
    world.pass(1_000);
    assert!(world.is_asked(|ask| matches!(ask, Ask::Look(look) if look.code == CODE)));
}

#[test]
fn who_has_to_wait_is_told_why_sees_themselves_and_is_let_in() {
    let mut world = World::checking();
    world.act(Action::Join);
    world.seat(SeatRole::Customer, None, Some(WaitingWhy::OtherBrowser), false);
    let Screen::Waiting(waiting) = world.view().screen else { panic!() };
    assert!(waiting.sentence.contains("another browser") && waiting.own.is_some());
    world.pass(1_000);
    world.pulsed(Pulsed { waiting: Some(WaitingWhy::SecondBrowser), next: 1, ..Pulsed::default() });
    let Screen::Waiting(waiting) = world.view().screen else { panic!() };
    assert!(waiting.sentence.contains("one more"));
    world.pass(1_000);
    world.pulsed(Pulsed { admission: Some(admission()), ..Pulsed::default() });
    world.up(vec![]);
    assert!(world.is_up());
}

#[test]
fn who_is_turned_away_or_gives_up_waiting_leaves_no_light_on() {
    for gives_up in [false, true] {
        let mut world = World::checking();
        world.act(Action::Join);
        world.seat(SeatRole::Customer, None, Some(WaitingWhy::Knock), false);
        world.pass(1_000);
        if gives_up {
            world.act(Action::Leave);
            assert!(
                world
                    .seen
                    .iter()
                    .any(|command| matches!(command, Command::Beacon { leave, .. } if leave.by_hand))
            );
        } else {
            world.pulsed(Pulsed { turned_away: true, ..Pulsed::default() });
        }
        assert!(world.is_dark() && world.notice().kind == NoticeKind::Over);
    }
}

#[test]
fn where_it_is_recorded_everybody_is_asked_before_and_may_say_no() {
    for agreed in [true, false] {
        let mut world = World::customer();
        world.recording = Recording::Asking;
        world.looked(SeatRole::Customer);
        assert!(!world.check().join.enabled && world.check().consent.is_some());
        world.act(Action::Join);
        assert!(!world.is_asked(|ask| matches!(ask, Ask::Join(_))), "not without an answer");
        world.act(Action::Consent(agreed));
        world.act(Action::Join);
        assert!(world.is_asked(|ask| matches!(ask, Ask::Join(join) if join.consent == Some(agreed))));
    }
    let mut world = World::checking();
    world.act(Action::Join);
    world.refuse(refused(VideoErrorCode::ConsentNeeded));
    assert_eq!(world.view().screen.name(), "consent", "the policy has changed since the look");
    world.act(Action::Consent(false));
    assert!(world.is_asked(|ask| matches!(ask, Ask::Join(join) if join.consent == Some(false))));
}

#[test]
fn an_agents_tab_goes_straight_in() {
    let mut world = World::customer();
    world.looked(SeatRole::Agent);
    assert!(world.running(DeviceKind::Camera).is_some(), "their own picture does not wait for the service");
    assert!(world.running(DeviceKind::Microphone).is_none(), "whether a call is live is not known yet");
    world.seat(SeatRole::Agent, Some(admission()), None, false);
    world.up(vec![]);
    assert!(world.is_published(DeviceKind::Microphone) && world.room().end.is_some());
}

#[test]
fn a_network_that_blocks_video_is_said_and_the_chat_is_named() {
    let mut world = World::checking();
    world.act(Action::Join);
    for _ in 0..4 {
        world.admit();
        world.not_up(Some(53_000));
        world.pass(8_000);
    }
    assert_eq!(world.end(), &End::Network);
    assert!(world.notice().sentences[0].contains("chat is still there") && world.is_dark());
}

#[test]
fn a_full_room_is_said_as_such() {
    let mut world = World::checking();
    world.act(Action::Join);
    world.admit();
    world.not_up(Some(53_105));
    assert_eq!(world.end(), &End::Full);
}
