//! Microphone and speaker: what there is, what is wanted, what is in use.
//!
//! What is told of them is what Chrome opened, not what it was asked for: a device that is listed can be held by another
//! program, or fail. Such a one is stood in for like one that is not there, and tried again with the next call, when
//! devices come or go, and when somebody looks.
//!
//! A device is remembered by id and by label. Chrome changes the ids when site data is cleared, and a headset that is
//! plugged in again may come with another one; so the id is looked for first, then the label, and then the system's
//! choice stands in, and says so. The wanted device is taken again as soon as it is back.

use protocol::{AudioDevice, AudioKind, AudioSettings, AudioState};

/// The id of the system's choice.
pub const SYSTEM: &str = "default";

/// How loud this stretch of sound is, 0 to 100, on a scale of decibels like that of any mixing desk: -60 is 0.
#[must_use]
#[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "clamped to 0..=100")]
pub fn level(samples: &[f32]) -> u8 {
    let power: f64 = samples.iter().map(|sample| f64::from(*sample).powi(2)).sum();
    let mean = power / samples.len().max(1) as f64;
    // Full scale of a sine has half the power of a constant 1.
    let decibels = 10.0 * (2.0 * mean).max(1e-12).log10();
    ((decibels + 60.0) / 60.0 * 100.0).clamp(0.0, 100.0).round() as u8
}

/// What [`Audio::settle`] wants done.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Changes {
    /// Another microphone is to be used from now on.
    pub microphone: bool,
    /// Another speaker, or another volume.
    pub speaker: bool,
}

/// A microphone that was opened.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Opened {
    /// The device that was tried first.
    pub tried: String,
    /// The one that Chrome opened.
    pub device: AudioDevice,
    /// The computer or the headset mutes it.
    pub muted: bool,
}

/// The microphone as it is used for the call or for a test.
#[derive(Debug, Default)]
struct Used {
    open: bool,
    /// The device that was tried first when it was opened or changed last.
    tried: Option<String>,
    /// What was opened; `None` when that has ended.
    device: Option<AudioDevice>,
    muted: bool,
}

impl Used {
    fn opened(opened: Opened) -> Self {
        let Opened { tried, device, muted } = opened;
        Self { open: true, tried: Some(tried), device: Some(device), muted }
    }
}
#[derive(Debug, Default)]
pub(super) struct Audio {
    /// With the devices that are to be used, as far as the lists tell.
    state: AudioState,
    listed: bool,
    /// The microphone in use has ended by itself.
    lost: bool,
    /// The settings that the speaker was set to last.
    playing: Option<(Option<AudioDevice>, u8)>,
    /// What plays, when a speaker was tried: the one that was tried, and the one in use.
    heard_on: Option<(String, String)>,
    call: Used,
    test: Used,
    /// What could not be opened may be tried once more.
    again: bool,
}

impl Audio {
    /// What the worker is told, once the devices were listed.
    pub(super) fn state(&self) -> Option<AudioState> {
        if !self.listed {
            return None;
        }
        let mut state = self.state.clone();
        let used = if self.call.open { &self.call } else { &self.test };
        state.microphone_open = used.open;
        state.microphone_muted = used.open && used.muted;
        let target = id(state.microphone.as_ref());
        let was_tried = used.tried.as_deref() == Some(target);
        match &used.device {
            _ if !used.open => {}
            // Until the wanted one was tried, the one before it is what is heard.
            Some(device) if device.id != target => {
                state.missing.extend(was_tried.then_some(AudioKind::Microphone));
                state.microphone = Some(listed(&state.microphones, &device.id).unwrap_or(device).clone());
            }
            None if was_tried => {
                state.missing.push(AudioKind::Microphone);
                state.microphone = None;
            }
            _ => {}
        }
        if let Some((tried, used)) = &self.heard_on
            && tried != used
            && tried == id(state.speaker.as_ref())
        {
            state.missing.push(AudioKind::Speaker);
            state.speaker = listed(&state.speakers, used).cloned();
        }
        state.missing.sort_unstable();
        state.missing.dedup();
        Some(state)
    }

    /// What the agent wants.
    pub(super) fn want(&mut self, settings: AudioSettings) -> Changes {
        self.state.wanted = settings;
        self.settle()
    }

    /// What there is.
    pub(super) fn found(&mut self, microphones: Vec<AudioDevice>, speakers: Vec<AudioDevice>) -> Changes {
        self.listed = true;
        self.state.microphones = system_first(microphones);
        self.state.speakers = system_first(speakers);
        self.settle()
    }

    /// The microphone in use has ended. What takes its place is found when the devices are listed again.
    pub(super) fn microphone_lost(&mut self) {
        self.lost = true;
        self.call = Used { open: true, ..Used::default() };
    }

    /// The call has a microphone, its first or another one.
    pub(super) fn opened_for_call(&mut self, opened: Opened) {
        self.call = Used::opened(opened);
    }

    /// The call's microphone could not be changed to this one.
    pub(super) fn not_switched(&mut self, tried: String) {
        self.call.tried = Some(tried);
    }

    /// The computer or the headset mutes the call's microphone, or lets it be heard again.
    pub(super) fn muted_in_call(&mut self, muted: bool) {
        self.call.muted = muted;
    }

    pub(super) fn call_over(&mut self) {
        self.call = Used::default();
        self.heard_on = None;
    }

    pub(super) fn test_begins(&mut self) {
        self.test = Used { open: true, ..Used::default() };
    }

    /// The test has a microphone.
    pub(super) fn opened_for_test(&mut self, opened: Opened) {
        self.test = Used::opened(opened);
    }

    pub(super) fn muted_in_test(&mut self, muted: bool) {
        self.test.muted = muted;
    }

    pub(super) fn test_over(&mut self) {
        self.test = Used::default();
    }

    /// A speaker was tried, and this one plays. True when it stands in, and that is news.
    pub(super) fn played_on(&mut self, tried: String, used: String) -> bool {
        let stands_in = tried != used;
        let heard_on = Some((tried, used));
        let is_news = self.heard_on != heard_on;
        self.heard_on = heard_on;
        stands_in && is_news
    }

    /// The reason why a device could not be opened may be over.
    pub(super) fn try_again(&mut self) {
        self.again = true;
    }

    /// The devices that stand to be tried once more, after the lists are known: microphone, speaker. Once each time that
    /// [`Audio::try_again`] said so, because what is in use is found out by listing too.
    pub(super) fn take_again(&mut self) -> (Option<String>, bool) {
        if !std::mem::take(&mut self.again) {
            return (None, false);
        }
        let target = id(self.state.microphone.as_ref());
        let stands_in = self.call.open && self.call.device.as_ref().is_none_or(|device| device.id != target);
        let microphone = stands_in && self.call.tried.as_deref() == Some(target);
        let is_speaker_stood_in_for = self.heard_on.as_ref().is_some_and(|(tried, used)| tried != used);
        if is_speaker_stood_in_for {
            self.heard_on = None;
        }
        (microphone.then(|| target.to_owned()), is_speaker_stood_in_for)
    }

    /// The microphones to try, best first: the last one is always the system's choice.
    pub(super) fn microphones_to_try(&self) -> Vec<String> {
        let chosen = id(self.state.microphone.as_ref());
        let mut order: Vec<String> = (chosen != SYSTEM).then(|| chosen.to_owned()).into_iter().collect();
        order.push(SYSTEM.into());
        order
    }

    /// The speaker's id and the volume.
    pub(super) fn speaker(&self) -> (String, u8) {
        let id = self.state.speaker.as_ref().map_or_else(|| SYSTEM.into(), |device| device.id.clone());
        (id, self.state.wanted.volume.min(100))
    }

    fn settle(&mut self) -> Changes {
        let state = &mut self.state;
        let mut missing = Vec::new();
        let mut choose = |kind, there: &[AudioDevice], wanted: Option<&AudioDevice>| {
            let (device, fell_back) = choose(there, wanted);
            missing.extend(fell_back.then_some(kind));
            device
        };
        let microphone = choose(AudioKind::Microphone, &state.microphones, state.wanted.microphone.as_ref());
        let speaker = choose(AudioKind::Speaker, &state.speakers, state.wanted.speaker.as_ref());
        let lost = std::mem::take(&mut self.lost);
        let microphone_changed = lost || !is_same(state.microphone.as_ref(), microphone.as_ref());
        state.microphone = microphone;
        state.speaker = speaker;
        state.missing = missing;
        let playing = (state.speaker.clone(), state.wanted.volume);
        let speaker_changed = self.playing.as_ref() != Some(&playing);
        self.playing = Some(playing);
        Changes { microphone: microphone_changed, speaker: speaker_changed }
    }
}

/// The id that a device is opened by.
fn id(device: Option<&AudioDevice>) -> &str {
    device.map(|device| device.id.as_str()).filter(|id| !id.is_empty()).unwrap_or(SYSTEM)
}

fn listed<'a>(devices: &'a [AudioDevice], id: &str) -> Option<&'a AudioDevice> {
    devices.iter().find(|device| device.id == id)
}

/// The system's choice keeps its id when it becomes another device, and is known by its label then. That a label is
/// learnt, because the permission is there now, is no change.
fn is_same(before: Option<&AudioDevice>, now: Option<&AudioDevice>) -> bool {
    match (before, now) {
        (Some(before), Some(now)) => {
            before.id == now.id && (before.label.is_empty() || before.label == now.label)
        }
        // Before the devices were listed the system's choice was used.
        (None, Some(now)) => now.id == SYSTEM,
        (Some(_), None) => false,
        (None, None) => true,
    }
}

fn system_first(mut devices: Vec<AudioDevice>) -> Vec<AudioDevice> {
    // "communications" is a second name of one of the others, which only Windows has.
    devices.retain(|device| device.id != "communications");
    devices.sort_by_key(|device| device.id != SYSTEM);
    devices
}

/// The device to use, and whether it stands in for one that is not there.
fn choose(there: &[AudioDevice], wanted: Option<&AudioDevice>) -> (Option<AudioDevice>, bool) {
    let system = there.first().cloned();
    let Some(wanted) = wanted.filter(|wanted| wanted.id != SYSTEM) else { return (system, false) };
    let by_id = there.iter().find(|device| !wanted.id.is_empty() && device.id == wanted.id);
    let by_label =
        || there.iter().find(|d| d.id != SYSTEM && !wanted.label.is_empty() && d.label == wanted.label);
    match by_id.or_else(by_label) {
        Some(device) => (Some(device.clone()), false),
        None => (system, true),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn device(id: &str, label: &str) -> AudioDevice {
        AudioDevice { id: id.into(), label: label.into() }
    }

    fn want(id: &str, label: &str) -> AudioSettings {
        AudioSettings { microphone: Some(device(id, label)), ..AudioSettings::default() }
    }

    fn laptop() -> Vec<AudioDevice> {
        vec![device("x1", "Laptop"), device(SYSTEM, "Default - Laptop")]
    }

    fn with_headset() -> Vec<AudioDevice> {
        let mut devices = laptop();
        devices.push(device("h1", "Headset"));
        devices
    }

    #[test]
    fn the_level_is_nothing_in_silence_full_for_a_full_tone_and_between_for_speech() {
        assert_eq!(level(&[]), 0);
        assert_eq!(level(&[0.0; 100]), 0);
        let tone =
            |loud: f32| (0..1000_u16).map(move |n| (f32::from(n) * 0.3).sin() * loud).collect::<Vec<_>>();
        assert_eq!(level(&tone(1.0)), 100);
        assert_eq!(level(&tone(0.1)), 67);
        assert!(level(&tone(0.000_1)) == 0);
    }

    #[test]
    fn without_a_wish_the_systems_choice_is_used_and_listed_first() {
        let mut audio = Audio::default();
        assert_eq!(audio.found(with_headset(), Vec::new()), Changes { microphone: false, speaker: true });
        let state = audio.state().unwrap();
        assert_eq!(state.microphones[0].id, SYSTEM);
        assert_eq!(state.microphone, Some(device(SYSTEM, "Default - Laptop")));
        assert_eq!((state.speaker, state.missing), (None, vec![]));
        assert_eq!(audio.microphones_to_try(), [SYSTEM]);
    }

    #[test]
    fn a_device_is_known_by_its_id_and_with_another_id_by_its_label() {
        let mut audio = Audio::default();
        audio.found(with_headset(), Vec::new());
        audio.want(want("h1", "An older name"));
        assert_eq!(audio.state().unwrap().microphone, Some(device("h1", "Headset")));
        audio.want(want("gone", "Headset"));
        assert_eq!(audio.state().unwrap().microphone, Some(device("h1", "Headset")));
        assert!(audio.state().unwrap().missing.is_empty());
        assert_eq!(audio.microphones_to_try(), ["h1", SYSTEM]);
    }

    #[test]
    fn an_unplugged_headset_is_stood_in_for_and_taken_again_when_it_is_back() {
        let mut audio = Audio::default();
        audio.found(with_headset(), Vec::new());
        audio.want(want("h1", "Headset"));
        assert!(audio.found(laptop(), Vec::new()).microphone);
        let state = audio.state().unwrap();
        assert_eq!(state.missing, [AudioKind::Microphone]);
        assert_eq!(state.microphone.map(|device| device.id), Some(SYSTEM.into()));
        assert_eq!(state.wanted.microphone, Some(device("h1", "Headset")), "still wanted");
        let mut again = laptop();
        again.push(device("h2", "Headset"));
        assert!(audio.found(again, Vec::new()).microphone);
        assert_eq!(audio.state().unwrap().microphone, Some(device("h2", "Headset")));
        assert!(audio.state().unwrap().missing.is_empty());
    }

    #[test]
    fn another_system_default_is_a_change_although_its_id_is_the_same() {
        let mut audio = Audio::default();
        audio.found(laptop(), Vec::new());
        let other = vec![device(SYSTEM, "Default - Headset"), device("x1", "Laptop")];
        assert!(audio.found(other.clone(), Vec::new()).microphone);
        assert!(!audio.found(other, Vec::new()).microphone, "no news is no change");
    }

    #[test]
    fn a_label_that_is_learnt_is_no_change() {
        let mut audio = Audio::default();
        audio.found(vec![device(SYSTEM, "")], Vec::new());
        assert!(!audio.found(vec![device(SYSTEM, "Default - Laptop")], Vec::new()).microphone);
        assert_eq!(audio.state().unwrap().microphone, Some(device(SYSTEM, "Default - Laptop")));
    }

    #[test]
    fn a_lost_microphone_is_opened_again_even_if_the_list_is_the_same() {
        let mut audio = Audio::default();
        audio.found(laptop(), Vec::new());
        audio.microphone_lost();
        assert!(audio.found(laptop(), Vec::new()).microphone);
    }

    #[test]
    fn with_no_device_at_all_the_system_is_still_tried() {
        let mut audio = Audio::default();
        audio.want(want("h1", "Headset"));
        audio.found(Vec::new(), Vec::new());
        assert_eq!(audio.state().unwrap().missing, [AudioKind::Microphone]);
        assert_eq!(audio.microphones_to_try(), [SYSTEM]);
        assert_eq!(audio.speaker(), (SYSTEM.into(), 100));
    }

    #[test]
    fn the_volume_is_a_change_of_the_speaker_only_and_never_more_than_full() {
        let mut audio = Audio::default();
        audio.found(laptop(), laptop());
        let louder = AudioSettings { volume: 250, ..AudioSettings::default() };
        assert_eq!(audio.want(louder), Changes { microphone: false, speaker: true });
        assert_eq!(audio.speaker(), (SYSTEM.into(), 100));
    }
}
