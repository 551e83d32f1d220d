//! The Flex pages: what each has said of itself, what each was told, and what one does wrong.

use std::collections::BTreeMap;

use kernel::{Bucket, Identity, Timestamp};
use messages::{
    english::{self, Cause},
    problems,
};
use protocol::{
    Problem, ProblemCode,
    page::{Configure, ErrorReply, ExpectCalls, Heartbeat, Kind, ToExtension, ToPage},
    popup::Refused,
    state::{ClientState, ConsentRequest},
};
use sansio::Timers;

use super::{
    command::Command,
    config::Config,
    context::Context,
    event::{PageMessage, PortId},
    expected::{Expects, Relisted},
    persisted::{Persisted, renew},
    sign_in::Session,
};

/// Between two heartbeats.
const HEARTBEAT_MS: u64 = 1_000;
/// Between two times that the pages are asked for a Flex token.
const ASK_MS: u64 = 30_000;

/// More than any plugin says: a burst, and a sustained rate per second. The content script is stricter.
const PAGE_MESSAGES: Bucket = Bucket::new(200, 100);
/// Connections of one tab: a burst, and a sustained rate per second. Each load of a page is one. An agent who holds F5
/// down, and a content script whose worker is killed over and over, need fewer.
const CONNECTIONS: Bucket = Bucket::new(40, 2);
/// How long a flood is shown after it, and how rarely the page is told.
const FLOOD_SHOWN_MS: u64 = 10_000;
/// How long it is shown that another script wanted the plugin's place, and how rarely the page is told.
const CONTEST_SHOWN_MS: u64 = 60_000;

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Timer {
    /// The next heartbeat.
    Heartbeat,
    /// Until then the pages are not asked for a Flex token again.
    Ask,
}

/// A page that matches the content script.
#[derive(Clone, Debug, PartialEq)]
struct Page {
    /// Where it lives, as Chrome vouches for it.
    origin: String,
    /// Its last CONFIGURE was accepted.
    accepted: bool,
    /// Its last CONFIGURE was refused.
    rejected: bool,
    /// Its last CONFIGURE waits for the agent's word, and what would be pinned by it.
    undecided: Option<(Configure, Config)>,
    /// Chrome's name of its document.
    document: Option<String>,
    /// It has said CONFIGURE over this port.
    has_greeted: bool,
    /// What it has said of itself since its CONFIGURE.
    session: Session,
    /// Its next Flex token is the first since it said CONFIGURE: perhaps of another agent.
    new_session: bool,
    /// It has signed out, and its content script said CONFIGURE again by itself: the token with which every plugin
    /// answers CONFIGURED brings nobody back.
    ignores_answer: bool,
    /// It is to be sent a CONFIGURED.
    owed_configured: bool,
    /// What it was told last.
    told: Option<ClientState>,
    /// What the page itself does wrong, until it does something right.
    problem: Option<Problem>,
    messages: Bucket,
    /// When it last said too much.
    flooded_at: Option<Timestamp>,
    /// The calls that its agent expects.
    expects: Expects,
    /// When another of its scripts last wanted the plugin's place.
    contested_at: Option<Timestamp>,
}

impl Page {
    fn new(origin: String, document: Option<String>) -> Self {
        Self {
            origin,
            document,
            has_greeted: false,
            session: Session { agent: None, token: None, signed_out: false },
            accepted: false,
            rejected: false,
            undecided: None,
            new_session: false,
            ignores_answer: false,
            owed_configured: false,
            told: None,
            problem: None,
            messages: PAGE_MESSAGES,
            flooded_at: None,
            expects: Expects::default(),
            contested_at: None,
        }
    }

    /// A new CONFIGURE is judged by itself.
    fn start_over(&mut self) {
        let fresh = Self::new(std::mem::take(&mut self.origin), self.document.take());
        *self = Self {
            messages: self.messages,
            flooded_at: self.flooded_at,
            contested_at: self.contested_at,
            problem: self.problem.take().filter(|problem| problem.code == ProblemCode::LineContested),
            has_greeted: self.has_greeted,
            session: std::mem::take(&mut self.session),
            ..fresh
        };
    }

    fn is_contested(&self, now: Timestamp) -> bool {
        self.contested_at.is_some_and(|at| now.since(at) < CONTEST_SHOWN_MS)
    }

    fn is_flooding(&self, now: Timestamp) -> bool {
        self.flooded_at.is_some_and(|at| now.since(at) < FLOOD_SHOWN_MS)
    }
}

/// What a page said of its session before its Flex token.
#[derive(Debug)]
pub(super) struct Before {
    pub(super) session: Session,
    /// The token is the first since its CONFIGURE.
    pub(super) begins: bool,
    /// It has signed out, and the token is only its plugin's answer to a CONFIGURED.
    pub(super) is_answer: bool,
}

/// What pages are to be told.
#[derive(Debug)]
pub(super) struct News {
    /// How things stand, as each accepted page may know it; and whether that is a page of the agent who is registered.
    pub(super) states: BTreeMap<PortId, (ClientState, bool)>,
    /// Whom heartbeats speak of, once there is something to say.
    pub(super) identity: Option<Identity>,
    /// The gateway confirms the registration.
    pub(super) is_registered: bool,
    /// Something is wrong that a heartbeat's `error` speaks of.
    pub(super) has_error: bool,
}

/// The Flex pages.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct Pages {
    pages: BTreeMap<PortId, Page>,
    /// How many connections each tab may still make.
    connections: BTreeMap<i64, Bucket>,
    /// True once something went wrong: until then a heartbeat's `error` is `null`.
    error_seen: bool,
    /// A heartbeat was due then.
    beat: Option<Timestamp>,
    timers: Timers<Timer, Timestamp>,
}

fn send(cx: &mut Context, port: PortId, message: ToPage) {
    cx.push(Command::ToPage { port, message: Box::new(message) });
}

fn send_error(cx: &mut Context, port: PortId, in_reply_to: Option<&str>, code: ProblemCode, message: &str) {
    send(cx, port, ToPage::Error { payload: ErrorReply::new(in_reply_to, code, message) });
}

fn send_cause(cx: &mut Context, port: PortId, in_reply_to: Option<&str>, cause: Cause) {
    send_error(cx, port, in_reply_to, cause.code, cause.text);
}

fn count_refused(code: ProblemCode, cx: &mut Context) {
    let is_unknown = code == ProblemCode::UnknownType;
    cx.count(if is_unknown { "messages_unknown" } else { "messages_malformed" });
}

fn malformed(port: PortId, kind: Kind, cx: &mut Context) {
    let (name, cause) = match kind {
        Kind::Known(name) => (Some(name), english::WRONG_PAYLOAD),
        Kind::Unknown => (None, english::UNKNOWN_TYPE),
        Kind::Foreign | Kind::Echo => (None, english::NO_MESSAGE),
    };
    count_refused(cause.code, cx);
    send_cause(cx, port, name, cause);
}

/// Who is there.
impl Pages {
    /// Goes on from what was saved.
    pub(super) fn restore(&mut self, persisted: &Persisted) {
        self.error_seen = persisted.error_seen;
    }

    pub(super) fn save(&self, saved: &mut Persisted) -> bool {
        renew(&mut saved.error_seen, &self.error_seen)
    }

    /// A page has connected. False when its tab does so without end: it cannot empty another tab's bucket, nor fill its own
    /// by being loaded anew.
    pub(super) fn port_opened(
        &mut self,
        port: PortId,
        tab: i64,
        origin: String,
        document: Option<String>,
        cx: &mut Context,
    ) -> bool {
        // A full one is as good as none, so that closed tabs leave nothing behind.
        self.connections.retain(|_, bucket| !bucket.is_full(cx.now));
        if !self.connections.entry(tab).or_insert(CONNECTIONS).take(1, cx.now) {
            cx.count("connections_flooded");
            cx.complain("A tab connects without end. Some of its connections were refused.");
            return false;
        }
        self.pages.insert(port, Page::new(origin, document));
        true
    }

    /// A page is gone: Chrome's name of its document.
    pub(super) fn port_closed(&mut self, port: PortId) -> Option<String> {
        self.pages.remove(&port)?.document
    }

    fn accepted(&self) -> impl Iterator<Item = (PortId, &Page)> {
        self.pages.iter().filter(|(_, page)| page.accepted).map(|(port, page)| (*port, page))
    }

    /// How many pages are open, and how many of them are accepted.
    pub(super) fn count(&self) -> (u32, u32) {
        self.pages
            .values()
            .fold((0, 0), |(open, accepted), page| (open + 1, accepted + u32::from(page.accepted)))
    }

    /// The sessions of the accepted pages.
    pub(super) fn sessions(&self) -> impl Iterator<Item = (PortId, &Session)> {
        self.accepted().map(|(port, page)| (port, &page.session))
    }

    /// The same with Chrome's names of their documents, to know them again after a restart of the worker.
    pub(super) fn documents(&self) -> impl Iterator<Item = (&str, &Session)> {
        self.accepted().filter_map(|(_, page)| Some((page.document.as_deref()?, &page.session)))
    }

    /// The session of an accepted page.
    pub(super) fn session(&self, port: PortId) -> Option<&Session> {
        self.pages.get(&port).filter(|page| page.accepted).map(|page| &page.session)
    }

    /// What a page has said of the calls that its agent expects.
    pub(super) fn expects(&self, port: PortId) -> Option<&Expects> {
        self.pages.get(&port).map(|page| &page.expects)
    }

    /// True while an accepted page is open that has not signed out.
    pub(super) fn may_sign_in(&self) -> bool {
        self.sessions().any(|(_, session)| !session.signed_out)
    }

    /// What an open page does wrong, for a person to see; the other pages are not told.
    pub(super) fn problem(&self) -> Option<&Problem> {
        self.pages.values().find_map(|page| page.problem.as_ref())
    }

    /// What the agent is to be asked: for one page after the other.
    pub(super) fn consent_request(&self) -> Option<ConsentRequest> {
        let mut undecided =
            self.pages.values().filter_map(|page| Some((&page.origin, &page.undecided.as_ref()?.1)));
        undecided.next().map(|(origin, config)| ConsentRequest {
            account_sid: config.account.clone(),
            token_url: config.token_url.clone(),
            page_origin: origin.clone(),
        })
    }

    /// The pages that wait for the agent's word, each with its CONFIGURE.
    pub(super) fn undecided(&self) -> Vec<(PortId, Configure)> {
        let wishes =
            self.pages.iter().filter_map(|(port, page)| Some((*port, page.undecided.as_ref()?.0.clone())));
        wishes.collect()
    }
}

/// What they say.
impl Pages {
    /// A message of a page, and for a FLEX_TOKEN its `expiration`. `None` when there is nothing more to do about it.
    pub(super) fn on_message(
        &mut self,
        port: PortId,
        message: PageMessage,
        cx: &mut Context,
    ) -> Option<(ToExtension, Option<Timestamp>)> {
        let page = self.pages.get_mut(&port)?;
        if !page.messages.take(1, cx.now) {
            self.flooded(port, 1, cx);
            return None;
        }
        let accepted = page.accepted;
        let is_shown = page.is_flooding(cx.now) || page.is_contested(cx.now);
        let (message, expires_at) = match message {
            PageMessage::Parsed { message, flex_token_expires_at } => (*message, flex_token_expires_at),
            PageMessage::Malformed(kind) => {
                malformed(port, kind, cx);
                return None;
            }
            PageMessage::Dropped { foreign, flooded, contested } => {
                if foreign > 0 {
                    cx.journal.count("messages_foreign", foreign);
                }
                if contested > 0 {
                    self.contested(port, contested, cx);
                }
                if flooded > 0 {
                    self.flooded(port, flooded, cx);
                }
                return None;
            }
            PageMessage::Refused(code) => {
                count_refused(code, cx);
                if page.problem.as_ref().is_none_or(|problem| problem.code != code) {
                    page.problem =
                        Some(Problem { code, message: english::PAGE_NOT_UNDERSTOOD.into(), retrying: false });
                    cx.complain("A page's message was refused: it is not one of the contract's.");
                }
                return None;
            }
        };
        if !is_shown {
            page.problem = None;
        }
        if !accepted && !matches!(message, ToExtension::Configure { .. }) {
            send_cause(cx, port, Some(message.name()), english::NOT_ACCEPTED);
            return None;
        }
        Some((message, expires_at))
    }

    /// A page says more than any plugin does. What was too much is dropped; the page is told now and then.
    fn flooded(&mut self, port: PortId, dropped: u32, cx: &mut Context) {
        cx.journal.count("messages_flooded", dropped);
        let Some(page) = self.pages.get_mut(&port) else { return };
        if page.is_flooding(cx.now) {
            return;
        }
        page.flooded_at = Some(cx.now);
        page.problem = Some(english::FLOODED.problem(false));
        cx.complain(english::FLOODED.text);
        send_cause(cx, port, None, english::FLOODED);
    }

    /// Another script of the page offered a port while the plugin's was open. The content script did not take it.
    fn contested(&mut self, port: PortId, offers: u32, cx: &mut Context) {
        cx.journal.count("ports_contested", offers);
        let Some(page) = self.pages.get_mut(&port) else { return };
        let was_contested = page.is_contested(cx.now);
        page.contested_at = Some(cx.now);
        page.problem = Some(english::CONTESTED.problem(false));
        cx.complain(english::CONTESTED.text);
        if !was_contested {
            send_cause(cx, port, None, english::CONTESTED);
        }
    }

    /// Tells a page that what it wanted was not done.
    pub(super) fn refuse(port: PortId, message: &str, refused: Refused, cx: &mut Context) {
        send_error(cx, port, Some(message), refused.code(), problems::refusal(refused));
    }

    /// Refuses a FLEX_TOKEN.
    pub(super) fn refuse_token(port: PortId, cause: Cause, cx: &mut Context) {
        send_cause(cx, port, Some("VOICE_CLIENT_EXTENSION_FLEX_TOKEN"), cause);
    }

    /// Refuses a SHOW_VIDEO.
    pub(super) fn refuse_video(port: PortId, cause: Cause, cx: &mut Context) {
        send_cause(cx, port, Some("VOICE_CLIENT_EXTENSION_SHOW_VIDEO"), cause);
    }

    /// The document of a page that says CONFIGURE for the first time over its port.
    pub(super) fn new_document(&self, port: PortId) -> Option<&str> {
        self.pages.get(&port).filter(|page| !page.has_greeted)?.document.as_deref()
    }

    /// A page says CONFIGURE, and is judged by that anew. `known` is the session that its document had with a killed worker.
    /// Where the page lives.
    pub(super) fn start_over(
        &mut self,
        port: PortId,
        wish: &Configure,
        known: Option<Session>,
    ) -> Option<&str> {
        let page = self.pages.get_mut(&port)?;
        page.start_over();
        page.expects = Expects::of(wish);
        let agent = &wish.agent_identity;
        // A content script that lost the worker says its page's CONFIGURE again: that is no new session.
        let goes_on = known.filter(|known| known.agent == *agent);
        page.new_session = goes_on.is_none();
        page.ignores_answer = goes_on.as_ref().is_some_and(|session| session.signed_out);
        page.session = goes_on.unwrap_or_else(|| Session {
            // A page that names the same agent once more is still that agent's.
            token: page.session.token.take().filter(|_| agent.is_some() && page.session.agent == *agent),
            agent: agent.clone(),
            signed_out: false,
        });
        Some(&page.origin)
    }

    /// A page may use the voice client.
    pub(super) fn accept(&mut self, port: PortId) {
        if let Some(page) = self.pages.get_mut(&port) {
            page.accepted = true;
            page.has_greeted = true;
            page.owed_configured = true;
        }
    }

    /// A page waits for the agent's word on what would be pinned by it.
    pub(super) fn wait_for_consent(
        &mut self,
        port: PortId,
        wish: &Configure,
        config: Config,
        problem: Problem,
        cx: &mut Context,
    ) {
        let Some(page) = self.pages.get_mut(&port) else { return };
        let host = config.token_url.origin();
        cx.complain(format!("Asking the agent about the token service {host}."));
        send_error(cx, port, Some("VOICE_CLIENT_EXTENSION_CONFIGURE"), problem.code, &problem.message);
        page.undecided = Some((wish.clone(), config));
        page.problem = Some(problem);
    }

    /// A page may not use the voice client.
    pub(super) fn reject(&mut self, port: PortId, problem: Problem, cx: &mut Context) {
        let Some(page) = self.pages.get_mut(&port) else { return };
        cx.count("pages_refused");
        cx.complain(format!("Refused a page: {}", problem.message));
        page.rejected = true;
        page.problem = Some(problem.clone());
        send(cx, port, ToPage::ConfigRejected { payload: Some(problem) });
    }

    /// An accepted page sends a Flex token: what it said before.
    pub(super) fn before_token(&mut self, port: PortId) -> Option<Before> {
        let page = self.pages.get_mut(&port).filter(|page| page.accepted)?;
        Some(Before {
            session: page.session.clone(),
            begins: std::mem::take(&mut page.new_session),
            is_answer: std::mem::take(&mut page.ignores_answer),
        })
    }

    pub(super) fn set_session(&mut self, port: PortId, session: Session) {
        if let Some(page) = self.pages.get_mut(&port) {
            page.session = session;
        }
    }

    /// The agent of accepted pages has signed out.
    pub(super) fn mark_signed_out(&mut self, which: impl Fn(PortId) -> bool) {
        for (port, page) in &mut self.pages {
            page.session.signed_out |= page.accepted && which(*port);
        }
    }

    /// A page says which calls its agent expects.
    pub(super) fn say_expected(&mut self, port: PortId, list: ExpectCalls) -> Option<Relisted> {
        let page = self.pages.get_mut(&port)?;
        Some(page.expects.say(page.session.agent.clone(), list))
    }
}

/// What they are told.
impl Pages {
    /// A plugin answers every CONFIGURED with its Flex token, so that is how to ask for one.
    pub(super) fn ask_for_flex_token(&mut self, now: Timestamp) {
        if self.timers.is_armed(Timer::Ask) {
            return;
        }
        let mut asked = false;
        for page in self.pages.values_mut().filter(|page| page.accepted && !page.session.signed_out) {
            page.owed_configured = true;
            asked = true;
        }
        if asked {
            self.timers.arm(Timer::Ask, now.plus(ASK_MS));
        }
    }

    /// The same, also when that was done a moment ago.
    pub(super) fn ask_at_once(&mut self, now: Timestamp) {
        self.timers.disarm(Timer::Ask);
        self.ask_for_flex_token(now);
    }

    /// What was wrong, was wrong with somebody else's registration.
    pub(super) const fn forget_errors(&mut self) {
        self.error_seen = false;
    }

    /// Tells every accepted page what is new to it, and beats.
    pub(super) fn settle(&mut self, news: &News, cx: &mut Context) {
        self.error_seen |= news.has_error;
        self.send_states(news, cx);
        self.settle_heartbeat(news, cx);
    }

    fn send_states(&mut self, news: &News, cx: &mut Context) {
        for (port, page) in self.pages.iter_mut().filter(|(_, page)| page.accepted) {
            let Some((state, _)) = news.states.get(port) else { continue };
            // How a call sounds changes every second; the heartbeats carry it.
            let mut shown = state.clone();
            if let Some(call) = &mut shown.call {
                call.quality = None;
            }
            if !page.owed_configured && page.told.as_ref() == Some(&shown) {
                continue;
            }
            let payload = state.clone();
            let message = if std::mem::take(&mut page.owed_configured) {
                ToPage::Configured { payload: Some(payload) }
            } else {
                ToPage::State { payload }
            };
            page.told = Some(shown);
            send(cx, *port, message);
        }
    }

    /// Beats while there is somebody to hear it and something to say.
    fn settle_heartbeat(&mut self, news: &News, cx: &mut Context) {
        let due = self.beat.take();
        let hearers = || news.states.iter().filter(|(_, (_, is_confirmed))| *is_confirmed);
        let Some(identity) = news.identity.as_ref().filter(|_| hearers().next().is_some()) else {
            return self.timers.disarm(Timer::Heartbeat);
        };
        if due.is_none() && self.timers.is_armed(Timer::Heartbeat) {
            return;
        }
        // A beat that was slept through is not made up for.
        let next = due.unwrap_or(cx.now).plus(HEARTBEAT_MS);
        self.timers.arm(Timer::Heartbeat, if next > cx.now { next } else { cx.now.plus(HEARTBEAT_MS) });
        self.error_seen |= !news.is_registered;
        let error = self.error_seen.then_some(!news.is_registered);
        for (port, (state, _)) in hearers() {
            let voice_client_identity = identity.to_string();
            let payload = Heartbeat { voice_client_identity, error, state: state.clone() };
            send(cx, *port, ToPage::Heartbeat { payload });
        }
    }

    /// Tells every accepted page where things stand, and lets go of all of them.
    pub(super) fn dismiss(&mut self, news: &News, cx: &mut Context) {
        for page in self.pages.values_mut() {
            page.owed_configured = false;
        }
        self.send_states(news, cx);
        self.close(|_| true, cx);
        self.error_seen = false;
        self.beat = None;
        self.timers.clear();
    }

    /// Lets go of the pages that another policy may judge otherwise, and of all when what is pinned is not agreed to.
    pub(super) fn policy_changed(&mut self, is_agreed: bool, cx: &mut Context) {
        let policy = cx.policy.clone();
        self.close(|page| page.rejected || !is_agreed || !policy.allows_page(&page.origin), cx);
    }

    /// Lets go of pages: their content scripts connect again and repeat CONFIGURE.
    fn close(&mut self, which: impl Fn(&Page) -> bool, cx: &mut Context) {
        self.pages.retain(|port, page| {
            let goes = which(page);
            if goes {
                cx.push(Command::ClosePort { port: *port });
            }
            !goes
        });
    }

    /// Time has gone on.
    pub(super) fn time_passes(&mut self, now: Timestamp) {
        while let Some((timer, due)) = self.timers.take_due(now) {
            match timer {
                Timer::Heartbeat => self.beat = Some(due),
                Timer::Ask => {}
            }
        }
    }

    pub(super) fn next(&self) -> Option<Timestamp> {
        self.timers.next()
    }

    /// The clock was set back.
    pub(super) fn shift_back(&mut self, millis: u64) {
        self.timers.shift_back(millis);
    }
}
