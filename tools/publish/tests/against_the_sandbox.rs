//! The direct way, against the sandbox's Serverless and Plugins APIs.

#![expect(clippy::unwrap_used, reason = "a helper of a test may panic, as the test itself may")]

use std::net::Ipv4Addr;
use std::sync::{Arc, Mutex};

use axum::Router;
use axum::extract::Request;
use axum::http::{HeaderValue, header};
use axum::middleware::{self, Next};
use publish::{Api, Bases, Credentials, Plugin, deploy, release};
use sandbox_flex::{FlexCloud, Settings, account};
use serde_json::Value;

/// Serves one of the cloud's hosts on a port of its own, as if it had been asked under its name.
async fn serve(cloud: &FlexCloud, host: &'static str) -> String {
    let named = middleware::from_fn(move |mut request: Request, next: Next| {
        request.headers_mut().insert(header::HOST, HeaderValue::from_static(host));
        next.run(request)
    });
    let router = Router::new().fallback_service(cloud.router()).layer(named);
    let listener = tokio::net::TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
    let base = format!("http://{}", listener.local_addr().unwrap());
    tokio::spawn(async move { axum::serve(listener, router).await });
    base
}

struct Rig {
    cloud: FlexCloud,
    bases: Bases,
    said: Arc<Mutex<Vec<String>>>,
}

impl Rig {
    async fn new() -> Self {
        let (cloud, mut commands) = FlexCloud::start(Settings::default());
        tokio::spawn(async move { while commands.recv().await.is_some() {} });
        let bases = Bases {
            flex: serve(&cloud, "flex-api.twilio.com").await,
            serverless: serve(&cloud, "serverless.twilio.com").await,
            upload: serve(&cloud, "serverless-upload.twilio.com").await,
        };
        Self { cloud, bases, said: Arc::default() }
    }

    fn api(&self, secret: Option<&str>) -> Api {
        let said = Arc::clone(&self.said);
        let credentials = secret
            .map(|secret| Credentials { user: account::API_KEY_SID.to_owned(), secret: secret.to_owned() });
        Api::new(self.bases.clone(), credentials, move |text| said.lock().unwrap().push(text.to_owned()))
            .unwrap()
    }

    /// What Flex UI's plugins loader is told.
    async fn loaded(&self) -> Vec<Value> {
        let base = serve(&self.cloud, "flex.twilio.com").await;
        let answer = reqwest::get(format!("{base}/plugins")).await.unwrap().text().await.unwrap();
        serde_json::from_str::<Value>(&answer).unwrap().as_array().unwrap().clone()
    }

    async fn script(&self, url: &str) -> (u16, String) {
        let path = url.strip_prefix("https://holdfast-plugin-5555-plugin.twil.io").unwrap();
        let base = serve(&self.cloud, "holdfast-plugin-5555-plugin.twil.io").await;
        let response = reqwest::get(format!("{base}{path}")).await.unwrap();
        (response.status().as_u16(), response.text().await.unwrap())
    }
}

fn plugin(name: &str, version: &str) -> Plugin {
    Plugin {
        name: name.to_owned(),
        version: version.to_owned(),
        script: format!("/* {name} {version} */").into_bytes(),
        changelog: "news".to_owned(),
    }
}

#[tokio::test]
async fn a_deployed_plugin_is_what_flex_loads_beside_the_others_and_can_be_rolled_back() {
    let rig = Rig::new().await;
    let api = rig.api(Some(account::API_KEY_SECRET));
    let other = deploy(&api, &plugin("plugin-crm", "3.0.0")).await.unwrap();
    assert_eq!(other.previous, None);
    let first = deploy(&api, &plugin("plugin-holdfast", "0.1.0")).await.unwrap();
    assert_eq!(first.previous.as_deref(), Some(other.configuration.as_str()));
    let second = deploy(&api, &plugin("plugin-holdfast", "0.2.0")).await.unwrap();

    let loaded = rig.loaded().await;
    let mut names: Vec<String> =
        loaded.iter().map(|one| format!("{} {}", one["name"], one["version"])).collect();
    names.sort();
    assert_eq!(names, [r#""plugin-crm" "3.0.0""#, r#""plugin-holdfast" "0.2.0""#]);
    for one in &loaded {
        let (status, script) = rig.script(one["src"].as_str().unwrap()).await;
        assert_eq!(status, 200);
        assert!(script.contains(one["version"].as_str().unwrap()), "{script}");
    }

    release(&api, second.previous.as_deref().unwrap()).await.unwrap();
    let loaded = rig.loaded().await;
    let ours = loaded.iter().find(|one| one["name"] == "plugin-holdfast").unwrap();
    assert_eq!(ours["version"], "0.1.0");
    assert_eq!(rig.script(ours["src"].as_str().unwrap()).await.0, 200, "the older file is still served");
}

#[tokio::test]
async fn a_version_is_published_once() {
    let rig = Rig::new().await;
    let api = rig.api(Some(account::API_KEY_SECRET));
    deploy(&api, &plugin("plugin-holdfast", "0.1.0")).await.unwrap();
    let again = deploy(&api, &plugin("plugin-holdfast", "0.1.0")).await.unwrap_err();
    assert!(again.to_string().contains("exists already"), "{again}");
}

#[tokio::test]
async fn a_wrong_secret_is_refused_and_never_said() {
    let rig = Rig::new().await;
    let api = rig.api(Some("wrong-secret"));
    let refused = deploy(&api, &plugin("plugin-holdfast", "0.1.0")).await.unwrap_err();
    assert!(format!("{refused:#}").contains("Authenticate"), "{refused:#}");
    let said = format!("{refused:#}{}", rig.said.lock().unwrap().join("\n"));
    assert!(!said.contains("wrong-secret"));
}

#[tokio::test]
async fn a_dry_run_says_every_request_and_asks_nothing() {
    let rig = Rig::new().await;
    let dry = rig.api(None);
    deploy(&dry, &plugin("plugin-holdfast", "0.1.0")).await.unwrap();
    let said = std::mem::take(&mut *rig.said.lock().unwrap());
    assert!(rig.loaded().await.is_empty());

    deploy(&rig.api(Some(account::API_KEY_SECRET)), &plugin("plugin-holdfast", "0.1.0")).await.unwrap();
    let really = rig.said.lock().unwrap();
    let methods = |said: &[String]| -> Vec<String> {
        said.iter().map(|one| one.split(' ').next().unwrap_or_default().to_owned()).collect()
    };
    assert_eq!(methods(&said), methods(&really), "the dry run says what the first real one asks");
}
