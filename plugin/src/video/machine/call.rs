//! The video call of one task: what the service said of it, what it is being asked, and what the agent does.

use kernel::{Monotonic, Secret};
use protocol::video::{
    Admit, End, EndReason, Invitation, Invite, OpenVideo, Recording, VideoOpened, VideoPhase, VideoStatus,
};
use sansio::Jitter;

use super::event::{Act, Answer, Ask, Command, Tab, WayIn};
use super::flex_view::{TaskKind, TaskStatus, TaskView};
use super::kept::Kept;
use super::settings::Config;
use super::trouble::{Fault, Trouble, Verdict};
use crate::service::RETRY;
use crate::words::{Text, Words};

/// A request that takes longer than this has failed.
pub const TIMEOUT_MS: u64 = 20_000;

/// How often the service is asked while a session is there.
pub const POLL_MS: u64 = 5_000;

/// How often while somebody waits, or the session has just begun.
pub const EAGER_MS: u64 = 1_000;

/// For so long a session has just begun.
pub const BEGINS_MS: u64 = 60_000;

/// A task without a session is asked for again when the agent comes back to it, but not sooner than this.
pub const LOOK_AGAIN_MS: u64 = 30_000;

/// That a session is over is said for so long.
pub const ENDED_MS: u64 = 15_000;

/// A task that has not been in Flex's store for so long is the agent's no more. Flex fills its store anew when it was offline.
pub const GONE_MS: u64 = 3_000;

/// How often something is tried that need not work: the first question after a task's session, the end of a task that is gone.
const TRIES: u32 = 5;

/// How often consent is written into the task before that is given up.
const CONSENT_TRIES: u32 = 3;

/// An ERROR of the extension is about a click that is not older than this.
const REFUSAL_MS: u64 = 10_000;

/// The most characters of a text message, as the service takes it.
const MOST_TEXT: usize = 320;

/// What a call needs to act.
pub(super) struct Context<'a> {
    pub(super) config: &'a Config,
    pub(super) words: &'a Words,
    pub(super) now: Monotonic,
    /// Whether the service may be asked how it stands: nobody has looked at this page for long, else.
    pub(super) polls: bool,
    pub(super) call_live: bool,
    /// The extension has refused a window before.
    pub(super) no_extension: bool,
    pub(super) requests: &'a mut u64,
    pub(super) jitter: &'a mut Jitter,
    pub(super) out: &'a mut Vec<Command>,
}

/// Where the agent's window of the last click is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Way {
    Extension,
    /// Whether it has not had a link yet.
    Tab {
        is_new: bool,
    },
}

/// The link that is on its way to the customer.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
enum Link {
    #[default]
    None,
    Sending(Secret),
    NotSent(Secret),
}

/// A request, from when it is wanted until it is answered.
#[derive(Clone, Debug)]
struct Job {
    ask: Ask,
    state: State,
    failures: u32,
    /// The token that came after one was refused is refused as well, when it is.
    token_was_renewed: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    Due(Monotonic),
    Running { request: u64, since: Monotonic },
    WaitsForToken,
}

impl Job {
    /// Whether it goes on by itself when it fails.
    const fn goes_on(&self) -> bool {
        matches!(self.ask, Ask::Status | Ask::End(End { reason: EndReason::TaskOver }))
    }

    const fn is_running(&self) -> bool {
        matches!(self.state, State::Running { .. })
    }
}

/// What did not work, and when.
#[derive(Clone, Debug)]
struct Failure {
    trouble: Trouble,
    ask: Ask,
    at: Monotonic,
}

impl Failure {
    /// What it was about is not there any more: it is said, and then forgotten.
    const fn passes(&self) -> bool {
        matches!(self.trouble, Trouble::Gone | Trouble::Over)
    }
}

/// The video call of one task.
#[derive(Clone, Debug)]
pub struct Call {
    view: TaskView,
    kept: Kept,
    /// What the service said last, and when.
    status: Option<(VideoStatus, Monotonic)>,
    jobs: Vec<Job>,
    way: Option<Way>,
    clicked_at: Option<Monotonic>,
    /// The customer is to have a link of the session that a click opened.
    invites: bool,
    link: Link,
    failed: Option<Failure>,
    /// The service does not say how it stands.
    stale: bool,
    asks_new_link: bool,
    poll_at: Option<Monotonic>,
    asked_at: Option<Monotonic>,
    begins_until: Option<Monotonic>,
    ended: Option<(EndReason, Monotonic)>,
    /// The task is not in Flex's store.
    gone_since: Option<Monotonic>,
    told_over: bool,
    is_selected: bool,
    /// What was written into the task, and how often it was tried.
    recorded: Option<(&'static str, u32)>,
    records: bool,
}

impl Call {
    pub(super) fn new(view: TaskView, kept: Kept, now: Monotonic) -> Self {
        Self {
            view,
            poll_at: kept.live.then_some(now),
            kept,
            status: None,
            jobs: Vec::new(),
            way: None,
            clicked_at: None,
            invites: false,
            link: Link::None,
            failed: None,
            stale: false,
            asks_new_link: false,
            asked_at: None,
            begins_until: None,
            ended: None,
            gone_since: None,
            told_over: false,
            is_selected: false,
            recorded: None,
            records: false,
        }
    }

    /// The task, as Flex shows it.
    #[must_use]
    pub const fn view(&self) -> &TaskView {
        &self.view
    }

    /// What the service said last of a session that is there.
    #[must_use]
    pub fn live(&self) -> Option<&VideoStatus> {
        self.status.as_ref().map(|(status, _)| status).filter(|status| is_live(status))
    }

    /// For how many seconds customer and agent have met.
    #[must_use]
    pub fn seconds(&self, now: Monotonic) -> Option<u64> {
        let (status, at) = self.status.as_ref().filter(|(status, _)| is_live(status))?;
        let since = if status.phase == VideoPhase::Met { now.since(*at) / 1_000 } else { 0 };
        Some(status.seconds?.saturating_add(since))
    }

    /// Why it ended, where that was just now.
    #[must_use]
    pub fn ended(&self) -> Option<EndReason> {
        self.ended.map(|(reason, _)| reason)
    }

    /// What went wrong, and whether *Try again* opens a window.
    #[must_use]
    pub fn trouble(&self) -> Option<(&Trouble, bool)> {
        self.failed.as_ref().map(|failed| (&failed.trouble, matches!(failed.ask, Ask::Open(_))))
    }

    /// What is shown may be old.
    #[must_use]
    pub const fn is_stale(&self) -> bool {
        self.stale
    }

    /// A click is being carried out.
    #[must_use]
    pub fn is_opening(&self) -> bool {
        self.has(|ask| matches!(ask, Ask::Open(_)))
    }

    /// Something else that the agent wants is being carried out.
    #[must_use]
    pub fn is_busy(&self) -> bool {
        self.has(|ask| matches!(ask, Ask::Invite(_) | Ask::Admit(_) | Ask::End(_)))
    }

    /// Flex's token has expired, and what the agent wants waits for a new one.
    #[must_use]
    pub fn waits_for_token(&self) -> bool {
        self.jobs.iter().any(|job| job.state == State::WaitsForToken && !job.goes_on())
    }

    /// Whether the link is being sent (`false`), or could not be (`true`).
    #[must_use]
    pub const fn sending(&self) -> Option<bool> {
        match self.link {
            Link::None => None,
            Link::Sending(_) => Some(false),
            Link::NotSent(_) => Some(true),
        }
    }

    /// The agent is asked whether the former links are to stop working.
    #[must_use]
    pub const fn asks_new_link(&self) -> bool {
        self.asks_new_link
    }

    /// Whether a call can be begun here: a link can be sent to the customer.
    #[must_use]
    pub fn can_begin(&self, config: &Config) -> bool {
        let by_text = || self.status.as_ref().is_some_and(|(status, _)| status.by_text);
        self.may_have_one(config) && (self.view.conversation.is_some() || by_text())
    }

    /// Whether there may be a session.
    fn may_have_one(&self, config: &Config) -> bool {
        let has_customer = match self.view.kind {
            TaskKind::Chat => self.view.conversation.is_some(),
            TaskKind::Call => self.view.conversation.is_some() || config.text,
            TaskKind::Other => false,
        };
        has_customer && self.view.status == TaskStatus::Accepted
    }

    pub(super) const fn kept(&self) -> &Kept {
        &self.kept
    }

    fn key(&self) -> String {
        self.view.conversation.clone().unwrap_or_else(|| self.view.task.clone())
    }

    fn has(&self, which: impl Fn(&Ask) -> bool) -> bool {
        self.jobs.iter().any(|job| which(&job.ask))
    }

    /// By what is known, and after a reload by what was.
    fn seems_live(&self) -> bool {
        self.status.as_ref().map_or(self.kept.live, |(status, _)| is_live(status))
    }

    /// The task is there, and the agent looks at it or not.
    pub(super) fn look(&mut self, view: &TaskView, is_selected: bool, context: &Context<'_>) {
        self.view.clone_from(view);
        self.gone_since = None;
        let was_selected = std::mem::replace(&mut self.is_selected, is_selected);
        let is_news = is_selected && !was_selected;
        let is_long_ago = self.asked_at.is_none_or(|at| context.now.since(at) >= LOOK_AGAIN_MS);
        if is_news && is_long_ago && self.live().is_none() && self.may_have_one(context.config) {
            self.poll_at = Some(context.now);
        }
    }

    /// The task is not in Flex's store.
    pub(super) fn gone(&mut self, now: Monotonic) {
        self.gone_since.get_or_insert(now);
        self.is_selected = false;
    }

    /// Nothing is left to be done for a task that is gone.
    pub(super) fn is_done(&self, now: Monotonic) -> bool {
        self.gone_since.is_some_and(|since| now.since(since) >= GONE_MS) && self.jobs.is_empty()
    }

    fn is_over(&self, now: Monotonic) -> bool {
        self.view.status == TaskStatus::Over
            || self.gone_since.is_some_and(|since| now.since(since) >= GONE_MS)
    }

    /// Somebody can see the page again.
    pub(super) fn seen(&mut self, now: Monotonic) {
        if self.seems_live() {
            self.poll_at = Some(now);
        }
    }

    pub(super) fn act(&mut self, act: Act, context: &mut Context<'_>) {
        match act {
            Act::Open { extension } => self.open(extension, context),
            Act::Retry { extension } => match self.failed.take().map(|failed| failed.ask) {
                Some(Ask::Open(_)) => self.open(extension, context),
                Some(ask) => self.begin(ask, context),
                None => {}
            },
            Act::SendAgain => {
                if let Link::NotSent(url) = std::mem::take(&mut self.link) {
                    self.send(url, context);
                }
            }
            Act::NewLink => self.asks_new_link = self.live().is_some(),
            Act::Cancel => self.asks_new_link = false,
            Act::Confirm => {
                if std::mem::take(&mut self.asks_new_link) {
                    self.link = Link::None;
                    let invite = Invite { revoke: true, text: self.text(context.words) };
                    self.begin(Ask::Invite(invite), context);
                }
            }
            Act::Admit(admit) => self.admit(admit, context),
            Act::End => {
                if self.live().is_some() && !self.has(|ask| matches!(ask, Ask::End(_))) {
                    self.begin(Ask::End(End { reason: EndReason::Agent }), context);
                }
            }
        }
    }

    fn admit(&mut self, admit: Admit, context: &mut Context<'_>) {
        let waits = self.live().is_some_and(|live| live.waiting.iter().any(|one| one.id == admit.waiting));
        if waits && !self.has(|ask| matches!(ask, Ask::Admit(_))) {
            self.begin(Ask::Admit(admit), context);
        }
    }

    /// The click. A second one while the first is carried out is none.
    fn open(&mut self, extension: bool, context: &mut Context<'_>) {
        let is_possible = self.can_begin(context.config) || self.live().is_some();
        if !is_possible || self.is_opening() || self.is_over(context.now) {
            return;
        }
        self.failed = None;
        if let Some(setting) = context.config.wrong() {
            return self.not_opened(Trouble::Setting(setting), context.now);
        }
        self.clicked_at = Some(context.now);
        self.invites |= !self.seems_live();
        let key = self.key();
        if extension && !context.no_extension && context.config.is_the_extensions() {
            self.way = Some(Way::Extension);
            context.out.push(Command::ShowWindow { key, way_in: WayIn::Soon });
            self.ask_to_open(context);
        } else {
            let waits = context.words.plain(Text::VideoOpening);
            context.out.push(Command::OpenTab { task: self.view.task.clone(), key, waits });
        }
    }

    /// The browser has opened a tab, or brought it forward, or not.
    pub(super) fn tab(&mut self, tab: Tab, context: &mut Context<'_>) {
        match tab {
            Tab::Blocked => self.not_opened(Trouble::Blocked, context.now),
            // It has its link, and is in the call or can come back to it by itself.
            Tab::There if self.seems_live() => {}
            Tab::New | Tab::There => {
                self.way = Some(Way::Tab { is_new: tab == Tab::New });
                self.ask_to_open(context);
            }
        }
    }

    fn ask_to_open(&mut self, context: &mut Context<'_>) {
        self.begin(Ask::Open(OpenVideo { call_live: context.call_live }), context);
    }

    /// The extension did not open its window.
    pub(super) fn window_refused(&mut self, now: Monotonic) {
        let is_recent = self.clicked_at.is_some_and(|at| now.since(at) < REFUSAL_MS);
        if is_recent && self.way == Some(Way::Extension) {
            self.not_opened(Trouble::NoWindow, now);
        }
    }

    fn not_opened(&mut self, trouble: Trouble, at: Monotonic) {
        self.failed = Some(Failure { trouble, ask: Ask::Open(OpenVideo::default()), at });
    }

    /// The agent wants this. What the service says of the state before it is old then.
    fn begin(&mut self, ask: Ask, context: &mut Context<'_>) {
        self.failed = None;
        self.forget_status(context);
        self.push(ask, context.now);
    }

    fn push(&mut self, ask: Ask, now: Monotonic) {
        self.jobs.push(Job { ask, state: State::Due(now), failures: 0, token_was_renewed: false });
    }

    fn forget_status(&mut self, context: &mut Context<'_>) {
        let forgotten = self.jobs.extract_if(.., |job| job.ask == Ask::Status);
        context.out.extend(forgotten.filter_map(|job| match job.state {
            State::Running { request, .. } => Some(Command::Forget(request)),
            State::Due(_) | State::WaitsForToken => None,
        }));
    }

    /// What a text message to the customer says, for a task that has no conversation.
    fn text(&self, words: &Words) -> Option<String> {
        self.view.conversation.is_none().then(|| {
            let text = invitation("{link}", words);
            if text.chars().count() <= MOST_TEXT { text } else { invitation("{link}", &words.without_own()) }
        })
    }

    fn send(&mut self, url: Secret, context: &mut Context<'_>) {
        let Some(conversation) = self.view.conversation.clone() else { return };
        let body = Secret::new(invitation(url.expose(), context.words));
        context.out.push(Command::Send { task: self.view.task.clone(), conversation, body });
        self.link = Link::Sending(url);
    }

    /// The message is in the conversation, or is not.
    pub(super) fn sent(&mut self, ok: bool) {
        if let Link::Sending(url) = std::mem::take(&mut self.link)
            && !ok
        {
            self.link = Link::NotSent(url);
        }
    }

    pub(super) fn token_updated(&mut self, now: Monotonic) {
        for job in self.jobs.iter_mut().filter(|job| job.state == State::WaitsForToken) {
            (job.state, job.token_was_renewed) = (State::Due(now), true);
        }
    }

    fn take_job(&mut self, request: u64) -> Option<Job> {
        let is_it =
            |job: &Job| matches!(job.state, State::Running { request: known, .. } if known == request);
        let place = self.jobs.iter().position(is_it)?;
        Some(self.jobs.remove(place))
    }

    /// True when the request was one of ours.
    pub(super) fn answered(&mut self, request: u64, answer: &Answer, context: &mut Context<'_>) -> bool {
        let Some(job) = self.take_job(request) else { return false };
        match (job.ask, answer) {
            (Ask::End(End { reason: EndReason::TaskOver }), Answer::Status(status)) => {
                self.task_is_over(status, context.now);
            }
            (Ask::Status | Ask::Admit(_) | Ask::End(_), Answer::Status(status)) => {
                self.take_status(status.clone(), context);
            }
            (Ask::Open(_), Answer::Opened(opened)) => self.opened(opened, context),
            (Ask::Invite(_), Answer::Invitation(invitation)) => self.invite(invitation, context),
            (ask, _) => self.give_up(Trouble::Broken("malformed"), ask, context),
        }
        true
    }

    fn take_status(&mut self, status: VideoStatus, context: &mut Context<'_>) {
        let now = context.now;
        let was_live = self.seems_live();
        let lives = is_live(&status);
        if was_live && status.phase == VideoPhase::Ended {
            self.ended = Some((status.ended.unwrap_or_default(), now));
            // Nothing is to be sent into a session that is over.
            (self.link, self.asks_new_link, self.invites) = (Link::None, false, false);
        }
        if lives {
            self.ended = None;
        }
        self.kept.live = lives;
        self.stale = false;
        let begins =
            status.phase != VideoPhase::Met && self.begins_until.is_some_and(|until| context.now < until);
        let pause_ms = if begins || !status.waiting.is_empty() { EAGER_MS } else { POLL_MS };
        self.poll_at = lives.then(|| now.plus(pause_ms));
        self.status = Some((status, now));
    }

    /// The service has been told that the task is over, and says what became of the session: where the conversation goes on with
    /// another agent, it is theirs.
    fn task_is_over(&mut self, status: &VideoStatus, now: Monotonic) {
        if !is_live(status) {
            self.ended = Some((status.ended.unwrap_or(EndReason::TaskOver), now));
        }
        self.let_go();
    }

    fn let_go(&mut self) {
        (self.status, self.poll_at, self.kept) = (None, None, Kept::default());
        (self.link, self.stale, self.failed) = (Link::None, false, None);
    }

    fn opened(&mut self, opened: &VideoOpened, context: &mut Context<'_>) {
        self.begins_until = Some(context.now.plus(BEGINS_MS));
        self.take_status(opened.status.clone(), context);
        if self.is_over(context.now) {
            return self.show_failure(&Trouble::Over, context);
        }
        let key = self.key();
        match (self.way, context.config.page(&opened.agent_link)) {
            (_, None) => {
                let ask = Ask::Open(OpenVideo::default());
                return self.give_up(Trouble::Broken("malformed"), ask, context);
            }
            (Some(Way::Extension), Some(_)) => {
                let way_in = WayIn::Link(Secret::new(&*opened.agent_link));
                context.out.push(Command::ShowWindow { key, way_in });
            }
            (_, Some(page)) => {
                self.way = Some(Way::Tab { is_new: false });
                context.out.push(Command::Go { key, page });
            }
        }
        let had_one = self.kept.invited.as_deref() == Some(&*opened.status.session);
        if std::mem::take(&mut self.invites)
            && !had_one
            && let Some(invitation) = &opened.invitation
        {
            self.invite(invitation, context);
        }
    }

    /// The customer gets this link. It counts as sent from now on: whatever happens, no second one goes out by itself.
    fn invite(&mut self, invitation: &Invitation, context: &mut Context<'_>) {
        let session = self.status.as_ref().map(|(status, _)| status.session.clone());
        if invitation.sent {
            self.kept.invited = session;
        } else if self.view.conversation.is_some() {
            self.kept.invited = session;
            self.send(Secret::new(&*invitation.url), context);
        } else if session.is_some() && self.kept.invited == session {
            // The service was asked to send it, and did not.
            let ask = Ask::Invite(Invite { revoke: false, text: self.text(context.words) });
            self.give_up(Trouble::NoText, ask, context);
        } else {
            self.kept.invited = session;
            let invite = Invite { revoke: false, text: self.text(context.words) };
            self.begin(Ask::Invite(invite), context);
        }
    }

    /// True when the request was one of ours.
    pub(super) fn failed(&mut self, request: u64, fault: &Fault, context: &mut Context<'_>) -> bool {
        let Some(job) = self.take_job(request) else { return false };
        self.judge(job, fault.verdict(), context);
        true
    }

    fn judge(&mut self, mut job: Job, verdict: Verdict, context: &mut Context<'_>) {
        if job.goes_on() {
            return self.judge_what_goes_on(job, verdict, context);
        }
        match verdict {
            Verdict::WaitForToken if !job.token_was_renewed => {
                job.state = State::WaitsForToken;
                self.jobs.push(job);
            }
            Verdict::WaitForToken => self.give_up(Trouble::Token, job.ask, context),
            Verdict::TryAgain(trouble, _) | Verdict::Stop(trouble) => {
                self.give_up(trouble, job.ask, context);
            }
        }
    }

    fn judge_what_goes_on(&mut self, mut job: Job, verdict: Verdict, context: &mut Context<'_>) {
        job.failures += 1;
        let (failures, is_status) = (job.failures, job.ask == Ask::Status);
        self.stale |= is_status && failures > 1 && self.seems_live();
        match verdict {
            Verdict::WaitForToken if !job.token_was_renewed => {
                job.state = State::WaitsForToken;
                self.jobs.push(job);
            }
            Verdict::Stop(Trouble::NotFound | Trouble::Off | Trouble::Over) => self.let_go(),
            // Without a session it is a question that need not be answered; a task that is over, the service sees itself.
            _ if !(is_status && self.seems_live()) && failures >= TRIES => {
                if !is_status {
                    self.let_go();
                }
            }
            verdict => {
                let pause_ms = match verdict {
                    Verdict::TryAgain(_, pause_ms) => pause_ms,
                    Verdict::WaitForToken | Verdict::Stop(_) => Some(RETRY.pause_ms(u32::MAX)),
                };
                let pause_ms = pause_ms.unwrap_or_else(|| RETRY.jittered_ms(failures, context.jitter.draw()));
                job.state = State::Due(context.now.plus(pause_ms));
                self.jobs.push(job);
            }
        }
    }

    /// What the agent wanted did not work, and they are told.
    fn give_up(&mut self, trouble: Trouble, ask: Ask, context: &mut Context<'_>) {
        if matches!(ask, Ask::Open(_)) {
            self.show_failure(&trouble, context);
        }
        if matches!(trouble, Trouble::Over | Trouble::Gone) {
            self.poll_at = Some(context.now);
        } else if self.live().is_some() {
            self.poll_at.get_or_insert(context.now.plus(POLL_MS));
        }
        self.failed = Some(Failure { trouble, ask, at: context.now });
    }

    /// The window that waits for its link is told that none comes.
    fn show_failure(&self, trouble: &Trouble, context: &mut Context<'_>) {
        let key = self.key();
        context.out.extend(match self.way {
            Some(Way::Extension) => {
                Some(Command::ShowWindow { key, way_in: WayIn::Failed(trouble.say(context.words)) })
            }
            Some(Way::Tab { is_new: true }) => Some(Command::CloseTab(key)),
            Some(Way::Tab { is_new: false }) | None => None,
        });
    }

    /// What is due now.
    pub(super) fn settle(&mut self, context: &mut Context<'_>) {
        let now = context.now;
        self.ended.take_if(|(_, at)| now.since(*at) >= ENDED_MS);
        self.failed.take_if(|failed| failed.passes() && now.since(failed.at) >= ENDED_MS);
        if context.config.wrong().is_some() {
            return;
        }
        self.time_out(context);
        if self.is_over(now) {
            self.end_with_the_task(context);
        } else {
            self.poll(context);
            self.record(context);
        }
        let task = &self.view.task;
        let jobs = &mut self.jobs;
        for job in jobs.iter_mut().filter(|job| matches!(job.state, State::Due(at) if at <= now)) {
            let Some(url) = context.config.url(task, job.ask.path()) else { continue };
            if job.ask == Ask::Status {
                self.asked_at = Some(now);
            }
            *context.requests += 1;
            let request = *context.requests;
            context.out.push(Command::Ask { request, url, ask: job.ask.clone() });
            job.state = State::Running { request, since: now };
        }
    }

    fn time_out(&mut self, context: &mut Context<'_>) {
        let now = context.now;
        let is_late = |job: &mut Job| matches!(job.state, State::Running { since, .. } if now.since(since) >= TIMEOUT_MS);
        let late: Vec<Job> = self.jobs.extract_if(.., is_late).collect();
        for job in late {
            if let State::Running { request, .. } = job.state {
                context.out.push(Command::Forget(request));
            }
            self.judge(job, Fault::Network.verdict(), context);
        }
    }

    /// What the agent wanted of a task that is over is void, but for what is already on its way; and the session ends with it.
    fn end_with_the_task(&mut self, context: &mut Context<'_>) {
        self.forget_status(context);
        self.jobs.retain(|job| job.is_running() || job.goes_on());
        (self.poll_at, self.asks_new_link, self.failed, self.invites) = (None, false, None, false);
        if self.seems_live() && !self.is_opening() && !self.told_over {
            self.told_over = true;
            self.push(Ask::End(End { reason: EndReason::TaskOver }), context.now);
        }
    }

    fn poll(&mut self, context: &Context<'_>) {
        let is_due = self.poll_at.is_some_and(|at| at <= context.now);
        if is_due && context.polls && self.jobs.is_empty() {
            self.poll_at = None;
            self.push(Ask::Status, context.now);
        }
    }

    /// What was answered to the question whether it may be recorded is stored with the task.
    fn record(&mut self, context: &mut Context<'_>) {
        let consent = match self.live().map(|live| live.recording) {
            Some(Recording::On) => "given",
            Some(Recording::Refused) => "refused",
            Some(Recording::Off | Recording::Asking) | None => return,
        };
        let tries = self.recorded.filter(|(known, _)| *known == consent).map_or(0, |(_, tries)| tries);
        if self.records || self.view.consent.as_deref() == Some(consent) || tries >= CONSENT_TRIES {
            return;
        }
        self.records = true;
        self.recorded = Some((consent, tries + 1));
        context.out.push(Command::Record { task: self.view.task.clone(), consent });
    }

    /// It is in the task's attributes, or is not.
    pub(super) fn was_recorded(&mut self, ok: bool) {
        self.records = false;
        if let Some((_, tries)) = self.recorded.as_mut().filter(|_| ok) {
            *tries = CONSENT_TRIES;
        }
    }

    /// When it wants to be woken.
    pub(super) fn due(&self, polls: bool) -> Option<Monotonic> {
        let jobs = self.jobs.iter().map(|job| match job.state {
            State::Due(at) => Some(at),
            State::Running { since, .. } => Some(since.plus(TIMEOUT_MS)),
            State::WaitsForToken => None,
        });
        let poll_at = self.poll_at.filter(|_| polls && self.jobs.is_empty());
        let ended = self.ended.map(|(_, at)| at.plus(ENDED_MS));
        let passes =
            self.failed.as_ref().filter(|failed| failed.passes()).map(|failed| failed.at.plus(ENDED_MS));
        let gone = self.gone_since.filter(|_| self.jobs.is_empty()).map(|since| since.plus(GONE_MS));
        sansio::earliest(jobs.chain([poll_at, ended, passes, gone]))
    }

    /// When the time that is shown changes next.
    pub(super) fn ticks_at(&self, now: Monotonic) -> Option<Monotonic> {
        let (status, at) = self.status.as_ref()?;
        let ticks = status.phase == VideoPhase::Met && status.seconds.is_some();
        ticks.then(|| at.plus((now.since(*at) / 1_000 + 1) * 1_000))
    }
}

const fn is_live(status: &VideoStatus) -> bool {
    !matches!(status.phase, VideoPhase::None | VideoPhase::Ended)
}

/// The message with the link. An administrator's own words may lack the link's place: it then stands behind them.
fn invitation(url: &str, words: &Words) -> String {
    let text = words.say(Text::VideoInvitation, &[("url", url)]);
    if text.contains(url) { text } else { format!("{text} {url}") }
}
