//! What the agent sees in Flex's header, and behind it: plain data, in the agent's language.

use lifeline::Report;
use protocol::{AudioDevice, AudioKind, AudioState, CallPhase, CallView, QualityWarning};

pub use super::grade::{Grade, grade};
use super::i18n::{Text, Words, sentence};
use super::voice::{Voice, Why};

/// What a status line is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Tone {
    /// Ready for calls.
    Ready,
    /// A call is live.
    Call,
    /// Not yet ready, and nothing is wrong.
    Connecting,
    /// There is no voice client now, and nothing is wrong.
    Off,
    /// Calls cannot be taken.
    Problem,
}

/// The item in Flex's header, and the details behind it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StatusLine {
    /// What it is about, for colour and symbol.
    pub tone: Tone,
    /// The line itself. Says everything that the colour says.
    pub text: String,
    /// The button's name for who cannot see it.
    pub label: String,
    /// The details' heading.
    pub title: String,
    /// What the line means, or what to do.
    pub detail: String,
    /// What else the agent should know.
    pub notes: Vec<String>,
    /// How the call sounds.
    pub quality: Option<QualityLine>,
    /// Microphone and speaker; `None` when the extension says nothing of them.
    pub audio: Option<AudioPanel>,
    /// Names and values, for whoever supports the agent.
    pub facts: Vec<(String, String)>,
    /// The name of a button that reloads Flex, where that can help.
    pub reload: Option<String>,
}

/// How the call sounds.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct QualityLine {
    /// In a word, for the colour.
    pub grade: Grade,
    /// “Call quality: good”.
    pub text: String,
    /// The figures behind it.
    pub figures: String,
}

/// Microphone, speaker and volume.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AudioPanel {
    /// The microphone, then the speaker.
    pub choices: Vec<Choice>,
    /// “Volume”.
    pub volume_label: String,
    /// How loud the customer is, in percent.
    pub volume: u8,
}

/// One device to choose.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Choice {
    /// Which end.
    pub kind: AudioKind,
    /// “Microphone”.
    pub label: String,
    /// Ids and names, the system's choice, whose id is empty, first.
    pub options: Vec<(String, String)>,
    /// The id of the wanted one.
    pub selected: String,
}

/// The version numbers of a version text, for comparison.
fn version(text: &str) -> Option<Vec<u32>> {
    text.split('.').map(|part| part.parse().ok()).collect()
}

/// Composes the header's item.
pub(super) fn compose(voice: &Voice, report: &Report, connected: bool, words: &Words) -> StatusLine {
    let state = &report.state;
    // Not by us, who show that otherwise: by the system, or by a key of the headset.
    let is_muted_outside = matches!(voice, Voice::OnCall { phase: CallPhase::Open, muted: false })
        && state.audio.as_ref().is_some_and(|audio| audio.microphone_muted);
    let tone = match voice {
        _ if is_muted_outside => Tone::Problem,
        Voice::Ready => Tone::Ready,
        Voice::Connecting => Tone::Connecting,
        Voice::OnCall { .. } => Tone::Call,
        Voice::SignedOut(_) | Voice::InFrame => Tone::Off,
        Voice::Unclear(_) | Voice::Unavailable(_) => Tone::Problem,
    };
    let (text, detail) = if is_muted_outside {
        (words.plain(Text::MicrophoneMuted), words.plain(Text::MicrophoneMutedDetail))
    } else {
        words.status(voice)
    };
    let quality = state.call.as_ref().and_then(|call| quality(call, words));
    let mut notes = Vec::new();
    if let Voice::Unavailable(Why::Rejected(Some(problem)) | Why::Problem(problem)) = voice {
        let said = sentence(&problem.message);
        // The extension speaks English; the detail says the same to whoever reads another language.
        if words.are_english() && said != detail && !problem.message.trim().is_empty() {
            notes.push(words.say(Text::ExtensionSays, &[("message", &said)]));
        }
    }
    if let Some(call) = &state.call {
        // That a muted microphone is silent is said by the detail.
        let said = |warning: &&QualityWarning| {
            !(is_muted_outside && **warning == QualityWarning::ConstantAudioInput)
        };
        notes.extend(call.warnings.iter().filter(said).map(|warning| words.warning(*warning)));
    }
    if let Some(waiting) = &state.waiting {
        notes.push(words.plain(if waiting.unexpected { Text::UnexpectedCall } else { Text::WaitingCall }));
    }
    if report.beating && report.is_old() {
        notes.push(words.plain(Text::OldExtension));
    } else if version(&state.extension_version)
        .zip(version(env!("CARGO_PKG_VERSION")))
        .is_some_and(|(extension, plugin)| extension < plugin)
    {
        notes.push(words.say(
            Text::OlderVersion,
            &[("extension", &state.extension_version), ("plugin", env!("CARGO_PKG_VERSION"))],
        ));
    }
    if let Some(audio) = &state.audio {
        notes.extend(missing_devices(audio, words));
    }
    let mut facts = Vec::new();
    if let Some(identity) = &report.identity {
        facts.push((words.plain(Text::Identity), identity.as_str().to_owned()));
    }
    if !state.extension_version.is_empty() {
        facts.push((words.plain(Text::ExtensionVersion), state.extension_version.clone()));
    }
    facts.push((words.plain(Text::PluginVersion), env!("CARGO_PKG_VERSION").to_owned()));
    let helps = matches!(
        voice,
        Voice::Unavailable(
            Why::NoExtension
                | Why::Rejected(None)
                | Why::Gone
                | Why::Silent
                | Why::OtherAgent
                | Why::NoToken
                | Why::ContactUri
                | Why::Missing(_)
                | Why::Misconfigured(_)
        )
    );
    StatusLine {
        tone,
        label: words.say(Text::Details, &[("status", &text)]),
        text,
        title: words.plain(Text::Title),
        detail,
        notes,
        quality,
        audio: state.audio.as_ref().filter(|_| connected).map(|audio| audio_panel(audio, words)),
        facts,
        reload: helps.then(|| words.plain(Text::ReloadFlex)),
    }
}

fn quality(call: &CallView, words: &Words) -> Option<QualityLine> {
    let grade = grade(call.quality.as_ref(), &call.warnings)?;
    let figure = |value: Option<u32>| value.map_or_else(|| "–".to_owned(), |value| value.to_string());
    let sample = call.quality;
    let loss = sample
        .and_then(|sample| sample.loss_permille)
        .map_or_else(|| "–".to_owned(), |permille| format!("{}.{}", permille / 10, permille % 10));
    let figures = words.say(
        Text::Figures,
        &[
            ("rtt", &figure(sample.and_then(|sample| sample.rtt_ms))),
            ("jitter", &figure(sample.and_then(|sample| sample.jitter_ms))),
            ("loss", &loss),
        ],
    );
    let text = format!("{}: {}", words.plain(Text::Quality), words.grade(grade));
    Some(QualityLine { grade, text, figures })
}

/// A device's name as a person reads it.
fn name(device: &AudioDevice, words: &Words) -> String {
    if device.label.is_empty() { words.plain(Text::UnnamedDevice) } else { device.label.clone() }
}

fn missing_devices(audio: &AudioState, words: &Words) -> Vec<String> {
    audio
        .missing
        .iter()
        .map(|kind| {
            let (wanted, used, there) = match kind {
                AudioKind::Microphone => (&audio.wanted.microphone, &audio.microphone, &audio.microphones),
                AudioKind::Speaker => (&audio.wanted.speaker, &audio.speaker, &audio.speakers),
            };
            let is_there = wanted.as_ref().is_some_and(|wanted| there.iter().any(|one| one.id == wanted.id));
            let wanted = wanted
                .as_ref()
                .map_or_else(|| words.plain(Text::UnnamedDevice), |device| name(device, words));
            let used =
                used.as_ref().map_or_else(|| words.plain(Text::AnotherDevice), |device| name(device, words));
            let text = if is_there { Text::DeviceBusy } else { Text::DeviceMissing };
            words.say(text, &[("device", &wanted), ("used", &used)])
        })
        .collect()
}

fn audio_panel(audio: &AudioState, words: &Words) -> AudioPanel {
    let choice = |kind, label, devices: &[AudioDevice], wanted: &Option<AudioDevice>| {
        let mut options = vec![(String::new(), words.plain(Text::SystemDefault))];
        // Chrome lists the system's choice as a device of its own, beside the device that it is.
        options.extend(
            devices
                .iter()
                .chain(wanted)
                .filter(|device| !["", "default", "communications"].contains(&device.id.as_str()))
                .map(|device| (device.id.clone(), name(device, words))),
        );
        let mut seen = Vec::new();
        options.retain(|(id, _)| {
            let is_new = !seen.contains(id);
            if is_new {
                seen.push(id.clone());
            }
            is_new
        });
        let selected = wanted.as_ref().map(|device| device.id.clone()).unwrap_or_default();
        Choice { kind, label: words.plain(label), options, selected }
    };
    AudioPanel {
        choices: vec![
            choice(AudioKind::Microphone, Text::Microphone, &audio.microphones, &audio.wanted.microphone),
            choice(AudioKind::Speaker, Text::Speaker, &audio.speakers, &audio.wanted.speaker),
        ],
        volume_label: words.plain(Text::Volume),
        volume: audio.wanted.volume,
    }
}
