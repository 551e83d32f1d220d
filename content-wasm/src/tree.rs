//! A page's message as a plain tree, and the way from there into serde's types.
//!
//! Not `serde_json` or `serde-wasm-bindgen`: their errors quote what they met, in words, which this crate must not do
//! with a page's text, and which would make up two thirds of a content script that every Flex page loads.

use serde::de::{
    self, Deserializer, IntoDeserializer, Visitor,
    value::{MapDeserializer, SeqDeserializer},
};

/// What a JSON text can hold.
#[derive(Clone, Debug, PartialEq)]
pub enum Tree {
    /// `null`.
    Null,
    /// `true` or `false`.
    Bool(bool),
    /// A number.
    Number(f64),
    /// A text.
    Text(String),
    /// An array.
    List(Vec<Tree>),
    /// An object.
    Map(Vec<(String, Tree)>),
}

/// The tree does not have the form of the type. Says no more on purpose.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Malformed;

impl std::fmt::Display for Malformed {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("malformed")
    }
}

impl std::error::Error for Malformed {}

impl de::Error for Malformed {
    fn custom<T: std::fmt::Display>(_: T) -> Self {
        Self
    }
}

impl<'de> Deserializer<'de> for Tree {
    type Error = Malformed;

    fn deserialize_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Malformed> {
        match self {
            Self::Null => visitor.visit_unit(),
            Self::Bool(value) => visitor.visit_bool(value),
            Self::Number(value) => match as_u32(value) {
                Some(whole) => visitor.visit_u32(whole),
                None => visitor.visit_f64(value),
            },
            Self::Text(value) => visitor.visit_string(value),
            Self::List(items) => visitor.visit_seq(SeqDeserializer::new(items.into_iter())),
            Self::Map(entries) => visitor.visit_map(MapDeserializer::new(entries.into_iter())),
        }
    }

    fn deserialize_option<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Malformed> {
        match self {
            Self::Null => visitor.visit_none(),
            present => visitor.visit_some(present),
        }
    }

    fn deserialize_newtype_struct<V: Visitor<'de>>(
        self,
        _: &'static str,
        visitor: V,
    ) -> Result<V::Value, Malformed> {
        visitor.visit_newtype_struct(self)
    }

    serde::forward_to_deserialize_any! {
        bool i8 i16 i32 i64 u8 u16 u32 u64 f32 f64 char str string bytes byte_buf unit unit_struct
        seq tuple tuple_struct map struct enum identifier ignored_any
    }
}

impl<'de> IntoDeserializer<'de, Malformed> for Tree {
    type Deserializer = Self;

    fn into_deserializer(self) -> Self {
        self
    }
}

#[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "checked on the same line")]
fn as_u32(value: f64) -> Option<u32> {
    (value.fract() == 0.0 && (0.0..=f64::from(u32::MAX)).contains(&value)).then_some(value as u32)
}

#[cfg(test)]
pub(crate) mod tests {
    use proptest::prelude::*;
    use serde::Deserialize;

    use super::*;

    /// The tree of a JSON value, as the shell would walk it.
    pub(crate) fn tree(value: &serde_json::Value) -> Tree {
        match value {
            serde_json::Value::Null => Tree::Null,
            serde_json::Value::Bool(value) => Tree::Bool(*value),
            serde_json::Value::Number(value) => Tree::Number(value.as_f64().unwrap()),
            serde_json::Value::String(value) => Tree::Text(value.clone()),
            serde_json::Value::Array(items) => Tree::List(items.iter().map(tree).collect()),
            serde_json::Value::Object(entries) => {
                Tree::Map(entries.iter().map(|(key, value)| (key.clone(), tree(value))).collect())
            }
        }
    }

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
            assert_eq!(u32::deserialize(Tree::Number(number)).ok(), expected, "{number}");
        }
    }

    #[test]
    fn an_error_says_nothing_of_what_it_met() {
        let error = bool::deserialize(Tree::Text("canary".into())).unwrap_err();
        assert_eq!(format!("{error} {error:?}"), "malformed Malformed");
    }

    proptest! {
        #[test]
        fn any_tree_can_be_skipped(text in ".{0,20}", number in any::<f64>()) {
            let tree = Tree::Map(vec![
                (text.clone(), Tree::List(vec![Tree::Text(text), Tree::Number(number), Tree::Null])),
            ]);
            prop_assert!(serde::de::IgnoredAny::deserialize(tree).is_ok());
        }
    }
}
