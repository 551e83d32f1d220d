//! Request signatures: the proof, in `X-Twilio-Signature`, that a webhook comes from Twilio.
//!
//! `base64(HMAC-SHA1(auth token, url + every parameter's name and value, sorted by name))`. A JSON body is not signed
//! itself; its SHA-256 stands in the URL as `bodySHA256`. Algorithm and fall-backs as in twilio-node 6.2; HMAC-SHA1 is
//! Twilio's choice. <https://www.twilio.com/docs/usage/security#validating-requests>

use std::collections::BTreeMap;

use aws_lc_rs::{constant_time, digest, hmac};
use base64::{Engine as _, engine::general_purpose::STANDARD};
use kernel::Secret;
use url::Url;

/// Carries the signature.
pub const SIGNATURE_HEADER: &str = "X-Twilio-Signature";
/// Names the shared key and the algorithm of a signature that is not by the auth token.
pub const SETTINGS_HEADER: &str = "X-Twilio-Webhooks-Signature-Settings";

/// Why a request is not taken for Twilio's.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SignatureError {
    /// The signature is none that this auth token gives for this URL and these parameters.
    #[error("the request's signature does not match")]
    Mismatch,
    /// The URL carries no `bodySHA256`, so nothing proves the body.
    #[error("the request's URL carries no hash of the body")]
    NoBodyHash,
    /// The body is not the one whose hash was signed.
    #[error("the request's body is not the one that was signed")]
    BodyMismatch,
}

/// The signature of a request to `url` with form parameters, one pair for each value.
///
/// Values of the same name are sorted and counted once. The order is that of JavaScript, by UTF-16 units.
#[must_use]
pub fn sign<K: AsRef<str>, V: AsRef<str>>(auth_token: &Secret, url: &str, params: &[(K, V)]) -> String {
    STANDARD.encode(tag(hmac::HMAC_SHA1_FOR_LEGACY_USE_ONLY, auth_token, url, params))
}

/// The same with a shared key's secret instead of the auth token, by HMAC-SHA256. Twilio names the key in
/// [`SETTINGS_HEADER`]; without that header a request is signed by the auth token. As in twilio-node 6.3.1.
#[must_use]
pub fn sign_with_shared_key<K: AsRef<str>, V: AsRef<str>>(
    secret: &Secret,
    url: &str,
    params: &[(K, V)],
) -> String {
    STANDARD.encode(tag(hmac::HMAC_SHA256, secret, url, params))
}

/// The hash that a request with a JSON body carries in its URL as `bodySHA256`, in hexadecimal.
#[must_use]
pub fn body_sha256(body: &[u8]) -> String {
    digest::digest(&digest::SHA256, body).as_ref().iter().map(|byte| format!("{byte:02x}")).collect()
}

/// Checks the signature of a request with form parameters (none for GET).
///
/// `url` is the whole URL as the request was sent to it, query included. Twilio may have signed it with or without the
/// port, or in one of two encodings: each is tried, each compared in constant time.
///
/// # Errors
/// [`SignatureError::Mismatch`].
pub fn verify_form<K: AsRef<str>, V: AsRef<str>>(
    auth_token: &Secret,
    url: &str,
    params: &[(K, V)],
    signature: &str,
) -> Result<(), SignatureError> {
    let Ok(given) = STANDARD.decode(signature) else { return Err(SignatureError::Mismatch) };
    let matches = |url: &str| {
        let tag = tag(hmac::HMAC_SHA1_FOR_LEGACY_USE_ONLY, auth_token, url, params);
        constant_time::verify_slices_are_equal(tag.as_ref(), &given).is_ok()
    };
    candidates(url).iter().any(|candidate| matches(candidate)).then_some(()).ok_or(SignatureError::Mismatch)
}

/// Checks the signature of a request whose body is not a form: the signature over the URL alone, and the body's hash
/// against the URL's `bodySHA256`.
///
/// # Errors
/// [`SignatureError`].
pub fn verify_body(
    auth_token: &Secret,
    url: &str,
    body: &[u8],
    signature: &str,
) -> Result<(), SignatureError> {
    verify_form::<&str, &str>(auth_token, url, &[], signature)?;
    let parsed = Url::parse(url).map_err(|_not_absolute| SignatureError::NoBodyHash)?;
    let (_, claimed) =
        parsed.query_pairs().find(|(name, _)| name == "bodySHA256").ok_or(SignatureError::NoBodyHash)?;
    constant_time::verify_slices_are_equal(claimed.as_bytes(), body_sha256(body).as_bytes())
        .map_err(|_unspecified| SignatureError::BodyMismatch)
}

fn tag<K: AsRef<str>, V: AsRef<str>>(
    algorithm: hmac::Algorithm,
    secret: &Secret,
    url: &str,
    params: &[(K, V)],
) -> hmac::Tag {
    // UTF-16 units as the key, because that is what JavaScript sorts by.
    let mut sorted = BTreeMap::<Vec<u16>, (&str, BTreeMap<Vec<u16>, &str>)>::new();
    for (name, value) in params {
        let (name, value) = (name.as_ref(), value.as_ref());
        let entry = sorted.entry(name.encode_utf16().collect()).or_insert_with(|| (name, BTreeMap::new()));
        entry.1.insert(value.encode_utf16().collect(), value);
    }
    let key = hmac::Key::new(algorithm, secret.expose().as_bytes());
    let mut context = hmac::Context::with_key(&key);
    context.update(url.as_bytes());
    for (name, values) in sorted.values() {
        for value in values.values() {
            context.update(name.as_bytes());
            context.update(value.as_bytes());
        }
    }
    context.sign()
}

/// The forms in which Twilio may have signed the URL, the likeliest first.
fn candidates(url: &str) -> Vec<String> {
    let mut all = vec![without_port(url), with_port(url)];
    if let Ok(parsed) = Url::parse(url) {
        let normal = [without_port(parsed.as_str()), with_port(parsed.as_str())];
        all.extend(normal.iter().map(|url| with_legacy_query(url)));
        all.extend(normal);
    }
    all
}

/// An absolute URL cut at its port, with every character as it was received; `Url` would encode some of them.
struct Cut<'a> {
    /// Scheme, user and host.
    head: &'a str,
    /// With the colon; empty when there is none.
    port: &'a str,
    /// Path, query and fragment.
    rest: &'a str,
}

fn cut(url: &str) -> Option<Cut<'_>> {
    let authority_start = url.find("://")? + 3;
    let (before, after) = url.split_at(authority_start);
    let (authority, rest) = after.split_at(after.find(['/', '?', '#']).unwrap_or(after.len()));
    let host_start = authority.rfind('@').map_or(0, |at| at + 1);
    // In an IPv6 literal, only a colon after the closing bracket starts the port.
    let after_literal = authority.rfind(']').map_or(host_start, |bracket| bracket + 1);
    let port_start =
        authority.split_at(after_literal).1.find(':').map_or(authority.len(), |at| after_literal + at);
    let (host, port) = authority.split_at(port_start);
    Some(Cut { head: url.split_at(before.len() + host.len()).0, port, rest })
}

fn without_port(url: &str) -> String {
    cut(url).map_or_else(|| url.to_owned(), |Cut { head, rest, .. }| format!("{head}{rest}"))
}

fn with_port(url: &str) -> String {
    match cut(url) {
        Some(Cut { head, port: "", rest }) => {
            let https = head.get(..8).is_some_and(|scheme| scheme.eq_ignore_ascii_case("https://"));
            format!("{head}{}{rest}", if https { ":443" } else { ":80" })
        }
        _ => url.to_owned(),
    }
}

/// The query encoded again the way Node's `querystring` does it, for back ends that signed that form.
fn with_legacy_query(url: &str) -> String {
    let Some((before, query)) = url.split_once('?').filter(|(_, query)| !query.is_empty()) else {
        return url.to_owned();
    };
    // `querystring.parse` gathers the values of one name, at the place of the first.
    let mut pairs = Vec::<(Vec<u8>, Vec<Vec<u8>>)>::new();
    for pair in query.split('&').filter(|pair| !pair.is_empty()) {
        let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
        let (name, value) = (decode(name), decode(value));
        match pairs.iter_mut().find(|(known, _)| *known == name) {
            Some((_, values)) => values.push(value),
            None => pairs.push((name, vec![value])),
        }
    }
    let query: Vec<String> = pairs
        .iter()
        .flat_map(|(name, values)| values.iter().map(|value| format!("{}={}", encode(name), encode(value))))
        .collect();
    format!("{before}?{}", query.join("&"))
}

fn decode(text: &str) -> Vec<u8> {
    let mut rest = text.as_bytes();
    let mut decoded = Vec::with_capacity(rest.len());
    while let Some((&byte, after)) = rest.split_first() {
        let (next, byte) = match (byte, after) {
            (b'+', _) => (after, b' '),
            (b'%', [high, low, beyond @ ..]) => match (hex_digit(*high), hex_digit(*low)) {
                (Some(high), Some(low)) => (beyond, high << 4 | low),
                _ => (after, byte),
            },
            _ => (after, byte),
        };
        decoded.push(byte);
        rest = next;
    }
    decoded
}

fn hex_digit(byte: u8) -> Option<u8> {
    char::from(byte).to_digit(16).and_then(|digit| u8::try_from(digit).ok())
}

fn encode(bytes: &[u8]) -> String {
    let mut encoded = String::with_capacity(bytes.len());
    for &byte in bytes {
        if byte.is_ascii_alphanumeric() || b"!'()*-._~".contains(&byte) {
            encoded.push(char::from(byte));
        } else {
            encoded.push_str(&format!("%{byte:02X}"));
        }
    }
    encoded
}

#[cfg(test)]
mod tests {
    use super::*;

    const URL: &str = "https://mycompany.com/myapp.php?foo=1&bar=2";
    const PARAMS: [(&str, &str); 5] = [
        ("CallSid", "CA1234567890ABCDE"),
        ("To", "+18005551212"),
        ("Caller", "+14158675309"),
        ("From", "+14158675309"),
        ("Digits", "1234"),
    ];
    const NONE: [(&str, &str); 0] = [];

    fn auth_token() -> Secret {
        Secret::new("12345")
    }

    // Every literal signature in these tests was made by twilio-node 6.2.0.

    #[test]
    fn signatures_are_those_of_twilios_own_library() {
        assert_eq!(sign(&auth_token(), URL, &PARAMS), "RSOYDt4T1cUTdK1PDd93/VVr8B8=");
        assert_eq!(sign(&auth_token(), "http://mycompany.com:80/x", &NONE), "TDYAHqRb4L/Z17k56M4T6dGy0Cg=");
        assert_eq!(
            sign(&auth_token(), "https://mycompany.com/ä", &[("Ünder", "日本")]),
            "XadyP+JANQQ4AJgCkpxnNbMUqBE="
        );
    }

    #[test]
    fn values_of_one_name_are_sorted_and_counted_once() {
        let params = [("Media", "b"), ("A", "1"), ("Media", "a"), ("Media", "b")];
        assert_eq!(sign(&auth_token(), URL, &params), "UipW6K5ypBP0Wn7ZAb4MMX7S6iA=");
    }

    #[test]
    fn a_shared_key_signs_by_sha256() {
        let secret = Secret::new("shared-secret"); // these two by twilio-node 6.3.1
        assert_eq!(
            sign_with_shared_key(&secret, URL, &PARAMS),
            "iwOZCFCgsf1lZRuIVob5xh6MS+e56XvT2JyqSGp3ZtY="
        );
        let params = [("Media", "b"), ("A", "1"), ("Media", "a"), ("Media", "b")];
        assert_eq!(
            sign_with_shared_key(&secret, URL, &params),
            "6sTRzCq32NZHW4kdCZmlHvZnTBi+4M3rZhkYYGQgHoI="
        );
    }

    #[test]
    fn a_good_signature_is_taken_and_any_change_refuses_it() {
        let signature = "RSOYDt4T1cUTdK1PDd93/VVr8B8=";
        assert_eq!(verify_form(&auth_token(), URL, &PARAMS, signature), Ok(()));
        let refused = Err(SignatureError::Mismatch);
        assert_eq!(verify_form(&Secret::new("12346"), URL, &PARAMS, signature), refused);
        assert_eq!(
            verify_form(&auth_token(), "https://mycompany.com/myapp.php", &PARAMS, signature),
            refused
        );
        assert_eq!(verify_form(&auth_token(), URL, &PARAMS[1..], signature), refused);
        for bad in ["", "RSOYDt4T1cUTdK1PDd93/VVr8B9=", "RSOYDt4T", "not base64 !"] {
            assert_eq!(verify_form(&auth_token(), URL, &PARAMS, bad), refused, "{bad}");
        }
    }

    #[test]
    fn the_port_may_be_signed_or_not_whichever_way_the_request_came() {
        let with = "https://mycompany.com:443/myapp.php?foo=1&bar=2";
        for url in [URL, with] {
            for signature in ["RSOYDt4T1cUTdK1PDd93/VVr8B8=", "kvajT1Ptam85bY51eRf/AJRuM3w="] {
                assert_eq!(verify_form(&auth_token(), url, &PARAMS, signature), Ok(()), "{url} {signature}");
            }
        }
    }

    #[test]
    fn a_url_signed_in_another_encoding_is_recognised() {
        let table = [
            // As received, with a character that `Url` would encode.
            ("https://mycompany.com/a?Body=It's%20me", "jvWuBPDjx1y7PM6O6SenRnChw5k="),
            // Normalised: the space of the path as %20.
            ("https://mycompany.com/a b", "5ZX64tQqZeOA6CawcKhzDGIbxPA="),
            // Signed over `x=It's&y=a%20b`, received with the apostrophe encoded.
            ("https://mycompany.com/a?x=It%27s&y=a%20b", "ZXnhc54bEZyFnbRlf/XRbrqfG6k="),
        ];
        for (url, signature) in table {
            assert_eq!(verify_form(&auth_token(), url, &NONE, signature), Ok(()), "{url}");
        }
    }

    #[test]
    fn a_json_body_is_proved_by_its_hash_in_the_signed_url() {
        let body = br#"{"property": "value", "boolean": true}"#;
        let hash = "0a1ff7634d9ab3b95db5c9a2dfe9416e41502b283a80c7cf19632632f96e6620";
        assert_eq!(body_sha256(body), hash);
        let url = format!("https://mycompany.com/myapp.php?bodySHA256={hash}");
        let signature = "y77kIzt2vzLz71DgmJGsen2scGs=";
        assert_eq!(verify_body(&auth_token(), &url, body, signature), Ok(()));
        assert_eq!(verify_body(&auth_token(), &url, b"{}", signature), Err(SignatureError::BodyMismatch));
        let bare = "https://mycompany.com/myapp.php";
        let signature = sign(&auth_token(), bare, &NONE);
        assert_eq!(verify_body(&auth_token(), bare, body, &signature), Err(SignatureError::NoBodyHash));
    }

    #[test]
    fn cutting_at_the_port_knows_users_and_ipv6() {
        for (url, without, with) in [
            ("https://u:p@h.example/x:1", "https://u:p@h.example/x:1", "https://u:p@h.example:443/x:1"),
            ("HTTP://[::1]/", "HTTP://[::1]/", "HTTP://[::1]:80/"),
            ("https://[::1]:8443?q", "https://[::1]?q", "https://[::1]:8443?q"),
            ("no url", "no url", "no url"),
        ] {
            assert_eq!((without_port(url).as_str(), with_port(url).as_str()), (without, with), "{url}");
        }
    }
}
