//! A request as the resources see it, and what they answer with.

use axum::http::{Method, StatusCode};
use kernel::Timestamp;
use serde_json::{Value, json};

use crate::change::{Actor, Refusal};
use crate::rest::form::Form;
use crate::rest::page::{self, Order, Page};
use crate::rest::view::Place;

/// What is asked, by whom that does not matter any more.
pub(crate) struct Request<'a> {
    pub place: Place<'a>,
    /// The URL that was asked for, without its query.
    pub url: &'a str,
    pub method: Method,
    /// Below `/v1`, or below the service.
    pub path: &'a [&'a str],
    pub query: Form,
    pub form: Form,
    pub actor: Actor,
    pub now: Timestamp,
}

/// An answer that is a success.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Answer {
    Found(Value),
    Created(Value),
    /// Begun, and finished by itself.
    Accepted(Value),
    /// What was to go is gone.
    Gone,
}

impl Answer {
    pub(crate) fn status(&self) -> StatusCode {
        match self {
            Self::Found(_) => StatusCode::OK,
            Self::Created(_) => StatusCode::CREATED,
            Self::Accepted(_) => StatusCode::ACCEPTED,
            Self::Gone => StatusCode::NO_CONTENT,
        }
    }
}

pub(crate) type Outcome = Result<Answer, Refusal>;

/// What the sandbox does not have, or not under this method.
pub(crate) fn unknown(request: &Request<'_>) -> Refusal {
    Refusal::missing(&format!("/{}", request.path.join("/")))
}

impl Request<'_> {
    /// The page that is asked for.
    pub(crate) fn page(&self) -> Result<page::Asked, Refusal> {
        let order = match self.query.text("Order").map(str::to_ascii_lowercase).as_deref() {
            None | Some("" | "asc") => Order::Ascending,
            Some("desc") => Order::Descending,
            Some(_) => return Err(Refusal::invalid("Order is neither asc nor desc")),
        };
        Ok(page::Asked {
            size: self.query.parsed("PageSize")?,
            number: self.query.parsed("Page")?.unwrap_or_default(),
            token: self.query.owned("PageToken").filter(|token| !token.is_empty()),
            order,
        })
    }

    /// A list as Twilio writes it, with the links to the pages beside it.
    pub(crate) fn list(&self, key: &str, page: Page<Value>, asked: &page::Asked) -> Answer {
        let size = asked.size();
        let url = |number: u64, token: Option<&str>| {
            let mut query = form_urlencoded::Serializer::new(String::new());
            for name in ["Order", "State", "StartDate", "EndDate", "Identity", "Address"] {
                if let Some(value) = self.query.text(name) {
                    query.append_pair(name, value);
                }
            }
            query.append_pair("PageSize", &size.to_string());
            query.append_pair("Page", &number.to_string());
            if let Some(token) = token {
                query.append_pair("PageToken", token);
            }
            format!("{}?{}", self.url, query.finish())
        };
        let beside = |token: Option<String>, number: u64| token.map(|token| url(number, Some(&token)));
        let meta = json!({
            "page": asked.number,
            "page_size": size,
            "first_page_url": url(0, None),
            "previous_page_url": beside(page.previous, asked.number.saturating_sub(1)),
            "next_page_url": beside(page.next, asked.number + 1),
            "url": url(asked.number, asked.token.as_deref()),
            "key": key,
        });
        Answer::Found(json!({ key: page.items, "meta": meta }))
    }
}
