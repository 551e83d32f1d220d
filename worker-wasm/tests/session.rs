//! Whose page is whose: nobody is told of, or takes calls as, the agent before; and who has gone is gone.

#![expect(clippy::unwrap_used, reason = "a test's tools may panic")]

mod rig;

use kernel::Timestamp;
use protocol::{
    CallPhase, ProblemCode, Status,
    offscreen::FromOffscreen,
    page::{SetMute, SignOutReason, ToExtension},
    popup::FromPopup,
};
use rig::*;
use serde_json::json;
use worker_wasm::machine::{Command, DeviceEvent, FetchOutcome, PortId, notices::Notice};

const ANN: &str = "agent_40acme_2Etest";
const BOB: &str = "bob_40acme_2Etest";
const MINUTE: u64 = 60_000;

/// Ann is registered, from a page that names her or, as an older plugin's, nobody.
fn ann(agent: Option<&str>) -> Rig {
    let mut rig = Rig::started();
    rig.page_of(PAGE, agent, "canary-flex-1");
    rig.voice_token("canary-voice-1", 3_600);
    rig.is_registered();
    rig.expects(PAGE, "WR1");
    rig.offscreen_opens(None);
    rig.take();
    rig
}

fn ann_on_call(agent: Option<&str>) -> Rig {
    let mut rig = ann(agent);
    rig.incoming(CA);
    rig.offscreen_says(FromOffscreen::Call { call: held(CA, CallPhase::Open) });
    rig.take();
    rig
}

/// True when a page was told of no identity, no registration and no call.
fn knows_nothing(rig: &Rig, page: PortId) -> bool {
    rig.told(page).iter().all(|told| *told == (None, false, false))
}

/// Everything that could be somebody's is gone, from memory and from what is saved.
fn nothing_is_left(rig: &Rig) -> bool {
    let saved = rig.saved.clone().unwrap();
    let text = serde_json::to_string(&saved).unwrap();
    saved.voice.is_none()
        && saved.confirmed.is_none()
        && saved.calls.is_empty()
        && rig.device.is_none()
        && !text.contains("canary-voice")
        && !text.contains("ext_agent")
        && !text.contains("+15550100")
}

#[test]
fn a_page_that_names_another_agent_takes_the_registration_down_at_once_until_the_service_has_answered() {
    for outcome in [Some(503), Some(429), Some(403), Some(401), None] {
        let mut rig = ann(Some(ANN));
        rig.closes(PAGE);
        rig.passes(10_000);
        rig.take();
        rig.page_of(PAGE_2, Some(BOB), "canary-flex-of-bob");
        assert!(rig.destroys(), "at once");
        for _ in 0..20 * 60 {
            if rig.request.is_some() {
                match outcome {
                    Some(status) => rig.answer(status, "no"),
                    None => rig.fetch_fails(FetchOutcome::TimedOut),
                }
            }
            rig.passes(1_000);
            assert!(knows_nothing(&rig, PAGE_2) && !rig.state().registered, "{outcome:?}");
            assert!(!rig.did(|command| matches!(command, Command::CreateDevice { .. })));
            rig.take();
        }
        assert!(nothing_is_left(&rig), "{outcome:?}");
    }
}

#[test]
fn the_next_agent_is_told_of_nobody_but_themselves() {
    for agent in [None, Some(BOB)] {
        let mut rig = ann(None);
        rig.closes(PAGE);
        rig.passes(10_000);
        rig.page_of(PAGE_2, agent, "canary-flex-of-bob");
        rig.passes(900);
        assert!(knows_nothing(&rig, PAGE_2), "{agent:?}: {:?}", rig.told(PAGE_2));
        rig.minted_for(BOB, "canary-voice-of-bob");
        assert!(rig.destroys());
        assert!(knows_nothing(&rig, PAGE_2));
        rig.is_registered();
        rig.passes(1_000);
        let beat = rig.heartbeats(PAGE_2).last().copied().unwrap();
        assert_eq!(beat.voice_client_identity, format!("ext_{BOB}"));
    }
}

#[test]
fn a_page_is_told_nothing_before_it_has_sent_a_token_of_its_own() {
    for agent in [None, Some(ANN), Some(BOB)] {
        let mut rig = ann_on_call(None);
        rig.page_opens(PAGE_2);
        rig.configure_as(PAGE_2, agent);
        rig.passes(3_000);
        assert!(knows_nothing(&rig, PAGE_2), "{agent:?}");
        assert_eq!(rig.page_state(PAGE_2).unwrap().status, Status::WaitingForToken);
        rig.take();
        rig.page_says(PAGE_2, ToExtension::HangUp { payload: None });
        rig.page_says(PAGE_2, ToExtension::SetMute { payload: SetMute { muted: true } });
        assert_eq!(rig.error(PAGE_2), Some(ProblemCode::NoCall), "nor may it act on the call");
        assert!(rig.to_offscreen().is_empty());
    }
}

#[test]
fn a_reload_by_the_same_agent_misses_no_heartbeat_and_has_its_call_back_with_its_token() {
    for agent in [None, Some(ANN)] {
        let mut rig = ann_on_call(agent);
        rig.closes(PAGE);
        rig.passes(700);
        rig.page_of(PAGE_2, agent, "canary-flex-1");
        let beat = rig.heartbeats(PAGE_2).last().copied().unwrap();
        assert_eq!((beat.voice_client_identity.as_str(), beat.error), (IDENTITY, None));
        assert_eq!(rig.page_state(PAGE_2).unwrap().call.as_ref().unwrap().sid.as_str(), CA);
        assert!(!rig.fetched() && !rig.destroys());
    }
}

#[test]
fn a_refreshed_token_of_the_same_session_flaps_nothing_also_after_the_next_reload() {
    for agent in [None, Some(ANN)] {
        let mut rig = ann_on_call(agent);
        rig.flex_token(PAGE, "canary-flex-2", 9 * HOUR);
        rig.passes(3_000);
        assert_eq!(rig.heartbeats(PAGE).len(), 3);
        rig.closes(PAGE);
        rig.page_of(PAGE_2, agent, "canary-flex-2");
        assert!(rig.page_state(PAGE_2).unwrap().call.is_some());
        assert!(!rig.fetched() && !rig.destroys(), "{agent:?}");
    }
}

#[test]
fn a_newer_token_in_a_new_session_of_the_same_agent_takes_nothing_down_and_is_asked_about_at_once() {
    for agent in [None, Some(ANN)] {
        let mut rig = ann_on_call(agent);
        rig.passes(2_000);
        rig.closes(PAGE);
        rig.page_of(PAGE_2, agent, "canary-flex-newer");
        assert!(rig.fetched());
        assert!(knows_nothing(&rig, PAGE_2));
        rig.voice_token("canary-voice-2", 3_600);
        assert!(rig.page_state(PAGE_2).unwrap().call.is_some());
        assert_eq!(rig.heartbeats(PAGE_2).len(), 1);
        assert!(!rig.destroys(), "{agent:?}");
    }
}

#[test]
fn a_service_that_is_away_keeps_whom_the_page_names_and_lets_go_of_whom_nobody_vouches_for() {
    for (agent, stays) in [(Some(ANN), true), (None, false)] {
        let mut rig = ann(agent);
        rig.passes(2_000);
        rig.closes(PAGE);
        rig.page_of(PAGE_2, agent, "canary-flex-newer");
        rig.answer(503, "");
        assert_eq!(rig.device.is_some(), stays, "{agent:?}");
        assert!(knows_nothing(&rig, PAGE_2));
        rig.passes(3_000);
        rig.voice_token("canary-voice-2", 3_600);
        if !stays {
            rig.is_registered();
        }
        rig.passes(1_000);
        assert_eq!(rig.heartbeats(PAGE_2).last().unwrap().voice_client_identity, IDENTITY);
    }
}

#[test]
fn a_refused_session_destroys_device_token_and_memory_of_calls() {
    for status in [401, 403] {
        let mut rig = ann_on_call(None);
        rig.ended(CA, None);
        rig.closes(PAGE);
        rig.passes(2_000);
        rig.page_of(PAGE_2, None, "canary-flex-of-bob");
        rig.popup_opens();
        let shown = rig.shown().unwrap();
        assert!(shown.identity.is_none() && shown.calls.is_empty(), "nor is it shown until that is known");
        rig.answer(status, &error_body("role_not_allowed"));
        assert!(rig.destroys() && nothing_is_left(&rig));
        let shown = rig.shown().unwrap();
        assert!(shown.identity.is_none() && shown.calls.is_empty());
        assert_eq!(shown.client.problem.as_ref().map(|p| p.code), Some(ProblemCode::InvalidFlexToken));
        assert!(rig.did(|command| *command == Command::CloseOffscreen), "the token that it was warmed with");
    }
}

#[test]
fn a_live_call_ends_as_the_call_of_the_agent_who_took_it() {
    let mut rig = ann_on_call(Some(ANN));
    rig.closes(PAGE);
    let gone = rig.incoming(OTHER_CA);
    assert!(rig.rejected(gone));
    rig.passes(2_000);
    rig.page_of(PAGE_2, Some(BOB), "canary-flex-of-bob");
    assert!(!rig.did(|command| matches!(command, Command::CloseOffscreen)));
    assert!(rig.device.is_none(), "nothing more arrives for Ann");
    rig.minted_for(BOB, "canary-voice-of-bob");
    rig.passes(3_000);
    assert!(rig.device.is_none(), "nor for Bob, while Ann's call goes on");
    assert!(knows_nothing(&rig, PAGE_2));
    rig.page_says(PAGE_2, ToExtension::HangUp { payload: None });
    assert_eq!(rig.error(PAGE_2), Some(ProblemCode::NoCall));
    rig.popup_opens();
    let call = rig.shown().unwrap().client.call.clone().unwrap();
    assert_eq!(
        (call.sid.as_str(), call.from),
        (CA, None),
        "it can be hung up; who it is with is Ann's affair"
    );
    assert!(
        rig.did(|command| matches!(command, Command::Notify { notice: Notice::Call { from: None, .. }, .. }))
    );
    rig.popup_says(FromPopup::HangUp { sid: Some(sid(CA)) });
    rig.ended(CA, None);
    assert!(rig.device.is_some(), "now Bob is registered");
    rig.is_registered();
    rig.passes(1_000);
    assert_eq!(rig.heartbeats(PAGE_2).last().unwrap().voice_client_identity, format!("ext_{BOB}"));
    assert!(rig.shown().unwrap().calls.is_empty(), "and never learns of it");
    rig.expects(PAGE_2, "WR2");
    let next = rig.incoming(OTHER_CA);
    assert!(!rig.rejected(next) && !rig.connects().is_empty());
}

#[test]
fn an_agent_who_is_back_before_their_call_has_ended_has_it_again() {
    let mut rig = ann_on_call(Some(ANN));
    rig.closes(PAGE);
    rig.passes(2_000);
    rig.page_of(PAGE_2, Some(BOB), "canary-flex-of-bob");
    rig.answer(403, "");
    rig.closes(PAGE_2);
    rig.page_of(PAGE, Some(ANN), "canary-flex-1");
    rig.passes(1_000);
    rig.voice_token("canary-voice-2", 3_600);
    assert!(rig.page_state(PAGE).unwrap().call.is_some());
    rig.page_says(PAGE, ToExtension::HangUp { payload: None });
    rig.ended(CA, None);
    rig.is_registered();
    assert!(rig.page_state(PAGE).unwrap().registered);
}

#[test]
fn a_call_that_nobody_has_taken_yet_is_routed_on_when_its_agent_is_gone() {
    let mut rig = Rig::started();
    rig.page_of(PAGE, Some(ANN), "canary-flex-1");
    rig.voice_token("canary-voice-1", 3_600);
    rig.is_registered();
    rig.expects(PAGE, "WR1");
    let offer = rig.incoming(CA);
    rig.page_of(PAGE_2, Some(BOB), "canary-flex-of-bob");
    assert!(rig.rejected(offer) && rig.device.is_none() && rig.state().call.is_none());
}

#[test]
fn what_the_service_mints_for_another_agent_than_the_page_names_is_not_used_and_said() {
    let mut rig = Rig::started();
    rig.page_of(PAGE, Some(BOB), "canary-flex-1");
    rig.voice_token("canary-voice-1", 3_600);
    assert!(rig.device.is_none() && rig.saved.as_ref().unwrap().voice.is_none());
    let told = rig.page_state(PAGE).unwrap();
    assert_eq!(told.problem.as_ref().unwrap().code, ProblemCode::WrongIdentity);
    assert_eq!(told.status, Status::Failed);
    // A page that names them rightly is served with the same token.
    rig.passes(1_000);
    rig.page_of(PAGE_2, Some(ANN), "canary-flex-1");
    rig.voice_token("canary-voice-2", 3_600);
    rig.is_registered();
    rig.passes(1_000);
    assert!(rig.heartbeats(PAGE).is_empty());
    assert_eq!(rig.page_state(PAGE).unwrap().problem.as_ref().unwrap().code, ProblemCode::WrongIdentity);
    assert_eq!(rig.heartbeats(PAGE_2).last().unwrap().voice_client_identity, IDENTITY);
}

#[test]
fn an_older_token_that_a_page_sends_while_the_service_is_asked_does_not_lose_it_the_answer() {
    let mut rig = Rig::started();
    rig.page_of(PAGE, None, "canary-flex-1");
    rig.flex_token(PAGE, "canary-flex-0", HOUR);
    rig.voice_token("canary-voice-1", 3_600);
    rig.is_registered();
    rig.passes(1_000);
    assert_eq!(rig.heartbeats(PAGE).last().unwrap().voice_client_identity, IDENTITY);
}

#[test]
fn an_older_page_of_an_agent_whom_another_has_followed_changes_nothing() {
    for (ann_says, bob_says) in [(Some(ANN), Some(BOB)), (None, Some(BOB)), (None, None)] {
        let mut rig = ann(ann_says);
        rig.passes(2_000);
        rig.page_of(PAGE_2, bob_says, "canary-flex-of-bob");
        rig.minted_for(BOB, "canary-voice-of-bob");
        rig.is_registered();
        rig.passes(2_000);
        rig.take();
        // Ann's tab refreshes its token, which lives longer.
        rig.flex_token(PAGE, "canary-flex-2", 20 * HOUR);
        rig.passes(5_000);
        assert!(!rig.fetched() && !rig.destroys());
        assert!(knows_nothing(&rig, PAGE));
        assert_eq!(rig.heartbeats(PAGE_2).len(), 5);
    }
}

#[test]
fn a_sign_out_drops_tokens_device_and_all_that_was_the_agents_at_once() {
    for reason in [SignOutReason::Logout, SignOutReason::SessionEnded, SignOutReason::Offline] {
        let mut rig = ann_on_call(Some(ANN));
        rig.ended(CA, None);
        rig.popup_opens();
        rig.take();
        rig.signs_out(PAGE, reason);
        assert!(rig.destroys() && nothing_is_left(&rig), "{reason:?}");
        let saved = rig.saved.clone().unwrap();
        assert!(saved.flex.is_none() && saved.config.is_some());
        assert!(rig.did(|command| *command == Command::CloseOffscreen));
        let shown = rig.shown().unwrap();
        assert!(shown.identity.is_none() && shown.calls.is_empty() && !shown.client.registered);
        rig.take();
        rig.passes(HOUR);
        assert!(rig.heartbeats(PAGE).is_empty() && rig.configureds(PAGE) == 0 && !rig.fetched());
    }
}

#[test]
fn a_live_call_outlives_a_sign_out_and_then_everything_is_down() {
    let mut rig = ann_on_call(Some(ANN));
    rig.signs_out(PAGE, SignOutReason::Logout);
    assert!(rig.state().call.is_some() && rig.device.is_none());
    let saved = rig.saved.clone().unwrap();
    assert!(saved.flex.is_none() && saved.voice.is_none());
    rig.is_killed();
    rig.offscreen_opens(Some(held(CA, CallPhase::Open)));
    assert!(rig.state().call.is_some());
    rig.ended(CA, None);
    assert!(nothing_is_left(&rig));
    assert!(rig.did(|command| *command == Command::CloseOffscreen));
}

#[test]
fn a_late_token_of_the_session_that_was_signed_out_brings_nobody_back_but_a_new_session_does() {
    for reason in [SignOutReason::Logout, SignOutReason::SessionEnded] {
        let mut rig = ann(Some(ANN));
        rig.signs_out(PAGE, reason);
        rig.passes(2_000);
        rig.flex_token(PAGE, "canary-flex-1", 8 * HOUR);
        assert!(!rig.fetched(), "{reason:?}");
        rig.flex_token(PAGE, "canary-flex-2", 8 * HOUR);
        assert!(rig.fetched(), "another login");
        rig.signs_out(PAGE, reason);
        rig.take();
        rig.passes(2_000);
        rig.configure_as(PAGE, Some(ANN));
        rig.flex_token(PAGE, "canary-flex-1", 8 * HOUR);
        assert!(rig.fetched(), "a page that says hello anew");
    }
}

#[test]
fn an_answer_that_comes_after_the_sign_out_registers_nobody() {
    let mut rig = Rig::started();
    rig.page_of(PAGE, Some(ANN), "canary-flex-1");
    let request = rig.request.clone();
    rig.signs_out(PAGE, SignOutReason::Logout);
    rig.request = request;
    rig.voice_token("canary-voice-1", 3_600);
    rig.passes(MINUTE);
    assert!(rig.device.is_none() && nothing_is_left(&rig));
}

#[test]
fn from_offline_to_available_needs_no_reload() {
    let mut rig = ann(Some(ANN));
    rig.signs_out(PAGE, SignOutReason::Offline);
    rig.passes(MINUTE);
    rig.take();
    rig.flex_token(PAGE, "canary-flex-1", 8 * HOUR);
    assert!(rig.fetched());
    rig.voice_token("canary-voice-2", 3_600);
    rig.is_registered();
    rig.passes(1_000);
    assert_eq!(rig.heartbeats(PAGE).last().unwrap().voice_client_identity, IDENTITY);
}

#[test]
fn a_killed_worker_brings_nobody_back_who_is_offline_until_they_say_so() {
    let mut rig = ann(Some(ANN));
    rig.signs_out(PAGE, SignOutReason::Offline);
    for _ in 0..3 {
        rig.is_killed();
        // The content script says CONFIGURE by itself, and the plugin answers CONFIGURED with its token.
        rig.page_opens(PAGE);
        rig.configure_as(PAGE, Some(ANN));
        assert_eq!(rig.configureds(PAGE), 1);
        rig.flex_token(PAGE, "canary-flex-1", 8 * HOUR);
        rig.passes(30_000);
        assert!(!rig.fetched());
    }
    rig.configure_as(PAGE, Some(ANN));
    rig.flex_token(PAGE, "canary-flex-1", 8 * HOUR);
    assert!(rig.fetched());
}

#[test]
fn a_sign_out_in_one_of_two_tabs_takes_all_down_and_asks_the_other() {
    let mut rig = ann(Some(ANN));
    rig.page_of(PAGE_2, Some(ANN), "canary-flex-1");
    rig.take();
    rig.signs_out(PAGE, SignOutReason::Logout);
    assert!(rig.destroys());
    assert_eq!((rig.configureds(PAGE), rig.configureds(PAGE_2)), (0, 1));
    rig.flex_token(PAGE_2, "canary-flex-1", 8 * HOUR);
    assert!(!rig.fetched(), "the session that has ended");
    rig.passes(2_000);
    rig.flex_token(PAGE_2, "canary-flex-other-login", 8 * HOUR);
    assert!(rig.fetched());

    let mut rig = ann(Some(ANN));
    rig.page_of(PAGE_2, Some(ANN), "canary-flex-1");
    rig.take();
    rig.signs_out(PAGE, SignOutReason::Offline);
    assert_eq!(
        (rig.configureds(PAGE), rig.configureds(PAGE_2)),
        (0, 0),
        "an activity is the agent's in each tab"
    );
}

#[test]
fn a_page_that_is_not_the_agents_signs_nobody_out_but_itself() {
    let mut rig = ann(Some(ANN));
    rig.page_opens(PAGE_2);
    rig.configure_as(PAGE_2, None);
    rig.signs_out(PAGE_2, SignOutReason::Logout);
    rig.passes(2_000);
    assert!(!rig.destroys());
    assert_eq!(rig.heartbeats(PAGE).len(), 2);
}

#[test]
fn without_a_page_of_the_agent_for_five_minutes_the_agent_is_signed_out() {
    let mut rig = ann(None);
    rig.closes(PAGE);
    rig.passes(5 * MINUTE - 1_000);
    assert!(!rig.destroys());
    rig.passes(2_000);
    assert!(rig.destroys() && nothing_is_left(&rig));
    assert!(rig.saved.as_ref().unwrap().flex.is_none());
    // Who comes later signs in anew.
    rig.page_of(PAGE_2, None, "canary-flex-1");
    assert!(rig.fetched());
}

#[test]
fn a_tab_that_is_opened_again_in_time_keeps_its_registration() {
    let mut rig = ann(None);
    for _ in 0..3 {
        rig.closes(PAGE);
        rig.passes(4 * MINUTE);
        rig.page_of(PAGE, None, "canary-flex-1");
        rig.passes(4 * MINUTE);
    }
    assert!(!rig.destroys());
    assert!(rig.state().registered);
}

#[test]
fn a_page_of_somebody_else_is_none_of_the_agents() {
    let mut rig = ann(Some(ANN));
    rig.closes(PAGE);
    rig.page_opens(PAGE_2);
    rig.configure_as(PAGE_2, None);
    rig.passes(6 * MINUTE);
    assert!(rig.destroys());
}

#[test]
fn a_live_call_keeps_its_agent_signed_in_and_the_minutes_count_from_its_end() {
    let mut rig = ann_on_call(None);
    rig.closes(PAGE);
    rig.passes(HOUR / 2);
    assert!(rig.state().call.is_some() && !rig.destroys());
    rig.ended(CA, None);
    rig.passes(4 * MINUTE);
    assert!(!rig.destroys());
    rig.passes(2 * MINUTE);
    assert!(rig.destroys());
}

#[test]
fn policy_says_how_long_a_client_outlives_its_page_and_a_killed_worker_counts_on() {
    let mut rig = Rig::with_policy(json!({"signOutAfterMinutesWithoutPage": 2}).into());
    rig.page_of(PAGE, None, "canary-flex-1");
    rig.voice_token("canary-voice-1", 3_600);
    rig.is_registered();
    rig.closes(PAGE);
    rig.passes(3 * MINUTE);
    assert!(rig.destroys());

    let mut rig = ann(None);
    rig.closes(PAGE);
    rig.passes(4 * MINUTE);
    rig.is_killed();
    rig.passes(2 * MINUTE);
    assert!(rig.destroys(), "four before it was killed, one after");
    let mut rig = ann(None);
    rig.closes(PAGE);
    rig.passes(MINUTE);
    rig.now = Timestamp::from_millis(rig.now.as_millis() - 3 * HOUR);
    rig.wakes();
    rig.passes(5 * MINUTE);
    assert!(rig.destroys(), "a clock that is set back keeps nobody signed in");
    let mut rig = ann(None);
    rig.closes(PAGE);
    rig.passes(MINUTE);
    rig.now = Timestamp::from_millis(rig.now.as_millis() - 3 * HOUR);
    rig.is_killed();
    rig.passes(6 * MINUTE);
    assert!(rig.destroys(), "nor when no worker ran meanwhile");
}

#[test]
fn a_killed_worker_knows_its_pages_again_with_their_call() {
    for agent in [None, Some(ANN)] {
        let mut rig = ann_on_call(agent);
        rig.is_killed();
        rig.offscreen_opens(Some(held(CA, CallPhase::Open)));
        rig.page_opens(PAGE);
        rig.configure_as(PAGE, agent);
        assert!(rig.page_state(PAGE).unwrap().call.is_some(), "with the first answer");
        rig.is_registered();
        assert_eq!(rig.heartbeats(PAGE).last().unwrap().voice_client_identity, IDENTITY);
    }
}

#[test]
fn a_tab_whose_session_is_dead_asks_a_handful_of_times_an_hour() {
    let mut rig = ann(None);
    let mut asked = 0;
    for _ in 0..3 * 3_600 {
        rig.passes(1_000);
        // A plugin answers every CONFIGURED with the token that Flex holds.
        let is_asked = rig.configureds(PAGE) > 0;
        rig.take();
        if is_asked {
            rig.flex_token(PAGE, "canary-flex-1", 8 * HOUR);
        }
        if rig.request.is_some() {
            asked += 1;
            rig.answer(401, &error_body("invalid_flex_token"));
        }
    }
    assert!((4..=12).contains(&asked), "{asked} questions in three hours");
}

#[test]
fn two_tabs_with_dead_sessions_do_not_take_turns_and_a_reloaded_one_is_asked_about_at_once() {
    let mut rig = ann(None);
    rig.page_of(PAGE_2, None, "canary-flex-other");
    let mut asked = 0;
    for _ in 0..3_600 {
        if rig.request.is_some() {
            asked += 1;
            rig.answer(401, &error_body("invalid_flex_token"));
        }
        rig.passes(1_000);
        for (page, token) in [(PAGE, "canary-flex-1"), (PAGE_2, "canary-flex-other")] {
            if rig.configureds(page) > 0 {
                rig.flex_token(page, token, 8 * HOUR);
            }
        }
        rig.take();
    }
    assert!((2..=14).contains(&asked), "{asked} questions in an hour");
    // Restart forgets that it was refused.
    rig.popup_opens();
    rig.popup_says(FromPopup::Restart);
    rig.page_of(PAGE_2, None, "canary-flex-other");
    rig.passes(1_000);
    assert!(rig.fetched());
}

#[test]
fn an_sdk_event_of_a_device_that_waits_to_be_destroyed_registers_nobody() {
    let mut rig = ann(Some(ANN));
    rig.incoming(CA);
    rig.page_of(PAGE_2, Some(BOB), "canary-flex-of-bob");
    rig.device_says(DeviceEvent::Registered { edge: None });
    assert!(!rig.state().registered && knows_nothing(&rig, PAGE_2));
}
