//! What is said once and then goes away.

use kernel::Monotonic;
use protocol::video::SeatRole;

use super::people::News;

/// How long a note is there, in milliseconds.
const NOTE_MS: u64 = 8_000;
/// More than this at once nobody reads.
const MOST: usize = 4;

/// What is said.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Said {
    /// Of somebody else.
    News(SeatRole, News),
    /// Somebody shares their screen.
    Shares(SeatRole),
    /// Somebody does no longer.
    SharesNoMore(SeatRole),
    /// Our screen is shared.
    Sharing,
    /// Our screen is not shared any more.
    NotSharing,
    /// Our screen could not be shared.
    ShareFailed,
    /// It is recorded from now on.
    Recording,
    /// It is not recorded any more.
    NotRecording,
    /// The link is in the clipboard.
    Copied,
    /// It is not.
    NotCopied,
    /// A camera or microphone ended by itself.
    DeviceLost,
    /// A call is live: the microphone is off.
    CallHasMicrophone,
    /// The call is over: the microphone may be switched on.
    CallOver,
    /// Somebody waits.
    Knock,
    /// What the agent wanted of the service did not work.
    NotDone,
    /// Our connection is lost.
    Reconnecting,
    /// It is back.
    Reconnected,
    /// We are in.
    Joined,
}

/// The notes that are there.
#[derive(Debug, Default)]
pub struct Notes {
    /// With number and end, the oldest first.
    pub list: Vec<(u64, Said, Monotonic)>,
    last: u64,
}

impl Notes {
    /// One more.
    pub fn say(&mut self, said: Said, now: Monotonic) {
        self.last += 1;
        self.list.push((self.last, said, now.plus(NOTE_MS)));
        if self.list.len() > MOST {
            self.list.remove(0);
        }
    }

    /// It was read.
    pub fn dismiss(&mut self, number: u64) {
        self.list.retain(|(one, ..)| *one != number);
    }

    /// Forgets what was there for long enough.
    pub fn settle(&mut self, now: Monotonic) {
        self.list.retain(|(.., until)| *until > now);
    }

    /// When the next one goes.
    #[must_use]
    pub fn due(&self) -> Option<Monotonic> {
        self.list.iter().map(|(.., until)| *until).min()
    }
}
