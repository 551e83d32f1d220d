//! The handle, and the state behind it.

use std::collections::HashMap;
use std::future::Future;
use std::pin::Pin;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::time::Duration;

use axum::body::Bytes;
use axum::http::HeaderMap;
use kernel::{AccountSid, Secret, Timestamp};
use sansio::Machine as _;
use serde_json::{Value, json};
use tokio::sync::{Notify, mpsc};
use twilio::ApiKey;

use crate::backend::{self, Ask, Client};
use crate::change::{
    Actor, Change, ConversationPatch, Happened, MessagePatch, NewConversation, NewFile, NewMessage,
    NewParticipant, Notice, ParticipantPatch, Refusal, UserPatch,
};
use crate::clock::now;
use sandbox_kit::basic;
use sandbox_kit::fault::{FaultId, Faults, Interference};

use crate::fault::{Fault, interfere};
use crate::files::{Files, MEDIA_HOST};
use crate::model::{Conversation, Delivery, Media, Message, Participant, State as ConversationState, User};
use crate::projection;
use crate::sessions::{Due, Sessions};
use crate::store::{Command, Event, Store};
use crate::sync::{Answer, Push, Request, SocketId, Sync};
use crate::token::{self, Bearer, FlexTokens, TokenError};
use crate::twilsock::frame::{self, Frame};

/// How long a link to a file is good, unless somebody says otherwise.
///
/// Source: <https://www.twilio.com/docs/conversations/media-support-conversations>: the temporary URL.
/// Inferred: the five minutes.
const MEDIA_LINK_MS: u64 = 300_000;

/// Whose service it is.
#[derive(Clone)]
pub struct Config {
    pub account: AccountSid,
    /// Password of the account's basic authentication.
    pub auth_token: Secret,
    /// The key that must have signed the AccessTokens; good for basic authentication, too.
    pub api_key: ApiKey,
    /// Another that is good for basic authentication alone.
    pub reading_key: Option<ApiKey>,
    pub service_sid: String,
    /// Who an opaque Flex token belongs to, if there is a Flex.
    pub flex_tokens: Option<FlexTokens>,
}

/// What a [`Gate`] answers with, later.
pub type Gated<'a> = Pin<Box<dyn Future<Output = Result<Change, Refusal>> + Send + 'a>>;

/// Asked before a change is made: pre-webhooks.
pub trait Gate: Send + std::marker::Sync {
    /// The change as it shall be made, or a refusal.
    fn before<'a>(&'a self, actor: &'a Actor, change: Change) -> Gated<'a>;
}

/// A Conversations service. Clones are handles to the same.
#[derive(Clone)]
pub struct Conversations(Arc<Inner>);

/// A handle that does not keep the service running.
#[derive(Clone)]
pub struct WeakConversations(Weak<Inner>);

impl WeakConversations {
    /// The service, while anybody holds it.
    #[must_use]
    pub fn upgrade(&self) -> Option<Conversations> {
        self.0.upgrade().map(Conversations)
    }
}

struct Inner {
    config: Config,
    state: Mutex<State>,
    /// Something may be due at another time than before.
    changed: Notify,
    sockets: AtomicU64,
}

struct State {
    store: Store,
    sync: Sync,
    sessions: Sessions,
    senders: HashMap<SocketId, mpsc::UnboundedSender<Outgoing>>,
    files: Files,
    faults: Faults<Fault>,
    gate: Option<Arc<dyn Gate>>,
    followers: Vec<mpsc::UnboundedSender<Notice>>,
    notifications: u64,
    /// Whether clients may read conversations that they take no part in.
    peek: bool,
    media_link_ms: u64,
}

/// What goes out on a connection.
pub(crate) enum Outgoing {
    Frame(Frame),
    /// The connection ends, without a word.
    Drop,
}

impl Conversations {
    /// Starts a service.
    ///
    /// # Panics
    /// Outside a tokio runtime.
    #[must_use]
    pub fn start(config: Config) -> Self {
        let state = State {
            store: Store::new(rand::random()),
            sync: Sync::new(config.account.as_str(), &config.service_sid, rand::random()),
            sessions: Sessions::default(),
            senders: HashMap::new(),
            files: Files::default(),
            faults: Faults::default(),
            gate: None,
            followers: Vec::new(),
            notifications: 0,
            peek: false,
            media_link_ms: MEDIA_LINK_MS,
        };
        let inner =
            Inner { config, state: Mutex::new(state), changed: Notify::new(), sockets: AtomicU64::new(1) };
        let inner = Arc::new(inner);
        tokio::spawn(keep_time(Arc::downgrade(&inner)));
        Self(inner)
    }

    /// Whose service it is.
    #[must_use]
    pub fn config(&self) -> &Config {
        &self.0.config
    }

    /// A handle that does not keep it running.
    #[must_use]
    pub fn downgrade(&self) -> WeakConversations {
        WeakConversations(Arc::downgrade(&self.0))
    }

    // ---- Changes ----

    /// Makes a change, or refuses it. No [`Gate`] is asked; who follows hears of it.
    ///
    /// # Errors
    /// [`Refusal`].
    pub fn apply(&self, actor: &Actor, change: Change) -> Result<Vec<Happened>, Refusal> {
        let happened = self.with(|state| state.apply(actor, change, now()))?;
        self.0.changed.notify_one();
        Ok(happened)
    }

    /// Makes a change as [`Self::apply`] does, after the [`Gate`] was asked, if this actor's changes are told to webhooks.
    ///
    /// # Errors
    /// [`Refusal`], also the gate's.
    pub async fn submit(&self, actor: &Actor, change: Change) -> Result<Vec<Happened>, Refusal> {
        let gate = self.with(|state| state.gate.clone()).filter(|_| actor.webhooks);
        let change = match gate {
            Some(gate) => gate.before(actor, change).await?,
            None => change,
        };
        self.apply(actor, change)
    }

    /// Puts a gate in front of [`Self::submit`], in place of the one that is there.
    pub fn set_gate(&self, gate: Arc<dyn Gate>) {
        self.with(|state| state.gate = Some(gate));
    }

    /// What happens from now on, in its order, and nothing left out.
    #[must_use]
    pub fn follow(&self) -> mpsc::UnboundedReceiver<Notice> {
        let (sender, receiver) = mpsc::unbounded_channel();
        self.with(|state| state.followers.push(sender));
        receiver
    }

    /// Makes a conversation.
    ///
    /// # Errors
    /// [`Refusal`].
    pub fn create(&self, actor: &Actor, new: NewConversation) -> Result<Conversation, Refusal> {
        let happened = self.apply(actor, Change::AddConversation(new))?;
        find(happened, |happened| match happened {
            Happened::ConversationAdded(conversation) => Some(conversation),
            _ => None,
        })
    }

    /// Changes a conversation.
    ///
    /// # Errors
    /// [`Refusal`].
    pub fn update(
        &self,
        actor: &Actor,
        conversation: &str,
        patch: ConversationPatch,
    ) -> Result<Conversation, Refusal> {
        let conversation = conversation.to_owned();
        let happened = self.apply(actor, Change::UpdateConversation { conversation, patch })?;
        find(happened, |happened| match happened {
            Happened::ConversationUpdated(conversation) => Some(conversation),
            _ => None,
        })
    }

    /// Closes a conversation, puts it to sleep or wakes it.
    ///
    /// # Errors
    /// [`Refusal`].
    pub fn set_state(
        &self,
        actor: &Actor,
        conversation: &str,
        state: ConversationState,
    ) -> Result<Conversation, Refusal> {
        self.update(
            actor,
            conversation,
            ConversationPatch { state: Some(state), ..ConversationPatch::default() },
        )
    }

    /// Removes a conversation with all that is in it.
    ///
    /// # Errors
    /// [`Refusal`].
    pub fn remove(&self, actor: &Actor, conversation: &str) -> Result<(), Refusal> {
        let conversation = conversation.to_owned();
        self.apply(actor, Change::RemoveConversation { conversation }).map(|_| ())
    }

    /// Adds a participant.
    ///
    /// # Errors
    /// [`Refusal`].
    pub fn add_participant(
        &self,
        actor: &Actor,
        conversation: &str,
        participant: NewParticipant,
    ) -> Result<Participant, Refusal> {
        let conversation = conversation.to_owned();
        let happened = self.apply(actor, Change::AddParticipant { conversation, participant })?;
        find(happened, |happened| match happened {
            Happened::ParticipantAdded { participant, .. } => Some(participant),
            _ => None,
        })
    }

    /// Changes a participant: attributes, role, how far they have read.
    ///
    /// # Errors
    /// [`Refusal`].
    pub fn update_participant(
        &self,
        actor: &Actor,
        conversation: &str,
        participant: &str,
        patch: ParticipantPatch,
    ) -> Result<Participant, Refusal> {
        let (conversation, participant) = (conversation.to_owned(), participant.to_owned());
        let happened = self.apply(actor, Change::UpdateParticipant { conversation, participant, patch })?;
        find(happened, |happened| match happened {
            Happened::ParticipantUpdated { participant, .. } => Some(participant),
            _ => None,
        })
    }

    /// Removes a participant, by SID, identity or address.
    ///
    /// # Errors
    /// [`Refusal`].
    pub fn remove_participant(
        &self,
        actor: &Actor,
        conversation: &str,
        participant: &str,
    ) -> Result<(), Refusal> {
        let (conversation, participant) = (conversation.to_owned(), participant.to_owned());
        self.apply(actor, Change::RemoveParticipant { conversation, participant }).map(|_| ())
    }

    /// Says something.
    ///
    /// # Errors
    /// [`Refusal`].
    pub fn post(&self, actor: &Actor, conversation: &str, message: NewMessage) -> Result<Message, Refusal> {
        let conversation = conversation.to_owned();
        let happened = self.apply(actor, Change::AddMessage { conversation, message })?;
        find(happened, |happened| match happened {
            Happened::MessageAdded { message, .. } => Some(message),
            _ => None,
        })
    }

    /// Changes a message, which is named by its SID or index.
    ///
    /// # Errors
    /// [`Refusal`].
    pub fn edit(
        &self,
        actor: &Actor,
        conversation: &str,
        message: &str,
        patch: MessagePatch,
    ) -> Result<Message, Refusal> {
        let (conversation, message) = (conversation.to_owned(), message.to_owned());
        let happened = self.apply(actor, Change::UpdateMessage { conversation, message, patch })?;
        find(happened, |happened| match happened {
            Happened::MessageUpdated { message, .. } => Some(message),
            _ => None,
        })
    }

    /// Removes a message, which leaves a gap.
    ///
    /// # Errors
    /// [`Refusal`].
    pub fn remove_message(&self, actor: &Actor, conversation: &str, message: &str) -> Result<(), Refusal> {
        let (conversation, message) = (conversation.to_owned(), message.to_owned());
        self.apply(actor, Change::RemoveMessage { conversation, message }).map(|_| ())
    }

    /// Says what became of a message on its way to a participant without the SDK.
    ///
    /// # Errors
    /// [`Refusal`].
    pub fn deliver(
        &self,
        conversation: &str,
        message: &str,
        participant: &str,
        status: Delivery,
        error_code: u32,
    ) -> Result<(), Refusal> {
        let change = Change::Deliver {
            conversation: conversation.to_owned(),
            message: message.to_owned(),
            participant: participant.to_owned(),
            status,
            error_code,
        };
        let actor = Actor { webhooks: true, ..Actor::api() };
        self.apply(&actor, change).map(|_| ())
    }

    /// Changes a user, who is made if need be.
    ///
    /// # Errors
    /// [`Refusal`].
    pub fn update_user(&self, actor: &Actor, identity: &str, patch: UserPatch) -> Result<User, Refusal> {
        let identity = identity.to_owned();
        let happened = self.apply(actor, Change::UpdateUser { identity, patch })?;
        find(happened, |happened| match happened {
            Happened::UserAdded(user) | Happened::UserUpdated(user) => Some(user),
            _ => None,
        })
    }

    /// Uploads a file. A message may carry it by its SID.
    pub fn upload(&self, new: NewFile, content: Bytes) -> Result<Media, Refusal> {
        self.with(|state| {
            let happened = state.apply(&Actor::api(), Change::AddFile(new), now())?;
            let media = find(happened, |happened| match happened {
                Happened::FileAdded(media) => Some(media),
                _ => None,
            })?;
            state.files.keep(media.sid.clone(), content);
            Ok(media)
        })
    }

    /// Somebody types, which the others see for a while.
    ///
    /// # Errors
    /// If there is no such conversation, or no such participant with an identity in it.
    pub fn typing(&self, conversation: &str, identity: &str) -> Result<(), Refusal> {
        self.with(|state| state.typing(conversation, identity))
    }

    // ---- What there is ----

    /// Reads the store, which holds everything else up meanwhile.
    pub fn read<T>(&self, read: impl FnOnce(&Store) -> T) -> T {
        self.with(|state| read(&state.store))
    }

    /// A conversation by SID or unique name.
    #[must_use]
    pub fn conversation(&self, name: &str) -> Option<Conversation> {
        self.read(|store| Some(store.room(name)?.conversation().clone()))
    }

    /// The participants of a conversation.
    #[must_use]
    pub fn participants(&self, conversation: &str) -> Vec<Participant> {
        self.read(|store| {
            store.room(conversation).map(|room| room.participants().cloned().collect()).unwrap_or_default()
        })
    }

    /// All messages of a conversation.
    #[must_use]
    pub fn messages(&self, conversation: &str) -> Vec<Message> {
        self.read(|store| {
            store
                .room(conversation)
                .map(|room| room.messages().values().cloned().collect())
                .unwrap_or_default()
        })
    }

    /// A user by identity or SID.
    #[must_use]
    pub fn user(&self, name: &str) -> Option<User> {
        self.read(|store| store.user(name).cloned())
    }

    /// A file, by its SID.
    #[must_use]
    pub fn file(&self, sid: &str) -> Option<(Media, Bytes)> {
        self.with(|state| Some((state.store.file(sid)?.clone(), state.files.content(sid)?)))
    }

    /// A link under which anybody can read a file for a while.
    #[must_use]
    pub fn media_link(&self, sid: &str) -> String {
        let secret: String = rand::random::<[u8; 16]>().iter().map(|byte| format!("{byte:02x}")).collect();
        self.with(|state| state.files.link(sid, secret.clone(), state.media_link_ms, now()));
        format!("https://{}/{sid}?Signature={secret}", MEDIA_HOST)
    }

    /// What a link leads to, while it is good.
    pub(crate) fn follow_media_link(&self, sid: &str, secret: &str) -> Option<(Media, Bytes)> {
        self.with(|state| {
            let content = state.files.follow(sid, secret, now())?;
            Some((state.store.file(sid)?.clone(), content))
        })
    }

    /// For the switchboard and for tests: conversations, connections, faults.
    #[must_use]
    pub fn state(&self) -> Value {
        self.with(|state| {
            let conversations = state.store.rooms().map(|room| {
                let conversation = room.conversation();
                json!({
                    "sid": conversation.sid,
                    "friendly_name": conversation.friendly_name,
                    "unique_name": conversation.unique_name,
                    "state": conversation.state.name(),
                    "messages": room.messages().len(),
                    "participants":
                        room.participants().map(|participant| participant.author()).collect::<Vec<_>>(),
                })
            });
            json!({
                "conversations": conversations.collect::<Vec<_>>(),
                "sockets": state.sessions.summary(),
                "faults": state.faults.active().map(|(id, fault)| json!({ "id": id, "fault": fault })).collect::<Vec<_>>(),
                "peek": state.peek,
            })
        })
    }

    /// How many Twilsock connections there are.
    #[must_use]
    pub fn connections(&self) -> usize {
        self.with(|state| state.sessions.len())
    }

    // ---- Settings and faults ----

    /// Whether clients may read conversations that they take no part in. At first they may not.
    pub fn set_peek(&self, peek: bool) {
        self.with(|state| state.peek = peek);
    }

    /// For how long links to files are good from now on.
    pub fn set_media_link_life(&self, life: Duration) {
        let life_ms = u64::try_from(life.as_millis()).unwrap_or(u64::MAX);
        self.with(|state| state.media_link_ms = life_ms);
    }

    /// Begins a fault.
    pub fn add_fault(&self, fault: Fault) -> FaultId {
        self.with(|state| state.faults.add(fault))
    }

    /// Ends a fault; false if there is no such.
    pub fn remove_fault(&self, id: FaultId) -> bool {
        self.with(|state| state.faults.remove(id))
    }

    /// Ends all faults.
    pub fn clear_faults(&self) {
        self.with(|state| state.faults.clear());
    }

    /// What faults do to the next answer, which is about a conversation or about none.
    #[must_use]
    pub fn interference(&self, about: Option<&str>) -> Interference {
        self.with(|state| interfere(&mut state.faults, about))
    }

    /// Every connection breaks off, without a word.
    pub fn drop_sockets(&self) {
        self.with(|state| {
            for sender in state.senders.values() {
                deliver(sender, Outgoing::Drop);
            }
        });
    }

    /// Every client is told to come back at another server.
    pub fn offload_sockets(&self) {
        self.with(|state| {
            let sockets: Vec<SocketId> = state.senders.keys().copied().collect();
            for socket in sockets {
                let number = state.number();
                state.say(socket, Frame::offload(number));
                state.drop_socket(socket);
            }
        });
    }

    /// Removes all conversations, ends faults, and puts settings back. Users and connections stay.
    pub fn reset(&self) {
        self.with(|state| {
            state.faults.clear();
            state.peek = false;
            state.media_link_ms = MEDIA_LINK_MS;
            let sids: Vec<String> = state.store.rooms().map(|room| room.conversation().sid.clone()).collect();
            for conversation in sids {
                let change = Change::RemoveConversation { conversation };
                if let Err(refusal) = state.apply(&Actor::api(), change, now()) {
                    tracing::debug!(%refusal, "a conversation is gone already");
                }
            }
        });
        self.0.changed.notify_one();
    }

    // ---- Sync, for whoever else keeps something there ----

    /// Makes a map of Sync, unless it exists.
    pub fn sync_map(&self, name: &str) {
        self.with(|state| state.sync.map(name, now()));
    }

    /// An item of a map of Sync.
    #[must_use]
    pub fn sync_item(&self, map: &str, key: &str) -> Option<Value> {
        self.with(|state| state.sync.item(map, key))
    }

    /// Writes an item of a map of Sync.
    pub fn set_sync_item(&self, map: &str, key: &str, data: Value) {
        self.with(|state| {
            let pushes = state.sync.set_item(map, key, data, now());
            state.push(pushes);
        });
    }

    /// Writes a record of Insights, or with no data removes it.
    pub fn set_sync_record(&self, index: &str, key: &str, data: Option<Value>) {
        self.with(|state| {
            let pushes = state.sync.set_record(index, key, data);
            state.push(pushes);
        });
    }

    // ---- For the modules ----

    /// Whether a request has the basic authentication of the account: its auth token, or an API key.
    #[must_use]
    pub fn knows_password(&self, headers: &HeaderMap) -> bool {
        let Some((user, password)) = basic::credentials(headers) else { return false };
        let Config { account, auth_token, api_key, reading_key, .. } = &self.0.config;
        let mut keys = std::iter::once(api_key).chain(reading_key);
        user == account.as_str() && password == auth_token.expose()
            || keys.any(|key| user == key.sid().as_str() && password == key.secret().expose())
    }

    /// Whose a client's token is.
    pub(crate) fn bearer(&self, token: &Secret) -> Result<Bearer, TokenError> {
        let Config { account, service_sid, api_key, flex_tokens, .. } = &self.0.config;
        token::check(token, (account, service_sid, api_key), flex_tokens.as_ref(), now())
    }

    pub(crate) fn socket_opened(&self, sender: mpsc::UnboundedSender<Outgoing>) -> SocketId {
        let socket = self.0.sockets.fetch_add(1, Ordering::Relaxed);
        self.with(|state| {
            state.sessions.open(socket);
            state.senders.insert(socket, sender);
        });
        socket
    }

    pub(crate) fn socket_closed(&self, socket: SocketId) {
        self.with(|state| {
            state.senders.remove(&socket);
            state.sync.disconnect(socket);
            if let Some(identity) = state.sessions.close(socket) {
                state.note_presence(&identity);
            }
        });
    }

    /// A client has shown a token.
    pub(crate) fn socket_authenticated(&self, socket: SocketId, bearer: Bearer, reply: Frame) {
        self.with(|state| {
            let identity = bearer.identity.clone();
            state.sessions.authenticate(socket, bearer, now());
            state.note_presence(&identity);
            state.say(socket, reply);
        });
        self.0.changed.notify_one();
    }

    pub(crate) fn socket_context(&self, socket: SocketId, context: &str, add: bool) {
        self.with(|state| {
            if add {
                state.sessions.add_context(socket, context);
            } else {
                state.sessions.remove_context(socket, context);
            }
        });
    }

    /// Who a connection is.
    pub(crate) fn identity_of(&self, socket: SocketId) -> Option<String> {
        self.with(|state| state.sessions.identity(socket).map(str::to_owned))
    }

    pub(crate) fn say(&self, socket: SocketId, frame: Frame) {
        self.with(|state| state.say(socket, frame));
    }

    /// Answers what needs no gate: whatever is not a change.
    pub(crate) fn answer(&self, socket: SocketId, identity: &str, frame: &Frame, request: &Request) {
        self.with(|state| {
            let now = now();
            let (answer, pushes) = match request.host.as_str() {
                "cds.us1.twilio.com" => {
                    let State { store, sync, peek, .. } = &mut *state;
                    let allowed = |name: &str| projection::may_see(store, identity, *peek, name);
                    sync.request(socket, request, &allowed, now)
                }
                "aim.us1.twilio.com" => {
                    let client = self.client(identity, state.peek);
                    let State { store, sync, .. } = &mut *state;
                    (backend::read(client, store, sync, request, now), Vec::new())
                }
                // Telemetry.
                "flex-sdk.twilio.com" => (Answer { status: 202, body: json!({}) }, Vec::new()),
                _ => (Answer::not_found(20404, "unknown host"), Vec::new()),
            };
            if answer.status == 404 {
                tracing::debug!(host = request.host, path = request.path, "not found");
            }
            state.say(socket, frame::http_reply(frame, &answer));
            state.push(pushes);
        });
    }

    /// Carries out what a client asks to be changed.
    pub(crate) async fn answer_ask(&self, identity: &str, ask: Ask) -> Answer {
        let change = match ask {
            Ask::Typing(conversation) => {
                return match self.typing(&conversation, identity) {
                    Ok(()) => Answer::ok(json!({ "typing_timeout": 5 })),
                    Err(refusal) => backend::refused(&refusal),
                };
            }
            Ask::Change(change) => change,
            // What is read is answered elsewhere.
            Ask::Read => return Answer::not_found(20404, "unknown path"),
        };
        match self.submit(&Actor::sdk(identity), change).await {
            Ok(happened) => self.with(|state| {
                let client = self.client(identity, state.peek);
                let State { store, sync, .. } = &mut *state;
                backend::changed(client, store, sync, &happened, now())
            }),
            Err(refusal) => backend::refused(&refusal),
        }
    }

    fn client<'a>(&'a self, identity: &'a str, peek: bool) -> Client<'a> {
        let Config { account, service_sid, .. } = &self.0.config;
        Client { account_sid: account.as_str(), service_sid, identity, peek }
    }

    fn with<T>(&self, work: impl FnOnce(&mut State) -> T) -> T {
        work(&mut self.0.lock())
    }
}

impl Inner {
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    fn apply(&mut self, actor: &Actor, change: Change, now: Timestamp) -> Result<Vec<Happened>, Refusal> {
        let commands = self.store.handle(Event { actor: actor.clone(), change }, now);
        self.carry_out(actor, commands, now)
    }

    fn carry_out(
        &mut self,
        actor: &Actor,
        commands: Vec<Command>,
        now: Timestamp,
    ) -> Result<Vec<Happened>, Refusal> {
        let mut all = Vec::new();
        for command in commands {
            let happened = match command {
                Command::Tell(happened) => happened,
                Command::Refuse(refusal) => return Err(refusal),
            };
            let pushes = projection::project(&mut self.sync, &self.store, &happened, now);
            self.push(pushes);
            if let Happened::ParticipantRemoved { conversation, participant } = &happened
                && let Some(identity) = &participant.identity
            {
                self.let_go(identity, conversation);
            }
            let notice = Notice { actor: actor.clone(), at: now, happened: happened.clone() };
            self.followers.retain(|follower| follower.send(notice.clone()).is_ok());
            all.push(happened);
        }
        Ok(all)
    }

    /// Who takes no part any more hears no more.
    fn let_go(&mut self, identity: &str, conversation: &str) {
        if self.peek {
            return;
        }
        for socket in self.sessions.of(identity) {
            for (kind, name) in projection::objects_of(conversation) {
                self.sync.unsubscribe(kind, &name, socket);
            }
        }
    }

    fn on_timer(&mut self, now: Timestamp) {
        let commands = self.store.handle_timeout(now);
        let actor = Actor { webhooks: true, ..Actor::api() };
        if let Err(refusal) = self.carry_out(&actor, commands, now) {
            tracing::debug!(%refusal, "a timer is refused nothing");
        }
        for (socket, due) in self.sessions.due(now) {
            let number = self.number();
            match due {
                Due::AboutToExpire => self.say(socket, Frame::about_to_expire(number)),
                Due::Expired => {
                    self.say(socket, Frame::expired(number));
                    self.drop_socket(socket);
                }
            }
        }
    }

    fn poll_timeout(&self) -> Option<Timestamp> {
        sansio::earliest([self.store.poll_timeout(), self.sessions.poll_timeout()])
    }

    /// Somebody has come or gone: they are online while one of their connections is there.
    fn note_presence(&mut self, identity: &str) {
        let online = !self.sessions.of(identity).is_empty();
        if self.store.user(identity).is_some_and(|user| user.online == online) {
            return;
        }
        let patch = UserPatch { online: Some(online), ..UserPatch::default() };
        let change = Change::UpdateUser { identity: identity.to_owned(), patch };
        if let Err(refusal) = self.apply(&Actor::api(), change, now()) {
            tracing::debug!(%refusal, "presence");
        }
    }

    fn typing(&mut self, conversation: &str, identity: &str) -> Result<(), Refusal> {
        let missing = || Refusal::missing(&format!("/Conversations/{conversation}"));
        let room = self.store.room(conversation).ok_or_else(missing)?;
        let me = room.participant(identity).ok_or_else(|| Refusal::missing("Participant"))?;
        let event = json!({
            "identity": identity,
            "channel_sid": room.conversation().sid,
            "participant_sid": me.sid,
            "typing_timeout": 6,
        });
        let others: Vec<String> = room
            .participants()
            .filter_map(|participant| participant.identity.clone())
            .filter(|other| other != identity)
            .collect();
        for socket in others.iter().flat_map(|other| self.sessions.of(other)).collect::<Vec<_>>() {
            self.notify(socket, "twilio.ipmsg.typing_indicator", &event);
        }
        Ok(())
    }

    fn push(&mut self, pushes: Vec<Push>) {
        for (socket, event) in pushes {
            self.notify(socket, "twilio.sync.event", &event);
        }
    }

    fn notify(&mut self, socket: SocketId, message_type: &str, payload: &Value) {
        let number = self.number();
        let frame = Frame::notification(number, message_type, self.sessions.context(socket), payload);
        self.say(socket, frame);
    }

    fn number(&mut self) -> u64 {
        self.notifications += 1;
        self.notifications
    }

    fn say(&mut self, socket: SocketId, frame: Frame) {
        if let Some(sender) = self.senders.get(&socket) {
            deliver(sender, Outgoing::Frame(frame));
        }
    }

    fn drop_socket(&mut self, socket: SocketId) {
        if let Some(sender) = self.senders.get(&socket) {
            deliver(sender, Outgoing::Drop);
        }
    }
}

fn deliver(sender: &mpsc::UnboundedSender<Outgoing>, outgoing: Outgoing) {
    if sender.send(outgoing).is_err() {
        tracing::debug!("a connection closed before it was told");
    }
}

/// Of what has happened, what the caller asked for.
fn find<T>(happened: Vec<Happened>, pick: impl FnMut(Happened) -> Option<T>) -> Result<T, Refusal> {
    let missing = || Refusal::new(500, 20500, "The change came to nothing");
    happened.into_iter().find_map(pick).ok_or_else(missing)
}

/// Does what is due, for as long as the service exists.
async fn keep_time(service: Weak<Inner>) {
    loop {
        let Some(inner) = service.upgrade() else { return };
        let wait = inner.lock().poll_timeout().map(|at| {
            // Whole milliseconds are rounded down, so wake one later, or nothing would be due.
            Duration::from_millis(now().until(at) + 1)
        });
        let elapsed = async {
            match wait {
                Some(wait) => tokio::time::sleep(wait).await,
                None => std::future::pending().await,
            }
        };
        // The service's last handle may be dropped meanwhile, so the wait is bounded.
        tokio::select! {
            () = elapsed => inner.lock().on_timer(now()),
            () = inner.changed.notified() => {}
            () = tokio::time::sleep(Duration::from_secs(1)) => {}
        }
    }
}
