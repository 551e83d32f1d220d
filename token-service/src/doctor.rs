//! `token-service doctor`: asks the real endpoints and says, line by line, what an administrator still has to do.
//!
//! What is asked changes nothing at Twilio. No line holds a secret.

use std::{fmt, path::Path, time::Duration};

use kernel::{Secret, Timestamp};
use protocol::video::PAGE_PATH;
use reqwest::header;
use serde_json::Value;
use service_kit::{env::Clock, tls::Certificate};
use twilio::flex_token::{
    CONNECT_TIMEOUT, Credentials, FlexTokenError, TOTAL_TIMEOUT, Validator, http_client, is_on_this_machine,
};

use crate::{
    config::{AccountConfig, Config},
    features::extension_files::MANIFEST,
    history::HistoryConfig,
    limits::{
        Rate,
        shared::{Mode, PATIENCE, Shared},
    },
    page_files::PageFiles,
    video::VideoConfig,
};

/// The TaskRouter activity in which agents are whose voice client is away; the Flex plugin sets it.
pub const OFFLINE_ACTIVITY: &str = "Voice Client Offline";

/// A clock that is further off than this makes tokens that Twilio takes for not yet, or not any more, valid.
const MAX_SKEW: Duration = Duration::from_secs(5);

/// Without these the page of video does nothing.
const PARTS: [&str; 4] = ["join.js", "pkg/join.js", "pkg/join_bg.wasm", "vendor/twilio-video.min.js"];

/// The largest answer that is read.
const MAX_ANSWER_BYTES: usize = 1024 * 1024;

/// What came out of one check.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// As it should be.
    Ok,
    /// Works, but somebody should know.
    Note,
    /// Somebody has to do something.
    ToDo,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Finding {
    /// What came out.
    pub verdict: Verdict,
    /// An account, or a part of the service.
    pub about: String,
    /// What is so, or what to do.
    pub text: String,
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let verdict = match self.verdict {
            Verdict::Ok => "ok   ",
            Verdict::Note => "note ",
            Verdict::ToDo => "TO DO",
        };
        write!(f, "{verdict} {}: {}", self.about, self.text)
    }
}

/// Checks everything.
pub async fn examine(config: &Config, clock: &dyn Clock) -> Vec<Finding> {
    let mut findings = Vec::new();
    for account in &config.accounts {
        let about = account.policy.account_sid.to_string();
        let mut say = |(verdict, text)| findings.push(Finding { verdict, about: about.clone(), text });
        for (name, credentials) in all_credentials(account) {
            say(credentials_are_taken(account, &name, credentials).await);
        }
        say(clock_is_right(account, clock).await);
        say(offline_activity(config, account).await);
        for line in origins(config, account) {
            say(line);
        }
        if let Some(history) = &account.history {
            for line in history_key(config, history).await {
                say(line);
            }
        }
        if let Some(video) = &account.video {
            for line in video_key(config, video).await {
                say(line);
            }
        }
    }
    let mut say = |about: &str, (verdict, text)| {
        findings.push(Finding { verdict, about: about.to_owned(), text });
    };
    say("TLS", tls(config));
    say("public URL", public_url(config).await);
    if let Some(url) = &config.redis_url {
        say("Redis", redis(url).await);
    }
    if config.accounts.iter().any(|account| account.video.is_some()) {
        say("video", page(config));
        if config.redis_url.is_none() {
            let text = "sessions are kept by this instance alone: several replicas need a Redis (TOKEN_SERVICE_REDIS_URL), or links are \
                        known to one of them only";
            say("video", (Verdict::Note, text.into()));
        }
    }
    if let Some(directory) = &config.extension_dir {
        say("extension", extension(directory));
    }
    findings
}

type Line = (Verdict, String);

fn ok(text: impl Into<String>) -> Line {
    (Verdict::Ok, text.into())
}

fn to_do(text: impl Into<String>) -> Line {
    (Verdict::ToDo, text.into())
}

/// Everything that the account can authenticate with, also what only signs.
fn all_credentials(account: &AccountConfig) -> Vec<(String, Credentials)> {
    let policy = &account.policy;
    let token = account.auth_token.iter().map(|token| {
        ("the auth token".to_owned(), Credentials::auth_token(&policy.account_sid, token.clone()))
    });
    let keys =
        policy.api_keys.iter().map(|key| (format!("API key {}", key.sid()), Credentials::api_key(key)));
    token.chain(keys).collect()
}

/// Asks about a token that cannot be valid: that Twilio says so shows that it takes the credentials.
async fn credentials_are_taken(account: &AccountConfig, name: &str, credentials: Credentials) -> Line {
    let base_url = &account.iam_base_url;
    let validator = http_client(base_url)
        .ok()
        .and_then(|http| Validator::new(http, base_url, &account.policy.account_sid, &credentials).ok());
    let Some(validator) = validator else {
        return to_do("the system's trusted certificates cannot be read: install ca-certificates");
    };
    match validator.validate(&Secret::new("token-service-doctor")).await {
        Err(FlexTokenError::Invalid { .. }) => ok(format!("Twilio takes {name}")),
        Ok(_) => (Verdict::Note, format!("{base_url} calls any token valid: is this Twilio?")),
        Err(FlexTokenError::WrongAccount) => {
            to_do(format!("Twilio does not know this account at {base_url}: check account_sid and region"))
        }
        Err(FlexTokenError::CredentialsRefused { status }) => to_do(format!(
            "Twilio refuses {name} (HTTP {status}): create a new one in the Twilio Console, in the account's region, \
             and set its secret"
        )),
        Err(FlexTokenError::Unavailable(why)) => to_do(format!(
            "{base_url} cannot be asked with {name} ({why}): allow this machine to make HTTPS connections to it"
        )),
    }
}

/// Compares our clock with the `Date` of an answer of Twilio's, which has whole seconds.
async fn clock_is_right(account: &AccountConfig, clock: &dyn Clock) -> Line {
    let base_url = &account.iam_base_url;
    let asked = async { client(base_url).ok()?.get(base_url).send().await.ok() };
    let date = asked.await.and_then(|response| {
        let date = response.headers().get(header::DATE)?.to_str().ok()?;
        let date = jiff::fmt::rfc2822::parse(date).ok()?.timestamp();
        u64::try_from(date.as_millisecond()).ok().map(Timestamp::from_millis)
    });
    let Some(theirs) = date else {
        return (Verdict::Note, format!("{base_url} does not say its time: the clock is not checked"));
    };
    let ours = clock.now();
    let off = Duration::from_millis(ours.since(theirs).max(theirs.since(ours)));
    if off > MAX_SKEW + Duration::from_secs(1) {
        let seconds = off.as_secs();
        return to_do(format!("this machine's clock is {seconds} s off Twilio's: synchronise it (NTP)"));
    }
    ok("this machine's clock agrees with Twilio's")
}

/// The activity must be there, and must keep calls away.
async fn offline_activity(config: &Config, account: &AccountConfig) -> Line {
    let Some((name, credentials)) = all_credentials(account).into_iter().next() else {
        return to_do("there is no API key");
    };
    let workspace = match &account.workspace_sid {
        Some(workspace) => workspace.clone(),
        None => {
            let url = format!("{}/v1/Configuration", config.flex_api_base_url.trim_end_matches('/'));
            let answer = get(&config.flex_api_base_url, &url, &credentials).await;
            let workspace =
                answer.as_ref().ok().and_then(|answer| answer["taskrouter_workspace_sid"].as_str());
            match workspace {
                Some(workspace) => workspace.to_owned(),
                None => {
                    return to_do(format!(
                        "Flex's workspace cannot be found with {name} ({}): set workspace_sid",
                        answer.err().unwrap_or_else(|| "no taskrouter_workspace_sid".into())
                    ));
                }
            }
        }
    };
    let base_url = config.taskrouter_base_url.trim_end_matches('/');
    let url = format!("{base_url}/v1/Workspaces/{workspace}/Activities?PageSize=1000");
    let answer = match get(base_url, &url, &credentials).await {
        Ok(answer) => answer,
        Err(why) => {
            return to_do(format!(
                "TaskRouter's activities cannot be read with {name} ({why}): check workspace_sid"
            ));
        }
    };
    let activities = answer["activities"].as_array().into_iter().flatten();
    let activity = activities.into_iter().find(|activity| activity["friendly_name"] == OFFLINE_ACTIVITY);
    match activity.map(|activity| activity["available"].as_bool()) {
        Some(Some(false)) => ok(format!("TaskRouter has the unavailable activity \"{OFFLINE_ACTIVITY}\"")),
        Some(_) => to_do(format!(
            "the activity \"{OFFLINE_ACTIVITY}\" is available, so calls would reach agents without a voice client: \
             delete it and create it again, unavailable"
        )),
        None => to_do(format!(
            "create the unavailable activity \"{OFFLINE_ACTIVITY}\" (Twilio Console, TaskRouter, workspace \
             {workspace}, Activities)"
        )),
    }
}

/// What the API key for chat history may do: read tasks and conversations. Nothing of what is read is shown.
async fn history_key(config: &Config, history: &HistoryConfig) -> Vec<Line> {
    let (credentials, key) = (Credentials::api_key(&history.api_key), history.api_key.sid());
    let service = history.chat_service_sid.as_ref().map(|sid| format!("/Services/{sid}")).unwrap_or_default();
    let asked = [
        (
            "tasks",
            &config.taskrouter_base_url,
            format!("/v1/Workspaces/{}/Tasks?PageSize=1", history.workspace_sid),
            "let it read TaskRouter, and check workspace_sid",
        ),
        (
            "conversations",
            &config.conversations_base_url,
            format!("/v1{service}/Conversations?PageSize=1"),
            "let it read Conversations, and check history_chat_service_sid",
        ),
    ];
    let mut lines = Vec::new();
    for (what, base_url, path, fix) in asked {
        let url = format!("{}{path}", base_url.trim_end_matches('/'));
        lines.push(match get(base_url, &url, &credentials).await {
            Ok(_) => ok(format!("chat history can read {what} with API key {key}")),
            Err(why) => to_do(format!("chat history cannot read {what} with API key {key} ({why}): {fix}")),
        });
    }
    if history.retention_days.is_none() {
        let text = "chat history hides no message for its age (history_retention_days)";
        lines.push((Verdict::Note, text.to_owned()));
    }
    lines
}

/// What the key for video may do, each by a question of one line that changes nothing; and what cannot be asked.
async fn video_key(config: &Config, video: &VideoConfig) -> Vec<Line> {
    let (key, workspace) = (video.api_key.sid(), video.workspace_sid.as_str());
    let credentials = Credentials::api_key(&video.api_key);
    let asked = [
        (
            "rooms",
            &config.video_base_url,
            "/v1/Rooms?PageSize=1".to_owned(),
            "let it be a standard key of region US1",
        ),
        (
            "tasks",
            &config.taskrouter_base_url,
            format!("/v1/Workspaces/{workspace}/Tasks?PageSize=1"),
            "let it read TaskRouter, and check workspace_sid",
        ),
    ];
    let mut lines = Vec::new();
    for (what, base_url, path, fix) in asked {
        let url = format!("{}{path}", base_url.trim_end_matches('/'));
        lines.push(match get(base_url, &url, &credentials).await {
            Ok(_) => ok(format!("video can read {what} with API key {key}")),
            Err(why) => to_do(format!("video cannot read {what} with API key {key} ({why}): {fix}")),
        });
    }
    let mut note = |text: &str| lines.push((Verdict::Note, text.to_owned()));
    note(
        "no question tells whether clients may create rooms by joining: switch it off (Twilio Console, Video, Room settings, client-side \
         room creation)",
    );
    if video.auth_token.is_none() {
        note(
            "callbacks are refused, since there is no auth token to check them by (TWILIO_AUTH_TOKEN): what is over ends half a minute \
             later",
        );
    }
    if video.extension_origins.is_empty() {
        note("no extension's window may show the page (video_extension_origins): agents have it in a tab");
    }
    lines.push(page_from_outside(video).await);
    lines
}

/// Whether customers' links lead here. From inside a network that may not be known.
async fn page_from_outside(video: &VideoConfig) -> Line {
    let url = format!("{}{PAGE_PATH}doctor", video.public_origin);
    let origin = &video.public_origin;
    let asked = async { client(origin)?.get(&url).send().await };
    match asked.await {
        Ok(answer) if answer.status().is_success() && answer.headers().contains_key("permissions-policy") => {
            ok(format!("links lead to the page of video ({origin})"))
        }
        Ok(answer) => to_do(format!(
            "{url} answers HTTP {} and not the page of video: check video_public_origin, video_page_dir and proxy",
            answer.status().as_u16()
        )),
        Err(_error) => to_do(format!(
            "{origin} (video_public_origin) cannot be reached from here: check DNS, certificate and proxy, and that the service runs"
        )),
    }
}

/// Whether the files of the page of video are there.
fn page(config: &Config) -> Line {
    let Some(directory) = &config.video_page_dir else {
        return to_do("no page is served: set video_page_dir to the directory with its files (dist/join)");
    };
    match PageFiles::read(directory) {
        Ok(files) => {
            let missing: Vec<&str> = PARTS.into_iter().filter(|part| files.get(part).is_none()).collect();
            if missing.is_empty() {
                ok(format!("the page is there ({} files)", files.names().count()))
            } else {
                to_do(format!("{} is without {}: build it again", directory.display(), missing.join(", ")))
            }
        }
        Err(why) => to_do(why.to_string()),
    }
}

/// For what is no question about a Flex token: with the same time limits, and no redirects either.
fn client(base_url: &str) -> reqwest::Result<reqwest::Client> {
    let builder = reqwest::Client::builder()
        .connect_timeout(CONNECT_TIMEOUT)
        .timeout(TOTAL_TIMEOUT)
        .redirect(reqwest::redirect::Policy::none());
    if is_on_this_machine(base_url) { builder.no_proxy() } else { builder }.build()
}

async fn get(base_url: &str, url: &str, credentials: &Credentials) -> Result<Value, String> {
    let said = |error: reqwest::Error| {
        let why = if error.is_timeout() {
            "no answer in time"
        } else if error.is_connect() {
            "no connection"
        } else {
            "connection lost"
        };
        why.to_owned()
    };
    let request = client(base_url).map_err(said)?.get(url).header(header::AUTHORIZATION, credentials.basic());
    let mut response = request.send().await.map_err(said)?;
    if !response.status().is_success() {
        return Err(format!("HTTP {}", response.status().as_u16()));
    }
    let mut body = Vec::new();
    while let Some(chunk) = response.chunk().await.map_err(said)? {
        if body.len() + chunk.len() > MAX_ANSWER_BYTES {
            return Err("answer too large".to_owned());
        }
        body.extend_from_slice(&chunk);
    }
    serde_json::from_slice(&body).map_err(|_json| "answer not understood".to_owned())
}

fn origins(config: &Config, account: &AccountConfig) -> Vec<Line> {
    let mut lines = Vec::new();
    let extensions =
        account.allowed_origins.iter().filter(|origin| origin.starts_with("chrome-extension://")).count();
    lines.push(match extensions {
        0 => to_do("no extension may ask: add chrome-extension://<id of the extension> to allowed_origins"),
        count => ok(format!("{count} extension(s) may ask")),
    });
    if config.allow_missing_origin {
        lines.push((Verdict::Note, "requests without an origin are served (allow_missing_origin)".into()));
    }
    if account.legacy_generate_token {
        lines.push((
            Verdict::Note,
            "/generateToken is served: it carries Flex tokens in URLs; switch it off after the migration"
                .into(),
        ));
    }
    lines
}

fn tls(config: &Config) -> Line {
    match &config.server.tls {
        Some(files) => match Certificate::load(files) {
            Ok(certificate) => ok(format!(
                "certificate and key belong together ({} in the chain)",
                certificate.chain().len()
            )),
            Err(error) => to_do(error.to_string()),
        },
        None if config.server.address.ip().is_loopback() => {
            ok(format!("{} is plain HTTP on this machine: TLS ends at a proxy", config.server.address))
        }
        None => (
            Verdict::Note,
            format!(
                "{} is plain HTTP for other machines: TLS must end at a proxy before it",
                config.server.address
            ),
        ),
    }
}

async fn public_url(config: &Config) -> Line {
    let Some(url) = &config.public_url else {
        return (Verdict::Note, "not set (public_url): what the extension reaches is not checked".into());
    };
    let document = format!("{}/openapi.json", url.trim_end_matches('/'));
    let asked = async { client(url)?.get(&document).send().await?.error_for_status()?.text().await };
    match asked.await {
        Ok(text) if text.contains("/v1/voice/token") => ok(format!("{url} leads to a token service")),
        Ok(_) => to_do(format!("{url} leads to something else: check proxy and path")),
        Err(error) => to_do(match error.status() {
            Some(status) => format!("{document} answers HTTP {}: check proxy and path", status.as_u16()),
            None => format!("{url} cannot be reached from here: check DNS, certificate and proxy"),
        }),
    }
}

async fn redis(url: &Secret) -> Line {
    let rate = Rate { per_minute: std::num::NonZeroU32::MIN, burst: std::num::NonZeroU32::MIN };
    let shared = match Shared::new(url, PATIENCE) {
        Ok(shared) => shared,
        Err(error) => return to_do(error.to_string()),
    };
    match shared.count("doctor", rate, Mode::Look).await {
        Ok(_) => ok("limits are shared"),
        Err(why) => to_do(format!("{why}: until it counts, each replica counts for itself")),
    }
}

fn extension(directory: &Path) -> Line {
    let manifest = directory.join(MANIFEST);
    let packages = std::fs::read_dir(directory).into_iter().flatten().flatten();
    let packages = packages.filter(|entry| entry.path().extension().is_some_and(|end| end == "crx")).count();
    match (manifest.is_file(), packages) {
        (true, 1..) => ok(format!("{MANIFEST} and {packages} package(s) are there")),
        (false, _) => to_do(format!("{} is missing: put the packed extension there", manifest.display())),
        (true, 0) => to_do(format!("{} holds no package (.crx)", directory.display())),
    }
}
