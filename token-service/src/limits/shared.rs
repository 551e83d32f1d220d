//! The same counting as in memory, but in Redis, for all replicas together.
//!
//! GCRA in scripts, each of which Redis runs as a whole: a key holds the moment at which the counter would be empty again
//! ("theoretical arrival time"), by Redis' own clock, and is forgotten then.
//!
//! The scripts are right, so an error that Redis answers with is about Redis: a primary that was demoted, one that loads or
//! has lost its primary, another user. The connection leads to the wrong place then, and is as good as lost.

use std::{
    fmt,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use kernel::{Secret, Timestamp};
use redis::{
    Client, FromRedisValue, IntoConnectionInfo as _, RedisError, Script, ScriptInvocation,
    aio::{ConnectionManager, ConnectionManagerConfig},
};
use service_kit::{
    cache::{GENERATION, Key},
    limits::Rate,
};
use tokio::time::Instant;

use super::site::{Door, RETURNING, Site};
use crate::revocations::{MAX_MINUTES, Name};

/// How long Redis may take in service; after that, a replica counts for itself.
pub const PATIENCE: Duration = Duration::from_millis(250);

/// Between two connections that are made because of what Redis says.
const CONNECT_EVERY: Duration = Duration::from_secs(1);

/// Before every key.
const PREFIX: &str = "holdfast:token-service:";

/// What all scripts begin with.
const CLOCK: &str = "
local time = redis.call('TIME')
local now = time[1] * 1000000 + time[2]
local function used(key)
  return math.max(tonumber(redis.call('GET', key) or '0'), now)
end
local function keep(key, tat)
  redis.call('SET', key, string.format('%.0f', tat), 'PX', math.ceil((tat - now) / 1000) + 1)
end
";

/// Arguments: microseconds between two, how many at once, what to do (0 only look, 1 count if allowed, 2 count, 3 take
/// one back), how many are counted beyond what is allowed. Returns the microseconds to wait (0: allowed) and how many more
/// are allowed.
const COUNT: &str = "
local interval, burst, mode = tonumber(ARGV[1]), tonumber(ARGV[2]), tonumber(ARGV[3])
local tat = used(KEYS[1])
local full = now + burst * interval
local wait = 0
if mode == 1 then
  wait = math.max(0, tat + interval - full)
else
  wait = math.max(0, tat - full)
end
if mode == 2 or (mode == 1 and wait == 0) then
  tat = math.min(tat + interval, full + interval * tonumber(ARGV[4]))
  keep(KEYS[1], tat)
elseif mode == 3 then
  tat = math.max(tat - interval, now)
  keep(KEYS[1], tat)
end
return { math.ceil(wait), math.max(0, math.floor((full - tat) / interval)) }
";

/// As [`super::site::Sites::take_share`]. Keys: the share's counter, the tokens that wait, and those that did before.
/// Arguments: microseconds between two, how many at once, the token, how many tokens are kept, and for how many
/// milliseconds. Returns 1 when it is the token's turn.
const SHARE: &str = "
local interval, burst, token = tonumber(ARGV[1]), tonumber(ARGV[2]), ARGV[3]
local came = redis.call('HGET', KEYS[2], token) or redis.call('HGET', KEYS[3], token)
local again = came and tonumber(came) + 1 or 0
if redis.call('HLEN', KEYS[2]) >= tonumber(ARGV[4]) then
  redis.call('RENAME', KEYS[2], KEYS[3])
end
redis.call('HSET', KEYS[2], token, again)
redis.call('PEXPIRE', KEYS[2], ARGV[5])
local tat = used(KEYS[1])
local left = math.floor((now + burst * interval - tat) / interval)
if left < 1 or again < 1 or 2 * left * (again + 1) < burst then
  return 0
end
keep(KEYS[1], tat + interval)
return 1
";

/// Where revocations are: a hash, of each name until when it is revoked, in milliseconds since the Unix epoch. Negative for
/// one that was taken back, until it need not be known any more: other replicas may still hold it for revoked.
const REVOCATIONS: &str = "holdfast:token-service:revocations";

/// What Redis says of a name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Said {
    /// Shut out until then.
    Revoked(Timestamp),
    /// Let in again.
    Restored,
}

impl Said {
    fn of(value: i64) -> Self {
        u64::try_from(value).map_or(Self::Restored, |until| Self::Revoked(Timestamp::from_millis(until)))
    }
}

fn millis(time: Timestamp) -> i64 {
    i64::try_from(time.as_millis()).unwrap_or(i64::MAX)
}

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
    Look = 0,
    /// Counts, if allowed.
    Take = 1,
    /// Counts.
    Add = 2,
    /// Takes one back.
    GiveBack = 3,
}

/// Why Redis has not counted. Shows no text of Redis', which could repeat a password, only its code.
#[derive(Debug, thiserror::Error)]
pub enum NoAnswer {
    /// It cannot be reached, or takes too long.
    #[error("Redis does not answer ({0:?})")]
    Silent(redis::ErrorKind),
    /// It answers with an error.
    #[error("Redis answers {0}")]
    Says(String),
}

/// The codes that Redis' own errors begin with, and that older versions hide in the text of a script's error.
const CODES: [&str; 10] = [
    "READONLY",
    "LOADING",
    "MASTERDOWN",
    "CLUSTERDOWN",
    "MISCONF",
    "NOREPLICAS",
    "NOAUTH",
    "NOPERM",
    "MOVED",
    "OOM",
];

impl From<RedisError> for NoAnswer {
    fn from(error: RedisError) -> Self {
        let Some(code) = error.code() else { return Self::Silent(error.kind()) };
        let hidden = CODES.iter().find(|hidden| error.detail().is_some_and(|text| text.contains(**hidden)));
        let code = if code == "ERR" { hidden.map_or(code, |hidden| hidden) } else { code };
        Self::Says(code.chars().filter(char::is_ascii_uppercase).take(32).collect())
    }
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
    redis: Arc<Mutex<RedisConnection>>,
    count: Script,
    share: Script,
    patience: Duration,
}

/// The connection in use.
struct RedisConnection {
    client: Client,
    connection: ConnectionManager,
    since: Option<Instant>,
}

impl fmt::Debug for RedisConnection {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RedisConnection").finish_non_exhaustive()
    }
}

impl Shared {
    /// Connects when it is first needed, and again whenever the connection is lost; waits no longer than `patience`.
    /// Must be called within a runtime.
    ///
    /// # Errors
    /// [`InvalidRedisUrl`].
    pub fn new(url: &Secret, patience: Duration) -> Result<Self, InvalidRedisUrl> {
        let client = client(url)?;
        let connection = connection(client.clone(), patience).map_err(|_error| InvalidRedisUrl)?;
        let script = |text: &str| Script::new(&format!("{CLOCK}{text}"));
        Ok(Self {
            redis: Arc::new(Mutex::new(RedisConnection { client, connection, since: None })),
            count: script(COUNT),
            share: script(SHARE),
            patience,
        })
    }

    /// Asks. `key` holds nothing secret: an address, or account and identity.
    ///
    /// # Errors
    /// [`NoAnswer`].
    pub async fn count(&self, key: &str, rate: Rate, mode: Mode) -> Result<Count, NoAnswer> {
        let mut question = self.count.key(format!("{PREFIX}{key}"));
        let question =
            question.arg(micros(rate)).arg(rate.burst.get()).arg(mode as u8).arg(super::site::MOST_OWED);
        let (wait, remaining) = self.ask::<(u64, u32)>(question).await?;
        Ok(Count { wait: Duration::from_micros(wait), remaining })
    }

    /// As [`super::site::Sites::take_share`], for all replicas.
    ///
    /// # Errors
    /// [`NoAnswer`].
    pub async fn take_share(&self, site: Site, rate: Rate, token: &Key) -> Result<bool, NoAnswer> {
        let key = share_key(site);
        let mut question = self.share.key(format!("{PREFIX}{key}"));
        let question = question
            .key(format!("{PREFIX}{key}:waiting"))
            .key(format!("{PREFIX}{key}:waited"))
            .arg(micros(rate))
            .arg(rate.burst.get())
            // Part of a hash, and as such no secret; half of it is as good as all.
            .arg(token.get(..16).unwrap_or(token))
            .arg(GENERATION)
            .arg(u64::try_from(RETURNING.as_millis()).unwrap_or(u64::MAX));
        Ok(self.ask::<u8>(question).await? == 1)
    }

    /// What it says of each of these names; nothing of one that it has not heard of.
    ///
    /// # Errors
    /// [`NoAnswer`].
    pub async fn revoked(&self, names: &[Name]) -> Result<Vec<Option<Said>>, NoAnswer> {
        let mut question = redis::cmd("HMGET");
        question.arg(REVOCATIONS);
        question.arg(names.iter().map(field).collect::<Vec<_>>());
        let said: Vec<Option<i64>> = self.command(&question).await?;
        Ok(said.into_iter().map(|value| value.map(Said::of)).collect())
    }

    /// Says it of this name, for all replicas.
    ///
    /// # Errors
    /// [`NoAnswer`].
    pub async fn revoke(&self, name: &Name, said: Said, now: Timestamp) -> Result<(), NoAnswer> {
        let value = match said {
            Said::Revoked(until) => millis(until),
            Said::Restored => -millis(now.plus(u64::from(MAX_MINUTES) * 60_000)),
        };
        let mut order = redis::cmd("HSET");
        order.arg(REVOCATIONS).arg(field(name)).arg(value);
        self.command::<i64>(&order).await.map(drop)
    }

    /// What it says of all names that it has heard of, and forgets those whose time is over.
    ///
    /// # Errors
    /// [`NoAnswer`].
    pub async fn revocations(&self, now: Timestamp) -> Result<Vec<(Name, Said)>, NoAnswer> {
        let all: Vec<(String, i64)> = self.command(redis::cmd("HGETALL").arg(REVOCATIONS)).await?;
        let (over, all): (Vec<_>, Vec<_>) =
            all.into_iter().partition(|(_, value)| value.abs() <= millis(now));
        if !over.is_empty() {
            let mut order = redis::cmd("HDEL");
            order.arg(REVOCATIONS);
            order.arg(over.into_iter().map(|(name, _)| name).collect::<Vec<_>>());
            self.command::<i64>(&order).await?;
        }
        let all = all.into_iter();
        Ok(all
            .filter_map(|(name, value)| Some((serde_json::from_str(&name).ok()?, Said::of(value))))
            .collect())
    }

    /// Runs a script.
    pub(crate) async fn ask<A: FromRedisValue>(
        &self,
        question: &ScriptInvocation<'_>,
    ) -> Result<A, NoAnswer> {
        let mut connection = self.redis().connection.clone();
        self.within_patience(question.invoke_async::<A>(&mut connection)).await
    }

    /// Runs a command.
    pub(crate) async fn command<A: FromRedisValue>(&self, command: &redis::Cmd) -> Result<A, NoAnswer> {
        let mut connection = self.redis().connection.clone();
        self.within_patience(command.query_async::<A>(&mut connection)).await
    }

    async fn within_patience<A>(
        &self,
        answer: impl Future<Output = Result<A, RedisError>>,
    ) -> Result<A, NoAnswer> {
        let answer = tokio::time::timeout(self.patience, answer);
        let answer = answer
            .await
            .unwrap_or_else(|_elapsed| Err(std::io::Error::from(std::io::ErrorKind::TimedOut).into()));
        answer.map_err(|error| {
            // Lost connections the manager finds out about by itself.
            if !error.is_io_error() {
                self.reconnect();
            }
            error.into()
        })
    }

    /// For whoever asks next; those who have asked keep the connection that they have.
    fn reconnect(&self) {
        let mut redis = self.redis();
        if redis.since.is_none_or(|since| since.elapsed() >= CONNECT_EVERY)
            && let Ok(connection) = connection(redis.client.clone(), self.patience)
        {
            (redis.connection, redis.since) = (connection, Some(Instant::now()));
        }
    }

    fn redis(&self) -> std::sync::MutexGuard<'_, RedisConnection> {
        self.redis.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn connection(client: Client, patience: Duration) -> Result<ConnectionManager, RedisError> {
    let config = ConnectionManagerConfig::new()
        .set_response_timeout(Some(patience))
        .set_connection_timeout(Some(patience))
        .set_number_of_retries(1);
    ConnectionManager::new_lazy_with_config(client, config)
}

/// A name as the field of a hash.
fn field(name: &Name) -> String {
    // Two texts: JSON cannot fail.
    serde_json::to_string(name).unwrap_or_default()
}

fn micros(rate: Rate) -> u64 {
    u64::try_from(rate.interval().as_micros()).unwrap_or(u64::MAX)
}

/// Where the share of a site is counted.
pub(super) fn share_key(site: Site) -> String {
    match site.door {
        Door::VoiceToken => format!("share:{}", site.network),
        Door::GenerateToken => format!("share:{}:generateToken", site.network),
        Door::History => format!("share:{}:history", site.network),
        Door::Video => format!("share:{}:video", site.network),
        Door::VideoPage => format!("share:{}:videoPage", site.network),
    }
}

/// Checks the address.
///
/// # Errors
/// [`InvalidRedisUrl`].
pub fn client(url: &Secret) -> Result<Client, InvalidRedisUrl> {
    let info = url.expose().into_connection_info().map_err(|_error| InvalidRedisUrl)?;
    Client::open(info).map_err(|_error| InvalidRedisUrl)
}
