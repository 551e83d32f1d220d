//! Turns what happens in the page into events, and carries out commands. Decides nothing.

mod call_object;
mod header;

use std::cell::{Cell, RefCell};
use std::collections::VecDeque;
use std::rc::Rc;

use gloo_timers::callback::Interval;
use js_sys::{Function, Object, Promise};
use protocol::Timestamp;
use protocol::page::{TO_PAGE_TYPES, ToExtension, ToPage};
use serde::Serialize;
use wasm_bindgen::prelude::*;
use wasm_bindgen_futures::{JsFuture, spawn_local};

use self::call_object::CallObject;
use self::header::Header;
use crate::flex::{self, Flex, Manager, at, object};
use crate::machine::{Boot, Command, Event, FlexView, Intent, Machine, Severity, StandIn, TICK_MS};

/// Where a tab keeps the activity to go back to. Holds an activity SID.
const REMEMBERED_KEY: &str = "holdfast.previousActivity";

/// How long notifications stay, in milliseconds. Short, because the bar covers the first task's buttons.
const NOTIFICATION_MS: f64 = 5_000.0;

/// Starts the plugin. Called once, by `entry.js`, with the arguments of Flex's `init`.
#[wasm_bindgen]
pub fn start(flex: Flex, manager: Manager) {
    console_error_panic_hook::set_once();
    let boot = Boot {
        enabled: manager.worker_attribute("extensionVoiceClientEnabled").as_bool() == Some(true),
        account_sid: manager.account_sid().unwrap_or_default(),
        settings: manager.settings(),
        remembered_activity: session_storage().and_then(|s| s.get_item(REMEMBERED_KEY).ok().flatten()),
        flex: flex::view(&flex, &manager, None),
    };
    let enabled = boot.enabled;
    web_sys::console::info_1(&JsValue::from_str(&format!(
        "Holdfast {}: voice client {}",
        env!("CARGO_PKG_VERSION"),
        if enabled { "enabled" } else { "not enabled for this worker" }
    )));
    let shell = Rc::new(Shell {
        view: RefCell::new(boot.flex.clone()),
        machine: RefCell::new(Machine::new(boot, now())),
        inbox: RefCell::default(),
        busy: Cell::new(false),
        look_planned: Cell::new(false),
        call: RefCell::default(),
        header: Header::new(),
        flex,
        manager,
    });
    if enabled {
        shell.register_notifications();
        shell.header.add_to(&shell.flex);
        shell.listen_to_messages();
        shell.listen_to_actions();
    }
    shell.listen_to_flex();
    shell.take(Event::Started);
    let ticking = Rc::clone(&shell);
    Interval::new(TICK_MS, move || ticking.take(Event::Tick)).forget();
}

/// The plugin's half that touches the page.
struct Shell {
    flex: Flex,
    manager: Manager,
    machine: RefCell<Machine>,
    inbox: RefCell<VecDeque<Event>>,
    busy: Cell<bool>,
    look_planned: Cell<bool>,
    view: RefCell<FlexView>,
    call: RefCell<Option<Rc<CallObject>>>,
    header: Header,
}

impl Shell {
    /// Gives the machine an event.
    fn take(self: &Rc<Self>, event: Event) {
        self.inbox.borrow_mut().push_back(event);
        self.work();
    }

    /// Shows the machine Flex's store and every waiting event, and carries out its commands. Events that a
    /// command causes wait their turn.
    fn work(self: &Rc<Self>) {
        if self.busy.replace(true) {
            return;
        }
        loop {
            self.look();
            let next = self.inbox.borrow_mut().pop_front();
            let Some(event) = next else { break };
            self.handle(event);
        }
        self.busy.set(false);
    }

    /// Shows the machine Flex's store, if it has changed.
    fn look(self: &Rc<Self>) {
        let view = {
            let call = self.call.borrow();
            flex::view(&self.flex, &self.manager, call.as_ref().map(|call| call.object()))
        };
        if *self.view.borrow() != view {
            self.view.replace(view.clone());
            self.handle(Event::Flex(view));
        }
    }

    fn handle(self: &Rc<Self>, event: Event) {
        let commands = self.machine.borrow_mut().handle(event, now());
        for command in commands {
            self.carry_out(command);
        }
    }

    fn carry_out(self: &Rc<Self>, command: Command) {
        match command {
            Command::Post(message) => post(&message),
            Command::PostToken(account) => {
                if let Some(payload) = self.manager.token(account) {
                    post(&ToExtension::FlexToken { payload });
                }
            }
            Command::SetContactUri(uri) => self.set_contact_uri(uri),
            Command::SetActivity(sid) => {
                let payload = object(&[("activitySid", JsValue::from_str(&sid))]);
                settle(self.flex.actions().invoke_action("SetActivity", &payload), |_| {});
            }
            Command::Remember(sid) => remember(sid.as_deref()),
            Command::InstallCall(call) => self.install_call(call),
            Command::ShowMute(muted) => {
                if let Some(call) = &*self.call.borrow() {
                    call.set_muted(muted);
                }
                self.dispatch_if_ours("PHONE_TOGGLE_MUTE");
                if let Some(call) = self.current_call() {
                    call.emit("mute", &[JsValue::from_bool(muted), call.object().into()]);
                }
            }
            Command::ShowPhase(phase) => {
                if let Some(call) = &*self.call.borrow() {
                    call.set_phase(phase);
                }
            }
            Command::RemoveCall => {
                self.dispatch_if_ours("PHONE_REMOVE_CALL");
                let removed = self.call.borrow_mut().take();
                if let Some(call) = removed {
                    call.end();
                }
            }
            Command::TakeOverActions => self.take_over_actions(),
            Command::Notify(severity, text) => self.notify(severity, &text),
            Command::ShowStatus(line) => self.header.show(line),
        }
    }

    fn current_call(&self) -> Option<Rc<CallObject>> {
        self.call.borrow().clone()
    }

    fn install_call(self: &Rc<Self>, stand_in: StandIn) {
        let same = self.current_call().filter(|call| call.sid() == stand_in.sid);
        let call = same.unwrap_or_else(|| {
            let shell = Rc::clone(self);
            CallObject::new(&stand_in, Rc::new(move |event| shell.take(event)))
        });
        call.set_muted(stand_in.muted);
        call.set_phase(stand_in.phase);
        self.call.replace(Some(Rc::clone(&call)));
        self.dispatch("PHONE_ADD_CALL", call.object());
        let took = Object::is(&self.manager.active_call(), call.object());
        self.take(Event::CallInstalled { took });
    }

    /// These two action types write the store's call whatever it is, so they are kept from a call that is not
    /// ours.
    fn dispatch_if_ours(&self, kind: &str) {
        if let Some(call) = self.current_call()
            && Object::is(&self.manager.active_call(), call.object())
        {
            self.dispatch(kind, call.object());
        }
    }

    fn dispatch(&self, kind: &str, payload: &Object) {
        let action = object(&[("type", JsValue::from_str(kind)), ("payload", payload.into())]);
        warn_on_error(self.manager.store().dispatch(&action));
    }

    fn set_contact_uri(self: &Rc<Self>, uri: String) {
        let shell = Rc::clone(self);
        let request = self.manager.set_worker_attribute("contact_uri", &JsValue::from_str(&uri));
        settle(request, move |ok| shell.take(Event::ContactUriSet { ok }));
    }

    fn register_notifications(&self) {
        // The text comes with each showing, as the notification's context.
        let content = Closure::<dyn Fn(JsValue) -> JsValue>::new(|props: JsValue| {
            let text = at(&props, &["notificationContext", "text"]);
            if text.is_string() { text } else { JsValue::NULL }
        })
        .into_js_value();
        for (id, kind) in [(INFO, "information"), (WARNING, "warning")] {
            let Ok(element) = flex::create_element(&content, &Object::new(), &JsValue::UNDEFINED) else {
                return;
            };
            let registered = self.flex.notifications().register(&object(&[
                ("id", JsValue::from_str(id)),
                ("type", JsValue::from_str(kind)),
                ("content", element),
                ("timeout", JsValue::from_f64(NOTIFICATION_MS)),
                ("closeButton", JsValue::TRUE),
            ]));
            drop(registered); // an error says that it is registered already, which serves as well
        }
    }

    fn notify(&self, severity: Severity, text: &str) {
        let id = match severity {
            Severity::Info => INFO,
            Severity::Warning => WARNING,
        };
        let notifications = self.flex.notifications();
        warn_on_error(notifications.dismiss(id)); // one of a kind at a time
        warn_on_error(notifications.show(id, &object(&[("text", JsValue::from_str(text))])));
    }

    fn listen_to_messages(self: &Rc<Self>) {
        let Some(window) = web_sys::window() else { return };
        let origin = window.location().origin().unwrap_or_default();
        let (shell, own) = (Rc::clone(self), window.clone());
        let listener = Closure::<dyn Fn(web_sys::MessageEvent)>::new(move |event: web_sys::MessageEvent| {
            let ours =
                event.source().is_some_and(|source| Object::is(&source, &own)) && event.origin() == origin;
            if ours && let Some(message) = parse(event.data()) {
                shell.take(Event::Message(message));
            }
        })
        .into_js_value();
        warn_on_error(window.add_event_listener_with_callback("message", listener.unchecked_ref()));
    }

    fn listen_to_flex(self: &Rc<Self>) {
        // Flex dispatches many times in one turn; it is looked at once, at the turn's end.
        let shell = Rc::clone(self);
        let changed = Closure::<dyn Fn()>::new(move || {
            if !shell.look_planned.replace(true) {
                let shell = Rc::clone(&shell);
                spawn_local(async move {
                    shell.look_planned.set(false);
                    shell.work();
                });
            }
        })
        .into_js_value();
        warn_on_error(self.manager.store().subscribe(changed.unchecked_ref()));

        let shell = Rc::clone(self);
        let updated = Closure::<dyn Fn()>::new(move || shell.take(Event::TokenUpdated)).into_js_value();
        if let Some(events) = self.manager.events() {
            warn_on_error(events.add_listener("tokenUpdated", updated.unchecked_ref()));
        }
    }

    fn listen_to_actions(self: &Rc<Self>) {
        // A listener that throws lets the action through (Flex fails open): nothing in these can throw.
        for (event, intent) in
            [("beforeAcceptTask", Intent::AcceptCall), ("beforeStartOutboundCall", Intent::DialOut)]
        {
            let shell = Rc::clone(self);
            let listener =
                Closure::<dyn Fn(JsValue, Function)>::new(move |payload: JsValue, abort: Function| {
                    let concerns_us =
                        intent == Intent::DialOut || flex::is_call(&shell.flex, &at(&payload, &["task"]));
                    if concerns_us && shell.machine.borrow().refuses(now()) {
                        warn_on_error(abort.call0(&JsValue::UNDEFINED));
                        shell.take(Event::Refused(intent));
                    }
                })
                .into_js_value();
            warn_on_error(self.flex.actions().add_listener(event, listener.unchecked_ref()));
        }
    }

    fn take_over_actions(self: &Rc<Self>) {
        type ToEvent = fn(&Flex, &JsValue) -> Option<Event>;
        let actions: [(&str, ToEvent); 4] = [
            ("HangupCall", |_, _| Some(Event::HangUp)),
            ("ToggleMute", |_, _| Some(Event::ToggleMute)),
            ("SendDTMFDigits", |_, payload| {
                Some(Event::Digits(at(payload, &["digits"]).as_string().unwrap_or_default()))
            }),
            // Without a call in the store this is what Flex's hang-up buttons invoke. Once the extension has
            // hung up, TaskRouter moves the task to wrap-up by itself. Inferred from the replaced plugin,
            // which relied on it.
            ("WrapupTask", |flex, payload| {
                let task = at(payload, &["task"]);
                let live = flex::is_call(flex, &task)
                    && at(&task, &["status"]).as_string().as_deref() == Some("accepted");
                live.then_some(Event::HangUp)
            }),
        ];
        for (action, to_event) in actions {
            let shell = Rc::clone(self);
            let replacement = Closure::<dyn Fn(JsValue, JsValue, JsValue) -> JsValue>::new(
                move |payload: JsValue, original: JsValue, next: JsValue| {
                    let ours = shell.machine.borrow().takes_over();
                    if let Some(event) = ours.then(|| to_event(&shell.flex, &payload)).flatten() {
                        shell.take(event);
                        return JsValue::UNDEFINED;
                    }
                    // `next` is the chain of other replacements, `original` Flex's own function.
                    let rest = if next.is_function() { next } else { original };
                    rest.dyn_ref::<Function>()
                        .map_or(Ok(JsValue::UNDEFINED), |rest| rest.call1(&JsValue::UNDEFINED, &payload))
                        .unwrap_or_else(|error| Promise::reject(&error).into())
                },
            )
            .into_js_value();
            warn_on_error(self.flex.actions().replace_action(action, replacement.unchecked_ref()));
        }
    }
}

const INFO: &str = "HoldfastInformation";
const WARNING: &str = "HoldfastWarning";

/// Understands a message of the extension; `None` for everything else that flies about in a page.
fn parse(data: JsValue) -> Option<ToPage> {
    let kind = at(&data, &["type"]).as_string()?;
    if !TO_PAGE_TYPES.contains(&kind.as_str()) {
        return None;
    }
    serde_wasm_bindgen::from_value(data).ok()
}

fn post(message: &ToExtension) {
    let Some(window) = web_sys::window() else { return };
    let Ok(value) = message.serialize(&serde_wasm_bindgen::Serializer::json_compatible()) else { return };
    let origin = window.location().origin().unwrap_or_default();
    warn_on_error(window.post_message(&value, &origin));
}

fn session_storage() -> Option<web_sys::Storage> {
    web_sys::window()?.session_storage().ok().flatten()
}

fn remember(sid: Option<&str>) {
    // Without session storage the activity is remembered until the next reload only.
    let Some(storage) = session_storage() else { return };
    warn_on_error(match sid {
        Some(sid) => storage.set_item(REMEMBERED_KEY, sid),
        None => storage.remove_item(REMEMBERED_KEY),
    });
}

/// Waits for a request and says whether it worked.
fn settle(request: Result<Promise, JsValue>, then: impl FnOnce(bool) + 'static) {
    spawn_local(async move {
        let ok = match request {
            Ok(promise) => JsFuture::from(promise).await.is_ok(),
            Err(_) => false,
        };
        then(ok);
    });
}

/// What Flex throws is its own words about its own objects, never a token of ours.
fn warn_on_error<T>(result: Result<T, JsValue>) {
    if let Err(error) = result {
        web_sys::console::warn_2(&JsValue::from_str("Holdfast:"), &error);
    }
}

#[expect(clippy::disallowed_methods, reason = "the shell's one reading of the clock")]
fn now() -> Timestamp {
    Timestamp::from_js(js_sys::Date::now()).unwrap_or_default()
}
