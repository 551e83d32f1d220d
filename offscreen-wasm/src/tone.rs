//! The tones that only the agent hears, as files: two notes each, so that they are heard as signals and not as a hum.

use std::f64::consts::TAU;

const RATE: u32 = 16_000;
const FADE_MS: u32 = 20;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Tone {
    /// The agent tries the speaker.
    Test,
    /// A call was answered without a click: short, because the customer speaks already.
    Answered,
}

impl Tone {
    const fn notes_hz(self) -> [f64; 2] {
        match self {
            Self::Test => [523.25, 659.25],
            Self::Answered => [880.0, 1_174.66],
        }
    }

    const fn note_ms(self) -> u32 {
        match self {
            Self::Test => 350,
            Self::Answered => 120,
        }
    }
}

/// A WAV of 16 bits, mono.
#[must_use]
#[expect(clippy::cast_possible_truncation, reason = "a sine times a quarter of what fits")]
pub fn wav(tone: Tone) -> Vec<u8> {
    let note = RATE * tone.note_ms() / 1000;
    let fade = f64::from(RATE * FADE_MS / 1000);
    let samples = tone.notes_hz().into_iter().flat_map(|hz| {
        (0..note).map(move |n| {
            let edge = f64::from(n.min(note - 1 - n));
            let loud = (edge / fade).min(1.0) * f64::from(i16::MAX) / 4.0;
            ((f64::from(n) * hz * TAU / f64::from(RATE)).sin() * loud) as i16
        })
    });
    let data: Vec<u8> = samples.flat_map(i16::to_le_bytes).collect();
    let length = u32::try_from(data.len()).unwrap_or_default();
    let mut wav = Vec::with_capacity(44 + data.len());
    wav.extend(b"RIFF");
    wav.extend((36 + length).to_le_bytes());
    wav.extend(b"WAVEfmt ");
    wav.extend(16_u32.to_le_bytes());
    for word in [1_u16, 1] {
        wav.extend(word.to_le_bytes());
    }
    wav.extend(RATE.to_le_bytes());
    wav.extend((RATE * 2).to_le_bytes());
    for word in [2_u16, 16] {
        wav.extend(word.to_le_bytes());
    }
    wav.extend(b"data");
    wav.extend(length.to_le_bytes());
    wav.extend(data);
    wav
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_tone_is_a_whole_wav_that_begins_and_ends_in_silence_and_is_heard_between() {
        for (tone, length) in [(Tone::Test, 2 * 5_600), (Tone::Answered, 2 * 1_920)] {
            let wav = wav(tone);
            assert_eq!(&wav[..4], b"RIFF");
            let word = |at: usize| u32::from_le_bytes(wav[at..at + 4].try_into().unwrap()) as usize;
            assert_eq!((word(4), word(24), word(40)), (wav.len() - 8, 16_000, wav.len() - 44));
            let samples: Vec<i16> = wav[44..].chunks(2).map(|c| i16::from_le_bytes([c[0], c[1]])).collect();
            assert_eq!(samples.len(), length);
            assert!(samples[0].abs() < 50 && samples[samples.len() - 1].abs() < 500);
            let loudest = samples.iter().map(|s| s.unsigned_abs()).max().unwrap();
            assert!((7_000..8_200).contains(&loudest), "{loudest}");
        }
    }
}
