//! A room's media server: selective forwarding by str0m, with neither sockets nor a clock of its own.
//!
//! What comes in at one peer goes out at those who want it, as whole frames. Each peer has one peer connection; its m-lines
//! and channels are compared with the plan whenever no offer of ours is open, and all differences go into one offer.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::net::SocketAddr;
use std::time::{Duration, Instant};

use serde_json::Value;
use str0m::change::{SdpAnswer, SdpOffer, SdpPendingOffer};
use str0m::channel::{ChannelConfig, ChannelData, ChannelId};
use str0m::format::Codec;
use str0m::media::{Direction, KeyframeRequestKind, MediaData, MediaKind, Mid};
use str0m::net::{DatagramSend, Protocol, Receive};
use str0m::{Candidate, Event, Input, Output, Rtc, RtcConfig};

use super::facts::{TrackFacts, TrackView};
use super::order::{MediaNews, Order, Plan, PlannedTrack};
use super::sdp;
use super::signalling::{self, Hints, Said};
use crate::ids::{ParticipantSid, TrackSid};
use crate::wire::{Description, DescriptionKind, TrackKind};

/// How often it is looked who speaks.
const SPEAKERS_EVERY: Duration = Duration::from_millis(500);

/// From here on somebody speaks. Levels are 0 (loudest) to -127; here 127 is added.
const SPEAKING: f32 = 80.0;

/// A network that nothing is wrong with.
const EXCELLENT: u8 = 5;

/// A datagram that is to be sent.
pub(crate) struct Datagram {
    pub to: SocketAddr,
    pub contents: DatagramSend,
}

/// The media server of a room.
pub(crate) struct Sfu {
    address: SocketAddr,
    peers: BTreeMap<ParticipantSid, Peer>,
    plan: Plan,
    facts: BTreeMap<TrackSid, TrackFacts>,
    speaker: Option<ParticipantSid>,
    speakers_at: Option<Instant>,
    timeout: Option<Instant>,
    datagrams: Vec<Datagram>,
    news: Vec<MediaNews>,
}

struct Peer {
    rtc: Rtc,
    /// Of the newest offer of either side.
    revision: u64,
    pending: Option<(u64, SdpPendingOffer)>,
    /// What comes in on which m-line, by the track's id.
    incoming: BTreeMap<Mid, String>,
    outgoing: Vec<Outgoing>,
    /// What each open channel is for: a name of media signalling, or a data track's id.
    channels: HashMap<ChannelId, String>,
    /// Channels of media signalling that are not opened yet, by name.
    unopened: BTreeMap<String, String>,
    /// Channels on which data tracks of others go out, by the track's id.
    data: BTreeMap<String, ChannelId>,
    loudness: f32,
    is_blocked: bool,
    quality: Option<u8>,
}

/// A track of somebody else, on its way out.
struct Outgoing {
    track: PlannedTrack,
    mid: Mid,
    /// The other side has answered.
    is_open: bool,
    /// Nobody looks at it.
    is_off: bool,
}

impl Peer {
    fn new(address: SocketAddr, channels: BTreeMap<String, String>, now: Instant) -> Option<Self> {
        let config = RtcConfig::new().clear_codecs().enable_opus(true, false).enable_vp8(true);
        let mut rtc = config.set_ice_lite(true).build(now);
        rtc.add_local_candidate(Candidate::host(address, "udp").ok()?);
        Some(Self {
            rtc,
            revision: 0,
            pending: None,
            incoming: BTreeMap::new(),
            outgoing: Vec::new(),
            channels: HashMap::new(),
            unopened: channels,
            data: BTreeMap::new(),
            loudness: 0.0,
            is_blocked: false,
            quality: None,
        })
    }

    fn level(&self) -> u8 {
        self.quality.unwrap_or(if self.is_blocked { 0 } else { EXCELLENT })
    }

    fn answer(&mut self, offer: &Description) -> Result<Description, String> {
        let offered = sdp::one_layer(offer.sdp.as_deref().unwrap_or_default());
        let parsed = SdpOffer::from_sdp_string(&offered).map_err(|error| error.to_string())?;
        let answer = self.rtc.sdp_api().accept_offer(parsed).map_err(|error| error.to_string())?;
        self.revision = offer.revision;
        let sending = sdp::sending(&offered);
        self.incoming = sending.iter().map(|(mid, id)| (Mid::from(mid.as_str()), id.clone())).collect();
        let sdp = Some(answer.to_sdp_string());
        Ok(Description { kind: DescriptionKind::Answer, revision: offer.revision, sdp })
    }

    fn take_answer(&mut self, answer: &Description) -> Result<(), String> {
        let Some((_, pending)) = self.pending.take_if(|(revision, _)| *revision == answer.revision) else {
            return Ok(()); // of an offer that was answered before
        };
        let sdp = answer.sdp.as_deref().unwrap_or_default();
        let parsed = SdpAnswer::from_sdp_string(sdp).map_err(|error| error.to_string())?;
        self.rtc.sdp_api().accept_answer(pending, parsed).map_err(|error| error.to_string())?;
        for outgoing in &mut self.outgoing {
            outgoing.is_open = true;
        }
        Ok(())
    }

    /// An offer with all that differs from what this peer shall get, if nothing is open and something differs.
    fn offer(&mut self, wants: &[PlannedTrack]) -> Option<Description> {
        if self.pending.is_some() || !self.rtc.is_alive() {
            return None;
        }
        let mut api = self.rtc.sdp_api();
        self.outgoing.retain(|outgoing| {
            let stays = wants.iter().any(|track| track.sid == outgoing.track.sid);
            if !stays {
                api.stop_media(outgoing.mid);
            }
            stays
        });
        for track in wants {
            let kind = match track.kind {
                TrackKind::Audio => MediaKind::Audio,
                TrackKind::Video => MediaKind::Video,
                TrackKind::Data => {
                    if !self.data.contains_key(&track.id) {
                        let label = track.id.clone();
                        let id =
                            api.add_channel_with_config(ChannelConfig { label, ..ChannelConfig::default() });
                        self.data.insert(track.id.clone(), id);
                    }
                    continue;
                }
            };
            if self.outgoing.iter().all(|outgoing| outgoing.track.sid != track.sid) {
                let (stream, id) = (track.owner.to_string(), track.id.clone());
                let mid = api.add_media(kind, Direction::SendOnly, Some(stream), Some(id), None);
                self.outgoing.push(Outgoing { track: track.clone(), mid, is_open: false, is_off: false });
            }
        }
        for (name, label) in std::mem::take(&mut self.unopened) {
            let id = api.add_channel(label);
            self.channels.insert(id, name);
        }
        let (offer, pending) = api.apply()?;
        self.revision += 1;
        self.pending = Some((self.revision, pending));
        let sdp = Some(offer.to_sdp_string());
        Some(Description { kind: DescriptionKind::Offer, revision: self.revision, sdp })
    }

    fn write(&mut self, name: &str, message: &Value) {
        let channel = self.channels.iter().find(|(_, known)| *known == name).map(|(id, _)| *id);
        if let Some(id) = channel {
            self.write_to(id, message);
        }
    }

    fn write_to(&mut self, id: ChannelId, message: &Value) {
        if let Some(mut channel) = self.rtc.channel(id)
            && let Err(error) = channel.write(false, message.to_string().as_bytes())
        {
            tracing::debug!(%error, "media signalling was not sent");
        }
    }

    /// Asks the browser for a keyframe of what it sends.
    fn ask_for_keyframe(&mut self, id: &str) {
        let mid = self.incoming.iter().find(|(_, known)| *known == id).map(|(mid, _)| *mid);
        if let Some(mid) = mid
            && let Some(mut writer) = self.rtc.writer(mid)
            && let Err(error) = writer.request_keyframe(None, KeyframeRequestKind::Pli)
        {
            tracing::debug!(%error, "no keyframe was asked for");
        }
    }
}

impl Sfu {
    /// One without peers, whose datagrams come to and from `address`.
    pub fn new(address: SocketAddr) -> Self {
        Self {
            address,
            peers: BTreeMap::new(),
            plan: Plan::default(),
            facts: BTreeMap::new(),
            speaker: None,
            speakers_at: None,
            timeout: None,
            datagrams: Vec::new(),
            news: Vec::new(),
        }
    }

    pub fn order(&mut self, order: Order, now: Instant) {
        match order {
            Order::Join { peer, offer, channels } => self.join(peer, &offer, channels, now),
            Order::Description { peer, description } => self.description(&peer, &description),
            Order::Plan(plan) => self.take_plan(plan, now),
            Order::Block { peer, on } => {
                if let Some(peer) = self.peers.get_mut(&peer) {
                    peer.is_blocked = on;
                }
            }
            Order::Quality { peer, level } => {
                if let Some(peer) = self.peers.get_mut(&peer) {
                    peer.quality = level;
                }
            }
        }
        self.drive(now);
    }

    pub fn receive(&mut self, source: SocketAddr, datagram: &[u8], now: Instant) {
        let Ok(contents) = datagram.try_into() else { return };
        let receive = Receive { proto: Protocol::Udp, source, destination: self.address, contents };
        let input = Input::Receive(now, receive);
        let peer = self.peers.values_mut().find(|peer| peer.rtc.accepts(&input));
        if let Some(peer) = peer.filter(|peer| !peer.is_blocked)
            && let Err(error) = peer.rtc.handle_input(input)
        {
            tracing::warn!(%error, "a datagram was refused");
        }
        self.drive(now);
    }

    pub fn handle_timeout(&mut self, now: Instant) {
        for peer in self.peers.values_mut() {
            if let Err(error) = peer.rtc.handle_input(Input::Timeout(now)) {
                tracing::warn!(%error, "a peer failed");
            }
        }
        self.drive(now);
    }

    pub fn poll_timeout(&self) -> Option<Instant> {
        self.timeout
    }

    pub fn take_datagrams(&mut self) -> Vec<Datagram> {
        std::mem::take(&mut self.datagrams)
    }

    pub fn take_news(&mut self) -> Vec<MediaNews> {
        std::mem::take(&mut self.news)
    }

    /// What went through.
    pub fn tracks(&self, now: Instant) -> Vec<TrackView> {
        self.facts.iter().map(|(sid, facts)| facts.view(sid, now)).collect()
    }

    // ---- descriptions ---------------------------------------------------------------------------------------------

    fn join(
        &mut self,
        sid: ParticipantSid,
        offer: &Description,
        channels: BTreeMap<String, String>,
        now: Instant,
    ) {
        let peer = Peer::new(self.address, channels, now).ok_or_else(|| "no candidate".to_owned());
        let answered = peer.and_then(|mut peer| peer.answer(offer).map(|answer| (peer, answer)));
        match answered {
            Ok((peer, answer)) => {
                self.peers.insert(sid.clone(), peer);
                self.news.push(MediaNews::Description(sid, answer));
            }
            Err(error) => self.news.push(MediaNews::Refused(sid, error)),
        }
        self.speakers_at.get_or_insert(now + SPEAKERS_EVERY);
    }

    fn description(&mut self, sid: &ParticipantSid, description: &Description) {
        let Some(peer) = self.peers.get_mut(sid) else { return };
        let taken = match description.kind {
            // Both offered. Ours stands: the SDK rolls its own back, answers ours, and offers again.
            DescriptionKind::Offer if peer.pending.is_some() => Ok(None),
            DescriptionKind::Offer if description.revision <= peer.revision => Ok(None), // an old one
            DescriptionKind::Offer => peer.answer(description).map(Some),
            DescriptionKind::Answer => peer.take_answer(description).map(|()| None),
            DescriptionKind::Pranswer | DescriptionKind::CreateOffer | DescriptionKind::Close => Ok(None),
        };
        match taken {
            Ok(Some(answer)) => self.news.push(MediaNews::Description(sid.clone(), answer)),
            Ok(None) => {}
            Err(error) => self.news.push(MediaNews::Refused(sid.clone(), error)),
        }
        if description.kind == DescriptionKind::Answer {
            // Who has just begun to get something can begin with a keyframe only.
            let wanted = self.peers.get(sid).into_iter().flat_map(|peer| &peer.outgoing);
            let wanted: Vec<_> = wanted.map(|outgoing| outgoing.track.clone()).collect();
            for track in wanted {
                self.ask_for_keyframe(&track);
            }
        }
    }

    fn take_plan(&mut self, plan: Plan, now: Instant) {
        self.peers.retain(|sid, _| plan.0.contains_key(sid));
        let known: BTreeSet<_> =
            plan.0.values().flat_map(|peer| &peer.publishes).map(|track| track.sid.clone()).collect();
        self.facts.retain(|sid, _| known.contains(sid));
        for (sid, facts) in &mut self.facts {
            let wants = |subscriber: &ParticipantSid| {
                let planned = plan.0.get(subscriber);
                planned.is_some_and(|planned| planned.wants.iter().any(|track| track.sid == *sid))
            };
            facts.to.retain(|subscriber, _| wants(subscriber));
        }
        for sid in known {
            self.facts.entry(sid).or_default();
        }
        if self.speaker.as_ref().is_some_and(|speaker| !plan.0.contains_key(speaker)) {
            self.speaker = None;
        }
        self.plan = plan;
        self.speakers_at.get_or_insert(now + SPEAKERS_EVERY);
    }

    fn negotiate(&mut self) {
        for (sid, peer) in &mut self.peers {
            let Some(planned) = self.plan.0.get(sid) else { continue };
            if let Some(offer) = peer.offer(&planned.wants) {
                self.news.push(MediaNews::Description(sid.clone(), offer));
            }
        }
    }

    // ---- what goes through ----------------------------------------------------------------------------------------

    /// Does all that there is to do, until nothing follows from it any more: what one peer receives makes others send.
    fn drive(&mut self, now: Instant) {
        self.negotiate();
        if self.speakers_at.is_some_and(|at| at <= now) {
            self.speakers_at = (!self.peers.is_empty()).then(|| now + SPEAKERS_EVERY);
            self.find_speaker();
        }
        loop {
            let mut events = Vec::new();
            self.timeout = self.speakers_at;
            for (sid, peer) in &mut self.peers {
                while peer.rtc.is_alive() {
                    match peer.rtc.poll_output() {
                        Ok(Output::Transmit(datagram)) if peer.is_blocked => drop(datagram),
                        Ok(Output::Transmit(datagram)) => self
                            .datagrams
                            .push(Datagram { to: datagram.destination, contents: datagram.contents }),
                        Ok(Output::Event(event)) => events.push((sid.clone(), event)),
                        Ok(Output::Timeout(at)) => {
                            self.timeout = Some(self.timeout.map_or(at, |timeout| timeout.min(at)));
                            break;
                        }
                        Err(error) => {
                            tracing::warn!(%error, %sid, "a peer failed");
                            peer.rtc.disconnect();
                        }
                    }
                }
            }
            if events.is_empty() {
                return;
            }
            for (sid, event) in events {
                self.event(&sid, event, now);
            }
        }
    }

    fn event(&mut self, sid: &ParticipantSid, event: Event, now: Instant) {
        match event {
            Event::MediaData(data) => self.forward(sid, &data, now),
            Event::KeyframeRequest(request) => {
                let peer = self.peers.get(sid);
                let outgoing = peer.and_then(|peer| peer.outgoing.iter().find(|out| out.mid == request.mid));
                if let Some(track) = outgoing.map(|outgoing| outgoing.track.clone()) {
                    self.ask_for_keyframe(&track);
                }
            }
            Event::ChannelOpen(id, label) => {
                if let Some(peer) = self.peers.get_mut(sid) {
                    peer.channels.entry(id).or_insert(label);
                }
            }
            Event::ChannelData(data) => self.channel_data(sid, &data),
            Event::IceConnectionStateChange(state) => {
                self.news.push(MediaNews::Ice(sid.clone(), format!("{state:?}").to_lowercase()));
            }
            _ => {}
        }
    }

    fn forward(&mut self, from: &ParticipantSid, data: &MediaData, now: Instant) {
        let Some(peer) = self.peers.get_mut(from) else { return };
        let Some(id) = peer.incoming.get(&data.mid) else { return };
        let planned = self.plan.0.get(from).into_iter().flat_map(|planned| &planned.publishes);
        let Some(track) = planned.clone().find(|track| track.id == *id).cloned() else { return };
        if let Some(level) = data.ext_vals.audio_level {
            // A maximum that fades, so that a pause between two words changes nothing.
            peer.loudness = (peer.loudness * 0.995).max(f32::from(level) + 127.0);
        }
        let facts = self.facts.entry(track.sid.clone()).or_default();
        facts.from_publisher.count(data.data.len(), now);
        facts.level_dbov = data.ext_vals.audio_level.or(facts.level_dbov);
        if data.params.spec().codec == Codec::Vp8 {
            facts.size = sdp::vp8_size(&data.data).or(facts.size);
        }
        if !data.contiguous && track.kind == TrackKind::Video {
            peer.ask_for_keyframe(&track.id);
        }
        for (sid, subscriber) in &mut self.peers {
            let Some(outgoing) = subscriber.outgoing.iter().find(|out| out.track.sid == track.sid) else {
                continue;
            };
            let (counter, switched_off) = facts.to.entry(sid.clone()).or_default();
            *switched_off = outgoing.is_off;
            if !outgoing.is_open || outgoing.is_off {
                continue;
            }
            let Some(writer) = subscriber.rtc.writer(outgoing.mid) else { continue };
            let Some(pt) = writer.match_params(data.params) else { continue };
            let writer = match data.ext_vals.audio_level {
                Some(level) => writer.audio_level(level, data.ext_vals.voice_activity.unwrap_or_default()),
                None => writer,
            };
            match writer.write(pt, data.network_time, data.time, std::sync::Arc::clone(&data.data)) {
                Ok(()) => {
                    if !subscriber.is_blocked {
                        counter.count(data.data.len(), now);
                    }
                }
                Err(error) => tracing::debug!(%error, "a frame was not sent"),
            }
        }
    }

    fn ask_for_keyframe(&mut self, track: &PlannedTrack) {
        if track.kind == TrackKind::Video
            && let Some(publisher) = self.peers.get_mut(&track.owner)
        {
            publisher.ask_for_keyframe(&track.id);
        }
    }

    fn channel_data(&mut self, sid: &ParticipantSid, data: &ChannelData) {
        let Some(peer) = self.peers.get(sid) else { return };
        let Some(name) = peer.channels.get(&data.id).cloned() else { return };
        let planned = self.plan.0.get(sid).into_iter().flat_map(|planned| &planned.publishes);
        let is_track = planned.clone().any(|track| track.kind == TrackKind::Data && track.id == name);
        if is_track {
            for (_, other) in self.peers.iter_mut().filter(|(other, _)| *other != sid) {
                if let Some(id) = other.data.get(&name).copied()
                    && let Some(mut channel) = other.rtc.channel(id)
                    && let Err(error) = channel.write(data.binary, &data.data)
                {
                    tracing::debug!(%error, "a message of a data track was not sent");
                }
            }
            return;
        }
        let Ok(said) = serde_json::from_slice::<Said>(&data.data) else { return };
        match said {
            Said::NetworkQuality { report_level } => {
                let others = self.peers.iter().filter(|(other, _)| *other != sid);
                let others = others.map(|(other, peer)| (other.clone(), peer.level())).collect();
                let reply = signalling::network_quality(report_level > 1, peer.level(), &others);
                if let Some(peer) = self.peers.get_mut(sid) {
                    peer.write_to(data.id, &reply);
                }
            }
            Said::RenderHints { subscriber } => self.hinted(sid, data.id, &subscriber),
            Said::Other => {}
        }
    }

    /// Switches tracks off that nobody looks at, and on again.
    fn hinted(&mut self, sid: &ParticipantSid, channel: ChannelId, hints: &Hints) {
        let Some(peer) = self.peers.get_mut(sid) else { return };
        let (mut on, mut off) = (Vec::new(), Vec::new());
        for hint in &hints.hints {
            let outgoing = peer.outgoing.iter_mut().find(|outgoing| outgoing.track.sid == hint.track);
            if let (Some(outgoing), Some(enabled)) = (outgoing, hint.enabled)
                && outgoing.is_off == enabled
            {
                outgoing.is_off = !enabled;
                if enabled { &mut on } else { &mut off }.push(outgoing.track.clone());
            }
        }
        peer.write_to(channel, &signalling::render_hints_taken(hints));
        if !(on.is_empty() && off.is_empty()) {
            let sids =
                |tracks: &[PlannedTrack]| tracks.iter().map(|track| track.sid.clone()).collect::<Vec<_>>();
            peer.write("track_switch_off", &signalling::switched(&sids(&on), &sids(&off)));
        }
        for track in on {
            self.ask_for_keyframe(&track);
        }
    }

    fn find_speaker(&mut self) {
        let speaking = self.peers.iter().filter(|(_, peer)| peer.loudness > SPEAKING);
        let loudest = speaking.max_by(|(_, one), (_, other)| one.loudness.total_cmp(&other.loudness));
        let Some(loudest) = loudest.map(|(sid, _)| sid.clone()) else { return };
        if self.speaker.as_ref() == Some(&loudest) {
            return;
        }
        let message = signalling::active_speaker(&loudest);
        for peer in self.peers.values_mut() {
            peer.write("active_speaker", &message);
        }
        self.speaker = Some(loudest);
    }
}

#[cfg(test)]
mod tests;
