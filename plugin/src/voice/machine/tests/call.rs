//! The call's proxy, and Flex's buttons.

use super::*;

#[test]
fn a_call_of_the_extension_stands_in_flex_and_ends_there() {
    let mut page = ready();
    page.send(Event::Message(ToPage::State { payload: state(Some(call(SID))) }));
    let proxy =
        CallProxy { sid: SID.into(), from: Some("+15550100".into()), muted: false, phase: CallPhase::Open };
    assert!(page.ordered().contains(&Command::InstallCall(proxy)));
    page.send(Event::Message(ToPage::State { payload: state(None) }));
    assert!(page.ordered().contains(&Command::RemoveCall));
    assert_eq!(page.flex.active_call, ActiveCall::None);
}

#[test]
fn a_reloaded_page_has_the_call_with_the_first_answer_before_any_heartbeat() {
    let mut page = Rig::new(boot());
    page.send(Event::Message(ToPage::Configured {
        payload: Some(state(Some(CallView { muted: true, ..call(SID) }))),
    }));
    assert_eq!(page.flex.active_call, ActiveCall::Ours);
    assert_eq!(page.status(), "Voice: on a call, muted");
    page.send(Event::Mute(false));
    assert_eq!(posts(&page.ordered()).last(), Some(&"VOICE_CLIENT_EXTENSION_SET_MUTE"));
}

#[test]
fn flexs_buttons_reach_the_extension() {
    let mut page = on_call();
    page.send(Event::HangUp);
    page.send(Event::Mute(true));
    page.send(Event::Digits("5".into()));
    let mut ordered = page.ordered();
    ordered.retain(|c| !matches!(c, Command::ShowStatus(_)));
    let call_sid = CallSid::new(SID).unwrap();
    assert_eq!(ordered[0], Command::Post(ToExtension::HangUp { payload: Some(CallRef { call_sid }) }));
    assert_eq!(ordered[1], Command::Post(ToExtension::SetMute { payload: SetMute { muted: true } }));
    assert_eq!(ordered[2], Command::ShowMute(true));
    let digits = DtmfDigits::new("5").unwrap();
    assert_eq!(ordered[3], Command::Post(ToExtension::SendDigits { payload: SendDigits { digits } }));
}

#[test]
fn buttons_without_a_call_do_nothing() {
    let mut page = ready();
    for event in [Event::HangUp, Event::Mute(true), Event::ToggleMute, Event::Digits("1".into())] {
        page.send(event);
    }
    assert!(page.ordered().is_empty());
}

#[test]
fn long_digits_travel_in_several_messages_and_nonsense_does_not_travel() {
    let mut page = on_call();
    page.send(Event::Digits("1".repeat(70)));
    assert_eq!(posts(&page.ordered()).len(), 3);
    for nonsense in ["", "abc", "é".repeat(40).as_str()] {
        page.send(Event::Digits(nonsense.into()));
        assert!(page.ordered().is_empty(), "{nonsense}");
    }
}

#[test]
fn mute_shows_at_once_outlives_a_late_report_and_bows_to_the_extension() {
    let mut page = on_call();
    page.send(Event::Mute(true));
    page.ordered();
    page.send(heartbeat(state(Some(call(SID))))); // was on its way
    assert!(!page.ordered().contains(&Command::ShowMute(false)));
    page.now = page.now.plus(lifeline::mute::HOLD_MS);
    page.send(heartbeat(state(Some(call(SID))))); // the extension did not mute
    assert!(page.ordered().contains(&Command::ShowMute(false)));
    page.send(heartbeat(state(Some(CallView { muted: true, ..call(SID) })))); // muted in the popup
    assert!(page.ordered().contains(&Command::ShowMute(true)));
}

#[test]
fn a_call_that_another_script_removed_is_put_back_at_the_next_heartbeat() {
    let mut page = on_call();
    page.set_flex(|flex| flex.active_call = ActiveCall::None);
    assert!(page.ordered().is_empty());
    page.send(heartbeat(state(Some(call(SID)))));
    assert_eq!(page.flex.active_call, ActiveCall::Ours);
}

#[test]
fn flexs_own_call_is_never_replaced_and_ours_comes_when_it_is_over() {
    let mut page = ready();
    page.set_flex(|flex| flex.active_call = ActiveCall::Foreign);
    page.pass(5_000, Some(&heartbeat(state(Some(call(SID))))));
    assert_eq!(page.flex.active_call, ActiveCall::Foreign);
    page.set_flex(|flex| flex.active_call = ActiveCall::None);
    assert_eq!(page.flex.active_call, ActiveCall::Ours);
}

#[test]
fn a_call_that_a_silent_extension_can_no_longer_end_is_taken_out_and_comes_back_with_it() {
    let mut page = on_call();
    page.pass(5_000, None);
    assert!(page.ordered().contains(&Command::RemoveCall));
    page.send(Event::Message(ToPage::Configured { payload: Some(state(Some(call(SID)))) }));
    assert_eq!(page.flex.active_call, ActiveCall::Ours);
}

#[test]
fn a_second_call_takes_the_firsts_place() {
    let mut page = on_call();
    page.send(heartbeat(state(Some(call(OTHER_SID)))));
    let ordered = page.ordered();
    assert_eq!(ordered[0], Command::RemoveCall);
    assert!(matches!(&ordered[1], Command::InstallCall(call) if call.sid == OTHER_SID));
}

#[test]
fn the_calls_phase_is_followed() {
    let mut page = on_call();
    let reconnecting = CallView { state: CallPhase::Reconnecting, ..call(SID) };
    page.send(heartbeat(state(Some(reconnecting))));
    assert!(page.ordered().contains(&Command::ShowPhase(CallPhase::Reconnecting)));
}

#[test]
fn where_the_store_does_not_take_the_call_the_documented_actions_are_used() {
    let mut page = ready();
    page.takes_calls = false;
    page.pass(10_000, Some(&heartbeat(state(Some(call(SID))))));
    let ordered = page.ordered();
    assert_eq!(ordered.iter().filter(|c| **c == Command::TakeOverActions).count(), 1);
    assert_eq!(ordered.iter().filter(|c| matches!(c, Command::InstallCall(_))).count(), 1);
    assert!(page.machine.takes_over(Control::Other, page.now));
    page.send(Event::ToggleMute);
    page.send(Event::ToggleMute);
    let muted: Vec<_> = page
        .ordered()
        .into_iter()
        .filter_map(|c| {
            if let Command::Post(ToExtension::SetMute { payload }) = c { Some(payload.muted) } else { None }
        })
        .collect();
    assert_eq!(muted, [true, false]);
    page.set_flex(|flex| flex.active_call = ActiveCall::Foreign);
    assert!(!page.machine.takes_over(Control::Other, page.now), "Flex's own call keeps its buttons");
    page.set_flex(|flex| flex.active_call = ActiveCall::None);
    page.send(heartbeat(state(None)));
    assert!(!page.machine.takes_over(Control::Other, page.now));
}

#[test]
fn with_an_old_extension_a_live_voice_task_stands_in_for_the_call() {
    let mut page = Rig::new(boot());
    page.send(configured());
    page.send(old_heartbeat(None));
    page.set_flex(|flex| {
        flex.voice_task = Some(VoiceTask { worker_call_sid: Some(SID.into()), ..VoiceTask::default() })
    });
    assert_eq!(page.flex.active_call, ActiveCall::Ours);
    page.ordered();
    page.send(Event::HangUp);
    assert_eq!(page.ordered(), [Command::Post(ToExtension::HangUp { payload: None })]);
    page.send(Event::Digits("7".into()));
    assert_eq!(posts(&page.ordered()), ["VOICE_CLIENT_EXTENSION_SEND_DTMF_DIGITS"]);
    page.send(Event::Mute(true));
    assert_eq!(page.ordered(), [Command::Notify(Severity::Warning, words().plain(Text::CannotMute))]);
    page.set_flex(|flex| flex.voice_task = None);
    assert_eq!(page.flex.active_call, ActiveCall::None);
}

#[test]
fn a_new_extension_without_a_call_gets_no_proxy_for_a_task() {
    let mut page = ready();
    page.set_flex(|flex| {
        flex.voice_task = Some(VoiceTask { worker_call_sid: Some(SID.into()), ..VoiceTask::default() })
    });
    page.pass(3_000, Some(&heartbeat(state(None))));
    assert_eq!(page.flex.active_call, ActiveCall::None);
}

#[test]
fn a_hang_up_before_the_call_has_come_ends_it_when_it_comes() {
    let mut page = ready();
    assert!(!page.machine.takes_over(Control::HangUp, page.now));
    page.set_flex(|flex| flex.voice_task = Some(VoiceTask::default()));
    assert!(page.machine.takes_over(Control::HangUp, page.now));
    assert!(!page.machine.takes_over(Control::Other, page.now), "there is nothing to mute");
    page.send(Event::HangUp);
    assert!(posts(&page.ordered()).is_empty());
    page.send(heartbeat(state(Some(call(SID)))));
    assert_eq!(posts(&page.ordered()), ["VOICE_CLIENT_EXTENSION_HANGUP_CALL"]);
    page.pass(20_000, Some(&heartbeat(state(Some(call(SID))))));
    assert!(posts(&page.ordered()).is_empty(), "once");
}

#[test]
fn by_configuration_the_documented_actions_are_used_and_the_store_is_left_alone() {
    let settings = Settings { call_controls: Some("actions".into()), ..boot().settings };
    let mut page = Rig::new(Boot { settings, ..boot() });
    page.send(configured());
    page.send(heartbeat(state(Some(call(SID)))));
    let ordered = page.ordered();
    assert_eq!(ordered.iter().filter(|c| **c == Command::TakeOverActions).count(), 1);
    assert!(!ordered.iter().any(|c| matches!(c, Command::InstallCall(_))));
    assert!(page.machine.takes_over(Control::Other, page.now));
    page.send(Event::HangUp);
    assert_eq!(posts(&page.ordered()), ["VOICE_CLIENT_EXTENSION_HANGUP_CALL"]);
}
