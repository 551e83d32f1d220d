//! Limits that replicas share, with a real Redis: `redis-server` of the distribution. Where there is none, the tests say
//! so and pass.

#![expect(clippy::unwrap_used, reason = "a helper of a test may panic, as the test itself may")]

mod support;

use std::{
    net::{IpAddr, TcpListener},
    num::NonZeroU32,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use kernel::{AccountSid, Identity, Secret, Timestamp};
use service_kit::{cache::Key, env::Clock};
use support::{redis::Redis, until};
use token_service::{
    limits::{
        Client, Door, Limits, Outcome, Rate, Turn, Wait,
        shared::{Mode, NoAnswer, Shared},
    },
    metrics::Metrics,
    revocations::{Name, Reach},
};
use tokio::{
    io::{AsyncBufReadExt as _, AsyncReadExt as _, AsyncWriteExt as _, BufReader},
    net::TcpStream,
};

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

const CLIENT: Client =
    Client { address: IpAddr::V4(std::net::Ipv4Addr::new(192, 0, 2, 1)), door: Door::VoiceToken };

const fn token(number: u8) -> Key {
    let mut key = [0; 32];
    key[0] = number;
    key
}

/// Somebody who tries out tokens, or a tab that sends a stale one for ever.
async fn refused_again(limits: &Limits, client: Client) -> Result<(), Wait> {
    let turn = limits.turn(client, &token(0), true).await?;
    limits.settle(client, turn, Outcome::Refused).await;
    Ok(())
}

#[tokio::test]
async fn two_replicas_count_failures_together() {
    let Some(redis) = Redis::start(None).await else { return };
    let ((one, _), (two, _)) = (replica(&redis.url(), 2), replica(&redis.url(), 2));
    for limits in [&one, &two, &one, &two, &two] {
        assert_eq!(refused_again(limits, CLIENT).await, Ok(()));
    }
    let Err(Wait(wait)) = refused_again(&one, CLIENT).await else { panic!("too many") };
    assert!((Duration::from_secs(1)..=Duration::from_secs(30)).contains(&wait), "{wait:?}");
    let other = Client { address: IpAddr::from([192, 0, 2, 2]), ..CLIENT };
    assert_eq!(refused_again(&one, other).await, Ok(()));
}

/// What [`token_service::limits::site`] promises, of two replicas that count together, or of one that counts alone. Redis
/// has a clock of its own, so nothing here depends on how much time passes.
async fn a_site_that_had_too_many_refused_shares(one: &Limits, two: &Limits) {
    while refused_again(one, CLIENT).await.is_ok() {}
    let later = Err(Wait(Duration::from_secs(2)));
    assert_eq!(one.turn(CLIENT, &token(1), false).await, later, "at first sight");
    assert_eq!(two.turn(CLIENT, &token(2), false).await, later, "another at first sight");
    assert_eq!(two.turn(CLIENT, &token(1), false).await, Ok(Turn::Share), "come again, to the other");
    let door = Client { door: Door::GenerateToken, ..CLIENT };
    assert_eq!(one.turn(door, &token(1), false).await, Ok(Turn::Own { owes: false }), "the other door");
    // Good tokens cost the share nothing.
    for number in 10..60 {
        assert_eq!(one.turn(CLIENT, &token(number), false).await, later);
        assert_eq!(two.turn(CLIENT, &token(number), false).await, Ok(Turn::Share), "{number}");
        one.settle(CLIENT, Turn::Share, Outcome::Neither).await;
    }
    // Bad ones use it up, and patience goes further.
    let mut first = 0;
    for number in 60..200 {
        assert_eq!(one.turn(CLIENT, &token(number), false).await, later);
        first += u32::from(two.turn(CLIENT, &token(number), false).await.is_ok());
    }
    assert!((1..=60).contains(&first), "{first}");
    let mut tries = 0;
    while one.turn(CLIENT, &token(200), false).await.is_err() {
        tries += 1;
        assert!(tries < 100);
    }
    assert!(tries >= 1);
    // Whoever is served lets the address fail once more.
    assert!(refused_again(one, CLIENT).await.is_err());
    two.settle(CLIENT, Turn::Own { owes: true }, Outcome::Served).await;
    two.settle(CLIENT, Turn::Own { owes: true }, Outcome::Served).await;
    assert_eq!(refused_again(one, CLIENT).await, Ok(()));
}

#[tokio::test]
async fn a_site_shares_the_same_with_redis_and_without() {
    let alone = |per_minute| {
        let rate = NonZeroU32::new(per_minute).unwrap();
        Limits::new(rate, rate, Arc::new(Still), None, Arc::default())
    };
    let limits = alone(2);
    a_site_that_had_too_many_refused_shares(&limits, &limits).await;
    let Some(redis) = Redis::start(None).await else { return };
    let ((one, metrics), (two, _)) = (replica(&redis.url(), 2), replica(&redis.url(), 2));
    a_site_that_had_too_many_refused_shares(&one, &two).await;
    assert!(metrics.render().contains("token_service_shared_limits_failures_total 0"));
}

/// Speaks as much of Redis' protocol as the service does. The first connection is answered with `error` once there is one,
/// as by a primary that was demoted; whoever reconnects finds the new one.
struct Fake {
    url: Secret,
    connections: Arc<AtomicUsize>,
    demoted: Arc<AtomicUsize>,
}

impl Fake {
    /// So many connections are bad from the moment when [`Fake::demoted`] is set to their number.
    async fn start(error: &'static str) -> Self {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = Secret::new(format!("redis://:canary@{}", listener.local_addr().unwrap()));
        let (connections, demoted) = (Arc::new(AtomicUsize::new(0)), Arc::new(AtomicUsize::new(0)));
        let fake = Self { url, connections: Arc::clone(&connections), demoted: Arc::clone(&demoted) };
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let number = connections.fetch_add(1, Ordering::SeqCst) + 1;
                tokio::spawn(Self::answer(stream, number, Arc::clone(&demoted), error));
            }
        });
        fake
    }

    async fn answer(stream: TcpStream, number: usize, demoted: Arc<AtomicUsize>, error: &str) -> Option<()> {
        let mut stream = BufReader::new(stream);
        loop {
            let command = Self::command(&mut stream).await?;
            let answer = if !command.starts_with("EVAL") {
                "+OK".to_owned()
            } else if number <= demoted.load(Ordering::SeqCst) {
                format!("-{error}")
            } else {
                "*2\r\n:0\r\n:5".to_owned()
            };
            stream.write_all(format!("{answer}\r\n").as_bytes()).await.ok()?;
        }
    }

    /// The first word of a command; the others are read and left.
    async fn command(stream: &mut BufReader<TcpStream>) -> Option<String> {
        let mut words = Vec::new();
        for _ in 0..Self::number(stream, '*').await? {
            let mut word = vec![0; Self::number(stream, '$').await? + 2];
            stream.read_exact(&mut word).await.ok()?;
            words.push(String::from_utf8_lossy(&word).trim().to_owned());
        }
        words.into_iter().next()
    }

    async fn number(stream: &mut BufReader<TcpStream>, sign: char) -> Option<usize> {
        let mut line = String::new();
        stream.read_line(&mut line).await.ok()?;
        line.strip_prefix(sign)?.trim().parse().ok()
    }
}

const RATE: Rate = Rate { per_minute: NonZeroU32::MIN, burst: NonZeroU32::MIN };

#[tokio::test]
async fn an_error_of_redis_is_a_lost_connection_and_the_log_says_which_it_was() {
    for (error, code) in [
        ("READONLY You can't write against a read only replica.", "READONLY"),
        ("LOADING Redis is loading the dataset in memory", "LOADING"),
        ("MASTERDOWN Link with MASTER is down", "MASTERDOWN"),
        ("CLUSTERDOWN Hash slot not served", "CLUSTERDOWN"),
        ("MOVED 3999 127.0.0.1:6381", "MOVED"),
        ("ASK 3999 127.0.0.1:6381", "ASK"),
        ("TRYAGAIN Multiple keys request during rehashing of slot", "TRYAGAIN"),
        ("UNBLOCKED force unblock from blocking operation", "UNBLOCKED"),
        ("NOAUTH Authentication required.", "NOAUTH"),
        ("NOPERM this user has no permissions to run the 'evalsha' command", "NOPERM"),
        ("MISCONF Redis is configured to save RDB snapshots", "MISCONF"),
        ("OOM command not allowed when used memory > 'maxmemory'.", "OOM"),
        // Redis 6 wraps what a command of a script says.
        ("ERR Error running script (call to f_1): @user_script:12: -READONLY You can't write", "READONLY"),
        ("ERR unknown command `EVALSHA`, with args beginning with: `canary`", "ERR"),
        ("OFTOMORROW canary", "OFTOMORROW"),
    ] {
        let fake = Fake::start(error).await;
        let shared = Shared::new(&fake.url, Duration::from_secs(10)).unwrap();
        assert_eq!(shared.count("a", RATE, Mode::Look).await.unwrap().remaining, 5);
        fake.demoted.store(1, Ordering::SeqCst);
        let why = shared.count("a", RATE, Mode::Add).await.unwrap_err();
        assert!(matches!(why, NoAnswer::Says(_)), "{why:?}");
        assert_eq!(why.to_string(), format!("Redis answers {code}"));
        assert_eq!(shared.count("a", RATE, Mode::Add).await.unwrap().remaining, 5, "{code}");
        assert_eq!(fake.connections.load(Ordering::SeqCst), 2, "{code}");
    }
}

#[tokio::test]
async fn a_redis_that_goes_on_saying_no_is_not_connected_to_for_every_request() {
    let fake = Fake::start("OOM command not allowed").await;
    fake.demoted.store(usize::MAX, Ordering::SeqCst);
    let shared = Shared::new(&fake.url, Duration::from_secs(10)).unwrap();
    let began = tokio::time::Instant::now();
    for _ in 0..200 {
        assert!(shared.count("a", RATE, Mode::Take).await.is_err());
    }
    let connections = fake.connections.load(Ordering::SeqCst) as u64;
    assert!(connections <= 3 + began.elapsed().as_secs(), "{connections}");
}

#[tokio::test]
async fn who_is_revoked_at_one_replica_is_revoked_at_all_and_stays_so_while_redis_is_away() {
    let Some(redis) = Redis::start(None).await else { return };
    let ((one, _), (two, _)) = (replica(&redis.url(), 4), replica(&redis.url(), 4));
    let (name, other) = (Name::Identity(ann().1), Name::Identity(Identity::new("ext_bob").unwrap()));
    let names = &[Name::Identity(ann().1)];
    // By Redis' clock and by ours, which stands still at the beginning of time.
    let until = Timestamp::from_millis(1_000);
    assert!(!two.is_revoked(names).await);
    assert_eq!(one.revoke(&name, until).await, Ok(Reach::AllReplicas));
    assert_eq!(one.revoke(&other, until).await, Ok(Reach::AllReplicas));
    assert!(two.is_revoked(names).await);
    assert_eq!(two.revocations().await.0.len(), 2);
    assert_eq!(two.restore(&other).await, (true, Reach::AllReplicas));
    assert_eq!(one.revocations().await.0, [(name.clone(), until)], "the first has heard of it");
    drop(redis);
    assert!(one.is_revoked(names).await && two.is_revoked(names).await);
    assert_eq!(two.restore(&name).await, (true, Reach::ThisReplica));
    assert!(one.is_revoked(names).await && !two.is_revoked(names).await);
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
    // A Redis that has forgotten everything allows what the replica's own count does not.
    until("Redis is used again", async || limits.check_mint(&account, &identity).await.is_ok()).await;
}

#[tokio::test]
async fn a_redis_that_was_never_there_costs_nobody_a_token() {
    let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let (limits, _) = replica(&Secret::new(format!("redis://127.0.0.1:{port}")), 3);
    let (account, identity) = ann();
    assert_eq!(refused_again(&limits, CLIENT).await, Ok(()));
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
