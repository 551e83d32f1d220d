//! The page, as a person, a browser, a service and a room find it.

mod coming_back;
mod devices;
mod ends;
mod harness;
mod joining;
mod people;
mod properties;
mod room;
mod window;
mod words;
