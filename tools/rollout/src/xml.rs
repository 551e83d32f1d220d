//! The little XML that is written here.

use std::borrow::Cow;

use quick_xml::escape::escape;

/// Text or an attribute's value, safe inside XML.
pub fn safe(text: &str) -> Cow<'_, str> {
    escape(text)
}

/// Reads a whole document and fails where it is not well-formed.
#[cfg(test)]
pub fn assert_well_formed(text: &str) {
    let mut reader = quick_xml::Reader::from_str(text);
    let mut depth = 0_i32;
    loop {
        match reader.read_event().unwrap_or_else(|error| panic!("{error}\n{text}")) {
            quick_xml::events::Event::Start(_) => depth += 1,
            quick_xml::events::Event::End(_) => depth -= 1,
            quick_xml::events::Event::Eof => break,
            _ => {}
        }
    }
    assert_eq!(depth, 0, "{text}");
}
