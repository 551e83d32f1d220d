//! How often somebody may do something: what all limits have in common.

use std::{
    hash::Hash,
    net::{IpAddr, Ipv6Addr},
    num::NonZeroU32,
    sync::Arc,
    time::Duration,
};

use axum::http::HeaderName;
use governor::{
    NotUntil, Quota, RateLimiter, clock::Clock as _, middleware::StateInformationMiddleware, nanos::Nanos,
    state::keyed::DashMapStateStore,
};

use crate::env::Clock;

/// `RateLimit` and `RateLimit-Policy` of the IETF's draft "RateLimit header fields for HTTP", version 10.
pub const RATE_LIMIT: HeaderName = HeaderName::from_static("ratelimit");
/// See [`RATE_LIMIT`].
pub const RATE_LIMIT_POLICY: HeaderName = HeaderName::from_static("ratelimit-policy");

/// A rate per minute, and a burst.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Rate {
    /// Gained each minute.
    pub per_minute: NonZeroU32,
    /// At once.
    pub burst: NonZeroU32,
}

impl Rate {
    /// After so long, one more is allowed.
    #[must_use]
    pub fn interval(self) -> Duration {
        Duration::from_micros((60_000_000 / u64::from(self.per_minute.get())).max(1))
    }
}

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

/// Our clock, as the limiter wants it.
#[derive(Clone)]
struct LimiterClock(Arc<dyn Clock>);

impl governor::clock::Clock for LimiterClock {
    type Instant = Nanos;

    fn now(&self) -> Nanos {
        self.0.elapsed().into()
    }
}

/// Allows each key so much of a rate, in the memory of this instance.
pub struct Limiter<K: Clone + Eq + Hash> {
    limiter: RateLimiter<K, DashMapStateStore<K>, LimiterClock, StateInformationMiddleware>,
    clock: LimiterClock,
    rate: Rate,
}

impl<K: Clone + Eq + Hash> Limiter<K> {
    /// Nobody has had anything yet.
    #[must_use]
    pub fn new(rate: Rate, clock: Arc<dyn Clock>) -> Self {
        let clock = LimiterClock(clock);
        let quota = Quota::with_period(rate.interval()).unwrap_or(Quota::per_minute(rate.per_minute));
        let quota = quota.allow_burst(rate.burst);
        Self { limiter: RateLimiter::new(quota, DashMapStateStore::default(), clock.clone()), clock, rate }
    }

    /// May this one? Counts it if so.
    ///
    /// # Errors
    /// [`Wait`] when it has had too much.
    pub fn check(&self, key: &K) -> Result<Standing, Wait> {
        let left = self
            .limiter
            .check_key(key)
            .map_err(|not_until: NotUntil<Nanos>| Wait(not_until.wait_time_from(self.clock.now())))?;
        Ok(Standing { limit: self.rate.per_minute.get(), remaining: left.remaining_burst_capacity() })
    }

    /// So many keys are counted.
    #[must_use]
    pub fn len(&self) -> usize {
        self.limiter.len()
    }

    /// True when none is.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.limiter.is_empty()
    }

    /// Forgets whoever could start afresh anyway. To be called every minute or so, or memory grows.
    pub fn forget_old(&self) {
        self.limiter.retain_recent();
        self.limiter.shrink_to_fit();
    }
}

/// What counts as one client: an IPv4 address, or an IPv6 network of 64 bits, since one host may have all of it.
#[must_use]
pub fn network(client: IpAddr) -> IpAddr {
    match client.to_canonical() {
        IpAddr::V6(v6) => IpAddr::V6(Ipv6Addr::from_bits(v6.to_bits() & !u128::from(u64::MAX))),
        v4 => v4,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_ipv6_network_is_one_client_and_a_mapped_ipv4_address_is_its_own() {
        assert_eq!(network("2001:db8::1".parse().unwrap()), network("2001:db8::2:3".parse().unwrap()));
        assert_ne!(network("2001:db8::1".parse().unwrap()), network("2001:db8:0:1::1".parse().unwrap()));
        assert_eq!(network("::ffff:192.0.2.1".parse().unwrap()), IpAddr::from([192, 0, 2, 1]));
    }

    #[test]
    fn waiting_is_said_in_whole_seconds_and_never_zero() {
        for (wait, seconds) in [(0, 1), (1, 1), (999, 1), (1000, 1), (1001, 2)] {
            assert_eq!(Wait(Duration::from_millis(wait)).seconds(), seconds, "{wait}");
        }
    }
}
