//! Every message in both of its forms: what `wire` writes and reads is what serde does.
#![expect(clippy::unwrap_used, reason = "a test's helpers may panic too")]

use std::{collections::BTreeSet, fmt::Debug};

use proptest::{prelude::*, sample::Index};
use protocol::{
    ProblemCode,
    offscreen::{FromOffscreen, ToOffscreen},
    page::{Kind, Refusal, ToExtension, ToPage, kind_of},
    popup::{FromPopup, Refused, ToPopup},
    token::{TokenErrorBody, TokenErrorCode, VoiceTokenRequest, VoiceTokenResponse},
    video_window::{FromVideoWindow, ToVideoWindow},
};
use serde::{Serialize, de::DeserializeOwned};
use serde_json::{Value, json};
use wire::{FromTree, ToTree};

const AC: &str = "AC11111111111111111111111111111111";
const CA: &str = "CA22222222222222222222222222222222";

fn page(kind: &str, payload: Value) -> Value {
    json!({"type": format!("VOICE_CLIENT_EXTENSION_{kind}"), "payload": payload})
}

/// One message of each type at least, with everything in it that it can hold.
fn to_extension() -> Vec<Value> {
    vec![
        page(
            "CONFIGURE",
            json!({"voiceClientTokenGeneratorUrl": "https://x.test/t", "accountSid": AC, "extensionVoiceClientPrefix": "ext_",
                "protocolVersion": 3, "agentIdentity": "ann"}),
        ),
        page(
            "FLEX_TOKEN",
            json!({"token": "t", "accountSid": AC, "expiration": "2026-01-01T00:00:00Z", "agentIdentity": "ann"}),
        ),
        page("HANGUP_CALL", json!({"callSid": CA})),
        json!({"type": "VOICE_CLIENT_EXTENSION_HANGUP_CALL"}),
        page("SEND_DTMF_DIGITS", json!({"digits": "1*#w"})),
        page("SET_MUTE", json!({"muted": true})),
        page("SELECT_AUDIO_DEVICE", json!({"kind": "speaker", "deviceId": "default"})),
        page("SET_VOLUME", json!({"percent": 40})),
        page("CALL_CONTEXT", json!({"callSid": CA, "onHold": false})),
        page("SIGN_OUT", json!({"reason": "session_ended"})),
        page(
            "EXPECT_CALLS",
            json!({"calls": [{"id": "WR1", "reason": "reservation"}, {"id": "WT2", "reason": "outbound"}]}),
        ),
        page("SHOW_VIDEO", json!({"key": "CH1"})),
        page("SHOW_VIDEO", json!({"key": "WT1", "link": "l"})),
        page("SHOW_VIDEO", json!({"key": "CH1", "failed": "No."})),
    ]
}

fn client_state() -> Value {
    let device = json!({"id": "a", "label": "Headset"});
    let sample = json!({"at": 7, "rttMs": 80, "jitterMs": 3, "lossPermille": 2, "mosHundredths": 430});
    json!({
        "protocolVersion": 3, "status": "registered", "registered": true,
        "call": {"sid": CA, "state": "open", "since": 5, "answeredAt": 6, "muted": true, "from": "+15550100", "onHold": true,
            "quality": sample, "warnings": ["high-rtt", "ice-connectivity-lost"]},
        "problem": {"code": "gateway_unavailable", "message": "Trying again.", "retrying": true},
        "flexTokenExpiresAt": 1_700_000_000_000_u64, "extensionVersion": "0.1.0",
        "waiting": {"sid": CA, "from": "client:ann", "since": 9, "unexpected": true},
        "audio": {"microphones": [device], "speakers": [device], "wanted": {"microphone": device, "speaker": null, "volume": 70},
            "microphone": device, "speaker": device, "missing": ["microphone"], "microphoneOpen": true, "microphoneMuted": false},
    })
}

fn with(mut object: Value, more: Value) -> Value {
    let more = more.as_object().unwrap().clone();
    object.as_object_mut().unwrap().extend(more);
    object
}

fn to_page() -> Vec<Value> {
    vec![
        page("CONFIGURED", client_state()),
        json!({"type": "VOICE_CLIENT_EXTENSION_CONFIGURED"}),
        page("CONFIG_REJECTED", json!({"code": "wrong_account", "message": "m", "retrying": false})),
        page("HEARTBEAT", with(client_state(), json!({"voiceClientIdentity": "ext_ann", "error": null}))),
        page("HEARTBEAT", json!({"voiceClientIdentity": "ext_ann", "error": false})),
        json!({"type": "VOICE_CLIENT_EXTENSION_DISCONNECTED"}),
        page("STATE", client_state()),
        page("ERROR", json!({"inReplyTo": "x", "code": "no_call", "message": "m", "retrying": false})),
    ]
}

fn refusals() -> Vec<Value> {
    vec![
        json!({"type": "HOLDFAST_REFUSED", "code": "unknown_type"}),
        json!({"type": "HOLDFAST_DROPPED", "foreign": 1, "flooded": 2, "contested": 3}),
    ]
}

fn from_popup() -> Vec<Value> {
    vec![
        json!({"type": "hangUp", "sid": CA}),
        json!({"type": "setMute", "sid": CA, "muted": true}),
        json!({"type": "sendDigits", "digits": "1"}),
        json!({"type": "restart"}),
        json!({"type": "microphoneChanged"}),
        json!({"type": "answerWaiting", "sid": CA}),
        json!({"type": "declineWaiting", "sid": CA}),
        json!({"type": "selectAudioDevice", "kind": "microphone", "deviceId": null}),
        json!({"type": "setVolume", "percent": 5}),
        json!({"type": "testMicrophone", "on": true}),
        json!({"type": "testSpeaker"}),
        json!({"type": "consent", "account_sid": AC, "token_url": "https://x.test/t", "allow": true}),
    ]
}

fn to_popup() -> Vec<Value> {
    let problem = json!({"code": "call_failed", "message": "m", "retrying": false});
    let quality = json!({"samples": 3, "mosMeanHundredths": 400, "mosWorstHundredths": 390, "rttMeanMs": 80, "rttWorstMs": 90,
        "jitterWorstMs": 4, "lossMeanPermille": 1, "warnings": ["low-mos"]});
    let state = json!({
        "accountSid": AC, "identity": "ext_ann", "tokenService": "https://x.test", "managed": true, "pagesOpen": 2,
        "pagesConnected": 1, "voiceTokenExpiresAt": 8, "workerStartedAt": 1, "version": "0.1.0",
        "log": [{"at": 1, "level": "warning", "message": "m"}],
        "consent": {"accountSid": AC, "tokenUrl": "https://x.test/t", "pageOrigin": "https://flex.twilio.com"},
        "policy": [{"key": "edges", "value": "dublin"}],
        "policyComplaints": [{"key": "edges", "wants": "list"}, {"key": "secondCall", "wants": {"oneOf": ["refuse", "offer"]}}],
        "mayRestart": false, "mayChangeSettings": true, "quality": [{"at": 7}],
        "calls": [{"sid": CA, "from": "68849", "since": 1, "answeredAt": 2, "endedAt": 3, "problem": problem, "quality": quality}],
        "counters": {"workers_started": 4},
    });
    vec![
        json!({"type": "state", "state": with(client_state(), state)}),
        json!({"type": "refused", "reason": "call_over"}),
        json!({"type": "level", "percent": 12}),
    ]
}

fn to_offscreen() -> Vec<Value> {
    vec![
        json!({"type": "prepare", "token": "t", "edge": "dublin"}),
        json!({"type": "connect", "callSid": CA, "connectToken": "c", "token": "t", "edge": null, "tone": true}),
        json!({"type": "hangUp", "callSid": CA}),
        json!({"type": "setMute", "callSid": CA, "muted": true}),
        json!({"type": "sendDigits", "callSid": CA, "digits": "1"}),
        json!({"type": "listDevices"}),
        json!({"type": "pong"}),
        json!({"type": "setAudio", "settings": {"microphone": null, "speaker": {"id": "a", "label": "b"}, "volume": 3}}),
        json!({"type": "testMicrophone", "on": false}),
        json!({"type": "testSpeaker"}),
    ]
}

fn from_offscreen() -> Vec<Value> {
    let call = json!({"sid": CA, "state": "reconnecting", "muted": false});
    vec![
        json!({"type": "hello", "call": call}),
        json!({"type": "hello", "call": null}),
        json!({"type": "call", "call": call}),
        json!({"type": "ended", "callSid": CA, "problem": {"code": "call_failed", "message": "m", "retrying": false}}),
        json!({"type": "audio", "state": client_state()["audio"]}),
        json!({"type": "quality", "callSid": CA, "sample": {"at": 7, "rttMs": 1}}),
        json!({"type": "warning", "callSid": CA, "warning": "constant-audio-output", "raised": true}),
        json!({"type": "level", "percent": 3}),
        json!({"type": "ping"}),
        json!({"type": "note", "message": "m"}),
    ]
}

fn from_video_window() -> Vec<Value> {
    vec![
        json!({"type": "hello", "key": "CH1.a"}),
        json!({"type": "inRoom", "on": true}),
        json!({"type": "over"}),
    ]
}

fn to_video_window() -> Vec<Value> {
    vec![
        json!({"type": "link", "service": "https://x.test", "link": "l"}),
        json!({"type": "failed", "message": "m"}),
        json!({"type": "call", "live": true}),
    ]
}

fn of_the_token_service() -> Vec<Value> {
    vec![
        json!({"identity": "ext_ann", "account_sid": AC, "token": "t", "expires_in": 3600, "expires_at": "x", "edge": "e", "region": "r"}),
    ]
}

/// Reads a value in both ways and writes what was read in both ways; what came of it.
fn in_both_forms<T>(value: &Value) -> Option<T>
where
    T: Serialize + DeserializeOwned + ToTree + FromTree + PartialEq + Debug,
{
    let theirs = serde_json::from_value::<T>(value.clone()).ok();
    let ours = wire::json::read::<T>(&value.to_string());
    assert_eq!(ours, theirs, "{value}");
    if let Some(read) = &ours {
        let written: Value = serde_json::from_str(&wire::json::write(read)).unwrap();
        assert_eq!(written, serde_json::to_value(read).unwrap(), "{value}");
    }
    ours
}

/// All samples are read, and there is one of every type.
fn are_all<T>(samples: &[Value], names: &[&str], name: impl Fn(&T) -> &'static str)
where
    T: Serialize + DeserializeOwned + ToTree + FromTree + PartialEq + Debug,
{
    let seen: BTreeSet<&str> = samples
        .iter()
        .map(|sample| {
            let message = in_both_forms::<T>(sample).unwrap_or_else(|| panic!("not read: {sample}"));
            assert_eq!(sample["type"], name(&message), "what serde calls it is what it is called");
            name(&message)
        })
        .collect();
    assert_eq!(seen, names.iter().copied().collect(), "a message of each type");
}

#[test]
fn every_message_of_every_hop_has_one_form_and_is_in_the_list_of_its_kind() {
    are_all(&to_extension(), &ToExtension::NAMES, ToExtension::name);
    are_all(&to_page(), &ToPage::NAMES, ToPage::name);
    are_all(&refusals(), &Refusal::NAMES, Refusal::name);
    are_all(&from_popup(), &FromPopup::NAMES, FromPopup::name);
    are_all(&to_popup(), &ToPopup::NAMES, ToPopup::name);
    are_all(&to_offscreen(), &ToOffscreen::NAMES, ToOffscreen::name);
    are_all(&from_offscreen(), &FromOffscreen::NAMES, FromOffscreen::name);
    are_all(&from_video_window(), &FromVideoWindow::NAMES, FromVideoWindow::name);
    are_all(&to_video_window(), &ToVideoWindow::NAMES, ToVideoWindow::name);
}

#[test]
fn every_type_of_the_page_contract_is_let_through_one_way_and_passed_over_the_other() {
    for sample in to_extension() {
        let message: ToExtension = serde_json::from_value(sample.clone()).unwrap();
        assert_eq!(kind_of(sample["type"].as_str()), Kind::Known(message.name()));
    }
    for sample in to_page() {
        assert_eq!(kind_of(sample["type"].as_str()), Kind::Echo, "{sample}");
    }
}

#[test]
fn every_code_has_the_name_that_serde_gives_it() {
    fn agree<T: Serialize + DeserializeOwned + ToTree + FromTree + PartialEq + Debug>(code: &T, name: &str) {
        assert_eq!(in_both_forms::<T>(&name.into()).as_ref(), Some(code));
        assert_eq!(serde_json::to_value(code).unwrap(), name);
    }
    for code in ProblemCode::ALL {
        agree(&code, code.name());
    }
    for code in TokenErrorCode::ALL {
        agree(&code, code.as_str());
    }
    for reason in Refused::ALL {
        agree(&reason, reason.name());
    }
    assert_eq!(in_both_forms(&"of_tomorrow".into()), Some(TokenErrorCode::Unknown));
    assert!(!TokenErrorCode::NAMES.contains(&"unknown"), "nobody answers it");
}

/// Where a value can be changed: every place in it, itself included.
fn places(value: &mut Value) -> Vec<&mut Value> {
    // One place is enough to change something below it too, because places are drawn again and again.
    match value {
        Value::Array(items) => items.iter_mut().flat_map(places).collect(),
        Value::Object(entries) => entries.values_mut().flat_map(places).collect(),
        leaf => vec![leaf],
    }
}

fn spoilt() -> impl Strategy<Value = Value> {
    prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Into::into),
        any::<u32>().prop_map(Into::into),
        any::<i8>().prop_map(Into::into),
        Just(json!(1.5)),
        "[a-z_]{0,8}".prop_map(Into::into),
        Just(AC.into()),
        Just(json!({})),
    ]
}

/// A message with some of its values replaced or left out.
fn changed(samples: Vec<Value>) -> impl Strategy<Value = Value> {
    let change = (any::<Index>(), prop::option::of(spoilt()));
    (prop::sample::select(samples), prop::collection::vec(change, 0..3)).prop_map(|(mut value, changes)| {
        for (index, by) in changes {
            match by {
                Some(by) => {
                    let mut places = places(&mut value);
                    let at = index.index(places.len().max(1));
                    if let Some(place) = places.get_mut(at) {
                        **place = by;
                    }
                }
                None => leave_out(&mut value, &index),
            }
        }
        value
    })
}

/// Takes an entry out of one of the objects that hold the message's fields.
fn leave_out(value: &mut Value, index: &Index) {
    let inner = ["payload", "state", "call", "settings"].into_iter().find(|name| value[name].is_object());
    let object = match inner {
        Some(name) if index.index(3) > 0 => &mut value[name],
        _ => value,
    };
    if let Some(entries) = object.as_object_mut()
        && let Some(name) = entries.keys().nth(index.index(entries.len().max(1))).cloned()
    {
        entries.remove(&name);
    }
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn whatever_comes_is_read_as_serde_reads_it(
        to_extension in changed(to_extension()),
        to_page in changed(to_page()),
        refusal in changed(refusals()),
        from_popup in changed(from_popup()),
        to_popup in changed(to_popup()),
        to_offscreen in changed(to_offscreen()),
        from_offscreen in changed(from_offscreen()),
        from_video_window in changed(from_video_window()),
        to_video_window in changed(to_video_window()),
        answer in changed(of_the_token_service()),
    ) {
        in_both_forms::<ToExtension>(&to_extension);
        in_both_forms::<ToPage>(&to_page);
        in_both_forms::<Refusal>(&refusal);
        in_both_forms::<FromPopup>(&from_popup);
        in_both_forms::<ToPopup>(&to_popup);
        in_both_forms::<ToOffscreen>(&to_offscreen);
        in_both_forms::<FromOffscreen>(&from_offscreen);
        in_both_forms::<FromVideoWindow>(&from_video_window);
        in_both_forms::<ToVideoWindow>(&to_video_window);
        in_both_forms::<VoiceTokenResponse>(&answer);
        in_both_forms::<VoiceTokenRequest>(&answer);
        in_both_forms::<TokenErrorBody>(&answer);
    }
}
