//! Flex tokens in, Voice tokens out: when to ask the token service, and what follows from its answers.

use kernel::{Identity, Secret, Timestamp};
use messages::english::{self, Cause};
use protocol::{Problem, ProblemCode, page::FlexToken, token::MAX_FLEX_TOKEN};
use sansio::{Backoff, Moment as _};

use super::{
    command::Command,
    config::Config,
    context::Context,
    event::FetchOutcome,
    exchange::{Failure, parse_answer, request, wrong_identity},
    persisted::{Persisted, renew},
    sign_in::{TokenDigest, is_of},
    token::{HeldFlexToken, VoiceToken},
};

/// Between two requests to the token service, whatever happens.
const MIN_GAP_MS: u64 = 1_000;
/// The shell gives up after 10 s; this is for a shell that does not come back.
const FETCH_DEADLINE_MS: u64 = 20_000;
/// How wrong an agent's clock may be. A Flex token says when it expires by Twilio's clock; whether it has is the token
/// service's judgement, and only one that is long dead by any clock is not shown to it.
const CLOCK_SKEW_MS: u64 = 90 * 60_000;
/// Between two tries.
const BACKOFF: Backoff = Backoff::new(1_000, 60_000);
/// The longest `Retry-After` that is believed.
const MAX_RETRY_AFTER_S: u64 = 300;
/// The SDK announces the end of a token more than once, also of one that was replaced: a token this young is
/// left alone.
const TOO_YOUNG_MS: u64 = 2_000;

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Timer {
    /// The Voice token wants refreshing.
    Refresh,
    /// Until then the token service is not asked again.
    Retry,
    /// The answer of the token service is overdue.
    Deadline,
}

/// A request to the token service.
#[derive(Clone, Debug, PartialEq, Eq)]
struct InFlight {
    attempt: u32,
    /// The Flex token that it was made with.
    flex: Secret,
}

/// What came of a request.
#[derive(Debug)]
pub(super) enum Answer {
    /// A Voice token, and the digest of the Flex token that it was minted for.
    Minted(VoiceToken, TokenDigest),
    Failed(Failure),
}

/// The two tokens, and what is going on with the token service.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Tokens {
    flex: Option<HeldFlexToken>,
    voice: Option<VoiceToken>,
    /// The request that is on its way.
    in_flight: Option<InFlight>,
    attempts: u32,
    last_request: Option<Timestamp>,
    /// The last pause between two tries; 0 after a success.
    pause: u64,
    /// Voice tokens in a row that the gateway has refused.
    refusals: u32,
    problem: Option<Problem>,
    timers: sansio::Timers<Timer, Timestamp>,
}

impl Tokens {
    /// Goes on from what was saved. A Voice token may have been fetched later than now: the clock was set back while no
    /// worker ran. How old it is nobody knows, so it is used, and replaced at once.
    pub(super) fn restore(&mut self, persisted: &Persisted, now: Timestamp) {
        self.flex.clone_from(&persisted.flex);
        self.voice.clone_from(&persisted.voice);
        if let Some(voice) = self.voice.as_mut().filter(|voice| voice.fetched_at > now) {
            voice.fetched_at = now;
            voice.refresh_at = Some(now);
        }
    }

    pub(super) fn save(&self, saved: &mut Persisted) -> bool {
        renew(&mut saved.flex, &self.flex) | renew(&mut saved.voice, &self.voice)
    }

    pub(super) const fn flex(&self) -> Option<&HeldFlexToken> {
        self.flex.as_ref()
    }

    pub(super) const fn voice(&self) -> Option<&VoiceToken> {
        self.voice.as_ref()
    }

    /// Whom the Voice token is for.
    pub(super) fn identity(&self) -> Option<&Identity> {
        self.voice.as_ref().map(|voice| &voice.identity)
    }

    pub(super) const fn problem(&self) -> Option<&Problem> {
        self.problem.as_ref()
    }

    /// True when the service named somebody else for the Flex token than its page did.
    pub(super) fn is_wrong_identity(&self) -> bool {
        self.problem.as_ref().is_some_and(|problem| problem.code == ProblemCode::WrongIdentity)
    }

    /// The Flex token that may be sent to the token service now.
    pub(super) fn usable_flex(&self, now: Timestamp) -> Option<&HeldFlexToken> {
        self.flex.as_ref().filter(|flex| !flex.refused && flex.expires_at.plus(CLOCK_SKEW_MS) > now)
    }

    /// True when a Voice token has to come and nothing but a page can help.
    pub(super) fn waits_for_flex(&self, now: Timestamp) -> bool {
        self.in_flight.is_none() && self.usable_flex(now).is_none()
    }

    /// Judges a FLEX_TOKEN by itself: the time until which it holds.
    ///
    /// # Errors
    /// What its page is told.
    pub(super) fn judge(
        message: &FlexToken,
        expires_at: Option<Timestamp>,
        config: &Config,
        now: Timestamp,
    ) -> Result<Timestamp, Cause> {
        if message.account_sid != config.account {
            return Err(english::TOKEN_OF_OTHER_ACCOUNT);
        }
        let Some(expires_at) =
            expires_at.filter(|_| (1..=MAX_FLEX_TOKEN).contains(&message.token.expose().len()))
        else {
            return Err(english::WRONG_FLEX_TOKEN);
        };
        if expires_at.plus(CLOCK_SKEW_MS) <= now {
            return Err(english::FLEX_TOKEN_EXPIRED);
        }
        Ok(expires_at)
    }

    /// Takes a page's Flex token in place of the one that there is. `is_other` when it may be another agent's: whose it
    /// is, the token service says, and what it still says of another session's is not waited for.
    pub(super) fn hold(&mut self, flex: HeldFlexToken, is_other: bool, now: Timestamp) {
        if is_other {
            self.in_flight = None;
            self.timers.disarm(Timer::Deadline);
            self.want_successor(now);
        }
        let is_same = self.flex.as_ref().is_some_and(|held| held.digest == flex.digest);
        self.flex = Some(flex);
        self.problem.take_if(|problem| {
            !is_same && matches!(problem.code, ProblemCode::InvalidFlexToken | ProblemCode::WrongIdentity)
        });
    }

    /// The Flex token's agent has signed out: it is dropped, and whatever the token service still says is not heard.
    pub(super) fn drop_flex(&mut self) -> Option<TokenDigest> {
        self.in_flight = None;
        self.problem = None;
        self.timers.disarm(Timer::Deadline);
        self.flex.take().map(|flex| flex.digest)
    }

    /// Nobody is registered any more. Whom the Voice token was for.
    pub(super) fn drop_voice(&mut self) -> Option<Identity> {
        self.voice.take().map(|voice| voice.identity)
    }

    /// A new run of the same: late answers to the old one's requests are still told apart.
    pub(super) fn reset(&mut self) {
        let (attempts, last_request) = (self.attempts, self.last_request);
        *self = Self { attempts, last_request, ..Self::default() };
    }

    /// The token service has answered, or not. `None` when that is no news.
    pub(super) fn answered(
        &mut self,
        attempt: u32,
        outcome: &FetchOutcome,
        config: Option<&Config>,
        cx: &Context,
    ) -> Option<Answer> {
        let request = self.in_flight.take_if(|request| request.attempt == attempt)?;
        self.timers.disarm(Timer::Deadline);
        let config = config?;
        match parse_answer(config, outcome, cx.policy.refresh_at, cx.now) {
            Ok(voice) => {
                let digest = TokenDigest::of(&request.flex);
                let named = self.flex.as_ref().filter(|held| held.digest == digest);
                let named = named.and_then(|held| held.agent.as_ref());
                if named.is_some_and(|agent| !is_of(&voice.identity, &config.prefix, agent)) {
                    return Some(Answer::Failed(Failure::WrongIdentity));
                }
                Some(Answer::Minted(voice, digest))
            }
            // Another Flex token has come since.
            Err(Failure::FlexTokenRefused(_))
                if self.flex.as_ref().is_some_and(|held| held.token != request.flex) =>
            {
                None
            }
            Err(failure) => Some(Answer::Failed(failure)),
        }
    }

    /// Takes a new Voice token.
    pub(super) fn take(&mut self, voice: VoiceToken, cx: &mut Context) {
        cx.count("tokens_fetched");
        cx.info(format!("Got a Voice token for {}.", voice.identity));
        self.voice = Some(voice);
        self.pause = 0;
        self.problem = None;
        self.timers.disarm(Timer::Retry);
    }

    /// There was no Voice token. The Flex token that was refused with it, if it was.
    pub(super) fn failed(&mut self, failure: Failure, cx: &mut Context) -> Option<TokenDigest> {
        cx.count("tokens_failed");
        self.pause = BACKOFF.decorrelated_ms(self.pause, cx.draw());
        let pause = self.pause;
        let (problem, refused) = match failure {
            // Asking again is up to the pages, which are asked for a newer Flex token.
            Failure::FlexTokenRefused(cause) => (cause.problem(false), self.refuse_flex()),
            Failure::WrongIdentity => (wrong_identity(), self.refuse_flex()),
            Failure::Unavailable { cause, retry_after } => {
                let asked = retry_after.unwrap_or(0).min(MAX_RETRY_AFTER_S) * 1_000;
                self.timers.arm(Timer::Retry, cx.now.plus(pause.max(asked)));
                (cause.problem(true), None)
            }
            Failure::Misconfigured(cause) => {
                self.timers.arm(Timer::Retry, cx.now.plus(pause));
                (cause.problem(true), None)
            }
        };
        cx.warn(problem.message.clone());
        self.problem = Some(problem);
        refused
    }

    fn refuse_flex(&mut self) -> Option<TokenDigest> {
        let flex = self.flex.as_mut()?;
        flex.refused = true;
        Some(flex.digest.clone())
    }

    /// The SDK says that its token is about to expire.
    pub(super) fn expiring(&mut self, now: Timestamp) {
        if self.voice.as_ref().is_some_and(|voice| now.since(voice.fetched_at) >= TOO_YOUNG_MS) {
            self.want_successor(now);
        }
    }

    fn want_successor(&mut self, now: Timestamp) {
        if let Some(voice) = self.voice.as_mut().filter(|voice| voice.refresh_at.is_none_or(|at| at > now)) {
            voice.refresh_at = Some(now);
        }
    }

    /// The gateway refused the Voice token: another one at once, and ever more slowly if that does not help.
    pub(super) fn refused(&mut self, cx: &mut Context) {
        let Some(voice) = self.voice.as_mut().filter(|voice| !voice.refused) else { return };
        voice.refused = true;
        if self.refusals > 0 {
            let delay = BACKOFF.jittered_ms(self.refusals, cx.draw());
            self.timers.arm_once(Timer::Retry, cx.now.plus(delay));
        }
        self.refusals = self.refusals.saturating_add(1);
    }

    /// The gateway took the Voice token.
    pub(super) const fn accepted(&mut self) {
        self.refusals = 0;
    }

    /// Fetches a Voice token from the service that was agreed to, if one is wanted, possible, and not too soon. True when
    /// only a page's Flex token helps.
    pub(super) fn settle(&mut self, service: Option<&Config>, cx: &mut Context) -> bool {
        // The last gate before a Flex token leaves: whatever led here, the host is one that was agreed to.
        let Some(config) = service else { return false };
        if let Some(voice) = &self.voice
            && !voice.wants_successor(cx.now)
        {
            match voice.refresh_at {
                Some(at) => self.timers.arm(Timer::Refresh, at),
                None => self.timers.disarm(Timer::Refresh),
            }
            return false;
        }
        self.timers.disarm(Timer::Refresh);
        if self.in_flight.is_some() || self.timers.is_armed(Timer::Retry) {
            return false;
        }
        let Some(flex) = self.usable_flex(cx.now).map(|flex| flex.token.clone()) else { return true };
        let not_before = self.last_request.map_or(cx.now, |last| last.plus(MIN_GAP_MS));
        if not_before > cx.now {
            self.timers.arm(Timer::Retry, not_before);
            return false;
        }
        self.attempts = self.attempts.wrapping_add(1);
        let attempt = self.attempts;
        let request = request(config, &flex);
        self.in_flight = Some(InFlight { attempt, flex });
        self.last_request = Some(cx.now);
        self.timers.arm(Timer::Deadline, cx.now.plus(FETCH_DEADLINE_MS));
        cx.push(Command::FetchToken { attempt, request });
        false
    }

    /// Time has gone on. The attempt whose answer did not come.
    pub(super) fn time_passes(&mut self, now: Timestamp) -> Option<u32> {
        let mut overdue = None;
        while let Some((timer, _)) = self.timers.take_due(now) {
            if timer == Timer::Deadline {
                overdue = self.in_flight.as_ref().map(|request| request.attempt);
            }
        }
        overdue
    }

    pub(super) fn next(&self) -> Option<Timestamp> {
        self.timers.next()
    }

    /// The clock was set back: what is waited for comes no later for it.
    pub(super) fn shift_back(&mut self, millis: u64) {
        self.timers.shift_back(millis);
        let shift = |at: &mut Timestamp| *at = at.minus(millis);
        self.last_request.iter_mut().for_each(shift);
        if let Some(voice) = &mut self.voice {
            shift(&mut voice.fetched_at);
            voice.expires_at.iter_mut().for_each(shift);
            voice.refresh_at.iter_mut().for_each(shift);
        }
    }
}
