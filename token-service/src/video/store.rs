//! Where sessions are kept: in Redis, for all replicas, or else in memory, for this one.
//!
//! A session is changed as a whole: whoever saves says which version they have changed, and begins again with the newer one when
//! another was faster. So two replicas never both seat a first browser. While Redis does not answer there is no session: two truths
//! would be worse than a minute without a new face, and who is in the room stays in it.

use std::{
    collections::HashMap,
    sync::{Mutex, MutexGuard, PoisonError},
};

use kernel::AccountSid;
use redis::Script;

use super::session::{FORMAT, Session};
use crate::limits::shared::{NoAnswer, Shared};

/// After its last change, a session that goes on is kept for so long.
const KEPT_MS: u64 = 30 * DAY_MS;

/// After its end, so that late pages hear that it is over.
const KEPT_AFTER_END_MS: u64 = DAY_MS;

const DAY_MS: u64 = 24 * 3_600_000;

/// Begun anew so often when others are faster. With every turn one of them is done.
const MOST_TURNS: usize = 64;

const PREFIX: &str = "holdfast:token-service:video:";

/// Saves a session if it has the version that was changed. Keys: the session, its subject, then its codes and tasks. Arguments: the version
/// (0 for a new one), the session, its ID, for how many milliseconds it is kept, and which session the subject had.
const SAVE: &str = "
local version = tonumber(redis.call('HGET', KEYS[1], 'version') or '0')
if version ~= tonumber(ARGV[1]) then
  return 0
end
if version == 0 and (redis.call('GET', KEYS[2]) or '') ~= ARGV[5] then
  return 0
end
redis.call('HSET', KEYS[1], 'version', string.format('%.0f', version + 1), 'session', ARGV[2])
redis.call('PEXPIRE', KEYS[1], ARGV[4])
if version == 0 then
  redis.call('SET', KEYS[2], ARGV[3])
end
redis.call('PEXPIRE', KEYS[2], ARGV[4])
for at = 3, #KEYS do
  redis.call('SET', KEYS[at], ARGV[3], 'PX', ARGV[4])
end
return 1
";

/// Why there is no session to work with.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// Redis.
    #[error(transparent)]
    NoAnswer(#[from] NoAnswer),
    /// What is stored is of a newer service, or of none.
    #[error("a stored session is not understood: it is of another version of this service")]
    NotUnderstood,
    /// Others were always faster.
    #[error("too many change this session at once")]
    Contended,
}

/// A session and its version: what [`Store::save`] compares.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Stored {
    /// As it is stored.
    pub session: Session,
    /// Which version.
    pub version: u64,
}

/// Where they are kept.
pub enum Store {
    /// For this replica alone.
    Memory(Mutex<Memory>),
    /// For all replicas.
    Redis {
        /// The connection that limits have, too.
        shared: Shared,
        /// [`SAVE`].
        save: Box<Script>,
    },
}

/// What is kept in memory.
#[derive(Default)]
pub struct Memory {
    sessions: HashMap<String, (Stored, u64)>,
    codes: HashMap<String, String>,
    /// Of conversations and tasks.
    subjects: HashMap<String, String>,
}

impl Store {
    /// In Redis where there is one.
    #[must_use]
    pub fn new(shared: Option<Shared>) -> Self {
        match shared {
            Some(shared) => Self::Redis { shared, save: Box::new(Script::new(SAVE)) },
            None => Self::Memory(Mutex::default()),
        }
    }

    /// A session.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn load(&self, id: &str) -> Result<Option<Stored>, StoreError> {
        match self {
            Self::Memory(memory) => Ok(locked(memory).sessions.get(id).map(|(stored, _)| stored.clone())),
            Self::Redis { shared, .. } => {
                let mut question = redis::cmd("HMGET");
                question.arg(session_key(id)).arg("version").arg("session");
                let (version, session): (Option<u64>, Option<String>) = shared.command(&question).await?;
                let (Some(version), Some(session)) = (version, session) else { return Ok(None) };
                let session: Session =
                    serde_json::from_str(&session).map_err(|_json| StoreError::NotUnderstood)?;
                if session.format > FORMAT {
                    return Err(StoreError::NotUnderstood);
                }
                Ok(Some(Stored { session, version }))
            }
        }
    }

    /// Which session a code is of, by its digest.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn of_code(&self, digest: &str) -> Result<Option<String>, StoreError> {
        match self {
            Self::Memory(memory) => Ok(locked(memory).codes.get(digest).cloned()),
            Self::Redis { shared, .. } => get(shared, &code_key(digest)).await,
        }
    }

    /// Which session a conversation or a task has, or had last.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn of_subject(
        &self,
        account: &AccountSid,
        subject: &str,
    ) -> Result<Option<String>, StoreError> {
        let key = subject_key(account, subject);
        match self {
            Self::Memory(memory) => Ok(locked(memory).subjects.get(&key).cloned()),
            Self::Redis { shared, .. } => get(shared, &key).await,
        }
    }

    /// Keeps a session, new (version 0) or changed. `instead` is the session that its subject had. False when another was faster.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn save(&self, changed: &Stored, instead: Option<&str>, now: u64) -> Result<bool, StoreError> {
        let session = &changed.session;
        let subject = subject_key(&session.account, session.subject());
        let kept_ms = if session.ended.is_some() { KEPT_AFTER_END_MS } else { KEPT_MS };
        match self {
            Self::Memory(memory) => {
                let mut memory = locked(memory);
                let version = memory.sessions.get(&session.id).map_or(0, |(stored, _)| stored.version);
                let is_instead = memory.subjects.get(&subject).map(String::as_str) == instead;
                if version != changed.version || (version == 0 && !is_instead) {
                    return Ok(false);
                }
                if version == 0 {
                    memory.subjects.insert(subject, session.id.clone());
                }
                for code in session.codes() {
                    memory.codes.insert(code.to_owned(), session.id.clone());
                }
                for task in session.tasks.iter().filter(|_| session.conversation.is_some()) {
                    let key = subject_key(&session.account, task.sid.as_str());
                    memory.subjects.insert(key, session.id.clone());
                }
                let stored = Stored { session: session.clone(), version: version + 1 };
                memory.sessions.insert(session.id.clone(), (stored, now.saturating_add(kept_ms)));
                Ok(true)
            }
            Self::Redis { shared, save } => {
                let json = serde_json::to_string(session).map_err(|_json| StoreError::NotUnderstood)?;
                let mut question = save.key(session_key(&session.id));
                question.key(subject);
                for code in session.codes() {
                    question.key(code_key(code));
                }
                for task in session.tasks.iter().filter(|_| session.conversation.is_some()) {
                    question.key(subject_key(&session.account, task.sid.as_str()));
                }
                question.arg(changed.version).arg(json).arg(&session.id).arg(kept_ms);
                question.arg(instead.unwrap_or_default());
                Ok(shared.ask::<u8>(&question).await? == 1)
            }
        }
    }

    /// Changes a session, as often as it takes. What `change` returns, and the session as it is then; `None` when there is none.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn update<A>(
        &self,
        id: &str,
        now: u64,
        mut change: impl FnMut(&mut Session) -> A,
    ) -> Result<Option<(Session, A)>, StoreError> {
        for _ in 0..MOST_TURNS {
            let Some(mut stored) = self.load(id).await? else { return Ok(None) };
            let before = stored.session.clone();
            let answer = change(&mut stored.session);
            if stored.session == before || self.save(&stored, None, now).await? {
                return Ok(Some((stored.session, answer)));
            }
            tokio::task::yield_now().await;
        }
        Err(StoreError::Contended)
    }

    /// Forgets what is kept no longer. To be called every minute or so, or memory grows.
    pub fn forget_old(&self, now: u64) {
        if let Self::Memory(memory) = self {
            let mut memory = locked(memory);
            let Memory { sessions, codes, subjects } = &mut *memory;
            sessions.retain(|_, (_, until)| *until > now);
            let lives = |id: &str, code: &str| {
                sessions.get(id).is_some_and(|(stored, _)| stored.session.knows_code(code))
            };
            codes.retain(|code, id| lives(id, code));
            subjects.retain(|_, id| sessions.contains_key(id));
        }
    }
}

async fn get(shared: &Shared, key: &str) -> Result<Option<String>, StoreError> {
    Ok(shared.command(redis::cmd("GET").arg(key)).await?)
}

fn locked(memory: &Mutex<Memory>) -> MutexGuard<'_, Memory> {
    memory.lock().unwrap_or_else(PoisonError::into_inner)
}

fn session_key(id: &str) -> String {
    format!("{PREFIX}session:{id}")
}

fn code_key(digest: &str) -> String {
    format!("{PREFIX}code:{digest}")
}

fn subject_key(account: &AccountSid, subject: &str) -> String {
    format!("{PREFIX}of:{account}:{subject}")
}
