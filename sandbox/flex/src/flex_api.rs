//! The Flex API (`flex-api.twilio.com`) and the part of `flex.twilio.com` that Flex UI asks for data: configuration,
//! token info, session, plugins.

use axum::Json;
use axum::Router;
use axum::body::Bytes;
use axum::extract::{Path, State};
use axum::http::StatusCode;
use axum::response::{IntoResponse as _, Response};
use axum::routing::{get, post};
use serde::Serialize;
use serde_json::{Value, json};

use crate::account;
use crate::api::Settings;
use crate::fault::HttpTarget;
use crate::iam::{self, Validation};
use crate::interference::with_faults;
use crate::state::FlexCloud;
use sandbox_kit::answer::error;

pub(crate) fn router(cloud: FlexCloud) -> Router {
    let router = Router::new()
        .route("/v1/Configuration", get(configuration))
        .route("/v1/Configuration/Public", get(public_configuration))
        .route("/v1/Accounts/{account}/Tokens/Info", post(token_info))
        .route("/v1/account/provision/status", get(async || Json(json!({ "status": "inactive" }))))
        .fallback(|| async { error(StatusCode::NOT_FOUND, 20404, "The requested resource was not found") })
        .with_state(cloud.clone());
    with_faults(router, &cloud, HttpTarget::Flex)
}

/// The data routes of `flex.twilio.com`.
pub(crate) fn page_router(cloud: FlexCloud) -> Router {
    let router = Router::new()
        .route("/api/v1/Session", get(session))
        .route("/plugins", get(plugins))
        .with_state(cloud.clone());
    with_faults(router, &cloud, HttpTarget::Flex)
}

async fn configuration(State(cloud): State<FlexCloud>) -> Json<Value> {
    let mut configuration = flex_configuration(cloud.settings(), &cloud.offline_activity_sid());
    configuration["ui_version"] = json!(cloud.flex_ui_version());
    if let Some(attributes) = configuration["ui_attributes"].as_object_mut() {
        for (name, value) in cloud.ui_attributes() {
            if value.is_null() {
                attributes.remove(&name);
            } else {
                attributes.insert(name, value);
            }
        }
    }
    Json(configuration)
}

/// Asked for only while no token is valid: where to log in.
async fn public_configuration() -> Json<Value> {
    Json(json!({
        "account_sid": account::ACCOUNT_SID,
        "runtime_domain": "https://sandbox.twil.io",
        "public_attributes": {},
    }))
}

#[derive(Serialize)]
struct TokenInfo {
    token: String,
    date_expired: Option<String>,
    #[serde(flatten)]
    validation: Validation,
}

async fn token_info(State(cloud): State<FlexCloud>, Path(account): Path<String>, body: Bytes) -> Response {
    if let Some(response) = iam::wrong_account(&account, "Info") {
        return response;
    }
    let token = iam::token_of(&body).unwrap_or_default();
    let validation = Validation::of(&cloud.check_token(&token), cloud.roles());
    cloud.log_iam("info", json!({ "valid": validation.valid, "code": validation.code }));
    Json(TokenInfo { token, date_expired: validation.expiration.clone(), validation }).into_response()
}

async fn session(State(cloud): State<FlexCloud>) -> Json<Value> {
    let features: Vec<Value> = cloud
        .features()
        .iter()
        .map(|id| {
            json!({ "id": id, "name": id, "description": "", "enabled": true, "stage": "ga", "doc_url": "" })
        })
        .collect();
    Json(json!({ "features": features, "insights_active": false }))
}

/// What the real plugin loader reads.
async fn plugins(State(cloud): State<FlexCloud>) -> Json<Value> {
    let released = cloud.plugins(|store| store.released());
    let is_released = |name: &str| released.iter().any(|one| one["unique_name"] == name);
    let mut plugins: Vec<Value> = cloud
        .settings()
        .plugins
        .iter()
        .filter(|plugin| !is_released(&plugin.name))
        .map(|plugin| {
            json!({
                "name": plugin.name,
                "version": plugin.version,
                "src": format!("/plugins/{}/{}/bundle.js", plugin.name, plugin.version),
                // 3: the loader's current generation.
                "phase": 3,
                "provider": "sandbox",
            })
        })
        .collect();
    plugins.extend(released.iter().map(|one| {
        json!({
            "name": one["unique_name"],
            "version": one["version"],
            "src": one["plugin_url"],
            "phase": one["phase"],
            "provider": "plugin-service",
        })
    }));
    Json(Value::Array(plugins))
}

/// The Flex Configuration resource, whole: Flex UI refuses to start without some of the fields.
fn flex_configuration(settings: &Settings, offline_activity_sid: &str) -> Value {
    let mut holdfast =
        json!({ "token_service_url": settings.token_service_url, "history": { "customer": true } });
    if let Some(prefix) = &settings.identity_prefix {
        holdfast["identity_prefix"] = json!(prefix);
    }
    if let Some(activity) = &settings.offline_activity {
        holdfast["offline_activity"] = json!(activity);
    }
    if settings.video {
        holdfast["video"] = json!({ "text": true });
    }
    let created = "2024-01-01T00:00:00Z";
    // `agent_conv_end_methods` must have an empty list, or Flex UI's task list fails on voice tasks.
    json!({
        "account_sid": account::ACCOUNT_SID,
        "instance_sid": account::FLEX_INSTANCE_SID,
        "flex_instance_sid": account::FLEX_INSTANCE_SID,
        "flex_service_instance_sid": account::CHAT_SERVICE_SID,
        "chat_service_instance_sid": account::CHAT_SERVICE_SID,
        "messaging_service_instance_sid": format!("MG{}", &account::CHAT_SERVICE_SID[2..]),
        "taskrouter_workspace_sid": account::WORKSPACE_SID,
        "taskrouter_target_workflow_sid": account::WORKFLOW_SID,
        "taskrouter_target_taskqueue_sid": account::TASK_QUEUE_SID,
        "taskrouter_taskqueues": null,
        "taskrouter_skills": null,
        "taskrouter_worker_channels": {},
        "taskrouter_worker_attributes": {},
        "taskrouter_offline_activity_sid": offline_activity_sid,
        "runtime_domain": "https://sandbox.twil.io",
        "service_version": "1.0.0",
        "ui_version": null,
        "ui_language": "en-US",
        "ui_attributes": { "version_compatibility": "yes", "holdfast": holdfast },
        "ui_dependencies": {},
        "attributes": {},
        "public_attributes": {},
        "status": "ok",
        "plugin_service_enabled": true,
        "plugin_service_attributes": {},
        "integrations": [],
        "outbound_call_flows": {
            "default": {
                "enabled": true,
                "caller_id": account::CALL_CENTRE_NUMBER,
                "queue_sid": account::TASK_QUEUE_SID,
                "workflow_sid": account::WORKFLOW_SID,
                "location": "us-en",
            },
        },
        "serverless_service_sids": [],
        "queue_stats_configuration": null,
        "wfm_integrations": [],
        "crm_enabled": false,
        "crm_type": null,
        "crm_callback_url": null,
        "crm_fallback_url": null,
        "crm_attributes": null,
        "call_recording_enabled": false,
        "call_recording_webhook_url": null,
        "date_created": created,
        "date_updated": created,
        "url": "https://flex-api.twilio.com/v1/Configuration",
        "flex_insights_hr": {},
        "flex_insights_drilldown": false,
        "flex_url": null,
        "channel_configs": channel_configs(),
        "debugger_integration": { "enabled": false },
        "flex_ui_status_report": { "enabled": false },
        "notifications": { "enabled": false, "mode": "whenNotInFocus" },
        "markdown": { "enabled": false, "mode": "readOnly" },
        "citrix_voice_vdi": { "enabled": false },
        "offline_config": { "enabled": false },
        "agent_conv_end_methods": { "date_updated": created, "enabled": [] },
    })
}

/// That files may be sent: without these Flex UI says of a picture that media are not supported. The numbers are Flex UI's
/// own, for channels that are not configured.
fn channel_configs() -> Value {
    const MIB: u32 = 1 << 20;
    let attachments = |channel: &str, number: u32, file_mib: u32, total_mib: u32| {
        json!({
            "address_type": channel,
            "cbm_attachments": {
                "enabled": true,
                "number_of_attachments": number,
                "max_file_size": file_mib * MIB,
                "max_total_file_size": total_mib * MIB,
                "accepted_extensions": ["jpg", "jpeg", "png", "amr", "mp3", "mp4", "pdf", "heic", "txt", "vcf"],
            },
        })
    };
    json!([attachments("web", 10, 16, 64), attachments("sms", 10, 2, 5), attachments("whatsapp", 1, 16, 64)])
}
