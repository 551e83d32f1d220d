//! Flex tokens in, Voice tokens out: when to ask the token service, what to make of its answer.

use kernel::{Identity, IdentityPrefix, Secret, Timestamp};
use protocol::{
    Problem, ProblemCode,
    page::FlexToken as FlexTokenMessage,
    token::{MAX_FLEX_TOKEN, TokenErrorBody, TokenErrorCode, VoiceTokenRequest, VoiceTokenResponse},
};
use serde::{Deserialize, Serialize};
use wire::json;

use super::{
    Command, Machine,
    command::TokenRequest,
    config::{Config, Share},
    consent::Consent,
    event::{FetchOutcome, PortId},
    session::{Claim, Session, TokenDigest, is_of},
    timers::{Timer, backoff_ms, decorrelated_ms},
};

/// Between two requests to the token service, whatever happens.
const MIN_GAP_MS: u64 = 1_000;
/// The shell gives up after 10 s; this is for a shell that does not come back.
const FETCH_DEADLINE_MS: u64 = 20_000;
/// How wrong an agent's clock may be. A Flex token says when it expires by Twilio's clock; whether it has is the token
/// service's judgement, and only one that is long dead by any clock is not shown to it.
const CLOCK_SKEW_MS: u64 = 90 * 60_000;
/// The longest delay between two tries.
const MAX_BACKOFF_MS: u64 = 60_000;
/// The longest `Retry-After` that is believed.
const MAX_RETRY_AFTER_S: u64 = 300;
/// Between two times that the pages are asked for a Flex token.
pub(super) const ASK_PAGES_MS: u64 = 30_000;
/// The SDK announces the end of a token more than once, also of one that was replaced: a token this young is
/// left alone.
const TOO_YOUNG_MS: u64 = 2_000;

/// A Flex token that a page sent.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, wire::ToTree, wire::FromTree)]
pub struct FlexToken {
    /// The token, opaque.
    pub token: Secret,
    /// Its digest.
    pub digest: TokenDigest,
    /// Whose it is, as its page says.
    pub agent: Option<Identity>,
    /// When it expires, as the page says.
    pub expires_at: Timestamp,
    /// True once the token service has refused it.
    pub refused: bool,
}

/// A Voice token that the token service minted.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, wire::ToTree, wire::FromTree)]
pub struct VoiceToken {
    /// The token, a JWT.
    pub token: Secret,
    /// Whom it is for: the service's decision.
    pub identity: Identity,
    /// When it came.
    pub fetched_at: Timestamp,
    /// When it expires, by this machine's clock; unknown for the replaced service's tokens.
    pub expires_at: Option<Timestamp>,
    /// When to fetch the next one.
    pub refresh_at: Option<Timestamp>,
    /// True once the gateway has refused it.
    pub refused: bool,
}

impl VoiceToken {
    /// True while the gateway should take it.
    #[must_use]
    pub fn is_good(&self, now: Timestamp) -> bool {
        !self.refused && self.expires_at.is_none_or(|at| at > now)
    }

    fn wants_successor(&self, now: Timestamp) -> bool {
        !self.is_good(now) || self.refresh_at.is_some_and(|at| at <= now)
    }
}

/// The volatile half: what is going on with the token service.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct TokenWork {
    /// The request that is on its way.
    in_flight: Option<InFlight>,
    attempts: u32,
    last_request: Option<Timestamp>,
    /// The last pause between two tries; 0 after a success.
    pause: u64,
    /// Voice tokens in a row that the gateway has refused.
    refusals: u32,
    pub(super) problem: Option<Problem>,
}

/// A request to the token service.
#[derive(Clone, Debug, PartialEq, Eq)]
struct InFlight {
    attempt: u32,
    /// The Flex token that it was made with.
    flex: Secret,
}

impl TokenWork {
    pub(super) const fn is_fetching(&self) -> bool {
        self.in_flight.is_some()
    }

    pub(super) const fn registered(&mut self) {
        self.refusals = 0;
    }

    /// A new run of the same: late answers to the old one's requests are still told apart.
    pub(super) const fn reset(&self) -> Self {
        Self {
            in_flight: None,
            attempts: self.attempts,
            last_request: self.last_request,
            pause: 0,
            refusals: 0,
            problem: None,
        }
    }
}

/// The replaced service, a Twilio Function, lives at `…/generateToken` and speaks its own contract.
fn is_legacy(config: &Config) -> bool {
    config.token_url.as_str().ends_with("/generateToken")
}

#[derive(wire::ToTree)]
struct LegacyRequest {
    #[serde(rename = "Token")]
    token: Secret,
    #[serde(rename = "VoiceClientPrefix")]
    prefix: IdentityPrefix,
}

#[derive(wire::FromTree)]
struct LegacyResponse {
    identity: Identity,
    token: Secret,
}

fn request(config: &Config, flex: &Secret) -> TokenRequest {
    if is_legacy(config) {
        let body = json::write(&LegacyRequest { token: flex.clone(), prefix: config.prefix.clone() });
        return TokenRequest { url: config.token_url.clone(), bearer: None, body: Secret::new(body) };
    }
    let body = json::write(&VoiceTokenRequest {
        account_sid: Some(config.account.clone()),
        identity_prefix: Some(config.prefix.clone()),
    });
    TokenRequest { url: config.token_url.clone(), bearer: Some(flex.clone()), body: Secret::new(body) }
}

/// Why there is no Voice token.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Failure {
    /// Ask again with another Flex token.
    FlexTokenRefused(&'static str),
    /// Ask again later.
    Unavailable { message: &'static str, retry_after: Option<u64> },
    /// The Voice token would be for another agent than the page names.
    WrongIdentity,
    /// Somebody has to correct something; ask again now and then.
    Misconfigured(&'static str),
}

fn understand(
    config: &Config,
    outcome: &FetchOutcome,
    refresh_at: Share,
    now: Timestamp,
) -> Result<VoiceToken, Failure> {
    match outcome {
        FetchOutcome::TimedOut => Err(Failure::Unavailable {
            message: "The token service did not answer in time. Trying again.",
            retry_after: None,
        }),
        FetchOutcome::Unreachable => Err(Failure::Unavailable {
            message: "The token service cannot be reached. Check the network; trying again.",
            retry_after: None,
        }),
        FetchOutcome::TooLong => Err(Failure::Misconfigured(
            "The token service sent something that is not a token. Check its URL in the Flex plugin's \
             configuration.",
        )),
        FetchOutcome::Answer { status: 200, body, .. } => accept(config, body, refresh_at, now),
        FetchOutcome::Answer { status, body, retry_after } => Err(refusal(*status, body, *retry_after)),
    }
}

fn accept(config: &Config, body: &Secret, refresh_at: Share, now: Timestamp) -> Result<VoiceToken, Failure> {
    const NOT_A_TOKEN: Failure =
        Failure::Misconfigured("The token service's answer is not a Voice token. Check its URL and version.");
    let (identity, token, expires_in) = if is_legacy(config) {
        let answer: LegacyResponse = json::read(body.expose()).ok_or(NOT_A_TOKEN)?;
        (answer.identity, answer.token, None)
    } else {
        let answer: VoiceTokenResponse = json::read(body.expose()).ok_or(NOT_A_TOKEN)?;
        if answer.account_sid != config.account {
            return Err(Failure::Misconfigured(
                "The token service answered for another Twilio account. Check its URL and its account.",
            ));
        }
        (answer.identity, answer.token, Some(answer.expires_in))
    };
    if token.is_empty() || expires_in == Some(0) {
        return Err(NOT_A_TOKEN);
    }
    // What follows the prefix is the agent's own identity, so it is never empty.
    if identity.as_str().strip_prefix(config.prefix.as_str()).is_none_or(str::is_empty) {
        return Err(Failure::Misconfigured(
            "The token service uses another identity prefix than the Flex plugin. Make the two agree.",
        ));
    }
    let life = expires_in.map(|seconds| seconds.saturating_mul(1_000));
    Ok(VoiceToken {
        token,
        identity,
        fetched_at: now,
        expires_at: life.map(|millis| now.plus(millis)),
        refresh_at: life.map(|millis| now.plus(refresh_at.of_millis(millis))),
        refused: false,
    })
}

fn refusal(status: u16, body: &Secret, retry_after: Option<u64>) -> Failure {
    let code = json::read::<TokenErrorBody>(body.expose()).map(|error| error.code);
    let unavailable = |message| Failure::Unavailable { message, retry_after };
    match (status, code) {
        (_, Some(TokenErrorCode::WrongAccount)) => Failure::Misconfigured(
            "The token service belongs to another Twilio account than this Flex. Check the token service \
             URL.",
        ),
        (_, Some(TokenErrorCode::WrongPrefix)) => Failure::Misconfigured(
            "The token service uses another identity prefix than the Flex plugin. Make the two agree.",
        ),
        (_, Some(TokenErrorCode::OriginNotAllowed)) => Failure::Misconfigured(
            "The token service does not allow this extension. Add the extension's origin to its \
             configuration.",
        ),
        (_, Some(TokenErrorCode::RoleNotAllowed)) => Failure::FlexTokenRefused(
            "Your Flex user may not use the voice client. Ask an administrator for the agent role.",
        ),
        (401 | 403, _) => Failure::FlexTokenRefused(
            "The token service does not accept your Flex session. Reload Flex; if it stays so, sign in \
             again.",
        ),
        (408 | 425 | 429, _) => unavailable("The token service is busy. Trying again."),
        (500..=599, _) => unavailable("The token service has a problem of its own. Trying again."),
        _ => Failure::Misconfigured(
            "The token service does not understand the request. Check its URL and version.",
        ),
    }
}

/// The token service and the page do not name the same agent.
pub(super) fn wrong_identity() -> Problem {
    Problem {
        code: ProblemCode::WrongIdentity,
        message:
            "The token service takes this Flex session for another agent's, so no calls are taken. Reload \
                  Flex; if it stays so, tell your administrator."
                .into(),
        retrying: false,
    }
}

impl Machine {
    /// A FLEX_TOKEN of an accepted page.
    pub(super) fn flex_token(
        &mut self,
        port: PortId,
        message: FlexTokenMessage,
        expires_at: Option<Timestamp>,
        now: Timestamp,
    ) {
        let Some(config) = &self.durable.config else { return };
        if message.account_sid != config.account {
            return self.page_error(
                port,
                ProblemCode::WrongAccount,
                "This Flex token is for another account than the one that the page was accepted for.",
            );
        }
        let Some(expires_at) =
            expires_at.filter(|_| (1..=MAX_FLEX_TOKEN).contains(&message.token.expose().len()))
        else {
            return self.page_error(
                port,
                ProblemCode::MalformedMessage,
                "FLEX_TOKEN needs a token and an ISO-8601 expiration.",
            );
        };
        if expires_at.plus(CLOCK_SKEW_MS) <= now {
            return self.page_error(
                port,
                ProblemCode::InvalidFlexToken,
                "This Flex token has expired. Refresh the Flex session and send the new token.",
            );
        }
        let Some(before) = self.session_of(port).cloned() else { return };
        let begins = self.begins_session(port);
        let is_answer = self.takes_answer_for_none(port);
        let token = TokenDigest::of(&message.token);
        let agent = message.agent_identity.or_else(|| before.agent.clone());
        // A page that names another agent than before is another session, whatever it calls itself.
        let is_other_agent = before.agent.is_some() && agent != before.agent;
        let begins = begins || is_other_agent;
        if before.signed_out && is_answer || !self.signs_in_again(&token, begins) {
            return;
        }
        let goes_on = !begins && self.is_confirmed(&before);
        let is_newest = !begins && self.is_newest(&before);
        let claim = self.claim(agent.as_ref());
        let session = Session { agent: agent.clone(), token: Some(token.clone()), signed_out: false };
        self.set_session(port, session.clone());
        if goes_on && claim != Claim::Another {
            self.vouch(token.clone());
        }
        let is_known = self.durable.voice.is_some() && self.durable.sign_in.tokens.contains(&token);
        let is_same = self.durable.flex.as_ref().is_some_and(|held| held.digest == token);
        // The service named somebody else for this token than its page did. Another page may name them rightly.
        let is_wrong = self.tokens.problem.as_ref().is_some_and(|p| p.code == ProblemCode::WrongIdentity);
        let is_renamed =
            is_same && is_wrong && self.durable.flex.as_ref().is_some_and(|held| held.agent != agent);
        let is_welcome = match &self.durable.flex {
            None => true,
            // One that was refused makes way for any other, so that a forged one cannot keep the real one
            // out.
            Some(held) if held.refused => !is_same || is_renamed || self.may_ask_about(&token, begins, now),
            // A token of the same agent, of which the service need not be asked.
            Some(held) if is_known || is_same => held.expires_at < expires_at,
            // A page that was just loaded may belong to the next agent at this desk, whatever the dates say.
            Some(_) if begins => true,
            Some(held) if is_newest || claim == Claim::Same => held.expires_at < expires_at,
            // An older page, of somebody whom another has followed.
            Some(_) => false,
        };
        if !is_welcome || !(is_renamed || self.may_ask_about(&token, begins, now)) {
            if is_newest {
                // The service's answer to the token that it sent before is still to come.
                self.set_session(port, Session { token: before.token, ..session });
            }
            return;
        }
        if !is_known && !is_same {
            // Whose it is, the token service says: calls must not arrive under the name of the agent before.
            // What is still being said of another session's is not waited for.
            self.tokens.in_flight = None;
            self.timers.disarm(Timer::FetchDeadline);
            match claim {
                Claim::Another => self.take_down(now),
                Claim::Unknown => self.durable.sign_in.undecided = self.durable.voice.is_some(),
                Claim::Same => self.durable.sign_in.undecided = false,
            }
            self.refresh_voice_token(now);
        }
        self.durable.flex =
            Some(FlexToken { token: message.token, digest: token, agent, expires_at, refused: false });
        let is_refusal = |problem: &Problem| {
            matches!(problem.code, ProblemCode::InvalidFlexToken | ProblemCode::WrongIdentity)
        };
        if !is_same && self.tokens.problem.as_ref().is_some_and(is_refusal) {
            self.tokens.problem = None;
        }
    }

    /// Whatever the token service still says to what it was asked, it is not heard.
    pub(super) fn forget_request(&mut self) {
        self.tokens.in_flight = None;
        self.tokens.problem = None;
        self.timers.disarm(Timer::FetchDeadline);
    }

    /// The token service has answered, or not.
    pub(super) fn fetched(&mut self, attempt: u32, outcome: &FetchOutcome, now: Timestamp) {
        let Some(request) = self.tokens.in_flight.take_if(|request| request.attempt == attempt) else {
            return;
        };
        self.timers.disarm(Timer::FetchDeadline);
        let Some(config) = &self.durable.config else { return };
        match understand(config, outcome, self.policy.refresh_at, now) {
            Ok(voice) => {
                let digest = TokenDigest::of(&request.flex);
                let named = self.durable.flex.as_ref().filter(|held| held.digest == digest);
                let named = named.and_then(|held| held.agent.as_ref());
                if named.is_some_and(|agent| !is_of(&voice.identity, &config.prefix, agent)) {
                    return self.fetch_failed(Failure::WrongIdentity, now);
                }
                let old = self.durable.voice.as_ref().map(|old| old.identity.clone());
                let is_same_agent = old.as_ref() == Some(&voice.identity);
                if old.is_some() && !is_same_agent {
                    self.warn(now, "The token service names another identity than before: registering anew.");
                    self.take_down(now);
                }
                self.minted(digest, is_same_agent);
                self.count("tokens_fetched");
                self.info(now, format!("Got a Voice token for {}.", voice.identity));
                self.durable.voice = Some(voice);
                self.tokens.pause = 0;
                self.tokens.problem = None;
                self.timers.disarm(Timer::FetchRetry);
            }
            Err(Failure::FlexTokenRefused(_)) if self.holds_another(&request.flex) => {}
            Err(failure) => self.fetch_failed(failure, now),
        }
    }

    /// True when a Flex token has come since the one that was sent.
    fn holds_another(&self, sent: &Secret) -> bool {
        self.durable.flex.as_ref().is_some_and(|held| held.token != *sent)
    }

    fn fetch_failed(&mut self, failure: Failure, now: Timestamp) {
        self.count("tokens_failed");
        self.tokens.pause = decorrelated_ms(self.tokens.pause, MAX_BACKOFF_MS, self.jitter.next());
        let pause = self.tokens.pause;
        let (code, message, retrying) = match failure {
            Failure::FlexTokenRefused(message) => {
                // Asking again is up to the pages, which are asked for a newer Flex token.
                self.refuse_flex_token(now);
                (ProblemCode::InvalidFlexToken, message, false)
            }
            Failure::WrongIdentity => {
                self.refuse_flex_token(now);
                let problem = wrong_identity();
                self.warn(now, problem.message.clone());
                return self.tokens.problem = Some(problem);
            }
            Failure::Unavailable { message, retry_after } => {
                let asked = retry_after.unwrap_or(0).min(MAX_RETRY_AFTER_S) * 1_000;
                self.timers.arm(Timer::FetchRetry, now.plus(pause.max(asked)));
                (ProblemCode::TokenServiceUnavailable, message, true)
            }
            Failure::Misconfigured(message) => {
                self.timers.arm(Timer::FetchRetry, now.plus(pause));
                (ProblemCode::TokenServiceMisconfigured, message, true)
            }
        };
        if self.durable.sign_in.undecided {
            // Perhaps another agent sits here, and nobody can say.
            self.take_down(now);
        }
        self.warn(now, message);
        self.tokens.problem = Some(Problem { code, message: message.into(), retrying });
    }

    /// The newest session is not one that calls may arrive for: nothing of the agent before is left either.
    fn refuse_flex_token(&mut self, now: Timestamp) {
        let Some(flex) = &mut self.durable.flex else { return };
        flex.refused = true;
        let token = flex.digest.clone();
        self.note_refusal(&token, now);
        self.take_down(now);
    }

    /// The answer never came.
    pub(super) fn fetch_overdue(&mut self, now: Timestamp) {
        if let Some(attempt) = self.tokens.in_flight.as_ref().map(|request| request.attempt) {
            self.fetched(attempt, &FetchOutcome::TimedOut, now);
        }
    }

    /// The clock was set back: what is waited for comes no later for it.
    pub(super) fn shift_tokens_back(&mut self, millis: u64) {
        let shift = |at: &mut Timestamp| {
            *at = Timestamp::from_millis(at.as_millis().saturating_sub(millis));
        };
        self.tokens.last_request.iter_mut().for_each(shift);
        if let Some(voice) = &mut self.durable.voice {
            shift(&mut voice.fetched_at);
            voice.expires_at.iter_mut().for_each(shift);
            voice.refresh_at.iter_mut().for_each(shift);
        }
    }

    /// The saved state may have a Voice token that was fetched later than now: the clock was set back while no worker ran.
    /// How old it is nobody knows, so it is used, and replaced at once.
    pub(super) fn restore_token(&mut self, now: Timestamp) {
        if let Some(voice) = self.durable.voice.as_mut().filter(|voice| voice.fetched_at > now) {
            voice.fetched_at = now;
            voice.refresh_at = Some(now);
        }
    }

    /// The SDK says that its token is about to expire.
    pub(super) fn voice_token_expiring(&mut self, now: Timestamp) {
        if self.durable.voice.as_ref().is_some_and(|voice| now.since(voice.fetched_at) >= TOO_YOUNG_MS) {
            self.refresh_voice_token(now);
        }
    }

    fn refresh_voice_token(&mut self, now: Timestamp) {
        if let Some(voice) =
            self.durable.voice.as_mut().filter(|voice| voice.refresh_at.is_none_or(|at| at > now))
        {
            voice.refresh_at = Some(now);
        }
    }

    /// The gateway refused the Voice token: another one at once, and ever more slowly if that does not help.
    pub(super) fn voice_token_refused(&mut self, now: Timestamp) {
        let Some(voice) = self.durable.voice.as_mut().filter(|voice| !voice.refused) else { return };
        voice.refused = true;
        if self.tokens.refusals > 0 {
            let random = self.jitter.next();
            let delay = backoff_ms(self.tokens.refusals, MAX_BACKOFF_MS, random);
            self.timers.arm_once(Timer::FetchRetry, now.plus(delay));
        }
        self.tokens.refusals = self.tokens.refusals.saturating_add(1);
    }

    /// The Flex token that may be sent to the token service now.
    pub(super) fn usable_flex_token(&self, now: Timestamp) -> Option<&FlexToken> {
        self.durable.flex.as_ref().filter(|flex| !flex.refused && flex.expires_at.plus(CLOCK_SKEW_MS) > now)
    }

    /// True when a Voice token has to come and nothing but a page can help.
    pub(super) fn waits_for_flex_token(&self, now: Timestamp) -> bool {
        !self.tokens.is_fetching() && self.usable_flex_token(now).is_none()
    }

    /// Fetches a Voice token if one is wanted, possible, and not too soon.
    pub(super) fn settle_token(&mut self, now: Timestamp) {
        // The last gate before a Flex token leaves: whatever led here, the host is one that was agreed to.
        let Some(config) =
            self.durable.config.as_ref().filter(|config| self.consent_to(config) == Consent::Given)
        else {
            return;
        };
        if let Some(voice) = &self.durable.voice
            && !voice.wants_successor(now)
        {
            match voice.refresh_at {
                Some(at) => self.timers.arm(Timer::Refresh, at),
                None => self.timers.disarm(Timer::Refresh),
            }
            return;
        }
        self.timers.disarm(Timer::Refresh);
        if self.tokens.is_fetching() || self.timers.is_armed(Timer::FetchRetry) {
            return;
        }
        let Some(flex) = self.usable_flex_token(now) else {
            self.ask_pages_for_flex_token(now);
            return;
        };
        let not_before = self.tokens.last_request.map_or(now, |last| last.plus(MIN_GAP_MS));
        if not_before > now {
            self.timers.arm(Timer::FetchRetry, not_before);
            return;
        }
        let request = request(config, &flex.token);
        let flex = flex.token.clone();
        let attempt = self.tokens.attempts.wrapping_add(1);
        self.tokens.attempts = attempt;
        self.tokens.in_flight = Some(InFlight { attempt, flex });
        self.tokens.last_request = Some(now);
        self.timers.arm(Timer::FetchDeadline, now.plus(FETCH_DEADLINE_MS));
        self.out.push(Command::FetchToken { attempt, request });
    }
}
