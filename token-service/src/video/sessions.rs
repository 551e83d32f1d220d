//! The sessions of one account: what the machine decides, carried out at the store and at Twilio.

use std::{
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use kernel::{AccountSid, Identity, Timestamp};
use protocol::video::{
    Admission, EndReason, Invitation, Joined, Looked, PAGE_PATH, Pulsed, Recording, SeatRole, VideoOpened,
    VideoPhase, VideoStatus,
};
use service_kit::{
    cache::{TwoGenerationCache, key},
    env::{Clock, NoRandomness, Random},
    limits::{Limiter, Rate, Standing as Allowed, Wait},
};
use twilio::{
    RoomSid, TaskSid, WorkerSid,
    access_token::{AccessToken, MAX_TTL_SECONDS, VideoGrant},
    flex_token::{Credentials, HttpClient, InvalidBaseUrl, NoCertificates},
    rest::{Rest, RestError, WritableRest},
    taskrouter::{ReservationStatus, TaskRouter, TaskStatus},
    texts::Texts,
    video::{Created, NewRoom, PARTICIPANT_DURATION, RoomStatus, Rooms},
};

use super::{
    names::{self, Link, digest_of},
    session::{Agent, NotSeated, Policy, Recorded, Session, Standing, Subject, Tap},
    settings::{RecordingPolicy, VideoConfig},
    store::{Store, StoreError, Stored},
};
use crate::{
    history::{named::Named, text::cleaned},
    metrics::Metrics,
    twilio_api::{NoAnswer, Upstream},
};

/// What the log calls it.
pub const TARGET: &str = "token_service::video";

/// Where Twilio tells of rooms.
pub const ROOM_CALLBACK_PATH: &str = "/v1/video/callbacks/room";

/// For how long it is remembered that a worker has a task.
const REMEMBERED: Duration = Duration::from_secs(15);

/// While somebody is in the room, it is looked so often whether a task lives.
const CHECK_EVERY_MS: u64 = 30_000;

/// At a tap, this is as good as having looked now.
const CHECKED_LATELY_MS: u64 = 2_000;

/// A room that was in progress so lately still is.
const ROOM_SEEN_LATELY_MS: u64 = 4_000;

/// A room without anybody ends after so long, in minutes: the longest that Twilio allows, and it is made anew anyway.
const ROOM_TIMEOUT_MINUTES: u8 = 60;

/// Beside the customer and the guests: the agent, and another to whom they hand over.
const AGENTS: u8 = 2;

/// How much longer than the longest session a token lives: as long as an agent may sit alone before the customer comes.
const TOKEN_MARGIN_SECONDS: u64 = 4 * 3600;

/// A page that waits, or is on its way in, asks so often, in seconds; one that is in the room says so as often as the other.
const NEXT_WAITING: u64 = 1;
const NEXT_IN_ROOM: u64 = 5;

/// The longest text message, in characters, before the link is put in.
const LONGEST_TEXT: usize = 320;

/// The worker's attribute with the name that customers see.
pub const NAME_ATTRIBUTE: &str = "holdfast_video_name";

/// The longest name, in characters.
const LONGEST_NAME: usize = 64;

/// So many of the tasks that are known are asked about, the newest first.
const MOST_TASKS: usize = 5;

/// Where Twilio's APIs are.
#[derive(Clone, Debug)]
pub struct BaseUrls<'u> {
    /// TaskRouter.
    pub taskrouter: &'u str,
    /// Rooms.
    pub video: &'u str,
    /// Text messages.
    pub messages: &'u str,
}

/// Why something is not done.
#[derive(Debug, thiserror::Error)]
pub enum VideoError {
    /// There is no such task, or the worker does not have it.
    #[error("this worker has no such task")]
    NoTask,
    /// No such code, or nobody is let in by it.
    #[error(transparent)]
    NotSeated(#[from] NotSeated),
    /// There is no such seat, or it may not do that.
    #[error("no such seat, or no longer")]
    UnknownSeat,
    /// There is no session, or it is over.
    #[error("the session is over")]
    Ended,
    /// A text message cannot be sent.
    #[error("a text message cannot be sent to this task's customer")]
    NoText,
    /// A text without a place for the link, or too long.
    #[error("the text has no {{link}}, or more than 320 characters")]
    Text,
    /// A reason that nobody may give.
    #[error("this is no reason that a session can be ended for")]
    Reason,
    /// The session cannot be read or written.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// Twilio gave no answer.
    #[error(transparent)]
    NoAnswer(#[from] NoAnswer),
    /// There was a room of that name and none a moment later, again and again.
    #[error("the room could be neither made nor found")]
    NoRoom,
    /// There is no randomness.
    #[error(transparent)]
    NoRandomness(#[from] NoRandomness),
}

/// Why sessions cannot be put together.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
pub enum NoSessions {
    /// The address of one of Twilio's APIs.
    #[error("a base URL is {0}")]
    BaseUrl(#[from] InvalidBaseUrl),
    /// TLS to Twilio.
    #[error(transparent)]
    Certificates(#[from] NoCertificates),
}

/// What the environment gives.
#[derive(Clone)]
pub struct Given {
    /// Where sessions are kept: one for all accounts.
    pub store: Arc<Store>,
    /// Tells the time.
    pub clock: Arc<dyn Clock>,
    /// Makes up codes and seats.
    pub random: Arc<dyn Random>,
    /// Counts.
    pub metrics: Arc<Metrics>,
}

/// Who asks for a task.
#[derive(Clone, Copy, Debug)]
pub struct Worker<'w> {
    /// The worker that Twilio says the Flex token is of.
    pub sid: &'w WorkerSid,
    /// The task that it is for.
    pub task: &'w TaskSid,
}

/// The sessions of one account.
pub struct Sessions {
    account: AccountSid,
    /// Every setting.
    pub config: VideoConfig,
    policy: Policy,
    rooms: Rooms,
    taskrouter: TaskRouter,
    texts: Texts,
    ask_rooms: Upstream,
    ask_taskrouter: Upstream,
    ask_texts: Upstream,
    limiter: Limiter<WorkerSid>,
    grants: Mutex<TwoGenerationCache<Arc<Grant>>>,
    given: Given,
}

/// What a worker's task allows.
struct Grant {
    until: Duration,
    subject: Subject,
    /// Whether they talk with the customer now, rather than finish.
    accepted: bool,
    /// The number that text messages can go to.
    number: Option<String>,
}

impl Sessions {
    /// Puts them together. `http` makes the client for a base URL.
    ///
    /// # Errors
    /// [`NoSessions`].
    pub fn new(
        account: &AccountSid,
        config: &VideoConfig,
        urls: &BaseUrls<'_>,
        http: &mut dyn FnMut(&str) -> Result<HttpClient, NoCertificates>,
        given: Given,
    ) -> Result<Self, NoSessions> {
        let credentials = Credentials::api_key(&config.api_key);
        let taskrouter = Rest::new(http(urls.taskrouter)?, urls.taskrouter, &credentials)?;
        let rooms = WritableRest::new(http(urls.video)?, urls.video, &credentials)?;
        let texts = WritableRest::new(http(urls.messages)?, urls.messages, &credentials)?;
        let (clock, metrics) = (&given.clock, &given.metrics);
        let upstream = |api| Upstream::new(api, Arc::clone(clock), Arc::clone(metrics), Metrics::video_asked);
        let rate = Rate { per_minute: config.requests_per_minute, burst: config.requests_per_minute };
        Ok(Self {
            account: account.clone(),
            config: config.clone(),
            policy: Policy {
                max_guests: config.max_guests,
                max_minutes: config.max_minutes,
                recording: config.recording,
                knock: config.knock,
            },
            rooms: Rooms::new(rooms),
            taskrouter: TaskRouter::new(taskrouter, config.workspace_sid.clone()),
            texts: Texts::new(texts, account.clone()),
            ask_rooms: upstream("video"),
            ask_taskrouter: upstream("taskrouter"),
            ask_texts: upstream("messages"),
            limiter: Limiter::new(rate, Arc::clone(clock)),
            grants: Mutex::new(TwoGenerationCache::new(REMEMBERED)),
            given,
        })
    }

    /// Whose sessions these are.
    #[must_use]
    pub const fn account(&self) -> &AccountSid {
        &self.account
    }

    /// May this worker ask once more? Counts it if so.
    ///
    /// # Errors
    /// [`Wait`].
    pub fn check(&self, worker: &WorkerSid) -> Result<Allowed, Wait> {
        self.limiter.check(worker)
    }

    /// Forgets what nobody can need any more. To be called every minute or so, or memory grows.
    pub fn forget_old(&self) {
        self.grants().forget_old(self.given.clock.elapsed());
        self.limiter.forget_old();
        self.store().forget_old(self.now());
    }

    /// Opens the session of a task's conversation, or finds the one that is there.
    ///
    /// # Errors
    /// [`VideoError`].
    pub async fn open(&self, who: Worker<'_>, call_live: bool) -> Result<VideoOpened, VideoError> {
        let (grant, name) = tokio::join!(self.grant(who, Freshness::Now), self.name_of(who.sid));
        let grant = grant?;
        if !grant.accepted {
            return Err(VideoError::NoTask);
        }
        let (agent_link, invitation) = (self.link()?, self.link()?);
        let agent = Agent { worker: who.sid.clone(), task: who.task.clone(), name, call_live };
        let now = self.now();
        let open = |session: &mut Session| {
            session.open(agent.clone(), agent_link.digest.clone(), now);
            let invites = !session.is_used();
            if invites {
                session.invite(invitation.digest.clone(), now);
            }
            invites
        };
        // Another agent of the same conversation may open it at the same moment: then theirs is found the next time.
        for _ in 0..4 {
            let known = self.of_subject(grant.subject.as_str()).await?;
            if let Some(known) = known.as_ref().filter(|known| known.ended.is_none()) {
                let updated = self
                    .store()
                    .update(&known.id, now, |session| session.ended.is_none().then(|| open(session)));
                if let Some((session, Some(invites))) = updated.await? {
                    return Ok(self.opened(
                        &session,
                        who,
                        &grant,
                        &agent_link,
                        invites.then_some(&invitation),
                    ));
                }
                continue;
            }
            let id = names::random(names::SESSION_LENGTH, &*self.given.random)?;
            let mut session = Session::new(id, self.account.clone(), &grant.subject, now);
            open(&mut session);
            let stored = Stored { session, version: 0 };
            let instead = known.as_ref().map(|known| known.id.as_str());
            if self.store().save(&stored, instead, now).await? {
                self.given.metrics.video_session("opened");
                let session = &stored.session;
                let (account, worker, task) = (&self.account, who.sid, who.task);
                tracing::info!(target: TARGET, %account, session = session.id, %worker, %task, room = session.room(),
                    "video opened");
                return Ok(self.opened(session, who, &grant, &agent_link, Some(&invitation)));
            }
        }
        Err(StoreError::Contended.into())
    }

    fn opened(
        &self,
        session: &Session,
        who: Worker<'_>,
        grant: &Grant,
        agent_link: &Link,
        invitation: Option<&Link>,
    ) -> VideoOpened {
        VideoOpened {
            status: self.status_of(session, who, grant),
            agent_link: agent_link.code.clone(),
            invitation: invitation.map(|link| Invitation { url: self.url(link), sent: false }),
        }
    }

    /// How the session of a task stands.
    ///
    /// # Errors
    /// [`VideoError`].
    pub async fn status(&self, who: Worker<'_>) -> Result<VideoStatus, VideoError> {
        let grant = self.grant(who, Freshness::Lately).await?;
        let none = VideoStatus { by_text: self.by_text(&grant), ..VideoStatus::default() };
        let Some(session) = self.of_subject(grant.subject.as_str()).await? else { return Ok(none) };
        // One that is over was another task's, unless this one saw it.
        if session.ended.is_some() && !session.is_task_known(who.task) {
            return Ok(none);
        }
        let session = self.checked(session, CHECK_EVERY_MS).await?;
        Ok(self.status_of(&session, who, &grant))
    }

    /// One more link for the customer; sent as a text message where the agent's text is given.
    ///
    /// # Errors
    /// [`VideoError`].
    pub async fn invite(
        &self,
        who: Worker<'_>,
        revoke: bool,
        text: Option<&str>,
    ) -> Result<Invitation, VideoError> {
        let grant = self.grant(who, Freshness::Lately).await?;
        if !grant.accepted {
            return Err(VideoError::NoTask);
        }
        if text.is_some_and(|text| !text.contains("{link}") || text.chars().count() > LONGEST_TEXT) {
            return Err(VideoError::Text);
        }
        let to = match (text, &grant.number, &self.config.text_from) {
            (None, _, _) => None,
            (Some(text), Some(to), Some(from)) => Some((text, to, from)),
            (Some(_), _, _) => return Err(VideoError::NoText),
        };
        let session = self.living(&grant).await?;
        let (link, now) = (self.link()?, self.now());
        let updated = self.store().update(&session.id, now, |session| {
            if revoke {
                session.revoke(now);
            }
            session.invite(link.digest.clone(), now);
        });
        let (session, ()) = updated.await?.ok_or(VideoError::Ended)?;
        let url = self.url(&link);
        let (account, worker, task) = (&self.account, who.sid, who.task);
        let mut sent = false;
        if let Some((text, to, from)) = to {
            let text = text.replace("{link}", &url);
            match self.ask_texts.ask(self.texts.send(from, to, &text)).await {
                Ok(_sid) => sent = true,
                // Not a number that takes text messages: Twilio says so at once.
                Err(NoAnswer::Rest { error: RestError::Refused { .. } | RestError::BadRequest, .. }) => {
                    return Err(VideoError::NoText);
                }
                Err(error) => return Err(error.into()),
            }
        }
        tracing::info!(target: TARGET, %account, session = session.id, %worker, %task, revoke, sent, "video: one more link");
        Ok(Invitation { url, sent })
    }

    /// The agent's answer to somebody who waits, from Flex. Who waits no more needs none.
    ///
    /// # Errors
    /// [`VideoError`].
    pub async fn admit(&self, who: Worker<'_>, waiting: &str, yes: bool) -> Result<VideoStatus, VideoError> {
        let grant = self.grant(who, Freshness::Lately).await?;
        let session = self.living(&grant).await?;
        let session = self.answer(&session.id, waiting, yes, who).await?;
        Ok(self.status_of(&session, who, &grant))
    }

    /// It is over, says an agent in Flex, or their page, which has seen the end of the task.
    ///
    /// # Errors
    /// [`VideoError`].
    pub async fn end(&self, who: Worker<'_>, reason: EndReason) -> Result<VideoStatus, VideoError> {
        let grant = match self.grant(who, Freshness::Lately).await {
            Ok(grant) => Some(grant),
            // Twilio does not know the task any more as theirs: as good as over, if it was.
            Err(VideoError::NoTask) if reason == EndReason::TaskOver => None,
            Err(error) => return Err(error),
        };
        let session = match &grant {
            Some(grant) => self.of_subject(grant.subject.as_str()).await?,
            None => self
                .of_subject(who.task.as_str())
                .await?
                .filter(|session| session.has_agent(who.sid, who.task)),
        };
        let Some(session) = session else {
            let by_text = self.by_text(grant.as_deref().ok_or(VideoError::NoTask)?);
            return Ok(VideoStatus { by_text, ..VideoStatus::default() });
        };
        let session = match reason {
            EndReason::Agent => self.over(session, EndReason::Agent).await?,
            EndReason::TaskOver => self.task_over(session, who.task).await?,
            EndReason::Duration | EndReason::Completed | EndReason::Other => return Err(VideoError::Reason),
        };
        Ok(session.status(who.sid, &self.policy, self.now()))
    }

    /// What a code is for.
    ///
    /// # Errors
    /// [`VideoError`].
    pub async fn look(
        &self,
        session: &Session,
        code: &str,
        seat: Option<&str>,
    ) -> Result<Looked, VideoError> {
        let (code, seat, now) = (digest_of(code), seat.map(digest_of), self.now());
        let updated =
            self.store().update(&session.id, now, |session| session.look(&code, seat.as_deref(), now));
        let (session, looked) = updated.await?.ok_or(NotSeated::UnknownCode)?;
        let (role, seated) = looked?;
        let recording = match self.policy.recording {
            RecordingPolicy::Off => Recording::Off,
            RecordingPolicy::Ask => Recording::Asking,
        };
        Ok(Looked {
            role,
            organisation: self.config.organisation.clone(),
            agent: session.agent_name(now).to_owned(),
            recording,
            seated,
            ended: session.ended.map(|(reason, _)| reason),
        })
    }

    /// The tap.
    ///
    /// # Errors
    /// [`VideoError`].
    pub async fn join(
        &self,
        session: Session,
        code: &str,
        seat: Option<&str>,
        consent: Option<bool>,
    ) -> Result<Joined, VideoError> {
        let session = self.checked(session, CHECKED_LATELY_MS).await?;
        let new = names::seat(&session.id, &*self.given.random)?;
        let (code, own, now) = (digest_of(code), seat.map(digest_of), self.now());
        let tap = Tap { code: &code, seat: own.as_deref(), consent, fresh: &new.fresh };
        let updated = self.store().update(&session.id, now, |session| session.join(&tap, &self.policy, now));
        let (session, seated) = updated.await?.ok_or(NotSeated::UnknownCode)?;
        let seated = seated?;
        self.log_consent(&session, seated.role, seated.consented);
        let secret = if seated.is_new { new.secret.clone() } else { seat.unwrap_or_default().to_owned() };
        let look = if seated.is_new { ROOM_SEEN_LATELY_MS } else { 0 };
        let admission = match &seated.identity {
            Some(identity) => match self.admission(session.clone(), identity, look).await {
                Ok(admission) => Some(admission),
                Err(error) => {
                    // Nobody has the seat's secret: it would keep the next tap of the same browser out.
                    if seated.is_new {
                        let undo = self.store().update(&session.id, now, |session| session.undo_join(&tap));
                        undo.await?;
                    }
                    return Err(error);
                }
            },
            None => None,
        };
        self.remove(&session, &seated.displaced).await;
        let outcome = if admission.is_some() { seated.role.name() } else { "waiting" };
        self.given.metrics.video_joined(outcome);
        let (account, role, waiting) =
            (&self.account, seated.role.name(), seated.waiting.map(|why| why.name()));
        tracing::info!(target: TARGET, %account, session = session.id, role, waiting, came_back = !seated.is_new,
            identity = seated.identity, "video: a tap");
        Ok(Joined {
            seat: secret,
            role: seated.role,
            admission,
            waiting: seated.waiting,
            call_live: seated.call_live,
        })
    }

    /// A page says how it is.
    ///
    /// # Errors
    /// [`VideoError`].
    pub async fn pulse(
        &self,
        session: Session,
        seat: &str,
        in_room: bool,
        quality: Option<u8>,
    ) -> Result<Pulsed, VideoError> {
        let session = self.checked(session, CHECK_EVERY_MS).await?;
        let (digest, now) = (digest_of(seat), self.now());
        let updated = self
            .store()
            .update(&session.id, now, |session| session.pulse(&digest, in_room, quality, &self.policy, now));
        let (session, standing) = updated.await?.ok_or(VideoError::UnknownSeat)?;
        let standing = standing.ok_or(VideoError::UnknownSeat)?;
        let session = self.settled(session).await;
        self.pulsed(session, standing).await
    }

    /// A page goes.
    ///
    /// # Errors
    /// [`VideoError`].
    pub async fn leave(&self, session: &Session, seat: &str, by_hand: bool) -> Result<(), VideoError> {
        let digest = digest_of(seat);
        let updated = self.store().update(&session.id, self.now(), |session| {
            session.has_seat(&digest).then(|| session.leave(&digest, by_hand))
        });
        let (session, role) = updated.await?.ok_or(VideoError::UnknownSeat)?;
        let role = role.ok_or(VideoError::UnknownSeat)?.map(|role| role.name());
        tracing::info!(target: TARGET, account = %self.account, session = session.id, role, by_hand, "video: somebody leaves");
        Ok(())
    }

    /// The agent's answer to somebody who waits, from their window.
    ///
    /// # Errors
    /// [`VideoError`].
    pub async fn admit_by_seat(
        &self,
        session: &Session,
        seat: &str,
        waiting: &str,
        yes: bool,
    ) -> Result<Pulsed, VideoError> {
        let digest = digest_of(seat);
        let agent = session.agent_of(&digest).ok_or(VideoError::UnknownSeat)?.clone();
        let who = Worker { sid: &agent.worker, task: &agent.task };
        let session = match self.answer(&session.id, waiting, yes, who).await {
            Err(VideoError::Ended) => self.load(&session.id).await?,
            answered => answered?,
        };
        self.pulsed_now(session, &digest).await
    }

    /// The end, from the agent's window.
    ///
    /// # Errors
    /// [`VideoError`].
    pub async fn end_by_seat(&self, session: Session, seat: &str) -> Result<Pulsed, VideoError> {
        let digest = digest_of(seat);
        session.agent_of(&digest).ok_or(VideoError::UnknownSeat)?;
        let session = self.over(session, EndReason::Agent).await?;
        self.pulsed_now(session, &digest).await
    }

    /// Twilio says that a room has ended, or that something else happened in it. May be said twice, and in any order.
    ///
    /// # Errors
    /// [`VideoError`].
    pub async fn room_event(&self, room_name: &str, room_sid: &str, ended: bool) -> Result<(), VideoError> {
        let (Some(id), Ok(sid)) = (names::session_of_room(room_name), RoomSid::new(room_sid)) else {
            return Ok(());
        };
        if !ended {
            return Ok(());
        }
        let updated = self.store().update(id, self.now(), |session| {
            if session.room() == room_name && session.account == self.account {
                session.room_ended(&sid);
            }
        });
        updated.await?;
        Ok(())
    }

    /// Twilio says that somebody has come into a room: whoever has no seat any more, but still a token, is sent out again.
    ///
    /// # Errors
    /// [`VideoError`].
    pub async fn participant_event(
        &self,
        room_name: &str,
        room_sid: &str,
        identity: &str,
    ) -> Result<(), VideoError> {
        let (Some(id), Ok(sid)) = (names::session_of_room(room_name), RoomSid::new(room_sid)) else {
            return Ok(());
        };
        let Some(stored) = self.store().load(id).await? else { return Ok(()) };
        let session = stored.session;
        if session.room() == room_name
            && session.account == self.account
            && !session.may_be_in_the_room(identity)
        {
            tracing::warn!(target: TARGET, account = %self.account, session = session.id, identity,
                "video: somebody without a seat is sent out of the room");
            self.ask_rooms.ask(self.rooms.disconnect(&sid, identity)).await?;
        }
        Ok(())
    }

    /// TaskRouter says that something happened to a task: it is looked at.
    ///
    /// # Errors
    /// [`VideoError`].
    pub async fn task_event(&self, task: &TaskSid) -> Result<(), VideoError> {
        if let Some(session) = self.of_subject(task.as_str()).await? {
            self.checked(session, 0).await?;
        }
        Ok(())
    }

    // ---- what the above have in common

    async fn answer(
        &self,
        id: &str,
        waiting: &str,
        yes: bool,
        who: Worker<'_>,
    ) -> Result<Session, VideoError> {
        let now = self.now();
        let updated = self.store().update(id, now, |session| session.admit(waiting, yes, &self.policy, now));
        let (session, admitted) = updated.await?.ok_or(VideoError::Ended)?;
        if session.ended.is_some() {
            return Err(VideoError::Ended);
        }
        // Whoever waits no more needs no answer.
        if let Ok(admitted) = admitted {
            let (account, worker, task) = (&self.account, who.sid, who.task);
            let role = admitted.role.map(|role| role.name());
            tracing::info!(target: TARGET, %account, session = session.id, %worker, %task, admitted = yes, role,
                "video: somebody who waits");
            if let Some(role) = role {
                self.given.metrics.video_joined(role);
            }
            self.remove(&session, &admitted.displaced).await;
        }
        Ok(self.settled(session).await)
    }

    async fn pulsed_now(&self, session: Session, digest: &str) -> Result<Pulsed, VideoError> {
        let standing = session.standing(digest, &self.policy, self.now()).ok_or(VideoError::UnknownSeat)?;
        self.pulsed(session, standing).await
    }

    async fn pulsed(&self, session: Session, standing: Standing) -> Result<Pulsed, VideoError> {
        let (id, recording) = (session.id.clone(), session.recording(&self.policy));
        let mut ended = standing.ended;
        let admission = match &standing.identity {
            Some(identity) => match self.admission(session, identity, ROOM_SEEN_LATELY_MS).await {
                Ok(admission) => Some(admission),
                Err(VideoError::NotSeated(NotSeated::Ended)) => {
                    let session = self.load(&id).await?;
                    ended = session.ended.map(|(reason, _)| reason);
                    None
                }
                Err(error) => return Err(error),
            },
            None => None,
        };
        Ok(Pulsed {
            admission,
            waiting: standing.waiting,
            turned_away: standing.turned_away,
            others_waiting: standing.others_waiting,
            recording,
            seconds: standing.seconds,
            ended,
            next: if standing.in_room { NEXT_IN_ROOM } else { NEXT_WAITING },
        })
    }

    /// What the Video SDK needs, once the room is there and is recorded only as it may be with this one in it. A room that was seen so
    /// lately is not looked for.
    async fn admission(
        &self,
        session: Session,
        identity: &str,
        lately_ms: u64,
    ) -> Result<Admission, VideoError> {
        let session = self.in_progress(session, lately_ms).await?;
        let session = self.set_recording(session).await?;
        let mut random = [0; 12];
        self.given.random.fill(&mut random)?;
        let room = session.room();
        let own = Identity::new(identity).map_err(|_malformed| VideoError::UnknownSeat)?;
        let token = AccessToken::new(self.account.clone(), &self.config.api_key, own, self.given.clock.now())
            .video(VideoGrant::room(&room))
            .ttl_seconds(self.longest_seconds())
            .unique(random);
        Ok(Admission {
            token: token.to_jwt().expose().to_owned(),
            room,
            identity: identity.to_owned(),
            region: self.config.region.clone(),
        })
    }

    /// Makes sure that the room is there: it may have been completed by somebody else, or ended because nobody was in it, while the
    /// task lives.
    async fn in_progress(&self, session: Session, lately_ms: u64) -> Result<Session, VideoError> {
        if session.ended.is_some() {
            return Err(NotSeated::Ended.into());
        }
        if let Some(sid) = &session.room_sid {
            if self.now().saturating_sub(session.room_seen_ms) < lately_ms {
                return Ok(session);
            }
            let found = self.ask_rooms.ask(self.rooms.fetch(sid.as_str())).await?;
            if found.is_some_and(|room| room.status == RoomStatus::InProgress) {
                let sid = sid.clone();
                return self.room_seen(&session.id, &sid).await;
            }
        }
        let name = session.room();
        let callback = format!("{}{ROOM_CALLBACK_PATH}", self.config.public_origin);
        let new = NewRoom {
            name: &name,
            max_participants: self.config.max_guests.saturating_add(1 + AGENTS).min(50),
            max_participant_seconds: u32::try_from(self.longest_seconds())
                .unwrap_or(u32::MAX)
                .clamp(*PARTICIPANT_DURATION.start(), *PARTICIPANT_DURATION.end()),
            timeout_minutes: ROOM_TIMEOUT_MINUTES,
            // Twilio takes no other.
            status_callback: callback.starts_with("https://").then_some(callback.as_str()),
        };
        // Two may make it at the same time: one of them then finds the other's. And it may end between the two questions.
        for _ in 0..3 {
            let sid = match self.ask_rooms.ask(self.rooms.create(&new)).await? {
                Created::New(room) => room.sid,
                Created::Exists => match self.ask_rooms.ask(self.rooms.fetch(&name)).await? {
                    Some(room) if room.status == RoomStatus::InProgress => room.sid,
                    _ => continue,
                },
            };
            return self.room_seen(&session.id, &sid).await;
        }
        Err(VideoError::NoRoom)
    }

    async fn room_seen(&self, id: &str, sid: &RoomSid) -> Result<Session, VideoError> {
        let now = self.now();
        let updated = self.store().update(id, now, |session| session.room_seen(sid, now));
        let (session, ()) = updated.await?.ok_or(VideoError::Ended)?;
        if session.ended.is_some() {
            // It ended while the room was made.
            self.complete(session).await;
            return Err(NotSeated::Ended.into());
        }
        Ok(session)
    }

    /// [`Sessions::record`] and completing, where a failure must not keep anybody: the next pulse tries again.
    async fn settled(&self, session: Session) -> Session {
        if session.ended.is_some() {
            return self.complete(session).await;
        }
        match self.set_recording(session.clone()).await {
            Ok(session) => session,
            Err(error) => {
                tracing::warn!(target: TARGET, account = %self.account, session = session.id, %error,
                    "video: recording could not be set");
                session
            }
        }
    }

    /// Has the room recorded as it should be. What is about to be recorded is said to be so before Twilio is told: whoever comes
    /// meanwhile and does not agree has it stopped.
    async fn set_recording(&self, mut session: Session) -> Result<Session, VideoError> {
        for _ in 0..4 {
            let (Some(on), Some(sid)) = (session.must_record(&self.policy), session.room_sid.clone()) else {
                return Ok(session);
            };
            let now = self.now();
            if on && session.recorded == Recorded::No {
                let updated = self.store().update(&session.id, now, |session| {
                    if session.must_record(&self.policy) == Some(true) {
                        session.recorded = Recorded::Perhaps;
                    }
                });
                (session, ()) = updated.await?.ok_or(VideoError::Ended)?;
                continue;
            }
            let done = self.ask_rooms.ask(self.rooms.record(&sid, on)).await?;
            let updated = self.store().update(&session.id, now, |session| {
                let is_same = session.room_sid.as_ref() == Some(&sid);
                match (done && is_same, on) {
                    // There is no such room any more.
                    (false, _) => {
                        if is_same {
                            session.room_ended(&sid);
                        }
                    }
                    (true, true) if session.should_be_recorded(&self.policy) => {
                        session.recorded = Recorded::Yes
                    }
                    // Somebody has come meanwhile who does not agree: it is stopped in the next turn.
                    (true, true) => session.recorded = Recorded::Perhaps,
                    (true, false) => session.recorded = Recorded::No,
                }
            });
            (session, ()) = updated.await?.ok_or(VideoError::Ended)?;
            tracing::info!(target: TARGET, account = %self.account, session = session.id, room = %sid, recorded = on,
                "video: recording");
        }
        Ok(session)
    }

    /// Ends the session for all.
    async fn over(&self, session: Session, reason: EndReason) -> Result<Session, VideoError> {
        let now = self.now();
        let updated = self.store().update(&session.id, now, |session| session.end(reason, now));
        let (session, is_first) = updated.await?.ok_or(VideoError::Ended)?;
        if is_first {
            self.given.metrics.video_session(reason.name());
            tracing::info!(target: TARGET, account = %self.account, session = session.id, reason = reason.name(),
                "video ended");
        }
        Ok(self.complete(session).await)
    }

    /// Completes the room of a session that is over. Where Twilio cannot be asked, the next who asks for the session tries again.
    async fn complete(&self, session: Session) -> Session {
        let Some(sid) = session.room_sid.clone() else { return session };
        if let Err(error) = self.ask_rooms.ask(self.rooms.complete(&sid)).await {
            tracing::warn!(target: TARGET, account = %self.account, session = session.id, %error,
                "video: the room could not be completed");
            return session;
        }
        match self.store().update(&session.id, self.now(), |session| session.room_ended(&sid)).await {
            Ok(Some((session, ()))) => session,
            Ok(None) | Err(_) => session,
        }
    }

    /// A task is over, says the page of its agent: of that task it is trusted. TaskRouter may say "assigned" for a moment longer.
    async fn task_over(&self, session: Session, task: &TaskSid) -> Result<Session, VideoError> {
        let now = self.now();
        let updated = self.store().update(&session.id, now, |session| session.task_over(task));
        let (session, displaced) = updated.await?.ok_or(VideoError::Ended)?;
        self.remove(&session, &displaced).await;
        self.checked(session, 0).await
    }

    /// The session, after looking whether it should be over: because it takes too long, or has no task any more. Asks TaskRouter
    /// no oftener than `every_ms`. While that gives no answer, nothing ends.
    async fn checked(&self, session: Session, every_ms: u64) -> Result<Session, VideoError> {
        if session.ended.is_some() {
            return Ok(if session.room_sid.is_some() { self.complete(session).await } else { session });
        }
        let now = self.now();
        if session.is_too_long(&self.policy, now) {
            return self.over(session, EndReason::Duration).await;
        }
        if every_ms > 0 && now.saturating_sub(session.checked_ms) < every_ms {
            return Ok(session);
        }
        // Whoever says so first asks for all.
        let updated = self.store().update(&session.id, now, |session| {
            let is_due = every_ms == 0 || now.saturating_sub(session.checked_ms) >= every_ms;
            if is_due {
                session.checked_ms = now;
            }
            is_due
        });
        let (session, is_due) = updated.await?.ok_or(VideoError::Ended)?;
        if !is_due {
            return Ok(session);
        }
        match self.tasks_of(&session).await {
            Ok(tasks) => {
                let updated = self.store().update(&session.id, now, |session| {
                    let mut displaced = Vec::new();
                    for task in &tasks.over {
                        displaced.extend(session.task_over(task));
                    }
                    for task in &tasks.open {
                        session.saw_task(task);
                    }
                    displaced
                });
                let (session, displaced) = updated.await?.ok_or(VideoError::Ended)?;
                if session.living_tasks().next().is_none() {
                    return self.over(session, EndReason::TaskOver).await;
                }
                self.remove(&session, &displaced).await;
                Ok(session)
            }
            Err(error) => {
                tracing::warn!(target: TARGET, account = %self.account, session = session.id, %error,
                    "video: it is not known whether the task lives");
                Ok(session)
            }
        }
    }

    /// Which tasks of a session are over, and whether there is one that is not.
    async fn tasks_of(&self, session: &Session) -> Result<Tasks, NoAnswer> {
        let mut tasks = Tasks::default();
        for sid in session.living_tasks().take(MOST_TASKS) {
            match self.ask_taskrouter.ask(self.taskrouter.task(sid)).await {
                Ok(task) if task.status.is_open() => {
                    tasks.open.push(sid.clone());
                }
                Ok(_) | Err(NoAnswer::Rest { error: RestError::NotFound, .. }) => {
                    tasks.over.push(sid.clone())
                }
                Err(error) => return Err(error),
            }
        }
        if let (true, Some(conversation)) = (tasks.open.is_empty(), &session.conversation) {
            let open = self.ask_taskrouter.ask(self.taskrouter.open_tasks_of_conversation(conversation));
            let open = open.await?.into_iter().map(|task| task.sid);
            // One that its agent says is over may still be said to be assigned.
            tasks.open.extend(open.filter(|sid| !session.is_task_over(sid) && !tasks.over.contains(sid)));
        }
        Ok(tasks)
    }

    /// Sends these out of the room. They may come back by their token: [`Sessions::participant_event`].
    async fn remove(&self, session: &Session, identities: &[String]) {
        let Some(sid) = &session.room_sid else { return };
        for identity in identities {
            if let Err(error) = self.ask_rooms.ask(self.rooms.disconnect(sid, identity)).await {
                tracing::warn!(target: TARGET, account = %self.account, session = session.id, identity, %error,
                    "video: somebody could not be sent out of the room");
            }
        }
    }

    /// What the worker's task allows, if they have it.
    async fn grant(&self, who: Worker<'_>, freshness: Freshness) -> Result<Arc<Grant>, VideoError> {
        let (key, now) = (key(&[who.sid.as_str(), who.task.as_str()]), self.given.clock.elapsed());
        if freshness == Freshness::Lately
            && let Some(grant) = self.grants().get(&key).filter(|grant| now < grant.until).cloned()
        {
            return Ok(grant);
        }
        let task = self.ask_taskrouter.ask(self.taskrouter.task(who.task));
        let reservations = self.ask_taskrouter.ask(self.taskrouter.reservations(who.task, who.sid));
        let (task, reservations) = tokio::join!(task, reservations);
        let of = |error| match error {
            NoAnswer::Rest { error: RestError::NotFound, .. } => VideoError::NoTask,
            other => VideoError::NoAnswer(other),
        };
        let (task, reservations) = (task.map_err(of)?, reservations.map_err(of)?);
        let has = |status| {
            let is =
                |held: &twilio::taskrouter::Reservation| held.worker_sid == *who.sid && held.status == status;
            reservations.iter().any(is)
        };
        let accepted = has(ReservationStatus::Accepted);
        if !accepted && !has(ReservationStatus::Wrapping) {
            return Err(VideoError::NoTask);
        }
        let named = Named::of(&task.attributes);
        let number = named.own.is_none().then(|| named.contact()).flatten();
        let grant = Arc::new(Grant {
            until: now + REMEMBERED,
            subject: named.own.map_or_else(|| Subject::Task(who.task.clone()), Subject::Conversation),
            accepted: accepted && task.status != TaskStatus::Wrapping,
            number: number.and_then(number_of),
        });
        self.grants().insert(key, Arc::clone(&grant), now);
        Ok(grant)
    }

    /// What customers may call the agent: what the administrator has written for that, and nothing else. A worker's other names, and
    /// that of the Flex user, may be an e-mail address.
    async fn name_of(&self, worker: &WorkerSid) -> String {
        let attributes = self.ask_taskrouter.ask(self.taskrouter.worker_attributes(worker)).await;
        // A face without a name is better than none.
        let attributes = attributes.unwrap_or_default();
        attributes[NAME_ATTRIBUTE].as_str().map(|name| cleaned(name, LONGEST_NAME)).unwrap_or_default()
    }

    async fn of_subject(&self, subject: &str) -> Result<Option<Session>, VideoError> {
        let Some(id) = self.store().of_subject(&self.account, subject).await? else { return Ok(None) };
        Ok(self.store().load(&id).await?.map(|stored| stored.session))
    }

    async fn living(&self, grant: &Grant) -> Result<Session, VideoError> {
        let session = self.of_subject(grant.subject.as_str()).await?;
        session.filter(|session| session.ended.is_none()).ok_or(VideoError::Ended)
    }

    async fn load(&self, id: &str) -> Result<Session, VideoError> {
        Ok(self.store().load(id).await?.ok_or(VideoError::Ended)?.session)
    }

    fn status_of(&self, session: &Session, who: Worker<'_>, grant: &Grant) -> VideoStatus {
        let status = session.status(who.sid, &self.policy, self.now());
        debug_assert_ne!(status.phase, VideoPhase::None, "there is a session");
        VideoStatus { by_text: self.by_text(grant), ..status }
    }

    const fn by_text(&self, grant: &Grant) -> bool {
        grant.number.is_some() && self.config.text_from.is_some()
    }

    fn log_consent(&self, session: &Session, role: SeatRole, consented: Option<bool>) {
        if let Some(agreed) = consented {
            let (role, at_ms) = (role.name(), self.now());
            let consent = if agreed { "given" } else { "refused" };
            tracing::info!(target: TARGET, account = %self.account, session = session.id, role, at_ms, consent,
                "video: consent to recording");
        }
    }

    fn link(&self) -> Result<Link, NoRandomness> {
        names::link(&*self.given.random)
    }

    fn url(&self, link: &Link) -> String {
        format!("{}{PAGE_PATH}{}", self.config.public_origin, link.code)
    }

    /// The longest that somebody can be in the room.
    fn longest_seconds(&self) -> u64 {
        (u64::from(self.config.max_minutes) * 60 + TOKEN_MARGIN_SECONDS).min(MAX_TTL_SECONDS)
    }

    fn store(&self) -> &Store {
        &self.given.store
    }

    fn now(&self) -> u64 {
        Timestamp::as_millis(self.given.clock.now())
    }

    fn grants(&self) -> MutexGuard<'_, TwoGenerationCache<Arc<Grant>>> {
        self.grants.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// How old an answer of TaskRouter's may be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Freshness {
    Now,
    Lately,
}

/// What TaskRouter says of a session's tasks.
#[derive(Debug, Default)]
struct Tasks {
    open: Vec<TaskSid>,
    over: Vec<TaskSid>,
}

fn number_of(contact: twilio::conversations::Contact) -> Option<String> {
    match contact {
        twilio::conversations::Contact::Address(address) if address.starts_with('+') => Some(address),
        _ => None,
    }
}
