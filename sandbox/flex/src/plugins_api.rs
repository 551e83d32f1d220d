//! How a plugin gets to the agents: files at the Serverless API (`serverless.twilio.com`, `serverless-upload.twilio.com`,
//! `*.twil.io`), versions and releases at the Flex Plugins API (`flex-api.twilio.com/v1/PluginService`).
//!
//! Inferred: resources and parameters are those that Twilio documents and its own plugin builder sends. What Twilio
//! checks beyond the presence of parameters and the existence of what they name was not seen.

#![expect(clippy::result_large_err, reason = "an error is a response, and is sent as it is")]

pub(crate) mod store;

use axum::body::Bytes;
use axum::extract::{Multipart, Path, Request, State};
use axum::http::{StatusCode, header};
use axum::middleware::{self, Next};
use axum::response::{IntoResponse as _, Response};
use axum::routing::{get, post};
use axum::{Json, Router};
use serde_json::{Map, Value, json};

use self::store::DOMAIN;
use crate::iam;
use crate::state::FlexCloud;
use sandbox_kit::answer::error;

/// `serverless.twilio.com` and `serverless-upload.twilio.com`.
pub(crate) fn serverless_router(cloud: FlexCloud) -> Router {
    Router::new()
        .route("/v1/Services", post(create_service))
        .route("/v1/Services/{service}", get(service))
        .route("/v1/Services/{service}/Assets", post(create_asset))
        .route("/v1/Services/{service}/Assets/{asset}/Versions", post(upload))
        .route("/v1/Services/{service}/Builds", post(build))
        .route("/v1/Services/{service}/Builds/{build}", get(fetch_build))
        .route("/v1/Services/{service}/Builds/{build}/Status", get(fetch_build))
        .route("/v1/Services/{service}/Environments", get(environments).post(create_environment))
        .route("/v1/Services/{service}/Environments/{environment}/Deployments", post(deploy))
        .layer(middleware::from_fn(authenticated))
        .with_state(cloud)
}

/// Part of `flex-api.twilio.com`.
pub(crate) fn plugins_router(cloud: FlexCloud) -> Router {
    Router::new()
        .route("/v1/PluginService/Plugins", post(create_plugin))
        .route("/v1/PluginService/Plugins/{plugin}", get(plugin))
        .route("/v1/PluginService/Plugins/{plugin}/Versions", post(create_version))
        .route("/v1/PluginService/Configurations", post(create_configuration))
        .route("/v1/PluginService/Configurations/{configuration}/Plugins", get(configured_plugins))
        .route("/v1/PluginService/Releases", post(release))
        .route("/v1/PluginService/Releases/Active", get(active_release))
        .layer(middleware::from_fn(authenticated))
        .with_state(cloud)
}

/// `*.twil.io`.
pub(crate) fn assets_router(cloud: FlexCloud) -> Router {
    Router::new().fallback(asset).with_state(cloud)
}

async fn authenticated(request: Request, next: Next) -> Response {
    if iam::is_server(request.headers()) {
        next.run(request).await
    } else {
        error(StatusCode::UNAUTHORIZED, 20003, "Authenticate")
    }
}

fn missing(what: &str) -> Response {
    error(StatusCode::NOT_FOUND, 20404, &format!("The requested resource {what} was not found"))
}

fn created(resource: Value) -> Response {
    (StatusCode::CREATED, Json(resource)).into_response()
}

fn found(resource: Option<&Value>, name: &str) -> Response {
    resource.map_or_else(|| missing(name), |resource| Json(resource.clone()).into_response())
}

/// Form fields, of which a name may come more than once.
struct Fields(Vec<(String, String)>);

impl Fields {
    fn of(body: &[u8]) -> Self {
        Self(form_urlencoded::parse(body).into_owned().collect())
    }

    fn all<'a>(&'a self, name: &'a str) -> impl Iterator<Item = &'a str> {
        self.0.iter().filter(move |(field, _)| field == name).map(|(_, value)| value.as_str())
    }

    /// Makes a resource of the fields, all of which must be there.
    fn resource(&self, fields: &[(&str, &str)]) -> Result<Value, Response> {
        let mut resource = Map::new();
        for (parameter, name) in fields {
            let Some(value) = self.all(parameter).next() else {
                let message = format!("Missing required parameter {parameter} in the post body");
                return Err(error(StatusCode::BAD_REQUEST, 20001, &message));
            };
            resource.insert((*name).to_owned(), json!(value));
        }
        Ok(Value::Object(resource))
    }
}

type Cloud = State<FlexCloud>;

async fn create_service(State(cloud): Cloud, body: Bytes) -> Result<Response, Response> {
    let resource =
        Fields::of(&body).resource(&[("UniqueName", "unique_name"), ("FriendlyName", "friendly_name")])?;
    Ok(created(cloud.plugins(|store| store.create("ZS", resource))))
}

async fn service(State(cloud): Cloud, Path(name): Path<String>) -> Response {
    cloud.plugins(|store| found(store.find("ZS", &name), &name))
}

async fn create_asset(
    State(cloud): Cloud,
    Path(service): Path<String>,
    body: Bytes,
) -> Result<Response, Response> {
    let resource = Fields::of(&body).resource(&[("FriendlyName", "friendly_name")])?;
    cloud.plugins(|store| {
        store.find("ZS", &service).ok_or_else(|| missing(&service))?;
        Ok(created(store.create("ZH", resource)))
    })
}

async fn upload(
    State(cloud): Cloud,
    Path((_, asset)): Path<(String, String)>,
    mut form: Multipart,
) -> Result<Response, Response> {
    let mut content = None;
    let mut fields = Vec::new();
    while let Some(field) = form.next_field().await.map_err(axum::response::IntoResponse::into_response)? {
        let name = field.name().unwrap_or_default().to_owned();
        let bytes = field.bytes().await.map_err(axum::response::IntoResponse::into_response)?;
        if name == "Content" {
            content = Some(bytes);
        } else {
            fields.push((name, String::from_utf8_lossy(&bytes).into_owned()));
        }
    }
    let mut resource = Fields(fields).resource(&[("Path", "path"), ("Visibility", "visibility")])?;
    let content =
        content.ok_or_else(|| error(StatusCode::BAD_REQUEST, 20001, "Missing required parameter Content"))?;
    resource["asset_sid"] = json!(asset);
    cloud.plugins(|store| {
        store.find("ZH", &asset).ok_or_else(|| missing(&asset))?;
        let version = store.create("ZN", resource);
        store.keep(&version, content);
        Ok(created(version))
    })
}

async fn build(State(cloud): Cloud, body: Bytes) -> Result<Response, Response> {
    let fields = Fields::of(&body);
    cloud.plugins(|store| {
        let versions: Result<Vec<Value>, Response> = fields
            .all("AssetVersions")
            .map(|sid| store.find("ZN", sid).cloned().ok_or_else(|| missing(sid)))
            .collect();
        let resource = json!({ "asset_versions": versions?, "status": "completed" });
        Ok(created(store.create("ZB", resource)))
    })
}

async fn fetch_build(State(cloud): Cloud, Path((_, build)): Path<(String, String)>) -> Response {
    cloud.plugins(|store| found(store.find("ZB", &build), &build))
}

async fn environments(State(cloud): Cloud) -> Json<Value> {
    cloud.plugins(|store| Json(json!({ "environments": store.all("ZE").collect::<Vec<_>>() })))
}

async fn create_environment(State(cloud): Cloud, body: Bytes) -> Result<Response, Response> {
    let mut resource = Fields::of(&body).resource(&[("UniqueName", "unique_name")])?;
    resource["domain_name"] = json!(DOMAIN);
    resource["build_sid"] = Value::Null;
    Ok(created(cloud.plugins(|store| store.create("ZE", resource))))
}

async fn deploy(
    State(cloud): Cloud,
    Path((_, environment)): Path<(String, String)>,
    body: Bytes,
) -> Result<Response, Response> {
    let resource = Fields::of(&body).resource(&[("BuildSid", "build_sid")])?;
    cloud.plugins(|store| {
        let build = resource["build_sid"].clone();
        store.find("ZB", build.as_str().unwrap_or_default()).ok_or_else(|| missing("build"))?;
        if !store.deploy(&environment, build) {
            return Err(missing(&environment));
        }
        Ok(created(store.create("ZD", resource)))
    })
}

/// A protected asset: Inferred, that the plugins loader's own request is enough; the sandbox serves it to everybody.
async fn asset(State(cloud): Cloud, request: Request) -> Response {
    match cloud.plugins(|store| store.file(request.uri().path())) {
        Some(bytes) => ([(header::CONTENT_TYPE, "application/javascript")], bytes).into_response(),
        None => missing(request.uri().path()),
    }
}

async fn create_plugin(State(cloud): Cloud, body: Bytes) -> Result<Response, Response> {
    let resource = Fields::of(&body).resource(&[("UniqueName", "unique_name")])?;
    Ok(created(cloud.plugins(|store| store.create("FP", resource))))
}

async fn plugin(State(cloud): Cloud, Path(name): Path<String>) -> Response {
    cloud.plugins(|store| found(store.find("FP", &name), &name))
}

async fn create_version(
    State(cloud): Cloud,
    Path(name): Path<String>,
    body: Bytes,
) -> Result<Response, Response> {
    let mut resource = Fields::of(&body).resource(&[("Version", "version"), ("PluginUrl", "plugin_url")])?;
    cloud.plugins(|store| {
        let plugin = store.find("FP", &name).ok_or_else(|| missing(&name))?["sid"].clone();
        if store.all("FV").any(|one| one["plugin_sid"] == plugin && one["version"] == resource["version"]) {
            return Err(error(StatusCode::CONFLICT, 20409, "This version of the plugin exists already"));
        }
        resource["plugin_sid"] = plugin;
        Ok(created(store.create("FV", resource)))
    })
}

async fn create_configuration(State(cloud): Cloud, body: Bytes) -> Result<Response, Response> {
    let fields = Fields::of(&body);
    let mut resource = fields.resource(&[("Name", "name")])?;
    let plugins: Vec<Value> =
        fields.all("Plugins").filter_map(|text| serde_json::from_str(text).ok()).collect();
    cloud.plugins(|store| {
        if let Some(unknown) = plugins.iter().find(|one| store.configured(one).is_none()) {
            return Err(missing(&unknown["plugin_version"].to_string()));
        }
        resource["plugins"] = json!(plugins);
        Ok(created(store.create("FJ", resource)))
    })
}

async fn configured_plugins(State(cloud): Cloud, Path(name): Path<String>) -> Result<Response, Response> {
    cloud.plugins(|store| {
        let configuration = store.find("FJ", &name).ok_or_else(|| missing(&name))?;
        let plugins = configuration["plugins"].as_array().into_iter().flatten();
        let plugins: Vec<Value> = plugins.filter_map(|one| store.configured(one)).collect();
        Ok(Json(json!({ "plugins": plugins })).into_response())
    })
}

async fn release(State(cloud): Cloud, body: Bytes) -> Result<Response, Response> {
    let resource = Fields::of(&body).resource(&[("ConfigurationId", "configuration_sid")])?;
    cloud.plugins(|store| {
        let configuration = resource["configuration_sid"].as_str().unwrap_or_default();
        store.find("FJ", configuration).ok_or_else(|| missing(configuration))?;
        Ok(created(store.create("FK", resource)))
    })
}

async fn active_release(State(cloud): Cloud) -> Response {
    cloud.plugins(|store| found(store.all("FK").next_back(), "/Releases/Active"))
}
