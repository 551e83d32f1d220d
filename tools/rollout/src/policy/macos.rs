//! macOS: a configuration profile for any MDM.
//!
//! Inferred, from Google's, Microsoft's and Apple's documentation: nothing here was tried on macOS.

use anyhow::Result;
use plist::{Dictionary, Value};
use uuid::Uuid;

use super::{Browser, Wanted};

const IDENTIFIER: &str = "holdfast";

/// The browser's policies and the extension's settings, as two payloads of one profile.
pub fn profile(wanted: &Wanted, browser: Browser) -> Result<Vec<u8>> {
    let domain = browser.domain();
    let policies: Dictionary = plist_of(&wanted.policies(browser))?;
    let settings: Dictionary = plist_of(&wanted.settings)?;
    let identifier = format!("{IDENTIFIER}.{browser}");
    let content = vec![
        Value::Dictionary(payload(
            wanted,
            domain,
            &format!("{identifier}.policies"),
            "Holdfast: browser",
            policies,
        )),
        Value::Dictionary(payload(
            wanted,
            &format!("{domain}.extensions.{}", wanted.id),
            &format!("{identifier}.settings"),
            "Holdfast: settings",
            settings,
        )),
    ];
    let mut whole = Dictionary::new();
    whole.insert("PayloadContent".into(), Value::Array(content));
    whole.insert("PayloadScope".into(), "System".into());
    let whole = payload(wanted, "Configuration", &identifier, "Holdfast", whole);
    let mut bytes = Vec::new();
    plist::to_writer_xml(&mut bytes, &whole)?;
    bytes.push(b'\n');
    Ok(bytes)
}

fn plist_of(values: &serde_json::Map<String, serde_json::Value>) -> Result<Dictionary> {
    Ok(plist::to_value(values)?.into_dictionary().unwrap_or_default())
}

/// Adds what every payload has. Its identifiers follow from its place and the extension's id, so that a newer profile
/// replaces an older one.
fn payload(wanted: &Wanted, kind: &str, identifier: &str, name: &str, mut content: Dictionary) -> Dictionary {
    let uuid = Uuid::new_v5(&Uuid::NAMESPACE_URL, format!("{}{identifier}", wanted.origin()).as_bytes());
    for (key, value) in [
        ("PayloadType", kind),
        ("PayloadIdentifier", identifier),
        ("PayloadUUID", &uuid.hyphenated().to_string().to_uppercase()),
        ("PayloadDisplayName", name),
    ] {
        content.insert(key.into(), value.into());
    }
    content.insert("PayloadVersion".into(), 1.into());
    content
}
