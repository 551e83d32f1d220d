//! The direct way: the script becomes an asset of a Serverless service, and a plugin version that is released.

use std::time::Duration;

use anyhow::{Context as _, Result, bail};
use reqwest::Method;
use serde_json::{Value, json};

use crate::api::{Api, Body};

/// The Serverless service and its environment that carry the plugin.
const SERVICE: &str = "holdfast-plugin";
const ENVIRONMENT: &str = "plugin";

/// What is published.
#[derive(Debug, Clone)]
pub struct Plugin {
    /// Unique name of the plugin in the account.
    pub name: String,
    /// Its version; each can be published once.
    pub version: String,
    pub script: Vec<u8>,
    /// What is new, for whoever reads the list of versions.
    pub changelog: String,
}

/// What came of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Deployed {
    /// Where agents' browsers load the script from.
    pub url: String,
    /// The configuration that was released.
    pub configuration: String,
    /// The configuration that was active before: release it to roll back.
    pub previous: Option<String>,
}

/// Uploads, builds and deploys the script, makes a plugin version of it, and releases it beside the account's other
/// plugins.
///
/// # Errors
/// In Twilio's words; what was done up to then stays, and does no harm: agents see only what is released, at the end.
pub async fn deploy(api: &Api, plugin: &Plugin) -> Result<Deployed> {
    let url = host(api, plugin).await?;
    let version = plugin_version(api, plugin, &url).await?;
    let previous = active_configuration(api).await?;
    let configuration = configure(api, plugin, &version, previous.as_deref()).await?;
    release(api, &configuration).await?;
    Ok(Deployed { url, configuration, previous })
}

/// Makes a configuration the active one: agents get it with their next load of Flex.
///
/// # Errors
/// In Twilio's words.
pub async fn release(api: &Api, configuration: &str) -> Result<()> {
    let url = format!("{}/v1/PluginService/Releases", api.bases.flex);
    let fields = [("ConfigurationId", configuration.to_owned())];
    api.ask(Method::POST, &url, Body::Fields(&fields), json!({})).await?;
    Ok(())
}

/// The script as an asset; says its address.
async fn host(api: &Api, plugin: &Plugin) -> Result<String> {
    let services = format!("{}/v1/Services", api.bases.serverless);
    let known =
        api.try_ask(Method::GET, &format!("{services}/{SERVICE}"), Body::Nothing, Value::Null).await?;
    let service = match known {
        Some(service) => service,
        None => {
            let fields = [
                ("UniqueName", SERVICE.to_owned()),
                ("FriendlyName", "Holdfast Flex plugin".to_owned()),
                ("IncludeCredentials", "false".to_owned()),
            ];
            api.ask(Method::POST, &services, Body::Fields(&fields), json!({ "sid": "{service}" })).await?
        }
    };
    let service = format!("{services}/{}", sid(&service)?);
    let path = format!("/plugins/{}/{}/bundle.js", plugin.name, plugin.version);

    let fields = [("FriendlyName", path.clone())];
    let assets = format!("{service}/Assets");
    let asset = api.ask(Method::POST, &assets, Body::Fields(&fields), json!({ "sid": "{asset}" })).await?;
    let upload = service.replacen(&api.bases.serverless, &api.bases.upload, 1);
    let upload = format!("{upload}/Assets/{}/Versions", sid(&asset)?);
    // Protected: only who shows a Flex token gets it.
    let fields = [("Path", path.clone()), ("Visibility", "protected".to_owned())];
    let body = Body::File { name: "bundle.js", content: &plugin.script, fields: &fields };
    let asset_version = api.ask(Method::POST, &upload, body, json!({ "sid": "{asset version}" })).await?;

    let environments = format!("{service}/Environments");
    let all = api.ask(Method::GET, &environments, Body::Nothing, json!({})).await?;
    let known = list(&all, "environments").find(|one| one["unique_name"] == ENVIRONMENT).cloned();
    let environment = match known {
        Some(environment) => environment,
        None => {
            let fields = [("UniqueName", ENVIRONMENT.to_owned()), ("DomainSuffix", ENVIRONMENT.to_owned())];
            let would_be = json!({ "sid": "{environment}", "domain_name": "{environment's domain}" });
            api.ask(Method::POST, &environments, Body::Fields(&fields), would_be).await?
        }
    };

    // A build is all that the environment serves: what older releases load must stay in it, or none can be rolled
    // back to.
    let mut versions = vec![("AssetVersions", sid(&asset_version)?.to_owned())];
    if let Some(build) = environment["build_sid"].as_str() {
        let build =
            api.ask(Method::GET, &format!("{service}/Builds/{build}"), Body::Nothing, json!({})).await?;
        for older in list(&build, "asset_versions").filter(|older| older["path"] != path.as_str()) {
            versions.push(("AssetVersions", sid(older)?.to_owned()));
        }
    }
    let builds = format!("{service}/Builds");
    let would_be = json!({ "sid": "{build}", "status": "completed" });
    let mut build = api.ask(Method::POST, &builds, Body::Fields(&versions), would_be.clone()).await?;
    let build_sid = sid(&build)?.to_owned();
    for _ in 0..60 {
        match build["status"].as_str() {
            Some("completed") => break,
            Some("failed") => bail!("Twilio could not build the service"),
            _ => tokio::time::sleep(Duration::from_secs(2)).await,
        }
        let status = format!("{builds}/{build_sid}/Status");
        build = api.ask(Method::GET, &status, Body::Nothing, would_be.clone()).await?;
    }
    if build["status"] != "completed" {
        bail!("the build is not ready after two minutes");
    }
    let deployments = format!("{environments}/{}/Deployments", sid(&environment)?);
    let fields = [("BuildSid", build_sid)];
    api.ask(Method::POST, &deployments, Body::Fields(&fields), json!({})).await?;
    let domain = environment["domain_name"].as_str().context("the environment has no domain")?;
    Ok(format!("https://{domain}{path}"))
}

async fn plugin_version(api: &Api, plugin: &Plugin, url: &str) -> Result<String> {
    let plugins = format!("{}/v1/PluginService/Plugins", api.bases.flex);
    let one = format!("{plugins}/{}", plugin.name);
    if api.try_ask(Method::GET, &one, Body::Nothing, Value::Null).await?.is_none() {
        let fields = [
            ("UniqueName", plugin.name.clone()),
            ("FriendlyName", "Holdfast".to_owned()),
            ("Description", "Voice calls that outlive the Flex tab".to_owned()),
        ];
        api.ask(Method::POST, &plugins, Body::Fields(&fields), json!({})).await?;
    }
    let fields = [
        ("Version", plugin.version.clone()),
        ("PluginUrl", url.to_owned()),
        ("Private", "true".to_owned()),
        ("Changelog", plugin.changelog.clone()),
    ];
    let versions = format!("{one}/Versions");
    let version =
        api.ask(Method::POST, &versions, Body::Fields(&fields), json!({ "sid": "{plugin version}" })).await?;
    Ok(sid(&version)?.to_owned())
}

async fn active_configuration(api: &Api) -> Result<Option<String>> {
    let url = format!("{}/v1/PluginService/Releases/Active", api.bases.flex);
    let release = api.try_ask(Method::GET, &url, Body::Nothing, Value::Null).await?;
    Ok(release.and_then(|release| Some(release["configuration_sid"].as_str()?.to_owned())))
}

/// A configuration with this version of ours and the others as they are.
async fn configure(api: &Api, plugin: &Plugin, version: &str, previous: Option<&str>) -> Result<String> {
    let configurations = format!("{}/v1/PluginService/Configurations", api.bases.flex);
    let configured = |version: &str, phase: u64| {
        ("Plugins", json!({ "plugin_version": version, "phase": phase }).to_string())
    };
    let mut fields = vec![
        ("Name", format!("{} {}", plugin.name, plugin.version)),
        ("Description", plugin.changelog.clone()),
        configured(version, 3),
    ];
    if let Some(previous) = previous {
        let url = format!("{configurations}/{previous}/Plugins");
        let others = api.ask(Method::GET, &url, Body::Nothing, json!({})).await?;
        for other in list(&others, "plugins").filter(|other| other["unique_name"] != plugin.name.as_str()) {
            let version =
                other["plugin_version_sid"].as_str().context("a configured plugin has a version")?;
            fields.push(configured(version, other["phase"].as_u64().unwrap_or(3)));
        }
    }
    let would_be = json!({ "sid": "{configuration}" });
    let made = api.ask(Method::POST, &configurations, Body::Fields(&fields), would_be).await?;
    Ok(sid(&made)?.to_owned())
}

fn sid(resource: &Value) -> Result<&str> {
    resource["sid"].as_str().context("Twilio's answer has no sid")
}

fn list<'a>(page: &'a Value, name: &str) -> impl Iterator<Item = &'a Value> + use<'a> {
    page[name].as_array().into_iter().flatten()
}
