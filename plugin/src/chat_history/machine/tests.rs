//! The decisions of chat history, one file for each of their kinds.

mod banner;
mod harness;
mod kept;
mod list;
mod reading;
mod search;
mod settings;
mod trouble;
mod words;
