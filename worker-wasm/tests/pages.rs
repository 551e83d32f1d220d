//! Who is believed, what pins the configuration, what pages and popups are told.

mod rig;

use protocol::{
    ProblemCode, Status,
    page::{CallRef, Kind, SendDigits, SetMute, ToExtension, ToPage},
    popup::{FromPopup, ToPopup},
};
use rig::*;
use serde_json::json;
use worker_wasm::machine::{
    Badge, Command, DeviceEvent, Event, MicrophonePermission, PageMessage, PortId, Sender,
    config::PolicyValues,
};

fn refuses(name: &str, sender: Sender) -> bool {
    let mut rig = Rig::started();
    rig.take();
    rig.opens(PortId(9), name, sender);
    rig.did(|command| *command == Command::ClosePort { port: PortId(9) })
}

#[test]
fn a_page_port_is_believed_only_from_the_top_frame_of_a_tab_on_the_content_scripts_origin() {
    assert!(!refuses("flexUI", flex_tab()));
    assert!(refuses("flexUI", Sender { id: Some("another".into()), ..flex_tab() }));
    assert!(refuses("flexUI", Sender { id: None, ..flex_tab() }));
    assert!(refuses("flexUI", Sender { tab: None, ..flex_tab() }));
    assert!(refuses("flexUI", Sender { frame_id: Some(3), ..flex_tab() }));
    assert!(refuses("flexUI", Sender { frame_id: None, ..flex_tab() }));
    assert!(refuses("flexUI", Sender { origin: Some("https://evil.test".into()), ..flex_tab() }));
    assert!(refuses("flexUI", Sender { origin: None, ..flex_tab() }));
    assert!(refuses("flexUI", own_page("popup.html")));
}

#[test]
fn a_url_that_merely_contains_popup_or_offscreen_is_neither() {
    assert!(!refuses("popup", own_page("popup.html")));
    assert!(!refuses("popup", own_page("options.html#devices")));
    assert!(!refuses("popup", Sender { tab: Some(1), ..own_page("welcome.html?first") }));
    assert!(!refuses("offscreen", own_page("offscreen.html")));
    let disguised = |path: &str| Sender { url: Some(format!("{FLEX_ORIGIN}/{path}")), ..flex_tab() };
    assert!(refuses("popup", disguised("popup.html")));
    assert!(refuses("offscreen", disguised("offscreen.html")));
    assert!(refuses("popup", own_page("offscreen.html")));
    assert!(refuses("popup", own_page("x/popup.html")));
    assert!(refuses("offscreen", own_page("popup.html")));
    assert!(refuses("offscreen", Sender { tab: Some(1), ..own_page("offscreen.html") }));
    assert!(refuses("offscreen", Sender { id: Some("another".into()), ..own_page("offscreen.html") }));
    assert!(refuses("something", own_page("popup.html")));
}

#[test]
fn a_refused_connection_that_speaks_anyway_is_not_heard() {
    let mut rig = Rig::on_call();
    rig.opens(PortId(9), "popup", flex_tab());
    rig.happens(Event::FromPopup { port: PortId(9), message: Some(FromPopup::HangUp { sid: None }) });
    rig.happens(Event::FromOffscreen {
        port: PortId(9),
        message: Some(protocol::offscreen::FromOffscreen::Ended { call_sid: sid(CA), problem: None }),
    });
    assert!(rig.to_offscreen().is_empty());
    assert!(rig.state().call.is_some());
}

#[test]
fn the_first_configure_pins_account_url_and_prefix_and_is_answered_with_the_state() {
    let rig = Rig::configured();
    let told = rig.to_page(PAGE);
    assert!(
        matches!(told[..], [ToPage::Configured { payload: Some(state) }] if state.status == Status::WaitingForToken),
        "{told:?}"
    );
}

#[test]
fn another_account_another_url_or_another_prefix_is_rejected_with_the_reason() {
    for (account, url, prefix, reason) in [
        (OTHER_AC, URL, "ext_", ProblemCode::WrongAccount),
        (AC, "https://evil.test/v1/voice/token", "ext_", ProblemCode::WrongTokenUrl),
        (AC, "http://tokens.acme.test/v1/voice/token", "ext_", ProblemCode::WrongTokenUrl),
        (AC, URL, "ja_", ProblemCode::WrongPrefix),
    ] {
        let mut rig = Rig::registered();
        rig.page_opens(PAGE_2);
        rig.configure(PAGE_2, account, url, prefix);
        assert!(
            matches!(rig.to_page(PAGE_2)[..], [ToPage::ConfigRejected { payload: Some(p) }] if p.code == reason),
            "{reason:?}: {:?}",
            rig.to_page(PAGE_2)
        );
        rig.take();
        rig.passes(3_000);
        assert_eq!(rig.heartbeats(PAGE).len(), 3, "the accepted page goes on");
        assert!(rig.to_page(PAGE_2).is_empty(), "the refused page hears nothing more");
        assert_eq!(rig.state().status, Status::Registered);
    }
}

#[test]
fn what_a_page_does_wrong_is_shown_in_the_popup_and_nowhere_else_until_it_does_it_right() {
    let shown = |rig: &Rig| rig.shown().and_then(|state| state.client.problem.as_ref()).map(|p| p.code);
    let mut rig = Rig::registered();
    rig.popup_opens();
    rig.page_opens(PAGE_2);
    rig.take();
    rig.configure(PAGE_2, OTHER_AC, URL, "ext_");
    assert_eq!(shown(&rig), Some(ProblemCode::WrongAccount));
    assert!(rig.to_page(PAGE).is_empty(), "the page that does it right is not told");
    rig.configure(PAGE_2, AC, URL, "ext_");
    assert_eq!(shown(&rig), None);
    for code in [ProblemCode::MalformedMessage, ProblemCode::UnknownType] {
        rig.happens(Event::FromPage { port: PAGE_2, message: PageMessage::Refused(code) });
        assert_eq!(shown(&rig), Some(code));
    }
    rig.closes(PAGE_2);
    assert_eq!(shown(&rig), None);
    assert_eq!(rig.state().status, Status::Registered);
}

#[test]
fn a_token_url_without_tls_does_not_pin_anything() {
    let mut rig = Rig::started();
    rig.page_opens(PAGE);
    rig.configure(PAGE, AC, "http://tokens.acme.test/", "ext_");
    assert!(matches!(rig.to_page(PAGE)[..], [ToPage::ConfigRejected { .. }]));
    assert_eq!(rig.state().status, Status::WaitingForFlex);
    rig.configure(PAGE, AC, URL, "ext_");
    assert_eq!(rig.configureds(PAGE), 1);
}

#[test]
fn policy_goes_before_first_use() {
    let policy = json!({
        "accountSids": [AC], "tokenServiceUrls": [URL], "identityPrefix": "not a prefix", "agentMayRestart": false,
    });
    let mut rig = Rig::with_policy(policy.into());
    rig.popup_opens();
    let shown = rig.shown().unwrap();
    assert_eq!(shown.policy.len(), 3, "what is set and valid: {:?}", shown.policy);
    assert!(shown.policy_complaints[0].key == "identityPrefix" && !shown.may_restart);
    assert!(shown.may_change_settings);
    assert!(shown.managed);
    assert_eq!(shown.account_sid.as_ref().unwrap().as_str(), AC);
    assert_eq!(shown.token_service.as_deref(), Some("https://tokens.acme.test"));
    assert!(shown.log.iter().any(|line| line.message.contains("identityPrefix")));
    rig.page_opens(PAGE);
    rig.configure(PAGE, OTHER_AC, URL, "ext_");
    rig.configure(PAGE, AC, "https://evil.test/", "ext_");
    assert_eq!(rig.to_page(PAGE).len(), 2);
    assert!(rig.to_page(PAGE).iter().all(|message| matches!(message, ToPage::ConfigRejected { .. })));
    rig.configure(PAGE, AC, URL, "ext_");
    assert_eq!(rig.configureds(PAGE), 1);
}

#[test]
fn a_policy_that_comes_late_ends_what_it_does_not_allow_but_never_a_call() {
    let mut rig = Rig::on_call();
    rig.happens(Event::PolicyChanged { policy: json!({"accountSids": [OTHER_AC]}).into() });
    assert!(rig.state().call.is_some());
    assert_eq!(rig.state().status, Status::Registered);
    rig.ended(CA, None);
    assert_eq!(rig.state().status, Status::WaitingForFlex);
    assert!(rig.did(|command| matches!(command, Command::DestroyDevice { .. })));
    assert!(rig.did(|command| *command == Command::ClosePort { port: PAGE }));
}

#[test]
fn a_page_that_was_refused_may_try_again_under_a_new_policy() {
    let mut rig = Rig::with_policy(json!({"accountSids": [OTHER_AC]}).into());
    rig.page_opens(PAGE);
    rig.configure(PAGE, AC, URL, "ext_");
    rig.take();
    rig.happens(Event::PolicyChanged { policy: json!({"accountSids": [AC]}).into() });
    assert!(
        rig.did(|command| *command == Command::ClosePort { port: PAGE }),
        "its content script connects again"
    );
}

#[test]
fn a_page_that_lives_where_policy_allows_no_page_is_let_go_and_then_told_why_while_its_call_goes_on() {
    let mut rig = Rig::on_call();
    rig.happens(Event::PolicyChanged { policy: json!({"pageOrigins": ["https://flex.acme.test"]}).into() });
    assert!(rig.did(|command| *command == Command::ClosePort { port: PAGE }));
    assert!(rig.state().call.is_some());
    rig.page_opens(PAGE);
    rig.take();
    rig.configure(PAGE, AC, URL, "ext_");
    let [ToPage::ConfigRejected { payload: Some(problem) }] = rig.to_page(PAGE)[..] else { panic!() };
    assert_eq!(problem.code, ProblemCode::WrongPageOrigin);
}

#[test]
fn the_flight_recorder_keeps_what_policy_wants_kept() {
    let mut rig = Rig::with_policy(json!({"logLevel": "warning"}).into());
    rig.popup_opens();
    rig.page_opens(PAGE);
    rig.configure(PAGE, AC, URL, "ext_");
    rig.configure(PAGE, OTHER_AC, URL, "ext_");
    let shown = rig.shown().unwrap();
    assert!(shown.log.iter().any(|line| line.message.starts_with("Refused a page")), "{:?}", shown.log);
    assert!(!shown.log.iter().any(|line| line.message.starts_with("Serving account")), "{:?}", shown.log);
}

#[test]
fn a_reloaded_page_is_told_of_the_live_call_at_once() {
    let mut rig = Rig::on_call();
    rig.closes(PAGE);
    assert!(rig.state().call.is_some());
    rig.page_opens(PAGE_2);
    rig.configure(PAGE_2, AC, URL, "ext_");
    // Its Flex token says whose page it is, and a plugin answers CONFIGURED with it.
    rig.flex_token(PAGE_2, "canary-flex-1", 8 * HOUR);
    assert!(!rig.fetched());
    let told = rig.to_page(PAGE_2);
    let [ToPage::Configured { .. }, ToPage::State { payload: state }, ..] = told[..] else {
        panic!("{told:?}")
    };
    assert_eq!(state.call.as_ref().unwrap().sid.as_str(), CA);
    assert!(state.registered);
}

#[test]
fn commands_before_configure_are_answered_not_configured() {
    let mut rig = Rig::on_call();
    rig.page_opens(PAGE_2);
    for message in [
        ToExtension::HangUp { payload: None },
        ToExtension::SendDigits { payload: SendDigits { digits: "1".parse().unwrap() } },
        ToExtension::SetMute { payload: SetMute { muted: true } },
    ] {
        rig.take();
        rig.page_says(PAGE_2, message);
        assert_eq!(rig.error(PAGE_2), Some(ProblemCode::NotConfigured));
        assert!(rig.to_offscreen().is_empty());
    }
    rig.take();
    rig.flex_token(PAGE_2, "canary-flex-9", 9 * HOUR);
    assert_eq!(rig.error(PAGE_2), Some(ProblemCode::NotConfigured));
}

#[test]
fn commands_without_a_call_are_answered_no_call() {
    let mut rig = Rig::registered();
    rig.popup_opens();
    rig.page_says(PAGE, ToExtension::SetMute { payload: SetMute { muted: true } });
    assert_eq!(rig.error(PAGE), Some(ProblemCode::NoCall));
    rig.popup_says(FromPopup::HangUp { sid: None });
    assert!(rig.did(
        |c| matches!(c, Command::ToPopup { message, .. } if matches!(**message, ToPopup::Refused { .. }))
    ));
}

#[test]
fn a_hang_up_for_a_call_that_is_over_does_not_end_the_next_one() {
    let mut rig = Rig::on_call();
    rig.page_says(PAGE, ToExtension::HangUp { payload: Some(CallRef { call_sid: sid(OTHER_CA) }) });
    assert_eq!(rig.error(PAGE), Some(ProblemCode::NoCall));
    assert!(rig.to_offscreen().is_empty());
}

#[test]
fn what_does_not_parse_is_answered_and_harms_nothing() {
    let mut rig = Rig::registered();
    for (kind, code) in [
        (Kind::Known("VOICE_CLIENT_EXTENSION_HANGUP_CALL"), ProblemCode::MalformedMessage),
        (Kind::Unknown, ProblemCode::UnknownType),
        (Kind::Foreign, ProblemCode::MalformedMessage),
    ] {
        rig.take();
        rig.happens(Event::FromPage { port: PAGE, message: PageMessage::Malformed(kind) });
        assert_eq!(rig.error(PAGE), Some(code));
    }
    rig.happens(Event::FromOffscreen { port: OFFSCREEN, message: None });
    rig.happens(Event::FromPopup { port: POPUP, message: None });
    assert_eq!(rig.state().status, Status::Registered);
}

#[test]
fn heartbeats_start_once_the_gateway_has_confirmed_the_registration_and_come_every_second() {
    let mut rig = Rig::registering();
    rig.passes(5_000);
    assert!(rig.heartbeats(PAGE).is_empty(), "a fetched token is not a registration");
    rig.is_registered();
    rig.passes(5_000);
    assert_eq!(rig.heartbeats(PAGE).len(), 6);
    assert!(
        rig.heartbeats(PAGE)
            .iter()
            .all(|beat| beat.voice_client_identity == IDENTITY && beat.error.is_none())
    );
}

#[test]
fn a_heartbeat_says_error_only_while_the_registration_is_not_confirmed() {
    let mut rig = Rig::registered();
    rig.device_says(DeviceEvent::Error { code: Some(31_005) });
    rig.device_says(DeviceEvent::Unregistered);
    rig.passes(1_000);
    let beat = rig.heartbeats(PAGE).last().copied().unwrap().clone();
    assert_eq!((beat.error, beat.state.status), (Some(true), Status::Reconnecting));
    rig.is_registered();
    rig.passes(1_000);
    let beat = rig.heartbeats(PAGE).last().copied().unwrap().clone();
    assert_eq!((beat.error, beat.state.status), (Some(false), Status::Registered));
}

#[test]
fn a_plain_loss_of_the_registration_without_an_sdk_error_is_an_error_too() {
    let mut rig = Rig::registered();
    rig.device_says(DeviceEvent::Unregistered);
    rig.passes(1_000);
    assert_eq!(rig.heartbeats(PAGE).last().unwrap().error, Some(true));
}

#[test]
fn heartbeats_missed_while_the_machine_slept_are_not_made_up_for() {
    let mut rig = Rig::registered();
    rig.now = rig.now.plus(8 * HOUR / 100);
    rig.wakes();
    assert_eq!(rig.heartbeats(PAGE).len(), 1);
}

#[test]
fn a_clock_that_is_set_back_does_not_stop_the_heartbeats() {
    let mut rig = Rig::registered();
    rig.now = kernel::Timestamp::from_millis(rig.now.as_millis() - HOUR);
    rig.happens(Event::Alarm);
    rig.take();
    rig.passes(3_000);
    assert_eq!(rig.heartbeats(PAGE).len(), 3);
}

#[test]
fn every_accepted_page_gets_heartbeats_and_no_other_page_does() {
    let mut rig = Rig::registered();
    rig.page_opens(PAGE_2);
    let stranger = PortId(9);
    rig.page_opens(stranger);
    rig.configure(PAGE_2, AC, URL, "ext_");
    rig.flex_token(PAGE_2, "canary-flex-1", 8 * HOUR);
    rig.take();
    rig.passes(2_000);
    assert_eq!((rig.heartbeats(PAGE).len(), rig.heartbeats(PAGE_2).len()), (2, 2));
    assert!(rig.to_page(stranger).is_empty());
    rig.popup_opens();
    let shown = rig.shown().unwrap();
    assert_eq!((shown.pages_open, shown.pages_connected), (3, 2));
}

#[test]
fn an_accepted_page_is_told_of_every_change_also_before_the_first_heartbeat() {
    let mut rig = Rig::configured();
    rig.take();
    rig.flex_token(PAGE, "canary-flex-1", 8 * HOUR);
    rig.voice_token("canary-voice-1", 3_600);
    rig.is_registered();
    let told: Vec<Status> = rig
        .to_page(PAGE)
        .into_iter()
        .filter_map(|message| match message {
            ToPage::State { payload } => Some(payload.status),
            _ => None,
        })
        .collect();
    assert_eq!(told, [Status::FetchingToken, Status::Registering, Status::Registered]);
}

#[test]
fn nothing_is_sent_twice_when_nothing_changed() {
    let mut rig = Rig::registered();
    rig.popup_opens();
    rig.take();
    rig.happens(Event::Alarm);
    rig.take();
    for _ in 0..5 {
        rig.wakes();
    }
    assert!(rig.commands.is_empty(), "{:?}", rig.commands);
}

#[test]
fn what_comes_before_the_saved_state_is_read_is_not_lost_and_keeps_its_order() {
    let mut rig = Rig::asleep();
    rig.page_opens(PAGE);
    rig.configure(PAGE, AC, URL, "ext_");
    rig.flex_token(PAGE, "canary-flex-1", 8 * HOUR);
    rig.opens(PortId(9), "flexUI", own_page("popup.html"));
    assert!(rig.commands.is_empty());
    rig.happens(Event::Started {
        persisted: None,
        preferences: Box::new(agreed()),
        policy: PolicyValues::default(),
    });
    assert_eq!(rig.configureds(PAGE), 1);
    assert!(rig.fetched());
    assert!(rig.did(|command| *command == Command::ClosePort { port: PortId(9) }));
}

#[test]
fn restart_forgets_everything_and_lets_the_pages_come_back_without_a_reload() {
    let mut rig = Rig::registered();
    rig.popup_opens();
    rig.take();
    rig.popup_says(FromPopup::Restart);
    assert!(rig.did(|command| matches!(command, Command::DestroyDevice { .. })));
    assert!(rig.did(|command| *command == Command::CloseOffscreen));
    assert!(rig.did(|command| *command == Command::Watchdog { on: false }));
    assert!(
        matches!(rig.to_page(PAGE)[..], [ToPage::State { payload }] if payload.status == Status::WaitingForFlex)
    );
    assert!(rig.did(|command| *command == Command::ClosePort { port: PAGE }));
    let saved = rig.saved.clone().unwrap();
    assert!(saved.config.is_none() && saved.flex.is_none() && saved.voice.is_none());
    assert_eq!(rig.shown().unwrap().pages_open, 0);

    // The content script connects again and repeats CONFIGURE; another account is welcome now.
    rig.happens(Event::OffscreenClosed);
    rig.page_opens(PAGE_2);
    rig.configure(PAGE_2, OTHER_AC, URL, "ext_");
    assert_eq!(rig.configureds(PAGE_2), 1);
}

#[test]
fn restart_is_refused_during_a_call() {
    let mut rig = Rig::on_call();
    rig.popup_opens();
    rig.take();
    rig.popup_says(FromPopup::Restart);
    assert!(!rig.did(|command| matches!(command, Command::DestroyDevice { .. } | Command::CloseOffscreen)));
    assert!(rig.did(
        |c| matches!(c, Command::ToPopup { message, .. } if matches!(**message, ToPopup::Refused { .. }))
    ));
    assert!(rig.state().call.is_some());
}

#[test]
fn a_popup_sees_the_state_at_once_and_each_change() {
    let mut rig = Rig::started();
    rig.popup_opens();
    assert_eq!(rig.shown().unwrap().client.status, Status::WaitingForFlex);
    rig.take();
    rig.page_opens(PAGE);
    assert_eq!(rig.shown().unwrap().pages_open, 1);
    rig.configure(PAGE, AC, URL, "ext_");
    assert_eq!(rig.shown().unwrap().client.status, Status::WaitingForToken);
    assert_eq!(rig.shown().unwrap().pages_connected, 1);
}

#[test]
fn the_badge_shows_what_matters_most() {
    let badge = |rig: &Rig| {
        rig.commands
            .iter()
            .rev()
            .find_map(|c| if let Command::Badge(badge) = c { Some(*badge) } else { None })
    };
    let mut rig = Rig::started();
    assert_eq!(badge(&rig), Some(Badge::Off));
    rig.page_opens(PAGE);
    rig.configure(PAGE, AC, URL, "ext_");
    assert_eq!(badge(&rig), Some(Badge::Connecting));
    rig.flex_token(PAGE, "canary-flex-1", 8 * HOUR);
    rig.voice_token("canary-voice-1", 3_600);
    rig.is_registered();
    rig.offscreen_opens(None);
    assert_eq!(badge(&rig), Some(Badge::Ready));
    rig.incoming(CA);
    assert_eq!(badge(&rig), Some(Badge::OnCall));
    let mut muted = held(CA, protocol::CallPhase::Open);
    muted.muted = true;
    rig.offscreen_says(protocol::offscreen::FromOffscreen::Call { call: muted });
    assert_eq!(badge(&rig), Some(Badge::Muted));
    rig.ended(CA, None);
    assert_eq!(badge(&rig), Some(Badge::Ready));
    rig.device_says(DeviceEvent::Unregistered);
    assert_eq!(badge(&rig), Some(Badge::Problem), "no calls arrive");
    rig.is_registered();
    assert_eq!(badge(&rig), Some(Badge::Ready));
    rig.happens(Event::Microphone(MicrophonePermission::Denied));
    assert_eq!(badge(&rig), Some(Badge::Problem));
}

#[test]
fn the_welcome_page_opens_on_installation_unless_the_microphone_is_granted_already() {
    for (first, permission, opens) in [
        (true, MicrophonePermission::Prompt, true),
        (true, MicrophonePermission::Denied, true),
        (true, MicrophonePermission::Granted, false),
        (false, MicrophonePermission::Prompt, false),
    ] {
        let mut rig = Rig::started();
        rig.happens(Event::Installed { first });
        assert!(rig.did(|command| *command == Command::CheckMicrophone));
        rig.happens(Event::Microphone(permission));
        rig.happens(Event::Microphone(permission));
        let count = rig.commands.iter().filter(|command| **command == Command::OpenWelcome).count();
        assert_eq!(count, usize::from(opens), "{first} {permission:?}");
    }
}

#[test]
fn a_microphone_that_would_fail_the_next_call_is_a_problem_before_it_comes() {
    let mut rig = Rig::registered();
    rig.happens(Event::Microphone(MicrophonePermission::Prompt));
    assert_eq!(rig.state().problem.unwrap().code, ProblemCode::MicrophoneUnavailable);
    rig.popup_opens();
    rig.take();
    rig.popup_says(FromPopup::MicrophoneChanged);
    assert!(rig.did(|command| *command == Command::CheckMicrophone));
    rig.happens(Event::Microphone(MicrophonePermission::Granted));
    assert!(rig.state().problem.is_none());
}

#[test]
fn the_watchdog_alarm_runs_while_there_is_something_to_watch() {
    let mut rig = Rig::started();
    assert!(rig.did(|command| *command == Command::Watchdog { on: false }));
    rig.page_opens(PAGE);
    rig.configure(PAGE, AC, URL, "ext_");
    assert!(rig.did(|command| *command == Command::Watchdog { on: true }));
}

#[test]
fn a_worker_that_is_started_again_and_again_writes_one_line_about_it() {
    let mut rig = Rig::started();
    for _ in 0..50 {
        rig.is_killed();
    }
    assert_eq!(rig.saved.unwrap().log.len(), 2);
}

#[test]
fn the_flight_recorder_keeps_its_last_lines_and_a_hostile_page_cannot_wash_them_out() {
    let mut rig = Rig::registered();
    rig.page_opens(PAGE_2);
    for _ in 0..500 {
        rig.configure(PAGE_2, OTHER_AC, URL, "ext_");
        rig.configure(PAGE_2, AC, "https://evil.test/", "ext_");
        rig.configure(PAGE_2, AC, URL, "ja_");
    }
    let log = &rig.saved.as_ref().unwrap().log;
    assert!(log.len() < 30, "{}", log.len());
    for _ in 0..300 {
        rig.device_says(DeviceEvent::Unregistered);
        rig.is_registered();
    }
    let log = &rig.saved.as_ref().unwrap().log;
    assert_eq!(log.len(), 200);
    assert!(log.iter().all(|line| !line.message.contains("evil") && !line.message.contains(CANARY)));
}

#[test]
fn the_device_connects_where_policy_says_also_when_that_changes() {
    let edges = |rig: &mut Rig| {
        rig.take().into_iter().find_map(|command| match command {
            Command::CreateDevice { edges, .. } => {
                Some(edges.iter().map(ToString::to_string).collect::<Vec<_>>())
            }
            _ => None,
        })
    };
    let mut rig = Rig::configured();
    rig.flex_token(PAGE, "canary-flex-1", 8 * HOUR);
    rig.voice_token("canary-voice-1", 3_600);
    assert_eq!(edges(&mut rig), Some(Vec::new()), "the SDK's own choice");
    rig.is_registered();
    rig.happens(Event::PolicyChanged { policy: json!({"edges": ["dublin", "roaming"]}).into() });
    assert_eq!(edges(&mut rig), Some(vec!["dublin".into(), "roaming".into()]));
    rig.is_registered();
    rig.happens(Event::PolicyChanged {
        policy: json!({"edges": ["dublin", "roaming"], "logLevel": "error"}).into(),
    });
    assert_eq!(edges(&mut rig), None, "nothing that matters to the Device changed");
}

/// As a content script does that has something to say: it connects, and is let in or not.
fn is_let_in(rig: &mut Rig, port: u64, tab: i64) -> bool {
    rig.take();
    rig.opens(PortId(port), "flexUI", Sender { tab: Some(tab), ..flex_tab() });
    let refused = rig.did(|command| *command == Command::ClosePort { port: PortId(port) });
    if !refused {
        rig.closes(PortId(port));
    }
    !refused
}

#[test]
fn a_tab_that_connects_without_end_is_cut_off_and_counted_and_no_other_tab_notices() {
    let mut rig = Rig::registered();
    // Loaded anew a thousand times a second, ten seconds long.
    let mut let_in = 0;
    for port in 100..10_100 {
        let_in += u32::from(is_let_in(&mut rig, port, 7));
        rig.passes(1);
    }
    assert!((40..=61).contains(&let_in), "{let_in}");
    assert!(is_let_in(&mut rig, 20_000, 8), "another tab has its own bucket");
    rig.passes(1_000);
    assert!(is_let_in(&mut rig, 20_001, 7), "it may go on as soon as it is slower");
    rig.popup_opens();
    let shown = rig.shown().unwrap();
    assert_eq!(shown.counters["connections_flooded"], 10_000 - let_in);
    assert_eq!(shown.log.iter().filter(|entry| entry.message.contains("without end")).count(), 1);
    assert!(rig.state().registered);
}

#[test]
fn an_agent_who_holds_f5_down_is_let_in_each_time() {
    let mut rig = Rig::registered();
    for port in 100..120 {
        assert!(is_let_in(&mut rig, port, 7), "{port}");
        rig.passes(50);
    }
}

#[test]
fn a_script_that_wants_the_plugins_place_is_counted_logged_and_shown_and_the_page_goes_on() {
    let mut rig = Rig::registered();
    rig.popup_opens();
    let contested = || PageMessage::Dropped { foreign: 0, flooded: 0, contested: 2 };
    rig.take();
    rig.happens(Event::FromPage { port: PAGE, message: contested() });
    assert_eq!(rig.error(PAGE), Some(ProblemCode::LineContested), "the plugin shows it in Flex");
    let problem = |rig: &Rig| rig.shown().and_then(|shown| shown.client.problem.clone()).map(|it| it.code);
    assert_eq!(problem(&rig), Some(ProblemCode::LineContested));
    assert!(rig.state().registered && rig.state().problem.is_none(), "it is no fault of the voice client");
    let shown = rig.shown().unwrap();
    assert_eq!(shown.counters["ports_contested"], 2);
    assert!(shown.log.iter().any(|entry| entry.message.contains("in the plugin's place")));

    // Not told again and again, and not forgotten because the plugin says something good.
    rig.passes(2_000);
    rig.take();
    rig.happens(Event::FromPage { port: PAGE, message: contested() });
    assert_eq!(rig.error(PAGE), None);
    rig.configure(PAGE, AC, URL, "ext_");
    rig.popup_opens();
    assert_eq!(problem(&rig), Some(ProblemCode::LineContested));
    rig.passes(61_000);
    rig.configure(PAGE, AC, URL, "ext_");
    assert_eq!(problem(&rig), None);
}
