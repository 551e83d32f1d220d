//! Asks Twilio whose a Flex token is: with few questions at once, one for all who ask about the same token, within three
//! seconds, not again for a short while, and not at all while Twilio does not answer.

use std::{
    collections::HashMap,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use futures_util::{FutureExt as _, future::Shared as SharedFuture};
use kernel::{Secret, Timestamp};
use service_kit::{
    cache::{self, Key, TwoGenerationCache},
    env::Clock,
    log,
};
use tokio::sync::{Semaphore, oneshot};
use twilio::flex_token::{FlexTokenError, FlexUser, TOTAL_TIMEOUT, Unavailable, Validator};

use crate::{
    metrics::Metrics,
    upstream::{Breaker, Closed},
};

/// Questions to Twilio at once. More wait for their turn.
const MAX_AT_ONCE: usize = 64;

/// So many may wait for their turn; more are sent away at once.
const MAX_WAITING: usize = 512;

/// The longest wait for a turn.
pub const MAX_WAIT: Duration = Duration::from_secs(2);

/// The longest that an answer may be remembered: how long a revoked Flex token could still be taken.
pub const MAX_CACHE: Duration = Duration::from_secs(60);

/// How long "not valid" is remembered, when answers are.
const REFUSAL_CACHE: Duration = Duration::from_secs(5);

/// For how long it is known, at least, that Twilio has refused a token, unless there are too many.
const REFUSED: Duration = Duration::from_secs(60);

/// For how long it is known, at least, that Twilio has vouched for a token, unless there are too many. Longer than a shift.
const VOUCHED: Duration = Duration::from_secs(12 * 3600);

/// How long Twilio is left alone that says "too many requests" without saying for how long.
const PAUSE: Duration = Duration::from_secs(1);

/// Validates Flex tokens of one account.
#[derive(Clone)]
pub struct FlexTokens(Arc<Shared>);

struct Shared {
    /// One for each thing that we can authenticate with.
    validators: Vec<Validator>,
    /// Which of them Twilio took last.
    active: AtomicUsize,
    permits: Semaphore,
    waiting: AtomicUsize,
    breaker: Mutex<Breaker>,
    answers: Mutex<Answers>,
    keep: Duration,
    clock: Arc<dyn Clock>,
    metrics: Arc<Metrics>,
}

/// What Twilio has said, and what it is being asked. By SHA-256 of the token: no token is kept.
struct Answers {
    known: TwoGenerationCache<Known>,
    asked: HashMap<Key, Asked>,
    /// Until when tokens are good that Twilio has vouched for. No answer: only their own questions pass the limits.
    vouched: TwoGenerationCache<Timestamp>,
    /// Tokens that Twilio has refused. No answer either.
    refused: TwoGenerationCache<()>,
}

/// A question that is on its way.
type Asked = SharedFuture<oneshot::Receiver<Reply>>;

struct Known {
    answer: Said,
    until: Timestamp,
}

/// What Twilio says.
type Said = Result<Arc<FlexUser>, FlexTokenError>;

/// What comes of a question.
type Reply = Result<Said, Failure>;

/// Why Twilio was not asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NotAsked {
    /// It has not answered, again and again.
    #[error("Twilio is not asked, because it does not answer")]
    Broken,
    /// As many questions as may be are waiting already.
    #[error("Twilio is not asked, because too many questions are waiting")]
    TooMany,
    /// There was no turn within [`MAX_WAIT`].
    #[error("Twilio is not asked, because there was no turn in time")]
    NoTurn,
}

/// Why it is not known whose a token is.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Unknown {
    /// Twilio says so, or could not be asked.
    #[error(transparent)]
    FlexToken(#[from] FlexTokenError),
    /// We did not ask.
    #[error(transparent)]
    NotAsked(#[from] NotAsked),
}

/// Twilio's answer, and whether Twilio was asked for it just now.
#[derive(Debug)]
pub struct Answer {
    /// Whose token it is, or why that is not known.
    pub result: Result<Arc<FlexUser>, Unknown>,
    /// False when it was remembered, or when another request asked at the same time.
    pub fresh: bool,
    /// How long it will surely be of no use to ask again.
    pub wait: Duration,
}

/// What is known of a token before Twilio is asked.
pub enum Recalled {
    Answer(Answer),
    /// It is being asked about.
    Asked,
    /// It was good when it was last asked about.
    Vouched,
    /// It was refused lately.
    Refused,
    Nothing,
}

/// By what a token is known: no token is kept.
#[must_use]
pub fn key(token: &Secret) -> Key {
    cache::key(&[token.expose()])
}

/// Why a question was not answered.
#[derive(Clone)]
struct Failure {
    error: Unknown,
    wait: Duration,
}

impl FlexTokens {
    /// `validators` differ in what they authenticate with; the first that Twilio takes is used. `keep` is how long a valid
    /// answer is remembered, at most [`MAX_CACHE`]; zero remembers nothing.
    #[must_use]
    pub fn new(
        validators: Vec<Validator>,
        keep: Duration,
        clock: Arc<dyn Clock>,
        metrics: Arc<Metrics>,
    ) -> Self {
        Self(Arc::new(Shared {
            validators,
            active: AtomicUsize::new(0),
            permits: Semaphore::new(MAX_AT_ONCE),
            waiting: AtomicUsize::new(0),
            breaker: Mutex::default(),
            // Whether an answer still counts is decided by `until`; the generations only bound memory.
            answers: Mutex::new(Answers {
                known: TwoGenerationCache::new(MAX_CACHE),
                asked: HashMap::new(),
                vouched: TwoGenerationCache::new(VOUCHED),
                refused: TwoGenerationCache::new(REFUSED),
            }),
            keep: keep.min(MAX_CACHE),
            clock,
            metrics,
        }))
    }

    /// Which of the validators Twilio took last: 0 unless the first was refused.
    #[must_use]
    pub fn active(&self) -> usize {
        self.0.active.load(Ordering::Relaxed)
    }

    /// Forgets what does not count any more. To be called every minute or so, or memory is held.
    pub fn forget_old(&self) {
        let now = self.0.clock.elapsed();
        let mut answers = self.0.answers();
        answers.known.forget_old(now);
        answers.vouched.forget_old(now);
        answers.refused.forget_old(now);
    }

    /// Forgets what Twilio has said about these users. Returns how many answers that are.
    pub fn forget(&self, is_meant: impl Fn(&FlexUser) -> bool) -> usize {
        let mut answers = self.0.answers();
        let before = answers.known.len();
        answers.known.retain(|known| !known.answer.as_ref().is_ok_and(|user| is_meant(user)));
        before - answers.known.len()
    }

    /// What is known of the token with this key; asks nobody.
    #[must_use]
    pub fn recall(&self, key: &Key) -> Recalled {
        let (answers, now) = (self.0.answers(), self.0.clock.now());
        if let Some(said) = answers.said(key, now) {
            self.0.metrics.remembered();
            let result = said.map_err(Unknown::from);
            return Recalled::Answer(Answer { result, fresh: false, wait: Duration::ZERO });
        }
        if answers.asked.contains_key(key) {
            Recalled::Asked
        } else if answers.vouched.get(key).is_some_and(|until| now < *until) {
            Recalled::Vouched
        } else if answers.refused.get(key).is_some() {
            Recalled::Refused
        } else {
            Recalled::Nothing
        }
    }

    /// Asks about the token with this key, or remembers.
    pub async fn validate(&self, key: Key, token: &Secret) -> Answer {
        let (asked, fresh) = match self.0.remembered_or_asked(&key) {
            Some(Ok(said)) => {
                self.0.metrics.remembered();
                let result = said.map_err(Unknown::from);
                return Answer { result, fresh: false, wait: Duration::ZERO };
            }
            Some(Err(asked)) => (asked, false),
            None => (self.ask(key, token.clone()), true),
        };
        let no_answer = |why| Answer {
            result: Err(FlexTokenError::Unavailable(why).into()),
            fresh: true,
            wait: Duration::ZERO,
        };
        match tokio::time::timeout(TOTAL_TIMEOUT, asked).await {
            Ok(Ok(Ok(said))) => Answer { result: said.map_err(Unknown::from), fresh, wait: Duration::ZERO },
            Ok(Ok(Err(failure))) => Answer { result: Err(failure.error), fresh: true, wait: failure.wait },
            // It panicked; the panic hook has said where.
            Ok(Err(_panicked)) => {
                self.0.answers().asked.remove(&key);
                no_answer(Unavailable::NotUnderstood)
            }
            Err(_elapsed) => no_answer(Unavailable::Timeout),
        }
    }

    /// One question for all who ask about the same token while it is not answered. In a task of its own, so that it is not
    /// lost, and asked again, when the client that happened to ask it goes away or runs out of time.
    fn ask(&self, key: Key, token: Secret) -> Asked {
        let (answer, answered) = oneshot::channel();
        let answered = answered.shared();
        self.0.answers().asked.insert(key, answered.clone());
        let shared = Arc::clone(&self.0);
        let asking = async move {
            let reply = shared.ask_in_turn(&token).await;
            shared.remember(key, &reply);
            // Whoever asked may be gone.
            answer.send(reply).unwrap_or_default();
        };
        tokio::spawn(log::of_same_request(asking));
        answered
    }
}

impl Answers {
    /// What Twilio has said, if it still counts.
    fn said(&self, key: &Key, now: Timestamp) -> Option<Said> {
        self.known.get(key).filter(|known| now < known.until).map(|known| known.answer.clone())
    }
}

impl Shared {
    fn answers(&self) -> MutexGuard<'_, Answers> {
        self.answers.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// What Twilio has said about the token, or the question that is on its way.
    fn remembered_or_asked(&self, key: &Key) -> Option<Result<Said, Asked>> {
        let answers = self.answers();
        match answers.said(key, self.clock.now()) {
            Some(said) => Some(Ok(said)),
            None => answers.asked.get(key).map(|asked| Err(asked.clone())),
        }
    }

    /// Only what Twilio really said is remembered: not that it could not be asked, nor that our own credentials are wrong.
    fn remember(&self, key: Key, reply: &Reply) {
        let now = self.clock.now();
        let plus = |keep: Duration| now.plus(u64::try_from(keep.as_millis()).unwrap_or(0));
        let until = match reply {
            Ok(Ok(user)) => plus(self.keep).min(user.expires_at),
            Ok(Err(FlexTokenError::Invalid { .. })) => plus(self.keep.min(REFUSAL_CACHE)),
            _ => now,
        };
        let mut answers = self.answers();
        answers.asked.remove(&key);
        match reply {
            Ok(Ok(user)) => {
                answers.vouched.insert(key, user.expires_at, self.clock.elapsed());
                answers.refused.remove(&key);
            }
            Ok(Err(_refused)) => {
                answers.vouched.remove(&key);
                answers.refused.insert(key, (), self.clock.elapsed());
            }
            Err(_not_answered) => {}
        }
        if let Ok(answer) = reply
            && now < until
        {
            answers.known.insert(key, Known { answer: answer.clone(), until }, self.clock.elapsed());
        }
    }

    /// Waits for a turn, if there is any hope for one, and asks.
    async fn ask_in_turn(&self, token: &Secret) -> Reply {
        let not_asked = |why: NotAsked, wait| {
            self.metrics.not_asked();
            Failure { error: why.into(), wait }
        };
        let waiting =
            Waiting::enter(&self.waiting).ok_or_else(|| not_asked(NotAsked::TooMany, Duration::ZERO))?;
        let turn = tokio::time::timeout(MAX_WAIT, async {
            loop {
                // The semaphore is never closed; were it, there would never be a turn.
                let permit = self.permits.acquire().await.ok();
                let asked = self.breaker().ask(self.clock.elapsed());
                match asked {
                    Ok(()) => return Ok(permit),
                    Err(Closed::Broken(wait)) => return Err(wait),
                    Err(Closed::Paused(wait)) => {
                        drop(permit);
                        tokio::time::sleep(wait).await;
                    }
                }
            }
        });
        let _permit = match turn.await {
            Ok(Ok(permit)) => permit,
            Ok(Err(wait)) => return Err(not_asked(NotAsked::Broken, wait)),
            Err(_elapsed) => return Err(not_asked(NotAsked::NoTurn, Duration::ZERO)),
        };
        drop(waiting);
        let started = self.clock.elapsed();
        let answer = self.ask(token).await;
        let now = self.clock.elapsed();
        self.metrics.asked(&answer, now.saturating_sub(started));
        let mut breaker = self.breaker();
        match &answer {
            Err(FlexTokenError::Unavailable(Unavailable::TooManyRequests { retry_after })) => {
                breaker.pause(now, retry_after.map_or(PAUSE, Duration::from_secs));
            }
            Err(FlexTokenError::Unavailable(_)) => breaker.failed(now),
            _ => breaker.answered(),
        }
        self.metrics.breaker(breaker.is_open());
        drop(breaker);
        match answer {
            // Not Twilio's word about the token.
            Err(error @ (FlexTokenError::CredentialsRefused { .. } | FlexTokenError::Unavailable(_))) => {
                Err(Failure { error: error.into(), wait: Duration::ZERO })
            }
            said => Ok(said.map(Arc::new)),
        }
    }

    /// Asks with what Twilio took last, and with the other key if it does not take that any more.
    async fn ask(&self, token: &Secret) -> Result<FlexUser, FlexTokenError> {
        let first = self.active.load(Ordering::Relaxed);
        let mut answer = Err(FlexTokenError::Unavailable(Unavailable::Connect));
        for (index, validator) in
            self.validators.iter().enumerate().cycle().skip(first).take(self.validators.len())
        {
            answer = validator.validate(token).await;
            if !matches!(answer, Err(FlexTokenError::CredentialsRefused { .. })) {
                if index != self.active.swap(index, Ordering::Relaxed) {
                    tracing::warn!(key = index + 1, "Twilio refuses one of the API keys: using the other");
                }
                break;
            }
        }
        answer
    }

    fn breaker(&self) -> std::sync::MutexGuard<'_, Breaker> {
        self.breaker.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A place in the queue.
struct Waiting<'a>(&'a AtomicUsize);

impl<'a> Waiting<'a> {
    fn enter(count: &'a AtomicUsize) -> Option<Self> {
        let waiting = Self(count);
        (count.fetch_add(1, Ordering::Relaxed) < MAX_WAITING).then_some(waiting)
    }
}

impl Drop for Waiting<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}
