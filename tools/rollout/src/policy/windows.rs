//! Windows: a registry file, a group policy template for the extension's settings, and the values for Intune.
//!
//! Inferred, from Google's and Microsoft's documentation: nothing here was tried on Windows. Chromium reads a list from
//! the values of a key whose names are numbers, in their order (`components/policy/core/common/registry_dict.cc`).

use std::fmt::Write;

use regashii::{Format, Key, Registry, Value as RegistryValue, ValueName};
use serde_json::{Value, json};

use super::{Browser, Wanted};
use crate::xml::safe;

/// Our entry's number in a list that others may add to. Not 1, which somebody else may have taken.
const OUR_NUMBER: u32 = 1000;
/// Between the parts of a list in a value for Intune.
const SEPARATOR: &str = "&#xF000;";

/// A `.reg` file, in the encoding that Windows itself uses.
pub fn registry_file(wanted: &Wanted, browser: Browser) -> Vec<u8> {
    let root = format!(r"HKEY_LOCAL_MACHINE\{}", browser.registry_key());
    let mut registry = Registry::new(Format::Regedit5);
    for (name, value) in wanted.policies(browser) {
        match value {
            Value::Array(entries) => {
                registry = registry.with(format!(r"{root}\{name}"), list(Key::new(), OUR_NUMBER, &entries));
            }
            other => {
                let key = Key::new().with(ValueName::named(name), RegistryValue::Sz(other.to_string()));
                registry = registry.with(root.clone(), key);
            }
        }
    }
    // What an earlier file has set and this one does not must go, so the key is made again.
    let settings = settings_key(wanted, browser);
    let ours = format!(r"HKEY_LOCAL_MACHINE\{settings}");
    let mut plain = Key::replaced();
    let mut lists = Vec::new();
    for (name, value) in &wanted.settings {
        match value {
            Value::Array(entries) => {
                lists.push((format!(r"{ours}\{name}"), list(Key::new(), 1, entries)));
            }
            Value::Bool(flag) => {
                plain = plain.with(ValueName::named(name), RegistryValue::Dword(u32::from(*flag)));
            }
            Value::Number(number) => {
                let number =
                    number.as_u64().and_then(|number| u32::try_from(number).ok()).unwrap_or_default();
                plain = plain.with(ValueName::named(name), RegistryValue::Dword(number));
            }
            other => {
                let text = other.as_str().unwrap_or_default().to_owned();
                plain = plain.with(ValueName::named(name), RegistryValue::Sz(text));
            }
        }
    }
    let text = registry.with(ours, plain).with_many(lists).serialize().replace('\n', "\r\n");
    std::iter::once('\u{feff}')
        .chain(text.chars())
        .collect::<String>()
        .encode_utf16()
        .flat_map(u16::to_le_bytes)
        .collect()
}

fn list(key: Key, first: u32, entries: &[Value]) -> Key {
    let numbered = (first..).zip(entries);
    key.with_many(numbered.map(|(number, entry)| {
        let text = entry.as_str().unwrap_or_default().to_owned();
        (ValueName::named(number.to_string()), RegistryValue::Sz(text))
    }))
}

/// Where the browser looks for the extension's settings.
fn settings_key(wanted: &Wanted, browser: Browser) -> String {
    format!(r"{}\3rdparty\extensions\{}\policy", browser.registry_key(), wanted.id)
}

/// A group policy template for the extension's settings (ADMX and its English words, ADML).
pub fn template(wanted: &Wanted, browser: Browser, schema: &Value) -> (String, String) {
    let key = settings_key(wanted, browser);
    let (mut policies, mut strings, mut presentations) = (String::new(), String::new(), String::new());
    let properties = schema["properties"].as_object().into_iter().flatten();
    for (name, property) in properties {
        let text = |field: &str| safe(property[field].as_str().unwrap_or_default()).into_owned();
        let (attributes, body) = match property["type"].as_str() {
            Some("boolean") => (
                format!("valueName=\"{name}\""),
                "<enabledValue><decimal value=\"1\"/></enabledValue>\
                 <disabledValue><decimal value=\"0\"/></disabledValue>"
                    .to_owned(),
            ),
            Some("array") => (
                format!("presentation=\"$(presentation.{name})\""),
                format!("<elements><list id=\"{name}\" key=\"{key}\\{name}\" valuePrefix=\"\"/></elements>"),
            ),
            Some("integer") => (
                format!("presentation=\"$(presentation.{name})\""),
                format!(
                    "<elements><decimal id=\"{name}\" valueName=\"{name}\" required=\"true\" minValue=\"1\" \
                     maxValue=\"1440\"/></elements>"
                ),
            ),
            _ => (
                format!("presentation=\"$(presentation.{name})\""),
                format!("<elements><text id=\"{name}\" valueName=\"{name}\" required=\"true\"/></elements>"),
            ),
        };
        // Writing to a String cannot fail.
        let _written = writeln!(
            policies,
            "    <policy name=\"{name}\" class=\"Machine\" displayName=\"$(string.{name})\" \
             explainText=\"$(string.{name}_help)\" key=\"{key}\" {attributes}>\
             <parentCategory ref=\"holdfast\"/><supportedOn ref=\"any\"/>{body}</policy>"
        );
        let _written = writeln!(
            strings,
            "      <string id=\"{name}\">{}</string>\n      <string id=\"{name}_help\">{}</string>",
            text("title"),
            text("description")
        );
        let control = match property["type"].as_str() {
            Some("boolean") => continue,
            Some("array") => format!("<listBox refId=\"{name}\">{}</listBox>", text("title")),
            Some("integer") => format!(
                "<decimalTextBox refId=\"{name}\" defaultValue=\"5\">{}</decimalTextBox>",
                text("title")
            ),
            _ => format!("<textBox refId=\"{name}\"><label>{}</label></textBox>", text("title")),
        };
        let _written = writeln!(presentations, "      <presentation id=\"{name}\">{control}</presentation>");
    }
    let schemas = "xmlns=\"http://schemas.microsoft.com/GroupPolicy/2006/07/PolicyDefinitions\" revision=\"1.0\" \
                   schemaVersion=\"1.0\"";
    let admx = format!(
        "<?xml version=\"1.0\" encoding=\"utf-8\"?>\n<policyDefinitions {schemas}>\n  \
         <policyNamespaces><target prefix=\"holdfast\" namespace=\"Holdfast.Policies.{browser}\"/></policyNamespaces>\n  \
         <resources minRequiredRevision=\"1.0\"/>\n  \
         <supportedOn><definitions><definition name=\"any\" displayName=\"$(string.any)\"/></definitions></supportedOn>\n  \
         <categories><category name=\"holdfast\" displayName=\"$(string.holdfast)\"/></categories>\n  \
         <policies>\n{policies}  </policies>\n</policyDefinitions>\n"
    );
    let adml = format!(
        "<?xml version=\"1.0\" encoding=\"utf-8\"?>\n<policyDefinitionResources {schemas}>\n  \
         <displayName>Holdfast</displayName>\n  <description>Settings of the Holdfast extension</description>\n  \
         <resources>\n    <stringTable>\n      <string id=\"any\">Any version</string>\n      \
         <string id=\"holdfast\">Holdfast ({browser})</string>\n{strings}    </stringTable>\n    \
         <presentationTable>\n{presentations}    </presentationTable>\n  </resources>\n</policyDefinitionResources>\n"
    );
    (admx, adml)
}

/// The custom settings of an Intune profile. The browser's own ADMX must have been ingested as `Chrome/Policy/ChromeAdmx`
/// or `Edge/Policy/EdgeAdmx`; ours is the first entry.
pub fn intune(wanted: &Wanted, browser: Browser, schema: &Value) -> String {
    let (app, file) = match browser {
        Browser::Chrome => ("Chrome", "googlechrome"),
        Browser::Edge => ("Edge", "microsoft_edge"),
    };
    let config = "./Device/Vendor/MSFT/Policy/Config";
    let entry = |name: &str, uri: String, value: String| json!({"name": format!("Holdfast: {name}"), "omaUri": uri, "dataType": "String", "value": value});
    let numbered = |first: u32, entries: &[Value]| {
        let parts = (first..).zip(entries).map(|(number, entry)| {
            format!("{number}{SEPARATOR}{}", safe(entry.as_str().unwrap_or_default()))
        });
        parts.collect::<Vec<_>>().join(SEPARATOR)
    };

    let mut entries = vec![entry(
        "template",
        "./Device/Vendor/MSFT/Policy/ConfigOperations/ADMXInstall/Holdfast/Policy/HoldfastAdmx".into(),
        template(wanted, browser, schema).0,
    )];
    for (name, value) in wanted.policies(browser) {
        let category = match (name.as_str(), browser) {
            ("ExtensionSettings", _) => format!("{file}~Extensions"),
            ("NotificationsAllowedForUrls", _) => format!("{file}~ContentSettings"),
            _ => file.to_owned(),
        };
        let data = match &value {
            Value::Array(list) => {
                format!("<data id=\"{name}Desc\" value=\"{}\"/>", numbered(OUR_NUMBER, list))
            }
            other => format!("<data id=\"{name}\" value=\"{}\"/>", safe(&other.to_string())),
        };
        let uri = format!("{config}/{app}~Policy~{category}/{name}");
        entries.push(entry(&name, uri, format!("<enabled/>{data}")));
    }
    for (name, value) in &wanted.settings {
        let value = match value {
            Value::Bool(true) => "<enabled/>".into(),
            Value::Bool(false) => "<disabled/>".into(),
            Value::Array(list) => {
                format!("<enabled/><data id=\"{name}\" value=\"{}\"/>", numbered(1, list))
            }
            other => {
                format!(
                    "<enabled/><data id=\"{name}\" value=\"{}\"/>",
                    safe(other.as_str().map_or_else(|| other.to_string(), str::to_owned).as_str())
                )
            }
        };
        entries.push(entry(name, format!("{config}/Holdfast~Policy~holdfast/{name}"), value));
    }
    format!("{:#}\n", Value::Array(entries))
}
