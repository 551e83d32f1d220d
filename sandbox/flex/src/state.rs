//! The handle, and the state behind it.

use std::collections::HashMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::time::Duration;

use kernel::{AccountSid, CallSid, Secret};
use sandbox_conversations::Conversations;
use sandbox_conversations::change::{Actor, NewParticipant, Refusal as ChatRefusal, UserPatch};
use sandbox_conversations::model::State as ConversationState;
use sandbox_conversations::token::{Bearer, TokenError as ChatTokenError};
use sansio::Machine as _;
use serde_json::{Value, json};
use tokio::sync::{Notify, broadcast, mpsc};
use twilio::{ApiKey, ApiKeySid};

use crate::account;
use crate::api::{ChatTask, FarEnd, Holder, LegCommand, LegEnd, NewChatTask, Settings, Unreached, VoiceTask};
use crate::clock::{millis, now};
use crate::event::LogEvent;
use sandbox_kit::fault::{FaultId, Faults, Interference};

use crate::fault::{self, Fault, HttpTarget};
use crate::iam::tokens::{FlexUser, Login, TokenError, Tokens};
use crate::plugins_api::store::Store;
use crate::taskrouter::interactions::participant;
use crate::taskrouter::machine::channel::TaskChannel;
use crate::taskrouter::machine::event::{Attributes, ChatCommand, Command, Event, Index, Options, Refusal};
use crate::taskrouter::machine::workspace::Workspace;
use crate::taskrouter::machine::{Machine, colleague};

/// Events that a slow reader may lag behind before it loses some.
const EVENTS_KEPT: usize = 1024;

/// A connection to the event bridge.
type SocketId = u64;

/// The Flex cloud. Clones are handles to the same cloud.
#[derive(Clone)]
pub struct FlexCloud(Arc<Inner>);

struct Inner {
    settings: Settings,
    conversations: Conversations,
    state: Mutex<State>,
    commands: mpsc::UnboundedSender<LegCommand>,
    events: broadcast::Sender<LogEvent>,
    /// The machine's deadline may have changed.
    changed: Notify,
    sockets: AtomicU64,
}

struct State {
    machine: Machine,
    tokens: Tokens,
    faults: Faults<Fault>,
    bridges: HashMap<SocketId, mpsc::UnboundedSender<String>>,
    /// Attributes that somebody else changes just before Flex does.
    race: Option<Attributes>,
    roles: Vec<String>,
    /// Feature flags, where the switchboard has chosen others than the settings name.
    features: Option<Vec<String>>,
    ui_attributes: Attributes,
    /// Which of the bundles is served.
    flex_ui: usize,
    plugins: Store,
    event_callback: Option<EventCallback>,
}

/// Where an administrator has TaskRouter's events sent.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EventCallback {
    /// The workspace's `EventCallbackUrl`.
    pub url: String,
    /// Which of them; empty: all.
    pub filter: Vec<String>,
}

/// There is no activity of this name.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("there is no activity '{0}'")]
pub struct UnknownActivity(pub String);

impl FlexCloud {
    /// Starts a cloud, and says what it wants done: the receiver must be read for as long as the cloud is used.
    ///
    /// # Panics
    /// Outside a tokio runtime.
    #[must_use]
    pub fn start(settings: Settings) -> (Self, mpsc::UnboundedReceiver<LegCommand>) {
        let now = now();
        let options = Options {
            seed: rand::random(),
            reservation_timeout: settings.reservation_timeout,
            voice_capacity: settings.voice_capacity,
            chat_capacity: settings.chat_capacity,
            initial_activity: settings.initial_activity.clone(),
            worker_attributes: worker_attributes(),
        };
        let state = State {
            machine: Machine::new(options, millis(now)),
            tokens: Tokens::default(),
            faults: Faults::default(),
            bridges: HashMap::new(),
            race: None,
            roles: agent_roles(),
            features: None,
            ui_attributes: Attributes::new(),
            flex_ui: 0,
            plugins: Store::default(),
            event_callback: None,
        };
        let (commands, receiver) = mpsc::unbounded_channel();
        let inner = Arc::new_cyclic(|flex| Inner {
            settings,
            conversations: start_conversations(flex.clone()),
            state: Mutex::new(state),
            commands,
            events: broadcast::channel(EVENTS_KEPT).0,
            changed: Notify::new(),
            sockets: AtomicU64::new(1),
        });
        let insight = colleague::worker_insight(millis(now));
        inner.conversations.set_sync_record(
            Index::Workers.name(),
            account::COLLEAGUE_WORKER_SID,
            Some(insight),
        );
        tokio::spawn(keep_time(Arc::downgrade(&inner)));
        (Self(inner), receiver)
    }

    // ---- For the composing binary ----

    /// Sync and Conversations, which Flex UI shares with everybody.
    #[must_use]
    pub fn conversations(&self) -> &Conversations {
        &self.0.conversations
    }

    /// A customer calls the call centre: a voice task, and a reservation once the agent is available.
    pub fn create_voice_task(&self, from: &str) -> VoiceTask {
        // Creating a task is never refused.
        let task = self.with(|inner, state| {
            inner.apply(state, Event::CustomerCalls { from: from.to_owned() }).ok()?;
            state.machine.workspace().newest_task()
        });
        self.0.changed.notify_one();
        task.unwrap_or_else(|| unreachable!("the machine has just made a task"))
    }

    /// A chat task: the agent is offered it as soon as they are available and have a place for it.
    pub fn create_chat_task(&self, new: NewChatTask) -> ChatTask {
        let NewChatTask { attributes, holder, long_lived } = new;
        let event = Event::TaskArrives { attributes, channel: TaskChannel::Chat, holder, long_lived };
        // Creating a task is never refused.
        let task = self.apply_and_read(event, Workspace::newest_chat).ok().flatten();
        task.unwrap_or_else(|| unreachable!("the machine has just made a task"))
    }

    /// The customer of a chat has left it: `sid` is the conversation, or the task. What nobody has accepted is canceled;
    /// others are ignored.
    pub fn chat_customer_leaves(&self, sid: &str) {
        self.apply_or_log(Event::CustomerLeaves { sid: sid.to_owned() });
    }

    /// A chat goes from the agent to the colleague, or from the colleague to the agent. `sid` is the conversation.
    ///
    /// # Errors
    /// If nobody has accepted a task about it who could hand it over.
    pub fn hand_chat_over(&self, sid: &str, to: Holder) -> Result<ChatTask, Refusal> {
        let task =
            self.apply_and_read(Event::HandOver { sid: sid.to_owned(), to }, Workspace::newest_chat)?;
        Ok(task.unwrap_or_else(|| unreachable!("the machine has just made a task")))
    }

    /// Where TaskRouter's events go, if anywhere.
    #[must_use]
    pub fn event_callback(&self) -> Option<EventCallback> {
        self.with(|_, state| state.event_callback.clone())
    }

    pub(crate) fn set_event_callback(&self, callback: Option<EventCallback>) {
        self.with(|_, state| state.event_callback = callback);
    }

    /// Status and attributes of a task, as events name them.
    #[must_use]
    pub fn task_in_events(&self, sid: &str) -> Option<(&'static str, String)> {
        let task = self.workspace(|space| space.task_view(sid, millis(now()))).ok()?;
        Some((task.assignment_status, task.attributes))
    }

    /// Cancels a task that nobody has accepted, as whoever made it would by REST.
    ///
    /// # Errors
    /// If there is no such task, or somebody has accepted it.
    pub fn cancel_task(&self, sid: &str) -> Result<(), Refusal> {
        self.apply(Event::UpdateTask {
            sid: sid.to_owned(),
            attributes: None,
            status: Some("canceled".to_owned()),
            reason: None,
        })
    }

    /// The agent's telephone was answered.
    pub fn agent_leg_answered(&self, call_sid: &CallSid) {
        self.apply_or_log(Event::LegAnswered { call_sid: call_sid.clone() });
    }

    /// The agent's leg is over, whoever ended it, or could not be made. Legs that are not Flex's are ignored.
    pub fn agent_leg_ended(&self, call_sid: &CallSid, reason: LegEnd) {
        self.apply_or_log(Event::LegEnded { call_sid: call_sid.clone(), reason });
    }

    /// The customer hung up. `sid` is the customer's leg, the agent's leg, or the task; others are ignored.
    pub fn customer_hung_up(&self, sid: &str) {
        self.apply_or_log(Event::CustomerHungUp { sid: sid.to_owned() });
    }

    /// Sets the agent's activity from outside, as a supervisor or the REST API would; pending reservations are
    /// rejected if it is one in which the agent is not available.
    ///
    /// # Errors
    /// [`UnknownActivity`].
    pub fn set_activity(&self, name: &str) -> Result<(), UnknownActivity> {
        let sid = self.workspace(|space| space.activity_sid(name));
        let sid = sid.ok_or_else(|| UnknownActivity(name.to_owned()))?;
        self.apply_or_log(Event::UpdateWorker {
            activity_sid: Some(sid),
            attributes: None,
            reject_pending_reservations: true,
            version: None,
        });
        Ok(())
    }

    /// Changes some of the agent's attributes from outside; null removes one.
    pub fn merge_attributes(&self, patch: Attributes) {
        self.apply_or_log(Event::MergeAttributes(patch));
    }

    /// Does the same in the very moment before Flex next writes the attributes: what is lost then was not merged.
    pub fn race_attributes(&self, patch: Attributes) {
        self.with(|_, state| state.race = Some(patch));
    }

    /// The roles with which Flex sees the agent from the next load of the page on.
    pub fn set_roles(&self, roles: Vec<String>) {
        self.with(|_, state| state.roles = roles);
    }

    /// Changes `ui_attributes` of the Flex Configuration, key by key, for pages that are loaded from now on; null removes
    /// one.
    pub fn merge_ui_attributes(&self, patch: Attributes) {
        self.with(|_, state| state.ui_attributes.extend(patch));
    }

    /// Serves another version of Flex UI to pages that are loaded from now on; false if there is no such.
    #[must_use]
    pub fn choose_flex_ui(&self, version: &str) -> bool {
        let found = self.0.settings.flex_bundles.iter().position(|bundle| bundle.version == version);
        self.with(|_, state| state.flex_ui = found.unwrap_or(state.flex_ui));
        found.is_some()
    }

    /// The version of Flex UI that is served.
    #[must_use]
    pub fn flex_ui_version(&self) -> String {
        let chosen = self.with(|_, state| state.flex_ui);
        let bundle = self.0.settings.flex_bundles.get(chosen);
        bundle.map_or_else(|| "none".to_owned(), |bundle| bundle.version.clone())
    }

    pub(crate) fn plugins<T>(&self, work: impl FnOnce(&mut Store) -> T) -> T {
        self.with(|_, state| work(&mut state.plugins))
    }

    pub(crate) fn ui_attributes(&self) -> Attributes {
        self.with(|_, state| state.ui_attributes.clone())
    }

    /// The colleague, a second agent whom nobody plays, takes a call, which a supervisor may listen to.
    pub fn colleague_calls(&self, from: &str) -> Value {
        self.apply_or_log(Event::ColleagueCall { from: from.to_owned() });
        self.workspace(|space| space.summary()["colleague"].as_array().and_then(|all| all.last().cloned()))
            .unwrap_or_default()
    }

    /// A call of the colleague ends, and with it the legs of who listens.
    ///
    /// # Errors
    /// If there is no such call.
    pub fn colleague_hangs_up(&self, sid: &str) -> Result<(), Refusal> {
        self.apply(Event::ColleagueHangsUp { sid: sid.to_owned() })
    }

    /// The supervisor who listens to a call of the colleague is heard by the colleague alone, or by nobody again.
    ///
    /// # Errors
    /// If there is no such call.
    pub fn coach(&self, sid: &str, coach: bool) -> Result<(), Refusal> {
        self.apply(Event::Coach { sid: sid.to_owned(), coach })
    }

    /// The colleague takes a call that the agent transfers to him, or declines it.
    ///
    /// # Errors
    /// If nothing is being transferred under this SID.
    pub fn answer_transfer(&self, sid: &str, takes: bool) -> Result<(), Refusal> {
        self.apply(Event::TransferAnswered { sid: sid.to_owned(), takes })
    }

    /// Switches Flex's feature flags for pages that are loaded from now on.
    pub fn set_features(&self, features: Vec<String>) {
        self.with(|_, state| state.features = Some(features));
    }

    /// The feature flags that are on.
    pub(crate) fn features(&self) -> Vec<String> {
        self.with(|inner, state| state.features.clone().unwrap_or_else(|| inner.settings.features.clone()))
    }

    /// Says what customers do whom the agent calls from now on.
    pub fn set_far_end(&self, far_end: FarEnd) {
        self.apply_or_log(Event::FarEnd(far_end));
    }

    /// The customer whom the agent calls picks up.
    ///
    /// # Errors
    /// If nobody is being called under this SID.
    pub fn customer_answers(&self, sid: &str) -> Result<(), Refusal> {
        self.apply(Event::CustomerAnswers { sid: sid.to_owned() })
    }

    /// The customer whom the agent calls cannot be reached.
    ///
    /// # Errors
    /// If nobody is being called under this SID.
    pub fn customer_refuses(&self, sid: &str, why: Unreached) -> Result<(), Refusal> {
        self.apply(Event::CustomerRefuses { sid: sid.to_owned(), why })
    }

    pub(crate) fn roles(&self) -> Vec<String> {
        self.with(|_, state| state.roles.clone())
    }

    /// The worker as TaskRouter has it; `attributes` is JSON text there, as in Twilio's API.
    #[must_use]
    pub fn agent(&self) -> Value {
        self.workspace(Workspace::worker)
    }

    /// Everything, for the switchboard and for tests: `worker`, `activities`, `tasks`, `sockets`, `flex_tokens`,
    /// `faults`, `features`.
    #[must_use]
    pub fn state(&self) -> Value {
        let now = now();
        self.with(|inner, state| {
            let mut summary = state.machine.workspace().summary();
            summary["sockets"] = json!({
                "event_bridge": state.bridges.len(),
                "twilsock": inner.conversations.connections(),
            });
            summary["flex_tokens"] = json!(state.tokens.live(now));
            summary["faults"] =
                state.faults.active().map(|(id, fault)| json!({ "id": id, "fault": fault })).collect();
            summary["features"] = json!(state.features.as_ref().unwrap_or(&inner.settings.features));
            summary
        })
    }

    /// What happens from now on.
    #[must_use]
    pub fn events(&self) -> broadcast::Receiver<LogEvent> {
        self.0.events.subscribe()
    }

    /// Begins a fault.
    pub fn add_fault(&self, fault: Fault) -> FaultId {
        self.with(|_, state| state.faults.add(fault))
    }

    /// Ends a fault; false if there is no such.
    pub fn remove_fault(&self, id: FaultId) -> bool {
        self.with(|_, state| state.faults.remove(id))
    }

    /// Ends all faults.
    pub fn clear_faults(&self) {
        self.with(|_, state| state.faults.clear());
    }

    /// Whose Flex token this is, if it is a good one. Flex UI's own Voice device sends the Flex token, not an
    /// AccessToken, in its `listen`: the gateway asks here who that is.
    #[must_use]
    pub fn identity_of_flex_token(&self, token: &str) -> Option<String> {
        self.check_token(token).ok().map(|user| user.identity)
    }

    /// Ends calls and tasks, clears faults, and puts the worker back. Logins stay.
    pub fn reset(&self) {
        self.clear_faults();
        self.with(|_, state| {
            state.race = None;
            state.roles = agent_roles();
            state.features = None;
            state.ui_attributes.clear();
            state.flex_ui = 0;
            state.plugins = Store::default();
            state.event_callback = None;
        });
        self.0.conversations.reset();
        self.apply_or_log(Event::Reset);
    }

    /// Forgets every login, as an administrator's "log everybody out" would.
    pub fn revoke_flex_tokens(&self) {
        self.with(|_, state| state.tokens.clear());
    }

    /// The settings that it was started with.
    #[must_use]
    pub fn settings(&self) -> &Settings {
        &self.0.settings
    }

    // ---- For the modules ----

    pub(crate) fn apply(&self, event: Event) -> Result<(), Refusal> {
        let outcome = self.with(|inner, state| {
            if matches!(event, Event::UpdateWorker { attributes: Some(_), .. })
                && let Some(patch) = state.race.take()
            {
                inner.apply(state, Event::MergeAttributes(patch))?;
            }
            inner.apply(state, event)
        });
        self.0.changed.notify_one();
        outcome
    }

    /// Applies an event and reads what became of it before anybody else changes anything.
    pub(crate) fn apply_and_read<T>(
        &self,
        event: Event,
        read: impl FnOnce(&Workspace) -> T,
    ) -> Result<T, Refusal> {
        let outcome = self.with(|inner, state| {
            inner.apply(state, event)?;
            Ok(read(state.machine.workspace()))
        });
        self.0.changed.notify_one();
        outcome
    }

    fn apply_or_log(&self, event: Event) {
        if let Err(refusal) = self.apply(event) {
            tracing::debug!(%refusal, "ignored");
        }
    }

    pub(crate) fn workspace<T>(&self, read: impl FnOnce(&Workspace) -> T) -> T {
        self.with(|_, state| read(state.machine.workspace()))
    }

    /// What faults do to the next answer of a product.
    pub(crate) fn interference(&self, target: HttpTarget) -> Interference {
        self.with(|_, state| fault::interfere(&mut state.faults, target))
    }

    pub(crate) fn offline_activity_sid(&self) -> String {
        self.workspace(|space| space.activity_sid(account::ACTIVITY_OFFLINE)).unwrap_or_default()
    }

    pub(crate) fn check_token(&self, token: &str) -> Result<FlexUser, TokenError> {
        let now = now();
        self.with(|_, state| {
            if fault::flex_tokens_invalid(&state.faults) {
                return Err(TokenError::Invalid);
            }
            state.tokens.check(token, now)
        })
    }

    pub(crate) fn issue_token(&self) -> Login {
        let now = now();
        self.with(|inner, state| {
            let life = fault::flex_token_ttl(&state.faults).unwrap_or(inner.settings.flex_token_ttl);
            let (token, user) = state.tokens.issue(account::AGENT_IDENTITY, life, now, random_bytes());
            Login::new(token, user, state.roles.clone())
        })
    }

    pub(crate) fn log_iam(&self, kind: &str, data: Value) {
        self.0.happened(LogEvent::iam(kind, data));
    }

    pub(crate) fn bridge_opened(&self, sender: mpsc::UnboundedSender<String>) -> SocketId {
        let id = self.0.next_socket();
        self.with(|_, state| state.bridges.insert(id, sender));
        self.0.happened(LogEvent::flex("event_bridge.opened", None, json!({ "socket": id })));
        id
    }

    pub(crate) fn bridge_closed(&self, id: SocketId) {
        self.with(|_, state| state.bridges.remove(&id));
        self.0.happened(LogEvent::flex("event_bridge.closed", None, json!({ "socket": id })));
    }

    fn with<T>(&self, work: impl FnOnce(&Inner, &mut State) -> T) -> T {
        work(&self.0, &mut self.0.lock())
    }
}

impl Inner {
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn next_socket(&self) -> SocketId {
        self.sockets.fetch_add(1, Ordering::Relaxed)
    }

    fn happened(&self, event: LogEvent) {
        tracing::info!(source = event.source, kind = event.kind, call_sid = event.call_sid, data = %event.data);
        // Nobody listening is fine.
        drop(self.events.send(event));
    }

    /// Gives an event to the machine and carries out what it says, in order.
    fn apply(&self, state: &mut State, event: Event) -> Result<(), Refusal> {
        let now = now();
        let commands = state.machine.handle(event, millis(now));
        self.carry_out(state, commands)
    }

    fn on_timer(&self, state: &mut State) {
        let now = now();
        let commands = state.machine.handle_timeout(millis(now));
        if let Err(refusal) = self.carry_out(state, commands) {
            tracing::debug!(%refusal, "ignored");
        }
    }

    fn carry_out(&self, state: &mut State, commands: Vec<Command>) -> Result<(), Refusal> {
        for command in commands {
            match command {
                Command::Push { event, payload } => state.bridge(event, &payload),
                Command::ConferenceOpened { task_sid } => {
                    self.conversations.sync_map(&conference_map(&task_sid));
                }
                Command::ConferenceItem { task_sid, key, data } => {
                    let before = self.conversations.sync_item(&conference_map(&task_sid), &key);
                    if let Some((event, payload)) =
                        participant::event(&task_sid, &key, &data, before.as_ref())
                    {
                        state.bridge(event, &payload);
                    }
                    self.conversations.set_sync_item(&conference_map(&task_sid), &key, data);
                }
                Command::Insight { index, key, data } => {
                    self.conversations.set_sync_record(index.name(), &key, data);
                }
                Command::Leg(command) => {
                    if self.commands.send(command).is_err() {
                        tracing::warn!("nobody carries out the Flex cloud's commands");
                    }
                }
                Command::Chat(command) => {
                    if let Err(refusal) = self.change_chat(&command) {
                        tracing::debug!(%refusal, ?command, "a conversation is not changed");
                    }
                }
                Command::Log(event) => self.happened(event),
                Command::Refuse(refusal) => return Err(refusal),
            }
        }
        Ok(())
    }
}

impl Inner {
    /// Carries out what a chat task wants of its conversation. What is so already is no failure.
    fn change_chat(&self, command: &ChatCommand) -> Result<(), ChatRefusal> {
        let actor = Actor { webhooks: true, ..Actor::api() };
        let chats = &self.conversations;
        let is_in = |conversation: &str| {
            chats.read(|store| {
                let room = store.room(conversation);
                room.is_some_and(|room| room.participant(account::AGENT_IDENTITY).is_some())
            })
        };
        match command {
            ChatCommand::Join { conversation_sid } if !is_in(conversation_sid) => {
                let agent = NewParticipant {
                    attributes: Some(json!({ "member_type": "agent" }).to_string()),
                    ..NewParticipant::identity(account::AGENT_IDENTITY)
                };
                chats.add_participant(&actor, conversation_sid, agent).map(|_| ())
            }
            ChatCommand::Leave { conversation_sid } if is_in(conversation_sid) => {
                chats.remove_participant(&actor, conversation_sid, account::AGENT_IDENTITY)
            }
            ChatCommand::Join { .. } | ChatCommand::Leave { .. } => Ok(()),
            ChatCommand::Close { conversation_sid } => {
                chats.set_state(&actor, conversation_sid, ConversationState::Closed).map(|_| ())
            }
        }
    }
}

impl State {
    /// Sends an event to every event-bridge socket.
    fn bridge(&mut self, event: &str, payload: &Value) {
        let text = json!({ "event_type": event, "payload": payload }).to_string();
        self.bridges.retain(|_, sender| sender.send(text.clone()).is_ok());
    }
}

/// Conversations of the sandbox's account, with the agent as a user. Flex says whose its tokens are; it is asked while no lock of
/// Conversations is held, because Flex changes conversations while it holds its own.
fn start_conversations(flex: Weak<Inner>) -> Conversations {
    let known = "the sandbox's own identifiers have Twilio's form";
    let config = sandbox_conversations::Config {
        account: AccountSid::new(account::ACCOUNT_SID).expect(known),
        auth_token: Secret::new(account::AUTH_TOKEN),
        api_key: ApiKey::new(
            ApiKeySid::new(account::API_KEY_SID).expect(known),
            Secret::new(account::API_KEY_SECRET),
        ),
        reading_key: Some(ApiKey::new(
            ApiKeySid::new(account::READING_API_KEY_SID).expect(known),
            Secret::new(account::READING_API_KEY_SECRET),
        )),
        service_sid: account::CHAT_SERVICE_SID.to_owned(),
        flex_tokens: Some(Arc::new(move |token| {
            let flex = flex.upgrade().map(FlexCloud).ok_or(ChatTokenError::Invalid)?;
            match flex.check_token(token) {
                Ok(user) => Ok(Bearer { identity: user.identity, expires: millis(user.expires) }),
                Err(TokenError::Expired) => Err(ChatTokenError::Expired),
                Err(TokenError::Invalid) => Err(ChatTokenError::Invalid),
            }
        })),
    };
    let conversations = Conversations::start(config);
    let name = UserPatch { friendly_name: Some(account::AGENT_NAME.to_owned()), ..UserPatch::default() };
    if let Err(refusal) = conversations.update_user(&Actor::api(), account::AGENT_IDENTITY, name) {
        tracing::warn!(%refusal, "the agent has no name in chats");
    }
    conversations
}

fn agent_roles() -> Vec<String> {
    vec!["agent".to_owned()]
}

/// Name of the Sync map in which Flex follows the conference of a task.
fn conference_map(task_sid: &str) -> String {
    format!("{task_sid}.CS")
}

/// The agent's attributes at start. `contact_uri` is what an administrator sets up: Flex's own device. The plugin
/// points it at the extension.
fn worker_attributes() -> Attributes {
    let attributes = json!({
        "full_name": account::AGENT_NAME,
        "email": account::AGENT_EMAIL,
        "contact_uri": format!("client:{}", account::AGENT_IDENTITY),
        "roles": ["agent"],
        "extensionVoiceClientEnabled": true,
    });
    attributes.as_object().cloned().unwrap_or_default()
}

/// Wakes the machine when its deadline passes, for as long as the cloud exists.
async fn keep_time(cloud: Weak<Inner>) {
    loop {
        let Some(inner) = cloud.upgrade() else { return };
        let wait = inner.lock().machine.poll_timeout().map(|at| {
            // Whole milliseconds are rounded down, so wake one later, or nothing would be due.
            Duration::from_millis(millis(now()).until(at) + 1)
        });
        let elapsed = async {
            match wait {
                Some(wait) => tokio::time::sleep(wait).await,
                None => std::future::pending().await,
            }
        };
        // The clouds's last handle may be dropped meanwhile, so the wait is bounded and holds nothing long.
        tokio::select! {
            () = elapsed => {
                inner.on_timer(&mut inner.lock());
            }
            () = inner.changed.notified() => {}
            () = tokio::time::sleep(Duration::from_secs(1)) => {}
        }
    }
}

fn random_bytes() -> [u8; 64] {
    let mut bytes = [0; 64];
    rand::fill(&mut bytes);
    bytes
}
