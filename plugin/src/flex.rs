//! Bindings to the few things of Flex UI 2.x that the plugin uses, typed, and reading Flex's store into a
//! [`FlexView`].
//!
//! What is public API of Flex is bound as methods. Flex's store is read by path, because every step of a path
//! may be missing while Flex starts or runs degraded.

use std::cell::Cell;
use std::rc::Rc;

use js_sys::{Array, Function, JSON, Map, Object, Promise, Reflect};
use kernel::{AccountSid, Identity, Secret};
use protocol::page::{ExpectReason, FlexToken};
use wasm_bindgen::prelude::*;
use wasm_bindgen_futures::spawn_local;

use crate::machine::attribute::{self, Switch, Value};
use crate::machine::contact::PREVIOUS;
use crate::machine::expect::Coming;
use crate::machine::flex_view::FlexSession;
use crate::machine::i18n::Text;
use crate::machine::{ActiveCall, Activity, ActivityChoice, FlexView, Settings, VoiceReservation, VoiceTask};
use crate::outcome::warn_on_error;

#[wasm_bindgen]
extern "C" {
    /// The first argument of a plugin's `init`: Flex's public exports.
    #[derive(Clone)]
    pub type Flex;
    #[wasm_bindgen(method, getter, js_name = Actions)]
    pub fn actions(this: &Flex) -> Actions;
    #[wasm_bindgen(method, getter, js_name = Notifications)]
    pub fn notifications(this: &Flex) -> Notifications;
    #[wasm_bindgen(method, getter, js_name = MainHeader)]
    pub fn main_header(this: &Flex) -> DynamicComponent;
    #[wasm_bindgen(method, getter, js_name = TaskCanvas)]
    pub fn task_canvas(this: &Flex) -> DynamicComponent;
    #[wasm_bindgen(method, getter, js_name = TaskCanvasHeader)]
    pub fn task_canvas_header(this: &Flex) -> DynamicComponent;
    #[wasm_bindgen(method, getter, js_name = TaskCanvasTabs)]
    pub fn task_canvas_tabs(this: &Flex) -> DynamicComponent;
    /// The component that is one tab.
    #[wasm_bindgen(method, getter, js_name = Tab)]
    pub fn tab(this: &Flex) -> JsValue;
    #[wasm_bindgen(method, getter, js_name = TaskHelper)]
    pub fn task_helper(this: &Flex) -> TaskHelper;

    /// Flex's actions framework.
    pub type Actions;
    #[wasm_bindgen(method, catch, js_name = addListener)]
    pub fn add_listener(this: &Actions, event: &str, listener: &Function) -> Result<JsValue, JsValue>;
    #[wasm_bindgen(method, catch, js_name = replaceAction)]
    pub fn replace_action(this: &Actions, action: &str, replacement: &Function) -> Result<(), JsValue>;
    #[wasm_bindgen(method, catch, js_name = invokeAction)]
    pub fn invoke_action(this: &Actions, action: &str, payload: &Object) -> Result<Promise, JsValue>;

    /// Flex's notifications.
    pub type Notifications;
    #[wasm_bindgen(method, catch, js_name = registerNotification)]
    pub fn register(this: &Notifications, notification: &Object) -> Result<(), JsValue>;
    #[wasm_bindgen(method, catch, js_name = showNotification)]
    pub fn show(this: &Notifications, id: &str, context: &Object) -> Result<JsValue, JsValue>;
    #[wasm_bindgen(method, catch, js_name = dismissNotificationById)]
    pub fn dismiss(this: &Notifications, id: &str) -> Result<(), JsValue>;

    /// A component of Flex that plugins may add to.
    pub type DynamicComponent;
    #[wasm_bindgen(method, getter, js_name = Content)]
    pub fn content(this: &DynamicComponent) -> ContentStore;
    /// Its content.
    pub type ContentStore;
    #[wasm_bindgen(method, catch)]
    pub fn add(this: &ContentStore, element: &JsValue, options: &Object) -> Result<(), JsValue>;

    /// Emotion's higher-order component: gives a component Flex's theme as `props.theme`.
    #[wasm_bindgen(method, catch, js_name = withTheme)]
    pub fn with_theme(this: &Flex, component: &JsValue) -> Result<JsValue, JsValue>;

    /// Gives a component the task that the agent looks at as `props.task`.
    #[wasm_bindgen(method, catch, js_name = withTaskContext)]
    pub fn with_task_context(this: &Flex, component: &JsValue) -> Result<JsValue, JsValue>;

    /// Flex's judgement of tasks.
    pub type TaskHelper;
    #[wasm_bindgen(method, catch, js_name = isCallTask)]
    pub fn is_call_task(this: &TaskHelper, task: &JsValue) -> Result<bool, JsValue>;

    /// The second argument of a plugin's `init`.
    #[derive(Clone)]
    pub type Manager;
    #[wasm_bindgen(method, getter)]
    pub fn store(this: &Manager) -> Store;
    #[wasm_bindgen(method, getter)]
    pub fn events(this: &Manager) -> Option<Events>;
    #[wasm_bindgen(method, getter, js_name = workerClient)]
    pub fn worker_client(this: &Manager) -> Option<WorkerClient>;

    /// Flex's Redux store.
    pub type Store;
    #[wasm_bindgen(method, catch, js_name = getState)]
    pub fn get_state(this: &Store) -> Result<JsValue, JsValue>;
    #[wasm_bindgen(method, catch)]
    pub fn dispatch(this: &Store, action: &Object) -> Result<JsValue, JsValue>;
    #[wasm_bindgen(method, catch)]
    pub fn subscribe(this: &Store, listener: &Function) -> Result<JsValue, JsValue>;

    /// `manager.events`.
    pub type Events;
    #[wasm_bindgen(method, catch, js_name = addListener)]
    pub fn add_listener(this: &Events, event: &str, listener: &Function) -> Result<JsValue, JsValue>;

    /// TaskRouter's worker, as Flex holds it.
    pub type WorkerClient;
    #[wasm_bindgen(method, catch, js_name = setAttributes)]
    pub fn set_attributes(this: &WorkerClient, attributes: &Object) -> Result<Promise, JsValue>;
    #[wasm_bindgen(method, catch, js_name = createTask)]
    pub fn create_task(
        this: &WorkerClient,
        to: &str,
        from: &str,
        workflow_sid: &str,
        queue_sid: &str,
        options: &Object,
    ) -> Result<Promise, JsValue>;

    /// The page's React, which Flex has put on the window before it loads plugins.
    #[wasm_bindgen(catch, js_namespace = React, js_name = createElement)]
    pub fn create_element(kind: &JsValue, props: &Object, child: &JsValue) -> Result<JsValue, JsValue>;
    /// The same for many children, which are told apart by their place.
    #[wasm_bindgen(catch, variadic, js_namespace = React, js_name = createElement)]
    pub fn create_element_of(kind: &JsValue, props: &Object, children: &Array) -> Result<JsValue, JsValue>;
    #[wasm_bindgen(catch, js_namespace = React, js_name = useState)]
    pub fn use_state(initial: &JsValue) -> Result<Array, JsValue>;
    #[wasm_bindgen(catch, js_namespace = React, js_name = useEffect)]
    pub fn use_effect(effect: &Function, dependencies: &Array) -> Result<(), JsValue>;
    /// After each drawing, before the browser paints.
    #[wasm_bindgen(catch, js_namespace = React, js_name = useLayoutEffect)]
    pub fn use_layout_effect(effect: &Function) -> Result<(), JsValue>;
}

/// What is at the end of a path of properties; `undefined` when a step is missing.
pub fn at(root: &JsValue, path: &[&str]) -> JsValue {
    let mut value = root.clone();
    for key in path {
        if !value.is_object() && !value.is_function() {
            return JsValue::UNDEFINED;
        }
        value = Reflect::get(&value, &JsValue::from_str(key)).unwrap_or(JsValue::UNDEFINED);
    }
    value
}

pub fn text(root: &JsValue, path: &[&str]) -> Option<String> {
    at(root, path).as_string()
}

fn is_true(root: &JsValue, path: &[&str]) -> bool {
    at(root, path).as_bool() == Some(true)
}

/// An object of these properties.
pub fn object(properties: &[(&str, JsValue)]) -> Object {
    let object = Object::new();
    for (key, value) in properties {
        set(&object, key, value);
    }
    object
}

/// Sets a property of an object that we made.
pub fn set(object: &Object, key: &str, value: &JsValue) {
    let taken = Reflect::set(object, &JsValue::from_str(key), value);
    debug_assert!(taken.is_ok(), "a plain object takes every property");
}

impl Manager {
    /// Flex's part of the store. `undefined` while there is none.
    pub fn state(&self) -> JsValue {
        self.store().get_state().map_or(JsValue::UNDEFINED, |state| at(&state, &["flex"]))
    }

    /// The account that this Flex belongs to.
    pub fn account_sid(&self) -> Option<String> {
        text(self.as_ref(), &["serviceConfiguration", "account_sid"])
            .or_else(|| text(&self.state(), &["config", "sso", "accountSid"]))
    }

    /// `ui_attributes.holdfast` of the Flex configuration, completed by `defaults`.
    pub fn settings(&self, defaults: Settings) -> Settings {
        let found = at(self.as_ref(), &["serviceConfiguration", "ui_attributes", "holdfast"]);
        let mut settings = defaults;
        for name in Settings::NAMES {
            let value = at(&found, &[name]);
            if value.is_undefined() || value.is_null() {
                continue;
            }
            match value.as_string() {
                Some(text) => {
                    if let Some(field) = settings.field(name) {
                        *field = Some(text);
                    }
                }
                None => settings.not_text.push(name),
            }
        }
        settings
    }

    /// The language that Flex speaks, as a tag such as `es-MX`.
    pub fn language(&self) -> Option<String> {
        text(self.as_ref(), &["localization", "localeTag"])
            .or_else(|| web_sys::window().and_then(|window| window.navigator().language()))
    }

    /// The plugin's texts that an administrator has replaced, by their keys.
    pub fn own_texts(&self) -> Vec<(String, String)> {
        let strings = at(self.as_ref(), &["strings"]);
        Text::all().filter_map(|one| Some((one.key().to_owned(), text(&strings, &[one.key()])?))).collect()
    }

    /// The worker's SID.
    pub fn worker_sid(&self) -> Option<String> {
        text(&self.state(), &["worker", "worker", "sid"])
            .or_else(|| text(self.as_ref(), &["workerClient", "sid"]))
    }

    /// Creates an outbound voice task, as Flex's own `StartOutboundCall` does.
    ///
    /// # Errors
    /// When Flex is not set up for outbound calls, or TaskRouter's client refuses at once.
    pub fn dial(&self, payload: &JsValue) -> Result<Promise, JsValue> {
        let client = self.worker_client().ok_or_else(|| JsValue::from_str("no worker client"))?;
        let flow = at(self.as_ref(), &["serviceConfiguration", "outbound_call_flows", "default"]);
        let named = |key: &str, default: &str| {
            text(payload, &[key])
                .or_else(|| text(&flow, &[default]))
                .ok_or_else(|| JsValue::from_str(&format!("no {default} for outbound calls")))
        };
        let to = text(payload, &["destination"]).ok_or_else(|| JsValue::from_str("no destination"))?;
        let given = at(payload, &["taskAttributes"]);
        let attributes = Object::new();
        if let Some(given) = given.dyn_ref::<Object>() {
            Object::assign(&attributes, given);
        }
        set(&attributes, "direction", &JsValue::from_str("outbound"));
        let options = object(&[
            ("attributes", attributes.into()),
            ("taskChannelUniqueName", JsValue::from_str("voice")),
        ]);
        let (from, queue) = (named("callerId", "caller_id")?, named("queueSid", "queue_sid")?);
        client.create_task(&to, &from, &named("workflowSid", "workflow_sid")?, &queue, &options)
    }

    /// A worker attribute, as the store has it, or before that TaskRouter's client.
    pub fn worker_attribute(&self, name: &str) -> JsValue {
        let stored = at(&self.state(), &["worker", "attributes", name]);
        if stored.is_undefined() { at(self.as_ref(), &["workerClient", "attributes", name]) } else { stored }
    }

    /// The words of the Flex token that the store holds now, for a request of this page.
    pub fn token_text(&self) -> Option<String> {
        text(&self.state(), &["session", "ssoTokenPayload", "token"])
    }

    /// The Flex token that the store holds now.
    pub fn token(&self, account_sid: AccountSid) -> Option<FlexToken> {
        let payload = at(&self.state(), &["session", "ssoTokenPayload"]);
        // A string when it comes from the token service, a Date when Flex has parsed it.
        let expiration = at(&payload, &["expiration"]);
        let expiration = expiration.as_string().or_else(|| {
            expiration.dyn_ref::<js_sys::Date>().and_then(|date| date.to_iso_string().as_string())
        })?;
        Some(FlexToken {
            token: Secret::new(text(&payload, &["token"])?),
            account_sid,
            expiration,
            agent_identity: agent(&payload),
        })
    }

    /// Sets the worker attributes `contact_uri` and [`PREVIOUS`] and keeps the others: TaskRouter replaces all by what it is
    /// given. `others`: these instead of what TaskRouter's client holds.
    ///
    /// The live object is copied, never changed: a failed request would leave it wrong for everybody.
    ///
    /// # Errors
    /// When TaskRouter's client has no attributes yet (writing would wipe them), or refuses at once.
    pub fn set_contact_uri(
        &self,
        uri: &str,
        previous: Option<&str>,
        others: Option<&str>,
    ) -> Result<Promise, JsValue> {
        let client = self.worker_client().ok_or_else(|| JsValue::from_str("no worker client"))?;
        let known = match others {
            Some(json) => JSON::parse(json)?,
            None => at(client.as_ref(), &["attributes"]),
        };
        let live = known.dyn_ref::<Object>().filter(|live| Object::keys(live).length() > 0);
        let copy =
            Object::assign(&Object::new(), live.ok_or_else(|| JsValue::from_str("no worker attributes"))?);
        set(&copy, "contact_uri", &JsValue::from_str(uri));
        match previous {
            Some(previous) => set(&copy, PREVIOUS, &JsValue::from_str(previous)),
            None => drop(Reflect::delete_property(&copy, &JsValue::from_str(PREVIOUS))?),
        }
        client.set_attributes(&copy)
    }

    /// Calls `look` when Flex's store has changed: once at the end of a turn, in which Flex dispatches many times. What is
    /// returned does the same for other events.
    pub fn on_change(&self, look: impl Fn() + 'static) -> Function {
        let (look, planned) = (Rc::new(look), Rc::new(Cell::new(false)));
        let changed = Closure::<dyn Fn()>::new(move || {
            if !planned.replace(true) {
                let (look, planned) = (Rc::clone(&look), Rc::clone(&planned));
                spawn_local(async move {
                    planned.set(false);
                    look();
                });
            }
        })
        .into_js_value()
        .unchecked_into();
        warn_on_error(self.store().subscribe(&changed));
        changed
    }

    /// Calls `told` when Flex has a new token.
    pub fn on_token_updated(&self, told: impl Fn() + 'static) {
        let told = Closure::<dyn Fn()>::new(told).into_js_value();
        if let Some(events) = self.events() {
            warn_on_error(events.add_listener("tokenUpdated", told.unchecked_ref()));
        }
    }

    /// What `flex.phone.activeCall` is now.
    pub fn active_call(&self) -> JsValue {
        at(&self.state(), &["phone", "activeCall"])
    }
}

/// Reads Flex's store. `ours` is the call that we put there.
pub fn view(flex: &Flex, manager: &Manager, ours: Option<&Object>) -> FlexView {
    let state = manager.state();
    let worker = at(&state, &["worker"]);
    let current = activity(&at(&worker, &["activity"]));
    let offline = text(manager.as_ref(), &["serviceConfiguration", "taskrouter_offline_activity_sid"]);
    let switch = attribute::read(value(&manager.worker_attribute(attribute::NAME)));
    let mut view = FlexView {
        enabled: switch == Switch::On,
        unclear: if let Switch::Unclear(said) = switch { Some(said) } else { None },
        agent: agent(&at(&state, &["session", "ssoTokenPayload"]))
            .or_else(|| agent(&at(&state, &["session"]))),
        session: session(&state),
        previous_contact: text(&worker, &["attributes", PREVIOUS]),
        contact_uri: text(&worker, &["attributes", "contact_uri"]),
        other_attributes: other_attributes(&at(&worker, &["attributes"])),
        active_call: match at(&state, &["phone", "activeCall"]) {
            call if call.is_undefined() || call.is_null() => ActiveCall::None,
            call if ours.is_some_and(|ours| Object::is(ours, &call)) => ActiveCall::Ours,
            _ => ActiveCall::Foreign,
        },
        own_voice_impaired: at(&state, &["session", "degraded"]).is_truthy()
            || !at(&state, &["phone", "listener", "isMicrophoneSet"]).is_truthy(),
        offline: current.as_ref().is_some_and(|current| Some(&current.sid) == offline.as_ref()),
        activity: current,
        ..FlexView::default()
    };
    if let Some(activities) = at(&worker, &["activities"]).dyn_ref::<Map>() {
        activities.for_each(&mut |value, _| view.activities.extend(activity(&value)));
    }
    if let Some(tasks) = at(&worker, &["tasks"]).dyn_ref::<Map>() {
        let me = text(&worker, &["worker", "sid"]);
        tasks.for_each(&mut |task, _| view.voice_reservations.extend(voice_reservation(flex, &task)));
        tasks.for_each(&mut |task, _| match text(&task, &["status"]).as_deref() {
            Some("pending") => view.reservation_pending = true,
            Some("accepted") if view.voice_task.is_none() && is_call(flex, &task) => {
                view.voice_task = Some(voice_task(&task, me.as_deref()));
            }
            _ => {}
        });
    }
    view
}

/// The agent whom a part of Flex's session names. It is the name that Twilio has encoded for clients, the same that the
/// token service is told when it has the agent's token validated (`agent_40example_2Ecom`).
fn agent(named: &JsValue) -> Option<Identity> {
    Identity::new(text(named, &["identity"])?).ok()
}

/// How Flex's session stands. Read from its reducers in 2.17.1 (`session.loginState`, `session.singleSessionGuard`,
/// `appStatus.tokenExpired`).
fn session(state: &JsValue) -> FlexSession {
    if text(state, &["session", "loginState"]).as_deref() == Some("LOGGED_OUT") {
        return FlexSession::LoggedOut;
    }
    let ended = is_true(state, &["appStatus", "tokenExpired"])
        || is_true(state, &["session", "singleSessionGuard", "sessionInvalidated"]);
    if ended { FlexSession::Ended } else { FlexSession::Live }
}

fn value(attribute: &JsValue) -> Value {
    if attribute.is_undefined() || attribute.is_null() {
        return Value::Absent;
    }
    if let Some(bool) = attribute.as_bool() {
        return Value::Bool(bool);
    }
    attribute.as_string().map_or_else(
        || {
            Value::Other(
                JSON::stringify(attribute).ok().and_then(|json| json.as_string()).unwrap_or_default(),
            )
        },
        Value::Text,
    )
}

fn voice_reservation(flex: &Flex, task: &JsValue) -> Option<VoiceReservation> {
    let accepted = match text(task, &["status"])?.as_str() {
        "accepted" => true,
        "pending" => false,
        _ => return None,
    };
    if !is_call(flex, task) {
        return None;
    }
    let reason = if at(task, &["incomingTransferObject"]).is_object() {
        ExpectReason::Transfer
    } else if text(task, &["attributes", "direction"]).as_deref() == Some("outbound") {
        ExpectReason::Outbound
    } else {
        ExpectReason::Reservation
    };
    Some(VoiceReservation {
        sid: text(task, &["sid"])?,
        task_sid: text(task, &["taskSid"])?,
        accepted,
        reason,
    })
}

/// The call that follows from one of Flex's actions.
pub fn coming(action: &str, payload: &JsValue) -> Option<Coming> {
    match action {
        "beforeAcceptTask" => {
            Some(Coming::Reservation(text(payload, &["task", "sid"]).or_else(|| text(payload, &["sid"]))))
        }
        "beforeStartOutboundCall" => Some(Coming::Outbound),
        "beforeMonitorCall" => Some(Coming::Monitoring(text(payload, &["task", "taskSid"]))),
        _ => None,
    }
}

/// Whether a task is a call, by Flex's own judgement.
pub fn is_call(flex: &Flex, task: &JsValue) -> bool {
    task.is_object() && flex.task_helper().is_call_task(task).unwrap_or(false)
}

/// All worker attributes but the two that we write, as JSON.
fn other_attributes(attributes: &JsValue) -> String {
    let Some(attributes) = attributes.dyn_ref::<Object>() else { return String::new() };
    let others = Object::assign(&Object::new(), attributes);
    for ours in ["contact_uri", PREVIOUS] {
        if Reflect::delete_property(&others, &JsValue::from_str(ours)).is_err() {
            return String::new();
        }
    }
    JSON::stringify(&others).ok().and_then(|json| json.as_string()).unwrap_or_default()
}

/// The activity that `SetActivity` is about to choose.
pub fn activity_choice(payload: &JsValue) -> ActivityChoice {
    ActivityChoice {
        sid: text(payload, &["activitySid"]),
        name: text(payload, &["activityName"]),
        available: at(payload, &["activityAvailable"]).as_bool(),
    }
}

fn activity(value: &JsValue) -> Option<Activity> {
    Some(Activity {
        sid: text(value, &["sid"])?,
        name: text(value, &["name"])?,
        available: is_true(value, &["available"]),
    })
}

fn voice_task(task: &JsValue, me: Option<&str>) -> VoiceTask {
    // Flex learns the conference's participants from Sync; TaskRouter writes the same into the task's
    // attributes. Inferred: that the latter holds for calls that Twilio itself put into a conference
    // (documented, seen in a sandbox).
    let live = at(task, &["conference", "liveWorkers"]);
    let mine = Array::from_iter(live.dyn_ref::<Array>().into_iter().flat_map(Array::iter))
        .iter()
        .filter(|participant| me.is_some() && text(participant, &["workerSid"]).as_deref() == me)
        .find_map(|participant| text(&participant, &["callSid"]));
    VoiceTask {
        worker_call_sid: mine
            .or_else(|| text(task, &["attributes", "conference", "participants", "worker"]))
            .filter(|sid| !sid.is_empty()),
        on_hold: on_hold(task),
        from: text(task, &["attributes", "from"]).or_else(|| text(task, &["attributes", "name"])),
    }
}

/// Whether the customer is on hold; `None` while Flex does not know the conference.
fn on_hold(task: &JsValue) -> Option<bool> {
    let participants = at(task, &["conference", "participants"]);
    participants
        .dyn_ref::<Array>()?
        .iter()
        .find(|one| text(one, &["participantType"]).as_deref() == Some("customer"))
        .and_then(|customer| at(&customer, &["onHold"]).as_bool())
}
