//! Turns what happens in the page into events, and carries out commands. Decides nothing.

mod call_object;
mod header;

use std::cell::RefCell;
use std::rc::{Rc, Weak};

use ::shell::{Clock as _, EventLoop, Shell};
use js_sys::{Array, Function, Object, Promise};
use kernel::{Monotonic, Timestamp};
use lifeline::channel::{Channel, ChannelChoice, Hello};
use protocol::page::{ShowVideo, ToExtension, ToPage, line};
use wasm_bindgen::prelude::*;
use web_sys::{MessageChannel, MessageEvent, MessagePort};

use self::call_object::CallObject;
use self::header::Header;
use crate::flex::{self, Flex, Manager, at, object};
use crate::machine::i18n::{Language, Text, Words};
use crate::machine::{
    Boot, CallProxy, Command, Control, Dial, Event, FlexView, Intent, Machine, Settings, Severity,
};
use crate::outcome::{settle, warn_on_error};
use crate::windows::Windows;

/// Where the browser keeps the activity to go back to, for all tabs: the worker's SID and the activity's.
const REMEMBERED_KEY: &str = "holdfast.previousActivity";

/// How long notifications stay, in milliseconds. Short, because the bar covers the first task's buttons.
const NOTIFICATION_MS: f64 = 5_000.0;

/// What the build was given, for a Flex whose configuration says nothing.
fn build_defaults() -> Settings {
    let text = |value: Option<&str>| value.map(str::to_owned);
    Settings {
        token_service_url: text(option_env!("HOLDFAST_TOKEN_SERVICE_URL")),
        identity_prefix: text(option_env!("HOLDFAST_IDENTITY_PREFIX")),
        offline_activity: text(option_env!("HOLDFAST_OFFLINE_ACTIVITY")),
        ..Settings::default()
    }
}

/// Serves this page's agent. What is given back shows windows in the extension.
pub fn serve(flex: Flex, manager: Manager, fail_closed: Function) -> Rc<dyn Windows> {
    let view = view(&flex, &manager, None);
    let language = Language::from_tag(&manager.language().unwrap_or_default());
    let boot = Boot {
        account_sid: manager.account_sid().unwrap_or_default(),
        settings: manager.settings(build_defaults()),
        words: Words::new(language, manager.own_texts()),
        flex: view.clone(),
    };
    web_sys::console::info_1(&JsValue::from_str(&format!(
        "Holdfast {}: voice client {}",
        env!("CARGO_PKG_VERSION"),
        if view.enabled { "enabled" } else { "not enabled for this worker" }
    )));
    let shell = Rc::new_cyclic(|this: &Weak<VoiceShell>| {
        let this = Weak::clone(this);
        VoiceShell {
            event_loop: EventLoop::new(Machine::new(boot, Monotonic::now())),
            view: RefCell::new(view),
            call: RefCell::default(),
            channel: RefCell::default(),
            port: RefCell::default(),
            header: Header::new(move |event| {
                if let Some(shell) = this.upgrade() {
                    shell.report(event);
                }
            }),
            fail_closed,
            video_refused: RefCell::default(),
            flex,
            manager,
        }
    });
    // Also for a worker for whom the voice client is not enabled: it may become so at any time.
    shell.register_notifications();
    shell.header.add_to(&shell.flex);
    shell.listen_to_messages();
    shell.listen_to_actions();
    shell.listen_to_flex();
    shell.replace_hang_up();
    shell.replace_dial();
    shell.watch_logout();
    shell.report(Event::Started);
    Rc::new(Extension(shell))
}

/// The windows of video, over the port that voice holds.
struct Extension(Rc<VoiceShell>);

impl Windows for Extension {
    fn are_there(&self) -> bool {
        let is_private = self.0.channel.borrow().channel() == Channel::Port;
        is_private && self.0.event_loop.machine().shows_video(Monotonic::now())
    }

    fn show(&self, window: ShowVideo) {
        self.0.report(Event::ShowVideo(window));
    }

    fn on_refused(&self, told: Rc<dyn Fn()>) {
        self.0.video_refused.replace(Some(told));
    }
}

type Listener = Closure<dyn Fn(MessageEvent)>;

/// The plugin's half that touches the page.
struct VoiceShell {
    flex: Flex,
    manager: Manager,
    event_loop: EventLoop<Machine>,
    view: RefCell<FlexView>,
    call: RefCell<Option<Rc<CallObject>>>,
    channel: RefCell<ChannelChoice>,
    /// Our end of what the last CONFIGURE offered, and its listener.
    port: RefCell<Option<(MessagePort, Listener)>>,
    header: Header,
    fail_closed: Function,
    /// Who asked for a window of video.
    video_refused: RefCell<Option<Rc<dyn Fn()>>>,
}

impl Shell for VoiceShell {
    type Machine = Machine;

    fn event_loop(&self) -> &EventLoop<Machine> {
        &self.event_loop
    }

    fn carry_out(self: &Rc<Self>, command: Command) {
        match command {
            Command::Post(message) => self.post(&message),
            Command::PostToken(account) => {
                if let Some(payload) = self.manager.token(account) {
                    self.post(&ToExtension::FlexToken { payload });
                }
            }
            Command::OfferToken(account) => {
                if let Some(payload) = self.manager.token(account) {
                    self.offer(&ToExtension::FlexToken { payload });
                }
            }
            Command::PostPrivately(message) => self.offer(&message),
            Command::VideoRefused => {
                let told = self.video_refused.borrow().clone();
                if let Some(told) = told {
                    told();
                }
            }
            Command::SetContactUri { uri, previous, others } => {
                self.set_contact_uri(&uri, previous.as_deref(), others.as_deref());
            }
            Command::SetActivity(sid) => {
                let payload = object(&[("activitySid", JsValue::from_str(&sid))]);
                settle(self.flex.actions().invoke_action("SetActivity", &payload), |_| {});
            }
            Command::Remember(sid) => self.remember(sid.as_deref()),
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
            Command::Console(text) => {
                web_sys::console::warn_1(&JsValue::from_str(&format!("Holdfast: {text}")));
            }
            Command::Dismiss => {
                for id in [INFO, WARNING] {
                    warn_on_error(self.flex.notifications().dismiss(id));
                }
            }
            Command::ShowStatus(line) => self.header.show(line.map(|line| *line)),
        }
    }

    /// Flex's store, if it has changed.
    fn look(&self) -> Option<Event> {
        let view = {
            let call = self.call.borrow();
            view(&self.flex, &self.manager, call.as_ref().map(|call| call.object()))
        };
        if *self.view.borrow() == view {
            return None;
        }
        self.view.replace(view.clone());
        Some(Event::Flex(view))
    }
}

impl VoiceShell {
    fn current_call(&self) -> Option<Rc<CallObject>> {
        self.call.borrow().clone()
    }

    fn install_call(self: &Rc<Self>, proxy: CallProxy) {
        let same = self.current_call().filter(|call| call.sid() == proxy.sid);
        let call = same.unwrap_or_else(|| {
            let shell = Rc::clone(self);
            CallObject::new(&proxy, Rc::new(move |event| shell.report(event)))
        });
        call.set_muted(proxy.muted);
        call.set_phase(proxy.phase);
        self.call.replace(Some(Rc::clone(&call)));
        self.dispatch("PHONE_ADD_CALL", call.object());
        let took = Object::is(&self.manager.active_call(), call.object());
        self.report(Event::CallInstalled { took });
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

    fn set_contact_uri(self: &Rc<Self>, uri: &str, previous: Option<&str>, others: Option<&str>) {
        let shell = Rc::clone(self);
        let request = self.manager.set_contact_uri(uri, previous, others);
        settle(request, move |ok| shell.report(Event::ContactUriSet { ok }));
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
        let listener = Listener::new(move |event: MessageEvent| {
            let ours = event.is_trusted()
                && event.source().is_some_and(|source| Object::is(&source, &own))
                && event.origin() == origin;
            if ours {
                shell.on_message(Channel::Window, event.data());
            }
        })
        .into_js_value();
        warn_on_error(window.add_event_listener_with_callback("message", listener.unchecked_ref()));
    }

    fn on_message(self: &Rc<Self>, channel: Channel, data: JsValue) {
        let Some(message) = parse(data) else { return };
        let heard = self.channel.borrow_mut().accepts(channel);
        if heard {
            if matches!(message, ToPage::Disconnected) {
                self.channel.borrow_mut().lost();
            }
            self.report(Event::Message(message));
        }
    }

    /// Into the port that was offered last, where it waits until somebody takes that port.
    fn offer(&self, message: &ToExtension) {
        let value = webext::to_js(message);
        if let Some((port, _)) = &*self.port.borrow() {
            warn_on_error(port.post_message(&value));
        }
    }

    fn post(self: &Rc<Self>, message: &ToExtension) {
        let value = webext::to_js(message);
        let Some(window) = web_sys::window() else { return };
        let origin = window.location().origin().unwrap_or_default();
        let hello =
            matches!(message, ToExtension::Configure { .. }).then(|| self.channel.borrow_mut().hello());
        if hello == Some(Hello::Offer) {
            let channel = MessageChannel::new().ok();
            let offered = channel.as_ref().map_or_else(Array::new, |channel| Array::of1(&channel.port2()));
            warn_on_error(window.post_message_with_transfer(&value, &origin, &offered));
            // After the offer, so that the extension knows whose offer it is when the old port is left.
            if let Some(channel) = channel {
                self.hold_port(channel.port1());
            }
            return;
        }
        let channel = self.channel.borrow().channel();
        warn_on_error(match &*self.port.borrow() {
            Some((port, _)) if channel == Channel::Port => port.post_message(&value),
            _ => window.post_message(&value, &origin),
        });
    }

    /// Listens to our end of a new channel, which takes the last one's place.
    fn hold_port(self: &Rc<Self>, port: MessagePort) {
        let shell = Rc::clone(self);
        let here = port.clone();
        let listener = Listener::new(move |event: MessageEvent| {
            if !event.is_trusted() {
                return;
            }
            let data = event.data();
            if at(&data, &["type"]).as_string().as_deref() == Some(line::ASK) {
                return say_of_line(&here, line::HERE);
            }
            shell.on_message(Channel::Port, data);
        });
        port.set_onmessage(Some(listener.as_ref().unchecked_ref()));
        if let Some((old, listener)) = self.port.replace(Some((port, listener))) {
            old.set_onmessage(None);
            say_of_line(&old, line::LEFT);
            // What was sent before is delivered.
            old.close();
            // This may run inside this very closure, so it must not be dropped.
            listener.forget();
        }
    }

    fn listen_to_flex(self: &Rc<Self>) {
        let shell = Rc::clone(self);
        let changed = self.manager.on_change(move || shell.look_now());
        // What another tab of Flex remembers.
        if let Some(window) = web_sys::window() {
            warn_on_error(window.add_event_listener_with_callback("storage", &changed));
        }
        let shell = Rc::clone(self);
        self.manager.on_token_updated(move || shell.report(Event::TokenUpdated));
    }

    /// Asks the machine before the actions that need the voice client.
    fn listen_to_actions(self: &Rc<Self>) {
        type ToIntent = fn(&VoiceShell, &JsValue) -> Option<Intent>;
        let actions: [(&str, ToIntent); 4] = [
            ("beforeAcceptTask", |shell, payload| {
                let task = at(payload, &["task"]);
                // What cannot be told from a call is treated as one.
                let other = task.is_object() && !flex::is_call(&shell.flex, &task);
                (!other).then_some(Intent::AcceptCall)
            }),
            ("beforeStartOutboundCall", |_, _| Some(Intent::DialOut)),
            ("beforeMonitorCall", |_, _| Some(Intent::Monitor)),
            ("beforeSetActivity", |shell, payload| {
                shell.event_loop.machine().intent_of(&flex::activity_choice(payload))
            }),
        ];
        for (event, to_intent) in actions {
            let shell = Rc::clone(self);
            let allows = Closure::<dyn Fn(JsValue) -> bool>::new(move |payload: JsValue| {
                shell.look_now();
                let Some(intent) = to_intent(&shell, &payload) else { return true };
                let refused = shell.event_loop.machine().refuses(&intent, Monotonic::now());
                if refused {
                    shell.report(Event::Refused(intent));
                } else if let Some(coming) = flex::coming(event, &payload) {
                    shell.report(Event::Expect(coming));
                }
                !refused
            })
            .into_js_value();
            let listener = self.fail_closed.call1(&JsValue::UNDEFINED, &allows).unwrap_or(JsValue::UNDEFINED);
            if let Some(listener) = listener.dyn_ref::<Function>() {
                warn_on_error(self.flex.actions().add_listener(event, listener));
            }
        }
    }

    /// Looks at Flex's store during a turn.
    fn look_now(self: &Rc<Self>) {
        if let Some(event) = self.look() {
            self.report(event);
        }
    }

    /// Puts a function before one of Flex's actions: what it does not carry out goes on as before.
    fn replace(&self, action: &str, carries_out: impl Fn(&JsValue) -> Option<JsValue> + 'static) {
        self.replace_by(action, move |payload, go_on| carries_out(payload).unwrap_or_else(go_on));
    }

    /// Puts a function in the place of one of Flex's actions. It is given what to do and the way to do it as before.
    fn replace_by(
        &self,
        action: &str,
        instead: impl Fn(&JsValue, &dyn Fn() -> JsValue) -> JsValue + 'static,
    ) {
        let replacement = Closure::<dyn Fn(JsValue, JsValue, JsValue) -> JsValue>::new(
            move |payload: JsValue, original: JsValue, next: JsValue| {
                // `next` is the chain of other replacements, `original` Flex's own function.
                let rest = if next.is_function() { next } else { original };
                instead(&payload, &|| {
                    rest.dyn_ref::<Function>()
                        .map_or(Ok(JsValue::UNDEFINED), |rest| rest.call1(&JsValue::UNDEFINED, &payload))
                        .unwrap_or_else(|error| Promise::reject(&error).into())
                })
            },
        )
        .into_js_value();
        warn_on_error(self.flex.actions().replace_action(action, replacement.unchecked_ref()));
    }

    fn replace_control(
        self: &Rc<Self>,
        action: &str,
        control: Control,
        to_event: fn(&Flex, &JsValue) -> Option<Event>,
    ) {
        let shell = Rc::clone(self);
        self.replace(action, move |payload| {
            let ours = shell.event_loop.machine().takes_over(control, Monotonic::now());
            let event = ours.then(|| to_event(&shell.flex, payload)).flatten()?;
            shell.report(event);
            Some(JsValue::UNDEFINED)
        });
    }

    /// Also where the store takes our call: an agent may hang up before the call has come.
    fn replace_hang_up(self: &Rc<Self>) {
        self.replace_control("HangupCall", Control::HangUp, |_, _| Some(Event::HangUp));
    }

    fn replace_dial(self: &Rc<Self>) {
        let shell = Rc::clone(self);
        self.replace("StartOutboundCall", move |payload| {
            shell.look_now();
            let dial = shell.event_loop.machine().dial(Monotonic::now());
            match dial {
                Dial::ByFlex => None,
                Dial::ByUs => {
                    let after = Rc::clone(&shell);
                    settle(shell.manager.dial(payload), move |ok| {
                        if !ok {
                            after.report(Event::NotDialed(Text::DialFailed));
                        }
                    });
                    Some(JsValue::UNDEFINED)
                }
                Dial::Refused(text) => {
                    shell.report(Event::NotDialed(text));
                    Some(Promise::reject(&JsValue::from_str("Holdfast: the call was not started")).into())
                }
            }
        });
    }

    /// In place of Flex's own, and not before it: another plugin may stop a logout, and the agent goes on then. What is said
    /// here goes out before Flex asks its first server, and so before it leaves the page.
    fn watch_logout(self: &Rc<Self>) {
        let shell = Rc::clone(self);
        self.replace_by("Logout", move |_, go_on| {
            shell.report(Event::LogOut);
            let after = Rc::clone(&shell);
            let logout = go_on();
            settle(Ok(Promise::resolve(&logout)), move |ok| {
                if !ok {
                    after.report(Event::LogOutFailed);
                }
            });
            logout
        });
    }

    fn take_over_actions(self: &Rc<Self>) {
        self.replace_control("ToggleMute", Control::Other, |_, _| Some(Event::ToggleMute));
        self.replace_control("SendDTMFDigits", Control::Other, |_, payload| {
            Some(Event::Digits(flex::text(payload, &["digits"]).unwrap_or_default()))
        });
        self.replace_control("StopMonitoringCall", Control::Other, |_, _| Some(Event::HangUp));
        // Without a call in the store this is what Flex's hang-up buttons invoke. Once the extension has
        // hung up, TaskRouter moves the task to wrap-up by itself. Inferred from the replaced plugin,
        // which relied on it.
        self.replace_control("WrapupTask", Control::Other, |flex, payload| {
            let task = at(payload, &["task"]);
            let live =
                flex::is_call(flex, &task) && flex::text(&task, &["status"]).as_deref() == Some("accepted");
            live.then_some(Event::HangUp)
        });
        // Flex's own ends the conference by its task, once it has seen a call in the store.
        let shell = Rc::clone(self);
        self.replace("EndConferenceForAll", move |payload| {
            shell.event_loop.machine().takes_over(Control::Other, Monotonic::now()).then_some(())?;
            let task = at(payload, &["task"]);
            let end = at(&task, &["endConference"]);
            let end = end.dyn_ref::<Function>()?;
            Some(end.call0(&task).unwrap_or_else(|error| Promise::reject(&error).into()))
        });
    }

    fn remember(&self, sid: Option<&str>) {
        // Without local storage nothing is remembered.
        let Some(storage) = local_storage() else { return };
        warn_on_error(match (sid, self.manager.worker_sid()) {
            (Some(sid), Some(worker)) => storage.set_item(REMEMBERED_KEY, &format!("{worker} {sid}")),
            _ => storage.remove_item(REMEMBERED_KEY),
        });
    }
}

/// Says something of a port over the port itself.
fn say_of_line(port: &MessagePort, what: &str) {
    warn_on_error(port.post_message(&object(&[("type", JsValue::from_str(what))])));
}

const INFO: &str = "HoldfastInformation";
const WARNING: &str = "HoldfastWarning";

/// Understands a message of the extension; `None` for everything else that flies about in a page.
fn parse(data: JsValue) -> Option<ToPage> {
    let kind = at(&data, &["type"]).as_string()?;
    if !ToPage::NAMES.contains(&kind.as_str()) {
        return None;
    }
    webext::from_js(&data).ok()
}

fn local_storage() -> Option<web_sys::Storage> {
    web_sys::window()?.local_storage().ok().flatten()
}

/// The activity to go back to. Another worker's, who used this browser before, is not ours.
fn remembered(manager: &Manager) -> Option<String> {
    let kept = local_storage()?.get_item(REMEMBERED_KEY).ok().flatten()?;
    let (worker, activity) = kept.split_once(' ')?;
    (Some(worker) == manager.worker_sid().as_deref()).then(|| activity.to_owned())
}

/// Flex's store, and what the browser knows beside it.
fn view(flex: &Flex, manager: &Manager, ours: Option<&Object>) -> FlexView {
    FlexView {
        remembered_activity: remembered(manager),
        in_frame: in_frame(),
        opened_at: opened_at(),
        ..flex::view(flex, manager, ours)
    }
}

/// Whether another page shows this one in a frame.
fn in_frame() -> bool {
    let window = web_sys::window();
    let top = window.as_ref().and_then(|window| window.top().ok().flatten());
    window.zip(top).is_some_and(|(window, top)| !Object::is(&window, &top))
}

/// When the page was opened, in milliseconds since 1970: told apart from other pages', never compared with anything.
fn opened_at() -> u64 {
    let performance = web_sys::window().and_then(|window| window.performance());
    let opened = performance.and_then(|clock| Timestamp::from_js(clock.time_origin()));
    opened.unwrap_or_default().as_millis()
}
