//! A room, and what happens in it.

use std::{cell::RefCell, rc::Rc};

use js_sys::{Array, Map, Object, Promise, Reflect};
use wasm_bindgen::prelude::*;
use wasm_bindgen_futures::JsFuture;

use crate::{
    error::SdkError,
    listener::Listener,
    object::object,
    track::{Kind, LocalTrack, RawTrack, RemoteTrack, track_of},
};

#[wasm_bindgen]
extern "C" {
    #[wasm_bindgen(catch, js_namespace = ["Twilio", "Video"], js_name = connect)]
    fn raw_connect(token: &str, options: &Object) -> Result<Promise, JsValue>;

    type RawRoom;
    #[wasm_bindgen(method, catch)]
    fn disconnect(this: &RawRoom) -> Result<JsValue, JsValue>;
    #[wasm_bindgen(method, catch, js_name = refreshInactiveMedia)]
    fn refresh_inactive_media(this: &RawRoom) -> Result<JsValue, JsValue>;
    #[wasm_bindgen(method, getter, js_name = localParticipant)]
    fn local_participant(this: &RawRoom) -> RawParticipant;
    #[wasm_bindgen(method, getter)]
    fn participants(this: &RawRoom) -> Map;
    #[wasm_bindgen(method, getter, js_name = isRecording)]
    fn is_recording(this: &RawRoom) -> bool;

    /// `LocalParticipant` or `RemoteParticipant`.
    type RawParticipant;
    #[wasm_bindgen(method, getter)]
    fn sid(this: &RawParticipant) -> Option<String>;
    #[wasm_bindgen(method, getter)]
    fn identity(this: &RawParticipant) -> Option<String>;
    #[wasm_bindgen(method, getter)]
    fn state(this: &RawParticipant) -> Option<String>;
    #[wasm_bindgen(method, getter)]
    fn tracks(this: &RawParticipant) -> Map;
    #[wasm_bindgen(method, catch, js_name = publishTrack)]
    fn publish_track(this: &RawParticipant, track: &RawTrack, options: &Object) -> Result<Promise, JsValue>;
    #[wasm_bindgen(method, catch, js_name = unpublishTrack)]
    fn unpublish_track(this: &RawParticipant, track: &RawTrack) -> Result<JsValue, JsValue>;
}

/// How to join. All that is not here is as Holdfast always has it, or the SDK's default.
pub struct ConnectOptions<'a> {
    /// The room's name.
    pub room: &'a str,
    /// Where signalling goes: a Twilio region, `gll` or empty for the nearest.
    pub region: &'a str,
    /// What is published from the start. The SDK opens no device by itself.
    pub tracks: &'a [LocalTrack],
    /// The most that sound may take, in bits a second.
    pub max_audio_bitrate: u32,
}

impl ConnectOptions<'_> {
    fn to_js(&self) -> Object {
        let tracks: Array = self.tracks.iter().map(|track| track.0.clone()).collect();
        let region = if self.region.is_empty() { JsValue::UNDEFINED } else { self.region.into() };
        object([
            ("name", self.room.into()),
            ("region", region),
            ("tracks", tracks.into()),
            ("maxAudioBitrate", self.max_audio_bitrate.into()),
            // Every browser encodes and decodes it, and several videos at a time on iOS, where H.264 has one hardware decoder.
            ("preferredVideoCodecs", Array::of1(&"VP8".into()).into()),
            ("networkQuality", object([("local", 1.into()), ("remote", 1.into())]).into()),
            ("dominantSpeaker", true.into()),
            // No telemetry to another host than the room's own.
            ("insights", false.into()),
        ])
    }
}

/// Somebody else in the room.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Participant {
    /// `PA…`: another each time that they join.
    pub sid: String,
    /// Out of their token.
    pub identity: String,
}

impl Participant {
    fn of(raw: &JsValue) -> Self {
        let raw: &RawParticipant = raw.unchecked_ref();
        Self { sid: raw.sid().unwrap_or_default(), identity: raw.identity().unwrap_or_default() }
    }
}

/// Somebody else, with what is received of them.
pub struct Other {
    /// Who.
    pub participant: Participant,
    /// Their signalling is lost.
    pub reconnecting: bool,
    /// What can be played already.
    pub tracks: Vec<RemoteTrack>,
}

impl Other {
    fn of(raw: &JsValue) -> Self {
        let theirs: &RawParticipant = raw.unchecked_ref();
        let tracks = theirs.tracks().values().into_iter().flatten();
        Self {
            participant: Participant::of(raw),
            reconnecting: theirs.state().as_deref() == Some("reconnecting"),
            tracks: tracks.filter_map(|publication| track_of(&publication)).collect(),
        }
    }
}

/// What happens in a room.
pub enum RoomEvent {
    /// Somebody came.
    ParticipantConnected(Other),
    /// They are gone: left, removed, or given up by the room.
    ParticipantDisconnected(Participant),
    /// Their signalling is lost.
    ParticipantReconnecting(Participant),
    /// And is back.
    ParticipantReconnected(Participant),
    /// A track of theirs can be played.
    TrackSubscribed(RemoteTrack, Participant),
    /// It is gone.
    TrackUnsubscribed(RemoteTrack, Participant),
    /// It is muted, or no longer.
    TrackEnabled {
        /// The track's `MT…`.
        sid: String,
        /// What it carries.
        kind: Kind,
        /// False for muted.
        enabled: bool,
        /// Whose it is.
        participant: Participant,
    },
    /// A text came over a data track of this name.
    TrackMessage {
        /// The track's name.
        track: String,
        /// What came; empty for bytes.
        text: String,
        /// Whose it is.
        participant: Participant,
    },
    /// Who speaks, of the others; nobody in particular.
    DominantSpeaker(Option<Participant>),
    /// How good somebody's network is, 0 to 5; ours for `None`.
    NetworkQuality(Option<Participant>, u8),
    /// Our signalling or media is lost and being repaired. Also told of, once, right after joining, without having been lost:
    /// [`RoomEvent::Reconnected`] alone.
    Reconnecting(SdkError),
    /// And is back.
    Reconnected,
    /// Over: by [`Room::disconnect`] or by a removal without an error, else with one. Nothing comes after it.
    Disconnected(Option<SdkError>),
    /// The room is recorded from now on.
    RecordingStarted,
    /// No longer.
    RecordingStopped,
    /// The room did not take a track of ours.
    PublicationFailed(SdkError, LocalTrack),
}

/// Where events go.
type Sink = Rc<dyn Fn(RoomEvent)>;

/// A room that was joined. Dropping it ends the listening, not the stay: [`Room::disconnect`] does.
pub struct Room {
    raw: RawRoom,
    listeners: Listeners,
}

/// Of the room, of ourselves, and of everybody who came.
type Listeners = Rc<RefCell<Vec<Listener>>>;

/// Joins.
///
/// # Errors
/// [`SdkError`]: `2010x` for the token, `53105` when the room is full, `53106` when there is none, and others.
pub async fn connect(token: &str, options: &ConnectOptions<'_>) -> Result<Room, SdkError> {
    let raw = JsFuture::from(raw_connect(token, &options.to_js())?).await?;
    Ok(Room { raw: raw.unchecked_into(), listeners: Rc::default() })
}

impl Room {
    /// Tells of all that happens from now on. Call it once, in the turn in which [`connect`] answered, in which
    /// [`Room::others`] says what is there already.
    pub fn listen(&self, sink: impl Fn(RoomEvent) + 'static) {
        let sink: Sink = Rc::new(sink);
        let local = self.raw.local_participant();
        let mut all = of_room(self.raw.as_ref(), &sink);
        all.extend(of_ourselves(local.as_ref(), &sink));
        all.extend(self.raw.participants().values().into_iter().flatten().map(|raw| of_quality(&raw, &sink)));
        let listeners = Rc::clone(&self.listeners);
        all.push(Listener::new(self.raw.as_ref(), "participantConnected", move |raw, _, _| {
            listeners.borrow_mut().push(of_quality(&raw, &sink));
            sink(RoomEvent::ParticipantConnected(Other::of(&raw)));
        }));
        self.listeners.replace(all);
    }

    /// Who else is there.
    #[must_use]
    pub fn others(&self) -> Vec<Other> {
        self.raw.participants().values().into_iter().flatten().map(|raw| Other::of(&raw)).collect()
    }

    /// Whether it is recorded.
    #[must_use]
    pub fn is_recording(&self) -> bool {
        self.raw.is_recording()
    }

    /// Publishes a track; `first` of all when the network is short. It begins at once; the answer may be waited for without
    /// holding the room. A refusal is told of as [`RoomEvent::PublicationFailed`] too.
    ///
    /// # Errors
    /// [`SdkError`] when the room does not take it.
    pub fn publish(
        &self,
        track: &LocalTrack,
        first: bool,
    ) -> impl Future<Output = Result<(), SdkError>> + use<> {
        let options = object([("priority", if first { "high" } else { "standard" }.into())]);
        let published = self.raw.local_participant().publish_track(&track.0, &options);
        async move {
            JsFuture::from(published?).await?;
            Ok(())
        }
    }

    /// Takes a track back. It is not stopped by that.
    pub fn unpublish(&self, track: &LocalTrack) {
        // One that is not published is answered with `null`.
        drop(self.raw.local_participant().unpublish_track(&track.0));
    }

    /// Has the browser's media looked at after an interruption (a phone call, another app), where it may have stopped unnoticed.
    pub fn refresh_inactive_media(&self) {
        // Not there before 2.14: then there is nothing to do.
        drop(self.raw.refresh_inactive_media());
    }

    /// Leaves, at once: the message to the room goes out in this turn, also while the page is being closed.
    pub fn disconnect(&self) {
        // A room that was left is left alone.
        drop(self.raw.disconnect());
    }
}

/// What only a participant itself tells.
fn of_quality(raw: &JsValue, sink: &Sink) -> Listener {
    let (participant, sink) = (Participant::of(raw), Rc::clone(sink));
    Listener::new(raw, "networkQualityLevelChanged", move |level, _, _| {
        sink(RoomEvent::NetworkQuality(Some(participant.clone()), quality_level(&level)));
    })
}

fn of_room(room: &JsValue, sink: &Sink) -> Vec<Listener> {
    let on = |event: &'static str, told: fn(JsValue, JsValue, JsValue) -> RoomEvent| {
        let sink = Rc::clone(sink);
        Listener::new(room, event, move |a, b, c| sink(told(a, b, c)))
    };
    vec![
        on("participantDisconnected", |who, _, _| RoomEvent::ParticipantDisconnected(Participant::of(&who))),
        on("participantReconnecting", |who, _, _| RoomEvent::ParticipantReconnecting(Participant::of(&who))),
        on("participantReconnected", |who, _, _| RoomEvent::ParticipantReconnected(Participant::of(&who))),
        on("trackSubscribed", |track, _, who| {
            RoomEvent::TrackSubscribed(RemoteTrack(track.unchecked_into()), Participant::of(&who))
        }),
        on("trackUnsubscribed", |track, _, who| {
            RoomEvent::TrackUnsubscribed(RemoteTrack(track.unchecked_into()), Participant::of(&who))
        }),
        on("trackEnabled", |publication, who, _| enabled(&publication, &who, true)),
        on("trackDisabled", |publication, who, _| enabled(&publication, &who, false)),
        on("trackMessage", |data, track, who| RoomEvent::TrackMessage {
            track: RemoteTrack(track.unchecked_into()).name(),
            text: data.as_string().unwrap_or_default(),
            participant: Participant::of(&who),
        }),
        on("dominantSpeakerChanged", |who, _, _| {
            RoomEvent::DominantSpeaker(who.is_object().then(|| Participant::of(&who)))
        }),
        on("reconnecting", |error, _, _| RoomEvent::Reconnecting(SdkError::from_js(&error))),
        on("reconnected", |_, _, _| RoomEvent::Reconnected),
        on("disconnected", |_, error, _| {
            RoomEvent::Disconnected(error.is_object().then(|| SdkError::from_js(&error)))
        }),
        on("recordingStarted", |_, _, _| RoomEvent::RecordingStarted),
        on("recordingStopped", |_, _, _| RoomEvent::RecordingStopped),
    ]
}

fn of_ourselves(local: &JsValue, sink: &Sink) -> Vec<Listener> {
    let (quality, failed) = (Rc::clone(sink), Rc::clone(sink));
    vec![
        Listener::new(local, "networkQualityLevelChanged", move |level, _, _| {
            quality(RoomEvent::NetworkQuality(None, quality_level(&level)));
        }),
        Listener::new(local, "trackPublicationFailed", move |error, track, _| {
            let track = LocalTrack(track.unchecked_into());
            failed(RoomEvent::PublicationFailed(SdkError::from_js(&error), track));
        }),
    ]
}

fn enabled(publication: &JsValue, who: &JsValue, enabled: bool) -> RoomEvent {
    let get = |key: &str| Reflect::get(publication, &key.into()).ok().and_then(|value| value.as_string());
    RoomEvent::TrackEnabled {
        sid: get("trackSid").unwrap_or_default(),
        kind: Kind::of(&get("kind").unwrap_or_default()),
        enabled,
        participant: Participant::of(who),
    }
}

#[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "0 to 5; the cast saturates")]
fn quality_level(level: &JsValue) -> u8 {
    level.as_f64().unwrap_or_default() as u8
}
