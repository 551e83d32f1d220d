//! Which host is answered by whom.

use std::collections::HashMap;
use std::sync::Arc;

use axum::Router;
use axum::extract::Request;
use axum::http::{StatusCode, header};
use sandbox_conversations::Conversations;
use tower::ServiceExt as _;
use tower_http::cors::{AllowHeaders, AllowMethods, AllowOrigin, CorsLayer};

use crate::plugins_api::store::DOMAIN;
use crate::state::FlexCloud;
use crate::taskrouter::{bridge, rest};
use crate::{flex_api, host, iam, plugins_api};
use sandbox_kit::answer::error;

impl FlexCloud {
    /// Everything that Twilio serves for Flex, for the TLS port. It chooses by the `Host` header; [`Self::serves`]
    /// says which hosts it knows.
    pub fn router(&self) -> Router {
        let mut by_host: HashMap<&'static str, Router> = HashMap::from([
            ("iam.twilio.com", iam::router(self.clone())),
            (
                "flex-api.twilio.com",
                plugins_api::plugins_router(self.clone()).merge(flex_api::router(self.clone())),
            ),
            ("serverless.twilio.com", plugins_api::serverless_router(self.clone())),
            ("serverless-upload.twilio.com", plugins_api::serverless_router(self.clone())),
            (DOMAIN, plugins_api::assets_router(self.clone())),
            ("event-bridge.twilio.com", bridge::router(self.clone())),
            ("taskrouter.twilio.com", rest::router(self.clone())),
            ("flex.twilio.com", host::router(self.clone()).merge(flex_api::page_router(self.clone()))),
        ]);
        by_host.extend(self.conversations().hosts());
        let by_host = Arc::new(by_host);
        let dispatch = move |request: Request| {
            let by_host = Arc::clone(&by_host);
            async move {
                let host = host_of(&request);
                match by_host.get(host.as_str()) {
                    Some(router) => match router.clone().oneshot(request).await {
                        Ok(response) => response,
                        Err(never) => match never {},
                    },
                    None => host::cosmetics(&host, request.uri().path()).unwrap_or_else(|| {
                        tracing::debug!(host, method = %request.method(), path = request.uri().path(), "not served");
                        error(StatusCode::NOT_FOUND, 20404, "The sandbox does not serve this")
                    }),
                }
            }
        };
        Router::new().fallback(dispatch).layer(cors())
    }

    /// Whether [`Self::router`] has anything for this host (without port).
    #[must_use]
    pub fn serves(host: &str) -> bool {
        const HOSTS: [&str; 8] = [
            "iam.twilio.com",
            "flex-api.twilio.com",
            "event-bridge.twilio.com",
            "taskrouter.twilio.com",
            "flex.twilio.com",
            "serverless.twilio.com",
            "serverless-upload.twilio.com",
            DOMAIN,
        ];
        HOSTS.contains(&host) || Conversations::HOSTS.contains(&host) || host::is_cosmetic(host)
    }

    /// IAM alone (`/v1/Accounts/{AC}/Tokens/...`), for the plain HTTP port, where the token service asks.
    pub fn iam_router(&self) -> Router {
        iam::router(self.clone())
    }

    /// TaskRouter's REST API alone (`/v1/Workspaces/{WS}/...`), for the plain HTTP port.
    pub fn taskrouter_router(&self) -> Router {
        rest::router(self.clone())
    }
}

fn host_of(request: &Request) -> String {
    let host = request.uri().host().or_else(|| request.headers().get(header::HOST)?.to_str().ok());
    let host = host.unwrap_or_default();
    host.rsplit_once(':').map_or(host, |(name, _)| name).to_ascii_lowercase()
}

/// Flex UI calls its servers across origins, some of them with credentials.
fn cors() -> CorsLayer {
    CorsLayer::new()
        .allow_origin(AllowOrigin::mirror_request())
        .allow_methods(AllowMethods::mirror_request())
        .allow_headers(AllowHeaders::mirror_request())
        .allow_credentials(true)
}
