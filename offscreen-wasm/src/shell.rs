//! Carries out what [`crate::machine`] decides.
//!
//! The SDK never opens a microphone and never sees which there are. It asks our `getUserMedia`, which hands it what was
//! opened for the call and refuses when there is none, so that the microphone cannot be open without a call. And it is
//! told of two inputs that do not exist, [`PLUGS`]: to change the microphone in a call, the new one is opened first and
//! then put into the plug that is not in use. The SDK replaces the track and stops the old one, and no packet is missed.

mod audio;
mod rehearsal;

use std::{cell::RefCell, collections::HashMap, rc::Rc};

use gloo_timers::future::TimeoutFuture;
use js_sys::{Array, Error, Object, Promise, Reflect};
use kernel::{Secret, Timestamp};
use protocol::offscreen::{FromOffscreen, ToOffscreen};
use shell::{Clock as _, EventLoop, Shell as _};
use voice_sdk::{Call, Device, DeviceOptions, SdkError};
use wasm_bindgen::prelude::*;
use wasm_bindgen_futures::{JsFuture, future_to_promise, spawn_local};
use web_sys::{
    HtmlAudioElement, MediaDevices, MediaStream, Navigator, PermissionState, PermissionStatus, Window,
};
use webext::{Port, runtime};

use crate::machine::{CallEvent, Command, DeviceId, Event, Machine, Opened, Permission, PortId, SYSTEM};

/// How long a call outlives its signalling socket, in milliseconds: the most that the SDK allows.
const SIGNALLING_TIMEOUT_MS: u32 = 30_000;

/// How many turns a new `Device` may take to list its devices; it takes one or two.
const LISTING_TURNS: u32 = 20;

/// The inputs that the SDK is told of.
const PLUGS: [&str; 2] = ["first", "second"];

/// The microphone of the call.
#[derive(Default)]
struct Microphone {
    /// The call that it is for.
    device: Option<DeviceId>,
    /// Counts what was asked for, so that what comes late is known as such.
    asked: u32,
    /// The number of what is in use.
    used: u32,
    /// What the SDK gets when it asks.
    opening: Option<Promise>,
    /// What is in use, to be closed with the call.
    stream: Option<MediaStream>,
    /// The plug that is in use.
    plug: usize,
    /// The SDK is taking one over; what is asked for meanwhile waits here.
    switching: bool,
    waiting: Option<Vec<String>>,
}

struct Shell {
    window: Window,
    machine: EventLoop<Machine>,
    port: RefCell<Option<(PortId, Port)>>,
    devices: RefCell<HashMap<DeviceId, Rc<Device>>>,
    calls: RefCell<HashMap<DeviceId, Rc<Call>>>,
    microphone: RefCell<Microphone>,
    /// Where calls are played, and how loud in percent.
    speaker: RefCell<(String, u8)>,
    /// What plays the live call.
    outputs: RefCell<Vec<(DeviceId, HtmlAudioElement)>>,
    /// The tests that were asked for, and the one that runs.
    test: RefCell<(u32, Option<audio::Meter>)>,
    /// Kept, because an unreachable one reports no changes.
    permission: RefCell<Option<PermissionStatus>>,
}

/// Starts the document's work.
pub fn start() {
    let Some(window) = web_sys::window() else { return };
    let shell = Rc::new(Shell {
        window,
        machine: EventLoop::new(Machine::default()),
        port: RefCell::default(),
        devices: RefCell::default(),
        calls: RefCell::default(),
        microphone: RefCell::default(),
        speaker: RefCell::new((SYSTEM.to_owned(), 100)),
        outputs: RefCell::default(),
        test: RefCell::default(),
        permission: RefCell::default(),
    });
    if let Ok(devices) = shell.media_devices() {
        let shell = Rc::clone(&shell);
        let changed = Closure::<dyn FnMut()>::new(move || shell.report(Event::DevicesChanged));
        devices.set_ondevicechange(Some(changed.into_js_value().unchecked_ref()));
    }
    let online = {
        let shell = Rc::clone(&shell);
        Closure::<dyn FnMut()>::new(move || shell.report(Event::NetworkChanged)).into_js_value()
    };
    shell.window.set_ononline(Some(online.unchecked_ref()));
    shell.report(Event::Start);
    spawn_local(async {
        if rehearsal::rehearse().await.is_err() {
            webext::console_warn("The first call will be slower: WebRTC did not start before it.");
        }
    });
}

impl Shell {
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
            edges: Vec::new(),
            max_call_signaling_timeout_ms: SIGNALLING_TIMEOUT_MS,
            aggressive_ice_nomination: true,
            announces_expiry: false,
            app: Some(("Holdfast".into(), env!("CARGO_PKG_VERSION").into())),
            enumerate_devices: Some(self.devices_for_the_sdk()),
            get_user_media: Some(self.microphone_for_the_sdk(id)),
        };
        match Device::new(token.expose(), &options) {
            Ok(device) => {
                let shell = Rc::clone(self);
                device.on_error(move |error| shell.report(Event::DeviceError(id, error)));
                if !device.open_signalling() {
                    webext::console_warn("This build of the SDK opens its socket only for a call.");
                }
                self.devices.borrow_mut().insert(id, Rc::new(device));
            }
            Err(error) => self.report(Event::DeviceFailed(id, error)),
        }
    }

    fn dial(self: &Rc<Self>, id: DeviceId, connect_token: &Secret) {
        let Some(device) = self.device(id) else { return };
        let (shell, connect_token) = (Rc::clone(self), connect_token.clone());
        spawn_local(async move {
            if device.has_lost_signalling() {
                return shell.report(Event::SocketLost(id));
            }
            // A `Device` that was built in this turn has not listed its devices yet.
            for _ in 0..LISTING_TURNS {
                if device.knows_input(PLUGS[0]) {
                    break;
                }
                TimeoutFuture::new(0).await;
            }
            let connecting = device.set_input_device(PLUGS[0]).and_then(|plugged| {
                // Awaited by the SDK too, which says it better; here only so that nobody calls it unhandled.
                spawn_local(async move { drop(JsFuture::from(plugged).await) });
                device.start_connect(connect_token.expose())
            });
            let called = match connecting {
                Ok(promise) => JsFuture::from(promise).await.map_err(SdkError::from),
                Err(error) => Err(error),
            };
            match called {
                Ok(call) => shell.call_made(id, Call::from_js(call)),
                Err(error) => shell.report(Event::CallRefused(id, error)),
            }
        });
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
        call.on_warning(move |name| shell.report(Event::Call(id, CallEvent::Warning(name, true))));
        let shell = Rc::clone(self);
        call.on_warning_cleared(move |name| shell.report(Event::Call(id, CallEvent::Warning(name, false))));
        let shell = Rc::clone(self);
        call.on_sample(move |sample| {
            shell.report(Event::Call(id, CallEvent::Sample(sample, Timestamp::now())))
        });
        let shell = Rc::clone(self);
        call.on_audio(move |element| {
            let element: HtmlAudioElement = element.unchecked_into();
            shell.direct(&element);
            shell.outputs.borrow_mut().push((id, element));
        });
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

    fn media_devices(&self) -> Result<MediaDevices, JsValue> {
        self.window.navigator().media_devices()
    }

    /// Plays an element where calls are played.
    fn direct(self: &Rc<Self>, element: &HtmlAudioElement) {
        let (speaker, volume) = self.speaker.borrow().clone();
        let (shell, element) = (Rc::clone(self), Clone::clone(element));
        spawn_local(async move {
            let used = audio::direct(&element, &speaker, volume).await;
            shell.report(Event::Played { tried: speaker, used });
        });
    }

    /// Opens a microphone for a call that has none yet.
    fn open_microphone(self: &Rc<Self>, id: DeviceId, order: Vec<String>) {
        let asked = self.ask_for_microphone();
        self.microphone.borrow_mut().device = Some(id);
        let shell = Rc::clone(self);
        let opening = future_to_promise(async move {
            let opened = async { audio::open_first(&shell.media_devices()?, &order).await }.await;
            // The call may be on another `Device` by now, or over.
            let wanted_by = Some(&*shell.microphone.borrow())
                .filter(|microphone| microphone.asked == asked)
                .and_then(|microphone| microphone.device);
            match (opened, wanted_by) {
                (Ok((stream, opened)), Some(id)) => {
                    shell.watch(asked, &stream);
                    {
                        let mut microphone = shell.microphone.borrow_mut();
                        microphone.used = asked;
                        microphone.stream = Some(Clone::clone(&stream));
                    }
                    shell.report(Event::MicrophoneOpen(id, opened));
                    Ok(stream.into())
                }
                (Ok((stream, _)), None) => {
                    audio::stop(&stream);
                    Err(Error::new("the microphone is no longer wanted").into())
                }
                (Err(error), wanted_by) => {
                    if let Some(id) = wanted_by {
                        shell.report(Event::NoMicrophone(id, audio::is_denied(&error)));
                    }
                    Err(error)
                }
            }
        });
        self.microphone.borrow_mut().opening = Some(opening.clone());
        spawn_local(async move { drop(JsFuture::from(opening).await) });
    }

    fn ask_for_microphone(&self) -> u32 {
        let mut microphone = self.microphone.borrow_mut();
        microphone.asked += 1;
        microphone.asked
    }

    /// Lets another `Device` have the call's microphone. The one that had it before stops the tracks that it was given when
    /// it is destroyed, so the other one gets a copy; of what is not open yet the older one gets nothing.
    fn keep_microphone(self: &Rc<Self>, id: DeviceId) {
        let copy = {
            let mut microphone = self.microphone.borrow_mut();
            microphone.device = Some(id);
            let Some(held) = &microphone.stream else { return };
            let copy = held.clone();
            microphone.opening = Some(ready(&copy));
            microphone.stream = Some(Clone::clone(&copy));
            copy
        };
        let used = self.microphone.borrow().used;
        self.watch(used, &copy);
    }

    /// Reports what happens to a microphone without anybody here having done it: its end, and a mute by the computer or
    /// the headset. `asked` is its number.
    fn watch(self: &Rc<Self>, asked: u32, stream: &MediaStream) {
        let shell = Rc::clone(self);
        let report = move |event: fn(DeviceId, bool) -> Event, muted: bool| {
            let in_use = {
                let microphone = shell.microphone.borrow();
                microphone.device.filter(|_| microphone.used == asked)
            };
            if let Some(id) = in_use {
                shell.report(event(id, muted));
            }
        };
        for track in audio::tracks(stream) {
            // The SDK lets it be heard when it has applied its mute state, and not a moment before.
            track.set_enabled(false);
            let report = report.clone();
            let ended = Closure::once_into_js(move || report(|id, _| Event::MicrophoneLost(id), false));
            track.set_onended(Some(ended.unchecked_ref()));
        }
        audio::on_muted(stream, move |muted| report(Event::MicrophoneMuted, muted));
    }

    /// One at a time: the SDK would stop the track that it has just taken over.
    fn switch_microphone(self: &Rc<Self>, id: DeviceId, order: Vec<String>) {
        let Some(device) = self.device(id) else { return };
        if self.microphone.borrow().switching {
            self.microphone.borrow_mut().waiting = Some(order);
            return;
        }
        let asked = self.ask_for_microphone();
        self.microphone.borrow_mut().switching = true;
        let shell = Rc::clone(self);
        spawn_local(async move {
            let switched = shell.take_over(&device, asked, &order).await;
            let waiting = {
                let mut microphone = shell.microphone.borrow_mut();
                if microphone.asked != asked {
                    return; // The call is over.
                }
                microphone.switching = false;
                microphone.waiting.take()
            };
            shell.report(match switched {
                Ok(opened) => Event::MicrophoneOpen(id, opened),
                Err(error) => {
                    let tried = order.into_iter().next().unwrap_or_default();
                    Event::NotSwitched { device: id, tried, words: error.message }
                }
            });
            if let Some(order) = waiting {
                shell.switch_microphone(id, order);
            }
        });
    }

    /// Opens a microphone and puts it into the unused plug. What goes wrong leaves the one before in use.
    async fn take_over(
        self: &Rc<Self>,
        device: &Device,
        asked: u32,
        order: &[String],
    ) -> Result<Opened, SdkError> {
        let (stream, opened) = audio::open_first(&self.media_devices()?, order).await?;
        let plug = {
            let mut microphone = self.microphone.borrow_mut();
            if microphone.asked != asked {
                audio::stop(&stream);
                return Err(SdkError { code: None, message: "the call is over".into() });
            }
            microphone.opening = Some(ready(&stream));
            1 - microphone.plug
        };
        self.watch(asked, &stream);
        let plugged = async {
            JsFuture::from(device.set_input_device(PLUGS[plug])?).await?;
            Ok::<(), SdkError>(())
        }
        .await;
        let mut microphone = self.microphone.borrow_mut();
        if let Some(error) = plugged.err() {
            microphone.opening = microphone.stream.as_ref().map(ready);
            audio::stop(&stream);
            return Err(error);
        }
        if microphone.asked != asked {
            audio::stop(&stream);
            return Ok(opened);
        }
        microphone.plug = plug;
        microphone.used = asked;
        // The SDK has stopped it already; to be sure that no microphone stays open that is not in use.
        microphone.stream.replace(stream).iter().for_each(audio::stop);
        Ok(opened)
    }

    /// The two plugs, and one output: which speaker plays is set on the elements themselves.
    fn devices_for_the_sdk(&self) -> js_sys::Function {
        let device = |kind: &str, id: &str| {
            let device = Object::new();
            for (key, value) in [("kind", kind), ("deviceId", id), ("label", id), ("groupId", "")] {
                // Setting a property of a fresh plain object cannot fail.
                let _was_set = Reflect::set(&device, &key.into(), &value.into());
            }
            device
        };
        let list = Array::of3(
            &device("audioinput", PLUGS[0]),
            &device("audioinput", PLUGS[1]),
            &device("audiooutput", SYSTEM),
        );
        let listed = Promise::resolve(&list);
        let listed = Closure::<dyn FnMut() -> JsValue>::new(move || listed.clone().into());
        listed.into_js_value().unchecked_into()
    }

    /// Gives the SDK the microphone of this call, and no other.
    fn microphone_for_the_sdk(self: &Rc<Self>, id: DeviceId) -> js_sys::Function {
        let shell = Rc::clone(self);
        let get = move |_constraints: JsValue| -> Promise {
            let shell = Rc::clone(&shell);
            future_to_promise(async move {
                let is_for_it = || shell.microphone.borrow().device == Some(id);
                let opening = shell.microphone.borrow().opening.clone().filter(|_| is_for_it());
                if let Some(opening) = opening {
                    let stream = JsFuture::from(opening).await?;
                    // The call may be on another `Device` by now.
                    if is_for_it() {
                        return Ok(stream);
                    }
                }
                Err(Error::new("no microphone is open for this call").into())
            })
        };
        Closure::<dyn FnMut(JsValue) -> Promise>::new(get).into_js_value().unchecked_into()
    }

    fn list_devices(self: &Rc<Self>) {
        let Ok(devices) = self.media_devices() else { return };
        let shell = Rc::clone(self);
        spawn_local(async move {
            if let Ok((microphones, speakers)) = audio::list(&devices).await {
                shell.report(Event::Devices { microphones, speakers });
            }
        });
    }

    fn start_test(self: &Rc<Self>, order: Vec<String>) {
        let asked = {
            let mut test = self.test.borrow_mut();
            *test = (test.0 + 1, None);
            test.0
        };
        let shell = Rc::clone(self);
        spawn_local(async move {
            let opened = async {
                let (stream, opened) = audio::open_first(&shell.media_devices()?, &order).await?;
                if shell.test.borrow().0 != asked {
                    audio::stop(&stream);
                    return Ok(());
                }
                let reporter = Rc::clone(&shell);
                let is_current = move || reporter.test.borrow().0 == asked;
                let reporter = Rc::clone(&shell);
                audio::on_muted(&stream, move |muted| {
                    if is_current() {
                        reporter.report(Event::TestMuted(muted));
                    }
                });
                let reporter = Rc::clone(&shell);
                let meter = audio::Meter::start(stream, move |level| reporter.report(Event::Level(level)))?;
                shell.test.borrow_mut().1 = Some(meter);
                shell.report(Event::TestOpen(opened));
                Ok::<(), JsValue>(())
            };
            if opened.await.is_err() && shell.test.borrow().0 == asked {
                shell.report(Event::TestFailed);
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

impl shell::Shell for Shell {
    type Machine = Machine;

    fn event_loop(&self) -> &EventLoop<Machine> {
        &self.machine
    }

    fn carry_out(self: &Rc<Self>, command: Command) {
        match command {
            Command::Connect(id) => self.connect(id),
            Command::Send(id, message) => self.send(id, &message),
            Command::Build { device, token, edge } => self.build(device, &token, edge),
            Command::Destroy(id) => {
                self.calls.borrow_mut().remove(&id);
                self.outputs.borrow_mut().retain(|(device, _)| *device != id);
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
            Command::OpenMicrophone(id, order) => self.open_microphone(id, order),
            Command::KeepMicrophone(id) => self.keep_microphone(id),
            Command::SwitchMicrophone(id, order) => self.switch_microphone(id, order),
            Command::CloseMicrophone => {
                let asked = self.microphone.borrow().asked;
                let held = self.microphone.replace(Microphone { asked: asked + 1, ..Microphone::default() });
                held.stream.iter().for_each(audio::stop);
            }
            Command::ListDevices => self.list_devices(),
            Command::UseSpeaker(speaker, volume) => {
                self.speaker.replace((speaker, volume));
                for (_, element) in self.outputs.borrow().iter() {
                    self.direct(element);
                }
            }
            Command::StartTest(order) => self.start_test(order),
            Command::StopTest => {
                let mut test = self.test.borrow_mut();
                *test = (test.0 + 1, None);
            }
            Command::PlayTone(tone, speaker, volume) => {
                let shell = Rc::clone(self);
                spawn_local(async move {
                    match audio::play_tone(tone, &speaker, volume).await {
                        Ok(used) => shell.report(Event::Played { tried: speaker, used }),
                        Err(_) => webext::console_warn("The tone could not be played."),
                    }
                });
            }
            Command::RestartMedia(id) => self.with_call(id, |call| {
                let is_connected = self.device(id).is_some_and(|device| device.edge().is_some());
                if !is_connected || call.restart_media() {
                    return Ok(());
                }
                Err(SdkError { code: None, message: "this build of the SDK renews no media path".into() })
            }),
            Command::CheckPermission => self.check_permission(),
        }
    }
}

/// What the SDK is given when the microphone is open already.
fn ready(stream: &MediaStream) -> Promise {
    let stream: &JsValue = stream;
    Promise::resolve(stream)
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
