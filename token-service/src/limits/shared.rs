//! The same counting as in memory, but in Redis, for all replicas together.
//!
//! GCRA in one script, which Redis runs as a whole: a key holds the moment at which the counter would be empty again
//! ("theoretical arrival time"), by Redis' own clock, and is forgotten then.

use std::{num::NonZeroU32, time::Duration};

use protocol::Secret;
use redis::{
    Client, IntoConnectionInfo as _, Script,
    aio::{ConnectionManager, ConnectionManagerConfig},
};

/// How long Redis may take in service; after that, a replica counts for itself.
pub const PATIENCE: Duration = Duration::from_millis(250);

/// Before every key.
const PREFIX: &str = "holdfast:token-service:";

/// Arguments: microseconds between two, how many at once, what to do (0 only look, 1 count if allowed, 2 count). Returns
/// the microseconds to wait (0: allowed) and how many more are allowed.
const GCRA: &str = "
local interval, burst, mode = tonumber(ARGV[1]), tonumber(ARGV[2]), tonumber(ARGV[3])
local time = redis.call('TIME')
local now = time[1] * 1000000 + time[2]
local tat = math.max(tonumber(redis.call('GET', KEYS[1]) or '0'), now)
local full = now + burst * interval
local wait = 0
if mode == 1 then
  wait = math.max(0, tat + interval - full)
else
  wait = math.max(0, tat - full)
end
if mode == 2 or (mode == 1 and wait == 0) then
  tat = math.min(tat + interval, full + interval)
  redis.call('SET', KEYS[1], string.format('%.0f', tat), 'PX', math.ceil((tat - now) / 1000) + 1)
end
return { math.ceil(wait), math.max(0, math.floor((full - tat) / interval)) }
";

/// Redis' answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Count {
    /// For how long not; zero when allowed.
    pub wait: Duration,
    /// How many more are allowed.
    pub remaining: u32,
}

/// What a question does to the counter.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mode {
    /// Nothing.
    Look = 0,
    /// Counts, if allowed.
    Take = 1,
    /// Counts.
    Add = 2,
}

/// So many a minute, and so many at once.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Rate {
    /// Gained each minute.
    pub per_minute: NonZeroU32,
    /// At once.
    pub burst: NonZeroU32,
}

/// The address of Redis cannot be used. It is not repeated: it holds a password as a rule.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "TOKEN_SERVICE_REDIS_URL is not a valid address (redis://[user:password@]host[:port][/db], or rediss://…)"
)]
pub struct InvalidRedisUrl;

/// Counts in Redis.
#[derive(Clone)]
pub struct Shared {
    connection: ConnectionManager,
    script: Script,
    patience: Duration,
}

impl Shared {
    /// Connects when it is first needed, and again whenever the connection is lost; waits no longer than `patience`.
    /// Must be called within a runtime.
    ///
    /// # Errors
    /// [`InvalidRedisUrl`].
    pub fn new(url: &Secret, patience: Duration) -> Result<Self, InvalidRedisUrl> {
        let client = client(url)?;
        let config = ConnectionManagerConfig::new()
            .set_response_timeout(Some(patience))
            .set_connection_timeout(Some(patience))
            .set_number_of_retries(1);
        let connection =
            ConnectionManager::new_lazy_with_config(client, config).map_err(|_error| InvalidRedisUrl)?;
        Ok(Self { connection, script: Script::new(GCRA), patience })
    }

    /// Asks. `key` holds nothing secret: an address, or account and identity.
    ///
    /// # Errors
    /// When Redis does not answer in time, or not as expected.
    pub async fn count(&self, key: &str, rate: Rate, mode: Mode) -> Result<Count, redis::RedisError> {
        let interval = 60_000_000 / u64::from(rate.per_minute.get());
        let key = format!("{PREFIX}{key}");
        let mut question = self.script.key(key);
        let question = question.arg(interval.max(1)).arg(rate.burst.get()).arg(mode as u8);
        let mut connection = self.connection.clone();
        let answer =
            tokio::time::timeout(self.patience, question.invoke_async::<(u64, u32)>(&mut connection));
        let (wait, remaining) = answer.await.map_err(|_elapsed| io_error(std::io::ErrorKind::TimedOut))??;
        Ok(Count { wait: Duration::from_micros(wait), remaining })
    }
}

fn io_error(kind: std::io::ErrorKind) -> redis::RedisError {
    std::io::Error::from(kind).into()
}

/// Checks the address.
///
/// # Errors
/// [`InvalidRedisUrl`].
pub fn client(url: &Secret) -> Result<Client, InvalidRedisUrl> {
    let info = url.expose().into_connection_info().map_err(|_error| InvalidRedisUrl)?;
    Client::open(info).map_err(|_error| InvalidRedisUrl)
}
