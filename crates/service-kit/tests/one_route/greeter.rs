//! A whole service of one route: what must be written for it, and all that must.

use std::{collections::BTreeMap, sync::Arc, time::Duration};

use axum::{
    Extension, Json, Router,
    extract::{Path, State},
    http::StatusCode,
    response::{IntoResponse, Response},
    routing::get,
};
use serde_json::{Value, json};
use service_kit::{
    Feature, Front, Kind, Problem,
    client::ClientAddress,
    concurrency_limit::{ConcurrencyLimit, Failure},
    docs::About,
    env::{Clock, Env, Random},
    limits::{Limiter, Rate, Wait},
    metrics::Metrics,
    server::Serving,
    server_settings::{ServerSettings, TlsFiles},
    settings::{ConfigErrors, Habits, Section, Source},
};
use tokio::sync::Semaphore;
use utoipa::OpenApi;

/// Where greetings are.
const PATH: &str = "/v1/greetings/{name}";

const BAD_NAME: Kind = kind("bad_name", StatusCode::BAD_REQUEST, "Nobody is called so", false);
const RATE_LIMITED: Kind = kind("rate_limited", StatusCode::TOO_MANY_REQUESTS, "Too many requests", true);
const UNAVAILABLE: Kind = kind("unavailable", StatusCode::SERVICE_UNAVAILABLE, "Too much to do", true);
const INTERNAL: Kind = kind("internal", StatusCode::INTERNAL_SERVER_ERROR, "The service failed", true);

const fn kind(code: &'static str, status: StatusCode, title: &'static str, is_retryable: bool) -> Kind {
    Kind { code, status, title, is_retryable }
}

/// The settings, checked.
#[derive(Debug)]
pub struct Config {
    pub server: ServerSettings,
    pub greeting: String,
    pub password: Option<kernel::Secret>,
}

impl Config {
    /// Of a file's text and the environment; every mistake is told.
    pub fn new(file: &str, variables: &[(&str, &str)]) -> Result<Self, ConfigErrors> {
        let habits = Habits {
            flags: &[],
            is_no_secret: |text| text == "password",
            secret: "secret (1 to 256 visible characters, not that one)",
        };
        let variable = |name: &str| Some(variables.iter().find(|(known, _)| *known == name)?.1.into());
        let source = Source::new(BTreeMap::new(), file.parse().unwrap(), &variable, habits);
        let whole = Section::whole(&source);
        let config = Self {
            server: ServerSettings::read(&whole, [8000, 8001], TlsFiles::read(&whole), false),
            greeting: whole
                .text("greeting", "greeting (a word)", |text| {
                    text.chars().all(char::is_alphabetic).then(|| text.to_owned())
                })
                .unwrap_or_else(|| "hello".into()),
            password: whole.secret_of_environment("GREETER_PASSWORD", false),
        };
        let errors = source.into_errors();
        if errors.is_empty() { Ok(config) } else { Err(ConfigErrors(errors)) }
    }
}

/// What the route needs. A greeting waits until it may be given.
pub struct Greeter {
    greeting: String,
    in_flight: ConcurrencyLimit,
    limit: Limiter<std::net::IpAddr>,
    may: Arc<Semaphore>,
}

/// What can go wrong.
enum RouteError {
    BadName,
    TooOften(Wait),
    Bounds(Failure),
}

impl IntoResponse for RouteError {
    fn into_response(self) -> Response {
        match self {
            Self::BadName => Problem::new(BAD_NAME, "no letter in it").hiding("that is no name"),
            Self::TooOften(wait) => Problem::new(RATE_LIMITED, "too many greetings").limited("address", wait),
            Self::Bounds(failure @ Failure::Panicked) => Problem::new(INTERNAL, failure).retry_after(2),
            Self::Bounds(failure) => Problem::new(UNAVAILABLE, failure).retry_after(2),
        }
        .into_response()
    }
}

/// Greets
#[utoipa::path(get, path = PATH, params(("name" = String, Path, description = "Whom")),
    responses((status = 200, description = "The greeting"),
        (status = 400, description = "bad_name", body = service_kit::problem::ProblemBody)))]
async fn greet(
    State(greeter): State<Arc<Greeter>>,
    Extension(ClientAddress(client)): Extension<ClientAddress>,
    Path(name): Path<String>,
) -> Result<Json<Value>, RouteError> {
    if !name.contains(char::is_alphabetic) {
        return Err(RouteError::BadName);
    }
    greeter.limit.check(&client).map_err(RouteError::TooOften)?;
    let answer = async {
        assert!(name != "nemo", "canary");
        greeter.may.acquire().await.unwrap().forget();
        json!({ "greeting": format!("{}, {name}", greeter.greeting) })
    };
    greeter.in_flight.run(answer).await.map(Json).map_err(RouteError::Bounds)
}

#[derive(OpenApi)]
#[openapi(paths(greet))]
struct Document;

#[derive(OpenApi)]
#[openapi(info(title = "Greeter", version = "1.0.0"))]
struct Whole;

/// The service, to be run; a greeting is given for each permit of `may`.
pub fn serving(
    config: &Config,
    clock: Arc<dyn Clock>,
    random: Arc<dyn Random>,
    may: Arc<Semaphore>,
) -> Serving {
    let metrics = Arc::new(Metrics::new("greeter", "1.0.0", |_none_of_its_own| {}));
    let rate = Rate { per_minute: 60.try_into().unwrap(), burst: 5.try_into().unwrap() };
    let greeter = Arc::new(Greeter {
        greeting: config.greeting.clone(),
        in_flight: ConcurrencyLimit::new(config.server.max_in_flight, Duration::from_secs(60)),
        limit: Limiter::new(rate, Arc::clone(&clock)),
        may,
    });
    let routes = Router::new().route(PATH, get(greet)).with_state(Arc::clone(&greeter));
    let features = vec![Feature::new(&[PATH], routes, Document::openapi)];
    let problems = vec![BAD_NAME, RATE_LIMITED, UNAVAILABLE, INTERNAL];
    let about = About { document: Whole::openapi, problems, too_often: RATE_LIMITED };
    Serving {
        front: Front::new(Env { clock, random }, Arc::clone(&metrics), &config.server, about, features),
        admin: Router::new(),
        metrics,
        housekeeping: Box::new(move || greeter.limit.forget_old()),
    }
}
