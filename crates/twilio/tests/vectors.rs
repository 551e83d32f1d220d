//! Golden vectors, in `golden/`: access tokens with each grant and request signatures, both made by Twilio's own library
//! (`golden/make.mjs`; 6.2.0 and 3.84.1 agree), and the answers of Twilio's validation endpoint with what they mean.

#![expect(clippy::unwrap_used, reason = "a helper of a test may panic, as the test itself may")]

use kernel::{AccountSid, Identity, Secret, Timestamp};
use serde::Deserialize;
use serde_json::{Value, json};
use twilio::{
    ApiKey, ApiKeySid, ApplicationSid, WorkerSid,
    access_token::{
        AccessToken, ChatGrant, Grants, OutgoingGrant, PlaybackGrant, SyncGrant, TaskRouterGrant, VideoGrant,
        VoiceGrant, verify,
    },
    flex_token::{Credentials, Validator, http_client},
    signature,
};
use wiremock::{Mock, MockServer, ResponseTemplate, matchers::any};

const NOW: Timestamp = Timestamp::from_millis(1_700_000_000_000);

fn sid(kind: &str, digit: &str) -> String {
    format!("{kind}{}", digit.repeat(32))
}

fn some(kind: &str, digit: &str) -> Option<String> {
    Some(sid(kind, digit))
}

/// What `make.mjs` grants under this name.
fn grants(name: &str) -> Grants {
    let none = Grants::none(Identity::new("alice").unwrap());
    let outgoing = |params| {
        Some(OutgoingGrant { application_sid: ApplicationSid::new(sid("AP", "3")).unwrap(), params })
    };
    let params = [("campaign", "spring"), ("region", "ü")];
    let params = params.map(|(key, value)| (key.to_owned(), value.to_owned()));
    let desk = || Some("desk-1".to_owned());
    let room = VideoGrant { room: Some("consultation".into()) };
    let chat = ChatGrant { service_sid: some("IS", "5"), ..ChatGrant::default() };
    let worker = TaskRouterGrant {
        workspace_sid: some("WS", "8"),
        worker_sid: Some(WorkerSid::new(sid("WK", "9")).unwrap()),
        role: Some("worker".into()),
    };
    match name {
        "voice incoming" => Grants { voice: Some(VoiceGrant::incoming_only()), ..none },
        "voice outgoing" => {
            Grants { voice: Some(VoiceGrant { outgoing: outgoing(None), ..VoiceGrant::default() }), ..none }
        }
        "voice with everything" => {
            let voice = VoiceGrant {
                incoming: true,
                outgoing: outgoing(Some(params.into())),
                push_credential_sid: some("CR", "4"),
                endpoint_id: desk(),
            };
            Grants { voice: Some(voice), ..none }
        }
        "video any room" => Grants { video: Some(VideoGrant::default()), ..none },
        "video one room" => Grants { video: Some(room), ..none },
        "chat" => Grants { chat: Some(chat), ..none },
        "chat with everything" => {
            let chat = ChatGrant {
                endpoint_id: desk(),
                deployment_role_sid: some("RL", "6"),
                push_credential_sid: some("CR", "4"),
                ..chat
            };
            Grants { chat: Some(chat), ..none }
        }
        "sync" => {
            let sync = SyncGrant { service_sid: some("IS", "7"), endpoint_id: desk() };
            Grants { data_sync: Some(sync), ..none }
        }
        "task router" => Grants { task_router: Some(worker), ..none },
        "playback" => {
            let player = PlaybackGrant {
                request_credentials: None,
                playback_url: "https://media.example/x".into(),
                player_streamer_sid: sid("VJ", "a"),
            };
            Grants { player: Some(player), ..none }
        }
        "all of them" => Grants {
            voice: Some(VoiceGrant::incoming_only()),
            video: Some(room),
            chat: Some(chat),
            data_sync: Some(SyncGrant { service_sid: some("IS", "7"), endpoint_id: None }),
            task_router: Some(worker),
            ..none
        },
        other => panic!("{other}"),
    }
}

#[derive(Deserialize)]
struct TokenVector {
    name: String,
    jwt: String,
}

#[test]
fn a_token_with_any_grant_is_byte_for_byte_the_one_that_twilios_library_makes() {
    let vectors: Vec<TokenVector> = serde_json::from_str(include_str!("golden/access_tokens.json")).unwrap();
    assert_eq!(vectors.len(), 11);
    let key = ApiKey::new(ApiKeySid::new(sid("SK", "2")).unwrap(), Secret::new("secret"));
    let account = AccountSid::new(sid("AC", "1")).unwrap();
    for TokenVector { name, jwt } in vectors {
        let grants = grants(&name);
        let token =
            AccessToken::new(account.clone(), &key, grants.identity.clone(), NOW).grants(grants.clone());
        assert_eq!(token.to_jwt().expose(), jwt, "{name}");
        assert_eq!(verify(&jwt, &key, &account, NOW).unwrap().claims.grants, grants, "{name}");
    }
}

#[derive(Deserialize)]
struct SignatureVectors {
    auth_token: String,
    body: String,
    body_sha256: String,
    requests: Vec<SignatureVector>,
}

#[derive(Deserialize)]
struct SignatureVector {
    name: String,
    url: String,
    params: Vec<(String, String)>,
    signature: String,
}

#[test]
fn a_signature_is_the_one_that_twilios_library_makes_and_no_other_is_taken() {
    let vectors: SignatureVectors = serde_json::from_str(include_str!("golden/signatures.json")).unwrap();
    let auth_token = Secret::new(vectors.auth_token);
    assert_eq!(signature::body_sha256(vectors.body.as_bytes()), vectors.body_sha256);
    assert_eq!(vectors.requests.len(), 7);
    for SignatureVector { name, url, params, signature } in &vectors.requests {
        assert_eq!(signature::sign(&auth_token, url, params), *signature, "{name}");
        assert_eq!(signature::verify_form(&auth_token, url, params, signature), Ok(()), "{name}");
        assert!(signature::verify_form(&Secret::new("12346"), url, params, signature).is_err(), "{name}");
        for other in vectors.requests.iter().filter(|other| other.signature != *signature) {
            let taken = signature::verify_form(&auth_token, url, params, &other.signature);
            assert!(taken.is_err(), "{name} {}", other.name);
        }
        if url.contains("bodySHA256") {
            let body = vectors.body.as_bytes();
            assert_eq!(signature::verify_body(&auth_token, url, body, signature), Ok(()));
            assert!(signature::verify_body(&auth_token, url, b"{}", signature).is_err());
        }
    }
}

#[derive(Deserialize)]
struct ValidationVector {
    name: String,
    status: u16,
    body: Value,
    means: Value,
}

#[tokio::test]
async fn an_answer_of_the_validation_endpoint_means_what_the_vectors_say() {
    let vectors: Vec<ValidationVector> =
        serde_json::from_str(include_str!("golden/validation.json")).unwrap();
    assert_eq!(vectors.len(), 10);
    let account = AccountSid::new(sid("AC", "1")).unwrap();
    for ValidationVector { name, status, body, means } in vectors {
        let server = MockServer::start().await;
        let answer = ResponseTemplate::new(status).set_body_json(body);
        Mock::given(any()).respond_with(answer).mount(&server).await;
        let credentials = Credentials::auth_token(&account, Secret::new("x"));
        let http = http_client(&server.uri()).unwrap();
        let validator = Validator::new(http, &server.uri(), &account, &credentials).unwrap();
        let meant = match validator.validate(&Secret::new("token")).await {
            Ok(user) => json!({
                "identity": user.identity, "roles": user.roles, "worker_sid": user.worker_sid,
                "expires_at": user.expires_at,
            }),
            Err(error) => json!({"error": error.to_string()}),
        };
        assert_eq!(meant, means, "{name}");
    }
}
