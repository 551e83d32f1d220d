//! Requests to Twilio, or in a dry run what they would be.

use std::time::Duration;

use anyhow::{Context as _, Result, bail};
use reqwest::multipart::{Form, Part};
use reqwest::{Client, Method, StatusCode};
use serde_json::{Value, json};

/// Where the APIs are.
#[derive(Debug, Clone)]
pub struct Bases {
    /// Flex API.
    pub flex: String,
    /// Serverless API.
    pub serverless: String,
    /// Where Serverless takes files.
    pub upload: String,
}

impl Default for Bases {
    fn default() -> Self {
        Self {
            flex: "https://flex-api.twilio.com".into(),
            serverless: "https://serverless.twilio.com".into(),
            upload: "https://serverless-upload.twilio.com".into(),
        }
    }
}

/// An API key, or the account and its auth token. Deliberately without `Debug`.
pub struct Credentials {
    /// `SK…`, or `AC…`.
    pub user: String,
    pub secret: String,
}

/// The client. Without credentials it only says what it would ask.
pub struct Api {
    client: Client,
    credentials: Option<Credentials>,
    /// Where the APIs are.
    pub bases: Bases,
    say: Box<dyn Fn(&str) + Send + Sync>,
}

pub enum Body<'a> {
    Nothing,
    /// Form fields; a name may come more than once.
    Fields(&'a [(&'a str, String)]),
    /// A file and form fields.
    File {
        name: &'a str,
        content: &'a [u8],
        fields: &'a [(&'a str, String)],
    },
}

impl Api {
    /// A client that says each request through `say`.
    ///
    /// # Errors
    /// If TLS cannot be set up.
    pub fn new(
        bases: Bases,
        credentials: Option<Credentials>,
        say: impl Fn(&str) + Send + Sync + 'static,
    ) -> Result<Self> {
        let client = Client::builder().timeout(Duration::from_secs(60)).build().context("setting up TLS")?;
        Ok(Self { client, credentials, bases, say: Box::new(say) })
    }

    /// True if nothing is really asked.
    #[must_use]
    pub fn is_dry(&self) -> bool {
        self.credentials.is_none()
    }

    /// Says something to the person.
    pub fn say(&self, text: &str) {
        (self.say)(text);
    }

    /// Asks. In a dry run the answer is `would_be`.
    ///
    /// # Errors
    /// If Twilio cannot be reached or refuses, in Twilio's words.
    pub async fn ask(&self, method: Method, url: &str, body: Body<'_>, would_be: Value) -> Result<Value> {
        match self.try_ask(method.clone(), url, body, would_be).await? {
            Some(answer) => Ok(answer),
            None => bail!("{method} {url}: not found"),
        }
    }

    /// Asks for something that may not exist.
    ///
    /// # Errors
    /// If Twilio cannot be reached or refuses for another reason.
    pub async fn try_ask(
        &self,
        method: Method,
        url: &str,
        body: Body<'_>,
        would_be: Value,
    ) -> Result<Option<Value>> {
        self.say(&described(&method, url, &body));
        let Some(credentials) = &self.credentials else {
            return Ok((!would_be.is_null()).then_some(would_be));
        };
        let request = self.client.request(method.clone(), url);
        let request = request.basic_auth(&credentials.user, Some(&credentials.secret));
        let request = match body {
            Body::Nothing => request,
            Body::Fields(fields) => request.form(fields),
            Body::File { name, content, fields } => {
                let part = Part::bytes(content.to_vec())
                    .file_name(name.to_owned())
                    .mime_str("application/javascript")?;
                let form = fields
                    .iter()
                    .fold(Form::new(), |form, (name, value)| form.text((*name).to_owned(), value.clone()));
                request.multipart(form.part("Content", part))
            }
        };
        let response = request.send().await.with_context(|| format!("{method} {url}"))?;
        let status = response.status();
        let text = response.text().await?;
        let answer: Value = serde_json::from_str(&text).unwrap_or(json!({}));
        if status == StatusCode::NOT_FOUND {
            return Ok(None);
        }
        if !status.is_success() {
            let why = answer["message"].as_str().unwrap_or("no reason was given");
            bail!("{method} {url}: {status}: {why}");
        }
        Ok(Some(answer))
    }
}

fn described(method: &Method, url: &str, body: &Body<'_>) -> String {
    let mut lines = vec![format!("{method} {url}")];
    let fields = match body {
        Body::Nothing => &[][..],
        Body::Fields(fields) => fields,
        Body::File { name, content, fields } => {
            lines.push(format!("    Content = {name} ({} bytes)", content.len()));
            fields
        }
    };
    lines.extend(fields.iter().map(|(name, value)| format!("    {name} = {value}")));
    lines.join("\n")
}
