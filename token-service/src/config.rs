//! Every setting, read from flags, environment and files, and checked before anything starts.
//!
//! Secrets come from the environment or from files, never from flags: a command line is visible to every process of
//! the machine. No message ever repeats a value that could be a secret put in the wrong place.

use std::{
    collections::BTreeSet,
    ffi::OsString,
    fmt,
    net::{IpAddr, SocketAddr},
    num::NonZeroU32,
    path::{Path, PathBuf},
    time::Duration,
};

use clap::Parser;
use ipnet::IpNet;
use protocol::{AccountSid, DEFAULT_IDENTITY_PREFIX, IdentityPrefix, InvalidId, Secret, id::is_sid};
use twilio::{ApiKey, ApiKeySid, access_token, flex_token};

use crate::mint::{MIN_LIFE_SECONDS, Policy};

/// The name of the variable with the API key's secret; with `_FILE` appended, of the one that names a file.
pub const API_KEY_SECRET: &str = "TWILIO_API_KEY_SECRET";
/// The name of the variable with the account's auth token; with `_FILE` appended, of the one that names a file.
pub const AUTH_TOKEN: &str = "TWILIO_AUTH_TOKEN";

/// Exchanges Flex tokens for Voice tokens.
///
/// Secrets are read from TWILIO_API_KEY_SECRET or TWILIO_API_KEY_SECRET_FILE, and TWILIO_AUTH_TOKEN or
/// TWILIO_AUTH_TOKEN_FILE (optional; without it, the API key authenticates to Twilio).
#[derive(Debug, Parser)]
#[command(name = "token-service", version)]
pub struct Args {
    /// The Twilio account: AC and 32 hexadecimal digits.
    #[arg(long, env = "TWILIO_ACCOUNT_SID", value_name = "AC…")]
    account_sid: String,
    /// The API key that signs Voice tokens: SK and 32 hexadecimal digits.
    #[arg(long, env = "TWILIO_API_KEY_SID", value_name = "SK…")]
    api_key_sid: String,
    /// The region of account and key, as au1. Twilio's default region when not given.
    #[arg(long, env = "TWILIO_REGION")]
    region: Option<String>,
    /// Where Flex tokens are validated: https, or http on this machine.
    #[arg(long, env = "TOKEN_SERVICE_IAM_BASE_URL", default_value = flex_token::DEFAULT_BASE_URL)]
    iam_base_url: String,

    /// Put before the agent's own identity.
    #[arg(long, env = "TOKEN_SERVICE_IDENTITY_PREFIX", default_value = DEFAULT_IDENTITY_PREFIX)]
    identity_prefix: String,
    /// A Flex role that may have a voice client. Repeat it, or separate several by commas.
    #[arg(
        long = "allowed-role",
        env = "TOKEN_SERVICE_ALLOWED_ROLES",
        value_delimiter = ',',
        default_value = "agent,supervisor,admin"
    )]
    allowed_roles: Vec<String>,
    /// The longest life of a Voice token in seconds, 60 to 86399. It never outlives the Flex token.
    #[arg(long, env = "TOKEN_SERVICE_TTL_SECONDS", default_value_t = access_token::DEFAULT_TTL_SECONDS)]
    ttl_seconds: u64,
    /// How long Twilio's answer about a Flex token is remembered, in seconds, 0 to 30. A revoked token is taken for
    /// that much longer.
    #[arg(long, env = "TOKEN_SERVICE_VALIDATION_CACHE_SECONDS", default_value_t = 0)]
    validation_cache_seconds: u64,

    /// A web origin that may ask, as `chrome-extension://ID`. Repeat it, or separate several by commas.
    #[arg(long = "allowed-origin", env = "TOKEN_SERVICE_ALLOWED_ORIGINS", value_delimiter = ',')]
    allowed_origins: Vec<String>,
    /// Also serve requests without an Origin header. A browser's POST always has one.
    #[arg(long, env = "TOKEN_SERVICE_ALLOW_MISSING_ORIGIN")]
    allow_missing_origin: bool,
    /// Also serve /generateToken for the older extension. It carries the Flex token in the URL.
    #[arg(long, env = "TOKEN_SERVICE_LEGACY_GENERATE_TOKEN")]
    legacy_generate_token: bool,

    /// The address to listen on.
    #[arg(long, env = "TOKEN_SERVICE_HOST", default_value = "127.0.0.1")]
    host: IpAddr,
    /// The port to listen on; 0 takes a free one.
    #[arg(long, env = "TOKEN_SERVICE_PORT", default_value_t = 8787)]
    port: u16,
    /// The address for /live, /ready and /metrics. Keep it private.
    #[arg(long, env = "TOKEN_SERVICE_ADMIN_HOST", default_value = "127.0.0.1")]
    admin_host: IpAddr,
    /// The port for /live, /ready and /metrics; 0 takes a free one.
    #[arg(long, env = "TOKEN_SERVICE_ADMIN_PORT", default_value_t = 8788)]
    admin_port: u16,
    /// An address or network whose X-Forwarded-For is believed. Repeat it, or separate several by commas.
    #[arg(long = "trusted-proxy", env = "TOKEN_SERVICE_TRUSTED_PROXIES", value_delimiter = ',')]
    trusted_proxies: Vec<String>,

    /// Refused Flex tokens a minute from one client address; twice as many at once.
    #[arg(long, env = "TOKEN_SERVICE_FAILURES_PER_MINUTE", default_value = "10")]
    failures_per_minute: NonZeroU32,
    /// Voice tokens a minute for one identity, and at once.
    #[arg(long, env = "TOKEN_SERVICE_MINTS_PER_MINUTE", default_value = "30")]
    mints_per_minute: NonZeroU32,
    /// Requests in progress at once; more are answered 503.
    #[arg(long, env = "TOKEN_SERVICE_MAX_IN_FLIGHT", default_value = "512")]
    max_in_flight: NonZeroU32,
    /// Connections open at once; more wait to be accepted.
    #[arg(long, env = "TOKEN_SERVICE_MAX_CONNECTIONS", default_value = "2048")]
    max_connections: NonZeroU32,

    /// What is logged, to stderr, as JSON lines: error, warn, info, debug, or a tracing filter.
    #[arg(long, env = "TOKEN_SERVICE_LOG", default_value = "info")]
    log: String,
    /// Stop when standard input is closed, so that the service never outlives what started it.
    #[arg(long)]
    exit_with_stdin: bool,
    /// Print the settings, without secrets, and stop.
    #[arg(long)]
    print_config: bool,
}

/// The settings, checked. `Debug` shows no secret.
#[derive(Clone, Debug)]
pub struct Config {
    /// Who may have which token.
    pub policy: Policy,
    /// Authenticates to Twilio; `None` when the API key does.
    pub auth_token: Option<Secret>,
    /// Where Flex tokens are validated.
    pub iam_base_url: String,
    /// How long Twilio's answers are remembered; zero for not at all.
    pub validation_cache: Duration,
    /// The web origins that may ask, written exactly as browsers send them.
    pub allowed_origins: BTreeSet<String>,
    /// Whether requests without an origin are served.
    pub allow_missing_origin: bool,
    /// Whether `/generateToken` is served.
    pub legacy_generate_token: bool,
    /// Where to listen.
    pub address: SocketAddr,
    /// Where to listen for the operator.
    pub admin_address: SocketAddr,
    /// Whose `X-Forwarded-For` is believed.
    pub trusted_proxies: Vec<IpNet>,
    /// Refused Flex tokens a minute from one client address.
    pub failures_per_minute: NonZeroU32,
    /// Voice tokens a minute for one identity.
    pub mints_per_minute: NonZeroU32,
    /// Requests in progress at once.
    pub max_in_flight: NonZeroU32,
    /// Connections open at once.
    pub max_connections: NonZeroU32,
    /// What is logged.
    pub log: String,
    /// Whether to stop when standard input is closed.
    pub exit_with_stdin: bool,
    /// Whether to print the settings and stop.
    pub print_config: bool,
}

/// A setting that is not usable. The message never repeats the value.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ConfigError {
    /// Not of the form that it must have.
    #[error("{name} is not a valid {expected}")]
    Malformed {
        /// The flag or variable.
        name: &'static str,
        /// What was expected, for a person.
        expected: &'static str,
    },
    /// A secret that must be there is not.
    #[error("{0} or {0}_FILE must be set")]
    MissingSecret(&'static str),
    /// A secret is given twice, and it would be a guess which one counts.
    #[error("{0} and {0}_FILE are both set; set one of them")]
    SecretTwice(&'static str),
    /// The file with a secret cannot be read.
    #[error("the file that {name}_FILE names cannot be read: {cause}")]
    SecretFile {
        /// The variable, without `_FILE`.
        name: &'static str,
        /// Why.
        cause: std::io::ErrorKind,
    },
    /// Nobody could ask.
    #[error("--allowed-origin is not set: say which extension may ask, as chrome-extension://<id>")]
    NoOrigin,
}

fn malformed(name: &'static str, expected: &'static str) -> ConfigError {
    ConfigError::Malformed { name, expected }
}

fn named(name: &'static str) -> impl Fn(InvalidId) -> ConfigError {
    move |invalid| malformed(name, invalid.expected)
}

impl Config {
    /// Checks the settings. `variable` reads the environment.
    ///
    /// # Errors
    /// [`ConfigError`], the first setting that is not usable.
    pub fn new(args: Args, variable: &dyn Fn(&str) -> Option<OsString>) -> Result<Self, ConfigError> {
        let api_key_sid: ApiKeySid = args.api_key_sid.parse().map_err(named("TWILIO_API_KEY_SID"))?;
        let account_sid: AccountSid = args.account_sid.parse().map_err(named("TWILIO_ACCOUNT_SID"))?;
        let api_key_secret =
            secret(API_KEY_SECRET, variable)?.ok_or(ConfigError::MissingSecret(API_KEY_SECRET))?;
        let auth_token = secret(AUTH_TOKEN, variable)?;
        if let Some(region) = &args.region
            && !(region.len() == 3
                && region.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit())
                && region.ends_with(|c: char| c.is_ascii_digit()))
        {
            return Err(malformed("TWILIO_REGION", "region (as au1 or ie1)"));
        }
        if !(MIN_LIFE_SECONDS..=access_token::MAX_TTL_SECONDS).contains(&args.ttl_seconds) {
            return Err(malformed("--ttl-seconds", "life of a token (60 to 86399 seconds)"));
        }
        // The whole check is the validator's; this much keeps credentials in the URL out of --print-config.
        if args.iam_base_url.contains(['@', '?', '#']) {
            return Err(malformed("--iam-base-url", "base URL (https://host[/path])"));
        }
        let validation_cache = Duration::from_secs(args.validation_cache_seconds);
        if validation_cache > crate::validation::MAX_CACHE {
            return Err(malformed("--validation-cache-seconds", "time (0 to 30 seconds)"));
        }
        let allowed_roles: BTreeSet<String> = args.allowed_roles.into_iter().collect();
        if allowed_roles.is_empty() || allowed_roles.iter().any(|role| role.trim().is_empty()) {
            return Err(malformed("--allowed-role", "list of roles"));
        }
        let allowed_origins: BTreeSet<String> = args.allowed_origins.into_iter().collect();
        if !allowed_origins.iter().all(|origin| is_origin(origin)) {
            return Err(malformed(
                "--allowed-origin",
                "origin (chrome-extension://<32 letters a to p>, or https://host[:port])",
            ));
        }
        if allowed_origins.is_empty() && !args.allow_missing_origin && !args.legacy_generate_token {
            return Err(ConfigError::NoOrigin);
        }
        let trusted_proxies = args
            .trusted_proxies
            .iter()
            .map(|text| text.parse::<IpNet>().or_else(|_single| text.parse::<IpAddr>().map(IpNet::from)))
            .collect::<Result<_, _>>()
            .map_err(|_cause| malformed("--trusted-proxy", "address or network (as 10.0.0.0/8)"))?;
        Ok(Self {
            policy: Policy {
                account_sid,
                api_key: ApiKey::new(api_key_sid, api_key_secret),
                identity_prefix: IdentityPrefix::new(args.identity_prefix)
                    .map_err(named("--identity-prefix"))?,
                allowed_roles,
                ttl_seconds: args.ttl_seconds,
                region: args.region,
            },
            auth_token,
            iam_base_url: args.iam_base_url,
            validation_cache,
            allowed_origins,
            allow_missing_origin: args.allow_missing_origin,
            legacy_generate_token: args.legacy_generate_token,
            address: (args.host, args.port).into(),
            admin_address: (args.admin_host, args.admin_port).into(),
            trusted_proxies,
            failures_per_minute: args.failures_per_minute,
            mints_per_minute: args.mints_per_minute,
            max_in_flight: args.max_in_flight,
            max_connections: args.max_connections,
            log: args.log,
            exit_with_stdin: args.exit_with_stdin,
            print_config: args.print_config,
        })
    }
}

fn secret(
    name: &'static str,
    variable: &dyn Fn(&str) -> Option<OsString>,
) -> Result<Option<Secret>, ConfigError> {
    let file = variable(&format!("{name}_FILE")).map(PathBuf::from);
    let text = match (variable(name), file) {
        (None, None) => return Ok(None),
        (Some(_), Some(_)) => return Err(ConfigError::SecretTwice(name)),
        (Some(value), None) => value.into_string().map_err(|_not_utf8| malformed(name, SECRET))?,
        (None, Some(path)) => {
            read_secret_file(&path).map_err(|error| ConfigError::SecretFile { name, cause: error.kind() })?
        }
    };
    let text = text.trim_end_matches(['\r', '\n']);
    // A SID in the place of a secret is the mistake that people make; it would sign with what everybody knows.
    let looks_like_a_sid = ["AC", "SK", "WS", "AP"].iter().any(|prefix| is_sid(text, prefix));
    if (1..=256).contains(&text.len()) && text.bytes().all(|b| b.is_ascii_graphic()) && !looks_like_a_sid {
        Ok(Some(Secret::new(text)))
    } else {
        Err(malformed(name, SECRET))
    }
}

const SECRET: &str = "secret (1 to 256 visible characters, no SID)";

/// Reads no more than a secret can have, whatever the path leads to.
fn read_secret_file(path: &Path) -> std::io::Result<String> {
    use std::io::Read as _;
    let mut text = String::new();
    std::fs::File::open(path)?.take(1024).read_to_string(&mut text)?;
    Ok(text)
}

/// As browsers write it: lower case, no path, no default port.
fn is_origin(text: &str) -> bool {
    if let Some(id) = text.strip_prefix("chrome-extension://") {
        return id.len() == 32 && id.bytes().all(|b| (b'a'..=b'p').contains(&b));
    }
    text.starts_with("https://")
        && reqwest::Url::parse(text).is_ok_and(|url| url.origin().ascii_serialization() == text)
}

impl fmt::Display for Config {
    /// For `--print-config`: a line for each setting; secrets only as "set".
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fn list<T: ToString>(items: impl IntoIterator<Item = T>) -> String {
            items.into_iter().map(|item| item.to_string()).collect::<Vec<_>>().join(",")
        }
        let Policy { account_sid, api_key, identity_prefix, allowed_roles, ttl_seconds, region } =
            &self.policy;
        writeln!(f, "account-sid = {account_sid}")?;
        writeln!(f, "api-key-sid = {}", api_key.sid())?;
        writeln!(f, "api-key-secret = set")?;
        writeln!(f, "auth-token = {}", if self.auth_token.is_some() { "set" } else { "not set" })?;
        writeln!(f, "region = {}", region.as_deref().unwrap_or("default"))?;
        writeln!(f, "iam-base-url = {}", self.iam_base_url)?;
        writeln!(f, "identity-prefix = {identity_prefix}")?;
        writeln!(f, "allowed-role = {}", list(allowed_roles))?;
        writeln!(f, "ttl-seconds = {ttl_seconds}")?;
        writeln!(f, "validation-cache-seconds = {}", self.validation_cache.as_secs())?;
        writeln!(f, "allowed-origin = {}", list(&self.allowed_origins))?;
        writeln!(f, "allow-missing-origin = {}", self.allow_missing_origin)?;
        writeln!(f, "legacy-generate-token = {}", self.legacy_generate_token)?;
        writeln!(f, "address = {}", self.address)?;
        writeln!(f, "admin-address = {}", self.admin_address)?;
        writeln!(f, "trusted-proxy = {}", list(&self.trusted_proxies))?;
        writeln!(f, "failures-per-minute = {}", self.failures_per_minute)?;
        writeln!(f, "mints-per-minute = {}", self.mints_per_minute)?;
        writeln!(f, "max-in-flight = {}", self.max_in_flight)?;
        writeln!(f, "max-connections = {}", self.max_connections)?;
        writeln!(f, "log = {}", self.log)
    }
}

#[cfg(test)]
mod tests {
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
        account-sid = AC11111111111111111111111111111111
        api-key-sid = SK22222222222222222222222222222222
        api-key-secret = set
        auth-token = not set
        region = default
        iam-base-url = https://iam.twilio.com
        identity-prefix = ext_
        allowed-role = admin,agent,supervisor
        ttl-seconds = 3600
        validation-cache-seconds = 0
        allowed-origin = chrome-extension://aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa
        allow-missing-origin = false
        legacy-generate-token = false
        address = 127.0.0.1:8787
        admin-address = 127.0.0.1:8788
        trusted-proxy = 
        failures-per-minute = 10
        mints-per-minute = 30
        max-in-flight = 512
        max-connections = 2048
        log = info
        ");
    }

    #[test]
    fn a_secret_comes_from_a_variable_or_a_file_and_not_from_both() {
        let path = std::env::temp_dir().join(format!("token-service-secret-{}", std::process::id()));
        std::fs::write(&path, format!("{CANARY}\n")).unwrap();
        let file = ("TWILIO_API_KEY_SECRET_FILE", path.to_str().unwrap());
        for variables in [vec![GOOD], vec![file]] {
            let config = config(&[], &variables).unwrap();
            assert_eq!(config.policy.api_key.secret().expose(), CANARY);
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
        TWILIO_ACCOUNT_SID is not a valid account SID (AC and 32 hexadecimal digits)
        TWILIO_API_KEY_SID is not a valid API key SID (SK and 32 hexadecimal digits)
        --identity-prefix is not a valid identity prefix (lower-case letters and digits, then _)
        TWILIO_REGION is not a valid region (as au1 or ie1)
        --allowed-origin is not a valid origin (chrome-extension://<32 letters a to p>, or https://host[:port])
        --trusted-proxy is not a valid address or network (as 10.0.0.0/8)
        --iam-base-url is not a valid base URL (https://host[/path])
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
            ["--validation-cache-seconds", "31"],
            ["--mints-per-minute", "0"],
            ["--failures-per-minute", "0"],
        ] {
            assert!(config(&flags, &[GOOD]).is_err(), "{flags:?}");
        }
        for flags in
            [["--ttl-seconds", "60"], ["--ttl-seconds", "86399"], ["--validation-cache-seconds", "30"]]
        {
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
        assert_eq!(config.policy.allowed_roles.iter().collect::<Vec<_>>(), ["a", "b", "c"]);
        assert_eq!(config.trusted_proxies.len(), 2);
    }
}
