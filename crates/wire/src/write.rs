//! From types to trees.

use std::{
    borrow::Cow,
    collections::{BTreeMap, BTreeSet, VecDeque},
};

use crate::{Map, ToTree, Tree};

impl Map {
    /// Adds an entry.
    pub fn put(&mut self, name: &'static str, value: Tree) {
        self.0.push((Cow::Borrowed(name), value));
    }

    /// Adds the entries of another object (`#[serde(flatten)]`).
    pub fn append(&mut self, value: Tree) {
        if let Tree::Map(mut other) = value {
            self.0.append(&mut other.0);
        }
    }
}

/// A variant whose name lies inside of it (`#[serde(tag)]`).
#[must_use]
pub fn tagged(tag: &'static str, name: &'static str, value: Tree) -> Tree {
    let mut map = Map::default();
    map.put(tag, Tree::Word(name));
    map.append(value);
    Tree::Map(map)
}

/// A variant whose name lies around it.
#[must_use]
pub fn named(name: &'static str, value: Tree) -> Tree {
    Tree::from([(name, value)])
}

impl ToTree for Tree {
    fn to_tree(&self) -> Tree {
        self.clone()
    }
}

impl ToTree for bool {
    fn to_tree(&self) -> Tree {
        Tree::Bool(*self)
    }
}

macro_rules! numbers {
    ($($number:ty),*) => {$(
        impl ToTree for $number {
            #[expect(clippy::allow_attributes, reason = "not each of these types needs it")]
            #[allow(clippy::cast_precision_loss, clippy::cast_lossless, reason = "JavaScript has no larger ones")]
            fn to_tree(&self) -> Tree {
                Tree::Number(*self as f64)
            }
        }
    )*};
}

numbers!(u8, u16, u32, u64, usize, i32, i64, f64);

impl ToTree for str {
    fn to_tree(&self) -> Tree {
        Tree::text(self)
    }
}

impl ToTree for String {
    fn to_tree(&self) -> Tree {
        self.as_str().to_tree()
    }
}

impl<T: ToTree + ?Sized> ToTree for &T {
    fn to_tree(&self) -> Tree {
        (**self).to_tree()
    }
}

impl<T: ToTree + ?Sized> ToTree for Box<T> {
    fn to_tree(&self) -> Tree {
        (**self).to_tree()
    }
}

impl<T: ToTree> ToTree for Option<T> {
    fn to_tree(&self) -> Tree {
        self.as_ref().map_or(Tree::Null, ToTree::to_tree)
    }
}

/// A loop, not `collect`, for the sake of its size.
fn list<'a, T: ToTree + 'a>(items: impl Iterator<Item = &'a T>) -> Tree {
    let mut list = Vec::new();
    for item in items {
        list.push(item.to_tree());
    }
    Tree::List(list)
}

impl<T: ToTree> ToTree for [T] {
    fn to_tree(&self) -> Tree {
        list(self.iter())
    }
}

impl<T: ToTree> ToTree for Vec<T> {
    fn to_tree(&self) -> Tree {
        self.as_slice().to_tree()
    }
}

impl<T: ToTree> ToTree for VecDeque<T> {
    fn to_tree(&self) -> Tree {
        list(self.iter())
    }
}

impl<T: ToTree> ToTree for BTreeSet<T> {
    fn to_tree(&self) -> Tree {
        list(self.iter())
    }
}

/// Names are texts or the words of an enum.
impl<K: ToTree, V: ToTree> ToTree for BTreeMap<K, V> {
    fn to_tree(&self) -> Tree {
        let mut map = Map::default();
        for (name, value) in self {
            if let Some(name) = name.to_tree().into_name() {
                map.0.push((name, value.to_tree()));
            }
        }
        Tree::Map(map)
    }
}
