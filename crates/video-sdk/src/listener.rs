//! Listeners that end.

use wasm_bindgen::prelude::*;

#[wasm_bindgen]
extern "C" {
    /// Node's `EventEmitter`, which all objects of the SDK are.
    #[derive(Clone)]
    type Emitter;
    #[wasm_bindgen(method)]
    fn on(this: &Emitter, event: &str, listener: &JsValue);
    #[wasm_bindgen(method, js_name = removeListener)]
    fn remove_listener(this: &Emitter, event: &str, listener: &JsValue);
}

/// A listener at an object of the SDK; dropping it takes it away.
#[must_use]
pub(crate) struct Listener {
    emitter: Emitter,
    event: &'static str,
    closure: Closure<dyn Fn(JsValue, JsValue, JsValue)>,
}

impl Listener {
    /// `Fn`, not `FnMut`: an event may be caused from inside the listener of another.
    pub(crate) fn new(
        emitter: &JsValue,
        event: &'static str,
        callback: impl Fn(JsValue, JsValue, JsValue) + 'static,
    ) -> Self {
        let emitter: Emitter = emitter.clone().unchecked_into();
        let closure = Closure::<dyn Fn(JsValue, JsValue, JsValue)>::new(callback);
        emitter.on(event, closure.as_ref());
        Self { emitter, event, closure }
    }
}

impl Drop for Listener {
    fn drop(&mut self) {
        self.emitter.remove_listener(self.event, self.closure.as_ref());
    }
}
