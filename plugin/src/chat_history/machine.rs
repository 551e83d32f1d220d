//! All decisions of chat history: a pure state machine, without browser, clock or promises.
//!
//! Each task of the agent has a [`chat`]: what was read of the conversations before it, a request at a time. What tasks have to
//! do with one another is decided here: which of them the agent sees, and which share a conversation.

use kernel::Monotonic;
use sansio::Jitter;

pub use self::chat::Chat;
use self::chat::Context;
pub use self::event::{Act, Answer, Command, Event, MediaRef, What};
use self::flex_view::{FlexView, Source, TaskStatus};
use self::kept::Kept;
pub use self::settings::{Config, Settings};
use self::view::{Banner, Sharing};
use crate::by_key::ByKey;
use crate::words::Words;

pub mod chat;
pub mod event;
pub mod flex_view;
pub mod kept;
pub mod pictures;
pub mod pieces;
pub mod search;
pub mod settings;
pub mod timeline;
pub mod transcript;
pub mod trouble;
pub mod view;
pub mod virtual_list;

#[cfg(test)]
mod tests;

/// How long *Complete* goes on when it is pressed a second time.
pub const ONCE_MORE_MS: u64 = 30_000;

/// Where the reader is is written down at most this often.
const KEEP_MS: u64 = 500;

/// A task that has not shown up by then is over.
const REMEMBER_MS: u64 = 60_000;

/// The state machine of chat history.
#[derive(Debug)]
pub struct Machine {
    config: Config,
    words: Words,
    jitter: Jitter,
    requests: u64,
    chats: ByKey<String, Chat>,
    selected: Option<String>,
    tab_is_ours: bool,
    /// The tab of before the reload was opened again, or there was none.
    restored: bool,
    /// What was kept of tasks that are not there yet.
    remembered: Vec<(String, Kept)>,
    remembered_until: Monotonic,
    kept: String,
    keep_at: Option<Monotonic>,
    /// The tasks whose *Complete* was stopped, and until when the next one goes on.
    warned: Vec<(String, Monotonic)>,
    now: Monotonic,
}

impl Machine {
    /// A machine without tasks. `kept`: what [`Command::Keep`] kept last. `seed`: any number.
    #[must_use]
    pub fn new(config: Config, words: Words, kept: &str, seed: u64, now: Monotonic) -> Self {
        Self {
            config,
            words,
            jitter: Jitter::new(seed),
            requests: 0,
            chats: ByKey::default(),
            selected: None,
            tab_is_ours: false,
            restored: false,
            remembered: kept::read(kept),
            remembered_until: now.plus(REMEMBER_MS),
            kept: kept.to_owned(),
            keep_at: None,
            warned: Vec::new(),
            now,
        }
    }

    /// How the agent is spoken to.
    #[must_use]
    pub const fn words(&self) -> &Words {
        &self.words
    }

    /// The history of a task.
    #[must_use]
    pub fn chat(&self, task: &str) -> Option<&Chat> {
        self.chats.get(task)
    }

    /// Whether a task of this source has the tab.
    #[must_use]
    pub fn has_tab(&self, source: Source) -> bool {
        self.config.customer || source != Source::None
    }

    /// What stands above a task; `None`: nothing.
    #[must_use]
    pub fn banner(&self, task: &str) -> Option<Banner> {
        let chat = self.chats.get(task)?;
        let earlier =
            chat.names_one() || self.has_tab(chat.view().source) && chat.timeline().has_conversations();
        let warned = self.is_warned(task, self.now);
        let sharing = self.other_on(chat).and_then(|other| match (chat.view().status, other.view().status) {
            (TaskStatus::Pending, TaskStatus::Accepted) => Some(Sharing::StillOpen),
            (TaskStatus::Pending, TaskStatus::Wrapping) => Some(Sharing::StillWrapping),
            _ => warned.then_some(Sharing::CompleteHurts),
        });
        view::banner(earlier && !chat.kept().banner_closed, sharing, &self.words)
    }

    /// Whether *Complete* must be stopped, because it would take the agent out of another task's chat. The shell asks from
    /// within Flex's `beforeCompleteTask`, which needs the answer at once, and then reports [`Event::CompleteRefused`].
    #[must_use]
    pub fn refuses_to_complete(&self, reservation: &str, now: Monotonic) -> bool {
        self.by_reservation(reservation)
            .is_some_and(|chat| self.other_on(chat).is_some() && !self.is_warned(&chat.view().task, now))
    }

    fn by_reservation(&self, reservation: &str) -> Option<&Chat> {
        self.chats.values().find(|chat| chat.view().reservation == reservation)
    }

    fn is_warned(&self, task: &str, now: Monotonic) -> bool {
        self.warned.iter().any(|(known, until)| known == task && *until > now)
    }

    /// Another task of this agent on the same conversation; of several one that the agent has already.
    fn other_on(&self, chat: &Chat) -> Option<&Chat> {
        let conversation = chat.view().conversation.as_ref()?;
        let others = || {
            self.chats.values().filter(|other| {
                other.view().task != chat.view().task
                    && other.view().conversation.as_ref() == Some(conversation)
            })
        };
        others().find(|other| other.view().status != TaskStatus::Pending).or_else(|| others().next())
    }

    fn look(&mut self, flex: FlexView, now: Monotonic, out: &mut Vec<Command>) {
        self.chats.retain(|task, _| flex.tasks.iter().any(|view| view.task == *task));
        self.warned.retain(|(task, _)| flex.tasks.iter().any(|view| view.task == *task));
        let mut changed = flex.tasks.len() != self.chats.len();
        for view in &flex.tasks {
            if let Some(chat) = self.chats.get_mut(&view.task) {
                changed |= chat.look(view);
            } else {
                let kept = self.remembered.iter().position(|(task, _)| *task == view.task);
                let kept = kept.map(|place| self.remembered.remove(place).1).unwrap_or_default();
                self.chats.insert(view.task.clone(), Chat::new(view.clone(), kept));
            }
        }
        let selected = flex.selected.filter(|task| self.chats.contains_key(task));
        (self.selected, self.tab_is_ours) = (selected, flex.tab_is_ours);
        let Some(chat) = self.selected.as_ref().and_then(|task| self.chats.get_mut(task)) else {
            return self.draw_all(changed, out);
        };
        let has_tab = self.config.customer || chat.view().source != Source::None;
        if !std::mem::replace(&mut self.restored, true)
            && chat.kept().tab_open
            && has_tab
            && !flex.tab_is_ours
        {
            out.push(Command::SelectTab);
        } else {
            let open = has_tab && flex.tab_is_ours;
            changed |= chat.shown(open);
        }
        self.keep_at.get_or_insert(now);
        self.draw_all(changed, out);
    }

    /// A task may say something of another.
    fn draw_all(&self, changed: bool, out: &mut Vec<Command>) {
        if changed {
            out.extend(self.chats.keys().cloned().map(Command::Draw));
        }
    }

    /// Gives one task or all of them something to do.
    fn with(
        &mut self,
        task: Option<&str>,
        now: Monotonic,
        out: &mut Vec<Command>,
        mut act: impl FnMut(&mut Chat, &mut Context<'_>) -> bool,
    ) {
        let mut context = Context {
            config: &self.config,
            now,
            requests: &mut self.requests,
            jitter: &mut self.jitter,
            out,
        };
        for (sid, chat) in self.chats.iter_mut() {
            if task.is_none_or(|task| task == sid) && act(chat, &mut context) {
                return;
            }
        }
    }

    fn settle(&mut self, now: Monotonic, out: &mut Vec<Command>) {
        self.now = now;
        let (selected, tab_is_ours, customer) =
            (self.selected.clone(), self.tab_is_ours, self.config.customer);
        self.with(None, now, out, |chat, context| {
            let is_selected = selected.as_ref() == Some(&chat.view().task);
            let has_tab = customer || chat.view().source != Source::None;
            // Without a named source only the service knows whether there is anything.
            let asks = is_selected && customer && !chat.names_one();
            let readable = chat.view().source != Source::None || customer;
            let malformed = matches!(chat.view().source, Source::Malformed(_)) && !customer;
            if readable && !malformed {
                chat.settle(is_selected && has_tab && tab_is_ours, asks, context);
            }
            false
        });
        let over: Vec<String> =
            self.warned.extract_if(.., |(_, until)| *until <= now).map(|(task, _)| task).collect();
        out.extend(over.into_iter().map(Command::Draw));
        if now >= self.remembered_until && !self.remembered.is_empty() {
            self.remembered.clear();
            self.keep_at.get_or_insert(now);
        }
        if self.keep_at.is_some_and(|at| at <= now) {
            self.keep_at = None;
            self.keep(out);
        }
        let mut drawn = Vec::new();
        // Each is drawn once, after everything else, and its rows are then those of now.
        out.retain(|command| match command {
            Command::Draw(task) => {
                if !drawn.contains(task) {
                    drawn.push(task.clone());
                }
                false
            }
            _ => true,
        });
        out.extend(drawn.into_iter().map(Command::Draw));
    }

    fn keep(&mut self, out: &mut Vec<Command>) {
        let chats = self.chats.iter().map(|(task, chat)| (&**task, chat.kept()));
        let remembered = self.remembered.iter().map(|(task, kept)| (&**task, kept));
        let text = kept::write(chats.chain(remembered));
        if text != self.kept {
            self.kept.clone_from(&text);
            out.push(Command::Keep(text));
        }
    }
}

impl sansio::Machine for Machine {
    type Time = Monotonic;
    type Event = Event;
    type Command = Command;

    fn handle(&mut self, event: Event, now: Monotonic) -> Vec<Command> {
        let mut out = Vec::new();
        match event {
            Event::Flex(view) => self.look(view, now, &mut out),
            Event::TokenUpdated => self.with(None, now, &mut out, |chat, context| {
                chat.token_updated(context);
                false
            }),
            Event::Answered(request, answer) => {
                self.with(None, now, &mut out, |chat, context| chat.answered(request, &answer, context));
            }
            Event::Failed(request, fault) => {
                self.with(None, now, &mut out, |chat, context| chat.failed(request, &fault, context));
            }
            Event::Act(task, act) => {
                let pause = if matches!(act, Act::Scrolled(_)) { KEEP_MS } else { 0 };
                let at = now.plus(pause);
                self.keep_at = Some(self.keep_at.map_or(at, |planned| planned.min(at)));
                let mut act = Some(act);
                self.with(Some(&task), now, &mut out, |chat, context| {
                    if let Some(act) = act.take() {
                        chat.act(act, context);
                    }
                    true
                });
            }
            Event::CompleteRefused(reservation) => {
                let task = self.by_reservation(&reservation).map(|chat| chat.view().task.clone());
                if let Some(task) = task {
                    self.warned.retain(|(known, _)| *known != task);
                    self.warned.push((task.clone(), now.plus(ONCE_MORE_MS)));
                    out.push(Command::Draw(task));
                }
            }
        }
        self.settle(now, &mut out);
        out
    }

    fn handle_timeout(&mut self, now: Monotonic) -> Vec<Command> {
        let mut out = Vec::new();
        self.settle(now, &mut out);
        out
    }

    fn poll_timeout(&self) -> Option<Monotonic> {
        let chats = self.chats.values().map(Chat::due);
        let warned = self.warned.iter().map(|(_, until)| Some(*until));
        let remembered = (!self.remembered.is_empty()).then_some(self.remembered_until);
        sansio::earliest(chats.chain(warned).chain([self.keep_at, remembered]))
    }
}
