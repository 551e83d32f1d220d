//! Bills of materials: what is in the extension, the plugin, the token service and its image, for whoever must know whether
//! a fault that was found in somebody's package concerns them.
//!
//! Made of the lock files and of what is linked, so that the same source gives the same text; it has a time only where
//! `SOURCE_DATE_EPOCH` says one.
//! Source: CycloneDX 1.5, <https://cyclonedx.org/docs/1.5/json/>.

use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    path::Path,
};

use anyhow::{Context, Result};
use serde_json::{Value, json};

use crate::parts::{self, Part, VIDEO_SDK, VOICE_SDK};

const BROWSER: &str = "wasm32-unknown-unknown";
/// As docs/operate.md compiles the program, and as the image's recipe does.
const SERVER: &str = "x86_64-unknown-linux-gnu";
const IMAGE: &str = "x86_64-unknown-linux-musl";

/// The rooms of the extension.
pub const EXTENSION: [&str; 5] = ["worker-wasm", "offscreen-wasm", "content-wasm", "popup-wasm", CALL_PAGE];
/// The page of a video call, which the token service's image carries too.
const CALL_PAGE: &str = "join-wasm";
pub const PLUGIN: &str = "plugin";

/// Writes all of them below `out`; says which, with their bytes.
pub fn write(root: &Path, out: &Path) -> Result<BTreeMap<String, Vec<u8>>> {
    fs::create_dir_all(out).with_context(|| out.display().to_string())?;
    let time = std::env::var("SOURCE_DATE_EPOCH").ok();
    let bills = make(root, time.as_deref())?;
    for (name, bytes) in &bills {
        let file = out.join(name);
        fs::write(&file, bytes).with_context(|| file.display().to_string())?;
    }
    Ok(bills)
}

fn make(root: &Path, time: Option<&str>) -> Result<BTreeMap<String, Vec<u8>>> {
    let time = time.map(instant).transpose()?;
    let mut bills = BTreeMap::new();
    for product in products(root)? {
        let text = format!("{:#}\n", product.bill(time.as_deref()));
        bills.insert(format!("{}.cdx.json", product.name), text.into_bytes());
    }
    Ok(bills)
}

fn instant(seconds: &str) -> Result<String> {
    let seconds = seconds.parse().context("SOURCE_DATE_EPOCH is seconds")?;
    Ok(jiff::Timestamp::from_second(seconds).context("SOURCE_DATE_EPOCH")?.to_string())
}

/// One thing that somebody installs.
struct Product {
    name: &'static str,
    /// CycloneDX's word for what it is.
    kind: &'static str,
    version: String,
    parts: BTreeMap<String, Part>,
    /// What is in it and no package: already in CycloneDX's form.
    others: Vec<Value>,
}

fn products(root: &Path) -> Result<Vec<Product>> {
    let mut extension = parts::crates(root, &EXTENSION, BROWSER)?;
    extension.extend(parts::npm(root, VOICE_SDK)?);
    extension.extend(parts::npm(root, VIDEO_SDK)?);
    let mut image = parts::crates(root, &["token-service"], IMAGE)?;
    image.extend(parts::crates(root, &[CALL_PAGE], BROWSER)?);
    image.extend(parts::npm(root, VIDEO_SDK)?);
    let rust = rust_library(root)?;
    let product = |name, kind, parts, others| Product::of(name, kind, parts, others);
    Ok(vec![
        product("extension", "application", extension, vec![rust.clone()])?,
        product("plugin", "application", parts::crates(root, &[PLUGIN], BROWSER)?, vec![rust.clone()])?,
        product(
            "token-service",
            "application",
            parts::crates(root, &["token-service"], SERVER)?,
            vec![rust.clone()],
        )?,
        product("token-service-image", "container", image, {
            let mut others = vec![rust];
            others.extend(only_in_the_image());
            others
        })?,
    ])
}

/// Rust's own library is compiled into everything. `rust-toolchain.toml` says which.
fn rust_library(root: &Path) -> Result<Value> {
    let file = fs::read_to_string(root.join("rust-toolchain.toml")).context("rust-toolchain.toml")?;
    let file: toml::Table = file.parse().context("rust-toolchain.toml")?;
    let version = file["toolchain"]["channel"].as_str().context("rust-toolchain.toml names no version")?;
    Ok(json!({
        "type": "library", "bom-ref": "rust/std", "name": "std", "version": version,
        "description": "Rust's standard library",
        "licenses": [{"expression": "MIT OR Apache-2.0"}],
    }))
}

/// The image begins from nothing: its recipe says what else is put in. Their versions are decided where it is built.
fn only_in_the_image() -> [Value; 2] {
    [
        json!({
            "type": "file", "bom-ref": "image/ca-certificates", "name": "/etc/ssl/certs/ca-certificates.crt",
            "description": "Certificates of public authorities, of Alpine's ca-certificates-bundle on the day of the build",
            "licenses": [{"expression": "MPL-2.0 AND MIT"}],
        }),
        json!({
            "type": "library", "bom-ref": "image/musl", "name": "musl",
            "description": "The C library, linked statically, as Rust's musl target brings it",
            "licenses": [{"expression": "MIT"}],
        }),
    ]
}

impl Product {
    fn of(name: &'static str, kind: &'static str, parts: Vec<Part>, others: Vec<Value>) -> Result<Self> {
        let version =
            parts.iter().find(|part| part.package_url.is_none()).context("nothing of ours is in it")?;
        let version = version.version.clone();
        let mut by_reference: BTreeMap<String, Part> = BTreeMap::new();
        for part in parts {
            // What several rooms are linked with is listed once; what each of them makes it use is put together.
            let all = by_reference.entry(part.reference()).or_insert_with(|| part.clone());
            all.uses.extend(part.uses);
        }
        Ok(Self { name, kind, version, parts: by_reference, others })
    }

    fn bill(&self, time: Option<&str>) -> Value {
        let reference = format!("holdfast-{}", self.name);
        let other = |one: &Value| one["bom-ref"].as_str().unwrap_or_default().to_owned();
        let mut components: BTreeMap<String, Value> =
            self.others.iter().map(|one| (other(one), one.clone())).collect();
        components.extend(self.parts.iter().map(|(reference, part)| (reference.clone(), component(part))));

        let used: BTreeSet<&String> = self.parts.values().flat_map(|part| &part.uses).collect();
        let mut top: BTreeSet<String> =
            self.parts.keys().filter(|one| !used.contains(one)).cloned().collect();
        top.extend(self.others.iter().map(other));
        let mut dependencies = vec![json!({"ref": reference, "dependsOn": top})];
        dependencies.extend(self.parts.iter().map(|(part, it)| json!({"ref": part, "dependsOn": it.uses})));

        let mut metadata = json!({"component": {
            "type": self.kind, "bom-ref": reference, "name": format!("holdfast-{}", self.name),
            "version": self.version, "licenses": [{"expression": "MIT"}],
        }});
        if let Some(time) = time {
            metadata["timestamp"] = time.into();
        }
        json!({
            "bomFormat": "CycloneDX", "specVersion": "1.5", "version": 1, "metadata": metadata,
            "components": components.into_values().collect::<Vec<_>>(), "dependencies": dependencies,
        })
    }
}

fn component(part: &Part) -> Value {
    let mut component = json!({
        "type": "library", "bom-ref": part.reference(), "name": part.name, "version": part.version,
    });
    if let Some(url) = &part.package_url {
        component["purl"] = url.as_str().into();
    }
    if let Some(licence) = &part.licence {
        // Before there were expressions, cargo took a slash for "or".
        component["licenses"] = json!([{"expression": licence.replace('/', " OR ")}]);
    }
    if let Some((algorithm, digest)) = &part.digest {
        component["hashes"] = json!([{"alg": algorithm, "content": digest}]);
    }
    component
}

#[cfg(test)]
mod tests {
    use std::sync::OnceLock;

    use cyclonedx_bom::{models::bom::Bom, validation::Validate};

    use super::*;

    /// Made once for all tests: cargo is asked about every crate.
    fn bills() -> &'static BTreeMap<String, Vec<u8>> {
        static BILLS: OnceLock<BTreeMap<String, Vec<u8>>> = OnceLock::new();
        BILLS.get_or_init(|| make(&crate::checkout::root().unwrap(), None).unwrap())
    }

    fn names(bill: &[u8]) -> BTreeSet<String> {
        let bill: Value = serde_json::from_slice(bill).unwrap();
        let components = bill["components"].as_array().unwrap().iter();
        components
            .map(|one| {
                format!("{} {}", one["name"].as_str().unwrap(), one["version"].as_str().unwrap_or_default())
            })
            .collect()
    }

    #[test]
    fn each_bill_of_materials_is_cyclonedx_and_names_nothing_twice_or_in_vain() {
        let bills = bills();
        assert_eq!(
            bills.keys().collect::<Vec<_>>(),
            [
                "extension.cdx.json",
                "plugin.cdx.json",
                "token-service-image.cdx.json",
                "token-service.cdx.json"
            ]
        );
        for (name, bytes) in bills {
            let bom = Bom::parse_from_json_v1_5(&bytes[..]).unwrap_or_else(|error| panic!("{name}: {error}"));
            let verdict = bom.validate();
            assert!(verdict.passed(), "{name}: {verdict:?}");
            let bill: Value = serde_json::from_slice(bytes).unwrap();
            let references: Vec<&str> = bill["components"]
                .as_array()
                .unwrap()
                .iter()
                .map(|one| one["bom-ref"].as_str().unwrap())
                .collect();
            let known: BTreeSet<&str> = references.iter().copied().collect();
            assert_eq!(known.len(), references.len(), "{name}: nothing is listed twice");
            for dependency in bill["dependencies"].as_array().unwrap() {
                for used in dependency["dependsOn"].as_array().unwrap() {
                    assert!(known.contains(used.as_str().unwrap()), "{name}: {used} is listed");
                }
            }
        }
        let broken = r#"{"bomFormat": "CycloneDX", "specVersion": "1.5", "version": 1,
            "components": [{"type": "library", "name": "x", "purl": "no package"}]}"#;
        let broken = Bom::parse_from_json_v1_5(broken.as_bytes());
        assert!(!broken.is_ok_and(|bom| bom.validate().passed()), "the judge can say no");
    }

    #[test]
    fn a_bill_lists_what_is_linked_in_with_version_licence_and_digest_and_nothing_else() {
        let bills = bills();
        let extension = names(&bills["extension.cdx.json"]);
        let starts = |names: &BTreeSet<String>, start: &str| names.iter().any(|name| name.starts_with(start));
        for inside in [
            "@twilio/voice-sdk 2.",
            "@twilio/voice-errors ",
            "twilio-video 2.",
            "leptos ",
            "events ",
            "wasm-bindgen ",
            "std 1.",
            "worker-wasm ",
        ] {
            assert!(starts(&extension, inside), "{inside} is missing in {extension:?}");
        }
        // The SDK brings its own; another version of it lies beside, for a tool of the tests.
        assert!(
            extension.contains("loglevel 1.9.2") && !extension.contains("loglevel 1.6.7"),
            "{extension:?}"
        );
        let service = names(&bills["token-service.cdx.json"]);
        assert!(starts(&service, "axum ") && starts(&service, "aws-lc-sys "), "{service:?}");
        let image = names(&bills["token-service-image.cdx.json"]);
        assert!(starts(&image, "musl") && starts(&image, "/etc/ssl/certs") && starts(&image, "axum "));
        assert!(starts(&image, "twilio-video 2.") && starts(&image, "leptos "), "the page of a video call");
        for (bill, outside) in [
            (&extension, "tokio "),
            (&extension, "serde_derive "),
            (&extension, "clap "),
            (&extension, "plugin "),
            (&service, "wasm-bindgen "),
            (&service, "syn "),
            (&service, "cc "),
            (&service, "proptest "),
        ] {
            assert!(!starts(bill, outside), "{outside} is not in it");
        }
        for bytes in bills.values() {
            let bill: Value = serde_json::from_slice(bytes).unwrap();
            for one in bill["components"].as_array().unwrap().iter().filter(|one| one.get("purl").is_some()) {
                let digest = one["hashes"][0]["content"].as_str().unwrap_or_default();
                assert!(digest.len() == 64 || digest.len() == 128, "{one}");
                assert!(one["licenses"][0]["expression"].is_string(), "{one}");
            }
        }
    }

    #[test]
    fn the_same_source_gives_the_same_bill_with_no_time_and_no_place_of_its_making() {
        let root = crate::checkout::root().unwrap();
        let bills = bills();
        let timed = make(&root, Some("1764259200")).unwrap();
        let without_time = |bytes: &[u8]| {
            let mut bill: Value = serde_json::from_slice(bytes).unwrap();
            let time = bill["metadata"].as_object_mut().unwrap().remove("timestamp");
            assert_eq!(time, Some(json!("2025-11-27T16:00:00Z")));
            format!("{bill:#}\n").into_bytes()
        };
        let again: BTreeMap<_, _> =
            timed.into_iter().map(|(name, bytes)| (name, without_time(&bytes))).collect();
        assert_eq!(*bills, again, "made twice, it is the same but for the time that was said");
        for bytes in bills.values() {
            let text = std::str::from_utf8(bytes).unwrap();
            assert!(!text.contains(root.to_str().unwrap()) && !text.contains("\"timestamp\""), "{text}");
        }
        assert!(instant("yesterday").is_err());
    }
}
