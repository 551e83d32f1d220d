//! How a call sounds: the SDK's figures in an agent's words, and as a small graph.

use kernel::Timestamp;
use protocol::{QualitySample, QualitySummary, QualityWarning, state::UiState};

use crate::{
    text::{Key, Text},
    tone::Tone,
};

/// The graph's width and height, in its own units.
pub const GRAPH: (u32, u32) = (120, 36);
/// So much of the past the graph shows.
const SPAN_MS: u64 = 60_000;
/// A longer pause between two samples is a gap in the line: nothing is known of it.
const GAP_MS: u64 = 3_500;
/// The opinion scores between which the graph is drawn, in hundredths.
const WORST: u16 = 100;
const BEST: u16 = 450;
/// From this score on nobody notices anything (ITU-T G.107, R = 75).
const GOOD: u16 = 380;
/// From this score on every word can be understood (R = 60).
const FAIR: u16 = 310;

/// The live call's quality.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct QualityCard {
    /// How it stands.
    pub tone: Tone,
    /// In two words.
    pub verdict: Key,
    /// Round trip, jitter and loss.
    pub figures: Text,
    /// What is wrong and what to do, in an agent's words.
    pub warning: Option<Key>,
    /// The graph's line, as the `d` of an SVG path.
    pub line: String,
}

/// The live call's quality, if there is one with sound.
pub fn quality(state: &UiState, now: Timestamp) -> Option<QualityCard> {
    let call = state.client.call.as_ref()?;
    call.answered_at?;
    let latest = call.quality.as_ref().or_else(|| state.quality.last());
    let (tone, verdict) = verdict(latest.and_then(|sample| sample.mos_hundredths));
    // The worst first: that no sound arrives matters more than that it arrives late.
    let warning = SEVERITY.iter().find(|warning| call.warnings.contains(warning));
    let tone = if warning.is_some() { Tone::Problem } else { tone };
    let is_muted = state.client.audio.as_ref().is_some_and(|audio| audio.microphone_muted);
    Some(QualityCard {
        tone,
        verdict,
        figures: latest.map_or(Key::QualityMeasuringHelp.into(), figures),
        warning: warning.map(|warning| match warning {
            // Why it is silent.
            QualityWarning::ConstantAudioInput if is_muted => Key::WarningMicrophoneMuted,
            warning => Key::Warning(*warning),
        }),
        line: line(&state.quality, now),
    })
}

/// How a finished call sounded.
pub fn summary(quality: &QualitySummary) -> (Tone, Key) {
    match quality.mos_mean_hundredths {
        Some(mos) => verdict(Some(mos)),
        None => (Tone::Quiet, Key::QualityUnknown),
    }
}

const fn verdict(mos: Option<u16>) -> (Tone, Key) {
    match mos {
        Some(GOOD..) => (Tone::Ready, Key::QualityGood),
        Some(FAIR..) => (Tone::Waiting, Key::QualityFair),
        Some(_) => (Tone::Problem, Key::QualityPoor),
        None => (Tone::Quiet, Key::QualityMeasuring),
    }
}

fn figures(sample: &QualitySample) -> Text {
    let number = |value: Option<u32>| value.map_or_else(|| "–".to_owned(), |value| value.to_string());
    let loss = sample.loss_permille.map_or_else(|| "–".to_owned(), percent);
    Text::With(Key::QualityFigures, vec![number(sample.rtt_ms), number(sample.jitter_ms), loss])
}

/// Thousandths as percent: whole numbers, but one digit more below ten, where it matters.
fn percent(permille: u16) -> String {
    match (permille / 10, permille % 10) {
        (whole, 0) => whole.to_string(),
        (whole @ 0..10, tenth) => format!("{whole}.{tenth}"),
        (whole, _) => whole.to_string(),
    }
}

/// Every warning, the worst first.
const SEVERITY: [QualityWarning; 9] = [
    QualityWarning::IceConnectivityLost,
    QualityWarning::LowBytesReceived,
    QualityWarning::LowBytesSent,
    QualityWarning::ConstantAudioInput,
    QualityWarning::HighPacketLoss,
    QualityWarning::LowMos,
    QualityWarning::HighJitter,
    QualityWarning::HighRtt,
    QualityWarning::ConstantAudioOutput,
];

/// The opinion score over the last minute, the present at the right edge. Gaps stay gaps.
fn line(samples: &[QualitySample], now: Timestamp) -> String {
    let mut path = String::new();
    let mut before: Option<Timestamp> = None;
    for sample in samples {
        let age = now.since(sample.at);
        let Some(mos) = sample.mos_hundredths.filter(|_| age <= SPAN_MS && sample.at <= now) else {
            before = before.filter(|_| sample.mos_hundredths.is_some());
            continue;
        };
        let x = u64::from(GRAPH.0) * (SPAN_MS - age) / SPAN_MS;
        let height = u32::from(mos.clamp(WORST, BEST) - WORST) * (GRAPH.1 - 4) / u32::from(BEST - WORST);
        let joined = before.is_some_and(|at| sample.at.since(at) <= GAP_MS);
        path += &format!("{}{x} {}", if joined { 'L' } else { 'M' }, GRAPH.1 - 2 - height);
        if !joined {
            path += "h.1"; // A lone sample is a dot.
        }
        before = Some(sample.at);
    }
    path
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use proptest::prelude::*;

    use super::*;

    const NOW: Timestamp = Timestamp::from_millis(1_700_000_100_000);

    fn sample(age: u64, mos: Option<u16>) -> QualitySample {
        QualitySample {
            at: Timestamp::from_millis(NOW.as_millis() - age),
            rtt_ms: Some(48),
            jitter_ms: Some(3),
            loss_permille: Some(4),
            mos_hundredths: mos,
        }
    }

    #[test]
    fn the_graph_is_a_line_from_the_left_edge_a_minute_ago_to_the_right_edge_now() {
        let samples = [sample(60_000, Some(450)), sample(57_000, Some(100)), sample(0, Some(450))];
        assert_eq!(
            line(&samples, NOW),
            "M0 2h.1L6 34M120 2h.1",
            "and where nothing is known there is no line"
        );
        assert_eq!(line(&[sample(60_001, Some(450)), sample(500, None)], NOW), "");
        let broken = [sample(2_000, Some(450)), sample(1_000, None), sample(0, Some(450))];
        assert_eq!(line(&broken, NOW).matches('M').count(), 2);
    }

    #[test]
    fn scores_become_words_that_an_agent_understands() {
        for (mos, key) in [
            (Some(441), Key::QualityGood),
            (Some(380), Key::QualityGood),
            (Some(379), Key::QualityFair),
            (Some(309), Key::QualityPoor),
            (None, Key::QualityMeasuring),
        ] {
            assert_eq!(verdict(mos).1, key, "{mos:?}");
        }
    }

    #[test]
    fn losses_are_percent_with_a_tenth_where_it_matters() {
        for (permille, shown) in [(0, "0"), (4, "0.4"), (10, "1"), (15, "1.5"), (123, "12"), (1000, "100")] {
            assert_eq!(percent(permille), shown);
        }
    }

    #[test]
    fn every_warning_has_words_of_its_own() {
        let said: HashSet<&str> =
            SEVERITY.into_iter().map(|warning| Key::Warning(warning).words().english).collect();
        assert_eq!(said.len(), 9);
    }

    proptest! {
        #[test]
        fn whatever_the_samples_are_the_line_stays_in_its_box(
            samples in proptest::collection::vec((0_u64..200_000, proptest::option::of(any::<u16>())), 0..80),
        ) {
            let samples: Vec<_> = samples
                .into_iter()
                .map(|(at, mos)| QualitySample { at: Timestamp::from_millis(NOW.as_millis() - 100_000 + at), ..sample(0, mos) })
                .collect();
            let path = line(&samples, NOW);
            for point in path.split(['M', 'L']).skip(1) {
                let (x, y) = point.trim_end_matches("h.1").split_once(' ').unwrap();
                prop_assert!(x.parse::<u32>().unwrap() <= GRAPH.0 && (2..=34).contains(&y.parse::<u32>().unwrap()));
            }
        }
    }
}
