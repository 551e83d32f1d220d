//! Carries out what [`crate::machine`] decides.

use std::{cell::RefCell, collections::HashMap, rc::Rc};

use gloo_timers::callback::Timeout;
use js_sys::{Object, Promise, Reflect};
use protocol::{
    Secret, Timestamp,
    offscreen::{FromOffscreen, ToOffscreen},
};
use voice_sdk::{Call, Device, DeviceOptions, SdkError};
use wasm_bindgen::prelude::*;
use wasm_bindgen_futures::{JsFuture, spawn_local};
use web_sys::{
    MediaStream, MediaStreamConstraints, MediaStreamTrack, Navigator, PermissionState, PermissionStatus,
    Window,
};
use webext::{Inbox, Port, runtime};

use crate::machine::{CallEvent, Command, DeviceId, Event, Machine, Permission, PortId, Timer};

/// How long a call outlives its signalling socket, in milliseconds: the most that the SDK allows.
const SIGNALLING_TIMEOUT_MS: u32 = 30_000;

struct Shell {
    window: Window,
    machine: RefCell<Machine>,
    /// Events that came while one was being handled: the SDK reports many from inside our calls to it.
    inbox: Inbox<Event>,
    port: RefCell<Option<(PortId, Port)>>,
    timers: RefCell<HashMap<Timer, Timeout>>,
    devices: RefCell<HashMap<DeviceId, Rc<Device>>>,
    calls: RefCell<HashMap<DeviceId, Rc<Call>>>,
    /// The call that it is held for, and the microphone once it is open.
    microphone: RefCell<Option<(DeviceId, Option<MediaStream>)>>,
    /// Kept, because an unreachable one reports no changes.
    permission: RefCell<Option<PermissionStatus>>,
}

/// Starts the document's work.
pub fn start() {
    let Some(window) = web_sys::window() else { return };
    let shell = Rc::new(Shell {
        window,
        machine: RefCell::default(),
        inbox: Inbox::default(),
        port: RefCell::default(),
        timers: RefCell::default(),
        devices: RefCell::default(),
        calls: RefCell::default(),
        microphone: RefCell::default(),
        permission: RefCell::default(),
    });
    shell.report(Event::Start);
}

impl Shell {
    /// Handles an event, or queues it when one is being handled.
    fn report(self: &Rc<Self>, event: Event) {
        self.inbox.take_in(event, |event| {
            let now = Timestamp::from_js(webext::now_ms()).unwrap_or_default();
            let commands = self.machine.borrow_mut().handle(event, now);
            for command in commands {
                self.carry_out(command);
            }
        });
    }

    fn carry_out(self: &Rc<Self>, command: Command) {
        match command {
            Command::Connect(id) => self.connect(id),
            Command::Send(id, message) => self.send(id, &message),
            Command::Start(timer, millis) => {
                let shell = Rc::clone(self);
                let timeout = Timeout::new(millis, move || shell.report(Event::Timer(timer)));
                self.timers.borrow_mut().insert(timer, timeout);
            }
            Command::Stop(timer) => drop(self.timers.borrow_mut().remove(&timer)),
            Command::Build { device, token, edge } => self.build(device, &token, edge),
            Command::UpdateToken(id, token) => {
                if let Some(Err(error)) = self.device(id).map(|device| device.update_token(token.expose())) {
                    self.report(Event::DeviceFailed(id, error));
                }
            }
            Command::Destroy(id) => {
                self.calls.borrow_mut().remove(&id);
                let device = self.devices.borrow_mut().remove(&id);
                if let Some(device) = device {
                    device.destroy();
                }
            }
            Command::Dial(id, connect_token) => self.dial(id, &connect_token),
            Command::Disconnect(id) => {
                self.with_call(id, Call::disconnect);
                if self.device(id).is_none() {
                    self.calls.borrow_mut().remove(&id);
                }
            }
            Command::Mute(id, muted) => self.with_call(id, |call| call.mute(muted)),
            Command::SendDigits(id, digits) => self.with_call(id, |call| call.send_digits(digits.as_str())),
            Command::OpenMicrophone(id) => self.open_microphone(id),
            Command::CloseMicrophone => {
                let held = self.microphone.take();
                if let Some((_, Some(stream))) = held {
                    stop(&stream);
                }
            }
            Command::CheckPermission => self.check_permission(),
        }
    }

    fn connect(self: &Rc<Self>, id: PortId) {
        let Ok(port) = webext::connect(protocol::port::OFFSCREEN) else {
            return self.report(Event::Closed { port: id, alive: runtime::is_alive() });
        };
        let shell = Rc::clone(self);
        port.on_message::<ToOffscreen>(move |message| match message {
            Ok(message) => shell.report(Event::Message(id, message)),
            Err(error) => {
                webext::console_warn(&format!("A message of the worker was not understood: {error}"))
            }
        });
        let shell = Rc::clone(self);
        port.on_disconnect(move || shell.report(Event::Closed { port: id, alive: runtime::is_alive() }));
        *self.port.borrow_mut() = Some((id, port));
    }

    fn send(self: &Rc<Self>, id: PortId, message: &FromOffscreen) {
        let sent = match &*self.port.borrow() {
            Some((open, port)) if *open == id => port.post(message).is_ok(),
            _ => false,
        };
        if !sent {
            self.report(Event::Closed { port: id, alive: runtime::is_alive() });
        }
    }

    fn device(&self, id: DeviceId) -> Option<Rc<Device>> {
        self.devices.borrow().get(&id).cloned()
    }

    fn build(self: &Rc<Self>, id: DeviceId, token: &Secret, edge: Option<String>) {
        let options = DeviceOptions {
            edge,
            max_call_signaling_timeout_ms: SIGNALLING_TIMEOUT_MS,
            token_refresh_ms: None,
            app: Some(("Holdfast".into(), env!("CARGO_PKG_VERSION").into())),
        };
        match Device::new(token.expose(), &options) {
            Ok(device) => {
                let shell = Rc::clone(self);
                device.on_error(move |error| shell.report(Event::DeviceError(id, error)));
                self.devices.borrow_mut().insert(id, Rc::new(device));
            }
            Err(error) => self.report(Event::DeviceFailed(id, error)),
        }
    }

    fn dial(self: &Rc<Self>, id: DeviceId, connect_token: &Secret) {
        let Some(device) = self.device(id) else { return };
        let shell = Rc::clone(self);
        match device.start_connect(connect_token.expose()) {
            Ok(promise) => spawn_local(async move {
                match JsFuture::from(promise).await {
                    Ok(call) => shell.call_made(id, Call::from_js(call)),
                    Err(error) => shell.report(Event::CallRefused(id, error.into())),
                }
            }),
            Err(error) => self.report(Event::CallRefused(id, error)),
        }
    }

    fn call_made(self: &Rc<Self>, id: DeviceId, call: Call) {
        let on = |event: CallEvent| {
            let shell = Rc::clone(self);
            move || shell.report(Event::Call(id, event.clone()))
        };
        call.on_accept(on(CallEvent::Accepted));
        call.on_reconnecting(on(CallEvent::Reconnecting));
        call.on_reconnected(on(CallEvent::Reconnected));
        call.on_disconnect(on(CallEvent::Over));
        call.on_cancel(on(CallEvent::Over));
        call.on_reject(on(CallEvent::Over));
        let shell = Rc::clone(self);
        call.on_mute(move |muted| shell.report(Event::Call(id, CallEvent::Muted(muted))));
        let shell = Rc::clone(self);
        call.on_warning(move |name| shell.report(Event::Call(id, CallEvent::Warning(name))));
        let shell = Rc::clone(self);
        call.on_error(move |error| shell.report(Event::Call(id, CallEvent::Error(error))));
        self.calls.borrow_mut().insert(id, Rc::new(call));
        self.report(Event::CallMade(id));
    }

    fn with_call(self: &Rc<Self>, id: DeviceId, act: impl FnOnce(&Call) -> Result<(), SdkError>) {
        let call = self.calls.borrow().get(&id).cloned();
        if let Some(Err(error)) = call.map(|call| act(&call)) {
            self.report(Event::Call(id, CallEvent::Error(error)));
        }
    }

    fn open_microphone(self: &Rc<Self>, id: DeviceId) {
        *self.microphone.borrow_mut() = Some((id, None));
        let opening = open(&self.window.navigator());
        let shell = Rc::clone(self);
        spawn_local(async move {
            let opened = match opening {
                Ok(promise) => JsFuture::from(promise).await,
                Err(error) => Err(error),
            };
            match opened {
                Ok(stream) => {
                    let stream: MediaStream = stream.unchecked_into();
                    match &mut *shell.microphone.borrow_mut() {
                        Some((wanted, held)) if *wanted == id => *held = Some(stream),
                        _ => stop(&stream),
                    }
                }
                Err(error) => {
                    let name = Reflect::get(&error, &"name".into()).ok().and_then(|name| name.as_string());
                    shell.report(Event::NoMicrophone(id, name.as_deref() == Some("NotAllowedError")));
                }
            }
        });
    }

    fn check_permission(self: &Rc<Self>) {
        let known = self.permission.borrow().clone();
        if let Some(status) = known {
            return self.report(Event::Permission(permission(status.state())));
        }
        let shell = Rc::clone(self);
        let Ok(query) = ask(&self.window.navigator()) else { return };
        spawn_local(async move {
            let Ok(status) = JsFuture::from(query).await else { return };
            let status: PermissionStatus = status.unchecked_into();
            let changed = {
                let (shell, status) = (Rc::clone(&shell), status.clone());
                move || shell.report(Event::Permission(permission(status.state())))
            };
            changed();
            let listener = Closure::<dyn FnMut()>::new(changed).into_js_value();
            status.set_onchange(Some(listener.unchecked_ref()));
            *shell.permission.borrow_mut() = Some(status);
        });
    }
}

fn ask(navigator: &Navigator) -> Result<Promise, JsValue> {
    let descriptor = Object::new();
    Reflect::set(&descriptor, &"name".into(), &"microphone".into())?;
    navigator.permissions()?.query(&descriptor)
}

fn permission(state: PermissionState) -> Permission {
    match state {
        PermissionState::Granted => Permission::Granted,
        PermissionState::Denied => Permission::Denied,
        _ => Permission::Prompt,
    }
}

fn open(navigator: &Navigator) -> Result<Promise, JsValue> {
    let constraints = MediaStreamConstraints::new();
    constraints.set_audio(&JsValue::TRUE);
    navigator.media_devices()?.get_user_media_with_constraints(&constraints)
}

fn stop(stream: &MediaStream) {
    for track in stream.get_tracks() {
        track.unchecked_into::<MediaStreamTrack>().stop();
    }
}
