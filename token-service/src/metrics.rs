//! What is counted, in the text format of OpenMetrics, which Prometheus reads. No label comes from a client.

use std::{sync::Arc, time::Duration};

use prometheus_client::{
    encoding::EncodeLabelSet,
    metrics::{counter::Counter, family::Family, gauge::Gauge, histogram::Histogram},
    registry::{Registry, Unit},
};
use service_kit::metrics as kit;
use twilio::flex_token::{FlexTokenError, FlexUser, Unavailable};

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Outcome {
    outcome: &'static str,
}
#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct What {
    what: &'static str,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Asked {
    api: &'static str,
    outcome: &'static str,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Api {
    api: &'static str,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Role {
    role: &'static str,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Code {
    code: &'static str,
}

/// Everything that is counted.
pub struct Metrics {
    /// What every service counts.
    pub kit: Arc<kit::Metrics>,
    own: Own,
}

/// What this service counts beside that.
struct Own {
    minted: Counter,
    iam: Family<Outcome, Counter>,
    iam_duration: Histogram,
    remembered: Counter,
    breaker: Gauge,
    shared_limits_failed: Counter,
    history_reads: Family<What, Counter>,
    history_requests: Family<Asked, Counter>,
    history_durations: Family<Api, Histogram>,
    video_sessions: Family<Outcome, Counter>,
    video_joins: Family<Role, Counter>,
    video_refusals: Family<Code, Counter>,
    video_requests: Family<Asked, Counter>,
    video_durations: Family<Api, Histogram>,
}

impl Default for Metrics {
    fn default() -> Self {
        let own = Own {
            minted: Counter::default(),
            iam: Family::default(),
            iam_duration: kit::durations(),
            remembered: Counter::default(),
            breaker: Gauge::default(),
            shared_limits_failed: Counter::default(),
            history_reads: Family::default(),
            history_requests: Family::default(),
            history_durations: Family::new_with_constructor(kit::durations as fn() -> Histogram),
            video_sessions: Family::default(),
            video_joins: Family::default(),
            video_refusals: Family::default(),
            video_requests: Family::default(),
            video_durations: Family::new_with_constructor(kit::durations as fn() -> Histogram),
        };
        let register = |registry: &mut Registry| own.register(registry);
        let kit = kit::Metrics::new("token_service", env!("CARGO_PKG_VERSION"), register);
        Self { kit: Arc::new(kit), own }
    }
}

impl Own {
    fn register(&self, registry: &mut Registry) {
        registry.register("tokens_minted", "Voice tokens", self.minted.clone());
        registry.register(
            "iam_requests",
            "Questions to Twilio by outcome, and those that were not asked (not_asked)",
            self.iam.clone(),
        );
        let text = "Time that Twilio takes to answer";
        registry.register_with_unit("iam_request_duration", text, Unit::Seconds, self.iam_duration.clone());
        registry.register("remembered_answers", "Answers of Twilio used again", self.remembered.clone());
        registry.register(
            "iam_breaker_open",
            "1 while Twilio is not asked because it does not answer",
            self.breaker.clone(),
        );
        registry.register(
            "shared_limits_failures",
            "Times that Redis could not be asked, so that limits were this instance's own",
            self.shared_limits_failed.clone(),
        );
        registry.register(
            "history_reads",
            "What agents have read of earlier conversations (overview, messages, media)",
            self.history_reads.clone(),
        );
        registry.register(
            "history_requests",
            "Questions to Twilio for chat history by API and outcome, and those that were not asked (not_asked)",
            self.history_requests.clone(),
        );
        registry.register_with_unit(
            "history_request_duration",
            "Time that Twilio's APIs take to answer for chat history",
            Unit::Seconds,
            self.history_durations.clone(),
        );
        registry.register(
            "video_sessions",
            "Sessions of video that were opened (opened), and that ended, by why",
            self.video_sessions.clone(),
        );
        registry.register(
            "video_joins",
            "Taps on pages of video: who was let in (agent, customer, guest), and who has to wait (waiting)",
            self.video_joins.clone(),
        );
        registry.register(
            "video_refusals",
            "Requests for video that were refused, by code",
            self.video_refusals.clone(),
        );
        registry.register(
            "video_requests",
            "Questions to Twilio for video by API and outcome, and those that were not asked (not_asked)",
            self.video_requests.clone(),
        );
        registry.register_with_unit(
            "video_request_duration",
            "Time that Twilio's APIs take to answer for video",
            Unit::Seconds,
            self.video_durations.clone(),
        );
    }
}

impl Metrics {
    /// A token was minted.
    pub fn minted(&self) {
        self.own.minted.inc();
    }

    /// Twilio was asked.
    pub fn asked(&self, answer: &Result<FlexUser, FlexTokenError>, took: Duration) {
        let outcome = match answer {
            Ok(_) => "valid",
            Err(FlexTokenError::Invalid { .. }) => "invalid",
            Err(FlexTokenError::WrongAccount) => "wrong_account",
            Err(FlexTokenError::CredentialsRefused { .. }) => "credentials_refused",
            Err(FlexTokenError::Unavailable(why)) => unavailable(*why),
        };
        self.own.iam.get_or_create(&Outcome { outcome }).inc();
        self.own.iam_duration.observe(took.as_secs_f64());
    }

    /// Twilio was not asked.
    pub fn not_asked(&self) {
        self.own.iam.get_or_create(&Outcome { outcome: "not_asked" }).inc();
    }

    /// An answer was used again.
    pub fn remembered(&self) {
        self.own.remembered.inc();
    }

    /// The breaker is open or closed.
    pub fn breaker(&self, open: bool) {
        self.own.breaker.set(i64::from(open));
    }

    /// Somebody is limited, by `address` or `identity`.
    pub fn limited(&self, by: &'static str) {
        self.kit.limited(by);
    }

    /// Redis could not be asked.
    pub fn shared_limits_failed(&self) {
        self.own.shared_limits_failed.inc();
    }

    /// An agent has read something of an earlier conversation.
    pub fn history_read(&self, what: &'static str) {
        self.own.history_reads.get_or_create(&What { what }).inc();
    }

    /// One of Twilio's APIs was asked for chat history, or was not.
    pub fn history_asked(&self, api: &'static str, outcome: &'static str, took: Duration) {
        self.own.history_requests.get_or_create(&Asked { api, outcome }).inc();
        if outcome != "not_asked" {
            self.own.history_durations.get_or_create(&Api { api }).observe(took.as_secs_f64());
        }
    }

    /// A session of video was opened, or ended.
    pub fn video_session(&self, outcome: &'static str) {
        self.own.video_sessions.get_or_create(&Outcome { outcome }).inc();
    }

    /// Somebody was let in, or has to wait.
    pub fn video_joined(&self, role: &'static str) {
        self.own.video_joins.get_or_create(&Role { role }).inc();
    }

    /// A request for video was refused.
    pub fn video_refused(&self, code: &'static str) {
        self.own.video_refusals.get_or_create(&Code { code }).inc();
    }

    /// One of Twilio's APIs was asked for video, or was not.
    pub fn video_asked(&self, api: &'static str, outcome: &'static str, took: Duration) {
        self.own.video_requests.get_or_create(&Asked { api, outcome }).inc();
        if outcome != "not_asked" {
            self.own.video_durations.get_or_create(&Api { api }).observe(took.as_secs_f64());
        }
    }

    /// All counters.
    #[must_use]
    pub fn render(&self) -> String {
        self.kit.render()
    }
}

const fn unavailable(why: Unavailable) -> &'static str {
    match why {
        Unavailable::Connect => "connect",
        Unavailable::Transport => "transport",
        Unavailable::Timeout => "timeout",
        Unavailable::TooManyRequests { .. } => "too_many_requests",
        Unavailable::Status(_) => "status",
        Unavailable::TooLarge | Unavailable::NotUnderstood => "not_understood",
    }
}
