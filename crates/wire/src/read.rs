//! From trees to types. Loops, not `collect`: each type has its own copy of this code, and a tree that is collected brings a sort
//! along.

use std::{
    borrow::Cow,
    collections::{BTreeMap, BTreeSet, VecDeque},
    mem,
};

use crate::{FromTree, Map, Tree};

impl Tree {
    /// The text, if it is one.
    #[must_use]
    pub fn as_text(&self) -> Option<&str> {
        match self {
            Self::Word(word) => Some(word),
            Self::Text(text) => Some(text),
            _ => None,
        }
    }

    /// The object, if it is one.
    #[must_use]
    pub fn as_map(&self) -> Option<&Map> {
        match self {
            Self::Map(map) => Some(map),
            _ => None,
        }
    }

    /// The whole number, if it is one that JavaScript holds exactly.
    #[must_use]
    #[expect(clippy::cast_possible_truncation, reason = "checked on the same line")]
    pub fn as_whole(&self) -> Option<i64> {
        match self {
            Self::Number(value) => {
                (value.fract() == 0.0 && value.abs() <= 9_007_199_254_740_991.0).then_some(*value as i64)
            }
            _ => None,
        }
    }

    /// Takes the text out.
    fn take_text(&mut self) -> Option<String> {
        match self {
            Self::Word(word) => Some((*word).to_owned()),
            Self::Text(text) => Some(mem::take(&mut **text)),
            _ => None,
        }
    }

    pub(crate) fn into_name(mut self) -> Option<Cow<'static, str>> {
        match self {
            Self::Word(word) => Some(Cow::Borrowed(word)),
            _ => self.take_text().map(Cow::Owned),
        }
    }

    fn at(&mut self, name: &str) -> Option<&mut Self> {
        match self {
            Self::Map(map) => map.0.iter_mut().find(|(known, _)| known == name).map(|(_, value)| value),
            _ => None,
        }
    }

    /// A field of an object.
    #[inline(never)]
    pub fn field<T: FromTree>(&mut self, name: &str) -> Option<T> {
        match self.at(name) {
            Some(value) => T::from_tree(value),
            None => T::absent(),
        }
    }

    /// A field that need not be there (`#[serde(default)]`).
    pub fn field_or<T: FromTree>(&mut self, name: &str, fallback: impl FnOnce() -> T) -> Option<T> {
        match self.at(name) {
            Some(value) => T::from_tree(value),
            None => Some(fallback()),
        }
    }

    /// Puts a field, if it is there, in the place of its default.
    #[inline(never)]
    pub fn fill<T: FromTree>(&mut self, name: &str, place: &mut T) -> Option<()> {
        if let Some(value) = self.at(name) {
            *place = T::from_tree(value)?;
        }
        Some(())
    }

    /// The name of a variant that lies inside of it (`#[serde(tag)]`). Left where it is: a flattened object may be read twice.
    pub fn tag(&mut self, tag: &str) -> Option<String> {
        Some(self.at(tag)?.as_text()?.to_owned())
    }

    /// The name of a variant that lies around its value.
    pub fn only_entry(&mut self) -> Option<(&str, &mut Self)> {
        match self {
            Self::Map(map) => match &mut *map.0 {
                [(name, value)] => Some((name, value)),
                _ => None,
            },
            _ => None,
        }
    }
}

impl FromTree for Tree {
    fn from_tree(tree: &mut Tree) -> Option<Self> {
        Some(mem::take(tree))
    }
}

impl FromTree for bool {
    fn from_tree(tree: &mut Tree) -> Option<Self> {
        match tree {
            Tree::Bool(value) => Some(*value),
            _ => None,
        }
    }
}

impl FromTree for f64 {
    fn from_tree(tree: &mut Tree) -> Option<Self> {
        match tree {
            Tree::Number(value) => Some(*value),
            _ => None,
        }
    }
}

macro_rules! whole {
    ($($number:ty),*) => {$(
        impl FromTree for $number {
            fn from_tree(tree: &mut Tree) -> Option<Self> {
                Self::try_from(tree.as_whole()?).ok()
            }
        }
    )*};
}

whole!(u8, u16, u32, u64, i32, i64);

impl FromTree for String {
    fn from_tree(tree: &mut Tree) -> Option<Self> {
        tree.take_text()
    }
}

impl<T: FromTree> FromTree for Box<T> {
    fn from_tree(tree: &mut Tree) -> Option<Self> {
        T::from_tree(tree).map(Self::new)
    }
}

impl<T: FromTree> FromTree for Option<T> {
    fn from_tree(tree: &mut Tree) -> Option<Self> {
        match tree {
            Tree::Null => Some(None),
            _ => T::from_tree(tree).map(Some),
        }
    }

    fn absent() -> Option<Self> {
        Some(None)
    }
}

impl<T: FromTree> FromTree for Vec<T> {
    fn from_tree(tree: &mut Tree) -> Option<Self> {
        match tree {
            Tree::List(items) => {
                let mut list = Self::with_capacity(items.len());
                for item in items {
                    list.push(T::from_tree(item)?);
                }
                Some(list)
            }
            _ => None,
        }
    }
}

impl<T: FromTree> FromTree for VecDeque<T> {
    fn from_tree(tree: &mut Tree) -> Option<Self> {
        Vec::from_tree(tree).map(Self::from)
    }
}

impl<T: FromTree + Ord> FromTree for BTreeSet<T> {
    fn from_tree(tree: &mut Tree) -> Option<Self> {
        let mut set = Self::new();
        for item in Vec::from_tree(tree)? {
            set.insert(item);
        }
        Some(set)
    }
}

impl<K: FromTree + Ord, V: FromTree> FromTree for BTreeMap<K, V> {
    fn from_tree(tree: &mut Tree) -> Option<Self> {
        let Tree::Map(map) = tree else { return None };
        let mut entries = Self::new();
        for (name, value) in &mut map.0 {
            entries.insert(K::from_tree(&mut Tree::text(mem::take(name)))?, V::from_tree(value)?);
        }
        Some(entries)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{ToTree as _, json};

    #[test]
    fn only_whole_numbers_that_fit_are_whole() {
        for (number, expected) in [
            (0.0, Some(0)),
            (2.0, Some(2)),
            (4_294_967_295.0, Some(u32::MAX)),
            (4_294_967_296.0, None),
            (1.5, None),
            (-1.0, None),
            (f64::NAN, None),
            (f64::INFINITY, None),
        ] {
            assert_eq!(u32::from_tree(&mut Tree::Number(number)), expected, "{number}");
        }
        let most = 9_007_199_254_740_991_u64;
        assert_eq!(u64::from_tree(&mut most.to_tree()), Some(most));
        assert_eq!(
            u64::from_tree(&mut Tree::Number(9_007_199_254_740_992.0)),
            None,
            "its neighbour is the same number"
        );
    }

    #[test]
    fn a_text_is_taken_out_of_its_tree_so_that_no_copy_of_a_secret_stays() {
        let mut tree = Tree::text("canary");
        assert_eq!(String::from_tree(&mut tree).as_deref(), Some("canary"));
        assert_eq!(tree.as_text(), Some(""));
    }

    #[test]
    fn a_field_that_may_be_missing_may_not_be_something_else() {
        #[derive(Debug, Default, PartialEq, FromTree)]
        #[serde(default)]
        struct Known {
            count: u32,
            name: Option<String>,
        }
        for (text, expected) in [
            ("{}", Some(Known::default())),
            (r#"{"count": 3, "new": []}"#, Some(Known { count: 3, name: None })),
            (r#"{"name": "a", "count": 4}"#, Some(Known { count: 4, name: Some("a".into()) })),
            (r#"{"count": null}"#, None),
            (r#"{"name": 1}"#, None),
            ("[3, null]", None),
            ("null", None),
            ("{", None),
        ] {
            assert_eq!(json::read::<Known>(text), expected, "{text}");
        }
    }
}
