//! How the live call sounds: the last minutes for the popup's graph, and a summary that is kept when it is over.

use std::collections::{BTreeSet, VecDeque};

use protocol::{QualitySample, QualitySummary, QualityWarning};
use serde::{Deserialize, Serialize};

/// How many samples the popup's graph shows: two minutes of them.
pub const SAMPLES: usize = 120;
/// After this many samples the state is written: a killed worker loses at most these.
const SAVE_EVERY: u32 = 10;
/// Longer than any round trip or jitter that a call survives.
const MAX_MS: u32 = 60_000;
/// The scale of opinion scores, in hundredths: 1 is bad, 4.5 the best that telephony reaches.
const MOS: std::ops::RangeInclusive<u16> = 100..=450;

/// How a call has sounded so far.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, wire::ToTree, wire::FromTree)]
#[serde(default)]
pub struct Sound {
    /// The newest samples, oldest first.
    samples: VecDeque<QualitySample>,
    /// What the SDK warns of now.
    warnings: BTreeSet<QualityWarning>,
    count: u32,
    mos: Mean,
    mos_worst: Option<u16>,
    rtt: Mean,
    rtt_worst: Option<u32>,
    jitter_worst: Option<u32>,
    loss: Mean,
    warned: BTreeSet<QualityWarning>,
}

/// A mean that grows.
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, wire::ToTree, wire::FromTree,
)]
struct Mean {
    sum: u64,
    count: u32,
}

impl Mean {
    fn add(&mut self, value: Option<u32>) {
        if let Some(value) = value {
            self.sum = self.sum.saturating_add(value.into());
            self.count = self.count.saturating_add(1);
        }
    }

    fn get<T: TryFrom<u64>>(self) -> Option<T> {
        self.sum.checked_div(self.count.into()).and_then(|mean| T::try_from(mean).ok())
    }
}

/// A sample with every figure on its scale, whoever sent it.
fn bounded(sample: QualitySample) -> QualitySample {
    QualitySample {
        at: sample.at,
        rtt_ms: sample.rtt_ms.map(|ms| ms.min(MAX_MS)),
        jitter_ms: sample.jitter_ms.map(|ms| ms.min(MAX_MS)),
        loss_permille: sample.loss_permille.map(|loss| loss.min(1_000)),
        mos_hundredths: sample.mos_hundredths.map(|mos| mos.clamp(*MOS.start(), *MOS.end())),
    }
}

impl Sound {
    /// The newest samples, oldest first.
    pub(super) const fn samples(&self) -> &VecDeque<QualitySample> {
        &self.samples
    }

    /// What the SDK warns of now.
    pub(super) const fn warnings(&self) -> &BTreeSet<QualityWarning> {
        &self.warnings
    }

    /// True when the state is to be written: now and then only.
    pub(super) const fn is_to_be_saved(&self) -> bool {
        self.count.is_multiple_of(SAVE_EVERY)
    }

    /// The SDK warns, or takes a warning back. True when that is news.
    pub(super) fn warn(&mut self, warning: QualityWarning, raised: bool) -> bool {
        if raised {
            self.warned.insert(warning);
            self.warnings.insert(warning)
        } else {
            self.warnings.remove(&warning)
        }
    }

    pub(super) fn add(&mut self, sample: QualitySample) {
        let sample = bounded(sample);
        self.count = self.count.saturating_add(1);
        self.mos.add(sample.mos_hundredths.map(Into::into));
        self.mos_worst = self.mos_worst.into_iter().chain(sample.mos_hundredths).min();
        self.rtt.add(sample.rtt_ms);
        self.rtt_worst = self.rtt_worst.max(sample.rtt_ms);
        self.jitter_worst = self.jitter_worst.max(sample.jitter_ms);
        self.loss.add(sample.loss_permille.map(Into::into));
        if self.samples.len() >= SAMPLES {
            self.samples.pop_front();
        }
        self.samples.push_back(sample);
    }

    /// The call in figures.
    pub(super) fn summary(&self) -> QualitySummary {
        QualitySummary {
            samples: self.count,
            mos_mean_hundredths: self.mos.get(),
            mos_worst_hundredths: self.mos_worst,
            rtt_mean_ms: self.rtt.get(),
            rtt_worst_ms: self.rtt_worst,
            jitter_worst_ms: self.jitter_worst,
            loss_mean_permille: self.loss.get(),
            warnings: self.warned.iter().copied().collect(),
        }
    }
}

#[cfg(test)]
mod tests {
    use kernel::Timestamp;

    use super::*;

    fn sample(mos: u16, rtt: u32, loss: u16) -> QualitySample {
        QualitySample {
            at: Timestamp::from_millis(1),
            rtt_ms: Some(rtt),
            jitter_ms: Some(rtt / 10),
            loss_permille: Some(loss),
            mos_hundredths: Some(mos),
        }
    }

    #[test]
    fn the_summary_names_means_and_worsts() {
        let mut sound = Sound::default();
        sound.add(sample(440, 100, 0));
        sound.add(sample(400, 300, 10));
        sound.add(QualitySample {
            at: Timestamp::from_millis(2),
            rtt_ms: None,
            jitter_ms: None,
            loss_permille: None,
            mos_hundredths: None,
        });
        let summary = sound.summary();
        assert_eq!((summary.samples, summary.mos_mean_hundredths), (3, Some(420)));
        assert_eq!((summary.mos_worst_hundredths, summary.rtt_mean_ms), (Some(400), Some(200)));
        assert_eq!((summary.rtt_worst_ms, summary.jitter_worst_ms), (Some(300), Some(30)));
        assert_eq!(summary.loss_mean_permille, Some(5));
    }

    #[test]
    fn no_call_is_summed_up_by_zeros() {
        assert_eq!(Sound::default().summary(), QualitySummary::default());
    }

    #[test]
    fn figures_stay_on_their_scales_and_the_graph_stays_short() {
        let mut sound = Sound::default();
        for _ in 0..1_000 {
            sound.add(sample(65_535, u32::MAX, u16::MAX));
        }
        assert_eq!(sound.samples.len(), SAMPLES);
        let summary = sound.summary();
        assert_eq!(summary.samples, 1_000);
        assert_eq!((summary.mos_worst_hundredths, summary.rtt_worst_ms), (Some(450), Some(60_000)));
        assert_eq!(summary.loss_mean_permille, Some(1_000));
    }
}
