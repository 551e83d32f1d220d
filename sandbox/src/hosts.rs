//! One TLS port for many hosts: which part of the sandbox answers is decided by the `Host` header.

use std::sync::Arc;

use axum::Router;
use axum::body::Bytes;
use axum::extract::Request;
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse as _, Response};
use axum::routing::any;
use sandbox_conversations::REST_HOST;
use sandbox_flex::FlexCloud;
use sandbox_video::Video;
use sandbox_voice::media::audio::{RATE, Tone};
use tower::ServiceExt as _;
use tower_http::cors::CorsLayer;

/// The routers behind the hosts.
pub(crate) struct Hosts {
    pub flex: Router,
    pub signalling: Router,
    /// Conversations by REST.
    pub conversations: Router,
    pub video: Router,
    /// Text messages by REST.
    pub texts: Router,
    pub tokens: Router,
    pub token_host: String,
}

impl Hosts {
    /// One router for all hosts.
    pub(crate) fn router(self) -> Router {
        // As Twilio's own edge does, any page may ask: what protects these hosts is the token.
        let insights = Router::new().fallback(insights).layer(CorsLayer::very_permissive());
        let sound: Bytes = short_tone().into();
        let sounds = Router::new()
            .fallback(any(move || async move { ([(header::CONTENT_TYPE, "audio/wav")], sound) }))
            .layer(CorsLayer::very_permissive());
        let hosts = Arc::new(self);
        let dispatch = move |request: Request| {
            let host = host_of(&request);
            let chosen = if host == hosts.token_host {
                Some(hosts.tokens.clone())
            } else if host.starts_with("voice-js.") && host.ends_with(".twilio.com") {
                Some(hosts.signalling.clone())
            } else if host.starts_with("eventgw.") && host.ends_with(".twilio.com") {
                Some(insights.clone())
            } else if host == "sdk.twilio.com" {
                Some(sounds.clone())
            } else if host == REST_HOST {
                Some(hosts.conversations.clone())
            } else if host == "api.twilio.com" {
                Some(hosts.texts.clone())
            } else if Video::serves(&host) {
                Some(hosts.video.clone())
            } else if FlexCloud::serves(&host) {
                Some(hosts.flex.clone())
            } else {
                None
            };
            async move {
                match chosen {
                    Some(router) => router.oneshot(request).await.into_response(),
                    None => {
                        tracing::debug!(host, path = request.uri().path(), "nobody impersonates this host");
                        (StatusCode::NOT_FOUND, "the sandbox does not impersonate this host\n")
                            .into_response()
                    }
                }
            }
        };
        Router::new().fallback(dispatch)
    }
}

/// The host without its port, in lower case.
fn host_of(request: &Request) -> String {
    let header = request.headers().get(header::HOST).and_then(|host| host.to_str().ok());
    let host = request.uri().host().or(header).unwrap_or_default();
    host.split(':').next().unwrap_or_default().to_ascii_lowercase()
}

/// Insights are taken and forgotten; the token in their header is not looked at.
async fn insights(headers: HeaderMap, body: Bytes) -> Response {
    tracing::trace!(origin = ?headers.get(header::ORIGIN), bytes = body.len(), "insights");
    StatusCode::OK.into_response()
}

/// A fifth of a second of tone, for every sound that the SDK loads when a Device is made.
fn short_tone() -> Vec<u8> {
    let spec = hound::WavSpec {
        channels: 1,
        sample_rate: RATE,
        bits_per_sample: 16,
        sample_format: hound::SampleFormat::Int,
    };
    let mut file = std::io::Cursor::new(Vec::new());
    let mut tone = Tone::default();
    let written = hound::WavWriter::new(&mut file, spec).and_then(|mut writer| {
        for _ in 0..10 {
            for sample in tone.frame() {
                writer.write_sample(sample / 4)?;
            }
        }
        writer.finalize()
    });
    if let Err(error) = written {
        tracing::error!(%error, "no sound");
    }
    file.into_inner()
}

#[cfg(test)]
mod tests {
    use axum::body::Body;

    use super::*;

    async fn asked(host: &str, method: &str) -> (StatusCode, HeaderMap, Bytes) {
        let named = |name: &'static str| Router::new().fallback(move || async move { name });
        let hosts = Hosts {
            flex: named("flex"),
            signalling: named("signalling"),
            conversations: named("conversations"),
            video: named("video"),
            texts: named("texts"),
            tokens: named("tokens"),
            token_host: "voice-tokens.example.com".into(),
        };
        let request = Request::builder()
            .method(method)
            .uri("/v4/EndpointEvents")
            .header("host", host)
            .header("origin", "chrome-extension://x")
            .header("access-control-request-method", "POST")
            .header("access-control-request-headers", "x-twilio-token")
            .body(Body::empty())
            .unwrap();
        let response = hosts.router().oneshot(request).await.unwrap();
        let (status, headers) = (response.status(), response.headers().clone());
        (status, headers, axum::body::to_bytes(response.into_body(), 1 << 20).await.unwrap())
    }

    #[tokio::test]
    async fn each_host_is_answered_by_its_part() {
        for (host, part) in [
            ("voice-js.roaming.twilio.com", "signalling"),
            ("voice-js.ashburn.twilio.com:8444", "signalling"),
            ("Voice-Tokens.example.com", "tokens"),
            ("flex.twilio.com", "flex"),
            ("iam.twilio.com", "flex"),
            ("mcs.us1.twilio.com", "flex"),
            ("conversations.twilio.com", "conversations"),
            ("global.vss.twilio.com", "video"),
            ("video.twilio.com", "video"),
            ("sdkgw.us1.twilio.com", "video"),
            ("api.twilio.com", "texts"),
        ] {
            assert_eq!(asked(host, "GET").await.2, part, "{host}");
        }
        assert_eq!(asked("example.org", "GET").await.0, StatusCode::NOT_FOUND);
    }

    #[tokio::test]
    async fn insights_are_taken_from_any_page_with_its_token_header() {
        let (status, headers, _) = asked("eventgw.us1.twilio.com", "OPTIONS").await;
        assert_eq!(status, StatusCode::OK);
        assert_eq!(headers["access-control-allow-headers"], "x-twilio-token");
        let (status, headers, _) = asked("eventgw.twilio.com", "POST").await;
        assert_eq!(status, StatusCode::OK);
        assert_eq!(headers["access-control-allow-origin"], "chrome-extension://x");
    }

    #[tokio::test]
    async fn the_sdks_sounds_can_be_played() {
        let (_, _, body) = asked("sdk.twilio.com", "GET").await;
        let reader = hound::WavReader::new(std::io::Cursor::new(body)).unwrap();
        assert_eq!(reader.duration(), RATE / 5);
    }
}
