//! Who is signed in: which pages are the agent's for whom the Voice token was minted, and when that agent is gone.
//!
//! A page's *session* begins with its CONFIGURE. It is the agent's whom the token service named for a Flex token that
//! the page has sent in it; tokens are known again by their digest, so that none is kept for that. Until then, and when
//! the page names another agent (`agent_identity`, since version 3 of the contract), the page is told of no identity,
//! no registration and no call.
//!
//! | what comes | what becomes of the registration |
//! |---|---|
//! | a token that is known to be this agent's (F5, a second tab) | nothing; the page is confirmed at once |
//! | another token from a page that was confirmed (Flex refreshed it) | nothing; it counts as this agent's |
//! | another token in a new session that names this agent | nothing; the page is confirmed when the service has answered |
//! | a token in a new session that names another agent | down at once, until the service has answered |
//! | another token in a new session that names nobody (an older plugin) | stays until the service has said whose it is; down when it names another agent, refuses, or cannot be asked |
//! | the service refuses the newest session's token | down |
//! | SIGN_OUT, or no page of the agent for some minutes | down, and the Flex token is dropped |
//!
//! Down means: no `Device`, no tokens, no memory of calls. Only a live call goes on: it ends as the call of the agent who
//! took it, can be hung up in the popup, and until then nobody else is registered.

use kernel::{CallSid, Identity, IdentityPrefix, Timestamp};
use sansio::{Moment as _, Timers};

use super::{
    context::Context,
    persisted::{Persisted, renew},
    sign_in::{Claim, Leftover, RefusedToken, Retired, SavedSession, Session, SignIn, TokenDigest, is_of},
    token::HeldFlexToken,
};

/// How many digests are kept of each kind: more than the tabs of a shift refresh.
const MAX_TOKENS: usize = 32;
/// How many Flex tokens are remembered as refused.
const MAX_REFUSALS: usize = 8;
/// How many sessions of documents are remembered for a restart of the worker.
const MAX_SESSIONS: usize = 32;
/// From the first refusal of a Flex token to the next question about it; four times as long after each further one.
const ASK_AGAIN_MS: u64 = 30_000;
/// The longest time between two questions about a token that was refused.
const MAX_ASK_AGAIN_MS: u64 = 20 * 60_000;
/// So often a page that says hello anew has its refused token asked about at once: somebody reloads it on purpose.
const FREE_TRIES: u32 = 4;

fn keep<T>(list: &mut Vec<T>, one: T, most: usize) {
    list.push(one);
    if list.len() > most {
        list.remove(0);
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Timer {
    /// No page of the agent has been open for long enough.
    Absence,
}

/// What there is of an agent, by which sessions are judged: whom the Voice token is for, and the Flex token that the
/// service is, or was last, asked about.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Held<'a> {
    pub(super) voice: Option<&'a Identity>,
    pub(super) flex: Option<&'a HeldFlexToken>,
    pub(super) prefix: Option<&'a IdentityPrefix>,
}

impl Held<'_> {
    /// Whose a token is, by what its page says.
    fn claim(&self, agent: Option<&Identity>) -> Claim {
        let (Some(agent), Some(prefix)) = (agent, self.prefix) else { return Claim::Unknown };
        let is_same = match (self.voice, self.flex) {
            (Some(voice), _) => is_of(voice, prefix, agent),
            (None, Some(flex)) => match &flex.agent {
                Some(named) => named == agent,
                None => return Claim::Unknown,
            },
            (None, None) => return Claim::Unknown,
        };
        if is_same { Claim::Same } else { Claim::Another }
    }
}

/// How a page's session stands to the agent who is signed in.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Standing {
    /// It is theirs.
    pub(super) is_confirmed: bool,
    /// The token service names another agent for its token than the page does.
    pub(super) is_contradicted: bool,
    /// It is this session's Flex token that the service is, or was last, asked about.
    pub(super) is_newest: bool,
    /// It is of the agent who is signed in or about to be.
    pub(super) is_present: bool,
}

/// A FLEX_TOKEN, and what its page said before.
#[derive(Debug)]
pub(super) struct Said {
    pub(super) token: TokenDigest,
    /// Whose it is, as the page says with it.
    pub(super) agent: Option<Identity>,
    pub(super) expires_at: Timestamp,
    /// The page's session until now.
    pub(super) before: Session,
    /// It is the first since the page's CONFIGURE.
    pub(super) begins: bool,
    /// It is only the plugin's answer to a CONFIGURED.
    pub(super) is_answer: bool,
}

/// What becomes of a FLEX_TOKEN.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Verdict {
    /// Its agent has signed out: nothing.
    Ignored,
    /// It changes the page's session only.
    Noted(Session),
    /// It is the one to ask the service about.
    Taken {
        session: Session,
        /// Whose it seems to be, where that is not known: what is still being said of another is not waited for.
        of: Option<Claim>,
    },
}

/// Who is signed in.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Sessions {
    kept: SignIn,
    timers: Timers<Timer, Timestamp>,
}

impl Sessions {
    /// Goes on from what was saved, where instants may be later than now: the clock was set back while no worker ran.
    pub(super) fn restore(&mut self, persisted: &Persisted, now: Timestamp) {
        self.kept.clone_from(&persisted.sign_in);
        self.kept.absent_since = self.kept.absent_since.map(|at| at.min(now));
        for refusal in &mut self.kept.refused {
            refusal.next_try = refusal.next_try.min(now.plus(MAX_ASK_AGAIN_MS));
        }
    }

    pub(super) fn save(&self, saved: &mut Persisted) -> bool {
        renew(&mut saved.sign_in, &self.kept)
    }

    /// Nobody was ever here.
    pub(super) fn reset(&mut self) {
        *self = Self::default();
    }

    /// How a session stands.
    pub(super) fn standing(&self, session: &Session, held: Held<'_>) -> Standing {
        let is_known = self.is_known(session, held);
        let claim = session.agent.as_ref().map(|agent| held.claim(Some(agent)));
        let is_contradicted = is_known && claim == Some(Claim::Another);
        let is_confirmed = is_known && !is_contradicted;
        let is_newest = is_newest(session, held);
        let is_present = is_confirmed || is_newest || claim == Some(Claim::Same);
        Standing { is_confirmed, is_contradicted, is_newest, is_present }
    }

    /// True when the Voice token was minted for a token of this session.
    fn is_known(&self, session: &Session, held: Held<'_>) -> bool {
        held.voice.is_some() && session.token.as_ref().is_some_and(|token| self.kept.tokens.contains(token))
    }

    /// A page has sent a Flex token: whose session it begins or goes on with, and whether the service is asked about it.
    pub(super) fn judge(&mut self, said: Said, held: Held<'_>, is_wrong: bool, now: Timestamp) -> Verdict {
        let Said { token, agent, expires_at, before, begins, is_answer } = said;
        let agent = agent.or_else(|| before.agent.clone());
        // A page that names another agent than before is another session, whatever it calls itself.
        let begins = begins || (before.agent.is_some() && agent != before.agent);
        if before.signed_out && is_answer || !self.signs_in_again(&token, begins) {
            return Verdict::Ignored;
        }
        let standing = self.standing(&before, held);
        let is_newest = !begins && standing.is_newest;
        let claim = held.claim(agent.as_ref());
        if !begins && standing.is_confirmed && claim != Claim::Another {
            self.vouch(token.clone());
        }
        let is_known = held.voice.is_some() && self.kept.tokens.contains(&token);
        let is_same = held.flex.is_some_and(|held| held.digest == token);
        // The service named somebody else for this token than its page did. Another page may name them rightly.
        let is_renamed = is_same && is_wrong && held.flex.is_some_and(|held| held.agent != agent);
        let is_welcome = match held.flex {
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
        let mut session = Session { agent, token: Some(token.clone()), signed_out: false };
        if !is_welcome || !(is_renamed || self.may_ask_about(&token, begins, now)) {
            if is_newest {
                // The service's answer to the token that it sent before is still to come.
                session.token = before.token;
            }
            return Verdict::Noted(session);
        }
        // Whose it is, the token service says: calls must not arrive under the name of the agent before.
        let of = (!is_known && !is_same).then_some(claim);
        match of {
            Some(Claim::Unknown) => self.kept.undecided = held.voice.is_some(),
            Some(Claim::Same) => self.kept.undecided = false,
            Some(Claim::Another) | None => {}
        }
        Verdict::Taken { session, of }
    }

    /// A page that was confirmed sends another token: it is the same agent's until the service says otherwise.
    fn vouch(&mut self, token: TokenDigest) {
        let tokens = &mut self.kept.tokens;
        if !tokens.contains(&token) {
            // The first is the one that the Voice token was minted for.
            if tokens.len() >= MAX_TOKENS {
                tokens.remove(1);
            }
            tokens.push(token);
        }
    }

    /// The service has minted for this token.
    pub(super) fn minted(&mut self, token: TokenDigest, is_same_agent: bool) {
        let sign_in = &mut self.kept;
        if !is_same_agent {
            sign_in.tokens.clear();
        }
        sign_in.tokens.retain(|known| *known != token);
        sign_in.tokens.truncate(MAX_TOKENS - 1);
        sign_in.refused.retain(|refusal| refusal.token != token);
        sign_in.tokens.insert(0, token);
        sign_in.undecided = false;
    }

    /// The service has refused this token.
    pub(super) fn note_refusal(&mut self, token: &TokenDigest, now: Timestamp) {
        let refused = &mut self.kept.refused;
        let known = refused.iter().position(|refusal| refusal.token == *token).map(|at| refused.remove(at));
        let times = known.map_or(0, |refusal| refusal.times).saturating_add(1);
        let wait = (ASK_AGAIN_MS << (2 * (times - 1).min(8))).min(MAX_ASK_AGAIN_MS);
        keep(refused, RefusedToken { token: token.clone(), times, next_try: now.plus(wait) }, MAX_REFUSALS);
    }

    /// True when the service may be asked about this token: it was not refused, or long enough ago, or somebody who
    /// reloads the page wants to know. A tab whose session is dead must not ask again and again.
    fn may_ask_about(&self, token: &TokenDigest, begins_session: bool, now: Timestamp) -> bool {
        let refused = &self.kept.refused;
        refused
            .iter()
            .find(|refusal| refusal.token == *token)
            .is_none_or(|refusal| refusal.next_try <= now || (begins_session && refusal.times < FREE_TRIES))
    }

    /// A page sends a token whose agent has signed out. True when that brings the agent back.
    fn signs_in_again(&mut self, token: &TokenDigest, begins_session: bool) -> bool {
        let retired = &mut self.kept.retired;
        let Some(at) = retired.iter().position(|retired| retired.token == *token) else { return true };
        let may = begins_session || retired.get(at).is_some_and(|retired| !retired.for_good);
        if may {
            retired.remove(at);
        }
        may
    }

    /// A page that is not theirs who is signed in signs out for itself alone.
    pub(super) fn leave_page(&mut self, token: TokenDigest, for_good: bool) {
        self.retire(token, for_good);
    }

    /// Nobody is signed in any more: tokens of the agent who was bring nobody back by themselves. `flex` is the one that
    /// was held.
    pub(super) fn leave(&mut self, flex: Option<TokenDigest>, for_good: bool) {
        let mut tokens = self.kept.tokens.clone();
        tokens.extend(flex);
        for token in tokens {
            self.retire(token, for_good);
        }
    }

    fn retire(&mut self, token: TokenDigest, for_good: bool) {
        let retired = &mut self.kept.retired;
        retired.retain(|retired| retired.token != token);
        keep(retired, Retired { token, for_good }, 2 * MAX_TOKENS);
    }

    /// The registration of this agent was taken down, in this live call, which goes on.
    pub(super) fn take_down(&mut self, call: Option<&CallSid>, identity: Option<&Identity>) {
        self.kept.tokens.clear();
        self.kept.undecided = false;
        if let Some(call) = call
            && self.kept.leftover.as_ref().is_none_or(|known| known.call != *call)
        {
            self.kept.leftover = Some(Leftover { call: call.clone(), identity: identity.cloned() });
        }
    }

    /// True while the newest session may be another agent's: the service is being asked.
    pub(super) const fn is_undecided(&self) -> bool {
        self.kept.undecided
    }

    /// True while the live call is of somebody who is not signed in any more.
    pub(super) const fn has_leftover(&self) -> bool {
        self.kept.leftover.is_some()
    }

    /// A call that outlived its agent's session is over, or its agent is back. True when it is over.
    pub(super) fn settle_leftover(&mut self, live: Option<&CallSid>, voice: Option<&Identity>) -> bool {
        let Some(leftover) = &self.kept.leftover else { return false };
        let is_over = live != Some(&leftover.call);
        let is_back = voice.is_some() && voice == leftover.identity.as_ref();
        if is_over || is_back {
            self.kept.leftover = None;
        }
        is_over
    }

    /// Counts how long nobody who could be absent has had a page. True when that signs the agent out.
    pub(super) fn settle_absence(&mut self, is_absent: bool, cx: &mut Context) -> bool {
        if !is_absent {
            self.kept.absent_since = None;
            self.timers.disarm(Timer::Absence);
            return false;
        }
        let since = *self.kept.absent_since.get_or_insert(cx.now);
        let due = since.plus(cx.policy.sign_out_after_ms);
        if due > cx.now {
            self.timers.arm(Timer::Absence, due);
            return false;
        }
        self.kept.absent_since = None;
        self.timers.disarm(Timer::Absence);
        cx.count("signed_out");
        cx.info("No Flex page of the agent has been open for some time: signed out.");
        true
    }

    /// Time has gone on: settling goes on from here.
    pub(super) fn time_passes(&mut self, now: Timestamp) {
        while self.timers.take_due(now).is_some() {}
    }

    pub(super) fn next(&self) -> Option<Timestamp> {
        self.timers.next()
    }

    /// The clock was set back.
    pub(super) fn shift_back(&mut self, millis: u64) {
        self.timers.shift_back(millis);
        let shift = |at: &mut Timestamp| *at = at.minus(millis);
        self.kept.absent_since.iter_mut().for_each(shift);
        self.kept.refused.iter_mut().map(|refusal| &mut refusal.next_try).for_each(shift);
    }

    /// Remembers a document's session for a restart of the worker.
    pub(super) fn save_session(&mut self, document: &str, session: Session) {
        let sessions = &mut self.kept.sessions;
        match sessions.iter_mut().find(|saved| saved.document == document) {
            Some(saved) => saved.session = session,
            None => keep(sessions, SavedSession { document: document.to_owned(), session }, MAX_SESSIONS),
        }
    }

    /// A document's page is gone: only a killed worker misses that.
    pub(super) fn forget_session(&mut self, document: &str) {
        self.kept.sessions.retain(|saved| saved.document != document);
    }

    /// The session that this document had with the process before this one.
    pub(super) fn saved_session(&self, document: &str) -> Option<Session> {
        let saved = self.kept.sessions.iter().find(|saved| saved.document == document)?;
        Some(saved.session.clone())
    }
}

fn is_newest(session: &Session, held: Held<'_>) -> bool {
    held.flex.is_some_and(|flex| session.token.as_ref() == Some(&flex.digest))
}
