//! What the token service reads of a request: whose token, for which account, from where.

use axum::{
    body::Body,
    http::{HeaderMap, HeaderName, HeaderValue, Method, Request},
};
use futures_util::FutureExt as _;
use kernel::id::is_sid;
use protocol::token::MAX_FLEX_TOKEN;
use service_kit::client;
use token_service::{
    bearer::bearer,
    features::{legacy, voice_token},
};

/// A request: the method and the address in the first line, headers in the next ones, an empty line, the body.
fn request(bytes: &[u8]) -> Option<Request<Vec<u8>>> {
    let mut lines = bytes.split(|byte| *byte == b'\n');
    let mut first = lines.next()?.splitn(2, |byte| *byte == b' ');
    let mut request = Request::new(Vec::new());
    *request.method_mut() = Method::from_bytes(first.next()?).ok()?;
    *request.uri_mut() = first.next()?.try_into().ok()?;
    for line in lines.by_ref().take_while(|line| !line.is_empty()) {
        let colon = line.iter().position(|byte| *byte == b':')?;
        let (name, value) = (line.get(..colon)?, line.get(colon + 1..)?);
        let (name, value) =
            (HeaderName::from_bytes(name).ok()?, HeaderValue::from_bytes(value.trim_ascii()).ok()?);
        request.headers_mut().append(name, value);
    }
    *request.body_mut() = lines.collect::<Vec<_>>().join(&b'\n');
    Some(request)
}

/// Any request for a Voice token: a Flex token that is taken is the one that the header holds, no longer than it may be; what
/// the body says has its form; no refusal repeats anything; a client's address is one that is there.
pub fn voice_token(bytes: &[u8]) {
    let Some(request) = request(bytes) else { return };
    let (headers, body) = (request.headers(), request.body());
    match bearer(headers) {
        Ok(token) => {
            let [value] = all(headers, "authorization")[..] else { panic!("one header") };
            let text = value.to_str().unwrap_or_default();
            assert!(text.len() > 7 && text[..7].eq_ignore_ascii_case("bearer "), "{text}");
            assert_eq!(text[7..].trim(), token.expose());
            well_formed(token.expose());
        }
        Err(error) => repeats_nothing(&error.to_string(), &all(headers, "authorization")),
    }
    match voice_token::claimed(headers, body) {
        Ok(claimed) => {
            assert!(claimed.account_sid.is_none_or(|sid| is_sid(sid.as_str(), "AC")));
            assert!(claimed.identity_prefix.is_none_or(|prefix| prefix.to_string().ends_with('_')));
        }
        Err(error) => assert!(error.to_string().len() < 100),
    }
    let trusted = ["10.0.0.0/8", "::1/128"].map(|network| network.parse().ok());
    let trusted: Vec<_> = trusted.into_iter().flatten().collect();
    let nobody = client::resolve([192, 0, 2, 1].into(), headers, &trusted);
    assert_eq!(nobody, std::net::IpAddr::from([192, 0, 2, 1]), "a stranger's word is not taken");
    let proxy = std::net::IpAddr::from([10, 0, 0, 1]);
    let known = client::resolve(proxy, headers, &trusted);
    assert!(known == proxy || headers.contains_key("x-forwarded-for"), "an address out of nowhere");
}

/// Any request of the older extension, by query, form or JSON: a token that is taken was there, and is not shown.
pub fn generate_token(bytes: &[u8]) {
    let Some(request) = request(bytes) else { return };
    // As axum's `Form` has it. Methods but these and POST are not routed here, and would be read as POST.
    let by_query = matches!(*request.method(), Method::GET | Method::HEAD);
    let said =
        if by_query { request.uri().query().unwrap_or_default().into() } else { request.body().clone() };
    // All of the body is there at once.
    let read = legacy::read(request.map(Body::from)).now_or_never();
    let Some(asked) = read else { panic!("waits for what is there") };
    if let Some(token) = asked.flex_token() {
        well_formed(token.expose());
        let plain = token.expose().bytes().all(|byte| byte.is_ascii_alphanumeric());
        let there = said.windows(token.expose().len()).any(|window| window == token.expose().as_bytes());
        // Otherwise it may be there in escapes of one kind or another.
        assert!(
            !plain || there || said.contains(&b'%') || said.contains(&b'\\'),
            "a token that was not sent"
        );
        let shown = format!("{asked:?}");
        let prefix = format!("{:?}", asked.voice_client_prefix);
        assert!(
            token.expose().len() < 24 || prefix.contains(token.expose()) || !shown.contains(token.expose())
        );
    }
}

fn all<'h>(headers: &'h HeaderMap, name: &str) -> Vec<&'h HeaderValue> {
    headers.get_all(name).iter().collect()
}

fn well_formed(token: &str) {
    assert!((1..=MAX_FLEX_TOKEN).contains(&token.len()));
    assert!(token.bytes().all(|byte| byte.is_ascii_graphic()));
}

fn repeats_nothing(words: &str, values: &[&HeaderValue]) {
    for value in values.iter().filter_map(|value| value.to_str().ok()).filter(|text| text.len() > 24) {
        assert!(!words.contains(value), "a refusal repeats what it refuses");
    }
}
