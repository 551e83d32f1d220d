//! Elements, of one erased type.
//!
//! The view library makes a type of its own for each shape of a page, and code for each type. Our pages are small and are
//! loaded by people who wait, so everything here is erased at once: one kind of element, one of attribute, one of text, one
//! of list. What changes is a closure that reads signals; the library calls it again when one of them changes, and touches
//! only what came out differently.

use std::{borrow::Cow, sync::Arc};

use leptos::{
    attr::{
        any_attribute::{AnyAttribute, IntoAnyAttribute},
        custom::custom_attribute,
    },
    control_flow::{For, ForProps},
    ev, html,
    prelude::{AddAnyAttr, AnyView, ElementChild, IntoAny, IntoView as _},
    svg,
    tachys::html::directive::directive,
};

/// Something that can be put on a page.
pub type Piece = AnyView;

type Live<T> = Box<dyn FnMut() -> T + Send>;

/// An element that is being described.
pub struct El {
    tag: &'static str,
    attributes: Vec<AnyAttribute>,
    children: Vec<Piece>,
}

/// Begins an element; without a class where that is empty.
#[must_use]
pub fn el(tag: &'static str, class: &'static str) -> El {
    let el = El { tag, attributes: Vec::new(), children: Vec::new() };
    if class.is_empty() { el } else { el.fixed("class", class) }
}

impl El {
    /// An attribute that never changes.
    #[must_use]
    pub fn fixed(mut self, name: &'static str, value: impl Into<Cow<'static, str>>) -> Self {
        self.attributes.push(custom_attribute(name, value.into()).into_any_attr());
        self
    }

    /// An attribute that follows what its closure reads; absent while that is `None`.
    #[must_use]
    pub fn live(
        mut self,
        name: &'static str,
        value: impl FnMut() -> Option<String> + Send + 'static,
    ) -> Self {
        self.attributes.push(live(name, Box::new(value)));
        self
    }

    /// An attribute that is `true` or `false`.
    #[must_use]
    pub fn flag(self, name: &'static str, mut is: impl FnMut() -> bool + Send + 'static) -> Self {
        self.live(name, move || Some(if is() { "true" } else { "false" }.to_owned()))
    }

    /// What happens at an event.
    #[must_use]
    pub fn on(mut self, event: &'static str, then: impl FnMut(web_sys::Event) + 'static) -> Self {
        self.attributes.push(on(event, Box::new(then)));
        self
    }

    /// Is given the element when it has been made, before it is on the page.
    #[must_use]
    pub fn made(mut self, then: impl Fn(web_sys::Element) + 'static) -> Self {
        self.attributes.push(made(Box::new(then)));
        self
    }

    /// One more child.
    #[must_use]
    pub fn child(mut self, child: impl Into<Child>) -> Self {
        self.children.push(child.into().0);
        self
    }

    /// Text that never changes.
    #[must_use]
    pub fn text(self, text: impl Into<Cow<'static, str>>) -> Self {
        self.child(text.into().into_any())
    }

    /// Text that follows what its closure reads.
    #[must_use]
    pub fn live_text(self, text: impl FnMut() -> String + Send + 'static) -> Self {
        self.child(live_text(Box::new(text)))
    }

    /// The finished element.
    #[must_use]
    pub fn done(self) -> Piece {
        html::custom(self.tag).add_any_attr(self.attributes).child(self.children).into_any()
    }
}

// Not generic, so that there is one of each.

fn live(name: &'static str, value: Live<Option<String>>) -> AnyAttribute {
    custom_attribute(name, value).into_any_attr()
}

fn on(event: &'static str, then: Box<dyn FnMut(web_sys::Event)>) -> AnyAttribute {
    ev::on(ev::Custom::<web_sys::Event>::new(event), then).into_any_attr()
}

fn made(then: Box<dyn Fn(web_sys::Element)>) -> AnyAttribute {
    directive(then, ()).into_any_attr()
}

fn live_text(text: Live<String>) -> Piece {
    text.into_any()
}

/// A child of an element.
pub struct Child(Piece);

impl From<El> for Child {
    fn from(el: El) -> Self {
        Self(el.done())
    }
}

impl From<Piece> for Child {
    fn from(piece: Piece) -> Self {
        Self(piece)
    }
}

/// Whichever keys there are.
type Keys = Box<dyn Fn() -> Vec<u64> + Send>;
/// What makes a piece for a key.
type Make = Arc<dyn Fn(u64) -> Piece + Send + Sync>;

/// A piece for each key, in the order of the keys. A piece is made when its key comes and is kept, whatever else changes,
/// until its key goes.
#[must_use]
pub fn list(
    keys: impl Fn() -> Vec<u64> + Send + 'static,
    piece: impl Fn(u64) -> Piece + Send + Sync + 'static,
) -> Piece {
    keyed(Box::new(keys), Arc::new(piece))
}

/// Apart from [`list`], and not generic: a closure in a generic function is of another type for each of its uses, and the library
/// would make its lists anew for each.
fn keyed(keys: Keys, piece: Make) -> Piece {
    let children = move |key: u64| piece(key);
    For(ForProps { each: keys, key: |key: &u64| *key, children }).into_view().into_any()
}

/// A piece that is there while the closure says so.
#[must_use]
pub fn when(
    is: impl Fn() -> bool + Send + 'static,
    piece: impl Fn() -> Piece + Send + Sync + 'static,
) -> Piece {
    there_while(Box::new(is), Arc::new(move |_| piece()))
}

fn there_while(is: Box<dyn Fn() -> bool + Send>, piece: Make) -> Piece {
    keyed(Box::new(move || if is() { vec![0] } else { Vec::new() }), piece)
}

/// A drawing of 24 by 24 in the colour of the text around it, as one path; nothing to a screen reader.
#[must_use]
pub fn drawing(mut path: impl FnMut() -> &'static str + Send + 'static) -> Piece {
    drawn(Box::new(move || Some(path().to_owned())))
}

fn drawn(path: Live<Option<String>>) -> Piece {
    let fixed = |name, value: &'static str| custom_attribute(name, Cow::Borrowed(value)).into_any_attr();
    svg::svg()
        .add_any_attr(vec![
            fixed("class", "icon"),
            fixed("viewBox", "0 0 24 24"),
            fixed("aria-hidden", "true"),
        ])
        .child(vec![svg::path().add_any_attr(vec![custom_attribute("d", path).into_any_attr()]).into_any()])
        .into_any()
}
