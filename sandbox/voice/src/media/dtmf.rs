//! Keys as RFC 4733 telephone events: hearing them once each, and sending them.

use std::collections::VecDeque;

use kernel::DtmfDigits;

/// The key of an event code.
#[must_use]
pub fn digit(event: u8) -> Option<char> {
    b"0123456789*#ABCD".get(usize::from(event)).map(|b| char::from(*b))
}

/// The event code of a key.
#[must_use]
pub fn event(digit: char) -> Option<u8> {
    "0123456789*#ABCD".find(digit).and_then(|at| u8::try_from(at).ok())
}

/// Hears keys. Every report of one key press carries the same RTP timestamp, and the last report is sent three times;
/// a press counts once, when its end is reported, or when the next press begins and its end never came.
#[derive(Clone, Debug, Default)]
pub struct Ear {
    pressing: Option<(u32, u8)>,
    heard: VecDeque<u32>,
}

impl Ear {
    /// Takes one report and says which keys it completes.
    pub fn report(&mut self, rtp_time: u32, event: u8, end: bool) -> Vec<char> {
        let mut complete = Vec::new();
        if self.heard.contains(&rtp_time) {
            return complete;
        }
        if let Some((before, unended)) = self.pressing.take_if(|(time, _)| *time != rtp_time) {
            self.remember(before);
            complete.extend(digit(unended));
        }
        if end {
            self.pressing = None;
            self.remember(rtp_time);
            complete.extend(digit(event));
        } else {
            self.pressing = Some((rtp_time, event));
        }
        complete
    }

    fn remember(&mut self, rtp_time: u32) {
        self.heard.push_back(rtp_time);
        if self.heard.len() > 16 {
            self.heard.pop_front();
        }
    }
}

/// What the sender puts into one 20 ms slot.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Slot {
    /// Audio.
    Audio,
    /// A report of a pressed key.
    Key {
        /// The event code.
        event: u8,
        /// True in the first report.
        first: bool,
        /// True in the last report, which is to be sent three times.
        last: bool,
        /// Slots since the press began, this one included.
        slots: u16,
    },
}

/// Presses keys: 160 ms each, 80 ms between, half a second for `w`, as the Voice SDK itself does (its pause is 70 ms;
/// a sender that works in frames of 20 ms rounds it up).
#[derive(Clone, Debug, Default)]
pub struct Finger {
    queue: VecDeque<char>,
    press: Option<(u8, u16)>,
    pause: u32,
}

impl Finger {
    const PRESS_SLOTS: u16 = 8;
    const PAUSE_SLOTS: u32 = 4;
    const WAIT_SLOTS: u32 = 25;

    /// Adds keys to press.
    pub fn press(&mut self, digits: &DtmfDigits) {
        self.queue.extend(digits.as_str().chars());
    }

    /// What goes into the next slot.
    pub fn next_slot(&mut self) -> Slot {
        if self.press.is_none() {
            if self.pause > 0 {
                self.pause -= 1;
                return Slot::Audio;
            }
            match self.queue.pop_front() {
                None => return Slot::Audio,
                Some('w') => {
                    self.pause = Self::WAIT_SLOTS - 1;
                    return Slot::Audio;
                }
                Some(key) => self.press = event(key).map(|event| (event, 0)),
            }
        }
        let Some((event, before)) = self.press else { return Slot::Audio };
        let slots = before + 1;
        let last = slots == Self::PRESS_SLOTS;
        self.press = (!last).then_some((event, slots));
        if last {
            self.pause = Self::PAUSE_SLOTS;
        }
        Slot::Key { event, first: before == 0, last, slots }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_press_with_three_end_reports_counts_once() {
        let mut ear = Ear::default();
        let heard: String = [
            (100, 1, false),
            (100, 1, false),
            (100, 1, true),
            (100, 1, true),
            (100, 1, true),
            (900, 11, true),
        ]
        .into_iter()
        .flat_map(|(time, event, end)| ear.report(time, event, end))
        .collect();
        assert_eq!(heard, "1#");
    }

    #[test]
    fn a_press_whose_end_is_lost_counts_when_the_next_begins() {
        let mut ear = Ear::default();
        assert!(ear.report(100, 5, false).is_empty());
        assert_eq!(ear.report(900, 6, false), ['5']);
        assert!(ear.report(100, 5, true).is_empty(), "a late end report is not a second press");
    }

    #[test]
    fn a_wait_is_half_a_second_of_audio() {
        let mut finger = Finger::default();
        finger.press(&DtmfDigits::new("w1").unwrap());
        let slots: Vec<_> = (0..40).map(|_| finger.next_slot()).collect();
        assert_eq!(slots.iter().position(|s| *s != Slot::Audio), Some(25));
    }

    proptest! {
        #[test]
        fn what_the_finger_presses_the_ear_hears(keys in "[0-9*#w]{1,32}", lost in proptest::collection::vec(any::<bool>(), 1200)) {
            let (mut finger, mut ear, mut heard) = (Finger::default(), Ear::default(), String::new());
            finger.press(&DtmfDigits::new(keys.clone()).unwrap());
            let mut started = 0;
            for (slot, lost) in (0u32..1200).zip(lost) {
                if let Slot::Key { event, first, last, .. } = finger.next_slot() {
                    if first { started = slot; }
                    // Any report but the first may be lost, as long as one end report of three comes through.
                    if first || last || !lost {
                        for _ in 0..if last { 3 } else { 1 } { heard.extend(ear.report(started * 160, event, last)); }
                    }
                }
            }
            prop_assert_eq!(heard, keys.replace('w', ""));
        }
    }
}
