//! What the header shows, and what is chosen in it.

use super::*;
use crate::machine::view::Grade;

fn device(id: &str) -> AudioDevice {
    AudioDevice { id: id.into(), label: format!("the {id}") }
}

#[test]
fn devices_are_shown_as_the_extension_has_them_and_chosen_through_it() {
    let audio = AudioState {
        microphones: ["default", "headset", "webcam"].map(device).into(),
        speakers: vec![device("headset")],
        ..AudioState::default()
    };
    let mut page = ready();
    page.send(heartbeat(ClientState { audio: Some(audio.clone()), ..state(None) }));
    let shown = page.shown().audio.unwrap();
    let ids: Vec<_> = shown.choices[0].options.iter().map(|(id, _)| id.as_str()).collect();
    assert_eq!(ids, ["", "headset", "webcam"]);
    assert_eq!((shown.choices[0].selected.as_str(), shown.volume), ("", 100));
    page.ordered();
    page.send(Event::ChooseDevice(AudioKind::Microphone, Some("webcam".into())));
    let payload = SelectAudioDevice { kind: AudioKind::Microphone, device_id: Some("webcam".into()) };
    assert!(page.ordered().contains(&Command::Post(ToExtension::SelectAudioDevice { payload })));
    assert_eq!(page.shown().audio.unwrap().choices[0].selected, "webcam", "at once");
    page.send(Event::ChooseVolume(250));
    let loudest = Command::Post(ToExtension::SetVolume { payload: SetVolume { percent: 100 } });
    assert!(page.ordered().contains(&loudest));

    let gone = AudioState {
        wanted: AudioSettings { microphone: Some(device("phone")), ..AudioSettings::default() },
        microphone: Some(device("webcam")),
        missing: vec![AudioKind::Microphone],
        ..audio
    };
    page.send(heartbeat(ClientState { audio: Some(gone), ..state(None) }));
    assert_eq!(page.shown().notes, ["the phone is not plugged in; the webcam is in use."]);
    assert_eq!(page.shown().audio.unwrap().choices[0].selected, "phone");
}

#[test]
fn a_microphone_that_is_muted_outside_is_the_headers_first_word_and_one_that_cannot_be_opened_is_named() {
    let silent = CallView { warnings: vec![QualityWarning::ConstantAudioInput], ..call(SID) };
    let muted = |microphone_muted, call: CallView| {
        let audio = AudioState { microphone_open: true, microphone_muted, ..AudioState::default() };
        heartbeat(ClientState { audio: Some(audio), ..state(Some(call)) })
    };
    let mut page = on_call();
    page.send(muted(true, silent.clone()));
    let shown = page.shown();
    assert_eq!((shown.text.as_str(), shown.tone), ("Voice: your microphone is muted", Tone::Problem));
    assert!(shown.detail.contains("by the computer or the headset"), "{}", shown.detail);
    assert_eq!(shown.notes, [""; 0], "said once");
    page.send(muted(true, CallView { muted: true, ..silent.clone() }));
    assert_eq!(page.shown().text, "Voice: on a call, muted", "what the agent did is what is shown first");
    page.send(muted(false, call(SID)));
    assert_eq!((page.shown().text.as_str(), page.shown().tone), ("Voice: on a call", Tone::Call));

    let busy = AudioState {
        microphones: ["default", "phone"].map(device).into(),
        wanted: AudioSettings { microphone: Some(device("phone")), ..AudioSettings::default() },
        microphone: Some(device("default")),
        missing: vec![AudioKind::Microphone],
        ..AudioState::default()
    };
    page.send(heartbeat(ClientState { audio: Some(busy), ..state(Some(call(SID))) }));
    assert_eq!(
        page.shown().notes,
        ["the phone cannot be used, perhaps because another program has it; the default is in use."]
    );
}

#[test]
fn how_the_call_sounds_is_said_in_a_word_and_in_figures() {
    let sample = QualitySample {
        at: Timestamp::from_millis(9),
        rtt_ms: Some(80),
        jitter_ms: None,
        loss_permille: Some(12),
        mos_hundredths: Some(420),
    };
    let mut page = on_call();
    page.send(heartbeat(state(Some(CallView { quality: Some(sample), ..call(SID) }))));
    let quality = page.shown().quality.unwrap();
    assert_eq!(
        (quality.text.as_str(), quality.figures.as_str()),
        ("Call quality: good", "round trip 80 ms, jitter – ms, loss 1.2 %")
    );
    let muffled =
        CallView { quality: Some(sample), warnings: vec![QualityWarning::ConstantAudioInput], ..call(SID) };
    page.send(heartbeat(state(Some(muffled))));
    assert_eq!(page.shown().quality.unwrap().grade, Grade::Fair);
    assert!(page.shown().notes[0].starts_with("Your microphone is silent"));
    page.send(heartbeat(state(Some(call(SID)))));
    assert_eq!(page.shown().quality, None, "nothing is known yet");
}

#[test]
fn a_call_that_waits_is_told_in_flex_and_one_that_flex_does_not_know_as_such() {
    let mut page = ready();
    for (unexpected, words) in
        [(false, "Another call is waiting"), (true, "A call that Flex does not know of")]
    {
        let waiting = WaitingCall {
            sid: CallSid::new(SID).unwrap(),
            from: None,
            since: Timestamp::from_millis(9),
            unexpected,
        };
        page.send(heartbeat(ClientState { waiting: Some(waiting), ..state(None) }));
        assert!(page.shown().notes[0].starts_with(words), "{:?}", page.shown().notes);
    }
}

#[test]
fn an_extension_that_is_older_than_the_plugin_is_named() {
    let mut page = ready();
    for (version, named) in
        [("0.0.1", true), (env!("CARGO_PKG_VERSION"), false), ("9999.0.0", false), ("", false)]
    {
        page.send(heartbeat(ClientState { extension_version: version.into(), ..state(None) }));
        assert_eq!(page.shown().notes.iter().any(|note| note.contains("older")), named, "{version}");
    }
    page.send(old_heartbeat(None));
    assert!(page.shown().notes[0].contains("of an older kind"));
}
