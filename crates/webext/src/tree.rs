//! Trees and JavaScript values: the one place where the two meet.

use js_sys::{Array, Object, Reflect};
use wasm_bindgen::prelude::*;
use wire::{Map, Tree};

/// The deepest value that is read, in levels of objects and arrays: no message or state of ours has half as many.
const MAX_DEPTH: usize = 32;

/// The value as `JSON.parse` would give it.
pub fn to_js(tree: &Tree) -> JsValue {
    match tree {
        Tree::Null => JsValue::NULL,
        Tree::Bool(value) => JsValue::from_bool(*value),
        Tree::Number(value) => JsValue::from_f64(*value),
        Tree::Word(text) => JsValue::from_str(text),
        Tree::Text(text) => JsValue::from_str(text),
        Tree::List(items) => {
            let list = Array::new();
            for item in items {
                list.push(&to_js(item));
            }
            list.into()
        }
        Tree::Map(map) => {
            let object = Object::new();
            for (name, value) in map.iter() {
                // A fresh object takes any property.
                let _was_set = Reflect::set(&object, &name.into(), &to_js(value));
            }
            object.into()
        }
    }
}

/// What `JSON.stringify` would tell of the value; `None` when it is too deep.
pub fn from_js(value: &JsValue) -> Option<Tree> {
    read(value, MAX_DEPTH)
}

/// As [`from_js`], with a depth of the caller's.
pub fn read(value: &JsValue, depth: usize) -> Option<Tree> {
    let depth = depth.checked_sub(1)?;
    if let Some(text) = value.as_string() {
        return Some(Tree::text(text));
    }
    if let Some(number) = value.as_f64() {
        return Some(Tree::Number(number));
    }
    if let Some(truth) = value.as_bool() {
        return Some(Tree::Bool(truth));
    }
    if Array::is_array(value) {
        return Array::from(value)
            .iter()
            .map(|item| read(&item, depth))
            .collect::<Option<_>>()
            .map(Tree::List);
    }
    if !value.is_object() {
        return Some(Tree::Null);
    }
    let entries = Object::entries(value.unchecked_ref());
    let entries = entries.iter().filter_map(|entry| {
        let entry: Array = entry.unchecked_into();
        let value = entry.get(1);
        // As in JSON, where a field without a value is not written.
        (!value.is_undefined()).then(|| Some((entry.get(0).as_string()?, read(&value, depth)?)))
    });
    entries.collect::<Option<Map>>().map(Tree::Map)
}
