//! The worker attribute `contact_uri`: where Twilio sends the agent's calls.
//!
//! It is set when calls reach the extension, and given back when the extension is gone and not expected back. It is not restored on
//! unload: the extension goes on taking calls while the page is gone.
//!
//! The only address that is ours is that of this worker's own extension client. Who had calls sent to a desk phone or any
//! other address gets it back as it was: it is kept beside, in the worker attribute [`PREVIOUS`], by the same write that
//! takes it, so that no browser has to remember it and none of two writes can be lost.
//!
//! TaskRouter replaces all of a worker's attributes by what it is given, so a write that crosses somebody else's change
//! would undo it. Flex's store shows both, one after the other; who is seen to be undone is put back.

use kernel::{Identity, IdentityPrefix, Monotonic};

use super::command::Command;
use super::flex_view::FlexView;

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

/// The worker attribute that keeps the address to give back. Absent when that is Flex's own client.
pub const PREVIOUS: &str = "holdfast_previous_contact_uri";

/// The addresses of one agent's two clients.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Addresses {
    /// Flex's own client.
    pub flex: String,
    /// The extension's.
    pub extension: String,
}

impl Addresses {
    /// Of an agent as Flex names them; `None` when the extension's name would be too long for a client.
    #[must_use]
    pub fn of(agent: &Identity, prefix: &IdentityPrefix) -> Option<Self> {
        let extension = Identity::new(format!("{prefix}{agent}")).ok()?.contact_uri();
        Some(Self { flex: agent.contact_uri(), extension })
    }

    /// Whether an address is the extension's.
    #[must_use]
    pub fn is_ours(&self, uri: &str) -> bool {
        same_client(uri, &self.extension)
    }
}

/// Where calls should go.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Goal {
    /// To the extension's client.
    Extension(Addresses),
    /// To where they went before, if they go to the extension's now.
    Back(Addresses),
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

/// A write that is under way, and what it may undo.
#[derive(Clone, Debug)]
struct Write {
    uri: String,
    previous: Option<String>,
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
pub struct ContactController {
    goal: Option<String>,
    attempts: u32,
    attempted_at: Option<Monotonic>,
    /// No attempt before this instant.
    not_before: Option<Monotonic>,
    write: Option<Write>,
}

impl ContactController {
    /// New attempts for a voice client that has come back.
    pub const fn replenish(&mut self) {
        self.attempts = 0;
    }

    /// True when it could not be set.
    #[must_use]
    pub const fn gave_up(&self) -> bool {
        self.attempts >= ATTEMPTS && self.not_before.is_none()
    }

    /// When the next attempt may be made, and when earlier ones count for nothing.
    pub fn deadlines(&self) -> [Option<Monotonic>; 3] {
        let after = |millis| self.attempted_at.map(|at| at.plus(millis));
        [self.not_before, after(SLOW_MS), after(PEACE_MS)]
    }

    /// An attempt was answered.
    pub fn answered(&mut self, ok: bool, now: Monotonic) {
        let wait = if ok { SHOW_MS } else { RETRY_MS << self.attempts.saturating_sub(1).min(5) };
        self.not_before = Some(now.plus(wait));
        if !ok {
            self.write = None;
        }
    }

    /// Orders the URI that `goal` asks for, where it is not what Flex shows.
    pub fn step(&mut self, goal: &Goal, flex: &FlexView, now: Monotonic, out: &mut Vec<Command>) {
        if self.put_back(flex, now, out) {
            return;
        }
        let actual = flex.contact_uri.as_deref();
        let wanted = match goal {
            Goal::Extension(addresses) => Some(addresses.extension.clone()),
            Goal::Back(addresses) => actual.filter(|uri| addresses.is_ours(uri)).map(|_| {
                let previous = flex.previous_contact.as_ref();
                let previous = previous.filter(|uri| !uri.trim().is_empty() && !addresses.is_ours(uri));
                previous.unwrap_or(&addresses.flex).clone()
            }),
            Goal::Leave => return,
        };
        // Kept as it was, whatever kind it is. Flex's own client needs no keeping.
        let previous = match goal {
            Goal::Extension(addresses) => actual
                .filter(|uri| !uri.trim().is_empty() && !same_client(uri, &addresses.flex))
                .map(str::to_owned),
            Goal::Back(_) | Goal::Leave => None,
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
            matches!(goal, Goal::Back(_)) && self.attempted_at.is_none_or(|at| now.since(at) >= SLOW_MS);
        if self.attempts >= ATTEMPTS && !slowly {
            self.not_before = None;
            return;
        }
        self.attempts = self.attempts.saturating_add(1);
        self.attempted_at = Some(now);
        self.not_before = Some(now.plus(ANSWER_MS));
        let others = flex.other_attributes.clone();
        self.write = Some(Write {
            uri: wanted.clone(),
            previous: previous.clone(),
            before: others.clone(),
            others,
            crossed: None,
            repairs: 0,
        });
        out.push(Command::SetContactUri { uri: wanted, previous, others: None });
    }

    /// Watches a write for somebody else's change that it undoes, and orders that change to be made again.
    fn put_back(&mut self, flex: &FlexView, now: Monotonic, out: &mut Vec<Command>) -> bool {
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
        let (uri, previous) = (write.uri.clone(), write.previous.clone());
        write.before = std::mem::replace(&mut write.others, crossed.clone());
        self.attempted_at = Some(now);
        out.push(Command::SetContactUri { uri, previous, others: Some(crossed) });
        true
    }
}
