//! Reading resources: from where, how long, how much, and what goes wrong.

#![expect(clippy::unwrap_used, reason = "a helper of a test may panic, as the test itself may")]

use kernel::Secret;
use serde_json::json;
use twilio::{
    ApiKey, ApiKeySid, ConversationSid,
    conversations::{Contact, Conversations},
    flex_token::{Credentials, http_client},
    rest::{PageToken, Rest, RestError, TIMEOUT, Unavailable},
};
use wiremock::{
    Mock, MockServer, ResponseTemplate,
    matchers::{any, basic_auth, method, path, query_param},
};

const KEY: &str = "SK22222222222222222222222222222222";

fn credentials() -> Credentials {
    Credentials::api_key(&ApiKey::new(ApiKeySid::new(KEY).unwrap(), Secret::new("canary")))
}

fn rest(url: &str) -> Rest {
    Rest::new(http_client(url).unwrap(), url, &credentials()).unwrap()
}

fn sid() -> ConversationSid {
    ConversationSid::new(format!("CH{}", "1".repeat(32))).unwrap()
}

async fn says(answer: ResponseTemplate) -> Result<(), RestError> {
    let server = MockServer::start().await;
    Mock::given(any()).respond_with(answer).mount(&server).await;
    rest(&server.uri()).get(&["v1", "x"], &[]).await.map(drop)
}

#[tokio::test]
async fn each_thing_that_goes_wrong_is_told_apart() {
    let status = |status| ResponseTemplate::new(status).set_body_json(json!({"message": "canary"}));
    let unavailable = |why| Err(RestError::Unavailable(why));
    assert_eq!(says(status(200)).await, Ok(()));
    assert_eq!(says(status(404)).await, Err(RestError::NotFound));
    assert_eq!(says(status(400)).await, Err(RestError::BadRequest));
    assert_eq!(says(status(401)).await, Err(RestError::CredentialsRefused { status: 401 }));
    assert_eq!(says(status(403)).await, Err(RestError::CredentialsRefused { status: 403 }));
    assert_eq!(says(status(500)).await, unavailable(Unavailable::Status(500)));
    assert_eq!(says(status(302)).await, unavailable(Unavailable::Status(302)), "no redirect is followed");
    let busy = status(429).insert_header("retry-after", "7");
    assert_eq!(says(busy).await, unavailable(Unavailable::TooManyRequests { retry_after: Some(7) }));
    assert_eq!(
        says(ResponseTemplate::new(200).set_body_string("[]")).await,
        unavailable(Unavailable::NotUnderstood)
    );
    let long = ResponseTemplate::new(200).set_body_bytes(vec![b' '; twilio::rest::MAX_ANSWER_BYTES + 1]);
    assert_eq!(says(long).await, unavailable(Unavailable::TooLarge));
    let slow = status(200).set_delay(TIMEOUT * 20);
    assert_eq!(says(slow).await, unavailable(Unavailable::Timeout));
    let nobody = rest("http://127.0.0.1:9");
    assert_eq!(nobody.get(&["v1"], &[]).await.map(drop), unavailable(Unavailable::Connect));
}

#[tokio::test]
async fn credentials_go_to_no_base_url_that_is_not_safe_and_are_never_shown() {
    for url in ["http://conversations.example", "ftp://x", "https://user@x", "https://x?a", "no url"] {
        assert!(Rest::new(http_client("https://x").unwrap(), url, &credentials()).is_err(), "{url}");
    }
    assert!(!format!("{:?}", rest("https://conversations.twilio.com")).contains("canary"));
}

#[tokio::test]
async fn a_part_of_a_path_stays_one_part_whatever_is_in_it() {
    let server = MockServer::start().await;
    Mock::given(any()).respond_with(ResponseTemplate::new(404)).mount(&server).await;
    let conversations = Conversations::new(rest(&server.uri()), None);
    for identity in ["..", ".", "", "../Conversations", "a/b", "a%2fb", "a?b#c", "ann@example.com"] {
        assert_eq!(conversations.user(identity).await, Err(RestError::NotFound), "{identity}");
    }
    let asked = server.received_requests().await.unwrap();
    let paths: Vec<&str> = asked.iter().map(|request| request.url.path()).collect();
    assert_eq!(
        paths,
        [
            "/v1/Users/..%2FConversations",
            "/v1/Users/a%2Fb",
            "/v1/Users/a%252fb",
            "/v1/Users/a%3Fb%23c",
            "/v1/Users/ann@example.com"
        ]
    );
}

#[tokio::test]
async fn a_list_goes_on_by_its_token_and_never_at_another_host() {
    let server = MockServer::start().await;
    let next = "https://evil.example/v1/Conversations?PageSize=100&Page=1&PageToken=PTx";
    let list = json!({"messages": [{"sid": "IM0"}, {"sid": format!("IM{}", "1".repeat(32)), "index": 7}],
        "meta": {"next_page_url": next}});
    let messages = format!("/v1/Conversations/{}/Messages", sid());
    Mock::given(method("GET"))
        .and(path(&messages))
        .and(basic_auth(KEY, "canary"))
        .and(query_param("Order", "desc"))
        .respond_with(ResponseTemplate::new(200).set_body_json(list))
        .mount(&server)
        .await;
    let conversations = Conversations::new(rest(&server.uri()), None);
    let page = conversations.messages(&sid(), None).await.unwrap();
    assert_eq!(page.items.len(), 1);
    assert_eq!(page.next, PageToken::new("1", "PTx"));
    conversations.messages(&sid(), page.next.as_ref()).await.unwrap();
    let asked = server.received_requests().await.unwrap();
    assert_eq!(asked[1].url.query(), Some("Order=desc&PageSize=100&Page=1&PageToken=PTx"));
}

#[tokio::test]
async fn an_address_is_written_so_that_its_plus_stays_one() {
    let server = MockServer::start().await;
    let list = ResponseTemplate::new(200).set_body_json(json!({"conversations": [], "meta": {}}));
    Mock::given(any()).respond_with(list).mount(&server).await;
    let conversations = Conversations::new(rest(&server.uri()), None);
    conversations.of_participant(&Contact::Address("whatsapp:+15550100".into()), None).await.unwrap();
    let asked = server.received_requests().await.unwrap();
    assert_eq!(asked[0].url.query(), Some("Address=whatsapp%3A%2B15550100&PageSize=100"));
}
