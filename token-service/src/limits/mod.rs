//! How often somebody may fail, and how often be served.
//!
//! Failures are counted by client address: whoever tries out Flex tokens makes us ask Twilio, at our account's cost.
//! Successes are counted by identity and not by address, because a whole contact centre can sit behind one.
//! What costs Twilio no question (no token, a malformed body) is not counted.
//!
//! Each replica counts for itself, unless there is a Redis, in which all count together. While it does not answer, each
//! replica counts for itself again: limits that are too generous are better than no tokens.

pub mod shared;

use std::{
    collections::HashMap,
    net::{IpAddr, Ipv6Addr},
    num::NonZeroU32,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use governor::{
    NotUntil, Quota, RateLimiter,
    clock::{Clock as _, Reference as _},
    middleware::{NoOpMiddleware, StateInformationMiddleware},
    nanos::Nanos,
    state::keyed::DashMapStateStore,
};
use protocol::{AccountSid, Identity};

use crate::{metrics::Metrics, outside::Clock};
use shared::{Count, Mode, Rate, Shared};

/// Our clock, as the limiter wants it.
#[derive(Clone)]
pub(crate) struct LimiterClock(pub(crate) Arc<dyn Clock>);

impl governor::clock::Clock for LimiterClock {
    type Instant = Nanos;

    fn now(&self) -> Nanos {
        self.0.elapsed().into()
    }
}

type Limiter<K, M> = RateLimiter<K, DashMapStateStore<K>, LimiterClock, M>;

/// Too often; this much later it is allowed again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Wait(pub Duration);

impl Wait {
    /// For `Retry-After`: whole seconds, at least one.
    #[must_use]
    pub fn seconds(self) -> u64 {
        self.0.as_secs() + u64::from(self.0.subsec_nanos() > 0 || self.0.is_zero())
    }
}

/// What is limited.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LimitedBy {
    /// Refused Flex tokens of a client's address.
    Address,
    /// Voice tokens of an identity.
    Identity,
}

impl LimitedBy {
    /// For headers and metrics.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Address => "address",
            Self::Identity => "identity",
        }
    }
}

/// How many more are allowed, for the `RateLimit` header.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Standing {
    /// So many in a minute, and at once.
    pub limit: u32,
    /// So many now.
    pub remaining: u32,
}

impl Standing {
    /// Seconds until as many as ever are allowed again.
    #[must_use]
    pub fn reset_seconds(self) -> u64 {
        (u64::from(self.limit.saturating_sub(self.remaining)) * 60).div_ceil(u64::from(self.limit.max(1)))
    }
}

/// The counters.
pub struct Limits {
    shared: Option<Shared>,
    metrics: Arc<Metrics>,
    clock: LimiterClock,
    failures_rate: Rate,
    failures: Limiter<IpAddr, NoOpMiddleware<Nanos>>,
    /// Who has used up the failures, and until when.
    held: Mutex<HashMap<IpAddr, Nanos>>,
    mints: Limiter<String, StateInformationMiddleware>,
    mints_per_minute: NonZeroU32,
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
        let clock = LimiterClock(clock);
        let failures_rate =
            Rate { per_minute: failures_per_minute, burst: failures_per_minute.saturating_mul(TWO) };
        let failures =
            Quota::per_minute(failures_per_minute).allow_burst(failures_per_minute.saturating_mul(TWO));
        let mints = Quota::per_minute(mints_per_minute);
        Self {
            shared,
            metrics,
            failures_rate,
            failures: RateLimiter::new(failures, DashMapStateStore::default(), clock.clone()),
            held: Mutex::default(),
            mints: RateLimiter::new(mints, DashMapStateStore::default(), clock.clone()),
            mints_per_minute,
            clock,
        }
    }

    /// May this client try?
    ///
    /// # Errors
    /// [`Wait`] when it has failed too often.
    pub async fn check_client(&self, client: IpAddr) -> Result<(), Wait> {
        if let Some(count) = self.ask(&failure_key(client), self.failures_rate, Mode::Look).await {
            return if count.wait.is_zero() { Ok(()) } else { Err(Wait(count.wait)) };
        }
        let now = self.clock.now();
        let held = self.held.lock().unwrap_or_else(PoisonError::into_inner);
        match held.get(&network(client)) {
            Some(until) if *until > now => Err(Wait(until.duration_since(now).into())),
            _ => Ok(()),
        }
    }

    /// This client has brought a Flex token that Twilio refused.
    pub async fn record_failure(&self, client: IpAddr) {
        if self.ask(&failure_key(client), self.failures_rate, Mode::Add).await.is_some() {
            return;
        }
        let network = network(client);
        if let Err(not_until) = self.failures.check_key(&network) {
            let mut held = self.held.lock().unwrap_or_else(PoisonError::into_inner);
            held.insert(network, not_until.earliest_possible());
        }
    }

    /// May this identity have a token? Counts it if so.
    ///
    /// # Errors
    /// [`Wait`] when it has had too many.
    pub async fn check_mint(&self, account: &AccountSid, identity: &Identity) -> Result<Standing, Wait> {
        let (key, limit) = (format!("{account}:{identity}"), self.mints_per_minute);
        let rate = Rate { per_minute: limit, burst: limit };
        if let Some(count) = self.ask(&format!("mint:{key}"), rate, Mode::Take).await {
            let standing = Standing { limit: limit.get(), remaining: count.remaining };
            return if count.wait.is_zero() { Ok(standing) } else { Err(Wait(count.wait)) };
        }
        let left = self
            .mints
            .check_key(&key)
            .map_err(|not_until: NotUntil<Nanos>| Wait(not_until.wait_time_from(self.clock.now())))?;
        Ok(Standing { limit: limit.get(), remaining: left.remaining_burst_capacity() })
    }

    /// Redis' answer; `None` without one, or without an answer.
    async fn ask(&self, key: &str, rate: Rate, mode: Mode) -> Option<Count> {
        // In a box: it is large, and most have no Redis.
        match Box::pin(self.shared.as_ref()?.count(key, rate, mode)).await {
            Ok(count) => Some(count),
            Err(error) => {
                self.metrics.shared_limits_failed();
                // Its kind only: its text could repeat an address with a password.
                tracing::warn!(kind = ?error.kind(), "Redis does not answer: this replica counts for itself");
                None
            }
        }
    }

    /// Forgets whoever could start afresh anyway. To be called every minute or so, or memory grows.
    pub fn forget_old(&self) {
        self.failures.retain_recent();
        self.failures.shrink_to_fit();
        self.mints.retain_recent();
        self.mints.shrink_to_fit();
        let now = self.clock.now();
        let mut held = self.held.lock().unwrap_or_else(PoisonError::into_inner);
        held.retain(|_, until| *until > now);
        held.shrink_to_fit();
    }
}

const TWO: NonZeroU32 = NonZeroU32::MIN.saturating_add(1);

fn failure_key(client: IpAddr) -> String {
    format!("fail:{}", network(client))
}

/// What counts as one client: an IPv4 address, or an IPv6 network of 64 bits, since one host may have all of it.
pub(crate) fn network(client: IpAddr) -> IpAddr {
    match client.to_canonical() {
        IpAddr::V6(v6) => IpAddr::V6(Ipv6Addr::from_bits(v6.to_bits() & !u128::from(u64::MAX))),
        v4 => v4,
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicU64, Ordering};

    use protocol::Timestamp;

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

    #[tokio::test]
    async fn twenty_failures_at_once_are_forgiven_then_one_in_six_seconds() {
        let (limits, clock) = limits();
        let client = IpAddr::from([192, 0, 2, 1]);
        for _ in 0..20 {
            assert_eq!(limits.check_client(client).await, Ok(()));
            limits.record_failure(client).await;
        }
        assert_eq!(limits.check_client(client).await, Ok(()));
        limits.record_failure(client).await;
        assert_eq!(limits.check_client(client).await, Err(Wait(Duration::from_secs(6))));
        assert_eq!(
            limits.check_client(IpAddr::from([192, 0, 2, 2])).await,
            Ok(()),
            "another client is unaffected"
        );
        clock.0.store(6, Ordering::SeqCst);
        assert_eq!(limits.check_client(client).await, Ok(()));
    }

    #[test]
    fn an_ipv6_network_is_one_client_and_a_mapped_ipv4_address_is_its_own() {
        assert_eq!(network("2001:db8::1".parse().unwrap()), network("2001:db8::2:3".parse().unwrap()));
        assert_ne!(network("2001:db8::1".parse().unwrap()), network("2001:db8:0:1::1".parse().unwrap()));
        assert_eq!(network("::ffff:192.0.2.1".parse().unwrap()), IpAddr::from([192, 0, 2, 1]));
    }

    #[tokio::test]
    async fn old_entries_are_forgotten() {
        let (limits, clock) = limits();
        for last in 0..=255 {
            let client = IpAddr::from([192, 0, 2, last]);
            for _ in 0..30 {
                limits.record_failure(client).await;
            }
            let account = AccountSid::new(format!("AC{}", "1".repeat(32))).unwrap();
            limits.check_mint(&account, &Identity::new(format!("a{last}")).unwrap()).await.unwrap();
        }
        limits.forget_old();
        assert_eq!((limits.failures.len(), limits.mints.len()), (256, 256));
        clock.0.store(3600, Ordering::SeqCst);
        limits.forget_old();
        assert_eq!((limits.failures.len(), limits.mints.len()), (0, 0));
        assert!(limits.held.lock().unwrap().is_empty());
    }

    #[test]
    fn waiting_is_said_in_whole_seconds_and_never_zero() {
        for (wait, seconds) in [(0, 1), (1, 1), (999, 1), (1000, 1), (1001, 2)] {
            assert_eq!(Wait(Duration::from_millis(wait)).seconds(), seconds, "{wait}");
        }
    }
}
