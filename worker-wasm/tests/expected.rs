//! Which calls are answered by themselves.

#![expect(clippy::unwrap_used, reason = "a test's tools may panic")]

mod rig;

use protocol::{
    CallPhase, WaitingCall,
    offscreen::{FromOffscreen, ToOffscreen},
    page::{Configure, ExpectCalls, ExpectReason, ExpectedCall, ToExtension},
    popup::FromPopup,
};
use rig::*;
use serde_json::json;
use worker_wasm::machine::{
    Badge, Command, DeviceEvent, Event, OfferId, PortId,
    notices::{Notice, NoticeId, Shortcut},
};

const THIRD_CA: &str = "CA33333333333333333333333333333333";
const TAB: PortId = PortId(71);
const OTHER_TAB: PortId = PortId(72);

/// Calls arrive, and no page is open.
fn without_a_page() -> Rig {
    let mut rig = Rig::registered();
    rig.closes(PAGE);
    rig.take();
    rig
}

/// A page of version 3 is open, and has said nothing of calls.
fn asking() -> Rig {
    let mut rig = without_a_page();
    says_hello(&mut rig, TAB);
    rig.take();
    rig
}

fn says_hello(rig: &mut Rig, port: PortId) {
    says_hello_as(rig, port, IDENTITY.strip_prefix("ext_"));
}

fn says_hello_as(rig: &mut Rig, port: PortId, agent: Option<&str>) {
    rig.page_opens(port);
    let payload = Configure {
        voice_client_token_generator_url: URL.into(),
        account_sid: AC.parse().unwrap(),
        extension_voice_client_prefix: "ext_".parse().unwrap(),
        protocol_version: Some(3),
        agent_identity: agent.map(|agent| agent.parse().unwrap()),
    };
    rig.page_says(port, ToExtension::Configure { payload });
    // What Flex holds, after a reload and in every tab: whose pages these are, the token service has said.
    rig.flex_token(port, "canary-flex-1", 8 * HOUR);
}

fn expects(rig: &mut Rig, port: PortId, ids: &[&str]) {
    let calls = ids
        .iter()
        .map(|id| ExpectedCall { id: id.parse().unwrap(), reason: ExpectReason::Reservation })
        .collect();
    rig.page_says(port, ToExtension::ExpectCalls { payload: ExpectCalls { calls } });
}

fn set(rig: &mut Rig, policy: serde_json::Value) {
    rig.happens(Event::PolicyChanged { policy: policy.into() });
}

fn is_open(rig: &mut Rig, call: &str) {
    rig.offscreen_says(FromOffscreen::Call { call: held(call, CallPhase::Open) });
}

fn live(rig: &Rig) -> Option<String> {
    rig.state().call.map(|call| call.sid.to_string())
}

fn ringing(rig: &Rig) -> Option<(String, bool)> {
    rig.state().waiting.map(|WaitingCall { sid, unexpected, .. }| (sid.to_string(), unexpected))
}

/// The calls that the offscreen document was told to accept, and whether with a tone.
fn accepted(rig: &Rig) -> Vec<(String, bool)> {
    rig.connects()
        .into_iter()
        .map(|message| match message {
            ToOffscreen::Connect { call_sid, tone, .. } => (call_sid.to_string(), *tone),
            other => panic!("{other:?}"),
        })
        .collect()
}

fn count(rig: &Rig, what: &str) -> u32 {
    rig.saved.as_ref().unwrap().counters.get(what).copied().unwrap_or_default()
}

fn once(call: &str, tone: bool) -> Vec<(String, bool)> {
    vec![(call.to_owned(), tone)]
}

#[test]
fn a_call_that_its_page_expects_is_answered_at_once_and_the_agent_is_told_by_a_tone() {
    let mut rig = asking();
    expects(&mut rig, TAB, &["WR1"]);
    rig.incoming(CA);
    assert_eq!(accepted(&rig), once(CA, true));
    assert_eq!(ringing(&rig), None);
}

#[test]
fn a_strangers_call_rings_and_no_microphone_is_opened_with_a_page_or_without_one() {
    for mut rig in [asking(), without_a_page()] {
        rig.popup_opens();
        let offer = rig.incoming(CA);
        rig.passes(30_000);
        assert!(rig.connects().is_empty() && !rig.rejected(offer));
        assert_eq!(ringing(&rig), Some((CA.into(), true)));
        assert_eq!(live(&rig), None);
        assert!(rig.did(|command| *command == Command::Badge(Badge::Ringing)));
        let notice = Notice::Waiting { from: Some("+15550100".into()), hangs_up: false, unexpected: true };
        assert!(
            rig.did(|command| matches!(command, Command::Notify { notice: said, .. } if *said == notice))
        );
        assert!(rig.shown().unwrap().client.waiting.as_ref().unwrap().unexpected);
        assert_eq!(count(&rig, "calls_unexpected_rung"), 1);
        rig.passes(31_000);
        assert!(rig.rejected(offer), "its caller is routed on");
        assert_eq!(ringing(&rig), None);
    }
}

#[test]
fn the_agent_answers_or_declines_a_call_that_nobody_expects_as_any_that_waits() {
    let mut rig = asking();
    rig.popup_opens();
    rig.incoming(CA);
    rig.popup_says(FromPopup::AnswerWaiting { sid: sid(CA) });
    assert_eq!(accepted(&rig), once(CA, false), "a click needs no tone");
    assert_eq!(count(&rig, "calls_unexpected_answered"), 1);

    let mut rig = asking();
    rig.incoming(CA);
    rig.happens(Event::NoticeButton { id: NoticeId::Waiting, button: 0 });
    assert_eq!(accepted(&rig), once(CA, false));

    let mut rig = asking();
    rig.incoming(CA);
    rig.happens(Event::Shortcut(Shortcut::AnswerWaiting));
    assert_eq!(accepted(&rig), once(CA, false));

    let mut rig = asking();
    let offer = rig.incoming(CA);
    rig.happens(Event::NoticeButton { id: NoticeId::Waiting, button: 1 });
    assert!(rig.rejected(offer) && rig.connects().is_empty());
    assert_eq!(count(&rig, "calls_unexpected_declined"), 1);
}

#[test]
fn an_expectation_lets_one_call_through_also_when_its_page_goes_on_listing_it() {
    let mut rig = asking();
    expects(&mut rig, TAB, &["WR1"]);
    rig.incoming(CA);
    is_open(&mut rig, CA);
    expects(&mut rig, TAB, &["WR1"]);
    rig.ended(CA, None);
    expects(&mut rig, TAB, &[]);
    expects(&mut rig, TAB, &["WR1"]);
    rig.take();
    rig.incoming(OTHER_CA);
    assert!(rig.connects().is_empty());
    assert_eq!(ringing(&rig), Some((OTHER_CA.into(), true)));
    expects(&mut rig, TAB, &["WR1", "WR2"]);
    assert_eq!(accepted(&rig), once(OTHER_CA, true), "another one is another call");
}

#[test]
fn an_expectation_whose_call_never_became_open_is_free_again() {
    let mut rig = asking();
    expects(&mut rig, TAB, &["WR1"]);
    let offer = rig.incoming(CA);
    rig.ended(CA, None);
    rig.offer_gone(offer);
    rig.take();
    rig.incoming(OTHER_CA);
    assert_eq!(accepted(&rig), once(OTHER_CA, true));
}

#[test]
fn an_expectation_that_comes_while_its_call_rings_answers_it_then() {
    let mut rig = asking();
    let offer = rig.incoming(CA);
    rig.passes(700);
    expects(&mut rig, TAB, &["WR1"]);
    assert_eq!(accepted(&rig), once(CA, true));
    assert_eq!((live(&rig).as_deref(), ringing(&rig)), (Some(CA), None));
    assert_eq!(count(&rig, "calls_expected_late"), 1);
    is_open(&mut rig, CA);
    rig.offer_gone(offer);
    rig.passes(70_000);
    assert_eq!(live(&rig).as_deref(), Some(CA));
    assert!(!rig.rejected(offer));
}

/// A stranger who rings and rings would otherwise get the reservation that the agent accepts meanwhile.
#[test]
fn what_has_rung_for_a_while_is_not_let_in_by_an_expectation_that_comes_for_another_call() {
    let mut rig = asking();
    rig.incoming(CA);
    rig.passes(11_000);
    expects(&mut rig, TAB, &["WR1"]);
    assert!(rig.connects().is_empty());
    rig.incoming(OTHER_CA);
    assert_eq!(accepted(&rig), once(OTHER_CA, true));
    assert_eq!(ringing(&rig), Some((CA.into(), true)), "it takes nobody's place, and goes on ringing");
}

#[test]
fn a_call_that_nobody_expects_takes_nobodys_place_and_answering_it_later_ends_the_first() {
    let mut rig = asking();
    rig.popup_opens();
    let stranger = rig.incoming(CA);
    rig.passes(11_000);
    expects(&mut rig, TAB, &["WR1"]);
    rig.incoming(OTHER_CA);
    is_open(&mut rig, OTHER_CA);
    let shown = Notice::Waiting { from: Some("+15550100".into()), hangs_up: true, unexpected: true };
    assert!(rig.did(|command| matches!(command, Command::Notify { notice, .. } if *notice == shown)));
    rig.take();
    rig.popup_says(FromPopup::AnswerWaiting { sid: sid(CA) });
    assert!(rig.to_offscreen().contains(&&ToOffscreen::HangUp { call_sid: sid(OTHER_CA) }));
    rig.ended(OTHER_CA, None);
    assert_eq!(accepted(&rig), once(CA, false));
    assert!(!rig.rejected(stranger));
}

#[test]
fn an_expected_second_call_takes_the_waiting_place_from_one_that_nobody_expects() {
    let mut rig = asking();
    set(&mut rig, json!({"secondCall": "offer"}));
    expects(&mut rig, TAB, &["WR1"]);
    rig.incoming(CA);
    is_open(&mut rig, CA);
    let stranger = rig.incoming(OTHER_CA);
    assert_eq!(ringing(&rig), Some((OTHER_CA.into(), true)));
    rig.happens(Event::NoticeClosed(NoticeId::Waiting));
    expects(&mut rig, TAB, &["WR1", "WR2"]);
    assert_eq!(ringing(&rig), Some((OTHER_CA.into(), true)), "never answered beside a live one");
    rig.take();
    let second = rig.incoming(THIRD_CA);
    assert!(rig.rejected(stranger) && !rig.rejected(second));
    assert_eq!(ringing(&rig), Some((THIRD_CA.into(), false)));
    assert!(
        rig.did(|command| matches!(command, Command::Notify { notice: Notice::Waiting { .. }, .. })),
        "what was put away was the other"
    );
    rig.ended(CA, None);
    assert!(rig.connects().is_empty(), "a second call is answered by a click alone");

    // Declined, it may come again: its expectation is free.
    rig.happens(Event::NoticeButton { id: NoticeId::Waiting, button: 1 });
    rig.take();
    rig.incoming("CA44444444444444444444444444444444");
    assert_eq!(rig.connects().len(), 1);
}

#[test]
fn while_a_call_is_live_one_that_nobody_expects_is_refused_unless_second_calls_are_offered() {
    let mut rig = asking();
    expects(&mut rig, TAB, &["WR1"]);
    rig.incoming(CA);
    is_open(&mut rig, CA);
    let offer = rig.incoming(OTHER_CA);
    assert!(rig.rejected(offer));
    assert_eq!(count(&rig, "calls_unexpected_refused"), 1);
    assert_eq!(live(&rig).as_deref(), Some(CA));
}

#[test]
fn a_stranger_who_rings_on_keeps_no_customer_out_whose_expectation_is_late() {
    let mut rig = asking();
    let stranger = rig.incoming(CA);
    rig.passes(5_000);
    rig.incoming(OTHER_CA);
    assert!(rig.rejected(stranger), "the newest rings");
    assert_eq!(ringing(&rig), Some((OTHER_CA.into(), true)));
    expects(&mut rig, TAB, &["WR1"]);
    assert_eq!(accepted(&rig), once(OTHER_CA, true));
}

#[test]
fn two_callers_within_a_millisecond_are_one_call_and_one_that_is_turned_away_or_rings() {
    // In both orders of call and expectation.
    for is_early in [true, false] {
        let mut rig = asking();
        if is_early {
            expects(&mut rig, TAB, &["WR1"]);
        }
        let first = rig.incoming(CA);
        let second = rig.incoming(OTHER_CA);
        if !is_early {
            expects(&mut rig, TAB, &["WR1"]);
        }
        // Of two that nobody expects yet the newer rings.
        let (call, turned_away) = if is_early { (CA, second) } else { (OTHER_CA, first) };
        assert_eq!(accepted(&rig), once(call, true));
        assert!(rig.rejected(turned_away));
        is_open(&mut rig, call);
        rig.ended(call, None);
        rig.take();
        rig.incoming(THIRD_CA);
        assert_eq!((ringing(&rig), rig.connects().len()), (Some((THIRD_CA.into(), true)), 0));
    }
    // And with a page of an older version.
    let mut rig = Rig::registered();
    rig.incoming(CA);
    let second = rig.incoming(OTHER_CA);
    assert!(rig.rejected(second));
    assert_eq!(accepted(&rig), once(CA, true));
}

#[test]
fn an_expectation_outlives_its_page_for_a_minute_and_a_killed_worker() {
    let mut rig = asking();
    expects(&mut rig, TAB, &["WR1"]);
    rig.closes(TAB);
    rig.passes(59_000);
    rig.incoming(CA);
    assert_eq!(accepted(&rig), once(CA, true));

    let mut rig = asking();
    expects(&mut rig, TAB, &["WR1"]);
    rig.closes(TAB);
    rig.passes(61_000);
    rig.incoming(CA);
    assert!(rig.connects().is_empty());

    let mut rig = asking();
    expects(&mut rig, TAB, &["WR1"]);
    rig.is_killed();
    rig.is_registered();
    rig.offscreen_opens(None);
    rig.incoming(CA);
    assert_eq!(accepted(&rig), once(CA, true));
    is_open(&mut rig, CA);
    rig.is_killed();
    rig.is_registered();
    rig.offscreen_opens(Some(held(CA, CallPhase::Open)));
    rig.ended(CA, None);
    says_hello(&mut rig, TAB);
    expects(&mut rig, TAB, &["WR1"]);
    rig.take();
    rig.incoming(OTHER_CA);
    assert!(rig.connects().is_empty(), "that it was used is not forgotten");
}

#[test]
fn a_page_that_is_back_says_its_list_anew_and_what_it_lists_no_more_is_over() {
    let mut rig = asking();
    expects(&mut rig, TAB, &["WR1"]);
    rig.closes(TAB);
    says_hello(&mut rig, TAB);
    expects(&mut rig, TAB, &["WR2"]);
    expects(&mut rig, TAB, &[]);
    rig.incoming(CA);
    assert!(rig.connects().is_empty());

    // What another tab of the agent lists, holds.
    let mut rig = asking();
    says_hello(&mut rig, OTHER_TAB);
    expects(&mut rig, TAB, &["WR1"]);
    expects(&mut rig, OTHER_TAB, &["WR1"]);
    expects(&mut rig, TAB, &[]);
    rig.incoming(CA);
    assert_eq!(accepted(&rig), once(CA, true));
}

#[test]
fn what_one_agent_expects_lets_no_call_of_another_through() {
    let mut rig = without_a_page();
    says_hello_as(&mut rig, TAB, Some("somebody_else"));
    expects(&mut rig, TAB, &["WR1"]);
    set(&mut rig, json!({"unexpectedCalls": "answer"}));
    rig.incoming(CA);
    assert!(rig.connects().is_empty());
    assert_eq!(ringing(&rig), Some((CA.into(), true)));
    // A page that does not say whose it is speaks for whoever is registered.
    says_hello_as(&mut rig, OTHER_TAB, None);
    expects(&mut rig, OTHER_TAB, &["WR1"]);
    assert_eq!(accepted(&rig), once(CA, true));
}

#[test]
fn restart_by_hand_forgets_what_was_expected() {
    let mut rig = asking();
    expects(&mut rig, TAB, &["WR1"]);
    rig.popup_opens();
    rig.popup_says(FromPopup::Restart);
    assert_eq!(rig.saved.unwrap().expected, worker_wasm::machine::expected::Expected::default());
}

#[test]
fn with_a_page_of_an_older_version_any_call_is_expected_while_it_is_open() {
    for version in [None, Some(2)] {
        let mut rig = without_a_page();
        rig.incoming(CA);
        rig.passes(20_000);
        assert!(rig.connects().is_empty(), "it is closed");
        rig.page_opens(TAB);
        let payload = Configure {
            voice_client_token_generator_url: URL.into(),
            account_sid: AC.parse().unwrap(),
            extension_voice_client_prefix: "ext_".parse().unwrap(),
            protocol_version: version,
            agent_identity: None,
        };
        rig.page_says(TAB, ToExtension::Configure { payload });
        assert!(rig.connects().is_empty(), "whose page it is shows with its token");
        rig.flex_token(TAB, "canary-flex-1", 8 * HOUR);
        assert_eq!(accepted(&rig), once(CA, true), "it is back");
    }
}

/// Its content script connects again at once, and until then nothing has changed.
#[test]
fn a_page_of_an_older_version_counts_as_open_for_a_moment_after_the_worker_was_killed() {
    let mut rig = Rig::registered();
    rig.is_killed();
    rig.is_registered();
    rig.offscreen_opens(None);
    rig.incoming(CA);
    assert_eq!(accepted(&rig), once(CA, true));

    let mut rig = Rig::registered();
    rig.is_killed();
    rig.is_registered();
    rig.offscreen_opens(None);
    rig.passes(4_000);
    rig.incoming(CA);
    assert!(rig.connects().is_empty());
}

#[test]
fn policy_refuses_what_nobody_expects_at_once_or_answers_it_while_a_page_is_open() {
    let mut rig = asking();
    set(&mut rig, json!({"unexpectedCalls": "refuse"}));
    let offer = rig.incoming(CA);
    assert!(rig.rejected(offer));
    assert_eq!((ringing(&rig), count(&rig, "calls_unexpected_refused")), (None, 1));
    expects(&mut rig, TAB, &["WR1"]);
    rig.incoming(OTHER_CA);
    assert_eq!(accepted(&rig), once(OTHER_CA, true));

    let mut rig = asking();
    set(&mut rig, json!({"unexpectedCalls": "answer"}));
    rig.incoming(CA);
    assert_eq!(accepted(&rig), once(CA, true));
    assert_eq!(count(&rig, "calls_unexpected_answered_by_policy"), 1);

    let mut rig = without_a_page();
    set(&mut rig, json!({"unexpectedCalls": "answer"}));
    rig.incoming(CA);
    rig.passes(5_000);
    assert!(rig.connects().is_empty());
    assert_eq!(ringing(&rig), Some((CA.into(), true)));
}

#[test]
fn policy_switches_the_tone_off() {
    let mut rig = asking();
    set(&mut rig, json!({"answerTone": false}));
    expects(&mut rig, TAB, &["WR1"]);
    rig.incoming(CA);
    assert_eq!(accepted(&rig), once(CA, false));
}

#[test]
fn a_list_is_read_up_to_its_bound() {
    let mut rig = asking();
    let ids: Vec<String> = (0..40).map(|n| format!("WR{n}")).collect();
    expects(&mut rig, TAB, &ids.iter().map(String::as_str).collect::<Vec<_>>());
    for n in 1..=17_u32 {
        let call = format!("CA{n:032x}");
        rig.take();
        rig.incoming(&call);
        assert_eq!(rig.connects().len(), usize::from(n <= 16), "{n}");
        if n <= 16 {
            is_open(&mut rig, &call);
            rig.ended(&call, None);
        }
    }
}

#[test]
fn a_call_that_rings_after_a_kill_is_answered_only_once_the_gateway_has_offered_it_again() {
    let mut rig = asking();
    rig.incoming(CA);
    rig.is_killed();
    rig.is_registered();
    rig.offscreen_opens(None);
    assert_eq!(ringing(&rig), Some((CA.into(), true)));
    says_hello(&mut rig, TAB);
    expects(&mut rig, TAB, &["WR1"]);
    assert!(rig.connects().is_empty());
    rig.incoming(CA);
    assert_eq!(accepted(&rig), once(CA, true));
}

#[test]
fn a_caller_who_gives_up_while_it_rings_leaves_nothing_behind() {
    let mut rig = asking();
    let offer = rig.incoming(CA);
    rig.device_says(DeviceEvent::OfferGone { offer });
    assert_eq!(ringing(&rig), None);
    assert!(rig.did(|command| *command == Command::ClearNotice(NoticeId::Waiting)));
    expects(&mut rig, TAB, &["WR1"]);
    assert!(rig.connects().is_empty());
    assert_ne!(offer, OfferId(0));
}
