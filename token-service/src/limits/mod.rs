//! How often somebody may fail, and how often be served.
//!
//! Failures are counted by client address: whoever tries out Flex tokens makes us ask Twilio, at our account's cost. An
//! address that has had too many is not shut out, since there may be a whole contact centre behind it: see [`site`].
//! Successes are counted by identity and not by address, for the same reason.
//! What costs Twilio no question (no token, a malformed body, an answer that is remembered) is not counted.
//!
//! Each replica counts for itself, unless there is a Redis, in which all count together. While it does not answer, each
//! replica counts for itself again: limits that are too generous are better than no tokens.

pub mod shared;
pub mod site;

use std::{
    net::IpAddr,
    num::NonZeroU32,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use kernel::{AccountSid, Identity, Timestamp};
pub use service_kit::limits::{Rate, Standing, Wait};
use service_kit::{
    cache::Key,
    env::Clock,
    limits::{Limiter, network},
};

use crate::{
    metrics::Metrics,
    revocations::{Name, Reach, Revocations, TooMany},
};
use shared::{Count, Mode, NoAnswer, Said, Shared};
pub use site::Door;
use site::{COME_AGAIN, Site, Sites};

/// What is limited.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LimitedBy {
    /// Refused Flex tokens of a client's address.
    Address,
    /// Voice tokens of an identity.
    Identity,
    /// What a worker reads of chat history.
    Worker,
}

impl LimitedBy {
    /// For headers and metrics.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Address => "address",
            Self::Identity => "identity",
            Self::Worker => "worker",
        }
    }
}

/// Who asks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Client {
    /// From where.
    pub address: IpAddr,
    /// And through which door.
    pub door: Door,
}

impl Client {
    fn site(self) -> Site {
        Site { network: network(self.address), door: self.door }
    }
}

/// On whose account Twilio is asked about a token. Whoever has one must say how it went: [`Limits::settle`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Turn {
    /// The token was good the last time.
    Vouched,
    /// The address's own allowance of refusals.
    Own {
        /// There have been refusals lately.
        owes: bool,
    },
    /// What the unknown tokens of an address share whose allowance is used up.
    Share,
}

/// What came of a question.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// Twilio refused the Flex token.
    Refused,
    /// There is a Voice token.
    Served,
    /// Neither: Twilio could not be asked, or the user may have none.
    Neither,
}
pub struct Limits {
    shared: Option<Shared>,
    metrics: Arc<Metrics>,
    clock: Arc<dyn Clock>,
    refusals: Rate,
    share: Rate,
    sites: Mutex<Sites>,
    revocations: Mutex<Revocations>,
    mints: Limiter<String>,
    mint_rate: Rate,
}

impl Limits {
    /// `failures_per_minute` for each client address, with twice as many at once; `mints_per_minute` for each identity,
    /// with as many at once.
    #[must_use]
    pub fn new(
        failures_per_minute: NonZeroU32,
        mints_per_minute: NonZeroU32,
        clock: Arc<dyn Clock>,
        shared: Option<Shared>,
        metrics: Arc<Metrics>,
    ) -> Self {
        let (refusals, share) = (site::refusals(failures_per_minute), site::share(failures_per_minute));
        let mint_rate = Rate { per_minute: mints_per_minute, burst: mints_per_minute };
        Self {
            shared,
            metrics,
            refusals,
            share,
            sites: Mutex::new(Sites::new(refusals, share)),
            revocations: Mutex::default(),
            mints: Limiter::new(mint_rate, Arc::clone(&clock)),
            mint_rate,
            clock,
        }
    }

    /// May Twilio be asked about this token, of which nothing good is known? `was_refused` says that Twilio has refused it
    /// lately: such a token has no part in the share.
    ///
    /// # Errors
    /// [`Wait`] when the client should come again.
    pub async fn turn(&self, client: Client, token: &Key, was_refused: bool) -> Result<Turn, Wait> {
        let (wait, owes) = self.standing(client).await;
        if wait.is_zero() {
            return Ok(Turn::Own { owes });
        }
        if was_refused {
            return Err(Wait(wait));
        }
        let is_its_turn =
            match self.shared(|shared| shared.take_share(client.site(), self.share, token)).await {
                Some(is_its_turn) => is_its_turn,
                None => self.sites().take_share(client.site(), token, self.now()),
            };
        if is_its_turn { Ok(Turn::Share) } else { Err(Wait(COME_AGAIN)) }
    }

    /// Until when the client has had more refused than it may, and whether it has had any.
    async fn standing(&self, client: Client) -> (Duration, bool) {
        let site = client.site();
        match self.count(&refusals_key(site), self.refusals, Mode::Look).await {
            Some(count) => (count.wait, count.remaining < self.refusals.burst.get()),
            None => self.sites().refusals(site, self.now()),
        }
    }

    /// How the question went that somebody had a turn for.
    pub async fn settle(&self, client: Client, turn: Turn, outcome: Outcome) {
        let site = client.site();
        match (turn, outcome) {
            // The share is for that.
            (Turn::Share, Outcome::Refused) => {}
            (_, Outcome::Refused) => {
                if self.count(&refusals_key(site), self.refusals, Mode::Add).await.is_none() {
                    self.sites().refused(site, self.now());
                }
            }
            (turn, outcome) => {
                if turn == Turn::Share
                    && self.count(&shared::share_key(site), self.share, Mode::GiveBack).await.is_none()
                {
                    self.sites().give_back_share(site);
                }
                if outcome == Outcome::Served
                    && matches!(turn, Turn::Share | Turn::Own { owes: true })
                    && self.count(&refusals_key(site), self.refusals, Mode::GiveBack).await.is_none()
                {
                    self.sites().served(site);
                }
            }
        }
    }

    /// May this identity have a token? Counts it if so.
    ///
    /// # Errors
    /// [`Wait`] when it has had too many.
    pub async fn check_mint(&self, account: &AccountSid, identity: &Identity) -> Result<Standing, Wait> {
        let key = format!("{account}:{identity}");
        if let Some(count) = self.count(&format!("mint:{key}"), self.mint_rate, Mode::Take).await {
            let standing = Standing { limit: self.mint_rate.per_minute.get(), remaining: count.remaining };
            return if count.wait.is_zero() { Ok(standing) } else { Err(Wait(count.wait)) };
        }
        self.mints.check(&key)
    }

    /// False when it is certain that nobody is shut out.
    #[must_use]
    pub fn may_be_revoked(&self) -> bool {
        self.shared.is_some() || !self.own_revocations().is_empty()
    }

    /// Has an operator shut one of these out?
    pub async fn is_revoked(&self, names: &[Name]) -> bool {
        let now = self.clock.now();
        let said = self.shared(|shared| shared.revoked(names)).await;
        let mut revocations = self.own_revocations();
        for (name, said) in names.iter().zip(said.into_iter().flatten()) {
            match said {
                // So that it holds also while Redis is away. Were there too many, Redis would still say so.
                Some(Said::Revoked(until)) => revocations.revoke(name.clone(), until).unwrap_or_default(),
                Some(Said::Restored) => drop(revocations.restore(name)),
                // Redis has forgotten, or never knew.
                None => {}
            }
        }
        revocations.until(names, now).is_some()
    }

    /// Shuts somebody out.
    ///
    /// # Errors
    /// [`TooMany`].
    pub async fn revoke(&self, name: &Name, until: Timestamp) -> Result<Reach, TooMany> {
        let now = self.clock.now();
        self.own_revocations().revoke(name.clone(), until)?;
        Ok(reach(self.shared(|shared| shared.revoke(name, Said::Revoked(until), now)).await))
    }

    /// Lets somebody in again; false when this instance does not know that they were shut out.
    pub async fn restore(&self, name: &Name) -> (bool, Reach) {
        // Also those of whom only Redis has heard.
        let known = self.is_revoked(std::slice::from_ref(name)).await;
        let now = self.clock.now();
        self.own_revocations().restore(name);
        (known, reach(self.shared(|shared| shared.revoke(name, Said::Restored, now)).await))
    }

    /// Who is shut out, until when, and which instances know.
    pub async fn revocations(&self) -> (Vec<(Name, Timestamp)>, Reach) {
        let now = self.clock.now();
        let shared = self.shared(|shared| shared.revocations(now)).await;
        let reach = reach(shared.as_ref().map(drop));
        let mut revocations = self.own_revocations();
        for (name, said) in shared.into_iter().flatten() {
            match said {
                Said::Revoked(until) => revocations.revoke(name, until).unwrap_or_default(),
                Said::Restored => drop(revocations.restore(&name)),
            }
        }
        revocations.forget_old(now);
        (revocations.iter().map(|(name, until)| (name.clone(), until)).collect(), reach)
    }

    fn own_revocations(&self) -> MutexGuard<'_, Revocations> {
        self.revocations.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Redis' count; `None` without one, or without an answer.
    async fn count(&self, key: &str, rate: Rate, mode: Mode) -> Option<Count> {
        self.shared(|shared| shared.count(key, rate, mode)).await
    }

    /// Redis' answer; `None` without one, or without an answer.
    async fn shared<'s, A, F>(&'s self, ask: impl FnOnce(&'s Shared) -> F) -> Option<A>
    where
        F: Future<Output = Result<A, NoAnswer>>,
    {
        // In a box: it is large, and most have no Redis.
        match Box::pin(ask(self.shared.as_ref()?)).await {
            Ok(answer) => Some(answer),
            Err(why) => {
                self.metrics.shared_limits_failed();
                tracing::warn!(%why, "this replica counts for itself");
                None
            }
        }
    }

    /// Forgets whoever could start afresh anyway. To be called every minute or so, or memory grows.
    pub fn forget_old(&self) {
        self.mints.forget_old();
        self.sites().forget_old(self.now());
        self.own_revocations().forget_old(self.clock.now());
    }

    fn sites(&self) -> MutexGuard<'_, Sites> {
        self.sites.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn now(&self) -> Duration {
        self.clock.elapsed()
    }
}

const fn reach(shared: Option<()>) -> Reach {
    match shared {
        Some(()) => Reach::AllReplicas,
        None => Reach::ThisReplica,
    }
}

fn refusals_key(site: Site) -> String {
    match site.door {
        Door::VoiceToken => format!("fail:{}", site.network),
        Door::GenerateToken => format!("fail:{}:generateToken", site.network),
        Door::History => format!("fail:{}:history", site.network),
        Door::Video => format!("fail:{}:video", site.network),
        Door::VideoPage => format!("fail:{}:videoPage", site.network),
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicU64, Ordering};

    use kernel::Timestamp;

    use super::*;

    #[derive(Default)]
    struct Seconds(AtomicU64);

    impl Clock for Seconds {
        fn now(&self) -> Timestamp {
            Timestamp::default()
        }
        fn elapsed(&self) -> Duration {
            Duration::from_secs(self.0.load(Ordering::SeqCst))
        }
    }

    fn limits() -> (Limits, Arc<Seconds>) {
        let clock = Arc::new(Seconds::default());
        let per_minute = |n| NonZeroU32::new(n).unwrap();
        (Limits::new(per_minute(10), per_minute(6), Arc::clone(&clock) as _, None, Arc::default()), clock)
    }

    fn at(address: [u8; 4], door: Door) -> Client {
        Client { address: address.into(), door }
    }

    /// Somebody who tries out tokens, or a tab that sends a stale one for ever.
    async fn refused_again(limits: &Limits, client: Client) -> Result<(), Wait> {
        let turn = limits.turn(client, &Key::default(), true).await?;
        limits.settle(client, turn, Outcome::Refused).await;
        Ok(())
    }

    #[tokio::test]
    async fn twenty_failures_at_once_are_forgiven_then_one_in_six_seconds() {
        let (limits, clock) = limits();
        let client = at([192, 0, 2, 1], Door::VoiceToken);
        for _ in 0..21 {
            assert_eq!(refused_again(&limits, client).await, Ok(()));
        }
        assert_eq!(refused_again(&limits, client).await, Err(Wait(Duration::from_secs(6))));
        let other = at([192, 0, 2, 2], Door::VoiceToken);
        assert_eq!(refused_again(&limits, other).await, Ok(()), "another client is unaffected");
        let other = at([192, 0, 2, 1], Door::GenerateToken);
        assert_eq!(refused_again(&limits, other).await, Ok(()), "the other door is unaffected");
        clock.0.store(6, Ordering::SeqCst);
        assert_eq!(refused_again(&limits, client).await, Ok(()));
    }

    #[tokio::test]
    async fn refusals_that_were_under_way_together_are_all_held_against_the_address() {
        let (limits, clock) = limits();
        let client = at([192, 0, 2, 1], Door::VoiceToken);
        for _ in 0..30 {
            limits.settle(client, Turn::Own { owes: true }, Outcome::Refused).await;
        }
        assert_eq!(refused_again(&limits, client).await, Err(Wait(Duration::from_secs(60))));
        for _ in 0..1_000 {
            limits.settle(client, Turn::Own { owes: true }, Outcome::Refused).await;
        }
        assert_eq!(refused_again(&limits, client).await, Err(Wait(Duration::from_secs(600))), "and no more");
        clock.0.store(600, Ordering::SeqCst);
        assert_eq!(refused_again(&limits, client).await, Ok(()));
    }

    #[tokio::test]
    async fn each_agent_who_is_served_lets_their_address_fail_once_more() {
        let (limits, _clock) = limits();
        let client = at([192, 0, 2, 1], Door::VoiceToken);
        while refused_again(&limits, client).await.is_ok() {}
        for _ in 0..5 {
            limits.settle(client, Turn::Own { owes: true }, Outcome::Served).await;
        }
        for _ in 0..5 {
            assert_eq!(refused_again(&limits, client).await, Ok(()));
        }
        assert!(refused_again(&limits, client).await.is_err());
    }

    #[tokio::test]
    async fn old_entries_are_forgotten() {
        let (limits, clock) = limits();
        for last in 0..=255 {
            let client = at([192, 0, 2, last], Door::VoiceToken);
            while refused_again(&limits, client).await.is_ok() {}
            assert!(limits.turn(client, &Key::default(), false).await.is_err());
            let account = AccountSid::new(format!("AC{}", "1".repeat(32))).unwrap();
            limits.check_mint(&account, &Identity::new(format!("a{last}")).unwrap()).await.unwrap();
        }
        limits.forget_old();
        assert_eq!((limits.sites().len(), limits.mints.len()), (256, 256));
        clock.0.store(3600, Ordering::SeqCst);
        limits.forget_old();
        assert_eq!((limits.sites().len(), limits.mints.len()), (0, 0));
    }
}
