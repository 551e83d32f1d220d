//! Microphone, speaker and volume: what the agent or policy wants, kept here and carried out by the offscreen document.

use kernel::Timestamp;
use protocol::{
    AudioDevice, AudioKind, AudioSettings, AudioState, Problem, ProblemCode, audio::MAX_AUDIO_NAME,
    offscreen::ToOffscreen, page::SelectAudioDevice, popup::ToPopup,
};

use super::{Command, Machine, Refused, event::PortId};

/// More devices than anybody plugs in.
const MAX_DEVICES: usize = 64;
/// As loud as the customer's voice comes.
const FULL_VOLUME: u8 = 100;

/// Why a change of devices or volume is refused.
const FIXED: Refused = Refused::DevicesFixed;

/// The volatile half: who tests what.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct AudioTests {
    /// The page that is shown the microphone's level.
    microphone: Option<PortId>,
    /// The tone waits for the offscreen document.
    speaker: bool,
}

impl AudioTests {
    /// True while the offscreen document is needed for it.
    pub(super) const fn are_wanted(&self) -> bool {
        self.microphone.is_some() || self.speaker
    }

    pub(super) const fn is_microphone_tested(&self) -> bool {
        self.microphone.is_some()
    }

    pub(super) const fn take_speaker(&mut self) -> bool {
        std::mem::replace(&mut self.speaker, false)
    }
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

impl Machine {
    /// The offscreen document says what devices there are.
    pub(super) fn audio_changed(&mut self, state: AudioState, now: Timestamp) {
        let was_muted = self.durable.audio.as_ref().is_some_and(|audio| audio.microphone_muted);
        if was_muted != state.microphone_muted {
            let word = if state.microphone_muted { "mutes" } else { "does not mute" };
            self.info(now, format!("The computer or the headset {word} the microphone."));
        }
        let mut missing = state.missing;
        missing.sort_unstable();
        missing.dedup();
        self.durable.audio = Some(AudioState {
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
    pub(super) fn audio_state(&self) -> Option<AudioState> {
        let state = self.durable.audio.clone()?;
        Some(AudioState { wanted: self.audio_wanted(), ..state })
    }

    /// A device that is wanted was pulled out or cannot be opened in a call, and another stands in. Without a call that is
    /// no trouble: who puts the headset away for the night is not to be told of it.
    pub(super) fn device_missing_in_call(&self) -> Option<Problem> {
        let audio = self.durable.audio.as_ref().filter(|_| self.durable.call.is_some())?;
        (!audio.missing.is_empty()).then(|| Problem {
            code: ProblemCode::AudioDeviceMissing,
            message: "The device that you chose is not connected, or another program uses it. Another one is in use for \
                      this call."
                .into(),
            retrying: false,
        })
    }

    /// The computer or the headset mutes the microphone of the live call.
    pub(super) fn is_microphone_muted(&self) -> bool {
        self.durable.call.is_some() && self.durable.audio.as_ref().is_some_and(|audio| audio.microphone_muted)
    }

    fn plugged_in(&self, kind: AudioKind) -> &[AudioDevice] {
        match (&self.durable.audio, kind) {
            (None, _) => &[],
            (Some(state), AudioKind::Microphone) => &state.microphones,
            (Some(state), AudioKind::Speaker) => &state.speakers,
        }
    }

    /// The agent's choice, or policy's preference where the agent has none or may have none.
    pub(super) fn audio_wanted(&self) -> AudioSettings {
        let chosen = &self.remembered.audio;
        let wanted = |kind, choice: &Option<AudioDevice>| {
            if choice.is_some() && self.policy.may_change_settings {
                return choice.clone();
            }
            let preferred =
                self.plugged_in(kind).iter().find(|device| self.policy.prefers(kind, &device.label));
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
    pub(super) fn select_audio(&mut self, wish: &SelectAudioDevice) -> Result<(), Refused> {
        if !self.policy.may_change_settings {
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
            AudioKind::Microphone => self.remembered.audio.microphone = chosen,
            AudioKind::Speaker => self.remembered.audio.speaker = chosen,
        }
        Ok(())
    }

    /// Page or popup set the volume.
    ///
    /// # Errors
    /// When policy fixes it.
    pub(super) fn set_volume(&mut self, percent: u8) -> Result<(), Refused> {
        if !self.policy.may_change_settings {
            return Err(FIXED);
        }
        self.remembered.audio.volume = percent.min(FULL_VOLUME);
        Ok(())
    }

    /// A page of the extension tests the microphone; who asks last, sees the level.
    pub(super) fn test_microphone(&mut self, port: PortId, on: bool) {
        if on {
            self.audio_tests.microphone = Some(port);
        } else if self.audio_tests.microphone == Some(port) {
            self.audio_tests.microphone = None;
        }
    }

    /// A page of the extension wants to hear the tone.
    pub(super) const fn test_speaker(&mut self) {
        self.audio_tests.speaker = true;
    }

    /// A page of the extension is gone, and with it the test that it started.
    pub(super) fn audio_tester_gone(&mut self, port: PortId) {
        self.test_microphone(port, false);
    }

    /// The tested microphone's level, for the page that tests it and for nobody else.
    pub(super) fn microphone_level(&mut self, percent: u8) {
        if let Some(port) = self.audio_tests.microphone {
            let message = Box::new(ToPopup::Level { percent: percent.min(FULL_VOLUME) });
            self.out.push(Command::ToPopup { port, message });
        }
    }

    /// Keeps the offscreen document informed of what is wanted. Called before a call is handed to it.
    pub(super) fn settle_audio(&mut self) {
        let wanted = self.audio_wanted();
        let is_testing = self.audio_tests.is_microphone_tested();
        let Some(told) = self.offscreen.told() else { return };
        let mut messages = Vec::new();
        if told.settings.as_ref() != Some(&wanted) {
            told.settings = Some(wanted.clone());
            messages.push(ToOffscreen::SetAudio { settings: wanted });
        }
        if told.is_testing != Some(is_testing) {
            told.is_testing = Some(is_testing);
            messages.push(ToOffscreen::TestMicrophone { on: is_testing });
        }
        if self.audio_tests.take_speaker() {
            messages.push(ToOffscreen::TestSpeaker);
        }
        for message in messages {
            self.tell_offscreen(message);
        }
    }
}
