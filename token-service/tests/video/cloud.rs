//! Rooms, TaskRouter and text messages, as far as video needs them: in the test's own runtime, with what tests put into it.
//! Whatever is asked is recorded; whoever asks otherwise than with video's own key is not answered.

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex, MutexGuard},
};

use axum::{
    Router,
    body::{Body, to_bytes},
    http::{Method, Request, Response, StatusCode, header},
};
use base64::{Engine as _, engine::general_purpose::STANDARD};
use serde_json::{Value, json};
use tokio::net::TcpListener;

use crate::support::{VIDEO_KEY, VIDEO_SECRET};

/// `WT` and the like, and a number in 32 digits.
pub fn sid(kind: &str, number: u64) -> String {
    format!("{kind}{number:032x}")
}

pub struct Task {
    pub status: &'static str,
    pub attributes: Value,
    /// Whose, and of what status.
    pub reservations: Vec<(String, &'static str)>,
}

#[derive(Clone, Debug)]
pub struct Room {
    pub sid: String,
    pub name: String,
    pub is_open: bool,
    pub form: BTreeMap<String, String>,
    /// What it was told to record, in this order.
    pub rules: Vec<bool>,
    /// Who was sent out of it.
    pub removed: Vec<String>,
}

#[derive(Default)]
pub struct World {
    pub tasks: BTreeMap<String, Task>,
    pub rooms: Vec<Room>,
    /// Attributes.
    pub workers: BTreeMap<String, Value>,
    pub texts: Vec<BTreeMap<String, String>>,
    /// What begins so is answered with this status; with 0 it is not answered.
    pub faults: Vec<(&'static str, u16)>,
    pub asked: Vec<String>,
}

#[derive(Clone)]
pub struct Cloud {
    pub url: String,
    world: Arc<Mutex<World>>,
}

impl Cloud {
    pub async fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let world = Arc::new(Mutex::new(World::default()));
        let answers = Arc::clone(&world);
        let answer = move |request: Request<Body>| {
            let answers = Arc::clone(&answers);
            async move {
                let (head, body) = request.into_parts();
                let body = to_bytes(body, usize::MAX).await.unwrap();
                let answer = answers.lock().unwrap().answer(&head, &body);
                match answer {
                    Some(answer) => answer,
                    None => std::future::pending().await,
                }
            }
        };
        tokio::spawn(axum::serve(listener, Router::new().fallback(answer)).into_future());
        Self { url, world }
    }

    pub fn world(&self) -> MutexGuard<'_, World> {
        self.world.lock().unwrap()
    }
}

fn pairs(text: &str) -> BTreeMap<String, String> {
    reqwest::Url::parse(&format!("http://x/?{text}")).unwrap().query_pairs().into_owned().collect()
}

impl World {
    /// A task that this worker has accepted, of this conversation, or without one.
    pub fn task(&mut self, number: u64, worker: &str, attributes: Value) -> String {
        let task = sid("WT", number);
        let reservations = vec![(worker.to_owned(), "accepted")];
        self.tasks.insert(task.clone(), Task { status: "assigned", attributes, reservations });
        task
    }

    pub fn set(&mut self, task: &str, status: &'static str, reservation: &'static str) {
        let task = self.tasks.get_mut(task).unwrap();
        task.status = status;
        task.reservations.iter_mut().for_each(|held| held.1 = reservation);
    }

    /// The newest room.
    pub fn room(&mut self) -> &mut Room {
        self.rooms.last_mut().unwrap()
    }

    fn answer(&mut self, head: &axum::http::request::Parts, body: &[u8]) -> Option<Response<Body>> {
        let path = head.uri.path().to_owned();
        self.asked.push(format!("{} {path}", head.method));
        let credentials = format!("Basic {}", STANDARD.encode(format!("{VIDEO_KEY}:{VIDEO_SECRET}")));
        let authorized = head.headers.get(header::AUTHORIZATION).is_some_and(|given| *given == credentials);
        let (status, body) = if !authorized {
            (401, json!({"code": 20003}))
        } else if let Some((_, status)) = self.faults.iter().find(|(begin, _)| path.starts_with(begin)) {
            if *status == 0 {
                return None;
            }
            (*status, json!({"code": 20500, "message": "canary"}))
        } else {
            let query = pairs(head.uri.query().unwrap_or_default());
            let form = pairs(std::str::from_utf8(body).unwrap());
            let parts: Vec<&str> = path.split('/').skip(1).collect();
            let not_found = (404, json!({"code": 20404}));
            self.resource(&head.method, &parts, &query, form).unwrap_or(not_found)
        };
        let answer = Response::builder().status(StatusCode::from_u16(status).unwrap());
        let answer = answer.header(header::CONTENT_TYPE, "application/json");
        Some(answer.body(Body::from(body.to_string())).unwrap())
    }

    fn resource(
        &mut self,
        method: &Method,
        parts: &[&str],
        query: &BTreeMap<String, String>,
        form: BTreeMap<String, String>,
    ) -> Option<(u16, Value)> {
        let shown = |room: &Room| {
            let status = if room.is_open { "in-progress" } else { "completed" };
            json!({"sid": room.sid, "unique_name": room.name, "status": status})
        };
        match parts {
            ["v1", "Rooms"] if method == Method::POST => {
                let name = form.get("UniqueName")?.clone();
                if self.rooms.iter().any(|room| room.is_open && room.name == name) {
                    return Some((400, json!({"code": 53113, "status": 400})));
                }
                let sid = sid("RM", self.rooms.len() as u64 + 1);
                let room = Room { sid, name, is_open: true, form, rules: Vec::new(), removed: Vec::new() };
                let answer = shown(&room);
                self.rooms.push(room);
                Some((201, answer))
            }
            ["v1", "Rooms", of] => {
                let found = |room: &&mut Room| room.sid == *of || (room.name == *of && room.is_open);
                let room = self.rooms.iter_mut().find(found)?;
                if method == Method::POST {
                    room.is_open = false;
                }
                Some((200, shown(room)))
            }
            ["v1", "Rooms", of, "RecordingRules"] => {
                let room = self.rooms.iter_mut().find(|room| room.sid == *of)?;
                room.rules.push(form.get("Rules")?.contains("include"));
                Some((200, json!({"room_sid": of, "rules": []})))
            }
            ["v1", "Rooms", of, "Participants", identity] if method == Method::POST => {
                let room = self.rooms.iter_mut().find(|room| room.sid == *of)?;
                room.removed.push((*identity).to_owned());
                Some((200, json!({"identity": identity, "status": "disconnected"})))
            }
            ["v1", "Workspaces", _, "Tasks"] => {
                let of = query.get("EvaluateTaskAttributes")?;
                let is_of = |task: &Task| {
                    task.attributes["conversationSid"].as_str().is_some_and(|sid| of.contains(sid))
                };
                let list = self.tasks.iter().filter(|(_, task)| is_of(task));
                let list: Vec<Value> = list.map(|(sid, task)| shown_task(sid, task)).collect();
                Some((200, json!({"tasks": list, "meta": {}})))
            }
            ["v1", "Workspaces", _, "Tasks", task] => Some((200, shown_task(task, self.tasks.get(*task)?))),
            ["v1", "Workspaces", _, "Tasks", task, "Reservations"] => {
                let worker = query.get("WorkerSid")?;
                let list = self.tasks.get(*task)?.reservations.iter().filter(|(held, _)| held == worker);
                let list =
                    list.map(|(worker, status)| json!({"worker_sid": worker, "reservation_status": status}));
                Some((200, json!({"reservations": list.collect::<Vec<_>>(), "meta": {}})))
            }
            ["v1", "Workspaces", _, "Workers", worker] => {
                let attributes = self.workers.get(*worker)?.to_string();
                Some((
                    200,
                    json!({"sid": worker, "friendly_name": "ada@example.com", "attributes": attributes}),
                ))
            }
            ["2010-04-01", "Accounts", _, "Messages.json"] => {
                self.texts.push(form);
                Some((201, json!({"sid": sid("SM", self.texts.len() as u64)})))
            }
            _ => None,
        }
    }
}

fn shown_task(sid: &str, task: &Task) -> Value {
    json!({"sid": sid, "attributes": task.attributes.to_string(), "assignment_status": task.status})
}
