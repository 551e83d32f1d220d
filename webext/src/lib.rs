//! webext
