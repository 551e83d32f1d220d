//! Who is connected, who is believed, and what they ask for.

use std::collections::BTreeMap;

use kernel::{Bucket, DtmfDigits, Timestamp};
use protocol::{
    Problem, ProblemCode,
    offscreen::ToOffscreen,
    page::{Configure, ErrorReply, Heartbeat, Kind, ToExtension, ToPage},
    popup::{FromPopup, ToPopup},
    port,
    state::{ClientState, UiState},
};

use super::{
    Command, Machine, Refused,
    call::CallCommand,
    config::{self, Config},
    consent::{Consent, consent_declined, consent_needed},
    event::{PageMessage, PortId, Sender},
    expected::Expects,
    session::Session,
    timers::Timer,
    token::ASK_PAGES_MS,
};

/// Between two heartbeats.
const HEARTBEAT_MS: u64 = 1_000;

/// More than any plugin says: so many messages at once, and so many a second for good. The content script is stricter.
const PAGE_MESSAGES: Bucket = Bucket::new(200, 100);
/// As many digits as the longest message has, and then no faster than they sound: what is admitted is all sent.
const DIGITS: Bucket = Bucket::new(256, 3);
/// The same of pauses, which are no digits.
const PAUSES: Bucket = Bucket::new(256, 2);
const _: () = assert!(DtmfDigits::MAX == 256);
/// Connections of one tab: so many at once, and so many a second for good. Each load of a page is one. An agent who holds F5
/// down, and a content script whose worker is killed over and over, need fewer.
const CONNECTIONS: Bucket = Bucket::new(40, 2);
/// How long a flood is shown after it, and how rarely the page is told.
const FLOOD_SHOWN_MS: u64 = 10_000;
/// How long it is shown that another script wanted the plugin's place, and how rarely the page is told.
const CONTEST_SHOWN_MS: u64 = 60_000;

/// The extension's own pages that may open a popup port.
const OWN_PAGES: [&str; 3] = ["popup.html", "options.html", "welcome.html"];
/// The one of them that shows all devices, also before Flex was opened.
const OPTIONS_PAGE: &str = "options.html";
/// The one page that may open the offscreen port.
const OFFSCREEN_PAGE: &str = "offscreen.html";

/// How many digits and pauses may still be sent.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Keypad {
    digits: Bucket,
    pauses: Bucket,
}

impl Keypad {
    pub(super) const FULL: Self = Self { digits: DIGITS, pauses: PAUSES };

    /// Admits the whole of it or nothing.
    fn admit(&mut self, digits: &DtmfDigits, now: Timestamp) -> bool {
        let mut after = *self;
        let pauses = digits.pauses();
        let keys = digits.as_str().len() - pauses;
        let count = |amount| u32::try_from(amount).unwrap_or(u32::MAX);
        let admitted = after.digits.take(count(keys), now) && after.pauses.take(count(pauses), now);
        if admitted {
            *self = after;
        }
        admitted
    }
}

/// Who may connect.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Trust {
    /// The extension's id.
    pub own_id: String,
    /// `chrome-extension://<id>/`.
    pub base_url: String,
    /// The match patterns of the manifest's content script: `https://host/*`, also with `*.` before the host.
    pub page_patterns: Vec<String>,
}

/// What a trusted port is for.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Peer {
    Page(Box<Page>),
    Popup {
        /// What it was shown last.
        shown: Option<Box<UiState>>,
        is_options: bool,
    },
    Offscreen,
}

/// A page that matches the content script.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Page {
    /// Where it lives, as Chrome vouches for it.
    pub(super) origin: String,
    /// Its last CONFIGURE was accepted.
    pub(super) accepted: bool,
    /// Its last CONFIGURE was refused.
    pub(super) rejected: bool,
    /// Its last CONFIGURE waits for the agent's word, and what would be pinned by it.
    undecided: Option<(Configure, Config)>,
    /// Chrome's name of its document.
    document: Option<String>,
    /// It has said CONFIGURE over this port.
    has_greeted: bool,
    /// What it has said of itself since its CONFIGURE.
    pub(super) session: Session,
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
    pub(super) expects: Expects,
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
    fn begin_anew(&mut self) {
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

impl Trust {
    /// A page is heard where the manifest puts a content script of ours. Whether policy allows it there is
    /// [`config::judge`]'s decision, which the page is told.
    fn judge(&self, name: &str, sender: &Sender) -> Option<Peer> {
        if sender.id.as_deref() != Some(self.own_id.as_str()) {
            return None;
        }
        match name {
            port::PAGE => {
                let origin = sender.origin.as_deref()?;
                let is_ours = sender.tab.is_some()
                    && sender.frame_id == Some(0)
                    && self.page_patterns.iter().any(|pattern| matches_origin(pattern, origin));
                is_ours.then(|| Peer::Page(Box::new(Page::new(origin.to_owned(), sender.document.clone()))))
            }
            port::POPUP => {
                let page = self.own_page(sender)?;
                let is_options = page == OPTIONS_PAGE;
                OWN_PAGES.contains(&page).then_some(Peer::Popup { shown: None, is_options })
            }
            port::OFFSCREEN => {
                (self.own_page(sender)? == OFFSCREEN_PAGE && sender.tab.is_none()).then_some(Peer::Offscreen)
            }
            _ => None,
        }
    }

    /// The path of the extension's own document that the sender is.
    fn own_page<'a>(&self, sender: &'a Sender) -> Option<&'a str> {
        let path = sender.url.as_deref()?.strip_prefix(self.base_url.as_str())?;
        path.split(['?', '#']).next()
    }
}

/// True when a match pattern of the forms that [`Trust::page_patterns`] names covers an origin.
fn matches_origin(pattern: &str, origin: &str) -> bool {
    let (Some((scheme, rest)), Some((origin_scheme, origin_host))) =
        (pattern.split_once("://"), origin.split_once("://"))
    else {
        return false;
    };
    let host = rest.split('/').next().unwrap_or("");
    scheme == origin_scheme
        && !host.is_empty()
        && match host.strip_prefix("*.") {
            Some(domain) => {
                origin_host == domain
                    || origin_host.strip_suffix(domain).is_some_and(|sub| sub.len() > 1 && sub.ends_with('.'))
            }
            None => host == origin_host,
        }
}

impl Machine {
    pub(super) fn port_opened(&mut self, port: PortId, name: &str, sender: &Sender, now: Timestamp) {
        if let Some(peer) = self.trust.judge(name, sender) {
            if matches!(peer, Peer::Page(_)) && !self.admits_connection(sender.tab, now) {
                self.count("connections_flooded");
                self.complain(now, "A tab connects without end. Some of its connections were refused.");
                self.out.push(Command::ClosePort { port });
                return;
            }
            if matches!(peer, Peer::Popup { .. }) {
                // Whoever looks sees what is plugged in now: not every plug comes with an event.
                self.tell_offscreen(ToOffscreen::ListDevices);
            }
            self.peers.insert(port, peer);
        } else {
            self.count("connections_refused");
            self.complain(now, "Refused a connection from somebody that may not connect.");
            self.out.push(Command::ClosePort { port });
        }
    }

    /// A page cannot empty another tab's bucket, nor fill its own by being loaded anew.
    fn admits_connection(&mut self, tab: Option<i64>, now: Timestamp) -> bool {
        let Some(tab) = tab else { return true };
        // A full one is as good as none, so that closed tabs leave nothing behind.
        self.tab_connections.retain(|_, bucket| !bucket.is_full(now));
        self.tab_connections.entry(tab).or_insert(CONNECTIONS).take(1, now)
    }

    pub(super) fn port_closed(&mut self, port: PortId) {
        match self.peers.remove(&port) {
            Some(Peer::Offscreen) => self.offscreen_port_closed(port),
            Some(Peer::Popup { .. }) => self.audio_tester_gone(port),
            Some(Peer::Page(page)) => {
                if let Some(document) = page.document {
                    self.forget_session(&document);
                }
            }
            None => {}
        }
    }

    pub(super) fn is_options_page_open(&self) -> bool {
        self.peers.values().any(|peer| matches!(peer, Peer::Popup { is_options: true, .. }))
    }

    /// The first page that waits for the agent's word: where it lives, and what would be pinned.
    pub(super) fn undecided_page(&self) -> Option<(&str, &Config)> {
        self.pages().find_map(|(_, page)| Some((page.origin.as_str(), &page.undecided.as_ref()?.1)))
    }

    /// Judges the pages that wait for the agent's word once more.
    pub(super) fn reconsider_pages(&mut self, now: Timestamp) {
        let undecided: Vec<(PortId, Configure)> = self
            .pages()
            .filter_map(|(port, page)| Some((port, page.undecided.as_ref()?.0.clone())))
            .collect();
        for (port, wish) in undecided {
            self.configure(port, &wish, now);
        }
    }

    pub(super) fn is_offscreen_port(&self, port: PortId) -> bool {
        matches!(self.peers.get(&port), Some(Peer::Offscreen))
    }

    pub(super) fn page_mut(&mut self, port: PortId) -> Option<&mut Page> {
        match self.peers.get_mut(&port) {
            Some(Peer::Page(page)) => Some(page),
            _ => None,
        }
    }

    /// True once after each CONFIGURE of the page.
    pub(super) fn begins_session(&mut self, port: PortId) -> bool {
        self.page_mut(port).is_some_and(|page| std::mem::take(&mut page.new_session))
    }

    /// True once when the page's next Flex token is only its plugin's answer to CONFIGURED.
    pub(super) fn takes_answer_for_none(&mut self, port: PortId) -> bool {
        self.page_mut(port).is_some_and(|page| std::mem::take(&mut page.ignores_answer))
    }

    /// The session of an accepted page.
    pub(super) fn session_of(&self, port: PortId) -> Option<&Session> {
        match self.peers.get(&port) {
            Some(Peer::Page(page)) if page.accepted => Some(&page.session),
            _ => None,
        }
    }

    pub(super) fn set_session(&mut self, port: PortId, session: Session) {
        if let Some(page) = self.page_mut(port) {
            page.session = session;
        }
    }

    /// True while an accepted page of the agent who is signed in, or about to be, is open.
    pub(super) fn has_present_page(&self) -> bool {
        self.pages().any(|(_, page)| page.accepted && self.is_present(&page.session))
    }

    /// True while an accepted page is open that has not signed out.
    pub(super) fn may_sign_in(&self) -> bool {
        self.pages().any(|(_, page)| page.accepted && !page.session.signed_out)
    }

    /// Marks accepted pages as signed out.
    pub(super) fn mark_signed_out(&mut self, which: impl Fn(PortId, &Session, &Self) -> bool) {
        let ports: Vec<PortId> = self
            .pages()
            .filter(|(port, page)| page.accepted && which(*port, &page.session, self))
            .map(|(port, _)| port)
            .collect();
        for port in ports {
            if let Some(page) = self.page_mut(port) {
                page.session.signed_out = true;
            }
        }
    }

    /// Keeps the sessions of open documents for a restart of the worker.
    pub(super) fn settle_sessions(&mut self) {
        let open: Vec<(String, Session)> = self
            .pages()
            .filter(|(_, page)| page.accepted)
            .filter_map(|(_, page)| Some((page.document.clone()?, page.session.clone())))
            .collect();
        for (document, session) in open {
            self.save_session(&document, session);
        }
    }

    pub(super) fn pages(&self) -> impl Iterator<Item = (PortId, &Page)> {
        self.peers.iter().filter_map(|(port, peer)| match peer {
            Peer::Page(page) => Some((*port, page.as_ref())),
            _ => None,
        })
    }

    pub(super) fn accepted_pages(&mut self) -> impl Iterator<Item = (PortId, &mut Page)> {
        self.peers.iter_mut().filter_map(|(port, peer)| match peer {
            Peer::Page(page) if page.accepted => Some((*port, page.as_mut())),
            _ => None,
        })
    }

    /// The pages whose sessions are the agent's who is registered.
    fn confirmed_pages(&self) -> impl Iterator<Item = (PortId, &Page)> {
        self.pages().filter(|(_, page)| page.accepted && self.is_confirmed(&page.session))
    }

    /// What an open page does wrong, for a person to see; the other pages are not told.
    pub(super) fn page_problem(&self) -> Option<&Problem> {
        self.pages().find_map(|(_, page)| page.problem.as_ref())
    }

    /// How many pages are open, and how many of them are accepted.
    pub(super) fn count_pages(&self) -> (u32, u32) {
        self.pages()
            .fold((0, 0), |(open, accepted), (_, page)| (open + 1, accepted + u32::from(page.accepted)))
    }

    fn tell_page(&mut self, port: PortId, message: ToPage) {
        self.out.push(Command::ToPage { port, message: Box::new(message) });
    }

    fn answer_page(&mut self, port: PortId, in_reply_to: Option<&str>, code: ProblemCode, message: &str) {
        self.tell_page(port, ToPage::Error { payload: ErrorReply::new(in_reply_to, code, message) });
    }

    /// Refuses a FLEX_TOKEN.
    pub(super) fn page_error(&mut self, port: PortId, code: ProblemCode, message: &str) {
        self.answer_page(port, Some("VOICE_CLIENT_EXTENSION_FLEX_TOKEN"), code, message);
    }

    /// A message of a page.
    pub(super) fn page_says(&mut self, port: PortId, message: PageMessage, now: Timestamp) {
        let Some(page) = self.page_mut(port) else { return };
        if !page.messages.take(1, now) {
            return self.flooded(port, 1, now);
        }
        let accepted = page.accepted;
        let is_shown = page.is_flooding(now) || page.is_contested(now);
        let (message, expires_at) = match message {
            PageMessage::Parsed { message, flex_token_expires_at } => (*message, flex_token_expires_at),
            PageMessage::Malformed(kind) => return self.malformed(port, kind),
            PageMessage::Dropped { foreign, flooded, contested } => {
                if foreign > 0 {
                    self.count_many("messages_foreign", foreign);
                }
                if contested > 0 {
                    self.contested(port, contested, now);
                }
                if flooded > 0 {
                    self.flooded(port, flooded, now);
                }
                return;
            }
            PageMessage::Refused(code) => {
                self.count_refused(code);
                let Some(page) = self.page_mut(port) else { return };
                if page.problem.as_ref().is_none_or(|problem| problem.code != code) {
                    page.problem = Some(Problem {
                        code,
                        message:
                            "A Flex page sent a message that this extension does not understand. Update the \
                                  plugin or the extension."
                                .into(),
                        retrying: false,
                    });
                    self.complain(now, "A page's message was refused: it is not one of the contract's.");
                }
                return;
            }
        };
        if !is_shown {
            page.problem = None;
        }
        let name = message.name();
        if !accepted && !matches!(message, ToExtension::Configure { .. }) {
            return self.answer_page(
                port,
                Some(name),
                ProblemCode::NotConfigured,
                "This page has not been accepted. Send CONFIGURE first.",
            );
        }
        let is_confirmed = self.session_of(port).is_some_and(|session| self.sees_calls(session));
        let (sid, command) = match message {
            ToExtension::Configure { payload } => return self.configure(port, &payload, now),
            ToExtension::FlexToken { payload } => return self.flex_token(port, payload, expires_at, now),
            ToExtension::HangUp { payload } => (payload.map(|call| call.call_sid), CallCommand::HangUp),
            ToExtension::SendDigits { payload } => {
                if let Err(refused) = self.admit_digits(&payload.digits, now) {
                    return self.answer_page(port, Some(name), refused.code(), refused.message());
                }
                (None, CallCommand::SendDigits(payload.digits))
            }
            ToExtension::SetMute { payload } => (None, CallCommand::SetMute(payload.muted)),
            ToExtension::SelectAudioDevice { payload } => {
                if let Err(refused) = self.select_audio(&payload) {
                    self.answer_page(port, Some(name), refused.code(), refused.message());
                }
                return;
            }
            ToExtension::SetVolume { payload } => {
                if let Err(refused) = self.set_volume(payload.percent) {
                    self.answer_page(port, Some(name), refused.code(), refused.message());
                }
                return;
            }
            ToExtension::CallContext { payload } => {
                if is_confirmed {
                    self.call_context(&payload);
                }
                return;
            }
            ToExtension::SignOut { payload } => return self.sign_out(port, payload.reason, now),
            ToExtension::ExpectCalls { payload } => return self.expect_calls(port, payload, now),
        };
        // Of somebody else's call a page knows nothing, and does nothing to it.
        let done =
            if is_confirmed { self.command_call(sid.as_ref(), command, now) } else { Err(Refused::NoCall) };
        if let Err(refused) = done {
            self.answer_page(port, Some(name), refused.code(), refused.message());
        }
    }

    /// All of a message, or nothing of it and said so before its first digit; whoever sends it.
    fn admit_digits(&mut self, digits: &DtmfDigits, now: Timestamp) -> Result<(), Refused> {
        if self.keypad.admit(digits, now) {
            return Ok(());
        }
        self.count("digits_refused");
        Err(Refused::DigitsTooFast)
    }

    /// A page says more than any plugin does. What was too much is dropped; the page is told now and then.
    fn flooded(&mut self, port: PortId, dropped: u32, now: Timestamp) {
        self.count_many("messages_flooded", dropped);
        let Some(page) = self.page_mut(port) else { return };
        if page.is_flooding(now) {
            return;
        }
        page.flooded_at = Some(now);
        let message = "A Flex page sends more messages than the voice client takes. Some were dropped.";
        page.problem =
            Some(Problem { code: ProblemCode::TooManyMessages, message: message.into(), retrying: false });
        self.complain(now, message);
        self.answer_page(port, None, ProblemCode::TooManyMessages, message);
    }

    /// Another script of the page offered a port while the plugin's was open. The content script did not take it.
    fn contested(&mut self, port: PortId, offers: u32, now: Timestamp) {
        self.count_many("ports_contested", offers);
        let Some(page) = self.page_mut(port) else { return };
        let was_contested = page.is_contested(now);
        page.contested_at = Some(now);
        let message =
            "Another script in a Flex page wanted to speak in the plugin's place. It was not listened to.";
        page.problem =
            Some(Problem { code: ProblemCode::LineContested, message: message.into(), retrying: false });
        self.complain(now, message);
        if !was_contested {
            self.answer_page(port, None, ProblemCode::LineContested, message);
        }
    }

    fn malformed(&mut self, port: PortId, kind: Kind) {
        let (name, code, message) = match kind {
            Kind::Known(name) => (
                Some(name),
                ProblemCode::MalformedMessage,
                "The payload of this message is not what its type says. Correct the sender.",
            ),
            Kind::Unknown => (
                None,
                ProblemCode::UnknownType,
                "This extension does not know that message type. Update the extension or the plugin.",
            ),
            Kind::Foreign | Kind::Echo => (
                None,
                ProblemCode::MalformedMessage,
                "This is not a message for the extension. Correct the sender.",
            ),
        };
        self.count_refused(code);
        self.answer_page(port, name, code, message);
    }

    fn count_refused(&mut self, code: ProblemCode) {
        let is_unknown = code == ProblemCode::UnknownType;
        self.count(if is_unknown { "messages_unknown" } else { "messages_malformed" });
    }

    fn configure(&mut self, port: PortId, wish: &Configure, now: Timestamp) {
        let known = match self.peers.get(&port) {
            Some(Peer::Page(page)) if !page.has_greeted => {
                page.document.as_deref().and_then(|document| self.saved_session(document))
            }
            _ => None,
        };
        let Some(page) = self.page_mut(port) else { return };
        page.begin_anew();
        page.expects = Expects::of(wish);
        let agent = &wish.agent_identity;
        // A content script that lost the worker says its page's CONFIGURE again: that is no new session.
        let goes_on = known.filter(|known| known.agent == *agent);
        let is_new = goes_on.is_none();
        page.ignores_answer = goes_on.as_ref().is_some_and(|session| session.signed_out);
        page.session = goes_on.unwrap_or_else(|| Session {
            // A page that names the same agent once more is still that agent's.
            token: page.session.token.take().filter(|_| agent.is_some() && page.session.agent == *agent),
            agent: agent.clone(),
            signed_out: false,
        });
        let origin = page.origin.clone();
        let judged = config::judge(wish, &origin, &self.policy, self.durable.config.as_ref());
        let judged = judged.and_then(|config| match self.consent_to(&config) {
            Consent::Given => Ok((config, true)),
            Consent::Needed => Ok((config, false)),
            Consent::Declined => Err(consent_declined()),
        });
        match judged {
            Ok((config, false)) => {
                let host = config.token_url.origin();
                self.complain(now, format!("Asking the agent about the token service {host}."));
                let problem = consent_needed();
                let name = Some("VOICE_CLIENT_EXTENSION_CONFIGURE");
                self.answer_page(port, name, problem.code, &problem.message);
                if let Some(page) = self.page_mut(port) {
                    page.undecided = Some((wish.clone(), config));
                    page.problem = Some(problem);
                }
            }
            Ok((config, true)) => {
                if self.durable.config.is_none() {
                    self.info(
                        now,
                        format!(
                            "Serving account {} with the token service {}.",
                            config.account,
                            config.token_url.origin()
                        ),
                    );
                    self.durable.config = Some(config);
                }
                self.out.push(Command::CheckMicrophone);
                if let Some(page) = self.page_mut(port) {
                    page.accepted = true;
                    page.has_greeted = true;
                    page.new_session = is_new;
                    page.owed_configured = true;
                }
            }
            Err(problem) => {
                self.count("pages_refused");
                self.complain(now, format!("Refused a page: {}", problem.message));
                if let Some(page) = self.page_mut(port) {
                    page.rejected = true;
                    page.problem = Some(problem.clone());
                }
                self.tell_page(port, ToPage::ConfigRejected { payload: Some(problem) });
            }
        }
    }

    /// A plugin answers every CONFIGURED with its Flex token, so that is how to ask for one.
    pub(super) fn ask_pages_for_flex_token(&mut self, now: Timestamp) {
        if self.timers.is_armed(Timer::AskPages) {
            return;
        }
        let mut asked = false;
        for (_, page) in self.accepted_pages().filter(|(_, page)| !page.session.signed_out) {
            page.owed_configured = true;
            asked = true;
        }
        if asked {
            self.timers.arm(Timer::AskPages, now.plus(ASK_PAGES_MS));
        }
    }

    /// Beats once.
    pub(super) fn heartbeat(&mut self, due: Timestamp, now: Timestamp) {
        // A beat that was slept through is not made up for.
        let next = due.plus(HEARTBEAT_MS);
        self.timers.arm(Timer::Heartbeat, if next > now { next } else { now.plus(HEARTBEAT_MS) });
        let Some(identity) = self.durable.confirmed.clone() else { return };
        let is_registered = self.is_registered();
        self.durable.error_seen |= !is_registered;
        let error = self.durable.error_seen.then_some(!is_registered);
        let states: Vec<(PortId, ClientState)> =
            self.confirmed_pages().map(|(port, page)| (port, self.page_state(&page.session, now))).collect();
        for (port, state) in states {
            let payload = Heartbeat { voice_client_identity: identity.to_string(), error, state };
            self.tell_page(port, ToPage::Heartbeat { payload });
        }
    }

    /// Starts the heartbeats when there is somebody to hear them and something to say, and stops them
    /// otherwise.
    pub(super) fn settle_heartbeat(&mut self, now: Timestamp) {
        let has_news = self.durable.config.is_some()
            && self.durable.confirmed.is_some()
            && (self.is_registered() || !self.timers.is_armed(Timer::RestoreGrace));
        if has_news && self.confirmed_pages().next().is_some() {
            if !self.timers.is_armed(Timer::Heartbeat) {
                self.heartbeat(now, now);
            }
        } else {
            self.timers.disarm(Timer::Heartbeat);
        }
    }

    /// Tells every accepted page what is new to it.
    pub(super) fn settle_pages(&mut self, now: Timestamp) {
        let states: BTreeMap<PortId, ClientState> = self
            .pages()
            .filter(|(_, page)| page.accepted)
            .map(|(port, page)| (port, self.page_state(&page.session, now)))
            .collect();
        let mut messages = Vec::new();
        for (port, page) in self.accepted_pages() {
            let Some(state) = states.get(&port) else { continue };
            // How a call sounds changes every second; the heartbeats carry it.
            let mut news = state.clone();
            if let Some(call) = &mut news.call {
                call.quality = None;
            }
            if !page.owed_configured && page.told.as_ref() == Some(&news) {
                continue;
            }
            let payload = state.clone();
            let message = if std::mem::take(&mut page.owed_configured) {
                ToPage::Configured { payload: Some(payload) }
            } else {
                ToPage::State { payload }
            };
            page.told = Some(news);
            messages.push(Command::ToPage { port, message: Box::new(message) });
        }
        self.out.extend(messages);
    }

    /// Tells every accepted page where things stand, and lets go of all of them.
    pub(super) fn dismiss_pages(&mut self, now: Timestamp) {
        for (_, page) in self.accepted_pages() {
            page.owed_configured = false;
        }
        self.settle_pages(now);
        self.close_pages(|_| true);
    }

    /// Lets go of pages: their content scripts connect again and repeat CONFIGURE.
    pub(super) fn close_pages(&mut self, which: impl Fn(&Page) -> bool) {
        let ports: Vec<PortId> = self.pages().filter(|(_, page)| which(page)).map(|(port, _)| port).collect();
        for port in ports {
            self.peers.remove(&port);
            self.out.push(Command::ClosePort { port });
        }
    }

    /// A message of the popup or another of the extension's own pages.
    pub(super) fn popup_says(&mut self, port: PortId, message: Option<FromPopup>, now: Timestamp) {
        if !matches!(self.peers.get(&port), Some(Peer::Popup { .. })) {
            return;
        }
        let done = match message {
            None => Err(Refused::NotUnderstood),
            Some(FromPopup::HangUp { sid }) => self.command_call(sid.as_ref(), CallCommand::HangUp, now),
            Some(FromPopup::SetMute { sid, muted }) => {
                self.command_call(sid.as_ref(), CallCommand::SetMute(muted), now)
            }
            Some(FromPopup::SendDigits { sid, digits }) => self
                .admit_digits(&digits, now)
                .and_then(|()| self.command_call(sid.as_ref(), CallCommand::SendDigits(digits), now)),
            Some(FromPopup::AnswerWaiting { sid }) => self.answer_waiting(Some(&sid), now),
            Some(FromPopup::DeclineWaiting { sid }) => self.decline_waiting(Some(&sid), now),
            Some(FromPopup::SelectAudioDevice(wish)) => self.select_audio(&wish),
            Some(FromPopup::SetVolume { percent }) => self.set_volume(percent),
            Some(FromPopup::TestMicrophone { on }) => {
                self.test_microphone(port, on);
                Ok(())
            }
            Some(FromPopup::TestSpeaker) => {
                self.test_speaker();
                Ok(())
            }
            Some(FromPopup::Consent { account_sid, token_url, allow }) => {
                self.consented(account_sid, token_url, allow, now)
            }
            Some(FromPopup::Restart) => self.restart(now),
            Some(FromPopup::MicrophoneChanged) => {
                self.microphone_changed();
                Ok(())
            }
        };
        if let Err(refused) = done {
            let message = Box::new(ToPopup::Refused { reason: refused });
            self.out.push(Command::ToPopup { port, message });
        }
    }

    fn restart(&mut self, now: Timestamp) -> Result<(), Refused> {
        if !self.policy.may_restart {
            return Err(Refused::RestartFixed);
        }
        if self.durable.call.is_some() {
            return Err(Refused::RestartInCall);
        }
        self.info(now, "Restarted by hand: waiting for Flex.");
        self.forget(now);
        Ok(())
    }

    /// Shows the extension's own pages what is new to them.
    pub(super) fn settle_popups(&mut self, now: Timestamp) {
        if !self.peers.values().any(|peer| matches!(peer, Peer::Popup { .. })) {
            return;
        }
        let state = self.ui_state(now);
        for (port, peer) in &mut self.peers {
            if let Peer::Popup { shown, .. } = peer
                && shown.as_deref() != Some(&state)
            {
                *shown = Some(Box::new(state.clone()));
                let message = Box::new(ToPopup::State { state: state.clone() });
                self.out.push(Command::ToPopup { port: *port, message });
            }
        }
    }
}

/// The problem of a microphone that the extension may not use.
pub(super) fn microphone_unavailable() -> Problem {
    Problem {
        code: ProblemCode::MicrophoneUnavailable,
        message: "The extension may not use the microphone. Open its welcome page and allow it.".into(),
        retrying: false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_match_pattern_covers_its_origin_and_no_other() {
        for (pattern, origin, covers) in [
            ("https://flex.twilio.com/*", "https://flex.twilio.com", true),
            ("https://flex.twilio.com/*", "http://flex.twilio.com", false),
            ("https://flex.twilio.com/*", "https://flex.twilio.com.evil.test", false),
            ("https://flex.twilio.com/*", "https://flex.twilio.com:8443", false),
            ("https://*.acme.test/*", "https://flex.acme.test", true),
            ("https://*.acme.test/*", "https://acme.test", true),
            ("https://*.acme.test/*", "https://evilacme.test", false),
            ("https://*.acme.test/*", "null", false),
            ("<all_urls>", "https://flex.twilio.com", false),
            ("https:///*", "https://", false),
        ] {
            assert_eq!(matches_origin(pattern, origin), covers, "{pattern} {origin}");
        }
    }
}
