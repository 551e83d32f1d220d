//! What outlives a reload, and the lock by which one page of a browser has a link at a time.

use std::{cell::RefCell, rc::Rc};

use js_sys::{Function, Object, Promise};
use kernel::Secret;
use wasm_bindgen::prelude::*;
use wasm_bindgen_futures::{JsFuture, spawn_local};
use web_sys::{AbortController, Storage};

use super::js::{get, object};

#[wasm_bindgen]
extern "C" {
    /// `navigator.locks`, which web-sys counts among what may change.
    type LockManager;
    #[wasm_bindgen(method, catch)]
    fn request(
        this: &LockManager,
        name: &str,
        options: &Object,
        granted: &Function,
    ) -> Result<Promise, JsValue>;
}

/// What is kept under one name.
pub(super) struct Store(pub(super) String);

impl Store {
    /// What was last kept. Nothing where the browser keeps nothing: then a reload begins anew.
    pub(super) fn read(&self) -> Option<Secret> {
        storage()?.get_item(&self.0).ok().flatten().map(Secret::new)
    }

    /// Keeps.
    pub(super) fn write(&self, text: &Secret) {
        if let Some(storage) = storage() {
            // A full or forbidden storage: as above.
            drop(storage.set_item(&self.0, text.expose()));
        }
    }

    /// Keeps nothing any more.
    pub(super) fn forget(&self) {
        if let Some(storage) = storage() {
            drop(storage.remove_item(&self.0));
        }
    }
}

/// Even to look at it throws where cookies are forbidden.
fn storage() -> Option<Storage> {
    web_sys::window()?.local_storage().ok().flatten()
}

/// A Web Lock of one name: held, waited for, or neither.
#[derive(Default)]
pub(super) struct Lock {
    turn: RefCell<Option<Rc<Turn>>>,
}

/// One time of waiting for it and holding it.
struct Turn {
    /// Ends the holding.
    release: Function,
    /// Ends the waiting.
    waiting: Option<AbortController>,
}

impl Lock {
    /// Waits for the lock, or takes it from who has it. `ours` is called once it is ours, at once in a browser without Web Locks; `lost`
    /// when another page took it.
    pub(super) fn take(
        self: &Rc<Self>,
        name: &str,
        steal: bool,
        ours: impl FnOnce() + 'static,
        lost: impl FnOnce() + 'static,
    ) {
        self.give_back();
        let Some(locks) = manager() else { return ours() };
        let mut release = None;
        let held = Promise::new(&mut |resolve, _reject| release = Some(resolve));
        // A stolen lock is not waited for, and the browser does not take both options.
        let waiting = if steal { None } else { AbortController::new().ok() };
        let signal = waiting.as_ref().map(AbortController::signal);
        let options = match &signal {
            Some(signal) => object([("signal", signal.into())]),
            None => object([("steal", steal.into())]),
        };
        let turn = Rc::new(Turn { release: release.unwrap_or_default(), waiting });
        self.turn.replace(Some(Rc::clone(&turn)));
        let granted = Closure::once_into_js(move |_lock: JsValue| {
            ours();
            held
        });
        let request = locks.request(name, &options, granted.unchecked_ref());
        let lock = Rc::clone(self);
        spawn_local(async move {
            let over = match request {
                Ok(request) => JsFuture::from(request).await,
                Err(error) => Err(error),
            };
            // What we gave back ourselves is no longer the lock's turn.
            if over.is_err() && lock.turn.borrow().as_ref().is_some_and(|now| Rc::ptr_eq(now, &turn)) {
                lock.turn.take();
                lost();
            }
        });
    }

    /// Holds it no longer, and waits for it no longer.
    pub(super) fn give_back(&self) {
        // A statement of its own: what is released may call back.
        let turn = self.turn.take();
        if let Some(turn) = turn {
            // A promise that is settled already is left alone.
            drop(turn.release.call0(&JsValue::UNDEFINED));
            if let Some(waiting) = &turn.waiting {
                waiting.abort();
            }
        }
    }
}

fn manager() -> Option<LockManager> {
    let locks = get(&web_sys::window()?.navigator(), "locks");
    locks.is_object().then(|| locks.unchecked_into())
}
