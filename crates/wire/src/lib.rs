//! Between our types and what JavaScript and JSON can hold, by way of a plain [`Tree`].
//!
//! What ships to a browser is small where each type's code is written out once, for one source and one target. serde writes
//! it out anew for each format and, for tagged enums and flattened structs, once more for its buffer; that was half of the
//! worker. Here a type becomes a tree or comes from one, and the tree alone meets JavaScript (`webext`) or JSON ([`json`]).
//!
//! The form is serde's: the derives read the same `#[serde(…)]` attributes, and a test compares the two for every message.
//! Only stricter: a struct is not read from a list. A failure says nothing of what was met, because that may be a page's text.
//!
//! ```
//! use wire::{FromTree as _, Named as _, ToTree as _};
//!
//! #[derive(Clone, Debug, PartialEq, wire::ToTree, wire::FromTree, wire::Named)]
//! #[serde(tag = "type", rename_all = "camelCase")]
//! enum Order {
//!     SetVolume { percent: u8 },
//!     HangUp,
//! }
//!
//! let mut tree = Order::SetVolume { percent: 40 }.to_tree();
//! assert_eq!(Order::from_tree(&mut tree), Some(Order::SetVolume { percent: 40 }));
//! assert_eq!(Order::NAMES, ["setVolume", "hangUp"]);
//! ```

#![warn(missing_docs)]

#[cfg(any(test, feature = "json"))]
pub mod json;
mod read;
mod write;

#[cfg(test)]
extern crate self as wire; // for what the derives write

use std::borrow::Cow;

pub use wire_derive::{FromTree, Named, ToTree};
use zeroize::Zeroizing;

pub use self::write::{named, tagged};

/// What a JSON text can hold.
#[derive(Clone, Default)]
pub enum Tree {
    /// `null`.
    #[default]
    Null,
    /// `true` or `false`.
    Bool(bool),
    /// A number, as JavaScript has them.
    Number(f64),
    /// A text of ours.
    Word(&'static str),
    /// A text; wiped when it is dropped, because it may be a secret's.
    Text(Zeroizing<String>),
    /// An array.
    List(Vec<Tree>),
    /// An object.
    Map(Map),
}

/// An object, in the order in which it was made.
#[derive(Clone, Default)]
pub struct Map(Vec<(Cow<'static, str>, Tree)>);

/// A type that can be written.
pub trait ToTree {
    /// The value as a tree.
    fn to_tree(&self) -> Tree;
}

/// A type that can be read.
pub trait FromTree: Sized {
    /// The value of the tree, out of which texts are taken; `None` when the tree does not have the type's form.
    fn from_tree(tree: &mut Tree) -> Option<Self>;

    /// What stands in for a field that is not there.
    #[must_use]
    fn absent() -> Option<Self> {
        None
    }
}

impl Tree {
    /// A text.
    #[must_use]
    pub fn text(text: impl Into<String>) -> Self {
        Self::Text(Zeroizing::new(text.into()))
    }
}

impl<const N: usize> From<[(&'static str, Tree); N]> for Tree {
    /// An object.
    fn from(entries: [(&'static str, Tree); N]) -> Self {
        Self::Map(Map(entries.into_iter().map(|(name, value)| (Cow::Borrowed(name), value)).collect()))
    }
}

impl FromIterator<(String, Tree)> for Map {
    fn from_iter<I: IntoIterator<Item = (String, Tree)>>(entries: I) -> Self {
        Self(entries.into_iter().map(|(name, value)| (Cow::Owned(name), value)).collect())
    }
}

impl Map {
    /// The entries, in their order.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &Tree)> {
        self.0.iter().map(|(name, value)| (&**name, value))
    }
}
