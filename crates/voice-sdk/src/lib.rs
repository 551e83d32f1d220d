//! Typed bindings to the parts of `@twilio/voice-sdk` 2.18 that Holdfast uses.
//!
//! The SDK's UMD build, loaded before our WASM, leaves `globalThis.Twilio`. Facts in the documentation here
//! were read in the SDK's source or seen when running it (`docs/fidelity.md`).
//!
//! Listeners stay for the life of their object: a `Device` or `Call` that is dropped by the SDK takes them
//! along, except for the small closure, of which there are a handful per call.

#![warn(missing_docs)]

use std::{cell::Cell, rc::Rc};

use js_sys::{Function, Object, Promise, Reflect};
use wasm_bindgen::prelude::*;
use wasm_bindgen_futures::{JsFuture, spawn_local};

#[wasm_bindgen]
extern "C" {
    #[wasm_bindgen(js_namespace = Twilio, js_name = Device)]
    type RawDevice;
    #[wasm_bindgen(constructor, catch, js_namespace = Twilio, js_class = "Device")]
    fn new(token: &str, options: &Object) -> Result<RawDevice, JsValue>;
    #[wasm_bindgen(thread_local_v2, js_namespace = ["Twilio", "Device"], js_name = version)]
    static VERSION: JsValue;
    #[wasm_bindgen(method, js_name = on)]
    fn device_on(this: &RawDevice, event: &str, listener: &Function);
    #[wasm_bindgen(method, catch, js_name = register)]
    fn register(this: &RawDevice) -> Result<Promise, JsValue>;
    #[wasm_bindgen(method, catch, js_name = updateToken)]
    fn update_token(this: &RawDevice, token: &str) -> Result<(), JsValue>;
    #[wasm_bindgen(method, catch, js_name = destroy)]
    fn destroy(this: &RawDevice) -> Result<(), JsValue>;
    #[wasm_bindgen(method, catch, js_name = connect)]
    fn connect(this: &RawDevice, options: &Object) -> Result<Promise, JsValue>;
    #[wasm_bindgen(method, getter, js_name = edge)]
    fn edge(this: &RawDevice) -> JsValue;
    #[wasm_bindgen(method, getter, js_name = state)]
    fn state(this: &RawDevice) -> String;

    #[wasm_bindgen(js_namespace = Twilio, js_name = Call)]
    type RawCall;
    #[wasm_bindgen(method, js_name = on)]
    fn call_on(this: &RawCall, event: &str, listener: &Function);
    #[wasm_bindgen(method, getter, js_name = connectToken)]
    fn connect_token(this: &RawCall) -> Option<String>;
    #[wasm_bindgen(method, getter, js_name = parameters)]
    fn parameters(this: &RawCall) -> JsValue;
    #[wasm_bindgen(method, catch, js_name = reject)]
    fn reject(this: &RawCall) -> Result<(), JsValue>;
    #[wasm_bindgen(method, catch, js_name = ignore)]
    fn ignore(this: &RawCall) -> Result<(), JsValue>;
    #[wasm_bindgen(method, catch, js_name = disconnect)]
    fn disconnect(this: &RawCall) -> Result<(), JsValue>;
    #[wasm_bindgen(method, catch, js_name = mute)]
    fn mute(this: &RawCall, muted: bool) -> Result<(), JsValue>;
    #[wasm_bindgen(method, js_name = isMuted)]
    fn is_muted(this: &RawCall) -> bool;
    #[wasm_bindgen(method, catch, js_name = sendDigits)]
    fn send_digits(this: &RawCall, digits: &str) -> Result<(), JsValue>;
    #[wasm_bindgen(method, js_name = status)]
    fn status(this: &RawCall) -> String;
}

/// An error of the SDK: `TwilioError` and the like.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{code:?} {message}")]
pub struct SdkError {
    /// Twilio's error code (`20101`, `31005`, `53000`, …), when the error has one.
    pub code: Option<u32>,
    /// The SDK's words. They name no token.
    pub message: String,
}

impl SdkError {
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "Twilio's codes are five-digit integers"
    )]
    fn from_js(value: &JsValue) -> Self {
        let get = |key: &str| Reflect::get(value, &key.into()).ok();
        Self {
            code: get("code").and_then(|code| code.as_f64()).map(|code| code as u32),
            message: get("message")
                .and_then(|message| message.as_string())
                .unwrap_or_else(|| "unknown error".into()),
        }
    }
}

impl From<JsValue> for SdkError {
    fn from(value: JsValue) -> Self {
        Self::from_js(&value)
    }
}

/// The SDK's version, for instance `2.18.5`.
#[must_use]
pub fn version() -> String {
    VERSION.with(|version| version.as_string().unwrap_or_default())
}

/// The options that Holdfast sets; all else is the SDK's default.
#[derive(Clone, Debug, Default)]
pub struct DeviceOptions {
    /// The edge to connect to, when it must be the one that another `Device` is on.
    pub edge: Option<String>,
    /// Otherwise: the edges to connect to, in order of preference. Empty leaves it to the SDK.
    pub edges: Vec<String>,
    /// How long a call outlives its signalling socket, in milliseconds; the SDK caps it at 30 000.
    pub max_call_signaling_timeout_ms: u32,
    /// Let Chrome use the first media path that works instead of waiting until the check that chooses one has come round
    /// (the SDK's `forceAggressiveIceNomination`): without it an answer of Twilio's media servers, which are ICE-lite,
    /// costs one more interval of checks, some 50 ms.
    pub aggressive_ice_nomination: bool,
    /// Announce a token's end ([`Device::on_token_will_expire`]) some seconds before it. The SDK keeps a timer for that
    /// over the token's whole life, and with it a `Device` that was destroyed long before.
    pub announces_expiry: bool,
    /// The application's name and version, which Twilio's Insights shows.
    pub app: Option<(String, String)>,
    /// What stands in for `navigator.mediaDevices.enumerateDevices`.
    pub enumerate_devices: Option<Function>,
    /// What stands in for `navigator.mediaDevices.getUserMedia`.
    pub get_user_media: Option<Function>,
}

impl DeviceOptions {
    fn to_js(&self) -> Object {
        let options = Object::new();
        let set = |key: &str, value: JsValue| {
            // Setting a property of a fresh plain object cannot fail.
            let _was_set = Reflect::set(&options, &key.into(), &value);
        };
        if let Some(edge) = &self.edge {
            set("edge", edge.into());
        } else if !self.edges.is_empty() {
            set("edge", self.edges.iter().map(JsValue::from).collect::<js_sys::Array>().into());
        }
        if self.aggressive_ice_nomination {
            set("forceAggressiveIceNomination", true.into());
        }
        if self.max_call_signaling_timeout_ms > 0 {
            set("maxCallSignalingTimeoutMs", self.max_call_signaling_timeout_ms.into());
        }
        if !self.announces_expiry {
            set("tokenRefreshMs", JsValue::NULL);
        }
        if let Some((name, version)) = &self.app {
            set("appName", name.into());
            set("appVersion", version.into());
        }
        if let Some(enumerate) = &self.enumerate_devices {
            set("enumerateDevices", enumerate.into());
        }
        if let Some(open) = &self.get_user_media {
            set("getUserMedia", open.into());
        }
        // Tells 31202, 31404, 31486 and the like apart instead of folding them into 53000.
        set("enableImprovedSignalingErrorPrecision", true.into());
        options
    }
}

/// `Twilio.Device`. Attach the `on_*` listeners before anything else: without an error listener the SDK
/// throws.
pub struct Device {
    raw: RawDevice,
    /// Was connected once.
    connected: Rc<Cell<bool>>,
}

impl Device {
    /// Builds a `Device`; no network traffic in a worker, 15 sound files in a document.
    ///
    /// # Errors
    /// [`SdkError`] when the token is not a JWT-like string.
    pub fn new(token: &str, options: &DeviceOptions) -> Result<Self, SdkError> {
        Ok(Self { raw: RawDevice::new(token, &options.to_js())?, connected: Rc::default() })
    }

    /// The gateway has confirmed the registration; again after each re-registration.
    pub fn on_registered(&self, mut callback: impl FnMut() + 'static) {
        self.raw.device_on("registered", &keep(move |_| callback()));
    }

    /// The registration is gone.
    pub fn on_unregistered(&self, mut callback: impl FnMut() + 'static) {
        self.raw.device_on("unregistered", &keep(move |_| callback()));
    }

    /// Any error. It does not change the `Device`'s state by itself.
    pub fn on_error(&self, mut callback: impl FnMut(SdkError) + 'static) {
        self.raw.device_on("error", &keep(move |error| callback(SdkError::from_js(&error))));
    }

    /// The token will expire within seconds. May come more than once for one token.
    pub fn on_token_will_expire(&self, mut callback: impl FnMut() + 'static) {
        self.raw.device_on("tokenWillExpire", &keep(move |_| callback()));
    }

    /// A call is offered. In a worker it cannot be accepted: pass its connect token on.
    pub fn on_incoming(&self, mut callback: impl FnMut(Call) + 'static) {
        self.raw.device_on("incoming", &keep(move |call| callback(Call { raw: call.unchecked_into() })));
    }

    /// Registers. Settles late or never when the token is refused, so listen to `error` and `registered`
    /// instead of waiting for it.
    ///
    /// # Errors
    /// [`SdkError`] when the `Device` is not in a state to register.
    pub async fn register(&self) -> Result<(), SdkError> {
        JsFuture::from(self.raw.register()?).await?;
        Ok(())
    }

    /// The promise of [`Device::register`], for a shell that must not hold a borrow while it waits.
    ///
    /// # Errors
    /// As [`Device::register`].
    pub fn start_register(&self) -> Result<Promise, SdkError> {
        Ok(self.raw.register()?)
    }

    /// The gateway's answer to each `register` that the SDK sends, also to the repeated ones, of which the SDK's own
    /// events say nothing. Listened for at the SDK's signalling stream (2.18.5, `pstream.ts`: private, so that another
    /// version may have none: then nothing is called back). The stream exists once [`Device::start_register`] was called.
    pub fn on_confirmation(&self, callback: impl FnMut() + 'static) {
        self.on_stream("ready", callback);
    }

    /// The gateway has told the `Device` to close and stay closed: the SDK opens no socket again by itself. Listened for as
    /// [`Device::on_confirmation`] does.
    pub fn on_closed(&self, callback: impl FnMut() + 'static) {
        self.on_stream("close", callback);
    }

    fn on_stream(&self, event: &str, mut callback: impl FnMut() + 'static) {
        if let Some((stream, on)) = self.stream_method("on") {
            // A stream that throws at its own `on` has nothing to tell.
            let _called = on.call2(&stream, &event.into(), &keep(move |_| callback()));
        }
    }

    /// Sends another `register`, answered as [`Device::on_confirmation`] tells; nothing when the stream is gone.
    pub fn ask_for_confirmation(&self) {
        if let Some((stream, register)) = self.stream_method("register") {
            let media = Object::new();
            let _was_set = Reflect::set(&media, &"audio".into(), &true.into());
            // No answer is what a failure comes to, and that is noticed.
            let _called = register.call1(&stream, &media);
        }
    }

    fn stream_method(&self, name: &str) -> Option<(JsValue, Function)> {
        let stream = Reflect::get(&self.raw, &"_stream".into()).ok().filter(JsValue::is_object)?;
        let method = Reflect::get(&stream, &name.into()).ok()?.dyn_into().ok()?;
        Some((stream, method))
    }

    /// Gives a new token; takes effect on the open socket.
    ///
    /// # Errors
    /// [`SdkError`] when the `Device` is destroyed or the token is not a string it takes.
    pub fn update_token(&self, token: &str) -> Result<(), SdkError> {
        Ok(self.raw.update_token(token)?)
    }

    /// Ends everything, also a call: **rejects** a call that is offered and not yet handed over.
    pub fn destroy(&self) {
        // A destroyed Device throws on a second destroy: then there is nothing left to do.
        if let Err(error) = self.raw.destroy() {
            drop(error);
        }
    }

    /// Opens the signalling socket before there is a call, which saves a call the TCP, TLS and WebSocket handshakes and
    /// the gateway's check of the token: four round trips. `connect` then finds it open.
    ///
    /// The SDK opens it by itself only to register or to call, and a `Device` that registers is offered calls. So this
    /// reaches for the step that both of them begin with, `_setupStream` of 2.18.5, and says whether it was there;
    /// without it a call is only slower. A test holds the SDK to it (`e2e/tests/sdk.spec.ts`).
    #[must_use]
    pub fn open_signalling(&self) -> bool {
        let setup = Reflect::get(&self.raw, &"_setupStream".into()).unwrap_or_default();
        let Ok(setup) = setup.dyn_into::<Function>() else { return false };
        let Ok(opening) = setup.call0(&self.raw) else { return false };
        if let Ok(opening) = opening.dyn_into::<Promise>() {
            let connected = Rc::clone(&self.connected);
            // A refusal is reported as the `Device`'s error too.
            spawn_local(async move { connected.set(JsFuture::from(opening).await.is_ok()) });
        }
        true
    }

    /// True when the socket that [`Device::open_signalling`] opened was connected and is not now. The SDK would fail a
    /// call on it at once.
    #[must_use]
    pub fn has_lost_signalling(&self) -> bool {
        self.connected.get() && self.edge().is_none()
    }

    /// True once the SDK has listed the devices that its `enumerateDevices` gave it.
    #[must_use]
    pub fn knows_input(&self, id: &str) -> bool {
        let known = self.audio().and_then(|audio| Reflect::get(&audio, &"availableInputDevices".into()).ok());
        known.and_then(|known| known.dyn_into::<js_sys::Map>().ok()).is_some_and(|map| map.has(&id.into()))
    }

    /// Lets the SDK ask for a microphone by its `getUserMedia`, and use what it gets from now on, in a live call too.
    ///
    /// # Errors
    /// [`SdkError`] when the id is not one of the listed, or `getUserMedia` fails.
    pub fn set_input_device(&self, id: &str) -> Result<Promise, SdkError> {
        let audio = self.audio().unwrap_or_default();
        let set: Function = Reflect::get(&audio, &"setInputDevice".into())?.dyn_into()?;
        Ok(set.call1(&audio, &id.into())?.dyn_into()?)
    }

    fn audio(&self) -> Option<JsValue> {
        Reflect::get(&self.raw, &"audio".into()).ok().filter(|audio| !audio.is_falsy())
    }

    /// Accepts a call that another `Device` of the same identity was offered. Resolves about when the offer
    /// is sent: attach the call's listeners right after.
    ///
    /// # Errors
    /// [`SdkError`] for a connect token that cannot be read, or when a call is active already.
    pub fn start_connect(&self, connect_token: &str) -> Result<Promise, SdkError> {
        let options = Object::new();
        let _was_set = Reflect::set(&options, &"connectToken".into(), &connect_token.into());
        Ok(self.raw.connect(&options)?)
    }

    /// The edge that the `Device` is connected to, once it is.
    #[must_use]
    pub fn edge(&self) -> Option<String> {
        self.raw.edge().as_string()
    }

    /// `unregistered`, `registering`, `registered` or `destroyed`.
    #[must_use]
    pub fn state(&self) -> String {
        self.raw.state()
    }
}

/// What the SDK's quality monitor measures once a second. `None`: not known yet.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Sample {
    /// Round trip, in milliseconds.
    pub rtt_ms: Option<f64>,
    /// Variation of packet arrival, in milliseconds.
    pub jitter_ms: Option<f64>,
    /// Packets lost on the way here in the last second, in percent.
    pub loss_percent: Option<f64>,
    /// Mean opinion score, 1 to 4.5.
    pub mos: Option<f64>,
    /// Since the call began.
    pub bytes_received: u64,
    /// Since the call began.
    pub bytes_sent: u64,
}

impl Sample {
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "counts of bytes; the cast saturates"
    )]
    fn from_js(value: &JsValue) -> Self {
        let get = |object: &JsValue, key: &str| Reflect::get(object, &key.into()).ok();
        let number = |object: &JsValue, key: &str| get(object, key).and_then(|n| n.as_f64());
        let totals = get(value, "totals").unwrap_or_default();
        let count = |key: &str| number(&totals, key).unwrap_or_default() as u64;
        Self {
            rtt_ms: number(value, "rtt"),
            jitter_ms: number(value, "jitter"),
            loss_percent: number(value, "packetsLostFraction"),
            mos: number(value, "mos"),
            bytes_received: count("bytesReceived"),
            bytes_sent: count("bytesSent"),
        }
    }
}

/// `Twilio.Call`.
pub struct Call {
    raw: RawCall,
}

impl Call {
    /// The result of [`Device::start_connect`]'s promise.
    #[must_use]
    pub fn from_js(value: JsValue) -> Self {
        Self { raw: value.unchecked_into() }
    }

    /// What another `Device` needs to accept this call; `None` when the gateway gave no reconnect token.
    #[must_use]
    pub fn connect_token(&self) -> Option<String> {
        self.raw.connect_token()
    }

    /// A parameter of the call: `CallSid`, `From`, `To`, `AccountSid`.
    #[must_use]
    pub fn parameter(&self, name: &str) -> Option<String> {
        Reflect::get(&self.raw.parameters(), &name.into()).ok()?.as_string()
    }

    /// The SDP exchange is done. Says nothing about media.
    pub fn on_accept(&self, mut callback: impl FnMut() + 'static) {
        self.raw.call_on("accept", &keep(move |_| callback()));
    }

    /// The call is over.
    pub fn on_disconnect(&self, mut callback: impl FnMut() + 'static) {
        self.raw.call_on("disconnect", &keep(move |_| callback()));
    }

    /// The offer is gone: given up by the caller, or handed over to another `Device`.
    pub fn on_cancel(&self, mut callback: impl FnMut() + 'static) {
        self.raw.call_on("cancel", &keep(move |_| callback()));
    }

    /// The call was rejected on this side.
    pub fn on_reject(&self, mut callback: impl FnMut() + 'static) {
        self.raw.call_on("reject", &keep(move |_| callback()));
    }

    /// An error of the call; it may or may not end it.
    pub fn on_error(&self, mut callback: impl FnMut(SdkError) + 'static) {
        self.raw.call_on("error", &keep(move |error| callback(SdkError::from_js(&error))));
    }

    /// Signalling or media is lost and being repaired.
    pub fn on_reconnecting(&self, mut callback: impl FnMut() + 'static) {
        self.raw.call_on("reconnecting", &keep(move |_| callback()));
    }

    /// Signalling and media are back.
    pub fn on_reconnected(&self, mut callback: impl FnMut() + 'static) {
        self.raw.call_on("reconnected", &keep(move |_| callback()));
    }

    /// The mute state changed.
    pub fn on_mute(&self, mut callback: impl FnMut(bool) + 'static) {
        self.raw.call_on("mute", &keep(move |muted| callback(muted.is_truthy())));
    }

    /// The SDK's quality monitor warns (`high-rtt`, `low-mos`, …).
    pub fn on_warning(&self, mut callback: impl FnMut(String) + 'static) {
        self.raw.call_on("warning", &keep(move |name| callback(name.as_string().unwrap_or_default())));
    }

    /// The quality monitor takes a warning back.
    pub fn on_warning_cleared(&self, mut callback: impl FnMut(String) + 'static) {
        self.raw
            .call_on("warning-cleared", &keep(move |name| callback(name.as_string().unwrap_or_default())));
    }

    /// The quality monitor's measurements, once a second while there is media.
    pub fn on_sample(&self, mut callback: impl FnMut(Sample) + 'static) {
        self.raw.call_on("sample", &keep(move |sample| callback(Sample::from_js(&sample))));
    }

    /// The `HTMLAudioElement` that plays the other side was made.
    pub fn on_audio(&self, callback: impl FnMut(JsValue) + 'static) {
        self.raw.call_on("audio", &keep(callback));
    }

    /// Negotiates a new media path, as the SDK does by itself once it has noticed that the old one is dead. The SDK has
    /// no public way to ask for it: this reaches into 2.18.5, and says whether there was something to reach.
    #[must_use]
    pub fn restart_media(&self) -> bool {
        let method = |object: &JsValue, name: &str| {
            Reflect::get(object, &name.into()).ok()?.dyn_into::<Function>().ok()
        };
        let media = Reflect::get(&self.raw, &"_mediaHandler".into()).unwrap_or_default();
        method(&media, "iceRestart").is_some_and(|restart| restart.call0(&media).is_ok())
    }

    /// Refuses the offer.
    ///
    /// # Errors
    /// [`SdkError`] when the SDK throws.
    pub fn reject(&self) -> Result<(), SdkError> {
        Ok(self.raw.reject()?)
    }

    /// Drops the offer on this side only: nothing is sent.
    ///
    /// # Errors
    /// [`SdkError`] when the SDK throws.
    pub fn ignore(&self) -> Result<(), SdkError> {
        Ok(self.raw.ignore()?)
    }

    /// Hangs up.
    ///
    /// # Errors
    /// [`SdkError`] when the SDK throws.
    pub fn disconnect(&self) -> Result<(), SdkError> {
        Ok(self.raw.disconnect()?)
    }

    /// Mutes or unmutes: silence is sent, packets go on.
    ///
    /// # Errors
    /// [`SdkError`] when the SDK throws.
    pub fn mute(&self, muted: bool) -> Result<(), SdkError> {
        Ok(self.raw.mute(muted)?)
    }

    /// True while muted.
    #[must_use]
    pub fn is_muted(&self) -> bool {
        self.raw.is_muted()
    }

    /// Sends DTMF: `0-9*#`, and `w` for a pause of 500 ms.
    ///
    /// # Errors
    /// [`SdkError`] for any other character.
    pub fn send_digits(&self, digits: &str) -> Result<(), SdkError> {
        Ok(self.raw.send_digits(digits)?)
    }

    /// `connecting`, `ringing`, `pending`, `open`, `reconnecting` or `closed`.
    #[must_use]
    pub fn status(&self) -> String {
        self.raw.status()
    }
}

fn keep(callback: impl FnMut(JsValue) + 'static) -> Function {
    Closure::<dyn FnMut(JsValue)>::new(callback).into_js_value().unchecked_into()
}
