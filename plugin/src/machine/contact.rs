//! The worker attribute `contact_uri`: where Twilio sends the agent's calls.
//!
//! It is set when calls reach the extension, and given back to Flex's own client when the extension is gone for good. It
//! is not restored on unload: the extension goes on taking calls while the page is gone.
//!
//! TaskRouter replaces all of a worker's attributes by what it is given, so a write that crosses somebody else's change
//! would undo it. Flex's store shows both, one after the other; who is seen to be undone is put back.

use protocol::{IdentityPrefix, Timestamp};

use super::{Command, FlexView};

/// Attempts before giving up until what is wanted has changed.
pub const ATTEMPTS: u32 = 5;

/// After a failed attempt, before the next, doubled each time. In milliseconds.
pub const RETRY_MS: u64 = 2_000;

/// After a successful attempt, how long Flex's store may take to show it.
pub const SHOW_MS: u64 = 5_000;

/// After this long in peace, earlier attempts are forgotten: somebody may set the attribute by hand now and
/// then.
pub const PEACE_MS: u64 = 300_000;

/// Between attempts to give an address back, once [`ATTEMPTS`] have failed.
pub const SLOW_MS: u64 = 60_000;

/// After this long without an answer an attempt counts as failed.
pub const ANSWER_MS: u64 = 15_000;

/// Where calls should go.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Goal {
    /// To the extension's client.
    Extension(String),
    /// To Flex's own client, if they go to the extension's now.
    Flex(IdentityPrefix),
    /// Where they go now: nothing is known that would be better.
    Leave,
}

/// Whether two URIs name the same client. Flex with several tabs adds `?flex_session_identifier=…`, which says which
/// tab and not which client.
#[must_use]
pub fn same_client(a: &str, b: &str) -> bool {
    client_of(a) == client_of(b)
}

fn client_of(uri: &str) -> &str {
    uri.split_once('?').map_or(uri, |(client, _)| client)
}

/// Flex's own client, for a URI that names the extension's: `client:ext_alice` is `client:alice`.
#[must_use]
pub fn flexs_own(uri: &str, prefix: &IdentityPrefix) -> Option<String> {
    let own = client_of(uri).strip_prefix("client:")?.strip_prefix(prefix.as_str())?;
    (!own.is_empty()).then(|| format!("client:{own}"))
}

/// A write that is under way, and what it may undo.
#[derive(Clone, Debug)]
struct Write {
    uri: String,
    /// The other attributes that went along.
    others: String,
    /// The other attributes that Flex showed before, and may go on showing until it hears of the write.
    before: String,
    /// Other attributes that somebody else wrote meanwhile.
    crossed: Option<String>,
    /// How often somebody's change was put back.
    repairs: u32,
}

/// Keeps `contact_uri` as it should be.
#[derive(Clone, Debug, Default)]
pub struct ContactKeeper {
    goal: Option<String>,
    attempts: u32,
    attempted_at: Option<Timestamp>,
    /// No attempt before this instant.
    not_before: Option<Timestamp>,
    write: Option<Write>,
}

impl ContactKeeper {
    /// New attempts for a voice client that has come back.
    pub const fn replenish(&mut self) {
        self.attempts = 0;
    }

    /// True when it could not be set.
    #[must_use]
    pub const fn gave_up(&self) -> bool {
        self.attempts >= ATTEMPTS && self.not_before.is_none()
    }

    /// An attempt was answered.
    pub fn answered(&mut self, ok: bool, now: Timestamp) {
        let wait = if ok { SHOW_MS } else { RETRY_MS << self.attempts.saturating_sub(1).min(5) };
        self.not_before = Some(now.plus(wait));
        if !ok {
            self.write = None;
        }
    }

    /// Orders the URI that `goal` asks for, where it is not what Flex shows.
    pub fn step(&mut self, goal: &Goal, flex: &FlexView, now: Timestamp, out: &mut Vec<Command>) {
        if self.put_back(flex, now, out) {
            return;
        }
        let actual = flex.contact_uri.as_deref();
        let wanted = match goal {
            Goal::Extension(uri) => Some(uri.clone()),
            Goal::Flex(prefix) => actual.and_then(|uri| flexs_own(uri, prefix)),
            Goal::Leave => return,
        };
        if wanted != self.goal && wanted.is_some() {
            self.goal.clone_from(&wanted);
            (self.attempts, self.not_before) = (0, None);
        }
        let arrived = wanted.as_deref().is_none_or(|uri| actual.is_some_and(|is| same_client(is, uri)));
        let Some(wanted) = wanted.filter(|_| !arrived) else {
            self.not_before = None;
            if self.attempted_at.is_some_and(|at| now.since(at) >= PEACE_MS) {
                self.attempts = 0;
            }
            return;
        };
        if self.not_before.is_some_and(|until| now < until) {
            return;
        }
        // An address that leads nowhere must not stay, so giving back is never given up.
        let slowly =
            matches!(goal, Goal::Flex(_)) && self.attempted_at.is_none_or(|at| now.since(at) >= SLOW_MS);
        if self.attempts >= ATTEMPTS && !slowly {
            self.not_before = None;
            return;
        }
        self.attempts = self.attempts.saturating_add(1);
        self.attempted_at = Some(now);
        self.not_before = Some(now.plus(ANSWER_MS));
        let others = flex.other_attributes.clone();
        self.write =
            Some(Write { uri: wanted.clone(), before: others.clone(), others, crossed: None, repairs: 0 });
        out.push(Command::SetContactUri { uri: wanted, others: None });
    }

    /// Watches a write for somebody else's change that it undoes, and orders that change to be made again.
    fn put_back(&mut self, flex: &FlexView, now: Timestamp, out: &mut Vec<Command>) -> bool {
        let recent = self.attempted_at.is_some_and(|at| now.since(at) < ANSWER_MS + SHOW_MS);
        let Some(write) = self.write.as_mut().filter(|_| recent) else {
            self.write = None;
            return false;
        };
        let ours = flex.contact_uri.as_deref() == Some(write.uri.as_str());
        if flex.other_attributes != write.others {
            // Inferred: that TaskRouter tells of changes in the order in which it made them.
            if flex.other_attributes != write.before {
                write.crossed = Some(flex.other_attributes.clone());
            }
            return false;
        }
        let Some(crossed) = write.crossed.take_if(|_| ours && write.repairs < ATTEMPTS) else { return false };
        write.repairs += 1;
        let uri = write.uri.clone();
        write.before = std::mem::replace(&mut write.others, crossed.clone());
        self.attempted_at = Some(now);
        out.push(Command::SetContactUri { uri, others: Some(crossed) });
        true
    }
}
