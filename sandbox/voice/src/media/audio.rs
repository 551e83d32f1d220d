//! Sound at 8 kHz: µ-law, the tone that the customer plays, and what can be told of what it hears.

use std::f64::consts::TAU;

/// Samples per second.
pub const RATE: u32 = 8000;

/// Samples in one packet of 20 ms.
pub const FRAME: usize = 160;

/// µ-law of a 16-bit sample (ITU-T G.711).
#[must_use]
pub fn ulaw_encode(sample: i16) -> u8 {
    const BIAS: i32 = 0x84;
    const CLIP: i32 = 32_635;
    let sign = if sample < 0 { 0x80 } else { 0 };
    let magnitude = i32::from(sample).abs().min(CLIP) + BIAS;
    let exponent = (31 - magnitude.leading_zeros()).saturating_sub(7);
    let mantissa = (magnitude >> (exponent + 3)) & 0x0f;
    !u8::try_from(sign | (i32::try_from(exponent).unwrap_or(0) << 4) | mantissa).unwrap_or(0)
}

/// The 16-bit sample of a µ-law byte.
#[must_use]
pub fn ulaw_decode(byte: u8) -> i16 {
    let byte = !byte;
    let magnitude = ((i32::from(byte & 0x0f) << 3) + 0x84) << ((byte & 0x70) >> 4);
    let sample = if byte & 0x80 == 0 { magnitude - 0x84 } else { 0x84 - magnitude };
    i16::try_from(sample).unwrap_or(0)
}

/// What the customer plays: 440 Hz and 554 Hz in turn, half a second each, so that a listener (or a test) knows it
/// for the customer and hears at once when something is missing.
#[derive(Clone, Debug, Default)]
pub struct Tone {
    sample: u64,
    phase: f64,
}

impl Tone {
    /// The two frequencies, in hertz.
    pub const HZ: [f64; 2] = [440.0, 554.0];

    /// The next 20 ms.
    pub fn frame(&mut self) -> [i16; FRAME] {
        std::array::from_fn(|_| {
            let second_half = (self.sample / u64::from(RATE / 2)) % 2 == 1;
            self.phase = (self.phase + Self::HZ[usize::from(second_half)] / f64::from(RATE)).fract();
            self.sample += 1;
            #[expect(clippy::cast_possible_truncation, reason = "within ±9000")]
            let sample = ((self.phase * TAU).sin() * 9000.0) as i16;
            sample
        })
    }
}

/// What a customer on hold hears: one steady tone that nobody else makes.
pub const HOLD_MUSIC_HZ: f64 = 330.0;

/// What an agent hears while the customer's telephone rings.
pub const RINGBACK_HZ: f64 = 480.0;

/// A steady tone.
#[derive(Clone, Debug)]
pub struct Steady {
    hz: f64,
    phase: f64,
}

impl Steady {
    /// A tone of this frequency.
    #[must_use]
    pub fn new(hz: f64) -> Self {
        Self { hz, phase: 0.0 }
    }

    /// The next samples.
    pub fn samples(&mut self, count: usize) -> Vec<i16> {
        let step = self.hz / f64::from(RATE);
        let mut sample = || {
            self.phase = (self.phase + step).fract();
            #[expect(clippy::cast_possible_truncation, reason = "within ±6000")]
            let sample = ((self.phase * TAU).sin() * 6000.0) as i16;
            sample
        };
        (0..count).map(|_| sample()).collect()
    }
}

/// Root mean square, 0 for no samples.
#[must_use]
pub fn rms(samples: &[i16]) -> f64 {
    if samples.is_empty() {
        return 0.0;
    }
    let sum: f64 = samples.iter().map(|s| f64::from(*s) * f64::from(*s)).sum();
    #[expect(clippy::cast_precision_loss, reason = "a second of samples")]
    let count = samples.len() as f64;
    (sum / count).sqrt()
}

/// The loudest frequency between 100 and 3400 Hz, to 10 Hz, or `None` for silence.
///
/// Goertzel over pieces of 100 ms, whose resolution is 10 Hz; the powers of the pieces are added.
#[must_use]
pub fn loudest_hz(samples: &[i16]) -> Option<f64> {
    const PIECE: usize = RATE as usize / 10;
    if samples.len() < PIECE || rms(samples) < 20.0 {
        return None;
    }
    let power = |hz: f64| -> f64 {
        let factor = 2.0 * (TAU * hz / f64::from(RATE)).cos();
        let piece = |piece: &[i16]| {
            let (one, two) =
                piece.iter().fold((0.0, 0.0), |(one, two), s| (f64::from(*s) + factor * one - two, one));
            one * one + two * two - factor * one * two
        };
        samples.chunks_exact(PIECE).map(piece).sum()
    };
    (10..=340u32)
        .map(|tens| f64::from(tens * 10))
        .map(|hz| (power(hz), hz))
        .max_by(|a, b| a.0.total_cmp(&b.0))
        .map(|best| best.1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn mu_law_is_that_of_g711() {
        // Table values of ITU-T G.711, and both ends.
        assert_eq!(
            [0, 8, -8, 1000, -1000, 32_767, -32_768].map(ulaw_encode),
            [0xff, 0xfe, 0x7e, 0xce, 0x4e, 0x80, 0x00]
        );
        assert_eq!([0xffu8, 0x7f, 0x80, 0x00].map(ulaw_decode), [0, 0, 32_124, -32_124]);
    }

    #[test]
    fn decoding_and_encoding_again_changes_no_byte_but_the_second_zero() {
        for byte in 0..=255u8 {
            let again = ulaw_encode(ulaw_decode(byte));
            assert!(again == byte || byte == 0x7f, "{byte:#x} became {again:#x}");
        }
    }

    #[test]
    fn the_tone_is_heard_for_what_it_is_even_through_mu_law() {
        let mut tone = Tone::default();
        let through: Vec<i16> =
            (0..50).flat_map(|_| tone.frame()).map(|s| ulaw_decode(ulaw_encode(s))).collect();
        assert_eq!(loudest_hz(&through[..4000]), Some(440.0));
        assert_eq!(loudest_hz(&through[4000..]), Some(550.0));
        assert!((rms(&through) - 9000.0 / 2f64.sqrt()).abs() < 60.0);
    }

    #[test]
    fn silence_has_no_tone() {
        assert_eq!(loudest_hz(&[0; 8000]), None);
        assert_eq!(loudest_hz(&[]), None);
        assert!(rms(&[]).abs() < f64::EPSILON);
    }
}
