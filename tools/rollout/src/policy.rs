//! The policies that install the extension, give it the microphone and set it up, for Chrome and Edge on each platform.
//!
//! What is set is the same everywhere; each platform writes it down in its own way (`policy/`). The settings are judged
//! by the extension's own code before anything is written.

mod macos;
mod windows;

use std::{
    fmt, fs,
    path::{Path, PathBuf},
};

use ::policy::{Policy, PolicyValues};
use anyhow::{Context, Result, bail};
use clap::{Args, ValueEnum};
use serde_json::{Map, Value, json};

use crate::{key::PublicKey, passphrase};

const FLEX: &str = "https://flex.twilio.com";

#[derive(Args)]
pub struct Options {
    /// The extension's id
    #[arg(long, required_unless_present = "key", conflicts_with = "key")]
    id: Option<String>,
    /// The signing key or its public half, from which the id follows
    #[arg(long, value_name = "FILE")]
    key: Option<PathBuf>,
    #[command(flatten)]
    passphrase: passphrase::Source,
    /// Where updates.xml is; without it, the browser's own store
    #[arg(long, value_name = "URL")]
    update_url: Option<String>,
    /// A setting of extension/managed_schema.json, lists separated by commas: --set accountSids=AC…,AC…
    #[arg(long, value_name = "KEY=VALUE")]
    set: Vec<String>,
    /// The extension may use the camera, too: for agents' windows of video calls
    #[arg(long)]
    camera: bool,
    /// Only for this browser
    #[arg(long, value_enum)]
    browser: Option<Browser>,
    /// Another place for the files than dist/policy
    #[arg(long, value_name = "DIR")]
    out: Option<PathBuf>,
}

#[cfg(test)]
impl Options {
    /// All defaults but these.
    pub fn for_key(key: &Path, out: &Path) -> Self {
        let (key, out) = (Some(key.to_path_buf()), Some(out.to_path_buf()));
        let passphrase = passphrase::Source::default();
        Self {
            id: None,
            key,
            passphrase,
            update_url: None,
            set: Vec::new(),
            camera: false,
            browser: None,
            out,
        }
    }
}

/// A browser that takes policies.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Browser {
    /// Chrome, and Chromium but for its directory on Linux
    Chrome,
    /// Edge
    Edge,
}

impl Browser {
    const ALL: [Self; 2] = [Self::Chrome, Self::Edge];

    const fn store(self) -> &'static str {
        match self {
            Self::Chrome => "https://clients2.google.com/service/update2/crx",
            Self::Edge => "https://edge.microsoft.com/extensionwebstorebase/v1/crx",
        }
    }

    /// Below `HKEY_LOCAL_MACHINE`.
    const fn registry_key(self) -> &'static str {
        match self {
            Self::Chrome => r"Software\Policies\Google\Chrome",
            Self::Edge => r"Software\Policies\Microsoft\Edge",
        }
    }

    /// The domain of its preferences on macOS.
    const fn domain(self) -> &'static str {
        match self {
            Self::Chrome => "com.google.Chrome",
            Self::Edge => "com.microsoft.Edge",
        }
    }
}

impl fmt::Display for Browser {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Chrome => "chrome",
            Self::Edge => "edge",
        })
    }
}

/// What is wanted, checked.
pub struct Wanted {
    id: String,
    update_url: Option<String>,
    /// For `chrome.storage.managed`.
    settings: Map<String, Value>,
    /// Where Flex is.
    hosts: Vec<String>,
    /// The camera is given too.
    camera: bool,
}

impl Wanted {
    fn new(id: &str, update_url: Option<&str>, set: &[String], schema: &Value) -> Result<Self> {
        if id.len() != 32 || !id.bytes().all(|b| (b'a'..=b'p').contains(&b)) {
            bail!("an extension's id is 32 letters from a to p");
        }
        if update_url.is_some_and(|url| !url.starts_with("https://") && !url.starts_with("http://127.0.0.1:"))
        {
            bail!("--update-url wants https");
        }
        let settings = set.iter().map(|one| setting(one, schema)).collect::<Result<Map<_, _>>>()?;
        let policy = Policy::read(&PolicyValues::from(Value::Object(settings.clone())));
        if !policy.complaints.is_empty() {
            let complaints: Vec<String> = policy.complaints.iter().map(ToString::to_string).collect();
            bail!("the extension would not take this:\n{}", complaints.join("\n"));
        }
        let mut hosts: Vec<String> = policy.page_origins.iter().map(ToString::to_string).collect();
        if hosts.is_empty() {
            hosts.push(FLEX.into());
        }
        Ok(Self {
            id: id.to_owned(),
            update_url: update_url.map(str::to_owned),
            settings,
            hosts,
            camera: false,
        })
    }

    /// `chrome-extension://<id>/`.
    fn origin(&self) -> String {
        format!("chrome-extension://{}/", self.id)
    }

    /// The browser's own policies, as every platform names them.
    fn policies(&self, browser: Browser) -> Map<String, Value> {
        let mut extension = Map::from_iter([
            ("installation_mode".into(), json!("force_installed")),
            ("update_url".into(), json!(self.update_url.as_deref().unwrap_or(browser.store()))),
            // Also where a company blocks all extensions from all sites.
            ("runtime_allowed_hosts".into(), json!(self.hosts)),
        ]);
        if self.update_url.is_some() {
            // Otherwise updates are looked for where the manifest says.
            extension.insert("override_update_url".into(), json!(true));
        }
        match browser {
            Browser::Chrome => extension.insert("toolbar_pin".into(), json!("force_pinned")),
            Browser::Edge => extension.insert("toolbar_state".into(), json!("force_shown")),
        };
        let mut policies = Map::from_iter([
            ("AudioCaptureAllowedUrls".into(), json!([self.origin()])),
            ("ExtensionSettings".into(), json!({ self.id.as_str(): extension })),
            ("NotificationsAllowedForUrls".into(), json!([self.origin()])),
        ]);
        if self.camera {
            policies.insert("VideoCaptureAllowedUrls".into(), json!([self.origin()]));
        }
        policies
    }

    /// For Linux: one file below `/etc/opt/chrome/policies/managed` (Chromium: `/etc/chromium/…`, Edge:
    /// `/etc/opt/edge/…`).
    fn linux(&self, browser: Browser) -> String {
        let mut policies = self.policies(browser);
        if !self.settings.is_empty() {
            policies.insert("3rdparty".into(), json!({"extensions": {self.id.as_str(): self.settings}}));
        }
        format!("{:#}\n", Value::Object(policies))
    }

    /// For the Google Admin console: *Policy for extensions* of the extension's page.
    fn google_admin(&self) -> String {
        let values: Map<String, Value> =
            self.settings.iter().map(|(key, value)| (key.clone(), json!({"Value": value}))).collect();
        format!("{:#}\n", Value::Object(values))
    }
}

/// A `key=value` as the schema types it.
fn setting(text: &str, schema: &Value) -> Result<(String, Value)> {
    let (key, value) = text.split_once('=').with_context(|| format!("--set {text}: KEY=VALUE is wanted"))?;
    let property = &schema["properties"][key];
    let value = match property["type"].as_str() {
        Some("array") => {
            json!(value.split(',').map(str::trim).filter(|one| !one.is_empty()).collect::<Vec<_>>())
        }
        Some("boolean") => json!(value.parse::<bool>().with_context(|| format!("{key} is true or false"))?),
        Some("integer") => json!(value.parse::<u32>().with_context(|| format!("{key} is a whole number"))?),
        Some(_) => json!(value),
        None => {
            let known = schema["properties"].as_object().context("the schema has no properties")?;
            let known: Vec<&str> = known.keys().map(String::as_str).collect();
            bail!("there is no setting {key}; there are: {}", known.join(", "))
        }
    };
    Ok((key.to_owned(), value))
}

pub fn schema(root: &Path) -> Result<Value> {
    let file = root.join("extension/managed_schema.json");
    let text = fs::read_to_string(&file).with_context(|| file.display().to_string())?;
    serde_json::from_str(&text).with_context(|| file.display().to_string())
}

pub fn run(root: &Path, options: &Options) -> Result<()> {
    let schema = schema(root)?;
    let id = match (&options.id, &options.key) {
        (Some(id), _) => id.clone(),
        (None, Some(key)) => PublicKey::read(key, || options.passphrase.of(key))?.id(),
        (None, None) => bail!("--id or --key is wanted"),
    };
    let wanted = Wanted::new(&id, options.update_url.as_deref(), &options.set, &schema)?;
    let wanted = Wanted { camera: options.camera, ..wanted };
    let out = options.out.clone().unwrap_or_else(|| root.join("dist/policy"));
    for browser in Browser::ALL.into_iter().filter(|one| options.browser.is_none_or(|only| only == *one)) {
        for (name, bytes) in files(&wanted, browser, &schema)? {
            let file = out.join(browser.to_string()).join(name);
            fs::create_dir_all(file.parent().context("a file lies in a directory")?)?;
            fs::write(&file, bytes).with_context(|| file.display().to_string())?;
            println!("{}", file.display());
        }
    }
    Ok(())
}

/// Everything for one browser, by file name. docs/rollout.md says what to do with each.
fn files(wanted: &Wanted, browser: Browser, schema: &Value) -> Result<Vec<(&'static str, Vec<u8>)>> {
    let (admx, adml) = windows::template(wanted, browser, schema);
    let mut files = vec![
        ("linux/holdfast.json", wanted.linux(browser).into_bytes()),
        ("windows/holdfast.reg", windows::registry_file(wanted, browser)),
        ("windows/holdfast.admx", admx.into_bytes()),
        ("windows/en-US/holdfast.adml", adml.into_bytes()),
        ("windows/intune-oma-uri.json", windows::intune(wanted, browser, schema).into_bytes()),
        ("macos/holdfast.mobileconfig", macos::profile(wanted, browser)?),
    ];
    if browser == Browser::Chrome {
        files.push(("google-admin/extension-settings.json", wanted.google_admin().into_bytes()));
    }
    Ok(files)
}

#[cfg(test)]
mod tests {
    use regashii::{KeyName, Registry, Value as RegistryValue, ValueName};

    use super::*;
    use crate::xml::assert_well_formed;

    const ID: &str = "foiomkpidocjbbifcognkhinpihfbemi";
    const ORIGIN: &str = "chrome-extension://foiomkpidocjbbifcognkhinpihfbemi/";
    const UPDATES: &str = "https://voice-token.acme.test/extension/updates.xml";

    fn our_schema() -> Value {
        schema(&crate::checkout::root().unwrap()).unwrap()
    }

    fn wanted(set: &[&str]) -> Result<Wanted> {
        let set: Vec<String> = set.iter().map(|one| (*one).to_owned()).collect();
        Wanted::new(ID, Some(UPDATES), &set, &our_schema())
    }

    /// Every setting that there is but the two older ones.
    fn everything() -> Wanted {
        wanted(&[
            "accountSids=AC11111111111111111111111111111111, AC22222222222222222222222222222222",
            "tokenServiceUrls=https://voice-token.acme.test/v1/voice/token",
            "pageOrigins=https://flex.acme.test",
            "identityPrefix=ext_",
            "edges=dublin,roaming",
            "secondCall=offer",
            "unexpectedCalls=refuse",
            "answerTone=false",
            "preferredMicrophone=Jabra \"Evolve\" & <Büro>",
            "preferredSpeaker=Jabra",
            "refreshTokenAt=50%",
            "logLevel=warning",
            "applyUpdates=whenFlexIsClosed",
            "signOutAfterMinutesWithoutPage=15",
            "agentMayRestart=false",
            "agentMayChangeSettings=true",
        ])
        .unwrap()
    }

    fn file(wanted: &Wanted, browser: Browser, name: &str) -> Vec<u8> {
        let files = files(wanted, browser, &our_schema()).unwrap();
        files.into_iter().find(|(it, _)| *it == name).unwrap_or_else(|| panic!("no {name}")).1
    }

    fn text(wanted: &Wanted, browser: Browser, name: &str) -> String {
        String::from_utf8(file(wanted, browser, name)).unwrap()
    }

    #[test]
    fn a_setting_that_the_extension_would_not_take_is_refused_before_anything_is_written() {
        for bad in [
            "accountSids=AC12",
            "tokenServiceUrls=http://acme.test/",
            "pageOrigins=https://acme.test/path",
            "secondCall=maybe",
            "answerTone=no",
            "agentMayRestart=no",
            "signOutAfterMinutesWithoutPage=soon",
            "signOutAfterMinutesWithoutPage=0",
            "accountsid=AC11111111111111111111111111111111",
            "edges",
        ] {
            assert!(wanted(&[bad]).is_err(), "{bad}");
        }
        for id in ["", "FOIOMKPIDOCJBBIFCOGNKHINPIHFBEMI", "foiomkpidocjbbifcognkhinpihfbem", "../../etc"] {
            assert!(Wanted::new(id, None, &[], &our_schema()).is_err(), "{id}");
        }
        assert!(Wanted::new(ID, Some("http://acme.test/updates.xml"), &[], &our_schema()).is_err());
    }

    #[test]
    fn the_settings_satisfy_the_schema_that_the_extension_ships() {
        let schema = our_schema();
        let validator = jsonschema::validator_for(&schema).unwrap();
        let linux: Value =
            serde_json::from_str(&text(&everything(), Browser::Chrome, "linux/holdfast.json")).unwrap();
        let settings = &linux["3rdparty"]["extensions"][ID];
        assert_eq!(settings.as_object().unwrap().len(), 16);
        assert!(validator.is_valid(settings), "{settings:#}");
        assert!(!validator.is_valid(&json!({"accountSids": "AC1"})), "the schema can say no");
    }

    #[test]
    fn the_camera_is_given_on_every_platform_where_it_is_wanted() {
        let wanted = Wanted { camera: true, ..everything() };
        for browser in Browser::ALL {
            let linux: Value = serde_json::from_str(&text(&wanted, browser, "linux/holdfast.json")).unwrap();
            assert_eq!(linux["VideoCaptureAllowedUrls"], json!([ORIGIN]));
            for (name, bytes) in files(&wanted, browser, &our_schema()).unwrap() {
                let is_browsers = name.ends_with(".reg") || name.contains("intune") || name.contains("macos");
                // A registry file is UTF-16.
                let plain: Vec<u8> = bytes.into_iter().filter(|byte| *byte != 0).collect();
                let says = String::from_utf8_lossy(&plain).contains("VideoCaptureAllowedUrls");
                assert!(says || !is_browsers, "{browser}: {name}");
            }
        }
    }

    #[test]
    fn the_extension_is_installed_pinned_and_has_its_microphone_and_notifications() {
        let linux: Value =
            serde_json::from_str(&text(&everything(), Browser::Chrome, "linux/holdfast.json")).unwrap();
        assert_eq!(linux["AudioCaptureAllowedUrls"], json!([ORIGIN]));
        assert_eq!(linux["NotificationsAllowedForUrls"], json!([ORIGIN]));
        assert_eq!(
            linux["ExtensionSettings"][ID],
            json!({
                "installation_mode": "force_installed", "update_url": UPDATES, "override_update_url": true,
                "toolbar_pin": "force_pinned", "runtime_allowed_hosts": ["https://flex.acme.test"],
            })
        );
        assert!(linux.get("VideoCaptureAllowedUrls").is_none(), "the camera is asked for by --camera");
        let edge: Value =
            serde_json::from_str(&text(&everything(), Browser::Edge, "linux/holdfast.json")).unwrap();
        assert_eq!(edge["ExtensionSettings"][ID]["toolbar_state"], "force_shown");
    }

    #[test]
    fn without_an_update_url_each_browsers_own_store_is_used_and_keeps_its_say_over_updates() {
        let from_store = Wanted::new(ID, None, &[], &our_schema()).unwrap();
        for browser in Browser::ALL {
            let linux: Value =
                serde_json::from_str(&text(&from_store, browser, "linux/holdfast.json")).unwrap();
            let extension = &linux["ExtensionSettings"][ID];
            assert_eq!(extension["update_url"], browser.store());
            assert!(extension.get("override_update_url").is_none());
            assert_eq!(extension["runtime_allowed_hosts"], json!([FLEX]));
            assert!(linux.get("3rdparty").is_none(), "nothing is set");
        }
    }

    /// What a registry file sets, read back by its grammar.
    fn registry(bytes: &[u8]) -> Registry {
        assert_eq!(bytes[..2], [0xff, 0xfe], "little-endian UTF-16 with its mark, as Windows writes it");
        let units: Vec<u16> = bytes.chunks(2).map(|pair| u16::from_le_bytes([pair[0], pair[1]])).collect();
        let text = String::from_utf16(&units[1..]).unwrap();
        assert!(text.starts_with("Windows Registry Editor Version 5.00\r\n"));
        assert_eq!(text.matches('\n').count(), text.matches("\r\n").count());
        for line in text.lines().skip(1).filter(|line| !line.is_empty()) {
            let is_key = line.starts_with('[') && line.ends_with(']');
            let is_value = line.starts_with('"') && (line.contains("\"=\"") || line.contains("\"=dword:"));
            assert!(is_key || is_value, "{line}");
        }
        Registry::deserialize(&text.replace("\r\n", "\n")).unwrap()
    }

    #[test]
    fn the_registry_file_sets_the_same_and_reads_back() {
        let wanted = everything();
        for browser in Browser::ALL {
            let registry = registry(&file(&wanted, browser, "windows/holdfast.reg"));
            let root = format!(r"HKEY_LOCAL_MACHINE\{}", browser.registry_key());
            let value = |key: &str, name: &str| {
                let key = if key.is_empty() { root.clone() } else { format!(r"{root}\{key}") };
                let key = registry.keys().get(&KeyName::new(&key)).unwrap_or_else(|| panic!("no key {key}"));
                key.values().get(&ValueName::named(name)).cloned()
            };
            let Some(RegistryValue::Sz(settings)) = value("", "ExtensionSettings") else { panic!() };
            let settings: Value = serde_json::from_str(&settings).unwrap();
            assert_eq!(settings, wanted.policies(browser)["ExtensionSettings"]);
            assert_eq!(value("AudioCaptureAllowedUrls", "1000"), Some(RegistryValue::Sz(ORIGIN.into())));
            let ours = format!(r"3rdparty\extensions\{ID}\policy");
            assert_eq!(value(&ours, "secondCall"), Some(RegistryValue::Sz("offer".into())));
            assert_eq!(value(&ours, "agentMayRestart"), Some(RegistryValue::Dword(0)));
            assert_eq!(value(&ours, "signOutAfterMinutesWithoutPage"), Some(RegistryValue::Dword(15)));
            assert_eq!(
                value(&ours, "preferredMicrophone"),
                Some(RegistryValue::Sz("Jabra \"Evolve\" & <Büro>".into()))
            );
            assert_eq!(value(&format!(r"{ours}\edges"), "2"), Some(RegistryValue::Sz("roaming".into())));
        }
    }

    #[test]
    fn the_configuration_profile_is_a_property_list_that_macos_takes() {
        let wanted = everything();
        for browser in Browser::ALL {
            let bytes = file(&wanted, browser, "macos/holdfast.mobileconfig");
            let profile: plist::Dictionary = plist::from_bytes(&bytes).unwrap();
            let is = |dictionary: &plist::Dictionary, key: &str, value: &str| {
                assert_eq!(dictionary.get(key).and_then(plist::Value::as_string), Some(value), "{key}");
            };
            is(&profile, "PayloadType", "Configuration");
            is(&profile, "PayloadScope", "System");
            let payloads = profile.get("PayloadContent").unwrap().as_array().unwrap();
            let mut identifiers = vec![&profile];
            identifiers.extend(payloads.iter().map(|payload| payload.as_dictionary().unwrap()));
            for payload in &identifiers {
                for key in ["PayloadIdentifier", "PayloadUUID", "PayloadType", "PayloadDisplayName"] {
                    assert!(payload.get(key).and_then(plist::Value::as_string).is_some(), "{key}");
                }
                assert_eq!(payload.get("PayloadVersion").unwrap().as_signed_integer(), Some(1));
            }
            let uuids: std::collections::BTreeSet<&str> =
                identifiers.iter().map(|one| one.get("PayloadUUID").unwrap().as_string().unwrap()).collect();
            assert_eq!(uuids.len(), 3, "each payload has its own");
            is(identifiers[1], "PayloadType", browser.domain());
            is(identifiers[2], "PayloadType", &format!("{}.extensions.{ID}", browser.domain()));
            assert!(
                identifiers[1].get("ExtensionSettings").unwrap().as_dictionary().unwrap().contains_key(ID)
            );
            is(identifiers[2], "secondCall", "offer");
            assert_eq!(identifiers[2].get("agentMayRestart").unwrap().as_boolean(), Some(false));
            let minutes = identifiers[2].get("signOutAfterMinutesWithoutPage").unwrap();
            assert_eq!(minutes.as_signed_integer(), Some(15));
            assert_eq!(
                bytes,
                file(&everything(), browser, "macos/holdfast.mobileconfig"),
                "the same each time"
            );
        }
    }

    #[test]
    fn the_windows_template_has_each_setting_and_intune_has_each_value() {
        let wanted = everything();
        let (admx, adml) = (
            text(&wanted, Browser::Chrome, "windows/holdfast.admx"),
            text(&wanted, Browser::Chrome, "windows/en-US/holdfast.adml"),
        );
        assert_well_formed(&admx);
        assert_well_formed(&adml);
        for key in our_schema()["properties"].as_object().unwrap().keys() {
            assert!(admx.contains(&format!("<policy name=\"{key}\"")), "{key}");
            assert!(adml.contains(&format!("<string id=\"{key}\"")), "{key}");
        }
        let intune: Value =
            serde_json::from_str(&text(&wanted, Browser::Chrome, "windows/intune-oma-uri.json")).unwrap();
        let entries = intune.as_array().unwrap();
        let value = |end: &str| {
            let entry = entries.iter().find(|entry| entry["omaUri"].as_str().unwrap().ends_with(end));
            entry.unwrap_or_else(|| panic!("{end}"))["value"].as_str().unwrap().to_owned()
        };
        assert_eq!(entries.len(), 4 + 16, "three policies, our template, sixteen settings");
        for entry in entries {
            assert!(entry["omaUri"].as_str().unwrap().starts_with("./Device/Vendor/MSFT/Policy/Config"));
            assert_eq!(entry["dataType"], "String");
            let value = entry["value"].as_str().unwrap();
            if !value.starts_with("<?xml") {
                assert_well_formed(&format!("<x>{value}</x>"));
            }
        }
        assert!(value("/ExtensionSettings").contains("force_installed"));
        assert!(value("/AudioCaptureAllowedUrls").contains(&format!("1000&#xF000;{ORIGIN}")));
        assert!(value("/edges").contains("1&#xF000;dublin&#xF000;2&#xF000;roaming"));
        assert!(value("/signOutAfterMinutesWithoutPage").ends_with("value=\"15\"/>"));
        assert_eq!(value("/agentMayRestart"), "<disabled/>");
        assert_eq!(value("/agentMayChangeSettings"), "<enabled/>");
    }

    #[test]
    fn the_admin_consoles_json_wraps_each_value() {
        let json: Value = serde_json::from_str(&text(
            &everything(),
            Browser::Chrome,
            "google-admin/extension-settings.json",
        ))
        .unwrap();
        assert_eq!(json["secondCall"], json!({"Value": "offer"}));
        assert_eq!(json["edges"], json!({"Value": ["dublin", "roaming"]}));
    }
}
