//! Small things that every file of the shell needs of JavaScript.

use js_sys::{Function, Object, Promise, Reflect};
use wasm_bindgen::prelude::*;
use wasm_bindgen_futures::{JsFuture, spawn_local};
use web_sys::EventTarget;

/// A plain object.
pub(super) fn object<const N: usize>(properties: [(&str, JsValue); N]) -> Object {
    let object = Object::new();
    for (name, value) in properties {
        // Setting a property of a fresh plain object cannot fail.
        let _was_set = Reflect::set(&object, &name.into(), &value);
    }
    object
}

/// A property; `undefined` where there is none.
pub(super) fn get(object: &JsValue, name: &str) -> JsValue {
    Reflect::get(object, &name.into()).unwrap_or_default()
}

/// Whether a property is there, also one that would throw when it is read on the prototype.
pub(super) fn has(object: &JsValue, name: &str) -> bool {
    object.is_object() && Reflect::has(object, &name.into()).unwrap_or_default()
}

/// A listener for the life of the page.
pub(super) fn on<E: wasm_bindgen::convert::FromWasmAbi + 'static>(
    target: &EventTarget,
    event: &str,
    callback: impl Fn(E) + 'static,
) {
    let callback: Function = Closure::<dyn Fn(E)>::new(callback).into_js_value().unchecked_into();
    // Fails only for a callback that is no function.
    drop(target.add_event_listener_with_callback(event, &callback));
}

/// Waits for something of which only the doing matters: what it may fail with is nothing to anybody.
pub(super) fn let_go(promise: Result<Promise, JsValue>) {
    if let Ok(promise) = promise {
        spawn_local(async move {
            drop(JsFuture::from(promise).await);
        });
    }
}
