//! The account's rooms: what comes over signalling sockets and by REST, and what follows from it.
//!
//! A room's media server is told what is (a [`Plan`](crate::media::order::Plan)) whenever that changed; what it has to do
//! about it is its own business. Joining waits for its answer to the first offer.

pub(crate) mod callback;
pub mod delivery;
pub mod event;
pub mod fault;
pub(crate) mod participant;
pub mod request;
pub(crate) mod room;
pub mod rules;
pub mod settings;
pub(crate) mod view;

use std::collections::{BTreeMap, VecDeque};

use kernel::{AccountSid, Secret, Timestamp};
use rand::{RngExt as _, SeedableRng as _, rngs::StdRng};
use sansio::Timers;
use serde_json::Value;

use self::callback::{Happening, callback};
use self::event::{Answer, Command, Event, SocketId, VideoEvent};
use self::fault::{ActiveFault, Faults, VideoFault, Who, Whom};
use self::participant::{Change, Participant, Stage};
use self::request::{OfParticipant, OfRoom, Page, Request};
use self::room::{Origin, Room, SESSION_TIMEOUT_S};
use self::rules::Rules;
use self::settings::Settings;
use crate::ids::{ParticipantSid, RoomSid, TrackSid};
use crate::media::order::{MediaNews, Order, Plan};
use crate::problem::Problem;
use crate::token::{Grant, Judge};
use crate::wire::{
    ClientFrame, ClientMessage, Connect, Description, DescriptionKind, Ended, HEARTBEAT_MS, LocalParticipant,
    PeerConnection, Recording, ServerFrame, ServerMessage, Sync, Update,
};

/// What a media server can speak of over data channels.
const CHANNELS: [&str; 5] =
    ["active_speaker", "network_quality", "render_hints", "track_priority", "track_switch_off"];

/// The server says something a moment before the SDK would wonder.
const EARLY_MS: u64 = 200;

/// How many timeouts a socket may be silent. Source: `twilio-video`, `lib/twilioconnection.js`.
const SILENT_TIMEOUTS: u64 = 3;

const MINUTE_MS: u64 = 60_000;

#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Timer {
    Heartbeat(SocketId),
    Silence(SocketId),
    Held(SocketId),
    /// A lost session ends.
    Session(RoomSid, ParticipantSid),
    /// Nobody may stay longer.
    Longest(RoomSid, ParticipantSid),
    /// Nobody came.
    Unused(RoomSid),
    /// Everybody left.
    Empty(RoomSid),
    Fault(u64),
}

/// Somebody in a room.
type Place = (RoomSid, ParticipantSid);

#[derive(Debug)]
struct Socket {
    place: Option<Place>,
    greeted: bool,
    timeout_ms: u64,
    /// Frames that come late, in their order.
    held: VecDeque<(Timestamp, ServerFrame)>,
}

/// How a stay ends.
#[derive(Clone, Copy, Debug)]
enum Leaving {
    /// By their own wish, or removed by REST: the SDK hears of no error.
    Regular,
    /// The socket was gone for too long.
    Lost,
    With(Problem),
}

/// What the machine keeps of what it told a media server beside the plan.
type Network = (bool, Option<u8>);

/// The account's rooms.
pub struct Machine {
    account: AccountSid,
    judge: Judge,
    random: StdRng,
    ad_hoc: bool,
    sockets: BTreeMap<SocketId, Socket>,
    rooms: BTreeMap<RoomSid, Room>,
    networks: BTreeMap<ParticipantSid, Network>,
    faults: Faults,
    timers: Timers<Timer, Timestamp>,
    now: Timestamp,
    out: Vec<Command>,
}

impl Machine {
    /// An account without rooms. `judge` knows tokens; SIDs are drawn from `seed`.
    #[must_use]
    pub fn new(account: AccountSid, judge: Judge, seed: [u8; 32]) -> Self {
        Self {
            account,
            judge,
            random: StdRng::from_seed(seed),
            ad_hoc: true,
            sockets: BTreeMap::new(),
            rooms: BTreeMap::new(),
            networks: BTreeMap::new(),
            faults: Faults::default(),
            timers: Timers::default(),
            now: Timestamp::default(),
            out: Vec::new(),
        }
    }

    /// Whether a socket may be opened.
    #[must_use]
    pub fn admits(&self) -> bool {
        !self.faults.refuses_sockets()
    }

    /// The faults that last.
    #[must_use]
    pub fn faults(&self) -> &[ActiveFault] {
        self.faults.all()
    }

    /// All rooms with their participants, as REST answers them, each with its tracks.
    #[must_use]
    pub fn rooms(&self) -> Vec<Value> {
        let view = |room: &Room| {
            let mut answer = view::room(self.account.as_str(), room);
            let participants = room.participants.iter().map(|participant| {
                let mut answer = view::participant(self.account.as_str(), room, participant);
                let tracks =
                    participant.shared_tracks().map(|track| view::published(room, participant, track));
                answer["tracks"] = tracks.collect();
                answer
            });
            answer["participants"] = participants.collect();
            answer["recording"] = room.recording.is_recording.into();
            answer
        };
        self.rooms.values().map(view).collect()
    }

    fn happened(&mut self, event: Event) {
        match event {
            Event::SocketOpened(socket) => self.socket_opened(socket),
            Event::Received(socket, text) => self.received(socket, &text),
            Event::SocketClosed(socket) => self.socket_closed(socket),
            Event::Media(room, news) => self.media(&room, news),
            Event::Rest(request) => {
                let answer = self.asked(request);
                self.out.push(Command::Answer(answer));
            }
            Event::FaultBegins { id, fault } => self.begin_fault(id, fault),
            Event::FaultEnds(id) => self.end_fault(id),
            Event::AdHoc(on) => self.ad_hoc = on,
            Event::Reset => self.reset(),
        }
    }

    // ---- sockets --------------------------------------------------------------------------------------------------

    fn socket_opened(&mut self, socket: SocketId) {
        let state = Socket { place: None, greeted: false, timeout_ms: HEARTBEAT_MS, held: VecDeque::new() };
        self.sockets.insert(socket, state);
        self.timers.arm(Timer::Silence(socket), self.now.plus(HEARTBEAT_MS * SILENT_TIMEOUTS));
    }

    fn received(&mut self, socket: SocketId, text: &str) {
        let Some(state) = self.sockets.get(&socket) else { return };
        if self.is_silenced(state.place.clone().as_ref()) {
            return;
        }
        let silent_at = self.now.plus(state.timeout_ms * SILENT_TIMEOUTS);
        self.timers.arm(Timer::Silence(socket), silent_at);
        match serde_json::from_str(text) {
            Err(error) => {
                tracing::debug!(%error, "a frame that is none");
                self.refuse(socket, Problem::MESSAGE_INVALID);
            }
            Ok(ClientFrame::Hello { timeout, body }) => self.hello(socket, timeout, body),
            Ok(ClientFrame::Msg { body }) => self.message(socket, body),
            Ok(ClientFrame::Bye) => self.out.push(Command::Close(socket)),
            Ok(ClientFrame::Heartbeat | ClientFrame::Unknown) => {}
        }
    }

    fn hello(&mut self, socket: SocketId, timeout: Option<u64>, body: Option<ClientMessage>) {
        if body.as_ref().is_some_and(|body| self.cuts(body)) {
            return self.cut(socket);
        }
        let Some(state) = self.sockets.get_mut(&socket) else { return };
        state.timeout_ms = timeout.unwrap_or(HEARTBEAT_MS).clamp(1_000, HEARTBEAT_MS);
        let negotiated_timeout = state.timeout_ms;
        // Said again it is answered again, and what it carries is not done twice.
        let is_first = !std::mem::replace(&mut state.greeted, true);
        self.send(socket, ServerFrame::Welcome { negotiated_timeout });
        self.timers.arm(Timer::Heartbeat(socket), self.now.plus(negotiated_timeout - EARLY_MS));
        if let Some(body) = body.filter(|_| is_first) {
            self.message(socket, body);
        }
    }

    /// Whether a fault keeps out whoever says this.
    fn cuts(&self, first: &ClientMessage) -> bool {
        match first {
            ClientMessage::Sync(sync) => {
                let place = self.place_of_session(&sync.session);
                place.and_then(|place| self.who(&place)).is_some_and(|who| self.faults.cuts(who))
            }
            ClientMessage::Ice { token } => self.cuts_token(token, None),
            ClientMessage::Connect(connect) => self.cuts_token(&connect.token, connect.name.as_deref()),
            ClientMessage::Update { .. } | ClientMessage::Disconnect | ClientMessage::Unknown => false,
        }
    }

    fn cuts_token(&self, token: &Secret, name: Option<&str>) -> bool {
        let Ok(grant) = (self.judge)(token, self.now) else { return false };
        let name = name.or(grant.room.as_deref()).unwrap_or_default();
        self.faults.cuts(Who { name, sid: name, identity: &grant.identity })
    }

    fn message(&mut self, socket: SocketId, message: ClientMessage) {
        let place = self.sockets.get(&socket).and_then(|state| state.place.clone());
        match message {
            ClientMessage::Ice { token } => match self.judged(&token, None) {
                Ok(_) => self.tell_socket(socket, ServerMessage::Iced { version: 1, ice_servers: [] }),
                Err(problem) => self.refuse(socket, problem),
            },
            ClientMessage::Connect(connect) if place.is_none() => {
                if let Err(problem) = self.connect(socket, &connect) {
                    self.refuse(socket, problem);
                }
            }
            ClientMessage::Sync(sync) if place.is_none() => {
                if let Err(problem) = self.sync(socket, &sync) {
                    self.refuse(socket, problem);
                }
            }
            ClientMessage::Update { participant, peer_connections } => {
                let Some(place) = place else { return };
                if let Some(participant) = participant {
                    self.take_tracks(&place, &participant, Told::Now);
                }
                for entry in peer_connections {
                    self.described(&place, entry);
                }
            }
            ClientMessage::Disconnect => {
                if let Some(place) = place {
                    self.leave(&place, Leaving::Regular);
                }
            }
            // A second one on the same socket is nothing that the SDK says.
            ClientMessage::Connect(_) | ClientMessage::Sync(_) => {
                self.refuse(socket, Problem::MESSAGE_INVALID)
            }
            ClientMessage::Unknown => {}
        }
    }

    fn socket_closed(&mut self, socket: SocketId) {
        let Some(state) = self.sockets.remove(&socket) else { return };
        for timer in [Timer::Heartbeat(socket), Timer::Silence(socket), Timer::Held(socket)] {
            self.timers.disarm(timer);
        }
        let Some((room_sid, sid)) = state.place else { return };
        let now = self.now;
        let Some(participant) = self.participant_mut(&(room_sid.clone(), sid.clone())) else { return };
        match participant.stage {
            Stage::Joining => self.forget(&(room_sid, sid)),
            Stage::Connected | Stage::Reconnecting => {
                participant.socket = None;
                participant.move_to(Stage::Reconnecting, now);
                self.timers
                    .arm(Timer::Session(room_sid.clone(), sid.clone()), now.plus(SESSION_TIMEOUT_S * 1000));
                self.emit(VideoEvent::ParticipantReconnecting {
                    room: room_sid.clone(),
                    participant: sid.clone(),
                    back: false,
                });
                self.tell_others(&(room_sid, sid));
            }
            Stage::Disconnected { .. } => {}
        }
    }

    /// Cuts a socket; what follows from that follows when it is closed.
    fn cut(&mut self, socket: SocketId) {
        self.out.push(Command::Abort(socket));
        self.socket_closed(socket);
    }

    fn refuse(&mut self, socket: SocketId, problem: Problem) {
        self.emit(VideoEvent::Refused { code: problem.code });
        self.tell_socket(socket, ServerMessage::error(problem));
    }

    // ---- joining and coming back ----------------------------------------------------------------------------------

    fn judged(&self, token: &Secret, name: Option<&str>) -> Result<Grant, Problem> {
        let grant = (self.judge)(token, self.now)?;
        let name = name.or(grant.room.as_deref()).unwrap_or_default();
        let sid = self.find_room(name).map(|room| room.sid.as_str()).unwrap_or_default();
        if self.faults.expires(Who { name, sid, identity: &grant.identity }) {
            return Err(Problem::TOKEN_EXPIRED);
        }
        Ok(grant)
    }

    fn connect(&mut self, socket: SocketId, connect: &Connect) -> Result<(), Problem> {
        let grant = self.judged(&connect.token, connect.name.as_deref())?;
        let entry = connect.peer_connections.first().ok_or(Problem::MESSAGE_INVALID)?;
        let offer = entry.description.clone().filter(|d| d.kind == DescriptionKind::Offer && d.sdp.is_some());
        let offer = offer.ok_or(Problem::MESSAGE_INVALID)?;
        let name = connect.name.clone().filter(|name| !name.is_empty()).or_else(|| grant.room.clone());
        let room_sid = self.room_to_join(name.as_deref(), &grant)?;
        let room = self.rooms.get(&room_sid).ok_or(Problem::ROOM_NOT_FOUND)?;
        if self.faults.fills(&room.name, room_sid.as_str()) {
            return Err(Problem::TOO_MANY_PARTICIPANTS);
        }
        let twins = room.there().filter(|other| other.identity == grant.identity);
        let twins: Vec<_> = twins.map(|twin| (room_sid.clone(), twin.sid.clone())).collect();
        let most = room.settings.max_participants as usize;
        if room.there().count() - twins.len() >= most {
            return Err(Problem::TOO_MANY_PARTICIPANTS);
        }
        // The place is taken before the twin leaves: a room that ends with its last participant does not end by this.
        let sid = self.new_participant_sid();
        let session = format!("session-{:032x}", self.random.random::<u128>());
        let mut participant =
            Participant::new(sid.clone(), grant.identity, session, socket, entry.id.clone(), self.now);
        for channel in CHANNELS {
            if connect.media_signaling.contains_key(channel) {
                let label = format!("{channel}-{:08x}", self.random.random::<u32>());
                participant.channels.insert(channel.into(), label);
            }
        }
        let place = (room_sid.clone(), sid.clone());
        let channels = participant.channels.clone();
        let room = self.rooms.get_mut(&room_sid).ok_or(Problem::ROOM_NOT_FOUND)?;
        room.participants.push(participant);
        self.timers.disarm(Timer::Unused(room_sid.clone()));
        self.timers.disarm(Timer::Empty(room_sid.clone()));
        for twin in twins {
            self.leave(&twin, Leaving::With(Problem::DUPLICATE_IDENTITY));
        }
        if let Some(state) = self.sockets.get_mut(&socket) {
            state.place = Some(place.clone());
        }
        self.take_tracks(&place, &connect.participant, Told::Later);
        self.out.push(Command::Media(room_sid, Order::Join { peer: sid, offer, channels }));
        Ok(())
    }

    /// The room that somebody means who may join it; one is made, if clients may do that.
    ///
    /// Inferred: which codes there are for a room that is over, and for one that nobody may make.
    fn room_to_join(&mut self, name: Option<&str>, grant: &Grant) -> Result<RoomSid, Problem> {
        let found =
            name.and_then(|name| self.find_room(name)).map(|room| (room.sid.clone(), room.name.clone()));
        if let Some(granted) = grant.room.as_deref() {
            let is_named = name == Some(granted);
            let is_found =
                found.as_ref().is_some_and(|(sid, name)| granted == sid.as_str() || granted == name.as_str());
            if !is_named && !is_found {
                return Err(Problem::CANNOT_CONNECT);
            }
        }
        if let Some((sid, _)) = found {
            return Ok(sid);
        }
        if name.is_some_and(|name| RoomSid::new(name).is_ok()) {
            return Err(Problem::ROOM_NOT_FOUND);
        }
        if !self.ad_hoc {
            let was_there = self.rooms.values().any(|room| Some(room.name.as_str()) == name);
            return Err(if was_there { Problem::ROOM_NOT_FOUND } else { Problem::CANNOT_CREATE });
        }
        self.create(name.map(str::to_owned), Origin::AdHoc, Settings::default(), None)
    }

    fn create(
        &mut self,
        name: Option<String>,
        origin: Origin,
        settings: Settings,
        recording_rules: Option<Rules>,
    ) -> Result<RoomSid, Problem> {
        if name.as_deref().is_some_and(|name| self.find_room(name).is_some()) {
            return Err(Problem::ROOM_EXISTS);
        }
        let sid = self.new_room_sid();
        let name = name.unwrap_or_else(|| sid.to_string());
        let unused = settings.unused_room_timeout_min * MINUTE_MS;
        let mut room = Room::new(sid.clone(), name.clone(), origin, settings, self.now);
        if let Some(rules) = recording_rules {
            room.recording_rules = rules;
        }
        self.rooms.insert(sid.clone(), room);
        if origin == Origin::Rest {
            self.timers.arm(Timer::Unused(sid.clone()), self.now.plus(unused));
        }
        self.emit(VideoEvent::RoomCreated { room: sid.clone(), name });
        self.call_back(&sid, &Happening::RoomCreated);
        Ok(sid)
    }

    /// The media server has answered: they are in the room.
    fn joined(&mut self, place: &Place, answer: Description) {
        let (room_sid, sid) = place;
        let now = self.now;
        let Some(room) = self.rooms.get_mut(room_sid) else { return };
        let longest = room.settings.max_participant_duration_s * 1000;
        let Some(participant) = room.participant_mut(sid) else { return };
        participant.move_to(Stage::Connected, now);
        participant.started = now;
        let (entry, identity) = (participant.entry_with(answer), participant.identity.clone());
        if let Some(state) = room.state(sid, entry) {
            self.tell(place, ServerMessage::Connected(Box::new(state)));
        }
        self.timers.arm(Timer::Longest(room_sid.clone(), sid.clone()), now.plus(longest));
        self.emit(VideoEvent::ParticipantConnected {
            room: room_sid.clone(),
            participant: sid.clone(),
            identity,
        });
        self.tell_others(place);
        self.call_back(room_sid, &Happening::ParticipantConnected(sid.clone()));
        let tracks =
            self.participant(place).map(|participant| participant.shared_tracks().cloned().collect());
        let tracks: Vec<_> = tracks.unwrap_or_default();
        for track in tracks {
            self.call_back(room_sid, &Happening::TrackAdded(sid.clone(), track));
        }
    }

    fn sync(&mut self, socket: SocketId, sync: &Sync) -> Result<(), Problem> {
        let place = self.place_of_session(&sync.session).ok_or(Problem::PARTICIPANT_NOT_FOUND)?;
        let name = self.rooms.get(&place.0).map(|room| room.name.clone()).unwrap_or_default();
        let judged = self.judged(&sync.token, Some(&name));
        let now = self.now;
        let participant = self.participant_mut(&place).ok_or(Problem::PARTICIPANT_NOT_FOUND)?;
        let old = participant.socket.replace(socket);
        let is_theirs = judged.as_ref().is_ok_and(|grant| grant.identity == participant.identity);
        if let Some(state) = self.sockets.get_mut(&socket) {
            state.place = Some(place.clone());
        }
        if let Some(state) = old.and_then(|old| self.sockets.get_mut(&old)) {
            state.place = None;
        }
        if let Some(old) = old {
            self.cut(old);
        }
        if !is_theirs {
            let problem = judged.err().unwrap_or(Problem::CANNOT_CONNECT);
            self.leave(&place, Leaving::With(problem));
            return Ok(());
        }
        let (room_sid, sid) = place.clone();
        self.timers.disarm(Timer::Session(room_sid.clone(), sid.clone()));
        if let Some(local) = &sync.participant {
            self.take_tracks(&place, local, Told::Later);
        }
        let Some(room) = self.rooms.get_mut(&room_sid) else { return Ok(()) };
        let Some(participant) = room.participant_mut(&sid) else { return Ok(()) };
        participant.move_to(Stage::Connected, now);
        let theirs = sync.peer_connections.iter().find(|entry| participant.is_peer_connection(&entry.id));
        let theirs = theirs.and_then(|entry| entry.description.clone());
        if let Some(description) = &theirs {
            participant.heard(description);
        }
        // What they sent was answered, and the answer was lost with the socket; or it is as new.
        let is_answered = theirs.as_ref().is_some_and(|description| participant.has_answered(description));
        let entry = participant.entry(is_answered);
        if let Some(state) = room.state(&sid, entry) {
            self.tell(&place, ServerMessage::Synced(Box::new(state)));
        }
        if let Some(description) = theirs.filter(|_| !is_answered) {
            self.out.push(Command::Media(
                room_sid.clone(),
                Order::Description { peer: sid.clone(), description },
            ));
        }
        self.emit(VideoEvent::ParticipantReconnecting { room: room_sid, participant: sid, back: true });
        self.tell_others(&place);
        Ok(())
    }

    // ---- in the room ----------------------------------------------------------------------------------------------

    fn take_tracks(&mut self, place: &Place, local: &LocalParticipant, told: Told) {
        let now = self.now;
        let refuses = self.who(place).is_some_and(|who| self.faults.refuses_tracks(who));
        let refuses = refuses.then_some(Problem::TOO_MANY_TRACKS);
        let (room_sid, sid) = place;
        // As many as could be new.
        let mut sids: Vec<_> = local.tracks.iter().map(|_| self.new_track_sid()).collect();
        let spare = self.new_track_sid();
        let Some(participant) = self.participant_mut(place) else { return };
        let new_sid = || sids.pop().unwrap_or_else(|| spare.clone());
        let changes = participant.take_tracks(&local.tracks, new_sid, refuses, now);
        let (published, is_present) = (participant.published(), participant.is_present());
        if changes.is_empty() || !is_present {
            return;
        }
        if told == Told::Now {
            let update = Update { version: 2, published: Some(published), ..Update::default() };
            self.tell(place, ServerMessage::Update(Box::new(update)));
            self.tell_others(place);
        }
        for change in changes {
            let sid = sid.clone();
            let happening = match change {
                Change::Added(track) | Change::Removed(track) if track.refused.is_some() => continue,
                Change::Added(track) => Happening::TrackAdded(sid, track),
                Change::Removed(track) => Happening::TrackRemoved(sid, track),
                Change::Enabled(track) => Happening::TrackEnabled(sid, track),
                Change::Disabled(track) => Happening::TrackDisabled(sid, track),
            };
            self.call_back(room_sid, &happening);
        }
    }

    fn described(&mut self, place: &Place, entry: PeerConnection) {
        let Some(participant) = self.participant_mut(place) else { return };
        let Some(description) = entry.description.filter(|_| participant.is_peer_connection(&entry.id))
        else {
            return;
        };
        participant.heard(&description);
        let (room, peer) = place.clone();
        self.out.push(Command::Media(room, Order::Description { peer, description }));
    }

    fn media(&mut self, room: &RoomSid, news: MediaNews) {
        match news {
            MediaNews::Description(peer, description) => {
                let place = (room.clone(), peer);
                let Some(participant) = self.participant_mut(&place) else { return };
                participant.described(&description);
                match participant.stage {
                    Stage::Joining => self.joined(&place, description),
                    Stage::Connected | Stage::Reconnecting => {
                        let entry = participant.entry_with(description);
                        let update =
                            Update { version: 2, peer_connections: Some(vec![entry]), ..Update::default() };
                        self.tell(&place, ServerMessage::Update(Box::new(update)));
                    }
                    Stage::Disconnected { .. } => {}
                }
            }
            MediaNews::Refused(peer, error) => {
                tracing::warn!(%peer, error, "the client's description was refused");
                let place = (room.clone(), peer);
                let Some(participant) = self.participant(&place) else { return };
                if participant.stage == Stage::Joining {
                    let socket = participant.socket;
                    self.forget(&place);
                    if let Some(socket) = socket {
                        self.refuse(socket, Problem::REMOTE_DESCRIPTION);
                    }
                }
            }
            MediaNews::Ice(participant, state) => self.emit(VideoEvent::Ice { participant, state }),
        }
    }

    // ---- leaving --------------------------------------------------------------------------------------------------

    /// Somebody of whom nobody knew is not here after all.
    fn forget(&mut self, (room_sid, sid): &Place) {
        if let Some(room) = self.rooms.get_mut(room_sid) {
            for participant in room.participants.iter().filter(|participant| participant.sid == *sid) {
                if let Some(state) = participant.socket.and_then(|socket| self.sockets.get_mut(&socket)) {
                    state.place = None;
                }
            }
            room.participants.retain(|participant| participant.sid != *sid);
        }
        self.may_be_empty(room_sid);
    }

    fn leave(&mut self, place: &Place, how: Leaving) {
        let (room_sid, sid) = place;
        let Some(participant) = self.participant(place) else { return };
        if !participant.is_there() {
            return;
        }
        let was_present = participant.is_present();
        let (message, code) = match how {
            Leaving::Regular => (Some(ServerMessage::disconnected(Ended::Disconnected)), None),
            Leaving::Lost => (None, None),
            Leaving::With(problem) => (Some(ServerMessage::error(problem)), Some(problem.code)),
        };
        if let Some(message) = message {
            self.tell(place, message);
        }
        self.gone(place);
        if was_present {
            self.emit(VideoEvent::ParticipantDisconnected {
                room: room_sid.clone(),
                participant: sid.clone(),
                code,
            });
            self.tell_others(place);
            self.call_back(room_sid, &Happening::ParticipantDisconnected(sid.clone()));
        }
        self.may_be_empty(room_sid);
    }

    /// The end of a stay, of which nobody is told here.
    fn gone(&mut self, place: &Place) {
        let now = self.now;
        let Some(participant) = self.participant_mut(place) else { return };
        participant.move_to(Stage::Disconnected { at: now }, now);
        participant.tracks.clear();
        let socket = participant.socket.take();
        if let Some(state) = socket.and_then(|socket| self.sockets.get_mut(&socket)) {
            state.place = None;
        }
        let (room, sid) = place.clone();
        self.networks.remove(&sid);
        self.timers.disarm(Timer::Session(room.clone(), sid.clone()));
        self.timers.disarm(Timer::Longest(room, sid));
    }

    fn may_be_empty(&mut self, room_sid: &RoomSid) {
        let Some(room) = self.rooms.get(room_sid).filter(|room| room.is_in_progress()) else { return };
        if room.there().next().is_some() {
            return;
        }
        match room.origin {
            Origin::AdHoc => self.end_room(room_sid),
            Origin::Rest => {
                let minutes = room.settings.empty_room_timeout_min;
                self.timers.arm(Timer::Empty(room_sid.clone()), self.now.plus(minutes * MINUTE_MS));
            }
        }
    }

    /// Ends a room in one step: nobody hears of others who leave before they hear that the room is over.
    fn end_room(&mut self, room_sid: &RoomSid) {
        let now = self.now;
        let Some(room) = self.rooms.get_mut(room_sid).filter(|room| room.is_in_progress()) else { return };
        room.ended = Some(now);
        room.updated = now;
        room.plan = Plan::default();
        let was_recorded = std::mem::take(&mut room.recording.is_recording);
        room.recording.revision += u64::from(was_recorded);
        let places: Vec<Place> = room.there().map(|p| (room_sid.clone(), p.sid.clone())).collect();
        for place in &places {
            self.tell(place, ServerMessage::disconnected(Ended::Completed));
            self.gone(place);
        }
        for (_, sid) in &places {
            self.call_back(room_sid, &Happening::ParticipantDisconnected(sid.clone()));
        }
        self.timers.disarm(Timer::Unused(room_sid.clone()));
        self.timers.disarm(Timer::Empty(room_sid.clone()));
        self.out.push(Command::MediaEnds(room_sid.clone()));
        self.emit(VideoEvent::RoomEnded { room: room_sid.clone() });
        self.call_back(room_sid, &Happening::RoomEnded);
    }

    fn reset(&mut self) {
        for id in self.faults.all().iter().map(|active| active.id).collect::<Vec<_>>() {
            self.end_fault(id);
        }
        for sid in self.rooms.keys().cloned().collect::<Vec<_>>() {
            self.end_room(&sid);
        }
        self.rooms.clear();
        self.ad_hoc = true;
    }

    // ---- time and faults ------------------------------------------------------------------------------------------

    fn time_passed(&mut self) {
        while let Some((timer, _)) = self.timers.take_due(self.now) {
            match timer {
                Timer::Heartbeat(socket) => {
                    let Some(timeout_ms) = self.sockets.get(&socket).map(|state| state.timeout_ms) else {
                        continue;
                    };
                    self.send(socket, ServerFrame::Heartbeat);
                    self.timers.arm(Timer::Heartbeat(socket), self.now.plus(timeout_ms - EARLY_MS));
                }
                Timer::Silence(socket) => self.cut(socket),
                Timer::Held(socket) => self.release(socket),
                Timer::Session(room, sid) => self.leave(&(room, sid), Leaving::Lost),
                Timer::Longest(room, sid) => {
                    self.leave(&(room, sid), Leaving::With(Problem::SESSION_TOO_LONG));
                }
                Timer::Unused(room) | Timer::Empty(room) => self.end_room(&room),
                Timer::Fault(id) => self.end_fault(id),
            }
        }
    }

    fn begin_fault(&mut self, id: u64, fault: VideoFault) {
        self.emit(VideoEvent::FaultBegan { id, fault: fault.clone() });
        if let Some(lasts_ms) = fault.lasts_ms() {
            self.timers.arm(Timer::Fault(id), self.now.plus(lasts_ms));
            self.faults.add(id, fault.clone());
        }
        match &fault {
            VideoFault::VideoSocket { whom, .. }
            | VideoFault::VideoBoth { whom, .. }
            | VideoFault::VideoExpired { whom, .. } => {
                for place in self.places_of(whom) {
                    if let Some(socket) = self.participant(&place).and_then(|participant| participant.socket)
                    {
                        self.cut(socket);
                    }
                }
            }
            VideoFault::VideoCompleted { room } => {
                let named = |it: &&Room| {
                    room.as_deref().is_none_or(|room| room == it.name || room == it.sid.as_str())
                };
                let rooms: Vec<_> = self.rooms.values().filter(named).map(|room| room.sid.clone()).collect();
                for room in rooms {
                    self.end_room(&room);
                }
            }
            VideoFault::VideoRemoved { whom } => {
                for place in self.places_of(whom) {
                    self.leave(&place, Leaving::Regular);
                }
            }
            VideoFault::VideoTooLong { whom } => {
                for place in self.places_of(whom) {
                    self.leave(&place, Leaving::With(Problem::SESSION_TOO_LONG));
                }
            }
            // These show in what comes later, or in what settling tells the media servers.
            VideoFault::VideoSilent { .. }
            | VideoFault::VideoMedia { .. }
            | VideoFault::VideoSlow { .. }
            | VideoFault::VideoFull { .. }
            | VideoFault::VideoTracks { .. }
            | VideoFault::VideoQuality { .. } => {}
        }
        if fault.lasts_ms().is_none() {
            self.emit(VideoEvent::FaultEnded { id });
        }
    }

    fn end_fault(&mut self, id: u64) {
        self.timers.disarm(Timer::Fault(id));
        if self.faults.remove(id).is_some() {
            self.emit(VideoEvent::FaultEnded { id });
        }
    }

    fn places_of(&self, whom: &Whom) -> Vec<Place> {
        let all = self.rooms.values().flat_map(|room| {
            room.present().map(move |participant| (room.sid.clone(), participant.sid.clone()))
        });
        all.filter(|place| self.who(place).is_some_and(|who| whom.covers(who))).collect()
    }

    fn who(&self, place: &Place) -> Option<Who<'_>> {
        let room = self.rooms.get(&place.0)?;
        let participant = room.participant(&place.1)?;
        Some(Who { name: &room.name, sid: room.sid.as_str(), identity: &participant.identity })
    }

    // ---- what is compared after every event -----------------------------------------------------------------------

    /// Tells media servers and clients what has become different.
    fn settle(&mut self) {
        for sid in self.rooms.keys().cloned().collect::<Vec<_>>() {
            self.settle_recording(&sid);
            let Some(room) = self.rooms.get_mut(&sid).filter(|room| room.is_in_progress()) else { continue };
            let plan = room.planned();
            if plan != room.plan {
                room.plan = plan.clone();
                self.out.push(Command::Media(sid.clone(), Order::Plan(plan)));
            }
            self.settle_networks(&sid);
        }
    }

    fn settle_recording(&mut self, sid: &RoomSid) {
        let Some(room) = self.rooms.get_mut(sid).filter(|room| room.is_in_progress()) else { return };
        let is_recording = room.is_recorded();
        if is_recording == room.recording.is_recording {
            return;
        }
        room.recording = Recording { enabled: true, is_recording, revision: room.recording.revision + 1 };
        let update = Update { version: 2, recording: Some(room.recording), ..Update::default() };
        let places: Vec<Place> = room.present().map(|p| (sid.clone(), p.sid.clone())).collect();
        for place in places {
            self.tell(&place, ServerMessage::Update(Box::new(update.clone())));
        }
    }

    fn settle_networks(&mut self, room_sid: &RoomSid) {
        let Some(room) = self.rooms.get(room_sid) else { return };
        for participant in room.there() {
            let who = Who { name: &room.name, sid: room_sid.as_str(), identity: &participant.identity };
            let network = (self.faults.blocks(who), self.faults.quality(who));
            let told = self.networks.entry(participant.sid.clone()).or_insert((false, None));
            let peer = || participant.sid.clone();
            if told.0 != network.0 {
                let order = Order::Block { peer: peer(), on: network.0 };
                self.out.push(Command::Media(room_sid.clone(), order));
            }
            if told.1 != network.1 {
                let order = Order::Quality { peer: peer(), level: network.1 };
                self.out.push(Command::Media(room_sid.clone(), order));
            }
            *told = network;
        }
    }

    // ---- REST -----------------------------------------------------------------------------------------------------

    fn asked(&mut self, request: Request) -> Answer {
        match request {
            Request::Create { unique_name, settings, recording_rules } => {
                let sid = self.create(unique_name, Origin::Rest, settings, recording_rules)?;
                Ok((201, self.view_room(&sid)?))
            }
            Request::Rooms { status, unique_name, page } => {
                let status = status.unwrap_or_else(|| "in-progress".into());
                let mut rooms: Vec<&Room> = self
                    .rooms
                    .values()
                    .filter(|room| room.status() == status)
                    .filter(|room| unique_name.as_ref().is_none_or(|name| *name == room.name))
                    .collect();
                // The newest first.
                rooms.sort_by_key(|room| std::cmp::Reverse(room.created));
                let rooms = rooms.into_iter().map(|room| view::room(self.account.as_str(), room)).collect();
                Ok((200, view::list("rooms", "/Rooms", rooms, page)))
            }
            Request::Room(name, what) => {
                let sid = self.named(&name).ok_or(Problem::NOT_FOUND)?.sid.clone();
                self.asked_of_room(&sid, what)
            }
        }
    }

    fn asked_of_room(&mut self, sid: &RoomSid, what: OfRoom) -> Answer {
        match what {
            OfRoom::Fetch => Ok((200, self.view_room(sid)?)),
            OfRoom::Complete => {
                // Inferred: a room that is over can be ended again, to no effect.
                self.end_room(sid);
                Ok((200, self.view_room(sid)?))
            }
            OfRoom::RecordingRules => {
                let room = self.rooms.get(sid).ok_or(Problem::NOT_FOUND)?;
                Ok((200, view::recording_rules(room)))
            }
            OfRoom::SetRecordingRules(rules) => {
                let now = self.now;
                let room = self.rooms.get_mut(sid).ok_or(Problem::NOT_FOUND)?;
                if !room.is_in_progress() {
                    return Err(Problem::ROOM_COMPLETED);
                }
                room.recording_rules = rules;
                room.recording_rules_updated = now;
                Ok((202, view::recording_rules(room)))
            }
            OfRoom::Participants { status, identity, page } => {
                let room = self.rooms.get(sid).ok_or(Problem::NOT_FOUND)?;
                let known = room.participants.iter().filter(|p| p.stage != Stage::Joining);
                let known = known
                    .filter(|p| status.as_deref().is_none_or(|status| status == p.status()))
                    .filter(|p| identity.as_deref().is_none_or(|identity| identity == p.identity));
                let known = known.map(|p| view::participant(self.account.as_str(), room, p)).collect();
                Ok((200, view::list("participants", &format!("/Rooms/{sid}/Participants"), known, page)))
            }
            OfRoom::Participant(name, what) => {
                let room = self.rooms.get(sid).ok_or(Problem::NOT_FOUND)?;
                // By identity, the one who is there; else who was there last.
                let by_sid = room.participants.iter().find(|p| p.sid.as_str() == name);
                let named = |p: &&Participant| p.identity == name && p.stage != Stage::Joining;
                let found = by_sid
                    .or_else(|| room.present().find(named))
                    .or_else(|| room.participants.iter().rfind(named))
                    .ok_or(Problem::NOT_FOUND)?;
                let place = (sid.clone(), found.sid.clone());
                self.asked_of_participant(&place, what)
            }
        }
    }

    fn asked_of_participant(&mut self, place: &Place, what: OfParticipant) -> Answer {
        let (room_sid, sid) = place;
        let now = self.now;
        match what {
            OfParticipant::Fetch => self.view_participant(place),
            OfParticipant::Disconnect => {
                self.leave(place, Leaving::Regular);
                self.view_participant(place)
            }
            OfParticipant::Anonymize => {
                if let Some(participant) = self.participant_mut(place) {
                    participant.identity = "anonymized".into();
                    participant.updated = now;
                }
                self.view_participant(place)
            }
            OfParticipant::PublishedTracks(one) => {
                let room = self.rooms.get(room_sid).ok_or(Problem::NOT_FOUND)?;
                let participant = room.participant(sid).ok_or(Problem::NOT_FOUND)?;
                let tracks: Vec<_> = participant
                    .shared_tracks()
                    .filter(|track| is_named(one.as_deref(), track))
                    .map(|track| view::published(room, participant, track))
                    .collect();
                let path = format!("/Rooms/{room_sid}/Participants/{sid}/PublishedTracks");
                one_or_list(one.is_some(), "published_tracks", &path, tracks)
            }
            OfParticipant::SubscribedTracks(one) => {
                let room = self.rooms.get(room_sid).ok_or(Problem::NOT_FOUND)?;
                let participant = room.participant(sid).ok_or(Problem::NOT_FOUND)?;
                let others = room.present().filter(|other| other.sid != *sid && participant.is_present());
                let tracks: Vec<_> = others
                    .flat_map(|other| other.shared_tracks().map(move |track| (other, track)))
                    .filter(|(other, track)| {
                        participant.wants(other, track) && is_named(one.as_deref(), track)
                    })
                    .map(|(other, track)| view::subscribed(room, participant, other, track))
                    .collect();
                let path = format!("/Rooms/{room_sid}/Participants/{sid}/SubscribedTracks");
                one_or_list(one.is_some(), "subscribed_tracks", &path, tracks)
            }
            OfParticipant::SubscribeRules => {
                let room = self.rooms.get(room_sid).ok_or(Problem::NOT_FOUND)?;
                let participant = room.participant(sid).ok_or(Problem::NOT_FOUND)?;
                let (rules, updated) = (&participant.subscribe_rules, participant.updated);
                Ok((200, view::subscribe_rules(room, participant, rules, updated)))
            }
            OfParticipant::SetSubscribeRules(rules) => {
                let participant = self.participant_mut(place).ok_or(Problem::NOT_FOUND)?;
                participant.subscribe_rules = rules;
                participant.updated = now;
                let room = self.rooms.get_mut(room_sid).ok_or(Problem::NOT_FOUND)?;
                let subscribed = room.subscribed(sid);
                let update = Update { version: 2, subscribed, ..Update::default() };
                self.tell(place, ServerMessage::Update(Box::new(update)));
                let room = self.rooms.get(room_sid).ok_or(Problem::NOT_FOUND)?;
                let participant = room.participant(sid).ok_or(Problem::NOT_FOUND)?;
                Ok((202, view::subscribe_rules(room, participant, &participant.subscribe_rules, now)))
            }
        }
    }

    fn view_room(&self, sid: &RoomSid) -> Result<Value, Problem> {
        let room = self.rooms.get(sid).ok_or(Problem::NOT_FOUND)?;
        Ok(view::room(self.account.as_str(), room))
    }

    fn view_participant(&self, place: &Place) -> Answer {
        let room = self.rooms.get(&place.0).ok_or(Problem::NOT_FOUND)?;
        let participant = room.participant(&place.1).ok_or(Problem::NOT_FOUND)?;
        Ok((200, view::participant(self.account.as_str(), room, participant)))
    }

    // ---- shared steps ---------------------------------------------------------------------------------------------

    /// A room in progress, by name or SID.
    fn find_room(&self, name: &str) -> Option<&Room> {
        self.named(name).filter(|room| room.is_in_progress())
    }

    /// A room by SID, or by name while it is in progress.
    fn named(&self, name: &str) -> Option<&Room> {
        self.rooms
            .values()
            .find(|room| room.sid.as_str() == name || room.is_in_progress() && room.name == name)
    }

    fn place_of_session(&self, session: &str) -> Option<Place> {
        self.rooms.values().find_map(|room| {
            let participant = room.present().find(|participant| participant.session == session)?;
            Some((room.sid.clone(), participant.sid.clone()))
        })
    }

    fn participant(&self, place: &Place) -> Option<&Participant> {
        self.rooms.get(&place.0)?.participant(&place.1)
    }

    fn participant_mut(&mut self, place: &Place) -> Option<&mut Participant> {
        self.rooms.get_mut(&place.0)?.participant_mut(&place.1)
    }

    fn tell_others(&mut self, about: &Place) {
        let (room_sid, sid) = about;
        let Some(room) = self.rooms.get_mut(room_sid) else { return };
        let others: Vec<_> =
            room.present().filter(|other| other.sid != *sid).map(|other| other.sid.clone()).collect();
        let messages = others.into_iter().filter_map(|to| room.news_of(sid, &to).map(|news| (to, news)));
        for (to, news) in messages.collect::<Vec<_>>() {
            self.tell(&(room_sid.clone(), to), news);
        }
    }

    fn tell(&mut self, place: &Place, message: ServerMessage) {
        if let Some(socket) = self.participant(place).and_then(|participant| participant.socket) {
            self.tell_socket(socket, message);
        }
    }

    fn tell_socket(&mut self, socket: SocketId, body: ServerMessage) {
        self.send(socket, ServerFrame::Msg { body });
    }

    fn is_silenced(&self, place: Option<&Place>) -> bool {
        let nobody = Who { name: "", sid: "", identity: "" };
        self.faults.silences(place.and_then(|place| self.who(place)).unwrap_or(nobody))
    }

    fn send(&mut self, socket: SocketId, frame: ServerFrame) {
        let Some(place) = self.sockets.get(&socket).map(|state| state.place.clone()) else { return };
        if self.is_silenced(place.as_ref()) {
            return;
        }
        let nobody = Who { name: "", sid: "", identity: "" };
        let delay_ms =
            self.faults.delay_ms(place.as_ref().and_then(|place| self.who(place)).unwrap_or(nobody));
        let Some(state) = self.sockets.get_mut(&socket) else { return };
        // Nothing overtakes what is late.
        let after = state.held.back().map(|(at, _)| *at);
        if delay_ms == 0 && after.is_none() {
            return self.out.push(Command::Send(socket, frame));
        }
        let at = self.now.plus(delay_ms).max(after.unwrap_or_default());
        state.held.push_back((at, frame));
        self.timers.arm_once(Timer::Held(socket), at);
    }

    fn release(&mut self, socket: SocketId) {
        let Some(state) = self.sockets.get_mut(&socket) else { return };
        while let Some((_, frame)) = state.held.pop_front_if(|(at, _)| *at <= self.now) {
            self.out.push(Command::Send(socket, frame));
        }
        if let Some((at, _)) = state.held.front() {
            self.timers.arm(Timer::Held(socket), *at);
        }
    }

    fn call_back(&mut self, room_sid: &RoomSid, happening: &Happening) {
        let Some(room) = self.rooms.get_mut(room_sid) else { return };
        let account = self.account.as_str();
        if let Some(callback) = callback(account, room, happening, room.callbacks, self.now) {
            room.callbacks += 1;
            self.out.push(Command::Callback(callback));
        }
    }

    fn emit(&mut self, event: VideoEvent) {
        self.out.push(Command::Emit(event));
    }

    fn new_room_sid(&mut self) -> RoomSid {
        loop {
            if let Ok(sid) = RoomSid::new(self.new_sid("RM")) {
                return sid;
            }
        }
    }

    fn new_participant_sid(&mut self) -> ParticipantSid {
        loop {
            if let Ok(sid) = ParticipantSid::new(self.new_sid("PA")) {
                return sid;
            }
        }
    }

    fn new_track_sid(&mut self) -> TrackSid {
        loop {
            if let Ok(sid) = TrackSid::new(self.new_sid("MT")) {
                return sid;
            }
        }
    }

    fn new_sid(&mut self, prefix: &str) -> String {
        format!("{prefix}{:032x}", self.random.random::<u128>())
    }
}

/// Whether the client is told at once what became of its tracks, or by what follows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Told {
    Now,
    Later,
}

fn is_named(name: Option<&str>, track: &participant::Track) -> bool {
    name.is_none_or(|name| name == track.sid.as_str() || name == track.name)
}

fn one_or_list(one: bool, key: &str, path: &str, mut tracks: Vec<Value>) -> Answer {
    if !one {
        return Ok((200, view::list(key, path, tracks, Page::default())));
    }
    tracks.pop().map(|track| (200, track)).ok_or(Problem::NOT_FOUND)
}

impl sansio::Machine for Machine {
    type Time = Timestamp;
    type Event = Event;
    type Command = Command;

    fn handle(&mut self, event: Event, now: Timestamp) -> Vec<Command> {
        self.now = now;
        self.happened(event);
        self.handle_timeout(now)
    }

    fn handle_timeout(&mut self, now: Timestamp) -> Vec<Command> {
        self.now = now;
        self.time_passed();
        self.settle();
        std::mem::take(&mut self.out)
    }

    fn poll_timeout(&self) -> Option<Timestamp> {
        self.timers.next()
    }
}

#[cfg(test)]
mod tests;
