//! Turns what happens in the page into events, and carries out commands. Decides nothing.

mod paint;
mod service;
mod store;
mod tabs;

use std::cell::RefCell;
use std::rc::Rc;

use ::shell::{Clock as _, EventLoop, Shell};
use js_sys::Function;
use kernel::{Monotonic, Secret};
use protocol::page::ShowVideo;
use protocol::video::Admit;
use protocol::video_window::VideoKey;
use wasm_bindgen::prelude::*;
use wasm_bindgen_futures::spawn_local;

use self::paint::Brush;
use self::tabs::Tabs;
use crate::ask::Running;
use crate::draw::{Redraws, Theme};
use crate::flex::{self, Flex, Manager, object, text};
use crate::outcome::{settle, warn_on_error};
use crate::tab_storage;
use crate::video::machine::flex_view::FlexView;
use crate::video::machine::trouble::Fault;
use crate::video::machine::{Act, Ask, Command, Config, Event, Machine, WayIn};
use crate::windows::Windows;
use crate::words::{Language, Words};

/// Where the tab's own storage keeps what outlives a reload.
const KEPT_KEY: &str = "holdfast.video";

/// Serves this page's agent, where video is switched on.
pub fn serve(flex: Flex, manager: Manager, windows: Rc<dyn Windows>) {
    let Some(config) = Config::new(&store::settings(&manager)) else { return };
    let language = Language::from_tag(&manager.language().unwrap_or_default());
    let words = Words::new(language, manager.own_texts());
    let kept = tab_storage::read(KEPT_KEY);
    let shell = Rc::new_cyclic(|this: &std::rc::Weak<VideoShell>| {
        let this = std::rc::Weak::clone(this);
        let click = Closure::<dyn Fn(JsValue)>::new(move |event: JsValue| {
            if let Some(shell) = this.upgrade() {
                shell.clicked(&event);
            }
        });
        VideoShell {
            event_loop: EventLoop::new(Machine::new(config, words, &kept, ::shell::seed(), Monotonic::now())),
            view: RefCell::default(),
            running: Running::default(),
            tabs: Tabs::default(),
            redraws: Redraws::default(),
            click: click.into_js_value().unchecked_into(),
            flex,
            manager,
            windows,
        }
    });
    shell.listen();
    shell.add_button();
    shell.add_card();
    shell.look_now();
}

/// The half of video that touches the page.
struct VideoShell {
    flex: Flex,
    manager: Manager,
    windows: Rc<dyn Windows>,
    event_loop: EventLoop<Machine>,
    view: RefCell<FlexView>,
    /// What can still be forgotten.
    running: Running,
    tabs: Tabs,
    redraws: Redraws,
    click: Function,
}

impl Shell for VideoShell {
    type Machine = Machine;

    fn event_loop(&self) -> &EventLoop<Machine> {
        &self.event_loop
    }

    fn carry_out(self: &Rc<Self>, command: Command) {
        match command {
            Command::Ask { request, url, ask } => self.ask(request, url, ask),
            Command::Forget(request) => self.running.forget(request),
            Command::ShowWindow { key, way_in } => self.show_window(key, way_in),
            Command::OpenTab { task, key, waits } => {
                let tab = self.tabs.open(&key, &waits);
                self.report(Event::Tab(task, tab));
            }
            Command::Go { key, page } => self.tabs.go(&key, page.expose()),
            Command::CloseTab(key) => self.tabs.close(&key),
            Command::Send { task, conversation, body } => self.send(task, &conversation, &body),
            Command::Record { task, consent } => {
                let (shell, written) = (Rc::clone(self), store::record(&self.manager, &task, consent));
                settle(written, move |ok| shell.report(Event::Recorded { task, ok }));
            }
            Command::Draw => self.redraws.draw(),
            Command::Keep(text) => tab_storage::write(KEPT_KEY, &text),
        }
    }

    fn look(&self) -> Option<Event> {
        let view = store::view(&self.flex, &self.manager);
        if *self.view.borrow() == view {
            return None;
        }
        self.view.replace(view.clone());
        Some(Event::Flex(view))
    }
}

impl VideoShell {
    fn look_now(self: &Rc<Self>) {
        if let Some(event) = self.look() {
            self.report(event);
        }
    }

    fn ask(self: &Rc<Self>, request: u64, url: String, wanted: Ask) {
        let shell = Rc::clone(self);
        let way = self.manager.token_text().and_then(|token| Some((token, self.running.begin(request)?)));
        let Some((token, signal)) = way else {
            return spawn_local(async move { shell.report(Event::Failed(request, Fault::NoToken)) });
        };
        spawn_local(async move {
            let answer = service::request(url, wanted, token, signal).await;
            // One that was forgotten is heard of by nobody.
            if shell.running.end(request) {
                shell.report(match answer {
                    Ok(answer) => Event::Answered(request, answer),
                    Err(fault) => Event::Failed(request, fault),
                });
            }
        });
    }

    fn show_window(self: &Rc<Self>, key: String, way_in: WayIn) {
        let Ok(key) = VideoKey::new(key) else { return self.report(Event::WindowRefused) };
        let (link, failed) = match way_in {
            WayIn::Soon => (None, None),
            WayIn::Link(link) => (Some(link), None),
            WayIn::Failed(said) => (None, Some(said)),
        };
        self.windows.show(ShowVideo { key, link, failed });
    }

    /// Flex's own action rejects when the message is not in the conversation. Read in 2.7.2 and 2.17.1.
    fn send(self: &Rc<Self>, task: String, conversation: &str, body: &Secret) {
        let message = object(&[("conversationSid", conversation.into()), ("body", body.expose().into())]);
        let shell = Rc::clone(self);
        let sent = self.flex.actions().invoke_action("SendMessage", &message);
        settle(sent, move |ok| shell.report(Event::Sent { task, ok }));
    }

    fn listen(self: &Rc<Self>) {
        let shell = Rc::clone(self);
        self.manager.on_change(move || shell.look_now());
        let shell = Rc::clone(self);
        self.manager.on_token_updated(move || shell.report(Event::TokenUpdated));
        let shell = Rc::downgrade(self);
        self.windows.on_refused(Rc::new(move || {
            if let Some(shell) = shell.upgrade() {
                shell.report(Event::WindowRefused);
            }
        }));
        let Some(document) = web_sys::window().and_then(|window| window.document()) else { return };
        let (shell, page) = (Rc::clone(self), document.clone());
        let changed =
            Closure::<dyn Fn()>::new(move || shell.report(Event::Visible(!page.hidden()))).into_js_value();
        warn_on_error(document.add_event_listener_with_callback("visibilitychange", changed.unchecked_ref()));
    }

    /// A button says itself what it is for, and for which task.
    fn clicked(self: &Rc<Self>, event: &JsValue) {
        let of = |name: &str| text(event, &["currentTarget", "dataset", name]);
        let (Some(task), Some(act)) = (of("task"), of("act")) else { return };
        let extension = self.windows.are_there();
        let admit = |admit| of("waiting").map(|waiting| Act::Admit(Admit { waiting, admit }));
        let act = match &*act {
            "open" => Some(Act::Open { extension }),
            "retry" => Some(Act::Retry { extension }),
            "send-again" => Some(Act::SendAgain),
            "new-link" => Some(Act::NewLink),
            "confirm" => Some(Act::Confirm),
            "cancel" => Some(Act::Cancel),
            "admit" => admit(true),
            "refuse" => admit(false),
            "end" => Some(Act::End),
            _ => None,
        };
        if let Some(act) = act {
            self.report(Event::Act(task, act));
        }
    }

    fn add_button(self: &Rc<Self>) {
        let shell = Rc::clone(self);
        let button = self.redraws.component(&self.flex, None, move |props| {
            let Some(task) = text(props, &["task", "taskSid"]) else { return Ok(JsValue::NULL) };
            let view = shell.event_loop.machine().button(&task);
            view.map_or(Ok(JsValue::NULL), |view| shell.brush(&task, &Theme::of(props)).button(&view))
        });
        let button = flex::create_element(&button, &key("holdfast-video-button"), &JsValue::UNDEFINED);
        let place = object(&[("sortOrder", JsValue::from_f64(1.0))]);
        warn_on_error(
            button.and_then(|button| self.flex.task_canvas_header().content().add(&button, &place)),
        );
    }

    fn add_card(self: &Rc<Self>) {
        let shell = Rc::clone(self);
        let card = self.redraws.component(&self.flex, None, move |props| {
            let Some(task) = text(props, &["task", "taskSid"]) else { return Ok(JsValue::NULL) };
            let view = shell.event_loop.machine().card(&task);
            view.map_or(Ok(JsValue::NULL), |view| shell.brush(&task, &Theme::of(props)).card(&view))
        });
        let card = flex::create_element(&card, &key("holdfast-video-card"), &JsValue::UNDEFINED);
        let place = object(&[("sortOrder", JsValue::from_f64(-1.0))]);
        warn_on_error(card.and_then(|card| self.flex.task_canvas().content().add(&card, &place)));
    }

    const fn brush<'a>(&'a self, task: &'a str, theme: &'a Theme) -> Brush<'a> {
        Brush { task, theme, click: &self.click }
    }
}

fn key(name: &str) -> js_sys::Object {
    object(&[("key", name.into())])
}
