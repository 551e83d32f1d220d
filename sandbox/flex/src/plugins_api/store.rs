//! What plugins are made of: files, builds, versions, releases.

use std::collections::BTreeMap;

use axum::body::Bytes;
use serde_json::{Value, json};

/// The domain of the first environment's assets. It has the form of Twilio's: `<service>-<number>-<suffix>.twil.io`.
pub(crate) const DOMAIN: &str = "holdfast-plugin-5555-plugin.twil.io";

/// Everything that was created, by SID, in the order of creation.
#[derive(Debug, Default)]
pub(crate) struct Store {
    made: u64,
    resources: Vec<Value>,
    files: BTreeMap<String, Bytes>,
}

impl Store {
    pub(super) fn create(&mut self, prefix: &str, mut resource: Value) -> Value {
        self.made += 1;
        resource["sid"] = json!(format!("{prefix}{:032x}", self.made));
        self.resources.push(resource.clone());
        resource
    }

    pub(super) fn all<'a>(&'a self, prefix: &'a str) -> impl DoubleEndedIterator<Item = &'a Value> {
        self.resources
            .iter()
            .filter(move |one| one["sid"].as_str().is_some_and(|sid| sid.starts_with(prefix)))
    }

    pub(super) fn find(&self, prefix: &str, name: &str) -> Option<&Value> {
        self.resources.iter().find(|one| {
            (one["sid"] == name || one["unique_name"] == name)
                && one["sid"].as_str().is_some_and(|sid| sid.starts_with(prefix))
        })
    }

    /// What the plugins loader is told: the plugins of the active release.
    pub(crate) fn released(&self) -> Vec<Value> {
        let Some(release) = self.all("FK").next_back() else { return Vec::new() };
        let configuration = release["configuration_sid"].as_str().and_then(|sid| self.find("FJ", sid));
        let plugins = configuration.and_then(|found| found["plugins"].as_array());
        plugins.into_iter().flatten().filter_map(|one| self.configured(one)).collect()
    }

    /// One plugin of a configuration, with what is known of its version.
    pub(super) fn configured(&self, one: &Value) -> Option<Value> {
        let version = self.find("FV", one["plugin_version"].as_str()?)?;
        let plugin = self.find("FP", version["plugin_sid"].as_str()?)?;
        Some(json!({
            "unique_name": plugin["unique_name"],
            "plugin_sid": plugin["sid"],
            "plugin_version_sid": version["sid"],
            "version": version["version"],
            "plugin_url": version["plugin_url"],
            "phase": one["phase"],
        }))
    }

    /// The file that the deployed build serves at this path.
    pub(super) fn file(&self, path: &str) -> Option<Bytes> {
        let environment = self.all("ZE").next_back()?;
        let build = self.find("ZB", environment["build_sid"].as_str()?)?;
        let version = build["asset_versions"].as_array()?.iter().find(|one| one["path"] == path)?;
        self.files.get(version["sid"].as_str()?).cloned()
    }

    /// Keeps the file of an asset's version.
    pub(super) fn keep(&mut self, version: &Value, content: Bytes) {
        self.files.insert(version["sid"].as_str().unwrap_or_default().to_owned(), content);
    }

    /// The build that an environment serves from now on; false if there is no such environment.
    #[must_use]
    pub(super) fn deploy(&mut self, environment: &str, build: Value) -> bool {
        let place = self.resources.iter_mut().find(|one| one["sid"] == environment);
        place.map(|place| place["build_sid"] = build).is_some()
    }
}
