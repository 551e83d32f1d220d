//! A second call while one is live.

mod rig;

use protocol::{
    CallPhase,
    offscreen::{FromOffscreen, ToOffscreen},
    popup::FromPopup,
};
use rig::*;
use serde_json::json;
use worker_wasm::machine::{Command, DeviceEvent, Event, OfferId};

/// A call is open, and policy wants second calls to be offered.
fn offering() -> Rig {
    let mut rig = Rig::on_call();
    rig.happens(Event::PolicyChanged { policy: json!({"secondCall": "offer"}).into() });
    rig.popup_opens();
    rig.take();
    rig
}

fn waiting(rig: &Rig) -> Option<String> {
    rig.state().waiting.map(|waiting| waiting.sid.to_string())
}

fn hung_up(rig: &Rig, call: &str) -> bool {
    rig.to_offscreen().contains(&&ToOffscreen::HangUp { call_sid: sid(call) })
}

fn rejected_any(rig: &Rig) -> bool {
    rig.did(|command| matches!(command, Command::RejectOffer { .. }))
}

#[test]
fn a_second_call_is_refused_at_once_unless_policy_says_otherwise() {
    let mut rig = Rig::on_call();
    let offer = rig.incoming(OTHER_CA);
    assert!(rig.rejected(offer));
    assert_eq!(waiting(&rig), None);
    assert_eq!(rig.state().call.unwrap().sid, sid(CA));
}

#[test]
fn by_policy_it_is_offered_and_the_first_goes_on() {
    let mut rig = offering();
    let offer = rig.incoming(OTHER_CA);
    assert!(!rig.rejected(offer));
    assert_eq!(rig.shown().unwrap().client.waiting.as_ref().unwrap().from.as_deref(), Some("+15550100"));
    rig.passes(30_000);
    assert_eq!(waiting(&rig).as_deref(), Some(OTHER_CA));
    assert_eq!(rig.state().call.unwrap().sid, sid(CA));
    assert!(
        rig.to_offscreen().iter().all(|message| **message == ToOffscreen::Pong),
        "{:?}",
        rig.to_offscreen()
    );
}

#[test]
fn answering_hangs_up_the_first_and_then_takes_the_second() {
    let mut rig = offering();
    let offer = rig.incoming(OTHER_CA);
    rig.popup_says(FromPopup::AnswerWaiting { sid: sid(OTHER_CA) });
    assert!(hung_up(&rig, CA));
    assert!(rig.connects().is_empty(), "not before the first has ended");
    rig.ended(CA, None);
    assert_eq!(rig.connects().len(), 1);
    assert_eq!(rig.state().call.unwrap().sid, sid(OTHER_CA));
    assert_eq!(waiting(&rig), None);
    assert!(!rig.rejected(offer));
    rig.offscreen_says(FromOffscreen::Call { call: held(OTHER_CA, CallPhase::Open) });
    rig.offer_gone(offer);
    assert_eq!(rig.state().call.unwrap().state, CallPhase::Open);
}

#[test]
fn a_click_on_an_older_view_answers_and_declines_nothing_else() {
    let mut rig = offering();
    rig.incoming(OTHER_CA);
    rig.popup_says(FromPopup::AnswerWaiting { sid: sid(CA) });
    assert!(rig.refusal().is_some());
    rig.popup_says(FromPopup::DeclineWaiting { sid: sid(CA) });
    assert!(!hung_up(&rig, CA) && !rejected_any(&rig));
    assert_eq!(waiting(&rig).as_deref(), Some(OTHER_CA));
}

#[test]
fn declining_routes_the_second_on_and_leaves_the_first_alone() {
    let mut rig = offering();
    let offer = rig.incoming(OTHER_CA);
    rig.popup_says(FromPopup::DeclineWaiting { sid: sid(OTHER_CA) });
    assert!(rig.rejected(offer));
    assert!(!hung_up(&rig, CA));
    assert_eq!(waiting(&rig), None);
}

#[test]
fn a_second_caller_who_gives_up_is_gone_also_between_click_and_answer() {
    let mut rig = offering();
    let offer = rig.incoming(OTHER_CA);
    rig.offer_gone(offer);
    assert_eq!(waiting(&rig), None);

    let offer = rig.incoming(OTHER_CA);
    rig.popup_says(FromPopup::AnswerWaiting { sid: sid(OTHER_CA) });
    rig.offer_gone(offer);
    rig.ended(CA, None);
    assert!(rig.connects().is_empty());
    assert_eq!(rig.state().call, None);
    rig.incoming("CA33333333333333333333333333333333");
    assert_eq!(rig.connects().len(), 1, "nothing is stuck");
}

#[test]
fn when_the_first_ends_by_itself_the_second_still_waits_for_the_agents_word() {
    let mut rig = offering();
    rig.incoming(OTHER_CA);
    rig.ended(CA, None);
    assert_eq!(rig.state().call, None);
    assert!(rig.connects().is_empty(), "no open microphone without a click");
    rig.popup_says(FromPopup::AnswerWaiting { sid: sid(OTHER_CA) });
    assert_eq!(rig.connects().len(), 1);
}

#[test]
fn a_second_call_that_nobody_answers_is_routed_on_after_a_minute() {
    let mut rig = offering();
    let offer = rig.incoming(OTHER_CA);
    rig.passes(59_000);
    assert!(!rig.rejected(offer));
    rig.passes(2_000);
    assert!(rig.rejected(offer));
    assert_eq!(waiting(&rig), None);
}

#[test]
fn a_third_call_is_refused_while_the_second_waits_also_when_the_first_has_ended() {
    let mut rig = offering();
    rig.incoming(OTHER_CA);
    let third = rig.incoming("CA33333333333333333333333333333333");
    assert!(rig.rejected(third));
    rig.ended(CA, None);
    let fourth = rig.incoming("CA44444444444444444444444444444444");
    assert!(rig.rejected(fourth));
    assert_eq!(waiting(&rig).as_deref(), Some(OTHER_CA));
}

#[test]
fn a_waiting_call_that_is_offered_again_is_the_same_call() {
    let mut rig = offering();
    let first = rig.incoming(OTHER_CA);
    let again = rig.incoming(OTHER_CA);
    assert!(rig.did(|command| *command == Command::IgnoreOffer { offer: first }));
    assert!(!rejected_any(&rig));
    rig.popup_says(FromPopup::DeclineWaiting { sid: sid(OTHER_CA) });
    assert!(rig.rejected(again));
}

#[test]
fn a_device_that_offers_a_second_call_is_not_destroyed_under_it() {
    let mut rig = offering();
    rig.incoming(OTHER_CA);
    rig.device_says(DeviceEvent::Unregistered);
    rig.passes(30_000);
    assert!(!rig.did(|command| matches!(command, Command::DestroyDevice { .. })));
    rig.passes(60_000);
    assert!(rig.did(|command| matches!(command, Command::DestroyDevice { .. })));
}

#[test]
fn after_a_kill_the_second_call_waits_for_the_gateways_word_and_is_never_stuck() {
    let mut rig = offering();
    rig.incoming(OTHER_CA);
    rig.is_killed();
    assert_eq!(waiting(&rig).as_deref(), Some(OTHER_CA));
    rig.is_registered();
    rig.passes(11_000);
    assert_eq!(waiting(&rig), None, "the gateway did not offer it again");

    let mut rig = offering();
    rig.incoming(OTHER_CA);
    rig.is_killed();
    rig.is_registered();
    rig.offscreen_opens(Some(held(CA, CallPhase::Open)));
    let offer = rig.incoming(OTHER_CA);
    rig.passes(11_000);
    assert_eq!(waiting(&rig).as_deref(), Some(OTHER_CA));
    rig.popup_opens();
    rig.popup_says(FromPopup::DeclineWaiting { sid: sid(OTHER_CA) });
    assert!(rig.rejected(offer));
}

/// The worker was killed after it had handed the second call over, and before that was saved.
#[test]
fn a_second_call_that_the_document_carries_already_does_not_wait_any_more() {
    let mut rig = offering();
    rig.incoming(OTHER_CA);
    rig.is_killed();
    rig.is_registered();
    let again = rig.incoming(OTHER_CA);
    rig.offscreen_opens(Some(held(OTHER_CA, CallPhase::Open)));
    assert_eq!(waiting(&rig), None);
    let call = rig.state().call.unwrap();
    assert_eq!((call.sid, call.state), (sid(OTHER_CA), CallPhase::Open));
    assert_eq!(call.from.as_deref(), Some("+15550100"));
    assert!(!rejected_any(&rig), "a rejection would end the call");
    rig.passes(70_000);
    rig.offer_gone(again);
    assert_eq!(rig.state().call.unwrap().sid, sid(OTHER_CA));
    rig.ended(OTHER_CA, None);
    assert!(!rejected_any(&rig));
}

#[test]
fn restart_by_hand_refuses_a_call_that_still_waits() {
    let mut rig = offering();
    let offer = rig.incoming(OTHER_CA);
    rig.ended(CA, None);
    rig.popup_says(FromPopup::Restart);
    assert!(rig.rejected(offer));
    assert_eq!(waiting(&rig), None);
    assert_ne!(offer, OfferId(0));
}
