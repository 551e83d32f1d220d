//! Every screen in both languages.

use messages::Language;
use protocol::{
    video::{EndReason, Pulsed, Recording, SeatRole, VideoErrorCode, Waiting, WaitingWhy},
    video_window::ToVideoWindow,
};

use super::harness::*;
use crate::{
    machine::{
        event::{Action, Event, Features, Place, RoomEvent},
        track::CaptureFault,
    },
    view::{Screen, View},
};

fn world(language: Language, place: Place, features: Features) -> World {
    let mut setup = setup(place);
    (setup.language, setup.features) = (language, features);
    World::new(setup)
}

fn link(language: Language) -> World {
    let mut world = world(language, Place::Link(CODE.into()), ALL);
    world.start();
    world
}

fn room(language: Language, role: SeatRole) -> World {
    let mut world = link(language);
    world.looked(SeatRole::Customer);
    world.act(Action::Join);
    world.seat(role, Some(admission()), None, true);
    world.up(vec![]);
    world
}

/// Each screen that there is, by what leads to it.
fn screens(language: Language) -> Vec<(&'static str, View)> {
    let mut views = Vec::new();
    let mut see = |name, world: &World| views.push((name, world.view()));
    let mut one = link(language);
    see("busy", &one);
    for what in ["camera", "microphone"] {
        one.gives.insert(what, Gives::No(CaptureFault::Refused));
    }
    one.recording = Recording::Asking;
    one.looked(SeatRole::Customer);
    see("check", &one);
    one.act(Action::Consent(false));
    one.act(Action::Join);
    one.refuse(refused(VideoErrorCode::ConsentNeeded));
    see("consent", &one);
    one.act(Action::Consent(true));
    one.seat(SeatRole::Customer, None, Some(WaitingWhy::SecondBrowser), false);
    see("waiting", &one);
    one.act(Action::Leave);
    see("over", &one);

    let mut one = room(language, SeatRole::Agent);
    one.pulsed(Pulsed {
        others_waiting: vec![Waiting { id: "w".into(), why: WaitingWhy::Knock }],
        recording: Recording::Refused,
        seconds: Some(3),
        ..Pulsed::default()
    });
    one.room_event(RoomEvent::Came(person(1, "customer_x")));
    one.room_event(RoomEvent::Quality(Some("PA1".into()), 1));
    one.room_event(RoomEvent::Lost("PA1".into()));
    one.room_event(RoomEvent::Reconnecting(None));
    one.event(Event::SoundBlocked);
    one.act(Action::AskEnd);
    see("room", &one);
    for reason in [EndReason::Agent, EndReason::TaskOver, EndReason::Duration, EndReason::Other] {
        let mut one = room(language, SeatRole::Customer);
        one.pulsed(Pulsed { ended: Some(reason), ..Pulsed::default() });
        see("over", &one);
    }
    let mut one = room(language, SeatRole::Customer);
    one.event(Event::LockLost);
    see("elsewhere", &one);
    for code in [
        VideoErrorCode::UnknownCode,
        VideoErrorCode::LinkUsed,
        VideoErrorCode::RoomFull,
        VideoErrorCode::OriginNotAllowed,
    ] {
        let mut one = link(language);
        one.refuse(refused(code));
        see("trouble", &one);
    }
    for (name, features) in [
        ("in-app", Features { capture: false, ..ALL }),
        ("trouble", Features { peer_connection: false, ..ALL }),
        ("trouble", Features { secure: false, ..ALL }),
    ] {
        let mut one = world(language, Place::Link(CODE.into()), features);
        one.start();
        see(name, &one);
    }
    let mut one = world(language, Place::Window(KEY.into()), ALL);
    one.start();
    see("busy", &one);
    one.event(Event::Worker(ToVideoWindow::Failed { message: "Flex".into() }));
    see("trouble", &one);
    views
}

/// All texts of a view that are longer than a word, in their order.
fn texts(view: &View) -> Vec<String> {
    let written = format!("{view:?}");
    let quoted = written.split('"').skip(1).step_by(2).map(str::to_owned);
    quoted.filter(|text| text.contains(' ') && !text.contains("Acme")).collect()
}

#[test]
fn every_screen_says_everything_in_english_and_in_spanish() {
    let (english, spanish) = (screens(Language::English), screens(Language::Spanish));
    assert_eq!(english.len(), spanish.len());
    for ((name, english), (_, spanish)) in english.iter().zip(&spanish) {
        assert_eq!((*name, english.screen.name()), (english.screen.name(), spanish.screen.name()));
        let (said, dicho) = (texts(english), texts(spanish));
        assert!(!said.is_empty(), "{name} says nothing");
        for text in &said {
            assert!(!dicho.contains(text), "{name}: {text} is said in Spanish, too");
        }
    }
}

#[test]
fn each_kind_of_screen_is_seen_and_what_can_be_pressed_says_what_it_does() {
    let views = screens(Language::English);
    for name in ["busy", "check", "consent", "waiting", "room", "over", "trouble", "elsewhere", "in-app"] {
        assert!(views.iter().any(|(_, view)| view.screen.name() == name), "{name}");
    }
    for (name, view) in views {
        let buttons = match view.screen {
            Screen::Busy(busy) => busy.buttons,
            Screen::Check(check) => {
                let trouble = check.trouble.map(|trouble| trouble.buttons).unwrap_or_default();
                trouble.into_iter().chain([check.join]).chain(check.test_speaker).collect()
            }
            Screen::Consent(_) => Vec::new(),
            Screen::Waiting(waiting) => vec![waiting.leave],
            Screen::Room(room) => room.end.into_iter().chain([room.leave]).collect(),
            Screen::Notice(notice) => notice.buttons,
        };
        let mut labels: Vec<&str> = buttons.iter().map(|button| button.label).collect();
        assert!(labels.iter().all(|label| !label.is_empty()), "{name}");
        labels.sort_unstable();
        labels.dedup();
        assert_eq!(labels.len(), buttons.len(), "{name}: two buttons of one name");
    }
}

#[test]
fn a_trouble_for_a_customer_says_that_the_chat_is_still_there_or_where_to_go() {
    for (name, view) in screens(Language::English) {
        let Screen::Notice(notice) = view.screen else { continue };
        let said = notice.sentences.join(" ");
        let leads_on = ["chat", "close this page", "Open th", "Flex", "another tab"];
        assert!(leads_on.iter().any(|words| said.contains(words)), "{name}: {said}");
    }
}
