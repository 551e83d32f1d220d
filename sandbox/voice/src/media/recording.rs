//! A stereo recording: left the agent, right the customer.

use std::io::Cursor;

use super::audio::RATE;

/// What was recorded so far.
#[derive(Clone, Debug, Default)]
pub struct Recording {
    agent: Vec<i16>,
    customer: Vec<i16>,
    /// Where the agent's stream stands in the recording: the RTP time that belongs to a position.
    anchor: Option<(u32, usize)>,
}

/// Ten seconds: what lies further from where it is expected belongs to another stream, or to another part of the
/// call, and is anchored again.
const FAR: usize = 10 * RATE as usize;

impl Recording {
    /// Adds 20 ms of the customer's; this is the recording's clock.
    pub fn customer(&mut self, samples: &[i16]) {
        self.customer.extend_from_slice(samples);
    }

    /// Adds a packet of the agent's, at the place that its RTP time says, so that jitter is not recorded but losses
    /// are.
    pub fn agent(&mut self, rtp_time: u32, samples: &[i16]) {
        let here = self.customer.len();
        let expected = self.anchor.and_then(|(time, position)| {
            let forward = usize::try_from(rtp_time.wrapping_sub(time)).unwrap_or(usize::MAX);
            Some(position.saturating_add(forward)).filter(|position| position.abs_diff(here) < FAR)
        });
        let position = expected.unwrap_or(here);
        if expected.is_none() {
            self.anchor = Some((rtp_time, here));
        }
        let end = position + samples.len();
        if self.agent.len() < end {
            self.agent.resize(end, 0);
        }
        if let Some(place) = self.agent.get_mut(position..end) {
            place.copy_from_slice(samples);
        }
    }

    /// Forgets where the agent's stream stood, because the recording was interrupted.
    pub fn resume(&mut self) {
        self.anchor = None;
        let end = self.agent.len().max(self.customer.len());
        self.agent.resize(end, 0);
        self.customer.resize(end, 0);
    }

    /// The WAV file: two channels of 16 bits at 8 kHz.
    ///
    /// # Errors
    /// Never in practice: the file is written to memory.
    pub fn to_wav(&self) -> Result<Vec<u8>, hound::Error> {
        let spec = hound::WavSpec {
            channels: 2,
            sample_rate: RATE,
            bits_per_sample: 16,
            sample_format: hound::SampleFormat::Int,
        };
        let mut file = Cursor::new(Vec::new());
        let mut writer = hound::WavWriter::new(&mut file, spec)?;
        let frames = self.agent.len().max(self.customer.len());
        let at = |channel: &[i16], n| channel.get(n).copied().unwrap_or(0);
        for n in 0..frames {
            writer.write_sample(at(&self.agent, n))?;
            writer.write_sample(at(&self.customer, n))?;
        }
        writer.finalize()?;
        Ok(file.into_inner())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_lost_packet_is_silence_and_a_late_one_finds_its_place() {
        let mut recording = Recording::default();
        for n in 0..5 {
            recording.customer(&[7; 160]);
            if n == 0 {
                recording.agent(1_000_000, &[1; 160]);
            }
        }
        recording.agent(1_000_000 + 3 * 160, &[4; 160]);
        recording.agent(1_000_000 + 160, &[2; 160]);
        let wav = recording.to_wav().unwrap();
        let mut reader = hound::WavReader::new(Cursor::new(wav)).unwrap();
        assert_eq!((reader.spec().channels, reader.spec().sample_rate), (2, 8000));
        let samples: Vec<i16> = reader.samples().map(Result::unwrap).collect();
        let left = |ms: usize| samples[ms * 8 * 2];
        // The first packet arrived when one frame of the customer's had been recorded.
        assert_eq!([10, 30, 50, 70, 90].map(left), [0, 1, 2, 0, 4]);
        assert_eq!(samples[1], 7);
    }
}
