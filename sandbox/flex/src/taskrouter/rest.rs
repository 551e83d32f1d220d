//! TaskRouter's public REST API (`taskrouter.twilio.com/v1`), as far as a service asks it: tasks, reservations and
//! workers. Source: Twilio's OpenAPI description.
//!
//! Forms with names in `PascalCase` in, JSON in `snake_case` out; basic authentication by the auth token or an API key.

use axum::body::Bytes;
use axum::extract::{Path, Query, State};
use axum::http::{HeaderMap, StatusCode, Uri};
use axum::response::{IntoResponse as _, Response};
use axum::routing::get;
use axum::{Json, Router};
use serde::Deserialize;
use serde_json::{Value, json};

use super::expression::Expression;
use super::machine::channel::TaskChannel;
use super::machine::event::{Attributes, Event, Refusal, ReservationChange};
use super::resource::{ReservationResource, TaskResource, iso_seconds};
use crate::account;
use crate::api::Holder;
use crate::clock::{millis, now};
use crate::fault::HttpTarget;
use crate::iam::is_server;
use crate::interference::with_faults;
use crate::state::{EventCallback, FlexCloud};
use sandbox_kit::answer::error;

const BASE: &str = "https://taskrouter.twilio.com/v1/Workspaces";
/// What a page holds unless the request says otherwise, and at most.
const PAGE_SIZE: (usize, usize) = (50, 1000);

pub(crate) fn router(cloud: FlexCloud) -> Router {
    let router = Router::new()
        .route("/v1/Workspaces/{workspace}", get(workspace).post(update_workspace))
        .route("/v1/Workspaces/{workspace}/Tasks", get(tasks).post(create_task))
        .route("/v1/Workspaces/{workspace}/Tasks/{task}", get(task).post(update_task))
        .route("/v1/Workspaces/{workspace}/Tasks/{task}/Reservations", get(task_reservations))
        .route(
            "/v1/Workspaces/{workspace}/Tasks/{task}/Reservations/{reservation}",
            get(reservation).post(update_reservation),
        )
        .route("/v1/Workspaces/{workspace}/Workers", get(workers))
        .route("/v1/Workspaces/{workspace}/Workers/{worker}", get(worker))
        .route("/v1/Workspaces/{workspace}/Workers/{worker}/Reservations", get(worker_reservations))
        .fallback(async |uri: Uri| missing(uri.path()))
        .layer(axum::middleware::from_fn(authenticate))
        .with_state(cloud.clone());
    with_faults(router, &cloud, HttpTarget::TaskrouterRest)
}

async fn authenticate(
    headers: HeaderMap,
    uri: Uri,
    request: axum::extract::Request,
    next: axum::middleware::Next,
) -> Response {
    if !is_server(&headers) {
        return error(StatusCode::UNAUTHORIZED, 20003, "Authenticate");
    }
    // A workspace of somebody else is as unknown as one that does not exist.
    let own = format!("/v1/Workspaces/{}", account::WORKSPACE_SID);
    if !uri.path().strip_prefix(&own).is_some_and(|rest| rest.is_empty() || rest.starts_with('/')) {
        return missing(uri.path());
    }
    next.run(request).await
}

fn missing(path: &str) -> Response {
    let path = path.strip_prefix("/v1").unwrap_or(path);
    error(StatusCode::NOT_FOUND, 20404, &format!("The requested resource {path} was not found"))
}

fn refused(refusal: &Refusal) -> Response {
    let status = StatusCode::from_u16(refusal.status).unwrap_or(StatusCode::BAD_REQUEST);
    error(status, refusal.code, &refusal.message)
}

// ---- the workspace ------------------------------------------------------------------------------------------------

async fn workspace(State(cloud): State<FlexCloud>) -> Response {
    let callback = cloud.event_callback();
    Json(json!({
        "account_sid": account::ACCOUNT_SID,
        "sid": account::WORKSPACE_SID,
        "friendly_name": "Flex Task Assignment",
        "event_callback_url": callback.as_ref().map(|callback| &callback.url),
        "events_filter": callback.as_ref().map(|callback| callback.filter.join(",")),
        "multi_task_enabled": true,
        "url": format!("{BASE}/{}", account::WORKSPACE_SID),
    }))
    .into_response()
}

/// Of a workspace the sandbox keeps where its events are sent.
async fn update_workspace(state: State<FlexCloud>, body: Bytes) -> Response {
    let form = Form::read(&body);
    let before = state.event_callback();
    let url = form.text("EventCallbackUrl").map(str::to_owned);
    let url = url.or_else(|| before.as_ref().map(|callback| callback.url.clone())).unwrap_or_default();
    let filter = match form.text("EventsFilter") {
        Some(names) => {
            names.split(',').map(|name| name.trim().to_owned()).filter(|name| !name.is_empty()).collect()
        }
        None => before.map(|callback| callback.filter).unwrap_or_default(),
    };
    state.set_event_callback((!url.is_empty()).then_some(EventCallback { url, filter }));
    workspace(state).await
}

// ---- tasks --------------------------------------------------------------------------------------------------------

type One = Path<(String, String)>;

async fn task(State(cloud): State<FlexCloud>, Path((_, sid)): One) -> Response {
    let now = millis(now());
    match cloud.workspace(|space| space.task_view(&sid, now)) {
        Ok(task) => Json(task_json(&task)).into_response(),
        Err(refusal) => refused(&refusal),
    }
}

#[derive(Default, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
struct TaskFilter {
    evaluate_task_attributes: Option<String>,
    page: usize,
    page_size: Option<usize>,
}

async fn tasks(State(cloud): State<FlexCloud>, uri: Uri, Query(filter): Query<TaskFilter>) -> Response {
    let now = millis(now());
    let mut all = cloud.workspace(|space| space.task_views(now));
    // Twilio's library names the parameter once for each status.
    let query = Form::read(uri.query().unwrap_or_default().as_bytes());
    let statuses: Vec<&str> =
        query.all("AssignmentStatus").flat_map(|statuses| statuses.split(',')).collect();
    if !statuses.is_empty() {
        all.retain(|task| statuses.contains(&task.assignment_status));
    }
    match filter.evaluate_task_attributes.as_deref().map(Expression::read).transpose() {
        Ok(None) => {}
        Ok(Some(expression)) => all.retain(|task| {
            serde_json::from_str(&task.attributes).is_ok_and(|attributes| expression.holds(&attributes))
        }),
        Err(refusal) => return refused(&refusal),
    }
    let all = all.iter().map(task_json).collect();
    page("tasks", all, &uri, filter.page, filter.page_size)
}

async fn create_task(State(cloud): State<FlexCloud>, body: Bytes) -> Response {
    let form = Form::read(&body);
    let attributes = match form.attributes() {
        Ok(attributes) => attributes.unwrap_or_default(),
        Err(refusal) => return refused(&refusal),
    };
    let channel = form.text("TaskChannel").unwrap_or("default");
    let Some(channel) = TaskChannel::named(channel) else {
        return error(StatusCode::BAD_REQUEST, 20001, &format!("Task Channel '{channel}' does not exist"));
    };
    let outcome = cloud.apply_and_read(
        Event::TaskArrives { attributes, channel, holder: Holder::Agent, long_lived: false },
        |space| space.newest_task_sid(),
    );
    match outcome {
        Ok(Some(sid)) => {
            let now = millis(now());
            let task = cloud.workspace(|space| space.task_view(&sid, now));
            match task {
                Ok(task) => (StatusCode::CREATED, Json(task_json(&task))).into_response(),
                Err(refusal) => refused(&refusal),
            }
        }
        Ok(None) => missing("/Tasks"),
        Err(refusal) => refused(&refusal),
    }
}

async fn update_task(State(cloud): State<FlexCloud>, Path((_, sid)): One, body: Bytes) -> Response {
    let form = Form::read(&body);
    let attributes = match form.attributes() {
        Ok(attributes) => attributes,
        Err(refusal) => return refused(&refusal),
    };
    let event = Event::UpdateTask {
        sid: sid.clone(),
        attributes,
        status: form.text("AssignmentStatus").map(str::to_owned),
        reason: form.text("Reason").map(str::to_owned),
    };
    if let Err(refusal) = cloud.apply(event) {
        return refused(&refusal);
    }
    let now = millis(now());
    match cloud.workspace(|space| space.task_view(&sid, now)) {
        Ok(task) => Json(task_json(&task)).into_response(),
        Err(refusal) => refused(&refusal),
    }
}

// ---- reservations -------------------------------------------------------------------------------------------------

#[derive(Default, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
struct ReservationFilter {
    reservation_status: Option<String>,
    worker_sid: Option<String>,
    page_size: Option<usize>,
}

impl ReservationFilter {
    fn page(&self, mut all: Vec<ReservationResource>, uri: &Uri, of: Owner) -> Response {
        all.retain(|reservation| {
            self.reservation_status.as_ref().is_none_or(|status| status == reservation.reservation_status)
                && self.worker_sid.as_ref().is_none_or(|worker| worker == reservation.worker_sid)
        });
        let all = all.iter().map(|reservation| reservation_json(reservation, of)).collect();
        // `Page` is not supported here.
        page("reservations", all, uri, 0, self.page_size)
    }
}

async fn task_reservations(
    State(cloud): State<FlexCloud>,
    Path((_, sid)): One,
    uri: Uri,
    Query(filter): Query<ReservationFilter>,
) -> Response {
    let now = millis(now());
    match cloud.workspace(|space| space.reservation_views(&sid, now)) {
        Ok(all) => filter.page(all, &uri, Owner::Task),
        Err(refusal) => refused(&refusal),
    }
}

async fn worker_reservations(
    State(cloud): State<FlexCloud>,
    Path((_, worker)): One,
    uri: Uri,
    Query(filter): Query<ReservationFilter>,
) -> Response {
    if worker_json(&cloud, &worker).is_none() {
        return missing(uri.path());
    }
    let now = millis(now());
    let all = cloud.workspace(|space| space.worker_reservation_views(&worker, now));
    filter.page(all, &uri, Owner::Worker)
}

async fn reservation(
    State(cloud): State<FlexCloud>,
    uri: Uri,
    Path((_, task, sid)): Path<(String, String, String)>,
) -> Response {
    let now = millis(now());
    let found = cloud.workspace(|space| space.reservation_views(&task, now));
    match found.unwrap_or_default().iter().find(|reservation| reservation.sid == sid) {
        Some(reservation) => Json(reservation_json(reservation, Owner::Task)).into_response(),
        None => missing(uri.path()),
    }
}

async fn update_reservation(
    state: State<FlexCloud>,
    uri: Uri,
    path: Path<(String, String, String)>,
    body: Bytes,
) -> Response {
    let form = Form::read(&body);
    let change = match form.text("ReservationStatus") {
        Some("accepted") => ReservationChange::Accept,
        Some("rejected") => ReservationChange::Reject,
        Some("wrapping") => ReservationChange::Wrap,
        Some("completed") => ReservationChange::Complete,
        other => {
            let message =
                format!("The sandbox does not know the reservation status '{}'", other.unwrap_or(""));
            return error(StatusCode::BAD_REQUEST, 20001, &message);
        }
    };
    let Path((_, _, sid)) = &path;
    match state.0.apply(Event::Reservation { sid: sid.clone(), change }) {
        Ok(()) => reservation(state, uri, path).await,
        Err(refusal) => refused(&refusal),
    }
}

// ---- workers ------------------------------------------------------------------------------------------------------

#[derive(Default, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
struct WorkerFilter {
    friendly_name: Option<String>,
    activity_name: Option<String>,
    page: usize,
    page_size: Option<usize>,
}

async fn workers(State(cloud): State<FlexCloud>, uri: Uri, Query(filter): Query<WorkerFilter>) -> Response {
    let mut all: Vec<Value> = cloud.workspace(|space| space.workers()).iter().map(public_worker).collect();
    all.retain(|worker| {
        filter.friendly_name.as_ref().is_none_or(|name| worker["friendly_name"] == name.as_str())
            && filter.activity_name.as_ref().is_none_or(|name| worker["activity_name"] == name.as_str())
    });
    page("workers", all, &uri, filter.page, filter.page_size)
}

async fn worker(State(cloud): State<FlexCloud>, uri: Uri, Path((_, sid)): One) -> Response {
    match worker_json(&cloud, &sid) {
        Some(worker) => Json(worker).into_response(),
        None => missing(uri.path()),
    }
}

fn worker_json(cloud: &FlexCloud, sid: &str) -> Option<Value> {
    let all = cloud.workspace(|space| space.workers());
    all.iter().find(|worker| worker["sid"] == sid).map(public_worker)
}

// ---- how they are written -----------------------------------------------------------------------------------------

fn task_json(task: &TaskResource) -> Value {
    let url = format!("{BASE}/{}/Tasks/{}", task.workspace_sid, task.sid);
    json!({
        "account_sid": task.account_sid,
        "workspace_sid": task.workspace_sid,
        "sid": task.sid,
        "age": task.age,
        "assignment_status": task.assignment_status,
        "attributes": task.attributes,
        "addons": task.addons,
        "date_created": iso_seconds(task.date_created),
        "date_updated": iso_seconds(task.date_updated),
        "task_queue_entered_date": iso_seconds(task.date_created),
        "virtual_start_time": iso_seconds(task.virtual_start_time),
        "priority": task.priority,
        "reason": task.reason,
        "task_queue_sid": task.task_queue_sid,
        "task_queue_friendly_name": task.task_queue_friendly_name,
        "task_channel_sid": task.task_channel_sid,
        "task_channel_unique_name": task.task_channel_unique_name,
        "timeout": task.timeout,
        "workflow_sid": task.workflow_sid,
        "workflow_friendly_name": task.workflow_friendly_name,
        "ignore_capacity": false,
        "routing_target": task.routing_target,
        "links": {
            "workspace": format!("{BASE}/{}", task.workspace_sid),
            "task_queue": format!("{BASE}/{}/TaskQueues/{}", task.workspace_sid, task.task_queue_sid),
            "workflow": format!("{BASE}/{}/Workflows/{}", task.workspace_sid, task.workflow_sid),
            "reservations": format!("{url}/Reservations"),
        },
        "url": url,
    })
}

/// Under which resource a reservation is asked for: its URL is there.
#[derive(Clone, Copy)]
enum Owner {
    Task,
    Worker,
}

fn reservation_json(reservation: &ReservationResource, of: Owner) -> Value {
    let workspace = format!("{BASE}/{}", reservation.workspace_sid);
    let task = format!("{workspace}/Tasks/{}", reservation.task_sid);
    let worker = format!("{workspace}/Workers/{}", reservation.worker_sid);
    let owner = match of {
        Owner::Task => &task,
        Owner::Worker => &worker,
    };
    json!({
        "account_sid": reservation.account_sid,
        "workspace_sid": reservation.workspace_sid,
        "sid": reservation.sid,
        "task_sid": reservation.task_sid,
        "worker_sid": reservation.worker_sid,
        "worker_name": reservation.worker_name,
        "reservation_status": reservation.reservation_status,
        "date_created": iso_seconds(reservation.date_created),
        "date_updated": iso_seconds(reservation.date_updated),
        "url": format!("{owner}/Reservations/{}", reservation.sid),
        "links": { "workspace": workspace, "task": task, "worker": worker },
    })
}

/// The event bridge's worker, as the REST API writes it.
fn public_worker(worker: &Value) -> Value {
    let date = |name: &str| iso_seconds(worker[name].as_i64().unwrap_or_default());
    let url =
        format!("{BASE}/{}/Workers/{}", account::WORKSPACE_SID, worker["sid"].as_str().unwrap_or_default());
    json!({
        "account_sid": worker["account_sid"],
        "workspace_sid": worker["workspace_sid"],
        "sid": worker["sid"],
        "friendly_name": worker["friendly_name"],
        "activity_sid": worker["activity_sid"],
        "activity_name": worker["activity_name"],
        "available": worker["available"],
        "attributes": worker["attributes"],
        "date_created": date("date_created"),
        "date_updated": date("date_updated"),
        "date_status_changed": date("date_status_changed"),
        "links": { "reservations": format!("{url}/Reservations"), "channels": format!("{url}/Channels") },
        "url": url,
    })
}

/// A page of a list.
fn page(key: &str, all: Vec<Value>, uri: &Uri, number: usize, size: Option<usize>) -> Response {
    let size = size.unwrap_or(PAGE_SIZE.0).clamp(1, PAGE_SIZE.1);
    let list = format!("https://taskrouter.twilio.com{}", uri.path());
    let query: Vec<(String, String)> =
        form_urlencoded::parse(uri.query().unwrap_or_default().as_bytes()).into_owned().collect();
    let url = |number: usize| {
        let mut pairs = form_urlencoded::Serializer::new(String::new());
        for (name, value) in query.iter().filter(|(name, _)| name != "Page" && name != "PageSize") {
            pairs.append_pair(name, value);
        }
        pairs.append_pair("PageSize", &size.to_string()).append_pair("Page", &number.to_string());
        format!("{list}?{}", pairs.finish())
    };
    let more = all.len() > (number + 1) * size;
    let items: Vec<Value> = all.into_iter().skip(number * size).take(size).collect();
    Json(json!({
        key: items,
        "meta": {
            "page": number,
            "page_size": size,
            "first_page_url": url(0),
            "previous_page_url": (number > 0).then(|| url(number - 1)),
            "url": url(number),
            "next_page_url": more.then(|| url(number + 1)),
            "key": key,
        },
    }))
    .into_response()
}

/// The form of a request.
struct Form(Vec<(String, String)>);

impl Form {
    fn read(body: &[u8]) -> Self {
        Self(form_urlencoded::parse(body).into_owned().collect())
    }

    fn text(&self, name: &str) -> Option<&str> {
        self.all(name).next()
    }

    fn all(&self, name: &str) -> impl Iterator<Item = &str> {
        self.0.iter().filter(move |(own, _)| own == name).map(|(_, value)| value.as_str())
    }

    /// `Attributes`, which must be a JSON object.
    fn attributes(&self) -> Result<Option<Attributes>, Refusal> {
        let Some(text) = self.text("Attributes") else { return Ok(None) };
        let unreadable = |_| Refusal::conflict("Attributes must be a valid JSON object".to_owned());
        serde_json::from_str(text).map(Some).map_err(unreadable)
    }
}
