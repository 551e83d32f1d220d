//! Limits that replicas share, with a real Redis: `redis-server` of the distribution. Where there is none, the tests say
//! so and pass.

#![expect(clippy::unwrap_used, reason = "a helper of a test may panic, as the test itself may")]
#![expect(clippy::print_stderr, reason = "a test that is left out says so")]

use std::{
    net::{IpAddr, TcpListener},
    num::NonZeroU32,
    process::{Child, Command, Stdio},
    sync::Arc,
    time::Duration,
};

use protocol::{AccountSid, Identity, Secret, Timestamp};
use token_service::{
    limits::{Limits, Wait, shared::Shared},
    metrics::Metrics,
    outside::Clock,
};

struct Redis {
    child: Child,
    port: u16,
}

impl Drop for Redis {
    fn drop(&mut self) {
        self.child.kill().ok();
        self.child.wait().ok();
    }
}

impl Redis {
    /// Without a disk, on a free port of this machine; `None` where it is not installed.
    async fn start(port: Option<u16>) -> Option<Self> {
        let free = || TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
        let port = port.unwrap_or_else(free);
        let child = Command::new("redis-server")
            .args(["--port", &port.to_string(), "--bind", "127.0.0.1", "--save", "", "--appendonly", "no"])
            .args(["--requirepass", "canary"])
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn();
        let Ok(child) = child else {
            eprintln!("skipped: redis-server is not installed");
            return None;
        };
        let redis = Self { child, port };
        for _ in 0..200 {
            if tokio::net::TcpStream::connect(("127.0.0.1", port)).await.is_ok() {
                return Some(redis);
            }
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
        panic!("redis-server does not listen");
    }

    fn url(&self) -> Secret {
        Secret::new(format!("redis://:canary@127.0.0.1:{}/0", self.port))
    }
}

/// Time stands still for what a replica counts itself; Redis has its own clock.
struct Still;

impl Clock for Still {
    fn now(&self) -> Timestamp {
        Timestamp::default()
    }
    fn elapsed(&self) -> Duration {
        Duration::ZERO
    }
}

fn replica(url: &Secret, per_minute: u32) -> (Limits, Arc<Metrics>) {
    let metrics = Arc::new(Metrics::default());
    let rate = NonZeroU32::new(per_minute).unwrap();
    // What is tested is the counting, on a machine that may stand still for a while.
    let shared = Some(Shared::new(url, Duration::from_secs(10)).unwrap());
    (Limits::new(rate, rate, Arc::new(Still), shared, Arc::clone(&metrics)), metrics)
}

fn ann() -> (AccountSid, Identity) {
    (AccountSid::new(format!("AC{}", "1".repeat(32))).unwrap(), Identity::new("ext_ann").unwrap())
}

#[tokio::test]
async fn two_replicas_count_tokens_together_and_other_identities_apart() {
    let Some(redis) = Redis::start(None).await else { return };
    let ((one, metrics), (two, _)) = (replica(&redis.url(), 4), replica(&redis.url(), 4));
    let (account, identity) = ann();
    let mut remaining = Vec::new();
    for limits in [&one, &two, &one, &two] {
        remaining.push(limits.check_mint(&account, &identity).await.unwrap().remaining);
    }
    assert_eq!(remaining, [3, 2, 1, 0]);
    for limits in [&one, &two] {
        let Err(Wait(wait)) = limits.check_mint(&account, &identity).await else { panic!("too many") };
        assert!((Duration::from_secs(1)..=Duration::from_secs(15)).contains(&wait), "{wait:?}");
    }
    let other = Identity::new("ext_bob").unwrap();
    assert!(one.check_mint(&account, &other).await.is_ok());
    let elsewhere = AccountSid::new(format!("AC{}", "2".repeat(32))).unwrap();
    assert!(one.check_mint(&elsewhere, &identity).await.is_ok());
    assert!(metrics.render().contains("token_service_shared_limits_failures_total 0"));
}

#[tokio::test]
async fn two_replicas_count_failures_together() {
    let Some(redis) = Redis::start(None).await else { return };
    let ((one, _), (two, _)) = (replica(&redis.url(), 2), replica(&redis.url(), 2));
    let client = IpAddr::from([192, 0, 2, 1]);
    for limits in [&one, &two, &one, &two] {
        assert_eq!(limits.check_client(client).await, Ok(()));
        limits.record_failure(client).await;
    }
    assert_eq!(two.check_client(client).await, Ok(()));
    two.record_failure(client).await;
    let Err(Wait(wait)) = one.check_client(client).await else { panic!("too many") };
    assert!((Duration::from_secs(1)..=Duration::from_secs(30)).contains(&wait), "{wait:?}");
    assert_eq!(one.check_client(IpAddr::from([192, 0, 2, 2])).await, Ok(()));
}

#[tokio::test]
async fn while_redis_is_away_each_replica_counts_for_itself_and_afterwards_together_again() {
    let Some(redis) = Redis::start(None).await else { return };
    let (port, url) = (redis.port, redis.url());
    let (limits, metrics) = replica(&url, 3);
    let (account, identity) = ann();
    assert_eq!(limits.check_mint(&account, &identity).await.unwrap().remaining, 2);
    drop(redis);
    for remaining in [2, 1, 0] {
        assert_eq!(limits.check_mint(&account, &identity).await.unwrap().remaining, remaining);
    }
    assert!(limits.check_mint(&account, &identity).await.is_err());
    assert!(metrics.render().contains("token_service_shared_limits_failures_total 4"));
    let _redis = Redis::start(Some(port)).await.unwrap();
    for _ in 0..200 {
        // A Redis that has forgotten everything allows what the replica's own count does not.
        if limits.check_mint(&account, &identity).await.is_ok() {
            return;
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    panic!("Redis is not used again");
}

#[tokio::test]
async fn a_redis_that_was_never_there_costs_nobody_a_token() {
    let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let (limits, _) = replica(&Secret::new(format!("redis://127.0.0.1:{port}")), 3);
    let (account, identity) = ann();
    assert_eq!(limits.check_client(IpAddr::from([192, 0, 2, 1])).await, Ok(()));
    assert_eq!(limits.check_mint(&account, &identity).await.unwrap().remaining, 2);
}

#[test]
fn an_address_that_is_none_is_refused_without_being_repeated() {
    for bad in ["", "canary", "http://canary@x", "redis://"] {
        let Err(error) = token_service::limits::shared::client(&Secret::new(bad)) else { continue };
        assert!(!error.to_string().contains("canary"));
    }
    assert!(token_service::limits::shared::client(&Secret::new("canary")).is_err());
    assert!(token_service::limits::shared::client(&Secret::new("rediss://:x@cache.example:6380/1")).is_ok());
}
