//! Carries out what [`crate::machine`] decides.

mod fetch;

use std::{
    cell::{Cell, RefCell},
    collections::HashMap,
    rc::Rc,
};

use kernel::{Secret, Timestamp};
use messages::{extension::Key, problems};
use protocol::port;
use shell::{Clock as _, EventLoop, Shell as _};
use voice_sdk::{Call, Device, DeviceOptions, SdkError};
use wasm_bindgen::JsValue;
use wasm_bindgen_futures::{JsFuture, spawn_local};
use webext::{Port, alarms, notifications, offscreen, permissions, runtime, storage, windows};

use crate::{
    machine::{
        Badge, Boot, Command, DeviceEvent, DeviceId, Event, Machine, MicrophonePermission, OfferId,
        PageMessage, Persisted, PortId, Preferences, Sender,
        config::Edge,
        notices::{Notice, NoticeId, Shortcut},
        persisted::{PREFERENCES_KEY, STORAGE_KEY},
        ports::Trust,
    },
    reading,
};

const OFFSCREEN_PAGE: &str = "offscreen.html";
const WELCOME_PAGE: &str = "welcome.html";
const CONTENT_SCRIPT: &str = "content.js";
const POPUP_PAGE: &str = "popup.html";
const VIDEO_PAGE: &str = "video.html";
/// Two pictures side by side, on the smallest screen that an agent has.
const VIDEO_WIDTH: u32 = 1_000;
const VIDEO_HEIGHT: u32 = 700;
const WATCHDOG: &str = "watchdog";
const WATCHDOG_MINUTES: f64 = 0.5;
/// Chrome's `tabs.TAB_ID_NONE`.
const NO_TAB_ID: i64 = -1;
/// Chrome shows this nowhere; a reviewer reads it.
const JUSTIFICATION: &str = "Carries the agent's call: microphone, speaker and WebRTC connection.";

struct Shell {
    machine: EventLoop<Machine>,
    ports: RefCell<HashMap<PortId, Port>>,
    last_port: Cell<u64>,
    devices: RefCell<HashMap<DeviceId, Device>>,
    offers: RefCell<HashMap<OfferId, Call>>,
    last_offer: Cell<u32>,
    /// The newest state that is not written yet.
    unsaved: RefCell<Option<Box<Persisted>>>,
    saving: Cell<bool>,
}

/// Registers every listener in the worker's first turn, then reads the saved state.
pub fn start() {
    let shell = Rc::new(Shell {
        machine: EventLoop::new(Machine::new(boot())),
        ports: RefCell::default(),
        last_port: Cell::new(0),
        devices: RefCell::default(),
        offers: RefCell::default(),
        last_offer: Cell::new(0),
        unsaved: RefCell::default(),
        saving: Cell::new(false),
    });

    let this = Rc::clone(&shell);
    webext::on_connect(move |port| this.connected(port));
    let this = Rc::clone(&shell);
    runtime::on_installed(move |reason| this.report(Event::Installed { first: reason == "install" }));
    let this = Rc::clone(&shell);
    runtime::on_startup(move || this.report(Event::BrowserStarted));
    let this = Rc::clone(&shell);
    runtime::on_update_available(move |version| this.report(Event::UpdateAvailable { version }));
    let this = Rc::clone(&shell);
    alarms::on_alarm(move |_name| this.report(Event::Alarm));
    let this = Rc::clone(&shell);
    webext::on_command(move |name| {
        if let Some(shortcut) = Shortcut::named(&name) {
            this.report(Event::Shortcut(shortcut));
        }
    });
    let this = Rc::clone(&shell);
    notifications::on_clicked(move |name| {
        if let Some(id) = id_of(&name) {
            this.report(Event::NoticeClicked(id));
        }
    });
    let this = Rc::clone(&shell);
    notifications::on_button(move |name, button| {
        if let Some(id) = id_of(&name) {
            this.report(Event::NoticeButton { id, button });
        }
    });
    let this = Rc::clone(&shell);
    notifications::on_closed(move |name, by_user| {
        if let Some(id) = id_of(&name).filter(|_| by_user) {
            this.report(Event::NoticeClosed(id));
        }
    });
    let this = Rc::clone(&shell);
    windows::on_closed(move |window| this.report(Event::WindowClosed { window }));
    let this = Rc::clone(&shell);
    storage::on_managed_changed(move || {
        let this = Rc::clone(&this);
        spawn_local(async move { this.report(Event::PolicyChanged { policy: policy().await }) });
    });

    spawn_local(async move {
        let persisted = storage::session_get(STORAGE_KEY).await.unwrap_or_else(|error| {
            webext::console_warn(&format!("The saved state cannot be read: {error}"));
            None
        });
        let preferences = storage::local_get(PREFERENCES_KEY).await.unwrap_or_else(|error| {
            webext::console_warn(&format!("What this browser remembers cannot be read: {error}"));
            None
        });
        let preferences: Box<Preferences> = preferences.unwrap_or_default();
        shell.report(Event::Started { persisted, preferences, policy: policy().await });
    });
}

fn boot() -> Boot {
    Boot {
        trust: Trust {
            own_id: runtime::id(),
            base_url: runtime::url(""),
            page_patterns: runtime::content_script_matches(),
        },
        version: runtime::version(),
        started_at: Timestamp::now(),
        seed: ::shell::seed(),
    }
}

/// An unreadable policy is an empty one: Chrome gives none at all where none is supported.
async fn policy() -> crate::machine::config::PolicyValues {
    storage::managed().await.unwrap_or_default()
}

impl Shell {
    /// A message to a port that has just closed is lost: its closing is an event of its own.
    fn post<T: wire::ToTree>(&self, port: PortId, message: &T) {
        let port = self.ports.borrow().get(&port).cloned();
        if let Some(Err(error)) = port.map(|port| port.post(message)) {
            webext::console_warn(&format!("A message was not delivered: {error}"));
        }
    }

    fn connected(self: &Rc<Self>, port: Port) {
        let id = PortId(self.last_port.get() + 1);
        self.last_port.set(id.0);
        let name = port.name();

        // The name says how to read the messages; whether they are heard is the machine's decision.
        let this = Rc::clone(self);
        match name.as_str() {
            port::PAGE => port.on_raw_message(move |message| {
                this.report(Event::FromPage { port: id, message: read_page_message(message) });
            }),
            port::POPUP => port.on_message(move |message| {
                this.report(Event::FromPopup { port: id, message: message.ok() });
            }),
            port::OFFSCREEN => port.on_message(move |message| {
                this.report(Event::FromOffscreen { port: id, message: message.ok() });
            }),
            port::VIDEO => port.on_message(move |message| {
                this.report(Event::FromVideo { port: id, message: message.ok() });
            }),
            _ => {}
        }
        let this = Rc::clone(self);
        port.on_disconnect(move || {
            this.ports.borrow_mut().remove(&id);
            this.report(Event::PortClosed { port: id });
        });

        let sender = port.sender();
        self.ports.borrow_mut().insert(id, port);
        self.report(Event::PortOpened {
            port: id,
            name,
            sender: Sender {
                id: sender.id,
                url: sender.url,
                origin: sender.origin,
                window: sender.tab.as_ref().and_then(|tab| tab.window_id),
                tab: sender.tab.map(|tab| tab.id.unwrap_or(NO_TAB_ID)),
                frame_id: sender.frame_id,
                document: sender.document_id,
            },
        });
    }

    fn create_device(self: &Rc<Self>, id: DeviceId, token: &Secret, edges: &[Edge]) {
        let options = DeviceOptions {
            edges: edges.iter().map(ToString::to_string).collect(),
            announces_expiry: true,
            app: Some(("Holdfast".into(), runtime::version())),
            ..DeviceOptions::default()
        };
        let device = match Device::new(token.expose(), &options) {
            Ok(device) => device,
            Err(error) => return self.device_failed(id, &error),
        };

        let say = |event: fn() -> DeviceEvent| {
            let this = Rc::clone(self);
            move || this.report(Event::Device { device: id, event: event() })
        };
        let this = Rc::clone(self);
        device.on_error(move |error| this.device_failed(id, &error));
        let this = Rc::clone(self);
        device.on_registered(move || {
            let edge = this.devices.borrow().get(&id).and_then(Device::edge);
            this.report(Event::Device { device: id, event: DeviceEvent::Registered { edge } });
        });
        device.on_unregistered(say(|| DeviceEvent::Unregistered));
        device.on_token_will_expire(say(|| DeviceEvent::TokenWillExpire));
        let this = Rc::clone(self);
        device.on_incoming(move |call| this.offered(id, call));

        let registering = device.start_register();
        let this = Rc::clone(self);
        device.on_confirmation(move || {
            let edge = this.devices.borrow().get(&id).and_then(Device::edge);
            this.report(Event::Device { device: id, event: DeviceEvent::Confirmed { edge } });
        });
        device.on_closed(say(|| DeviceEvent::Closed));
        self.devices.borrow_mut().insert(id, device);
        match registering {
            Ok(promise) => {
                let this = Rc::clone(self);
                spawn_local(async move {
                    // Settles late or never; "registered" comes as an event.
                    if let Err(error) = JsFuture::from(promise).await {
                        this.device_failed(id, &SdkError::from(error));
                    }
                });
            }
            Err(error) => self.device_failed(id, &error),
        }
    }

    fn device_failed(self: &Rc<Self>, device: DeviceId, error: &SdkError) {
        self.report(Event::Device { device, event: DeviceEvent::Error { code: error.code } });
    }

    fn offered(self: &Rc<Self>, device: DeviceId, call: Call) {
        let offer = OfferId(self.last_offer.get() + 1);
        self.last_offer.set(offer.0);

        let gone = || {
            let this = Rc::clone(self);
            move || {
                let known = this.offers.borrow_mut().remove(&offer);
                if known.is_some() {
                    this.report(Event::Device { device, event: DeviceEvent::OfferGone { offer } });
                }
            }
        };
        call.on_cancel(gone());
        call.on_reject(gone());
        call.on_disconnect(gone());
        // Without a listener the SDK throws; what an error leads to comes as one of the events above.
        call.on_error(|error| webext::console_warn(&format!("The offered call reports an error: {error}")));

        let event = DeviceEvent::Incoming {
            offer,
            call_sid: call.parameter("CallSid").unwrap_or_default(),
            connect_token: call.connect_token().map(Secret::new),
            from: call.parameter("From"),
        };
        self.offers.borrow_mut().insert(offer, call);
        self.report(Event::Device { device, event });
    }

    fn drop_offer(&self, offer: OfferId, how: impl FnOnce(&Call) -> Result<(), SdkError>) {
        // Taken out first: the SDK reports the end of the offer from inside the call.
        let call = self.offers.borrow_mut().remove(&offer);
        if let Some(Err(error)) = call.as_ref().map(how) {
            webext::console_warn(&format!("An offered call could not be dropped: {error}"));
        }
    }

    /// Writes the newest state, one write at a time.
    fn save(self: &Rc<Self>, state: Box<Persisted>) {
        self.unsaved.replace(Some(state));
        if self.saving.replace(true) {
            return;
        }
        let this = Rc::clone(self);
        spawn_local(async move {
            loop {
                let state = this.unsaved.borrow_mut().take();
                let Some(state) = state else { break };
                if let Err(error) = storage::session_set(STORAGE_KEY, &state).await {
                    webext::console_warn(&format!("The state cannot be saved: {error}"));
                }
            }
            this.saving.set(false);
        });
    }
}

impl shell::Shell for Shell {
    type Machine = Machine;

    fn event_loop(&self) -> &EventLoop<Machine> {
        &self.machine
    }

    fn carry_out(self: &Rc<Self>, command: Command) {
        match command {
            Command::ToPage { port, message } => self.post(port, &message),
            Command::ToPopup { port, message } => self.post(port, &message),
            Command::ToOffscreen { port, message } => self.post(port, &message),
            Command::ToVideo { port, message } => self.post(port, &message),
            Command::OpenVideo { number, address } => {
                let this = Rc::clone(self);
                spawn_local(async move {
                    let page = [VIDEO_PAGE, "#", address.as_str()].concat();
                    let opened = windows::open(&page, VIDEO_WIDTH, VIDEO_HEIGHT).await;
                    if let Err(error) = &opened {
                        webext::console_warn(&format!("chrome.windows.create: {error}"));
                    }
                    this.report(Event::VideoOpened { number, window: opened.ok() });
                });
            }
            Command::FocusVideo { window } => {
                let this = Rc::clone(self);
                spawn_local(async move {
                    if windows::focus(window).await.is_err() {
                        this.report(Event::VideoNotFound { window });
                    }
                });
            }
            // That it is closed already is as good.
            Command::CloseVideo { window } => spawn_local(async move {
                let _closed = windows::close(window).await;
            }),
            Command::ClosePort { port } => {
                if let Some(port) = self.ports.borrow_mut().remove(&port) {
                    port.disconnect();
                }
            }
            Command::FetchToken { attempt, request } => {
                let this = Rc::clone(self);
                spawn_local(async move {
                    let outcome = fetch::post(&request).await;
                    this.report(Event::Fetched { attempt, outcome });
                });
            }
            Command::CreateDevice { device, token, edges } => self.create_device(device, &token, &edges),
            Command::UpdateToken { device, token } => {
                let result =
                    self.devices.borrow().get(&device).map(|known| known.update_token(token.expose()));
                if let Some(Err(error)) = result {
                    self.device_failed(device, &error);
                }
            }
            Command::ProbeDevice { device } => {
                if let Some(known) = self.devices.borrow().get(&device) {
                    known.ask_for_confirmation();
                }
            }
            Command::DestroyDevice { device } => {
                let known = self.devices.borrow_mut().remove(&device);
                if let Some(known) = known {
                    known.destroy();
                }
            }
            Command::RejectOffer { offer } => self.drop_offer(offer, Call::reject),
            Command::IgnoreOffer { offer } => self.drop_offer(offer, Call::ignore),
            Command::EnsureOffscreen => {
                let this = Rc::clone(self);
                spawn_local(async move {
                    let result = offscreen::ensure(OFFSCREEN_PAGE, JUSTIFICATION).await;
                    if let Err(error) = &result {
                        webext::console_warn(&format!("chrome.offscreen.createDocument: {error}"));
                    }
                    this.report(Event::OffscreenOpened { ok: result.is_ok() });
                });
            }
            Command::CloseOffscreen => {
                let this = Rc::clone(self);
                spawn_local(async move {
                    if let Err(error) = offscreen::close().await {
                        webext::console_warn(&format!("chrome.offscreen.closeDocument: {error}"));
                    }
                    this.report(Event::OffscreenClosed);
                });
            }
            Command::Watchdog { on: true } => alarms::every(WATCHDOG, WATCHDOG_MINUTES),
            Command::Watchdog { on: false } => alarms::clear(WATCHDOG),
            Command::Save(state) => self.save(state),
            Command::SavePreferences(preferences) => spawn_local(async move {
                if let Err(error) = storage::local_set(PREFERENCES_KEY, &preferences).await {
                    webext::console_warn(&format!("A choice cannot be remembered: {error}"));
                }
            }),
            Command::Badge(badge) => show(badge),
            Command::CheckMicrophone => {
                let this = Rc::clone(self);
                spawn_local(async move {
                    let permission = match permissions::query("microphone").await.as_deref() {
                        Ok("granted") => MicrophonePermission::Granted,
                        Ok("prompt") => MicrophonePermission::Prompt,
                        Ok(_) => MicrophonePermission::Denied,
                        Err(error) => {
                            return webext::console_warn(&format!("navigator.permissions: {error}"));
                        }
                    };
                    this.report(Event::Microphone(permission));
                });
            }
            Command::OpenWelcome => webext::open_tab(WELCOME_PAGE),
            Command::OpenPopup => spawn_local(async {
                // Needs a focused window; the same page in a tab is as good.
                if webext::action::open_popup().await.is_err() {
                    webext::open_tab(POPUP_PAGE);
                }
            }),
            Command::Notify { id, notice, is_update } => {
                let notification = words(&notice);
                if is_update {
                    notifications::update(name_of(id), &notification);
                } else {
                    notifications::create(name_of(id), &notification);
                }
            }
            Command::ClearNotice(id) => notifications::clear(name_of(id)),
            Command::EnterOpenPages => spawn_local(async {
                let patterns = runtime::content_script_matches();
                if let Err(error) = webext::scripting::run_in_open_tabs(CONTENT_SCRIPT, &patterns).await {
                    webext::console_warn(&format!("The open pages cannot be entered: {error}"));
                }
            }),
            Command::ApplyUpdate => runtime::reload(),
        }
    }
}

fn read_page_message(message: JsValue) -> PageMessage {
    let name = js_sys::Reflect::get(&message, &"type".into()).ok().and_then(|name| name.as_string());
    let report = webext::from_js(&message).ok();
    reading::page_message(name.as_deref(), report, || webext::from_js(&message).ok(), js_sys::Date::parse)
}

const NOTICES: [(NoticeId, &str); 3] =
    [(NoticeId::Call, "call"), (NoticeId::Waiting, "waiting"), (NoticeId::Trouble, "trouble")];

fn name_of(id: NoticeId) -> &'static str {
    NOTICES.into_iter().find(|(known, _)| *known == id).map_or("", |(_, name)| name)
}

fn id_of(name: &str) -> Option<NoticeId> {
    NOTICES.into_iter().find(|(_, known)| *known == name).map(|(id, _)| id)
}

/// A message in the browser's language. Its name is looked up while this is compiled, so that no other comes along.
macro_rules! say {
    ($key:ident) => {
        webext::message(const { Key::$key.name() })
    };
}

/// A notification's words.
fn words(notice: &Notice) -> notifications::Notification {
    match notice {
        Notice::Call { from, muted } => notifications::Notification {
            title: if *muted { say!(CallMuted) } else { say!(NoticeCall) },
            message: from.clone().unwrap_or_else(|| say!(CallerUnknown)),
            buttons: vec![if *muted { say!(Unmute) } else { say!(Mute) }, say!(HangUp)],
            stays: false,
        },
        Notice::Waiting { from, hangs_up, unexpected } => {
            let (title, help) = match (unexpected, hangs_up) {
                (true, true) => (say!(UnexpectedTitle), say!(UnexpectedHelp)),
                (true, false) => (say!(UnexpectedTitle), say!(UnexpectedFreeHelp)),
                (false, true) => (say!(WaitingTitle), say!(WaitingHelp)),
                (false, false) => (say!(WaitingTitle), say!(WaitingFreeHelp)),
            };
            let answer = if *hangs_up { say!(WaitingAnswer) } else { say!(WaitingAnswerFree) };
            let from = from.clone().unwrap_or_else(|| say!(CallerUnknown));
            notifications::Notification {
                title,
                message: [from, help].join("\n"),
                buttons: vec![answer, say!(WaitingDecline)],
                stays: true,
            }
        }
        Notice::Trouble { code } => notifications::Notification {
            title: webext::message(problems::title_name(*code)),
            message: webext::message(problems::help_name(*code)),
            buttons: Vec::new(),
            stays: false,
        },
    }
}

/// Puts a badge on the toolbar button, and says the same in words.
fn show(badge: Badge) {
    const GREY: &str = "#5f6368";
    const GREEN: &str = "#137333";
    const AMBER: &str = "#b06000";
    const RED: &str = "#c5221f";
    let (text, color, title) = match badge {
        Badge::Off => ("", GREY, say!(BadgeOff)),
        Badge::Connecting => ("…", GREY, say!(BadgeConnecting)),
        Badge::Ready => ("✓", GREEN, say!(BadgeReady)),
        Badge::Ringing => ("?", AMBER, say!(BadgeRinging)),
        Badge::OnCall => ("●", GREEN, say!(BadgeOnCall)),
        Badge::Muted => ("✕", AMBER, say!(BadgeMuted)),
        Badge::Problem => ("!", RED, say!(BadgeProblem)),
    };
    webext::action::set_badge(text, color);
    webext::action::set_title(&title);
}
