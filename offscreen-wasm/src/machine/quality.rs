//! How a call sounds: the SDK's samples and warnings as the closed set that the other rooms know.

use std::collections::BTreeMap;

use kernel::Timestamp;
use protocol::{QualitySample, QualityWarning};
use voice_sdk::Sample;

/// The SDK's name of a warning (2.18.5, `call.ts`), or `None` for one that this build does not know.
pub(super) fn warning(name: &str) -> Option<QualityWarning> {
    Some(match name {
        "high-rtt" => QualityWarning::HighRtt,
        "high-jitter" => QualityWarning::HighJitter,
        "high-packet-loss" | "high-packets-lost-fraction" => QualityWarning::HighPacketLoss,
        "low-mos" => QualityWarning::LowMos,
        "low-bytes-received" => QualityWarning::LowBytesReceived,
        "low-bytes-sent" => QualityWarning::LowBytesSent,
        "constant-audio-input-level" => QualityWarning::ConstantAudioInput,
        "constant-audio-output-level" => QualityWarning::ConstantAudioOutput,
        "ice-connectivity-lost" => QualityWarning::IceConnectivityLost,
        _ => return None,
    })
}

/// A sample in whole numbers.
pub(super) fn sample(sample: &Sample, at: Timestamp) -> QualitySample {
    QualitySample {
        at,
        rtt_ms: sample.rtt_ms.map(|ms| whole(ms, 60_000)),
        jitter_ms: sample.jitter_ms.map(|ms| whole(ms, 60_000)),
        loss_permille: sample.loss_percent.map(|percent| short(percent * 10.0, 1000)),
        mos_hundredths: sample.mos.map(|score| short(score * 100.0, 450)),
    }
}

#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "clamped to what fits; a NaN becomes 0"
)]
fn whole(value: f64, most: u32) -> u32 {
    value.clamp(0.0, f64::from(most)).round() as u32
}

fn short(value: f64, most: u16) -> u16 {
    u16::try_from(whole(value, most.into())).unwrap_or(most)
}

/// Which warnings stand. Two of the SDK's may mean the same one of ours, which then stands until both are over.
#[derive(Debug, Default)]
pub(super) struct Warnings(BTreeMap<String, QualityWarning>);

impl Warnings {
    /// Takes in that a warning of the SDK's is raised, or over. `Some` if that changes what stands: true for raised.
    pub(super) fn take(&mut self, name: &str, raised: bool) -> Option<(QualityWarning, bool)> {
        let warning = warning(name)?;
        let stood = self.stands(warning);
        if raised {
            self.0.insert(name.to_owned(), warning);
        } else {
            self.0.remove(name);
        }
        let stands = self.stands(warning);
        (stood != stands).then_some((warning, stands))
    }

    fn stands(&self, warning: QualityWarning) -> bool {
        self.0.values().any(|other| *other == warning)
    }

    /// Those that stand, each once.
    pub(super) fn all(&self) -> impl Iterator<Item = QualityWarning> {
        self.0.values().copied().collect::<std::collections::BTreeSet<_>>().into_iter()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_sample_becomes_whole_numbers_within_bounds() {
        let measured = Sample {
            rtt_ms: Some(41.6),
            jitter_ms: Some(f64::NAN),
            loss_percent: Some(1.25),
            mos: Some(4.387),
            bytes_received: 1,
            bytes_sent: 1,
        };
        let at = Timestamp::from_millis(7);
        let expected = QualitySample {
            at,
            rtt_ms: Some(42),
            jitter_ms: Some(0),
            loss_permille: Some(13),
            mos_hundredths: Some(439),
        };
        assert_eq!(sample(&measured, at), expected);
        let wild =
            Sample { rtt_ms: Some(-3.0), loss_percent: Some(1e9), mos: Some(99.0), ..Sample::default() };
        let tame = sample(&wild, at);
        assert_eq!((tame.rtt_ms, tame.jitter_ms), (Some(0), None));
        assert_eq!((tame.loss_permille, tame.mos_hundredths), (Some(1000), Some(450)));
    }

    #[test]
    fn two_warnings_of_one_meaning_stand_until_both_are_over() {
        let mut warnings = Warnings::default();
        let lossy = QualityWarning::HighPacketLoss;
        assert_eq!(warnings.take("high-packet-loss", true), Some((lossy, true)));
        assert_eq!(warnings.take("high-packets-lost-fraction", true), None);
        assert_eq!(warnings.take("high-packet-loss", false), None);
        assert_eq!(warnings.all().collect::<Vec<_>>(), [lossy]);
        assert_eq!(warnings.take("high-packets-lost-fraction", false), Some((lossy, false)));
        assert_eq!(warnings.take("something-new", true), None);
    }
}
