//! A client for tests: the signalling of the Voice SDK over a WebSocket, and a WebRTC peer that stands for the browser.

#![expect(clippy::unwrap_used, reason = "a helper of a test may panic, as the test itself may")]

use std::net::{Ipv4Addr, SocketAddr, UdpSocket};
use std::sync::mpsc;
use std::thread;
use std::time::{Duration, Instant};

use futures_util::{SinkExt as _, StreamExt as _};
use jsonwebtoken::{Algorithm, EncodingKey, Header, encode};
use kernel::{AccountSid, CallSid, Identity, Secret};
use sandbox_voice::{CallView, Config, NewCall, Voice, VoiceEvent, VoiceEventKind};
use serde_json::{Value, json};
use str0m::change::{SdpAnswer, SdpOffer, SdpPendingOffer};
use str0m::format::{Codec, FormatParams};
use str0m::media::{Direction, Frequency, MediaKind, MediaTime, Mid, TelephoneEvent};
use str0m::net::{Protocol, Receive};
use str0m::{Candidate, Event, Input, Output, Rtc, RtcConfig};
use tokio::net::TcpStream;
use tokio::sync::broadcast;
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::{MaybeTlsStream, WebSocketStream};
use twilio::{ApiKey, ApiKeySid};

const SECRET: &str = "only for tests";

/// Nothing in these tests takes longer, unless it hangs.
pub const SOON: Duration = Duration::from_secs(10);

fn account() -> AccountSid {
    AccountSid::new(format!("AC{}", "1".repeat(32))).unwrap()
}

fn key_sid() -> ApiKeySid {
    ApiKeySid::new(format!("SK{}", "2".repeat(32))).unwrap()
}

/// A gateway on a free port.
pub struct Gateway {
    pub voice: Voice,
    address: SocketAddr,
}

impl Gateway {
    pub async fn start() -> Self {
        let mut config = Config::new(account(), ApiKey::new(key_sid(), Secret::new(SECRET)));
        config.heartbeat_ms = 200;
        let voice = Voice::start(config);
        let listener = tokio::net::TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
        let address = listener.local_addr().unwrap();
        let router = voice.router();
        tokio::spawn(async move { axum::serve(listener, router).await.unwrap() });
        Self { voice, address }
    }

    /// A token of the identity that lives for this many seconds; negative: it has already ended.
    #[expect(clippy::disallowed_methods, reason = "tokens are judged by the wall clock")]
    pub fn token(&self, identity: &str, ttl: i64) -> String {
        let now =
            std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap().as_secs() as i64;
        let mut header = Header::new(Algorithm::HS256);
        header.cty = Some("twilio-fpa;v=1".into());
        let claims = json!({"jti": "x", "iss": key_sid().as_str(), "sub": account().as_str(), "iat": now + ttl.min(0) - 60,
            "exp": now + ttl, "grants": {"identity": identity, "voice": {"incoming": {"allow": true}}}});
        encode(&header, &claims, &EncodingKey::from_secret(SECRET.as_bytes())).unwrap()
    }

    pub async fn connect(&self) -> Socket {
        self.try_connect().await.unwrap()
    }

    /// A socket, or the HTTP status that came instead.
    pub async fn try_connect(&self) -> Result<Socket, u16> {
        match tokio_tungstenite::connect_async(format!("ws://{}/signal", self.address)).await {
            Ok((stream, _)) => Ok(Socket { stream, heartbeats: 0 }),
            Err(tokio_tungstenite::tungstenite::Error::Http(response)) => Err(response.status().as_u16()),
            Err(error) => panic!("{error}"),
        }
    }

    /// A socket whose token was accepted; it asks for calls to be kept for 30 s.
    pub async fn listen(&self, identity: &str) -> Socket {
        let mut socket = self.connect().await;
        socket.say("listen", json!({"token": self.token(identity, 3600), "reconnectTimeout": 30})).await;
        let connected = socket.hear("connected").await;
        assert_eq!(connected["token"]["identity"], identity);
        socket
    }

    /// A socket that takes calls.
    pub async fn register(&self, identity: &str) -> Socket {
        let mut socket = self.listen(identity).await;
        socket.say("register", json!({"media": {"audio": true}})).await;
        socket.hear("ready").await;
        socket
    }

    pub async fn call(&self, identity: &str) -> CallSid {
        self.voice.call(NewCall::new(Identity::new(identity).unwrap(), "+15550100")).await.unwrap()
    }

    /// Waits until a call is as wanted.
    pub async fn until(&self, call: &CallSid, what: &str, wanted: impl Fn(&CallView) -> bool) -> CallView {
        let began = tokio::time::Instant::now();
        loop {
            let view = self.voice.call_view(call).await.unwrap();
            if wanted(&view) {
                return view;
            }
            assert!(began.elapsed() < SOON, "{what}: {view:?}");
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    }
}

/// Waits for something to happen at a gateway.
pub async fn event(events: &mut broadcast::Receiver<VoiceEvent>, wanted: impl Fn(&VoiceEventKind) -> bool) {
    let came = async { while !wanted(&events.recv().await.unwrap().kind) {} };
    tokio::time::timeout(SOON, came).await.unwrap();
}

/// The signalling of one Device.
pub struct Socket {
    stream: WebSocketStream<MaybeTlsStream<TcpStream>>,
    pub heartbeats: u32,
}

impl Socket {
    pub async fn say(&mut self, kind: &str, payload: Value) {
        let text = json!({"type": kind, "version": "1.6", "payload": payload}).to_string();
        self.stream.send(Message::text(text)).await.unwrap();
    }

    /// The next message, which must be of this type. Heartbeats are counted and answered.
    pub async fn hear(&mut self, kind: &str) -> Value {
        let message =
            tokio::time::timeout(SOON, self.next()).await.unwrap_or_else(|_| panic!("no {kind} came"));
        let message = message.unwrap_or_else(|| panic!("the socket was closed instead of {kind}"));
        assert_eq!(message["type"], kind, "{message}");
        message["payload"].clone()
    }

    /// The next message, or `None` when the socket is gone.
    pub async fn next(&mut self) -> Option<Value> {
        loop {
            if let Some(message) = self.frame().await? {
                return Some(message);
            }
        }
    }

    /// The next frame: a message, or a heartbeat. `None` when the socket is gone.
    async fn frame(&mut self) -> Option<Option<Value>> {
        loop {
            match self.stream.next().await? {
                Ok(Message::Text(text)) if text.as_str() == "\n" => {
                    self.heartbeats += 1;
                    self.stream.send(Message::text("\n")).await.ok()?;
                    return Some(None);
                }
                Ok(Message::Text(text)) => return Some(Some(serde_json::from_str(&text).unwrap())),
                Ok(_) => {}
                Err(_) => return None,
            }
        }
    }

    /// True if nothing but heartbeats has come: what the gateway answers to now is the next message. It speaks in order.
    pub async fn is_quiet(&mut self) -> bool {
        let question = json!({"callsid": "CA0", "content": "", "voiceeventsid": "KX-quiet"});
        self.say("message", question).await;
        let answer = tokio::time::timeout(SOON, self.next()).await.unwrap().unwrap();
        answer["payload"]["voiceeventsid"] == "KX-quiet"
    }

    /// Waits for this many more heartbeats.
    pub async fn beats(&mut self, more: u32) {
        let wanted = self.heartbeats + more;
        let came = async {
            while self.heartbeats < wanted {
                let message = self.frame().await;
                assert_eq!(message, Some(None), "only heartbeats come");
            }
        };
        tokio::time::timeout(SOON, came).await.unwrap();
    }
}

enum Order {
    Answer(String, mpsc::Sender<()>),
    Offer(bool, mpsc::Sender<String>),
    Accept(String, mpsc::Sender<String>),
    Key(u8),
}

/// What the browser received.
#[derive(Clone, Debug, Default)]
pub struct Heard {
    pub packets: u64,
    pub keys: Vec<u8>,
    pub connected: bool,
}

/// A peer that behaves as Chromium's does for the SDK: it offers PCMU and telephone events without candidates, and
/// sends a frame every 20 ms. Dropping it closes the peer connection.
pub struct Browser {
    orders: mpsc::Sender<Order>,
    heard: std::sync::Arc<std::sync::Mutex<Heard>>,
}

impl Browser {
    pub fn new() -> Self {
        let (orders, inbox) = mpsc::channel();
        let heard = std::sync::Arc::new(std::sync::Mutex::new(Heard::default()));
        let shared = heard.clone();
        thread::spawn(move || Peer::new(shared).run(&inbox));
        Self { orders, heard }
    }

    pub fn offer(&self) -> String {
        self.ask(|reply| Order::Offer(false, reply))
    }

    pub fn ice_restart(&self) -> String {
        self.ask(|reply| Order::Offer(true, reply))
    }

    pub fn accept_offer(&self, sdp: &Value) -> String {
        self.ask(|reply| Order::Accept(sdp.as_str().unwrap().to_owned(), reply))
    }

    pub fn answer(&self, sdp: &Value) {
        self.ask(|reply| Order::Answer(sdp.as_str().unwrap().to_owned(), reply))
    }

    pub fn press(&self, key: u8) {
        self.orders.send(Order::Key(key)).unwrap();
    }

    pub fn heard(&self) -> Heard {
        self.heard.lock().unwrap().clone()
    }

    fn ask<T>(&self, order: impl FnOnce(mpsc::Sender<T>) -> Order) -> T {
        let (reply, answer) = mpsc::channel();
        self.orders.send(order(reply)).unwrap();
        answer.recv_timeout(SOON).unwrap()
    }
}

struct Peer {
    rtc: Rtc,
    socket: UdpSocket,
    pending: Option<SdpPendingOffer>,
    mid: Option<Mid>,
    next: Option<Instant>,
    frames: u64,
    last_key: Option<MediaTime>,
    heard: std::sync::Arc<std::sync::Mutex<Heard>>,
}

#[expect(clippy::disallowed_methods, reason = "this stands for a browser, with a clock of its own")]
impl Peer {
    fn new(heard: std::sync::Arc<std::sync::Mutex<Heard>>) -> Self {
        let socket = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
        let mut config = RtcConfig::new().clear_codecs().enable_pcmu(true, false);
        let tele = (126.into(), None, Codec::Tele, Frequency::EIGHT_KHZ, None, FormatParams::default());
        config.codec_config().add_config(tele.0, tele.1, tele.2, tele.3, tele.4, tele.5);
        let mut rtc = config.build(Instant::now());
        rtc.add_local_candidate(Candidate::host(socket.local_addr().unwrap(), "udp").unwrap());
        Self { rtc, socket, pending: None, mid: None, next: None, frames: 0, last_key: None, heard }
    }

    fn run(mut self, inbox: &mpsc::Receiver<Order>) {
        let mut buffer = [0; 2048];
        loop {
            loop {
                match inbox.try_recv() {
                    Ok(order) => self.obey(order),
                    Err(mpsc::TryRecvError::Empty) => break,
                    Err(mpsc::TryRecvError::Disconnected) => {
                        self.rtc.close().unwrap();
                        // Events may wait before the datagram that says goodbye.
                        loop {
                            match self.rtc.poll_output() {
                                Ok(Output::Transmit(datagram)) => {
                                    self.socket.send_to(&datagram.contents, datagram.destination).unwrap();
                                }
                                Ok(Output::Event(_)) => {}
                                Ok(Output::Timeout(_)) | Err(_) => return,
                            }
                        }
                    }
                }
            }
            let now = Instant::now();
            if self.next.is_some_and(|next| next <= now) {
                self.next = Some(now + Duration::from_millis(20));
                self.send(now);
            }
            let until = loop {
                match self.rtc.poll_output().unwrap() {
                    Output::Timeout(at) => break at,
                    Output::Transmit(datagram) => {
                        self.socket.send_to(&datagram.contents, datagram.destination).unwrap();
                    }
                    Output::Event(event) => self.event(event),
                }
            };
            let wait = until.min(self.next.unwrap_or(until)).saturating_duration_since(Instant::now());
            self.socket
                .set_read_timeout(Some(wait.clamp(Duration::from_millis(1), Duration::from_millis(5))))
                .unwrap();
            let input = match self.socket.recv_from(&mut buffer) {
                Ok((length, source)) => Input::Receive(
                    Instant::now(),
                    Receive {
                        proto: Protocol::Udp,
                        source,
                        destination: self.socket.local_addr().unwrap(),
                        contents: buffer[..length].try_into().unwrap(),
                    },
                ),
                Err(_) => Input::Timeout(Instant::now()),
            };
            self.rtc.handle_input(input).unwrap();
        }
    }

    fn obey(&mut self, order: Order) {
        match order {
            Order::Offer(restart, reply) => {
                let mut api = self.rtc.sdp_api();
                if restart {
                    api.ice_restart(true);
                } else {
                    self.mid = Some(api.add_media(MediaKind::Audio, Direction::SendRecv, None, None, None));
                }
                let (offer, pending) = api.apply().unwrap();
                self.pending = Some(pending);
                // Chromium's offer has no candidates: the gateway learns the address from the packets.
                let lines = offer.to_sdp_string();
                let bare =
                    lines.split_inclusive("\r\n").filter(|line| !line.starts_with("a=candidate")).collect();
                reply.send(bare).unwrap();
            }
            Order::Answer(sdp, reply) => {
                let answer = SdpAnswer::from_sdp_string(&sdp).unwrap();
                self.rtc.sdp_api().accept_answer(self.pending.take().unwrap(), answer).unwrap();
                reply.send(()).unwrap();
            }
            Order::Accept(sdp, reply) => {
                let offer = SdpOffer::from_sdp_string(&sdp).unwrap();
                reply.send(self.rtc.sdp_api().accept_offer(offer).unwrap().to_sdp_string()).unwrap();
            }
            Order::Key(event) => {
                let key =
                    TelephoneEvent { event, end: true, volume: 10, duration: Duration::from_millis(100) };
                let writer = self.rtc.writer(self.mid.unwrap()).unwrap();
                let pt = writer.payload_params().find(|p| p.spec().codec == Codec::PCMU).unwrap().pt();
                let time = MediaTime::new(self.frames * 160, Frequency::EIGHT_KHZ);
                writer.telephone_event(key).write(pt, Instant::now(), time, Vec::new()).unwrap();
                // No sound while the key is down.
                self.frames += 10;
                self.next = Some(Instant::now() + Duration::from_millis(200));
            }
        }
    }

    fn send(&mut self, now: Instant) {
        let Some(writer) = self.rtc.writer(self.mid.unwrap()) else { return };
        let pt = writer.payload_params().find(|p| p.spec().codec == Codec::PCMU).unwrap().pt();
        let time = MediaTime::new(self.frames * 160, Frequency::EIGHT_KHZ);
        // A square wave of 500 Hz.
        let frame: Vec<u8> = (0..160).map(|n| if n % 16 < 8 { 0x9f } else { 0x1f }).collect();
        writer.write(pt, now, time, frame).unwrap();
        self.frames += 1;
    }

    fn event(&mut self, event: Event) {
        match event {
            Event::Connected => {
                self.heard.lock().unwrap().connected = true;
                self.next = Some(Instant::now());
            }
            Event::MediaAdded(added) => self.mid = Some(added.mid),
            Event::MediaData(data) => {
                let mut heard = self.heard.lock().unwrap();
                match data.codec_extra {
                    str0m::format::CodecExtra::Tele(key) => {
                        if key.end && self.last_key.replace(data.time) != Some(data.time) {
                            heard.keys.push(key.event);
                        }
                    }
                    _ => heard.packets += 1,
                }
            }
            _ => {}
        }
    }
}

/// A call that a browser has taken: what every test about live calls begins with.
pub struct Live {
    pub gateway: Gateway,
    pub worker: Socket,
    pub offscreen: Socket,
    pub browser: Browser,
    pub call: CallSid,
    pub token: Value,
}

impl Live {
    pub async fn start() -> Self {
        let gateway = Gateway::start().await;
        let mut worker = gateway.register("alice").await;
        let mut offscreen = gateway.listen("alice").await;
        let call = gateway.call("alice").await;
        let invite = worker.hear("invite").await;
        assert_eq!(invite["callsid"], call.as_str());
        let browser = Browser::new();
        let offer = browser.offer();
        let take =
            json!({"callsid": call.as_str(), "reconnect": invite["reconnect"], "sdp": offer, "twilio": {}});
        offscreen.say("invite", take).await;
        let answer = offscreen.hear("answer").await;
        assert_ne!(answer["reconnect"], invite["reconnect"], "the token is replaced");
        browser.answer(&answer["sdp"]);
        assert_eq!(worker.hear("cancel").await["callsid"], call.as_str());
        gateway.until(&call, "packets both ways", |view| view.agent_to_customer.packets > 5).await;
        Self { gateway, worker, offscreen, browser, call, token: answer["reconnect"].clone() }
    }

    /// Waits until this many more packets have come from the agent and gone to the agent.
    pub async fn packets(&self, more: u64) {
        let now = self.gateway.voice.call_view(&self.call).await.unwrap();
        let (from, to) = (now.agent_to_customer.packets + more, now.customer_to_agent.packets + more);
        let both =
            |view: &CallView| view.agent_to_customer.packets >= from && view.customer_to_agent.packets >= to;
        self.gateway.until(&self.call, "more packets", both).await;
    }

    /// Waits until the browser has heard what is wanted.
    pub async fn until_heard(&self, what: &str, wanted: impl Fn(&Heard) -> bool) -> Heard {
        self.gateway.until(&self.call, what, |_| wanted(&self.browser.heard())).await;
        self.browser.heard()
    }
}
