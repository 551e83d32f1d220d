//! Components of our own pages, and the only crate that names the library that draws them.

pub use leptos;
