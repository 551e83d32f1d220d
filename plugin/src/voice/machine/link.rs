//! The link to the extension: hello, accepted or refused, alive or silent.

use kernel::Timestamp;
use protocol::Problem;

use super::voice::Why;

/// Between two CONFIGURE while no answer comes, in milliseconds. A replaced extension takes repeats in good
/// part.
pub const HELLO_MS: u64 = 2_000;

/// After start, how long an extension has to answer before the agent is told that there is none.
pub const FIRST_ANSWER_MS: u64 = 5_000;

/// Heartbeats come every second; silence of this long means that nobody is there. With one [`super::TICK_MS`] it makes
/// five seconds.
pub const SILENCE_MS: u64 = 4_500;

/// Before the first heartbeat there is nothing regular to hear: the extension is asked after [`SILENCE_MS`],
/// and must have answered by then.
pub const QUIET_SILENCE_MS: u64 = 9_000;

/// A refused page asks again at this pace, in case the refusal's cause is put right.
pub const REFUSED_MS: u64 = 30_000;

/// Between two repeats of FLEX_TOKEN to an extension that says that it waits for one.
pub const TOKEN_REPEAT_MS: u64 = 5_000;

/// A tick later than this was held up, by a sleeping computer or a frozen tab, and so were the extension's
/// messages.
const HELD_UP_MS: u64 = 3_000;

/// What the extension answered last.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Answer {
    None,
    Accepted,
    Rejected(Option<Problem>),
    Gone,
}

/// The link's state.
#[derive(Clone, Debug)]
pub struct Link {
    started: Timestamp,
    answer: Answer,
    /// Heartbeats have begun since the page was accepted.
    beating: bool,
    heard_at: Option<Timestamp>,
    hello_due: Timestamp,
    /// The extension said that it does not know this page: heartbeats do not put the next hello off.
    forgotten: bool,
    token_posted_at: Option<Timestamp>,
    ticked_at: Timestamp,
    /// The last tick was held up: silence before this instant proves nothing.
    excused_until: Option<Timestamp>,
}

impl Link {
    /// A link that has not begun.
    #[must_use]
    pub const fn new(now: Timestamp) -> Self {
        Self {
            started: now,
            answer: Answer::None,
            beating: false,
            heard_at: None,
            hello_due: now,
            forgotten: false,
            token_posted_at: None,
            ticked_at: now,
            excused_until: None,
        }
    }

    /// Time passed. One held-up tick excuses one stretch of silence; a tab whose every tick is late still
    /// notices.
    pub fn tick(&mut self, now: Timestamp) {
        let held_up = now.since(self.ticked_at) > HELD_UP_MS;
        self.ticked_at = now;
        self.excused_until = match self.excused_until {
            None if held_up => Some(now.plus(SILENCE_MS)),
            Some(until) if held_up || now < until => Some(until),
            _ => None,
        };
    }

    /// CONFIGURE is due.
    #[must_use]
    pub fn hello_is_due(&self, now: Timestamp) -> bool {
        now >= self.hello_due
    }

    /// CONFIGURE goes out.
    pub fn hello_said(&mut self, now: Timestamp) {
        let pace = if matches!(self.answer, Answer::Rejected(_)) { REFUSED_MS } else { HELLO_MS };
        self.hello_due = now.plus(pace);
    }

    /// CONFIGURED came. True when the link begins anew with it, so that what was said before is void; false
    /// when it was up already: the extension then only asks for the token.
    pub fn accepted(&mut self, now: Timestamp) -> bool {
        let anew = !self.is_up(now);
        self.beating &= !anew;
        self.answer = Answer::Accepted;
        self.heard_at = Some(now);
        self.hello_due = now.plus(SILENCE_MS);
        self.forgotten = false;
        anew
    }

    /// CONFIG_REJECTED came.
    pub fn rejected(&mut self, problem: Option<Problem>, now: Timestamp) {
        self.answer = Answer::Rejected(problem);
        self.beating = false;
        self.hello_due = now.plus(REFUSED_MS);
    }

    /// DISCONNECTED came: the content script here is dead, and a new one may be put in its place at any time.
    pub fn disconnected(&mut self, now: Timestamp) {
        self.answer = Answer::Gone;
        self.beating = false;
        self.hello_due = now.plus(HELLO_MS);
    }

    /// The extension does not know this page any more.
    pub fn forgotten(&mut self, now: Timestamp) {
        if self.answer == Answer::Accepted && !self.forgotten {
            self.forgotten = true;
            self.hello_due = now.plus(HELLO_MS);
        }
    }

    /// HEARTBEAT or STATE came. False when it must be passed over, because the page has not been accepted.
    pub fn heard(&mut self, heartbeat: bool, now: Timestamp) -> bool {
        if self.answer != Answer::Accepted {
            return false;
        }
        self.beating |= heartbeat;
        // While beating, only the beat is proof: STATE comes when something changes, and may be the last
        // word.
        if heartbeat || !self.beating {
            self.heard_at = Some(now);
            if !self.forgotten {
                self.hello_due = now.plus(SILENCE_MS);
            }
        }
        true
    }

    /// The extension has accepted this page and is not silent.
    #[must_use]
    pub fn is_up(&self, now: Timestamp) -> bool {
        self.answer == Answer::Accepted && !self.is_silent(now)
    }

    fn is_silent(&self, now: Timestamp) -> bool {
        let limit = if self.beating { SILENCE_MS } else { QUIET_SILENCE_MS };
        let silent = self.heard_at.is_none_or(|at| now.since(at) >= limit);
        silent && self.excused_until.is_none_or(|until| now >= until)
    }

    /// What is wrong with the link, `None` when it is up or still being made.
    #[must_use]
    pub fn trouble(&self, now: Timestamp) -> Option<Why> {
        match &self.answer {
            Answer::None => (now.since(self.started) >= FIRST_ANSWER_MS).then_some(Why::NoExtension),
            Answer::Accepted => self.is_silent(now).then_some(Why::Silent),
            Answer::Rejected(problem) => Some(Why::Rejected(problem.clone())),
            Answer::Gone => Some(Why::Gone),
        }
    }

    /// FLEX_TOKEN goes out.
    pub const fn token_posted(&mut self, now: Timestamp) {
        self.token_posted_at = Some(now);
    }

    /// FLEX_TOKEN may be repeated.
    #[must_use]
    pub fn may_repeat_token(&self, now: Timestamp) -> bool {
        self.token_posted_at.is_none_or(|at| now.since(at) >= TOKEN_REPEAT_MS)
    }
}
