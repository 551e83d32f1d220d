//! How an agent goes, and comes back.

use protocol::page::{SignOut, SignOutReason};

use super::session::LOGOUT_MS;
use super::*;

/// A page whose extension knows SIGN_OUT.
fn signed_in() -> Rig {
    let mut page = Rig::new(boot());
    page.send(configured());
    page.send(heartbeat(newest(None)));
    page.ordered();
    page
}

fn offline() -> Activity {
    Activity { sid: "WA0".into(), name: "Offline".into(), available: false }
}

fn go_offline(page: &mut Rig) {
    page.set_flex(|flex| (flex.activity, flex.offline) = (Some(offline()), true));
}

fn come_back(page: &mut Rig) {
    page.set_flex(|flex| (flex.activity, flex.offline) = (Some(activity("Available")), false));
}

fn sign_outs(page: &mut Rig) -> Vec<SignOutReason> {
    page.ordered()
        .into_iter()
        .filter_map(|command| match command {
            Command::Post(ToExtension::SignOut { payload }) => Some(payload.reason),
            _ => None,
        })
        .collect()
}

fn nothing_goes_to_the_extension(page: &mut Rig) {
    page.send(Event::TokenUpdated);
    page.pass(120_000, None);
    let ordered = page.ordered();
    let said = ordered.iter().any(|one| matches!(one, Command::Post(_) | Command::PostToken(_)));
    assert!(!said, "{ordered:?}");
}

#[test]
fn flexs_logout_signs_the_extension_out_before_anything_else() {
    let mut page = signed_in();
    page.send(Event::LogOut);
    let first = page.ordered().into_iter().next();
    let payload = SignOut { reason: SignOutReason::Logout };
    assert_eq!(first, Some(Command::Post(ToExtension::SignOut { payload })));
    assert_eq!(page.shown().text, "Voice: off");
    page.set_flex(|flex| flex.session = FlexSession::LoggedOut);
    nothing_goes_to_the_extension(&mut page);
    assert_eq!(page.activity(), "Available", "whose activity is Flex's business now");
}

#[test]
fn a_logout_that_fails_or_comes_to_nothing_brings_the_voice_client_back() {
    let mut page = signed_in();
    page.send(Event::LogOut);
    page.send(Event::LogOutFailed);
    assert_eq!(posts(&page.ordered()), ["VOICE_CLIENT_EXTENSION_SIGN_OUT", CONFIGURE]);
    let mut page = signed_in();
    page.send(Event::LogOut);
    page.ordered();
    page.pass(LOGOUT_MS + 500, None);
    assert_eq!(posts(&page.ordered()), [CONFIGURE]);
    page.send(configured());
    page.send(heartbeat(newest(None)));
    assert_eq!(page.status(), "Voice: ready");
}

#[test]
fn a_logout_in_a_call_is_said_at_once() {
    let mut page = signed_in();
    page.send(heartbeat(newest(Some(call(SID)))));
    page.ordered();
    page.send(Event::LogOut);
    assert_eq!(sign_outs(&mut page), [SignOutReason::Logout]);
    assert_eq!(page.flex.active_call, ActiveCall::None, "its buttons would reach nobody");
}

#[test]
fn a_session_that_ended_signs_out_and_not_in_the_middle_of_a_call() {
    let mut page = signed_in();
    page.send(heartbeat(newest(Some(call(SID)))));
    page.set_flex(|flex| flex.session = FlexSession::Ended);
    page.pass(10_000, Some(&heartbeat(newest(Some(call(SID))))));
    assert_eq!(sign_outs(&mut page), []);
    page.send(heartbeat(newest(None)));
    assert_eq!(sign_outs(&mut page), [SignOutReason::SessionEnded]);
    assert!(page.shown().detail.contains("session has ended"));
    nothing_goes_to_the_extension(&mut page);
}

#[test]
fn the_switch_to_offline_signs_out_and_any_other_activity_brings_the_voice_client_back() {
    let mut page = signed_in();
    go_offline(&mut page);
    assert_eq!(sign_outs(&mut page), [SignOutReason::Offline]);
    assert_eq!(page.shown().text, "Voice: off");
    nothing_goes_to_the_extension(&mut page);
    for back in ["Available", "Break"] {
        page.set_flex(|flex| (flex.activity, flex.offline) = (Some(activity(back)), false));
        assert_eq!(posts(&page.ordered()), [CONFIGURE], "{back}");
        page.pass(4_000, None);
        assert_eq!(page.activity(), back, "who has just come back is given the time that a start is given");
        page.send(configured());
        assert!(page.ordered().iter().any(|one| matches!(one, Command::PostToken(_))));
        page.send(heartbeat(newest(None)));
        assert_eq!((page.status().as_str(), page.activity()), ("Voice: ready", back));
        go_offline(&mut page);
        page.ordered();
    }
}

#[test]
fn an_agent_who_comes_back_may_choose_any_activity_at_once() {
    let mut page = signed_in();
    go_offline(&mut page);
    page.pass(60_000, None);
    for name in ["Available", "Training", "Break"] {
        let intent = page.machine.intent_of(&choice(name));
        assert!(!intent.is_some_and(|intent| page.machine.refuses(&intent, page.now)), "{name}");
    }
}

#[test]
fn the_switch_to_offline_in_a_call_waits_for_its_end_and_that_of_its_task() {
    let mut page = signed_in();
    page.send(heartbeat(newest(Some(call(SID)))));
    page.set_flex(|flex| flex.voice_task = Some(VoiceTask::default()));
    go_offline(&mut page);
    page.pass(5_000, Some(&heartbeat(newest(Some(call(SID))))));
    page.pass(1_000, Some(&heartbeat(newest(None))));
    assert_eq!(sign_outs(&mut page), [], "the task is not over");
    page.set_flex(|flex| (flex.voice_task, flex.reservation_pending) = (None, true));
    assert_eq!(sign_outs(&mut page), [], "and a reservation waits");
    page.set_flex(|flex| flex.reservation_pending = false);
    assert_eq!(sign_outs(&mut page), [SignOutReason::Offline]);
    // The agent who changed their mind in the call is not signed out after it.
    let mut page = signed_in();
    page.send(heartbeat(newest(Some(call(SID)))));
    go_offline(&mut page);
    come_back(&mut page);
    page.pass(5_000, Some(&heartbeat(newest(None))));
    assert_eq!(sign_outs(&mut page), []);
}

#[test]
fn a_page_that_is_opened_while_offline_is_ready_before_the_day_begins() {
    let flex = FlexView { activity: Some(offline()), offline: true, ..flex("Available") };
    for late in [true, false] {
        // Flex may not know the activity yet when the plugin starts.
        let start =
            if late { FlexView { activity: None, offline: false, ..flex.clone() } } else { flex.clone() };
        let mut page = Rig::new(Boot { flex: start, ..boot() });
        page.set_flex(|view| *view = flex.clone());
        page.send(configured());
        page.pass(5_000, Some(&heartbeat(newest(None))));
        assert_eq!((page.status().as_str(), sign_outs(&mut page)), ("Voice: ready", vec![]));
    }
}

#[test]
fn where_the_plugin_puts_agents_without_voice_is_no_sign_out() {
    let mut page = signed_in();
    page.pass(6_000, None);
    assert_eq!(page.activity(), "Voice Client Offline");
    assert_eq!(sign_outs(&mut page), []);
    // Also where the workspace's own Offline serves for it.
    let settings = Settings { offline_activity: Some("Offline".into()), ..boot().settings };
    let activities = [activity("Available"), offline()].into();
    let flex = FlexView { activities, ..flex("Available") };
    let mut page = Rig::new(Boot { settings, flex, ..boot() });
    page.send(configured());
    page.send(heartbeat(newest(None)));
    page.pass(6_000, None);
    assert_eq!(page.activity(), "Offline");
    page.set_flex(|flex| flex.offline = true);
    page.pass(6_000, None);
    assert_eq!(sign_outs(&mut page), []);
    page.send(configured());
    page.send(heartbeat(newest(None)));
    page.set_flex(|flex| flex.offline = false);
    assert_eq!((page.status().as_str(), page.activity()), ("Voice: ready", "Available"));
}

#[test]
fn without_an_extension_a_detour_over_offline_opens_no_way_to_the_queue() {
    let mut page = Rig::new(boot());
    page.pass(10_000, None);
    assert_eq!(page.activity(), "Voice Client Offline");
    go_offline(&mut page);
    page.pass(10_000, None);
    assert!(page.status().contains("install or enable"), "{}", page.status());
    let intent = page.machine.intent_of(&choice("Available")).unwrap();
    assert!(page.machine.refuses(&intent, page.now));
}

#[test]
fn who_is_offline_is_told_that_this_is_why_no_call_can_be_started() {
    let mut page = signed_in();
    go_offline(&mut page);
    page.ordered();
    assert!(page.machine.refuses(&Intent::DialOut, page.now));
    page.send(Event::Refused(Intent::DialOut));
    assert_eq!(page.notified(), [words().plain(Text::DialOffline)]);
    assert_eq!(page.shown().text, "Voice: off", "and the voice client is not fetched for it");
}

#[test]
fn a_supervisor_who_is_offline_can_still_listen_after_a_moment() {
    let mut page = signed_in();
    go_offline(&mut page);
    page.pass(60_000, None);
    page.ordered();
    assert!(page.machine.refuses(&Intent::Monitor, page.now));
    page.send(Event::Refused(Intent::Monitor));
    let ordered = page.ordered();
    assert_eq!(posts(&ordered), [CONFIGURE], "the voice client is fetched");
    let said = Command::Notify(
        Severity::Warning,
        "The call is not listened to, because voice is still connecting. Try again in a moment.".into(),
    );
    assert!(ordered.contains(&said), "{ordered:?}");
    page.send(configured());
    page.pass(5_000, Some(&heartbeat(newest(None))));
    assert!(!page.machine.refuses(&Intent::Monitor, page.now));
    assert_eq!(sign_outs(&mut page), []);
}

#[test]
fn an_extension_that_goes_on_is_told_again_and_not_for_ever() {
    let mut page = signed_in();
    go_offline(&mut page);
    page.pass(60_000, Some(&heartbeat(newest(None))));
    assert_eq!(sign_outs(&mut page), [SignOutReason::Offline; 5]);
    assert_eq!(page.shown().text, "Voice: off", "whatever it says");
    page.send(Event::LogOut);
    assert_eq!(sign_outs(&mut page), [SignOutReason::Logout], "which means more");
    page.set_flex(|flex| flex.session = FlexSession::LoggedOut);
    assert_eq!(sign_outs(&mut page), []);
}

#[test]
fn an_extension_that_does_not_know_sign_out_is_left_alone_and_not_spoken_to() {
    for old in [heartbeat(state(None)), old_heartbeat(None)] {
        let mut page = Rig::new(boot());
        page.send(configured());
        page.send(old);
        page.ordered();
        go_offline(&mut page);
        page.send(Event::LogOut);
        assert_eq!(sign_outs(&mut page), []);
        nothing_goes_to_the_extension(&mut page);
        assert_eq!(page.shown().text, "Voice: off");
    }
}
