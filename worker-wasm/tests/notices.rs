//! Notifications and keys: one path with popup and page, and no nagging.

mod rig;

use protocol::{
    CallPhase, ProblemCode,
    offscreen::{FromOffscreen, OffscreenCall, ToOffscreen},
};
use rig::*;
use serde_json::json;
use worker_wasm::machine::{
    Command, Event, FetchOutcome, MicrophonePermission,
    notices::{Notice, NoticeId, Shortcut},
};

fn shown(rig: &Rig) -> Vec<(&Notice, bool)> {
    rig.commands
        .iter()
        .filter_map(|command| match command {
            Command::Notify { notice, is_update, .. } => Some((notice, *is_update)),
            _ => None,
        })
        .collect()
}

fn cleared(rig: &Rig, id: NoticeId) -> bool {
    rig.did(|command| *command == Command::ClearNotice(id))
}

fn trouble(rig: &Rig) -> Vec<ProblemCode> {
    shown(rig)
        .into_iter()
        .filter_map(|(notice, _)| match notice {
            Notice::Trouble { code } => Some(*code),
            _ => None,
        })
        .collect()
}

fn open(muted: bool) -> FromOffscreen {
    FromOffscreen::Call { call: OffscreenCall { muted, ..held(CA, CallPhase::Open) } }
}

#[test]
fn a_call_is_announced_once_follows_its_mute_state_in_place_and_goes_with_the_call() {
    let mut rig = Rig::registered();
    rig.incoming(CA);
    rig.offscreen_says(open(false));
    let from = || Some("+15550100".to_owned());
    assert_eq!(shown(&rig), [(&Notice::Call { from: from(), muted: false }, false)]);
    rig.take();
    rig.offscreen_says(open(true));
    assert_eq!(shown(&rig), [(&Notice::Call { from: from(), muted: true }, true)]);
    rig.take();
    rig.passes(60_000);
    assert!(shown(&rig).is_empty());
    rig.ended(CA, None);
    assert!(cleared(&rig, NoticeId::Call));
}

#[test]
fn what_the_agent_has_put_away_stays_away_for_this_call_and_over_a_killed_worker() {
    let mut rig = Rig::on_call();
    rig.happens(Event::NoticeClosed(NoticeId::Call));
    rig.offscreen_says(open(true));
    rig.is_killed();
    rig.offscreen_opens(Some(held(CA, CallPhase::Open)));
    assert!(shown(&rig).is_empty(), "{:?}", shown(&rig));
    rig.ended(CA, None);
    rig.is_registered();
    rig.incoming(OTHER_CA);
    rig.offscreen_says(FromOffscreen::Call { call: held(OTHER_CA, CallPhase::Open) });
    assert_eq!(shown(&rig).len(), 1, "another call is another matter");
}

#[test]
fn a_killed_worker_does_not_announce_the_same_call_again() {
    let mut rig = Rig::on_call();
    rig.is_killed();
    rig.offscreen_opens(Some(held(CA, CallPhase::Open)));
    assert!(shown(&rig).is_empty(), "{:?}", shown(&rig));
}

#[test]
fn the_notifications_buttons_mute_and_hang_up() {
    let mut rig = Rig::on_call();
    rig.happens(Event::NoticeButton { id: NoticeId::Call, button: 0 });
    rig.offscreen_says(open(true));
    rig.happens(Event::NoticeButton { id: NoticeId::Call, button: 0 });
    rig.happens(Event::NoticeButton { id: NoticeId::Call, button: 1 });
    let call_sid = sid(CA);
    assert_eq!(
        rig.to_offscreen(),
        [
            &ToOffscreen::SetMute { call_sid: call_sid.clone(), muted: true },
            &ToOffscreen::SetMute { call_sid: call_sid.clone(), muted: false },
            &ToOffscreen::HangUp { call_sid }
        ]
    );
}

#[test]
fn the_keys_mute_and_hang_up_and_do_nothing_without_a_call() {
    let mut rig = Rig::on_call();
    rig.happens(Event::Shortcut(Shortcut::Mute));
    rig.happens(Event::Shortcut(Shortcut::HangUp));
    let call_sid = sid(CA);
    assert_eq!(
        rig.to_offscreen(),
        [
            &ToOffscreen::SetMute { call_sid: call_sid.clone(), muted: true },
            &ToOffscreen::HangUp { call_sid }
        ]
    );
    let mut rig = Rig::registered();
    for shortcut in [Shortcut::Mute, Shortcut::HangUp, Shortcut::AnswerWaiting] {
        rig.happens(Event::Shortcut(shortcut));
    }
    assert!(rig.to_offscreen().is_empty());
}

#[test]
fn every_key_of_the_manifest_has_a_meaning_and_no_more_than_four_are_suggested() {
    let manifest: serde_json::Value =
        serde_json::from_str(include_str!("../../manifest.json")).expect("JSON");
    let commands = manifest["commands"].as_object().expect("commands");
    assert!(commands.len() <= 4, "Chrome ignores all of them otherwise");
    for name in commands.keys().filter(|name| *name != "_execute_action") {
        assert!(Shortcut::named(name).is_some(), "{name}");
    }
    assert_eq!(Shortcut::named("<b>"), None);
}

#[test]
fn a_call_that_waits_is_answered_and_declined_from_its_notification() {
    let offering = || {
        let mut rig = Rig::on_call();
        rig.happens(Event::PolicyChanged { policy: json!({"secondCall": "offer"}).into() });
        rig.take();
        rig
    };
    let mut rig = offering();
    rig.incoming(OTHER_CA);
    let waiting = Notice::Waiting { from: Some("+15550100".into()), hangs_up: true, unexpected: false };
    assert_eq!(shown(&rig), [(&waiting, false)]);
    rig.happens(Event::NoticeButton { id: NoticeId::Waiting, button: 0 });
    assert!(cleared(&rig, NoticeId::Waiting));
    rig.ended(CA, None);
    assert_eq!(rig.connects().len(), 1);

    let mut rig = offering();
    let offer = rig.incoming(OTHER_CA);
    rig.happens(Event::NoticeButton { id: NoticeId::Waiting, button: 1 });
    assert!(rig.rejected(offer));
    assert!(cleared(&rig, NoticeId::Waiting));
    assert!(rig.state().call.is_some());
}

#[test]
fn trouble_that_is_being_dealt_with_is_not_announced_before_it_has_lasted() {
    let mut rig = Rig::registered();
    rig.device_says(worker_wasm::machine::DeviceEvent::Unregistered);
    rig.passes(14_000);
    assert!(trouble(&rig).is_empty());
    rig.is_registered();
    rig.passes(120_000);
    assert!(trouble(&rig).is_empty());

    let mut rig = Rig::configured();
    rig.flex_token(PAGE, "canary-flex-1", 8 * HOUR);
    for _ in 0..20 {
        if rig.request.is_some() {
            rig.fetch_fails(FetchOutcome::Unreachable);
        }
        rig.passes(10_000);
    }
    assert_eq!(trouble(&rig), [ProblemCode::TokenServiceUnavailable], "once");
}

#[test]
fn a_revoked_microphone_is_announced_at_once_and_the_click_leads_to_its_repair() {
    let mut rig = Rig::registered();
    rig.happens(Event::Microphone(MicrophonePermission::Denied));
    assert_eq!(trouble(&rig), [ProblemCode::MicrophoneUnavailable]);
    rig.happens(Event::NoticeClicked(NoticeId::Trouble));
    assert!(rig.did(|command| *command == Command::OpenWelcome));
    rig.happens(Event::Microphone(MicrophonePermission::Granted));
    assert!(cleared(&rig, NoticeId::Trouble));
}

#[test]
fn a_question_about_a_token_service_is_announced_and_the_click_opens_the_popup() {
    let mut rig = Rig::unasked();
    rig.page_opens(PAGE);
    rig.configure(PAGE, AC, URL, "ext_");
    assert_eq!(trouble(&rig), [ProblemCode::ConsentNeeded]);
    rig.happens(Event::NoticeClicked(NoticeId::Trouble));
    assert!(rig.did(|command| *command == Command::OpenPopup));
}

#[test]
fn before_flex_was_ever_opened_nobody_is_troubled() {
    let mut rig = Rig::started();
    rig.happens(Event::Microphone(MicrophonePermission::Denied));
    rig.passes(HOUR);
    assert!(shown(&rig).is_empty());
}
