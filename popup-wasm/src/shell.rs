//! Turns what happens in the page into events, and carries out commands. No decisions.

use std::{cell::RefCell, rc::Rc};

use kernel::Timestamp;
use protocol::{AudioKind, popup::ToPopup, port};
use shell::{Clock as _, EventLoop, Shell as _};
use wasm_bindgen::{JsCast, prelude::*};
use wasm_bindgen_futures::{JsFuture, spawn_local};
use web_sys::{
    DomException, Element, HtmlElement, HtmlInputElement, HtmlSelectElement, KeyboardEvent, MediaStream,
    MediaStreamConstraints, MediaStreamTrack, MouseEvent, PermissionState, PermissionStatus, Window,
};
use webext::Port;

use crate::{
    dom::{self, Dom},
    machine::{Action, Command, Event, Machine, MicFailure, Permission, Shortcut},
    report::{Surroundings, report},
    text::Key,
    view,
};

/// Starts the page; it runs until the page is closed.
pub fn start(page: &str) {
    let Some(window) = web_sys::window() else { return };
    let Some(document) = window.document() else {
        webext::console_warn(&format!("the {page} page has no document"));
        return;
    };
    let shell = Shell(Rc::new(Inner {
        dom: Dom::new(document),
        window,
        machine: EventLoop::new(Machine::default()),
        port: RefCell::default(),
    }));
    shell.listen();
    shell.watch_permission();
    shell.handle(Event::Started { version: webext::runtime::version() });
}

struct Inner {
    window: Window,
    dom: Dom,
    machine: EventLoop<Machine>,
    port: RefCell<Option<Port>>,
}

#[derive(Clone)]
struct Shell(Rc<Inner>);

impl shell::Shell for Inner {
    type Machine = Machine;

    fn event_loop(&self) -> &EventLoop<Machine> {
        &self.machine
    }

    fn carry_out(self: &Rc<Self>, command: Command) {
        Shell(Rc::clone(self)).carry_out(command);
    }

    /// Drawn before the commands are carried out: one moves the focus to a button that has just appeared.
    fn decided(&self, now: Timestamp) {
        self.dom.render(&view::view(&self.machine.machine(), now));
    }
}

impl Shell {
    fn handle(&self, event: Event) {
        self.0.report(event);
    }

    fn carry_out(&self, command: Command) {
        match command {
            Command::Connect => self.connect(),
            Command::Send(message) => {
                // A port that closed under us is reported by its own event.
                if let Some(port) = &*self.0.port.borrow()
                    && let Err(error) = port.post(&message)
                {
                    webext::console_warn(&format!("not sent to the worker: {error}"));
                }
            }
            Command::AskMicrophone => {
                let shell = self.clone();
                spawn_local(async move {
                    let answer = shell.ask_microphone().await;
                    shell.handle(Event::MicrophoneAnswer(answer));
                });
            }
            Command::OpenPage(path) => webext::open_tab(path),
            Command::OpenPermissions => {
                let site = format!("chrome-extension%3A%2F%2F{}", webext::runtime::id());
                webext::open_url(&format!("chrome://settings/content/siteDetails?site={site}"));
            }
            Command::OpenUrl(url) => webext::open_url(url),
            Command::CopyReport => self.copy_report(),
            Command::SaveReport => {
                if self.save_report().is_none() {
                    webext::console_warn("the report could not be saved");
                }
            }
            Command::ReadShortcuts => {
                let shell = self.clone();
                spawn_local(async move {
                    // Fails where there are no commands: then there are none to show.
                    if let Ok(commands) = webext::commands::all().await {
                        let shortcut = |command: webext::commands::Command| Shortcut {
                            name: command.name,
                            description: command.description,
                            keys: command.shortcut,
                        };
                        shell.handle(Event::Shortcuts(commands.into_iter().map(shortcut).collect()));
                    }
                });
            }
            Command::ShowSound => self.0.dom.show_sound(),
            Command::Focus(action) => self.0.dom.focus(action),
        }
    }

    fn connect(&self) {
        let Ok(port) = webext::connect(port::POPUP) else {
            return self.handle(Event::Replaced);
        };
        let shell = self.clone();
        port.on_message(move |message| match message {
            Ok(message) => shell.handle(Event::Message(Box::<ToPopup>::new(message))),
            Err(error) => webext::console_warn(&format!("the worker's message is not understood: {error}")),
        });
        let shell = self.clone();
        port.on_disconnect(move || {
            shell.0.port.replace(None);
            shell.handle(Event::Disconnected);
        });
        self.0.port.replace(Some(port));
    }

    fn listen(&self) {
        let shell = self.clone();
        self.on("click", move |event: MouseEvent| {
            let action = event
                .target()
                .and_then(|target| target.dyn_into::<Element>().ok())
                .and_then(|element| element.closest("[data-action]").ok().flatten())
                .and_then(|button| Action::of_button(&button.get_attribute("data-action")?));
            if let Some(action) = action {
                shell.handle(Event::Pressed(action));
            }
        });
        let shell = self.clone();
        self.on("keydown", move |event: KeyboardEvent| {
            let key = event.key();
            let mut characters = key.chars();
            if let (Some(c), None) = (characters.next(), characters.next())
                && !(event.ctrl_key() || event.alt_key() || event.meta_key() || event.repeat())
            {
                shell.handle(Event::Typed(c));
            }
        });
        let shell = self.clone();
        self.on("change", move |event: web_sys::Event| {
            let Some(list) = event.target().and_then(|it| it.dyn_into::<HtmlSelectElement>().ok()) else {
                return;
            };
            let kind = match list.get_attribute("data-device").as_deref() {
                Some("microphone") => AudioKind::Microphone,
                Some("speaker") => AudioKind::Speaker,
                _ => return,
            };
            shell.handle(Event::DeviceChosen(kind, Some(list.value()).filter(|id| !id.is_empty())));
        });
        let shell = self.clone();
        self.on("input", move |event: web_sys::Event| {
            let slider = event.target().and_then(|it| it.dyn_into::<HtmlInputElement>().ok());
            if let Some(percent) = slider.and_then(|slider| slider.value().parse().ok()) {
                shell.handle(Event::VolumeMoved(percent));
            }
        });
        let shell = self.clone();
        self.on("visibilitychange", move |_: web_sys::Event| {
            let hidden = shell.0.window.document().is_some_and(|document| document.hidden());
            shell.handle(Event::Visible(!hidden));
        });
    }

    /// A listener on the document, for the life of the page.
    fn on<E: wasm_bindgen::convert::FromWasmAbi + 'static>(
        &self,
        event: &str,
        callback: impl FnMut(E) + 'static,
    ) {
        let callback = Closure::<dyn FnMut(E)>::new(callback).into_js_value();
        if let Some(document) = self.0.window.document() {
            // Fails only for a callback that is no function.
            drop(document.add_event_listener_with_callback(event, callback.unchecked_ref()));
        }
    }

    fn watch_permission(&self) {
        let shell = self.clone();
        spawn_local(async move {
            let Some(status) = shell.permission_status().await else { return };
            shell.handle(Event::Permission(permission(&status)));
            let (same, page) = (status.clone(), shell.clone());
            let changed =
                Closure::<dyn FnMut()>::new(move || page.handle(Event::Permission(permission(&same))));
            status.set_onchange(Some(changed.into_js_value().unchecked_ref()));
            // The browser may drop a status that nobody holds, and its listener with it.
            std::mem::forget(status);
        });
    }

    async fn permission_status(&self) -> Option<PermissionStatus> {
        let descriptor = js_sys::Object::new();
        js_sys::Reflect::set(&descriptor, &"name".into(), &"microphone".into()).ok()?;
        let status = self.0.window.navigator().permissions().ok()?.query(&descriptor).ok()?;
        JsFuture::from(status).await.ok()?.dyn_into().ok()
    }

    async fn ask_microphone(&self) -> Result<(), MicFailure> {
        let devices = self.0.window.navigator().media_devices().map_err(|error| mic_failure(&error))?;
        let constraints = MediaStreamConstraints::new();
        constraints.set_audio(&JsValue::TRUE);
        let promise =
            devices.get_user_media_with_constraints(&constraints).map_err(|error| mic_failure(&error))?;
        let stream: MediaStream =
            JsFuture::from(promise).await.map_err(|error| mic_failure(&error))?.unchecked_into();
        for track in stream.get_tracks() {
            track.unchecked_into::<MediaStreamTrack>().stop();
        }
        Ok(())
    }

    /// The report as indented JSON.
    fn report(&self) -> Option<String> {
        let browser = self.0.window.navigator().user_agent().unwrap_or_default();
        let language = webext::message(Key::Locale.name());
        let around =
            Surroundings { browser: &browser, language: &language, now: Timestamp::now(), iso: &dom::iso };
        let report = webext::to_js(&report(&self.0.machine.machine(), &around));
        let text =
            js_sys::JSON::stringify_with_replacer_and_space(&report, &JsValue::NULL, &2.into()).ok()?;
        Some(text.into())
    }

    fn copy_report(&self) {
        let written = self.report().map(|report| self.0.window.navigator().clipboard().write_text(&report));
        let shell = self.clone();
        spawn_local(async move {
            let done = match written {
                Some(written) => JsFuture::from(written).await.is_ok(),
                None => false,
            };
            shell.handle(Event::Copied(done));
        });
    }

    /// Saves the report by a link that is pressed at once: an extension page may do so without a permission.
    fn save_report(&self) -> Option<()> {
        let text = String::from(js_sys::encode_uri_component(&self.report()?));
        let link = self.0.window.document()?.create_element("a").ok()?;
        link.set_attribute("href", &format!("data:application/json;charset=utf-8,{text}")).ok()?;
        let day = dom::iso(Timestamp::now()).split('T').next().unwrap_or_default().to_owned();
        link.set_attribute("download", &webext::message_with(Key::ReportFile.name(), &[&day])).ok()?;
        link.dyn_ref::<HtmlElement>()?.click();
        Some(())
    }
}

fn permission(status: &PermissionStatus) -> Permission {
    match status.state() {
        PermissionState::Granted => Permission::Granted,
        PermissionState::Denied => Permission::Denied,
        PermissionState::Prompt => Permission::Prompt,
        _ => Permission::Unknown,
    }
}

fn mic_failure(error: &JsValue) -> MicFailure {
    error.dyn_ref::<DomException>().map_or(MicFailure::Other, |error| MicFailure::from_name(&error.name()))
}
