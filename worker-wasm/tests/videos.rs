//! The agent's windows of video sessions.

#![expect(clippy::unwrap_used, reason = "a test's tools may panic")]

mod rig;

use kernel::Secret;
use protocol::{
    CallPhase, ProblemCode,
    offscreen::FromOffscreen,
    page::{ShowVideo, SignOutReason, ToExtension, ToPage},
    video_window::{FromVideoWindow, ToVideoWindow, VideoKey},
};
use rig::*;
use serde_json::json;
use worker_wasm::machine::{Command, Event, PortId, Sender, video_window::Address};

const KEY: &str = "CH11111111111111111111111111111111";
const CODE: &str = "canary0123456789abcd";
const SERVICE: &str = "https://tokens.acme.test";
const WINDOW: i64 = 70;
const VIDEO: PortId = PortId(20);
const VIDEO_2: PortId = PortId(21);

fn wish(link: Option<&str>, failed: Option<&str>) -> ToExtension {
    let payload = ShowVideo {
        key: VideoKey::new(KEY).unwrap(),
        link: link.map(Secret::new),
        failed: failed.map(str::to_owned),
    };
    ToExtension::ShowVideo { payload }
}

fn clicks(rig: &mut Rig) {
    rig.page_says(PAGE, wish(None, None));
}

fn link_comes(rig: &mut Rig) {
    rig.page_says(PAGE, wish(Some(CODE), None));
}

/// The windows that were opened, and their numbers in this process.
fn opened(rig: &Rig) -> Vec<(u32, Address)> {
    let opens = rig.commands.iter().filter_map(|command| match command {
        Command::OpenVideo { number, address } => Some((*number, address.clone())),
        _ => None,
    });
    opens.collect()
}

fn window_is_there(rig: &mut Rig, window: i64) -> Address {
    let (number, address) = opened(rig).pop().expect("a window is opened");
    rig.take();
    rig.happens(Event::VideoOpened { number, window: Some(window) });
    address
}

fn connects(rig: &mut Rig, port: PortId, window: i64, address: &Address) {
    let page = own_page(&format!("video.html#{}", address.as_str()));
    rig.opens(port, protocol::port::VIDEO, Sender { tab: Some(7), window: Some(window), ..page });
    says(rig, port, FromVideoWindow::Hello { key: address.as_str().to_owned() });
}

fn says(rig: &mut Rig, port: PortId, message: FromVideoWindow) {
    rig.happens(Event::FromVideo { port, message: Some(message) });
}

/// What a window was told since the last time, as the page reads it.
fn told(rig: &Rig, to: PortId) -> Vec<serde_json::Value> {
    let messages = rig.commands.iter().filter_map(|command| match command {
        Command::ToVideo { port, message } if *port == to => {
            Some(serde_json::to_value(message.as_ref() as &ToVideoWindow).unwrap())
        }
        _ => None,
    });
    messages.collect()
}

fn link() -> serde_json::Value {
    json!({"type": "link", "service": SERVICE, "link": CODE})
}

fn call(live: bool) -> serde_json::Value {
    json!({"type": "call", "live": live})
}

/// An agent in the room.
fn in_the_room(mut rig: Rig) -> (Rig, Address) {
    clicks(&mut rig);
    let address = window_is_there(&mut rig, WINDOW);
    connects(&mut rig, VIDEO, WINDOW, &address);
    link_comes(&mut rig);
    says(&mut rig, VIDEO, FromVideoWindow::InRoom { on: true });
    rig.take();
    (rig, address)
}

fn focused(rig: &Rig, window: i64) -> bool {
    rig.did(|command| *command == Command::FocusVideo { window })
}

fn applies_updates(rig: &Rig) -> bool {
    rig.did(|command| *command == Command::ApplyUpdate)
}

fn refusal(rig: &Rig) -> Option<ProblemCode> {
    rig.to_page(PAGE).into_iter().find_map(|message| match message {
        ToPage::Error { payload } => {
            assert_eq!(payload.in_reply_to.as_deref(), Some("VOICE_CLIENT_EXTENSION_SHOW_VIDEO"));
            Some(payload.problem.code)
        }
        _ => None,
    })
}

#[test]
fn a_click_opens_a_window_at_once_and_the_link_follows_when_the_service_has_answered() {
    let mut rig = Rig::registered();
    clicks(&mut rig);
    let address = window_is_there(&mut rig, WINDOW);
    assert!(address.as_str().starts_with(KEY), "{address:?}");
    connects(&mut rig, VIDEO, WINDOW, &address);
    assert_eq!(told(&rig, VIDEO), [call(false)]);
    rig.take();
    link_comes(&mut rig);
    assert_eq!(told(&rig, VIDEO), [link()]);
}

#[test]
fn a_link_that_comes_before_the_page_waits_for_it_and_is_said_once() {
    let mut rig = Rig::registered();
    clicks(&mut rig);
    link_comes(&mut rig);
    let address = window_is_there(&mut rig, WINDOW);
    connects(&mut rig, VIDEO, WINDOW, &address);
    assert_eq!(told(&rig, VIDEO), [call(false), link()]);
    rig.take();
    rig.closes(VIDEO);
    connects(&mut rig, VIDEO_2, WINDOW, &address);
    assert_eq!(told(&rig, VIDEO_2), [call(false)], "a page that was reloaded comes back by its seat");
}

#[test]
fn a_link_is_kept_for_a_minute_at_most_and_never_written_anywhere() {
    let mut rig = Rig::registered();
    clicks(&mut rig);
    link_comes(&mut rig);
    let saved = serde_json::to_string(&rig.saved).unwrap();
    assert!(saved.contains(KEY) && !saved.contains(CODE));
    assert!(!format!("{:?}", rig.commands).contains(CODE));
    let address = window_is_there(&mut rig, WINDOW);
    rig.passes(60_001);
    connects(&mut rig, VIDEO, WINDOW, &address);
    assert_eq!(told(&rig, VIDEO), [call(false)]);
}

#[test]
fn that_the_session_could_not_be_opened_is_said_in_the_window() {
    let mut rig = Rig::registered();
    clicks(&mut rig);
    let address = window_is_there(&mut rig, WINDOW);
    connects(&mut rig, VIDEO, WINDOW, &address);
    rig.page_says(PAGE, wish(None, Some("Video is off.")));
    assert_eq!(told(&rig, VIDEO).last(), Some(&json!({"type": "failed", "message": "Video is off."})));
}

#[test]
fn a_second_click_brings_the_window_to_the_front_and_its_link_disturbs_no_room() {
    let (mut rig, _) = in_the_room(Rig::registered());
    clicks(&mut rig);
    link_comes(&mut rig);
    assert!(focused(&rig, WINDOW) && opened(&rig).is_empty());
    assert_eq!(told(&rig, VIDEO), [] as [serde_json::Value; 0]);
}

#[test]
fn clicks_while_the_window_is_being_opened_open_no_second_one() {
    let mut rig = Rig::registered();
    clicks(&mut rig);
    clicks(&mut rig);
    clicks(&mut rig);
    assert_eq!(opened(&rig).len(), 1);
}

#[test]
fn a_link_opens_no_window_and_takes_no_focus() {
    let mut rig = Rig::registered();
    link_comes(&mut rig);
    assert!(opened(&rig).is_empty());
    clicks(&mut rig);
    window_is_there(&mut rig, WINDOW);
    rig.happens(Event::WindowClosed { window: WINDOW });
    rig.take();
    link_comes(&mut rig);
    assert!(opened(&rig).is_empty(), "the agent has closed it meanwhile");
    clicks(&mut rig);
    assert_eq!(opened(&rig).len(), 1);
}

#[test]
fn a_window_survives_the_end_of_its_flex_page_and_is_found_by_the_next_one() {
    let (mut rig, _) = in_the_room(Rig::registered());
    rig.closes(PAGE);
    rig.passes(20_000);
    rig.page_opens(PAGE_2);
    rig.configure(PAGE_2, AC, URL, "ext_");
    rig.flex_token(PAGE_2, "canary-flex-1", 8 * HOUR);
    rig.take();
    rig.page_says(PAGE_2, wish(None, None));
    assert!(focused(&rig, WINDOW) && opened(&rig).is_empty());
}

#[test]
fn a_killed_worker_knows_the_window_again() {
    let (mut rig, address) = in_the_room(Rig::registered());
    rig.happens(Event::UpdateAvailable { version: "2.0.0".into() });
    rig.is_killed();
    assert!(!applies_updates(&rig), "it is still in the room, as far as is known");
    connects(&mut rig, VIDEO_2, WINDOW, &address);
    says(&mut rig, VIDEO_2, FromVideoWindow::InRoom { on: true });
    rig.page_opens(PAGE);
    rig.configure(PAGE, AC, URL, "ext_");
    rig.flex_token(PAGE, "canary-flex-1", 8 * HOUR);
    rig.take();
    rig.passes(120_000);
    clicks(&mut rig);
    assert!(focused(&rig, WINDOW) && opened(&rig).is_empty() && !applies_updates(&rig));
}

#[test]
fn a_window_whose_opening_a_killed_worker_never_heard_of_says_itself_that_it_is_there() {
    let mut rig = Rig::registered();
    clicks(&mut rig);
    let (_, address) = opened(&rig).pop().unwrap();
    rig.is_killed();
    connects(&mut rig, VIDEO, WINDOW, &address);
    rig.page_opens(PAGE);
    rig.configure(PAGE, AC, URL, "ext_");
    rig.flex_token(PAGE, "canary-flex-1", 8 * HOUR);
    clicks(&mut rig);
    assert!(focused(&rig, WINDOW) && opened(&rig).is_empty());
}

#[test]
fn an_update_waits_while_a_window_is_in_the_room() {
    let (mut rig, _) = in_the_room(Rig::registered());
    rig.happens(Event::UpdateAvailable { version: "2.0.0".into() });
    rig.passes(300_000);
    assert!(!applies_updates(&rig));
    says(&mut rig, VIDEO, FromVideoWindow::Over);
    assert!(applies_updates(&rig));
}

#[test]
fn an_update_waits_through_a_reload_of_the_window_and_not_for_one_that_has_crashed() {
    let (mut rig, address) = in_the_room(Rig::registered());
    rig.happens(Event::UpdateAvailable { version: "2.0.0".into() });
    rig.closes(VIDEO);
    rig.passes(3_000);
    connects(&mut rig, VIDEO_2, WINDOW, &address);
    rig.passes(3_000);
    says(&mut rig, VIDEO_2, FromVideoWindow::InRoom { on: true });
    rig.passes(60_000);
    assert!(!applies_updates(&rig));
    rig.closes(VIDEO_2);
    rig.passes(30_001);
    assert!(applies_updates(&rig));
}

#[test]
fn a_window_whose_page_has_crashed_is_replaced_by_the_next_click() {
    let (mut rig, _) = in_the_room(Rig::registered());
    rig.closes(VIDEO);
    rig.passes(30_001);
    rig.take();
    clicks(&mut rig);
    assert!(rig.did(|command| *command == Command::CloseVideo { window: WINDOW }));
    assert_eq!(opened(&rig).len(), 1);
}

#[test]
fn a_window_that_chrome_does_not_find_any_more_is_opened_anew() {
    let (mut rig, address) = in_the_room(Rig::registered());
    clicks(&mut rig);
    rig.take();
    rig.happens(Event::VideoNotFound { window: WINDOW });
    assert_eq!(opened(&rig).pop().map(|(_, at)| at), Some(address));
}

#[test]
fn after_the_end_a_click_begins_in_a_new_window_and_the_old_one_goes() {
    let (mut rig, _) = in_the_room(Rig::registered());
    says(&mut rig, VIDEO, FromVideoWindow::Over);
    rig.take();
    clicks(&mut rig);
    assert!(rig.did(|command| *command == Command::CloseVideo { window: WINDOW }));
    assert_eq!(opened(&rig).len(), 1);
    assert!(!focused(&rig, WINDOW));
}

#[test]
fn a_window_that_chrome_does_not_open_is_said_to_the_page_that_asked_and_the_next_click_tries_again() {
    let mut rig = Rig::registered();
    clicks(&mut rig);
    let (number, _) = opened(&rig).pop().unwrap();
    rig.take();
    rig.happens(Event::VideoOpened { number, window: None });
    assert_eq!(refusal(&rig), Some(ProblemCode::Internal));
    rig.take();
    clicks(&mut rig);
    assert_eq!(opened(&rig).len(), 1);
}

#[test]
fn a_page_of_nobody_who_is_signed_in_opens_nothing() {
    let mut rig = Rig::configured();
    rig.take();
    clicks(&mut rig);
    assert_eq!((opened(&rig).len(), refusal(&rig)), (0, Some(ProblemCode::NotConfigured)));
}

#[test]
fn another_agent_at_the_same_desk_never_gets_the_window_of_the_one_before() {
    let mut rig = Rig::started();
    rig.page_of(PAGE, Some("ann"), "canary-flex-ann");
    rig.minted_for("ann", "canary-voice-ann");
    let (mut rig, of_ann) = in_the_room(rig);
    rig.signs_out(PAGE, SignOutReason::Logout);
    assert!(!rig.did(|command| matches!(command, Command::CloseVideo { .. })), "the room goes on");
    rig.closes(PAGE);
    rig.passes(60_000);
    rig.page_of(PAGE, Some("ben"), "canary-flex-ben");
    rig.minted_for("ben", "canary-voice-ben");
    rig.take();
    clicks(&mut rig);
    link_comes(&mut rig);
    let of_ben = window_is_there(&mut rig, WINDOW + 1);
    assert_ne!(of_ann, of_ben);
    assert!(!focused(&rig, WINDOW));
    assert_eq!(told(&rig, VIDEO), [] as [serde_json::Value; 0], "ann's window hears nothing of it");
    connects(&mut rig, VIDEO_2, WINDOW + 1, &of_ben);
    assert_eq!(told(&rig, VIDEO_2), [call(false), link()]);
}

#[test]
fn a_sign_out_closes_windows_that_are_not_in_a_room() {
    let mut rig = Rig::registered();
    clicks(&mut rig);
    window_is_there(&mut rig, WINDOW);
    rig.signs_out(PAGE, SignOutReason::Logout);
    assert!(rig.did(|command| *command == Command::CloseVideo { window: WINDOW }));
}

#[test]
fn an_agent_in_a_room_is_not_signed_out_for_absence() {
    let (mut rig, _) = in_the_room(Rig::registered());
    rig.closes(PAGE);
    rig.passes(HOUR);
    assert!(rig.saved.as_ref().unwrap().flex.is_some());
    says(&mut rig, VIDEO, FromVideoWindow::Over);
    rig.passes(HOUR);
    assert!(rig.saved.as_ref().unwrap().flex.is_none());
}

#[test]
fn a_window_hears_when_a_call_begins_and_ends() {
    let (mut rig, _) = in_the_room(Rig::registered());
    rig.incoming(CA);
    assert_eq!(told(&rig, VIDEO), [call(true)]);
    rig.take();
    rig.offscreen_says(FromOffscreen::Call { call: held(CA, CallPhase::Open) });
    rig.ended(CA, None);
    assert_eq!(told(&rig, VIDEO), [call(false)]);
}

#[test]
fn a_link_that_is_no_code_goes_nowhere() {
    let mut rig = Rig::registered();
    clicks(&mut rig);
    let address = window_is_there(&mut rig, WINDOW);
    connects(&mut rig, VIDEO, WINDOW, &address);
    for bad in ["", "https://evil.test/x", "../../v1", "a b", &"a".repeat(65)] {
        rig.take();
        rig.page_says(PAGE, wish(Some(bad), None));
        assert_eq!(refusal(&rig), Some(ProblemCode::MalformedMessage), "{bad}");
        assert_eq!(told(&rig, VIDEO), [] as [serde_json::Value; 0], "{bad}");
    }
}

#[test]
fn a_page_that_clicks_without_end_takes_the_screen_now_and_then_only() {
    let mut rig = Rig::registered();
    for at in 0..100 {
        let payload = ShowVideo { key: VideoKey::new(format!("CH{at}")).unwrap(), link: None, failed: None };
        rig.page_says(PAGE, ToExtension::ShowVideo { payload });
    }
    assert_eq!((opened(&rig).len(), refusal(&rig)), (8, Some(ProblemCode::TooManyMessages)));
}

#[test]
fn what_is_no_address_of_ours_is_no_window() {
    let mut rig = Rig::registered();
    let page = own_page("video.html#x");
    rig.opens(VIDEO, protocol::port::VIDEO, Sender { tab: Some(7), window: Some(WINDOW), ..page });
    says(&mut rig, VIDEO, FromVideoWindow::Hello { key: "x".into() });
    says(&mut rig, VIDEO, FromVideoWindow::InRoom { on: true });
    assert_eq!(told(&rig, VIDEO), [] as [serde_json::Value; 0]);
    rig.happens(Event::UpdateAvailable { version: "2.0.0".into() });
    assert!(applies_updates(&rig));
}
