//! Every word that the pages say, by its key in `extension/_locales`.

/// Text to show. What comes from outside is [`Text::Plain`] and only ever becomes a text node.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Text {
    /// A message of the locale.
    Key(Key),
    /// A message of the locale with `$1`, `$2`, … replaced.
    With(Key, Vec<String>),
    /// Shown as it is: identifiers, caller numbers, the worker's own words.
    Plain(String),
}

impl From<Key> for Text {
    fn from(key: Key) -> Self {
        Self::Key(key)
    }
}

/// Text from outside, made fit to be seen: nothing that looks like a token, one line, no invisible characters (a
/// right-to-left override can make a number look like another one), and no more than 400 characters.
pub fn plain(text: &str) -> String {
    let mut shown = String::new();
    let mut rest = text;
    while let Some(start) = rest.find("eyJ") {
        let (before, candidate) = rest.split_at(start);
        let end = candidate
            .find(|c: char| !(c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.' | '=' | '+' | '/')))
            .unwrap_or(candidate.len());
        let (token, after) = candidate.split_at(end);
        shown.push_str(before);
        shown.push_str(if token.len() > 16 { "[removed]" } else { token });
        rest = after;
    }
    shown.push_str(rest);
    let one_line = shown.chars().map(|c| if c.is_control() { ' ' } else { c });
    one_line.filter(|&c| !is_invisible_format(c)).take(400).collect::<String>().trim().to_owned()
}

/// Text for the report: as [`plain`], and nothing in it that could be a secret. A run of 32 or more letters and digits
/// could be one, and so could what stands behind a word like "token"; identifiers that are known not to be stay.
pub fn redacted(text: &str) -> String {
    let text = plain(text);
    let mut clean = String::new();
    let mut rest = text.as_str();
    let mut before = "";
    while !rest.is_empty() {
        let is_inside = |c: char| c.is_ascii_alphanumeric() || matches!(c, '_' | '-' | '+');
        let start = rest.find(is_inside).unwrap_or(rest.len());
        let (between, tail) = rest.split_at(start);
        let (run, tail) = tail.split_at(tail.find(|c| !is_inside(c)).unwrap_or(tail.len()));
        clean.push_str(between);
        clean.push_str(if is_secret(before, run) { "[removed]" } else { run });
        (rest, before) = (tail, run);
    }
    clean
}

/// True when this run of letters and digits could be a secret; `before` is the run before it.
fn is_secret(before: &str, run: &str) -> bool {
    const NAMES: [&str; 7] = ["token", "bearer", "secret", "password", "authorization", "key", "credential"];
    let before = before.to_ascii_lowercase();
    let has_digit = run.bytes().any(|b| b.is_ascii_digit());
    if run.len() >= 8 && has_digit && NAMES.iter().any(|name| before.ends_with(name)) {
        return true;
    }
    let is_name = run.bytes().all(|b| b.is_ascii_lowercase() || matches!(b, b'_' | b'-'));
    run.len() >= 32 && !is_name && !is_sid(run) && !is_uuid(run)
}

/// Two letters and 32 hexadecimal digits: what Twilio calls its things by.
fn is_sid(run: &str) -> bool {
    let (kind, digits) = run.split_at_checked(2).unwrap_or_default();
    digits.len() == 32
        && kind.bytes().all(|b| b.is_ascii_uppercase())
        && digits.bytes().all(|b| b.is_ascii_hexdigit())
}

fn is_uuid(run: &str) -> bool {
    let lengths = run.split('-').map(str::len);
    lengths.eq([8, 4, 4, 4, 12]) && run.bytes().all(|b| b.is_ascii_hexdigit() || b == b'-')
}

/// Zero-width and bidirectional controls of Unicode.
const fn is_invisible_format(c: char) -> bool {
    matches!(c, '\u{200B}'..='\u{200F}' | '\u{2028}'..='\u{202E}' | '\u{2060}'..='\u{2069}' | '\u{FEFF}')
}

macro_rules! keys {
    ($($variant:ident => $name:literal,)*) => {
        /// A message that the code itself uses; the HTML names others in `data-i18n`.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
        pub enum Key { $(#[doc = concat!("`", $name, "`")] $variant),* }

        impl Key {
            /// The name in `messages.json`.
            pub const fn name(self) -> &'static str {
                match self { $(Self::$variant => $name),* }
            }

            #[cfg(test)]
            const ALL: &[Self] = &[$(Self::$variant),*];
        }
    };
}

keys! {
    Locale => "locale",
    Connecting => "connecting",
    ConnectingHelp => "connecting_help",
    Replaced => "replaced",
    ReplacedHelp => "replaced_help",

    WaitingForFlex => "status_waiting_for_flex",
    WaitingForFlexHelp => "status_waiting_for_flex_help",
    WaitingForFlexPageHelp => "status_waiting_for_flex_page_help",
    SignedOut => "status_signed_out",
    SignedOutHelp => "status_signed_out_help",
    WaitingForToken => "status_waiting_for_token",
    WaitingForTokenHelp => "status_waiting_for_token_help",
    FetchingToken => "status_fetching_token",
    FetchingTokenHelp => "status_fetching_token_help",
    Registering => "status_registering",
    RegisteringHelp => "status_registering_help",
    Registered => "status_registered",
    RegisteredHelp => "status_registered_help",
    RegisteredNoPageHelp => "status_registered_no_page_help",
    Reconnecting => "status_reconnecting",
    ReconnectingHelp => "status_reconnecting_help",
    Failed => "status_failed",
    FailedHelp => "status_failed_help",

    CallConnecting => "call_connecting",
    CallOpen => "call_open",
    CallMuted => "call_muted",
    CallReconnecting => "call_reconnecting",
    CallHold => "call_hold",
    CallHoldMuted => "call_hold_muted",
    CallMissed => "call_missed",

    QualityGraph => "quality_graph",
    QualityMeasuring => "quality_measuring",
    QualityMeasuringHelp => "quality_measuring_help",
    QualityGood => "quality_good",
    QualityFair => "quality_fair",
    QualityPoor => "quality_poor",
    QualityUnknown => "quality_unknown",
    QualityFigures => "quality_figures",
    WarningHighRtt => "warning_high_rtt",
    WarningHighJitter => "warning_high_jitter",
    WarningHighPacketLoss => "warning_high_packet_loss",
    WarningLowMos => "warning_low_mos",
    WarningLowBytesReceived => "warning_low_bytes_received",
    WarningLowBytesSent => "warning_low_bytes_sent",
    WarningConstantAudioInput => "warning_constant_audio_input",
    WarningMicrophoneMuted => "warning_microphone_muted",
    WarningConstantAudioOutput => "warning_constant_audio_output",
    WarningIceConnectivityLost => "warning_ice_connectivity_lost",

    Microphone => "microphone",
    Speaker => "speaker",
    Volume => "volume",
    TestMicrophone => "test_microphone",
    TestMicrophoneStop => "test_microphone_stop",
    TestSpeaker => "test_speaker",
    TonePlayed => "tone_played",
    MicrophoneLevel => "microphone_level",
    SoundManaged => "sound_managed",
    DeviceSystem => "device_system",
    DeviceMicrophone => "device_microphone",
    DeviceSpeaker => "device_speaker",
    DeviceNotConnected => "device_not_connected",
    DeviceMissing => "device_missing",
    DeviceMissingOther => "device_missing_other",
    DeviceBusy => "device_busy",
    DeviceBusyOther => "device_busy_other",
    ChooseDevice => "choose_device",
    ShortcutOpen => "shortcut_open",
    ShortcutNone => "shortcut_none",
    CallerUnknown => "caller_unknown",

    WaitingTitle => "waiting_title",
    WaitingHelp => "waiting_help",
    WaitingFreeHelp => "waiting_free_help",
    UnexpectedTitle => "unexpected_title",
    UnexpectedHelp => "unexpected_help",
    UnexpectedFreeHelp => "unexpected_free_help",
    WaitingAnswer => "waiting_answer",
    WaitingAnswerFree => "waiting_answer_free",
    ConsentTitle => "consent_title",
    ConsentHelp => "consent_help",
    ConsentAllow => "consent_allow",
    ConsentHost => "consent_host",
    ConsentPage => "consent_page",
    ConsentStatus => "consent_status",
    ConsentStatusHelp => "consent_status_help",

    Mute => "mute",
    Unmute => "unmute",
    HangUp => "hang_up",
    HangingUp => "hanging_up",
    OpenFlex => "open_flex",
    FixMicrophone => "fix_microphone",
    AllowMicrophone => "allow_microphone",
    MicrophoneSettings => "microphone_settings",
    TryAgain => "try_again",
    RestartHint => "restart_hint",
    RestartHintCall => "restart_hint_call",
    Restarting => "restarting",
    RestartHintPolicy => "restart_hint_policy",
    Restart => "restart",
    ReportCopied => "report_copied",
    ReportNotCopied => "report_not_copied",
    NotYet => "not_yet",
    ReportFile => "report_file",
    RefusedNoCall => "refused_no_call",
    RefusedCallOver => "refused_call_over",
    RefusedWaitingGone => "refused_waiting_gone",
    RefusedDevicesFixed => "refused_devices_fixed",
    RefusedDeviceGone => "refused_device_gone",
    RefusedDigitsTooFast => "refused_digits_too_fast",
    RefusedNotUnderstood => "refused_not_understood",
    RefusedRestartFixed => "refused_restart_fixed",
    RefusedRestartInCall => "refused_restart_in_call",
    RefusedQuestionChanged => "refused_question_changed",
    Retrying => "retrying",

    MicChecking => "mic_checking",
    MicGranted => "mic_granted",
    MicGrantedHelp => "mic_granted_help",
    MicPrompt => "mic_prompt",
    MicPromptHelp => "mic_prompt_help",
    MicPromptPopupHelp => "mic_prompt_popup_help",
    MicAsking => "mic_asking",
    MicAskingHelp => "mic_asking_help",
    MicDismissed => "mic_dismissed",
    MicDismissedHelp => "mic_dismissed_help",
    MicBlocked => "mic_blocked",
    MicBlockedHelp => "mic_blocked_help",
    MicBlockedPopupHelp => "mic_blocked_popup_help",
    MicNone => "mic_none",
    MicNoneHelp => "mic_none_help",
    MicBusy => "mic_busy",
    MicBusyHelp => "mic_busy_help",
    MicFailed => "mic_failed",
    MicFailedHelp => "mic_failed_help",

    ProblemMalformedMessage => "problem_malformed_message",
    ProblemMalformedMessageHelp => "problem_malformed_message_help",
    ProblemUnknownType => "problem_unknown_type",
    ProblemUnknownTypeHelp => "problem_unknown_type_help",
    ProblemWrongAccount => "problem_wrong_account",
    ProblemWrongAccountHelp => "problem_wrong_account_help",
    ProblemWrongTokenUrl => "problem_wrong_token_url",
    ProblemWrongTokenUrlHelp => "problem_wrong_token_url_help",
    ProblemWrongPageOrigin => "problem_wrong_page_origin",
    ProblemWrongPageOriginHelp => "problem_wrong_page_origin_help",
    ProblemConsentNeeded => "problem_consent_needed",
    ProblemConsentNeededHelp => "problem_consent_needed_help",
    ProblemConsentDeclined => "problem_consent_declined",
    ProblemConsentDeclinedHelp => "problem_consent_declined_help",
    ProblemDisabledByPolicy => "problem_disabled_by_policy",
    ProblemDisabledByPolicyHelp => "problem_disabled_by_policy_help",
    ProblemTooManyMessages => "problem_too_many_messages",
    ProblemTooManyMessagesHelp => "problem_too_many_messages_help",
    ProblemLineContested => "problem_line_contested",
    ProblemLineContestedHelp => "problem_line_contested_help",
    ProblemAudioDeviceMissing => "problem_audio_device_missing",
    ProblemAudioDeviceMissingHelp => "problem_audio_device_missing_help",
    ProblemWrongIdentity => "problem_wrong_identity",
    ProblemWrongIdentityHelp => "problem_wrong_identity_help",
    ProblemWrongPrefix => "problem_wrong_prefix",
    ProblemWrongPrefixHelp => "problem_wrong_prefix_help",
    ProblemNotConfigured => "problem_not_configured",
    ProblemNotConfiguredHelp => "problem_not_configured_help",
    ProblemNoCall => "problem_no_call",
    ProblemNoCallHelp => "problem_no_call_help",
    ProblemInvalidFlexToken => "problem_invalid_flex_token",
    ProblemInvalidFlexTokenHelp => "problem_invalid_flex_token_help",
    ProblemTokenServiceUnavailable => "problem_token_service_unavailable",
    ProblemTokenServiceUnavailableHelp => "problem_token_service_unavailable_help",
    ProblemTokenServiceMisconfigured => "problem_token_service_misconfigured",
    ProblemTokenServiceMisconfiguredHelp => "problem_token_service_misconfigured_help",
    ProblemVoiceTokenRefused => "problem_voice_token_refused",
    ProblemVoiceTokenRefusedHelp => "problem_voice_token_refused_help",
    ProblemGatewayUnavailable => "problem_gateway_unavailable",
    ProblemGatewayUnavailableHelp => "problem_gateway_unavailable_help",
    ProblemMicrophoneUnavailable => "problem_microphone_unavailable",
    ProblemMicrophoneUnavailableHelp => "problem_microphone_unavailable_help",
    ProblemCallFailed => "problem_call_failed",
    ProblemCallFailedHelp => "problem_call_failed_help",
    ProblemInternal => "problem_internal",
    ProblemInternalHelp => "problem_internal_help",

    DetailStatus => "detail_status",
    DetailProblem => "detail_problem",
    DetailAccount => "detail_account",
    DetailIdentity => "detail_identity",
    DetailTokenService => "detail_token_service",
    DetailPages => "detail_pages",
    DetailPagesValue => "detail_pages_value",
    DetailMicrophone => "detail_microphone",
    DetailVersion => "detail_version",
    DetailProtocol => "detail_protocol",
    NotKnownYet => "not_known_yet",

    PolicyAccount => "policy_account",
    PolicyTokenService => "policy_token_service",
    PolicyPrefix => "policy_prefix",
    PolicyNotSet => "policy_not_set",
    PolicyInvalid => "policy_invalid",
    PolicySome => "policy_some",
    PolicyNone => "policy_none",
    ComplaintAccountSid => "complaint_account_sid",
    ComplaintTokenServiceUrl => "complaint_token_service_url",
    ComplaintPageOrigin => "complaint_page_origin",
    ComplaintIdentityPrefix => "complaint_identity_prefix",
    ComplaintEdge => "complaint_edge",
    ComplaintPercentage => "complaint_percentage",
    ComplaintMinutes => "complaint_minutes",
    ComplaintDeviceName => "complaint_device_name",
    ComplaintText => "complaint_text",
    ComplaintList => "complaint_list",
    ComplaintTrueOrFalse => "complaint_true_or_false",
    ComplaintOneOf => "complaint_one_of",

    FlexStep => "flex_step",
    FlexStepHelp => "flex_step_help",
    FlexStepDone => "flex_step_done",
    FlexStepDoneHelp => "flex_step_done_help",
    FlexStepMicrophone => "flex_step_microphone",
}

#[cfg(test)]
mod tests {
    use std::{
        collections::BTreeSet,
        env, fs,
        path::{Path, PathBuf},
    };

    use proptest::prelude::*;
    use serde_json::Value;

    use super::*;
    use crate::machine::Action;

    const PAGES: [&str; 3] = ["popup.html", "welcome.html", "options.html"];

    fn root() -> PathBuf {
        Path::new(&env::var("CARGO_MANIFEST_DIR").unwrap()).parent().unwrap().to_path_buf()
    }

    fn extension(path: &str) -> String {
        fs::read_to_string(root().join("extension").join(path)).unwrap()
    }

    fn messages(locale: &str) -> serde_json::Map<String, Value> {
        let text = extension(&format!("_locales/{locale}/messages.json"));
        serde_json::from_str::<Value>(&text).unwrap().as_object().unwrap().clone()
    }

    /// What stands between `before` and the next `after`, at every place in the text.
    fn between<'a>(text: &'a str, before: &str, after: &str) -> Vec<&'a str> {
        text.split(before).skip(1).filter_map(|rest| rest.split(after).next()).collect()
    }

    fn keys_in_html() -> BTreeSet<String> {
        let mut keys = BTreeSet::new();
        for page in PAGES {
            let html = extension(page);
            for attribute in ["data-i18n=\"", "data-i18n-label=\""] {
                keys.extend(between(&html, attribute, "\"").into_iter().map(str::to_owned));
            }
        }
        keys
    }

    /// Keys that the manifest and the worker name.
    fn keys_elsewhere() -> BTreeSet<String> {
        let manifest = fs::read_to_string(root().join("manifest.json")).unwrap();
        let mut keys: BTreeSet<String> =
            between(&manifest, "__MSG_", "__").into_iter().map(str::to_owned).collect();
        let mut folders = vec![root().join("worker-wasm/src")];
        while let Some(folder) = folders.pop() {
            for entry in fs::read_dir(folder).unwrap() {
                let path = entry.unwrap().path();
                if path.is_dir() {
                    folders.push(path);
                } else {
                    let source = fs::read_to_string(path).unwrap();
                    for call in ["webext::message(\"", "webext::message_with(\""] {
                        keys.extend(between(&source, call, "\"").into_iter().map(str::to_owned));
                    }
                }
            }
        }
        keys
    }

    #[test]
    fn every_key_that_is_used_has_words_in_every_locale_and_every_word_is_used() {
        let mut used: BTreeSet<String> = Key::ALL.iter().map(|key| key.name().to_owned()).collect();
        used.extend(keys_in_html());
        used.extend(keys_elsewhere());
        for locale in ["en", "es"] {
            let there: BTreeSet<String> = messages(locale).keys().cloned().collect();
            let missing: Vec<_> = used.difference(&there).collect();
            let unused: Vec<_> = there.difference(&used).collect();
            assert!(
                missing.is_empty() && unused.is_empty(),
                "{locale}: missing {missing:?}, unused {unused:?}"
            );
        }
    }

    #[test]
    fn both_locales_say_something_everywhere_and_take_the_same_substitutions() {
        let (en, es) = (messages("en"), messages("es"));
        for (key, value) in &en {
            let texts = [value, &es[key]].map(|entry| entry["message"].as_str().unwrap().trim().to_owned());
            for text in &texts {
                assert!(!text.is_empty(), "{key} is empty");
            }
            for number in ["$1", "$2"] {
                let counts = texts.each_ref().map(|text| text.matches(number).count());
                assert_eq!(counts[0], counts[1], "{key} {number}");
            }
        }
    }

    #[test]
    fn every_button_in_the_html_does_something() {
        for page in PAGES {
            let html = extension(page);
            for name in between(&html, "data-action=\"", "\"") {
                assert!(Action::of_button(name).is_some(), "{page}: {name}");
            }
            assert!(!html.contains(" onclick") && !html.contains("<script>"), "{page} has inline script");
        }
    }

    #[test]
    fn markup_stays_text_and_a_right_to_left_override_is_dropped() {
        assert_eq!(plain("<img src=x onerror=alert(1)>"), "<img src=x onerror=alert(1)>");
        assert_eq!(plain("+1555\u{202E}9999\n"), "+15559999");
        assert_eq!(plain("eyJ is how a token starts"), "eyJ is how a token starts");
        assert_eq!(plain(&"a".repeat(1000)).len(), 400);
    }

    proptest! {
        #[test]
        fn whatever_surrounds_a_token_it_is_not_shown(
            before in ".{0,20}",
            token in "eyJ[A-Za-z0-9_-]{14,80}\\.[A-Za-z0-9_-]{10,80}\\.[A-Za-z0-9_-]{10,80}",
            after in "([ \"',;)].{0,20})?",
        ) {
            let shown = plain(&format!("{before}{token}{after}"));
            prop_assert!(!shown.contains(&token[3..]), "{}", shown);
        }
    }
}
