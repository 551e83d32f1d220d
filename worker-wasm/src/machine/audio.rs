//! Microphone, speaker and volume: what the agent or policy wants, kept here and carried out by the offscreen document.

use messages::english;
use protocol::{
    AudioDevice, AudioKind, AudioSettings, AudioState, Problem,
    audio::MAX_AUDIO_NAME,
    offscreen::ToOffscreen,
    page::SelectAudioDevice,
    popup::{Refused, ToPopup},
};

use super::{
    command::Command,
    config::Policy,
    context::Context,
    event::{MicrophonePermission, PortId},
    persisted::{Persisted, Preferences, renew},
};

/// More devices than anybody plugs in.
const MAX_DEVICES: usize = 64;
/// As loud as the customer's voice comes.
const FULL_VOLUME: u8 = 100;

/// Why a change of devices or volume is refused.
const FIXED: Refused = Refused::DevicesFixed;

/// What the document was told of microphone and speaker since its Hello.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
struct Told {
    settings: Option<AudioSettings>,
    /// `None` when it may still be testing for a worker that was killed.
    is_testing: Option<bool>,
}

/// Microphone, speaker and volume.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct Audio {
    /// What the agent has chosen.
    chosen: AudioSettings,
    /// The devices that the offscreen document named last.
    devices: Option<AudioState>,
    /// Whether Chrome lets the extension use the microphone.
    permission: Option<MicrophonePermission>,
    /// A call was open: then the microphone works, whatever the permission's state says.
    is_proven: bool,
    /// Just installed: the welcome page is due unless the microphone is granted.
    owes_welcome: bool,
    /// The page that tests the microphone, and is shown its level.
    tester: Option<PortId>,
    /// The speaker's tone waits for the offscreen document.
    owes_tone: bool,
    told: Told,
}

/// A device whose names are short enough to keep, without control characters.
fn device(device: AudioDevice) -> Option<AudioDevice> {
    let fits = |name: &String| name.len() <= MAX_AUDIO_NAME;
    (fits(&device.id) && fits(&device.label) && !device.id.chars().any(char::is_control)).then(|| {
        AudioDevice { id: device.id, label: device.label.chars().filter(|c| !c.is_control()).collect() }
    })
}

fn devices(list: Vec<AudioDevice>) -> Vec<AudioDevice> {
    list.into_iter().filter_map(device).take(MAX_DEVICES).collect()
}

impl Audio {
    /// Goes on from what was saved.
    pub(super) fn restore(&mut self, persisted: &Persisted) {
        self.devices.clone_from(&persisted.audio);
        self.is_proven = persisted.microphone_proven;
    }

    pub(super) fn remember(&mut self, preferences: &Preferences) {
        self.chosen.clone_from(&preferences.audio);
    }

    pub(super) fn save(&self, saved: &mut Persisted) -> bool {
        renew(&mut saved.audio, &self.devices) | renew(&mut saved.microphone_proven, &self.is_proven)
    }

    pub(super) fn write(&self, preferences: &mut Preferences) -> bool {
        renew(&mut preferences.audio, &self.chosen)
    }

    /// The extension was just installed.
    pub(super) const fn installed(&mut self) {
        self.owes_welcome = true;
    }

    /// Chrome says whether the extension may use the microphone.
    pub(super) fn permission_read(&mut self, permission: MicrophonePermission, cx: &mut Context) {
        self.permission = Some(permission);
        if std::mem::take(&mut self.owes_welcome) && permission != MicrophonePermission::Granted {
            cx.push(Command::OpenWelcome);
        }
    }

    /// The microphone that a call would not have.
    pub(super) fn problem(&self) -> Option<Problem> {
        let is_missing = match self.permission {
            Some(MicrophonePermission::Denied) => true,
            Some(MicrophonePermission::Prompt) => !self.is_proven,
            Some(MicrophonePermission::Granted) | None => false,
        };
        is_missing.then(|| english::MICROPHONE_NOT_ALLOWED.problem(false))
    }

    /// The offscreen document says what devices there are.
    pub(super) fn changed(&mut self, state: AudioState, cx: &mut Context) {
        if self.is_muted() != state.microphone_muted {
            let word = if state.microphone_muted { "mutes" } else { "does not mute" };
            cx.info(format!("The computer or the headset {word} the microphone."));
        }
        let mut missing = state.missing;
        missing.sort_unstable();
        missing.dedup();
        self.devices = Some(AudioState {
            microphones: devices(state.microphones),
            speakers: devices(state.speakers),
            wanted: AudioSettings::default(),
            microphone: state.microphone.and_then(device),
            speaker: state.speaker.and_then(device),
            missing,
            microphone_open: state.microphone_open,
            microphone_muted: state.microphone_muted,
        });
    }

    /// What there is, what is in use, and what is wanted: the last is this machine's word alone.
    pub(super) fn state(&self, policy: &Policy) -> Option<AudioState> {
        let state = self.devices.clone()?;
        Some(AudioState { wanted: self.wanted(policy), ..state })
    }

    /// The computer or the headset mutes the microphone, as far as is known.
    pub(super) fn is_muted(&self) -> bool {
        self.devices.as_ref().is_some_and(|audio| audio.microphone_muted)
    }

    /// A device that is wanted was pulled out or cannot be opened in a call, and another stands in. Without a call that is
    /// no trouble: who puts the headset away for the night is not to be told of it.
    pub(super) fn missing_in_call(&self, has_call: bool) -> Option<Problem> {
        let audio = self.devices.as_ref().filter(|_| has_call)?;
        (!audio.missing.is_empty()).then(|| english::DEVICE_MISSING.problem(false))
    }

    fn plugged_in(&self, kind: AudioKind) -> &[AudioDevice] {
        match (&self.devices, kind) {
            (None, _) => &[],
            (Some(state), AudioKind::Microphone) => &state.microphones,
            (Some(state), AudioKind::Speaker) => &state.speakers,
        }
    }

    /// The agent's choice, or policy's preference where the agent has none or may have none.
    fn wanted(&self, policy: &Policy) -> AudioSettings {
        let chosen = &self.chosen;
        let wanted = |kind, choice: &Option<AudioDevice>| {
            if choice.is_some() && policy.may_change_settings {
                return choice.clone();
            }
            let preferred = self.plugged_in(kind).iter().find(|device| policy.prefers(kind, &device.label));
            preferred.or(choice.as_ref()).cloned()
        };
        AudioSettings {
            microphone: wanted(AudioKind::Microphone, &chosen.microphone),
            speaker: wanted(AudioKind::Speaker, &chosen.speaker),
            volume: chosen.volume.min(FULL_VOLUME),
        }
    }

    /// Page or popup choose a device.
    ///
    /// # Errors
    /// When policy fixes the devices, or there is no such device.
    pub(super) fn select(&mut self, wish: &SelectAudioDevice, policy: &Policy) -> Result<(), Refused> {
        if !policy.may_change_settings {
            return Err(FIXED);
        }
        let chosen = match &wish.device_id {
            None => None,
            Some(id) => {
                let known = self.plugged_in(wish.kind).iter().find(|device| device.id == *id).cloned();
                Some(known.ok_or(Refused::DeviceGone)?)
            }
        };
        match wish.kind {
            AudioKind::Microphone => self.chosen.microphone = chosen,
            AudioKind::Speaker => self.chosen.speaker = chosen,
        }
        Ok(())
    }

    /// Page or popup set the volume.
    ///
    /// # Errors
    /// When policy fixes it.
    pub(super) fn set_volume(&mut self, percent: u8, policy: &Policy) -> Result<(), Refused> {
        if !policy.may_change_settings {
            return Err(FIXED);
        }
        self.chosen.volume = percent.min(FULL_VOLUME);
        Ok(())
    }

    /// A page of the extension tests the microphone; who asks last, sees the level.
    pub(super) fn test_microphone(&mut self, port: PortId, on: bool) {
        if on {
            self.tester = Some(port);
        } else if self.tester == Some(port) {
            self.tester = None;
        }
    }

    /// A page of the extension wants to hear the tone.
    pub(super) const fn test_speaker(&mut self) {
        self.owes_tone = true;
    }

    /// True while the offscreen document is needed for a test.
    pub(super) const fn is_tested(&self) -> bool {
        self.tester.is_some() || self.owes_tone
    }

    /// The tested microphone's level, for the page that tests it and for nobody else.
    pub(super) fn level(&self, percent: u8, cx: &mut Context) {
        if let Some(port) = self.tester {
            let message = Box::new(ToPopup::Level { percent: percent.min(FULL_VOLUME) });
            cx.push(Command::ToPopup { port, message });
        }
    }

    /// The offscreen document has said Hello: it knows nothing of what was wanted.
    pub(super) fn document_is_new(&mut self) {
        let is_open = self.devices.as_ref().is_some_and(|audio| audio.microphone_open);
        self.told = Told { settings: None, is_testing: (!is_open).then_some(false) };
    }

    /// Keeps the offscreen document informed of what is wanted; also before a call is handed to it, so that the call begins
    /// on the right devices.
    pub(super) fn settle(&mut self, document: Option<PortId>, has_open_call: bool, cx: &mut Context) {
        self.is_proven |= has_open_call;
        if document.is_none() {
            return;
        }
        let settings = self.wanted(&cx.policy);
        if self.told.settings.as_ref() != Some(&settings) {
            self.told.settings = Some(settings.clone());
            cx.send_to_offscreen(document, ToOffscreen::SetAudio { settings });
        }
        let on = self.tester.is_some();
        if self.told.is_testing != Some(on) {
            self.told.is_testing = Some(on);
            cx.send_to_offscreen(document, ToOffscreen::TestMicrophone { on });
        }
        if std::mem::take(&mut self.owes_tone) {
            cx.send_to_offscreen(document, ToOffscreen::TestSpeaker);
        }
    }
}
