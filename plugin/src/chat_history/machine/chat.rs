//! The history of one task: what was read, what is being read, and what the agent does with it.

use kernel::Monotonic;
use sansio::Jitter;

use super::event::{Act, Answer, Command, MediaRef, What};
use super::flex_view::{Source, TaskView};
use super::kept::Kept;
use super::pictures::Pictures;
use super::search::Search;
use super::settings::Config;
use super::timeline::{Anchor, Next, Timeline};
use super::trouble::{Fault, Trouble, Verdict};
use crate::service::{RETRY, is_sid};

/// A request that takes longer than this is said to be slow.
pub const SLOW_MS: u64 = 2_000;

/// A request that takes longer than this has failed.
pub const TIMEOUT_MS: u64 = 20_000;

/// So many messages are read for a search, or for the whole transcript.
pub const MOST_MESSAGES: usize = 20_000;

/// After a reload so many pages are read to find the reader's place again.
const MOST_PAGES_TO_PLACE: u32 = 30;

/// How far below the upper edge a hit is shown.
const HIT_PX: i32 = 80;

/// What a request is for, and since when it runs.
#[derive(Clone, Debug)]
struct Running {
    request: u64,
    next: Next,
    since: Monotonic,
    slow: bool,
}

/// A word about what was done last.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Notice {
    /// So many messages came.
    Loaded(usize),
    /// So many messages are in the clipboard.
    Copied(usize),
    /// The browser did not let us into the clipboard.
    NotCopied,
    /// A file could not be had.
    NoFile,
}

/// What a chat needs to act.
pub(super) struct Context<'a> {
    pub(super) config: &'a Config,
    pub(super) now: Monotonic,
    pub(super) requests: &'a mut u64,
    pub(super) jitter: &'a mut Jitter,
    pub(super) out: &'a mut Vec<Command>,
}

impl Context<'_> {
    fn get(&mut self, url: String, what: What) -> u64 {
        let request = self.number();
        self.out.push(Command::Get { request, url, what });
        request
    }

    fn number(&mut self) -> u64 {
        *self.requests += 1;
        *self.requests
    }
}

/// The history of one task.
#[derive(Clone, Debug)]
pub struct Chat {
    view: TaskView,
    kept: Kept,
    timeline: Timeline,
    version: u64,
    running: Option<Running>,
    media: Vec<u64>,
    trouble: Option<Trouble>,
    retry_at: Option<Monotonic>,
    failures: u32,
    waits_for_token: bool,
    /// The token that came after one was refused is refused as well, when it is.
    token_was_renewed: bool,
    near_begin: bool,
    pages_to_place: u32,
    loads_all: bool,
    stopped: bool,
    search: Search,
    pictures: Pictures,
    notice: Option<Notice>,
}

impl Chat {
    pub(super) fn new(view: TaskView, kept: Kept) -> Self {
        Self {
            view,
            pages_to_place: if kept.anchor.is_some() { MOST_PAGES_TO_PLACE } else { 0 },
            kept,
            timeline: Timeline::default(),
            version: 0,
            running: None,
            media: Vec::new(),
            trouble: None,
            retry_at: None,
            failures: 0,
            waits_for_token: false,
            token_was_renewed: false,
            near_begin: false,
            loads_all: false,
            stopped: false,
            search: Search::default(),
            pictures: Pictures::default(),
            notice: None,
        }
    }

    /// The task, as Flex shows it.
    #[must_use]
    pub const fn view(&self) -> &TaskView {
        &self.view
    }

    /// What was read.
    #[must_use]
    pub const fn timeline(&self) -> &Timeline {
        &self.timeline
    }

    /// Changes with the rows: heights that were measured for another version are nobody's.
    #[must_use]
    pub const fn version(&self) -> u64 {
        self.version
    }

    /// Where the reader is; at the foot when absent.
    #[must_use]
    pub const fn anchor(&self) -> Option<&Anchor> {
        self.kept.anchor.as_ref()
    }

    /// What the agent looks for.
    #[must_use]
    pub const fn search(&self) -> &Search {
        &self.search
    }

    /// The links to what is to be seen.
    #[must_use]
    pub const fn pictures(&self) -> &Pictures {
        &self.pictures
    }

    /// What went wrong.
    #[must_use]
    pub const fn trouble(&self) -> Option<&Trouble> {
        self.trouble.as_ref()
    }

    /// What was done last.
    #[must_use]
    pub const fn notice(&self) -> Option<Notice> {
        self.notice
    }

    /// Whether something is being read, and whether that takes long.
    #[must_use]
    pub fn reads(&self) -> Option<bool> {
        self.running.as_ref().map(|running| running.slow)
    }

    /// Flex's token has expired, and a new one is awaited.
    #[must_use]
    pub const fn waits_for_token(&self) -> bool {
        self.waits_for_token
    }

    /// The reader's place of before the reload is being looked for.
    #[must_use]
    pub const fn is_finding_the_place(&self) -> bool {
        self.pages_to_place > 0
    }

    /// Everything is being read, for a search or a transcript.
    #[must_use]
    pub fn reads_everything(&self) -> bool {
        (self.loads_all || self.search.is_worth_reading_for())
            && !self.stopped
            && !self.is_at_the_bound()
            && !self.timeline.is_whole()
    }

    /// No more is read, though there is more.
    #[must_use]
    pub fn is_at_the_bound(&self) -> bool {
        self.timeline.messages() >= MOST_MESSAGES && !self.timeline.is_whole()
    }

    pub(super) const fn kept(&self) -> &Kept {
        &self.kept
    }

    pub(super) fn look(&mut self, view: &TaskView) -> bool {
        let changed = self.view != *view;
        if changed {
            // Another source is another history.
            let reread = self.view.source != view.source && self.timeline.is_known();
            self.view.clone_from(view);
            if reread {
                *self = Self::new(self.view.clone(), self.kept.clone());
            }
        }
        changed
    }

    /// Flex shows the tab of this task, or does not. True when that is news.
    pub(super) fn shown(&mut self, open: bool) -> bool {
        let news = self.kept.tab_open != open || open && !self.kept.banner_closed;
        self.kept.tab_open = open;
        // Who reads it has found it.
        self.kept.banner_closed |= open;
        news
    }

    pub(super) fn act(&mut self, act: Act, context: &mut Context<'_>) {
        let mut draws = true;
        match act {
            Act::OpenTab => {
                self.kept.banner_closed = true;
                context.out.push(Command::SelectTab);
            }
            Act::CloseBanner => self.kept.banner_closed = true,
            Act::Retry => {
                (self.trouble, self.retry_at, self.failures) = (None, None, 0);
                (self.waits_for_token, self.token_was_renewed) = (false, false);
            }
            Act::Measured { version, heights } => {
                draws = version == self.version && self.timeline.list_mut().measured(&heights);
            }
            Act::Resized => self.timeline.list_mut().forget_heights(),
            Act::Scrolled(anchor) => {
                (self.pages_to_place, self.kept.anchor, draws) = (0, anchor, false);
            }
            Act::Jump { to_begin } => {
                let first = self.timeline.row(0).filter(|_| to_begin);
                self.kept.anchor = first.map(|row| Anchor { key: row.key().to_owned(), offset: 0 });
                self.pages_to_place = 0;
            }
            Act::NearBegin => (self.near_begin, draws) = (true, false),
            Act::Search(text) => {
                (self.search, self.stopped, self.notice) = (Search::new(text), false, None);
                let stretches: Vec<_> = self.timeline.stretches().collect();
                let found = self
                    .search
                    .look_at(stretches.iter().rev().flat_map(|stretch| stretch.messages.iter().rev()));
                if found {
                    self.show_hit();
                }
            }
            Act::Step { older } => {
                self.search.step(older);
                self.show_hit();
            }
            Act::LoadAll => (self.loads_all, self.stopped) = (true, false),
            Act::Stop => (self.loads_all, self.stopped, self.pages_to_place) = (false, true, 0),
            Act::Copy => context.out.push(Command::Copy(self.view.task.clone())),
            Act::Copied { ok } => {
                let messages = self.timeline.messages();
                self.notice = Some(if ok { Notice::Copied(messages) } else { Notice::NotCopied });
            }
            Act::Print => context.out.push(Command::Print(self.view.task.clone())),
            Act::Pictures(pictures) => {
                self.pictures.see(pictures);
                draws = false;
            }
            Act::PictureBroken(media) => self.pictures.broken(&media),
            Act::Download(media) => self.pictures.want(media),
        }
        if draws {
            self.draw(context);
        }
    }

    pub(super) fn token_updated(&mut self, context: &mut Context<'_>) {
        if std::mem::take(&mut self.waits_for_token) {
            self.token_was_renewed = true;
            self.draw(context);
        }
    }

    /// True when the request was one of ours.
    pub(super) fn answered(&mut self, request: u64, answer: &Answer, context: &mut Context<'_>) -> bool {
        if let Answer::Media(link) = answer {
            let ours = self.forget_media(request);
            if ours {
                context.out.extend(self.pictures.answered(request, link.url.clone()).map(Command::Open));
                self.draw(context);
            }
            return ours;
        }
        let Some(running) = self.running.take_if(|running| running.request == request) else { return false };
        match (running.next, answer) {
            (Next::Overview(_), Answer::Overview(overview)) => {
                self.timeline.take_overview(overview.clone(), self.view.conversation.as_deref());
            }
            (Next::Page(conversation, _), Answer::Page(page)) => {
                self.take_page(&conversation, page.clone());
            }
            _ => return true,
        }
        (self.trouble, self.retry_at, self.failures, self.token_was_renewed) = (None, None, 0, false);
        self.draw(context);
        true
    }

    fn take_page(&mut self, conversation: &str, page: protocol::history::HistoryPage) {
        let first = self.timeline.messages() == 0;
        let new = self.timeline.take_page(conversation, page);
        self.version += 1;
        // The reader's report of what is near was about the rows before.
        self.near_begin = false;
        self.notice = Some(Notice::Loaded(new));
        if self.pages_to_place > 0 {
            let found =
                self.kept.anchor.as_ref().is_some_and(|anchor| self.timeline.place_of(&anchor.key).is_some());
            self.pages_to_place = if found { 0 } else { self.pages_to_place - 1 };
            if !found && (self.pages_to_place == 0 || self.timeline.is_whole()) {
                (self.pages_to_place, self.kept.anchor) = (0, None);
            }
        } else if first && self.kept.anchor.is_some() {
            self.kept.anchor = None;
        }
        if self.search.look_at(self.timeline.oldest(conversation, new)) {
            self.show_hit();
        }
    }

    fn show_hit(&mut self) {
        if let Some((_, hit)) = self.search.current() {
            self.kept.anchor = Some(Anchor { key: hit.to_owned(), offset: -HIT_PX });
            self.pages_to_place = 0;
        }
    }

    /// True when the request was one of ours.
    pub(super) fn failed(&mut self, request: u64, fault: &Fault, context: &mut Context<'_>) -> bool {
        if self.forget_media(request) {
            if self.pictures.failed(request) {
                self.notice = Some(Notice::NoFile);
            }
            self.draw(context);
            return true;
        }
        let Some(running) = self.running.take_if(|running| running.request == request) else { return false };
        let verdict = fault.verdict();
        if let (Next::Page(conversation, _), Verdict::Stop(Trouble::NotFound)) = (&running.next, &verdict)
            && !self.timeline.is_source(conversation)
        {
            // One of several that was deleted meanwhile does not end the others.
            self.timeline.is_gone(conversation);
            self.version += 1;
        } else {
            self.judge(verdict, context);
        }
        self.draw(context);
        true
    }

    fn judge(&mut self, verdict: Verdict, context: &mut Context<'_>) {
        match verdict {
            Verdict::WaitForToken if self.token_was_renewed => self.trouble = Some(Trouble::Token),
            Verdict::WaitForToken => self.waits_for_token = true,
            Verdict::TryAgain(trouble, pause_ms) => {
                self.failures += 1;
                let pause_ms =
                    pause_ms.unwrap_or_else(|| RETRY.jittered_ms(self.failures, context.jitter.draw()));
                self.retry_at = Some(context.now.plus(pause_ms));
                self.trouble = Some(trouble);
            }
            Verdict::Stop(trouble) => self.trouble = Some(trouble),
        }
    }

    fn forget_media(&mut self, request: u64) -> bool {
        let before = self.media.len();
        self.media.retain(|known| *known != request);
        self.media.len() < before
    }

    /// What is due now, and what is to be read next. `open`: the agent sees the tab; `asks`: whether there is anything is to be
    /// known also without it.
    pub(super) fn settle(&mut self, open: bool, asks: bool, context: &mut Context<'_>) {
        if let Some(setting) = context.config.wrong() {
            self.trouble = Some(Trouble::Setting(setting));
            return;
        }
        self.watch_running(context);
        if self.retry_at.is_some_and(|at| at <= context.now) {
            (self.retry_at, self.trouble) = (None, None);
            self.draw(context);
        }
        let wants_to_know = asks && !self.timeline.is_known();
        if !open && !wants_to_know {
            return;
        }
        if open {
            self.ask_for_media(context);
        }
        if self.running.is_some() || self.waits_for_token || self.trouble.is_some() {
            return;
        }
        let next = self.timeline.next();
        let wanted = match next {
            Next::Overview(None) => true,
            Next::Nothing => false,
            Next::Overview(Some(_)) | Next::Page(..) => {
                open && (self.timeline.messages() == 0
                    || self.near_begin
                    || self.pages_to_place > 0
                    || self.reads_everything())
            }
        };
        if wanted && let Some((url, what)) = self.url(&next, context.config) {
            let request = context.get(url, what);
            self.running = Some(Running { request, next, since: context.now, slow: false });
            self.draw(context);
        }
    }

    fn watch_running(&mut self, context: &mut Context<'_>) {
        let Some(running) = &mut self.running else { return };
        let age = context.now.since(running.since);
        if age >= TIMEOUT_MS {
            context.out.push(Command::Forget(running.request));
            self.running = None;
            self.judge(Fault::Network.verdict(), context);
            self.draw(context);
        } else if age >= SLOW_MS && !running.slow {
            running.slow = true;
            self.draw(context);
        }
    }

    fn ask_for_media(&mut self, context: &mut Context<'_>) {
        while let Some(media) = self.pictures.next(*context.requests + 1) {
            let request = match self.media_url(&media, context.config) {
                Some(url) => context.get(url, What::Media),
                None => {
                    let request = context.number();
                    self.pictures.failed(request);
                    continue;
                }
            };
            self.media.push(request);
        }
    }

    fn media_url(&self, media: &MediaRef, config: &Config) -> Option<String> {
        let conversation = self.timeline.conversation_of(&media.message)?;
        let sane =
            is_sid("WT", &self.view.task) && is_sid("IM", &media.message) && is_sid("ME", &media.media);
        let rest = format!("/conversations/{conversation}/messages/{}/media/{}", media.message, media.media);
        sane.then(|| config.url(&self.view.task, &rest, None)).flatten()
    }

    fn url(&self, next: &Next, config: &Config) -> Option<(String, What)> {
        let task = &*self.view.task;
        if !is_sid("WT", task) {
            return None;
        }
        match next {
            Next::Overview(cursor) => Some((config.url(task, "", cursor.as_deref())?, What::Overview)),
            Next::Page(conversation, cursor) => {
                let rest = format!("/conversations/{conversation}/messages");
                Some((config.url(task, &rest, cursor.as_deref())?, What::Page))
            }
            Next::Nothing => None,
        }
    }

    /// When it wants to be woken.
    pub(super) fn due(&self) -> Option<Monotonic> {
        let running = self
            .running
            .as_ref()
            .map(|running| running.since.plus(if running.slow { TIMEOUT_MS } else { SLOW_MS }));
        sansio::earliest([running, self.retry_at])
    }

    /// Whether its attributes name a conversation.
    pub(super) fn names_one(&self) -> bool {
        self.view.source == Source::Named
    }

    fn draw(&self, context: &mut Context<'_>) {
        context.out.push(Command::Draw(self.view.task.clone()));
    }
}
