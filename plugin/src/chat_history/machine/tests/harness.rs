//! A service that plays conversations, and an agent in Flex.

use std::collections::BTreeMap;

use kernel::Monotonic;
use protocol::history::{
    AuthorRole, ConversationSummary, HistoryAuthor, HistoryChannel, HistoryErrorCode, HistoryMessage,
    HistoryOverview, HistoryPage, MediaLink,
};
use sansio::rig;

use crate::chat_history::machine::chat::Chat;
use crate::chat_history::machine::event::{Act, Answer, Command, Event, What};
use crate::chat_history::machine::flex_view::{FlexView, Source, TaskStatus, TaskView};
use crate::chat_history::machine::trouble::Fault;
use crate::chat_history::machine::view::{TabView, tab};
use crate::chat_history::machine::{Config, Machine, Settings};
use crate::words::Words;

pub const PAGE: usize = 100;

pub fn sid(kind: &str, number: usize) -> String {
    format!("{kind}{number:032x}")
}

pub fn settings() -> Settings {
    Settings {
        on: true,
        token_service_url: Some("https://tokens.acme.test/v1/voice/token".to_owned()),
        account_sid: sid("AC", 1),
        ..Settings::default()
    }
}

pub fn task(number: usize) -> TaskView {
    TaskView {
        task: sid("WT", number),
        reservation: sid("WR", number),
        status: TaskStatus::Accepted,
        source: Source::Named,
        conversation: Some(sid("CH", 900 + number)),
    }
}

pub fn message(conversation: usize, index: usize) -> HistoryMessage {
    let role = [AuthorRole::Customer, AuthorRole::Bot, AuthorRole::Agent][index % 3];
    HistoryMessage {
        sid: sid("IM", conversation * 100_000 + index),
        index: index as u64,
        at: format!("2026-01-0{conversation}T10:00:00Z"),
        author: HistoryAuthor { role, name: String::new() },
        body: format!("message {index} of {conversation}"),
        media: Vec::new(),
        place: None,
    }
}

/// An agent, and a service with conversations.
pub struct Rig {
    pub rig: rig::Rig<Machine>,
    pub flex: FlexView,
    /// How many messages each conversation has; the first is the source.
    pub conversations: Vec<usize>,
    pub retention_days: Option<u32>,
    pub changed: BTreeMap<String, HistoryMessage>,
    /// What is asked and not answered yet.
    pub open: Vec<(u64, String, What)>,
    pub seen: Vec<Command>,
    pub asked: Vec<String>,
}

impl Rig {
    pub fn new(settings: Settings, kept: &str) -> Self {
        let config = Config::new(&settings).unwrap();
        let now = Monotonic::from_millis(5_000);
        Self {
            rig: rig::Rig::new(Machine::new(config, Words::default(), kept, 7, now), now),
            flex: FlexView::default(),
            conversations: vec![250],
            retention_days: None,
            changed: BTreeMap::new(),
            open: Vec::new(),
            seen: Vec::new(),
            asked: Vec::new(),
        }
    }

    /// An agent who has opened the tab of a task.
    pub fn opened() -> Self {
        let mut rig = Self::new(settings(), "");
        rig.have(vec![task(1)]);
        rig.look(true);
        rig
    }

    pub fn have(&mut self, tasks: Vec<TaskView>) {
        self.flex.selected = tasks.first().map(|task| task.task.clone());
        self.flex.tasks = tasks;
        self.event(Event::Flex(self.flex.clone()));
    }

    pub fn look(&mut self, tab_is_ours: bool) {
        self.flex.tab_is_ours = tab_is_ours;
        self.event(Event::Flex(self.flex.clone()));
    }

    pub fn event(&mut self, event: Event) {
        self.rig.event(event);
        self.collect();
    }

    pub fn act(&mut self, act: Act) {
        self.event(Event::Act(sid("WT", 1), act));
    }

    pub fn pass(&mut self, millis: u64) {
        self.rig.pass(millis);
        self.collect();
    }

    fn collect(&mut self) {
        for command in self.rig.take() {
            if let Command::Get { request, url, what } = &command {
                self.open.push((*request, url.clone(), *what));
                self.asked.push(url.clone());
            }
            if let Command::SelectTab = command {
                self.flex.tab_is_ours = true;
            }
            self.seen.push(command);
        }
    }

    /// Answers what was asked until nothing more is.
    pub fn serve(&mut self) {
        while self.serve_one() {}
    }

    pub fn serve_one(&mut self) -> bool {
        if self.open.is_empty() {
            return false;
        }
        let (request, url, what) = self.open.remove(0);
        let answer = self.answer(&url, what);
        self.event(Event::Answered(request, answer));
        true
    }

    pub fn fail(&mut self, fault: Fault) {
        let (request, ..) = self.open.remove(0);
        self.event(Event::Failed(request, fault));
    }

    fn answer(&self, url: &str, what: What) -> Answer {
        let cursor = url.split_once("cursor=").map(|(_, cursor)| cursor.parse::<usize>().unwrap());
        match what {
            What::Overview => {
                let conversations = (0..self.conversations.len()).map(|at| self.summary(at + 1)).collect();
                Answer::Overview(HistoryOverview {
                    conversations,
                    cursor: None,
                    retention_days: self.retention_days,
                })
            }
            What::Page => {
                let conversation = self.number_in(url);
                let end = cursor.unwrap_or(self.conversations[conversation - 1]);
                let begin = end.saturating_sub(PAGE);
                let messages = (begin..end).map(|index| message(conversation, index));
                let messages =
                    messages.map(|one| self.changed.get(&one.sid).cloned().unwrap_or(one)).collect();
                Answer::Page(HistoryPage {
                    messages,
                    cursor: (begin > 0).then(|| begin.to_string()),
                    hidden: begin == 0 && self.retention_days.is_some(),
                })
            }
            What::Media => {
                Answer::Media(MediaLink { url: format!("https://media.twiliocdn.com/{}", self.asked.len()) })
            }
        }
    }

    fn number_in(&self, url: &str) -> usize {
        (1..=self.conversations.len()).find(|number| url.contains(&sid("CH", *number))).unwrap()
    }

    pub fn summary(&self, number: usize) -> ConversationSummary {
        ConversationSummary {
            sid: sid("CH", number),
            source: number == 1,
            channel: HistoryChannel::Sms,
            name: None,
            started_at: format!("2026-01-0{number}T09:00:00Z"),
            updated_at: format!("2026-01-0{number}T11:00:00Z"),
            closed: true,
            agents: vec!["Ada".to_owned()],
        }
    }

    pub fn chat(&self) -> &Chat {
        self.rig.machine.chat(&sid("WT", 1)).unwrap()
    }

    pub fn tab(&self) -> TabView {
        tab(self.chat(), &Words::default())
    }

    pub fn trouble(&self) -> String {
        self.tab().trouble.unwrap_or_default()
    }

    pub fn messages(&self) -> usize {
        self.chat().timeline().messages()
    }
}

pub fn refused(status: u16, code: HistoryErrorCode) -> Fault {
    Fault::Refused { status, code: Some(code), retry_after_s: None }
}
