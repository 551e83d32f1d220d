//! The report for support: one JSON with what the extension knows of itself, and nothing secret.
//!
//! It is made of named fields, so nothing gets in that was not meant to; free text is passed through [`redacted`].
//! Callers' numbers and the values of policies stay out: support finds a call by its SID.

use std::collections::BTreeMap;

use kernel::{CallSid, Timestamp};
use protocol::{
    AudioKind, CallPhase, PROTOCOL_VERSION, ProblemCode, QualitySample, QualitySummary, QualityWarning,
    Status,
    state::{LogLevel, Problem, UiState},
};
use serde::Serialize;

use crate::{
    machine::{Machine, Permission},
    text::{plain, redacted},
};

/// What only the page's shell knows.
pub struct Surroundings<'a> {
    /// `navigator.userAgent`.
    pub browser: &'a str,
    /// The language of the pages.
    pub language: &'a str,
    pub now: Timestamp,
    /// A time as ISO 8601.
    pub iso: &'a dyn Fn(Timestamp) -> String,
}
#[derive(Serialize, wire::ToTree)]
pub struct Report {
    written_at: String,
    holdfast: String,
    protocol: u32,
    browser: String,
    language: String,
    microphone_permission: &'static str,
    shortcuts: BTreeMap<String, String>,
    state: Option<State>,
}

#[derive(Serialize, wire::ToTree)]
struct State {
    status: Status,
    registered: bool,
    managed: bool,
    account: Option<String>,
    identity: Option<String>,
    token_service: Option<String>,
    pages_open: u32,
    pages_connected: u32,
    worker_started_at: String,
    flex_token_expires_at: Option<String>,
    voice_token_expires_at: Option<String>,
    consent_asked_for: Option<String>,
    problem: Option<ProblemLine>,
    call: Option<LiveCall>,
    waiting_call: Option<CallSid>,
    waiting_call_is_unexpected: bool,
    audio: Option<Audio>,
    last_calls: Vec<PastCall>,
    counters: BTreeMap<String, u32>,
    policy: PolicyReport,
    log: Vec<LogLine>,
}

#[derive(Serialize, wire::ToTree)]
struct ProblemLine {
    code: ProblemCode,
    message: String,
    retrying: bool,
}

#[derive(Serialize, wire::ToTree)]
struct LiveCall {
    sid: CallSid,
    phase: CallPhase,
    since: String,
    answered_at: Option<String>,
    muted: bool,
    on_hold: Option<bool>,
    warnings: Vec<QualityWarning>,
    samples: Vec<QualitySample>,
}

#[derive(Serialize, wire::ToTree)]
struct Audio {
    microphone: Option<String>,
    speaker: Option<String>,
    wanted_microphone: Option<String>,
    wanted_speaker: Option<String>,
    volume: u8,
    missing: Vec<AudioKind>,
    microphones: usize,
    speakers: usize,
    microphone_open: bool,
    microphone_muted: bool,
}

#[derive(Serialize, wire::ToTree)]
struct PastCall {
    sid: CallSid,
    since: String,
    answered_at: Option<String>,
    ended_at: String,
    problem: Option<ProblemLine>,
    quality: QualitySummary,
}

#[derive(Serialize, wire::ToTree)]
struct PolicyReport {
    keys: Vec<String>,
    complaints: Vec<String>,
    may_restart: bool,
    may_change_settings: bool,
}

#[derive(Serialize, wire::ToTree)]
struct LogLine {
    at: String,
    level: LogLevel,
    message: String,
}

/// Everything that support needs.
pub fn report(machine: &Machine, around: &Surroundings<'_>) -> Report {
    Report {
        written_at: (around.iso)(around.now),
        holdfast: redacted(machine.shown_version()),
        protocol: PROTOCOL_VERSION,
        browser: redacted(around.browser),
        language: redacted(around.language),
        microphone_permission: match machine.permission {
            Permission::Unknown => "unknown",
            Permission::Prompt => "prompt",
            Permission::Granted => "granted",
            Permission::Denied => "denied",
        },
        shortcuts: machine
            .shortcuts
            .iter()
            .map(|shortcut| (redacted(&shortcut.name), redacted(&shortcut.keys)))
            .collect(),
        state: machine.state.as_ref().map(|state| state_of(state, around.iso)),
    }
}

fn state_of(state: &UiState, iso: &dyn Fn(Timestamp) -> String) -> State {
    let client = &state.client;
    let label =
        |device: &Option<protocol::AudioDevice>| device.as_ref().map(|device| redacted(&device.label));
    State {
        status: client.status,
        registered: client.registered,
        managed: state.managed,
        account: state.account_sid.as_ref().map(|sid| plain(sid.as_str())),
        identity: state.identity.as_ref().map(|identity| plain(identity.as_str())),
        token_service: state.token_service.as_deref().map(redacted),
        pages_open: state.pages_open,
        pages_connected: state.pages_connected,
        worker_started_at: iso(state.worker_started_at),
        flex_token_expires_at: client.flex_token_expires_at.map(iso),
        voice_token_expires_at: state.voice_token_expires_at.map(iso),
        consent_asked_for: state.consent.as_ref().map(|consent| redacted(consent.token_url.origin())),
        problem: client.problem.as_ref().map(problem),
        call: client.call.as_ref().map(|call| LiveCall {
            sid: call.sid.clone(),
            phase: call.state,
            since: iso(call.since),
            answered_at: call.answered_at.map(iso),
            muted: call.muted,
            on_hold: call.on_hold,
            warnings: call.warnings.clone(),
            samples: state.quality.clone(),
        }),
        waiting_call: client.waiting.as_ref().map(|waiting| waiting.sid.clone()),
        waiting_call_is_unexpected: client.waiting.as_ref().is_some_and(|waiting| waiting.unexpected),
        audio: client.audio.as_ref().map(|audio| Audio {
            microphone: label(&audio.microphone),
            speaker: label(&audio.speaker),
            wanted_microphone: label(&audio.wanted.microphone),
            wanted_speaker: label(&audio.wanted.speaker),
            volume: audio.wanted.volume,
            missing: audio.missing.clone(),
            microphones: audio.microphones.len(),
            speakers: audio.speakers.len(),
            microphone_open: audio.microphone_open,
            microphone_muted: audio.microphone_muted,
        }),
        last_calls: state
            .calls
            .iter()
            .map(|call| PastCall {
                sid: call.sid.clone(),
                since: iso(call.since),
                answered_at: call.answered_at.map(iso),
                ended_at: iso(call.ended_at),
                problem: call.problem.as_ref().map(problem),
                quality: call.quality.clone(),
            })
            .collect(),
        counters: state.counters.iter().map(|(name, count)| (redacted(name), *count)).collect(),
        policy: PolicyReport {
            keys: state.policy.iter().map(|item| redacted(&item.key)).collect(),
            complaints: state
                .policy_complaints
                .iter()
                .map(|complaint| redacted(&complaint.to_string()))
                .collect(),
            may_restart: state.may_restart,
            may_change_settings: state.may_change_settings,
        },
        log: state
            .log
            .iter()
            .map(|entry| LogLine { at: iso(entry.at), level: entry.level, message: redacted(&entry.message) })
            .collect(),
    }
}

fn problem(problem: &Problem) -> ProblemLine {
    ProblemLine { code: problem.code, message: redacted(&problem.message), retrying: problem.retrying }
}

#[cfg(test)]
pub mod tests {
    use insta::assert_snapshot;
    use kernel::Identity;
    use proptest::prelude::*;
    use protocol::{
        AudioDevice, CallSummary, QualitySummary,
        state::{LogEntry, PolicyComplaint, PolicyForm, PolicyItem, WaitingCall},
    };
    use sansio::Machine as _;
    use serde_json::json;

    use super::*;
    use crate::machine::{
        Event,
        tests::{asking_consent, told, with_call, with_sound},
    };

    const START: Timestamp = Timestamp::from_millis(1_700_000_000_000);

    /// The report as the agent copies it.
    pub fn text(machine: &Machine, browser: &str) -> String {
        let around =
            Surroundings { browser, language: "en", now: START, iso: &|at| at.as_millis().to_string() };
        serde_json::to_string_pretty(&report(machine, &around)).unwrap()
    }

    /// A state with something in every field, and `filth` in every field that is free text.
    fn everything(filth: &str) -> UiState {
        let mut state = with_call('a', CallPhase::Open, true);
        let device = || Some(AudioDevice { id: filth.into(), label: filth.into() });
        let problem = || Some(Problem { code: ProblemCode::Internal, message: filth.into(), retrying: true });
        let call = state.client.call.as_mut().unwrap();
        call.from = Some(filth.into());
        call.on_hold = Some(false);
        call.warnings = vec![QualityWarning::HighJitter];
        let sid = call.sid.clone();
        state.client.waiting =
            Some(WaitingCall { sid: sid.clone(), from: Some(filth.into()), since: START, unexpected: true });
        state.client.problem = problem();
        state.client.audio = with_sound().client.audio;
        let audio = state.client.audio.as_mut().unwrap();
        audio.wanted.microphone = device();
        audio.microphone = device();
        audio.speaker = device();
        audio.microphones.extend(device());
        audio.missing = vec![AudioKind::Microphone];
        state.client.extension_version = filth.into();
        state.consent = asking_consent("tokens.acme.test").consent;
        state.identity = Some(Identity::new("ext_agent").unwrap());
        state.token_service = Some(filth.into());
        state.version = filth.into();
        state.log = vec![LogEntry { at: START, level: LogLevel::Error, message: filth.into() }];
        state.policy = vec![PolicyItem { key: "tokenServiceUrls".into(), value: filth.into() }];
        state.policy_complaints =
            vec![PolicyComplaint { key: filth.into(), wants: PolicyForm::OneOf(vec![filth.into()]) }];
        state.counters = [("worker_started".to_owned(), 3), (filth.to_owned(), 1)].into();
        state.calls = vec![CallSummary {
            sid,
            from: Some(filth.into()),
            since: START,
            answered_at: Some(START),
            ended_at: START.plus(61_000),
            problem: problem(),
            quality: QualitySummary { samples: 60, mos_mean_hundredths: Some(412), ..Default::default() },
        }];
        state
    }

    #[test]
    fn the_report_says_what_support_asks_for_and_leaves_out_who_called() {
        let report = text(&told(everything("+15550100")), "Chrome 156");
        let value: serde_json::Value = serde_json::from_str(&report).unwrap();
        assert_eq!(value["state"]["last_calls"][0]["quality"]["mosMeanHundredths"], 412);
        assert_eq!(value["state"]["call"]["warnings"], json!(["high-jitter"]));
        assert_eq!(value["state"]["counters"]["worker_started"], 3);
        assert_eq!(value["state"]["waiting_call_is_unexpected"], true);
        assert_eq!(value["state"]["policy"]["keys"], json!(["tokenServiceUrls"]));
        assert_eq!(value["state"]["audio"]["missing"], json!(["microphone"]));
        let keys = |value: &serde_json::Value| value.as_object().unwrap().keys().cloned().collect::<Vec<_>>();
        assert_snapshot!(keys(&value).join(" "), @"browser holdfast language microphone_permission protocol shortcuts state written_at");
        let mut state = everything("+15550100");
        state.log.clear();
        state.counters.clear();
        state.policy_complaints.clear();
        state.token_service = None;
        state.version = "1.2.3".into();
        state.client.problem = None;
        state.calls[0].problem = None;
        let audio = state.client.audio.as_mut().unwrap();
        (audio.microphone, audio.speaker, audio.wanted.microphone) = (None, None, None);
        assert!(!text(&told(state), "Chrome 156").contains("5550100"), "callers are nobody's business");
    }

    #[test]
    fn a_report_can_be_written_before_the_worker_has_said_a_word() {
        let value: serde_json::Value =
            serde_json::from_str(&text(&Machine::default(), "Chrome 156")).unwrap();
        assert_eq!(value["state"], json!(null));
        assert_eq!(value["browser"], "Chrome 156");
    }

    #[test]
    fn what_is_no_secret_is_not_taken_for_one() {
        let sid = format!("CA{}", "0123456789abcdef".repeat(2));
        for harmless in [
            format!("call {sid} ended"),
            "request 6f1c2b9e-3c1d-4f7a-9b0a-1c2d3e4f5a6b failed".into(),
            "extension bkpbfkhdaajkpmgjfnjbpmnmmflfnadp".into(),
            "https://tokens.acme.test:8443/v1/voice/token".into(),
            "Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/156.0.0.0 Safari/537.36".into(),
            "token_service_unavailable after 30000 ms, token fetched".into(),
        ] {
            assert_eq!(redacted(&harmless), harmless);
        }
    }

    proptest! {
        #[test]
        fn nothing_that_looks_like_a_secret_is_in_the_report_wherever_it_came_from(
            secret in prop_oneof![
                "eyJ[A-Za-z0-9_-]{20,60}\\.[A-Za-z0-9_-]{20,60}\\.[A-Za-z0-9_-]{20,60}",
                "[A-Za-z0-9]{16}[0-9][A-Za-z0-9]{15,60}",
                "[A-Za-z0-9_-]{20}[0-9][A-Za-z0-9_-]{22,80}",
                "SK[0-9a-f]{33,40}",
            ],
            before in "[a-z ]{0,12}[ :=\"/]",
            after in "[ \",;/][a-z ]{0,12}",
        ) {
            let filth = format!("{before}{secret}{after}");
            let mut machine = told(everything(&filth));
            machine.handle(Event::Shortcuts(vec![crate::machine::Shortcut {
                name: filth.clone(), description: filth.clone(), keys: filth.clone(),
            }]), START);
            let report = text(&machine, &filth);
            for part in secret.split('.') {
                prop_assert!(!report.contains(&part[3..]), "{}", report);
            }
        }

        #[test]
        fn what_is_named_a_secret_is_taken_for_one_however_short(
            name in prop_oneof![Just("token="), Just("Token: "), Just("Bearer "), Just("password="), Just("secret\":\""), Just("apiKey=")],
            secret in "[A-Za-z0-9]{8,20}[0-9]",
        ) {
            let shown = redacted(&format!("got {name}{secret} there"));
            prop_assert!(!shown.contains(&secret), "{}", shown);
        }
    }
}
