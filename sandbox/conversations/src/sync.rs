//! Twilio Sync: maps, documents and lists, which clients read by requests and follow by subscriptions.
//!
//! Requests come in through Twilsock as HTTP inside a frame; events go out the same way as notifications of type
//! `twilio.sync.event`. Flex UI carries two generations of the client: event protocol 4 reads `events[]`, the older
//! one `event`, so every push has both.

use std::collections::{BTreeMap, BTreeSet, HashMap, VecDeque};
use std::sync::Arc;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use kernel::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::{Map as JsonMap, Value, json};

use sandbox_kit::clock::iso;

/// Events that are kept of an object for those who come back. Who was away for longer reads it anew.
///
/// Inferred: that there is such a limit, from the SDK, which knows an interrupted replay.
const EVENTS_KEPT: usize = 1000;

/// A Twilsock connection.
pub type SocketId = u64;

/// An event for one connection.
pub type Push = (SocketId, Value);

/// A request to Sync or Conversations, unpacked from a Twilsock frame.
#[derive(Debug, Clone)]
pub struct Request {
    /// For example `cds.us1.twilio.com`.
    pub host: String,
    /// HTTP method.
    pub method: String,
    /// Path without query.
    pub path: String,
    /// Query.
    pub params: JsonMap<String, Value>,
    /// Body, or null.
    pub body: Value,
}

/// The answer to a [`Request`].
#[derive(Debug, Clone, PartialEq)]
pub struct Answer {
    pub status: u16,
    /// Body.
    pub body: Value,
}

impl Answer {
    pub(crate) fn ok(body: Value) -> Self {
        Self { status: 200, body }
    }

    pub(crate) fn error(status: u16, code: u32, message: &str) -> Self {
        Self { status, body: json!({ "code": code, "message": message, "status": status }) }
    }

    pub(crate) fn not_found(code: u32, message: &str) -> Self {
        Self::error(404, code, message)
    }
}

/// Whose the objects are.
#[derive(Debug)]
struct Owner {
    account_sid: String,
    service_sid: String,
}

/// Whether a client may see the object of a name.
pub type Allowed<'a> = &'a dyn Fn(&str) -> bool;

/// What kinds of objects there are.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Kind {
    Map,
    Document,
    List,
}

impl Kind {
    fn of(segment: &str) -> Option<Self> {
        match segment {
            "Maps" => Some(Self::Map),
            "Documents" => Some(Self::Document),
            "Lists" => Some(Self::List),
            _ => None,
        }
    }

    /// Prefix of SIDs, segment of URLs, code of "not found".
    const fn names(self) -> (&'static str, &'static str, u32) {
        match self {
            Self::Map => ("MP", "Maps", 54200),
            Self::Document => ("ET", "Documents", 54100),
            Self::List => ("ES", "Lists", 54300),
        }
    }
}

#[derive(Debug, Clone)]
struct Item {
    key: String,
    data: Value,
    revision: u64,
    created: Timestamp,
    updated: Timestamp,
}

#[derive(Debug)]
struct Object {
    owner: Arc<Owner>,
    kind: Kind,
    sid: String,
    unique_name: String,
    /// Of a document.
    data: Value,
    /// Of a map by key, of a list by index.
    items: BTreeMap<String, Item>,
    /// Counts changes; both `revision` and `last_event_id`.
    revision: u64,
    created: Timestamp,
    updated: Timestamp,
    subscribers: BTreeSet<SocketId>,
    /// The newest events, by which who was away catches up.
    log: VecDeque<Logged>,
    /// The newest event that is not in the log any more.
    cut: u64,
}

#[derive(Debug)]
struct Logged {
    id: u64,
    event_type: String,
    event: Value,
}

impl Object {
    fn url(&self) -> String {
        format!("https://cds.us1.twilio.com/v3/{}/{}", self.kind.names().1, self.sid)
    }

    fn resource(&self) -> Value {
        let mut resource = json!({
            "sid": self.sid,
            "unique_name": self.unique_name,
            "account_sid": self.owner.account_sid,
            "service_sid": self.owner.service_sid,
            "url": self.url(),
            "links": { "items": format!("{}/Items", self.url()) },
            "revision": self.revision.to_string(),
            "last_event_id": self.revision,
            "date_created": iso(self.created),
            "date_updated": iso(self.updated),
            "date_expires": null,
            "created_by": "system",
        });
        if self.kind == Kind::Document {
            resource["data"] = self.data.clone();
        }
        resource
    }

    fn item(&self, item: &Item) -> Value {
        let mut resource = json!({
            "data": item.data,
            "revision": item.revision.to_string(),
            "last_event_id": item.revision,
            "url": format!("{}/Items/{}", self.url(), item.key),
            "date_created": iso(item.created),
            "date_updated": iso(item.updated),
            "date_expires": null,
            "created_by": "system",
        });
        if self.kind == Kind::List {
            resource["index"] = json!(item.key.parse::<u64>().unwrap_or_default());
        } else {
            resource["key"] = json!(item.key);
        }
        resource
    }

    fn push(&mut self, event_type: &str, event: Value) -> Vec<Push> {
        let pushes =
            self.subscribers.iter().map(|socket| (*socket, envelope(event_type, 0, &event))).collect();
        self.log.push_back(Logged { id: self.revision, event_type: event_type.to_owned(), event });
        if self.log.len() > EVENTS_KEPT
            && let Some(oldest) = self.log.pop_front()
        {
            self.cut = oldest.id;
        }
        pushes
    }

    /// What happened after an event, with the subscription's number; none where the log does not reach back so far.
    fn replay(&self, after: u64, correlation: u64) -> Option<Vec<Value>> {
        if after < self.cut {
            return None;
        }
        let missed = self.log.iter().filter(|logged| logged.id > after);
        Some(missed.map(|logged| envelope(&logged.event_type, correlation, &logged.event)).collect())
    }

    /// The place of the next item of a list.
    fn next_index(&self) -> u64 {
        self.items.last_key_value().and_then(|(key, _)| key.parse::<u64>().ok()).map_or(0, |last| last + 1)
    }

    fn write_document(&mut self, data: Value, now: Timestamp) -> Vec<Push> {
        self.data = data;
        self.revision += 1;
        self.updated = now;
        let event = json!({
            "id": self.revision,
            "document_sid": self.sid,
            "document_unique_name": self.unique_name,
            "document_revision": self.revision.to_string(),
            "document_data": self.data,
            "date_created": iso(now),
        });
        self.push("document_updated", event)
    }
}

/// Source: error 54007.
const FORBIDDEN: (u32, &str) = (54007, "Access forbidden for identity");

fn envelope(event_type: &str, correlation_id: u64, event: &Value) -> Value {
    json!({
        "event_type": event_type,
        "correlation_id": correlation_id,
        "event_protocol_version": 4,
        "events": [event],
        "event": event,
        "strictly_ordered": true,
    })
}

/// The store of one Sync service.
#[derive(Debug)]
pub struct Sync {
    owner: Arc<Owner>,
    /// First half of every SID, so that another run's are others.
    seed: u64,
    made: u64,
    objects: HashMap<String, Object>,
    names: HashMap<(Kind, String), String>,
    /// Records of Insights by index and key, and the live queries for them.
    records: BTreeMap<(String, String), Value>,
    queries: HashMap<String, Query>,
}

/// A live query, as far as Flex UI asks: all of an index, or what belongs to one worker.
#[derive(Debug)]
struct Query {
    index: String,
    worker: Option<String>,
    subscribers: BTreeSet<SocketId>,
}

impl Query {
    fn matches(&self, index: &str, record: &Value) -> bool {
        self.index == index
            && self.worker.as_ref().is_none_or(|worker| record["worker_sid"] == worker.as_str())
    }
}

/// The worker that a query expression names, if it names one.
fn worker_of(expression: &str) -> Option<String> {
    let (_, rest) = expression.split_once("data.worker_sid")?;
    let mut quoted = rest.split('"');
    quoted.next().filter(|operator| operator.trim() == "==")?;
    quoted.next().map(str::to_owned)
}

impl Sync {
    /// An empty service.
    #[must_use]
    pub fn new(account_sid: &str, service_sid: &str, seed: u64) -> Self {
        let owner = Owner { account_sid: account_sid.to_owned(), service_sid: service_sid.to_owned() };
        Self {
            owner: Arc::new(owner),
            seed,
            made: 0,
            objects: HashMap::new(),
            names: HashMap::new(),
            records: BTreeMap::new(),
            queries: HashMap::new(),
        }
    }

    /// Makes a list, unless it exists, and says its SID.
    pub fn list(&mut self, unique_name: &str, now: Timestamp) -> String {
        self.make(Kind::List, unique_name, now)
    }

    /// Writes a document, which is made if need be.
    pub fn set_document(&mut self, unique_name: &str, data: Value, now: Timestamp) -> Vec<Push> {
        let sid = self.make(Kind::Document, unique_name, now);
        match self.objects.get_mut(&sid) {
            Some(object) if object.data != data => object.write_document(data, now),
            _ => Vec::new(),
        }
    }

    /// Writes an item of a list, which is made if need be.
    pub fn set_list_item(&mut self, list: &str, index: u64, data: Value, now: Timestamp) -> Vec<Push> {
        let sid = self.list(list, now);
        let object = self.objects.get_mut(&sid);
        object.map(|object| write_item(object, &list_key(index), data, now)).unwrap_or_default()
    }

    /// Removes an item of a map.
    pub fn remove_item(&mut self, map: &str, key: &str, now: Timestamp) -> Vec<Push> {
        self.named_mut(Kind::Map, map).map(|object| remove_item(object, key, now)).unwrap_or_default()
    }

    /// Removes an item of a list.
    pub fn remove_list_item(&mut self, list: &str, index: u64, now: Timestamp) -> Vec<Push> {
        let object = self.named_mut(Kind::List, list);
        object.map(|object| remove_item(object, &list_key(index), now)).unwrap_or_default()
    }

    /// Removes an object with all that is in it.
    pub fn remove(&mut self, kind: Kind, unique_name: &str) {
        if let Some(sid) = self.names.remove(&(kind, unique_name.to_owned())) {
            self.objects.remove(&sid);
        }
    }

    /// A connection hears of an object no more.
    pub fn unsubscribe(&mut self, kind: Kind, unique_name: &str, socket: SocketId) {
        if let Some(object) = self.named_mut(kind, unique_name) {
            object.subscribers.remove(&socket);
        }
    }

    /// Makes a map, unless it exists, and says its SID.
    pub fn map(&mut self, unique_name: &str, now: Timestamp) -> String {
        self.make(Kind::Map, unique_name, now)
    }

    /// Makes a document, unless it exists, and says its SID.
    pub fn document(&mut self, unique_name: &str, now: Timestamp) -> String {
        self.make(Kind::Document, unique_name, now)
    }

    /// Writes an item of a map, which is made if need be.
    pub fn set_item(&mut self, map: &str, key: &str, data: Value, now: Timestamp) -> Vec<Push> {
        let sid = self.map(map, now);
        self.objects.get_mut(&sid).map(|object| write_item(object, key, data, now)).unwrap_or_default()
    }

    /// An item of a map.
    pub fn item(&self, map: &str, key: &str) -> Option<Value> {
        let sid = self.names.get(&(Kind::Map, map.to_owned()))?;
        self.objects.get(sid)?.items.get(key).map(|item| item.data.clone())
    }

    /// Writes a record of Insights, or with no data removes it, and tells whom a live query shows it.
    pub fn set_record(&mut self, index: &str, key: &str, data: Option<Value>) -> Vec<Push> {
        self.made += 1;
        let revision = self.made;
        let place = (index.to_owned(), key.to_owned());
        let old = match &data {
            Some(data) => self.records.insert(place, data.clone()),
            None => self.records.remove(&place),
        };
        let Some(record) = data.as_ref().or(old.as_ref()) else { return Vec::new() };
        let event_type = if data.is_some() { "live_query_item_updated" } else { "live_query_item_removed" };
        let mut pushes = Vec::new();
        for (sid, query) in self.queries.iter().filter(|(_, query)| query.matches(index, record)) {
            let event = json!({
                "query_id": sid,
                "item_key": key,
                "item_data": data,
                "item_revision": revision.to_string(),
                "last_event_id": revision,
            });
            pushes.extend(query.subscribers.iter().map(|socket| (*socket, envelope(event_type, 0, &event))));
        }
        pushes
    }

    fn query(&mut self, index: &str, body: &Value) -> Answer {
        self.made += 1;
        let sid = format!("QR{:016x}{:016x}", self.seed, self.made);
        let query = Query {
            index: index.to_owned(),
            worker: worker_of(body["query_string"].as_str().unwrap_or_default()),
            subscribers: BTreeSet::new(),
        };
        let revision = self.made.to_string();
        let items: Vec<Value> = self
            .records
            .iter()
            .filter(|((index, _), record)| query.matches(index, record))
            .map(|((_, key), record)| json!({ "key": key, "data": record, "revision": revision }))
            .collect();
        self.queries.insert(sid.clone(), query);
        Answer::ok(json!({ "query_id": sid, "items": items, "last_event_id": self.made }))
    }

    /// Forgets a connection.
    pub fn disconnect(&mut self, socket: SocketId) {
        for query in self.queries.values_mut() {
            query.subscribers.remove(&socket);
        }
        for object in self.objects.values_mut() {
            object.subscribers.remove(&socket);
        }
    }

    /// Answers a request to `cds.*.twilio.com`. The pushes follow the answer.
    pub fn request(
        &mut self,
        socket: SocketId,
        request: &Request,
        allowed: Allowed<'_>,
        now: Timestamp,
    ) -> (Answer, Vec<Push>) {
        let segments: Vec<&str> = request.path.trim_matches('/').split('/').collect();
        let post = request.method == "POST";
        match segments.as_slice() {
            ["v4", "Subscriptions"] if post => self.subscribe(socket, &request.body, allowed),
            ["v3", "Insights", index, "Items"] => (self.query(index, &request.body), Vec::new()),
            ["v3", collection] if post => match Kind::of(collection) {
                Some(kind) => (self.create(kind, &request.body, now), Vec::new()),
                None => (Answer::not_found(20404, "unknown collection"), Vec::new()),
            },
            ["v3", collection, rest @ ..] => match Kind::of(collection) {
                Some(kind) => self.object_request(kind, rest, request, allowed, now),
                None => (Answer::not_found(20404, "unknown collection"), Vec::new()),
            },
            _ => (Answer::not_found(20404, "unknown path"), Vec::new()),
        }
    }

    fn object_request(
        &mut self,
        kind: Kind,
        rest: &[&str],
        request: &Request,
        allowed: Allowed<'_>,
        now: Timestamp,
    ) -> (Answer, Vec<Push>) {
        let missing = || (Answer::not_found(kind.names().2, "Unique name not found"), Vec::new());
        let Some(object) = rest.first().and_then(|name| self.find_mut(kind, name)) else { return missing() };
        if !allowed(&object.unique_name) {
            return (Answer::error(403, FORBIDDEN.0, FORBIDDEN.1), Vec::new());
        }
        let include = request.params.get("Include").and_then(Value::as_str) == Some("items");
        match (&rest[1..], request.method.as_str()) {
            ([], "GET") if include => {
                let mut resource = object.resource();
                resource["items"] = object.items.values().map(|item| object.item(item)).collect();
                (Answer::ok(resource), Vec::new())
            }
            ([], "GET") => (Answer::ok(object.resource()), Vec::new()),
            ([], "POST") if kind == Kind::Document => {
                let pushes = object.write_document(request.body["data"].clone(), now);
                (Answer::ok(object.resource()), pushes)
            }
            (["Items"], "GET") => (Answer::ok(list_items(object, &request.params)), Vec::new()),
            (["Items"], "POST") => {
                let key = match kind {
                    Kind::List => list_key(object.next_index()),
                    _ => request.body["key"].as_str().unwrap_or_default().to_owned(),
                };
                let pushes = write_item(object, &key, request.body["data"].clone(), now);
                let body = object.items.get(&key).map(|item| object.item(item)).unwrap_or_default();
                (Answer { status: 201, body }, pushes)
            }
            (["Items", key], "GET") => match object.items.get(&item_key(kind, key)) {
                Some(item) => (Answer::ok(object.item(item)), Vec::new()),
                None => (Answer::not_found(kind.names().2 + 1, "Item not found"), Vec::new()),
            },
            (["Items", key], "POST") => {
                let key = item_key(kind, key);
                let pushes = write_item(object, &key, request.body["data"].clone(), now);
                let body = object.items.get(&key).map(|item| object.item(item)).unwrap_or_default();
                (Answer::ok(body), pushes)
            }
            (["Items", key], "DELETE") => {
                let pushes = remove_item(object, &item_key(kind, key), now);
                let body = json!({ "last_event_id": object.revision, "date_updated": iso(now) });
                (Answer::ok(body), pushes)
            }
            _ => missing(),
        }
    }

    fn create(&mut self, kind: Kind, body: &Value, now: Timestamp) -> Answer {
        let name = body["unique_name"].as_str().map(str::to_owned).unwrap_or_else(|| {
            self.made += 1;
            format!("unnamed-{}", self.made)
        });
        let sid = self.make(kind, &name, now);
        let Some(object) = self.objects.get_mut(&sid) else { return Answer::not_found(20404, "gone") };
        if kind == Kind::Document {
            object.data = body["data"].clone();
        }
        Answer { status: 201, body: object.resource() }
    }

    fn subscribe(&mut self, socket: SocketId, body: &Value, allowed: Allowed<'_>) -> (Answer, Vec<Push>) {
        let establish = body["action"] == "establish";
        let correlation = body["correlation_id"].as_u64().unwrap_or_default();
        let mut pushes = Vec::new();
        for request in body["requests"].as_array().into_iter().flatten() {
            let sid = request["object_sid"].as_str().unwrap_or_default();
            let mut event = json!({ "object_sid": sid, "object_type": request["object_type"] });
            if let Some(query) = self.queries.get_mut(sid) {
                if establish {
                    query.subscribers.insert(socket);
                } else {
                    query.subscribers.remove(&socket);
                }
            }
            let object = self.objects.get_mut(sid);
            if establish && object.as_ref().is_some_and(|object| !allowed(&object.unique_name)) {
                event["error"] = json!({ "status": 403, "code": FORBIDDEN.0, "message": FORBIDDEN.1 });
                pushes.push((socket, envelope("subscription_failed", correlation, &event)));
                continue;
            }
            let mut replay_status = "completed";
            let mut last_event_id = 0;
            if let Some(object) = object {
                last_event_id = object.revision;
                if establish {
                    // What happened between the client's read and now, or while its socket was down, comes first.
                    let after = request["last_event_id"].as_u64().unwrap_or(object.revision);
                    match object.replay(after, correlation) {
                        Some(events) => pushes.extend(events.into_iter().map(|event| (socket, event))),
                        None => replay_status = "interrupted",
                    }
                    object.subscribers.insert(socket);
                } else {
                    object.subscribers.remove(&socket);
                }
            }
            event["replay_status"] = json!(replay_status);
            event["last_event_id"] = json!(last_event_id);
            let event_type = if establish { "subscription_established" } else { "subscription_canceled" };
            pushes.push((socket, envelope(event_type, correlation, &event)));
        }
        let body = json!({ "max_batch_size": 100, "estimated_delivery_in_ms": 5000, "ttl_in_s": 86_400 });
        (Answer { status: 202, body }, pushes)
    }

    fn make(&mut self, kind: Kind, unique_name: &str, now: Timestamp) -> String {
        if let Some(sid) = self.names.get(&(kind, unique_name.to_owned())) {
            return sid.clone();
        }
        self.made += 1;
        let sid = format!("{}{:016x}{:016x}", kind.names().0, self.seed, self.made);
        self.names.insert((kind, unique_name.to_owned()), sid.clone());
        self.objects.insert(
            sid.clone(),
            Object {
                owner: Arc::clone(&self.owner),
                kind,
                sid: sid.clone(),
                unique_name: unique_name.to_owned(),
                data: json!({}),
                items: BTreeMap::new(),
                revision: 0,
                created: now,
                updated: now,
                subscribers: BTreeSet::new(),
                log: VecDeque::new(),
                cut: 0,
            },
        );
        sid
    }

    fn named_mut(&mut self, kind: Kind, unique_name: &str) -> Option<&mut Object> {
        let sid = self.names.get(&(kind, unique_name.to_owned()))?;
        self.objects.get_mut(sid)
    }

    fn find_mut(&mut self, kind: Kind, name: &str) -> Option<&mut Object> {
        let sid = self.names.get(&(kind, name.to_owned())).map_or(name, String::as_str).to_owned();
        self.objects.get_mut(&sid).filter(|object| object.kind == kind)
    }
}

/// Items of a list are kept under their index, written so that the order of text is the order of numbers.
fn list_key(index: u64) -> String {
    format!("{index:010}")
}

fn item_key(kind: Kind, segment: &str) -> String {
    match (kind, segment.parse()) {
        (Kind::List, Ok(index)) => list_key(index),
        _ => segment.to_owned(),
    }
}

fn write_item(object: &mut Object, key: &str, data: Value, now: Timestamp) -> Vec<Push> {
    object.revision += 1;
    object.updated = now;
    let known = object.items.get(key).map(|item| item.created);
    let item = Item {
        key: key.to_owned(),
        data,
        revision: object.revision,
        created: known.unwrap_or(now),
        updated: now,
    };
    object.items.insert(key.to_owned(), item.clone());
    let suffix = if known.is_some() { "item_updated" } else { "item_added" };
    let event_type = match object.kind {
        Kind::List => format!("list_{suffix}"),
        _ => format!("map_{suffix}"),
    };
    let event = item_event(object, &item, now);
    object.push(&event_type, event)
}

fn remove_item(object: &mut Object, key: &str, now: Timestamp) -> Vec<Push> {
    let Some(item) = object.items.remove(key) else { return Vec::new() };
    object.revision += 1;
    object.updated = now;
    let event_type = if object.kind == Kind::List { "list_item_removed" } else { "map_item_removed" };
    let event = item_event(object, &item, now);
    object.push(event_type, event)
}

fn item_event(object: &Object, item: &Item, now: Timestamp) -> Value {
    let resource = object.item(item);
    let prefix = if object.kind == Kind::List { "list" } else { "map" };
    let mut event = json!({
        "id": object.revision,
        "item_url": resource["url"],
        "item_data": item.data,
        "item_revision": item.revision.to_string(),
        "date_created": iso(now),
    });
    event[format!("{prefix}_sid")] = json!(object.sid);
    event[format!("{prefix}_unique_name")] = json!(object.unique_name);
    event[format!("{prefix}_revision")] = json!(object.revision.to_string());
    if object.kind == Kind::List {
        event["item_index"] = resource["index"].clone();
    } else {
        event["item_key"] = json!(item.key);
    }
    event
}

/// Where a page begins: beside an item, whether or not that is still there, so that what is removed or added between two
/// pages neither hides nor doubles another.
#[derive(Debug, Serialize, Deserialize)]
struct PageToken {
    order: String,
    /// Begins after this key.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    after: Option<String>,
    /// Ends before this key.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    before: Option<String>,
}

impl PageToken {
    fn encode(&self) -> String {
        URL_SAFE_NO_PAD.encode(serde_json::to_vec(self).unwrap_or_default())
    }

    fn decode(text: &str) -> Option<Self> {
        serde_json::from_slice(&URL_SAFE_NO_PAD.decode(text).ok()?).ok()
    }
}

fn list_items(object: &Object, params: &JsonMap<String, Value>) -> Value {
    let text = |name: &str| match params.get(name)? {
        Value::String(text) => Some(text.clone()),
        Value::Number(number) => Some(number.to_string()),
        _ => None,
    };
    let size = text("PageSize").and_then(|size| size.parse().ok()).unwrap_or(50);
    let token = text("PageToken").and_then(|token| PageToken::decode(&token));
    let order = token.as_ref().map(|token| token.order.clone()).or_else(|| text("Order"));
    let descending = order.as_deref() == Some("desc");
    let mut items: Vec<&Item> = object.items.values().collect();
    if descending {
        items.reverse();
    }
    // Whether a key comes before another in the order that was asked for.
    let earlier = |key: &str, than: &str| if descending { key > than } else { key < than };
    let (mut first, mut end) = (0, items.len());
    if let Some(from) = text("From").filter(|_| token.is_none()) {
        let from = item_key(object.kind, &from);
        first = items.partition_point(|item| earlier(&item.key, &from));
    }
    if let Some(after) = token.as_ref().and_then(|token| token.after.as_ref()) {
        first = items.partition_point(|item| !earlier(after, &item.key));
    }
    if let Some(before) = token.as_ref().and_then(|token| token.before.as_ref()) {
        end = items.partition_point(|item| earlier(&item.key, before));
        first = end.saturating_sub(size);
    }
    if let Some(key) = text("Key") {
        let key = item_key(object.kind, &key);
        first = items.iter().position(|item| item.key == key).unwrap_or(items.len());
        end = items.len().min(first + 1);
    }
    end = end.min(first.saturating_add(size));
    let page = items.get(first..end).unwrap_or_default();
    let order = if descending { "desc" } else { "asc" }.to_owned();
    let next = page
        .last()
        .filter(|_| end < items.len())
        .map(|last| PageToken { order: order.clone(), after: Some(last.key.clone()), before: None }.encode());
    let previous = page
        .first()
        .filter(|_| first > 0)
        .map(|first| PageToken { order, after: None, before: Some(first.key.clone()) }.encode());
    json!({
        "items": page.iter().map(|item| object.item(item)).collect::<Vec<_>>(),
        "meta": {
            "key": "items",
            "list_key": "items",
            "direct_token": false,
            "page_size": size,
            "next_token": next,
            "previous_token": previous,
        },
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sync() -> Sync {
        Sync::new("AC1", "IS1", 7)
    }

    fn ask(sync: &mut Sync, socket: SocketId, request: &Request, now: Timestamp) -> (Answer, Vec<Push>) {
        sync.request(socket, request, &|_| true, now)
    }

    fn request(method: &str, path: &str, body: Value) -> Request {
        Request {
            host: "cds.us1.twilio.com".to_owned(),
            method: method.to_owned(),
            path: path.to_owned(),
            params: JsonMap::new(),
            body,
        }
    }

    fn subscription(action: &str, sid: &str) -> Request {
        let requests = json!([{ "object_sid": sid, "object_type": "map" }]);
        request(
            "POST",
            "/v4/Subscriptions",
            json!({ "action": action, "correlation_id": 7, "requests": requests }),
        )
    }

    #[test]
    fn a_subscriber_is_told_of_each_change_until_it_cancels() {
        let now = Timestamp::from_millis(0);
        let mut sync = sync();
        let sid = sync.map("WT1.CS", now);
        let (answer, pushes) = ask(&mut sync, 3, &subscription("establish", &sid), now);
        assert_eq!(answer.status, 202);
        assert_eq!(pushes[0].1["event_type"], "subscription_established");
        assert_eq!(pushes[0].1["correlation_id"], 7);

        let pushes = sync.set_item("WT1.CS", "CA1", json!({ "status": "joined" }), now);
        assert_eq!(pushes.len(), 1);
        assert_eq!(pushes[0].0, 3);
        assert_eq!(pushes[0].1["event_type"], "map_item_added");
        assert_eq!(pushes[0].1["events"][0]["item_key"], "CA1");
        assert_eq!(pushes[0].1["event"], pushes[0].1["events"][0], "the older client reads `event`");
        let pushes = sync.set_item("WT1.CS", "CA1", json!({ "status": "left" }), now);
        assert_eq!(pushes[0].1["event_type"], "map_item_updated");

        let (_, pushes) = ask(&mut sync, 3, &subscription("cancel", &sid), now);
        assert_eq!(pushes[0].1["event_type"], "subscription_canceled");
        assert!(sync.set_item("WT1.CS", "CA1", json!({}), now).is_empty());
    }

    #[test]
    fn a_map_is_found_by_its_name_and_by_its_sid() {
        let now = Timestamp::from_millis(0);
        let mut sync = sync();
        let sid = sync.map("WT1.CS", now);
        sync.set_item("WT1.CS", "CA1", json!({ "hold": false }), now);
        let (by_name, _) = ask(&mut sync, 1, &request("GET", "/v3/Maps/WT1.CS", Value::Null), now);
        let (items, _) =
            ask(&mut sync, 1, &request("GET", &format!("/v3/Maps/{sid}/Items"), Value::Null), now);
        assert_eq!(by_name.body["sid"], json!(sid));
        assert_eq!(by_name.body["revision"], "1");
        assert_eq!(items.body["items"][0]["data"]["hold"], false);
        let (missing, _) = ask(&mut sync, 1, &request("GET", "/v3/Maps/WT2.CS", Value::Null), now);
        assert_eq!((missing.status, missing.body["code"].clone()), (404, json!(54200)));
    }

    #[test]
    fn documents_and_lists_are_written_and_read() {
        let now = Timestamp::from_millis(0);
        let mut sync = sync();
        sync.set_document("user", json!({ "name": "Ada" }), now);
        let (document, _) = ask(&mut sync, 1, &request("GET", "/v3/Documents/user", Value::Null), now);
        assert_eq!(document.body["data"]["name"], "Ada");
        let (list, _) =
            ask(&mut sync, 1, &request("POST", "/v3/Lists", json!({ "unique_name": "messages" })), now);
        assert_eq!(list.status, 201);
        for text in ["one", "two"] {
            ask(
                &mut sync,
                1,
                &request("POST", "/v3/Lists/messages/Items", json!({ "data": { "text": text } })),
                now,
            );
        }
        let mut read = request("GET", "/v3/Lists/messages/Items", Value::Null);
        read.params.insert("Order".to_owned(), json!("desc"));
        let (items, _) = ask(&mut sync, 1, &read, now);
        assert_eq!(items.body["items"][0]["index"], 1);
        assert_eq!(items.body["items"][0]["data"]["text"], "two");
        let (item, _) = ask(&mut sync, 1, &request("GET", "/v3/Lists/messages/Items/0", Value::Null), now);
        assert_eq!(item.body["data"]["text"], "one");
    }

    #[test]
    fn a_live_query_shows_the_records_of_its_worker_and_follows_them() {
        let now = Timestamp::from_millis(0);
        let mut sync = sync();
        sync.set_record("tr-reservation", "WR1", Some(json!({ "worker_sid": "WK1" })));
        sync.set_record("tr-reservation", "WR2", Some(json!({ "worker_sid": "WK2" })));
        let query = json!({ "query_string": "data.worker_sid == \"WK1\"", "type": "live_query" });
        let (answer, _) =
            ask(&mut sync, 3, &request("POST", "/v3/Insights/tr-reservation/Items", query), now);
        let items = answer.body["items"].as_array().unwrap();
        assert_eq!(items.iter().map(|item| item["key"].clone()).collect::<Vec<_>>(), ["WR1"]);
        let sid = answer.body["query_id"].as_str().unwrap();
        ask(&mut sync, 3, &subscription("establish", sid), now);

        assert!(sync.set_record("tr-reservation", "WR2", None).is_empty(), "another worker's");
        let pushes = sync.set_record("tr-reservation", "WR3", Some(json!({ "worker_sid": "WK1" })));
        assert_eq!((pushes[0].0, pushes[0].1["event_type"].clone()), (3, json!("live_query_item_updated")));
        let pushes = sync.set_record("tr-reservation", "WR3", None);
        assert_eq!(pushes[0].1["event_type"], "live_query_item_removed");
        assert_eq!(pushes[0].1["event"]["item_key"], "WR3");
    }

    /// The events that a subscriber is sent who has seen everything up to `seen`, and how the subscription answers.
    fn caught_up(sync: &mut Sync, kind: &str, sid: &str, seen: u64) -> (Vec<Value>, Value) {
        let requests = json!([{ "object_sid": sid, "object_type": kind, "last_event_id": seen }]);
        let body = json!({ "action": "establish", "correlation_id": 9, "requests": requests });
        let (_, pushes) =
            ask(sync, 3, &request("POST", "/v4/Subscriptions", body), Timestamp::from_millis(0));
        assert!(pushes.iter().all(|(socket, event)| *socket == 3 && event["correlation_id"] == 9));
        let mut events: Vec<Value> = pushes.into_iter().map(|(_, event)| event).collect();
        let established = events.pop().unwrap();
        assert_eq!(established["event_type"], "subscription_established");
        (events, established["events"][0].clone())
    }

    #[test]
    fn who_subscribes_late_is_sent_all_that_happened_since_their_read_and_then_told_so() {
        let now = Timestamp::from_millis(0);
        let mut sync = sync();
        for index in 0..3 {
            sync.set_list_item("messages", index, json!({ "text": index }), now);
        }
        let sid = sync.list("messages", now);
        sync.set_list_item("messages", 3, json!({ "text": 3 }), now);
        sync.set_list_item("messages", 0, json!({ "text": "edited" }), now);
        sync.remove_list_item("messages", 1, now);
        let (events, established) = caught_up(&mut sync, "list", &sid, 3);
        let types: Vec<&str> = events.iter().map(|event| event["event_type"].as_str().unwrap()).collect();
        assert_eq!(types, ["list_item_added", "list_item_updated", "list_item_removed"]);
        let ids: Vec<u64> = events.iter().map(|event| event["events"][0]["id"].as_u64().unwrap()).collect();
        assert_eq!(ids, [4, 5, 6]);
        assert_eq!(
            (&established["replay_status"], &established["last_event_id"]),
            (&json!("completed"), &json!(6))
        );
        assert_eq!(caught_up(&mut sync, "list", &sid, 6).0, Vec::<Value>::new());
    }

    #[test]
    fn a_document_that_changed_meanwhile_is_told_and_one_that_did_not_is_not() {
        let now = Timestamp::from_millis(0);
        let mut sync = sync();
        sync.set_document("channel", json!({ "state": "active" }), now);
        let sid = sync.document("channel", now);
        sync.set_document("channel", json!({ "state": "active" }), now);
        assert_eq!(caught_up(&mut sync, "document", &sid, 1).0, Vec::<Value>::new());
        sync.set_document("channel", json!({ "state": "closed" }), now);
        let (events, _) = caught_up(&mut sync, "document", &sid, 1);
        assert_eq!(events[0]["events"][0]["document_data"]["state"], "closed");
    }

    #[test]
    fn who_was_away_for_longer_than_the_log_reaches_is_told_that_the_replay_is_broken() {
        let now = Timestamp::from_millis(0);
        let mut sync = sync();
        let kept = u64::try_from(EVENTS_KEPT).unwrap();
        for index in 0..kept + 2 {
            sync.set_list_item("messages", index, json!({}), now);
        }
        let sid = sync.list("messages", now);
        let (events, established) = caught_up(&mut sync, "list", &sid, 1);
        assert_eq!((events.len(), &established["replay_status"]), (0, &json!("interrupted")));
        let (events, established) = caught_up(&mut sync, "list", &sid, 2);
        assert_eq!((events.len(), &established["replay_status"]), (EVENTS_KEPT, &json!("completed")));
    }

    #[test]
    fn what_a_client_may_not_see_it_can_neither_read_nor_follow() {
        let now = Timestamp::from_millis(0);
        let mut sync = sync();
        let sid = sync.map("CH1.roster", now);
        let not_that = |name: &str| name != "CH1.roster";
        for path in
            [format!("/v3/Maps/{sid}"), format!("/v3/Maps/{sid}/Items"), "/v3/Maps/CH1.roster".to_owned()]
        {
            let (answer, _) = sync.request(3, &request("GET", &path, Value::Null), &not_that, now);
            assert_eq!((answer.status, &answer.body["code"]), (403, &json!(54007)), "{path}");
        }
        let (_, pushes) = sync.request(3, &subscription("establish", &sid), &not_that, now);
        assert_eq!(pushes[0].1["event_type"], "subscription_failed");
        assert_eq!(pushes[0].1["events"][0]["error"]["status"], 403);
        assert_eq!(sync.set_item("CH1.roster", "MB1", json!({}), now), []);
    }

    /// Reads a list page by page, doing something to it after each page.
    fn pages(sync: &mut Sync, size: u64, order: &str, mut between: impl FnMut(&mut Sync)) -> Vec<u64> {
        let now = Timestamp::from_millis(0);
        let mut read = request("GET", "/v3/Lists/messages/Items", Value::Null);
        read.params.insert("PageSize".to_owned(), json!(size));
        read.params.insert("Order".to_owned(), json!(order));
        let mut seen = Vec::new();
        loop {
            let (page, _) = ask(sync, 1, &read, now);
            seen.extend(
                page.body["items"].as_array().unwrap().iter().map(|item| item["index"].as_u64().unwrap()),
            );
            let Some(next) = page.body["meta"]["next_token"].as_str() else { return seen };
            read.params = JsonMap::from_iter([
                ("PageToken".to_owned(), json!(next)),
                ("PageSize".to_owned(), json!(size)),
            ]);
            between(sync);
        }
    }

    proptest::proptest! {
        #[test]
        fn pages_neither_skip_nor_double_whatever_comes_and_goes_between_them(
            size in 1_u64..7,
            descending: bool,
            removed in proptest::collection::vec(0_u64..20, 0..20),
        ) {
            let now = Timestamp::from_millis(0);
            let mut sync = sync();
            for index in 0..20 {
                sync.set_list_item("messages", index, json!({}), now);
            }
            let order = if descending { "desc" } else { "asc" };
            let (mut to_remove, mut gone, mut added) = (removed.into_iter(), BTreeSet::new(), 20);
            let seen = pages(&mut sync, size, order, |sync| {
                if let Some(index) = to_remove.next() {
                    sync.remove_list_item("messages", index, now);
                    gone.insert(index);
                }
                // A few arrive; not for ever, or reading upwards would never end.
                if added < 24 {
                    sync.set_list_item("messages", added, json!({}), now);
                    added += 1;
                }
            });
            let distinct: BTreeSet<u64> = seen.iter().copied().collect();
            proptest::prop_assert_eq!(distinct.len(), seen.len(), "none twice");
            for index in (0..20).filter(|index| !gone.contains(index)) {
                proptest::prop_assert!(distinct.contains(&index), "{} is missing", index);
            }
        }
    }

    #[test]
    fn a_page_in_the_middle_leads_both_ways() {
        let now = Timestamp::from_millis(0);
        let mut sync = sync();
        for index in 0..20 {
            sync.set_list_item("messages", index, json!({}), now);
        }
        let mut page = |params: Value| {
            let mut read = request("GET", "/v3/Lists/messages/Items", Value::Null);
            read.params = params.as_object().unwrap().clone();
            let body = ask(&mut sync, 1, &read, now).0.body;
            let items: Vec<u64> = body["items"]
                .as_array()
                .unwrap()
                .iter()
                .map(|item| item["index"].as_u64().unwrap())
                .collect();
            (items, body["meta"]["previous_token"].clone(), body["meta"]["next_token"].clone())
        };
        for (order, here, earlier, later) in
            [("asc", [9, 10, 11], [6, 7, 8], [12, 13, 14]), ("desc", [9, 8, 7], [12, 11, 10], [6, 5, 4])]
        {
            let (items, previous, next) = page(json!({ "From": 9, "PageSize": "3", "Order": order }));
            assert_eq!(items, here);
            assert_eq!(page(json!({ "PageToken": previous, "PageSize": 3 })).0, earlier);
            assert_eq!(page(json!({ "PageToken": next, "PageSize": 3 })).0, later);
        }
        assert_eq!(page(json!({ "Order": "asc" })).1, Value::Null);
    }

    #[test]
    fn a_map_comes_with_its_items_where_that_is_asked_for() {
        let now = Timestamp::from_millis(0);
        let mut sync = sync();
        sync.set_item("ada.info", "friendlyName", json!({ "value": "Ada" }), now);
        let mut read = request("GET", "/v3/Maps/ada.info", Value::Null);
        assert_eq!(ask(&mut sync, 1, &read, now).0.body.get("items"), None);
        read.params.insert("Include".to_owned(), json!("items"));
        assert_eq!(ask(&mut sync, 1, &read, now).0.body["items"][0]["data"]["value"], "Ada");
    }
}
