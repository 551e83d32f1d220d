//! Plain objects.

use js_sys::{Object, Reflect};
use wasm_bindgen::prelude::*;

/// An object of these properties; one that is `undefined` is left out.
pub(crate) fn object<const N: usize>(properties: [(&str, JsValue); N]) -> Object {
    let object = Object::new();
    for (name, value) in properties {
        if !value.is_undefined() {
            // Setting a property of a fresh plain object cannot fail.
            let _was_set = Reflect::set(&object, &name.into(), &value);
        }
    }
    object
}
