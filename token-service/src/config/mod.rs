//! Every setting, read from flags, environment and files, and checked before anything starts; every mistake is told,
//! not only the first.
//!
//! Secrets come from the environment or from files of their own, never from flags, since a command line is visible to
//! every process of the machine, and never from the file with the settings. No message ever repeats a value that could
//! be a secret put in the wrong place.

mod args;
mod forms;
mod history;
mod video;

use std::{
    collections::BTreeSet, ffi::OsString, fmt, net::IpAddr, num::NonZeroU32, path::PathBuf, time::Duration,
};

use kernel::{AccountSid, Identity, IdentityPrefix, Secret, id::is_sid};
use protocol::DEFAULT_IDENTITY_PREFIX;
use service_kit::{
    server_settings::{LOOPBACK, ServerSettings, TlsFiles},
    settings::{Habits, Section, Source, Variable, read_file},
};
use toml::Table;
use twilio::{ApiKey, WorkerSid, access_token, conversations, flex_token, media, taskrouter, texts};

pub use args::{Action, Args};
pub use history::HISTORY_API_KEY_SECRET;
pub use service_kit::settings::{ConfigError, ConfigErrors};
pub use video::VIDEO_API_KEY_SECRET;

use forms::{KEY, ORIGIN, is_origin, plain_url};

use crate::{
    history::HistoryConfig,
    limits::shared::PATIENCE,
    mint::{DEFAULT_LIFE_SECONDS, MIN_LIFE_SECONDS, TokenPolicy},
    operator::{Call, Say},
    revocations::{Name, Order},
    validation::MAX_CACHE,
    video::{RecordingPolicy, VideoConfig},
};

/// The name of the variable with the API key's secret; with `_FILE` appended, of the one that names a file.
pub const API_KEY_SECRET: &str = "TWILIO_API_KEY_SECRET";
/// The same for the second API key.
pub const API_KEY_SECRET_2: &str = "TWILIO_API_KEY_SECRET_2";
/// The name of the variable with the account's auth token; with `_FILE` appended, of the one that names a file.
pub const AUTH_TOKEN: &str = "TWILIO_AUTH_TOKEN";
/// The name of the variable with the address of Redis, password included; with `_FILE` appended, of the one that names
/// a file.
pub const REDIS_URL: &str = "TOKEN_SERVICE_REDIS_URL";

/// The name of the variable with the token by which the service knows its operator; with `_FILE` appended, of the one that
/// names a file.
pub const OPERATOR_TOKEN: &str = "TOKEN_SERVICE_OPERATOR_TOKEN";

/// The shortest operator's token, in characters: whoever has it can shut agents out.
const MIN_OPERATOR_TOKEN: usize = 24;

/// What the settings of this service have for themselves.
const HABITS: Habits = Habits {
    flags: &[
        ("allowed_roles", "--allowed-role"),
        ("allowed_origins", "--allowed-origin"),
        ("history_allowed_origins", "--history-allowed-origin"),
        ("video_allowed_origins", "--video-allowed-origin"),
        ("video_extension_origins", "--video-extension-origin"),
        ("trusted_proxies", "--trusted-proxy"),
    ],
    // A SID in the place of a secret is the mistake that people make; it would sign with what everybody knows.
    is_no_secret: |text| ["AC", "SK", "WS", "AP", "IS"].iter().any(|prefix| is_sid(text, prefix)),
    secret: "secret (1 to 256 visible characters, no SID)",
};

/// The settings, checked. `Debug` shows no secret.
#[derive(Clone, Debug)]
pub struct Config {
    /// What to do.
    pub action: Action,
    /// At least one, each with another SID.
    pub accounts: Vec<AccountConfig>,
    /// How long Twilio's answers are remembered; zero for not at all.
    pub validation_cache: Duration,
    /// Whether requests without an origin are served.
    pub allow_missing_origin: bool,
    /// Where to listen, for how many, and all else that every service has.
    pub server: ServerSettings,
    /// Where the extension's update manifest and packages are.
    pub extension_dir: Option<PathBuf>,
    /// Where replicas count together; holds a password as a rule.
    pub redis_url: Option<Secret>,
    /// How long Redis may take; nobody sets it, but a test on a busy machine waits for longer.
    pub redis_patience: Duration,
    /// By which the service knows its operator; without it, nobody can be shut out.
    pub operator_token: Option<Secret>,
    /// Refused Flex tokens a minute from one client address.
    pub failures_per_minute: NonZeroU32,
    /// Voice tokens a minute for one identity.
    pub mints_per_minute: NonZeroU32,
    /// Where the extension finds this service; for `doctor`.
    pub public_url: Option<String>,
    /// Where the files of the page of video are.
    pub video_page_dir: Option<PathBuf>,
    /// Where TaskRouter is; for chat history, video and `doctor`.
    pub taskrouter_base_url: String,
    /// Where Conversations is; for chat history.
    pub conversations_base_url: String,
    /// Where the files of messages are; for chat history.
    pub media_base_url: String,
    /// Where rooms of Video are made.
    pub video_base_url: String,
    /// Where text messages are sent by; for video.
    pub messages_base_url: String,
    /// Where Flex's own configuration is; for `doctor`.
    pub flex_api_base_url: String,
    /// What is logged.
    pub log: String,
}

/// One account's settings. `Debug` shows no secret.
#[derive(Clone, Debug)]
pub struct AccountConfig {
    /// Who may have which token.
    pub policy: TokenPolicy,
    /// Authenticates to Twilio; `None` when the API keys do.
    pub auth_token: Option<Secret>,
    /// Where Flex tokens are validated.
    pub iam_base_url: String,
    /// The web origins that may ask, written exactly as browsers send them.
    pub allowed_origins: BTreeSet<String>,
    /// Whether `/generateToken` is served, for this account.
    pub legacy_generate_token: bool,
    /// The TaskRouter workspace; for chat history, video and `doctor`.
    pub workspace_sid: Option<String>,
    /// How chat history is read, where it is.
    pub history: Option<HistoryConfig>,
    /// How video is served, where it is.
    pub video: Option<VideoConfig>,
}

impl Config {
    /// Checks the settings. `variable` reads the environment.
    ///
    /// # Errors
    /// [`ConfigErrors`], everything that is not usable.
    pub fn new(args: Args, variable: Variable<'_>) -> Result<Self, ConfigErrors> {
        let (action, exit_with_stdin) = (args.action, args.exit_with_stdin);
        if args.says_who() {
            return Err(ConfigErrors(vec![ConfigError::Contradiction(MEANT.into())]));
        }
        let file = match &args.config {
            Some(path) => read_file(path).map_err(|error| ConfigErrors(vec![error]))?,
            None => Table::new(),
        };
        let source = Source::new(args.given(), file, variable, HABITS);
        let config = Self::read(&source, action, exit_with_stdin);
        let errors = source.into_errors();
        match config {
            Some(config) if errors.is_empty() => Ok(config),
            _ => Err(ConfigErrors(errors)),
        }
    }

    /// `None` only with an error told.
    fn read(source: &Source<'_>, action: Action, exit_with_stdin: bool) -> Option<Self> {
        let whole = Section::whole(source);
        let accounts = read_accounts(source, &whole);
        let path = |text: &str| (!text.is_empty()).then(|| PathBuf::from(text));
        let base_url = |key, default: &str| {
            const EXPECTED: &str = "base URL (https://host[/path]; http only to a loopback address)";
            let safe = |text: &str| plain_url(text).filter(|url| flex_token::is_safe_base_url(url));
            let url = whole.text(key, EXPECTED, safe);
            url.unwrap_or_else(|| default.to_owned())
        };
        let tls = TlsFiles::read(&whole);
        let longest = MAX_CACHE.as_secs();
        let cache = whole.number("validation_cache_seconds", 0..=longest, "time (0 to 60 seconds)", 30);
        Some(Self {
            action,
            validation_cache: Duration::from_secs(cache),
            allow_missing_origin: whole.switch("allow_missing_origin"),
            server: ServerSettings::read(&whole, [8787, 8788], tls, exit_with_stdin),
            extension_dir: whole.text("extension_dir", "path of a directory", path),
            redis_url: whole.secret_of_environment(REDIS_URL, false),
            redis_patience: PATIENCE,
            operator_token: operator_token(source, &whole, false),
            failures_per_minute: whole.count("failures_per_minute", 10),
            mints_per_minute: whole.count("mints_per_minute", 30),
            public_url: whole.text("public_url", "URL (https://host[/path])", plain_url),
            taskrouter_base_url: base_url("taskrouter_base_url", taskrouter::DEFAULT_BASE_URL),
            conversations_base_url: base_url(
                "history_conversations_base_url",
                conversations::DEFAULT_BASE_URL,
            ),
            media_base_url: base_url("history_media_base_url", media::DEFAULT_BASE_URL),
            video_page_dir: whole.text("video_page_dir", "path of a directory", path),
            video_base_url: base_url("video_base_url", twilio::video::DEFAULT_BASE_URL),
            messages_base_url: base_url("messages_base_url", texts::DEFAULT_BASE_URL),
            flex_api_base_url: base_url("flex_api_base_url", "https://flex-api.twilio.com"),
            log: whole.log_filter("log"),
            accounts: accounts?,
        })
    }

    /// What `revoke`, `restore` and `revocations` say, and to whom. They need no more of the settings than that.
    ///
    /// # Errors
    /// [`ConfigErrors`].
    pub fn operator_call(
        args: Args,
        variable: &dyn Fn(&str) -> Option<OsString>,
    ) -> Result<Call, ConfigErrors> {
        let say = say(&args);
        let file = match &args.config {
            Some(path) => read_file(path).map_err(|error| ConfigErrors(vec![error]))?,
            None => Table::new(),
        };
        let source = Source::new(args.given(), file, variable, HABITS);
        let whole = Section::whole(&source);
        let host =
            whole.text("admin_host", "address", |text| text.parse::<IpAddr>().ok()).unwrap_or(LOOPBACK);
        // An instance that listens everywhere is also here.
        let host = if host.is_unspecified() { LOOPBACK } else { host };
        let port = whole.number("admin_port", 1..=65_535, "port (1 to 65535)", 8788);
        let token = operator_token(&source, &whole, true);
        let say = say.map_err(|error| source.error(error)).ok();
        let mut errors = source.into_errors();
        // The other settings are not looked at.
        errors.retain(|error| !matches!(error, ConfigError::UnknownSetting(_)));
        match (token, say) {
            (Some(token), Some(say)) if errors.is_empty() => {
                let admin_address = (host, u16::try_from(port).unwrap_or_default()).into();
                Ok(Call { admin_address, token, say })
            }
            _ => Err(ConfigErrors(errors)),
        }
    }

    /// Every origin that may ask for some account; one of several accounts comes several times.
    pub fn allowed_origins(&self) -> impl Iterator<Item = &str> {
        self.accounts.iter().flat_map(|account| &account.allowed_origins).map(String::as_str)
    }
}

/// What an operator's command says.
fn say(args: &Args) -> Result<Say, ConfigError> {
    const WHO: &str = "identity (ext_…) or worker SID (WK…)";
    let malformed = |flag: &str| ConfigError::Malformed { name: flag.into(), expected: WHO };
    let name = match (&args.identity, &args.worker_sid) {
        (Some(text), _) => {
            let identity = Identity::new(text.clone()).map_err(|_malformed| malformed("--identity"))?;
            Some(Name::Identity(identity))
        }
        (None, Some(text)) => {
            let worker = WorkerSid::new(text.clone()).map_err(|_malformed| malformed("--worker-sid"))?;
            Some(Name::WorkerSid(worker))
        }
        (None, None) => None,
    };
    match (args.action, name, args.minutes) {
        (Action::Revoke, Some(name), minutes) => Ok(Say::Revoke(Order { name, minutes })),
        (Action::Restore, Some(name), None) => Ok(Say::Restore(Order { name, minutes: None })),
        (Action::Revocations, None, None) => Ok(Say::List),
        (Action::Revoke | Action::Restore, None, _) => {
            Err(ConfigError::Missing { name: "--identity or --worker-sid".into(), expected: WHO })
        }
        _ => Err(ConfigError::Contradiction(MEANT.into())),
    }
}

const MEANT: &str = "--identity and --worker-sid are for revoke and restore, --minutes is for revoke";

fn operator_token(source: &Source<'_>, whole: &Section<'_>, required: bool) -> Option<Secret> {
    let token = whole.secret_of_environment(OPERATOR_TOKEN, required)?;
    if token.expose().len() < MIN_OPERATOR_TOKEN {
        source.error(ConfigError::Malformed {
            name: OPERATOR_TOKEN.into(),
            expected: "operator's token (24 characters or more; made up by a machine)",
        });
        return None;
    }
    Some(token)
}

/// The accounts of the file, or the one that flags and variables describe.
fn read_accounts(source: &Source<'_>, whole: &Section<'_>) -> Option<Vec<AccountConfig>> {
    let tables = source.tables("account");
    let accounts: Vec<Option<AccountConfig>> = if tables.is_empty() {
        vec![read_account(source, whole, || keys_of_environment(whole))]
    } else {
        for key in ["account_sid", "api_key_sid", "api_key_sid_2", "history_api_key_sid", "video_api_key_sid"]
        {
            if whole.is_set_here(key) {
                source.error(ConfigError::Contradiction(format!(
                    "{key} is set outside of the accounts of the file: describe all of them there"
                )));
            }
        }
        let sections = tables.iter().enumerate().map(|(index, table)| {
            let at = format!("account {}: ", index + 1);
            let section = Section::part(source, table, at.clone());
            let account = read_account(source, &section, || keys_of_file(source, &section, &at));
            section.report_unknown();
            account
        });
        sections.collect()
    };
    let accounts: Option<Vec<AccountConfig>> = accounts.into_iter().collect();
    let accounts = accounts?;
    let mut sids = BTreeSet::new();
    for account in &accounts {
        if !sids.insert(account.policy.account_sid.as_str()) {
            let sid = &account.policy.account_sid;
            source.error(ConfigError::Contradiction(format!("account {sid} is described twice")));
        }
    }
    if accounts.iter().filter(|account| account.legacy_generate_token).count() > 1 {
        source.error(ConfigError::Contradiction(
            "legacy_generate_token is on for several accounts: /generateToken cannot tell them apart".into(),
        ));
    }
    Some(accounts)
}

fn read_account(
    source: &Source<'_>,
    section: &Section<'_>,
    keys: impl FnOnce() -> Keys,
) -> Option<AccountConfig> {
    const ACCOUNT: &str = "account SID (AC and 32 hexadecimal digits)";
    let account_sid = section.own_text("account_sid", ACCOUNT, |text| text.parse::<AccountSid>().ok());
    if account_sid.is_none() && !section.is_set_here("account_sid") {
        section.missing("account_sid", ACCOUNT);
    }
    let Keys { signing: keys, auth_token, history, video } = keys();
    let history = history::read(source, section, history, &keys);
    let signing = keys.iter().map(|key| (key, "signs Voice tokens"));
    let reading = history.as_ref().map(|history| (&history.api_key, "chat history is read with"));
    let secrets = video::Secrets {
        api_key: video,
        // Twilio signs callbacks with it also where an API key authenticates.
        auth_token: auth_token.clone(),
        others: signing.chain(reading).collect(),
    };
    let video = video::read(source, section, secrets);
    let auth = section.text("auth", "way to authenticate (token or key)", |text| {
        matches!(text, "token" | "key").then(|| text.to_owned())
    });
    let auth_token = match auth.as_deref() {
        Some("token") if auth_token.is_none() => {
            section.missing("auth_token_file", "auth = token needs the account's auth token");
            None
        }
        Some("key") => None,
        _ => auth_token,
    };
    let region = section.text("region", "region (as au1 or ie1)", region);
    let edge = section.text("edge", "edge (as dublin)", edge);
    let edge = match (edge, region.as_deref()) {
        (Some(edge), _) => edge,
        (None, None | Some("us1")) => "roaming".into(),
        (None, Some("ie1")) => "dublin".into(),
        (None, Some("au1")) => "sydney".into(),
        (None, Some(_)) => {
            section.missing("edge", "the edge where clients of this region connect (as dublin)");
            String::new()
        }
    };
    let roles = section.list("allowed_roles", "list of roles", |text| Some(text.to_owned()));
    if roles.as_ref().is_some_and(Vec::is_empty) {
        section.malformed("allowed_roles", "list of roles");
    }
    let roles = roles.unwrap_or_else(|| ["agent", "supervisor", "admin"].map(String::from).into());
    let origin = |text: &str| is_origin(text).then(|| text.to_owned());
    let origins = section.list("allowed_origins", ORIGIN, origin);
    let legacy_generate_token = section.switch("legacy_generate_token");
    if !section.is_set("allowed_origins") && !legacy_generate_token && !section.switch("allow_missing_origin")
    {
        source.error(ConfigError::Contradiction(format!(
            "{} is not set: say which extension may ask, as chrome-extension://<id>",
            section.name("allowed_origins")
        )));
    }
    let prefix =
        section.text("identity_prefix", "identity prefix (lower-case letters and digits, then _)", |text| {
            IdentityPrefix::new(text).ok()
        });
    let ttl_seconds = section.number(
        "ttl_seconds",
        MIN_LIFE_SECONDS..=access_token::MAX_TTL_SECONDS,
        "life of a token (60 to 86399 seconds)",
        DEFAULT_LIFE_SECONDS,
    );
    let iam_base_url = section.text(
        "iam_base_url",
        "base URL (https://host[/path]; http only to a loopback address)",
        |text| plain_url(text).filter(|url| flex_token::is_safe_base_url(url)),
    );
    let workspace_sid =
        section.text("workspace_sid", "workspace SID (WS and 32 hexadecimal digits)", |text| {
            is_sid(text, "WS").then(|| text.to_owned())
        });
    Some(AccountConfig {
        policy: TokenPolicy {
            account_sid: account_sid?,
            api_keys: (!keys.is_empty()).then_some(keys)?,
            identity_prefix: match prefix {
                Some(prefix) => prefix,
                None => IdentityPrefix::new(DEFAULT_IDENTITY_PREFIX).ok()?,
            },
            allowed_roles: roles.into_iter().collect(),
            ttl_seconds,
            outlive_flex_token: section.switch("outlive_flex_token"),
            region: region.filter(|region| region != access_token::DEFAULT_REGION),
            edge,
        },
        auth_token,
        iam_base_url: iam_base_url.unwrap_or_else(|| flex_token::DEFAULT_BASE_URL.to_owned()),
        allowed_origins: origins.unwrap_or_default().into_iter().collect(),
        legacy_generate_token,
        workspace_sid,
        history,
        video,
    })
}

/// What an account has of secrets.
struct Keys {
    signing: Vec<ApiKey>,
    auth_token: Option<Secret>,
    /// Of the API key that chat history is read with.
    history: Option<Secret>,
    /// Of video's API key.
    video: Option<Secret>,
}

fn keys_of_environment(whole: &Section<'_>) -> Keys {
    let first = whole.own_text("api_key_sid", KEY, |text| text.parse().ok());
    if first.is_none() && !whole.is_set_here("api_key_sid") {
        whole.missing("api_key_sid", KEY);
    }
    let first_secret = whole.secret_of_environment(API_KEY_SECRET, true);
    let second = whole.own_text("api_key_sid_2", KEY, |text| text.parse().ok());
    let second_secret = whole.secret_of_environment(API_KEY_SECRET_2, second.is_some());
    if second_secret.is_some() && !whole.is_set_here("api_key_sid_2") {
        whole.missing("api_key_sid_2", KEY);
    }
    let auth_token = whole.secret_of_environment(AUTH_TOKEN, false);
    let keys = [first.zip(first_secret), second.zip(second_secret)];
    Keys {
        signing: keys.into_iter().flatten().map(|(sid, secret)| ApiKey::new(sid, secret)).collect(),
        auth_token,
        history: whole.secret_of_environment(HISTORY_API_KEY_SECRET, false),
        video: whole.secret_of_environment(VIDEO_API_KEY_SECRET, false),
    }
}

fn keys_of_file<'s>(source: &'s Source<'s>, section: &Section<'s>, at: &str) -> Keys {
    let tables = section.tables("api_key");
    if !(1..=2).contains(&tables.len()) {
        source.error(ConfigError::Contradiction(format!(
            "{at}[[account.api_key]] must be there once, or twice while keys are exchanged"
        )));
    }
    let keys = tables.iter().enumerate().filter_map(|(index, table)| {
        let key = Section::part(source, table, format!("{at}API key {}: ", index + 1));
        let sid = key.own_text("sid", KEY, |text| text.parse().ok());
        if sid.is_none() && !key.is_set_here("sid") {
            key.missing("sid", KEY);
        }
        let secret = key.secret_of_file(["secret_file", "secret_env"], true);
        key.report_unknown();
        Some(ApiKey::new(sid?, secret?))
    });
    Keys {
        signing: keys.collect(),
        auth_token: section.secret_of_file(["auth_token_file", "auth_token_env"], false),
        history: section.secret_of_file(["history_api_key_secret_file", "history_api_key_secret_env"], false),
        video: section.secret_of_file(["video_api_key_secret_file", "video_api_key_secret_env"], false),
    }
}

fn region(text: &str) -> Option<String> {
    let plausible = text.len() == 3
        && text.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit())
        && text.ends_with(|c: char| c.is_ascii_digit());
    plausible.then(|| text.to_owned())
}

fn edge(text: &str) -> Option<String> {
    let plausible =
        (2..=32).contains(&text.len()) && text.bytes().all(|b| b.is_ascii_lowercase() || b == b'-');
    plausible.then(|| text.to_owned())
}

impl fmt::Display for Config {
    /// For `check`: a line for each setting; secrets only as "set".
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fn list<T: ToString>(items: impl IntoIterator<Item = T>) -> String {
            items.into_iter().map(|item| item.to_string()).collect::<Vec<_>>().join(",")
        }
        let server = &self.server;
        const NOT_SET: &str = "not set";
        let path = |path: Option<&PathBuf>| {
            path.map_or_else(|| NOT_SET.to_owned(), |path| path.display().to_string())
        };
        let set = |secret: bool| if secret { "set" } else { NOT_SET };
        writeln!(f, "validation_cache_seconds = {}", self.validation_cache.as_secs())?;
        writeln!(f, "allow_missing_origin = {}", self.allow_missing_origin)?;
        writeln!(f, "address = {}", server.address)?;
        writeln!(f, "admin_address = {}", server.admin_address)?;
        writeln!(f, "tls_certificate = {}", path(server.tls.as_ref().map(|tls| &tls.certificate)))?;
        writeln!(f, "tls_key = {}", path(server.tls.as_ref().map(|tls| &tls.key)))?;
        writeln!(f, "trusted_proxies = {}", list(&server.trusted_proxies))?;
        writeln!(f, "hsts_include_subdomains = {}", server.hsts_include_subdomains)?;
        writeln!(f, "extension_dir = {}", path(self.extension_dir.as_ref()))?;
        writeln!(f, "video_page_dir = {}", path(self.video_page_dir.as_ref()))?;
        writeln!(f, "redis_url = {}", set(self.redis_url.is_some()))?;
        writeln!(f, "operator_token = {}", set(self.operator_token.is_some()))?;
        writeln!(f, "failures_per_minute = {}", self.failures_per_minute)?;
        writeln!(f, "mints_per_minute = {}", self.mints_per_minute)?;
        writeln!(f, "max_in_flight = {}", server.max_in_flight)?;
        writeln!(f, "max_connections = {}", server.max_connections)?;
        writeln!(f, "address_share = {}", server.address_share)?;
        writeln!(f, "public_url = {}", self.public_url.as_deref().unwrap_or(NOT_SET))?;
        writeln!(f, "log = {}", self.log)?;
        for account in &self.accounts {
            let TokenPolicy { identity_prefix, allowed_roles, ttl_seconds, region, edge, .. } =
                &account.policy;
            writeln!(f, "account {}", account.policy.account_sid)?;
            for key in &account.policy.api_keys {
                writeln!(f, "  api_key = {}, secret set", key.sid())?;
            }
            writeln!(f, "  auth = {}", if account.auth_token.is_some() { "token" } else { "key" })?;
            writeln!(f, "  region = {}", region.as_deref().unwrap_or(access_token::DEFAULT_REGION))?;
            writeln!(f, "  edge = {edge}")?;
            writeln!(f, "  iam_base_url = {}", account.iam_base_url)?;
            writeln!(f, "  identity_prefix = {identity_prefix}")?;
            writeln!(f, "  allowed_roles = {}", list(allowed_roles))?;
            writeln!(f, "  allowed_origins = {}", list(&account.allowed_origins))?;
            writeln!(f, "  ttl_seconds = {ttl_seconds}")?;
            writeln!(f, "  outlive_flex_token = {}", account.policy.outlive_flex_token)?;
            writeln!(f, "  legacy_generate_token = {}", account.legacy_generate_token)?;
            writeln!(f, "  workspace_sid = {}", account.workspace_sid.as_deref().unwrap_or("Flex's own"))?;
            writeln!(f, "  history = {}", account.history.is_some())?;
            if let Some(history) = &account.history {
                let service = history.chat_service_sid.as_ref().map_or("the default one", |sid| sid.as_str());
                let days = history.retention_days.map_or_else(|| NOT_SET.to_owned(), |days| days.to_string());
                writeln!(f, "  history_api_key = {}, secret set", history.api_key.sid())?;
                writeln!(f, "  history_chat_service_sid = {service}")?;
                writeln!(f, "  history_allowed_origins = {}", list(&history.allowed_origins))?;
                writeln!(f, "  history_customer_conversations = {}", history.customer_conversations)?;
                writeln!(f, "  history_same_customer_only = {}", history.same_customer_only)?;
                writeln!(f, "  history_retention_days = {days}")?;
                writeln!(f, "  history_requests_per_minute = {}", history.requests_per_minute)?;
            }
            writeln!(f, "  video = {}", account.video.is_some())?;
            let Some(video) = &account.video else { continue };
            let recording = match video.recording {
                RecordingPolicy::Off => "off",
                RecordingPolicy::Ask => "ask",
            };
            let organisation = Some(video.organisation.as_str()).filter(|name| !name.is_empty());
            writeln!(f, "  video_api_key = {}, secret set", video.api_key.sid())?;
            writeln!(
                f,
                "  video_callbacks = {}",
                if video.auth_token.is_some() { "taken" } else { "refused" }
            )?;
            writeln!(f, "  video_public_origin = {}", video.public_origin)?;
            writeln!(f, "  video_allowed_origins = {}", list(&video.allowed_origins))?;
            writeln!(f, "  video_extension_origins = {}", list(&video.extension_origins))?;
            writeln!(f, "  video_organisation = {}", organisation.unwrap_or(NOT_SET))?;
            writeln!(f, "  video_max_guests = {}", video.max_guests)?;
            writeln!(f, "  video_max_minutes = {}", video.max_minutes)?;
            writeln!(f, "  video_recording = {recording}")?;
            writeln!(f, "  video_knock = {}", video.knock)?;
            writeln!(f, "  video_region = {}", video.region)?;
            writeln!(f, "  video_text_from = {}", video.text_from.as_deref().unwrap_or(NOT_SET))?;
            writeln!(f, "  video_requests_per_minute = {}", video.requests_per_minute)?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use clap::Parser as _;

    use super::*;

    const CANARY: &str = "canary-c0ffee";

    /// The settings from flags (after the ones that every case needs) and variables.
    fn config(flags: &[&str], variables: &[(&str, &str)]) -> Result<Config, String> {
        let (ac, sk) = (format!("AC{}", "1".repeat(32)), format!("SK{}", "2".repeat(32)));
        let origin = format!("chrome-extension://{}", "a".repeat(32));
        let mut all = vec!["token-service"];
        for (flag, value) in [("--account-sid", &ac), ("--api-key-sid", &sk), ("--allowed-origin", &origin)] {
            if !flags.contains(&flag) {
                all.extend([flag, value]);
            }
        }
        all.extend(flags);
        let args = Args::try_parse_from(all).map_err(|error| error.to_string())?;
        let variable = |name: &str| {
            variables.iter().find(|(known, _)| *known == name).map(|(_, value)| OsString::from(value))
        };
        Config::new(args, &variable).map_err(|error| error.to_string())
    }

    fn error(flags: &[&str], variables: &[(&str, &str)]) -> String {
        config(flags, variables).unwrap_err()
    }

    const GOOD: (&str, &str) = (API_KEY_SECRET, CANARY);

    #[test]
    fn the_defaults_are_the_careful_ones() {
        let config = config(&[], &[GOOD]).unwrap();
        insta::assert_snapshot!(config, @r"
        validation_cache_seconds = 30
        allow_missing_origin = false
        address = 127.0.0.1:8787
        admin_address = 127.0.0.1:8788
        tls_certificate = not set
        tls_key = not set
        trusted_proxies = 
        hsts_include_subdomains = false
        extension_dir = not set
        video_page_dir = not set
        redis_url = not set
        operator_token = not set
        failures_per_minute = 10
        mints_per_minute = 30
        max_in_flight = 512
        max_connections = 2048
        address_share = 25
        public_url = not set
        log = info
        account AC11111111111111111111111111111111
          api_key = SK22222222222222222222222222222222, secret set
          auth = key
          region = us1
          edge = roaming
          iam_base_url = https://iam.twilio.com
          identity_prefix = ext_
          allowed_roles = admin,agent,supervisor
          allowed_origins = chrome-extension://aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa
          ttl_seconds = 900
          outlive_flex_token = false
          legacy_generate_token = false
          workspace_sid = Flex's own
          history = false
          video = false
        ");
    }

    #[test]
    fn a_secret_comes_from_a_variable_or_a_file_and_not_from_both() {
        let path = std::env::temp_dir().join(format!("token-service-secret-{}", std::process::id()));
        std::fs::write(&path, format!("{CANARY}\n")).unwrap();
        let file = ("TWILIO_API_KEY_SECRET_FILE", path.to_str().unwrap());
        for variables in [vec![GOOD], vec![file]] {
            let config = config(&[], &variables).unwrap();
            assert_eq!(config.accounts[0].policy.api_keys[0].secret().expose(), CANARY);
        }
        assert_eq!(
            error(&[], &[GOOD, file]),
            "TWILIO_API_KEY_SECRET and TWILIO_API_KEY_SECRET_FILE are both set; set one of them"
        );
        std::fs::remove_file(&path).unwrap();
        assert_eq!(
            error(&[], &[file]),
            "the file that TWILIO_API_KEY_SECRET_FILE names cannot be read: entity not found"
        );
        assert_eq!(error(&[], &[]), "TWILIO_API_KEY_SECRET or TWILIO_API_KEY_SECRET_FILE must be set");
    }

    #[test]
    fn no_message_and_no_debug_line_repeats_what_could_be_a_secret() {
        let sid = format!("AC{}", "1".repeat(32));
        let messages = [
            error(&["--account-sid", CANARY], &[GOOD]),
            error(&["--api-key-sid", CANARY], &[GOOD]),
            error(&["--identity-prefix", CANARY], &[GOOD]),
            error(&["--region", CANARY], &[GOOD]),
            error(&["--allowed-origin", CANARY], &[GOOD]),
            error(&["--trusted-proxy", CANARY], &[GOOD]),
            error(&["--iam-base-url", "https://user:canary@iam.twilio.com"], &[GOOD]),
            error(&[], &[GOOD, (AUTH_TOKEN, "canary with spaces")]),
            error(&[], &[(API_KEY_SECRET, "")]),
            error(&[], &[(API_KEY_SECRET, &sid)]),
            format!("{:?}", config(&[], &[GOOD, (AUTH_TOKEN, CANARY)]).unwrap()),
        ];
        for message in &messages {
            assert!(!message.contains("canary"), "{message}");
        }
        insta::assert_snapshot!(messages[..10].join("\n"), @r"
        --account-sid is not a valid account SID (AC and 32 hexadecimal digits)
        --api-key-sid is not a valid API key SID (SK and 32 hexadecimal digits)
        --identity-prefix is not a valid identity prefix (lower-case letters and digits, then _)
        --region is not a valid region (as au1 or ie1)
        --allowed-origin is not a valid origin (chrome-extension://<32 letters a to p>, or https://host[:port])
        --trusted-proxy is not a valid address or network (as 10.0.0.0/8)
        --iam-base-url is not a valid base URL (https://host[/path]; http only to a loopback address)
        TWILIO_AUTH_TOKEN is not a valid secret (1 to 256 visible characters, no SID)
        TWILIO_API_KEY_SECRET is not a valid secret (1 to 256 visible characters, no SID)
        TWILIO_API_KEY_SECRET is not a valid secret (1 to 256 visible characters, no SID)
        ");
    }

    #[test]
    fn an_origin_is_written_as_a_browser_writes_it() {
        let id = "a".repeat(32);
        for good in
            [format!("chrome-extension://{id}"), "https://x.test".into(), "https://x.test:8443".into()]
        {
            assert!(config(&["--allowed-origin", &good], &[GOOD]).is_ok(), "{good}");
        }
        for bad in [
            "*",
            "null",
            "",
            "chrome-extension://",
            "chrome-extension://abc",
            &format!("chrome-extension://{id}/"),
            &format!("chrome-extension://{}", "A".repeat(32)),
            "https://x.test/",
            "https://X.test",
            "https://x.test:443",
            "http://x.test",
        ] {
            assert!(config(&["--allowed-origin", bad], &[GOOD]).is_err(), "{bad}");
        }
    }

    #[test]
    fn numbers_outside_their_bounds_are_refused() {
        for flags in [
            ["--ttl-seconds", "59"],
            ["--ttl-seconds", "86400"],
            ["--validation-cache-seconds", "61"],
            ["--mints-per-minute", "0"],
            ["--failures-per-minute", "0"],
            ["--address-share", "0"],
            ["--address-share", "101"],
        ] {
            assert!(config(&flags, &[GOOD]).is_err(), "{flags:?}");
        }
        for flags in [
            ["--ttl-seconds", "60"],
            ["--ttl-seconds", "86399"],
            ["--validation-cache-seconds", "60"],
            ["--address-share", "1"],
            ["--address-share", "100"],
        ] {
            assert!(config(&flags, &[GOOD]).is_ok(), "{flags:?}");
        }
    }

    #[test]
    fn lists_may_be_repeated_or_separated_by_commas() {
        let config = config(
            &["--allowed-role", "a,b", "--allowed-role", "c", "--trusted-proxy", "10.0.0.0/8,::1"],
            &[GOOD],
        )
        .unwrap();
        assert_eq!(config.accounts[0].policy.allowed_roles.iter().collect::<Vec<_>>(), ["a", "b", "c"]);
        assert_eq!(config.server.trusted_proxies.len(), 2);
    }

    #[test]
    fn every_list_is_read_as_people_write_it_wherever_it_stands() {
        let (a, b) = (
            format!("chrome-extension://{}", "a".repeat(32)),
            format!("chrome-extension://{}", "b".repeat(32)),
        );
        let expected = format!("{a},{b}");
        for (before, after) in [("", ","), ("", ", "), (" ", " , "), ("\t", ",\u{a0}\t"), ("\n", "\n,\r\n")] {
            let written = |one: &str, other: &str| format!("{before}{one}{after}{other}{before}");
            let (roles, origins) = (written("supervisor", "agent"), written(&a, &b));
            let proxies = written("10.0.0.0/8", "::1");
            let by_flags =
                ["--allowed-role", &roles, "--allowed-origin", &origins, "--trusted-proxy", &proxies];
            let list = |items: &[&str]| toml::Value::from(items.to_vec()).to_string();
            let key = "[[account]]\naccount_sid = \"AC{1}\"\n[[account.api_key]]\nsid = \"SK{1}\"\nsecret_file = \"{dir}/secret\"\n";
            // In a file, a list is TOML's; one entry of it may also be a list with commas.
            let in_one = format!(
                "allowed_roles = {}\nallowed_origins = {}\ntrusted_proxies = {}\n{key}",
                list(&[&roles]),
                list(&[&origins]),
                list(&[&proxies])
            );
            let blank = |text: &str| format!("{before} {text}{before} ");
            let in_several = format!(
                "allowed_roles = {}\nallowed_origins = {}\ntrusted_proxies = {}\n{key}",
                list(&[&blank("supervisor"), &blank("agent")]),
                list(&[&blank(&a), &blank(&b)]),
                list(&[&blank("10.0.0.0/8"), &blank("::1")])
            );
            for read in [
                config(&by_flags, &[GOOD]),
                with_file("one-list", &in_one, &[]),
                with_file("several", &in_several, &[]),
            ] {
                let shown = read.unwrap().to_string();
                for line in [
                    "  allowed_roles = agent,supervisor\n",
                    &format!("  allowed_origins = {expected}\n"),
                    "trusted_proxies = 10.0.0.0/8,::1/128\n",
                ] {
                    assert!(shown.contains(line), "{line:?} is not in {shown}");
                }
            }
        }
    }

    #[test]
    fn a_list_whose_blank_cannot_be_meant_is_refused_with_words_that_name_it() {
        for flag in ["--allowed-role", "--allowed-origin", "--trusted-proxy"] {
            for (list, words) in [
                ("", "has an entry with nothing in it: is there a comma too many?"),
                (" ", "has an entry with nothing in it: is there a comma too many?"),
                ("agent,", "has an entry with nothing in it: is there a comma too many?"),
                ("agent,,supervisor", "has an entry with nothing in it: is there a comma too many?"),
                ("agent supervisor", "has an entry with a blank within: entries are separated by commas"),
                ("agent,\u{a0}a b", "has an entry with a blank within: entries are separated by commas"),
            ] {
                assert_eq!(error(&[flag, list], &[GOOD]), format!("{flag} {words}"), "{list:?}");
            }
        }
        let text = "trusted_proxies = [\"10.0.0.1 10.0.0.2\"]\n[[account]]\naccount_sid = \"AC{1}\"\nallowed_roles = [\" \"]\n\
                    legacy_generate_token = true\n[[account.api_key]]\nsid = \"SK{1}\"\nsecret_file = \"{dir}/secret\"\n";
        insta::assert_snapshot!(with_file("blanks", text, &[]).unwrap_err(), @r"
        account 1: allowed_roles has an entry with nothing in it: is there a comma too many?
        trusted_proxies has an entry with a blank within: entries are separated by commas
        ");
    }

    /// A file with settings and the files that it names, in a directory of its own.
    fn with_file(name: &str, text: &str, variables: &[(&str, &str)]) -> Result<Config, String> {
        let directory = std::env::temp_dir().join(format!("token-service-{name}-{}", std::process::id()));
        std::fs::create_dir_all(&directory).unwrap();
        std::fs::write(directory.join("secret"), format!("{CANARY}\n")).unwrap();
        let text = text
            .replace("{dir}", directory.to_str().unwrap())
            .replace("{1}", &"1".repeat(32))
            .replace("{2}", &"2".repeat(32));
        let file = directory.join("settings.toml");
        std::fs::write(&file, text).unwrap();
        let args = Args::try_parse_from(["token-service", "check", "--config", file.to_str().unwrap()]);
        let variable = |name: &str| {
            variables.iter().find(|(known, _)| *known == name).map(|(_, value)| OsString::from(value))
        };
        let config = Config::new(args.unwrap(), &variable).map_err(|errors| errors.to_string());
        std::fs::remove_dir_all(&directory).unwrap();
        config
    }

    #[test]
    fn a_file_describes_several_accounts_which_take_from_the_top_what_they_do_not_say() {
        let config = with_file(
            "accounts",
            r#"
            port = 9000
            allowed_origins = ["https://desk.example"]
            ttl_seconds = 600
            trusted_proxies = ["10.0.0.0/8"]

            [[account]]
            account_sid = "AC{1}"
            auth = "token"
            auth_token_env = "ONE"
            legacy_generate_token = true
            [[account.api_key]]
            sid = "SK{1}"
            secret_file = "{dir}/secret"

            [[account]]
            account_sid = "AC{2}"
            region = "ie1"
            identity_prefix = "voice_"
            allowed_roles = ["agent"]
            allowed_origins = ["https://other.example"]
            ttl_seconds = 1200
            outlive_flex_token = true
            [[account.api_key]]
            sid = "SK{2}"
            secret_file = "{dir}/secret"
            [[account.api_key]]
            sid = "SK{1}"
            secret_env = "TWO"
            "#,
            &[("ONE", CANARY), ("TWO", CANARY)],
        );
        let text = config.unwrap().to_string();
        insta::assert_snapshot!(text.split_once("account ").unwrap().1, @r"
        AC11111111111111111111111111111111
          api_key = SK11111111111111111111111111111111, secret set
          auth = token
          region = us1
          edge = roaming
          iam_base_url = https://iam.twilio.com
          identity_prefix = ext_
          allowed_roles = admin,agent,supervisor
          allowed_origins = https://desk.example
          ttl_seconds = 600
          outlive_flex_token = false
          legacy_generate_token = true
          workspace_sid = Flex's own
          history = false
          video = false
        account AC22222222222222222222222222222222
          api_key = SK22222222222222222222222222222222, secret set
          api_key = SK11111111111111111111111111111111, secret set
          auth = key
          region = ie1
          edge = dublin
          iam_base_url = https://iam.twilio.com
          identity_prefix = voice_
          allowed_roles = agent
          allowed_origins = https://other.example
          ttl_seconds = 1200
          outlive_flex_token = true
          legacy_generate_token = false
          workspace_sid = Flex's own
          history = false
          video = false
        ");
    }

    #[test]
    fn everything_that_is_wrong_is_told_at_once_and_in_words() {
        let errors = with_file(
            "errors",
            r#"
            port = 90000
            prot = 1
            tls_key = "x"
            validation_cache_seconds = "canary"

            [[account]]
            account_sid = "canary"
            regoin = "ie1"
            region = "de1"
            allowed_origins = ["http://canary.example"]
            auth = "token"
            [[account.api_key]]
            sid = "SK{1}"
            secret_file = "{dir}/canary"
            secret = "canary"

            [[account]]
            account_sid = "AC{2}"
            ttl_seconds = 5
            allowed_roles = []
            "#,
            &[(REDIS_URL, "canary canary")],
        )
        .unwrap_err();
        assert!(!errors.contains("canary"), "{errors}");
        insta::assert_snapshot!(errors, @r"
        account 1: account_sid is not a valid account SID (AC and 32 hexadecimal digits)
        the file that account 1: API key 1: secret_file names cannot be read: entity not found
        account 1: API key 1: secret is no setting; is it misspelt?
        account 1: auth_token_file must be set: auth = token needs the account's auth token
        account 1: edge must be set: the edge where clients of this region connect (as dublin)
        account 1: allowed_origins is not a valid origin (chrome-extension://<32 letters a to p>, or https://host[:port])
        account 1: regoin is no setting; is it misspelt?
        account 2: [[account.api_key]] must be there once, or twice while keys are exchanged
        account 2: allowed_roles is not a valid list of roles
        account 2: allowed_origins is not set: say which extension may ask, as chrome-extension://<id>
        account 2: ttl_seconds is not a valid life of a token (60 to 86399 seconds)
        --tls-certificate must be set: the certificate of --tls-key
        validation_cache_seconds is not a valid time (0 to 60 seconds)
        port is not a valid port (0 to 65535)
        TOKEN_SERVICE_REDIS_URL is not a valid secret (1 to 256 visible characters, no SID)
        prot is no setting; is it misspelt?
        ");
    }

    #[test]
    fn an_account_is_described_once_and_in_one_place() {
        let account = r#"
            [[account]]
            account_sid = "AC{1}"
            legacy_generate_token = true
            [[account.api_key]]
            sid = "SK{1}"
            secret_file = "{dir}/secret"
            "#;
        assert!(with_file("once", account, &[]).is_ok());
        insta::assert_snapshot!(with_file("twice", &account.repeat(2), &[]).unwrap_err(), @r"
        account AC11111111111111111111111111111111 is described twice
        legacy_generate_token is on for several accounts: /generateToken cannot tell them apart
        ");
        let mixed = format!("account_sid = \"AC{{2}}\"\n{account}");
        assert_eq!(
            with_file("mixed", &mixed, &[]).unwrap_err(),
            "account_sid is set outside of the accounts of the file: describe all of them there"
        );
        let broken = with_file("broken", "port = 1\nhost = canary\n", &[]).unwrap_err();
        assert!(broken.starts_with("the file with the settings is not TOML: line 2: "), "{broken}");
        assert!(!broken.contains("canary"), "{broken}");
    }

    #[test]
    fn two_keys_of_the_environment_are_for_the_time_of_an_exchange() {
        let second = format!("SK{}", "5".repeat(32));
        let flags = ["--api-key-sid-2", second.as_str()];
        let two = config(&flags, &[GOOD, (API_KEY_SECRET_2, CANARY)]).unwrap();
        assert_eq!(two.accounts[0].policy.api_keys.len(), 2);
        assert_eq!(
            error(&flags, &[GOOD]),
            "TWILIO_API_KEY_SECRET_2 or TWILIO_API_KEY_SECRET_2_FILE must be set"
        );
        assert_eq!(
            error(&[], &[GOOD, (API_KEY_SECRET_2, CANARY)]),
            "--api-key-sid-2 must be set: API key SID (SK and 32 hexadecimal digits)"
        );
    }

    #[test]
    fn the_way_to_authenticate_can_be_chosen() {
        let auth = |flags: &[&str], variables: &[(&str, &str)]| {
            config(flags, variables).map(|config| config.accounts[0].auth_token.is_some())
        };
        let token = (AUTH_TOKEN, CANARY);
        assert_eq!(auth(&[], &[GOOD, token]), Ok(true));
        assert_eq!(auth(&["--auth", "key"], &[GOOD, token]), Ok(false));
        assert_eq!(auth(&["--auth", "token"], &[GOOD, token]), Ok(true));
        assert!(auth(&["--auth", "token"], &[GOOD]).is_err());
        assert!(auth(&["--auth", "both"], &[GOOD]).is_err());
    }

    #[test]
    fn history_is_off_until_it_is_switched_on_and_then_needs_a_key_of_its_own_and_a_workspace() {
        let (own, minting) = (format!("SK{}", "9".repeat(32)), format!("SK{}", "2".repeat(32)));
        let workspace = format!("WS{}", "4".repeat(32));
        let secret = (HISTORY_API_KEY_SECRET, CANARY);
        let all = ["--history", "--history-api-key-sid", &own, "--workspace-sid", &workspace];
        let history = |flags: &[&str], variables: &[(&str, &str)]| {
            config(flags, variables).map(|config| config.accounts[0].history.clone())
        };
        // The settings alone switch nothing on.
        assert!(history(&all[1..], &[GOOD, secret]).unwrap().is_none());
        let config = config(&all, &[GOOD, secret]).unwrap();
        let text = config.to_string();
        insta::assert_snapshot!(&text[text.find("  history = ").unwrap()..], @r"
          history = true
          history_api_key = SK99999999999999999999999999999999, secret set
          history_chat_service_sid = the default one
          history_allowed_origins = https://flex.twilio.com
          history_customer_conversations = false
          history_same_customer_only = false
          history_retention_days = not set
          history_requests_per_minute = 600
          video = false
        ");
        assert!(!format!("{config:?}").contains(CANARY));
        for (flags, variables, expected) in [
            (
                &["--history", "--workspace-sid", &workspace][..],
                &[GOOD][..],
                "Create one in the Twilio Console",
            ),
            (&all, &[GOOD], "has no secret: set TWILIO_HISTORY_API_KEY_SECRET"),
            (
                &["--history", "--history-api-key-sid", &minting, "--workspace-sid", &workspace],
                &[GOOD, secret],
                "is the key that signs Voice tokens",
            ),
            (&all[..3], &[GOOD, secret], "--workspace-sid is not set"),
        ] {
            let error = history(flags, variables).unwrap_err();
            assert!(error.contains(expected) && error.lines().count() == 1, "{flags:?}: {error}");
        }
        for flag in [
            "--history-retention-days=0",
            "--history-retention-days=x",
            "--history-chat-service-sid=IS1",
            "--history-allowed-origin=*",
            "--history-conversations-base-url=http://x.example",
        ] {
            let flags: Vec<&str> = all.into_iter().chain([flag]).collect();
            assert!(history(&flags, &[GOOD, secret]).is_err(), "{flag}");
        }
    }

    #[test]
    fn video_is_off_until_it_is_switched_on_and_then_needs_a_key_of_its_own_a_workspace_and_an_origin() {
        let (own, minting) = (format!("SK{}", "8".repeat(32)), format!("SK{}", "2".repeat(32)));
        let reading = format!("SK{}", "9".repeat(32));
        let workspace = format!("WS{}", "4".repeat(32));
        let secret = (VIDEO_API_KEY_SECRET, CANARY);
        let origin = "--video-public-origin=https://video.example";
        let all = ["--video", "--video-api-key-sid", &own, "--workspace-sid", &workspace, origin];
        let video = |flags: &[&str], variables: &[(&str, &str)]| {
            config(flags, variables).map(|config| config.accounts[0].video.clone())
        };
        // The settings alone switch nothing on.
        assert!(video(&all[1..], &[GOOD, secret]).unwrap().is_none());
        let config = config(&all, &[GOOD, secret]).unwrap();
        let text = config.to_string();
        insta::assert_snapshot!(&text[text.find("  video = ").unwrap()..], @r"
          video = true
          video_api_key = SK88888888888888888888888888888888, secret set
          video_callbacks = refused
          video_public_origin = https://video.example
          video_allowed_origins = https://flex.twilio.com
          video_extension_origins = chrome-extension://aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa
          video_organisation = not set
          video_max_guests = 0
          video_max_minutes = 240
          video_recording = off
          video_knock = false
          video_region = gll
          video_text_from = not set
          video_requests_per_minute = 300
        ");
        assert!(!format!("{config:?}").contains(CANARY));
        let callbacks = video(&all, &[GOOD, secret, (AUTH_TOKEN, CANARY)]).unwrap().unwrap();
        assert!(callbacks.auth_token.is_some());
        let by_key: Vec<&str> = all.into_iter().chain(["--auth=key"]).collect();
        let callbacks = video(&by_key, &[GOOD, secret, (AUTH_TOKEN, CANARY)]).unwrap().unwrap();
        assert!(callbacks.auth_token.is_some(), "callbacks are signed with it all the same");

        let history =
            ["--history", "--history-api-key-sid", &reading, "--video-api-key-sid", &reading, all[0]];
        let history: Vec<&str> = history.into_iter().chain(all[3..].iter().copied()).collect();
        for (flags, variables, expected) in [
            (&[all[0], all[3], all[4], all[5]][..], &[GOOD][..], "Create one in the Twilio Console"),
            (&all, &[GOOD], "has no secret: set TWILIO_VIDEO_API_KEY_SECRET"),
            (
                &[all[0], all[1], &minting, all[3], all[4], all[5]],
                &[GOOD, secret],
                "is the key that signs Voice tokens",
            ),
            (
                &history,
                &[GOOD, secret, (HISTORY_API_KEY_SECRET, CANARY)],
                "is the key that chat history is read with",
            ),
            (&[all[0], all[1], all[2], all[5]], &[GOOD, secret], "--workspace-sid is not set"),
            (&all[..5], &[GOOD, secret], "--video-public-origin is not set"),
        ] {
            let error = video(flags, variables).unwrap_err();
            assert!(error.contains(expected) && error.lines().count() == 1, "{flags:?}: {error}");
        }
    }

    #[test]
    fn every_mistake_in_the_settings_of_video_is_told() {
        let long = format!("--video-organisation={}", "x".repeat(65));
        for flag in [
            "--video-public-origin=http://video.example",
            "--video-public-origin=https://video.example/",
            "--video-public-origin=https://video.example/v",
            "--video-public-origin=https://user@video.example",
            "--video-allowed-origin=*",
            "--video-extension-origin=https://flex.twilio.com",
            "--video-organisation=",
            "--video-organisation=a\nb",
            &long,
            "--video-max-guests=49",
            "--video-max-minutes=9",
            "--video-max-minutes=1381",
            "--video-recording=on",
            "--video-region=us3",
            "--video-text-from=555",
            "--video-text-from=+1555x100",
            "--video-base-url=http://video.example",
            "--messages-base-url=ftp://api.example",
            "--video-requests-per-minute=0",
        ] {
            assert!(config(&[flag], &[GOOD]).is_err(), "{flag}");
        }
        for flag in [
            "--video-public-origin=http://127.0.0.1:8787",
            "--video-public-origin=https://video.example:8443",
            "--video-organisation=Acme & Søn",
            "--video-max-guests=48",
            "--video-max-minutes=1380",
            "--video-recording=ask",
            "--video-region=de1",
            "--video-text-from=+15550100",
        ] {
            assert!(config(&[flag], &[GOOD]).is_ok(), "{flag}");
        }
    }

    #[test]
    fn a_region_has_its_edge_unless_another_is_set() {
        let edge =
            |flags: &[&str]| config(flags, &[GOOD]).map(|config| config.accounts[0].policy.edge.clone());
        assert_eq!(edge(&["--region", "au1"]), Ok("sydney".into()));
        assert_eq!(edge(&["--region", "us1"]), Ok("roaming".into()));
        assert_eq!(edge(&["--region", "de1", "--edge", "frankfurt"]), Ok("frankfurt".into()));
        assert!(edge(&["--region", "de1"]).is_err());
        assert!(edge(&["--edge", "https://x"]).is_err());
        assert_eq!(config(&["--region", "us1"], &[GOOD]).unwrap().accounts[0].policy.region, None);
    }
}
