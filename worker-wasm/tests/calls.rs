//! The call, in every order in which its events can come; and the worker's death in each of its phases.

mod rig;

use protocol::{
    CallPhase, Problem, ProblemCode, Status,
    offscreen::{FromOffscreen, ToOffscreen},
    page::{SendDigits, SetMute, ToExtension},
    popup::FromPopup,
};
use rig::*;
use worker_wasm::machine::{Command, DeviceEvent, Event, OfferId, PortId};

fn failure(rig: &Rig) -> Option<ProblemCode> {
    rig.state().problem.map(|problem| problem.code)
}

fn open() -> FromOffscreen {
    FromOffscreen::Call { call: held(CA, CallPhase::Open) }
}

fn connecting() -> FromOffscreen {
    FromOffscreen::Call { call: held(CA, CallPhase::Connecting) }
}

fn call_failed() -> Problem {
    Problem {
        code: ProblemCode::CallFailed,
        message: "The call could not be connected.".into(),
        retrying: false,
    }
}

fn hang_ups(rig: &Rig) -> usize {
    rig.to_offscreen().iter().filter(|m| matches!(m, ToOffscreen::HangUp { .. })).count()
}

fn closes_offscreen(rig: &Rig) -> bool {
    rig.did(|c| *c == Command::CloseOffscreen)
}

// Handing over.

#[test]
fn an_incoming_call_is_handed_to_the_warm_offscreen_document_at_once() {
    let mut rig = Rig::registered();
    rig.incoming(CA);
    let [ToOffscreen::Connect { call_sid, connect_token, token, edge, tone: _ }] = rig.to_offscreen()[..]
    else {
        panic!("{:?}", rig.to_offscreen())
    };
    assert_eq!(call_sid.as_str(), CA);
    assert_eq!(connect_token.expose(), "canary-connect-1");
    assert_eq!(token.expose(), "canary-voice-1");
    assert_eq!(edge.as_deref(), Some("ashburn"));
    let call = rig.state().call.unwrap();
    assert_eq!(
        (call.state, call.answered_at, call.from.as_deref()),
        (CallPhase::Connecting, None, Some("+15550100"))
    );
    rig.passes(1_500);
    rig.offscreen_says(open());
    let call = rig.state().call.unwrap();
    assert_eq!((call.state, call.answered_at), (CallPhase::Open, Some(rig.now)));
}

#[test]
fn the_offscreen_document_is_opened_before_a_call_comes_and_given_a_token() {
    let mut rig = Rig::registering();
    assert!(rig.did(|c| *c == Command::EnsureOffscreen));
    rig.offscreen_opens(None);
    assert!(rig.to_offscreen().is_empty(), "the edge is not known yet");
    rig.is_registered();
    assert!(
        matches!(rig.to_offscreen()[..], [ToOffscreen::Prepare { edge, .. }] if edge.as_deref() == Some("ashburn"))
    );
}

#[test]
fn a_call_that_comes_before_the_offscreen_documents_hello_waits_for_it() {
    let mut rig = Rig::registering();
    rig.is_registered();
    let offer = rig.incoming(CA);
    assert!(rig.connects().is_empty());
    rig.passes(9_000);
    rig.offscreen_opens(None);
    assert_eq!(rig.connects().len(), 1);
    assert!(!rig.rejected(offer));
    assert!(
        !rig.to_offscreen().iter().any(|m| matches!(m, ToOffscreen::Prepare { .. })),
        "nothing but the call counts now"
    );
}

#[test]
fn a_call_that_waits_for_ten_seconds_is_rejected_so_that_its_caller_is_routed_on() {
    let mut rig = Rig::registering();
    rig.is_registered();
    let offer = rig.incoming(CA);
    rig.passes(10_000);
    assert!(rig.rejected(offer));
    assert!(rig.state().call.is_none());
    assert_eq!(failure(&rig), Some(ProblemCode::CallFailed));
    assert_eq!(rig.state().status, Status::Registered, "registration goes on");
    rig.happens(Event::OffscreenClosed);
    rig.passes(2_000);
    rig.offscreen_opens(None);
    assert!(rig.connects().is_empty(), "too late");
}

#[test]
fn a_failed_call_is_shown_for_a_minute_or_until_the_next_one() {
    let mut rig = Rig::registered();
    rig.incoming(CA);
    rig.ended(CA, Some(call_failed()));
    assert_eq!(failure(&rig), Some(ProblemCode::CallFailed));
    rig.passes(60_000);
    assert_eq!(failure(&rig), None);
    rig.incoming(OTHER_CA);
    rig.ended(OTHER_CA, Some(call_failed()));
    rig.incoming("CA33333333333333333333333333333333");
    assert_eq!(failure(&rig), None);
}

#[test]
fn the_minute_of_one_failed_call_does_not_hide_the_problem_of_the_next() {
    let mut rig = Rig::registered();
    rig.incoming(CA);
    rig.ended(CA, Some(call_failed()));
    rig.passes(50_000);
    rig.incoming(OTHER_CA);
    let message = "No microphone.".to_owned();
    rig.ended(OTHER_CA, Some(Problem { code: ProblemCode::MicrophoneUnavailable, message, retrying: false }));
    rig.passes(20_000);
    assert_eq!(failure(&rig), Some(ProblemCode::MicrophoneUnavailable));
}

#[test]
fn the_cancel_that_the_gateway_sends_after_the_hand_over_is_not_the_end_of_the_call() {
    // Before and after the offscreen document reports the call open, before and after it reports anything at
    // all.
    for order in
        [["cancel", "connecting", "open"], ["connecting", "cancel", "open"], ["connecting", "open", "cancel"]]
    {
        let mut rig = Rig::registered();
        let offer = rig.incoming(CA);
        for event in order {
            match event {
                "cancel" => rig.offer_gone(offer),
                "connecting" => rig.offscreen_says(connecting()),
                _ => rig.offscreen_says(open()),
            }
        }
        assert_eq!(rig.state().call.unwrap().state, CallPhase::Open, "{order:?}");
        rig.take();
        rig.passes(60_000);
        assert!(rig.state().call.is_some());
        assert_eq!((hang_ups(&rig), closes_offscreen(&rig)), (0, false), "{order:?}");
    }
}

#[test]
fn a_caller_who_gives_up_while_the_offscreen_document_opens_ends_the_call() {
    let mut rig = Rig::registering();
    rig.is_registered();
    let offer = rig.incoming(CA);
    rig.offer_gone(offer);
    assert!(rig.state().call.is_none());
    assert_eq!(failure(&rig), None);
    rig.offscreen_opens(None);
    assert!(rig.connects().is_empty());
}

#[test]
fn a_caller_who_gives_up_after_the_hand_over_began_is_the_offscreen_documents_to_report() {
    let mut rig = Rig::registered();
    let offer = rig.incoming(CA);
    rig.offer_gone(offer);
    assert!(rig.state().call.is_some());
    rig.ended(CA, None);
    assert!(rig.state().call.is_none());
    assert!(!rig.rejected(offer));
}

#[test]
fn a_call_that_cannot_be_accepted_is_rejected_while_it_still_rings() {
    let mut rig = Rig::registered();
    let offer = rig.incoming(CA);
    rig.ended(
        CA,
        Some(Problem {
            code: ProblemCode::MicrophoneUnavailable,
            message: "No microphone.".into(),
            retrying: false,
        }),
    );
    assert!(rig.rejected(offer));
    assert_eq!(failure(&rig), Some(ProblemCode::MicrophoneUnavailable));
    rig.passes(5 * 60_000);
    assert_eq!(failure(&rig), Some(ProblemCode::MicrophoneUnavailable), "the next call would fail too");
    rig.popup_opens();
    rig.popup_says(FromPopup::MicrophoneChanged);
    assert_eq!(failure(&rig), None);
}

#[test]
fn a_hand_over_that_does_not_come_to_an_end_is_ended() {
    let mut rig = Rig::registered();
    let offer = rig.incoming(CA);
    rig.offscreen_says(connecting());
    rig.passes(39_000);
    assert!(!rig.rejected(offer), "a slow microphone and a slow gateway are the document's to name");
    rig.passes(1_000);
    assert!(rig.rejected(offer));
    assert!(closes_offscreen(&rig));
    assert_eq!(failure(&rig), Some(ProblemCode::CallFailed));
}

#[test]
fn a_call_without_what_it_takes_to_accept_it_is_rejected() {
    for (call_sid, connect_token) in
        [(CA, None), ("<b>CA</b>", Some(kernel::Secret::new("canary-connect-1")))]
    {
        let mut rig = Rig::registered();
        rig.device_says(DeviceEvent::Incoming {
            offer: OfferId(9),
            call_sid: call_sid.into(),
            connect_token,
            from: None,
        });
        assert!(rig.rejected(OfferId(9)));
        assert!(rig.state().call.is_none());
    }
}

#[test]
fn the_callers_name_is_kept_short_and_plain() {
    for (from, shown) in [
        (format!("a\u{0}\n{}", "b".repeat(5_000)), None),
        ("sip:\u{202e}0010 555 1+\u{202c}\u{200b}@evil.example bbb".to_owned(), None),
        (format!("client:{}", "b".repeat(120)), Some(format!("client:{}…", "b".repeat(24)))),
        ("client:ada_40example_2Ecom".to_owned(), Some("client:ada@example.com".to_owned())),
    ] {
        let mut rig = Rig::registered();
        rig.device_says(DeviceEvent::Incoming {
            offer: OfferId(9),
            call_sid: CA.into(),
            connect_token: Some(kernel::Secret::new("canary-connect-1")),
            from: Some(from),
        });
        assert_eq!(rig.state().call.unwrap().from, shown);
        assert!(rig.saved.unwrap().log.iter().all(|line| !line.message.contains("bbb")));
    }
}

// The second call.

#[test]
fn a_second_call_is_rejected_and_never_disturbs_the_first() {
    for phase in ["waiting", "accepting", "open"] {
        let mut rig = Rig::registering();
        rig.is_registered();
        if phase != "waiting" {
            rig.offscreen_opens(None);
        }
        rig.incoming(CA);
        if phase == "open" {
            rig.offscreen_says(open());
        }
        let before = rig.state().call;
        rig.take();
        let second = rig.incoming(OTHER_CA);
        assert!(rig.rejected(second), "{phase}");
        rig.offer_gone(second);
        assert_eq!(rig.state().call, before, "{phase}");
        assert!(rig.to_offscreen().is_empty(), "{phase}");
        assert!(!closes_offscreen(&rig));
    }
}

#[test]
fn the_same_call_offered_again_is_neither_rejected_nor_accepted_again() {
    let mut rig = Rig::on_call();
    let again = rig.incoming(CA);
    assert!(!rig.rejected(again));
    assert!(rig.did(|c| *c == Command::IgnoreOffer { offer: again }));
    assert!(rig.connects().is_empty());

    let mut rig = Rig::registering();
    rig.is_registered();
    let first = rig.incoming(CA);
    let again = rig.incoming(CA);
    assert!(rig.did(|c| *c == Command::IgnoreOffer { offer: first }));
    rig.offer_gone(first);
    rig.offscreen_opens(None);
    assert!(
        matches!(rig.connects()[..], [ToOffscreen::Connect { connect_token, .. }] if connect_token.expose() == "canary-connect-2")
    );
    assert!(!rig.rejected(again));
}

#[test]
fn the_next_call_is_taken_after_the_first() {
    let mut rig = Rig::on_call();
    rig.ended(CA, None);
    rig.take();
    rig.incoming(OTHER_CA);
    assert_eq!(rig.connects().len(), 1);
}

// Commands.

/// The one that it was meant for ended while it was on its way.
#[test]
fn a_click_on_an_older_view_ends_mutes_and_dials_in_no_other_call() {
    let mut rig = Rig::on_call();
    rig.popup_opens();
    rig.ended(CA, None);
    rig.incoming(OTHER_CA);
    rig.offscreen_says(FromOffscreen::Call { call: held(OTHER_CA, CallPhase::Open) });
    rig.take();
    let older = || Some(sid(CA));
    for message in [
        FromPopup::HangUp { sid: older() },
        FromPopup::SetMute { sid: older(), muted: true },
        FromPopup::SendDigits { sid: older(), digits: "9".parse().unwrap() },
    ] {
        rig.popup_says(message);
        assert_eq!(rig.refusal(), Some("That call is over."));
    }
    assert!(rig.to_offscreen().is_empty(), "{:?}", rig.to_offscreen());
    rig.popup_says(FromPopup::HangUp { sid: Some(sid(OTHER_CA)) });
    assert_eq!(hang_ups(&rig), 1);
}

#[test]
fn page_and_popup_take_the_same_path_to_the_call() {
    let mut rig = Rig::on_call();
    rig.popup_opens();
    rig.take();
    rig.page_says(PAGE, ToExtension::SetMute { payload: SetMute { muted: true } });
    rig.popup_says(FromPopup::SetMute { sid: None, muted: false });
    rig.page_says(PAGE, ToExtension::SendDigits { payload: SendDigits { digits: "12#".parse().unwrap() } });
    rig.popup_says(FromPopup::SendDigits { sid: None, digits: "9".parse().unwrap() });
    rig.popup_says(FromPopup::HangUp { sid: None });
    let sent = rig.to_offscreen();
    assert!(
        matches!(
            &sent[..],
            [
                ToOffscreen::SetMute { muted: true, .. },
                ToOffscreen::SetMute { muted: false, .. },
                ToOffscreen::SendDigits { .. },
                ToOffscreen::SendDigits { .. },
                ToOffscreen::HangUp { .. }
            ]
        ),
        "{sent:?}"
    );
    assert!(rig.state().call.is_some(), "until the offscreen document says that it has ended");
    rig.ended(CA, None);
    assert!(rig.state().call.is_none());
}

#[test]
fn what_the_offscreen_document_says_of_muting_is_what_is_shown() {
    let mut rig = Rig::on_call();
    rig.page_says(PAGE, ToExtension::SetMute { payload: SetMute { muted: true } });
    assert!(!rig.state().call.unwrap().muted);
    let mut muted = held(CA, CallPhase::Open);
    muted.muted = true;
    rig.offscreen_says(FromOffscreen::Call { call: muted });
    assert!(rig.state().call.unwrap().muted);
}

#[test]
fn hanging_up_while_the_offscreen_document_opens_rejects_the_offer() {
    let mut rig = Rig::registering();
    rig.is_registered();
    let offer = rig.incoming(CA);
    rig.page_says(PAGE, ToExtension::HangUp { payload: None });
    assert!(rig.rejected(offer));
    assert!(rig.state().call.is_none());
    rig.offscreen_opens(None);
    assert!(rig.connects().is_empty());
}

#[test]
fn hanging_up_while_the_call_connects_ends_it_there() {
    let mut rig = Rig::registered();
    let offer = rig.incoming(CA);
    rig.page_says(PAGE, ToExtension::HangUp { payload: None });
    assert_eq!(hang_ups(&rig), 1);
    rig.ended(CA, None);
    assert!(rig.state().call.is_none());
    assert!(rig.rejected(offer), "it may not have been handed over yet");
}

#[test]
fn a_call_that_does_not_end_when_told_to_is_ended_by_closing_the_document() {
    let mut rig = Rig::on_call();
    rig.page_says(PAGE, ToExtension::HangUp { payload: None });
    rig.passes(7_900);
    rig.page_says(PAGE, ToExtension::HangUp { payload: None });
    rig.passes(200);
    assert!(rig.state().call.is_none());
    assert!(closes_offscreen(&rig));
    rig.happens(Event::OffscreenClosed);
    assert!(rig.did(|c| *c == Command::EnsureOffscreen), "ready for the next call");
}

#[test]
fn what_is_asked_of_the_call_before_the_document_carries_it_reaches_it_afterwards() {
    let mut rig = Rig::registering();
    rig.is_registered();
    rig.incoming(CA);
    rig.page_says(PAGE, ToExtension::SetMute { payload: SetMute { muted: true } });
    rig.offscreen_opens(None);
    let sent = rig.to_offscreen();
    assert!(
        matches!(sent[..], [ToOffscreen::Connect { .. }, ToOffscreen::SetMute { muted: true, .. }]),
        "{sent:?}"
    );
}

// The offscreen document goes away.

#[test]
fn a_document_that_only_lost_its_port_keeps_its_call() {
    let mut rig = Rig::on_call();
    rig.closes(OFFSCREEN);
    assert!(rig.did(|c| *c == Command::EnsureOffscreen));
    rig.page_says(PAGE, ToExtension::SendDigits { payload: SendDigits { digits: "5".parse().unwrap() } });
    rig.passes(9_000);
    assert!(rig.state().call.is_some());
    rig.offscreen_opens(Some(held(CA, CallPhase::Open)));
    assert!(rig.state().call.is_some());
    assert!(matches!(rig.to_offscreen()[..], [ToOffscreen::SendDigits { .. }]), "{:?}", rig.to_offscreen());
    rig.passes(60_000);
    assert!(rig.state().call.is_some());
}

#[test]
fn a_hang_up_that_was_said_to_a_lost_port_is_said_again() {
    let mut rig = Rig::on_call();
    rig.page_says(PAGE, ToExtension::HangUp { payload: None });
    rig.closes(OFFSCREEN);
    rig.take();
    rig.offscreen_opens(Some(held(CA, CallPhase::Open)));
    assert_eq!(hang_ups(&rig), 1);
}

#[test]
fn a_document_that_comes_back_without_the_call_has_lost_it() {
    let mut rig = Rig::on_call();
    rig.closes(OFFSCREEN);
    rig.offscreen_opens(None);
    rig.passes(500);
    assert!(rig.state().call.is_none());
    assert_eq!(failure(&rig), Some(ProblemCode::CallFailed));
    assert_eq!(rig.state().status, Status::Registered);
}

#[test]
fn a_document_that_comes_back_and_says_how_the_call_ended_is_believed() {
    let mut rig = Rig::on_call();
    rig.closes(OFFSCREEN);
    rig.offscreen_opens(None);
    rig.ended(CA, None);
    assert!(rig.state().call.is_none());
    assert_eq!(failure(&rig), None);
    rig.passes(1_000);
    assert_eq!(failure(&rig), None);
}

#[test]
fn a_document_that_does_not_come_back_ends_the_call_for_sure() {
    let mut rig = Rig::on_call();
    rig.closes(OFFSCREEN);
    rig.passes(10_000);
    assert!(rig.state().call.is_none());
    assert!(closes_offscreen(&rig), "no microphone stays open in secret");
    assert_eq!(failure(&rig), Some(ProblemCode::CallFailed));
}

#[test]
fn a_document_that_dies_while_it_accepts_does_not_get_the_call_twice() {
    let mut rig = Rig::registered();
    let offer = rig.incoming(CA);
    rig.closes(OFFSCREEN);
    rig.offscreen_opens(None);
    rig.passes(500);
    assert_eq!(rig.connects().len(), 1);
    assert!(rig.rejected(offer));
    assert!(rig.state().call.is_none());
}

#[test]
fn a_late_word_about_a_call_that_has_ended_ends_it_there_too() {
    let mut rig = Rig::on_call();
    rig.closes(OFFSCREEN);
    rig.passes(10_000);
    rig.happens(Event::OffscreenClosed);
    rig.take();
    rig.offscreen_opens(Some(held(CA, CallPhase::Open)));
    assert_eq!(hang_ups(&rig), 1);
    assert!(rig.state().call.is_none());
}

#[test]
fn chrome_refusing_the_document_is_tried_again() {
    let mut rig = Rig::registering();
    rig.take();
    rig.happens(Event::OffscreenOpened { ok: false });
    assert!(!rig.did(|c| *c == Command::EnsureOffscreen));
    rig.passes(1_000);
    assert!(rig.did(|c| *c == Command::EnsureOffscreen));
}

#[test]
fn a_document_that_never_says_hello_is_replaced() {
    let mut rig = Rig::registering();
    rig.happens(Event::OffscreenOpened { ok: true });
    rig.take();
    rig.passes(10_000);
    assert!(closes_offscreen(&rig));
    rig.happens(Event::OffscreenClosed);
    rig.passes(1_000);
    assert!(rig.did(|c| *c == Command::EnsureOffscreen));
}

#[test]
fn a_ping_is_answered() {
    let mut rig = Rig::registered();
    rig.offscreen_says(FromOffscreen::Ping);
    assert_eq!(rig.to_offscreen(), [&ToOffscreen::Pong]);
}

#[test]
fn a_port_that_was_replaced_has_no_say() {
    let mut rig = Rig::on_call();
    let newer = PortId(20);
    rig.opens(newer, protocol::port::OFFSCREEN, own_page("offscreen.html"));
    rig.happens(Event::FromOffscreen {
        port: newer,
        message: Some(FromOffscreen::Hello { call: Some(held(CA, CallPhase::Open)) }),
    });
    rig.ended(CA, None);
    rig.closes(OFFSCREEN);
    assert!(rig.state().call.is_some());
    rig.passes(30_000);
    assert!(rig.state().call.is_some());
}

#[test]
fn a_call_that_is_open_elsewhere_does_not_keep_a_dead_device_alive() {
    let mut rig = Rig::on_call();
    rig.device_says(DeviceEvent::Unregistered);
    rig.passes(16_000);
    assert!(
        rig.did(|c| matches!(c, Command::DestroyDevice { .. })),
        "though the gateway never cancelled its offer"
    );
    assert!(rig.state().call.is_some());
}

#[test]
fn a_call_that_was_taken_up_while_it_connects_has_its_deadline_too() {
    let mut rig = Rig::started();
    rig.opens(OFFSCREEN, protocol::port::OFFSCREEN, own_page("offscreen.html"));
    rig.offscreen_says(FromOffscreen::Hello { call: Some(held(CA, CallPhase::Connecting)) });
    rig.passes(39_000);
    assert!(rig.state().call.is_some());
    rig.passes(1_000);
    assert!(rig.state().call.is_none());
    assert!(closes_offscreen(&rig));
}

// The worker dies.

#[test]
fn a_restarted_worker_registers_again_with_the_token_that_it_has() {
    let mut rig = Rig::registered();
    rig.is_killed();
    assert!(
        rig.did(|c| matches!(c, Command::CreateDevice { token, .. } if token.expose() == "canary-voice-1"))
    );
    assert!(!rig.fetched());
    assert!(rig.did(|c| *c == Command::EnsureOffscreen));
    assert!(rig.did(|c| *c == Command::Watchdog { on: true }));
    assert_eq!(rig.state().status, Status::Reconnecting);
    rig.page_opens(PAGE);
    rig.configure(PAGE, AC, URL, "ext_");
    assert_eq!(rig.configureds(PAGE), 1);
    rig.is_registered();
    assert_eq!(rig.heartbeats(PAGE).len(), 1, "at once, before a plugin misses any");
    assert_eq!(rig.heartbeats(PAGE)[0].error, None, "nobody noticed");
}

#[test]
fn a_restarted_worker_whose_token_has_expired_fetches_another() {
    let mut rig = Rig::registered();
    rig.now = rig.now.plus(2 * HOUR);
    rig.is_killed();
    assert!(!rig.did(|c| matches!(c, Command::CreateDevice { .. })));
    assert_eq!(rig.request.clone().unwrap().1.bearer.unwrap().expose(), "canary-flex-1");
}

#[test]
fn a_restarted_worker_that_does_not_get_registered_says_so_after_three_seconds() {
    let mut rig = Rig::registered();
    rig.is_killed();
    rig.page_opens(PAGE);
    rig.configure(PAGE, AC, URL, "ext_");
    rig.passes(2_900);
    assert!(rig.heartbeats(PAGE).is_empty());
    rig.passes(200);
    assert_eq!(rig.heartbeats(PAGE).last().unwrap().error, Some(true));
}

#[test]
fn the_grace_of_a_restart_ends_with_the_registration() {
    let mut rig = Rig::registered();
    rig.is_killed();
    rig.page_opens(PAGE);
    rig.configure(PAGE, AC, URL, "ext_");
    rig.is_registered();
    rig.passes(500);
    rig.device_says(DeviceEvent::Unregistered);
    rig.passes(1_000);
    assert_eq!(rig.heartbeats(PAGE).last().unwrap().error, Some(true));
}

#[test]
fn the_call_outlives_the_worker_in_every_phase() {
    for phase in ["accepting", "connecting", "open"] {
        let mut rig = Rig::registered();
        rig.incoming(CA);
        match phase {
            "connecting" => rig.offscreen_says(connecting()),
            "open" => rig.offscreen_says(open()),
            _ => {}
        }
        let before = rig.state().call;
        rig.is_killed();
        assert_eq!(rig.state().call, before, "{phase}");
        rig.passes(500);
        let state = if phase == "open" { CallPhase::Open } else { CallPhase::Connecting };
        rig.offscreen_opens(Some(held(CA, state)));
        assert!(rig.connects().is_empty(), "{phase}: it was told already");
        rig.offscreen_says(open());
        let call = rig.state().call.unwrap();
        assert_eq!((call.state, call.since), (CallPhase::Open, before.unwrap().since));

        // And it is under control again.
        rig.take();
        rig.page_opens(PAGE);
        rig.configure(PAGE, AC, URL, "ext_");
        rig.page_says(PAGE, ToExtension::HangUp { payload: None });
        assert_eq!(hang_ups(&rig), 1, "{phase}");
    }
}

#[test]
fn a_call_that_waited_for_the_document_when_the_worker_died_is_still_taken_once() {
    let mut rig = Rig::registering();
    rig.is_registered();
    rig.incoming(CA);
    rig.is_killed();
    rig.offscreen_opens(None);
    assert_eq!(rig.connects().len(), 1);
    rig.offscreen_says(open());
    assert_eq!(rig.state().call.unwrap().state, CallPhase::Open);
}

#[test]
fn a_call_that_ended_while_the_worker_was_dead_is_over_without_a_complaint() {
    let mut rig = Rig::on_call();
    rig.is_killed();
    rig.offscreen_opens(None);
    rig.passes(500);
    assert!(rig.state().call.is_none());
    assert_eq!(failure(&rig), None);
}

#[test]
fn a_document_that_died_with_the_worker_ends_the_call() {
    let mut rig = Rig::on_call();
    rig.is_killed();
    rig.passes(10_000);
    assert!(rig.state().call.is_none());
    assert_eq!(failure(&rig), Some(ProblemCode::CallFailed));
}

#[test]
fn the_documents_word_about_the_call_wins_over_the_saved_one() {
    let mut rig = Rig::registered();
    rig.is_killed();
    rig.offscreen_opens(Some(held(CA, CallPhase::Open)));
    let call = rig.state().call.unwrap();
    assert_eq!((call.sid.as_str(), call.state, call.answered_at), (CA, CallPhase::Open, Some(rig.now)));

    let mut rig = Rig::on_call();
    rig.is_killed();
    rig.offscreen_opens(Some(held(OTHER_CA, CallPhase::Open)));
    assert_eq!(rig.state().call.unwrap().sid.as_str(), OTHER_CA);
}

#[test]
fn a_hello_that_comes_before_the_saved_state_is_read_is_not_lost() {
    let mut rig = Rig::on_call();
    let persisted = rig.saved.clone();
    let mut fresh = Rig::asleep();
    fresh.now = rig.now;
    fresh.opens(OFFSCREEN, protocol::port::OFFSCREEN, own_page("offscreen.html"));
    fresh.offscreen_says(FromOffscreen::Hello { call: Some(held(CA, CallPhase::Open)) });
    fresh.page_opens(PAGE);
    fresh.configure(PAGE, AC, URL, "ext_");
    fresh.happens(Event::Started { persisted, preferences: Box::new(agreed()), policy: Default::default() });
    assert_eq!(fresh.state().call, rig.state().call);
    assert_eq!(fresh.configureds(PAGE), 1);
    assert!(!fresh.did(|c| *c == Command::EnsureOffscreen));
    rig.take();
}

#[test]
fn a_cold_start_takes_up_a_call_that_the_document_still_holds_so_that_it_can_be_ended() {
    let mut rig = Rig::started();
    rig.opens(OFFSCREEN, protocol::port::OFFSCREEN, own_page("offscreen.html"));
    rig.offscreen_says(FromOffscreen::Hello { call: Some(held(CA, CallPhase::Open)) });
    rig.popup_opens();
    rig.popup_says(FromPopup::HangUp { sid: None });
    assert_eq!(hang_ups(&rig), 1);
    rig.ended(CA, None);
    assert!(closes_offscreen(&rig), "nothing is configured, so nothing is to be warm for");
}

#[test]
fn the_call_goes_on_when_every_flex_tab_is_closed() {
    let mut rig = Rig::on_call();
    rig.closes(PAGE);
    rig.take();
    rig.passes(10 * 60_000);
    assert!(rig.state().call.is_some());
    assert!(!rig.did(|c| matches!(c, Command::CloseOffscreen | Command::DestroyDevice { .. })));
    rig.ended(CA, None);
    rig.take();
    rig.incoming(OTHER_CA);
    assert!(rig.connects().is_empty(), "nobody is there who expects it");
    assert_eq!(rig.state().waiting.unwrap().sid, sid(OTHER_CA), "the next one arrives, and rings");
}

#[test]
fn a_call_that_has_ended_is_not_taken_again() {
    let mut rig = Rig::on_call();
    rig.ended(CA, None);
    rig.take();
    let again = rig.incoming(CA);
    assert!(rig.rejected(again));
    assert!(rig.connects().is_empty());
}

// What the SDK leaves behind.

/// A call that comes, is answered, and is over.
fn whole_call(rig: &mut Rig, n: u32) {
    let call = format!("CA{n:032x}");
    rig.incoming(&call);
    rig.offscreen_says(FromOffscreen::Call { call: held(&call, CallPhase::Open) });
    rig.ended(&call, None);
}

#[test]
fn after_twenty_calls_the_idle_document_is_replaced_and_a_call_that_comes_meanwhile_waits_for_the_fresh_one()
{
    let mut rig = Rig::registered();
    for n in 1..=20 {
        rig.passes(10_000);
        assert!(!closes_offscreen(&rig), "after {} calls", n - 1);
        whole_call(&mut rig, n);
    }
    rig.passes(999);
    assert!(!closes_offscreen(&rig), "it still says goodbye to the gateway");
    rig.passes(1);
    assert!(closes_offscreen(&rig));
    rig.take();
    rig.incoming(CA);
    assert!(rig.to_offscreen().is_empty());
    rig.happens(Event::OffscreenClosed);
    assert!(rig.did(|c| *c == Command::EnsureOffscreen));
    rig.offscreen_opens(None);
    assert!(rig.to_offscreen().iter().any(|m| matches!(m, ToOffscreen::Connect { .. })));
    rig.offscreen_says(open());
    assert_eq!(failure(&rig), None);
}

#[test]
fn a_document_that_is_due_for_replacement_is_left_alone_in_a_call_and_a_killed_worker_forgets_nothing() {
    let mut rig = Rig::registered();
    (1..=20).for_each(|n| whole_call(&mut rig, n));
    rig.passes(500);
    rig.incoming(CA);
    rig.offscreen_says(open());
    rig.passes(60_000);
    assert!(!closes_offscreen(&rig));
    rig.ended(CA, None);
    rig.is_killed();
    rig.offscreen_opens(None);
    rig.passes(1_000);
    assert!(closes_offscreen(&rig));
}

fn digits(text: &str) -> ToExtension {
    ToExtension::SendDigits { payload: SendDigits { digits: text.parse().expect("digits") } }
}

/// What the offscreen document is told to send, all together.
fn sent(rig: &Rig) -> String {
    rig.to_offscreen()
        .iter()
        .filter_map(|message| match message {
            ToOffscreen::SendDigits { digits, .. } => Some(digits.to_string()),
            _ => None,
        })
        .collect()
}

#[test]
fn a_long_row_of_digits_is_sent_whole_in_one_message_or_in_several() {
    let long = "1234567890".repeat(25) + "12345#";
    let mut rig = Rig::on_call();
    rig.page_says(PAGE, digits(&long));
    assert_eq!((sent(&rig), rig.error(PAGE)), (long.clone(), None));
    let mut rig = Rig::on_call();
    for piece in long.as_bytes().chunks(32) {
        rig.page_says(PAGE, digits(std::str::from_utf8(piece).unwrap()));
    }
    assert_eq!((sent(&rig), rig.error(PAGE)), (long, None));
}

#[test]
fn pauses_are_no_digits() {
    let mut rig = Rig::on_call();
    let all = "1".repeat(250);
    for message in [format!("{}123456789012", "w".repeat(200)), "3#".into(), all.clone()] {
        rig.page_says(PAGE, digits(&message));
    }
    assert_eq!(rig.error(PAGE), Some(ProblemCode::TooManyMessages), "264 digits");
    rig.passes(2_000);
    rig.take();
    rig.page_says(PAGE, digits(&all[..240]));
    assert_eq!((sent(&rig).len(), rig.error(PAGE)), (240, None));
}

#[test]
fn digits_that_cannot_all_be_sent_are_refused_before_the_first_and_those_who_wait_are_served() {
    let mut rig = Rig::on_call();
    rig.page_says(PAGE, digits(&"1".repeat(256)));
    rig.take();
    rig.page_says(PAGE, digits("123"));
    assert_eq!((sent(&rig).as_str(), rig.error(PAGE)), ("", Some(ProblemCode::TooManyMessages)));
    // As fast as they sound, so that what waits does not grow.
    rig.passes(1_000);
    rig.take();
    rig.page_says(PAGE, digits("123"));
    rig.page_says(PAGE, digits("4"));
    assert_eq!(sent(&rig), "123");
    for _ in 0..2 {
        rig.page_says(PAGE, digits(&"w".repeat(200)));
    }
    assert_eq!(sent(&rig).len(), 203, "pauses have a bound of their own");
}
