//! The call-like object in Flex's store that is the proxy of the extension's call.
//!
//! It has the methods of the Voice SDK's `Call` that Flex UI 2.x uses (seen in 2.7.2 and 2.17.1) and those
//! that plugins commonly use. It carries nothing out itself: every method that acts becomes an event.

use std::cell::{Cell, OnceCell, RefCell};
use std::rc::{Rc, Weak};

use js_sys::{Array, Function, Map, Object};
use protocol::CallPhase;
use wasm_bindgen::convert::{FromWasmAbi, ReturnWasmAbi};
use wasm_bindgen::prelude::*;

use crate::flex::{object, set};
use crate::machine::{CallProxy, Event};
use crate::outcome::warn_on_error;

struct Listener {
    event: String,
    callback: Function,
    once: bool,
}

/// A call-like object and what it shows.
pub struct CallObject {
    object: OnceCell<Object>,
    sid: String,
    muted: Cell<bool>,
    phase: Cell<CallPhase>,
    over: Cell<bool>,
    listeners: RefCell<Vec<Listener>>,
    take: Rc<dyn Fn(Event)>,
}

impl CallObject {
    /// An object for a call. `take` is given what Flex does with it.
    pub fn new(call: &CallProxy, take: Rc<dyn Fn(Event)>) -> Rc<Self> {
        let this = Rc::new(Self {
            object: OnceCell::new(),
            sid: call.sid.clone(),
            muted: Cell::new(call.muted),
            phase: Cell::new(call.phase),
            over: Cell::new(false),
            listeners: RefCell::default(),
            take,
        });
        let object = this.object();
        let parameters = self::object(&[("CallSid", JsValue::from_str(&call.sid))]);
        if let Some(from) = &call.from {
            set(&parameters, "From", &JsValue::from_str(from));
        }
        set(object, "parameters", &parameters);
        set(object, "customParameters", &Map::new());
        set(object, "direction", &JsValue::from_str("INCOMING"));
        this.add_methods();
        this
    }

    /// The JavaScript object.
    pub fn object(&self) -> &Object {
        self.object.get_or_init(Object::new)
    }

    /// The call's SID.
    pub fn sid(&self) -> &str {
        &self.sid
    }

    /// What `isMuted()` answers from now on.
    pub fn set_muted(&self, muted: bool) {
        self.muted.set(muted);
    }

    /// What `status()` answers from now on.
    pub fn set_phase(&self, phase: CallPhase) {
        self.phase.set(phase);
    }

    /// The call is over: the object does nothing any more, whoever still holds it.
    pub fn end(&self) {
        self.over.set(true);
        self.emit("disconnect", &[self.object().into()]);
        self.listeners.borrow_mut().clear();
    }

    /// Calls the listeners of an event. True when there were any.
    pub fn emit(&self, event: &str, arguments: &[JsValue]) -> bool {
        let callbacks: Vec<Function> = {
            let mut listeners = self.listeners.borrow_mut();
            let callbacks =
                listeners.iter().filter(|l| l.event == event).map(|l| l.callback.clone()).collect();
            listeners.retain(|l| l.event != event || !l.once);
            callbacks
        };
        let arguments: Array = arguments.iter().collect();
        for callback in &callbacks {
            warn_on_error(callback.apply(self.object(), &arguments));
        }
        !callbacks.is_empty()
    }

    fn act(&self, event: Event) {
        if !self.over.get() {
            (self.take)(event);
        }
    }

    fn status(&self) -> &'static str {
        match self.phase.get() {
            _ if self.over.get() => "closed",
            CallPhase::Connecting => "connecting",
            CallPhase::Open => "open",
            CallPhase::Reconnecting => "reconnecting",
        }
    }

    fn add_listener(&self, event: String, callback: Function, once: bool) {
        self.listeners.borrow_mut().push(Listener { event, callback, once });
    }

    /// The methods hold the object weakly, so that one that nobody holds any more can be collected.
    fn add_methods(self: &Rc<Self>) {
        self.method0("disconnect", |call| call.act(Event::HangUp));
        self.method1("mute", |call, muted: JsValue| {
            // As the Voice SDK: no argument means mute.
            call.act(Event::Mute(muted.is_undefined() || muted.is_truthy()));
        });
        self.method0("isMuted", |call| call.muted.get());
        self.method1("sendDigits", |call, digits: JsValue| {
            if let Some(digits) = digits.as_string() {
                call.act(Event::Digits(digits));
            }
        });
        self.method0("status", |call| call.status().to_owned());
        for name in ["on", "addListener"] {
            self.method2(name, |call, event, callback| call.listen(event, callback, false));
        }
        self.method2("once", |call, event, callback| call.listen(event, callback, true));
        for name in ["off", "removeListener"] {
            self.method2(name, |call, event, callback| {
                let event = event.as_string();
                let mut listeners = call.listeners.borrow_mut();
                let found = listeners
                    .iter()
                    .position(|l| Some(&l.event) == event.as_ref() && Object::is(&l.callback, &callback));
                if let Some(found) = found {
                    listeners.remove(found);
                }
                call.object().clone()
            });
        }
        self.method1("removeAllListeners", |call, event: JsValue| {
            let event = event.as_string();
            call.listeners.borrow_mut().retain(|l| event.as_ref().is_some_and(|event| l.event != *event));
            call.object().clone()
        });
        self.method2("emit", |call, event, argument| {
            event.as_string().is_some_and(|event| call.emit(&event, &[argument]))
        });
    }

    fn listen(&self, event: JsValue, callback: JsValue, once: bool) -> Object {
        if let (Some(event), Ok(callback)) = (event.as_string(), callback.dyn_into::<Function>()) {
            self.add_listener(event, callback, once);
        }
        self.object().clone()
    }

    fn method0<R: ReturnWasmAbi + Default + 'static>(self: &Rc<Self>, name: &str, body: fn(&Self) -> R) {
        let this = Rc::downgrade(self);
        let method = Closure::<dyn Fn() -> R>::new(move || on(&this, body)).into_js_value();
        set(self.object(), name, &method);
    }

    fn method1<A: FromWasmAbi + 'static, R: ReturnWasmAbi + Default + 'static>(
        self: &Rc<Self>,
        name: &str,
        body: fn(&Self, A) -> R,
    ) {
        let this = Rc::downgrade(self);
        let method = Closure::<dyn Fn(A) -> R>::new(move |a| on(&this, |call| body(call, a))).into_js_value();
        set(self.object(), name, &method);
    }

    fn method2<R: ReturnWasmAbi + Default + 'static>(
        self: &Rc<Self>,
        name: &str,
        body: fn(&Self, JsValue, JsValue) -> R,
    ) {
        let this = Rc::downgrade(self);
        let method =
            Closure::<dyn Fn(JsValue, JsValue) -> R>::new(move |a, b| on(&this, |call| body(call, a, b)));
        set(self.object(), name, &method.into_js_value());
    }
}

fn on<R: Default>(call: &Weak<CallObject>, body: impl FnOnce(&CallObject) -> R) -> R {
    call.upgrade().map(|call| body(&call)).unwrap_or_default()
}
