//! Which calls are answered by themselves. Whoever can make Twilio dial the agent's client makes a call ring; the
//! microphone opens by itself only for a call that Flex knows of.
//!
//! A page of version 3 of the contract lists the calls that its agent expects, each by a name, and each name lets one call
//! through: a call does not say which of them it is. A page of an older version cannot say so; there, any call is expected
//! while the page is open. All else rings ([`super::waiting`]), is refused, or, by policy, is answered while a page of the
//! agent is open.

use std::collections::VecDeque;

use kernel::{CallSid, ExpectationId, Identity, Secret, Timestamp};
use protocol::{
    WaitingCall,
    page::{Configure, ExpectCalls, MAX_EXPECTED_CALLS},
};
use serde::{Deserialize, Serialize};

use super::{
    Command, Machine,
    call::LiveCall,
    config::{SecondCall, UnexpectedCalls},
    event::{OfferId, PortId},
    ports::Page,
    session::is_of,
    timers::Timer,
};

/// The version of the page contract since which a page says which calls it expects.
const SAYS_ITSELF: u32 = 3;
/// How long an expectation outlives its page: a reload of Flex on a slow machine. The page that is back says anew.
const KEPT_MS: u64 = 60_000;
/// How much later than its call an expectation may come: the two travel on different ways. What rings for longer is
/// somebody else's call, which a new expectation must not let in.
const LATE_MS: u64 = 3_000;
/// After a restart the pages that were open count as open for so long: their content scripts connect again at once.
const PAGES_BACK_MS: u64 = 3_000;
/// More expectations than any agent's pages have, and more uses of them than are remembered.
const MAX_KEPT: usize = 4 * MAX_EXPECTED_CALLS;

/// What a page has said about itself and its calls, since its last CONFIGURE.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Expects {
    /// The page is of a version that says which calls it expects.
    says_itself: bool,
    /// Whose page it is, where it says so.
    agent: Option<Identity>,
    /// It has said its list.
    has_said: bool,
    calls: Vec<ExpectationId>,
}

impl Expects {
    /// What CONFIGURE says of it.
    pub(super) fn of(wish: &Configure) -> Self {
        Self {
            says_itself: wish.protocol_version.is_some_and(|version| version >= SAYS_ITSELF),
            agent: wish.agent_identity.clone(),
            ..Self::default()
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
enum Pass {
    /// It is this expectation's.
    Expectation(ExpectationId),
    /// A page that cannot say what it expects is open.
    OlderPage,
    /// Policy answers what nobody expects.
    Policy,
}

impl Machine {
    /// The pages that the saved state had open are about to connect again.
    pub(super) fn restore_expected(&mut self, now: Timestamp) {
        if self.durable.expected.open != Open::None {
            self.timers.arm(Timer::PagesBack, now.plus(PAGES_BACK_MS));
        }
    }

    /// A page says which calls its agent expects.
    pub(super) fn expect_calls(&mut self, port: PortId, list: ExpectCalls, now: Timestamp) {
        let Some(page) = self.page_mut(port) else { return };
        let expects = &mut page.expects;
        let is_back = !std::mem::replace(&mut expects.has_said, true);
        let before = std::mem::take(&mut expects.calls);
        for call in list.calls.into_iter().take(MAX_EXPECTED_CALLS) {
            if !expects.calls.contains(&call.id) {
                expects.calls.push(call.id);
            }
        }
        let agent = expects.agent.clone();
        // What it lists no more is over, unless another page lists it; and what was kept for it is said anew.
        self.durable.expected.calls.retain(|kept| {
            kept.agent != agent || !(before.contains(&kept.id) || is_back && kept.until.is_some())
        });
        self.follow_pages(now);
    }

    /// Brings what is expected in line with the pages that are open.
    fn follow_pages(&mut self, now: Timestamp) {
        let mut listed: Vec<(ExpectationId, Option<Identity>)> = Vec::new();
        for (_, page) in self.pages_of_the_agent() {
            let agent = &page.expects.agent;
            listed.extend(page.expects.calls.iter().map(|id| (id.clone(), agent.clone())));
        }
        let calls = &mut self.durable.expected.calls;
        for (id, agent) in &listed {
            if !calls.iter().any(|kept| kept.id == *id && kept.agent == *agent) {
                calls.push_back(Expectation { id: id.clone(), agent: agent.clone(), until: None });
            }
        }
        for kept in calls.iter_mut() {
            let is_listed = listed.iter().any(|(id, agent)| kept.id == *id && kept.agent == *agent);
            // Also when the clock was set back, no longer than that.
            let latest = now.plus(KEPT_MS);
            kept.until = (!is_listed).then(|| kept.until.map_or(latest, |until| until.min(latest)));
        }
        calls.retain(|kept| kept.until.is_none_or(|until| until > now));
        while calls.len() > MAX_KEPT {
            calls.pop_front();
        }
        self.durable.expected.open = self.open_pages();
    }

    /// True when a page of this agent is one of the agent who is registered.
    fn is_registered_agent(&self, agent: Option<&Identity>) -> bool {
        let (Some(agent), Some(voice), Some(config)) = (agent, &self.durable.voice, &self.durable.config)
        else {
            return true;
        };
        is_of(&voice.identity, &config.prefix, agent)
    }

    /// The pages of the agent who is registered: what any other page expects is not theirs.
    fn pages_of_the_agent(&self) -> impl Iterator<Item = (PortId, &Page)> {
        self.pages().filter(|(_, page)| page.accepted && self.is_confirmed(&page.session))
    }

    /// Another agent's calls, or nobody's, are expected from now on.
    pub(super) fn expect_nothing(&mut self) {
        self.durable.expected = Expected::default();
        self.timers.disarm(Timer::PagesBack);
    }

    fn open_pages(&self) -> Open {
        let open = self
            .pages_of_the_agent()
            .map(|(_, page)| if page.expects.says_itself { Open::Pages } else { Open::OlderPages })
            .max()
            .unwrap_or_default();
        if self.timers.is_armed(Timer::PagesBack) { open.max(self.durable.expected.open) } else { open }
    }

    /// Why a call would be answered by itself now, if it would.
    fn pass(&self, may_use_expectation: bool, now: Timestamp) -> Option<Pass> {
        let expected = &self.durable.expected;
        let free = expected.calls.iter().find(|kept| {
            kept.until.is_none_or(|until| until > now)
                && self.is_registered_agent(kept.agent.as_ref())
                && !expected.used.iter().any(|used| used.id == kept.id)
        });
        if let Some(kept) = free.filter(|_| may_use_expectation) {
            return Some(Pass::Expectation(kept.id.clone()));
        }
        match self.open_pages() {
            Open::OlderPages => Some(Pass::OlderPage),
            Open::Pages if self.policy.unexpected_calls == UnexpectedCalls::Answer => Some(Pass::Policy),
            Open::Pages | Open::None => None,
        }
    }

    fn let_through(&mut self, pass: Pass, call: &CallSid, now: Timestamp) {
        match pass {
            Pass::Expectation(id) => {
                let used = &mut self.durable.expected.used;
                if used.len() >= MAX_KEPT {
                    used.pop_front();
                }
                used.push_back(Used { id, call: call.clone() });
            }
            Pass::OlderPage => {}
            Pass::Policy => {
                self.count("calls_unexpected_answered_by_policy");
                self.info(now, "Nobody expects this call. Policy lets it be answered.");
            }
        }
    }

    /// A call that was let through never became open: another may come for the same reason.
    pub(super) fn release_expectation(&mut self, call: &CallSid) {
        self.durable.expected.used.retain(|used| used.call != *call);
    }

    /// A call that is new: it becomes the live one, waits, or is refused.
    pub(super) fn new_call(
        &mut self,
        offer: OfferId,
        sid: CallSid,
        connect_token: Secret,
        from: Option<String>,
        now: Timestamp,
    ) {
        // One that rings and that nobody expects takes no place, and goes on ringing.
        let is_free = self.durable.call.is_none()
            && self.durable.waiting.as_ref().is_none_or(|waiting| waiting.view.unexpected);
        match self.pass(true, now) {
            Some(pass) if is_free => {
                self.let_through(pass, &sid, now);
                self.info(now, "A call is offered.");
                self.begin_call(LiveCall::offered(sid, connect_token, from, true, now), now);
                self.offer = Some(offer);
                self.hand_over(now);
            }
            Some(pass @ (Pass::Expectation(_) | Pass::OlderPage)) => {
                if self.second_call(offer, sid.clone(), connect_token, from, now) {
                    self.let_through(pass, &sid, now);
                }
            }
            Some(Pass::Policy) | None => self.unexpected_call(offer, sid, connect_token, from, now),
        }
    }

    /// A call that nobody expects: it rings, or is refused. It takes nobody's place.
    fn unexpected_call(
        &mut self,
        offer: OfferId,
        sid: CallSid,
        connect_token: Secret,
        from: Option<String>,
        now: Timestamp,
    ) {
        let is_second = self.durable.call.is_some() && self.policy.second_call == SecondCall::Refuse;
        // The newest one rings: it may be a customer's whose expectation is still on its way, and a stranger who rings on and
        // on must not keep that out.
        let has_place =
            self.durable.waiting.as_ref().is_none_or(|waiting| waiting.view.unexpected && !waiting.answered);
        if self.policy.unexpected_calls == UnexpectedCalls::Refuse || is_second || !has_place {
            self.count("calls_unexpected_refused");
            self.warn(now, "Rejected a call that nobody expects.");
            return self.out.push(Command::RejectOffer { offer });
        }
        if self.durable.waiting.is_some() {
            self.count("calls_unexpected_refused");
            self.warn(now, "Another call that nobody expects is ringing. The one before is routed on.");
            self.drop_waiting();
        }
        self.count("calls_unexpected_rung");
        self.warn(now, "A call that nobody expects is ringing: Flex does not know of it.");
        let view = WaitingCall { sid, from, since: now, unexpected: true };
        self.begin_waiting(offer, view, connect_token, now);
    }

    /// Answers a call that rings as soon as somebody expects it; while another is live it goes on waiting.
    pub(super) fn settle_expected(&mut self, now: Timestamp) {
        self.follow_pages(now);
        // Without an offer it is a call of the saved state, on which the gateway has not yet given its word.
        if self.durable.call.is_some() || self.waiting_offer.is_none() {
            return;
        }
        let rings = self.durable.waiting.as_ref().filter(|waits| waits.view.unexpected && !waits.answered);
        let Some((sid, since)) = rings.map(|waits| (waits.view.sid.clone(), waits.view.since)) else {
            return;
        };
        let Some(pass) = self.pass(now.since(since) <= LATE_MS, now) else { return };
        if !matches!(pass, Pass::Policy) {
            self.count("calls_expected_late");
            self.info(now, "The call that rings is expected now.");
        }
        self.let_through(pass, &sid, now);
        if let Some(waiting) = self.take_waiting(&sid) {
            self.promote(waiting, true, now);
        }
    }
}
