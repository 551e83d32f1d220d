//! The one thing the service does: exchange a Flex token for a Voice token.

use std::{net::IpAddr, sync::Arc};

use protocol::{Secret, Timestamp};
use twilio::flex_token::{Credentials, FlexTokenError, InvalidBaseUrl, Validator};

use crate::{
    Config,
    limits::{Limits, Wait},
    mint::{Minted, Refusal},
    outside::{Clock, NoRandomness, Random},
    validation::FlexTokens,
};

/// The configured service, shared by all requests.
pub struct Service {
    /// Every setting.
    pub config: Config,
    /// Tells the time.
    pub clock: Arc<dyn Clock>,
    /// Names tokens and requests.
    pub random: Arc<dyn Random>,
    /// Counts failures and successes.
    pub limits: Limits,
    flex_tokens: FlexTokens,
}

/// Why there is no token.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ExchangeError {
    /// The client or the identity has been here too often.
    #[error("too many requests")]
    TooOften(Wait),
    /// Twilio does not vouch for the Flex token, or cannot be asked.
    #[error(transparent)]
    FlexToken(#[from] FlexTokenError),
    /// The Flex user may have no token.
    #[error(transparent)]
    Refused(#[from] Refusal),
    /// The token could not be named.
    #[error(transparent)]
    NoRandomness(#[from] NoRandomness),
}

impl Service {
    /// Puts the service together. `http` should come from [`twilio::flex_token::http_client`].
    ///
    /// # Errors
    /// [`InvalidBaseUrl`] when the configured address of Twilio is none.
    pub fn new(
        config: Config,
        http: reqwest::Client,
        clock: Arc<dyn Clock>,
        random: Arc<dyn Random>,
    ) -> Result<Arc<Self>, InvalidBaseUrl> {
        let policy = &config.policy;
        let credentials = match &config.auth_token {
            Some(auth_token) => Credentials::auth_token(&policy.account_sid, auth_token.clone()),
            None => Credentials::api_key(&policy.api_key),
        };
        let twilio = Validator::new(http, &config.iam_base_url, &policy.account_sid, credentials)?;
        Ok(Arc::new(Self {
            flex_tokens: FlexTokens::new(twilio, config.validation_cache, Arc::clone(&clock)),
            limits: Limits::new(config.failures_per_minute, config.mints_per_minute, Arc::clone(&clock)),
            config,
            clock,
            random,
        }))
    }

    /// Exchanges the Flex token that came from `client`.
    ///
    /// # Errors
    /// [`ExchangeError`].
    pub async fn exchange(&self, client: IpAddr, flex_token: &Secret) -> Result<Minted, ExchangeError> {
        self.limits.check_client(client).map_err(ExchangeError::TooOften)?;
        let answer = self.flex_tokens.validate(flex_token).await;
        let refused =
            matches!(answer.result, Err(FlexTokenError::Invalid { .. } | FlexTokenError::WrongAccount));
        if refused && answer.fresh {
            self.limits.record_failure(client);
        }
        let user = answer.result?;
        let now: Timestamp = self.clock.now();
        let admission = self.config.policy.admit(&user, now)?;
        self.limits.check_mint(&admission.identity).map_err(ExchangeError::TooOften)?;
        let mut random = [0; 12];
        self.random.fill(&mut random)?;
        let minted = self.config.policy.mint(admission, now, random);
        tracing::info!(
            token.identity = %minted.identity,
            token.jti = minted.jti,
            token.expires_in_s = minted.expires_in,
            "token minted"
        );
        Ok(minted)
    }
}
