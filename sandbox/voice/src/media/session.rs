//! One call's media: a thread of its own, so that packets are paced and timed by nothing else than their due time.

use std::collections::VecDeque;
use std::io;
use std::net::{SocketAddr, UdpSocket};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, mpsc};
use std::thread;
use std::time::{Duration, Instant};

use rand::{RngExt as _, SeedableRng as _, rngs::StdRng};
use str0m::change::{SdpAnswer, SdpOffer, SdpPendingOffer};
use str0m::format::{Codec, FormatParams};
use str0m::media::{Direction, Frequency, MediaKind, Mid, Pt, TelephoneEvent};
use str0m::net::{Protocol, Receive};
use str0m::rtp::rtcp::{ReceptionReport, Rtcp};
use str0m::rtp::{RawPacket, RtpPacket, RtpWrite, SeqNo, Ssrc};
use str0m::{Candidate, Event, Input, Output, Rtc, RtcConfig};

use thread_priority::{
    RealtimeThreadSchedulePolicy, ThreadPriority, ThreadSchedulePolicy, set_thread_priority_and_policy,
    thread_native_id,
};

use super::audio::{self, FRAME, RATE, Steady, Tone};
use super::dtmf::{Ear, Finger, Slot};
use super::recording::Recording;
use super::socket::{Datagram, TimedSocket};
use super::stats::{Arrival, Report, Window};
use crate::api::types::Line;
use crate::machine::event::MediaOrder;
use sandbox_kit::clock::Clock;

/// Time between two packets.
const PACE: Duration = Duration::from_millis(20);

/// The root mean square below which a packet is silence, 0 to 32767: the smallest steps of mu-law.
const QUIET: f64 = 20.0;

/// The payload type of telephone events at 8 kHz that Chromium offers.
const TELEPHONE_PT: u8 = 126;

/// What the session tells.
#[derive(Debug)]
pub enum MediaNews {
    /// The reply to [`MediaOrder::Offer`].
    Offered(Result<String, String>),
    /// The reply to [`MediaOrder::TakeOffer`] and [`MediaOrder::TakeAnswer`].
    Answered(u64, Result<String, String>),
    /// ICE changed its state.
    Ice(String),
    /// The first RTP packet came from the agent.
    FirstPacket(Instant),
    /// A key was heard.
    Key(char),
    /// The agent closed its peer connection.
    PeerClosed,
}

/// What was measured so far.
#[derive(Debug, Default)]
pub struct Facts {
    /// ICE state in words.
    pub ice: String,
    /// The codec of the newest audio packet.
    pub codec: Option<String>,
    /// Where the agent's packets come from.
    pub peer: Option<SocketAddr>,
    /// Every RTP packet from the agent, in order of arrival.
    pub arrivals: Vec<Arrival>,
    /// Packets that came again.
    pub duplicates: u64,
    /// Payload bytes from the agent.
    pub bytes: u64,
    /// When each RTP packet left.
    pub sent: Vec<Instant>,
    /// The agent's reception reports.
    pub reports: Vec<Report>,
    /// Keys heard.
    pub keys: String,
    /// When the silence began that the agent's newest packets hold, if they do.
    pub quiet_since: Option<Instant>,
    /// The last second from the agent.
    pub ear: VecDeque<i16>,
    /// Named windows.
    pub windows: Vec<Window>,
    /// The recording, once one was started.
    pub recording: Option<Recording>,
    /// True while it runs.
    pub is_recording: bool,
    /// When media ended: the agent's peer connection closed, or the call was over.
    pub over: Option<Instant>,
}

/// The handle of a session's thread. Dropping it ends the thread.
#[derive(Debug)]
pub struct Session {
    orders: mpsc::Sender<MediaOrder>,
    facts: Arc<Mutex<Facts>>,
    waker: UdpSocket,
    address: SocketAddr,
}

impl Session {
    /// Binds a socket and starts the thread. `news` is called on that thread.
    ///
    /// # Errors
    /// If no socket or thread can be had.
    pub fn start(
        clock: Clock,
        seed: [u8; 32],
        news: impl Fn(MediaNews) + Send + 'static,
    ) -> io::Result<Self> {
        let socket = TimedSocket::bind()?;
        let address = socket.address();
        let waker = socket.try_clone()?;
        let (orders, inbox) = mpsc::channel();
        let facts = Arc::new(Mutex::new(Facts { ice: "new".into(), ..Facts::default() }));
        let shared = Arc::clone(&facts);
        thread::Builder::new().name(format!("media-{}", address.port())).spawn(move || {
            match Peer::new(clock, socket, address, inbox, shared, seed, Box::new(news)) {
                Ok(mut peer) => peer.run(),
                Err(error) => tracing::error!(%error, "no media session"),
            }
        })?;
        Ok(Self { orders, facts, waker, address })
    }

    /// Gives an order. One that comes after the end has no effect.
    pub fn order(&self, order: MediaOrder) {
        if self.orders.send(order).is_ok() {
            // The thread waits for packets: an empty datagram from its own address says that an order is there.
            if let Err(error) = self.waker.send_to(&[], self.address) {
                tracing::debug!(%error, "the media thread was not woken");
            }
        }
    }

    /// The measurements. The thread never waits for whoever looks at them.
    #[must_use]
    pub fn facts(&self) -> SharedFacts {
        SharedFacts(Arc::clone(&self.facts))
    }
}

/// The measurements of a session, shared with its thread.
#[derive(Clone, Debug)]
pub struct SharedFacts(Arc<Mutex<Facts>>);

impl SharedFacts {
    /// Locks them.
    pub fn lock(&self) -> MutexGuard<'_, Facts> {
        lock(&self.0)
    }
}

impl Drop for Session {
    fn drop(&mut self) {
        self.order(MediaOrder::Stop);
    }
}

fn lock(facts: &Mutex<Facts>) -> MutexGuard<'_, Facts> {
    // A panic while holding the lock leaves counters as they were after the last whole packet.
    facts.lock().unwrap_or_else(PoisonError::into_inner)
}

type News = Box<dyn Fn(MediaNews) + Send>;

struct Peer {
    clock: Clock,
    socket: TimedSocket,
    address: SocketAddr,
    inbox: mpsc::Receiver<MediaOrder>,
    notes: Notes,
    news: News,
    random: StdRng,
    rtc: Rtc,
    pending: Option<SdpPendingOffer>,
    mid: Option<Mid>,
    told_closed: bool,
    failed: bool,
    loss: (u8, u8),
    sender: Sender,
    stream: Option<(Ssrc, u32)>,
    /// How many packets there were, and the numbers of the newest ones.
    arrived: u64,
    recent: VecDeque<u16>,
    peer: Option<SocketAddr>,
    ear: Ear,
    line: Line,
    music: Steady,
    ringback: Steady,
}

/// Writes measurements down without ever waiting: while somebody looks at them, notes are put aside.
struct Notes {
    facts: Arc<Mutex<Facts>>,
    waiting: Vec<Note>,
}

type Note = Box<dyn FnOnce(&mut Facts) + Send>;

impl Notes {
    fn add(&mut self, note: impl FnOnce(&mut Facts) + Send + 'static) {
        match self.facts.try_lock() {
            Ok(mut facts) => {
                self.waiting.drain(..).for_each(|note| note(&mut facts));
                note(&mut facts);
            }
            Err(_busy) => self.waiting.push(Box::new(note)),
        }
    }

    /// Waits, at the very end.
    fn finish(&mut self) {
        let mut facts = lock(&self.facts);
        self.waiting.drain(..).for_each(|note| note(&mut facts));
    }
}

/// The outgoing stream.
struct Sender {
    due: Option<Instant>,
    seq: u64,
    time: u32,
    tone: Tone,
    finger: Finger,
    talking: bool,
    press_began: u32,
}

impl Peer {
    fn new(
        clock: Clock,
        socket: TimedSocket,
        address: SocketAddr,
        inbox: mpsc::Receiver<MediaOrder>,
        facts: Arc<Mutex<Facts>>,
        seed: [u8; 32],
        news: News,
    ) -> Result<Self, str0m::error::IceError> {
        let mut random = StdRng::from_seed(seed);
        // No comfort noise: with it in the answer Chromium stops sending in silence, and a pause would look like a gap.
        let mut config = RtcConfig::new()
            .clear_codecs()
            .enable_pcmu(true, false)
            .set_ice_lite(true)
            .set_rtp_mode(true)
            .enable_raw_packets(true);
        config.codec_config().add_config(
            TELEPHONE_PT.into(),
            None,
            Codec::Tele,
            Frequency::EIGHT_KHZ,
            None,
            FormatParams::default(),
        );
        let mut rtc = config.build(clock.now());
        rtc.add_local_candidate(Candidate::host(address, "udp")?);
        let sender = Sender {
            due: None,
            // Below 2^15, so that no number of the first minutes wraps before the receiver has locked on.
            seq: random.random_range(0..0x8000),
            time: random.random(),
            tone: Tone::default(),
            finger: Finger::default(),
            talking: false,
            press_began: 0,
        };
        Ok(Self {
            clock,
            socket,
            address,
            inbox,
            notes: Notes { facts, waiting: Vec::new() },
            news,
            random,
            rtc,
            pending: None,
            mid: None,
            told_closed: false,
            failed: false,
            loss: (0, 0),
            sender,
            stream: None,
            arrived: 0,
            recent: VecDeque::new(),
            peer: None,
            ear: Ear::default(),
            line: Line::default(),
            music: Steady::new(audio::HOLD_MUSIC_HZ),
            ringback: Steady::new(audio::RINGBACK_HZ),
        })
    }

    fn run(&mut self) {
        hurry();
        let mut buffer = vec![0; 2048];
        loop {
            loop {
                match self.inbox.try_recv() {
                    Ok(MediaOrder::Stop) | Err(mpsc::TryRecvError::Disconnected) => return self.stop(),
                    Ok(order) => self.carry_out(order),
                    Err(mpsc::TryRecvError::Empty) => break,
                }
            }
            let now = self.clock.now();
            if self.sender.due.is_some_and(|due| due <= now) {
                self.send_slot(now);
            }
            let timeout = self.drain().unwrap_or(now + Duration::from_secs(1));
            self.receive(&mut buffer, self.sender.due.map_or(timeout, |due| due.min(timeout)));
        }
    }

    fn carry_out(&mut self, order: MediaOrder) {
        match order {
            MediaOrder::Offer => {
                let mut api = self.rtc.sdp_api();
                self.mid = Some(api.add_media(
                    MediaKind::Audio,
                    Direction::SendRecv,
                    Some("customer".into()),
                    None,
                    None,
                ));
                let offer = api.apply().map(|(offer, pending)| {
                    self.pending = Some(pending);
                    offer.to_sdp_string()
                });
                (self.news)(MediaNews::Offered(offer.ok_or_else(|| "no offer".to_owned())));
            }
            MediaOrder::TakeOffer { ticket, sdp } => {
                let answer = SdpOffer::from_sdp_string(&sdp)
                    .map_err(|e| e.to_string())
                    .and_then(|offer| self.rtc.sdp_api().accept_offer(offer).map_err(|e| e.to_string()))
                    .map(|answer| answer.to_sdp_string());
                self.pending = None; // an offer of our own that was not taken is void
                self.log_refused("offer", &answer);
                (self.news)(MediaNews::Answered(ticket, answer));
            }
            MediaOrder::TakeAnswer { ticket, sdp } => {
                let taken = SdpAnswer::from_sdp_string(&sdp).map_err(|e| e.to_string()).and_then(|answer| {
                    let pending = self.pending.take().ok_or_else(|| "no offer is open".to_owned())?;
                    self.rtc.sdp_api().accept_answer(pending, answer).map_err(|e| e.to_string())
                });
                let taken = taken.map(|()| String::new());
                self.log_refused("answer", &taken);
                (self.news)(MediaNews::Answered(ticket, taken));
            }
            MediaOrder::Loss { to_agent, from_agent } => self.loss = (to_agent, from_agent),
            MediaOrder::Dtmf(digits) => self.sender.finger.press(&digits),
            MediaOrder::Line(line) => self.line = line,
            MediaOrder::Stop => {}
        }
    }

    fn log_refused(&self, what: &str, result: &Result<String, String>) {
        if let Err(error) = result {
            tracing::warn!(%error, what, "the client's SDP was refused");
        }
    }

    /// Sends what str0m wants sent, takes its events, and says when it wants to be called again; never, if it failed.
    fn drain(&mut self) -> Option<Instant> {
        while !self.failed {
            match self.rtc.poll_output() {
                Err(error) => self.fail(&error),
                Ok(Output::Timeout(at)) => return Some(at),
                Ok(Output::Transmit(datagram)) => {
                    if !self.loses(self.loss.0)
                        && let Err(error) = self.socket.send_to(&datagram.contents, datagram.destination)
                    {
                        tracing::debug!(%error, "a datagram was not sent");
                    }
                }
                Ok(Output::Event(event)) => self.event(event),
            }
        }
        None
    }

    fn fail(&mut self, error: &str0m::RtcError) {
        tracing::warn!(%error, "the media session failed");
        self.failed = true;
        self.closed();
    }

    fn event(&mut self, event: Event) {
        match event {
            Event::MediaAdded(added) => self.mid = Some(added.mid),
            Event::Connected => {
                self.sender.due = Some(self.clock.now());
            }
            Event::IceConnectionStateChange(state) => {
                let state = format!("{state:?}").to_lowercase();
                let noted = state.clone();
                self.notes.add(|facts| facts.ice = noted);
                (self.news)(MediaNews::Ice(state));
            }
            Event::RtpPacket(packet) => self.packet(&packet),
            Event::RawPacket(raw) => {
                if let RawPacket::RtcpRx(rtcp) = *raw {
                    match rtcp {
                        Rtcp::ReceiverReport(report) => self.reports(report.reports.iter()),
                        Rtcp::SenderReport(report) => self.reports(report.reports.iter()),
                        _ => {}
                    }
                }
            }
            Event::Closed => self.closed(),
            _ => {}
        }
    }

    fn closed(&mut self) {
        self.sender.due = None;
        if !std::mem::replace(&mut self.told_closed, true) {
            let now = self.clock.now();
            self.notes.add(move |facts| {
                facts.over.get_or_insert(now);
            });
            (self.news)(MediaNews::PeerClosed);
        }
    }

    fn packet(&mut self, packet: &RtpPacket) {
        let codec = self.codec_of(packet.header.payload_type);
        let epoch = match &mut self.stream {
            Some((ssrc, epoch)) if *ssrc == packet.header.ssrc => *epoch,
            stream => {
                let epoch = stream.map_or(0, |(_, epoch)| epoch + 1);
                *stream = Some((packet.header.ssrc, epoch));
                epoch
            }
        };
        let arrival = Arrival { at: packet.timestamp, epoch, seq: *packet.seq_no };
        let bytes = packet.payload.len() as u64;
        self.arrived += 1;
        self.recent.push_back(packet.header.sequence_number);
        if self.recent.len() > 512 {
            self.recent.pop_front();
        }
        self.notes.add(move |facts| {
            facts.arrivals.push(arrival);
            facts.bytes += bytes;
        });
        if self.arrived == 1 {
            (self.news)(MediaNews::FirstPacket(packet.timestamp));
        }
        let time = packet.header.timestamp;
        match codec {
            Some(Codec::Tele) => {
                let reports = TelephoneEvent::parse_all(&packet.payload, Frequency::EIGHT_KHZ);
                for report in reports.into_iter().flatten() {
                    for key in self.ear.report(time, report.event, report.end) {
                        if self.line != Line::Talking {
                            continue;
                        }
                        self.notes.add(move |facts| facts.keys.push(key));
                        (self.news)(MediaNews::Key(key));
                    }
                }
            }
            Some(codec) => {
                let samples: Vec<i16> = match self.line {
                    Line::Talking => packet.payload.iter().map(|b| audio::ulaw_decode(*b)).collect(),
                    Line::Held => self.music.samples(packet.payload.len()),
                    Line::Ringing | Line::Listening => vec![0; packet.payload.len()],
                };
                let at = packet.timestamp;
                let is_quiet = audio::rms(&samples) < QUIET;
                self.notes.add(move |facts| {
                    facts.quiet_since = is_quiet.then(|| facts.quiet_since.unwrap_or(at));
                    heard(facts, codec, time, &samples);
                });
            }
            None => {}
        }
    }

    fn reports<'a>(&mut self, reports: impl Iterator<Item = &'a ReceptionReport>) {
        let Some(mid) = self.mid else { return };
        let Some(ours) = self.rtc.direct_api().stream_tx_by_mid(mid, None).map(|stream| stream.ssrc()) else {
            return;
        };
        let at = self.clock.now();
        for report in reports.filter(|report| report.ssrc == ours) {
            // The count has 24 bits and a sign (RFC 3550, 6.4.1).
            let lost = i64::from((report.packets_lost << 8).cast_signed() >> 8);
            let fraction = f64::from(report.fraction_lost) / 256.0;
            let jitter_ms = f64::from(report.jitter) * 1000.0 / f64::from(RATE);
            self.notes.add(move |facts| facts.reports.push(Report { at, lost, fraction, jitter_ms }));
        }
    }

    fn codec_of(&self, pt: Pt) -> Option<Codec> {
        self.rtc.codec_config().iter().find(|p| p.pt() == pt).map(|p| p.spec().codec)
    }

    fn pt_of(&self, codec: Codec) -> Option<Pt> {
        self.rtc.codec_config().iter().find(|p| p.spec().codec == codec).map(str0m::format::PayloadParams::pt)
    }

    /// Fills the slot that is due: a tone, or a key.
    fn send_slot(&mut self, now: Instant) {
        let due = self.sender.due.unwrap_or(now);
        self.sender.due = Some(due + PACE);
        let time = self.sender.time;
        self.sender.time = time.wrapping_add(FRAME as u32);
        let tone = self.sender.tone.frame();
        let samples = match self.line {
            Line::Talking | Line::Listening => tone,
            Line::Held => [0; FRAME],
            Line::Ringing => self.ringback.samples(FRAME).try_into().unwrap_or(tone),
        };
        let slot = self.sender.finger.next_slot();
        let (codec, times, marker, payload, time) = match slot {
            Slot::Audio => {
                let marker = !std::mem::replace(&mut self.sender.talking, true);
                (Codec::PCMU, 1, marker, samples.map(audio::ulaw_encode).to_vec(), time)
            }
            Slot::Key { event, first, last, slots } => {
                if first {
                    self.sender.press_began = time;
                }
                self.sender.talking = false;
                let report =
                    TelephoneEvent { event, end: last, volume: 10, duration: PACE * u32::from(slots) };
                let payload = report.to_bytes(Frequency::EIGHT_KHZ).map(|b| b.to_vec()).unwrap_or_default();
                (Codec::Tele, if last { 3 } else { 1 }, first, payload, self.sender.press_began)
            }
        };
        let Some(pt) = self.pt_of(codec) else { return };
        let Some(mid) = self.mid else { return };
        let mut sent = 0;
        if let Some(stream) = self.rtc.direct_api().stream_tx_by_mid(mid, None) {
            for _ in 0..times {
                let seq = SeqNo::from(self.sender.seq);
                self.sender.seq += 1;
                stream.write_rtp(RtpWrite::new(pt, seq, time, now, payload.clone()).marker(marker));
                sent += 1;
            }
        }
        let samples = if slot == Slot::Audio { samples } else { [0; FRAME] };
        self.notes.add(move |facts| {
            facts.sent.extend(std::iter::repeat_n(now, sent));
            if let Some(recording) = facts.recording.as_mut().filter(|_| facts.is_recording) {
                recording.customer(&samples);
            }
        });
    }

    /// Waits for one datagram, at most until `until`, and gives it to str0m with the time at which it came.
    fn receive(&mut self, buffer: &mut [u8], until: Instant) {
        let wait = until.saturating_duration_since(self.clock.now());
        let wait = wait.clamp(Duration::from_micros(100), Duration::from_secs(1));
        let (length, source, at) = match self.socket.receive(buffer, wait) {
            Ok(Some(datagram)) if datagram.source == self.address => return, // woken for an order
            Ok(Some(_)) if self.loses(self.loss.1) => return,
            Ok(Some(Datagram { length, source, at })) => (length, source, at),
            Ok(None) => return self.give(Input::Timeout(self.clock.now())),
            Err(error) => {
                // A peer that is gone shows as "connection refused" of an earlier send.
                tracing::debug!(%error, "a datagram was not received");
                return self.give(Input::Timeout(self.clock.now()));
            }
        };
        let datagram = &buffer[..length];
        let before = self.arrived;
        let Ok(contents) = datagram.try_into() else { return };
        self.give(Input::Receive(
            at,
            Receive { proto: Protocol::Udp, source, destination: self.address, contents },
        ));
        if !is_rtp(datagram) {
            return;
        }
        self.drain();
        if self.peer != Some(source) {
            self.peer = Some(source);
            self.notes.add(move |facts| facts.peer = Some(source));
        }
        // str0m drops a packet that it has seen without a word.
        let seq = u16::from_be_bytes([datagram[2], datagram[3]]);
        if self.arrived == before && self.recent.contains(&seq) {
            self.notes.add(|facts| facts.duplicates += 1);
        }
    }

    fn give(&mut self, input: Input<'_>) {
        if !self.failed
            && let Err(error) = self.rtc.handle_input(input)
        {
            self.fail(&error);
        }
    }

    fn loses(&mut self, percent: u8) -> bool {
        percent > 0 && self.random.random_range(0..100u8) < percent
    }

    fn stop(&mut self) {
        let now = self.clock.now();
        self.notes.add(move |facts| {
            facts.over.get_or_insert(now);
        });
        self.notes.finish();
        match self.rtc.close() {
            Ok(()) => self.drain().map_or((), drop),
            Err(error) => tracing::debug!(%error, "closing"),
        }
    }
}

/// Takes a packet of sound into account.
fn heard(facts: &mut Facts, codec: Codec, rtp_time: u32, samples: &[i16]) {
    if let Some(recording) = facts.recording.as_mut().filter(|_| facts.is_recording) {
        recording.agent(rtp_time, samples);
    }
    facts.ear.extend(samples);
    let surplus = facts.ear.len().saturating_sub(RATE as usize);
    facts.ear.drain(..surplus);
    let name = format!("{codec:?}").to_uppercase();
    if facts.codec.as_ref() != Some(&name) {
        facts.codec = Some(name);
    }
}

/// Asks for a real-time priority: the customer stands for another machine, whose pace does not depend on how busy this
/// one is. It needs a right that not everybody has; without it the pace is as even as the machine allows.
fn hurry() {
    let policy = ThreadSchedulePolicy::Realtime(RealtimeThreadSchedulePolicy::RoundRobin);
    if let Err(error) = set_thread_priority_and_policy(thread_native_id(), ThreadPriority::Min, policy) {
        tracing::debug!(?error, "no real-time priority for the media thread");
    }
}

/// True for an RTP packet: version 2, and not in the range where RTCP lies when both share a port (RFC 5761).
fn is_rtp(datagram: &[u8]) -> bool {
    matches!(datagram, [first, second, ..] if datagram.len() >= 12 && first >> 6 == 2 && !(192..=223).contains(second))
}
