//! Moments as the agent reads them, in Flex's language and the computer's zone.

use js_sys::{Array, Date, Function, Intl::DateTimeFormat};
use wasm_bindgen::prelude::*;

use crate::flex::object;

/// The ways to say a moment.
pub struct Formats {
    day: Function,
    time: Function,
    both: Function,
}

impl Formats {
    /// In this language; in the browser's where Flex's is no language to it.
    pub fn new(language: Option<String>) -> Self {
        let locales: Array = language.iter().map(|tag| JsValue::from_str(tag)).collect();
        let known = DateTimeFormat::supported_locales_of(&locales, &object(&[]));
        let format = |options: &[(&str, &str)]| {
            let options: Vec<_> =
                options.iter().map(|(name, value)| (*name, JsValue::from_str(value))).collect();
            DateTimeFormat::new(&known, &object(&options)).format()
        };
        Self {
            day: format(&[("dateStyle", "full")]),
            time: format(&[("timeStyle", "short")]),
            both: format(&[("dateStyle", "medium"), ("timeStyle", "short")]),
        }
    }

    /// The day alone.
    pub fn day(&self, moment: &str) -> String {
        say(&self.day, moment)
    }

    /// The time of day alone.
    pub fn time(&self, moment: &str) -> String {
        say(&self.time, moment)
    }

    /// Day and time.
    pub fn both(&self, moment: &str) -> String {
        say(&self.both, moment)
    }
}

/// What is no moment is shown as it was written.
fn say(format: &Function, moment: &str) -> String {
    let date = Date::new(&JsValue::from_str(moment));
    if date.get_time().is_nan() {
        return moment.to_owned();
    }
    let said = format.call1(&JsValue::UNDEFINED, &date).ok().and_then(|said| said.as_string());
    said.unwrap_or_else(|| moment.to_owned())
}
