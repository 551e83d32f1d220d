//! Which account and token service this browser serves, and the agent's word on a token service that no policy names.
//!
//! A Flex token opens the agent's account to whoever receives it, and it is a page that says where it shall go. So
//! before the first one is sent to a host that policy does not vouch for, the agent is asked, once per account and
//! token service, and the answer is kept for good.

use messages::english;
use protocol::{Problem, page::Configure};

use super::{
    config::{self, Config, Policy},
    consent::Agreement,
    context::Context,
    persisted::{Persisted, Preferences, renew},
};

/// More token services than anybody uses. The oldest are forgotten: their agents are asked again.
const MAX_AGREEMENTS: usize = 32;

/// Where the agent's word on a token service stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Consent {
    /// By policy, or by the agent.
    Given,
    /// The agent is to be asked.
    Needed,
    /// The agent said no.
    Declined,
}

pub(super) fn consent_needed() -> Problem {
    english::CONSENT_NEEDED.problem(false)
}

fn consent_declined() -> Problem {
    english::CONSENT_DECLINED.problem(false)
}

/// What this browser serves.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct Service {
    /// What it is pinned to.
    config: Option<Config>,
    /// The token services that the agent has agreed to, oldest first.
    agreements: Vec<Agreement>,
    /// The token services that the agent has declined, until Restart.
    declined: Vec<Agreement>,
}

impl Service {
    /// Goes on from what was saved, and with what this browser knows for good.
    pub(super) fn restore(&mut self, persisted: &Persisted) {
        self.config.clone_from(&persisted.config);
        self.declined.clone_from(&persisted.declined);
    }

    pub(super) fn remember(&mut self, preferences: &Preferences) {
        self.agreements.clone_from(&preferences.agreements);
    }

    pub(super) fn save(&self, saved: &mut Persisted) -> bool {
        renew(&mut saved.config, &self.config) | renew(&mut saved.declined, &self.declined)
    }

    pub(super) fn write(&self, preferences: &mut Preferences) -> bool {
        renew(&mut preferences.agreements, &self.agreements)
    }

    /// What this browser is pinned to.
    pub(super) const fn config(&self) -> Option<&Config> {
        self.config.as_ref()
    }

    /// The same while policy or the agent agrees to it: nothing else is sent a Flex token.
    pub(super) fn agreed(&self, policy: &Policy) -> Option<&Config> {
        self.config().filter(|config| self.consent_to(config, policy) == Consent::Given)
    }

    /// Where the agent's word stands.
    fn consent_to(&self, config: &Config, policy: &Policy) -> Consent {
        let wanted = Agreement::from(config);
        if policy.vouches_for(&config.token_url) || self.agreements.contains(&wanted) {
            Consent::Given
        } else if self.declined.contains(&wanted) {
            Consent::Declined
        } else {
            Consent::Needed
        }
    }

    /// Judges a page's CONFIGURE: what would be pinned by it, and whether the agent's word on it is there.
    ///
    /// # Errors
    /// The [`Problem`] to answer with.
    pub(super) fn judge(
        &self,
        wish: &Configure,
        page_origin: &str,
        policy: &Policy,
    ) -> Result<(Config, bool), Problem> {
        let config = config::judge(wish, page_origin, policy, self.config())?;
        match self.consent_to(&config, policy) {
            Consent::Given => Ok((config, true)),
            Consent::Needed => Ok((config, false)),
            Consent::Declined => Err(consent_declined()),
        }
    }

    /// Pins the browser to what was judged, unless it is.
    pub(super) fn pin(&mut self, config: Config, cx: &mut Context) {
        if self.config.is_none() {
            let host = config.token_url.origin();
            cx.info(format!("Serving account {} with the token service {host}.", config.account));
            self.config = Some(config);
        }
    }

    /// The agent's answer.
    pub(super) fn answer(&mut self, agreement: Agreement, allow: bool, cx: &mut Context) {
        let word = if allow { "agreed to" } else { "declined" };
        let host = agreement.token_url.origin();
        cx.info(format!("The agent {word} the token service {host} for account {}.", agreement.account));
        let list = if allow { &mut self.agreements } else { &mut self.declined };
        list.push(agreement);
        if list.len() > MAX_AGREEMENTS {
            list.remove(0);
        }
    }

    /// Pinned to nothing any more.
    pub(super) fn reset(&mut self) {
        self.config = None;
        self.declined.clear();
    }
}
