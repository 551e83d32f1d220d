//! Carries out what [`crate::machine`] decides.

use std::{
    cell::{Cell, RefCell},
    rc::Rc,
};

use js_sys::{JSON, Object, Reflect};
use kernel::Monotonic;
use protocol::page::{Refusal, TYPE_PREFIX, ToExtension, ToPage, line};
use shell::{Clock as _, EventLoop, Shell as _};
use wasm_bindgen::prelude::*;
use web_sys::{MessageEvent, MessagePort, Window};
use webext::{Port, runtime};
use wire::{ToTree, Tree};

use crate::machine::{Channel, Command, Event, MAX_BODY, MAX_DEPTH, Machine, PortId, WorkerSays, read};

/// In the isolated world, where the page cannot see it: asks the instance that runs here whether it still serves.
const SENTINEL: &str = "holdfastServes";

type Listener = Closure<dyn FnMut(JsValue)>;

/// The machine, with the worker's message, or the page's port, that an event and its commands are about.
#[derive(Default)]
struct Proxy(Machine);

impl sansio::Machine for Proxy {
    type Time = Monotonic;
    type Event = (Event, JsValue);
    type Command = (Command, JsValue);

    fn handle(&mut self, (event, said): Self::Event, now: Monotonic) -> Vec<Self::Command> {
        let commands = self.0.handle(event, now).into_iter();
        commands.map(|command| (command, said.clone())).collect()
    }

    fn handle_timeout(&mut self, now: Monotonic) -> Vec<Self::Command> {
        let commands = self.0.handle_timeout(now).into_iter();
        commands.map(|command| (command, JsValue::UNDEFINED)).collect()
    }

    fn poll_timeout(&self) -> Option<Monotonic> {
        self.0.poll_timeout()
    }
}

struct Shell {
    window: Window,
    origin: String,
    proxy: EventLoop<Proxy>,
    /// The page's own port, and its listener.
    line: RefCell<Option<(MessagePort, Listener)>>,
    /// A port that was offered meanwhile.
    kept: RefCell<Option<MessagePort>>,
    port: RefCell<Option<(PortId, Port)>>,
    listeners: RefCell<Vec<(&'static str, Listener)>>,
    retired: Cell<bool>,
}

/// Starts the proxy, unless one serves this page already.
pub fn start() {
    let Some(window) = web_sys::window() else { return };
    let Ok(origin) = window.location().origin() else { return };
    if another_serves() {
        return;
    }
    let shell = Rc::new(Shell {
        window,
        origin,
        proxy: EventLoop::new(Proxy::default()),
        line: RefCell::default(),
        kept: RefCell::default(),
        port: RefCell::default(),
        listeners: RefCell::default(),
        retired: Cell::new(false),
    });

    let here = Rc::clone(&shell);
    let serves = Closure::<dyn Fn() -> bool>::new(move || !here.retired.get() && runtime::is_alive());
    // A fresh property of the isolated world's global object can always be set.
    let _was_set = Reflect::set(&js_sys::global(), &SENTINEL.into(), &serves.into_js_value());

    shell.listen("message", |shell, event| shell.page_posted(event));
    shell.listen("pagehide", |shell, event| shell.report_if_trusted(event, Event::Hidden));
    shell.listen("pageshow", |shell, event| shell.report_if_trusted(event, Event::Shown));
    if is_prerendering() {
        shell.report_event(Event::Prerendering);
        shell.listen("prerenderingchange", |shell, event| shell.report_if_trusted(event, Event::Activated));
    }
}

fn is_prerendering() -> bool {
    let document = Reflect::get(&js_sys::global(), &"document".into());
    document
        .and_then(|document| Reflect::get(&document, &"prerendering".into()))
        .is_ok_and(|answer| answer.is_truthy())
}

/// An instance of a replaced extension may still be here: that one does not count.
fn another_serves() -> bool {
    Reflect::get(&js_sys::global(), &SENTINEL.into())
        .ok()
        .and_then(|serves| serves.dyn_into::<js_sys::Function>().ok())
        .and_then(|serves| serves.call0(&JsValue::UNDEFINED).ok())
        .is_some_and(|answer| answer.is_truthy())
}

impl Shell {
    fn listen(self: &Rc<Self>, name: &'static str, on: fn(&Rc<Self>, &JsValue)) {
        let shell = Rc::clone(self);
        let closure = Listener::new(move |event| on(&shell, &event));
        // Also what is meant for the document comes by here on its way down.
        let callback = closure.as_ref().unchecked_ref();
        if self.window.add_event_listener_with_callback_and_bool(name, callback, true).is_ok() {
            self.listeners.borrow_mut().push((name, closure));
        }
    }

    /// Reports what brings nothing along.
    fn report_event(self: &Rc<Self>, event: Event) {
        self.report((event, JsValue::UNDEFINED));
    }

    /// What a script of the page made up is passed over.
    fn report_if_trusted(self: &Rc<Self>, made: &JsValue, event: Event) {
        if is_trusted(made) {
            self.report_event(event);
        }
    }

    /// A `message` event, from anybody. Only what this very page posted in its top frame is looked at.
    fn page_posted(self: &Rc<Self>, event: &JsValue) {
        let event: &MessageEvent = event.unchecked_ref();
        let from_this_window = event.source().is_some_and(|source| source == *self.window.as_ref());
        let data = event.data();
        let message_type = type_of(&data);
        let ours = message_type.as_ref().is_some_and(|name| name.starts_with(TYPE_PREFIX));
        if !from_this_window || !event.is_trusted() || event.origin() != self.origin {
            if ours {
                self.report_event(Event::Foreign);
            }
            return;
        }
        let port = event.ports().get(0);
        let channel = if port.is_undefined() { Channel::Window } else { Channel::WindowWithPort };
        if ours && channel == Channel::WindowWithPort {
            // Every listener of the window is handed the same port. Those of the page's scripts come after this one, unless
            // the extension came into a page that was open already.
            event.stop_immediate_propagation();
        }
        self.on_page_message(channel, message_type.as_deref(), &data, port);
    }

    /// A message of this page.
    fn on_page_message(
        self: &Rc<Self>,
        channel: Channel,
        message_type: Option<&str>,
        data: &JsValue,
        port: JsValue,
    ) {
        let turned_away = self.proxy.machine_mut().0.turns_away(channel, message_type, Monotonic::now());
        if let Some(event) = turned_away {
            return self.report_event(event);
        }
        let reading = read(message_type, || tree(data));
        self.report((Event::Page(channel, reading), port));
    }

    fn take_port(self: &Rc<Self>, port: &JsValue) {
        let Some(port) = port.dyn_ref::<MessagePort>() else { return };
        let shell = Rc::clone(self);
        let listener = Listener::new(move |event: JsValue| {
            if !is_trusted(&event) {
                return;
            }
            let data = event.unchecked_ref::<MessageEvent>().data();
            match type_of(&data).as_deref() {
                Some(line::LEFT) => shell.report_event(Event::LineLeft),
                Some(line::HERE) => shell.report_event(Event::LineHere),
                name => shell.on_page_message(Channel::Port, name, &data, JsValue::UNDEFINED),
            }
        });
        // Starts the port, too.
        port.set_onmessage(Some(listener.as_ref().unchecked_ref()));
        self.leave_line();
        *self.line.borrow_mut() = Some((port.clone(), listener));
    }

    fn leave_line(&self) {
        if let Some((port, listener)) = self.line.borrow_mut().take() {
            port.set_onmessage(None);
            // What was sent before is delivered.
            port.close();
            // This may run inside this very closure, so it must not be dropped.
            listener.forget();
        }
    }

    fn keep_port(&self, port: Option<MessagePort>) {
        if let Some(older) = self.kept.replace(port) {
            older.close();
        }
    }

    fn connect(self: &Rc<Self>, id: PortId) {
        let Ok(port) = webext::connect(protocol::port::PAGE) else {
            return self.report_event(Event::Closed { port: id, alive: runtime::is_alive() });
        };
        let shell = Rc::clone(self);
        port.on_value(move |said| {
            if let Some(says) = type_of(&said).and_then(|name| WorkerSays::of(&name)) {
                shell.report((Event::Worker(id, says), said));
            }
        });
        let shell = Rc::clone(self);
        port.on_disconnect(move || {
            shell.report_event(Event::Closed { port: id, alive: runtime::is_alive() });
        });
        *self.port.borrow_mut() = Some((id, port));
    }

    /// Sends over that connection; false when it is gone.
    fn sent<T: ToTree>(&self, id: PortId, message: &T) -> bool {
        match &*self.port.borrow() {
            Some((open, port)) if *open == id => port.post(message).is_ok(),
            _ => false,
        }
    }

    fn send(self: &Rc<Self>, id: PortId, message: ToExtension) {
        if !self.sent(id, &message) {
            self.report_event(Event::NotSent { port: id, message, alive: runtime::is_alive() });
        }
    }

    fn post_typed(&self, message: &ToPage) {
        self.post(&webext::to_js(message));
    }

    fn post(&self, value: &JsValue) {
        // Fails only for a value that cannot be cloned, and what came over a port was a clone.
        let _posted = match &*self.line.borrow() {
            Some((port, _)) => port.post_message(value),
            None => self.window.post_message(value, &self.origin),
        };
    }

    fn retire(&self) {
        self.retired.set(true);
        *self.port.borrow_mut() = None;
        self.leave_line();
        self.keep_port(None);
        for (name, closure) in self.listeners.take() {
            // Removing a listener that was added cannot fail.
            let callback = closure.as_ref().unchecked_ref();
            let _removed = self.window.remove_event_listener_with_callback_and_bool(name, callback, true);
            // This may run inside this very closure, so it must not be dropped.
            closure.forget();
        }
    }
}

impl shell::Shell for Shell {
    type Machine = Proxy;

    fn event_loop(&self) -> &EventLoop<Proxy> {
        &self.proxy
    }

    fn carry_out(self: &Rc<Self>, (command, said): (Command, JsValue)) {
        match command {
            Command::Connect(id) => self.connect(id),
            Command::Close(id) => {
                if let Some((_, port)) = self.port.borrow_mut().take_if(|(open, _)| *open == id) {
                    port.disconnect();
                }
            }
            Command::Send(id, message) => self.send(id, message),
            Command::Report(id, code) => {
                self.sent(id, &Refusal::Refused { code });
            }
            Command::ReportDropped { port, foreign, flooded, contested } => {
                self.sent(port, &Refusal::Dropped { foreign, flooded, contested });
            }
            Command::TakePort => self.take_port(&said),
            Command::Ask => {
                let question = Object::new();
                if Reflect::set(&question, &"type".into(), &line::ASK.into()).is_ok() {
                    self.post(&question);
                }
            }
            Command::KeepPort => self.keep_port(said.dyn_ref::<MessagePort>().cloned()),
            Command::TakeKeptPort => {
                let kept = self.kept.take();
                self.take_port(kept.as_ref().map_or(&JsValue::UNDEFINED, AsRef::as_ref));
            }
            Command::DropKeptPort => self.keep_port(None),
            Command::Relay => self.post(&said),
            Command::Post(message) => self.post_typed(&message),
            Command::Look => self.report_event(Event::Looked { alive: runtime::is_alive() }),
            Command::Retire => self.retire(),
        }
    }
}

/// True of what the browser itself made.
fn is_trusted(event: &JsValue) -> bool {
    event.unchecked_ref::<web_sys::Event>().is_trusted()
}

fn type_of(message: &JsValue) -> Option<String> {
    let named = message.is_object().then(|| Reflect::get(message, &"type".into()));
    named?.ok()?.as_string()
}

/// All of a page's value; `None` when JSON cannot tell it, or it is longer or deeper than is read.
fn tree(value: &JsValue) -> Option<Tree> {
    // By way of JSON, so that what is walked through is plain: no getter, no prototype, no circle.
    let json = JSON::stringify(value).ok()?;
    let is_text = JsValue::is_string(&json);
    if !is_text || usize::try_from(json.length()).map_or(true, |length| length > MAX_BODY) {
        return None;
    }
    webext::tree_of(&JSON::parse(&String::from(json)).ok()?, MAX_DEPTH)
}
