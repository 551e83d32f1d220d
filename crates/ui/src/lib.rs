//! Components of our own pages, and the only crate that names the library that draws them.
//!
//! A page is a pure view of its machine: a value with every text and every button in it. A [`Stage`] puts that value on the
//! screen: what draws it describes, with [`tree`] and the components here, which part of the page follows which part of the
//! value. How all this looks is in `ui.css`, by classes and attributes alone: our pages' policies allow no style that is
//! written into an element.

#![warn(missing_docs)]

mod button;
mod choice;
pub mod clock;
mod dialog;
mod focus;
pub mod icon;
mod meter;
mod picture;
mod stage;
pub mod tree;

pub use button::{ButtonState, button};
pub use choice::{Choices, choice};
pub use dialog::dialog;
pub use meter::meter;
pub use picture::picture;
pub use stage::{Page, Stage};
