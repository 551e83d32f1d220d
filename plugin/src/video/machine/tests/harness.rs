//! A service that plays one session, and an agent in Flex.

use kernel::{Monotonic, Secret};
use protocol::video::{
    EndReason, Invitation, Person, SeatRole, VideoErrorCode, VideoOpened, VideoPhase, VideoStatus,
};
use sansio::rig;

use crate::video::machine::event::{Act, Answer, Ask, Command, Event, Tab, WayIn};
use crate::video::machine::flex_view::{FlexView, TaskKind, TaskStatus, TaskView};
use crate::video::machine::trouble::Fault;
use crate::video::machine::view::{ButtonView, CardView};
use crate::video::machine::{Config, Machine, Settings};
use crate::words::Words;

pub const LINK: &str = "0123456789abcdefghjk";

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

pub fn chat(number: usize) -> TaskView {
    TaskView {
        task: sid("WT", number),
        status: TaskStatus::Accepted,
        kind: TaskKind::Chat,
        conversation: Some(sid("CH", number)),
        consent: None,
    }
}

pub fn call(number: usize) -> TaskView {
    TaskView { kind: TaskKind::Call, conversation: None, ..chat(number) }
}

pub fn person(role: SeatRole, you: bool) -> Person {
    Person { role, name: String::new(), you, quality: None, lost: false }
}

pub fn refused(status: u16, code: VideoErrorCode) -> Fault {
    Fault::Refused { status, code: Some(code), retry_after_s: None }
}

/// An agent, and a service with a session or without.
pub struct Rig {
    pub rig: rig::Rig<Machine>,
    pub flex: FlexView,
    /// How it stands at the service.
    pub service: VideoStatus,
    /// How many links it has made.
    pub links: usize,
    /// What the service sends by itself.
    pub by_text: bool,
    /// What is asked and not answered yet.
    pub open: Vec<(u64, Ask)>,
    /// All URLs that were asked, and what for.
    pub asked: Vec<(String, Ask)>,
    pub seen: Vec<Command>,
    pub kept: String,
    /// What a browser says of the tab.
    pub tab: Tab,
    /// Messages to the customer that the conversation has taken.
    pub messages: Vec<String>,
    pub conversation_works: bool,
}

impl Rig {
    pub fn new(settings: Settings, kept: &str) -> Self {
        Self::with(settings, kept, Words::default())
    }

    pub fn with(settings: Settings, kept: &str, words: Words) -> Self {
        let config = Config::new(&settings).unwrap();
        let now = Monotonic::from_millis(5_000);
        Self {
            rig: rig::Rig::new(Machine::new(config, words, kept, 7, now), now),
            flex: FlexView::default(),
            service: VideoStatus::default(),
            links: 0,
            by_text: false,
            open: Vec::new(),
            asked: Vec::new(),
            seen: Vec::new(),
            kept: kept.to_owned(),
            tab: Tab::New,
            messages: Vec::new(),
            conversation_works: true,
        }
    }

    /// An agent who looks at a chat without a session.
    pub fn at_chat() -> Self {
        let mut rig = Self::new(settings(), "");
        rig.have(vec![chat(1)]);
        rig.serve();
        rig
    }

    /// The same, after a click by which the extension's window was opened.
    pub fn begun() -> Self {
        let mut rig = Self::at_chat();
        rig.click(true);
        rig.serve();
        rig
    }

    /// Customer and agent have met.
    pub fn met() -> Self {
        let mut rig = Self::begun();
        rig.service.phase = VideoPhase::Met;
        rig.service.seconds = Some(0);
        rig.service.people = vec![person(SeatRole::Agent, true), person(SeatRole::Customer, false)];
        rig.pass(1_000);
        rig.serve();
        rig
    }

    pub fn have(&mut self, tasks: Vec<TaskView>) {
        self.flex.selected = tasks.first().map(|task| task.task.clone());
        self.flex.tasks = tasks;
        self.event(Event::Flex(self.flex.clone()));
    }

    pub fn click(&mut self, extension: bool) {
        self.act(Act::Open { extension });
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
            let mut then = None;
            match &command {
                Command::Ask { request, url, ask } => {
                    self.open.push((*request, ask.clone()));
                    self.asked.push((url.clone(), ask.clone()));
                }
                Command::Forget(request) => self.open.retain(|(known, _)| known != request),
                Command::Keep(text) => self.kept.clone_from(text),
                Command::OpenTab { task, .. } => then = Some(Event::Tab(task.clone(), self.tab)),
                Command::Send { task, body, .. } => {
                    if self.conversation_works {
                        self.messages.push(body.expose().to_owned());
                    }
                    then = Some(Event::Sent { task: task.clone(), ok: self.conversation_works });
                }
                Command::ShowWindow { .. }
                | Command::Go { .. }
                | Command::CloseTab(_)
                | Command::Record { .. }
                | Command::Draw => {}
            }
            self.seen.push(command);
            if let Some(event) = then {
                self.event(event);
            }
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
        let (request, ask) = self.open.remove(0);
        let answer = self.answer(&ask);
        self.event(Event::Answered(request, answer));
        true
    }

    pub fn fail(&mut self, fault: Fault) {
        let (request, _) = self.open.remove(0);
        self.event(Event::Failed(request, fault));
    }

    /// Fails the next question, whenever it comes.
    pub fn fail_next(&mut self, fault: &Fault) {
        for _ in 0..400 {
            if self.open.is_empty() {
                self.pass(250);
            }
        }
        self.fail(fault.clone());
    }

    fn answer(&mut self, ask: &Ask) -> Answer {
        let is_there = !matches!(self.service.phase, VideoPhase::None | VideoPhase::Ended);
        match ask {
            Ask::Status => {}
            Ask::Open(_) => {
                if !is_there {
                    self.service.phase = VideoPhase::Invited;
                    self.service.session = format!("VS{}", self.links);
                }
                let unused = self.service.phase == VideoPhase::Invited;
                let invitation = unused.then(|| self.link(false));
                return Answer::Opened(VideoOpened {
                    status: self.service.clone(),
                    agent_link: LINK.to_owned(),
                    invitation,
                });
            }
            Ask::Invite(invite) => {
                let sent = self.by_text && invite.text.as_ref().is_some_and(|text| text.contains("{link}"));
                return Answer::Invitation(self.link(sent));
            }
            Ask::Admit(admit) => self.service.waiting.retain(|waiting| waiting.id != admit.waiting),
            Ask::End(end) => {
                (self.service.phase, self.service.ended) = (VideoPhase::Ended, Some(end.reason));
            }
        }
        Answer::Status(self.service.clone())
    }

    fn link(&mut self, sent: bool) -> Invitation {
        self.links += 1;
        Invitation { url: format!("https://join.acme.test/v/{:020}", self.links), sent }
    }

    pub fn end_at_service(&mut self, reason: EndReason) {
        (self.service.phase, self.service.ended) = (VideoPhase::Ended, Some(reason));
    }

    pub fn button(&self) -> Option<ButtonView> {
        self.rig.machine.button(&sid("WT", 1))
    }

    pub fn card(&self) -> Option<CardView> {
        self.rig.machine.card(&sid("WT", 1))
    }

    pub fn trouble(&self) -> String {
        self.card().and_then(|card| card.trouble).map(|(said, _)| said).unwrap_or_default()
    }

    pub fn line(&self) -> String {
        self.card().map(|card| card.line).unwrap_or_default()
    }

    /// What was asked, but for how it stands.
    pub fn wanted(&self) -> Vec<Ask> {
        self.asked.iter().map(|(_, ask)| ask.clone()).filter(|ask| *ask != Ask::Status).collect()
    }

    pub fn polls(&self) -> usize {
        self.asked.iter().filter(|(_, ask)| *ask == Ask::Status).count()
    }

    /// What the extension's window was told.
    pub fn windows(&self) -> Vec<(String, WayIn)> {
        let windows = self.seen.iter().filter_map(|command| match command {
            Command::ShowWindow { key, way_in } => Some((key.clone(), way_in.clone())),
            _ => None,
        });
        windows.collect()
    }
}

pub fn link() -> WayIn {
    WayIn::Link(Secret::new(LINK))
}
