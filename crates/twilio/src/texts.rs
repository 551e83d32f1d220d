//! Text messages.
//!
//! Source: Twilio's OpenAPI description of API v2010, `POST /2010-04-01/Accounts/{AC}/Messages.json`.

use kernel::AccountSid;

use crate::rest::{RestError, Unavailable, WritableRest};

/// Where messages are sent by.
pub const DEFAULT_BASE_URL: &str = "https://api.twilio.com";

/// Sends for one account.
#[derive(Clone, Debug)]
pub struct Texts {
    rest: WritableRest,
    account: AccountSid,
}

impl Texts {
    /// By this.
    #[must_use]
    pub const fn new(rest: WritableRest, account: AccountSid) -> Self {
        Self { rest, account }
    }

    /// Has a text message sent, and returns its SID (`SM…`). Twilio has taken it then, which does not say that it arrives.
    ///
    /// # Errors
    /// [`RestError`]; `Refused` with 21211 where `to` is no number, 21610 where its owner wants none, and others.
    pub async fn send(&self, from: &str, to: &str, body: &str) -> Result<String, RestError> {
        let path = ["2010-04-01", "Accounts", self.account.as_str(), "Messages.json"];
        let answer = self.rest.post(&path, &[("To", to), ("From", from), ("Body", body)]).await?;
        let sid = answer["sid"].as_str().map(ToOwned::to_owned);
        sid.ok_or(RestError::Unavailable(Unavailable::NotUnderstood))
    }
}
