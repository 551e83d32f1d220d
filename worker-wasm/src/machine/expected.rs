//! Which calls are answered by themselves. Whoever can make Twilio dial the agent's client makes a call ring; the
//! microphone opens by itself only for a call that Flex knows of.
//!
//! A page of version 3 of the contract lists the calls that its agent expects, each by a name, and each name lets one call
//! through: a call does not say which of them it is. A page of an older version cannot say so; there, any call is expected
//! while the page is open. All else rings ([`super::waiting`]), is refused, or, by policy, is answered while a page of the
//! agent is open.

use std::collections::VecDeque;

use kernel::{CallSid, ExpectationId, Identity, IdentityPrefix, Timestamp};
use protocol::page::{Configure, ExpectCalls, MAX_EXPECTED_CALLS};
use serde::{Deserialize, Serialize};

use super::{config::UnexpectedCalls, sign_in::is_of};

/// The version of the page contract since which a page says which calls it expects.
const SAYS_ITSELF: u32 = 3;
/// How long an expectation outlives its page: a reload of Flex on a slow machine. The page that is back says anew.
const KEPT_MS: u64 = 60_000;
/// How much later than its call an expectation may come: the two travel on different ways. What rings for longer is
/// somebody else's call, which a new expectation must not let in.
pub(super) const LATE_MS: u64 = 3_000;
/// More expectations than any agent's pages have, and more uses of them than are remembered.
const MAX_KEPT: usize = 4 * MAX_EXPECTED_CALLS;

/// What a page has said about its calls, since its last CONFIGURE. Whose page it is, its session says.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Expects {
    /// The page is of a version that says which calls it expects.
    says_itself: bool,
    /// It has said its list.
    has_said: bool,
    calls: Vec<ExpectationId>,
}

/// What a page listed before it said its list anew.
#[derive(Debug)]
pub(super) struct Relisted {
    agent: Option<Identity>,
    before: Vec<ExpectationId>,
    /// It is the page's first list.
    is_back: bool,
}

impl Expects {
    /// What CONFIGURE says of it.
    pub(super) fn of(wish: &Configure) -> Self {
        Self {
            says_itself: wish.protocol_version.is_some_and(|version| version >= SAYS_ITSELF),
            ..Self::default()
        }
    }

    /// The page, which is this agent's, says which calls its agent expects.
    pub(super) fn say(&mut self, agent: Option<Identity>, list: ExpectCalls) -> Relisted {
        let is_back = !std::mem::replace(&mut self.has_said, true);
        let before = std::mem::take(&mut self.calls);
        for call in list.calls.into_iter().take(MAX_EXPECTED_CALLS) {
            if !self.calls.contains(&call.id) {
                self.calls.push(call.id);
            }
        }
        Relisted { agent, before, is_back }
    }
}

/// What a call that comes now finds: the registered agent's pages, and who that is.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Desk {
    /// The pages of the agent who is registered, each with whom it names and what it expects: what any other page expects is
    /// not theirs.
    pub(super) pages: Vec<(Option<Identity>, Expects)>,
    /// The registered agent's identity, and what it begins with.
    pub(super) agent: Option<(Identity, IdentityPrefix)>,
}

impl Desk {
    /// True when a page of this agent is one of the agent who is registered.
    fn is_of(&self, agent: Option<&Identity>) -> bool {
        match (agent, &self.agent) {
            (Some(agent), Some((identity, prefix))) => is_of(identity, prefix, agent),
            _ => true,
        }
    }
}

/// The expectations that outlive a killed worker.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, wire::ToTree, wire::FromTree)]
#[serde(default)]
pub struct Expected {
    /// In the order in which they were listed.
    calls: VecDeque<Expectation>,
    /// Which call used which; oldest first. Kept, so that a page may go on listing it.
    used: VecDeque<Used>,
    /// The pages that were open last.
    open: Open,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, wire::ToTree, wire::FromTree)]
struct Expectation {
    id: ExpectationId,
    agent: Option<Identity>,
    /// Until when it holds; `None` while its page is open.
    until: Option<Timestamp>,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, wire::ToTree, wire::FromTree)]
struct Used {
    id: ExpectationId,
    call: CallSid,
}

/// Which accepted pages of the registered agent are open.
#[derive(
    Clone,
    Copy,
    Debug,
    Default,
    PartialEq,
    Eq,
    PartialOrd,
    Ord,
    Serialize,
    Deserialize,
    wire::ToTree,
    wire::FromTree,
)]
#[serde(rename_all = "camelCase")]
enum Open {
    #[default]
    None,
    /// Only such that say which calls they expect.
    Pages,
    /// At least one that cannot.
    OlderPages,
}

/// Why a call is answered by itself.
pub(super) enum Pass {
    /// It is this expectation's.
    Expectation(ExpectationId),
    /// A page that cannot say what it expects is open.
    OlderPage,
    /// Policy answers what nobody expects.
    Policy,
}

impl Expected {
    /// True when pages were open.
    pub(super) fn had_pages(&self) -> bool {
        self.open != Open::None
    }

    /// What a page lists no more is over, unless another page lists it; and what was kept for it is said anew.
    pub(super) fn relist(&mut self, page: &Relisted) {
        self.calls.retain(|kept| {
            kept.agent != page.agent
                || !(page.before.contains(&kept.id) || page.is_back && kept.until.is_some())
        });
    }

    /// Brings what is expected in line with the pages that are open. `are_coming` while those that were open before a
    /// restart count as open.
    pub(super) fn follow(&mut self, desk: &Desk, are_coming: bool, now: Timestamp) {
        let mut listed: Vec<(&ExpectationId, &Option<Identity>)> = Vec::new();
        for (agent, page) in &desk.pages {
            listed.extend(page.calls.iter().map(|id| (id, agent)));
        }
        let calls = &mut self.calls;
        for (id, agent) in &listed {
            if !calls.iter().any(|kept| kept.id == **id && kept.agent == **agent) {
                calls.push_back(Expectation { id: (*id).clone(), agent: (*agent).clone(), until: None });
            }
        }
        for kept in calls.iter_mut() {
            let is_listed = listed.iter().any(|(id, agent)| kept.id == **id && kept.agent == **agent);
            // Also when the clock was set back, no longer than that.
            let latest = now.plus(KEPT_MS);
            kept.until = (!is_listed).then(|| kept.until.map_or(latest, |until| until.min(latest)));
        }
        calls.retain(|kept| kept.until.is_none_or(|until| until > now));
        while calls.len() > MAX_KEPT {
            calls.pop_front();
        }
        self.open = self.open_pages(desk, are_coming);
    }

    fn open_pages(&self, desk: &Desk, are_coming: bool) -> Open {
        let open = desk
            .pages
            .iter()
            .map(|(_, page)| if page.says_itself { Open::Pages } else { Open::OlderPages })
            .max()
            .unwrap_or_default();
        if are_coming { open.max(self.open) } else { open }
    }

    /// Why a call would be answered by itself now, if it would.
    pub(super) fn pass(
        &self,
        desk: &Desk,
        are_coming: bool,
        may_use_expectation: bool,
        policy: UnexpectedCalls,
        now: Timestamp,
    ) -> Option<Pass> {
        let free = self.calls.iter().find(|kept| {
            kept.until.is_none_or(|until| until > now)
                && desk.is_of(kept.agent.as_ref())
                && !self.used.iter().any(|used| used.id == kept.id)
        });
        if let Some(kept) = free.filter(|_| may_use_expectation) {
            return Some(Pass::Expectation(kept.id.clone()));
        }
        match self.open_pages(desk, are_coming) {
            Open::OlderPages => Some(Pass::OlderPage),
            Open::Pages if policy == UnexpectedCalls::Answer => Some(Pass::Policy),
            Open::Pages | Open::None => None,
        }
    }

    /// A call was let through by an expectation, which lets no other one through.
    pub(super) fn use_up(&mut self, id: ExpectationId, call: CallSid) {
        if self.used.len() >= MAX_KEPT {
            self.used.pop_front();
        }
        self.used.push_back(Used { id, call });
    }

    /// A call that was let through never became open: another may come for the same reason.
    pub(super) fn release(&mut self, call: &CallSid) {
        self.used.retain(|used| used.call != *call);
    }
}
