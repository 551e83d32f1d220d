//! Microphone, speaker, volume, their tests, and how a call sounds.

mod rig;

use protocol::{
    AudioDevice, AudioKind, AudioSettings, AudioState, CallPhase, ProblemCode, QualitySample, QualityWarning,
    offscreen::{FromOffscreen, ToOffscreen},
    page::{CallContext, SelectAudioDevice, SetVolume, ToExtension, ToPage},
    popup::{FromPopup, ToPopup},
};
use rig::*;
use serde_json::json;
use worker_wasm::machine::{Command, Event, PortId};

fn device(id: &str, label: &str) -> AudioDevice {
    AudioDevice { id: id.into(), label: label.into() }
}

fn plugged_in() -> AudioState {
    AudioState {
        microphones: vec![device("default", "Default"), device("m1", "Headset Mic (Acme)")],
        speakers: vec![device("default", "Default"), device("s1", "Headset Phones (Acme)")],
        ..AudioState::default()
    }
}

fn audio(rig: &mut Rig, state: AudioState) {
    rig.offscreen_says(FromOffscreen::Audio { state: Box::new(state) });
}

fn settings(rig: &Rig) -> Vec<AudioSettings> {
    rig.all_to_offscreen()
        .into_iter()
        .filter_map(|message| match message {
            ToOffscreen::SetAudio { settings } => Some(settings.clone()),
            _ => None,
        })
        .collect()
}

fn choose(kind: AudioKind, id: Option<&str>) -> SelectAudioDevice {
    SelectAudioDevice { kind, device_id: id.map(Into::into) }
}

fn with_devices() -> Rig {
    let mut rig = Rig::registered();
    rig.popup_opens();
    audio(&mut rig, plugged_in());
    rig.take();
    rig
}

#[test]
fn the_document_is_told_devices_and_volume_on_every_hello_before_it_is_given_a_call() {
    let mut rig = Rig::registering();
    rig.is_registered();
    rig.incoming(CA);
    rig.offscreen_opens(None);
    let sent = rig.all_to_offscreen();
    assert!(matches!(sent[..], [ToOffscreen::SetAudio { .. }, ToOffscreen::Connect { .. }]), "{sent:?}");
    assert_eq!(settings(&rig), [AudioSettings::default()]);
}

#[test]
fn a_chosen_device_is_used_at_once_shown_to_everybody_and_kept_for_good() {
    let mut rig = with_devices();
    rig.page_says(PAGE, ToExtension::SelectAudioDevice { payload: choose(AudioKind::Speaker, Some("s1")) });
    rig.popup_says(FromPopup::SelectAudioDevice(choose(AudioKind::Microphone, Some("m1"))));
    let told = settings(&rig);
    assert_eq!(told.last().unwrap().microphone, Some(device("m1", "Headset Mic (Acme)")));
    assert_eq!(told.last().unwrap().speaker, Some(device("s1", "Headset Phones (Acme)")));
    assert_eq!(&rig.state().audio.unwrap().wanted, told.last().unwrap());
    assert_eq!(rig.shown().unwrap().client.audio, rig.state().audio);
    assert!(
        rig.to_page(PAGE)
            .iter()
            .any(|m| matches!(m, ToPage::State { payload } if payload.audio == rig.state().audio))
    );
    // The browser is started again: only the disk is left.
    rig.saved = None;
    rig.is_killed();
    rig.page_opens(PAGE);
    rig.offscreen_opens(None);
    assert_eq!(rig.preferences.audio.microphone, Some(device("m1", "Headset Mic (Acme)")));
}

#[test]
fn the_systems_choice_can_be_had_back_and_a_device_that_is_not_there_cannot_be_had() {
    let mut rig = with_devices();
    rig.popup_says(FromPopup::SelectAudioDevice(choose(AudioKind::Speaker, Some("s1"))));
    rig.popup_says(FromPopup::SelectAudioDevice(choose(AudioKind::Speaker, None)));
    assert_eq!(settings(&rig).last().unwrap().speaker, None);
    rig.take();
    // A microphone's id is none of a speaker.
    rig.popup_says(FromPopup::SelectAudioDevice(choose(AudioKind::Speaker, Some("m1"))));
    assert!(rig.refusal().is_some());
    rig.page_says(PAGE, ToExtension::SelectAudioDevice { payload: choose(AudioKind::Speaker, Some("<b>")) });
    assert_eq!(rig.error(PAGE), Some(ProblemCode::AudioDeviceMissing));
    assert!(settings(&rig).is_empty());
}

#[test]
fn the_volume_is_one_for_popup_and_page_and_never_more_than_full() {
    let mut rig = with_devices();
    rig.popup_says(FromPopup::SetVolume { percent: 40 });
    rig.page_says(PAGE, ToExtension::SetVolume { payload: SetVolume { percent: 250 } });
    let volumes: Vec<u8> = settings(&rig).iter().map(|settings| settings.volume).collect();
    assert_eq!(volumes, [40, 100]);
}

#[test]
fn policy_can_prefer_a_device_and_fix_everything() {
    let policy = json!({"preferredMicrophone": "acme", "agentMayChangeSettings": false});
    let mut rig = with_devices();
    rig.happens(Event::PolicyChanged { policy: policy.into() });
    assert_eq!(settings(&rig).last().unwrap().microphone, Some(device("m1", "Headset Mic (Acme)")));
    rig.take();
    rig.popup_says(FromPopup::SelectAudioDevice(choose(AudioKind::Microphone, None)));
    assert!(rig.refusal().is_some());
    rig.page_says(PAGE, ToExtension::SetVolume { payload: SetVolume { percent: 1 } });
    assert_eq!(rig.error(PAGE), Some(ProblemCode::DisabledByPolicy));
    assert!(settings(&rig).is_empty());
}

#[test]
fn the_agents_choice_goes_before_a_mere_preference() {
    let mut rig = with_devices();
    rig.popup_says(FromPopup::SelectAudioDevice(choose(AudioKind::Microphone, Some("default"))));
    rig.happens(Event::PolicyChanged { policy: json!({"preferredMicrophone": "acme"}).into() });
    assert_eq!(rig.state().audio.unwrap().wanted.microphone, Some(device("default", "Default")));
}

#[test]
fn lists_and_names_of_devices_are_bounded_whoever_sends_them() {
    let mut rig = with_devices();
    let long = "x".repeat(513);
    let mut many: Vec<AudioDevice> = (0..500).map(|i| device(&format!("d{i}"), "A\u{7}B")).collect();
    many.insert(0, device(&long, "too long an id"));
    many.insert(0, device("id", &long));
    audio(&mut rig, AudioState { microphones: many, missing: vec![AudioKind::Speaker; 900], ..plugged_in() });
    let state = rig.state().audio.unwrap();
    assert_eq!(state.microphones.len(), 64);
    assert_eq!(state.microphones[0], device("d0", "AB"));
    assert_eq!(state.missing, [AudioKind::Speaker]);
}

#[test]
fn the_level_goes_to_the_page_that_tests_the_microphone_and_to_nobody_else() {
    let mut rig = with_devices();
    let options = PortId(30);
    rig.opens(options, protocol::port::POPUP, own_page("options.html"));
    rig.take();
    rig.happens(Event::FromPopup { port: options, message: Some(FromPopup::TestMicrophone { on: true }) });
    assert_eq!(rig.to_offscreen(), [&ToOffscreen::TestMicrophone { on: true }]);
    rig.take();
    rig.offscreen_says(FromOffscreen::Level { percent: 200 });
    let levels: Vec<(PortId, u8)> = rig
        .commands
        .iter()
        .filter_map(|command| match command {
            Command::ToPopup { port, message } => match **message {
                ToPopup::Level { percent } => Some((*port, percent)),
                _ => None,
            },
            _ => None,
        })
        .collect();
    assert_eq!(levels, [(options, 100)]);
    // Another page's stop is not this one's.
    rig.popup_says(FromPopup::TestMicrophone { on: false });
    assert!(!rig.to_offscreen().contains(&&ToOffscreen::TestMicrophone { on: false }));
    rig.closes(options);
    assert!(rig.to_offscreen().contains(&&ToOffscreen::TestMicrophone { on: false }));
    rig.take();
    rig.offscreen_says(FromOffscreen::Level { percent: 5 });
    assert!(!rig.did(|command| matches!(command, Command::ToPopup { .. })));
}

#[test]
fn a_test_that_a_killed_worker_started_is_stopped_by_the_next_one() {
    let mut rig = with_devices();
    rig.popup_says(FromPopup::TestMicrophone { on: true });
    audio(&mut rig, AudioState { microphone_open: true, ..plugged_in() });
    rig.is_killed();
    rig.offscreen_opens(None);
    assert!(rig.to_offscreen().contains(&&ToOffscreen::TestMicrophone { on: false }));
}

#[test]
fn devices_can_be_tested_before_flex_was_ever_opened() {
    let mut rig = Rig::started();
    rig.popup_opens();
    rig.popup_says(FromPopup::TestSpeaker);
    assert!(rig.did(|command| *command == Command::EnsureOffscreen));
    rig.offscreen_opens(None);
    assert_eq!(rig.to_offscreen(), [&ToOffscreen::TestSpeaker]);
    assert!(rig.did(|command| *command == Command::CloseOffscreen), "nothing else needs the document");
}

#[test]
fn how_a_call_sounds_is_shown_live_and_summed_up_when_it_is_over() {
    let mut rig = Rig::on_call();
    rig.popup_opens();
    rig.take();
    for second in 0..130_u32 {
        rig.passes(1_000);
        let sample = QualitySample {
            at: rig.now,
            rtt_ms: Some(100 + second),
            jitter_ms: Some(3),
            loss_permille: Some(0),
            mos_hundredths: Some(420),
        };
        rig.offscreen_says(FromOffscreen::Quality { call_sid: sid(CA), sample });
    }
    let shown = rig.shown().unwrap();
    assert_eq!(shown.quality.len(), 120);
    assert_eq!(shown.client.call.as_ref().unwrap().quality.unwrap().rtt_ms, Some(229));
    // The page has the newest in its heartbeats, and is not told every second besides.
    let states = rig.to_page(PAGE).iter().filter(|m| matches!(m, ToPage::State { .. })).count();
    assert_eq!(states, 0);
    let beat = rig.heartbeats(PAGE).into_iter().next_back().unwrap();
    assert!(beat.state.call.as_ref().unwrap().quality.is_some());

    let warning = QualityWarning::LowMos;
    for raised in [true, true, false] {
        rig.offscreen_says(FromOffscreen::Warning { call_sid: sid(CA), warning, raised });
        assert_eq!(rig.state().call.unwrap().warnings.contains(&warning), raised);
    }
    rig.ended(CA, None);
    let shown = rig.shown().unwrap();
    assert!(shown.quality.is_empty());
    let [call] = &shown.calls[..] else { panic!("{:?}", shown.calls) };
    assert_eq!((call.sid.as_str(), call.from.as_deref()), (CA, Some("+15550100")));
    assert!(call.answered_at.is_some() && call.problem.is_none());
    assert_eq!((call.quality.samples, call.quality.mos_mean_hundredths), (130, Some(420)));
    assert_eq!(call.quality.warnings, [warning]);
}

#[test]
fn a_sample_of_another_call_is_nobodys_news() {
    let mut rig = Rig::on_call();
    let sample = QualitySample {
        at: rig.now,
        rtt_ms: Some(1),
        jitter_ms: None,
        loss_permille: None,
        mos_hundredths: None,
    };
    rig.offscreen_says(FromOffscreen::Quality { call_sid: sid(OTHER_CA), sample });
    assert_eq!(rig.state().call.unwrap().quality, None);
}

#[test]
fn a_killed_worker_loses_at_most_the_last_seconds_of_how_a_call_sounded() {
    let mut rig = Rig::on_call();
    for _ in 0..25 {
        let sample = QualitySample {
            at: rig.now,
            rtt_ms: Some(80),
            jitter_ms: None,
            loss_permille: None,
            mos_hundredths: None,
        };
        rig.offscreen_says(FromOffscreen::Quality { call_sid: sid(CA), sample });
    }
    rig.is_killed();
    rig.offscreen_opens(Some(held(CA, CallPhase::Open)));
    rig.ended(CA, None);
    assert_eq!(rig.saved.as_ref().unwrap().calls[0].quality.samples, 20);
}

#[test]
fn the_last_twenty_calls_are_kept_also_over_a_restart_by_hand_but_not_for_the_next_agent() {
    let mut rig = Rig::registered();
    for call in 0..25 {
        let call = format!("CA{call:032x}");
        rig.incoming(&call);
        rig.offscreen_says(FromOffscreen::Call { call: held(&call, CallPhase::Open) });
        rig.ended(&call, None);
    }
    let kept: Vec<String> =
        rig.saved.as_ref().unwrap().calls.iter().map(|call| call.sid.to_string()).collect();
    assert_eq!(kept.len(), 20);
    assert_eq!(kept[19], format!("CA{:032x}", 24));
    rig.popup_opens();
    rig.popup_says(FromPopup::Restart);
    assert_eq!(rig.saved.as_ref().unwrap().calls.len(), 20);

    let mut rig = Rig::on_call();
    rig.ended(CA, None);
    rig.configure(PAGE, AC, URL, "ext_");
    rig.flex_token(PAGE, "canary-flex-2", 9 * HOUR);
    rig.passes(2_000);
    rig.answer(200, &voice_token_body("ext_another", AC, "canary-voice-2", 3_600));
    assert!(rig.saved.as_ref().unwrap().calls.is_empty());
}

#[test]
fn flex_says_whether_it_holds_the_customer_of_the_live_call() {
    let mut rig = Rig::on_call();
    assert_eq!(rig.state().call.unwrap().on_hold, None);
    for (call, on_hold, shown) in
        [(CA, true, Some(true)), (OTHER_CA, false, Some(true)), (CA, false, Some(false))]
    {
        rig.page_says(
            PAGE,
            ToExtension::CallContext { payload: CallContext { call_sid: sid(call), on_hold } },
        );
        assert_eq!(rig.state().call.unwrap().on_hold, shown);
    }
    assert_eq!(rig.error(PAGE), None);
}

#[test]
fn a_headset_pulled_out_in_a_call_is_told_at_once_and_taken_back_when_it_is_in_again_and_nobody_is_told_without_a_call()
 {
    let mut rig = with_devices();
    let pulled = AudioState { missing: vec![AudioKind::Microphone], ..plugged_in() };
    let told = |rig: &Rig| rig.state().problem.map(|problem| problem.code);
    let announced = |rig: &Rig| rig.did(|command| matches!(command, Command::Notify { .. }));
    audio(&mut rig, pulled.clone());
    assert_eq!((told(&rig), announced(&rig)), (None, false));
    let mut rig = Rig::on_call();
    audio(&mut rig, pulled);
    assert_eq!(told(&rig), Some(ProblemCode::AudioDeviceMissing));
    assert!(announced(&rig));
    audio(&mut rig, plugged_in());
    assert_eq!(told(&rig), None);
}

#[test]
fn a_microphone_that_the_computer_mutes_is_a_warning_of_the_call_while_it_lasts_and_leaves_our_own_mute_alone()
 {
    let mut rig = Rig::on_call();
    let silent = |rig: &Rig| {
        let call = rig.state().call.unwrap();
        assert!(!call.muted, "the agent did not mute");
        (rig.state().audio.unwrap().microphone_muted, call.warnings)
    };
    rig.take();
    audio(&mut rig, AudioState { microphone_open: true, microphone_muted: true, ..plugged_in() });
    assert_eq!(silent(&rig), (true, vec![QualityWarning::ConstantAudioInput]));
    assert!(rig.did(|command| matches!(command, Command::ToPage { message, .. } if matches!(**message, ToPage::State { .. }))));
    assert!(rig.to_offscreen().is_empty(), "nothing is muted or unmuted for it: {:?}", rig.to_offscreen());
    audio(&mut rig, AudioState { microphone_open: true, ..plugged_in() });
    assert_eq!(silent(&rig), (false, vec![]));
}

#[test]
fn a_muted_microphone_is_no_warning_of_a_call_that_is_not_there() {
    let mut rig = with_devices();
    audio(&mut rig, AudioState { microphone_open: true, microphone_muted: true, ..plugged_in() });
    assert_eq!(rig.state().call, None);
    assert!(rig.state().problem.is_none());
    rig.incoming(CA);
    rig.offscreen_says(FromOffscreen::Call { call: held(CA, CallPhase::Open) });
    audio(&mut rig, plugged_in());
    assert_eq!(rig.state().call.unwrap().warnings, []);
}

#[test]
fn the_devices_are_listed_anew_whenever_a_page_of_the_extension_is_opened() {
    let mut rig = Rig::registered();
    let listed = |rig: &mut Rig| {
        let listed = rig.all_to_offscreen().contains(&&ToOffscreen::ListDevices);
        rig.take();
        listed
    };
    rig.take();
    rig.popup_opens();
    assert!(listed(&mut rig));
    rig.opens(PortId(9), protocol::port::POPUP, own_page("options.html"));
    assert!(listed(&mut rig));
    rig.page_opens(PAGE_2);
    assert!(!listed(&mut rig), "a Flex page is none of the extension's");
}
