use std::net::Ipv4Addr;

use str0m::media::MediaTime;

use super::*;
use crate::media::order::PlannedPeer;

/// The start of a keyframe of 320 by 180, and whatever.
const KEYFRAME: [u8; 40] = {
    let mut frame = [7; 40];
    (frame[0], frame[3], frame[4], frame[5]) = (0x10, 0x9d, 0x01, 0x2a);
    (frame[6], frame[7], frame[8], frame[9]) = (0x40, 0x01, 0xb4, 0x00);
    frame
};

fn sid<T: TryFrom<String, Error = kernel::InvalidId>>(prefix: &str, number: usize) -> T {
    T::try_from(format!("{prefix}{number:032x}")).unwrap()
}

/// A browser: the same library, on the other side.
struct Client {
    rtc: Rtc,
    sid: ParticipantSid,
    address: SocketAddr,
    pending: Option<SdpPendingOffer>,
    revision: u64,
    camera: Option<Mid>,
    frames: usize,
    keyframes_asked: usize,
    channels: HashMap<ChannelId, String>,
    messages: Vec<(String, Value)>,
}

/// A room with its browsers, and a network without loss between them.
struct Room {
    sfu: Sfu,
    clients: Vec<Client>,
    now: Instant,
    media_time: u64,
}

impl Room {
    #[expect(clippy::disallowed_methods, reason = "a test needs some instant to begin with")]
    fn new() -> Self {
        let address = SocketAddr::from((Ipv4Addr::LOCALHOST, 1));
        Self { sfu: Sfu::new(address), clients: Vec::new(), now: Instant::now(), media_time: 0 }
    }

    /// Joins with a camera, and with what is on of media signalling.
    fn join(&mut self, channels: &[&str]) -> usize {
        let number = self.clients.len();
        let address = SocketAddr::from((Ipv4Addr::LOCALHOST, 100 + u16::try_from(number).unwrap()));
        let mut rtc =
            RtcConfig::new().clear_codecs().enable_opus(true, false).enable_vp8(true).build(self.now);
        rtc.add_local_candidate(Candidate::host(address, "udp").unwrap());
        let mut api = rtc.sdp_api();
        let track = format!("cam{number}");
        let camera =
            api.add_media(MediaKind::Video, Direction::SendRecv, Some("-".into()), Some(track), None);
        let (offer, pending) = api.apply().unwrap();
        let client = Client {
            rtc,
            sid: sid("PA", number),
            address,
            pending: Some(pending),
            revision: 1,
            camera: Some(camera),
            frames: 0,
            keyframes_asked: 0,
            channels: HashMap::new(),
            messages: Vec::new(),
        };
        let peer = client.sid.clone();
        self.clients.push(client);
        let sdp = Some(offer.to_sdp_string());
        let offer = Description { kind: DescriptionKind::Offer, revision: 1, sdp };
        let channels = channels.iter().map(|name| ((*name).to_owned(), (*name).to_owned())).collect();
        self.sfu.order(Order::Join { peer, offer, channels }, self.now);
        self.plan(|_, _| true);
        number
    }

    /// Everybody's camera goes to whom `wants` says: subscriber and publisher.
    fn plan(&mut self, wants: impl Fn(usize, usize) -> bool) {
        let track = |number: usize| PlannedTrack {
            id: format!("cam{number}"),
            sid: sid("MT", number),
            kind: TrackKind::Video,
            owner: sid("PA", number),
            enabled: true,
        };
        let all = 0..self.clients.len();
        let peer = |number: usize| {
            let others = all.clone().filter(|other| *other != number && wants(number, *other));
            let planned = PlannedPeer { publishes: vec![track(number)], wants: others.map(track).collect() };
            (sid("PA", number), planned)
        };
        self.sfu.order(Order::Plan(Plan(all.clone().map(peer).collect())), self.now);
    }

    /// Everything that is on its way arrives, and time goes on by so many steps of 10 ms; in each, cameras send a frame.
    fn run(&mut self, steps: usize) {
        for _ in 0..steps {
            for _ in 0..20 {
                self.signal();
                self.carry();
            }
            self.now += Duration::from_millis(10);
            self.media_time += 900;
            for client in &mut self.clients {
                client.rtc.handle_input(Input::Timeout(self.now)).unwrap();
                let Some(writer) = client.camera.and_then(|mid| client.rtc.writer(mid)) else { continue };
                let pt =
                    writer.payload_params().find(|params| params.spec().codec == Codec::Vp8).unwrap().pt();
                let time = MediaTime::from_90khz(self.media_time);
                // Before the connection stands there is nobody to send to.
                drop(writer.write(pt, self.now, time, KEYFRAME.to_vec()));
            }
            if self.sfu.poll_timeout().is_some_and(|at| at <= self.now) {
                self.sfu.handle_timeout(self.now);
            }
        }
    }

    fn signal(&mut self) {
        for news in self.sfu.take_news() {
            let MediaNews::Description(peer, description) = news else { continue };
            let client = self.clients.iter_mut().find(|client| client.sid == peer).unwrap();
            let sdp = description.sdp.unwrap();
            client.revision = description.revision;
            if description.kind == DescriptionKind::Answer {
                let answer = SdpAnswer::from_sdp_string(&sdp).unwrap();
                client.rtc.sdp_api().accept_answer(client.pending.take().unwrap(), answer).unwrap();
                continue;
            }
            let offer = SdpOffer::from_sdp_string(&sdp).unwrap();
            let answer = client.rtc.sdp_api().accept_offer(offer).unwrap().to_sdp_string();
            let answer = Description {
                kind: DescriptionKind::Answer,
                revision: description.revision,
                sdp: Some(answer),
            };
            self.sfu.order(Order::Description { peer, description: answer }, self.now);
        }
    }

    fn carry(&mut self) {
        for datagram in self.sfu.take_datagrams() {
            let to = self.clients.iter_mut().find(|client| client.address == datagram.to).unwrap();
            let receive = Receive {
                proto: Protocol::Udp,
                source: self.sfu.address,
                destination: to.address,
                contents: datagram.contents.as_ref().try_into().unwrap(),
            };
            to.rtc.handle_input(Input::Receive(self.now, receive)).unwrap();
        }
        for client in &mut self.clients {
            loop {
                match client.rtc.poll_output().unwrap() {
                    Output::Timeout(_) => break,
                    Output::Transmit(datagram) => {
                        self.sfu.receive(client.address, &datagram.contents, self.now);
                    }
                    Output::Event(Event::MediaData(_)) => client.frames += 1,
                    Output::Event(Event::KeyframeRequest(_)) => client.keyframes_asked += 1,
                    Output::Event(Event::ChannelOpen(id, label)) => {
                        client.channels.insert(id, label);
                    }
                    Output::Event(Event::ChannelData(data)) => {
                        let label = client.channels[&data.id].clone();
                        client.messages.push((label, serde_json::from_slice(&data.data).unwrap()));
                    }
                    Output::Event(_) => {}
                }
            }
        }
    }

    fn say(&mut self, client: usize, label: &str, message: &Value) {
        let client = &mut self.clients[client];
        let id = client.channels.iter().find(|(_, known)| *known == label).map(|(id, _)| *id).unwrap();
        client.rtc.channel(id).unwrap().write(false, message.to_string().as_bytes()).unwrap();
    }

    /// How many frames each got in the next half second.
    fn frames(&mut self) -> Vec<usize> {
        let before: Vec<_> = self.clients.iter().map(|client| client.frames).collect();
        self.run(50);
        self.clients.iter().zip(before).map(|(client, before)| client.frames - before).collect()
    }
}

#[test]
fn what_one_sends_goes_to_everybody_else_and_is_counted() {
    let mut room = Room::new();
    room.join(&[]);
    room.join(&[]);
    room.run(100);
    let third = room.join(&[]);
    room.run(100);
    let frames = room.frames();
    assert!(frames.iter().all(|frames| *frames >= 60), "{frames:?}"); // two cameras each
    let tracks = room.sfu.tracks(room.now);
    let track = tracks.iter().find(|track| track.sid == sid("MT", third)).unwrap();
    assert_eq!((track.width, track.height), (Some(320), Some(180)));
    assert_eq!(track.to.len(), 2);
    assert!(track.to.iter().all(|to| to.flow.frames > 30 && to.flow.frames_per_second > 20.0));
    // Whoever comes later can begin with a keyframe only.
    assert!(room.clients[..third].iter().all(|client| client.keyframes_asked > 0));
}

#[test]
fn nobody_gets_what_they_do_not_want_and_a_track_that_is_wanted_again_comes_again() {
    let mut room = Room::new();
    room.join(&[]);
    room.join(&[]);
    room.run(100);
    room.plan(|subscriber, _| subscriber != 0);
    room.run(10);
    let frames = room.frames();
    assert!(frames[0] == 0 && frames[1] > 20, "{frames:?}");
    room.plan(|_, _| true);
    room.run(20);
    assert!(room.frames()[0] > 20);
}

#[test]
fn lost_media_stops_both_ways_for_one_peer_and_flows_again() {
    let mut room = Room::new();
    for _ in 0..3 {
        room.join(&[]);
    }
    room.run(100);
    let peer: ParticipantSid = sid("PA", 0);
    room.sfu.order(Order::Block { peer: peer.clone(), on: true }, room.now);
    room.run(5);
    let frames = room.frames();
    assert!(frames[0] == 0 && frames[1] > 20 && frames[1] < 60, "{frames:?}"); // of the third alone
    room.sfu.order(Order::Block { peer, on: false }, room.now);
    room.run(50);
    let frames = room.frames();
    assert!(frames.iter().all(|frames| *frames >= 60), "{frames:?}");
}

#[test]
fn an_offer_of_the_client_is_dropped_while_one_of_ours_is_open_and_an_old_one_always() {
    let mut room = Room::new();
    room.join(&[]);
    room.join(&[]);
    // Both were answered, and each was offered the other's camera.
    let news = room.sfu.take_news();
    let kinds: Vec<_> = news
        .iter()
        .map(|news| match news {
            MediaNews::Description(_, description) => (description.kind, description.revision),
            other => panic!("{other:?}"),
        })
        .collect();
    assert_eq!(
        kinds,
        [
            (DescriptionKind::Answer, 1),
            (DescriptionKind::Answer, 1),
            (DescriptionKind::Offer, 2),
            (DescriptionKind::Offer, 2)
        ]
    );
    let glare = |revision| Order::Description {
        peer: sid("PA", 0),
        description: Description { kind: DescriptionKind::Offer, revision, sdp: Some("never read".into()) },
    };
    room.sfu.order(glare(2), room.now);
    assert_eq!(room.sfu.take_news(), []);
    room.sfu.news = news;
    room.run(100);
    room.sfu.order(glare(1), room.now);
    assert_eq!(room.sfu.take_news(), []);
    assert!(room.frames().iter().all(|frames| *frames > 20));
}

#[test]
fn what_nobody_looks_at_is_not_sent_and_quality_is_rated_as_ordered() {
    let mut room = Room::new();
    room.join(&["render_hints", "track_switch_off", "network_quality"]);
    room.join(&[]);
    room.run(100);
    let hint = |enabled: bool| {
        let track: TrackSid = sid("MT", 1);
        serde_json::json!({"type": "render_hints", "subscriber": {"id": 1, "hints": [{"track": track, "enabled": enabled}]}})
    };
    room.say(0, "render_hints", &hint(false));
    room.run(5);
    assert_eq!(room.frames()[0], 0);
    let switched: Vec<_> =
        room.clients[0].messages.iter().filter(|(label, _)| label == "track_switch_off").collect();
    assert_eq!(switched[0].1["off"], serde_json::json!([sid::<TrackSid>("MT", 1)]));
    room.say(0, "render_hints", &hint(true));
    room.run(5);
    assert!(room.frames()[0] > 20);
    room.sfu.order(Order::Quality { peer: sid("PA", 1), level: Some(2) }, room.now);
    room.say(0, "network_quality", &serde_json::json!({"type": "network_quality", "reportLevel": 1}));
    room.run(5);
    let (_, rated) = room.clients[0].messages.iter().rfind(|(label, _)| label == "network_quality").unwrap();
    assert_eq!(
        (&rated["local"], &rated["remotes"][0]["level"]),
        (&serde_json::json!(5), &serde_json::json!(2))
    );
}

#[test]
fn who_is_in_no_plan_any_more_is_gone_with_their_tracks() {
    let mut room = Room::new();
    room.join(&[]);
    room.join(&[]);
    room.run(100);
    room.clients.truncate(1);
    room.plan(|_, _| true);
    assert_eq!(room.sfu.tracks(room.now).len(), 1);
    assert_eq!(room.sfu.peers.len(), 1);
}
