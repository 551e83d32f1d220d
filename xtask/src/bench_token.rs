//! `cargo xtask bench token`: our token service beside the function that it replaces, on express with Twilio's own
//! packages, all against one stand-in for Twilio's IAM over TLS and in the same run.
//!
//! The server under test has one core to itself; load and stand-in share another. Rounds alternate between the servers,
//! and each server's best round counts, because another program may have disturbed the others.

use std::{
    fs,
    io::{Read as _, Write as _},
    net::{SocketAddr, TcpStream},
    path::{Path, PathBuf},
    process::{Command, ExitCode, Stdio},
    thread,
    time::{Duration, Instant},
};

use anyhow::{Context, Result, bail};
use clap::Args;
use serde_json::{Value, json};

use crate::{
    process::{Running, command, interrupted, output_of, run_quietly, seconds, succeeds},
    project::Project,
    say,
    stack::start_server,
};

#[derive(Args)]
pub struct Options {
    /// How long each measurement takes, in seconds
    #[arg(long, default_value_t = 6, value_name = "N", value_parser = clap::value_parser!(u32).range(1..=60))]
    seconds: u32,
    /// How often each server is measured; its best round counts
    #[arg(long, default_value_t = 3, value_name = "N", value_parser = clap::value_parser!(u32).range(1..=10))]
    rounds: u32,
    /// How many clients ask at once
    #[arg(long, default_value_t = 32, value_name = "N")]
    connections: u32,
    /// Only the JSON line on standard output
    #[arg(long)]
    json: bool,
}

/// The versions that the replaced function's lock file names, and the newest when this was written.
const SEED: Packages = Packages {
    name: "node",
    title: "express, twilio 3.84.1",
    packages: ["express@4.21.2", "twilio@3.84.1", "twilio-flex-token-validator@1.5.8"],
};
const TODAY: Packages = Packages {
    name: "node_today",
    title: "express, twilio 6.2.0",
    packages: ["express@5.3.0", "twilio@6.2.0", "twilio-flex-token-validator@1.6.0"],
};

pub const ACCOUNT_SID: &str = "AC00000000000000000000000000000000";
pub const API_KEY_SID: &str = "SK00000000000000000000000000000000";
const ORIGIN: &str = "chrome-extension://aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa";
/// How often a start is timed.
const STARTS: usize = 7;
/// Before anything counts: connections come about, and Node's compiler sees what is hot.
const WARM_UP_SECONDS: u32 = 2;
/// Ticks of `/proc/*/stat`, which Linux fixes for all its programs.
const TICKS_PER_SECOND: f64 = 100.0;

struct Packages {
    name: &'static str,
    title: &'static str,
    packages: [&'static str; 3],
}

/// A server that is measured.
struct Candidate {
    /// In the JSON.
    name: &'static str,
    /// For a person.
    title: &'static str,
    /// How the generator of load talks to it.
    speaks: &'static str,
    command: Box<dyn Fn() -> Command>,
}

/// What was measured of one candidate: the best of each.
#[derive(Clone, Copy, Debug)]
struct Figures {
    rps: f64,
    rps_warm: f64,
    p50_ms: f64,
    p99_ms: f64,
    cpu_us: f64,
    cpu_us_warm: f64,
    rss_mb: f64,
    start_ms: f64,
}

/// One measurement under load.
struct Sample {
    rps: f64,
    p50_ms: f64,
    p99_ms: f64,
    cpu_us: f64,
}

/// Measures, says so, and prints the JSON line last.
pub fn run(project: &Project, options: &Options) -> Result<ExitCode> {
    let start = Instant::now();
    build(project)?;
    let bench = Bench { project, cores: Cores::of_this_machine() };
    let (seed, today) = (install(project, &SEED)?, install(project, &TODAY)?);
    let (iam, ca, iam_port) = bench.iam(&[])?;

    let candidates = [
        bench.ours(&ca, iam_port),
        bench.node(&SEED, seed, &ca, iam_port),
        bench.node(&TODAY, today, &ca, iam_port),
    ];
    let mut figures: Vec<Option<Figures>> = vec![None; candidates.len()];
    for round in 1..=options.rounds {
        for (candidate, best) in candidates.iter().zip(&mut figures) {
            let now = bench.measure(candidate, options)?;
            say!("bench: round {round} of {}: {}: {now}", options.rounds, candidate.title);
            *best = Some(best.map_or(now, |best| best.best(now)));
        }
    }
    drop(iam);
    let signed = bench.tool_json("bench-sign", &["sign"])?;
    let sign_limit = signed["per_second"].as_f64().context("the rate of signing")?;

    let all: Vec<Figures> = figures.into_iter().flatten().collect();
    let &[ours, node, node_today] = all.as_slice() else { bail!("a server was not measured") };
    if !options.json {
        println!("{}", table(&candidates, &all));
        println!("signing alone: {sign_limit:.0} tokens a second on one core");
    }
    say!("bench: {}", seconds(start));
    println!("{}", report(ours, node, node_today, sign_limit));
    Ok(ExitCode::SUCCESS)
}

/// As many agents as a large contact centre has want a token within a minute, and Twilio answers so many questions a second.
const STORM_ANSWERS_PER_SECOND: &str = "50";

/// The service as it ships, alone in its process, in the storm that the test of the same name plays without real time: what
/// it needs of memory and processor.
pub fn storm(project: &Project) -> Result<()> {
    let start = Instant::now();
    build(project)?;
    let bench = Bench { project, cores: Cores::of_this_machine() };
    let (_iam, ca, iam_port) = bench.iam(&["--per-second", STORM_ANSWERS_PER_SECOND])?;
    let service = bench.ours(&ca, iam_port);
    let server = bench.start(&service)?;
    let (before, address) = (server.most_memory_mb()?, server.address.to_string());
    say!("bench: 20 000 agents ask the service as it ships, in real time: seven minutes or more ...");
    let args = ["storm", "--address", &address, "--account-sid", ACCOUNT_SID, "--origin", ORIGIN];
    let seen = bench.tool_json("the storm", &args)?;
    say!("bench: {}", seconds(start));
    println!(
        "the service as it ships: {} agents have their token after {} s, having asked {} times on average and {} at most; \
         its process had {before:.1} MB before and {:.1} MB at most, and used {:.1} s of processor time",
        seen["served"],
        seen["seconds"],
        seen["asked_mean"],
        seen["asked_most"],
        server.most_memory_mb()?,
        server.cpu_seconds()?,
    );
    Ok(())
}

/// The one line that programs read.
fn report(ours: Figures, node: Figures, node_today: Figures, sign_limit: f64) -> Value {
    let ratio = |of: fn(Figures) -> f64| rounded(of(ours) / of(node), 3);
    json!({
        "ours": ours.json(),
        "node": node.json(),
        "node_today": node_today.json(),
        "ratio": {
            "rps": ratio(|f| f.rps),
            "rps_warm": ratio(|f| f.rps_warm),
            "p99": ratio(|f| f.p99_ms),
            "rss": ratio(|f| f.rss_mb),
        },
        "sign_limit_rps": sign_limit.round(),
    })
}

fn rounded(number: f64, digits: i32) -> f64 {
    let scale = 10_f64.powi(digits);
    (number * scale).round() / scale
}

impl Figures {
    fn best(self, other: Self) -> Self {
        // Latencies belong to the round whose rate counts.
        let quicker = if other.rps > self.rps { other } else { self };
        Self {
            rps: quicker.rps,
            p50_ms: quicker.p50_ms,
            p99_ms: quicker.p99_ms,
            rps_warm: self.rps_warm.max(other.rps_warm),
            cpu_us: self.cpu_us.min(other.cpu_us),
            cpu_us_warm: self.cpu_us_warm.min(other.cpu_us_warm),
            // Memory is as bad as it ever was.
            rss_mb: self.rss_mb.max(other.rss_mb),
            start_ms: self.start_ms.min(other.start_ms),
        }
    }

    fn json(self) -> Value {
        json!({
            "rps": self.rps.round(),
            "rps_warm": self.rps_warm.round(),
            "p50_ms": rounded(self.p50_ms, 3),
            "p99_ms": rounded(self.p99_ms, 3),
            "rss_mb": rounded(self.rss_mb, 1),
            "start_ms": rounded(self.start_ms, 1),
        })
    }
}

impl std::fmt::Display for Figures {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Self { rps, rps_warm, p50_ms, p99_ms, cpu_us, cpu_us_warm, rss_mb, start_ms } = self;
        write!(
            f,
            "{rps:.0}/s, p50 {p50_ms:.2} ms, p99 {p99_ms:.2} ms, CPU {cpu_us:.1} µs; warm {rps_warm:.0}/s, CPU \
             {cpu_us_warm:.1} µs; {rss_mb:.1} MB; ready in {start_ms:.1} ms"
        )
    }
}

fn table(candidates: &[Candidate], figures: &[Figures]) -> String {
    let mut lines = vec![
        "| server | requests/s | p50 ms | p99 ms | CPU µs | warm requests/s | warm CPU µs | memory MB | start ms |"
            .to_owned(),
        "|---|---|---|---|---|---|---|---|---|".to_owned(),
    ];
    for (candidate, figures) in candidates.iter().zip(figures) {
        let Figures { rps, rps_warm, p50_ms, p99_ms, cpu_us, cpu_us_warm, rss_mb, start_ms } = figures;
        lines.push(format!(
            "| {} | {rps:.0} | {p50_ms:.2} | {p99_ms:.2} | {cpu_us:.1} | {rps_warm:.0} | {cpu_us_warm:.1} | \
             {rss_mb:.1} | {start_ms:.1} |",
            candidate.title
        ));
    }
    lines.join("\n")
}

/// Compiles the service as it ships, and the bench's own programs.
pub fn build(project: &Project) -> Result<()> {
    let start = Instant::now();
    let mut cargo = command("cargo", &project.root);
    cargo.args([
        "build",
        "--locked",
        "--profile",
        "service",
        "--package",
        "token-service",
        "--package",
        "token-bench",
    ]);
    // aws-lc's own source of entropy beside the kernel's takes 100 ms at every start.
    cargo.env("AWS_LC_SYS_NO_JITTER_ENTROPY", "1");
    run_quietly(&mut cargo, &project.log("build-bench"))
        .context("token-service or token-bench does not build")?;
    say!("bench: compiled: {}", seconds(start));
    Ok(())
}

/// Installs packages from npm, once, below `target/`.
fn install(project: &Project, packages: &Packages) -> Result<PathBuf> {
    let directory = project.root.join("target/bench").join(packages.name);
    let done = directory.join("installed");
    let wanted = packages.packages.join(" ");
    if fs::read_to_string(&done).is_ok_and(|there| there == wanted) {
        return Ok(directory);
    }
    say!("bench: npm install {wanted} ...");
    fs::create_dir_all(&directory)?;
    fs::write(directory.join("package.json"), "{\"private\": true}\n")?;
    let mut npm = command("npm", &directory);
    npm.args(["install", "--ignore-scripts", "--no-audit", "--no-fund", "--no-progress", "--save-exact"])
        .args(packages.packages);
    run_quietly(&mut npm, &project.log(&format!("npm-{}", packages.name)))?;
    fs::write(done, wanted)?;
    Ok(directory)
}

/// Which core is whose.
#[derive(Clone, Copy)]
struct Cores {
    server: Option<u32>,
    load: Option<u32>,
}

impl Cores {
    fn of_this_machine() -> Self {
        let several = thread::available_parallelism().is_ok_and(|n| n.get() > 1);
        if several && succeeds(Command::new("taskset").args(["-c", "1", "true"])) {
            Self { server: Some(0), load: Some(1) }
        } else {
            say!("bench: no cores can be given away here (taskset, two cores): the figures include the load");
            Self { server: None, load: None }
        }
    }
}

struct Bench<'a> {
    project: &'a Project,
    cores: Cores,
}

impl Bench<'_> {
    fn built(&self, name: &str) -> PathBuf {
        self.project.target.join("service").join(name)
    }

    fn tool(&self) -> PathBuf {
        self.built("token-bench")
    }

    fn pinned(&self, core: Option<u32>, program: &Path) -> Command {
        pinned(core, program, &self.project.root)
    }

    /// Runs one of the tools on the core of the load, and reads its last line.
    fn tool_json(&self, log: &str, args: &[&str]) -> Result<Value> {
        let output = output_of(self.pinned(self.cores.load, &self.tool()).args(args));
        let output = output.with_context(|| format!("{log} failed"))?;
        Ok(serde_json::from_str(output.lines().last().unwrap_or_default())?)
    }

    /// Starts Twilio's stand-in: it, its certificate and its port.
    fn iam(&self, args: &[&str]) -> Result<(Running, PathBuf, u64)> {
        let ca = self.project.run_dir().join("bench-iam-ca.pem");
        let mut iam = self.pinned(self.cores.load, &self.tool());
        iam.arg("iam").arg("--ca").arg(&ca).args(args).stdin(Stdio::piped());
        let (iam, ready) = start_server(self.project, "bench-iam", iam)?;
        let port = ready["port"].as_u64().context("the stand-in says no port")?;
        Ok((iam, ca, port))
    }

    fn ours(&self, ca: &Path, iam_port: u64) -> Candidate {
        let (core, program, root) =
            (self.cores.server, self.built("token-service"), self.project.root.clone());
        let ca = ca.to_path_buf();
        Candidate {
            name: "ours",
            title: "token-service",
            speaks: "holdfast",
            command: Box::new(move || {
                let mut server = pinned(core, &program, &root);
                // As it is run: every layer, a log line for each request. Only the limits by identity are wider, since
                // a thousand agents ask for more than a hundred thousand do.
                server
                    .args([
                        "--port",
                        "0",
                        "--admin-port",
                        "0",
                        "--exit-with-stdin",
                        "--allowed-origin",
                        ORIGIN,
                    ])
                    .args(["--iam-base-url", &format!("https://127.0.0.1:{iam_port}")])
                    .args(["--mints-per-minute", "1000000", "--validation-cache-seconds", "30"])
                    .env("TWILIO_ACCOUNT_SID", ACCOUNT_SID)
                    .env("TWILIO_API_KEY_SID", API_KEY_SID)
                    .env("TWILIO_API_KEY_SECRET", "s".repeat(32))
                    .env("TWILIO_AUTH_TOKEN", "t".repeat(32))
                    .env("SSL_CERT_FILE", &ca);
                server
            }),
        }
    }

    fn node(&self, packages: &Packages, directory: PathBuf, ca: &Path, iam_port: u64) -> Candidate {
        let (core, ca) = (self.cores.server, ca.to_path_buf());
        let script = self.project.root.join("token-service/bench/peer/server.cjs");
        Candidate {
            name: packages.name,
            title: packages.title,
            speaks: "generate-token",
            command: Box::new(move || {
                let mut server = pinned(core, Path::new("node"), &directory);
                server
                    .arg(&script)
                    .env("NODE_ENV", "production")
                    .env("ACCOUNT_SID", ACCOUNT_SID)
                    .env("AUTH_TOKEN", "t".repeat(32))
                    .env("API_KEY", API_KEY_SID)
                    .env("API_SECRET", "s".repeat(32))
                    .env("IAM_CA", &ca)
                    .env("IAM_PORT", iam_port.to_string());
                server
            }),
        }
    }

    fn measure(&self, candidate: &Candidate, options: &Options) -> Result<Figures> {
        let mut starts = Vec::new();
        for _ in 0..STARTS {
            starts.push(self.start(candidate)?.took);
        }
        starts.sort();
        let server = self.start(candidate)?;
        let load = |seconds, again| self.load(candidate, &server, options.connections, seconds, again);
        load(WARM_UP_SECONDS, false)?;
        let cold = load(options.seconds, false)?;
        load(1, true)?;
        let warm = load(options.seconds, true)?;
        Ok(Figures {
            rps: cold.rps,
            rps_warm: warm.rps,
            p50_ms: cold.p50_ms,
            p99_ms: cold.p99_ms,
            cpu_us: cold.cpu_us,
            cpu_us_warm: warm.cpu_us,
            rss_mb: server.most_memory_mb()?,
            start_ms: starts[starts.len() / 2].as_secs_f64() * 1000.0,
        })
    }

    /// Starts a server, and times how long it takes from there to its first answer about its readiness.
    fn start(&self, candidate: &Candidate) -> Result<Server> {
        let mut command = (candidate.command)();
        command.stdin(Stdio::piped());
        let start = Instant::now();
        let (running, ready) = start_server(self.project, &format!("bench-{}", candidate.name), command)?;
        let port = |name: &str| ready[name].as_u64().and_then(|port| u16::try_from(port).ok());
        let public = port("port").context("the server says no port")?;
        let address = |port: u16| SocketAddr::from(([127, 0, 0, 1], port));
        get_ready(address(port("admin_port").unwrap_or(public)))?;
        Ok(Server { took: start.elapsed(), address: address(public), running })
    }

    fn load(
        &self,
        candidate: &Candidate,
        server: &Server,
        connections: u32,
        seconds: u32,
        again: bool,
    ) -> Result<Sample> {
        if interrupted() {
            bail!("interrupted");
        }
        let (address, seconds, connections) =
            (server.address.to_string(), seconds.to_string(), connections.to_string());
        let mut args =
            vec!["load", "--address", &address, "--speaks", candidate.speaks, "--seconds", &seconds];
        args.extend(["--connections", &connections, "--account-sid", ACCOUNT_SID, "--origin", ORIGIN]);
        if again {
            args.push("--again");
        }
        let before = server.cpu_seconds()?;
        let seen = self.tool_json("the load", &args)?;
        let cpu = server.cpu_seconds()? - before;
        if seen["failed"] != 0 {
            bail!("{}: {} answers were wrong, as {}", candidate.title, seen["failed"], seen["example"]);
        }
        let number = |name: &str| seen[name].as_f64().with_context(|| format!("the load says no {name}"));
        Ok(Sample {
            rps: number("rps")?,
            p50_ms: number("p50_ms")?,
            p99_ms: number("p99_ms")?,
            cpu_us: cpu * 1e6 / number("requests")?,
        })
    }
}

fn pinned(core: Option<u32>, program: &Path, directory: &Path) -> Command {
    match core {
        Some(core) => {
            let mut pinned = command("taskset", directory);
            pinned.args(["-c", &core.to_string()]).arg(program);
            pinned
        }
        None => command(program, directory),
    }
}

struct Server {
    running: Running,
    address: SocketAddr,
    took: Duration,
}

impl Server {
    fn proc(&self, file: &str) -> Result<String> {
        // taskset replaces itself by the server, so this is the server's own.
        let path = format!("/proc/{}/{file}", self.running.id());
        fs::read_to_string(&path).with_context(|| format!("{path}: only Linux says what a process uses"))
    }

    /// Processor time so far, of all its threads, in the system too.
    fn cpu_seconds(&self) -> Result<f64> {
        let stat = self.proc("stat")?;
        // The name, in parentheses, may contain anything.
        let fields: Vec<&str> = stat.rsplit(')').next().unwrap_or_default().split_whitespace().collect();
        let ticks = |index: usize| fields.get(index).and_then(|text| text.parse::<f64>().ok());
        let (user, system) = ticks(11).zip(ticks(12)).context("/proc/*/stat")?;
        Ok((user + system) / TICKS_PER_SECOND)
    }

    /// The most memory that it ever had.
    fn most_memory_mb(&self) -> Result<f64> {
        let status = self.proc("status")?;
        let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).context("VmHWM")?;
        let kilobytes: f64 = line.trim().trim_end_matches(" kB").parse()?;
        Ok(kilobytes / 1024.0)
    }
}

/// `GET /ready`, answered with 200.
fn get_ready(address: SocketAddr) -> Result<()> {
    let mut stream = TcpStream::connect(address)?;
    stream.set_read_timeout(Some(Duration::from_secs(5)))?;
    stream.write_all(b"GET /ready HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n")?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer)?;
    if answer.starts_with("HTTP/1.1 200") { Ok(()) } else { bail!("not ready: {answer}") }
}
