//! The running stack: sandbox, token service, and what a browser needs to know of them.

use std::{
    fs,
    io::{BufRead, BufReader, Write},
    net::TcpListener,
    panic::resume_unwind,
    path::PathBuf,
    process::{Command, Stdio},
    sync::mpsc,
    thread,
    time::{Duration, Instant},
};

use anyhow::{Context, Result, bail};
use serde_json::{Value, json};

use crate::{
    build,
    flex_ui::{self, FlexUi},
    identity,
    process::{Running, command, interrupted, is_root, seconds},
    project::Project,
    say,
    setup::{self, Tools},
};

/// The sandbox's account, known by its source file: a dependency on the sandbox would make every first
/// `cargo xtask` compile a web server.
#[expect(dead_code, reason = "the sandbox needs more of it than we do")]
#[path = "../../sandbox/flex/src/account.rs"]
mod account;

/// Where the browser finds the token service, and where its older shape.
const TOKEN_HOST: &str = "voice-tokens.example.com";
const TOKEN_PATH: &str = "/v1/voice/token";
const LEGACY_TOKEN_PATH: &str = "/generateToken";
/// What the page at this address is: the agent's desktop in the real Flex UI.
pub const FLEX_URL: &str = "https://flex.twilio.com/agent-desktop";
/// Chat history hides what is older: long enough for every earlier conversation that the switchboard makes, unless it is
/// asked for an older one.
const RETENTION_DAYS: u32 = 365;
/// How long a server may take to come up.
const READY_LIMIT: Duration = Duration::from_secs(30);

/// How a stack differs from the usual one.
#[derive(Clone, Default)]
pub struct Options {
    /// Another unpacked extension.
    pub extension: Option<PathBuf>,
    /// Another plugin bundle.
    pub plugin: Option<PathBuf>,
    /// Put before the names of its files where a second stack runs beside the usual one.
    pub label: String,
    /// Simulated round trip to the voice gateway, in milliseconds.
    pub rtt_ms: u32,
    /// Whether the browser shows nothing.
    pub headless: bool,
    /// Another extension id that the token service serves: that of the signed package.
    pub signed_id: Option<String>,
    /// The browser's token service is not ours but whatever the driver has at this port of this machine.
    pub token_port: Option<u16>,
    /// Versions of Flex UI; the first is served unless the switchboard chooses another. None: the newest.
    pub flex: Vec<FlexUi>,
}

/// Sandbox and token service, running until this value is dropped.
pub struct Stack {
    /// What a browser's driver needs to know; written to `file` too.
    pub description: Value,
    /// The description as a JSON file.
    pub file: PathBuf,
    // Dropped in this order: the token service asks the sandbox.
    _token_service: Option<Running>,
    _sandbox: Running,
}

impl Stack {
    /// Starts what `prepare` has made, on free ports.
    pub fn start(project: &Project, tools: &Tools, options: &Options) -> Result<Self> {
        let versions = if options.flex.is_empty() { &[FlexUi::Newest][..] } else { &options.flex };
        let flex_bundles = versions
            .iter()
            .map(|flex| Ok((flex.version(project), flex_ui::bundle(project, tools, *flex)?)))
            .collect::<Result<Vec<(String, PathBuf)>>>()?;
        let start = Instant::now();
        let extension = fs::canonicalize(options.extension.clone().unwrap_or_else(|| project.extension()))
            .context("the extension")?;
        let plugin = fs::canonicalize(options.plugin.clone().unwrap_or_else(|| project.plugin()))
            .context("the plugin")?;
        let extension_id = identity::of_directory(&extension)?;
        let foreign = options.extension.is_some() || options.plugin.is_some();
        let token_path = if foreign { LEGACY_TOKEN_PATH } else { TOKEN_PATH };
        let token_port = options.token_port.map_or_else(free_port, Ok)?;

        let mut sandbox = server(project, "sandbox");
        sandbox.args(["--tls-port", "0", "--signalling-port", "0", "--http-port", "0"]);
        sandbox.args([
            "--rtt-ms",
            &options.rtt_ms.to_string(),
            "--token-host",
            TOKEN_HOST,
            "--token-path",
            token_path,
        ]);
        sandbox.args(["--token-service-url", &format!("http://127.0.0.1:{token_port}")]);
        for (version, path) in &flex_bundles {
            sandbox.arg("--flex-bundle").arg(format!("{version}={}", path.display()));
        }
        sandbox.arg("--plugin").arg(&plugin);
        if !foreign {
            sandbox.arg("--video");
        }
        let (sandbox, ready) = start_server(project, &format!("{}sandbox", options.label), sandbox)?;
        let port =
            |name: &str| ready[name].as_u64().with_context(|| format!("the sandbox says no {name} port"));
        let (tls, signalling, http) = (port("tls")?, port("signalling")?, port("http")?);
        let rules = ready["host_resolver_rules"].as_str().context("the sandbox says no host rules")?;
        let key = ready["spki_sha256"].as_str().context("the sandbox says no certificate key")?;

        let token_service = match options.token_port {
            Some(_) => None,
            None => Some(token_service(project, options, &extension_id, token_port, &ready, foreign)?),
        };

        let description = json!({
            "tls": tls,
            "signalling": signalling,
            "http": http,
            "switchboard": format!("http://127.0.0.1:{http}/"),
            "token_service": format!("http://127.0.0.1:{token_port}"),
            "token_url": format!("https://{TOKEN_HOST}{token_path}"),
            "flex_url": FLEX_URL,
            "extension_dir": extension,
            "extension_id": extension_id,
            "plugin": plugin,
            "chromium": tools.chromium,
            "chromium_args": chromium_args(rules, key, options.headless),
            "rtt_ms": options.rtt_ms,
            "run_dir": project.run_dir(),
            "token_service_log": project.log(&format!("{}token-service", options.label)),
            "video": !foreign,
            "history": (!foreign).then(|| json!({ "retention_days": RETENTION_DAYS })),
            "flex_ui": flex_bundles[0].0,
            "flex_ui_oldest": FlexUi::Oldest.version(project),
            "voice_sdk": npm_version(project, "@twilio/voice-sdk"),
            "account": {
                "account_sid": account::ACCOUNT_SID,
                // The sandbox's own, which open nothing else.
                "api_key_sid": account::API_KEY_SID,
                "api_key_secret": account::API_KEY_SECRET,
                "auth_token": account::AUTH_TOKEN,
                "workspace_sid": account::WORKSPACE_SID,
                "call_centre_number": account::CALL_CENTRE_NUMBER,
                "worker_sid": account::WORKER_SID,
                "agent_identity": account::AGENT_IDENTITY,
                "agent_name": account::AGENT_NAME,
                "extension_identity": account::EXTENSION_IDENTITY,
            },
        });
        let file = project.run_dir().join(format!("{}stack.json", options.label));
        fs::write(&file, format!("{description:#}\n")).with_context(|| file.display().to_string())?;
        say!("stack: sandbox and token service are up ({})", seconds(start));
        Ok(Self { description, file, _token_service: token_service, _sandbox: sandbox })
    }

    /// One of the description's texts.
    pub fn text(&self, name: &str) -> &str {
        self.description[name].as_str().unwrap_or_default()
    }

    /// The arguments that any Chromium of this stack gets.
    pub fn chromium_args(&self) -> impl Iterator<Item = &str> {
        self.description["chromium_args"].as_array().into_iter().flatten().filter_map(Value::as_str)
    }
}

/// Everything that a stack needs: tools, extension, plugin; and, compiled beside them, the servers.
pub fn prepare(project: &Project) -> Result<Tools> {
    thread::scope(|scope| {
        // What the build waits for comes first.
        let servers = scope.spawn(|| build::bindgen(project).and_then(|_| compile_servers(project)));
        let tools = setup::run(project).and_then(|tools| build::run(project, &tools).map(|()| tools));
        servers.join().unwrap_or_else(|panic| resume_unwind(panic))?;
        tools
    })
}

/// Compiles sandbox and token service.
pub fn compile_servers(project: &Project) -> Result<()> {
    let start = Instant::now();
    build::programs(project, &["sandbox", "token-service"])?;
    say!("stack: sandbox and token-service compiled: {}", seconds(start));
    Ok(())
}

/// A server's command; it ends by itself when its standard input is closed, however we ended.
fn server(project: &Project, name: &str) -> Command {
    let mut server = command(project.target.join("debug").join(name), &project.root);
    server.arg("--exit-with-stdin").stdin(Stdio::piped());
    server
}

/// The token service, told to judge Flex tokens at the sandbox.
fn token_service(
    project: &Project,
    options: &Options,
    extension_id: &str,
    port: u16,
    sandbox: &Value,
    foreign: bool,
) -> Result<Running> {
    let mut token_service = server(project, "token-service");
    token_service.args(["--port", &port.to_string(), "--admin-port", "0"]);
    token_service.args([
        "--iam-base-url",
        &format!("http://127.0.0.1:{}/iam", sandbox["http"]),
        "--legacy-generate-token",
    ]);
    // Tests fail on purpose, and often; all of them come from one address.
    token_service.args(["--mints-per-minute", "600", "--failures-per-minute", "600"]);
    if foreign {
        token_service.arg("--allow-missing-origin");
    } else {
        video(&mut token_service, project, sandbox)?;
    }
    // Chat history of the sandbox's account.
    token_service.args(["--history", "--history-customer-conversations"]);
    token_service.args([
        "--history-api-key-sid",
        account::READING_API_KEY_SID,
        "--workspace-sid",
        account::WORKSPACE_SID,
    ]);
    token_service.args(["--history-retention-days", &RETENTION_DAYS.to_string()]);
    for (flag, name) in [
        ("--taskrouter-base-url", "taskrouter_base_url"),
        ("--history-conversations-base-url", "conversations_base_url"),
        ("--history-media-base-url", "media_base_url"),
    ] {
        let url = sandbox[name].as_str().with_context(|| format!("the sandbox says no {name}"))?;
        token_service.args([flag, url]);
    }
    token_service.args(["--allowed-origin", &format!("chrome-extension://{extension_id}")]);
    if let Some(id) = &options.signed_id {
        token_service.args(["--allowed-origin", &format!("chrome-extension://{id}")]);
    }
    token_service
        .env("TWILIO_ACCOUNT_SID", account::ACCOUNT_SID)
        .env("TWILIO_API_KEY_SID", account::API_KEY_SID)
        .env("TWILIO_API_KEY_SECRET", account::API_KEY_SECRET)
        .env("TWILIO_HISTORY_API_KEY_SECRET", account::READING_API_KEY_SECRET)
        .env("TWILIO_AUTH_TOKEN", account::AUTH_TOKEN);
    Ok(start_server(project, &format!("{}token-service", options.label), token_service)?.0)
}

/// Video of the sandbox's account: the page that is built, under the host where the browser finds the token service. One
/// more than the customer may be let in.
fn video(token_service: &mut Command, project: &Project, sandbox: &Value) -> Result<()> {
    token_service.args(["--video", "--video-api-key-sid", account::VIDEO_API_KEY_SID]);
    token_service.arg("--video-public-origin").arg(format!("https://{TOKEN_HOST}"));
    token_service.arg("--video-page-dir").arg(project.join());
    token_service.args(["--video-organisation", "Parcels of Berlin", "--video-max-guests", "1"]);
    token_service.args([
        "--video-text-from",
        account::CALL_CENTRE_NUMBER,
        "--video-requests-per-minute",
        "600",
    ]);
    for (flag, name) in [("--video-base-url", "video_base_url"), ("--messages-base-url", "messages_base_url")]
    {
        let url = sandbox[name].as_str().with_context(|| format!("the sandbox says no {name}"))?;
        token_service.args([flag, url]);
    }
    token_service.env("TWILIO_VIDEO_API_KEY_SECRET", account::VIDEO_API_KEY_SECRET);
    Ok(())
}

/// Starts a server and waits for the line of JSON in which it says that it is ready.
pub fn start_server(project: &Project, name: &str, mut server: Command) -> Result<(Running, Value)> {
    let log = project.log(name);
    server.stdout(Stdio::piped()).stderr(fs::File::create(&log)?);
    let mut running = Running::of(server.spawn().with_context(|| format!("cannot start {name}"))?);
    let stdout = running.child().stdout.take().context("a piped stdout")?;
    let (sender, lines) = mpsc::channel();
    let later_lines = project.run_dir().join(format!("{name}.out"));
    thread::spawn(move || {
        let mut out = fs::File::create(later_lines);
        for line in BufReader::new(stdout).lines().map_while(|line| line.ok()) {
            // Nobody listens any more once the server is ready; the rest goes to a file.
            if sender.send(line.clone()).is_err()
                && !out.as_mut().is_ok_and(|out| writeln!(out, "{line}").is_ok())
            {
                return;
            }
        }
    });
    let start = Instant::now();
    while start.elapsed() < READY_LIMIT && !interrupted() {
        match lines.recv_timeout(Duration::from_millis(50)) {
            Ok(line) => match serde_json::from_str::<Value>(&line) {
                Ok(ready) if ready["event"] == "ready" => return Ok((running, ready)),
                _ => {}
            },
            Err(mpsc::RecvTimeoutError::Timeout) => {}
            Err(mpsc::RecvTimeoutError::Disconnected) => break,
        }
    }
    bail!("{name} did not become ready:\n{}\nwhole log: {}", crate::process::tail(&log, 30), log.display())
}

/// A port that nobody listens on at this moment.
pub fn free_port() -> Result<u16> {
    Ok(TcpListener::bind("127.0.0.1:0")?.local_addr()?.port())
}

/// Every name of the internet leads to the sandbox; nothing else of Chromium's behaviour that matters is changed.
/// Of certificates that nobody vouches for, only the sandbox's own is trusted.
fn chromium_args(host_rules: &str, sandbox_key: &str, headless: bool) -> Vec<String> {
    let mut args = vec![
        format!("--host-resolver-rules={host_rules}"),
        format!("--ignore-certificate-errors-spki-list={sandbox_key}"),
    ];
    args.extend(
        [
            "--allow-loopback-in-peer-connection", // the customer is on this machine too
            "--no-first-run",
            "--no-default-browser-check",
            "--disable-background-networking",
            "--disable-component-update",
            "--disable-sync",
            "--disable-quic",
            "--password-store=basic",
            "--lang=en-US",
        ]
        .map(str::to_owned),
    );
    if headless {
        args.push("--disable-gpu".into());
    }
    if is_root() {
        args.push("--no-sandbox".into()); // Chromium refuses to start its own sandbox as root
    }
    args
}

pub fn npm_version(project: &Project, package: &str) -> String {
    let manifest = project.root.join("node_modules").join(package).join("package.json");
    let version = fs::read_to_string(manifest).ok().and_then(|text| {
        let manifest: Value = serde_json::from_str(&text).ok()?;
        Some(manifest["version"].as_str()?.to_owned())
    });
    version.unwrap_or_else(|| "unknown".into())
}
