//! Flex tokens, the token service, the registration.

mod rig;

use kernel::{Secret, Timestamp};
use protocol::{ProblemCode, Status, offscreen::ToOffscreen};
use rig::*;
use worker_wasm::machine::{Command, DeviceEvent, Event, FetchOutcome, PageMessage};

fn problem(rig: &Rig) -> Option<ProblemCode> {
    rig.state().problem.map(|problem| problem.code)
}

fn creates(rig: &Rig) -> usize {
    rig.commands.iter().filter(|command| matches!(command, Command::CreateDevice { .. })).count()
}

fn updated_to(rig: &Rig) -> Option<&str> {
    rig.commands.iter().rev().find_map(|command| match command {
        Command::UpdateToken { token, .. } => Some(token.expose()),
        _ => None,
    })
}

#[test]
fn a_flex_token_is_exchanged_by_bearer_header_and_never_in_a_url() {
    let mut rig = Rig::configured();
    rig.flex_token(PAGE, "canary-flex-1", 8 * HOUR);
    assert_eq!(rig.state().status, Status::FetchingToken);
    let (_, request) = rig.request.clone().unwrap();
    assert_eq!(request.url.as_str(), URL);
    assert_eq!(request.bearer, Some(Secret::new("canary-flex-1")));
    let body: serde_json::Value = serde_json::from_str(request.body.expose()).unwrap();
    assert_eq!(body, serde_json::json!({"account_sid": AC, "identity_prefix": "ext_"}));
}

#[test]
fn a_replaced_service_at_generate_token_is_spoken_to_in_its_own_contract() {
    let mut rig = Rig::started();
    rig.page_opens(PAGE);
    rig.configure(PAGE, AC, LEGACY_URL, "ext_");
    rig.flex_token(PAGE, "canary-flex-1", 8 * HOUR);
    let (_, request) = rig.request.clone().unwrap();
    assert_eq!(request.bearer, None);
    let body: serde_json::Value = serde_json::from_str(request.body.expose()).unwrap();
    assert_eq!(body, serde_json::json!({"Token": "canary-flex-1", "VoiceClientPrefix": "ext_"}));
    rig.answer(200, &serde_json::json!({"identity": IDENTITY, "token": "canary-voice-1"}).to_string());
    assert_eq!(creates(&rig), 1);
    // Its tokens do not say how long they live: the SDK does.
    rig.is_registered();
    rig.take();
    rig.passes(HOUR);
    assert!(!rig.fetched());
    rig.device_says(DeviceEvent::TokenWillExpire);
    assert!(rig.fetched());
    // The announcement may come again, also about the token that was replaced.
    rig.device_says(DeviceEvent::TokenWillExpire);
    rig.answer(200, &serde_json::json!({"identity": IDENTITY, "token": "canary-voice-2"}).to_string());
    rig.take();
    rig.device_says(DeviceEvent::TokenWillExpire);
    assert!(!rig.fetched());
}

#[test]
fn a_403_text_of_the_replaced_service_means_an_invalid_flex_token() {
    let mut rig = Rig::started();
    rig.page_opens(PAGE);
    rig.configure(PAGE, AC, LEGACY_URL, "ext_");
    rig.flex_token(PAGE, "canary-flex-1", 8 * HOUR);
    rig.answer(403, "Unauthorized: Token was not provided");
    assert_eq!((rig.state().status, problem(&rig)), (Status::Failed, Some(ProblemCode::InvalidFlexToken)));
}

#[test]
fn the_newest_flex_token_wins() {
    let mut rig = Rig::registering();
    rig.flex_token(PAGE, "canary-flex-older", HOUR);
    rig.is_registered();
    rig.take();
    rig.passes(HOUR / 5 * 4);
    assert_eq!(rig.request.clone().unwrap().1.bearer, Some(Secret::new("canary-flex-1")));
    rig.voice_token("canary-voice-2", 3_600);
    rig.flex_token(PAGE, "canary-flex-2", 9 * HOUR);
    rig.passes(HOUR / 5 * 4);
    assert_eq!(rig.request.clone().unwrap().1.bearer, Some(Secret::new("canary-flex-2")));
}

#[test]
fn the_next_agent_at_the_desk_is_not_taken_for_the_one_before() {
    let mut rig = Rig::registered();
    rig.closes(PAGE);
    rig.passes(10_000);
    rig.take();
    // Another agent has logged in, with a session that ends earlier.
    rig.page_opens(PAGE_2);
    rig.configure(PAGE_2, AC, URL, "ext_");
    rig.flex_token(PAGE_2, "canary-flex-of-another-agent", HOUR);
    assert_eq!(rig.request.clone().unwrap().1.bearer, Some(Secret::new("canary-flex-of-another-agent")));
    rig.answer(200, &voice_token_body("ext_another_agent", AC, "canary-voice-2", 3_600));
    rig.is_registered();
    rig.passes(1_000);
    assert_eq!(rig.heartbeats(PAGE_2).last().unwrap().voice_client_identity, "ext_another_agent");
}

#[test]
fn a_session_that_begins_while_the_one_before_is_being_exchanged_gets_its_own_token() {
    for first_answer in [200, 401] {
        let mut rig = Rig::configured();
        rig.flex_token(PAGE, "canary-flex-1", 8 * HOUR);
        rig.page_opens(PAGE_2);
        rig.configure(PAGE_2, AC, URL, "ext_");
        rig.flex_token(PAGE_2, "canary-flex-of-another-agent", HOUR);
        rig.answer(first_answer, &voice_token_body(IDENTITY, AC, "canary-voice-1", 3_600));
        assert_eq!(problem(&rig), None);
        rig.passes(1_000);
        let (_, request) = rig.request.clone().unwrap();
        assert_eq!(request.bearer, Some(Secret::new("canary-flex-of-another-agent")), "{first_answer}");
    }
}

#[test]
fn a_page_that_is_only_reloaded_costs_no_request() {
    let mut rig = Rig::registered();
    rig.page_opens(PAGE_2);
    rig.configure(PAGE_2, AC, URL, "ext_");
    rig.flex_token(PAGE_2, "canary-flex-1", 8 * HOUR);
    assert!(!rig.fetched());
}

#[test]
fn a_flex_token_without_a_readable_or_with_a_past_expiration_is_answered_with_an_error() {
    let mut rig = Rig::configured();
    let PageMessage::Parsed { message, .. } = flex_token("canary-flex-1", rig.now) else { panic!() };
    rig.happens(Event::FromPage {
        port: PAGE,
        message: PageMessage::Parsed { message: message.clone(), flex_token_expires_at: None },
    });
    assert_eq!(rig.error(PAGE), Some(ProblemCode::MalformedMessage));
    rig.take();
    // By any clock: two hours ago.
    let long_ago = Timestamp::from_millis(rig.now.as_millis() - 2 * HOUR);
    rig.happens(Event::FromPage { port: PAGE, message: flex_token("canary-flex-1", long_ago) });
    assert_eq!(rig.error(PAGE), Some(ProblemCode::InvalidFlexToken));
    rig.take();
    rig.flex_token(PAGE, "", HOUR);
    rig.flex_token(PAGE, &"x".repeat(20_000), HOUR);
    assert_eq!(rig.error(PAGE), Some(ProblemCode::MalformedMessage));
    assert!(rig.request.is_none());
}

#[test]
fn a_flex_token_of_another_account_is_refused() {
    let mut rig = Rig::configured();
    let PageMessage::Parsed { message, .. } = flex_token("canary-flex-1", rig.now) else { panic!() };
    let protocol::page::ToExtension::FlexToken { mut payload } = *message else { panic!() };
    payload.account_sid = kernel::AccountSid::new(OTHER_AC).unwrap();
    let message = Box::new(protocol::page::ToExtension::FlexToken { payload });
    let flex_token_expires_at = Some(rig.now.plus(HOUR));
    rig.happens(Event::FromPage {
        port: PAGE,
        message: PageMessage::Parsed { message, flex_token_expires_at },
    });
    assert_eq!(rig.error(PAGE), Some(ProblemCode::WrongAccount));
    assert!(rig.request.is_none());
}

#[test]
fn the_voice_token_is_refreshed_at_four_fifths_of_its_life_and_the_device_is_updated() {
    let mut rig = Rig::registered();
    rig.passes(2_879_000);
    assert!(!rig.fetched());
    rig.passes(1_000);
    assert!(rig.fetched());
    rig.take();
    rig.voice_token("canary-voice-2", 3_600);
    assert_eq!(updated_to(&rig), Some("canary-voice-2"));
    assert_eq!(creates(&rig), 0);
    assert_eq!(rig.state().status, Status::Registered);
}

#[test]
fn policy_says_after_which_share_of_its_life_a_voice_token_is_replaced() {
    let mut rig = Rig::with_policy(serde_json::json!({"refreshTokenAt": "50%"}).into());
    rig.page_opens(PAGE);
    rig.configure(PAGE, AC, URL, "ext_");
    rig.flex_token(PAGE, "canary-flex-1", 8 * HOUR);
    rig.voice_token("canary-voice-1", 3_600);
    rig.is_registered();
    rig.take();
    rig.passes(1_799_000);
    assert!(!rig.fetched());
    rig.passes(1_000);
    assert!(rig.fetched());
}

#[test]
fn a_refreshed_token_is_what_the_offscreen_document_gets_next() {
    let mut rig = Rig::registered();
    rig.passes(2_880_000);
    rig.voice_token("canary-voice-2", 3_600);
    assert!(rig.to_offscreen().into_iter().any(
        |m| matches!(m, ToOffscreen::Prepare { token, edge } if token.expose() == "canary-voice-2" && edge.as_deref() == Some("ashburn"))
    ));
    rig.take();
    rig.incoming(CA);
    assert!(
        matches!(rig.connects()[..], [ToOffscreen::Connect { token, .. }] if token.expose() == "canary-voice-2"),
        "{:?}",
        rig.to_offscreen()
    );
}

#[test]
fn a_refresh_during_a_call_touches_the_worker_and_not_the_call() {
    let mut rig = Rig::on_call();
    rig.passes(2_880_000);
    rig.take();
    rig.voice_token("canary-voice-2", 3_600);
    assert_eq!(updated_to(&rig), Some("canary-voice-2"));
    assert!(rig.to_offscreen().is_empty());
    rig.ended(CA, None);
    assert!(
        matches!(rig.to_offscreen()[..], [ToOffscreen::Prepare { token, .. }] if token.expose() == "canary-voice-2")
    );
}

#[test]
fn a_failed_refresh_harms_nothing_while_the_old_token_lives_and_is_tried_again() {
    let mut rig = Rig::on_call();
    rig.passes(2_880_000);
    rig.take();
    rig.fetch_fails(FetchOutcome::Unreachable);
    assert_eq!(rig.state().status, Status::Registered);
    assert_eq!(problem(&rig), Some(ProblemCode::TokenServiceUnavailable));
    assert!(rig.state().call.is_some());
    assert!(!rig.did(|c| matches!(c, Command::DestroyDevice { .. } | Command::CloseOffscreen)));
    rig.passes(2_000);
    assert!(rig.fetched());
    rig.voice_token("canary-voice-2", 3_600);
    assert_eq!(problem(&rig), None);
    rig.passes(1_000);
    assert_eq!(rig.heartbeats(PAGE).last().unwrap().error, Some(false));
}

#[test]
fn an_unavailable_token_service_is_asked_for_ever_with_growing_delays() {
    let mut rig = Rig::configured();
    rig.flex_token(PAGE, "canary-flex-1", 48 * HOUR);
    let mut at = rig.now;
    let mut delays = Vec::new();
    for failure in 0..60 {
        match failure % 4 {
            0 => rig.fetch_fails(FetchOutcome::Unreachable),
            1 => rig.fetch_fails(FetchOutcome::TimedOut),
            2 => rig.answer(503, &error_body("upstream_unavailable")),
            _ => rig.answer(429, &error_body("rate_limited")),
        }
        let seen = rig.state();
        assert_eq!(seen.status, Status::Failed);
        let shown = seen.problem.unwrap();
        assert_eq!((shown.code, shown.retrying), (ProblemCode::TokenServiceUnavailable, true));
        rig.take();
        while !rig.fetched() {
            rig.passes(250);
        }
        delays.push(rig.now.since(at));
        at = rig.now;
    }
    assert!(delays.iter().all(|delay| (1_000..=60_250).contains(delay)), "{delays:?}");
    assert!(delays[0] <= 2_250, "the first try again is soon: {delays:?}");
    let late = &delays[10..];
    assert!(late.iter().sum::<u64>() / late.len() as u64 > 10_000, "and they get rarer: {delays:?}");
    rig.voice_token("canary-voice-1", 3_600);
    assert_eq!((rig.state().status, problem(&rig)), (Status::Registering, None));
}

#[test]
fn a_retry_after_is_honoured() {
    let mut rig = Rig::configured();
    rig.flex_token(PAGE, "canary-flex-1", 8 * HOUR);
    rig.take();
    let outcome = FetchOutcome::Answer { status: 429, body: Secret::new(""), retry_after: Some(120) };
    rig.fetch_fails(outcome);
    rig.passes(119_000);
    assert!(!rig.fetched());
    rig.passes(1_000);
    assert!(rig.fetched());
}

#[test]
fn an_answer_that_is_not_the_contract_is_a_misconfiguration_and_asked_for_again_with_growing_delays() {
    for (status, body) in [
        (200, "<html>login</html>".to_owned()),
        (200, "{}".into()),
        (200, voice_token_body(IDENTITY, OTHER_AC, "canary-voice-1", 3_600)),
        (200, voice_token_body("jacob", AC, "canary-voice-1", 3_600)),
        (200, voice_token_body("ext_", AC, "canary-voice-1", 3_600)),
        (200, voice_token_body(IDENTITY, AC, "", 3_600)),
        (200, voice_token_body(IDENTITY, AC, "canary-voice-1", 0)),
        (404, "not found".into()),
        (400, error_body("wrong_prefix")),
        (403, error_body("wrong_account")),
        (403, error_body("origin_not_allowed")),
    ] {
        let mut rig = Rig::configured();
        rig.flex_token(PAGE, "canary-flex-1", 8 * HOUR);
        rig.answer(status, &body);
        assert_eq!(problem(&rig), Some(ProblemCode::TokenServiceMisconfigured), "{status} {body}");
        assert_eq!(creates(&rig), 0);
        rig.take();
        rig.passes(900);
        assert!(!rig.fetched());
        rig.passes(1_200);
        assert!(rig.fetched(), "a 4xx is asked again as a 5xx is");
    }
    let mut rig = Rig::configured();
    rig.flex_token(PAGE, "canary-flex-1", 8 * HOUR);
    rig.fetch_fails(FetchOutcome::TooLong);
    assert_eq!(problem(&rig), Some(ProblemCode::TokenServiceMisconfigured));
}

#[test]
fn a_refused_flex_token_is_not_sent_again_until_a_page_sends_a_newer_one() {
    let mut rig = Rig::configured();
    rig.flex_token(PAGE, "canary-flex-1", 8 * HOUR);
    rig.answer(401, &error_body("invalid_flex_token"));
    let shown = rig.state().problem.unwrap();
    assert_eq!((shown.code, shown.retrying), (ProblemCode::InvalidFlexToken, false));
    rig.take();
    rig.flex_token(PAGE, "canary-flex-1", 8 * HOUR);
    rig.passes(25_000);
    assert!(!rig.fetched());
    rig.flex_token(PAGE, "canary-flex-2", 8 * HOUR);
    assert!(rig.fetched());
    rig.voice_token("canary-voice-1", 3_600);
    assert_eq!(problem(&rig), None);
}

#[test]
fn pages_are_asked_for_a_fresh_flex_token_by_configured_at_most_every_30_seconds() {
    let mut rig = Rig::registered();
    rig.passes(2_880_000);
    rig.take();
    rig.answer(401, &error_body("invalid_flex_token"));
    assert_eq!(rig.configureds(PAGE), 1, "asked at once");
    rig.passes(29_000);
    assert_eq!(rig.configureds(PAGE), 1);
    rig.passes(1_000);
    assert_eq!(rig.configureds(PAGE), 2);
    assert_eq!(rig.state().status, Status::Failed, "a session that is refused gets no calls either");
}

#[test]
fn a_token_service_that_says_403_for_a_while_is_not_the_end() {
    let mut rig = Rig::configured();
    rig.flex_token(PAGE, "canary-flex-1", 8 * HOUR);
    rig.answer(403, &error_body("role_not_allowed"));
    rig.take();
    // The plugin answers every CONFIGURED with the token that it has, which is still the same.
    rig.passes(30_000);
    assert_eq!(rig.configureds(PAGE), 1);
    rig.flex_token(PAGE, "canary-flex-1", 8 * HOUR);
    assert!(rig.fetched());
    assert_eq!(
        problem(&rig),
        Some(ProblemCode::InvalidFlexToken),
        "known to be wrong until it is known to be right"
    );
    rig.voice_token("canary-voice-1", 3_600);
    rig.is_registered();
    assert_eq!((rig.state().status, problem(&rig)), (Status::Registered, None));
}

#[test]
fn a_reloaded_page_may_have_its_refused_token_tried_again_at_once() {
    let mut rig = Rig::configured();
    rig.flex_token(PAGE, "canary-flex-1", 8 * HOUR);
    rig.answer(401, "");
    rig.passes(5_000);
    rig.take();
    rig.page_opens(PAGE_2);
    rig.configure(PAGE_2, AC, URL, "ext_");
    rig.flex_token(PAGE_2, "canary-flex-1", 8 * HOUR);
    assert!(rig.fetched());
}

#[test]
fn a_forged_flex_token_with_a_late_expiration_does_not_keep_the_real_one_out() {
    let mut rig = Rig::registered();
    rig.flex_token(PAGE, "canary-forged", 999 * HOUR);
    rig.passes(2_880_000);
    rig.answer(401, &error_body("invalid_flex_token"));
    rig.take();
    rig.flex_token(PAGE, "canary-flex-1", 7 * HOUR);
    rig.passes(1_000);
    assert_eq!(rig.request.clone().unwrap().1.bearer, Some(Secret::new("canary-flex-1")));
}

#[test]
fn a_page_that_floods_configure_and_flex_token_causes_one_request_a_second_at_most() {
    let mut rig = Rig::configured();
    rig.take();
    for i in 0..400_u64 {
        rig.configure(PAGE, AC, URL, "ext_");
        rig.flex_token(PAGE, &format!("canary-flex-{i}"), HOUR + i);
        if rig.request.is_some() {
            rig.answer(401, "");
        }
        rig.passes(25);
    }
    let fetches = rig.commands.iter().filter(|c| matches!(c, Command::FetchToken { .. })).count();
    assert!((5..=11).contains(&fetches), "{fetches} requests in 10 s");
}

#[test]
fn an_expired_flex_token_keeps_registration_and_call_and_asks_for_another() {
    let mut rig = Rig::configured();
    rig.flex_token(PAGE, "canary-flex-1", HOUR);
    rig.voice_token("canary-voice-1", 4 * 3_600);
    rig.is_registered();
    rig.offscreen_opens(None);
    rig.incoming(CA);
    rig.offscreen_says(protocol::offscreen::FromOffscreen::Call {
        call: held(CA, protocol::CallPhase::Open),
    });
    rig.take();
    rig.passes(HOUR / 5 * 16 - 10_000);
    assert_eq!(rig.configureds(PAGE), 0, "no new Voice token is needed yet");
    rig.passes(20_000);
    assert_eq!(rig.configureds(PAGE), 1);
    assert!(!rig.fetched());
    assert_eq!(rig.state().status, Status::Registered);
    assert!(rig.state().call.is_some());
    assert!(!rig.did(|c| matches!(
        c,
        Command::DestroyDevice { .. } | Command::CloseOffscreen | Command::ClosePort { .. }
    )));
    // Commands still reach the call.
    rig.take();
    rig.page_says(PAGE, protocol::page::ToExtension::HangUp { payload: None });
    assert!(matches!(rig.to_offscreen()[..], [ToOffscreen::HangUp { .. }]));
}

#[test]
fn without_any_valid_token_the_state_is_waiting_for_token() {
    let mut rig = Rig::configured();
    rig.flex_token(PAGE, "canary-flex-1", HOUR);
    rig.voice_token("canary-voice-1", 4 * 3_600);
    rig.is_registered();
    rig.passes(5 * HOUR);
    assert_eq!(rig.state().status, Status::Registered, "as long as the gateway says so");
    rig.device_says(DeviceEvent::Unregistered);
    assert_eq!(rig.state().status, Status::WaitingForToken);
    rig.take();
    rig.flex_token(PAGE, "canary-flex-2", HOUR);
    assert!(rig.fetched());
}

#[test]
fn an_answer_that_comes_late_is_told_from_the_current_one() {
    let mut rig = Rig::configured();
    rig.flex_token(PAGE, "canary-flex-1", 8 * HOUR);
    let (old, _) = rig.request.clone().unwrap();
    rig.passes(40_000); // the shell never answered: the machine gave up and asked again
    let (new, _) = rig.request.clone().unwrap();
    assert_ne!(old, new);
    let body = Secret::new(voice_token_body(IDENTITY, AC, "canary-voice-old", 3_600));
    rig.happens(Event::Fetched {
        attempt: old,
        outcome: FetchOutcome::Answer { status: 200, body, retry_after: None },
    });
    assert_eq!(creates(&rig), 0);
    rig.voice_token("canary-voice-1", 3_600);
    assert_eq!(creates(&rig), 1);
}

#[test]
fn one_device_is_created_per_identity() {
    let mut rig = Rig::registered();
    rig.passes(12 * HOUR / 4);
    while rig.request.is_some() {
        rig.voice_token("canary-voice-n", 3_600);
    }
    assert_eq!(creates(&rig), 0);

    let mut rig = Rig::registered();
    rig.passes(2_880_000);
    rig.take();
    rig.answer(200, &voice_token_body("ext_somebody_else", AC, "canary-voice-2", 3_600));
    assert!(rig.did(|c| matches!(c, Command::DestroyDevice { .. })));
    assert_eq!(creates(&rig), 1);
    rig.take();
    rig.passes(3_000);
    assert!(rig.heartbeats(PAGE).is_empty(), "nothing is confirmed for this identity yet");
    rig.is_registered();
    rig.passes(1_000);
    assert_eq!(rig.heartbeats(PAGE).last().unwrap().voice_client_identity, "ext_somebody_else");
}

#[test]
fn every_refusal_of_the_voice_token_fetches_another_one_at_once_and_starts_over() {
    for code in [20_101, 20_104, 20_151, 31_201, 31_204, 31_205] {
        let mut rig = Rig::registered();
        rig.passes(60_000);
        rig.take();
        rig.device_says(DeviceEvent::Error { code: Some(code) });
        assert!(rig.fetched(), "{code}");
        assert!(!rig.state().registered, "the gateway does not confirm it any more");
        assert_eq!(problem(&rig), Some(ProblemCode::VoiceTokenRefused));
        rig.device_says(DeviceEvent::Error { code: Some(code) });
        rig.take();
        rig.voice_token("canary-voice-2", 3_600);
        assert!(rig.did(|c| matches!(c, Command::DestroyDevice { .. })));
        assert_eq!(creates(&rig), 1);
        rig.is_registered();
        assert_eq!((rig.state().status, problem(&rig)), (Status::Registered, None));
    }
}

#[test]
fn a_gateway_that_refuses_every_token_does_not_make_the_worker_hammer_the_service() {
    let mut rig = Rig::registering();
    rig.take();
    let end = rig.now.plus(10 * 60_000);
    let mut fetches = 0;
    while rig.now < end {
        if rig.request.is_some() {
            rig.voice_token("canary-voice-n", 3_600);
            fetches += 1;
        }
        rig.device_says(DeviceEvent::Error { code: Some(20_101) });
        rig.passes(500);
    }
    assert!((8..=30).contains(&fetches), "{fetches} requests in ten minutes");
}

#[test]
fn a_lost_registration_is_left_to_the_sdk_and_rebuilt_only_when_that_takes_too_long() {
    let mut rig = Rig::registered();
    rig.device_says(DeviceEvent::Error { code: Some(31_005) });
    rig.device_says(DeviceEvent::Unregistered);
    assert_eq!(
        (rig.state().status, problem(&rig)),
        (Status::Reconnecting, Some(ProblemCode::GatewayUnavailable))
    );
    rig.passes(14_900);
    assert!(!rig.did(|c| matches!(c, Command::DestroyDevice { .. })));
    rig.passes(200);
    assert!(rig.did(|c| matches!(c, Command::DestroyDevice { .. })));
    assert_eq!(creates(&rig), 1);
    rig.passes(29_000);
    assert_eq!(creates(&rig), 1, "the next one is given more time");
    rig.passes(2_000);
    assert_eq!(creates(&rig), 2);
    rig.is_registered();
    assert_eq!((rig.state().status, problem(&rig)), (Status::Registered, None));
}

#[test]
fn a_registration_that_never_comes_is_a_problem_that_is_worked_on() {
    let mut rig = Rig::registering();
    assert_eq!(rig.state().status, Status::Registering);
    rig.passes(16_000);
    assert_eq!((rig.state().status, problem(&rig)), (Status::Failed, Some(ProblemCode::GatewayUnavailable)));
    assert!(rig.state().problem.unwrap().retrying);
}

#[test]
fn what_a_replaced_device_still_says_is_not_heard() {
    let mut rig = Rig::registered();
    let old = rig.device.unwrap();
    rig.device_says(DeviceEvent::Unregistered);
    rig.passes(16_000);
    rig.happens(Event::Device { device: old, event: DeviceEvent::Registered { edge: None } });
    assert!(!rig.state().registered);
}

#[test]
fn a_device_is_not_destroyed_while_it_offers_a_call_that_is_not_handed_over() {
    let mut rig = Rig::registered();
    let offer = rig.incoming(CA);
    rig.device_says(DeviceEvent::Unregistered);
    rig.passes(16_000);
    assert!(!rig.did(|c| matches!(c, Command::DestroyDevice { .. })), "it would reject the call");
    rig.offer_gone(offer);
    assert!(rig.did(|c| matches!(c, Command::DestroyDevice { .. })));
    assert!(rig.state().call.is_some());
}

#[test]
fn an_sdk_error_while_registered_changes_nothing_but_the_log() {
    let mut rig = Rig::registered();
    rig.device_says(DeviceEvent::Error { code: Some(31_404) });
    assert_eq!((rig.state().status, problem(&rig)), (Status::Registered, None));
    rig.passes(1_000);
    assert_eq!(rig.heartbeats(PAGE).last().unwrap().error, None);
}

#[test]
fn an_sdk_error_before_the_first_registration_is_a_problem_at_once() {
    let mut rig = Rig::registering();
    rig.device_says(DeviceEvent::Error { code: Some(31_005) });
    assert_eq!((rig.state().status, problem(&rig)), (Status::Failed, Some(ProblemCode::GatewayUnavailable)));
    rig.is_registered();
    assert_eq!((rig.state().status, problem(&rig)), (Status::Registered, None));
}

#[test]
fn a_clock_that_is_an_hour_wrong_in_either_direction_keeps_nobody_from_registering() {
    for (ahead, behind) in [(HOUR, 0), (0, HOUR)] {
        let mut rig = Rig::configured();
        // A Flex token that really lives for 50 minutes, as seen by that clock.
        let expires_at = Timestamp::from_millis(rig.now.as_millis() + behind + HOUR / 6 * 5 - ahead);
        rig.happens(Event::FromPage { port: PAGE, message: flex_token("canary-flex-1", expires_at) });
        assert!(rig.fetched(), "ahead by {ahead}, behind by {behind}");
        rig.voice_token("canary-voice-1", 3_600);
        rig.is_registered();
        assert_eq!(rig.state().status, Status::Registered);
        rig.take();
        rig.passes(2_879_000);
        assert!(!rig.fetched());
        rig.passes(2_000);
        assert!(rig.fetched(), "a Voice token's life counts from when it came");
    }
}

#[test]
fn a_clock_that_is_set_forward_by_an_hour_fetches_a_token_and_the_call_goes_on() {
    let mut rig = Rig::on_call();
    rig.now = rig.now.plus(HOUR);
    rig.wakes();
    assert!(rig.fetched());
    assert_eq!(rig.state().status, Status::Registered);
    assert!(rig.state().call.is_some());
    assert!(!rig.did(|c| matches!(c, Command::DestroyDevice { .. } | Command::CloseOffscreen)));
}

fn set_back_by_two_hours(rig: &mut Rig) {
    rig.now = Timestamp::from_millis(rig.now.as_millis() - 2 * HOUR);
}

#[test]
fn a_clock_that_is_set_back_delays_no_token() {
    let mut rig = Rig::registered();
    set_back_by_two_hours(&mut rig);
    rig.device_says(DeviceEvent::Error { code: Some(31_205) });
    rig.passes(1_000);
    assert!(rig.fetched(), "refused: another one at once");

    let mut rig = Rig::registered();
    rig.passes(1_000_000);
    set_back_by_two_hours(&mut rig);
    // The shell's timers do not go by that clock, and one is never far.
    rig.wakes();
    rig.take();
    rig.passes(1_879_000);
    assert!(!rig.fetched());
    rig.passes(2_000);
    assert!(rig.fetched(), "refreshed after as long as ever");
}

#[test]
fn a_token_of_unknown_age_because_the_clock_was_set_back_while_no_worker_ran_is_replaced_at_once() {
    let mut rig = Rig::registered();
    set_back_by_two_hours(&mut rig);
    rig.is_killed();
    assert_eq!(creates(&rig), 1, "it is good until another one is here");
    rig.passes(1_000);
    assert!(rig.fetched());
}
