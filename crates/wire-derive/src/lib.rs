//! The derives of `wire`, which documents them. They read the `#[serde(…)]` attributes that the type has for serde, and
//! refuse to compile one that they do not know, so that the two forms of a type cannot differ in silence.

#![warn(missing_docs)]

mod attributes;
mod expand;

use proc_macro::TokenStream;
use syn::{DeriveInput, parse_macro_input};

/// `wire::ToTree`, in the form that serde's `Serialize` would give.
#[proc_macro_derive(ToTree, attributes(serde))]
pub fn to_tree(input: TokenStream) -> TokenStream {
    finish(expand::to_tree(&parse_macro_input!(input as DeriveInput)))
}

/// `wire::FromTree`, from the form that serde's `Deserialize` would read.
#[proc_macro_derive(FromTree, attributes(serde))]
pub fn from_tree(input: TokenStream) -> TokenStream {
    finish(expand::from_tree(&parse_macro_input!(input as DeriveInput)))
}

/// The names of an enum's variants as serde writes them: `NAMES`, `name()` and `from_name()`, and `ALL` when no variant has
/// fields. What serde takes anything unknown for (`#[serde(other)]`) is in neither list.
#[proc_macro_derive(Named, attributes(serde))]
pub fn named(input: TokenStream) -> TokenStream {
    finish(expand::named(&parse_macro_input!(input as DeriveInput)))
}

fn finish(expanded: syn::Result<proc_macro2::TokenStream>) -> TokenStream {
    expanded.unwrap_or_else(|error| error.to_compile_error()).into()
}
