//! Keeps the screen of a phone awake.

use std::{cell::RefCell, rc::Rc};

use js_sys::Promise;
use wasm_bindgen::prelude::*;
use wasm_bindgen_futures::{JsFuture, spawn_local};

use super::js::{get, let_go};

#[wasm_bindgen]
extern "C" {
    /// `navigator.wakeLock`, which web-sys counts among what may change.
    type WakeLock;
    #[wasm_bindgen(method, catch)]
    fn request(this: &WakeLock, kind: &str) -> Result<Promise, JsValue>;

    #[derive(Clone)]
    type WakeLockSentinel;
    #[wasm_bindgen(method, catch)]
    fn release(this: &WakeLockSentinel) -> Result<Promise, JsValue>;
}

/// The wake lock of the page: wanted or not, and had or not.
#[derive(Default)]
pub(super) struct Awake {
    /// Absent: not wanted. The browser lets go of it by itself when the page is hidden.
    wanted: RefCell<Option<Option<WakeLockSentinel>>>,
}

impl Awake {
    /// Asks for it, once more if it is had: after the page was hidden it is no longer worth anything. A refusal (a battery that is
    /// low) is nobody's business.
    pub(super) fn keep(self: &Rc<Self>) {
        self.let_go();
        self.wanted.replace(Some(None));
        let Some(window) = web_sys::window() else { return };
        let lock = get(&window.navigator(), "wakeLock");
        if !lock.is_object() {
            return;
        }
        let asked = lock.unchecked_into::<WakeLock>().request("screen");
        let this = Rc::clone(self);
        spawn_local(async move {
            let Ok(asked) = asked else { return };
            let Ok(sentinel) = JsFuture::from(asked).await else { return };
            let sentinel: WakeLockSentinel = sentinel.unchecked_into();
            let before = match &mut *this.wanted.borrow_mut() {
                Some(had) => had.replace(sentinel),
                None => Some(sentinel),
            };
            if let Some(superfluous) = before {
                let_go(superfluous.release());
            }
        });
    }

    /// Lets the screen go dark again.
    pub(super) fn let_go(&self) {
        if let Some(Some(sentinel)) = self.wanted.take() {
            let_go(sentinel.release());
        }
    }
}
