use kernel::Timestamp;
use proptest::prelude::*;
use sansio::rig::Rig;
use serde_json::json;

use super::*;
use crate::machine::delivery::Callback;
use crate::machine::request::{OfParticipant, OfRoom};

const START: Timestamp = Timestamp::from_millis(1_700_000_000_000);

/// A token is the identity, an at sign, and the room that it is for, if it is for one.
fn judge(token: &Secret, _now: Timestamp) -> Result<Grant, Problem> {
    let (identity, room) = token.expose().split_once('@').ok_or(Problem::TOKEN_INVALID)?;
    let room = Some(room.to_owned()).filter(|room| !room.is_empty());
    Ok(Grant { identity: identity.into(), room })
}

/// A machine, and a world that answers for the SDK and for the media server.
struct World {
    rig: Rig<Machine>,
    sockets: u64,
    faults: u64,
}

/// What became of a step, by whom it concerns.
#[derive(Debug, Default)]
struct Outcome {
    frames: Vec<(SocketId, Value)>,
    closed: Vec<SocketId>,
    aborted: Vec<SocketId>,
    orders: Vec<Order>,
    media_ended: usize,
    callbacks: Vec<Callback>,
    answers: Vec<Answer>,
}

impl Outcome {
    /// The messages of a socket, of one type.
    fn messages(&self, socket: SocketId, kind: &str) -> Vec<&Value> {
        let bodies = self.frames.iter().filter(|(to, _)| *to == socket).map(|(_, frame)| &frame["body"]);
        bodies.filter(|body| body["type"] == kind).collect()
    }

    fn code(&self, socket: SocketId) -> Option<u64> {
        self.messages(socket, "error").first().and_then(|body| body["code"].as_u64())
    }

    fn happenings(&self) -> Vec<String> {
        let event = |callback: &Callback| field(callback, "StatusCallbackEvent");
        self.callbacks.iter().map(event).collect()
    }
}

fn field(callback: &Callback, name: &str) -> String {
    let found = callback.fields.iter().find(|(known, _)| *known == name);
    found.map(|(_, value)| value.clone()).unwrap_or_default()
}

fn tracks(list: &[(&str, &str, bool)]) -> Value {
    let track = |(id, kind, enabled): &(&str, &str, bool)| json!({"id": id, "kind": kind, "name": format!("{id}-name"), "enabled": enabled, "priority": "standard"});
    json!({"revision": 1, "tracks": list.iter().map(track).collect::<Vec<_>>()})
}

fn offer(revision: u64) -> Value {
    json!([{"id": "pc", "description": {"type": "offer", "revision": revision, "sdp": "v=0"}}])
}

impl World {
    fn new() -> Self {
        let account = AccountSid::new(format!("AC{}", "1".repeat(32))).unwrap();
        let machine = Machine::new(account, Box::new(judge), [7; 32]);
        Self { rig: Rig::new(machine, START), sockets: 0, faults: 0 }
    }

    fn outcome(&mut self) -> Outcome {
        let mut outcome = Outcome::default();
        for command in self.rig.take() {
            match command {
                Command::Send(socket, frame) => {
                    outcome.frames.push((socket, serde_json::from_str(&frame.to_text()).unwrap()));
                }
                Command::Close(socket) => outcome.closed.push(socket),
                Command::Abort(socket) => outcome.aborted.push(socket),
                Command::Media(_, order) => outcome.orders.push(order),
                Command::MediaEnds(_) => outcome.media_ended += 1,
                Command::Answer(answer) => outcome.answers.push(answer),
                Command::Callback(callback) => outcome.callbacks.push(callback),
                Command::Emit(_) => {}
            }
        }
        outcome
    }

    fn socket(&mut self) -> SocketId {
        self.sockets += 1;
        let socket = SocketId(self.sockets);
        self.rig.event(Event::SocketOpened(socket));
        socket
    }

    fn says(&mut self, socket: SocketId, frame: &Value) -> Outcome {
        self.rig.event(Event::Received(socket, frame.to_string()));
        self.outcome()
    }

    fn message(&mut self, socket: SocketId, body: Value) -> Outcome {
        self.says(socket, &json!({"type": "msg", "body": body}))
    }

    fn passes(&mut self, ms: u64) -> Outcome {
        self.rig.pass(ms);
        self.outcome()
    }

    /// So many seconds pass, in which the socket's client says that it is there.
    fn keeps_alive(&mut self, socket: SocketId, seconds: u64) {
        for _ in 0..seconds {
            self.rig.pass(1_000);
            self.rig.event(Event::Received(socket, json!({"type": "heartbeat"}).to_string()));
        }
        self.outcome();
    }

    fn rest(&mut self, request: Request) -> Answer {
        self.rig.event(Event::Rest(request));
        let newest = self.rig.commands.iter().rev().find_map(|(_, command)| match command {
            Command::Answer(answer) => Some(answer.clone()),
            _ => None,
        });
        newest.unwrap()
    }

    fn create(&mut self, name: &str, settings: Settings) -> String {
        let request = Request::Create { unique_name: Some(name.into()), settings, recording_rules: None };
        let (status, room) = self.rest(request).unwrap();
        assert_eq!(status, 201);
        room["sid"].as_str().unwrap().to_owned()
    }

    /// Joins with a microphone and a camera. The media server answers.
    fn joins(&mut self, identity: &str, room: &str) -> (SocketId, Outcome) {
        let (socket, mut outcome) = self.asks_to_join(identity, room, &format!("{identity}@{room}"));
        self.answers_offers(&mut outcome);
        (socket, outcome)
    }

    fn asks_to_join(&mut self, identity: &str, room: &str, token: &str) -> (SocketId, Outcome) {
        let socket = self.socket();
        let (mic, camera) = (format!("{identity}-mic"), format!("{identity}-cam"));
        let outcome = self.says(
            socket,
            &json!({"type": "hello", "id": "h", "timeout": 5000, "version": 2, "body": {
                "type": "connect", "version": 2, "name": room, "token": token,
                "participant": tracks(&[(&mic, "audio", true), (&camera, "video", true)]),
                "peer_connections": offer(1), "media_signaling": {"active_speaker": {}, "track_priority": {}, "other": {}}}}),
        );
        (socket, outcome)
    }

    /// The media server answers every offer that it was given.
    fn answers_offers(&mut self, outcome: &mut Outcome) {
        for order in outcome.orders.clone() {
            if let Order::Join { peer, offer, .. } = order {
                self.describes(&peer, DescriptionKind::Answer, offer.revision);
            }
        }
        let more = self.outcome();
        outcome.frames.extend(more.frames);
        outcome.orders.extend(more.orders);
        outcome.callbacks.extend(more.callbacks);
    }

    fn describes(&mut self, peer: &ParticipantSid, kind: DescriptionKind, revision: u64) {
        let description = Description { kind, revision, sdp: Some("v=0".into()) };
        let room = self.rig.machine.rooms.values().find(|room| room.participant(peer).is_some());
        let room = room.unwrap().sid.clone();
        self.rig.event(Event::Media(room, MediaNews::Description(peer.clone(), description)));
    }

    fn fault(&mut self, fault: Value) -> Outcome {
        self.faults += 1;
        self.rig.event(Event::FaultBegins { id: self.faults, fault: serde_json::from_value(fault).unwrap() });
        self.outcome()
    }

    fn status(&mut self, room: &str) -> String {
        let (_, room) = self.rest(Request::Room(room.into(), OfRoom::Fetch)).unwrap();
        room["status"].as_str().unwrap().to_owned()
    }

    fn participants(&mut self, room: &str) -> Vec<(String, String)> {
        let page = Page::default();
        let what = OfRoom::Participants { status: None, identity: None, page };
        let (_, list) = self.rest(Request::Room(room.into(), what)).unwrap();
        let text = |value: &Value| value.as_str().unwrap().to_owned();
        let list = list["participants"].as_array().unwrap().iter();
        list.map(|one| (text(&one["identity"]), text(&one["status"]))).collect()
    }

    /// Comes back over a new socket, with the SDK's newest description.
    fn syncs(&mut self, session: &str, token: &str, descriptions: Value) -> (SocketId, Outcome) {
        let socket = self.socket();
        let outcome = self.says(
            socket,
            &json!({"type": "hello", "id": "h", "timeout": 5000, "version": 2, "body": {
                "type": "sync", "version": 2, "session": session, "token": token, "name": "chat",
                "peer_connections": descriptions}}),
        );
        (socket, outcome)
    }
}

fn session_of(outcome: &Outcome, socket: SocketId) -> String {
    outcome.messages(socket, "connected")[0]["session"].as_str().unwrap().to_owned()
}

fn with_callback() -> Settings {
    Settings {
        callback: Some(("http://127.0.0.1:1/cb".into(), delivery::Method::Post)),
        ..Settings::default()
    }
}

// ---- joining ------------------------------------------------------------------------------------------------------

#[test]
fn who_joins_is_told_of_the_room_and_the_others_of_who_joined() {
    let mut world = World::new();
    let sid = world.create("chat", Settings::default());
    let (agent, first) = world.joins("agent", "chat");
    let connected = first.messages(agent, "connected")[0];
    assert_eq!((connected["sid"].as_str(), connected["name"].as_str()), (Some(sid.as_str()), Some("chat")));
    assert_eq!(connected["participant"]["identity"], "agent");
    assert_eq!(connected["published"]["tracks"].as_array().unwrap().len(), 2);
    assert_eq!(connected["peer_connections"][0]["description"]["type"], "answer");
    assert_eq!(connected["options"]["session_timeout"], 30);
    assert_eq!(
        connected["media_signaling"].as_object().unwrap().keys().collect::<Vec<_>>(),
        ["active_speaker", "track_priority"]
    );

    let (customer, second) = world.joins("customer", "chat");
    let told = second.messages(agent, "update");
    assert_eq!(told[0]["participants"][0]["identity"], "customer");
    assert_eq!(told[0]["subscribed"]["tracks"].as_array().unwrap().len(), 2);
    let connected = second.messages(customer, "connected")[0];
    assert_eq!(connected["participants"][0]["identity"], "agent");
    assert_eq!(connected["subscribed"]["tracks"].as_array().unwrap().len(), 2);
}

#[test]
fn nobody_hears_of_who_joins_before_the_media_server_has_answered() {
    let mut world = World::new();
    world.create("chat", Settings::default());
    let (agent, _) = world.joins("agent", "chat");
    let (customer, outcome) = world.asks_to_join("customer", "chat", "customer@chat");
    assert!(
        outcome.messages(agent, "update").is_empty() && outcome.messages(customer, "connected").is_empty()
    );
    assert_eq!(world.participants("chat"), [("agent".into(), "connected".into())]);
    // A socket that goes meanwhile leaves nothing behind.
    world.rig.event(Event::SocketClosed(customer));
    assert!(world.outcome().messages(agent, "update").is_empty());
    assert_eq!(world.participants("chat").len(), 1);
}

#[test]
fn an_offer_that_cannot_be_taken_is_refused_and_leaves_no_participant() {
    let mut world = World::new();
    world.create("chat", Settings::default());
    let (socket, outcome) = world.asks_to_join("agent", "chat", "agent@chat");
    let Some(Order::Join { peer, .. }) = outcome.orders.first() else { panic!("{outcome:?}") };
    let room = world.rig.machine.find_room("chat").unwrap().sid.clone();
    world.rig.event(Event::Media(room, MediaNews::Refused(peer.clone(), "no codec".into())));
    assert_eq!(world.outcome().code(socket), Some(53403));
    assert!(world.participants("chat").is_empty());
}

#[test]
fn a_bad_token_another_room_a_full_room_and_a_room_that_is_over_are_refused_with_their_codes() {
    let mut world = World::new();
    world.create("chat", Settings { max_participants: 1, ..Settings::default() });
    let code = |world: &mut World, room: &str, token: &str| {
        let (socket, outcome) = world.asks_to_join("someone", room, token);
        outcome.code(socket)
    };
    assert_eq!(code(&mut world, "chat", "garbage"), Some(20101));
    assert_eq!(code(&mut world, "chat", "agent@elsewhere"), Some(53104));
    world.joins("agent", "chat");
    assert_eq!(code(&mut world, "chat", "customer@chat"), Some(53105));
    world.rig.event(Event::AdHoc(false));
    assert_eq!(code(&mut world, "nowhere", "customer@"), Some(53103));
    world.rest(Request::Room("chat".into(), OfRoom::Complete)).unwrap();
    world.outcome();
    assert_eq!(code(&mut world, "chat", "customer@chat"), Some(53106));
    assert_eq!(code(&mut world, &format!("RM{}", "0".repeat(32)), "customer@"), Some(53106));
}

#[test]
fn a_token_for_a_sid_lets_in_by_name_and_the_other_way_round() {
    let mut world = World::new();
    let sid = world.create("chat", Settings::default());
    for (room, granted) in [("chat", sid.as_str()), (sid.as_str(), "chat")] {
        let (socket, mut outcome) = world.asks_to_join("agent", room, &format!("agent@{granted}"));
        world.answers_offers(&mut outcome);
        assert_eq!(outcome.messages(socket, "connected").len(), 1, "{room} {granted}");
    }
}

#[test]
fn a_hello_that_is_said_again_is_welcomed_again_and_joins_once() {
    let mut world = World::new();
    world.create("chat", Settings::default());
    let (socket, _) = world.joins("agent", "chat");
    let again = world.says(
        socket,
        &json!({"type": "hello", "id": "h", "timeout": 5000, "body": {"type": "ice", "token": "a@"}}),
    );
    assert_eq!(again.frames, [(socket, json!({"type": "welcome", "negotiatedTimeout": 5000}))]);
}

#[test]
fn the_same_identity_takes_the_place_of_the_older_one_also_in_a_full_room() {
    let mut world = World::new();
    world.create("chat", Settings { max_participants: 2, ..Settings::default() });
    let (agent, _) = world.joins("agent", "chat");
    let (old, _) = world.joins("customer", "chat");
    let (new, outcome) = world.joins("customer", "chat");
    assert_eq!(outcome.code(old), Some(53205));
    assert_eq!(outcome.messages(new, "connected").len(), 1);
    let states: Vec<_> =
        outcome.messages(agent, "update").iter().map(|m| m["participants"][0]["state"].clone()).collect();
    assert_eq!(states, ["disconnected", "connected"]);
}

// ---- in the room --------------------------------------------------------------------------------------------------

#[test]
fn mute_unpublish_and_publish_are_told_once_and_what_is_said_again_is_not() {
    let mut world = World::new();
    world.create("chat", with_callback());
    let (agent, _) = world.joins("agent", "chat");
    let (customer, _) = world.joins("customer", "chat");
    let update =
        |list: &[(&str, &str, bool)]| json!({"type": "update", "version": 2, "participant": tracks(list)});
    let muted =
        world.message(customer, update(&[("customer-mic", "audio", false), ("customer-cam", "video", true)]));
    let seen = &muted.messages(agent, "update")[0]["participants"][0]["tracks"];
    assert_eq!((&seen[0]["enabled"], &seen[1]["enabled"]), (&json!(false), &json!(true)));
    assert_eq!(muted.happenings(), ["track-disabled"]);
    let again =
        world.message(customer, update(&[("customer-mic", "audio", false), ("customer-cam", "video", true)]));
    assert!(again.frames.is_empty() && again.callbacks.is_empty());
    let off = world.message(customer, update(&[("customer-mic", "audio", true)]));
    assert_eq!(off.happenings(), ["track-enabled", "track-removed"]);
    assert_eq!(off.messages(agent, "update")[0]["subscribed"]["tracks"].as_array().unwrap().len(), 1);
    let on = world.message(customer, update(&[("customer-mic", "audio", true), ("screen", "video", true)]));
    assert_eq!(on.messages(customer, "update")[0]["published"]["tracks"][1]["state"], "ready");
    assert_eq!(field(&on.callbacks[0], "TrackName"), "screen-name");
    let Some(Order::Plan(plan)) = on.orders.last() else { panic!("{on:?}") };
    assert!(plan.0.values().any(|peer| peer.wants.iter().any(|track| track.id == "screen")));
}

#[test]
fn subscribe_rules_decide_who_gets_what() {
    let mut world = World::new();
    world.create("chat", Settings::default());
    let (agent, _) = world.joins("agent", "chat");
    world.joins("customer", "chat");
    let rules = Rules::parse(r#"[{"type":"include","kind":"audio"}]"#).unwrap();
    let what = OfRoom::Participant("agent".into(), OfParticipant::SetSubscribeRules(rules));
    let (status, answer) = world.rest(Request::Room("chat".into(), what)).unwrap();
    assert_eq!((status, &answer["rules"][0]["kind"]), (202, &json!("audio")));
    let outcome = world.outcome();
    assert_eq!(outcome.messages(agent, "update")[0]["subscribed"]["tracks"].as_array().unwrap().len(), 1);
    let what = OfRoom::Participant("agent".into(), OfParticipant::SubscribedTracks(None));
    let (_, list) = world.rest(Request::Room("chat".into(), what)).unwrap();
    assert_eq!(list["subscribed_tracks"].as_array().unwrap().len(), 1);
    let what = OfRoom::Participant(
        "customer".into(),
        OfParticipant::PublishedTracks(Some("customer-cam-name".into())),
    );
    let (_, track) = world.rest(Request::Room("chat".into(), what)).unwrap();
    assert_eq!(track["kind"], "video");
}

#[test]
fn recording_begins_and_ends_with_its_rules_and_everybody_is_told() {
    let mut world = World::new();
    world.create("chat", Settings::default());
    let (agent, _) = world.joins("agent", "chat");
    let set = |world: &mut World, rules: Rules| {
        world.rest(Request::Room("chat".into(), OfRoom::SetRecordingRules(rules))).unwrap();
        world.outcome()
    };
    let on = set(&mut world, Rules::everything());
    let first = on.messages(agent, "update")[0]["recording"].clone();
    assert_eq!(first["is_recording"], true);
    assert!(set(&mut world, Rules::everything()).messages(agent, "update").is_empty());
    let off = set(&mut world, Rules::nothing());
    let second = off.messages(agent, "update")[0]["recording"].clone();
    assert_eq!(second["is_recording"], false);
    assert!(second["revision"].as_u64() > first["revision"].as_u64());
}

// ---- coming back and leaving --------------------------------------------------------------------------------------

#[test]
fn a_lost_socket_is_reconnecting_for_others_until_it_is_back() {
    let mut world = World::new();
    world.create("chat", with_callback());
    let (agent, _) = world.joins("agent", "chat");
    let (customer, joined) = world.joins("customer", "chat");
    let session = session_of(&joined, customer);
    world.rig.event(Event::SocketClosed(customer));
    let lost = world.outcome();
    assert_eq!(lost.messages(agent, "update")[0]["participants"][0]["state"], "reconnecting");
    assert!(lost.callbacks.is_empty());
    world.keeps_alive(agent, 29);
    let (new, back) = world.syncs(&session, "customer@chat", json!([{"id": "pc"}]));
    let synced = back.messages(new, "synced")[0];
    assert_eq!(synced["participants"][0]["identity"], "agent");
    assert_eq!(synced["peer_connections"], json!([{"id": "pc"}]));
    assert_eq!(back.messages(agent, "update")[0]["participants"][0]["state"], "connected");
    for _ in 0..6 {
        world.keeps_alive(agent, 10);
        world.says(new, &json!({"type": "heartbeat"}));
    }
    assert_eq!(world.participants("chat")[1], ("customer".into(), "connected".into()));
}

#[test]
fn who_does_not_come_back_in_time_is_gone_and_their_session_unknown() {
    let mut world = World::new();
    world.create("chat", with_callback());
    let (agent, _) = world.joins("agent", "chat");
    let (customer, joined) = world.joins("customer", "chat");
    let session = session_of(&joined, customer);
    world.rig.event(Event::SocketClosed(customer));
    world.outcome();
    world.keeps_alive(agent, 29);
    let gone = world.passes(1_000);
    assert_eq!(gone.messages(agent, "update")[0]["participants"][0]["state"], "disconnected");
    assert_eq!(gone.happenings(), ["participant-disconnected"]);
    let (socket, refused) = world.syncs(&session, "customer@chat", json!([]));
    assert_eq!(refused.code(socket), Some(53204));
}

#[test]
fn what_was_lost_with_the_socket_is_said_again() {
    let mut world = World::new();
    world.create("chat", Settings::default());
    let (socket, joined) = world.joins("agent", "chat");
    let session = session_of(&joined, socket);
    let peer = world.rig.machine.find_room("chat").unwrap().participants[0].sid.clone();
    // The server's offer did not arrive.
    world.rig.event(Event::SocketClosed(socket));
    world.describes(&peer, DescriptionKind::Offer, 2);
    let (socket, back) = world.syncs(&session, "agent@chat", offer(1));
    assert_eq!(back.messages(socket, "synced")[0]["peer_connections"][0]["description"]["revision"], 2);
    assert!(!back.orders.iter().any(|order| matches!(order, Order::Description { .. })));
    // The SDK's answer did not arrive: it comes with the sync, and is passed on.
    world.rig.event(Event::SocketClosed(socket));
    let answer = json!([{"id": "pc", "description": {"type": "answer", "revision": 2, "sdp": "v=0"}}]);
    let (socket, back) = world.syncs(&session, "agent@chat", answer);
    assert_eq!(back.messages(socket, "synced")[0]["peer_connections"], json!([{"id": "pc"}]));
    assert!(back.orders.iter().any(|order| matches!(order, Order::Description { .. })));
    // The server's answer did not arrive: the offer is not taken twice.
    world.message(socket, json!({"type": "update", "peer_connections": offer(3)}));
    world.rig.event(Event::SocketClosed(socket));
    world.describes(&peer, DescriptionKind::Answer, 3);
    let (socket, back) = world.syncs(&session, "agent@chat", offer(3));
    let entry = &back.messages(socket, "synced")[0]["peer_connections"][0]["description"];
    assert_eq!((&entry["type"], &entry["revision"]), (&json!("answer"), &json!(3)));
    assert!(!back.orders.iter().any(|order| matches!(order, Order::Description { .. })));
}

#[test]
fn a_silent_socket_is_cut_after_three_timeouts_and_the_server_is_never_silent_itself() {
    let mut world = World::new();
    world.create("chat", Settings::default());
    let (socket, _) = world.joins("agent", "chat");
    let meanwhile = world.passes(14_999);
    let beats = meanwhile.frames.iter().filter(|(_, frame)| frame["type"] == "heartbeat").count();
    assert_eq!((beats, meanwhile.aborted.len()), (3, 0));
    assert_eq!(world.passes(1).aborted, [socket]);
    assert_eq!(world.participants("chat"), [("agent".into(), "reconnecting".into())]);
}

#[test]
fn who_leaves_is_gone_at_once_and_the_socket_is_closed_at_their_word() {
    let mut world = World::new();
    world.create("chat", Settings::default());
    let (agent, _) = world.joins("agent", "chat");
    let (customer, _) = world.joins("customer", "chat");
    let left = world.message(customer, json!({"type": "disconnect", "session": "x", "version": 2}));
    assert_eq!(left.messages(customer, "disconnected")[0]["status"], "disconnected");
    assert_eq!(left.messages(agent, "update")[0]["participants"][0]["state"], "disconnected");
    assert_eq!(left.messages(agent, "update")[0]["subscribed"]["tracks"], json!([]));
    assert_eq!(world.says(customer, &json!({"type": "bye"})).closed, [customer]);
}

#[test]
fn who_is_removed_hears_of_no_error_and_may_come_back() {
    let mut world = World::new();
    world.create("chat", Settings::default());
    let (customer, _) = world.joins("customer", "chat");
    let what = OfRoom::Participant("customer".into(), OfParticipant::Disconnect);
    let (_, answer) = world.rest(Request::Room("chat".into(), what)).unwrap();
    assert_eq!(answer["status"], "disconnected");
    assert_eq!(world.outcome().messages(customer, "disconnected")[0]["status"], "disconnected");
    let (again, outcome) = world.joins("customer", "chat");
    assert_eq!(outcome.messages(again, "connected").len(), 1);
    assert_eq!(world.participants("chat").len(), 2);
}

#[test]
fn a_completed_room_ends_in_one_step_and_nobody_hears_first_that_others_left() {
    let mut world = World::new();
    let sid = world.create("chat", with_callback());
    let (agent, _) = world.joins("agent", "chat");
    let (customer, _) = world.joins("customer", "chat");
    world.rest(Request::Room("chat".into(), OfRoom::Complete)).unwrap();
    let over = world.outcome();
    for socket in [agent, customer] {
        assert_eq!(over.messages(socket, "disconnected")[0]["status"], "completed");
        assert!(over.messages(socket, "update").is_empty());
    }
    assert_eq!(over.happenings(), ["participant-disconnected", "participant-disconnected", "room-ended"]);
    assert_eq!(over.media_ended, 1);
    assert_eq!(world.status(&sid), "completed");
    assert_eq!(world.rest(Request::Room("chat".into(), OfRoom::Fetch)), Err(Problem::NOT_FOUND));
    assert_eq!(world.create("chat", Settings::default()).len(), 34); // the name is free again
}

// ---- time ---------------------------------------------------------------------------------------------------------

#[test]
fn a_room_that_nobody_comes_to_or_that_everybody_left_ends_after_its_minutes() {
    let settings = Settings { unused_room_timeout_min: 2, empty_room_timeout_min: 3, ..Settings::default() };
    let mut world = World::new();
    let unused = world.create("unused", settings.clone());
    let left = world.create("left", settings);
    let (socket, _) = world.joins("agent", "left");
    world.message(socket, json!({"type": "disconnect"}));
    world.passes(119_999);
    assert_eq!(world.status(&unused), "in-progress");
    world.passes(1);
    assert_eq!(world.status(&unused), "completed");
    // Who comes in time keeps it.
    let (socket, _) = world.joins("agent", "left");
    world.message(socket, json!({"type": "disconnect"}));
    world.passes(179_999);
    assert_eq!(world.status(&left), "in-progress");
    world.passes(1);
    assert_eq!(world.status(&left), "completed");
}

#[test]
fn a_room_that_a_client_made_ends_with_its_last_participant() {
    let mut world = World::new();
    let (socket, outcome) = world.joins("agent", "adhoc");
    let sid = outcome.messages(socket, "connected")[0]["sid"].as_str().unwrap().to_owned();
    world.message(socket, json!({"type": "disconnect"}));
    assert_eq!(world.status(&sid), "completed");
}

#[test]
fn nobody_stays_longer_than_the_room_allows() {
    let mut world = World::new();
    world.create("chat", Settings { max_participant_duration_s: 600, ..Settings::default() });
    let (socket, _) = world.joins("agent", "chat");
    world.keeps_alive(socket, 599);
    assert_eq!(world.passes(1_000).code(socket), Some(53216));
}

// ---- REST and callbacks -------------------------------------------------------------------------------------------

#[test]
fn callbacks_tell_the_whole_story_in_twilios_words_with_numbers_that_grow() {
    let mut world = World::new();
    let sid = world.create("chat", with_callback());
    let mut story = world.outcome().callbacks;
    let (socket, joined) = world.joins("agent", "chat");
    story.extend(joined.callbacks);
    world.passes(12_000);
    story.extend(world.message(socket, json!({"type": "disconnect"})).callbacks);
    world.rest(Request::Room("chat".into(), OfRoom::Complete)).unwrap();
    story.extend(world.outcome().callbacks);
    let happenings: Vec<_> = story.iter().map(|callback| field(callback, "StatusCallbackEvent")).collect();
    assert_eq!(
        happenings,
        [
            "room-created",
            "participant-connected",
            "track-added",
            "track-added",
            "participant-disconnected",
            "room-ended"
        ]
    );
    for (number, callback) in story.iter().enumerate() {
        assert_eq!(field(callback, "SequenceNumber"), number.to_string());
        assert_eq!(field(callback, "RoomSid"), sid);
        assert_eq!(
            (field(callback, "RoomName"), field(callback, "RoomType")),
            ("chat".into(), "group".into())
        );
        assert_eq!(
            (callback.url.as_str(), callback.method),
            ("http://127.0.0.1:1/cb", delivery::Method::Post)
        );
    }
    let left = &story[4];
    assert_eq!(field(left, "ParticipantIdentity"), "agent");
    assert_eq!(
        (field(left, "ParticipantStatus"), field(left, "ParticipantDuration")),
        ("disconnected".into(), "12".into())
    );
    assert_eq!(
        (field(&story[5], "RoomStatus"), field(&story[5], "RoomDuration")),
        ("completed".into(), "12".into())
    );
    assert_eq!(field(&story[2], "TrackKind"), "audio");
    assert_eq!(field(&story[0], "Timestamp"), "2023-11-14T22:13:20.000Z");
}

#[test]
fn a_name_is_taken_while_its_room_is_in_progress() {
    let mut world = World::new();
    world.create("chat", Settings::default());
    let again = Request::Create {
        unique_name: Some("chat".into()),
        settings: Settings::default(),
        recording_rules: None,
    };
    assert_eq!(world.rest(again), Err(Problem::ROOM_EXISTS));
}

#[test]
fn lists_come_in_pages_and_by_what_is_asked_for() {
    let mut world = World::new();
    for name in ["a", "b", "c"] {
        world.create(name, Settings::default());
        world.passes(1);
    }
    world.rest(Request::Room("b".into(), OfRoom::Complete)).unwrap();
    let list = |world: &mut World, status: Option<&str>, page| {
        let request = Request::Rooms { status: status.map(str::to_owned), unique_name: None, page };
        world.rest(request).unwrap().1
    };
    let names = |list: &Value| -> Vec<String> {
        let rooms = list["rooms"].as_array().unwrap().iter();
        rooms.map(|room| room["unique_name"].as_str().unwrap().to_owned()).collect()
    };
    let first = list(&mut world, None, Page { number: 0, size: 1 });
    assert_eq!((names(&first), &first["meta"]["key"]), (vec!["c".to_owned()], &json!("rooms")));
    assert_eq!(first["meta"]["next_page_url"], "https://video.twilio.com/v1/Rooms?PageSize=1&Page=1");
    let second = list(&mut world, None, Page { number: 1, size: 1 });
    assert_eq!((names(&second), &second["meta"]["next_page_url"]), (vec!["a".to_owned()], &Value::Null));
    assert_eq!(names(&list(&mut world, Some("completed"), Page::default())), ["b"]);
}

#[test]
fn who_is_anonymized_is_named_no_more() {
    let mut world = World::new();
    world.create("chat", Settings::default());
    let (socket, _) = world.joins("customer", "chat");
    world.message(socket, json!({"type": "disconnect"}));
    let what = OfRoom::Participant("customer".into(), OfParticipant::Anonymize);
    world.rest(Request::Room("chat".into(), what)).unwrap();
    assert!(world.participants("chat").iter().all(|(identity, _)| identity != "customer"));
}

// ---- faults -------------------------------------------------------------------------------------------------------

#[test]
fn a_cut_socket_cannot_come_back_before_the_fault_is_over_and_others_are_untouched() {
    let mut world = World::new();
    world.create("chat", Settings::default());
    let (agent, _) = world.joins("agent", "chat");
    let (customer, joined) = world.joins("customer", "chat");
    let session = session_of(&joined, customer);
    let cut = world.fault(json!({"kind": "video_socket", "identity": "customer", "lasts_ms": 5_000}));
    assert_eq!(cut.aborted, [customer]);
    assert_eq!(cut.messages(agent, "update")[0]["participants"][0]["state"], "reconnecting");
    assert!(world.rig.machine.admits());
    let (socket, refused) = world.syncs(&session, "customer@chat", json!([{"id": "pc"}]));
    assert_eq!(refused.aborted, [socket]);
    world.passes(5_000);
    let (socket, back) = world.syncs(&session, "customer@chat", json!([{"id": "pc"}]));
    assert_eq!(back.messages(socket, "synced").len(), 1);
    world.fault(json!({"kind": "video_socket", "lasts_ms": 1_000}));
    assert!(!world.rig.machine.admits());
}

#[test]
fn lost_media_is_ordered_for_whom_it_concerns_and_ends_by_itself() {
    let mut world = World::new();
    world.create("chat", Settings::default());
    world.joins("agent", "chat");
    world.joins("customer", "chat");
    let blocks = |outcome: &Outcome| -> Vec<bool> {
        let block = |order: &Order| match order {
            Order::Block { on, .. } => Some(*on),
            _ => None,
        };
        outcome.orders.iter().filter_map(block).collect()
    };
    let begun = world.fault(json!({"kind": "video_media", "identity": "customer", "lasts_ms": 1_000}));
    assert_eq!((blocks(&begun), begun.aborted.len()), (vec![true], 0));
    assert_eq!(blocks(&world.passes(1_000)), [false]);
    let both = world.fault(json!({"kind": "video_both", "lasts_ms": 1_000}));
    assert_eq!((blocks(&both), both.aborted.len()), (vec![true, true], 2));
}

#[test]
fn slow_messages_come_late_and_in_their_order() {
    let mut world = World::new();
    world.create("chat", Settings::default());
    let (agent, _) = world.joins("agent", "chat");
    world.fault(json!({"kind": "video_slow", "identity": "agent", "delay_ms": 2_000, "lasts_ms": 1_000}));
    let (customer, joined) = world.joins("customer", "chat");
    assert_eq!(
        (joined.messages(customer, "connected").len(), joined.messages(agent, "update").len()),
        (1, 0)
    );
    world.passes(1_500); // the fault is over, and nothing overtakes what is late
    let left = world.message(customer, json!({"type": "disconnect"}));
    assert!(left.messages(agent, "update").is_empty());
    let late = world.passes(500);
    let states: Vec<_> =
        late.messages(agent, "update").iter().map(|m| m["participants"][0]["state"].clone()).collect();
    assert_eq!(states, ["connected", "disconnected"]);
}

#[test]
fn an_expired_token_shows_when_the_socket_comes_back_and_ends_the_stay() {
    let mut world = World::new();
    world.create("chat", Settings::default());
    let (agent, _) = world.joins("agent", "chat");
    let (customer, joined) = world.joins("customer", "chat");
    let session = session_of(&joined, customer);
    let cut = world.fault(json!({"kind": "video_expired", "identity": "customer", "lasts_ms": 60_000}));
    assert_eq!(cut.aborted, [customer]);
    let (socket, refused) = world.syncs(&session, "customer@chat", json!([]));
    assert_eq!(refused.code(socket), Some(20104));
    assert_eq!(refused.messages(agent, "update").last().unwrap()["participants"][0]["state"], "disconnected");
    let (socket, refused) = world.asks_to_join("customer", "chat", "customer@chat");
    assert_eq!(refused.code(socket), Some(20104));
}

#[test]
fn each_fault_of_a_room_or_a_participant_gives_its_code() {
    let mut world = World::new();
    world.create("chat", Settings::default());
    let (agent, _) = world.joins("agent", "chat");
    world.fault(json!({"kind": "video_full", "room": "chat", "lasts_ms": 1_000}));
    let (socket, full) = world.asks_to_join("customer", "chat", "customer@chat");
    assert_eq!(full.code(socket), Some(53105));
    world.passes(1_000);
    let (customer, _) = world.joins("customer", "chat");
    world.fault(json!({"kind": "video_tracks", "identity": "customer", "lasts_ms": 1_000}));
    let list = tracks(&[
        ("customer-mic", "audio", true),
        ("customer-cam", "video", true),
        ("screen", "video", true),
    ]);
    let refused = world.message(customer, json!({"type": "update", "participant": list}));
    let published = &refused.messages(customer, "update")[0]["published"]["tracks"];
    assert_eq!((&published[1]["state"], &published[2]["error"]["code"]), (&json!("ready"), &json!(53203)));
    assert_eq!(
        refused.messages(agent, "update")[0]["participants"][0]["tracks"].as_array().unwrap().len(),
        2
    );
    assert_eq!(
        world.fault(json!({"kind": "video_too_long", "identity": "customer"})).code(customer),
        Some(53216)
    );
    let removed = world.fault(json!({"kind": "video_removed", "identity": "agent"}));
    assert_eq!(removed.messages(agent, "disconnected")[0]["status"], "disconnected");
    let (agent, _) = world.joins("agent", "chat");
    let over = world.fault(json!({"kind": "video_completed", "room": "chat"}));
    assert_eq!(over.messages(agent, "disconnected")[0]["status"], "completed");
}

#[test]
fn a_silent_socket_says_and_hears_nothing_and_lives() {
    let mut world = World::new();
    world.create("chat", Settings::default());
    let (agent, _) = world.joins("agent", "chat");
    world.fault(json!({"kind": "video_silent", "identity": "agent", "lasts_ms": 4_000}));
    let (_, joined) = world.joins("customer", "chat");
    assert!(joined.messages(agent, "update").is_empty());
    let ignored = world.message(agent, json!({"type": "disconnect"}));
    assert!(ignored.frames.is_empty() && ignored.aborted.is_empty());
    assert_eq!(world.participants("chat")[0], ("agent".into(), "connected".into()));
}

#[test]
fn reset_ends_rooms_and_faults() {
    let mut world = World::new();
    world.create("chat", Settings::default());
    let (agent, _) = world.joins("agent", "chat");
    world.fault(json!({"kind": "video_slow", "room": "elsewhere", "delay_ms": 1, "lasts_ms": 1_000}));
    world.rig.event(Event::Reset);
    let over = world.outcome();
    assert_eq!(over.messages(agent, "disconnected")[0]["status"], "completed");
    assert!(world.rig.machine.faults().is_empty() && world.rig.machine.rooms().is_empty());
}

// ---- any order ----------------------------------------------------------------------------------------------------

#[derive(Clone, Debug)]
enum Step {
    Join(u8),
    AskToJoin(u8),
    Say(u8, Value),
    Close(u8),
    Pass(u64),
    Complete,
    Fault(Value),
}

fn step() -> impl Strategy<Value = Step> {
    let said = prop_oneof![
        Just(json!({"type": "msg", "body": {"type": "disconnect"}})),
        Just(
            json!({"type": "msg", "body": {"type": "update", "participant": tracks(&[("x", "video", false)])}})
        ),
        Just(json!({"type": "msg", "body": {"type": "update", "peer_connections": offer(9)}})),
        Just(json!({"type": "msg", "body": {"type": "sync", "session": "none", "token": "a@"}})),
        Just(json!({"type": "bye"})),
        Just(json!({"type": "heartbeat"})),
        Just(json!(["nonsense"])),
    ];
    let fault = prop_oneof![
        Just(json!({"kind": "video_socket", "lasts_ms": 500})),
        Just(json!({"kind": "video_both", "identity": "i1", "lasts_ms": 500})),
        Just(json!({"kind": "video_slow", "delay_ms": 300, "lasts_ms": 5_000})),
        Just(json!({"kind": "video_removed", "identity": "i2"})),
        Just(json!({"kind": "video_silent", "identity": "i3", "lasts_ms": 5_000})),
    ];
    prop_oneof![
        3 => (0..4u8).prop_map(Step::Join),
        1 => (0..4u8).prop_map(Step::AskToJoin),
        4 => (0..12u8, said).prop_map(|(socket, said)| Step::Say(socket, said)),
        2 => (0..12u8).prop_map(Step::Close),
        2 => (0..40_000u64).prop_map(Step::Pass),
        1 => Just(Step::Complete),
        1 => fault.prop_map(Step::Fault),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn whatever_happens_an_identity_is_in_a_room_once_and_every_plan_is_of_those_who_are_there(
        steps in prop::collection::vec(step(), 1..40)
    ) {
        let mut world = World::new();
        world.create("chat", Settings { max_participants: 3, ..with_callback() });
        world.outcome();
        for step in steps {
            match step {
                Step::Join(who) => { world.joins(&format!("i{who}"), "chat"); }
                Step::AskToJoin(who) => { world.asks_to_join(&format!("i{who}"), "chat", &format!("i{who}@chat")); }
                Step::Say(socket, said) => { world.says(SocketId(u64::from(socket)), &said); }
                Step::Close(socket) => world.rig.event(Event::SocketClosed(SocketId(u64::from(socket)))),
                Step::Pass(ms) => { world.passes(ms); }
                Step::Complete => {
                    let request = Request::Room("chat".into(), OfRoom::Complete);
                    world.rig.event(Event::Rest(request));
                }
                Step::Fault(fault) => { world.fault(fault); }
            }
            for room in world.rig.machine.rooms.values() {
                let mut there: Vec<_> = room.there().map(|one| one.identity.clone()).collect();
                there.sort();
                let many = there.len();
                there.dedup();
                prop_assert_eq!(many, there.len());
                prop_assert!(many <= 50 && (room.name != "chat" || room.origin == Origin::AdHoc || many <= 3));
                prop_assert!(room.is_in_progress() || many == 0);
                for peer in room.plan.0.keys() {
                    prop_assert!(room.participant(peer).is_some_and(Participant::is_there));
                }
                for one in room.present().filter(|one| one.socket.is_none()) {
                    prop_assert_eq!(one.stage, Stage::Reconnecting);
                }
            }
        }
    }
}
