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

use kernel::{CallSid, Identity, IdentityPrefix, Secret, Timestamp};
use protocol::page::SignOutReason;
use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};

use super::{
    Machine,
    call::{CallCommand, Stage},
    event::PortId,
    timers::Timer,
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

/// A Flex token, known again without being kept.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, wire::ToTree, wire::FromTree)]
#[serde(transparent)]
pub struct TokenDigest(String);

impl TokenDigest {
    /// Of this token.
    #[must_use]
    pub fn of(token: &Secret) -> Self {
        let digest = Sha256::digest(token.expose().as_bytes());
        Self(digest.iter().take(16).map(|byte| format!("{byte:02x}")).collect())
    }
}

/// What a page has said of itself since its CONFIGURE.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, wire::ToTree, wire::FromTree)]
#[serde(default)]
pub struct Session {
    /// Whose page it is, as it says; none from an older plugin.
    pub agent: Option<Identity>,
    /// The Flex token that it sent last.
    pub token: Option<TokenDigest>,
    /// It has signed out since.
    pub signed_out: bool,
}

/// A session that a document had with the worker process before this one: its content script will say CONFIGURE again,
/// which is no new session.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, wire::ToTree, wire::FromTree)]
pub struct SavedSession {
    /// Chrome's name of the document.
    pub document: String,
    /// The session.
    pub session: Session,
}

/// A Flex token whose agent has signed out.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, wire::ToTree, wire::FromTree)]
pub struct Retired {
    /// Which.
    pub token: TokenDigest,
    /// Only a new session brings it back; otherwise the page needs only to send it again.
    pub for_good: bool,
}

/// A Flex token that the token service has refused.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, wire::ToTree, wire::FromTree)]
pub struct Refusal {
    /// Which.
    pub token: TokenDigest,
    /// How often.
    pub times: u32,
    /// Not before then it is asked about again.
    pub next_try: Timestamp,
}

/// A live call of an agent who is not signed in any more.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, wire::ToTree, wire::FromTree)]
pub struct Leftover {
    /// Which.
    pub call: CallSid,
    /// Whose; `None` when that is not known.
    pub identity: Option<Identity>,
}

/// Who is signed in, as far as it outlives a killed worker.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, wire::ToTree, wire::FromTree)]
#[serde(default)]
pub struct SignIn {
    /// The Flex tokens that are known to be of the Voice token's agent: first the one that it was minted for.
    pub tokens: Vec<TokenDigest>,
    /// The newest session names nobody, and its token may be another agent's: the service is being asked.
    pub undecided: bool,
    /// Tokens whose agents have signed out.
    pub retired: Vec<Retired>,
    /// Tokens that the service has refused.
    pub refused: Vec<Refusal>,
    /// A live call of somebody who has gone.
    pub leftover: Option<Leftover>,
    /// Since when no page of the agent is open.
    pub absent_since: Option<Timestamp>,
    /// The sessions of the open documents, the newest last.
    pub sessions: Vec<SavedSession>,
}

/// Whose a Flex token is, as far as can be told before the token service is asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Claim {
    /// The agent's who is signed in.
    Same,
    /// Somebody else's.
    Another,
    /// Not said.
    Unknown,
}

/// True when the identity is that of this agent.
pub(super) fn is_of(identity: &Identity, prefix: &IdentityPrefix, agent: &Identity) -> bool {
    identity.as_str().strip_prefix(prefix.as_str()) == Some(agent.as_str())
}

fn keep<T>(list: &mut Vec<T>, one: T, most: usize) {
    list.push(one);
    if list.len() > most {
        list.remove(0);
    }
}

impl Machine {
    /// True when the page's session is the Voice token's agent's.
    pub(super) fn is_confirmed(&self, session: &Session) -> bool {
        self.is_known(session) && !self.is_contradicted(session)
    }

    /// True when the Voice token was minted for a token of this session.
    fn is_known(&self, session: &Session) -> bool {
        let is_known =
            session.token.as_ref().is_some_and(|token| self.durable.sign_in.tokens.contains(token));
        self.durable.voice.is_some() && is_known
    }

    /// True when the token service names another agent for this session's token than the page does.
    pub(super) fn is_contradicted(&self, session: &Session) -> bool {
        self.is_known(session)
            && session.agent.as_ref().is_some_and(|agent| self.claim(Some(agent)) == Claim::Another)
    }

    /// True when it is this session's Flex token that the service is, or was last, asked about.
    pub(super) fn is_newest(&self, session: &Session) -> bool {
        let held = self.durable.flex.as_ref().map(|flex| &flex.digest);
        held.is_some() && held == session.token.as_ref()
    }

    /// True when a session is of the agent who is signed in or about to be.
    pub(super) fn is_present(&self, session: &Session) -> bool {
        self.is_confirmed(session)
            || self.is_newest(session)
            || session.agent.as_ref().is_some_and(|agent| self.claim(Some(agent)) == Claim::Same)
    }

    /// Whose a token is, by what its page says.
    pub(super) fn claim(&self, agent: Option<&Identity>) -> Claim {
        let (Some(agent), Some(config)) = (agent, &self.durable.config) else { return Claim::Unknown };
        let is_same = match (&self.durable.voice, &self.durable.flex) {
            (Some(voice), _) => is_of(&voice.identity, &config.prefix, agent),
            (None, Some(flex)) => match &flex.agent {
                Some(named) => named == agent,
                None => return Claim::Unknown,
            },
            (None, None) => return Claim::Unknown,
        };
        if is_same { Claim::Same } else { Claim::Another }
    }

    /// A page that was confirmed sends another token: it is the same agent's until the service says otherwise.
    pub(super) fn vouch(&mut self, token: TokenDigest) {
        let tokens = &mut self.durable.sign_in.tokens;
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
        let sign_in = &mut self.durable.sign_in;
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
        let refused = &mut self.durable.sign_in.refused;
        let known = refused.iter().position(|refusal| refusal.token == *token).map(|at| refused.remove(at));
        let times = known.map_or(0, |refusal| refusal.times).saturating_add(1);
        let wait = (ASK_AGAIN_MS << (2 * (times - 1).min(8))).min(MAX_ASK_AGAIN_MS);
        keep(refused, Refusal { token: token.clone(), times, next_try: now.plus(wait) }, MAX_REFUSALS);
    }

    /// True when the service may be asked about this token: it was not refused, or long enough ago, or somebody who
    /// reloads the page wants to know. A tab whose session is dead must not ask again and again.
    pub(super) fn may_ask_about(&self, token: &TokenDigest, begins_session: bool, now: Timestamp) -> bool {
        let refused = &self.durable.sign_in.refused;
        refused
            .iter()
            .find(|refusal| refusal.token == *token)
            .is_none_or(|refusal| refusal.next_try <= now || (begins_session && refusal.times < FREE_TRIES))
    }

    /// A page sends a token whose agent has signed out. True when that brings the agent back.
    pub(super) fn signs_in_again(&mut self, token: &TokenDigest, begins_session: bool) -> bool {
        let retired = &mut self.durable.sign_in.retired;
        let Some(at) = retired.iter().position(|retired| retired.token == *token) else { return true };
        let may = begins_session || retired.get(at).is_some_and(|retired| !retired.for_good);
        if may {
            retired.remove(at);
        }
        may
    }

    /// The agent of a page signs out. A page that is not theirs who is signed in signs out for itself alone.
    pub(super) fn sign_out(&mut self, port: PortId, reason: SignOutReason, now: Timestamp) {
        let Some(session) = self.session_of(port).cloned() else { return };
        let for_good = reason != SignOutReason::Offline;
        let is_present = self.is_confirmed(&session) || self.is_newest(&session);
        self.mark_signed_out(|at, one, machine| {
            // An activity is the agent's, in all of their tabs; a login ends in the tab that says so, and the others are
            // asked whether theirs stands.
            at == port || (is_present && !for_good && machine.is_present(one))
        });
        if !is_present {
            if let Some(token) = session.token {
                self.retire(token, for_good);
            }
            return;
        }
        self.count("signed_out");
        self.info(
            now,
            match reason {
                SignOutReason::Logout => "The agent has logged out.",
                SignOutReason::SessionEnded => "The agent's Flex session has ended.",
                SignOutReason::Offline => "The agent has gone offline.",
            },
        );
        self.leave(for_good, now);
        if for_good {
            self.timers.disarm(Timer::AskPages);
            self.ask_pages_for_flex_token(now);
        }
    }

    /// Nobody is signed in any more.
    fn leave(&mut self, for_good: bool, now: Timestamp) {
        let mut tokens = self.durable.sign_in.tokens.clone();
        tokens.extend(self.durable.flex.take().map(|flex| flex.digest));
        for token in tokens {
            self.retire(token, for_good);
        }
        self.forget_request();
        self.take_down(now);
    }

    fn retire(&mut self, token: TokenDigest, for_good: bool) {
        let retired = &mut self.durable.sign_in.retired;
        retired.retain(|retired| retired.token != token);
        keep(retired, Retired { token, for_good }, 2 * MAX_TOKENS);
    }

    /// Takes the registration down, with all that was the agent's whose it was. The `Device` goes as soon as it is not
    /// offering a call that the offscreen document is about to take.
    pub(super) fn take_down(&mut self, now: Timestamp) {
        let identity = self.durable.voice.take().map(|voice| voice.identity);
        self.durable.confirmed = None;
        self.durable.error_seen = false;
        self.durable.sign_in.tokens.clear();
        self.durable.sign_in.undecided = false;
        self.registration.problem = None;
        self.expect_nothing();
        self.drop_waiting();
        if self.durable.call.as_ref().is_some_and(|call| matches!(call.stage, Stage::Waiting { .. })) {
            // Nobody has it yet: its caller is routed on.
            let _no_call = self.command_call(None, CallCommand::HangUp, now);
        }
        if let Some(call) = &mut self.durable.call {
            call.view.from = None;
            let call = call.view.sid.clone();
            let leftover = &mut self.durable.sign_in.leftover;
            if leftover.as_ref().is_none_or(|known| known.call != call) {
                *leftover = Some(Leftover { call, identity: identity.clone() });
            }
        }
        self.forget_agent();
        if let Some(identity) = identity {
            self.durable.log.retain(|line| !line.message.contains(identity.as_str()));
            self.info(now, "Nobody is registered any more.");
        }
    }

    /// Whom an agent spoke with, and how it went, is not the next one's business.
    fn forget_agent(&mut self) {
        self.durable.calls.clear();
        self.call_problem = None;
        self.timers.disarm(Timer::ProblemFade);
    }

    /// True while the live call is of somebody who is not signed in any more.
    pub(super) const fn has_leftover(&self) -> bool {
        self.durable.sign_in.leftover.is_some()
    }

    /// A call that outlived its agent's session is over, or its agent is back.
    pub(super) fn settle_leftover(&mut self) {
        let Some(leftover) = &self.durable.sign_in.leftover else { return };
        let is_live = self.durable.call.as_ref().is_some_and(|call| call.view.sid == leftover.call);
        let voice = self.durable.voice.as_ref().map(|voice| &voice.identity);
        let is_back = voice.is_some() && voice == leftover.identity.as_ref();
        if !is_live {
            self.forget_agent();
        }
        if !is_live || is_back {
            self.durable.sign_in.leftover = None;
        }
    }

    /// Signs the agent out who has had no page for too long. A live call keeps them signed in.
    pub(super) fn settle_absence(&mut self, now: Timestamp) {
        let is_signed_in = self.durable.voice.is_some() || self.durable.flex.is_some();
        if !is_signed_in || self.durable.call.is_some() || self.has_present_page() {
            self.durable.sign_in.absent_since = None;
            return self.timers.disarm(Timer::Absence);
        }
        let since = *self.durable.sign_in.absent_since.get_or_insert(now);
        let due = since.plus(self.policy.sign_out_after_ms);
        if due > now {
            return self.timers.arm(Timer::Absence, due);
        }
        self.durable.sign_in.absent_since = None;
        self.timers.disarm(Timer::Absence);
        self.count("signed_out");
        self.info(now, "No Flex page of the agent has been open for some time: signed out.");
        self.leave(false, now);
    }

    /// The saved state may have instants that are later than now: the clock was set back while no worker ran.
    pub(super) fn restore_sign_in(&mut self, now: Timestamp) {
        let sign_in = &mut self.durable.sign_in;
        sign_in.absent_since = sign_in.absent_since.map(|at| at.min(now));
        for refusal in &mut sign_in.refused {
            refusal.next_try = refusal.next_try.min(now.plus(MAX_ASK_AGAIN_MS));
        }
    }

    /// The clock was set back.
    pub(super) fn shift_sign_in_back(&mut self, millis: u64) {
        let shift = |at: &mut Timestamp| {
            *at = Timestamp::from_millis(at.as_millis().saturating_sub(millis));
        };
        let sign_in = &mut self.durable.sign_in;
        sign_in.absent_since.iter_mut().for_each(shift);
        sign_in.refused.iter_mut().map(|refusal| &mut refusal.next_try).for_each(shift);
    }

    /// Remembers a document's session for a restart of the worker.
    pub(super) fn save_session(&mut self, document: &str, session: Session) {
        let sessions = &mut self.durable.sign_in.sessions;
        match sessions.iter_mut().find(|saved| saved.document == document) {
            Some(saved) => saved.session = session,
            None => keep(sessions, SavedSession { document: document.to_owned(), session }, MAX_SESSIONS),
        }
    }

    /// A document's page is gone: only a killed worker misses that.
    pub(super) fn forget_session(&mut self, document: &str) {
        self.durable.sign_in.sessions.retain(|saved| saved.document != document);
    }

    /// The session that this document had with the process before this one.
    pub(super) fn saved_session(&self, document: &str) -> Option<Session> {
        let saved = self.durable.sign_in.sessions.iter().find(|saved| saved.document == document)?;
        Some(saved.session.clone())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_digest_knows_its_token_and_shows_nothing_of_it() {
        let digest = TokenDigest::of(&Secret::new("canary"));
        assert_eq!(digest, TokenDigest::of(&Secret::new("canary")));
        assert_ne!(digest, TokenDigest::of(&Secret::new("canary2")));
        assert!(digest.0.len() == 32 && !digest.0.contains("canary"));
    }

    #[test]
    fn an_identity_is_of_the_agent_whose_name_follows_the_prefix() {
        let (prefix, id) = (IdentityPrefix::new("ext_").unwrap(), |text: &str| Identity::new(text).unwrap());
        assert!(is_of(&id("ext_ann"), &prefix, &id("ann")));
        assert!(!is_of(&id("ext_ann"), &prefix, &id("anna")));
        assert!(!is_of(&id("ext_ann"), &prefix, &id("ext_ann")));
        assert!(!is_of(&id("ann"), &prefix, &id("ann")));
    }
}
