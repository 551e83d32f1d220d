//! The agent's word on a token service that no policy names.
//!
//! A Flex token opens the agent's account to whoever receives it, and it is a page that says where it shall go. So
//! before the first one is sent to a host that policy does not vouch for, the agent is asked, once per account and
//! token service, and the answer is kept for good.

use kernel::{AccountSid, Timestamp, TokenUrl};
use protocol::{Problem, ProblemCode, state::ConsentRequest};
use serde::{Deserialize, Serialize};

use super::{Machine, Refused, config::Config};

/// More token services than anybody uses. The oldest are forgotten: their agents are asked again.
const MAX_AGREEMENTS: usize = 32;

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

/// Where the agent's word on a token service stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Consent {
    /// By policy, or by the agent.
    Given,
    /// The agent is to be asked.
    Needed,
    /// The agent said no.
    Declined,
}

pub(super) fn consent_needed() -> Problem {
    Problem {
        code: ProblemCode::ConsentNeeded,
        message: "Open the extension and say whether it may use this token service.".into(),
        retrying: false,
    }
}

pub(super) fn consent_declined() -> Problem {
    Problem {
        code: ProblemCode::ConsentDeclined,
        message: "You did not agree to this token service. To change that, press Restart in the extension."
            .into(),
        retrying: false,
    }
}

impl Machine {
    /// Where the agent's word stands.
    pub(super) fn consent_to(&self, config: &Config) -> Consent {
        let wanted = Agreement::from(config);
        if self.policy.vouches_for(&config.token_url) || self.remembered.agreements.contains(&wanted) {
            Consent::Given
        } else if self.durable.declined.contains(&wanted) {
            Consent::Declined
        } else {
            Consent::Needed
        }
    }

    /// What the agent is to be asked: for one page after the other.
    pub(super) fn consent_request(&self) -> Option<ConsentRequest> {
        let (page_origin, config) = self.undecided_page()?;
        Some(ConsentRequest {
            account_sid: config.account.clone(),
            token_url: config.token_url.clone(),
            page_origin: page_origin.to_owned(),
        })
    }

    /// The agent's answer.
    ///
    /// # Errors
    /// When that is not what was asked: another page may have asked meanwhile.
    pub(super) fn consented(
        &mut self,
        account: AccountSid,
        token_url: TokenUrl,
        allow: bool,
        now: Timestamp,
    ) -> Result<(), Refused> {
        let asked = self.consent_request();
        if asked.is_none_or(|asked| asked.account_sid != account || asked.token_url != token_url) {
            return Err(Refused::QuestionChanged);
        }
        let word = if allow { "agreed to" } else { "declined" };
        self.info(
            now,
            format!("The agent {word} the token service {} for account {account}.", token_url.origin()),
        );
        let agreement = Agreement { account, token_url };
        let list = if allow { &mut self.remembered.agreements } else { &mut self.durable.declined };
        list.push(agreement);
        if list.len() > MAX_AGREEMENTS {
            list.remove(0);
        }
        self.reconsider_pages(now);
        Ok(())
    }
}
