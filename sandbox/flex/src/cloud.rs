//! The handle, and the state behind it.

use std::collections::HashMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::time::Duration;

use axum::Router;
use axum::extract::{Request as HttpRequest, State as HttpState};
use axum::http::{StatusCode, header};
use axum::middleware::{self, Next};
use axum::response::{IntoResponse as _, Response};
use jiff::Timestamp;
use kernel::CallSid;
use serde_json::{Value, json};
use tokio::sync::{Notify, broadcast, mpsc};
use tower::ServiceExt as _;
use tower_http::cors::{AllowHeaders, AllowMethods, AllowOrigin, CorsLayer};

use crate::account;
use crate::api::{Command, FarEnd, LegEnd, Settings, Unreached, VoiceTask};
use crate::event::Event;
use crate::fault::{Fault, FaultId, Faults, HttpTarget};
use crate::iam::{FlexUser, Login, TokenError, Tokens};
use crate::sync::{Push, SocketId, Sync};
use crate::taskrouter::machine::{Attributes, Effect, Index, Input, Machine, Options, Refusal, colleague};
use crate::twilsock::{Frame, Received};
use crate::{conversations, flex_api, host, iam, plugins_api, taskrouter, twilsock};

/// Events that a slow reader may lag behind before it loses some.
const EVENTS_KEPT: usize = 1024;

/// The Flex cloud. Clones are handles to the same cloud.
#[derive(Clone)]
pub struct FlexCloud(Arc<Inner>);

struct Inner {
    settings: Settings,
    state: Mutex<State>,
    commands: mpsc::UnboundedSender<Command>,
    events: broadcast::Sender<Event>,
    /// The machine's deadline may have changed.
    changed: Notify,
    sockets: AtomicU64,
}

struct State {
    machine: Machine,
    tokens: Tokens,
    sync: Sync,
    faults: Faults,
    bridges: HashMap<SocketId, mpsc::UnboundedSender<String>>,
    twilsocks: HashMap<SocketId, mpsc::UnboundedSender<Frame>>,
    notifications: u64,
    /// Attributes that somebody else changes just before Flex does.
    race: Option<Attributes>,
    roles: Vec<String>,
    /// Feature flags, where the switchboard has chosen others than the settings name.
    features: Option<Vec<String>>,
    ui_attributes: Attributes,
    /// Which of the bundles is served.
    flex_ui: usize,
    plugins: plugins_api::Store,
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
    pub fn start(settings: Settings) -> (Self, mpsc::UnboundedReceiver<Command>) {
        let now = now();
        let options = Options {
            seed: rand::random(),
            reservation_timeout: settings.reservation_timeout,
            voice_capacity: settings.voice_capacity,
            initial_activity: settings.initial_activity.clone(),
            worker_attributes: worker_attributes(),
        };
        let mut sync = Sync::default();
        conversations::prepare(&mut sync, now);
        sync.set_record(
            Index::Workers.name(),
            account::COLLEAGUE_WORKER_SID,
            Some(colleague::worker_insight(now)),
        );
        let state = State {
            machine: Machine::new(options, now),
            tokens: Tokens::default(),
            sync,
            faults: Faults::default(),
            bridges: HashMap::new(),
            twilsocks: HashMap::new(),
            notifications: 0,
            race: None,
            roles: agent_roles(),
            features: None,
            ui_attributes: Attributes::new(),
            flex_ui: 0,
            plugins: plugins_api::Store::default(),
        };
        let (commands, receiver) = mpsc::unbounded_channel();
        let inner = Arc::new(Inner {
            settings,
            state: Mutex::new(state),
            commands,
            events: broadcast::channel(EVENTS_KEPT).0,
            changed: Notify::new(),
            sockets: AtomicU64::new(1),
        });
        tokio::spawn(keep_time(Arc::downgrade(&inner)));
        (Self(inner), receiver)
    }

    // ---- For the composing binary ----

    /// Everything that Twilio serves for Flex, for the TLS port. It chooses by the `Host` header; [`Self::serves`]
    /// says which hosts it knows.
    pub fn router(&self) -> Router {
        let by_host: HashMap<&'static str, Router> = HashMap::from([
            ("iam.twilio.com", iam::router(self.clone())),
            (
                "flex-api.twilio.com",
                plugins_api::plugins_router(self.clone()).merge(flex_api::router(self.clone())),
            ),
            ("serverless.twilio.com", plugins_api::serverless_router(self.clone())),
            ("serverless-upload.twilio.com", plugins_api::serverless_router(self.clone())),
            (plugins_api::DOMAIN, plugins_api::assets_router(self.clone())),
            ("event-bridge.twilio.com", taskrouter::router(self.clone())),
            ("tsock.us1.twilio.com", twilsock::router(self.clone())),
            ("flex.twilio.com", host::router(self.clone()).merge(flex_api::page_router(self.clone()))),
        ]);
        let by_host = Arc::new(by_host);
        let dispatch = move |request: HttpRequest| {
            let by_host = Arc::clone(&by_host);
            async move {
                let host = host_of(&request);
                match by_host.get(host.as_str()) {
                    Some(router) => match router.clone().oneshot(request).await {
                        Ok(response) => response,
                        Err(never) => match never {},
                    },
                    None => host::cosmetics(&host, request.uri().path()).unwrap_or_else(|| {
                        tracing::debug!(host, method = %request.method(), path = request.uri().path(), "not served");
                        iam::error(StatusCode::NOT_FOUND, 20404, "The sandbox does not serve this")
                    }),
                }
            }
        };
        Router::new().fallback(dispatch).layer(cors())
    }

    /// Whether [`Self::router`] has anything for this host (without port).
    #[must_use]
    pub fn serves(host: &str) -> bool {
        const HOSTS: [&str; 8] = [
            "iam.twilio.com",
            "flex-api.twilio.com",
            "event-bridge.twilio.com",
            "tsock.us1.twilio.com",
            "flex.twilio.com",
            "serverless.twilio.com",
            "serverless-upload.twilio.com",
            plugins_api::DOMAIN,
        ];
        HOSTS.contains(&host) || host::is_cosmetic(host)
    }

    /// IAM alone (`/v1/Accounts/{AC}/Tokens/...`), for the plain HTTP port, where the token service asks.
    pub fn iam_router(&self) -> Router {
        iam::router(self.clone())
    }

    /// A customer calls the call centre: a voice task, and a reservation once the agent is available.
    pub fn create_voice_task(&self, from: &str) -> VoiceTask {
        // Creating a task is never refused.
        let task = self.with(|inner, state| {
            inner.apply(state, Input::CustomerCalls { from: from.to_owned() }).ok()?;
            state.machine.newest_task()
        });
        self.0.changed.notify_one();
        task.unwrap_or_else(|| unreachable!("the machine has just made a task"))
    }

    /// The agent's telephone was answered.
    pub fn agent_leg_answered(&self, call_sid: &CallSid) {
        self.tell(Input::LegAnswered { call_sid: call_sid.clone() });
    }

    /// The agent's leg is over, whoever ended it, or could not be made. Legs that are not Flex's are ignored.
    pub fn agent_leg_ended(&self, call_sid: &CallSid, reason: LegEnd) {
        self.tell(Input::LegEnded { call_sid: call_sid.clone(), reason });
    }

    /// The customer hung up. `sid` is the customer's leg, the agent's leg, or the task; others are ignored.
    pub fn customer_hung_up(&self, sid: &str) {
        self.tell(Input::CustomerHungUp { sid: sid.to_owned() });
    }

    /// Sets the agent's activity from outside, as a supervisor or the REST API would; pending reservations are
    /// rejected if it is one in which the agent is not available.
    ///
    /// # Errors
    /// [`UnknownActivity`].
    pub fn set_activity(&self, name: &str) -> Result<(), UnknownActivity> {
        let sid = self.machine(|machine| machine.activity_sid(name));
        let sid = sid.ok_or_else(|| UnknownActivity(name.to_owned()))?;
        self.tell(Input::UpdateWorker {
            activity_sid: Some(sid),
            attributes: None,
            reject_pending_reservations: true,
            version: None,
        });
        Ok(())
    }

    /// Changes some of the agent's attributes from outside; null removes one.
    pub fn merge_attributes(&self, patch: Attributes) {
        self.tell(Input::MergeAttributes(patch));
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

    pub(crate) fn plugins<T>(&self, work: impl FnOnce(&mut plugins_api::Store) -> T) -> T {
        self.with(|_, state| work(&mut state.plugins))
    }

    pub(crate) fn ui_attributes(&self) -> Attributes {
        self.with(|_, state| state.ui_attributes.clone())
    }

    /// The colleague, a second agent whom nobody plays, takes a call, which a supervisor may listen to.
    pub fn colleague_calls(&self, from: &str) -> Value {
        self.tell(Input::ColleagueCall { from: from.to_owned() });
        self.machine(|machine| machine.summary()["colleague"].as_array().and_then(|all| all.last().cloned()))
            .unwrap_or_default()
    }

    /// A call of the colleague ends, and with it the legs of who listens.
    ///
    /// # Errors
    /// If there is no such call.
    pub fn colleague_hangs_up(&self, sid: &str) -> Result<(), Refusal> {
        self.apply(Input::ColleagueHangsUp { sid: sid.to_owned() })
    }

    /// The supervisor who listens to a call of the colleague is heard by the colleague alone, or by nobody again.
    ///
    /// # Errors
    /// If there is no such call.
    pub fn coach(&self, sid: &str, coach: bool) -> Result<(), Refusal> {
        self.apply(Input::Coach { sid: sid.to_owned(), coach })
    }

    /// The colleague takes a call that the agent transfers to him, or declines it.
    ///
    /// # Errors
    /// If nothing is being transferred under this SID.
    pub fn answer_transfer(&self, sid: &str, takes: bool) -> Result<(), Refusal> {
        self.apply(Input::TransferAnswered { sid: sid.to_owned(), takes })
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
        self.tell(Input::FarEnd(far_end));
    }

    /// The customer whom the agent calls picks up.
    ///
    /// # Errors
    /// If nobody is being called under this SID.
    pub fn customer_answers(&self, sid: &str) -> Result<(), Refusal> {
        self.apply(Input::CustomerAnswers { sid: sid.to_owned() })
    }

    /// The customer whom the agent calls cannot be reached.
    ///
    /// # Errors
    /// If nobody is being called under this SID.
    pub fn customer_refuses(&self, sid: &str, why: Unreached) -> Result<(), Refusal> {
        self.apply(Input::CustomerRefuses { sid: sid.to_owned(), why })
    }

    pub(crate) fn roles(&self) -> Vec<String> {
        self.with(|_, state| state.roles.clone())
    }

    /// The worker as TaskRouter has it; `attributes` is JSON text there, as in Twilio's API.
    #[must_use]
    pub fn agent(&self) -> Value {
        self.machine(Machine::worker)
    }

    /// Everything, for the switchboard and for tests: `worker`, `activities`, `tasks`, `sockets`, `flex_tokens`,
    /// `faults`, `features`.
    #[must_use]
    pub fn state(&self) -> Value {
        let now = self.now();
        self.with(|inner, state| {
            let mut summary = state.machine.summary();
            summary["sockets"] = json!({
                "event_bridge": state.bridges.len(),
                "twilsock": state.twilsocks.len(),
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
    pub fn events(&self) -> broadcast::Receiver<Event> {
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
            state.plugins = plugins_api::Store::default();
        });
        self.tell(Input::Reset);
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

    pub(crate) fn now(&self) -> Timestamp {
        now()
    }

    pub(crate) fn apply(&self, input: Input) -> Result<(), Refusal> {
        let outcome = self.with(|inner, state| {
            if matches!(input, Input::UpdateWorker { attributes: Some(_), .. })
                && let Some(patch) = state.race.take()
            {
                inner.apply(state, Input::MergeAttributes(patch))?;
            }
            inner.apply(state, input)
        });
        self.0.changed.notify_one();
        outcome
    }

    fn tell(&self, input: Input) {
        if let Err(refusal) = self.apply(input) {
            tracing::debug!(%refusal, "ignored");
        }
    }

    pub(crate) fn machine<T>(&self, read: impl FnOnce(&Machine) -> T) -> T {
        self.with(|_, state| read(&state.machine))
    }

    pub(crate) fn offline_activity_sid(&self) -> String {
        self.machine(|machine| machine.activity_sid(account::ACTIVITY_OFFLINE)).unwrap_or_default()
    }

    pub(crate) fn check_token(&self, token: &str) -> Result<FlexUser, TokenError> {
        let now = self.now();
        self.with(|_, state| {
            if state.faults.flex_tokens_invalid() {
                return Err(TokenError::Invalid);
            }
            state.tokens.check(token, now)
        })
    }

    pub(crate) fn issue_token(&self) -> Login {
        let now = self.now();
        self.with(|inner, state| {
            let life = state.faults.flex_token_ttl().unwrap_or(inner.settings.flex_token_ttl);
            let (token, user) = state.tokens.issue(account::AGENT_IDENTITY, life, now, random_bytes());
            Login::new(token, user, state.roles.clone())
        })
    }

    pub(crate) fn log_iam(&self, kind: &str, data: Value) {
        self.0.happened(Event::iam(kind, data));
    }

    pub(crate) fn bridge_opened(&self, sender: mpsc::UnboundedSender<String>) -> SocketId {
        let id = self.0.next_socket();
        self.with(|_, state| state.bridges.insert(id, sender));
        self.0.happened(Event::flex("event_bridge.opened", None, json!({ "socket": id })));
        id
    }

    pub(crate) fn bridge_closed(&self, id: SocketId) {
        self.with(|_, state| state.bridges.remove(&id));
        self.0.happened(Event::flex("event_bridge.closed", None, json!({ "socket": id })));
    }

    pub(crate) fn twilsock_opened(&self, sender: mpsc::UnboundedSender<Frame>) -> SocketId {
        let id = self.0.next_socket();
        self.with(|_, state| state.twilsocks.insert(id, sender));
        id
    }

    pub(crate) fn twilsock_closed(&self, id: SocketId) {
        self.with(|_, state| {
            state.twilsocks.remove(&id);
            state.sync.disconnect(id);
        });
    }

    pub(crate) fn twilsock_received(&self, id: SocketId, frame: &Frame) {
        let now = self.now();
        self.with(|_, state| {
            let (reply, pushes) = match twilsock::receive(frame) {
                Received::Nothing => return,
                Received::Reply(reply) => (reply, Vec::new()),
                Received::Request(request) => {
                    let (answer, pushes) = match request.host.as_str() {
                        "cds.us1.twilio.com" => state.sync.request(id, &request, now),
                        "aim.us1.twilio.com" => {
                            (conversations::request(&mut state.sync, &request, now), Vec::new())
                        }
                        // Telemetry.
                        "flex-sdk.twilio.com" => {
                            (crate::sync::Answer { status: 202, body: json!({}) }, Vec::new())
                        }
                        _ => (crate::sync::Answer::not_found(20404, "unknown host"), Vec::new()),
                    };
                    if answer.status == 404 {
                        tracing::debug!(host = request.host, path = request.path, "not in Sync");
                    }
                    (twilsock::http_reply(frame, answer.status, &answer.body), pushes)
                }
            };
            if let Some(sender) = state.twilsocks.get(&id)
                && sender.send(reply).is_err()
            {
                tracing::debug!(socket = id, "twilsock closed before its reply");
            }
            state.push(pushes);
        });
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

    fn happened(&self, event: Event) {
        tracing::info!(source = event.source, kind = event.kind, call_sid = event.call_sid, data = %event.data);
        // Nobody listening is fine.
        drop(self.events.send(event));
    }

    /// Gives an input to the machine and carries out its effects, in order.
    fn apply(&self, state: &mut State, input: Input) -> Result<(), Refusal> {
        let now = now();
        for effect in state.machine.handle(input, now)? {
            match effect {
                Effect::Push { event, payload } => {
                    let text = json!({ "event_type": event, "payload": payload }).to_string();
                    state.bridges.retain(|_, sender| sender.send(text.clone()).is_ok());
                }
                Effect::ConferenceOpened { task_sid } => {
                    state.sync.map(&conference_map(&task_sid), now);
                }
                Effect::ConferenceItem { task_sid, key, data } => {
                    let before = state.sync.item(&conference_map(&task_sid), &key);
                    if let Some((event, payload)) =
                        taskrouter::interactions::event(&task_sid, &key, &data, before.as_ref())
                    {
                        let text = json!({ "event_type": event, "payload": payload }).to_string();
                        state.bridges.retain(|_, sender| sender.send(text.clone()).is_ok());
                    }
                    let pushes = state.sync.set_item(&conference_map(&task_sid), &key, data, now);
                    state.push(pushes);
                }
                Effect::Insight { index, key, data } => {
                    let pushes = state.sync.set_record(index.name(), &key, data);
                    state.push(pushes);
                }
                Effect::Command(command) => {
                    if self.commands.send(command).is_err() {
                        tracing::warn!("nobody carries out the Flex cloud's commands");
                    }
                }
                Effect::Happened(event) => self.happened(event),
            }
        }
        Ok(())
    }
}

impl State {
    fn push(&mut self, pushes: Vec<Push>) {
        for (socket, event) in pushes {
            self.notifications += 1;
            let frame = Frame::sync_event(self.notifications, &event);
            if let Some(sender) = self.twilsocks.get(&socket)
                && sender.send(frame).is_err()
            {
                tracing::debug!(socket, "twilsock closed before its event");
            }
        }
    }
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
fn worker_attributes() -> serde_json::Map<String, Value> {
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
        let wait = inner.lock().machine.deadline().map(|deadline| {
            // A little late rather than a little early, or the tick would find nothing due.
            Duration::try_from(deadline.duration_since(now())).unwrap_or_default() + Duration::from_millis(1)
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
                let outcome = { inner.apply(&mut inner.lock(), Input::Tick) };
                if let Err(refusal) = outcome {
                    tracing::debug!(%refusal, "tick");
                }
            }
            () = inner.changed.notified() => {}
            () = tokio::time::sleep(Duration::from_secs(1)) => {}
        }
    }
}

/// The one place where this crate reads the clock.
fn now() -> Timestamp {
    Timestamp::now()
}

fn random_bytes() -> [u8; 64] {
    let mut bytes = [0; 64];
    rand::fill(&mut bytes);
    bytes
}

fn host_of(request: &HttpRequest) -> String {
    let host = request.uri().host().or_else(|| request.headers().get(header::HOST)?.to_str().ok());
    let host = host.unwrap_or_default();
    host.rsplit_once(':').map_or(host, |(name, _)| name).to_ascii_lowercase()
}

/// Flex UI calls its servers across origins, some of them with credentials.
fn cors() -> CorsLayer {
    CorsLayer::new()
        .allow_origin(AllowOrigin::mirror_request())
        .allow_methods(AllowMethods::mirror_request())
        .allow_headers(AllowHeaders::mirror_request())
        .allow_credentials(true)
}

/// Lets faults spoil a product's answers.
pub(crate) fn with_faults(router: Router, cloud: &FlexCloud, target: HttpTarget) -> Router {
    router.layer(middleware::from_fn_with_state((cloud.clone(), target), interfere))
}

async fn interfere(
    HttpState((cloud, target)): HttpState<(FlexCloud, HttpTarget)>,
    request: HttpRequest,
    next: Next,
) -> Response {
    let interference = cloud.with(|_, state| state.faults.interfere(target));
    if !interference.delay.is_zero() {
        tokio::time::sleep(interference.delay).await;
    }
    let Some(status) = interference.status.and_then(|status| StatusCode::from_u16(status).ok()) else {
        return next.run(request).await;
    };
    let code = match status.as_u16() {
        401 => 20003,
        status => 20000 + u32::from(status),
    };
    let message = status.canonical_reason().unwrap_or("Error");
    let mut response = iam::error(status, code, message).into_response();
    if status == StatusCode::TOO_MANY_REQUESTS || status == StatusCode::SERVICE_UNAVAILABLE {
        response.headers_mut().insert(header::RETRY_AFTER, header::HeaderValue::from_static("1"));
    }
    response
}
