//! What the service is for: it exchanges a Flex token for a Voice token, and says whose a Flex token is.

use std::{
    collections::BTreeSet,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use kernel::{AccountSid, Identity, Secret, Timestamp};
use service_kit::{
    cache::Key,
    env::{Clock, NoRandomness, Random},
};
use twilio::{
    WorkerSid,
    flex_token::{
        Credentials, FlexTokenError, FlexUser, HttpClient, InvalidBaseUrl, NoCertificates, Validator,
    },
};

use crate::{
    config::{AccountConfig, Config},
    history::{BaseUrls, NoReader, Reader},
    limits::{
        Client, LimitedBy, Limits, Outcome, Standing, Turn, Wait,
        shared::{InvalidRedisUrl, Shared},
    },
    metrics::Metrics,
    mint::{Minted, NotMinted},
    page_files::{NoPage, PageFiles},
    revocations::{Name, Reach, TooMany},
    upstream::RetryAfter,
    validation::{self, Answer, FlexTokens, NotAsked, Recalled, Unknown},
    video::{
        names::{digest_of, session_of_seat},
        session::Session,
        sessions::{self, NoSessions, Sessions},
        store::{Store, StoreError},
    },
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
    /// Counts everything.
    pub metrics: Arc<Metrics>,
    /// The page of video, where some account has video and there is one.
    pub page: Option<Arc<PageFiles>>,
    accounts: Vec<Account>,
    /// Where the sessions of video are, of all accounts.
    video: Arc<Store>,
    retry: Mutex<RetryAfter>,
}

/// One account that tokens are minted for.
pub struct Account {
    pub config: AccountConfig,
    /// Reads earlier conversations, where that is switched on.
    pub history: Option<Reader>,
    /// The sessions of video, where that is switched on.
    pub video: Option<Sessions>,
    flex_tokens: FlexTokens,
}

/// Why it is not clear which account a request is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NoAccount {
    /// The request names an account that is not served.
    #[error("this service is for another account")]
    Unknown,
    /// The request names none, and its origin may ask for several.
    #[error("this service is for several accounts: the request must name one (account_sid)")]
    Several,
    /// The account's own list of origins does not have the request's.
    #[error("this origin may not ask for tokens of this account")]
    Origin,
}

/// Why there is no token.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ExchangeError {
    /// The client or the identity has been here too often.
    #[error("too many requests")]
    TooOften {
        /// Which of the two.
        by: LimitedBy,
        /// For how long.
        wait: Wait,
    },
    /// Twilio does not vouch for the Flex token, or cannot be asked.
    #[error("{error}")]
    FlexToken {
        /// What it said.
        error: FlexTokenError,
        /// Seconds after which asking again may help.
        retry_after: u64,
    },
    /// Twilio was not asked.
    #[error("{why}")]
    NotAsked {
        why: NotAsked,
        /// Seconds after which asking again may help.
        retry_after: u64,
    },
    /// An operator has shut the agent out.
    #[error("an operator has shut this agent out")]
    Revoked,
    /// The Flex user may have no token.
    #[error(transparent)]
    Refused(#[from] NotMinted),
    /// The token could not be named.
    #[error(transparent)]
    NoRandomness(#[from] NoRandomness),
}

/// Why the service cannot be put together.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
pub enum Unusable {
    /// The address of Twilio.
    #[error("iam_base_url is {0}")]
    BaseUrl(#[from] InvalidBaseUrl),
    /// TLS to Twilio.
    #[error(transparent)]
    Certificates(#[from] NoCertificates),
    /// What chat history is read with.
    #[error("chat history cannot be read: {0}")]
    History(#[from] NoReader),
    /// The page of video.
    #[error("the page of video cannot be served: {0}")]
    Page(#[from] NoPage),
    /// What video is asked with.
    #[error("video cannot be served: {0}")]
    Video(#[from] NoSessions),
    /// The address of Redis.
    #[error(transparent)]
    Redis(#[from] InvalidRedisUrl),
}

/// A token and what may still come.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Exchanged {
    pub minted: Minted,
    /// How many more the identity may have.
    pub standing: Standing,
}

impl Service {
    /// Puts the service together. `http` makes the client for a base URL, as [`twilio::flex_token::http_client`] does.
    /// Must be called within a runtime when there is a Redis.
    ///
    /// # Errors
    /// [`Unusable`] when the configured address of Twilio or of Redis is none.
    pub fn new(
        config: Config,
        http: &mut dyn FnMut(&str) -> Result<HttpClient, NoCertificates>,
        clock: Arc<dyn Clock>,
        random: Arc<dyn Random>,
    ) -> Result<Arc<Self>, Unusable> {
        let metrics = Arc::new(Metrics::default());
        let shared =
            config.redis_url.as_ref().map(|url| Shared::new(url, config.redis_patience)).transpose()?;
        let video = Arc::new(Store::new(shared.clone()));
        let given = sessions::Given {
            store: Arc::clone(&video),
            clock: Arc::clone(&clock),
            random: Arc::clone(&random),
            metrics: Arc::clone(&metrics),
        };
        let mut account = |account: &AccountConfig| {
            let base_url = &account.iam_base_url;
            let validators = account.credentials().into_iter().map(|credentials| {
                Ok(Validator::new(http(base_url)?, base_url, &account.policy.account_sid, &credentials)?)
            });
            let validators = validators.collect::<Result<_, Unusable>>()?;
            let urls = BaseUrls {
                taskrouter: &config.taskrouter_base_url,
                conversations: &config.conversations_base_url,
                media: &config.media_base_url,
            };
            let history = account.history.as_ref().map(|history| {
                Reader::new(&account.policy.account_sid, history, &urls, http, &clock, &metrics)
            });
            let history = history.transpose()?;
            let urls = sessions::BaseUrls {
                taskrouter: &config.taskrouter_base_url,
                video: &config.video_base_url,
                messages: &config.messages_base_url,
            };
            let video = account
                .video
                .as_ref()
                .map(|video| Sessions::new(&account.policy.account_sid, video, &urls, http, given.clone()));
            let video = video.transpose()?;
            let (clock, metrics) = (Arc::clone(&clock), Arc::clone(&metrics));
            let flex_tokens = FlexTokens::new(validators, config.validation_cache, clock, metrics);
            Ok::<_, Unusable>(Account { config: account.clone(), history, video, flex_tokens })
        };
        let has_video = config.accounts.iter().any(|account| account.video.is_some());
        let page = config.video_page_dir.as_deref().filter(|_| has_video).map(PageFiles::read).transpose()?;
        let limits = Limits::new(
            config.failures_per_minute,
            config.mints_per_minute,
            Arc::clone(&clock),
            shared,
            Arc::clone(&metrics),
        );
        Ok(Arc::new(Self {
            accounts: config.accounts.iter().map(&mut account).collect::<Result<_, _>>()?,
            video,
            limits,
            page: page.map(Arc::new),
            retry: Mutex::default(),
            metrics,
            config,
            clock,
            random,
        }))
    }

    /// Which account is a request for that comes from `origin` and perhaps names an account?
    ///
    /// The name is only a selector: Twilio is asked about the Flex token as that account, and says no to a token of any
    /// other.
    ///
    /// # Errors
    /// [`NoAccount`].
    pub fn account(&self, origin: Option<&str>, named: Option<&AccountSid>) -> Result<&Account, NoAccount> {
        self.select(origin, named, |account| Some((account, &account.config.allowed_origins)))
    }

    /// The same among the accounts whose history is read: with who reads it.
    ///
    /// # Errors
    /// [`NoAccount`].
    pub fn history(
        &self,
        origin: Option<&str>,
        named: Option<&AccountSid>,
    ) -> Result<(&Account, &Reader), NoAccount> {
        self.select(origin, named, |account| {
            let reader = account.history.as_ref()?;
            Some(((account, reader), &reader.config.allowed_origins))
        })
    }

    /// The same among the accounts that have video: with their sessions.
    ///
    /// # Errors
    /// [`NoAccount`].
    pub fn video(
        &self,
        origin: Option<&str>,
        named: Option<&AccountSid>,
    ) -> Result<(&Account, &Sessions), NoAccount> {
        self.select(origin, named, |account| {
            let sessions = account.video.as_ref()?;
            Some(((account, sessions), &sessions.config.allowed_origins))
        })
    }

    /// The session that a code is of, with those of its account; `None` where there is none.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn session_of_code(&self, code: &str) -> Result<Option<(&Sessions, Session)>, StoreError> {
        let digest = digest_of(code);
        let Some(id) = self.video.of_code(&digest).await? else { return Ok(None) };
        let found = self.session(&id).await?;
        Ok(found.filter(|(_, session)| session.knows_code(&digest)))
    }

    /// The session that a seat is of, with those of its account; `None` where there is no such seat.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn session_of_seat(&self, seat: &str) -> Result<Option<(&Sessions, Session)>, StoreError> {
        let Some(id) = session_of_seat(seat) else { return Ok(None) };
        let found = self.session(id).await?;
        let digest = digest_of(seat);
        Ok(found.filter(|(_, session)| session.has_seat(&digest)))
    }

    async fn session(&self, id: &str) -> Result<Option<(&Sessions, Session)>, StoreError> {
        let Some(stored) = self.video.load(id).await? else { return Ok(None) };
        Ok(self.sessions_of(&stored.session.account).map(|sessions| (sessions, stored.session)))
    }

    /// The sessions of an account, where it has video.
    #[must_use]
    pub fn sessions_of(&self, account: &AccountSid) -> Option<&Sessions> {
        self.sessions().find(|sessions| sessions.account() == account)
    }

    /// The accounts that have video: their sessions.
    pub fn sessions(&self) -> impl Iterator<Item = &Sessions> {
        self.accounts.iter().filter_map(|account| account.video.as_ref())
    }

    /// The one account of those that are `served`, each for its own origins.
    fn select<'s, A>(
        &'s self,
        origin: Option<&str>,
        named: Option<&AccountSid>,
        served: impl Fn(&'s Account) -> Option<(A, &'s BTreeSet<String>)>,
    ) -> Result<A, NoAccount> {
        let named = |account: &&Account| named.is_none_or(|sid| *sid == account.config.policy.account_sid);
        let mut found = self.accounts.iter().filter(named).filter_map(served).peekable();
        if found.peek().is_none() {
            return Err(NoAccount::Unknown);
        }
        let mut found = found.filter(|(_, origins)| origin.is_none_or(|origin| origins.contains(origin)));
        let (account, _) = found.next().ok_or(NoAccount::Origin)?;
        if found.next().is_some() { Err(NoAccount::Several) } else { Ok(account) }
    }

    /// The accounts whose history is read: who reads it.
    pub fn readers(&self) -> impl Iterator<Item = &Reader> {
        self.accounts.iter().filter_map(|account| account.history.as_ref())
    }

    /// The account that `/generateToken` is served for.
    #[must_use]
    pub fn legacy_account(&self) -> Option<&Account> {
        self.accounts.iter().find(|account| account.config.legacy_generate_token)
    }

    /// Exchanges the Flex token that came from `client`.
    ///
    /// # Errors
    /// [`ExchangeError`].
    pub async fn exchange(
        &self,
        account: &Account,
        client: Client,
        flex_token: &Secret,
    ) -> Result<Exchanged, ExchangeError> {
        let key = validation::key(flex_token);
        match account.flex_tokens.recall(&key) {
            // What is known costs Twilio nothing, and nobody's limit.
            Recalled::Answer(answer) => self.admit(account, answer).await,
            // In a box: it is large, and most answers are known or wait for Twilio anyway.
            recalled => {
                let admit = |answer| self.admit(account, answer);
                Box::pin(self.ask(account, client, flex_token, (key, recalled), admit)).await
            }
        }
    }

    /// Whose the Flex token is that came from `client`, unless an operator has shut them out.
    ///
    /// # Errors
    /// [`ExchangeError`].
    pub async fn user(
        &self,
        account: &Account,
        client: Client,
        flex_token: &Secret,
    ) -> Result<Arc<FlexUser>, ExchangeError> {
        let key = validation::key(flex_token);
        match account.flex_tokens.recall(&key) {
            Recalled::Answer(answer) => self.known(account, answer).await,
            recalled => {
                let known = |answer| self.known(account, answer);
                Box::pin(self.ask(account, client, flex_token, (key, recalled), known)).await
            }
        }
    }

    /// Asks Twilio, if it is this token's turn, and has the answer admitted.
    async fn ask<T, A: Future<Output = Result<T, ExchangeError>>>(
        &self,
        account: &Account,
        client: Client,
        flex_token: &Secret,
        (key, recalled): (Key, Recalled),
        admit: impl FnOnce(Answer) -> A,
    ) -> Result<T, ExchangeError> {
        let turn = match recalled {
            Recalled::Answer(_) | Recalled::Asked | Recalled::Vouched => Turn::Vouched,
            Recalled::Refused | Recalled::Nothing => {
                let turn = self.limits.turn(client, &key, matches!(recalled, Recalled::Refused)).await;
                turn.map_err(|wait| self.limited(LimitedBy::Address, wait))?
            }
        };
        let answer = account.flex_tokens.validate(key, flex_token).await;
        let refused = matches!(
            answer.result,
            Err(Unknown::FlexToken(FlexTokenError::Invalid { .. } | FlexTokenError::WrongAccount))
        );
        let fresh = answer.fresh;
        let admitted = admit(answer).await;
        // One question is one refusal, however many were waiting for its answer.
        let outcome = match &admitted {
            _ if refused && fresh => Outcome::Refused,
            Ok(_) if fresh => Outcome::Served,
            _ => Outcome::Neither,
        };
        self.limits.settle(client, turn, outcome).await;
        admitted
    }

    fn limited(&self, by: LimitedBy, wait: Wait) -> ExchangeError {
        self.metrics.limited(by.name());
        ExchangeError::TooOften { by, wait }
    }

    /// Whose the token is, if Twilio vouches for it.
    fn vouched(&self, answer: Answer) -> Result<Arc<FlexUser>, ExchangeError> {
        let user = answer.result.map_err(|unknown| match unknown {
            Unknown::FlexToken(error @ FlexTokenError::Unavailable(_)) => {
                ExchangeError::FlexToken { error, retry_after: self.retry_after(answer.wait) }
            }
            Unknown::FlexToken(error) => ExchangeError::FlexToken { error, retry_after: 0 },
            Unknown::NotAsked(why) => {
                ExchangeError::NotAsked { why, retry_after: self.retry_after(answer.wait) }
            }
        })?;
        self.retry().served(self.clock.elapsed());
        Ok(user)
    }

    /// Whose the token is, if they are not shut out.
    async fn known(&self, account: &Account, answer: Answer) -> Result<Arc<FlexUser>, ExchangeError> {
        let user = self.vouched(answer)?;
        let prefix = &account.config.policy.identity_prefix;
        let identity = user.identity.as_ref().and_then(|own| Identity::new(format!("{prefix}{own}")).ok());
        self.not_revoked(account, identity.as_ref(), user.worker_sid.as_ref()).await?;
        Ok(user)
    }

    /// Lets nobody through whom an operator has shut out.
    async fn not_revoked(
        &self,
        account: &Account,
        identity: Option<&Identity>,
        worker: Option<&WorkerSid>,
    ) -> Result<(), ExchangeError> {
        // In a box: as a rule there is nobody, and nothing to ask.
        if self.limits.may_be_revoked() && Box::pin(self.limits.is_revoked(&names(identity, worker))).await {
            let account = &account.config.policy.account_sid;
            let identity = identity.map(tracing::field::display);
            tracing::warn!(%account, token.identity = identity, "revoked: nothing is given");
            return Err(ExchangeError::Revoked);
        }
        Ok(())
    }

    /// Makes the token that Twilio's answer allows.
    async fn admit(&self, account: &Account, answer: Answer) -> Result<Exchanged, ExchangeError> {
        let user = self.vouched(answer)?;
        let (policy, now) = (&account.config.policy, self.clock.now());
        let admission = policy.admit(&user, now)?;
        self.not_revoked(account, Some(&admission.identity), user.worker_sid.as_ref()).await?;
        let standing = self.limits.check_mint(&policy.account_sid, &admission.identity).await;
        let standing = standing.map_err(|wait| self.limited(LimitedBy::Identity, wait))?;
        let mut random = [0; 12];
        self.random.fill(&mut random)?;
        let key = if account.config.auth_token.is_none() { account.flex_tokens.active() } else { 0 };
        let minted = policy.mint(admission, now, key, random)?;
        self.metrics.minted();
        tracing::info!(
            account = %policy.account_sid,
            token.identity = %minted.identity,
            token.jti = minted.jti,
            token.expires_in_s = minted.expires_in,
            "token minted"
        );
        Ok(Exchanged { minted, standing })
    }

    /// Shuts somebody out for this many minutes. Returns until when, how many remembered answers are forgotten with it, and which
    /// instances know.
    ///
    /// # Errors
    /// [`TooMany`].
    pub async fn revoke(&self, name: &Name, minutes: u32) -> Result<(Timestamp, usize, Reach), TooMany> {
        let until = self.clock.now().plus(u64::from(minutes) * 60_000);
        let reach = self.limits.revoke(name, until).await?;
        let forgotten = self.accounts.iter().map(|account| {
            let prefix = &account.config.policy.identity_prefix;
            account.flex_tokens.forget(|user| match name {
                Name::Identity(identity) => user
                    .identity
                    .as_ref()
                    .is_some_and(|own| identity.as_str().strip_prefix(prefix.as_str()) == Some(own.as_str())),
                Name::WorkerSid(worker) => user.worker_sid.as_ref() == Some(worker),
            })
        });
        let forgotten = forgotten.sum();
        tracing::warn!(revoked = %name, minutes, known_to = ?reach, "an operator has shut somebody out");
        Ok((until, forgotten, reach))
    }

    /// Lets somebody in again. Returns whether they were shut out, and which instances know.
    pub async fn restore(&self, name: &Name) -> (bool, Reach) {
        let (was_revoked, reach) = self.limits.restore(name).await;
        tracing::warn!(restored = %name, was_revoked, known_to = ?reach, "an operator has let somebody in again");
        (was_revoked, reach)
    }

    /// Forgets what nobody can need any more. To be called every minute or so, or memory grows.
    pub fn forget_old(&self) {
        self.limits.forget_old();
        for account in &self.accounts {
            account.flex_tokens.forget_old();
            account.history.iter().for_each(Reader::forget_old);
            account.video.iter().for_each(Sessions::forget_old);
        }
    }

    /// When a client that is sent away should come back, in seconds: not before `wait`, and spread, so that not all of
    /// them come at once.
    #[must_use]
    pub fn retry_after(&self, wait: Duration) -> u64 {
        let mut random = [0];
        // Not spread is better than no answer.
        self.random.fill(&mut random).unwrap_or_default();
        let retry_after = self.retry().sent_away(self.clock.elapsed(), random[0]);
        retry_after.max(Wait(wait).seconds())
    }

    fn retry(&self) -> std::sync::MutexGuard<'_, RetryAfter> {
        self.retry.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The second since the Unix epoch, for logs and people.
#[must_use]
pub fn iso_8601(second: u64) -> String {
    let instant = i64::try_from(second).ok().and_then(|second| jiff::Timestamp::from_second(second).ok());
    instant.map(|instant| instant.to_string()).unwrap_or_default()
}

/// By which an agent may be shut out.
fn names(identity: Option<&Identity>, worker: Option<&WorkerSid>) -> Vec<Name> {
    let identity = identity.cloned().map(Name::Identity);
    identity.into_iter().chain(worker.cloned().map(Name::WorkerSid)).collect()
}

impl AccountConfig {
    /// What Twilio may be asked with: the auth token, or the API keys in their order.
    #[must_use]
    pub fn credentials(&self) -> Vec<Credentials> {
        match &self.auth_token {
            Some(auth_token) => vec![Credentials::auth_token(&self.policy.account_sid, auth_token.clone())],
            None => self.policy.api_keys.iter().map(Credentials::api_key).collect(),
        }
    }
}
