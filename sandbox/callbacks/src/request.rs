//! One try as it goes over the wire: what is signed, and with what.

use kernel::Secret;
use twilio::signature::{self, SETTINGS_HEADER, SIGNATURE_HEADER};
use url::Url;

use crate::callback::{Callback, Method};
use crate::target::Targets;
use crate::terms::Terms;

/// A key of the account's own for signatures by HMAC-SHA256.
#[derive(Clone, Debug)]
pub struct SharedKey {
    /// Its identifier, `webhooks_sharedkey_…`.
    pub id: String,
    /// Its secret.
    pub secret: Secret,
}

/// What callbacks are signed with.
#[derive(Clone, Debug)]
pub enum Signer {
    /// The account's auth token, by HMAC-SHA1: what Twilio does unless told otherwise.
    AuthToken(Secret),
    /// A shared key, by HMAC-SHA256.
    SharedKey(SharedKey),
}

/// A request that is ready to be sent.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Request {
    /// Where to dial.
    pub url: Url,
    /// How.
    pub method: Method,
    /// Names and values.
    pub headers: Vec<(&'static str, String)>,
    /// The form; empty for GET.
    pub body: String,
    /// How long to wait for a connection.
    pub connect_ms: u64,
    /// How long to wait for the whole answer.
    pub answer_ms: u64,
}

/// The request for one try; nothing if the URL does not lead to this machine.
pub(crate) fn request(
    callback: &Callback,
    url: &str,
    terms: Terms,
    left_ms: u64,
    token: &str,
    signer: &Signer,
    targets: &Targets,
) -> Option<Request> {
    // What the developer configured, character for character; the fragment is not part of what is asked for.
    let configured = url.split_once('#').map_or(url, |(url, _)| url);
    let form = encode(&callback.params);
    let (signed_url, params, body): (String, &[(String, String)], String) = match callback.method {
        Method::Post => (configured.to_owned(), &callback.params, form),
        Method::Get => (with_query(configured, &form), &[], String::new()),
    };
    let dialled = targets.dial(&signed_url)?;
    let mut headers = vec![
        // The same for all tries of one callback, so that a server can tell a second try from a second event.
        // Inferred: that the first carries it, too.
        ("I-Twilio-Idempotency-Token", token.to_owned()),
        ("User-Agent", "TwilioProxy/1.1".to_owned()),
        ("Accept", "*/*".to_owned()),
    ];
    match signer {
        Signer::AuthToken(token) => {
            headers.push((SIGNATURE_HEADER, signature::sign(token, &signed_url, params)));
        }
        Signer::SharedKey(SharedKey { id, secret }) => {
            headers.push((SIGNATURE_HEADER, signature::sign_with_shared_key(secret, &signed_url, params)));
            headers.push((SETTINGS_HEADER, format!("key={id},algorithm=HMAC_SHA256")));
        }
    }
    if callback.method == Method::Post {
        headers.push(("Content-Type", "application/x-www-form-urlencoded; charset=UTF-8".to_owned()));
    }
    headers.extend(dialled.host.map(|host| ("Host", host)));
    Some(Request {
        url: dialled.url,
        method: callback.method,
        headers,
        body,
        connect_ms: terms.connect_ms.min(left_ms),
        answer_ms: (terms.connect_ms + terms.read_ms).min(left_ms),
    })
}

fn encode(params: &[(String, String)]) -> String {
    form_urlencoded::Serializer::new(String::new()).extend_pairs(params).finish()
}

fn with_query(url: &str, query: &str) -> String {
    let separator = if url.contains('?') { '&' } else { '?' };
    if query.is_empty() { url.to_owned() } else { format!("{url}{separator}{query}") }
}

/// A URL for the log: a password in it stays out.
pub(crate) fn for_log(url: &str) -> String {
    match Url::parse(url) {
        Ok(mut parsed) if !parsed.username().is_empty() || parsed.password().is_some() => {
            let cleared = parsed.set_username("").and_then(|()| parsed.set_password(None));
            if cleared.is_ok() { parsed.to_string() } else { "(a URL with a password)".into() }
        }
        Ok(_) => url.to_owned(),
        // What is no URL is shown to whoever configured it, but not at any length.
        Err(_) => url.chars().take(100).collect(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::callback::Product;

    fn callback(url: &str, method: Method) -> Callback {
        let params = [
            ("CallSid", "CA1234567890ABCDE"),
            ("To", "+18005551212"),
            ("Caller", "+14158675309"),
            ("From", "+14158675309"),
            ("Digits", "1234"),
        ];
        Callback {
            product: Product::StatusCallback,
            kind: "completed".into(),
            url: url.into(),
            fallback_url: None,
            method,
            params: params.map(|(name, value)| (name.to_owned(), value.to_owned())).to_vec(),
        }
    }

    fn made(callback: &Callback, signer: &Signer) -> Request {
        let mut targets = Targets::default();
        targets.alias("mycompany.com", "http://127.0.0.1:3000");
        let terms = Terms::of(callback.product, &callback.url);
        request(callback, &callback.url, terms, 15_000, "token", signer, &targets).unwrap()
    }

    fn header<'a>(request: &'a Request, name: &str) -> Option<&'a str> {
        request.headers.iter().find(|(known, _)| *known == name).map(|(_, value)| value.as_str())
    }

    /// The vectors of Twilio's own library, `mycompany.com` included.
    const URL: &str = "https://mycompany.com/myapp.php?foo=1&bar=2";

    #[test]
    fn a_form_is_signed_over_the_url_as_configured_and_never_over_the_fragment() {
        let signer = Signer::AuthToken(Secret::new("12345"));
        for url in [URL.to_owned(), format!("{URL}#rc=2&rp=all")] {
            let request = made(&callback(&url, Method::Post), &signer);
            assert_eq!(header(&request, SIGNATURE_HEADER), Some("RSOYDt4T1cUTdK1PDd93/VVr8B8="), "{url}");
            assert_eq!(header(&request, SETTINGS_HEADER), None);
            assert_eq!(header(&request, "Host"), Some("mycompany.com"));
            assert_eq!(request.url.as_str(), "http://127.0.0.1:3000/myapp.php?foo=1&bar=2");
            assert!(request.body.contains("To=%2B18005551212"), "{}", request.body);
        }
    }

    #[test]
    fn a_shared_key_is_named_beside_its_signature() {
        let key = SharedKey { id: "webhooks_sharedkey_1".into(), secret: Secret::new("shared-secret") };
        let request = made(&callback(URL, Method::Post), &Signer::SharedKey(key));
        assert_eq!(header(&request, SIGNATURE_HEADER), Some("iwOZCFCgsf1lZRuIVob5xh6MS+e56XvT2JyqSGp3ZtY="));
        assert_eq!(header(&request, SETTINGS_HEADER), Some("key=webhooks_sharedkey_1,algorithm=HMAC_SHA256"));
    }

    #[test]
    fn what_is_asked_by_get_is_signed_with_its_query_and_has_no_body() {
        let auth_token = Secret::new("12345");
        let request = made(&callback(URL, Method::Get), &Signer::AuthToken(auth_token.clone()));
        let asked = format!(
            "{URL}&CallSid=CA1234567890ABCDE&To=%2B18005551212&Caller=%2B14158675309\
                             &From=%2B14158675309&Digits=1234"
        );
        let signature = header(&request, SIGNATURE_HEADER).unwrap();
        let none: [(&str, &str); 0] = [];
        assert_eq!(signature::verify_form(&auth_token, &asked, &none, signature), Ok(()));
        assert_eq!((request.body.as_str(), header(&request, "Content-Type")), ("", None));
    }

    #[test]
    fn a_password_in_a_url_is_in_no_log() {
        assert_eq!(for_log("http://u:secret@127.0.0.1/x?y#rc=1"), "http://127.0.0.1/x?y#rc=1");
        assert_eq!(for_log("http://127.0.0.1"), "http://127.0.0.1");
    }
}
