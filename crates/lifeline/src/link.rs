//! The link to the extension: hello, accepted or refused, alive or silent.

use kernel::Monotonic;
use protocol::Problem;

/// Between two CONFIGURE while no answer comes, in milliseconds. A replaced extension takes repeats in good
/// part.
pub const HELLO_MS: u64 = 2_000;

/// After start, how long an extension has to answer before the agent is told that there is none.
pub const FIRST_ANSWER_MS: u64 = 5_000;

/// Heartbeats come every second; silence of this long means that nobody is there.
pub const SILENCE_MS: u64 = 4_500;

/// Before the first heartbeat there is nothing regular to hear: the extension is asked after [`SILENCE_MS`],
/// and must have answered by then.
pub const QUIET_SILENCE_MS: u64 = 9_000;

/// A refused page asks again at this pace, in case the refusal's cause is put right.
pub const REFUSED_MS: u64 = 30_000;

/// Between two repeats of FLEX_TOKEN to an extension that says that it waits for one.
pub const TOKEN_REPEAT_MS: u64 = 5_000;

/// A page that looks at a silence this late was held up, by a sleeping computer or a frozen tab, and so were the extension's
/// messages. In milliseconds.
const HELD_UP_MS: u64 = 2_500;

/// What is wrong between a page and the extension.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Trouble {
    /// No extension answered in this page.
    NoAnswer,
    /// The extension refuses this page, with its reason if it gave one.
    Rejected(Option<Problem>),
    /// The extension's half in this page is gone: it was updated, removed or restarted.
    Gone,
    /// The extension has fallen silent.
    Silent,
}

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
    started: Monotonic,
    answer: Answer,
    /// Heartbeats have begun since the page was accepted.
    beating: bool,
    heard_at: Option<Monotonic>,
    hello_due: Monotonic,
    /// The extension said that it does not know this page: heartbeats do not put the next hello off.
    forgotten: bool,
    token_posted_at: Option<Monotonic>,
    looked_at: Monotonic,
    /// The page was held up since the extension was last heard: silence before this instant proves nothing.
    excused_until: Option<Monotonic>,
}

impl Link {
    /// A link that has not begun.
    #[must_use]
    pub const fn new(now: Monotonic) -> Self {
        Self {
            started: now,
            answer: Answer::None,
            beating: false,
            heard_at: None,
            hello_due: now,
            forgotten: false,
            token_posted_at: None,
            looked_at: now,
            excused_until: None,
        }
    }

    /// Looks at the clock, before anything else at each instant. A page that was held up excuses one stretch of silence; one
    /// whose every look is late still notices.
    pub fn look(&mut self, now: Monotonic) {
        let held_up = self.silent_at().is_some_and(|at| self.looked_at < at && now.since(at) > HELD_UP_MS);
        if held_up && self.excused_until.is_none() {
            self.excused_until = Some(now.plus(SILENCE_MS));
        }
        self.looked_at = now;
    }

    /// CONFIGURE is due.
    #[must_use]
    pub fn hello_is_due(&self, now: Monotonic) -> bool {
        now >= self.hello_due
    }

    /// CONFIGURE goes out.
    pub fn hello_sent(&mut self, now: Monotonic) {
        let pace = if matches!(self.answer, Answer::Rejected(_)) { REFUSED_MS } else { HELLO_MS };
        self.hello_due = now.plus(pace);
    }

    /// CONFIGURED came. True when the link starts over with it, so that what was said before is void; false
    /// when it was up already: the extension then only asks for the token.
    pub fn accepted(&mut self, now: Monotonic) -> bool {
        let restarts = !self.is_up(now);
        self.beating &= !restarts;
        self.answer = Answer::Accepted;
        self.alive_at(now);
        self.hello_due = now.plus(SILENCE_MS);
        self.forgotten = false;
        restarts
    }

    /// CONFIG_REJECTED came.
    pub fn rejected(&mut self, problem: Option<Problem>, now: Monotonic) {
        self.answer = Answer::Rejected(problem);
        self.beating = false;
        self.hello_due = now.plus(REFUSED_MS);
    }

    /// DISCONNECTED came: the content script here is dead, and a new one may be put in its place at any time.
    pub fn disconnected(&mut self, now: Monotonic) {
        self.answer = Answer::Gone;
        self.beating = false;
        self.hello_due = now.plus(HELLO_MS);
    }

    /// The extension does not know this page any more.
    pub fn forgotten(&mut self, now: Monotonic) {
        if self.answer == Answer::Accepted && !self.forgotten {
            self.forgotten = true;
            self.hello_due = now.plus(HELLO_MS);
        }
    }

    /// HEARTBEAT or STATE came. False when it must be passed over, because the page has not been accepted.
    pub fn on_message(&mut self, heartbeat: bool, now: Monotonic) -> bool {
        if self.answer != Answer::Accepted {
            return false;
        }
        self.beating |= heartbeat;
        // While beating, only the beat is proof: STATE comes when something changes, and may be the last
        // word.
        if heartbeat || !self.beating {
            self.alive_at(now);
            if !self.forgotten {
                self.hello_due = now.plus(SILENCE_MS);
            }
        }
        true
    }

    /// The extension has accepted this page and is not silent.
    #[must_use]
    pub fn is_up(&self, now: Monotonic) -> bool {
        self.answer == Answer::Accepted && !self.is_silent(now)
    }

    fn alive_at(&mut self, now: Monotonic) {
        (self.heard_at, self.excused_until) = (Some(now), None);
    }

    /// When the extension counts as silent, unless it is heard before.
    fn silent_at(&self) -> Option<Monotonic> {
        let limit = if self.beating { SILENCE_MS } else { QUIET_SILENCE_MS };
        let silent = self.heard_at?.plus(limit);
        (self.answer == Answer::Accepted)
            .then(|| self.excused_until.map_or(silent, |until| silent.max(until)))
    }

    fn is_silent(&self, now: Monotonic) -> bool {
        self.silent_at().is_none_or(|at| now >= at)
    }

    /// What time alone will change: CONFIGURE is due, nobody has answered, the extension is silent.
    pub fn deadlines(&self) -> [Option<Monotonic>; 3] {
        let answer = (self.answer == Answer::None).then(|| self.started.plus(FIRST_ANSWER_MS));
        [Some(self.hello_due), answer, self.silent_at()]
    }

    /// What is wrong with the link, `None` when it is up or still being made.
    #[must_use]
    pub fn trouble(&self, now: Monotonic) -> Option<Trouble> {
        match &self.answer {
            Answer::None => (now.since(self.started) >= FIRST_ANSWER_MS).then_some(Trouble::NoAnswer),
            Answer::Accepted => self.is_silent(now).then_some(Trouble::Silent),
            Answer::Rejected(problem) => Some(Trouble::Rejected(problem.clone())),
            Answer::Gone => Some(Trouble::Gone),
        }
    }

    /// FLEX_TOKEN goes out.
    pub const fn token_posted(&mut self, now: Monotonic) {
        self.token_posted_at = Some(now);
    }

    /// FLEX_TOKEN may be repeated.
    #[must_use]
    pub fn may_repeat_token(&self, now: Monotonic) -> bool {
        self.token_posted_at.is_none_or(|at| now.since(at) >= TOKEN_REPEAT_MS)
    }
}
