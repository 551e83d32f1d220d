//! The courier: carries out what the machine says, over HTTP.

use std::collections::{BTreeMap, VecDeque};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use kernel::Monotonic;
use reqwest::dns::{Addrs, Name, Resolve, Resolving};
use reqwest::redirect;
use sansio::Machine as _;
use tokio::sync::{broadcast, mpsc, oneshot};
use tokio::time::Instant;

use crate::callback::{Callback, Failure, Method, Outcome, Record, Reply};
use crate::fault::Fault;
use crate::machine::{CallbackId, Command, Event, Machine, Order};
use crate::request::{Request, Signer};
use crate::target::Targets;

/// How many lines of the log are kept.
const KEPT: usize = 1_000;
/// Largest answer that is read; Twilio's own limits are smaller.
const LONGEST_ANSWER_BYTES: usize = 1024 * 1024;

/// How a courier works.
#[derive(Clone, Debug)]
pub struct Config {
    /// What callbacks are signed with.
    pub signer: Signer,
    /// Which hosts stand for something on this machine.
    pub targets: Targets,
}

/// Sends callbacks. Clones are handles to the same one.
#[derive(Clone, Debug)]
pub struct Courier {
    inputs: mpsc::UnboundedSender<Input>,
    shared: Arc<Shared>,
}

#[derive(Debug)]
struct Shared {
    next: AtomicU64,
    records: Mutex<VecDeque<Record>>,
    finished: broadcast::Sender<Record>,
}

#[derive(Debug)]
enum Input {
    Happened(Event),
    /// The same, and somebody waits for its end.
    Asked(CallbackId, Event, oneshot::Sender<Outcome>),
    Faults(oneshot::Sender<BTreeMap<u64, Fault>>),
    RemoveFault(u64, oneshot::Sender<bool>),
    ClearFaults,
}

impl Courier {
    /// Starts one; it ends with its last handle.
    #[must_use]
    pub fn start(config: Config) -> Self {
        let (inputs, inbox) = mpsc::unbounded_channel();
        let shared = Arc::new(Shared {
            next: AtomicU64::new(1),
            records: Mutex::default(),
            finished: broadcast::channel(1024).0,
        });
        let machine = Machine::new(config.signer, config.targets);
        tokio::spawn(run(machine, inbox, inputs.downgrade(), Arc::clone(&shared)));
        Self { inputs, shared }
    }

    /// Tells behind what is in this queue already.
    pub fn post(&self, queue: &str, callback: Callback) {
        self.input(Input::Happened(self.send(self.number(), callback, Order::Queue(queue.to_owned()))));
    }

    /// Tells at once and waits for the answer.
    pub async fn ask(&self, callback: Callback) -> Outcome {
        let (reply, answer) = oneshot::channel();
        let id = self.number();
        self.input(Input::Asked(id, self.send(id, callback, Order::Ask), reply));
        answer.await.unwrap_or(Outcome::Lost)
    }

    /// From now on this happens to callbacks. The number is its handle.
    pub fn add_fault(&self, id: u64, fault: Fault) {
        self.input(Input::Happened(Event::AddFault(id, fault)));
    }

    /// A fault is over; false if there is no such.
    pub async fn remove_fault(&self, id: u64) -> bool {
        let (reply, answer) = oneshot::channel();
        self.input(Input::RemoveFault(id, reply));
        answer.await.unwrap_or_default()
    }

    /// All faults are over.
    pub fn clear_faults(&self) {
        self.input(Input::ClearFaults);
    }

    /// The faults that are not over, with what is left of each.
    pub async fn faults(&self) -> BTreeMap<u64, Fault> {
        let (reply, answer) = oneshot::channel();
        self.input(Input::Faults(reply));
        answer.await.unwrap_or_default()
    }

    /// Ends all faults and forgets what has not been sent.
    pub fn reset(&self) {
        self.input(Input::Happened(Event::Reset));
    }

    /// What was told to whom, the oldest first.
    #[must_use]
    pub fn records(&self) -> Vec<Record> {
        self.shared.records().iter().cloned().collect()
    }

    /// The same as it happens.
    #[must_use]
    pub fn subscribe(&self) -> broadcast::Receiver<Record> {
        self.shared.finished.subscribe()
    }

    fn number(&self) -> CallbackId {
        self.shared.next.fetch_add(1, Ordering::Relaxed)
    }

    fn send(&self, id: CallbackId, callback: Callback, order: Order) -> Event {
        let token = format!("{:032x}", rand::random::<u128>());
        Event::Send { id, callback, order, token }
    }

    fn input(&self, input: Input) {
        if self.inputs.send(input).is_err() {
            tracing::debug!("the courier has ended");
        }
    }
}

impl Shared {
    fn records(&self) -> MutexGuard<'_, VecDeque<Record>> {
        self.records.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn finished(&self, record: Record) {
        if record.outcome == "refused" {
            tracing::warn!(
                url = record.url,
                kind = record.kind,
                "a callback was not sent: the sandbox tells only servers on this machine (127.0.0.1, localhost)"
            );
        } else {
            tracing::info!(
                url = record.url,
                kind = record.kind,
                outcome = record.outcome,
                status = record.status,
                attempts = record.attempts,
                "callback"
            );
        }
        {
            let mut records = self.records();
            if records.len() == KEPT {
                records.pop_front();
            }
            records.push_back(record.clone());
        }
        // Nobody listening is fine.
        drop(self.finished.send(record));
    }
}

/// One task owns the machine, so that its commands are carried out in their order.
async fn run(
    mut machine: Machine,
    mut inbox: mpsc::UnboundedReceiver<Input>,
    inputs: mpsc::WeakUnboundedSender<Input>,
    shared: Arc<Shared>,
) {
    let started = Instant::now();
    let mut clients = Clients::default();
    let mut waiting = BTreeMap::<CallbackId, oneshot::Sender<Outcome>>::new();
    loop {
        let wake = machine.poll_timeout().map(|at| started + Duration::from_millis(at.as_millis()));
        let elapsed = async {
            match wake {
                Some(at) => tokio::time::sleep_until(at).await,
                None => std::future::pending().await,
            }
        };
        let input = tokio::select! {
            input = inbox.recv() => match input {
                Some(input) => Some(input),
                None => return,
            },
            () = elapsed => None,
        };
        let now = Monotonic::from_millis(u64::try_from(started.elapsed().as_millis()).unwrap_or(u64::MAX));
        let commands = match input {
            Some(Input::Happened(event)) => machine.handle(event, now),
            Some(Input::Asked(id, event, reply)) => {
                waiting.insert(id, reply);
                machine.handle(event, now)
            }
            // Whoever asked may have gone.
            Some(Input::Faults(reply)) => {
                drop(reply.send(machine.faults().clone()));
                Vec::new()
            }
            Some(Input::RemoveFault(id, reply)) => {
                if reply.send(machine.remove_fault(id)).is_err() {
                    tracing::debug!(id, "nobody waits to hear that a fault is over");
                }
                Vec::new()
            }
            Some(Input::ClearFaults) => {
                machine.clear_faults();
                Vec::new()
            }
            None => machine.handle_timeout(now),
        };
        for command in commands {
            match command {
                Command::Send(id, request) => {
                    let (sending, inputs) = (clients.send(request), inputs.clone());
                    tokio::spawn(async move {
                        let end = sending.await;
                        if let Some(inputs) = inputs.upgrade() {
                            drop(inputs.send(Input::Happened(Event::Ended(id, end))));
                        }
                    });
                }
                Command::SendDuplicate(request) => {
                    let sending = clients.send(request);
                    tokio::spawn(async move { drop(sending.await) });
                }
                Command::Finished(record, outcome) => {
                    // Whoever asked may have gone.
                    if let Some(reply) = waiting.remove(&record.id) {
                        drop(reply.send(outcome));
                    }
                    shared.finished(record);
                }
            }
        }
    }
}

/// One HTTP client for each connect timeout, which is a client's property.
#[derive(Default)]
struct Clients(BTreeMap<u64, reqwest::Client>);

impl Clients {
    fn send(&mut self, request: Request) -> impl Future<Output = Result<Reply, Failure>> + use<> {
        let client = match self.0.get(&request.connect_ms) {
            Some(client) => Some(client.clone()),
            None => client(request.connect_ms).inspect(|client| {
                self.0.insert(request.connect_ms, client.clone());
            }),
        };
        async move {
            match client {
                Some(client) => send(client, request).await,
                None => Err(Failure::Broken),
            }
        }
    }
}

/// Every name leads to this machine, whatever a resolver says: what is dialled is `localhost`, or below it.
struct Loopback;

impl Resolve for Loopback {
    fn resolve(&self, _name: Name) -> Resolving {
        let here = [IpAddr::from(Ipv4Addr::LOCALHOST), IpAddr::from(Ipv6Addr::LOCALHOST)];
        let addresses: Addrs = Box::new(here.into_iter().map(|address| SocketAddr::new(address, 0)));
        Box::pin(std::future::ready(Ok(addresses)))
    }
}

fn client(connect_ms: u64) -> Option<reqwest::Client> {
    let client = reqwest::Client::builder()
        .connect_timeout(Duration::from_millis(connect_ms))
        // A redirect could lead off this machine.
        .redirect(redirect::Policy::none())
        .no_proxy()
        .dns_resolver(Arc::new(Loopback))
        // Nobody vouches for a certificate of `localhost`, and nobody stands between this machine and itself.
        .tls_danger_accept_invalid_certs(true)
        .pool_max_idle_per_host(0)
        .build();
    client.inspect_err(|error| tracing::error!(%error, "no HTTP client for callbacks")).ok()
}

async fn send(client: reqwest::Client, request: Request) -> Result<Reply, Failure> {
    let method = match request.method {
        Method::Get => reqwest::Method::GET,
        Method::Post => reqwest::Method::POST,
    };
    let mut asked = client.request(method, request.url).timeout(Duration::from_millis(request.answer_ms));
    for (name, value) in request.headers {
        asked = asked.header(name, value);
    }
    let mut answer = asked.body(request.body).send().await.map_err(|error| failure(&error))?;
    let status = answer.status().as_u16();
    let content_type = answer.headers().get(reqwest::header::CONTENT_TYPE);
    let content_type = content_type.and_then(|value| value.to_str().ok()).map(str::to_owned);
    let mut body = Vec::new();
    while let Some(chunk) = answer.chunk().await.map_err(|error| failure(&error))? {
        if body.len() + chunk.len() > LONGEST_ANSWER_BYTES {
            return Err(Failure::Broken);
        }
        body.extend_from_slice(&chunk);
    }
    Ok(Reply { status, content_type, body })
}

fn failure(error: &reqwest::Error) -> Failure {
    if error.is_connect() {
        Failure::Connect
    } else if error.is_timeout() {
        Failure::Timeout
    } else {
        Failure::Broken
    }
}
