//! The command line and the variables that stand for its flags.

use std::{collections::BTreeMap, path::PathBuf};

use clap::{Parser, ValueEnum};

use service_kit::settings::Given;

use crate::revocations::MAX_MINUTES;

/// What to do.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub enum Action {
    /// Serve.
    #[default]
    Serve,
    /// Check the settings and every file that they name, print them without secrets, and stop.
    Check,
    /// Ask the real endpoints, and say line by line what an administrator still has to do.
    Doctor,
    /// Tell the running service to give --identity or --worker-sid no token any more, for --minutes.
    Revoke,
    /// Tell the running service to let --identity or --worker-sid in again.
    Restore,
    /// Ask the running service who is shut out.
    Revocations,
}

/// Exchanges Flex tokens for Voice tokens.
///
/// One account by flags and variables, or several by a file. Secrets are never flags: TWILIO_API_KEY_SECRET,
/// TWILIO_API_KEY_SECRET_2, TWILIO_HISTORY_API_KEY_SECRET, TWILIO_VIDEO_API_KEY_SECRET, TWILIO_AUTH_TOKEN, TOKEN_SERVICE_REDIS_URL and
/// TOKEN_SERVICE_OPERATOR_TOKEN are variables; with _FILE appended to the name, they name a file with the secret.
#[derive(Debug, Parser)]
#[command(name = "token-service", version)]
pub struct Args {
    /// What to do.
    #[arg(value_enum, default_value_t)]
    pub(super) action: Action,
    /// A file with settings in TOML. Flags and variables go before it.
    #[arg(long, env = "TOKEN_SERVICE_CONFIG", value_name = "FILE")]
    pub(super) config: Option<PathBuf>,

    /// The Twilio account: AC and 32 hexadecimal digits.
    #[arg(long, env = "TWILIO_ACCOUNT_SID", value_name = "AC…")]
    account_sid: Option<String>,
    /// The API key that signs Voice tokens: SK and 32 hexadecimal digits.
    #[arg(long, env = "TWILIO_API_KEY_SID", value_name = "SK…")]
    api_key_sid: Option<String>,
    /// Another API key, which is used when Twilio does not take the first any more.
    #[arg(long, env = "TWILIO_API_KEY_SID_2", value_name = "SK…")]
    api_key_sid_2: Option<String>,
    /// What authenticates to Twilio: token (the account's auth token) or key (an API key). Without it, the token if
    /// there is one.
    #[arg(long, env = "TOKEN_SERVICE_AUTH", value_name = "token|key")]
    auth: Option<String>,
    /// The region of account and key, as au1 [default: us1].
    #[arg(long, env = "TWILIO_REGION")]
    region: Option<String>,
    /// Where Voice clients connect, as dublin [default: roaming; for ie1 dublin, for au1 sydney].
    #[arg(long, env = "TWILIO_EDGE")]
    edge: Option<String>,
    /// The TaskRouter workspace, for --history and --video, which need it, and for `doctor`; without it, the one that Flex uses.
    #[arg(long, env = "TWILIO_WORKSPACE_SID", value_name = "WS…")]
    workspace_sid: Option<String>,
    /// Where Flex tokens are validated: https, or http on this machine [default: https://iam.twilio.com].
    #[arg(long, env = "TOKEN_SERVICE_IAM_BASE_URL", value_name = "URL")]
    iam_base_url: Option<String>,
    /// Where --history, --video and `doctor` find TaskRouter [default: https://taskrouter.twilio.com].
    #[arg(long, env = "TOKEN_SERVICE_TASKROUTER_BASE_URL", value_name = "URL")]
    taskrouter_base_url: Option<String>,
    /// Where `doctor` finds Flex's own configuration [default: https://flex-api.twilio.com].
    #[arg(long, env = "TOKEN_SERVICE_FLEX_API_BASE_URL", value_name = "URL")]
    flex_api_base_url: Option<String>,
    /// Where the extension finds this service, for `doctor`.
    #[arg(long, env = "TOKEN_SERVICE_PUBLIC_URL", value_name = "URL")]
    public_url: Option<String>,

    /// Put before the agent's own identity [default: ext_].
    #[arg(long, env = "TOKEN_SERVICE_IDENTITY_PREFIX")]
    identity_prefix: Option<String>,
    /// A Flex role that may have a voice client. Repeat it, or separate several by commas [default:
    /// agent,supervisor,admin].
    #[arg(long = "allowed-role", env = "TOKEN_SERVICE_ALLOWED_ROLES", value_delimiter = ',')]
    allowed_roles: Option<Vec<String>>,
    /// The longest life of a Voice token in seconds, 60 to 86399 [default: 900].
    #[arg(long, env = "TOKEN_SERVICE_TTL_SECONDS")]
    ttl_seconds: Option<String>,
    /// Let Voice tokens live as long as configured, also beyond the Flex token's end.
    #[arg(long, env = "TOKEN_SERVICE_OUTLIVE_FLEX_TOKEN", num_args = 0..=1, default_missing_value = "true",
          require_equals = true, value_name = "true|false")]
    outlive_flex_token: Option<String>,
    /// How long Twilio's answer about a Flex token is remembered, in seconds, 0 to 60. A revoked token is taken for
    /// that much longer [default: 30].
    #[arg(long, env = "TOKEN_SERVICE_VALIDATION_CACHE_SECONDS")]
    validation_cache_seconds: Option<String>,

    /// A web origin that may ask, as `chrome-extension://ID`. Repeat it, or separate several by commas.
    #[arg(long = "allowed-origin", env = "TOKEN_SERVICE_ALLOWED_ORIGINS", value_delimiter = ',')]
    allowed_origins: Option<Vec<String>>,
    /// Also serve requests without an Origin header. A browser's POST always has one.
    #[arg(long, env = "TOKEN_SERVICE_ALLOW_MISSING_ORIGIN", num_args = 0..=1, default_missing_value = "true",
          require_equals = true, value_name = "true|false")]
    allow_missing_origin: Option<String>,
    /// Also serve /generateToken for the older extension. It carries the Flex token in the URL.
    #[arg(long, env = "TOKEN_SERVICE_LEGACY_GENERATE_TOKEN", num_args = 0..=1, default_missing_value = "true",
          require_equals = true, value_name = "true|false")]
    legacy_generate_token: Option<String>,
    /// Tell browsers to use TLS for every host below this one too (HSTS with includeSubDomains). Only where all of them are yours.
    #[arg(long, env = "TOKEN_SERVICE_HSTS_INCLUDE_SUBDOMAINS", num_args = 0..=1, default_missing_value = "true",
          require_equals = true, value_name = "true|false")]
    hsts_include_subdomains: Option<String>,
    /// A directory with updates.xml and packages (.crx), served under /extension/.
    #[arg(long, env = "TOKEN_SERVICE_EXTENSION_DIR", value_name = "DIRECTORY")]
    extension_dir: Option<String>,

    /// Let agents read, by a task that they have, the conversations that came before it (/v1/history). Needs
    /// --history-api-key-sid, TWILIO_HISTORY_API_KEY_SECRET and --workspace-sid.
    #[arg(long, env = "TOKEN_SERVICE_HISTORY", num_args = 0..=1, default_missing_value = "true",
          require_equals = true, value_name = "true|false")]
    history: Option<String>,
    /// The API key that chat history is read with, and nothing else: SK and 32 hexadecimal digits.
    #[arg(long, env = "TWILIO_HISTORY_API_KEY_SID", value_name = "SK…")]
    history_api_key_sid: Option<String>,
    /// The service of Conversations; without it, the account's default one.
    #[arg(long, env = "TWILIO_CHAT_SERVICE_SID", value_name = "IS…")]
    history_chat_service_sid: Option<String>,
    /// A web origin that may ask for history. Repeat it, or separate several by commas [default: https://flex.twilio.com].
    #[arg(
        long = "history-allowed-origin",
        env = "TOKEN_SERVICE_HISTORY_ALLOWED_ORIGINS",
        value_delimiter = ','
    )]
    history_allowed_origins: Option<Vec<String>>,
    /// Also let them read all other conversations of the task's customer, by their number or identity.
    #[arg(long, env = "TOKEN_SERVICE_HISTORY_CUSTOMER_CONVERSATIONS", num_args = 0..=1, default_missing_value = "true",
          require_equals = true, value_name = "true|false")]
    history_customer_conversations: Option<String>,
    /// Take a source for named only if a customer of the task's own conversation is in it, and the agent in the latter.
    #[arg(long, env = "TOKEN_SERVICE_HISTORY_SAME_CUSTOMER_ONLY", num_args = 0..=1, default_missing_value = "true",
          require_equals = true, value_name = "true|false")]
    history_same_customer_only: Option<String>,
    /// Hide messages that are older than so many days, 1 to 36500 [default: none is hidden].
    #[arg(long, env = "TOKEN_SERVICE_HISTORY_RETENTION_DAYS", value_name = "DAYS")]
    history_retention_days: Option<String>,
    /// Requests for history a minute of one worker, and at once [default: 600].
    #[arg(long, env = "TOKEN_SERVICE_HISTORY_REQUESTS_PER_MINUTE")]
    history_requests_per_minute: Option<String>,
    /// Where Conversations is [default: https://conversations.twilio.com].
    #[arg(long, env = "TOKEN_SERVICE_HISTORY_CONVERSATIONS_BASE_URL", value_name = "URL")]
    history_conversations_base_url: Option<String>,
    /// Where the files of messages are [default: https://mcs.us1.twilio.com].
    #[arg(long, env = "TOKEN_SERVICE_HISTORY_MEDIA_BASE_URL", value_name = "URL")]
    history_media_base_url: Option<String>,

    /// Let agents go on face to face with the customer of a task (/v1/video, and the page under /v/). Needs --video-api-key-sid,
    /// TWILIO_VIDEO_API_KEY_SECRET, --workspace-sid and --video-public-origin.
    #[arg(long, env = "TOKEN_SERVICE_VIDEO", num_args = 0..=1, default_missing_value = "true",
          require_equals = true, value_name = "true|false")]
    video: Option<String>,
    /// The API key that makes rooms and signs their tokens, and nothing else: SK and 32 hexadecimal digits.
    #[arg(long, env = "TWILIO_VIDEO_API_KEY_SID", value_name = "SK…")]
    video_api_key_sid: Option<String>,
    /// What the links that customers get begin with, and where Twilio's callbacks come: where browsers find this service, as
    /// https://video.example.com; http on this machine.
    #[arg(long, env = "TOKEN_SERVICE_VIDEO_PUBLIC_ORIGIN", value_name = "ORIGIN")]
    video_public_origin: Option<String>,
    /// The directory with the page's files; without it, no page is served.
    #[arg(long, env = "TOKEN_SERVICE_VIDEO_PAGE_DIR", value_name = "DIRECTORY")]
    video_page_dir: Option<String>,
    /// A web origin of Flex that may open video. Repeat it, or separate several by commas [default: https://flex.twilio.com].
    #[arg(long = "video-allowed-origin", env = "TOKEN_SERVICE_VIDEO_ALLOWED_ORIGINS", value_delimiter = ',')]
    video_allowed_origins: Option<Vec<String>>,
    /// An extension whose window shows agents the page, as `chrome-extension://ID`. Repeat it, or separate several by commas [default:
    /// those of --allowed-origin].
    #[arg(
        long = "video-extension-origin",
        env = "TOKEN_SERVICE_VIDEO_EXTENSION_ORIGINS",
        value_delimiter = ','
    )]
    video_extension_origins: Option<Vec<String>>,
    /// What the organisation calls itself, shown to customers: 1 to 64 characters.
    #[arg(long, env = "TOKEN_SERVICE_VIDEO_ORGANISATION", value_name = "NAME")]
    video_organisation: Option<String>,
    /// How many an agent may let in beside the customer, 0 to 48 [default: 0].
    #[arg(long, env = "TOKEN_SERVICE_VIDEO_MAX_GUESTS")]
    video_max_guests: Option<String>,
    /// The longest that agent and customer may be together, in minutes, 10 to 1380 [default: 240].
    #[arg(long, env = "TOKEN_SERVICE_VIDEO_MAX_MINUTES")]
    video_max_minutes: Option<String>,
    /// Record nothing (off), or everything once everybody in the room has agreed (ask) [default: off].
    #[arg(long, env = "TOKEN_SERVICE_VIDEO_RECORDING", value_name = "off|ask")]
    video_recording: Option<String>,
    /// Have every customer wait until the agent lets them in.
    #[arg(long, env = "TOKEN_SERVICE_VIDEO_KNOCK", num_args = 0..=1, default_missing_value = "true",
          require_equals = true, value_name = "true|false")]
    video_knock: Option<String>,
    /// Where signalling goes: gll (the nearest), au1, br1, de1, ie1, in1, jp1, sg1, us1 or us2 [default: gll].
    #[arg(long, env = "TOKEN_SERVICE_VIDEO_REGION")]
    video_region: Option<String>,
    /// The number that links are sent from by text message, for tasks without a chat [default: none is sent].
    #[arg(long, env = "TOKEN_SERVICE_VIDEO_TEXT_FROM", value_name = "+…")]
    video_text_from: Option<String>,
    /// Requests about video a minute of one worker, and at once [default: 300].
    #[arg(long, env = "TOKEN_SERVICE_VIDEO_REQUESTS_PER_MINUTE")]
    video_requests_per_minute: Option<String>,
    /// Where rooms of Video are made [default: https://video.twilio.com].
    #[arg(long, env = "TOKEN_SERVICE_VIDEO_BASE_URL", value_name = "URL")]
    video_base_url: Option<String>,
    /// Where text messages are sent by [default: https://api.twilio.com].
    #[arg(long, env = "TOKEN_SERVICE_MESSAGES_BASE_URL", value_name = "URL")]
    messages_base_url: Option<String>,

    /// The address to listen on [default: 127.0.0.1].
    #[arg(long, env = "TOKEN_SERVICE_HOST")]
    host: Option<String>,
    /// The port to listen on; 0 takes a free one [default: 8787].
    #[arg(long, env = "TOKEN_SERVICE_PORT")]
    port: Option<String>,
    /// The address for /live, /ready and /metrics. Keep it private [default: 127.0.0.1].
    #[arg(long, env = "TOKEN_SERVICE_ADMIN_HOST")]
    admin_host: Option<String>,
    /// The port for /live, /ready and /metrics; 0 takes a free one [default: 8788].
    #[arg(long, env = "TOKEN_SERVICE_ADMIN_PORT")]
    admin_port: Option<String>,
    /// A file with the certificate chain in PEM: listen in TLS. Read again when it changes.
    #[arg(long, env = "TOKEN_SERVICE_TLS_CERTIFICATE", value_name = "FILE")]
    tls_certificate: Option<String>,
    /// A file with the certificate's private key in PEM.
    #[arg(long, env = "TOKEN_SERVICE_TLS_KEY", value_name = "FILE")]
    tls_key: Option<String>,
    /// An address or network whose X-Forwarded-For is believed. Repeat it, or separate several by commas.
    #[arg(long = "trusted-proxy", env = "TOKEN_SERVICE_TRUSTED_PROXIES", value_delimiter = ',')]
    trusted_proxies: Option<Vec<String>>,

    /// Refused Flex tokens a minute from one client address; twice as many at once [default: 10].
    #[arg(long, env = "TOKEN_SERVICE_FAILURES_PER_MINUTE")]
    failures_per_minute: Option<String>,
    /// Voice tokens a minute for one identity, and at once [default: 30].
    #[arg(long, env = "TOKEN_SERVICE_MINTS_PER_MINUTE")]
    mints_per_minute: Option<String>,
    /// Requests in progress at once; more are answered 503 [default: 512].
    #[arg(long, env = "TOKEN_SERVICE_MAX_IN_FLIGHT")]
    max_in_flight: Option<String>,
    /// Connections open at once; more wait to be accepted [default: 2048].
    #[arg(long, env = "TOKEN_SERVICE_MAX_CONNECTIONS")]
    max_connections: Option<String>,
    /// How much of --max-connections, and of --max-in-flight for requests that are still arriving, one client address may
    /// have, in percent, and always 8. A trusted proxy's own address is not bounded [default: 25].
    #[arg(long, env = "TOKEN_SERVICE_ADDRESS_SHARE", value_name = "PERCENT")]
    address_share: Option<String>,

    /// For `revoke` and `restore`: the voice client's identity, as the log has it.
    #[arg(long, value_name = "ext_…")]
    pub(super) identity: Option<String>,
    /// For `revoke` and `restore`: the TaskRouter worker.
    #[arg(long, value_name = "WK…", conflicts_with = "identity")]
    pub(super) worker_sid: Option<String>,
    /// For `revoke`: for how long, 1 to 43200 [default: 1440, a day].
    #[arg(long, value_parser = clap::value_parser!(u32).range(1..=i64::from(MAX_MINUTES)))]
    pub(super) minutes: Option<u32>,

    /// What is logged, to stderr, as JSON lines: error, warn, info, debug, or a tracing filter [default: info].
    #[arg(long, env = "TOKEN_SERVICE_LOG")]
    log: Option<String>,
    /// Stop when standard input is closed, so that the service never outlives what started it.
    #[arg(long)]
    pub(super) exit_with_stdin: bool,
}

impl Args {
    /// What to do.
    #[must_use]
    pub const fn action(&self) -> Action {
        self.action
    }

    /// True when it is said who is meant, or for how long.
    pub(super) const fn says_who(&self) -> bool {
        self.identity.is_some() || self.worker_sid.is_some() || self.minutes.is_some()
    }

    /// What was given, by the names that the settings have in a file.
    pub(super) fn given(self) -> BTreeMap<&'static str, Given> {
        let texts = [
            ("account_sid", self.account_sid),
            ("api_key_sid", self.api_key_sid),
            ("api_key_sid_2", self.api_key_sid_2),
            ("auth", self.auth),
            ("region", self.region),
            ("edge", self.edge),
            ("workspace_sid", self.workspace_sid),
            ("iam_base_url", self.iam_base_url),
            ("taskrouter_base_url", self.taskrouter_base_url),
            ("flex_api_base_url", self.flex_api_base_url),
            ("public_url", self.public_url),
            ("identity_prefix", self.identity_prefix),
            ("ttl_seconds", self.ttl_seconds),
            ("outlive_flex_token", self.outlive_flex_token),
            ("validation_cache_seconds", self.validation_cache_seconds),
            ("allow_missing_origin", self.allow_missing_origin),
            ("legacy_generate_token", self.legacy_generate_token),
            ("hsts_include_subdomains", self.hsts_include_subdomains),
            ("extension_dir", self.extension_dir),
            ("history", self.history),
            ("history_api_key_sid", self.history_api_key_sid),
            ("history_chat_service_sid", self.history_chat_service_sid),
            ("history_customer_conversations", self.history_customer_conversations),
            ("history_same_customer_only", self.history_same_customer_only),
            ("history_retention_days", self.history_retention_days),
            ("history_requests_per_minute", self.history_requests_per_minute),
            ("history_conversations_base_url", self.history_conversations_base_url),
            ("history_media_base_url", self.history_media_base_url),
            ("video", self.video),
            ("video_api_key_sid", self.video_api_key_sid),
            ("video_public_origin", self.video_public_origin),
            ("video_page_dir", self.video_page_dir),
            ("video_organisation", self.video_organisation),
            ("video_max_guests", self.video_max_guests),
            ("video_max_minutes", self.video_max_minutes),
            ("video_recording", self.video_recording),
            ("video_knock", self.video_knock),
            ("video_region", self.video_region),
            ("video_text_from", self.video_text_from),
            ("video_requests_per_minute", self.video_requests_per_minute),
            ("video_base_url", self.video_base_url),
            ("messages_base_url", self.messages_base_url),
            ("host", self.host),
            ("port", self.port),
            ("admin_host", self.admin_host),
            ("admin_port", self.admin_port),
            ("tls_certificate", self.tls_certificate),
            ("tls_key", self.tls_key),
            ("failures_per_minute", self.failures_per_minute),
            ("mints_per_minute", self.mints_per_minute),
            ("max_in_flight", self.max_in_flight),
            ("max_connections", self.max_connections),
            ("address_share", self.address_share),
            ("log", self.log),
        ];
        let lists = [
            ("allowed_roles", self.allowed_roles),
            ("allowed_origins", self.allowed_origins),
            ("trusted_proxies", self.trusted_proxies),
            ("history_allowed_origins", self.history_allowed_origins),
            ("video_allowed_origins", self.video_allowed_origins),
            ("video_extension_origins", self.video_extension_origins),
        ];
        let texts = texts.into_iter().filter_map(|(key, text)| Some((key, Given::Text(text?))));
        let lists = lists.into_iter().filter_map(|(key, list)| Some((key, Given::List(list?))));
        texts.chain(lists).collect()
    }
}
