//! Turns what happens in the page into events, and carries out commands. Decides nothing.

mod formats;
mod paper;
mod row;
mod service;
mod store;
mod tab;

use std::cell::{Ref, RefCell};
use std::rc::{Rc, Weak};

use ::shell::{Clock as _, EventLoop, Shell};
use js_sys::{Function, Promise};
use kernel::Monotonic;
use wasm_bindgen::prelude::*;
use wasm_bindgen_futures::spawn_local;

use self::formats::Formats;
use self::tab::{Host, Tab};
use crate::ask::Running;
use crate::chat_history::machine::flex_view::FlexView;
use crate::chat_history::machine::trouble::Fault;
use crate::chat_history::machine::{Act, Command, Config, Event, Machine, What, transcript};
use crate::draw::{Redraws, Theme, element, style};
use crate::flex::{self, Flex, Manager, at, object, text};
use crate::outcome::{settle, warn_on_error};
use crate::tab_storage;
use crate::words::{Language, Text, Words};

/// Where the tab's own storage keeps what outlives a reload.
const KEPT_KEY: &str = "holdfast.history";

/// Serves this page's agent, where chat history is switched on.
pub fn serve(flex: Flex, manager: Manager) {
    let Some(config) = Config::new(&store::settings(&manager)) else { return };
    let language = manager.language();
    let words = Words::new(Language::from_tag(language.as_deref().unwrap_or_default()), manager.own_texts());
    let kept = tab_storage::read(KEPT_KEY);
    let shell = Rc::new_cyclic(|this: &Weak<HistoryShell>| HistoryShell {
        event_loop: EventLoop::new(Machine::new(config, words, &kept, ::shell::seed(), Monotonic::now())),
        view: RefCell::default(),
        running: Running::default(),
        tab: Tab::new(Weak::clone(this) as Weak<dyn Host>),
        banners: Redraws::default(),
        tabs: Redraws::default(),
        formats: Formats::new(language),
        flex,
        manager,
    });
    shell.listen_to_flex();
    shell.listen_to_complete();
    shell.add_tab();
    shell.add_banner();
    shell.look_now();
}

/// The half of chat history that touches the page.
struct HistoryShell {
    flex: Flex,
    manager: Manager,
    event_loop: EventLoop<Machine>,
    view: RefCell<FlexView>,
    /// What can still be forgotten.
    running: Running,
    tab: Tab,
    /// React's ways to draw what is mounted again.
    banners: Redraws,
    tabs: Redraws,
    formats: Formats,
}

impl Shell for HistoryShell {
    type Machine = Machine;

    fn event_loop(&self) -> &EventLoop<Machine> {
        &self.event_loop
    }

    fn carry_out(self: &Rc<Self>, command: Command) {
        match command {
            Command::Get { request, url, what } => self.get(request, url, what),
            Command::Forget(request) => self.running.forget(request),
            Command::Draw(_) => self.redraw(),
            Command::SelectTab => {
                let tab = object(&[("selectedTabName", JsValue::from_str(store::TAB))]);
                let state = object(&[("name", "AgentTaskCanvasTabs".into()), ("state", tab.into())]);
                settle(self.flex.actions().invoke_action("SetComponentState", &state), |_| {});
            }
            Command::Keep(text) => tab_storage::write(KEPT_KEY, &text),
            Command::Copy(task) => {
                let (shell, text) = (Rc::clone(self), self.transcript(&task));
                settle(copy(&text), move |ok| {
                    let ok = ok || paper::copy(&text).unwrap_or(false);
                    shell.report(Event::Act(task, Act::Copied { ok }));
                });
            }
            Command::Print(task) => {
                let title = self.event_loop.machine().words().plain(Text::HistoryMessages);
                warn_on_error(paper::print(&title, &self.transcript(&task)));
            }
            Command::Open(url) => {
                if service::is_web(&url) {
                    warn_on_error(paper::open(&url));
                }
            }
        }
    }

    fn look(&self) -> Option<Event> {
        let view = store::view(&self.manager);
        if *self.view.borrow() == view {
            return None;
        }
        self.view.replace(view.clone());
        Some(Event::Flex(view))
    }
}

impl Host for HistoryShell {
    fn machine(&self) -> Ref<'_, Machine> {
        self.event_loop.machine()
    }

    fn act(self: Rc<Self>, task: &str, act: Act) {
        self.report(Event::Act(task.to_owned(), act));
    }

    fn redraw(&self) {
        self.banners.draw();
        self.tabs.draw();
    }

    fn formats(&self) -> &Formats {
        &self.formats
    }

    fn tab(&self) -> &Tab {
        &self.tab
    }
}

impl HistoryShell {
    fn look_now(self: &Rc<Self>) {
        if let Some(event) = self.look() {
            self.report(event);
        }
    }

    fn transcript(&self, task: &str) -> String {
        let machine = self.event_loop.machine();
        let when = |moment: &str| self.formats.both(moment);
        machine
            .chat(task)
            .map(|chat| transcript::transcript(chat.timeline(), machine.words(), &when))
            .unwrap_or_default()
    }

    fn get(self: &Rc<Self>, request: u64, url: String, what: What) {
        let shell = Rc::clone(self);
        let way = self.manager.token_text().and_then(|token| Some((token, self.running.begin(request)?)));
        let Some((token, signal)) = way else {
            return spawn_local(async move { shell.report(Event::Failed(request, Fault::NoToken)) });
        };
        spawn_local(async move {
            let answer = service::get(url, token, what, signal).await;
            // One that was forgotten is heard of by nobody.
            if shell.running.end(request) {
                shell.report(match answer {
                    Ok(answer) => Event::Answered(request, answer),
                    Err(fault) => Event::Failed(request, fault),
                });
            }
        });
    }

    fn listen_to_flex(self: &Rc<Self>) {
        let shell = Rc::clone(self);
        self.manager.on_change(move || shell.look_now());
        let shell = Rc::clone(self);
        self.manager.on_token_updated(move || shell.report(Event::TokenUpdated));
    }

    /// A task must always be completable: what goes wrong in here lets the action through.
    fn listen_to_complete(self: &Rc<Self>) {
        let shell = Rc::clone(self);
        let listener = Closure::<dyn Fn(JsValue, JsValue)>::new(move |payload: JsValue, abort: JsValue| {
            shell.look_now();
            let sid = text(&payload, &["task", "sid"]).or_else(|| text(&payload, &["sid"]));
            let Some(sid) = sid else { return };
            let refused = shell.event_loop.machine().refuses_to_complete(&sid, Monotonic::now());
            if refused && let Some(abort) = abort.dyn_ref::<Function>() {
                warn_on_error(abort.call0(&JsValue::UNDEFINED));
                shell.report(Event::CompleteRefused(sid));
            }
        })
        .into_js_value();
        warn_on_error(self.flex.actions().add_listener("beforeCompleteTask", listener.unchecked_ref()));
    }

    fn add_tab(self: &Rc<Self>) {
        let host: Rc<dyn Host> = Rc::<Self>::clone(self);
        let drawn = Rc::clone(&host);
        let after = Closure::<dyn Fn()>::new(move || drawn.tab().was_drawn(&drawn)).into_js_value();
        let body = self
            .tabs
            .component(&self.flex, Some(after.unchecked_into()), move |props| Tab::draw(&host, props));
        let body = flex::create_element(&body, &object(&[("key", "body".into())]), &JsValue::UNDEFINED);
        let label = self.event_loop.machine().words().plain(Text::HistoryTab);
        let props = object(&[
            ("key", store::TAB.into()),
            ("uniqueName", store::TAB.into()),
            ("label", label.into()),
            ("data-testid", store::TAB.into()),
        ]);
        let tab = body.and_then(|body| flex::create_element(&self.flex.tab(), &props, &body));
        let shell = Rc::clone(self);
        let wanted = Closure::<dyn Fn(JsValue) -> bool>::new(move |props: JsValue| {
            let task = at(&props, &["task"]);
            task.is_object() && shell.event_loop.machine().has_tab(store::source(&task))
        })
        .into_js_value();
        let place = object(&[("sortOrder", JsValue::from_f64(3.0)), ("if", wanted)]);
        warn_on_error(tab.and_then(|tab| self.flex.task_canvas_tabs().content().add(&tab, &place)));
    }

    fn add_banner(self: &Rc<Self>) {
        let shell = Rc::clone(self);
        let banner = self.banners.component(&self.flex, None, move |props| shell.draw_banner(props));
        let props = object(&[("key", "holdfast-history-banner".into())]);
        let banner = flex::create_element(&banner, &props, &JsValue::UNDEFINED);
        let place = object(&[("sortOrder", JsValue::from_f64(-1.0))]);
        warn_on_error(banner.and_then(|banner| self.flex.task_canvas().content().add(&banner, &place)));
    }

    fn draw_banner(self: &Rc<Self>, props: &JsValue) -> Result<JsValue, JsValue> {
        let Some(task) = text(props, &["task", "taskSid"]) else { return Ok(JsValue::NULL) };
        let Some(banner) = self.event_loop.machine().banner(&task) else { return Ok(JsValue::NULL) };
        let theme = Theme::of(props);
        let mut parts = Vec::new();
        if let Some(warning) = &banner.warning {
            let (ground, ink) = if theme.dark { ("#4a3300", "#ffe0a3") } else { ("#fff1d6", "#4a3300") };
            let box_ = bar(ground, ink);
            parts.push(element(
                "div",
                &[
                    ("key", "warning".into()),
                    ("role", "alert".into()),
                    ("data-testid", "holdfast-history-warning".into()),
                    ("style", box_),
                ],
                &[
                    element("span", &[("aria-hidden", JsValue::TRUE)], &["⚠".into()])?,
                    warning.as_str().into(),
                ],
            )?);
        }
        if let Some([text, open, close]) = &banner.earlier {
            let on = |act: fn() -> Act| self.handler(&task, move |_| Some(act()));
            let plain = [
                ("background", "none"),
                ("border", "0"),
                ("padding", "4px"),
                ("font", "inherit"),
                ("color", "inherit"),
                ("cursor", "pointer"),
            ];
            let mut link = plain.to_vec();
            link.extend([("textDecoration", "underline"), ("fontWeight", "600"), ("whiteSpace", "nowrap")]);
            let mut cross = plain.to_vec();
            cross.extend([("marginInlineStart", "auto"), ("lineHeight", "1")]);
            let (ground, ink) = if theme.dark { ("#0b3a6e", "#ffffff") } else { ("#e3effd", "#06275a") };
            parts.push(element(
                "div",
                &[
                    ("key", "earlier".into()),
                    ("role", "status".into()),
                    ("data-testid", "holdfast-history-banner".into()),
                    ("style", bar(ground, ink)),
                ],
                &[
                    element("span", &[], &[text.as_str().into()])?,
                    element(
                        "button",
                        &[
                            ("type", "button".into()),
                            ("data-testid", "holdfast-history-open".into()),
                            ("onClick", on(|| Act::OpenTab)),
                            ("style", style(&link)),
                        ],
                        &[open.as_str().into()],
                    )?,
                    element(
                        "button",
                        &[
                            ("type", "button".into()),
                            ("data-testid", "holdfast-history-close".into()),
                            ("aria-label", close.as_str().into()),
                            ("title", close.as_str().into()),
                            ("onClick", on(|| Act::CloseBanner)),
                            ("style", style(&cross)),
                        ],
                        &["✕".into()],
                    )?,
                ],
            )?);
        }
        element("div", &[("className", "Holdfast-HistoryBanner".into())], &parts)
    }

    /// A handler of React's for one drawing.
    fn handler(self: &Rc<Self>, task: &str, to_act: impl Fn(&JsValue) -> Option<Act> + 'static) -> JsValue {
        let (shell, task) = (Rc::clone(self), task.to_owned());
        Closure::<dyn Fn(JsValue)>::new(move |event: JsValue| {
            if let Some(act) = to_act(&event) {
                Rc::clone(&shell).act(&task, act);
            }
        })
        .into_js_value()
    }
}

/// A line above the task.
fn bar(ground: &str, ink: &str) -> JsValue {
    style(&[
        ("display", "flex"),
        ("gap", "8px"),
        ("alignItems", "center"),
        ("padding", "6px 12px"),
        ("fontSize", "14px"),
        ("lineHeight", "20px"),
        ("color", ink),
        ("backgroundColor", ground),
    ])
}

fn copy(text: &str) -> Result<Promise, JsValue> {
    let window = web_sys::window().ok_or(JsValue::UNDEFINED)?;
    let clipboard = at(&window, &["navigator", "clipboard"]);
    let write = at(&clipboard, &["writeText"]);
    let write = write.dyn_ref::<Function>().ok_or(JsValue::UNDEFINED)?;
    write.call1(&clipboard, &JsValue::from_str(text)).map(|promise| Promise::resolve(&promise))
}
