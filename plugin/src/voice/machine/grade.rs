//! How a call sounds, in one word.

use protocol::{QualitySample, QualityWarning};

/// How a call sounds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Grade {
    /// Nobody would complain.
    Good,
    /// Noticeable.
    Fair,
    /// Hard to understand.
    Poor,
}

/// Opinion scores, in hundredths: from the first on at worst some are dissatisfied, from the second on many, below it
/// nearly all (ITU-T G.107, annex B).
const MOS_GOOD: u16 = 360;
const MOS_FAIR: u16 = 310;

/// The grade of a call: the estimated opinion score, and never good while the SDK warns.
#[must_use]
pub fn grade(sample: Option<&QualitySample>, warnings: &[QualityWarning]) -> Option<Grade> {
    let by_score = sample.and_then(|sample| sample.mos_hundredths).map(|score| match score {
        MOS_GOOD.. => Grade::Good,
        MOS_FAIR.. => Grade::Fair,
        _ => Grade::Poor,
    });
    let broken =
        [QualityWarning::IceConnectivityLost, QualityWarning::LowMos, QualityWarning::LowBytesReceived];
    match by_score {
        _ if warnings.iter().any(|warning| broken.contains(warning)) => Some(Grade::Poor),
        Some(Grade::Good) if !warnings.is_empty() => Some(Grade::Fair),
        None if !warnings.is_empty() => Some(Grade::Fair),
        by_score => by_score,
    }
}
