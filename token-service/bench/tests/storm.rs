//! After an outage every agent's extension wants a Voice token within the same minute, and Twilio answers only so many
//! questions a second. Nobody may be refused forever, nobody's token be asked about twice, and nothing may grow.
//!
//! Both sides are the real ones: the service's router with all its layers, and for each agent the worker's machine with
//! its rule for when to ask again. Between the service and Twilio's stand-in lies loopback. Only time is not real: it
//! moves on when everybody has done what there is to do.
#![expect(clippy::unwrap_used, reason = "a test's helpers may panic too")]
#![expect(clippy::print_stdout, reason = "what a storm was like is read by people")]

#[path = "../../../worker-wasm/tests/rig/mod.rs"]
mod rig;

use std::{
    cell::RefCell,
    collections::BTreeMap,
    net::{IpAddr, Ipv4Addr, SocketAddr},
    rc::Rc,
    sync::{
        Arc, Mutex,
        atomic::{AtomicU64, Ordering},
        mpsc,
    },
    time::Duration,
};

use axum::{
    Json, Router,
    body::{Body, to_bytes},
    extract::{ConnectInfo, State},
    http::{Request, StatusCode},
    response::{IntoResponse as _, Response},
    routing::post,
};
use clap::Parser as _;
use kernel::{Secret, Timestamp};
use rig::{PAGE, Rig};
use sansio::Machine as _;
use serde_json::{Value, json};
use service_kit::{
    Front,
    env::{Clock, SystemRandomness},
};
use token_service::{
    Config, Service,
    app::AppState,
    config::{API_KEY_SECRET, AUTH_TOKEN, Args},
    features::front,
};
use tokio::{
    net::TcpListener,
    task::{LocalSet, spawn_blocking, spawn_local, yield_now},
    time::{Instant, advance, sleep, sleep_until, timeout},
};
use twilio::flex_token;
use worker_wasm::machine::{Event, FetchOutcome};

const ORIGIN: &str = "chrome-extension://aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa";
/// How far time moves at once, when everybody waits for it.
const STEP: Duration = Duration::from_millis(50);
/// After which the extension's shell takes a request for lost.
const FETCH_TIMEOUT: Duration = Duration::from_secs(10);
/// How long Twilio thinks.
const IAM_DELAY: Duration = Duration::from_millis(40);
/// When the storm begins, by everybody's clock.
const BEGIN: u64 = 1_800_000_000_000;

/// Time since the storm began.
struct Virtual(Instant);

impl Clock for Virtual {
    fn now(&self) -> Timestamp {
        Timestamp::from_millis(BEGIN + millis(self.0.elapsed()))
    }
    fn elapsed(&self) -> Duration {
        self.0.elapsed()
    }
}

fn millis(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap()
}

/// Twilio's IAM, which says 429 from a certain number of questions in a second on.
struct Iam {
    per_second: u64,
    start: Instant,
    seen: Mutex<Seen>,
}

#[derive(Default)]
struct Seen {
    second: u64,
    in_second: u64,
    /// How often each token was vouched for.
    answered: BTreeMap<String, u32>,
    turned_away: u64,
    at_once: u64,
    most_at_once: u64,
}

impl Iam {
    /// Whether there is an answer for this token in this second.
    fn admits(&self, token: &str) -> bool {
        let mut seen = self.seen.lock().unwrap();
        let second = self.start.elapsed().as_secs();
        if seen.second != second {
            (seen.second, seen.in_second) = (second, 0);
        }
        seen.in_second += 1;
        if seen.in_second > self.per_second {
            seen.turned_away += 1;
            return false;
        }
        seen.at_once += 1;
        seen.most_at_once = seen.most_at_once.max(seen.at_once);
        *seen.answered.entry(token.to_owned()).or_default() += 1;
        true
    }
}

async fn validate(State(iam): State<Arc<Iam>>, Json(asked): Json<Value>) -> Response {
    progress();
    let token = asked["token"].as_str().unwrap().to_owned();
    if !iam.admits(&token) {
        return (StatusCode::TOO_MANY_REQUESTS, [("retry-after", "1")], "{}").into_response();
    }
    sleep(IAM_DELAY).await;
    iam.seen.lock().unwrap().at_once -= 1;
    progress();
    Json(json!({
        "valid": true,
        "expiration": "2099-01-01T00:00:00.000Z",
        "identity": token,
        "roles": ["agent"],
        "worker_sid": "WK33333333333333333333333333333333",
    }))
    .into_response()
}

/// Counts whatever happens: as long as it grows, time stands still.
static PROGRESS: AtomicU64 = AtomicU64::new(0);

fn progress() {
    PROGRESS.fetch_add(1, Ordering::Relaxed);
}

/// What became of an agent.
struct Outcome {
    asked: u32,
    after: Duration,
}

/// One agent's extension, from the moment when it wants a Voice token until it has one.
async fn agent(number: u32, at: Duration, start: Instant, service: Front) -> Outcome {
    let now = || Timestamp::from_millis(BEGIN + millis(start.elapsed()));
    sleep_until(start + at).await;
    let mut rig = Rig::configured();
    rig.now = now();
    rig.flex_token(PAGE, &format!("agent_{number:05}"), 8 * rig::HOUR);
    // The page is closed: its heartbeats are not what this is about, nor is that its agent counts as gone after a while.
    let policy = json!({ "signOutAfterMinutesWithoutPage": 1_440 });
    rig.happens(Event::PolicyChanged { policy: policy.into() });
    rig.closes(PAGE);
    let mut asked = 0;
    loop {
        if let Some((attempt, request)) = rig.request.take() {
            asked += 1;
            let question = question(number, request.bearer.as_ref(), &request.body);
            let outcome = match timeout(FETCH_TIMEOUT, service.answer(question)).await {
                Ok(answer) => understood(answer).await,
                Err(_elapsed) => FetchOutcome::TimedOut,
            };
            progress();
            if let FetchOutcome::Answer { status, body, .. } = &outcome {
                assert!([200, 503].contains(status), "agent {number}: {status} {}", body.expose());
            }
            let done = matches!(outcome, FetchOutcome::Answer { status: 200, .. });
            rig.now = now();
            rig.happens(Event::Fetched { attempt, outcome });
            if done {
                assert!(rig.device.is_some(), "agent {number} has a token and does not register");
                return Outcome { asked, after: start.elapsed() - at };
            }
        } else {
            let wake = rig.machine.poll_timeout().expect("a machine without a token wants to be woken");
            sleep(Duration::from_millis(wake.since(now()))).await;
            progress();
            rig.now = now();
            rig.wakes();
        }
        rig.take();
    }
}

/// What the worker's shell sends for the machine.
fn question(number: u32, bearer: Option<&Secret>, body: &Secret) -> Request<Body> {
    let mut question = Request::post("/v1/voice/token")
        .header("origin", ORIGIN)
        .header("authorization", format!("Bearer {}", bearer.map_or("", Secret::expose)))
        .header("content-type", "application/json")
        .body(Body::from(body.expose().to_owned()))
        .unwrap();
    let address = IpAddr::from(Ipv4Addr::from_bits(0x0a00_0000 + number));
    question.extensions_mut().insert(ConnectInfo(SocketAddr::from((address, 4711))));
    question
}

/// What the worker's shell makes of an answer.
async fn understood(answer: Response) -> FetchOutcome {
    let status = answer.status().as_u16();
    let retry_after =
        answer.headers().get("retry-after").and_then(|value| value.to_str().unwrap().parse().ok());
    let body = to_bytes(answer.into_body(), 64 * 1024).await.unwrap();
    FetchOutcome::Answer { status, body: Secret::new(String::from_utf8(body.to_vec()).unwrap()), retry_after }
}

fn service(iam: SocketAddr, start: Instant) -> Front {
    let url = format!("http://{iam}");
    let key = format!("SK{}", "2".repeat(32));
    let args = ["token-service", "--account-sid", rig::AC, "--api-key-sid", &key];
    let args = args.into_iter().chain(["--allowed-origin", ORIGIN, "--iam-base-url", &url]);
    let variable =
        |name: &str| [API_KEY_SECRET, AUTH_TOKEN].contains(&name).then(|| "secret".repeat(5).into());
    let config = Config::new(Args::parse_from(args), &variable).unwrap();
    let mut http = |base_url: &str| flex_token::http_client(base_url);
    let random = Arc::new(SystemRandomness::checked().unwrap());
    front(AppState::new(Service::new(config, &mut http, Arc::new(Virtual(start)), random).unwrap()))
}

/// Lets so many agents come within a minute, when Twilio answers so many a second.
async fn storm(agents: u32, per_second: u32) {
    // While a blocking task runs, tokio's stopped clock does not run ahead by itself.
    let (end, ended) = mpsc::channel::<()>();
    let clock_holder = spawn_blocking(move || ended.recv());
    let start = Instant::now();
    let iam = Arc::new(Iam { per_second: per_second.into(), start, seen: Mutex::default() });
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
    let address = listener.local_addr().unwrap();
    let stand_in = Router::new().fallback(post(validate)).with_state(Arc::clone(&iam));
    let server = tokio::spawn(axum::serve(listener, stand_in).into_future());

    let front = service(address, start);
    let outcomes = Rc::new(RefCell::new(Vec::new()));
    for number in 0..agents {
        let at = Duration::from_secs(60) * number / agents;
        let (front, outcomes) = (front.clone(), Rc::clone(&outcomes));
        spawn_local(async move {
            let outcome = agent(number, at, start, front).await;
            outcomes.borrow_mut().push(outcome);
        });
    }
    let count = usize::try_from(agents).unwrap();
    let at_best = Duration::from_secs(u64::from(agents / per_second));
    let limit = at_best * 2 + Duration::from_secs(180);
    while outcomes.borrow().len() < count && start.elapsed() < limit {
        let mut before = u64::MAX;
        while before != PROGRESS.load(Ordering::Relaxed) {
            before = PROGRESS.load(Ordering::Relaxed);
            for _ in 0..30 {
                yield_now().await;
            }
        }
        advance(STEP).await;
    }
    server.abort();
    drop(end);
    clock_holder.await.unwrap().unwrap_err();
    check(agents, at_best, start.elapsed(), &outcomes.borrow(), &iam.seen.lock().unwrap());
}

fn check(agents: u32, at_best: Duration, took: Duration, outcomes: &[Outcome], seen: &Seen) {
    let mut waits: Vec<u64> = outcomes.iter().map(|outcome| outcome.after.as_secs()).collect();
    waits.sort_unstable();
    let wait = |percent: usize| {
        waits.get(waits.len().saturating_sub(1) * percent / 100).copied().unwrap_or_default()
    };
    let asked: u32 = outcomes.iter().map(|outcome| outcome.asked).sum();
    let most = outcomes.iter().map(|outcome| outcome.asked).max().unwrap_or(0);
    let report = format!(
        "{} of {agents} agents have their token after {} s ({} s is what Twilio's pace allows); they waited {} s in \
         the middle, {} s for the slowest in a hundred, and asked {:.1} times on average, {most} times at most; Twilio \
         answered {} times, said {} times that it is too often, and had at most {} questions at once",
        outcomes.len(),
        took.as_secs(),
        at_best.as_secs(),
        wait(50),
        wait(99),
        f64::from(asked) / f64::from(agents),
        seen.answered.values().sum::<u32>(),
        seen.turned_away,
        seen.most_at_once,
    );
    println!("{report}");
    if let Some(megabytes) = most_memory() {
        println!("service, agents and Twilio together had at most {megabytes} MB");
    }
    assert_eq!(outcomes.len(), usize::try_from(agents).unwrap(), "everybody is served: {report}");
    assert_eq!(seen.answered.len(), outcomes.len());
    assert!(seen.answered.values().all(|times| *times == 1), "nobody is asked about twice: {report}");
    // Those that are on their way when Twilio says so for the first time in a second.
    assert!(seen.turned_away <= 64 * took.as_secs(), "few questions are in vain: {report}");
    assert!(seen.most_at_once <= 64, "{report}");
    assert!(asked <= 30 * agents, "{report}");
}

/// The most memory that this process ever had, where Linux says it. The service alone has less.
fn most_memory() -> Option<u64> {
    let status = std::fs::read_to_string("/proc/self/status").ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"))?;
    Some(line.trim().trim_end_matches(" kB").parse::<u64>().ok()? / 1024)
}

/// The same storm with a twentieth of the agents, and of the answers.
#[tokio::test(flavor = "current_thread", start_paused = true)]
async fn everybody_is_served_after_an_outage_at_twilios_pace_and_nobody_asked_about_twice() {
    LocalSet::new().run_until(storm(1_000, 3)).await;
}

#[tokio::test(flavor = "current_thread", start_paused = true)]
#[ignore = "takes a minute: cargo xtask bench storm"]
async fn twenty_thousand_agents_are_served_after_an_outage_at_fifty_answers_a_second() {
    LocalSet::new().run_until(storm(20_000, 50)).await;
}
