//! A page that follows a value.

use std::{cell::Cell, rc::Rc, time::Duration};

use leptos::{
    mount::{UnmountHandle, mount_to},
    prelude::{
        LocalStorage, Read, RwSignal, Set as _, StoredValue, WithUntracked as _, WithValue as _, set_timeout,
    },
    tachys::view::any_view::AnyViewState,
};
use web_sys::HtmlElement;

use crate::{focus::Rescue, tree::Piece};

/// What the parts of a page are described with: the value that they follow, and who is told what a person did.
pub struct Page<V: 'static, A: 'static> {
    value: RwSignal<V>,
    act: StoredValue<Box<dyn Fn(A)>, LocalStorage>,
}

impl<V, A> Clone for Page<V, A> {
    fn clone(&self) -> Self {
        *self
    }
}

impl<V, A> Copy for Page<V, A> {}

impl<V: Send + Sync, A> Page<V, A> {
    /// Reads the value. What is described by a closure that does so follows the value.
    pub fn read<T>(self, read: impl FnOnce(&V) -> T) -> T {
        read(&self.followed())
    }

    /// Generic in the value alone, so that there is one of it in a page.
    #[inline(never)]
    fn followed(self) -> <RwSignal<V> as Read>::Value {
        self.value.read()
    }

    /// Reads the value as it is now, without following it.
    pub fn peek<T>(self, read: impl FnOnce(&V) -> T) -> T {
        self.value.with_untracked(read)
    }

    /// A person did this. Told in the same turn: browsers allow some things only there.
    pub fn act(self, action: A) {
        self.act.with_value(|act| act(action));
    }
}

/// A page that has been put on the screen. It goes when this is dropped.
pub struct Stage<V: 'static> {
    value: RwSignal<V>,
    is_settling: Rc<Cell<bool>>,
    _mounted: UnmountHandle<AnyViewState>,
}

impl<V: PartialEq + Send + Sync> Stage<V> {
    /// Puts a page into an element.
    pub fn new<A: 'static>(
        root: HtmlElement,
        first: V,
        act: impl Fn(A) + 'static,
        describe: impl FnOnce(Page<V, A>) -> Piece + 'static,
    ) -> Self {
        // Made outside of any owner: they live as long as the program does, as the page does.
        let value = RwSignal::new(first);
        let act: Box<dyn Fn(A)> = Box::new(act);
        let page = Page { value, act: StoredValue::new_local(act) };
        let mounted = mount_to(root, move || describe(page));
        Self { value, is_settling: Rc::default(), _mounted: mounted }
    }

    /// Shows another value. The elements follow in a microtask; then the keyboard's focus is where it should be.
    pub fn show(&self, value: V) {
        if self.value.with_untracked(|shown| *shown == value) {
            return;
        }
        if let Some(document) = web_sys::window().and_then(|window| window.document())
            && !self.is_settling.replace(true)
        {
            let (rescue, is_settling) = (Rescue::remember(&document), Rc::clone(&self.is_settling));
            let settle = move || {
                is_settling.set(false);
                rescue.settle(&document);
            };
            set_timeout(settle, Duration::ZERO);
        }
        self.value.set(value);
    }
}
