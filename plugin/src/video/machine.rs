//! All decisions of video in Flex: a pure state machine, without browser, clock or promises.
//!
//! Each task of the agent has a [`call`]: what the service said of its session, and what the service is being asked. The machine
//! knows which of them the agent sees, whether anybody sees the page, and what outlives a reload.

use kernel::Monotonic;
use sansio::Jitter;

pub use self::call::Call;
use self::call::Context;
pub use self::event::{Act, Answer, Ask, Command, Event, Tab, WayIn};
use self::flex_view::FlexView;
use self::kept::Kept;
pub use self::settings::{Config, Settings};
use self::view::{ButtonView, CardView};
use crate::by_key::ByKey;
use crate::words::Words;

pub mod call;
pub mod event;
pub mod flex_view;
pub mod kept;
pub mod settings;
pub mod trouble;
pub mod view;

#[cfg(test)]
mod tests;

/// A page that nobody has seen for so long does not ask how a session stands.
pub const HIDDEN_MS: u64 = 300_000;

/// A task that has not shown up by then is over.
const REMEMBER_MS: u64 = 60_000;

/// What was drawn last: button and card of the task that the agent looks at.
type Shown = (Option<ButtonView>, Option<CardView>);

/// The state machine of video.
#[derive(Debug)]
pub struct Machine {
    config: Config,
    words: Words,
    jitter: Jitter,
    requests: u64,
    calls: ByKey<String, Call>,
    selected: Option<String>,
    call_live: bool,
    hidden_since: Option<Monotonic>,
    no_extension: bool,
    /// What was kept of tasks that are not there yet.
    remembered: Vec<(String, Kept)>,
    remembered_until: Monotonic,
    kept: String,
    shown: Shown,
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
            calls: ByKey::default(),
            selected: None,
            call_live: false,
            hidden_since: None,
            no_extension: false,
            remembered: kept::read(kept),
            remembered_until: now.plus(REMEMBER_MS),
            kept: kept.to_owned(),
            shown: Shown::default(),
            now,
        }
    }

    /// The button in a task's header; `None`: none.
    #[must_use]
    pub fn button(&self, task: &str) -> Option<ButtonView> {
        self.calls.get(task).and_then(|call| view::button(call, &self.config, &self.words))
    }

    /// What stands above a task; `None`: nothing.
    #[must_use]
    pub fn card(&self, task: &str) -> Option<CardView> {
        self.calls.get(task).and_then(|call| view::card(call, self.call_live, &self.words, self.now))
    }

    fn polls(&self, now: Monotonic) -> bool {
        self.hidden_since.is_none_or(|since| now.since(since) < HIDDEN_MS)
    }

    fn look(&mut self, flex: &FlexView, now: Monotonic, out: &mut Vec<Command>) {
        (self.selected, self.call_live) = (flex.selected.clone(), flex.call_live);
        for view in &flex.tasks {
            if !self.calls.contains_key(&view.task) {
                let kept = self.remembered.iter().position(|(task, _)| *task == view.task);
                let kept = kept.map(|place| self.remembered.remove(place).1).unwrap_or_default();
                self.calls.insert(view.task.clone(), Call::new(view.clone(), kept, now));
            }
        }
        self.each(now, out, |task, call, context| {
            match flex.tasks.iter().find(|view| view.task == task) {
                Some(view) => call.look(view, flex.selected.as_deref() == Some(task), context),
                None => call.gone(context.now),
            }
            false
        });
    }

    /// Gives the calls something to do, until one says that it was meant.
    fn each(
        &mut self,
        now: Monotonic,
        out: &mut Vec<Command>,
        mut act: impl FnMut(&str, &mut Call, &mut Context<'_>) -> bool,
    ) {
        let polls = self.polls(now);
        let mut context = Context {
            config: &self.config,
            words: &self.words,
            now,
            polls,
            call_live: self.call_live,
            no_extension: self.no_extension,
            requests: &mut self.requests,
            jitter: &mut self.jitter,
            out,
        };
        for (task, call) in self.calls.iter_mut() {
            if act(task, call, &mut context) {
                return;
            }
        }
    }

    /// Gives one call something to do.
    fn with(
        &mut self,
        task: &str,
        now: Monotonic,
        out: &mut Vec<Command>,
        act: impl FnOnce(&mut Call, &mut Context<'_>),
    ) {
        let mut act = Some(act);
        self.each(now, out, |known, call, context| {
            let is_it = known == task;
            if is_it && let Some(act) = act.take() {
                act(call, context);
            }
            is_it
        });
    }

    fn settle(&mut self, now: Monotonic, out: &mut Vec<Command>) {
        self.now = now;
        self.each(now, out, |_, call, context| {
            call.settle(context);
            false
        });
        self.calls.retain(|_, call| !call.is_done(now));
        if now >= self.remembered_until {
            self.remembered.clear();
        }
        self.keep(out);
        let selected = self.selected.as_deref();
        let shown = selected.map(|task| (self.button(task), self.card(task))).unwrap_or_default();
        if self.shown != shown {
            self.shown = shown;
            out.push(Command::Draw);
        }
    }

    fn keep(&mut self, out: &mut Vec<Command>) {
        let calls = self.calls.iter().map(|(task, call)| (&**task, call.kept()));
        let remembered = self.remembered.iter().map(|(task, kept)| (&**task, kept));
        let text = kept::write(calls.chain(remembered));
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
            Event::Flex(view) => self.look(&view, now, &mut out),
            Event::TokenUpdated => self.each(now, &mut out, |_, call, context| {
                call.token_updated(context.now);
                false
            }),
            Event::Visible(visible) => {
                let was_hidden = self.hidden_since.is_some();
                self.hidden_since = if visible { None } else { self.hidden_since.or(Some(now)) };
                if visible && was_hidden {
                    self.each(now, &mut out, |_, call, context| {
                        call.seen(context.now);
                        false
                    });
                }
            }
            Event::Answered(request, answer) => {
                self.each(now, &mut out, |_, call, context| call.answered(request, &answer, context));
            }
            Event::Failed(request, fault) => {
                self.each(now, &mut out, |_, call, context| call.failed(request, &fault, context));
            }
            Event::Act(task, act) => self.with(&task, now, &mut out, |call, context| call.act(act, context)),
            Event::Tab(task, tab) => self.with(&task, now, &mut out, |call, context| call.tab(tab, context)),
            Event::WindowRefused => {
                self.no_extension = true;
                self.each(now, &mut out, |_, call, context| {
                    call.window_refused(context.now);
                    false
                });
            }
            Event::Sent { task, ok } => self.with(&task, now, &mut out, |call, _| call.sent(ok)),
            Event::Recorded { task, ok } => {
                self.with(&task, now, &mut out, |call, _| call.was_recorded(ok));
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
        let polls = self.polls(self.now);
        let calls = self.calls.values().map(|call| call.due(polls));
        let selected = self.selected.as_ref().and_then(|task| self.calls.get(task));
        let tick = selected.filter(|_| self.hidden_since.is_none()).and_then(|call| call.ticks_at(self.now));
        let remembered = (!self.remembered.is_empty()).then_some(self.remembered_until);
        sansio::earliest(calls.chain([tick, remembered]))
    }
}
