//! What the agent has agreed to: that Flex tokens of an account go to a token service.

use kernel::{AccountSid, TokenUrl};
use serde::{Deserialize, Serialize};

use super::config::Config;

/// A token service, for the tokens of an account.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, wire::ToTree, wire::FromTree)]
#[serde(rename_all = "camelCase")]
pub struct Agreement {
    /// Whose Flex tokens.
    pub account: AccountSid,
    /// Where they may go.
    pub token_url: TokenUrl,
}

impl From<&Config> for Agreement {
    fn from(config: &Config) -> Self {
        Self { account: config.account.clone(), token_url: config.token_url.clone() }
    }
}
