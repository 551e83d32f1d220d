//! Asks Twilio's REST APIs, within a time and a size, with Basic authentication, below a base URL that credentials may travel to.
//!
//! [`Rest`] only reads (`GET`): whoever was given one has no way to write anything. [`WritableRest`] also posts forms. What is
//! answered is taken leniently, field by field: an odd one must not hide the others.

use std::time::Duration;

use bytes::Bytes;
use http::{HeaderValue, Method, Request, StatusCode, Uri, header};
use http_body_util::{BodyExt, Full, LengthLimitError, Limited};
use kernel::Timestamp;
use serde_json::Value;
use url::Url;

pub use crate::flex_token::Unavailable;
use crate::flex_token::{Credentials, HttpClient, InvalidBaseUrl, is_safe_base_url};

/// How long one question may take, to the last byte of the answer.
pub const TIMEOUT: Duration = Duration::from_secs(2);

/// The longest answer that is read. A page of a hundred messages has 100 KiB as a rule; each may have 32 KiB of text.
pub const MAX_ANSWER_BYTES: usize = 8 * 1024 * 1024;

/// What is posted.
const FORM: HeaderValue = HeaderValue::from_static("application/x-www-form-urlencoded");

/// Why there is no answer to read. Never holds a secret, nor what was asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum RestError {
    /// There is no such resource.
    #[error("no such resource")]
    NotFound,
    /// 400: the question is none, as a page token that is not known any more.
    #[error("the question is not understood")]
    BadRequest,
    /// What was to be written is not: Twilio's error code says why. Only [`WritableRest`] says this; a 404 is
    /// [`RestError::NotFound`] there, too.
    #[error("Twilio refuses it with error {code}")]
    Refused {
        /// As listed at <https://www.twilio.com/docs/api/errors>.
        code: u32,
    },
    /// Twilio refuses *our* credentials, or what they may do. Final until the configuration is put right.
    #[error("Twilio refuses our own credentials (HTTP {status})")]
    CredentialsRefused {
        /// 401 or 403.
        status: u16,
    },
    /// Twilio could not be asked, or its answer not be understood. Asking again later can help.
    #[error("Twilio cannot be asked now: {0}")]
    Unavailable(Unavailable),
}

/// One API at one base URL.
#[derive(Clone, Debug)]
pub struct Rest {
    http: HttpClient,
    base: Url,
    /// Shows nothing in `Debug`.
    authorization: HeaderValue,
}

/// One API at one base URL, which may also be written to.
#[derive(Clone, Debug)]
pub struct WritableRest(Rest);

/// A page of a list, and how to ask for the next.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Page<T> {
    /// What could be understood of it.
    pub items: Vec<T>,
    /// `None` on the last page.
    pub next: Option<PageToken>,
}

/// Where a list goes on: what `next_page_url` says. Not the URL itself, to which credentials would have to follow.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PageToken {
    /// `Page`: counted from 0.
    pub page: String,
    /// `PageToken`: opaque.
    pub token: String,
}

impl PageToken {
    /// The longest that either part may be, in bytes.
    pub const MAX: usize = 512;

    /// What may be one: of bounded length, and visible.
    #[must_use]
    pub fn new(page: &str, token: &str) -> Option<Self> {
        let fits = |text: &str| text.len() <= Self::MAX && text.bytes().all(|byte| byte.is_ascii_graphic());
        (fits(page) && fits(token) && !(page.is_empty() && token.is_empty()))
            .then(|| Self { page: page.to_owned(), token: token.to_owned() })
    }

    fn of(meta: &Value) -> Option<Self> {
        let url = Url::parse(meta["next_page_url"].as_str()?).ok()?;
        let part = |name: &str| {
            url.query_pairs()
                .find(|(key, _)| key == name)
                .map(|(_, value)| value.into_owned())
                .unwrap_or_default()
        };
        Self::new(&part("Page"), &part("PageToken"))
    }

    pub(crate) fn query(&self) -> Vec<(&'static str, &str)> {
        let parts = [("Page", self.page.as_str()), ("PageToken", self.token.as_str())];
        parts.into_iter().filter(|(_, value)| !value.is_empty()).collect()
    }
}

impl Rest {
    /// For what is below `base_url`.
    ///
    /// # Errors
    /// [`InvalidBaseUrl`]: the credentials travel to it, so it must be `https`, or stay on this machine.
    pub fn new(http: HttpClient, base_url: &str, credentials: &Credentials) -> Result<Self, InvalidBaseUrl> {
        let base = Url::parse(base_url).map_err(|_cause| InvalidBaseUrl)?;
        if !is_safe_base_url(base_url) || base.cannot_be_a_base() {
            return Err(InvalidBaseUrl);
        }
        Ok(Self { http, base, authorization: credentials.basic() })
    }

    /// The resource at this path, each part of which is one segment, whatever is in it.
    ///
    /// # Errors
    /// [`RestError`].
    pub async fn get(&self, path: &[&str], query: &[(&str, &str)]) -> Result<Value, RestError> {
        self.within_time(&self.uri(path, query)?, None).await
    }

    /// A page of the list `key`; what of it `read` does not understand is left out.
    ///
    /// # Errors
    /// [`RestError`].
    pub async fn page<T>(
        &self,
        path: &[&str],
        query: &[(&str, &str)],
        key: &str,
        read: impl Fn(&Value) -> Option<T>,
    ) -> Result<Page<T>, RestError> {
        let answer = self.get(path, query).await?;
        let items = answer[key].as_array().ok_or(RestError::Unavailable(Unavailable::NotUnderstood))?;
        Ok(Page { items: items.iter().filter_map(read).collect(), next: PageToken::of(&answer["meta"]) })
    }

    fn uri(&self, path: &[&str], query: &[(&str, &str)]) -> Result<Uri, RestError> {
        // A path that consists of such a part leads elsewhere; nothing has such a name.
        if path.iter().any(|part| matches!(*part, "" | "." | "..")) {
            return Err(RestError::NotFound);
        }
        let mut url = self.base.clone();
        if let Ok(mut segments) = url.path_segments_mut() {
            segments.pop_if_empty().extend(path);
        }
        if !query.is_empty() {
            url.query_pairs_mut().extend_pairs(query);
        }
        url.as_str().parse().map_err(|_cause| RestError::NotFound)
    }

    /// Reads, or writes this form.
    async fn within_time(&self, uri: &Uri, form: Option<&Bytes>) -> Result<Value, RestError> {
        tokio::time::timeout(TIMEOUT, async {
            match self.ask(uri, form).await {
                // Nothing was sent.
                Err(RestError::Unavailable(Unavailable::Connect)) => self.ask(uri, form).await,
                other => other,
            }
        })
        .await
        .unwrap_or(Err(RestError::Unavailable(Unavailable::Timeout)))
    }

    async fn ask(&self, uri: &Uri, form: Option<&Bytes>) -> Result<Value, RestError> {
        let unavailable = |why| Err(RestError::Unavailable(why));
        let mut request = Request::new(Full::new(form.cloned().unwrap_or_default()));
        *request.uri_mut() = uri.clone();
        if form.is_some() {
            *request.method_mut() = Method::POST;
            request.headers_mut().insert(header::CONTENT_TYPE, FORM);
        }
        request.headers_mut().insert(header::AUTHORIZATION, self.authorization.clone());
        request.headers_mut().insert(header::ACCEPT, HeaderValue::from_static("application/json"));
        let (head, body) = match self.http.request(request).await {
            Ok(answer) => answer.into_parts(),
            Err(error) if error.is_connect() => return unavailable(Unavailable::Connect),
            Err(_broken) => return unavailable(Unavailable::Transport),
        };
        match head.status {
            StatusCode::OK => {}
            StatusCode::CREATED | StatusCode::ACCEPTED if form.is_some() => {}
            StatusCode::NOT_FOUND => return Err(RestError::NotFound),
            StatusCode::BAD_REQUEST | StatusCode::CONFLICT if form.is_some() => {
                let code = read(body).await.ok().and_then(|said| said["code"].as_u64()?.try_into().ok());
                return Err(code.map_or(RestError::BadRequest, |code| RestError::Refused { code }));
            }
            StatusCode::BAD_REQUEST => return Err(RestError::BadRequest),
            status @ (StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN) => {
                return Err(RestError::CredentialsRefused { status: status.as_u16() });
            }
            StatusCode::TOO_MANY_REQUESTS => {
                let retry_after = head.headers.get(header::RETRY_AFTER);
                let retry_after = retry_after.and_then(|value| value.to_str().ok()?.trim().parse().ok());
                return unavailable(Unavailable::TooManyRequests { retry_after });
            }
            other => return unavailable(Unavailable::Status(other.as_u16())),
        }
        read(body).await
    }
}

impl WritableRest {
    /// For what is below `base_url`.
    ///
    /// # Errors
    /// As [`Rest::new`].
    pub fn new(http: HttpClient, base_url: &str, credentials: &Credentials) -> Result<Self, InvalidBaseUrl> {
        Rest::new(http, base_url, credentials).map(Self)
    }

    /// What reads there.
    #[must_use]
    pub const fn reads(&self) -> &Rest {
        &self.0
    }

    /// Posts a form to the resource at this path, each part of which is one segment. A form that was perhaps received is never sent
    /// again: what it does may not bear that.
    ///
    /// # Errors
    /// [`RestError`]. After [`RestError::Unavailable`] it is not known whether Twilio did it.
    pub async fn post(&self, path: &[&str], form: &[(&str, &str)]) -> Result<Value, RestError> {
        let form = url::form_urlencoded::Serializer::new(String::new()).extend_pairs(form).finish();
        self.0.within_time(&self.0.uri(path, &[])?, Some(&form.into())).await
    }
}

type BoxError = Box<dyn std::error::Error + Send + Sync>;

/// All of an answer.
async fn read(body: impl BodyExt<Error: Into<BoxError>>) -> Result<Value, RestError> {
    let unavailable = |why| Err(RestError::Unavailable(why));
    match Limited::new(body, MAX_ANSWER_BYTES).collect().await {
        Ok(body) => match serde_json::from_slice(&body.to_bytes()) {
            Ok(answer @ Value::Object(_)) => Ok(answer),
            Ok(_) | Err(_) => unavailable(Unavailable::NotUnderstood),
        },
        Err(error) if error.is::<LengthLimitError>() => unavailable(Unavailable::TooLarge),
        Err(_broken) => unavailable(Unavailable::Transport),
    }
}

/// A text with something in it.
pub(crate) fn text(value: &Value) -> Option<String> {
    value.as_str().filter(|text| !text.is_empty()).map(ToOwned::to_owned)
}

/// An instant in ISO 8601.
pub(crate) fn instant(value: &Value) -> Option<Timestamp> {
    let instant: jiff::Timestamp = value.as_str()?.parse().ok()?;
    u64::try_from(instant.as_millisecond()).ok().map(Timestamp::from_millis)
}

/// JSON in a text, as `attributes` are everywhere; also where it comes as JSON itself. `Null` when it is neither.
pub(crate) fn json_text(value: &Value) -> Value {
    match value {
        Value::String(text) => serde_json::from_str(text).unwrap_or_default(),
        Value::Object(_) => value.clone(),
        _ => Value::Null,
    }
}
