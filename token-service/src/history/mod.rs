//! Reads the conversations that came before a task, for whoever has the task.
//!
//! The service reads, with an API key of its own, and the agent does not join: an identity can be in a thousand conversations only,
//! and the customer's conversation stays as it was. What may be read follows from the task alone: its worker must hold a live
//! reservation of it, and its attributes name the conversation, or, where that is switched on, the customer.
//!
//! | module | what it is |
//! |---|---|
//! | [`named`] | what a task names, and whose it is: pure; video asks it too |
//! | [`people`], [`marks`] | who wrote: pure |
//! | [`view`], [`text`] | messages as agents see them: pure |
//! | [`cursor`] | where lists go on |

pub mod cursor;
pub mod marks;
pub mod named;
pub mod people;
pub mod text;
pub mod view;

use std::{
    collections::BTreeSet,
    num::NonZeroU32,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use futures_util::{StreamExt as _, future::join_all, stream};
use kernel::{AccountSid, Timestamp};
use protocol::history::{ConversationSummary, HistoryOverview, HistoryPage, MAX_PAGE, MediaLink};
use service_kit::{
    cache::{TwoGenerationCache, key},
    env::Clock,
    limits::{Limiter, Rate, Standing, Wait},
};
use tokio::sync::OnceCell;
use twilio::{
    ApiKey, ChatServiceSid, ConversationSid, MediaSid, MessageSid, TaskSid, WorkerSid, WorkspaceSid,
    conversations::{Contact, Conversation, Conversations, Message, Participant, User},
    flex_token::{Credentials, HttpClient, InvalidBaseUrl, NoCertificates},
    media::Media,
    rest::{Page, PageToken, Rest, RestError},
    taskrouter::TaskRouter,
};

use crate::{
    metrics::Metrics,
    twilio_api::{NoAnswer, Upstream},
};
use cursor::{InvalidCursor, MessagesPlace, Seal};
use named::Named;
use people::{Cast, Users};

/// For how long it is remembered that a worker has a task, and what it names: so much longer may they read after they have lost it.
pub const REMEMBERED: Duration = Duration::from_secs(30);

/// For how long the names of users are remembered, at least.
const NAMES_REMEMBERED: Duration = Duration::from_secs(600);

/// Conversations on a page of the overview.
const OVERVIEW_PAGE: usize = 20;

/// So many pages of a hundred are read of the conversations that a customer is in.
const MAX_LIST_PAGES: usize = 5;

/// So many of the ways in which a customer is known are followed.
const MAX_CONTACTS: usize = 5;

/// So many of Twilio's pages are read for one of ours.
const MAX_MESSAGE_PAGES: usize = 5;

/// So many users are read at once.
const USERS_AT_ONCE: usize = 8;

/// How chat history is read, for one account. `Debug` shows no secret.
#[derive(Clone, Debug)]
pub struct HistoryConfig {
    /// Reads tasks, conversations and media.
    pub api_key: ApiKey,
    /// Where the tasks are.
    pub workspace_sid: WorkspaceSid,
    /// Where the conversations are; `None` for the account's default service.
    pub chat_service_sid: Option<ChatServiceSid>,
    /// The web origins of Flex.
    pub allowed_origins: BTreeSet<String>,
    /// Whether all earlier conversations of the task's customer may be read.
    pub customer_conversations: bool,
    /// Whether the source must have a customer in common with the task's own conversation, in which the agent must be.
    pub same_customer_only: bool,
    /// What is older than so many days is hidden.
    pub retention_days: Option<u32>,
    /// For one worker.
    pub requests_per_minute: NonZeroU32,
}

/// Where Twilio's APIs are.
#[derive(Clone, Debug)]
pub struct BaseUrls<'u> {
    /// TaskRouter.
    pub taskrouter: &'u str,
    /// Conversations.
    pub conversations: &'u str,
    /// The files of messages.
    pub media: &'u str,
}

/// Who reads.
#[derive(Clone, Copy, Debug)]
pub struct Reading<'r> {
    /// The worker that Twilio says the Flex token is of.
    pub worker: &'r WorkerSid,
    /// Their own client identity.
    pub identity: Option<&'r str>,
    /// The task that it is for.
    pub task: &'r TaskSid,
}

/// Why nothing is read.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ReadError {
    /// There is no such task, or the worker does not have it.
    #[error("this worker has no such task")]
    NoTask,
    /// The task does not give this conversation, or there is no such thing in it.
    #[error("this task gives no such thing")]
    NotGiven,
    /// A cursor that is none.
    #[error(transparent)]
    Cursor(#[from] InvalidCursor),
    /// Twilio gave no answer.
    #[error(transparent)]
    NoAnswer(#[from] NoAnswer),
}

impl ReadError {
    /// What does not exist is not given.
    fn of(error: NoAnswer) -> Self {
        match error {
            NoAnswer::Rest { error: RestError::NotFound, .. } => Self::NotGiven,
            other => Self::NoAnswer(other),
        }
    }
}

/// Why a reader cannot be put together.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
pub enum NoReader {
    /// The address of one of Twilio's APIs.
    #[error("a base URL is {0}")]
    BaseUrl(#[from] InvalidBaseUrl),
    /// TLS to Twilio.
    #[error(transparent)]
    Certificates(#[from] NoCertificates),
}

/// Reads for the workers of one account.
pub struct Reader {
    account: AccountSid,
    /// Every setting.
    pub config: HistoryConfig,
    taskrouter: TaskRouter,
    conversations: Conversations,
    media: Media,
    ask_taskrouter: Upstream,
    ask_conversations: Upstream,
    ask_media: Upstream,
    seal: Seal,
    limiter: Limiter<WorkerSid>,
    remembered: Mutex<Remembered>,
    clock: Arc<dyn Clock>,
}

struct Remembered {
    grants: TwoGenerationCache<Arc<Grant>>,
    participants: TwoGenerationCache<(Duration, Arc<Vec<Participant>>)>,
    users: TwoGenerationCache<Option<Arc<User>>>,
}

/// What a worker may read by a task that they have.
struct Grant {
    until: Duration,
    named: Named,
    /// The customers of the task's own conversation, where it was looked at already.
    customers: Option<BTreeSet<Contact>>,
    /// All other conversations of the customer; asked for when somebody wants them.
    others: OnceCell<Vec<Listed>>,
}

/// One of the customer's conversations.
struct Listed {
    conversation: Conversation,
    kind: Option<String>,
}

/// The place in the overview after one of the customer's conversations.
#[derive(serde::Serialize, serde::Deserialize)]
struct OverviewPlace {
    created: u64,
    sid: String,
}

impl Reader {
    /// Puts it together. `http` makes the client for a base URL.
    ///
    /// # Errors
    /// [`NoReader`].
    pub fn new(
        account: &AccountSid,
        config: &HistoryConfig,
        urls: &BaseUrls<'_>,
        http: &mut dyn FnMut(&str) -> Result<HttpClient, NoCertificates>,
        clock: &Arc<dyn Clock>,
        metrics: &Arc<Metrics>,
    ) -> Result<Self, NoReader> {
        let credentials = Credentials::api_key(&config.api_key);
        let mut rest = |url: &str| Ok::<_, NoReader>(Rest::new(http(url)?, url, &credentials)?);
        let (taskrouter, conversations, media) =
            (rest(urls.taskrouter)?, rest(urls.conversations)?, rest(urls.media)?);
        let upstream =
            |api| Upstream::new(api, Arc::clone(clock), Arc::clone(metrics), Metrics::history_asked);
        let rate = Rate { per_minute: config.requests_per_minute, burst: config.requests_per_minute };
        Ok(Self {
            account: account.clone(),
            config: config.clone(),
            taskrouter: TaskRouter::new(taskrouter, config.workspace_sid.clone()),
            conversations: Conversations::new(conversations, config.chat_service_sid.clone()),
            media: Media::new(media),
            ask_taskrouter: upstream("taskrouter"),
            ask_conversations: upstream("conversations"),
            ask_media: upstream("media"),
            seal: Seal::new(config.api_key.secret()),
            limiter: Limiter::new(rate, Arc::clone(clock)),
            remembered: Mutex::new(Remembered {
                grants: TwoGenerationCache::new(REMEMBERED),
                participants: TwoGenerationCache::new(REMEMBERED),
                users: TwoGenerationCache::new(NAMES_REMEMBERED),
            }),
            clock: Arc::clone(clock),
        })
    }

    /// May this worker ask once more? Counts it if so.
    ///
    /// # Errors
    /// [`Wait`].
    pub fn check(&self, worker: &WorkerSid) -> Result<Standing, Wait> {
        self.limiter.check(worker)
    }

    /// Forgets what nobody can need any more. To be called every minute or so, or memory grows.
    pub fn forget_old(&self) {
        let now = self.clock.elapsed();
        let mut remembered = self.remembered();
        remembered.grants.forget_old(now);
        remembered.participants.forget_old(now);
        remembered.users.forget_old(now);
        drop(remembered);
        self.limiter.forget_old();
    }

    /// Which conversations the task gives: the source first, then the customer's others, the newest first, by when they began, which
    /// never changes: so none is missed or shown twice when one of them gets a message between two pages.
    ///
    /// # Errors
    /// [`ReadError`].
    pub async fn overview(
        &self,
        who: Reading<'_>,
        cursor: Option<&str>,
    ) -> Result<HistoryOverview, ReadError> {
        let grant = self.grant(who).await?;
        let list = [self.account.as_str(), who.task.as_str()];
        let after = cursor.map(|cursor| self.seal.open::<OverviewPlace>(&list, cursor)).transpose()?;
        let sources = async {
            match after {
                Some(_) => Ok(Vec::new()),
                None => self.sources(&grant).await,
            }
        };
        let (mut conversations, others) = {
            let (sources, others) = tokio::join!(sources, self.others(who, &grant));
            (sources?, others?)
        };
        let others = others.iter().filter(|listed| {
            let place = place_of(&listed.conversation);
            after.as_ref().is_none_or(|after| place < (after.created, after.sid.as_str()))
        });
        let page: Vec<&Listed> = others.take(OVERVIEW_PAGE + 1).collect();
        let more = page.len() > OVERVIEW_PAGE;
        let page = &page[..page.len().min(OVERVIEW_PAGE)];
        let last = page.last().filter(|_| more).map(|listed| {
            let (created, sid) = place_of(&listed.conversation);
            self.seal.close(&list, &OverviewPlace { created, sid: sid.to_owned() })
        });
        let summaries = page.iter().map(|listed| async {
            // A list without the names of agents is better than none.
            let participants = self.participants(&listed.conversation.sid).await.unwrap_or_default();
            let channel = people::channel(listed.kind.as_deref(), None);
            let cast = Cast { participants: &participants, named: &grant.named };
            summary(&listed.conversation, false, channel, self.agents(cast).await)
        });
        conversations.extend(join_all(summaries).await);
        Ok(HistoryOverview { conversations, cursor: last, retention_days: self.config.retention_days })
    }

    /// The sources that there are.
    async fn sources(&self, grant: &Grant) -> Result<Vec<ConversationSummary>, ReadError> {
        let sources = grant.named.sources.iter().map(|sid| async move {
            let conversation = self.ask_conversations.ask(self.conversations.conversation(sid));
            let (conversation, participants) = tokio::join!(conversation, self.participants(sid));
            let (conversation, participants) = match (conversation.map_err(ReadError::of), participants) {
                // It was deleted, or there never was one.
                (Err(ReadError::NotGiven), _) | (_, Err(ReadError::NotGiven)) => return Ok(None),
                (conversation, participants) => (conversation?, participants?),
            };
            let cast = Cast { participants: &participants, named: &grant.named };
            Ok(Some(summary(&conversation, true, cast.channel(), self.agents(cast).await)))
        });
        let found: Result<Vec<_>, ReadError> = join_all(sources).await.into_iter().collect();
        Ok(found?.into_iter().flatten().collect())
    }

    /// Messages of a conversation that the task gives, the newest page first.
    ///
    /// # Errors
    /// [`ReadError`].
    pub async fn page(
        &self,
        who: Reading<'_>,
        conversation: &ConversationSid,
        cursor: Option<&str>,
    ) -> Result<HistoryPage, ReadError> {
        let grant = self.given(who, conversation).await?;
        let list = [self.account.as_str(), who.task.as_str(), conversation.as_str()];
        let at = cursor.map(|cursor| self.seal.open::<MessagesPlace>(&list, cursor)).transpose()?;
        let (slice, participants) =
            tokio::join!(self.slice(conversation, at.as_ref()), self.participants(conversation));
        let (slice, participants) = (slice?, participants?);

        let oldest_allowed = self.oldest_allowed();
        let count = slice.messages.len();
        let ends_hidden =
            slice.messages.last().is_some_and(|(_, message)| !is_shown(message.created, oldest_allowed));
        let messages =
            slice.messages.into_iter().filter(|(_, message)| is_shown(message.created, oldest_allowed));
        let mut messages: Vec<(u64, Message)> = messages.collect();
        let hidden = messages.len() < count;
        messages.reverse();

        let cast = Cast { participants: &participants, named: &grant.named };
        let authors = messages.iter().map(|(_, message)| message.author.as_str());
        let users = self.users(cast, authors.collect()).await;
        let messages = messages
            .iter()
            .map(|(index, message)| view::message(message, *index, cast.author(&message.author, &users)));
        Ok(HistoryPage {
            messages: messages.collect(),
            cursor: slice.on.filter(|_| !ends_hidden).map(|place| self.seal.close(&list, &place)),
            hidden,
        })
    }

    /// Where a file of a message can be fetched for a short while.
    ///
    /// # Errors
    /// [`ReadError`].
    pub async fn link(
        &self,
        who: Reading<'_>,
        conversation: &ConversationSid,
        message: &MessageSid,
        media: &MediaSid,
    ) -> Result<MediaLink, ReadError> {
        self.given(who, conversation).await?;
        let ask = |question| async { self.ask_conversations.ask(question).await.map_err(ReadError::of) };
        // Where its files are is known of the conversation.
        let service = async {
            match &self.config.chat_service_sid {
                Some(service) => Ok(Some(service.clone())),
                None => {
                    let asked =
                        self.ask_conversations.ask(self.conversations.conversation(conversation)).await;
                    asked.map(|conversation| conversation.service).map_err(ReadError::of)
                }
            }
        };
        let (message, service) =
            tokio::join!(ask(self.conversations.message(conversation, message)), service);
        let (message, service) = (message?, service?.ok_or(ReadError::NotGiven)?);
        let has_it = message.media.iter().any(|known| known.sid == *media);
        if !has_it || !is_shown(message.created, self.oldest_allowed()) {
            return Err(ReadError::NotGiven);
        }
        let link = self.ask_media.ask(self.media.temporary_link(&service, media)).await;
        Ok(MediaLink { url: link.map_err(ReadError::of)? })
    }

    /// What the task gives, if the worker has it. For a task that is another's, and for one that there is not, the same is asked.
    async fn grant(&self, who: Reading<'_>) -> Result<Arc<Grant>, ReadError> {
        let (key, now) = (key(&[who.worker.as_str(), who.task.as_str()]), self.clock.elapsed());
        let known = self.remembered().grants.get(&key).filter(|grant| now < grant.until).cloned();
        if let Some(grant) = known {
            return Ok(grant);
        }
        let attributes = self.ask_taskrouter.ask(self.taskrouter.task_attributes(who.task));
        let reservations = self.ask_taskrouter.ask(self.taskrouter.reservations(who.task, who.worker));
        let (attributes, reservations) = tokio::join!(attributes, reservations);
        let of = |error| match ReadError::of(error) {
            ReadError::NotGiven => ReadError::NoTask,
            other => other,
        };
        let (attributes, reservations) = (attributes.map_err(of)?, reservations.map_err(of)?);
        if !named::holds(who.worker, &reservations) {
            return Err(ReadError::NoTask);
        }
        let mut named = Named::of(&attributes);
        let mut customers = None;
        if self.config.same_customer_only {
            let own = self.customers_of_joined(who, &named).await?;
            named.sources = self.of_same_customer(named.sources, &own).await?;
            customers = Some(own);
        }
        let grant = Arc::new(Grant { until: now + REMEMBERED, named, customers, others: OnceCell::new() });
        self.remembered().grants.insert(key, Arc::clone(&grant), now);
        Ok(grant)
    }

    /// The customers of the task's own conversation, if this agent is in it: Flex adds them when they accept, and they cannot add
    /// themselves to another's.
    async fn customers_of_joined(
        &self,
        who: Reading<'_>,
        named: &Named,
    ) -> Result<BTreeSet<Contact>, ReadError> {
        let Some(own) = &named.own else { return Ok(BTreeSet::new()) };
        let participants = match self.participants(own).await {
            Err(ReadError::NotGiven) => return Ok(BTreeSet::new()),
            other => other?,
        };
        let is_in = who.identity.is_some_and(|identity| {
            participants.iter().any(|participant| participant.identity.as_deref() == Some(identity))
        });
        Ok(if is_in { named::customers(&participants, named, who.identity) } else { BTreeSet::new() })
    }

    /// Those of these conversations in which one of these customers is.
    async fn of_same_customer(
        &self,
        sources: Vec<ConversationSid>,
        customers: &BTreeSet<Contact>,
    ) -> Result<Vec<ConversationSid>, ReadError> {
        let mut same = Vec::new();
        for source in sources {
            match self.participants(&source).await {
                Ok(participants) if named::has_any(&participants, customers) => same.push(source),
                Ok(_) | Err(ReadError::NotGiven) => {}
                Err(error) => return Err(error),
            }
        }
        Ok(same)
    }

    /// The grant, if it gives this conversation.
    async fn given(&self, who: Reading<'_>, conversation: &ConversationSid) -> Result<Arc<Grant>, ReadError> {
        let grant = self.grant(who).await?;
        let is_given = grant.named.sources.contains(conversation)
            || self.others(who, &grant).await?.iter().any(|listed| listed.conversation.sid == *conversation);
        if is_given { Ok(grant) } else { Err(ReadError::NotGiven) }
    }

    /// The customer's other conversations, the newest first; none where that is switched off.
    async fn others<'g>(&self, who: Reading<'_>, grant: &'g Grant) -> Result<&'g [Listed], ReadError> {
        if !self.config.customer_conversations {
            return Ok(&[]);
        }
        Ok(grant.others.get_or_try_init(|| self.list(who, grant)).await?)
    }

    async fn list(&self, who: Reading<'_>, grant: &Grant) -> Result<Vec<Listed>, ReadError> {
        let contacts = match &grant.customers {
            Some(customers) => customers.clone(),
            None => self.customers(who, &grant.named).await?,
        };
        let lists = contacts.iter().take(MAX_CONTACTS).map(|contact| self.conversations_of(contact));
        let (mut listed, mut seen) = (Vec::new(), BTreeSet::new());
        let oldest_allowed = self.oldest_allowed();
        for list in join_all(lists).await {
            for found in list? {
                let sid = &found.conversation.sid;
                let is_other = grant.named.own.as_ref() != Some(sid) && !grant.named.sources.contains(sid);
                let changed = found.conversation.updated.or(found.conversation.created);
                if is_other && is_shown(changed, oldest_allowed) && seen.insert(sid.clone()) {
                    listed.push(found);
                }
            }
        }
        listed.sort_by(|a, b| place_of(&b.conversation).cmp(&place_of(&a.conversation)));
        Ok(listed)
    }

    /// By what the task's customer can be found.
    async fn customers(&self, who: Reading<'_>, named: &Named) -> Result<BTreeSet<Contact>, ReadError> {
        let by_task = || named.contact().into_iter().collect();
        let Some(own) = &named.own else { return Ok(by_task()) };
        match self.participants(own).await {
            Ok(participants) => Ok(named::customers(&participants, named, who.identity)),
            Err(ReadError::NotGiven) => Ok(by_task()),
            Err(error) => Err(error),
        }
    }

    async fn conversations_of(&self, contact: &Contact) -> Result<Vec<Listed>, ReadError> {
        let (mut listed, mut at) = (Vec::new(), None);
        for _ in 0..MAX_LIST_PAGES {
            let page = self.conversations.of_participant(contact, at.as_ref());
            let page = match self.ask_conversations.ask(page).await.map_err(ReadError::of) {
                Err(ReadError::NotGiven) => break,
                other => other?,
            };
            listed.extend(page.items.into_iter().map(|found| Listed {
                conversation: found.conversation,
                kind: found.kind.or_else(|| match contact {
                    Contact::Identity(_) => Some("chat".into()),
                    Contact::Address(address) if address.starts_with('+') => Some("sms".into()),
                    Contact::Address(address) => address.split_once(':').map(|(kind, _)| kind.to_owned()),
                }),
            }));
            at = page.next;
            if at.is_none() {
                break;
            }
        }
        Ok(listed)
    }

    /// The next messages before a place, the newest first.
    ///
    /// Inferred: whether Twilio's page tokens stand for a message or for a number of messages is not documented. In the second case,
    /// messages that were removed meanwhile would let others slip between two pages. So where the next page does not begin with
    /// exactly the message before the last one, the page of that one is looked at again.
    async fn slice(
        &self,
        conversation: &ConversationSid,
        place: Option<&MessagesPlace>,
    ) -> Result<Slice, ReadError> {
        let before = place.map(|place| place.before);
        let mut at = place.and_then(MessagesPlace::next);
        if let (Some(place), None) = (place, &at) {
            // The list had ended there: what is left can only have slipped into its last page.
            let again = self.upstream_page(conversation, place.this().as_ref()).await?;
            return Ok(Slice::new(numbered(again.items, before), place.this(), again.next, before));
        }
        let mut messages = Vec::new();
        for turn in 0..MAX_MESSAGE_PAGES {
            let page = self.upstream_page(conversation, at.as_ref()).await?;
            let mut found = numbered(page.items, before);
            let newest = found.first().map(|(index, _)| index.saturating_add(1));
            let follows = before.is_none() || newest == before;
            if let (0, false, Some(place)) = (turn, follows, place) {
                let again = self.upstream_page(conversation, place.this().as_ref()).await?;
                found.extend(numbered(again.items, before));
                found.sort_by_key(|(index, _)| std::cmp::Reverse(*index));
                found.dedup_by(|a, b| a.1.sid == b.1.sid);
            }
            messages = found;
            if !messages.is_empty() || page.next.is_none() {
                return Ok(Slice::new(messages, at, page.next, before));
            }
            at = page.next;
        }
        Ok(Slice::new(messages, None, at, before))
    }

    async fn upstream_page(
        &self,
        conversation: &ConversationSid,
        at: Option<&PageToken>,
    ) -> Result<Page<Message>, ReadError> {
        let page = self.ask_conversations.ask(self.conversations.messages(conversation, at)).await;
        page.map_err(|error| match error {
            // A place in the list that Twilio does not know any more.
            NoAnswer::Rest { error: RestError::BadRequest, .. } if at.is_some() => InvalidCursor.into(),
            other => ReadError::of(other),
        })
    }

    async fn participants(&self, conversation: &ConversationSid) -> Result<Arc<Vec<Participant>>, ReadError> {
        let (key, now) = (key(&[conversation.as_str()]), self.clock.elapsed());
        let known = self.remembered().participants.get(&key).filter(|(until, _)| now < *until).cloned();
        if let Some((_, participants)) = known {
            return Ok(participants);
        }
        let asked = self.ask_conversations.ask(self.conversations.participants(conversation)).await;
        let participants = Arc::new(asked.map_err(ReadError::of)?);
        self.remembered().participants.insert(key, (now + REMEMBERED, Arc::clone(&participants)), now);
        Ok(participants)
    }

    /// The names of the agents who are in a conversation; of those without one, nothing.
    async fn agents(&self, cast: Cast<'_>) -> Vec<String> {
        let identities = cast.agents();
        let users = self.users(cast, identities.iter().copied().collect()).await;
        let names = identities.iter().map(|identity| cast.author(identity, &users).name);
        names.filter(|name| !name.is_empty()).collect()
    }

    /// The users of these authors, as far as they must be known; who cannot be asked about is not.
    async fn users(&self, cast: Cast<'_>, authors: BTreeSet<&str>) -> Users {
        let authors: Vec<String> =
            authors.into_iter().filter(|author| cast.needs_user(author)).map(ToOwned::to_owned).collect();
        let asked = stream::iter(authors).map(|author| async move {
            let user = self.user(&author).await?;
            Some((author, user))
        });
        asked.buffer_unordered(USERS_AT_ONCE).filter_map(async |user| user).collect().await
    }

    /// `None` when it is not known whether there is one.
    async fn user(&self, identity: &str) -> Option<Option<Arc<User>>> {
        let key = key(&[identity]);
        if let Some(known) = self.remembered().users.get(&key) {
            return Some(known.clone());
        }
        let user = match self.ask_conversations.ask(self.conversations.user(identity)).await {
            Ok(user) => Some(Arc::new(user)),
            Err(NoAnswer::Rest { error: RestError::NotFound, .. }) => None,
            Err(_no_answer) => return None,
        };
        self.remembered().users.insert(key, user.clone(), self.clock.elapsed());
        Some(user)
    }

    /// What was written before is hidden.
    fn oldest_allowed(&self) -> Option<Timestamp> {
        let age_ms = u64::from(self.config.retention_days?) * 24 * 3600 * 1000;
        Some(Timestamp::from_millis(self.clock.now().as_millis().saturating_sub(age_ms)))
    }

    fn remembered(&self) -> MutexGuard<'_, Remembered> {
        self.remembered.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Messages of one page, the newest first, and where it goes on.
struct Slice {
    messages: Vec<(u64, Message)>,
    on: Option<MessagesPlace>,
}

impl Slice {
    /// Of what was asked for by `this`; `next` is what Twilio says of how it goes on.
    fn new(
        mut messages: Vec<(u64, Message)>,
        this: Option<PageToken>,
        next: Option<PageToken>,
        before: Option<u64>,
    ) -> Self {
        let most = usize::from(MAX_PAGE);
        // What slipped in can make it longer: the rest is found again with the page after it.
        let cut = messages.len() > most;
        messages.truncate(most);
        let last = messages.last().map(|(index, _)| *index).or(before).unwrap_or_default();
        let goes_on = last > 0 && (cut || next.is_some());
        let on = goes_on.then(|| MessagesPlace::new(this.as_ref(), next.as_ref(), last));
        Self { messages, on }
    }
}

/// Those before the place `before`, with their own places. One without a place has the one below its neighbour's.
fn numbered(messages: Vec<Message>, before: Option<u64>) -> Vec<(u64, Message)> {
    let newest = messages.iter().filter_map(|message| message.index).max();
    let mut last = before.or(newest.map(|index| index.saturating_add(1))).unwrap_or(messages.len() as u64);
    let numbered = messages.into_iter().map(|message| {
        last = message.index.unwrap_or_else(|| last.saturating_sub(1));
        (last, message)
    });
    let mut numbered: Vec<_> =
        numbered.filter(|(index, _)| before.is_none_or(|before| *index < before)).collect();
    numbered.sort_by_key(|(index, _)| std::cmp::Reverse(*index));
    numbered
}

/// By what the overview is ordered, from the end: when it began.
fn place_of(conversation: &Conversation) -> (u64, &str) {
    let created = conversation.created.or(conversation.updated);
    (created.map_or(0, Timestamp::as_millis), conversation.sid.as_str())
}

/// Whether the retention rule shows what is of this time. Of what has no time it is not known to be young enough.
fn is_shown(at: Option<Timestamp>, oldest_allowed: Option<Timestamp>) -> bool {
    oldest_allowed.is_none_or(|oldest| at.is_some_and(|at| at >= oldest))
}

fn summary(
    conversation: &Conversation,
    source: bool,
    channel: protocol::history::HistoryChannel,
    agents: Vec<String>,
) -> ConversationSummary {
    ConversationSummary {
        sid: conversation.sid.to_string(),
        source,
        channel,
        name: conversation.name.as_deref().map(|name| text::cleaned(name, 256)),
        started_at: view::iso_8601(conversation.created),
        updated_at: view::iso_8601(conversation.updated.or(conversation.created)),
        closed: conversation.closed,
        agents,
    }
}
